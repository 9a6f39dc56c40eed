//! What the two sets have in common.

use super::collection::Collection;
use super::container::{Container, Content, Counted};
use super::handle::must;
use super::home::Kind;
use super::traits::{Many, Set};
use crate::error::Result;
use crate::schema::{Lookup, Share};

/// Says that a [`Container`] is a set: one of these types of std.
pub struct OfSet<S>(S);

impl<S: Set> Content for OfSet<S> {
    type Value = S;
}

impl<S: Set> Counted for OfSet<S> {
    const KIND: Kind = <S as Many>::KIND;
}

impl<S: Set> Collection for OfSet<S> {}

impl<S: Set> Container<OfSet<S>> {
    /// Whether it has an element.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn contains<Q: ?Sized>(&self, element: &Q) -> bool
    where
        S::Element: Lookup<Q>,
    {
        must(S::contains(self.handle.shared(), element))
    }

    /// The element that equals another one, lent.
    pub fn get<Q: ?Sized>(&self, element: &Q) -> Option<<S::Element as Share>::Ref<'_>>
    where
        S::Element: Lookup<Q>,
    {
        S::get(self.lend(), element)
    }

    /// Puts an element in. Gives whether it was not there.
    ///
    /// # Panics
    /// When `try_insert` gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, element: S::Element) -> bool {
        must(self.try_insert(element))
    }

    /// As `insert`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn try_insert(&mut self, element: S::Element) -> Result<bool> {
        S::insert(self.handle.get()?, element)
    }

    /// Takes an element out. Gives whether it was there.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn remove<Q: ?Sized>(&mut self, element: &Q) -> bool
    where
        S::Element: Lookup<Q>,
    {
        must(S::remove(self.handle.shared(), element))
    }

    /// Takes an element out and gives it.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn take<Q: ?Sized>(&mut self, element: &Q) -> Option<S::Element>
    where
        S::Element: Lookup<Q>,
    {
        must(self.change(|view| S::take(view, element)))
    }

    /// Keeps the elements for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(<S::Element as Share>::Ref<'_>) -> bool) {
        must(self.change(|view| S::retain(view, wanted)));
    }

    /// The elements, lent: of a hash set in no particular order, of the other in theirs.
    pub fn iter(&self) -> S::Iter<'_> {
        S::iter(self.lend())
    }
}

impl<'a, S: Set> IntoIterator for &'a Container<OfSet<S>> {
    type Item = <S::Element as Share>::Ref<'a>;
    type IntoIter = S::Iter<'a>;
    fn into_iter(self) -> S::Iter<'a> {
        self.iter()
    }
}

/// Panics when the file is full; [`try_extend`](Container::try_extend) gives the error.
impl<S: Set> Extend<S::Item> for Container<OfSet<S>> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = S::Item>>(&mut self, items: I) {
        must(self.try_extend(items));
    }
}
