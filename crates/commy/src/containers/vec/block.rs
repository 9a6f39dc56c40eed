//! The block behind a sequence: how elements lie in it, how it is replaced by another, how it is given back.
//!
//! A sequence changes its block by filling a new one and letting the old one go, whose content stays as it is
//! until the transaction commits: so moving elements needs no log. What has to be logged are bytes that are
//! overwritten in place, and bytes that get out of reach in place, for a later push of the same transaction
//! writes there without logging. Hence the rule of all sequences here:
//!
//! **every slot out of reach was out of reach when the transaction began, or has been logged in it.**

use crate::alloc::classes::class_of;
use crate::error::{Error, Result};
use crate::layout::{MAX_SIZE, PAGE};
use crate::schema::Share;
use crate::tx::Cx;
use std::ops::{Bound, RangeBounds};

/// From how many bytes on it is worth to change the block rather than to log what is removed.
pub(crate) const LARGE: u64 = 64 << 10;

/// The most elements: as many as there are bytes in the largest segment. Bounds those of no size, too.
pub(crate) const MOST: u64 = MAX_SIZE;

/// Size and alignment of what a block is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub size: u64,
    pub align: u64,
}

impl Shape {
    /// That of a stored form.
    pub(crate) const fn of<S>() -> Shape {
        Shape { size: size_of::<S>() as u64, align: align_of::<S>() as u64 }
    }

    /// Bytes of a block for `cap` elements.
    #[inline(always)]
    pub(crate) fn bytes(self, cap: u64) -> Result<u64> {
        let bytes = if cap <= MOST { self.size.checked_mul(cap) } else { None };
        bytes.ok_or_else(too_large)
    }

    /// Whether a block for `cap` elements is a span of whole pages.
    pub(crate) fn is_span(self, cap: u64) -> bool {
        self.size.checked_mul(cap).is_none_or(|bytes| class_of(bytes, self.align).is_none())
    }

    /// Whether a block for `from` elements serves as one for `to`, too.
    pub(crate) fn same_block(self, from: u64, to: u64) -> Result<bool> {
        let (from, to) = (self.bytes(from)?, self.bytes(to)?);
        Ok(match (class_of(from, self.align), class_of(to, self.align)) {
            (None, None) => from.div_ceil(PAGE) == to.div_ceil(PAGE),
            (a, b) => a == b && from != 0 && to != 0,
        })
    }
}

/// Nothing of that size fits in any segment.
#[cold]
pub(crate) fn too_large() -> Error {
    Error::OutOfSpace { needed: u64::MAX, reason: "no segment is so large".into() }
}

/// Gives a block for `cap` elements back.
pub(crate) fn release(cx: Cx, shape: Shape, offset: u64, cap: u64) -> Result<()> {
    let bytes = shape.bytes(cap)?;
    if class_of(bytes, shape.align).is_none() {
        // A span may have been lengthened in this transaction and then stands in the log in pieces. Within a
        // part it is never given back before the commit, to which that makes no difference.
        cx.atomically(|| cx.free(offset, bytes, shape.align))
    } else {
        cx.free(offset, bytes, shape.align)
    }
}

/// Makes a block for `from` elements one for `to`, which are more, if it can stay where it is.
pub(crate) fn extend_block(cx: Cx, shape: Shape, offset: u64, from: u64, to: u64) -> Result<bool> {
    if shape.same_block(from, to)? {
        return Ok(true);
    }
    if from == 0 || !shape.is_span(from) {
        return Ok(false);
    }
    cx.extend(offset, shape.bytes(from)?, shape.bytes(to)?)
}

/// Gives those pages of a span back that are not needed for `to` elements, which must be a span, too.
pub(crate) fn cut(cx: Cx, shape: Shape, offset: u64, from: u64, to: u64) -> Result<()> {
    let (from, to) = (shape.bytes(from)?.div_ceil(PAGE), shape.bytes(to)?.div_ceil(PAGE));
    if to >= from {
        return Ok(());
    }
    // As in `release`; aligned to a page, it counts as a span whatever its size.
    cx.atomically(|| cx.free(offset + to * PAGE, (from - to) * PAGE, PAGE))
}

/// A new block for `cap` elements in place of an old one. `fill` copies over what is wanted of the old one,
/// given the address of the new one. On an error nothing has changed.
pub(crate) fn replace(
    cx: Cx,
    shape: Shape,
    (old, old_cap): (u64, u64),
    cap: u64,
    fill: impl FnOnce(*mut u8) -> Result<()>,
) -> Result<u64> {
    let bytes = shape.bytes(cap)?;
    let new = cx.alloc(bytes, shape.align)?;
    let place = cx.at(new, bytes, shape.align).ok_or_else(|| Error::corrupt(new, "a block outside the file"));
    let filled = place.and_then(|place| fill(place.as_ptr()));
    if let Err(error) = filled.and_then(|()| release(cx, shape, old, old_cap)) {
        // Taken a moment ago, it is given back without needing room in the log.
        let _ = cx.free(new, bytes, shape.align);
        return Err(error);
    }
    Ok(new)
}

/// Logs `count` elements, before they are overwritten or get out of reach.
///
/// # Safety
/// They lie in the map.
#[inline(always)]
pub(crate) unsafe fn keep_slots<S>(cx: Cx, first: *const S, count: usize) -> Result<()> {
    let bytes = count * size_of::<S>();
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe { cx.keep_bytes(first.cast(), bytes) }
}

/// Stores a value, wholly or not at all.
#[inline(always)]
pub(crate) fn store<T: Share>(value: T, cx: Cx) -> Result<T::Stored> {
    if T::OWNS { cx.atomically(|| value.into_stored(cx)) } else { value.into_stored(cx) }
}

/// What `get_mut` and its kin lend.
#[inline(always)]
pub(crate) fn lend<M>(lent: Result<M>) -> M {
    match lent {
        Ok(lent) => lent,
        Err(error) => cannot_lend(&error),
    }
}

#[cold]
#[inline(never)]
fn cannot_lend(error: &Error) -> ! {
    panic!("cannot lend an element for changing: {error}")
}

/// Start and end of a range in a sequence of `len` elements.
pub(crate) fn bounds(range: &impl RangeBounds<usize>, len: usize) -> Result<(usize, usize)> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => len,
    };
    if end > len {
        return Err(Error::BadArgument {
            what: "end of the range",
            value: end as u64,
            rule: "which must be at most the length",
        });
    }
    if start > end {
        return Err(Error::BadArgument {
            what: "start of the range",
            value: start as u64,
            rule: "which must be at most its end",
        });
    }
    Ok((start, end))
}

/// An index that is not below `limit`.
#[inline(always)]
pub(crate) fn below(index: usize, limit: usize) -> Result<()> {
    if index < limit { Ok(()) } else { Err(bad_index(index)) }
}

#[cold]
fn bad_index(index: usize) -> Error {
    Error::BadArgument { what: "index", value: index as u64, rule: "which must be within the length" }
}
