//! `SharedVecDeque`.

use super::container::Container;
use super::handle::must;
use crate::containers::deque::DequeView;
use crate::error::Result;
use crate::schema::{Plain, Share};
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::Duration;

/// A queue with two ends that processes share: a handle of a [`Shared<VecDeque<T>>`](crate::Shared).
///
/// Methods that change it lock it and commit by themselves, so that each element is given to one of those who take; those
/// that lend references have to keep to [what is promised](crate::FreeListAllocator#what-is-promised-by-mapping-the-file).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::{Share, SharedVecDeque};
/// #[derive(Share)]
/// struct Task {
///     id: u32,
///     work: String,
/// }
/// let mut queue: SharedVecDeque<Task> = SharedVecDeque::new_in(&allocator);
/// queue.push_back(Task { id: 1, work: "resize".into() });
/// while let Some(task) = queue.pop_front() {
///     println!("{}: {}", task.id, task.work);
/// }
/// # Ok::<(), commy::Error>(())
/// ```
pub type SharedVecDeque<T> = Container<VecDeque<T>>;

/// So that one is compared with another.
impl<T: Share, U: Share> PartialEq<SharedVecDeque<U>> for DequeView<T>
where
    DequeView<T>: PartialEq<DequeView<U>>,
{
    #[track_caller]
    fn eq(&self, other: &SharedVecDeque<U>) -> bool {
        *self == *must(other.read())
    }
}

impl<T: Share> SharedVecDeque<T> {
    /// The element at the front, lent.
    #[inline]
    pub fn front(&self) -> Option<T::Ref<'_>> {
        self.lend().front()
    }

    /// The element at the back, lent.
    #[inline]
    pub fn back(&self) -> Option<T::Ref<'_>> {
        self.lend().back()
    }

    /// Adds an element at the back.
    ///
    /// # Panics
    /// When [`try_push_back`](Self::try_push_back) gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn push_back(&mut self, value: T) {
        must(self.try_push_back(value));
    }

    /// As [`push_back`](Self::push_back).
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn try_push_back(&mut self, value: T) -> Result<()> {
        self.handle.get()?.push_back(value)
    }

    /// Adds an element at the front.
    ///
    /// # Panics
    /// When [`try_push_front`](Self::try_push_front) gives an error: if the file is full.
    #[inline]
    #[track_caller]
    pub fn push_front(&mut self, value: T) {
        must(self.try_push_front(value));
    }

    /// As [`push_front`](Self::push_front).
    ///
    /// # Errors
    /// As [`try_push_back`](Self::try_push_back).
    #[inline]
    pub fn try_push_front(&mut self, value: T) -> Result<()> {
        self.handle.get()?.push_front(value)
    }

    /// Takes the element at the front out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn pop_front(&mut self) -> Option<T> {
        must(self.handle.shared().pop_front())
    }

    /// Takes the element at the back out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[inline]
    #[track_caller]
    pub fn pop_back(&mut self) -> Option<T> {
        must(self.handle.shared().pop_back())
    }

    /// Takes the element at the front out, waiting for one for at most `timeout`.
    ///
    /// # Errors
    /// As [`Shared::pop_front_wait`](crate::Shared::pop_front_wait).
    pub fn pop_front_wait(&mut self, timeout: Duration) -> Result<Option<T>> {
        self.handle.get()?.pop_front_wait(timeout)
    }

    /// Takes the element at the back out, waiting for one for at most `timeout`.
    ///
    /// # Errors
    /// As [`Shared::pop_front_wait`](crate::Shared::pop_front_wait).
    pub fn pop_back_wait(&mut self, timeout: Duration) -> Result<Option<T>> {
        self.handle.get()?.pop_back_wait(timeout)
    }

    /// Puts an element in before the one at an index, or at the back.
    ///
    /// # Panics
    /// If the index is above the length, or the file is full.
    #[track_caller]
    pub fn insert(&mut self, index: usize, value: T) {
        must(self.change(|view| view.insert(index, value)));
    }

    /// Takes the element at an index out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn remove(&mut self, index: usize) -> Option<T> {
        must(self.change(|view| view.remove(index)))
    }

    /// Replaces an element under the lock.
    ///
    /// # Errors
    /// As [`try_push_back`](Self::try_push_back); [`Error::BadArgument`](crate::Error::BadArgument) for an index that is not below the length.
    pub fn set(&mut self, index: usize, value: T) -> Result<()> {
        self.change(|view| view.set(index, value))
    }

    /// Brings the element at an index to the front; those before it come to the back.
    ///
    /// # Panics
    /// If the index is above the length, and as [`len`](Self::len).
    #[track_caller]
    pub fn rotate_left(&mut self, by: usize) {
        must(self.change(|view| view.rotate_left(by)));
    }

    /// The other way round.
    ///
    /// # Panics
    /// As [`rotate_left`](Self::rotate_left).
    #[track_caller]
    pub fn rotate_right(&mut self, by: usize) {
        must(self.change(|view| view.rotate_right(by)));
    }
}

impl<T: Plain> SharedVecDeque<T> {
    /// The element at an index, lent for assigning to it.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let found = self.get(index).map(std::ptr::from_ref);
        // SAFETY: by what was promised for as long as it is lent.
        unsafe { self.handle.lend_mut(found) }
    }

    /// The element at the front, lent for assigning to it.
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.get_mut(0)
    }

    /// The element at the back, lent for assigning to it.
    pub fn back_mut(&mut self) -> Option<&mut T> {
        self.get_mut(self.lend().len().checked_sub(1)?)
    }

    /// The elements from front to back, lent for assigning to them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (head, tail) = self.lend().as_slices();
        let (head, tail) = ((head.as_ptr(), head.len()), (tail.as_ptr(), tail.len()));
        let shared = self.handle.shared();
        let head = (shared.expose(head.0), head.1);
        let tail = (shared.writable(tail.0), tail.1);
        // SAFETY: two parts of the ring that are apart; as in `get_mut`.
        let [head, tail] = [head, tail].map(|(first, len)| unsafe { std::slice::from_raw_parts_mut(first, len) });
        head.iter_mut().chain(tail)
    }
}

impl<T: Plain> Index<usize> for SharedVecDeque<T> {
    type Output = T;
    #[track_caller]
    fn index(&self, index: usize) -> &T {
        self.get(index).unwrap_or_else(|| panic!("there is no element {index}"))
    }
}

impl<T: Plain> IndexMut<usize> for SharedVecDeque<T> {
    #[track_caller]
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).unwrap_or_else(|| panic!("there is no element {index}"))
    }
}

/// Panics when the file is full; [`try_extend`](Container::try_extend) gives the error.
impl<T: Share> Extend<T> for SharedVecDeque<T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        must(self.try_extend(items));
    }
}
