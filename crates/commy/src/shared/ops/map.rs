//! One-operation forms of maps.

use super::is_small;
use crate::containers::{Copied, Inserted, Kept, Parts, Sight};
use crate::error::{Error, Result};
use crate::layout::is_whole;
use crate::schema::{Key, Lookup, Share};
use crate::shared::Shared;
use crate::tx::Cx;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

impl<K: Key + Lookup<K> + Eq + Hash, V: Share> Shared<HashMap<K, V>> {
    /// How many entries there are.
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

    /// A copy of the value of a key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        match self.recall(key) {
            Some(found) => Ok(found),
            None => self.get_anew(key),
        }
    }

    /// What `look` gives for the value of a key, which it is lent in place, under the read lock: nothing is copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let names: commy::Shared<std::collections::HashMap<u32, String>> = segment.open_or_create("names")?;
    /// names.insert(7, "Ada Lovelace".into())?;
    /// assert_eq!(names.view(&7, |name| name.starts_with("Ada"))?, Some(true));
    /// assert_eq!(names.view(&8, |name| name.len())?, None);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read). `look` gets one if it changes this very map.
    #[inline]
    pub fn view<Q: ?Sized, R>(&self, key: &Q, look: impl FnOnce(V::Ref<'_>) -> R) -> Result<Option<R>>
    where
        K: Lookup<Q>,
    {
        Ok(self.read()?.get(key).map(look))
    }

    /// The same for a thread that does not remember where it has to look.
    #[cold]
    #[inline(never)]
    fn get_anew<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        if V::SOON
            && self.learn(|view, known| view.learn(known))
            && let Some(found) = self.recall(key)
        {
            return Ok(found);
        }
        self.copy_of(move |view| view.place_of_value(key), move |view| view.place_of_value(key))
    }

    /// The map by what the thread remembers of it.
    ///
    /// # Safety
    /// It is what `by_heart` or `change_by_heart` hands out.
    #[inline(always)]
    unsafe fn sight<'a, P: Parts>(&'a self, parts: P) -> Sight<K, V, P, impl Fn() -> Cx + Copy + use<'a, K, V, P>> {
        // SAFETY: what threads remember of a map is what `learn` has stored; the caller's promise.
        unsafe { Sight::of(parts, || self.reader()) }
    }

    /// A copy of the value of a key by what the thread remembers of the map.
    #[inline(always)]
    fn recall<Q: ?Sized>(&self, key: &Q) -> Option<Option<V>>
    where
        K: Lookup<Q>,
    {
        if !V::SOON {
            return None;
        }
        // SAFETY: what it hands out.
        self.by_heart(|known| unsafe { self.sight(Copied::from(known)) }.load_soon(key))
    }

    /// Whether there is an entry of that key by what the thread remembers of the map.
    #[inline(always)]
    fn recall_key<Q: ?Sized>(&self, key: &Q) -> Option<bool>
    where
        K: Lookup<Q>,
    {
        // SAFETY: what it hands out.
        self.by_heart(|known| Some(unsafe { self.sight(Copied::from(known)) }.has(key)))
    }

    /// A page of a walk through all entries: copies of some of them, at least `many` unless the end comes before, and
    /// the cursor of the next page. The walk begins with cursor 0 and ends when there is no next one.
    ///
    /// Each page is of one moment. An entry that is there all the time is given at least once, whatever happens in
    /// between, and exactly once if the map does not grow or shrink.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let squares: commy::Shared<std::collections::HashMap<u32, u32>> = segment.open_or_create("squares")?;
    /// squares.extend((0..100).map(|n| (n, n * n)))?;
    /// let (mut next, mut seen) = (Some(0), 0);
    /// while let Some(cursor) = next {
    ///     let (page, cursor) = squares.scan(cursor, 10)?;
    ///     seen += page.len();
    ///     next = cursor;
    /// }
    /// assert_eq!(seen, 100);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn scan(&self, cursor: u64, many: usize) -> Result<(Vec<(K, V)>, Option<u64>)> {
        self.survey(|view| view.load_page(cursor, many))
    }

    /// Whether there is an entry of that key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> Result<bool>
    where
        K: Lookup<Q>,
    {
        match self.recall_key(key) {
            Some(found) => Ok(found),
            None => self.contains_key_anew(key),
        }
    }

    /// The same for a thread that does not remember where it has to look.
    #[cold]
    #[inline(never)]
    fn contains_key_anew<Q: ?Sized>(&self, key: &Q) -> Result<bool>
    where
        K: Lookup<Q>,
    {
        if self.learn(|view, known| view.learn(known))
            && let Some(found) = self.recall_key(key)
        {
            return Ok(found);
        }
        self.peek(move |view| view.has_key_unlocked(key))
    }

    /// Puts an entry in. Gives the value that the key had.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>> {
        if !goes_in_at_a_stroke::<K, V>() {
            return self.insert_anew(Ok((key, value)));
        }
        match self.insert_by_heart(key, value) {
            Ok(old) => Ok(old),
            Err(entry) => self.insert_anew(entry),
        }
    }

    /// The same by what the thread remembers of the map; gives back the entry if it cannot be done so.
    #[inline(always)]
    fn insert_by_heart(&self, key: K, value: V) -> Inserted<K, V> {
        // SAFETY: what it hands out; and then the map is locked.
        unsafe {
            self.change_by_heart(
                <K as Lookup<K>>::QUIET && <K as Share>::QUIET && V::QUIET,
                (key, value),
                |known, (key, _)| self.sight(known).foresee(key),
                |known, hash, begin, worker, entry| {
                    self.sight(known).insert(|| self.in_place(known), hash, || begin.now(), worker, entry)
                },
                Ok,
            )
        }
    }

    /// The same for a thread that does not remember where it has to look, or has more to do.
    #[cold]
    #[inline(never)]
    fn insert_anew(&self, entry: std::result::Result<(K, V), Box<Error>>) -> Result<Option<V>> {
        let (mut key, mut value) = entry.map_err(|error| *error)?;
        if self.keeps_changes() {
            return self.change(|view| view.insert(key, value));
        }
        if goes_in_at_a_stroke::<K, V>() && self.learn_favoured(|view, known| view.learn(known)) {
            match self.insert_by_heart(key, value) {
                Ok(old) => return Ok(old),
                Err(entry) => (key, value) = entry.map_err(|error| *error)?,
            }
        }
        if !is_small::<K>() || !is_small::<V>() {
            return self.change_foreseen(
                (key, value),
                |view, (key, _)| view.foresee(key),
                |view, (key, value)| view.insert(key, value),
            );
        }
        self.at_a_stroke(
            (key, value),
            |view, (key, _)| view.foresee(key),
            |view, log, (key, value)| view.insert_at_once(log, key, value),
            |view, entry| entry.map_err(|error| *error).and_then(|(key, value)| view.insert(key, value)),
        )
    }

    /// Takes an entry out. Gives its value.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn remove<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        if !comes_out_at_a_stroke::<K, V>() {
            return self.remove_anew(key);
        }
        match self.remove_by_heart(key) {
            Ok(old) => Ok(Some(old)),
            Err(Kept::Absent) => Ok(None),
            Err(Kept::Else) => self.remove_anew(key),
        }
    }

    /// The same by what the thread remembers of the map.
    #[inline(always)]
    fn remove_by_heart<Q: ?Sized>(&self, key: &Q) -> std::result::Result<V, Kept>
    where
        K: Lookup<Q>,
    {
        // SAFETY: as in `insert_by_heart`.
        unsafe {
            self.change_by_heart(
                <K as Lookup<Q>>::QUIET && V::QUIET,
                key,
                |known, key| self.sight(known).foresee(*key),
                |known, hash, begin, worker, key| {
                    self.sight(known).remove(|| self.in_place(known), hash, || begin.now(), worker, key)
                },
                |_| Kept::Else,
            )
        }
    }

    /// The same for a thread that does not remember where it has to look, or has more to do.
    #[cold]
    #[inline(never)]
    fn remove_anew<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        if self.keeps_changes() {
            return self.change(|view| view.remove(key));
        }
        if comes_out_at_a_stroke::<K, V>() && self.learn_favoured(|view, known| view.learn(known)) {
            match self.remove_by_heart(key) {
                Ok(old) => return Ok(Some(old)),
                Err(Kept::Absent) => return Ok(None),
                Err(Kept::Else) => {}
            }
        }
        if !is_small::<K>() || !is_small::<V>() {
            return self.change_foreseen(key, |view, key| view.foresee(*key), |view, key| view.remove(key));
        }
        self.at_a_stroke(
            key,
            |view, key| view.foresee(*key),
            |view, log, key| view.remove_at_once(log, key).map(Some),
            |view, kept| if kept == Kept::Absent { Ok(None) } else { view.remove(key) },
        )
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// As [`insert`](Shared::insert).
    pub fn extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        self.change(|view| view.extend(entries))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|view| view.clear())
    }
}

/// Whether entries own nothing, or a block for the key and one for the value that can be found before they are needed.
const fn goes_in_at_a_stroke<K: Share, V: Share>() -> bool {
    is_small::<K>() && is_small::<V>() || K::IN_A_BLOCK && V::IN_A_BLOCK
}

/// Whether entries own no more than a block for the key and one for the value.
const fn comes_out_at_a_stroke<K: Share, V: Share>() -> bool {
    (is_small::<K>() || K::OWNS_A_BLOCK) && (is_small::<V>() || V::OWNS_A_BLOCK)
}

impl<K: Key + Lookup<K> + Ord, V: Share> Shared<BTreeMap<K, V>> {
    /// How many entries there are.
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

    /// A copy of the value of a key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        self.copy_of(move |view| view.place_of_value(key), move |view| view.place_of_value(key))
    }

    /// What `look` gives for the value of a key, which it is lent in place, under the read lock: nothing is copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let names: commy::Shared<std::collections::BTreeMap<u32, String>> = segment.open_or_create("names")?;
    /// names.insert(7, "Ada Lovelace".into())?;
    /// assert_eq!(names.view(&7, |name| name.starts_with("Ada"))?, Some(true));
    /// assert_eq!(names.view(&8, |name| name.len())?, None);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read). `look` gets one if it changes this very map.
    #[inline]
    pub fn view<Q: ?Sized, R>(&self, key: &Q, look: impl FnOnce(V::Ref<'_>) -> R) -> Result<Option<R>>
    where
        K: Lookup<Q>,
    {
        Ok(self.read()?.get(key).map(look))
    }

    /// Copies of up to `many` entries behind a key, or from the first on, in order and of one moment: a page of a longer
    /// walk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let squares: commy::Shared<std::collections::BTreeMap<u32, u32>> = segment.open_or_create("squares")?;
    /// squares.extend((0..100).map(|n| (n, n * n)))?;
    /// assert_eq!(squares.scan(None, 2)?, [(0, 0), (1, 1)]);
    /// assert_eq!(squares.scan(Some(&1), 2)?, [(2, 4), (3, 9)]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn scan<Q: ?Sized>(&self, after: Option<&Q>, many: usize) -> Result<Vec<(K, V)>>
    where
        K: Lookup<Q>,
    {
        self.survey(|view| view.load_behind(after, many))
    }

    /// Whether there is an entry of that key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    #[inline]
    pub fn contains_key<Q: ?Sized>(&self, key: &Q) -> Result<bool>
    where
        K: Lookup<Q>,
    {
        self.peek(move |view| view.has_key_unlocked(key))
    }

    /// Puts an entry in. Gives the value that the key had.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>> {
        if !is_small::<V>() || !is_whole::<V::Stored>() || self.keeps_changes() {
            return self.change(|view| view.insert(key, value));
        }
        self.change_at_once(
            (key, value),
            |view, (key, value)| view.replace_at_once(key, value).map(Some),
            |view, (key, value)| view.insert(key, value),
        )
    }

    /// Takes an entry out. Gives its value.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    #[inline]
    pub fn remove<Q: ?Sized>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Lookup<Q>,
    {
        self.change(|view| view.remove(key))
    }

    /// A copy of the first entry, of the smallest key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn first_key_value(&self) -> Result<Option<(K, V)>> {
        self.survey(|view| view.load_edge(false))
    }

    /// A copy of the last entry, of the greatest key.
    ///
    /// # Errors
    /// As [`read`](Shared::read).
    pub fn last_key_value(&self) -> Result<Option<(K, V)>> {
        self.survey(|view| view.load_edge(true))
    }

    /// Takes the first entry out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_first(&self) -> Result<Option<(K, V)>> {
        self.change(|view| view.pop_first())
    }

    /// Takes the last entry out.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_last(&self) -> Result<Option<(K, V)>> {
        self.change(|view| view.pop_last())
    }

    /// Puts all these entries in, or on an error none of them.
    ///
    /// # Errors
    /// As [`insert`](Shared::insert).
    pub fn extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        self.change(|view| view.extend(entries))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn clear(&self) -> Result<()> {
        self.change(|view| view.clear())
    }
}
