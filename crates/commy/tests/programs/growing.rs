//! What the guide does about a file that is full.

use commy::{FreeListAllocator, Result, SharedVec};
use std::fs;

pub fn main() -> Result<()> {
    fs::write("growing.mmap", vec![0u8; 1024 * 1024])?;
    let file = fs::OpenOptions::new().read(true).write(true).open("growing.mmap")?;
    // SAFETY: nothing is lent.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let mut allocator = FreeListAllocator::new(mmap, "growing.mmap");
    let mut vec: SharedVec<u64> = SharedVec::new_in(&allocator);

    vec.reserve(1000)?;
    let mut grown = 0;
    for item in 0..200_000 {
        match vec.push(item) {
            Ok(()) => {}
            Err(_) => {
                allocator.resize_file(allocator.limit() * 2)?;
                vec.push(item)?;
                grown += 1;
            }
        }
    }
    assert!(vec.iter().copied().eq(0..200_000));

    let current_size = allocator.size();
    if current_size > allocator.limit() {
        allocator.resize_file(allocator.limit() * 2)?;
    }
    if allocator.check_operation_timeout() {
        eprintln!("Operation timed out, cleaning up...");
        allocator.cleanup_failed_resize()?;
    }
    if let Err(e) = allocator.cleanup_failed_resize() {
        eprintln!("Cleanup error: {}", e);
    }
    allocator.update_heartbeat()?;

    // As it is printed, where nearly everything that is in use is this vector.
    let (mut item, limit) = (200_000, allocator.limit());
    while allocator.limit() == limit {
        match vec.push(item) {
            Ok(()) => {}
            Err(_) => {
                allocator.resize_file(allocator.size() * 2)?;
                vec.push(item)?;
            }
        }
        item += 1;
    }
    assert!(allocator.limit() > limit && vec.iter().copied().eq(0..item));

    drop(vec);
    let before = fs::metadata("growing.mmap")?.len();
    allocator.shrink_to_usage()?;
    let after = fs::metadata("growing.mmap")?.len();
    println!("grown {grown} times, smaller {}", after < before);
    Ok(())
}
