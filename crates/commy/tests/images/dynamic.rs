//! Objects changed by their descriptions: the same logs, by other code.

use crate::scenarios::{run, sorted, text, x};
use commy::dynamic::{Dynamic, Value};
use commy::{Segment, Share};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A list of one number.
fn one(number: u32) -> Value {
    Value::List(vec![number.into()])
}

/// The object `x`, by its description.
fn by_hand(segment: &Segment) -> Dynamic {
    segment.dynamic("x").expect("the object")
}

/// Makes the object `x` of some entries.
fn filled<T: Share + Default + Extend<E>, E>(segment: &Segment, entries: impl Iterator<Item = E>) {
    let mut value = T::default();
    value.extend(entries);
    x::<T>(segment).store(value).expect("its value");
}

type Texts = HashMap<String, Vec<u32>>;
/// Entries of which a table is soon too large to be replaced at once.
type Wide = HashMap<u64, [u64; 40]>;

#[test]
fn dynamic_hash_set() {
    run(
        "dynamic: an entry of a hash map, which grows",
        |s| filled::<Texts, _>(s, (0..7).map(|n| (format!("key {n}"), vec![n]))),
        |s| by_hand(s).write().unwrap().set("more", &one(1)).unwrap(),
        sorted::<String, Vec<u32>>,
    );
}

#[test]
fn dynamic_hash_step() {
    run(
        "dynamic: an entry of a hash map on the move",
        |s| {
            filled::<Wide, _>(s, (0..112).map(|n| (n, [n; 40])));
            x::<Wide>(s).insert(200, [1; 40]).map(drop).unwrap();
        },
        |s| {
            let numbers = (0..40u64).map(Value::from).collect();
            by_hand(s).write().unwrap().set("201", &Value::List(numbers)).unwrap();
        },
        |s| {
            let map = x::<Wide>(s).load().unwrap().into_iter();
            format!("{:?}", map.map(|(key, value)| (key, value[39])).collect::<BTreeMap<_, _>>())
        },
    );
}

#[test]
fn dynamic_hash_remove() {
    run(
        "dynamic: an entry of a hash map replaced, one removed",
        |s| filled::<Texts, _>(s, (0..20).map(|n| (format!("key {n}"), vec![n; 30]))),
        |s| {
            let object = by_hand(s);
            let mut guard = object.write().unwrap();
            guard.set("key 3", &one(7)).unwrap();
            assert!(guard.remove("key 4").unwrap().is_some());
        },
        sorted::<String, Vec<u32>>,
    );
}

#[test]
fn dynamic_tree() {
    type Tree = BTreeMap<u64, String>;
    run(
        "dynamic: entries of an ordered map, put in and taken out",
        |s| filled::<Tree, _>(s, (0..60).map(|n| (n * 2, format!("text {n}")))),
        |s| {
            let object = by_hand(s);
            let mut guard = object.write().unwrap();
            (0..4u64).for_each(|n| guard.set(&(n * 2 + 41).to_string(), &"new".into()).unwrap());
            (0..6u64).for_each(|n| assert!(guard.remove(&(n * 2).to_string()).unwrap().is_some()));
            assert!(guard.pop("").unwrap().is_some());
        },
        text::<Tree>,
    );
}

#[test]
fn dynamic_sequences() {
    run(
        "dynamic: elements of vectors and deques",
        |s| {
            filled::<VecDeque<String>, _>(s, (0..4).map(|n| format!("text {n}")));
        },
        |s| {
            let object = by_hand(s);
            let mut guard = object.write().unwrap();
            guard.insert("2", &"between".into()).unwrap();
            guard.push_front("", &"first".into()).unwrap();
            guard.push("-1", &" and more".into()).unwrap();
            guard.remove("1").unwrap();
            guard.append("", Value::List(vec!["one".into(), "two".into()])).unwrap();
        },
        text::<VecDeque<String>>,
    );
}

#[test]
fn dynamic_ring() {
    run(
        "dynamic: a change that is noted",
        |s| {
            let map = s.object("x").changes(3).open_or_create::<Texts>().unwrap();
            map.extend((0..5).map(|n| (format!("key {n}"), vec![n]))).unwrap();
        },
        |s| {
            let object = by_hand(s);
            let mut guard = object.write().unwrap();
            guard.push("key 1", &9u32.into()).unwrap();
            guard.remove("key 2").unwrap();
        },
        |s| {
            let changes = s.dynamic("x").unwrap().changes_since(5);
            let next = changes.unwrap().next(std::time::Duration::ZERO);
            format!("{} {:?}", sorted::<String, Vec<u32>>(s), next.map(|change| change.map(|change| change.key())))
        },
    );
}

#[test]
fn dynamic_transaction() {
    run(
        "dynamic: two objects in one transaction",
        |s| {
            filled::<Vec<u64>, _>(s, 0..5);
            s.open_or_create::<Texts>("y").unwrap();
        },
        |s| {
            let (from, to) = (by_hand(s), s.dynamic("y").unwrap());
            let moved = s.transaction(|tx| {
                let taken = tx.write_dynamic(&from)?.pop("")?.expect("an element");
                tx.write_dynamic(&to)?.set("popped", &Value::List(vec![taken]))
            });
            moved.unwrap();
        },
        |s| format!("{} {:?}", text::<Vec<u64>>(s), s.open::<Texts>("y").unwrap().load().unwrap()),
    );
}
