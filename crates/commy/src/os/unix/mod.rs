//! The interface of [`super`] on Unix. Linux has all of it; on other Unixes threads leave no sign
//! of life and waiting is polling, so deaths are noticed later there.

mod beacon;
mod bytelock;
mod copy;
mod file;
pub(crate) mod fork;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod futex;
mod machine;
mod map;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod poll;
mod process;
mod storage;
mod wait;

pub(crate) use beacon::Beacon;
pub(super) use bytelock::{byte_locked_elsewhere, try_lock_byte, try_lock_byte_shared, unlock_byte};
pub(super) use copy::{clone_file, copy_range, read_at, unshare, write_at};
pub(super) use file::{file_identity, is_backed, open_flags, reopen};
pub(super) use machine::{boot_id, current_thread_id, heavy_fence, now_monotonic_ms, page_size, random_u64};
pub(crate) use map::Mapping;
pub(super) use process::{current_process, is_gone, kill_self};
pub(super) use storage::{close_at, extend, lengthen, punch, truncate};
pub(super) use wait::{wait, wait_or_death, wake, wake_beacon};
