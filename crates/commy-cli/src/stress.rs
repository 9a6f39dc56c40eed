//! `stress`: the stress programs of the examples, with a bar. What it does says `examples/stress/mod.rs` of the library,
//! which is compiled in here.

#[path = "../../commy/examples/stress/mod.rs"]
#[allow(dead_code, reason = "it has a main function of its own")]
mod program;

use crate::demo::Result;
use crate::interrupt::{self, Scratch};
use crate::output::{self, BAD, GOOD, STRONG, bytes};
use clap::Args;
use program::Plan;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// Processes that contend.
    #[arg(long, default_value_t = program::PLAN.processes)]
    processes: u64,
    /// What each of them does.
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// Instead go on for so many seconds.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// Bytes of the smallest blocks.
    #[arg(long, default_value_t = program::PLAN.least, value_parser = clap::value_parser!(u64).range(1..))]
    least: u64,
    /// Bytes of the largest blocks.
    #[arg(long, default_value_t = program::PLAN.most)]
    most: u64,
    /// One operation of so many is one on a container that all share.
    #[arg(long, default_value_t = program::PLAN.shared, value_parser = clap::value_parser!(u64).range(1..))]
    shared: u64,
    /// Bytes of the file.
    #[arg(long, default_value_t = program::PLAN.file)]
    file: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Worker {
    number: u64,
    path: PathBuf,
    #[command(flatten)]
    options: Options,
}

impl Options {
    fn plan(&self) -> Plan {
        let Options { processes, operations, seconds, least, most, shared, file, .. } = *self;
        Plan { processes, operations, seconds, least, most: most.max(least), shared, file }
    }
}

pub fn work(worker: &Worker) -> Result<()> {
    interrupt::end_with_parent();
    Ok(program::work(&worker.path, worker.number, &worker.options.plan())?)
}

pub fn run(options: &Options) -> Result<()> {
    let plan = options.plan();
    let scratch = Scratch::new("stress")?;
    let path = scratch.file("stress.mmap");
    let program = std::env::current_exe()?;
    // The arguments of a process are those of the examples: a word, its number, the file, the plan.
    let start = |arguments: &[String]| {
        let mut command = Command::new(&program);
        interrupt::tied(&mut command).arg("stress-worker").args(&arguments[1..]);
        command
    };
    let timed = plan.seconds > 0;
    let steps = if timed { plan.seconds } else { plan.processes * plan.operations };
    let (bar, begin) = (output::bar(steps, if timed { "s" } else { "operations" })?, Instant::now());
    let summary = program::direct(&path, &plan, &start, &|done| {
        bar.set_position(if timed { begin.elapsed().as_secs() } else { done });
        if timed {
            bar.set_message(format!("{done} operations"));
        }
    });
    bar.finish_and_clear();
    drop(scratch);
    let summary = summary?;
    let (seconds, time) = (summary.nanoseconds as f64 / 1e9, |part| summary.percentile(part));
    let rates = (summary.operations as f64 / seconds, summary.bytes as f64 / seconds);
    if options.json {
        output::json(&json!({
            "processes": plan.processes, "operations": summary.operations, "seconds": seconds,
            "operations_per_second": rates.0, "bytes_per_second": rates.1,
            "latency_ns": { "50": time(0.5), "90": time(0.9), "99": time(0.99), "99.9": time(0.999), "longest": time(1.0) },
            "wrong": summary.errors,
        }))?;
    } else {
        let mut out = output::out();
        let (processes, operations) = (plan.processes, summary.operations);
        writeln!(out, "{STRONG}{processes} processes, {operations} operations in {seconds:.3} s{STRONG:#}")?;
        let written = bytes(rates.1 as u64);
        writeln!(out, "  {:.0} operations a second, {written} of blocks written and verified a second", rates.0)?;
        writeln!(
            out,
            "  half of them took at most {} ns, 99 % {} ns, 99.9 % {} ns",
            time(0.5),
            time(0.99),
            time(0.999)
        )?;
        writeln!(out, "  the longest took {} us", time(1.0) / 1000)?;
        for error in &summary.errors {
            writeln!(out, "  {BAD}wrong:{BAD:#} {error}")?;
        }
        if summary.errors.is_empty() {
            writeln!(out, "  {GOOD}verified:{GOOD:#} every pattern, sums, counts, memory in use")?;
        }
    }
    match summary.errors.len() {
        0 => Ok(()),
        count => Err(format!("{count} things do not add up").into()),
    }
}
