//! `SharedBTreeSet`.

use super::FreeListAllocator;
use super::common::{collection, common, counted};
use super::handle::{Handle, must};
use super::home::Kind;
use crate::containers::btree::Elements;
use crate::error::Result;
use crate::schema::{Guarded, Key, Lookup, Registry, Share};
use crate::shared::{ReadGuard, Shared, WriteGuard};
use crate::tx::Cx;
use std::collections::BTreeSet;
use std::ops::RangeBounds;
use std::time::Duration;

/// An ordered set that processes share: a handle of a [`Shared<BTreeSet<T>>`](Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file). Unions and the like are those of the
/// [guards](SharedBTreeSet::read).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedBTreeSet;
/// let mut seen: SharedBTreeSet<i32> = SharedBTreeSet::new_in(&allocator);
/// assert!(seen.insert(7));
/// assert!(!seen.insert(7));
/// assert!(seen.contains(&7) && seen.len() == 1);
/// # Ok::<(), commy::Error>(())
/// ```
pub struct SharedBTreeSet<T: Key + Lookup<T> + Ord> {
    handle: Handle<BTreeSet<T>>,
}

common!(SharedBTreeSet [T: Key + Lookup<T> + Ord] [T] of BTreeSet<T>);
counted!(SharedBTreeSet [T: Key + Lookup<T> + Ord] [T] as Kind::BTreeSet);
collection!(SharedBTreeSet [T: Key + Lookup<T> + Ord] [T] of BTreeSet<T>, from T);

impl<T: Key + Lookup<T> + Ord> SharedBTreeSet<T> {
    /// Whether it has an element.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeSet::len).
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
    /// When [`try_insert`](SharedBTreeSet::try_insert) gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, element: T) -> bool {
        must(self.try_insert(element))
    }

    /// As [`insert`](SharedBTreeSet::insert).
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
    /// As [`len`](SharedBTreeSet::len).
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
    /// As [`len`](SharedBTreeSet::len).
    #[track_caller]
    pub fn take<Q: ?Sized>(&mut self, element: &Q) -> Option<T>
    where
        T: Lookup<Q>,
    {
        must(self.handle.shared().change(|view| view.take(element)))
    }

    /// Keeps the elements for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeSet::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(T::Ref<'_>) -> bool) {
        must(self.handle.shared().change(|view| view.retain(wanted)));
    }

    /// The elements in order, lent.
    pub fn iter(&self) -> Elements<'_, T> {
        self.lend().iter()
    }

    /// The elements in a range, in order, lent.
    pub fn range<Q: ?Sized, R: RangeBounds<Q>>(
        &self,
        range: R,
    ) -> impl DoubleEndedIterator<Item = T::Ref<'_>> + Clone + use<'_, T, Q, R>
    where
        T: Lookup<Q>,
    {
        self.lend().range(range)
    }

    /// The first element, lent.
    pub fn first(&self) -> Option<T::Ref<'_>> {
        self.lend().first()
    }

    /// The last element, lent.
    pub fn last(&self) -> Option<T::Ref<'_>> {
        self.lend().last()
    }

    /// Takes the first element out.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeSet::len).
    #[track_caller]
    pub fn pop_first(&mut self) -> Option<T> {
        must(self.handle.shared().pop_first())
    }

    /// Takes the last element out.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeSet::len).
    #[track_caller]
    pub fn pop_last(&mut self) -> Option<T> {
        must(self.handle.shared().pop_last())
    }

    /// Takes the elements from one on out.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeSet::len).
    #[track_caller]
    pub fn split_off<Q: ?Sized>(&mut self, element: &Q) -> BTreeSet<T>
    where
        T: Lookup<Q>,
    {
        must(self.handle.shared().change(|view| view.split_off(element)))
    }
}

impl<'a, T: Key + Lookup<T> + Ord> IntoIterator for &'a SharedBTreeSet<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}
