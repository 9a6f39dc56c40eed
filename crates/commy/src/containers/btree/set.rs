//! The view of a set: a map without values.

use super::map::BTreeMapView;
use super::range::{Iter, Span};
use super::tree::{Head, Place};
use crate::error::Result;
use crate::schema::{Key, Lookup, Share};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::RangeBounds;

/// A `BTreeSet<T>` in a segment, seen in place.
///
/// Methods bear the names of [`std::collections::BTreeSet`]. Those that change the set give a [`Result`]: an
/// error means that nothing has changed. The sets of a union and the like may be in different segments.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// use std::collections::BTreeSet;
/// let names: commy::Shared<BTreeSet<String>> = segment.open_or_create("names")?;
/// let mut names = names.write()?;
/// assert!(names.insert("Grace".into())?);
/// assert!(names.insert("Ada".into())?);
/// assert!(!names.insert("Ada".into())?);
/// assert_eq!(names.iter().collect::<Vec<_>>(), ["Ada", "Grace"]);
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct BTreeSetView<T: Share> {
    head: Head,
    marker: PhantomData<(T, *mut ())>,
    cx: [()],
}

// SAFETY: as for `BTreeMapView`.
unsafe impl<T: Share> Sync for BTreeSetView<T> where for<'a> T::Ref<'a>: Send + Sync {}

impl<T: Key> BTreeSetView<T> {
    #[inline(always)]
    pub(super) fn map(&self) -> &BTreeMapView<T, ()> {
        // SAFETY: both are a head with the same metadata behind it, and no more.
        unsafe { &*(std::ptr::from_ref(self) as *const BTreeMapView<T, ()>) }
    }

    #[inline(always)]
    fn map_mut(&mut self) -> &mut BTreeMapView<T, ()> {
        // SAFETY: as in `map`, and `self` is borrowed for this alone.
        unsafe { &mut *(std::ptr::from_mut(self) as *mut BTreeMapView<T, ()>) }
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.map().len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is such an element.
    #[inline]
    pub fn contains<Q: ?Sized>(&self, element: &Q) -> bool
    where
        T: Lookup<Q>,
    {
        self.map().contains_key(element)
    }

    /// Whether it has an element, also without the lock.
    pub(crate) fn contains_unlocked<Q: ?Sized>(&self, element: &Q) -> bool
    where
        T: Lookup<Q>,
    {
        self.map().find_unlocked(element).is_some()
    }

    /// Copies of up to `many` elements behind one, or from the first on, also without the lock.
    pub(crate) fn load_behind<Q: ?Sized>(&self, after: Option<&Q>, many: usize) -> Result<Vec<T>>
    where
        T: Lookup<Q>,
    {
        Ok(self.map().load_behind(after, many)?.into_iter().map(|(element, ())| element).collect())
    }

    /// A copy of the first element, or of the last, also without the lock.
    pub(crate) fn load_edge(&self, last: bool) -> Result<Option<T>> {
        Ok(self.map().load_edge(last)?.map(|(element, ())| element))
    }

    /// The element that equals this, as it is stored.
    #[inline]
    pub fn get<Q: ?Sized>(&self, element: &Q) -> Option<T::Ref<'_>>
    where
        T: Lookup<Q>,
    {
        self.map().get_key_value(element).map(|(element, _)| element)
    }

    /// The smallest element.
    #[inline]
    pub fn first(&self) -> Option<T::Ref<'_>> {
        self.map().first_key_value().map(|(element, _)| element)
    }

    /// The largest element.
    #[inline]
    pub fn last(&self) -> Option<T::Ref<'_>> {
        self.map().last_key_value().map(|(element, _)| element)
    }

    /// Takes the smallest element out and gives it.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read; [`Error::OutOfSpace`](crate::Error::OutOfSpace)
    /// only if not even the room kept for removals is left.
    #[inline]
    pub fn pop_first(&mut self) -> Result<Option<T>> {
        Ok(self.map_mut().pop_first()?.map(|(element, ())| element))
    }

    /// Takes the largest element out and gives it.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    #[inline]
    pub fn pop_last(&mut self) -> Result<Option<T>> {
        Ok(self.map_mut().pop_last()?.map(|(element, ())| element))
    }

    /// Puts an element in. Gives whether it was not there; else the one that is there stays.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn insert(&mut self, element: T) -> Result<bool>
    where
        T: Lookup<T>,
    {
        Ok(self.map_mut().insert(element, ())?.is_none())
    }

    /// Puts an element in. Gives the one that was there and equals it.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn replace(&mut self, element: T) -> Result<Option<T>>
    where
        T: Lookup<T>,
    {
        let map = self.map_mut();
        map.tree().cx.atomically(|| {
            let old = map.remove_entry(&element)?.map(|(element, ())| element);
            map.insert(element, ())?;
            Ok(old)
        })
    }

    /// Takes an element out. Gives whether it was there.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    #[inline]
    pub fn remove<Q: ?Sized>(&mut self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        Ok(self.map_mut().remove(element)?.is_some())
    }

    /// Takes an element out and gives it.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    #[inline]
    pub fn take<Q: ?Sized>(&mut self, element: &Q) -> Result<Option<T>>
    where
        T: Lookup<Q>,
    {
        Ok(self.map_mut().remove_entry(element)?.map(|(element, ())| element))
    }

    /// Takes all elements out and gives the memory back, which serves other objects after commit.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn clear(&mut self) -> Result<()> {
        self.map_mut().clear()
    }

    /// Keeps the elements for which `keep` gives true.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn retain(&mut self, mut keep: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
        self.map_mut().retain(|element, _| keep(element))
    }

    /// The elements in order.
    #[inline]
    pub fn iter(&self) -> Elements<'_, T> {
        Elements(self.map().iter())
    }

    /// The elements in a range, in order. A range that ends before it begins has none (where `std` panics).
    #[inline]
    pub fn range<Q: ?Sized, R: RangeBounds<Q>>(
        &self,
        range: R,
    ) -> impl DoubleEndedIterator<Item = T::Ref<'_>> + FusedIterator + Clone + use<'_, T, Q, R>
    where
        T: Lookup<Q>,
    {
        self.map().range(range).map(|(element, _)| element)
    }

    /// Puts all these elements in, or on an error none of them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn extend(&mut self, elements: impl IntoIterator<Item = T>) -> Result<()>
    where
        T: Lookup<T>,
    {
        let map = self.map_mut();
        map.tree().cx.atomically(|| elements.into_iter().try_for_each(|element| map.insert(element, ()).map(drop)))
    }

    /// Moves all elements of another set into this one; what both have stays as it is.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was moved.
    pub fn append(&mut self, other: &mut BTreeSetView<T>) -> Result<()>
    where
        T: Lookup<T>,
    {
        self.map_mut().append(other.map_mut())
    }

    /// Takes out the elements from `element` on, and gives them.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn split_off<Q: ?Sized>(&mut self, element: &Q) -> Result<BTreeSet<T>>
    where
        T: Lookup<Q> + Ord,
    {
        Ok(self.map_mut().split_off(element)?.into_keys().collect())
    }

    /// A copy, owned by the process.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read.
    pub fn to_set(&self) -> Result<BTreeSet<T>>
    where
        T: Ord,
    {
        Ok(self.map().to_map()?.into_keys().collect())
    }
}

/// Two sets.
impl<T: Key + Lookup<T>> BTreeSetView<T> {
    /// Whether all elements are in the other set too.
    pub fn is_subset(&self, other: &BTreeSetView<T>) -> bool {
        self.len() <= other.len() && self.difference(other).next().is_none()
    }

    /// Whether all elements of the other set are in this one.
    pub fn is_superset(&self, other: &BTreeSetView<T>) -> bool {
        other.is_subset(self)
    }

    /// Whether no element is in both.
    pub fn is_disjoint(&self, other: &BTreeSetView<T>) -> bool {
        self.intersection(other).next().is_none()
    }

    /// Which of two sets comes first: by the smallest element that only one has.
    pub(super) fn order(&self, other: &BTreeSetView<T>) -> Ordering {
        let mut merged = Merge::new(self, other);
        let different = merged.find(|(_, whose)| *whose != Whose::Both).map(|(_, whose)| whose);
        match (different, &merged) {
            (None, _) => Ordering::Equal,
            // The other one has nothing more: it is the beginning of this one.
            (Some(Whose::First), Merge { second: Ahead { next: None, .. }, .. }) => Ordering::Greater,
            (Some(Whose::First), _) => Ordering::Less,
            (_, Merge { first: Ahead { next: None, .. }, .. }) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    /// The elements that are in either, in order.
    pub fn union<'a>(&'a self, other: &'a BTreeSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        Merge::new(self, other).map(|(element, _)| element)
    }

    /// The elements that are in both, in order.
    pub fn intersection<'a>(&'a self, other: &'a BTreeSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        Merge::new(self, other).filter(|(_, whose)| *whose == Whose::Both).map(|(element, _)| element)
    }

    /// The elements that the other set does not have, in order.
    pub fn difference<'a>(&'a self, other: &'a BTreeSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        Merge::new(self, other).filter(|(_, whose)| *whose == Whose::First).map(|(element, _)| element)
    }

    /// The elements that only one of the two has, in order.
    pub fn symmetric_difference<'a>(&'a self, other: &'a BTreeSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        Merge::new(self, other).filter(|(_, whose)| *whose != Whose::Both).map(|(element, _)| element)
    }
}

/// Which of two sets have an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    First,
    Second,
    Both,
}

/// The elements of two sets in order; those that both have come from the first, once.
struct Merge<'a, T: Key> {
    first: Ahead<T>,
    second: Ahead<T>,
    marker: PhantomData<&'a T>,
}

/// The elements of a set, with a look at the next one.
struct Ahead<T: Key> {
    span: Span<T, ()>,
    next: Option<Place<T, ()>>,
    cx: Cx,
}

impl<T: Key> Ahead<T> {
    fn new(set: &BTreeSetView<T>) -> Self {
        let tree = set.map().tree();
        let mut span = tree.all();
        let next = span.next();
        Ahead { span, next, cx: tree.cx }
    }

    fn go_on(&mut self) {
        self.next = self.span.next();
    }
}

impl<'a, T: Key + Lookup<T>> Merge<'a, T> {
    fn new(first: &'a BTreeSetView<T>, second: &'a BTreeSetView<T>) -> Self {
        Merge { first: Ahead::new(first), second: Ahead::new(second), marker: PhantomData }
    }

    /// Compares an element of the first set with one of the second.
    fn order(&self, a: Place<T, ()>, b: Place<T, ()>) -> Ordering {
        let (a, b) = (a.leaf.key(a.index), b.leaf.key(b.index));
        // SAFETY: elements of leaves, which nobody changes during `'a`. Those of one map are compared with each
        // other; else one is compared with a copy of the other.
        unsafe {
            if self.first.cx.map().base() == self.second.cx.map().base() {
                return T::compare(a, b, self.first.cx);
            }
            T::load(b, self.second.cx).map_or(Ordering::Less, |b| T::compare_with(a, self.first.cx, &b))
        }
    }
}

impl<'a, T: Key + Lookup<T>> Iterator for Merge<'a, T> {
    type Item = (T::Ref<'a>, Whose);

    fn next(&mut self) -> Option<(T::Ref<'a>, Whose)> {
        let whose = match (self.first.next, self.second.next) {
            (None, None) => return None,
            (Some(_), None) => Whose::First,
            (None, Some(_)) => Whose::Second,
            (Some(a), Some(b)) => match self.order(a, b) {
                Ordering::Less => Whose::First,
                Ordering::Equal => Whose::Both,
                Ordering::Greater => Whose::Second,
            },
        };
        let from = if whose == Whose::Second { &self.second } else { &self.first };
        let (place, cx) = (from.next?, from.cx);
        if whose != Whose::Second {
            self.first.go_on();
        }
        if whose != Whose::First {
            self.second.go_on();
        }
        // SAFETY: an element of a leaf, which nobody changes during `'a`.
        Some((unsafe { T::view(place.leaf.key(place.index), cx) }, whose))
    }
}

/// The elements of a [`BTreeSetView`], in order, from both ends.
pub struct Elements<'a, T: Share>(Iter<'a, T, ()>);

impl<'a, T: Key> Iterator for Elements<'a, T> {
    type Item = T::Ref<'a>;
    #[inline]
    fn next(&mut self) -> Option<T::Ref<'a>> {
        self.0.next().map(|(element, _)| element)
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
    #[inline]
    fn last(mut self) -> Option<T::Ref<'a>> {
        self.next_back()
    }
}

impl<T: Key> DoubleEndedIterator for Elements<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(element, _)| element)
    }
}

impl<T: Key> ExactSizeIterator for Elements<'_, T> {}
impl<T: Key> FusedIterator for Elements<'_, T> {}

impl<T: Share> Clone for Elements<'_, T> {
    fn clone(&self) -> Self {
        Elements(self.0.clone())
    }
}

impl<T: Key> fmt::Debug for Elements<'_, T>
where
    for<'b> T::Ref<'b>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.clone()).finish()
    }
}

impl<'a, T: Key> IntoIterator for &'a BTreeSetView<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    #[inline]
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}
