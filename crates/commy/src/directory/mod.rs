//! Named objects: the directory, which is an object itself, and the control block of each object.
//!
//! ```text
//! control block                        the directory's is in the header; its value is a
//!   0 state: 1 live                    HashMap<String, u64> from name to object, where
//!   8 description: offset, bytes       "object" is the offset of the lock word
//!  24 value, bytes
//!  32 --
//!  64 lock word          <- object
//!  72 waiters, sleepers (u32 each)
//!  80 version
//!  88 value, or at the next offset that suits its alignment
//! ```
//!
//! An object is made in one transaction under the directory's lock: its value, its description, its
//! control block and its name come into being together.

mod names;

use crate::error::{Error, Result};
use crate::layout::{VALUE_AT, Word, round_up};
use crate::map::Map;
use crate::schema::{Description, Share};
use crate::segment::Segment;
use crate::shared::Shared;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Offset of the directory's control block.
const DIRECTORY: u64 = 256;
/// Distance of the lock word from the control block's beginning.
const OBJECT_AT: u64 = 64;
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
    value_len: Word,
    unused: [Word; 4],
    pub(crate) lock: AtomicU64,
    pub(crate) waiters: AtomicU32,
    pub(crate) sleepers: AtomicU32,
    pub(crate) version: Word,
}

const _: () = {
    assert!(size_of::<Control>() as u64 == OBJECT_AT + VALUE_AT);
    assert!(std::mem::offset_of!(Control, lock) as u64 == OBJECT_AT);
    assert!(std::mem::offset_of!(Control, waiters) as u64 == OBJECT_AT + crate::layout::WAITERS_AT);
    assert!(std::mem::offset_of!(Control, sleepers) as u64 == OBJECT_AT + crate::layout::SLEEPERS_AT);
    assert!(std::mem::offset_of!(Control, version) as u64 == OBJECT_AT + crate::layout::VERSION_AT);
};

/// An object as the directory knows it.
pub(crate) struct Found {
    pub object: u64,
    pub description: Vec<u8>,
}

/// The control block of an object.
pub(crate) fn control(map: &Map, object: u64) -> Result<&Control> {
    let offset = object.checked_sub(OBJECT_AT).ok_or_else(|| Error::corrupt(object, "no object is here"))?;
    // SAFETY: a control block is all atomics.
    unsafe { map.get::<Control>(offset) }
}

/// Offset of an object's value.
pub(crate) fn value_offset<T: Share>(object: u64) -> Result<u64> {
    let align = align_of::<T::Stored>().max(8) as u64;
    round_up(object + VALUE_AT, align).ok_or_else(|| Error::corrupt(object, "no object is here"))
}

/// Sets up the directory in a file that is being formatted: zeros are an empty map.
pub(crate) fn format_directory(map: &Map) -> Result<()> {
    control(map, DIRECTORY + OBJECT_AT)?.state.put(LIVE);
    const { assert!(VALUE_AT as usize + size_of::<<Names as Share>::Stored>() + 64 <= 256) };
    Ok(())
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
    Ok(Found { object, description })
}

/// Makes an object, unless somebody else has made one of that name meanwhile.
pub(crate) fn insert<T: Share>(segment: &Segment, name: &str, value: impl FnOnce() -> T) -> Result<Found> {
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
        let align = align_of::<T::Stored>().max(64) as u64;
        let block_len = value_offset::<T>(OBJECT_AT)? + size_of::<T::Stored>() as u64;
        let stored = value.store(cx)?;
        let text = cx.alloc(description.len() as u64, 8)?;
        let block = cx.alloc(block_len, align)?;
        let object = block + OBJECT_AT;
        let corrupt = || Error::corrupt(block, "an allocation outside the file");
        let bytes = cx.at(text, description.len() as u64, 1).ok_or_else(corrupt)?;
        let place = cx.slice::<T::Stored>(value_offset::<T>(object)?, 1).ok_or_else(corrupt)?;
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
        control.value_len.put(size_of::<T::Stored>() as u64);
        control.state.put(LIVE);
        names.insert(name.into(), object)?;
        Ok(object)
    })();
    match made {
        Ok(object) => {
            names.commit()?;
            Ok(Found { object, description })
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
