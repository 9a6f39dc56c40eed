//! Reading without a lock, and waiting until nobody does who began before.
//!
//! Who reads without a lock may come upon an offset that was good a moment ago: what lies there has been freed
//! since. Its bytes may be anything, which the reader finds out afterwards; but the page must still be there. So
//! before storage is given back, which makes touching it a deadly signal, this passes:
//!
//! ```text
//! reader   reading + 1 (odd); light fence; reads, from what is reachable on; reading + 1 (even)
//! giver    takes the pages out of use: nothing that is reachable leads there any more
//!          heavy fence; each slot's reading: while it is odd and unchanged, wait
//!          from here on nobody has an offset of them
//! ```
//!
//! Who begins after the fence finds nothing that leads there. Who began before has its word odd, and the giver
//! sees that. An attachment that is read-only cannot say that it reads: it holds the byte [`READERS`] of the file, and
//! while somebody does, nothing is given back.

use super::Attachment;
use crate::layout::{ThreadSlot, Word};
use crate::os;
use std::time::{Duration, Instant};

/// The byte that every attachment which cannot write has locked, shared, from before its first look at the file to
/// after its last.
pub(crate) const READERS: u64 = (1 << 20) + 1;

/// While it lives, its thread may follow offsets without a lock.
pub(crate) struct Unlocked<'a>(Option<&'a Word>);

impl<'a> Unlocked<'a> {
    /// Begins to read without a lock. To be called by the thread that has the slot. May be nested.
    #[inline(always)]
    pub(crate) fn begin(slot: &'a ThreadSlot) -> Unlocked<'a> {
        let (word, count) = (&slot.reading, slot.reading.get());
        if count & 1 == 1 {
            return Unlocked(None);
        }
        word.put(count.wrapping_add(1));
        os::light_fence();
        Unlocked(Some(word))
    }
}

impl Drop for Unlocked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(word) = self.0 {
            word.publish(word.get().wrapping_add(1));
        }
    }
}

impl Attachment {
    /// Whether a read-only attachment may be looking.
    pub(crate) fn has_silent_readers(&self) -> bool {
        !matches!(os::byte_locked_elsewhere(self.map.file(), READERS), Ok(false))
    }

    /// Waits until everybody who was reading without a lock has ended that. False if that cannot be told, or takes
    /// longer than `patience`.
    pub(crate) fn wait_for_unlocked(&self, patience: Duration) -> bool {
        if self.has_silent_readers() || os::heavy_fence().is_err() {
            return false;
        }
        let begin = Instant::now();
        for slot in (0..self.thread_slots()).filter_map(|index| self.map.thread(index)) {
            let seen = slot.reading.get_acquire();
            while seen & 1 == 1 && slot.reading.get_acquire() == seen && !self.is_dead(slot, self.state(slot)) {
                if begin.elapsed() > patience {
                    return false;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        true
    }
}
