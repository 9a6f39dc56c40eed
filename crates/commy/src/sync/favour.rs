//! Favouring who comes most: the one thread that locks an object for writing again and again, or its readers. They get
//! in without a full fence and without a read-modify-write; the rare other one pays for that.
//!
//! ```text
//! waiters:  favoured slot + 1, 16 | .. | READERS 8 | ENDING 4 | see `lock`, 2
//! holds:    in each thread's own slot, the object that it is inside of by favour, or 0
//! version:  its lowest bit is set while the favoured one is inside and may change something
//!
//! favoured  holds = object; light fence; still favoured, and not ENDING? is in; version odd
//!             else holds = 0, and on by the ordinary way
//!           out: version even; holds = 0; ENDING by now? wakes who waits
//! reader    mark = object; light fence; READERS, no owner and the own hint? is in
//!             else a full fence, and on by the ordinary way
//! other     is the owner in the word, which keeps everybody else off; sets ENDING; heavy fence;
//!           waits until the favoured slot does not hold the object, and no slot marks it; is the version odd,
//!           counts a change in the name of the dead; clears the favours
//! ```
//!
//! Behind the heavy fence each thread has passed a full fence: what it stored before is seen, and what it loads from
//! here on is new. So of a favoured one and the other, one sees the other, as with two full fences.
//!
//! Favours are given and ended by the owner in the word, readers' by a reader that is inside: so while there is no
//! owner, a favoured slot means that there are no hints. A writer that dies while it ends them leaves them as they are, for
//! the next. The slot is favoured, not its occupant: what an occupant that died held is undone before there
//! is another one. An odd version tells who looks without the lock that somebody is at it.
//!
//! Only threads of processes that [`os::join_fences`](crate::os::join_fences) has taken in are favoured.

use super::lock::{ASLEEP, Blocked, Lock, OWNER, Surroundings, Waiting, Word32, Word64, hint, slot_of};
use super::version;
use std::sync::atomic::Ordering;

/// Set in `waiters` when the favours are to end.
const ENDING: u32 = 4;
/// Set in `waiters` when readers need no full fence.
const READERS: u32 = 8;
/// Where in `waiters` the favoured slot is, plus one.
const SLOT: u32 = 16;

/// What [`Lock::enter`] is told by who can never be favoured.
pub(crate) const NEVER: u32 = u32::MAX;

/// How `waiters` names a favoured slot.
pub(crate) fn favourite(slot: usize) -> u32 {
    (slot as u32 + 1) << SLOT
}

/// The slot that is favoured, if one is.
pub(crate) fn favoured(waiters: u32) -> Option<usize> {
    ((waiters >> SLOT) as usize).checked_sub(1)
}

/// Whether anybody is favoured.
#[inline(always)]
pub(super) fn any(waiters: u32) -> bool {
    waiters & !ASLEEP != 0
}

impl<S: Surroundings> Lock<'_, S> {
    /// The favoured one's way in, for the thread that is called `me` in `waiters`; `false`: it has to go the
    /// ordinary way.
    #[inline(always)]
    pub(crate) fn enter(&self, me: u32, holds: &S::W64, version: &S::W64) -> bool {
        if self.waiters.load(Ordering::Relaxed) != me {
            return false;
        }
        // The favour was given while it was the owner; the version left odd by one who died; one word holds one object.
        let (is_owner, seen) = (self.word.load(Ordering::Relaxed) != 0, version.load(Ordering::Acquire));
        if is_owner | version::is_odd(seen) | (holds.load(Ordering::Relaxed) != 0) {
            return false;
        }
        let is_in = self.come_in(me, holds);
        if is_in {
            version::go_inside(version, seen);
        }
        is_in
    }

    /// The same, if the version is this one, which is even, for a thread that is inside of nothing else by favour. The
    /// version stays even until the caller says that it [goes inside](version::go_inside), before it changes anything: who
    /// looks without the lock need not be kept off while it looks, too. It is the same until then, for nobody else comes
    /// in. (Who counts without the lock, `shared::lent`, has promised that nobody changes the object meanwhile.)
    #[inline(always)]
    pub(crate) fn enter_at(&self, me: u32, holds: &S::W64, version: &S::W64, seen: u64) -> bool {
        let is_free = self.waiters.load(Ordering::Relaxed) == me
            && self.word.load(Ordering::Relaxed) == 0
            && version.load(Ordering::Acquire) == seen;
        is_free && self.come_in(me, holds)
    }

    /// The version, seen while the thread was favoured, is the same from here on.
    #[inline(always)]
    fn come_in(&self, me: u32, holds: &S::W64) -> bool {
        holds.publish(self.object);
        self.around.light_fence();
        if self.waiters.load(Ordering::Acquire) != me {
            self.step_back(holds);
            return false;
        }
        true
    }

    #[cold]
    fn step_back(&self, holds: &S::W64) {
        holds.publish(0);
        self.around.wake(holds, true);
    }

    /// The way out for who came in by [`enter`](Lock::enter).
    #[inline(always)]
    pub(crate) fn leave(&self, me: u32, holds: &S::W64, version: &S::W64) {
        version::come_outside(version);
        self.let_go(me, holds);
    }

    /// The same, but whether somebody is to be [told](Lock::tell) is left to the caller.
    #[inline(always)]
    pub(crate) fn leave_untold(&self, holds: &S::W64, version: &S::W64) {
        version::come_outside(version);
        holds.publish(0);
    }

    /// The same for who has changed something, and counts that.
    #[inline(always)]
    pub(crate) fn leave_changed(&self, me: u32, holds: &S::W64, version: &S::W64) {
        version::count_change_outside(version, version.load(Ordering::Relaxed));
        self.let_go(me, holds);
    }

    /// The same for who came in at this version. Gives the one that it has now. Whether somebody is to be
    /// [told](Lock::tell) is left to the caller.
    #[inline(always)]
    pub(crate) fn leave_changed_at(&self, holds: &S::W64, version: &S::W64, seen: u64) -> u64 {
        let now = version::count_change_outside(version, seen);
        holds.publish(0);
        now
    }

    #[inline(always)]
    fn let_go(&self, me: u32, holds: &S::W64) {
        holds.publish(0);
        if self.is_awaited(me) {
            self.tell(holds);
        }
    }

    /// Whether somebody may wait for the favoured one, which has just left.
    #[inline(always)]
    pub(crate) fn is_awaited(&self, me: u32) -> bool {
        self.waiters.load(Ordering::Relaxed) != me
    }

    /// Tells who waits that the favoured one has left.
    pub(crate) fn tell(&self, holds: &S::W64) {
        self.around.wake(holds, true);
    }

    /// Favours the thread that is called `me`, which has taken the lock by the ordinary way and found no hints.
    #[cold]
    pub(crate) fn favour(&self, me: u32) -> bool {
        self.waiters.compare_exchange(0, me, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Favours readers. The caller is one, and can be favoured.
    #[cold]
    pub(crate) fn favour_readers(&self) {
        let _ = self.waiters.compare_exchange(0, READERS, Ordering::SeqCst, Ordering::Relaxed);
    }

    /// Whether a reader whose mark is stored is inside, without a full fence. Not for who cannot be favoured.
    #[inline(always)]
    pub(super) fn is_favoured_reader(&self, slot: usize) -> bool {
        self.around.light_fence();
        // In this order: who ends the favour has put itself into the word before.
        let favours = self.waiters.load(Ordering::Acquire);
        let word = self.word.load(Ordering::Acquire);
        favours == READERS && word & OWNER == 0 && word & hint(slot) != 0
    }

    /// Whether a thread is favoured, so that nobody who has not ended that may come in.
    #[inline(always)]
    pub(super) fn has_favourite(&self) -> bool {
        favoured(self.waiters.load(Ordering::Acquire)).is_some()
    }

    /// Whether a thread holds the object by favour.
    pub(super) fn holds(&self, slot: usize) -> Option<&S::W64> {
        self.around.holds(slot).filter(|holds| holds.load(Ordering::Acquire) == self.object)
    }

    /// Ends the favours, for the owner in the word, and waits until nobody is inside by them or marks the object. Gives
    /// the hints worth keeping.
    #[cold]
    pub(super) fn end_favours(&self, hints: u64, tag: u64, waiting: &mut Waiting) -> Result<u64, Blocked> {
        match favoured(self.waiters.load(Ordering::Acquire)) {
            Some(slot) if slot == slot_of(tag) => {
                if self.holds(slot).is_some() {
                    return Err(Blocked::Mine);
                }
            }
            favoured => {
                self.waiters.fetch_or(ENDING, Ordering::SeqCst);
                self.around.heavy_fence();
                while let Some((slot, holds)) = favoured.and_then(|slot| Some((slot, self.holds(slot)?))) {
                    self.wait_for(self.around.tag_of(slot), holds, tag, waiting)?;
                }
            }
        }
        self.around.left_inside(self.object);
        let keep = self.wait_for_readers(hints, tag, waiting)?;
        self.waiters.fetch_and(ASLEEP, Ordering::SeqCst);
        Ok(keep)
    }
}
