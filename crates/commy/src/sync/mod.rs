//! Waiting for each other: the robust reader-writer lock, the notification of changes, reading without the lock.

mod favour;
mod lock;
#[cfg(all(test, loom))]
pub(crate) mod loom_tests;
mod notify;
#[cfg(all(test, not(loom)))]
mod tests;
pub(crate) mod version;

pub(crate) use favour::{NEVER, favoured, favourite};
pub(crate) use lock::{Blocked, Fate, Lock, NAP, OWNER, Surroundings, Taken, Word32, Word64};
pub(crate) use notify::{Bed, Notify};
