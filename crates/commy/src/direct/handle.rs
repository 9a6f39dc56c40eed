//! What every container is: a handle of an object, or content that is about to become one.
//!
//! ```text
//!             new_in, named_in, from_iter_in
//! placed  <-------------------------------------  an object in the file, and by what right this handle has it
//!    ^
//!    | when it is first used
//! loose   <-------------------------------------  content that was taken out of another container
//! ```
//!
//! Putting a container into another one takes its content, placed or loose, and leaves it empty: in the transaction of the
//! other one, so that the content is always in one of the two. A `SharedString` that is taken out of a map and turned
//! into a `String` never was an object.

use super::home::{Home, Kind};
use crate::error::{Error, Result};
use crate::schema::{Plain, Share};
use crate::shared::Shared;
use crate::tx::Cx;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A container, whatever its type.
pub(super) struct Handle<T: Share> {
    placed: OnceLock<Placed<T>>,
    loose: Mutex<Option<T>>,
    home: Option<Arc<Home>>,
}

struct Placed<T: Share> {
    shared: Shared<T>,
    claim: Claim,
    /// In whose name it was made: a forked child drops handles of its parent's.
    owner: u64,
}

impl<T: Share + Default> Placed<T> {
    /// The object as it is seen through the attachment of `cx`, if that is one of the same file.
    fn seen_from(&self, cx: Cx) -> Result<Option<Shared<T>>> {
        if std::ptr::eq(self.shared.segment().map(), cx.map()) {
            return Ok(Some(self.shared.clone()));
        }
        Home::of(cx).map_or(Ok(None), |home| self.shared.through(&home.segment))
    }
}

/// By what right a handle has its object, and so what becomes of that when the handle is dropped.
enum Claim {
    /// It has a name, and stays.
    Named,
    /// It is one of those that are counted, and stays as long as somebody holds it.
    Held(String),
    /// It is this handle's alone, and goes with it.
    Own,
}

impl<T: Share + Default> Handle<T> {
    /// The next one of a kind.
    pub(super) fn next(home: &Arc<Home>, kind: Kind) -> Result<Handle<T>> {
        let (shared, name) = home.next(kind)?;
        Handle::placed(home, shared, Claim::Held(name))
    }

    /// The one of that name.
    pub(super) fn named(home: &Arc<Home>, name: &str) -> Result<Handle<T>> {
        Handle::placed(home, home.named(name)?, Claim::Named)
    }

    /// One of nobody else's.
    pub(super) fn own(home: &Arc<Home>, content: Option<T>) -> Result<Handle<T>> {
        Handle::placed(home, home.private(content)?, Claim::Own)
    }

    /// Content that was in another container.
    pub(super) fn loose(content: T, cx: Cx) -> Handle<T> {
        Handle { placed: OnceLock::new(), loose: Mutex::new(Some(content)), home: Home::of(cx) }
    }

    fn placed(home: &Arc<Home>, shared: Shared<T>, claim: Claim) -> Result<Handle<T>> {
        let placed = Placed { shared, claim, owner: home.owner()? };
        Ok(Handle { placed: placed.into(), loose: Mutex::new(None), home: Some(home.clone()) })
    }

    /// The object.
    ///
    /// # Errors
    /// As making one, if it is none yet.
    #[inline(always)]
    pub(super) fn get(&self) -> Result<&Shared<T>> {
        match self.placed.get() {
            Some(placed) => Ok(&placed.shared),
            None => self.place(),
        }
    }

    /// The object, for what has no room for an error.
    ///
    /// # Panics
    /// When [`get`](Handle::get) gives an error.
    #[inline(always)]
    #[track_caller]
    pub(super) fn shared(&self) -> &Shared<T> {
        must(self.get())
    }

    /// A plain value that lies in the object, lent for assigning to it; counts as a change of it.
    ///
    /// # Safety
    /// `found` was lent by this object, and nobody else has it as long as this lends it: as whoever mapped the file
    /// promised.
    #[inline]
    #[track_caller]
    pub(super) unsafe fn lend_mut<'a, V: Plain>(&self, found: Option<*const V>) -> Option<&'a mut V> {
        // SAFETY: the caller's promise.
        Some(unsafe { &mut *self.shared().expose(found?) })
    }

    #[cold]
    fn place(&self) -> Result<&Shared<T>> {
        let mut loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
        if self.placed.get().is_none() {
            let home = self.home.as_ref().ok_or(Error::NoAllocator)?;
            let (shared, owner) = (home.private(loose.take())?, home.owner()?);
            // Nobody else sets it, for the lock is held.
            let _ = self.placed.set(Placed { shared, claim: Claim::Own, owner });
        }
        self.placed.get().map(|placed| &placed.shared).ok_or(Error::NoAllocator)
    }

    /// Takes the content out for who puts it elsewhere, in the transaction of `cx`; it is empty afterwards. What is in
    /// another file is taken out by a commit of its own, right behind that one; so is what is in the same file, but
    /// reached through an attachment without an allocator.
    ///
    /// # Errors
    /// As [`Shared::write`], and [`Error::OutOfSpace`]; what the transaction did is then undone by who put it.
    pub(super) fn move_to(&self, cx: Cx) -> Result<T::Stored> {
        let Some(placed) = self.placed.get() else { return self.take()?.into_stored(cx) };
        match placed.claim {
            // It goes with this handle.
            Claim::Own => placed.shared.load()?.into_stored(cx),
            Claim::Named | Claim::Held(_) => match placed.seen_from(cx)? {
                Some(shared) => shared.take_within(cx),
                None => placed.shared.take_beside(cx),
            },
        }
    }

    /// Takes the content out; it is empty afterwards.
    ///
    /// # Errors
    /// As [`Shared::write`]; nothing has changed then.
    pub(super) fn take(&self) -> Result<T> {
        let Some(placed) = self.placed.get() else {
            let mut loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(loose.take().unwrap_or_default());
        };
        let mut guard = placed.shared.write()?;
        let content = guard.load()?;
        guard.store(T::default())?;
        guard.commit()?;
        Ok(content)
    }
}

impl<T: Share> Drop for Handle<T> {
    fn drop(&mut self) {
        let (Some(home), Some(placed)) = (&self.home, self.placed.get()) else { return };
        if home.owner().ok() != Some(placed.owner) {
            return;
        }
        // What cannot be done now is done by who comes next, when this process is gone.
        let _ = match &placed.claim {
            Claim::Named => Ok(()),
            Claim::Held(name) => home.let_go(name, placed.owner),
            Claim::Own => home.segment.remove(placed.shared.name()),
        };
    }
}

/// The result, for what has no room for an error.
///
/// # Panics
/// On an error, which it tells.
#[inline(always)]
#[track_caller]
pub(super) fn must<R>(result: Result<R>) -> R {
    match result {
        Ok(value) => value,
        Err(error) => fail(&error),
    }
}

#[cold]
#[track_caller]
fn fail(error: &Error) -> ! {
    panic!("{error}")
}
