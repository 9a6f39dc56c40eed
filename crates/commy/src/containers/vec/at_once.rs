//! One element put in or taken out as an operation of its own, by the one store that makes it count: no transaction.

use super::{Slots, VecView};
use crate::os::Known;
use crate::schema::Share;

/// A block that has been checked.
#[derive(Clone, Copy)]
struct Block<S> {
    first: *mut S,
    cap: u64,
}

impl<S> Block<S> {
    #[inline(always)]
    fn of(slots: Slots<S>) -> Block<S> {
        Block { first: slots.first, cap: slots.cap as u64 }
    }

    /// The one that a thread remembers.
    #[inline(always)]
    fn known(known: &Known) -> Block<S> {
        Block { first: known.place.get().cast(), cap: known.words[0].get() }
    }
}

impl<T: Share> VecView<T> {
    /// Has the thread remember the block.
    pub(crate) fn learn(&self, known: &Known) -> Option<()> {
        let block = Block::of(self.header.slots::<T::Stored>(self.cx())?);
        known.place.set(block.first.cast());
        known.words[0].set(block.cap);
        Some(())
    }

    /// Puts an element in at the end. Gives it back if there is no room, or if it owns something.
    #[inline(always)]
    pub(crate) fn push_at_once(&self, value: T) -> std::result::Result<(), T> {
        match self.header.slots(self.cx()) {
            // SAFETY: just checked.
            Some(slots) => unsafe { self.push_into(Block::of(slots), value) },
            None => Err(value),
        }
    }

    /// The same by what the thread remembers.
    ///
    /// # Safety
    /// That was [learnt](VecView::learn) of this vector, and holds still, for it is locked.
    #[inline(always)]
    pub(crate) unsafe fn push_by_heart(&self, known: &Known, value: T) -> std::result::Result<(), T> {
        // SAFETY: the caller's promise.
        unsafe { self.push_into(Block::known(known), value) }
    }

    /// Takes the last element out; `None` if there is none, or it owns something.
    #[inline(always)]
    pub(crate) fn pop_at_once(&self) -> Option<T> {
        let slots = self.header.slots(self.cx())?;
        // SAFETY: just checked.
        unsafe { self.pop_from(Block::of(slots)) }
    }

    /// The same by what the thread remembers.
    ///
    /// # Safety
    /// As for [`push_by_heart`](VecView::push_by_heart).
    #[inline(always)]
    pub(crate) unsafe fn pop_by_heart(&self, known: &Known) -> Option<T> {
        // SAFETY: the caller's promise.
        unsafe { self.pop_from(Block::known(known)) }
    }

    /// # Safety
    /// It is the vector's block.
    #[inline(always)]
    unsafe fn push_into(&self, block: Block<T::Stored>, value: T) -> std::result::Result<(), T> {
        let len = self.header.len.get();
        if T::OWNS || len >= block.cap {
            return Err(value);
        }
        // What owns nothing is stored without an error.
        let Ok(stored) = value.into_stored(self.cx()) else { return Ok(()) };
        // SAFETY: below the capacity and out of reach.
        unsafe { block.first.add(len as usize).write(stored) };
        self.header.len.publish(len + 1);
        Ok(())
    }

    /// # Safety
    /// It is the vector's block.
    #[inline(always)]
    unsafe fn pop_from(&self, block: Block<T::Stored>) -> Option<T> {
        let last = self.header.len.get().wrapping_sub(1);
        if T::OWNS || last >= block.cap {
            return None;
        }
        // SAFETY: below the capacity and the length there are elements.
        let value = unsafe { T::load(block.first.add(last as usize), self.cx()).ok()? };
        self.header.len.publish(last);
        Some(value)
    }
}
