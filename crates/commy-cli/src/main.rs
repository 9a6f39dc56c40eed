//! The `commy` command.

mod demo;
mod objects;
mod segments;

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
        Command::Objects(command) => objects::run(&command),
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
