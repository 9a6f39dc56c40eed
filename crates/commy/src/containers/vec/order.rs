//! Vectors: order and search.

use super::{VecView, keep_slots};
use crate::error::Result;
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
        partition(slots.len, |index| unsafe { T::compare_with(slots.first.add(index), cx, value) })
    }

    /// As [`binary_search`](VecView::binary_search), by a comparison of the element with what is looked for.
    pub fn binary_search_by(&self, mut compare: impl FnMut(T::Ref<'_>) -> Ordering) -> Result<usize, usize> {
        let (slots, cx) = (self.slots(), self.cx());
        // SAFETY: below the length there are elements.
        partition(slots.len, |index| unsafe { compare(T::view(slots.first.add(index), cx)) })
    }

    /// As [`binary_search`](VecView::binary_search), by a key.
    pub fn binary_search_by_key<K: Ord>(&self, key: &K, mut of: impl FnMut(T::Ref<'_>) -> K) -> Result<usize, usize> {
        self.binary_search_by(|element| of(element).cmp(key))
    }
}

/// Binary search over indices below `len`.
fn partition(len: usize, mut compare: impl FnMut(usize) -> Ordering) -> Result<usize, usize> {
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
