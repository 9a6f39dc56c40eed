//! Looking again and again into the same maps and sets, by which a thread remembers where their tables are, while all that
//! can happen to them happens.

use commy::{Error, Segment, Shared};
use std::collections::{HashMap, HashSet};

type Numbers = Shared<HashMap<u64, u64>>;

fn segment() -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().max_size(256 << 20).create(dir.path().join("s.commy")).unwrap();
    (dir, segment)
}

/// Looks twice: the second time what the first found is remembered.
fn look(map: &Numbers, key: u64) -> Option<u64> {
    let (first, again) = (map.get(&key).unwrap(), map.get(&key).unwrap());
    assert_eq!((first, first.is_some()), (again, map.contains_key(&key).unwrap()));
    first
}

#[test]
fn whoever_changes_a_map_everybody_sees_it_whose_thread_remembers_the_table() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    let onlooker = Segment::options().read_only(true).open(segment.path()).unwrap();
    let mine: Numbers = segment.open_or_create("map").unwrap();
    let theirs: Numbers = other.open("map").unwrap();
    let lookers = [mine.clone(), theirs.clone(), onlooker.open("map").unwrap()];
    let seen = |key, value| lookers.iter().for_each(|map| assert_eq!(look(map, key), value, "{key}"));
    seen(1, None);
    // It grows, again and again, and is at times between two tables.
    for n in 0..3000 {
        [&mine, &theirs][n as usize % 2].insert(n, n).unwrap();
        seen(n, Some(n));
        seen(n / 2, Some(n / 2));
        seen(n + 1, None);
    }
    theirs.insert(7, 8).unwrap();
    seen(7, Some(8));
    theirs.remove(&7).unwrap();
    seen(7, None);
    *theirs.write().unwrap().get_mut(&8).unwrap() = 9;
    seen(8, Some(9));
    // What is undone is not seen.
    let mut guard = theirs.write().unwrap();
    guard.insert(8, 10).unwrap();
    guard.clear().unwrap();
    guard.rollback();
    seen(8, Some(9));
    // Another table, at another place; the old one's pages are given back.
    theirs.store([(8, 11)].into()).unwrap();
    other.shrink_to_usage().unwrap();
    seen(8, Some(11));
    seen(9, None);
    theirs.clear().unwrap();
    seen(8, None);
}

#[test]
fn what_is_remembered_of_one_map_is_not_taken_for_another() {
    let (_dir, segment) = segment();
    let maps: Vec<Numbers> = (0..30).map(|n| segment.open_or_create(&format!("map {n}")).unwrap()).collect();
    let sets: Vec<Shared<HashSet<String>>> =
        (0..30).map(|n| segment.open_or_create(&format!("set {n}")).unwrap()).collect();
    for (n, (map, set)) in (0u64..).zip(maps.iter().zip(&sets)) {
        map.extend((0..100).map(|key| (key, key + n))).unwrap();
        set.insert(format!("element {n}")).unwrap();
    }
    for round in 0..3 {
        for (n, (map, set)) in (0u64..).zip(maps.iter().zip(&sets)) {
            assert_eq!((look(map, round), look(map, 100)), (Some(round + n), None));
            for other in 0..30 {
                assert_eq!(set.contains(format!("element {other}").as_str()).unwrap(), other == n);
            }
        }
    }
}

#[test]
fn of_a_removed_map_nothing_is_remembered() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    for round in 0..3 {
        let old: Numbers = segment.open_or_create("map").unwrap();
        old.extend((0..100_000).map(|n| (n, n))).unwrap();
        assert_eq!(look(&old, 7), Some(7));
        other.remove("map").unwrap();
        other.shrink_to_usage().unwrap();
        assert!(matches!(old.get(&7), Err(Error::Removed { .. })), "round {round}");
        // In the same control block.
        let new: Numbers = other.open_or_create("map").unwrap();
        new.insert(7, 70).unwrap();
        assert!(matches!(old.get(&7), Err(Error::Removed { .. })));
        assert!(matches!(old.contains_key(&7), Err(Error::Removed { .. })));
        assert_eq!(look(&new, 7), Some(70));
        other.remove("map").unwrap();
    }
}

#[test]
fn each_thread_remembers_for_itself() {
    let (_dir, segment) = segment();
    let map: Numbers = segment.open_or_create("map").unwrap();
    map.extend((0..1000).map(|n| (n, 0))).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = vec![0; 1000];
                for n in (0..1000).cycle().take(50_000) {
                    let now = look_once(&map, n);
                    assert!(now >= last[n as usize], "went back in time");
                    last[n as usize] = now;
                }
            });
        }
        scope.spawn(|| {
            for round in 1..20 {
                (0..1000).for_each(|n| assert!(map.insert(n, round).unwrap().is_some()));
                map.extend((0..1000).map(|n| (n + 1000 * round, 0))).unwrap();
            }
        });
    });
}

fn look_once(map: &Numbers, key: u64) -> u64 {
    let found = map.get(&key).unwrap();
    assert!(map.contains_key(&key).unwrap());
    found.expect("it is never taken out")
}

#[test]
fn under_a_guard_of_its_own_a_thread_gets_an_error_whatever_it_remembers() {
    let (_dir, segment) = segment();
    let map: Numbers = segment.open_or_create("map").unwrap();
    map.insert(1, 1).unwrap();
    assert_eq!(look(&map, 1), Some(1));
    let mut guard = map.write().unwrap();
    guard.insert(1, 2).unwrap();
    assert!(matches!(map.get(&1), Err(Error::Deadlock { .. })));
    drop(guard);
    assert_eq!(look(&map, 1), Some(2));
}
