//! Who is attached: slots for processes and threads, their signs of life, and what they are to each
//! other as owners of locks.

mod attachment;
pub(crate) mod claim;
mod fork_mutex;
mod grace;
#[cfg(all(test, loom))]
mod loom_quiet;
#[cfg(all(test, loom))]
mod loom_tests;
mod pause;
mod seat;

pub(crate) use attachment::{Attachment, Liveness};
pub(crate) use fork_mutex::{ForkGuard, ForkMutex};
pub(crate) use grace::{Outermost, Unlocked, silent};
pub(crate) use pause::{Still, set_busy_soon, set_idle, set_idle_if_busy, take_back_busy};
pub(crate) use seat::{Actor, tag};
