//! What a map or set is in its place: eight words, and five more while it moves into another table.

use super::table::{File, Table, home};
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::tx::Cx;

/// The stored form of a map or set. All zeros is an empty one.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Head {
    /// Entries.
    pub(super) len: Word,
    /// Keys that can still be put into slots that no key was in before the table has to be replaced.
    pub(super) left: Word,
    /// Offset of the control bytes, 0 if there is no table.
    pub(super) control: Word,
    /// Slots of the table.
    pub(super) slots: Word,
    /// What the hashes of this map are made with; it stays as long as there is a table.
    pub(super) seed: Word,
    /// See [`Stamp`].
    pub(super) stamp: Word,
    /// Offset of a [`Moving`], 0 if the table is the only one.
    pub(super) moving: Word,
    /// Offset of the counters by which readers without a lock see changes, 0 if there are none.
    pub(super) stripes: Word,
}

/// Words of a head.
pub(super) const HEAD_WORDS: u64 = 8;
/// Words of a [`Moving`].
pub(super) const MOVING_WORDS: u64 = 5;

const _: () = assert!(size_of::<Head>() as u64 == HEAD_WORDS * 8);
const _: () = assert!(size_of::<Moving>() as u64 == MOVING_WORDS * 8);

/// The table that a map is moving out of, and how far it is. `Head` has the one that it moves into.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Moving {
    /// Offset of the old table's control bytes.
    pub(super) control: Word,
    /// Slots of the old table.
    pub(super) slots: Word,
    /// The old table's [`Stamp`].
    pub(super) stamp: Word,
    /// Slots below this are homes whose keys are in the new table; a multiple of 16.
    pub(super) cursor: Word,
    /// Slots of the new table below this have control bytes; a multiple of 16.
    pub(super) ready: Word,
}

/// What this transaction has to log of a table.
///
/// The word of a table is twice the stamp it was made with or, once another transaction (or part of one) has
/// removed something from it, twice that transaction's number, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// This transaction made the table: nothing.
    Made,
    /// It has removed keys: control bytes, and the bytes of slots that it fills.
    Removed,
    /// Neither: control bytes. A free slot was free when the transaction began, and nobody minds its bytes.
    Older,
}

impl Stamp {
    /// What the word of a table is that is being made.
    pub(super) fn made(cx: Cx) -> Result<u64> {
        Ok(cx.stamp()? << 1)
    }

    /// What the word of a table is from which this transaction has removed something.
    #[inline(always)]
    pub(super) fn removed(cx: Cx) -> Result<u64> {
        Ok(cx.transaction()? << 1 | 1)
    }

    /// What the word of a table says.
    #[inline(always)]
    pub(super) fn of(word: &Word, cx: Cx) -> Result<Stamp> {
        let word = word.get();
        if word == cx.stamp()? << 1 {
            Ok(Stamp::Made)
        } else if word == Stamp::removed(cx)? {
            Ok(Stamp::Removed)
        } else {
            Ok(Stamp::Older)
        }
    }
}

/// The value of a word of a head, as an ordinary load, which the compiler may move out of a loop.
#[inline(always)]
pub(super) fn peek(word: &Word) -> u64 {
    // SAFETY: a word of a structure whose lock is held: nobody stores to it at the same time.
    unsafe { word.atomic().as_ptr().read() }
}

impl Head {
    /// The table, if there is one and it checks out.
    pub(super) fn table<T>(&self, cx: Cx) -> Option<Table<T>> {
        Table::open(File::of(cx), peek(&self.control), peek(&self.slots))
    }

    /// The table that keys of a hash are in while the map is moving, if it checks out.
    #[inline(always)]
    pub(super) fn table_in_move<T>(&self, file: File<'_>, hash: u64) -> Option<Table<T>> {
        // SAFETY: it consists of words.
        let moving: &Moving = unsafe { file.get(peek(&self.moving))? };
        let old = peek(&moving.slots);
        if home(hash, old as usize) as u64 >= peek(&moving.cursor) {
            Table::open(file, peek(&moving.control), old)
        } else {
            Table::open(file, peek(&self.control), peek(&self.slots))
        }
    }

    /// Where the move is, if there is one and it checks out.
    pub(super) fn moving<'a>(&self, cx: Cx) -> Option<&'a Moving> {
        let offset = self.moving.get();
        // SAFETY: it consists of words.
        if offset == 0 { None } else { unsafe { File::of(cx).get(offset) } }
    }

    /// Whether the tables check out.
    pub(super) fn check<T>(&self, cx: Cx) -> Result<()> {
        if self.moving.get() != 0 {
            return self.both::<T>(cx).map(|_| ());
        }
        self.table::<T>(cx).map(|_| ()).ok_or_else(|| self.corrupt())
    }

    /// The move that is going on, the old table and the new one.
    pub(super) fn both<'a, T>(&self, cx: Cx) -> Result<(&'a Moving, Table<T>, Table<T>)> {
        let moving = self.moving(cx);
        let old = moving.and_then(|moving| moving.table(cx));
        match (moving, old, self.table(cx)) {
            (Some(moving), Some(old), Some(new)) => Ok((moving, old, new)),
            _ => Err(self.corrupt()),
        }
    }

    /// The error for a head that does not check out.
    #[cold]
    pub(super) fn corrupt(&self) -> Error {
        Error::corrupt(self.control.get(), "a hash table that does not agree with its head")
    }

    /// Makes it the head of an empty map, and gives what it was. It was logged before.
    pub(super) fn detach(&self) -> Head {
        let take = |word: &Word| {
            let old = Word::new(word.get());
            word.put(0);
            old
        };
        Head {
            len: take(&self.len),
            left: take(&self.left),
            control: take(&self.control),
            slots: take(&self.slots),
            seed: take(&self.seed),
            stamp: take(&self.stamp),
            moving: take(&self.moving),
            stripes: take(&self.stripes),
        }
    }

    /// Logs the counters.
    #[inline(always)]
    pub(super) fn keep_counters(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.len, 2)
    }

    /// Logs the whole head, so that its words may be overwritten.
    #[inline(always)]
    pub(super) fn keep(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.len, HEAD_WORDS)
    }
}

impl Moving {
    /// The old table, if it checks out.
    pub(super) fn table<T>(&self, cx: Cx) -> Option<Table<T>> {
        Table::open(File::of(cx), self.control.get(), self.slots.get())
    }

    /// Logs all of it.
    pub(super) fn keep(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.control, MOVING_WORDS)
    }
}
