//! Pages of slab meta: which regions have one, and room for slabs in them.
//!
//! A region whose first page holds the meta of its other 63 pages' slabs has its *has-meta bit* in the bitmap; region 0
//! has its page elsewhere, for good. A region gets its page when the first slab is to lie in it and may lose it when the
//! last is gone, by intents as of all that concerns pages (see `heap`).

use super::heap::{Heap, Purpose, chunk_at, kind, run_in_word};
use super::slab;
use crate::error::{Error, Result};
use crate::layout::{META_PAGE, PAGE, Point, REGION, REGION_PAGES, Word, at, bitmap};
use crate::map::Map;

impl Heap<'_> {
    /// Makes a region able to hold slabs, by giving it a page of slab meta.
    pub(crate) fn make_meta(&self, region: u64) -> Result<()> {
        let page = region * REGION_PAGES;
        let (_, bit) = meta_word(self.map(), region).ok_or_else(|| Error::corrupt(page * PAGE, "no bitmap"))?;
        self.intent().set(kind::META, page, 1, region);
        self.mark(page, 1);
        for offset in (0..PAGE).step_by(8) {
            self.map().word(page * PAGE + offset)?.put(0);
        }
        bit.publish(bit.get() | bitmap::meta_bit(region));
        self.intent().clear();
        Ok(())
    }

    /// Gives a region's page of slab meta back if no slab is left there, so that large runs can lie across it. That
    /// of region 0 is where it is for good.
    pub(crate) fn drop_meta(&self, region: u64) -> Result<()> {
        let first = region * REGION_PAGES;
        let taken = self.word(region).map_or(0, Word::get);
        for page in (1..REGION_PAGES).filter(|page| taken >> page & 1 == 1) {
            if slab::meta_of(self.map(), first + page)?.info.get() != 0 {
                return Ok(());
            }
        }
        if region == 0 || !has_meta(self.map(), region) {
            return Ok(());
        }
        self.intent().set(kind::UNMETA, first, 1, region);
        self.clear_meta(region);
        self.intent().clear();
        Ok(())
    }

    pub(super) fn clear_meta(&self, region: u64) {
        if let Some((_, bit)) = meta_word(self.map(), region) {
            at(Point::PageBits);
            bit.publish(bit.get() & !bitmap::meta_bit(region));
        }
        self.unmark(region * REGION_PAGES, 1);
    }

    /// Looks for a run of up to `pages` within a region that has slab meta, and makes one more region have
    /// it if there is none. Gives the run's start and length.
    pub(crate) fn find_for_slab(&self, pages: u64) -> Result<(u64, u64)> {
        loop {
            let ceiling = self.ceiling(Purpose::Data);
            // A small file cannot spare large slabs.
            let pages = pages.min((ceiling / 64).max(1));
            let mut bare = None;
            // Keeps the hint at the first region with a free page.
            self.search(1, ceiling);
            for region in self.header().span_hint.get().min(self.regions())..self.regions() {
                let taken = self.taken(region, ceiling);
                if taken == u64::MAX {
                    continue;
                }
                if has_meta(self.map(), region) {
                    if let Some(start) = run_in_word(!taken, pages, 1) {
                        let start = region * REGION_PAGES + start;
                        return self.has_no_slots(start, pages).map(|()| (start, pages));
                    }
                } else if bare.is_none() && taken & 1 == 0 && run_in_word(!taken & !1, pages, 1).is_some() {
                    bare = Some(region);
                }
            }
            match bare {
                Some(region) => self.make_meta(region)?,
                None if self.refill(pages + 1) => {}
                None => match self.grow(pages + 1, Purpose::Data) {
                    Ok(()) => {}
                    Err(_) if self.refill_all() => {}
                    Err(error) => return self.any_page_for_slab(ceiling)?.ok_or(error),
                },
            }
        }
    }

    /// In a full segment, one page must do.
    fn any_page_for_slab(&self, ceiling: u64) -> Result<Option<(u64, u64)>> {
        for region in 0..self.regions() {
            let free = !self.taken(region, ceiling);
            let usable = if has_meta(self.map(), region) { free } else { free & !1 };
            if usable != 0 && (free & 1 == 1 || has_meta(self.map(), region)) {
                if !has_meta(self.map(), region) {
                    self.make_meta(region)?;
                }
                let start = region * REGION_PAGES + u64::from(usable.trailing_zeros());
                return self.has_no_slots(start, 1).map(|()| Some((start, 1)));
            }
        }
        Ok(None)
    }
}

/// The word with a region's has-meta bit.
fn meta_word(map: &Map, region: u64) -> Option<(usize, &Word)> {
    let (chunk, _, word) = bitmap::place(region);
    Some((chunk, map.word(chunk_at(map, chunk)? + word).ok()?))
}

/// Whether a region has a page of slab meta.
pub(crate) fn has_meta(map: &Map, region: u64) -> bool {
    meta_word(map, region).is_some_and(|(_, word)| word.get() & bitmap::meta_bit(region) != 0)
}

/// Offset of a region's page of slab meta.
#[inline(always)]
pub(crate) fn meta_page(region: u64) -> u64 {
    if region == 0 { META_PAGE } else { region * REGION }
}
