//! `Container`: what the eight have in common.
//!
//! ```text
//! SharedVec<T>           Container<Vec<T>>                      collection, sequence, vec
//! SharedVecDeque<T>      Container<VecDeque<T>>                 collection, sequence, vec_deque
//! SharedHashMap<K, V>    Container<OfMap<HashMap<K, V>>>        collection, map, hash_map
//! SharedBTreeMap<K, V>   Container<OfMap<BTreeMap<K, V>>>       collection, map, btree_map
//! SharedHashSet<T>       Container<OfSet<HashSet<T>>>           collection, set, hash_set
//! SharedBTreeSet<T>      Container<OfSet<BTreeSet<T>>>          collection, set, btree_set
//! SharedString           Container<String>                      string
//! SharedBox<T>           Container<OfValue<T>>                  single
//! ```
//!
//! The parameter says what it is a handle of. Maps, sets and single values are marked as such, because they have methods
//! of the same names that differ.

use super::FreeListAllocator;
use super::handle::{Handle, must};
use super::home::Kind;
use super::traits::{Lengthy, Roomy};
use crate::error::Result;
use crate::schema::{Guarded, Share};
use crate::shared::{ReadGuard, Shared, WriteGuard};
use std::time::Duration;

/// What the eight containers of [`FreeListAllocator`] are, from [`SharedVec`](crate::SharedVec) to
/// [`SharedBox`](crate::SharedBox); it is used by those names.
pub struct Container<C: Content> {
    pub(super) handle: Handle<C::Value>,
}

/// What can be in a [`Container`].
pub trait Content: 'static {
    /// The type that std, and [`Shared`], have for it.
    type Value: Share + Default;
}

/// What is counted: the n-th container of its kind is the same in every process.
pub trait Counted: Content {
    /// Which kind it is.
    const KIND: Kind;
}

impl<C: Content> Container<C> {
    /// The container of that name, made empty if there is none. It stays in the file until it is
    /// [removed](crate::Objects::remove), and is what [`Segment::open_or_create`](crate::Objects::open_or_create) gives for the name.
    ///
    /// # Panics
    /// When [`try_named_in`](Self::try_named_in) gives an error: if there is something of another type.
    #[track_caller]
    pub fn named_in(allocator: &FreeListAllocator, name: &str) -> Self {
        must(Self::try_named_in(allocator, name))
    }

    /// As [`named_in`](Self::named_in).
    ///
    /// # Errors
    /// [`Error::TypeMismatch`](crate::Error::TypeMismatch), naming both types, if it holds something else;
    /// [`Error::BadName`](crate::Error::BadName); [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn try_named_in(allocator: &FreeListAllocator, name: &str) -> Result<Self> {
        Ok(Container { handle: Handle::named(allocator.home(), name)? })
    }

    /// Locks it for reading: everything that lends may be used through the guard without a promise.
    ///
    /// # Errors
    /// As [`Shared::read`].
    pub fn read(&self) -> Result<ReadGuard<'_, C::Value>> {
        self.handle.get()?.read()
    }

    /// Locks it for changing: what is done under the guard happens whole or, if this process panics or dies
    /// meanwhile, not at all.
    ///
    /// # Errors
    /// As [`Shared::write`].
    pub fn write(&self) -> Result<WriteGuard<'_, C::Value>> {
        self.handle.get()?.write()
    }

    /// The object behind it, which needs no promise for anything, and can take part in a
    /// [transaction](crate::Segment::transaction).
    ///
    /// # Panics
    /// If this was taken out of another container, and there is no space for it by itself.
    pub fn as_shared(&self) -> &Shared<C::Value> {
        self.handle.shared()
    }

    /// How often it was changed. Changes through lent references count when those are lent.
    ///
    /// # Panics
    /// As [`as_shared`](Self::as_shared).
    pub fn version(&self) -> u64 {
        self.handle.shared().version()
    }

    /// Waits until it has another version than that, for at most `timeout`. Gives the version that it has.
    ///
    /// # Errors
    /// As [`Shared::wait`].
    pub fn wait(&self, version: u64, timeout: Duration) -> Result<u64> {
        self.handle.get()?.wait(version, timeout)
    }

    /// A copy of the content, of one moment.
    ///
    /// # Errors
    /// As [`Shared::load`].
    pub fn load(&self) -> Result<C::Value> {
        self.handle.get()?.load()
    }
}

impl<C: Content<Value: Guarded>> Container<C> {
    /// The content in place, as it is lent: see
    /// [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file).
    #[inline(always)]
    pub(super) fn lend(&self) -> &<C::Value as Guarded>::Target {
        // SAFETY: that nobody restructures it while it is lent is what whoever mapped the file promised.
        unsafe { self.handle.shared().lend() }
    }

    /// Does one thing to the content under the lock.
    pub(super) fn change<R>(
        &self,
        operation: impl FnOnce(&mut <C::Value as Guarded>::Target) -> Result<R>,
    ) -> Result<R> {
        self.handle.get()?.change(operation)
    }
}

impl<C: Counted> Container<C> {
    /// The next container of this kind: the n-th that an allocator makes is the n-th that every other allocator
    /// on the file makes, with the content that it has. It is made empty if there is none.
    ///
    /// While a process holds it, it stays. Afterwards its content is kept until the space is needed.
    /// [`named_in`](Self::named_in) does not depend on the order, and keeps the content for good.
    ///
    /// # Panics
    /// When `try_new_in` gives an error: if others have made it with another type.
    #[track_caller]
    pub fn new_in(allocator: &FreeListAllocator) -> Self {
        must(Self::try_new_in(allocator))
    }

    /// As `new_in`.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`](crate::Error::TypeMismatch), naming both types, if others have made it with
    /// another; [`Error::OutOfSpace`](crate::Error::OutOfSpace). The next try is for the same container.
    pub fn try_new_in(allocator: &FreeListAllocator) -> Result<Self> {
        Ok(Container { handle: Handle::next(allocator.home(), C::KIND)? })
    }
}

impl<C: Content<Value: Lengthy>> Container<C> {
    /// How many elements there are; of a text, how many bytes.
    ///
    /// # Panics
    /// If it is locked for longer than the time-out; so do all methods here that give no [`Result`].
    #[inline]
    #[track_caller]
    pub fn len(&self) -> usize {
        must(C::Value::len(self.handle.shared()))
    }

    /// Whether there are none.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all elements.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn clear(&mut self) {
        must(C::Value::clear(self.handle.shared()));
    }
}

impl<C: Content<Value: Roomy>> Container<C> {
    /// How many elements, or bytes of a text, it can have before it takes more memory.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn capacity(&self) -> usize {
        must(self.handle.shared().peek(C::Value::capacity))
    }

    /// Makes room for so many more.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.change(|view| C::Value::reserve(view, additional))
    }

    /// Gives back the room that is not needed.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.change(C::Value::shrink_to_fit)
    }
}
