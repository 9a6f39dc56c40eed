//! Copies of many elements.
//!
//! Who copies without the lock may be misled by a length that somebody is just changing. So memory is taken bit by
//! bit, and from time to time it is asked whether going on is of use.

use crate::error::{Error, Result};
use crate::tx::Cx;

/// Bytes between two looks at that.
const STRIDE: usize = 64 * 1024;

/// `len` values that are whatever lies there, byte for byte.
///
/// # Safety
/// From `first` on lie so many of them, in the map; any bytes are a value of `T`.
pub(super) unsafe fn load_bytes<T: Copy>(first: *const T, len: usize, cx: Cx) -> Result<Vec<T>> {
    let stride = stride::<T>();
    let mut all: Vec<T> = with_room(len, cx);
    while all.len() < len {
        go_on(cx)?;
        let (done, many) = (all.len(), stride.min(len - all.len()));
        all.reserve(many);
        // SAFETY: the caller's promise; there is room for as many, and then they are there.
        unsafe {
            std::ptr::copy_nonoverlapping(first.add(done), all.as_mut_ptr().add(done), many);
            all.set_len(done + many);
        }
    }
    Ok(all)
}

/// Values between two looks.
pub(super) const fn stride<T>() -> usize {
    let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
    if size < STRIDE { STRIDE / size } else { 1 }
}

/// With memory for `len` values, if that length is certain.
pub(super) fn with_room<T>(len: usize, cx: Cx) -> Vec<T> {
    Vec::with_capacity(if cx.is_watched() { len.min(stride::<T>()) } else { len })
}

/// Whether copying is still of use: an error that nobody gets to see if not.
pub(super) fn go_on(cx: Cx) -> Result<()> {
    if cx.is_stale() { Err(Error::corrupt(0, "an object that was changed while it was read")) } else { Ok(()) }
}
