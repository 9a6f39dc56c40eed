//! The slots: nothing half done, and what their threads keep for themselves.

use super::Audit;
use crate::alloc::classes::CLASSES;
use crate::alloc::slab::Slab;
use crate::error::Error;
use crate::layout::{CLASS_LISTS, PAGE, ThreadSlot, WAYS, Word};
use crate::tx::{Chunk, Record, UNUSED};

const PLACE: &str = "(the slots)";

impl Audit<'_> {
    pub(super) fn slots(&mut self) {
        let header = self.map.header();
        let pages = |table: &[Word]| table.iter().map(Word::get).filter(|page| *page != 0).collect::<Vec<_>>();
        for page in pages(&header.process_pages).into_iter().chain(pages(&header.thread_pages)) {
            self.claim_pages(PLACE, page, 1);
        }
        let map = self.map;
        for (index, slot) in (0..header.thread_pages.len() * 8).filter_map(|index| Some((index, map.thread(index)?))) {
            self.slot(index, slot);
        }
    }

    fn slot(&mut self, index: usize, slot: &ThreadSlot) {
        let at = self.map.offset_of(slot);
        if slot.intent.kind.get() | slot.freeing.get() | slot.collecting.get() != 0 {
            self.found(PLACE, at, "something half done to the heap");
        }
        let work = slot.work.get();
        if work != 0 && self.claim_pages(PLACE, work, 1) {
            for way in 0..WAYS {
                self.record(work, way);
            }
        }
        for class in 0..CLASS_LISTS {
            self.list(index, slot, class);
        }
    }

    /// A transaction's record with the chunks of its log.
    fn record(&mut self, work: u64, way: usize) {
        let Ok(record) = Record::of(self.map, work, way) else { return };
        if record.state.get() != 0 {
            self.found(PLACE, self.map.offset_of(record), "a transaction that is not ended");
        }
        let mut offset = record.chunk.get();
        while offset != 0 {
            let chunk = match Chunk::at(self.map, offset) {
                Ok(chunk) => chunk,
                Err(Error::Corrupt { offset, what }) => return self.found(PLACE, offset, what),
                Err(error) => return self.found(PLACE, offset, error.to_string()),
            };
            // What was claimed before ends this, too: so a circle does.
            if !self.claim_pages(PLACE, offset, chunk.pages()) {
                return;
            }
            if chunk.start.get() != UNUSED {
                self.found(PLACE, offset, "a part of a log that has ended");
            }
            offset = chunk.previous;
        }
    }

    /// A list of slabs.
    fn list(&mut self, index: usize, slot: &ThreadSlot, class: usize) {
        let (mut start, mut before) = (slot.slabs[class].get(), 0);
        while start != 0 {
            let slab = match Slab::at(self.map, start) {
                Ok(slab) if class < CLASSES && start / PAGE * PAGE == start => slab,
                _ => return self.found(PLACE, start, "a list of slabs that leads to none"),
            };
            if !self.listed.insert(start) {
                return self.found(PLACE, start, "a slab that is in two lists");
            }
            if usize::from(slab.info.class) != class || usize::from(slab.info.owner) != index + 1 {
                self.found(PLACE, start, "a slab in the list of another class or owner");
            }
            if slab.meta.prev.get() != before {
                self.found(PLACE, start, "a slab that does not name the one before it");
            }
            before = start;
            start = slab.meta.next.get();
        }
    }
}
