//! Maps: many entries at once.

use super::map::BTreeMapView;
use super::node::Leaf;
use super::range::Span;
use super::tree::{Found, Place, Tree, free_tree};
use crate::containers::entry::load_at;
use crate::containers::noted::note_all;
use crate::error::Result;
use crate::schema::{Key, Lookup, Share};
use crate::tx::Operation;
use std::collections::BTreeMap;

impl<K: Key, V: Share> BTreeMapView<K, V> {
    /// Takes all entries out and gives the memory back, which serves other objects after commit.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn clear(&mut self) -> Result<()> {
        self.tree().clear()
    }

    /// Keeps the entries for which `keep` gives true. Values are lent for changing, and logged first.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what `keep` changed is undone, too.
    pub fn retain(&mut self, mut keep: impl FnMut(K::Ref<'_>, V::Mut<'_>) -> bool) -> Result<()> {
        let tree = self.tree();
        let cx = tree.cx;
        cx.atomically(|| {
            tree.note_others()?;
            let mut left = tree.len();
            let Some(leaf) = tree.edge(false) else { return tree.without_leaf(()) };
            let mut place = Place { leaf, index: 0 };
            while left > 0 {
                if place.index >= place.leaf.count() {
                    let next = Leaf::open(cx, place.leaf.head().next.get());
                    let next = next.filter(|next| next.count() > 0);
                    place = Place { leaf: next.ok_or_else(|| tree.head.corrupt())?, index: 0 };
                }
                left -= 1;
                // SAFETY: an entry of a leaf; nobody else sees it.
                let wanted = unsafe {
                    let value = V::view_mut(place.leaf.value(place.index), cx)?;
                    keep(K::view(place.leaf.key(place.index), cx), value)
                };
                if wanted {
                    place.index += 1;
                } else {
                    place = tree.remove(place)?;
                }
            }
            Ok(())
        })
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()>
    where
        K: Lookup<K>,
    {
        let tree = self.tree();
        tree.cx.atomically(|| entries.into_iter().try_for_each(|(key, value)| tree.put(key, value)))
    }

    /// Moves all entries of another map into this one; where both have a key, its value becomes that of the
    /// other. Under one guard or transaction entries stay where what they own is; from another one they are
    /// copied.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was moved.
    pub fn append(&mut self, other: &mut BTreeMapView<K, V>) -> Result<()>
    where
        K: Lookup<K>,
    {
        let (tree, from) = (self.tree(), other.tree());
        if from.is_vacant()? {
            return Ok(());
        }
        let (cx, mut entries, mut moved) = (tree.cx, from.all(), 0);
        let stays = cx.metadata() == from.cx.metadata();
        cx.atomically(|| {
            while let Some(place) = entries.next() {
                moved += 1;
                if stays {
                    // SAFETY: an entry of the other tree, which is about to give it up.
                    unsafe { tree.adopt(place)? };
                } else {
                    let (key, value) = load_at(from, place)?;
                    tree.put(key, value)?;
                }
            }
            if moved != from.len() {
                return Err(from.head.corrupt());
            }
            if !stays {
                return from.clear();
            }
            note_all(cx, from.head, Operation::Cleared)?;
            from.head.keep(cx, cx.stamp()?)?;
            if let Some((root, levels)) = from.root() {
                // SAFETY: the entries are in the own tree now, the nodes nowhere.
                unsafe { free_tree::<K, V>(cx, root, levels, false)? };
            }
            from.head.set_root(0, 0);
            from.head.len.put(0);
            Ok(())
        })
    }

    /// Takes out the entries from `key` on, and gives them.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn split_off<Q: ?Sized>(&mut self, key: &Q) -> Result<BTreeMap<K, V>>
    where
        K: Lookup<Q> + Ord,
    {
        let tree = self.tree();
        let cx = tree.cx;
        // SAFETY: stored keys, in the map.
        let order = |stored: *const K::Stored| unsafe { K::compare_with(stored, cx, key) };
        cx.atomically(|| {
            let mut taken = Vec::new();
            let wanted = |place: &Place<K, V>| order(place.leaf.key(place.index)).is_ge();
            while let Some(place) = tree.edge_place(true).filter(wanted) {
                taken.push(load_at(tree, place)?);
                tree.remove(place)?;
            }
            Ok(taken.into_iter().rev().collect())
        })
    }

    /// A copy, owned by the process.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read.
    pub fn to_map(&self) -> Result<BTreeMap<K, V>>
    where
        K: Ord,
    {
        self.load_all()
    }

    /// All entries, in order, as a collection of the process.
    pub(super) fn load_all<C: FromIterator<(K, V)>>(&self) -> Result<C> {
        let tree = self.tree();
        let mut entries = if tree.is_vacant()? { Span::empty(tree.cx) } else { tree.all() };
        let mut loaded = 0;
        let all = std::iter::from_fn(|| {
            let place = entries.next()?;
            loaded += 1;
            Some(load_at(tree, place))
        });
        let all = all.collect::<Result<C>>()?;
        if loaded == tree.head.len.get() { Ok(all) } else { Err(tree.head.corrupt()) }
    }
}

impl<K: Key, V: Share> Tree<'_, K, V> {
    /// Puts an entry of another tree of the same context in as it is.
    ///
    /// # Safety
    /// It is an entry of another tree, which is given up there.
    unsafe fn adopt(self, place: Place<K, V>) -> Result<()> {
        let (cx, key, value) = (self.cx, place.leaf.key(place.index), place.leaf.value(place.index));
        // SAFETY: stored keys, in the map; and the caller's promise.
        unsafe {
            match self.seek(|stored| K::compare(stored, key, cx))? {
                Found::Vacant(vacant) => self.insert(vacant, || Ok((key.read(), value.read()))).map(drop),
                Found::Here(own) => {
                    let mut old = self.replace(own, || Ok(value.read()))?;
                    V::drop_stored(old.as_mut_ptr(), cx)?;
                    K::drop_stored(key, cx)
                }
            }
        }
    }
}
