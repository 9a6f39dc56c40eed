//! Removing objects, giving them other names, listing them.

mod common;

use commy::{Error, Segment, Share, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn segment() -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().max_size(256 << 20).create(dir.path().join("s.commy")).unwrap();
    (dir, segment)
}

fn allocated(segment: &Segment) -> u64 {
    segment.stats().unwrap().allocated
}

/// A list linked through boxes: deep, whichever way one looks at it.
#[derive(Share, Default)]
struct Link {
    number: u64,
    next: Option<Box<Link>>,
}

/// A tree of all sorts of containers, which contains itself in each.
#[derive(Share, Default)]
struct Tree {
    name: String,
    left: Option<Box<Tree>>,
    children: Vec<Tree>,
    by_name: HashMap<String, Tree>,
    by_number: BTreeMap<u32, Tree>,
    queue: VecDeque<Tree>,
    pair: (Option<String>, Option<Result<u64, String>>),
}

#[derive(Share, Default)]
enum Shape {
    #[default]
    Nothing,
    Text(String),
    Both {
        first: Box<Shape>,
        others: Vec<Shape>,
    },
}

/// Ordered by its numbers, which are signed.
#[derive(commy::Plain, commy::Key, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(i8)]
enum Side {
    Left = -1,
    Middle = 0,
    Right = 1,
}

/// A key with padding, and a string.
#[derive(Share, commy::Key, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Part {
    side: Side,
    number: i64,
    name: String,
}

fn parts() -> impl Iterator<Item = Part> {
    let side = |n| [Side::Left, Side::Middle, Side::Right][n as usize % 3];
    (0..400i64).map(move |n| Part { side: side(n), number: n % 7 - 3, name: format!("part {n}") })
}

fn tree(depth: u32) -> Tree {
    let mut tree = Tree {
        name: format!("a tree of depth {depth}"),
        pair: (Some("x".repeat(40)), Some(Err("no".into()))),
        ..Tree::default()
    };
    if depth > 0 {
        tree.left = Some(Box::new(self::tree(depth - 1)));
        tree.children = (0..2).map(|_| self::tree(depth - 1)).collect();
        tree.by_name = (0..depth).map(|n| (format!("child {n}"), self::tree(depth - 1))).collect();
        tree.by_number = (0..2).map(|n| (n, self::tree(depth - 1))).collect();
        tree.queue = (0..1).map(|_| self::tree(depth - 1)).collect();
    }
    tree
}

fn shape(depth: u32) -> Shape {
    match depth {
        0 => Shape::Nothing,
        1 => Shape::Text("text".repeat(20)),
        _ => Shape::Both {
            first: Box::new(shape(depth - 1)),
            others: (0..3).map(|n| shape(depth - 1 - n % 2)).collect(),
        },
    }
}

/// Makes an object, removes it, and compares what is allocated; twice, so that what stays once is known.
fn removed_without_trace<T: Share + Default>(segment: &Segment, fill: impl Fn(&Shared<T>)) {
    let mut before = allocated(segment);
    for round in 0..2 {
        let object: Shared<T> = segment.open_or_create("object").unwrap();
        fill(&object);
        assert_eq!(segment.check_objects().unwrap(), []);
        segment.remove("object").unwrap();
        segment.recover().unwrap();
        if round == 0 {
            // The directory's table, and the control block, which is kept for the next object.
            let kept = allocated(segment) - before;
            assert!(kept <= 192 + 1024, "{kept} bytes more");
            before = allocated(segment);
        }
        assert_eq!(allocated(segment), before, "{} bytes leaked", allocated(segment) - before);
        assert!(matches!(object.load(), Err(Error::Removed { name }) if name == "object"));
    }
}

#[test]
fn nothing_of_a_removed_object_is_left_whatever_its_type() {
    let (_dir, segment) = segment();
    removed_without_trace::<u64>(&segment, |object| object.store(7).unwrap());
    removed_without_trace::<[u64; 32]>(&segment, |object| object.store([7; 32]).unwrap());
    removed_without_trace::<Vec<String>>(&segment, |object| {
        object.store((0..10_000).map(|n| n.to_string()).collect()).unwrap();
    });
    removed_without_trace::<Tree>(&segment, |object| object.store(tree(3)).unwrap());
    removed_without_trace::<Shape>(&segment, |object| object.store(shape(9)).unwrap());
    removed_without_trace::<BTreeMap<Part, Side>>(&segment, |object| {
        object.store(parts().map(|part| (part.clone(), part.side)).collect()).unwrap();
    });
    removed_without_trace::<HashMap<Side, HashMap<Part, u8>>>(&segment, |object| {
        object.store([(Side::Left, parts().map(|part| (part, 1)).collect())].into()).unwrap();
    });
    removed_without_trace::<HashMap<u64, String>>(&segment, |object| {
        let mut guard = object.write().unwrap();
        (0..10_000).for_each(|n| drop(guard.insert(n, "text".repeat(9)).unwrap()));
    });
    removed_without_trace::<Vec<Vec<Vec<String>>>>(&segment, |object| {
        object.store(vec![vec![vec!["text".repeat(9); 20]; 20]; 20]).unwrap();
    });
    removed_without_trace::<BTreeMap<u64, VecDeque<String>>>(&segment, |object| {
        object.store((0..5000).map(|n| (n, [n.to_string(), "x".repeat(100)].into())).collect()).unwrap();
    });
    removed_without_trace::<Link>(&segment, |object| {
        let mut guard = object.write().unwrap();
        let mut next = guard.next_mut();
        for number in 0..100_000 {
            next = next.insert(Box::new(Link { number, next: None })).unwrap().next_mut();
        }
    });
}

#[test]
fn the_size_of_an_object_is_what_its_removal_gives_back() {
    let (_dir, segment) = segment();
    segment.open_or_create::<u64>("another").unwrap();
    segment.remove("another").unwrap();
    let before = allocated(&segment);
    let object: Shared<Tree> = segment.open_or_create("tree").unwrap();
    object.store(tree(2)).unwrap();
    // The control block is one that was there; the name is the directory's.
    assert_eq!(allocated(&segment) - before + 192 - 32, segment.object_size("tree").unwrap());
}

#[test]
fn a_handle_of_a_removed_object_sees_nothing_of_the_one_that_took_its_place() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    let old: Shared<u64> = segment.open_or_create_with("number", || 1).unwrap();
    let elsewhere: Shared<u64> = other.open("number").unwrap();
    let version = old.version();
    other.remove("number").unwrap();
    for round in 0..3 {
        // Of another type, but in the same control block.
        let new: Shared<String> = segment.open_or_create_with("text", || "text".into()).unwrap();
        for handle in [&old, &elsewhere] {
            assert!(matches!(handle.read(), Err(Error::Removed { .. })), "round {round}");
            assert!(matches!(handle.write(), Err(Error::Removed { .. })), "round {round}");
            assert!(matches!(handle.wait(handle.version(), Duration::ZERO), Err(Error::Removed { .. })));
        }
        let reading = new.read().unwrap();
        assert!(matches!(old.read(), Err(Error::Removed { .. })), "read beside a guard of the new object");
        assert!(matches!(old.write(), Err(Error::Removed { .. })), "written beside a guard of the new object");
        drop(reading);
        assert!(new.version() > version, "a version came back");
        assert_eq!(new.load().unwrap(), "text");
        segment.remove("text").unwrap();
    }
    assert!(matches!(segment.transaction(|tx| tx.write(&old).map(drop)), Err(Error::Removed { .. })));
}

#[test]
fn control_blocks_are_used_again_and_versions_go_on() {
    let (_dir, segment) = segment();
    let round = || {
        let all: Vec<Shared<u64>> = (0..50).map(|n| segment.open_or_create(&format!("objects/{n}")).unwrap()).collect();
        all.iter().for_each(|object| object.store(3).unwrap());
        all.iter().for_each(|object| segment.remove(object.name()).unwrap());
        all.iter().map(Shared::version).min().unwrap()
    };
    let (first, held) = (round(), allocated(&segment));
    assert!(round() > first && round() > first + 1);
    assert_eq!(allocated(&segment), held);
}

#[test]
fn removal_waits_for_guards_and_gives_up_as_locks_do() {
    let (_dir, segment) = segment();
    let object: Shared<Vec<u64>> = segment.open_or_create_with("list", || vec![1]).unwrap();
    let impatient = Segment::options().lock_timeout(Duration::from_millis(20)).open(segment.path()).unwrap();
    let reading = object.read().unwrap();
    assert!(matches!(segment.remove("list"), Err(Error::Deadlock { .. })));
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(matches!(impatient.remove("list"), Err(Error::LockTimeout { .. }))));
    });
    assert_eq!(reading[..], [1]);
    drop(reading);
    let writing = object.write().unwrap();
    assert!(matches!(segment.remove("list"), Err(Error::Deadlock { .. })));
    drop(writing);
    assert!(matches!(segment.remove("no list"), Err(Error::NotFound { .. })));
    assert!(matches!(segment.remove("/list"), Err(Error::BadName { .. })));
    segment.remove("list").unwrap();
    assert!(matches!(segment.remove("list"), Err(Error::NotFound { .. })));
}

#[test]
fn a_removal_does_not_look_like_a_change_before_the_object_is_gone() {
    let (_dir, segment) = segment();
    let object: Shared<Vec<u64>> = segment.open_or_create_with("list", || vec![1]).unwrap();
    let before = object.version();
    segment.remove("list").unwrap();
    assert_eq!(object.version(), before + 1, "one when it began, too, and who waits for a change would have seen that");
}

#[test]
fn who_sleeps_until_an_object_changes_is_told_that_it_is_gone() {
    let (_dir, segment) = segment();
    let object: Shared<u64> = segment.open_or_create("number").unwrap();
    let other = Segment::open(segment.path()).unwrap();
    for _ in 0..20 {
        let object: Shared<u64> = segment.open_or_create("number").unwrap();
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| (object.wait(object.version(), Duration::from_secs(30)), Instant::now())))
                .collect();
            let blocked = scope.spawn(|| object.write().map(drop));
            other.remove("number").unwrap();
            let removed = Instant::now();
            for waiter in waiters {
                let (result, woken) = waiter.join().unwrap();
                assert!(matches!(result, Err(Error::Removed { .. })), "{result:?}");
                assert!(woken.saturating_duration_since(removed) < Duration::from_secs(5), "slept through the removal");
            }
            assert!(matches!(blocked.join().unwrap(), Ok(()) | Err(Error::Removed { .. })));
        });
    }
    assert!(matches!(object.load(), Err(Error::Removed { .. })));
}

#[test]
fn names_can_be_changed_and_listed_by_path() {
    let (_dir, segment) = segment();
    for name in ["a", "a/b", "a/b/c", "a/d", "ab", "b"] {
        segment.open_or_create_with(name, || name.len() as u64).unwrap();
    }
    assert_eq!(segment.objects_under("a/").unwrap(), ["a/b", "a/b/c", "a/d"]);
    assert_eq!(segment.objects_under("a").unwrap(), ["a/b", "a/b/c", "a/d"]);
    assert_eq!(segment.objects_under("a/b/").unwrap(), ["a/b/c"]);
    assert_eq!(segment.objects_under("").unwrap(), segment.objects().unwrap());
    assert!(segment.objects_under("c").unwrap().is_empty());
    assert!(matches!(segment.objects_under("/a"), Err(Error::BadName { .. })));
    let handle: Shared<u64> = segment.open("a/b/c").unwrap();
    segment.rename("a/b/c", "c").unwrap();
    handle.store(9).unwrap();
    assert_eq!(segment.open::<u64>("c").unwrap().load().unwrap(), 9);
    assert!(matches!(segment.open::<u64>("a/b/c"), Err(Error::NotFound { .. })));
    assert!(matches!(segment.rename("a", "b"), Err(Error::ObjectExists { name }) if name == "b"));
    assert!(matches!(segment.rename("a", "a"), Err(Error::ObjectExists { .. })));
    assert!(matches!(segment.rename("none", "some"), Err(Error::NotFound { name }) if name == "none"));
    assert!(matches!(segment.rename("a", "x//y"), Err(Error::BadName { .. })));
    assert_eq!(segment.objects().unwrap(), ["a", "a/b", "a/d", "ab", "b", "c"]);
}

#[test]
fn removed_atomics_are_left_alone_as_long_as_somebody_may_use_them() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    let (mine, theirs): (Shared<AtomicU64>, Shared<AtomicU64>) =
        (segment.open_or_create("hits").unwrap(), other.open_or_create("hits").unwrap());
    let large: Shared<[AtomicU64; 64]> =
        segment.open_or_create_with("many", || std::array::from_fn(|_| AtomicU64::new(0))).unwrap();
    segment.remove("hits").unwrap();
    segment.remove("many").unwrap();
    drop(segment);
    // What is made now lies elsewhere, while `theirs` can still be used.
    let fresh: Vec<Shared<u64>> = (0..8).map(|n| other.open_or_create(&format!("new/{n}")).unwrap()).collect();
    let block: Shared<[u64; 64]> = other.open_or_create_with("block", || [5; 64]).unwrap();
    theirs.fetch_add(u64::MAX, Ordering::Relaxed);
    mine.store(u64::MAX, Ordering::Relaxed);
    large.iter().for_each(|hits| hits.store(u64::MAX, Ordering::Relaxed));
    assert!(fresh.iter().all(|object| object.load().unwrap() == 0));
    assert_eq!(block.load().unwrap(), [5; 64]);
    let kept = allocated(&other);
    drop((mine, large, theirs));
    let path = other.path().to_path_buf();
    drop((other, fresh, block));
    // Nobody is left that had it.
    let segment = Segment::open(path).unwrap();
    segment.open_or_create::<u64>("another").unwrap();
    assert!(allocated(&segment) < kept, "kept for ever");
}

#[test]
fn a_large_object_can_be_removed_from_a_segment_that_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().max_size(4 << 20).create(dir.path().join("s.commy")).unwrap();
    let lists: Shared<Vec<Vec<String>>> = segment.open_or_create("lists").unwrap();
    let base = allocated(&segment);
    let mut guard = lists.write().unwrap();
    let mut count = 0u32;
    while guard.push((0..7).map(|n| "x".repeat(30 + n + count as usize % 50)).collect()).is_ok() {
        count += 1;
    }
    guard.commit().unwrap();
    let numbers: Shared<Vec<u8>> = segment.open_or_create("numbers").unwrap();
    while numbers.write().unwrap().push(1).is_ok() {}
    assert!(count > 1000, "{count}");
    segment.remove("lists").unwrap();
    segment.remove("numbers").unwrap();
    assert!(allocated(&segment) <= base + 192, "{} of {base}", allocated(&segment));
    segment.open_or_create_with("again", || vec![0u8; 3 << 20]).unwrap();
}

#[test]
fn several_that_remove_at_once_leave_nothing() {
    let (_dir, segment) = segment();
    let make = |n: usize| {
        let object: Shared<HashMap<u64, Vec<String>>> = segment.open_or_create(&format!("objects/{n}")).unwrap();
        object.store((0..500).map(|n| (n, vec!["text".repeat(5); 3])).collect()).unwrap();
    };
    (0..8).for_each(make);
    (0..8).for_each(|n| segment.remove(&format!("objects/{n}")).unwrap());
    let before = allocated(&segment);
    for _ in 0..3 {
        (0..8).for_each(make);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let other = Segment::open(segment.path()).unwrap();
                scope.spawn(move || {
                    for n in 0..8 {
                        match other.remove(&format!("objects/{}", (n + thread * 4) % 8)) {
                            Ok(()) | Err(Error::NotFound { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        assert!(segment.objects().unwrap().is_empty());
        segment.recover().unwrap();
        assert_eq!(allocated(&segment), before);
    }
}

#[test]
fn reading_with_all_marks_in_use_does_not_see_another_object_either() {
    let (_dir, segment) = segment();
    let old: Shared<u64> = segment.open_or_create("old").unwrap();
    segment.remove("old").unwrap();
    let new: Shared<String> = segment.open_or_create_with("new", || "text".into()).unwrap();
    let others: Vec<Shared<u64>> = (0..7).map(|n| segment.open_or_create(&format!("{n}")).unwrap()).collect();
    let reading = new.read().unwrap();
    let _guards: Vec<_> = others.iter().map(|object| object.read().unwrap()).collect();
    assert!(matches!(old.read(), Err(Error::Removed { .. })));
    let again = new.read().unwrap();
    assert!(matches!(old.read(), Err(Error::Removed { .. })));
    drop(reading);
    drop(again);
    assert!(new.try_write().is_ok(), "a mark is left");
}

#[test]
fn a_handle_of_a_removed_object_does_not_touch_what_was_given_back() {
    let (_dir, segment) = segment();
    let object: Shared<[[u64; 32]; 32]> = segment.open_or_create_with("block", || [[7; 32]; 32]).unwrap();
    let large: Shared<Vec<u64>> = segment.open_or_create_with("large", || vec![7; 1 << 20]).unwrap();
    segment.remove("block").unwrap();
    segment.remove("large").unwrap();
    segment.shrink_to_usage().unwrap();
    assert!(matches!(object.load(), Err(Error::Removed { .. })));
    assert!(matches!(large.load(), Err(Error::Removed { .. })));
    assert!(matches!(large.len(), Err(Error::Removed { .. })));
}
