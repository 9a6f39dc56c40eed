//! Iterators over the elements of a vector or deque.
//!
//! Both run over positions; the slot of a position is what is left under the mask: all bits for a vector, as many as
//! the capacity of a deque has for its ring.

use super::lend;
use crate::schema::Share;
use crate::tx::Cx;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Range;

/// The elements of a [`VecView`](super::VecView) or [`DequeView`](crate::views::DequeView), as `T::Ref`.
pub struct Elements<'a, T: Share> {
    first: *const T::Stored,
    mask: usize,
    positions: Range<usize>,
    cx: Cx,
    marker: PhantomData<&'a T>,
}

/// The elements of a [`VecView`](super::VecView) or [`DequeView`](crate::views::DequeView), as `T::Mut`. Panics
/// (`OutOfSpace`) when the log has no room for the one that is to be lent.
pub struct ElementsMut<'a, T: Share> {
    first: *mut T::Stored,
    mask: usize,
    positions: Range<usize>,
    cx: Cx,
    marker: PhantomData<&'a mut T>,
}

impl<'a, T: Share> Elements<'a, T> {
    /// # Safety
    /// The slots of all positions hold elements, which nobody changes during `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(first: *const T::Stored, mask: usize, positions: Range<usize>, cx: Cx) -> Elements<'a, T> {
        Elements { first, mask, positions, cx, marker: PhantomData }
    }

    #[inline(always)]
    fn at(&self, position: usize) -> T::Ref<'a> {
        // SAFETY: the promise made to `new`.
        unsafe { T::view(self.first.add(position & self.mask), self.cx) }
    }
}

impl<'a, T: Share> ElementsMut<'a, T> {
    /// # Safety
    /// The slots of all positions hold elements, which nobody else sees during `'a`; no two positions have the
    /// same slot.
    #[inline(always)]
    pub(crate) unsafe fn new(
        first: *mut T::Stored,
        mask: usize,
        positions: Range<usize>,
        cx: Cx,
    ) -> ElementsMut<'a, T> {
        ElementsMut { first, mask, positions, cx, marker: PhantomData }
    }

    #[inline(always)]
    fn at(&mut self, position: usize) -> T::Mut<'a> {
        // SAFETY: the promise made to `new`; each position is come to once.
        lend(unsafe { T::view_mut(self.first.add(position & self.mask), self.cx) })
    }
}

impl<'a, T: Share> Iterator for Elements<'a, T> {
    type Item = T::Ref<'a>;
    #[inline]
    fn next(&mut self) -> Option<T::Ref<'a>> {
        self.positions.next().map(|position| self.at(position))
    }
    #[inline]
    fn nth(&mut self, n: usize) -> Option<T::Ref<'a>> {
        self.positions.nth(n).map(|position| self.at(position))
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl<'a, T: Share> DoubleEndedIterator for Elements<'a, T> {
    #[inline]
    fn next_back(&mut self) -> Option<T::Ref<'a>> {
        self.positions.next_back().map(|position| self.at(position))
    }
    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<T::Ref<'a>> {
        self.positions.nth_back(n).map(|position| self.at(position))
    }
}

impl<T: Share> ExactSizeIterator for Elements<'_, T> {}
impl<T: Share> FusedIterator for Elements<'_, T> {}

impl<T: Share> Clone for Elements<'_, T> {
    fn clone(&self) -> Self {
        Elements { positions: self.positions.clone(), ..*self }
    }
}

impl<'a, T: Share> Iterator for ElementsMut<'a, T> {
    type Item = T::Mut<'a>;
    #[inline]
    fn next(&mut self) -> Option<T::Mut<'a>> {
        self.positions.next().map(|position| self.at(position))
    }
    #[inline]
    fn nth(&mut self, n: usize) -> Option<T::Mut<'a>> {
        self.positions.nth(n).map(|position| self.at(position))
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl<'a, T: Share> DoubleEndedIterator for ElementsMut<'a, T> {
    #[inline]
    fn next_back(&mut self) -> Option<T::Mut<'a>> {
        self.positions.next_back().map(|position| self.at(position))
    }
}

impl<T: Share> ExactSizeIterator for ElementsMut<'_, T> {}
impl<T: Share> FusedIterator for ElementsMut<'_, T> {}

impl<T: Share> std::fmt::Debug for Elements<'_, T>
where
    for<'b> T::Ref<'b>: std::fmt::Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<T: Share> std::fmt::Debug for ElementsMut<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ElementsMut").field("left", &self.positions.len()).finish_non_exhaustive()
    }
}
