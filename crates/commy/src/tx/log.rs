//! A transaction that is going on: the log being written, and what the process remembers of it.
//!
//! Writing an entry is: its words, a compiler fence, the new length in the record's state. Only then
//! may what it stands for be overwritten. A killed thread has executed a prefix of its program and what
//! it stored outlives it, so the order of instructions is all it takes.
//!
//! A word needs its old value once a transaction; a small direct-mapped table remembers which were
//! logged lately. Logging one twice is harmless: the log is played back from its end.
//!
//! What is to be freed is noted block by block in a short log. In one that has outgrown its record, the blocks of
//! a slab share entries, 64 to one: so emptying a large container takes little log, for which there is room even
//! when the segment is full.

use super::record::{
    CHUNK_HEADER, COMMITTED, Chunk, INLINE, MOST_WORDS, Record, UNUSED, entry, pack_size, unpack_size,
};
use crate::alloc::{self, Journal, Local, heap::Heap, heap::Purpose};
use crate::error::{Error, Result};
use crate::layout::{PAGE, Point, Word, at};
use crate::map::Map;
use crate::participant::Actor;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::NonNull;

/// Entries of the table of words logged lately.
const REMEMBERED: usize = 64;
/// Reservations remembered, to give blocks back at once that are freed in the transaction that took them.
const RECENT: usize = 8;
/// Words that are logged without a call.
const FEW_WORDS: u64 = 4;
/// Blocks to be freed that are remembered, so that a short log need not be read for them.
const FEW_FREES: usize = 4;
/// More than that, or other than was remembered.
const MANY_FREES: usize = usize::MAX;
/// How far a log is searched for entries that concern such a block, in words.
const SHORT: u64 = 96;

/// A log being written.
pub(crate) struct Log {
    record: Cell<Option<NonNull<Record>>>,
    record_offset: Cell<u64>,
    /// Words in the log.
    len: Cell<u64>,
    /// The current area: its words, the position of the first, the position of its end.
    area: Cell<*const Word>,
    area_start: Cell<u64>,
    area_end: Cell<u64>,
    /// End of the last FREE entry, 0 if none.
    last_free: Cell<u64>,
    /// Reservations before this position are not taken back early.
    floor: Cell<u64>,
    remembered: [Cell<u64>; REMEMBERED],
    /// Distinguishes what was logged since the innermost savepoint, or the beginning, from what was before.
    round: Cell<u64>,
    /// The last round that was begun, and how often the numbers ran out.
    last_round: Cell<u64>,
    wraps: Cell<u64>,
    recent: [Cell<(u64, u64)>; RECENT],
    next_recent: Cell<usize>,
    /// The first few FREE entries, if all of them are here: offset, size, end of the entry.
    frees: [Cell<(u64, u64, u64)>; FEW_FREES],
    /// How many FREE entries there are, or at least one too many for `frees`.
    free_count: Cell<usize>,
    /// In a long log: the FREES entries by the block of their lowest bit, with their ends and their bits.
    gathered: RefCell<HashMap<u64, (u64, NonNull<Word>), BuildHasherDefault<Spread>>>,
}

/// Hashes the offsets of blocks.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    #[inline(always)]
    fn write_u64(&mut self, offset: u64) {
        self.0 = (self.0 ^ offset).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A place in the log to go back to.
#[derive(Clone, Copy)]
pub(crate) struct Savepoint {
    len: u64,
    last_free: u64,
    floor: u64,
    round: u64,
    wraps: u64,
}

impl Log {
    pub(crate) fn new() -> Log {
        Log {
            record: Cell::new(None),
            record_offset: Cell::new(0),
            len: Cell::new(0),
            area: Cell::new(std::ptr::null()),
            area_start: Cell::new(0),
            area_end: Cell::new(0),
            last_free: Cell::new(0),
            floor: Cell::new(0),
            remembered: [const { Cell::new(0) }; REMEMBERED],
            round: Cell::new(0),
            last_round: Cell::new(0),
            wraps: Cell::new(0),
            recent: [const { Cell::new((0, 0)) }; RECENT],
            next_recent: Cell::new(0),
            frees: [const { Cell::new((0, 0, 0)) }; FEW_FREES],
            free_count: Cell::new(0),
            gathered: RefCell::default(),
        }
    }

    /// Ties the log to its record, once.
    pub(crate) fn attach(&self, record: &Record, offset: u64) {
        self.record.set(Some(NonNull::from(record)));
        self.record_offset.set(offset);
        self.use_record();
    }

    #[inline(always)]
    fn record(&self) -> &Record {
        // SAFETY: attached before use to a record in the map, which outlives the worker that the log
        // is part of; a record is all atomics.
        unsafe { self.record.get().unwrap_unchecked().as_ref() }
    }

    fn use_record(&self) {
        self.area.set(self.record().words.as_ptr());
        self.area_start.set(0);
        self.area_end.set(INLINE as u64);
    }

    /// Whether it has left the record. A chunk may begin at position 0, if the first entry is too long for the record, but
    /// always ends further on.
    #[inline(always)]
    fn is_in_chunk(&self) -> bool {
        self.area_end.get() != INLINE as u64
    }

    #[inline]
    fn forget_what_is_logged(&self) {
        self.next_round();
        if self.next_recent.replace(0) != 0 {
            self.recent.iter().for_each(|r| r.set((0, 0)));
        }
    }

    /// From here on nothing counts as logged.
    #[inline]
    fn next_round(&self) {
        let round = (self.last_round.get() + 1) & 0xfff;
        if round == 0 {
            self.remembered.iter().for_each(|r| r.set(0));
            self.wraps.set(self.wraps.get() + 1);
        }
        self.last_round.set(round.max(1));
        self.round.set(round.max(1));
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Makes sure that the area has room for an entry of that many words and its closing one.
    #[inline(always)]
    fn room(&self, actor: &Actor<'_>, words: u64) -> Result<()> {
        if self.len.get() + words < self.area_end.get() { Ok(()) } else { self.next_area(actor, words) }
    }

    /// Goes on in another chunk.
    #[cold]
    fn next_area(&self, actor: &Actor<'_>, words: u64) -> Result<()> {
        let (map, record, len) = (&actor.at.map, self.record(), self.len.get());
        let newest = record.chunk.get();
        if newest != 0 {
            let kept = Chunk::at(map, newest)?;
            if kept.start.get() == UNUSED && words < kept.words {
                kept.start.publish(len);
                return self.use_chunk(actor, &kept);
            }
        }
        let fitting = ((words + 1 + CHUNK_HEADER) * 8).div_ceil(PAGE);
        let mut pages = (len * 8 / PAGE).next_power_of_two().clamp(1, 64).max(fitting);
        loop {
            let capacity = pages * PAGE / 8 - CHUNK_HEADER;
            let chunk = Heap::lock(actor)?.publish(pages, Purpose::Log, &record.chunk, |chunk| {
                let header = [newest, len, capacity, 0];
                for (index, value) in header.into_iter().enumerate() {
                    if let Ok(word) = map.word(chunk + index as u64 * 8) {
                        word.put(value);
                    }
                }
            });
            match chunk {
                Ok(chunk) => return self.use_chunk(actor, &Chunk::at(map, chunk)?),
                Err(Error::OutOfSpace { .. }) if pages > fitting => pages = (pages / 2).max(fitting),
                Err(error) => return Err(error),
            }
        }
    }

    fn use_chunk(&self, actor: &Actor<'_>, chunk: &Chunk<'_>) -> Result<()> {
        let start = chunk.start.get();
        let corrupt = || Error::corrupt(chunk.offset, "a part of a log that is not in use");
        // What is written next must lie in it.
        if start > self.len.get() {
            return Err(corrupt());
        }
        self.area_end.set(start.checked_add(chunk.words).ok_or_else(corrupt)?);
        self.area.set(actor.at.map.word(chunk.first())?);
        self.area_start.set(start);
        Ok(())
    }

    #[inline(always)]
    fn word(&self, position: u64) -> &Word {
        debug_assert!(position >= self.area_start.get() && position < self.area_end.get());
        // SAFETY: `room` was asked before: the position is within the current area, whose words are in
        // the map.
        unsafe { &*self.area.get().add((position - self.area_start.get()) as usize) }
    }

    /// Closes an entry whose words have been stored, and makes it count.
    #[inline(always)]
    fn close(&self, kind: u64, words: u64, offset: u64) {
        let end = self.len.get() + words + 1;
        self.word(end - 1).put(entry::pack(kind, words, offset));
        at(Point::LogEntry);
        self.record().state.publish(end);
        self.len.set(end);
    }

    /// Whether these words were logged in this transaction, as far as is remembered.
    #[inline(always)]
    pub(crate) fn has(&self, offset: u64, count: u64) -> bool {
        count < 0x1000 && self.place(offset).get() == self.key(offset, count)
    }

    #[inline(always)]
    fn place(&self, offset: u64) -> &Cell<u64> {
        &self.remembered[(offset / 8 ^ offset / 512) as usize % REMEMBERED]
    }

    #[inline(always)]
    fn key(&self, offset: u64, count: u64) -> u64 {
        self.round.get() << 52 | (count & 0xfff) << 40 | offset
    }

    /// Keeps the old value of a few words, which may be overwritten afterwards, if there is room for them.
    #[inline(always)]
    pub(crate) fn keep_few(&self, offset: u64, first: &Word, count: u64) -> bool {
        if count > FEW_WORDS || self.len.get() + count >= self.area_end.get() {
            return false;
        }
        for index in 0..count {
            // SAFETY: the caller hands in the first of `count` words in the map.
            let old = unsafe { &*std::ptr::from_ref(first).add(index as usize) };
            self.word(self.len.get() + index).put(old.get());
        }
        self.close(entry::UNDO, count, offset);
        self.place(offset).set(self.key(offset, count));
        true
    }

    /// A transaction as a whole, of a log that is empty: takes blocks, keeps the old value of a few words - the first of
    /// each run and how many they are -, has `stores` overwrite them, commits, and puts blocks back.
    #[expect(clippy::manual_flatten, reason = "a flattened array is not unrolled: 90 instructions in each change")]
    #[inline(always)]
    pub(crate) fn at_a_stroke<const T: usize, const N: usize, const M: usize>(
        &self,
        map: &Map,
        taken: [Option<alloc::Vacant<'_>>; T],
        runs: [(&Word, u64); N],
        blocks: [Option<alloc::Block<'_>>; M],
        stores: impl FnOnce(),
    ) {
        let words = T * 2 + runs.iter().map(|(_, count)| count + 1).sum::<u64>() as usize + M * 3;
        debug_assert!(self.is_empty() && words <= INLINE);
        let record = self.record();
        let mut end = 0;
        for block in &taken {
            if let Some(block) = block {
                record.words[end].put(block.bytes);
                record.words[end + 1].put(entry::pack(entry::RESERVE, 1, block.offset));
                end += 2;
            }
        }
        for (first, count) in runs {
            for index in 0..count as usize {
                // SAFETY: the caller hands in the first of `count` words in the map.
                let old = unsafe { &*std::ptr::from_ref(first).add(index) };
                record.words[end + index].put(old.get());
            }
            record.words[end + count as usize].put(entry::pack(entry::UNDO, count, map.offset_of(first)));
            end += count as usize + 1;
        }
        // Where the log ends when all is put back but what is noted before a block.
        let (mut ends, mut last) = ([0; M], 0);
        for index in 0..M {
            ends[index] = last;
            if let Some(block) = &blocks[index] {
                record.words[end].put(last);
                record.words[end + 1].put(pack_size(block.bytes(), 1));
                record.words[end + 2].put(entry::pack(entry::FREE, 2, block.offset()));
                end += 3;
                last = end as u64;
            }
        }
        at(Point::LogEntry);
        record.state.publish(end as u64);
        for block in &taken {
            if let Some(block) = block {
                block.take();
            }
        }
        stores();
        let committed = |last| if last == 0 { 0 } else { COMMITTED << 62 | last };
        at(Point::LogCommit);
        record.state.publish(committed(last));
        for index in (0..M).rev() {
            if let Some(block) = &blocks[index] {
                // On a damaged file an empty slab may not be given back, and stays.
                let _ = block.put_back(|| {
                    at(Point::LogCountdown);
                    record.state.publish(committed(ends[index]));
                });
            }
        }
    }

    /// Keeps the old value of `count` words, which may be overwritten afterwards.
    #[inline(never)]
    pub(crate) fn keep(&self, actor: &Actor<'_>, first: &Word, count: u64) -> Result<()> {
        let offset = actor.at.map.offset_of(first);
        let mut done = 0;
        while done < count {
            let many = (count - done).min(MOST_WORDS);
            self.room(actor, many)?;
            for index in 0..many {
                // SAFETY: the caller hands in the first of `count` words in the map.
                let old = unsafe { &*std::ptr::from_ref(first).add((done + index) as usize) };
                self.word(self.len.get() + index).put(old.get());
            }
            self.close(entry::UNDO, many, offset + done * 8);
            done += many;
        }
        self.place(offset).set(self.key(offset, count));
        Ok(())
    }

    /// Notes a block that is to be given back after commit; one that this transaction took a short
    /// while ago is given back now.
    pub(crate) fn free(&self, actor: &Actor<'_>, local: &Local, offset: u64, bytes: u64, align: u64) -> Result<()> {
        let recent = self.recent[..self.next_recent.get().min(RECENT)].iter().find(|r| r.get().0 == offset);
        if let Some(end) = recent.map(|r| r.get().1) {
            let near = end > self.floor.get() && end > self.area_start.get() && self.len.get() - end <= SHORT;
            // A span that was lengthened since has further reservations.
            if near && self.word(end - 2).get() == alloc::footprint(bytes, align) {
                recent.into_iter().for_each(|r| r.set((0, 0)));
                return self.give_back_now(actor, local, offset, bytes, align, end);
            }
        }
        if self.is_in_chunk()
            && let Some((first, number)) = alloc::gatherable(actor, offset, bytes, align)
        {
            return self.gather(actor, first, 1 << number, pack_size(bytes, align));
        }
        self.room(actor, 2)?;
        self.word(self.len.get()).put(self.last_free.get());
        self.word(self.len.get() + 1).put(pack_size(bytes, align));
        self.close(entry::FREE, 2, offset);
        self.last_free.set(self.len.get());
        let count = self.free_count.get();
        if let Some(place) = self.frees.get(count) {
            place.set((offset, pack_size(bytes, align), self.len.get()));
            self.free_count.set(count + 1);
        } else {
            self.free_count.set(MANY_FREES);
        }
        Ok(())
    }

    /// Notes a block to be given back after commit together with others of the 64 from `first` on.
    fn gather(&self, actor: &Actor<'_>, first: u64, bit: u64, size: u64) -> Result<()> {
        let mut gathered = self.gathered.borrow_mut();
        // One from before the savepoint stays as it was then.
        if let Some((_, bits)) = gathered.get(&first).filter(|(end, _)| *end > self.floor.get()) {
            // SAFETY: a word of a chunk of this log, all of which stay until the log ends or is rolled back to
            // where it was before; then what is remembered here is forgotten.
            let bits = unsafe { bits.as_ref() };
            bits.put(bits.get() | bit);
            return Ok(());
        }
        self.room(actor, 3)?;
        let at = self.len.get();
        self.word(at).put(self.last_free.get());
        self.word(at + 1).put(bit);
        self.word(at + 2).put(size);
        self.close(entry::FREES, 3, first);
        self.last_free.set(self.len.get());
        self.free_count.set(MANY_FREES);
        gathered.insert(first, (self.len.get(), NonNull::from(self.word(at + 1))));
        Ok(())
    }

    fn give_back_now(
        &self,
        actor: &Actor<'_>,
        local: &Local,
        offset: u64,
        bytes: u64,
        align: u64,
        end: u64,
    ) -> Result<()> {
        self.record().skip_undo_within(&actor.at.map, end, self.len.get(), offset, bytes)?;
        let forget = || self.word(end - 1).publish(entry::pack(entry::SKIP, 1, 0));
        alloc::release(actor, Some(local), offset, bytes, align, self.record_offset.get(), forget)
    }

    /// Remembers where it is now; until `release` nothing from before is given back early, and what was
    /// logged before is logged again before it changes, so that it can be set back to what it is now.
    pub(crate) fn savepoint(&self) -> Savepoint {
        let here = Savepoint {
            len: self.len.get(),
            last_free: self.last_free.get(),
            floor: self.floor.get(),
            round: self.round.get(),
            wraps: self.wraps.get(),
        };
        self.floor.set(here.len);
        self.next_round();
        here
    }

    /// What was done since the savepoint stays.
    pub(crate) fn release(&self, savepoint: Savepoint) {
        self.floor.set(savepoint.floor);
        if savepoint.wraps == self.wraps.get() {
            self.round.set(savepoint.round);
        } else {
            self.next_round();
        }
    }

    /// Undoes what was done since the savepoint.
    pub(crate) fn roll_back_to(&self, actor: &Actor<'_>, local: &Local, savepoint: Savepoint) -> Result<()> {
        self.floor.set(savepoint.floor);
        self.record().roll_back(actor, Some(local), savepoint.len)?;
        self.len.set(savepoint.len);
        self.last_free.set(savepoint.last_free);
        self.free_count.set(MANY_FREES);
        self.gathered.borrow_mut().clear();
        self.forget_what_is_logged();
        if self.area_start.get() > savepoint.len {
            // The current chunk is empty now; the one that the log ends in is found from the file. Until it is found,
            // and if it is not, nothing is written to either.
            self.area_end.set(0);
            self.find_area(actor)?;
        }
        Ok(())
    }

    fn find_area(&self, actor: &Actor<'_>) -> Result<()> {
        let (map, len) = (&actor.at.map, self.len.get());
        self.record().drop_chunks_from(actor, len)?;
        let chunk = self.record().chunk.get();
        if chunk == 0 {
            self.use_record();
            return Ok(());
        }
        self.use_chunk(actor, &Chunk::at(map, chunk)?)
    }

    /// The commit: from this one store on, everything has happened. What is to be freed is freed by
    /// `finish`.
    #[inline]
    pub(crate) fn commit(&self) {
        let frees = self.last_free.get();
        at(Point::LogCommit);
        self.record().state.publish(if frees == 0 { 0 } else { COMMITTED << 62 | frees });
    }

    /// Undoes everything.
    pub(crate) fn roll_back(&self, actor: &Actor<'_>, local: &Local) -> Result<()> {
        self.record().roll_back(actor, Some(local), 0)
    }

    /// Frees what was to be freed and makes the log ready for the next transaction.
    #[inline]
    pub(crate) fn finish(&self, actor: &Actor<'_>, local: &Local) -> Result<()> {
        if self.last_free.replace(0) != 0 {
            self.finish_frees(actor, local)?;
        }
        self.forget_what_is_logged();
        self.len.set(0);
        self.floor.set(0);
        if self.is_in_chunk() {
            self.gathered.take();
            self.record().drop_chunks(actor, true)?;
            self.use_record();
        }
        Ok(())
    }

    /// As [`Record::finish_frees`], without reading the log if its frees are remembered.
    #[inline(never)]
    fn finish_frees(&self, actor: &Actor<'_>, local: &Local) -> Result<()> {
        let count = self.free_count.replace(0);
        if self.record().phase() != COMMITTED {
            return Ok(());
        }
        if count > FEW_FREES || self.is_in_chunk() {
            return self.record().finish_frees(actor, Some(local));
        }
        for index in (0..count).rev() {
            let (offset, size, _) = self.frees[index].get();
            let (bytes, align) = unpack_size(size);
            let before = index.checked_sub(1).map(|index| COMMITTED << 62 | self.frees[index].get().2);
            let forget = || {
                at(Point::LogCountdown);
                self.record().state.publish(before.unwrap_or(0));
            };
            alloc::release(actor, Some(local), offset, bytes, align, self.record_offset.get(), forget)?;
        }
        Ok(())
    }
}

/// The log together with who writes it, as the allocator wants it.
pub(crate) struct LogOf<'a> {
    pub log: &'a Log,
    pub actor: &'a Actor<'a>,
}

impl Journal for LogOf<'_> {
    #[inline(always)]
    fn make_room(&self) -> Result<()> {
        self.log.room(self.actor, 1)
    }

    #[inline(always)]
    fn reserve(&self, offset: u64, bytes: u64) {
        let log = self.log;
        log.word(log.len.get()).put(bytes);
        log.close(entry::RESERVE, 1, offset);
        let next = log.next_recent.get();
        log.recent[next % RECENT].set((offset, log.len.get()));
        log.next_recent.set(next + 1);
    }

    fn record(&self) -> u64 {
        self.log.record_offset.get()
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("len", &self.len.get()).finish_non_exhaustive()
    }
}
