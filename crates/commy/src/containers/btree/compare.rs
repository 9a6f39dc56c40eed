//! Maps and sets: comparison with others and with those of std.

use super::map::BTreeMapView;
use super::set::BTreeSetView;
use crate::schema::{Key, Lookup, Share};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

impl<K: Key, V: Share> fmt::Debug for BTreeMapView<K, V>
where
    for<'a> K::Ref<'a>: fmt::Debug,
    for<'a> V::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Key, V: Share> PartialEq for BTreeMapView<K, V>
where
    for<'a, 'b> K::Ref<'a>: PartialEq<K::Ref<'b>>,
    for<'a, 'b> V::Ref<'a>: PartialEq<V::Ref<'b>>,
{
    fn eq(&self, other: &BTreeMapView<K, V>) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(a, b)| a.0 == b.0 && a.1 == b.1)
    }
}

impl<K: Key, V: Share> Eq for BTreeMapView<K, V>
where
    for<'a, 'b> K::Ref<'a>: PartialEq<K::Ref<'b>> + Eq,
    for<'a, 'b> V::Ref<'a>: PartialEq<V::Ref<'b>> + Eq,
{
}

impl<K: Key + Lookup<K>, V: Share> PartialEq<BTreeMap<K, V>> for BTreeMapView<K, V>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<&'b V>,
{
    fn eq(&self, other: &BTreeMap<K, V>) -> bool {
        self.len() == other.len() && other.iter().all(|(key, value)| self.get(key).is_some_and(|own| own == value))
    }
}

impl<K: Key + Lookup<K>, V: Share> PartialEq<BTreeMapView<K, V>> for BTreeMap<K, V>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<&'b V>,
{
    fn eq(&self, other: &BTreeMapView<K, V>) -> bool {
        other == self
    }
}

impl<K: Key, V: Share> PartialOrd for BTreeMapView<K, V>
where
    for<'a, 'b> K::Ref<'a>: PartialOrd<K::Ref<'b>>,
    for<'a, 'b> V::Ref<'a>: PartialOrd<V::Ref<'b>>,
{
    fn partial_cmp(&self, other: &BTreeMapView<K, V>) -> Option<Ordering> {
        let entry = |(a, b): ((K::Ref<'_>, V::Ref<'_>), (K::Ref<'_>, V::Ref<'_>))| match a.0.partial_cmp(&b.0) {
            Some(Ordering::Equal) => a.1.partial_cmp(&b.1),
            order => order,
        };
        let different = self.iter().zip(other).map(entry).find(|order| *order != Some(Ordering::Equal));
        different.unwrap_or_else(|| Some(self.len().cmp(&other.len())))
    }
}

impl<T: Key> fmt::Debug for BTreeSetView<T>
where
    for<'a> T::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Key + Lookup<T>> PartialEq for BTreeSetView<T> {
    fn eq(&self, other: &BTreeSetView<T>) -> bool {
        self.len() == other.len() && self.is_subset(other)
    }
}

impl<T: Key + Lookup<T>> Eq for BTreeSetView<T> {}

impl<T: Key + Lookup<T>> PartialEq<BTreeSet<T>> for BTreeSetView<T> {
    fn eq(&self, other: &BTreeSet<T>) -> bool {
        self.len() == other.len() && other.iter().all(|element| self.contains(element))
    }
}

impl<T: Key + Lookup<T>> PartialEq<BTreeSetView<T>> for BTreeSet<T> {
    fn eq(&self, other: &BTreeSetView<T>) -> bool {
        other == self
    }
}

impl<T: Key + Lookup<T>> PartialOrd for BTreeSetView<T> {
    fn partial_cmp(&self, other: &BTreeSetView<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By their elements in order, then their number, as std does.
impl<T: Key + Lookup<T>> Ord for BTreeSetView<T> {
    fn cmp(&self, other: &BTreeSetView<T>) -> Ordering {
        self.order(other)
    }
}
