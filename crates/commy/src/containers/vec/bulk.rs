//! Vectors: many elements at once.

use super::header::Run;
use super::{Shape, Slots, VecHeader, VecView, bounds, drop_slots, keep_slots, release};
use crate::error::{Error, Result};
use crate::schema::{Plain, Share};
use crate::tx::Cx;
use std::ops::RangeBounds;
use std::ptr;

/// Elements being added beyond the end, out of reach until it is dropped. Dropping it also when what
/// gives the elements panics leaves those in that were there before.
struct Filling<'a> {
    header: &'a VecHeader,
    run: Run,
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.header.put(self.run);
    }
}

impl Filling<'_> {
    fn room(&mut self, cx: Cx, shape: Shape, more: usize) -> Result<()> {
        let needed = self.run.len.checked_add(more as u64).ok_or_else(super::too_large)?;
        if needed > self.run.cap {
            self.run = self.run.grown(cx, shape, needed)?;
        }
        Ok(())
    }
}

impl<T: Share> VecView<T> {
    /// Adds elements; if one cannot be had, or `finish` fails, nothing has changed.
    fn fill_with(
        &mut self,
        values: impl Iterator<Item = Result<T>>,
        finish: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.checked()?;
        let cx = self.cx();
        self.header.keep(cx)?;
        let mut filling = Filling { header: &self.header, run: self.header.run() };
        let added = cx.atomically(|| {
            filling.room(cx, Self::SHAPE, values.size_hint().0)?;
            for value in values {
                let value = value?;
                filling.room(cx, Self::SHAPE, 1)?;
                let stored = value.store(cx)?;
                let run = &mut filling.run;
                let slots = cx.slice::<T::Stored>(run.offset, run.cap);
                let slots = slots.ok_or_else(|| Error::corrupt(run.offset, "a block outside the file"))?;
                // SAFETY: below the capacity and out of reach.
                unsafe { slots.add(run.len as usize).write(stored) };
                run.len += 1;
            }
            finish()
        });
        if added.is_err() {
            std::mem::forget(filling);
        }
        added
    }

    /// Adds elements at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; then none was added.
    pub fn extend(&mut self, values: impl IntoIterator<Item = T>) -> Result<()> {
        self.fill_with(values.into_iter().map(Ok), || Ok(()))
    }

    /// Moves all elements of another vector to the end of this one. Under one guard or transaction they
    /// stay where what they own is; from another one they are copied.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; then none was moved.
    pub fn append(&mut self, other: &mut VecView<T>) -> Result<()> {
        let (from, cx) = (other.checked()?, self.cx());
        if cx.metadata() != other.cx().metadata() {
            let other_cx = other.cx();
            // SAFETY: `len` slots hold elements; they are not looked at any more when `clear` begins.
            let values = (0..from.len).map(|index| unsafe { T::load(from.first.add(index), other_cx) });
            return self.fill_with(values, || other.clear());
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
    /// [`Error::OutOfSpace`] if the log has no room; [`Error::BadArgument`] if `at` is above the length.
    pub fn split_off(&mut self, at: usize) -> Result<Vec<T>> {
        self.drain(at..)
    }

    /// Removes the elements of a range, and gives them in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room; [`Error::BadArgument`] if the range is not within
    /// the length.
    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> Result<Vec<T>> {
        let (slots, cx) = (self.checked()?, self.cx());
        let (start, end) = bounds(&range, slots.len)?;
        // SAFETY: below the length there are elements.
        let values = (start..end).map(|index| unsafe { T::load(slots.first.add(index), cx) });
        let values = values.collect::<Result<Vec<T>>>()?;
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
    /// [`Error::OutOfSpace`] only if not even the room kept for removals is left.
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
    /// [`Error::OutOfSpace`] only if not even the room kept for removals is left.
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
    /// [`Error::OutOfSpace`].
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.room(additional).map(drop)
    }

    /// Makes room for that many more elements, and no more.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
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
    /// [`Error::OutOfSpace`] if a small vector has to move to a smaller block and there is none.
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
    /// [`Error::OutOfSpace`].
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
    /// [`Error::OutOfSpace`] if the log has no room.
    pub fn retain(&mut self, mut wanted: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
        let cx = self.cx();
        // SAFETY: `keep_where` gives indices of elements.
        self.keep_where(|slots, _, index| unsafe { Ok(wanted(T::view(slots.first.add(index), cx))) })
    }

    /// Keeps those elements that the predicate wants, in order; it may change them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room; what the predicate changed is
    /// undone, too.
    pub fn retain_mut(&mut self, mut wanted: impl FnMut(T::Mut<'_>) -> bool) -> Result<()> {
        let cx = self.cx();
        // SAFETY: `keep_where` gives indices of elements, and nobody else sees them.
        self.keep_where(|slots, _, index| unsafe { Ok(wanted(T::view_mut(slots.first.add(index), cx)?)) })
    }

    /// Removes all but the first of equal elements in a row.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room.
    pub fn dedup(&mut self) -> Result<()>
    where
        for<'a> T::Ref<'a>: PartialEq,
    {
        self.dedup_by(|a, b| a == b)
    }

    /// Removes all but the first of elements in a row that have the same key.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room.
    pub fn dedup_by_key<K: PartialEq>(&mut self, mut key: impl FnMut(T::Ref<'_>) -> K) -> Result<()> {
        self.dedup_by(|a, b| key(a) == key(b))
    }

    /// Removes elements that are the same as the one before, which is the second that `same` gets.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room.
    pub fn dedup_by(&mut self, mut same: impl for<'a> FnMut(T::Ref<'a>, T::Ref<'a>) -> bool) -> Result<()> {
        let cx = self.cx();
        // SAFETY: `keep_where` gives indices of elements.
        self.keep_where(|slots, kept, index| unsafe {
            let view = |index| T::view(slots.first.add(index), cx);
            Ok(kept == 0 || !same(view(index), view(kept - 1)))
        })
    }

    /// Keeps those elements that `wanted` is true for, which gets the number of elements kept so far (they
    /// are the first) and the index of the one in question. At any moment the slots hold all elements,
    /// so that it may panic.
    fn keep_where(&mut self, mut wanted: impl FnMut(&Slots<T::Stored>, usize, usize) -> Result<bool>) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        cx.atomically(|| {
            let mut kept = 0;
            while kept < slots.len && wanted(&slots, kept, kept)? {
                kept += 1;
            }
            if kept == slots.len {
                return Ok(());
            }
            // SAFETY: all indices are below the length; logged before the first is overwritten.
            unsafe {
                keep_slots(cx, slots.first.add(kept), slots.len - kept)?;
                for index in kept + 1..slots.len {
                    if wanted(&slots, kept, index)? {
                        ptr::swap(slots.first.add(kept), slots.first.add(index));
                        kept += 1;
                    }
                }
            }
            self.truncate(kept)
        })
    }
}

impl<T: Plain> VecView<T> {
    /// Adds the elements of a slice at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; then none was added.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<()> {
        let slots = self.room(values.len())?;
        self.cx().keep(&self.header.len, 1)?;
        // SAFETY: below the capacity and out of reach, which nobody has a reference to.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), slots.first.add(slots.len), values.len()) };
        self.header.len.put((slots.len + values.len()) as u64);
        Ok(())
    }

    /// Overwrites all elements.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for them.
    pub fn fill(&mut self, value: T) -> Result<()> {
        self.try_as_mut_slice()?.fill(value);
        Ok(())
    }
}
