//! One key's place in a map: the entry API of both kinds of maps.

use super::vec::lend;
use crate::error::{Error, Result};
use crate::layout::store_whole;
use crate::schema::{Key, Share};
use crate::tx::Cx;
use std::fmt;
use std::marker::PhantomData;

/// Stores a key and its value, wholly or not at all.
#[inline(always)]
pub(crate) fn store_both<K: Share, V: Share>(key: K, value: V, cx: Cx) -> Result<(K::Stored, V::Stored)> {
    if K::OWNS || V::OWNS {
        return cx.atomically(|| Ok((key.into_stored(cx)?, value.into_stored(cx)?)));
    }
    Ok((key.into_stored(cx)?, value.into_stored(cx)?))
}

/// A map in which places of keys can be named.
///
/// A place stays good until the next change of the map. What borrows the map for `'a` has it for itself.
#[doc(hidden)]
pub trait Keyed<'a>: Copy {
    /// Its keys.
    type Key: Key;
    /// Its values.
    type Value: Share;
    /// Where an entry is.
    type Here: Copy;
    /// Where one can be put.
    type Vacant: Copy;

    /// The context.
    fn context(self) -> Cx;
    /// The stored key of an entry.
    fn key_at(self, here: Self::Here) -> *const <Self::Key as Share>::Stored;
    /// The stored value of an entry.
    fn value_at(self, here: Self::Here) -> *mut <Self::Value as Share>::Stored;
    /// Puts an entry in.
    fn put_at(self, vacant: Self::Vacant, key: Self::Key, value: Self::Value) -> Result<Self::Here>;
    /// Replaces the value of an entry and gives the old one.
    fn replace_at(self, here: Self::Here, value: Self::Value) -> Result<Self::Value>;
    /// Takes an entry out and frees what it owns.
    fn remove_at(self, here: Self::Here) -> Result<()>;
    /// Notes that the value of an entry is changed, where changes are noted.
    fn note_change(self, here: Self::Here) -> Result<()>;
}

/// What was found of a key.
pub(crate) enum Found<H, V> {
    Here(H),
    Vacant(V),
}

/// The value of an entry, to be changed.
#[inline(always)]
pub(crate) fn lend_at<'a, M: Keyed<'a>>(map: M, here: M::Here) -> Result<<M::Value as Share>::Mut<'a>> {
    let lent = lend_new(map, here)?;
    map.note_change(here)?;
    Ok(lent)
}

/// The same of one that was put in a moment ago, and has been noted.
#[inline(always)]
fn lend_new<'a, M: Keyed<'a>>(map: M, here: M::Here) -> Result<<M::Value as Share>::Mut<'a>> {
    // SAFETY: the stored value of an entry; who asks has the map for itself during `'a`, and lends each once.
    unsafe { M::Value::view_mut(map.value_at(here), map.context()) }
}

/// The value of a key, to be changed; what `entry` gives is put in if there is none.
#[inline(always)]
pub(crate) fn or_insert<'a, M: Keyed<'a>>(
    map: M,
    found: Found<M::Here, M::Vacant>,
    entry: impl FnOnce() -> (M::Key, M::Value),
) -> Result<<M::Value as Share>::Mut<'a>> {
    let vacant = match found {
        Found::Here(here) => return lend_at(map, here),
        Found::Vacant(vacant) => vacant,
    };
    let (key, value) = entry();
    let here = map.put_at(vacant, key, value)?;
    match lend_new(map, here) {
        Ok(lent) => Ok(lent),
        Err(error) => {
            map.remove_at(here)?;
            Err(error)
        }
    }
}

/// A copy of an entry.
pub(crate) fn load_at<'a, M: Keyed<'a>>(map: M, here: M::Here) -> Result<(M::Key, M::Value)> {
    // SAFETY: a stored entry, which nobody changes meanwhile.
    unsafe {
        let key = M::Key::load(map.key_at(here), map.context())?;
        Ok((key, M::Value::load(map.value_at(here), map.context())?))
    }
}

/// The values of several entries at once, to be changed.
pub(crate) fn disjoint<'a, M: Keyed<'a>, const N: usize>(
    map: M,
    found: [Option<M::Here>; N],
) -> Result<[Option<<M::Value as Share>::Mut<'a>>; N]> {
    let mut lent = [const { None }; N];
    for (position, here) in found.iter().enumerate() {
        let Some(here) = *here else { continue };
        let again = |other: &Option<M::Here>| other.is_some_and(|other| map.key_at(other) == map.key_at(here));
        if found[..position].iter().any(again) {
            let (what, value) = ("position of a key", position as u64);
            return Err(Error::BadArgument { what, value, rule: "which must not be asked for twice" });
        }
        lent[position] = Some(lend_at(map, here)?);
    }
    Ok(lent)
}

/// One key's place in a map, which is borrowed meanwhile: see [`HashMapView::entry`](super::HashMapView::entry).
///
/// As in `std`, but that what changes the map gives a [`Result`]: an error means that nothing has changed.
pub enum Entry<'a, M: Keyed<'a>> {
    /// The key has a value.
    Occupied(OccupiedEntry<'a, M>),
    /// It has none.
    Vacant(VacantEntry<'a, M>),
}

/// A key that has a value.
pub struct OccupiedEntry<'a, M: Keyed<'a>> {
    map: M,
    here: M::Here,
    marker: PhantomData<&'a mut ()>,
}

/// A key that has no value.
pub struct VacantEntry<'a, M: Keyed<'a>> {
    map: M,
    vacant: M::Vacant,
    key: M::Key,
    marker: PhantomData<&'a mut ()>,
}

impl<'a, M: Keyed<'a>> Entry<'a, M> {
    pub(crate) fn new(map: M, key: M::Key, found: Found<M::Here, M::Vacant>) -> Self {
        match found {
            Found::Here(here) => Entry::Occupied(OccupiedEntry::new(map, here)),
            Found::Vacant(vacant) => Entry::Vacant(VacantEntry { map, vacant, key, marker: PhantomData }),
        }
    }

    /// The value, to be changed; `value` if there was none.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn or_insert(self, value: M::Value) -> Result<<M::Value as Share>::Mut<'a>> {
        self.or_insert_with(|| value)
    }

    /// The value, to be changed; what `value` gives if there was none.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn or_insert_with(self, value: impl FnOnce() -> M::Value) -> Result<<M::Value as Share>::Mut<'a>> {
        self.or_insert_with_key(|_| value())
    }

    /// The value, to be changed; what `value` gives for the key if there was none.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn or_insert_with_key(self, value: impl FnOnce(&M::Key) -> M::Value) -> Result<<M::Value as Share>::Mut<'a>> {
        match self {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let value = value(&entry.key);
                entry.insert(value)
            }
        }
    }

    /// The value, to be changed; the default if there was none.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn or_default(self) -> Result<<M::Value as Share>::Mut<'a>>
    where
        M::Value: Default,
    {
        self.or_insert_with(M::Value::default)
    }

    /// Changes the value, if there is one.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for its old value.
    pub fn and_modify(mut self, change: impl FnOnce(<M::Value as Share>::Mut<'_>)) -> Result<Self> {
        if let Entry::Occupied(entry) = &mut self {
            change(entry.try_get_mut()?);
        }
        Ok(self)
    }

    /// Gives the key this value, whether it has one or not.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn insert_entry(self, value: M::Value) -> Result<OccupiedEntry<'a, M>> {
        match self {
            Entry::Vacant(entry) => entry.insert_entry(value),
            Entry::Occupied(mut entry) => {
                entry.insert(value)?;
                Ok(entry)
            }
        }
    }
}

impl<'a, M: Keyed<'a>> OccupiedEntry<'a, M> {
    pub(crate) fn new(map: M, here: M::Here) -> Self {
        OccupiedEntry { map, here, marker: PhantomData }
    }

    /// The key, as it is stored.
    pub fn key(&self) -> <M::Key as Share>::Ref<'_> {
        // SAFETY: the stored key of an entry, which nobody changes while the map is borrowed.
        unsafe { M::Key::view(self.map.key_at(self.here), self.map.context()) }
    }

    /// The value.
    pub fn get(&self) -> <M::Value as Share>::Ref<'_> {
        // SAFETY: the stored value of an entry, which nobody changes while `self` is borrowed.
        unsafe { M::Value::view(self.map.value_at(self.here), self.map.context()) }
    }

    /// The value, to be changed. Its old one is logged first.
    ///
    /// # Panics
    /// If the log has no room for it (`OutOfSpace`); [`try_get_mut`](Self::try_get_mut) gives the error.
    pub fn get_mut(&mut self) -> <M::Value as Share>::Mut<'_> {
        lend(self.try_get_mut())
    }

    /// The value, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for its old value.
    pub fn try_get_mut(&mut self) -> Result<<M::Value as Share>::Mut<'_>> {
        // SAFETY: the stored value of an entry; the map is borrowed for this entry alone, and that for this call.
        let lent = unsafe { M::Value::view_mut(self.map.value_at(self.here), self.map.context())? };
        self.map.note_change(self.here)?;
        Ok(lent)
    }

    /// The value, to be changed for as long as the map is borrowed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for its old value.
    pub fn into_mut(self) -> Result<<M::Value as Share>::Mut<'a>> {
        lend_at(self.map, self.here)
    }

    /// Replaces the value, and gives the old one.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn insert(&mut self, value: M::Value) -> Result<M::Value> {
        self.map.replace_at(self.here, value)
    }

    /// Takes the entry out and gives its value.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read; [`Error::OutOfSpace`] only if not even the room kept for removals is
    /// left.
    pub fn remove(self) -> Result<M::Value> {
        self.remove_entry().map(|(_, value)| value)
    }

    /// Takes the entry out and gives it.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_entry(self) -> Result<(M::Key, M::Value)> {
        let entry = load_at(self.map, self.here)?;
        self.map.remove_at(self.here)?;
        Ok(entry)
    }
}

impl<'a, M: Keyed<'a>> VacantEntry<'a, M> {
    /// The key.
    pub fn key(&self) -> &M::Key {
        &self.key
    }

    /// The key, given back.
    pub fn into_key(self) -> M::Key {
        self.key
    }

    /// Puts the entry in, and gives its value to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn insert(self, value: M::Value) -> Result<<M::Value as Share>::Mut<'a>> {
        or_insert(self.map, Found::Vacant(self.vacant), || (self.key, value))
    }

    /// Puts the entry in, and gives it.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn insert_entry(self, value: M::Value) -> Result<OccupiedEntry<'a, M>> {
        Ok(OccupiedEntry::new(self.map, self.map.put_at(self.vacant, self.key, value)?))
    }
}

impl<'a, M: Keyed<'a>> fmt::Debug for Entry<'a, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Entry::Occupied(_)) { "Occupied(..)" } else { "Vacant(..)" })
    }
}

impl<'a, M: Keyed<'a>> fmt::Debug for OccupiedEntry<'a, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OccupiedEntry").finish_non_exhaustive()
    }
}

impl<'a, M: Keyed<'a>> fmt::Debug for VacantEntry<'a, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VacantEntry").finish_non_exhaustive()
    }
}

/// Overwrites a stored value by one store. Gives the old one, or the new one back if nothing was done.
///
/// # Safety
/// There is a value, which is locked; it owns nothing, and is overwritten whole.
#[inline(always)]
pub(super) unsafe fn replace_at_once<V: Share>(place: *mut V::Stored, value: V, cx: Cx) -> std::result::Result<V, V> {
    // SAFETY: the caller's promise.
    unsafe {
        let Ok(old) = V::load(place, cx) else { return Err(value) };
        // What owns nothing is stored without an error.
        if let Ok(stored) = value.into_stored(cx) {
            store_whole(place, stored);
        }
        Ok(old)
    }
}
