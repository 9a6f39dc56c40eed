//! Containers and texts as values in containers.

use super::{fresh, map};
use commy::{SharedBTreeMap, SharedBox, SharedHashMap, SharedHashSet, SharedString, SharedVec, SharedVecDeque};

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
