//! The guide's counter: the process that counts.

use commy::{FreeListAllocator, Result, SharedBox};
use std::fs;

pub fn main() -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open("counter.mmap")?;
    if file.metadata()?.len() == 0 {
        fs::write("counter.mmap", vec![0u8; 10 * 1024 * 1024])?;
    }
    // SAFETY: what is lent is a number of one word.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "counter.mmap");

    let mut counter: SharedBox<i32> = SharedBox::new_in(&allocator);
    for i in 0..100 {
        *counter = i;
        println!("Incremented to {}", i);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Ok(())
}
