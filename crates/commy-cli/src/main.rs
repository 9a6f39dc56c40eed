//! The `commy` command.

mod administration;
mod demo;
mod objects;
mod remote;
mod segments;
mod serve;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Look into memory that processes share, and see what it can do.
#[derive(Parser)]
#[command(name = "commy", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

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
    /// Make a certificate for development, signed by itself.
    DevCert(serve::Certificate),
    /// Print a completion script: commy completions bash > ~/.local/share/bash-completion/completions/commy
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Index a text corpus with several processes, killing one every second, and check the result.
    Demo(demo::Options),
    /// One of the demo's processes; started by `demo`.
    #[command(hide = true)]
    DemoWorker(demo::worker::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Segments(command) => segments::run(&command),
        Command::Objects(command) => match remote::server(command.file()) {
            Some(url) => remote::run(url, &command),
            None => objects::run(&command),
        },
        Command::Administration(command) => administration::run(&command),
        Command::Serve(options) => serve::run(&options),
        Command::DevCert(options) => serve::certificate(&options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "commy", &mut std::io::stdout());
            Ok(())
        }
        Command::Demo(options) => demo::run(&options),
        Command::DemoWorker(options) => demo::worker::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("commy: {error}");
            ExitCode::FAILURE
        }
    }
}
