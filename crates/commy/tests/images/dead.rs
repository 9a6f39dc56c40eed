//! The bytes of an image that mean nothing to whoever opens it, so that images that differ in no others count as one.
//!
//! ```text
//! pages that the page bitmap calls free
//! blocks that their slab calls free, and those that somebody gave back to it
//! words of a log behind its length, of its record and of its chunks; chunks without entries
//! what an intent is about, where there is none
//! all of a file that is being formatted: who finds it so begins anew
//! ```
//!
//! And what the kernel does to a file at a death: it marks the beacons of the thread, which an image cannot have yet.
//!
//! That dead bytes mean nothing is not believed: they are overwritten with a pattern, and that image, too, is recovered
//! and judged. A byte that is called dead here and matters would show there.

/// What a segment begins with, and what it does while it is being formatted.
const MAGIC: [u8; 8] = *b"COMMY\0\r\n";
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
const WORK_AT: usize = 168;
const INTENT_AT: usize = 192;
/// A transaction record: its bytes, where its words begin, how many there are.
const RECORD: usize = 512;
const WORDS_AT: usize = 32;
const INLINE: u64 = 60;
const UNUSED: u64 = u64::MAX;
/// Sizes of blocks, by class.
const SIZES: [usize; 23] =
    [32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048];
/// What dead bytes are overwritten with.
const PATTERN: u8 = 0xa5;

/// The word at an offset, 0 where the image has none.
fn word(image: &[u8], at: usize) -> u64 {
    let bytes = image.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn overwrite(image: &mut [u8], from: usize, to: usize) {
    let end = to.min(image.len());
    if from < end {
        image[from..end].fill(PATTERN);
    }
}

/// The thread slots, those of the pages that were added, too.
fn threads(image: &[u8]) -> impl Iterator<Item = usize> + use<> {
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
        let work = word(image, slot + WORK_AT) as usize;
        for record in (0..PAGE / RECORD).filter(|_| work != 0).map(|way| work + way * RECORD) {
            log(image, record);
        }
        if word(image, slot + INTENT_AT) == 0 {
            overwrite(image, slot + INTENT_AT + 8, slot + INTENT_AT + 32);
        }
    }
    for region in 0..image.len().div_ceil(PAGE * REGION_PAGES) {
        let taken = word(image, BITMAP + 64 + region * 8);
        let has_meta = region == 0 || word(image, BITMAP) >> region & 1 == 1;
        for index in 0..REGION_PAGES {
            let page = (region * REGION_PAGES + index) * PAGE;
            if taken >> index & 1 == 0 {
                overwrite(image, page, page + PAGE);
            } else if has_meta {
                let meta = if region == 0 { META } else { region * REGION_PAGES * PAGE };
                blocks(image, meta + index * 64, page);
            }
        }
    }
}

/// What is dead of the log of a record.
fn log(image: &mut [u8], record: usize) {
    let length = word(image, record) << 2 >> 2;
    let first_dead = WORDS_AT + length.min(INLINE) as usize * 8;
    overwrite(image, record + first_dead, record + RECORD);
    let mut chunk = word(image, record + 8) as usize;
    while chunk != 0 {
        let (start, capacity) = (word(image, chunk + 8), word(image, chunk + 16) as usize);
        let used = if start == UNUSED { 0 } else { length.saturating_sub(start) as usize };
        overwrite(image, chunk + WORDS_AT + used.min(capacity) * 8, chunk + WORDS_AT + capacity * 8);
        chunk = word(image, chunk) as usize;
    }
}

/// The free blocks of the slab that begins at a page.
fn blocks(image: &mut [u8], meta: usize, page: usize) {
    let info = word(image, meta);
    let (class, is_head, number) = (info as u8 as usize, info >> 8 & 0xff == 1, (info >> 32) as u16 as usize);
    let Some(size) = SIZES.get(class).filter(|_| is_head) else { return };
    for block in 0..number.min(128) {
        let bits = word(image, meta + 24 + block / 64 * 8) | word(image, meta + 40 + block / 64 * 8);
        if bits >> (block % 64) & 1 == 1 {
            overwrite(image, page + block * size, page + (block + 1) * size);
        }
    }
}
