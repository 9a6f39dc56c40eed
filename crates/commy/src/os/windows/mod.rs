//! The interface of [`super`] on Windows.
//!
//! Two things are otherwise than on Unix. A file that is mapped cannot get shorter, so it has its
//! greatest length from the start, sparse, and only the storage behind it grows and shrinks. And
//! the system does not mark the word of a thread that died; a dead process is known by its handle.

mod beacon;
mod bytelock;
mod copy;
mod event;
mod file;
pub(crate) mod fork;
mod machine;
mod map;
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

use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::core::BOOL;

/// What a call that returns a BOOL says.
fn check(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes charge of a handle that a call has made; null is its failure.
///
/// # Safety
///
/// `handle` is null or open, and nobody else closes it.
unsafe fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        Err(io::Error::last_os_error())
    } else {
        // SAFETY: open, and ours to close, as the caller promises.
        Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
    }
}
