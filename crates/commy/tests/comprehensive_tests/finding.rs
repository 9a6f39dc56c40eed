//! How containers of different allocators find each other, by number and by name, and how long they stay.

use super::{fresh, map, panic_of};
use crate::common::place;
use commy::{Error, SharedBox, SharedHashMap, SharedString, SharedVec};
use std::collections::HashMap;

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
