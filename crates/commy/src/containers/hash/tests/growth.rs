//! Growth, deletion and failure in the middle of both.

use super::{Head, Large, Random, keys_at, large, pair};
use crate::{Error, Shared};
use std::collections::{HashMap, HashSet};

/// The words of a map's head.
fn head(map: &Shared<HashMap<u64, Large>>) -> [u64; 8] {
    let guard = map.read().unwrap();
    let head = guard.head();
    [&head.len, &head.left, &head.control, &head.slots, &head.seed, &head.stamp, &head.moving, &head.stripes]
        .map(|word| word.get())
}

fn is_moving(map: &Shared<HashMap<u64, Large>>) -> bool {
    head(map)[6] != 0
}

#[test]
fn two_hundred_thousand_entries_with_removes_between_them_are_all_there() {
    let pair = pair(1 << 30);
    let [map, other] = pair.object::<HashMap<u64, u64>>("map");
    let base = pair.allocated();
    let mut guard = map.write().unwrap();
    let mut model = HashMap::new();
    for n in 0..200_000u64 {
        assert_eq!(guard.insert(n, n * 2).unwrap(), model.insert(n, n * 2));
        if n % 3 == 0 {
            assert_eq!(guard.remove(&(n / 2)).unwrap(), model.remove(&(n / 2)));
        }
        if n % 50_000 == 7 {
            guard.commit().unwrap();
            guard = map.write().unwrap();
        }
    }
    drop(guard);
    let guard = other.read().unwrap();
    assert_eq!((0..200_000u64).find(|n| guard.get(n) != model.get(n)), None);
    assert_eq!((guard.len(), guard.iter().count()), (model.len(), model.len()));
    drop(guard);
    let mut guard = map.write().unwrap();
    guard.clear().unwrap();
    drop(guard);
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

#[test]
fn keys_that_ran_over_the_end_of_the_table_are_not_lost_by_a_move() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u64, Large>>("map");
    let mut guard = map.write().unwrap();
    guard.reserve(100).unwrap();
    assert_eq!(guard.head().slots.get(), 128);
    // All at home in the last group: seven groups full, six of them at the beginning.
    let last: Vec<u64> = keys_at(guard.head(), 128, 112).take(150).collect();
    let early: Vec<u64> = keys_at(guard.head(), 128, 16).take(40).collect();
    last[..112].iter().for_each(|key| assert!(guard.insert(*key, large(*key)).unwrap().is_none()));
    assert_eq!((guard.head().moving.get(), guard.head().left.get()), (0, 0));
    // One early key in each transaction begins the move and goes on with it, late ones go into the old table.
    let mut all: Vec<u64> = last[..112].to_vec();
    for (early, late) in early.iter().zip(&last[112..]) {
        guard.insert(*early, large(*early)).unwrap();
        guard.insert(*late, large(*late)).unwrap();
        all.extend([*early, *late]);
        guard.commit().unwrap();
        let seen = map.read().unwrap();
        assert_eq!((seen.len(), seen.iter().count()), (all.len(), all.len()));
        let missing = all.iter().find(|key| seen.get(key) != Some(&large(**key)));
        assert_eq!(missing, None, "{:?}", seen.head());
        drop(seen);
        guard = map.write().unwrap();
    }
    assert_eq!(guard.head().moving.get(), 0);
    for key in &all {
        assert_eq!(guard.remove(key).unwrap(), Some(large(*key)));
    }
    assert!(guard.is_empty());
}

#[test]
fn a_rollback_of_the_last_step_of_a_move_takes_back_what_ran_over_the_ends_of_the_parts() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u64, Large>>("map");
    let mut guard = map.write().unwrap();
    guard.reserve(100).unwrap();
    // All at home in the last group, of which both parts of the new table have one: they run over the ends of both.
    let last: Vec<u64> = keys_at(guard.head(), 128, 112).take(112).collect();
    let early: Vec<u64> = keys_at(guard.head(), 128, 16).take(2).collect();
    last.iter().for_each(|key| assert!(guard.insert(*key, large(*key)).unwrap().is_none()));
    assert!(guard.insert(early[0], large(early[0])).unwrap().is_none());
    guard.commit().unwrap();
    assert!(is_moving(&map), "all was moved in one step");
    let before = head(&map);
    let mut guard = map.write().unwrap();
    assert!(guard.insert(early[1], large(early[1])).unwrap().is_none());
    assert_eq!(guard.head().moving.get(), 0, "this was not the last step");
    guard.rollback();
    assert_eq!(head(&map), before);
    let all = || last.iter().chain(&early[..1]);
    let guard = map.read().unwrap();
    // In the new table they would be met first, and again in the old one, or be left out at the end.
    let met: HashSet<u64> = guard.iter().map(|(key, _)| *key).collect();
    assert_eq!((guard.len(), guard.iter().count(), met.len()), (113, 113, 113));
    assert!(all().all(|key| guard.get(key) == Some(&large(*key))));
    assert!(guard.get(&early[1]).is_none());
    drop(guard);
    let mut guard = map.write().unwrap();
    assert!(guard.insert(early[1], large(early[1])).unwrap().is_none());
    for key in all().chain(&early[1..]) {
        assert_eq!(guard.remove(key).unwrap(), Some(large(*key)));
        assert!(guard.get(key).is_none(), "there was another of that key");
    }
    assert_eq!((guard.len(), guard.iter().count()), (0, 0));
}

#[test]
fn taking_out_and_putting_in_at_constant_size_does_not_grow_the_table_for_ever() {
    let pair = pair(256 << 20);
    let [map, _] = pair.object::<HashMap<u64, u64>>("map");
    let mut guard = map.write().unwrap();
    for n in 0..3000 {
        guard.insert(n, n).unwrap();
    }
    let mut slots = Vec::new();
    for n in 0..200_000u64 {
        assert_eq!(guard.remove(&n).unwrap(), Some(n));
        assert_eq!(guard.insert(n + 3000, n + 3000).unwrap(), None);
        if n % 1000 == 0 {
            guard.commit().unwrap();
            guard = map.write().unwrap();
            slots.push(guard.head().slots.get());
        }
    }
    assert!(slots.iter().all(|slots| *slots <= 8192), "{slots:?}");
    assert!((200_000..203_000).all(|n| guard.get(&n) == Some(&n)));
    assert_eq!(guard.len(), 3000);
}

#[test]
fn a_rollback_at_any_point_of_a_growth_restores_everything() {
    let pair = pair(256 << 20);
    let [map, other] = pair.object::<HashMap<u64, Large>>("map");
    let mut met_a_move = 0;
    let mut committed = 0;
    // From before the first step of a move to behind the last, by one entry each time.
    for size in (0..440u64).step_by(22).chain(440..465) {
        let mut guard = map.write().unwrap();
        guard.extend((committed..size).map(|n| (n, large(n)))).unwrap();
        drop(guard);
        committed = size;
        let (before, allocated) = (head(&map), pair.allocated());
        met_a_move += u32::from(is_moving(&map));
        for changes in [1, 2, 5, 40, 600] {
            let mut guard = other.write().unwrap();
            for n in 0..changes {
                guard.insert(1000 + n, large(n)).unwrap();
                guard.remove(&(n * 3 % size.max(1))).unwrap();
                guard.insert(2000 + n, large(n)).unwrap();
                if let Some(value) = guard.get_mut(&(n * 5)) {
                    value[0] = 99;
                }
            }
            guard.rollback();
            assert_eq!((head(&map), pair.allocated()), (before, allocated));
            let guard = map.read().unwrap();
            assert_eq!(guard.iter().count(), size as usize);
            assert!((0..size).all(|n| guard.get(&n) == Some(&large(n))));
            assert!(guard.get(&1000).is_none());
        }
    }
    assert!(met_a_move > 3, "{met_a_move}");
}

#[test]
fn slots_emptied_and_filled_again_in_one_transaction_are_restored_by_its_rollback() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u64, u64>>("map");
    map.write().unwrap().extend((0..100).map(|n| (n, n))).unwrap();
    let mut guard = map.write().unwrap();
    for round in 1..4 {
        for n in 0..100 {
            assert!(guard.remove(&(n + (round - 1) * 1000)).unwrap().is_some());
            guard.insert(n + round * 1000, 7).unwrap();
        }
    }
    guard.rollback();
    let guard = map.read().unwrap();
    assert!((0..100).all(|n| guard.get(&n) == Some(&n)));
    assert_eq!((guard.len(), guard.iter().count()), (100, 100));
}

#[test]
fn a_full_segment_leaves_the_map_as_it_was_and_can_be_emptied() {
    let pair = pair(512 << 10);
    let [map, other] = pair.object::<HashMap<String, String>>("map");
    let base = pair.allocated();
    for commit_each in [true, false] {
        let mut guard = map.write().unwrap();
        let mut n = 0;
        let full = loop {
            match guard.insert(format!("key {n}"), "x".repeat(n % 300)) {
                Ok(old) => assert_eq!(old, None),
                Err(error) => break error,
            }
            n += 1;
            if commit_each {
                guard.commit().unwrap();
                guard = map.write().unwrap();
            }
        };
        assert!(matches!(full, Error::OutOfSpace { .. }), "{full}");
        assert!(n > 500, "{n}");
        for tries in 0..3 {
            assert!(guard.insert(format!("key {n}"), "x".repeat(3000)).is_err());
            assert!(guard.insert(format!("key {tries}"), "x".repeat(300_000)).is_err());
            assert!(guard.extend((0..5000).map(|n| (format!("more {n}"), String::new()))).is_err());
            assert!(guard.entry_or_insert("another key", "x".repeat(300_000)).is_err());
        }
        let right = |guard: &crate::containers::HashMapView<String, String>| {
            assert_eq!((guard.len(), guard.iter().count()), (n, n));
            (0..n).all(|n| guard.get(format!("key {n}").as_str()) == Some("x".repeat(n % 300).as_str()))
        };
        assert!(right(&guard));
        guard.commit().unwrap();
        assert!(right(&other.read().unwrap()));
        let mut guard = other.write().unwrap();
        for n in 0..n {
            assert!(guard.remove(format!("key {n}").as_str()).unwrap().is_some());
            if n % 20 == 0 {
                guard.commit().unwrap();
                guard = other.write().unwrap();
            }
        }
        guard.clear().unwrap();
        guard.commit().unwrap();
        assert_eq!(pair.allocated(), base, "blocks leaked");
    }
}

#[test]
fn an_extend_that_fails_leaves_what_the_same_transaction_did_before_it() {
    let pair = pair(512 << 10);
    let [map, _] = pair.object::<HashMap<u64, String>>("map");
    let mut guard = map.write().unwrap();
    // The table is made in this transaction, so that nothing of it is logged before the extend.
    guard.extend((0..50).map(|n| (n, "old".to_string()))).unwrap();
    guard.insert(50, "old".into()).unwrap();
    let too_much = (20..90).map(|n| (n, "new".to_string())).chain([(1000, "x".repeat(600_000))]);
    assert!(guard.extend(too_much).is_err());
    assert_eq!((guard.len(), guard.iter().count()), (51, 51));
    assert!((0..51).all(|n| guard.get(&n) == Some("old")));
    assert!((51..90).all(|n| guard.get(&n).is_none()));
    guard.insert(60, "late".into()).unwrap();
    guard.commit().unwrap();
    assert_eq!(map.read().unwrap().get(&60), Some("late"));
}

#[test]
fn no_single_insert_moves_more_than_a_few_groups() {
    let pair = pair(1 << 30);
    let [map, _] = pair.object::<HashMap<u64, Large>>("map");
    let mut guard = map.write().unwrap();
    let (mut moves, mut random, cx) = (0, Random(7), guard.cx());
    let cursor = |head: &Head| head.moving(cx).map(|moving| moving.cursor.get());
    for _ in 0..20_000u64 {
        let before = cursor(guard.head());
        guard.insert(random.next(), [0; 64]).unwrap();
        if let Some(after) = cursor(guard.head()) {
            moves += 1;
            let moved = after - before.unwrap_or(0);
            assert!(moved <= 64 * 16, "{moved} slots");
        }
    }
    assert!(moves > 100, "{moves}");
}

#[test]
fn memory_is_reserved_ahead_and_given_back_when_asked() {
    let pair = pair(256 << 20);
    let [map, _] = pair.object::<HashMap<u64, u64>>("map");
    let base = pair.allocated();
    let mut guard = map.write().unwrap();
    guard.reserve(10_000).unwrap();
    let slots = guard.head().slots.get();
    assert!(guard.capacity() >= 10_000);
    for n in 0..10_000 {
        guard.insert(n, n).unwrap();
    }
    assert_eq!(guard.head().slots.get(), slots);
    guard.reserve(60_000).unwrap();
    assert!(guard.capacity() >= 70_000);
    guard.retain(|key, _| *key < 100).unwrap();
    guard.shrink_to_fit().unwrap();
    assert_eq!(guard.head().slots.get(), 128);
    assert!((0..100).all(|n| guard.get(&n) == Some(&n)));
    guard.clear().unwrap();
    guard.shrink_to_fit().unwrap();
    assert_eq!(guard.capacity(), 0);
    drop(guard);
    assert_eq!(pair.allocated(), base, "blocks leaked");
    assert!(matches!(map.write().unwrap().reserve(usize::MAX), Err(Error::OutOfSpace { .. })));
}

#[test]
fn an_entry_that_is_put_in_without_its_type_moves_the_whole_table() {
    let pair = pair(256 << 20);
    let [map, other] = pair.object::<HashMap<u64, Large>>("map");
    let dynamic = other.segment().dynamic("map").unwrap();
    let place = |key: u64| key.to_string();
    map.write().unwrap().insert(0, large(0)).unwrap();
    let form = dynamic.get("0").unwrap().unwrap();
    let (mut keys, mut steps, mut moves) = (vec![0], 0, 0);
    for key in 1..6000u64 {
        let before = head(&map);
        if key % 4 == 0 && is_moving(&map) {
            map.write().unwrap().insert(key, large(key)).unwrap();
        } else if key % 7 == 0 {
            // What is undone leaves no trace of a step.
            let mut guard = dynamic.write().unwrap();
            guard.set(&place(key), &form).unwrap();
            guard.rollback();
            assert_eq!(head(&map), before);
            continue;
        } else {
            dynamic.write().unwrap().set(&place(key), &form).unwrap();
            map.write().unwrap().insert(key, large(key)).unwrap();
        }
        keys.push(key);
        if key % 3 == 0 {
            let gone = keys.swap_remove(key as usize * 7 % keys.len());
            assert!(dynamic.write().unwrap().remove(&place(gone)).unwrap().is_some());
        }
        steps += usize::from(is_moving(&map));
        moves += usize::from(before[6] == 0 && is_moving(&map));
    }
    assert!(moves >= 3 && steps > 4 * moves, "{moves} moves of {steps} steps");
    let guard = map.read().unwrap();
    assert_eq!((guard.len(), keys.iter().find(|key| guard.get(*key) != Some(&large(**key)))), (keys.len(), None));
    drop(guard);
    assert_eq!(map.segment().check().unwrap(), []);
}
