//! What a thread remembers for itself until it forks: a number, and a place that goes with it.
//!
//! The handler that runs in forked children ([`super::fork`]) has the thread forget it: that thread is the child's only
//! one, so whoever finds something remembered need not ask whether it is in a child.

use std::cell::Cell;
use std::ptr;

thread_local! {
    static REMEMBERED: Cell<(u64, *const ())> = const { Cell::new((0, ptr::null())) };
}

/// Has the thread remember something until it remembers something else, forgets it, or finds itself in a forked child.
pub(crate) fn remember(number: u64, place: *const ()) {
    REMEMBERED.set((number, place));
}

/// Has the thread remember nothing. Safe in a signal handler.
pub(crate) fn forget() {
    remember(0, ptr::null());
}

/// What the thread remembers; 0 and null if that is nothing. Two loads.
#[inline(always)]
pub(crate) fn remembered() -> (u64, *const ()) {
    REMEMBERED.get()
}
