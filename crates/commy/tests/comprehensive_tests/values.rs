//! Containers and texts as values in containers.

use super::{fresh, layout, map};
use commy::{Error, SharedBTreeMap, SharedBox, SharedHashMap, SharedHashSet, SharedString, SharedVec, SharedVecDeque};

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

#[test]
fn what_is_put_into_a_container_stays_where_it_was_if_there_is_no_room() {
    let (_folder, path, allocator) = fresh();
    let mut texts: SharedVec<SharedString> = SharedVec::new_in(&allocator);
    texts.push(SharedString::from_str_in("first", &allocator).expect("room")).expect("room");
    assert_eq!((texts.len(), texts.capacity()), (1, 1));
    let named = SharedString::named_in(&allocator, "text");
    named.as_shared().set("keep me").expect("room");
    let mut bytes = 1 << 16;
    while bytes >= 8 {
        if allocator.allocate(layout(bytes, 8)).is_err() {
            bytes /= 2;
        }
    }
    assert!(matches!(texts.push(named), Err(Error::OutOfSpace { .. })));
    let again = SharedString::named_in(&map(&path), "text");
    assert_eq!((again.load().expect("a copy"), texts.len()), ("keep me".to_string(), 1));
    again.as_shared().push_str("!").expect("it is unlocked");
}

#[test]
fn what_is_put_into_a_container_belongs_to_the_guard_that_it_is_put_by() {
    let (_folder, path, one) = fresh();
    let other = map(&path);
    // The same attachment, and another of the same file.
    for from in [&one, &other] {
        let texts: SharedVec<SharedString> = SharedVec::named_in(&one, "texts");
        let named = || SharedString::named_in(from, "text");
        named().store("a text").expect("room");
        let (handle, version) = (named(), named().version());
        let is_locked = || {
            let handle = &handle;
            std::thread::scope(|scope| {
                scope.spawn(|| handle.as_shared().try_write().is_err()).join().expect("a thread")
            })
        };
        let mut guard = texts.write().expect("the lock");
        guard.push(named()).expect("room");
        assert!(is_locked(), "nobody sees it gone before the commit");
        guard.rollback();
        assert_eq!((named().load().expect("a copy"), named().version()), ("a text".to_string(), version));
        let mut guard = texts.write().expect("the lock");
        guard.push(named()).expect("room");
        guard.commit().expect("a commit");
        assert!(!is_locked() && handle.is_empty() && handle.version() > version);
        assert_eq!(
            texts.load().expect("a copy").pop().map(|text| text.into_inner().expect("text")),
            Some("a text".into())
        );
    }
    let texts: SharedVec<String> = SharedVec::named_in(&one, "texts");
    assert_eq!(texts, ["a text".to_string(), "a text".to_string()]);
}

#[test]
fn boxes_move_with_the_transaction_too() {
    let (_folder, _path, allocator) = fresh();
    let numbers: SharedVecDeque<SharedBox<u64>> = SharedVecDeque::new_in(&allocator);
    let named = || SharedBox::<u64>::named_in(&allocator, "number");
    named().store(7).expect("stored");
    let refused: commy::Result<()> = allocator.segment().transaction(|tx| {
        tx.write(numbers.as_shared())?.push_back(named())?;
        Err(Error::Forked)
    });
    assert!(refused.is_err() && numbers.is_empty() && *named() == 7);
    numbers.as_shared().push_back(named()).expect("room");
    assert_eq!((numbers.front(), *named()), (Some(&7), 0));
    named().store(8).expect("stored");
    let mut guard = numbers.write().expect("the lock");
    guard.extend([named(), named()]).expect("room");
    drop(guard);
    assert!(numbers.iter().eq(&[7, 8, 0]) && *named() == 0);
}

#[test]
fn what_moves_where_no_commit_is_shared_is_lost_by_nothing_that_is_undone() {
    let (_folder, path, from) = fresh();
    let (elsewhere, _, other_file) = fresh();
    let without_allocator = commy::Segment::open(&path).expect("the same file");
    let named = || SharedString::named_in(&from, "text");
    let into: [commy::Shared<Vec<SharedString>>; 2] = [
        other_file.segment().open_or_create("texts").expect("room"),
        without_allocator.open_or_create("texts").expect("room"),
    ];
    for texts in into {
        named().store("a text").expect("room");
        let version = named().version();
        let mut guard = texts.write().expect("the lock");
        guard.push(named()).expect("room");
        assert!(
            std::thread::scope(|scope| {
                let handle = named();
                scope.spawn(move || handle.as_shared().try_write().is_err()).join().expect("a thread")
            }),
            "nobody gets it meanwhile"
        );
        assert!(matches!(guard.push(named()), Err(Error::Deadlock { .. })), "it cannot move twice");
        guard.rollback();
        assert_eq!((named().load().expect("a copy"), named().version()), ("a text".to_string(), version));
        texts.push(named()).expect("room");
        assert!(named().is_empty() && named().version() > version);
        assert_eq!(*texts.read().expect("the lock"), ["a text"]);
    }
    // An error on the other side takes nothing.
    named().store(&"long ".repeat(1000)).expect("room");
    let small = commy::Segment::options()
        .initial_size(64 << 10)
        .max_size(64 << 10)
        .create(elsewhere.path().join("small"))
        .expect("a segment");
    let texts: commy::Shared<Vec<SharedString>> = small.open_or_create("texts").expect("room");
    let pushed = (0..100).take_while(|_| {
        let done = texts.push(named());
        if done.is_ok() {
            named().store(&"long ".repeat(1000)).expect("room");
        }
        done.is_ok()
    });
    assert!(pushed.count() < 20);
    assert_eq!(named().len(), 5000);
}

#[test]
fn texts_are_compared_with_borrowed_ones() {
    let (_folder, _path, allocator) = fresh();
    let all = ["a", "b"];
    let strings: SharedVec<String> = SharedVec::from_iter_in(all.map(String::from), &allocator);
    assert_eq!(strings, all);
    let slice = &all[..];
    assert!(strings == slice && strings == *slice && strings == all.to_vec() && strings != ["a", "c"]);
    assert!(strings == all.map(String::from));
    let made = |text| SharedString::from_str_in(text, &allocator).expect("room");
    let texts: SharedVec<SharedString> = SharedVec::from_iter_in(all.map(made), &allocator);
    assert!(texts == all && texts == all.map(String::from) && texts != ["a"]);
    let queue: SharedVecDeque<String> = SharedVecDeque::from_iter_in(all.map(String::from), &allocator);
    assert!(queue == all && queue == all[..] && queue == all.to_vec());
    let (deque, guard) = (std::collections::VecDeque::from(all), queue.read().expect("the lock"));
    assert_eq!(*guard, deque);
    assert_eq!(deque, *guard);
    let guard = strings.read().expect("the lock");
    assert!(all == *guard && all.to_vec() == *guard && all[..] == *guard);
}
