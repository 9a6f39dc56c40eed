//! W5: locks between processes.

use crate::bench::*;
use commy::{Segment, Shared};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

type Number = Shared<u64>;

/// Who had the lock last, how often it went from one to the other, and something to count under it.
#[repr(C)]
struct Cell {
    owner: AtomicU64,
    handovers: AtomicU64,
    counter: AtomicU64,
}

/// Counts without an atomic read-modify-write, as under any lock.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

pub fn run() {
    let scratch = Scratch::new("w5");
    let number: Number = scratch.segment.open_or_create("number").unwrap();
    // SAFETY: all atomics.
    let cell: &Cell = unsafe { shared_zeroed() };
    let n = 500_000;
    for _ in 0..3 {
        let write = || {
            (0..n).for_each(|_| {
                let _guard = number.write().unwrap();
                count(&cell.counter);
            });
        };
        emit("W5", "lock+unlock, uncontended", "commy (write guard)", per_op(n, write), "ns");
        let read = || {
            (0..n).for_each(|_| {
                let _guard = number.read().unwrap();
                count(&cell.counter);
            });
        };
        emit("W5", "lock+unlock, uncontended", "commy (read guard)", per_op(n, read), "ns");
    }
    contended(&scratch, cell);
    crate::messages::run();
    for _ in 0..5 {
        let time = owner_dies(&scratch, &number, |_| {});
        emit("W5", "lock owner killed: until the waiter holds it", "commy (write guard)", time, "us");
    }
}

fn contended(scratch: &Scratch, cell: &Cell) {
    cell.handovers.store(0, Relaxed);
    let start = Instant::now();
    let rates = crew(2, 100, &[Some(0), Some(1)], |i| {
        let number: Number = Segment::open(&scratch.path).unwrap().open("number").unwrap();
        move || {
            for _ in 0..64 {
                let _guard = number.write().unwrap();
                if cell.owner.load(Relaxed) != i as u64 {
                    cell.owner.store(i as u64, Relaxed);
                    count(&cell.handovers);
                }
                count(&cell.counter);
            }
            64
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let emit = |what: &str, value: f64| {
        emit("W5", &format!("lock, 2 contenders: {what}"), "commy (write guard)", value * 1e-6, "Mops/s");
    };
    emit("acquisitions", rates.iter().sum());
    emit("handovers", cell.handovers.load(Relaxed) as f64 / seconds);
}

/// The same with so many bytes of the segment touched by the owner.
pub fn killed_after_touching(bytes: u64) {
    let scratch = Scratch::new("touched");
    let number: Number = scratch.segment.open_or_create("number").unwrap();
    let large: Shared<Vec<u64>> = scratch.segment.open_or_create("large").unwrap();
    large.write().unwrap().resize((bytes / 8) as usize, 1).unwrap();
    let touch = |segment: &Segment| {
        let large: Shared<Vec<u64>> = segment.open("large").unwrap();
        assert_eq!(large.read().unwrap().iter().step_by(512).sum::<u64>(), bytes / 4096);
    };
    let times: Vec<f64> = (0..3).map(|_| owner_dies(&scratch, &number, touch)).collect();
    println!("owner killed with {} MiB touched, until the waiter holds the object: {times:.0?} us", bytes >> 20);
}

/// The owner is killed in the middle of a change while another waits: us from the kill until the other has the object,
/// put back as it was before.
fn owner_dies(scratch: &Scratch, number: &Number, touch: impl Fn(&Segment)) -> f64 {
    #[repr(C)]
    struct Stage {
        held: AtomicBool,
        done: AtomicU64,
    }
    // SAFETY: all atomics.
    let stage: &Stage = unsafe { shared_zeroed() };
    number.store(1).unwrap();
    let owner = fork(|| {
        pin(Some(0));
        let segment = Segment::open(&scratch.path).unwrap();
        touch(&segment);
        let number: Number = segment.open("number").unwrap();
        let mut guard = number.write().unwrap();
        *guard.view_mut() = 2;
        stage.held.store(true, SeqCst);
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    while !stage.held.load(SeqCst) {
        std::thread::sleep(Duration::from_micros(100));
    }
    let begin = Instant::now();
    let ns = |now: Instant| (now - begin).as_nanos() as u64;
    let waiter = fork(|| {
        pin(Some(1));
        let number: Number = Segment::open(&scratch.path).unwrap().open("number").unwrap();
        let guard = number.write().unwrap();
        stage.done.store(ns(Instant::now()), SeqCst);
        assert_eq!(*guard.view(), 1);
    });
    std::thread::sleep(Duration::from_millis(2));
    let killed = ns(Instant::now());
    kill(owner);
    wait(waiter);
    stage.done.load(SeqCst).saturating_sub(killed) as f64 / 1e3
}
