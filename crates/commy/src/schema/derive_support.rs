//! What the derives' code calls, so that little of it is generated.

use super::{Atomics, Field, Kind, Object, Plain, Registry, Share, Variant};
use crate::error::{Error, Result};
use crate::tx::Cx;
use std::fmt::{Debug, DebugStruct, DebugTuple, Display, Formatter};
use std::marker::PhantomData;

/// A parameter of a generic type, for its name.
pub enum Parameter<'a> {
    /// How the type is described.
    Type(fn(&mut Registry) -> usize),
    /// The value.
    Const(&'a dyn Display),
}

/// A field, to be described.
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// How its type is described.
    pub describe: fn(&mut Registry) -> usize,
    /// Where it is in the stored form.
    pub offset: usize,
}

/// A variant to be described: its name, tag and fields.
pub type DescribedVariant<'a> = (&'a str, u64, &'a [Part]);

/// Describes a struct or enum; a struct is one variant without a name.
pub fn describe<T: Object>(
    registry: &mut Registry,
    kind: Kind,
    name: &str,
    parameters: &[Parameter<'_>],
    variants: &[DescribedVariant<'_>],
) -> usize {
    const { assert!(align_of::<T::Form>() <= 4096, "a shared value can be aligned to 4096 bytes at most") };
    let mut parameter = |parameter: &Parameter<'_>| match parameter {
        Parameter::Type(describe) => {
            let node = describe(registry);
            registry.name(node).to_owned()
        }
        Parameter::Const(value) => value.to_string(),
    };
    let name = match parameters {
        [] => name.to_owned(),
        _ => format!("{name}<{}>", parameters.iter().map(&mut parameter).collect::<Vec<_>>().join(", ")),
    };
    registry.node::<T, T::Form>(kind, name, |registry| {
        let mut field = |part: &Part| {
            let node = (part.describe)(registry);
            Field { name: part.name.into(), node, offset: part.offset }
        };
        let mut variant = |(name, tag, parts): &DescribedVariant<'_>| {
            let fields = parts.iter().map(&mut field).collect();
            Variant { name: (*name).into(), tag: *tag, fields }
        };
        variants.iter().map(&mut variant).collect()
    })
}

/// Describes a field of a plain struct, which has to be plain.
pub fn plain<T: Plain>(registry: &mut Registry) -> usize {
    T::describe(registry)
}

/// Whether any bytes are a value of a plain type.
pub const fn any_bytes<T: Plain>() -> bool {
    T::ANY_BYTES
}

/// Whether these bytes are a value of a plain type.
///
/// # Safety
/// As for [`Share::is_valid`].
pub unsafe fn is_valid<T: Plain>(stored: *const T) -> bool {
    // SAFETY: the caller's promise.
    unsafe { T::is_valid(stored) }
}

/// Describes a field of a struct of atomics, which has to be one.
pub fn atomics<T: Atomics>(registry: &mut Registry) -> usize {
    T::describe_atomics(registry)
}

/// Puts another value in the place of a stored one, wholly or not at all.
///
/// # Errors
/// [`Error::OutOfSpace`], [`Error::Corrupt`]; nothing has changed then.
///
/// # Safety
/// As for [`Share::view_mut`].
pub unsafe fn replace<T: Share>(place: *mut T::Stored, value: T, cx: Cx) -> Result<()> {
    if !T::OWNS {
        let new = value.into_stored(cx)?;
        // SAFETY: the caller's promise; the old bytes are logged before they are overwritten.
        unsafe {
            cx.keep_value(place)?;
            place.write(new);
        }
        return Ok(());
    }
    cx.atomically(|| {
        let new = value.into_stored(cx)?;
        // SAFETY: as above. What the old value owned is freed at commit at the earliest, for it was there
        // before this part began.
        unsafe {
            cx.keep_value(place)?;
            T::drop_stored(place, cx)?;
            place.write(new);
        }
        Ok(())
    })
}

/// What `.._mut` methods give, which have no room for an error.
///
/// # Panics
/// On an error.
#[inline(always)]
#[track_caller]
pub fn lent<R>(lent: Result<R>) -> R {
    match lent {
        Ok(value) => value,
        Err(error) => cannot_lend(&error),
    }
}

#[cold]
#[track_caller]
fn cannot_lend(error: &Error) -> ! {
    panic!("cannot lend the value for changing, and the transaction is rolled back: {error}")
}

fn offset_of<S>(cx: Cx, stored: *const S) -> u64 {
    (stored as usize).wrapping_sub(cx.map().base() as usize) as u64
}

/// A tag that is no variant's, found by what can give an error.
#[cold]
pub fn corrupt_tag<S>(cx: Cx, stored: *const S) -> Error {
    Error::corrupt(offset_of(cx, stored), "an enum's tag is that of no variant")
}

/// A tag that is no variant's, found where a reference has to be given.
///
/// # Panics
/// Always: there is nothing to refer to.
#[cold]
pub fn invalid_tag<S>(cx: Cx, stored: *const S, name: &str, tag: u64) -> ! {
    let at = offset_of(cx, stored);
    panic!(
        "the segment is damaged at offset {at}: {tag} is the tag of no variant of {name}; see what Segment::check finds, restore a snapshot"
    )
}

/// A box whose content is not in the file, found where a reference has to be given.
///
/// # Panics
/// Always: there is nothing to refer to.
#[cold]
pub(crate) fn dangling_box<S>(cx: Cx, stored: *const S) -> ! {
    let at = offset_of(cx, stored);
    panic!(
        "the segment is damaged at offset {at}: the content of a box is outside the file; see what Segment::check finds, restore a snapshot"
    )
}

/// Of no size; keeps what has it in its thread, though others may look at it.
#[derive(Debug)]
pub struct ThreadBound(PhantomData<*mut ()>);

// SAFETY: there is nothing to be accessed.
unsafe impl Sync for ThreadBound {}

/// A value to be shown: by its `Debug`, or, with both traits below in scope and called on `&Show(..)`, as `..` if
/// it has none.
pub struct Show<'a, T>(pub &'a T);

/// Taken by the compiler first, if the value has `Debug`.
pub trait ShowDebug {
    /// The value.
    fn show(&self) -> &dyn Debug;
}

impl<T: Debug> ShowDebug for Show<'_, T> {
    fn show(&self) -> &dyn Debug {
        self.0
    }
}

/// Taken otherwise.
pub trait ShowAnything {
    /// Two dots.
    fn show(&self) -> &dyn Debug;
}

impl<T> ShowAnything for &Show<'_, T> {
    fn show(&self) -> &dyn Debug {
        &Elided
    }
}

struct Elided;

impl Debug for Elided {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// The fields of a struct or tuple being shown.
pub enum ShowFields<'a, 'f> {
    /// With names.
    Named(DebugStruct<'a, 'f>),
    /// Without.
    Tuple(DebugTuple<'a, 'f>),
}

impl<'a, 'f> ShowFields<'a, 'f> {
    /// Begins to show a struct.
    pub fn named(f: &'a mut Formatter<'f>, name: &str) -> Self {
        ShowFields::Named(f.debug_struct(name))
    }

    /// Begins to show a tuple.
    pub fn tuple(f: &'a mut Formatter<'f>, name: &str) -> Self {
        ShowFields::Tuple(f.debug_tuple(name))
    }

    /// Shows a field.
    pub fn field(&mut self, name: &str, value: &dyn Debug) {
        match self {
            ShowFields::Named(shown) => {
                shown.field(name, value);
            }
            ShowFields::Tuple(shown) => {
                shown.field(value);
            }
        }
    }

    /// Ends.
    ///
    /// # Errors
    /// What the formatter gave.
    pub fn finish(&mut self) -> std::fmt::Result {
        match self {
            ShowFields::Named(shown) => shown.finish(),
            ShowFields::Tuple(shown) => shown.finish(),
        }
    }
}
