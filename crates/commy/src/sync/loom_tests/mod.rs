//! Models of the protocols between participants, for loom: it runs the code that is tried here in every order
//! of steps, and lets every load see every value that the memory orders allow.
//!
//! The code is the real one, on words of loom's. The rest of a segment is modelled: a *room* of seats, each
//! with the two words of a thread slot, a mark, a beacon, and a log of one value; and an object, two numbers
//! that are equal whenever nobody is inside. That nobody else is inside is what loom's cells watch over.
//!
//! A participant can be killed: each store to a word is a *step*, and who has no step left ends there, by
//! unwinding. Its beacon says so, as the system's would. Time does not exist: a nap ends whenever it likes.
//!
//! Loom's threads are coroutines of one thread, so they share what they share by `Rc`.
//!
//! A full fence of loom's orders more than a real one: it makes everything before it visible to every later full
//! fence. Orders that matter only beside fences are therefore proved by hand.

mod favour;
mod lock;
mod notify;
#[path = "version.rs"]
mod versions;

use super::{Fate, Lock, Surroundings, Word32, Word64, favourite, version};
use crate::layout::{SlotState, thread_status};
use crate::participant::{claim, tag};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// For as long as it takes.
pub(crate) const PATIENT: Duration = Duration::MAX;

loom::thread_local! {
    /// Steps that the thread has left.
    static LIFE: Cell<u32> = Cell::new(u32::MAX);
    /// The process it is.
    static PROCESS: Cell<usize> = Cell::new(0);
    /// How often it has let the others go on.
    static RESTED: Cell<u32> = Cell::new(0);
}

/// Rests of one thread whose every outcome is explored. Without a limit two that wait could take turns at looking
/// for ever, while the third, for whom they wait, never comes to anything.
const RESTS: u32 = 2;

/// Lets the others go on.
pub(crate) fn rest() {
    let rests = RESTED.with(|rested| rested.replace(rested.get() + 1));
    if rests >= RESTS {
        loom::skip_branch();
    }
    thread::yield_now();
}

/// How a killed participant unwinds.
struct Killed;

/// A step; the participant ends here if it has none left.
pub(crate) fn step() {
    LIFE.with(|life| match life.get() {
        u32::MAX => {}
        0 => {
            life.set(u32::MAX);
            resume_unwind(Box::new(Killed));
        }
        left => life.set(left - 1),
    });
}

/// Runs it for so many steps. Gives what it comes to, or `None` if it was killed before.
pub(crate) fn live<R>(steps: u32, body: impl FnOnce() -> R) -> Option<R> {
    LIFE.with(|life| life.set(steps));
    let result = catch_unwind(AssertUnwindSafe(body));
    LIFE.with(|life| life.set(u32::MAX));
    match result {
        Ok(result) => Some(result),
        Err(killed) if killed.is::<Killed>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// A word of loom's, whose stores are steps.
pub(crate) struct Cell64(AtomicU64);

/// A half word of loom's, whose stores are steps.
pub(crate) struct Cell32(AtomicU32);

impl Cell64 {
    pub(crate) fn new(value: u64) -> Cell64 {
        Cell64(AtomicU64::new(value))
    }
}

impl Cell32 {
    pub(crate) fn new(value: u32) -> Cell32 {
        Cell32(AtomicU32::new(value))
    }
}

impl Word64 for Cell64 {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }
    fn store(&self, value: u64, order: Ordering) {
        step();
        self.0.store(value, order);
    }
    fn compare_exchange(&self, current: u64, new: u64, ok: Ordering, fail: Ordering) -> Result<u64, u64> {
        step();
        self.0.compare_exchange(current, new, ok, fail)
    }
    fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        step();
        self.0.fetch_or(bits, order)
    }
    fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        step();
        self.0.fetch_and(bits, order)
    }
}

impl Word32 for Cell32 {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }
    fn compare_exchange(&self, current: u32, new: u32, ok: Ordering, fail: Ordering) -> Result<u32, u32> {
        step();
        self.0.compare_exchange(current, new, ok, fail)
    }
    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        step();
        self.0.fetch_or(bits, order)
    }
    fn fetch_and(&self, bits: u32, order: Ordering) -> u32 {
        step();
        self.0.fetch_and(bits, order)
    }
}

/// A thread slot, and what its occupant has under way.
pub(crate) struct Seat {
    pub(crate) state: Cell64,
    pub(crate) rescuer: Cell64,
    mark: Cell64,
    holds: Cell64,
    beacon: Cell64,
    /// What the object was before the occupant's open transaction.
    log: UnsafeCell<Option<u64>>,
}

/// What a beacon says.
pub(crate) const OUT: u64 = 0;
pub(crate) const LIT: u64 = 1;
pub(crate) const DEAD: u64 = 2;

/// How participants sleep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Until they like to wake up.
    Nap,
    /// Until somebody wakes them.
    Deep,
}

/// An object, its lock, and those who want it.
pub(crate) struct Room {
    seats: Vec<Seat>,
    /// Whether the process of that number is dead. There are as many as seats, each of one thread.
    dead: Vec<Cell64>,
    pub(crate) word: Cell64,
    /// The lock word of another object, which nobody changes.
    elsewhere: Cell64,
    pub(crate) waiters: Cell32,
    /// Whether light fences are worth anything: only where somebody may be favoured, for loom takes them for full ones.
    light: Cell<bool>,
    pub(crate) version: Cell64,
    one: UnsafeCell<u64>,
    two: UnsafeCell<u64>,
    sleep: Sleep,
    bed: Mutex<()>,
    bell: Condvar,
    /// Transactions committed, and occupants buried. For the end of a run: loom does not see these.
    pub(crate) commits: std::sync::atomic::AtomicU64,
    pub(crate) burials: std::sync::atomic::AtomicU64,
}

/// The offset of the object in the model.
pub(crate) const OBJECT: u64 = 320;

impl Room {
    /// A room with so many seats, all free.
    pub(crate) fn new(seats: usize, sleep: Sleep) -> Room {
        let seat = |_| Seat {
            state: Cell64::new(0),
            rescuer: Cell64::new(0),
            mark: Cell64::new(0),
            holds: Cell64::new(0),
            beacon: Cell64::new(OUT),
            log: UnsafeCell::new(None),
        };
        Room {
            seats: (0..seats).map(seat).collect(),
            dead: (0..seats).map(|_| Cell64::new(0)).collect(),
            word: Cell64::new(0),
            elsewhere: Cell64::new(u64::MAX << 48),
            waiters: Cell32::new(0),
            light: Cell::new(false),
            version: Cell64::new(0),
            one: UnsafeCell::new(0),
            two: UnsafeCell::new(0),
            sleep,
            bed: Mutex::new(()),
            bell: Condvar::new(),
            commits: 0.into(),
            burials: 0.into(),
        }
    }

    pub(crate) fn seat(&self, index: usize) -> &Seat {
        &self.seats[index]
    }

    /// Lets the calling thread be the process of that number, which has the seat of that number if any; gives its
    /// tag there.
    pub(crate) fn sit(&self, number: usize) -> u64 {
        PROCESS.with(|process| process.set(number));
        tag(number, 0)
    }

    /// Sits down in a free seat.
    pub(crate) fn claim(&self, index: usize) -> Option<u64> {
        let seat = &self.seats[index];
        let seen = SlotState::unpack(seat.state.load(Ordering::Acquire));
        if seen.status != thread_status::FREE || seat.beacon.load(Ordering::Acquire) == LIT {
            return None;
        }
        let light = || -> Result<(), ()> {
            seat.mark.store(0, Ordering::Relaxed);
            // A beacon is made anew, byte by byte.
            self.occupy(index);
            seat.beacon.store(LIT, Ordering::Release);
            Ok(())
        };
        let process = PROCESS.with(Cell::get) as u16;
        let state = claim::occupy(&seat.state, seen, (process, 0), light)?.ok()?;
        Some(tag(index, state.generation))
    }

    /// What [`Room::claim`] does when nobody else is there yet, without being explored.
    pub(crate) fn seated(self, indices: impl IntoIterator<Item = usize>) -> Room {
        for index in indices {
            let seat = &self.seats[index];
            let state = SlotState { generation: 0, process_generation: 0, process: index as u16, status: 2 };
            seat.state.0.store(state.pack(), Ordering::Relaxed);
            seat.beacon.0.store(LIT, Ordering::Relaxed);
        }
        self
    }

    /// Gets up.
    pub(crate) fn leave(&self, index: usize) {
        let seat = &self.seats[index];
        seat.beacon.store(OUT, Ordering::Release);
        claim::vacate(&seat.state, SlotState::unpack(seat.state.load(Ordering::Relaxed)));
    }

    /// What the system does when the process of that number has died, which had this seat if any.
    pub(crate) fn mourn(&self, number: usize, seat: usize) {
        let beacon = &self.seats[seat].beacon;
        let _ = beacon.compare_exchange(LIT, DEAD, Ordering::AcqRel, Ordering::Relaxed);
        self.dead[number].store(1, Ordering::Release);
    }

    /// The object's lock.
    pub(crate) fn lock(&self) -> Lock<'_, Room> {
        Lock { word: &self.word, waiters: &self.waiters, object: OBJECT, around: self }
    }

    /// What the lock calls a seat if it is favoured, and the word in which that one says what it is inside of.
    pub(crate) fn favour_of(&self, index: usize) -> (u32, &Cell64) {
        (favourite(index), &self.seats[index].holds)
    }

    /// From here on there may be favours.
    pub(crate) fn allow_favours(&self) {
        self.light.set(true);
    }

    /// Favours a seat. Nobody else is there yet.
    pub(crate) fn favour(&self, index: usize) {
        self.allow_favours();
        let tag = self.sit(index);
        let keep = self.lock().write(tag, PATIENT).expect("nobody else");
        assert!(self.lock().favour(favourite(index)));
        self.lock().unlock_write(keep);
    }

    pub(crate) fn mark_of(&self, index: usize) -> &Cell64 {
        &self.seats[index].mark
    }

    fn get(cell: &UnsafeCell<u64>) -> u64 {
        // SAFETY: loom watches that nobody stores meanwhile.
        cell.with(|value| unsafe { *value })
    }

    fn put<T>(cell: &UnsafeCell<T>, to: T) {
        // SAFETY: loom watches that nobody else accesses it meanwhile.
        cell.with_mut(|value| unsafe { *value = to });
    }

    /// Uses what only the occupant of a seat may use.
    pub(crate) fn occupy(&self, index: usize) {
        Room::put(&self.seats[index].log, None);
        step();
    }

    /// Looks at the object, from inside.
    pub(crate) fn look(&self) -> u64 {
        let one = Room::get(&self.one);
        assert_eq!(one, Room::get(&self.two), "seen half changed");
        one
    }

    /// Changes the object from inside, in a transaction of the occupant of a seat.
    pub(crate) fn change(&self, index: usize) {
        let old = self.look();
        let log = &self.seats[index].log;
        Room::put(log, Some(old));
        step();
        Room::put(&self.one, old + 1);
        step();
        Room::put(&self.two, old + 1);
        step();
        Room::put(log, None);
        self.commits.fetch_add(1, Ordering::Relaxed);
        step();
    }

    /// Locks, changes, unlocks.
    pub(crate) fn write(&self, index: usize, tag: u64) {
        let keep = self.lock().write(tag, PATIENT).expect("patience");
        self.change(index);
        version::count_change(&self.version);
        self.lock().unlock_write(keep);
    }

    /// The same for who may be favoured. Gives whether it was.
    pub(crate) fn write_favoured(&self, index: usize, tag: u64) -> bool {
        let (me, holds) = self.favour_of(index);
        let favoured = self.lock().enter(me, holds, &self.version);
        if !favoured {
            self.write(index, tag);
            return false;
        }
        self.change(index);
        self.lock().leave_changed(me, holds, &self.version);
        true
    }

    /// Locks, looks, unlocks.
    pub(crate) fn read(&self, index: usize, tag: u64) -> u64 {
        let mark = &self.seats[index].mark;
        self.lock().read(favourite(index), mark, tag, PATIENT).expect("patience");
        let seen = self.look();
        self.lock().unlock_read(mark);
        seen
    }

    /// Reads another object.
    fn read_elsewhere(&self, index: usize, tag: u64) {
        let (mark, lock) =
            (&self.seats[index].mark, Lock { word: &self.elsewhere, object: OBJECT + 64, ..self.lock() });
        lock.read(favourite(index), mark, tag, PATIENT).expect("patience");
        lock.unlock_read(mark);
    }

    fn is_gone(&self, process: usize) -> bool {
        self.dead[process].load(Ordering::Acquire) != 0
    }

    /// Whether the occupant that a seat has in this state is dead.
    fn is_dead(&self, index: usize, state: SlotState) -> bool {
        let beacon = &self.seats[index].beacon;
        match state.status {
            thread_status::FREE => false,
            thread_status::LIVE if beacon.load(Ordering::Acquire) == DEAD => true,
            _ => self.is_gone(state.process.into()),
        }
    }

    /// Rescues the occupant of a seat.
    pub(crate) fn rescue_seat(&self, index: usize, generation: u32) -> claim::Attempt<()> {
        let seat = &self.seats[index];
        claim::rescue(
            (&seat.state, &seat.rescuer),
            PROCESS.with(Cell::get) as u64 + 1,
            generation,
            |other| !self.is_gone(other as usize - 1),
            |state| self.is_dead(index, state),
            |state| {
                // SAFETY: loom watches that nobody else accesses it meanwhile.
                if let Some(old) = seat.log.with(|log| unsafe { *log }) {
                    Room::put(&self.one, old);
                    step();
                    Room::put(&self.two, old);
                    step();
                    Room::put(&seat.log, None);
                }
                seat.mark.store(0, Ordering::Relaxed);
                seat.holds.store(0, Ordering::Release);
                claim::vacate(&seat.state, state);
                self.burials.fetch_add(1, Ordering::Relaxed);
            },
        )
    }

    fn by_tag(&self, tag: u64) -> (usize, SlotState, u32) {
        let index = usize::from(tag as u16) - 1;
        (index, SlotState::unpack(self.seats[index].state.load(Ordering::Acquire)), (tag >> 16) as u32)
    }

    fn sleep_on(&self, unchanged: impl Fn() -> bool) {
        if self.sleep == Sleep::Nap {
            return rest();
        }
        let asleep = self.bed.lock().expect("nobody panics in bed");
        if unchanged() {
            drop(self.bell.wait(asleep));
        }
    }

    fn ring(&self) {
        if self.sleep == Sleep::Deep {
            drop(self.bed.lock());
            self.bell.notify_all();
        }
    }
}

impl Surroundings for Room {
    type W64 = Cell64;
    type W32 = Cell32;

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn fence_after_swap(&self) {
        fence(Ordering::SeqCst);
    }

    // Loom has no fence of which one side costs more: both are full ones.
    fn light_fence(&self) {
        if self.light.get() {
            fence(Ordering::SeqCst);
        }
    }

    fn heavy_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn pause(&self) {
        // The next look may come at once.
    }

    fn slots(&self) -> usize {
        self.seats.len()
    }

    fn mark(&self, slot: usize, object: u64) -> Option<&Cell64> {
        let mark = &self.seats[slot].mark;
        (mark.load(Ordering::Acquire) == object).then_some(mark)
    }

    fn holds(&self, slot: usize) -> Option<&Cell64> {
        self.seats.get(slot).map(|seat| &seat.holds)
    }

    fn tag_of(&self, slot: usize) -> u64 {
        tag(slot, SlotState::unpack(self.seats[slot].state.load(Ordering::Acquire)).generation)
    }

    fn fate(&self, tag: u64) -> Fate {
        let (index, state, generation) = self.by_tag(tag);
        if state.generation != generation || state.status == thread_status::FREE {
            Fate::Recovered
        } else if self.is_dead(index, state) {
            Fate::Dead
        } else {
            Fate::Alive
        }
    }

    fn rescue(&self, tag: u64) {
        let (index, _, generation) = self.by_tag(tag);
        if self.rescue_seat(index, generation) == claim::Attempt::Busy {
            rest();
        }
    }

    fn inherited(&self, _object: u64) {
        version::count_change(&self.version);
    }

    fn left_inside(&self, _object: u64) {
        version::bring_outside(&self.version);
    }

    fn is_recovered(&self, tag: u64) -> bool {
        self.fate(tag) == Fate::Recovered
    }

    fn waits(&self, _: u64, _: u64) {}

    fn circular(&self, _object: u64, _owner: u64) -> bool {
        false
    }

    fn sleep(&self, word: &Cell64, seen: u64, _owner: u64, _time: Duration) {
        // One can be killed asleep.
        step();
        self.sleep_on(|| word.load(Ordering::Relaxed) as u32 == seen as u32);
    }

    fn wake(&self, _word: &Cell64, _all: bool) {
        self.ring();
    }
}

/// Runs a model for a participant that is killed at every one of its steps; the model gives whether it was.
pub(crate) fn explore_deaths(preemptions: usize, model: impl Fn(u32) -> bool + Copy + Send + Sync + 'static) {
    for steps in 0.. {
        let killed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let any = killed.clone();
        explore(preemptions, move || {
            any.fetch_or(model(steps), Ordering::Relaxed);
        });
        if !killed.load(Ordering::Relaxed) {
            break;
        }
    }
}

/// Runs a model with so many preemptions at most.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(usize::MAX).min(preemptions));
    builder.check(model);
}
