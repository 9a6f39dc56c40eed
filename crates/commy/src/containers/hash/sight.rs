//! The table of a map as a thread remembers it: checked once, and good until the map is changed by somebody else.

use super::map::HashMapView;
use super::raw::{Raw, Slot};
use super::stroke::{Inserted, Kept};
use super::table::{Found, Seek, Table, mask, tag};
use crate::os::Known;
use crate::schema::{Key, KeyHasher, Lookup, Share, compare_unlocked};
use crate::tx::{Cx, Worker};
use std::marker::PhantomData;

/// A table that has been checked, and what it takes to find a key in it.
pub(crate) struct Sight<K, V, P, C> {
    parts: P,
    cx: C,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K, V, P: Copy, C: Copy> Clone for Sight<K, V, P, C> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, P: Copy, C: Copy> Copy for Sight<K, V, P, C> {}

/// What is remembered of a table: where it is; its slots, the mask for hashes, the seed.
pub(crate) trait Parts: Copy {
    fn control(self) -> *mut u8;
    fn words(self) -> [u64; 3];
}

/// Where it is remembered, for who [keeps](Known::keep) that. What is not needed each time is loaded only where it is: of
/// registers there are few.
impl Parts for &Known {
    #[inline(always)]
    fn control(self) -> *mut u8 {
        self.place.get()
    }

    #[inline(always)]
    fn words(self) -> [u64; 3] {
        self.words.each_ref().map(|word| word.get())
    }
}

/// A copy of it, for who does not.
#[derive(Clone, Copy)]
pub(crate) struct Copied(*mut u8, [u64; 3]);

impl Copied {
    #[inline(always)]
    pub(crate) fn from(known: &Known) -> Copied {
        Copied(known.control(), known.words())
    }
}

impl Parts for Copied {
    #[inline(always)]
    fn control(self) -> *mut u8 {
        self.0
    }

    #[inline(always)]
    fn words(self) -> [u64; 3] {
        self.1
    }
}

impl<K: Key, V: Share> Raw<'_, K, V> {
    /// Has the thread remember the table, if it is the only one.
    pub(super) fn learn(&self, known: &Known) -> Option<()> {
        let (control, slots) = self.settled()?.parts();
        known.place.set(control.as_ptr());
        let words = [slots as u64, mask(slots) as u64, KeyHasher::new(self.head.seed.get()).finish()];
        known.words.iter().zip(words).for_each(|(word, value)| word.set(value));
        Some(())
    }
}

impl<K: Key, V: Share, P: Parts, C: Fn() -> Cx + Copy> Sight<K, V, P, C> {
    /// What is remembered; `cx` gives the context of readers.
    ///
    /// # Safety
    /// It was stored by [`Raw::learn`] of a map of these types, and holds still, as `shared::known` says.
    #[inline(always)]
    pub(crate) unsafe fn of(parts: P, cx: C) -> Self {
        Sight { parts, cx, marker: PhantomData }
    }

    #[inline(always)]
    fn table(self) -> Table<Slot<K, V>> {
        // SAFETY: what was taken apart by `learn`; the caller of `of` has promised that it is there still.
        unsafe { Table::from_parts(self.parts.control(), self.parts.words()[0] as usize) }
    }

    #[inline(always)]
    fn hash<Q: ?Sized>(self, query: &Q) -> u64
    where
        K: Lookup<Q>,
    {
        let mut hasher = KeyHasher::after(self.parts.words()[2]);
        K::hash_of(query, &mut hasher);
        hasher.finish()
    }

    /// Where the home group of a hash begins.
    #[inline(always)]
    fn home(self, hash: u64) -> usize {
        hash as usize & self.parts.words()[1] as usize
    }

    /// The hash of a key; has what an operation on it will look at fetched into the cache.
    #[inline(always)]
    pub(crate) fn foresee<Q: ?Sized>(self, query: &Q) -> u64
    where
        K: Lookup<Q>,
    {
        let hash = self.hash(query);
        // Whatever is there by now, fetching harms nobody.
        Table::<Slot<K, V>>::prefetch_at(self.parts.control(), self.home(hash));
        hash
    }

    /// Puts an entry in, as [`Raw::insert_at_once`] does; `map` gives it, locked. `begin` is called before it is changed.
    #[inline(always)]
    pub(crate) fn insert<'m>(
        self,
        map: impl Fn() -> &'m HashMapView<K, V>,
        hash: u64,
        begin: impl FnOnce(),
        worker: &Worker,
        (key, value): (K, V),
    ) -> Inserted<K, V>
    where
        K: Lookup<K>,
    {
        let Some(seek) = self.seek(hash, &key) else { return Err(Ok((key, value))) };
        begin();
        match seek {
            Seek::Vacant(index) if K::OWNS || V::OWNS => {
                map().raw().fill_with_blocks(self.table(), index, hash, worker, (key, value))
            }
            Seek::Vacant(index) => {
                map().raw().fill_at_once(self.table(), index, hash, [None; 2], worker.log(0), (key, value))
            }
            Seek::Found(index) => map().raw().replace_at_once(self.table().slot(index), key, value),
        }
    }

    /// Where a key is, or can be put in.
    #[inline(always)]
    fn seek<Q: ?Sized>(self, hash: u64, query: &Q) -> Option<Seek>
    where
        K: Lookup<Q>,
    {
        let (home, table) = (self.home(hash), self.table());
        let group = table.group(home);
        let tagged = group.tagged(tag(hash));
        if tagged.any() {
            let index = home + tagged.lowest();
            if index < table.slots() && self.is(table.slot_of_group(home, tagged.lowest()), query, false) {
                return Some(Seek::Found(index));
            }
        } else if group.empty().any() {
            let index = home + group.free().lowest();
            return (index < table.slots()).then_some(Seek::Vacant(index));
        }
        Self::seek_further(self.parts.control(), self.parts.words(), self.cx, hash, query)
    }

    /// Takes an entry out, as [`Raw::remove_at_once`] does; `map` gives it, locked. `begin` is called before it is changed.
    #[inline(always)]
    pub(crate) fn remove<'m, Q: ?Sized>(
        self,
        map: impl Fn() -> &'m HashMapView<K, V>,
        hash: u64,
        begin: impl FnOnce(),
        worker: &Worker,
        query: &Q,
    ) -> std::result::Result<V, Kept>
    where
        K: Lookup<Q>,
    {
        let found = self.find(hash, query, V::OWNS).ok_or(Kept::Absent)?;
        let (map, table) = (map().raw(), self.table());
        let value = if K::OWNS || V::OWNS {
            map.empty_with_blocks(table, found, worker, begin)
        } else {
            map.empty_at_once(table, found, [], worker.log(0), begin)
        };
        value.ok_or(Kept::Else)
    }

    /// The slot of a key, while others may write. If it is `wanted`, most likely it is there.
    #[inline(always)]
    fn find<Q: ?Sized>(self, hash: u64, query: &Q, wanted: bool) -> Option<Found<Slot<K, V>>>
    where
        K: Lookup<Q>,
    {
        let (home, table) = (self.home(hash), self.table());
        let group = table.group(home);
        // Most often the first slot with the tag is it, or there is none.
        let tagged = group.tagged(tag(hash));
        if tagged.any() {
            let index = home + tagged.lowest();
            let slot = table.slot_of_group(home, tagged.lowest());
            if table.has(index) && self.is(slot, query, wanted) {
                return Some(Found { index, slot });
            }
        } else if group.empty().any() {
            return None;
        }
        Self::find_further(self.parts.control(), self.parts.words(), self.cx, hash, query)
    }

    /// Whether a slot has a key.
    #[inline(always)]
    fn is<Q: ?Sized>(self, slot: *mut Slot<K, V>, query: &Q, wanted: bool) -> bool
    where
        K: Lookup<Q>,
    {
        let cx = (self.cx)();
        // SAFETY: a slot of the table.
        unsafe {
            // While the key is compared, what its value has elsewhere is fetched.
            if wanted {
                V::foresee(&raw const (*slot).value, cx);
            }
            compare_unlocked::<K, Q>(&raw const (*slot).key, cx, query).is_eq()
        }
    }

    /// Goes through all slots that a key may be in.
    #[cold]
    #[inline(never)]
    fn find_further<Q: ?Sized>(
        control: *mut u8,
        words: [u64; 3],
        cx: C,
        hash: u64,
        query: &Q,
    ) -> Option<Found<Slot<K, V>>>
    where
        K: Lookup<Q>,
    {
        let this = Sight::<K, V, Copied, C> { parts: Copied(control, words), cx, marker: PhantomData };
        this.table().find(hash, |slot| this.is(slot, query, false))
    }

    /// The same for who may put the key in.
    #[cold]
    #[inline(never)]
    fn seek_further<Q: ?Sized>(control: *mut u8, words: [u64; 3], cx: C, hash: u64, query: &Q) -> Option<Seek>
    where
        K: Lookup<Q>,
    {
        let this = Sight::<K, V, Copied, C> { parts: Copied(control, words), cx, marker: PhantomData };
        this.table().seek(hash, |slot| this.is(slot, query, false))
    }

    /// A copy of the value of a key, if there is one; `None` if it takes long to make it.
    #[inline(always)]
    pub(crate) fn load_soon<Q: ?Sized>(self, query: &Q) -> Option<Option<V>>
    where
        K: Lookup<Q>,
    {
        let hash = self.hash(query);
        self.table().prefetch_group(self.home(hash));
        match self.find(hash, query, true) {
            // SAFETY: the value of a slot that was found, in the map.
            Some(found) => unsafe { V::load_soon(&raw const (*found.slot).value, (self.cx)()).map(Some) },
            None => Some(None),
        }
    }

    /// Whether there is an entry of that key.
    #[inline(always)]
    pub(crate) fn has<Q: ?Sized>(self, query: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        self.find(self.hash(query), query, false).is_some()
    }
}
