//! A segment in sealed memory over which somebody scribbles while it is used: whatever comes of that, this process goes on.
//!
//! `COMMY_SCRIBBLES=60` is for so many seconds; without, it is less.
#![cfg(target_os = "linux")]

use commy::Segment;
use commy::dynamic::{Path, Value};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LENGTH: u64 = 2 << 20;
/// How long one segment is used.
const ROUND: Duration = Duration::from_millis(300);

/// Anonymous memory that keeps its length.
fn memory() -> File {
    // SAFETY: a valid C string, and flags.
    let fd = unsafe { libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0);
    // SAFETY: made just now, and nobody else's.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len(LENGTH).unwrap();
    // SAFETY: an open descriptor.
    let sealed = unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_SHRINK | libc::F_SEAL_GROW) };
    assert_eq!(sealed, 0);
    file
}

/// The same memory with a description of its own.
fn again(file: &File) -> File {
    File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

/// Stores words of all kinds, more of them where the header and the slots are.
fn scribble(file: &File, mut seed: u64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = (seed >> 20) % (if seed % 3 == 0 { 8 << 10 } else { LENGTH / 8 }) & !7;
        let word = [seed, !0, seed % 4096, 0][(seed >> 60) as usize % 4];
        file.write_all_at(&word.to_ne_bytes(), at).unwrap();
    }
}

/// What a server does with the segment of somebody else.
fn use_it(segment: &Segment) {
    for name in ["list", "words", "tree"] {
        let Ok(object) = segment.dynamic(name) else { continue };
        let _ = (object.get(Path::from("")), object.len(""));
        if let Ok(mut guard) = object.write() {
            let value = Value::Unsigned(9);
            let _ = (guard.push("", &value), guard.set(Path::from("b"), &value), guard.remove(Path::from("a")));
            let _ = guard.commit();
        }
    }
    let _ = (segment.objects(), segment.stats(), segment.activity(), segment.participants(), segment.threads());
}

#[test]
fn nothing_that_is_written_into_sealed_memory_ends_who_has_it_mapped() {
    let seconds = std::env::var("COMMY_SCRIBBLES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let (begin, mut seed) = (Instant::now(), 1u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        seed += 1;
        let file = memory();
        let options = Segment::options().lock_timeout(Duration::from_millis(5));
        let segment = options.create_in(again(&file), "memory").unwrap();
        segment.open_or_create_with("list", || vec![1u64, 2, 3]).unwrap();
        segment.open_or_create_with("words", || HashMap::from([("a".to_string(), 1u64)])).unwrap();
        segment.open_or_create_with("tree", || BTreeMap::from([("a".to_string(), vec![1u64])])).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| scribble(&file, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), &stop));
            let round = Instant::now();
            while round.elapsed() < ROUND {
                // Threads end, too, and leave their places.
                scope.spawn(|| use_it(&segment)).join().unwrap();
                use_it(&segment);
            }
            let _ = segment.check();
            stop.store(true, Ordering::Relaxed);
        });
    }
}
