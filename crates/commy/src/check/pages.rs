//! The page bitmap, the slabs, and the balance: what is taken belongs to something.

use super::Audit;
use crate::alloc::classes::{CLASSES, MOST_BLOCKS, size_of_class};
use crate::alloc::heap::{bitmap_word, regions};
use crate::alloc::holes;
use crate::alloc::meta::has_meta;
use crate::alloc::slab::{HEAD, INTERIOR, Info, Meta, NOT_A_SLAB, meta_of};
use crate::layout::{PAGE, REGION_PAGES, Word, bitmap};

const PLACE: &str = "(the heap)";

impl Audit<'_> {
    /// To be called when all else has been claimed.
    pub(super) fn pages(&mut self) {
        let (map, header) = (self.map, self.map.header());
        for chunk in header.bitmap_chunks[1..].iter().map(Word::get).filter(|chunk| *chunk != 0) {
            self.claim_pages("(the page bitmap)", chunk, bitmap::OTHER_PAGES);
        }
        for page in holes::list(map) {
            if !self.claim_pages("(the list of holes)", page, 1) {
                break;
            }
            let next = map.word(page).map_or(0, Word::get);
            if next >= map.size() || !next.is_multiple_of(PAGE) {
                self.found("(the list of holes)", page, "it goes on outside the file");
            }
        }
        for (word, hole) in holes::written(map) {
            if !self.claim_pages("(the list of holes)", hole.start.saturating_mul(PAGE), hole.count) {
                self.found("(the list of holes)", map.offset_of(word), "it names pages that are no hole");
            }
        }
        for region in 1..regions(map) {
            if has_meta(map, region) {
                self.claim_pages(PLACE, region * REGION_PAGES * PAGE, 1);
            }
        }
        for region in 0..regions(map) {
            self.region(region);
        }
    }

    fn region(&mut self, region: u64) {
        let (map, first) = (self.map, region * REGION_PAGES);
        let Some(taken) = bitmap_word(map, region).map(Word::get) else { return };
        let pages = (map.size() / PAGE).saturating_sub(first).min(REGION_PAGES);
        if pages < REGION_PAGES && taken >> pages != 0 {
            self.found("(the page bitmap)", (first + pages) * PAGE, "pages beyond the end of the file are taken");
        }
        // The page that the next one begins behind a slab; and the first one of a run that belongs to nothing.
        let (mut next, mut lost) = (0, None);
        for page in 0..=pages {
            let is_taken = page < pages && taken >> page & 1 == 1;
            let mut belongs = !is_taken || page < next;
            if page >= next && page < pages && has_meta(map, region) {
                let Ok(meta) = meta_of(map, first + page) else { return };
                let info = Info::unpack(meta.info.get());
                match info.kind {
                    HEAD => {
                        next = page + self.slab(first + page, meta, info, taken >> page);
                        belongs = true;
                    }
                    NOT_A_SLAB => {}
                    _ => self.found(
                        PLACE,
                        (first + page) * PAGE,
                        "a page that is said to be of a slab that is not there",
                    ),
                }
            }
            belongs = belongs || first + page == 0 || self.claims.is_claimed((first + page) * PAGE);
            match (lost, belongs) {
                (None, false) => lost = Some(page),
                (Some(start), true) => {
                    let what = format!("{} pages are taken and belong to nothing", page - start);
                    self.found(PLACE, (first + start) * PAGE, what);
                    lost = None;
                }
                _ => {}
            }
        }
    }

    /// A slab, and that each of its blocks is free or belongs to something. Gives its pages; `taken` are the bits from
    /// its first page on.
    fn slab(&mut self, page: u64, meta: &Meta, info: Info, taken: u64) -> u64 {
        let (start, pages) = (page * PAGE, u64::from(info.pages));
        let room = REGION_PAGES - page % REGION_PAGES;
        if usize::from(info.class) >= CLASSES || pages == 0 || pages > room {
            self.found(PLACE, start, "a slab of impossible shape");
            return 1;
        }
        let size = size_of_class(usize::from(info.class));
        let blocks = (pages * PAGE / size).min(MOST_BLOCKS);
        if u64::from(info.blocks) != blocks {
            self.found(PLACE, start, "a slab with another number of blocks than fit into it");
            return pages;
        }
        let interior = |delta: u64| {
            let found = meta_of(self.map, page + delta).map(|meta| Info::unpack(meta.info.get()));
            found.is_ok_and(|found| found.kind == INTERIOR && u64::from(found.head) == delta)
        };
        if !(1..pages).all(interior) {
            self.found(PLACE, start, "a slab some of whose pages are not of it");
        }
        if (!taken).trailing_zeros() < pages as u32 {
            self.found(PLACE, start, "a slab on pages that are free");
        }
        if !self.listed.contains(&start) {
            self.found(PLACE, start, "a slab that nobody has in a list");
        }
        for index in 0..MOST_BLOCKS {
            let bit = |words: &[Word; 2]| words[(index / 64) as usize].get() >> (index % 64) & 1 == 1;
            let (free, freed) = (bit(&meta.free), bit(&meta.remote));
            if index >= blocks {
                if free || freed {
                    self.found(PLACE, start, "a slab in which more blocks are free than there are");
                    break;
                }
                continue;
            }
            let block = start + index * size;
            match (free || freed, self.claims.is_claimed(block)) {
                _ if free && freed => self.found(PLACE, block, "a block that was freed twice"),
                (false, false) => self.found(PLACE, block, format!("a block of {size} bytes that belongs to nothing")),
                _ => {}
            }
        }
        pages
    }
}
