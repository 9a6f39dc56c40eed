//! Changing a vector or deque for who knows only the size of its elements. Maps and sets have such code in their folders.
//!
//! Elements are bytes here. Both are seen as a ring: a vector's begins at slot 0 and never wraps. The rule of `vec::block`
//! holds: every slot out of reach was out of reach when the transaction began, or has been logged in it.

use super::deque::{DequeHeader, Ring};
use super::sequence::Header;
use super::vec::{MOST, Shape, VecHeader, VecRun, too_large};
use crate::error::{Error, Result};
use crate::schema::Kind;
use crate::tx::Cx;

/// The header of either.
#[derive(Clone, Copy)]
enum Either<'a> {
    Vec(&'a VecHeader),
    Deque(&'a DequeHeader),
}

/// A vector or deque, of which the elements' form is known.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a> {
    cx: Cx,
    shape: Shape,
    header: Either<'a>,
}

impl<'a> Sequence<'a> {
    /// The one of that kind with its header at an offset.
    pub(crate) fn open(cx: Cx, kind: Kind, shape: Shape, header: u64) -> Result<Sequence<'a>> {
        // SAFETY: headers are all words.
        let header = unsafe {
            match kind {
                Kind::VecDeque => Either::Deque(cx.map().get(header)?),
                _ => Either::Vec(cx.map().get(header)?),
            }
        };
        let sequence = Sequence { cx, shape, header };
        sequence.check(&sequence.ring())?;
        Ok(sequence)
    }

    fn ring(&self) -> Ring {
        match self.header {
            Either::Vec(header) => {
                let run = header.run();
                Ring { offset: run.offset, cap: run.cap, head: 0, len: run.len }
            }
            Either::Deque(header) => header.run(),
        }
    }

    fn put(&self, ring: Ring) {
        match self.header {
            Either::Vec(header) => header.put(VecRun { offset: ring.offset, len: ring.len, cap: ring.cap }),
            Either::Deque(header) => header.put(ring),
        }
    }

    fn keep_header(&self) -> Result<()> {
        match self.header {
            Either::Vec(header) => header.keep(self.cx),
            Either::Deque(header) => header.keep(self.cx),
        }
    }

    fn check(&self, ring: &Ring) -> Result<()> {
        let corrupt = || Error::corrupt(ring.offset, "a vector or deque whose length or block cannot be");
        let wraps = matches!(self.header, Either::Deque(_));
        let sound = ring.len <= ring.cap
            && ring.cap <= MOST
            && (!wraps || (ring.cap & ring.cap.wrapping_sub(1) == 0 && (ring.head < ring.cap || ring.head == 0)));
        let block = if sound { self.cx.at(ring.offset, self.shape.bytes(ring.cap)?, self.shape.align) } else { None };
        block.map(drop).ok_or_else(corrupt)
    }

    /// The offset of an element, or of the slot behind the last or before the first, as index -1; it is in the block.
    fn place(&self, ring: &Ring, index: i64) -> u64 {
        let slot = match self.header {
            Either::Vec(_) => index as u64,
            Either::Deque(_) => ring.head.wrapping_add_signed(index) & ring.cap.wrapping_sub(1),
        };
        ring.offset + slot * self.shape.size
    }

    fn at(&self, offset: u64) -> Result<*mut u8> {
        let place = self.cx.at(offset, self.shape.size, 1);
        Ok(place.ok_or_else(|| Error::corrupt(offset, "an element outside the file"))?.as_ptr())
    }

    /// Logs elements.
    fn keep(&self, ring: &Ring, indices: std::ops::Range<u64>) -> Result<()> {
        if self.shape.size == 0 {
            return Ok(());
        }
        for index in indices {
            // SAFETY: an element, in the file.
            unsafe { self.cx.keep_bytes(self.at(self.place(ring, index as i64))?, self.shape.size as usize)? };
        }
        Ok(())
    }

    fn shift(&self, ring: &Ring, from: i64, to: i64) -> Result<()> {
        let (from, to) = (self.at(self.place(ring, from))?, self.at(self.place(ring, to))?);
        // SAFETY: slots of the block, in the file.
        unsafe { std::ptr::copy(from, to, self.shape.size as usize) };
        Ok(())
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> u64 {
        self.ring().len
    }

    /// Inserts an element at an index up to the length; `make` gives its bytes.
    pub(crate) fn insert(&self, index: u64, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
        let len = self.ring().len;
        if len == self.ring().cap {
            let needed = len.checked_add(1).ok_or_else(too_large)?;
            match self.header {
                Either::Vec(header) => header.grow(self.cx, self.shape, needed)?,
                Either::Deque(header) => header.grow(self.cx, self.shape, needed)?,
            }
        }
        let ring = self.ring();
        self.check(&ring)?;
        self.keep_header()?;
        let front = matches!(self.header, Either::Deque(_)) && index < len - index;
        self.keep(&ring, if front { 0..index } else { index..len })?;
        let bytes = make()?;
        let head = if front {
            for index in 0..index as i64 {
                self.shift(&ring, index, index - 1)?;
            }
            ring.head.wrapping_sub(1) & (ring.cap - 1)
        } else {
            for index in (index as i64..len as i64).rev() {
                self.shift(&ring, index, index + 1)?;
            }
            ring.head
        };
        let ring = Ring { head, len: len + 1, ..ring };
        let place = self.at(self.place(&ring, index as i64))?;
        // SAFETY: a slot of the block, in the file, whose content was moved or was out of reach.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len().min(self.shape.size as usize)) };
        self.put(ring);
        Ok(())
    }

    /// Takes the element at an index out, which is below the length. What it owns is the caller's.
    pub(crate) fn remove(&self, index: u64) -> Result<()> {
        let ring = self.ring();
        let front = matches!(self.header, Either::Deque(_)) && index < ring.len - index;
        self.keep_header()?;
        self.keep(&ring, if front { 0..index + 1 } else { index..ring.len })?;
        let head = if front {
            for index in (0..index as i64).rev() {
                self.shift(&ring, index, index + 1)?;
            }
            (ring.head + 1) & (ring.cap - 1)
        } else {
            for index in index as i64..ring.len as i64 - 1 {
                self.shift(&ring, index + 1, index)?;
            }
            ring.head
        };
        self.put(Ring { head, len: ring.len - 1, ..ring });
        Ok(())
    }
}
