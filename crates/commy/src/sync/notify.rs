//! Waiting until something has changed, without a lock held meanwhile.
//!
//! ```text
//! sleepers:  round 31 | somebody sleeps, or is about to, 1
//! ```
//!
//! *Wait*: under the lock of what may change (for reading is enough), set the low bit; unlock; look at the
//! version again; sleep for as long as the whole word stays as it was set. *Change*: under the lock for
//! writing, count the version up; unlock; if the low bit is set, add one to the word, which clears the bit and
//! begins a new round, and wake all.
//!
//! No fence is needed, for the lock orders the two: a change that comes before the waiter had the lock is seen
//! by its second look, and who makes one that comes after sees the bit. Who has fallen behind by a round does
//! not fall asleep on the bit of somebody else, because the word is another. So no wake is lost, whatever the
//! timing. Sleeps are cut at [`NAP`] nevertheless, for one thing only: somebody may be killed after its change
//! and before it wakes the sleepers. Then the next nap's lock rescues it, and the look at the version tells.
//!
//! Generic over the word, so that loom can run this very code.

use super::lock::{NAP, Word32};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The low bit: somebody sleeps.
const ASLEEP: u32 = 1;

/// How one sleeps on a word.
pub(crate) trait Bed {
    type Word: Word32;
    /// Sleeps while the word is as seen, until woken, or for `time`. May end early.
    fn sleep(&self, word: &Self::Word, seen: u32, time: Duration);
    /// Wakes all who sleep on the word.
    fn wake_all(&self, word: &Self::Word);
}

/// Those who wait for a change of one object.
pub(crate) struct Notify<'a, B: Bed> {
    pub sleepers: &'a B::Word,
    pub bed: &'a B,
}

impl<B: Bed> Notify<'_, B> {
    /// Says that the caller is about to sleep. To be called under the lock, for reading or writing, by who
    /// finds there that nothing has changed yet. Gives what to [`sleep`](Notify::sleep) on after the unlock.
    pub(crate) fn arm(&self) -> u32 {
        self.sleepers.fetch_or(ASLEEP, Ordering::Relaxed) | ASLEEP
    }

    /// Sleeps until a change that comes after [`arm`](Notify::arm), for a [`NAP`] or `time` at most. May end
    /// early.
    pub(crate) fn sleep(&self, armed: u32, time: Duration) {
        self.bed.sleep(self.sleepers, armed, time.min(NAP));
    }

    /// Wakes who waits. To be called after the unlock, by who made a change under the lock.
    #[inline(always)]
    pub(crate) fn changed(&self) {
        if self.is_awaited() {
            self.wake();
        }
    }

    /// Whether there is somebody.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) & ASLEEP != 0
    }

    #[cold]
    fn wake(&self) {
        let word = self.sleepers.load(Ordering::Relaxed);
        if word & ASLEEP == 0 {
            return;
        }
        // Who is quicker wakes them all.
        if self.sleepers.compare_exchange(word, word.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.bed.wake_all(self.sleepers);
        }
    }

    /// Blocks until the version is not `seen`, and gives what it is; `seen` itself when no time is left.
    /// `arm` does [`arm`](Notify::arm) under the lock, or gives `None` if it cannot have the lock in time.
    pub(crate) fn wait_changed<E>(
        &self,
        version: impl Fn() -> u64,
        seen: u64,
        left: impl Fn() -> Duration,
        mut arm: impl FnMut() -> Result<Option<u32>, E>,
    ) -> Result<u64, E> {
        loop {
            let now = version();
            if now != seen || left().is_zero() {
                return Ok(now);
            }
            let Some(armed) = arm()? else { continue };
            if version() == seen {
                self.sleep(armed, left());
            }
        }
    }
}
