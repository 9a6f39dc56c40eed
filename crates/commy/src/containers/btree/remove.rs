//! Taking entries out.
//!
//! A node that would be left with less than two fifths of what it has room for is merged with the node
//! before it (behind it, if it is its parent's first) if both fit into one, else they share evenly what they
//! have; but for the outermost leaves, when entries are taken out at the ends of the tree: these are used up. A
//! merge takes a separator out of the parent, which may be left with too few in turn. A root with a single
//! child makes way for it.
//!
//! A separator is the same as the first key of the leaf behind it, byte for byte; so when that key goes, the
//! separator is set to the one that follows.
//!
//! All that can fail comes before the first change, but for giving back the blocks of nodes that were merged
//! into others: these are copied out of first.

use super::insert::{first_key, keep_link};
use super::node::{Bits, Inner, Leaf, bits};
use super::tree::{MOST_LEVELS, Path, Place, Step, Tree};
use crate::error::Result;
use crate::schema::{Key, Share};
use crate::tx::{Cx, Operation};

/// The fewest entries of a leaf, and keys of an inner node, that nothing is done about.
const fn least_of_leaf<K: Share, V: Share>() -> usize {
    Leaf::<K, V>::SHAPE.least()
}
const fn least_of_inner<K: Share>() -> usize {
    Inner::<K>::SHAPE.least()
}

/// An entry that was taken out, as it was stored.
pub(super) struct Taken<K: Share, V: Share> {
    key: Bits<K::Stored>,
    value: Bits<V::Stored>,
}

impl<K: Share, V: Share> Taken<K, V> {
    /// Frees what it owns.
    ///
    /// # Safety
    /// Nobody refers to it, and it was not freed before.
    #[inline(always)]
    pub(super) unsafe fn drop_stored(mut self, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise; an entry's stored forms.
        unsafe {
            if K::OWNS {
                K::drop_stored(self.key.as_mut_ptr(), cx)?;
            }
            if V::OWNS { V::drop_stored(self.value.as_mut_ptr(), cx) } else { Ok(()) }
        }
    }
}

/// Nodes that were merged into others.
struct Emptied<K: Share, V: Share> {
    leaf: Option<Leaf<K, V>>,
    inners: [Option<Inner<K>>; MOST_LEVELS],
    count: usize,
}

impl<K: Share, V: Share> Emptied<K, V> {
    fn add(&mut self, inner: Inner<K>) {
        self.inners[self.count] = Some(inner);
        self.count += 1;
    }

    fn free(self, cx: Cx) -> Result<()> {
        self.leaf.map_or(Ok(()), |leaf| leaf.free(cx))?;
        self.inners[..self.count].iter().flatten().try_for_each(|inner| inner.free(cx))
    }
}

impl<K: Key, V: Share> Tree<'_, K, V> {
    /// Takes an entry out and frees what it owns. Gives the place where those behind it are now.
    #[inline(always)]
    pub(super) fn remove(self, place: Place<K, V>) -> Result<Place<K, V>> {
        // SAFETY: an entry of a leaf, which is taken out before it is dropped.
        unsafe {
            let taken =
                Taken::<K, V> { key: bits(place.leaf.key(place.index)), value: bits(place.leaf.value(place.index)) };
            let behind = self.take_out(place)?;
            taken.drop_stored(self.cx)?;
            Ok(behind)
        }
    }

    /// Takes an entry out; what it owns stays. Gives the place where those behind it are now.
    #[inline(always)]
    fn take_out(self, place: Place<K, V>) -> Result<Place<K, V>> {
        let (stamp, leaf, count) = (self.cx.stamp()?, place.leaf, place.leaf.count());
        let (first, last) = (leaf.head().prev.get() == 0, leaf.head().next.get() == 0);
        // From either end of the tree a leaf is used up, rather than filled again and again.
        let at_end = (first && (last || place.index == 0)) || (last && place.index + 1 == count);
        let enough = count > least_of_leaf::<K, V>() || at_end;
        let has_separator = place.index == 0 && !first;
        if count == 1 || !enough || has_separator {
            return self.take_out_slowly(stamp, place);
        }
        self.head.keep(self.cx, stamp)?;
        leaf.keep(self.cx, stamp)?;
        // SAFETY: an entry of the leaf, which was logged.
        unsafe {
            self.note(Operation::Removed, leaf.key(place.index))?;
            leaf.remove(place.index);
        }
        self.head.add_to_len(-1);
        Ok(place)
    }

    #[cold]
    #[inline(never)]
    fn take_out_slowly(self, stamp: u64, place: Place<K, V>) -> Result<Place<K, V>> {
        let (cx, head, leaf) = (self.cx, self.head, place.leaf);
        let path = self.path_to(leaf)?;
        self.keep_for_removal(stamp, &path, leaf)?;
        // SAFETY: an entry of the leaf.
        unsafe { self.note(Operation::Removed, leaf.key(place.index))? };
        // Nothing fails from here on, but the freeing.
        let mut emptied = Emptied { leaf: None, inners: [const { None }; MOST_LEVELS], count: 0 };
        // SAFETY: an entry of the leaf, which was logged.
        unsafe { leaf.remove(place.index) };
        head.add_to_len(-1);
        let mut steps = path.upwards();
        let Some(parent) = steps.next() else {
            if leaf.count() == 0 {
                head.set_root(0, 0);
                emptied.leaf = Some(leaf);
            }
            emptied.free(cx)?;
            return Ok(place);
        };
        let behind = self.mend_leaf(&path, parent, place, &mut emptied)?;
        let mut lost_one = emptied.leaf.is_some();
        let mut step = parent;
        for above in steps {
            if !lost_one || step.inner.count() >= least_of_inner::<K>() {
                break;
            }
            lost_one = self.mend_inner(above, step, &mut emptied)?;
            step = above;
        }
        let root = path.root().filter(|root| root.inner.count() == 0);
        if let Some(root) = root {
            head.set_root(root.inner.child(0).get(), head.levels.get() - 1);
            emptied.add(root.inner);
        }
        emptied.free(cx)?;
        Ok(behind)
    }

    /// Logs all that taking an entry out of a leaf may change.
    fn keep_for_removal(self, stamp: u64, path: &Path<K>, leaf: Leaf<K, V>) -> Result<()> {
        let cx = self.cx;
        self.head.keep(cx, stamp)?;
        leaf.keep(cx, stamp)?;
        if let Some(step) = path.upwards().find(|step| step.index > 0) {
            step.inner.keep(cx, stamp)?;
        }
        if leaf.count() > least_of_leaf::<K, V>() {
            return Ok(());
        }
        for (level, step) in path.upwards().enumerate() {
            step.inner.keep(cx, stamp)?;
            let (left, right) = self.pair(step)?;
            // One entry or key will be gone; of what is merged, the right one is only copied from and freed.
            if level == 0 {
                let (left, right) = (self.leaf_at(left)?, self.leaf_at(right)?);
                left.keep(cx, stamp)?;
                if left.count() + right.count() > Leaf::<K, V>::CAP + 1 {
                    right.keep(cx, stamp)?;
                }
                keep_link(cx, stamp, right)?;
            } else {
                let (left, right) = (self.inner_at(left)?, self.inner_at(right)?);
                left.keep(cx, stamp)?;
                if left.count() + right.count() > Inner::<K>::CAP {
                    right.keep(cx, stamp)?;
                }
            }
            if step.inner.count() > least_of_inner::<K>() {
                break;
            }
        }
        Ok(())
    }

    /// The child that a step leads to and the one that it may be merged with, in order.
    fn pair(self, step: Step<K>) -> Result<(u64, u64)> {
        let left = step.index.saturating_sub(1);
        if left >= step.inner.count() {
            return Err(self.head.corrupt());
        }
        Ok((step.inner.child(left).get(), step.inner.child(left + 1).get()))
    }

    fn leaf_at(self, offset: u64) -> Result<Leaf<K, V>> {
        Leaf::open(self.cx, offset).ok_or_else(|| self.head.corrupt())
    }

    fn inner_at(self, offset: u64) -> Result<Inner<K>> {
        Inner::open(self.cx, offset).ok_or_else(|| self.head.corrupt())
    }

    /// After an entry was taken out at `place`: merges its leaf with another or takes entries from that, if it
    /// has too few, and sets the separators right. Gives where the place is then.
    fn mend_leaf(
        self,
        path: &Path<K>,
        parent: Step<K>,
        place: Place<K, V>,
        emptied: &mut Emptied<K, V>,
    ) -> Result<Place<K, V>> {
        let Place { leaf, index } = place;
        let few = leaf.count() < least_of_leaf::<K, V>();
        let fix = |leaf| {
            if let Some(step) = path.upwards().find(|step| step.index > 0).filter(|_| index == 0) {
                // SAFETY: the separator of this leaf, in a node that was logged.
                unsafe { step.inner.set_key(step.index - 1, first_key::<K, V>(leaf)) };
            }
        };
        if !few {
            fix(leaf);
            return Ok(place);
        }
        let (left, right) = self.pair(parent)?;
        let (left, right) = (self.leaf_at(left)?, self.leaf_at(right)?);
        let (in_left, in_right) = (left.count(), right.count());
        let all = in_left + in_right;
        let separator = parent.index.saturating_sub(1);
        // SAFETY: both leaves, the one behind, and the parent were logged; all positions are within counts that
        // add up to `all`, of which no leaf gets more than it has room for.
        unsafe {
            if all <= Leaf::<K, V>::CAP {
                left.copy_from(in_left, right, 0, in_right);
                left.set_count(all);
                let next = right.head().next.get();
                left.head().next.put(next);
                if next != 0 {
                    self.leaf_at(next)?.head().prev.put(left.offset(self.cx));
                }
                if parent.index == 0 {
                    fix(left);
                }
                parent.inner.remove(separator);
                emptied.leaf = Some(right);
                let before = if parent.index == 0 { 0 } else { in_left };
                return Ok(Place { leaf: left, index: before + index });
            }
            let new_left = all / 2;
            if new_left < in_left {
                let many = in_left - new_left;
                right.shift(0, many, in_right);
                right.copy_from(0, left, new_left, many);
            } else {
                let many = new_left - in_left;
                left.copy_from(in_left, right, 0, many);
                right.shift(many, 0, in_right - many);
            }
            left.set_count(new_left);
            right.set_count(all - new_left);
            parent.inner.set_key(separator, first_key(right));
            if parent.index == 0 {
                fix(left);
                return Ok(place);
            }
            Ok(Place { leaf, index: index + in_left - new_left })
        }
    }

    /// After the node that `step` leads to lost a key and has too few: merges it with another, or takes keys
    /// from that. Gives whether `step` lost a key by that.
    fn mend_inner(self, step: Step<K>, child: Step<K>, emptied: &mut Emptied<K, V>) -> Result<bool> {
        debug_assert!(child.inner.count() < least_of_inner::<K>());
        let (left, right) = self.pair(step)?;
        let (left, right) = (self.inner_at(left)?, self.inner_at(right)?);
        let (in_left, in_right) = (left.count(), right.count());
        let all = in_left + in_right;
        let separator = step.index.saturating_sub(1);
        // SAFETY: all three nodes were logged; positions are within counts that add up to `all`, or `all` and
        // the separator, of which no node gets more than it has room for.
        unsafe {
            let between = bits(step.inner.key(separator));
            if all < Inner::<K>::CAP {
                left.set_key(in_left, between);
                left.copy_keys(in_left + 1, right, 0, in_right);
                left.copy_children(in_left + 1, right, 0, in_right + 1);
                left.set_count(all + 1);
                step.inner.remove(separator);
                emptied.add(right);
                return Ok(true);
            }
            let new_left = all / 2;
            if new_left < in_left {
                let many = in_left - new_left;
                right.shift_keys(0, many, in_right);
                right.shift_children(0, many, in_right + 1);
                right.set_key(many - 1, between);
                right.copy_keys(0, left, new_left + 1, many - 1);
                right.copy_children(0, left, new_left + 1, many);
                step.inner.set_key(separator, bits(left.key(new_left)));
            } else if new_left > in_left {
                let many = new_left - in_left;
                left.set_key(in_left, between);
                left.copy_keys(in_left + 1, right, 0, many - 1);
                left.copy_children(in_left + 1, right, 0, many);
                step.inner.set_key(separator, bits(right.key(many - 1)));
                right.shift_keys(many, 0, in_right - many);
                right.shift_children(many, 0, in_right - many + 1);
            }
            left.set_count(new_left);
            right.set_count(all - new_left);
        }
        Ok(false)
    }
}
