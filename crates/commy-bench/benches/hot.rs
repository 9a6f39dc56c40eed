//! The operations that are tuned, each by itself, with Criterion: for comparing before and after a change.
//!
//! ```text
//! cargo bench -p commy-bench -- --save-baseline before
//! cargo bench -p commy-bench -- --baseline before
//! ```
//!
//! What the peers take for the same is measured by `commy-bench W1` ... `W6`.

use commy::{FreeListAllocator, Segment, Shared};
use criterion::{Criterion, criterion_group, criterion_main};
use std::alloc::Layout;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hint::black_box;

/// Entries of the maps: more than the processor's caches have room for.
const ENTRIES: u64 = 1_000_000;

/// A key that its number does not tell.
fn key(number: u64) -> u64 {
    (number % ENTRIES).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

/// A segment in a folder that goes with it.
fn segment() -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().expect("a folder");
    let segment = Segment::options().max_size(4 << 30).create(dir.path().join("bench.commy")).expect("a segment");
    (dir, segment)
}

fn locks(c: &mut Criterion) {
    let (_dir, segment) = segment();
    let number: Shared<u64> = segment.open_or_create("number").expect("a number");
    c.bench_function("write guard", |b| b.iter(|| drop(number.write().expect("the lock"))));
    c.bench_function("read guard", |b| b.iter(|| drop(number.read().expect("the lock"))));
}

fn sequences(c: &mut Criterion) {
    let (_dir, segment) = segment();
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("a list");
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("a queue");
    queue.extend(0..1000).expect("room");
    c.bench_function("push and pop", |b| {
        b.iter(|| {
            list.push(7).expect("room");
            black_box(list.pop().expect("the lock"))
        });
    });
    c.bench_function("push_back and pop_front", |b| {
        b.iter(|| {
            queue.push_back(7).expect("room");
            black_box(queue.pop_front().expect("the lock"))
        });
    });
}

fn maps(c: &mut Criterion) {
    let (_dir, segment) = segment();
    let hashed: Shared<HashMap<u64, u64>> = segment.open_or_create("hashed").expect("a map");
    let ordered: Shared<BTreeMap<u64, u64>> = segment.open_or_create("ordered").expect("a map");
    let texts: Shared<HashMap<String, String>> = segment.open_or_create("texts").expect("a map");
    hashed.extend((0..ENTRIES).map(|n| (key(n), n))).expect("room");
    ordered.extend((0..ENTRIES).map(|n| (key(n), n))).expect("room");
    texts
        .extend((0..ENTRIES / 10).map(|n| (format!("{:032x}", key(n)), "a value of some length".into())))
        .expect("room");
    let mut number = 0;
    let mut next = || {
        number += 1;
        key(number * 7919)
    };
    c.bench_function("hash get", |b| b.iter(|| black_box(hashed.get(&next()).expect("the map"))));
    c.bench_function("hash overwrite", |b| b.iter(|| black_box(hashed.insert(next(), 1).expect("room"))));
    c.bench_function("hash remove and insert", |b| {
        b.iter(|| {
            let key = next();
            hashed.remove(&key).expect("the lock");
            black_box(hashed.insert(key, 2).expect("room"))
        });
    });
    c.bench_function("ordered get", |b| b.iter(|| black_box(ordered.get(&next()).expect("the map"))));
    let mut number = 0;
    c.bench_function("hash get of a string", |b| {
        b.iter_batched_ref(
            || {
                number += 7919;
                format!("{:032x}", key(number % (ENTRIES / 10)))
            },
            |key| black_box(texts.get(key.as_str()).expect("the map")),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn blocks(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    // SAFETY: nobody else has the file.
    let allocator = unsafe { FreeListAllocator::open(dir.path().join("bench.commy"), 64 << 20) }.expect("an allocator");
    let layout = Layout::from_size_align(64, 8).expect("a layout");
    c.bench_function("allocate and deallocate 64 B", |b| {
        b.iter(|| {
            let block = allocator.allocate(layout).expect("room");
            allocator.deallocate(block.cast(), layout);
        });
    });
}

criterion_group!(hot, locks, sequences, maps, blocks);
criterion_main!(hot);
