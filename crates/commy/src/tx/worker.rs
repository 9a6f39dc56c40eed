//! A thread at work in a segment: its slot, its slabs, its transactions, the locks it holds.
//!
//! Each thread gets its worker of an attachment when it first needs one, and keeps it in a thread-local
//! list until it ends or the attachment does. Both ends meet in the *roster* of the attachment: a
//! thread that ends gives its slot up if the attachment still is; an attachment that ends gives up the
//! slots of all its threads, but cannot put out their beacons, which only the threads themselves can.
//!
//! Guards may be leaked, and references to what they guard be used by any thread until the attachment ends. So a
//! thread that ends with guards left leaves its slot *pinned*: what they hold stays locked as long as the process
//! has the attachment.

use super::habits::Habits;
use super::log::{Log, LogOf};
use super::owner::{Keeper, LEFT};
use super::record::{Record, drop_kept_chunks};
use super::{Context, Cx};
use crate::alloc::{self, Local, heap::Purpose};
use crate::error::{Error, Result};
use crate::layout::{Header, MARKS, PAGE, PROCESSES_PER_PAGE, THREADS_PER_PAGE, ThreadSlot, WAYS};
use crate::os::{self, Beacon, fork};
use crate::participant::{Actor, Attachment, ForkGuard, ForkMutex, set_busy_soon, set_idle, tag, take_back_busy};
use crate::sync::{NEVER, favourite};
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The threads of an attachment, and whether it still is.
#[derive(Debug, Default)]
pub(crate) struct Roster(ForkMutex<RosterState>);

#[derive(Debug, Default)]
struct RosterState {
    detached: bool,
    /// Slots with their generation.
    seats: Vec<(usize, u32)>,
}

impl Roster {
    fn lock(&self) -> ForkGuard<'_, RosterState> {
        self.0.lock()
    }

    /// Ends all threads' part in the attachment, whose last handle is being dropped: no guard is
    /// open. Gives the pages in which beacons of other threads still burn.
    pub(crate) fn detach(&self, attachment: &Attachment) -> Vec<std::ops::Range<usize>> {
        WORKERS.try_with(|workers| workers.0.borrow_mut().retain(|w| !std::ptr::eq(w.attachment, attachment))).ok();
        let mut state = self.lock();
        state.detached = true;
        let mut pages: Vec<std::ops::Range<usize>> = Vec::new();
        for (index, generation) in state.seats.drain(..) {
            let Some(slot) = attachment.map.thread(index) else { continue };
            let actor = Actor { at: attachment, slot, index, tag: tag(index, generation) };
            // What leaked guards hold is left to whoever meets it, as after a death: nobody here can
            // reach it any more.
            if attachment.state(slot).generation == generation && !has_open(&actor) {
                alloc::slab::strand(&actor);
                actor.leave();
            }
            let start = (attachment.map.offset_of(slot) & !(PAGE - 1)) as usize;
            if Beacon::NEEDS_MEMORY && pages.iter().all(|page| page.start != start) {
                pages.push(start..start + PAGE as usize);
            }
        }
        pages
    }
}

/// Whether a transaction or a read mark is open in the actor's slot.
fn has_open(actor: &Actor<'_>) -> bool {
    let work = actor.slot.work.get();
    let open = |way| Record::of(&actor.at.map, work, way).is_ok_and(|record| record.state.get() != 0);
    let inside = actor.slot.marks.iter().chain([&actor.slot.holds]).any(|word| word.get() != 0);
    inside || (work != 0 && (0..WAYS).any(open))
}

/// The workers of a thread, one for each attachment that it works with.
struct Workers(RefCell<Vec<Keeper>>);

impl Drop for Workers {
    fn drop(&mut self) {
        // The thread ends. With a leaked guard its worker never ends by itself.
        os::forget();
        for worker in self.0.get_mut().drain(..).filter(Keeper::is_shared) {
            worker.retire();
        }
    }
}

thread_local! {
    static WORKERS: Workers = const { Workers(RefCell::new(Vec::new())) };
}

/// Has the thread find a worker as the [latest](Worker::latest).
fn remember(worker: &Keeper) {
    os::remember(worker.serial, worker.as_ptr().cast());
}

/// A thread at work in a segment.
pub(crate) struct Worker {
    attachment: *const Attachment,
    serial: u64,
    roster: Arc<Roster>,
    slot: NonNull<ThreadSlot>,
    index: usize,
    tag: u64,
    epoch: u32,
    alloc: Local,
    logs: [Log; WAYS],
    contexts: [Context; WAYS],
    /// Ways that have a transaction open, one bit each; and `LEFT`.
    pub(super) open: Cell<u32>,
    /// Those of them whose transaction could be neither undone nor ended, and has no guard any more.
    stuck: Cell<u32>,
    /// Marks that read guards use, one bit each.
    pub(super) marks: Cell<u32>,
    /// What the lock calls the thread if it is favoured; else what it calls nobody.
    favourite: u32,
    /// What the thread locks again and again.
    habits: Habits,
    /// Further read guards that use the same mark.
    sharing: [Cell<u32>; MARKS],
    /// The thread is ending, if not all of its guards are.
    beacon_out: Cell<bool>,
}

impl Worker {
    /// Where the calling thread's worker is, if it is the one that the thread used last.
    #[inline(always)]
    fn remembered(attachment: &Attachment) -> Option<NonNull<Worker>> {
        let (serial, latest) = os::remembered();
        // SAFETY: what is remembered with the serial number of an attachment, which is not 0, is a worker.
        (serial == attachment.serial).then(|| unsafe { NonNull::new_unchecked(latest.cast_mut().cast()) })
    }

    /// The calling thread's worker, if it is the one that the thread used last. Lent for one call of a handle's.
    #[inline(always)]
    pub(crate) fn latest(attachment: &Attachment) -> Option<&Worker> {
        // SAFETY: what is remembered is a worker in this thread's list, with the serial number of its attachment: it is
        // forgotten when the worker is dropped, and in a forked child. Serial numbers are never used again, so it is
        // one of this attachment, which is alive; and with it the worker, until the thread ends.
        Worker::remembered(attachment).map(|worker| unsafe { worker.as_ref() })
    }

    /// The calling thread's worker; takes a slot if it has none yet.
    #[inline(always)]
    pub(crate) fn current(attachment: &Attachment, roster: &Arc<Roster>) -> Result<Keeper> {
        match Worker::remembered(attachment) {
            // SAFETY: in this thread's list, as in `latest`; it came out of `Rc::as_ptr`.
            Some(worker) => Ok(unsafe { Keeper::of(worker) }),
            None => Worker::find(attachment, roster),
        }
    }

    /// The pointer to it out of the `Rc` that it is in, which its contexts have.
    pub(super) fn address(&self) -> NonNull<Worker> {
        self.contexts[0].writer.map_or(NonNull::from(self), |writer| writer.worker)
    }

    /// The calling thread's slot, for a moment in which it does not end.
    #[inline(always)]
    pub(crate) fn slot_of<'a>(attachment: &'a Attachment, roster: &Arc<Roster>) -> Result<&'a ThreadSlot> {
        match Worker::latest(attachment) {
            Some(worker) => Ok(worker.slot()),
            None => Worker::find_slot(attachment, roster),
        }
    }

    #[cold]
    fn find_slot<'a>(attachment: &'a Attachment, roster: &Arc<Roster>) -> Result<&'a ThreadSlot> {
        let worker = Worker::find(attachment, roster)?;
        // SAFETY: slots are in the map, which lives as long as the attachment, and are all atomics.
        Ok(unsafe { worker.slot.as_ref() })
    }

    #[cold]
    fn find(attachment: &Attachment, roster: &Arc<Roster>) -> Result<Keeper> {
        attachment.own_place()?;
        let found = WORKERS.try_with(|workers| {
            let workers = workers.0.borrow();
            workers.iter().find(|w| w.serial == attachment.serial && w.is_own()).cloned()
        });
        if let Ok(Some(worker)) = found {
            remember(&worker);
            return Ok(worker);
        }
        Worker::start(attachment, roster)
    }

    #[cold]
    fn start(attachment: &Attachment, roster: &Arc<Roster>) -> Result<Keeper> {
        let mut state = roster.lock();
        // What a parent's thread had is the parent's.
        let epoch = fork::epoch();
        let _ = WORKERS.try_with(|workers| workers.0.borrow_mut().retain(|w| w.epoch == epoch));
        let actor = Actor::claim(attachment)?;
        let alloc = Local::new(&actor).inspect_err(|_| actor.leave())?;
        let worker = Rc::new_cyclic(|worker: &std::rc::Weak<Worker>| Worker {
            attachment,
            serial: attachment.serial,
            roster: roster.clone(),
            slot: NonNull::from(actor.slot),
            index: actor.index,
            tag: actor.tag,
            epoch,
            alloc,
            logs: std::array::from_fn(|_| Log::new()),
            // SAFETY: they are part of this worker.
            contexts: std::array::from_fn(|way| unsafe { Context::of_worker(&attachment.map, worker.as_ptr(), way) }),
            open: Cell::new(0),
            stuck: Cell::new(0),
            marks: Cell::new(0),
            favourite: if os::join_fences() { favourite(actor.index) } else { NEVER },
            habits: Habits::default(),
            sharing: [const { Cell::new(0) }; MARKS],
            beacon_out: Cell::new(!attachment.lights_beacons),
        });
        let worker = Keeper::new(worker);
        state.seats.push((actor.index, (actor.tag >> 16) as u32));
        drop(state);
        worker.equip(&actor)?;
        // Without the list, as its destructor has run, the worker is left to the guard that it is for.
        let _ = WORKERS.try_with(|workers| {
            workers.0.borrow_mut().push(worker.clone());
            remember(&worker);
        });
        Ok(worker)
    }

    /// Gives the slot its page of transaction records if no earlier occupant had one, and others a
    /// page of slots to claim if there is none left.
    fn equip(&self, actor: &Actor<'_>) -> Result<()> {
        let map = &actor.at.map;
        let zero = |page: u64| {
            for offset in (0..PAGE).step_by(8) {
                if let Ok(word) = map.word(page + offset) {
                    word.put(0);
                }
            }
        };
        if actor.slot.work.get() == 0 {
            alloc::publish(actor, 1, Purpose::Log, &actor.slot.work, zero)?;
        }
        for (way, log) in self.logs.iter().enumerate() {
            let record = Record::of(map, actor.slot.work.get(), way)?;
            log.attach(record, map.offset_of(record));
        }
        let processes = (0..).map_while(|index| map.process(index));
        if processes.clone().all(|slot| slot.state.get() as u32 != 0) {
            let chunk = processes.count() / PROCESSES_PER_PAGE;
            let heap = alloc::heap::Heap::lock(actor)?;
            if let Some(page) = map.header().process_pages.get(chunk).filter(|page| page.get() == 0) {
                // Without room for more slots, who comes next is told so.
                let _ = heap.publish(1, Purpose::Log, page, zero);
            }
        }
        if !actor.others_free() {
            let chunk = actor.at.thread_slots() / THREADS_PER_PAGE;
            let heap = alloc::heap::Heap::lock(actor)?;
            if let Some(page) = map.header().thread_pages.get(chunk).filter(|page| page.get() == 0) {
                // Without room for more slots, who comes next is told so.
                let _ = heap.publish(1, Purpose::Log, page, zero);
            }
        }
        Ok(())
    }

    /// The attachment.
    #[inline(always)]
    pub(crate) fn attachment(&self) -> &Attachment {
        // SAFETY: a worker is used only through guards and handles that keep the attachment alive,
        // and is taken off the thread's list before the attachment ends.
        unsafe { &*self.attachment }
    }

    #[inline(always)]
    pub(crate) fn slot(&self) -> &ThreadSlot {
        // SAFETY: in the map, which lives as long as the attachment; all atomics.
        unsafe { self.slot.as_ref() }
    }

    /// What the lock calls the thread if it is favoured, and the word in which it then says what it is inside of.
    #[inline(always)]
    pub(crate) fn favour(&self) -> (u32, &AtomicU64) {
        (self.favourite, self.slot().holds.atomic())
    }

    /// Whether the thread might be favoured.
    #[inline(always)]
    pub(crate) fn habits(&self) -> Option<&Habits> {
        (self.favourite != NEVER).then_some(&self.habits)
    }

    /// The thread, acting in its own name.
    #[inline(always)]
    pub(crate) fn actor(&self) -> Actor<'_> {
        Actor { at: self.attachment(), slot: self.slot(), index: self.index, tag: self.tag }
    }

    pub(crate) fn tag(&self) -> u64 {
        self.tag
    }

    /// Whether it belongs to this very process, not to the one that forked it.
    #[inline(always)]
    pub(crate) fn is_own(&self) -> bool {
        self.epoch == fork::epoch()
    }

    pub(crate) fn alloc(&self) -> &Local {
        &self.alloc
    }

    #[inline(always)]
    pub(crate) fn log(&self, way: usize) -> &Log {
        &self.logs[way]
    }

    /// Has `stroke` do something [at a stroke](Log::at_a_stroke) that puts these blocks back - offset, bytes, alignment -,
    /// once all are found. `None` if one is none of a slab; or what `stroke` gives.
    #[inline(always)]
    pub(crate) fn putting_back<R, const M: usize>(
        &self,
        blocks: [Option<(u64, u64, u64)>; M],
        stroke: impl FnOnce([Option<alloc::Block<'_>>; M]) -> Option<R>,
    ) -> Option<R> {
        let (actor, mut found) = (self.actor(), [None; M]);
        for index in 0..M {
            if let Some((offset, bytes, align)) = blocks[index] {
                // On a damaged file it may be the same one twice. As it is not, no slab is empty before its last one is
                // put back.
                if blocks[..index].iter().flatten().any(|other| other.0 == offset) {
                    return None;
                }
                found[index] = Some(self.alloc.find(&actor, offset, bytes, align)?);
            }
        }
        stroke(found)
    }

    /// Where the log of a transaction is.
    ///
    /// # Safety
    /// The worker has its address already; `way` is below [`WAYS`].
    pub(super) unsafe fn place_of_log(worker: *const Worker, way: usize) -> *const Log {
        // SAFETY: within the worker, by the caller's promise; nothing is read.
        unsafe { (&raw const (*worker).logs).cast::<Log>().add(way) }
    }

    #[inline(always)]
    pub(crate) fn context(&self, way: usize) -> Cx {
        Cx::new(&self.contexts[way])
    }

    /// A mark that no read guard of this thread uses, for one to use.
    #[inline(always)]
    pub(crate) fn take_mark(&self) -> Option<usize> {
        let mark = self.marks.get().trailing_ones() as usize;
        if mark >= MARKS {
            return None;
        }
        self.marks.set(self.marks.get() | 1 << mark);
        Some(mark)
    }

    /// For one more read guard, when no mark is left: the mark of one that this thread has of the same object.
    #[cold]
    pub(crate) fn share_mark(&self, object: u64) -> Result<usize> {
        let mark = self.slot().marks.iter().position(|mark| mark.get() == object);
        let mark = mark.ok_or(Error::TooManyGuards { kind: "read", limit: MARKS })?;
        self.sharing[mark].set(self.sharing[mark].get() + 1);
        Ok(mark)
    }

    /// Whether a read guard of this thread is of that object.
    pub(crate) fn reads(&self, object: u64) -> bool {
        self.slot().marks.iter().any(|mark| mark.get() == object)
    }

    /// A read guard uses the mark no more. Gives whether none does now.
    #[inline(always)]
    pub(crate) fn return_mark(&self, mark: usize) -> bool {
        let others = self.sharing[mark].get();
        if others != 0 {
            self.sharing[mark].set(others - 1);
            return false;
        }
        self.marks.set(self.marks.get() & !(1 << mark));
        true
    }

    /// Opens a transaction; gives its number.
    #[inline(always)]
    pub(crate) fn begin(&self) -> Result<usize> {
        if self.open.get() != 0 {
            return self.begin_further();
        }
        self.actor().set_busy(|| self.marks.get() != 0, || self.attachment().patience)?;
        self.open.set(1);
        Ok(0)
    }

    /// Opens a transaction, number 0, if it is the only one and nobody has others pause. `slot` and `header` are those that
    /// the thread has. If it is `quiet`, nobody can ask before its [end](Worker::end_soon) whether it is open.
    #[inline(always)]
    pub(crate) fn begin_soon(&self, slot: &ThreadSlot, header: &Header, quiet: bool) -> bool {
        let may = self.open.get() == 0 && set_busy_soon(slot, header);
        if may && !quiet {
            self.open.set(1);
        }
        may
    }

    /// Ends such a transaction, with nothing in its log.
    #[inline(always)]
    pub(crate) fn end_soon(&self, quiet: bool) {
        if quiet { set_idle(self.slot()) } else { self.end_unused(0) }
    }

    /// As if it had not [begun](Worker::begin_soon): it is not counted.
    pub(crate) fn take_back(&self) {
        self.give_back(0);
        if self.open.get() == 0 {
            take_back_busy(self.slot());
        }
    }

    /// Opens one more transaction.
    #[cold]
    fn begin_further(&self) -> Result<usize> {
        let way = self.open.get().trailing_ones() as usize;
        if way >= WAYS {
            return Err(Error::TooManyGuards { kind: "write", limit: WAYS });
        }
        self.open.set(self.open.get() | 1 << way);
        Ok(way)
    }

    /// Undoes what was done in a transaction. What cannot be undone keeps its way, and is left to recovery when the
    /// process ends.
    pub(crate) fn roll_back(&self, way: usize) -> Result<()> {
        self.logs[way].roll_back(&self.actor(), &self.alloc).inspect_err(|_| self.mark_stuck(way))
    }

    /// Ends a transaction that was committed or rolled back. What cannot be ended keeps its way, and is left to
    /// recovery when the process ends.
    #[inline]
    pub(crate) fn end(&self, way: usize) -> Result<()> {
        if !self.logs[way].is_empty() {
            self.logs[way].finish(&self.actor(), &self.alloc).inspect_err(|_| self.mark_stuck(way))?;
        }
        self.end_empty(way);
        Ok(())
    }

    #[cold]
    fn mark_stuck(&self, way: usize) {
        self.stuck.set(self.stuck.get() | 1 << way);
    }

    /// Ends a transaction with nothing in its log.
    #[inline(always)]
    pub(crate) fn end_empty(&self, way: usize) {
        self.contexts[way].end();
        self.end_unused(way);
    }

    /// Ends a transaction whose context nobody has used.
    #[inline(always)]
    pub(crate) fn end_unused(&self, way: usize) {
        self.give_back(way);
        if self.open.get() == 0 {
            set_idle(self.slot());
        }
    }

    /// Gives back the way of a transaction; no more than that where it is another process's.
    #[inline(always)]
    pub(crate) fn give_back(&self, way: usize) {
        self.open.set(self.open.get() & !(1 << way));
    }

    /// Whether transaction 0 is all that is open, and nothing was done in it.
    #[inline(always)]
    pub(crate) fn has_done_nothing(&self) -> bool {
        self.open.get() == 1 && self.logs[0].is_empty() && !self.contexts[0].is_used()
    }

    /// Ends such a transaction.
    #[inline(always)]
    pub(crate) fn end_nothing(&self) {
        self.open.set(0);
        set_idle(self.slot());
    }

    /// Whether the thread has guards or a transaction in this segment.
    pub(crate) fn is_engaged(&self) -> bool {
        (self.open.get() | self.marks.get()) & !LEFT != 0
    }

    /// The same but for what is left of transactions that are stuck.
    pub(super) fn has_guards(&self) -> bool {
        (self.open.get() & !self.stuck.get() | self.marks.get()) & !LEFT != 0
    }

    /// Gives back what this thread and slots without an occupant keep for later: empty slabs, chunks of logs.
    pub(crate) fn trim(&self) -> Result<()> {
        let actor = self.actor();
        self.alloc.reclaim(&actor)?;
        self.alloc.trim(&actor)?;
        if self.open.get() == 0 {
            for way in 0..WAYS {
                Record::of(&actor.at.map, actor.slot.work.get(), way)?.drop_chunks(&actor, false)?;
            }
        }
        drop_kept_chunks(&actor)
    }

    /// A number that no other transaction of this segment has had.
    pub(crate) fn next_serial(&self) -> u64 {
        let slot = self.slot();
        let serial = slot.serial.get().wrapping_add(1);
        slot.serial.put(serial);
        serial << 16 | (self.index as u64 + 1)
    }

    /// The log with its writer, as the allocator wants it.
    #[inline(always)]
    pub(crate) fn journal<'a>(&'a self, way: usize, actor: &'a Actor<'a>) -> LogOf<'a> {
        LogOf { log: &self.logs[way], actor }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::ptr::eq(os::remembered().1, std::ptr::from_ref(self).cast()) {
            os::forget();
        }
        if !self.is_own() {
            return;
        }
        let roster = self.roster.clone();
        let mut state = roster.lock();
        let at = state.seats.iter().position(|seat| *seat == (self.index, (self.tag >> 16) as u32));
        if state.detached {
            // The page of the slot is still mapped, for this, if that is needed.
            if !Beacon::NEEDS_MEMORY {
                return;
            }
        } else if let Some(at) = at {
            let actor = self.actor();
            if self.is_engaged() {
                // What could not be rolled back stays locked until the process ends.
                actor.pin();
                return self.put_out();
            }
            state.seats.swap_remove(at);
            // While all pause, empty slabs are left to who comes next.
            if actor.set_busy(|| false, || Duration::ZERO).is_ok() {
                let _ = self.alloc.trim(&actor);
                actor.set_idle();
            }
            alloc::slab::strand(&actor);
            self.put_out();
            return actor.leave();
        }
        self.put_out();
    }
}

impl Worker {
    /// The thread ends, but guards of it are left: leaked, or in the hands of something that ends later. What they
    /// hold stays held, by the process instead of the thread.
    fn retire(&self) {
        if !self.is_own() {
            return;
        }
        let state = self.roster.lock();
        if !state.detached {
            self.actor().pin();
        } else if !Beacon::NEEDS_MEMORY {
            return;
        }
        self.put_out();
    }

    /// Puts the beacon out, once. Runs in the thread that lit it, for a worker never leaves its thread.
    fn put_out(&self) {
        if self.beacon_out.replace(true) {
            return;
        }
        // SAFETY: lit by this thread in `Actor::claim`; its page is mapped, see `Roster::detach`.
        unsafe { Beacon::release(std::ptr::from_ref(&self.slot().beacon).cast_mut()) }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).field("thread", &os::current_thread_id()).finish()
    }
}
