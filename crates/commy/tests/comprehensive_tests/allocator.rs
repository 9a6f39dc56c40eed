//! The allocator: files, blocks, sizes, upkeep.

use super::{SIZE, fresh, layout, map, panic_of};
use crate::common::{has_length, place};
use commy::{Error, FreeListAllocator, Segment, SharedVec};
use std::alloc::Layout;
use std::ptr::NonNull;
use std::time::Duration;

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

#[test]
fn a_block_is_given_back_as_exactly_what_it_was_taken_as() {
    let (_folder, _path, allocator) = fresh();
    // The same but for whole pages, for the alignment, for the number of bytes.
    let layouts = [(64, 8), (4096 + 64, 8), (8192 + 64, 8), (64, 16), (48, 8), (47, 8), (4096, 8), (4096, 4096)];
    let layouts = layouts.map(|(size, align)| layout(size, align));
    for round in 0..3 {
        let blocks = layouts.map(|layout| allocator.allocate(layout).expect("room").cast::<u8>());
        for (block, taken) in blocks.iter().zip(layouts) {
            for other in layouts.into_iter().chain([layout(64, 1 << 16), layout(0xfff, 8)]).filter(|it| *it != taken) {
                let refused = allocator.try_deallocate(*block, other);
                assert!(matches!(refused, Err(Error::NotABlock { .. })), "{round}: {other:?} for {taken:?}");
            }
            for off in [8, 16, 32] {
                // SAFETY: within the block.
                let refused = allocator.try_deallocate(unsafe { block.add(off) }, taken);
                assert!(matches!(refused, Err(Error::NotABlock { .. })), "{round}: {off} bytes into {taken:?}");
            }
        }
        blocks.iter().zip(layouts).for_each(|(block, taken)| allocator.deallocate(*block, taken));
        for (block, taken) in blocks.iter().zip(layouts) {
            let refused = allocator.try_deallocate(*block, taken);
            assert!(matches!(refused, Err(Error::NotABlock { .. })), "{round}: {taken:?} is free");
        }
    }
}

#[test]
fn a_file_that_is_not_there_or_something_else_is_refused() {
    let (folder, path, _allocator) = fresh();
    let foreign = folder.path().join("foreign");
    std::fs::write(&foreign, vec![7; 1 << 16]).expect("a file");
    let missing = folder.path().join("missing");
    let mapped = || {
        let file = std::fs::File::options().read(true).write(true).open(&path).expect("open");
        // SAFETY: nothing is lent.
        unsafe { memmap2::MmapMut::map_mut(&file).expect("map") }
    };
    assert!(matches!(FreeListAllocator::try_new(mapped(), &foreign), Err(Error::NotASegment { .. })));
    assert!(matches!(FreeListAllocator::try_new(mapped(), &missing), Err(Error::Io { .. })));
    assert!(panic_of(|| drop(FreeListAllocator::new(mapped(), &missing))).contains("missing"));
    assert_eq!(std::fs::read(&foreign).expect("the file"), vec![7; 1 << 16]);
    let other = vec![0u8; 1 << 16];
    assert!(matches!(FreeListAllocator::try_new(other, &path), Err(Error::OtherFile { .. })));
}

#[test]
fn blocks_are_aligned_do_not_overlap_and_keep_what_is_written() {
    let (_folder, _path, allocator) = fresh();
    allocator.resize_file(8 << 20).expect("room");
    let mut blocks = Vec::new();
    for round in 0..40usize {
        for align in [1, 2, 8, 16, 64, 256, 1024, 4096] {
            let layout = layout(1 + round * 37 % 3000, align);
            let block = allocator.allocate(layout).expect("room");
            assert_eq!((block.len(), block.cast::<u8>().as_ptr() as usize % align), (layout.size(), 0));
            // SAFETY: a block of our own.
            unsafe { block.cast::<u8>().as_ptr().write_bytes(blocks.len() as u8, layout.size()) };
            blocks.push((block, layout));
        }
    }
    for (number, (block, layout)) in blocks.iter().enumerate() {
        // SAFETY: as above.
        let bytes = unsafe { block.as_ref() };
        assert!(bytes.iter().all(|byte| *byte == number as u8), "block {number} of {layout:?}");
    }
    for (block, layout) in blocks {
        allocator.deallocate(block.cast(), layout);
    }
    assert!(allocator.segment().check_objects().expect("a check").is_empty());
}

#[test]
fn bytes_in_use_are_counted_for_all_and_go_when_blocks_are_freed() {
    let (_folder, path, allocator) = fresh();
    let other = map(&path);
    // The table of blocks stays.
    allocator.deallocate(allocator.allocate(layout(64, 8)).expect("room").cast(), layout(64, 8));
    let before = other.size();
    let blocks: Vec<_> = (0..20).map(|_| allocator.allocate(layout(64, 8)).expect("room")).collect();
    let large = allocator.allocate(layout(100_000, 8)).expect("room");
    let now = other.size();
    assert!(now >= before + 20 * 64 + 100_000 && now <= before + 20 * 64 + 100_000 + 8192, "{now} of {before}");
    blocks.into_iter().for_each(|block| allocator.deallocate(block.cast(), layout(64, 8)));
    allocator.deallocate(large.cast(), layout(100_000, 8));
    assert!(other.size() <= before + 2048, "{} of {before}", other.size());
}

#[test]
fn blocks_of_no_size_and_impossible_ones() {
    let (_folder, _path, allocator) = fresh();
    let before = allocator.size();
    let none = allocator.allocate(layout(0, 64)).expect("nothing");
    assert_eq!((none.len(), none.cast::<u8>().as_ptr() as usize % 64), (0, 0));
    allocator.deallocate(none.cast(), layout(0, 64));
    assert!(matches!(allocator.allocate(layout(8, 8192)), Err(Error::BadArgument { .. })));
    assert!(matches!(allocator.allocate(layout(2 << 20, 8)), Err(Error::OutOfSpace { .. })));
    assert!(allocator.size() <= before + 1024);
}

#[test]
fn a_file_can_be_filled_to_the_last_block_and_emptied_again() {
    let (_folder, _path, allocator) = fresh();
    let mut counts = Vec::new();
    for _ in 0..3 {
        let mut blocks = Vec::new();
        while let Ok(block) = allocator.allocate(layout(1000, 8)) {
            blocks.push(block);
        }
        counts.push(blocks.len());
        blocks.into_iter().for_each(|block| allocator.deallocate(block.cast(), layout(1000, 8)));
    }
    assert!(counts[0] > 850 && counts.iter().all(|count| count.abs_diff(counts[0]) < 16), "{counts:?}");
}

#[test]
fn small_blocks_fill_a_file_as_far_as_what_is_noted_of_each_lets_them() {
    let (_folder, _path, allocator) = fresh();
    let before = allocator.size();
    for _ in 0..2 {
        let blocks: Vec<_> =
            std::iter::repeat_with(|| allocator.allocate(layout(24, 8))).map_while(Result::ok).collect();
        // 32 bytes for each, and 24 for its header.
        assert!(blocks.len() * 56 > 920_000, "{} blocks", blocks.len());
        assert!(allocator.segment().check().expect("a check").is_empty());
        blocks.into_iter().for_each(|block| allocator.deallocate(block.cast(), layout(24, 8)));
    }
    assert!(allocator.size() <= before + (16 << 10), "the table stays: {}", allocator.size() - before);
}

#[test]
fn a_file_that_is_large_from_the_beginning_can_be_filled_wholly() {
    let (_folder, path) = place();
    // SAFETY: nothing is lent.
    let allocator = unsafe { FreeListAllocator::open(&path, 200 << 20).expect("an allocator") };
    let blocks = (0..).map_while(|_| allocator.allocate(layout(1 << 20, 8)).ok()).count();
    assert!(blocks >= 190, "{blocks} of 1 MiB");
    assert!(allocator.segment().check().expect("a check").is_empty());
}

#[test]
fn blocks_are_given_back_with_the_last_that_uses_the_file() {
    let (_folder, path, allocator) = fresh();
    let before = allocator.size();
    let other = map(&path);
    let list: SharedVec<u64> = SharedVec::named_in(&other, "list");
    for _ in 0..10 {
        other.allocate(layout(10_000, 8)).expect("room");
    }
    drop(other);
    assert!(allocator.size() >= before + 100_000, "the list has the attachment still");
    drop(list);
    assert!(allocator.size() <= before + 1024);
}

#[test]
fn blocks_are_taken_and_freed_by_any_thread() {
    let (_folder, _path, allocator) = fresh();
    let (sender, receiver) = std::sync::mpsc::channel::<(usize, usize)>();
    std::thread::scope(|scope| {
        for number in 1..=3u8 {
            let (sender, allocator) = (sender.clone(), &allocator);
            scope.spawn(move || {
                for round in 0..300 {
                    let block = allocator.allocate(layout(16 + round, 8)).expect("room");
                    // SAFETY: a block of our own.
                    unsafe { block.cast::<u8>().as_ptr().write_bytes(number, 16 + round) };
                    let address = block.cast::<u8>().as_ptr().expose_provenance();
                    sender.send((address, 16 + round)).expect("a receiver");
                }
            });
        }
        drop(sender);
        for (address, bytes) in receiver {
            let block = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(address)).expect("a block");
            // SAFETY: a block that was handed over.
            let bytes_there = unsafe { std::slice::from_raw_parts(block.as_ptr(), bytes) };
            assert!(bytes_there.iter().all(|byte| *byte == bytes_there[0]));
            allocator.deallocate(block, layout(bytes, 8));
        }
    });
}

#[test]
fn the_file_is_resized_both_ways_for_everybody() {
    let (_folder, path, allocator) = fresh();
    let other = map(&path);
    assert_eq!((allocator.limit(), other.limit()), (SIZE, SIZE));
    let mut list: SharedVec<u64> = SharedVec::named_in(&allocator, "list");
    list.extend(0..1000);
    let first = &raw const list[0];
    allocator.resize_file(4 << 20).expect("larger");
    assert_eq!(other.limit(), 4 << 20);
    has_length(&path, 4 << 20);
    other.resize_file(SIZE / 2).expect("smaller");
    assert_eq!(allocator.limit(), SIZE / 2);
    has_length(&path, SIZE / 2);
    assert!(std::ptr::eq(first, &list[0]) && list.iter().copied().eq(0..1000));
    assert!(matches!(allocator.resize_file(1000), Err(Error::BadArgument { .. })));
    let _large = allocator.allocate(layout(300_000, 8)).expect("room");
    assert!(matches!(allocator.resize_file(SIZE / 4), Err(Error::OutOfSpace { .. })));
    assert_eq!(allocator.limit(), SIZE / 2);
}

#[test]
fn shrinking_keeps_what_is_held_and_the_limit() {
    let (_folder, path, allocator) = fresh();
    let mut held: SharedVec<u64> = SharedVec::new_in(&allocator);
    let mut dropped: SharedVec<u64> = SharedVec::new_in(&allocator);
    held.extend(0..1000);
    dropped.extend(0..50_000);
    drop(dropped);
    allocator.shrink_to_usage().expect("shrink");
    let size = allocator.segment().size();
    assert!(size < SIZE / 2 && allocator.limit() == SIZE, "{size}");
    has_length(&path, size);
    assert!(held.iter().copied().eq(0..1000));
    held.try_extend(0..50_000).expect("it grows again");
}

#[test]
fn the_upkeep_calls_have_nothing_to_do_where_nobody_died() {
    let (_folder, _path, mut allocator) = fresh();
    allocator.update_heartbeat().expect("a heartbeat");
    assert!(!allocator.check_operation_timeout());
    allocator.cleanup_failed_resize().expect("nothing");
}

#[test]
fn a_segment_that_may_grow_does_so_by_itself() {
    let (_folder, path) = place();
    let segment = Segment::options().initial_size(64 << 10).max_size(64 << 20).create(&path).expect("create");
    // SAFETY: the tests keep to the rules for lent references.
    let allocator = unsafe { FreeListAllocator::from_segment(&segment, Duration::from_secs(1)).expect("an allocator") };
    let mut list: SharedVec<u64> = SharedVec::named_in(&allocator, "list");
    list.extend(0..1_000_000);
    assert_eq!(segment.open::<Vec<u64>>("list").expect("the same").len().expect("its length"), 1_000_000);
}

#[test]
fn two_allocators_on_one_segment_are_two() {
    let (_folder, _path, allocator) = fresh();
    let segment = allocator.segment().clone();
    // SAFETY: the tests keep to the rules for lent references.
    let other = unsafe { FreeListAllocator::from_segment(&segment, Duration::from_secs(1)).expect("an allocator") };
    let (one, two) = (allocator.allocate(layout(64, 8)).expect("room"), other.allocate(layout(64, 8)).expect("room"));
    assert_ne!(one.cast::<u8>(), two.cast::<u8>());
    assert!(other.try_deallocate(one.cast(), layout(64, 8)).is_err());
    let (mut a, b): (SharedVec<i32>, SharedVec<i32>) = (SharedVec::new_in(&allocator), SharedVec::new_in(&other));
    a.extend([1, 2]);
    assert_eq!(b, [1, 2]);
    drop((b, other));
    allocator.shrink_to_usage().expect("shrink");
    assert_eq!(a, [1, 2], "it is held by the first still");
    allocator.deallocate(one.cast(), layout(64, 8));
}
