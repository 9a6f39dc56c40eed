//! Commy: crash-safe typed collections that processes share in a memory-mapped file.

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

pub use commy_derive::{Key, Plain, Share};
pub use error::{Error, Result};
pub use schema::{Guarded, Key, Lookup, Plain, Share, Viewed};
pub use segment::{Objects, Options, Participant, Segment, Stats};
pub use shared::{Part, ReadGuard, Shared, Transaction, WriteGuard};

/// The types as which containers are seen in a segment: what guards dereference to.
pub mod views {
    pub use crate::containers::*;
}

/// What the derives and the macros of this crate need to name. Not for direct use; it may change with
/// any version.
#[doc(hidden)]
pub mod support {
    pub use crate::layout::Word;
    pub use crate::schema::derive_support::{
        DescribedVariant, Parameter, Part, Show, ShowAnything, ShowDebug, ShowFields, ThreadBound, corrupt_tag,
        describe, invalid_tag, lent, plain, replace,
    };
    pub use crate::schema::nesting::Nesting;
    pub use crate::schema::plain::keep;
    pub use crate::schema::{Description, Field, KeyHasher, Kind, Node, Registry, Variant};
    pub use crate::tx::{Context, Cx};
}

/// Killing this process at named stores, for tests.
#[cfg(feature = "crash-points")]
pub mod crash_points {
    pub use crate::layout::{hits, kill_at, points};
}
