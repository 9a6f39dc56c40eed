//! The bytes of an image that mean nothing to whoever opens it, so that images that differ in no others count as one.
//!
//! ```text
//! pages that the page bitmap calls free
//! blocks that their slab calls free, and those that somebody gave back to it
//! words of a log behind its length, of its record and of its chunks; chunks without entries
//! words that a log has the old values of, and blocks that it took, if it was not committed: all that is left to happen to
//!   it is that it is rolled back
//! what an intent is about, where there is none; pages that something is yet to point to
//! what a beacon is besides its futex: who takes one makes it anew
//! all of a file that is being formatted: who finds it so begins anew
//! ```
//!
//! And what the kernel does to a file at a death: it marks the beacons of the thread, which an image cannot have yet.
//!
//! That dead bytes mean nothing is not believed: they are overwritten with a pattern, and that image, too, is recovered
//! and judged. A byte that is called dead here and matters would show there.

/// What a segment begins with, and what it does while it is being formatted.
pub const MAGIC: [u8; 8] = *b"COMMY\0\r\n";
const FORMATTING: [u8; 8] = *b"COMMY<\r\n";
const PAGE: usize = 4096;
const REGION_PAGES: usize = 64;
const META: usize = 3 * PAGE;
const BITMAP: usize = 4 * PAGE;
/// Thread slots: the page, the bytes of one, where its page of records and its intent are.
const THREADS: usize = 2 * PAGE;
/// Where the header has the offsets of further pages of them.
const THREAD_PAGES: usize = 1024;
const THREAD: usize = 512;
const BEACON: std::ops::Range<usize> = 4..64;
const WORK_AT: usize = 168;
const INTENT_AT: usize = 192;
/// No intent; that of taking pages to which a word shall point.
const NONE: usize = 0;
const PUBLISH: usize = 3;
/// A transaction record: its bytes, where its words begin, how many there are.
const RECORD: usize = 512;
const WORDS_AT: usize = 32;
const INLINE: u64 = 60;
const UNUSED: u64 = u64::MAX;
/// A log that was not committed, and entries: words that were changed, a block that was taken.
const OPEN: u64 = 0;
const UNDO: u64 = 2;
const RESERVE: u64 = 3;
/// Sizes of blocks, by class.
const SIZES: [usize; 23] =
    [32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048];
/// What dead bytes are overwritten with.
const PATTERN: u8 = 0xa5;

/// The word at an offset, 0 where the image has none.
pub fn word(image: &[u8], at: usize) -> u64 {
    let bytes = image.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Stores a word, if the image has it.
pub fn put(image: &mut [u8], at: usize, word: u64) {
    if let Some(bytes) = image.get_mut(at..at + 8) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

fn overwrite(image: &mut [u8], from: usize, to: usize) {
    let end = to.min(image.len());
    if from < end {
        image[from..end].fill(PATTERN);
    }
}

/// The thread slots, those of the pages that were added, too.
pub fn threads(image: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let added: Vec<usize> = (0..4).map(|page| word(image, THREAD_PAGES + page * 8) as usize).collect();
    let pages = std::iter::once(THREADS).chain(added.into_iter().filter(|page| *page != 0));
    pages.flat_map(|page| (0..PAGE / THREAD).map(move |slot| page + slot * THREAD))
}

/// Marks the beacons of this thread, which is the one that was stepped, as the kernel does when a thread dies: the
/// futex says that its owner died, and no longer who that was.
pub fn mark_beacons(image: &mut [u8]) {
    const OWNER: u32 = 0x3fff_ffff;
    const OWNER_DIED: u32 = 0x4000_0000;
    // SAFETY: asks for a number.
    let me = unsafe { libc::gettid() } as u32;
    for slot in threads(image) {
        let Some(futex) = image.get_mut(slot..slot + 4).and_then(|bytes| bytes.first_chunk_mut()) else { continue };
        let value = u32::from_le_bytes(*futex);
        if value & OWNER == me {
            *futex = (value & !OWNER | OWNER_DIED).to_le_bytes();
        }
    }
}

/// Overwrites what is dead.
pub fn overwrite_dead(image: &mut [u8]) {
    match image.first_chunk() {
        Some(&MAGIC) => {}
        Some(&FORMATTING) => return image[8..].fill(PATTERN),
        _ => return,
    }
    for slot in threads(image) {
        overwrite(image, slot + BEACON.start, slot + BEACON.end);
        let work = word(image, slot + WORK_AT) as usize;
        for record in (0..PAGE / RECORD).filter(|_| work != 0).map(|way| work + way * RECORD) {
            log(image, record);
        }
        let [kind, start, count, pointer] = [0, 8, 16, 24].map(|at| word(image, slot + INTENT_AT + at) as usize);
        if kind == NONE {
            overwrite(image, slot + INTENT_AT + 8, slot + INTENT_AT + 32);
        } else if kind == PUBLISH && word(image, pointer) != (start * PAGE) as u64 {
            overwrite(image, start * PAGE, (start + count) * PAGE);
        }
    }
    for block in blocks(image).into_iter().filter(|block| block.is_free) {
        overwrite(image, block.at, block.at + block.size);
    }
    for page in 0..image.len().div_ceil(PAGE) {
        if !is_taken(image, page) {
            overwrite(image, page * PAGE, (page + 1) * PAGE);
        }
    }
}

/// Whether the page bitmap says that somebody has a page.
fn is_taken(image: &[u8], page: usize) -> bool {
    word(image, BITMAP + 64 + page / REGION_PAGES * 8) >> (page % REGION_PAGES) & 1 == 1
}

/// What is dead of the log of a record, and because of it.
fn log(image: &mut [u8], record: usize) {
    let (phase, length) = (word(image, record) >> 62, word(image, record) << 2 >> 2);
    // Where the log's words are: position of the first one, its offset. The last part first.
    let mut parts = Vec::new();
    let first_dead = WORDS_AT + length.min(INLINE) as usize * 8;
    overwrite(image, record + first_dead, record + RECORD);
    let mut chunk = word(image, record + 8) as usize;
    while chunk != 0 {
        let (start, capacity) = (word(image, chunk + 8), word(image, chunk + 16) as usize);
        let used = if start == UNUSED { 0 } else { length.saturating_sub(start) as usize };
        overwrite(image, chunk + WORDS_AT + used.min(capacity) * 8, chunk + WORDS_AT + capacity * 8);
        parts.push((start, chunk + WORDS_AT));
        chunk = word(image, chunk) as usize;
    }
    parts.push((0, record + WORDS_AT));
    if phase == OPEN {
        changed(image, &parts, length);
    }
}

/// What a log that was not committed has changed.
fn changed(image: &mut [u8], parts: &[(u64, usize)], length: u64) {
    let mut end = length;
    while end > 0 {
        let Some((start, offset)) = parts.iter().find(|(start, _)| *start < end) else { return };
        let at = |position: u64| offset + position.saturating_sub(*start) as usize * 8;
        let closing = word(image, at(end - 1));
        let (kind, words, changed) = (closing >> 60, closing >> 40 & 0xf_ffff, (closing & 0xff_ffff_ffff) as usize);
        if words >= end {
            return;
        }
        match kind {
            UNDO => overwrite(image, changed, changed + words as usize * 8),
            RESERVE => overwrite(image, changed, changed + word(image, at(end - 1 - words)) as usize),
            _ => {}
        }
        end -= 1 + words;
    }
}

/// A block of a slab.
pub struct Block {
    pub at: usize,
    pub size: usize,
    /// Whether the slab calls it free, or somebody gave it back.
    pub is_free: bool,
}

/// The blocks of all slabs.
pub fn blocks(image: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for page in (0..image.len() / PAGE).filter(|page| is_taken(image, *page)) {
        let (region, index) = (page / REGION_PAGES, page % REGION_PAGES);
        if region != 0 && word(image, BITMAP) >> region & 1 == 0 {
            continue;
        }
        let meta = index * 64 + if region == 0 { META } else { region * REGION_PAGES * PAGE };
        let info = word(image, meta);
        let (class, is_head, number) = (info as u8 as usize, info >> 8 & 0xff == 1, (info >> 32) as u16 as usize);
        let Some(&size) = SIZES.get(class).filter(|_| is_head) else { continue };
        blocks.extend((0..number.min(128)).map(|block| {
            let bits = word(image, meta + 24 + block / 64 * 8) | word(image, meta + 40 + block / 64 * 8);
            Block { at: page * PAGE + block * size, size, is_free: bits >> (block % 64) & 1 == 1 }
        }));
    }
    blocks
}
