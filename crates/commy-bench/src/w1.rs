//! W1: blocks taken and given back, each by a transaction of its own. A pair is one operation.

use crate::bench::*;
use commy::Segment;
use commy::support::RawBlocks;
use std::hint::black_box;
use std::ptr::NonNull;

const PEER: &str = "commy (op)";

/// Blocks of random sizes, one of which at a time is replaced by another.
struct Live {
    blocks: RawBlocks,
    slots: Vec<Option<(NonNull<u8>, u64)>>,
    rng: Rng,
    low: usize,
    high: usize,
}

impl Live {
    fn new(segment: &Segment, n: usize, seed: u64, low: usize, high: usize) -> Live {
        Live { blocks: RawBlocks::new(segment).unwrap(), slots: vec![None; n], rng: Rng(seed), low, high }
    }

    fn small(segment: &Segment, worker: usize) -> Live {
        Live::new(segment, 1000, (worker as u64) << 32, 16, 1024)
    }

    fn large(segment: &Segment, worker: usize) -> Live {
        Live::new(segment, 16, (worker as u64) << 32, 64 << 10, 1 << 20)
    }

    fn step(&mut self, n: usize) -> u64 {
        for k in 0..n {
            let i = self.rng.below(self.slots.len());
            let size = (self.low + self.rng.below(self.high - self.low + 1)) as u64;
            if let Some((block, size)) = self.slots[i].take() {
                self.blocks.free(block, size, 8).unwrap();
            }
            let block = self.blocks.alloc(size, 8).unwrap();
            // SAFETY: a block of that size, this process's alone.
            unsafe { block.cast::<u64>().write(k as u64) };
            self.slots[i] = Some((block, size));
        }
        n as u64
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for (block, size) in self.slots.drain(..).flatten() {
            self.blocks.free(block, size, 8).unwrap();
        }
    }
}

fn pairs(blocks: &RawBlocks, n: usize) -> u64 {
    for k in 0..n {
        let block = blocks.alloc(64, 8).unwrap();
        // SAFETY: a block of that size, this process's alone.
        unsafe { block.cast::<u64>().write(k as u64) };
        blocks.free(black_box(block), 64, 8).unwrap();
    }
    n as u64
}

pub fn run() {
    let scratch = Scratch::new("w1");
    let segment = &scratch.segment;
    let emit = |metric: &str, value: f64, unit: &str| emit("W1", metric, PEER, value, unit);
    let (of_64, mixed, large) =
        ("alloc+free 64 B", "alloc+free 16..1024 B, 1000 live", "alloc+free 64 KiB..1 MiB, 16 live");
    {
        let blocks = RawBlocks::new(segment).unwrap();
        pairs(&blocks, 2000);
        for _ in 0..3 {
            emit(of_64, per_op(40000, || pairs(&blocks, 40000)), "ns");
        }
        let (mut m, mut l) = (Live::small(segment, 0), Live::large(segment, 0));
        m.step(20000);
        l.step(200);
        for _ in 0..3 {
            emit(mixed, per_op(40000, || m.step(40000)), "ns");
            emit(large, per_op(4000, || l.step(4000)), "ns");
        }
    }
    let cores = [Some(0), Some(1)];
    let open = || Segment::open(&scratch.path).unwrap();
    let total = |rates: Vec<f64>| rates.iter().sum::<f64>() * 1e-6;
    for n in [2, 8] {
        let rates = crew(n, 100, &cores, |_| {
            let blocks = RawBlocks::new(&open()).unwrap();
            move || pairs(&blocks, 64)
        });
        emit(&format!("{n} workers: {of_64}"), total(rates), "Mops/s");
        let rates = crew(n, 100, &cores, |i| {
            let mut live = Live::small(&open(), i);
            move || live.step(64)
        });
        emit(&format!("{n} workers: {mixed}"), total(rates), "Mops/s");
        if n == 2 {
            let rates = crew(n, 100, &cores, |i| {
                let mut live = Live::large(&open(), i);
                move || live.step(64)
            });
            emit(&format!("{n} workers: {large}"), total(rates), "Mops/s");
        }
    }
}
