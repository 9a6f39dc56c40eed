//! One entry put in or taken out as an operation of its own, where no more has to be allocated or freed than a block for
//! the key and one for the value.
//!
//! Such a change overwrites two counters and one control byte, so its log is always the same two entries, and one for each
//! of the blocks, which are written at once ([`Log::at_a_stroke`]). What is put into a block is written before that, as long
//! as it is free: nobody else takes it, and nothing that could runs meanwhile (`Share::IN_A_BLOCK`). What it cannot do - grow, move on, overwrite a large value, get a slab - is left to
//! the transaction that every other change is; nothing has been done then.

use super::group::EMPTY;
use super::raw::{Raw, Slot};
use super::table::{Found, Seek, Table, home, tag};
use crate::alloc::{Block, Vacant};
use crate::containers::entry::replace_at_once;
use crate::error::Error;
use crate::layout::is_whole;
use crate::schema::{Key, Lookup, Share};
use crate::tx::{Log, Worker};

/// Tables with more slots than this are not expected to lie in the processor's cache.
const CACHED: usize = 1 << 12;

/// Why an entry was not taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// There is no such key.
    Absent,
    /// It takes more than this.
    Else,
}

/// What the key had before; or the entry, if nothing was done, or why it cannot be put in at all. The error is in a box, for
/// what is large is moved about in memory.
pub(crate) type Inserted<K, V> = std::result::Result<Option<V>, std::result::Result<(K, V), Box<Error>>>;

impl<K: Key, V: Share> Raw<'_, K, V> {
    /// The table, if it is the only one.
    #[inline(always)]
    pub(super) fn settled(&self) -> Option<Table<Slot<K, V>>> {
        if self.head.moving.get() == 0 { self.head.table(self.cx) } else { None }
    }

    /// Has what an operation on a key will look at fetched into the cache: worth it before taking the lock, which waits
    /// for what came before, and before the table is checked. To be called as one reads without the lock, or has it.
    #[inline(always)]
    pub(super) fn foresee<Q: ?Sized>(&self, query: &Q)
    where
        K: Lookup<Q>,
    {
        let (control, slots) = (self.head.control.get(), self.head.slots.get() as usize);
        if slots > CACHED {
            // Whatever these words are by now, fetching harms nobody.
            let group = self.cx.map().base().wrapping_add(control as usize);
            Table::<Slot<K, V>>::prefetch_at(group, home(self.hash(query), slots));
        }
    }

    /// Puts an entry in. Gives the value that the key had; or the entry, if that cannot be done so.
    #[inline(always)]
    pub(super) fn insert_at_once(&self, log: &Log, key: K, value: V) -> Inserted<K, V>
    where
        K: Lookup<K>,
    {
        if K::OWNS || V::OWNS {
            return Err(Ok((key, value)));
        }
        self.foresee(&key);
        let Some(table) = self.settled() else {
            return match self.find(&key) {
                Some(slot) => self.replace_at_once(slot, key, value),
                None => Err(Ok((key, value))),
            };
        };
        let hash = self.hash(&key);
        // SAFETY: the keys of full slots, which hold stored keys.
        let seek = table.seek(hash, |slot| unsafe { K::equals(self.key(slot), self.cx, &key) });
        match seek {
            Some(Seek::Vacant(index)) => self.fill_at_once(table, index, hash, [None; 2], log, (key, value)),
            Some(Seek::Found(index)) => self.replace_at_once(table.slot(index), key, value),
            None => Err(Ok((key, value))),
        }
    }

    /// Puts an entry that may need blocks into a vacant slot of a table that is the only one, if nothing but our code runs
    /// until they are taken.
    #[inline(always)]
    pub(super) fn fill_with_blocks(
        &self,
        table: Table<Slot<K, V>>,
        index: usize,
        hash: u64,
        worker: &Worker,
        (key, value): (K, V),
    ) -> Inserted<K, V> {
        let blocks = (K::IN_A_BLOCK && V::IN_A_BLOCK).then(|| worker.alloc().vacant([key.need(), value.need()]));
        match blocks.flatten() {
            Some(blocks) => self.fill_at_once(table, index, hash, blocks, worker.log(0), (key, value)),
            None => Err(Ok((key, value))),
        }
    }

    /// The same, with the blocks that key and value need.
    #[inline(always)]
    pub(super) fn fill_at_once(
        &self,
        table: Table<Slot<K, V>>,
        index: usize,
        hash: u64,
        blocks: [Option<Vacant<'_>>; 2],
        log: &Log,
        (key, value): (K, V),
    ) -> Inserted<K, V> {
        if !self.has_room() {
            return Err(Ok((key, value)));
        }
        let (head, slot) = (self.head, table.slot(index));
        let block_of = |index: usize| blocks[index].map_or(0, |block| block.offset);
        // SAFETY: what they need, free blocks of the thread's, two different ones; it takes them before it runs anything that
        // is not ours, see `fill_with_blocks`.
        let stored = unsafe {
            let key = key.into_block(block_of(0), self.cx);
            key.and_then(|key| Ok((key, value.into_block(block_of(1), self.cx)?)))
        };
        let ((key, _key), (value, _value)) = stored.map_err(|error| Err(Box::new(error)))?;
        let stored = Slot { key, value };
        let left = head.left.get() - u64::from(table.control(index) == EMPTY);
        log.at_a_stroke(self.cx.map(), blocks, [(&head.len, 2), (table.word(index), 1)], [], || {
            // SAFETY: a vacant slot of this table, of which there are no references.
            unsafe { slot.write(stored) };
            table.set_control(index, tag(hash));
            head.len.put(head.len.get().wrapping_add(1));
            head.left.put(left);
        });
        Ok(None)
    }

    /// Overwrites the value of a full slot by one store, if that can be done so.
    #[inline(always)]
    pub(super) fn replace_at_once(&self, slot: *mut Slot<K, V>, key: K, value: V) -> Inserted<K, V> {
        if V::OWNS || size_of::<V::Stored>() == 0 || !is_whole::<V::Stored>() {
            return Err(Ok((key, value)));
        }
        // SAFETY: the value of a full slot, which is locked; a value that owns nothing has nothing to free.
        let old = unsafe { replace_at_once(&raw mut (*slot).value, value, self.cx) };
        old.map(Some).map_err(|value| Ok((key, value)))
    }

    /// Takes an entry out. Gives its value.
    #[inline(always)]
    pub(super) fn remove_at_once<Q: ?Sized>(&self, log: &Log, query: &Q) -> std::result::Result<V, Kept>
    where
        K: Lookup<Q>,
    {
        self.foresee(query);
        let Some(table) = self.settled().filter(|_| !K::OWNS && !V::OWNS) else { return Err(Kept::Else) };
        let hash = self.hash(query);
        // SAFETY: the keys of full slots, which hold stored keys.
        let found = table.find(hash, |slot| unsafe { K::equals(self.key(slot), self.cx, query) });
        self.empty_at_once(table, found.ok_or(Kept::Absent)?, [], log, || ()).ok_or(Kept::Else)
    }

    /// The same for an entry that may own blocks, in the slot where it is.
    #[inline(always)]
    pub(super) fn empty_with_blocks(
        &self,
        table: Table<Slot<K, V>>,
        found: Found<Slot<K, V>>,
        worker: &Worker,
        begin: impl FnOnce(),
    ) -> Option<V> {
        // SAFETY: the key and the value of a full slot.
        let blocks = unsafe { [K::block(&raw const (*found.slot).key), V::block(&raw const (*found.slot).value)] };
        worker.putting_back(blocks, |blocks| self.empty_at_once(table, found, blocks, worker.log(0), begin))
    }

    /// Takes the entry of a full slot out of a table that is the only one, and puts blocks back. Gives its value.
    /// `begin` is called before it is changed.
    #[inline(always)]
    pub(super) fn empty_at_once<const M: usize>(
        &self,
        table: Table<Slot<K, V>>,
        found: Found<Slot<K, V>>,
        blocks: [Option<Block<'_>>; M],
        log: &Log,
        begin: impl FnOnce(),
    ) -> Option<V> {
        if found.index >= table.slots() {
            return None;
        }
        // SAFETY: the value of a full slot.
        let value = unsafe { V::load(&raw const (*found.slot).value, self.cx) }.ok()?;
        let (head, remains) = (self.head, table.remains(found.index));
        begin();
        log.at_a_stroke(self.cx.map(), [], [(&head.len, 2), (table.word(found.index), 1)], blocks, || {
            table.set_control(found.index, remains);
            head.len.put(head.len.get().saturating_sub(1));
            head.left.put(head.left.get().wrapping_add(u64::from(remains == EMPTY)));
        });
        Some(value)
    }
}
