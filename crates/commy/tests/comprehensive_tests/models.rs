//! Each container beside std's, through two allocators on one file in turn: what either does, both see.

use super::{SIZE, map};
use crate::common::place;
use commy::{
    SharedBTreeMap, SharedBTreeSet, SharedBox, SharedHashMap, SharedHashSet, SharedString, SharedVec, SharedVecDeque,
};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// What is done, and with what: the first number says which operation, and is smaller than this.
const OPERATIONS: u8 = 12;

/// Does the same to a container and its model, through one handle or the other.
fn run<C, M: Default>(
    make: impl Fn(&commy::FreeListAllocator) -> C,
    step: impl Fn(&mut C, &mut M, u8, usize, u32),
    same: impl Fn(&C, &M) -> bool,
) {
    let steps = vec((any::<bool>(), 0..OPERATIONS, 0..40usize, any::<u32>()), 1..120);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps, |steps| {
        let (_folder, path) = place();
        let (one, other) = (map(&path), map(&path));
        assert_eq!(other.limit(), SIZE);
        let (mut handles, mut model) = ([make(&one), make(&other)], M::default());
        for (which, operation, small, any) in steps {
            step(&mut handles[usize::from(which)], &mut model, operation, small, any);
            assert!(same(&handles[usize::from(!which)], &model), "after operation {operation} with {small}, {any}");
        }
        assert!(one.segment().check().expect("a check").is_empty());
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A text of a length that differs.
fn text(small: usize, any: u32) -> String {
    format!("{any}").repeat(small % 5)
}

#[test]
fn a_vector_and_its_model() {
    let step = |list: &mut SharedVec<String>, model: &mut Vec<String>, operation, small: usize, any: u32| {
        let at = small % (model.len() + 1);
        match operation {
            0..=3 => {
                list.push(text(small, any)).expect("room");
                model.push(text(small, any));
            }
            4 => assert_eq!(list.pop(), model.pop()),
            5 => {
                list.insert(at, text(small, any));
                model.insert(at, text(small, any));
            }
            6 if at < model.len() => assert_eq!(list.remove(at), model.remove(at)),
            7 if at < model.len() => assert_eq!(list.swap_remove(at), model.swap_remove(at)),
            8 => {
                list.truncate(at);
                model.truncate(at);
            }
            9 => {
                list.retain(|text| text.len() % 3 != 0);
                model.retain(|text| text.len() % 3 != 0);
            }
            10 => {
                list.sort();
                model.sort();
            }
            11 => assert_eq!(list.drain(..at).collect::<Vec<_>>(), model.drain(..at).collect::<Vec<_>>()),
            _ => assert_eq!(list.load_at(at).expect("a copy").as_ref(), model.get(at)),
        }
    };
    run(SharedVec::new_in, step, |list, model| *list == *model && list.iter().eq(model.iter().map(String::as_str)));
}

#[test]
fn a_queue_and_its_model() {
    let step = |queue: &mut SharedVecDeque<u32>, model: &mut VecDeque<u32>, operation, small: usize, any: u32| {
        let at = small % (model.len() + 1);
        match operation {
            0..=2 => {
                queue.push_back(any);
                model.push_back(any);
            }
            3 | 4 => {
                queue.push_front(any);
                model.push_front(any);
            }
            5 => assert_eq!(queue.pop_front(), model.pop_front()),
            6 => assert_eq!(queue.pop_back(), model.pop_back()),
            7 => {
                queue.insert(at, any);
                model.insert(at, any);
            }
            8 => assert_eq!(queue.remove(at), model.remove(at)),
            9 => {
                queue.rotate_left(at.min(model.len()));
                model.rotate_left(at.min(model.len()));
            }
            10 => {
                queue.extend(0..small as u32);
                model.extend(0..small as u32);
            }
            _ => {
                if let (Some(one), Some(other)) = (queue.get_mut(at), model.get_mut(at)) {
                    (*one, *other) = (any, any);
                }
            }
        }
    };
    run(SharedVecDeque::new_in, step, |queue, model| *queue == *model && queue.iter().eq(model));
}

#[test]
fn a_string_and_its_model() {
    let step = |shared: &mut SharedString, model: &mut String, operation, small: usize, any: u32| {
        let at = (small..).find(|at| model.is_char_boundary(*at % (model.len() + 1))).map(|at| at % (model.len() + 1));
        let at = at.unwrap_or(0);
        match operation {
            0..=3 => {
                shared.push_str(&text(small, any)).expect("room");
                model.push_str(&text(small, any));
            }
            4..=6 => {
                let character = char::from_u32(any % 0xd000).unwrap_or('x');
                shared.push(character).expect("room");
                model.push(character);
            }
            7 => assert_eq!(shared.pop(), model.pop()),
            8 => {
                shared.insert_str(at, "éa").expect("room");
                model.insert_str(at, "éa");
            }
            9 => {
                shared.truncate(at).expect("between characters");
                model.truncate(at);
            }
            10 => shared.shrink_to_fit().expect("smaller"),
            _ => {
                shared.store(&text(small, any)).expect("room");
                *model = text(small, any);
            }
        }
    };
    let named = |allocator: &commy::FreeListAllocator| SharedString::named_in(allocator, "text");
    run(named, step, |shared, model| shared == model && shared.from_utf8().expect("text") == *model);
}

#[test]
fn a_box_and_its_model() {
    let step = |shared: &mut SharedBox<[u32; 3]>, model: &mut [u32; 3], operation, small: usize, any: u32| {
        match operation {
            0..=3 => shared[small % 3] = any,
            4..=7 => shared.update(|value| value[small % 3] = any).expect("changed"),
            _ => {
                let mut value = **shared;
                value[small % 3] = any;
                shared.store(value).expect("stored");
            }
        }
        model[small % 3] = any;
    };
    run(SharedBox::new_in, step, |shared, model| **shared == *model && shared.load().expect("a copy") == *model);
}

#[test]
fn a_hash_map_and_its_model() {
    let step = |map: &mut SharedHashMap<usize, String>, model: &mut HashMap<usize, String>, operation, small, any| {
        match operation {
            0..=5 => assert_eq!(map.insert(small, text(small, any)), model.insert(small, text(small, any))),
            6 | 7 => assert_eq!(map.remove(&small), model.remove(&small)),
            8 => {
                if let (Some(mut one), Some(other)) = (map.get_mut(&small), model.get_mut(&small)) {
                    one.push_str("!").expect("room");
                    other.push('!');
                }
            }
            9 => {
                map.retain(|key, _| key % 7 != small % 7);
                model.retain(|key, _| key % 7 != small % 7);
            }
            10 => map.shrink_to_fit().expect("smaller"),
            _ => assert_eq!((map.get(&small), map.len()), (model.get(&small).map(String::as_str), model.len())),
        }
    };
    run(SharedHashMap::new_in, step, |map, model| *map == *model && map.iter().count() == model.len());
}

#[test]
fn an_ordered_map_and_its_model() {
    let step = |map: &mut SharedBTreeMap<String, u32>, model: &mut BTreeMap<String, u32>, operation, small, any| {
        let key = text(small, small as u32);
        match operation {
            0..=5 => assert_eq!(map.insert(format!("{any}"), any), model.insert(format!("{any}"), any)),
            6 => assert_eq!(map.insert(key.clone(), any), model.insert(key, any)),
            7 => assert_eq!(map.remove(&key), model.remove(&key)),
            8 => assert_eq!((map.pop_first(), map.pop_last()), (model.pop_first(), model.pop_last())),
            9 => {
                map.values_mut().for_each(|value| *value ^= any);
                model.values_mut().for_each(|value| *value ^= any);
            }
            10 => assert_eq!(map.split_off(&format!("{any}")), model.split_off(&format!("{any}"))),
            _ => {
                assert!(map.range(key.clone()..).map(|(_, value)| value).eq(model.range(key..).map(|(_, value)| value)))
            }
        }
    };
    run(SharedBTreeMap::new_in, step, |map, model| *map == *model && map.values().eq(model.values()));
}

#[test]
fn a_hash_set_and_its_model() {
    let step = |set: &mut SharedHashSet<String>, model: &mut HashSet<String>, operation, small, any| {
        let element = text(small, any % 8);
        match operation {
            0..=5 => assert_eq!(set.insert(element.clone()), model.insert(element)),
            6 | 7 => assert_eq!(set.remove(&element), model.remove(&element)),
            8 => assert_eq!(set.take(&element), model.take(&element)),
            9 => {
                set.extend((0..small).map(|number| number.to_string()));
                model.extend((0..small).map(|number| number.to_string()));
            }
            10 => {
                set.retain(|element| element.len() % 4 != small % 4);
                model.retain(|element| element.len() % 4 != small % 4);
            }
            _ => assert_eq!(set.contains(&element), model.contains(&element)),
        }
    };
    run(SharedHashSet::new_in, step, |set, model| *set == *model && set.len() == model.len());
}

#[test]
fn an_ordered_set_and_its_model() {
    let step = |set: &mut SharedBTreeSet<u32>, model: &mut BTreeSet<u32>, operation, small: usize, any: u32| {
        let small = small as u32;
        match operation {
            0..=3 => assert_eq!(set.insert(any), model.insert(any)),
            4 | 5 => assert_eq!(set.insert(small), model.insert(small)),
            6 => assert_eq!(set.remove(&small), model.remove(&small)),
            7 => assert_eq!((set.first(), set.last()), (model.first(), model.last())),
            8 => assert_eq!((set.pop_first(), set.pop_last()), (model.pop_first(), model.pop_last())),
            9 => assert_eq!(set.split_off(&any), model.split_off(&any)),
            10 => {
                set.extend(small..40);
                model.extend(small..40);
            }
            _ => assert!(set.range(small..).eq(model.range(small..))),
        }
    };
    run(SharedBTreeSet::new_in, step, |set, model| *set == *model && set.iter().eq(model));
}
