//! Vectors: order and search.

use super::{VecView, below, keep_slots};
use crate::containers::sequence::{rotation, search};
use crate::error::{Error, Result};
use crate::schema::{Lookup, Share};
use std::cmp::Ordering;

impl<T: Share> VecView<T> {
    /// Lets `arrange` exchange stored elements.
    fn rearrange(&mut self, arrange: impl FnOnce(&mut [T::Stored])) -> Result<()> {
        let (slots, cx) = (self.checked()?, self.cx());
        // SAFETY: `len` slots hold elements, which nobody else sees, and which refer to what they own by
        // offset: they can be moved as bytes. All are logged first. A comparison that panics leaves the
        // slots with all elements, if in another order.
        unsafe {
            keep_slots(cx, slots.first, slots.len)?;
            arrange(std::slice::from_raw_parts_mut(slots.first, slots.len));
        }
        Ok(())
    }

    /// Sorts it; equal elements stay in order. Logs all elements first.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for them.
    pub fn sort(&mut self) -> Result<()>
    where
        for<'a> T::Ref<'a>: Ord,
    {
        self.sort_by(|a, b| a.cmp(&b))
    }

    /// Sorts it by a comparison; equal elements stay in order.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn sort_by(&mut self, mut compare: impl for<'a> FnMut(T::Ref<'a>, T::Ref<'a>) -> Ordering) -> Result<()> {
        let cx = self.cx();
        // SAFETY: elements, or copies that the sort makes of them; to be read, a value needs not be at its
        // place.
        self.rearrange(|all| all.sort_by(|a, b| unsafe { compare(T::view(a, cx), T::view(b, cx)) }))
    }

    /// Sorts it by a key; equal elements stay in order.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn sort_by_key<K: Ord>(&mut self, mut key: impl FnMut(T::Ref<'_>) -> K) -> Result<()> {
        self.sort_by(|a, b| key(a).cmp(&key(b)))
    }

    /// Sorts it by a key that is asked for once for each element; equal elements stay in order.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn sort_by_cached_key<K: Ord>(&mut self, mut key: impl FnMut(T::Ref<'_>) -> K) -> Result<()> {
        let cx = self.cx();
        // SAFETY: as in `sort_by`.
        self.rearrange(|all| all.sort_by_cached_key(|element| unsafe { key(T::view(element, cx)) }))
    }

    /// Sorts it; equal elements may change places. Faster than [`sort`](VecView::sort).
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn sort_unstable(&mut self) -> Result<()>
    where
        for<'a> T::Ref<'a>: Ord,
    {
        self.sort_unstable_by(|a, b| a.cmp(&b))
    }

    /// Sorts it by a comparison; equal elements may change places.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn sort_unstable_by(
        &mut self,
        mut compare: impl for<'a> FnMut(T::Ref<'a>, T::Ref<'a>) -> Ordering,
    ) -> Result<()> {
        let cx = self.cx();
        // SAFETY: as in `sort_by`.
        self.rearrange(|all| all.sort_unstable_by(|a, b| unsafe { compare(T::view(a, cx), T::view(b, cx)) }))
    }

    /// Sorts it by a key; equal elements may change places.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn sort_unstable_by_key<K: Ord>(&mut self, mut key: impl FnMut(T::Ref<'_>) -> K) -> Result<()> {
        self.sort_unstable_by(|a, b| key(a).cmp(&key(b)))
    }

    /// Turns it round.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort).
    pub fn reverse(&mut self) -> Result<()> {
        self.rearrange(<[T::Stored]>::reverse)
    }

    /// Moves the first `by` elements behind all others.
    ///
    /// # Errors
    /// As [`sort`](VecView::sort); [`Error::BadArgument`] if `by` is above the length.
    pub fn rotate_left(&mut self, by: usize) -> Result<()> {
        let by = rotation(by, self.checked()?.len)?;
        self.rearrange(|all| all.rotate_left(by))
    }

    /// Moves the last `by` elements before all others.
    ///
    /// # Errors
    /// As [`rotate_left`](VecView::rotate_left).
    pub fn rotate_right(&mut self, by: usize) -> Result<()> {
        let by = rotation(by, self.checked()?.len)?;
        self.rearrange(|all| all.rotate_right(by))
    }

    /// Several elements at once, to be changed; each is logged first.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for an index that is not below the length or is there twice; [`Error::OutOfSpace`] if
    /// the log has no room.
    pub fn get_disjoint_mut<const N: usize>(&mut self, indices: [usize; N]) -> Result<[T::Mut<'_>; N]> {
        let (slots, cx) = (self.checked()?, self.cx());
        let mut lent = [const { None }; N];
        for (position, index) in indices.into_iter().enumerate() {
            below(index, slots.len)?;
            if indices[..position].contains(&index) {
                return Err(Error::BadArgument { what: "index", value: index as u64, rule: "which is there twice" });
            }
            // SAFETY: below the length, lent once, and `self` is borrowed for this alone.
            lent[position] = Some(unsafe { T::view_mut(slots.first.add(index), cx)? });
        }
        Ok(lent.map(|lent| lent.unwrap_or_else(|| unreachable!("each was just lent"))))
    }

    /// Whether the first elements equal these.
    pub fn starts_with<U>(&self, start: &[U]) -> bool
    where
        for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
    {
        self.len() >= start.len() && self.iter().zip(start).all(|(a, b)| a == b)
    }

    /// Whether the last elements equal these.
    pub fn ends_with<U>(&self, end: &[U]) -> bool
    where
        for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
    {
        self.len() >= end.len() && self.iter().rev().zip(end.iter().rev()).all(|(a, b)| a == b)
    }

    /// Whether an element equals the value.
    pub fn contains<Q: ?Sized>(&self, value: &Q) -> bool
    where
        for<'a, 'b> T::Ref<'a>: PartialEq<&'b Q>,
    {
        self.iter().any(|element| element == value)
    }

    /// Finds a value in a sorted vector: its index, or that where it could be inserted.
    pub fn binary_search<Q: ?Sized>(&self, value: &Q) -> Result<usize, usize>
    where
        T: Lookup<Q>,
    {
        let (slots, cx) = (self.slots(), self.cx());
        // SAFETY: below the length there are elements.
        search(slots.len, |index| unsafe { T::compare_with(slots.first.add(index), cx, value) })
    }

    /// As [`binary_search`](VecView::binary_search), by a comparison of the element with what is looked for.
    pub fn binary_search_by(&self, mut compare: impl FnMut(T::Ref<'_>) -> Ordering) -> Result<usize, usize> {
        let (slots, cx) = (self.slots(), self.cx());
        // SAFETY: below the length there are elements.
        search(slots.len, |index| unsafe { compare(T::view(slots.first.add(index), cx)) })
    }

    /// As [`binary_search`](VecView::binary_search), by a key.
    pub fn binary_search_by_key<K: Ord>(&self, key: &K, mut of: impl FnMut(T::Ref<'_>) -> K) -> Result<usize, usize> {
        self.binary_search_by(|element| of(element).cmp(key))
    }
    /// The index of the first element that `before` is false for, in a vector where it is true for all before that.
    pub fn partition_point(&self, mut before: impl FnMut(T::Ref<'_>) -> bool) -> usize {
        let order = |element: T::Ref<'_>| if before(element) { Ordering::Less } else { Ordering::Greater };
        self.binary_search_by(order).unwrap_or_else(|index| index)
    }
}
