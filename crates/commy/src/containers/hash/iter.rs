//! The iterators of maps and sets. All go through the tables in the order of the slots.

use super::raw::{Raw, Slot, cannot_lend};
use super::slots::Slots;
use crate::schema::{Key, Share};
use crate::tx::Cx;
use std::iter::FusedIterator;
use std::marker::PhantomData;

/// The full slots with their number and the context, borrowed for `'a`.
struct Entries<'a, K: Share, V: Share> {
    slots: Slots<Slot<K, V>>,
    left: usize,
    cx: Cx,
    marker: PhantomData<(&'a (), fn() -> (K, V))>,
}

impl<K: Share, V: Share> Clone for Entries<'_, K, V> {
    fn clone(&self) -> Self {
        Entries { slots: self.slots.clone(), left: self.left, cx: self.cx, marker: PhantomData }
    }
}

impl<'a, K: Key, V: Share> Entries<'a, K, V> {
    fn new(raw: Raw<'a, K, V>) -> Entries<'a, K, V> {
        Entries { slots: raw.slots(), left: raw.len(), cx: raw.cx, marker: PhantomData }
    }

    #[inline]
    fn next(&mut self) -> Option<*mut Slot<K, V>> {
        // A head that claims fewer or more entries than there are only makes the iterator end early.
        self.left = self.left.checked_sub(1)?;
        let slot = self.slots.next();
        if slot.is_none() {
            self.left = 0;
        }
        slot
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

macro_rules! iterator {
    (
        $(#[$doc:meta])* $name:ident <$($parameter:ident: $bound:ident),+> of $key:ty, $value:ty;
        $item:ty: |$slot:ident, $cx:ident| $next:expr
    ) => {
        $(#[$doc])*
        pub struct $name<'a, $($parameter: $bound),+>(Entries<'a, $key, $value>);

        impl<'a, $($parameter: $bound),+> $name<'a, $($parameter),+> {
            pub(super) fn new(raw: Raw<'a, $key, $value>) -> Self {
                $name(Entries::new(raw))
            }
        }

        impl<'a, $($parameter: $bound),+> Iterator for $name<'a, $($parameter),+> {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<$item> {
                let ($slot, $cx) = (self.0.next()?, self.0.cx);
                Some($next)
            }

            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl<$($parameter: $bound),+> ExactSizeIterator for $name<'_, $($parameter),+> {}
        impl<$($parameter: $bound),+> FusedIterator for $name<'_, $($parameter),+> {}

        impl<$($parameter: $bound),+> std::fmt::Debug for $name<'_, $($parameter),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("left", &self.0.left).finish_non_exhaustive()
            }
        }
    };
}

macro_rules! shared_iterator {
    ($name:ident <$($parameter:ident: $bound:ident),+>) => {
        impl<$($parameter: $bound),+> Clone for $name<'_, $($parameter),+> {
            fn clone(&self) -> Self {
                $name(self.0.clone())
            }
        }
    };
}

// SAFETY of the blocks below: a full slot holds a stored key and a stored value; the iterator borrows the
// view for `'a`, exclusively where it lends for changing, and comes to each slot once.

iterator! {
    /// The entries of a map.
    Iter<K: Key, V: Share> of K, V;
    // SAFETY: see above.
    (K::Ref<'a>, V::Ref<'a>): |slot, cx| unsafe { (K::view(&raw const (*slot).key, cx), V::view(&raw const (*slot).value, cx)) }
}
shared_iterator!(Iter<K: Key, V: Share>);

iterator! {
    /// The keys of a map.
    Keys<K: Key, V: Share> of K, V;
    // SAFETY: see above.
    K::Ref<'a>: |slot, cx| unsafe { K::view(&raw const (*slot).key, cx) }
}
shared_iterator!(Keys<K: Key, V: Share>);

iterator! {
    /// The values of a map.
    Values<K: Key, V: Share> of K, V;
    // SAFETY: see above.
    V::Ref<'a>: |slot, cx| unsafe { V::view(&raw const (*slot).value, cx) }
}
shared_iterator!(Values<K: Key, V: Share>);

iterator! {
    /// The elements of a set.
    Elements<T: Key> of T, ();
    // SAFETY: see above.
    T::Ref<'a>: |slot, cx| unsafe { T::view(&raw const (*slot).key, cx) }
}
shared_iterator!(Elements<T: Key>);

iterator! {
    /// The entries of a map, the values to be changed; each is logged when the iterator comes to it, which
    /// panics if the log has no room.
    IterMut<K: Key, V: Share> of K, V;
    // SAFETY: see above.
    (K::Ref<'a>, V::Mut<'a>): |slot, cx| unsafe {
        let value = V::view_mut(&raw mut (*slot).value, cx).unwrap_or_else(|error| cannot_lend(&error));
        (K::view(&raw const (*slot).key, cx), value)
    }
}

iterator! {
    /// The values of a map, to be changed; each is logged when the iterator comes to it, which panics if
    /// the log has no room.
    ValuesMut<K: Key, V: Share> of K, V;
    // SAFETY: see above.
    V::Mut<'a>: |slot, cx| unsafe {
        V::view_mut(&raw mut (*slot).value, cx).unwrap_or_else(|error| cannot_lend(&error))
    }
}
