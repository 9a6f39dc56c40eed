//! `SharedVec`.

use super::FreeListAllocator;
use super::common::{collection, common, counted};
use super::handle::{Handle, must};
use super::home::Kind;
use crate::containers::Elements;
use crate::error::Result;
use crate::schema::{Guarded, Lookup, Plain, Registry, Share};
use crate::shared::{ReadGuard, Shared, WriteGuard};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::ops::{Deref, DerefMut, Index, IndexMut, RangeBounds};
use std::slice::SliceIndex;
use std::time::Duration;

/// A vector that processes share: a handle of a [`Shared<Vec<T>>`](Shared).
///
/// Methods that change it lock it and commit by themselves, those that read something locate and copy it in one moment; those
/// that lend references have to keep to [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file).
/// Capacities are 0, 1, 2, 3, 5, 8, ..: half as much again each time.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedVec;
/// let mut numbers: SharedVec<i32> = SharedVec::new_in(&allocator);
/// numbers.push(1)?;
/// numbers.push(2)?;
/// numbers[0] += 10;
/// assert_eq!(numbers, [11, 2]);
/// assert_eq!(numbers.iter().sum::<i32>(), 13);
/// assert_eq!(numbers.pop(), Some(2));
/// # Ok::<(), commy::Error>(())
/// ```
pub struct SharedVec<T: Share> {
    pub(super) handle: Handle<Vec<T>>,
}

common!(SharedVec [T: Share] [T] of Vec<T>);
counted!(SharedVec [T: Share] [T] as Kind::Vec);
collection!(SharedVec [T: Share] [T] of Vec<T>, from T);

impl<T: Share> SharedVec<T> {
    /// How many elements there is room for.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn capacity(&self) -> usize {
        must(self.handle.shared().peek(|view| Ok(view.capacity())))
    }

    /// The element at an index, lent.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T::Ref<'_>> {
        self.lend().get(index)
    }

    /// A copy of the element at an index.
    ///
    /// # Errors
    /// As [`Shared::read`].
    #[inline]
    pub fn load_at(&self, index: usize) -> Result<Option<T>> {
        self.handle.get()?.get(index)
    }

    /// The first element, lent.
    pub fn first(&self) -> Option<T::Ref<'_>> {
        self.lend().first()
    }

    /// The last element, lent.
    pub fn last(&self) -> Option<T::Ref<'_>> {
        self.lend().last()
    }

    /// The elements in order, lent.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T> {
        self.lend().iter()
    }

    /// A copy of all elements.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn to_vec(&self) -> Vec<T> {
        must(self.load())
    }

    /// Whether there is an element that equals `value`.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn contains<Q: ?Sized>(&self, value: &Q) -> bool
    where
        for<'a, 'b> T::Ref<'a>: PartialEq<&'b Q>,
    {
        must(self.read()).contains(value)
    }

    /// Where an element is that equals `value`, in a vector that is in order, or where it would have to be.
    ///
    /// # Errors
    /// The place, as the slice's method has it.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn binary_search<Q: ?Sized>(&self, value: &Q) -> Result<usize, usize>
    where
        T: Lookup<Q>,
    {
        must(self.read()).binary_search(value)
    }

    /// Adds an element at the end. For who ignores the result the vector may be unchanged.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then, and `resize_file` helps.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<()> {
        self.handle.get()?.push(value)
    }

    /// Takes the last element out.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[inline]
    #[track_caller]
    pub fn pop(&mut self) -> Option<T> {
        must(self.handle.shared().pop())
    }

    /// Replaces an element under the lock. Gives whether there was one.
    ///
    /// # Errors
    /// As [`push`](SharedVec::push).
    pub fn set(&mut self, index: usize, value: T) -> Result<bool> {
        self.handle.get()?.set(index, value)
    }

    /// Puts an element in before the one at an index, or at the end.
    ///
    /// # Panics
    /// If the index is above the length, or when [`try_insert`](SharedVec::try_insert) gives an error.
    #[track_caller]
    pub fn insert(&mut self, index: usize, value: T) {
        must(self.try_insert(index, value));
    }

    /// As [`insert`](SharedVec::insert).
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); [`Error::BadArgument`](crate::Error::BadArgument) for an index above the length.
    pub fn try_insert(&mut self, index: usize, value: T) -> Result<()> {
        self.handle.get()?.change(|view| view.insert(index, value))
    }

    /// Takes the element at an index out; those behind it move up.
    ///
    /// # Panics
    /// If there is none, and as [`len`](SharedVec::len).
    #[track_caller]
    pub fn remove(&mut self, index: usize) -> T {
        let removed = must(self.handle.shared().change(|view| view.remove(index)));
        removed.unwrap_or_else(|| panic!("there is no element {index}"))
    }

    /// Takes the element at an index out; the last one comes to its place.
    ///
    /// # Panics
    /// As [`remove`](SharedVec::remove).
    #[track_caller]
    pub fn swap_remove(&mut self, index: usize) -> T {
        let removed = must(self.handle.shared().change(|view| view.swap_remove(index)));
        removed.unwrap_or_else(|| panic!("there is no element {index}"))
    }

    /// Exchanges two elements.
    ///
    /// # Panics
    /// If there are none of these, and as [`len`](SharedVec::len).
    #[track_caller]
    pub fn swap(&mut self, a: usize, b: usize) {
        must(self.handle.shared().change(|view| view.swap(a, b)));
    }

    /// Removes the elements from `len` on.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn truncate(&mut self, len: usize) {
        must(self.handle.shared().change(|view| view.truncate(len)));
    }

    /// Adds clones of these elements at the end.
    ///
    /// # Errors
    /// As [`push`](SharedVec::push).
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<()>
    where
        T: Clone,
    {
        self.handle.get()?.change(|view| view.extend_from_slice(values))
    }

    /// Makes the vector that long, with clones of `value`.
    ///
    /// # Errors
    /// As [`push`](SharedVec::push).
    pub fn resize(&mut self, len: usize, value: T) -> Result<()>
    where
        T: Clone,
    {
        self.handle.get()?.change(|view| view.resize(len, value))
    }

    /// Takes the elements of a range out.
    ///
    /// # Panics
    /// If the range is not within the length, and as [`len`](SharedVec::len).
    #[track_caller]
    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> std::vec::IntoIter<T> {
        must(self.handle.shared().change(|view| view.drain(range))).into_iter()
    }

    /// Takes the elements from an index on out.
    ///
    /// # Panics
    /// If the index is above the length, and as [`len`](SharedVec::len).
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> Vec<T> {
        must(self.handle.shared().change(|view| view.split_off(at)))
    }

    /// Takes all elements of another vector over.
    ///
    /// # Errors
    /// As [`push`](SharedVec::push).
    pub fn append(&mut self, other: &mut Vec<T>) -> Result<()>
    where
        T: Clone,
    {
        self.extend_from_slice(other)?;
        other.clear();
        Ok(())
    }

    /// Keeps the elements for which `wanted` says so.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn retain(&mut self, wanted: impl FnMut(T::Ref<'_>) -> bool) {
        must(self.handle.shared().change(|view| view.retain(wanted)));
    }

    /// Removes elements that equal the one before them.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn dedup(&mut self)
    where
        for<'a> T::Ref<'a>: PartialEq,
    {
        must(self.handle.shared().change(|view| view.dedup()));
    }

    /// Sorts the elements.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn sort(&mut self)
    where
        for<'a> T::Ref<'a>: Ord,
    {
        must(self.handle.shared().change(|view| view.sort()));
    }

    /// Sorts the elements by this order.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn sort_by(&mut self, compare: impl for<'a> FnMut(T::Ref<'a>, T::Ref<'a>) -> Ordering) {
        must(self.handle.shared().change(|view| view.sort_by(compare)));
    }

    /// Sorts the elements by what is made of them.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(T::Ref<'_>) -> K) {
        must(self.handle.shared().change(|view| view.sort_by_key(key)));
    }

    /// Turns the order of the elements round.
    ///
    /// # Panics
    /// As [`len`](SharedVec::len).
    #[track_caller]
    pub fn reverse(&mut self) {
        must(self.handle.shared().change(|view| view.reverse()));
    }

    /// Makes room for so many more elements.
    ///
    /// # Errors
    /// As [`push`](SharedVec::push).
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.handle.get()?.change(|view| view.reserve(additional))
    }

    /// Gives back the room that the elements do not need.
    ///
    /// # Errors
    /// As [`push`](SharedVec::push).
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.handle.get()?.change(|view| view.shrink_to_fit())
    }
}

impl<T: Plain> SharedVec<T> {
    /// The elements, lent.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        self.lend().as_slice()
    }

    /// The elements, lent for assigning to them. Each word that is assigned has happened; nothing is undone by a death.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let (first, len) = (self.as_slice().as_ptr(), self.as_slice().len());
        let first = self.handle.shared().expose(first);
        // SAFETY: `len` elements, by what was promised for as long as they are lent.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }

    /// The element at an index, lent for assigning to it.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.as_mut_slice().get_mut(index)
    }

    /// The elements in order, lent for assigning to them.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.as_mut_slice().iter_mut()
    }
}

impl<T: Plain> Deref for SharedVec<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Plain> DerefMut for SharedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: Plain, I: SliceIndex<[T]>> Index<I> for SharedVec<T> {
    type Output = I::Output;
    #[inline]
    fn index(&self, index: I) -> &I::Output {
        &self.as_slice()[index]
    }
}

impl<T: Plain, I: SliceIndex<[T]>> IndexMut<I> for SharedVec<T> {
    #[inline]
    fn index_mut(&mut self, index: I) -> &mut I::Output {
        &mut self.as_mut_slice()[index]
    }
}

impl<'a, T: Share> IntoIterator for &'a SharedVec<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}

impl<'a, T: Plain> IntoIterator for &'a mut SharedVec<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;
    fn into_iter(self) -> std::slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

/// Panics when the file is full; [`try_extend`](SharedVec::try_extend) gives the error.
impl<'a, T: Plain> Extend<&'a T> for SharedVec<T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, values: I) {
        must(self.try_extend(values.into_iter().copied()));
    }
}
