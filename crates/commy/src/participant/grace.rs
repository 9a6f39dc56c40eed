//! Reading without a lock, and waiting until nobody does who began before.
//!
//! Who reads without a lock may come upon an offset that was good a moment ago: what lies there has been freed
//! since. Its bytes may be anything, which the reader finds out afterwards; but the page must still be there. So
//! before storage is given back, which makes touching it a deadly signal, this passes:
//!
//! ```text
//! reader   now = 1; light fence; reads, from what is reachable on; ended + 1; now = 0
//! giver    takes the pages out of use: nothing that is reachable leads there any more
//!          heavy fence; each slot: while now is 1 and ended is unchanged, wait
//!          from here on nobody has an offset of them
//! ```
//!
//! Who begins after the fence finds nothing that leads there. Who began before has said so, and the giver
//! sees that. An attachment that is read-only cannot say that it reads: it holds the byte [`READERS`] of the file, and
//! while somebody does, nothing is given back.
//!
//! Generic over the word and its fences, so that loom can run this very code.

use super::Attachment;
use crate::layout::{Point, Reading, ThreadSlot, Word, at};
use crate::os;
use crate::sync::Word64;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The byte that every attachment which cannot write has locked, shared, from before its first look at the file to
/// after its last.
pub(crate) const READERS: u64 = (1 << 20) + 1;

/// Says that the thread reads. False if it says so already.
#[inline(always)]
pub(super) fn enter<W: Word64>(now: &W, light_fence: impl FnOnce()) -> bool {
    if now.load(Ordering::Relaxed) == 1 {
        return false;
    }
    at(Point::WordPut);
    now.store(1, Ordering::Relaxed);
    light_fence();
    true
}

/// Says that the thread reads no more. Nobody else has said anything since it began. That it counts what has ended tells who
/// waits for a thread that reads again and again that it has ended what it was at.
#[inline(always)]
pub(super) fn leave<W: Word64>(now: &W, ended: &W) {
    ended.store(ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    now.publish(0);
}

/// Waits until a thread that was reading has ended that, calling `nap` again and again, which gives false to give up.
/// To be called behind a heavy fence.
pub(super) fn outlast<W: Word64>(now: &W, ended: &W, mut nap: impl FnMut() -> bool) -> bool {
    let seen = ended.load(Ordering::Acquire);
    while now.load(Ordering::Acquire) == 1 && ended.load(Ordering::Acquire) == seen {
        if !nap() {
            return false;
        }
    }
    true
}

thread_local! {
    static SILENT: Reading = const { Reading { now: Word::new(0), ended: Word::new(0) } };
}

/// Words of the thread's own, by which it tells nobody anything.
pub(crate) fn silent() -> *const Reading {
    SILENT.with(std::ptr::from_ref)
}

/// While it lives, its thread may follow offsets without a lock.
pub(crate) struct Unlocked<'a> {
    _first: Option<Outermost<'a>>,
}

/// The same of who did not before.
pub(crate) struct Outermost<'a>(&'a Reading);

impl<'a> Unlocked<'a> {
    /// Begins to read without a lock. To be called by the thread that has the slot. May be nested.
    #[inline(always)]
    pub(crate) fn begin(slot: &'a ThreadSlot) -> Unlocked<'a> {
        Unlocked { _first: Outermost::begin(slot) }
    }
}

impl<'a> Outermost<'a> {
    /// Begins to read without a lock, if the thread does not so far. To be called by the one that has the slot.
    #[inline(always)]
    pub(crate) fn begin(slot: &'a ThreadSlot) -> Option<Outermost<'a>> {
        Outermost::say(&slot.reading)
    }

    /// The same for who has its words at hand.
    #[inline(always)]
    pub(crate) fn say(reading: &'a Reading) -> Option<Outermost<'a>> {
        enter(reading.now.atomic(), os::light_fence).then(|| Outermost(reading))
    }
}

impl Drop for Outermost<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        leave(self.0.now.atomic(), self.0.ended.atomic());
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
        let slots = (0..self.thread_slots()).filter_map(|index| self.map.thread(index));
        slots.into_iter().all(|slot| {
            let mut dead = false;
            let ended = outlast(slot.reading.now.atomic(), slot.reading.ended.atomic(), || {
                dead = self.is_dead(slot, self.state(slot));
                if dead || begin.elapsed() > patience {
                    return false;
                }
                std::thread::sleep(Duration::from_micros(100));
                true
            });
            ended || dead
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::Segment;
    use std::time::Duration;

    #[test]
    fn who_reads_without_a_lock_is_waited_for_until_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let one = Segment::create(dir.path().join("s.commy")).unwrap();
        let other = Segment::open(one.path()).unwrap();
        for segment in [&one, &other] {
            segment.open_or_create::<u64>("x").unwrap().store(1).unwrap();
        }
        let wait = || one.attachment().wait_for_unlocked(Duration::from_millis(20));
        assert!(wait());
        for _ in 0..3 {
            let reads = other.unlocked().expect("its thread has a slot");
            assert!(!wait(), "storage would be given back beneath who reads");
            drop(reads);
            assert!(wait());
        }
    }
}
