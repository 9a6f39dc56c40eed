//! What can be shared, and how it is described.
//!
//! [`Share`] says how a type of the program lies in the segment (`Stored`), how it is seen there in
//! place (`Ref`, `Mut`), and how it moves in (`into_stored`) and out (`load`). [`Plain`] are the types whose
//! stored form is the value itself. [`Key`] are those that can be looked up, by any [`Lookup`] form.
//! [`Object`] is what an object can be: all these, and [`Atomics`], which need no lock.
//! [`Description`] is a type as a graph of nodes, which goes into the segment with each object, so that
//! opening it as another type is an error and tools can walk it without the program's types.

mod atomics;
pub(crate) mod derive_support;
pub(crate) mod describe;
mod hash;
pub(crate) mod nesting;
pub(crate) mod plain;

pub use atomics::{Atomics, Object};
pub use describe::{Description, Field, Kind, Node, Registry, Variant};
pub use hash::KeyHasher;

use crate::error::Result;
use crate::tx::Cx;
use std::cmp::Ordering;
use std::mem::MaybeUninit;

/// A type whose values can live in a segment.
///
/// Implemented for integers, floats, `bool`, `char`, `()`, `NonZero*`, `Duration`, arrays of plain types,
/// `String`, `Vec`, `VecDeque`, `HashMap`, `BTreeMap`, and by `#[derive(Share)]` for structs and enums of
/// such types. There is no need to implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared between processes",
    label = "this type cannot live in a segment",
    note = "use owned data: numbers, `String`, `Vec`, `VecDeque`, `HashMap`, `BTreeMap` and structs or enums of them with \
            `#[derive(commy::Share)]`; references, `Rc`, raw pointers and closures mean nothing to another process",
    note = "atomics need no lock and are in no container: `Shared<AtomicU64>`, `Shared<[AtomicU64; 8]>`, or a struct of \
            them with `#[derive(commy::Atomics)]`"
)]
pub trait Share: Sized + 'static {
    /// The value as it lies in the segment: `repr(C)`, without pointers; what it owns elsewhere is
    /// referenced by offset. All zeros, or any other bytes, may be found there; nothing in it is
    /// trusted before it is checked.
    type Stored: 'static;
    /// The value seen in place.
    type Ref<'a>;
    /// The value in place, to be changed.
    type Mut<'a>;

    /// Whether dropping a stored value has to free anything.
    const OWNS: bool;
    /// Whether any bytes are a value of `Stored`: then [`is_valid`](Share::is_valid) needs not be asked. It is so by
    /// itself where all that is stored are [`Word`](crate::support::Word)s.
    const ANY_BYTES: bool = true;

    /// Moves the value into the segment: allocates what it owns there and gives what is to be stored. On
    /// an error what was allocated is left to the caller, which undoes it.
    fn into_stored(self, cx: Cx) -> Result<Self::Stored>;

    /// The value in place.
    ///
    /// # Safety
    /// `stored` lies in the segment of `cx`, holds a value, and is not changed during `'a`, for which
    /// `cx` is alive.
    unsafe fn view<'a>(stored: *const Self::Stored, cx: Cx) -> Self::Ref<'a>;

    /// The value in place, to be changed. What is lent as `&mut` is logged first.
    ///
    /// # Safety
    /// As for `view`, and nobody else sees it during `'a`; `cx` is that of an open transaction.
    unsafe fn view_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Result<Self::Mut<'a>>;

    /// Whether these bytes are a value of `Stored`, as far as they alone tell: a `bool` is 0 or 1. What they refer to
    /// elsewhere is checked by who looks it up.
    ///
    /// # Safety
    /// `stored` points to bytes of that size and alignment, which nobody changes during the call.
    #[inline(always)]
    unsafe fn is_valid(stored: *const Self::Stored) -> bool {
        let _ = stored;
        true
    }

    /// A copy of the value, owned by the process. What is found there may be changed meanwhile by somebody else, or
    /// not be a value at all: then the copy is of no use, or an error, but reading it does no harm.
    ///
    /// # Safety
    /// `stored` lies in the segment of `cx`, or is a copy of what does.
    unsafe fn load(stored: *const Self::Stored, cx: Cx) -> Result<Self>;

    /// Whether storing, loading and dropping a value runs nobody's code but that of this library, so that nothing else can
    /// happen meanwhile to what the thread is at.
    #[doc(hidden)]
    const QUIET: bool = false;

    /// Whether [`load_soon`](Share::load_soon) ever gives a copy.
    #[doc(hidden)]
    const SOON: bool = !Self::OWNS;

    /// As [`load`](Share::load), if that takes little time and memory whatever is found there; else, or if there is no
    /// value, `None`.
    ///
    /// # Safety
    /// As for `load`.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn load_soon(stored: *const Self::Stored, cx: Cx) -> Option<Self> {
        if Self::OWNS {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { Self::load(stored, cx) }.ok()
    }

    /// Has what [`load_soon`](Share::load_soon) will look at elsewhere fetched into the cache.
    ///
    /// # Safety
    /// As for `load`.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn foresee(stored: *const Self::Stored, cx: Cx) {
        let _ = (stored, cx);
    }

    /// Whether all that a value owns elsewhere is a [`block`](Share::block), which ends with it.
    #[doc(hidden)]
    const OWNS_A_BLOCK: bool = false;

    /// The block that a value owns, if there is one: offset, bytes, alignment, as they are found there.
    ///
    /// # Safety
    /// As for `load`.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn block(stored: *const Self::Stored) -> Option<(u64, u64, u64)> {
        let _ = stored;
        None
    }

    /// How large such a block has to be for this value, and its alignment: no bytes for none.
    #[doc(hidden)]
    #[inline(always)]
    fn need(&self) -> (u64, u64) {
        (0, 1)
    }

    /// Whether [`into_block`](Share::into_block) runs nobody's code but that of this library, not even an allocator's: what
    /// that did could take the block.
    #[doc(hidden)]
    const IN_A_BLOCK: bool = Self::QUIET;

    /// As [`into_stored`](Share::into_stored), with a block that is there already, if there is a [`need`](Share::need). Gives
    /// what is left of the value, too, to be dropped once the block is taken.
    ///
    /// # Safety
    /// At that offset begins such a block, in the segment of `cx`, which nobody sees.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn into_block(self, block: u64, cx: Cx) -> Result<(Self::Stored, Option<Self>)> {
        let _ = block;
        Ok((self.into_stored(cx)?, None))
    }

    /// Moves values into slots in a row, as [`into_stored`](Share::into_stored) does one by one.
    ///
    /// # Safety
    /// From `slots` on there are as many slots in the segment of `cx`, which nobody sees.
    #[doc(hidden)]
    unsafe fn store_all(values: Vec<Self>, slots: *mut Self::Stored, cx: Cx) -> Result<()> {
        for (index, value) in values.into_iter().enumerate() {
            let stored = value.into_stored(cx)?;
            // SAFETY: the caller's promise.
            unsafe { slots.add(index).write(stored) };
        }
        Ok(())
    }

    /// As [`store_all`](Share::store_all), clones of the values.
    ///
    /// # Safety
    /// As for `store_all`.
    #[doc(hidden)]
    unsafe fn store_clones(values: &[Self], slots: *mut Self::Stored, cx: Cx) -> Result<()>
    where
        Self: Clone,
    {
        // SAFETY: the caller's promise.
        unsafe { Self::store_all(values.to_vec(), slots, cx) }
    }

    /// Adds copies of values that are stored in a row, as [`load`](Share::load) makes them one by one.
    ///
    /// # Safety
    /// As for `view`, for the time of the call, for each of them.
    #[doc(hidden)]
    unsafe fn load_all(slots: *const Self::Stored, count: usize, cx: Cx, to: &mut Vec<Self>) -> Result<()> {
        for index in 0..count {
            // SAFETY: the caller's promise.
            to.push(unsafe { Self::load(slots.add(index), cx)? });
        }
        Ok(())
    }

    /// Frees what the value owns. The bytes of `stored` themselves stay as they are, and must not be
    /// used as a value again.
    ///
    /// # Safety
    /// As for `view_mut`, for the time of the call.
    unsafe fn drop_stored(stored: *mut Self::Stored, cx: Cx) -> Result<()>;

    /// Adds the type, and what it consists of, to a description; gives its node.
    fn describe(registry: &mut Registry) -> usize;
}

/// A copy of what is stored somewhere, made at once, if it is a value: for who reads while others may write.
///
/// # Safety
/// `stored` lies in a segment.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn snapshot<T: Share>(stored: *const T::Stored) -> Option<MaybeUninit<T::Stored>> {
    // SAFETY: the caller's promise.
    let copy = unsafe { copy_once(stored) };
    // SAFETY: a copy of our own.
    (T::ANY_BYTES || unsafe { T::is_valid(copy.as_ptr()) }).then_some(copy)
}

/// A copy of bytes that may be changed at the same time, which is taken on trust: each is looked at once. What is made of
/// small things is copied by words, where a compiler would take them one by one: 64 loads for an array of 64 bytes.
///
/// # Safety
/// `place` may be read.
#[inline(always)]
unsafe fn copy_once<S>(place: *const S) -> MaybeUninit<S> {
    /// Wherever it is.
    #[repr(C, packed)]
    struct Anywhere<W>(MaybeUninit<W>);

    /// # Safety
    /// A `W` may be read from one place and written to the other.
    #[inline(always)]
    unsafe fn copy_word<W>(from: *const u8, to: *mut u8) {
        // SAFETY: the caller's promise; any bytes are a `MaybeUninit`, and nothing is asked of where it is.
        unsafe { to.cast::<Anywhere<W>>().write(from.cast::<Anywhere<W>>().read_volatile()) }
    }

    if align_of::<S>() >= align_of::<u64>() || size_of::<S>() == align_of::<S>() {
        // SAFETY: the caller's promise; any bytes are a `MaybeUninit`.
        return unsafe { place.cast::<MaybeUninit<S>>().read_volatile() };
    }
    let mut copy = MaybeUninit::<S>::uninit();
    let (from, to) = (place.cast::<u8>(), copy.as_mut_ptr().cast::<u8>());
    let (words, rest) = (size_of::<S>() & !7, size_of::<S>() & 7);
    // SAFETY: all pieces lie within the value and its copy.
    unsafe {
        (0..words).step_by(8).for_each(|at| copy_word::<u64>(from.add(at), to.add(at)));
        if rest & 4 != 0 {
            copy_word::<u32>(from.add(words), to.add(words));
        }
        (words + (rest & 4)..words + rest).for_each(|at| copy_word::<u8>(from.add(at), to.add(at)));
    }
    copy
}

/// A type whose stored form is the value itself, byte for byte: numbers, and `#[repr(C)]` structs and
/// primitive-repr enums of them. Derive it with `#[derive(Plain)]`.
///
/// # Safety
/// The type is `Copy`, has a fixed layout (`repr(C)`, `repr(u8)`..., or a primitive's), contains no
/// pointers or references and nothing with interior mutability, and its `Share` is the trivial one that
/// [`plain`](crate::support) gives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not plain data",
    label = "this type is not stored as it is, byte for byte",
    note = "plain are numbers, `bool`, `char`, arrays of plain types, and `#[repr(C)]` structs and enums without fields with \
            `#[derive(commy::Plain)]`; for `String`, `Vec` and the like in a struct use `#[derive(commy::Share)]`"
)]
pub unsafe trait Plain:
    Copy + Send + Sync + for<'a> Share<Stored = Self, Ref<'a> = &'a Self, Mut<'a> = &'a mut Self>
{
}

/// A type that is seen in the segment as a reference to a *view*: the containers, and what is derived.
pub trait Viewed: for<'a> Share<Ref<'a> = &'a Self::View, Mut<'a> = &'a mut Self::View> {
    /// What lies in the segment, together with its context.
    type View: ?Sized + 'static;
}

/// A type whose guards dereference to the value in place: a container's to its view, a string's to [`Text`], a
/// plain value's to the value itself.
///
/// [`Text`]: crate::views::Text
pub trait Guarded: Share {
    /// What guards dereference to.
    type Target: ?Sized;

    /// The value in place.
    ///
    /// # Safety
    /// As for [`Share::view`].
    unsafe fn target<'a>(stored: *const Self::Stored, cx: Cx) -> &'a Self::Target;

    /// The value in place, to be changed.
    ///
    /// # Safety
    /// As for [`Share::view_mut`].
    unsafe fn target_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Result<&'a mut Self::Target>;
}

impl<T: Viewed> Guarded for T {
    type Target = T::View;

    #[inline(always)]
    unsafe fn target<'a>(stored: *const T::Stored, cx: Cx) -> &'a T::View {
        // SAFETY: the caller's promise.
        unsafe { T::view(stored, cx) }
    }

    #[inline(always)]
    unsafe fn target_mut<'a>(stored: *mut T::Stored, cx: Cx) -> Result<&'a mut T::View> {
        // SAFETY: the caller's promise.
        unsafe { T::view_mut(stored, cx) }
    }
}

/// A type that can be a key of a map or an element of a set. Hash, equality and order are functions of the
/// stored form alone, the same in every process.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    note = "keys are integers, `bool`, `char`, `String`, arrays and `#[derive(Plain)]`/`#[derive(Share)]` types of these; \
            floats are not, since NaN equals nothing"
)]
pub trait Key: Share {
    /// Feeds the stored key to a hasher, exactly as [`Lookup::hash_of`] feeds an equal borrowed one.
    ///
    /// # Safety
    /// As for [`Share::view`].
    unsafe fn hash(stored: *const Self::Stored, cx: Cx, hasher: &mut KeyHasher);

    /// Compares two stored keys.
    ///
    /// # Safety
    /// As for [`Share::view`], for both.
    unsafe fn compare(a: *const Self::Stored, b: *const Self::Stored, cx: Cx) -> Ordering;
}

/// A form in which keys of type `Self` can be looked up: `&str` for `String`, and the key itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key that a `{Q}` can look up",
    label = "this cannot be looked up so",
    note = "keys are looked up by a reference to their own type, and `String` by `&str` too; for a struct or enum use \
            `#[derive(commy::Key)]`; floats are no keys, since NaN equals nothing",
    note = "hash, equality and order of keys are those of their fields: an order written by hand would be known to one \
            program only"
)]
pub trait Lookup<Q: ?Sized>: Key {
    /// Whether hashing and comparing runs nobody's code but that of this library.
    #[doc(hidden)]
    const QUIET: bool = false;

    /// Feeds the borrowed key to a hasher.
    fn hash_of(query: &Q, hasher: &mut KeyHasher);

    /// Compares the stored key with the borrowed one.
    ///
    /// # Safety
    /// As for [`Share::view`].
    unsafe fn compare_with(stored: *const Self::Stored, cx: Cx, query: &Q) -> Ordering;

    /// Whether the stored key equals the borrowed one.
    ///
    /// # Safety
    /// As for [`Share::view`].
    #[inline(always)]
    unsafe fn equals(stored: *const Self::Stored, cx: Cx, query: &Q) -> bool {
        // SAFETY: the caller's promise.
        unsafe { Self::compare_with(stored, cx, query) == Ordering::Equal }
    }
}

/// Compares a stored key with a borrowed one while others may write: then the result is of no use, but comparing
/// does no harm.
///
/// # Safety
/// `stored` lies in the segment of `cx`.
#[inline(always)]
pub(crate) unsafe fn compare_unlocked<K: Lookup<Q>, Q: ?Sized>(
    stored: *const K::Stored,
    cx: Cx,
    query: &Q,
) -> Ordering {
    // SAFETY: the caller's promise; what lies there is a value, or has been seen to be one in a copy of our own.
    unsafe {
        if K::ANY_BYTES {
            return K::compare_with(stored, cx, query);
        }
        snapshot::<K>(stored).map_or(Ordering::Less, |copy| K::compare_with(copy.as_ptr(), cx, query))
    }
}
