//! Reading the changes of an object without its Rust type: what [`shared::Changes`](crate::Changes) gives, with keys as
//! values.

use super::Dynamic;
use super::leaf::noted_key;
use super::types::Type;
use super::value::Value;
use crate::error::Result;
use crate::shared;
use crate::tx::{Form, Operation};
use std::time::Duration;

impl Dynamic {
    /// The changes that are made from now on, one after another. The object must have been made with a ring for them:
    /// see [`Named::changes`](crate::Named::changes).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::{collections::HashMap, time::Duration};
    /// use commy::Operation;
    /// let ages = segment.object("ages").changes(1000).open_or_create::<HashMap<u32, String>>()?;
    /// let mut changes = segment.dynamic("ages")?.changes()?;
    /// ages.insert(36, "Ada".into())?;
    /// let change = changes.next(Duration::ZERO)?.unwrap();
    /// assert_eq!((change.operation(), change.key()?), (Operation::Inserted, Some(36u32.into())));
    /// assert!(changes.next(Duration::ZERO)?.is_none());
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Shared::changes`](crate::Shared::changes).
    pub fn changes(&self) -> Result<Changes> {
        Ok(Changes { notes: self.lock.changes()?, described: self.described.clone() })
    }

    /// The changes that were made since the object had this [version](Dynamic::version); see
    /// [`Shared::changes_since`](crate::Shared::changes_since).
    ///
    /// # Errors
    /// As [`Shared::changes_since`](crate::Shared::changes_since).
    pub fn changes_since(&self, version: u64) -> Result<Changes> {
        Ok(Changes { notes: self.lock.changes_since(version)?, described: self.described.clone() })
    }
}

/// The changes of an object without its Rust type, one after another; see [`Dynamic::changes`].
#[derive(Debug)]
pub struct Changes {
    notes: shared::Changes<()>,
    described: Type,
}

impl Changes {
    /// The next change; waits for one for at most `timeout`, and gives `None` if none came.
    ///
    /// # Errors
    /// As [`commy::Changes::next`](crate::Changes::next).
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Change>> {
        let change = self.notes.next(timeout)?;
        Ok(change.map(|change| Change { change, described: self.described.clone() }))
    }
}

/// A change of an object without its Rust type: what [`Changes::next`] gives.
#[derive(Debug)]
pub struct Change {
    change: shared::Change<()>,
    described: Type,
}

impl Change {
    /// The version that the object had when it was made. All changes of a transaction have the same.
    pub fn version(&self) -> u64 {
        self.change.version()
    }

    /// What was done.
    pub fn operation(&self) -> Operation {
        self.change.operation()
    }

    /// Whether an entry was changed whose key is not known: its type cannot be noted, or it is longer than 1 KiB.
    pub fn is_untold(&self) -> bool {
        self.change.is_untold()
    }

    /// The key of the entry that was changed, or the element of a set; `None` if it was no single one, or
    /// [its key is not known](Change::is_untold).
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if what was noted is no key of the object's type.
    pub fn key(&self) -> Result<Option<Value>> {
        let note = self.change.note();
        match note.form {
            Form::None | Form::Untold => Ok(None),
            Form::Stored | Form::Text => noted_key(&self.described.0, note).map(Some),
        }
    }
}
