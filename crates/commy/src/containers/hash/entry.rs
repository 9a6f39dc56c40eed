//! Places of keys in a map, as the entry API names them.

use super::raw::{Place, Raw, Side, Slot};
use super::table::Seek;
use crate::containers::entry::{Found, Keyed};
use crate::error::Result;
use crate::schema::{Key, Share};
use crate::tx::{Cx, Operation};

impl<'a, K: Key, V: Share> Keyed<'a> for Raw<'a, K, V> {
    type Key = K;
    type Value = V;
    type Here = (Side<'a, Slot<K, V>>, usize);
    type Vacant = (Place<'a, Slot<K, V>>, usize);

    #[inline(always)]
    fn context(self) -> Cx {
        self.cx
    }
    #[inline(always)]
    fn key_at(self, (side, index): Self::Here) -> *const K::Stored {
        self.key(self.slot(side, index))
    }
    #[inline(always)]
    fn value_at(self, (side, index): Self::Here) -> *mut V::Stored {
        // SAFETY: a slot of the table.
        unsafe { &raw mut (*self.slot(side, index)).value }
    }
    #[inline(always)]
    fn put_at(self, (place, index): Self::Vacant, key: K, value: V) -> Result<Self::Here> {
        self.fill(place, index, || self.store_both(key, value))?;
        Ok((place.side, index))
    }
    #[inline(always)]
    fn replace_at(self, here: Self::Here, value: V) -> Result<V> {
        let place = self.value_at(here);
        // SAFETY: a full slot of that side, which the caller has for itself.
        unsafe {
            let old = V::load(place, self.cx)?;
            self.replace::<V>(here.0, self.key_at(here), place, value)?;
            Ok(old)
        }
    }
    fn remove_at(self, (side, index): Self::Here) -> Result<()> {
        let slot = self.empty(side, index)?;
        // SAFETY: just taken out.
        unsafe { self.drop_entry(slot) }
    }
    #[inline(always)]
    fn note_change(self, here: Self::Here) -> Result<()> {
        // SAFETY: the key of a full slot.
        unsafe { self.note(Operation::Changed, self.key_at(here)) }
    }
}

impl<'a, T> Place<'a, T> {
    /// As entries see it.
    #[inline(always)]
    pub(super) fn found(self) -> Found<(Side<'a, T>, usize), (Place<'a, T>, usize)> {
        match self.seek {
            Seek::Found(index) => Found::Here((self.side, index)),
            Seek::Vacant(index) => Found::Vacant((self, index)),
        }
    }
}
