//! Commy: crash-safe typed collections that processes share in a memory-mapped file.
//!
//! - A [`Segment`] is such a file, opened. It grows by itself, and what was borrowed stays where it is.
//! - [`segment.open_or_create::<T>("name")`](Objects::open_or_create) gives a [`Shared<T>`]: a value with a lock
//!   between processes. The standard library's own types are the schema: numbers, `String`, `Vec`, `VecDeque`,
//!   `HashMap`, `HashSet`, `BTreeMap`, `BTreeSet`, `Option`, `Box`, `Result`, tuples, and structs and enums of these
//!   with `#[derive(Share)]`, nested to any depth.
//! - [`Shared::read`] and [`Shared::write`] give guards, which dereference to [`views`] with the methods that the
//!   types have in std; those that change something give a [`Result`], for the segment may be full.
//! - `Shared<AtomicU64>` and its like, arrays and structs of [`Atomics`] are used without a
//!   lock.
//! - A write guard is a transaction: committed when it is dropped, undone by a panic under it or by the death of the
//!   process, at whatever instruction. [`Segment::transaction`] does the same over several objects.
//! - Nobody has to clean up: whoever meets what a dead process left puts it right.
//! - [`Options::read_only`] is for who only looks, [`dynamic`] for who has no Rust types for what is there, and
//!   [`FreeListAllocator`] with its containers for programs written for version 0.2.
//!
//! The repository's docs/QUICKSTART.md is the way in, docs/USER_GUIDE.md has everything, with what to do about each
//! message; ARCHITECTURE.md says how it works and what is taken on trust.

mod alloc;
mod check;
mod containers;
mod direct;
mod directory;
pub mod dynamic;
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
mod walk;

pub use commy_derive::{Atomics, Key, Plain, Share};
pub use direct::{
    Container, FreeListAllocator, SharedBTreeMap, SharedBTreeSet, SharedBox, SharedHashMap, SharedHashSet,
    SharedString, SharedVec, SharedVecDeque, StringView, TextMut,
};
pub use error::{Error, Result};
pub use schema::{Atomics, Guarded, Key, Lookup, Object, Plain, Share, Viewed};
pub use segment::{Extent, Held, Holder, Identity, Named, Objects, Options, Participant, Segment, Stats, Thread};
pub use shared::{Change, Changes, Mapped, Part, ReadGuard, Shared, Transaction, WriteGuard};
pub use tx::Operation;
pub use walk::Finding;

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
        DescribedVariant, Parameter, Part, Show, ShowAnything, ShowDebug, ShowFields, ThreadBound, any_bytes, atomics,
        corrupt_tag, describe, invalid_tag, is_valid, lent, plain, replace,
    };
    pub use crate::schema::nesting::Nesting;
    pub use crate::schema::plain::{copy_in, copy_out, keep, load_plain};
    pub use crate::schema::{Description, Field, KeyHasher, Kind, Node, Registry, Variant};
    pub use crate::tx::{Context, Cx};
}

/// Killing this process at named stores, for tests.
#[cfg(feature = "crash-points")]
pub mod crash_points {
    pub use crate::layout::{hits, kill_at, points};
}
