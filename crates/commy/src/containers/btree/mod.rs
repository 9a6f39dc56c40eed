//! `BTreeMap` and `BTreeSet`: a B+tree. Entries are in leaves, which are linked in both directions; inner nodes have
//! separators and children.
//!
//! ```text
//! head, in the place of the value       root (inner node)            leaves
//!    0 root -------------------------->  | 40 | 70 |           .----> 10 20 30 <--.
//!    8 levels, of root to leaf           child child child ----|----> 40 55 60 <--|  linked
//!   16 entries                                                 '----> 70 90    <--'
//!   24 stamp
//! ```
//!
//! **Separators.** Of an inner node's children all but the first have a separator: the first key of the first leaf
//! below that child, byte for byte. So a separator owns nothing: what a `String` has elsewhere belongs to the
//! leaf. A key that is first in its leaf is first as long as it is there, since smaller ones go to the leaf
//! before; when it is taken out, its separator is set to the key that follows.
//!
//! **Log.** A head or node has the stamp of the transaction that made it, or that has logged the whole of it
//! (what it has of entries, that is) at the first change. One with the stamp of the running transaction is
//! changed without a look at the log. The stamp is logged with the rest, so that a node which was rolled back
//! has its old one again. When only a value is replaced, only that is logged.
//!
//! **Failing.** All that can fail comes before the first change: see `insert` and `remove`. What changes many
//! entries does so in a part of the transaction that is undone as a whole.
//!
//! **Damage.** Where a node is and how many keys it has are checked whenever it is looked at, and the number of
//! levels and of leaves walked over is bounded.
//!
//! `node` has the layout of nodes and the search in one, `tree` what concerns the whole, `insert` and `remove` change
//! it, `range` walks over it; `map` and `set` are what users see, with `bulk` for many entries at once and `compare`.

mod bulk;
mod compare;
mod erased;
mod insert;
mod map;
mod node;
mod range;
mod remove;
mod set;
mod tree;
mod untyped;

#[cfg(test)]
mod tests;

pub(crate) use erased::Erased;
pub use map::BTreeMapView;
pub use range::{Iter, IterMut, Range, RangeMut};
pub use set::{BTreeSetView, Elements};
pub use tree::Head;
pub(crate) use untyped::{Node, behind, find, length, neighbours};

use crate::error::Result;
use crate::schema::describe::elements;
use crate::schema::{Key, Kind, Lookup, Registry, Share, Viewed};
use crate::tx::Cx;
use std::collections::{BTreeMap, BTreeSet};
use tree::Tree;

/// The stored form of a map with these entries.
fn store<K: Key + Lookup<K>, V: Share>(entries: impl Iterator<Item = (K, V)>, cx: Cx) -> Result<Head> {
    let head = Head::default();
    // It is made by this transaction, and not yet in the segment, so it must not be logged.
    head.stamp.put(cx.stamp()?);
    let tree = Tree::<K, V>::new(&head, cx);
    entries.into_iter().try_for_each(|(key, value)| tree.put(key, value))?;
    Ok(head)
}

impl<K: Key + Lookup<K> + Ord, V: Share> Share for BTreeMap<K, V> {
    type Stored = Head;
    type Ref<'a> = &'a BTreeMapView<K, V>;
    type Mut<'a> = &'a mut BTreeMapView<K, V>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<Head> {
        store(self.into_iter(), cx)
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const Head, cx: Cx) -> &'a BTreeMapView<K, V> {
        let view = std::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata());
        // SAFETY: the head is there for `'a` and is all words; it is all that the view's bytes are.
        unsafe { &*(view as *const BTreeMapView<K, V>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut Head, cx: Cx) -> Result<&'a mut BTreeMapView<K, V>> {
        let view = std::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata());
        // SAFETY: as in `view`, and nobody else sees it; its words are logged when they are changed.
        Ok(unsafe { &mut *(view as *mut BTreeMapView<K, V>) })
    }

    unsafe fn load(stored: *const Head, cx: Cx) -> Result<BTreeMap<K, V>> {
        // SAFETY: the caller's promise.
        unsafe { Self::view(stored, cx) }.load_all()
    }

    unsafe fn drop_stored(stored: *mut Head, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { Tree::<K, V>::new(&*stored, cx).free() }
    }

    fn describe(registry: &mut Registry) -> usize {
        let mut parts = None;
        let node = registry.node::<Self, Head>(Kind::BTreeMap, "BTreeMap", |registry| {
            let (key, value) = (K::describe(registry), V::describe(registry));
            parts = Some((key, value));
            elements(&[("key", key), ("value", value)])
        });
        if let Some((key, value)) = parts {
            registry.rename(node, format!("BTreeMap<{}, {}>", registry.name(key), registry.name(value)));
        }
        node
    }
}

impl<K: Key + Lookup<K> + Ord, V: Share> Viewed for BTreeMap<K, V> {
    type View = BTreeMapView<K, V>;
}

impl<T: Key + Lookup<T> + Ord> Share for BTreeSet<T> {
    type Stored = Head;
    type Ref<'a> = &'a BTreeSetView<T>;
    type Mut<'a> = &'a mut BTreeSetView<T>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<Head> {
        store(self.into_iter().map(|element| (element, ())), cx)
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const Head, cx: Cx) -> &'a BTreeSetView<T> {
        let view = std::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata());
        // SAFETY: as for maps.
        unsafe { &*(view as *const BTreeSetView<T>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut Head, cx: Cx) -> Result<&'a mut BTreeSetView<T>> {
        let view = std::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata());
        // SAFETY: as for maps.
        Ok(unsafe { &mut *(view as *mut BTreeSetView<T>) })
    }

    unsafe fn load(stored: *const Head, cx: Cx) -> Result<BTreeSet<T>> {
        // SAFETY: the caller's promise.
        unsafe { Self::view(stored, cx) }.to_set()
    }

    unsafe fn drop_stored(stored: *mut Head, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { Tree::<T, ()>::new(&*stored, cx).free() }
    }

    fn describe(registry: &mut Registry) -> usize {
        let mut element = None;
        let node = registry.node::<Self, Head>(Kind::BTreeSet, "BTreeSet", |registry| {
            let found = *element.insert(T::describe(registry));
            elements(&[("element", found)])
        });
        if let Some(element) = element {
            registry.rename(node, format!("BTreeSet<{}>", registry.name(element)));
        }
        node
    }
}

impl<T: Key + Lookup<T> + Ord> Viewed for BTreeSet<T> {
    type View = BTreeSetView<T>;
}
