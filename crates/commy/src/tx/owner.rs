//! How long a worker lives: as long as its thread's list has it, a transaction, or a guard.
//!
//! The first two keep it, and are counted. Guards are not, for they come and go too often: that one is there is said by
//! the bit in the worker that stands for its way or its mark. So the last keeper, when it goes, looks whether there are
//! any, and if there are it leaves the worker to them:
//!
//! ```text
//! marks, open of the worker    a bit for each guard; LEFT, in `open`: nobody keeps it any more
//! stuck of the worker          those bits in `open` whose guard has gone: what it did could be neither undone nor ended
//!
//! last keeper goes             is there a bit that is not stuck? sets LEFT; else the worker is dropped
//! guard ends                   is LEFT all that there is besides stuck ones? then the worker is dropped
//! ```
//!
//! What is left to guards is no thread's latest worker any more, so nobody opens another one with it.

use super::Worker;
use crate::participant::set_idle_if_busy;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;

/// Set in `open` when nobody keeps the worker.
pub(super) const LEFT: u32 = 1 << 31;

/// Who keeps a worker.
#[derive(Clone)]
pub(crate) struct Keeper(ManuallyDrop<Rc<Worker>>);

impl Keeper {
    pub(super) fn new(worker: Rc<Worker>) -> Keeper {
        Keeper(ManuallyDrop::new(worker))
    }

    /// One more keeper.
    ///
    /// # Safety
    /// The worker is kept, and the pointer came out of its `Rc`.
    #[inline(always)]
    pub(super) unsafe fn of(worker: NonNull<Worker>) -> Keeper {
        // SAFETY: the caller's promise.
        unsafe {
            Rc::increment_strong_count(worker.as_ptr());
            Keeper::new(Rc::from_raw(worker.as_ptr()))
        }
    }

    /// Whether there are others who need the worker.
    pub(super) fn is_shared(&self) -> bool {
        Rc::strong_count(&self.0) > 1 || self.has_guards()
    }

    pub(super) fn as_ptr(&self) -> *const Worker {
        Rc::as_ptr(&self.0)
    }
}

impl Deref for Keeper {
    type Target = Worker;
    #[inline(always)]
    fn deref(&self) -> &Worker {
        &self.0
    }
}

impl Drop for Keeper {
    #[inline(always)]
    fn drop(&mut self) {
        if Rc::strong_count(&self.0) == 1 && self.has_guards() {
            return self.open.set(self.open.get() | LEFT);
        }
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.0) }
    }
}

/// The worker of a guard that has not ended, so that it lives.
#[derive(Clone, Copy)]
pub(crate) struct Owner(NonNull<Worker>);

impl Owner {
    /// # Safety
    /// As long as this is used somebody keeps the worker, or the guard that has this has a way or a mark of it.
    #[inline(always)]
    pub(crate) unsafe fn new(worker: &Worker) -> Owner {
        Owner(NonNull::from(worker))
    }

    /// The guard that had this has ended.
    #[inline(always)]
    pub(crate) fn ended(self) {
        if self.open.get() & LEFT != 0 {
            self.ended_left();
        }
    }

    #[cold]
    fn ended_left(self) {
        // Who ended the last transaction took `LEFT` for another one.
        if self.open.get() == LEFT && self.is_own() {
            set_idle_if_busy(self.slot());
        }
        if !self.has_guards() {
            let worker = self.address();
            // SAFETY: out of its `Rc`. The last keeper has left its count to the guards, of which this was the last one.
            drop(unsafe { Rc::from_raw(worker.as_ptr()) });
        }
    }
}

impl Deref for Owner {
    type Target = Worker;
    #[inline(always)]
    fn deref(&self) -> &Worker {
        // SAFETY: the promise of `new`.
        unsafe { self.0.as_ref() }
    }
}
