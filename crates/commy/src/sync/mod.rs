//! Waiting for each other: the robust reader-writer lock, and the notification of changes.

mod lock;
#[cfg(all(test, loom))]
pub(crate) mod loom_tests;
mod notify;

pub(crate) use lock::{Blocked, Fate, Lock, OWNER, Surroundings, Word32, Word64};
pub(crate) use notify::{Bed, Notify};
