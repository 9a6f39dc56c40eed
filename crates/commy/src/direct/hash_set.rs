//! `SharedHashSet`.

use super::container::Container;
use super::handle::must;
use super::set::OfSet;
use crate::containers::hash::HashSetView;
use crate::schema::{Key, Lookup};
use std::collections::HashSet;
use std::hash::Hash;

/// A hash set that processes share: a handle of a [`Shared<HashSet<T>>`](crate::Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](crate::FreeListAllocator#what-is-promised-by-mapping-the-file). Unions and the like are those of the
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
pub type SharedHashSet<T> = Container<OfSet<HashSet<T>>>;

impl<T: Key + Lookup<T> + Eq + Hash> SharedHashSet<T> {
    /// Takes all elements out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn drain(&mut self) -> std::vec::IntoIter<T> {
        must(self.change(|view| view.drain())).into_iter()
    }
}

/// So that one is compared with another.
impl<T: Key + Lookup<T> + Eq + Hash> PartialEq<SharedHashSet<T>> for HashSetView<T>
where
    HashSetView<T>: PartialEq,
{
    #[track_caller]
    fn eq(&self, other: &SharedHashSet<T>) -> bool {
        *self == *must(other.read())
    }
}
