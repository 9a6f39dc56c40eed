//! The guide's first program.

use commy::{FreeListAllocator, Result, SharedVec};
use std::fs;

pub fn main() -> Result<()> {
    // A file of zeros ..
    let file_path = "shared.mmap";
    fs::write(file_path, vec![0u8; 10 * 1024 * 1024])?;

    // .. is mapped ..
    let file = fs::OpenOptions::new().read(true).write(true).open(file_path)?;
    // SAFETY: nobody else has the file.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };

    // .. becomes an allocator ..
    let allocator = FreeListAllocator::new(mmap, file_path);

    // .. in which there are containers.
    let mut vec: SharedVec<i32> = SharedVec::new_in(&allocator);
    vec.push(1);
    vec.push(2);
    vec.push(3);

    assert_eq!(vec.len(), 3);
    assert_eq!(vec.get(0), Some(&1));
    println!("{}", vec.len());
    Ok(())
}
