//! The entries of a map or set, for who knows only their size: see `containers::untyped`.

use super::group::{DELETED, WIDTH};
use super::head::{Head, MOVING_WORDS, Moving};
use super::table::Shape;
use crate::containers::untyped::{Block, Forms, Step};
use crate::error::{Error, Result};
use crate::map::Map;

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
}

/// The slot of an entry: the key, then the value, as in a `repr(C)` struct.
#[derive(Clone, Copy)]
struct Slot {
    size: u64,
    value: u64,
    shape: Shape,
}

impl Slot {
    fn of(forms: &Forms) -> Slot {
        let (key, value) = (forms.first, forms.second);
        let align = key.align.max(value.align);
        let value_at = key.size.next_multiple_of(value.align);
        let size = (value_at + value.size).next_multiple_of(align);
        Slot { size, value: value_at, shape: Shape::new(size, align) }
    }

    fn block(&self, map: &Map, control: u64, slots: u64) -> Result<Block> {
        let corrupt = || Error::corrupt(control, "a hash table of impossible size");
        let (below, bytes) = self.shape.below(slots).zip(self.shape.bytes(slots)).ok_or_else(corrupt)?;
        let start = control.checked_sub(below).ok_or_else(corrupt)?;
        Block::checked(map, start, bytes, self.shape.align)
    }
}

impl Places {
    /// Those of the map with its head at an offset; `None` without a table.
    pub(crate) fn open(map: &Map, forms: &Forms, head: u64) -> Result<Option<Places>> {
        // SAFETY: a head is all words.
        let head = unsafe { map.get::<Head>(head)? };
        let (control, slots, moving) = (head.control.get(), head.slots.get(), head.moving.get());
        if control == 0 {
            return Ok(None);
        }
        let mut places = Places::table(map, forms, control, slots)?;
        if moving != 0 {
            // SAFETY: it is all words.
            let description = unsafe { map.get::<Moving>(moving)? };
            (places.part, places.ready) = (description.slots.get() & !(WIDTH as u64 - 1), description.ready.get());
            if places.part == 0 || !slots.is_multiple_of(places.part) {
                return Err(Error::corrupt(moving, "a hash table that moves out of one of impossible size"));
            }
            places.moving = moving;
        }
        Ok(Some(places))
    }

    /// Those of a table that is not moved into.
    fn table(map: &Map, forms: &Forms, control: u64, slots: u64) -> Result<Places> {
        if !slots.is_power_of_two() || slots < 4 {
            return Err(Error::corrupt(control, "a hash table whose number of slots cannot be"));
        }
        Slot::of(forms).block(map, control, slots)?;
        Ok(Places { control, slots, part: slots, ready: slots, next: 0, moving: 0 })
    }

    pub(crate) fn step(&mut self, map: &Map, forms: &Forms, entries: bool) -> Result<Step<Places>> {
        if self.moving & 1 == 0 && self.moving != 0 {
            // SAFETY: it is all words.
            let moving = unsafe { map.get::<Moving>(self.moving)? };
            let old = Places::table(map, forms, moving.control.get(), moving.slots.get())?;
            self.moving |= 1;
            return Ok(Step::Down(old));
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
        match std::mem::take(&mut self.slots) {
            0 => Ok(Step::End),
            slots => slot.block(map, self.control, slots).map(Step::Block),
        }
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
