//! The elements of a vector, or the bytes of a string, for who knows only their size: see `containers::untyped`.

use super::block::MOST;
use super::{Shape, VecHeader};
use crate::containers::sequence::Header;
use crate::containers::untyped::{Block, Step};
use crate::error::{Error, Result};
use crate::map::Map;

/// A cursor over the elements of a vector: they lie in a row at the beginning of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub block: u64,
    /// 0 once the block has been given.
    pub cap: u64,
    pub len: u64,
    /// The index of the next.
    pub next: u64,
}

impl Places {
    /// Those of the vector with its header at an offset; `None` without capacity.
    #[inline]
    pub(crate) fn open(map: &Map, shape: &Shape, header: u64) -> Result<Option<Places>> {
        // SAFETY: a header is all words.
        let run = unsafe { map.get::<VecHeader>(header)? }.run();
        let places = Places::checked(map, shape, [run.offset, run.cap, run.len, 0], header)?;
        Ok((run.cap != 0).then_some(places))
    }

    /// Those that were given as [`words`](Places::words), if they can be.
    pub(crate) fn resume(map: &Map, shape: &Shape, words: [u64; 4]) -> Result<Places> {
        Places::checked(map, shape, words, words[0])
    }

    /// All that it is.
    pub(crate) fn words(&self) -> [u64; 4] {
        [self.block, self.cap, self.len.min(self.cap), self.next.min(self.cap)]
    }

    #[inline]
    fn checked(map: &Map, shape: &Shape, [block, cap, len, next]: [u64; 4], header: u64) -> Result<Places> {
        if len > cap || cap > MOST || next > len {
            return Err(Error::corrupt(header, "a vector or string whose length or capacity cannot be"));
        }
        Block::checked(map, block, shape.bytes(cap)?, shape.align)?;
        Ok(Places { block, cap, len, next })
    }

    pub(crate) fn step(&mut self, shape: &Shape, entries: bool) -> Step<Places> {
        if entries && self.next < self.len {
            let place = self.block + self.next * shape.size;
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
