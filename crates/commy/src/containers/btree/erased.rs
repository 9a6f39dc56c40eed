//! Changing a map or set for who knows only the sizes of its entries: `insert` and `remove` without types.
//!
//! Nodes, separators and links are as the typed code has them; the log, too, is kept in the same way. What is different:
//! a leaf is not merged with another before it is empty, and an inner node not before it has lost its last key. The typed
//! code takes nodes with few keys as they are, since it has such ones at the ends of a tree itself.
//!
//! All that can fail - taking blocks, logging what is there, making the entry - comes before the first change.

use super::node::{Form, InnerHead, LeafHead, Shape};
use super::tree::{Head, MOST_LEVELS};
use crate::containers::untyped::Forms;
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::tx::Cx;
use std::cmp::Ordering;
use std::mem::offset_of;
use std::ptr::NonNull;

/// A tree, of which the entries' forms are known.
pub(crate) struct Erased<'a> {
    cx: Cx,
    head: &'a Head,
    leaf: Shape,
    inner: Shape,
    key: usize,
    value: usize,
}

/// A node.
///
/// Invariant: `shape.bytes` bytes at `at` are in the map; `count` is at most `shape.cap`.
#[derive(Clone, Copy)]
struct Node {
    offset: u64,
    at: NonNull<u8>,
    shape: Shape,
    /// Bytes of a key, and of a value or child.
    key: usize,
    rest: usize,
    /// How many more children than keys there are.
    more: usize,
}

impl Node {
    fn word(&self, at: usize) -> &Word {
        // SAFETY: a word of the node's head or one of its children, in the map and aligned to eight; words may be shared.
        unsafe { &*self.at.as_ptr().add(at).cast::<Word>() }
    }

    fn count(&self) -> usize {
        (self.word(offset_of!(LeafHead, count)).get() as usize).min(self.shape.cap)
    }

    fn set_count(&self, count: usize) {
        self.word(offset_of!(LeafHead, count)).put(count as u64);
    }

    /// The place of a key; `index` is at most the capacity.
    fn key(&self, index: usize) -> *mut u8 {
        self.at.as_ptr().wrapping_add(self.shape.keys + index * self.key)
    }

    /// The place of a value or child; `index` is at most the capacity.
    fn rest(&self, index: usize) -> *mut u8 {
        self.at.as_ptr().wrapping_add(self.shape.rest + index * self.rest)
    }

    fn child(&self, index: usize) -> &Word {
        self.word(self.shape.rest + index.min(self.shape.cap) * size_of::<Word>())
    }

    /// The bytes of a key.
    fn key_bytes(&self, index: usize) -> Vec<u8> {
        // SAFETY: within the node, and not changed meanwhile.
        unsafe { std::slice::from_raw_parts(self.key(index), self.key).to_vec() }
    }

    /// Overwrites a key. The node was logged or is new.
    fn set_key(&self, index: usize, key: &[u8]) {
        // SAFETY: within the node, which is locked for who changes it.
        unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), self.key(index), self.key.min(key.len())) };
    }

    /// Logs the node, unless this transaction has done so already or has made it.
    fn keep(&self, cx: Cx, stamp: u64) -> Result<()> {
        let stamped = self.word(offset_of!(LeafHead, stamp));
        if stamped.get() == stamp {
            return Ok(());
        }
        let count = self.count();
        // SAFETY: all within the node.
        unsafe {
            cx.keep_bytes(self.at.as_ptr(), self.shape.keys + count * self.key)?;
            let rest = (count + self.more) * self.rest;
            if rest > 0 {
                cx.keep_bytes(self.rest(0), rest)?;
            }
        }
        stamped.put(stamp);
        Ok(())
    }

    /// Puts a key in at `index`, and a value there, or a child behind it. There is room; the node was logged or is new.
    fn insert(&self, index: usize, key: &[u8], rest: &[u8]) {
        let count = self.count();
        let rest_at = index + self.more;
        // SAFETY: all moves are within the capacity.
        unsafe {
            std::ptr::copy(self.key(index), self.key(index + 1), (count - index) * self.key);
            std::ptr::copy(self.rest(rest_at), self.rest(rest_at + 1), (count - index) * self.rest);
            std::ptr::copy_nonoverlapping(rest.as_ptr(), self.rest(rest_at), self.rest.min(rest.len()));
        }
        self.set_key(index, key);
        self.set_count(count + 1);
    }

    /// Takes the key at `index` and the value or child at `rest_at` out. The node was logged.
    fn remove(&self, index: usize, rest_at: usize) {
        let count = self.count();
        // SAFETY: all moves are within the count.
        unsafe {
            std::ptr::copy(self.key(index + 1), self.key(index), (count - index - 1) * self.key);
            let behind = count + self.more - rest_at - 1;
            std::ptr::copy(self.rest(rest_at + 1), self.rest(rest_at), behind * self.rest);
        }
        self.set_count(count - 1);
    }

    /// Moves keys and what belongs to them to the end of another node, and forgets them; of the rest one before, if
    /// there is one more of it.
    fn move_behind(&self, from: usize, to: &Node) {
        let (count, start) = (self.count(), to.count());
        // SAFETY: within both nodes: `to` is a new one of the same shape.
        unsafe {
            std::ptr::copy_nonoverlapping(self.key(from), to.key(start), (count - from) * self.key);
            std::ptr::copy_nonoverlapping(self.rest(from), to.rest(start), (count - from + self.more) * self.rest);
        }
        to.set_count(start + count - from);
        self.set_count(from);
    }

    fn prev(&self) -> &Word {
        self.word(offset_of!(LeafHead, prev))
    }

    fn next(&self) -> &Word {
        self.word(offset_of!(LeafHead, next))
    }
}

/// The way to a place: inner nodes and which child is next, then the leaf, the index in it, and whether the key is there.
pub(crate) struct Way {
    steps: Vec<(Node, usize)>,
    leaf: Node,
    index: usize,
    pub found: bool,
}

impl Way {
    /// The offset of the value.
    pub(crate) fn value(&self) -> u64 {
        self.leaf.offset + (self.leaf.shape.rest + self.index * self.leaf.rest) as u64
    }

    /// The offset of the key.
    pub(crate) fn key(&self) -> u64 {
        self.leaf.offset + (self.leaf.shape.keys + self.index * self.leaf.key) as u64
    }
}

impl<'a> Erased<'a> {
    /// The tree with that head.
    pub(crate) fn new(cx: Cx, head: &'a Head, forms: &Forms) -> Erased<'a> {
        let form =
            |shape: &crate::containers::vec::Shape| Form { size: shape.size as usize, align: shape.align as usize };
        let (key, value) = (form(&forms.first), form(&forms.second));
        let (leaf, inner) = (Shape::leaf(key, value), Shape::inner(key));
        Erased { cx, head, leaf, inner, key: key.size, value: value.size }
    }

    fn node(&self, offset: u64, is_leaf: bool) -> Result<Node> {
        let corrupt = || Error::corrupt(offset, "no node of a tree");
        let shape = if is_leaf { self.leaf } else { self.inner };
        let at = self.cx.at(offset, shape.bytes as u64, shape.align as u64).ok_or_else(corrupt)?;
        let (rest, more) = if is_leaf { (self.value, 0) } else { (size_of::<Word>(), 1) };
        let node = Node { offset, at, shape, key: self.key, rest, more };
        let sound = offset != 0 && node.word(offset_of!(LeafHead, count)).get() <= shape.cap as u64;
        if sound { Ok(node) } else { Err(corrupt()) }
    }

    fn make(&self, is_leaf: bool, stamp: u64) -> Result<Node> {
        let shape = if is_leaf { self.leaf } else { self.inner };
        let offset = self.cx.alloc(shape.bytes as u64, shape.align as u64)?;
        let at = self.cx.at(offset, shape.bytes as u64, shape.align as u64);
        let at = at.ok_or_else(|| Error::corrupt(offset, "a block outside the file"))?;
        // SAFETY: a block of so many bytes that nobody else knows.
        unsafe { at.write_bytes(0, shape.bytes) };
        let node = self.node(offset, is_leaf)?;
        node.word(offset_of!(LeafHead, stamp)).put(stamp);
        Ok(node)
    }

    fn free(&self, node: &Node) -> Result<()> {
        self.cx.free(node.offset, node.shape.bytes as u64, node.shape.align as u64)
    }

    /// The way to a key; `None` if there are no nodes. `order` compares the key at an offset with it.
    pub(crate) fn way(&self, mut order: impl FnMut(u64) -> Result<Ordering>) -> Result<Option<Way>> {
        let (root, levels) = (self.head.root.get(), self.head.levels.get());
        if root == 0 && levels == 0 && self.head.len.get() == 0 {
            return Ok(None);
        }
        if levels.wrapping_sub(1) >= MOST_LEVELS as u64 {
            return Err(self.head.corrupt());
        }
        let mut partition = |node: &Node, before: fn(Ordering) -> bool| {
            let (mut low, mut high) = (0, node.count());
            while low < high {
                let middle = usize::midpoint(low, high);
                let place = node.offset + (node.shape.keys + middle * node.key) as u64;
                if before(order(place)?) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Ok::<_, Error>(low)
        };
        let (mut steps, mut offset) = (Vec::new(), root);
        for _ in 1..levels {
            let inner = self.node(offset, false)?;
            let index = partition(&inner, Ordering::is_le)?;
            offset = inner.child(index).get();
            steps.push((inner, index));
        }
        let leaf = self.node(offset, true)?;
        let index = partition(&leaf, Ordering::is_lt)?;
        let found = index < leaf.count() && partition(&leaf, Ordering::is_le)? > index;
        Ok(Some(Way { steps, leaf, index, found }))
    }

    /// The way to the first entry, or to the last.
    pub(crate) fn edge(&self, last: bool) -> Result<Option<Way>> {
        let way = self.way(|_| Ok(if last { Ordering::Less } else { Ordering::Greater }))?;
        Ok(way.and_then(|mut way| {
            if last {
                way.index = way.index.checked_sub(1)?;
            }
            (way.index < way.leaf.count()).then_some(way)
        }))
    }

    /// Puts an entry in at the end of a way where there is none. `make` gives the bytes of its key and value.
    pub(crate) fn insert(&self, way: Option<Way>, make: impl FnOnce() -> Result<(Vec<u8>, Vec<u8>)>) -> Result<()> {
        let (cx, head, stamp) = (self.cx, self.head, self.cx.stamp()?);
        head.keep(cx, stamp)?;
        let Some(Way { steps, leaf, index, .. }) = way else {
            let leaf = self.make(true, stamp)?;
            let (key, value) = make()?;
            leaf.insert(0, &key, &value);
            head.set_root(leaf.offset, 1);
            head.len.put(1);
            return Ok(());
        };
        leaf.keep(cx, stamp)?;
        if leaf.count() < leaf.shape.cap {
            let (key, value) = make()?;
            leaf.insert(index, &key, &value);
            head.add_to_len(1);
            return Ok(());
        }
        let behind = leaf.next().get();
        let behind = if behind == 0 { None } else { Some(self.node(behind, true)?) };
        if let Some(behind) = &behind {
            cx.keep(behind.prev(), 1)?;
        }
        let full = steps.iter().rev().take_while(|(inner, _)| inner.count() == inner.shape.cap).count();
        for (inner, _) in steps.iter().rev().take(full + 1) {
            inner.keep(cx, stamp)?;
        }
        let new = self.make(true, stamp)?;
        let needed = full + usize::from(full == steps.len());
        let mut spares = (0..needed).map(|_| self.make(false, stamp)).collect::<Result<Vec<_>>>()?;
        let (key, value) = make()?;
        // Nothing fails from here on.
        let at_end = behind.is_none() && index == leaf.count();
        leaf.move_behind(if at_end { index } else { leaf.count() / 2 }, &new);
        new.prev().put(leaf.offset);
        new.next().put(leaf.next().get());
        leaf.next().put(new.offset);
        if let Some(behind) = behind {
            behind.prev().put(new.offset);
        }
        let stays = leaf.count();
        if index <= stays && !at_end {
            leaf.insert(index, &key, &value);
        } else {
            new.insert(index - stays, &key, &value);
        }
        head.add_to_len(1);
        let (mut separator, mut child) = (new.key_bytes(0), new.offset);
        for (inner, index) in steps.iter().rev() {
            let Some(right) = (inner.count() == inner.shape.cap).then(|| spares.pop()).flatten() else {
                inner.insert(*index, &separator, &child.to_ne_bytes());
                return Ok(());
            };
            let half = inner.count() / 2;
            // The key in the middle goes up.
            let up = inner.key_bytes(half);
            inner.move_behind(half + 1, &right);
            inner.set_count(half);
            if *index <= half {
                inner.insert(*index, &separator, &child.to_ne_bytes());
            } else {
                right.insert(*index - half - 1, &separator, &child.to_ne_bytes());
            }
            (separator, child) = (up, right.offset);
        }
        if let Some(root) = spares.pop() {
            root.child(0).put(head.root.get());
            root.insert(0, &separator, &child.to_ne_bytes());
            head.set_root(root.offset, head.levels.get() + 1);
        }
        Ok(())
    }

    /// Takes the entry at the end of a way out. What it owns is the caller's.
    pub(crate) fn remove(&self, Way { steps, leaf, index, .. }: Way) -> Result<()> {
        let (cx, head, stamp) = (self.cx, self.head, self.cx.stamp()?);
        head.keep(cx, stamp)?;
        leaf.keep(cx, stamp)?;
        let parent_of_first = steps.iter().rposition(|(_, index)| *index > 0);
        if leaf.count() > 1 {
            let separator = parent_of_first.filter(|_| index == 0).map(|step| steps[step]);
            if let Some((inner, _)) = &separator {
                inner.keep(cx, stamp)?;
            }
            leaf.remove(index, index);
            if let Some((inner, at)) = separator {
                inner.set_key(at - 1, &leaf.key_bytes(0));
            }
            head.add_to_len(-1);
            return Ok(());
        }
        if steps.is_empty() {
            self.free(&leaf)?;
            head.set_root(0, 0);
            head.len.put(0);
            return Ok(());
        }
        let links = self.keep_for_removal(stamp, &steps, &leaf)?;
        // Nothing fails from here on, but the freeing.
        if let Some(before) = &links[0] {
            before.next().put(leaf.next().get());
        }
        if let Some(behind) = &links[1] {
            behind.prev().put(leaf.prev().get());
        }
        head.add_to_len(-1);
        let mut emptied = vec![leaf];
        let (parent, at) = steps[steps.len() - 1];
        if at == 0 {
            // What was the second child is first now, also as the ancestors know it.
            let first = parent.key_bytes(0);
            parent.remove(0, 0);
            if let Some(step) = parent_of_first {
                steps[step].0.set_key(steps[step].1 - 1, &first);
            }
        } else {
            parent.remove(at - 1, at);
        }
        for level in (0..steps.len()).rev() {
            let node = steps[level].0;
            if node.count() > 0 {
                break;
            }
            emptied.extend(self.mend(&steps[..level], node)?);
        }
        emptied.iter().try_for_each(|node| self.free(node))
    }

    /// Logs what removing a leaf changes; gives the leaves before and behind it.
    fn keep_for_removal(&self, stamp: u64, steps: &[(Node, usize)], leaf: &Node) -> Result<[Option<Node>; 2]> {
        let cx = self.cx;
        let leaf_at = |offset: u64| if offset == 0 { Ok(None) } else { self.node(offset, true).map(Some) };
        let links = [leaf_at(leaf.prev().get())?, leaf_at(leaf.next().get())?];
        if let Some(before) = &links[0] {
            cx.keep(before.next(), 1)?;
        }
        if let Some(behind) = &links[1] {
            cx.keep(behind.prev(), 1)?;
        }
        steps.iter().try_for_each(|(inner, _)| inner.keep(cx, stamp))?;
        for level in (1..steps.len()).rev() {
            if steps[level].0.count() == 0 {
                return Err(self.head.corrupt());
            }
            if steps[level].0.count() > 1 {
                break;
            }
            let (sibling, _) = self.sibling(steps[level - 1])?;
            sibling.keep(cx, stamp)?;
            if sibling.count() > 1 {
                break;
            }
        }
        if steps[0].0.count() == 0 { Err(self.head.corrupt()) } else { Ok(links) }
    }

    /// The child next to that which a step leads to, and whether it is before it.
    fn sibling(&self, (inner, index): (Node, usize)) -> Result<(Node, bool)> {
        let before = index > 0;
        let at = if before { index - 1 } else { 1 };
        if at > inner.count() {
            return Err(self.head.corrupt());
        }
        self.node(inner.child(at).get(), false).map(|node| (node, before))
    }

    /// Gives a node that has a child but no key a key again, or moves its child elsewhere. Gives it if it is not needed
    /// any more.
    fn mend(&self, above: &[(Node, usize)], node: Node) -> Result<Option<Node>> {
        let only = node.child(0).get();
        let Some((parent, index)) = above.last() else {
            self.head.set_root(only, self.head.levels.get() - 1);
            return Ok(Some(node));
        };
        let (sibling, before) = self.sibling((*parent, *index))?;
        let separator = if before { index - 1 } else { *index };
        let (key, last) = (parent.key_bytes(separator), sibling.count() - 1);
        match (before, last > 0) {
            (true, true) => {
                // Its last child comes over, as the first.
                node.child(0).put(sibling.child(last + 1).get());
                node.insert(0, &key, &only.to_ne_bytes());
                parent.set_key(separator, &sibling.key_bytes(last));
                sibling.set_count(last);
                Ok(None)
            }
            (true, false) => {
                sibling.insert(last + 1, &key, &only.to_ne_bytes());
                parent.remove(separator, *index);
                Ok(Some(node))
            }
            (false, true) => {
                node.insert(0, &key, &sibling.child(0).get().to_ne_bytes());
                parent.set_key(separator, &sibling.key_bytes(0));
                sibling.remove(0, 0);
                Ok(None)
            }
            (false, false) => {
                let first = sibling.child(0).get();
                sibling.child(0).put(only);
                sibling.insert(0, &key, &first.to_ne_bytes());
                parent.remove(separator, *index);
                Ok(Some(node))
            }
        }
    }
}

const _: () = assert!(offset_of!(LeafHead, stamp) == offset_of!(InnerHead, stamp));
