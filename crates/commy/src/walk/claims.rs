//! Which bytes of the file belong to something, so that nothing belongs to two.
//!
//! A bit for each 16 bytes, in pieces that are made when they are needed: blocks are multiples of 16.

use crate::alloc::footprint;
use crate::containers::untyped::Block;

/// Bytes of the file that a bit stands for.
const GRAIN: u64 = 16;
/// Words of a piece, which stands for 1 MiB.
const WORDS: usize = 1024;

/// The bytes that were claimed.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pieces: Vec<Option<Box<[u64; WORDS]>>>,
    bytes: u64,
}

impl Claims {
    /// Claims a block; false if a part of it belongs to something already, or it begins where no block can.
    pub(crate) fn claim(&mut self, block: Block) -> bool {
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

    #[test]
    fn what_was_claimed_is_not_given_to_another() {
        let mut claims = Claims::default();
        let block = |offset, bytes| Block { offset, bytes, align: 8 };
        assert!(claims.claim(block(4096, 32)));
        assert!(claims.claim(block(4096 + 32, 40)));
        assert!(!claims.claim(block(4096 + 64, 32)), "the last 16 bytes of a block of 48");
        assert!(!claims.claim(block(4096, 8)));
        assert!(claims.claim(block(3 << 20, 5 << 20)));
        assert!(!claims.claim(block((8 << 20) - 4096, 4096)));
        assert!(claims.claim(block(8 << 20, 4096)));
        assert!(!claims.claim(block(8 << 20 | 8, 8)));
        assert_eq!(claims.bytes(), 32 + 48 + 32 + 32 + (5 << 20) + 4096 + 4096);
    }
}
