//! One attachment of a segment: the map, the place of this process in the participant table, and the
//! answers to "is that owner alive?".
//!
//! A process is alive while the byte of its slot is locked in the segment file and its pid is not
//! known to be gone (a forked child keeps the lock alive, so the lock alone does not prove life). A
//! thread is alive while its process is and its beacon is not dead. Both layers only ever err towards
//! "alive"; whoever any layer calls dead is dead.

use super::grace::READERS;
use super::{ForkMutex, Unlocked, tag};
use crate::error::{Error, Result};
use crate::layout::{
    MARKS, PROCESS_FREE, PROCESS_LIVE, Point, ProcessSlot, SlotState, THREADS_PER_PAGE, ThreadSlot, Word, at,
    thread_status,
};
use crate::map::Map;
use crate::os::{self, BeaconState, ProcessId, WaitKey, fork};
use crate::sync::{Bed, Fate, OWNER, Surroundings, Word32, Word64, version};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Recovers what the dead occupant of a thread slot left behind: `recovery::rescue`, which is above
/// this room.
pub(crate) type Rescue = fn(&Attachment, usize, u32) -> Result<()>;

/// Removes from the segment what nobody needs, and tells whether there was anything: `direct`, which is above this room.
pub(crate) type Relief = fn(&Attachment) -> bool;

/// What a look at a process slot tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// Nobody has the slot.
    Free,
    /// Its process lives.
    Alive,
    /// Its process died in it.
    Dead,
}

/// The place of an attachment that is read-only: no slot has that index.
const ONLOOKER: u64 = u64::MAX;

/// No fork epoch: who cannot write has no place of its own in any.
const NEVER: u32 = 0;

/// A segment as one process has it attached.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) map: Map,
    pub(crate) segment: u128,
    pub(crate) patience: Duration,
    rescue: Rescue,
    relief: OnceLock<Relief>,
    /// Whether threads light beacons in it.
    pub(crate) lights_beacons: bool,
    /// Which of the attachments that this process has had it is; of any segment.
    pub(crate) serial: u64,
    /// Process slot and its generation, `generation << 32 | index`. `ONLOOKER`: it has none, and cannot write.
    place: AtomicU64,
    /// Attachments are numbered as they come. A forked child has its parent's number: it has its handles, too.
    number: AtomicU64,
    /// The fork epoch in which the place was taken.
    epoch: AtomicU32,
    registering: ForkMutex<()>,
}

impl Attachment {
    /// Takes a process slot in a mapped, formatted segment.
    pub(crate) fn new(map: Map, segment: u128, patience: Duration, rescue: Rescue) -> Result<Attachment> {
        fork::install();
        let attachment = Attachment::with(map, segment, patience, rescue);
        fork::watch(attachment.map.file());
        attachment.take_place()?;
        Ok(attachment)
    }

    fn with(map: Map, segment: u128, patience: Duration, rescue: Rescue) -> Attachment {
        static SERIALS: AtomicU64 = AtomicU64::new(1);
        Attachment {
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            // The C library follows pointers that it keeps in a lit beacon. Memory of a fixed length is for processes that
            // need not trust each other: there the process layer alone tells who is alive.
            lights_beacons: !map.has_fixed_length(),
            map,
            segment,
            patience,
            rescue,
            relief: OnceLock::new(),
            place: AtomicU64::new(0),
            number: AtomicU64::new(0),
            epoch: AtomicU32::new(fork::epoch()),
            registering: ForkMutex::default(),
        }
    }

    /// An attachment that only reads, and is nobody's business: it takes no slot.
    pub(crate) fn onlooker(map: Map, segment: u128, patience: Duration, rescue: Rescue) -> Result<Attachment> {
        let attachment = Attachment::with(map, segment, patience, rescue);
        let (file, path) = (attachment.map.file(), attachment.map.path());
        let begin = Instant::now();
        while !os::try_lock_byte_shared(file, READERS).map_err(|e| Error::io("lock a byte of", path, e))? {
            // On Windows who asks whether the byte is locked has it for a moment.
            if begin.elapsed() > patience {
                let what = format!("the opening of {}", path.display());
                return Err(Error::LockTimeout { what, holder: 0, held_for: begin.elapsed() });
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        attachment.place.store(ONLOOKER, Ordering::Relaxed);
        attachment.epoch.store(NEVER, Ordering::Relaxed);
        Ok(attachment)
    }

    /// An attachment of a private copy of a segment, where nobody else is.
    pub(crate) fn alone(map: Map, patience: Duration, rescue: Rescue) -> Attachment {
        Attachment::with(map, 0, patience, rescue)
    }

    /// Whether it can only read.
    #[inline(always)]
    pub(crate) fn is_read_only(&self) -> bool {
        self.place.load(Ordering::Relaxed) == ONLOOKER
    }

    /// In a forked child, takes a place of the child's own. To be called before anything is changed.
    #[inline(always)]
    pub(crate) fn own_place(&self) -> Result<()> {
        if self.epoch.load(Ordering::Relaxed) == fork::epoch() { Ok(()) } else { self.take_place_in_child() }
    }

    /// Whether the place was taken by this very process, not by the one that forked it.
    #[inline(always)]
    pub(crate) fn is_own(&self) -> bool {
        self.epoch.load(Ordering::Relaxed) == fork::epoch()
    }

    #[cold]
    fn take_place_in_child(&self) -> Result<()> {
        if self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        let _registering = self.registering.lock();
        let epoch = fork::epoch();
        if self.epoch.load(Ordering::Relaxed) == epoch {
            return Ok(());
        }
        let path = self.map.path();
        let old = self.map.file();
        let file = os::reopen(old, path, os::Access::ReadWrite).map_err(|e| Error::io("reopen", path, e))?;
        let header = self.map.header();
        if !crate::map::names_segment(&file, header.id[0].get(), header.id[1].get()) {
            return Err(Error::Replaced { path: path.to_path_buf() });
        }
        fork::watch(&file);
        self.map.replace_file(file);
        self.take_place()?;
        self.epoch.store(epoch, Ordering::Relaxed);
        Ok(())
    }

    /// The index of this process's slot.
    pub(crate) fn process(&self) -> usize {
        self.place.load(Ordering::Relaxed) as u32 as usize
    }

    pub(crate) fn process_generation(&self) -> u32 {
        (self.place.load(Ordering::Relaxed) >> 32) as u32
    }

    /// This process as the rescuer of a slot: never 0.
    pub(crate) fn rescuer_tag(&self) -> u64 {
        u64::from(self.process_generation()) << 32 | (self.process() as u64 + 1)
    }

    /// Takes the first process slot whose byte can be locked. Holding the byte, nobody else can have
    /// or take the slot; what a dead process left in it is overwritten, and its generation ends the
    /// lives of its threads.
    fn take_place(&self) -> Result<()> {
        let file = self.map.file();
        let limit = self.map.header().max_participants.get().min(1024) as usize;
        let mut index = 0;
        while let Some(slot) = self.map.process(index).filter(|_| index < limit) {
            let taken = os::try_lock_byte(file, index as u64);
            if taken.map_err(|e| Error::io("lock a byte of", self.map.path(), e))? {
                let generation = slot.generation().wrapping_add(1);
                at(Point::SlotClaim);
                slot.state.publish(u64::from(generation) << 32 | PROCESS_FREE);
                let id = ProcessId::current();
                slot.pid.put(id.pid);
                slot.start.put(id.start);
                slot.namespace.put(id.namespace);
                slot.boot.put(id.boot);
                slot.heartbeat.put(os::now_monotonic_ms());
                slot.number.put(self.number());
                slot.state.publish(u64::from(generation) << 32 | PROCESS_LIVE);
                self.place.store(u64::from(generation) << 32 | index as u64, Ordering::Relaxed);
                return Ok(());
            }
            index += 1;
        }
        Err(Error::TooManyParticipants { what: "processes", limit: index as u32 })
    }

    /// The number of this attachment.
    fn number(&self) -> u64 {
        if self.number.load(Ordering::Relaxed) == 0 {
            let before = self.map.header().attachments.atomic().fetch_add(1, Ordering::Relaxed);
            self.number.store(before.wrapping_add(1), Ordering::Relaxed);
        }
        self.number.load(Ordering::Relaxed)
    }

    /// The lowest number of an attachment that there still is. Asks the system about each.
    pub(crate) fn oldest(&self) -> u64 {
        let slots = (0..).map_while(|index| self.map.process(index).map(|slot| (index, slot)));
        let alive = slots.filter(|(index, _)| self.process_liveness(*index) == Liveness::Alive);
        alive.map(|(_, slot)| slot.number.get()).min().unwrap_or(0)
    }

    /// Gives the place back. All threads have left their slots.
    pub(crate) fn leave(&self) {
        if let Some(slot) = self.map.process(self.process()).filter(|_| self.is_own()) {
            slot.state.publish(u64::from(self.process_generation()) << 32 | PROCESS_FREE);
            let file = self.map.file();
            fork::unwatch(file);
            // The lock falls with the descriptor in any case.
            let _ = os::unlock_byte(file, self.process() as u64);
        }
    }

    /// Whether no other process has the segment open. Only meaningful while nobody can enter.
    pub(crate) fn is_last(&self) -> bool {
        (0..)
            .map_while(|index| self.map.process(index).map(|_| index))
            .all(|index| index == self.process() || self.process_liveness(index) != Liveness::Alive)
    }

    /// Whether the process that took a slot in this generation is alive. Asks the system.
    pub(crate) fn process_liveness(&self, index: usize) -> Liveness {
        let Some(slot) = self.map.process(index) else { return Liveness::Free };
        let state = slot.state.get_acquire();
        if state as u32 as u64 != PROCESS_LIVE {
            return Liveness::Free;
        }
        if index == self.process() {
            return Liveness::Alive;
        }
        let unlocked = matches!(os::byte_locked_elsewhere(self.map.file(), index as u64), Ok(false));
        let gone = unlocked || slot.id().is_gone() == Some(true);
        // Somebody else may have taken the slot in between.
        if gone && slot.state.get_acquire() == state { Liveness::Dead } else { Liveness::Alive }
    }

    /// Whether the occupant of a thread slot in this state is dead.
    pub(crate) fn is_dead(&self, slot: &ThreadSlot, state: SlotState) -> bool {
        if state.status == thread_status::FREE {
            return false;
        }
        if state.status == thread_status::LIVE && slot.beacon.state() == BeaconState::Dead {
            return true;
        }
        let index = usize::from(state.process);
        let Some(process) = self.map.process(index) else { return true };
        if process.generation() as u16 != state.process_generation {
            return true;
        }
        self.process_liveness(index) != Liveness::Alive
    }

    /// The state of a thread slot.
    pub(crate) fn state(&self, slot: &ThreadSlot) -> SlotState {
        SlotState::unpack(slot.state.get_acquire())
    }

    /// The thread slot that a tag names, and the generation it names it in.
    pub(crate) fn by_tag(&self, tag: u64) -> Option<(usize, &ThreadSlot, u32)> {
        let index = usize::from(tag as u16).checked_sub(1)?;
        Some((index, self.map.thread(index)?, (tag >> 16) as u32))
    }

    /// The process that holds what this tag is in; 0 if it has changed hands.
    pub(crate) fn pid_of(&self, tag: u64) -> u32 {
        let process = self.by_tag(tag).and_then(|(_, slot, generation)| {
            let state = self.state(slot);
            (state.generation == generation).then(|| self.map.process(usize::from(state.process))).flatten()
        });
        process.map_or(0, |p: &ProcessSlot| p.pid.get() as u32)
    }

    /// Recovers a dead thread slot, if it is still in that generation.
    pub(crate) fn rescue_slot(&self, index: usize, generation: u32) -> Result<()> {
        (self.rescue)(self, index, generation)
    }

    /// Has those above remove what nobody needs when the segment is full. The same for all who ask for it.
    pub(crate) fn relieve_by(&self, relief: Relief) {
        let _ = self.relief.set(relief);
    }

    /// Whether more room was made by that.
    pub(crate) fn relieve(&self) -> bool {
        self.relief.get().is_some_and(|relief| relief(self))
    }

    /// Thread slots that exist.
    pub(crate) fn thread_slots(&self) -> usize {
        let pages = &self.map.header().thread_pages;
        let more = pages[1..].iter().take_while(|page| page.get() != 0).count();
        (1 + more) * THREADS_PER_PAGE
    }

    pub(crate) fn key(&self, word: u64) -> WaitKey {
        WaitKey { segment: self.segment, offset: word }
    }

    fn low_half(word: &AtomicU64) -> &AtomicU32 {
        let half = usize::from(cfg!(target_endian = "big"));
        // SAFETY: the low half of an atomic u64 in shared memory, used only as a futex: it is loaded
        // by the system, and stored as part of the whole.
        unsafe { &*std::ptr::from_ref(word).cast::<AtomicU32>().add(half) }
    }
}

impl Word64 for AtomicU64 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }
    #[inline(always)]
    fn store(&self, value: u64, order: Ordering) {
        AtomicU64::store(self, value, order);
    }
    #[inline(always)]
    fn compare_exchange(&self, current: u64, new: u64, ok: Ordering, fail: Ordering) -> Result<u64, u64> {
        AtomicU64::compare_exchange(self, current, new, ok, fail)
    }
    #[inline(always)]
    fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        AtomicU64::fetch_or(self, bits, order)
    }
    #[inline(always)]
    fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        AtomicU64::fetch_and(self, bits, order)
    }
}

impl Word32 for AtomicU32 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }
    #[inline(always)]
    fn compare_exchange(&self, current: u32, new: u32, ok: Ordering, fail: Ordering) -> Result<u32, u32> {
        AtomicU32::compare_exchange(self, current, new, ok, fail)
    }
    #[inline(always)]
    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        AtomicU32::fetch_or(self, bits, order)
    }
    #[inline(always)]
    fn fetch_and(&self, bits: u32, order: Ordering) -> u32 {
        AtomicU32::fetch_and(self, bits, order)
    }
}

/// Whether a slot in this state is no longer that of its occupant in a generation.
fn is_other(state: SlotState, generation: u32) -> bool {
    state.generation != generation || state.status == thread_status::FREE
}

impl Surroundings for Attachment {
    type W64 = AtomicU64;
    type W32 = AtomicU32;

    #[inline(always)]
    fn fence(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn fence_after_swap(&self) {
        if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            std::sync::atomic::compiler_fence(Ordering::SeqCst);
        } else {
            std::sync::atomic::fence(Ordering::SeqCst);
        }
    }

    #[inline(always)]
    fn light_fence(&self) {
        os::light_fence();
    }

    fn heavy_fence(&self) {
        os::joint_fence();
    }

    fn pause(&self) {
        // Twice, for each look takes the word away from the owner for a while.
        std::hint::spin_loop();
        std::hint::spin_loop();
    }

    fn slots(&self) -> usize {
        self.thread_slots()
    }

    fn mark(&self, slot: usize, object: u64) -> Option<&AtomicU64> {
        let marks: &[Word; MARKS] = &self.map.thread(slot)?.marks;
        marks.iter().find(|mark| mark.get_acquire() == object).map(Word::atomic)
    }

    fn holds(&self, slot: usize) -> Option<&AtomicU64> {
        self.map.thread(slot).map(|slot| slot.holds.atomic())
    }

    fn tag_of(&self, slot: usize) -> u64 {
        self.map.thread(slot).map_or(0, |s| tag(slot, self.state(s).generation))
    }

    fn fate(&self, tag: u64) -> Fate {
        let Some((_, slot, generation)) = self.by_tag(tag) else { return Fate::Recovered };
        let state = self.state(slot);
        if is_other(state, generation) {
            Fate::Recovered
        } else if self.is_dead(slot, state) {
            Fate::Dead
        } else {
            Fate::Alive
        }
    }

    fn is_recovered(&self, tag: u64) -> bool {
        self.by_tag(tag).is_none_or(|(_, slot, generation)| is_other(self.state(slot), generation))
    }

    fn rescue(&self, tag: u64) {
        if let Some((index, _, generation)) = self.by_tag(tag) {
            // What cannot be rescued stays locked, and the waiter's patience ends with `LockTimeout`.
            let _ = self.rescue_slot(index, generation);
        }
    }

    fn inherited(&self, object: u64) {
        // The dead owner may have committed without counting its change.
        if let Ok(version) = self.map.word(object + crate::layout::VERSION_AT) {
            version::count_change(version.atomic());
        }
    }

    fn left_inside(&self, object: u64) {
        if let Ok(version) = self.map.word(object + crate::layout::VERSION_AT) {
            version::bring_outside(version.atomic());
        }
    }

    fn waits(&self, tag: u64, object: u64) {
        if let Some((_, slot, _)) = self.by_tag(tag) {
            slot.waits_for.put(object);
        }
    }

    fn circular(&self, owner: u64, me: u64) -> bool {
        // What the others wait for may be gone by now.
        let _unlocked = self.by_tag(me).map(|(_, slot, _)| Unlocked::begin(slot));
        // Breadth first over who waits for whom. Only those below `me` are followed: so of a circle's members just
        // one is told, the highest, which finds it however the circles cross.
        let mut met = [0; 64];
        let (mut next, mut known) = (0, 0);
        let meet = |other: u64, met: &mut [u64; 64], known: &mut usize| {
            if other < me && *known < met.len() && !met[..*known].contains(&other) {
                met[*known] = other;
                *known += 1;
            }
            other == me
        };
        meet(owner, &mut met, &mut known);
        while next < known {
            let tag = met[next];
            next += 1;
            let Some((_, slot, generation)) = self.by_tag(tag) else { continue };
            let object = slot.waits_for.get();
            let Ok(word) = self.map.word(object) else { continue };
            if object == 0 || self.state(slot).generation != generation {
                continue;
            }
            let holder = word.get() & OWNER;
            // A writer whose tag stands in the word already waits for those who read, or are inside by favour.
            let others = if holder == tag { 0..self.thread_slots() } else { 0..0 };
            let is_inside = |slot| {
                let holds =
                    Surroundings::holds(self, slot).is_some_and(|holds| holds.load(Ordering::Acquire) == object);
                holds || self.mark(slot, object).is_some()
            };
            let mut others = others.filter(|slot| is_inside(*slot)).map(|slot| self.tag_of(slot));
            if (holder != 0 && meet(holder, &mut met, &mut known)) || others.any(|tag| meet(tag, &mut met, &mut known))
            {
                return true;
            }
        }
        false
    }

    fn sleep(&self, word: &AtomicU64, seen: u64, owner: u64, time: Duration) {
        let key = self.key(self.map.offset_of(word));
        let half = Attachment::low_half(word);
        match self.by_tag(owner) {
            Some((_, slot, _)) => {
                let process = self.map.process(usize::from(self.state(slot).process));
                let id = process.map_or_else(ProcessId::current, ProcessSlot::id);
                os::wait_or_death(key, half, seen as u32, &slot.beacon, &id, time);
            }
            None => os::wait(key, half, seen as u32, time),
        }
    }

    fn wake(&self, word: &AtomicU64, all: bool) {
        let key = self.key(self.map.offset_of(word));
        os::wake(key, Attachment::low_half(word), if all { u32::MAX } else { 1 });
    }
}

impl Bed for Attachment {
    type Word = AtomicU32;

    fn sleep(&self, word: &AtomicU32, seen: u32, time: Duration) {
        os::wait(self.key(self.map.offset_of(word)), word, seen, time);
    }

    fn wake_all(&self, word: &AtomicU32) {
        os::wake(self.key(self.map.offset_of(word)), word, u32::MAX);
    }
}
