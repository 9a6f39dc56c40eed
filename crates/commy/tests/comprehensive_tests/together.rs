//! Transactions, panics, waiting, many at once.

use super::{fresh, map, panic_of};
use crate::common::LONG;
use commy::{Error, SharedHashMap, SharedVec, SharedVecDeque};

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
