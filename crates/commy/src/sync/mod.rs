//! Waiting for each other: the robust reader-writer lock.

mod lock;
#[cfg(all(test, loom))]
mod loom_tests;

pub(crate) use lock::{Blocked, Fate, Lock, OWNER, Surroundings, Word32, Word64};
