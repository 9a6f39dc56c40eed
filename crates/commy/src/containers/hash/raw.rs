//! A map as the views use it: finding, filling and emptying slots, with the log in mind.
//!
//! What changes an entry goes: log the counters, and the group's control bytes unless this transaction made
//! the table; make what is to be stored; then store it. The first two can fail and change nothing, the
//! last cannot fail. Freeing comes after that.

use super::group::EMPTY;
use super::head::{Head, Moving, Stamp, peek};
use super::slots::Slots;
use super::table::{File, Seek, Shape, Table, home, tag};
use crate::containers::entry::store_both;
use crate::containers::noted::{note_all, note_key, noting};
use crate::containers::vec::store;
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::schema::{Key, KeyHasher, Lookup, Share, compare_unlocked, nesting};
use crate::tx::{Cx, Operation};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A slot, as it lies in the table.
#[repr(C)]
pub struct Slot<K: Share, V: Share> {
    pub(super) key: K::Stored,
    pub(super) value: V::Stored,
}

/// A map with the types of its entries and the context; a set is one with the value `()`.
///
/// Invariant: the lock of the object that the head is part of is held, for writing where something is
/// changed, as long as this and the pointers that it gives are used.
pub struct Raw<'a, K, V> {
    pub(super) head: &'a Head,
    pub(super) cx: Cx,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Raw<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Raw<'_, K, V> {}

/// The table that a key belongs to. `T` is its [`Slot`].
pub struct Side<'a, T> {
    pub(super) table: Table<T>,
    stamp: &'a Word,
    moving: Option<&'a Moving>,
    /// Whether it is the one that is being moved out of.
    old: bool,
}

impl<T> Clone for Side<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Side<'_, T> {}

impl<T> Side<'_, T> {
    /// Whether it is the one that is being moved out of.
    pub(super) fn is_old(&self) -> bool {
        self.old
    }

    /// What has to be logged of it.
    pub(super) fn stamp(&self, cx: Cx) -> Result<Stamp> {
        Stamp::of(self.stamp, cx)
    }
}

/// Where a key is or could be put.
pub struct Place<'a, T> {
    pub(super) side: Side<'a, T>,
    pub(super) seek: Seek,
    pub(super) hash: u64,
}

impl<T> Clone for Place<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Place<'_, T> {}

impl<'a, K: Key, V: Share> Raw<'a, K, V> {
    pub(super) const SHAPE: Shape = Shape::of::<Slot<K, V>>();

    #[inline(always)]
    pub(super) fn new(head: &'a Head, cx: Cx) -> Raw<'a, K, V> {
        Raw { head, cx, marker: PhantomData }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.head.len.get() as usize
    }

    #[inline(always)]
    pub(super) fn hash<Q: ?Sized>(&self, query: &Q) -> u64
    where
        K: Lookup<Q>,
    {
        let mut hasher = KeyHasher::new(peek(&self.head.seed));
        K::hash_of(query, &mut hasher);
        hasher.finish()
    }

    /// The hash of a stored key, which may be that of another map with context `cx`.
    ///
    /// # Safety
    /// `key` is a stored key in the segment of `cx`.
    #[inline(always)]
    pub(super) unsafe fn hash_stored(&self, key: *const K::Stored, cx: Cx) -> u64 {
        let mut hasher = KeyHasher::new(peek(&self.head.seed));
        // SAFETY: the caller's promise.
        unsafe { K::hash(key, cx, &mut hasher) };
        hasher.finish()
    }

    /// The slot that `recognise` finds among those of a hash. If it is `wanted`, most likely it is there.
    #[inline(always)]
    fn find_by(self, hash: u64, wanted: bool, recognise: impl Fn(*const K::Stored) -> bool) -> Option<*mut Slot<K, V>> {
        let (head, file) = (self.head, File::of(self.cx));
        // All loads before the branch, so that a loop may do them once.
        let (control, slots, moving) = (peek(&head.control), peek(&head.slots), peek(&head.moving));
        if moving != 0 {
            return self.find_in_move(hash, recognise);
        }
        let table: Table<Slot<K, V>> = Table::open(file, control, slots)?;
        if wanted {
            table.prefetch(hash);
        }
        table.find(hash, |slot| recognise(self.key(slot))).map(|found| found.slot)
    }

    #[inline(always)]
    fn find_in_move(self, hash: u64, recognise: impl Fn(*const K::Stored) -> bool) -> Option<*mut Slot<K, V>> {
        let table = self.head.table_in_move(File::of(self.cx), hash)?;
        table.find(hash, |slot| recognise(self.key(slot))).map(|found| found.slot)
    }

    /// The slot of a key.
    #[inline(always)]
    pub(super) fn find<Q: ?Sized>(&self, query: &Q) -> Option<*mut Slot<K, V>>
    where
        K: Lookup<Q>,
    {
        let cx = self.cx;
        // SAFETY: `find_by` hands in the keys of full slots, which hold stored keys.
        self.find_by(self.hash(query), false, move |key| unsafe { K::equals(key, cx, query) })
    }

    /// The same for who expects to find it.
    #[inline(always)]
    pub(super) fn find_wanted<Q: ?Sized>(&self, query: &Q) -> Option<*mut Slot<K, V>>
    where
        K: Lookup<Q>,
    {
        let cx = self.cx;
        // SAFETY: as in `find`.
        self.find_by(self.hash(query), true, move |key| unsafe { K::equals(key, cx, query) })
    }

    /// The slot of a key, while others may write. If it is `wanted`, most likely it is there.
    #[inline(always)]
    pub(super) fn find_unlocked<Q: ?Sized>(&self, query: &Q, wanted: bool) -> Option<*mut Slot<K, V>>
    where
        K: Lookup<Q>,
    {
        let (cx, hash) = (self.cx, self.hash(query));
        // SAFETY: what is handed in are keys in the map.
        let recognise = move |key: *const K::Stored| unsafe {
            // While the key is compared, what its value has elsewhere is fetched. The key is the first member of a slot.
            if wanted {
                V::foresee(&raw const (*key.cast::<Slot<K, V>>()).value, cx);
            }
            compare_unlocked::<K, Q>(key, cx, query).is_eq()
        };
        if self.head.moving.get() != 0 {
            return self.find_in_move_apart(hash, recognise);
        }
        self.find_by(hash, wanted, recognise)
    }

    #[cold]
    #[inline(never)]
    fn find_in_move_apart(self, hash: u64, recognise: impl Fn(*const K::Stored) -> bool) -> Option<*mut Slot<K, V>> {
        self.find_in_move(hash, recognise)
    }

    /// The slot with the stored key of another map or set of the same key type, whose context is `theirs`.
    ///
    /// # Safety
    /// `key` is a stored key in the segment of `theirs`.
    pub(super) unsafe fn find_stored(&self, key: *const K::Stored, theirs: Cx) -> Option<*mut Slot<K, V>>
    where
        K: Lookup<K>,
    {
        // SAFETY: the caller's promise.
        let hash = unsafe { self.hash_stored(key, theirs) };
        if self.cx.map().base() == theirs.map().base() {
            // SAFETY: both are stored keys in the same segment.
            return self.find_by(hash, false, |own| unsafe { K::compare(own, key, self.cx) == Ordering::Equal });
        }
        // Another segment's key cannot be compared in place.
        // SAFETY: the caller's promise.
        let key = unsafe { K::load(key, theirs) }.ok()?;
        // SAFETY: as in `find`.
        self.find_by(hash, false, |own| unsafe { K::equals(own, self.cx, &key) })
    }

    /// The table that keys of this hash belong to, for changing; `None` if there is none yet.
    #[inline(always)]
    pub(super) fn side(&self, hash: u64) -> Result<Option<Side<'a, Slot<K, V>>>> {
        let head = self.head;
        if head.moving.get() != 0 {
            return self.side_in_move(hash).map(Some);
        }
        match head.table(self.cx) {
            Some(table) => Ok(Some(Side { table, stamp: &head.stamp, moving: None, old: false })),
            None if head.control.get() == 0 && head.slots.get() == 0 => Ok(None),
            None => Err(head.corrupt()),
        }
    }

    #[cold]
    fn side_in_move(&self, hash: u64) -> Result<Side<'a, Slot<K, V>>> {
        let (moving, old, new) = self.head.both(self.cx)?;
        let at = home(hash, old.slots()) as u64;
        Ok(self.side_of(moving, old, new, at >= moving.cursor.get()))
    }

    fn side_of(
        &self,
        moving: &'a Moving,
        old: Table<Slot<K, V>>,
        new: Table<Slot<K, V>>,
        is_old: bool,
    ) -> Side<'a, Slot<K, V>> {
        let (table, stamp) = if is_old { (old, &moving.stamp) } else { (new, &self.head.stamp) };
        Side { table, stamp, moving: Some(moving), old: is_old }
    }

    /// Whether the tables check out.
    pub(super) fn check(&self) -> Result<()> {
        self.head.check::<Slot<K, V>>(self.cx)
    }

    /// Where a key is; `None` if it is not there.
    #[inline(always)]
    pub(super) fn place_of<Q: ?Sized>(&self, query: &Q) -> Result<Option<Place<'a, Slot<K, V>>>>
    where
        K: Lookup<Q>,
    {
        let hash = self.hash(query);
        let Some(side) = self.side(hash)? else { return Ok(None) };
        if self.cx.is_first() {
            side.table.prefetch(hash);
        }
        // SAFETY: full slots, which hold stored keys and values.
        let found = side.table.find(hash, |slot| unsafe {
            // While the key is compared, what its value has elsewhere is fetched.
            V::foresee(&raw const (*slot).value, self.cx);
            K::equals(self.key(slot), self.cx, query)
        });
        match found {
            Some(found) if found.index >= side.table.slots() => Err(self.head.corrupt()),
            found => Ok(found.map(|found| Place { side, seek: Seek::Found(found.index), hash })),
        }
    }

    /// Where a key is or is to be put, with room for it; moves some entries on if the map is moving.
    #[inline(always)]
    pub(super) fn place_for<Q: ?Sized>(&self, query: &Q) -> Result<Place<'a, Slot<K, V>>>
    where
        K: Lookup<Q>,
    {
        self.make_room()?;
        let hash = self.hash(query);
        let side = self.side(hash)?.ok_or_else(|| self.head.corrupt())?;
        if self.cx.is_first() {
            side.table.prefetch(hash);
        }
        // SAFETY: the keys of full slots, which hold stored keys.
        let seek = side.table.seek(hash, |slot| unsafe { K::equals(self.key(slot), self.cx, query) });
        let seek = seek.ok_or_else(|| self.head.corrupt())?;
        Ok(Place { side, seek, hash })
    }

    /// Logs what changing the control byte of a slot and the counters overwrites.
    #[inline(always)]
    fn keep(&self, side: Side<'a, Slot<K, V>>, index: usize) -> Result<Stamp> {
        self.head.keep_counters(self.cx)?;
        let stamp = Stamp::of(side.stamp, self.cx)?;
        if stamp != Stamp::Made {
            self.cx.keep(side.table.word(index & !15), 2)?;
        }
        if let Some(moving) = side.moving {
            moving.keep(self.cx)?;
        }
        Ok(stamp)
    }

    /// Puts an entry into a vacant slot. `make` gives the stored forms; it may fail, then nothing has
    /// happened.
    #[inline(always)]
    pub(super) fn fill(
        &self,
        place: Place<'a, Slot<K, V>>,
        index: usize,
        make: impl FnOnce() -> Result<(K::Stored, V::Stored)>,
    ) -> Result<*mut Slot<K, V>> {
        // SAFETY: a key that is about to be stored.
        let note = |entry: &(K::Stored, V::Stored)| unsafe { self.note(Operation::Inserted, &entry.0) };
        self.fill_unnoted(place, index, || noting(self.cx, make, note))
    }

    /// The same, for who notes it itself.
    #[inline(always)]
    pub(super) fn fill_unnoted(
        &self,
        place: Place<'a, Slot<K, V>>,
        index: usize,
        make: impl FnOnce() -> Result<(K::Stored, V::Stored)>,
    ) -> Result<*mut Slot<K, V>> {
        let (side, head) = (place.side, self.head);
        let slot = side.table.slot(index);
        if self.keep(side, index)? == Stamp::Removed {
            // SAFETY: a slot, in the file.
            unsafe { self.cx.keep_value(slot)? };
        }
        let (key, value) = make()?;
        let was = side.table.control(index);
        // SAFETY: a vacant slot of this table, of which there are no references.
        unsafe { slot.write(Slot { key, value }) };
        side.table.set_control(index, tag(place.hash));
        head.len.put(head.len.get().wrapping_add(1));
        if was == EMPTY || side.old {
            head.left.put(head.left.get().saturating_sub(1));
        }
        if let Some(moving) = side.moving.filter(|_| !side.old) {
            super::migrate::keep_ahead(side.table, moving, index);
        }
        Ok(slot)
    }

    /// Takes an entry out. The bytes of the slot stay as they are until it is filled again, so what the
    /// entry owns can be freed afterwards.
    #[inline(always)]
    pub(super) fn empty(&self, side: Side<'a, Slot<K, V>>, index: usize) -> Result<*mut Slot<K, V>> {
        // SAFETY: the key of a full slot.
        self.empty_with(side, index, || unsafe { self.note(Operation::Removed, self.key(side.table.slot(index))) })
    }

    /// The same, noted by `note`.
    #[inline(always)]
    pub(super) fn empty_with(
        &self,
        side: Side<'a, Slot<K, V>>,
        index: usize,
        note: impl FnOnce() -> Result<()>,
    ) -> Result<*mut Slot<K, V>> {
        let stamp = Stamp::removed(self.cx)?;
        if self.keep(side, index)? == Stamp::Older {
            self.cx.keep(side.stamp, 1)?;
            side.stamp.put(stamp);
        }
        note()?;
        let (head, remains) = (self.head, side.table.remains(index));
        side.table.set_control(index, remains);
        head.len.put(head.len.get().saturating_sub(1));
        if remains == EMPTY || side.old {
            head.left.put(head.left.get().wrapping_add(1));
        }
        Ok(side.table.slot(index))
    }

    /// Overwrites the value or key at `place`, which is in the slot of `side` with that key, with the stored form of
    /// `new`, and frees what the old one owned.
    ///
    /// # Safety
    /// `place` is the key or the value of a full slot of the side's table, and nobody refers to it.
    #[inline(always)]
    pub(super) unsafe fn replace<T: Share>(
        &self,
        side: Side<'a, Slot<K, V>>,
        key: *const K::Stored,
        place: *mut T::Stored,
        new: T,
    ) -> Result<()> {
        if Stamp::of(side.stamp, self.cx)? != Stamp::Made {
            // SAFETY: the caller's promise.
            unsafe { self.cx.keep_value(place)? };
        }
        // SAFETY: a stored key.
        let new = noting(self.cx, || store(new, self.cx), |_| unsafe { self.note(Operation::Changed, key) })?;
        // SAFETY: the caller's promise. The old value is dropped from a copy of its bytes, once.
        unsafe {
            let mut old = place.cast::<MaybeUninit<T::Stored>>().read();
            place.write(new);
            T::drop_stored(old.as_mut_ptr(), self.cx)
        }
    }

    /// The stored forms of an entry; on an error nothing is left of them.
    #[inline(always)]
    pub(super) fn store_both(&self, key: K, value: V) -> Result<(K::Stored, V::Stored)> {
        store_both(key, value, self.cx)
    }

    /// Frees what an entry that was taken out owned.
    ///
    /// # Safety
    /// `slot` was given by [`empty`](Self::empty), and nothing was put into it since.
    #[inline(always)]
    pub(super) unsafe fn drop_entry(&self, slot: *mut Slot<K, V>) -> Result<()> {
        // SAFETY: the caller's promise: it still has the bytes of an entry that nobody refers to.
        unsafe {
            K::drop_stored(&raw mut (*slot).key, self.cx)?;
            V::drop_stored(&raw mut (*slot).value, self.cx)
        }
    }

    /// Notes what is done with an entry, if the map is one whose changes are noted.
    ///
    /// # Safety
    /// `key` is a stored key.
    #[inline(always)]
    pub(super) unsafe fn note(&self, operation: Operation, key: *const K::Stored) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { note_key::<K, _>(self.cx, self.head, operation, key) }
    }

    /// Notes that any of the values may be changed, if there are such: not in a set.
    pub(super) fn note_others(&self) -> Result<()> {
        if size_of::<V::Stored>() > 0 { note_all(self.cx, self.head, Operation::Other) } else { Ok(()) }
    }

    /// A slot of a side's table.
    #[inline(always)]
    pub(super) fn slot(&self, side: Side<'a, Slot<K, V>>, index: usize) -> *mut Slot<K, V> {
        side.table.slot(index)
    }

    /// The key of a slot.
    #[inline(always)]
    pub(super) fn key(&self, slot: *mut Slot<K, V>) -> *const K::Stored {
        // The key is the first member.
        slot.cast_const().cast()
    }

    /// Takes out the entries for which `keep` gives false.
    pub(super) fn retain(&self, mut keep: impl FnMut(*mut Slot<K, V>) -> Result<bool>) -> Result<()> {
        let mut slots = self.slots();
        while let Some((table, old, index)) = slots.next_place() {
            if !keep(table.slot(index))? {
                let slot = self.empty(self.side_of_slot(table, old)?, index)?;
                // SAFETY: just taken out.
                unsafe { self.drop_entry(slot)? };
            }
        }
        Ok(())
    }

    /// All full slots.
    pub(super) fn slots(&self) -> Slots<Slot<K, V>> {
        Slots::of(self.head, self.cx)
    }

    /// The side of a table that [`slots`](Self::slots) named.
    fn side_of_slot(&self, table: Table<Slot<K, V>>, old: bool) -> Result<Side<'a, Slot<K, V>>> {
        if self.head.moving.get() == 0 {
            return Ok(Side { table, stamp: &self.head.stamp, moving: None, old: false });
        }
        let (moving, from, into) = self.head.both(self.cx)?;
        Ok(self.side_of(moving, from, into, old))
    }

    /// Makes the map an empty one without a table, and frees everything.
    pub(super) fn clear(&self) -> Result<()> {
        let head = self.head;
        if head.control.get() == 0 {
            return Ok(());
        }
        self.check()?;
        head.keep(self.cx)?;
        note_all(self.cx, head, Operation::Cleared)?;
        let old = head.detach();
        Raw::<K, V>::new(&old, self.cx).free_all()
    }

    /// Frees the entries and the tables. The head stays as it is and must not be used again.
    pub(super) fn free_all(&self) -> Result<()> {
        let head = self.head;
        if head.control.get() == 0 {
            return Ok(());
        }
        let tables = [head.control.get(), head.slots.get(), head.moving.get()];
        // SAFETY: these are the tables of a map of this type, which nobody uses any more.
        unsafe { nesting::drop_block(self.cx, tables, free_tables::<K, V>) }
    }
}

/// Frees the tables named by three words of a head, and their entries.
///
/// # Safety
/// They are the tables of a map from `K` to `V` in the segment of `cx`, of whose entries there are no references.
unsafe fn free_tables<K: Key, V: Share>(cx: Cx, [control, slots, moving]: [u64; 3]) -> Result<()> {
    let head =
        Head { control: Word::new(control), slots: Word::new(slots), moving: Word::new(moving), ..Head::default() };
    let raw = Raw::<K, V>::new(&head, cx);
    raw.check()?;
    if K::OWNS || V::OWNS {
        for slot in raw.slots() {
            // SAFETY: a full slot; the caller's promise.
            unsafe { raw.drop_entry(slot)? };
        }
    }
    raw.free_tables()
}

/// The error of a method without `Result` that could not log what it lends.
#[cold]
#[track_caller]
pub(super) fn cannot_lend(error: &Error) -> ! {
    panic!("cannot lend an entry for changing: {error}")
}
