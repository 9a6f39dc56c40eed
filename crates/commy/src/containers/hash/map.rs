//! The view of a map.

use super::head::Head;
use super::iter::{Iter, IterMut, Keys, Values, ValuesMut};
use super::raw::{Place, Raw, cannot_lend};
use super::stroke::{Inserted, Kept};
use super::table::Seek;
use crate::containers::entry::{self, Entry, Keyed};
use crate::containers::load::go_on;
use crate::error::Result;
use crate::os::Known;
use crate::schema::{Key, Lookup, Plain, Share};
use crate::tx::{Cx, Log, Operation};
use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;

/// A `HashMap<K, V>` in a segment.
///
/// Methods bear the names that they have in `std`; those that change the map give a `Result`, and an error
/// means that nothing was changed. Keys are looked up by whatever they can be compared with, a
/// `String` by `&str`. The table grows without a stop: an insert moves a few dozen entries at most.
#[repr(C)]
pub struct HashMapView<K: Share, V: Share> {
    head: Head,
    marker: PhantomData<(K, V, *mut ())>,
    cx: [()],
}

// SAFETY: a shared reference gives out `K::Ref` and `V::Ref`, which are made of shared references to the
// stored forms, and changes nothing.
unsafe impl<K: Share, V: Share> Sync for HashMapView<K, V>
where
    K::Stored: Sync,
    V::Stored: Sync,
{
}

impl<K: Key, V: Share> HashMapView<K, V> {
    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view's metadata is that of the context it was made with, which outlives it.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    #[inline(always)]
    pub(super) fn raw(&self) -> Raw<'_, K, V> {
        Raw::new(&self.head, self.cx())
    }

    /// For lending all values.
    #[inline(always)]
    fn raw_lent(&self) -> Raw<'_, K, V> {
        let raw = self.raw();
        raw.note_others().unwrap_or_else(|error| cannot_lend(&error));
        raw
    }

    #[cfg(test)]
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// How many entries there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.raw().len()
    }

    /// Whether there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries it can have before it takes more memory.
    pub fn capacity(&self) -> usize {
        self.len().saturating_add(self.head.left.get() as usize)
    }

    /// The value of a key.
    #[inline(always)]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<V::Ref<'_>>
    where
        K: Lookup<Q>,
    {
        let raw = self.raw();
        // SAFETY: a full slot holds a stored value, which does not change while the view is borrowed.
        raw.find_wanted(key).map(|slot| unsafe { V::view(&raw const (*slot).value, raw.cx) })
    }

    /// A key and its value, as they are stored.
    #[inline(always)]
    pub fn get_key_value<Q: ?Sized>(&self, key: &Q) -> Option<(K::Ref<'_>, V::Ref<'_>)>
    where
        K: Lookup<Q>,
    {
        let raw = self.raw();
        let slot = raw.find_wanted(key)?;
        // SAFETY: a full slot holds a stored key and value, which do not change while the view is borrowed.
        Some(unsafe { (K::view(&raw const (*slot).key, raw.cx), V::view(&raw const (*slot).value, raw.cx)) })
    }

    /// Has the thread remember where everything is, also without the lock.
    pub(crate) fn learn(&self, known: &Known) -> Option<()> {
        self.raw().learn(known)
    }

    /// Where the value of a key is stored, also without the lock.
    #[inline(always)]
    pub(crate) fn place_of_value<Q: ?Sized>(&self, key: &Q) -> Option<*const V::Stored>
    where
        K: Lookup<Q>,
    {
        // SAFETY: a slot that was found, in the map.
        self.raw().find_unlocked(key, true).map(|slot| unsafe { &raw const (*slot).value })
    }

    /// A copy of the value of a key, also without the lock, as [`Share::load`] is.
    pub(crate) fn load_value<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        // SAFETY: the value of a slot that was found, in the map.
        self.place_of_value(key).map(|place| unsafe { V::load(place, self.cx()) }).transpose()
    }

    /// Copies of the entries of the next home groups, at least `many` unless the end comes before, and where to go
    /// on; also without the lock.
    pub(crate) fn load_page(&self, cursor: u64, many: usize) -> Result<(Vec<(K, V)>, Option<u64>)> {
        let (raw, mut page) = (self.raw(), Vec::new());
        let next = raw.scan(cursor, many, |slot| {
            // SAFETY: a full slot in the map.
            page.push(unsafe {
                (K::load(&raw const (*slot).key, raw.cx)?, V::load(&raw const (*slot).value, raw.cx)?)
            });
            Ok(())
        })?;
        Ok((page, next))
    }

    /// Before an operation on a key takes the lock: has what it will look at fetched into the cache.
    #[inline(always)]
    pub(crate) fn foresee<Q: ?Sized>(&self, key: &Q)
    where
        K: Lookup<Q>,
    {
        self.raw().foresee(key);
    }

    /// Puts an entry in, as an operation of its own. Gives the value that the key had; or the entry, if that cannot be
    /// done so.
    #[inline(always)]
    pub(crate) fn insert_at_once(&self, log: &Log, key: K, value: V) -> Inserted<K, V>
    where
        K: Lookup<K>,
    {
        self.raw().insert_at_once(log, key, value)
    }

    /// Takes an entry out, as an operation of its own. Gives its value.
    #[inline(always)]
    pub(crate) fn remove_at_once<Q: ?Sized>(&self, log: &Log, key: &Q) -> std::result::Result<V, Kept>
    where
        K: Lookup<Q>,
    {
        self.raw().remove_at_once(log, key)
    }

    /// Whether there is an entry of that key, also without the lock.
    #[inline(always)]
    pub(crate) fn has_key_unlocked<Q: ?Sized>(&self, key: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        self.raw().find_unlocked(key, false).is_some()
    }

    /// Whether there is an entry of that key.
    #[inline(always)]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        self.raw().find(key).is_some()
    }

    /// The value of a key, to be changed.
    ///
    /// # Panics
    /// If the log has no room for what is lent (`OutOfSpace`), or the map is not open for changing;
    /// [`try_get_mut`](Self::try_get_mut) returns that.
    #[inline]
    pub fn get_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<V::Mut<'_>>
    where
        K: Lookup<Q>,
    {
        self.try_get_mut(key).unwrap_or_else(|error| cannot_lend(&error))
    }

    /// The value of a key, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for what is lent.
    #[inline]
    pub fn try_get_mut<Q: ?Sized>(&mut self, key: &Q) -> Result<Option<V::Mut<'_>>>
    where
        K: Lookup<Q>,
    {
        let raw = self.raw();
        match raw.find_wanted(key) {
            // SAFETY: a full slot holds a stored key and value; the view is borrowed exclusively.
            Some(slot) => unsafe {
                let lent = V::view_mut(&raw mut (*slot).value, raw.cx)?;
                raw.note(Operation::Changed, raw.key(slot))?;
                Ok(Some(lent))
            },
            None => Ok(None),
        }
    }

    /// Puts an entry in. Gives the value that the key had; the key then stays the one that is there.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn insert(&mut self, key: K, value: V) -> Result<Option<V>>
    where
        K: Lookup<K>,
    {
        let raw = self.raw();
        let place = raw.place_for(&key)?;
        match place.seek {
            Seek::Vacant(index) => {
                raw.fill(place, index, || raw.store_both(key, value))?;
                Ok(None)
            }
            Seek::Found(index) => raw.replace_at((place.side, index), value).map(Some),
        }
    }

    /// Puts an entry in, unless the key is there, and gives its value to be changed; `None` if it was.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn try_insert(&mut self, key: K, value: V) -> Result<Option<V::Mut<'_>>>
    where
        K: Lookup<K>,
    {
        match self.entry(key)? {
            Entry::Vacant(entry) => entry.insert(value).map(Some),
            Entry::Occupied(_) => Ok(None),
        }
    }

    /// The place of a key, to look at and to change: see [`Entry`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use std::collections::HashMap;
    /// let words: commy::Shared<HashMap<String, u64>> = segment.open_or_create("words")?;
    /// let mut words = words.write()?;
    /// for word in ["to", "be", "or", "not", "to", "be"] {
    ///     words.entry(word.into())?.and_modify(|count| *count += 1)?.or_insert(1)?;
    /// }
    /// assert_eq!(words.get("be"), Some(&2));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace), for room is made for the key.
    pub fn entry(&mut self, key: K) -> Result<Entry<'_, Raw<'_, K, V>>>
    where
        K: Lookup<K>,
    {
        let raw = self.raw();
        let found = raw.place_for(&key)?.found();
        Ok(Entry::new(raw, key, found))
    }

    /// The values of several keys at once, to be changed; each is logged first.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) if a key is there twice;
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn get_disjoint_mut<Q: ?Sized, const N: usize>(&mut self, keys: [&Q; N]) -> Result<[Option<V::Mut<'_>>; N]>
    where
        K: Lookup<Q>,
    {
        let (raw, mut found) = (self.raw(), [None; N]);
        for (here, key) in found.iter_mut().zip(keys) {
            if let Some(Place { side, seek: Seek::Found(index), .. }) = raw.place_of(key)? {
                *here = Some((side, index));
            }
        }
        entry::disjoint(raw, found)
    }

    /// The value of a key, to be changed; `value` if there was none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use std::collections::HashMap;
    /// let words: commy::Shared<HashMap<String, u64>> = segment.open_or_create("words")?;
    /// let mut guard = words.write()?;
    /// for word in "to be or not to be".split(' ') {
    ///     *guard.entry_or_insert(word, 0)? += 1;
    /// }
    /// assert_eq!((guard.get("be"), guard.get("question")), (Some(&2), None));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn entry_or_insert<Q>(&mut self, key: &Q, value: V) -> Result<V::Mut<'_>>
    where
        K: Lookup<Q>,
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.entry_or_insert_with(key, || value)
    }

    /// The value of a key, to be changed; what `value` gives if there was none.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn entry_or_insert_with<Q>(&mut self, key: &Q, value: impl FnOnce() -> V) -> Result<V::Mut<'_>>
    where
        K: Lookup<Q>,
        Q: ToOwned<Owned = K> + ?Sized,
    {
        let raw = self.raw();
        let found = raw.place_for(key)?.found();
        entry::or_insert(raw, found, || (key.to_owned(), value()))
    }

    /// The value of a key, to be changed; the default if there was none.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    #[inline]
    pub fn entry_or_default<Q>(&mut self, key: &Q) -> Result<V::Mut<'_>>
    where
        K: Lookup<Q>,
        Q: ToOwned<Owned = K> + ?Sized,
        V: Default,
    {
        self.entry_or_insert_with(key, V::default)
    }

    /// Takes the entry of a key out and gives its value.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read. Never fails for want of space.
    #[inline]
    pub fn remove<Q: ?Sized>(&mut self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        // SAFETY: what `take` hands in.
        self.take(key, |_, value, cx| unsafe { V::load(value, cx) })
    }

    /// Takes the entry of a key out and gives it.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_entry<Q: ?Sized>(&mut self, key: &Q) -> Result<Option<(K, V)>>
    where
        K: Lookup<Q>,
    {
        // SAFETY: what `take` hands in.
        self.take(key, |key, value, cx| unsafe { Ok((K::load(key, cx)?, V::load(value, cx)?)) })
    }

    /// Takes an entry out; `load` gets its stored key and value.
    #[inline(always)]
    fn take<Q: ?Sized, R>(
        &mut self,
        key: &Q,
        load: impl FnOnce(*const K::Stored, *const V::Stored, Cx) -> Result<R>,
    ) -> Result<Option<R>>
    where
        K: Lookup<Q>,
    {
        let raw = self.raw();
        let Some(Place { side, seek: Seek::Found(index), .. }) = raw.place_of(key)? else { return Ok(None) };
        let slot = raw.slot(side, index);
        // SAFETY: a slot of the table.
        let (key, value) = unsafe { (&raw const (*slot).key, &raw const (*slot).value) };
        let result = load(key, value, raw.cx)?;
        let slot = raw.empty(side, index)?;
        // SAFETY: just taken out.
        unsafe { raw.drop_entry(slot)? };
        Ok(Some(result))
    }

    /// Takes all entries out and gives the memory back, which serves other objects after commit.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the table cannot be read. Never fails for want of space.
    pub fn clear(&mut self) -> Result<()> {
        self.raw().clear()
    }

    /// Keeps the entries for which `keep` gives true. Values are lent for changing, and logged first.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room.
    pub fn retain(&mut self, mut keep: impl FnMut(K::Ref<'_>, V::Mut<'_>) -> bool) -> Result<()> {
        let raw = self.raw();
        raw.cx.atomically(|| {
            raw.note_others()?;
            raw.retain(|slot| {
                // SAFETY: a full slot holds a stored key and value; the view is borrowed exclusively.
                let (key, value) =
                    unsafe { (K::view(&raw const (*slot).key, raw.cx), V::view_mut(&raw mut (*slot).value, raw.cx)?) };
                Ok(keep(key, value))
            })
        })
    }

    /// Takes the entries out for which `taken` gives true, and gives them. Values are lent for changing, and logged
    /// first.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what `taken` changed is undone, too.
    pub fn extract_if(&mut self, mut taken: impl FnMut(K::Ref<'_>, V::Mut<'_>) -> bool) -> Result<Vec<(K, V)>> {
        let (raw, mut entries) = (self.raw(), Vec::new());
        raw.cx.atomically(|| {
            raw.note_others()?;
            raw.retain(|slot| {
                // SAFETY: a full slot holds a stored key and value; the view is borrowed exclusively.
                unsafe {
                    let value = V::view_mut(&raw mut (*slot).value, raw.cx)?;
                    let keeps = !taken(K::view(&raw const (*slot).key, raw.cx), value);
                    if !keeps {
                        let key = K::load(&raw const (*slot).key, raw.cx)?;
                        entries.push((key, V::load(&raw const (*slot).value, raw.cx)?));
                    }
                    Ok(keeps)
                }
            })
        })?;
        Ok(entries)
    }

    /// The entries, in no particular order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self.raw())
    }

    /// The keys, in no particular order.
    pub fn keys(&self) -> Keys<'_, K, V> {
        Keys::new(self.raw())
    }

    /// The values, in no particular order.
    pub fn values(&self) -> Values<'_, K, V> {
        Values::new(self.raw())
    }

    /// The entries, their values to be changed. Each value is logged when the iterator comes to it.
    ///
    /// # Panics
    /// The iterator panics if the log has no room (`OutOfSpace`).
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut::new(self.raw_lent())
    }

    /// The values, to be changed. Each is logged when the iterator comes to it.
    ///
    /// # Panics
    /// The iterator panics if the log has no room (`OutOfSpace`).
    pub fn values_mut(&mut self) -> ValuesMut<'_, K, V> {
        ValuesMut::new(self.raw_lent())
    }

    /// Takes all entries out and gives them.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if they cannot be read. Never fails for want of space.
    pub fn drain(&mut self) -> Result<Vec<(K, V)>> {
        let entries = self.load_all()?;
        self.clear()?;
        Ok(entries)
    }

    fn load_all<C: Extend<(K, V)> + Default>(&self) -> Result<C> {
        let (raw, mut all) = (self.raw(), C::default());
        let mut left = raw.len();
        for slot in raw.slots() {
            // SAFETY: a full slot holds a stored key and value.
            let entry =
                unsafe { (K::load(&raw const (*slot).key, raw.cx)?, V::load(&raw const (*slot).value, raw.cx)?) };
            all.extend([entry]);
            left = left.wrapping_sub(1);
            if left % 1024 == 0 {
                go_on(raw.cx)?;
            }
        }
        if left == 0 { Ok(all) } else { Err(self.head.corrupt()) }
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()>
    where
        K: Lookup<K>,
    {
        self.cx().atomically(|| entries.into_iter().try_for_each(|(key, value)| self.insert(key, value).map(drop)))
    }

    /// Makes room for so many more entries, so that the next ones do not pay for it. For many entries
    /// getting the memory may take a while.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.raw().reserve(additional as u64)
    }

    /// Gives memory back that the entries do not need. Moves all of them, at once.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace): the smaller table is made before the larger is given back.
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.shrink_to(0)
    }

    /// Gives memory back that the entries do not need, but for so many entries altogether.
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
    pub fn to_map(&self) -> Result<HashMap<K, V>>
    where
        K: Eq + Hash,
    {
        self.load_all()
    }
}

impl<'a, K: Key, V: Share> IntoIterator for &'a HashMapView<K, V> {
    type Item = (K::Ref<'a>, V::Ref<'a>);
    type IntoIter = Iter<'a, K, V>;
    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<'a, K: Key, V: Share> IntoIterator for &'a mut HashMapView<K, V> {
    type Item = (K::Ref<'a>, V::Mut<'a>);
    type IntoIter = IterMut<'a, K, V>;
    fn into_iter(self) -> IterMut<'a, K, V> {
        self.iter_mut()
    }
}

impl<K: Key + Lookup<Q>, V: Plain, Q: ?Sized> std::ops::Index<&Q> for HashMapView<K, V> {
    type Output = V;

    /// The value of a key.
    ///
    /// # Panics
    /// If there is no such key.
    #[inline(always)]
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("no entry found for key")
    }
}
