//! The `commy` command.
//!
//! ```text
//! objects        ls, get, create, set .. rm, export, import       reading, transfer
//! segments       inspect, check, snapshot, restore, shrink, recover, top
//! remote, serve, administration        the same for objects on a server, and servers
//! stress, demo   what segments stand
//! output         what all print with
//! interrupt      what is put away when they are interrupted
//! ```

mod administration;
mod demo;
mod inspect;
mod interrupt;
mod objects;
mod output;
mod reading;
mod remote;
mod segments;
mod serve;
mod stress;
mod top;
mod transfer;

use clap::{CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// The code that a check ends with which finds something.
const DAMAGED: u8 = 3;

/// Look into memory that processes share, and see what it can do.
///
/// A segment is a file in which processes share named objects: vectors, maps, texts and what is made of them. Whatever a
/// command does to it happens whole or not at all; it may be interrupted at any moment.
#[derive(Parser)]
#[command(name = "commy", version, arg_required_else_help = true, after_help = MORE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const MORE: &str = "Begin with:
  commy create data.commy words 'HashMap<String, u64>' '{\"hello\": 1}'
  commy set data.commy words world 2
  commy get data.commy words
  commy inspect data.commy

Exit codes: 0 done; 1 it failed, and the standard error says why; 2 the command line is wrong; 3 check has found \
damage; 130 interrupted. NO_COLOR leaves out colours, which are there on terminals only.";

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Segments(segments::Command),
    #[command(flatten)]
    Objects(objects::Command),
    #[command(flatten)]
    Administration(administration::Command),
    /// Serve segments to others: the coordinator.
    Serve(serve::Options),
    /// Hold the memory of isolated services; started by `serve`.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Keeper,
    /// Make a certificate for development, signed by itself.
    DevCert(serve::Certificate),
    /// Print a completion script: commy completions bash > ~/.local/share/bash-completion/completions/commy
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Let processes contend for one file, with every byte and every sum verified.
    #[command(
        after_help = "Examples:\n  commy stress --operations 20000\n  commy stress --processes 2 --seconds 1 --json"
    )]
    Stress(stress::Options),
    /// One of the processes of `stress`.
    #[command(hide = true)]
    StressWorker(stress::Worker),
    /// Index a text corpus with several processes, killing one every second, and check the result.
    Demo(demo::Options),
    /// One of the demo's processes; started by `demo`.
    #[command(hide = true)]
    DemoWorker(demo::worker::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Segments(command) => return ended(segments::run(&command)),
        Command::Objects(command) => match remote::server(command.file()) {
            Some(url) => remote::run(url, &command),
            None => objects::run(&command),
        },
        Command::Administration(command) => administration::run(&command),
        Command::Serve(options) => serve::run(&options),
        #[cfg(target_os = "linux")]
        Command::Keeper => commy_server::keep().map_err(Into::into),
        Command::DevCert(options) => serve::certificate(&options),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "commy", &mut script);
            std::io::stdout().write_all(&script).map_err(Into::into)
        }
        Command::Stress(options) => stress::run(&options),
        Command::StressWorker(worker) => stress::work(&worker),
        Command::Demo(options) => demo::run(&options),
        Command::DemoWorker(options) => demo::worker::run(&options),
    };
    ended(result.map(|()| ExitCode::SUCCESS))
}

fn ended(result: demo::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        // Whoever reads has read enough.
        Err(error) if output::is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("commy: {}", output::told(&*error));
            ExitCode::FAILURE
        }
    }
}
