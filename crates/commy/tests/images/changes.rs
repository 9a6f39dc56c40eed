//! Objects with a ring of changes: a note is there if and only if the change is, and what it overwrites comes back with
//! it.

use crate::scenarios::{objects, run};
use commy::{Mapped, Segment, Share, Shared};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::time::Duration;

/// The object `x`, with a ring for so many changes.
fn ringed<T: Share + Default>(segment: &Segment, many: u64) -> Shared<T> {
    segment.object("x").changes(many).open_or_create().expect("the object")
}

/// The map's number of entries, and all notes that are left.
fn notes<T: Mapped<Key: Debug>>(segment: &Segment, len: impl Fn(T) -> usize) -> String {
    let map: Shared<T> = segment.open("x").expect("the object");
    let mut seen = format!("{} entries", len(map.load().expect("its value")));
    let mut changes = map.changes_since(0).expect("changes");
    loop {
        match changes.next(Duration::ZERO) {
            Ok(None) => return seen,
            Ok(Some(change)) => {
                seen +=
                    &format!(", {} {:?} {:?}", change.version(), change.operation(), change.key().expect("its key"));
            }
            Err(error) => seen += &format!(", {error}"),
        }
    }
}

type Numbers = HashMap<u64, u64>;
type Texts = BTreeMap<String, Vec<u32>>;

#[test]
fn ring_first_round() {
    run(
        "ring: first notes",
        |s| ringed::<Numbers>(s, 8).extend([(1, 1)]).unwrap(),
        |s| assert!(ringed::<Numbers>(s, 8).insert(2, 2).unwrap().is_none()),
        |s| notes::<Numbers>(s, |map| map.len()),
    );
}

#[test]
fn ring_overwritten() {
    run(
        "ring: notes overwritten, over its end",
        |s| (0..7).for_each(|n| ringed::<Numbers>(s, 3).extend([(n, n)]).unwrap()),
        |s| {
            let map = ringed::<Numbers>(s, 3);
            let mut map = map.write().unwrap();
            map.insert(2, 9).unwrap();
            map.remove(&3).unwrap();
            *map.get_mut(&4).unwrap() += 1;
        },
        |s| notes::<Numbers>(s, |map| map.len()),
    );
}

#[test]
fn ring_of_texts() {
    let key = |n: u32| "text".repeat(n as usize * 20);
    run(
        "ring: notes of texts, overwritten",
        |s| (0..9).for_each(|n| drop(ringed::<Texts>(s, 3).insert(key(n), vec![n]).unwrap())),
        |s| {
            let map = ringed::<Texts>(s, 3);
            let mut map = map.write().unwrap();
            map.get_mut(&key(3)).unwrap().push(3).unwrap();
            map.remove(&key(4)).unwrap();
            map.insert(key(10), vec![]).unwrap();
        },
        |s| notes::<Texts>(s, |map| map.len()),
    );
}

#[test]
fn ring_of_a_list() {
    let list = |s: &Segment| ringed::<Vec<u64>>(s, 2);
    run(
        "ring: of a list",
        |s| (0..5).for_each(|n| list(s).push(n).unwrap()),
        |s| list(s).push(9).unwrap(),
        |s| {
            let seen = list(s).changes_since(3).unwrap().next(Duration::ZERO);
            format!("{:?} {:?}", list(s).load().unwrap(), seen.map(|change| change.map(|change| change.version())).ok())
        },
    );
}

#[test]
fn ring_made_and_removed() {
    run(
        "ring: object made with one",
        |s| drop(s.open_or_create::<u64>("other").unwrap()),
        |s| drop(s.object("x").changes(10).open_or_create_with(|| vec!["a".to_string()]).unwrap()),
        |s| format!("{} {:?}", objects::<Vec<String>>(s), s.open::<Vec<String>>("x").map(|x| x.changes().is_ok()).ok()),
    );
    run(
        "ring: object with one removed",
        |s| drop(s.object("x").changes(1000).open_or_create_with(|| vec!["a".to_string()]).unwrap()),
        |s| s.remove("x").unwrap(),
        objects::<Vec<String>>,
    );
}
