//! Reading the changes of an object one after another.
//!
//! An object that was made with a ring of changes (`tx::ring`) has a note of each of its last changes. A reader keeps how
//! far it has come, in its process alone: there may be any number of them, and none holds a writer up. It looks without
//! the lock, as `sync::version` says how, takes what is new, and waits for the object's version to move on if there is
//! nothing. Since a note is part of the transaction that makes the change, what was rolled back was never there.

use super::Shared;
use crate::error::{Error, Result};
use crate::schema::{Key, Share};
use crate::tx::{Cursor, Form, News, Note, Operation, Ring};
use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// Notes that are copied at a time.
const AT_ONCE: usize = 256;

impl<T: Share> Shared<T> {
    /// The changes that are made from now on, one after another. The object must have been made with
    /// [`Named::changes`](crate::Named::changes).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::{collections::HashMap, time::Duration};
    /// use commy::{Operation, Shared};
    ///
    /// let ages: Shared<HashMap<String, u32>> = segment.object("ages").changes(1000).open_or_create()?;
    /// let mut changes = ages.changes()?;
    /// ages.insert("Ada".into(), 36)?;
    /// ages.remove("Ada")?;
    ///
    /// let change = changes.next(Duration::from_secs(1))?.unwrap();
    /// assert_eq!((change.operation(), change.key()?), (Operation::Inserted, Some("Ada".to_string())));
    /// let change = changes.next(Duration::from_secs(1))?.unwrap();
    /// assert_eq!(change.operation(), Operation::Removed);
    /// assert!(changes.next(Duration::ZERO)?.is_none());
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoChanges`] if it was made without; otherwise as [`read`](Shared::read).
    pub fn changes(&self) -> Result<Changes<T>> {
        self.changes_from(|ring| Ok(ring.end()))
    }

    /// The changes that were made since the object had this [`version`](Shared::version), for who knows it as it was
    /// then: one who was away for a while.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::{collections::BTreeMap, time::Duration};
    /// let ages: commy::Shared<BTreeMap<u32, u32>> = segment.object("ages").changes(1000).open_or_create()?;
    /// let version = ages.version();
    /// ages.insert(1, 36)?;
    /// let change = ages.changes_since(version)?.next(Duration::ZERO)?.unwrap();
    /// assert_eq!((change.key()?, change.version()), (Some(1), version + 1));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`changes`](Shared::changes). If some of them were overwritten already, the first
    /// [`next`](Changes::next) says so.
    pub fn changes_since(&self, version: u64) -> Result<Changes<T>> {
        self.changes_from(|ring| ring.since(version))
    }

    fn changes_from(&self, start: impl Fn(&Ring<'_>) -> Result<Cursor>) -> Result<Changes<T>> {
        let cursor = self.at_ring(|ring| start(&ring))?;
        Ok(Changes { object: self.clone(), cursor, ready: VecDeque::new() })
    }

    /// What `look` gives for the ring as it is at one moment.
    fn at_ring<R>(&self, look: impl Fn(Ring<'_>) -> Result<R>) -> Result<R> {
        let no_changes = || Error::NoChanges { name: self.name().into() };
        let offset = self.control().ring().filter(|_| self.keeps_changes());
        if offset.is_none() && !self.is_there() {
            return Err(self.removed());
        }
        let offset = offset.ok_or_else(no_changes)?;
        self.at_length(|_, cx| look(Ring::open(cx.map(), offset)?))
    }
}

/// The changes of an object, one after another: made by [`Shared::changes`].
///
/// Every committed change that came after the point where it began is given, in the order in which they were made and
/// each once; what was rolled back, or was being done by a process that died, is not. One transaction may make several.
pub struct Changes<T: Share> {
    object: Shared<T>,
    cursor: Cursor,
    ready: VecDeque<Note>,
}

impl<T: Share> Changes<T> {
    /// The next change; waits for one for at most `timeout`, and gives `None` if none came. It sleeps meanwhile, as
    /// [`Shared::wait`] does.
    ///
    /// # Errors
    /// [`Error::Lagged`] if changes were overwritten before they were read: the next call goes on with the oldest that
    /// is left. Else as [`Shared::wait`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Change<T>>> {
        let start = Instant::now();
        loop {
            if let Some(note) = self.ready.pop_front() {
                return Ok(Some(Change { note, object: self.object.clone() }));
            }
            // Before the look, so that what comes after it ends the wait.
            let version = self.object.version();
            let (news, cursor) = self.object.at_ring(|ring| ring.read(self.cursor, AT_ONCE))?;
            self.cursor = cursor;
            match news {
                News::Lost(missed) => return Err(Error::Lagged { name: self.object.name().into(), missed }),
                News::Notes(notes) if !notes.is_empty() => self.ready = notes.into(),
                News::Notes(_) => {
                    let left = timeout.saturating_sub(start.elapsed());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    self.object.wait(version, left)?;
                }
            }
        }
    }

    /// The object whose changes these are.
    pub fn object(&self) -> &Shared<T> {
        &self.object
    }
}

impl<T: Share> std::fmt::Debug for Changes<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").field("object", &self.object.name()).finish_non_exhaustive()
    }
}

/// A change of an object: what [`Changes::next`] gives.
pub struct Change<T: Share> {
    note: Note,
    object: Shared<T>,
}

impl<T: Share> Change<T> {
    /// The version that the object had when it was made. All changes of a transaction have the same.
    pub fn version(&self) -> u64 {
        self.note.version
    }

    /// What was done.
    pub fn operation(&self) -> Operation {
        self.note.operation
    }

    /// The note itself.
    pub(crate) fn note(&self) -> &Note {
        &self.note
    }

    /// Whether an entry was changed whose key is not known: its type cannot be noted, or it is longer than 1 KiB.
    pub fn is_untold(&self) -> bool {
        self.note.form == Form::Untold
    }
}

impl<T: Mapped> Change<T> {
    /// The key of the entry that was changed, or the element of a set; `None` if it was no single one, or
    /// [its key is not known](Change::is_untold).
    ///
    /// # Errors
    /// [`Error::Corrupt`] if what was noted is no key of that type.
    pub fn key(&self) -> Result<Option<T::Key>> {
        let key = match self.note.form {
            Form::None | Form::Untold => return Ok(None),
            Form::Stored => self.stored_key::<T::Key>(),
            Form::Text => self.text_key::<T::Key>(),
        };
        key.map(Some).ok_or_else(|| Error::corrupt(self.object.offset(), "a noted key that is none"))
    }

    fn stored_key<K: Key>(&self) -> Option<K> {
        if K::OWNS || self.note.key.len() != size_of::<K::Stored>() {
            return None;
        }
        let mut stored = MaybeUninit::<K::Stored>::uninit();
        // SAFETY: as many bytes as the place has.
        unsafe {
            std::ptr::copy_nonoverlapping(self.note.key.as_ptr(), stored.as_mut_ptr().cast(), self.note.key.len());
        }
        // SAFETY: a copy of our own; what is not found to be a value is not loaded.
        unsafe {
            (K::ANY_BYTES || K::is_valid(stored.as_ptr()))
                .then(|| K::load(stored.as_ptr(), self.object.reader()).ok())?
        }
    }

    fn text_key<K: Key>(&self) -> Option<K> {
        if TypeId::of::<K>() != TypeId::of::<String>() {
            return None;
        }
        let mut text = Some(String::from_utf8(self.note.key.clone()).ok()?);
        let same: &mut dyn Any = &mut text;
        same.downcast_mut::<Option<K>>()?.take()
    }
}

impl<T: Share> std::fmt::Debug for Change<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (version, operation) = (self.version(), self.operation());
        f.debug_struct("Change").field("version", &version).field("operation", &operation).finish_non_exhaustive()
    }
}

/// The maps and sets, whose [changes](Change) name keys.
pub trait Mapped: Share + sealed::Sealed {
    /// The type of the keys, or of a set's elements.
    type Key: Key;
}

mod sealed {
    pub trait Sealed {}
}

impl<K: Key, V: Share> sealed::Sealed for HashMap<K, V> {}
impl<K: Key, V: Share> sealed::Sealed for BTreeMap<K, V> {}
impl<T: Key> sealed::Sealed for HashSet<T> {}
impl<T: Key> sealed::Sealed for BTreeSet<T> {}

impl<K: Key, V: Share> Mapped for HashMap<K, V>
where
    HashMap<K, V>: Share,
{
    type Key = K;
}
impl<K: Key, V: Share> Mapped for BTreeMap<K, V>
where
    BTreeMap<K, V>: Share,
{
    type Key = K;
}
impl<T: Key> Mapped for HashSet<T>
where
    HashSet<T>: Share,
{
    type Key = T;
}
impl<T: Key> Mapped for BTreeSet<T>
where
    BTreeSet<T>: Share,
{
    type Key = T;
}
