//! The containers: one file or folder each.
//!
//! A container in the segment is a small header of words (its `Stored`), and blocks that it refers to by
//! offset. It is seen as a *view*, an unsized type like `str`: the header, followed by a `[()]` whose length
//! is the address of the context (map, transaction). So a plain reference to a view has all it needs, the
//! same methods serve guards and nested values, and nobody can move a view or swap two of them.
//!
//! Rules that all of them keep:
//! - a word of an existing structure is logged ([`Cx::keep`](crate::tx::Cx)) before it is overwritten; memory that this
//!   transaction allocated needs no log;
//! - a changing method happens whole or, when it gives an error, not at all: what can fail comes first or
//!   inside `Cx::atomically`, what frees comes last;
//! - a header or offset from the file is checked before use; what does not check out reads as empty, and
//!   gives `Error::Corrupt` to who wants to change it.

pub mod boxed;
pub mod btree;
pub mod deque;
mod entry;
pub(crate) mod erased;
pub mod hash;
mod load;
mod noted;
pub mod option;
mod sequence;
pub mod string;
mod texts;
pub mod tuple;
pub(crate) mod untyped;
pub mod vec;

pub use boxed::BoxView;
pub use btree::{BTreeMapView, BTreeSetView};
pub(crate) use deque::Left;
pub use deque::{DequeHeader, DequeView};
pub use entry::{Entry, Keyed, OccupiedEntry, VacantEntry};
pub(crate) use hash::{Copied, Inserted, Kept, Parts, Sight};
pub use hash::{HashMapView, HashSetView};
pub use option::OptionView;
pub use string::Text;
pub use vec::{Elements, ElementsMut, VecHeader, VecView};
