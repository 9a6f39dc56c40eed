//! What vectors and deques have in common: elements at indices, in the slots of one block that grows.

use super::load::{go_on, stride, with_room};
use super::vec::{Shape, below, drop_slots, too_large};
use crate::error::{Error, Result};
use crate::schema::Share;
use crate::tx::Cx;
use std::cmp::Ordering;
use std::ops::Range;
use std::ptr;

/// Elements that a checked header tells of.
///
/// Invariant: below `count` there are elements, in slots that lie in the map.
pub(crate) trait Slotted<S>: Copy {
    /// How many elements there are.
    fn count(&self) -> usize;

    /// The place of an element, or of a slot behind the last.
    ///
    /// # Safety
    /// `index` is below the capacity.
    unsafe fn place(&self, index: usize) -> *mut S;

    /// How many of `count` elements from `index` on lie in a row.
    fn straight(&self, index: usize, count: usize) -> usize;

    /// Logs elements, before they are overwritten or get out of reach.
    ///
    /// # Safety
    /// They are there: `index + count` is not above the length.
    unsafe fn keep(&self, cx: Cx, index: usize, count: usize) -> Result<()>;
}

/// The words of a header, as values.
pub(crate) trait Run: Copy {
    /// The elements, once checked.
    type Slotted<S>: Slotted<S>;

    /// The elements, if what the words say can be.
    fn places<S>(self, cx: Cx) -> Option<Self::Slotted<S>>;

    /// The offset of the block.
    fn offset(self) -> u64;

    /// How many elements there are.
    fn len(self) -> u64;

    /// How many slots there are.
    fn capacity(self) -> u64;

    /// With so many elements, the further ones being at the end.
    fn with_len(self, len: u64) -> Self;

    /// With room for `needed` elements and some more, in this block or another.
    fn grown(self, cx: Cx, shape: Shape, needed: u64) -> Result<Self>;
}

/// A header in the segment.
pub(crate) trait Header {
    /// Its words.
    type Run: Run;

    /// The words.
    fn run(&self) -> Self::Run;

    /// Logs all words, so that `put` may follow.
    fn keep(&self, cx: Cx) -> Result<()>;

    /// Overwrites all words.
    fn put(&self, run: Self::Run);
}

/// Elements being added behind the last, out of reach until it is dropped. Dropping it also when what
/// gives the elements panics leaves those in that were there before.
struct Filling<'a, H: Header> {
    header: &'a H,
    run: H::Run,
}

impl<H: Header> Drop for Filling<'_, H> {
    fn drop(&mut self) {
        self.header.put(self.run);
    }
}

impl<H: Header> Filling<'_, H> {
    fn room(&mut self, cx: Cx, shape: Shape, more: usize) -> Result<()> {
        let needed = self.run.len().checked_add(more as u64).ok_or_else(too_large)?;
        if needed > self.run.capacity() {
            self.run = self.run.grown(cx, shape, needed)?;
        }
        Ok(())
    }

    fn places<S>(&self, cx: Cx) -> Result<<H::Run as Run>::Slotted<S>> {
        self.run.places(cx).ok_or_else(|| Error::corrupt(self.run.offset(), "a block outside the file"))
    }
}

/// Adds elements behind the last; if one cannot be had, or `finish` fails, nothing has changed. The header has been
/// checked.
pub(crate) fn add_all<T: Share, H: Header>(
    header: &H,
    cx: Cx,
    values: impl Iterator<Item = Result<T>>,
    finish: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let shape = Shape::of::<T::Stored>();
    header.keep(cx)?;
    let mut filling = Filling { header, run: header.run() };
    let added = cx.atomically(|| {
        filling.room(cx, shape, values.size_hint().0)?;
        let mut places = filling.places::<T::Stored>(cx)?;
        for value in values {
            let value = value?;
            let len = filling.run.len();
            if len == filling.run.capacity() {
                filling.room(cx, shape, 1)?;
                places = filling.places(cx)?;
            }
            let stored = value.into_stored(cx)?;
            // SAFETY: below the capacity and out of reach.
            unsafe { places.place(len as usize).write(stored) };
            filling.run = filling.run.with_len(len + 1);
        }
        finish()
    });
    if added.is_err() {
        std::mem::forget(filling);
    }
    added
}

/// Copies of the elements of a range.
///
/// # Safety
/// Its end is not above the length.
pub(crate) unsafe fn load<T: Share>(places: impl Slotted<T::Stored>, range: Range<usize>, cx: Cx) -> Result<Vec<T>> {
    let mut values = with_room(range.len(), cx);
    let straight = places.straight(range.start, range.len());
    for mut part in [range.start..range.start + straight, range.start + straight..range.end] {
        while !part.is_empty() {
            go_on(cx)?;
            let many = part.len().min(stride::<T>());
            // SAFETY: the caller's promise; these lie in a row.
            unsafe { T::load_all(places.place(part.start), many, cx, &mut values)? };
            part.start += many;
        }
    }
    Ok(values)
}

/// Overwrites all elements by what `value` gives; if one cannot be had, nothing has changed.
pub(crate) fn fill<T: Share>(places: impl Slotted<T::Stored>, cx: Cx, mut value: impl FnMut() -> T) -> Result<()> {
    // SAFETY: below the length there are elements; they are logged before they are overwritten.
    unsafe {
        places.keep(cx, 0, places.count())?;
        cx.atomically(|| {
            for index in 0..places.count() {
                let stored = value().into_stored(cx)?;
                let place = places.place(index);
                drop_slots::<T>(place, 1, cx)?;
                place.write(stored);
            }
            Ok(())
        })
    }
}

/// Exchanges two elements.
pub(crate) fn swap<S>(places: impl Slotted<S>, cx: Cx, a: usize, b: usize) -> Result<()> {
    below(a, places.count())?;
    below(b, places.count())?;
    // SAFETY: both below the length; logged before they are overwritten.
    unsafe {
        places.keep(cx, a, 1)?;
        places.keep(cx, b, 1)?;
        ptr::swap(places.place(a), places.place(b));
    }
    Ok(())
}

/// Brings those elements to the front, in order, that `wanted` is true for, and gives how many they are. It gets the
/// number of elements kept so far and the index of the one in question. At any moment the slots hold all elements, so
/// that it may panic.
pub(crate) fn keep_where<S>(
    places: impl Slotted<S>,
    cx: Cx,
    mut wanted: impl FnMut(usize, usize) -> Result<bool>,
) -> Result<usize> {
    let (mut kept, count) = (0, places.count());
    while kept < count && wanted(kept, kept)? {
        kept += 1;
    }
    if kept == count {
        return Ok(kept);
    }
    // SAFETY: all indices are below the length; logged before the first is overwritten.
    unsafe {
        places.keep(cx, kept, count - kept)?;
        for index in kept + 1..count {
            if wanted(kept, index)? {
                ptr::swap(places.place(kept), places.place(index));
                kept += 1;
            }
        }
    }
    Ok(kept)
}

/// Binary search over indices below `len`.
pub(crate) fn search(len: usize, mut compare: impl FnMut(usize) -> Ordering) -> Result<usize, usize> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        match compare(middle) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok(middle),
        }
    }
    Err(low)
}

/// Whether elements equal others, one by one.
pub(crate) fn equal<A: PartialEq<B>, B>(
    own: impl ExactSizeIterator<Item = A>,
    other: impl ExactSizeIterator<Item = B>,
) -> bool {
    own.len() == other.len() && own.zip(other).all(|(a, b)| a == b)
}

/// An amount to rotate by, which must not be above the length.
pub(crate) fn rotation(by: usize, len: usize) -> Result<usize> {
    if by <= len {
        return Ok(by);
    }
    Err(Error::BadArgument { what: "number of places", value: by as u64, rule: "which must be at most the length" })
}
