//! Using the same maps, sets, vectors and deques again and again, by which a thread remembers where their tables and blocks
//! are, while all that can happen to them happens.

use commy::support::{Cx, KeyHasher};
use commy::{Error, Lookup, Segment, Shared};
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

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

#[test]
fn what_a_favoured_thread_changes_by_what_it_remembers_is_what_std_has() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    let mine: Numbers = segment.open_or_create("map").unwrap();
    let theirs: Numbers = other.open("map").unwrap();
    let (mut model, mut draw) = (HashMap::new(), 7u64);
    for step in 0..60_000u64 {
        draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        // At first it grows all the time; then there is room.
        let key = (draw >> 40) % if step < 20_000 { 4000 } else { 3000 };
        // Now and then somebody else comes, whom the favour is taken away for.
        let map = if step % 5000 == 4999 { &theirs } else { &mine };
        match draw >> 33 & 3 {
            0 => assert_eq!(map.get(&key).unwrap(), model.get(&key).copied()),
            1 => assert_eq!(map.remove(&key).unwrap(), model.remove(&key)),
            _ => assert_eq!(map.insert(key, step).unwrap(), model.insert(key, step)),
        }
    }
    assert_eq!((mine.load().unwrap(), mine.len().unwrap()), (model.clone(), model.len()));
    assert_eq!(segment.check().unwrap(), []);
}

#[test]
fn what_a_favoured_thread_puts_in_by_what_it_remembers_has_blocks_of_its_own() {
    let (_dir, segment) = segment();
    let texts: Shared<HashMap<String, String>> = segment.open_or_create("texts").unwrap();
    let counts: Shared<HashMap<String, u64>> = segment.open_or_create("counts").unwrap();
    let (mut texts_model, mut counts_model, mut draw) = (HashMap::new(), HashMap::new(), 7u64);
    let before = segment.stats().unwrap().allocated;
    // No block, blocks of the same slab as the key's and of others, and one that is pages.
    let text = |n: u64| format!("{n}").repeat([0, 1, 2, 5, 900][n as usize % 5]);
    for step in 0..30_000u64 {
        draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let key = (draw >> 40) % if step < 10_000 { 2000 } else { 1500 };
        let key = if key == 7 { String::new() } else { format!("the key {key}") };
        if draw >> 33 & 3 == 0 {
            assert_eq!(texts.remove(&key).unwrap(), texts_model.remove(&key));
            assert_eq!(counts.remove(&key).unwrap(), counts_model.remove(&key));
        } else {
            assert_eq!(texts.insert(key.clone(), text(step)).unwrap(), texts_model.insert(key.clone(), text(step)));
            assert_eq!(counts.insert(key.clone(), step).unwrap(), counts_model.insert(key, step));
        }
    }
    assert_eq!(texts.load().unwrap(), texts_model);
    assert_eq!(counts.load().unwrap(), counts_model);
    assert_eq!(segment.check().unwrap(), []);
    texts.clear().and(counts.clear()).unwrap();
    assert_eq!(segment.stats().unwrap().allocated, before);
}

#[test]
fn texts_that_a_favoured_thread_takes_out_by_what_it_remembers_leave_nothing_behind() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    let mine: Shared<HashMap<String, Option<Vec<u16>>>> = segment.open_or_create("options").unwrap();
    let texts: Shared<HashMap<String, String>> = segment.open_or_create("texts").unwrap();
    let theirs: Shared<HashMap<String, String>> = other.open("texts").unwrap();
    let lists: Shared<HashMap<u64, Vec<u16>>> = segment.open_or_create("lists").unwrap();
    // Blocks of slabs, none, and one that is pages.
    let text = |n: u64| "ä".repeat([0, 5, 30, 400, 3000][n as usize % 5]);
    let list = |n: u64| vec![n as u16; n as usize % 70];
    let allocated = || segment.stats().unwrap().allocated;
    let before = allocated();
    for round in 0..60u64 {
        let key = |n: u64| if n == 7 { String::new() } else { format!("{round} {}", n * n) };
        for n in 0..40 {
            // Others have some of the blocks.
            let map = if n % 8 == 0 { &theirs } else { &texts };
            assert_eq!(map.insert(key(n), text(n)).unwrap(), None);
            assert_eq!(lists.insert(n, list(n)).unwrap(), None);
            assert_eq!(mine.insert(key(n), (n % 3 > 0).then(|| list(n))).unwrap(), None);
        }
        for n in (0..40).rev() {
            assert_eq!(texts.remove(&key(n)).unwrap(), Some(text(n)));
            assert_eq!((texts.remove(&key(n)).unwrap(), texts.get(&key(n)).unwrap()), (None, None));
            assert_eq!(lists.remove(&n).unwrap(), Some(list(n)));
            assert_eq!(mine.remove(&key(n)).unwrap(), Some((n % 3 > 0).then(|| list(n))));
        }
        assert!(texts.is_empty().unwrap() && lists.is_empty().unwrap() && mine.is_empty().unwrap());
    }
    assert_eq!(segment.check().unwrap(), []);
    texts.clear().and(lists.clear()).and(mine.clear()).unwrap();
    assert_eq!(allocated(), before);
}

#[test]
fn slabs_whose_last_blocks_are_the_key_and_the_value_of_one_entry_are_given_back() {
    let (_dir, segment) = segment();
    let map: Shared<HashMap<String, String>> = segment.open_or_create("map").unwrap();
    let before = segment.stats().unwrap();
    let entries = || (0..3000).map(|n| (format!("key {n}"), format!("value {n}")));
    for _ in 0..3 {
        entries().for_each(|(key, value)| assert_eq!(map.insert(key, value).unwrap(), None));
        // The last two blocks of each slab are those of one entry.
        entries().for_each(|(key, value)| assert_eq!(map.remove(&key).unwrap(), Some(value)));
        assert_eq!(segment.check().unwrap(), []);
    }
    map.clear().unwrap();
    let after = segment.stats().unwrap();
    assert_eq!(after.allocated, before.allocated);
    // There were 47 such slabs of a page. One or two a class are kept for the next need.
    assert!(after.taken <= before.taken + 16 * 4096, "{} bytes in pages grew to {}", before.taken, after.taken);
}

#[test]
fn what_a_favoured_thread_pushes_and_pops_by_what_it_remembers_is_what_std_has() {
    let (_dir, segment) = segment();
    let other = Segment::open(segment.path()).unwrap();
    let lists: [Shared<Vec<u64>>; 2] = [segment.open_or_create("list").unwrap(), other.open_or_create("list").unwrap()];
    let rings: [Shared<VecDeque<[u64; 3]>>; 2] =
        [segment.open_or_create("ring").unwrap(), other.open_or_create("ring").unwrap()];
    let (mut list, mut ring, mut draw) = (Vec::new(), VecDeque::new(), 7u64);
    for step in 0..60_000u64 {
        draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        // Now and then somebody else comes, whom the favour is taken away for.
        let who = usize::from(step % 5000 == 4999);
        let (lists, rings) = (&lists[who], &rings[who]);
        // They grow to some length, and shrink again to nothing.
        let more = u64::from(step % 4000 < 2500);
        match (draw >> 33) % 10 + 2 * more {
            0..4 => assert_eq!(lists.pop().unwrap(), list.pop()),
            4 => assert_eq!(rings.pop_back().unwrap(), ring.pop_back()),
            5 => assert_eq!(rings.pop_front().unwrap(), ring.pop_front()),
            6 => (lists.push(step).unwrap(), list.push(step)).1,
            7 => (rings.push_back([step; 3]).unwrap(), ring.push_back([step; 3])).1,
            8 => (rings.push_front([step; 3]).unwrap(), ring.push_front([step; 3])).1,
            _ if draw >> 40 & 127 == 0 => {
                // By a guard, in another block.
                let (mut locked, mut also) = (lists.write().unwrap(), rings.write().unwrap());
                locked.shrink_to_fit().unwrap();
                also.shrink_to_fit().unwrap();
                also.rotate_left(ring.len() / 2).unwrap();
                ring.rotate_left(ring.len() / 2);
            }
            _ => (lists.push(step).unwrap(), list.push(step)).1,
        }
        let (last, front) = (lists.last().unwrap(), rings.front().unwrap());
        assert_eq!((last, front, lists.len().unwrap()), (list.last().copied(), ring.front().copied(), list.len()));
    }
    assert_eq!((lists[1].load().unwrap(), rings[1].load().unwrap()), (list, ring));
    assert_eq!(segment.check().unwrap(), []);
}

#[test]
fn asking_an_empty_deque_again_and_again_changes_nothing() {
    let (_dir, segment) = segment();
    let ring: Shared<VecDeque<u8>> = segment.open_or_create("ring").unwrap();
    for n in 0..1000u64 {
        ring.push_back(n as u8).unwrap();
        assert_eq!(ring.pop_front().unwrap(), Some(n as u8));
        let version = ring.version();
        assert_eq!((ring.pop_front().unwrap(), ring.pop_back().unwrap(), ring.version()), (None, None, version));
    }
    let nothings: Shared<Vec<()>> = segment.open_or_create("nothings").unwrap();
    (0..1000).for_each(|_| nothings.push(()).unwrap());
    assert_eq!((nothings.pop().unwrap(), nothings.len().unwrap()), (Some(()), 999));
}

#[test]
fn asking_empty_deques_of_two_segments_in_turn_waits_for_nobody_who_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let segments = ["requests", "answers"]
        .map(|name| Segment::options().lock_timeout(Duration::from_millis(10)).create(dir.path().join(name)).unwrap());
    let rings: Vec<Shared<VecDeque<u64>>> = segments.iter().map(|one| one.open_or_create("ring").unwrap()).collect();
    let _guards: Vec<_> = rings.iter().map(|ring| ring.read().unwrap()).collect();
    std::thread::scope(|scope| {
        let poll = || (0..200).for_each(|turn| assert_eq!(rings[turn % 2].pop_front().unwrap(), None));
        scope.spawn(poll).join().unwrap();
    });
}

#[test]
fn what_is_remembered_keeps_no_change_out_of_the_ring() {
    let (_dir, segment) = segment();
    let map: Numbers = segment.object("map").changes(10_000).open_or_create().unwrap();
    let mut changes = map.changes().unwrap();
    for n in 0..2000 {
        look(&map, n / 2);
        map.insert(n / 2, n).unwrap();
    }
    (0..1000).for_each(|n| assert!(map.remove(&n).unwrap().is_some()));
    assert_eq!(std::iter::from_fn(|| changes.next(Duration::ZERO).unwrap()).count(), 3000);
}

#[test]
fn who_sleeps_until_a_map_changes_is_woken_by_who_goes_by_what_it_remembers() {
    let (_dir, segment) = segment();
    let map: Numbers = segment.open_or_create("map").unwrap();
    (0..2000).for_each(|n| assert_eq!(map.insert(n % 10, n).unwrap().is_some(), n >= 10));
    let seen = map.version();
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| map.wait(seen, Duration::from_secs(20)).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        map.insert(3, 3).unwrap();
        assert_ne!(sleeper.join().unwrap(), seen);
    });
}

/// A number that does something else whenever it is looked at.
struct Meddling<'a>(u64, &'a dyn Fn());

impl Lookup<Meddling<'_>> for u64 {
    fn hash_of(query: &Meddling<'_>, hasher: &mut KeyHasher) {
        query.1();
        hasher.word(query.0);
    }

    unsafe fn compare_with(stored: *const u64, _: Cx, query: &Meddling<'_>) -> Ordering {
        query.1();
        // SAFETY: the caller's promise.
        unsafe { *stored }.cmp(&query.0)
    }
}

/// More maps than a thread remembers, which have been changed the same number of times, by one who is favoured then. Each has
/// its number, in thousands, and the key as the value of keys below 100.
fn alike(segment: &Segment) -> Vec<Numbers> {
    let map = |number: u64| {
        let map: Numbers = segment.open_or_create(&format!("map {number}")).unwrap();
        (0..2000).for_each(|n| assert!(map.insert(n % 100, 1000 * number + n % 100).is_ok()));
        map
    };
    (0..20).map(map).collect()
}

#[test]
fn a_key_may_look_into_other_maps_while_it_is_looked_for() {
    let (_dir, segment) = segment();
    let maps = alike(&segment);
    let (map, others) = maps.split_first().unwrap();
    let meddle = || {
        others.iter().zip(1..).for_each(|(other, number)| assert_eq!(look(other, 1), Some(1000 * number + 1)));
        assert_eq!(map.get(&3).unwrap(), Some(3));
    };
    for n in 0..200 {
        assert_eq!(map.get(&Meddling(n, &meddle)).unwrap(), (n < 100).then_some(n));
        assert_eq!(look(map, n), (n < 100).then_some(n));
    }
}

#[test]
fn a_key_that_looks_into_other_maps_while_it_is_taken_out_is_taken_out_of_its_own() {
    let (_dir, segment) = segment();
    let maps = alike(&segment);
    for key in 0..100 {
        for (map, number) in maps.iter().zip(0..) {
            // When it is hashed, when it is compared, or each time.
            let calls = Cell::new(0);
            let meddle = || {
                calls.set(calls.get() + 1);
                if key % 3 == 0 || key % 3 == calls.get() {
                    // Under the lock it may not look into the same one.
                    let others = maps.iter().zip(0..).filter(|(_, other)| *other != number);
                    others.for_each(|(other, number)| assert_eq!(look(other, 1), Some(1000 * number + 1)));
                }
            };
            let value = 1000 * number + key;
            assert_eq!(look(map, key), Some(value));
            assert_eq!(map.remove(&Meddling(key, &meddle)).unwrap(), Some(value));
            assert_eq!(look(map, key), None);
            assert_eq!(map.insert(key, value).unwrap(), None);
        }
    }
    for (map, number) in maps.iter().zip(0..) {
        assert_eq!(map.load().unwrap(), HashMap::from_iter((0..100).map(|key| (key, 1000 * number + key))));
    }
    assert_eq!(segment.check().unwrap(), []);
}

#[test]
fn a_key_that_panics_leaves_nothing_locked_and_nothing_changed() {
    let (_dir, segment) = segment();
    let map: Numbers = segment.open_or_create("map").unwrap();
    map.insert(3, 3).unwrap();
    // By one who is not favoured yet, and by one who is.
    for changes in [0, 1000] {
        (0..changes).for_each(|_| assert_eq!(map.insert(3, 3).unwrap(), Some(3)));
        // When it is hashed, and when it is compared.
        for calls in [0, 1] {
            let (version, left) = (map.version(), Cell::new(0u32));
            let meddle = || left.set(left.get().checked_sub(1).expect("a key that panics"));
            let panics = |work: &dyn Fn(&Meddling)| {
                left.set(calls);
                catch_unwind(AssertUnwindSafe(|| work(&Meddling(3, &meddle)))).is_err()
            };
            assert!(panics(&|key| assert_eq!(map.remove(key).unwrap(), Some(3))), "removed");
            assert!(panics(&|key| assert_eq!(map.get(key).unwrap(), Some(3))), "looked for");
            assert_eq!((map.version(), map.get(&3).unwrap()), (version, Some(3)));
            assert_eq!((map.insert(4, 4).unwrap(), map.remove(&4).unwrap()), (None, Some(4)));
        }
    }
    std::thread::scope(|scope| assert_eq!(scope.spawn(|| map.insert(3, 7)).join().unwrap().unwrap(), Some(3)));
    segment.snapshot(segment.path().with_extension("copy")).unwrap();
}

#[test]
fn what_is_done_by_what_is_remembered_is_counted_once() {
    let (_dir, segment) = segment();
    let map: Numbers = segment.open_or_create("map").unwrap();
    let counted = || {
        let thread = &segment.threads().unwrap()[0];
        (thread.transactions, thread.reads)
    };
    for changes in [10, 1000] {
        let before = counted();
        let looking = counted().1 - before.1;
        (0..changes).for_each(|n| assert!(map.insert(3, n).is_ok()));
        let changed = counted();
        assert_eq!(changed.0 - before.0, changes, "changes");
        // The first look learns where the table is.
        assert_eq!(map.get(&3).unwrap(), Some(changes - 1));
        let reads = counted().1;
        (0..changes).for_each(|_| assert_eq!(map.get(&3).unwrap(), Some(changes - 1)));
        assert_eq!(counted().1 - reads, changes + looking, "looks");
        (0..changes).for_each(|_| drop(map.write().unwrap()));
        assert_eq!(counted().0 - changed.0, changes, "guards");
    }
}
