//! The failures that trees must not have.

use super::check::{check, check_set};
use crate::containers::btree::node::{Form, Inner, Leaf, Shape};
use crate::containers::vec::testing::pair;
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Numbers that look random, the same each time.
fn scrambled(n: u64) -> u64 {
    (n ^ 0x5555).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

const MANY: u64 = 100_000;

/// Grows a map to `MANY` entries and takes them out again in that order, `step` at a time under one guard.
fn grow_and_shrink(insert: impl Fn(u64) -> u64, remove: impl Fn(u64) -> u64, fullest: usize) {
    let pair = pair(256 << 20);
    let maps = pair.object::<BTreeMap<u64, u64>>();
    let base = pair.allocated();
    let part = MANY / 10;
    for round in 0..10 {
        let mut guard = maps[round as usize % 2].write().unwrap();
        for n in round * part..(round + 1) * part {
            assert_eq!(guard.insert(insert(n), n).unwrap(), None);
        }
        assert!(check(&guard) <= 5);
        drop(guard);
    }
    let guard = maps[0].read().unwrap();
    assert_eq!(guard.len() as u64, MANY);
    assert!((0..MANY).all(|n| guard.get(&insert(n)) == Some(&n)));
    let each = (pair.allocated() - base) / MANY;
    assert!(each <= fullest as u64, "{each} bytes an entry");
    drop(guard);
    for round in 0..10 {
        let mut guard = maps[(round as usize + 1) % 2].write().unwrap();
        for n in round * part..(round + 1) * part {
            assert!(guard.remove(&remove(n)).unwrap().is_some());
        }
        check(&guard);
        drop(guard);
    }
    assert!(maps[0].read().unwrap().is_empty());
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

#[test]
fn ascending_growth_leaves_no_half_empty_nodes() {
    grow_and_shrink(|n| n, |n| n, 18);
}

#[test]
fn descending_growth_leaves_no_half_empty_nodes() {
    grow_and_shrink(|n| MANY - n, |n| n + 1, 18);
}

#[test]
fn growth_and_removal_at_random_degenerate_nothing() {
    grow_and_shrink(scrambled, scrambled, 30);
    grow_and_shrink(scrambled, |n| scrambled(MANY - 1 - n), 30);
}

#[test]
fn removal_from_the_end_degenerates_nothing() {
    grow_and_shrink(|n| n, |n| MANY - 1 - n, 18);
}

#[test]
fn a_few_left_of_many_do_not_keep_the_nodes_of_all() {
    let pair = pair(64 << 20);
    let [map, other] = pair.object::<BTreeMap<u64, u64>>();
    let mut guard = map.write().unwrap();
    guard.extend((0..20_000).map(|n| (n, n))).unwrap();
    guard.retain(|key, _| key % 1000 == 0).unwrap();
    assert_eq!(check(&guard), 1);
    drop(guard);
    assert!(other.read().unwrap().keys().copied().eq((0..20_000).step_by(1000)));
    assert!(pair.allocated() < 64 << 10);
}

#[test]
fn rollback_after_splits_and_merges_restores_every_entry() {
    let pair = pair(64 << 20);
    let [map, other] = pair.object::<BTreeMap<u64, String>>();
    let entries: BTreeMap<u64, String> = (0..3000).map(|n| (scrambled(n), format!("text {n}"))).collect();
    map.store(entries.clone()).unwrap();
    let before = pair.allocated();
    let mut guard = map.write().unwrap();
    for n in 3000..9000 {
        guard.insert(scrambled(n), "new".repeat(n as usize % 7)).unwrap();
    }
    check(&guard);
    for n in (0..9000).filter(|n| n % 10 != 0) {
        guard.remove(&scrambled(n)).unwrap();
    }
    check(&guard);
    guard.values_mut().for_each(|text| text.push_str("changed").unwrap());
    guard.rollback();
    let guard = other.write().unwrap();
    check(&guard);
    assert!(*guard == entries);
    drop(guard);
    let mut guard = map.write().unwrap();
    guard.clear().unwrap();
    guard.insert(1, "one".into()).unwrap();
    guard.rollback();
    assert!(*other.read().unwrap() == entries);
    assert_eq!(pair.allocated(), before, "blocks leaked");
}

#[test]
fn out_of_space_leaves_the_map_as_it_was() {
    let pair = pair(1 << 20);
    let [map, other] = pair.object::<BTreeMap<u64, String>>();
    let mut model = BTreeMap::new();
    let mut guard = map.write().unwrap();
    let error = loop {
        let n = model.len() as u64;
        let (key, text) = (scrambled(n), "x".repeat(n as usize % 200));
        match guard.insert(key, text.clone()) {
            Ok(old) => assert_eq!((old, model.insert(key, text)), (None, None)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    check(&guard);
    assert!(*guard == model);
    let fill = (0..5000).map(|n| (scrambled(n) / 2, "y".repeat(100)));
    assert!(matches!(guard.extend(fill), Err(Error::OutOfSpace { .. })));
    check(&guard);
    assert!(*guard == model, "a part of what was to be added stayed");
    guard.commit().unwrap();
    let guard = other.write().unwrap();
    check(&guard);
    assert!(*guard == model);
}

#[test]
fn a_part_that_fails_undoes_what_it_did_to_nodes_of_the_same_transaction() {
    let pair = pair(16 << 20);
    let [map, _] = pair.object::<BTreeMap<u64, BTreeMap<u64, u64>>>();
    let mut guard = map.write().unwrap();
    for n in 0..50 {
        guard.insert(n, (0..n * 20).map(|m| (m, m)).collect()).unwrap();
        // A second time, so that the transaction has both made and logged it.
        guard.get_mut(&n).unwrap().insert(u64::MAX, n).unwrap();
    }
    let (model, cx) = (guard.to_map().unwrap(), guard.tree().cx);
    let failed = cx.atomically(|| -> Result<(), Error> {
        guard.retain(|key, inner| {
            inner.extend((0..200).map(|n| (scrambled(n), n))).unwrap();
            inner.retain(|_, value| *value % 3 != 0).unwrap();
            key % 5 != 0
        })?;
        guard.extend((1000..1100).map(|n| (n, BTreeMap::from([(n, n)]))))?;
        guard.pop_first()?;
        Err(Error::ReadOnly)
    });
    assert!(matches!(failed, Err(Error::ReadOnly)));
    check(&guard);
    guard.values().for_each(|inner| {
        check(inner);
    });
    assert!(*guard == model);
    guard.insert(7, BTreeMap::new()).unwrap();
    guard.rollback();
    assert!(map.read().unwrap().is_empty());
}

#[test]
fn removing_owned_keys_leaves_no_separator_of_freed_memory() {
    let pair = pair(64 << 20);
    let [map, other] = pair.object::<BTreeMap<String, u64>>();
    let base = pair.allocated();
    let key = |n: u64| format!("a name that is long enough to have a block {:05}", n * 7919 % 2000);
    map.write().unwrap().extend((0..2000).map(|n| (key(n), n))).unwrap();
    for n in 0..2000 {
        // Committed one by one, so that the blocks of keys serve others at once.
        let mut guard = map.write().unwrap();
        assert_eq!(guard.remove(key(n).as_str()).unwrap(), Some(n));
        if n % 50 == 0 {
            check(&guard);
        }
        drop(guard);
        if n % 97 == 0 {
            let guard = other.read().unwrap();
            assert!((n + 1..2000).all(|left| guard.get(key(left).as_str()) == Some(&left)));
        }
    }
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

#[test]
fn a_range_from_both_ends_gives_no_entry_twice_and_leaves_none_out() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<BTreeMap<u64, u64>>();
    let mut guard = map.write().unwrap();
    guard.extend((0..500).map(|n| (n, n))).unwrap();
    for from_front in 0..=500 {
        let mut entries = guard.iter();
        let front: Vec<u64> = entries.by_ref().take(from_front).map(|(key, _)| *key).collect();
        assert_eq!(entries.len(), 500 - from_front);
        let back: Vec<u64> = entries.by_ref().rev().map(|(key, _)| *key).collect();
        assert!(entries.next().is_none() && entries.next_back().is_none());
        assert!(front.iter().chain(back.iter().rev()).copied().eq(0..500));
    }
    let mut lent = guard.range_mut(100..400);
    let (mut front, mut back) = (100, 400);
    while let Some((key, value)) = lent.next() {
        assert_eq!(*key, front);
        front += 1;
        *value = 0;
        for _ in 0..2 {
            let Some((key, value)) = lent.next_back() else { break };
            back -= 1;
            assert_eq!(*key, back);
            *value = 0;
        }
    }
    assert_eq!(front, back);
    assert_eq!(guard.values().filter(|value| **value == 0).count(), 301);
}

#[test]
fn a_map_moved_into_another_takes_its_blocks_along_and_leaks_none() {
    let pair = pair(64 << 20);
    let maps = pair.object::<BTreeMap<String, BTreeMap<String, String>>>();
    let [single, _] = pair.object::<BTreeMap<String, String>>();
    let base = pair.allocated();
    let inner = |from: u32| -> BTreeMap<String, String> {
        (from..from + 300).map(|n| (format!("key number {n:04} of a map"), format!("{from}: {n}"))).collect()
    };
    let mut model = inner(0);
    model.append(&mut inner(200));
    let mut guard = maps[0].write().unwrap();
    guard.insert("a".into(), inner(0)).unwrap();
    guard.insert("b".into(), inner(200)).unwrap();
    drop(guard);
    let mut guard = maps[1].write().unwrap();
    let mut both = guard.iter_mut();
    let ((_, a), (_, b)) = (both.next().unwrap(), both.next().unwrap());
    a.append(b).unwrap();
    check(a);
    assert!(b.is_empty() && *a == model);
    drop(guard);
    // From one guard's transaction into another's they are copied.
    let (mut guard, mut single) = (maps[0].write().unwrap(), single.write().unwrap());
    single.append(guard.get_mut("a").unwrap()).unwrap();
    check(&single);
    assert!(guard.get("a").unwrap().is_empty() && *single == model);
    single.clear().unwrap();
    guard.clear().unwrap();
    drop((single, guard));
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

#[test]
fn sets_of_two_segments_merge_in_order() {
    let (one, two) = (pair(8 << 20), pair(8 << 20));
    let (a, b) = (one.object::<BTreeSet<String>>(), two.object::<BTreeSet<String>>());
    let (x, y): (BTreeSet<String>, BTreeSet<String>) =
        ((0..100).map(|n| (n * 2).to_string()).collect(), (0..100).map(|n| (n * 3).to_string()).collect());
    let third = one.object::<BTreeSet<String>>();
    a[0].store(x.clone()).unwrap();
    b[0].store(y.clone()).unwrap();
    third[0].store(y.clone()).unwrap();
    let (a, b, third) = (a[0].read().unwrap(), b[0].read().unwrap(), third[1].read().unwrap());
    for other in [&*b, &*third] {
        assert!(a.union(other).eq(x.union(&y)));
        assert!(a.intersection(other).eq(x.intersection(&y)));
        assert!(a.difference(other).eq(x.difference(&y)));
        assert!(a.symmetric_difference(other).eq(x.symmetric_difference(&y)));
        assert!(!a.is_subset(other) && !a.is_superset(other) && !a.is_disjoint(other) && *a != *other);
    }
    assert!(*b == *third && b.is_subset(&third) && third.is_superset(&b));
    check_set(&a);
}

#[test]
fn a_panic_in_the_middle_of_retain_leaves_a_whole_tree() {
    let pair = pair(8 << 20);
    let [map, other] = pair.object::<BTreeMap<u64, u64>>();
    map.store((0..1000).map(|n| (n, n)).collect()).unwrap();
    let mut guard = map.write().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        guard.retain(|key, _| {
            assert!(*key < 700, "as it is meant to");
            key % 3 == 0
        })
    }));
    assert!(panicked.is_err());
    check(&guard);
    assert!(guard.keys().copied().eq((0..1000).filter(|key| *key >= 700 || key % 3 == 0)));
    guard.rollback();
    assert_eq!(other.read().unwrap().len(), 1000);
}

#[test]
fn a_damaged_tree_reads_as_short_and_cannot_be_changed() {
    let pair = pair(8 << 20);
    let [map, _] = pair.object::<BTreeMap<u64, u64>>();
    map.store((0..2000).map(|n| (n, n)).collect()).unwrap();
    let mut guard = map.write().unwrap();
    let root = guard.tree().root().unwrap().0;
    let inner = Inner::<u64>::open(guard.tree().cx, root).unwrap();
    let (child, leaf) = (inner.child(0).get(), guard.tree().edge(false).unwrap());
    for bad in [0, 8, u64::MAX, 1 << 40] {
        inner.child(0).put(bad);
        assert_eq!(guard.get(&0), None);
        assert!(matches!(guard.insert(0, 1), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.remove(&0), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.pop_first(), Err(Error::Corrupt { .. })));
        assert_eq!(guard.iter().count(), 0);
        assert!(guard.to_map().is_err() && guard.clear().is_err());
    }
    inner.child(0).put(child);
    // Leaves in a circle.
    let second = leaf.head().next.get();
    let third = Leaf::<u64, u64>::open(guard.tree().cx, second).unwrap();
    let behind = third.head().next.get();
    third.head().next.put(leaf.offset(guard.tree().cx));
    assert!(guard.iter().count() <= 2000 && guard.range(0..).count() < 100_000);
    assert!(guard.range(..).count() < 100_000);
    third.head().next.put(behind);
    let (levels, len) = (guard.tree().head.levels.get(), guard.tree().head.len.get());
    for bad in [0, 41, u64::MAX] {
        guard.tree().head.levels.put(bad);
        assert_eq!((guard.get(&5), guard.iter().count()), (None, 0));
        assert!(matches!(guard.insert(5, 5), Err(Error::Corrupt { .. })));
    }
    guard.tree().head.levels.put(levels);
    guard.tree().head.len.put(u64::MAX);
    assert_eq!((guard.len(), guard.iter().len()), (0, 0));
    guard.tree().head.len.put(len);
    check(&guard);
    assert_eq!(guard.len(), 2000);
}

#[test]
fn every_size_of_keys_and_values_has_nodes_that_can_be_split() {
    let sizes =
        [(0, 1), (1, 1), (2, 2), (8, 8), (16, 16), (24, 8), (48, 8), (128, 64), (480, 8), (4096, 16), (70_000, 8)];
    for ((key, align), (value, value_align)) in sizes.iter().flat_map(|key| sizes.map(|value| (*key, value))) {
        let (key, value) = (Form { size: key, align }, Form { size: value, align: value_align });
        for shape in [Shape::leaf(key, value), Shape::inner(key)] {
            assert!(shape.cap >= 4 && shape.least() >= 1 && shape.keys.is_multiple_of(align), "{shape:?}");
            assert!(shape.cap >= 8 || shape.bytes >= 2048, "{shape:?}");
            assert!([512, 1024, 2048].contains(&shape.bytes) || shape.bytes.is_multiple_of(4096), "{shape:?}");
        }
        let leaf = Shape::leaf(key, value);
        assert!(leaf.rest >= leaf.keys + leaf.cap * key.size && leaf.rest.is_multiple_of(value_align));
        assert!(leaf.rest + leaf.cap * value.size <= leaf.bytes);
    }
}

#[test]
fn elements_without_size_do_not_confuse_a_tree() {
    let pair = pair(8 << 20);
    let [map, other] = pair.object::<BTreeMap<(), ()>>();
    let mut guard = map.write().unwrap();
    assert_eq!(guard.insert((), ()).unwrap(), None);
    assert_eq!(guard.insert((), ()).unwrap(), Some(()));
    check(&guard);
    drop(guard);
    assert_eq!(other.read().unwrap().iter().count(), 1);
    assert_eq!(other.write().unwrap().pop_last().unwrap(), Some(((), ())));
    assert!(map.read().unwrap().is_empty());
}

#[test]
fn a_description_tells_keys_and_values_apart() {
    let pair = pair(8 << 20);
    let segment = &pair.segments[0];
    segment.open_or_create::<BTreeMap<String, Vec<u32>>>("m").unwrap();
    let error = segment.open_or_create::<BTreeMap<String, Vec<u64>>>("m").unwrap_err().to_string();
    assert!(error.contains("BTreeMap<String, Vec<u32>>") && error.contains("BTreeMap<String, Vec<u64>>"), "{error}");
    segment.open_or_create::<BTreeSet<u8>>("s").unwrap();
    assert!(matches!(segment.open_or_create::<BTreeSet<i8>>("s"), Err(Error::TypeMismatch { .. })));
}

#[test]
fn maps_and_sets_are_ordered_as_those_of_std() {
    let pair = pair(16 << 20);
    let sets: [BTreeSet<u32>; 6] =
        [vec![], vec![1], vec![1, 2], vec![1, 3], vec![2], vec![0, 9]].map(BTreeSet::from_iter);
    for a in &sets {
        for b in &sets {
            let ([one, _], [_, two]) = (pair.object::<BTreeSet<u32>>(), pair.object::<BTreeSet<u32>>());
            one.store(a.clone()).unwrap();
            two.store(b.clone()).unwrap();
            assert_eq!((*one.read().unwrap()).cmp(&*two.read().unwrap()), a.cmp(b), "{a:?} {b:?}");
            let ([one, _], [_, two]) = (pair.object::<BTreeMap<u32, u32>>(), pair.object::<BTreeMap<u32, u32>>());
            let map = |set: &BTreeSet<u32>, by| set.iter().map(|n| (*n, n ^ by)).collect::<BTreeMap<_, _>>();
            one.store(map(a, 0)).unwrap();
            two.store(map(b, 1)).unwrap();
            assert_eq!((*one.read().unwrap()).partial_cmp(&*two.read().unwrap()), map(a, 0).partial_cmp(&map(b, 1)));
        }
    }
}
