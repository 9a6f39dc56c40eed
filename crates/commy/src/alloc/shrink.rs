//! Making the file longer and shorter, and giving storage back from inside it.
//!
//! Giving back, by one at a time (the space lock is held):
//!
//! ```text
//! 1 heap lock   free runs become holes: nobody uses them any more            (`holes`)
//! 2             wait until nobody reads without a lock who began before       (`participant::grace`)
//! 3 heap lock   cut the file where nothing but holes follows
//! 4 heap lock,  for each hole: punch it, if it still is one
//!   each time
//! ```
//!
//! Killed after any step, what is done is whole: holes that were not punched are punched the next time, or refilled.
//!
//! A chunk of the page bitmap often lies at the beginning of what it describes and so keeps the file long. When
//! nothing else is left there, the file is cut behind it, the chunk is dropped, and everything begins again.

use super::heap::{Heap, Purpose, ceiling, regions, size_for};
use super::holes::{Hole, holes};
use super::meta::has_meta;
use crate::error::{Error, Result};
use crate::layout::{FIRST_FREE_PAGE, MIN_SIZE, PAGE, REGION_PAGES, bitmap};
use crate::os;
use crate::participant::Actor;
use std::time::Duration;

/// Free runs inside the file that are shorter are kept: fewer, larger holes.
const SHORTEST: u64 = 4;
/// Pages that the file grows by at once: others get at the heap in between.
const STEP: u64 = (16 << 20) / PAGE;

/// How much is to be given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All that is free, at the end and inside, but for what is kept for logs.
    Usage,
    /// What is free beyond this page.
    To(u64),
}

impl Heap<'_> {
    /// The page behind the last that is in use: neither free, nor a hole, nor without a bitmap. `last_chunks` tells
    /// whether chunks of the bitmap count that describe nothing but themselves.
    fn end_in_use(&self, last_chunks: bool) -> u64 {
        let holes = self.sorted_holes();
        let mut end = self.map().size() / PAGE;
        while end > FIRST_FREE_PAGE {
            if !last_chunks && let Some(home) = self.home_of_chunk_before(end) {
                end = home;
                continue;
            }
            let (region, word) = ((end - 1) / REGION_PAGES, self.word((end - 1) / REGION_PAGES));
            if word.is_none_or(|word| word.get() == 0) {
                end = region * REGION_PAGES;
            } else if let Some(hole) = within(&holes, end - 1) {
                end = hole.start;
            } else if self.is_taken(end - 1) {
                break;
            } else {
                end -= 1;
            }
        }
        end.max(FIRST_FREE_PAGE)
    }

    fn sorted_holes(&self) -> Vec<Hole> {
        let mut all: Vec<Hole> = holes(self.map()).map(|(_, hole)| hole).collect();
        all.sort_unstable_by_key(|hole| hole.start);
        all
    }

    /// The free runs between two pages.
    fn free_runs(&self, from: u64, to: u64) -> Vec<Hole> {
        let (mut runs, mut start) = (Vec::new(), None);
        for page in from..=to {
            // Beyond the bitmap there is nothing that could be used.
            let free = page < to && !self.is_taken(page);
            match start {
                None if free => start = Some(page),
                Some(first) if !free => {
                    runs.push(Hole { start: first, count: page - first });
                    start = None;
                }
                _ => {}
            }
        }
        runs
    }

    /// The first page of the chunk of the bitmap that ends at a page, if there is one that lies at the beginning of
    /// what it describes.
    fn home_of_chunk_before(&self, end: u64) -> Option<u64> {
        let home = end.checked_sub(bitmap::OTHER_PAGES)?;
        let (chunk, ..) = bitmap::place(home / REGION_PAGES);
        let is_home = chunk > 0 && bitmap::first_region(chunk) * REGION_PAGES == home;
        (is_home && self.header().bitmap_chunks.get(chunk)?.get() == home * PAGE).then_some(home)
    }

    /// Takes free pages out of use. Gives where the file shall end, and the holes there were before.
    fn retire(&self, extent: Extent) -> Result<(u64, Vec<Hole>)> {
        for region in (1..regions(self.map())).filter(|region| has_meta(self.map(), *region)) {
            self.drop_meta(region)?;
        }
        let (before, end, size) = (self.sorted_holes(), self.end_in_use(true), self.map().size() / PAGE);
        let to = match extent {
            Extent::To(page) => page.max(end),
            Extent::Usage if self.home_of_chunk_before(end).is_some() => end,
            Extent::Usage => size_for(end, Purpose::Data).max(MIN_SIZE / PAGE),
        };
        let to = to.min(size);
        let mut runs = Vec::new();
        if extent == Extent::Usage {
            runs = self.free_runs(FIRST_FREE_PAGE, ceiling(to, Purpose::Data));
            runs.retain(|run| run.count >= SHORTEST);
        }
        runs.extend(self.free_runs(to, size));
        self.add_holes(&runs)?;
        Ok((to, before))
    }

    /// Cuts the file at `to`, or as near to it as there is nothing in use. Gives the bytes that it lost.
    fn cut_down_to(&self, to: u64, before: &[Hole]) -> Result<u64> {
        let holes = self.sorted_holes();
        let size = self.map().size() / PAGE;
        let mut end = size;
        while end > to {
            let region = (end - 1) / REGION_PAGES;
            if self.word(region).is_none() {
                end = (region * REGION_PAGES).max(to);
            } else if let Some(hole) = within(&holes, end - 1) {
                end = hole.start.max(to);
            } else {
                break;
            }
        }
        if end == size {
            return Ok(0);
        }
        self.cut(end)?;
        let empty = before.iter().map(|hole| hole.end().saturating_sub(hole.start.max(end))).sum::<u64>();
        Ok((size - end).saturating_sub(empty) * PAGE)
    }

    /// Drops the last chunk of the bitmap if it describes nothing but itself. Tells whether it did.
    fn drop_last_chunk(&self) -> Result<bool> {
        let chunks = &self.header().bitmap_chunks;
        let Some(last) = (1..chunks.len()).rev().find(|chunk| chunks[*chunk].get() != 0) else { return Ok(false) };
        let (home, pointer) = (bitmap::first_region(last) * REGION_PAGES, &chunks[last]);
        let size = self.map().size() / PAGE;
        if pointer.get() == home * PAGE {
            // It is its own pages' only record: without it they are beyond the bitmap.
            let alone = size == home + bitmap::OTHER_PAGES;
            if alone {
                pointer.publish(0);
            }
            return Ok(alone);
        }
        if size > home {
            return Ok(false);
        }
        let start = pointer.get();
        if self.map().word(start)?.get() != 0 {
            return Err(Error::corrupt(start, "a bitmap of regions that are not there"));
        }
        self.unpublish(start / PAGE, bitmap::OTHER_PAGES, pointer)?;
        Ok(true)
    }
}

/// The hole that a page is in.
fn within(sorted: &[Hole], page: u64) -> Option<Hole> {
    let next = sorted.partition_point(|hole| hole.start <= page);
    next.checked_sub(1).map(|index| sorted[index]).filter(|hole| page < hole.end())
}

/// Gives storage back to the file system. The actor has the space lock. Gives how many bytes; none where somebody may
/// be reading there for longer than `patience`, or the system cannot tell.
pub(crate) fn give_back(actor: &Actor<'_>, extent: Extent, patience: Duration) -> Result<u64> {
    let mut given = 0;
    if actor.at.has_silent_readers() {
        return Ok(0);
    }
    loop {
        let (to, before) = Heap::lock(actor)?.retire(extent)?;
        if !actor.at.wait_for_unlocked(patience) {
            return Ok(given);
        }
        given += Heap::lock(actor)?.cut_down_to(to, &before)?;
        if extent == Extent::Usage {
            given += punch(actor, &before)?;
        }
        let heap = Heap::lock(actor)?;
        heap.drop_empty_list_pages()?;
        if !heap.drop_last_chunk()? {
            return Ok(given);
        }
    }
}

/// Punches all holes. Gives the bytes of those that were none before.
fn punch(actor: &Actor<'_>, before: &[Hole]) -> Result<u64> {
    let all = Heap::lock(actor)?.sorted_holes();
    let mut given = 0;
    for hole in all {
        let heap = Heap::lock(actor)?;
        // Somebody may have refilled it.
        if !holes(heap.map()).any(|(_, now)| now == hole) {
            continue;
        }
        // Where the file system cannot do it, the hole has its storage still.
        if os::punch(heap.map().file(), hole.start * PAGE, hole.end() * PAGE).is_ok() {
            let known = before.iter().any(|old| old.start <= hole.start && hole.end() <= old.end());
            given += if known { 0 } else { hole.count * PAGE };
        }
    }
    Ok(given)
}

/// Sets the limit, and makes the file so long. The actor has the space lock.
pub(crate) fn resize(actor: &Actor<'_>, bytes: u64, patience: Duration) -> Result<()> {
    let (map, pages, old) = (&actor.at.map, bytes / PAGE, actor.at.map.size() / PAGE);
    let limited = grow(actor, pages).and_then(|()| limit(actor, pages));
    if limited.is_err() && map.size() / PAGE > old {
        give_back(actor, Extent::To(old), patience)?;
    }
    limited?;
    follow(actor, patience).map(drop)
}

fn grow(actor: &Actor<'_>, pages: u64) -> Result<()> {
    let map = &actor.at.map;
    while map.size() / PAGE < pages {
        let heap = Heap::lock(actor)?;
        let size = map.size() / PAGE;
        heap.grow_to((size + STEP).min(pages).max(size))?;
    }
    Ok(())
}

/// Sets the limit: from here on nobody takes anything beyond it.
fn limit(actor: &Actor<'_>, pages: u64) -> Result<()> {
    let heap = Heap::lock(actor)?;
    let end = heap.end_in_use(false);
    let least = size_for(end, Purpose::Data).max(MIN_SIZE / PAGE);
    if pages < least {
        let reason = format!("what is in use ends at {} and needs a file of {} bytes", end * PAGE, least * PAGE);
        return Err(Error::OutOfSpace { needed: (least - pages) * PAGE, reason });
    }
    actor.at.map.header().limit.publish(pages * PAGE);
    Ok(())
}

/// Gives back what is beyond the limit, as after a resize that was cut short. The actor has the space lock.
pub(crate) fn follow(actor: &Actor<'_>, patience: Duration) -> Result<u64> {
    let (size, limit) = (actor.at.map.size(), actor.at.map.header().limit.get());
    if size <= limit { Ok(0) } else { give_back(actor, Extent::To(limit / PAGE), patience) }
}
