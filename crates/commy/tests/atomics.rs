//! Atomics at the root: counted by all, no lock, no transaction.

use commy::{Atomics, Error, Segment, Shared};
use std::sync::atomic::*;

#[derive(Default, Atomics)]
#[repr(C)]
struct Health {
    ready: AtomicBool,
    errors: [AtomicU32; 3],
    inner: Inner,
}

#[derive(Default, Atomics)]
#[repr(transparent)]
struct Inner(AtomicI64);

fn segments() -> (tempfile::TempDir, [Segment; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.commy");
    let one = Segment::create(&path).unwrap();
    let two = Segment::open(&path).unwrap();
    (dir, [one, two])
}

#[test]
fn threads_of_two_attachments_lose_no_count() {
    let (_dir, segments) = segments();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let segment = &segments[number % 2];
            scope.spawn(move || {
                let hits: Shared<AtomicU64> = segment.open_or_create("hits").unwrap();
                let health: Shared<Health> = segment.open_or_create("health").unwrap();
                for _ in 0..10_000 {
                    hits.fetch_add(1, Ordering::Relaxed);
                    health.errors[number % 3].fetch_add(1, Ordering::Relaxed);
                    health.inner.0.fetch_sub(2, Ordering::Relaxed);
                }
                health.ready.store(true, Ordering::Release);
            });
        }
    });
    let hits = segments[0].open::<AtomicU64>("hits").unwrap();
    let health = segments[1].open::<Health>("health").unwrap();
    assert_eq!(hits.load(Ordering::Relaxed), 40_000);
    assert!(health.ready.load(Ordering::Acquire));
    let errors: Vec<u32> = health.errors.iter().map(|error| error.load(Ordering::Relaxed)).collect();
    assert_eq!(errors, [20_000, 10_000, 10_000]);
    assert_eq!(health.inner.0.load(Ordering::Relaxed), -80_000);
}

#[test]
fn a_first_value_and_what_was_counted_stay_when_everybody_has_left() {
    let (_dir, [one, two]) = segments();
    let path = one.path().to_path_buf();
    let grid = || [const { [const { AtomicI16::new(-7) }; 40] }; 50];
    let grid: Shared<[[AtomicI16; 40]; 50]> = one.open_or_create_with("grid", grid).unwrap();
    grid[49][39].swap(5, Ordering::Relaxed);
    drop((grid, one, two));
    let grid: Shared<[[AtomicI16; 40]; 50]> = Segment::open(path).unwrap().open("grid").unwrap();
    assert_eq!(grid[49][39].load(Ordering::Relaxed), 5);
    assert_eq!(grid.iter().flatten().filter(|number| number.load(Ordering::Relaxed) == -7).count(), 1999);
}

#[test]
fn an_atomic_is_not_opened_as_its_value_or_as_another_atomic() {
    let (_dir, [one, two]) = segments();
    one.open_or_create::<AtomicU64>("hits").unwrap();
    one.open_or_create::<Health>("health").unwrap();
    let as_value = two.open::<u64>("hits").unwrap_err();
    assert_eq!(
        as_value.to_string(),
        "object \"hits\" holds AtomicU64, not u64: the value is stored as AtomicU64, asked for as u64"
    );
    assert!(matches!(two.open::<AtomicI64>("hits"), Err(Error::TypeMismatch { .. })));
    assert!(matches!(two.open::<[AtomicU64; 1]>("hits"), Err(Error::TypeMismatch { .. })));

    #[derive(Default, Atomics)]
    #[repr(C)]
    #[allow(dead_code)]
    struct Other {
        ready: AtomicBool,
        errors: [AtomicU32; 3],
        inner: AtomicU64,
    }
    let error = two.open::<Other>("health").err().unwrap();
    assert!(error.to_string().contains("field Other.inner"), "{error}");
}

#[test]
fn a_transaction_that_is_rolled_back_takes_no_count_back() {
    let (_dir, [one, two]) = segments();
    let hits: Shared<AtomicU64> = one.open_or_create("hits").unwrap();
    let log: Shared<Vec<u32>> = one.open_or_create("log").unwrap();
    let mut guard = log.write().unwrap();
    guard.push(1).unwrap();
    hits.fetch_add(1, Ordering::Relaxed);
    guard.rollback();
    assert_eq!(two.open::<AtomicU64>("hits").unwrap().load(Ordering::Relaxed), 1);
    assert_eq!(log.load().unwrap(), [0u32; 0]);
}
