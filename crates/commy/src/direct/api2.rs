//! The allocator as collections of other crates take it.

use super::FreeListAllocator;
use allocator_api2::alloc::{AllocError, Allocator};
use std::alloc::Layout;
use std::ptr::NonNull;

/// Collections with memory in the file, of this process alone: their pointers mean nothing to others. What they leak
/// is given back when the allocator and its containers are dropped, or the process dies.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// // SAFETY: nobody else uses the file.
/// let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// let mut numbers = allocator_api2::vec::Vec::new_in(&allocator);
/// numbers.extend(0..1000);
/// assert_eq!(numbers[999], 999);
/// # Ok::<(), commy::Error>(())
/// ```
// SAFETY: a block stays where it is, and is nobody else's, until it is given back, or the allocator is dropped, which is
// borrowed.
unsafe impl Allocator for &FreeListAllocator {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        FreeListAllocator::allocate(self, layout).map_err(|_| AllocError)
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // In a forked child the blocks are its parent's, and not given back.
        let _ = self.try_deallocate(ptr, layout);
    }
}
