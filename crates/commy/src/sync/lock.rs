//! The robust reader-writer lock.
//!
//! ```text
//! word:  reader hints 16 | generation of the owner's slot 32 | owner's slot + 1, 16     owner 0: free
//! mark:  in each reader's own slot, the offset of the object it reads
//! ```
//!
//! *Write*: swing the owner in by compare-and-swap. If hints are set, look at the marks of the slots
//! congruent to them (modulo 16) and wait until none names this object. *Unlock*: store the hints
//! that are worth keeping; if somebody waits, wake.
//!
//! *Read*: store the mark, full fence, and enter only if one load shows no owner and the own hint;
//! else set the hint by compare-and-swap while there is no owner, or take the mark back and wait. The
//! fence, and the one behind the writer's compare-and-swap, make it a Dekker handshake: one of the two sees
//! the other.
//! Readers share no line and take no read-modify-write on the word; a writer's cost depends on this
//! object's readers only. A writer drops the hint of slots that show no mark, because a reader looks
//! for its hint each time.
//!
//! *Again*: a thread may read what it reads already, with another mark, even if a writer's tag stands in the word by
//! now. Reading or writing what it writes, or writing what it reads, is [`Blocked::Mine`] at once.
//!
//! *Death*: the word names its owner. Who waits asks after it: an owner whose slot has moved on to another
//! generation was rescued and left the word behind, so it is overwritten; a dead one is rescued first.
//! A reader's mark goes with its slot.
//!
//! *Sleep*: the waiter sets `waiters`, looks again and sleeps on the low half of the word, never longer
//! than [`NAP`], because the unlocking store may pass the load of `waiters` and the waker may be killed.
//! Having slept, it takes the lock with `waiters` set, since others may still sleep.
//!
//! *Favours*: `waiters` has more bits, by which those who come most get in with less: see `favour`.
//!
//! The lock is generic over its words and its surroundings so that loom can run this very code.

use super::favour;
use crate::layout::{Point, at};
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::{Duration, Instant};

/// Bits of the word that name the owner.
pub(crate) const OWNER: u64 = 0x0000_ffff_ffff_ffff;
/// Slots that share a hint differ by multiples of this.
pub(crate) const HINTS: usize = 16;
/// The longest sleep between two looks.
pub(crate) const NAP: Duration = Duration::from_millis(20);
/// Looks before the first sleep: some 15 us, which is what sleeping and being woken takes. Who waits for less does not sleep,
/// and who waits for more has not wasted more than that.
const SPINS: u32 = 500;
/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(1 << 32);

/// Set in `waiters` by a writer that sleeps.
const WRITER: u32 = 1;
/// Set in `waiters` by a reader that sleeps; wakes everybody.
const READER: u32 = 2;
/// The bits of `waiters` that tell who sleeps.
pub(super) const ASLEEP: u32 = WRITER | READER;

/// An atomic 64-bit word.
pub(crate) trait Word64 {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn compare_exchange(&self, current: u64, new: u64, ok: Ordering, fail: Ordering) -> Result<u64, u64>;
    fn fetch_or(&self, bits: u64, order: Ordering) -> u64;
    fn fetch_and(&self, bits: u64, order: Ordering) -> u64;

    /// Overwrites the value; everything written before is seen by who loads it with acquire. The compiler
    /// moves no store across it in either direction.
    #[inline(always)]
    fn publish(&self, value: u64) {
        compiler_fence(Ordering::SeqCst);
        at(Point::WordPublish);
        self.store(value, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
    }
}

/// An atomic 32-bit word.
pub(crate) trait Word32 {
    fn load(&self, order: Ordering) -> u32;
    fn compare_exchange(&self, current: u32, new: u32, ok: Ordering, fail: Ordering) -> Result<u32, u32>;
    fn fetch_or(&self, bits: u32, order: Ordering) -> u32;
    fn fetch_and(&self, bits: u32, order: Ordering) -> u32;
}

/// What has become of the owner that a lock word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives.
    Alive,
    /// It died and was rescued; what it held is up for grabs.
    Recovered,
    /// It is dead and wants rescue.
    Dead,
}

/// What the lock needs to know of, and do to, the other participants.
pub(crate) trait Surroundings {
    type W64: Word64;
    type W32: Word32;
    /// A full fence.
    fn fence(&self);
    /// A full fence behind a read-modify-write, which on many machines is one already.
    fn fence_after_swap(&self);
    /// One side of a fence that costs the other side more: see `os::light_fence`.
    fn light_fence(&self);
    /// The other side, for all who are favoured.
    fn heavy_fence(&self);
    /// A moment's pause in a spin.
    fn pause(&self);
    /// Thread slots that exist.
    fn slots(&self) -> usize;
    /// The mark of that slot that names the object, if one does.
    fn mark(&self, slot: usize, object: u64) -> Option<&Self::W64>;
    /// The word of that slot that names the object which it is inside of by favour.
    fn holds(&self, slot: usize) -> Option<&Self::W64>;
    /// The tag of who has that slot now.
    fn tag_of(&self, slot: usize) -> u64;
    fn fate(&self, tag: u64) -> Fate;
    /// Whether its fate is [`Fate::Recovered`]: a look at its slot, without asking the system.
    fn is_recovered(&self, tag: u64) -> bool;
    /// Recovers what a dead owner left, or waits a little while somebody else does.
    fn rescue(&self, tag: u64);
    /// The lock was taken over, as a writer, from an owner that died.
    fn inherited(&self, object: u64);
    /// If a favoured one died inside, which has been rescued, the object's version is as when it is outside.
    fn left_inside(&self, object: u64);
    /// Publishes that the participant of this tag waits for the object's lock; 0: for none any more.
    fn waits(&self, tag: u64, object: u64);
    /// Whether that owner waits, over any number of others, for `me`.
    fn circular(&self, owner: u64, me: u64) -> bool;
    /// Sleeps while the low half of the word is as seen, until woken, until the owner dies, or for
    /// `time`.
    fn sleep(&self, word: &Self::W64, seen: u64, owner: u64, time: Duration);
    fn wake(&self, word: &Self::W64, all: bool);
}

/// Why a lock could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// The participant of this tag had it all the time.
    Timeout(u64),
    /// Each waits for the next, in a circle.
    Circle,
    /// Who asks for it has it already.
    Mine,
}

/// What came of trying to become the owner in the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is, and nobody else is inside.
    Alone,
    /// It is, but somebody may be inside by favour.
    Owner,
    /// There are others, or hints of them.
    Not,
}

/// A lock: its two words, the object they belong to, and the surroundings.
pub(crate) struct Lock<'a, S: Surroundings> {
    pub word: &'a S::W64,
    pub waiters: &'a S::W32,
    pub object: u64,
    pub around: &'a S,
}

impl<S: Surroundings> Lock<'_, S> {
    /// Takes the lock for writing, waiting for at most `patience`. Gives the hints that
    /// `unlock_write` shall leave behind.
    #[inline(always)]
    pub(crate) fn write(&self, tag: u64, patience: Duration) -> Result<u64, Blocked> {
        match self.take(tag) {
            Taken::Alone => Ok(0),
            taken => self.write_slow(tag, taken, patience),
        }
    }

    /// The beginning of `write`, which is all of it where nobody else is, or was.
    #[inline(always)]
    pub(crate) fn take(&self, tag: u64) -> Taken {
        at(Point::LockTake);
        if self.word.compare_exchange(0, tag, Ordering::SeqCst, Ordering::Relaxed).is_err() {
            return Taken::Not;
        }
        self.around.fence_after_swap();
        if favour::any(self.waiters.load(Ordering::Relaxed)) { Taken::Owner } else { Taken::Alone }
    }

    /// The rest of `write`.
    #[cold]
    pub(crate) fn write_slow(&self, tag: u64, taken: Taken, patience: Duration) -> Result<u64, Blocked> {
        let mut waiting = Waiting::new(patience);
        let hints = if taken == Taken::Owner { Ok(0) } else { self.own(tag, &mut waiting) };
        let locked = hints.and_then(|hints| self.be_alone(hints, tag, &mut waiting));
        self.announce_no_more(tag, &mut waiting);
        locked
    }

    /// Waits until nobody but the owner in the word is inside; gives the hints worth keeping. On an error it is the
    /// owner no more.
    fn be_alone(&self, hints: u64, tag: u64, waiting: &mut Waiting) -> Result<u64, Blocked> {
        let alone = if favour::any(self.waiters.load(Ordering::Acquire)) {
            self.end_favours(hints, tag, waiting)
        } else {
            self.wait_for_readers(hints, tag, waiting)
        };
        alone.inspect_err(|_| self.unlock_write(hints))
    }

    /// Becomes the owner in the word; gives the hints that are there.
    fn own(&self, tag: u64, waiting: &mut Waiting) -> Result<u64, Blocked> {
        let slot = slot_of(tag);
        if self.around.mark(slot, self.object).is_some() || self.holds(slot).is_some() {
            return Err(Blocked::Mine);
        }
        let hints = loop {
            // With what the owner did before: that it took its slot, above all.
            let word = self.word.load(Ordering::Acquire);
            let owner = word & OWNER;
            if owner == tag {
                return Err(Blocked::Mine);
            }
            let inherited = owner != 0 && self.around.is_recovered(owner);
            if owner != 0 && !inherited {
                self.wait_for_owner(word, tag, WRITER, waiting)?;
            } else if self.word.compare_exchange(word, word & !OWNER | tag, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                if inherited {
                    self.around.inherited(self.object);
                }
                break word & !OWNER;
            }
        };
        if waiting.slept {
            self.waiters.fetch_or(WRITER, Ordering::Relaxed);
        }
        self.around.fence_after_swap();
        Ok(hints)
    }

    /// One look at, or one sleep on, a word that has an owner.
    fn wait_for_owner(&self, word: u64, tag: u64, kind: u32, waiting: &mut Waiting) -> Result<(), Blocked> {
        let owner = word & OWNER;
        if waiting.spin() {
            self.around.pause();
            return Ok(());
        }
        if self.around.fate(owner) == Fate::Dead && waiting.may_rescue() {
            self.rescue(owner, tag, waiting);
            return Ok(());
        }
        let time = self.nap(owner, tag, waiting)?;
        self.waiters.fetch_or(kind, Ordering::Relaxed);
        self.around.fence();
        if self.word.load(Ordering::Relaxed) == word {
            self.around.sleep(self.word, word, owner, time);
        }
        Ok(())
    }

    /// Waits until no slot under these hints marks the object; gives the hints worth keeping.
    pub(super) fn wait_for_readers(&self, hints: u64, tag: u64, waiting: &mut Waiting) -> Result<u64, Blocked> {
        let mut keep = 0;
        for bit in (0..HINTS).filter(|bit| hints >> (48 + bit) & 1 == 1) {
            for slot in (bit..self.around.slots()).step_by(HINTS) {
                while let Some(mark) = self.around.mark(slot, self.object) {
                    keep |= 1 << (48 + bit);
                    self.wait_for(self.around.tag_of(slot), mark, tag, waiting)?;
                }
            }
        }
        Ok(keep)
    }

    /// One look at, or one sleep on, a word of another's slot that names the object.
    pub(super) fn wait_for(&self, other: u64, word: &S::W64, tag: u64, waiting: &mut Waiting) -> Result<(), Blocked> {
        if waiting.spin() {
            self.around.pause();
        } else if self.around.fate(other) == Fate::Dead && waiting.may_rescue() {
            self.rescue(other, tag, waiting);
        } else {
            let time = self.nap(other, tag, waiting)?;
            self.around.sleep(word, self.object, other, time);
        }
        Ok(())
    }

    fn nap(&self, owner: u64, tag: u64, waiting: &mut Waiting) -> Result<Duration, Blocked> {
        self.around.waits(tag, self.object);
        waiting.announced = true;
        // What the others wait for is read while they go on: believe a circle seen twice.
        if !self.around.circular(owner, tag) {
            waiting.circles = 0;
        } else if waiting.circles == 1 {
            return Err(Blocked::Circle);
        } else {
            waiting.circles = 1;
        }
        waiting.nap().ok_or(Blocked::Timeout(owner))
    }

    /// Recovers a dead participant. One waits for nobody meanwhile, and what one locks for that is let go in time: others
    /// must not take it for a part of a circle.
    fn rescue(&self, dead: u64, tag: u64, waiting: &mut Waiting) {
        self.announce_no_more(tag, waiting);
        self.around.rescue(dead);
    }

    fn announce_no_more(&self, tag: u64, waiting: &mut Waiting) {
        if std::mem::take(&mut waiting.announced) {
            self.around.waits(tag, 0);
        }
    }

    /// Lets go of the lock taken for writing.
    #[inline(always)]
    pub(crate) fn unlock_write(&self, keep: u64) {
        at(Point::LockRelease);
        self.word.store(keep, Ordering::Release);
        if self.waiters.load(Ordering::Relaxed) & ASLEEP != 0 {
            self.wake_waiters();
        }
    }

    #[cold]
    pub(crate) fn wake_waiters(&self) {
        let all = self.waiters.load(Ordering::Relaxed) & READER != 0;
        self.waiters.fetch_and(!ASLEEP, Ordering::Relaxed);
        self.around.wake(self.word, all);
    }

    /// Takes the lock for reading, with a free mark, waiting for at most `patience`. `me` is what a favourite would be
    /// called. Gives whether it was favoured as a reader.
    #[inline(always)]
    pub(crate) fn read(&self, me: u32, mark: &S::W64, tag: u64, patience: Duration) -> Result<bool, Blocked> {
        if self.read_soon(me, mark, tag) {
            return Ok(true);
        }
        self.read_fenced(slot_of(tag), mark, tag, patience).map(|()| false)
    }

    /// The beginning of `read`, which is all of it for who is favoured.
    #[inline(always)]
    pub(crate) fn read_soon(&self, me: u32, mark: &S::W64, tag: u64) -> bool {
        at(Point::ReadMark);
        // Release: who sees that the mark names another object now has to see that this one was left.
        mark.store(self.object, Ordering::Release);
        me != favour::NEVER && self.is_favoured_reader(slot_of(tag))
    }

    /// The rest of `read`, for who is not favoured.
    #[inline]
    fn read_fenced(&self, slot: usize, mark: &S::W64, tag: u64, patience: Duration) -> Result<(), Blocked> {
        self.around.fence();
        let word = self.word.load(Ordering::Acquire);
        if word & OWNER == 0 && word & hint(slot) != 0 && !self.has_favourite() {
            return Ok(());
        }
        self.read_slow(slot, mark, tag, patience)
    }

    #[cold]
    fn read_slow(&self, slot: usize, mark: &S::W64, tag: u64, patience: Duration) -> Result<(), Blocked> {
        let mut waiting = Waiting::new(patience);
        let locked = self.read_waiting(slot, mark, tag, &mut waiting);
        self.announce_no_more(tag, &mut waiting);
        locked
    }

    fn read_waiting(&self, slot: usize, mark: &S::W64, tag: u64, waiting: &mut Waiting) -> Result<(), Blocked> {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word & OWNER == 0 && !self.has_favourite() {
                let hinted = word | hint(slot);
                if word == hinted {
                    if waiting.slept {
                        self.waiters.fetch_or(READER, Ordering::Relaxed);
                    }
                    return Ok(());
                }
                // Looked at once more behind this, for somebody may have become favoured before.
                let _ = self.word.compare_exchange(word, hinted, Ordering::SeqCst, Ordering::Relaxed);
                continue;
            }
            self.unlock_read(mark);
            // Who reads it already may go on: the writer in the word waits for that.
            if self.around.mark(slot, self.object).is_some() {
                mark.store(self.object, Ordering::Release);
                return Ok(());
            }
            loop {
                let word = self.word.load(Ordering::Acquire);
                if word & OWNER == tag {
                    return Err(Blocked::Mine);
                } else if word & OWNER != 0 && !self.around.is_recovered(word & OWNER) {
                    self.wait_for_owner(word, tag, READER, waiting)?;
                } else if word & OWNER != 0 || self.has_favourite() {
                    // Only a writer may overwrite what the dead left in the word, or end favours.
                    let keep = self.write(tag, waiting.left())?;
                    self.unlock_write(keep);
                } else {
                    break;
                }
            }
            mark.store(self.object, Ordering::Release);
            self.around.fence();
        }
    }

    /// Lets go of the lock taken for reading.
    #[inline(always)]
    pub(crate) fn unlock_read(&self, mark: &S::W64) {
        mark.store(0, Ordering::Release);
        if self.word.load(Ordering::Relaxed) & OWNER != 0 {
            self.around.wake(mark, false);
        }
    }
}

/// The slot that a tag is of.
pub(super) fn slot_of(tag: u64) -> usize {
    (tag as u16).wrapping_sub(1).into()
}

pub(super) fn hint(slot: usize) -> u64 {
    1 << (48 + slot % HINTS)
}

/// How long somebody has waited, and how.
pub(super) struct Waiting {
    spins: u32,
    until: Option<Instant>,
    patience: Duration,
    slept: bool,
    announced: bool,
    circles: u32,
    rescues: u32,
}

impl Waiting {
    fn new(patience: Duration) -> Waiting {
        Waiting {
            spins: if cfg!(loom) { 1 } else { SPINS },
            until: None,
            patience,
            slept: false,
            announced: false,
            circles: 0,
            rescues: 0,
        }
    }

    /// Uses up one look before the first sleep; false when none is left.
    fn spin(&mut self) -> bool {
        let left = self.spins > 0;
        self.spins = self.spins.saturating_sub(1);
        left
    }

    /// Whether to rescue, where that is called for. Even who has no patience does, for the dead never let go; but
    /// not again and again, where it is of no avail.
    fn may_rescue(&mut self) -> bool {
        self.rescues += 1;
        self.rescues <= 2 || self.left() > Duration::ZERO
    }

    /// What is left of the patience.
    fn left(&mut self) -> Duration {
        let now = Instant::now();
        // A patience too long for the clock never ends.
        let until = *self.until.get_or_insert_with(|| now.checked_add(self.patience).unwrap_or(now + FOREVER));
        until.saturating_duration_since(now)
    }

    /// How long to sleep now; `None` when the patience has run out.
    fn nap(&mut self) -> Option<Duration> {
        let left = self.left();
        self.slept = true;
        (left > Duration::ZERO).then(|| left.min(NAP))
    }
}
