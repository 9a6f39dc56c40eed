//! Maps: comparison with others and with those of std.

use super::map::HashMapView;
use super::raw::Slot;
use crate::schema::{Key, Lookup, Share};
use std::collections::HashMap;
use std::hash::BuildHasher;

impl<K: Key, V: Share> std::fmt::Debug for HashMapView<K, V>
where
    for<'a> K::Ref<'a>: std::fmt::Debug,
    for<'a> V::Ref<'a>: std::fmt::Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Key + Lookup<K>, V: Share> PartialEq for HashMapView<K, V>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<V::Ref<'b>>,
{
    fn eq(&self, other: &HashMapView<K, V>) -> bool {
        let (own, theirs) = (self.raw(), other.raw());
        // SAFETY: full slots hold stored keys and values, which do not change meanwhile.
        let equal = |slot: *mut Slot<K, V>| unsafe {
            let Some(found) = theirs.find_stored(own.key(slot), own.cx) else { return false };
            V::view(&raw const (*slot).value, own.cx) == V::view(&raw const (*found).value, theirs.cx)
        };
        own.len() == theirs.len() && own.slots().all(equal)
    }
}

impl<K: Key + Lookup<K>, V: Share> Eq for HashMapView<K, V> where for<'a, 'b> V::Ref<'a>: PartialEq<V::Ref<'b>> + Eq {}

impl<K: Key + Lookup<K>, V: Share, S: BuildHasher> PartialEq<HashMap<K, V, S>> for HashMapView<K, V>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<&'b V>,
{
    fn eq(&self, other: &HashMap<K, V, S>) -> bool {
        self.len() == other.len() && other.iter().all(|(key, value)| self.get(key).is_some_and(|own| own == value))
    }
}

impl<K: Key + Lookup<K>, V: Share, S: BuildHasher> PartialEq<HashMapView<K, V>> for HashMap<K, V, S>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<&'b V>,
{
    fn eq(&self, other: &HashMapView<K, V>) -> bool {
        other == self
    }
}
