//! Deques: many elements at once.

use super::header::Ring;
use super::share::drop_elements;
use super::{DequeView, bounds, sequence};
use crate::containers::sequence::{Header, Slotted, rotation};
use crate::containers::vec::{keep_slots, lend, release};
use crate::error::Result;
use crate::schema::{Lookup, Plain, Share};
use std::cmp::Ordering;
use std::mem::MaybeUninit;
use std::ops::RangeBounds;
use std::ptr;

impl<T: Share> DequeView<T> {
    /// Adds elements at the back.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was added.
    pub fn extend(&mut self, values: impl IntoIterator<Item = T>) -> Result<()> {
        self.add_all(values.into_iter().map(Ok), || Ok(()))
    }

    /// Adds elements; if one cannot be had, or `finish` fails, nothing has changed.
    fn add_all(&mut self, values: impl Iterator<Item = Result<T>>, finish: impl FnOnce() -> Result<()>) -> Result<()> {
        self.checked()?;
        sequence::add_all(&self.header, self.cx(), values, finish)
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
            return self.add_all(values, || other.clear());
        }
        let to = self.room(from.len)?;
        let ring = other.header.run();
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
        // SAFETY: not above the length.
        let values = unsafe { sequence::load(slots, start..end, cx)? };
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

    /// Makes room for that many more elements, and no more than a power of two asks for.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn reserve_exact(&mut self, additional: usize) -> Result<()> {
        self.reserve(additional)
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

    /// Makes it `len` elements long: cuts it, or adds what `value` gives at the back.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn resize_with(&mut self, len: usize, value: impl FnMut() -> T) -> Result<()> {
        let now = self.checked()?.len;
        if len <= now { self.truncate(len) } else { self.extend(std::iter::repeat_with(value).take(len - now)) }
    }

    /// Moves the first `by` elements behind all others. Moves those or the others, whichever are fewer.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for them;
    /// [`Error::BadArgument`](crate::Error::BadArgument) if `by` is above the length.
    pub fn rotate_left(&mut self, by: usize) -> Result<()> {
        let slots = self.checked()?;
        let by = rotation(by, slots.len)?;
        self.header.rotate(self.cx(), slots, by)
    }

    /// Moves the last `by` elements before all others. Moves those or the others, whichever are fewer.
    ///
    /// # Errors
    /// As [`rotate_left`](DequeView::rotate_left).
    pub fn rotate_right(&mut self, by: usize) -> Result<()> {
        let slots = self.checked()?;
        let by = rotation(by, slots.len)?;
        self.header.rotate(self.cx(), slots, slots.len - by)
    }

    /// Removes the element at an index, if there is one, and puts the first one in its place.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    pub fn swap_remove_front(&mut self, index: usize) -> Result<Option<T>> {
        self.swap_remove(index, 0, DequeView::pop_front)
    }

    /// Removes the element at an index, if there is one, and puts the last one in its place.
    ///
    /// # Errors
    /// As [`swap_remove_front`](DequeView::swap_remove_front).
    pub fn swap_remove_back(&mut self, index: usize) -> Result<Option<T>> {
        self.swap_remove(index, self.len().saturating_sub(1), DequeView::pop_back)
    }

    fn swap_remove(
        &mut self,
        index: usize,
        end: usize,
        pop: impl FnOnce(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        if index >= self.checked()?.len {
            return Ok(None);
        }
        self.cx().atomically(|| {
            self.swap(index, end)?;
            pop(self)
        })
    }

    /// Keeps those elements that the predicate wants, in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn retain(&mut self, mut wanted: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: `keep_where` gives indices of elements.
        self.keep_where(|_, index| unsafe { Ok(wanted(T::view(slots.place(index), cx))) })
    }

    /// Keeps those elements that the predicate wants, in order; it may change them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what the predicate changed
    /// is undone, too.
    pub fn retain_mut(&mut self, mut wanted: impl FnMut(T::Mut<'_>) -> bool) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: `keep_where` gives indices of elements, and nobody else sees them.
        self.keep_where(|_, index| unsafe { Ok(wanted(T::view_mut(slots.place(index), cx)?)) })
    }

    /// Keeps those elements that `wanted` is true for, see [`sequence::keep_where`].
    fn keep_where(&mut self, wanted: impl FnMut(usize, usize) -> Result<bool>) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        cx.atomically(|| {
            let kept = sequence::keep_where(slots, cx, wanted)?;
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
        // SAFETY: below the length there are elements.
        sequence::search(slots.len, |index| unsafe { T::compare_with(slots.place(index), cx, value) })
    }

    /// As [`binary_search`](DequeView::binary_search), by a comparison of the element with what is looked for.
    pub fn binary_search_by(&self, mut compare: impl FnMut(T::Ref<'_>) -> Ordering) -> Result<usize, usize> {
        let (slots, cx) = (self.slots(), self.cx());
        // SAFETY: below the length there are elements.
        sequence::search(slots.len, |index| unsafe { compare(T::view(slots.place(index), cx)) })
    }

    /// As [`binary_search`](DequeView::binary_search), by a key.
    pub fn binary_search_by_key<K: Ord>(&self, key: &K, mut of: impl FnMut(T::Ref<'_>) -> K) -> Result<usize, usize> {
        self.binary_search_by(|element| of(element).cmp(key))
    }

    /// The index of the first element that `before` is false for, in a deque where it is true for all before that.
    pub fn partition_point(&self, mut before: impl FnMut(T::Ref<'_>) -> bool) -> usize {
        let order = |element: T::Ref<'_>| if before(element) { Ordering::Less } else { Ordering::Greater };
        self.binary_search_by(order).unwrap_or_else(|index| index)
    }
}

impl<T: Plain> DequeView<T> {
    /// Turns the ring so that all elements lie in a row, and gives them to be changed, after logging them all.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for them.
    pub fn make_contiguous(&mut self) -> Result<&mut [T]> {
        let (slots, cx) = (self.checked()?, self.cx());
        self.header.keep_ends(cx)?;
        // SAFETY: below the length there are elements, which lie in the ring and nobody else sees; all of it is
        // logged before the first is moved.
        unsafe {
            if slots.straight(0, slots.len) == slots.len {
                slots.keep(cx, 0, slots.len)?;
                return Ok(std::slice::from_raw_parts_mut(slots.first.wrapping_add(slots.head), slots.len));
            }
            keep_slots(cx, slots.first, slots.cap)?;
            std::slice::from_raw_parts_mut(slots.first.cast::<MaybeUninit<T>>(), slots.cap).rotate_left(slots.head);
            self.header.put_ends(0, slots.len);
            Ok(std::slice::from_raw_parts_mut(slots.first, slots.len))
        }
    }

    /// The elements as two slices to be changed, the second behind the first, after logging them all.
    ///
    /// # Panics
    /// If the log has no room for them (`OutOfSpace`); [`try_as_mut_slices`](DequeView::try_as_mut_slices) gives the
    /// error.
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        lend(self.try_as_mut_slices())
    }

    /// As [`as_mut_slices`](DequeView::as_mut_slices), without the panic.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for them.
    pub fn try_as_mut_slices(&mut self) -> Result<(&mut [T], &mut [T])> {
        let (slots, cx) = (self.checked()?, self.cx());
        let straight = slots.straight(0, slots.len);
        // SAFETY: values of a plain type, from the head up to the end of the ring and from its beginning on, which
        // nobody else sees and which are logged.
        unsafe {
            slots.keep(cx, 0, slots.len)?;
            let first = std::slice::from_raw_parts_mut(slots.first.wrapping_add(slots.head), straight);
            Ok((first, std::slice::from_raw_parts_mut(slots.first, slots.len - straight)))
        }
    }
}
