//! Changing a map or set for who knows only the size of its entries: `raw` and `migrate` without types.
//!
//! What is in slots is bytes here, and hashes come from the caller. All that concerns control bytes, counters and the log
//! is left to `Raw` of entries without size. Tables are replaced by the same code as those of known types: at once if
//! they are small, else a little with every entry.

use super::group::DELETED;
use super::head::{Head, Stamp};
use super::migrate::{Movable, new_seed};
use super::raw::{Place, Raw};
use super::table::{Seek, Shape, Table, capacity, slots_for, tag};
use super::untyped::{Entry, Places, Slot};
use crate::containers::untyped::Forms;
use crate::error::{Error, Result};
use crate::tx::Cx;

/// Hashes the key at a place for a seed.
type Hash<'h> = &'h dyn Fn(u64, u64) -> Result<u64>;

/// A map or set that is being made, in a table that has room for all its entries.
pub(crate) struct Builder<'a> {
    cx: Cx,
    slot: Slot,
    forms: &'a Forms,
    control: u64,
    table: Table<()>,
    len: u64,
    seed: u64,
    stamp: u64,
}

impl<'a> Builder<'a> {
    /// For so many entries.
    pub(crate) fn new(cx: Cx, forms: &'a Forms, entries: u64) -> Result<Builder<'a>> {
        let (slot, stamp, slots) = (Slot::of(forms), Stamp::made(cx)?, slots_for(entries));
        let control = slot.shape.alloc(cx, slots)?;
        let table = slot.table(cx, control, slots)?;
        table.make_empty(0, table.slots().next_multiple_of(16));
        Ok(Builder { cx, slot, forms, control, table, len: 0, seed: new_seed(cx, stamp, control), stamp })
    }

    /// What the keys are hashed with.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Puts an entry in, unless `equal` recognises its key; gives whether it did.
    pub(crate) fn put(
        &mut self,
        hash: u64,
        equal: impl FnMut(u64) -> Result<bool>,
        make: impl FnOnce() -> Result<(Vec<u8>, Vec<u8>)>,
    ) -> Result<bool> {
        let slots = self.table.slots() as u64;
        let places = Places::table(self.cx.map(), self.forms, self.control, slots)?;
        if places.find(self.cx.map(), &self.slot, hash, equal)?.is_some() {
            return Ok(false);
        }
        let index =
            self.table.vacancy(hash).ok_or_else(|| Error::corrupt(self.control, "a hash table that is full"))?;
        let place = self.slot.place(self.cx, self.control, index)?;
        let (key, value) = make()?;
        // SAFETY: a slot of a table that nobody else knows, with room for these.
        unsafe { self.slot.write(place, &key, &value) };
        self.table.set_control(index, tag(hash));
        self.len += 1;
        Ok(true)
    }

    /// The words of its head.
    pub(crate) fn words(&self) -> [u64; 8] {
        let slots = self.table.slots() as u64;
        let left = capacity(slots).saturating_sub(self.len);
        [self.len, left, self.control, slots, self.seed, self.stamp, 0, 0]
    }
}

/// A map or set, of which the entries' forms are known.
pub(crate) struct Erased<'a> {
    pub cx: Cx,
    pub forms: &'a Forms,
    /// Offset of the head.
    pub head: u64,
}

impl<'a> Erased<'a> {
    fn head(&self) -> Result<&'a Head> {
        // SAFETY: a head is all words.
        unsafe { self.cx.map().get::<Head>(self.head) }
    }

    /// The seed of the hashes; there is one once there is [room](Erased::make_room).
    pub(crate) fn seed(&self) -> Result<u64> {
        Ok(self.head()?.seed.get())
    }

    /// Makes sure that an entry can be added, and moves some entries on if the map is moving.
    pub(crate) fn make_room(&self, hash: Hash<'_>) -> Result<()> {
        let (head, cx) = (self.head()?, self.cx);
        // That the tables check out with slots of this size is what `Movable` asks for.
        Places::open(cx.map(), self.forms, self.head)?;
        if let Some(moving) = head.moving(cx) {
            Places::table(cx.map(), self.forms, moving.control.get(), moving.slots.get())?;
        }
        Moved { head, cx, slot: Slot::of(self.forms), hash }.make_room_slowly()
    }

    /// Puts an entry in that is not there yet; there is room for it. `make` gives the bytes of its key and value. It is not
    /// noted: that is left to who knows the key.
    pub(crate) fn insert(&self, hash: u64, make: impl FnOnce() -> Result<(Vec<u8>, Vec<u8>)>) -> Result<()> {
        let (head, slot, cx) = (self.head()?, Slot::of(self.forms), self.cx);
        let raw = Raw::<(), ()>::new(head, cx);
        let side = raw.side(hash)?.ok_or_else(|| head.corrupt())?;
        let index = side.table.vacancy(hash).ok_or_else(|| head.corrupt())?;
        let control =
            if side.is_old() { head.moving(cx).map_or(0, |moving| moving.control.get()) } else { head.control.get() };
        let place = slot.place(cx, control, index)?;
        let (key, value) = make()?;
        // SAFETY: the bytes of a slot, in the file; nobody refers to it, as it is vacant.
        unsafe {
            if side.stamp(cx)? != Stamp::Made && slot.size > 0 {
                cx.keep_bytes(place.as_ptr(), slot.size as usize)?;
            }
            raw.fill_unnoted(Place { side, seek: Seek::Vacant(index), hash }, index, || Ok(((), ())))?;
            slot.write(place, &key, &value);
        }
        Ok(())
    }

    /// Takes the entry of a key out, whose bytes stay as they are until something is put in again.
    pub(crate) fn remove(&self, entry: Entry, hash: u64) -> Result<()> {
        let head = self.head()?;
        let raw = Raw::<(), ()>::new(head, self.cx);
        let side = raw.side(hash)?.ok_or_else(|| head.corrupt())?;
        let index = entry.index as usize;
        if index >= side.table.slots() || side.table.control(index) >= DELETED {
            return Err(head.corrupt());
        }
        raw.empty_with(side, index, || Ok(())).map(drop)
    }
}

/// A map or set whose table may be replaced.
#[derive(Clone, Copy)]
struct Moved<'a, 'h> {
    head: &'a Head,
    cx: Cx,
    slot: Slot,
    hash: Hash<'h>,
}

impl Moved<'_, '_> {
    /// A slot, which lies below the control bytes.
    fn place(&self, table: Table<()>, index: usize) -> *mut u8 {
        table.slot(index).cast::<u8>().wrapping_sub((index + 1) * self.slot.size as usize)
    }
}

impl<'a> Movable<'a> for Moved<'a, '_> {
    type Slot = ();

    fn head(self) -> &'a Head {
        self.head
    }

    fn cx(self) -> Cx {
        self.cx
    }

    fn shape(self) -> Shape {
        self.slot.shape
    }

    fn hash_of(self, table: Table<()>, index: usize) -> Result<u64> {
        (self.hash)(self.head.seed.get(), self.cx.offset_of(self.place(table, index)))
    }

    fn carry(self, from: Table<()>, index: usize, into: Table<()>, hash: u64) -> Option<usize> {
        let free = into.vacancy(hash)?;
        // SAFETY: slots of two tables that check out, hence in the file.
        unsafe {
            std::ptr::copy_nonoverlapping(self.place(from, index), self.place(into, free), self.slot.size as usize);
        }
        into.set_control(free, tag(hash));
        Some(free)
    }
}
