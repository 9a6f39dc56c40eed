//! The operations that are stepped through: each container small, growing, shrinking; nested values; memory of each
//! kind; objects made; several objects at once.

use crate::judge::{Scenario, judge};
use commy::{Segment, Share, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;

const SMALL: (u64, u64) = (64 << 10, 16 << 20);

/// Judges a scenario and prints what was done.
pub(crate) fn run(
    name: &str,
    prepare: impl Fn(&Segment),
    act: impl Fn(&Segment),
    observe: impl Fn(&Segment) -> String,
) {
    run_sized(name, SMALL, prepare, act, observe);
}

fn run_sized(
    name: &str,
    sizes: (u64, u64),
    prepare: impl Fn(&Segment),
    act: impl Fn(&Segment),
    observe: impl Fn(&Segment) -> String,
) {
    let report = judge(&Scenario { name, sizes, prepare: &prepare, act: &act, observe: &observe });
    println!(
        "{name:44} {:>8} instructions {:>6} images {:>4} recoveries stepped, 0 violations",
        report.steps, report.images, report.recoveries
    );
}

/// The object named `x`.
pub(crate) fn x<T: Share + Default>(segment: &Segment) -> Shared<T> {
    segment.open_or_create("x").expect("the object")
}

pub(crate) fn text<T: Share + Default + Debug>(segment: &Segment) -> String {
    format!("{:?}", x::<T>(segment).load().expect("its value"))
}

/// Lengths and first bytes of the vectors in a vector.
fn lengths(segment: &Segment) -> String {
    let value = x::<Vec<Vec<u8>>>(segment).load().expect("its value");
    format!("{:?}", value.iter().map(|v| (v.len(), v.first().copied())).collect::<Vec<_>>())
}

/// A hash map in the order of its keys.
pub(crate) fn sorted<K: commy::Lookup<K> + Ord + Eq + std::hash::Hash + Debug, V: Share + Debug>(
    segment: &Segment,
) -> String {
    let map = x::<HashMap<K, V>>(segment).load().expect("its value");
    format!("{:?}", map.into_iter().collect::<BTreeMap<K, V>>())
}

#[test]
fn attached_and_left() {
    run(
        "segment: attach and leave",
        |s| x::<u64>(s).store(5).unwrap(),
        |s| drop(Segment::open(s.path()).unwrap()),
        text::<u64>,
    );
}

#[test]
fn plain_value() {
    run(
        "plain: store",
        |s| x::<[u64; 8]>(s).store([1; 8]).unwrap(),
        |s| x::<[u64; 8]>(s).store([2; 8]).unwrap(),
        text::<[u64; 8]>,
    );
}

#[test]
fn object_made() {
    run(
        "object: make",
        |s| drop(s.open_or_create::<u64>("other").unwrap()),
        |s| drop(s.open_or_create_with("x", || vec!["a".to_string(), "b".into()]).unwrap()),
        |s| format!("{:?}", s.objects().unwrap()),
    );
    run(
        "object: make where another was",
        |s| {
            s.open_or_create_with("other", || vec![1u64; 20]).unwrap();
            s.remove("other").unwrap();
        },
        |s| drop(s.open_or_create_with("x", || vec!["a".to_string(), "b".into()]).unwrap()),
        |s| format!("{:?} {:?}", s.objects().unwrap(), s.open::<Vec<String>>("x").map(|x| x.load().unwrap()).ok()),
    );
}

/// All objects, and what is in the one named `x` or `y`.
pub(crate) fn objects<T: Share + Debug>(segment: &Segment) -> String {
    let names = segment.objects().expect("names");
    let value = |name| segment.open::<T>(name).map(|object| object.load().expect("its value")).ok();
    format!("{names:?} {:?} {:?}", value("x"), value("y"))
}

#[test]
fn object_removed() {
    run(
        "object: remove",
        |s| x::<Vec<String>>(s).store((0..5).map(|n| "text".repeat(n * 3)).collect()).unwrap(),
        |s| s.remove("x").unwrap(),
        objects::<Vec<String>>,
    );
    run(
        "object: remove one with a block of its own",
        |s| drop(s.open_or_create_with("x", || [5u64; 400]).unwrap()),
        |s| s.remove("x").unwrap(),
        objects::<[u64; 400]>,
    );
}

/// Of more blocks than are freed in one batch, within each other.
#[test]
fn object_orphaned() {
    run(
        "object: remove a large one",
        |s| {
            let map = x::<BTreeMap<u32, Vec<String>>>(s);
            map.store((0..40).map(|n| (n, (0..14).map(|m| "t".repeat(1 + m)).collect())).collect()).unwrap();
        },
        |s| s.remove("x").unwrap(),
        objects::<BTreeMap<u32, Vec<String>>>,
    );
}

#[test]
fn object_renamed() {
    run(
        "object: rename",
        |s| x::<Vec<u64>>(s).store(vec![1, 2]).unwrap(),
        |s| s.rename("x", "y").unwrap(),
        objects::<Vec<u64>>,
    );
}

#[test]
fn vector() {
    run(
        "vec: first push",
        |s| drop(x::<Vec<u64>>(s)),
        |s| x::<Vec<u64>>(s).write().unwrap().push(7).unwrap(),
        text::<Vec<u64>>,
    );
    run(
        "vec: push that grows a block",
        |s| x::<Vec<u64>>(s).store((0..8).collect()).unwrap(),
        |s| x::<Vec<u64>>(s).write().unwrap().push(7).unwrap(),
        text::<Vec<u64>>,
    );
    run(
        "vec: push that grows a span in place",
        |s| {
            let v = x::<Vec<u64>>(s);
            let mut v = v.write().unwrap();
            (0..512).for_each(|n| v.push(n).unwrap());
            while v.len() < v.capacity() {
                v.push(1).unwrap();
            }
        },
        |s| x::<Vec<u64>>(s).write().unwrap().push(7).unwrap(),
        text::<Vec<u64>>,
    );
    run(
        "vec: many pushes, pops, inserts, removes",
        |s| x::<Vec<u64>>(s).store((0..20).collect()).unwrap(),
        |s| {
            let v = x::<Vec<u64>>(s);
            let mut v = v.write().unwrap();
            (0..30).for_each(|n| v.push(n).unwrap());
            v.pop().unwrap();
            v.insert(3, 99).unwrap();
            v.remove(5).unwrap();
            v.truncate(10).unwrap();
        },
        text::<Vec<u64>>,
    );
    run(
        "vec of strings: set, pop, clear",
        |s| x::<Vec<String>>(s).store(vec!["one".into(), "two".repeat(20), "three".into()]).unwrap(),
        |s| {
            let v = x::<Vec<String>>(s);
            let mut v = v.write().unwrap();
            v.push("four".repeat(10)).unwrap();
            v.pop().unwrap();
            v.clear().unwrap();
        },
        text::<Vec<String>>,
    );
}

#[test]
fn committed() {
    run(
        "a guard that replaces the value, and is committed",
        |s| x::<Vec<String>>(s).store(vec!["one".into(), "two".repeat(20)]).unwrap(),
        |s| {
            let v = x::<Vec<String>>(s);
            let mut v = v.write().unwrap();
            v.store(vec!["three".repeat(9)]).unwrap();
            v.commit().unwrap();
        },
        text::<Vec<String>>,
    );
}

#[test]
fn rolled_back() {
    run(
        "vec of strings: a guard rolled back",
        |s| x::<Vec<String>>(s).store(vec!["one".into(), "two".repeat(20)]).unwrap(),
        |s| {
            let v = x::<Vec<String>>(s);
            let mut v = v.write().unwrap();
            (0..5).for_each(|n| v.push(format!("{n}").repeat(30)).unwrap());
            v.remove(0).unwrap();
            v.rollback();
        },
        text::<Vec<String>>,
    );
}

#[test]
fn memory() {
    run(
        "slabs: made by many sizes",
        |s| drop(x::<Vec<Vec<u8>>>(s)),
        |s| {
            let v = x::<Vec<Vec<u8>>>(s);
            let mut v = v.write().unwrap();
            for bytes in [20, 60, 200, 700, 1500, 3000, 9000] {
                v.push(Vec::new()).unwrap();
                v.last_mut().unwrap().reserve_exact(bytes).unwrap();
            }
        },
        lengths,
    );
    run(
        "slabs and spans: emptied and given back",
        |s| x::<Vec<Vec<u8>>>(s).store((0..150).map(|n| vec![n; 100 + usize::from(n) * 40]).collect()).unwrap(),
        |s| x::<Vec<Vec<u8>>>(s).write().unwrap().clear().unwrap(),
        lengths,
    );
    run_sized(
        "file: grown",
        (64 << 10, 4 << 20),
        |s| drop(x::<Vec<Vec<u8>>>(s)),
        |s| {
            let v = x::<Vec<Vec<u8>>>(s);
            let mut v = v.write().unwrap();
            v.push(vec![3]).unwrap();
            v.get_mut(0).unwrap().reserve(70_000).unwrap();
        },
        lengths,
    );
}

#[test]
fn several_objects() {
    let set_up = |s: &Segment| {
        s.open_or_create_with("a", || vec![1u64, 2, 3]).unwrap();
        s.open_or_create_with("b", || vec!["x".to_string()]).unwrap();
    };
    let both = |s: &Segment| (s.open::<Vec<u64>>("a").unwrap(), s.open::<Vec<String>>("b").unwrap());
    let see = |s: &Segment| {
        let (a, b) = both(s);
        format!("{:?} {:?}", a.load().unwrap(), b.load().unwrap())
    };
    run(
        "transaction over two objects",
        set_up,
        |s| {
            let (a, b) = both(s);
            s.transaction(|tx| {
                let number = tx.write(&a)?.pop()?.unwrap();
                tx.write(&b)?.push(format!("{number}").repeat(40))
            })
            .unwrap();
        },
        see,
    );
    run(
        "transaction over an object with its type and one without",
        set_up,
        |s| {
            let (a, b) = (both(s).0, s.dynamic("b").unwrap());
            s.transaction(|tx| {
                tx.write(&a)?.pop()?;
                tx.write_dynamic(&b)?.push("", &"y".repeat(40).as_str().into())
            })
            .unwrap();
        },
        see,
    );
}

#[test]
fn string() {
    run(
        "string: push, insert, remove, assign",
        |s| x::<String>(s).store("a few words".into()).unwrap(),
        |s| {
            let text = x::<String>(s);
            let mut text = text.write().unwrap();
            text.push_str(&" and more".repeat(10)).unwrap();
            text.insert_str(2, "good ").unwrap();
            text.truncate(40).unwrap();
            text.push('!').unwrap();
        },
        text::<String>,
    );
}

#[test]
fn deque() {
    run(
        "deque: grows while wrapped round",
        |s| {
            let d = x::<VecDeque<String>>(s);
            let mut d = d.write().unwrap();
            (0..6).for_each(|n| d.push_back(format!("{n}")).unwrap());
            (0..3).for_each(|n| d.push_front(format!("-{n}")).unwrap());
        },
        |s| {
            let d = x::<VecDeque<String>>(s);
            let mut d = d.write().unwrap();
            (0..20).for_each(|n| d.push_back(format!("{n}").repeat(9)).unwrap());
            d.pop_front().unwrap();
            d.pop_back().unwrap();
            d.remove(4).unwrap();
        },
        text::<VecDeque<String>>,
    );
    run(
        "deque: one pair",
        |s| x::<VecDeque<u64>>(s).store((0..5).collect()).unwrap(),
        |s| {
            let d = x::<VecDeque<u64>>(s);
            let mut d = d.write().unwrap();
            d.push_back(9).unwrap();
            d.pop_front().unwrap();
        },
        text::<VecDeque<u64>>,
    );
}

#[test]
fn hash_map() {
    run(
        "hash map: first insert",
        |s| drop(x::<HashMap<u64, u64>>(s)),
        |s| assert_eq!(x::<HashMap<u64, u64>>(s).write().unwrap().insert(1, 2).unwrap(), None),
        sorted::<u64, u64>,
    );
    run(
        "hash map: overwrite and remove",
        |s| x::<HashMap<u64, u64>>(s).store((0..10).map(|n| (n, n)).collect()).unwrap(),
        |s| {
            let map = x::<HashMap<u64, u64>>(s);
            let mut map = map.write().unwrap();
            map.insert(3, 33).unwrap();
            map.remove(&4).unwrap();
            map.insert(44, 4).unwrap();
        },
        sorted::<u64, u64>,
    );
    run(
        "hash map: into a new table and out of the old",
        |s| x::<HashMap<u64, u64>>(s).store((0..13).map(|n| (n, n)).collect()).unwrap(),
        |s| {
            let map = x::<HashMap<u64, u64>>(s);
            let mut map = map.write().unwrap();
            (100..130).for_each(|n| assert_eq!(map.insert(n, n).unwrap(), None));
            (0..10).for_each(|n| assert_eq!(map.remove(&n).unwrap(), Some(n)));
        },
        sorted::<u64, u64>,
    );
    run(
        "hash map of strings and vectors: insert, remove, clear",
        |s| {
            drop(
                x::<HashMap<String, Vec<String>>>(s).write().unwrap().insert("a".into(), vec!["b".repeat(50)]).unwrap(),
            )
        },
        |s| {
            let map = x::<HashMap<String, Vec<String>>>(s);
            let mut map = map.write().unwrap();
            map.insert("c".repeat(40), vec!["d".into(), "e".into()]).unwrap();
            map.entry_or_insert("a", Vec::new()).unwrap().push("f".repeat(33)).unwrap();
            map.remove("a").unwrap();
        },
        sorted::<String, Vec<String>>,
    );
}

#[test]
fn ordered_map() {
    run(
        "ordered map: first insert",
        |s| drop(x::<BTreeMap<u64, u64>>(s)),
        |s| assert_eq!(x::<BTreeMap<u64, u64>>(s).write().unwrap().insert(1, 2).unwrap(), None),
        text::<BTreeMap<u64, u64>>,
    );
    run(
        "ordered map: nodes split",
        |s| x::<BTreeMap<u64, u64>>(s).store((0..31).map(|n| (n * 10, n)).collect()).unwrap(),
        |s| {
            let map = x::<BTreeMap<u64, u64>>(s);
            let mut map = map.write().unwrap();
            (0..40).for_each(|n| assert_eq!(map.insert(n * 10 + 1, n).unwrap(), None));
        },
        text::<BTreeMap<u64, u64>>,
    );
    run(
        "ordered map: nodes merge",
        |s| x::<BTreeMap<u64, u64>>(s).store((0..100).map(|n| (n, n)).collect()).unwrap(),
        |s| {
            let map = x::<BTreeMap<u64, u64>>(s);
            let mut map = map.write().unwrap();
            (10..95).for_each(|n| assert_eq!(map.remove(&n).unwrap(), Some(n)));
        },
        text::<BTreeMap<u64, u64>>,
    );
    run(
        "ordered map of strings and vectors",
        |s| drop(x::<BTreeMap<String, Vec<u32>>>(s).write().unwrap().insert("m".into(), vec![1]).unwrap()),
        |s| {
            let map = x::<BTreeMap<String, Vec<u32>>>(s);
            let mut map = map.write().unwrap();
            (0..20).for_each(|n| drop(map.insert(format!("{n}").repeat(12), vec![n; 20]).unwrap()));
            map.entry_or_insert("m", Vec::new()).unwrap().push(7).unwrap();
            map.pop_first().unwrap();
        },
        text::<BTreeMap<String, Vec<u32>>>,
    );
}

#[test]
fn slabs_of_a_region_come_and_go() {
    run_sized(
        "memory: the slabs of a region come and go",
        (64 << 10, 16 << 20),
        // Leaves no room in region 0.
        |s| x::<Vec<Vec<u8>>>(s).store(vec![vec![1; 230 << 10]]).unwrap(),
        |s| {
            let other = Segment::open(s.path()).unwrap();
            let v = x::<Vec<Vec<u8>>>(&other);
            let mut v = v.write().unwrap();
            for length in [20, 100, 700, 700, 700, 700, 1000, 1000, 1000, 1000, 1000] {
                v.push(vec![2; length]).unwrap();
            }
            v.rollback();
        },
        lengths,
    );
}

#[test]
fn many_blocks_freed_at_once() {
    run_sized(
        "memory: many blocks freed at once",
        (64 << 10, 1 << 20),
        |s| x::<Vec<Vec<u8>>>(s).store((0..90).map(|n| vec![n; 1 + usize::from(n) * 7 % 60]).collect()).unwrap(),
        |s| {
            let v = x::<Vec<Vec<u8>>>(s);
            let mut v = v.write().unwrap();
            v.truncate(50).unwrap();
            // Undone for want of room, in the middle of the transaction.
            v.push(vec![1; 2 << 20]).unwrap_err();
            v.clear().unwrap();
            v.push(vec![2; 40]).unwrap();
        },
        lengths,
    );
}

/// Several values of which every second one has gone.
fn with_gaps(segment: &Segment) {
    let list = x::<Vec<Vec<u8>>>(segment);
    list.store((0..10u8).map(|n| vec![n; 30_000]).collect()).unwrap();
    for place in [1, 3, 5, 9] {
        list.write().unwrap().set(place, vec![1]).unwrap();
    }
}

#[test]
fn space_given_back() {
    run("space: shrink to usage", with_gaps, |s| assert!(s.shrink_to_usage().unwrap() > 0), lengths);
    run(
        "space: holes used again",
        |s| {
            with_gaps(s);
            s.shrink_to_usage().unwrap();
        },
        |s| {
            let v = x::<Vec<Vec<u8>>>(s);
            let mut v = v.write().unwrap();
            v.push(Vec::new()).unwrap();
            v.last_mut().unwrap().reserve(40_000).unwrap();
        },
        lengths,
    );
    run(
        "space: holes again holes, the file cut",
        |s| {
            with_gaps(s);
            s.shrink_to_usage().unwrap();
            x::<Vec<Vec<u8>>>(s).write().unwrap().truncate(5).unwrap();
        },
        |s| assert!(s.shrink_to_usage().unwrap() > 0),
        lengths,
    );
}

#[test]
fn copied() {
    run(
        "space: snapshot",
        |s| x::<Vec<String>>(s).store(vec!["one".into(), "two".repeat(20)]).unwrap(),
        |s| s.snapshot(s.path().with_extension("copy")).unwrap(),
        text::<Vec<String>>,
    );
}

#[test]
fn resized() {
    run("space: resize up", with_gaps, |s| s.resize(1 << 20).unwrap(), lengths);
    run(
        "space: resize down",
        |s| {
            with_gaps(s);
            s.resize(1 << 20).unwrap();
        },
        |s| s.resize(s.size() - (512 << 10)).unwrap(),
        lengths,
    );
}
