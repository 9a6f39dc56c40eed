//! `SharedHashMap`.

use super::container::Container;
use super::handle::must;
use super::map::OfMap;
use crate::containers::hash::{HashMapView, Keys, Values};
use crate::schema::{Key, Lookup, Share};
use std::collections::HashMap;
use std::hash::Hash;

/// A hash map that processes share: a handle of a [`Shared<HashMap<K, V>>`](crate::Shared).
///
/// Methods that change it lock it and commit by themselves; those that lend references have to keep to
/// [what is promised](crate::FreeListAllocator#what-is-promised-by-mapping-the-file). A `String` is lent as `&str`; to change it
/// in place use [`write`](SharedHashMap::write).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedHashMap;
/// let mut names: SharedHashMap<i32, String> = SharedHashMap::new_in(&allocator);
/// names.insert(7, "Ada".to_string());
/// assert_eq!(names.get(&7), Some("Ada"));
/// names.write()?.get_mut(&7).unwrap().push_str(" Lovelace")?;
/// for (number, name) in &names {
///     println!("{number}: {name}");
/// }
/// assert_eq!(names.remove(&7).as_deref(), Some("Ada Lovelace"));
/// # Ok::<(), commy::Error>(())
/// ```
pub type SharedHashMap<K, V> = Container<OfMap<HashMap<K, V>>>;

impl<K: Key + Lookup<K> + Eq + Hash, V: Share> SharedHashMap<K, V> {
    /// Takes all entries out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn drain(&mut self) -> std::vec::IntoIter<(K, V)> {
        must(self.change(|view| view.drain())).into_iter()
    }

    /// The keys, lent.
    pub fn keys(&self) -> Keys<'_, K, V> {
        self.lend().keys()
    }

    /// The values, lent.
    pub fn values(&self) -> Values<'_, K, V> {
        self.lend().values()
    }
}

/// So that one is compared with another.
impl<K: Key + Lookup<K> + Eq + Hash, V: Share> PartialEq<SharedHashMap<K, V>> for HashMapView<K, V>
where
    HashMapView<K, V>: PartialEq,
{
    #[track_caller]
    fn eq(&self, other: &SharedHashMap<K, V>) -> bool {
        *self == *must(other.read())
    }
}
