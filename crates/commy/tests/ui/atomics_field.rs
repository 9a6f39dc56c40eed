// A field that is no atomic needs a lock.

use std::sync::atomic::AtomicU64;

#[derive(commy::Atomics)]
#[repr(C)]
struct Health {
    errors: AtomicU64,
    message: String,
}

#[derive(commy::Atomics)]
struct Traffic {
    sent: AtomicU64,
}

fn main() {}
