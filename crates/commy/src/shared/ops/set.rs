//! One-operation forms of sets.

use super::is_small;
use crate::containers::{Copied, Kept, Sight};
use crate::error::Result;
use crate::schema::{Key, Lookup};
use crate::shared::Shared;
use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

impl<T: Key + Lookup<T> + Eq + Hash> Shared<HashSet<T>> {
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

    /// A page of a walk through all elements, as of a map's entries: at least `many`
    /// elements unless the end comes before, and the cursor of the next page. The walk begins with cursor 0.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn scan(&self, cursor: u64, many: usize) -> Result<(Vec<T>, Option<u64>)> {
        self.survey(|view| view.load_page(cursor, many))
    }

    /// Whether it has an element.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn contains<Q: ?Sized>(&self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        match self.recall(element) {
            Some(found) => Ok(found),
            None => self.contains_anew(element),
        }
    }

    /// The same by what the thread remembers of the set.
    #[inline(always)]
    fn recall<Q: ?Sized>(&self, element: &Q) -> Option<bool>
    where
        T: Lookup<Q>,
    {
        self.by_heart(|known| {
            // SAFETY: what threads remember of a set is what `learn` has stored.
            Some(unsafe { Sight::<T, (), _, _>::of(Copied::from(known), || self.reader()) }.has(element))
        })
    }

    /// The same for a thread that does not remember where it has to look.
    #[cold]
    #[inline(never)]
    fn contains_anew<Q: ?Sized>(&self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        if self.learn(|view, known| view.learn(known))
            && let Some(found) = self.recall(element)
        {
            return Ok(found);
        }
        self.peek(move |view| view.contains_unlocked(element))
    }

    /// Puts an element in. Gives whether it was not there.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn insert(&self, element: T) -> Result<bool> {
        if !is_small::<T>() || self.keeps_changes() {
            return self.change(|view| view.insert(element));
        }
        self.at_a_stroke(
            element,
            |view, element| view.foresee(element),
            |view, log, element| view.insert_at_once(log, element).map(|()| true),
            |view, element| element.and_then(|element| view.insert(element)),
        )
    }

    /// Takes an element out. Gives whether it was there.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn remove<Q: ?Sized>(&self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        if !is_small::<T>() || self.keeps_changes() {
            return self.change(|view| view.remove(element));
        }
        self.at_a_stroke(
            element,
            |view, element| view.foresee(*element),
            |view, log, element| view.remove_at_once(log, element).map(|()| true),
            |view, kept| if kept == Kept::Absent { Ok(false) } else { view.remove(element) },
        )
    }

    /// Puts all these elements in, or on an error none of them.
    ///
    /// # Errors
    /// As [`insert`](Shared::insert).
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

impl<T: Key + Lookup<T> + Ord> Shared<BTreeSet<T>> {
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

    /// Copies of up to `many` elements behind one, or from the first on, in order and of one moment.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn scan<Q: ?Sized>(&self, after: Option<&Q>, many: usize) -> Result<Vec<T>>
    where
        T: Lookup<Q>,
    {
        self.survey(|view| view.load_behind(after, many))
    }

    /// Whether it has an element.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn contains<Q: ?Sized>(&self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        self.peek(move |view| view.contains_unlocked(element))
    }

    /// Puts an element in. Gives whether it was not there.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn insert(&self, element: T) -> Result<bool> {
        self.change(|view| view.insert(element))
    }

    /// Takes an element out. Gives whether it was there.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn remove<Q: ?Sized>(&self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        self.change(|view| view.remove(element))
    }

    /// A copy of the first element, the smallest.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn first(&self) -> Result<Option<T>> {
        self.survey(|view| view.load_edge(false))
    }

    /// A copy of the last element, the greatest.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn last(&self) -> Result<Option<T>> {
        self.survey(|view| view.load_edge(true))
    }

    /// Takes the first element out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_first(&self) -> Result<Option<T>> {
        self.change(|view| view.pop_first())
    }

    /// Takes the last element out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_last(&self) -> Result<Option<T>> {
        self.change(|view| view.pop_last())
    }

    /// Puts all these elements in, or on an error none of them.
    ///
    /// # Errors
    /// As [`insert`](Shared::insert).
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
