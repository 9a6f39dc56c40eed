//! One-operation forms of maps.

use super::is_small;
use crate::error::Result;
use crate::schema::{Key, Lookup, Share};
use crate::shared::Shared;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

impl<K: Key + Lookup<K> + Eq + Hash, V: Share> Shared<HashMap<K, V>> {
    /// How many entries there are.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.peek(|view| Ok(view.len()))
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A copy of the value of a key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        if is_small::<V>() { self.peek(|view| view.load_value(key)) } else { self.survey(|view| view.load_value(key)) }
    }

    /// Whether there is an entry of that key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> Result<bool>
    where
        K: Lookup<Q>,
    {
        self.peek(|view| Ok(view.has_key_unlocked(key)))
    }

    /// Puts an entry in. Gives the value that the key had.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>> {
        self.change(|view| view.insert(key, value))
    }

    /// Takes an entry out. Gives its value.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn remove<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        self.change(|view| view.remove(key))
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// As [`insert`](Shared::insert).
    pub fn extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        self.change(|view| view.extend(entries))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|view| view.clear())
    }
}

impl<K: Key + Lookup<K> + Ord, V: Share> Shared<BTreeMap<K, V>> {
    /// How many entries there are.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.peek(|view| Ok(view.len()))
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A copy of the value of a key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        if is_small::<V>() { self.peek(|view| view.load_value(key)) } else { self.survey(|view| view.load_value(key)) }
    }

    /// Whether there is an entry of that key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> Result<bool>
    where
        K: Lookup<Q>,
    {
        self.peek(|view| Ok(view.has_key_unlocked(key)))
    }

    /// Puts an entry in. Gives the value that the key had.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>> {
        self.change(|view| view.insert(key, value))
    }

    /// Takes an entry out. Gives its value.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn remove<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        self.change(|view| view.remove(key))
    }

    /// A copy of the first entry, of the smallest key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn first_key_value(&self) -> Result<Option<(K, V)>> {
        self.survey(|view| view.load_edge(false))
    }

    /// A copy of the last entry, of the greatest key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn last_key_value(&self) -> Result<Option<(K, V)>> {
        self.survey(|view| view.load_edge(true))
    }

    /// Takes the first entry out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_first(&self) -> Result<Option<(K, V)>> {
        self.change(|view| view.pop_first())
    }

    /// Takes the last entry out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_last(&self) -> Result<Option<(K, V)>> {
        self.change(|view| view.pop_last())
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// As [`insert`](Shared::insert).
    pub fn extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        self.change(|view| view.extend(entries))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|view| view.clear())
    }
}
