//! Commy: crash-safe typed collections that processes share in a memory-mapped file.

#![allow(dead_code, unused_imports)]

mod alloc;
mod containers;
mod directory;
mod error;
mod layout;
mod map;
mod os;
mod participant;
mod recovery;
mod schema;
mod segment;
mod shared;
mod sync;
mod tx;

pub use error::{Error, Result};
pub use schema::{Key, Lookup, Plain, Share, Viewed};
pub use segment::{Objects, Options, Participant, Segment, Stats};
pub use shared::{ReadGuard, Shared, WriteGuard};

/// What the derives and the macros of this crate need to name. Not for direct use; it may change with
/// any version.
#[doc(hidden)]
pub mod support {
    pub use crate::schema::plain::keep;
    pub use crate::schema::{Description, Field, KeyHasher, Kind, Node, Registry, Variant};
    pub use crate::tx::{Context, Cx};
}
