//! A tree as a whole: its head, how a key's place is found in it, how it is freed.

use super::node::{Inner, Leaf};
use crate::containers::entry;
use crate::containers::noted::{note_all, note_key};
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::schema::{Key, Share, nesting};
use crate::tx::{Cx, Operation};
use std::cmp::Ordering;
use std::marker::PhantomData;

/// The stored form of a map or set. All zeros is an empty one.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Head {
    /// Offset of the root, 0 if there is none.
    pub(super) root: Word,
    /// How many nodes there are from the root to a leaf, both included.
    pub(super) levels: Word,
    /// How many entries there are.
    pub(super) len: Word,
    /// The stamp of the transaction that made the head or has logged it.
    pub(super) stamp: Word,
}

/// Words of a head.
const WORDS: u64 = 4;

const _: () = assert!(size_of::<Head>() as u64 == WORDS * 8);

/// More levels than any tree can have: each inner node has two children at least, and no file has room for
/// so many leaves.
pub(super) const MOST_LEVELS: usize = 40;

impl Head {
    /// Logs the head, unless this transaction has done so already or has made it.
    #[inline(always)]
    pub(super) fn keep(&self, cx: Cx, stamp: u64) -> Result<()> {
        if self.stamp.get() != stamp {
            cx.keep(&self.root, WORDS)?;
            self.stamp.put(stamp);
        }
        Ok(())
    }

    /// That of an empty tree which this transaction makes.
    pub(crate) fn new(stamp: u64) -> Head {
        Head { stamp: Word::new(stamp), ..Head::default() }
    }

    /// All its words.
    pub(crate) fn words(&self) -> [u64; 4] {
        [&self.root, &self.levels, &self.len, &self.stamp].map(Word::get)
    }

    pub(super) fn set_root(&self, root: u64, levels: u64) {
        self.root.put(root);
        self.levels.put(levels);
    }

    #[inline(always)]
    pub(super) fn add_to_len(&self, more: i64) {
        self.len.put(self.len.get().wrapping_add_signed(more));
    }

    #[cold]
    pub(super) fn corrupt(&self) -> Error {
        Error::corrupt(self.root.get(), "a tree whose nodes do not agree with each other")
    }
}

/// Where an entry is, or is to be put: between those before `index` and the others of the leaf.
pub struct Place<K: Share, V: Share> {
    pub(super) leaf: Leaf<K, V>,
    pub(super) index: usize,
}

impl<K: Share, V: Share> Clone for Place<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share, V: Share> Copy for Place<K, V> {}

/// What was found of a key: where it is, or where it would have to be put, which is nowhere if there is not even a leaf.
pub(super) type Found<K, V> = entry::Found<Place<K, V>, Option<Place<K, V>>>;

/// A tree.
pub struct Tree<'a, K: Share, V: Share> {
    pub(super) head: &'a Head,
    pub(super) cx: Cx,
    marker: PhantomData<(K, V)>,
}

impl<K: Share, V: Share> Clone for Tree<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share, V: Share> Copy for Tree<'_, K, V> {}

impl<'a, K: Key, V: Share> Tree<'a, K, V> {
    #[inline(always)]
    pub(super) fn new(head: &'a Head, cx: Cx) -> Self {
        Tree { head, cx, marker: PhantomData }
    }

    /// How many entries there are; not more than the file can have.
    #[inline]
    pub(super) fn len(self) -> usize {
        let len = self.head.len.get();
        if self.head.root.get() == 0 || len > self.cx.map().size() { 0 } else { len as usize }
    }

    /// The root, if there is one, and how many levels it is the first of.
    #[inline(always)]
    pub(super) fn root(self) -> Option<(u64, usize)> {
        let (root, levels) = (self.head.root.get(), self.head.levels.get());
        (root != 0 && levels.wrapping_sub(1) < MOST_LEVELS as u64).then_some((root, levels as usize))
    }

    /// The leaf that a key belongs in; `order` compares a stored key with it.
    #[inline(always)]
    pub(super) fn leaf_for(self, order: impl Fn(*const K::Stored) -> Ordering) -> Option<Leaf<K, V>> {
        descend(self.cx, self.root()?, |inner| inner.seek(&order)).map(|(leaf, _)| leaf)
    }

    /// The place of a key that is there.
    #[inline(always)]
    pub(super) fn find(self, order: impl Fn(*const K::Stored) -> Ordering) -> Option<Place<K, V>> {
        let leaf = self.leaf_for(&order)?;
        let (index, found) = leaf.seek(order);
        found.then_some(Place { leaf, index })
    }

    /// The place of a key, whether it is there or not, for who wants to change something.
    #[inline(always)]
    pub(super) fn seek(self, order: impl Fn(*const K::Stored) -> Ordering) -> Result<Found<K, V>> {
        let Some(leaf) = self.leaf_for(&order) else { return self.without_leaf(Found::Vacant(None)) };
        let (index, found) = leaf.seek(order);
        let place = Place { leaf, index };
        Ok(if found { Found::Here(place) } else { Found::Vacant(Some(place)) })
    }

    /// What it means that no leaf was found: there is none, or else an error.
    #[cold]
    pub(super) fn without_leaf<R>(self, vacant: R) -> Result<R> {
        if self.is_vacant()? { Ok(vacant) } else { Err(self.head.corrupt()) }
    }

    /// Whether there are no nodes.
    pub(super) fn is_vacant(self) -> Result<bool> {
        match (self.head.root.get(), self.head.levels.get(), self.head.len.get()) {
            (0, 0, 0) => Ok(true),
            (root, levels, _) if root != 0 && levels != 0 && levels <= MOST_LEVELS as u64 => Ok(false),
            _ => Err(self.head.corrupt()),
        }
    }

    /// The first leaf, or the last.
    pub(super) fn edge(self, last: bool) -> Option<Leaf<K, V>> {
        descend(self.cx, self.root()?, |inner| if last { inner.count() } else { 0 }).map(|(leaf, _)| leaf)
    }

    /// The place of the first entry, or of the last.
    pub(super) fn edge_place(self, last: bool) -> Option<Place<K, V>> {
        let leaf = self.edge(last)?;
        let before_end = leaf.count().checked_sub(1)?;
        Some(Place { leaf, index: if last { before_end } else { 0 } })
    }

    /// The way from the root to a leaf, which has entries.
    pub(super) fn path_to(self, leaf: Leaf<K, V>) -> Result<Path<K>> {
        let corrupt = || self.head.corrupt();
        let (mut node, levels) = self.root().filter(|_| leaf.count() > 0).ok_or_else(corrupt)?;
        let mut path = Path { steps: [const { None }; MOST_LEVELS], len: levels - 1 };
        for step in &mut path.steps[..levels - 1] {
            let inner = Inner::<K>::open(self.cx, node).ok_or_else(corrupt)?;
            // SAFETY: stored keys, in the map.
            let index = inner.seek(|key| unsafe { K::compare(key, leaf.key(0), self.cx) });
            node = inner.child(index).get();
            *step = Some(Step { inner, index });
        }
        if node == leaf.offset(self.cx) { Ok(path) } else { Err(corrupt()) }
    }

    /// Removes everything.
    pub(super) fn clear(self) -> Result<()> {
        if self.is_vacant()? {
            return Ok(());
        }
        let (cx, head) = (self.cx, self.head);
        head.keep(cx, cx.stamp()?)?;
        let (root, levels) = (head.root.get(), head.levels.get());
        // SAFETY: nobody refers to the entries, and the head will not either.
        cx.atomically(|| unsafe {
            note_all(cx, head, Operation::Cleared)?;
            free_tree::<K, V>(cx, root, levels as usize, true)
        })?;
        head.set_root(0, 0);
        head.len.put(0);
        Ok(())
    }

    /// Notes what is done with an entry, if the map is one whose changes are noted.
    ///
    /// # Safety
    /// `key` is a stored key.
    #[inline(always)]
    pub(super) unsafe fn note(self, operation: Operation, key: *const K::Stored) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { note_key::<K, _>(self.cx, self.head, operation, key) }
    }

    /// Notes that any of the values may be changed, if there are such: not in a set.
    pub(super) fn note_others(self) -> Result<()> {
        if size_of::<V::Stored>() > 0 { note_all(self.cx, self.head, Operation::Other) } else { Ok(()) }
    }

    /// Frees everything, for a head that is not used again.
    ///
    /// # Safety
    /// As for [`Share::drop_stored`].
    pub(super) unsafe fn free(self) -> Result<()> {
        if self.is_vacant()? {
            return Ok(());
        }
        let words = [self.head.root.get(), self.head.levels.get(), 0];
        // SAFETY: the caller's promise.
        unsafe {
            if K::OWNS || V::OWNS {
                nesting::drop_block(self.cx, words, free_block::<K, V>)
            } else {
                free_block::<K, V>(self.cx, words)
            }
        }
    }
}

/// Goes from the root to a leaf, in each inner node to the child that `choose` tells. Gives the last step, too.
#[inline(always)]
pub(super) fn descend<K: Key, V: Share>(
    cx: Cx,
    (mut node, levels): (u64, usize),
    choose: impl Fn(Inner<K>) -> usize,
) -> Option<(Leaf<K, V>, Option<Step<K>>)> {
    let mut last = None;
    for _ in 1..levels {
        let inner = Inner::open(cx, node)?;
        let index = choose(inner);
        last = Some(Step { inner, index });
        node = inner.child(index).get();
    }
    Some((Leaf::open(cx, node)?, last))
}

/// Frees the tree with that root and so many levels.
///
/// # Safety
/// As for [`free_tree`].
unsafe fn free_block<K: Key, V: Share>(cx: Cx, [root, levels, _]: [u64; 3]) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { free_tree::<K, V>(cx, root, levels as usize, true) }
}

/// Frees a node of so many levels with all that is below it, and what the entries own, if those are
/// not in another tree now.
///
/// # Safety
/// Nobody uses them again.
pub(super) unsafe fn free_tree<K: Key, V: Share>(cx: Cx, node: u64, levels: usize, entries: bool) -> Result<()> {
    let corrupt = || Error::corrupt(node, "no node of a tree");
    if levels > 1 {
        let inner = Inner::<K>::open(cx, node).ok_or_else(corrupt)?;
        for index in 0..=inner.count() {
            // SAFETY: the caller's promise; keys of inner nodes own nothing.
            unsafe { free_tree::<K, V>(cx, inner.child(index).get(), levels - 1, entries)? };
        }
        return inner.free(cx);
    }
    let leaf = Leaf::<K, V>::open(cx, node).ok_or_else(corrupt)?;
    for index in 0..leaf.count() {
        // SAFETY: the caller's promise; entries of a leaf.
        unsafe {
            if K::OWNS && entries {
                K::drop_stored(leaf.key(index), cx)?;
            }
            if V::OWNS && entries {
                V::drop_stored(leaf.value(index), cx)?;
            }
        }
    }
    leaf.free(cx)
}

/// An inner node, and which of its children the way goes on to.
pub(super) struct Step<K: Share> {
    pub(super) inner: Inner<K>,
    pub(super) index: usize,
}

impl<K: Share> Clone for Step<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share> Copy for Step<K> {}

/// The inner nodes from the root to a leaf.
pub(super) struct Path<K: Share> {
    steps: [Option<Step<K>>; MOST_LEVELS],
    pub(super) len: usize,
}

impl<K: Share> Path<K> {
    /// The root, if it is an inner node.
    pub(super) fn root(&self) -> Option<Step<K>> {
        self.steps[0]
    }

    /// The steps from the leaf's parent up to the root.
    pub(super) fn upwards(&self) -> impl Iterator<Item = Step<K>> {
        self.steps[..self.len].iter().rev().map_while(|step| *step)
    }
}
