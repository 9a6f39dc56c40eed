//! `SharedHashMap`, `SharedBTreeMap`, `SharedHashSet`, `SharedBTreeSet`.

use super::fresh;
use commy::{SharedBTreeMap, SharedBTreeSet, SharedHashMap, SharedHashSet};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::AssertUnwindSafe;

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
