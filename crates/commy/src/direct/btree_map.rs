//! `SharedBTreeMap`.

use super::FreeListAllocator;
use super::common::{collection, common, counted};
use super::handle::{Handle, must};
use super::home::Kind;
use crate::containers::btree::{Iter, Range};
use crate::error::Result;
use crate::schema::{Guarded, Key, Lookup, Plain, Registry, Share};
use crate::shared::{ReadGuard, Shared, WriteGuard};
use crate::tx::Cx;
use std::collections::BTreeMap;
use std::ops::{Index, RangeBounds};
use std::time::Duration;

/// An ordered map that processes share: a handle of a [`Shared<BTreeMap<K, V>>`](Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file). A `String` is lent as `&str`; to change it
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
pub struct SharedBTreeMap<K: Key + Lookup<K> + Ord, V: Share> {
    pub(super) handle: Handle<BTreeMap<K, V>>,
}

common!(SharedBTreeMap [K: Key + Lookup<K> + Ord, V: Share] [K, V] of BTreeMap<K, V>);
counted!(SharedBTreeMap [K: Key + Lookup<K> + Ord, V: Share] [K, V] as Kind::BTreeMap);
collection!(SharedBTreeMap [K: Key + Lookup<K> + Ord, V: Share] [K, V] of BTreeMap<K, V>, from (K, V));

impl<K: Key + Lookup<K> + Ord, V: Share> SharedBTreeMap<K, V> {
    /// The value of a key, lent.
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<V::Ref<'_>>
    where
        K: Lookup<Q>,
    {
        self.lend().get(key)
    }

    /// A copy of the value of a key.
    ///
    /// # Errors
    /// As [`Shared::read`].
    #[inline]
    pub fn load_value<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        self.handle.get()?.get(key)
    }

    /// Whether there is an entry of that key.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeMap::len).
    #[inline]
    #[track_caller]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        must(self.handle.shared().contains_key(key))
    }

    /// Puts an entry in. Gives the value that the key had.
    ///
    /// # Panics
    /// When [`try_insert`](SharedBTreeMap::try_insert) gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        must(self.try_insert(key, value))
    }

    /// As [`insert`](SharedBTreeMap::insert).
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn try_insert(&mut self, key: K, value: V) -> Result<Option<V>> {
        self.handle.get()?.insert(key, value)
    }

    /// Takes an entry out. Gives its value.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeMap::len).
    #[inline]
    #[track_caller]
    pub fn remove<Q: ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Lookup<Q>,
    {
        must(self.handle.shared().remove(key))
    }

    /// Takes an entry out.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeMap::len).
    #[track_caller]
    pub fn remove_entry<Q: ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Lookup<Q>,
    {
        must(self.handle.shared().change(|view| view.remove_entry(key)))
    }

    /// Keeps the entries for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeMap::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(K::Ref<'_>, V::Mut<'_>) -> bool) {
        must(self.handle.shared().change(|view| view.retain(wanted)));
    }

    /// The entries in the order of their keys, lent.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.lend().iter()
    }

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
    /// As [`len`](SharedBTreeMap::len).
    #[track_caller]
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        must(self.handle.shared().pop_first())
    }

    /// Takes the last entry out.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeMap::len).
    #[track_caller]
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        must(self.handle.shared().pop_last())
    }

    /// Takes the entries from a key on out.
    ///
    /// # Panics
    /// As [`len`](SharedBTreeMap::len).
    #[track_caller]
    pub fn split_off<Q: ?Sized>(&mut self, key: &Q) -> BTreeMap<K, V>
    where
        K: Lookup<Q>,
    {
        must(self.handle.shared().change(|view| view.split_off(key)))
    }
}

impl<K: Key + Lookup<K> + Ord, V: Plain> SharedBTreeMap<K, V> {
    /// The value of a key, lent for assigning to it. For values that are not plain use [`write`](SharedBTreeMap::write).
    #[inline]
    pub fn get_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Lookup<Q>,
    {
        let found = self.get(key).map(std::ptr::from_ref);
        // SAFETY: by what was promised for as long as it is lent.
        unsafe { self.handle.lend_mut(found) }
    }

    /// The entries, the values lent for assigning to them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K::Ref<'_>, &mut V)> {
        let shared = self.handle.shared();
        shared.count_lending();
        // SAFETY: as in `get_mut`; each value is lent once.
        self.iter().map(|(key, value)| unsafe { (key, &mut *shared.writable(value)) })
    }

    /// The values, lent for assigning to them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }
}

impl<K: Key + Lookup<K> + Ord + Lookup<Q>, V: Plain, Q: ?Sized> Index<&Q> for SharedBTreeMap<K, V> {
    type Output = V;
    #[track_caller]
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("there is no such key")
    }
}

impl<'a, K: Key + Lookup<K> + Ord, V: Share> IntoIterator for &'a SharedBTreeMap<K, V> {
    type Item = (K::Ref<'a>, V::Ref<'a>);
    type IntoIter = Iter<'a, K, V>;
    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}
