//! The file format: where everything is, byte by byte. No policy.
//!
//! ```text
//! page 0      header: fixed facts, sizes, heap lock, directory object, tables of chunks
//! page 1      process slots 0..64          (further ones in pages named by the header)
//! page 2      thread slots 0..8            (further ones in pages named by the header)
//! page 3      slab meta of region 0
//! page 4      page bitmap, chunk 0
//! page 5 ..   heap: slab pages, slab meta pages, spans
//! ```
//!
//! A *page* is 4 KiB, a *region* 64 pages (256 KiB): one word of the page bitmap. Whatever
//! references something in the file does so by its offset from the file's beginning; offset 0 is the
//! header and stands for "none".

mod crash;
mod header;
mod slots;
mod word;

pub(crate) use crash::{Point, at};
#[cfg(feature = "crash-points")]
pub use crash::{hits, kill_at, points};
pub(crate) use header::{FIXED_LEN, Header, MAGIC, ORDER, VERSION};
pub(crate) use slots::{
    CLASS_LISTS, Intent, MARKS, PROCESS_FREE, PROCESS_LIVE, ProcessSlot, Reading, SlotState, ThreadSlot, WAYS,
    thread_status,
};
pub use word::Word;
pub(crate) use word::{is_whole, store_whole};

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
/// Pages of a region: the bits of one word of the page bitmap.
pub(crate) const REGION_PAGES: u64 = 64;
/// Bytes of a region.
pub(crate) const REGION: u64 = REGION_PAGES * PAGE;
/// The smallest file that can be formatted.
pub(crate) const MIN_SIZE: u64 = 64 * 1024;
/// The largest maximum.
pub(crate) const MAX_SIZE: u64 = 1 << 40;

/// Where the directory of named objects has its control block: in the header.
pub(crate) const DIRECTORY: std::ops::Range<u64> = 256..512;

/// Offset of the first page of process slots.
pub(crate) const PROCESS_PAGE: u64 = PAGE;
/// Offset of the first page of thread slots.
pub(crate) const THREAD_PAGE: u64 = 2 * PAGE;
/// Offset of the slab meta page of region 0; in every other region it is the first page.
pub(crate) const META_PAGE: u64 = 3 * PAGE;
/// Offset of chunk 0 of the page bitmap.
pub(crate) const BITMAP_PAGE: u64 = 4 * PAGE;
/// The first page of the heap.
pub(crate) const FIRST_FREE_PAGE: u64 = 5;
/// Where blocks can begin: what lies before is the segment's own.
pub(crate) const FIRST_BLOCK: u64 = FIRST_FREE_PAGE * PAGE;

/// Of every lock, whatever it guards, the words lie so: lock word, waiters (u32) and sleepers (u32),
/// version, generation. Offsets from the lock word.
pub(crate) const WAITERS_AT: u64 = 8;
/// Whether threads sleep until the version changes: see `sync::notify`.
pub(crate) const SLEEPERS_AT: u64 = 12;
/// Counts the changes of what the lock guards.
pub(crate) const VERSION_AT: u64 = 16;
/// Counts the objects that were here and were removed: a handle of an earlier one finds another number.
pub(crate) const GENERATION_AT: u64 = 24;
/// The value that a lock guards begins at this distance from the lock word, unless it has a block of its own.
pub(crate) const VALUE_AT: u64 = 32;
/// Offset of the heap lock.
pub(crate) const HEAP_LOCK: u64 = 128;
/// Offset of the lock of those who change the size, give storage back or make a snapshot.
pub(crate) const SPACE_LOCK: u64 = 216;

/// Process slots in a page.
pub(crate) const PROCESSES_PER_PAGE: usize = (PAGE / 64) as usize;
/// Thread slots in a page.
pub(crate) const THREADS_PER_PAGE: usize = (PAGE / 512) as usize;

/// The bitmap is cut into chunks: chunk 0 of one page, the others of 64 pages. Each begins with one
/// bit a region that says "this region has a slab meta page", then has one word a region.
///
/// ```text
/// chunk 0 (4 KiB):     0  64 B  has-meta bits of 504 regions      64  504 words
/// chunk n (256 KiB):   0  4 KiB has-meta bits of 32256 regions  4096  32256 words
/// ```
pub(crate) mod bitmap {
    /// Regions in chunk 0.
    pub(crate) const FIRST: u64 = 504;
    /// Regions in every other chunk.
    pub(crate) const OTHER: u64 = OTHER_PAGES * 504;
    /// Pages of every other chunk.
    pub(crate) const OTHER_PAGES: u64 = 64;
    /// Offset of the words in every other chunk.
    pub(crate) const OTHER_WORDS: u64 = 4096;

    /// Where a region's word is: chunk, offset of the word in it, offset of the word with its
    /// has-meta bit.
    pub(crate) fn place(region: u64) -> (usize, u64, u64) {
        if region < FIRST {
            (0, 64 + region * 8, region / 64 * 8)
        } else {
            let r = region - FIRST;
            let (chunk, index) = (1 + r / OTHER, r % OTHER);
            (chunk as usize, OTHER_WORDS + index * 8, index / 64 * 8)
        }
    }

    /// The has-meta bit of a region within its word.
    pub(crate) fn meta_bit(region: u64) -> u64 {
        let index = if region < FIRST { region } else { (region - FIRST) % OTHER };
        1 << (index % 64)
    }

    /// The first region of a chunk.
    pub(crate) fn first_region(chunk: usize) -> u64 {
        if chunk == 0 { 0 } else { FIRST + (chunk as u64 - 1) * OTHER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_has_a_word_of_its_own() {
        let mut last = (0, 0);
        for region in 0..(MAX_SIZE / REGION) {
            let (chunk, word, meta) = bitmap::place(region);
            assert!(chunk < header::BITMAP_CHUNKS);
            assert!((chunk, word) > last, "words ascend with the regions");
            let (size, bits) = if chunk == 0 { (PAGE, 64) } else { (bitmap::OTHER_PAGES * PAGE, bitmap::OTHER_WORDS) };
            assert!(word + 8 <= size && meta + 8 <= bits);
            last = (chunk, word);
        }
        assert_eq!(bitmap::first_region(2), bitmap::FIRST + bitmap::OTHER);
    }
}
