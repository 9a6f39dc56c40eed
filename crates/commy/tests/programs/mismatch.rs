//! Two processes that disagree about a type.

use commy::{FreeListAllocator, Result, SharedVec};
use std::fs;

pub fn main() -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).open("shared.mmap")?;
    // SAFETY: nothing is lent.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "shared.mmap");
    match SharedVec::<u32>::try_new_in(&allocator) {
        Ok(_) => println!("taken"),
        Err(error) => println!("{error}"),
    }
    let _vec: SharedVec<i32> = SharedVec::new_in(&allocator);
    println!("as the other");
    Ok(())
}
