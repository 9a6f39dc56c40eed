//! The size of a segment, changed while others work.

use super::Segment;
use crate::alloc::shrink::{self, Extent};
use crate::directory;
use crate::error::{Error, Result};
use crate::layout::{MIN_SIZE, PAGE};
use crate::os;
use crate::participant::Actor;
use crate::sync::{Blocked, Fate, OWNER, Surroundings};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The lock of those who change the size, give storage back or make a snapshot, held.
pub(super) struct Space<'a> {
    actor: &'a Actor<'a>,
    keep: u64,
}

impl<'a> Space<'a> {
    pub(super) fn lock(actor: &'a Actor<'a>) -> Result<Space<'a>> {
        Space::lock_for(actor, actor.at.patience)
    }

    fn lock_for(actor: &'a Actor<'a>, patience: Duration) -> Result<Space<'a>> {
        let what = || "the size of the segment".to_string();
        match actor.space_lock().write(actor.tag, patience) {
            Ok(keep) => {
                actor.at.map.header().space_since.put(os::now_monotonic_ms());
                Ok(Space { actor, keep })
            }
            Err(Blocked::Circle | Blocked::Mine) => {
                Err(Error::Deadlock { what: what(), reason: "a circle of waiters" })
            }
            Err(Blocked::Timeout(holder)) => {
                Err(Error::LockTimeout { what: what(), holder: actor.at.pid_of(holder), held_for: patience })
            }
        }
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        self.actor.space_lock().unlock_write(self.keep);
    }
}

impl Segment {
    /// Makes the file `bytes` long, rounded up to pages of 4 KiB, and lets the segment grow no further: both
    /// [`size`](Segment::size) and [`limit`](Segment::limit) are that for everybody at once. No object moves, and
    /// whoever works goes on.
    ///
    /// Longer: the storage is allocated here, so that nobody meets a full disk later. Shorter: the file follows as
    /// soon as nobody can be reading there; while the segment is open read-only anywhere it stays long, and follows
    /// when it is next opened for writing or resized. A resize that was cut short by a kill is finished or undone by
    /// whoever opens the segment next, or by [`recover`](Segment::recover).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.resize(8 << 20)?;
    /// assert_eq!((segment.size(), segment.limit()), (8 << 20, 8 << 20));
    /// segment.resize(1 << 20)?;
    /// assert_eq!((segment.size(), segment.limit()), (1 << 20, 1 << 20));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the disk is full, or what is in use ends beyond `bytes`: it says where;
    /// [`Error::BadArgument`] below 64 KiB or above the `max_size` that the segment was made with;
    /// [`Error::LockTimeout`]. The limit is then as it was.
    pub fn resize(&self, bytes: u64) -> Result<()> {
        let maximum = self.header().maximum.get().min(self.map().reserved());
        if bytes < MIN_SIZE || bytes > maximum {
            let rule = "which must be from 64 KiB to the max_size that the segment was made with";
            return Err(Error::BadArgument { what: "the size of the segment", value: bytes, rule });
        }
        let worker = self.worker()?;
        let actor = worker.actor();
        let _space = Space::lock(&actor)?;
        if bytes < self.size() {
            worker.trim()?;
        }
        shrink::resize(&actor, bytes.next_multiple_of(PAGE), self.attachment().patience)
    }

    /// Gives free space back to the file system: the file's end, and what is free inside it. Gives how many bytes.
    /// The limit stays, and the file grows again when that is needed.
    ///
    /// Others may go on working. Nothing is given back, and 0 returned, while the segment is open read-only anywhere,
    /// since nobody could tell what is being read there. Empty blocks that other threads keep for their next need stay.
    /// Takes tens of milliseconds, and time in proportion to the file's size.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let list: commy::Shared<Vec<u8>> = segment.open_or_create("list")?;
    /// list.store(vec![1; 10 << 20])?;
    /// list.store(Vec::new())?;
    /// assert!(segment.shrink_to_usage()? > 10 << 20);
    /// assert!(segment.size() < 1 << 20);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LockTimeout`]; [`Error::Corrupt`] if the records of what is free contradict themselves.
    pub fn shrink_to_usage(&self) -> Result<u64> {
        directory::free_orphans(self)?;
        let worker = self.worker()?;
        let actor = worker.actor();
        let _space = Space::lock(&actor)?;
        worker.trim()?;
        shrink::give_back(&actor, Extent::Usage, self.attachment().patience)
    }

    /// Whether a change of the size does not come to its end: who does it has died, or has been at it for longer than
    /// `most`.
    pub(crate) fn is_resize_stuck(&self, most: Duration) -> bool {
        let (header, attachment) = (self.header(), self.attachment());
        let owner = header.space_lock.load(Ordering::Acquire) & OWNER;
        match if owner == 0 { Fate::Recovered } else { attachment.fate(owner) } {
            Fate::Alive => {
                let age = os::now_monotonic_ms().saturating_sub(header.space_since.get());
                u128::from(age) > most.as_millis()
            }
            Fate::Dead => true,
            Fate::Recovered => self.size() > self.limit() && !attachment.has_silent_readers(),
        }
    }

    /// Finishes or undoes a resize that was cut short, unless somebody is at it.
    pub(super) fn follow_limit(&self) -> Result<()> {
        if self.size() <= self.limit() {
            return Ok(());
        }
        let worker = self.worker()?;
        let actor = worker.actor();
        match Space::lock_for(&actor, Duration::ZERO) {
            Ok(_space) => shrink::follow(&actor, self.attachment().patience).map(drop),
            Err(Error::LockTimeout { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes everything to the disk and waits for that, so that it outlives a loss of power. Others need not wait;
    /// what they change meanwhile may or may not be among it.
    ///
    /// A process that dies loses nothing, synced or not.
    ///
    /// # Errors
    /// [`Error::Io`] with what the disk says.
    pub fn sync(&self) -> Result<()> {
        self.attachment().own_place()?;
        self.map().sync()
    }
}
