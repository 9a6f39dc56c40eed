//! `HashMap` and `HashSet`: an open-addressing table with a byte of hash for each slot, as in Abseil and
//! hashbrown, that grows without a stop.
//!
//! ```text
//! head, in the place of the value          table, one block
//!    0 entries                             .. slot 2 | slot 1 | slot 0 | control bytes, one a slot ..
//!    8 keys that still fit                                             ^
//!   16 table -----------------------------------------------------------'
//!   24 slots                               move, while the map goes over to a new table
//!   32 seed of the hash                       0 old table: offset, slots, stamp
//!   40 stamp                                 24 cursor: homes below it are in the new table
//!   48 move ----------------------------->   32 ready: so far the new table has control bytes
//!   56 stripes, for readers without a lock
//! ```
//!
//! Each file has one part: `group` looks at 16 control bytes at once; `table` finds keys and free slots in
//! one table; `migrate` replaces a table by another, a little with each insert; `raw` puts these together
//! and keeps the log; `slots` walks over the entries; `map` and `set` are what users see, `entry` the places of
//! keys, `compare` what maps are compared with.
//!
//! What is logged: the head once a transaction; the control bytes of a group before they change; the
//! bytes of a slot only when it is filled after this transaction took something out of the table, since
//! nobody minds what is in a slot that was free before. A table that this transaction made is not logged at
//! all (its stamp tells).

mod compare;
mod entry;
mod erased;
mod group;
mod head;
mod iter;
mod map;
mod migrate;
mod raw;
mod scan;
mod set;
mod sight;
mod slots;
mod stroke;
mod table;
#[cfg(test)]
mod tests;
mod untyped;

pub(crate) use erased::{Builder, Erased};
pub use head::Head;
pub use iter::{Elements, Iter, IterMut, Keys, Values, ValuesMut};
pub use map::HashMapView;
pub use set::HashSetView;
pub(crate) use sight::{Copied, Parts, Sight};
pub(crate) use stroke::{Inserted, Kept};
pub(crate) use untyped::{Facts, Places, find, scan};

use crate::error::Result;
use crate::schema::describe::elements;
use crate::schema::{Key, Kind, Lookup, Registry, Share, Viewed};
use crate::tx::Cx;
use migrate::Movable;
use raw::{Raw, Slot};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// The stored form of a map with these entries.
fn store<K: Key + Lookup<K>, V: Share>(entries: impl ExactSizeIterator<Item = (K, V)>, cx: Cx) -> Result<Head> {
    let head = Head::default();
    let raw = Raw::<K, V>::new(&head, cx);
    if entries.len() > 0 {
        let table = raw.first_table(table::slots_for(entries.len() as u64))?;
        for (key, value) in entries {
            let hash = raw.hash(&key);
            let index = table.vacancy(hash).ok_or_else(|| head.corrupt())?;
            // SAFETY: a free slot of a table that nobody else knows.
            unsafe { table.slot(index).write(Slot { key: key.into_stored(cx)?, value: value.into_stored(cx)? }) };
            table.set_control(index, table::tag(hash));
            head.len.put(head.len.get().wrapping_add(1));
            head.left.put(head.left.get().saturating_sub(1));
        }
    }
    Ok(head)
}

impl<K: Key + Lookup<K> + Eq + Hash, V: Share> Share for HashMap<K, V> {
    type Stored = Head;
    type Ref<'a> = &'a HashMapView<K, V>;
    type Mut<'a> = &'a mut HashMapView<K, V>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<Head> {
        store(self.into_iter(), cx)
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const Head, cx: Cx) -> &'a HashMapView<K, V> {
        let view = std::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata());
        // SAFETY: the caller's promise; the view begins with the head and its tail has no size.
        unsafe { &*(view as *const HashMapView<K, V>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut Head, cx: Cx) -> Result<&'a mut HashMapView<K, V>> {
        let view = std::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata());
        // SAFETY: as in `view`.
        Ok(unsafe { &mut *(view as *mut HashMapView<K, V>) })
    }

    unsafe fn load(stored: *const Head, cx: Cx) -> Result<HashMap<K, V>> {
        // SAFETY: the caller's promise.
        unsafe { Self::view(stored, cx) }.to_map()
    }

    unsafe fn drop_stored(stored: *mut Head, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        Raw::<K, V>::new(unsafe { &*stored }, cx).free_all()
    }

    fn describe(registry: &mut Registry) -> usize {
        let mut parts = None;
        let node = registry.node::<Self, Head>(Kind::HashMap, "HashMap", |registry| {
            let (key, value) = (K::describe(registry), V::describe(registry));
            parts = Some((key, value));
            elements(&[("key", key), ("value", value)])
        });
        if let Some((key, value)) = parts {
            registry.rename(node, format!("HashMap<{}, {}>", registry.name(key), registry.name(value)));
        }
        node
    }
}

impl<K: Key + Lookup<K> + Eq + Hash, V: Share> Viewed for HashMap<K, V> {
    type View = HashMapView<K, V>;
}

impl<T: Key + Lookup<T> + Eq + Hash> Share for HashSet<T> {
    type Stored = Head;
    type Ref<'a> = &'a HashSetView<T>;
    type Mut<'a> = &'a mut HashSetView<T>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<Head> {
        store(self.into_iter().map(|element| (element, ())), cx)
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const Head, cx: Cx) -> &'a HashSetView<T> {
        let view = std::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata());
        // SAFETY: the caller's promise; the view begins with the head and its tail has no size.
        unsafe { &*(view as *const HashSetView<T>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut Head, cx: Cx) -> Result<&'a mut HashSetView<T>> {
        let view = std::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata());
        // SAFETY: as in `view`.
        Ok(unsafe { &mut *(view as *mut HashSetView<T>) })
    }

    unsafe fn load(stored: *const Head, cx: Cx) -> Result<HashSet<T>> {
        // SAFETY: the caller's promise.
        unsafe { Self::view(stored, cx) }.to_set()
    }

    unsafe fn drop_stored(stored: *mut Head, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        Raw::<T, ()>::new(unsafe { &*stored }, cx).free_all()
    }

    fn describe(registry: &mut Registry) -> usize {
        let mut part = None;
        let node = registry.node::<Self, Head>(Kind::HashSet, "HashSet", |registry| {
            let element = T::describe(registry);
            part = Some(element);
            elements(&[("element", element)])
        });
        if let Some(element) = part {
            registry.rename(node, format!("HashSet<{}>", registry.name(element)));
        }
        node
    }
}

impl<T: Key + Lookup<T> + Eq + Hash> Viewed for HashSet<T> {
    type View = HashSetView<T>;
}
