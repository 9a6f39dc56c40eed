//! The operations of handles, which lock by themselves: each is a transaction, and so a scenario. A function for each
//! type.

use super::texts;
use crate::scenarios::{run, x};
use commy::{Share, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

fn form<T: Share + Default + Debug + Clone, R>(
    name: &str,
    value: T,
    act: impl Fn(&Shared<T>) -> commy::Result<R>,
    observe: fn(T) -> String,
) {
    let see = |segment: &commy::Segment| observe(x::<T>(segment).load().expect("its value"));
    run(name, |s| x::<T>(s).store(value.clone()).unwrap(), |s| drop(act(&x::<T>(s)).unwrap()), see);
}

#[test]
fn vec() {
    let value = || -> Vec<u64> { (0..8).collect() };
    let see = |value| format!("{value:?}");
    form("one operation: vec push", value(), |x| x.push(9), see);
    form("one operation: vec pop", value(), |x| x.pop(), see);
    form("one operation: vec set", value(), |x| x.set(3, 7), see);
    form("one operation: vec extend", value(), |x| x.extend([5, 6, 7]), see);
    form("one operation: vec clear", value(), |x| x.clear(), see);
}

#[test]
fn vecdeque() {
    let value = || -> VecDeque<String> { texts(0..4).into() };
    let see = |value| format!("{value:?}");
    form("one operation: vecdeque push_back", value(), |x| x.push_back("new".repeat(9)), see);
    form("one operation: vecdeque push_front", value(), |x| x.push_front("new".repeat(9)), see);
    form("one operation: vecdeque pop_back", value(), |x| x.pop_back(), see);
    form("one operation: vecdeque pop_front", value(), |x| x.pop_front(), see);
    form("one operation: vecdeque extend", value(), |x| x.extend(texts(4..7)), see);
    form("one operation: vecdeque clear", value(), |x| x.clear(), see);
    form("one operation: vecdeque pop_front_wait", value(), |x| x.pop_front_wait(Duration::ZERO), see);
    form("one operation: vecdeque pop_back_wait", value(), |x| x.pop_back_wait(Duration::ZERO), see);
}

#[test]
fn hashmap() {
    let value = || -> HashMap<u64, String> { [(1, "one".into()), (2, "two".repeat(9))].into() };
    let see = |map: HashMap<u64, String>| format!("{:?}", map.into_iter().collect::<BTreeMap<_, _>>());
    form("one operation: hashmap insert", value(), |x| x.insert(2, "new".repeat(9)), see);
    form("one operation: hashmap remove", value(), |x| x.remove(&2), see);
    form("one operation: hashmap extend", value(), |x| x.extend([(3, "three".into()), (1, "four".into())]), see);
    form("one operation: hashmap clear", value(), |x| x.clear(), see);
    let value = || -> HashMap<u64, u64> { [(1, 1), (2, 2)].into() };
    let see = |map: HashMap<u64, u64>| format!("{:?}", map.into_iter().collect::<BTreeMap<_, _>>());
    form("one operation: hashmap of numbers, insert", value(), |x| x.insert(3, 3), see);
    form("one operation: hashmap of numbers, overwrite", value(), |x| x.insert(2, 3), see);
    form("one operation: hashmap of numbers, remove", value(), |x| x.remove(&2), see);
}

#[test]
fn btreemap() {
    let value = || -> BTreeMap<String, u64> { [("a".into(), 1), ("b".repeat(9), 2), ("c".into(), 3)].into() };
    let see = |value| format!("{value:?}");
    form("one operation: btreemap insert", value(), |x| x.insert("d".repeat(9), 4), see);
    form("one operation: btreemap remove", value(), |x| x.remove("a"), see);
    form("one operation: btreemap pop_first", value(), |x| x.pop_first(), see);
    form("one operation: btreemap pop_last", value(), |x| x.pop_last(), see);
    form("one operation: btreemap extend", value(), |x| x.extend([("a".into(), 5), ("e".into(), 6)]), see);
    form("one operation: btreemap clear", value(), |x| x.clear(), see);
}

#[test]
fn hashset() {
    let value = || -> HashSet<String> { texts(0..3).into_iter().collect() };
    let see = |set: HashSet<String>| format!("{:?}", set.into_iter().collect::<BTreeSet<_>>());
    form("one operation: hashset insert", value(), |x| x.insert("new".repeat(9)), see);
    form("one operation: hashset remove", value(), |x| x.remove("text 0 "), see);
    form("one operation: hashset extend", value(), |x| x.extend(texts(2..5)), see);
    form("one operation: hashset clear", value(), |x| x.clear(), see);
    let value = || -> HashSet<u64> { [1, 2].into() };
    let see = |set: HashSet<u64>| format!("{:?}", set.into_iter().collect::<BTreeSet<_>>());
    form("one operation: hashset of numbers, insert", value(), |x| x.insert(3), see);
    form("one operation: hashset of numbers, remove", value(), |x| x.remove(&2), see);
}

#[test]
fn btreeset() {
    let value = || -> BTreeSet<String> { texts(0..4).into_iter().collect() };
    let see = |value| format!("{value:?}");
    form("one operation: btreeset insert", value(), |x| x.insert("new".repeat(9)), see);
    form("one operation: btreeset remove", value(), |x| x.remove("text 0 "), see);
    form("one operation: btreeset pop_first", value(), |x| x.pop_first(), see);
    form("one operation: btreeset pop_last", value(), |x| x.pop_last(), see);
    form("one operation: btreeset extend", value(), |x| x.extend(texts(3..6)), see);
    form("one operation: btreeset clear", value(), |x| x.clear(), see);
}

#[test]
fn option() {
    let value = || -> Option<String> { Some("one".repeat(9)) };
    let see = |value| format!("{value:?}");
    form("one operation: option take", value(), |x| x.take(), see);
    form("one operation: option replace", value(), |x| x.replace("two".into()), see);
}

#[test]
fn string() {
    let value = || -> String { "a few words".into() };
    let see = |value| format!("{value:?}");
    form("one operation: string push_str", value(), |x| x.push_str(" and more"), see);
    form("one operation: string push", value(), |x| x.push('!'), see);
    form("one operation: string set", value(), |x| x.set("other words, and more of them"), see);
    form("one operation: string clear", value(), |x| x.clear(), see);
}
