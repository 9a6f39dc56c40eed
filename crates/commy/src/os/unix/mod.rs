//! The interface of [`super`] on Unix. Linux has all of it; on other Unixes threads leave no sign
//! of life and waiting is polling, so deaths are noticed later there.
//!
//! `--cfg commy_portable` has Linux do with what all Unixes have, but for the locks on bytes. So what others get is
//! compiled and tested.

mod beacon;
mod bytelock;
mod copy;
mod file;
pub(crate) mod fork;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
mod futex;
mod machine;
mod map;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
mod poll;
mod process;
mod storage;
mod wait;

pub(crate) use beacon::Beacon;
pub(super) use bytelock::{byte_locked_elsewhere, try_lock_byte, try_lock_byte_shared, unlock_byte};
pub(super) use copy::{clone_file, copy_range, read_at, read_some_at, unshare, write_at};
pub(super) use file::{backed, file_identity, has_fixed_length, open_flags, path_identity, reopen};
use machine::page_size;
pub(super) use machine::{
    boot_id, current_thread_id, heavy_fence, join_fences, joint_fence, now_monotonic_ms, random_u64,
};
pub(crate) use map::Mapping;
#[cfg(any(test, feature = "crash-points"))]
pub(super) use process::kill_self;
pub(super) use process::{current_process, is_gone};
pub(super) use storage::{close_at, extend, lengthen, lengthened, punch, truncate};
pub(super) use wait::{wait, wait_or_death, wake, wake_beacon};
