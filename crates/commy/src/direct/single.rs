//! `SharedBox`.

use super::FreeListAllocator;
use super::container::{Container, Content, Counted};
use super::handle::{Handle, must};
use super::home::Kind;
use crate::error::Result;
use crate::schema::{Plain, Registry, Share};
use crate::tx::Cx;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value that processes share: a handle of a [`Shared<T>`](crate::Shared). It begins as `T::default()`.
///
/// It dereferences to the value in place, which has to keep to
/// [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file): values of up to 8 bytes, aligned to their
/// size, may be assigned by one process and looked at by others at any time. `load`, `store` and `update` are for all values.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedBox;
/// let mut counter: SharedBox<i32> = SharedBox::new_in(&allocator);
/// *counter = 42;
/// assert_eq!(*counter, 42);
/// counter.update(|value| *value += 1)?; // under the lock: no other's increment is lost
/// assert_eq!(counter.load()?, 43);
/// # Ok::<(), commy::Error>(())
/// ```
pub type SharedBox<T> = Container<OfValue<T>>;

/// Says that a [`Container`] is a single value of this type.
pub struct OfValue<T>(T);

impl<T: Plain + Default> Content for OfValue<T> {
    type Value = T;
}

impl<T: Plain + Default> Counted for OfValue<T> {
    const KIND: Kind = Kind::Box;
}

impl<T: Plain + Default> SharedBox<T> {
    /// One of nobody else's, with this value. It is gone when it is dropped, or moves into the container that it is
    /// put into.
    ///
    /// # Panics
    /// When `try_from_value_in` gives an error.
    #[track_caller]
    pub fn from_value_in(value: T, allocator: &FreeListAllocator) -> Self {
        must(Self::try_from_value_in(value, allocator))
    }

    /// As `from_value_in`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn try_from_value_in(value: T, allocator: &FreeListAllocator) -> Result<Self> {
        Ok(Container { handle: Handle::own(allocator.home(), Some(value))? })
    }

    /// Replaces the value, under the lock.
    ///
    /// # Errors
    /// As [`Shared::store`](crate::Shared::store).
    pub fn store(&mut self, value: T) -> Result<()> {
        self.handle.get()?.store(value)
    }

    /// Changes the value under the lock. Gives what `change` gives.
    ///
    /// # Errors
    /// As [`Shared::write`](crate::Shared::write).
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        let mut guard = self.handle.get()?.write()?;
        let result = change(guard.try_view_mut()?);
        guard.commit()?;
        Ok(result)
    }

    /// The value, leaving the default one for everybody who has it.
    ///
    /// # Panics
    /// As [`as_shared`](Self::as_shared), and if it is locked for longer than the time-out.
    #[track_caller]
    pub fn into_inner(self) -> T {
        must(self.handle.take())
    }
}

impl<T: Plain + Default> Deref for SharedBox<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value in place; that nobody else assigns to it meanwhile, unless it is of one aligned word, is what
        // whoever mapped the file promised.
        unsafe { &*self.handle.shared().plain() }
    }
}

impl<T: Plain + Default> DerefMut for SharedBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let shared = self.handle.shared();
        // SAFETY: as in `deref`.
        unsafe { &mut *shared.expose(shared.plain()) }
    }
}

/// In another container it is what it is a handle of: its value moves there, and the default one is left.
impl<T: Plain + Default> Share for SharedBox<T> {
    type Stored = T;
    type Ref<'a> = &'a T;
    type Mut<'a> = &'a mut T;
    // It is taken from where it was, which can fail, and needs a transaction.
    const OWNS: bool = true;
    const ANY_BYTES: bool = T::ANY_BYTES;

    fn into_stored(self, cx: Cx) -> Result<T> {
        self.handle.move_to(cx)
    }
    unsafe fn view<'a>(stored: *const T, cx: Cx) -> &'a T {
        // SAFETY: the caller's promise.
        unsafe { T::view(stored, cx) }
    }
    unsafe fn view_mut<'a>(stored: *mut T, cx: Cx) -> Result<&'a mut T> {
        // SAFETY: the caller's promise.
        unsafe { T::view_mut(stored, cx) }
    }
    unsafe fn is_valid(stored: *const T) -> bool {
        // SAFETY: the caller's promise.
        unsafe { T::is_valid(stored) }
    }
    unsafe fn load(stored: *const T, cx: Cx) -> Result<Self> {
        // SAFETY: the caller's promise.
        let value = unsafe { T::load(stored, cx)? };
        Ok(Container { handle: Handle::loose(value, cx) })
    }
    unsafe fn drop_stored(_: *mut T, _: Cx) -> Result<()> {
        Ok(())
    }
    fn describe(registry: &mut Registry) -> usize {
        T::describe(registry)
    }
}

impl<T: Plain + Default + fmt::Debug> fmt::Debug for SharedBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load() {
            Ok(value) => value.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

impl<T: Plain + Default + fmt::Display> fmt::Display for SharedBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load() {
            Ok(value) => value.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

impl<T: Plain + Default> AsRef<T> for SharedBox<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: Plain + Default> AsMut<T> for SharedBox<T> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: Plain + Default + PartialEq> PartialEq for SharedBox<T> {
    #[track_caller]
    fn eq(&self, other: &Self) -> bool {
        must(self.load()) == must(other.load())
    }
}

impl<T: Plain + Default + PartialEq> PartialEq<T> for SharedBox<T> {
    #[track_caller]
    fn eq(&self, other: &T) -> bool {
        must(self.load()) == *other
    }
}
