//! Objects changed by their descriptions. What is observed is the typed value: so the typed code reads each state.

use super::{stored, texts};
use crate::scenarios::{run, sorted, text};
use commy::Segment;
use commy::dynamic::{Type, Value, WriteView};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Changes the object `x` by its description, in one transaction.
fn change(segment: &Segment, work: impl FnOnce(&mut WriteView<'_>)) {
    let dynamic = segment.dynamic("x").unwrap();
    let mut guard = dynamic.write().unwrap();
    work(&mut guard);
    guard.commit().unwrap();
}

#[test]
fn dynamic_made() {
    let described: Type = "(HashMap<String, VecDeque<u8>>, BTreeSet<u16>, Box<String>)".parse().unwrap();
    let map = Value::Map(vec![("a".into(), vec![1u8, 2, 3].into()), ("b".into(), Value::List(vec![]))]);
    let set = Value::List((0..9u16).map(Value::from).collect());
    let value = Value::List(vec![map, set, "boxed".into()]);
    type Made = (HashMap<String, VecDeque<u8>>, BTreeSet<u16>, Box<String>);
    run(
        "dynamic: make",
        |s| drop(s.open_or_create::<u64>("other").unwrap()),
        |s| drop(s.create_dynamic("x", &described, &value).unwrap()),
        |s| {
            let value = s.open::<Made>("x").map(|x| x.load().unwrap()).ok();
            let value = value.map(|(map, set, text)| (map.into_iter().collect::<BTreeMap<_, _>>(), set, text));
            format!("{:?} {value:?}", s.objects().unwrap())
        },
    );
}

#[test]
fn dynamic_vector() {
    run(
        "dynamic: vector",
        |s| stored(s, texts(0..5)),
        |s| {
            change(s, |x| {
                x.push("", &"pushed, and grown".into()).unwrap();
                x.insert("1", &"inserted".into()).unwrap();
                x.remove("0").unwrap();
                x.set("2", &"replaced by something longer than it was".into()).unwrap();
                x.pop("").unwrap();
            });
        },
        text::<Vec<String>>,
    );
}

#[test]
fn dynamic_deque() {
    run(
        "dynamic: deque",
        |s| stored(s, VecDeque::from(texts(0..4))),
        |s| {
            change(s, |x| {
                x.push_front("", &"pushed, and grown".into()).unwrap();
                x.insert("1", &"towards the front".into()).unwrap();
                x.insert("5", &"towards the back".into()).unwrap();
                x.remove("2").unwrap();
                x.pop_front("").unwrap();
                x.pop("").unwrap();
            });
        },
        text::<VecDeque<String>>,
    );
    run("dynamic: clear", |s| stored(s, texts(0..5)), |s| change(s, |x| x.clear("").unwrap()), text::<Vec<String>>);
}

fn words(numbers: std::ops::Range<usize>) -> HashMap<String, String> {
    numbers.map(|n| (format!("key {n}"), format!("value {n}"))).collect()
}

#[test]
fn dynamic_hash_map() {
    run(
        "dynamic: hash map, into a free slot and out",
        |s| stored(s, words(0..9)),
        |s| {
            change(s, |x| {
                x.remove("key 3").unwrap();
                x.set("new", &"value".into()).unwrap();
                x.set("key 5", &"another value".into()).unwrap();
            });
        },
        sorted::<String, String>,
    );
    run(
        "dynamic: hash map, grown",
        |s| stored(s, words(0..14)),
        |s| change(s, |x| x.set("new", &"value".into()).unwrap()),
        sorted::<String, String>,
    );
    run(
        "dynamic: hash map, the first entry",
        |s| stored(s, words(0..0)),
        |s| change(s, |x| assert!(x.insert("new", &"value".into()).unwrap())),
        sorted::<String, String>,
    );
}

fn tree(numbers: std::ops::Range<u32>) -> BTreeMap<u32, String> {
    numbers.map(|n| (n * 10, format!("value {n}"))).collect()
}

#[test]
fn dynamic_ordered_map() {
    run(
        "dynamic: ordered map, in the middle of full leaves",
        |s| stored(s, tree(0..60)),
        |s| change(s, |x| (0..4).for_each(|n| x.set(&format!("{}", n * 100 + 5), &"new".into()).unwrap())),
        text::<BTreeMap<u32, String>>,
    );
    run(
        "dynamic: ordered map, the first of a leaf, and a whole leaf",
        |s| {
            stored(s, tree(0..60));
            let keys: Vec<u32> = s.open::<BTreeMap<u32, String>>("x").unwrap().load().unwrap().into_keys().collect();
            change(s, |x| keys[1..40].iter().for_each(|key| drop(x.remove(&key.to_string()).unwrap())));
        },
        |s| {
            change(s, |x| {
                x.remove("0").unwrap();
                x.pop("").unwrap();
                x.pop_front("").unwrap();
            });
        },
        text::<BTreeMap<u32, String>>,
    );
    run(
        "dynamic: ordered map, the last entry",
        |s| stored(s, tree(0..1)),
        |s| change(s, |x| drop(x.remove("0").unwrap())),
        text::<BTreeMap<u32, String>>,
    );
}
