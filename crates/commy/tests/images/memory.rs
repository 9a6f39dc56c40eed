//! Memory of each kind: blocks of slabs and spans, taken and freed, by whose they are and by others; slabs made, taken
//! over, given back; places for more threads; the file grown, shrunk, copied, given another limit.

use crate::scenarios::{run, run_sized, text, x};
use commy::Segment;
use std::cell::RefCell;

/// Lengths and first bytes of the vectors in a vector.
fn lengths(segment: &Segment) -> String {
    let value = x::<Vec<Vec<u8>>>(segment).load().expect("its value");
    format!("{:?}", value.iter().map(|v| (v.len(), v.first().copied())).collect::<Vec<_>>())
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

/// Another attachment, which stays: its blocks are another's.
fn another(segment: &Segment) -> Segment {
    Segment::open(segment.path()).expect("open")
}

/// Appends so many blocks of so many bytes.
fn push(segment: &Segment, many: u8, bytes: usize) {
    let list = x::<Vec<Vec<u8>>>(segment);
    (0..many).for_each(|n| list.push(vec![n; bytes]).unwrap());
}

#[test]
fn blocks_of_another() {
    let other = RefCell::new(None);
    run(
        "memory: blocks of another freed",
        |s| {
            let attached = another(s);
            push(&attached, 5, 700);
            other.replace(Some(attached));
        },
        |s| x::<Vec<Vec<u8>>>(s).write().unwrap().truncate(2).unwrap(),
        lengths,
    );
    run(
        "memory: what others freed is collected",
        |s| {
            let attached = another(s);
            push(&attached, 6, 2000);
            x::<Vec<Vec<u8>>>(s).write().unwrap().clear().unwrap();
            other.replace(Some(attached));
        },
        |s| {
            let taken = s.stats().unwrap().taken;
            let list = x::<Vec<Vec<u8>>>(other.borrow().as_ref().unwrap());
            let mut list = list.write().unwrap();
            (0..4).for_each(|n| list.push(vec![n; 2000]).unwrap());
            drop(list);
            assert_eq!(s.stats().unwrap().taken, taken, "other blocks than those");
        },
        lengths,
    );
}

#[test]
fn a_slab_taken_over() {
    run(
        "memory: a slab of somebody who left is taken over",
        |s| {
            let other = another(s);
            push(&other, 5, 1500);
            // One of the slabs, which have two blocks each, is left with one.
            x::<Vec<Vec<u8>>>(&other).write().unwrap().truncate(3).unwrap();
        },
        |s| {
            let taken = s.stats().unwrap().taken;
            push(s, 1, 1500);
            assert_eq!(s.stats().unwrap().taken, taken, "a slab of its own");
        },
        lengths,
    );
}

#[test]
fn a_place_more_than_a_page_has() {
    let others = RefCell::new(Vec::new());
    run(
        "memory: a further page of thread slots",
        |s| {
            push(s, 1, 10);
            others.replace((0..7).map(|_| another(s)).collect());
            others.borrow().iter().for_each(|other| push(other, 1, 10));
        },
        |s| push(&another(s), 1, 10),
        lengths,
    );
}
