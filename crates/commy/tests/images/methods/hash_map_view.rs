//! What changes hash maps.

use crate::scenarios::{changed, sorted};
use std::collections::HashMap;

type Numbers = HashMap<u64, u64>;
type Texts = HashMap<String, String>;

fn numbers(keys: std::ops::Range<u64>) -> Numbers {
    keys.map(|n| (n, n * n)).collect()
}

#[test]
fn hash_map_one_entry() {
    changed::<Numbers>(
        "hash map: one entry",
        || numbers(0..6),
        |mut v| {
            v.insert(9, 9).unwrap();
            v.try_insert(10, 1).unwrap();
            v.remove(&2).unwrap();
            v.remove_entry(&3).unwrap();
            *v.entry_or_insert(&7, 1).unwrap() += 1;
            *v.entry_or_insert_with(&8, || 2).unwrap() += 1;
            *v.entry_or_default(&11).unwrap() += 1;
            v.entry(12).unwrap().or_insert(5).unwrap();
        },
        sorted::<u64, u64>,
    );
}

#[test]
fn hash_map_lent() {
    changed::<Numbers>(
        "hash map: lent",
        || numbers(0..6),
        |mut v| {
            *v.get_mut(&1).unwrap() = 9;
            *v.try_get_mut(&2).unwrap().unwrap() = 8;
            v.get_disjoint_mut([&3, &4]).unwrap().into_iter().for_each(|n| *n.unwrap() = 7);
            v.iter_mut().for_each(|(_, n)| *n += 1);
            v.values_mut().for_each(|n| *n += 1);
        },
        sorted::<u64, u64>,
    );
}

#[test]
fn hash_map_many_entries() {
    changed::<Numbers>(
        "hash map: many entries",
        || numbers(0..8),
        |mut v| {
            v.extend(numbers(5..12)).unwrap();
            v.retain(|n, _| *n != 4).unwrap();
            v.extract_if(|n, square| n % 3 == 0 && *square < 60).unwrap();
        },
        sorted::<u64, u64>,
    );
}

#[test]
fn hash_map_room() {
    changed::<Numbers>(
        "hash map: room",
        || numbers(0..6),
        |mut v| {
            v.reserve(20).unwrap();
            v.shrink_to(12).unwrap();
            v.shrink_to_fit().unwrap();
        },
        sorted::<u64, u64>,
    );
}

#[test]
fn hash_map_emptied() {
    changed::<Numbers>(
        "hash map: emptied",
        || numbers(0..6),
        |mut v| {
            v.drain().unwrap();
            v.insert(1, 1).unwrap();
            v.clear().unwrap();
        },
        sorted::<u64, u64>,
    );
}

#[test]
fn hash_map_of_texts_entries() {
    changed::<Texts>(
        "hash map of texts: entries",
        || [("a".into(), "b".repeat(30))].into(),
        |mut v| {
            v.insert("c".into(), "d".repeat(20)).unwrap();
            v.insert("a".into(), "e".repeat(40)).unwrap();
            v.get_mut("a").unwrap().push_str(" more").unwrap();
            v.remove("a").unwrap();
            v.extract_if(|key, _| key == "c").unwrap();
        },
        sorted::<String, String>,
    );
}
