//! Collections: containers that are made of elements, and are values in other containers.

use super::FreeListAllocator;
use super::container::{Container, Content};
use super::handle::{Handle, must};
use super::traits::Many;
use crate::error::Result;
use crate::schema::{Guarded, Registry, Share};
use crate::tx::Cx;
use std::fmt;

/// What has many elements.
pub trait Collection: Content<Value: Many> {}

/// Its elements, as they are put in.
type Item<C> = <<C as Content>::Value as IntoIterator>::Item;

impl<C: Collection> Container<C> {
    /// One of nobody else's, with these elements. It is gone when it is dropped, or moves into the container
    /// that it is put into.
    ///
    /// # Panics
    /// When [`try_from_iter_in`](Self::try_from_iter_in) gives an error.
    #[track_caller]
    pub fn from_iter_in(items: impl IntoIterator<Item = Item<C>>, allocator: &FreeListAllocator) -> Self {
        must(Self::try_from_iter_in(items, allocator))
    }

    /// As `from_iter_in`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn try_from_iter_in(items: impl IntoIterator<Item = Item<C>>, allocator: &FreeListAllocator) -> Result<Self> {
        Ok(Container { handle: Handle::own(allocator.home(), Some(items.into_iter().collect()))? })
    }

    /// Takes the content out, and leaves it empty for everybody who has it.
    ///
    /// # Panics
    /// When [`try_into_inner`](Self::try_into_inner) gives an error.
    #[track_caller]
    pub fn into_inner(self) -> C::Value {
        must(self.handle.take())
    }

    /// As `into_inner`.
    ///
    /// # Errors
    /// As [`write`](Self::write); nothing has changed then.
    pub fn try_into_inner(self) -> Result<C::Value> {
        self.handle.take()
    }

    /// Replaces the content.
    ///
    /// # Errors
    /// As [`Shared::store`](crate::Shared::store).
    pub fn store(&mut self, content: C::Value) -> Result<()> {
        self.handle.get()?.store(content)
    }

    /// Adds these elements - at the end, if they have an order of their own - or, on an error, none of them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn try_extend(&mut self, items: impl IntoIterator<Item = Item<C>>) -> Result<()> {
        C::Value::extend(self.handle.get()?, items)
    }
}

/// In another container it is what it is a handle of: its content moves there, and it is left empty, both in the
/// transaction that puts it there. (From another file, or through an attachment without an allocator, it is taken by a
/// second commit right behind that one: a process killed in between leaves it in both.)
impl<C: Collection> Share for Container<C> {
    type Stored = <C::Value as Share>::Stored;
    type Ref<'a> = <C::Value as Share>::Ref<'a>;
    type Mut<'a> = <C::Value as Share>::Mut<'a>;
    const OWNS: bool = C::Value::OWNS;
    const ANY_BYTES: bool = C::Value::ANY_BYTES;

    fn into_stored(self, cx: Cx) -> Result<Self::Stored> {
        self.handle.move_to(cx)
    }
    unsafe fn view<'a>(stored: *const Self::Stored, cx: Cx) -> Self::Ref<'a> {
        // SAFETY: the caller's promise.
        unsafe { C::Value::view(stored, cx) }
    }
    unsafe fn view_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Result<Self::Mut<'a>> {
        // SAFETY: the caller's promise.
        unsafe { C::Value::view_mut(stored, cx) }
    }
    unsafe fn load(stored: *const Self::Stored, cx: Cx) -> Result<Self> {
        // SAFETY: the caller's promise.
        let content = unsafe { C::Value::load(stored, cx)? };
        Ok(Container { handle: Handle::loose(content, cx) })
    }
    unsafe fn drop_stored(stored: *mut Self::Stored, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { C::Value::drop_stored(stored, cx) }
    }
    fn describe(registry: &mut Registry) -> usize {
        C::Value::describe(registry)
    }
}

/// The content, taken out: it is empty for everybody who has it.
impl<C: Collection> IntoIterator for Container<C> {
    type Item = Item<C>;
    type IntoIter = <C::Value as IntoIterator>::IntoIter;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        self.into_inner().into_iter()
    }
}

impl<C: Collection> fmt::Debug for Container<C>
where
    <C::Value as Guarded>::Target: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            Ok(content) => fmt::Debug::fmt(&*content, f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

/// Compares with what a [guard](Self::read) can be compared with, and with its like.
impl<C: Collection, Other: ?Sized> PartialEq<Other> for Container<C>
where
    <C::Value as Guarded>::Target: PartialEq<Other>,
{
    #[track_caller]
    fn eq(&self, other: &Other) -> bool {
        *must(self.read()) == *other
    }
}
