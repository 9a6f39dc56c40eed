//! The operations that are stepped through: each container small, growing, shrinking; nested values; objects made;
//! several objects at once. Memory of each kind is in `memory`, each method in `methods`.

use crate::judge::{Report, Scenario, judge};
use commy::{Segment, Share, Shared, WriteGuard};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const SMALL: (u64, u64) = (64 << 10, 16 << 20);

/// Judges a scenario and prints what was done.
pub(crate) fn run(
    name: &str,
    prepare: impl Fn(&Segment),
    act: impl Fn(&Segment),
    observe: impl Fn(&Segment) -> String,
) {
    run_sized(name, SMALL, prepare, act, observe);
}

pub(crate) fn run_sized(
    name: &str,
    sizes: (u64, u64),
    prepare: impl Fn(&Segment),
    act: impl Fn(&Segment),
    observe: impl Fn(&Segment) -> String,
) {
    let scenario = Scenario { name, sizes, prepare: &prepare, act: &act, between: &[], observe: &observe };
    print(name, &judge(&scenario));
}

/// Prints what was done.
pub(crate) fn print(name: &str, report: &Report) {
    println!(
        "{name:60} {:>8} instructions {:>6} images {:>6} recoveries watched, depth {}, 0 violations",
        report.steps, report.images, report.recoveries, report.depth
    );
}

/// Judges a change of the object `x`, which is this value before, within a guard.
pub(crate) fn changed<T: Share + Default>(
    name: &str,
    value: impl Fn() -> T,
    change: impl Fn(WriteGuard<'_, T>),
    observe: impl Fn(&Segment) -> String,
) {
    run(name, |s| x::<T>(s).store(value()).unwrap(), |s| change(x::<T>(s).write().unwrap()), observe);
}

/// The object named `x`.
pub(crate) fn x<T: Share + Default>(segment: &Segment) -> Shared<T> {
    segment.open_or_create("x").expect("the object")
}

pub(crate) fn text<T: Share + Default + Debug>(segment: &Segment) -> String {
    format!("{:?}", x::<T>(segment).load().expect("its value"))
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

/// Locks the object so often that the thread is favoured.
fn get_favoured<T: Share>(object: &Shared<T>) {
    (0..500).for_each(|_| drop(object.write().unwrap()));
}

#[test]
fn favoured_guard() {
    run(
        "favoured: two pushes under a guard",
        |s| {
            x::<Vec<u64>>(s).extend(0..9).unwrap();
            get_favoured(&x::<Vec<u64>>(s));
        },
        |s| {
            let list = x::<Vec<u64>>(s);
            let mut guard = list.write().unwrap();
            guard.push(9).unwrap();
            guard.swap(0, 5).unwrap();
        },
        text::<Vec<u64>>,
    );
}

#[test]
fn favoured_operations() {
    run(
        "favoured: an insertion by itself",
        |s| {
            x::<HashMap<u64, u64>>(s).extend((0..9).map(|n| (n, n))).unwrap();
            get_favoured(&x::<HashMap<u64, u64>>(s));
        },
        |s| assert_eq!(x::<HashMap<u64, u64>>(s).insert(100, 7).unwrap(), None),
        sorted::<u64, u64>,
    );
}

#[test]
fn favoured_texts() {
    /// Texts with a block each, but for an empty one.
    fn fill(s: &Segment) {
        let map = x::<HashMap<String, String>>(s);
        map.extend(["one", "two", "three", ""].map(|key| (key.to_string(), key.repeat(20)))).unwrap();
        for _ in 0..500 {
            map.insert("it".into(), "him".into()).unwrap();
            map.remove("it").unwrap().unwrap();
        }
    }
    let take = |key: &'static str| {
        move |s: &Segment| assert_eq!(x::<HashMap<String, String>>(s).remove(key).unwrap(), Some(key.repeat(20)))
    };
    let put = |key: &'static str, value: &'static str| {
        move |s: &Segment| assert_eq!(x::<HashMap<String, String>>(s).insert(key.into(), value.into()).unwrap(), None)
    };
    run("favoured: a text put in by itself", fill, put("he", "her"), sorted::<String, String>);
    run("favoured: a text put in by itself without a value", fill, put("she", ""), sorted::<String, String>);
    run("favoured: a text taken out by itself", fill, take("two"), sorted::<String, String>);
    run("favoured: an empty text taken out by itself", fill, take(""), sorted::<String, String>);
}

#[test]
fn favoured_steps() {
    /// Fills it, and leaves room.
    fn fill(s: &Segment) {
        let (list, ring) = (x::<Vec<u64>>(s), y(s));
        (0..9).for_each(|n| (list.push(n).unwrap(), ring.push_back(n).unwrap()).1);
        (0..500).for_each(|_| (list.pop().unwrap(), list.push(8).unwrap()).1);
        (0..500).for_each(|_| (ring.pop_back().unwrap(), ring.push_back(8).unwrap()).1);
    }
    fn y(s: &Segment) -> Shared<VecDeque<u64>> {
        s.open_or_create("y").unwrap()
    }
    let both = |s: &Segment| format!("{} {:?}", text::<Vec<u64>>(s), y(s).load().unwrap());
    run("favoured: a push by itself", fill, |s| x::<Vec<u64>>(s).push(9).unwrap(), both);
    run("favoured: a pop by itself", fill, |s| assert_eq!(x::<Vec<u64>>(s).pop().unwrap(), Some(8)), both);
    run("favoured: an element put in by itself", fill, |s| y(s).push_front(9).unwrap(), both);
    run("favoured: an element taken out by itself", fill, |s| assert_eq!(y(s).pop_front().unwrap(), Some(0)), both);
}

#[test]
fn favour_given() {
    run(
        "favoured: the lock that makes the habit",
        |s| {
            x::<u64>(s).store(1).unwrap();
            (0..120).for_each(|_| drop(x::<u64>(s).write().unwrap()));
        },
        |s| {
            (0..20).for_each(|_| drop(x::<u64>(s).write().unwrap()));
            x::<u64>(s).store(2).unwrap();
        },
        text::<u64>,
    );
}

#[test]
fn favour_ended() {
    run(
        "favoured: ended by reading",
        |s| {
            x::<u64>(s).store(1).unwrap();
            get_favoured(&x::<u64>(s));
        },
        |s| {
            drop(x::<u64>(s).read().unwrap());
            x::<u64>(s).store(2).unwrap();
        },
        text::<u64>,
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
    run(
        "object: remove an atomic",
        |s| s.open_or_create::<AtomicU64>("x").unwrap().store(7, Ordering::Relaxed),
        |s| s.remove("x").unwrap(),
        |s| format!("{:?}", s.objects().unwrap()),
    );
}

type Nested = BTreeMap<u32, Vec<String>>;

/// Removes a value of so many lists of texts.
fn orphaned(name: &str, lists: u32) {
    run(
        name,
        |s| {
            let list = || (0..14).map(|m| "t".repeat(1 + m)).collect();
            x::<Nested>(s).store((0..lists).map(|n| (n, list())).collect()).unwrap();
        },
        |s| s.remove("x").unwrap(),
        objects::<Nested>,
    );
}

/// Of just more blocks than a removal frees at once, within each other.
#[test]
fn object_orphaned() {
    orphaned("object: remove a large one", 5);
}

/// Of just more blocks than are freed in one batch, 512.
#[test]
fn object_orphaned_in_batches() {
    orphaned("object: remove a large one, in batches", 35);
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
    changed::<Vec<String>>(
        "vec of strings: set, pop, clear",
        || vec!["one".into(), "two".repeat(20), "three".into()],
        |mut v| {
            v.push("four".repeat(10)).unwrap();
            v.pop().unwrap();
            v.clear().unwrap();
        },
        text::<Vec<String>>,
    );
}

#[test]
fn committed() {
    changed::<Vec<String>>(
        "a guard that replaces the value, and is committed",
        || vec!["one".into(), "two".repeat(20)],
        |mut v| {
            v.store(vec!["three".repeat(9)]).unwrap();
            v.commit().unwrap();
        },
        text::<Vec<String>>,
    );
}

#[test]
fn rolled_back() {
    changed::<Vec<String>>(
        "vec of strings: a guard rolled back",
        || vec!["one".into(), "two".repeat(20)],
        |mut v| {
            (0..5).for_each(|n| v.push(format!("{n}").repeat(30)).unwrap());
            v.remove(0).unwrap();
            v.rollback();
        },
        text::<Vec<String>>,
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
        "transaction over two objects, rolled back",
        set_up,
        |s| {
            let (a, b) = both(s);
            let failed = s.transaction(|tx| {
                tx.write(&a)?.push(9)?;
                tx.write(&b)?.clear()?;
                Err::<(), _>(commy::Error::Removed { name: "nothing".into() })
            });
            assert!(failed.is_err());
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
    changed::<VecDeque<u64>>(
        "deque: one pair",
        || (0..5).collect(),
        |mut d| {
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
    changed::<HashMap<u64, u64>>(
        "hash map: overwrite and remove",
        || (0..10).map(|n| (n, n)).collect(),
        |mut map| {
            map.insert(3, 33).unwrap();
            map.remove(&4).unwrap();
            map.insert(44, 4).unwrap();
        },
        sorted::<u64, u64>,
    );
    changed::<HashMap<u64, u64>>(
        "hash map: into a new table and out of the old",
        || (0..13).map(|n| (n, n)).collect(),
        |mut map| {
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

/// Entries of which a table is soon too large to be replaced at once.
type Wide = HashMap<u64, [u64; 40]>;

/// A map that goes over to another table, by and by.
fn moving(segment: &Segment) {
    x::<Wide>(segment).store((0..112).map(|n| (n, [n; 40])).collect()).unwrap();
    x::<Wide>(segment).insert(200, [1; 40]).unwrap();
}

/// Its keys and the last word of each value.
fn wide(segment: &Segment) -> String {
    let map = x::<Wide>(segment).load().expect("its value").into_iter();
    format!("{:?}", map.map(|(key, value)| (key, value[39])).collect::<BTreeMap<_, _>>())
}

#[test]
fn hash_map_on_the_move() {
    run(
        "hash map on the move: a step, overwritten, removed",
        moving,
        |s| {
            let map = x::<Wide>(s);
            let mut map = map.write().unwrap();
            map.insert(201, [2; 40]).unwrap();
            map.insert(5, [3; 40]).unwrap();
            map.remove(&6).unwrap();
            map.get_mut(&7).unwrap()[39] = 4;
        },
        wide,
    );
    run(
        "hash map on the move: to its end",
        moving,
        |s| {
            let map = x::<Wide>(s);
            let mut map = map.write().unwrap();
            (300..304).for_each(|n| assert_eq!(map.insert(n, [n; 40]).unwrap(), None));
        },
        wide,
    );
    run("hash map on the move: cleared", moving, |s| x::<Wide>(s).clear().unwrap(), wide);
}

/// Keys of which few go into a node, so that trees are deep.
type Deep = BTreeMap<[u64; 16], u64>;

/// Inserts keys until one takes three nodes or more: inner ones were split. That one is taken out again.
fn about_to_split(segment: &Segment) -> u64 {
    let taken = || segment.stats().expect("stats").allocated;
    let (trial, mut next) = (segment.open_or_create::<Deep>("trial").unwrap(), 0);
    loop {
        let before = taken();
        trial.insert([next; 16], next).unwrap();
        if next > 100 && taken() > before + 4096 {
            segment.remove("trial").unwrap();
            return next;
        }
        next += 1;
    }
}

#[test]
fn ordered_map_of_three_levels() {
    let keys = |segment: &Segment| {
        let map = x::<Deep>(segment).load().expect("its value");
        format!("{:?}", map.into_iter().map(|(key, value)| (key[0], value)).collect::<Vec<_>>())
    };
    let fill = |segment: &Segment, to: u64| {
        (0..to).for_each(|n| assert_eq!(x::<Deep>(segment).insert([n; 16], n).unwrap(), None))
    };
    run(
        "ordered map: inner nodes split, the root too",
        |s| fill(s, about_to_split(s)),
        |s| {
            let next = x::<Deep>(s).load().unwrap().len() as u64;
            let before = s.stats().unwrap().allocated;
            x::<Deep>(s).insert([next; 16], next).unwrap();
            assert!(s.stats().unwrap().allocated > before + 4096, "no inner node was split");
        },
        keys,
    );
    run(
        "ordered map: inner nodes merge, the root goes",
        |s| {
            let last = about_to_split(s);
            fill(s, last + 1);
            // The next one has a node less above it.
            let map = x::<Deep>(s);
            for n in 0.. {
                let (before, value) = (s.stats().unwrap().allocated, map.remove(&[n; 16]).unwrap().unwrap());
                if s.stats().unwrap().allocated + 4096 < before {
                    map.insert([n; 16], value).unwrap();
                    return;
                }
            }
        },
        |s| {
            let first = x::<Deep>(s).load().unwrap().pop_first().unwrap().0;
            x::<Deep>(s).remove(&first).unwrap();
        },
        keys,
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
    changed::<BTreeMap<u64, u64>>(
        "ordered map: nodes split",
        || (0..31).map(|n| (n * 10, n)).collect(),
        |mut map| {
            (0..40).for_each(|n| assert_eq!(map.insert(n * 10 + 1, n).unwrap(), None));
        },
        text::<BTreeMap<u64, u64>>,
    );
    changed::<BTreeMap<u64, u64>>(
        "ordered map: nodes merge",
        || (0..100).map(|n| (n, n)).collect(),
        |mut map| {
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
