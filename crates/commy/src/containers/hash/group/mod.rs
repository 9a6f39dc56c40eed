//! A group of 16 control bytes, examined at once.
//!
//! ```text
//! control byte   0ttttttt   the slot is full; t are 7 bits of its key's hash, the tag
//!                11111111   EMPTY: no key, and none was ever pushed past this group
//!                10000000   DELETED: no key, but probes go on behind this group
//! ```
//!
//! A group is two words of the file, byte `k` of it being bits `8 * (k % 8)` of word `k / 8`. Each
//! backend is one file with the same functions: what they find comes as one bit a slot.

#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod swar;

#[cfg(target_arch = "x86_64")]
pub(super) use sse2::Group;
#[cfg(not(target_arch = "x86_64"))]
pub(super) use swar::Group;

/// Slots of a group.
pub(super) const WIDTH: usize = 16;
/// The control byte of a slot that ends a probe.
pub(super) const EMPTY: u8 = 0xff;
/// The control byte of a slot that can be used but does not end a probe.
pub(super) const DELETED: u8 = 0x80;
/// A word of EMPTY slots.
pub(super) const EMPTIES: u64 = u64::MAX;

/// Some slots of a group, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits(u16);

impl Bits {
    /// None.
    pub(super) const NONE: Bits = Bits(0);
    /// All 16.
    pub(super) const ALL: Bits = Bits(0xffff);

    #[inline(always)]
    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    /// The lowest; 16 or more if there is none.
    #[inline(always)]
    pub(super) fn lowest(self) -> usize {
        self.0.trailing_zeros() as usize
    }

    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(super) fn has(self, slot: usize) -> bool {
        self.0 >> (slot % WIDTH) & 1 == 1
    }

    /// Those with a lower number than `slots`.
    #[inline(always)]
    pub(super) fn below(self, slots: usize) -> Bits {
        if slots >= WIDTH { self } else { Bits(self.0 & ((1 << slots) - 1)) }
    }

    pub(super) fn with(self, slot: usize) -> Bits {
        Bits(self.0 | 1 << (slot % WIDTH))
    }
}

impl Iterator for Bits {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lowest = self.lowest();
        self.0 &= self.0 - 1;
        Some(lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, DELETED, EMPTY, WIDTH};
    use proptest::prelude::*;

    fn control_byte() -> impl Strategy<Value = u8> {
        prop_oneof![Just(EMPTY), Just(DELETED), 0..4u8, 0..0x80u8]
    }

    #[repr(align(16))]
    struct Aligned([u64; 2]);

    impl Aligned {
        fn new(bytes: &[u8; WIDTH]) -> Aligned {
            Aligned(std::array::from_fn(|word| (0..8).fold(0, |w, k| w | u64::from(bytes[word * 8 + k]) << (8 * k))))
        }
    }

    fn where_is(bytes: &[u8; WIDTH], holds: impl Fn(u8) -> bool) -> Bits {
        let found = (0..WIDTH).filter(|slot| holds(bytes[*slot]));
        found.fold(Bits::NONE, Bits::with)
    }

    proptest! {
        #[test]
        fn no_backend_sees_other_slots_than_the_bytes_say(
            bytes in proptest::array::uniform16(control_byte()), tag in 0..0x80u8,
        ) {
            let words = Aligned::new(&bytes);
            // SAFETY: sixteen bytes, so aligned.
            let group = unsafe { super::Group::load(words.0.as_ptr().cast()) };
            // SAFETY: as above.
            let plain = unsafe { super::swar::Group::load(words.0.as_ptr().cast()) };
            let tagged = where_is(&bytes, |byte| byte == tag);
            let empty = where_is(&bytes, |byte| byte == EMPTY);
            let free = where_is(&bytes, |byte| byte >= DELETED);
            let full = where_is(&bytes, |byte| byte < DELETED);
            prop_assert_eq!([group.tagged(tag), group.empty(), group.free(), group.full()], [tagged, empty, free, full]);
            prop_assert_eq!([plain.tagged(tag), plain.empty(), plain.free(), plain.full()], [tagged, empty, free, full]);
        }
    }

    #[test]
    fn the_bits_come_lowest_first_and_none_is_left_out() {
        let bits = where_is(&[0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], |byte| byte == 1);
        assert_eq!(bits.collect::<Vec<_>>(), [1, 2, 15]);
        assert_eq!((bits.count(), bits.lowest(), bits.has(2), bits.has(3)), (3, 1, true, false));
        assert_eq!(Bits::ALL.count(), WIDTH);
        assert!(!Bits::NONE.any());
    }
}
