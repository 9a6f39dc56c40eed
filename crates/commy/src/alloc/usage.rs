//! How much of the segment is in use: a walk over the bitmap and the slabs.

use super::classes::{class_of, size_of_class};
use super::heap::{bitmap_word, regions};
use super::meta::has_meta;
use super::slab::{HEAD, Info, NOT_A_SLAB, Slab, meta_of};
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

/// Whether a block or span of that size and alignment begins at an offset and is handed out.
pub(crate) fn is_handed_out(map: &Map, offset: u64, bytes: u64, align: u64) -> bool {
    if let Some(class) = class_of(bytes, align) {
        return Slab::of_block(map, offset, class).is_ok_and(|(slab, index)| {
            let (half, bit) = ((index / 64) as usize, index % 64);
            (slab.meta.free[half].get() | slab.meta.remote[half].get()) >> bit & 1 == 0
        });
    }
    let (first, pages) = (offset / PAGE, bytes.div_ceil(PAGE));
    let taken = |page: u64| {
        let (region, bit) = (page / REGION_PAGES, page % REGION_PAGES);
        let of_slab = || meta_of(map, page).is_ok_and(|meta| Info::unpack(meta.info.get()).kind != NOT_A_SLAB);
        bitmap_word(map, region).is_some_and(|word| word.get() >> bit & 1 == 1) && !(has_meta(map, region) && of_slab())
    };
    offset.is_multiple_of(PAGE) && map.at(offset, bytes, 1).is_some() && (first..first + pages).all(taken)
}
