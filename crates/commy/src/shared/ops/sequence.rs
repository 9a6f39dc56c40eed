//! One-operation forms of vectors and deques.

use super::is_small;
use crate::containers::DequeView;
use crate::error::Result;
use crate::schema::Share;
use crate::shared::Shared;
use std::collections::VecDeque;

impl<T: Share> Shared<Vec<T>> {
    /// How many elements there are.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.peek(move |view| view.len())
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A copy of the element at an index.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        self.copy_of(move |view| view.place_at(index), move |view| view.place_at(index))
    }

    /// Copies of up to `many` elements from an index on, of one moment: a page of a longer walk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let list: commy::Shared<Vec<u32>> = segment.open_or_create("list")?;
    /// list.extend(0..5)?;
    /// assert_eq!(list.scan(3, 100)?, [3, 4]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn scan(&self, from: usize, many: usize) -> Result<Vec<T>> {
        self.survey(|view| view.load_from(from, many))
    }

    /// A copy of the first element.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn first(&self) -> Result<Option<T>> {
        self.get(0)
    }

    /// A copy of the last element.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn last(&self) -> Result<Option<T>> {
        self.copy_of(move |view| view.place_of_last(), move |view| view.place_of_last())
    }

    /// Puts an element at the end.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn push(&self, element: T) -> Result<()> {
        if is_small::<T>() && !self.keeps_changes() {
            return self.change_at_once(
                element,
                |view, element| view.push_at_once(element),
                |view, element| view.push(element),
            );
        }
        self.change(|view| view.push(element))
    }

    /// Takes the last element out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn pop(&self) -> Result<Option<T>> {
        if is_small::<T>() && !self.keeps_changes() {
            return self.change_at_once((), |view, ()| view.pop_at_once().map(Some).ok_or(()), |view, ()| view.pop());
        }
        self.change(|view| view.pop())
    }

    /// Replaces the element at an index. Gives `false`, and changes nothing, if there is none.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn set(&self, index: usize, element: T) -> Result<bool> {
        self.change(|view| if index < view.len() { view.set(index, element).map(|_| true) } else { Ok(false) })
    }

    /// Puts all these elements at the end, or on an error none of them.
    ///
    /// # Errors
    /// As [`push`](Shared::push).
    pub fn extend(&self, elements: impl IntoIterator<Item = T>) -> Result<()> {
        self.change(|view| view.extend(elements))
    }

    /// Removes all elements.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|view| view.clear())
    }
}

impl<T: Share> Shared<VecDeque<T>> {
    /// How many elements there are.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn len(&self) -> Result<usize> {
        self.peek(move |view| view.len())
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A copy of the element at an index, counted from the front.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        self.copy_of(move |view| view.place_at(index), move |view| view.place_at(index))
    }

    /// Copies of up to `many` elements from an index on, of one moment: a page of a longer walk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let list: commy::Shared<std::collections::VecDeque<u32>> = segment.open_or_create("list")?;
    /// list.extend(0..5)?;
    /// assert_eq!(list.scan(3, 100)?, [3, 4]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn scan(&self, from: usize, many: usize) -> Result<Vec<T>> {
        self.survey(|view| view.load_from(from, many))
    }

    /// A copy of the element at the front.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn front(&self) -> Result<Option<T>> {
        self.get(0)
    }

    /// A copy of the element at the back.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn back(&self) -> Result<Option<T>> {
        self.copy_of(move |view| view.place_of_last(), move |view| view.place_of_last())
    }

    /// Puts an element at the back.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn push_back(&self, element: T) -> Result<()> {
        if is_small::<T>() && !self.keeps_changes() {
            return self.change_at_once(
                element,
                |view, element| view.push_at_once(element, false),
                |view, element| view.push_back(element),
            );
        }
        self.change(|view| view.push_back(element))
    }

    /// Puts an element at the front.
    ///
    /// # Errors
    /// As [`push_back`](Shared::push_back).
    #[inline]
    pub fn push_front(&self, element: T) -> Result<()> {
        if is_small::<T>() && !self.keeps_changes() {
            return self.change_at_once(
                element,
                |view, element| view.push_at_once(element, true),
                |view, element| view.push_front(element),
            );
        }
        self.change(|view| view.push_front(element))
    }

    /// Takes the element at the back out. See [`pop_back_wait`](Shared::pop_back_wait) for waiting for one.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn pop_back(&self) -> Result<Option<T>> {
        self.take(|view| view.pop_at_once(false), |view| view.pop_back())
    }

    /// Takes the element at the front out. See [`pop_front_wait`](Shared::pop_front_wait) for waiting for one.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn pop_front(&self) -> Result<Option<T>> {
        self.take(|view| view.pop_at_once(true), |view| view.pop_front())
    }

    /// Takes an element out: `at_once`, or as `otherwise` does. Who asks again and again whether there is one keeps nobody
    /// off.
    #[inline(always)]
    fn take(
        &self,
        at_once: impl FnOnce(&DequeView<T>) -> Option<T>,
        otherwise: impl FnOnce(&mut DequeView<T>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let nothing = || self.is_empty().is_ok_and(|empty| empty).then_some(None);
        if is_small::<T>() && !self.keeps_changes() {
            return self.change_briefly(
                (),
                |_, ()| nothing(),
                |view, _, ()| at_once(view).map(Some).ok_or(()),
                |view, ()| otherwise(view),
            );
        }
        match nothing() {
            Some(nothing) => Ok(nothing),
            None => self.change(otherwise),
        }
    }

    /// Puts all these elements at the back, or on an error none of them.
    ///
    /// # Errors
    /// As [`push_back`](Shared::push_back).
    pub fn extend(&self, elements: impl IntoIterator<Item = T>) -> Result<()> {
        self.change(|view| view.extend(elements))
    }

    /// Removes all elements.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|view| view.clear())
    }
}
