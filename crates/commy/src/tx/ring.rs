//! The ring of an object's changes: a note of each, the oldest overwritten by the newest.
//!
//! ```text
//! ring, a block of 64 B + capacity * 8 B
//!    0 capacity, in words
//!    8 keyed: 1 if the object is a map or set, whose keys are noted
//!   16 head: words ever written; the next note begins at word `head % capacity`
//!   24 tail: where the oldest note that is left begins, counted in the same way
//!   32 noted: notes ever written
//!   40 lost: notes that were overwritten
//!   48 lost version: that of the last one of these
//!   64 words
//!
//! note
//!    0 version that the object has with this change
//!    8 bytes of the key << 32 | form of the key << 8 | operation
//!   16 key, up to a whole word; what is behind it means nothing
//! ```
//!
//! A note is written in the transaction that makes the change, and all it overwrites is logged: so it is there if and
//! only if the change is. It may go over the end of the ring and on at the beginning.
//!
//! A key is noted as it is stored, byte for byte, if it owns nothing elsewhere, and a text as its letters. Of other
//! keys, and of those longer than [`LONGEST_KEY`], only that there was one is noted.

use super::Cx;
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::map::Map;

/// Bytes of the longest key that is noted.
pub(crate) const LONGEST_KEY: usize = 1024;
/// Words of a note besides its key.
const NOTE: u64 = 2;
/// Words that a text is expected to take.
const USUAL_TEXT: u64 = 4;
/// Where the words begin.
const WORDS_AT: u64 = size_of::<Head>() as u64;
/// More than has ever been written to a ring.
const NEVER: u64 = 1 << 60;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Operation {
    /// An entry came in, of a key that was not there.
    Inserted = 1,
    /// The value of a key was replaced, or lent for changing.
    Changed = 2,
    /// An entry was taken out.
    Removed = 3,
    /// All entries were taken out.
    Cleared = 4,
    /// The whole value was replaced by another.
    Replaced = 5,
    /// Something that has no note of its own: of a map, all values may have been changed, or only its capacity; of
    /// whatever is neither map nor set, every change.
    Other = 6,
}

const OPERATIONS: [Operation; 6] = [
    Operation::Inserted,
    Operation::Changed,
    Operation::Removed,
    Operation::Cleared,
    Operation::Replaced,
    Operation::Other,
];

/// How a key is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// There is none.
    None = 0,
    /// Byte for byte.
    Stored = 1,
    /// As its letters.
    Text = 2,
    /// Not at all.
    Untold = 3,
}

const FORMS: [Form; 4] = [Form::None, Form::Stored, Form::Text, Form::Untold];

/// A key to be noted: its form, and where its bytes are.
pub(crate) struct KeyBytes {
    form: Form,
    first: *const u8,
    len: usize,
}

impl KeyBytes {
    pub(crate) const NONE: KeyBytes = KeyBytes { form: Form::None, first: std::ptr::null(), len: 0 };
    pub(crate) const UNTOLD: KeyBytes = KeyBytes { form: Form::Untold, first: std::ptr::null(), len: 0 };

    /// A key of these bytes.
    ///
    /// # Safety
    /// They are there until it is noted.
    pub(crate) unsafe fn new(form: Form, first: *const u8, len: usize) -> KeyBytes {
        if len > LONGEST_KEY { KeyBytes::UNTOLD } else { KeyBytes { form, first, len } }
    }
}

/// A note as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub version: u64,
    pub operation: Operation,
    pub form: Form,
    pub key: Vec<u8>,
}

/// How far a reader has come: the words and the notes before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    at: u64,
    seen: u64,
}

/// What a reader finds.
pub(crate) enum News {
    /// The next notes, none if there are no newer ones.
    Notes(Vec<Note>),
    /// So many notes were overwritten before it came to them.
    Lost(u64),
}

#[repr(C)]
struct Head {
    capacity: Word,
    keyed: Word,
    head: Word,
    tail: Word,
    noted: Word,
    lost: Word,
    lost_version: Word,
    unused: Word,
}

/// Words from `head` to `lost_version`.
const CHANGING: u64 = 5;

/// A ring that was found to be one.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    map: &'a Map,
    offset: u64,
    head: &'a Head,
    capacity: u64,
}

impl<'a> Ring<'a> {
    /// Words of a ring with room for so many notes, with keys of this form and size.
    pub(crate) fn words(notes: u64, form: Form, size: usize) -> Option<u64> {
        let (usual, longest) = match form {
            Form::Stored if size <= LONGEST_KEY => (size.div_ceil(8) as u64, size.div_ceil(8) as u64),
            Form::Text => (USUAL_TEXT, LONGEST_KEY as u64 / 8),
            _ => (0, 0),
        };
        Some(notes.checked_mul(NOTE + usual)?.max(2 * (NOTE + longest)))
    }

    /// Makes an empty one of so many words. Gives its offset.
    pub(crate) fn make(cx: Cx, words: u64, keyed: bool) -> Result<u64> {
        let offset = cx.alloc(WORDS_AT + words * 8, 8)?;
        // SAFETY: a head is all words.
        let head = unsafe { cx.map().get::<Head>(offset)? };
        for word in [&head.head, &head.tail, &head.noted, &head.lost, &head.lost_version, &head.unused] {
            word.put(0);
        }
        head.keyed.put(u64::from(keyed));
        head.capacity.put(words);
        Ok(offset)
    }

    /// The ring at an offset.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is none.
    pub(crate) fn open(map: &'a Map, offset: u64) -> Result<Ring<'a>> {
        // SAFETY: a head is all words.
        let head = unsafe { map.get::<Head>(offset)? };
        let ring = Ring { map, offset, head, capacity: head.capacity.get() };
        let (end, tail) = (head.head.get(), head.tail.get());
        let fits = (2 * NOTE..map.size() / 8).contains(&ring.capacity)
            && map.at(offset, WORDS_AT + ring.capacity * 8, 8).is_some();
        let sound = fits && end < NEVER && tail <= end && end - tail <= ring.capacity;
        if sound { Ok(ring) } else { Err(ring.corrupt()) }
    }

    #[cold]
    fn corrupt(&self) -> Error {
        Error::corrupt(self.offset, "a ring of changes that contradicts itself")
    }

    /// Bytes of its block.
    pub(crate) fn bytes(&self) -> u64 {
        WORDS_AT + self.capacity * 8
    }

    /// Whether the keys of the object are noted.
    pub(crate) fn is_keyed(&self) -> bool {
        self.head.keyed.get() == 1
    }

    /// Notes ever written.
    pub(crate) fn noted(&self) -> u64 {
        self.head.noted.get()
    }

    fn place(&self, at: u64) -> u64 {
        self.offset + WORDS_AT + at % self.capacity * 8
    }

    fn word(&self, at: u64) -> Result<&'a Word> {
        self.map.word(self.place(at))
    }

    /// The pieces that words from `at` on lie in: where each begins, and its words.
    fn pieces(&self, at: u64, count: u64) -> [(u64, u64); 2] {
        let first = count.min(self.capacity - at % self.capacity);
        [(self.place(at), first), (self.offset + WORDS_AT, count - first)]
    }

    /// Version, second word and length of the note at a position.
    fn look(&self, at: u64, end: u64) -> Result<(u64, u64, u64)> {
        if end - at < NOTE {
            return Err(self.corrupt());
        }
        let (version, second) = (self.word(at)?.get(), self.word(at + 1)?.get());
        let words = NOTE + (second >> 32).div_ceil(8);
        if words > end - at || second >> 32 > LONGEST_KEY as u64 {
            Err(self.corrupt())
        } else {
            Ok((version, second, words))
        }
    }

    /// Writes a note, or on an error nothing.
    pub(super) fn append(&self, cx: Cx, version: u64, operation: Operation, key: &KeyBytes) -> Result<()> {
        let head = self.head;
        let at = head.head.get();
        let (mut tail, mut lost, mut lost_version) = (head.tail.get(), head.lost.get(), head.lost_version.get());
        let end = at + NOTE + key.len.div_ceil(8) as u64;
        if end - at > self.capacity {
            return Err(self.corrupt());
        }
        while end - tail > self.capacity {
            let (version, _, words) = self.look(tail, at)?;
            (tail, lost, lost_version) = (tail + words, lost.wrapping_add(1), version);
        }
        cx.keep(&head.head, CHANGING)?;
        // In its first round it overwrites nothing.
        for (place, count) in self.pieces(at, end - at).into_iter().filter(|piece| end > self.capacity && piece.1 > 0) {
            cx.keep(self.map.word(place)?, count)?;
        }
        self.word(at)?.put(version);
        self.word(at + 1)?.put((key.len as u64) << 32 | (key.form as u64) << 8 | operation as u64);
        let mut from = key.first;
        let mut left = key.len;
        for (place, count) in self.pieces(at + NOTE, end - at - NOTE) {
            let bytes = left.min(count as usize * 8);
            if bytes > 0 {
                let to = self.map.at(place, count * 8, 8).ok_or_else(|| self.corrupt())?;
                // SAFETY: so many bytes of the key, which are there by its promise, and of the ring, which are no key;
                // where the key ends is left the end.
                unsafe {
                    std::ptr::copy_nonoverlapping(from, to, bytes);
                    from = from.add(bytes);
                }
                left -= bytes;
            }
        }
        head.tail.put(tail);
        head.lost.put(lost);
        head.lost_version.put(lost_version);
        head.noted.put(head.noted.get().wrapping_add(1));
        head.head.put(end);
        Ok(())
    }

    /// A cursor behind the newest note.
    pub(crate) fn end(&self) -> Cursor {
        Cursor { at: self.head.head.get(), seen: self.head.noted.get() }
    }

    /// A cursor before the first note of a later version; before what was overwritten, if that had some.
    pub(crate) fn since(&self, version: u64) -> Result<Cursor> {
        let (end, lost) = (self.head.head.get(), self.head.lost.get());
        let mut cursor = Cursor { at: self.head.tail.get(), seen: lost };
        if lost > 0 && self.head.lost_version.get() > version {
            // How many of those that are gone it knew cannot be told: one it did not.
            return Ok(Cursor { at: cursor.at.saturating_sub(1), seen: lost - 1 });
        }
        while cursor.at < end {
            let (of, _, words) = self.look(cursor.at, end)?;
            if of > version {
                break;
            }
            cursor = Cursor { at: cursor.at + words, seen: cursor.seen.wrapping_add(1) };
        }
        Ok(cursor)
    }

    /// Up to `many` notes from the cursor on, and where it is then.
    pub(crate) fn read(&self, mut cursor: Cursor, many: usize) -> Result<(News, Cursor)> {
        let (end, tail, lost) = (self.head.head.get(), self.head.tail.get(), self.head.lost.get());
        if cursor.at < tail {
            return Ok((News::Lost(lost.saturating_sub(cursor.seen)), Cursor { at: tail, seen: lost }));
        }
        let mut notes = Vec::new();
        while cursor.at < end && notes.len() < many {
            let (note, words) = self.note(cursor.at, end)?;
            notes.push(note);
            cursor = Cursor { at: cursor.at + words, seen: cursor.seen.wrapping_add(1) };
        }
        if cursor.at > end { Err(self.corrupt()) } else { Ok((News::Notes(notes), cursor)) }
    }

    fn note(&self, at: u64, end: u64) -> Result<(Note, u64)> {
        let (version, second, words) = self.look(at, end)?;
        let operation = OPERATIONS.into_iter().find(|operation| *operation as u64 == second & 0xff);
        let form = FORMS.into_iter().find(|form| *form as u64 == second >> 8 & 0xff_ffff);
        let (Some(operation), Some(form)) = (operation, form) else { return Err(self.corrupt()) };
        let mut key = Vec::with_capacity((words - NOTE) as usize * 8);
        for word in at + NOTE..at + words {
            key.extend(self.word(word)?.get().to_ne_bytes());
        }
        key.truncate((second >> 32) as usize);
        Ok((Note { version, operation, form, key }, words))
    }

    /// Looks whether all notes are what they should be.
    pub(crate) fn check(&self) -> Result<()> {
        let (end, tail, lost) = (self.head.head.get(), self.head.tail.get(), self.head.lost.get());
        let (News::Notes(notes), _) = self.read(Cursor { at: tail, seen: lost }, usize::MAX)? else {
            return Err(self.corrupt());
        };
        let whole = lost.wrapping_add(notes.len() as u64) == self.noted() && (end > 0 || lost == 0);
        if whole { Ok(()) } else { Err(self.corrupt()) }
    }
}
