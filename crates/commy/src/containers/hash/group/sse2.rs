//! A group in a 128-bit register. Every x86-64 has these instructions.

use super::{Bits, EMPTY};
use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_set1_epi8};

/// Sixteen control bytes.
#[derive(Clone, Copy)]
pub(crate) struct Group(__m128i);

impl Group {
    /// Loads a group.
    ///
    /// # Safety
    /// `at` is aligned to 16, and 16 bytes there can be read and are not being changed.
    #[inline(always)]
    pub(crate) unsafe fn load(at: *const u8) -> Group {
        // SAFETY: the caller's promise.
        Group(unsafe { _mm_load_si128(at.cast()) })
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> Bits {
        // SAFETY: SSE2 is part of every x86-64; the instructions touch no memory.
        Bits(unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte as i8))) } as u16)
    }

    /// Slots that are full and have this tag.
    #[inline(always)]
    pub(crate) fn tagged(self, tag: u8) -> Bits {
        self.equal(tag)
    }

    /// Slots that end a probe.
    #[inline(always)]
    pub(crate) fn empty(self) -> Bits {
        self.equal(EMPTY)
    }

    /// Slots without a key.
    #[inline(always)]
    pub(crate) fn free(self) -> Bits {
        // SAFETY: as in `equal`.
        Bits(unsafe { _mm_movemask_epi8(self.0) } as u16)
    }

    /// Slots with a key.
    #[inline(always)]
    pub(crate) fn full(self) -> Bits {
        Bits(self.free().0 ^ Bits::ALL.0)
    }
}
