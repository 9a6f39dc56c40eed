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

use super::Shared;
use crate::error::Result;
use crate::schema::{Guarded, Share};
use crate::sync::version;

/// What came of trying to do something by a single store: it was done, or it was not.
type Outcome<R, N> = std::result::Result<R, N>;

impl<T: Guarded> Shared<T> {
    /// Does one thing to the value under the lock; an error undoes it.
    #[inline(always)]
    pub(crate) fn change<R>(&self, operation: impl FnOnce(&mut T::Target) -> Result<R>) -> Result<R> {
        let mut guard = self.write()?;
        match operation(&mut guard) {
            Ok(result) => {
                guard.commit()?;
                Ok(result)
            }
            Err(error) => {
                guard.rollback();
                Err(error)
            }
        }
    }

    /// Does one thing to the value under the lock that is done by a single store, and so needs no transaction;
    /// `operation` gives an error if it has done nothing.
    #[inline(always)]
    fn change_at_once<R, N>(
        &self,
        operation: impl FnOnce(&T::Target) -> std::result::Result<R, N>,
    ) -> Result<Outcome<R, N>> {
        let worker = self.segment.worker()?;
        let keep = self.lock_for_writing(&worker, self.attachment().patience)?;
        // SAFETY: this object's value, locked for this call alone.
        let done = operation(unsafe { T::target(self.stored(), self.reader()) });
        if done.is_ok() {
            version::count_change(self.control().version.atomic());
        }
        self.lock().unlock_write(keep);
        if done.is_ok() {
            self.wake_sleepers();
        }
        Ok(done)
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

/// Whether a copy of such a value takes little time.
const fn is_small<T: Share>() -> bool {
    !T::OWNS
}
