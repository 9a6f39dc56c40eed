//! `VecDeque` as a type of values: stored, loaded, described and freed.

use super::DequeView;
use super::header::{DequeHeader, Ring, Slots};
use crate::containers::sequence::{self, Header, Run, Slotted};
use crate::containers::vec::{Shape, drop_slots, release};
use crate::error::{Error, Result};
use crate::schema::describe::elements;
use crate::schema::{Kind, Registry, Share, Viewed, nesting};
use crate::tx::Cx;
use std::collections::VecDeque;
use std::ptr;

impl<T: Share> Share for VecDeque<T> {
    type Stored = DequeHeader;
    type Ref<'a> = &'a DequeView<T>;
    type Mut<'a> = &'a mut DequeView<T>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<DequeHeader> {
        let len = self.len() as u64;
        let cap = DequeHeader::capacity_for(len);
        let offset = cx.alloc(Shape::of::<T::Stored>().bytes(cap)?, align_of::<T::Stored>() as u64)?;
        let ring = Ring { offset, cap, head: 0, len };
        let slots = ring.places::<T::Stored>(cx).ok_or_else(|| cannot_be(ring))?;
        // SAFETY: `len` of the `cap` slots in the map, which nobody else knows of yet.
        unsafe { T::store_all(self.into(), slots.first, cx)? };
        Ok(DequeHeader::of(ring))
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const DequeHeader, cx: Cx) -> &'a DequeView<T> {
        // SAFETY: the header is there for `'a` and is all words; it is all that the view's bytes are.
        unsafe { &*(ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata()) as *const DequeView<T>) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut DequeHeader, cx: Cx) -> Result<&'a mut DequeView<T>> {
        // SAFETY: as in `view`, and nobody else sees it; its words are logged when they are changed.
        Ok(unsafe { &mut *(ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata()) as *mut DequeView<T>) })
    }

    unsafe fn load(stored: *const DequeHeader, cx: Cx) -> Result<VecDeque<T>> {
        // SAFETY: the caller's promise.
        let ring = unsafe { &*stored }.run();
        let slots = ring.places::<T::Stored>(cx).ok_or_else(|| cannot_be(ring))?;
        // SAFETY: below the length there are elements.
        unsafe { sequence::load(slots, 0..slots.len, cx).map(VecDeque::from) }
    }

    unsafe fn drop_stored(stored: *mut DequeHeader, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        let ring = unsafe { &*stored }.run();
        if !T::OWNS {
            return release(cx, Shape::of::<T::Stored>(), ring.offset, ring.cap);
        }
        if ring.head > u64::from(u32::MAX) || ring.len > u64::from(u32::MAX) {
            // Too many for three words.
            // SAFETY: the caller's promise.
            return unsafe { free_ring::<T>(cx, ring) };
        }
        // SAFETY: the block is freed by nobody else, its content stays until then.
        unsafe { nesting::drop_block(cx, [ring.offset, ring.cap, ring.head << 32 | ring.len], free_block::<T>) }
    }

    fn describe(registry: &mut Registry) -> usize {
        let describe = |registry: &mut Registry| elements(&[("element", T::describe(registry))]);
        let node = registry.node::<VecDeque<T>, DequeHeader>(Kind::VecDeque, "", describe);
        let element = T::describe(registry);
        let name = format!("VecDeque<{}>", registry.name(element));
        registry.rename(node, name);
        node
    }
}

impl<T: Share> Viewed for VecDeque<T> {
    type View = DequeView<T>;
}

#[cold]
fn cannot_be(ring: Ring) -> Error {
    Error::corrupt(ring.offset, "a deque whose ring or block cannot be")
}

/// Frees a block of a deque, and what its elements own; head and length share the last word.
///
/// # Safety
/// As for [`Share::drop_stored`], for each element.
unsafe fn free_block<T: Share>(cx: Cx, [offset, cap, ends]: [u64; 3]) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { free_ring::<T>(cx, Ring { offset, cap, head: ends >> 32, len: ends & u64::from(u32::MAX) }) }
}

/// Frees a block of a deque, and what its elements own.
///
/// # Safety
/// As for [`Share::drop_stored`], for each element.
unsafe fn free_ring<T: Share>(cx: Cx, ring: Ring) -> Result<()> {
    let slots = ring.places::<T::Stored>(cx).ok_or_else(|| cannot_be(ring))?;
    // SAFETY: the caller's promise, for all of them.
    unsafe { drop_elements::<T>(&slots, 0, slots.len, cx)? };
    release(cx, Shape::of::<T::Stored>(), ring.offset, ring.cap)
}

/// Frees what `count` elements from `index` on own.
///
/// # Safety
/// As for [`drop_slots`].
pub(super) unsafe fn drop_elements<T: Share>(
    slots: &Slots<T::Stored>,
    index: usize,
    count: usize,
    cx: Cx,
) -> Result<()> {
    if !T::OWNS || count == 0 {
        return Ok(());
    }
    let straight = slots.straight(index, count);
    // SAFETY: the caller's promise.
    unsafe {
        drop_slots::<T>(slots.place(index), straight, cx)?;
        drop_slots::<T>(slots.first, count - straight, cx)
    }
}
