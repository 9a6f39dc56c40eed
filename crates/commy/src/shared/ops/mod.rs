//! One-operation forms: methods of a shared object that lock it for themselves, each a transaction of its own.
//!
//! Those that change something take the write lock; those that only read take none, as long as nobody is writing at
//! that very moment. They bear the names that the methods have in std and give what they give, in a [`Result`];
//! what they read is given as a copy.

mod blocking;
mod map;
mod option;
mod sequence;
mod set;
mod text;
#[cfg(feature = "tokio")]
mod tokio;

use super::{Shared, WriteGuard};
use crate::error::Result;
use crate::schema::{Guarded, Share};
use crate::sync::version;
use crate::tx::Cx;

/// What came of trying to do something by a single store: it was done, or it was not.
type Outcome<R, N> = std::result::Result<R, N>;

impl<T: Guarded> Shared<T> {
    /// Does one thing to the value under the lock; an error undoes it.
    #[inline(always)]
    pub(crate) fn change<R>(&self, operation: impl FnOnce(&mut T::Target) -> Result<R>) -> Result<R> {
        let mut guard = self.write()?;
        close(operation(&mut guard), guard)
    }

    /// As [`by_one_store`](Shared::by_one_store), for who wants the view.
    #[inline(always)]
    fn change_at_once<R, N>(&self, operation: impl FnOnce(&T::Target) -> Outcome<R, N>) -> Result<Outcome<R, N>> {
        // SAFETY: this object's value, locked for this call alone.
        self.by_one_store(|stored, cx| operation(unsafe { T::target(stored, cx) }))
    }

    /// Reads something of the value without the lock.
    #[inline(always)]
    pub(crate) fn peek<R>(&self, read: impl Fn(&T::Target) -> Result<R>) -> Result<R> {
        // SAFETY: this object's value. A view is all words, so that it may be looked at while others write; what is
        // read through it is copied.
        self.at_once(|stored, cx| read(unsafe { T::target(stored, cx) }))
    }

    /// The same for what takes as long as the value is large.
    pub(crate) fn survey<R>(&self, read: impl Fn(&T::Target) -> Result<R>) -> Result<R> {
        // SAFETY: as in `peek`.
        self.at_length(|stored, cx| read(unsafe { T::target(stored, cx) }))
    }
}

impl<T: Share> Shared<T> {
    /// Does one thing to the value under the lock that is done by a single store, and so needs no log; `operation` gives
    /// an error if it has done nothing. Not for objects with a ring of changes, where nothing is done without a note.
    #[inline(always)]
    pub(super) fn by_one_store<R, N>(
        &self,
        operation: impl FnOnce(*mut T::Stored, Cx) -> Outcome<R, N>,
    ) -> Result<Outcome<R, N>> {
        debug_assert!(!self.keeps_changes());
        let worker = self.segment.worker()?;
        let way = worker.begin()?;
        let locked = self.lock_for_writing(&worker, self.attachment().patience);
        let keep = locked.inspect_err(|_| worker.end_empty(way))?;
        let done = operation(self.stored(), self.reader());
        if done.is_ok() {
            version::count_change(self.control().version.atomic());
        }
        self.lock().unlock_write(keep);
        worker.end_empty(way);
        if done.is_ok() {
            self.wake_sleepers();
        }
        Ok(done)
    }
}

/// Commits what was done, or undoes it if it is an error.
#[inline(always)]
fn close<T: Share, R>(done: Result<R>, guard: WriteGuard<'_, T>) -> Result<R> {
    match done {
        Ok(result) => guard.commit().map(|()| result),
        Err(error) => {
            guard.rollback();
            Err(error)
        }
    }
}

/// Whether a copy of such a value takes little time.
const fn is_small<T: Share>() -> bool {
    !T::OWNS
}
