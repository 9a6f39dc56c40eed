//! Transactions over several objects: one undo log under several locks.
//!
//! Locks are taken as the objects are asked for and kept to the end. Then one store commits everything, the
//! versions move on, and the locks are let go. An error, a panic or a death before that store undoes everything.
//! Two that wait for each other are found by following who waits for whom: one gets `Error::Deadlock`.

use super::{Hold, Shared};
use crate::dynamic::{Dynamic, WriteView};
use crate::error::{Error, Result};
use crate::schema::{Guarded, Share};
use crate::segment::Segment;
use crate::tx::{Cx, Keeper};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// A transaction in the making; see [`Segment::transaction`].
pub struct Transaction<'s> {
    segment: &'s Segment,
    worker: Keeper,
    way: usize,
    /// Objects locked, with the reader hints that their unlocking leaves behind.
    locked: RefCell<Vec<(Shared<()>, Hold)>>,
    closed: bool,
}

impl Segment {
    /// Runs `work`, which changes any number of objects, as one: when it returns `Ok`, all of it has
    /// happened; when it returns an error or panics, or the process is killed, none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let waiting: commy::Shared<Vec<u32>> = segment.open_or_create("waiting")?;
    /// let done: commy::Shared<Vec<u32>> = segment.open_or_create("done")?;
    /// waiting.store(vec![1, 2])?;
    /// segment.transaction(|tx| {
    ///     if let Some(job) = tx.write(&waiting)?.pop()? {
    ///         tx.write(&done)?.push(job)?;
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!((waiting.load()?, done.load()?), (vec![1], vec![2]));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `work` returns; [`Error::Deadlock`] if this thread has a guard of one of the objects, or others
    /// wait in a circle; [`Error::LockTimeout`]; [`Error::TooManyGuards`].
    pub fn transaction<R>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<R>) -> Result<R> {
        let worker = self.worker()?;
        let way = worker.begin()?;
        let mut transaction =
            Transaction { segment: self, worker, way, locked: RefCell::new(Vec::new()), closed: false };
        let result = work(&transaction)?;
        transaction.close(true)?;
        Ok(result)
    }

    /// As [`transaction`](Segment::transaction), run again when it ends in a deadlock or a lock time-out, up to
    /// `tries` times in all.
    ///
    /// # Errors
    /// As [`transaction`](Segment::transaction), of the last try.
    pub fn transaction_retry<R>(&self, tries: u32, mut work: impl FnMut(&Transaction<'_>) -> Result<R>) -> Result<R> {
        let mut pause = Duration::from_micros(50);
        for _ in 1..tries {
            match self.transaction(&mut work) {
                Err(Error::Deadlock { .. } | Error::LockTimeout { .. }) => std::thread::sleep(pause),
                result => return result,
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        self.transaction(&mut work)
    }
}

impl Transaction<'_> {
    /// Locks an object for changing, until the transaction ends.
    ///
    /// # Errors
    /// [`Error::Deadlock`] if this thread has it already, in this transaction or otherwise, or others wait in
    /// a circle; [`Error::BadArgument`] if it is in another segment; [`Error::LockTimeout`]; [`Error::Forked`] in a
    /// forked child of the process whose transaction it is.
    pub fn write<'t, T: Share>(&'t self, object: &'t Shared<T>) -> Result<Part<'t, T>> {
        if !std::ptr::eq(object.segment.attachment(), self.segment.attachment()) {
            return Err(Error::BadArgument {
                what: "the segment of an object in a transaction",
                value: object.object,
                rule: "which must be the transaction's own, opened once and cloned",
            });
        }
        if !self.worker.is_own() {
            return Err(Error::Forked);
        }
        let hold = object.lock_for_writing(&self.worker, object.attachment().patience)?;
        self.locked.borrow_mut().push((object.as_untyped(), hold));
        let cx = self.worker.context(self.way);
        object.watch(cx);
        Ok(Part { object, cx, not_send: PhantomData })
    }

    /// Locks an object without its Rust type for changing, until the transaction ends: see [`dynamic`](crate::dynamic). Its
    /// [`version`](Dynamic::version) stays the same under the lock until the end: so what is to be done only to an object
    /// that nobody has changed since looks at it here.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use commy::Error;
    /// segment.open_or_create_with("waiting", || vec![1u32, 2])?;
    /// segment.open_or_create::<Vec<u32>>("done")?;
    /// let (waiting, done) = (segment.dynamic("waiting")?, segment.dynamic("done")?);
    /// let seen = done.version();
    /// segment.transaction(|tx| {
    ///     let mut to = tx.write_dynamic(&done)?;
    ///     if done.version() != seen {
    ///         return Err(Error::other("somebody was faster"));
    ///     }
    ///     if let Some(job) = tx.write_dynamic(&waiting)?.pop("")? {
    ///         to.push("", &job)?;
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(segment.open::<Vec<u32>>("done")?.load()?, [2]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Transaction::write).
    pub fn write_dynamic<'t>(&'t self, object: &'t Dynamic) -> Result<WriteView<'t, Part<'t, ()>>> {
        object.write_in(self)
    }

    fn close(&mut self, commit: bool) -> Result<()> {
        if !self.worker.is_own() {
            self.worker.give_back(self.way);
            return Err(Error::Forked);
        }
        self.closed = true;
        let log = self.worker.log(self.way);
        let changed = !log.is_empty();
        let noted = if changed && commit { self.worker.context(self.way).note_rest() } else { Ok(()) };
        let commit = commit && noted.is_ok();
        if changed && commit {
            log.commit();
        } else if changed {
            self.worker.roll_back(self.way)?;
        }
        let locked = self.locked.take();
        for (object, hold) in &locked {
            if changed {
                object.count_end(commit);
            }
            object.unlock(&self.worker, *hold);
        }
        locked.iter().filter(|_| changed && commit).for_each(|(object, _)| object.wake_sleepers());
        if commit {
            self.worker.context(self.way).committed();
        }
        let ended = self.worker.end(self.way);
        noted.and(ended)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.closed {
            // What cannot be undone stays locked, and others get `LockTimeout`.
            let _ = self.close(false);
        }
    }
}

/// An object that is part of a transaction. Dereferences to the value in place (a container's view, a plain value);
/// for enums, tuples and the like use [`view`](Part::view) and [`view_mut`](Part::view_mut). The lock stays until the transaction ends.
pub struct Part<'t, T: Share> {
    object: &'t Shared<T>,
    cx: Cx,
    not_send: PhantomData<*mut ()>,
}

impl<T: Share> Part<'_, T> {
    pub(crate) fn cx(&self) -> Cx {
        self.cx
    }

    /// The value in place.
    pub fn view(&self) -> T::Ref<'_> {
        // SAFETY: locked for this part alone, of which there is one; the context lives in the worker, which
        // the transaction holds.
        unsafe { T::view(self.object.stored(), self.cx) }
    }

    /// The value in place, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for what is lent; [`Error::Forked`].
    pub fn try_view_mut(&mut self) -> Result<T::Mut<'_>> {
        // SAFETY: as in `view`, and borrowed for this call alone; the transaction is open.
        unsafe { T::view_mut(self.object.stored(), self.cx) }
    }

    /// The value in place, to be changed.
    ///
    /// # Panics
    /// If the log has no room for what is lent, or in a forked child.
    pub fn view_mut(&mut self) -> T::Mut<'_> {
        let object = self.object;
        self.try_view_mut().unwrap_or_else(|error| object.cannot_lend(&error))
    }
}

impl<T: Guarded> Deref for Part<'_, T> {
    type Target = T::Target;
    fn deref(&self) -> &T::Target {
        // SAFETY: as in `view`.
        unsafe { T::target(self.object.stored(), self.cx) }
    }
}

impl<T: Guarded> DerefMut for Part<'_, T> {
    fn deref_mut(&mut self) -> &mut T::Target {
        // SAFETY: as in `try_view_mut`.
        let target = unsafe { T::target_mut(self.object.stored(), self.cx) };
        target.unwrap_or_else(|error| self.object.cannot_lend(&error))
    }
}

impl<T: Share> std::fmt::Debug for Part<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("name", &self.object.name()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("objects", &self.locked.borrow().len()).finish_non_exhaustive()
    }
}
