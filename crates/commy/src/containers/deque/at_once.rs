//! One element put in or taken out as an operation of its own, by the one store that makes it count: no transaction.

use super::{DequeView, Slots};
use crate::map::prefetch_to_write;
use crate::os::Known;
use crate::schema::Share;

/// A ring that has been checked, and is there.
#[derive(Clone, Copy)]
struct Block<S> {
    first: *mut S,
    mask: u64,
}

impl<S> Block<S> {
    #[inline(always)]
    fn of(slots: Slots<S>) -> Option<Block<S>> {
        (slots.cap != 0).then_some(Block { first: slots.first, mask: slots.mask() as u64 })
    }

    /// The one that a thread remembers.
    #[inline(always)]
    fn known(known: &Known) -> Block<S> {
        Block { first: known.place.get().cast(), mask: known.words[0].get() }
    }

    /// # Safety
    /// It is a ring.
    #[inline(always)]
    unsafe fn slot(&self, index: u64) -> *mut S {
        // SAFETY: what is under the mask is one of its slots.
        unsafe { self.first.add((index & self.mask) as usize) }
    }
}

/// Why no element was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// There is none.
    None,
    /// It takes more than this.
    Some,
}

impl<T: Share> DequeView<T> {
    /// Has the thread remember the ring.
    pub(crate) fn learn(&self, known: &Known) -> Option<()> {
        let block = Block::of(self.header.slots::<T::Stored>(self.cx())?)?;
        known.place.set(block.first.cast());
        known.words[0].set(block.mask);
        Some(())
    }

    /// Puts an element in at an end. Gives it back if there is no room, or if it owns something.
    #[inline(always)]
    pub(crate) fn push_at_once<const FRONT: bool>(&self, value: T) -> std::result::Result<(), T> {
        match self.header.slots(self.cx()).and_then(Block::of) {
            // SAFETY: just checked.
            Some(block) => unsafe { self.push_into::<FRONT>(block, value) },
            None => Err(value),
        }
    }

    /// The same by what the thread remembers.
    ///
    /// # Safety
    /// That was [learnt](DequeView::learn) of this deque, and holds still, for it is locked.
    #[inline(always)]
    pub(crate) unsafe fn push_by_heart<const FRONT: bool>(
        &self,
        known: &Known,
        value: T,
    ) -> std::result::Result<(), T> {
        // SAFETY: the caller's promise.
        unsafe { self.push_into::<FRONT>(Block::known(known), value) }
    }

    /// Takes the element at an end out, if it owns nothing.
    #[inline(always)]
    pub(crate) fn pop_at_once<const FRONT: bool>(&self) -> std::result::Result<T, Left> {
        let block = self.header.slots(self.cx()).and_then(Block::of).ok_or(Left::Some)?;
        // SAFETY: just checked.
        unsafe { self.pop_from::<FRONT>(block) }
    }

    /// The same by what the thread remembers.
    ///
    /// # Safety
    /// As for [`push_by_heart`](DequeView::push_by_heart).
    #[inline(always)]
    pub(crate) unsafe fn pop_by_heart<const FRONT: bool>(&self, known: &Known) -> std::result::Result<T, Left> {
        // SAFETY: the caller's promise.
        unsafe { self.pop_from::<FRONT>(Block::known(known)) }
    }

    /// # Safety
    /// It is the deque's ring.
    #[inline(always)]
    unsafe fn push_into<const FRONT: bool>(&self, block: Block<T::Stored>, value: T) -> std::result::Result<(), T> {
        let [head, tail] = self.header.ends();
        if T::OWNS || tail.wrapping_sub(head) > block.mask {
            return Err(value);
        }
        // What owns nothing is stored without an error.
        let Ok(stored) = value.into_stored(self.cx()) else { return Ok(()) };
        let (end, index) = if FRONT { (head, head.wrapping_sub(1)) } else { (tail, tail) };
        // SAFETY: a slot of the ring, beside the elements, for it is not full.
        unsafe { block.slot(index).write(stored) };
        self.header.move_end_from(end, FRONT, true);
        // What another processor has taken out of the slot after it is still in that one's cache: it comes while it need not
        // be waited for, not when the lock is held and others wait.
        let next = if FRONT { index.wrapping_sub(1) } else { index.wrapping_add(1) };
        // SAFETY: a slot of the ring.
        prefetch_to_write(unsafe { block.slot(next) }.cast_const().cast());
        Ok(())
    }

    /// # Safety
    /// It is the deque's ring.
    #[inline(always)]
    unsafe fn pop_from<const FRONT: bool>(&self, block: Block<T::Stored>) -> std::result::Result<T, Left> {
        let [head, tail] = self.header.ends();
        if head == tail {
            return Err(Left::None);
        }
        if T::OWNS {
            return Err(Left::Some);
        }
        let (end, index) = if FRONT { (head, head) } else { (tail, tail.wrapping_sub(1)) };
        // SAFETY: a slot of the ring, with an element, for it is not empty.
        let value = unsafe { T::load(block.slot(index), self.cx()).map_err(|_| Left::Some)? };
        self.header.move_end_from(end, FRONT, false);
        Ok(value)
    }
}
