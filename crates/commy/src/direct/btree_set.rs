//! `SharedBTreeSet`.

use super::container::Container;
use super::handle::must;
use super::set::OfSet;
use crate::containers::btree::BTreeSetView;
use crate::schema::{Key, Lookup};
use std::collections::BTreeSet;
use std::ops::RangeBounds;

/// An ordered set that processes share: a handle of a [`Shared<BTreeSet<T>>`](crate::Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](crate::FreeListAllocator#what-is-promised-by-mapping-the-file). Unions and the like are those of the
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
pub type SharedBTreeSet<T> = Container<OfSet<BTreeSet<T>>>;

impl<T: Key + Lookup<T> + Ord> SharedBTreeSet<T> {
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
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn pop_first(&mut self) -> Option<T> {
        must(self.handle.shared().pop_first())
    }

    /// Takes the last element out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn pop_last(&mut self) -> Option<T> {
        must(self.handle.shared().pop_last())
    }

    /// Takes the elements from one on out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn split_off<Q: ?Sized>(&mut self, element: &Q) -> BTreeSet<T>
    where
        T: Lookup<Q>,
    {
        must(self.change(|view| view.split_off(element)))
    }
}

/// So that one is compared with another.
impl<T: Key + Lookup<T> + Ord> PartialEq<SharedBTreeSet<T>> for BTreeSetView<T>
where
    BTreeSetView<T>: PartialEq,
{
    #[track_caller]
    fn eq(&self, other: &SharedBTreeSet<T>) -> bool {
        *self == *must(other.read())
    }
}
