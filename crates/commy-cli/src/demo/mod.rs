//! The demonstration: several processes index a text corpus in one segment while one of them is killed
//! every second.
//!
//! Four objects: the queue of files to do, the count of each word, the files in which each word occurs,
//! and the files that are done. A worker counts a file's words by itself and then, in one transaction,
//! takes the file out of the queue, adds its words to the counts and the index, and notes it as done. So
//! whoever is killed whenever, each file is counted once. At the end everything is compared with what one
//! process finds with the standard library's collections.

mod corpus;
mod verify;
pub mod worker;

use crate::interrupt::{self, Scratch};
use clap::Args;
use commy::{Segment, Share, Shared};
use corpus::Corpus;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What any part of the demo may fail with.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Args)]
pub struct Options {
    /// Worker processes.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Folder with text to index; found by itself unless given.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// How much of the text to take at most, in megabytes.
    #[arg(long, default_value_t = 400)]
    megabytes: u64,
    /// Milliseconds from one kill to the next; 0 for none.
    #[arg(long, default_value_t = 1000)]
    kill_every: u64,
    /// Where to put the segment, and keep it; a temporary file unless given.
    #[arg(long)]
    segment: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A file to be indexed.
#[derive(Share, Clone, Debug, PartialEq)]
pub struct Task {
    /// Its number in the index.
    pub id: u32,
    /// Where it is.
    pub path: String,
}

/// The objects of the demo.
pub struct Objects {
    pub tasks: Shared<VecDeque<Task>>,
    pub words: Shared<HashMap<String, u64>>,
    pub index: Shared<BTreeMap<String, Vec<u32>>>,
    pub done: Shared<Vec<u32>>,
}

impl Objects {
    pub fn open(segment: &Segment) -> commy::Result<Objects> {
        Ok(Objects {
            tasks: segment.open_or_create("tasks")?,
            words: segment.open_or_create("words")?,
            index: segment.open_or_create("index")?,
            done: segment.open_or_create("done")?,
        })
    }
}

pub fn run(options: &Options) -> Result<()> {
    let corpus = Corpus::find(options.corpus.as_deref(), options.megabytes << 20)?;
    let (files, megabytes, root) = (corpus.files.len(), corpus.bytes as f64 / 1e6, corpus.root.display());
    if !options.json {
        println!("Indexing {files} files, {megabytes:.1} MB, from {root}.");
    }
    let scratch = Scratch::new("demo")?;
    let own = scratch.file("demo.commy");
    let file = options.segment.as_ref().unwrap_or(&own);
    let segment = Segment::create(file)?;
    let objects = Objects::open(&segment)?;
    {
        let mut tasks = objects.tasks.write()?;
        for (id, path) in corpus.files.iter().enumerate() {
            let path = path.to_str().ok_or("a path that is not UTF-8")?.to_owned();
            tasks.push_back(Task { id: id as u32, path })?;
        }
    }
    let begin = Instant::now();
    let killed = work(options, file, &objects, corpus.files.len())?;
    let time = begin.elapsed();
    segment.recover()?;
    let stats = segment.stats()?;
    let found = verify::against_one_process(&corpus, &objects)?;
    if options.json {
        crate::output::json(&serde_json::json!({
            "files": files, "bytes": corpus.bytes, "workers": options.workers, "killed": killed,
            "recovered": stats.recovered, "rolled_back": stats.rolled_back, "finished": stats.finished,
            "words": found.total, "seconds": time.as_secs_f64(), "alone_seconds": found.alone.as_secs_f64(),
            "frequent": found.frequent, "differences": found.differences,
        }))?;
        return found.verdict();
    }
    println!(
        "{killed} workers were killed and replaced.\n{} dead threads were recovered: {} transactions rolled back, {} finished.",
        stats.recovered, stats.rolled_back, stats.finished
    );
    found.show(time, options.workers);
    println!("The segment holds {:.1} MB in {:.1} MB of file.", stats.allocated as f64 / 1e6, stats.size as f64 / 1e6);
    found.verdict()
}

fn start(file: &Path, number: usize, workers: usize) -> Result<Child> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    interrupt::tied(&mut command).arg("demo-worker").arg(file).arg(number.to_string()).arg(workers.to_string());
    Ok(command.spawn()?)
}

/// Runs the workers until all is done, killing one every now and then. Gives how many were killed.
fn work(options: &Options, file: &Path, objects: &Objects, files: usize) -> Result<u64> {
    let mut workers =
        (0..options.workers).map(|number| start(file, number, options.workers)).collect::<Result<Vec<Child>>>()?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files  {msg}")?;
    let bar = ProgressBar::new(files as u64).with_style(style);
    let (mut killed, mut last_kill) = (0, Instant::now());
    let result = loop {
        let done = objects.done.read()?.len();
        bar.set_position(done as u64);
        let mut running = 0;
        for worker in &mut workers {
            match worker.try_wait()? {
                None => running += 1,
                Some(status) if status.success() => {}
                Some(status) => return Err(format!("a worker failed: {status}").into()),
            }
        }
        if running == 0 {
            break Ok(killed);
        }
        let due = options.kill_every > 0 && last_kill.elapsed() >= Duration::from_millis(options.kill_every);
        if due && done < files {
            last_kill = Instant::now();
            let victim = killed as usize % workers.len();
            if workers[victim].try_wait()?.is_none() {
                workers[victim].kill()?;
                workers[victim].wait()?;
                workers[victim] = start(file, victim, options.workers)?;
                killed += 1;
                bar.set_message(format!("{killed} killed"));
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    bar.finish();
    result
}
