//! Values lent without the lock, for `direct`, whose users promise that it is not needed.

use super::Shared;
use crate::error::Error;
use crate::schema::{Guarded, Plain, Share};
use crate::sync::version;
use std::hint::black_box;

impl<T: Guarded> Shared<T> {
    /// The value in place.
    ///
    /// # Safety
    /// As long as the reference, or what it gives, is there, nobody restructures the value: what is reached through it
    /// stays where it is.
    #[inline(always)]
    pub(crate) unsafe fn lend(&self) -> &T::Target {
        // SAFETY: this object's value; the caller's promise.
        unsafe { T::target(self.stored(), self.reader()) }
    }
}

impl<T: Share> Shared<T> {
    /// A place that lies in the segment, to be written: counts a change, and wakes those who wait for one.
    #[inline]
    pub(crate) fn expose<V: Plain>(&self, place: *const V) -> *mut V {
        self.count_lending();
        self.writable(place)
    }

    /// Counts a change, and wakes those who wait for one.
    #[inline]
    pub(crate) fn count_lending(&self) {
        version::count_unlocked(self.control().version.atomic());
        self.wake_sleepers();
    }

    /// The same place, from the map, which may be written.
    #[inline(always)]
    pub(crate) fn writable<V: Plain>(&self, place: *const V) -> *mut V {
        let base = self.attachment().map.base();
        base.wrapping_add((place as usize).wrapping_sub(base as usize)).cast()
    }
}

impl<T: Plain> Shared<T> {
    /// The value in place. Each call looks where it is anew: a loop that waits for another process to change it sees
    /// the change.
    ///
    /// # Panics
    /// If what is there is no value of the type.
    #[inline(always)]
    pub(crate) fn plain(&self) -> *mut T {
        let place = black_box(self.stored());
        // SAFETY: this object's value is in the map, and aligned.
        if !T::ANY_BYTES && !unsafe { T::is_valid(place) } {
            panic!("{}", Error::corrupt(self.value, "bytes that are no value of their type"));
        }
        place
    }
}
