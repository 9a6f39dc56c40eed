//! [`FreeListAllocator`] and the eight containers that are used through it.
//!
//! A thin layer over the same objects that [`Segment`](crate::Segment) gives: a `SharedVec<T>` is a handle of a
//! `Shared<Vec<T>>`, and so on. What is added here is how containers without a name find each other (`home`), blocks
//! of raw memory (`blocks`), containers as values in containers (`handle`), and methods that lend references without a
//! lock. `container` says what the eight have in common, and how they are told apart.
//!
//! ```text
//! file names of objects           what
//! NAME                            named_in(&allocator, "NAME")
//! .direct/vec/3                   the third SharedVec::new_in of every allocator on the file; box, hashmap, ...
//! .direct/private/OWNER/7         from_iter_in, from_str_in, SharedString::new_in: nobody else's
//! .direct/blocks/OWNER/1          allocate: the raw blocks of an allocator
//! .direct/holders                 which attachments hold which of the second kind
//! ```
//!
//! An OWNER is a process slot with its generation, so that it can be seen whether it is alive. What dead owners leave
//! is removed by whoever comes next.

mod allocator;
#[cfg(feature = "allocator-api2")]
mod api2;
mod blocks;
mod btree_map;
mod btree_set;
mod chunks;
mod collection;
mod container;
mod handle;
mod hash_map;
mod hash_set;
mod home;
mod map;
mod places;
mod sequence;
mod set;
mod single;
mod string;
mod text_mut;
mod traits;
mod vec;
mod vec_deque;

pub use allocator::FreeListAllocator;
pub use btree_map::SharedBTreeMap;
pub use btree_set::SharedBTreeSet;
pub use container::Container;
pub use hash_map::SharedHashMap;
pub use hash_set::SharedHashSet;
pub use single::SharedBox;
pub use string::{SharedString, StringView};
pub use text_mut::TextMut;
pub use vec::SharedVec;
pub use vec_deque::SharedVecDeque;
