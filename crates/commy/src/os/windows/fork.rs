//! Windows has no fork: a process is never a copy of another, so the epoch never changes.

use std::fs::File;

/// Always 1.
#[inline]
pub(crate) fn epoch() -> u32 {
    1
}

/// Nothing to install.
pub(crate) fn install() {}

/// Nothing to watch.
pub(crate) fn watch(_file: &File) {}

/// Nothing to take back.
pub(crate) fn unwatch(_file: &File) {}
