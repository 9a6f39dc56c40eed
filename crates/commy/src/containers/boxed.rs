//! `Box<T>`: a value in a block of its own.
//!
//! ```text
//! stored, 8 B              block
//!   0 offset of the block    T::Stored
//! ```
//!
//! The block is there as long as the box. It is followed only when it is asked for, so that the view of a
//! type that contains itself in a box is finite. A value of no size has no block; the offset is 0.

use super::untyped::{Block, Step};
use super::vec::Shape;
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::map::Map;
use crate::schema::derive_support::{dangling_box, lent, replace};
use crate::schema::describe::elements;
use crate::schema::nesting::drop_block;
use crate::schema::{Guarded, Key, KeyHasher, Kind, Lookup, Registry, Share, Viewed};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// The stored form of a box.
#[repr(C)]
pub struct BoxStored {
    block: Word,
}

/// A `Box<T>` in a segment, seen in place. Dereferences to what a guard of a `T` would dereference to: a container's
/// view, a plain value; its own methods are named so that they hide none of the view's.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let names: commy::Shared<Box<Vec<String>>> = segment.open_or_create("names")?;
/// names.write()?.push("Ada".into())?;
/// assert_eq!(names.read()?.get(0), Some("Ada"));
/// names.write()?.set_content(vec!["Grace".into()])?;
/// assert_eq!(names.read()?.content().get(0), Some("Grace"));
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct BoxView<T: Share> {
    stored: BoxStored,
    marker: PhantomData<(T, *mut ())>,
    cx: [()],
}

// SAFETY: through a shared view the content is seen by `T::view` of shared bytes, which other threads may do
// if those bytes may be shared.
unsafe impl<T: Share> Sync for BoxView<T> where T::Stored: Sync {}

/// A cursor over the content of a box, for who knows only its size: see `containers::untyped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub block: u64,
    /// Steps taken.
    pub steps: u64,
}

impl Content {
    /// That of the box at an offset; `None` if it has no block.
    pub(crate) fn open(map: &Map, shape: &Shape, stored: u64) -> Result<Option<Content>> {
        // SAFETY: a box is one word.
        let block = unsafe { map.get::<BoxStored>(stored)? }.block.get();
        Block::checked(map, block, shape.size, shape.align)?;
        Ok((shape.size != 0).then_some(Content { block, steps: 0 }))
    }

    /// That which was given as [`words`](Content::words), if it can be.
    pub(crate) fn resume(map: &Map, shape: &Shape, [block, steps]: [u64; 2]) -> Result<Content> {
        Block::checked(map, block, shape.size, shape.align)?;
        Ok(Content { block, steps: steps.min(3) })
    }

    /// All that it is.
    pub(crate) fn words(&self) -> [u64; 2] {
        [self.block, self.steps]
    }

    pub(crate) fn step(&mut self, shape: &Shape, entries: bool) -> Step<Content> {
        self.steps += if entries { 1 } else { 2 };
        match self.steps {
            1 => Step::Entry(self.block, self.block),
            2 => Step::Block(self.block(shape)),
            _ => Step::End,
        }
    }

    /// The block.
    pub(crate) fn block(&self, shape: &Shape) -> Block {
        Block { offset: self.block, bytes: shape.size, align: shape.align }
    }

    pub(crate) fn only_block_left(&self) -> bool {
        self.steps == 1
    }
}

fn size<T: Share>() -> u64 {
    size_of::<T::Stored>() as u64
}

/// The content, if it is in the file.
///
/// # Safety
/// `stored` lies in the segment of `cx`.
#[inline(always)]
unsafe fn content<T: Share>(stored: *const BoxStored, cx: Cx) -> Option<NonNull<T::Stored>> {
    // SAFETY: the caller's promise; a word is valid for any bytes.
    let block = unsafe { (*stored).block.get() };
    if block == 0 && size::<T>() != 0 { None } else { cx.slice(block, 1) }
}

/// As [`content`], for those who can give an error.
///
/// # Safety
/// As for `content`.
#[inline(always)]
unsafe fn checked<T: Share>(stored: *const BoxStored, cx: Cx) -> Result<NonNull<T::Stored>> {
    // SAFETY: the caller's promise.
    unsafe { content::<T>(stored, cx).ok_or_else(|| Error::corrupt((*stored).block.get(), "a box outside the file")) }
}

impl<T: Share> Share for Box<T> {
    type Stored = BoxStored;
    type Ref<'a> = &'a BoxView<T>;
    type Mut<'a> = &'a mut BoxView<T>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<BoxStored> {
        let value = (*self).into_stored(cx)?;
        let block = cx.alloc(size::<T>(), align_of::<T::Stored>() as u64)?;
        let place = cx.slice::<T::Stored>(block, 1).ok_or_else(|| Error::corrupt(block, "a block outside the file"))?;
        // SAFETY: in the file, and this transaction's own.
        unsafe { place.write(value) };
        Ok(BoxStored { block: Word::new(block) })
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const BoxStored, cx: Cx) -> &'a BoxView<T> {
        // SAFETY: the view is the stored form and members of no size; the rest is the caller's promise.
        unsafe { &*(std::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata()) as *const BoxView<T>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut BoxStored, cx: Cx) -> Result<&'a mut BoxView<T>> {
        let view = std::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata()) as *mut BoxView<T>;
        // SAFETY: as in `view`.
        Ok(unsafe { &mut *view })
    }

    unsafe fn load(stored: *const BoxStored, cx: Cx) -> Result<Box<T>> {
        // SAFETY: the caller's promise; a box that is stored has a value in its block.
        unsafe { Ok(Box::new(T::load(checked::<T>(stored, cx)?.as_ptr(), cx)?)) }
    }

    unsafe fn drop_stored(stored: *mut BoxStored, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise: nobody else refers to the block, which is freed here.
        unsafe { drop_block(cx, [(*stored).block.get(), 0, 0], drop_content::<T>) }
    }

    fn describe(registry: &mut Registry) -> usize {
        let content = T::describe(registry);
        let name = format!("Box<{}>", registry.name(content));
        registry.node::<Box<T>, BoxStored>(Kind::Box, name, |_| elements(&[("content", content)]))
    }
}

/// Drops the content of a box and frees its block.
///
/// # Safety
/// The block is that of a box of `T` which nobody can see any more.
unsafe fn drop_content<T: Share>(cx: Cx, [block, ..]: [u64; 3]) -> Result<()> {
    let stored = BoxStored { block: Word::new(block) };
    // SAFETY: the caller's promise.
    unsafe { T::drop_stored(checked::<T>(&raw const stored, cx)?.as_ptr(), cx)? };
    cx.free(block, size::<T>(), align_of::<T::Stored>() as u64)
}

impl<T: Share> Viewed for Box<T> {
    type View = BoxView<T>;
}

impl<T: Share> BoxView<T> {
    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view is made with the metadata of its context, which lives as long.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    /// The content in place.
    ///
    /// # Panics
    /// If the segment is damaged, so that there is no content.
    #[inline]
    pub fn content(&self) -> T::Ref<'_> {
        let cx = self.cx();
        // SAFETY: a view is made of a stored box, whose block has a value.
        unsafe {
            match content::<T>(&raw const self.stored, cx) {
                Some(content) => T::view(content.as_ptr(), cx),
                None => dangling_box(cx, &raw const self.stored),
            }
        }
    }

    /// The content in place, to be changed.
    ///
    /// # Panics
    /// If the transaction's log has no room (`Error::OutOfSpace`); [`try_content_mut`](BoxView::try_content_mut)
    /// returns the error.
    #[inline]
    pub fn content_mut(&mut self) -> T::Mut<'_> {
        lent(self.try_content_mut())
    }

    /// As [`content_mut`](BoxView::content_mut), without the panic.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the transaction's log has no room; [`Error::Corrupt`].
    #[inline]
    pub fn try_content_mut(&mut self) -> Result<T::Mut<'_>> {
        let cx = self.cx();
        // SAFETY: as in `content`; who has `&mut` of the view has the block alone.
        unsafe { T::view_mut(checked::<T>(&raw const self.stored, cx)?.as_ptr(), cx) }
    }

    /// Replaces the content.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`], [`Error::Corrupt`]; it is then as it was.
    pub fn set_content(&mut self, value: T) -> Result<()> {
        let cx = self.cx();
        // SAFETY: as in `try_content_mut`.
        unsafe { replace::<T>(checked::<T>(&raw const self.stored, cx)?.as_ptr(), value, cx) }
    }
}

impl<T: Guarded> Deref for BoxView<T> {
    type Target = T::Target;
    #[inline]
    fn deref(&self) -> &T::Target {
        let cx = self.cx();
        // SAFETY: as in `content`.
        unsafe {
            match content::<T>(&raw const self.stored, cx) {
                Some(content) => T::target(content.as_ptr(), cx),
                None => dangling_box(cx, &raw const self.stored),
            }
        }
    }
}

impl<T: Guarded> DerefMut for BoxView<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T::Target {
        let cx = self.cx();
        // SAFETY: as in `try_content_mut`.
        lent(unsafe {
            checked::<T>(&raw const self.stored, cx).and_then(|content| T::target_mut(content.as_ptr(), cx))
        })
    }
}

impl<T: Share> fmt::Debug for BoxView<T>
where
    for<'a> T::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content().fmt(f)
    }
}

impl<T: Share> PartialEq for BoxView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<T::Ref<'b>>,
{
    fn eq(&self, other: &BoxView<T>) -> bool {
        self.content() == other.content()
    }
}

impl<T: Share> PartialOrd for BoxView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<T::Ref<'b>>,
{
    fn partial_cmp(&self, other: &BoxView<T>) -> Option<Ordering> {
        self.content().partial_cmp(&other.content())
    }
}

impl<T: Share, U> PartialEq<Box<U>> for BoxView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &Box<U>) -> bool {
        self.content() == &**other
    }
}

/// A box is the key that its content is.
impl<K: Key> Key for Box<K> {
    unsafe fn hash(stored: *const BoxStored, cx: Cx, hasher: &mut KeyHasher) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(content) = content::<K>(stored, cx) {
                K::hash(content.as_ptr(), cx, hasher);
            }
        }
    }

    unsafe fn compare(a: *const BoxStored, b: *const BoxStored, cx: Cx) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe {
            match (content::<K>(a, cx), content::<K>(b, cx)) {
                (Some(a), Some(b)) => K::compare(a.as_ptr(), b.as_ptr(), cx),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        }
    }
}

impl<K: Lookup<K>> Lookup<Box<K>> for Box<K> {
    fn hash_of(query: &Box<K>, hasher: &mut KeyHasher) {
        K::hash_of(query, hasher);
    }

    unsafe fn compare_with(stored: *const BoxStored, cx: Cx, query: &Box<K>) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe {
            content::<K>(stored, cx).map_or(Ordering::Less, |content| K::compare_with(content.as_ptr(), cx, query))
        }
    }
}
