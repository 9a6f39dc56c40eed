//! `Vec` in a segment: a header (see `header`) and a block of elements, seen as a [`VecView`].
//!
//! A push logs the length, once a transaction, and writes a slot that is out of reach; what removes elements logs
//! them, by the rule of `block`. Elements of plain types are seen as a slice; others one at a time, since
//! their stored form is not what the program sees.

mod at_once;
mod block;
mod bulk;
mod compare;
mod header;
mod iter;
mod order;
mod untyped;

#[cfg(test)]
mod model;
#[cfg(test)]
mod model_bulk;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use block::{
    LARGE, MOST, Shape, below, bounds, extend_block, keep_slots, lend, release, replace, store, too_large,
};
pub(crate) use header::{Run as VecRun, Slots};
pub(crate) use untyped::Places;

pub use header::VecHeader;
pub use iter::{Elements, ElementsMut};

use crate::containers::sequence::{self, Header};
use crate::error::{Error, Result};
use crate::schema::describe::elements;
use crate::schema::{Kind, Plain, Registry, Share, Viewed, nesting};
use crate::tx::Cx;
use std::marker::PhantomData;
use std::ops::{Deref, Index, IndexMut};
use std::ptr;
use std::slice::SliceIndex;

/// A `Vec<T>` in a segment, seen in place.
///
/// Methods bear the names of [`std::vec::Vec`]. Those that change it give a [`Result`]: an error means that
/// nothing has changed. For [`Plain`] elements it dereferences to a slice.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let names: commy::Shared<Vec<String>> = segment.open_or_create("names")?;
/// let mut names = names.write()?;
/// names.push("Ada".into())?;
/// names.insert(0, "Grace".into())?;
/// assert_eq!(names.get(1), Some("Ada"));
/// names.get_mut(1).unwrap().push_str(" Lovelace")?;
/// assert_eq!(names.pop()?, Some("Ada Lovelace".to_string()));
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct VecView<T: Share> {
    header: VecHeader,
    marker: PhantomData<(T, *mut ())>,
    cx: [()],
}

// SAFETY: through a shared reference a view is only read, by loads of words and through `T::view`; what
// that gives in each thread may be used in any.
unsafe impl<T: Share> Sync for VecView<T> where for<'a> T::Ref<'a>: Send + Sync {}

impl<T: Share> Share for Vec<T> {
    type Stored = VecHeader;
    type Ref<'a> = &'a VecView<T>;
    type Mut<'a> = &'a mut VecView<T>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<VecHeader> {
        let len = self.len() as u64;
        let offset = cx.alloc(Shape::of::<T::Stored>().bytes(len)?, align_of::<T::Stored>() as u64)?;
        let header = VecHeader::full(offset, len);
        let slots = header.checked_new::<T::Stored>(cx)?;
        // SAFETY: `len` slots in the map, which nobody else knows of yet.
        unsafe { T::store_all(self, slots.first, cx)? };
        Ok(header)
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const VecHeader, cx: Cx) -> &'a VecView<T> {
        // SAFETY: the header is there for `'a` and is all words; it is all that the view's bytes are.
        unsafe { &*(ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata()) as *const VecView<T>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut VecHeader, cx: Cx) -> Result<&'a mut VecView<T>> {
        // SAFETY: as in `view`, and nobody else sees it; its words are logged when they are changed.
        Ok(unsafe { &mut *(ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata()) as *mut VecView<T>) })
    }

    unsafe fn load(stored: *const VecHeader, cx: Cx) -> Result<Vec<T>> {
        // SAFETY: the caller's promise.
        let view: &VecView<T> = unsafe { <Vec<T> as Share>::view(stored, cx) };
        let slots = view.header.checked_new::<T::Stored>(cx)?;
        // SAFETY: `len` slots hold elements.
        unsafe { sequence::load(slots, 0..slots.len, cx) }
    }

    const OWNS_A_BLOCK: bool = !T::OWNS;

    #[inline(always)]
    unsafe fn block(stored: *const VecHeader) -> Option<(u64, u64, u64)> {
        // SAFETY: the caller's promise.
        unsafe { &*stored }.sole_block(Shape::of::<T::Stored>())
    }

    const IN_A_BLOCK: bool = T::QUIET;

    #[inline(always)]
    fn need(&self) -> (u64, u64) {
        let shape = Shape::of::<T::Stored>();
        (shape.bytes(self.len() as u64).unwrap_or(u64::MAX), shape.align)
    }

    #[inline(always)]
    unsafe fn into_block(mut self, block: u64, cx: Cx) -> Result<(VecHeader, Option<Vec<T>>)> {
        let len = self.len();
        let header = VecHeader::full(block, len as u64);
        let slots = header.checked_new::<T::Stored>(cx)?;
        // SAFETY: so many slots, in the map, which nobody sees, by the caller's promise. Each element is moved out of the vector
        // once, which has none any more.
        unsafe {
            self.set_len(0);
            let first = self.as_ptr();
            for index in 0..len {
                slots.first.add(index).write(first.add(index).read().into_stored(cx)?);
            }
        }
        Ok((header, Some(self)))
    }

    unsafe fn drop_stored(stored: *mut VecHeader, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        let header::Run { offset, len, cap } = unsafe { &*stored }.run();
        if T::OWNS {
            // SAFETY: the block is freed by nobody else, its content stays until then.
            unsafe { nesting::drop_block(cx, [offset, len, cap], free_block::<T>) }
        } else {
            release(cx, Shape::of::<T::Stored>(), offset, cap)
        }
    }

    fn describe(registry: &mut Registry) -> usize {
        let describe = |registry: &mut Registry| elements(&[("element", T::describe(registry))]);
        let node = registry.node::<Vec<T>, VecHeader>(Kind::Vec, "", describe);
        let element = T::describe(registry);
        let name = format!("Vec<{}>", registry.name(element));
        registry.rename(node, name);
        node
    }
}

impl<T: Share> Viewed for Vec<T> {
    type View = VecView<T>;
}

/// Frees a block of so many elements, and what they own.
///
/// # Safety
/// As for [`Share::drop_stored`], for each element.
unsafe fn free_block<T: Share>(cx: Cx, [offset, len, cap]: [u64; 3]) -> Result<()> {
    let first = cx.slice::<T::Stored>(offset, cap).filter(|_| len <= cap);
    let first = first.ok_or_else(|| Error::corrupt(offset, "a vector whose length or block cannot be"))?;
    // SAFETY: the caller's promise.
    unsafe { drop_slots::<T>(first.as_ptr(), len as usize, cx)? };
    release(cx, Shape::of::<T::Stored>(), offset, cap)
}

/// Frees what `count` elements own.
///
/// # Safety
/// They lie in the map of `cx`, are there, and are not used again.
pub(crate) unsafe fn drop_slots<T: Share>(first: *mut T::Stored, count: usize, cx: Cx) -> Result<()> {
    if T::OWNS {
        for index in 0..count {
            // SAFETY: the caller's promise.
            unsafe { T::drop_stored(first.add(index), cx)? };
        }
    }
    Ok(())
}

impl<T: Share> VecView<T> {
    const SHAPE: Shape = Shape::of::<T::Stored>();

    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view is made with its context's metadata, and does not outlive it.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    /// The elements, none if the header cannot be.
    #[inline(always)]
    fn slots(&self) -> Slots<T::Stored> {
        self.header.slots(self.cx()).unwrap_or(Slots { first: ptr::dangling_mut(), len: 0, cap: 0 })
    }

    #[inline(always)]
    fn checked(&self) -> Result<Slots<T::Stored>> {
        self.header.checked(self.cx())
    }

    /// Room for `more` elements.
    #[inline(always)]
    fn room(&mut self, more: usize) -> Result<Slots<T::Stored>> {
        let slots = self.checked()?;
        if slots.cap - slots.len >= more { Ok(slots) } else { self.make_room(slots.len, more) }
    }

    #[cold]
    fn make_room(&mut self, len: usize, more: usize) -> Result<Slots<T::Stored>> {
        let needed = len.checked_add(more).ok_or_else(too_large)?;
        self.header.grow(self.cx(), Self::SHAPE, needed as u64)?;
        self.checked()
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots().len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements there is room for. Grows by half, rounded up: 1, 2, 3, 5, 8, ..
    #[inline]
    pub fn capacity(&self) -> usize {
        self.slots().cap
    }

    /// The element at an index.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T::Ref<'_>> {
        let slots = self.slots();
        // SAFETY: below `len` slots hold elements, which nobody changes while `self` is borrowed.
        (index < slots.len).then(|| unsafe { T::view(slots.first.add(index), self.cx()) })
    }

    /// Copies of up to `many` elements from an index on, also without the lock.
    pub(crate) fn load_from(&self, start: usize, many: usize) -> Result<Vec<T>> {
        let slots = self.slots();
        let start = start.min(slots.len);
        let end = start.saturating_add(many).min(slots.len);
        // SAFETY: the end is not above the length.
        unsafe { sequence::load(slots, start..end, self.cx()) }
    }

    /// Where the element at an index is stored, also without the lock.
    #[inline(always)]
    pub(crate) fn place_at(&self, index: usize) -> Option<*const T::Stored> {
        let slots = self.slots();
        // SAFETY: below the length there are elements.
        (index < slots.len).then(|| unsafe { slots.first.add(index) }.cast_const())
    }

    /// Where the last element is stored, also without the lock.
    pub(crate) fn place_of_last(&self) -> Option<*const T::Stored> {
        self.place_at(self.len().checked_sub(1)?)
    }

    /// The element at an index, to be changed. Its old value is logged first.
    ///
    /// # Panics
    /// If the log has no room for it (`OutOfSpace`); [`try_get_mut`](VecView::try_get_mut) gives the error.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<T::Mut<'_>> {
        lend(self.try_get_mut(index))
    }

    /// The element at an index, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for its old value.
    #[inline]
    pub fn try_get_mut(&mut self, index: usize) -> Result<Option<T::Mut<'_>>> {
        let slots = self.slots();
        if index >= slots.len {
            return Ok(None);
        }
        // SAFETY: as in `get`, and `self` is borrowed for this alone.
        unsafe { T::view_mut(slots.first.add(index), self.cx()).map(Some) }
    }

    /// The first element.
    #[inline]
    pub fn first(&self) -> Option<T::Ref<'_>> {
        self.get(0)
    }

    /// The first element, to be changed.
    ///
    /// # Panics
    /// As [`get_mut`](VecView::get_mut).
    #[inline]
    pub fn first_mut(&mut self) -> Option<T::Mut<'_>> {
        self.get_mut(0)
    }

    /// The last element.
    #[inline]
    pub fn last(&self) -> Option<T::Ref<'_>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The last element, to be changed.
    ///
    /// # Panics
    /// As [`get_mut`](VecView::get_mut).
    #[inline]
    pub fn last_mut(&mut self) -> Option<T::Mut<'_>> {
        self.get_mut(self.len().checked_sub(1)?)
    }

    /// The elements in order.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T> {
        let slots = self.slots();
        // SAFETY: `len` slots hold elements for as long as `self` is borrowed.
        unsafe { Elements::new(slots.first, usize::MAX, 0..slots.len, self.cx()) }
    }

    /// The elements in order, to be changed; each is logged when the iterator comes to it.
    ///
    /// # Panics
    /// The iterator does as [`get_mut`](VecView::get_mut).
    #[inline]
    pub fn iter_mut(&mut self) -> ElementsMut<'_, T> {
        let slots = self.slots();
        // SAFETY: as in `iter`, and `self` is borrowed for this alone.
        unsafe { ElementsMut::new(slots.first, usize::MAX, 0..slots.len, self.cx()) }
    }

    /// A copy, owned by the process.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        // SAFETY: the view's own header; nobody changes it while `self` is borrowed.
        unsafe { <Vec<T> as Share>::load(&self.header, self.cx()) }
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    #[inline]
    pub fn push(&mut self, value: T) -> Result<()> {
        let (run, cx) = (self.header.run(), self.cx());
        match cx.known_block::<_, T::Stored>(&self.header, run.offset, run.cap) {
            Some(first) if run.len < run.cap => {
                let stored = store(value, cx)?;
                // SAFETY: below the capacity of a block that was checked, and out of reach.
                unsafe { first.add(run.len as usize).write(stored) };
                self.header.len.put(run.len + 1);
                Ok(())
            }
            _ => self.push_first(value),
        }
    }

    /// A push when the block has not been checked yet or is full.
    #[inline(never)]
    fn push_first(&mut self, value: T) -> Result<()> {
        let (slots, cx) = (self.room(1)?, self.cx());
        cx.keep(&self.header.len, 1)?;
        let run = self.header.run();
        cx.know_block(&self.header, run.offset, run.cap, slots.first);
        let stored = store(value, cx)?;
        // SAFETY: below the capacity and out of reach.
        unsafe { slots.first.add(slots.len).write(stored) };
        self.header.len.put(slots.len as u64 + 1);
        Ok(())
    }

    /// Removes the last element.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] only if not even the room kept for removals is left.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<T>> {
        let (slots, cx) = (self.checked()?, self.cx());
        let Some(last) = slots.len.checked_sub(1) else { return Ok(None) };
        cx.keep(&self.header.len, 1)?;
        // SAFETY: below the length there are elements; this one gets out of reach if nothing fails.
        let value = unsafe {
            let value = T::load(slots.first.add(last), cx)?;
            cx.keep_end(slots.first, slots.cap, last)?;
            if T::OWNS {
                cx.atomically(|| drop_slots::<T>(slots.first.add(last), 1, cx))?;
            }
            value
        };
        self.header.len.put(last as u64);
        Ok(Some(value))
    }

    /// Inserts an element at an index up to the length. Takes time for all elements behind it.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; [`Error::BadArgument`] for an index above the length.
    pub fn insert(&mut self, index: usize, value: T) -> Result<()> {
        below(index, self.checked()?.len + 1)?;
        let (slots, cx) = (self.room(1)?, self.cx());
        // SAFETY: the elements from `index` on move one slot up within the capacity, after those that get
        // overwritten were logged.
        unsafe {
            let (slot, behind) = (slots.first.add(index), slots.len - index);
            cx.keep(&self.header.len, 1)?;
            keep_slots(cx, slot, behind)?;
            let stored = store(value, cx)?;
            ptr::copy(slot, slot.add(1), behind);
            slot.write(stored);
        }
        self.header.len.put(slots.len as u64 + 1);
        Ok(())
    }

    /// Removes the element at an index, if there is one. Takes time for all elements behind it.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for those.
    pub fn remove(&mut self, index: usize) -> Result<Option<T>> {
        let slots = self.checked()?;
        if index >= slots.len {
            return Ok(None);
        }
        // SAFETY: below the length there are elements.
        let value = unsafe { T::load(slots.first.add(index), self.cx())? };
        self.cut_out(&slots, index, index + 1)?;
        Ok(Some(value))
    }

    /// Removes the elements `start..end`.
    fn cut_out(&mut self, slots: &Slots<T::Stored>, start: usize, end: usize) -> Result<()> {
        let (cx, header) = (self.cx(), &self.header);
        cx.keep(&header.len, 1)?;
        // SAFETY: `start <= end <= len`; what is freed is not used again if nothing fails.
        unsafe {
            keep_slots(cx, slots.first.add(start), slots.len - start)?;
            if T::OWNS {
                cx.atomically(|| drop_slots::<T>(slots.first.add(start), end - start, cx))?;
            }
        }
        // SAFETY: the elements behind move down, over what was logged.
        unsafe { ptr::copy(slots.first.add(end), slots.first.add(start), slots.len - end) };
        header.len.put((slots.len - (end - start)) as u64);
        Ok(())
    }

    /// Removes the element at an index, if there is one, and puts the last one in its place.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] only if not even the room kept for removals is left.
    pub fn swap_remove(&mut self, index: usize) -> Result<Option<T>> {
        let slots = self.checked()?;
        if index >= slots.len {
            return Ok(None);
        }
        let (cx, header, last) = (self.cx(), &self.header, slots.len - 1);
        // SAFETY: both indices are below the length; the slots are logged before they are overwritten
        // or get out of reach.
        let value = unsafe {
            let (slot, last) = (slots.first.add(index), slots.first.add(last));
            let value = T::load(slot, cx)?;
            cx.keep(&header.len, 1)?;
            keep_slots(cx, slot, 1)?;
            keep_slots(cx, last, 1)?;
            if T::OWNS {
                cx.atomically(|| drop_slots::<T>(slot, 1, cx))?;
            }
            ptr::copy(last, slot, 1);
            value
        };
        header.len.put(last as u64);
        Ok(Some(value))
    }

    /// Replaces the element at an index.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; [`Error::BadArgument`] for an index that is not below the length.
    pub fn set(&mut self, index: usize, value: T) -> Result<()> {
        let slots = self.checked()?;
        below(index, slots.len)?;
        // SAFETY: below the length, and `self` is borrowed for this alone.
        unsafe { replace_slot(slots.first.add(index), value, self.cx()) }
    }

    /// Exchanges two elements.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room; [`Error::BadArgument`] for an index that is not below
    /// the length.
    pub fn swap(&mut self, a: usize, b: usize) -> Result<()> {
        sequence::swap(self.checked()?, self.cx(), a, b)
    }
}

/// Replaces a stored value by another.
///
/// # Safety
/// `slot` lies in the map of `cx` and holds a value, which nobody sees.
pub(crate) unsafe fn replace_slot<T: Share>(slot: *mut T::Stored, value: T, cx: Cx) -> Result<()> {
    // SAFETY: the caller's promise; the old value is logged before it is overwritten.
    let stored = unsafe {
        keep_slots(cx, slot, 1)?;
        cx.atomically(|| {
            let stored = value.into_stored(cx)?;
            T::drop_stored(slot, cx)?;
            Ok(stored)
        })?
    };
    // SAFETY: as above.
    unsafe { slot.write(stored) };
    Ok(())
}

impl<T: Plain> VecView<T> {
    /// The elements as a slice.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        let slots = self.slots();
        // SAFETY: `len` values of a plain type, which nobody changes while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(slots.first, slots.len) }
    }

    /// All elements as a slice to be changed, after logging them all.
    ///
    /// # Panics
    /// If the log has no room for them (`OutOfSpace`); [`try_as_mut_slice`](VecView::try_as_mut_slice) gives the error.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        lend(self.try_as_mut_slice())
    }

    /// All elements as a slice to be changed, after logging them all.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for them.
    #[inline]
    pub fn try_as_mut_slice(&mut self) -> Result<&mut [T]> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: as in `as_slice`, and `self` is borrowed for this alone.
        unsafe {
            keep_slots(cx, slots.first, slots.len)?;
            Ok(std::slice::from_raw_parts_mut(slots.first, slots.len))
        }
    }
}

impl<T: Plain> Deref for VecView<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Plain, I: SliceIndex<[T]>> Index<I> for VecView<T> {
    type Output = I::Output;
    #[inline]
    fn index(&self, index: I) -> &I::Output {
        &self.as_slice()[index]
    }
}

/// Logs what the index names, and panics (`OutOfSpace`) if the log has no room for it.
impl<T: Plain, I: SliceIndex<[T]> + Clone> IndexMut<I> for VecView<T> {
    #[inline]
    fn index_mut(&mut self, index: I) -> &mut I::Output {
        let cx = self.cx();
        let named = &self.as_slice()[index.clone()];
        // SAFETY: part of the slice, in the map.
        lend(unsafe { keep_slots(cx, ptr::from_ref(named).cast::<u8>(), size_of_val(named)) });
        let slots = self.slots();
        // SAFETY: as in `as_slice`, and `self` is borrowed for this alone.
        unsafe { &mut std::slice::from_raw_parts_mut(slots.first, slots.len)[index] }
    }
}

impl<'a, T: Share> IntoIterator for &'a VecView<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}

impl<'a, T: Share> IntoIterator for &'a mut VecView<T> {
    type Item = T::Mut<'a>;
    type IntoIter = ElementsMut<'a, T>;
    fn into_iter(self) -> ElementsMut<'a, T> {
        self.iter_mut()
    }
}
