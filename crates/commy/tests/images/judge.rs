//! Judges every image of a run: recovers a copy and looks whether it is whole.
//!
//! An image stands for a process killed right there. Opening it recovers it; then its content must be exactly
//! what it was before the operation or what it is after, nothing may be leaked, every lock must be free. And
//! since the one who recovers may be killed too, the recovery of images is itself run step by step, and its
//! images are judged, and so on until no new image appears.

use super::stepper;
use commy::Segment;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// An operation, with what surrounds it.
pub struct Scenario<'a> {
    /// Its name in the report.
    pub name: &'a str,
    /// Size of the file and what it may grow to.
    pub sizes: (u64, u64),
    /// What is there before.
    pub prepare: &'a dyn Fn(&Segment),
    /// The operation; all of it is one atomic step.
    pub act: &'a dyn Fn(&Segment),
    /// The content, as text.
    pub observe: &'a dyn Fn(&Segment) -> String,
}

/// What was done, for the report.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub steps: u64,
    pub images: u64,
    pub recoveries: u64,
}

/// What a whole segment looks like.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Outcome {
    content: String,
    allocated: u64,
}

/// How many recoveries of each scenario are themselves run step by step: `COMMY_IMAGES`, a few unless said;
/// `all` for the fixpoint.
fn recoveries_wanted() -> u64 {
    match std::env::var("COMMY_IMAGES").as_deref() {
        Ok("all") => u64::MAX,
        Ok(number) => number.parse().expect("COMMY_IMAGES: a number, or all"),
        Err(_) => 4,
    }
}

/// What tells images apart. Left out is what grows with every attachment and every rescue and means nothing to the
/// next one: the process slots (page 1: generation, start time, heartbeat) and the header's counts of attachments
/// and rescues.
/// With these no two recoveries would ever be alike. Of a dead rescuer in a thread slot (page 2) only that there is one
/// counts: its name has the generation of its process.
fn digest(image: &[u8]) -> u64 {
    const ATTACHMENTS: usize = 120 / 8;
    const COUNTS: std::ops::Range<usize> = 192 / 8..216 / 8;
    const PROCESSES: std::ops::Range<usize> = 4096 / 8..8192 / 8;
    const THREADS: std::ops::Range<usize> = 8192 / 8..12288 / 8;
    const RESCUER: usize = 136 / 8;
    let words = image.as_chunks::<8>().0.iter().enumerate();
    words.filter(|(at, _)| *at != ATTACHMENTS && !COUNTS.contains(at) && !PROCESSES.contains(at)).fold(
        0,
        |hash: u64, (at, word)| {
            let is_rescuer = THREADS.contains(&at) && at % (512 / 8) == RESCUER;
            let word = u64::from_le_bytes(*word);
            let word = if is_rescuer { u64::from(word != 0) } else { word };
            (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        },
    )
}

fn look(segment: &Segment, observe: &dyn Fn(&Segment) -> String) -> Outcome {
    let content = observe(segment);
    Outcome { content, allocated: segment.stats().expect("stats").allocated }
}

/// Recovers a copy of an image and says what it is then.
fn recover(image: &[u8], dir: &Path, observe: &dyn Fn(&Segment) -> String) -> Result<Outcome, String> {
    let path = dir.join("image.commy");
    std::fs::write(&path, image).map_err(|e| e.to_string())?;
    let opened = Segment::options().lock_timeout(std::time::Duration::from_millis(200)).open(&path);
    let outcome = opened.map_err(|e| format!("cannot be opened: {e}")).and_then(|segment| {
        match segment.recover() {
            Ok(0) => {}
            other => return Err(format!("not all was recovered by opening it: {other:?}")),
        }
        match segment.check() {
            Ok(findings) if findings.is_empty() => {}
            other => return Err(format!("not whole: {other:?}")),
        }
        let observed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(&segment, observe)));
        observed.map_err(|cause| {
            let text = cause.downcast_ref::<String>().cloned();
            format!("cannot be read: {}", text.unwrap_or_else(|| "a panic".into()))
        })
    });
    std::fs::remove_file(&path).map_err(|e| e.to_string())?;
    outcome
}

/// Runs the scenario, judges its images and those of their recoveries. Panics at the first violation.
pub fn judge(scenario: &Scenario<'_>) -> Report {
    let dir = tempfile::Builder::new().prefix("commy-images").tempdir_in(fast_dir()).expect("a folder");
    let path = dir.path().join("worker.commy");
    let (initial, max) = scenario.sizes;
    let segment = Segment::options().initial_size(initial).max_size(max).create(&path).expect("create");
    (scenario.prepare)(&segment);
    let before = look(&segment, scenario.observe);
    let trace = stepper::run(&path, || (scenario.act)(&segment));
    let after = look(&segment, scenario.observe);
    drop(segment);
    let mut report = Report { steps: trace.steps, ..Report::default() };
    let mut seen = HashSet::new();
    let mut wanted = recoveries_wanted();
    let mut queue: Vec<(Vec<u8>, String)> = Vec::new();
    collect(&trace, "", &mut seen, &mut queue);
    assert!(!queue.is_empty(), "{}: the operation changed nothing", scenario.name);
    let mut draw = 0u64;
    while let Some((image, history)) = queue.pop() {
        report.images += 1;
        match recover(&image, dir.path(), scenario.observe) {
            Ok(outcome) if outcome == before || outcome == after => {}
            other => {
                let keep = std::env::temp_dir().join(format!("commy-violation-{}.commy", std::process::id()));
                std::fs::write(&keep, &image).expect("keep the image");
                panic!(
                    "{}: image {history} kept as {} is neither before nor after\n before {before:?}\n after  {after:?}\n image  {other:?}",
                    scenario.name,
                    keep.display()
                );
            }
        }
        draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let drawn = wanted == u64::MAX || draw >> 40 & 7 == 0;
        if wanted > 0 && drawn {
            wanted -= u64::from(wanted != u64::MAX);
            report.recoveries += 1;
            let path = dir.path().join("recovered.commy");
            std::fs::write(&path, &image).expect("write an image");
            let trace = stepper::run(&path, || drop(Segment::open(&path)));
            report.steps += trace.steps;
            collect(&trace, &history, &mut seen, &mut queue);
            std::fs::remove_file(&path).expect("remove an image");
        }
    }
    report
}

fn collect(trace: &stepper::Trace, history: &str, seen: &mut HashSet<u64>, queue: &mut Vec<(Vec<u8>, String)>) {
    let mut number = 0;
    trace.images(|image| {
        number += 1;
        // Of the operation itself every image is judged.
        if seen.insert(digest(image)) || history.is_empty() {
            queue.push((image.to_vec(), format!("{history}/{number} of {}", trace.len())));
        }
    });
}

/// Memory-backed storage where there is one: thousands of small files are written.
fn fast_dir() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() { shm } else { std::env::temp_dir() }
}
