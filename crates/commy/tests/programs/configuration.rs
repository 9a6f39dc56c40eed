//! The guide's configuration map; the argument says whether to store or only to read.

use commy::{FreeListAllocator, Result, SharedHashMap, SharedString};
use std::fs;

pub fn main(half: &str) -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open("config.mmap")?;
    if file.metadata()?.len() == 0 {
        fs::write("config.mmap", vec![0u8; 10 * 1024 * 1024])?;
    }
    // SAFETY: nobody changes the map while it is read.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "config.mmap");

    let mut config: SharedHashMap<i32, SharedString> = SharedHashMap::new_in(&allocator);
    if half != "read" {
        let mut name = SharedString::new_in(&allocator);
        name.push_str("MyApp")?;
        config.insert(1, name);

        let mut version = SharedString::new_in(&allocator);
        version.push_str("1.0.0")?;
        config.insert(2, version);
    }
    if let Some(app_name) = config.get(&1) {
        println!("App: {}", app_name.from_utf8()?);
    }
    Ok(())
}
