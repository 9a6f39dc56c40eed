//! The allocator and the eight containers, method by method, as the user's guide has them.

mod common;

use common::place;
use commy::{Error, FreeListAllocator, SharedVec};
use std::alloc::Layout;
use std::ffi::OsStr;
use std::path::Path;

const SIZE: u64 = 1 << 20;

/// An allocator for a file, made as the guide does it.
fn map(path: &Path) -> FreeListAllocator {
    if !path.exists() {
        std::fs::write(path, vec![0; SIZE as usize]).expect("a file");
    }
    let file = std::fs::File::options().read(true).write(true).open(path).expect("open");
    // SAFETY: the tests keep to the rules for lent references.
    let map = unsafe { memmap2::MmapMut::map_mut(&file).expect("map") };
    FreeListAllocator::new(map, path)
}

#[test]
fn elements_pushed_through_one_allocator_are_seen_through_another() {
    let (_folder, path) = place();
    let (one, other) = (map(&path), map(&path));
    let mut writer: SharedVec<i32> = SharedVec::new_in(&one);
    let reader: SharedVec<i32> = SharedVec::new_in(&other);
    for number in 1..=3 {
        writer.push(number).expect("room");
    }
    assert_eq!((reader.len(), reader.get(0), reader[2]), (3, Some(&1), 3));
    assert_eq!(reader, [1, 2, 3]);
}

#[test]
fn a_map_of_another_file_is_refused() {
    let (folder, path) = place();
    let (mine, copy) = (folder.path().join("mine"), folder.path().join("copy"));
    for path in [&path, &mine] {
        drop(map(path));
    }
    std::fs::copy(&path, &copy).expect("copy");
    for other in [&mine, &copy] {
        let file = std::fs::File::options().read(true).write(true).open(other).expect("open");
        // SAFETY: nothing is lent.
        let other = unsafe { memmap2::MmapMut::map_mut(&file).expect("map") };
        let refused = FreeListAllocator::try_new(other, &path);
        assert!(matches!(refused, Err(Error::OtherFile { .. })), "{refused:?}");
    }
    assert_eq!(path.file_name(), Some(OsStr::new("test.commy")));
}

#[test]
fn wrong_and_double_deallocations_are_refused() {
    let (_folder, path) = place();
    let (allocator, other) = (map(&path), map(&path));
    let layout = Layout::new::<[u64; 8]>();
    let before = allocator.size();
    let block = allocator.allocate(layout).expect("room").cast::<u8>();
    assert!(allocator.size() > before);
    let wrong = Layout::new::<[u64; 9]>();
    // SAFETY: within the block.
    let inside = unsafe { block.add(8) };
    for refused in [
        allocator.try_deallocate(block, wrong),
        allocator.try_deallocate(inside, layout),
        other.try_deallocate(block, layout),
    ] {
        assert!(matches!(refused, Err(Error::NotABlock { .. })), "{refused:?}");
    }
    allocator.deallocate(block, layout);
    assert!(matches!(allocator.try_deallocate(block, layout), Err(Error::NotABlock { .. })));
    assert!(std::panic::catch_unwind(|| allocator.deallocate(block, layout)).is_err());
}
