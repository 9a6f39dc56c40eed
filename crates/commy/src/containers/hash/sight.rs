//! The table of a map as a thread remembers it: checked once, and good until the map is changed by somebody else.

use super::raw::{Raw, Slot};
use super::table::{Table, mask, tag};
use crate::os::Known;
use crate::schema::{Key, KeyHasher, Lookup, Share, compare_unlocked};
use crate::tx::Cx;
use std::marker::PhantomData;

/// A table that has been checked, and what it takes to find a key in it. What is not needed each time is loaded only
/// where it is: of registers there are few.
pub struct Sight<'a, K, V, C> {
    known: &'a Known,
    cx: C,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K, V, C: Copy> Clone for Sight<'_, K, V, C> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, C: Copy> Copy for Sight<'_, K, V, C> {}

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

impl<'a, K: Key, V: Share, C: Fn() -> Cx + Copy> Sight<'a, K, V, C> {
    /// What is remembered; `cx` gives the context of readers.
    ///
    /// # Safety
    /// It was stored by [`Raw::learn`] of a map of these types, and holds still, as `shared::known` says.
    #[inline(always)]
    pub(crate) unsafe fn of(known: &'a Known, cx: C) -> Self {
        Sight { known, cx, marker: PhantomData }
    }

    #[inline(always)]
    fn table(self) -> Table<Slot<K, V>> {
        // SAFETY: what was taken apart by `learn`; the caller of `of` has promised that it is there still.
        unsafe { Table::from_parts(self.known.place.get(), self.known.words[0].get() as usize) }
    }

    /// The slot of a key, while others may write. If it is `wanted`, most likely it is there.
    #[inline(always)]
    fn find<Q: ?Sized>(self, query: &Q, wanted: bool) -> Option<*mut Slot<K, V>>
    where
        K: Lookup<Q>,
    {
        let [_, mask, begin] = &self.known.words;
        let mut hasher = KeyHasher::after(begin.get());
        K::hash_of(query, &mut hasher);
        let hash = hasher.finish();
        let (home, table) = (hash as usize & mask.get() as usize, self.table());
        if wanted {
            table.prefetch_group(home);
        }
        let group = table.group(home);
        for (index, slot) in table.tagged(home, group, tag(hash)) {
            if table.has(index) && self.is(slot, query, wanted) {
                return Some(slot);
            }
        }
        if group.empty().any() { None } else { self.find_further(hash, query) }
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

    /// Goes through further groups than the home of a key.
    #[cold]
    #[inline(never)]
    fn find_further<Q: ?Sized>(self, hash: u64, query: &Q) -> Option<*mut Slot<K, V>>
    where
        K: Lookup<Q>,
    {
        self.table().find(hash, |slot| self.is(slot, query, false)).map(|found| found.slot)
    }

    /// A copy of the value of a key, if there is one; `None` if it takes long to make it.
    #[inline(always)]
    pub(crate) fn load_soon<Q: ?Sized>(self, query: &Q) -> Option<Option<V>>
    where
        K: Lookup<Q>,
    {
        match self.find(query, true) {
            // SAFETY: the value of a slot that was found, in the map.
            Some(slot) => unsafe { V::load_soon(&raw const (*slot).value, (self.cx)()).map(Some) },
            None => Some(None),
        }
    }

    /// Whether there is an entry of that key.
    #[inline(always)]
    pub(crate) fn has<Q: ?Sized>(self, query: &Q) -> bool
    where
        K: Lookup<Q>,
    {
        self.find(query, false).is_some()
    }
}
