//! The header of a deque, and what happens to its ring.
//!
//! ```text
//! header, 32 B            block
//!   0 offset of block      0 slots 0 .. cap; element i is in slot (head + i) % cap
//!   8 cap
//!  16 head
//!  24 tail: head + number of elements
//! ```
//!
//! Head and tail are numbers that may grow beyond the capacity, and may wrap around: so one word is all that changes
//! when an element is put in or taken out at either end.
//!
//! All zeros is the empty one, without a block. The capacity is a power of two, so that the remainder is a mask;
//! it doubles. A ring that does not wrap grows in place if there is room behind it; any other is laid out
//! anew from slot 0 on.

use crate::containers::sequence::{Header, Run, Slotted};
use crate::containers::vec::{LARGE, MOST, Shape, extend_block, keep_slots, release, replace, too_large};
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::tx::Cx;
use std::ops::Range;
use std::ptr;

/// The stored form of `VecDeque`.
#[repr(C)]
#[derive(Debug, Default)]
pub struct DequeHeader {
    offset: Word,
    cap: Word,
    head: Word,
    tail: Word,
}

const _: () = assert!(size_of::<DequeHeader>() == 32);

/// The least capacity of a deque that has a block.
const FEWEST: u64 = 4;

/// A header's words.
#[derive(Clone, Copy)]
pub(crate) struct Ring {
    pub offset: u64,
    pub cap: u64,
    pub head: u64,
    pub len: u64,
}

/// The elements, once the header has been checked.
pub(crate) struct Slots<S> {
    pub first: *mut S,
    pub cap: usize,
    pub head: usize,
    pub len: usize,
}

impl<S> Clone for Slots<S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Slots<S> {}

impl DequeHeader {
    /// The words of a header.
    pub(crate) fn words_of(ring: Ring) -> [u64; 4] {
        [ring.offset, ring.cap, ring.head, ring.head + ring.len]
    }

    /// The slots of a deque that is made with so many elements.
    pub(crate) fn capacity_for(len: u64) -> u64 {
        if len == 0 { 0 } else { len.next_power_of_two() }
    }

    pub(crate) fn of(ring: Ring) -> DequeHeader {
        let [offset, cap, head, tail] = DequeHeader::words_of(ring).map(Word::new);
        DequeHeader { offset, cap, head, tail }
    }

    /// The elements, if what the header says can be.
    #[inline(always)]
    pub(crate) fn slots<S>(&self, cx: Cx) -> Option<Slots<S>> {
        self.run().places(cx)
    }

    /// The same for who wants to change something.
    #[inline(always)]
    pub(crate) fn checked<S>(&self, cx: Cx) -> Result<Slots<S>> {
        self.slots(cx).ok_or_else(|| Error::corrupt(cx.offset_of(self), "a deque whose ring or block cannot be"))
    }

    /// Logs where the elements begin and how many there are, so that `put_ends` may follow.
    #[inline(always)]
    pub(crate) fn keep_ends(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.head, 2)
    }

    #[inline(always)]
    pub(crate) fn put_len(&self, len: usize) {
        self.tail.put(self.head.get().wrapping_add(len as u64));
    }

    #[inline(always)]
    pub(crate) fn put_ends(&self, head: usize, len: usize) {
        self.head.put(head as u64);
        self.tail.put((head + len) as u64);
    }

    /// Makes one element more, or less, count at an end, by the one store that this is. The other end is neither loaded
    /// nor stored, so that what happens at the two ends does not wait for each other.
    #[inline(always)]
    pub(crate) fn move_end(&self, front: bool, outward: bool) {
        let end = if front { &self.head } else { &self.tail };
        self.move_end_from(end.get(), front, outward);
    }

    /// The same of an end that was loaded already.
    #[inline(always)]
    pub(crate) fn move_end_from(&self, end: u64, front: bool, outward: bool) {
        let by = if front == outward { u64::MAX } else { 1 };
        (if front { &self.head } else { &self.tail }).publish(end.wrapping_add(by));
    }

    /// Head and tail as they are.
    #[inline(always)]
    pub(crate) fn ends(&self) -> [u64; 2] {
        [self.head.get(), self.tail.get()]
    }

    /// The words of the header as they are, head and tail above all.
    #[inline(always)]
    pub(crate) fn words(&self) -> [u64; 4] {
        [self.offset.get(), self.cap.get(), self.head.get(), self.tail.get()]
    }

    /// Makes room for `needed` elements altogether.
    #[cold]
    pub(crate) fn grow(&self, cx: Cx, shape: Shape, needed: u64) -> Result<()> {
        self.keep(cx)?;
        self.put(self.run().grown(cx, shape, needed)?);
        Ok(())
    }

    /// Gives back what is not needed for `cap` elements or those that are there.
    pub(crate) fn shrink(&self, cx: Cx, shape: Shape, cap: u64) -> Result<()> {
        let ring = self.run();
        let cap = cap.max(ring.len).checked_next_power_of_two().unwrap_or(u64::MAX);
        if cap >= ring.cap {
            return Ok(());
        }
        if ring.len == 0 && cap <= 1 {
            return self.empty(cx, shape);
        }
        self.keep(cx)?;
        self.put(ring.laid_out(cx, shape, [0..ring.len, 0..0], cap)?);
        Ok(())
    }

    /// Gives the block back and is empty. What the elements own has been freed.
    pub(crate) fn empty(&self, cx: Cx, shape: Shape) -> Result<()> {
        let ring = self.run();
        if ring.cap != 0 {
            self.keep(cx)?;
            release(cx, shape, ring.offset, ring.cap)?;
            self.put(Ring { offset: 0, cap: 0, head: 0, len: 0 });
        }
        Ok(())
    }

    /// Moves the first `by` elements behind the others, or the others before them, whichever are fewer.
    pub(crate) fn rotate<S>(&self, cx: Cx, slots: Slots<S>, by: usize) -> Result<()> {
        let behind = slots.len - by;
        if by == 0 || behind == 0 {
            return Ok(());
        }
        self.keep_ends(cx)?;
        let full = slots.len == slots.cap;
        // A full ring only begins elsewhere. Else elements move into slots that are out of reach, or that an element
        // which has moved was in before: those at the front the first one first, those at the back the last one.
        let before = slots.head.wrapping_sub(behind);
        // SAFETY: all are slots of the ring; those that get out of reach or are overwritten were logged, or were out
        // of reach.
        unsafe {
            if by <= behind {
                if !full {
                    slots.keep(cx, 0, by)?;
                    (0..by).for_each(|index| ptr::copy(slots.place(index), slots.place(slots.len + index), 1));
                }
                self.put_ends(slots.slot(by), slots.len);
            } else {
                if !full {
                    slots.keep(cx, by, behind)?;
                    for index in (0..behind).rev() {
                        let to = before.wrapping_add(index) & slots.mask();
                        ptr::copy(slots.place(by + index), slots.first.add(to), 1);
                    }
                }
                self.put_ends(before & slots.mask(), slots.len);
            }
        }
        Ok(())
    }

    /// Removes the elements `start..end`; what they own has been freed. Moves those before or those behind,
    /// whichever are fewer. Of a large deque of which little stays, that moves to a block of its own.
    pub(crate) fn cut_out<S>(&self, cx: Cx, slots: Slots<S>, start: usize, end: usize) -> Result<()> {
        let (before, behind, gone) = (start, slots.len - end, end - start);
        let (ring, shape) = (self.run(), Shape::of::<S>());
        let moved = before.min(behind);
        if ((gone + moved) as u64) * shape.size >= LARGE && before + behind < gone {
            let cap = ((before + behind) as u64).next_power_of_two().max(FEWEST);
            self.keep(cx)?;
            match ring.laid_out(cx, shape, [0..start as u64, end as u64..ring.len], cap) {
                Err(Error::OutOfSpace { .. }) => {}
                ring => {
                    self.put(ring?);
                    return Ok(());
                }
            }
        }
        self.keep_ends(cx)?;
        // SAFETY: all indices are below the length; what is overwritten or gets out of reach is logged.
        unsafe {
            if before < behind {
                slots.keep(cx, 0, end)?;
                slots.shift(0, gone, before);
            } else {
                slots.keep(cx, start, slots.len - start)?;
                slots.shift(end, start, behind);
            }
        }
        let head = if before < behind { slots.slot(gone) } else { slots.head };
        self.put_ends(head, slots.len - gone);
        Ok(())
    }
}

impl Header for DequeHeader {
    type Run = Ring;

    #[inline(always)]
    fn run(&self) -> Ring {
        Ring::from(self.words())
    }

    fn keep(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.offset, 4)
    }

    fn put(&self, ring: Ring) {
        self.offset.put(ring.offset);
        self.cap.put(ring.cap);
        self.head.put(ring.head);
        self.tail.put(ring.head + ring.len);
    }
}

impl From<[u64; 4]> for Ring {
    /// Of the words of a header.
    #[inline(always)]
    fn from([offset, cap, head, tail]: [u64; 4]) -> Ring {
        Ring { offset, cap, head: head & cap.saturating_sub(1), len: tail.wrapping_sub(head) }
    }
}

impl Run for Ring {
    type Slotted<S> = Slots<S>;

    #[inline(always)]
    fn places<S>(self, cx: Cx) -> Option<Slots<S>> {
        let Ring { offset, cap, head, len } = self;
        if size_of::<S>() == 0 && cap > MOST {
            return None;
        }
        if len > cap || cap & cap.wrapping_sub(1) != 0 || head > cap.saturating_sub(1) {
            return None;
        }
        let first = cx.slice::<S>(offset, cap)?.as_ptr();
        Some(Slots { first, cap: cap as usize, head: head as usize, len: len as usize })
    }

    fn offset(self) -> u64 {
        self.offset
    }

    fn len(self) -> u64 {
        self.len
    }

    fn capacity(self) -> u64 {
        self.cap
    }

    fn with_len(self, len: u64) -> Ring {
        Ring { len, ..self }
    }

    fn grown(self, cx: Cx, shape: Shape, needed: u64) -> Result<Ring> {
        let needed = needed.checked_next_power_of_two().ok_or_else(too_large)?;
        let generous = needed.max(FEWEST);
        match self.with_capacity(cx, shape, generous) {
            Err(Error::OutOfSpace { .. }) if generous > needed => self.with_capacity(cx, shape, needed),
            result => result,
        }
    }
}

impl Ring {
    fn with_capacity(self, cx: Cx, shape: Shape, cap: u64) -> Result<Ring> {
        if self.head + self.len <= self.cap && extend_block(cx, shape, self.offset, self.cap, cap)? {
            return Ok(Ring { cap, ..self });
        }
        self.laid_out(cx, shape, [0..self.len, 0..0], cap)
    }

    /// In a new block, with these elements.
    fn laid_out(self, cx: Cx, shape: Shape, pieces: [Range<u64>; 2], cap: u64) -> Result<Ring> {
        let mut len = 0;
        let bytes = shape.bytes(self.cap)?;
        let offset = replace(cx, shape, (self.offset, self.cap), cap, |new| {
            let old = cx.at(self.offset, bytes, 1);
            let old = old.ok_or_else(|| Error::corrupt(self.offset, "a block outside the file"))?;
            for piece in pieces {
                let count = piece.end - piece.start;
                let (slot, straight) = self.straight(piece.start, count);
                for (from, count) in [(slot, straight), (0, count - straight)] {
                    let (from, to, many) = (from * shape.size, len * shape.size, count * shape.size);
                    // SAFETY: slots of the ring, and of a new block of at least so many; both are in the map
                    // and do not overlap.
                    unsafe {
                        ptr::copy_nonoverlapping(old.as_ptr().add(from as usize), new.add(to as usize), many as usize)
                    };
                    len += count;
                }
            }
            Ok(())
        })?;
        Ok(Ring { offset, cap, head: 0, len })
    }

    /// The slot of an element, and how many of `count` from there on lie in a row.
    fn straight(self, index: u64, count: u64) -> (u64, u64) {
        let slot = (self.head + index) & self.cap.wrapping_sub(1);
        (slot, count.min(self.cap - slot.min(self.cap)))
    }
}

impl<S> Slotted<S> for Slots<S> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len
    }

    #[inline(always)]
    unsafe fn place(&self, index: usize) -> *mut S {
        // SAFETY: under the mask it is below the capacity, which is not 0 by the caller's promise.
        unsafe { self.first.add(self.slot(index)) }
    }

    fn straight(&self, index: usize, count: usize) -> usize {
        if self.cap == 0 { 0 } else { count.min(self.cap - self.slot(index)) }
    }

    #[inline(always)]
    unsafe fn keep(&self, cx: Cx, index: usize, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let straight = self.straight(index, count);
        // SAFETY: all are slots of the block, which is in the map.
        unsafe {
            keep_slots(cx, self.place(index), straight)?;
            keep_slots(cx, self.first, count - straight)
        }
    }
}

impl<S> Slots<S> {
    #[inline(always)]
    pub(crate) fn mask(&self) -> usize {
        self.cap.wrapping_sub(1)
    }

    /// The slot of an element; or, if there is room, of the place behind the last, or before the first as `usize::MAX`.
    #[inline(always)]
    pub(crate) fn slot(&self, index: usize) -> usize {
        self.head.wrapping_add(index) & self.mask()
    }

    /// Moves `count` elements from index `from` on to index `to`, over what is there. Indices may be one below
    /// zero, as `usize::MAX`.
    ///
    /// # Safety
    /// What is moved are elements; what is overwritten was logged or out of reach.
    pub(crate) unsafe fn shift(&self, from: usize, to: usize, count: usize) {
        let one = |index: usize| {
            let place = |index: usize| self.first.wrapping_add(self.head.wrapping_add(index) & self.mask());
            // SAFETY: under the mask both are slots of the block.
            unsafe { ptr::copy(place(from.wrapping_add(index)), place(to.wrapping_add(index)), 1) };
        };
        // Towards the front the first goes first, towards the back the last.
        if (to.wrapping_sub(from) as isize) < 0 { (0..count).for_each(one) } else { (0..count).rev().for_each(one) }
    }
}
