//! One table: where its slots and control bytes are, and how a key is looked for.
//!
//! ```text
//! block:  .. padding | slot n-1 | .. | slot 1 | slot 0 | control byte 0 | 1 | .. | n-1 | EMPTY up to 16
//!                                                      ^ aligned to 16 and to the slots' alignment
//!
//! hash:   | tag, 7 bits | .. | home group | 4 |
//! ```
//!
//! A table has 4, 8, 16, .. slots. The low bits of the hash without the lowest four say which group is
//! the home of a key. A probe goes from there to the next group, and round the end, until a group with an EMPTY
//! slot. In a table that is at most seven eighths full that is most often the home itself.
//!
//! Once a group has been full a probe may have gone past it, so a key that is removed leaves EMPTY
//! behind only where another slot of its group is EMPTY, else DELETED.

use super::group::{Bits, DELETED, EMPTIES, EMPTY, Group, WIDTH};
use crate::error::{Error, Result};
use crate::layout::{FIRST_BLOCK, Word, store_whole};
use crate::map::prefetch;
use crate::tx::Cx;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// How many slots of a group are fetched ahead that have so many bytes: all, if they are small; if they are larger, those
/// that are filled first.
const fn ahead(size: usize) -> usize {
    match size {
        0..=16 => WIDTH,
        17..=64 => WIDTH * 3 / 4,
        _ => 0,
    }
}

/// More slots than any file has room for.
const MOST_SLOTS: u64 = 1 << 40;

/// Size and alignment of the slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) size: u64,
    pub(super) align: u64,
}

impl Shape {
    /// For slots of that size and alignment.
    pub(super) const fn new(size: u64, align: u64) -> Shape {
        Shape { size, align: if align < WIDTH as u64 { WIDTH as u64 } else { align } }
    }

    pub(super) const fn of<T>() -> Shape {
        Shape::new(size_of::<T>() as u64, align_of::<T>() as u64)
    }

    /// Bytes from the beginning of the block to the control bytes; `None` if that is out of all reason.
    pub(super) fn below(self, slots: u64) -> Option<u64> {
        Some(slots.checked_mul(self.size)?.checked_add(self.align - 1)? & !(self.align - 1))
    }

    /// Bytes of control bytes.
    #[inline(always)]
    fn control(slots: u64) -> u64 {
        (slots.wrapping_sub(1) | 15).wrapping_add(1)
    }

    /// Bytes of the block of a table.
    pub(super) fn bytes(self, slots: u64) -> Option<u64> {
        if slots > MOST_SLOTS { None } else { self.below(slots)?.checked_add(Shape::control(slots)) }
    }

    /// Takes a block for a table; gives the offset of its control bytes, which are yet to be set.
    pub(super) fn alloc(self, cx: Cx, slots: u64) -> Result<u64> {
        match (self.bytes(slots), self.below(slots)) {
            (Some(bytes), Some(below)) if bytes <= crate::layout::MAX_SIZE => Ok(cx.alloc(bytes, self.align)? + below),
            (bytes, _) => Err(Error::OutOfSpace {
                needed: bytes.unwrap_or(u64::MAX),
                reason: "a hash table of that size fits into no segment".into(),
            }),
        }
    }

    /// Gives the block of a table back.
    pub(super) fn free(self, cx: Cx, control: u64, slots: u64) -> Result<()> {
        let place = self.below(slots).and_then(|below| control.checked_sub(below)).zip(self.bytes(slots));
        let (start, bytes) = place.ok_or_else(|| Error::corrupt(control, "a hash table of impossible size"))?;
        cx.free(start, bytes, self.align)
    }
}

/// How many entries a table takes, deleted ones included: one slot less than all, or seven eighths, so that
/// every probe comes to an end.
pub(super) fn capacity(slots: u64) -> u64 {
    if slots < 16 { slots.saturating_sub(1) } else { slots / 8 * 7 }
}

/// Slots of a table for so many entries.
pub(super) fn slots_for(entries: u64) -> u64 {
    match entries {
        0..=3 => 4,
        4..=7 => 8,
        _ => entries.saturating_mul(8).div_ceil(7).min(MOST_SLOTS).next_power_of_two(),
    }
}

/// The position of the first slot of a key's home group.
#[inline(always)]
pub(super) fn home(hash: u64, slots: usize) -> usize {
    hash as usize & slots.wrapping_sub(1) & !(WIDTH - 1)
}

/// The bits of a hash that say where its home is.
pub(super) fn mask(slots: usize) -> usize {
    home(u64::MAX, slots)
}

/// The part of a hash that the control byte has.
#[inline(always)]
pub(super) fn tag(hash: u64) -> u8 {
    (hash >> 57) as u8
}

/// The file as checks need it: where it begins, and how long it is.
///
/// As the map has it, but the length is loaded without an ordering, so that the compiler may do everything else
/// once for a whole loop: it was so large when the lock was taken that what is under that lock lies in it.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    base: *mut u8,
    size: &'a Word,
    reserved: u64,
}

impl<'a> File<'a> {
    #[inline(always)]
    pub(super) fn of(cx: Cx) -> File<'a> {
        let map = cx.map();
        File { base: map.base(), size: &map.header().size, reserved: map.reserved() }
    }

    /// Whether it has the byte at an offset. Two comparisons, for what a process has reserved stays the same throughout a
    /// loop.
    #[inline(always)]
    fn has(self, offset: u64) -> bool {
        offset < self.reserved && offset < self.size.get()
    }

    /// A structure of words.
    ///
    /// # Safety
    /// `T` consists of words.
    #[inline(always)]
    pub(super) unsafe fn get<T>(self, offset: u64) -> Option<&'a T> {
        let last = offset.checked_add(size_of::<T>() as u64 - 1)?;
        let fits = self.has(last) && offset >= FIRST_BLOCK && offset.is_multiple_of(8);
        // SAFETY: in the file, aligned, and words may be shared.
        fits.then(|| unsafe { &*self.base.add(offset as usize).cast::<T>() })
    }
}

/// A slot with a key that was looked for. In a damaged table `index` may be as large as `slots` or larger.
pub(super) struct Found<T> {
    pub(super) index: usize,
    pub(super) slot: *mut T,
}

/// Where a key is, or could be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seek {
    Found(usize),
    Vacant(usize),
}

/// A table that checks out. Two words, so that it is passed in registers.
///
/// Invariant: `slots` slots of type `T` end, and as many control bytes, rounded up to 16, begin, at `control`, all
/// in the file; `control` is aligned to 16 and for `T`.
pub(super) struct Table<T> {
    control: NonNull<u8>,
    slots: usize,
    marker: PhantomData<*mut T>,
}

impl<T> Clone for Table<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Table<T> {}

impl<T> Table<T> {
    const SHAPE: Shape = Shape::of::<T>();
    /// Whether 16 slots fit between the beginning of the file and the first block. Then it need not be looked
    /// at each find whether a tag belongs to a slot: 16 of them lie in the file even where the table has fewer.
    const SMALL: bool = 16 * size_of::<T>() as u64 <= FIRST_BLOCK;

    /// The table with its control bytes at an offset, if it lies in the file.
    #[inline(always)]
    pub(super) fn open(file: File<'_>, control: u64, slots: u64) -> Option<Table<T>> {
        // Of no slots that is more than fits anywhere.
        let last = slots.wrapping_sub(1);
        let below = control.checked_sub(FIRST_BLOCK)?;
        let most_slots = if size_of::<T>() == 0 { MOST_SLOTS } else { below / size_of::<T>() as u64 };
        let end = control.checked_add(last | 15)?;
        if !file.has(end) || last >= most_slots || control & (Self::SHAPE.align - 1) != 0 {
            return None;
        }
        // SAFETY: in the file, whose base is not null.
        let control = unsafe { NonNull::new_unchecked(file.base.add(control as usize)) };
        Some(Table { control, slots: slots as usize, marker: PhantomData })
    }

    /// Where its control bytes are, and how many slots it has.
    pub(super) fn parts(self) -> (NonNull<u8>, usize) {
        (self.control, self.slots)
    }

    /// The table again.
    ///
    /// # Safety
    /// These are the [`parts`](Table::parts) of a table of the same type, and what they lead to is mapped still.
    #[inline(always)]
    pub(super) unsafe fn from_parts(control: *mut u8, slots: usize) -> Table<T> {
        // SAFETY: the caller's promise.
        Table { control: unsafe { NonNull::new_unchecked(control) }, slots, marker: PhantomData }
    }

    #[inline(always)]
    pub(super) fn slots(self) -> usize {
        self.slots
    }

    /// A slot.
    #[inline(always)]
    pub(super) fn slot(self, index: usize) -> *mut T {
        // SAFETY: `index` is below `slots`, or below 16 where those are in the file, too: see `SMALL`.
        unsafe { self.control.as_ptr().cast::<T>().sub(index + 1) }
    }

    /// Where the slots of the group at a position end, of which the first lies highest.
    #[inline(always)]
    pub(super) fn end_of_group(self, position: usize) -> *mut T {
        debug_assert!(position < self.slots);
        // SAFETY: `position` is below `slots`.
        unsafe { self.control.as_ptr().cast::<T>().sub(position) }
    }

    /// A slot of the group at a position. Where the table has fewer slots than a group, there may be none: see `has`.
    #[inline(always)]
    pub(super) fn slot_of_group(self, position: usize, slot: usize) -> *mut T {
        self.end_of_group(position).wrapping_sub(1).wrapping_sub(slot)
    }

    /// Has the slots of a hash's home group fetched into the cache, if they are not large: while the control bytes are
    /// waited for, and without knowing yet which of the slots it will be. Worth it if a slot will be looked at.
    #[inline(always)]
    pub(super) fn prefetch(self, hash: u64) {
        self.prefetch_group(home(hash, self.slots));
    }

    /// The same for who knows where the group begins.
    #[inline(always)]
    pub(super) fn prefetch_group(self, position: usize) {
        Self::prefetch_slots(self.end_of_group(position).cast());
    }

    /// The same with the control bytes of that group, of a table that is not known to be one.
    #[inline(always)]
    pub(super) fn prefetch_at(control: *const u8, home: usize) {
        prefetch(control.wrapping_add(home));
        Self::prefetch_slots(control.cast::<T>().wrapping_sub(home).cast());
    }

    /// Has the slots of a group fetched, which end there.
    #[inline(always)]
    fn prefetch_slots(end: *const u8) {
        for line in 0..(size_of::<T>() * ahead(size_of::<T>())).div_ceil(64) {
            prefetch(end.wrapping_sub(64 * line + 1));
        }
    }

    /// The group that begins at a position.
    #[inline(always)]
    pub(super) fn group(self, position: usize) -> Group {
        debug_assert!(position < self.slots && position.is_multiple_of(WIDTH));
        // SAFETY: by the invariant there are 16 control bytes from a multiple of 16 below `slots` on, and they
        // are aligned. The lock of the object keeps writers away.
        unsafe { Group::load(self.control.as_ptr().add(position)) }
    }

    /// The word with the control byte of a slot, or the first of a group's two.
    #[inline(always)]
    pub(super) fn word<'a>(self, index: usize) -> &'a Word {
        debug_assert!(index < self.slots.next_multiple_of(WIDTH));
        // SAFETY: a word of control bytes, in the file, which outlives all contexts; words may be shared.
        unsafe { &*self.control.as_ptr().add(index & !7).cast::<Word>() }
    }

    /// The position behind that of a group.
    #[inline(always)]
    pub(super) fn after(self, position: usize) -> usize {
        let next = position + WIDTH;
        if next < self.slots { next } else { 0 }
    }

    /// The positions of all groups, from one on and round the end.
    fn groups_from(self, position: usize) -> impl Iterator<Item = usize> {
        let count = self.slots.div_ceil(WIDTH);
        std::iter::successors(Some(position), move |at| Some(self.after(*at))).take(count)
    }

    /// Whether there is a slot of that index, which is one of a group.
    #[inline(always)]
    pub(super) fn has(self, index: usize) -> bool {
        Self::SMALL || index < self.slots
    }

    /// The slot with this tag in a group that `equal` recognises.
    #[inline(always)]
    fn find_in(
        self,
        position: usize,
        group: Group,
        tag: u8,
        equal: &mut impl FnMut(*mut T) -> bool,
    ) -> Option<Found<T>> {
        for slot in group.tagged(tag) {
            let index = position + slot;
            if Self::SMALL || index < self.slots {
                let slot = self.slot(index);
                if equal(slot) {
                    return Some(Found { index, slot });
                }
            }
        }
        None
    }

    /// The slot with the key of this hash that `equal` recognises. All inline: a call would keep the compiler
    /// from doing the checks of the table once for a whole loop.
    #[inline(always)]
    pub(super) fn find(self, hash: u64, mut equal: impl FnMut(*mut T) -> bool) -> Option<Found<T>> {
        let (home, tag) = (home(hash, self.slots), tag(hash));
        let mut position = home;
        loop {
            let group = self.group(position);
            if let Some(found) = self.find_in(position, group, tag, &mut equal) {
                return Some(found);
            }
            if group.empty().any() {
                return None;
            }
            position = self.after(position);
            if position == home {
                return None;
            }
        }
    }

    /// The slot with that key, or else one where it can be put: the first on its way without a key. `None`
    /// only if the table contradicts itself.
    #[inline(always)]
    pub(super) fn seek(self, hash: u64, mut equal: impl FnMut(*mut T) -> bool) -> Option<Seek> {
        let position = home(hash, self.slots);
        let group = self.group(position);
        if let Some(found) = self.find_in(position, group, tag(hash), &mut equal) {
            return (found.index < self.slots).then_some(Seek::Found(found.index));
        }
        if group.empty().any() {
            let index = position + group.free().lowest();
            return (index < self.slots).then_some(Seek::Vacant(index));
        }
        self.seek_on(hash, equal)
    }

    /// The rest of `seek`, when there is no EMPTY slot in the home group.
    #[cold]
    #[inline(never)]
    fn seek_on(self, hash: u64, mut equal: impl FnMut(*mut T) -> bool) -> Option<Seek> {
        let mut vacant = None;
        for position in self.groups_from(home(hash, self.slots)) {
            let group = self.group(position);
            if let Some(found) = self.find_in(position, group, tag(hash), &mut equal) {
                return (found.index < self.slots).then_some(Seek::Found(found.index));
            }
            if vacant.is_none() && group.free().any() {
                vacant = Some(position + group.free().lowest()).filter(|index| *index < self.slots);
            }
            if group.empty().any() {
                break;
            }
        }
        vacant.map(Seek::Vacant)
    }

    /// Where to put a key of this hash that the table does not have; `None` if the table is full.
    #[inline(always)]
    pub(super) fn vacancy(self, hash: u64) -> Option<usize> {
        let position = home(hash, self.slots);
        let free = self.group(position).free();
        let index = position + free.lowest();
        if free.any() && index < self.slots { Some(index) } else { self.vacancy_on(position) }
    }

    /// The rest of `vacancy`, when the home group is full.
    #[cold]
    #[inline(never)]
    fn vacancy_on(self, home: usize) -> Option<usize> {
        let mut groups = self.groups_from(home).skip(1);
        groups.find_map(|position| {
            let free = self.group(position).free();
            free.any().then(|| position + free.lowest()).filter(|index| *index < self.slots)
        })
    }

    /// The control byte of a slot.
    #[inline(always)]
    pub(super) fn control(self, index: usize) -> u8 {
        debug_assert!(index < self.slots.next_multiple_of(WIDTH));
        // SAFETY: a control byte, in the file; the lock of the object keeps writers away.
        unsafe { self.control.as_ptr().add(index).read_volatile() }
    }

    /// Sets the control byte of a slot.
    #[inline(always)]
    pub(super) fn set_control(self, index: usize, byte: u8) {
        debug_assert!(index < self.slots.next_multiple_of(WIDTH));
        // SAFETY: a control byte, in the file; the lock of the object keeps other writers away.
        unsafe { store_whole(self.control.as_ptr().add(index), byte) }
    }

    /// What a key that is removed from a slot leaves behind.
    #[inline(always)]
    pub(super) fn remains(self, index: usize) -> u8 {
        if self.group(index & !(WIDTH - 1)).empty().any() { EMPTY } else { DELETED }
    }

    /// Makes some slots of a group DELETED.
    pub(super) fn delete(self, position: usize, slots: Bits) {
        for slot in slots {
            self.set_control(position + slot, DELETED);
        }
    }

    /// Makes all slots of the groups from one position to another EMPTY.
    pub(super) fn make_empty(self, from: usize, to: usize) {
        for position in (from..to).step_by(8) {
            self.word(position).put(EMPTIES);
        }
    }

    /// Puts a stored entry with this hash, which lies elsewhere, into a free slot. Gives the slot's index,
    /// `None` if there is none.
    ///
    /// # Safety
    /// `entry` is a full slot of another table.
    #[inline(always)]
    pub(super) unsafe fn take_in(self, hash: u64, entry: *const T) -> Option<usize> {
        let index = self.vacancy(hash)?;
        // SAFETY: a slot of this table and, by the caller's promise, one of another.
        unsafe { std::ptr::copy_nonoverlapping(entry, self.slot(index), 1) };
        self.set_control(index, tag(hash));
        Some(index)
    }
}
