//! Slabs: runs of pages cut into blocks of one size, each owned by a thread slot.
//!
//! ```text
//! meta, 64 B a page, in its region's meta page     info: owner 16 | blocks 16 | head 8 | pages 8 |
//!   0 info          8 next   16 prev                     kind 8 | class 8
//!  24 free bits of 128 blocks (owner only)         owner: thread slot + 1
//!  40 remote bits of 128 blocks (anybody)          head: pages back to the slab's first page
//!  56 place (a note of the owner)
//! ```
//!
//! *Alloc*: the owner notes the block in its log, then clears its free bit with a plain store.
//! *Free by the owner*: set the free bit. *Free by another*: name the block in the own slot's
//! `freeing`, set the remote bit, tell the owner's `inbox` if the word was empty, then drop the log's
//! entry, then clear `freeing`. *Collect* (owner): take the remote bits but those that some slot names
//! in `freeing`; set them in free; clear them in remote. That exclusion is what makes a free that is
//! done again by a rescuer harmless: the block cannot be handed out while its intent stands. A
//! rescuer of the collector repeats the last two steps for the slab named in `collecting`.
//!
//! A slot's slabs are in one list a class, changed only under the heap lock. They stay with the slot when
//! its occupant leaves or dies, and the next occupant has them. Slabs of a slot without an occupant
//! may be taken over by others, who find them by the header's `stranded` hint.

use super::classes::{MOST_BLOCKS, block_index, size_of_class};
use super::heap::{Heap, kind};
use super::meta::{has_meta, meta_page};
use crate::error::{Error, Result};
use crate::layout::{CLASS_LISTS, FIRST_BLOCK, META_PAGE, PAGE, Point, REGION, ThreadSlot, Word, at, thread_status};
use crate::map::Map;
use crate::participant::Actor;
use crate::sync::{Surroundings, Word64};
use std::sync::atomic::Ordering;

/// The meta of one page.
#[repr(C)]
pub(crate) struct Meta {
    pub info: Word,
    pub next: Word,
    pub prev: Word,
    pub free: [Word; 2],
    pub remote: [Word; 2],
    /// Where the owner remembers it: of no meaning to anybody else.
    pub place: Word,
}

const _: () = assert!(size_of::<Meta>() == 64);

/// `info`, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub class: u8,
    pub kind: u8,
    pub pages: u8,
    pub head: u8,
    pub blocks: u16,
    pub owner: u16,
}

/// No slab.
pub(crate) const NOT_A_SLAB: u8 = 0;
/// The first page of a slab.
pub(crate) const HEAD: u8 = 1;
/// A further page of a slab.
pub(crate) const INTERIOR: u8 = 2;

impl Info {
    #[inline(always)]
    pub(crate) fn unpack(word: u64) -> Info {
        Info {
            class: word as u8,
            kind: (word >> 8) as u8,
            pages: (word >> 16) as u8,
            head: (word >> 24) as u8,
            blocks: (word >> 32) as u16,
            owner: (word >> 48) as u16,
        }
    }

    pub(crate) fn pack(self) -> u64 {
        u64::from(self.class)
            | u64::from(self.kind) << 8
            | u64::from(self.pages) << 16
            | u64::from(self.head) << 24
            | u64::from(self.blocks) << 32
            | u64::from(self.owner) << 48
    }
}

/// A slab: its meta, its place, its shape.
#[derive(Clone, Copy)]
pub(crate) struct Slab<'a> {
    pub meta: &'a Meta,
    pub start: u64,
    pub info: Info,
}

/// The meta of a page in a region that has one.
#[inline(always)]
pub(crate) fn meta_of(map: &Map, page: u64) -> Result<&Meta> {
    let region = page / 64;
    let offset = if region == 0 { META_PAGE } else { region * REGION } + page % 64 * 64;
    debug_assert_eq!(offset & !(PAGE - 1), meta_page(region));
    // SAFETY: `Meta` is all words.
    unsafe { map.get::<Meta>(offset) }
}

impl<'a> Slab<'a> {
    /// The slab that begins at an offset.
    pub(crate) fn at(map: &'a Map, start: u64) -> Result<Slab<'a>> {
        let meta = meta_of(map, start / PAGE)?;
        let info = Info::unpack(meta.info.get());
        let shape = info.kind == HEAD && usize::from(info.class) < super::classes::CLASSES && start >= FIRST_BLOCK;
        if !shape || u64::from(info.blocks) > MOST_BLOCKS || !start.is_multiple_of(PAGE) {
            return Err(Error::corrupt(start, "no slab begins here"));
        }
        Ok(Slab { meta, start, info })
    }

    /// The slab and the index of the block in it that begins at an offset and has this size.
    #[inline]
    pub(crate) fn of_block(map: &'a Map, block: u64, class: usize) -> Result<(Slab<'a>, u64)> {
        let page = block / PAGE;
        if !has_meta(map, page / 64) {
            return Err(Error::corrupt(block, "no slab is here"));
        }
        let info = Info::unpack(meta_of(map, page)?.info.get());
        let head = if info.kind == INTERIOR { page.wrapping_sub(u64::from(info.head)) } else { page };
        let slab = Slab::at(map, head.wrapping_mul(PAGE))?;
        let index = slab.index_of(block, class);
        Ok((slab, index.ok_or_else(|| Error::corrupt(block, "no block of this size begins here"))?))
    }

    /// The index of the block that begins at an offset, not before the slab, and has this size.
    #[inline(always)]
    pub(crate) fn index_of(&self, block: u64, class: usize) -> Option<u64> {
        let distance = block - self.start;
        let index = block_index(class, distance.min(1 << 16));
        let is_one = usize::from(self.info.class) == class
            && index < u64::from(self.info.blocks)
            && index * size_of_class(class) == distance;
        is_one.then_some(index)
    }

    /// Whether it is the actor's, and of that class.
    pub(crate) fn is_of(&self, actor: &Actor<'_>, class: usize) -> bool {
        usize::from(self.info.owner) == actor.index + 1 && usize::from(self.info.class) == class
    }

    /// Offset of a block.
    #[inline(always)]
    pub(crate) fn block(&self, index: u64) -> u64 {
        self.start + index * size_of_class(usize::from(self.info.class))
    }

    /// The index of a free block.
    #[inline(always)]
    pub(crate) fn first_free(&self) -> Option<u64> {
        let low = self.meta.free[0].get();
        if low != 0 {
            return Some(u64::from(low.trailing_zeros()));
        }
        let high = self.meta.free[1].get();
        (high != 0).then(|| 64 + u64::from(high.trailing_zeros()))
    }

    /// The index of a free block behind another.
    pub(crate) fn next_free(&self, index: u64) -> Option<u64> {
        (index + 1..u64::from(self.info.blocks)).find(|index| self.is_free(*index))
    }

    /// Whether the owner could hand out a block.
    #[inline(always)]
    pub(crate) fn is_free(&self, index: u64) -> bool {
        self.meta.free[(index / 64) as usize].get() & 1 << (index % 64) != 0
    }

    /// Whether the owner could hand out all blocks.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        let blocks = u64::from(self.info.blocks);
        // The low half alone tells most often.
        self.meta.free[0].get() == ones(blocks.min(64)) && self.meta.free[1].get() == ones(blocks.saturating_sub(64))
    }

    /// Whether the owner could hand out a single block.
    #[inline(always)]
    pub(crate) fn has_one_free(&self) -> bool {
        let (low, high) = (self.meta.free[0].get(), self.meta.free[1].get());
        let either = low | high;
        either & either.wrapping_sub(1) == 0 && (low == 0) != (high == 0)
    }

    /// Takes a block out; only by the owner, after its log has it.
    #[inline(always)]
    pub(crate) fn take(&self, index: u64) {
        let word = &self.meta.free[(index / 64) as usize];
        at(Point::BlockTake);
        word.publish(word.get() & !(1 << (index % 64)));
    }

    /// Puts a block back; only by the owner.
    #[inline(always)]
    pub(crate) fn put_back(&self, index: u64) {
        let word = &self.meta.free[(index / 64) as usize];
        at(Point::BlockRelease);
        word.publish(word.get() | 1 << (index % 64));
    }

    /// Puts a block back that another slot's slab has. `forget` drops the log's entry.
    pub(crate) fn put_back_foreign(&self, actor: &Actor<'_>, index: u64, forget: impl FnOnce()) {
        let remote = self.meta.remote[(index / 64) as usize].atomic();
        let tell = || {
            // The owner may be another since: see `adopt`.
            actor.at.fence_after_swap();
            let owner = usize::from(Info::unpack(self.meta.info.get()).owner);
            if let Some(slot) = owner.checked_sub(1).and_then(|owner| actor.at.map.thread(owner)) {
                slot.inbox.atomic().fetch_or(1 << self.info.class, Ordering::Release);
            }
        };
        set_remote(actor.slot.freeing.atomic(), self.block(index), remote, 1 << (index % 64), tell, forget);
    }

    /// Takes in what others have freed; only by the owner. Gives how many blocks came.
    pub(crate) fn collect(&self, actor: &Actor<'_>) -> u64 {
        let mut came = 0;
        for (half, remote) in self.meta.remote.iter().enumerate() {
            if remote.get() == 0 {
                continue;
            }
            let free = &self.meta.free[half];
            let (bits, left) = take_remote(
                actor.slot.collecting.atomic(),
                self.start,
                remote.atomic(),
                || self.named_as_freeing(actor, half as u64),
                |bits| free.publish(free.get() | bits),
            );
            came += u64::from(bits.count_ones());
            if left {
                // Come back for what was left out.
                actor.slot.inbox.atomic().fetch_or(1 << self.info.class, Ordering::Relaxed);
            }
        }
        came
    }

    /// The blocks of one half of the slab that some slot names as being freed.
    fn named_as_freeing(&self, actor: &Actor<'_>, half: u64) -> u64 {
        let class = usize::from(self.info.class);
        let mut named = 0;
        for slot in (0..actor.at.thread_slots()).filter_map(|index| actor.at.map.thread(index)) {
            let block = slot.freeing.get_acquire();
            if let Some(distance) = block.checked_sub(self.start).filter(|d| *d < u64::from(self.info.pages) * PAGE) {
                let index = block_index(class, distance);
                if index / 64 == half {
                    named |= 1 << (index % 64);
                }
            }
        }
        named
    }
}

/// Frees a block by its remote bit: names it in `freeing` meanwhile, tells the owner if it does not know yet that
/// bits are set, and drops the log's entry. Who finds its own bit set does it for the dead, who may have been
/// killed before it told.
pub(crate) fn set_remote<W: Word64>(
    freeing: &W,
    block: u64,
    remote: &W,
    bit: u64,
    tell: impl FnOnce(),
    forget: impl FnOnce(),
) {
    freeing.publish(block);
    at(Point::BlockForeignRelease);
    let before = remote.fetch_or(bit, Ordering::AcqRel);
    if before == 0 || before & bit != 0 {
        tell();
    }
    forget();
    freeing.publish(0);
}

/// Takes the remote bits but those `named`, hands them to `keep`, then clears them; names the slab in
/// `collecting` meanwhile. Gives the bits, and whether some are left.
pub(crate) fn take_remote<W: Word64>(
    collecting: &W,
    slab: u64,
    remote: &W,
    named: impl FnOnce() -> u64,
    keep: impl FnOnce(u64),
) -> (u64, bool) {
    collecting.publish(slab);
    at(Point::Collect);
    let all = remote.load(Ordering::Acquire);
    // Loaded after the bits: who still names one of them set it before.
    let bits = all & !named();
    keep(bits);
    // Who sets a bit while others are set leaves it to them to tell.
    let left = remote.fetch_and(!bits, Ordering::Release) & !bits != 0;
    collecting.publish(0);
    (bits, left)
}

/// Makes a slab for a class and puts it at the head of the actor's list.
pub(crate) fn create<'a>(heap: &Heap<'a>, class: usize) -> Result<Slab<'a>> {
    let (page, pages) = heap.find_for_slab(super::classes::slab_pages(class))?;
    let blocks = (pages * PAGE / size_of_class(class)).min(MOST_BLOCKS);
    let intent = heap.intent();
    intent.set(kind::SLAB, page, pages, class as u64);
    heap.mark(page, pages);
    let info = Info {
        class: class as u8,
        kind: HEAD,
        pages: pages as u8,
        head: 0,
        blocks: blocks as u16,
        owner: heap.actor.index as u16 + 1,
    };
    for delta in 1..pages {
        let interior = Info { kind: INTERIOR, head: delta as u8, ..info };
        meta_of(heap.map(), page + delta)?.info.put(interior.pack());
    }
    let meta = meta_of(heap.map(), page)?;
    meta.free[0].put(ones(blocks.min(64)));
    meta.free[1].put(ones(blocks.saturating_sub(64)));
    meta.remote.iter().for_each(|word| word.put(0));
    meta.info.put(info.pack());
    push(heap, meta, page * PAGE, class)?;
    intent.clear();
    Ok(Slab { meta, start: page * PAGE, info })
}

/// A word with the low `count` bits set.
#[inline(always)]
fn ones(count: u64) -> u64 {
    if count == 0 { 0 } else { u64::MAX >> (64 - count) }
}

/// Puts a slab at the head of the actor's list; the store of the head is what counts.
fn push(heap: &Heap<'_>, meta: &Meta, start: u64, class: usize) -> Result<()> {
    let head = &heap.actor.slot.slabs[class];
    meta.prev.put(0);
    meta.next.put(head.get());
    head.publish(start);
    settle(heap, meta, start)
}

/// Makes the neighbour behind a new head point back to it.
fn settle(heap: &Heap<'_>, meta: &Meta, start: u64) -> Result<()> {
    if meta.next.get() != 0 {
        meta_of(heap.map(), meta.next.get() / PAGE)?.prev.put(start);
    }
    Ok(())
}

/// Takes a slab out of a slot's list. Done again it does the same, for the slab keeps its links.
fn unlink(heap: &Heap<'_>, slot: &ThreadSlot, meta: &Meta, start: u64, class: usize) -> Result<()> {
    let (next, prev) = (meta.next.get(), meta.prev.get());
    if prev != 0 {
        meta_of(heap.map(), prev / PAGE)?.next.put(next);
    } else if slot.slabs[class].get() == start {
        slot.slabs[class].put(next);
    }
    if next != 0 {
        meta_of(heap.map(), next / PAGE)?.prev.put(prev);
    }
    Ok(())
}

/// Gives an empty slab of the actor back to the heap.
pub(crate) fn destroy(heap: &Heap<'_>, slab: &Slab<'_>) -> Result<()> {
    heap.intent().set(kind::UNSLAB, slab.start / PAGE, u64::from(slab.info.pages), u64::from(slab.info.class));
    finish(heap)?;
    heap.intent().clear();
    heap.drop_meta(slab.start / REGION)
}

/// Takes over a slab of a slot that nobody occupies, and puts it into the actor's list.
pub(crate) fn adopt<'a>(heap: &Heap<'a>, class: usize) -> Result<Option<Slab<'a>>> {
    let (at, map) = (heap.actor.at, heap.map());
    let stranded = &map.header().stranded;
    if stranded.get() & 1 << class == 0 {
        return Ok(None);
    }
    for index in 0..at.thread_slots() {
        let Some(slot) = map.thread(index) else { continue };
        let start = slot.slabs[class].get();
        if index == heap.actor.index || start == 0 || at.state(slot).status != thread_status::FREE {
            continue;
        }
        let slab = Slab::at(map, start)?;
        // Each slab that is taken over has another owner then: so this comes to an end in lists that go in a circle, too.
        if slab.meta.prev.get() != 0 || usize::from(slab.info.owner) != index + 1 {
            return Err(Error::corrupt(start, "a list of slabs that begins with one of another list"));
        }
        heap.intent().set(kind::UNLINK, start / PAGE, u64::from(slab.info.pages), class as u64 | (index as u64) << 8);
        finish(heap)?;
        heap.intent().clear();
        // Who frees a block here sets its remote bit, then asks who owns the slab; the owner looks
        // at the remote bits after it said so. One of the two sees the other.
        std::sync::atomic::fence(Ordering::SeqCst);
        return Slab::at(map, start).map(Some);
    }
    stranded.atomic().fetch_and(!(1 << class), Ordering::Relaxed);
    Ok(None)
}

/// Says that a slot without an occupant may have slabs.
pub(crate) fn strand(actor: &Actor<'_>) {
    let classes = (0..CLASS_LISTS).filter(|class| actor.slot.slabs[*class].get() != 0);
    let bits = classes.fold(0, |bits, class| bits | 1 << class);
    if bits != 0 {
        actor.at.map.header().stranded.atomic().fetch_or(bits, Ordering::Relaxed);
    }
}

/// Finishes or undoes a slab intent of the acting slot: see the kinds in `heap`.
///
/// ```text
/// SLAB    is committed when the list's head is the slab   else: its pages are no slab, clear the bits
/// UNSLAB  at once: unlink, its pages are no slab, clear the bits
/// UNLINK  at once: unlink from slot aux >> 8; then it is a LINK
/// LINK    at once: own it, push it
/// ```
pub(crate) fn finish(heap: &Heap<'_>) -> Result<()> {
    let (map, intent, slot) = (heap.map(), heap.intent(), heap.actor.slot);
    let (page, pages) = (intent.start.get(), intent.count.get());
    let (class, start) = ((intent.aux.get() & 0xff) as usize, page * PAGE);
    if class >= CLASS_LISTS || pages > 64 {
        return Err(Error::corrupt(map.offset_of(intent), "an intent out of range"));
    }
    let meta = meta_of(map, page)?;
    let dissolve = || -> Result<()> {
        for delta in 0..pages {
            meta_of(map, page + delta)?.info.put(0);
        }
        heap.unmark(page, pages);
        Ok(())
    };
    match intent.kind.get() {
        kind::SLAB if slot.slabs[class].get() == start => settle(heap, meta, start),
        kind::SLAB => dissolve(),
        kind::UNSLAB => {
            unlink(heap, slot, meta, start, class)?;
            dissolve()
        }
        kind::UNLINK => {
            let from = (intent.aux.get() >> 8) as usize;
            let from = map.thread(from).ok_or_else(|| Error::corrupt(map.offset_of(intent), "no such slot"))?;
            unlink(heap, from, meta, start, class)?;
            intent.kind.publish(kind::LINK);
            finish(heap)
        }
        kind::LINK => {
            if slot.slabs[class].get() == start {
                return settle(heap, meta, start);
            }
            let info = Info::unpack(meta.info.get());
            meta.info.put(Info { owner: heap.actor.index as u16 + 1, ..info }.pack());
            push(heap, meta, start, class)
        }
        _ => Err(Error::corrupt(map.offset_of(intent), "an unknown intent")),
    }
}

/// Repeats what a dead collector may have left half done: no block of its slab was handed out since.
pub(crate) fn finish_collecting(actor: &Actor<'_>) -> Result<()> {
    let start = actor.slot.collecting.get();
    if start != 0 {
        Slab::at(&actor.at.map, start)?.collect(actor);
        actor.slot.collecting.publish(0);
    }
    Ok(())
}
