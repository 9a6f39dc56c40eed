//! A group in two ordinary registers, for machines without a backend of their own.

use super::Bits;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Sixteen control bytes.
#[derive(Clone, Copy)]
pub(crate) struct Group([u64; 2]);

/// Gathers the highest bits of the eight bytes. The factor brings bit `8k + 7` to bit `56 + k`, and no two
/// of its partial products meet, so that nothing is carried.
#[inline(always)]
fn gather(word: u64) -> u16 {
    ((word & HIGH).wrapping_mul(0x0002_0408_1020_4081) >> 56) as u16
}

/// The highest bit of each byte that is zero, exactly: what is added stays within its byte.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    !((word & !HIGH).wrapping_add(!HIGH) | word | !HIGH)
}

impl Group {
    /// Loads a group.
    ///
    /// # Safety
    /// `at` is aligned to 16, and 16 bytes there can be read and are not being changed.
    #[inline(always)]
    pub(crate) unsafe fn load(at: *const u8) -> Group {
        // SAFETY: the caller's promise.
        Group(unsafe { at.cast::<[u64; 2]>().read() })
    }

    #[inline(always)]
    fn each(self, high: impl Fn(u64) -> u64) -> Bits {
        Bits(gather(high(self.0[0])) | gather(high(self.0[1])) << 8)
    }

    /// Slots that are full and have this tag.
    #[inline(always)]
    pub(crate) fn tagged(self, tag: u8) -> Bits {
        self.each(|word| zeros(word ^ LOW * u64::from(tag)))
    }

    /// Slots that end a probe.
    #[inline(always)]
    pub(crate) fn empty(self) -> Bits {
        self.each(|word| zeros(!word))
    }

    /// Slots without a key.
    #[inline(always)]
    pub(crate) fn free(self) -> Bits {
        self.each(|word| word)
    }

    /// Slots with a key.
    #[inline(always)]
    pub(crate) fn full(self) -> Bits {
        self.each(|word| !word)
    }
}
