// Atomics change without a lock, so that no container can move, log or roll them back.

fn hits(_: commy::Shared<Vec<std::sync::atomic::AtomicU64>>) {}

fn main() {}
