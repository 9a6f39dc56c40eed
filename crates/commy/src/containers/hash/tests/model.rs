//! Random operations beside `std::collections::HashMap`, through two attachments of one file alternately.

use super::{Large, Pair, Random, large, pair};
use crate::Shared;
use crate::containers::Entry;
use crate::schema::{Key, Lookup, Share};
use proptest::prelude::*;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

/// What is done to a map; keys are numbered.
#[derive(Clone, Debug)]
enum Operation {
    Insert(u64, u64),
    InsertMany(u64, u64),
    Remove(u64),
    RemoveMany(u64, u64),
    Entry(u64, u64),
    Set(u64, u64),
    Retain(u64),
    Extend(u64, u64),
    Reserve(u64),
    Shrink,
    Clear,
    Drain,
    Store,
    /// By the entry API, in one of several ways.
    Enter(u64, u8, u64),
    ExtractIf(u64),
    Disjoint([u64; 3], u64),
    ShrinkTo(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = 0..600u64;
    prop_oneof![
        8 => (key.clone(), any::<u64>()).prop_map(|(k, v)| Operation::Insert(k, v)),
        8 => (key.clone(), 1..150u64).prop_map(|(k, n)| Operation::InsertMany(k, n)),
        6 => key.clone().prop_map(Operation::Remove),
        4 => (key.clone(), 1..150u64).prop_map(|(k, n)| Operation::RemoveMany(k, n)),
        4 => (key.clone(), any::<u64>()).prop_map(|(k, v)| Operation::Entry(k, v)),
        4 => (key.clone(), any::<u64>()).prop_map(|(k, v)| Operation::Set(k, v)),
        2 => (2..7u64).prop_map(Operation::Retain),
        2 => (key.clone(), 1..50u64).prop_map(|(k, n)| Operation::Extend(k, n)),
        6 => (key.clone(), any::<u8>(), any::<u64>()).prop_map(|(k, way, v)| Operation::Enter(k, way, v)),
        2 => (2..7u64).prop_map(Operation::ExtractIf),
        2 => ([key.clone(), key.clone(), key], any::<u64>()).prop_map(|(k, v)| Operation::Disjoint(k, v)),
        1 => (0..300u64).prop_map(Operation::ShrinkTo),
        1 => (0..300u64).prop_map(Operation::Reserve),
        1 => Just(Operation::Shrink),
        1 => Just(Operation::Clear),
        1 => Just(Operation::Drain),
        1 => Just(Operation::Store),
    ]
}

/// What is done under one guard.
#[derive(Clone, Debug)]
struct Group {
    second: bool,
    commit: bool,
    operations: Vec<Operation>,
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let group = (any::<bool>(), 0..4u8, prop::collection::vec(operation(), 1..12));
    let group = group.prop_map(|(second, commit, operations)| Group { second, commit: commit > 0, operations });
    prop::collection::vec(group, 1..10)
}

/// Keys and values of a type, made from numbers.
trait Kind {
    type K: Key + Lookup<Self::K> + Eq + Hash + Clone + Debug;
    type V: Share + PartialEq + Clone + Debug;
    fn key(n: u64) -> Self::K;
    fn value(n: u64) -> Self::V;
    fn number(key: &Self::K) -> u64;
    fn number_of(key: <Self::K as Share>::Ref<'_>) -> u64;
    fn change(value: <Self::V as Share>::Mut<'_>, to: u64);
}

struct Numbers;
impl Kind for Numbers {
    type K = u64;
    type V = u64;
    fn key(n: u64) -> u64 {
        n
    }
    fn value(n: u64) -> u64 {
        n
    }
    fn number(key: &u64) -> u64 {
        *key
    }
    fn number_of(key: &u64) -> u64 {
        *key
    }
    fn change(value: &mut u64, to: u64) {
        *value = to;
    }
}

struct Larges;
impl Kind for Larges {
    type K = u64;
    type V = Large;
    fn key(n: u64) -> u64 {
        n
    }
    fn value(n: u64) -> Large {
        large(n)
    }
    fn number(key: &u64) -> u64 {
        *key
    }
    fn number_of(key: &u64) -> u64 {
        *key
    }
    fn change(value: &mut Large, to: u64) {
        *value = large(to);
    }
}

struct Texts;
impl Kind for Texts {
    type K = String;
    type V = Vec<u32>;
    fn key(n: u64) -> String {
        format!("{n:>width$}", width = (n % 40) as usize)
    }
    fn value(n: u64) -> Vec<u32> {
        vec![n as u32; (n % 20) as usize]
    }
    fn number(key: &String) -> u64 {
        Texts::number_of(key)
    }
    fn number_of(key: &str) -> u64 {
        key.trim().parse().unwrap()
    }
    fn change(value: <Vec<u32> as Share>::Mut<'_>, to: u64) {
        value.clear().unwrap();
        value.extend_from_slice(&Texts::value(to)).unwrap();
    }
}

type Model<T> = HashMap<<T as Kind>::K, <T as Kind>::V>;

fn apply<T: Kind>(map: &mut crate::WriteGuard<'_, HashMap<T::K, T::V>>, model: &mut Model<T>, operation: &Operation) {
    match *operation {
        Operation::Insert(key, value) => {
            let old = map.insert(T::key(key), T::value(value)).unwrap();
            assert_eq!(old, model.insert(T::key(key), T::value(value)));
        }
        Operation::InsertMany(first, many) => {
            for key in first..first + many {
                let old = map.insert(T::key(key), T::value(key)).unwrap();
                assert_eq!(old, model.insert(T::key(key), T::value(key)));
            }
        }
        Operation::Remove(key) => assert_eq!(map.remove(&T::key(key)).unwrap(), model.remove(&T::key(key))),
        Operation::RemoveMany(first, many) => {
            for key in first..first + many {
                assert_eq!(map.remove_entry(&T::key(key)).unwrap(), model.remove_entry(&T::key(key)));
            }
        }
        Operation::Entry(key, value) => {
            T::change(map.entry_or_insert_with(&T::key(key), || T::value(0)).unwrap(), value);
            model.insert(T::key(key), T::value(value));
        }
        Operation::Set(key, value) => {
            let (found, known) = (map.get_mut(&T::key(key)), model.get_mut(&T::key(key)));
            assert_eq!(found.is_some(), known.is_some());
            if let (Some(found), Some(known)) = (found, known) {
                T::change(found, value);
                *known = T::value(value);
            }
        }
        Operation::Retain(factor) => {
            let keep = |key: &T::K| T::number(key) % factor != 0;
            let doomed: Vec<T::K> = model.keys().filter(|key| !keep(key)).cloned().collect();
            let mut seen = 0;
            map.retain(|_, _| {
                seen += 1;
                true
            })
            .unwrap();
            assert_eq!(seen, model.len());
            for key in doomed {
                assert_eq!(map.remove(&key).unwrap(), model.remove(&key));
            }
        }
        Operation::Extend(first, many) => {
            let entries = || (first..first + many).map(|key| (T::key(key * 3), T::value(key)));
            map.extend(entries()).unwrap();
            model.extend(entries());
        }
        Operation::Reserve(more) => {
            map.reserve(more as usize).unwrap();
            assert!(map.capacity() >= map.len() + more as usize);
        }
        Operation::Enter(key, way, value) => enter::<T>(map, model, key, way, value),
        Operation::ExtractIf(factor) => {
            let taken = map.extract_if(|key, value| {
                let number = T::number_of(key);
                T::change(value, number);
                number % factor == 0
            });
            let taken: Model<T> = taken.unwrap().into_iter().collect();
            let wanted = |key: &T::K, value: &mut T::V| {
                *value = T::value(T::number(key));
                T::number(key) % factor == 0
            };
            assert_eq!(taken, model.extract_if(wanted).collect::<Model<T>>());
        }
        Operation::Disjoint(keys, value) => {
            let keys = keys.map(T::key);
            let twice = keys[0] == keys[1] || keys[0] == keys[2] || keys[1] == keys[2];
            match map.get_disjoint_mut([&keys[0], &keys[1], &keys[2]]) {
                Ok(lent) => {
                    for (lent, key) in lent.into_iter().zip(&keys) {
                        assert_eq!(lent.is_some(), model.contains_key(key));
                        if let (Some(lent), Some(known)) = (lent, model.get_mut(key)) {
                            T::change(lent, value);
                            *known = T::value(value);
                        }
                    }
                }
                Err(_) => assert!(twice),
            }
        }
        Operation::ShrinkTo(capacity) => {
            map.shrink_to(capacity as usize).unwrap();
            assert!(map.capacity() >= map.len());
        }
        Operation::Shrink => map.shrink_to_fit().unwrap(),
        Operation::Clear => {
            map.clear().unwrap();
            model.clear();
        }
        Operation::Drain => {
            let drained: Model<T> = map.drain().unwrap().into_iter().collect();
            assert_eq!(drained, std::mem::take(model));
        }
        Operation::Store => {
            map.clear().unwrap();
            map.extend(model.clone()).unwrap();
        }
    }
}

/// Does the same to both entries of a key.
fn enter<T: Kind>(
    map: &mut crate::WriteGuard<'_, HashMap<T::K, T::V>>,
    model: &mut Model<T>,
    key: u64,
    way: u8,
    value: u64,
) {
    let (key, new) = (T::key(key), T::value(value));
    let entry = map.entry(key.clone()).unwrap();
    match (way % 6, entry) {
        (0, entry) => {
            let entry = entry.and_modify(|slot| T::change(slot, value / 2)).unwrap();
            T::change(entry.or_insert(new.clone()).unwrap(), value);
            model.insert(key, new);
        }
        (1, entry) => {
            entry.insert_entry(new.clone()).unwrap();
            model.insert(key, new);
        }
        (2, entry) => {
            entry.or_insert_with_key(|own| T::value(T::number(own))).unwrap();
            model.entry(key).or_insert_with_key(|own| T::value(T::number(own)));
        }
        (3, Entry::Occupied(mut entry)) => assert_eq!(Some(entry.insert(new.clone()).unwrap()), model.insert(key, new)),
        (4, Entry::Occupied(mut entry)) => {
            T::change(entry.get_mut(), value);
            T::change(entry.into_mut().unwrap(), value);
            model.insert(key, new);
        }
        (_, Entry::Occupied(entry)) => assert_eq!(Some(entry.remove_entry().unwrap()), model.remove_entry(&key)),
        (3, Entry::Vacant(entry)) => assert!(*entry.key() == key && entry.into_key() == key),
        (_, Entry::Vacant(_)) => {
            assert!(!model.contains_key(&key));
            assert!(map.try_insert(key.clone(), new.clone()).unwrap().is_some());
            assert!(map.try_insert(key.clone(), new.clone()).unwrap().is_none());
            model.insert(key, new);
        }
    }
}

fn verify<T: Kind>(map: &Shared<HashMap<T::K, T::V>>, model: &Model<T>) {
    let map = map.read().unwrap();
    assert_eq!(map.len(), model.len());
    assert_eq!(map.iter().count(), model.len());
    assert!(map.to_map().unwrap() == *model);
    assert!(model.keys().all(|key| map.contains_key(key)));
    assert!((0..700).all(|n| map.contains_key(&T::key(n)) == model.contains_key(&T::key(n))));
}

fn run<T: Kind>(groups: &[Group]) {
    let pair: Pair = pair(256 << 20);
    let maps = pair.object::<HashMap<T::K, T::V>>("map");
    let base = pair.allocated();
    let mut model = Model::<T>::new();
    for group in groups {
        let mut now = model.clone();
        let mut guard = maps[usize::from(group.second)].write().unwrap();
        for operation in &group.operations {
            apply::<T>(&mut guard, &mut now, operation);
            assert_eq!(guard.len(), now.len());
        }
        if group.commit {
            guard.commit().unwrap();
            model = now;
        } else {
            guard.rollback();
        }
        verify::<T>(&maps[usize::from(!group.second)], &model);
    }
    maps[0].write().unwrap().clear().unwrap();
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_map_of_numbers_never_differs_from_std(groups in groups()) {
        run::<Numbers>(&groups);
    }

    #[test]
    fn a_map_that_is_replaced_step_by_step_never_differs_from_std(groups in groups()) {
        run::<Larges>(&groups);
    }

    #[test]
    fn a_map_whose_entries_own_blocks_never_differs_from_std_and_leaks_none(groups in groups()) {
        run::<Texts>(&groups);
    }
}

/// Single operations, each in a transaction of its own, so that moves and rollbacks meet at every step.
#[test]
fn a_move_in_many_small_transactions_some_rolled_back_loses_nothing() {
    let pair = pair(256 << 20);
    let maps = pair.object::<HashMap<u64, Large>>("map");
    let (mut random, mut model) = (Random(42), Model::<Larges>::new());
    for round in 0..6000u64 {
        let map = &maps[random.below(2) as usize];
        let mut now = model.clone();
        let mut guard = map.write().unwrap();
        for _ in 0..=random.below(3) {
            let key = random.below(1500);
            let operation = match random.below(10) {
                0..6 => Operation::Insert(key, round),
                6..9 => Operation::Remove(key),
                _ => Operation::Set(key, round),
            };
            apply::<Larges>(&mut guard, &mut now, &operation);
        }
        if random.below(4) == 0 {
            guard.rollback();
        } else {
            guard.commit().unwrap();
            model = now;
        }
        if round % 200 == 0 {
            verify::<Larges>(map, &model);
        }
    }
    verify::<Larges>(&maps[0], &model);
}
