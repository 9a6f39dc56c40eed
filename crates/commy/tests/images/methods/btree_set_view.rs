//! What changes ordered sets.

use super::texts;
use crate::scenarios::{changed, text};
use std::collections::BTreeSet;

type Texts = BTreeSet<String>;

#[test]
fn ordered_set_one_element() {
    changed::<Texts>(
        "ordered set: one element",
        || texts(0..6).into_iter().collect(),
        |mut v| {
            v.insert("new".repeat(9)).unwrap();
            v.replace("new".repeat(9)).unwrap();
            v.remove(texts(1..2)[0].as_str()).unwrap();
            v.take(texts(2..3)[0].as_str()).unwrap();
            v.pop_first().unwrap();
            v.pop_last().unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn ordered_set_many_elements() {
    changed::<Texts>(
        "ordered set: many elements",
        || texts(0..5).into_iter().collect(),
        |mut v| {
            v.extend(texts(3..7)).unwrap();
            v.retain(|text| text.len() < 20).unwrap();
            v.split_off("text 4").unwrap();
            v.clear().unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn ordered_sets_appended() {
    changed::<Vec<Texts>>(
        "ordered sets: appended",
        || vec![texts(0..3).into_iter().collect(), texts(2..5).into_iter().collect()],
        |mut v| {
            let [first, second] = v.get_disjoint_mut([0, 1]).unwrap();
            first.append(second).unwrap();
        },
        text::<Vec<Texts>>,
    );
}
