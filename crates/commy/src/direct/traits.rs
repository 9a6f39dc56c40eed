//! What handles and views of several types have under the same names, as traits, so that containers of them have it
//! once. Each is a method of the handle ([`Shared`]) or of the view; nothing is done here.

use super::home::Kind;
use crate::containers::{Elements, btree, hash};
use crate::error::Result;
use crate::schema::{Guarded, Key, Lookup, Share};
use crate::shared::Shared;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::ops::RangeBounds;

/// What has a length.
pub trait Lengthy: Guarded + Default {
    fn len(shared: &Shared<Self>) -> Result<usize>;
    fn clear(shared: &Shared<Self>) -> Result<()>;
}

/// What takes memory ahead of need.
pub trait Roomy: Lengthy {
    fn capacity(view: &Self::Target) -> usize;
    fn reserve(view: &mut Self::Target, additional: usize) -> Result<()>;
    fn shrink_to_fit(view: &mut Self::Target) -> Result<()>;
}

/// What is made of elements.
pub trait Many: Lengthy + IntoIterator + FromIterator<<Self as IntoIterator>::Item> {
    /// Of which kind its containers are.
    const KIND: Kind;
    fn extend(shared: &Shared<Self>, items: impl IntoIterator<Item = Self::Item>) -> Result<()>;
}

/// Vectors and queues.
pub trait Sequence: Many + Roomy {
    type Element: Share;
    fn get(view: &Self::Target, index: usize) -> Option<<Self::Element as Share>::Ref<'_>>;
    fn load_at(shared: &Shared<Self>, index: usize) -> Result<Option<Self::Element>>;
    fn iter(view: &Self::Target) -> Elements<'_, Self::Element>;
    fn swap(view: &mut Self::Target, a: usize, b: usize) -> Result<()>;
    fn truncate(view: &mut Self::Target, len: usize) -> Result<()>;
    fn drain(view: &mut Self::Target, range: impl RangeBounds<usize>) -> Result<Vec<Self::Element>>;
    fn retain(view: &mut Self::Target, wanted: impl FnMut(<Self::Element as Share>::Ref<'_>) -> bool) -> Result<()>;
}

/// Maps.
pub trait Map: Many {
    type Key: Key + Lookup<Self::Key>;
    type Value: Share;
    type Iter<'a>: Iterator<Item = (<Self::Key as Share>::Ref<'a>, <Self::Value as Share>::Ref<'a>)>;
    fn get<'a, Q: ?Sized>(view: &'a Self::Target, key: &Q) -> Option<<Self::Value as Share>::Ref<'a>>
    where
        Self::Key: Lookup<Q>;
    fn load_value<Q: ?Sized>(shared: &Shared<Self>, key: &Q) -> Result<Option<Self::Value>>
    where
        Self::Key: Lookup<Q>;
    fn contains_key<Q: ?Sized>(shared: &Shared<Self>, key: &Q) -> Result<bool>
    where
        Self::Key: Lookup<Q>;
    fn insert(shared: &Shared<Self>, key: Self::Key, value: Self::Value) -> Result<Option<Self::Value>>;
    fn remove<Q: ?Sized>(shared: &Shared<Self>, key: &Q) -> Result<Option<Self::Value>>
    where
        Self::Key: Lookup<Q>;
    fn remove_entry<Q: ?Sized>(view: &mut Self::Target, key: &Q) -> Result<Option<(Self::Key, Self::Value)>>
    where
        Self::Key: Lookup<Q>;
    fn retain(
        view: &mut Self::Target,
        wanted: impl FnMut(<Self::Key as Share>::Ref<'_>, <Self::Value as Share>::Mut<'_>) -> bool,
    ) -> Result<()>;
    fn iter(view: &Self::Target) -> Self::Iter<'_>;
}

/// Sets.
pub trait Set: Many {
    type Element: Key + Lookup<Self::Element>;
    type Iter<'a>: Iterator<Item = <Self::Element as Share>::Ref<'a>>;
    fn contains<Q: ?Sized>(shared: &Shared<Self>, element: &Q) -> Result<bool>
    where
        Self::Element: Lookup<Q>;
    fn get<'a, Q: ?Sized>(view: &'a Self::Target, element: &Q) -> Option<<Self::Element as Share>::Ref<'a>>
    where
        Self::Element: Lookup<Q>;
    fn insert(shared: &Shared<Self>, element: Self::Element) -> Result<bool>;
    fn remove<Q: ?Sized>(shared: &Shared<Self>, element: &Q) -> Result<bool>
    where
        Self::Element: Lookup<Q>;
    fn take<Q: ?Sized>(view: &mut Self::Target, element: &Q) -> Result<Option<Self::Element>>
    where
        Self::Element: Lookup<Q>;
    fn retain(view: &mut Self::Target, wanted: impl FnMut(<Self::Element as Share>::Ref<'_>) -> bool) -> Result<()>;
    fn iter(view: &Self::Target) -> Self::Iter<'_>;
}

macro_rules! lengthy {
    ($([$($parameters:tt)*] $type:ty;)*) => { $(
        impl<$($parameters)*> Lengthy for $type {
            #[inline(always)]
            fn len(shared: &Shared<Self>) -> Result<usize> {
                shared.len()
            }
            fn clear(shared: &Shared<Self>) -> Result<()> {
                shared.clear()
            }
        }
    )* };
}

macro_rules! roomy {
    ($([$($parameters:tt)*] $type:ty;)*) => { $(
        impl<$($parameters)*> Roomy for $type {
            fn capacity(view: &Self::Target) -> usize {
                view.capacity()
            }
            fn reserve(view: &mut Self::Target, additional: usize) -> Result<()> {
                view.reserve(additional)
            }
            fn shrink_to_fit(view: &mut Self::Target) -> Result<()> {
                view.shrink_to_fit()
            }
        }
    )* };
}

macro_rules! many {
    ($([$($parameters:tt)*] $type:ty, $kind:ident;)*) => { $(
        impl<$($parameters)*> Many for $type {
            const KIND: Kind = Kind::$kind;
            fn extend(shared: &Shared<Self>, items: impl IntoIterator<Item = Self::Item>) -> Result<()> {
                shared.extend(items)
            }
        }
    )* };
}

macro_rules! sequences {
    ($($type:ident),*) => { $(
        impl<T: Share> Sequence for $type<T> {
            type Element = T;
            #[inline(always)]
            fn get(view: &Self::Target, index: usize) -> Option<T::Ref<'_>> {
                view.get(index)
            }
            #[inline(always)]
            fn load_at(shared: &Shared<Self>, index: usize) -> Result<Option<T>> {
                shared.get(index)
            }
            #[inline(always)]
            fn iter(view: &Self::Target) -> Elements<'_, T> {
                view.iter()
            }
            fn swap(view: &mut Self::Target, a: usize, b: usize) -> Result<()> {
                view.swap(a, b)
            }
            fn truncate(view: &mut Self::Target, len: usize) -> Result<()> {
                view.truncate(len)
            }
            fn drain(view: &mut Self::Target, range: impl RangeBounds<usize>) -> Result<Vec<T>> {
                view.drain(range)
            }
            fn retain(view: &mut Self::Target, wanted: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
                view.retain(wanted)
            }
        }
    )* };
}

macro_rules! maps {
    ($($type:ident, $order:ident, $room:ident;)*) => { $(
        impl<K: Key + Lookup<K> + Eq + $order, V: Share> Map for $type<K, V> {
            type Key = K;
            type Value = V;
            type Iter<'a> = $room::Iter<'a, K, V>;
            #[inline(always)]
            fn get<'a, Q: ?Sized>(view: &'a Self::Target, key: &Q) -> Option<V::Ref<'a>>
            where
                K: Lookup<Q>,
            {
                view.get(key)
            }
            #[inline(always)]
            fn load_value<Q: ?Sized>(shared: &Shared<Self>, key: &Q) -> Result<Option<V>>
            where
                K: Lookup<Q>,
            {
                shared.get(key)
            }
            #[inline(always)]
            fn contains_key<Q: ?Sized>(shared: &Shared<Self>, key: &Q) -> Result<bool>
            where
                K: Lookup<Q>,
            {
                shared.contains_key(key)
            }
            #[inline(always)]
            fn insert(shared: &Shared<Self>, key: K, value: V) -> Result<Option<V>> {
                shared.insert(key, value)
            }
            #[inline(always)]
            fn remove<Q: ?Sized>(shared: &Shared<Self>, key: &Q) -> Result<Option<V>>
            where
                K: Lookup<Q>,
            {
                shared.remove(key)
            }
            fn remove_entry<Q: ?Sized>(view: &mut Self::Target, key: &Q) -> Result<Option<(K, V)>>
            where
                K: Lookup<Q>,
            {
                view.remove_entry(key)
            }
            fn retain(
                view: &mut Self::Target,
                wanted: impl FnMut(K::Ref<'_>, V::Mut<'_>) -> bool,
            ) -> Result<()> {
                view.retain(wanted)
            }
            fn iter(view: &Self::Target) -> Self::Iter<'_> {
                view.iter()
            }
        }
    )* };
}

macro_rules! sets {
    ($($type:ident, $order:ident, $room:ident;)*) => { $(
        impl<T: Key + Lookup<T> + Eq + $order> Set for $type<T> {
            type Element = T;
            type Iter<'a> = $room::Elements<'a, T>;
            #[inline(always)]
            fn contains<Q: ?Sized>(shared: &Shared<Self>, element: &Q) -> Result<bool>
            where
                T: Lookup<Q>,
            {
                shared.contains(element)
            }
            fn get<'a, Q: ?Sized>(view: &'a Self::Target, element: &Q) -> Option<T::Ref<'a>>
            where
                T: Lookup<Q>,
            {
                view.get(element)
            }
            #[inline(always)]
            fn insert(shared: &Shared<Self>, element: T) -> Result<bool> {
                shared.insert(element)
            }
            #[inline(always)]
            fn remove<Q: ?Sized>(shared: &Shared<Self>, element: &Q) -> Result<bool>
            where
                T: Lookup<Q>,
            {
                shared.remove(element)
            }
            fn take<Q: ?Sized>(view: &mut Self::Target, element: &Q) -> Result<Option<T>>
            where
                T: Lookup<Q>,
            {
                view.take(element)
            }
            fn retain(view: &mut Self::Target, wanted: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
                view.retain(wanted)
            }
            fn iter(view: &Self::Target) -> Self::Iter<'_> {
                view.iter()
            }
        }
    )* };
}

lengthy! {
    [T: Share] Vec<T>;
    [T: Share] VecDeque<T>;
    [K: Key + Lookup<K> + Eq + Hash, V: Share] HashMap<K, V>;
    [K: Key + Lookup<K> + Ord, V: Share] BTreeMap<K, V>;
    [T: Key + Lookup<T> + Eq + Hash] HashSet<T>;
    [T: Key + Lookup<T> + Ord] BTreeSet<T>;
    [] String;
}

roomy! {
    [T: Share] Vec<T>;
    [T: Share] VecDeque<T>;
    [K: Key + Lookup<K> + Eq + Hash, V: Share] HashMap<K, V>;
    [T: Key + Lookup<T> + Eq + Hash] HashSet<T>;
    [] String;
}

many! {
    [T: Share] Vec<T>, Vec;
    [T: Share] VecDeque<T>, VecDeque;
    [K: Key + Lookup<K> + Eq + Hash, V: Share] HashMap<K, V>, HashMap;
    [K: Key + Lookup<K> + Ord, V: Share] BTreeMap<K, V>, BTreeMap;
    [T: Key + Lookup<T> + Eq + Hash] HashSet<T>, HashSet;
    [T: Key + Lookup<T> + Ord] BTreeSet<T>, BTreeSet;
}

sequences!(Vec, VecDeque);

maps! {
    HashMap, Hash, hash;
    BTreeMap, Ord, btree;
}

sets! {
    HashSet, Hash, hash;
    BTreeSet, Ord, btree;
}
