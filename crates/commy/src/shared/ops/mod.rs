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

use super::{Hold, Shared, WriteGuard};
use crate::error::Result;
use crate::participant::Unlocked;
use crate::schema::{Guarded, Share};
use crate::tx::{Cx, Log, Worker};

/// What came of trying to do something briefly: it was done, or nothing was. No [`Error`](crate::Error) is in what is done:
/// such a result would be moved about in memory.
pub(super) type Outcome<R, N> = std::result::Result<R, N>;

/// What is to be done if something that is not ours panics, such as the comparison of keys. It is called before anything is
/// changed, so there is nothing to roll back.
pub(super) struct IfItPanics<F: Fn()>(pub(super) F);

impl<F: Fn()> IfItPanics<F> {
    #[inline(always)]
    pub(super) fn it_did_not(self) {
        std::mem::forget(self);
    }
}

impl<F: Fn()> Drop for IfItPanics<F> {
    #[inline(always)]
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<T: Guarded> Shared<T> {
    /// Does one thing to the value under the lock; an error undoes it.
    #[inline(always)]
    pub(crate) fn change<R>(&self, operation: impl FnOnce(&mut T::Target) -> Result<R>) -> Result<R> {
        let mut guard = self.write()?;
        close(operation(&mut guard), guard)
    }

    /// Does one thing to the value by a single store, as [`briefly`](Shared::briefly) says.
    #[inline(always)]
    fn change_at_once<I, R, N>(
        &self,
        input: I,
        operation: impl FnOnce(&T::Target, I) -> Outcome<R, N>,
        otherwise: impl FnOnce(&mut T::Target, N) -> Result<R>,
    ) -> Result<R> {
        self.change_briefly(input, |_, _| (), |view, _, input| operation(view, input), otherwise)
    }

    /// Does one thing to the value at a stroke, as [`briefly`](Shared::briefly) says; `foresee` has something of it fetched
    /// into the cache, if the lock has to be waited for.
    #[inline(always)]
    fn at_a_stroke<I, R, N>(
        &self,
        input: I,
        foresee: impl FnOnce(&T::Target, &I),
        operation: impl FnOnce(&T::Target, &Log, I) -> Outcome<R, N>,
        otherwise: impl FnOnce(&mut T::Target, N) -> Result<R>,
    ) -> Result<R> {
        let foresee = |worker: &Worker, input: &I| self.look_ahead(worker, |view| foresee(view, input));
        self.change_briefly(input, foresee, operation, otherwise)
    }

    /// As [`change`](Shared::change); before the lock is taken, `foresee` has something of the value fetched into the cache.
    #[inline(always)]
    fn change_foreseen<I, R>(
        &self,
        input: I,
        foresee: impl FnOnce(&T::Target, &I),
        operation: impl FnOnce(&mut T::Target, I) -> Result<R>,
    ) -> Result<R> {
        if let Some(worker) = self.segment.latest_worker() {
            self.look_ahead(worker, |view| foresee(view, &input));
        }
        self.change(|view| operation(view, input))
    }

    /// Looks at the value, whatever becomes of it meanwhile.
    #[inline(always)]
    fn look_ahead(&self, worker: &Worker, look: impl FnOnce(&T::Target)) {
        let _unlocked = Unlocked::begin(worker.slot());
        if !cfg!(commy_locked_reads) && self.is_there() {
            // SAFETY: this object's value, as in `peek`.
            look(unsafe { T::target(self.stored(), self.reader()) });
        }
    }

    /// Does one thing to the value as [`briefly`](Shared::briefly) says.
    #[inline(always)]
    fn change_briefly<I, R, N>(
        &self,
        input: I,
        foresee: impl FnOnce(&Worker, &I),
        operation: impl FnOnce(&T::Target, &Log, I) -> Outcome<R, N>,
        otherwise: impl FnOnce(&mut T::Target, N) -> Result<R>,
    ) -> Result<R> {
        // SAFETY: this object's value, locked for this call alone.
        let operation =
            |stored: *mut T::Stored, cx, log: &Log, input| operation(unsafe { T::target(stored, cx) }, log, input);
        self.briefly(input, foresee, operation, |mut guard, not| close(otherwise(&mut guard, not), guard))
    }

    /// Reads something of the value without the lock, which takes little time.
    #[inline(always)]
    pub(crate) fn peek<R>(&self, read: impl Fn(&T::Target) -> R) -> Result<R> {
        // SAFETY: this object's value. A view is all words, so that it may be looked at while others write; what is
        // read through it is copied.
        let soon = |stored, cx| Some(read(unsafe { T::target(stored, cx) }));
        // SAFETY: the same.
        self.at_once(soon, |stored, cx| Ok(read(unsafe { T::target(stored, cx) })))
    }

    /// A copy of a part of the value without the lock, in as much time as it takes. `find` and `find_again` are the same:
    /// where that part is. A closure that is called at one place is inlined there, however large it is.
    #[inline(always)]
    fn copy_of<V: Share>(
        &self,
        find: impl Fn(&T::Target) -> Option<*const V::Stored>,
        find_again: impl Fn(&T::Target) -> Option<*const V::Stored>,
    ) -> Result<Option<V>> {
        let copy_again = move |stored, cx| {
            // SAFETY: as in `peek`; a part of it, in the segment.
            unsafe { find_again(T::target(stored, cx)).map(|place| V::load(place, cx)).transpose() }
        };
        if !V::SOON {
            return self.at_length(copy_again);
        }
        let copy = move |stored, cx| {
            // SAFETY: the same.
            unsafe {
                match find(T::target(stored, cx)) {
                    Some(place) => V::load_soon(place, cx).map(Some),
                    None => Some(None),
                }
            }
        };
        self.at_once(copy, copy_again)
    }

    /// The same for what takes as long as the value is large.
    pub(crate) fn survey<R>(&self, read: impl Fn(&T::Target) -> Result<R>) -> Result<R> {
        // SAFETY: as in `peek`.
        self.at_length(|stored, cx| read(unsafe { T::target(stored, cx) }))
    }
}

impl<T: Share> Shared<T> {
    /// Does one thing to the value under the lock that `operation` does without the context of a transaction, be it by
    /// a single store, be it at a stroke ([`Log::at_a_stroke`]). What it cannot do it leaves to `otherwise`, which gets a
    /// guard, with nothing done. `foresee` is called before the lock is taken, unless that is done at
    /// once. Not for objects with a ring of changes, where nothing is done without a note.
    #[inline(always)]
    pub(super) fn briefly<I, R, N>(
        &self,
        input: I,
        foresee: impl FnOnce(&Worker, &I),
        operation: impl FnOnce(*mut T::Stored, Cx, &Log, I) -> Outcome<R, N>,
        otherwise: impl FnOnce(WriteGuard<'_, T>, N) -> Result<R>,
    ) -> Result<R> {
        debug_assert!(!self.keeps_changes());
        let found;
        let worker = match self.segment.latest_worker() {
            Some(worker) => worker,
            None => {
                found = self.segment.worker()?;
                &*found
            }
        };
        let way = worker.begin()?;
        let hold = if self.enter(worker) {
            Hold::FAVOURED
        } else {
            let undo = IfItPanics(move || worker.end_unused(way));
            foresee(worker, &input);
            undo.it_did_not();
            self.lock_ordinarily(worker, self.attachment().patience).inspect_err(|_| worker.end_unused(way))?
        };
        let hold = self.there(worker, hold).inspect_err(|_| worker.end_unused(way))?;
        let undo = IfItPanics(move || self.abandon(worker, way, hold));
        let outcome = operation(self.stored(), self.reader(), worker.log(way), input);
        undo.it_did_not();
        match outcome {
            Ok(done) => {
                self.unlock_changed(worker, hold);
                worker.end_unused(way);
                self.wake_sleepers();
                Ok(done)
            }
            Err(not) => self.otherwise(worker, way, hold, not, otherwise),
        }
    }

    /// Unlocks what nothing was done to, and ends the transaction.
    #[cold]
    #[inline(never)]
    pub(super) fn abandon(&self, worker: &Worker, way: usize, hold: Hold) {
        self.unlock(worker, hold);
        worker.end_unused(way);
    }

    /// Goes on with what could not be done briefly.
    #[inline(never)]
    fn otherwise<R, N>(
        &self,
        worker: &Worker,
        way: usize,
        hold: Hold,
        not: N,
        otherwise: impl FnOnce(WriteGuard<'_, T>, N) -> Result<R>,
    ) -> Result<R> {
        otherwise(WriteGuard::new(self, worker, way, hold), not)
    }
}

/// Commits what was done, or undoes it if it is an error.
#[inline(always)]
pub(crate) fn close<T: Share, R>(done: Result<R>, guard: WriteGuard<'_, T>) -> Result<R> {
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
