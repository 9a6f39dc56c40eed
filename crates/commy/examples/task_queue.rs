//! A queue of tasks, any number of processes that put some in, and any number that take them out: each task is given
//! to one of them, and tasks stay when who put them in has ended.
//!
//! ```text
//! cargo run --example task_queue                              two producers, three consumers
//! cargo run --example task_queue -- produce FILE NAME COUNT   puts COUNT tasks in
//! cargo run --example task_queue -- consume FILE              takes tasks until none comes for a second
//! ```

use commy::{FreeListAllocator, Result, Share, SharedVecDeque};
use std::process::Command;
use std::time::Duration;

#[derive(Share)]
struct Task {
    id: u64,
    work: String,
}

fn queue(file: &str) -> Result<SharedVecDeque<Task>> {
    // SAFETY: nothing is lent here.
    let allocator = unsafe { FreeListAllocator::open(file, 8 << 20)? };
    SharedVecDeque::try_named_in(&allocator, "tasks")
}

fn produce(file: &str, name: &str, count: u64) -> Result<()> {
    let mut queue = queue(file)?;
    for id in 0..count {
        queue.try_push_back(Task { id, work: format!("resize picture {id} of {name}") })?;
    }
    Ok(())
}

fn consume(file: &str) -> Result<()> {
    let mut queue = queue(file)?;
    while let Some(task) = queue.pop_front_wait(Duration::from_secs(1))? {
        println!("{} {}", task.id, task.work);
    }
    Ok(())
}

/// Plays the part that the arguments name.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["produce", file, name, count] => produce(file, name, count.parse().unwrap_or(100)),
        ["consume", file] => consume(file),
        _ => all(),
    }
}

fn all() -> Result<()> {
    let file = std::env::temp_dir().join(format!("commy-tasks-{}", std::process::id()));
    let part = |arguments: &[&str]| {
        let file = file.to_string_lossy();
        let arguments = arguments.iter().map(|argument| if *argument == "FILE" { &file } else { *argument });
        Command::new(std::env::current_exe()?).args(arguments).spawn()
    };
    let mut parts = Vec::new();
    for name in ["Ada", "Grace"] {
        parts.push(part(&["produce", "FILE", name, "20"])?);
    }
    for _ in 0..3 {
        parts.push(part(&["consume", "FILE"])?);
    }
    for mut part in parts {
        part.wait()?;
    }
    Ok(std::fs::remove_file(file)?)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
