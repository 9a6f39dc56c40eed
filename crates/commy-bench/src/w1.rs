//! W1: blocks taken and given back, by the allocator that there is for raw blocks. A pair is one operation.

use crate::bench::*;
use commy::FreeListAllocator;
use std::alloc::Layout;
use std::hint::black_box;
use std::ptr::NonNull;

const PEER: &str = "commy (direct)";
/// Bytes that the file may have.
const LIMIT: u64 = 256 << 20;

/// Blocks of random sizes, one of which at a time is replaced by another.
struct Live {
    blocks: FreeListAllocator,
    slots: Vec<Option<(NonNull<u8>, Layout)>>,
    rng: Rng,
    low: usize,
    high: usize,
}

impl Live {
    fn new(blocks: FreeListAllocator, n: usize, seed: u64, low: usize, high: usize) -> Live {
        Live { blocks, slots: vec![None; n], rng: Rng(seed), low, high }
    }

    fn small(blocks: FreeListAllocator, worker: usize) -> Live {
        Live::new(blocks, 1000, (worker as u64) << 32, 16, 1024)
    }

    fn large(blocks: FreeListAllocator, worker: usize) -> Live {
        Live::new(blocks, 16, (worker as u64) << 32, 64 << 10, 1 << 20)
    }

    fn step(&mut self, n: usize) -> u64 {
        for k in 0..n {
            let i = self.rng.below(self.slots.len());
            let size = self.low + self.rng.below(self.high - self.low + 1);
            if let Some((block, layout)) = self.slots[i].take() {
                self.blocks.deallocate(block, layout);
            }
            let layout = layout(size);
            self.slots[i] = Some((take(&self.blocks, layout, k), layout));
        }
        n as u64
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for (block, layout) in self.slots.drain(..).flatten() {
            self.blocks.deallocate(block, layout);
        }
    }
}

/// Of a block of that size.
fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// A block, with a number written into it.
#[inline(always)]
fn take(blocks: &FreeListAllocator, layout: Layout, number: usize) -> NonNull<u8> {
    let block = blocks.allocate(layout).unwrap().cast::<u8>();
    // SAFETY: a block of at least 16 bytes, this process's alone.
    unsafe { block.cast::<u64>().write(number as u64) };
    block
}

fn pairs(blocks: &FreeListAllocator, n: usize) -> u64 {
    let layout = layout(64);
    (0..n).for_each(|k| blocks.deallocate(black_box(take(blocks, layout, k)), layout));
    n as u64
}

pub fn run() {
    let file = Remove::new("w1");
    // SAFETY: this program's processes alone have the file open.
    let open = || unsafe { FreeListAllocator::open(&file.0, LIMIT).unwrap() };
    let first = open();
    let emit = |metric: &str, value: f64, unit: &str| emit("W1", metric, PEER, value, unit);
    let (of_64, mixed, large) =
        ("alloc+free 64 B", "alloc+free 16..1024 B, 1000 live", "alloc+free 64 KiB..1 MiB, 16 live");
    {
        pairs(&first, 2000);
        for _ in 0..3 {
            emit(of_64, per_op(40000, || pairs(&first, 40000)), "ns");
        }
        let (mut m, mut l) = (Live::small(open(), 0), Live::large(open(), 0));
        m.step(20000);
        l.step(200);
        for _ in 0..3 {
            emit(mixed, per_op(40000, || m.step(40000)), "ns");
            emit(large, per_op(4000, || l.step(4000)), "ns");
        }
    }
    let cores = [Some(0), Some(1)];
    let total = |rates: Vec<f64>| rates.iter().sum::<f64>() * 1e-6;
    for n in [2, 8] {
        let rates = crew(n, 100, &cores, |_| {
            let blocks = open();
            move || pairs(&blocks, 64)
        });
        emit(&format!("{n} workers: {of_64}"), total(rates), "Mops/s");
        let rates = crew(n, 100, &cores, |i| {
            let mut live = Live::small(open(), i);
            move || live.step(64)
        });
        emit(&format!("{n} workers: {mixed}"), total(rates), "Mops/s");
        if n == 2 {
            let rates = crew(n, 100, &cores, |i| {
                let mut live = Live::large(open(), i);
                move || live.step(64)
            });
            emit(&format!("{n} workers: {large}"), total(rates), "Mops/s");
        }
    }
}
