//! Judges every image of a run: recovers a copy and looks whether it is whole.
//!
//! An image stands for a process killed right there. Opening it recovers it; then its content must be exactly
//! what it was before the operation or what it is after, nothing may be leaked, every lock must be free. And
//! since the one who recovers may be killed too, the recovery of images is itself watched, and its images are judged,
//! and so on until no new image appears.
//!
//! Who opens a file knows nothing but the file. So what becomes of two images that are alike is alike, and the second
//! need not be recovered again. Alike are those that differ only in what is dead (see `dead`), and in numbers that
//! grow with every attachment (see `digest`) and with every rescue (see `numbers`).

use super::dead::{mark_beacons, overwrite_dead};
use super::numbers::{controls, renumber};
use super::stepper::{self, Image, Trace};
use commy::{Options, Segment};
use std::collections::{HashMap, HashSet};
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PAGE: usize = 4096;
/// The pages of process slots and of thread slots.
const PROCESSES: usize = 1;
const THREADS: usize = 2;

type Result<T, E = commy::Error> = std::result::Result<T, E>;

/// An operation, with what surrounds it.
pub struct Scenario<'a> {
    /// Its name in the report.
    pub name: &'a str,
    /// Size of the file and what it may grow to.
    pub sizes: (u64, u64),
    /// What is there before.
    pub prepare: &'a dyn Fn(&Segment),
    /// The operation; all of it is one atomic step, unless it says what is between its steps.
    pub act: &'a dyn Fn(&Segment),
    /// What makes, of what is there before, what a kill between two commits of the operation may leave.
    pub between: &'a [&'a dyn Fn(&Segment)],
    /// The content, as text.
    pub observe: &'a dyn Fn(&Segment) -> String,
}

/// What was done, for the report.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    /// Instructions after which the file was looked at: all of the operation, those of recoveries that may change it.
    pub steps: u64,
    pub images: u64,
    pub recoveries: u64,
    /// The most rescuers, one after another, of whom each was killed.
    pub depth: usize,
    /// How many of the contents that there may be were found.
    pub found: usize,
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
/// and rescues. With these no two recoveries would ever be alike. Of a dead rescuer in a thread slot (page 2, and the
/// pages that the header names) only that there is one counts: its name has the generation of its process. And a
/// segment's id is as good as any other if the checksum says that it is whole.
fn digest(image: &[u8]) -> u64 {
    let threads = thread_pages(image);
    image.chunks(PAGE).enumerate().fold(0, |sum, (number, page)| join(sum, page_digest(number, page, &threads)))
}

/// The pages with thread slots: the first, and those that the header names, which `header` begins with.
fn thread_pages(header: &[u8]) -> Vec<usize> {
    let (named, _) = header.get(1024..2048).unwrap_or_default().as_chunks::<8>();
    let named = named.iter().map(|offset| u64::from_le_bytes(*offset) as usize / PAGE);
    iter::once(THREADS).chain(named.filter(|page| *page != 0)).collect()
}

/// One digest of two.
fn join(sum: u64, of_page: u64) -> u64 {
    (sum ^ of_page).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// What tells a page of that number from others.
fn page_digest(number: usize, page: &[u8], threads: &[usize]) -> u64 {
    const ATTACHMENTS: usize = 120 / 8;
    const COUNTS: std::ops::Range<usize> = 192 / 8..216 / 8;
    const RESCUER: usize = 136 / 8;
    const ID: std::ops::Range<usize> = 24 / 8..40 / 8;
    const CHECKSUM: usize = 56 / 8;
    let (words, _) = page.as_chunks::<8>();
    let is_threads = threads.contains(&number);
    let fixed = page.iter().take(CHECKSUM * 8);
    let sum =
        || fixed.fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let is_whole = number == 0 && words.get(CHECKSUM).is_some_and(|word| u64::from_le_bytes(*word) == sum());
    let means = |at: usize, word: u64| match number {
        0 if at == ATTACHMENTS || COUNTS.contains(&at) => 0,
        0 if is_whole && (ID.contains(&at) || at == CHECKSUM) => 0,
        PROCESSES => 0,
        _ if is_threads && at % (512 / 8) == RESCUER => u64::from(word != 0),
        _ => word,
    };
    words.iter().enumerate().fold(0, |hash, (at, word)| join(hash, means(at, u64::from_le_bytes(*word))))
}

/// What tells images apart that differ in what is dead, too. Runs repeat each other's images for the most part, and share
/// most pages from one to the next: so each page is looked at once, and what is dead is only asked of images that are new.
fn rough_digest(image: &Image, known: &mut HashMap<*const u8, u64>) -> u64 {
    let threads = image.pages().first().map_or(Vec::new(), |header| thread_pages(&header[..]));
    let digests = image.pages().iter().enumerate().map(|(number, page)| {
        let digest = || page_digest(number, &page[..], &threads);
        // Another image may not name the page as one with thread slots.
        if number != THREADS && threads.contains(&number) {
            return digest();
        }
        // The run that the image is of keeps the page where it is.
        *known.entry(page.as_ptr()).or_insert_with(digest)
    });
    digests.fold(image.len() as u64, join)
}

fn look(segment: &Segment, observe: &dyn Fn(&Segment) -> String) -> Outcome {
    let content = observe(segment);
    Outcome { content, allocated: segment.stats().expect("stats").allocated }
}

/// Judges a scenario with an attachment that is there before and stays. Panics at the first violation.
pub fn judge(scenario: &Scenario<'_>) -> Report {
    let dir = folder();
    let prepared = |name: &str| {
        let (initial, max) = scenario.sizes;
        let options = Segment::options().initial_size(initial).max_size(max);
        let segment = options.create(dir.path().join(name)).expect("create");
        (scenario.prepare)(&segment);
        segment
    };
    let segment = prepared("worker.commy");
    let mut allowed = vec![look(&segment, scenario.observe)];
    let trace = stepper::run(segment.path(), || (scenario.act)(&segment));
    allowed.push(look(&segment, scenario.observe));
    drop(segment);
    for between in scenario.between {
        let segment = prepared("between.commy");
        between(&segment);
        allowed.push(look(&segment, scenario.observe));
        std::fs::remove_file(segment.path()).expect("remove a file");
    }
    let open = |path: &Path| patient().open(path);
    let case = Case { name: scenario.name, dir: dir.path(), open: &open, observe: scenario.observe };
    case.explore(&trace, &allowed)
}

/// Judges what is done to a file that nobody has open, whatever it is; all who come open it by `open`.
pub fn judge_alone(
    name: &str,
    prepare: impl Fn(&Path),
    act: impl Fn(&Path),
    open: impl Fn(&Path) -> Result<Segment>,
    observe: impl Fn(&Segment) -> String,
) -> Report {
    let dir = folder();
    let path = dir.path().join("worker.commy");
    prepare(&path);
    let case = Case { name, dir: dir.path(), open: &open, observe: &observe };
    let found = || case.recover(&std::fs::read(&path).expect("the file")).expect("whole, before and after");
    let before = found();
    let trace = stepper::watch(&path, || act(&path));
    case.explore(&trace, &[before, found()])
}

/// Options of who waits for nobody: there is nobody.
pub fn patient() -> Options {
    Segment::options().lock_timeout(Duration::from_millis(200))
}

/// What is the same for all images of an operation.
struct Case<'a> {
    name: &'a str,
    dir: &'a Path,
    open: &'a dyn Fn(&Path) -> Result<Segment>,
    observe: &'a dyn Fn(&Segment) -> String,
}

impl Case<'_> {
    /// Recovers a copy of an image and says what it is then.
    fn recover(&self, image: &[u8]) -> Result<Outcome, String> {
        let path = self.dir.join("image.commy");
        std::fs::write(&path, image).map_err(|e| e.to_string())?;
        let opened = (self.open)(&path);
        let outcome = opened.map_err(|e| format!("cannot be opened: {e}")).and_then(|segment| {
            match segment.recover() {
                Ok(0) => {}
                other => return Err(format!("not all was recovered by opening it: {other:?}")),
            }
            match segment.check() {
                Ok(findings) if findings.is_empty() => {}
                other => return Err(format!("not whole: {other:?}")),
            }
            let observed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(&segment, self.observe)));
            observed.map_err(|cause| {
                let text = cause.downcast_ref::<String>().cloned();
                format!("cannot be read: {}", text.unwrap_or_else(|| "a panic".into()))
            })
        });
        std::fs::remove_file(&path).map_err(|e| e.to_string())?;
        outcome
    }

    /// The states that the file passes through while an image of it is opened and left again.
    fn opened(&self, image: &[u8], trace: fn(&Path, &dyn Fn()) -> Trace) -> Trace {
        let path = self.dir.join("recovered.commy");
        std::fs::write(&path, image).expect("write an image");
        let trace = trace(&path, &|| drop((self.open)(&path)));
        std::fs::remove_file(&path).expect("remove an image");
        trace
    }

    /// Judges the images of an operation and those of their recoveries.
    fn explore(&self, operation: &Trace, allowed: &[Outcome]) -> Report {
        let mut report = Report { steps: operation.steps, ..Report::default() };
        let mut seen = Seen::default();
        let mut found = HashSet::new();
        let mut wanted = recoveries_wanted();
        let mut queue: Vec<Found> = Vec::new();
        seen.controls = controls(&operation.first().bytes());
        collect(operation, &[], &mut seen, &mut queue);
        assert!(!queue.is_empty(), "{}: the operation changed nothing", self.name);
        let mut draw = 0u64;
        while let Some(Found { image, history }) = queue.pop() {
            report.images += 1;
            report.depth = report.depth.max(history.len() - 1);
            if report.images.is_multiple_of(5_000) {
                let (images, depth) = (report.images, report.depth);
                println!("{:60} {images:>8} images judged, {} wait, depth {depth}", self.name, queue.len());
            }
            let bytes = as_killed(&image);
            let without_dead = seen.what_lives(&image);
            for (what, image) in [("image", &bytes), ("what lives of image", &without_dead)] {
                match self.recover(image) {
                    Ok(outcome) if allowed.contains(&outcome) => drop(found.insert(outcome.content)),
                    other => self.report_violation(what, image, &history, allowed, &other),
                }
            }
            draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let drawn = wanted == u64::MAX || draw >> 40 & 7 == 0;
            if wanted > 0 && drawn {
                wanted -= u64::from(wanted != u64::MAX);
                report.recoveries += 1;
                let trace = self.opened(&bytes, |path, code| stepper::watch(path, code));
                if report.recoveries == 1 {
                    let slowly = self.opened(&bytes, |path, code| stepper::run(path, code));
                    assert_eq!(digests(&trace), digests(&slowly), "{}: a store was overlooked", self.name);
                }
                report.steps += trace.steps;
                collect(&trace, &history, &mut seen, &mut queue);
            }
        }
        report.found = found.len();
        report
    }

    fn report_violation(
        &self,
        what: &str,
        image: &[u8],
        history: &[String],
        allowed: &[Outcome],
        outcome: &Result<Outcome, String>,
    ) -> ! {
        let keep = std::env::temp_dir()
            .join(format!("commy-violation-{}.commy", self.name.replace(|c: char| !c.is_alphanumeric(), "-")));
        std::fs::write(&keep, image).expect("keep the image");
        panic!(
            "{}: {what} {} kept as {} is none of {allowed:#?}, but {outcome:#?}",
            self.name,
            history.join(" / "),
            keep.display()
        );
    }
}

/// An image that is to be judged.
struct Found {
    image: Image,
    /// Which one of how many it was of the operation, then of the recoveries that followed.
    history: Vec<String>,
}

/// The file as the next one finds it.
fn as_killed(image: &Image) -> Vec<u8> {
    let mut bytes = image.bytes();
    mark_beacons(&mut bytes);
    bytes
}

/// The digests of a run's images, one after another.
fn digests(trace: &Trace) -> Vec<u64> {
    let mut digests: Vec<u64> = trace.images().map(|image| digest(&image.bytes())).collect();
    digests.dedup();
    digests
}

/// Images that are known by now, by their digests.
#[derive(Default)]
struct Seen {
    roughly: HashSet<u64>,
    without_dead: HashSet<u64>,
    /// Where control blocks are.
    controls: Vec<usize>,
}

impl Seen {
    /// The file as the next one finds it, renumbered and without what is dead.
    fn what_lives(&self, image: &Image) -> Vec<u8> {
        let mut bytes = as_killed(image);
        renumber(&mut bytes, &self.controls);
        overwrite_dead(&mut bytes);
        bytes
    }
}

fn collect(trace: &Trace, history: &[String], seen: &mut Seen, queue: &mut Vec<Found>) {
    let mut known = HashMap::new();
    for (number, image) in trace.images().enumerate() {
        // Of the operation itself every image is judged.
        let is_first = history.is_empty();
        if !seen.roughly.insert(rough_digest(&image, &mut known)) && !is_first {
            continue;
        }
        if seen.without_dead.insert(digest(&seen.what_lives(&image))) || is_first {
            let history = [history, &[format!("{} of {}", number + 1, trace.len())]].concat();
            queue.push(Found { image, history });
        }
    }
}

/// A folder in memory-backed storage where there is one: thousands of small files are written.
fn folder() -> tempfile::TempDir {
    let shm = PathBuf::from("/dev/shm");
    let place = if shm.is_dir() { shm } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("commy-images").tempdir_in(place).expect("a folder")
}
