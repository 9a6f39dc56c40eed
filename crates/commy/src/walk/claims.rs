//! Which bytes of the file belong to something, so that nothing belongs to two, and only what is handed out to any.
//!
//! A bit for each 16 bytes, in pieces that are made when they are needed: blocks are multiples of 16.

use crate::alloc::{footprint, usage::is_handed_out};
use crate::containers::untyped::Block;
use crate::map::Map;

/// Bytes of the file that a bit stands for.
const GRAIN: u64 = 16;
/// Words of a piece, which stands for 1 MiB.
const WORDS: usize = 1024;

/// Who is told how many bytes have been claimed, whenever there are many more.
pub(crate) type Told<'a> = &'a mut dyn FnMut(u64);

/// More bytes than which one is told of anew.
const STEP: u64 = 1 << 20;

/// The bytes that were claimed.
pub(crate) struct Claims<'a> {
    map: &'a Map,
    pieces: Vec<Option<Box<[u64; WORDS]>>>,
    bytes: u64,
    told: Option<Told<'a>>,
    tell_at: u64,
}

impl<'a> Claims<'a> {
    /// For a segment, in which the blocks that will be claimed are not freed meanwhile.
    pub(crate) fn of(map: &'a Map) -> Claims<'a> {
        Claims { map, pieces: Vec::new(), bytes: 0, told: None, tell_at: STEP }
    }

    /// The same, telling how far it has come.
    pub(crate) fn telling(map: &'a Map, told: Told<'a>) -> Claims<'a> {
        Claims { told: Some(told), ..Claims::of(map) }
    }

    /// Claims a block.
    ///
    /// # Errors
    /// What is wrong: no such block is handed out, or a part of it belongs to something already.
    pub(crate) fn claim(&mut self, block: Block) -> Result<(), &'static str> {
        if !is_handed_out(self.map, block.offset, block.bytes, block.align) {
            return Err("a block that is not handed out");
        }
        if self.mark(block) { Ok(()) } else { Err("a block that belongs to something else, too") }
    }

    /// Whether a place, which is in the file, belongs to something.
    pub(crate) fn is_claimed(&self, offset: u64) -> bool {
        let (word, bit) = ((offset / GRAIN / 64) as usize, offset / GRAIN % 64);
        let piece = self.pieces.get(word / WORDS).and_then(Option::as_ref);
        piece.is_some_and(|piece| piece[word % WORDS] >> bit & 1 == 1)
    }

    /// Marks a block, which is in the file; false if a part of it is marked already, or it begins where no block can.
    fn mark(&mut self, block: Block) -> bool {
        let bytes = footprint(block.bytes, block.align);
        if !block.offset.is_multiple_of(GRAIN) || block.offset < GRAIN {
            return false;
        }
        let (mut next, end) = (block.offset / GRAIN, (block.offset + bytes) / GRAIN);
        let mut fresh = true;
        while next < end {
            let (word, bit) = ((next / 64) as usize, next % 64);
            let count = (64 - bit).min(end - next);
            let bits = u64::MAX >> (64 - count) << bit;
            let piece = word / WORDS;
            if self.pieces.len() <= piece {
                self.pieces.resize_with(piece + 1, || None);
            }
            let piece = self.pieces[piece].get_or_insert_with(|| Box::new([0; WORDS]));
            fresh &= piece[word % WORDS] & bits == 0;
            piece[word % WORDS] |= bits;
            next += count;
        }
        self.bytes += bytes;
        if let Some(told) = self.told.as_mut().filter(|_| self.bytes >= self.tell_at) {
            told(self.bytes);
            self.tell_at = self.bytes + STEP;
        }
        fresh
    }

    /// Bytes that were claimed.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;

    #[test]
    fn what_was_claimed_is_not_given_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path().join("s.commy")).unwrap();
        let mut claims = Claims::of(segment.map());
        let block = |offset, bytes| Block { offset, bytes, align: 8 };
        assert!(claims.mark(block(4096, 32)));
        assert!(claims.mark(block(4096 + 32, 40)));
        assert!(!claims.mark(block(4096 + 64, 32)), "the last 16 bytes of a block of 48");
        assert!(!claims.mark(block(4096, 8)));
        assert!(claims.mark(block(3 << 20, 5 << 20)));
        assert!(!claims.mark(block((8 << 20) - 4096, 4096)));
        assert!(claims.mark(block(8 << 20, 4096)));
        assert!(!claims.mark(block(8 << 20 | 8, 8)));
        assert_eq!(claims.bytes(), 32 + 48 + 32 + 32 + (5 << 20) + 4096 + 4096);
    }
}
