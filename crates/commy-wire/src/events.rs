//! What a watcher is told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The newest value. Of an object without a ring of changes, values in between may not have been told.
    Value {
        /// Whether there is something at the path.
        found: bool,
        /// What it is.
        value: Value,
        /// The object's version then.
        version: u64,
    },
    /// Every change that came next, in order: of an object with a ring of changes.
    Changes {
        /// The changes.
        changes: Vec<Change>,
        /// After a lost connection, watching since this version gives what comes behind these.
        resume: u64,
    },
    /// Changes were overwritten before they could be told: here is the value, and later changes follow.
    Lagged {
        /// How many changes were not told.
        missed: u64,
        /// Whether there is something at the path.
        found: bool,
        /// What it is.
        value: Value,
        /// The object's version then.
        version: u64,
    },
    /// The object was removed. The watch is over.
    Removed {},
    /// The segment that was asked for with `map`, under this number, is not the service's any more: ask again. Nothing follows.
    Moved {},
    /// The watch is over for this reason: a permission was revoked, the value has become too large.
    Ended {
        /// The reason, for programs.
        code: crate::Code,
        /// The reason, for people.
        message: String,
    },
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// The version that the object had with it. All changes of a transaction have the same.
    pub version: u64,
    /// What was done.
    pub operation: ChangeKind,
    /// The key of the entry, or the element of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// An entry came in.
    Inserted,
    /// An entry's value was replaced or changed.
    Changed,
    /// An entry was taken out.
    Removed,
    /// All entries were taken out.
    Cleared,
    /// The whole value was replaced.
    Replaced,
    /// Something else, or something in an object that is neither map nor set.
    Other,
}
