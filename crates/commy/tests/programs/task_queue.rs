//! The guide's task queue; the argument says which half of it, so that they can be two processes.

use commy::{FreeListAllocator, Result, SharedVecDeque};
use std::fs;

pub fn main(half: &str) -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open("tasks.mmap")?;
    if file.metadata()?.len() == 0 {
        fs::write("tasks.mmap", vec![0u8; 10 * 1024 * 1024])?;
    }
    // SAFETY: nothing is lent.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "tasks.mmap");

    let mut queue: SharedVecDeque<i32> = SharedVecDeque::new_in(&allocator);
    if half != "consumer" {
        queue.push_back(1);
        queue.push_back(2);
        queue.push_back(3);
    }
    if half != "producer" {
        while let Some(task) = queue.pop_front() {
            println!("Processing task: {}", task);
        }
    }
    Ok(())
}
