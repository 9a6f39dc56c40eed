//! A shared object and its lock.

mod atomics;
mod changes;
mod guard;
mod joined;
mod known;
mod lent;
mod onlooker;
mod ops;
mod transaction;
mod unlocked;
mod wait;

pub use changes::{Change, Changes, Mapped};
pub use guard::{ReadGuard, WriteGuard};
pub(crate) use ops::close;
pub use transaction::{Part, Transaction};

use crate::directory::{self, Control, Found};
use crate::error::{Error, Result};
use crate::layout::{VALUE_AT, is_whole, store_whole};
use crate::participant::Attachment;
use crate::schema::{Object, Share};
use crate::segment::Segment;
use crate::sync::{Blocked, Lock, Notify, Taken, version};
use crate::tx::{Cx, Habits, Keeper, Log, Worker};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A value of type `T` in a segment, with its lock: like an `RwLock<T>`, but for processes.
///
/// Made by [`Segment::open_or_create`]. What is done under one write guard happens whole or, if the
/// process is killed or panics under it, not at all.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let scores: commy::Shared<Vec<u32>> = segment.open_or_create("scores")?;
/// {
///     let mut guard = scores.write()?;
///     guard.push(3)?;
///     guard.push(4)?;
/// } // committed here
/// assert_eq!(scores.read()?[..], [3, 4]);
/// assert_eq!(scores.load()?, vec![3, 4]);
/// # Ok::<(), commy::Error>(())
/// ```
pub struct Shared<T: Object> {
    segment: Segment,
    object: u64,
    /// That of the object, by which is seen whether it was removed.
    generation: u64,
    value: u64,
    /// That of this handle and its clones, under which threads remember what they know of the object.
    number: u64,
    name: Arc<str>,
    marker: PhantomData<fn() -> T>,
}

impl<T: Object> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared {
            segment: self.segment.clone(),
            object: self.object,
            generation: self.generation,
            value: self.value,
            number: self.number,
            name: self.name.clone(),
            marker: PhantomData,
        }
    }
}

impl<T: Object> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).field("segment", &self.segment.path()).finish()
    }
}

impl<T: Object> Shared<T> {
    /// An object that was found in the directory; its type is known to be `T`.
    pub(crate) fn new(segment: &Segment, name: &str, found: &Found) -> Result<Shared<T>> {
        let Found { object, generation, value, .. } = *found;
        directory::control(segment.map(), object)?;
        let (len, align) = (size_of::<T::Form>() as u64, align_of::<T::Form>() as u64);
        if segment.map().at(value, len, align).is_none() {
            return Err(Error::corrupt(value, "an object outside the file"));
        }
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let (segment, number) = (segment.clone(), NUMBERS.fetch_add(1, Ordering::Relaxed));
        Ok(Shared { segment, object, generation, value, number, name: name.into(), marker: PhantomData })
    }

    /// An object that is never removed, and whose value is in its control block. Its lock word is at this offset, and
    /// its type is known to be `T`.
    pub(crate) fn at(segment: &Segment, name: &str, object: u64) -> Result<Shared<T>> {
        let (value, description) = (object + VALUE_AT, Vec::new());
        Shared::new(segment, name, &Found { object, generation: 0, value, description })
    }

    /// The object of this generation whatever its type is, for locking and unlocking.
    pub(crate) fn lock_of(segment: &Segment, name: &str, object: u64, generation: u64) -> Result<Shared<()>> {
        let (value, description) = (object, Vec::new());
        Shared::new(segment, name, &Found { object, generation, value, description })
    }

    /// The offset of its lock word.
    pub(crate) fn offset(&self) -> u64 {
        self.object
    }

    /// The name it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The segment it is in.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    #[inline(always)]
    fn attachment(&self) -> &Attachment {
        self.segment.attachment()
    }

    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: checked by `new` to be in the file, which never shrinks below a control block; such a block is all
        // atomics, and stays a control block when its object is removed.
        unsafe { &*self.attachment().map.base().add((self.object - 64) as usize).cast::<Control>() }
    }

    #[inline(always)]
    fn stored(&self) -> *mut T::Form {
        // SAFETY: checked by `new` to be in the file.
        unsafe { self.attachment().map.base().add(self.value as usize).cast() }
    }

    /// Whether this is still the object that the handle was made for. Asked under its lock; without it, "no" is
    /// true for ever, "yes" for the moment before.
    #[inline(always)]
    pub(crate) fn is_there(&self) -> bool {
        self.control().generation.get() == self.generation
    }

    /// Whether it was made with a ring of changes.
    #[inline(always)]
    pub(crate) fn keeps_changes(&self) -> bool {
        directory::has_ring(self.generation)
    }

    /// Lets the changes of a transaction that has just locked it go into its ring, if it has one.
    #[inline(always)]
    fn watch(&self, cx: Cx) {
        if self.keeps_changes() {
            self.watch_ring(cx);
        }
    }

    #[cold]
    fn watch_ring(&self, cx: Cx) {
        if let Some(ring) = self.control().ring() {
            cx.watch(self.stored().cast(), ring, &self.control().version);
        }
    }

    #[cold]
    pub(crate) fn removed(&self) -> Error {
        Error::Removed { name: self.name.to_string() }
    }
}

impl<T: Share> Shared<T> {
    /// How often it was changed since it was made. Equal versions mean equal content.
    pub fn version(&self) -> u64 {
        version::changes(self.control().version.get_acquire())
    }

    /// Where the value is, as an offset and in the map.
    #[cfg(test)]
    pub(crate) fn place(&self) -> (u64, *mut T::Stored) {
        (self.value, self.stored())
    }

    #[inline(always)]
    fn lock(&self) -> Lock<'_, Attachment> {
        self.lock_in(self.control())
    }

    /// The lock in its control block.
    #[inline(always)]
    fn lock_in<'a>(&'a self, control: &'a Control) -> Lock<'a, Attachment> {
        Lock { word: &control.lock, waiters: &control.waiters, object: self.object, around: self.attachment() }
    }

    /// Locks it for reading; many can read at once. Waits for a writer for as long as the segment's
    /// lock time-out.
    ///
    /// # Errors
    /// [`Error::LockTimeout`] names the process that has it; [`Error::Deadlock`] if this thread has a
    /// write guard of it, or waiting would close a circle; [`Error::TooManyGuards`]; [`Error::Removed`].
    #[inline(always)]
    pub fn read(&self) -> Result<ReadGuard<'_, T>> {
        self.read_for(self.attachment().patience)
    }

    /// As [`read`](Shared::read), waiting for at most `patience`.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline(always)]
    pub fn read_for(&self, patience: Duration) -> Result<ReadGuard<'_, T>> {
        let Some(worker) = self.segment.latest_worker() else { return self.read_unmarked(patience) };
        let Some(mark) = worker.take_mark() else { return self.read_unmarked(patience) };
        let (me, _) = worker.favour();
        let (control, word) = (self.control(), worker.slot().marks[mark].atomic());
        if !self.lock_in(control).read_soon(me, word, worker.tag()) || control.generation.get() != self.generation {
            self.read_marked(worker, mark, patience)?;
        }
        Ok(ReadGuard::new(self, worker, mark))
    }

    /// The same for a thread that has no worker yet, or no mark left.
    #[inline(always)]
    fn read_unmarked(&self, patience: Duration) -> Result<ReadGuard<'_, T>> {
        let (worker, mark) = self.mark(patience)?;
        Ok(ReadGuard::new(self, &worker, mark))
    }

    #[cold]
    fn mark(&self, patience: Duration) -> Result<(Keeper, usize)> {
        let worker = self.segment.worker()?;
        if let Some(mark) = worker.take_mark() {
            self.read_marked(&worker, mark, patience)?;
            return Ok((worker, mark));
        }
        let mark = worker.share_mark(self.object)?;
        if !self.is_there() {
            // The mark is that of another object, which was made where this one was.
            self.leave_read(&worker, mark);
            return Err(self.removed());
        }
        Ok((worker, mark))
    }

    /// Locks it for reading, with this mark, which is given back on an error.
    #[inline(never)]
    fn read_marked(&self, worker: &Worker, mark: usize, patience: Duration) -> Result<()> {
        let ((me, _), word) = (worker.favour(), worker.slot().marks[mark].atomic());
        let locked = self.lock().read(me, word, worker.tag(), patience);
        if locked.is_ok() && self.is_there() {
            if locked == Ok(false) && worker.habits().is_some_and(Habits::reads) {
                self.lock().favour_readers();
            }
            return Ok(());
        }
        if locked.is_ok() {
            self.lock().unlock_read(word);
        }
        worker.return_mark(mark);
        Err(locked.err().map_or_else(|| self.removed(), |blocked| self.blocked(blocked, patience)))
    }

    /// As [`read`](Shared::read), without waiting.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn try_read(&self) -> Result<ReadGuard<'_, T>> {
        self.read_for(Duration::ZERO)
    }

    /// Locks it for changing, for this thread alone, and opens a transaction that is committed when the
    /// guard is dropped. Waits for others for as long as the segment's lock time-out.
    ///
    /// # Errors
    /// [`Error::LockTimeout`] names the process that has it; [`Error::Deadlock`] if this thread has a
    /// guard of it already, or waiting would close a circle; [`Error::TooManyGuards`]; [`Error::Removed`].
    #[inline(always)]
    pub fn write(&self) -> Result<WriteGuard<'_, T>> {
        self.write_within(|| self.attachment().patience)
    }

    /// As [`write`](Shared::write), waiting for at most `patience`.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline(always)]
    pub fn write_for(&self, patience: Duration) -> Result<WriteGuard<'_, T>> {
        self.write_within(|| patience)
    }

    #[inline(always)]
    fn write_within(&self, patience: impl FnOnce() -> Duration) -> Result<WriteGuard<'_, T>> {
        if let Some(guard) = WriteGuard::soon(self) {
            return Ok(guard);
        }
        let (worker, way, hold) = self.open(patience())?;
        Ok(WriteGuard::new(self, &worker, way, hold))
    }

    /// Opens a transaction and locks it for writing, by the ordinary way.
    #[inline(never)]
    fn open(&self, patience: Duration) -> Result<(Keeper, usize, Hold)> {
        let worker = self.segment.worker()?;
        let way = worker.begin()?;
        match self.lock_for_writing(&worker, patience) {
            Ok(hold) => Ok((worker, way, hold)),
            Err(error) => {
                worker.end(way)?;
                Err(error)
            }
        }
    }

    /// Locks it for writing, in the name of the thread, which then [`unlock`](Shared::unlock)s it.
    #[inline(always)]
    fn lock_for_writing(&self, worker: &Worker, patience: Duration) -> Result<Hold> {
        let hold = if self.enter(worker) { Hold::FAVOURED } else { self.lock_ordinarily(worker, patience)? };
        self.there(worker, hold)
    }

    /// Locks it for writing, if the thread is favoured. Whether the object is there is not asked.
    #[inline(always)]
    fn enter(&self, worker: &Worker) -> bool {
        let (me, holds) = worker.favour();
        self.lock().enter(me, holds, self.control().version.atomic())
    }

    /// What is locked, if it is still the object that the handle is of. Else it is let go.
    #[inline(always)]
    fn there(&self, worker: &Worker, hold: Hold) -> Result<Hold> {
        if !self.is_there() {
            self.unlock(worker, hold);
            return Err(self.removed());
        }
        Ok(hold)
    }

    /// The same for who may not be favoured or is not yet.
    fn lock_ordinarily(&self, worker: &Worker, patience: Duration) -> Result<Hold> {
        let (lock, habits) = (self.lock(), worker.habits());
        let taken = lock.take(worker.tag());
        if taken == Taken::Alone {
            if habits.is_some_and(|habits| habits.writes(self.object, self.version())) {
                lock.favour(worker.favour().0);
            }
            return Ok(Hold(0));
        }
        habits.into_iter().for_each(|habits| habits.met_others(self.object));
        let keep = lock.write_slow(worker.tag(), taken, patience);
        keep.map(Hold).map_err(|blocked| self.blocked(blocked, patience))
    }

    /// Lets go of the lock taken for writing.
    #[inline(always)]
    fn unlock(&self, worker: &Worker, hold: Hold) {
        if hold == Hold::FAVOURED {
            let (me, holds) = worker.favour();
            self.lock().leave(me, holds, self.control().version.atomic());
        } else {
            self.lock().unlock_write(hold.0);
        }
    }

    /// The same, and counts before that it was changed.
    #[inline(always)]
    fn unlock_changed(&self, worker: &Worker, hold: Hold) {
        let version = self.control().version.atomic();
        if hold == Hold::FAVOURED {
            let (me, holds) = worker.favour();
            self.lock().leave_changed(me, holds, version);
        } else {
            version::count_change(version);
            self.lock().unlock_write(hold.0);
        }
    }

    /// The object whatever its type is, for locking and unlocking.
    fn as_untyped(&self) -> Shared<()> {
        Shared {
            segment: self.segment.clone(),
            object: self.object,
            generation: self.generation,
            value: self.value,
            number: self.number,
            name: self.name.clone(),
            marker: PhantomData,
        }
    }

    /// Counts, before it is unlocked, that it was changed; or that the changes were undone.
    #[inline(always)]
    fn count_end(&self, commit: bool) {
        let version = self.control().version.atomic();
        if commit { version::count_change(version) } else { version::count_undone(version) }
    }

    fn notify(&self) -> Notify<'_, Attachment> {
        self.notify_in(self.control())
    }

    #[inline(always)]
    fn notify_in<'a>(&'a self, control: &'a Control) -> Notify<'a, Attachment> {
        Notify { sleepers: &control.sleepers, bed: self.attachment() }
    }

    /// Wakes those who wait for a change, if there are any.
    fn wake_sleepers(&self) {
        self.notify().changed();
    }

    /// As [`write`](Shared::write), without waiting.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn try_write(&self) -> Result<WriteGuard<'_, T>> {
        self.write_for(Duration::ZERO)
    }

    /// A copy of the whole value, of one moment. Takes no lock unless others change it all the time.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn load(&self) -> Result<T> {
        // SAFETY: `stored` is this object's value.
        let load = |stored, cx| unsafe { T::load(stored, cx) };
        if !T::SOON {
            return self.at_length(load);
        }
        // SAFETY: the same.
        self.at_once(|stored, cx| unsafe { T::load_soon(stored, cx) }, load)
    }

    /// Replaces the whole value.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`].
    pub fn store(&self, value: T) -> Result<()> {
        if !T::OWNS && is_whole::<T::Stored>() && !self.keeps_changes() {
            let overwrite = |place, cx, _: &Log, value: T| {
                let stored = value.into_stored(cx)?;
                // SAFETY: this object's value, which is locked; it has nothing to free.
                unsafe { store_whole(place, stored) };
                Ok(())
            };
            return self.briefly(value, |_, _| (), overwrite, |_, error| Err(error));
        }
        let mut guard = self.write()?;
        guard.store(value)?;
        guard.commit()
    }

    #[cold]
    fn deadlock(&self, reason: &'static str) -> Error {
        // The guard may be of another object, which was made where this one was.
        if !self.is_there() {
            return self.removed();
        }
        Error::Deadlock { what: format!("object \"{}\"", self.name), reason }
    }

    #[cold]
    fn blocked(&self, blocked: Blocked, held_for: Duration) -> Error {
        match blocked {
            Blocked::Mine => self.deadlock("this thread has a guard of it"),
            Blocked::Circle => self.deadlock("a circle of threads wait for each other's objects"),
            Blocked::Timeout(tag) => Error::LockTimeout {
                what: format!("object \"{}\"", self.name),
                holder: self.attachment().pid_of(tag),
                held_for,
            },
        }
    }

    #[cold]
    fn cannot_lend(&self, error: &Error) -> ! {
        panic!("cannot lend object \"{}\" for changing: {error}", self.name)
    }

    /// Unlocks for reading.
    #[inline(always)]
    fn leave_read(&self, worker: &Worker, mark: usize) {
        if worker.return_mark(mark) {
            self.lock().unlock_read(worker.slot().marks[mark].atomic());
        }
    }

    #[inline(always)]
    pub(crate) fn reader(&self) -> Cx {
        self.segment.reader()
    }
}

/// How an object is locked for writing: with the hints that the unlock leaves behind, or by favour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold(u64);

impl Hold {
    /// No hint is so low a bit.
    const FAVOURED: Hold = Hold(1);
}
