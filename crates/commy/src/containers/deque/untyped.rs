//! The elements of a deque, for who knows only their size: see `containers::untyped`.

use super::DequeHeader;
use crate::containers::sequence::Header;
use crate::containers::untyped::{Block, Step};
use crate::containers::vec::{MOST, Shape};
use crate::error::{Error, Result};
use crate::map::Map;

/// A cursor over the elements of a deque, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub block: u64,
    /// 0 once the block has been given.
    pub cap: u64,
    pub head: u64,
    pub len: u64,
    /// The index of the next.
    pub next: u64,
}

impl Places {
    /// Those of the deque with its header at an offset; `None` without capacity.
    pub(crate) fn open(map: &Map, shape: &Shape, header: u64) -> Result<Option<Places>> {
        // SAFETY: a header is all words.
        let ring = unsafe { map.get::<DequeHeader>(header)? }.run();
        let power = ring.cap & ring.cap.wrapping_sub(1) == 0;
        if ring.len > ring.cap || ring.cap > MOST || !power || ring.head > ring.cap.saturating_sub(1) {
            return Err(Error::corrupt(header, "a deque whose length, head or capacity cannot be"));
        }
        Block::checked(map, ring.offset, shape.bytes(ring.cap)?, shape.align)?;
        let places = Places { block: ring.offset, cap: ring.cap, head: ring.head, len: ring.len, next: 0 };
        Ok((ring.cap != 0).then_some(places))
    }

    pub(crate) fn step(&mut self, shape: &Shape, entries: bool) -> Step<Places> {
        if entries && self.next < self.len {
            let place = self.block + (self.head + self.next & self.cap - 1) * shape.size;
            self.next += 1;
            return Step::Entry(place, place);
        }
        self.next = self.len;
        let block = self.block(shape);
        self.cap = 0;
        if block.bytes == 0 { Step::End } else { Step::Block(block) }
    }

    /// The block, unless it has been given.
    pub(crate) fn block(&self, shape: &Shape) -> Block {
        Block { offset: self.block, bytes: self.cap * shape.size, align: shape.align }
    }

    pub(crate) fn only_block_left(&self) -> bool {
        self.next == self.len
    }
}
