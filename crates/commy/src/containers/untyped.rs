//! What a container tells of its contents to those who have the description of its type instead of the type.
//!
//! [`Contents`] is a cursor over what one container holds. It is made from the container's header, which is read once
//! and not looked at again, and is all that is needed from then on: a few words, which can be put aside and gone on
//! with later. Each container has its own cursor in its own folder, built on the constants and headers that its typed
//! code is built on. A cursor gives, step by step,
//!
//! ```text
//! Entry(key or element, value)     where an entry is
//! Down(contents)                   contents of the same container further down: a node, or the table moved out of
//! Block(block)                     a block, after all that is in it
//! End
//! ```
//!
//! Whatever is in the file: nothing outside it is read, each step ends, and so does the sequence of steps, after as
//! many as fit into the blocks that the header names. What cannot be is `Error::Corrupt`.

use super::boxed::Content;
use super::btree::Node;
use super::deque::Places;
use super::hash::Places as Table;
use super::vec::{Places as Row, Shape};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::schema::Kind;

/// A block that a container holds, with the size and alignment it was taken with. It is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub offset: u64,
    pub bytes: u64,
    pub align: u64,
}

impl Block {
    /// The block, if it can be.
    #[inline]
    pub(crate) fn checked(map: &Map, offset: u64, bytes: u64, align: u64) -> Result<Block> {
        match map.at(offset, bytes, align) {
            Some(_) if offset != 0 || bytes == 0 => Ok(Block { offset, bytes, align }),
            _ => Err(Error::corrupt(offset, "a block outside the file")),
        }
    }
}

/// What comes next in a container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<C> {
    /// Where an entry is: the element or key, and the value of a key, else the same again.
    Entry(u64, u64),
    /// Contents further down.
    Down(C),
    /// A block whose entries and contents further down have all been given.
    Block(Block),
    /// Nothing more.
    End,
}

/// The forms of what a container holds: of its elements, bytes or keys, and of the values, if there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forms {
    pub first: Shape,
    pub second: Shape,
}

impl Forms {
    /// Of what has nothing in it.
    pub(crate) const NOTHING: Shape = Shape { size: 0, align: 1 };
}

/// Words that any cursor fits in.
pub(crate) const WORDS: usize = 6;

/// A cursor over the contents of a container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Contents {
    Row(Row),
    Ring(Places),
    Table(Table),
    Node(Node),
    Content(Content),
}

impl Contents {
    /// The contents of the container of that kind with its header at an offset, `None` if it has no block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the header says what cannot be. The kind is that of a container.
    pub(crate) fn open(map: &Map, kind: Kind, forms: &Forms, header: u64) -> Result<Option<Contents>> {
        Ok(match kind {
            Kind::String | Kind::Vec => Row::open(map, &forms.first, header)?.map(Contents::Row),
            Kind::VecDeque => Places::open(map, &forms.first, header)?.map(Contents::Ring),
            Kind::HashMap | Kind::HashSet => Table::open(map, forms, header)?.map(Contents::Table),
            Kind::BTreeMap | Kind::BTreeSet => Node::open(map, forms, header)?.map(Contents::Node),
            Kind::Box => Content::open(map, &forms.first, header)?.map(Contents::Content),
            _ => None,
        })
    }

    /// All that the cursor is, to be gone on with later by [`resume`](Contents::resume), if nothing was changed.
    pub(crate) fn words(&self) -> [u64; WORDS] {
        fn filled<const N: usize>(words: [u64; N]) -> [u64; WORDS] {
            let mut all = [0; WORDS];
            all[..N].copy_from_slice(&words);
            all
        }
        match self {
            Contents::Row(row) => filled(row.words()),
            Contents::Ring(ring) => filled(ring.words()),
            Contents::Table(table) => filled(table.words()),
            Contents::Node(node) => filled(node.words()),
            Contents::Content(content) => filled(content.words()),
        }
    }

    /// The cursor that [`words`](Contents::words) gave, if it can be one over a container of that kind.
    pub(crate) fn resume(map: &Map, kind: Kind, forms: &Forms, words: [u64; WORDS]) -> Result<Contents> {
        let [a, b, c, d, e, f] = words;
        Ok(match kind {
            Kind::String | Kind::Vec => Contents::Row(Row::resume(map, &forms.first, [a, b, c, d])?),
            Kind::VecDeque => Contents::Ring(Places::resume(map, &forms.first, [a, b, c, d, e])?),
            Kind::HashMap | Kind::HashSet => Contents::Table(Table::resume(map, forms, [a, b, c, d, e, f])?),
            Kind::BTreeMap | Kind::BTreeSet => Contents::Node(Node::resume(map, forms, [a, b, c, d])?),
            Kind::Box => Contents::Content(Content::resume(map, &forms.first, [a, b])?),
            _ => return Err(Error::corrupt(0, "a walk over something that is no container")),
        })
    }

    /// The next step; without `entries` those are left out.
    pub(crate) fn step(&mut self, map: &Map, forms: &Forms, entries: bool) -> Result<Step<Contents>> {
        fn wrap<C>(step: Step<C>, into: fn(C) -> Contents) -> Step<Contents> {
            match step {
                Step::Entry(first, second) => Step::Entry(first, second),
                Step::Down(contents) => Step::Down(into(contents)),
                Step::Block(block) => Step::Block(block),
                Step::End => Step::End,
            }
        }
        Ok(match self {
            Contents::Row(row) => wrap(row.step(&forms.first, entries), Contents::Row),
            Contents::Ring(ring) => wrap(ring.step(&forms.first, entries), Contents::Ring),
            Contents::Table(table) => wrap(table.step(map, forms, entries)?, Contents::Table),
            Contents::Node(node) => wrap(node.step(map, forms, entries)?, Contents::Node),
            Contents::Content(content) => wrap(content.step(&forms.first, entries), Contents::Content),
        })
    }

    /// The block that it stands for, which has not been given.
    pub(crate) fn block(&self, map: &Map, forms: &Forms) -> Result<Block> {
        Ok(match self {
            Contents::Row(row) => row.block(&forms.first),
            Contents::Ring(ring) => ring.block(&forms.first),
            Contents::Table(table) => table.block(map, forms)?,
            Contents::Node(node) => node.block(forms),
            Contents::Content(content) => content.block(&forms.first),
        })
    }

    /// Whether all that is left to come is known to be the block.
    pub(crate) fn only_block_left(&self) -> bool {
        match self {
            Contents::Row(row) => row.only_block_left(),
            Contents::Ring(ring) => ring.only_block_left(),
            Contents::Table(_) => false,
            Contents::Node(node) => node.only_block_left(),
            Contents::Content(content) => content.only_block_left(),
        }
    }
}
