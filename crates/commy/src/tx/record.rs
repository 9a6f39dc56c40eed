//! The undo log as it lies in the file, and how it is played back.
//!
//! ```text
//! record, 512 B (8 to the work page of a thread slot)     chunk, 1 page or more
//!    0 state: phase 2 | length 62                           0 previous chunk, 0 if none
//!    8 newest chunk, 0 if none                               8 position of its first word, or UNUSED
//!   16 --                                                  16 capacity, words
//!   24 --                                                   24 --
//!   32 words 0..60 of the log                               32 words
//! ```
//!
//! The log is a sequence of entries, each ending with a word that says what it is: so it is read from
//! its end. An entry never crosses from one area (the record, a chunk) into the next.
//!
//! ```text
//! UNDO     old words ..                     | kind 4 | words 20 | offset 40    these words were so before
//! RESERVE  bytes                            | kind   | 1        | offset       taken by this transaction
//! FREE     end of the FREE before | bytes, align | kind | 2     | offset       to be given back after commit
//! FREES    end of the FREE before | bits | bytes, align | kind | 3 | offset  the same, for the blocks of one size at
//!                                                                             offset + number of the bit * size
//! SKIP     anything                         | kind   | words    | --           an entry that was taken back
//!
//! state:   0 --first entry--> OPEN, length --commit--> COMMITTED, end of the last FREE --> .. --> 0
//!                                          --or, nothing to free----------------------------> 0
//!          OPEN, length --roll back, entry by entry from the end--> 0
//! ```
//!
//! Every step of both ways down is idempotent until its entry is dropped by storing the state, so a
//! rescuer, or its rescuer, simply goes on.

use crate::alloc::{self, Local, heap::Heap};
use crate::error::{Error, Result};
use crate::layout::{DIRECTORY, FIRST_BLOCK, PAGE, Point, WAYS, Word, at, thread_status};
use crate::map::Map;
use crate::participant::Actor;

/// Words of the log in the record itself.
pub(crate) const INLINE: usize = 60;
/// Words at the beginning of a chunk that are not log.
pub(crate) const CHUNK_HEADER: u64 = 4;
/// Position of a chunk that is kept for later and has no entries.
pub(crate) const UNUSED: u64 = u64::MAX;
/// The most words of one UNDO entry.
pub(crate) const MOST_WORDS: u64 = 1 << 16;

/// A transaction record.
#[repr(C)]
pub(crate) struct Record {
    pub state: Word,
    pub chunk: Word,
    pub unused: [Word; 2],
    pub words: [Word; INLINE],
}

const _: () = assert!(size_of::<Record>() * WAYS == PAGE as usize);

/// A chunk of a log, which is in the file.
pub(crate) struct Chunk<'a> {
    pub offset: u64,
    /// The chunk before it.
    pub previous: u64,
    /// Position of its first word.
    pub start: &'a Word,
    /// Words of the log that it has room for.
    pub words: u64,
}

impl<'a> Chunk<'a> {
    pub(crate) fn at(map: &'a Map, offset: u64) -> Result<Chunk<'a>> {
        // SAFETY: all words.
        let [previous, start, words, _] = unsafe { map.get::<[Word; CHUNK_HEADER as usize]>(offset) }?;
        let words = words.get();
        let bytes = words.checked_add(CHUNK_HEADER).and_then(|words| words.checked_mul(8));
        match bytes.and_then(|bytes| map.at(offset, bytes, PAGE)) {
            Some(_) => Ok(Chunk { offset, previous: previous.get(), start, words }),
            None => Err(Error::corrupt(offset, "a part of a log outside the file")),
        }
    }

    pub(crate) fn pages(&self) -> u64 {
        ((self.words + CHUNK_HEADER) * 8).div_ceil(PAGE)
    }

    /// Offset of its first word of log.
    pub(crate) fn first(&self) -> u64 {
        self.offset + CHUNK_HEADER * 8
    }
}

/// The phases of `state`.
pub(crate) const OPEN: u64 = 0;
/// Past the commit: what is left is freeing.
pub(crate) const COMMITTED: u64 = 1;

/// Kinds of entries.
pub(crate) mod entry {
    pub(crate) const SKIP: u64 = 1;
    pub(crate) const UNDO: u64 = 2;
    pub(crate) const RESERVE: u64 = 3;
    pub(crate) const FREE: u64 = 4;
    pub(crate) const FREES: u64 = 5;

    pub(crate) fn pack(kind: u64, words: u64, offset: u64) -> u64 {
        kind << 60 | words << 40 | offset
    }
}

/// The closing word of an entry, taken apart.
#[derive(Clone, Copy, Debug)]
struct Closing {
    kind: u64,
    words: u64,
    offset: u64,
}

impl Record {
    /// A thread's record of that number; the thread has a work page.
    pub(crate) fn of(map: &Map, work: u64, way: usize) -> Result<&Record> {
        // SAFETY: a record is all words.
        unsafe { map.get::<Record>(work + (way * size_of::<Record>()) as u64) }
    }

    pub(crate) fn phase(&self) -> u64 {
        self.state.get() >> 62
    }

    pub(crate) fn len(&self) -> u64 {
        self.state.get() << 2 >> 2
    }

    /// The area that the word before `end` is in: its first word, the position of that, its words.
    fn area(&self, map: &Map, end: u64) -> Result<(u64, u64, u64)> {
        let (mut offset, mut last, mut unused) = (self.chunk.get(), UNUSED, false);
        while offset != 0 {
            let chunk = Chunk::at(map, offset)?;
            let start = chunk.start.get();
            if start < end {
                return Ok((chunk.first(), start, chunk.words));
            }
            // So that it ends. One that was too small for what came next may be left in between.
            if (start == UNUSED && unused) || (start != UNUSED && start >= last) {
                return Err(Error::corrupt(offset, "parts of a log that are not in their order"));
            }
            (last, unused) = (last.min(start), unused | (start == UNUSED));
            offset = chunk.previous;
        }
        Ok((map.offset_of(&self.words), 0, INLINE as u64))
    }

    /// The word at a position before `end`, in the same area as `end`.
    fn word<'a>(&self, map: &'a Map, end: u64, position: u64) -> Result<&'a Word> {
        let (offset, start, words) = self.area(map, end)?;
        match position.checked_sub(start).filter(|distance| *distance < words) {
            Some(distance) => map.word(offset + distance * 8),
            None => Err(Error::corrupt(offset, "a log entry outside its area")),
        }
    }

    fn closing(&self, map: &Map, end: u64) -> Result<Closing> {
        let word = self.word(map, end, end - 1)?.get();
        let closing = Closing { kind: word >> 60, words: word >> 40 & 0xf_ffff, offset: word & 0xff_ffff_ffff };
        if closing.words >= end || !(entry::SKIP..=entry::FREES).contains(&closing.kind) {
            return Err(Error::corrupt(map.offset_of(self), "a log entry that is none"));
        }
        Ok(closing)
    }

    /// Undoes the entries behind position `to`, last to first.
    pub(crate) fn roll_back(&self, actor: &Actor<'_>, local: Option<&Local>, to: u64) -> Result<()> {
        let map = &actor.at.map;
        while self.len() > to {
            let end = self.len();
            self.drop_chunks_from(actor, end)?;
            let closing = self.closing(map, end)?;
            let start = end - 1 - closing.words;
            let forget = || {
                at(Point::LogCountdown);
                self.state.publish(start);
            };
            match closing.kind {
                entry::UNDO => {
                    self.undo(map, end, &closing, map)?;
                    forget();
                }
                entry::RESERVE => {
                    let bytes = self.word(map, end, start)?.get();
                    alloc::release(actor, local, closing.offset, bytes, 1, map.offset_of(self), forget)?;
                }
                _ => forget(),
            }
        }
        Ok(())
    }

    /// Puts the old words of the entry that ends at `end` back, in the segment or a copy of it.
    fn undo(&self, map: &Map, end: u64, closing: &Closing, to: &Map) -> Result<()> {
        let start = end - 1 - closing.words;
        // In the segment's own pages, transactions change nothing but the directory.
        let changed = closing.offset..closing.offset + closing.words * 8;
        if changed.start < FIRST_BLOCK && (changed.start < DIRECTORY.start || changed.end > DIRECTORY.end) {
            return Err(Error::corrupt(map.offset_of(self), "a log of changes where no object is"));
        }
        for index in 0..closing.words {
            let old = self.word(map, end, start + index)?.get();
            to.word(closing.offset + index * 8)?.put(old);
        }
        Ok(())
    }

    /// Undoes all words, last to first, in a copy of the segment; the log stays as it is.
    pub(crate) fn undo_words(&self, map: &Map, copy: &Map) -> Result<()> {
        let mut end = self.len();
        while end > 0 {
            let closing = self.closing(map, end)?;
            if closing.kind == entry::UNDO {
                self.undo(map, end, &closing, copy)?;
            }
            end -= 1 + closing.words;
        }
        Ok(())
    }

    /// Frees what a committed transaction wanted freed, last to first.
    pub(crate) fn finish_frees(&self, actor: &Actor<'_>, local: Option<&Local>) -> Result<()> {
        let map = &actor.at.map;
        while self.phase() == COMMITTED {
            let end = self.len();
            self.drop_chunks_from(actor, end)?;
            let closing = self.closing(map, end)?;
            let next = self.before(map, end, &closing)?;
            let (bytes, align) = unpack_size(self.word(map, end, end - 2)?.get());
            let bits = if closing.kind == entry::FREES { Some(self.word(map, end, end - 3)?) } else { None };
            // The lowest block that is not freed yet, and what is left then.
            let (number, rest) = match bits.map(Word::get) {
                Some(bits) if bits != 0 => (u64::from(bits.trailing_zeros()), bits & (bits - 1)),
                _ => (0, 0),
            };
            let forget = || {
                at(Point::LogCountdown);
                match bits {
                    Some(bits) if rest != 0 => bits.publish(rest),
                    _ => self.state.publish(if next == 0 { 0 } else { COMMITTED << 62 | next }),
                }
            };
            let block = closing.offset + number * alloc::footprint(bytes, align);
            alloc::release(actor, local, block, bytes, align, map.offset_of(self), forget)?;
        }
        Ok(())
    }

    /// The end of the free before the one that ends at `end`, 0 if it is the first.
    fn before(&self, map: &Map, end: u64, closing: &Closing) -> Result<u64> {
        let back = match closing.kind {
            entry::FREE => 3,
            entry::FREES => 4,
            _ => return Err(Error::corrupt(map.offset_of(self), "a commit that frees something else")),
        };
        let next = end.checked_sub(back).and_then(|position| self.word(map, end, position).ok()).map(Word::get);
        next.filter(|next| *next < end).ok_or_else(|| Error::corrupt(map.offset_of(self), "frees that run in a circle"))
    }

    /// Drops the newest entry that reserves or frees what begins at `offset`; the one of a
    /// committed transaction that is to be freed next.
    pub(crate) fn forget(&self, map: &Map, offset: u64) -> Result<()> {
        if self.phase() == COMMITTED {
            let end = self.len();
            let closing = self.closing(map, end)?;
            if closing.kind == entry::FREE && closing.offset == offset {
                let next = self.before(map, end, &closing)?;
                self.state.publish(if next == 0 { 0 } else { COMMITTED << 62 | next });
            }
            return Ok(());
        }
        let mut end = self.len();
        while end > 0 {
            let closing = self.closing(map, end)?;
            if matches!(closing.kind, entry::RESERVE | entry::FREE) && closing.offset == offset {
                self.word(map, end, end - 1)?.publish(entry::pack(entry::SKIP, closing.words, 0));
                return Ok(());
            }
            end -= 1 + closing.words;
        }
        Ok(())
    }

    /// Takes back the undo entries between two positions of one area that lie in a block which this
    /// transaction took and gives back early: the block may serve somebody else before this ends.
    pub(crate) fn skip_undo_within(&self, map: &Map, from: u64, to: u64, block: u64, bytes: u64) -> Result<()> {
        let mut end = to;
        while end > from {
            let closing = self.closing(map, end)?;
            if closing.kind == entry::UNDO && (block..block + bytes).contains(&closing.offset) {
                self.word(map, end, end - 1)?.publish(entry::pack(entry::SKIP, closing.words, 0));
            }
            end -= 1 + closing.words;
        }
        Ok(())
    }

    /// Bytes of the chunks of the log.
    pub(crate) fn chunk_bytes(&self, map: &Map) -> Result<u64> {
        let (mut offset, mut bytes) = (self.chunk.get(), 0);
        while offset != 0 && bytes < map.size() {
            let chunk = Chunk::at(map, offset)?;
            bytes += chunk.pages() * PAGE;
            offset = chunk.previous;
        }
        Ok(bytes)
    }

    /// Gives back the chunks that begin at a position or behind it, so that what is before it is found at once.
    pub(crate) fn drop_chunks_from(&self, actor: &Actor<'_>, end: u64) -> Result<()> {
        let map = &actor.at.map;
        while let chunk = self.chunk.get()
            && chunk != 0
            && Chunk::at(map, chunk)?.start.get() >= end
        {
            self.drop_newest_chunk(actor)?;
        }
        Ok(())
    }

    fn drop_newest_chunk(&self, actor: &Actor<'_>) -> Result<()> {
        self.drop_newest_chunk_of(&Heap::lock(actor)?)
    }

    fn drop_newest_chunk_of(&self, heap: &Heap<'_>) -> Result<()> {
        let chunk = self.chunk.get();
        let pages = Chunk::at(heap.map(), chunk)?.pages();
        // What was given back already is met again in a circle.
        if !(chunk / PAGE..chunk / PAGE + pages).all(|page| heap.is_taken(page)) {
            return Err(Error::corrupt(chunk, "a part of a log on pages that are free"));
        }
        heap.unpublish(chunk / PAGE, pages, &self.chunk)
    }

    /// Gives back the chunks of a log that is empty, but for one small one.
    pub(crate) fn drop_chunks(&self, actor: &Actor<'_>, keep_one: bool) -> Result<()> {
        let map = &actor.at.map;
        while let chunk = self.chunk.get()
            && chunk != 0
        {
            let chunk = Chunk::at(map, chunk)?;
            if keep_one && chunk.previous == 0 && chunk.pages() == 1 {
                chunk.start.publish(UNUSED);
                return Ok(());
            }
            self.drop_newest_chunk(actor)?;
        }
        Ok(())
    }
}

/// Gives back the chunks that slots without an occupant keep for the next one.
pub(crate) fn drop_kept_chunks(actor: &Actor<'_>) -> Result<()> {
    let (at, map) = (actor.at, &actor.at.map);
    for slot in (0..at.thread_slots()).filter_map(|index| map.thread(index)) {
        // Who takes the slot from here on passes the heap lock before it looks at them.
        let heap = Heap::lock(actor)?;
        let work = slot.work.get();
        if at.state(slot).status != thread_status::FREE || work == 0 {
            continue;
        }
        for way in 0..WAYS {
            let record = Record::of(map, work, way)?;
            while record.state.get() == 0 && record.chunk.get() != 0 {
                record.drop_newest_chunk_of(&heap)?;
            }
        }
    }
    Ok(())
}

/// Bytes and alignment of a block in one word.
#[inline(always)]
pub(crate) fn pack_size(bytes: u64, align: u64) -> u64 {
    bytes << 8 | u64::from(align.trailing_zeros())
}

/// The same, taken apart.
#[inline(always)]
pub(crate) fn unpack_size(word: u64) -> (u64, u64) {
    (word >> 8, 1 << (word & 0x3f))
}
