//! The programs of the old readme: its start, and its three examples.

use commy::{FreeListAllocator, Result, Share, SharedBox, SharedHashMap, SharedString, SharedVec, SharedVecDeque};
use std::fs;

#[derive(Share)]
struct Task {
    id: u32,
    work: String,
}

fn process_task(task: Task) {
    println!("task {} {}", task.id, task.work);
}

pub fn main() -> Result<()> {
    fs::write("quick.mmap", vec![0u8; 10 * 1024 * 1024])?;
    let file = fs::OpenOptions::new().read(true).write(true).open("quick.mmap")?;
    // SAFETY: nobody else has the file.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "quick.mmap");

    let mut numbers: SharedVec<i32> = SharedVec::new_in(&allocator);
    numbers.push(1);
    numbers.push(2);
    numbers.push(3);
    println!("length {:?}", numbers.len());

    let mut counter: SharedBox<i32> = SharedBox::new_in(&allocator);
    *counter = 42;
    println!("counter {}", *counter);

    let mut queue: SharedVecDeque<Task> = SharedVecDeque::new_in(&allocator);
    queue.push_back(Task { id: 1, work: "...".into() });
    while let Some(task) = queue.pop_front() {
        process_task(task);
    }

    let mut config: SharedHashMap<i32, SharedString> = SharedHashMap::new_in(&allocator);
    config.insert(1, SharedString::from_str_in("app_name", &allocator)?);
    config.insert(2, SharedString::from_str_in("1.0.0", &allocator)?);
    println!("entries {}", config.len());
    Ok(())
}
