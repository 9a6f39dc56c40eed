//! Vectors: comparison with others and with those of std, and as keys.

use super::{VecHeader, VecView};
use crate::containers::sequence::equal;
use crate::schema::{Key, KeyHasher, Lookup, Share};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::fmt;

impl<T: Share> fmt::Debug for VecView<T>
where
    for<'a> T::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: Share, U: Share> PartialEq<VecView<U>> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<U::Ref<'b>>,
{
    fn eq(&self, other: &VecView<U>) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share> Eq for VecView<T> where for<'a, 'b> T::Ref<'a>: PartialEq<T::Ref<'b>> + Eq {}

impl<T: Share> PartialOrd for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<T::Ref<'b>>,
{
    fn partial_cmp(&self, other: &VecView<T>) -> Option<Ordering> {
        self.iter().partial_cmp(other)
    }
}

impl<T: Share> Ord for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<T::Ref<'b>> + Ord,
{
    fn cmp(&self, other: &VecView<T>) -> Ordering {
        self.iter().cmp(other)
    }
}

impl<T: Share, U: Share> PartialEq<[U]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &[U]) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share, U: Share> PartialEq<&[U]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &&[U]) -> bool {
        *self == **other
    }
}

impl<T: Share, U: Share, const N: usize> PartialEq<[U; N]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &[U; N]) -> bool {
        *self == other[..]
    }
}

impl<T: Share, U: Share> PartialEq<Vec<U>> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &Vec<U>) -> bool {
        *self == other[..]
    }
}

impl<T: Share, U: Share> PartialEq<VecView<T>> for Vec<U>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &VecView<T>) -> bool {
        *other == self[..]
    }
}

impl<T: Share, U: Share> PartialEq<VecView<T>> for [U]
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &VecView<T>) -> bool {
        *other == *self
    }
}

impl<T: Share, U: Share, const N: usize> PartialEq<VecView<T>> for [U; N]
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &VecView<T>) -> bool {
        *other == self[..]
    }
}

impl<T: Share, U: Share> PartialOrd<[U]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<&'b U>,
{
    fn partial_cmp(&self, other: &[U]) -> Option<Ordering> {
        self.iter().partial_cmp(other)
    }
}

impl<T: Share, U: Share> PartialOrd<Vec<U>> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<&'b U>,
{
    fn partial_cmp(&self, other: &Vec<U>) -> Option<Ordering> {
        self.partial_cmp(&other[..])
    }
}

impl<T: Share, U: Share> PartialOrd<VecView<T>> for Vec<U>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<&'b U>,
{
    fn partial_cmp(&self, other: &VecView<T>) -> Option<Ordering> {
        other.partial_cmp(self).map(Ordering::reverse)
    }
}

/// Bytes written go to the end, all or none.
impl std::io::Write for VecView<u8> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.extend_from_slice(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// By their elements, then their length, as std does.
impl<T: Key> Key for Vec<T> {
    unsafe fn hash(stored: *const VecHeader, cx: Cx, hasher: &mut KeyHasher) {
        // SAFETY: the caller's promise.
        let slots = unsafe { &*stored }.slots::<T::Stored>(cx);
        let (first, len) = slots.map_or((std::ptr::dangling_mut(), 0), |slots| (slots.first, slots.len));
        for index in 0..len {
            // SAFETY: below the length there are elements.
            unsafe { T::hash(first.add(index), cx, hasher) };
        }
        hasher.word(len as u64);
    }

    unsafe fn compare(a: *const VecHeader, b: *const VecHeader, cx: Cx) -> Ordering {
        // SAFETY: the caller's promise.
        let (a, b) = unsafe { ((*a).slots::<T::Stored>(cx), (*b).slots::<T::Stored>(cx)) };
        let (Some(a), Some(b)) = (a, b) else { return Ordering::Equal };
        for index in 0..a.len.min(b.len) {
            // SAFETY: below both lengths there are elements.
            let order = unsafe { T::compare(a.first.add(index), b.first.add(index), cx) };
            if order != Ordering::Equal {
                return order;
            }
        }
        a.len.cmp(&b.len)
    }
}

impl<T: Lookup<T>> Lookup<[T]> for Vec<T> {
    fn hash_of(query: &[T], hasher: &mut KeyHasher) {
        query.iter().for_each(|element| T::hash_of(element, hasher));
        hasher.word(query.len() as u64);
    }

    unsafe fn compare_with(stored: *const VecHeader, cx: Cx, query: &[T]) -> Ordering {
        // SAFETY: the caller's promise.
        let slots = unsafe { &*stored }.slots::<T::Stored>(cx);
        let (first, len) = slots.map_or((std::ptr::dangling_mut(), 0), |slots| (slots.first, slots.len));
        for (index, element) in query.iter().enumerate().take(len) {
            // SAFETY: below the length there are elements.
            let order = unsafe { T::compare_with(first.add(index), cx, element) };
            if order != Ordering::Equal {
                return order;
            }
        }
        len.cmp(&query.len())
    }
}

impl<T: Lookup<T>> Lookup<Vec<T>> for Vec<T> {
    fn hash_of(query: &Vec<T>, hasher: &mut KeyHasher) {
        <Vec<T> as Lookup<[T]>>::hash_of(query, hasher);
    }

    unsafe fn compare_with(stored: *const VecHeader, cx: Cx, query: &Vec<T>) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { <Vec<T> as Lookup<[T]>>::compare_with(stored, cx, query) }
    }
}
