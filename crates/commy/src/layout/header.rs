//! Page 0.
//!
//! ```text
//!    0 magic 8 B          8 version u32 | byte order u32    16 page size u64    24 segment id 16 B
//!   40 maximum           48 max participants               56 checksum of bytes 0..56
//!   64 size              72 limit                          80 boot             88 clean
//!   96 holes            104 span hint                     112 stranded classes 120 attachments
//!  128 heap lock: word, waiters                            192 recovered: threads, rolled back, finished
//!  216 space lock: word, waiters, version                  240 pause              248 space since
//!  256 directory object: control block, 256 B
//!  512 offsets of the pages of process slots, 16           640 sameness           648 --
//! 1024 offsets of the pages of thread slots, 128
//! 2048 offsets of the chunks of the page bitmap, 256
//! ```

use super::Word;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// The first eight bytes of every segment.
pub(crate) const MAGIC: [u8; 8] = *b"COMMY\0\r\n";
/// The version of the format.
pub(crate) const VERSION: u32 = 5;
/// Bytes that the checksum covers.
pub(crate) const FIXED_LEN: usize = 56;
/// How a byte order mark reads on a machine of the same order.
pub(crate) const ORDER: u32 = 0x0102_0304;
/// Chunks of the page bitmap that there can be.
pub(crate) const BITMAP_CHUNKS: usize = 256;

/// Page 0 as it lies in the file.
#[repr(C, align(4096))]
pub(crate) struct Header {
    pub magic: Word,
    pub version: AtomicU32,
    pub order: AtomicU32,
    pub page_size: Word,
    pub id: [Word; 2],
    pub maximum: Word,
    pub max_participants: Word,
    pub checksum: Word,
    /// Bytes that are in the file, backed and usable.
    pub size: Word,
    /// Bytes that the segment may grow to.
    pub limit: Word,
    /// Boot under which the file was last attached.
    pub boot: Word,
    /// 1 once the last participant has left in order.
    pub clean: Word,
    /// The first page of the list of pages without storage, or 0: `alloc::holes`.
    pub holes: Word,
    /// Region at which the last span was found; only a hint.
    pub span_hint: Word,
    /// One bit a size class: a slot without an occupant has slabs of it; only a hint.
    pub stranded: Word,
    /// Attachments that there were so far: the number of the last one.
    pub attachments: Word,
    pub heap_lock: AtomicU64,
    pub heap_waiters: AtomicU32,
    pub heap_pad: [u32; 13],
    /// Dead threads recovered, transactions of theirs rolled back, and finished.
    pub recovered: [Word; 3],
    /// Held by who changes the size, gives storage back or makes a snapshot.
    pub space_lock: AtomicU64,
    pub space_waiters: AtomicU32,
    pub space_pad: u32,
    pub space_version: Word,
    /// Who has the writers pause, or 0: `participant::pause`.
    pub pause: Word,
    /// When the space lock was last taken, in ms since the machine started.
    pub space_since: Word,
    /// The control block of the directory of named objects.
    pub directory: [Word; 32],
    pub process_pages: [Word; 16],
    /// Changed by who wants to know whether two maps are of one file: `segment::sameness`.
    pub sameness: Word,
    pub unused: [Word; 47],
    pub thread_pages: [Word; 128],
    pub bitmap_chunks: [Word; BITMAP_CHUNKS],
}

const _: () = {
    assert!(size_of::<Header>() == 4096);
    assert!(std::mem::offset_of!(Header, checksum) == FIXED_LEN);
    assert!(std::mem::offset_of!(Header, size) == 64);
    assert!(std::mem::offset_of!(Header, heap_lock) == 128);
    assert!(std::mem::offset_of!(Header, space_lock) as u64 == super::SPACE_LOCK);
    assert!(std::mem::offset_of!(Header, space_version) as u64 == super::SPACE_LOCK + super::VERSION_AT);
    assert!(std::mem::offset_of!(Header, directory) as u64 == super::DIRECTORY.start);
    assert!(std::mem::offset_of!(Header, process_pages) as u64 == super::DIRECTORY.end);
    assert!(std::mem::offset_of!(Header, thread_pages) == 1024);
    assert!(std::mem::offset_of!(Header, bitmap_chunks) == 2048);
};

impl Header {
    /// FNV-1a over the fixed facts: magic, version, byte order, page size, id, maximum, participants.
    pub(crate) fn checksum_of(fixed: &[u8]) -> u64 {
        fixed.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    }
}
