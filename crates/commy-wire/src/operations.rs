//! What is done with objects. The service is named by the request that these are in.
//!
//! Paths are those of `commy::dynamic`: steps with `/` between, `""` is the whole value.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An operation: with the object's name, and most with a path and a condition.
macro_rules! operation {
    ($(#[$doc:meta])* $name:ident at path, if version { $($fields:tt)* }) => {
        operation! {
            $(#[$doc])*
            $name at path {
                $($fields)*
                /// Only if the object has this version.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                if_version: Option<u64>,
            }
        }
    };
    ($(#[$doc:meta])* $name:ident at path { $($fields:tt)* }) => {
        operation! {
            $(#[$doc])*
            $name {
                /// Where in the object.
                #[serde(default, skip_serializing_if = "String::is_empty")]
                path: String,
                $($fields)*
            }
        }
    };
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The object's name.
            pub object: String,
            $($(#[$of])* pub $field: $type,)*
        }
    };
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

operation! {
    /// An object by its name.
    ObjectName {}
}

operation! {
    /// Makes an object.
    ObjectCreate {
        /// Its type, written as in Rust: `HashMap<String, u64>`.
        r#type: String,
        /// The value to begin with; zero and empty unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
        /// Keep so many of its last changes for watchers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changes: Option<u64>,
        /// An object of that name and type is as good.
        #[serde(default, skip_serializing_if = "is_false")]
        if_missing: bool,
    }
}

operation! {
    /// Reads what a path leads to.
    Get at path, if version {}
}

operation! {
    /// Replaces what a path leads to; in a map puts an entry in.
    Set at path, if version {
        /// The value.
        value: Value,
    }
}

operation! {
    /// Puts something in: an element before an index, an entry of a key that is not there, an element of a set. The last step
    /// of the path is the index or key; for a set there is none.
    Insert at path, if version {
        /// The value.
        value: Value,
    }
}

operation! {
    /// Takes out what a path leads to.
    Remove at path, if version {}
}

operation! {
    /// Makes the container, text or option at a path empty.
    Clear at path, if version {}
}

operation! {
    /// Adds an element at an end of a vector or deque, or text to a text.
    Push at path, if version {
        /// The element.
        value: Value,
        /// At the front.
        #[serde(default, skip_serializing_if = "is_false")]
        front: bool,
    }
}

operation! {
    /// Takes the element at an end of a vector, deque, ordered map or set out.
    Pop at path, if version {
        /// At the front.
        #[serde(default, skip_serializing_if = "is_false")]
        front: bool,
        /// Wait so many milliseconds for one if there is none. Not in a batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    }
}

operation! {
    /// How many elements or entries there are at a path; of a text, bytes.
    Length at path, if version {}
}

operation! {
    /// Reads the entries of a container page by page.
    Scan at path {
        /// That of the page before; the first page has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        /// How many entries, of a hash map or set sometimes a few more; the server's limit unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
}

operation! {
    /// Tells of what changes from now on, in events that name this request.
    Watch at path {
        /// The version that the client knows, after a connection was lost: it gets what came since. Without one it gets
        /// the value first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
    }
}

/// Ends a watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unwatch {
    /// The request that began it.
    pub watch: u64,
}

/// One operation of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is told of where it is")]
pub enum Operation {
    Get(Get),
    Set(Set),
    Insert(Insert),
    Remove(Remove),
    Clear(Clear),
    Push(Push),
    Pop(Pop),
    Length(Length),
}

impl Operation {
    /// The object that it is done with.
    pub fn object(&self) -> &str {
        match self {
            Operation::Get(Get { object, .. })
            | Operation::Set(Set { object, .. })
            | Operation::Insert(Insert { object, .. })
            | Operation::Remove(Remove { object, .. })
            | Operation::Clear(Clear { object, .. })
            | Operation::Push(Push { object, .. })
            | Operation::Pop(Pop { object, .. })
            | Operation::Length(Length { object, .. }) => object,
        }
    }

    /// Whether it only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Operation::Get(_) | Operation::Length(_))
    }
}

/// Several operations on objects of one service, all or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Done in this order. Each sees what those before it did; its condition is about the version before the batch.
    pub operations: Vec<Operation>,
}
