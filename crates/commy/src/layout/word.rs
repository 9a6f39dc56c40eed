//! A shared word: eight bytes that several processes may load and store at once.

use super::{Point, at};
use std::mem::{MaybeUninit, transmute_copy};
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether values of this type can be overwritten by [`store_whole`].
pub(crate) const fn is_whole<S>() -> bool {
    matches!(size_of::<S>(), 1 | 2 | 4 | 8) && align_of::<S>() == size_of::<S>()
}

/// Overwrites a value by one store, so that there is no moment at which it is half another: who is killed has done it or
/// has not.
///
/// # Safety
/// `place` may be written to; the type [`is_whole`].
#[inline(always)]
pub(crate) unsafe fn store_whole<S>(place: *mut S, value: S) {
    at(Point::WordPut);
    // SAFETY: the caller's promise. Each is a value's bytes, padding included, as an integer-sized whole, which
    // compilers store by one instruction when told that it is volatile.
    unsafe {
        match size_of::<S>() {
            1 => place.cast::<MaybeUninit<u8>>().write_volatile(transmute_copy(&value)),
            2 => place.cast::<MaybeUninit<u16>>().write_volatile(transmute_copy(&value)),
            4 => place.cast::<MaybeUninit<u32>>().write_volatile(transmute_copy(&value)),
            _ => place.cast::<MaybeUninit<u64>>().write_volatile(transmute_copy(&value)),
        }
    }
}

/// Eight bytes of a structure in the file, always loaded and stored whole.
///
/// Loads and stores are relaxed: what orders them is the lock that the structure is under, and, for
/// the sake of a killed process, the order of the program's instructions.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Word(AtomicU64);

impl Word {
    /// A word with a value.
    pub const fn new(value: u64) -> Word {
        Word(AtomicU64::new(value))
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Overwrites the value. This is the store primitive of all structures in the file.
    #[inline(always)]
    pub(crate) fn put(&self, value: u64) {
        at(Point::WordPut);
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value, ordered after it everything that was written before it was stored.
    #[inline(always)]
    pub(crate) fn get_acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Overwrites the value; everything written before is seen by who loads it with acquire. The
    /// compiler moves no store across it in either direction.
    #[inline(always)]
    pub(crate) fn publish(&self, value: u64) {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        at(Point::WordPublish);
        self.0.store(value, Ordering::Release);
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }

    /// The atomic itself, for the protocols that need more.
    #[inline(always)]
    pub(crate) fn atomic(&self) -> &AtomicU64 {
        &self.0
    }
}
