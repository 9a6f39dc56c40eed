// Atomics have no lock, hence no guards and no whole-value `store`.

use std::sync::atomic::AtomicU64;

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let hits: commy::Shared<AtomicU64> = segment.open_or_create("hits").unwrap();
    *hits.write().unwrap() += 1;
}
