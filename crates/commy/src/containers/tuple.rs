//! Tuples of up to eight values: stored as a `repr(C)` struct of their stored forms, seen as tuples.

use crate::error::Result;
use crate::schema::derive_support::{Part, describe};
use crate::schema::{Key, KeyHasher, Kind, Lookup, Registry, Share};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::mem::offset_of;

macro_rules! tuple {
    ($stored:ident: $($type:ident $index:tt),+) => {
        /// The stored form of a tuple.
        #[repr(C)]
        pub struct $stored<$($type),+>($($type),+);

        impl<$($type: Share),+> Share for ($($type,)+) {
            type Stored = $stored<$($type::Stored),+>;
            type Ref<'a> = ($($type::Ref<'a>,)+);
            type Mut<'a> = ($($type::Mut<'a>,)+);
            const OWNS: bool = $($type::OWNS)||+;
            const ANY_BYTES: bool = $($type::ANY_BYTES)&&+;

            #[inline]
            unsafe fn is_valid(stored: *const Self::Stored) -> bool {
                // SAFETY: the caller's promise, for each value.
                unsafe { $($type::is_valid(&raw const (*stored).$index))&&+ }
            }

            fn into_stored(self, cx: Cx) -> Result<Self::Stored> {
                Ok($stored($(self.$index.into_stored(cx)?),+))
            }

            #[inline]
            unsafe fn view<'a>(stored: *const Self::Stored, cx: Cx) -> Self::Ref<'a> {
                // SAFETY: the caller's promise, for each value.
                unsafe { ($($type::view(&raw const (*stored).$index, cx),)+) }
            }

            #[inline]
            unsafe fn view_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Result<Self::Mut<'a>> {
                // SAFETY: the caller's promise, for each value.
                unsafe { Ok(($($type::view_mut(&raw mut (*stored).$index, cx)?,)+)) }
            }

            unsafe fn load(stored: *const Self::Stored, cx: Cx) -> Result<Self> {
                // SAFETY: the caller's promise, for each value.
                unsafe { Ok(($($type::load(&raw const (*stored).$index, cx)?,)+)) }
            }

            unsafe fn drop_stored(stored: *mut Self::Stored, cx: Cx) -> Result<()> {
                // SAFETY: the caller's promise, for each value.
                unsafe { $($type::drop_stored(&raw mut (*stored).$index, cx)?;)+ }
                Ok(())
            }

            fn describe(registry: &mut Registry) -> usize {
                let types = [$($type::describe(registry)),+].map(|node| registry.name(node).to_owned());
                let name = match &types[..] {
                    [one] => format!("({one},)"),
                    all => format!("({})", all.join(", ")),
                };
                let parts = [$(Part {
                    name: stringify!($index),
                    describe: $type::describe,
                    offset: offset_of!(Self::Stored, $index),
                }),+];
                describe::<Self>(registry, Kind::Struct, &name, &[], &[("", 0, &parts)])
            }
        }

        impl<$($type: Key),+> Key for ($($type,)+) {
            unsafe fn hash(stored: *const Self::Stored, cx: Cx, hasher: &mut KeyHasher) {
                // SAFETY: the caller's promise, for each value.
                unsafe { $($type::hash(&raw const (*stored).$index, cx, hasher);)+ }
            }

            unsafe fn compare(a: *const Self::Stored, b: *const Self::Stored, cx: Cx) -> Ordering {
                // SAFETY: the caller's promise, for each value.
                unsafe {
                    Ordering::Equal
                        $(.then_with(|| $type::compare(&raw const (*a).$index, &raw const (*b).$index, cx)))+
                }
            }
        }

        impl<$($type: Lookup<$type>),+> Lookup<($($type,)+)> for ($($type,)+) {
            fn hash_of(query: &($($type,)+), hasher: &mut KeyHasher) {
                $($type::hash_of(&query.$index, hasher);)+
            }

            unsafe fn compare_with(stored: *const Self::Stored, cx: Cx, query: &($($type,)+)) -> Ordering {
                // SAFETY: the caller's promise, for each value.
                unsafe {
                    Ordering::Equal
                        $(.then_with(|| $type::compare_with(&raw const (*stored).$index, cx, &query.$index)))+
                }
            }
        }
    };
}

tuple!(Tuple1: A 0);
tuple!(Tuple2: A 0, B 1);
tuple!(Tuple3: A 0, B 1, C 2);
tuple!(Tuple4: A 0, B 1, C 2, D 3);
tuple!(Tuple5: A 0, B 1, C 2, D 3, E 4);
tuple!(Tuple6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(Tuple7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(Tuple8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
