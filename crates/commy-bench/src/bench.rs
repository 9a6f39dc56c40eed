//! What all workloads need: clocks, pinning, keys, result lines, segments, and workers in processes of their own. It
//! does what the peers' own helpers do.

use commy::Segment;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

/// Prints a figure.
pub fn emit(workload: &str, metric: &str, peer: &str, value: f64, unit: &str) {
    println!("RESULT\t{workload}\t{metric}\t{peer}\t{value:.6}\t{unit}");
}

/// A file that is removed before this is made, for a killed run may have left it, and when this is dropped.
pub struct Remove(pub PathBuf);

impl Remove {
    pub fn new(name: &str) -> Remove {
        let path = path(name);
        let _ = std::fs::remove_file(&path);
        Remove(path)
    }
}

impl Drop for Remove {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A new segment that is gone, file and all, when this is dropped.
pub struct Scratch {
    pub segment: Segment,
    pub path: PathBuf,
    _file: Remove,
}

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let file = Remove::new(name);
        Scratch { segment: Segment::create(&file.0).unwrap(), path: file.0.clone(), _file: file }
    }
}

/// A file in the folder that the workload may use.
pub fn path(name: &str) -> PathBuf {
    let folder = std::env::var("PEERS_DIR").unwrap_or("/dev/shm".into());
    PathBuf::from(folder).join(format!("commy-{name}"))
}

/// Pins this thread to a core; `None`: to the first two.
pub fn pin(core: Option<usize>) {
    // SAFETY: a set of cores is valid when zeroed; the call reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match core {
            Some(core) => libc::CPU_SET(core, &mut set),
            None => (0..2).for_each(|core| libc::CPU_SET(core, &mut set)),
        }
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

/// CPU time of this thread, user and kernel, in ns.
pub fn cpu_time() -> f64 {
    // SAFETY: the call writes the time.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    }
}

/// ns for each of the `n` operations of `work`, which this thread does alone: its CPU time, so that a neighbour's time
/// slice is not charged to it.
pub fn per_op<R>(n: usize, work: impl FnOnce() -> R) -> f64 {
    let start = cpu_time();
    black_box(work());
    (cpu_time() - start) / n as f64
}

/// The random-looking number that is key `z`.
pub fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        ((u128::from(mix(self.0)) * n as u128) >> 64) as usize
    }

    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

/// Keys in the order of insertion, shuffled, and such as are not in the map.
pub struct Keys {
    pub key: Vec<u64>,
    pub order: Vec<u64>,
    pub absent: Vec<u64>,
}

impl Keys {
    pub fn new(n: usize) -> Keys {
        let key: Vec<u64> = (0..n as u64).map(mix).collect();
        let mut order = key.clone();
        Rng(7).shuffle(&mut order);
        Keys { key, order, absent: (0..n as u64).map(|i| mix(i + (1 << 40))).collect() }
    }
}

/// Keys of 16 to 40 bytes, in the order of insertion and shuffled.
pub fn strings(n: usize) -> (Vec<String>, Vec<String>) {
    let key = (0..n as u64).map(|i| {
        let digits = format!("{:016x}{:016x}{:016x}", mix(i), mix(i + 1), i);
        digits[..16 + (mix(i) % 25) as usize].to_string()
    });
    let key: Vec<String> = key.collect();
    let mut order = key.clone();
    Rng(9).shuffle(&mut order);
    (key, order)
}

/// The value of all string keys.
pub const VALUE: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// Ends this process after so many seconds, and with it its children.
pub fn limit(seconds: u32) {
    // SAFETY: sets a timer; its signal ends the process.
    unsafe { libc::alarm(seconds) };
}

/// Zeroed memory that children share; never unmapped.
///
/// # Safety
/// Zeros are a valid `T`, and `T` consists of atomics.
pub unsafe fn shared_zeroed<T>() -> &'static T {
    let (read_write, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, large and aligned enough; the rest is the caller's promise.
    unsafe {
        let memory = libc::mmap(std::ptr::null_mut(), size_of::<T>(), read_write, shared, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        &*memory.cast()
    }
}

/// Runs `work` in a child, which then exits, or dies with its parent. This process has one thread.
pub fn fork(work: impl FnOnce()) -> i32 {
    // SAFETY: there is one thread, so the child may do what it likes.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            libc::_exit(ended.is_err().into());
        }
        assert!(pid > 0, "fork");
        pid
    }
}

/// Waits for a child, which must have ended well.
pub fn wait(pid: i32) {
    let mut status = 0;
    // SAFETY: the call writes the status.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(status, 0, "a child failed");
}

/// Kills a child and waits until it is gone.
pub fn kill(pid: i32) {
    // SAFETY: ends a child of this process.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}

#[repr(C)]
struct Crew {
    ready: AtomicUsize,
    go: AtomicBool,
    stop: AtomicBool,
    rate: [AtomicU64; 16],
}

/// `n` processes at work for `ms` milliseconds; `make(i)` sets worker i up and returns its step, which gives the number
/// of operations it did. Gives each worker's operations per second.
pub fn crew<S: FnMut() -> u64>(n: usize, ms: u64, cores: &[Option<usize>], make: impl Fn(usize) -> S) -> Vec<f64> {
    // SAFETY: all atomics.
    let crew: &Crew = unsafe { shared_zeroed() };
    let worker = |i: usize| {
        pin(cores[i % cores.len()]);
        let mut step = make(i);
        crew.ready.fetch_add(1, SeqCst);
        while !crew.go.load(Acquire) {
            std::thread::yield_now();
        }
        let (mut ops, start) = (0, Instant::now());
        while !crew.stop.load(Relaxed) {
            ops += step();
        }
        crew.rate[i].store((ops as f64 / start.elapsed().as_secs_f64()).to_bits(), Release);
    };
    let children: Vec<i32> = (0..n).map(|i| fork(|| worker(i))).collect();
    while crew.ready.load(Acquire) < n {
        std::thread::sleep(Duration::from_micros(200));
    }
    crew.go.store(true, Release);
    std::thread::sleep(Duration::from_millis(ms));
    crew.stop.store(true, Release);
    children.into_iter().for_each(wait);
    (0..n).map(|i| f64::from_bits(crew.rate[i].load(Acquire))).collect()
}
