//! What vectors and queues have in common: elements by index.

use super::collection::Collection;
use super::container::{Container, Content, Counted};
use super::handle::must;
use super::home::Kind;
use super::traits::{Many, Sequence};
use crate::containers::Elements;
use crate::error::Result;
use crate::schema::Share;
use std::ops::RangeBounds;

impl<S: Sequence> Content for S {
    type Value = S;
}

impl<S: Sequence> Counted for S {
    const KIND: Kind = <S as Many>::KIND;
}

impl<S: Sequence> Collection for S {}

impl<S: Sequence> Container<S> {
    /// The element at an index, lent.
    #[inline]
    pub fn get(&self, index: usize) -> Option<<S::Element as Share>::Ref<'_>> {
        S::get(self.lend(), index)
    }

    /// A copy of the element at an index.
    ///
    /// # Errors
    /// As [`Shared::read`](crate::Shared::read).
    #[inline]
    pub fn load_at(&self, index: usize) -> Result<Option<S::Element>> {
        S::load_at(self.handle.get()?, index)
    }

    /// The elements in order, lent.
    #[inline]
    pub fn iter(&self) -> Elements<'_, S::Element> {
        S::iter(self.lend())
    }

    /// Whether there is an element that equals `value`.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn contains<Q: ?Sized>(&self, value: &Q) -> bool
    where
        for<'a, 'b> <S::Element as Share>::Ref<'a>: PartialEq<&'b Q>,
    {
        let guard = must(self.read());
        S::iter(&guard).any(|element| element == value)
    }

    /// Exchanges two elements.
    ///
    /// # Panics
    /// If there are none of these, and as [`len`](Self::len).
    #[track_caller]
    pub fn swap(&mut self, a: usize, b: usize) {
        must(self.change(|view| S::swap(view, a, b)));
    }

    /// Removes the elements from `len` on.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn truncate(&mut self, len: usize) {
        must(self.change(|view| S::truncate(view, len)));
    }

    /// Takes the elements of a range out.
    ///
    /// # Panics
    /// If the range is not within the length, and as [`len`](Self::len).
    #[track_caller]
    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> std::vec::IntoIter<S::Element> {
        must(self.change(|view| S::drain(view, range))).into_iter()
    }

    /// Keeps the elements for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(<S::Element as Share>::Ref<'_>) -> bool) {
        must(self.change(|view| S::retain(view, wanted)));
    }
}

impl<'a, S: Sequence> IntoIterator for &'a Container<S> {
    type Item = <S::Element as Share>::Ref<'a>;
    type IntoIter = Elements<'a, S::Element>;
    fn into_iter(self) -> Elements<'a, S::Element> {
        self.iter()
    }
}
