//! Replacing the table of a map: at once if it is small, else a little with every insert.
//!
//! ```text
//!                 cursor
//! old    | moved ..  | not moved ..                |      homes below the cursor: look in the new table,
//!                                                         others: in the old one
//! new    | the same ..   | no control bytes yet .. | the same ..   | no control bytes yet ..         |
//!                      ready                   first half        ready                   second half
//! ```
//!
//! A table is full when seven eighths of its slots were used. It is then replaced by one of twice as
//! many slots, or of as many if most of those that were used are DELETED by now. Each insert before the
//! move is done moves a few groups on, up to one with an EMPTY slot, which no probe has passed: then
//! all keys whose home is below the new cursor have been met. A home in the new table is the old one plus 0
//! or a multiple of the old table's slots (one bit more of the hash): so they go to the same place in each
//! such part of the new table, and the control bytes of the parts are set just ahead of them. No insert pays
//! for all of it, neither for moving nor for preparing memory.
//!
//! Keys that were moved are DELETED in the old table, so that at any time each key is in one of the two
//! and nothing has to be told apart. Two more things keep that true:
//!
//! - Keys whose probe ran over the end of the old table lie at its beginning though their home is at the
//!   end: they stay when the cursor passes them, and the last step sweeps them up. (Keys of late homes
//!   that are put into the old table meanwhile may land there too.)
//! - The last group with control bytes in each part of the new table always has an EMPTY slot, so no probe
//!   runs beyond.
//!
//! The file is made to grow ahead, while there is still room in the table, since getting hundreds of
//! megabytes from the system at once would be a long stop of its own.

use super::group::{Bits, WIDTH};
use super::head::{Head, MOVING_WORDS, Moving, Stamp};
use super::raw::{Raw, Slot};
use super::slots::Slots;
use super::table::{File, Shape, Table, capacity, home, slots_for};
use crate::error::Result;
use crate::schema::{Key, KeyHasher, Share};
use crate::tx::Cx;

/// A table whose block is not larger is replaced at once.
const AT_ONCE: u64 = 64 << 10;
/// And one with no more slots, however large they are: a step would not move fewer.
const FEW: u64 = (STEP * WIDTH) as u64;
/// Groups that a step moves, at least.
const STEP: usize = 4;
/// How much the file grows at a time, ahead of need.
const AHEAD: u64 = 1 << 20;

/// So many inserts, a power of two, lie between two looks at whether the file should grow ahead: few enough
/// that eight times what they fill is less than it grows by.
const fn period(shape: Shape) -> u64 {
    let inserts = AHEAD / 8 / (shape.size + 1);
    match inserts {
        0 | 1 => 1,
        2..=63 => 1 << inserts.ilog2(),
        _ => 64,
    }
}

/// The parts of a new table that each have the homes of an old table: the positions that they begin at.
fn parts(new: usize, old: usize) -> impl Iterator<Item = usize> {
    (0..new).step_by(old)
}

/// Sets control bytes in all parts of the new table, at least below `to`.
fn prepare<T>(new: Table<T>, moving: &Moving, old: usize, to: usize) {
    let ready = moving.ready.get() as usize & !(WIDTH - 1);
    // A line at a time.
    let to = to.next_multiple_of(64).min(old & !(WIDTH - 1));
    if ready < to {
        parts(new.slots(), old).for_each(|part| new.make_empty(part + ready, part + to));
        moving.ready.put(to as u64);
    }
}

/// After slot `filled` of the new table was filled: keeps an EMPTY slot in the last group with control
/// bytes of its part.
#[inline(always)]
pub(super) fn keep_ahead<T>(new: Table<T>, moving: &Moving, filled: usize) {
    let (ready, old) = (moving.ready.get() as usize, moving.slots.get() as usize);
    if ready < old && filled & (old - 1) >= ready.saturating_sub(WIDTH) {
        keep_ahead_of(new, moving, filled);
    }
}

/// The same for a slot of that group.
fn keep_ahead_of<T>(new: Table<T>, moving: &Moving, filled: usize) {
    if !new.group(filled & !(WIDTH - 1)).empty().any() {
        prepare(new, moving, moving.slots.get() as usize, moving.ready.get() as usize + 1);
    }
}

impl<K: Key, V: Share> Raw<'_, K, V> {
    const PERIOD: u64 = period(Self::SHAPE);

    /// Makes sure that an entry can be added, and moves some entries on if the map is moving.
    #[inline(always)]
    pub(super) fn make_room(&self) -> Result<()> {
        if self.head.moving.get() == 0 && self.has_room() { Ok(()) } else { self.make_room_slowly() }
    }

    /// Whether an entry can be added to the table, and it is not time to look ahead.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        !self.head.left.get().is_multiple_of(Self::PERIOD)
    }
}

impl<'a, K: Key, V: Share> Movable<'a> for Raw<'a, K, V> {
    type Slot = Slot<K, V>;

    #[inline(always)]
    fn head(self) -> &'a Head {
        self.head
    }

    #[inline(always)]
    fn cx(self) -> Cx {
        self.cx
    }

    #[inline(always)]
    fn shape(self) -> Shape {
        Self::SHAPE
    }

    #[inline(always)]
    fn hash_of(self, table: Table<Slot<K, V>>, index: usize) -> Result<u64> {
        // SAFETY: a full slot holds a stored key.
        Ok(unsafe { self.hash_stored(self.key(table.slot(index)), self.cx) })
    }

    #[inline(always)]
    fn foresee_keys(self, table: Table<Slot<K, V>>, position: usize) {
        // Else a key is all in its slot.
        if K::OWNS {
            for slot in table.group(position).full() {
                // SAFETY: a full slot holds a stored key.
                unsafe { K::foresee(self.key(table.slot(position + slot)), self.cx) };
            }
        }
    }

    #[inline(always)]
    fn carry(self, from: Table<Slot<K, V>>, index: usize, into: Table<Slot<K, V>>, hash: u64) -> Option<usize> {
        // SAFETY: a full slot of another table of this map.
        unsafe { into.take_in(hash, from.slot(index)) }
    }
}

/// What a map whose first table is this one hashes with.
pub(super) fn new_seed(cx: Cx, stamp: u64, control: u64) -> u64 {
    let mut seed = KeyHasher::new(cx.map().header().id[0].get());
    seed.word(stamp);
    seed.word(control);
    seed.finish()
}

/// A map as replacing its table sees it. One whose types are known is [`Raw`]; `erased` has the other.
///
/// Invariant: as that of `Raw`; and the blocks that the head names have room for slots of that shape, in the file.
pub(super) trait Movable<'a>: Copy {
    /// What [`Table`] is told that the slots are.
    type Slot: 'a;

    fn head(self) -> &'a Head;

    fn cx(self) -> Cx;

    /// Of the slots.
    fn shape(self) -> Shape;

    /// The hash of the key in a full slot.
    fn hash_of(self, table: Table<Self::Slot>, index: usize) -> Result<u64>;

    /// Has what the hashes of a group's keys are made of fetched into the cache.
    fn foresee_keys(self, _table: Table<Self::Slot>, _position: usize) {}

    /// Puts the bytes of a full slot into a free one of another table. Gives its index, `None` if there is none.
    fn carry(self, from: Table<Self::Slot>, index: usize, into: Table<Self::Slot>, hash: u64) -> Option<usize>;

    #[cold]
    #[inline(never)]
    fn make_room_slowly(self) -> Result<()> {
        if self.head().moving.get() != 0 {
            self.step(STEP)?;
        }
        let left = self.head().left.get();
        if left > 0 {
            self.look_ahead(left);
            return Ok(());
        }
        self.finish_move()?;
        let (slots, entries) = (self.head().slots.get(), self.head().len.get().saturating_add(1));
        if self.head().control.get() == 0 {
            self.head().keep(self.cx())?;
            self.first_table(slots_for(entries)).map(|_| ())
        } else if entries <= capacity(slots) / 2 {
            self.replace_table(slots)
        } else {
            self.replace_table(slots.saturating_mul(2))
        }
    }

    /// Lets the file grow if the table will be replaced soon by one that is larger than what is free.
    fn look_ahead(self, left: u64) {
        let slots = self.head().slots.get();
        let next = self.shape().bytes(slots.saturating_mul(2)).unwrap_or(0);
        let soon = (next / AHEAD + 1) * 2 * period(self.shape());
        let doubles = self.head().len.get() > capacity(slots) / 2;
        if next > AHEAD && left <= soon && doubles && self.head().moving.get() == 0 {
            // If that cannot be had, it is said when the table is to be replaced.
            let _ = self.cx().grow_ahead(next);
        }
    }

    /// Makes the table of a map that has none, whose head was logged if it is in the file.
    ///
    /// No two tables hash alike: with one seed for all, the order of one would be the worst order to fill
    /// another in.
    fn first_table(self, slots: u64) -> Result<Table<Self::Slot>> {
        let stamp = Stamp::made(self.cx())?;
        let (control, table) = self.new_table(slots)?;
        self.head().seed.put(new_seed(self.cx(), stamp, control));
        self.set_table(control, slots, stamp);
        Ok(table)
    }

    /// A table without entries.
    fn new_table(self, slots: u64) -> Result<(u64, Table<Self::Slot>)> {
        let control = self.shape().alloc(self.cx(), slots)?;
        let table = Table::open(File::of(self.cx()), control, slots).ok_or_else(|| self.head().corrupt())?;
        table.make_empty(0, table.slots().next_multiple_of(WIDTH));
        Ok((control, table))
    }

    fn set_table(self, control: u64, slots: u64, stamp: u64) {
        let head = self.head();
        head.control.put(control);
        head.slots.put(slots);
        head.stamp.put(stamp);
        head.left.put(capacity(slots).saturating_sub(head.len.get()));
    }

    /// Goes over to a table of so many slots, not fewer than now, at once or by and by. The map has one and is
    /// not moving.
    fn replace_table(self, slots: u64) -> Result<()> {
        let old = self.head().slots.get();
        let small = old <= FEW || self.shape().bytes(old).is_some_and(|bytes| bytes <= AT_ONCE);
        if small { self.rebuild(slots) } else { self.begin_move(slots) }
    }

    /// Goes over to a table of so many slots, which are enough, at once.
    fn rebuild(self, slots: u64) -> Result<()> {
        let (head, cx) = (self.head(), self.cx());
        let stamp = Stamp::made(cx)?;
        head.check::<Self::Slot>(cx)?;
        head.keep(cx)?;
        let (control, new) = self.new_table(slots)?;
        let mut all = Slots::<Self::Slot>::of(head, cx);
        while let Some((table, _, index)) = all.next_place() {
            let carried = self.hash_of(table, index).map(|hash| self.carry(table, index, new, hash));
            if !matches!(carried, Ok(Some(_))) {
                self.shape().free(cx, control, slots)?;
                return Err(carried.err().unwrap_or_else(|| head.corrupt()));
            }
        }
        let old = (head.control.get(), head.slots.get());
        self.set_table(control, slots, stamp);
        self.shape().free(cx, old.0, old.1)
    }

    /// Begins to move into a table of so many slots.
    fn begin_move(self, slots: u64) -> Result<()> {
        let (head, cx) = (self.head(), self.cx());
        let stamp = Stamp::made(cx)?;
        head.keep(cx)?;
        let old = head.table::<Self::Slot>(cx).ok_or_else(|| head.corrupt())?;
        let (control, offset, new, moving) = cx.atomically(|| {
            let control = self.shape().alloc(cx, slots)?;
            let offset = cx.alloc(MOVING_WORDS * 8, 8)?;
            let file = File::of(cx);
            let new = Table::<Self::Slot>::open(file, control, slots);
            // SAFETY: it consists of words.
            let moving = unsafe { file.get::<Moving>(offset) };
            let (new, moving) = new.zip(moving).ok_or_else(|| head.corrupt())?;
            Ok((control, offset, new, moving))
        })?;
        moving.control.put(head.control.get());
        moving.slots.put(head.slots.get());
        moving.stamp.put(head.stamp.get());
        moving.cursor.put(0);
        moving.ready.put(0);
        prepare(new, moving, old.slots(), 1);
        self.set_table(control, slots, stamp);
        head.moving.put(offset);
        self.step(STEP)
    }

    /// Moves the rest, if the map is moving.
    fn finish_move(self) -> Result<()> {
        while self.head().moving.get() != 0 {
            self.step(STEP)?;
        }
        Ok(())
    }

    /// Moves the entries of some groups, and ends the move when those were the last. First everything is
    /// logged; from then on nothing can fail.
    fn step(self, groups: usize) -> Result<()> {
        let (moving, old, new) = self.head().both(self.cx())?;
        let from = moving.cursor.get() as usize & !(WIDTH - 1);
        if from < old.slots() {
            let part = Part::at(old, from, groups);
            self.keep_part(&part, moving, old, new)?;
            self.move_part(&part, moving, old, new)?;
        }
        if moving.cursor.get() as usize >= old.slots() {
            self.end_move(moving, old, new)?;
        }
        Ok(())
    }

    /// Logs what moving a part overwrites, in tables that this transaction did not make.
    fn keep_part(self, part: &Part, moving: &Moving, old: Table<Self::Slot>, new: Table<Self::Slot>) -> Result<()> {
        let cx = self.cx();
        let keep = |table: Table<_>, from: usize, to: usize| match to.checked_sub(from) {
            None | Some(0) => Ok(()),
            Some(slots) => cx.keep(table.word(from), slots as u64 / 8),
        };
        self.head().keep(cx)?;
        moving.keep(cx)?;
        if Stamp::of(&moving.stamp, cx)? != Stamp::Made {
            keep(old, part.from, part.to)?;
            keep(old, 0, part.wrapped)?;
        }
        if Stamp::of(&self.head().stamp, cx)? != Stamp::Made {
            // What has no control bytes yet is nobody's concern.
            let ready = (moving.ready.get() as usize).min(old.slots()) & !(WIDTH - 1);
            let keys = part.keys(old);
            let crosses = old.slots() - ready.max(part.to) < keys;
            for begin in parts(new.slots(), old.slots()) {
                keep(new, begin + part.from, begin + ready)?;
                if crosses {
                    // Some may run over the end of the part before.
                    keep(new, begin, begin + reach(keys, new, begin, ready))?;
                }
            }
        }
        Ok(())
    }

    fn move_part(self, part: &Part, moving: &Moving, old: Table<Self::Slot>, new: Table<Self::Slot>) -> Result<()> {
        let (stamp, removed) = (Stamp::of(&moving.stamp, self.cx())?, Stamp::removed(self.cx())?);
        prepare(new, moving, old.slots(), part.to);
        self.foresee_keys(old, part.from);
        let mut ahead = part.positions().skip(1);
        for position in part.positions() {
            if let Some(next) = ahead.next() {
                self.foresee_keys(old, next);
            }
            let mut gone = Bits::NONE;
            for slot in old.group(position).full() {
                let hash = self.hash_of(old, position + slot)?;
                if !part.last && home(hash, old.slots()) >= part.to {
                    continue;
                }
                let into = self.carry(old, position + slot, new, hash);
                keep_ahead(new, moving, into.ok_or_else(|| self.head().corrupt())?);
                gone = gone.with(slot);
            }
            old.delete(position, gone);
        }
        if stamp != Stamp::Made {
            moving.stamp.put(removed);
        }
        moving.cursor.put(part.to as u64);
        Ok(())
    }

    /// The old table is empty: lets go of it.
    fn end_move(self, moving: &Moving, old: Table<Self::Slot>, new: Table<Self::Slot>) -> Result<()> {
        prepare(new, moving, old.slots(), old.slots());
        let (control, slots, offset) = (moving.control.get(), moving.slots.get(), self.head().moving.get());
        self.head().moving.put(0);
        self.shape().free(self.cx(), control, slots)?;
        self.cx().free(offset, MOVING_WORDS * 8, 8)
    }
}

impl<K: Key, V: Share> Raw<'_, K, V> {
    /// Gives back the blocks of all tables.
    pub(super) fn free_tables(&self) -> Result<()> {
        let head = self.head;
        if let Some(moving) = head.moving(self.cx) {
            Self::SHAPE.free(self.cx, moving.control.get(), moving.slots.get())?;
            self.cx.free(head.moving.get(), MOVING_WORDS * 8, 8)?;
        }
        Self::SHAPE.free(self.cx, head.control.get(), head.slots.get())
    }

    /// Makes room for so many more entries.
    pub(super) fn reserve(&self, additional: u64) -> Result<()> {
        if additional <= self.head.left.get() {
            return Ok(());
        }
        let slots = slots_for(self.head.len.get().saturating_add(additional));
        if self.head.control.get() == 0 {
            self.head.keep(self.cx)?;
            return self.first_table(slots).map(|_| ());
        }
        self.finish_move()?;
        self.replace_table(slots.max(self.head.slots.get()))
    }

    /// Goes over to the smallest table for what there is, and for so many entries altogether, at once.
    pub(super) fn shrink_to(&self, capacity: u64) -> Result<()> {
        let wanted = self.head.len.get().max(capacity);
        if wanted == 0 {
            return self.clear();
        }
        if self.head.len.get() == 0 && self.head.control.get() == 0 {
            return Ok(());
        }
        self.finish_move()?;
        let slots = slots_for(wanted);
        if slots < self.head.slots.get() { self.rebuild(slots) } else { Ok(()) }
    }
}

/// Some groups of an old table, which a step moves.
pub(super) struct Part {
    from: usize,
    to: usize,
    /// Whether the part reaches to the table's end; then all that is left is moved.
    last: bool,
    /// Keys from the end may lie at the beginning, below this.
    wrapped: usize,
}

impl Part {
    /// The part that begins at a position: at least so many groups, up to one that no probe has passed.
    fn at<T>(old: Table<T>, from: usize, groups: usize) -> Part {
        let open = |position: &usize| old.group(*position).empty().any();
        let least = from + (groups - 1) * WIDTH;
        let last_group = (least..old.slots()).step_by(WIDTH).find(open);
        match last_group.map(|position| position + WIDTH).filter(|to| *to < old.slots()) {
            Some(to) => Part { from, to, last: false, wrapped: 0 },
            None => {
                let first_open = (0..from).step_by(WIDTH).find(open);
                let wrapped = first_open.map_or(from, |position| position + WIDTH);
                Part { from, to: old.slots(), last: true, wrapped }
            }
        }
    }

    /// How many keys it has at most.
    fn keys<T>(&self, old: Table<T>) -> usize {
        self.positions().map(|position| old.group(position).full().count()).sum()
    }

    /// Where its groups begin.
    fn positions(&self) -> impl Iterator<Item = usize> + use<> {
        (self.from..self.to).step_by(WIDTH).chain((0..self.wrapped).step_by(WIDTH))
    }
}

/// How far from the position `begin` of a table, up to `most`, so many keys may land whose probes run over that
/// position: until there was a free slot for each.
fn reach<T>(keys: usize, table: Table<T>, begin: usize, most: usize) -> usize {
    let (mut keys, mut distance) = (keys, 0);
    while keys > 0 && distance < most {
        keys = keys.saturating_sub(table.group(begin + distance).free().count());
        distance += WIDTH;
    }
    distance
}
