//! Changing a map or set for who knows only the size of its entries: `raw` and `migrate` without types.
//!
//! What is in slots is bytes here, and hashes come from the caller. All that concerns control bytes, counters and the log
//! is left to `Raw` of entries without size. A table that is full is replaced at once, also where the typed code would
//! move on by and by; so is one that is on the move when something is put into it. That takes time for all entries, but
//! not again before as many as half of them were put in.

use super::group::DELETED;
use super::head::{Head, Stamp};
use super::raw::{Place, Raw};
use super::table::{Seek, Table, capacity, slots_for, tag};
use super::untyped::{Entry, Places, Slot};
use crate::containers::untyped::{Forms, Step};
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
        Ok(Builder {
            cx,
            slot,
            forms,
            control,
            table,
            len: 0,
            seed: Raw::<(), ()>::new_seed(cx, stamp, control),
            stamp,
        })
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

    /// Makes room for so many more entries.
    pub(crate) fn make_room(&self, more: u64, hash: Hash<'_>) -> Result<()> {
        let head = self.head()?;
        if head.moving.get() == 0 && head.left.get() >= more && head.control.get() != 0 {
            return Ok(());
        }
        let (slots, entries) = (head.slots.get(), head.len.get().saturating_add(more));
        let wanted = if head.control.get() == 0 || entries <= capacity(slots) / 2 {
            slots_for(entries).max(slots)
        } else {
            slots_for(entries).max(slots.saturating_mul(2))
        };
        self.rebuild(head, wanted, hash)
    }

    /// Goes over to a table of so many slots, which are enough.
    fn rebuild(&self, head: &Head, slots: u64, hash: Hash<'_>) -> Result<()> {
        let (cx, map, slot) = (self.cx, self.cx.map(), Slot::of(self.forms));
        let stamp = Stamp::made(cx)?;
        head.keep(cx)?;
        let old = Places::open(map, self.forms, self.head)?;
        let control = slot.shape.alloc(cx, slots)?;
        let fill = || {
            let seed = if old.is_some() { head.seed.get() } else { Raw::<(), ()>::new_seed(cx, stamp, control) };
            let new = slot.table(cx, control, slots)?;
            new.make_empty(0, new.slots().next_multiple_of(16));
            let mut stack: Vec<_> = old.into_iter().collect();
            while let Some(top) = stack.last_mut() {
                match top.step(map, self.forms, true)? {
                    Step::Entry(key, _) => {
                        let hash = hash(seed, key)?;
                        let index = new.vacancy(hash).ok_or_else(|| head.corrupt())?;
                        self.copy(key, control - (index as u64 + 1) * slot.size, slot.size)?;
                        new.set_control(index, tag(hash));
                    }
                    Step::Down(table) => stack.push(table),
                    Step::Block(_) => {}
                    Step::End => {
                        stack.pop();
                    }
                }
            }
            Ok(seed)
        };
        let seed = match fill() {
            Ok(seed) => seed,
            Err(error) => {
                slot.shape.free(cx, control, slots)?;
                return Err(error);
            }
        };
        let before = (head.control.get(), head.slots.get(), head.moving.get());
        let moved_from = head.moving(cx).map(|moving| (moving.control.get(), moving.slots.get()));
        head.seed.put(seed);
        head.control.put(control);
        head.slots.put(slots);
        head.stamp.put(stamp);
        head.moving.put(0);
        head.left.put(capacity(slots).saturating_sub(head.len.get()));
        if before.0 != 0 {
            slot.shape.free(cx, before.0, before.1)?;
        }
        if let Some((control, slots)) = moved_from {
            slot.shape.free(cx, control, slots)?;
            cx.free(before.2, super::head::MOVING_WORDS * 8, 8)?;
        }
        Ok(())
    }

    /// Copies the bytes of an entry from one slot to another.
    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<()> {
        let places = self.cx.at(from, bytes, 1).zip(self.cx.at(to, bytes, 1));
        let (from, to) = places.ok_or_else(|| Error::corrupt(from, "a hash table outside the file"))?;
        // SAFETY: slots of two tables, both in the file.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), bytes as usize) };
        Ok(())
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
