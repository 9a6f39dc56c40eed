//! The view of a set: a map without values.

use super::head::Head;
use super::iter::Elements;
use super::raw::{Place, Raw};
use super::stroke::Kept;
use super::table::Seek;
use crate::error::Result;
use crate::os::Known;
use crate::schema::{Key, Lookup};
use crate::tx::{Cx, Log};
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

/// A `HashSet<T>` in a segment.
///
/// Methods bear the names that they have in `std`; those that change the set give a `Result`, and an error
/// means that nothing was changed. The sets of a union and the like may be in different segments.
#[repr(C)]
pub struct HashSetView<T: Key> {
    head: Head,
    marker: PhantomData<(T, *mut ())>,
    cx: [()],
}

// SAFETY: a shared reference gives out `T::Ref`, which is made of shared references to the stored form, and
// changes nothing.
unsafe impl<T: Key> Sync for HashSetView<T> where T::Stored: Sync {}

impl<T: Key> HashSetView<T> {
    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view's metadata is that of the context it was made with, which outlives it.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    #[inline(always)]
    fn raw(&self) -> Raw<'_, T, ()> {
        Raw::new(&self.head, self.cx())
    }

    /// Before an operation on an element takes the lock: has what it will look at fetched into the cache.
    #[inline(always)]
    pub(crate) fn foresee<Q: ?Sized>(&self, element: &Q)
    where
        T: Lookup<Q>,
    {
        self.raw().foresee(element);
    }

    /// Puts an element in that is not there, as an operation of its own; or gives it back, if that cannot be done so.
    #[inline(always)]
    pub(crate) fn insert_at_once(&self, log: &Log, element: T) -> std::result::Result<(), Result<T>>
    where
        T: Lookup<T>,
    {
        match self.raw().insert_at_once(log, element, ()) {
            Ok(_) => Ok(()),
            Err(entry) => Err(entry.map(|(element, ())| element).map_err(|error| *error)),
        }
    }

    /// Has the thread remember where everything is, also without the lock.
    pub(crate) fn learn(&self, known: &Known) -> Option<()> {
        self.raw().learn(known)
    }

    /// Takes an element out, as an operation of its own.
    #[inline(always)]
    pub(crate) fn remove_at_once<Q: ?Sized>(&self, log: &Log, element: &Q) -> std::result::Result<(), Kept>
    where
        T: Lookup<Q>,
    {
        self.raw().remove_at_once(log, element)
    }

    /// How many elements there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.raw().len()
    }

    /// Whether there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements it can have before it takes more memory.
    pub fn capacity(&self) -> usize {
        self.len().saturating_add(self.head.left.get() as usize)
    }

    /// Whether there is such an element.
    #[inline(always)]
    pub fn contains<Q: ?Sized>(&self, element: &Q) -> bool
    where
        T: Lookup<Q>,
    {
        self.raw().find(element).is_some()
    }

    /// Copies of the elements of the next home groups, as of a map's entries.
    pub(crate) fn load_page(&self, cursor: u64, many: usize) -> Result<(Vec<T>, Option<u64>)> {
        let (raw, mut page) = (self.raw(), Vec::new());
        let next = raw.scan(cursor, many, |slot| {
            // SAFETY: a full slot in the map.
            page.push(unsafe { T::load(&raw const (*slot).key, raw.cx)? });
            Ok(())
        })?;
        Ok((page, next))
    }

    /// Whether it has an element, also without the lock.
    #[inline(always)]
    pub(crate) fn contains_unlocked<Q: ?Sized>(&self, element: &Q) -> bool
    where
        T: Lookup<Q>,
    {
        self.raw().find_unlocked(element, false).is_some()
    }

    /// The element that equals this, as it is stored.
    #[inline(always)]
    pub fn get<Q: ?Sized>(&self, element: &Q) -> Option<T::Ref<'_>>
    where
        T: Lookup<Q>,
    {
        let raw = self.raw();
        // SAFETY: a full slot holds a stored element, which does not change while the view is borrowed.
        raw.find(element).map(|slot| unsafe { T::view(&raw const (*slot).key, raw.cx) })
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
        let raw = self.raw();
        let place = raw.place_for(&element)?;
        let Seek::Vacant(index) = place.seek else { return Ok(false) };
        raw.fill(place, index, || raw.store_both(element, ()))?;
        Ok(true)
    }

    /// Puts an element in. Gives the one that was there and equals it.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn replace(&mut self, element: T) -> Result<Option<T>>
    where
        T: Lookup<T>,
    {
        let raw = self.raw();
        let place = raw.place_for(&element)?;
        match place.seek {
            Seek::Vacant(index) => {
                raw.fill(place, index, || raw.store_both(element, ()))?;
                Ok(None)
            }
            Seek::Found(index) => {
                let slot = raw.slot(place.side, index);
                // SAFETY: a full slot of that side; the view is borrowed exclusively.
                unsafe {
                    let old = T::load(&raw const (*slot).key, raw.cx)?;
                    raw.replace::<T>(place.side, raw.key(slot), &raw mut (*slot).key, element)?;
                    Ok(Some(old))
                }
            }
        }
    }

    /// Takes an element out. Gives whether it was there.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the table cannot be read. Never fails for want of space.
    #[inline]
    pub fn remove<Q: ?Sized>(&mut self, element: &Q) -> Result<bool>
    where
        T: Lookup<Q>,
    {
        Ok(self.take_with(element, |_, _| Ok(()))?.is_some())
    }

    /// Takes an element out and gives it.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn take<Q: ?Sized>(&mut self, element: &Q) -> Result<Option<T>>
    where
        T: Lookup<Q>,
    {
        // SAFETY: what `take_with` hands in.
        self.take_with(element, |stored, cx| unsafe { T::load(stored, cx) })
    }

    /// Takes an element out; `load` gets its stored form.
    #[inline(always)]
    fn take_with<Q: ?Sized, R>(
        &mut self,
        element: &Q,
        load: impl FnOnce(*const T::Stored, Cx) -> Result<R>,
    ) -> Result<Option<R>>
    where
        T: Lookup<Q>,
    {
        let raw = self.raw();
        let Some(Place { side, seek: Seek::Found(index), .. }) = raw.place_of(element)? else { return Ok(None) };
        let slot = raw.slot(side, index);
        // SAFETY: a slot of the table.
        let result = load(unsafe { &raw const (*slot).key }, raw.cx)?;
        let slot = raw.empty(side, index)?;
        // SAFETY: just taken out.
        unsafe { raw.drop_entry(slot)? };
        Ok(Some(result))
    }

    /// Takes all elements out and gives the memory back, which serves other objects after commit.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn clear(&mut self) -> Result<()> {
        self.raw().clear()
    }

    /// Keeps the elements for which `keep` gives true.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn retain(&mut self, mut keep: impl FnMut(T::Ref<'_>) -> bool) -> Result<()> {
        let raw = self.raw();
        // SAFETY: a full slot holds a stored element; the view is borrowed exclusively.
        let keep = |slot| Ok(keep(unsafe { T::view(raw.key(slot), raw.cx) }));
        raw.cx.atomically(|| raw.retain(keep))
    }

    /// Takes the elements out for which `taken` gives true, and gives them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn extract_if(&mut self, mut taken: impl FnMut(T::Ref<'_>) -> bool) -> Result<Vec<T>> {
        let (raw, mut elements) = (self.raw(), Vec::new());
        raw.cx.atomically(|| {
            raw.retain(|slot| {
                // SAFETY: a full slot holds a stored element; the view is borrowed exclusively.
                unsafe {
                    let keeps = !taken(T::view(raw.key(slot), raw.cx));
                    if !keeps {
                        elements.push(T::load(raw.key(slot), raw.cx)?);
                    }
                    Ok(keeps)
                }
            })
        })?;
        Ok(elements)
    }

    /// The elements, in no particular order.
    pub fn iter(&self) -> Elements<'_, T> {
        Elements::new(self.raw())
    }

    /// Takes all elements out and gives them.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if they cannot be read. Never fails for want of space.
    pub fn drain(&mut self) -> Result<Vec<T>> {
        let elements = self.load_all()?;
        self.clear()?;
        Ok(elements)
    }

    fn load_all<C: Extend<T> + Default>(&self) -> Result<C> {
        let (raw, mut all) = (self.raw(), C::default());
        let mut left = raw.len();
        for slot in raw.slots() {
            // SAFETY: a full slot holds a stored element.
            all.extend([unsafe { T::load(raw.key(slot), raw.cx)? }]);
            left = left.wrapping_sub(1);
        }
        if left == 0 { Ok(all) } else { Err(self.head.corrupt()) }
    }

    /// Puts all these elements in, or on an error none of them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn extend(&mut self, elements: impl IntoIterator<Item = T>) -> Result<()>
    where
        T: Lookup<T>,
    {
        self.cx().atomically(|| elements.into_iter().try_for_each(|element| self.insert(element).map(drop)))
    }

    /// Makes room for so many more elements, so that the next ones do not pay for it. For many elements
    /// getting the memory may take a while.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.raw().reserve(additional as u64)
    }

    /// Gives memory back that the elements do not need. Moves all of them, at once.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace): the smaller table is made before the larger is given back.
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.shrink_to(0)
    }

    /// Gives memory back that the elements do not need, but for so many elements altogether.
    ///
    /// # Errors
    /// As [`shrink_to_fit`](Self::shrink_to_fit).
    pub fn shrink_to(&mut self, capacity: usize) -> Result<()> {
        self.raw().shrink_to(capacity as u64)
    }

    /// A copy of all of it.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read.
    pub fn to_set(&self) -> Result<HashSet<T>>
    where
        T: Eq + Hash,
    {
        self.load_all()
    }
}

/// Two sets.
impl<T: Key + Lookup<T>> HashSetView<T> {
    /// The stored elements that the other set has, or has not.
    fn common<'a>(&'a self, other: &'a HashSetView<T>, has: bool) -> impl Iterator<Item = T::Ref<'a>> {
        let (own, theirs) = (self.raw(), other.raw());
        let elements = own.slots().map(move |slot| own.key(slot));
        // SAFETY: full slots hold stored elements of the own segment, which do not change during `'a`.
        let chosen = elements.filter(move |element| unsafe { theirs.find_stored(*element, own.cx) }.is_some() == has);
        // SAFETY: as above.
        chosen.map(move |element| unsafe { T::view(element, own.cx) })
    }

    /// Whether all elements are in the other set too.
    pub fn is_subset(&self, other: &HashSetView<T>) -> bool {
        self.len() <= other.len() && self.difference(other).next().is_none()
    }

    /// Whether all elements of the other set are in this one.
    pub fn is_superset(&self, other: &HashSetView<T>) -> bool {
        other.is_subset(self)
    }

    /// Whether no element is in both.
    pub fn is_disjoint(&self, other: &HashSetView<T>) -> bool {
        self.intersection(other).next().is_none()
    }

    /// The elements of this set and those that only the other has.
    pub fn union<'a>(&'a self, other: &'a HashSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        self.iter().chain(other.difference(self))
    }

    /// The elements that the other set has too.
    pub fn intersection<'a>(&'a self, other: &'a HashSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        self.common(other, true)
    }

    /// The elements that the other set does not have.
    pub fn difference<'a>(&'a self, other: &'a HashSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        self.common(other, false)
    }

    /// The elements that only one of the two has.
    pub fn symmetric_difference<'a>(&'a self, other: &'a HashSetView<T>) -> impl Iterator<Item = T::Ref<'a>> {
        self.difference(other).chain(other.difference(self))
    }
}

impl<'a, T: Key> IntoIterator for &'a HashSetView<T> {
    type Item = T::Ref<'a>;
    type IntoIter = Elements<'a, T>;
    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}

impl<T: Key> std::fmt::Debug for HashSetView<T>
where
    for<'a> T::Ref<'a>: std::fmt::Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Key + Lookup<T>> PartialEq for HashSetView<T> {
    fn eq(&self, other: &HashSetView<T>) -> bool {
        self.len() == other.len() && self.is_subset(other)
    }
}

impl<T: Key + Lookup<T>> Eq for HashSetView<T> {}

impl<T: Key + Lookup<T>, S: BuildHasher> PartialEq<HashSet<T, S>> for HashSetView<T> {
    fn eq(&self, other: &HashSet<T, S>) -> bool {
        self.len() == other.len() && other.iter().all(|element| self.contains(element))
    }
}

impl<T: Key + Lookup<T>, S: BuildHasher> PartialEq<HashSetView<T>> for HashSet<T, S> {
    fn eq(&self, other: &HashSetView<T>) -> bool {
        other == self
    }
}
