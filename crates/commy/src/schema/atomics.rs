//! What an object can be: all that can be shared, and atomics, which need no lock.
//!
//! ```text
//! Object   what can be at the root of an object: every `Share`, and
//!          atomics, arrays of them, structs of them
//! Atomics  those: stored as they are, used in place by everybody at once
//! ```
//!
//! Atomics are no [`Share`], so that they can be nowhere but at the root: within a container they would have to be
//! copied, logged and rolled back, which who changes them without a lock cannot wait for.

use super::describe::elements;
use super::{Kind, Registry, Share};
use crate::error::Result;
use crate::tx::Cx;
use std::sync::atomic::*;

/// A type that an object of a segment can have: every type that is [`Share`], and [`Atomics`].
///
/// There is no need to implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared between processes",
    label = "this type cannot live in a segment",
    note = "use owned data: numbers, `String`, `Vec`, `VecDeque`, `HashMap`, `BTreeMap` and structs or enums of them with \
            `#[derive(commy::Share)]`; references, `Rc`, raw pointers and closures mean nothing to another process",
    note = "without a lock: `AtomicU64` and its like, arrays of them, and structs of them with `#[derive(commy::Atomics)]`"
)]
pub trait Object: Sized + 'static {
    /// The value as it lies in the segment.
    type Form: 'static;
    /// Whether processes use it in place without a lock, as atomics are.
    #[doc(hidden)]
    const USED_IN_PLACE: bool;

    /// Moves a first value into the segment, as [`Share::into_stored`] does.
    fn place(self, cx: Cx) -> Result<Self::Form>;

    /// Adds the type to a description, as [`Share::describe`] does.
    fn describe_object(registry: &mut Registry) -> usize;
}

impl<T: Share> Object for T {
    type Form = T::Stored;
    const USED_IN_PLACE: bool = false;

    fn place(self, cx: Cx) -> Result<T::Stored> {
        self.into_stored(cx)
    }

    fn describe_object(registry: &mut Registry) -> usize {
        T::describe(registry)
    }
}

/// A type that processes use in place without a lock: an atomic integer or `bool`, an array of these, or a struct of
/// these with `#[derive(Atomics)]`. `Shared<T>` dereferences to it.
///
/// `AtomicUsize` and `AtomicIsize` are as wide as the program's words: one of another word size gets
/// [`Error::TypeMismatch`](crate::Error::TypeMismatch). `AtomicPtr` is not among them: an address in one process is
/// another thing in another.
///
/// # Safety
/// The type consists of atomics of std only, has a fixed layout, and any bytes are a value of it. Its stored form is
/// the value itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an atomic",
    label = "this cannot be used without a lock",
    note = "atomics are `AtomicU64`, `AtomicBool` and their like, arrays of them, and structs of them with \
            `#[derive(commy::Atomics)]`; for anything else use `#[derive(commy::Share)]`, and guards"
)]
pub unsafe trait Atomics: Sized + Send + Sync + 'static {
    /// Adds the type to a description.
    fn describe_atomics(registry: &mut Registry) -> usize;
}

// SAFETY: atomics in a row.
unsafe impl<A: Atomics, const N: usize> Atomics for [A; N] {
    fn describe_atomics(registry: &mut Registry) -> usize {
        let element = A::describe_atomics(registry);
        let name = format!("[{}; {N}]", registry.name(element));
        registry.node::<[A; N], [A; N]>(Kind::Array, name, |_| elements(&[("element", element)]))
    }
}

/// Implements `Object` for types that are `Atomics`. A blanket implementation would collide with that for `Share`.
#[doc(hidden)]
#[macro_export]
macro_rules! object_of_atomics {
    ([$($generics:tt)*] $type:ty $(where [$($clause:tt)*])?) => {
        impl<$($generics)*> $crate::Object for $type $(where $($clause)*)? {
            type Form = $type;
            const USED_IN_PLACE: bool = true;

            fn place(self, _: $crate::support::Cx) -> $crate::Result<$type> {
                ::core::result::Result::Ok(self)
            }

            fn describe_object(registry: &mut $crate::support::Registry) -> usize {
                <$type as $crate::Atomics>::describe_atomics(registry)
            }
        }
    };
}

macro_rules! atomic {
    ($($atomic:ident of $value:ident),*) => { $(
        // SAFETY: an atomic of std, which has the layout of its value. Any byte may be loaded as a `bool` by one.
        unsafe impl Atomics for $atomic {
            fn describe_atomics(registry: &mut Registry) -> usize {
                let value = $value::describe(registry);
                registry.node::<$atomic, $atomic>(Kind::Atomic, stringify!($atomic), |_| elements(&[("value", value)]))
            }
        }
        object_of_atomics!([] $atomic);
        object_of_atomics!([const N: usize] [$atomic; N]);
        object_of_atomics!([const N: usize, const M: usize] [[$atomic; N]; M]);
    )* };
}

atomic!(
    AtomicU8 of u8, AtomicU16 of u16, AtomicU32 of u32, AtomicU64 of u64, AtomicUsize of usize,
    AtomicI8 of i8, AtomicI16 of i16, AtomicI32 of i32, AtomicI64 of i64, AtomicIsize of isize, AtomicBool of bool
);
