//! A number that one process writes and another watches.
//!
//! ```text
//! cargo run --example counter                       both, as two processes
//! cargo run --example counter -- write FILE COUNT   counts up to COUNT
//! cargo run --example counter -- read FILE COUNT    shows what it sees until it is COUNT
//! ```

use commy::{FreeListAllocator, Result, SharedBox};
use std::process::Command;
use std::time::Duration;

fn allocator(file: &str) -> Result<FreeListAllocator> {
    // SAFETY: the one reference that is lent here is to a number of one word.
    unsafe { FreeListAllocator::open(file, 1 << 20) }
}

/// Counts, a step a millisecond.
fn write(file: &str, count: u64) -> Result<()> {
    let mut counter: SharedBox<u64> = SharedBox::named_in(&allocator(file)?, "counter");
    for number in 1..=count {
        *counter = number;
        println!("wrote {number}");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sleeps until the number changes, and shows it.
fn read(file: &str, count: u64) -> Result<()> {
    let counter: SharedBox<u64> = SharedBox::named_in(&allocator(file)?, "counter");
    loop {
        let version = counter.version();
        let number = *counter;
        println!("read {number}");
        if number >= count {
            return Ok(());
        }
        counter.wait(version, Duration::from_secs(1))?;
    }
}

/// Plays the part that the arguments name.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["write", file, count] => write(file, count.parse().unwrap_or(100)),
        ["read", file, count] => read(file, count.parse().unwrap_or(100)),
        _ => both(),
    }
}

fn both() -> Result<()> {
    let file = std::env::temp_dir().join(format!("commy-counter-{}", std::process::id()));
    let part = |part: &str| Command::new(std::env::current_exe()?).arg(part).arg(&file).arg("100").spawn();
    let parts = [part("read")?, part("write")?];
    for mut part in parts {
        part.wait()?;
    }
    Ok(std::fs::remove_file(file)?)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
