//! One-operation forms of vectors and deques.

use super::{Outcome, is_small};
use crate::containers::Left;
use crate::error::Result;
use crate::os::Known;
use crate::schema::Share;
use crate::shared::Shared;
use crate::shared::known::Begin;
use crate::tx::Worker;
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

    /// What `look` gives for the element at an index, which it is lent in place, under the read lock: nothing is copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let names: commy::Shared<Vec<String>> = segment.open_or_create("names")?;
    /// names.extend(["Ada Lovelace".to_string()])?;
    /// assert_eq!(names.view(0, |name| name.starts_with("Ada"))?, Some(true));
    /// assert_eq!(names.view(1, |name| name.len())?, None);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read). `look` gets one if it changes this very vector.
    #[inline]
    pub fn view<R>(&self, index: usize, look: impl FnOnce(T::Ref<'_>) -> R) -> Result<Option<R>> {
        Ok(self.read()?.get(index).map(look))
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
        if !is_small::<T>() {
            return self.change(|view| view.push(element));
        }
        match self.push_by_heart(element) {
            Ok(()) => Ok(()),
            Err(element) => self.push_anew(element),
        }
    }

    /// The same by what the thread remembers of the vector; gives back the element if it cannot be done so.
    #[inline(always)]
    fn push_by_heart(&self, element: T) -> Outcome<(), T> {
        // SAFETY: what it hands out was learnt of this vector, which is locked then.
        let push = |known: &Known, (), begin: Begin<'_>, _: &Worker, element| unsafe {
            begin.now();
            self.in_place(known).push_by_heart(known, element)
        };
        self.change_by_heart(T::QUIET, element, |_, _| (), push, |element| element)
    }

    /// The same for a thread that does not remember the block, or has more to do.
    #[cold]
    #[inline(never)]
    fn push_anew(&self, mut element: T) -> Result<()> {
        if self.keeps_changes() {
            return self.change(|view| view.push(element));
        }
        if self.learn_favoured(|view, known| view.learn(known)) {
            match self.push_by_heart(element) {
                Ok(()) => return Ok(()),
                Err(back) => element = back,
            }
        }
        self.change_at_once(element, |view, element| view.push_at_once(element), |view, element| view.push(element))
    }

    /// Takes the last element out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn pop(&self) -> Result<Option<T>> {
        if !is_small::<T>() {
            return self.change(|view| view.pop());
        }
        match self.pop_by_heart() {
            Ok(element) => Ok(Some(element)),
            Err(()) => self.pop_anew(),
        }
    }

    /// The same by what the thread remembers of the vector.
    #[inline(always)]
    fn pop_by_heart(&self) -> Outcome<T, ()> {
        // SAFETY: as in `push_by_heart`.
        let pop = |known: &Known, (), begin: Begin<'_>, _: &Worker, ()| unsafe {
            begin.now();
            self.in_place(known).pop_by_heart(known).ok_or(())
        };
        self.change_by_heart(T::QUIET, (), |_, ()| (), pop, |()| ())
    }

    /// The same for a thread that does not remember the block, or has more to do.
    #[cold]
    #[inline(never)]
    fn pop_anew(&self) -> Result<Option<T>> {
        if self.keeps_changes() {
            return self.change(|view| view.pop());
        }
        if self.learn_favoured(|view, known| view.learn(known))
            && let Ok(element) = self.pop_by_heart()
        {
            return Ok(Some(element));
        }
        self.change_at_once((), |view, ()| view.pop_at_once().map(Some).ok_or(()), |view, ()| view.pop())
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

    /// What `look` gives for the element at an index, which it is lent in place, under the read lock: nothing is copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let names: commy::Shared<std::collections::VecDeque<String>> = segment.open_or_create("names")?;
    /// names.extend(["Ada Lovelace".to_string()])?;
    /// assert_eq!(names.view(0, |name| name.starts_with("Ada"))?, Some(true));
    /// assert_eq!(names.view(1, |name| name.len())?, None);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read). `look` gets one if it changes this very deque.
    #[inline]
    pub fn view<R>(&self, index: usize, look: impl FnOnce(T::Ref<'_>) -> R) -> Result<Option<R>> {
        Ok(self.read()?.get(index).map(look))
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
        self.put::<false>(element)
    }

    /// Puts an element at the front.
    ///
    /// # Errors
    /// As [`push_back`](Shared::push_back).
    #[inline]
    pub fn push_front(&self, element: T) -> Result<()> {
        self.put::<true>(element)
    }

    /// Takes the element at the back out. See [`pop_back_wait`](Shared::pop_back_wait) for waiting for one.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn pop_back(&self) -> Result<Option<T>> {
        self.take::<false>()
    }

    /// Takes the element at the front out. See [`pop_front_wait`](Shared::pop_front_wait) for waiting for one.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn pop_front(&self) -> Result<Option<T>> {
        self.take::<true>()
    }

    /// Puts an element in.
    #[inline(always)]
    fn put<const FRONT: bool>(&self, element: T) -> Result<()> {
        if !is_small::<T>() {
            return self.change(|view| view.push::<FRONT>(element));
        }
        match self.put_by_heart::<FRONT>(element) {
            Ok(()) => Ok(()),
            Err(element) => self.put_anew::<FRONT>(element),
        }
    }

    /// The same by what the thread remembers of the deque; gives back the element if it cannot be done so.
    #[inline(always)]
    fn put_by_heart<const FRONT: bool>(&self, element: T) -> Outcome<(), T> {
        // SAFETY: what it hands out was learnt of this deque, which is locked then.
        let push = |known: &Known, (), begin: Begin<'_>, _: &Worker, element| unsafe {
            begin.now();
            self.in_place(known).push_by_heart::<FRONT>(known, element)
        };
        self.change_by_heart(T::QUIET, element, |_, _| (), push, |element| element)
    }

    /// The same for a thread that does not remember the ring, or has more to do.
    #[cold]
    #[inline(never)]
    fn put_anew<const FRONT: bool>(&self, mut element: T) -> Result<()> {
        if self.keeps_changes() {
            return self.change(|view| view.push::<FRONT>(element));
        }
        if self.learn_favoured(|view, known| view.learn(known)) {
            match self.put_by_heart::<FRONT>(element) {
                Ok(()) => return Ok(()),
                Err(back) => element = back,
            }
        }
        self.change_at_once(
            element,
            |view, element| view.push_at_once::<FRONT>(element),
            |view, element| view.push::<FRONT>(element),
        )
    }

    /// Takes an element out.
    #[inline(always)]
    fn take<const FRONT: bool>(&self) -> Result<Option<T>> {
        if is_small::<T>() {
            match self.take_by_heart::<FRONT>() {
                Ok(element) => return Ok(Some(element)),
                Err(Left::None) => return Ok(None),
                Err(Left::Some) => {}
            }
        }
        self.take_anew::<FRONT>()
    }

    /// The same by what the thread remembers of the deque.
    #[inline(always)]
    fn take_by_heart<const FRONT: bool>(&self) -> Outcome<T, Left> {
        // SAFETY: as in `put_by_heart`.
        let pop = |known: &Known, (), begin: Begin<'_>, _: &Worker, ()| unsafe {
            begin.now();
            self.in_place(known).pop_by_heart::<FRONT>(known)
        };
        self.change_by_heart(T::QUIET, (), |_, ()| (), pop, |()| Left::Some)
    }

    /// The same for a thread that does not remember the ring, or has more to do. Who asks again and again whether there
    /// is an element keeps nobody off.
    #[cold]
    #[inline(never)]
    fn take_anew<const FRONT: bool>(&self) -> Result<Option<T>> {
        // Who may only read gets the error, whatever there is.
        let is_empty = || !self.segment.is_read_only() && self.is_empty().is_ok_and(|empty| empty);
        if !is_small::<T>() || self.keeps_changes() {
            return if is_empty() { Ok(None) } else { self.change(|view| view.pop::<FRONT>()) };
        }
        if self.learn_favoured(|view, known| view.learn(known)) {
            match self.take_by_heart::<FRONT>() {
                Ok(element) => return Ok(Some(element)),
                Err(Left::None) => return Ok(None),
                Err(Left::Some) => {}
            }
        }
        if is_empty() {
            return Ok(None);
        }
        self.change_at_once(
            (),
            |view, ()| view.pop_at_once::<FRONT>().map(Some),
            |view, left| if left == Left::None { Ok(None) } else { view.pop::<FRONT>() },
        )
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
