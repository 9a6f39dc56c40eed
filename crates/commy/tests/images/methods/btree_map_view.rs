//! What changes ordered maps.

use super::stored;
use crate::scenarios::{changed, run, text, x};
use std::collections::BTreeMap;

type Numbers = BTreeMap<u64, u64>;
type Texts = BTreeMap<String, String>;

fn numbers(keys: std::ops::Range<u64>) -> Numbers {
    keys.map(|n| (n, n * n)).collect()
}

#[test]
fn ordered_map_one_entry() {
    changed::<Numbers>(
        "ordered map: one entry",
        || numbers(0..9),
        |mut v| {
            v.insert(19, 9).unwrap();
            v.try_insert(10, 1).unwrap();
            v.remove(&2).unwrap();
            v.remove_entry(&3).unwrap();
            v.pop_first().unwrap();
            v.pop_last().unwrap();
            *v.entry_or_insert(&17, 1).unwrap() += 1;
            *v.entry_or_insert_with(&18, || 2).unwrap() += 1;
            *v.entry_or_default(&11).unwrap() += 1;
            v.entry(12).unwrap().or_insert(5).unwrap();
            v.first_entry().unwrap().unwrap().insert(3).unwrap();
            v.last_entry().unwrap().unwrap().remove().unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn ordered_map_lent() {
    changed::<Numbers>(
        "ordered map: lent",
        || numbers(0..9),
        |mut v| {
            *v.get_mut(&1).unwrap() = 9;
            *v.try_get_mut(&2).unwrap().unwrap() = 8;
            v.get_disjoint_mut([&3, &4]).unwrap().into_iter().for_each(|n| *n.unwrap() = 7);
            v.iter_mut().for_each(|(_, n)| *n += 1);
            v.values_mut().for_each(|n| *n += 1);
            v.range_mut(3..6).for_each(|(_, n)| *n += 1);
        },
        text::<Numbers>,
    );
}

#[test]
fn ordered_map_many_entries() {
    changed::<Numbers>(
        "ordered map: many entries",
        || numbers(0..30),
        |mut v| {
            v.extend(numbers(25..40)).unwrap();
            v.retain(|n, _| n % 7 != 0).unwrap();
            v.split_off(&20).unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn ordered_map_of_texts_entries() {
    changed::<Texts>(
        "ordered map of texts: entries",
        || [("a".into(), "b".repeat(30))].into(),
        |mut v| {
            v.insert("c".into(), "d".repeat(20)).unwrap();
            v.insert("a".into(), "e".repeat(40)).unwrap();
            v.get_mut("a").unwrap().push_str(" more").unwrap();
            v.remove("a").unwrap();
            v.clear().unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn ordered_maps_appended() {
    run(
        "ordered maps: appended",
        |s| {
            stored::<Vec<Texts>>(
                s,
                vec![[("a".into(), "b".into())].into(), [("a".into(), "c".into()), ("d".into(), "e".into())].into()],
            )
        },
        |s| {
            let v = x::<Vec<Texts>>(s);
            let mut v = v.write().unwrap();
            let [first, second] = v.get_disjoint_mut([0, 1]).unwrap();
            first.append(second).unwrap();
        },
        text::<Vec<Texts>>,
    );
}
