//! Having all writers pause, so that the file stands still while it is copied.
//!
//! ```text
//! header.pause: phase << 62 | tag of who has them pause            slot.busy: odd while its thread changes something
//!
//! writer   busy | 1 (odd); light fence; pause is 0: goes on, and ends with busy + 1 (even)
//!                                 else: busy + 1, waits, and begins again
//! pauser   pause = DRAIN | me; heavy fence; waits until no slot is busy
//!          pause = STILL | me; heavy fence; is no slot busy? else back to DRAIN
//!          nobody changes anything now, until  pause = 0; wake
//! ```
//!
//! While others drain, who holds guards may still begin: somebody who is busy may wait for them. Once all stand still
//! nobody waits for anybody, and nobody may begin.
//!
//! A segment that is *retired* (`segment::retire`) stays so: nobody begins any more, and who is busy comes to an end.
//!
//! The pauser is named by the slot's tag, so whoever waits sees when it is dead, and goes on. What it holds beside
//! this are locks, which are robust by themselves.
//!
//! Generic over the words and their fences, so that loom can run this very code.

use super::{Actor, Attachment};
use crate::error::{Error, Result};
use crate::layout::{Header, Point, ThreadSlot, at};
use crate::os::{self, BeaconState};
use crate::sync::{Fate, NAP, OWNER, Surroundings, Word64};
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::{Duration, Instant};

/// Those who hold guards may begin.
const DRAIN: u64 = 1 << 62;
/// Nobody may.
const STILL: u64 = 2 << 62;
/// Nobody may, ever.
const RETIRED: u64 = 3 << 62;

/// Says that the thread is busy, and gives the word that may have it pause.
#[inline(always)]
pub(super) fn announce<W: Word64>(busy: &W, pause: &W, light_fence: impl FnOnce()) -> u64 {
    at(Point::WordPut);
    busy.store(busy.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
    light_fence();
    pause.load(Ordering::Acquire)
}

/// Says that the thread is busy no more. The load stands beside the store, so that both can be one instruction.
#[inline(always)]
pub(super) fn end<W: Word64>(busy: &W) {
    compiler_fence(Ordering::SeqCst);
    at(Point::WordPublish);
    busy.store(busy.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    compiler_fence(Ordering::SeqCst);
}

/// Whether a thread that has such a word is busy.
pub(super) fn is_busy(word: u64) -> bool {
    word & 1 == 1
}

/// Whether who has said that it is busy may begin, having seen this; `holds` tells whether it has guards.
pub(super) fn may_begin(seen: u64, holds: bool) -> bool {
    seen == 0 || (holds && seen & STILL == 0)
}

/// Whether the word says that the segment is retired.
fn is_retired(word: u64) -> bool {
    word & RETIRED == RETIRED
}

/// Has everybody stand still. `heavy_fence` may fail; `busy` gives somebody who is busy, and `nap` waits for that one.
pub(super) fn stand_still<W: Word64, B, E>(
    pause: &W,
    me: u64,
    heavy_fence: impl Fn() -> Result<(), E>,
    busy: impl Fn() -> Result<Option<B>, E>,
    mut nap: impl FnMut(B) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        pause.publish(DRAIN | me);
        heavy_fence()?;
        while let Some(somebody) = busy()? {
            nap(somebody)?;
        }
        pause.publish(STILL | me);
        heavy_fence()?;
        if busy()?.is_none() {
            return Ok(());
        }
    }
}

/// Everybody pauses while it lives.
pub(crate) struct Still<'a>(&'a Actor<'a>);

impl Actor<'_> {
    /// Says that the thread is about to change something. Waits while others have it pause, for at most `patience()`;
    /// `holds` tells whether it has guards.
    #[inline(always)]
    pub(crate) fn set_busy(&self, holds: impl Fn() -> bool, patience: impl Fn() -> Duration) -> Result<()> {
        match self.announce() {
            0 => Ok(()),
            seen => Actor { ..*self }.pause(seen, holds(), patience()),
        }
    }

    #[inline(always)]
    fn announce(&self) -> u64 {
        announce(self.slot.busy.atomic(), self.at.map.header().pause.atomic(), os::light_fence)
    }

    /// Says that it has ended that.
    #[inline(always)]
    pub(crate) fn set_idle(&self) {
        set_idle(self.slot);
    }

    #[cold]
    #[inline(never)]
    fn pause(&self, mut seen: u64, holds: bool, patience: Duration) -> Result<()> {
        let (word, begin) = (&self.at.map.header().pause, Instant::now());
        while !may_begin(seen, holds) {
            self.set_idle();
            let holder = seen & OWNER;
            if is_retired(seen) {
                return Err(Error::Retired { path: self.at.map.path().to_path_buf() });
            } else if self.at.fate(holder) != Fate::Alive {
                let _ = word.atomic().compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Relaxed);
            } else if begin.elapsed() >= patience {
                let holder = self.at.pid_of(holder);
                let what = "the segment, for a snapshot,".into();
                return Err(Error::LockTimeout { what, holder, held_for: begin.elapsed() });
            } else {
                self.at.sleep(word.atomic(), seen, holder, NAP.min(patience));
            }
            seen = self.announce();
        }
        Ok(())
    }
}

/// Says that the thread with this slot is about to change something; gives whether it may at once.
#[inline(always)]
pub(crate) fn set_busy_soon(slot: &ThreadSlot, header: &Header) -> bool {
    let may = announce(slot.busy.atomic(), header.pause.atomic(), os::light_fence) == 0;
    if !may {
        set_idle(slot);
    }
    may
}

/// Says that it has ended that.
#[inline(always)]
pub(crate) fn set_idle(slot: &ThreadSlot) {
    end(slot.busy.atomic());
}

/// Says that it was not about to change something.
pub(crate) fn take_back_busy(slot: &ThreadSlot) {
    slot.busy.publish(slot.busy.get() & !1);
}

/// Says that it has ended that, if it has said the other before.
pub(crate) fn set_idle_if_busy(slot: &ThreadSlot) {
    if is_busy(slot.busy.get()) {
        set_idle(slot);
    }
}

impl<'a> Still<'a> {
    /// Has everybody pause. The actor has the space lock, so nobody else does this; its thread has no guards.
    pub(crate) fn begin(actor: &'a Actor<'a>, patience: Duration) -> Result<Still<'a>> {
        let (begin, at) = (Instant::now(), actor.at);
        if at.is_retired() {
            return Err(Error::Retired { path: at.map.path().to_path_buf() });
        }
        let still = Still(actor);
        let nap = |index| {
            if begin.elapsed() >= patience {
                let holder = at.pid_of(at.tag_of(index));
                let what = "an object under a guard that a snapshot has to wait for".into();
                return Err(Error::LockTimeout { what, holder, held_for: begin.elapsed() });
            }
            std::thread::sleep(Duration::from_micros(100));
            Ok(())
        };
        let fence = || os::heavy_fence().map_err(|e| Error::io("have the writers pause of", at.map.path(), e));
        stand_still(at.map.header().pause.atomic(), actor.tag, fence, || still.somebody_busy(), nap)?;
        Ok(still)
    }

    /// The slot of somebody who is changing something; the dead are recovered.
    fn somebody_busy(&self) -> Result<Option<usize>> {
        let at = self.0.at;
        for index in 0..at.thread_slots() {
            let Some(slot) = at.map.thread(index).filter(|slot| is_busy(slot.busy.get_acquire())) else { continue };
            let state = at.state(slot);
            if at.is_dead(slot, state) {
                at.rescue_slot(index, state.generation)?;
            }
            if is_busy(slot.busy.get_acquire()) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        let at: &Attachment = self.0.at;
        let word = &at.map.header().pause;
        // Not if it was retired meanwhile.
        for phase in [STILL, DRAIN] {
            let own = phase | self.0.tag;
            let _ = word.atomic().compare_exchange(own, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
        at.wake(word.atomic(), true);
    }
}

impl Attachment {
    /// Whether the segment is retired.
    pub(crate) fn is_retired(&self) -> bool {
        is_retired(self.map.header().pause.get_acquire())
    }

    /// Lets nobody begin to change anything from now on, and waits for those who are at it and of whose process
    /// `awaited` says that it counts; for at most `patience`, and so long, too, for whoever has all pause. Tells whether
    /// all came to their end.
    pub(crate) fn retire(&self, patience: Duration, awaited: impl Fn(u64) -> bool) -> Result<bool> {
        let (word, begin) = (&self.map.header().pause, Instant::now());
        let nap = || std::thread::sleep(Duration::from_micros(100));
        while !self.is_retired() {
            let free = word.atomic().compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            if !free && begin.elapsed() >= patience {
                word.publish(RETIRED);
            } else if !free {
                nap();
            }
        }
        self.wake(word.atomic(), true);
        os::heavy_fence().map_err(|e| Error::io("have the writers stop of", self.map.path(), e))?;
        let counts = |index| {
            let slot = self.map.thread(index).filter(|slot| is_busy(slot.busy.get_acquire()))?;
            let process = self.map.process(usize::from(self.state(slot).process))?;
            let id = process.id();
            let is_dead = slot.beacon.state() == BeaconState::Dead || id.is_gone() == Some(true);
            (!is_dead && awaited(id.pid)).then_some(())
        };
        while (0..self.thread_slots()).any(|index| counts(index).is_some()) {
            if begin.elapsed() >= patience {
                return Ok(false);
            }
            nap();
        }
        Ok(true)
    }

    /// Lets all go on as if it had not been retired.
    pub(crate) fn reinstate(&self) {
        let word = &self.map.header().pause;
        let _ = word.atomic().compare_exchange(RETIRED, 0, Ordering::AcqRel, Ordering::Relaxed);
        self.wake(word.atomic(), true);
    }
}
