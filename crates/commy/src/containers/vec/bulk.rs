//! Vectors: many elements at once.

use super::header::Run;
use super::{VecView, bounds, drop_slots, keep_slots, release};
use crate::containers::sequence::{self, Header};
use crate::error::Result;
use crate::schema::Share;
use std::ops::RangeBounds;
use std::ptr;

impl<T: Share> VecView<T> {
    /// Adds elements at the end.
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

    /// Adds clones of the elements of a slice at the end. Those of a plain type are copied as they are.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was added.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<()>
    where
        T: Clone,
    {
        let (slots, cx) = (self.room(values.len())?, self.cx());
        cx.keep(&self.header.len, 1)?;
        // SAFETY: below the capacity and out of reach.
        let store = || unsafe { T::store_clones(values, slots.first.add(slots.len), cx) };
        if T::OWNS {
            cx.atomically(store)?
        } else {
            store()?
        }
        self.header.len.put((slots.len + values.len()) as u64);
        Ok(())
    }

    /// Adds copies of the elements of a range at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within the length.
    pub fn extend_from_within(&mut self, range: impl RangeBounds<usize>) -> Result<()> {
        let values = self.copies(&range)?;
        self.insert_all(self.len(), values)
    }

    /// Copies of the elements of a range.
    fn copies(&self, range: &impl RangeBounds<usize>) -> Result<Vec<T>> {
        let slots = self.checked()?;
        let (start, end) = bounds(range, slots.len)?;
        // SAFETY: not above the length.
        unsafe { sequence::load(slots, start..end, self.cx()) }
    }

    /// Inserts elements at an index up to the length, all or none.
    fn insert_all(&mut self, index: usize, values: Vec<T>) -> Result<()> {
        let (slots, cx, more) = (self.room(values.len())?, self.cx(), values.len());
        let behind = slots.len - index;
        cx.keep(&self.header.len, 1)?;
        cx.atomically(|| {
            // SAFETY: the elements from `index` on were logged, and move up within the capacity to make way for the
            // new ones, which nobody sees yet.
            unsafe {
                let slot = slots.first.add(index);
                keep_slots(cx, slot, behind)?;
                ptr::copy(slot, slot.add(more), behind);
                T::store_all(values, slot, cx)
            }
        })?;
        self.header.len.put((slots.len + more) as u64);
        Ok(())
    }

    /// Puts other elements in the place of a range of them, which it gives.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within the length.
    pub fn splice(&mut self, range: impl RangeBounds<usize>, with: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
        let (start, end) = bounds(&range, self.checked()?.len)?;
        let values: Vec<T> = with.into_iter().collect();
        self.cx().atomically(|| {
            let removed = self.drain(start..end)?;
            self.insert_all(start, values)?;
            Ok(removed)
        })
    }

    /// Moves all elements of another vector to the end of this one. Under one guard or transaction they
    /// stay where what they own is; from another one they are copied.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was moved.
    pub fn append(&mut self, other: &mut VecView<T>) -> Result<()> {
        let (from, cx) = (other.checked()?, self.cx());
        if cx.metadata() != other.cx().metadata() {
            let other_cx = other.cx();
            // SAFETY: `len` slots hold elements; they are not looked at any more when `clear` begins.
            let values = (0..from.len).map(|index| unsafe { T::load(from.first.add(index), other_cx) });
            return self.add_all(values, || other.clear());
        }
        let to = self.room(from.len)?;
        let run = other.header.run();
        cx.keep(&self.header.len, 1)?;
        other.header.keep(cx)?;
        // SAFETY: two vectors have two blocks; the slots written are below the capacity and out of reach.
        unsafe { ptr::copy_nonoverlapping(from.first, to.first.add(to.len), from.len) };
        release(cx, Self::SHAPE, run.offset, run.cap)?;
        other.header.put(Run { offset: 0, len: 0, cap: 0 });
        self.header.len.put((to.len + from.len) as u64);
        Ok(())
    }

    /// Removes the elements from `at` on, and gives them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; [`Error::BadArgument`](crate::Error::BadArgument) if `at` is above the length.
    pub fn split_off(&mut self, at: usize) -> Result<Vec<T>> {
        self.drain(at..)
    }

    /// Removes the elements of a range, and gives them in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within
    /// the length.
    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> Result<Vec<T>> {
        let (slots, values) = (self.checked()?, self.copies(&range)?);
        let (start, end) = bounds(&range, slots.len)?;
        if end < slots.len {
            self.cut_out(&slots, start, end)?;
        } else {
            self.truncate(start)?;
        }
        Ok(values)
    }

    /// Keeps the first `len` elements only. Small vectors keep their capacity, large ones give pages back.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        if len >= slots.len {
            return Ok(());
        }
        cx.atomically(|| {
            // SAFETY: these elements get out of reach, if nothing fails.
            unsafe { drop_slots::<T>(slots.first.add(len), slots.len - len, cx)? };
            self.header.truncate(cx, Self::SHAPE, len as u64)
        })
    }

    /// Removes all elements, and gives the memory back: the capacity is 0 then. (`truncate(0)` keeps that of a
    /// small vector.)
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    pub fn clear(&mut self) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        if !T::OWNS {
            return self.header.empty(cx, Self::SHAPE);
        }
        cx.atomically(|| {
            // SAFETY: the elements get out of reach, if nothing fails.
            unsafe { drop_slots::<T>(slots.first, slots.len, cx)? };
            self.header.empty(cx, Self::SHAPE)
        })
    }

    /// Makes room for that many more elements, and some more, so that adding them needs no more memory
    /// than what they own.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.room(additional).map(drop)
    }

    /// Makes room for that many more elements, and no more.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn reserve_exact(&mut self, additional: usize) -> Result<()> {
        let slots = self.checked()?;
        let needed = slots.len.checked_add(additional).ok_or_else(super::too_large)?;
        if needed > slots.cap {
            self.header.grow_exact(self.cx(), Self::SHAPE, needed as u64)?;
        }
        Ok(())
    }

    /// Gives back the room for further elements.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if a small vector has to move to a smaller block and there is none.
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.shrink_to(0)
    }

    /// Gives back the room for further elements, but for `capacity` altogether.
    ///
    /// # Errors
    /// As [`shrink_to_fit`](VecView::shrink_to_fit).
    pub fn shrink_to(&mut self, capacity: usize) -> Result<()> {
        self.checked()?;
        self.header.shrink(self.cx(), Self::SHAPE, capacity as u64)
    }

    /// Makes it `len` elements long: cuts it, or adds clones of the value.
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

    /// Makes it `len` elements long: cuts it, or adds what `value` gives.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn resize_with(&mut self, len: usize, value: impl FnMut() -> T) -> Result<()> {
        let now = self.checked()?.len;
        if len <= now { self.truncate(len) } else { self.extend(std::iter::repeat_with(value).take(len - now)) }
    }

    /// Overwrites all elements by clones of the value.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    pub fn fill(&mut self, value: T) -> Result<()>
    where
        T: Clone,
    {
        self.fill_with(|| value.clone())
    }

    /// Overwrites all elements by what `value` gives.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    pub fn fill_with(&mut self, value: impl FnMut() -> T) -> Result<()> {
        sequence::fill(self.checked()?, self.cx(), value)
    }

    /// Removes the last element if the predicate wants it, which may change it.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what the predicate changed is undone, too.
    pub fn pop_if(&mut self, wanted: impl FnOnce(T::Mut<'_>) -> bool) -> Result<Option<T>> {
        self.checked()?;
        let Some(last) = self.len().checked_sub(1) else { return Ok(None) };
        self.cx().atomically(|| {
            let wanted = self.try_get_mut(last)?.is_some_and(wanted);
            if wanted { self.pop() } else { Ok(None) }
        })
    }

    /// Removes the elements of a range that the predicate is true for, and gives them. It may change the others.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what the predicate changed is undone, too.
    /// [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within the length.
    pub fn extract_if(
        &mut self,
        range: impl RangeBounds<usize>,
        mut wanted: impl FnMut(T::Mut<'_>) -> bool,
    ) -> Result<Vec<T>> {
        let (slots, cx) = (self.checked()?, self.cx());
        let (start, end) = bounds(&range, slots.len)?;
        let mut taken = Vec::new();
        // SAFETY: `keep_where` gives indices of elements, and nobody else sees them.
        self.keep_where(|_, index| unsafe {
            let element = slots.first.add(index);
            let keeps = index < start || index >= end || !wanted(T::view_mut(element, cx)?);
            if !keeps {
                taken.push(T::load(element, cx)?);
            }
            Ok(keeps)
        })?;
        Ok(taken)
    }

    /// Keeps those elements that the predicate wants, in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn retain(&mut self, mut wanted: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: `keep_where` gives indices of elements.
        self.keep_where(|_, index| unsafe { Ok(wanted(T::view(slots.first.add(index), cx))) })
    }

    /// Keeps those elements that the predicate wants, in order; it may change them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what the predicate changed is
    /// undone, too.
    pub fn retain_mut(&mut self, mut wanted: impl FnMut(T::Mut<'_>) -> bool) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: `keep_where` gives indices of elements, and nobody else sees them.
        self.keep_where(|_, index| unsafe { Ok(wanted(T::view_mut(slots.first.add(index), cx)?)) })
    }

    /// Removes all but the first of equal elements in a row.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn dedup(&mut self) -> Result<()>
    where
        for<'a> T::Ref<'a>: PartialEq,
    {
        self.dedup_by(|a, b| a == b)
    }

    /// Removes all but the first of elements in a row that have the same key.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn dedup_by_key<K: PartialEq>(&mut self, mut key: impl FnMut(T::Ref<'_>) -> K) -> Result<()> {
        self.dedup_by(|a, b| key(a) == key(b))
    }

    /// Removes elements that are the same as the one before, which is the second that `same` gets.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn dedup_by(&mut self, mut same: impl for<'a> FnMut(T::Ref<'a>, T::Ref<'a>) -> bool) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: `keep_where` gives indices of elements.
        self.keep_where(|kept, index| unsafe {
            let view = |index| T::view(slots.first.add(index), cx);
            Ok(kept == 0 || !same(view(index), view(kept - 1)))
        })
    }

    /// Keeps those elements that `wanted` is true for, see [`sequence::keep_where`].
    fn keep_where(&mut self, wanted: impl FnMut(usize, usize) -> Result<bool>) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        cx.atomically(|| {
            let kept = sequence::keep_where(slots, cx, wanted)?;
            self.truncate(kept)
        })
    }
}
