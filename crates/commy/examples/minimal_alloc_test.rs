//! The least that one can do: a file, an allocator, a block of memory, a container.
//!
//! ```text
//! cargo run --example minimal_alloc_test [FILE]
//! ```

use commy::{FreeListAllocator, Result, SharedVec};
use std::alloc::Layout;
use std::fs;

/// Does it with a file of 10 MiB, which it makes.
pub fn run(file: &str) -> Result<()> {
    fs::write(file, vec![0; 10 << 20])?;
    let mapped = fs::File::options().read(true).write(true).open(file)?;
    // SAFETY: nobody else uses the file.
    let map = unsafe { memmap2::MmapMut::map_mut(&mapped)? };
    let allocator = FreeListAllocator::new(map, file);
    println!("{} of {} bytes in use", allocator.size(), allocator.limit());

    let layout = Layout::new::<[u64; 128]>();
    let block = allocator.allocate(layout)?;
    println!("{} bytes at {:p}; {} in use", block.len(), block, allocator.size());
    // SAFETY: a block of our own, of that many bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_ptr().cast::<u8>(), block.len()) };
    bytes.fill(0xc0);
    assert!(bytes.iter().all(|byte| *byte == 0xc0));
    allocator.deallocate(block.cast(), layout);
    println!("freed; {} in use", allocator.size());

    let mut numbers: SharedVec<i32> = SharedVec::new_in(&allocator);
    for number in 1..=3 {
        numbers.push(number)?;
    }
    println!("{numbers:?}; {} in use", allocator.size());
    assert_eq!(numbers, [1, 2, 3]);
    Ok(())
}

fn main() -> Result<()> {
    let file = std::env::temp_dir().join(format!("commy-minimal-{}", std::process::id()));
    let given = std::env::args().nth(1);
    run(given.as_deref().unwrap_or(&file.to_string_lossy()))?;
    if given.is_none() {
        fs::remove_file(file)?;
    }
    Ok(())
}
