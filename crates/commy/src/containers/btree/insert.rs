//! Putting entries in.
//!
//! A leaf without room is split: its entries are shared out between it and a new leaf behind it, and the
//! first key of that becomes a separator in the parent, which may have to be split in turn. The first leaf
//! of an inner node has no separator there. Where keys come in order the split leaves one side full:
//! at the end of the tree the left one, at its beginning the right one.
//!
//! All that can fail - taking blocks, logging what is there, storing the entry - comes before the first
//! change.

use super::node::{Bits, Inner, Leaf, bits};
use super::tree::{Found, MOST_LEVELS, Path, Place, Tree};
use crate::containers::entry::store_both;
use crate::containers::noted::noting;
use crate::containers::vec::store;
use crate::error::{Error, Result};
use crate::schema::{Key, Lookup, Share};
use crate::tx::{Cx, Operation};
use std::cmp::Ordering;

/// The stored forms of a key and its value.
pub(super) type Entry<K, V> = (<K as Share>::Stored, <V as Share>::Stored);

/// Where in the tree a leaf is split, which decides how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// At the beginning: keys come in falling order.
    First,
    Middle,
    /// At the end: keys come in order.
    Last,
}

/// What a split takes: a leaf, and an inner node for each full one on the way, and one more for a new root.
struct Spare<K: Share, V: Share> {
    leaf: Leaf<K, V>,
    inners: [Option<Inner<K>>; MOST_LEVELS],
    used: usize,
}

impl<K: Share, V: Share> Spare<K, V> {
    fn add(&mut self, inner: Inner<K>) {
        self.inners[self.used] = Some(inner);
        self.used += 1;
    }

    fn take(&mut self) -> Option<Inner<K>> {
        self.used = self.used.checked_sub(1)?;
        self.inners[self.used]
    }
}

impl<K: Key, V: Share> Tree<'_, K, V> {
    /// Puts an entry in at the place that was found for it. Gives where it is.
    #[inline(always)]
    pub(super) fn insert(
        self,
        vacant: Option<Place<K, V>>,
        make: impl FnOnce() -> Result<Entry<K, V>>,
    ) -> Result<Place<K, V>> {
        let stamp = self.cx.stamp()?;
        // SAFETY: a key that is about to be stored.
        let note = |entry: &Entry<K, V>| unsafe { self.note(Operation::Inserted, &entry.0) };
        let mut make = Some(|| noting(self.cx, make, note));
        let mut make_once = || make.take().map_or_else(|| Err(self.head.corrupt()), |make| make());
        let place = match vacant {
            Some(place) if place.leaf.count() < Leaf::<K, V>::CAP => place,
            Some(place) => return self.insert_splitting(stamp, place, &mut make_once),
            None => return self.insert_first(stamp, &mut make_once),
        };
        self.head.keep(self.cx, stamp)?;
        place.leaf.keep(self.cx, stamp)?;
        let (key, value) = make_once()?;
        // SAFETY: there is room; the leaf was logged.
        unsafe { place.leaf.insert(place.index, key, value) };
        self.head.add_to_len(1);
        Ok(place)
    }

    #[cold]
    #[inline(never)]
    fn insert_first(self, stamp: u64, make: &mut dyn FnMut() -> Result<Entry<K, V>>) -> Result<Place<K, V>> {
        let cx = self.cx;
        self.head.keep(cx, stamp)?;
        let (leaf, (key, value)) = cx.atomically(|| Ok((Leaf::make(cx, stamp)?, make()?)))?;
        // SAFETY: a new leaf.
        unsafe { leaf.insert(0, key, value) };
        self.head.set_root(leaf.offset(cx), 1);
        self.head.len.put(1);
        Ok(Place { leaf, index: 0 })
    }

    #[cold]
    #[inline(never)]
    fn insert_splitting(
        self,
        stamp: u64,
        place: Place<K, V>,
        make: &mut dyn FnMut() -> Result<Entry<K, V>>,
    ) -> Result<Place<K, V>> {
        let (cx, head, leaf) = (self.cx, self.head, place.leaf);
        let path = self.path_to(leaf)?;
        let side = match (leaf.head().prev.get(), leaf.head().next.get()) {
            (_, 0) if place.index == leaf.count() => Side::Last,
            (0, _) if place.index == 0 => Side::First,
            _ => Side::Middle,
        };
        let (mut spare, (key, value)) = cx.atomically(|| Ok((self.prepare_split(stamp, &path, leaf)?, make()?)))?;
        // Nothing fails from here on.
        let new = spare.leaf;
        let place = split_leaf(cx, place, new, side, (key, value));
        let (mut separator, mut child) = (first_key(new), new.offset(cx));
        head.add_to_len(1);
        for step in path.upwards() {
            // SAFETY: separators and children of this very tree; all nodes involved were logged or are new.
            unsafe {
                if step.inner.count() < Inner::<K>::CAP {
                    step.inner.insert(step.index, separator, child);
                    return Ok(place);
                }
                let right = spare.take().ok_or_else(|| head.corrupt())?;
                separator = split_inner(step.inner, right, step.index, side, (separator, child));
                child = right.offset(cx);
            }
        }
        let root = spare.take().ok_or_else(|| head.corrupt())?;
        root.child(0).put(head.root.get());
        // SAFETY: a new node.
        unsafe { root.insert(0, separator, child) };
        head.set_root(root.offset(cx), head.levels.get() + 1);
        Ok(place)
    }

    /// Logs all that the split of a leaf changes, and takes the blocks that it needs.
    fn prepare_split(self, stamp: u64, path: &Path<K>, leaf: Leaf<K, V>) -> Result<Spare<K, V>> {
        let cx = self.cx;
        self.head.keep(cx, stamp)?;
        leaf.keep(cx, stamp)?;
        keep_link(cx, stamp, leaf)?;
        let mut spare = Spare { leaf: Leaf::make(cx, stamp)?, inners: [const { None }; MOST_LEVELS], used: 0 };
        for step in path.upwards() {
            step.inner.keep(cx, stamp)?;
            if step.inner.count() < Inner::<K>::CAP {
                return Ok(spare);
            }
            spare.add(Inner::make(cx, stamp)?);
        }
        if path.len + 1 >= MOST_LEVELS {
            return Err(self.head.corrupt());
        }
        spare.add(Inner::make(cx, stamp)?);
        Ok(spare)
    }

    /// Replaces the value at a place by another. Gives the stored form of the old one, to be dropped.
    #[inline(always)]
    pub(super) fn replace(
        self,
        place: Place<K, V>,
        make: impl FnOnce() -> Result<V::Stored>,
    ) -> Result<Bits<V::Stored>> {
        let (cx, at) = (self.cx, place.leaf.value(place.index));
        // SAFETY: a value of a leaf; logged, unless this transaction has logged or made the whole leaf.
        unsafe {
            if place.leaf.head().stamp.get() != cx.stamp()? && size_of::<V::Stored>() > 0 {
                cx.keep_value(at)?;
            }
            let key = place.leaf.key(place.index);
            let differs = size_of::<V::Stored>() > 0;
            let note = |_: &V::Stored| if differs { self.note(Operation::Changed, key) } else { Ok(()) };
            let new = noting(cx, make, note)?;
            let old = bits(at);
            at.write(new);
            Ok(old)
        }
    }

    /// Puts an entry in, or replaces its value. For many at once.
    pub(super) fn put(self, key: K, value: V) -> Result<()>
    where
        K: Lookup<K>,
    {
        let cx = self.cx;
        // SAFETY: stored keys, in the map.
        match self.seek(|stored| unsafe { K::compare_with(stored, cx, &key) })? {
            Found::Here(place) => {
                let mut old = self.replace(place, || store(value, cx))?;
                // SAFETY: a value that is nowhere else any more.
                unsafe { V::drop_stored(old.as_mut_ptr(), cx) }
            }
            Found::Vacant(place) => self.insert(place, || store_both(key, value, cx)).map(drop),
        }
    }
}

/// Logs the link back to a leaf that the leaf behind it has, if there is one.
pub(super) fn keep_link<K: Share, V: Share>(cx: Cx, stamp: u64, leaf: Leaf<K, V>) -> Result<()> {
    let next = leaf.head().next.get();
    if next == 0 {
        return Ok(());
    }
    let next = Leaf::<K, V>::open(cx, next).ok_or_else(|| Error::corrupt(next, "no leaf of a tree"))?;
    if next.head().stamp.get() == stamp { Ok(()) } else { cx.keep(&next.head().prev, 1) }
}

/// The first key of a leaf that has one.
#[inline(always)]
pub(super) fn first_key<K: Share, V: Share>(leaf: Leaf<K, V>) -> Bits<K::Stored> {
    // SAFETY: within the leaf.
    unsafe { bits(leaf.key(0)) }
}

/// Splits a full leaf, puts a new leaf behind it, and an entry into the one where it belongs. Gives where
/// that is. Both leaves and the one behind were logged.
fn split_leaf<K: Key, V: Share>(
    cx: Cx,
    Place { leaf, index }: Place<K, V>,
    new: Leaf<K, V>,
    side: Side,
    (key, value): Entry<K, V>,
) -> Place<K, V> {
    let count = leaf.count();
    let half = count / 2;
    let (at, stays) = match side {
        Side::First => (0, true),
        Side::Last => (count, false),
        Side::Middle if index <= half => (half, true),
        Side::Middle => (half + 1, false),
    };
    // SAFETY: both leaves have room for `count` entries, which is more than either gets; `at` is at most
    // `count`, and `index` on its side.
    unsafe { new.copy_from(0, leaf, at, count - at) };
    new.set_count(count - at);
    leaf.set_count(at);
    let next = leaf.head().next.get();
    new.head().prev.put(leaf.offset(cx));
    new.head().next.put(next);
    leaf.head().next.put(new.offset(cx));
    if let Some(next) = Leaf::<K, V>::open(cx, next) {
        next.head().prev.put(new.offset(cx));
    }
    let place = if stays { Place { leaf, index } } else { Place { leaf: new, index: index - at } };
    // SAFETY: as above.
    unsafe { place.leaf.insert(place.index, key, value) };
    place
}

/// Splits a full inner node, and puts a separator at `index` and the child behind it where they belong.
/// Gives the separator of the new node.
///
/// Of the keys with the new one, the first `left` stay, the next goes up, the others go to the new node.
///
/// # Safety
/// `right` is new, `node` was logged; separator and child are of the tree.
unsafe fn split_inner<K: Key>(
    node: Inner<K>,
    right: Inner<K>,
    index: usize,
    side: Side,
    (separator, child): (Bits<K::Stored>, u64),
) -> Bits<K::Stored> {
    let count = node.count();
    let left = match side {
        Side::First if index == 0 => 1,
        Side::Last if index == count => count - 1,
        _ => count / 2,
    };
    // SAFETY: all positions are at most `count`, which both nodes have room for.
    unsafe {
        match index.cmp(&left) {
            Ordering::Less => {
                let up = bits(node.key(left - 1));
                move_behind(node, left, right);
                node.set_count(left - 1);
                node.insert(index, separator, child);
                up
            }
            Ordering::Equal => {
                move_behind(node, left, right);
                right.child(0).put(child);
                separator
            }
            Ordering::Greater => {
                let up = bits(node.key(left));
                move_behind(node, left + 1, right);
                node.set_count(left);
                right.insert(index - left - 1, separator, child);
                up
            }
        }
    }
}

/// Moves the keys from `from` on, and the children before and behind each of them, to a new node.
///
/// # Safety
/// `from` is at most the count; `right` is new, `node` was logged.
unsafe fn move_behind<K: Key>(node: Inner<K>, from: usize, right: Inner<K>) {
    let many = node.count() - from;
    // SAFETY: the caller's promise.
    unsafe { right.copy_keys(0, node, from, many) };
    right.copy_children(0, node, from, many + 1);
    right.set_count(many);
    node.set_count(from);
}
