//! The invariants of a tree, checked node by node.

use crate::containers::btree::node::{Inner, Leaf};
use crate::containers::btree::tree::Tree;
use crate::containers::{BTreeMapView, BTreeSetView};
use crate::schema::{Key, Share};
use crate::tx::Cx;

/// What a walk over a tree has seen.
struct Walk<K: Share, V: Share> {
    cx: Cx,
    entries: usize,
    last: Option<Leaf<K, V>>,
}

/// The bytes of something in the map.
fn bytes<S>(place: *const S) -> Vec<u8> {
    // SAFETY: the tests give places of stored keys, which have no padding.
    unsafe { std::slice::from_raw_parts(place.cast(), size_of::<S>()) }.to_vec()
}

impl<K: Key, V: Share> Walk<K, V> {
    /// Checks a node of so many levels; `first` and `last` say whether it is at the edges of the tree. Gives
    /// its first leaf.
    fn node(&mut self, node: u64, levels: usize, first: bool, last: bool, root: bool) -> Leaf<K, V> {
        if levels == 1 {
            return self.leaf(node, first || last || root);
        }
        let inner = Inner::<K>::open(self.cx, node).expect("an inner node");
        let (count, edge) = (inner.count(), first || last || root);
        let least = if edge { 1 } else { Inner::<K>::SHAPE.least() };
        assert!(count >= least, "an inner node with {count} keys, of {least}");
        let mut begins = None;
        for index in 0..=count {
            let (is_first, is_last) = (first && index == 0, last && index == count);
            let leaf = self.node(inner.child(index).get(), levels - 1, is_first, is_last, false);
            match index.checked_sub(1) {
                Some(before) => {
                    let same = bytes(inner.key(before)) == bytes(leaf.key(0));
                    assert!(same, "a separator is not the first key behind it");
                }
                None => begins = Some(leaf),
            }
        }
        begins.unwrap()
    }

    fn leaf(&mut self, node: u64, edge: bool) -> Leaf<K, V> {
        let leaf = Leaf::<K, V>::open(self.cx, node).expect("a leaf");
        let (count, least) = (leaf.count(), if edge { 1 } else { Leaf::<K, V>::SHAPE.least() });
        assert!(count >= least, "a leaf with {count} entries, of {least}");
        let before = self.last.map_or(0, |last| last.offset(self.cx));
        assert_eq!(leaf.head().prev.get(), before, "a link back");
        if let Some(last) = self.last {
            assert_eq!(last.head().next.get(), node, "a link ahead");
            // SAFETY: stored keys.
            let order = unsafe { K::compare(last.key(last.count() - 1), leaf.key(0), self.cx) };
            assert!(order.is_lt(), "leaves out of order");
        }
        for index in 1..count {
            // SAFETY: stored keys.
            let order = unsafe { K::compare(leaf.key(index - 1), leaf.key(index), self.cx) };
            assert!(order.is_lt(), "keys out of order");
        }
        self.entries += count;
        self.last = Some(leaf);
        leaf
    }
}

fn check_tree<K: Key, V: Share>(tree: Tree<'_, K, V>) -> usize {
    if tree.is_vacant().unwrap() {
        return 0;
    }
    let (root, levels) = tree.root().unwrap();
    let mut walk = Walk::<K, V> { cx: tree.cx, entries: 0, last: None };
    walk.node(root, levels, true, true, true);
    assert_eq!(walk.last.unwrap().head().next.get(), 0, "a link beyond the end");
    assert_eq!(walk.entries as u64, tree.head.len.get(), "the number of entries");
    levels
}

/// Checks all invariants of a map; gives how many levels it has.
pub(super) fn check<K: Key, V: Share>(view: &BTreeMapView<K, V>) -> usize {
    check_tree(view.tree())
}

/// Checks all invariants of a set.
pub(super) fn check_set<T: Key>(view: &BTreeSetView<T>) {
    check_tree(view.map().tree());
}
