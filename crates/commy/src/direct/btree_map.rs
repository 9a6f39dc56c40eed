//! `SharedBTreeMap`.

use super::container::Container;
use super::handle::must;
use super::map::OfMap;
use crate::containers::btree::{BTreeMapView, Range};
use crate::schema::{Key, Lookup, Share};
use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// An ordered map that processes share: a handle of a [`Shared<BTreeMap<K, V>>`](crate::Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](crate::FreeListAllocator#what-is-promised-by-mapping-the-file). A `String` is lent as `&str`; to change it
/// in place use [`write`](SharedBTreeMap::write).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedBTreeMap;
/// let mut names: SharedBTreeMap<i32, String> = SharedBTreeMap::new_in(&allocator);
/// names.insert(7, "Ada".to_string());
/// assert_eq!(names.get(&7), Some("Ada"));
/// names.write()?.get_mut(&7).unwrap().push_str(" Lovelace")?;
/// for (number, name) in &names {
///     println!("{number}: {name}");
/// }
/// assert_eq!(names.remove(&7).as_deref(), Some("Ada Lovelace"));
/// # Ok::<(), commy::Error>(())
/// ```
pub type SharedBTreeMap<K, V> = Container<OfMap<BTreeMap<K, V>>>;

impl<K: Key + Lookup<K> + Ord, V: Share> SharedBTreeMap<K, V> {
    /// The keys in order, lent.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K::Ref<'_>> + ExactSizeIterator + Clone {
        self.lend().keys()
    }

    /// The values in the order of their keys, lent.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = V::Ref<'_>> + ExactSizeIterator + Clone {
        self.lend().values()
    }

    /// The entries whose keys are in a range, in order, lent.
    pub fn range<Q: ?Sized, R: RangeBounds<Q>>(&self, range: R) -> Range<'_, K, V>
    where
        K: Lookup<Q>,
    {
        self.lend().range(range)
    }

    /// The first entry, lent.
    pub fn first_key_value(&self) -> Option<(K::Ref<'_>, V::Ref<'_>)> {
        self.lend().first_key_value()
    }

    /// The last entry, lent.
    pub fn last_key_value(&self) -> Option<(K::Ref<'_>, V::Ref<'_>)> {
        self.lend().last_key_value()
    }

    /// Takes the first entry out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        must(self.handle.shared().pop_first())
    }

    /// Takes the last entry out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        must(self.handle.shared().pop_last())
    }

    /// Takes the entries from a key on out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn split_off<Q: ?Sized>(&mut self, key: &Q) -> BTreeMap<K, V>
    where
        K: Lookup<Q>,
    {
        must(self.change(|view| view.split_off(key)))
    }
}

/// So that one is compared with another.
impl<K: Key + Lookup<K> + Ord, V: Share> PartialEq<SharedBTreeMap<K, V>> for BTreeMapView<K, V>
where
    BTreeMapView<K, V>: PartialEq,
{
    #[track_caller]
    fn eq(&self, other: &SharedBTreeMap<K, V>) -> bool {
        *self == *must(other.read())
    }
}
