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

use super::{Owner, Shared, WriteGuard};
use crate::error::Result;
use crate::participant::Unlocked;
use crate::schema::{Guarded, Share};
use crate::sync::version;
use crate::tx::{Cx, Log};

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

    /// As [`briefly`](Shared::briefly), for who wants the view; `foresee` has something of it fetched into the cache.
    #[inline(always)]
    fn at_a_stroke<I, R, N>(
        &self,
        input: I,
        foresee: impl FnOnce(&T::Target, &I),
        operation: impl FnOnce(&T::Target, &Log, I) -> Outcome<R, N>,
    ) -> Result<Outcome<R, (WriteGuard<'_, T>, N)>> {
        let worker = self.segment.worker()?;
        {
            let _unlocked = Unlocked::begin(worker.slot());
            if self.is_there() {
                // SAFETY: this object's value, as in `peek`.
                foresee(unsafe { T::target(self.stored(), self.reader()) }, &input);
            }
        }
        // SAFETY: this object's value, locked for this call alone.
        self.briefly(worker, |stored, cx, log| operation(unsafe { T::target(stored, cx) }, log, input))
    }

    /// Reads something of the value without the lock.
    #[inline(always)]
    pub(crate) fn peek<R>(&self, read: impl Fn(&T::Target) -> Result<R>) -> Result<R> {
        // SAFETY: this object's value. A view is all words, so that it may be looked at while others write; what is
        // read through it is copied.
        self.at_once(|stored, cx| read(unsafe { T::target(stored, cx) }))
    }

    /// A copy of a part of the value without the lock: if that is there, it is given `soon`, or in as much time as it takes.
    #[inline(always)]
    fn copy_of<V: Share>(
        &self,
        soon: impl Fn(&T::Target) -> Result<Option<Option<V>>>,
        later: impl Fn(&T::Target) -> Result<Option<V>>,
    ) -> Result<Option<V>> {
        if !V::SOON {
            return self.survey(later);
        }
        match self.peek(soon)? {
            None => Ok(None),
            Some(None) => self.survey(later),
            Some(value) => Ok(value),
        }
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
        match self.briefly(self.segment.worker()?, |stored, cx, _| operation(stored, cx))? {
            Ok(done) => Ok(Ok(done)),
            Err((guard, not)) => guard.commit().map(|()| Err(not)),
        }
    }

    /// Does one thing to the value under the lock that `operation` does without the context of a transaction, be it by
    /// a single store, be it at a stroke ([`Log::at_a_stroke`]). If it has done nothing, and gives an error, the value
    /// is left locked, for doing it otherwise. Not for objects with a ring of changes.
    #[inline(always)]
    fn briefly<R, N>(
        &self,
        worker: Owner,
        operation: impl FnOnce(*mut T::Stored, Cx, &Log) -> Outcome<R, N>,
    ) -> Result<Outcome<R, (WriteGuard<'_, T>, N)>> {
        debug_assert!(!self.keeps_changes());
        let way = worker.begin()?;
        let locked = self.lock_for_writing(&worker, self.attachment().patience);
        let hold = locked.inspect_err(|_| worker.end_unused(way))?;
        match operation(self.stored(), self.reader(), worker.log(way)) {
            Ok(done) => {
                version::count_change(self.control().version.atomic());
                self.unlock(&worker, hold);
                worker.end_unused(way);
                self.wake_sleepers();
                Ok(Ok(done))
            }
            Err(not) => Ok(Err((WriteGuard::new(self, worker, way, hold), not))),
        }
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
