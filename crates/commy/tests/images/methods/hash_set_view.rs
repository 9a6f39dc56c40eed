//! What changes hash sets.

use super::texts;
use crate::scenarios::{changed, x};
use commy::Segment;
use std::collections::{BTreeSet, HashSet};

type Texts = HashSet<String>;

/// The set in order.
fn ordered(segment: &Segment) -> String {
    let set = x::<Texts>(segment).load().expect("its value");
    format!("{:?}", set.into_iter().collect::<BTreeSet<_>>())
}

#[test]
fn hash_set_one_element() {
    changed::<Texts>(
        "hash set: one element",
        || texts(0..4).into_iter().collect(),
        |mut v| {
            v.insert("new".repeat(9)).unwrap();
            v.replace("new".repeat(9)).unwrap();
            v.remove(texts(1..2)[0].as_str()).unwrap();
            v.take(texts(2..3)[0].as_str()).unwrap();
        },
        ordered,
    );
}

#[test]
fn hash_set_many_elements() {
    changed::<Texts>(
        "hash set: many elements",
        || texts(0..5).into_iter().collect(),
        |mut v| {
            v.extend(texts(3..7)).unwrap();
            v.retain(|text| text.len() < 20).unwrap();
            v.extract_if(|text| text.contains('4')).unwrap();
        },
        ordered,
    );
}

#[test]
fn hash_set_room() {
    changed::<Texts>(
        "hash set: room",
        || texts(0..3).into_iter().collect(),
        |mut v| {
            v.reserve(20).unwrap();
            v.shrink_to(10).unwrap();
            v.shrink_to_fit().unwrap();
        },
        ordered,
    );
}

#[test]
fn hash_set_emptied() {
    changed::<Texts>(
        "hash set: emptied",
        || texts(0..3).into_iter().collect(),
        |mut v| {
            v.drain().unwrap();
            v.insert("one".into()).unwrap();
            v.clear().unwrap();
        },
        ordered,
    );
}
