//! How much of the segment is in use: a walk over the bitmap and the slabs.

use super::classes::size_of_class;
use super::heap::{bitmap_word, has_meta, regions};
use super::slab::{HEAD, Info, NOT_A_SLAB, meta_of};
use crate::error::Result;
use crate::layout::{FIRST_FREE_PAGE, PAGE, REGION_PAGES, bitmap};
use crate::map::Map;

/// What is in use, in bytes: data, the heap's own pages left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Blocks and spans that are handed out.
    pub allocated: u64,
    /// Pages taken, whether their blocks are handed out or not.
    pub taken: u64,
}

/// Adds up what is in use. While others work it is a little off.
pub(crate) fn usage(map: &Map) -> Result<Usage> {
    let mut usage = Usage::default();
    for region in 0..regions(map) {
        let Some(word) = bitmap_word(map, region) else { continue };
        let taken = word.get();
        usage.taken += u64::from(taken.count_ones()) * PAGE;
        if !has_meta(map, region) {
            usage.allocated += u64::from(taken.count_ones()) * PAGE;
            continue;
        }
        for page in (0..REGION_PAGES).filter(|page| taken >> page & 1 == 1) {
            let meta = meta_of(map, region * REGION_PAGES + page)?;
            let info = Info::unpack(meta.info.get());
            if info.kind == NOT_A_SLAB {
                usage.allocated += PAGE;
            } else if info.kind == HEAD && usize::from(info.class) < super::classes::CLASSES {
                let free: u32 = (0..2).map(|i| (meta.free[i].get() | meta.remote[i].get()).count_ones()).sum();
                let used = u64::from(info.blocks).saturating_sub(u64::from(free));
                usage.allocated += used * size_of_class(usize::from(info.class));
            }
        }
    }
    let header = map.header();
    let metas = (1..regions(map)).filter(|region| has_meta(map, *region)).count() as u64;
    let chunks = header.bitmap_chunks[1..].iter().filter(|chunk| chunk.get() != 0).count() as u64;
    let own = FIRST_FREE_PAGE + metas + chunks * bitmap::OTHER_PAGES;
    // Pages without storage count as taken, so that nobody takes them.
    let holes = super::holes::holes(map).map(|(_, hole)| hole.count * PAGE).sum::<u64>();
    usage.allocated = usage.allocated.saturating_sub(own * PAGE + holes);
    usage.taken = usage.taken.saturating_sub(holes);
    Ok(usage)
}
