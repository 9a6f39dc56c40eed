//! The guide's flag by which one process tells another that it may begin.

use commy::{FreeListAllocator, Result, SharedBox};
use std::fs;
use std::time::Duration;

pub fn main(half: &str) -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).open("ready.mmap")?;
    // SAFETY: what is lent is a flag of one byte.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "ready.mmap");

    let mut ready: SharedBox<bool> = SharedBox::new_in(&allocator);
    if half == "writer" {
        *ready = true;
        println!("told");
    } else {
        println!("waiting");
        while !*ready {
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("ready");
    }
    Ok(())
}
