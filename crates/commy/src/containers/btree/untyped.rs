//! The entries of a map or set, for who knows only their size: see `containers::untyped`.

use super::node::{Form, InnerHead, LeafHead, Shape};
use super::tree::{Head, MOST_LEVELS};
use crate::containers::untyped::{Block, Forms, Step};
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::map::Map;
use std::cmp::Ordering;
use std::mem::offset_of;

/// A cursor over the entries of a leaf, or the children of an inner node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub offset: u64,
    /// How many nodes there are from here to a leaf, both included; 0 once the block has been given.
    pub levels: u64,
    /// How many keys there are.
    pub count: u64,
    /// Entries, or children, that were given.
    pub next: u64,
}

fn shape(forms: &Forms, levels: u64) -> Shape {
    let form = |shape: &crate::containers::vec::Shape| Form { size: shape.size as usize, align: shape.align as usize };
    if levels > 1 { Shape::inner(form(&forms.first)) } else { Shape::leaf(form(&forms.first), form(&forms.second)) }
}

impl Node {
    /// The root of the tree with its head at an offset; `None` if there are no nodes.
    pub(crate) fn open(map: &Map, forms: &Forms, head: u64) -> Result<Option<Node>> {
        let corrupt = || Error::corrupt(head, "a tree whose number of levels cannot be");
        // SAFETY: a head is all words.
        let words = unsafe { map.get::<Head>(head)? };
        match (words.root.get(), words.levels.get()) {
            (0, 0) if words.len.get() == 0 => Ok(None),
            (root, levels) if root != 0 && levels.wrapping_sub(1) < MOST_LEVELS as u64 => {
                Node::at(map, forms, root, levels).map(Some)
            }
            _ => Err(corrupt()),
        }
    }

    /// The node at an offset, above so many levels less one.
    fn at(map: &Map, forms: &Forms, offset: u64, levels: u64) -> Result<Node> {
        let shape = shape(forms, levels);
        Block::checked(map, offset, shape.bytes as u64, shape.align as u64)?;
        let count = map.word(offset + offset_of!(LeafHead, count) as u64)?.get();
        if offset == 0 || count > shape.cap as u64 {
            return Err(Error::corrupt(offset, "a node of a tree with more keys than fit"));
        }
        Ok(Node { offset, levels, count, next: 0 })
    }

    /// That which was given as [`words`](Node::words), if it can be.
    pub(crate) fn resume(map: &Map, forms: &Forms, [offset, levels, count, next]: [u64; 4]) -> Result<Node> {
        let node = Node::at(map, forms, offset, levels.max(1))?;
        if levels > MOST_LEVELS as u64 || count > node.count || next > count.saturating_add(1) {
            return Err(Error::corrupt(offset, "a node of a tree that cannot be gone on with"));
        }
        Ok(Node { levels, count, next, ..node })
    }

    /// All that it is.
    pub(crate) fn words(&self) -> [u64; 4] {
        [self.offset, self.levels, self.count, self.next]
    }

    pub(crate) fn step(&mut self, map: &Map, forms: &Forms, entries: bool) -> Result<Step<Node>> {
        let shape = shape(forms, self.levels);
        let index = self.next;
        if self.levels > 1 && index <= self.count {
            self.next += 1;
            let child = map.word(self.offset + shape.rest as u64 + index * size_of::<Word>() as u64)?.get();
            return Node::at(map, forms, child, self.levels - 1).map(Step::Down);
        }
        if self.levels == 1 && entries && index < self.count {
            self.next += 1;
            return Ok(Step::Entry(
                self.key(forms, index),
                self.offset + shape.rest as u64 + index * forms.second.size,
            ));
        }
        if self.levels == 0 {
            return Ok(Step::End);
        }
        let block = self.block(forms);
        self.levels = 0;
        Ok(Step::Block(block))
    }

    /// How many keys there are before the first for which `before` is false.
    fn partition(&self, forms: &Forms, mut before: impl FnMut(u64) -> Result<bool>) -> Result<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if before(self.key(forms, middle))? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The block, which has not been given.
    pub(crate) fn block(&self, forms: &Forms) -> Block {
        let shape = shape(forms, self.levels);
        Block { offset: self.offset, bytes: shape.bytes as u64, align: shape.align as u64 }
    }

    /// The place of a key, in an inner node of a separator; `index` is below `count`, and the block has not been given.
    pub(crate) fn key(&self, forms: &Forms, index: u64) -> u64 {
        self.offset + shape(forms, self.levels).keys as u64 + index * forms.first.size
    }

    pub(crate) fn only_block_left(&self) -> bool {
        self.next == self.count + u64::from(self.levels > 1)
    }
}

/// Where the entry of a key is: the key and the value. `order` compares a stored key with it.
pub(crate) fn find(
    map: &Map,
    forms: &Forms,
    head: u64,
    mut order: impl FnMut(u64) -> Result<Ordering>,
) -> Result<Option<(u64, u64)>> {
    let Some(mut node) = Node::open(map, forms, head)? else { return Ok(None) };
    while node.levels > 1 {
        node.next = node.partition(forms, |key| Ok(order(key)?.is_le()))?;
        match node.step(map, forms, false)? {
            Step::Down(child) => node = child,
            _ => return Err(Error::corrupt(node.offset, "a node of a tree without the child that was looked for")),
        }
    }
    node.next = node.partition(forms, |key| Ok(order(key)?.is_lt()))?;
    match node.step(map, forms, true)? {
        Step::Entry(key, value) if order(key)?.is_eq() => Ok(Some((key, value))),
        _ => Ok(None),
    }
}

/// The nodes on the way to the first entry behind a key, each as a cursor that goes on from there; none without a tree.
/// `order` compares a stored key with it.
pub(crate) fn behind(
    map: &Map,
    forms: &Forms,
    head: u64,
    mut order: impl FnMut(u64) -> Result<Ordering>,
) -> Result<Vec<Node>> {
    let Some(mut node) = Node::open(map, forms, head)? else { return Ok(Vec::new()) };
    let mut way = Vec::new();
    loop {
        node.next = node.partition(forms, |key| Ok(order(key)?.is_le()))?;
        if node.levels <= 1 {
            way.push(node);
            return Ok(way);
        }
        match node.step(map, forms, false)? {
            Step::Down(child) => way.push(std::mem::replace(&mut node, child)),
            _ => return Err(Error::corrupt(node.offset, "a node of a tree without the child that was looked for")),
        }
    }
}

/// How many entries the head of a tree says that there are.
pub(crate) fn length(map: &Map, head: u64) -> Result<u64> {
    // SAFETY: a head is all words.
    Ok(unsafe { map.get::<Head>(head)? }.len.get())
}

/// The leaves before and behind a leaf.
pub(crate) fn neighbours(map: &Map, leaf: u64) -> Result<(u64, u64)> {
    // SAFETY: a leaf's head is all words.
    let head = unsafe { map.get::<LeafHead>(leaf)? };
    Ok((head.prev.get(), head.next.get()))
}

const _: () = assert!(offset_of!(LeafHead, count) == offset_of!(InnerHead, count));
