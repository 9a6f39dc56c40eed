//! The view of a map.

use super::insert::{store, store_both};
use super::node::Leaf;
use super::range::{Iter, IterMut, Range, RangeMut, Span};
use super::tree::{Found, Head, Place, Tree, free_tree};
use crate::containers::vec::lend;
use crate::error::Result;
use crate::schema::{Key, Lookup, Plain, Share};
use crate::tx::Cx;
use std::collections::BTreeMap;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::{Index, RangeBounds};

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

    #[inline(always)]
    fn find<Q: ?Sized>(&self, key: &Q) -> Option<Place<K, V>>
    where
        K: Lookup<Q>,
    {
        let tree = self.tree();
        // SAFETY: stored keys, in the map.
        tree.find(|stored| unsafe { K::compare_with(stored, tree.cx, key) })
    }

    #[inline(always)]
    fn key_value(&self, place: Place<K, V>) -> (K::Ref<'_>, V::Ref<'_>) {
        let cx = self.tree().cx;
        // SAFETY: an entry of a leaf; nobody changes it while `self` is borrowed.
        unsafe { (K::view(place.leaf.key(place.index), cx), V::view(place.leaf.value(place.index), cx)) }
    }

    #[inline(always)]
    fn lend(&mut self, place: Place<K, V>) -> Result<V::Mut<'_>> {
        // SAFETY: an entry of a leaf; `self` is borrowed for this alone.
        unsafe { V::view_mut(place.leaf.value(place.index), self.tree().cx) }
    }

    /// A copy of an entry.
    fn load(&self, place: Place<K, V>) -> Result<(K, V)> {
        let cx = self.tree().cx;
        // SAFETY: an entry of a leaf; nobody changes it while `self` is borrowed.
        unsafe { Ok((K::load(place.leaf.key(place.index), cx)?, V::load(place.leaf.value(place.index), cx)?)) }
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
            Some(place) => self.lend(place).map(Some),
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
        let entry = self.load(place)?;
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
        // SAFETY: an entry of a leaf; what was taken out of it is dropped once.
        unsafe {
            let old = V::load(place.leaf.value(place.index), cx)?;
            let mut replaced = tree.replace(place, || store(value, cx))?;
            V::drop_stored(replaced.as_mut_ptr(), cx)?;
            Ok(Some(old))
        }
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
        let cx = tree.cx;
        // SAFETY: stored keys, in the map.
        let vacant = match tree.seek(|stored| unsafe { K::compare_with(stored, cx, key) })? {
            Found::Here(place) => return self.lend(place),
            Found::Vacant(place) => place,
        };
        let value = value();
        let place = tree.insert(vacant, || store_both(key.to_owned(), value, cx))?;
        // SAFETY: the entry was just put in; `self` is borrowed for this alone.
        match unsafe { V::view_mut(place.leaf.value(place.index), cx) } {
            Ok(lent) => Ok(lent),
            Err(error) => {
                self.tree().remove(place)?;
                Err(error)
            }
        }
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
        let entry = self.load(place)?;
        tree.remove(place)?;
        Ok(Some(entry))
    }

    /// Takes all entries out and gives the memory back, which serves other objects after commit.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn clear(&mut self) -> Result<()> {
        self.tree().clear()
    }

    /// Keeps the entries for which `keep` gives true. Values are lent for changing, and logged first.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room; what `keep` changed is undone, too.
    pub fn retain(&mut self, mut keep: impl FnMut(K::Ref<'_>, V::Mut<'_>) -> bool) -> Result<()> {
        let tree = self.tree();
        let cx = tree.cx;
        cx.atomically(|| {
            let mut left = tree.len();
            let Some(leaf) = tree.edge(false) else { return tree.without_leaf(()) };
            let mut place = Place { leaf, index: 0 };
            while left > 0 {
                if place.index >= place.leaf.count() {
                    let next = Leaf::open(cx, place.leaf.head().next.get());
                    let next = next.filter(|next| next.count() > 0);
                    place = Place { leaf: next.ok_or_else(|| tree.head.corrupt())?, index: 0 };
                }
                left -= 1;
                // SAFETY: an entry of a leaf; nobody else sees it.
                let wanted = unsafe {
                    let value = V::view_mut(place.leaf.value(place.index), cx)?;
                    keep(K::view(place.leaf.key(place.index), cx), value)
                };
                if wanted {
                    place.index += 1;
                } else {
                    place = tree.remove(place)?;
                }
            }
            Ok(())
        })
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
        unsafe { IterMut::new(self.tree().all(), self.len()) }
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
        unsafe { RangeMut::new(self.tree().range(&range)) }
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()>
    where
        K: Lookup<K>,
    {
        let tree = self.tree();
        tree.cx.atomically(|| entries.into_iter().try_for_each(|(key, value)| tree.put(key, value)))
    }

    /// Moves all entries of another map into this one; where both have a key, its value becomes that of the
    /// other. Under one guard or transaction entries stay where what they own is; from another one they are
    /// copied.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); then none was moved.
    pub fn append(&mut self, other: &mut BTreeMapView<K, V>) -> Result<()>
    where
        K: Lookup<K>,
    {
        let (tree, from) = (self.tree(), other.tree());
        if from.is_vacant()? {
            return Ok(());
        }
        let (cx, mut entries, mut moved) = (tree.cx, from.all(), 0);
        let stays = cx.metadata() == from.cx.metadata();
        cx.atomically(|| {
            while let Some(place) = entries.next() {
                moved += 1;
                if stays {
                    // SAFETY: an entry of the other tree, which is about to give it up.
                    unsafe { tree.adopt(place)? };
                } else {
                    let (key, value) = other.load(place)?;
                    tree.put(key, value)?;
                }
            }
            if moved != from.len() {
                return Err(from.head.corrupt());
            }
            if !stays {
                return from.clear();
            }
            from.head.keep(cx, cx.stamp()?)?;
            if let Some((root, levels)) = from.root() {
                // SAFETY: the entries are in the own tree now, the nodes nowhere.
                unsafe { free_tree::<K, V>(cx, root, levels, false)? };
            }
            from.head.set_root(0, 0);
            from.head.len.put(0);
            Ok(())
        })
    }

    /// Takes out the entries from `key` on, and gives them.
    ///
    /// # Errors
    /// As [`pop_first`](Self::pop_first).
    pub fn split_off<Q: ?Sized>(&mut self, key: &Q) -> Result<BTreeMap<K, V>>
    where
        K: Lookup<Q> + Ord,
    {
        let tree = self.tree();
        let cx = tree.cx;
        // SAFETY: stored keys, in the map.
        let order = |stored: *const K::Stored| unsafe { K::compare_with(stored, cx, key) };
        cx.atomically(|| {
            let mut taken = Vec::new();
            let wanted = |place: &Place<K, V>| order(place.leaf.key(place.index)).is_ge();
            while let Some(place) = tree.edge_place(true).filter(wanted) {
                taken.push(self.load(place)?);
                tree.remove(place)?;
            }
            Ok(taken.into_iter().rev().collect())
        })
    }

    /// A copy, owned by the process.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it cannot be read.
    pub fn to_map(&self) -> Result<BTreeMap<K, V>>
    where
        K: Ord,
    {
        self.load_all()
    }

    /// All entries, in order, as a collection of the process.
    pub(super) fn load_all<C: FromIterator<(K, V)>>(&self) -> Result<C> {
        let tree = self.tree();
        let mut entries = if tree.is_vacant()? { Span::empty(tree.cx) } else { tree.all() };
        let mut loaded = 0;
        let all = std::iter::from_fn(|| {
            let place = entries.next()?;
            loaded += 1;
            Some(self.load(place))
        });
        let all = all.collect::<Result<C>>()?;
        if loaded == tree.head.len.get() { Ok(all) } else { Err(tree.head.corrupt()) }
    }
}

impl<K: Key, V: Share> Tree<'_, K, V> {
    /// Puts an entry of another tree of the same context in as it is.
    ///
    /// # Safety
    /// It is an entry of another tree, which is given up there.
    unsafe fn adopt(self, place: Place<K, V>) -> Result<()> {
        let (cx, key, value) = (self.cx, place.leaf.key(place.index), place.leaf.value(place.index));
        // SAFETY: stored keys, in the map; and the caller's promise.
        unsafe {
            match self.seek(|stored| K::compare(stored, key, cx))? {
                Found::Vacant(vacant) => self.insert(vacant, || Ok((key.read(), value.read()))).map(drop),
                Found::Here(own) => {
                    let mut old = self.replace(own, || Ok(value.read()))?;
                    V::drop_stored(old.as_mut_ptr(), cx)?;
                    K::drop_stored(key, cx)
                }
            }
        }
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

impl<K: Key, V: Share> fmt::Debug for BTreeMapView<K, V>
where
    for<'a> K::Ref<'a>: fmt::Debug,
    for<'a> V::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Key, V: Share> PartialEq for BTreeMapView<K, V>
where
    for<'a, 'b> K::Ref<'a>: PartialEq<K::Ref<'b>>,
    for<'a, 'b> V::Ref<'a>: PartialEq<V::Ref<'b>>,
{
    fn eq(&self, other: &BTreeMapView<K, V>) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(a, b)| a.0 == b.0 && a.1 == b.1)
    }
}

impl<K: Key, V: Share> Eq for BTreeMapView<K, V>
where
    for<'a, 'b> K::Ref<'a>: PartialEq<K::Ref<'b>> + Eq,
    for<'a, 'b> V::Ref<'a>: PartialEq<V::Ref<'b>> + Eq,
{
}

impl<K: Key + Lookup<K>, V: Share> PartialEq<BTreeMap<K, V>> for BTreeMapView<K, V>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<&'b V>,
{
    fn eq(&self, other: &BTreeMap<K, V>) -> bool {
        self.len() == other.len() && other.iter().all(|(key, value)| self.get(key).is_some_and(|own| own == value))
    }
}

impl<K: Key + Lookup<K>, V: Share> PartialEq<BTreeMapView<K, V>> for BTreeMap<K, V>
where
    for<'a, 'b> V::Ref<'a>: PartialEq<&'b V>,
{
    fn eq(&self, other: &BTreeMapView<K, V>) -> bool {
        other == self
    }
}
