//! Whether a memory map that somebody else made is of this segment's file.
//!
//! The segment's id is compared first, so nothing else is touched. A copy of a file has its id, too; so then a word of
//! the header is changed through our map, and looked at through the other:
//!
//! ```text
//! before = word += random;    seen = word through the other map;    after = word
//! the same file:  before <= seen <= after      (others may be doing the same)
//! a copy:         seen is what it was when it was copied, or what somebody made of it there: random
//! ```

use super::Segment;
use crate::error::{Error, Result};
use crate::layout::{Header, PAGE};
use crate::os;
use std::sync::atomic::Ordering;

impl Segment {
    /// Sees that these bytes, which are mapped from a file, are mapped from this one, from its beginning.
    pub(crate) fn is_mapped_by(&self, bytes: &[u8]) -> Result<()> {
        let other = || Error::OtherFile { path: self.path().to_path_buf() };
        let (first, header) = (bytes.as_ptr(), self.header());
        if bytes.len() < PAGE as usize || first.align_offset(align_of::<u64>()) != 0 {
            return Err(other());
        }
        let word = |offset: usize| {
            // SAFETY: a word within the first page of the map, aligned; others may be changing it at this moment, so
            // that it is looked at once.
            unsafe { first.add(offset).cast::<u64>().read_volatile() }
        };
        let id = std::mem::offset_of!(Header, id);
        if [word(id), word(id + 8)] != header.id.each_ref().map(|half| half.get()) {
            return Err(other());
        }
        let random = os::random_u64().map_err(|e| Error::io("get random numbers for", self.path(), e))?;
        let (sameness, step) = (header.sameness.atomic(), random >> 32 | 1);
        let before = sameness.fetch_add(step, Ordering::SeqCst).wrapping_add(step);
        let seen = word(std::mem::offset_of!(Header, sameness));
        let after = sameness.load(Ordering::SeqCst);
        if seen.wrapping_sub(before) <= after.wrapping_sub(before) { Ok(()) } else { Err(other()) }
    }
}
