//! The guide's counter: the process that watches.

use commy::{FreeListAllocator, Result, SharedBox};
use std::fs;

pub fn main() -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).open("counter.mmap")?;
    // SAFETY: what is lent is a number of one word.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "counter.mmap");

    let counter: SharedBox<i32> = SharedBox::new_in(&allocator);
    for _ in 0..20 {
        println!("Current value: {}", *counter);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(())
}
