//! A thread's sign of life in shared memory. Windows does not mark the dead in it, so that it says
//! only that a thread took it; whether that lives is for the process layer to find out.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::BeaconState;

/// A thread's sign of life: 64 bytes of shared memory; all zero means that nobody holds it.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Beacon {
    /// The process id of its holder, or 0.
    word: AtomicU32,
    unused: [AtomicU32; 15],
}

impl Beacon {
    /// Nobody looks at its memory when the thread that took it ends.
    pub const NEEDS_MEMORY: bool = false;

    /// Takes the beacon for the calling thread, until it lets go.
    ///
    /// # Safety
    ///
    /// `this` points to a beacon in memory that is mapped shared, writable and backed by storage.
    /// Nobody alive holds it, and nobody else takes it at the same time.
    pub unsafe fn hold(this: *mut Beacon) -> io::Result<()> {
        // SAFETY: the caller vouches for the memory; all bits are valid in atomics.
        unsafe { &*this }.word.store(std::process::id(), Ordering::Release);
        Ok(())
    }

    /// Lets go of it.
    ///
    /// # Safety
    ///
    /// `this` was taken by the calling thread with [`Beacon::hold`], and is still mapped.
    pub unsafe fn release(this: *mut Beacon) {
        // SAFETY: the caller vouches for the memory.
        unsafe { &*this }.word.store(0, Ordering::Release);
    }

    /// Whether somebody took it. One load.
    pub fn state(&self) -> BeaconState {
        match self.word.load(Ordering::Acquire) {
            0 => BeaconState::Free,
            _ => BeaconState::Unknown,
        }
    }

    /// The word that changes when it is taken or let go of. Look, do not store.
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_beacon_is_not_taken_for_free() {
        let mut beacon = Beacon { word: AtomicU32::new(0), unused: Default::default() };
        assert_eq!(beacon.state(), BeaconState::Free);
        // SAFETY: nobody else knows it.
        unsafe { Beacon::hold(&mut beacon).unwrap() };
        assert_eq!(beacon.state(), BeaconState::Unknown);
        // SAFETY: held above.
        unsafe { Beacon::release(&mut beacon) };
        assert_eq!(beacon.state(), BeaconState::Free);
    }
}
