//! Windows has no fork: a process is never a copy of another, so the epoch never changes.

use std::cell::Cell;
use std::fs::File;
use std::ptr;

/// Always 1.
#[inline]
pub(crate) fn epoch() -> u32 {
    1
}

thread_local! {
    static REMEMBERED: Cell<(u64, *const ())> = const { Cell::new((0, ptr::null())) };
}

/// Has the thread remember something until it remembers something else.
pub(crate) fn remember(number: u64, place: *const ()) {
    REMEMBERED.set((number, place));
}

/// What the thread remembers; 0 and null if that is nothing.
#[inline(always)]
pub(crate) fn remembered() -> (u64, *const ()) {
    REMEMBERED.get()
}

/// Nothing to install.
pub(crate) fn install() {}

/// Nothing to watch.
pub(crate) fn watch(_file: &File) {}

/// Nothing to take back.
pub(crate) fn unwatch(_file: &File) {}
