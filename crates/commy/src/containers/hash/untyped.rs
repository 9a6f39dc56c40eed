//! The entries of a map or set, for who knows only their size: see `containers::untyped`.

use super::group::{DELETED, Group, WIDTH};
use super::head::{Head, MOVING_WORDS, Moving};
use super::scan::{behind, group_of};
use super::table::{File, Shape, Table, capacity, home, tag};
use crate::containers::untyped::{Block, Forms, Step};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::tx::Cx;
use std::ptr::NonNull;

/// The bits that are set in the control bytes of slots without a key.
const FREE_BITS: u64 = u64::from_ne_bytes([DELETED; 8]);

/// A cursor over the full slots of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// Offset of the control bytes.
    pub control: u64,
    /// 0 once the block has been given.
    pub slots: u64,
    /// Of each part of so many slots, the first `ready` have control bytes.
    pub part: u64,
    pub ready: u64,
    /// The slot to go on from.
    pub next: u64,
    /// The description of the move, as long as the table that is moved out of has not been given.
    pub moving: u64,
    /// Whether this is a table that is moved out of.
    pub old: bool,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub key: u64,
    pub value: u64,
    /// The index of its slot.
    pub index: u64,
}

/// The slot of an entry: the key, then the value, as in a `repr(C)` struct.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) size: u64,
    pub(super) value: u64,
    pub(super) shape: Shape,
}

impl Slot {
    #[inline]
    pub(super) fn of(forms: &Forms) -> Slot {
        // Alignments are powers of two, or the description is none.
        let up = |size: u64, align: u64| (size + align - 1) & !(align - 1);
        let (key, value) = (forms.first, forms.second);
        let align = key.align.max(value.align);
        let value_at = up(key.size, value.align);
        let size = up(value_at + value.size, align);
        Slot { size, value: value_at, shape: Shape::new(size, align) }
    }

    /// The control bytes of a table with such slots.
    pub(super) fn table(&self, cx: Cx, control: u64, slots: u64) -> Result<Table<()>> {
        self.block(cx.map(), control, slots)?;
        let corrupt = || Error::corrupt(control, "a hash table that cannot be");
        Table::open(File::of(cx), control, slots).ok_or_else(corrupt)
    }

    /// A slot of the table with its control bytes at `control`.
    pub(super) fn place(&self, cx: Cx, control: u64, index: usize) -> Result<NonNull<u8>> {
        let corrupt = || Error::corrupt(control, "a hash table of impossible size");
        let below = (index as u64 + 1).checked_mul(self.size).ok_or_else(corrupt)?;
        cx.at(control.checked_sub(below).ok_or_else(corrupt)?, self.size, 1).ok_or_else(corrupt)
    }

    /// Puts the bytes of an entry into a slot.
    ///
    /// # Safety
    /// `place` is a slot in the file that nobody refers to, and the bytes have the sizes of the forms.
    pub(super) unsafe fn write(&self, place: NonNull<u8>, key: &[u8], value: &[u8]) {
        // SAFETY: the caller's promise.
        unsafe {
            std::ptr::copy_nonoverlapping(key.as_ptr(), place.as_ptr(), key.len());
            std::ptr::copy_nonoverlapping(value.as_ptr(), place.as_ptr().add(self.value as usize), value.len());
        }
    }

    #[inline]
    fn block(&self, map: &Map, control: u64, slots: u64) -> Result<Block> {
        let corrupt = || Error::corrupt(control, "a hash table of impossible size");
        let (below, bytes) = self.shape.below(slots).zip(self.shape.bytes(slots)).ok_or_else(corrupt)?;
        let start = control.checked_sub(below).ok_or_else(corrupt)?;
        Block::checked(map, start, bytes, self.shape.align)
    }
}

impl Places {
    /// Those of the map with its head at an offset; `None` without a table.
    #[inline(always)]
    pub(crate) fn open(map: &Map, forms: &Forms, head: u64) -> Result<Option<Places>> {
        // SAFETY: a head is all words.
        let head = unsafe { map.get::<Head>(head)? };
        let (control, slots, moving) = (head.control.get(), head.slots.get(), head.moving.get());
        if control == 0 {
            return Ok(None);
        }
        match moving {
            0 => Places::table(map, forms, control, slots).map(Some),
            _ => Places::moved_into(map, forms, control, slots, moving).map(Some),
        }
    }

    /// Those of a table that is moved into.
    #[cold]
    fn moved_into(map: &Map, forms: &Forms, control: u64, slots: u64, moving: u64) -> Result<Places> {
        // SAFETY: it is all words.
        let description = unsafe { map.get::<Moving>(moving)? };
        let (part, ready) = (description.slots.get() & !(WIDTH as u64 - 1), description.ready.get());
        Places::resume(map, forms, [control, slots, part, ready, 0, moving])
    }

    /// Those that were given as [`words`](Places::words), if they can be.
    pub(crate) fn resume(map: &Map, forms: &Forms, words: [u64; 6]) -> Result<Places> {
        let [control, slots, part, ready, next, moving] = words;
        let sound = Places::table(map, forms, control, if slots == 0 { 4 } else { slots })?;
        if part == 0 || !slots.is_multiple_of(part) {
            return Err(Error::corrupt(moving, "a hash table that moves out of one of impossible size"));
        }
        Ok(Places { slots, part, ready, next, moving, ..sound })
    }

    /// All that it is, but for whether it is moved out of.
    pub(crate) fn words(&self) -> [u64; 6] {
        [self.control, self.slots, self.part, self.ready, self.next, self.moving]
    }

    /// Those of a table that is not moved into.
    #[inline]
    pub(super) fn table(map: &Map, forms: &Forms, control: u64, slots: u64) -> Result<Places> {
        if !slots.is_power_of_two() || slots < 4 {
            return Err(Error::corrupt(control, "a hash table whose number of slots cannot be"));
        }
        Slot::of(forms).block(map, control, slots)?;
        Ok(Places { control, slots, part: slots, ready: slots, next: 0, moving: 0, old: false })
    }

    pub(crate) fn step(&mut self, map: &Map, forms: &Forms, entries: bool) -> Result<Step<Places>> {
        if self.moving & 1 == 0 && self.moving != 0 {
            // SAFETY: it is all words.
            let moving = unsafe { map.get::<Moving>(self.moving)? };
            let old = Places::table(map, forms, moving.control.get(), moving.slots.get())?;
            self.moving |= 1;
            return Ok(Step::Down(Places { old: true, ..old }));
        }
        if self.moving != 0 {
            let offset = std::mem::take(&mut self.moving) & !1;
            return Ok(Step::Block(Block { offset, bytes: MOVING_WORDS * 8, align: 8 }));
        }
        let slot = Slot::of(forms);
        if entries && let Some(index) = self.next_full(map)? {
            let place = self.control - (index + 1) * slot.size;
            return Ok(Step::Entry(place, place + slot.value));
        }
        if self.slots == 0 {
            return Ok(Step::End);
        }
        let block = self.block(map, forms)?;
        self.slots = 0;
        Ok(Step::Block(block))
    }

    /// The group of control bytes that begins at a position.
    #[inline]
    fn group(&self, map: &Map, position: u64) -> Result<Group> {
        let offset = self.control.wrapping_add(position);
        match map.at(offset, WIDTH as u64, WIDTH as u64) {
            // SAFETY: so many bytes in the file, so aligned. Who reads them without the lock asks afterwards whether they
            // were changed meanwhile, and else does not use what it found (`shared::unlocked`).
            Some(place) => Ok(unsafe { Group::load(place) }),
            None => Err(Error::corrupt(offset, "a hash table outside the file")),
        }
    }

    /// The position behind that of a group.
    #[inline]
    fn after(&self, position: u64) -> u64 {
        let next = position + WIDTH as u64;
        if next < self.slots { next } else { 0 }
    }

    /// Where the key of a hash is that `equal` recognises.
    #[inline]
    pub(super) fn find(
        &self,
        map: &Map,
        slot: &Slot,
        hash: u64,
        mut equal: impl FnMut(u64) -> Result<bool>,
    ) -> Result<Option<Entry>> {
        let home = home(hash, self.slots as usize) as u64;
        let mut position = home;
        loop {
            let group = self.group(map, position)?;
            for index in group.tagged(tag(hash)) {
                let index = position + index as u64;
                if index < self.slots {
                    let key = self.control - (index + 1) * slot.size;
                    if equal(key)? {
                        return Ok(Some(Entry { key, value: key + slot.value, index }));
                    }
                }
            }
            position = self.after(position);
            if group.empty().any() || position == home {
                return Ok(None);
            }
        }
    }

    /// Hands over where the entries are whose home group begins at a position.
    fn with_home(
        &self,
        map: &Map,
        slot: &Slot,
        first: u64,
        hash: &mut impl FnMut(u64) -> Result<u64>,
        take: &mut impl FnMut(u64, u64) -> Result<()>,
    ) -> Result<()> {
        let mut position = first;
        loop {
            let group = self.group(map, position)?;
            for index in group.full() {
                let index = position + index as u64;
                if index < self.slots {
                    let key = self.control - (index + 1) * slot.size;
                    if home(hash(key)?, self.slots as usize) as u64 == first {
                        take(key, key + slot.value)?;
                    }
                }
            }
            position = self.after(position);
            if group.empty().any() || position == first {
                return Ok(());
            }
        }
    }

    /// The block, which has not been given.
    pub(crate) fn block(&self, map: &Map, forms: &Forms) -> Result<Block> {
        Slot::of(forms).block(map, self.control, self.slots)
    }

    /// The next full slot.
    fn next_full(&mut self, map: &Map) -> Result<Option<u64>> {
        while self.next < self.slots {
            let within = self.next % self.part;
            if self.ready < self.part && within & !(WIDTH as u64 - 1) >= self.ready {
                // On to where the next part begins.
                self.next += self.part - within;
                continue;
            }
            let (word, byte) = (self.next & !7, self.next & 7);
            let free = map.word(self.control + word)?.get();
            let full = !free & FREE_BITS & u64::MAX << (byte * 8);
            let index = word + u64::from(full.trailing_zeros()) / 8;
            self.next = (index + 1).min(word + 8);
            if full != 0 && index < self.slots {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

/// What the head of a map says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub len: u64,
    pub seed: u64,
    left: u64,
    slots: u64,
    /// Of a map on the move: slots of the table it moves out of, and the home from which on keys are still there.
    moving: Option<(u64, u64)>,
}

impl Facts {
    /// Of the map with its head at an offset.
    #[inline]
    pub(crate) fn of(map: &Map, head: u64) -> Result<Facts> {
        // SAFETY: a head is all words.
        let head = unsafe { map.get::<Head>(head)? };
        let moving = match head.moving.get() {
            0 => None,
            // SAFETY: it is all words.
            offset => Some(unsafe { map.get::<Moving>(offset)? }),
        };
        let moving = moving.map(|moving| (moving.slots.get(), moving.cursor.get()));
        let (len, seed, left) = (head.len.get(), head.seed.get(), head.left.get());
        Ok(Facts { len, seed, left, slots: head.slots.get(), moving })
    }

    /// Whether the table has room for what the head says that it will take.
    pub(crate) fn room_is_there(&self) -> bool {
        self.len.saturating_add(self.left) <= capacity(self.slots)
    }

    /// Why the key of that hash in a slot of `table` would not be found, if so. `patience` is used up by one for each
    /// group that is looked at; when it has run out, the key counts as found.
    pub(crate) fn lost(
        &self,
        map: &Map,
        table: &Places,
        index: u64,
        hash: u64,
        patience: &mut u64,
    ) -> Result<Option<&'static str>> {
        let goal = index & !(WIDTH as u64 - 1);
        if !table.group(map, goal)?.tagged(tag(hash)).has((index - goal) as usize) {
            return Ok(Some("a key in a hash table has the tag of another hash"));
        }
        if let Some((slots, cursor)) = self.moving {
            let stays = home(hash, slots as usize) as u64 >= cursor;
            if table.old != stays {
                return Ok(Some("a key is in the wrong one of two hash tables"));
            }
        }
        let mut position = home(hash, table.slots as usize) as u64;
        while position != goal && *patience > 0 {
            *patience -= 1;
            if table.group(map, position)?.empty().any() {
                return Ok(Some("a key in a hash table is not where it is looked for"));
            }
            position = table.after(position);
        }
        Ok(None)
    }
}

/// Where the entry of a key is, and its hash. `hash` gives the key's hash for a seed, `equal` recognises it.
#[inline]
pub(crate) fn find(
    map: &Map,
    forms: &Forms,
    head: u64,
    hash: impl FnOnce(u64) -> Result<u64>,
    equal: impl FnMut(u64) -> Result<bool>,
) -> Result<Option<(Entry, u64)>> {
    let facts = Facts::of(map, head)?;
    let Some(mut table) = Places::open(map, forms, head)? else { return Ok(None) };
    let hash = hash(facts.seed)?;
    if let Some((slots, cursor)) = facts.moving
        && home(hash, slots as usize) as u64 >= cursor
    {
        // SAFETY: it is all words.
        let moving = unsafe { map.get::<Moving>(table.moving)? };
        table = Places::table(map, forms, moving.control.get(), moving.slots.get())?;
    }
    Ok(table.find(map, &Slot::of(forms), hash, equal)?.map(|entry| (entry, hash)))
}

/// Hands over where the entries of the home group are that a cursor leads to: see `scan`, which does the same for who knows
/// the types. Gives the cursor of the next group; `None` behind the last.
pub(crate) fn scan(
    map: &Map,
    forms: &Forms,
    head: u64,
    cursor: u64,
    mut hash: impl FnMut(u64, u64) -> Result<u64>,
    mut take: impl FnMut(u64, u64) -> Result<()>,
) -> Result<Option<u64>> {
    let facts = Facts::of(map, head)?;
    let Some(table) = Places::open(map, forms, head)? else { return Ok(None) };
    let slot = Slot::of(forms);
    let mut hash = |place| hash(place, facts.seed);
    let old = match facts.moving {
        None => None,
        Some((slots, moved)) => {
            // SAFETY: it is all words.
            let moving = unsafe { map.get::<Moving>(table.moving)? };
            Some((Places::table(map, forms, moving.control.get(), slots)?, moved))
        }
    };
    let groups = |table: &Places| table.slots.div_ceil(WIDTH as u64).max(1);
    let fewest = old.as_ref().map_or(groups(&table), |(old, _)| groups(old).min(groups(&table)));
    let group = group_of(cursor, fewest);
    let mut any_moved = old.is_none();
    if let Some((old, moved)) = &old {
        for home in (group..groups(old)).step_by(fewest as usize) {
            if home * (WIDTH as u64) < *moved {
                any_moved = true;
            } else {
                old.with_home(map, &slot, home * WIDTH as u64, &mut hash, &mut take)?;
            }
        }
    }
    if any_moved {
        for home in (group..groups(&table)).step_by(fewest as usize) {
            table.with_home(map, &slot, home * WIDTH as u64, &mut hash, &mut take)?;
        }
    }
    Ok(behind(group, fewest))
}
