//! A shared word: eight bytes that several processes may load and store at once.

use super::{Point, at};
use std::sync::atomic::{AtomicU64, Ordering};

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
