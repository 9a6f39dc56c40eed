//! `SharedVec`.

use super::{fresh, map, panic_of};
use commy::{Error, SharedHashSet, SharedVec};

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
