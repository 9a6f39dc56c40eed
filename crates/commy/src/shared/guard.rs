//! The guards of a shared object: the lock while it is held, and the value seen through it.

use super::{Hold, Owner, Shared};
use crate::error::{Error, Result};
use crate::schema::{Guarded, Share};
use crate::tx::{Cx, KeyBytes, Operation};
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
    #[inline(always)]
    pub(super) fn new(shared: &'a Shared<T>, worker: Owner, mark: usize) -> ReadGuard<'a, T> {
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
        }
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
    hold: Hold,
    state: State,
    not_send: PhantomData<*mut ()>,
}

/// Whether a guard has anything to end. As large as a word, so that no padding is moved about.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum State {
    Open,
    /// The thread was panicking already when it took the lock: that is no reason to undo what it does.
    OpenWhilePanicking,
    Closed,
}

impl State {
    #[inline(always)]
    fn open() -> State {
        if std::thread::panicking() { State::OpenWhilePanicking } else { State::Open }
    }
}

/// What a guard has left open: see [`WriteGuard::leave_open`].
pub(super) struct Open {
    worker: Owner,
    cx: Cx,
    hold: Hold,
}

impl<'a, T: Share> WriteGuard<'a, T> {
    #[inline(always)]
    pub(super) fn new(shared: &'a Shared<T>, worker: Owner, way: usize, hold: Hold) -> WriteGuard<'a, T> {
        let cx = worker.context(way);
        shared.watch(cx);
        WriteGuard { shared, worker, cx, hold, state: State::open(), not_send: PhantomData }
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
                cx.keep_bytes(stored.cast(), size_of::<T::Stored>())?;
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
        self.state = State::Closed;
        Open { worker: self.worker.clone(), cx: self.cx, hold: self.hold }
    }

    /// A guard for what another one of the same object has left open.
    pub(super) fn go_on(shared: &'a Shared<T>, Open { worker, cx, hold }: Open) -> WriteGuard<'a, T> {
        WriteGuard { shared, worker, cx, hold, state: State::open(), not_send: PhantomData }
    }

    #[inline(always)]
    fn close(&mut self, commit: bool) -> Result<()> {
        if !self.worker.is_own() {
            return Err(Error::Forked);
        }
        self.state = State::Closed;
        let way = self.cx.way();
        if self.worker.log(way).is_empty() {
            self.shared.unlock(&self.worker, self.hold);
            self.worker.end_empty(way);
            return Ok(());
        }
        self.close_logged(commit)
    }

    fn close_logged(&mut self, commit: bool) -> Result<()> {
        let noted = if commit { self.cx().note_rest() } else { Ok(()) };
        let closed = self.close_noted(commit && noted.is_ok());
        noted.and(closed)
    }

    #[inline(always)]
    fn close_noted(&mut self, commit: bool) -> Result<()> {
        let log = self.worker.log(self.cx.way());
        if commit {
            log.commit();
        } else {
            log.roll_back(&self.worker.actor(), self.worker.alloc())?;
        }
        if commit {
            self.shared.unlock_changed(&self.worker, self.hold);
            self.shared.wake_sleepers();
            self.cx().committed();
        } else {
            self.shared.count_end(false);
            self.shared.unlock(&self.worker, self.hold);
        }
        self.worker.end(self.cx.way())
    }
}

impl<T: Share> Drop for WriteGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.state != State::Closed {
            let commit = self.state == State::OpenWhilePanicking || !std::thread::panicking();
            // Of a commit only the giving back of memory can fail; it is done by who comes next.
            let _ = self.close(commit);
        }
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
