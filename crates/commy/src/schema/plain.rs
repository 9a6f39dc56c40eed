//! The plain types: stored as they are.

use super::describe::elements;
use super::{Key, KeyHasher, Kind, Lookup, Plain, Registry, Variant};
use crate::error::{Error, Result};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::mem::MaybeUninit;
use std::num::*;
use std::time::Duration;

/// Implements `Share` and `Guarded` for a type whose stored form is the value itself. A blanket implementation for
/// `Plain` types would collide with those for `Box` and tuples, so each type gets its own.
#[doc(hidden)]
#[macro_export]
macro_rules! share_plain {
    (
        [$($generics:tt)*] $type:ty $(where [$($clause:tt)*])?,
        any: $any:expr,
        valid: |$stored:ident| $valid:expr,
        |$registry:ident| $describe:expr
    ) => {
        impl<$($generics)*> $crate::Share for $type $(where $($clause)*)? {
            type Stored = $type;
            type Ref<'a> = &'a $type;
            type Mut<'a> = &'a mut $type;
            const OWNS: bool = false;
            const ANY_BYTES: bool = $any;
            const QUIET: bool = true;

            #[inline(always)]
            fn into_stored(self, _: $crate::support::Cx) -> $crate::Result<$type> {
                ::core::result::Result::Ok(self)
            }
            #[inline(always)]
            unsafe fn view<'a>(stored: *const $type, _: $crate::support::Cx) -> &'a $type {
                // SAFETY: the caller's promise.
                unsafe { &*stored }
            }
            #[inline(always)]
            unsafe fn view_mut<'a>(stored: *mut $type, cx: $crate::support::Cx) -> $crate::Result<&'a mut $type> {
                // SAFETY: the caller's promise; its old value is logged before it is lent.
                unsafe {
                    $crate::support::keep(stored, cx)?;
                    ::core::result::Result::Ok(&mut *stored)
                }
            }
            #[inline(always)]
            unsafe fn is_valid($stored: *const $type) -> bool {
                // SAFETY: the caller's promise, for each part.
                #[allow(unused_unsafe)]
                unsafe {
                    $valid
                }
            }
            #[inline(always)]
            unsafe fn load(stored: *const $type, cx: $crate::support::Cx) -> $crate::Result<$type> {
                // SAFETY: the caller's promise.
                unsafe { $crate::support::load_plain(stored, cx) }
            }
            #[inline]
            unsafe fn store_all(
                values: ::std::vec::Vec<$type>,
                slots: *mut $type,
                _: $crate::support::Cx,
            ) -> $crate::Result<()> {
                // SAFETY: the caller's promise.
                unsafe { $crate::support::copy_in(&values, slots) };
                ::core::result::Result::Ok(())
            }
            #[inline]
            unsafe fn store_clones(values: &[$type], slots: *mut $type, _: $crate::support::Cx) -> $crate::Result<()> {
                // SAFETY: the caller's promise.
                unsafe { $crate::support::copy_in(values, slots) };
                ::core::result::Result::Ok(())
            }
            #[inline]
            unsafe fn load_all(
                slots: *const $type,
                count: usize,
                cx: $crate::support::Cx,
                to: &mut ::std::vec::Vec<$type>,
            ) -> $crate::Result<()> {
                // SAFETY: the caller's promise.
                unsafe { $crate::support::copy_out(slots, count, cx, to) }
            }
            #[inline(always)]
            unsafe fn drop_stored(_: *mut $type, _: $crate::support::Cx) -> $crate::Result<()> {
                ::core::result::Result::Ok(())
            }
            fn describe($registry: &mut $crate::support::Registry) -> usize {
                $describe
            }
        }

        impl<$($generics)*> $crate::Guarded for $type $(where $($clause)*)? {
            type Target = $type;

            #[inline(always)]
            unsafe fn target<'a>(stored: *const $type, cx: $crate::support::Cx) -> &'a $type {
                // SAFETY: the caller's promise.
                unsafe { <$type as $crate::Share>::view(stored, cx) }
            }
            #[inline(always)]
            unsafe fn target_mut<'a>(stored: *mut $type, cx: $crate::support::Cx) -> $crate::Result<&'a mut $type> {
                // SAFETY: the caller's promise.
                unsafe { <$type as $crate::Share>::view_mut(stored, cx) }
            }
        }
    };
}

fn leaf<T: 'static>(registry: &mut Registry, kind: Kind, name: &str) -> usize {
    registry.node::<T, T>(kind, name, |_| vec![Variant::default()])
}

macro_rules! plain_leaf {
    ($($type:ident $kind:ident),*) => { $(
        // SAFETY: a primitive, or a type of std with a primitive's layout.
        unsafe impl Plain for $type {}
        share_plain!(
            [] $type,
            any: any_bytes(Kind::$kind),
            valid: |stored| is_valid_leaf(Kind::$kind, stored),
            |registry| leaf::<$type>(registry, Kind::$kind, stringify!($type))
        );
    )* };
}

/// Whether any bytes are a value of a primitive of that kind.
const fn any_bytes(kind: Kind) -> bool {
    matches!(kind, Kind::Unsigned | Kind::Signed | Kind::Float)
}

/// Whether the bytes at a place are a value of a primitive of that kind.
///
/// # Safety
/// As for [`Share::is_valid`](super::Share::is_valid).
#[inline(always)]
unsafe fn is_valid_leaf<T>(kind: Kind, stored: *const T) -> bool {
    // SAFETY: the caller's promise: there are the bytes of a value of this kind.
    unsafe {
        match kind {
            Kind::Bool => *stored.cast::<u8>() <= 1,
            Kind::Char => char::from_u32(*stored.cast::<u32>()).is_some(),
            Kind::Duration => *stored.cast::<u8>().add(NANOS_AT).cast::<u32>() < 1_000_000_000,
            Kind::NonZeroUnsigned | Kind::NonZeroSigned => {
                std::slice::from_raw_parts(stored.cast::<u8>(), size_of::<T>()).iter().any(|byte| *byte != 0)
            }
            _ => true,
        }
    }
}

/// Where in a `Duration` the nanoseconds are.
const NANOS_AT: usize = {
    let sample = Duration::new(0x0102_0304_0506_0708, 0x1112_1314);
    let bytes = (&raw const sample).cast::<u8>();
    // SAFETY: these bytes of a `Duration` hold its seconds and nanoseconds, in this order or the other; what is
    // there is compared below. Padding can only come behind both.
    let behind = unsafe { bytes.add(8).cast::<u32>().read() };
    if behind == 0x1112_1314 { 8 } else { 0 }
};

plain_leaf!(
    u8 Unsigned, u16 Unsigned, u32 Unsigned, u64 Unsigned, u128 Unsigned, usize Unsigned,
    i8 Signed, i16 Signed, i32 Signed, i64 Signed, i128 Signed, isize Signed,
    f32 Float, f64 Float, bool Bool, char Char, Duration Duration,
    NonZeroU8 NonZeroUnsigned, NonZeroU16 NonZeroUnsigned, NonZeroU32 NonZeroUnsigned,
    NonZeroU64 NonZeroUnsigned, NonZeroU128 NonZeroUnsigned, NonZeroUsize NonZeroUnsigned,
    NonZeroI8 NonZeroSigned, NonZeroI16 NonZeroSigned, NonZeroI32 NonZeroSigned,
    NonZeroI64 NonZeroSigned, NonZeroI128 NonZeroSigned, NonZeroIsize NonZeroSigned
);

// SAFETY: nothing to store.
unsafe impl Plain for () {}
share_plain!([](), any: true, valid: |_stored| true, |registry| leaf::<()>(registry, Kind::Unit, "()"));

// SAFETY: an array has the layout of its elements in a row.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
share_plain!([T: Plain, const N: usize] [T; N], any: T::ANY_BYTES, valid: |stored| {
    T::ANY_BYTES || (0..N).all(|index| T::is_valid(stored.cast::<T>().add(index)))
}, |registry| {
    // The array's own node comes before its element's: node 0 is the type that is described.
    let mut name = String::new();
    let node = registry.node::<[T; N], [T; N]>(Kind::Array, "", |registry| {
        let element = T::describe(registry);
        name = format!("[{}; {N}]", registry.name(element));
        elements(&[("element", element)])
    });
    if !name.is_empty() {
        registry.rename(node, name);
    }
    node
});

/// A plain type that hashes as words: the integers and what is like them.
trait Words: Copy + Ord {
    fn words(self, hasher: &mut KeyHasher);
}

macro_rules! key_leaf {
    ($($type:ident |$value:ident| $word:expr),* $(,)?) => { $(
        impl Words for $type {
            #[inline(always)]
            fn words(self, hasher: &mut KeyHasher) {
                let $value = self;
                hasher.word($word);
            }
        }
        key_of_words!([] $type);
    )* };
}

macro_rules! key_of_words {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Key for $type {
            #[inline(always)]
            unsafe fn hash(stored: *const $type, _: Cx, hasher: &mut KeyHasher) {
                // SAFETY: the caller's promise.
                unsafe { *stored }.words(hasher);
            }
            #[inline(always)]
            unsafe fn compare(a: *const $type, b: *const $type, _: Cx) -> Ordering {
                // SAFETY: the caller's promise.
                unsafe { (*a).cmp(&*b) }
            }
        }
        impl<$($generics)*> Lookup<$type> for $type {
            const QUIET: bool = true;

            #[inline(always)]
            fn hash_of(query: &$type, hasher: &mut KeyHasher) {
                query.words(hasher);
            }
            #[inline(always)]
            unsafe fn compare_with(stored: *const $type, _: Cx, query: &$type) -> Ordering {
                // SAFETY: the caller's promise.
                unsafe { (*stored).cmp(query) }
            }
        }
    };
}

key_leaf!(
    u8 | v | u64::from(v),
    u16 | v | u64::from(v),
    u32 | v | u64::from(v),
    u64 | v | v,
    usize | v | v as u64,
    i8 | v | v as u64,
    i16 | v | v as u64,
    i32 | v | v as u64,
    i64 | v | v as u64,
    isize | v | v as u64,
    bool | v | u64::from(v),
    char | v | u64::from(v),
    NonZeroU8 | v | u64::from(v.get()),
    NonZeroU16 | v | u64::from(v.get()),
    NonZeroU32 | v | u64::from(v.get()),
    NonZeroU64 | v | v.get(),
    NonZeroUsize | v | v.get() as u64,
    NonZeroI8 | v | v.get() as u64,
    NonZeroI16 | v | v.get() as u64,
    NonZeroI32 | v | v.get() as u64,
    NonZeroI64 | v | v.get() as u64,
    NonZeroIsize | v | v.get() as u64,
);

impl Words for u128 {
    fn words(self, hasher: &mut KeyHasher) {
        hasher.word(self as u64);
        hasher.word((self >> 64) as u64);
    }
}
impl Words for i128 {
    fn words(self, hasher: &mut KeyHasher) {
        (self as u128).words(hasher);
    }
}
impl Words for NonZeroU128 {
    fn words(self, hasher: &mut KeyHasher) {
        self.get().words(hasher);
    }
}
impl Words for NonZeroI128 {
    fn words(self, hasher: &mut KeyHasher) {
        self.get().words(hasher);
    }
}
impl Words for Duration {
    fn words(self, hasher: &mut KeyHasher) {
        hasher.word(self.as_secs());
        hasher.word(u64::from(self.subsec_nanos()));
    }
}
impl Words for () {
    fn words(self, _: &mut KeyHasher) {}
}
key_of_words!([] u128);
key_of_words!([] i128);
key_of_words!([] NonZeroU128);
key_of_words!([] NonZeroI128);
key_of_words!([] Duration);
key_of_words!([]());

impl<T: Plain + Key, const N: usize> Key for [T; N] {
    unsafe fn hash(stored: *const [T; N], cx: Cx, hasher: &mut KeyHasher) {
        for index in 0..N {
            // SAFETY: the caller's promise, for each element.
            unsafe { T::hash(stored.cast::<T>().add(index), cx, hasher) }
        }
    }
    unsafe fn compare(a: *const [T; N], b: *const [T; N], cx: Cx) -> Ordering {
        let (a, b) = (a.cast::<T>(), b.cast::<T>());
        // SAFETY: the caller's promise, for each element.
        let orders = (0..N).map(|index| unsafe { T::compare(a.add(index), b.add(index), cx) });
        orders.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    }
}

impl<T: Plain + Lookup<T>, const N: usize> Lookup<[T; N]> for [T; N] {
    const QUIET: bool = <T as Lookup<T>>::QUIET;

    fn hash_of(query: &[T; N], hasher: &mut KeyHasher) {
        query.iter().for_each(|element| T::hash_of(element, hasher));
    }
    unsafe fn compare_with(stored: *const [T; N], cx: Cx, query: &[T; N]) -> Ordering {
        // SAFETY: the caller's promise, for each element.
        let orders = (0..N).map(|i| unsafe { T::compare_with(stored.cast::<T>().add(i), cx, &query[i]) });
        orders.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    }
}

/// Copies plain values into slots.
///
/// # Safety
/// There are as many slots, of a plain type, which nobody has a reference to.
#[doc(hidden)]
#[inline]
pub unsafe fn copy_in<T>(values: &[T], slots: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), slots, values.len()) };
}

/// Adds copies of plain values in slots.
///
/// # Errors
/// [`Error::Corrupt`] if what is in one of them is none.
///
/// # Safety
/// As for [`Share::load`](super::Share::load), for each of them.
#[doc(hidden)]
#[inline]
pub unsafe fn copy_out<T: Plain>(slots: *const T, count: usize, cx: Cx, to: &mut Vec<T>) -> Result<()> {
    to.reserve(count);
    // SAFETY: the caller's promise, and room for them was just made; they count once they have been seen to be values.
    unsafe {
        let new = to.as_mut_ptr().add(to.len());
        std::ptr::copy_nonoverlapping(slots.cast::<MaybeUninit<T>>(), new.cast(), count);
        if !T::ANY_BYTES && !(0..count).all(|index| T::is_valid(new.add(index))) {
            return Err(no_value(slots, cx));
        }
        to.set_len(to.len() + count);
    }
    Ok(())
}

#[cold]
fn no_value<T>(stored: *const T, cx: Cx) -> Error {
    Error::corrupt(cx.offset_of(stored), "bytes that are no value of their type")
}

/// A copy of a plain value.
///
/// # Errors
/// [`Error::Corrupt`] if what is there is none.
///
/// # Safety
/// As for [`Share::load`](super::Share::load).
#[doc(hidden)]
#[inline(always)]
pub unsafe fn load_plain<T: Plain>(stored: *const T, cx: Cx) -> Result<T> {
    // SAFETY: the caller's promise; what was found to be a value may be taken for one.
    unsafe {
        match super::snapshot::<T>(stored) {
            Some(copy) => Ok(copy.assume_init()),
            None => Err(no_value(stored, cx)),
        }
    }
}

/// Logs the old value of a plain value that is about to be lent.
///
/// # Safety
/// `stored` lies in the segment of `cx`.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn keep<T>(stored: *const T, cx: Cx) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { cx.keep_value(stored) }
}
