//! Named objects: the directory, which is an object itself, and the control block of each object.
//!
//! ```text
//! control block, 192 B                 the directory's is in the header; its value is a
//!   0 state: 1 live                    HashMap<String, u64> from name to object, where
//!   8 description: offset, bytes       "object" is the offset of the lock word
//!  24 value: offset, bytes
//!  40 --
//!  64 lock word          <- object
//!  72 waiters, sleepers (u32 each)
//!  80 version
//!  88 generation
//!  96 value, if it has 96 B or less; else it has a block of its own
//! ```
//!
//! Handles keep the offset of a control block, and may do so after the object was removed. So a control block is
//! never anything else, and it has a generation, at which a handle looks under the lock: if it is another than when
//! the handle was made, its object is gone.
//!
//! An object is made in one transaction under the directory's lock: its value, its description, its
//! control block and its name come into being together.

mod names;

use crate::error::{Error, Result};
use crate::layout::{VALUE_AT, Word};
use crate::map::Map;
use crate::schema::{Description, Object, Share};
use crate::segment::Segment;
use crate::shared::Shared;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Offset of the directory's control block.
const DIRECTORY: u64 = 256;
/// Distance of the lock word from the control block's beginning.
const OBJECT_AT: u64 = 64;
/// Bytes of a control block, and what it is aligned to: a cache line.
const CONTROL: (u64, u64) = (192, 64);
/// Bytes of the largest value that lies in the control block, and what such a one may be aligned to.
const INLINE: (usize, usize) = ((CONTROL.0 - OBJECT_AT - VALUE_AT) as usize, 32);
/// `state` of a live object.
const LIVE: u64 = 1;

/// What the directory is.
pub(crate) type Names = HashMap<String, u64>;

/// A control block, up to the value.
#[repr(C)]
pub(crate) struct Control {
    state: Word,
    description: Word,
    description_len: Word,
    value: Word,
    value_len: Word,
    unused: [Word; 3],
    pub(crate) lock: AtomicU64,
    pub(crate) waiters: AtomicU32,
    pub(crate) sleepers: AtomicU32,
    pub(crate) version: Word,
    pub(crate) generation: Word,
}

const _: () = {
    assert!(size_of::<Control>() as u64 == OBJECT_AT + VALUE_AT);
    assert!(std::mem::offset_of!(Control, lock) as u64 == OBJECT_AT);
    assert!(std::mem::offset_of!(Control, waiters) as u64 == OBJECT_AT + crate::layout::WAITERS_AT);
    assert!(std::mem::offset_of!(Control, sleepers) as u64 == OBJECT_AT + crate::layout::SLEEPERS_AT);
    assert!(std::mem::offset_of!(Control, version) as u64 == OBJECT_AT + crate::layout::VERSION_AT);
    assert!(std::mem::offset_of!(Control, generation) as u64 == OBJECT_AT + crate::layout::GENERATION_AT);
    assert!((OBJECT_AT + VALUE_AT).is_multiple_of(INLINE.1 as u64));
};

/// An object as the directory knows it.
pub(crate) struct Found {
    pub object: u64,
    /// The generation that it is of, and where its value is, as long as that is the generation.
    pub generation: u64,
    pub value: u64,
    pub description: Vec<u8>,
}

/// The control block of an object.
pub(crate) fn control(map: &Map, object: u64) -> Result<&Control> {
    let offset = object.checked_sub(OBJECT_AT).ok_or_else(|| Error::corrupt(object, "no object is here"))?;
    // SAFETY: a control block is all atomics.
    unsafe { map.get::<Control>(offset) }
}

/// Sets up the directory in a file that is being formatted: zeros are an empty map.
pub(crate) fn format_directory(map: &Map) -> Result<()> {
    let directory = control(map, DIRECTORY + OBJECT_AT)?;
    directory.value.put(DIRECTORY + OBJECT_AT + VALUE_AT);
    directory.state.put(LIVE);
    const { assert!(is_inline::<<Names as Share>::Stored>()) };
    Ok(())
}

/// Whether values with this stored form lie in their control blocks.
const fn is_inline<S>() -> bool {
    size_of::<S>() <= INLINE.0 && align_of::<S>() <= INLINE.1
}

fn directory(segment: &Segment) -> Result<Shared<Names>> {
    Shared::at(segment, "(the directory)", DIRECTORY + OBJECT_AT)
}

/// Looks a name up.
pub(crate) fn find(segment: &Segment, name: &str) -> Result<Option<Found>> {
    names::check(name)?;
    let directory = directory(segment)?;
    let names = directory.read()?;
    names.get(name).map(|object| found(segment, *object)).transpose()
}

fn found(segment: &Segment, object: u64) -> Result<Found> {
    let map = segment.map();
    let control = control(map, object)?;
    if control.state.get() != LIVE {
        return Err(Error::corrupt(object, "a name that leads to no object"));
    }
    let (offset, len) = (control.description.get(), control.description_len.get());
    let Some(bytes) = map.at(offset, len, 1) else {
        return Err(Error::corrupt(offset, "a description outside the file"));
    };
    let mut description = vec![0; len as usize];
    // SAFETY: `len` bytes in the map, which are not changed while the directory is locked.
    unsafe { std::ptr::copy_nonoverlapping(bytes, description.as_mut_ptr(), len as usize) };
    Ok(Found { object, generation: control.generation.get(), value: control.value.get(), description })
}

/// Makes an object, unless somebody else has made one of that name meanwhile.
pub(crate) fn insert<T: Object>(segment: &Segment, name: &str, value: impl FnOnce() -> T) -> Result<Found> {
    names::check(name)?;
    let value = value();
    let description = Description::of::<T>().to_bytes();
    let directory = directory(segment)?;
    let mut names = directory.write()?;
    if let Some(object) = names.get(name).copied() {
        return found(segment, object);
    }
    let made = (|| {
        let cx = names.cx();
        let stored = value.place(cx)?;
        let text = cx.alloc(description.len() as u64, 8)?;
        let block = cx.alloc(CONTROL.0, CONTROL.1)?;
        let object = block + OBJECT_AT;
        let (bytes, align) = (size_of::<T::Form>() as u64, align_of::<T::Form>() as u64);
        let value = if is_inline::<T::Form>() { object + VALUE_AT } else { cx.alloc(bytes, align)? };
        let corrupt = || Error::corrupt(block, "an allocation outside the file");
        let place = cx.slice::<T::Form>(value, 1).ok_or_else(corrupt)?;
        let bytes = cx.at(text, description.len() as u64, 1).ok_or_else(corrupt)?;
        // SAFETY: both are blocks that this transaction has just taken, of these sizes.
        unsafe {
            std::ptr::copy_nonoverlapping(description.as_ptr(), bytes.as_ptr(), description.len());
            place.write(stored);
        }
        for offset in (0..OBJECT_AT + VALUE_AT).step_by(8) {
            segment.map().word(block + offset)?.put(0);
        }
        let control = control(segment.map(), object)?;
        control.description.put(text);
        control.description_len.put(description.len() as u64);
        control.value.put(value);
        control.value_len.put(size_of::<T::Form>() as u64);
        control.state.put(LIVE);
        names.insert(name.into(), object)?;
        Ok(Found { object, generation: 0, value, description })
    })();
    match made {
        Ok(found) => {
            names.commit()?;
            Ok(found)
        }
        Err(error) => {
            names.rollback();
            Err(error)
        }
    }
}

/// All names, in order.
pub(crate) fn names(segment: &Segment) -> Result<Vec<String>> {
    let directory = directory(segment)?;
    let mut names: Vec<String> = directory.read()?.keys().map(str::to_owned).collect();
    names.sort_unstable();
    Ok(names)
}
