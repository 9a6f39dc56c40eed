//! Free pages without storage: what was given back to the file system inside the file.
//!
//! A hole is a run of free pages that nobody may use before it has storage again. So its bits in the page bitmap are
//! set, as if it were taken, and it is written down in a list. When no other run is free, and before the file grows,
//! a hole is *refilled*: its storage is allocated, and the run struck from the list; a full disk is an error there.
//!
//! ```text
//! list page, a chain from the header's `holes`       entry, 0 if unused
//!    0 next page, 0 if none                            first page 32 | pages 32
//!    8 entries, 511
//! ```
//!
//! What a killed thread was doing is in its intent, as with every change of the page heap (`heap`):
//!
//! ```text
//! intent   steps                                     is committed when              else
//! HOLE     set the bits; write the entry             the entry is written           clear the bits
//! REFILL   (storage) shorten the entry; clear bits   the entry leaves the run out   nothing
//! CUT      size, bits, entries, file length          (at once)                      the steps again
//! ```
//!
//! Whether a hole has storage still does not matter: it is written down first and punched later, by `shrink`.

use super::heap::{Heap, Purpose, kind};
use crate::error::{Error, Result};
use crate::layout::{FIRST_FREE_PAGE, PAGE, Word};
use crate::map::Map;
use crate::os;

/// Entries of a list page.
const ENTRIES: u64 = PAGE / 8 - 1;
/// Pages that are refilled at once if fewer are asked for: bounds the pause.
const STEP: u64 = (1 << 20) / PAGE;

/// A run of pages without storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub start: u64,
    pub count: u64,
}

impl Hole {
    pub(super) fn pack(self) -> u64 {
        if self.count == 0 { 0 } else { self.start << 32 | self.count }
    }

    fn unpack(word: u64) -> Hole {
        Hole { start: word >> 32, count: word & 0xffff_ffff }
    }

    pub(crate) fn end(self) -> u64 {
        self.start + self.count
    }
}

/// Pages of the list, as far as it leads to pages of the file.
pub(crate) fn list(map: &Map) -> impl Iterator<Item = u64> + '_ {
    let good = |page: &u64| *page != 0 && page.is_multiple_of(PAGE) && *page < map.size();
    let next = move |page: &u64| map.word(*page).ok().map(Word::get).filter(good);
    // No chain is longer than the file.
    let first = Some(map.header().holes.get()).filter(good);
    std::iter::successors(first, next).take((map.size() / PAGE) as usize)
}

/// Bytes that the list takes.
pub(crate) fn list_bytes(map: &Map) -> u64 {
    list(map).count() as u64 * PAGE
}

fn entries(map: &Map) -> impl Iterator<Item = &Word> {
    list(map).flat_map(move |page| (1..=ENTRIES).filter_map(move |index| map.word(page + index * 8).ok()))
}

/// What the list says, whether it can be or not.
pub(crate) fn written(map: &Map) -> impl Iterator<Item = (&Word, Hole)> {
    entries(map).map(|word| (word, Hole::unpack(word.get()))).filter(|(word, _)| word.get() != 0)
}

/// All holes, with the words that they are written in. Steady under the heap lock; what cannot be a hole is left out.
pub(crate) fn holes(map: &Map) -> impl Iterator<Item = (&Word, Hole)> {
    let pages = map.size() / PAGE;
    written(map).filter(move |(_, hole)| hole.count != 0 && hole.start >= FIRST_FREE_PAGE && hole.end() <= pages)
}

impl<'a> Heap<'a> {
    /// Makes holes of free runs.
    pub(super) fn add_holes(&self, runs: &[Hole]) -> Result<()> {
        let unused = || entries(self.map()).filter(|entry| entry.get() == 0);
        while unused().count() < runs.len() {
            self.add_list_page()?;
        }
        // The list's new pages may have come from these runs: what is behind them is left.
        let runs = runs.iter().filter_map(|run| {
            let taken = (run.start..run.end()).rev().find(|page| self.is_taken(*page));
            let start = taken.map_or(run.start, |page| page + 1);
            (start < run.end()).then(|| Hole { start, count: run.end() - start })
        });
        for (entry, run) in unused().collect::<Vec<_>>().into_iter().zip(runs) {
            self.intent().set(kind::HOLE, run.start, run.count, self.map().offset_of(entry));
            self.mark(run.start, run.count);
            entry.publish(run.pack());
            self.intent().clear();
        }
        Ok(())
    }

    fn add_list_page(&self) -> Result<()> {
        let head = &self.header().holes;
        let next = head.get();
        self.publish(1, Purpose::Log, head, |page| {
            for index in 0..=ENTRIES {
                if let Ok(word) = self.map().word(page + index * 8) {
                    word.put(if index == 0 { next } else { 0 });
                }
            }
        })?;
        Ok(())
    }

    /// Gives the first pages of a hole their storage back and lets them be used. False if the disk is full.
    fn refill_front(&self, entry: &Word, hole: Hole, pages: u64) -> bool {
        let end = hole.start + pages.min(hole.count);
        if os::extend(self.map().file(), hole.start * PAGE, end * PAGE).is_err() {
            return false;
        }
        self.intent().set(kind::REFILL, hole.start, end - hole.start, self.map().offset_of(entry));
        entry.publish(Hole { start: end, count: hole.end() - end }.pack());
        self.unmark(hole.start, end - hole.start);
        self.intent().clear();
        true
    }

    /// Refills a hole in which a run of `pages` fits, if there is one.
    #[cold]
    pub(super) fn refill(&self, pages: u64) -> bool {
        let limit = self.limit();
        let found = holes(self.map()).find(|(_, hole)| hole.count >= pages && hole.start + pages <= limit);
        found.is_some_and(|(entry, hole)| self.refill_front(entry, hole, pages.max(STEP)))
    }

    /// Refills the hole that begins at a page, if one does.
    pub(super) fn refill_at(&self, page: u64, pages: u64) {
        if let Some((entry, hole)) = holes(self.map()).find(|(_, hole)| hole.start == page) {
            self.refill_front(entry, hole, pages);
        }
    }

    /// Refills all holes: together with their neighbours they may hold what none of them can. Tells whether there
    /// were any.
    #[cold]
    pub(super) fn refill_all(&self) -> bool {
        let mut any = false;
        for (entry, hole) in holes(self.map()) {
            any |= self.refill_front(entry, hole, hole.count);
        }
        any
    }

    /// Cuts the file at a page, behind which there is nothing but holes and what has no bitmap.
    pub(super) fn cut(&self, page: u64) -> Result<()> {
        self.intent().set(kind::CUT, page, self.map().size() / PAGE - page, 0);
        finish(self)?;
        self.intent().clear();
        Ok(())
    }

    /// Gives back the list's first pages, as far as they are empty.
    pub(super) fn drop_empty_list_pages(&self) -> Result<()> {
        let head = &self.header().holes;
        while let Some(page) = list(self.map()).next() {
            for index in 1..=ENTRIES {
                if self.map().word(page + index * 8)?.get() != 0 {
                    return Ok(());
                }
            }
            self.unpublish(page / PAGE, 1, head)?;
        }
        Ok(())
    }
}

/// Finishes or undoes an intent that concerns holes.
pub(super) fn finish(heap: &Heap<'_>) -> Result<()> {
    let (map, intent) = (heap.map(), heap.intent());
    let (start, count, aux) = (intent.start.get(), intent.count.get(), intent.aux.get());
    let run = Hole { start, count };
    match intent.kind.get() {
        kind::HOLE => {
            if map.word(aux)?.get() != run.pack() {
                heap.unmark(start, count);
            }
        }
        kind::REFILL => {
            if Hole::unpack(map.word(aux)?.get()).start != start {
                heap.unmark(start, count);
            }
        }
        kind::CUT => {
            let size = start.checked_mul(PAGE).filter(|size| *size >= crate::layout::MIN_SIZE);
            let size = size.ok_or_else(|| Error::corrupt(map.offset_of(intent), "a file cut too short"))?;
            if map.header().size.get() > size {
                map.header().size.publish(size);
            }
            heap.unmark(start, count);
            for entry in entries(map) {
                let hole = Hole::unpack(entry.get());
                if hole.end() > start {
                    entry.publish(Hole { start: hole.start, count: start.saturating_sub(hole.start) }.pack());
                }
            }
            map.cut(size, start.saturating_add(count).saturating_mul(PAGE));
        }
        _ => return Err(Error::corrupt(map.offset_of(intent), "an unknown intent")),
    }
    Ok(())
}
