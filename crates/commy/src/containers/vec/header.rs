//! The header of a vector or string.
//!
//! ```text
//! header, 24 B            block
//!   0 offset of block      0 elements 0 .. len, in a row
//!   8 len                    slots len .. cap, of any content
//!  16 cap
//! ```
//!
//! All zeros is the empty one, without a block. A capacity grows by half, rounded up: 1, 2, 3, 5, 8, 12, ..; spans of
//! pages grow in place if there is room behind them.

use super::block::{self, LARGE, MOST, Shape, keep_slots};
use crate::containers::sequence::{self, Header, Run as _, Slotted};
use crate::error::{Error, Result};
use crate::layout::{PAGE, Word};
use crate::tx::Cx;

/// The stored form of `Vec` and `String`.
#[repr(C)]
#[derive(Debug, Default)]
pub struct VecHeader {
    offset: Word,
    pub(crate) len: Word,
    cap: Word,
}

const _: () = assert!(size_of::<VecHeader>() == 24);

/// What a header says, once it has been checked.
pub(crate) struct Slots<S> {
    pub first: *mut S,
    pub len: usize,
    pub cap: usize,
}

impl<S> Clone for Slots<S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Slots<S> {}

impl<S> Slotted<S> for Slots<S> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len
    }

    #[inline(always)]
    unsafe fn place(&self, index: usize) -> *mut S {
        // SAFETY: the caller's promise.
        unsafe { self.first.add(index) }
    }

    #[inline(always)]
    fn straight(&self, _: usize, count: usize) -> usize {
        count
    }

    #[inline(always)]
    unsafe fn keep(&self, cx: Cx, index: usize, count: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { keep_slots(cx, self.first.add(index), count) }
    }
}

/// A header's words, for changing them all at once.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub offset: u64,
    pub len: u64,
    pub cap: u64,
}

impl VecHeader {
    /// For a block that was made with exactly so many elements.
    pub(crate) fn full(offset: u64, len: u64) -> VecHeader {
        VecHeader { offset: Word::new(offset), len: Word::new(len), cap: Word::new(len) }
    }

    /// For a block that has no elements.
    pub(crate) fn empty_block(offset: u64, cap: u64) -> VecHeader {
        VecHeader { offset: Word::new(offset), len: Word::new(0), cap: Word::new(cap) }
    }

    /// The offset of the block.
    #[inline(always)]
    pub(crate) fn block(&self) -> u64 {
        self.offset.get()
    }

    /// The words of such a header.
    pub(crate) fn words_of_full(offset: u64, len: u64) -> [u64; 3] {
        [offset, len, len]
    }

    /// The elements, if what the header says can be.
    #[inline(always)]
    pub(crate) fn slots<S>(&self, cx: Cx) -> Option<Slots<S>> {
        let (len, cap) = (self.len.get(), self.cap.get());
        if len > cap || (size_of::<S>() == 0 && cap > MOST) {
            return None;
        }
        let first = cx.slice::<S>(self.offset.get(), cap)?;
        Some(Slots { first: first.as_ptr(), len: len as usize, cap: cap as usize })
    }

    /// The same for who wants to change something.
    #[inline(always)]
    pub(crate) fn checked<S>(&self, cx: Cx) -> Result<Slots<S>> {
        self.slots(cx).ok_or_else(|| Error::corrupt(cx.offset_of(self), "a vector whose length or block cannot be"))
    }

    /// The same for who was handed a header that may lie outside the map, as a copy.
    #[inline(always)]
    pub(crate) fn checked_new<S>(&self, cx: Cx) -> Result<Slots<S>> {
        self.slots(cx).ok_or_else(|| Error::corrupt(self.offset.get(), "a vector whose length or block cannot be"))
    }

    /// Makes room for `needed` elements altogether, and some more.
    #[cold]
    pub(crate) fn grow(&self, cx: Cx, shape: Shape, needed: u64) -> Result<()> {
        self.keep(cx)?;
        self.put(self.run().grown(cx, shape, needed)?);
        Ok(())
    }

    /// Makes room for `needed` elements altogether.
    pub(crate) fn grow_exact(&self, cx: Cx, shape: Shape, needed: u64) -> Result<()> {
        self.keep(cx)?;
        self.put(self.run().with_capacity(cx, shape, needed)?);
        Ok(())
    }

    /// Gives back what is not needed for `cap` elements or those that are there.
    pub(crate) fn shrink(&self, cx: Cx, shape: Shape, cap: u64) -> Result<()> {
        let run = self.run();
        let cap = cap.max(run.len);
        if cap >= run.cap {
            return Ok(());
        }
        self.keep(cx)?;
        self.put(run.shrunk(cx, shape, cap)?);
        Ok(())
    }

    /// Gives the block back and is empty. What the elements own has been freed.
    pub(crate) fn empty(&self, cx: Cx, shape: Shape) -> Result<()> {
        let run = self.run();
        if run.cap != 0 {
            self.keep(cx)?;
            block::release(cx, shape, run.offset, run.cap)?;
            self.put(Run { offset: 0, len: 0, cap: 0 });
        }
        Ok(())
    }

    /// Takes a block of so many bytes for a header of bytes that has none, and no elements yet. Gives its offset.
    pub(crate) fn take_block(&self, cx: Cx, bytes: u64, align: u64) -> Result<u64> {
        if self.cap.get() != 0 {
            return Err(Error::corrupt(cx.offset_of(self), "a place for a block that has one already"));
        }
        self.keep(cx)?;
        let offset = cx.alloc(bytes, align)?;
        self.put(Run { offset, len: 0, cap: bytes });
        Ok(offset)
    }

    /// Gives back what [`take_block`](VecHeader::take_block) has taken in another transaction.
    pub(crate) fn drop_block(&self, cx: Cx, offset: u64, bytes: u64) -> Result<()> {
        if (self.offset.get(), self.cap.get()) != (offset, bytes) {
            return Err(Error::corrupt(cx.offset_of(self), "a place for a block that has another one"));
        }
        self.keep(cx)?;
        cx.free(offset, bytes, 1)?;
        self.put(Run { offset: 0, len: 0, cap: 0 });
        Ok(())
    }

    /// Removes the elements from `len` on, of which there are some. What they own has been freed. A large
    /// vector gives pages back instead of logging what was in them.
    pub(crate) fn truncate(&self, cx: Cx, shape: Shape, len: u64) -> Result<()> {
        let mut run = self.run();
        let dropped = (run.len - len) * shape.size;
        let mut cap = run.cap;
        if dropped >= LARGE && len == 0 {
            return self.empty(cx, shape);
        }
        if dropped >= LARGE && shape.is_span(run.cap) {
            // As many as fill the pages that stay: even one page is more than a block of a slab. Those beyond
            // `len` are logged, since the capacity can grow over them without moving.
            cap = (len * shape.size).div_ceil(PAGE) * PAGE / shape.size;
        }
        cx.atomically(|| {
            self.keep(cx)?;
            let bytes = (cap.min(run.len) - len) * shape.size;
            let first = cx.at(run.offset + len * shape.size, bytes, 1);
            let first = first.ok_or_else(|| Error::corrupt(run.offset, "a block outside the file"))?;
            // SAFETY: just checked to be in the map.
            unsafe { block::keep_slots(cx, first.as_ptr(), bytes as usize)? };
            block::cut(cx, shape, run.offset, run.cap, cap)
        })?;
        (run.len, run.cap) = (len, cap);
        self.put(run);
        Ok(())
    }

    /// The block, if there is one: offset, bytes, alignment.
    #[inline(always)]
    pub(crate) fn sole_block(&self, shape: Shape) -> Option<(u64, u64, u64)> {
        let Run { offset, cap, .. } = self.run();
        let bytes = shape.size.saturating_mul(cap);
        (bytes != 0).then_some((offset, bytes, shape.align))
    }
}

impl sequence::Header for VecHeader {
    type Run = Run;

    #[inline(always)]
    fn run(&self) -> Run {
        Run { offset: self.offset.get(), len: self.len.get(), cap: self.cap.get() }
    }

    fn keep(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.offset, 3)
    }

    fn put(&self, run: Run) {
        self.offset.put(run.offset);
        self.len.put(run.len);
        self.cap.put(run.cap);
    }
}

impl sequence::Run for Run {
    type Slotted<S> = Slots<S>;

    fn places<S>(self, cx: Cx) -> Option<Slots<S>> {
        let Run { offset, len, cap } = self;
        VecHeader { offset: Word::new(offset), len: Word::new(len), cap: Word::new(cap) }.slots(cx)
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

    fn with_len(self, len: u64) -> Run {
        Run { len, ..self }
    }

    /// Half as many more as there was room for, if that can be had.
    fn grown(self, cx: Cx, shape: Shape, needed: u64) -> Result<Run> {
        let generous = self.cap.saturating_add(self.cap.div_ceil(2)).max(needed);
        match self.with_capacity(cx, shape, generous) {
            Err(Error::OutOfSpace { .. }) if generous > needed => self.with_capacity(cx, shape, needed),
            result => result,
        }
    }
}

impl Run {
    /// With room for exactly `cap` elements, which is more than there is.
    fn with_capacity(self, cx: Cx, shape: Shape, cap: u64) -> Result<Run> {
        if block::extend_block(cx, shape, self.offset, self.cap, cap)? {
            return Ok(Run { cap, ..self });
        }
        self.moved(cx, shape, cap)
    }

    fn shrunk(self, cx: Cx, shape: Shape, cap: u64) -> Result<Run> {
        if cap == 0 {
            block::release(cx, shape, self.offset, self.cap)?;
            return Ok(Run { offset: 0, len: 0, cap: 0 });
        }
        if shape.same_block(self.cap, cap)? {
            return Ok(Run { cap, ..self });
        }
        if shape.is_span(cap) {
            block::cut(cx, shape, self.offset, self.cap, cap)?;
            return Ok(Run { cap, ..self });
        }
        self.moved(cx, shape, cap)
    }

    fn moved(self, cx: Cx, shape: Shape, cap: u64) -> Result<Run> {
        let bytes = shape.bytes(self.len)?;
        let offset = block::replace(cx, shape, (self.offset, self.cap), cap, |new| {
            let old =
                cx.at(self.offset, bytes, 1).ok_or_else(|| Error::corrupt(self.offset, "a block outside the file"))?;
            // SAFETY: both are in the map for so many bytes; the new block was free until now, so they do not
            // overlap.
            unsafe { std::ptr::copy_nonoverlapping(old.as_ptr(), new, bytes as usize) };
            Ok(())
        })?;
        Ok(Run { offset, cap, ..self })
    }
}
