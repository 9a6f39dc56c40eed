//! Blocks without an owner in the file: what the allocator costs when each block is taken and given back by a
//! transaction of its own.

use super::Segment;
use crate::error::{Error, Result};
use crate::tx::{Cx, Worker};
use std::ptr::NonNull;
use std::rc::Rc;

/// Takes and gives back blocks, for measuring. Nothing in the file refers to a block that was taken: when the process
/// ends without giving it back it is lost.
pub struct RawBlocks {
    segment: Segment,
    worker: Rc<Worker>,
}

impl RawBlocks {
    /// For the calling thread.
    ///
    /// # Errors
    /// As the first lock that a thread takes.
    pub fn new(segment: &Segment) -> Result<RawBlocks> {
        Ok(RawBlocks { segment: segment.clone(), worker: segment.worker()? })
    }

    /// Takes a block of at least `bytes`, aligned to `align`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; [`Error::Forked`].
    #[inline]
    pub fn alloc(&self, bytes: u64, align: u64) -> Result<NonNull<u8>> {
        let offset = self.transaction(|cx| cx.alloc(bytes, align))?;
        let block = self.segment.map().at(offset, bytes, align).and_then(NonNull::new);
        block.ok_or_else(|| Error::corrupt(offset, "a block outside the file"))
    }

    /// Gives a block back that `alloc` gave for this size and alignment.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what is no block; [`Error::Forked`].
    #[inline]
    pub fn free(&self, block: NonNull<u8>, bytes: u64, align: u64) -> Result<()> {
        let offset = (block.as_ptr() as u64).wrapping_sub(self.segment.map().base() as u64);
        self.transaction(|cx| cx.free(offset, bytes, align))
    }

    #[inline(always)]
    fn transaction<R>(&self, work: impl FnOnce(Cx) -> Result<R>) -> Result<R> {
        if !self.worker.is_own() {
            return Err(Error::Forked);
        }
        let way = self.worker.begin()?;
        let log = self.worker.log(way);
        let result = work(self.worker.context(way));
        match result {
            Ok(_) => log.commit(),
            Err(_) => log.roll_back(&self.worker.actor(), self.worker.alloc())?,
        }
        self.worker.end(way)?;
        result
    }
}

impl std::fmt::Debug for RawBlocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawBlocks").field("segment", &self.segment.path()).finish_non_exhaustive()
    }
}
