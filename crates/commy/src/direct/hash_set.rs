//! `SharedHashSet`.

use super::FreeListAllocator;
use super::common::{collection, common, counted};
use super::handle::{Handle, must};
use super::home::Kind;
use crate::containers::hash::Elements;
use crate::error::Result;
use crate::schema::{Guarded, Key, Lookup, Registry, Share};
use crate::shared::{ReadGuard, Shared, WriteGuard};
use crate::tx::Cx;
use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

/// A hash set that processes share: a handle of a [`Shared<HashSet<T>>`](Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file). Unions and the like are those of the
/// [guards](SharedHashSet::read).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedHashSet;
/// let mut seen: SharedHashSet<i32> = SharedHashSet::new_in(&allocator);
/// assert!(seen.insert(7));
/// assert!(!seen.insert(7));
/// assert!(seen.contains(&7) && seen.len() == 1);
/// # Ok::<(), commy::Error>(())
/// ```
pub struct SharedHashSet<T: Key + Lookup<T> + Eq + Hash> {
    handle: Handle<HashSet<T>>,
}

common!(SharedHashSet [T: Key + Lookup<T> + Eq + Hash] [T] of HashSet<T>);
counted!(SharedHashSet [T: Key + Lookup<T> + Eq + Hash] [T] as Kind::HashSet);
collection!(SharedHashSet [T: Key + Lookup<T> + Eq + Hash] [T] of HashSet<T>, from T);

impl<T: Key + Lookup<T> + Eq + Hash> SharedHashSet<T> {
    /// Whether it has an element.
    ///
    /// # Panics
    /// As [`len`](SharedHashSet::len).
    #[inline]
    #[track_caller]
    pub fn contains<Q: ?Sized>(&self, element: &Q) -> bool
    where
        T: Lookup<Q>,
    {
        must(self.handle.shared().contains(element))
    }

    /// The element that equals another one, lent.
    pub fn get<Q: ?Sized>(&self, element: &Q) -> Option<T::Ref<'_>>
    where
        T: Lookup<Q>,
    {
        self.lend().get(element)
    }

    /// Puts an element in. Gives whether it was not there.
    ///
    /// # Panics
    /// When [`try_insert`](SharedHashSet::try_insert) gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, element: T) -> bool {
        must(self.try_insert(element))
    }

    /// As [`insert`](SharedHashSet::insert).
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn try_insert(&mut self, element: T) -> Result<bool> {
        self.handle.get()?.insert(element)
    }

    /// Takes an element out. Gives whether it was there.
    ///
    /// # Panics
    /// As [`len`](SharedHashSet::len).
    #[inline]
    #[track_caller]
    pub fn remove<Q: ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Lookup<Q>,
    {
        must(self.handle.shared().remove(element))
    }

    /// Takes an element out and gives it.
    ///
    /// # Panics
    /// As [`len`](SharedHashSet::len).
    #[track_caller]
    pub fn take<Q: ?Sized>(&mut self, element: &Q) -> Option<T>
    where
        T: Lookup<Q>,
    {
        must(self.handle.shared().change(|view| view.take(element)))
    }

    /// Takes all elements out.
    ///
    /// # Panics
    /// As [`len`](SharedHashSet::len).
    #[track_caller]
    pub fn drain(&mut self) -> std::vec::IntoIter<T> {
        must(self.handle.shared().change(|view| view.drain())).into_iter()
    }

    /// Keeps the elements for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](SharedHashSet::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(T::Ref<'_>) -> bool) {
        must(self.handle.shared().change(|view| view.retain(wanted)));
    }

    /// Makes room for so many more elements.
    ///
    /// # Errors
    /// As [`try_insert`](SharedHashSet::try_insert).
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.handle.get()?.change(|view| view.reserve(additional))
    }

    /// Gives back the room that the elements do not need.
    ///
    /// # Errors
    /// As [`try_insert`](SharedHashSet::try_insert).
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.handle.get()?.change(|view| view.shrink_to_fit())
    }

    /// The elements, in no particular order, lent.
    pub fn iter(&self) -> Elements<'_, T> {
        self.lend().iter()
    }
}

impl<'a, T: Key + Lookup<T> + Eq + Hash> IntoIterator for &'a SharedHashSet<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}
