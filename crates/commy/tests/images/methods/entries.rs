//! What changes entries of both kinds of maps.

use crate::scenarios::{changed, sorted, text};
use commy::views::Entry;
use std::collections::{BTreeMap, HashMap};

type Words = HashMap<String, u64>;
type Ordered = BTreeMap<String, Vec<u64>>;

fn words() -> Words {
    [("a".into(), 1), ("b".into(), 2), ("c".into(), 3)].into()
}

fn ordered() -> Ordered {
    [("a".into(), vec![1]), ("b".into(), vec![2; 9]), ("c".into(), vec![3])].into()
}

#[test]
fn entries_of_a_hash_map() {
    changed::<Words>(
        "entries of a hash map",
        words,
        |mut v| {
            v.entry("a".into()).unwrap().and_modify(|n| *n += 1).unwrap().or_insert(9).unwrap();
            v.entry("d".into()).unwrap().or_insert_with(|| 4).unwrap();
            v.entry("e".into()).unwrap().or_insert_with_key(|key| key.len() as u64).unwrap();
            *v.entry("f".into()).unwrap().or_default().unwrap() += 6;
            v.entry("b".into()).unwrap().insert_entry(7).unwrap().insert(8).unwrap();
        },
        sorted::<String, u64>,
    );
}

#[test]
fn taken_entries_of_a_hash_map() {
    changed::<Words>(
        "taken entries of a hash map",
        words,
        |mut v| {
            let Entry::Occupied(entry) = v.entry("a".into()).unwrap() else { panic!("no a") };
            entry.remove().unwrap();
            let Entry::Occupied(entry) = v.entry("b".into()).unwrap() else { panic!("no b") };
            entry.remove_entry().unwrap();
            let Entry::Vacant(entry) = v.entry("a".into()).unwrap() else { panic!("a again") };
            *entry.insert(5).unwrap() += 1;
            let Entry::Occupied(mut entry) = v.entry("c".into()).unwrap() else { panic!("no c") };
            *entry.get_mut() += 1;
            *entry.try_get_mut().unwrap() += 1;
            *entry.into_mut().unwrap() += 1;
        },
        sorted::<String, u64>,
    );
}

#[test]
fn entries_of_an_ordered_map() {
    changed::<Ordered>(
        "entries of an ordered map",
        ordered,
        |mut v| {
            v.entry("a".into()).unwrap().and_modify(|list| list.push(2).unwrap()).unwrap().or_insert(vec![]).unwrap();
            v.entry("d".into()).unwrap().or_insert_with(|| vec![4; 5]).unwrap();
            v.entry("e".into()).unwrap().or_insert_with_key(|key| vec![key.len() as u64]).unwrap();
            v.entry("f".into()).unwrap().or_default().unwrap().push(6).unwrap();
            v.entry("b".into()).unwrap().insert_entry(vec![7]).unwrap().insert(vec![8; 9]).unwrap();
            v.first_entry().unwrap().unwrap().remove_entry().unwrap();
        },
        text::<Ordered>,
    );
}
