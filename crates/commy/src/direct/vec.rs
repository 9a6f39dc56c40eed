//! `SharedVec`.

use super::container::Container;
use super::handle::must;
use crate::containers::vec::VecView;
use crate::error::Result;
use crate::schema::{Lookup, Plain, Share};
use std::cmp::Ordering;
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::slice::SliceIndex;

/// A vector that processes share: a handle of a [`Shared<Vec<T>>`](crate::Shared).
///
/// Methods that change it lock it and commit by themselves, those that read something locate and copy it in one moment; those
/// that lend references have to keep to [what is promised](crate::FreeListAllocator#what-is-promised-by-mapping-the-file).
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
pub type SharedVec<T> = Container<Vec<T>>;

/// So that one is compared with another.
impl<T: Share, U: Share> PartialEq<SharedVec<U>> for VecView<T>
where
    VecView<T>: PartialEq<VecView<U>>,
{
    #[track_caller]
    fn eq(&self, other: &SharedVec<U>) -> bool {
        *self == *must(other.read())
    }
}

impl<T: Share> SharedVec<T> {
    /// The first element, lent.
    pub fn first(&self) -> Option<T::Ref<'_>> {
        self.lend().first()
    }

    /// The last element, lent.
    pub fn last(&self) -> Option<T::Ref<'_>> {
        self.lend().last()
    }

    /// A copy of all elements.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn to_vec(&self) -> Vec<T> {
        must(self.load())
    }

    /// Where an element is that equals `value`, in a vector that is in order, or where it would have to be.
    ///
    /// # Errors
    /// The place, as the slice's method has it.
    ///
    /// # Panics
    /// As [`len`](Self::len).
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
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn pop(&mut self) -> Option<T> {
        must(self.handle.shared().pop())
    }

    /// Replaces an element under the lock. Gives whether there was one.
    ///
    /// # Errors
    /// As `push`.
    pub fn set(&mut self, index: usize, value: T) -> Result<bool> {
        self.handle.get()?.set(index, value)
    }

    /// Puts an element in before the one at an index, or at the end.
    ///
    /// # Panics
    /// If the index is above the length, or when `try_insert` gives an error.
    #[track_caller]
    pub fn insert(&mut self, index: usize, value: T) {
        must(self.try_insert(index, value));
    }

    /// As `insert`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); [`Error::BadArgument`](crate::Error::BadArgument) for an index above the length.
    pub fn try_insert(&mut self, index: usize, value: T) -> Result<()> {
        self.change(|view| view.insert(index, value))
    }

    /// Takes the element at an index out; those behind it move up.
    ///
    /// # Panics
    /// If there is none, and as [`len`](Self::len).
    #[track_caller]
    pub fn remove(&mut self, index: usize) -> T {
        let removed = must(self.change(|view| view.remove(index)));
        removed.unwrap_or_else(|| panic!("there is no element {index}"))
    }

    /// Takes the element at an index out; the last one comes to its place.
    ///
    /// # Panics
    /// As `remove`.
    #[track_caller]
    pub fn swap_remove(&mut self, index: usize) -> T {
        let removed = must(self.change(|view| view.swap_remove(index)));
        removed.unwrap_or_else(|| panic!("there is no element {index}"))
    }

    /// Adds clones of these elements at the end.
    ///
    /// # Errors
    /// As `push`.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<()>
    where
        T: Clone,
    {
        self.change(|view| view.extend_from_slice(values))
    }

    /// Makes the vector that long, with clones of `value`.
    ///
    /// # Errors
    /// As `push`.
    pub fn resize(&mut self, len: usize, value: T) -> Result<()>
    where
        T: Clone,
    {
        self.change(|view| view.resize(len, value))
    }

    /// Takes the elements from an index on out.
    ///
    /// # Panics
    /// If the index is above the length, and as [`len`](Self::len).
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> Vec<T> {
        must(self.change(|view| view.split_off(at)))
    }

    /// Takes all elements of another vector over.
    ///
    /// # Errors
    /// As `push`.
    pub fn append(&mut self, other: &mut Vec<T>) -> Result<()>
    where
        T: Clone,
    {
        self.extend_from_slice(other)?;
        other.clear();
        Ok(())
    }

    /// Removes elements that equal the one before them.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn dedup(&mut self)
    where
        for<'a> T::Ref<'a>: PartialEq,
    {
        must(self.change(|view| view.dedup()));
    }

    /// Sorts the elements.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn sort(&mut self)
    where
        for<'a> T::Ref<'a>: Ord,
    {
        must(self.change(|view| view.sort()));
    }

    /// Sorts the elements by this order.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn sort_by(&mut self, compare: impl for<'a> FnMut(T::Ref<'a>, T::Ref<'a>) -> Ordering) {
        must(self.change(|view| view.sort_by(compare)));
    }

    /// Sorts the elements by what is made of them.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(T::Ref<'_>) -> K) {
        must(self.change(|view| view.sort_by_key(key)));
    }

    /// Turns the order of the elements round.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn reverse(&mut self) {
        must(self.change(|view| view.reverse()));
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

impl<'a, T: Plain> IntoIterator for &'a mut SharedVec<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;
    fn into_iter(self) -> std::slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

/// Panics when the file is full; [`try_extend`](Container::try_extend) gives the error.
impl<'a, T: Plain> Extend<&'a T> for SharedVec<T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, values: I) {
        must(self.try_extend(values.into_iter().copied()));
    }
}

/// Panics when the file is full; [`try_extend`](Container::try_extend) gives the error.
impl<T: Share> Extend<T> for SharedVec<T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        must(self.try_extend(items));
    }
}
