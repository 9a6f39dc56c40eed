//! Size classes: which block a request gets, and how many a slab holds.
//!
//! Blocks up to [`LARGEST`] bytes come in [`CLASSES`] sizes, at most a quarter apart; larger ones are
//! spans of whole pages. A slab holds about 32 blocks or more in 1 to 16 pages, at most 128.

/// Number of classes.
pub(crate) const CLASSES: usize = 23;
/// The largest block of a slab, in bytes.
pub(crate) const LARGEST: u64 = 2048;
/// Bits of a slab's block bitmap.
pub(crate) const MOST_BLOCKS: u64 = 128;

const SIZES: [u16; CLASSES] =
    [32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048];

/// The class of each multiple of 16 bytes.
const BY_SIZE: [u8; (LARGEST / 16 + 1) as usize] = {
    let mut table = [0; (LARGEST / 16 + 1) as usize];
    let (mut i, mut class) = (0, 0);
    while i < table.len() {
        if i * 16 > SIZES[class] as usize {
            class += 1;
        }
        table[i] = class as u8;
        i += 1;
    }
    table
};

/// `ceil(2^32 / size)`: multiplied with a distance below 64 KiB and shifted, divides exactly.
const RECIPROCALS: [u64; CLASSES] = {
    let mut table = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        table[class] = (1u64 << 32).div_ceil(SIZES[class] as u64);
        class += 1;
    }
    table
};

/// The class for a request, `None` if it wants a span.
#[inline(always)]
pub(crate) fn class_of(bytes: u64, align: u64) -> Option<usize> {
    if bytes > LARGEST || align > LARGEST {
        return None;
    }
    let mut class = usize::from(BY_SIZE[bytes.div_ceil(16) as usize]);
    if align > 16 {
        // Slabs begin at a page: a block is aligned to whatever divides its size and the page.
        while !size_of_class(class).is_multiple_of(align) {
            class += 1;
        }
    }
    Some(class)
}

/// Bytes of a class's blocks.
#[inline(always)]
pub(crate) fn size_of_class(class: usize) -> u64 {
    u64::from(SIZES[class])
}

/// Index of the block at a distance from its slab's beginning.
#[inline(always)]
pub(crate) fn block_index(class: usize, distance: u64) -> u64 {
    distance * RECIPROCALS[class] >> 32
}

/// Pages that a slab of a class should have.
pub(crate) fn slab_pages(class: usize) -> u64 {
    (size_of_class(class) * 32).div_ceil(crate::layout::PAGE).clamp(1, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_the_smallest_class_that_holds_and_aligns_it() {
        for bytes in 0..=LARGEST {
            for align in [1, 8, 16, 32, 64, 256, 2048] {
                let class = class_of(bytes, align).unwrap();
                assert!(size_of_class(class) >= bytes);
                assert!(align <= 16 || size_of_class(class).is_multiple_of(align));
                let smaller = (0..class)
                    .find(|c| size_of_class(*c) >= bytes && (align <= 16 || size_of_class(*c).is_multiple_of(align)));
                assert_eq!(smaller, None, "{bytes} bytes aligned to {align}");
            }
        }
        assert_eq!(class_of(LARGEST + 1, 8), None);
        assert_eq!(class_of(8, 4096), None);
    }

    #[test]
    fn the_reciprocal_divides_exactly() {
        for class in 0..CLASSES {
            for distance in 0..(slab_pages(class) * 4096) {
                assert_eq!(block_index(class, distance), distance / size_of_class(class));
            }
            assert!(slab_pages(class) * 4096 / size_of_class(class) <= MOST_BLOCKS);
        }
    }
}
