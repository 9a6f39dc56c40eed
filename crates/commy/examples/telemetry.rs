//! Measurements that many processes contribute to and one shows: counters without a lock, and a record under one.
//!
//! ```text
//! cargo run --example telemetry                       three workers, then what they measured
//! cargo run --example telemetry -- work FILE COUNT
//! cargo run --example telemetry -- show FILE
//! ```

use commy::{Atomics, FreeListAllocator, Plain, Result, Shared, SharedBox};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What everybody counts, each by itself.
#[derive(Default, Atomics)]
#[repr(C)]
struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    /// Requests by the number of bits of their duration in nanoseconds.
    by_duration: [AtomicU64; 32],
}

/// What has to fit together.
#[derive(Clone, Copy, Default, Plain)]
#[repr(C)]
struct Extremes {
    longest_ns: u64,
    by_process: u64,
    found: u64,
}

fn open(file: &str) -> Result<(Shared<Counters>, SharedBox<Extremes>)> {
    // SAFETY: nothing is lent here.
    let allocator = unsafe { FreeListAllocator::open(file, 1 << 20)? };
    let counters = allocator.segment().open_or_create("counters")?;
    Ok((counters, SharedBox::try_named_in(&allocator, "extremes")?))
}

fn work(file: &str, count: u64) -> Result<()> {
    let (counters, mut extremes) = open(file)?;
    let mut longest = 0;
    for number in 0..count {
        let start = Instant::now();
        let failed = std::hint::black_box(number) % 100 == 99;
        let duration = start.elapsed().as_nanos() as u64;
        counters.requests.fetch_add(1, Ordering::Relaxed);
        counters.errors.fetch_add(failed.into(), Ordering::Relaxed);
        counters.by_duration[31.min((duration | 1).ilog2() as usize)].fetch_add(1, Ordering::Relaxed);
        if duration > longest {
            longest = duration;
            extremes.update(|extremes| {
                extremes.found += 1;
                if duration > extremes.longest_ns {
                    (extremes.longest_ns, extremes.by_process) = (duration, std::process::id().into());
                }
            })?;
        }
    }
    Ok(())
}

fn show(file: &str) -> Result<()> {
    let (counters, extremes) = open(file)?;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!("requests {}", count(&counters.requests));
    println!("errors {}", count(&counters.errors));
    println!("durations {}", counters.by_duration.iter().map(count).sum::<u64>());
    let extremes = extremes.load()?;
    println!("longest {} ns, in process {}; {} new ones", extremes.longest_ns, extremes.by_process, extremes.found);
    Ok(())
}

/// Plays the part that the arguments name.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["work", file, count] => work(file, count.parse().unwrap_or(1000)),
        ["show", file] => show(file),
        _ => {
            let file = std::env::temp_dir().join(format!("commy-telemetry-{}", std::process::id()));
            let worker = |_| Command::new(std::env::current_exe()?).arg("work").arg(&file).arg("100000").spawn();
            for worker in (0..3).map(worker).collect::<Vec<_>>() {
                worker?.wait()?;
            }
            show(&file.to_string_lossy())?;
            Ok(std::fs::remove_file(&file)?)
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
