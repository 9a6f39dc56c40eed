//! `VecDeque` in a segment: a header and a ring of slots (see `header`), seen as a [`DequeView`].
//!
//! A push logs where the elements begin and end, once a transaction, and writes a slot that is out of reach; what
//! removes elements logs them, by the rule of `vec::block`.

mod at_once;
mod bulk;
mod compare;
mod header;
mod share;

#[cfg(test)]
mod tests;
mod untyped;

pub(crate) use at_once::Left;
pub use header::DequeHeader;
pub(crate) use untyped::Places;

use super::vec::{Elements, ElementsMut, Shape, below, bounds, lend, replace_slot, store, too_large};
use crate::containers::sequence::{self, Header, Slotted};
use crate::error::Result;
use crate::schema::{Plain, Share};
use crate::tx::Cx;
pub(crate) use header::Ring;
use header::Slots;
use share::drop_elements;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut, RangeBounds};
use std::ptr;

/// A `VecDeque<T>` in a segment, seen in place.
///
/// Methods bear the names of [`std::collections::VecDeque`]. Those that change it give a [`Result`]: an error
/// means that nothing has changed.
///
/// ```
/// # use std::collections::VecDeque;
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let jobs: commy::Shared<VecDeque<String>> = segment.open_or_create("jobs")?;
/// let mut jobs = jobs.write()?;
/// jobs.push_back("wash".into())?;
/// jobs.push_back("dry".into())?;
/// jobs.push_front("soak".into())?;
/// assert_eq!(jobs.pop_front()?, Some("soak".to_string()));
/// assert_eq!(jobs.iter().collect::<Vec<_>>(), ["wash", "dry"]);
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct DequeView<T: Share> {
    header: DequeHeader,
    marker: PhantomData<(T, *mut ())>,
    cx: [()],
}

// SAFETY: through a shared reference a view is only read, by loads of words and through `T::view`; what
// that gives in each thread may be used in any.
unsafe impl<T: Share> Sync for DequeView<T> where for<'a> T::Ref<'a>: Send + Sync {}

impl<T: Share> DequeView<T> {
    const SHAPE: Shape = Shape::of::<T::Stored>();

    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view is made with its context's metadata, and does not outlive it.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    /// The elements, none if the header cannot be.
    #[inline(always)]
    fn slots(&self) -> Slots<T::Stored> {
        self.header.slots(self.cx()).unwrap_or(Slots { first: ptr::dangling_mut(), cap: 0, head: 0, len: 0 })
    }

    #[inline(always)]
    fn checked(&self) -> Result<Slots<T::Stored>> {
        self.header.checked(self.cx())
    }

    /// Room for `more` elements.
    #[inline(always)]
    fn room(&mut self, more: usize) -> Result<Slots<T::Stored>> {
        let slots = self.checked()?;
        if slots.cap - slots.len >= more { Ok(slots) } else { self.make_room(slots.len, more) }
    }

    #[cold]
    fn make_room(&mut self, len: usize, more: usize) -> Result<Slots<T::Stored>> {
        let needed = len.checked_add(more).ok_or_else(too_large)?;
        self.header.grow(self.cx(), Self::SHAPE, needed as u64)?;
        self.checked()
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots().len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements there is room for: a power of two.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.slots().cap
    }

    /// The element at an index, counted from the front.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T::Ref<'_>> {
        let slots = self.slots();
        // SAFETY: below the length there are elements, which nobody changes while `self` is borrowed.
        (index < slots.len).then(|| unsafe { T::view(slots.place(index), self.cx()) })
    }

    /// Copies of up to `many` elements from an index on, also without the lock.
    pub(crate) fn load_from(&self, start: usize, many: usize) -> Result<Vec<T>> {
        let slots = self.slots();
        let start = start.min(slots.len);
        let end = start.saturating_add(many).min(slots.len);
        // SAFETY: the end is not above the length.
        unsafe { sequence::load(slots, start..end, self.cx()) }
    }

    /// Where the element at an index is stored, also without the lock.
    #[inline(always)]
    pub(crate) fn place_at(&self, index: usize) -> Option<*const T::Stored> {
        let slots = self.slots();
        // SAFETY: below the length there are elements.
        (index < slots.len).then(|| unsafe { slots.place(index) }.cast_const())
    }

    /// Where the last element is stored, also without the lock.
    pub(crate) fn place_of_last(&self) -> Option<*const T::Stored> {
        self.place_at(self.len().checked_sub(1)?)
    }

    /// The element at an index, to be changed. Its old value is logged first.
    ///
    /// # Panics
    /// If the log has no room for it (`OutOfSpace`); [`try_get_mut`](DequeView::try_get_mut) gives the error.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<T::Mut<'_>> {
        lend(self.try_get_mut(index))
    }

    /// The element at an index, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for its old value.
    #[inline]
    pub fn try_get_mut(&mut self, index: usize) -> Result<Option<T::Mut<'_>>> {
        let slots = self.slots();
        if index >= slots.len {
            return Ok(None);
        }
        // SAFETY: as in `get`, and `self` is borrowed for this alone.
        unsafe { T::view_mut(slots.place(index), self.cx()).map(Some) }
    }

    /// The first element.
    #[inline]
    pub fn front(&self) -> Option<T::Ref<'_>> {
        self.get(0)
    }

    /// The first element, to be changed.
    ///
    /// # Panics
    /// As [`get_mut`](DequeView::get_mut).
    #[inline]
    pub fn front_mut(&mut self) -> Option<T::Mut<'_>> {
        self.get_mut(0)
    }

    /// The last element.
    #[inline]
    pub fn back(&self) -> Option<T::Ref<'_>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The last element, to be changed.
    ///
    /// # Panics
    /// As [`get_mut`](DequeView::get_mut).
    #[inline]
    pub fn back_mut(&mut self) -> Option<T::Mut<'_>> {
        self.get_mut(self.len().checked_sub(1)?)
    }

    /// The elements from front to back.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T> {
        let slots = self.slots();
        // SAFETY: these positions hold elements for as long as `self` is borrowed.
        unsafe { Elements::new(slots.first, slots.mask(), slots.head..slots.head + slots.len, self.cx()) }
    }

    /// The elements from front to back, to be changed; each is logged when the iterator comes to it.
    ///
    /// # Panics
    /// The iterator does as [`get_mut`](DequeView::get_mut).
    #[inline]
    pub fn iter_mut(&mut self) -> ElementsMut<'_, T> {
        let slots = self.slots();
        // SAFETY: as in `iter`, and `self` is borrowed for this alone.
        unsafe { ElementsMut::new(slots.first, slots.mask(), slots.head..slots.head + slots.len, self.cx()) }
    }

    /// The elements of a range of indices.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within the length.
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Elements<'_, T>> {
        let slots = self.slots();
        let (start, end) = bounds(&range, slots.len)?;
        // SAFETY: as in `iter`.
        Ok(unsafe { Elements::new(slots.first, slots.mask(), slots.head + start..slots.head + end, self.cx()) })
    }

    /// The elements of a range of indices, to be changed; each is logged when the iterator comes to it.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) if the range is not within the length.
    ///
    /// # Panics
    /// The iterator does as [`get_mut`](DequeView::get_mut).
    pub fn range_mut(&mut self, range: impl RangeBounds<usize>) -> Result<ElementsMut<'_, T>> {
        let slots = self.slots();
        let (start, end) = bounds(&range, slots.len)?;
        // SAFETY: as in `iter_mut`.
        Ok(unsafe { ElementsMut::new(slots.first, slots.mask(), slots.head + start..slots.head + end, self.cx()) })
    }

    /// A copy, owned by the process.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read.
    pub fn to_deque(&self) -> Result<VecDeque<T>> {
        // SAFETY: the view's own header; nobody changes it while `self` is borrowed.
        unsafe { <VecDeque<T> as Share>::load(&self.header, self.cx()) }
    }

    /// Adds an element at the back.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn push_back(&mut self, value: T) -> Result<()> {
        match self.known() {
            Some((slots, [_, tail])) if slots.len < slots.cap => {
                let stored = store(value, self.cx())?;
                // SAFETY: the slot behind the last element is out of reach.
                unsafe { slots.place(slots.len).write(stored) };
                self.header.move_end_from(tail, false, true);
                Ok(())
            }
            _ => self.push_back_first(value),
        }
    }

    /// Adds an element, at the front or at the back.
    pub(crate) fn push<const FRONT: bool>(&mut self, value: T) -> Result<()> {
        if FRONT { self.push_front(value) } else { self.push_back(value) }
    }

    /// Removes one there.
    pub(crate) fn pop<const FRONT: bool>(&mut self) -> Result<Option<T>> {
        if FRONT { self.pop_front() } else { self.pop_back() }
    }

    /// The slots, if in this transaction they were checked and the words at the ends of the header logged; and those
    /// words.
    #[inline(always)]
    fn known(&self) -> Option<(Slots<T::Stored>, [u64; 2])> {
        let words = self.header.words();
        let ring = Ring::from(words);
        let first = self.cx().known_block(&self.header, ring.offset, ring.cap)?;
        let slots = Slots { first, cap: ring.cap as usize, head: ring.head as usize, len: ring.len as usize };
        Some((slots, [words[2], words[3]]))
    }

    /// The slots, if there are elements, with the words at the ends of the header logged.
    fn for_removing(&self) -> Result<Option<Slots<T::Stored>>> {
        let known = self.known().map(|(slots, _)| slots);
        let slots = known.map_or_else(|| self.checked(), Ok)?;
        if slots.len == 0 {
            return Ok(None);
        }
        if known.is_none() {
            self.keep_ends(&slots)?;
        }
        Ok(Some(slots))
    }

    /// Logs the words at the ends of the header, and remembers the ring, which was checked.
    #[inline(always)]
    fn keep_ends(&self, slots: &Slots<T::Stored>) -> Result<()> {
        let (ring, cx) = (self.header.run(), self.cx());
        self.header.keep_ends(cx)?;
        cx.know_block(&self.header, ring.offset, ring.cap, slots.first);
        Ok(())
    }

    /// A push when the ring has not been checked yet or is full.
    #[inline(never)]
    fn push_back_first(&mut self, value: T) -> Result<()> {
        let (slots, cx) = (self.room(1)?, self.cx());
        self.keep_ends(&slots)?;
        let stored = store(value, cx)?;
        // SAFETY: the slot behind the last element is out of reach.
        unsafe { slots.place(slots.len).write(stored) };
        self.header.move_end(false, true);
        Ok(())
    }

    /// Adds an element at the front.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn push_front(&mut self, value: T) -> Result<()> {
        let (slots, cx) = (self.room(1)?, self.cx());
        self.keep_ends(&slots)?;
        let stored = store(value, cx)?;
        // SAFETY: the slot before the first element is out of reach.
        unsafe { slots.place(usize::MAX).write(stored) };
        self.header.move_end(true, true);
        Ok(())
    }

    /// Removes the first element.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    #[inline]
    pub fn pop_front(&mut self) -> Result<Option<T>> {
        self.pop_again(true).map_or_else(|| self.pop_first(true), Ok)
    }

    /// Removes the last element.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) only if not even the room kept for removals is left.
    #[inline]
    pub fn pop_back(&mut self) -> Result<Option<T>> {
        self.pop_again(false).map_or_else(|| self.pop_first(false), Ok)
    }

    /// Removes an element that owns nothing from an end, if all is logged already that this needs.
    #[inline(always)]
    fn pop_again(&mut self, front: bool) -> Option<Option<T>> {
        let (slots, [head, tail]) = self.known().filter(|_| !T::OWNS)?;
        let Some(last) = slots.len.checked_sub(1) else { return Some(None) };
        let index = if front { 0 } else { last };
        if !self.cx().has_kept(slots.first, slots.slot(index)) {
            return None;
        }
        // SAFETY: below the length there are elements.
        let value = unsafe { T::load(slots.place(index), self.cx()).ok()? };
        self.header.move_end_from(if front { head } else { tail }, front, false);
        Some(Some(value))
    }

    /// Removes an element from an end.
    #[inline(never)]
    fn pop_first(&mut self, front: bool) -> Result<Option<T>> {
        let Some(slots) = self.for_removing()? else { return Ok(None) };
        let value = self.take(&slots, if front { 0 } else { slots.len - 1 })?;
        self.header.move_end(front, false);
        Ok(Some(value))
    }

    /// Loads an element and frees what it owns, logging what gets out of reach. The words at the ends of the header
    /// were logged.
    fn take(&mut self, slots: &Slots<T::Stored>, index: usize) -> Result<T> {
        let cx = self.cx();
        // SAFETY: the caller gives an index below the length, and removes the element if nothing fails.
        unsafe {
            let value = T::load(slots.place(index), cx)?;
            cx.keep_end(slots.first, slots.cap, slots.slot(index))?;
            if T::OWNS {
                cx.atomically(|| drop_elements::<T>(slots, index, 1, cx))?;
            }
            Ok(value)
        }
    }

    /// Inserts an element at an index up to the length. Takes time for the elements before or behind it,
    /// whichever are fewer.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); [`Error::BadArgument`](crate::Error::BadArgument) for an index above the length.
    pub fn insert(&mut self, index: usize, value: T) -> Result<()> {
        below(index, self.checked()?.len + 1)?;
        let (slots, cx) = (self.room(1)?, self.cx());
        let (before, behind) = (index, slots.len - index);
        self.header.keep_ends(cx)?;
        // SAFETY: elements move by one slot into one that is out of reach, after those that get overwritten
        // were logged.
        unsafe {
            if before < behind {
                slots.keep(cx, 0, before)?;
                let stored = store(value, cx)?;
                let head = slots.head.wrapping_sub(1) & slots.mask();
                slots.shift(0, usize::MAX, before);
                slots.first.add((head + index) & slots.mask()).write(stored);
                self.header.put_ends(head, slots.len + 1);
            } else {
                slots.keep(cx, index, behind)?;
                let stored = store(value, cx)?;
                slots.shift(index, index + 1, behind);
                slots.place(index).write(stored);
                self.header.put_len(slots.len + 1);
            }
        }
        Ok(())
    }

    /// Removes the element at an index, if there is one. Takes time for the elements before or behind it,
    /// whichever are fewer.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for those.
    pub fn remove(&mut self, index: usize) -> Result<Option<T>> {
        let slots = self.checked()?;
        if index >= slots.len {
            return Ok(None);
        }
        // SAFETY: below the length there are elements.
        let value = unsafe { T::load(slots.place(index), self.cx())? };
        self.cut_out(slots, index, index + 1)?;
        Ok(Some(value))
    }

    /// Removes the elements `start..end`.
    fn cut_out(&mut self, slots: Slots<T::Stored>, start: usize, end: usize) -> Result<()> {
        let (cx, header) = (self.cx(), &self.header);
        cx.atomically(|| {
            // SAFETY: below the length there are elements; these get out of reach if nothing fails.
            unsafe { drop_elements::<T>(&slots, start, end - start, cx)? };
            header.cut_out(cx, slots, start, end)
        })
    }

    /// Replaces the element at an index.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); [`Error::BadArgument`](crate::Error::BadArgument) for an index that is not below the length.
    pub fn set(&mut self, index: usize, value: T) -> Result<()> {
        let slots = self.checked()?;
        below(index, slots.len)?;
        // SAFETY: below the length, and `self` is borrowed for this alone.
        unsafe { replace_slot(slots.place(index), value, self.cx()) }
    }

    /// Exchanges two elements.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; [`Error::BadArgument`](crate::Error::BadArgument) for an index that is not below
    /// the length.
    pub fn swap(&mut self, a: usize, b: usize) -> Result<()> {
        sequence::swap(self.checked()?, self.cx(), a, b)
    }
}

impl<T: Plain> DequeView<T> {
    /// The elements as two slices, the second behind the first.
    #[inline]
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let slots = self.slots();
        let straight = slots.straight(0, slots.len);
        // SAFETY: values of a plain type, from the head up to the end of the ring and from its beginning on, which
        // nobody changes while `self` is borrowed.
        unsafe {
            let first = std::slice::from_raw_parts(slots.first.add(slots.head), straight);
            (first, std::slice::from_raw_parts(slots.first, slots.len - straight))
        }
    }
}

/// Panics if there is no such element.
impl<T: Plain> Index<usize> for DequeView<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: usize) -> &T {
        match self.get(index) {
            Some(element) => element,
            None => no_such(index, self.len()),
        }
    }
}

/// Logs the element; panics if there is none, or the log has no room for it (`OutOfSpace`).
impl<T: Plain> IndexMut<usize> for DequeView<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        let len = self.len();
        match self.get_mut(index) {
            Some(element) => element,
            None => no_such(index, len),
        }
    }
}

#[cold]
fn no_such(index: usize, len: usize) -> ! {
    panic!("index {index} of a deque of {len} elements")
}

impl<'a, T: Share> IntoIterator for &'a DequeView<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}

impl<'a, T: Share> IntoIterator for &'a mut DequeView<T> {
    type Item = T::Mut<'a>;
    type IntoIter = ElementsMut<'a, T>;
    fn into_iter(self) -> ElementsMut<'a, T> {
        self.iter_mut()
    }
}
