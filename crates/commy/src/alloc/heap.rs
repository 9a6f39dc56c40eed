//! The page heap: runs of pages, under one lock for the segment.
//!
//! Which pages are taken is said by the page bitmap (1: taken). A change concerns one run, so no undo
//! log is needed: before the first bit is touched, the run and what is done to it are written to the
//! *intent* of the acting slot, and the intent is cleared last. Whoever finds an intent of a dead
//! slot knows that it still holds the heap lock, and finishes or undoes it:
//!
//! ```text
//! intent     is committed when                      else
//! SPAN       (the intent is cleared)                drop the reservation in the log, clear the bits
//! FREE       (at once)                              drop the entry in the log, clear the bits
//! PUBLISH    the word at aux points to the run      clear the bits
//! UNPUBLISH  (at once)                              the word gets what it shall point to; clear the bits
//! META       the region has its has-meta bit        clear the bit of the page
//! UNMETA     (at once)                              clear the has-meta bit, then the bit of the page
//! SLAB, UNSLAB, UNLINK, LINK: see `slab`; HOLE, REFILL, CUT: see `holes`
//! ```
//!
//! Clearing the bits of a run is idempotent while the lock is held: nobody else can have taken them.

use super::meta::has_meta;
use super::{holes, slab};
use crate::error::{Error, Result};
use crate::layout::{
    BITMAP_PAGE, FIRST_FREE_PAGE, Header, Intent, PAGE, Point, REGION, REGION_PAGES, Word, at, bitmap,
};
use crate::map::Map;
use crate::participant::Actor;
use crate::sync::Blocked;
use std::ops::Range;
use std::time::Duration;

/// Kinds of intents.
pub(crate) mod kind {
    pub(crate) const NONE: u64 = 0;
    pub(crate) const SPAN: u64 = 1;
    pub(crate) const FREE: u64 = 2;
    pub(crate) const PUBLISH: u64 = 3;
    pub(crate) const UNPUBLISH: u64 = 4;
    pub(crate) const META: u64 = 5;
    pub(crate) const SLAB: u64 = 6;
    pub(crate) const UNSLAB: u64 = 7;
    pub(crate) const UNLINK: u64 = 8;
    pub(crate) const LINK: u64 = 9;
    pub(crate) const UNMETA: u64 = 10;
    pub(crate) const HOLE: u64 = 11;
    pub(crate) const REFILL: u64 = 12;
    pub(crate) const CUT: u64 = 13;
}

/// What a run is for: the last part of the file is kept for logs, so that freeing never lacks room, be it the
/// limit or the disk that does not let the file grow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Data,
    Log,
}

/// Large runs begin at multiples of up to an eighth of their length where they can: the first page of one, which each
/// process meets with a page fault of its own, is then one that was used before, and the gaps are of use for more.
fn step_of(pages: u64) -> u64 {
    (pages / 8).checked_ilog2().map_or(1, |log| 1 << log.min(6))
}

/// The heap, locked by an actor.
pub(crate) struct Heap<'a> {
    pub(crate) actor: &'a Actor<'a>,
    keep: u64,
}

impl Drop for Heap<'_> {
    fn drop(&mut self) {
        self.actor.heap_lock().unlock_write(self.keep);
    }
}

impl Intent {
    pub(crate) fn set(&self, kind: u64, start: u64, count: u64, aux: u64) {
        self.start.put(start);
        self.count.put(count);
        self.aux.put(aux);
        at(Point::IntentSet);
        self.kind.publish(kind);
    }

    pub(crate) fn clear(&self) {
        at(Point::IntentClear);
        self.kind.publish(kind::NONE);
    }
}

impl<'a> Heap<'a> {
    /// Locks the heap in the actor's name.
    pub(crate) fn lock(actor: &'a Actor<'a>) -> Result<Heap<'a>> {
        // A holder never waits for anything but the disk. In a private copy there is none.
        let least = if actor.at.map.is_private() { Duration::ZERO } else { Duration::from_secs(10) };
        let patience = actor.at.patience.max(least);
        match actor.heap_lock().write(actor.tag, patience) {
            Ok(keep) => Ok(Heap { actor, keep }),
            Err(Blocked::Circle | Blocked::Mine) => {
                Err(Error::Deadlock { what: "the heap".into(), reason: "a circle of waiters" })
            }
            Err(Blocked::Timeout(holder)) => Err(Error::LockTimeout {
                what: "the heap of the segment".into(),
                holder: actor.at.pid_of(holder),
                held_for: patience,
            }),
        }
    }

    /// The heap that the actor's slot holds already, as its dead occupant left it.
    pub(crate) fn held(actor: &'a Actor<'a>) -> Heap<'a> {
        Heap { actor, keep: 0 }
    }

    pub(crate) fn map(&self) -> &'a Map {
        &self.actor.at.map
    }

    pub(super) fn header(&self) -> &'a Header {
        self.map().header()
    }

    pub(crate) fn intent(&self) -> &'a Intent {
        &self.actor.slot.intent
    }

    /// The bitmap word of a region; `None` where there is no bitmap yet.
    pub(crate) fn word(&self, region: u64) -> Option<&'a Word> {
        bitmap_word(self.map(), region)
    }

    /// The bitmap words of the regions in the first chunk.
    fn first_words(&self) -> &'a [Word] {
        const { assert!(64 + bitmap::FIRST * 8 <= PAGE) };
        // SAFETY: all words; the page is always in the file.
        let words = unsafe { self.map().get::<[Word; bitmap::FIRST as usize]>(BITMAP_PAGE + 64) };
        words.map_or(&[], |words| words)
    }

    /// Regions that have a bitmap word and at least one page in the file.
    pub(super) fn regions(&self) -> u64 {
        regions(self.map())
    }

    /// The bits that cannot be handed out in a region: those taken, and those beyond the ceiling.
    pub(super) fn taken(&self, region: u64, ceiling: u64) -> u64 {
        let word = self.word(region).map_or(u64::MAX, Word::get) | own(region);
        let first = region * REGION_PAGES;
        match ceiling.saturating_sub(first) {
            0 => u64::MAX,
            pages if pages < REGION_PAGES => word | u64::MAX << pages,
            _ => word,
        }
    }

    /// Pages that the file may have.
    pub(super) fn limit(&self) -> u64 {
        self.header().limit.get().min(self.map().reserved()) / PAGE
    }

    /// The first page that may not be taken.
    pub(super) fn ceiling(&self, purpose: Purpose) -> u64 {
        ceiling(self.limit().min(self.map().size() / PAGE), purpose)
    }

    /// Finds a free run and grows the file if there is none. Nothing is marked yet.
    pub(crate) fn find(&self, pages: u64, purpose: Purpose) -> Result<u64> {
        loop {
            let ceiling = self.ceiling(purpose);
            // A region's first page has its slab meta: if that is taken for something small, the other 63 are lost to
            // slabs.
            let (spared, step) = (u64::from(pages < REGION_PAGES / 2), step_of(pages));
            let preferred = if spared + step > 1 { self.search_but(pages, ceiling, spared, step) } else { None };
            if let Some(start) = preferred.or_else(|| self.search(pages, ceiling)) {
                return self.has_no_slots(start, pages).map(|()| start);
            }
            if self.refill(pages) {
                continue;
            }
            if let Err(error) = self.grow(pages, purpose)
                && !self.refill_all()
            {
                return Err(error);
            }
        }
    }

    /// That no thread or process has its slot in a run which the bitmap says is free.
    pub(super) fn has_no_slots(&self, start: u64, pages: u64) -> Result<()> {
        let (header, run) = (self.header(), start * PAGE..(start + pages) * PAGE);
        // The first of both are in pages of their own.
        for further in [&header.thread_pages[1..], &header.process_pages[1..]] {
            if let Some(page) =
                further.iter().map(Word::get).take_while(|page| *page != 0).find(|page| run.contains(page))
            {
                return Err(Error::corrupt(page, "a page of slots that is said to be free"));
            }
        }
        Ok(())
    }

    pub(super) fn search(&self, pages: u64, ceiling: u64) -> Option<u64> {
        self.search_but(pages, ceiling, 0, 1)
    }

    /// The first run of so many free pages that begins at a multiple of `step`, a power of two, those aside whose bits
    /// are set in `spared` for each region.
    fn search_but(&self, pages: u64, ceiling: u64, spared: u64, step: u64) -> Option<u64> {
        let hint = &self.header().span_hint;
        let regions = self.regions();
        // Most regions lie wholly below the ceiling, and have their words in the first chunk, in a row.
        let (words, whole) = (self.first_words(), ceiling / REGION_PAGES);
        let taken = |region: u64| match words.get(region as usize) {
            Some(word) if region < whole => word.get() | own(region),
            _ => self.taken(region, ceiling),
        };
        let mut first = hint.get().min(regions);
        while first < regions && taken(first) == u64::MAX {
            first += 1;
        }
        if first * REGION_PAGES < ceiling {
            hint.put(first);
        }
        first_run(|region| taken(region) | spared, first..regions, pages, step)
    }

    /// Free pages at the end of the file, which a growing file adds to.
    fn tail(&self) -> u64 {
        let pages = self.map().size() / PAGE;
        for region in (0..pages.div_ceil(REGION_PAGES)).rev() {
            let (first, word) = (region * REGION_PAGES, self.word(region).map_or(u64::MAX, Word::get));
            let here = (pages - first).min(REGION_PAGES);
            let taken = word & u64::MAX >> (REGION_PAGES - here);
            if taken != 0 {
                return pages - first - (REGION_PAGES - u64::from(taken.leading_zeros()));
            }
        }
        pages
    }

    /// Lets the file grow by the usual step, unless a run of `pages` is free. Who will need one soon calls this
    /// a few times, so that not a single request has to wait until the system has backed all of it.
    pub(crate) fn grow_ahead(&self, pages: u64) -> Result<()> {
        let ceiling = self.ceiling(Purpose::Data);
        if self.search(pages, ceiling).is_some() { Ok(()) } else { self.grow(1, Purpose::Data) }
    }

    pub(crate) fn is_taken(&self, page: u64) -> bool {
        let (region, bit) = (page / REGION_PAGES, page % REGION_PAGES);
        self.word(region).is_none_or(|word| (word.get() | own(region)) >> bit & 1 == 1)
    }

    /// Has the bitmap reach further where the file does; else grows the file so that a run of `pages` fits at its end,
    /// by a quarter if there is room for that but by no more than 1 MiB beyond what is needed, so that the pause is
    /// bounded.
    pub(super) fn grow(&self, pages: u64, purpose: Purpose) -> Result<()> {
        if self.extend_bitmap()? {
            return Ok(());
        }
        let (size, limit) = (self.map().size() / PAGE, self.limit());
        let end = size - self.tail() + pages;
        if end > ceiling(limit, purpose) || size >= limit {
            return Err(self.at_limit(pages));
        }
        let needed = size_for(end, purpose).clamp(size + 1, limit);
        let generous = needed.max(size + (size / 4).clamp(16, (1 << 20) / PAGE)).min(limit);
        if self.map().grow(generous * PAGE).is_err() {
            self.map().grow(needed * PAGE)?;
        }
        self.extend_bitmap().map(drop)
    }

    /// Makes the file so many pages long, if it is shorter.
    pub(super) fn grow_to(&self, pages: u64) -> Result<()> {
        if pages * PAGE > self.map().size() {
            self.map().grow(pages * PAGE)?;
            self.extend_bitmap()?;
        }
        Ok(())
    }

    #[cold]
    fn at_limit(&self, pages: u64) -> Error {
        let (limit, most) = (self.header().limit.get(), self.header().maximum.get());
        let reason = if limit < most {
            format!("the limit is {limit} bytes, and can be raised to {most} by resize")
        } else {
            format!("the limit is {limit} bytes, the max_size that the segment was made with")
        };
        Error::OutOfSpace { needed: pages * PAGE, reason }
    }

    /// Gives the bitmap the chunks that the file has outgrown, or was made too large for. Gives whether there is a new
    /// one.
    fn extend_bitmap(&self) -> Result<bool> {
        let (last, ..) = bitmap::place((self.map().size() / PAGE).saturating_sub(1) / REGION_PAGES);
        for chunk in 1..=last {
            let pointer = self.header().bitmap_chunks.get(chunk).filter(|pointer| pointer.get() == 0);
            if let Some(pointer) = pointer {
                return self.make_chunk(chunk, pointer);
            }
        }
        Ok(false)
    }

    /// Makes a chunk of the bitmap, all before which there are. It lies in a free run if there is one, else at the
    /// beginning of the pages that it describes.
    fn make_chunk(&self, chunk: usize, pointer: &Word) -> Result<bool> {
        let pages = self.map().size() / PAGE;
        let own = bitmap::first_region(chunk) * REGION_PAGES;
        let count = bitmap::OTHER_PAGES;
        let start = match self.search(count, own) {
            Some(start) => start,
            None if pages >= own + count => own,
            // Too few new pages for it: they stay unused until the file grows further.
            None => return Ok(false),
        };
        let target = self.map().offset_of(pointer);
        for offset in (0..count * PAGE).step_by(8) {
            self.map().word(start * PAGE + offset)?.put(0);
        }
        if start == own {
            // Unreachable until published, so it can be prepared at leisure: its own pages are a region.
            const { assert!(bitmap::OTHER_PAGES == REGION_PAGES) };
            self.map().word(start * PAGE + bitmap::OTHER_WORDS)?.put(u64::MAX);
            pointer.publish(start * PAGE);
            return Ok(true);
        }
        self.intent().set(kind::PUBLISH, start, count, target);
        self.mark(start, count);
        pointer.publish(start * PAGE);
        self.intent().clear();
        Ok(true)
    }

    /// Sets the bits of a run.
    pub(crate) fn mark(&self, start: u64, count: u64) {
        self.each_word(start, count, |word, bits| word.put(word.get() | bits));
    }

    /// Clears the bits of a run.
    pub(crate) fn unmark(&self, start: u64, count: u64) {
        let hint = &self.header().span_hint;
        hint.put(hint.get().min(start / REGION_PAGES));
        self.each_word(start, count, |word, bits| word.put(word.get() & !bits));
    }

    fn each_word(&self, start: u64, count: u64, change: impl Fn(&Word, u64)) {
        let (mut page, end) = (start, start.saturating_add(count));
        while page < end {
            let bit = page % REGION_PAGES;
            let many = (REGION_PAGES - bit).min(end - page);
            let bits = (u64::MAX >> (REGION_PAGES - many)) << bit;
            at(Point::PageBits);
            let Some(word) = self.word(page / REGION_PAGES) else { return };
            change(word, bits);
            page += many;
        }
    }

    /// Takes a run and makes a word of the file point to it.
    pub(crate) fn publish(&self, pages: u64, purpose: Purpose, target: &Word, prepare: impl Fn(u64)) -> Result<u64> {
        let start = self.find(pages, purpose)?;
        self.intent().set(kind::PUBLISH, start, pages, self.map().offset_of(target));
        self.mark(start, pages);
        prepare(start * PAGE);
        target.publish(start * PAGE);
        self.intent().clear();
        Ok(start * PAGE)
    }

    /// Gives a run back that a word of the file points to; the word then points to `next`, which is
    /// the first word of the run.
    pub(crate) fn unpublish(&self, start: u64, pages: u64, target: &Word) -> Result<()> {
        if target.get() != start * PAGE {
            return Err(Error::corrupt(self.map().offset_of(target), "an offset that is not a page's"));
        }
        self.intent().set(kind::UNPUBLISH, start, pages, self.map().offset_of(target));
        self.finish(&mut |_, _| Ok(()))
    }

    /// Takes a run for data; `reserve` notes it in the log that stands for it until commit, in whose
    /// record `owner` it is found.
    pub(crate) fn span(&self, pages: u64, owner: u64, reserve: impl FnOnce(u64)) -> Result<u64> {
        let start = self.find(pages, Purpose::Data)?;
        self.take_run(start, pages, owner, reserve);
        Ok(start * PAGE)
    }

    fn take_run(&self, start: u64, pages: u64, owner: u64, reserve: impl FnOnce(u64)) {
        self.intent().set(kind::SPAN, start, pages, owner);
        reserve(start * PAGE);
        self.mark(start, pages);
        self.intent().clear();
    }

    /// Takes the run right behind a span, if it is free, growing the file if it ends there.
    pub(crate) fn extend_span(&self, end: u64, more: u64, owner: u64, reserve: impl FnOnce(u64)) -> bool {
        let free = |page| page < self.ceiling(Purpose::Data) && !self.is_taken(page);
        self.refill_at(end, more);
        let in_file = (self.map().size() / PAGE).saturating_sub(end).min(more);
        if (end..end + in_file).any(|page| self.is_taken(page)) || self.has_no_slots(end, more).is_err() {
            return false;
        }
        if !(end..end + more).all(free) && (self.grow(more, Purpose::Data).is_err() || !(end..end + more).all(free)) {
            return false;
        }
        self.take_run(end, more, owner, reserve);
        true
    }

    /// Gives a span back; `forget` drops the log's entry for it.
    pub(crate) fn release(&self, start: u64, pages: u64, owner: u64, forget: impl FnOnce()) {
        self.intent().set(kind::FREE, start, pages, owner);
        forget();
        self.unmark(start, pages);
        self.intent().clear();
    }

    /// Finishes or undoes what the intent of the acting slot says, if anything. `forget(record, offset)`
    /// drops the last entry of the log in that record if it names that offset.
    pub(crate) fn finish(&self, forget: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let intent = self.intent();
        let (start, count, aux) = (intent.start.get(), intent.count.get(), intent.aux.get());
        match intent.kind.get() {
            kind::NONE => return Ok(()),
            kind::SPAN | kind::FREE => {
                forget(aux, start * PAGE)?;
                self.unmark(start, count);
            }
            kind::PUBLISH => {
                if self.map().word(aux)?.get() != start * PAGE {
                    self.unmark(start, count);
                }
            }
            kind::UNPUBLISH => {
                let target = self.map().word(aux)?;
                if target.get() == start * PAGE {
                    target.publish(self.map().word(start * PAGE)?.get());
                }
                self.unmark(start, count);
            }
            kind::META => {
                if !has_meta(self.map(), aux) {
                    self.unmark(start, 1);
                }
            }
            kind::UNMETA => self.clear_meta(aux),
            kind::HOLE | kind::REFILL | kind::CUT => holes::finish(self)?,
            _ => slab::finish(self)?,
        }
        intent.clear();
        Ok(())
    }
}

/// The first page that may not be taken, of a file of so many pages.
pub(super) fn ceiling(size: u64, purpose: Purpose) -> u64 {
    match purpose {
        Purpose::Log => size,
        Purpose::Data => size - kept(size),
    }
}

/// Pages at the end of a file of so many that are kept for logs: 32 bytes of log free 64 blocks, of at least 32
/// bytes each.
fn kept(size: u64) -> u64 {
    (size / 64).max(1).min(size)
}

/// The smallest number of pages that a file must have for the first `end` of them to be below the ceiling.
pub(super) fn size_for(end: u64, purpose: Purpose) -> u64 {
    match purpose {
        Purpose::Log => end,
        Purpose::Data => {
            let enough = end + (end / 63).max(1);
            // One page less may do where what is kept is rounded down.
            if ceiling(enough - 1, purpose) >= end { enough - 1 } else { enough }
        }
    }
}

/// Regions that have a bitmap word and at least one page in the file.
pub(crate) fn regions(map: &Map) -> u64 {
    // There is one, whatever the header says.
    let all = map.size().div_ceil(REGION).max(1);
    let (mut chunk, ..) = bitmap::place(all - 1);
    if chunk == 0 || map.header().bitmap_chunks.get(chunk).is_some_and(|p| p.get() != 0) {
        return all;
    }
    while chunk > 1 && map.header().bitmap_chunks[chunk - 1].get() == 0 {
        chunk -= 1;
    }
    bitmap::first_region(chunk)
}

pub(super) fn chunk_at(map: &Map, chunk: usize) -> Option<u64> {
    match chunk {
        0 => Some(BITMAP_PAGE),
        _ => map.header().bitmap_chunks.get(chunk).map(Word::get_acquire).filter(|offset| *offset != 0),
    }
}

/// The bitmap word of a region; `None` where there is no bitmap yet.
pub(crate) fn bitmap_word(map: &Map, region: u64) -> Option<&Word> {
    let (chunk, word, _) = bitmap::place(region);
    map.word(chunk_at(map, chunk)? + word).ok()
}

/// The bits of the segment's own pages at the beginning of the file, which are taken whatever the bitmap says.
#[inline(always)]
fn own(region: u64) -> u64 {
    if region == 0 { (1 << FIRST_FREE_PAGE) - 1 } else { 0 }
}

/// The first run of so many pages that are not taken and begin at a multiple of `step`, a power of two up to 64, in
/// these regions.
#[inline(always)]
fn first_run(taken: impl Fn(u64) -> u64, regions: Range<u64>, pages: u64, step: u64) -> Option<u64> {
    // Of the pages right before a region, how many are free in a row.
    let mut run = 0;
    for region in regions {
        let (begin, taken) = (region * REGION_PAGES, taken(region));
        let start = (begin - run + step - 1) & !(step - 1);
        if start + pages <= begin + u64::from(taken.trailing_zeros()) {
            return Some(start);
        }
        if taken == 0 {
            run += REGION_PAGES;
            continue;
        }
        if pages < REGION_PAGES
            && let Some(start) = run_in_word(!taken, pages, step)
        {
            return Some(begin + start);
        }
        run = u64::from(taken.leading_zeros());
    }
    None
}

/// The first run of so many ones in a word, from 1 to 64, that begins at a multiple of `step`, a power of two up to 64.
pub(super) fn run_in_word(free: u64, pages: u64, step: u64) -> Option<u64> {
    // Bits from which on there are `length` ones.
    let (mut runs, mut length) = (free, 1);
    while length < pages {
        let more = length.min(pages - length);
        runs &= runs >> more;
        length += more;
    }
    const STEPS: [u64; 7] = [u64::MAX, u64::MAX / 3, u64::MAX / 15, u64::MAX / 255, u64::MAX / 65535, 1 << 32 | 1, 1];
    runs &= STEPS[step.trailing_zeros() as usize];
    (runs != 0).then(|| u64::from(runs.trailing_zeros()))
}

#[cfg(test)]
mod tests {
    use super::{Purpose, ceiling, first_run, run_in_word, size_for};
    use crate::layout::REGION_PAGES;

    #[test]
    fn what_is_kept_for_logs_grows_with_the_file_and_is_grown_for() {
        for end in 1..100_000 {
            let size = size_for(end, Purpose::Data);
            assert!(ceiling(size, Purpose::Data) >= end && ceiling(size - 1, Purpose::Data) < end, "{end}");
            assert!(ceiling(end + 1, Purpose::Data) >= ceiling(end, Purpose::Data), "{end}");
            assert_eq!(size_for(end, Purpose::Log), end);
        }
    }

    #[test]
    fn a_run_is_found_only_where_it_fits() {
        assert_eq!(run_in_word(0b0111_0110, 3, 1), Some(4));
        assert_eq!(run_in_word(0b0111_0110, 4, 1), None);
        assert_eq!(run_in_word(u64::MAX, 64, 64), Some(0));
        assert_eq!(run_in_word(1 << 63, 1, 1), Some(63));
        assert_eq!(run_in_word(1 << 63, 2, 1), None);
    }

    #[test]
    fn the_first_run_that_fits_is_found_wherever_regions_end() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state.rotate_left(29)
        };
        for _ in 0..20_000 {
            // Words with long runs of both: all of one kind, or from some bit on, or in between.
            let words = [0; 6].map(|_| {
                let (kind, a, b) = (random() % 6, random() % 64, random() % 64);
                [0, u64::MAX, u64::MAX << a, u64::MAX >> a, (u64::MAX << a) & (u64::MAX >> b), random()][kind as usize]
            });
            let (pages, step) = (1 + random() % 200, 1 << (random() % 7));
            let is_free = |page: u64| words[(page / REGION_PAGES) as usize] >> (page % REGION_PAGES) & 1 == 0;
            let (first, end) = (random() % 3, words.len() as u64);
            let mut starts = (first * REGION_PAGES..end * REGION_PAGES).filter(|start| start % step == 0);
            let fits = |start: &u64| start + pages <= end * REGION_PAGES && (*start..start + pages).all(is_free);
            let found = first_run(|region| words[region as usize], first..end, pages, step);
            assert_eq!(found, starts.find(fits), "{pages} pages at {step} in {words:x?} from {first}");
        }
    }
}
