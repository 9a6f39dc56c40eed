//! W2: a vector and a deque of numbers.

use crate::bench::*;
use commy::{FreeListAllocator, Segment, Shared, SharedVec, SharedVecDeque};
use std::collections::VecDeque;
use std::time::Duration;

const N: u64 = 1_000_000;

pub fn run() {
    let scratch = Scratch::new("w2");
    let segment = &scratch.segment;
    let vector: Shared<Vec<u64>> = segment.open_or_create("vector").unwrap();
    let deque: Shared<VecDeque<u64>> = segment.open_or_create("deque").unwrap();
    for round in 0..4 {
        let peer = if round == 0 { "commy (guard), new pages" } else { "commy (guard)" };
        let emit = |metric, value| emit("W2", metric, peer, value, "ns");
        let push = || {
            let mut v = vector.write().unwrap();
            (0..N).for_each(|i| v.push(i).unwrap());
            v.commit().unwrap();
        };
        emit("vector push_back, 1e6 growing", per_op(N as usize, push));
        let sum = || {
            let v = vector.read().unwrap();
            let v = v.as_slice();
            (0..N as usize).fold(0u64, |sum, i| sum.wrapping_add(v[i]))
        };
        emit("vector indexed sum of 1e6", per_op(N as usize, sum));
        let sum = || {
            let v = vector.read().unwrap();
            (0..N as usize).fold(0u64, |sum, i| sum.wrapping_add(v[i]))
        };
        let peer = format!("{peer}, without as_slice");
        super::bench::emit("W2", "vector indexed sum of 1e6", &peer, per_op(N as usize, sum), "ns");
        vector.store(Vec::new()).unwrap();

        deque.store((0..1000).collect()).unwrap();
        let cycle = || {
            let mut d = deque.write().unwrap();
            let sum = (0..N).fold(0u64, |sum, i| {
                d.push_back(i).unwrap();
                sum + d.pop_front().unwrap().unwrap()
            });
            d.commit().unwrap();
            sum
        };
        emit("deque push_back+pop_front, 1000 live", per_op(N as usize, cycle));
        deque.store(VecDeque::new()).unwrap();
    }
    for _ in 0..3 {
        one_by_one(&vector, &deque);
        direct(segment);
    }
}

/// The same through the types that lock by themselves, and lend without a lock.
fn direct(segment: &Segment) {
    let emit = |metric, value| emit("W2", metric, "commy (direct)", value, "ns");
    // SAFETY: nobody else has the file open.
    let allocator = unsafe { FreeListAllocator::from_segment(segment, Duration::from_secs(60)) }.unwrap();
    let mut vector: SharedVec<u64> = SharedVec::new_in(&allocator);
    let push = || (0..N).for_each(|i| vector.push(i).unwrap());
    emit("vector push_back, 1e6 growing", per_op(N as usize, push));
    let sum = || (0..N).fold(0u64, |sum, i| sum.wrapping_add(vector[i as usize]));
    emit("vector indexed sum of 1e6", per_op(N as usize, sum));
    vector.clear();
    let mut deque: SharedVecDeque<u64> = SharedVecDeque::new_in(&allocator);
    (0..1000).for_each(|i| deque.push_back(i));
    let cycle = || {
        (0..N).fold(0u64, |sum, i| {
            deque.push_back(i);
            sum + deque.pop_front().unwrap()
        })
    };
    emit("deque push_back+pop_front, 1000 live", per_op(N as usize, cycle));
    deque.clear();
}

/// Each operation by itself.
fn one_by_one(vector: &Shared<Vec<u64>>, deque: &Shared<VecDeque<u64>>) {
    let emit = |metric, value| emit("W2", metric, "commy (op)", value, "ns");
    emit("vector push_back, 1e6 growing", per_op(N as usize, || (0..N).for_each(|i| vector.push(i).unwrap())));
    let get = |i: u64| vector.get(i as usize).unwrap().unwrap();
    let sum = || (0..N).fold(0u64, |sum, i| sum.wrapping_add(get(i)));
    emit("vector indexed sum of 1e6", per_op(N as usize, sum));
    vector.store(Vec::new()).unwrap();
    deque.store((0..1000).collect()).unwrap();
    let cycle = || {
        (0..N).fold(0u64, |sum, i| {
            deque.push_back(i).unwrap();
            sum + deque.pop_front().unwrap().unwrap()
        })
    };
    emit("deque push_back+pop_front, 1000 live", per_op(N as usize, cycle));
    deque.store(VecDeque::new()).unwrap();
}
