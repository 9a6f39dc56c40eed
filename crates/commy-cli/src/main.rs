//! The `commy` command.

mod demo;

use clap::{Parser, Subcommand};
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
    /// Index a text corpus with several processes, killing one every second, and check the result.
    Demo(demo::Options),
    /// One of the demo's processes; started by `demo`.
    #[command(hide = true)]
    DemoWorker(demo::worker::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
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
