//! The operations that are stepped through: each container small, growing, shrinking; nested values; memory of each
//! kind; objects made; several objects at once.

use crate::judge::{Scenario, judge};
use commy::{Segment, Share, Shared};
use std::fmt::Debug;

const SMALL: (u64, u64) = (64 << 10, 16 << 20);

/// Judges a scenario and prints what was done.
fn run(name: &'static str, prepare: fn(&Segment), act: fn(&Segment), observe: fn(&Segment) -> String) {
    run_sized(name, SMALL, prepare, act, observe);
}

fn run_sized(
    name: &'static str,
    sizes: (u64, u64),
    prepare: fn(&Segment),
    act: fn(&Segment),
    observe: fn(&Segment) -> String,
) {
    let report = judge(&Scenario { name, sizes, prepare, act, observe });
    println!(
        "{name:44} {:>8} instructions {:>6} images {:>4} recoveries stepped, 0 violations",
        report.steps, report.images, report.recoveries
    );
}

/// The object named `x`.
fn x<T: Share + Default>(segment: &Segment) -> Shared<T> {
    segment.open_or_create("x").expect("the object")
}

fn text<T: Share + Default + Debug>(segment: &Segment) -> String {
    format!("{:?}", x::<T>(segment).load().expect("its value"))
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
                v.push(vec![bytes as u8; bytes]).unwrap();
            }
        },
        |s| format!("{:?}", x::<Vec<Vec<u8>>>(s).load().unwrap().iter().map(|v| (v.len(), v.first().copied())).collect::<Vec<_>>()),
    );
    run(
        "slabs and spans: emptied and given back",
        |s| x::<Vec<Vec<u8>>>(s).store((0..150).map(|n| vec![n; 100 + usize::from(n) * 40]).collect()).unwrap(),
        |s| x::<Vec<Vec<u8>>>(s).write().unwrap().clear().unwrap(),
        |s| format!("{:?}", x::<Vec<Vec<u8>>>(s).load().unwrap().iter().map(|v| (v.len(), v.first().copied())).collect::<Vec<_>>()),
    );
    run_sized(
        "file: grown",
        (64 << 10, 4 << 20),
        |s| drop(x::<Vec<Vec<u8>>>(s)),
        |s| x::<Vec<Vec<u8>>>(s).write().unwrap().push(vec![3; 70_000]).unwrap(),
        |s| format!("{:?}", x::<Vec<Vec<u8>>>(s).load().unwrap().iter().map(|v| (v.len(), v.first().copied())).collect::<Vec<_>>()),
    );
}

#[test]
fn several_objects() {
    run(
        "transaction over two objects",
        |s| {
            s.open_or_create_with("a", || vec![1u64, 2, 3]).unwrap();
            s.open_or_create_with("b", || vec!["x".to_string()]).unwrap();
        },
        |s| {
            let (a, b) = (s.open::<Vec<u64>>("a").unwrap(), s.open::<Vec<String>>("b").unwrap());
            s.transaction(|tx| {
                let number = tx.write(&a)?.pop()?.unwrap();
                tx.write(&b)?.push(format!("{number}").repeat(40))
            })
            .unwrap();
        },
        |s| {
            let (a, b) = (s.open::<Vec<u64>>("a").unwrap(), s.open::<Vec<String>>("b").unwrap());
            format!("{:?} {:?}", a.load().unwrap(), b.load().unwrap())
        },
    );
}
