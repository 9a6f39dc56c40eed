//! Named objects: the directory, which is an object itself, and the control block of each object.
//!
//! ```text
//! control block                        the directory's is in the header; its value is a
//!   0 state: 1 live                    BTreeMap<String, u64> from name to object, where
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
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Offset of the directory's control block.
const DIRECTORY: u64 = 256;
/// Distance of the lock word from the control block's beginning.
const OBJECT_AT: u64 = 64;
/// `state` of a live object.
const LIVE: u64 = 1;

/// What the directory is.
pub(crate) type Names = BTreeMap<String, u64>;

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
    Ok(())
}


pub(crate) fn find(_segment: &Segment, _name: &str) -> Result<Option<Found>> { Ok(None) }
pub(crate) fn insert<T: Share>(_segment: &Segment, name: &str, _value: impl FnOnce() -> T) -> Result<Found> { Err(Error::NotFound{name:name.into()}) }
pub(crate) fn names(_segment: &Segment) -> Result<Vec<String>> { Ok(vec![]) }
