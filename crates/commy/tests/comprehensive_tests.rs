//! The allocator and the eight containers, method by method, as the user's guide has them.

mod common;

use common::{LONG, place};
use commy::{
    Error, FreeListAllocator, Plain, Segment, Share, SharedBTreeMap, SharedBTreeSet, SharedBox, SharedHashMap,
    SharedHashSet, SharedString, SharedVec, SharedVecDeque,
};
use std::alloc::Layout;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::time::Duration;

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

/// An allocator for a new file, in a folder that stays as long as the first part.
fn fresh() -> (tempfile::TempDir, PathBuf, FreeListAllocator) {
    let (folder, path) = place();
    let allocator = map(&path);
    (folder, path, allocator)
}

/// What a panic said.
fn panic_of(operation: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(AssertUnwindSafe(operation)).expect_err("a panic");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn layout(bytes: usize, align: usize) -> Layout {
    Layout::from_size_align(bytes, align).expect("a layout")
}

// The allocator.

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
    assert!(counts[0] > 600 && counts.iter().all(|count| count.abs_diff(counts[0]) < 16), "{counts:?}");
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
    assert_eq!((other.limit(), std::fs::metadata(&path).expect("the file").len()), (4 << 20, 4 << 20));
    other.resize_file(SIZE / 2).expect("smaller");
    assert_eq!((allocator.limit(), std::fs::metadata(&path).expect("the file").len()), (SIZE / 2, SIZE / 2));
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
    let length = std::fs::metadata(&path).expect("the file").len();
    assert!(length < SIZE / 2 && allocator.limit() == SIZE, "{length}");
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

// Finding each other.

#[test]
fn containers_are_paired_by_their_number_among_their_kind() {
    let (_folder, path, one) = fresh();
    let other = map(&path);
    let mut lists: [SharedVec<u32>; 3] = std::array::from_fn(|_| SharedVec::new_in(&one));
    let mut flag: SharedBox<bool> = SharedBox::new_in(&one);
    for (number, list) in lists.iter_mut().enumerate() {
        list.push(number as u32).expect("room");
    }
    *flag = true;
    let there: SharedBox<bool> = SharedBox::new_in(&other);
    assert!(*there, "boxes are counted apart");
    for number in 0..3 {
        assert_eq!(SharedVec::<u32>::new_in(&other), [number]);
    }
    assert!(SharedVec::<u32>::new_in(&other).is_empty());
}

#[test]
fn named_containers_are_found_by_their_name_and_stay() {
    let (_folder, path, one) = fresh();
    SharedHashMap::<String, u64>::named_in(&one, "words/count").insert("to".into(), 2);
    drop(one);
    let other = map(&path);
    other.shrink_to_usage().expect("shrink");
    let words: SharedHashMap<String, u64> = SharedHashMap::named_in(&other, "words/count");
    assert_eq!(words.get("to"), Some(&2));
    let object = other.segment().open::<HashMap<String, u64>>("words/count").expect("the same object");
    assert_eq!(object.get("to").expect("a copy"), Some(2));
    other.segment().remove("words/count").expect("removed");
    assert!(matches!(words.read(), Err(Error::Removed { .. })));
}

#[test]
fn another_type_is_refused_by_name_and_by_number_naming_both() {
    let (_folder, path, one) = fresh();
    let other = map(&path);
    let _list: SharedVec<i32> = SharedVec::new_in(&one);
    let _named: SharedBox<i32> = SharedBox::named_in(&one, "number");
    let refused = SharedVec::<u32>::try_new_in(&other).expect_err("refused").to_string();
    assert!(refused.contains("Vec<i32>") && refused.contains("Vec<u32>"), "{refused}");
    let said = panic_of(|| drop(SharedVec::<String>::new_in(&other)));
    assert!(said.contains("Vec<i32>") && said.contains("Vec<String>"), "{said}");
    let said = panic_of(|| drop(SharedBox::<f64>::named_in(&other, "number")));
    assert!(said.contains("i32") && said.contains("f64"), "{said}");
    assert!(SharedVec::<i32>::try_new_in(&other).is_ok(), "the number was not used up");
    assert!(matches!(SharedVec::<i32>::try_named_in(&other, "/bad"), Err(Error::BadName { .. })));
}

#[test]
fn what_nobody_holds_makes_room_when_it_is_needed() {
    let (_folder, path, allocator) = fresh();
    let other = map(&path);
    let mut large: SharedVec<u64> = SharedVec::new_in(&other);
    large.extend(0..70_000);
    let mut list: SharedVec<u64> = SharedVec::named_in(&allocator, "list");
    assert!(matches!(list.try_extend(0..70_000), Err(Error::OutOfSpace { .. })), "it is held");
    drop(large);
    let found: SharedVec<u64> = SharedVec::new_in(&allocator);
    assert_eq!(found.len(), 70_000, "it is there until then");
    drop(found);
    list.try_extend(0..70_000).expect("room is made");
    assert_eq!(list.len(), 70_000);
    assert!(SharedVec::<u64>::new_in(&map(&path)).is_empty());
}

#[test]
fn private_containers_go_when_they_are_dropped() {
    let (_folder, _path, allocator) = fresh();
    let make = || {
        let text = SharedString::from_str_in(&"x".repeat(10_000), &allocator).expect("room");
        let list = SharedVec::from_iter_in(0..10_000u32, &allocator);
        assert!(allocator.size() > 50_000);
        drop((text, list));
    };
    make();
    let before = allocator.size();
    make();
    assert_eq!(allocator.size(), before);
}

// Values in containers.

#[test]
fn a_string_that_is_put_into_a_map_moves_there_and_leaves_the_other_empty() {
    let (_folder, path, allocator) = fresh();
    let named = SharedString::named_in(&allocator, "text");
    named.as_shared().set("hello").expect("room");
    let mut map_of: SharedHashMap<i32, SharedString> = SharedHashMap::new_in(&allocator);
    map_of.insert(1, named);
    assert!(SharedString::named_in(&allocator, "text").is_empty());
    let view = map_of.get(&1).expect("an entry");
    assert_eq!((view.from_utf8().expect("text"), view.len()), ("hello".to_string(), 5));
    assert_eq!(view, "hello");

    let as_strings: SharedHashMap<i32, String> = SharedHashMap::new_in(&map(&path));
    assert_eq!(as_strings.get(&1), Some("hello"), "the same object");

    let mut taken = map_of.remove(&1).expect("an entry");
    taken.push_str(" world").expect("room");
    assert_eq!((taken.len(), taken.from_utf8().expect("text")), (11, "hello world".to_string()));
    assert_eq!(taken.into_inner().expect("text"), "hello world");
    assert!(map_of.is_empty());
}

#[test]
fn containers_nest() {
    let (_folder, path, allocator) = fresh();
    let mut lists: SharedVec<SharedVec<u32>> = SharedVec::new_in(&allocator);
    lists.push(SharedVec::from_iter_in([1, 2, 3], &allocator)).expect("room");
    lists.push(SharedVec::from_iter_in([4], &allocator)).expect("room");
    assert_eq!(lists.get(0).expect("a list")[..], [1, 2, 3]);
    let plain: SharedVec<Vec<u32>> = SharedVec::new_in(&map(&path));
    assert_eq!(plain.load().expect("a copy"), [vec![1, 2, 3], vec![4]]);
    let mut last = lists.pop().expect("a list");
    last.push(5).expect("room");
    assert_eq!(last, [4, 5]);
    lists.write().expect("the lock").get_mut(0).expect("a list").push(9).expect("room");
    assert_eq!(lists.load_at(0).expect("a copy").expect("a list").into_inner(), [1, 2, 3, 9]);
    let mut boxes: SharedVecDeque<SharedBox<u64>> = SharedVecDeque::new_in(&allocator);
    boxes.push_back(SharedBox::from_value_in(7, &allocator));
    assert_eq!(boxes.front(), Some(&7));
    assert_eq!(*boxes.pop_front().expect("a box"), 7);
}

#[test]
fn strings_are_keys_and_are_looked_up_by_text() {
    let (_folder, _path, allocator) = fresh();
    let mut set: SharedHashSet<SharedString> = SharedHashSet::new_in(&allocator);
    assert!(set.insert(SharedString::from_str_in("a", &allocator).expect("room")));
    assert!(!set.insert(SharedString::from_str_in("a", &allocator).expect("room")));
    assert!(set.contains("a") && !set.contains("b"));
    let mut map_of: SharedBTreeMap<String, i32> = SharedBTreeMap::new_in(&allocator);
    map_of.extend([("b".to_string(), 2), ("a".to_string(), 1)]);
    assert_eq!((map_of.get("a"), map_of["b"]), (Some(&1), 2));
    assert_eq!(map_of.range("b".to_string()..).count(), 1);
}

#[test]
fn texts_in_containers_are_changed_in_place_under_the_lock() {
    let (_folder, path, allocator) = fresh();
    let mut names: SharedHashMap<i32, String> = SharedHashMap::new_in(&allocator);
    names.insert(1, "Ada".into());
    let mut name = names.get_mut(&1).expect("an entry");
    name.push_str("!").expect("room");
    let other: SharedHashMap<i32, String> = SharedHashMap::new_in(&map(&path));
    let locked =
        std::thread::scope(|scope| scope.spawn(|| other.as_shared().try_write().is_err()).join().expect("a thread"));
    assert!(locked, "it is locked as long as it is lent");
    drop(name);
    assert_eq!(other.get(&1), Some("Ada!"));
    let mut list: SharedVec<SharedString> = SharedVec::from_iter_in([], &allocator);
    list.push(SharedString::from_str_in("x", &allocator).expect("room")).expect("room");
    list.get_mut(0).expect("a text").push('y').expect("room");
    assert_eq!(list.get(0).expect("a text"), "xy");
    assert!(list.get_mut(1).is_none());
}

// Vectors.

#[test]
fn capacities_grow_by_half_from_nothing() {
    let (_folder, _path, allocator) = fresh();
    let mut list: SharedVec<i32> = SharedVec::new_in(&allocator);
    assert_eq!(list.capacity(), 0);
    let mut capacities = Vec::new();
    for number in 0..13 {
        list.push(number).expect("room");
        if capacities.last() != Some(&list.capacity()) {
            capacities.push(list.capacity());
        }
    }
    assert_eq!(capacities, [1, 2, 3, 5, 8, 12, 18]);
    list.shrink_to_fit().expect("smaller");
    assert_eq!(list.capacity(), 13);
    list.reserve(100).expect("room");
    assert!(list.capacity() >= 113);
}

#[test]
fn a_vector_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut list: SharedVec<i32> = SharedVec::new_in(&allocator);
    let mut model: Vec<i32> = Vec::new();
    list.extend([5, 3, 9, 1, 3]);
    model.extend([5, 3, 9, 1, 3]);
    list.insert(2, 7);
    model.insert(2, 7);
    list.swap(0, 1);
    model.swap(0, 1);
    assert_eq!((list.remove(1), list.swap_remove(0)), (model.remove(1), model.swap_remove(0)));
    assert_eq!(list, model);
    list.sort();
    model.sort();
    assert_eq!(list.binary_search(&7), model.binary_search(&7));
    list.reverse();
    model.reverse();
    assert_eq!((list.first(), list.last()), (model.first(), model.last()));
    list.extend_from_slice(&[1, 1, 2]).expect("room");
    model.extend_from_slice(&[1, 1, 2]);
    list.dedup();
    model.dedup();
    list.retain(|number| number % 2 == 1);
    model.retain(|number| number % 2 == 1);
    assert_eq!(list, model);
    assert_eq!(list.drain(..1).collect::<Vec<_>>(), model.drain(..1).collect::<Vec<_>>());
    list.resize(6, 4).expect("room");
    model.resize(6, 4);
    assert_eq!(list.split_off(4), model.split_off(4));
    list.truncate(3);
    model.truncate(3);
    list.sort_by_key(|number| -number);
    model.sort_by_key(|number| -number);
    list.sort_by(|a, b| a.cmp(b));
    model.sort();
    assert_eq!(list.contains(&4), model.contains(&4));
    assert_eq!(list.append(&mut model.clone()).map(|()| list.len()).expect("room"), 2 * model.len());
    assert_eq!(list.to_vec(), [model.clone(), model].concat());
    assert_eq!(format!("{list:?}"), format!("{:?}", list.to_vec()));
}

#[test]
fn elements_are_lent_as_a_slice_and_assigned_to() {
    let (_folder, path, allocator) = fresh();
    let mut list: SharedVec<u16> = SharedVec::new_in(&allocator);
    let other: SharedVec<u16> = SharedVec::new_in(&map(&path));
    list.extend(&[3, 1, 2]);
    let version = other.version();
    list[0] += 10;
    *list.get_mut(1).expect("an element") = 11;
    list.iter_mut().for_each(|number| *number += 1);
    for number in &mut list {
        *number *= 2;
    }
    list.as_mut_slice().reverse();
    assert_eq!(other, [6, 24, 28]);
    assert_eq!((&other[1..], other.iter().max(), other.windows(2).count()), (&[24, 28][..], Some(&28), 2));
    assert_ne!(other.version(), version, "whoever waits for a change is told");
    assert!(panic_of(|| list[3] = 0).contains("out of bounds"));
    assert_eq!(list.into_iter().collect::<Vec<_>>(), [6, 24, 28]);
    assert!(other.is_empty(), "what was taken out is out for all");
}

#[test]
fn a_push_into_a_full_file_is_an_error_and_works_after_a_resize() {
    let (_folder, _path, allocator) = fresh();
    let mut list: SharedVec<[u64; 8]> = SharedVec::new_in(&allocator);
    let mut pushed = 0;
    let error = loop {
        match list.push([pushed; 8]) {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfSpace { .. }) && list.len() as u64 == pushed, "{error}");
    allocator.resize_file(allocator.limit() * 2).expect("larger");
    list.push([pushed; 8]).expect("room");
    assert!((0..=pushed).all(|number| list[number as usize] == [number; 8]));
    let mut set: SharedHashSet<u64> = SharedHashSet::new_in(&allocator);
    let said = panic_of(|| while set.insert(set.len() as u64) {});
    assert!(said.contains("out of space"), "{said}");
    let len = set.len();
    assert!(set.try_insert(u64::MAX).is_err() && set.len() == len);
}

// Strings.

#[test]
fn a_string_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut text = SharedString::named_in(&allocator, "text");
    text.push_str("gr").expect("room");
    text.push('ü').expect("room");
    text.insert_str(0, "sehr ").expect("room");
    write!(text, "{:n<1}", "").expect("room");
    assert_eq!((text.len(), &*text, text.to_uppercase()), (10, "sehr grün", "SEHR GRÜN".to_string()));
    assert_eq!((text.pop(), text.as_str()), (Some('n'), "sehr grü"));
    assert!(text.truncate(8).is_err() && text.truncate(7).is_ok());
    text.extend(["a", "b"]);
    assert_eq!(
        (text.load().expect("a copy"), format!("{text} {text:?}")),
        ("sehr grab".into(), "sehr grab \"sehr grab\"".into())
    );
    text.reserve(100).expect("room");
    assert!(text.capacity() >= 109);
    text.shrink_to_fit().expect("smaller");
    assert_eq!(text.capacity(), 9);
    text.store("other").expect("room");
    assert!(text == "other" && text == *"other" && text == String::from_iter(["oth", "er"]));
    text.clear();
    assert!(text.is_empty());
    assert_eq!(SharedString::from_iter_in(["a", "b"], &allocator).into_inner().expect("text"), "ab");
}

// Boxes.

#[test]
fn a_box_is_a_value_in_place() {
    let (_folder, path, allocator) = fresh();
    let mut number: SharedBox<i64> = SharedBox::new_in(&allocator);
    let there: SharedBox<i64> = SharedBox::new_in(&map(&path));
    assert_eq!(*number, 0);
    *number = 41;
    *number += 1;
    assert_eq!((*there, there.load().expect("a copy")), (42, 42));
    number.store(5).expect("stored");
    assert_eq!(number.update(|value| std::mem::replace(value, 6)).expect("changed"), 5);
    assert_eq!((there == 6, format!("{there} {there:?}"), *there.as_ref()), (true, "6 6".to_string(), 6));
    let version = there.version();
    *number.as_mut() = 7;
    assert!(there.wait(version, Duration::ZERO).expect("a version") != version);
    assert_eq!((number.into_inner(), *there), (7, 0));
}

#[test]
fn a_box_of_a_struct_is_of_one_moment_under_the_lock() {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Plain)]
    #[repr(C)]
    struct Pair {
        left: u64,
        right: u64,
    }
    let (_folder, path, allocator) = fresh();
    let mut pair: SharedBox<Pair> = SharedBox::named_in(&allocator, "pair");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let there: SharedBox<Pair> = SharedBox::named_in(&map(&path), "pair");
            loop {
                let Pair { left, right } = there.load().expect("a copy");
                assert_eq!(left, right);
                if left == 20_000 {
                    break;
                }
            }
        });
        for _ in 0..20_000 {
            pair.update(|pair| {
                pair.left += 1;
                pair.right += 1;
            })
            .expect("changed");
        }
    });
}

// Maps and sets.

#[test]
fn a_hash_map_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut shared: SharedHashMap<u32, u64> = SharedHashMap::new_in(&allocator);
    let mut model = HashMap::new();
    for number in 0..1000 {
        assert_eq!(shared.insert(number * 7 % 501, number.into()), model.insert(number * 7 % 501, number.into()));
    }
    for number in (0..501).step_by(3) {
        assert_eq!(shared.remove(&number), model.remove(&number));
    }
    assert_eq!(shared, model);
    assert_eq!((shared.get(&1), shared.contains_key(&0), shared[&2]), (model.get(&1), false, model[&2]));
    *shared.get_mut(&1).expect("an entry") += 1;
    *model.get_mut(&1).expect("an entry") += 1;
    shared.values_mut().for_each(|value| *value *= 2);
    model.values_mut().for_each(|value| *value *= 2);
    shared.iter_mut().for_each(|(key, value)| *value += u64::from(*key));
    model.iter_mut().for_each(|(key, value)| *value += u64::from(*key));
    shared.retain(|key, value| key % 2 == 0 && *value > 10);
    model.retain(|key, value| key % 2 == 0 && *value > 10);
    assert_eq!(shared.load().expect("a copy"), model);
    assert_eq!(shared.keys().count() + shared.values().count(), 2 * model.len());
    assert_eq!(shared.remove_entry(&2), model.remove_entry(&2));
    shared.reserve(1000).expect("room");
    assert!(shared.capacity() >= 1000 + shared.len());
    shared.shrink_to_fit().expect("smaller");
    assert_eq!(shared.load_value(&4).expect("a copy"), model.get(&4).copied());
    assert_eq!(shared.drain().collect::<HashMap<_, _>>(), model);
    shared.extend([(1, 2)]);
    assert_eq!(format!("{shared:?}"), "{1: 2}");
    assert_eq!(SharedHashMap::from_iter_in([(1u32, 2u64)], &allocator), shared);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| shared[&9])).is_err());
    assert_eq!(shared.into_iter().collect::<Vec<_>>(), [(1, 2)]);
}

#[test]
fn an_ordered_map_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut shared: SharedBTreeMap<i32, i64> = SharedBTreeMap::new_in(&allocator);
    let mut model = BTreeMap::new();
    for number in 0..500 {
        assert_eq!(shared.insert(number * 37 % 301, 1), model.insert(number * 37 % 301, 1));
    }
    assert!(shared.iter().eq(&model) && shared.keys().eq(model.keys()) && shared.values().eq(model.values()));
    assert!(shared.range(10..20).eq(model.range(10..20)) && shared.range(290..).rev().eq(model.range(290..).rev()));
    assert_eq!((shared.first_key_value(), shared.last_key_value()), (model.first_key_value(), model.last_key_value()));
    assert_eq!((shared.pop_first(), shared.pop_last()), (model.pop_first(), model.pop_last()));
    assert_eq!((shared.remove(&7), shared.contains_key(&7)), (model.remove(&7), false));
    *shared.get_mut(&8).expect("an entry") = 80;
    shared.values_mut().for_each(|value| *value += 1);
    model.insert(8, 80);
    model.values_mut().for_each(|value| *value += 1);
    shared.retain(|key, _| key % 3 != 0);
    model.retain(|key, _| key % 3 != 0);
    assert_eq!(shared.split_off(&200), model.split_off(&200));
    assert_eq!(shared, model);
    shared.clear();
    assert!(shared.is_empty() && shared.into_inner().is_empty());
}

#[test]
fn the_sets_do_what_those_of_std_do() {
    let (_folder, _path, allocator) = fresh();
    let mut hashed: SharedHashSet<u32> = SharedHashSet::new_in(&allocator);
    let mut ordered: SharedBTreeSet<u32> = SharedBTreeSet::new_in(&allocator);
    let (mut hashes, mut orders) = (HashSet::new(), BTreeSet::new());
    for number in 0..400 {
        let number = number * 31 % 211;
        assert_eq!((hashed.insert(number), ordered.insert(number)), (hashes.insert(number), orders.insert(number)));
    }
    for number in 0..50 {
        assert_eq!((hashed.remove(&number), ordered.remove(&number)), (hashes.remove(&number), orders.remove(&number)));
    }
    assert_eq!((hashed.take(&60), ordered.take(&60)), (hashes.take(&60), orders.take(&60)));
    hashed.retain(|number| number % 2 == 0);
    hashes.retain(|number| number % 2 == 0);
    assert!(hashed == hashes && ordered == orders);
    assert!(ordered.iter().eq(&orders) && ordered.range(100..).eq(orders.range(100..)));
    assert_eq!((ordered.first(), ordered.last()), (orders.first(), orders.last()));
    assert_eq!((ordered.pop_first(), ordered.pop_last()), (orders.pop_first(), orders.pop_last()));
    assert_eq!(ordered.split_off(&150), orders.split_off(&150));
    assert_eq!((hashed.get(&62), hashed.contains(&63), hashed.len()), (Some(&62), false, hashes.len()));
    let other = SharedHashSet::from_iter_in([62, 64, 1000], &allocator);
    let (one, two) = (hashed.read().expect("the lock"), other.read().expect("the lock"));
    assert_eq!(one.intersection(&two).count(), 2);
    drop((one, two));
    assert_eq!(hashed.drain().count(), hashes.len());
    assert_eq!((&ordered).into_iter().count(), orders.len());
}

// Queues.

#[test]
fn a_queue_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut queue: SharedVecDeque<u32> = SharedVecDeque::new_in(&allocator);
    let mut model = VecDeque::new();
    for number in 0..200 {
        queue.push_back(number);
        model.push_back(number);
        if number % 3 == 0 {
            queue.push_front(number);
            model.push_front(number);
            assert_eq!((queue.pop_front(), queue.pop_back()), (model.pop_front(), model.pop_back()));
        }
    }
    assert_eq!((queue.front(), queue.back(), queue.get(5)), (model.front(), model.back(), model.get(5)));
    *queue.front_mut().expect("an element") = 1000;
    *queue.back_mut().expect("an element") += 1;
    queue[3] = 7;
    queue.iter_mut().for_each(|number| *number += 1);
    *model.front_mut().expect("an element") = 1000;
    *model.back_mut().expect("an element") += 1;
    model[3] = 7;
    model.iter_mut().for_each(|number| *number += 1);
    queue.rotate_left(10);
    model.rotate_left(10);
    queue.rotate_right(3);
    model.rotate_right(3);
    queue.insert(4, 44);
    model.insert(4, 44);
    queue.swap(0, 1);
    model.swap(0, 1);
    assert_eq!((queue.remove(2), queue.contains(&44)), (model.remove(2), true));
    queue.retain(|number| number % 2 == 0);
    model.retain(|number| number % 2 == 0);
    assert_eq!(queue, model);
    assert_eq!(queue.drain(1..3).collect::<Vec<_>>(), model.drain(1..3).collect::<Vec<_>>());
    queue.set(0, 5).expect("stored");
    model[0] = 5;
    queue.truncate(10);
    model.truncate(10);
    queue.reserve(100).expect("room");
    queue.shrink_to_fit().expect("smaller");
    assert!(queue.iter().eq(&model) && queue.capacity() < 100);
    assert_eq!(queue.pop_front_wait(Duration::ZERO).expect("no failure"), model.pop_front());
    assert_eq!(queue.pop_back_wait(Duration::ZERO).expect("no failure"), model.pop_back());
    assert_eq!(queue.into_iter().collect::<Vec<_>>(), Vec::from(model));
}

#[test]
fn tasks_of_a_derived_type_go_through_a_queue() {
    #[derive(Debug, PartialEq, Share)]
    struct Task {
        id: u32,
        work: String,
        parts: Vec<(u8, Option<String>)>,
    }
    let (_folder, path, allocator) = fresh();
    let task = |id: u32| Task { id, work: format!("work {id}"), parts: vec![(1, None), (2, Some("x".into()))] };
    let mut queue: SharedVecDeque<Task> = SharedVecDeque::new_in(&allocator);
    queue.extend((0..100).map(task));
    let mut other: SharedVecDeque<Task> = SharedVecDeque::new_in(&map(&path));
    assert_eq!(other.get(3).expect("a task").work(), "work 3");
    assert!((0..100).all(|id| other.pop_front() == Some(task(id))) && queue.is_empty());
}

// Together.

#[test]
fn containers_take_part_in_transactions() {
    let (_folder, _path, allocator) = fresh();
    let mut from: SharedVec<u64> = SharedVec::new_in(&allocator);
    let to: SharedVecDeque<u64> = SharedVecDeque::new_in(&allocator);
    from.extend(0..10);
    let refused: commy::Result<()> = allocator.segment().transaction(|tx| {
        let (mut from, mut to) = (tx.write(from.as_shared())?, tx.write(to.as_shared())?);
        while let Some(number) = from.pop()? {
            to.push_back(number)?;
        }
        Err(Error::Forked)
    });
    assert!(refused.is_err() && from.len() == 10 && to.is_empty());
}

#[test]
fn a_panic_under_a_guard_undoes_what_was_done() {
    let (_folder, _path, allocator) = fresh();
    let mut list: SharedVec<String> = SharedVec::new_in(&allocator);
    list.push("one".into()).expect("room");
    panic_of(|| {
        let mut guard = list.write().expect("the lock");
        guard.push("two".into()).expect("room");
        guard.get_mut(0).expect("an element").push_str("!").expect("room");
        panic!("stop");
    });
    assert_eq!(list.load().expect("a copy"), ["one"]);
}

#[test]
fn a_value_that_a_waiting_thread_needs_wakes_it() {
    let (_folder, path, allocator) = fresh();
    let mut list: SharedVec<u32> = SharedVec::named_in(&allocator, "list");
    std::thread::scope(|scope| {
        let other: SharedVec<u32> = SharedVec::named_in(&map(&path), "list");
        let waiting = scope.spawn(move || {
            let mut version = 0;
            while other.len() < 3 {
                version = other.wait(version, LONG).expect("a version");
            }
            other.len()
        });
        (0..3).for_each(|number| list.push(number).expect("room"));
        assert_eq!(waiting.join().expect("a thread"), 3);
    });
}

#[test]
fn threads_and_attachments_push_and_pop_at_once_and_lose_nothing() {
    let (_folder, path, _allocator) = fresh();
    std::thread::scope(|scope| {
        for number in 0..4u64 {
            let path = &path;
            scope.spawn(move || {
                let allocator = map(path);
                let mut list: SharedVec<u64> = SharedVec::named_in(&allocator, "list");
                let mut entries: SharedHashMap<u64, String> = SharedHashMap::named_in(&allocator, "entries");
                for round in 0..500 {
                    list.push(number).expect("room");
                    entries.insert(number << 32 | round, format!("{round}"));
                    assert_eq!(entries.load_value(&(number << 32 | round)).expect("a copy"), Some(format!("{round}")));
                }
            });
        }
    });
    let allocator = map(&path);
    let list: SharedVec<u64> = SharedVec::named_in(&allocator, "list");
    assert!((0..4).all(|number| list.iter().filter(|other| **other == number).count() == 500));
    assert_eq!(SharedHashMap::<u64, String>::named_in(&allocator, "entries").len(), 2000);
    assert!(allocator.segment().check_objects().expect("a check").is_empty());
}
