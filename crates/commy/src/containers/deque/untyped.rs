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
        let places = Places::checked(map, shape, [ring.offset, ring.cap, ring.head, ring.len, 0], header)?;
        Ok((ring.cap != 0).then_some(places))
    }

    /// Those that were given as [`words`](Places::words), if they can be.
    pub(crate) fn resume(map: &Map, shape: &Shape, words: [u64; 5]) -> Result<Places> {
        Places::checked(map, shape, words, words[0])
    }

    /// All that it is.
    pub(crate) fn words(&self) -> [u64; 5] {
        let within = |number: u64| number.min(self.cap);
        let head = if self.cap == 0 { 0 } else { self.head };
        [self.block, self.cap, head, within(self.len), within(self.next)]
    }

    fn checked(map: &Map, shape: &Shape, [block, cap, head, len, next]: [u64; 5], header: u64) -> Result<Places> {
        let power = cap & cap.wrapping_sub(1) == 0;
        if len > cap || cap > MOST || !power || head > cap.saturating_sub(1) || next > len {
            return Err(Error::corrupt(header, "a deque whose length, head or capacity cannot be"));
        }
        Block::checked(map, block, shape.bytes(cap)?, shape.align)?;
        Ok(Places { block, cap, head, len, next })
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
