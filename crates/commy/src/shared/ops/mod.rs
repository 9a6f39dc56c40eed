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
