//! The guards of a shared object: the lock while it is held, and the value seen through it.

use super::{Hold, Shared};
use crate::directory;
use crate::error::{Error, Result};
use crate::schema::{Guarded, Share};
use crate::tx::{Cx, KeyBytes, Operation, Owner, Worker};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// The value locked for reading. Dereferences to the value in place (a container's view, a plain
/// value); for enums, tuples and the like use [`view`](ReadGuard::view).
///
/// Bound to its thread. In a forked child a guard of the parent does nothing.
pub struct ReadGuard<'a, T: Share> {
    shared: &'a Shared<T>,
    worker: Owner,
    mark: usize,
    not_send: PhantomData<*mut ()>,
}

impl<'a, T: Share> ReadGuard<'a, T> {
    /// With a mark that is the guard's from here on.
    #[inline(always)]
    pub(super) fn new(shared: &'a Shared<T>, worker: &Worker, mark: usize) -> ReadGuard<'a, T> {
        // SAFETY: it has the mark.
        let worker = unsafe { Owner::new(worker) };
        ReadGuard { shared, worker, mark, not_send: PhantomData }
    }

    /// The value in place.
    pub fn view(&self) -> T::Ref<'_> {
        // SAFETY: locked for reading: nobody changes it while the guard lives; the context is the
        // attachment's.
        unsafe { T::view(self.shared.stored(), self.shared.reader()) }
    }

    /// A copy of the value.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn load(&self) -> Result<T> {
        // SAFETY: as in `view`.
        unsafe { T::load(self.shared.stored(), self.shared.reader()) }
    }
}

impl<T: Share> Drop for ReadGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.worker.is_own() {
            self.shared.leave_read(&self.worker, self.mark);
        } else {
            self.worker.return_mark(self.mark);
        }
        self.worker.ended();
    }
}

impl<T: Guarded> Deref for ReadGuard<'_, T> {
    type Target = T::Target;
    fn deref(&self) -> &T::Target {
        // SAFETY: as in `view`.
        unsafe { T::target(self.shared.stored(), self.shared.reader()) }
    }
}

/// The value locked for changing, in a transaction: dropping the guard commits it, a panic that begins
/// under the guard or a death of the process rolls it back. Dereferences to the
/// value in place (a container's view, a plain value); for enums, tuples and the like use [`view`](WriteGuard::view)
/// and [`view_mut`](WriteGuard::view_mut).
///
/// Bound to its thread. In a forked child a guard of the parent changes nothing: its methods give
/// [`Error::Forked`].
pub struct WriteGuard<'a, T: Share> {
    shared: &'a Shared<T>,
    worker: Owner,
    /// The context of the transaction, in the worker.
    cx: Cx,
    state: State,
    not_send: PhantomData<*mut ()>,
}

/// What a guard has to end: how the object is locked, and flags in bits that no [`Hold`] has. One word, so that a guard is
/// made and ended in registers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    /// The thread was panicking already when it took the lock: that is no reason to undo what it does.
    const WHILE_PANICKING: u64 = 2;
    /// Opened by [`soon`](WriteGuard::soon).
    const BY_SOON: u64 = 4;
    const FLAGS: u64 = State::WHILE_PANICKING | State::BY_SOON;

    const SOON: State = State(Hold::FAVOURED.0 | State::BY_SOON);
    /// Nothing is left to end.
    const CLOSED: State = State(8);

    fn open(hold: Hold) -> State {
        State(hold.0 | if std::thread::panicking() { State::WHILE_PANICKING } else { 0 })
    }

    fn hold(self) -> Hold {
        Hold(self.0 & !State::FLAGS)
    }

    /// Whether what was done under a guard that is dropped has happened.
    fn commits(self) -> bool {
        self.0 & State::WHILE_PANICKING != 0 || !std::thread::panicking()
    }
}

/// What a guard has left open: see [`WriteGuard::leave_open`].
pub(super) struct Open {
    worker: Owner,
    cx: Cx,
    hold: Hold,
}

impl<'a, T: Share> WriteGuard<'a, T> {
    /// With a way that is the guard's from here on.
    #[inline(always)]
    pub(super) fn new(shared: &'a Shared<T>, worker: &Worker, way: usize, hold: Hold) -> WriteGuard<'a, T> {
        // SAFETY: it has the way.
        let (worker, cx) = (unsafe { Owner::new(worker) }, worker.context(way));
        shared.watch(cx);
        WriteGuard { shared, worker, cx, state: State::open(hold), not_send: PhantomData }
    }

    /// A guard by the shortest way, for a thread that is favoured, has no other transaction open and does not panic, of an
    /// object without a ring of changes. `None`: there is no such way, and nothing was done.
    #[inline(always)]
    pub(super) fn soon(shared: &'a Shared<T>) -> Option<WriteGuard<'a, T>> {
        let control = shared.control();
        // Asked of the object, not of the handle: what cannot change would have the compiler make two loops of one, and
        // of such a loop neither may get its guard's end inlined.
        if directory::has_ring(control.generation.get()) | std::thread::panicking() {
            return None;
        }
        let (worker, header) = (shared.segment.latest_worker()?, shared.segment.map().header());
        let (lock, slot, (me, holds)) = (shared.lock_in(control), worker.slot(), worker.favour());
        if !worker.begin_soon(slot, header, false) {
            return None;
        }
        if !lock.enter(me, holds, control.version.atomic()) {
            worker.take_back();
            return None;
        }
        if control.generation.get() != shared.generation {
            lock.leave(me, holds, control.version.atomic());
            worker.end_unused(0);
            return None;
        }
        // SAFETY: it has the way.
        let (worker, cx) = (unsafe { Owner::new(worker) }, worker.context(0));
        Some(WriteGuard { shared, worker, cx, state: State::SOON, not_send: PhantomData })
    }

    /// Closes what was opened [soon](WriteGuard::soon), if nothing was done, in as few steps.
    #[inline(always)]
    fn close_soon(&mut self) -> bool {
        let worker = &self.worker;
        if self.state != State::SOON || !worker.is_own() || !worker.has_done_nothing() {
            return false;
        }
        self.state = State::CLOSED;
        let ((me, holds), control) = (worker.favour(), self.shared.control());
        let lock = self.shared.lock_in(control);
        lock.leave_untold(holds, control.version.atomic());
        worker.end_nothing();
        if lock.is_awaited(me) {
            self.shared.tell_waiting(self.worker);
        }
        true
    }

    #[inline(always)]
    pub(crate) fn cx(&self) -> Cx {
        self.cx
    }

    /// The value in place.
    pub fn view(&self) -> T::Ref<'_> {
        // SAFETY: locked for this guard alone; the context lives in the worker, which the guard holds.
        unsafe { T::view(self.shared.stored(), self.cx()) }
    }

    /// The value in place, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for what is lent; [`Error::Forked`].
    pub fn try_view_mut(&mut self) -> Result<T::Mut<'_>> {
        // SAFETY: as in `view`, and borrowed for this call alone; the transaction is open.
        unsafe { T::view_mut(self.shared.stored(), self.cx()) }
    }

    /// The value in place, to be changed.
    ///
    /// # Panics
    /// If the log has no room for what is lent, or in a forked child; the transaction is then
    /// rolled back. [`try_view_mut`](WriteGuard::try_view_mut) gives the error instead.
    pub fn view_mut(&mut self) -> T::Mut<'_> {
        let shared = self.shared;
        self.try_view_mut().unwrap_or_else(|error| shared.cannot_lend(&error))
    }

    /// A copy of the value.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn load(&self) -> Result<T> {
        // SAFETY: as in `view`.
        unsafe { T::load(self.shared.stored(), self.cx()) }
    }

    /// Replaces the value.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; the value is then as it was.
    pub fn store(&mut self, value: T) -> Result<()> {
        let (cx, stored) = (self.cx(), self.shared.stored());
        let old = cx.atomically(|| {
            let new = value.into_stored(cx)?;
            // SAFETY: the value's place is in the file, and locked; its old bytes are logged before they
            // are overwritten.
            unsafe {
                cx.keep_value(stored)?;
                if cx.is_noting() {
                    cx.note(stored.cast(), Operation::Replaced, &KeyBytes::NONE)?;
                }
                let old = stored.read();
                stored.write(new);
                Ok(std::mem::MaybeUninit::new(old))
            }
        })?;
        let mut old = old;
        // SAFETY: the bytes of the value that was there, which nothing refers to any more.
        unsafe { T::drop_stored(old.as_mut_ptr(), cx) }
    }

    /// Commits and unlocks: from here on it has happened. Dropping the guard does the same.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child, where nothing happens; [`Error::Corrupt`] if what was freed
    /// could not be given back, though the change stands. Of an object with a ring of changes
    /// ([`Named::changes`](crate::Named::changes)) also [`Error::OutOfSpace`] if there is no room for noting a change at
    /// all, not even that which is kept for removals: then everything was undone.
    pub fn commit(mut self) -> Result<()> {
        self.close(true)
    }

    /// Has nobody go any more by what was remembered of the object. To who waits for a change that is none.
    pub(crate) fn unsettle(&self) {
        self.shared.count_end(false);
    }

    /// Unlocks an object that another transaction has changed under this lock, and tells who waits for a change.
    pub(crate) fn close_changed(self) -> Result<()> {
        let shared = self.shared;
        shared.count_end(true);
        let closed = self.commit();
        shared.wake_sleepers();
        closed
    }

    /// Undoes everything that was done under this guard, and unlocks.
    pub fn rollback(mut self) {
        // What cannot be undone stays locked, and others get `LockTimeout`.
        let _ = self.close(false);
    }

    /// Leaves the object locked, and the transaction open, for a guard that [goes on](WriteGuard::go_on) with it.
    pub(super) fn leave_open(mut self) -> Open {
        let hold = self.state.hold();
        self.state = State::CLOSED;
        Open { worker: self.worker, cx: self.cx, hold }
    }

    /// A guard for what another one of the same object has left open.
    pub(super) fn go_on(shared: &'a Shared<T>, Open { worker, cx, hold }: Open) -> WriteGuard<'a, T> {
        WriteGuard { shared, worker, cx, state: State::open(hold), not_send: PhantomData }
    }

    /// Ends what was done under the guard, and unlocks.
    #[inline(always)]
    fn close(&mut self, commit: bool) -> Result<()> {
        if self.close_soon() {
            return Ok(());
        }
        let hold = self.state.hold();
        self.state = State::CLOSED;
        self.shared.close(self.worker, self.cx, hold, commit)
    }
}

impl<T: Share> Drop for WriteGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.state != State::CLOSED && !self.close_soon() {
            self.shared.close_dropped(self.worker, self.cx, self.state);
        }
    }
}

/// Ending guards for writing. Their parts are passed, not they: nobody has their address, so they can be in registers.
impl<T: Share> Shared<T> {
    /// Tells who waits for the favoured one, which has left.
    #[cold]
    #[inline(never)]
    fn tell_waiting(&self, worker: Owner) {
        self.lock().tell(worker.favour().1);
    }

    #[inline(never)]
    fn close_dropped(&self, worker: Owner, cx: Cx, state: State) {
        // Of a commit only the giving back of memory can fail; it is done by who comes next.
        let _ = self.close(worker, cx, state.hold(), state.commits());
    }

    fn close(&self, worker: Owner, cx: Cx, hold: Hold, commit: bool) -> Result<()> {
        let closed = if worker.is_own() {
            self.close_own(&worker, cx, hold, commit)
        } else {
            worker.give_back(cx.way());
            Err(Error::Forked)
        };
        worker.ended();
        closed
    }

    fn close_own(&self, worker: &Worker, cx: Cx, hold: Hold, commit: bool) -> Result<()> {
        if worker.log(cx.way()).is_empty() {
            self.unlock(worker, hold);
            worker.end_empty(cx.way());
            return Ok(());
        }
        let noted = if commit { cx.note_rest() } else { Ok(()) };
        let closed = self.close_noted(worker, cx, hold, commit && noted.is_ok());
        noted.and(closed)
    }

    fn close_noted(&self, worker: &Worker, cx: Cx, hold: Hold, commit: bool) -> Result<()> {
        if commit {
            worker.log(cx.way()).commit();
            self.unlock_changed(worker, hold);
            self.wake_sleepers();
            cx.committed();
        } else {
            worker.roll_back(cx.way())?;
            self.count_end(false);
            self.unlock(worker, hold);
        }
        worker.end(cx.way())
    }
}

impl<T: Guarded> Deref for WriteGuard<'_, T> {
    type Target = T::Target;
    fn deref(&self) -> &T::Target {
        // SAFETY: as in `view`.
        unsafe { T::target(self.shared.stored(), self.cx()) }
    }
}

impl<T: Guarded> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T::Target {
        // SAFETY: as in `try_view_mut`.
        let target = unsafe { T::target_mut(self.shared.stored(), self.cx()) };
        target.unwrap_or_else(|error| self.shared.cannot_lend(&error))
    }
}

impl<T: Share> std::fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadGuard").field("name", &self.shared.name()).finish_non_exhaustive()
    }
}

impl<T: Share> std::fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteGuard").field("name", &self.shared.name()).finish_non_exhaustive()
    }
}
