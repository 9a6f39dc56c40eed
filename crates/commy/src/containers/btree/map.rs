//! The view of a map.

use super::range::{Iter, IterMut, Range, RangeMut};
use super::tree::{Found, Head, Place, Tree};
use crate::containers::entry::{self, Entry, Keyed, OccupiedEntry, load_at, replace_at_once, store_both};
use crate::containers::vec::{lend, store};
use crate::error::Result;
use crate::layout::is_whole;
use crate::schema::{Key, Lookup, Plain, Share, compare_unlocked};
use crate::tx::{Cx, Operation};
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::{Bound, Index, RangeBounds};

/// A `BTreeMap<K, V>` in a segment, seen in place.
///
/// Methods bear the names of [`std::collections::BTreeMap`]. Those that change the map give a [`Result`]: an
/// error means that nothing has changed. Keys are looked up by whatever they can be compared with, a `String` by
/// `&str`. Everything that looks for one key takes time in proportion to the logarithm of the length.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// use std::collections::BTreeMap;
/// let years: commy::Shared<BTreeMap<u32, String>> = segment.open_or_create("years")?;
/// let mut years = years.write()?;
/// years.insert(1815, "Ada".into())?;
/// years.insert(1906, "Grace".into())?;
/// years.insert(1912, "Alan".into())?;
/// assert_eq!(years.range(1900..).map(|(_, name)| name).collect::<Vec<_>>(), ["Grace", "Alan"]);
/// assert_eq!(years.pop_first()?, Some((1815, "Ada".to_string())));
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct BTreeMapView<K: Share, V: Share> {
    head: Head,
    marker: PhantomData<(K, V, *mut ())>,
    cx: [()],
}

// SAFETY: through a shared reference a view is only read, by loads of words and through `view` of keys and
// values; what that gives in each thread may be used in any.
unsafe impl<K: Share, V: Share> Sync for BTreeMapView<K, V>
where
    for<'a> K::Ref<'a>: Send + Sync,
    for<'a> V::Ref<'a>: Send + Sync,
{
}

impl<K: Key, V: Share> BTreeMapView<K, V> {
    #[inline(always)]
    pub(super) fn tree(&self) -> Tree<'_, K, V> {
        // SAFETY: a view is made with its context's metadata, and does not outlive it.
        Tree::new(&self.head, unsafe { Cx::from_metadata(self.cx.len()) })
    }

    /// For lending many values.
    #[inline(always)]
    fn tree_lent(&self) -> Tree<'_, K, V> {
        let tree = self.tree();
        lend(tree.note_others());
        tree
    }

    #[inline(always)]
    fn find<Q: ?Sized>(&self, key: &Q) -> Option<Place<K, V>>
    where
        K: Lookup<Q>,
    {
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        tree.find(|stored| unsafe { K::compare_with(stored, tree.cx, key) })
    }

    /// Where the value of a key is stored, also without the lock.
    #[inline(always)]
    pub(crate) fn place_of_value<Q: ?Sized>(&self, key: &Q) -> Option<*const V::Stored>
    where
        K: Lookup<Q>,
    {
        self.find_unlocked(key).map(|place| place.leaf.value(place.index).cast_const())
    }

    /// Overwrites the value of a key that is there, without a transaction: by one store. Gives the old value; an error
    /// if there is no such key, or values are not overwritten so.
    pub(crate) fn replace_at_once(&self, key: K, value: V) -> std::result::Result<V, (K, V)>
    where
        K: Lookup<K>,
    {
        let Some(place) = self.find(&key).filter(|_| !V::OWNS && is_whole::<V::Stored>()) else {
            return Err((key, value));
        };
        // SAFETY: the value of an entry, which is locked; a value that owns nothing has nothing to free.
        let replaced = unsafe { replace_at_once(place.leaf.value(place.index), value, self.tree().cx) };
        replaced.map_err(|value| (key, value))
    }

    /// Whether there is an entry of that key, also without the lock.
    pub(crate) fn has_key_unlocked<Q: ?Sized>(&self, key: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        self.find_unlocked(key).is_some()
    }

    /// A copy of the first entry, or of the last, also without the lock.
    pub(crate) fn load_edge(&self, last: bool) -> Result<Option<(K, V)>> {
        let tree = self.tree();
        tree.edge_place(last).map(|place| load_at(tree, place)).transpose()
    }

    /// Copies of up to `many` entries behind a key, or from the first on, also without the lock.
    pub(crate) fn load_behind<Q: ?Sized>(&self, after: Option<&Q>, many: usize) -> Result<Vec<(K, V)>>
    where
        K: Lookup<Q>,
    {
        let tree = self.tree();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = tree.range(&(from, Bound::Unbounded));
        std::iter::from_fn(|| entries.next()).take(many).map(|place| load_at(tree, place)).collect()
    }

    /// Where a key is, while others may write.
    #[inline]
    pub(super) fn find_unlocked<Q: ?Sized>(&self, key: &Q) -> Option<Place<K, V>>
    where
        K: Lookup<Q>,
    {
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        tree.find(|stored| unsafe { compare_unlocked::<K, Q>(stored, tree.cx, key) })
    }

    #[inline(always)]
    fn key_value(&self, place: Place<K, V>) -> (K::Ref<'_>, V::Ref<'_>) {
        let cx = self.tree().cx;
        // SAFETY: an entry of a leaf; nobody changes it while `self` is borrowed.
        unsafe { (K::view(place.leaf.key(place.index), cx), V::view(place.leaf.value(place.index), cx)) }
    }

    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree().len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<V::Ref<'_>>
    where
        K: Lookup<Q>,
    {
        let place = self.find(key)?;
        // SAFETY: an entry of a leaf; nobody changes it while `self` is borrowed.
        Some(unsafe { V::view(place.leaf.value(place.index), self.tree().cx) })
    }

    /// A key and its value, as they are stored.
    #[inline]
    pub fn get_key_value<Q: ?Sized>(&self, key: &Q) -> Option<(K::Ref<'_>, V::Ref<'_>)>
    where
        K: Lookup<Q>,
    {
        self.find(key).map(|place| self.key_value(place))
    }

    /// Whether there is an entry of that key.
    #[inline]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        self.find(key).is_some()
    }

    /// The value of a key, to be changed. Its old value is logged first.
    ///
    /// # Panics
    /// If the log has no room for it (`OutOfSpace`); [`try_get_mut`](Self::try_get_mut) gives the error.
    #[inline]
    pub fn get_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<V::Mut<'_>>
    where
        K: Lookup<Q>,
    {
        lend(self.try_get_mut(key))
    }

    /// The value of a key, to be changed.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room for its old value.
    #[inline]
    pub fn try_get_mut<Q: ?Sized>(&mut self, key: &Q) -> Result<Option<V::Mut<'_>>>
    where
        K: Lookup<Q>,
    {
        match self.find(key) {
            Some(place) => entry::lend_at(self.tree(), place).map(Some),
            None => Ok(None),
        }
    }

    /// The entry with the smallest key.
    #[inline]
    pub fn first_key_value(&self) -> Option<(K::Ref<'_>, V::Ref<'_>)> {
        self.tree().edge_place(false).map(|place| self.key_value(place))
    }

    /// The entry with the largest key.
    #[inline]
    pub fn last_key_value(&self) -> Option<(K::Ref<'_>, V::Ref<'_>)> {
        self.tree().edge_place(true).map(|place| self.key_value(place))
    }

    /// Takes the entry with the smallest key out and gives it.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read; [`Error::OutOfSpace`](crate::Error::OutOfSpace)
    /// only if not even the room kept for removals is left.
    #[inline]
    pub fn pop_first(&mut self) -> Result<Option<(K, V)>> {
        self.pop(false)
    }

    /// Takes the entry with the largest key out and gives it.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    #[inline]
    pub fn pop_last(&mut self) -> Result<Option<(K, V)>> {
        self.pop(true)
    }

    fn pop(&mut self, last: bool) -> Result<Option<(K, V)>> {
        let tree = self.tree();
        let Some(place) = tree.edge_place(last) else { return tree.without_leaf(None) };
        let entry = load_at(tree, place)?;
        tree.remove(place)?;
        Ok(Some(entry))
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
        let tree = self.tree();
        let cx = tree.cx;
        // SAFETY: stored keys, in the map.
        let place = match tree.seek(|stored| unsafe { K::compare_with(stored, cx, &key) })? {
            Found::Here(place) => place,
            Found::Vacant(place) => {
                tree.insert(place, || store_both(key, value, cx))?;
                return Ok(None);
            }
        };
        tree.replace_at(place, value).map(Some)
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
    /// use std::collections::BTreeMap;
    /// let words: commy::Shared<BTreeMap<String, u64>> = segment.open_or_create("words")?;
    /// let mut words = words.write()?;
    /// for word in ["to", "be", "or", "not", "to", "be"] {
    ///     words.entry(word.into())?.and_modify(|count| *count += 1)?.or_insert(1)?;
    /// }
    /// assert_eq!(words.first_entry()?.unwrap().remove()?, 2);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the map cannot be read.
    pub fn entry(&mut self, key: K) -> Result<Entry<'_, Tree<'_, K, V>>>
    where
        K: Lookup<K>,
    {
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        let found = tree.seek(|stored| unsafe { K::compare_with(stored, tree.cx, &key) })?;
        Ok(Entry::new(tree, key, found))
    }

    /// The entry with the smallest key, to look at and to change.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the map cannot be read.
    pub fn first_entry(&mut self) -> Result<Option<OccupiedEntry<'_, Tree<'_, K, V>>>> {
        self.edge_entry(false)
    }

    /// The entry with the largest key, to look at and to change.
    ///
    /// # Errors
    /// As [`first_entry`](Self::first_entry).
    pub fn last_entry(&mut self) -> Result<Option<OccupiedEntry<'_, Tree<'_, K, V>>>> {
        self.edge_entry(true)
    }

    fn edge_entry(&mut self, last: bool) -> Result<Option<OccupiedEntry<'_, Tree<'_, K, V>>>> {
        let tree = self.tree();
        match tree.edge_place(last) {
            Some(place) => Ok(Some(OccupiedEntry::new(tree, place))),
            None => tree.without_leaf(None),
        }
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
        entry::disjoint(self.tree(), keys.map(|key| self.find(key)))
    }

    /// The value of a key, to be changed; `value` if there was none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use std::collections::BTreeMap;
    /// let words: commy::Shared<BTreeMap<String, u64>> = segment.open_or_create("words")?;
    /// let mut guard = words.write()?;
    /// for word in "to be or not to be".split(' ') {
    ///     *guard.entry_or_insert(word, 0)? += 1;
    /// }
    /// assert_eq!(guard.first_key_value(), Some(("be", &2)));
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
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        let found = tree.seek(|stored| unsafe { K::compare_with(stored, tree.cx, key) })?;
        entry::or_insert(tree, found, || (key.to_owned(), value()))
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
    /// As [`pop_first`](Self::pop_first).
    #[inline]
    pub fn remove<Q: ?Sized>(&mut self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        let found = tree.seek(|stored| unsafe { K::compare_with(stored, tree.cx, key) })?;
        let Found::Here(place) = found else { return Ok(None) };
        // SAFETY: an entry of a leaf; nobody else sees it.
        let value = unsafe { V::load(place.leaf.value(place.index), tree.cx)? };
        tree.remove(place)?;
        Ok(Some(value))
    }

    /// Takes the entry of a key out and gives it.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn remove_entry<Q: ?Sized>(&mut self, key: &Q) -> Result<Option<(K, V)>>
    where
        K: Lookup<Q>,
    {
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        let found = tree.seek(|stored| unsafe { K::compare_with(stored, tree.cx, key) })?;
        let Found::Here(place) = found else { return Ok(None) };
        let entry = load_at(tree, place)?;
        tree.remove(place)?;
        Ok(Some(entry))
    }

    /// The entries in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_, K, V> {
        // SAFETY: nobody changes the tree while `self` is borrowed.
        unsafe { Iter::new(self.tree().all(), self.len()) }
    }

    /// The entries in order, the values to be changed; each is logged when the iterator comes to it.
    ///
    /// # Panics
    /// The iterator does as [`get_mut`](Self::get_mut).
    #[inline]
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        // SAFETY: `self` is borrowed for this alone.
        unsafe { IterMut::new(self.tree_lent().all(), self.len()) }
    }

    /// The keys in order.
    #[inline]
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K::Ref<'_>> + ExactSizeIterator + FusedIterator + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    #[inline]
    pub fn values(&self) -> impl DoubleEndedIterator<Item = V::Ref<'_>> + ExactSizeIterator + FusedIterator + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// The values, in the order of their keys, to be changed; each is logged when the iterator comes to it.
    ///
    /// # Panics
    /// The iterator does as [`get_mut`](Self::get_mut).
    #[inline]
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = V::Mut<'_>> + ExactSizeIterator + FusedIterator {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The entries whose keys are in a range, in order. A range that ends before it begins has none (where
    /// `std` panics).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::collections::BTreeMap;
    /// # use std::ops::Bound::{Excluded, Unbounded};
    /// let ages: commy::Shared<BTreeMap<String, u32>> = segment.open_or_create("ages")?;
    /// ages.write()?.extend([("Ada".into(), 36), ("Alan".into(), 41), ("Grace".into(), 85)])?;
    /// let ages = ages.read()?;
    /// assert_eq!(ages.range::<str, _>((Excluded("Ada"), Unbounded)).next(), Some(("Alan", &41)));
    /// assert_eq!(ages.range("Ada".to_string().."Bob".to_string()).count(), 2);
    /// # Ok::<(), commy::Error>(())
    /// ```
    #[inline]
    pub fn range<Q: ?Sized, R: RangeBounds<Q>>(&self, range: R) -> Range<'_, K, V>
    where
        K: Lookup<Q>,
    {
        // SAFETY: nobody changes the tree while `self` is borrowed.
        unsafe { Range::new(self.tree().range(&range)) }
    }

    /// The entries whose keys are in a range, in order, the values to be changed; each is logged when the
    /// iterator comes to it. A range that ends before it begins has none.
    ///
    /// # Panics
    /// The iterator does as [`get_mut`](Self::get_mut).
    #[inline]
    pub fn range_mut<Q: ?Sized, R: RangeBounds<Q>>(&mut self, range: R) -> RangeMut<'_, K, V>
    where
        K: Lookup<Q>,
    {
        // SAFETY: `self` is borrowed for this alone.
        unsafe { RangeMut::new(self.tree_lent().range(&range)) }
    }
}

impl<'a, K: Key, V: Share> Keyed<'a> for Tree<'a, K, V> {
    type Key = K;
    type Value = V;
    type Here = Place<K, V>;
    type Vacant = Option<Place<K, V>>;

    #[inline(always)]
    fn context(self) -> Cx {
        self.cx
    }
    #[inline(always)]
    fn key_at(self, here: Place<K, V>) -> *const K::Stored {
        here.leaf.key(here.index)
    }
    #[inline(always)]
    fn value_at(self, here: Place<K, V>) -> *mut V::Stored {
        here.leaf.value(here.index)
    }
    #[inline(always)]
    fn put_at(self, vacant: Option<Place<K, V>>, key: K, value: V) -> Result<Place<K, V>> {
        self.insert(vacant, || store_both(key, value, self.cx))
    }
    #[inline(always)]
    fn replace_at(self, here: Place<K, V>, value: V) -> Result<V> {
        // SAFETY: an entry of a leaf; what was taken out of it is dropped once.
        unsafe {
            let old = V::load(here.leaf.value(here.index), self.cx)?;
            let mut replaced = self.replace(here, || store(value, self.cx))?;
            V::drop_stored(replaced.as_mut_ptr(), self.cx)?;
            Ok(old)
        }
    }
    fn remove_at(self, here: Place<K, V>) -> Result<()> {
        self.remove(here).map(drop)
    }
    #[inline(always)]
    fn note_change(self, here: Place<K, V>) -> Result<()> {
        // SAFETY: the key of an entry.
        unsafe { self.note(Operation::Changed, self.key_at(here)) }
    }
}

impl<'a, K: Key, V: Share> IntoIterator for &'a BTreeMapView<K, V> {
    type Item = (K::Ref<'a>, V::Ref<'a>);
    type IntoIter = Iter<'a, K, V>;
    #[inline]
    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<'a, K: Key, V: Share> IntoIterator for &'a mut BTreeMapView<K, V> {
    type Item = (K::Ref<'a>, V::Mut<'a>);
    type IntoIter = IterMut<'a, K, V>;
    #[inline]
    fn into_iter(self) -> IterMut<'a, K, V> {
        self.iter_mut()
    }
}

impl<K: Key + Lookup<Q>, V: Plain, Q: ?Sized> Index<&Q> for BTreeMapView<K, V> {
    type Output = V;

    /// The value of a key.
    ///
    /// # Panics
    /// If there is no such key.
    #[inline]
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("no entry found for key")
    }
}
