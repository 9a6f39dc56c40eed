//! What the two maps have in common: values by key.

use super::collection::Collection;
use super::container::{Container, Content, Counted};
use super::handle::must;
use super::home::Kind;
use super::traits::{Many, Map};
use crate::error::Result;
use crate::schema::{Lookup, Plain, Share};
use std::ops::Index;

/// Says that a [`Container`] is a map: one of these types of std.
pub struct OfMap<M>(M);

impl<M: Map> Content for OfMap<M> {
    type Value = M;
}

impl<M: Map> Counted for OfMap<M> {
    const KIND: Kind = <M as Many>::KIND;
}

impl<M: Map> Collection for OfMap<M> {}

impl<M: Map> Container<OfMap<M>> {
    /// The value of a key, lent.
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<<M::Value as Share>::Ref<'_>>
    where
        M::Key: Lookup<Q>,
    {
        M::get(self.lend(), key)
    }

    /// A copy of the value of a key.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub fn load_value<Q: ?Sized>(&self, key: &Q) -> Result<Option<M::Value>>
    where
        M::Key: Lookup<Q>,
    {
        M::load_value(self.handle.get()?, key)
    }

    /// Whether there is an entry of that key.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> bool
    where
        M::Key: Lookup<Q>,
    {
        must(M::contains_key(self.handle.shared(), key))
    }

    /// Puts an entry in. Gives the value that the key had.
    ///
    /// # Panics
    /// When `try_insert` gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, key: M::Key, value: M::Value) -> Option<M::Value> {
        must(self.try_insert(key, value))
    }

    /// As `insert`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn try_insert(&mut self, key: M::Key, value: M::Value) -> Result<Option<M::Value>> {
        M::insert(self.handle.get()?, key, value)
    }

    /// Takes an entry out. Gives its value.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn remove<Q: ?Sized>(&mut self, key: &Q) -> Option<M::Value>
    where
        M::Key: Lookup<Q>,
    {
        must(M::remove(self.handle.shared(), key))
    }

    /// Takes an entry out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn remove_entry<Q: ?Sized>(&mut self, key: &Q) -> Option<(M::Key, M::Value)>
    where
        M::Key: Lookup<Q>,
    {
        must(self.change(|view| M::remove_entry(view, key)))
    }

    /// Keeps the entries for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(<M::Key as Share>::Ref<'_>, <M::Value as Share>::Mut<'_>) -> bool) {
        must(self.change(|view| M::retain(view, wanted)));
    }

    /// The entries, lent: of a hash map in no particular order, of the other in that of the keys.
    pub fn iter(&self) -> M::Iter<'_> {
        M::iter(self.lend())
    }
}

impl<M: Map<Value: Plain>> Container<OfMap<M>> {
    /// The value of a key, lent for assigning to it. For values that are not plain use [`write`](Self::write).
    #[inline]
    pub fn get_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut M::Value>
    where
        M::Key: Lookup<Q>,
    {
        let found = self.get(key).map(std::ptr::from_ref);
        // SAFETY: by what was promised for as long as it is lent.
        unsafe { self.handle.lend_mut(found) }
    }

    /// The entries, the values lent for assigning to them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (<M::Key as Share>::Ref<'_>, &mut M::Value)> {
        let shared = self.handle.shared();
        shared.count_lending();
        // SAFETY: as in `get_mut`; each value is lent once.
        self.iter().map(|(key, value)| unsafe { (key, &mut *shared.writable(value)) })
    }

    /// The values, lent for assigning to them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut M::Value> {
        self.iter_mut().map(|(_, value)| value)
    }
}

impl<M: Map<Key: Lookup<Q>, Value: Plain>, Q: ?Sized> Index<&Q> for Container<OfMap<M>> {
    type Output = M::Value;
    #[track_caller]
    fn index(&self, key: &Q) -> &M::Value {
        self.get(key).expect("there is no such key")
    }
}

impl<'a, M: Map> IntoIterator for &'a Container<OfMap<M>> {
    type Item = (<M::Key as Share>::Ref<'a>, <M::Value as Share>::Ref<'a>);
    type IntoIter = M::Iter<'a>;
    fn into_iter(self) -> M::Iter<'a> {
        self.iter()
    }
}

/// Panics when the file is full; [`try_extend`](Container::try_extend) gives the error.
impl<M: Map> Extend<M::Item> for Container<OfMap<M>> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = M::Item>>(&mut self, items: I) {
        must(self.try_extend(items));
    }
}
