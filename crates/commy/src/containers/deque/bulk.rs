//! Deques: many elements at once.

use super::header::Ring;
use super::{DequeHeader, DequeView, Slots, bounds, drop_elements};
use crate::containers::vec::{Shape, release, too_large};
use crate::error::Result;
use crate::schema::{Lookup, Share};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::ops::RangeBounds;
use std::ptr;

/// Elements being added behind the last, out of reach until it is dropped. Dropping it also when what
/// gives the elements panics leaves those in that were there before.
struct Filling<'a> {
    header: &'a DequeHeader,
    ring: Ring,
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.header.put(self.ring);
    }
}

impl Filling<'_> {
    fn room(&mut self, cx: Cx, shape: Shape, more: usize) -> Result<()> {
        let needed = self.ring.len.checked_add(more as u64).ok_or_else(too_large)?;
        if needed > self.ring.cap {
            self.ring = self.ring.grown(cx, shape, needed)?;
        }
        Ok(())
    }
}

impl<T: Share> DequeView<T> {
    /// Adds elements; if one cannot be had, or `finish` fails, nothing has changed.
    fn fill_with(
        &mut self,
        values: impl Iterator<Item = Result<T>>,
        finish: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.checked()?;
        let cx = self.cx();
        self.header.keep(cx)?;
        let mut filling = Filling { header: &self.header, ring: self.header.ring() };
        let added = cx.atomically(|| {
            filling.room(cx, Self::SHAPE, values.size_hint().0)?;
            for value in values {
                let value = value?;
                filling.room(cx, Self::SHAPE, 1)?;
                let stored = value.store(cx)?;
                let ring = &mut filling.ring;
                let slots: Slots<T::Stored> = ring.slots(cx).ok_or_else(|| super::cannot_be(*ring))?;
                // SAFETY: the slot behind the last element is out of reach.
                unsafe { slots.place(slots.len).write(stored) };
                ring.len += 1;
            }
            finish()
        });
        if added.is_err() {
            std::mem::forget(filling);
        }
        added
    }

    /// Adds elements at the back.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was added.
    pub fn extend(&mut self, values: impl IntoIterator<Item = T>) -> Result<()> {
        self.fill_with(values.into_iter().map(Ok), || Ok(()))
    }

    /// Moves all elements of another deque to the back of this one. Under one guard or transaction they stay
    /// where what they own is; from another one they are copied.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was moved.
    pub fn append(&mut self, other: &mut DequeView<T>) -> Result<()> {
        let (from, cx) = (other.checked()?, self.cx());
        if cx.metadata() != other.cx().metadata() {
            let other_cx = other.cx();
            // SAFETY: below the length there are elements; they are not looked at any more when `clear` begins.
            let values = (0..from.len).map(|index| unsafe { T::load(from.place(index), other_cx) });
            return self.fill_with(values, || other.clear());
        }
        let to = self.room(from.len)?;
        let ring = other.header.ring();
        self.header.keep_ends(cx)?;
        other.header.keep(cx)?;
        for index in 0..from.len {
            // SAFETY: an element, and a slot that is out of reach; two deques have two blocks.
            unsafe { ptr::copy_nonoverlapping(from.place(index), to.place(to.len + index), 1) };
        }
        release(cx, Self::SHAPE, ring.offset, ring.cap)?;
        other.header.put(Ring { offset: 0, cap: 0, head: 0, len: 0 });
        self.header.put_len(to.len + from.len);
        Ok(())
    }

    /// Removes the elements from `at` on, and gives them.
    ///
    /// # Errors
    /// As [`drain`](DequeView::drain).
    pub fn split_off(&mut self, at: usize) -> Result<std::collections::VecDeque<T>> {
        self.drain(at..).map(Into::into)
    }

    /// Removes the elements of a range, and gives them in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room;
    /// [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within the length.
    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> Result<Vec<T>> {
        let (slots, cx) = (self.checked()?, self.cx());
        let (start, end) = bounds(&range, slots.len)?;
        // SAFETY: below the length there are elements.
        let values = (start..end).map(|index| unsafe { T::load(slots.place(index), cx) });
        let values = values.collect::<Result<Vec<T>>>()?;
        if start < end {
            self.cut_out(slots, start, end)?;
        }
        Ok(values)
    }

    /// Keeps the first `len` elements only.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        let slots = self.checked()?;
        if len < slots.len { self.cut_out(slots, len, slots.len) } else { Ok(()) }
    }

    /// Removes all elements, and gives the memory back: the capacity is 0 then. (`truncate(0)` keeps that of a
    /// small deque.)
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    pub fn clear(&mut self) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        if !T::OWNS {
            return self.header.empty(cx, Self::SHAPE);
        }
        cx.atomically(|| {
            // SAFETY: all elements get out of reach, if nothing fails.
            unsafe { drop_elements::<T>(&slots, 0, slots.len, cx)? };
            self.header.empty(cx, Self::SHAPE)
        })
    }

    /// Makes room for that many more elements, so that adding them needs no more memory than what they own.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.room(additional).map(drop)
    }

    /// Gives back the room for further elements, as far as a power of two allows.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if there is no smaller block to move to.
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.shrink_to(0)
    }

    /// Gives back the room for further elements, but for `capacity` altogether.
    ///
    /// # Errors
    /// As [`shrink_to_fit`](DequeView::shrink_to_fit).
    pub fn shrink_to(&mut self, capacity: usize) -> Result<()> {
        self.checked()?;
        self.header.shrink(self.cx(), Self::SHAPE, capacity as u64)
    }

    /// Makes it `len` elements long: cuts it, or adds clones of the value at the back.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn resize(&mut self, len: usize, value: T) -> Result<()>
    where
        T: Clone,
    {
        let now = self.checked()?.len;
        if len <= now { self.truncate(len) } else { self.extend(std::iter::repeat_n(value, len - now)) }
    }

    /// Keeps those elements that the predicate wants, in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn retain(&mut self, mut wanted: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
        let cx = self.cx();
        // SAFETY: `keep_where` gives indices of elements.
        self.keep_where(|slots, index| unsafe { Ok(wanted(T::view(slots.place(index), cx))) })
    }

    /// Keeps those elements that the predicate wants, in order; it may change them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what the predicate changed
    /// is undone, too.
    pub fn retain_mut(&mut self, mut wanted: impl FnMut(T::Mut<'_>) -> bool) -> Result<()> {
        let cx = self.cx();
        // SAFETY: `keep_where` gives indices of elements, and nobody else sees them.
        self.keep_where(|slots, index| unsafe { Ok(wanted(T::view_mut(slots.place(index), cx)?)) })
    }

    /// Keeps those elements that `wanted` is true for. At any moment the slots hold all elements, so that it
    /// may panic.
    fn keep_where(&mut self, mut wanted: impl FnMut(&Slots<T::Stored>, usize) -> Result<bool>) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        cx.atomically(|| {
            let mut kept = 0;
            while kept < slots.len && wanted(&slots, kept)? {
                kept += 1;
            }
            if kept == slots.len {
                return Ok(());
            }
            // SAFETY: all indices are below the length; logged before the first is overwritten.
            unsafe {
                slots.keep(cx, kept, slots.len - kept)?;
                for index in kept + 1..slots.len {
                    if wanted(&slots, index)? {
                        ptr::swap(slots.place(kept), slots.place(index));
                        kept += 1;
                    }
                }
            }
            self.truncate(kept)
        })
    }

    /// Whether an element equals the value.
    pub fn contains<Q: ?Sized>(&self, value: &Q) -> bool
    where
        for<'a, 'b> T::Ref<'a>: PartialEq<&'b Q>,
    {
        self.iter().any(|element| element == value)
    }

    /// Finds a value in a sorted deque: its index, or that where it could be inserted.
    pub fn binary_search<Q: ?Sized>(&self, value: &Q) -> Result<usize, usize>
    where
        T: Lookup<Q>,
    {
        let (slots, cx) = (self.slots(), self.cx());
        let (mut low, mut high) = (0, slots.len);
        while low < high {
            let middle = low.midpoint(high);
            // SAFETY: below the length there are elements.
            match unsafe { T::compare_with(slots.place(middle), cx, value) } {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }
}
