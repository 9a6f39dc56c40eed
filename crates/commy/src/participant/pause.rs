//! Having all writers pause, so that the file stands still while it is copied.
//!
//! ```text
//! header.pause: phase 2 << 62 | tag of who has them pause          slot.busy: odd while its thread changes something
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
//! The pauser is named by the slot's tag, so whoever waits sees when it is dead, and goes on. What it holds beside
//! this are locks, which are robust by themselves.

use super::{Actor, Attachment};
use crate::error::{Error, Result};
use crate::os;
use crate::sync::{Fate, NAP, OWNER, Surroundings};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Those who hold guards may begin.
const DRAIN: u64 = 1 << 62;
/// Nobody may.
const STILL: u64 = 2 << 62;

/// Everybody pauses while it lives.
pub(crate) struct Still<'a>(&'a Actor<'a>);

impl Actor<'_> {
    /// Says that the thread is about to change something. Waits while others have it pause, for at most `patience`;
    /// `holds` tells whether it has guards.
    #[inline(always)]
    pub(crate) fn set_busy(&self, holds: impl Fn() -> bool, patience: Duration) -> Result<()> {
        self.slot.busy.put(self.slot.busy.get() | 1);
        os::light_fence();
        if self.at.map.header().pause.get_acquire() == 0 { Ok(()) } else { self.pause(holds(), patience) }
    }

    /// Says that it has ended that.
    #[inline(always)]
    pub(crate) fn set_idle(&self) {
        self.slot.busy.publish(self.slot.busy.get().wrapping_add(1));
    }

    #[cold]
    fn pause(&self, holds: bool, patience: Duration) -> Result<()> {
        let (word, begin) = (&self.at.map.header().pause, Instant::now());
        loop {
            let seen = word.get_acquire();
            if seen == 0 || (holds && seen & STILL == 0) {
                return Ok(());
            }
            self.set_idle();
            let holder = seen & OWNER;
            if self.at.fate(holder) != Fate::Alive {
                let _ = word.atomic().compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Relaxed);
            } else if begin.elapsed() >= patience {
                let holder = self.at.pid_of(holder);
                let what = "the segment, for a snapshot,".into();
                return Err(Error::LockTimeout { what, holder, held_for: begin.elapsed() });
            } else {
                self.at.sleep(word.atomic(), seen, holder, NAP.min(patience));
            }
            self.slot.busy.put(self.slot.busy.get() | 1);
            os::light_fence();
        }
    }
}

impl<'a> Still<'a> {
    /// Has everybody pause. The actor has the space lock, so nobody else does this; its thread has no guards.
    pub(crate) fn begin(actor: &'a Actor<'a>, patience: Duration) -> Result<Still<'a>> {
        let begin = Instant::now();
        let still = Still(actor);
        loop {
            still.say(DRAIN)?;
            while let Some(index) = still.somebody_busy()? {
                if begin.elapsed() >= patience {
                    let holder = actor.at.pid_of(actor.at.tag_of(index));
                    let what = "an object under a guard that a snapshot has to wait for".into();
                    return Err(Error::LockTimeout { what, holder, held_for: begin.elapsed() });
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            still.say(STILL)?;
            if still.somebody_busy()?.is_none() {
                return Ok(still);
            }
        }
    }

    fn say(&self, phase: u64) -> Result<()> {
        let at = self.0.at;
        at.map.header().pause.publish(phase | self.0.tag);
        os::heavy_fence().map_err(|e| Error::io("have the writers pause of", at.map.path(), e))
    }

    /// The slot of somebody who is changing something; the dead are recovered.
    fn somebody_busy(&self) -> Result<Option<usize>> {
        let at = self.0.at;
        for index in 0..at.thread_slots() {
            let Some(slot) = at.map.thread(index).filter(|slot| slot.busy.get_acquire() & 1 == 1) else { continue };
            let state = at.state(slot);
            if at.is_dead(slot, state) {
                at.rescue_slot(index, state.generation)?;
            }
            if slot.busy.get_acquire() & 1 == 1 {
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
        word.publish(0);
        at.wake(word.atomic(), true);
    }
}
