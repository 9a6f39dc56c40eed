//! Processes that contend for one file, and a judge of what they leave.
//!
//! Each process takes blocks of memory, writes a pattern over every byte, and looks for it before it gives the block
//! back; up to 64 blocks at a time. Every so often it does something to containers that all of them share:
//!
//! ```text
//! queue: SharedVecDeque<u64>       puts a ticket in, takes one out
//! map: SharedHashMap<u64, u64>     puts an entry of its own in, looks for it, takes it out
//! list: SharedVec<u64>             adds an element, takes one out
//! total: SharedBox<u64>            adds one, under the lock
//! ```
//!
//! All start together at a barrier. The clock runs from the first operation of the first to the last operation of the last:
//! without the start of processes, and without sleeps. A sample of the operations is timed by itself. At the end
//! everything has to add up: tickets and elements by their sums, the map by its size, the total, and the
//! memory in use.

use commy::{
    Atomics, Error, FreeListAllocator, Result, Share, Shared, SharedBox, SharedHashMap, SharedVec, SharedVecDeque,
};
use std::alloc::Layout;
use std::cell::Cell;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub processes: u64,
    /// Of each process.
    pub operations: u64,
    /// If not 0, each process goes on for that long, whatever `operations` says.
    pub seconds: u64,
    /// Bytes of the blocks, from and to.
    pub least: u64,
    pub most: u64,
    /// One operation of so many is one on a shared container.
    pub shared: u64,
    /// Bytes of the file.
    pub file: u64,
}

/// What is done unless said.
pub const PLAN: Plan =
    Plan { processes: 4, operations: 100_000, seconds: 0, least: 16, most: 256, shared: 16, file: 64 << 20 };

const USAGE: &str =
    "options: --processes N --operations N --seconds N --least BYTES --most BYTES --shared N --file BYTES
  N processes do N operations each, or work for N seconds, with blocks of that many bytes;
  one operation of N is one on a shared container; the file has so many bytes";

impl Plan {
    fn words(&mut self) -> [(&'static str, &mut u64); 7] {
        [
            ("--processes", &mut self.processes),
            ("--operations", &mut self.operations),
            ("--seconds", &mut self.seconds),
            ("--least", &mut self.least),
            ("--most", &mut self.most),
            ("--shared", &mut self.shared),
            ("--file", &mut self.file),
        ]
    }

    /// With what the arguments say.
    fn with(mut self, arguments: &[String]) -> Option<Plan> {
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return None };
            let value = value.parse().ok()?;
            let mut words = self.words();
            *words.iter_mut().find(|(word, _)| word == name)?.1 = value;
        }
        (self.processes > 0 && self.least > 0 && self.least <= self.most && self.shared > 0).then_some(self)
    }

    fn arguments(mut self) -> Vec<String> {
        self.words().into_iter().flat_map(|(word, value)| [word.to_string(), value.to_string()]).collect()
    }
}

/// Where the processes meet.
#[derive(Default, Atomics)]
#[repr(C)]
struct Barrier {
    ready: AtomicU64,
    go: AtomicU64,
    /// Operations done so far, of all processes.
    done: AtomicU64,
}

/// Steps of the histogram for each doubling of the time.
const STEPS: u64 = 8;
/// One operation of so many is timed.
const SAMPLE: u64 = 16;

/// What a process has done.
#[derive(Default, Share)]
struct Report {
    operations: u64,
    bytes: u64,
    /// Since 1970, in nanoseconds.
    start: u64,
    end: u64,
    /// How many samples took how long.
    latencies: Vec<u64>,
    /// What was put in and not taken out.
    tickets: u64,
    elements: u64,
    added: u64,
}

/// Numbers that look random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// A block that was taken, with the pattern that is written over it.
struct Block {
    place: NonNull<u8>,
    layout: Layout,
    pattern: u64,
}

impl Block {
    fn take(allocator: &FreeListAllocator, bytes: u64, pattern: u64) -> Result<Block> {
        let layout = Layout::from_size_align(bytes as usize, 8).map_err(|_| Error::Forked)?;
        let place = allocator.allocate(layout)?.cast::<u8>();
        let block = Block { place, layout, pattern };
        for (index, word) in block.words().iter_mut().enumerate() {
            *word = pattern.wrapping_add(index as u64);
        }
        block.rest().fill(pattern as u8);
        Ok(block)
    }

    /// Sees that the pattern is there still, and gives the block back.
    fn give_back(self, allocator: &FreeListAllocator) -> Result<()> {
        let mut words = self.words().iter().enumerate();
        let whole = words.all(|(index, word)| *word == self.pattern.wrapping_add(index as u64));
        assert!(whole && self.rest().iter().all(|byte| *byte == self.pattern as u8), "a block was overwritten");
        allocator.try_deallocate(self.place, self.layout)
    }

    #[allow(clippy::mut_from_ref)]
    fn words(&self) -> &mut [u64] {
        // SAFETY: the block is ours alone, aligned to 8.
        unsafe { std::slice::from_raw_parts_mut(self.place.as_ptr().cast(), self.layout.size() / 8) }
    }

    #[allow(clippy::mut_from_ref)]
    fn rest(&self) -> &mut [u8] {
        let (words, size) = (self.layout.size() / 8 * 8, self.layout.size());
        // SAFETY: the bytes behind the last whole word, in the block.
        unsafe { std::slice::from_raw_parts_mut(self.place.as_ptr().add(words), size - words) }
    }
}

/// The containers that all processes share.
struct Common {
    queue: SharedVecDeque<u64>,
    map: SharedHashMap<u64, u64>,
    list: SharedVec<u64>,
    total: SharedBox<u64>,
    reports: SharedVec<Report>,
    barrier: Shared<Barrier>,
}

impl Common {
    fn open(allocator: &FreeListAllocator) -> Result<Common> {
        Ok(Common {
            queue: SharedVecDeque::try_new_in(allocator)?,
            map: SharedHashMap::try_new_in(allocator)?,
            list: SharedVec::try_new_in(allocator)?,
            total: SharedBox::try_new_in(allocator)?,
            reports: SharedVec::try_named_in(allocator, "reports")?,
            barrier: allocator.segment().open_or_create("barrier")?,
        })
    }

    /// One operation on one of them.
    fn operate(&mut self, number: u64, key: u64, report: &mut Report) -> Result<()> {
        match number % 8 {
            0 => {
                self.queue.try_push_back(key)?;
                report.tickets = report.tickets.wrapping_add(key);
            }
            1 => {
                let ticket = self.queue.pop_front();
                report.tickets = report.tickets.wrapping_sub(ticket.unwrap_or(0));
            }
            2 => assert_eq!(self.map.try_insert(key, !key)?, None, "a key of somebody else's"),
            3 => {
                let key = key - 1;
                assert_eq!(self.map.load_value(&key)?, Some(!key), "an entry is lost");
            }
            4 => assert_eq!(self.map.remove(&(key - 2)), Some(!(key - 2)), "an entry is lost"),
            5 => {
                self.list.push(key)?;
                report.elements = report.elements.wrapping_add(key);
            }
            6 => report.elements = report.elements.wrapping_sub(self.list.pop().unwrap_or(0)),
            _ => {
                self.total.update(|total| *total += 1)?;
                report.added += 1;
            }
        }
        Ok(())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}

fn open(path: &Path, plan: &Plan) -> Result<FreeListAllocator> {
    // SAFETY: nothing is lent here.
    unsafe { FreeListAllocator::open(path, plan.file) }
}

/// What one of the processes does.
pub fn work(path: &Path, number: u64, plan: &Plan) -> Result<()> {
    let allocator = open(path, plan)?;
    let mut common = Common::open(&allocator)?;
    let mut report = Report { latencies: vec![0; 64 * STEPS as usize], ..Report::default() };
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(number + 1));
    let mut blocks: Vec<Block> = Vec::with_capacity(64);
    let end = Duration::from_secs(plan.seconds);
    let mut shared = 0;

    common.barrier.ready.fetch_add(1, Ordering::AcqRel);
    while common.barrier.go.load(Ordering::Acquire) == 0 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    report.start = now();
    while if plan.seconds == 0 { report.operations < plan.operations } else { start.elapsed() < end } {
        // The time is looked at only so often.
        for _ in 0..256.min(if plan.seconds == 0 { plan.operations - report.operations } else { 256 }) {
            let timed = (report.operations % SAMPLE == 0).then(Instant::now);
            if report.operations % plan.shared == plan.shared - 1 {
                common.operate(shared, number << 40 | shared, &mut report)?;
                shared += 1;
            } else if blocks.len() < 64 && (blocks.is_empty() || draw.below(2) == 0) {
                let bytes = plan.least + draw.below(plan.most - plan.least + 1);
                blocks.push(Block::take(&allocator, bytes, report.operations ^ number << 56)?);
                report.bytes += bytes;
            } else {
                let block = blocks.swap_remove(draw.below(blocks.len() as u64) as usize);
                block.give_back(&allocator)?;
            }
            report.operations += 1;
            if let Some(timed) = timed {
                report.latencies[step(timed.elapsed().as_nanos() as u64)] += 1;
            }
        }
        common.barrier.done.fetch_add(256, Ordering::Relaxed);
    }
    report.end = now();
    blocks.into_iter().try_for_each(|block| block.give_back(&allocator))?;
    common.reports.push(report)
}

/// The step of the histogram that a time falls into, and the longest time that does.
fn step(nanoseconds: u64) -> usize {
    let time = nanoseconds.max(STEPS);
    let power = u64::from(time.ilog2());
    ((power * STEPS) + (time >> (power - 3)) % STEPS) as usize
}

fn longest(step: usize) -> u64 {
    let (power, part) = (step as u64 / STEPS, step as u64 % STEPS);
    (STEPS + part + 1) << power.saturating_sub(3)
}

/// Starts the processes, lets them begin, and judges what they did. `start` makes the command of a process out of its
/// arguments; `progress` is told now and then how many operations have been done.
pub fn direct(
    path: &Path,
    plan: &Plan,
    start: &dyn Fn(&[String]) -> Command,
    progress: &dyn Fn(u64),
) -> Result<Summary> {
    let allocator = open(path, plan)?;
    let common = Common::open(&allocator)?;
    let before = allocator.size();
    let mut processes = Vec::new();
    for number in 0..plan.processes {
        let mut arguments = vec!["--worker".into(), number.to_string(), path.to_string_lossy().into_owned()];
        arguments.extend(plan.arguments());
        processes.push(start(&arguments).spawn()?);
    }
    while common.barrier.ready.load(Ordering::Acquire) < plan.processes {
        std::thread::sleep(Duration::from_millis(1));
        if let Some(status) = processes.iter_mut().find_map(|process| process.try_wait().ok().flatten()) {
            panic!("a process ended before it began: {status}");
        }
    }
    common.barrier.go.store(1, Ordering::Release);
    while processes.iter_mut().any(|process| matches!(process.try_wait(), Ok(None))) {
        std::thread::sleep(Duration::from_millis(20));
        progress(common.barrier.done.load(Ordering::Relaxed));
    }
    let well = processes.iter_mut().all(|process| process.wait().is_ok_and(|status| status.success()));
    let reports = common.reports.load()?;
    let mut errors = Vec::new();
    let mut expect = |what: &str, is: u64, should: u64| {
        if is != should {
            errors.push(format!("{what}: {is} instead of {should}"));
        }
    };
    let sum = |part: fn(&Report) -> u64| reports.iter().map(part).fold(0, u64::wrapping_add);
    expect("processes that ended well", u64::from(well), 1);
    expect("reports", reports.len() as u64, plan.processes);
    expect("tickets", common.queue.load()?.into_iter().fold(0, u64::wrapping_add), sum(|report| report.tickets));
    expect("elements", common.list.load()?.into_iter().fold(0, u64::wrapping_add), sum(|report| report.elements));
    expect("total", common.total.load()?, sum(|report| report.added));
    expect("findings of the check", allocator.segment().check_objects()?.len() as u64, 0);
    for (key, value) in common.map.load()? {
        expect("the value of an entry", value, !key);
    }
    common.empty()?;
    // Places of objects that were removed are kept for others: two for each process, of some 200 bytes.
    let kept = 512 * plan.processes;
    expect("bytes in use that should not be", allocator.size().saturating_sub(before + kept), 0);
    let span = reports.iter().map(|r| r.end).max().unwrap_or(0) - reports.iter().map(|r| r.start).min().unwrap_or(0);
    let mut latencies = vec![0; 64 * STEPS as usize];
    for report in &reports {
        latencies.iter_mut().zip(&report.latencies).for_each(|(all, own)| *all += own);
    }
    Ok(Summary { operations: sum(|r| r.operations), bytes: sum(|r| r.bytes), nanoseconds: span, latencies, errors })
}

impl Common {
    /// Gives all memory back.
    fn empty(&self) -> Result<()> {
        self.queue.as_shared().store(Default::default())?;
        self.map.as_shared().store(Default::default())?;
        self.list.as_shared().store(Default::default())?;
        self.reports.as_shared().store(Default::default())
    }
}

/// What came of it.
pub struct Summary {
    pub operations: u64,
    pub bytes: u64,
    /// From the first operation to the last.
    pub nanoseconds: u64,
    latencies: Vec<u64>,
    /// What does not add up.
    pub errors: Vec<String>,
}

impl Summary {
    /// The time that this part of the operations took at most, in nanoseconds.
    pub fn percentile(&self, part: f64) -> u64 {
        let all: u64 = self.latencies.iter().sum();
        let mut left = (all as f64 * part).ceil() as u64;
        for (step, count) in self.latencies.iter().enumerate() {
            if *count >= left {
                return longest(step);
            }
            left -= count;
        }
        0
    }

    fn show(&self, name: &str, plan: &Plan) {
        let seconds = self.nanoseconds as f64 / 1e9;
        let rate = self.operations as f64 / seconds;
        println!("{name}: {} processes, {} operations in {seconds:.3} s", plan.processes, self.operations);
        println!(
            "  {rate:.0} operations a second, {:.1} MB/s of blocks written and verified",
            self.bytes as f64 / seconds / 1e6
        );
        let time = |part| self.percentile(part);
        println!("  latency: 50 % {} ns, 90 % {} ns, 99 % {} ns", time(0.5), time(0.9), time(0.99));
        println!("           99.9 % {} ns, 99.99 % {} ns, longest {} ns", time(0.999), time(0.9999), time(1.0));
        match &self.errors[..] {
            [] => println!("  verified: every pattern, sums, counts, memory in use"),
            errors => errors.iter().for_each(|error| println!("  WRONG: {error}")),
        }
    }
}

/// The program, whatever its name and its defaults.
pub fn main(name: &str, defaults: Plan) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first_chunk() {
        Some(([worker, number, path], options)) if worker == "--worker" => {
            defaults.with(options).map(|plan| work(Path::new(path), number.parse().unwrap_or(0), &plan).map(|()| true))
        }
        _ => defaults.with(&arguments).map(|plan| {
            let memory = Path::new("/dev/shm");
            let folder = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
            let path = folder.join(format!("{name}-{}.mmap", std::process::id()));
            let program = std::env::current_exe()?;
            let start = |arguments: &[String]| {
                let mut command = Command::new(&program);
                command.args(arguments);
                command
            };
            let shown = Cell::new(Instant::now());
            let summary = direct(&path, &plan, &start, &|done| {
                if shown.get().elapsed() > Duration::from_secs(1) {
                    println!("  {done} operations ..");
                    shown.set(Instant::now());
                }
            });
            std::fs::remove_file(&path)?;
            let summary = summary?;
            summary.show(name, &plan);
            Ok(summary.errors.is_empty())
        }),
    };
    match result {
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) => ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
