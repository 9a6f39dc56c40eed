//! Memory in the segment: blocks of slabs, spans of pages, and the journal that makes both safe.
//!
//! Allocating and freeing are parts of a transaction, whose log is passed in as a [`Journal`]: a block is
//! noted as reserved before it is taken, so that whoever rolls back gives it back, and a block to be
//! freed is released only after commit, each by one idempotent step.

pub(crate) mod classes;
pub(crate) mod heap;
pub(crate) mod holes;
mod known;
#[cfg(all(test, loom))]
mod loom_tests;
pub(crate) mod meta;
pub(crate) mod shrink;
pub(crate) mod slab;
pub(crate) mod usage;

use crate::error::{Error, Result};
use crate::layout::{PAGE, Word};
use crate::participant::Actor;
use classes::{CLASSES, class_of};
use heap::{Heap, Purpose};
use known::Known;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

/// The log of the transaction that allocates.
pub(crate) trait Journal {
    /// Makes room for one reservation, so that `reserve` cannot fail.
    fn make_room(&self) -> Result<()>;
    /// Notes that these bytes are about to be taken.
    fn reserve(&self, offset: u64, bytes: u64);
    /// The log's record, by which an intent finds it.
    fn record(&self) -> u64;
}

/// What a thread remembers of its slabs; all of it can be found again in the segment.
pub(crate) struct Local {
    classes: [ClassLocal; CLASSES],
    known: Known,
}

#[derive(Default)]
struct ClassLocal {
    /// Start of the slab that blocks are taken from, 0 if none.
    current: Cell<u64>,
    /// Slabs that had free blocks when last seen, each once: where, its meta says. 0: given back since.
    partial: RefCell<Vec<u64>>,
    /// An empty slab that is kept for the next need.
    spare: Cell<u64>,
    /// Where to go on looking through the slabs that the slot had before this thread took it.
    unseen: Cell<u64>,
    /// Where to go on looking for blocks that others freed.
    cursor: Cell<u64>,
}

impl ClassLocal {
    /// Remembers that a slab has free blocks, if that is not known already.
    fn remember(&self, slab: &Slab<'_>) {
        let mut partial = self.partial.borrow_mut();
        if partial.get(slab.meta.place.get() as usize) != Some(&slab.start) {
            slab.meta.place.put(partial.len() as u64);
            partial.push(slab.start);
        }
    }

    /// Forgets a slab that is about to be given back.
    fn forget(&self, slab: &Slab<'_>) {
        let mut partial = self.partial.borrow_mut();
        if let Some(start) = partial.get_mut(slab.meta.place.get() as usize).filter(|start| **start == slab.start) {
            *start = 0;
        }
    }

    /// The slab remembered last; it is not remembered any more.
    fn last_remembered(&self) -> Option<u64> {
        let mut partial = self.partial.borrow_mut();
        while let Some(start) = partial.pop() {
            if start != 0 {
                return Some(start);
            }
        }
        None
    }
}

/// Slabs looked at in one refill before a new one is made: keeps a refill short, and yet finds most of
/// what was freed before the segment grows.
const LOOKS: usize = 64;

/// Pages of a request that is no block.
fn pages_of(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE)
}

/// Bytes that a request really takes.
pub(crate) fn footprint(bytes: u64, align: u64) -> u64 {
    match class_of(bytes, align) {
        Some(class) => classes::size_of_class(class),
        None => pages_of(bytes) * PAGE,
    }
}

impl Local {
    /// For a slot that was just claimed, with whatever slabs earlier occupants left.
    pub(crate) fn new(actor: &Actor<'_>) -> Result<Local> {
        // Somebody who saw the slot free may be taking over a slab of it, under the heap lock.
        drop(Heap::lock(actor)?);
        let local = Local { classes: std::array::from_fn(|_| ClassLocal::default()), known: Known::new() };
        for (class, state) in local.classes.iter().enumerate() {
            state.unseen.set(actor.slot.slabs[class].get());
        }
        Ok(local)
    }

    /// Takes a block of at least `bytes`, aligned to `align` (a power of two up to 4096). Gives its
    /// offset.
    #[inline]
    pub(crate) fn alloc(&self, actor: &Actor<'_>, journal: &impl Journal, bytes: u64, align: u64) -> Result<u64> {
        journal.make_room()?;
        let Some(class) = class_of(bytes, align) else {
            return self.with_reclaim(actor, || alloc_span(actor, journal, bytes, align));
        };
        let current = self.classes[class].current.get();
        if let Some(slab) = self.known.slab_of_page(current / PAGE)
            && let Some(index) = slab.first_free()
        {
            return Ok(take(&slab, index, journal));
        }
        let slab = self.refill(actor, class)?;
        let index = slab.first_free().ok_or_else(|| Error::corrupt(slab.start, "a slab lost its blocks"))?;
        Ok(take(&slab, index, journal))
    }

    /// Finds or makes a slab with a free block, and makes it current.
    #[cold]
    fn refill<'a>(&self, actor: &'a Actor<'a>, class: usize) -> Result<Slab<'a>> {
        let local = &self.classes[class];
        let current = local.current.take();
        if current != 0 {
            // It may only have been forgotten.
            let slab = Slab::at(&actor.at.map, current)?;
            if slab.first_free().is_some() {
                return Ok(self.use_slab(slab));
            }
        }
        let slab = match self.find_partial(actor, class)? {
            Some(slab) => slab,
            None => self.with_reclaim(actor, || self.acquire(actor, class))?,
        };
        Ok(self.use_slab(slab))
    }

    /// Makes a slab current.
    fn use_slab<'a>(&self, slab: Slab<'a>) -> Slab<'a> {
        self.classes[usize::from(slab.info.class)].current.set(slab.start);
        self.known.remember(slab.start / PAGE, &slab);
        slab
    }

    /// Does it once more if it finds no room, after giving back what is kept for later; and then again, if those above
    /// have something that nobody needs.
    fn with_reclaim<R>(&self, actor: &Actor<'_>, mut find: impl FnMut() -> Result<R>) -> Result<R> {
        let mut result = find();
        if matches!(result, Err(Error::OutOfSpace { .. })) && self.reclaim(actor)? {
            result = find();
        }
        if matches!(result, Err(Error::OutOfSpace { .. })) && actor.at.relieve() {
            self.reclaim(actor)?;
            result = find();
        }
        result
    }

    /// Gives empty slabs back that are kept for the next need, own ones and those of slots without occupant. Tells
    /// whether there were any. Takes time for those only, and for slabs in which others freed something.
    #[cold]
    pub(crate) fn reclaim(&self, actor: &Actor<'_>) -> Result<bool> {
        let mut any = false;
        for (class, local) in self.classes.iter().enumerate() {
            loop {
                let heap = Heap::lock(actor)?;
                let Some(slab) = slab::adopt(&heap, class)? else { break };
                drop(heap);
                slab.collect(actor);
                if slab.is_empty() {
                    self.give_back(actor, &slab)?;
                    any = true;
                } else if slab.first_free().is_some() {
                    local.remember(&slab);
                }
            }
            if actor.slot.inbox.atomic().fetch_and(!(1 << class), Ordering::Acquire) & 1 << class != 0 {
                local.cursor.set(0);
                any |= self.trim_class(actor, class)?;
                continue;
            }
            for kept in [&local.spare, &local.current] {
                let slab = Slab::at(&actor.at.map, kept.get()).ok().filter(|_| kept.get() != 0);
                if let Some(slab) = slab.filter(|slab| slab.is_of(actor, class) && slab.is_empty()) {
                    kept.set(0);
                    self.give_back(actor, &slab)?;
                    any = true;
                }
            }
        }
        Ok(any)
    }

    /// Takes slabs over from slots without occupant until one has room, or makes a new one.
    fn acquire<'a>(&self, actor: &'a Actor<'a>, class: usize) -> Result<Slab<'a>> {
        let heap = Heap::lock(actor)?;
        while let Some(slab) = slab::adopt(&heap, class)? {
            slab.collect(actor);
            if slab.first_free().is_some() {
                return Ok(slab);
            }
        }
        slab::create(&heap, class)
    }

    fn find_partial<'a>(&self, actor: &'a Actor<'a>, class: usize) -> Result<Option<Slab<'a>>> {
        let (map, local) = (&actor.at.map, &self.classes[class]);
        let usable = |slab: &Slab<'_>| slab.is_of(actor, class) && slab.first_free().is_some();
        while let Some(start) = local.last_remembered() {
            if let Some(slab) = Slab::at(map, start).ok().filter(usable) {
                return Ok(Some(slab));
            }
        }
        if let Some(slab) = look_through(actor, &local.unseen, LOOKS)? {
            return Ok(Some(slab));
        }
        let (bit, inbox) = (1 << class, actor.slot.inbox.atomic());
        if inbox.load(Ordering::Relaxed) & bit == 0 {
            return Ok(None);
        }
        if local.cursor.get() == 0 {
            // Cleared before a round begins, so that what comes during it is not lost.
            inbox.fetch_and(!bit, Ordering::Acquire);
            local.cursor.set(actor.slot.slabs[class].get());
        }
        let found = look_through(actor, &local.cursor, LOOKS)?;
        if local.cursor.get() != 0 {
            inbox.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Finds a block for each need - bytes and alignment, no bytes for none - in the slabs that blocks are taken from just
    /// now; `None` if there is not one for each.
    #[inline(always)]
    pub(crate) fn vacant<const M: usize>(&self, needs: [(u64, u64); M]) -> Option<[Option<Vacant<'_>>; M]> {
        let mut found: [Option<Vacant<'_>>; M] = [None; M];
        for index in 0..M {
            let (bytes, align) = needs[index];
            if bytes != 0 {
                let class = class_of(bytes, align)?;
                let slab = self.known.slab_of_page(self.classes[class].current.get() / PAGE)?;
                let before = found[..index].iter().flatten().rev().find(|before| before.slab.start == slab.start);
                let block = match before {
                    Some(before) => slab.next_free(before.index)?,
                    None => slab.first_free()?,
                };
                let bytes = classes::size_of_class(class);
                found[index] = Some(Vacant { slab, index: block, offset: slab.start + block * bytes, bytes });
            }
        }
        Some(found)
    }

    /// Finds a block that was taken with that size and alignment; `None` if there is none of a slab.
    #[inline(always)]
    pub(crate) fn find<'a>(&'a self, actor: &'a Actor<'a>, offset: u64, bytes: u64, align: u64) -> Option<Block<'a>> {
        let block = Block::find(actor, Some(self), offset, class_of(bytes, align)?).ok()?;
        (!block.slab.is_free(block.index)).then_some(block)
    }

    /// After a block of an own slab was put back: remembers that there is room, and gives the slab
    /// back to the heap if it is empty and another empty one is kept.
    #[inline(always)]
    fn after_release(&self, actor: &Actor<'_>, slab: &Slab<'_>) -> Result<()> {
        let local = &self.classes[usize::from(slab.info.class)];
        if local.current.get() == slab.start {
            return Ok(());
        }
        if slab.has_one_free() {
            local.remember(slab);
        }
        if slab.is_empty() { self.after_last_release(actor, slab) } else { Ok(()) }
    }

    /// The same for a slab that is empty.
    #[inline(never)]
    fn after_last_release(&self, actor: &Actor<'_>, slab: &Slab<'_>) -> Result<()> {
        let spare = &self.classes[usize::from(slab.info.class)].spare;
        let kept = spare.get();
        if kept == slab.start || kept == 0 || !Slab::at(&actor.at.map, kept).is_ok_and(|kept| kept.is_empty()) {
            spare.set(slab.start);
            return Ok(());
        }
        self.give_back(actor, slab)
    }

    fn give_back(&self, actor: &Actor<'_>, slab: &Slab<'_>) -> Result<()> {
        // Nothing may lead there any more: not even the slab's meta stays.
        let local = &self.classes[usize::from(slab.info.class)];
        local.forget(slab);
        self.known.forget(slab);
        for place in [&local.current, &local.spare] {
            if place.get() == slab.start {
                place.set(0);
            }
        }
        for place in [&local.unseen, &local.cursor] {
            if place.get() == slab.start {
                place.set(slab.meta.next.get());
            }
        }
        slab::destroy(&Heap::lock(actor)?, slab)
    }

    /// Gives all empty slabs back to the heap.
    pub(crate) fn trim(&self, actor: &Actor<'_>) -> Result<()> {
        (0..CLASSES).try_for_each(|class| self.trim_class(actor, class).map(drop))
    }

    /// Gives all empty slabs of a class back to the heap; tells whether there were any.
    fn trim_class(&self, actor: &Actor<'_>, class: usize) -> Result<bool> {
        let local = &self.classes[class];
        local.current.set(0);
        local.spare.set(0);
        local.unseen.set(0);
        local.partial.borrow_mut().clear();
        let (mut start, mut any) = (actor.slot.slabs[class].get(), false);
        while start != 0 {
            let slab = Slab::at(&actor.at.map, start)?;
            start = slab.meta.next.get();
            slab.collect(actor);
            if slab.is_empty() {
                self.give_back(actor, &slab)?;
                any = true;
            } else if slab.first_free().is_some() {
                local.remember(&slab);
            }
        }
        Ok(any)
    }
}

/// Looks for room in up to `most` slabs of an own list, from where `place` says, taking in what others
/// freed there.
fn look_through<'a>(actor: &'a Actor<'a>, place: &Cell<u64>, most: usize) -> Result<Option<Slab<'a>>> {
    for _ in 0..most {
        if place.get() == 0 {
            break;
        }
        let slab = Slab::at(&actor.at.map, place.get())?;
        place.set(slab.meta.next.get());
        slab.collect(actor);
        if slab.first_free().is_some() {
            return Ok(Some(slab));
        }
    }
    Ok(None)
}

#[inline(always)]
fn take(slab: &Slab<'_>, index: u64, journal: &impl Journal) -> u64 {
    let block = slab.block(index);
    journal.reserve(block, classes::size_of_class(usize::from(slab.info.class)));
    slab.take(index);
    block
}

#[cold]
fn alloc_span(actor: &Actor<'_>, journal: &impl Journal, bytes: u64, align: u64) -> Result<u64> {
    if align > PAGE {
        return Err(Error::BadArgument { what: "alignment", value: align, rule: "which must be at most 4096" });
    }
    let pages = pages_of(bytes);
    let heap = Heap::lock(actor)?;
    heap.span(pages, journal.record(), |offset| journal.reserve(offset, pages * PAGE))
}

/// Lengthens a span in place, if the pages behind it are free.
pub(crate) fn extend(actor: &Actor<'_>, journal: &impl Journal, offset: u64, from: u64, to: u64) -> Result<bool> {
    if class_of(from, 1).is_some() {
        return Ok(to <= footprint(from, 1));
    }
    let (from, to) = (pages_of(from), pages_of(to));
    if to <= from {
        return Ok(true);
    }
    journal.make_room()?;
    let heap = Heap::lock(actor)?;
    let reserve = |at| journal.reserve(at, (to - from) * PAGE);
    Ok(heap.extend_span(offset / PAGE + from, to - from, journal.record(), reserve))
}

/// Lets the file grow by a step, unless it has room for a span of so many bytes already.
pub(crate) fn grow_ahead(actor: &Actor<'_>, bytes: u64) -> Result<()> {
    Heap::lock(actor)?.grow_ahead(pages_of(bytes))
}

/// Gives a block or span back, at once: the caller's transaction is past its commit, or rolls back.
/// `forget` drops the log's entry for it, at the moment from which the release must not be repeated.
pub(crate) fn release(
    actor: &Actor<'_>,
    local: Option<&Local>,
    offset: u64,
    bytes: u64,
    align: u64,
    record: u64,
    forget: impl FnOnce(),
) -> Result<()> {
    let Some(class) = class_of(bytes, align) else {
        let heap = Heap::lock(actor)?;
        heap.release(offset / PAGE, pages_of(bytes), record, forget);
        return Ok(());
    };
    Block::find(actor, local, offset, class)?.put_back(forget)
}

/// A free block of a slab of the thread's, which it can take.
#[derive(Clone, Copy)]
pub(crate) struct Vacant<'a> {
    slab: Slab<'a>,
    index: u64,
    /// Where it begins.
    pub offset: u64,
    /// Its size, which is that of its class.
    pub bytes: u64,
}

impl Vacant<'_> {
    /// Takes it, once the log has it.
    #[inline(always)]
    pub(crate) fn take(&self) {
        self.slab.take(self.index);
    }
}

/// A block of a slab that is to be put back.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    actor: &'a Actor<'a>,
    local: Option<&'a Local>,
    slab: Slab<'a>,
    index: u64,
    /// Whether it is of a slab of the actor's.
    is_own: bool,
}

impl<'a> Block<'a> {
    /// The block of a class that begins at an offset.
    #[inline(always)]
    fn find(actor: &'a Actor<'a>, local: Option<&'a Local>, offset: u64, class: usize) -> Result<Block<'a>> {
        if let Some(slab) = local.and_then(|local| local.known.slab_of_page(offset / PAGE))
            && let Some(index) = slab.index_of(offset, class)
        {
            return Ok(Block { actor, local, slab, index, is_own: true });
        }
        let (slab, index) = Slab::of_block(&actor.at.map, offset, class)?;
        let is_own = usize::from(slab.info.owner) == actor.index + 1;
        if let Some(local) = local.filter(|_| is_own) {
            local.known.remember(offset / PAGE, &slab);
        }
        Ok(Block { actor, local, slab, index, is_own })
    }

    /// Where it begins.
    #[inline(always)]
    pub(crate) fn offset(&self) -> u64 {
        self.slab.block(self.index)
    }

    /// Its size, which is that of its class, whatever it was taken for.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> u64 {
        classes::size_of_class(usize::from(self.slab.info.class))
    }

    /// Puts it back, once. `forget` drops the log's entry for it, at the moment from which this must not be repeated. What
    /// can fail then is to give an empty slab back.
    #[inline(always)]
    pub(crate) fn put_back(&self, forget: impl FnOnce()) -> Result<()> {
        if !self.is_own {
            self.slab.put_back_foreign(self.actor, self.index, forget);
            return Ok(());
        }
        self.slab.put_back(self.index);
        forget();
        match self.local {
            Some(local) => local.after_release(self.actor, &self.slab),
            None => Ok(()),
        }
    }
}

/// The first of the 64 neighbours that a block of a slab is one of, and its number among them; `None` for what is no
/// block of a slab.
pub(crate) fn gatherable(actor: &Actor<'_>, offset: u64, bytes: u64, align: u64) -> Option<(u64, u64)> {
    let (slab, index) = Slab::of_block(&actor.at.map, offset, class_of(bytes, align)?).ok()?;
    Some((slab.block(index & !63), index & 63))
}

/// Takes pages that a word of the file will point to.
pub(crate) fn publish(
    actor: &Actor<'_>,
    pages: u64,
    purpose: Purpose,
    target: &Word,
    prepare: impl Fn(u64),
) -> Result<u64> {
    Heap::lock(actor)?.publish(pages, purpose, target, prepare)
}

/// Finishes what a dead occupant of the actor's slot was doing to the heap, and unlocks the heap if
/// it held it. `forget(record, offset)` drops the last entry of that log if it names that offset.
pub(crate) fn recover(actor: &Actor<'_>, forget: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<()> {
    let lock = actor.heap_lock();
    if lock.word.load(Ordering::Acquire) & crate::sync::OWNER == actor.tag {
        Heap::held(actor).finish(forget)?;
    }
    slab::finish_collecting(actor)
}
