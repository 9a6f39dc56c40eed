//! The size of a segment changed while it is used: nothing is lost, nobody faults, and the disk gets its space back.

mod common;

use common::{Player, Stage, has_length, play, segment, text};
use commy::{Error, Segment, Shared};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
#[cfg(unix)]
use std::path::Path;

#[test]
fn role() {
    play(&[("walker", walker), ("shrinker", shrinker), ("growing", growing)]);
}

/// Bytes that a file takes on the disk, by a call of Unix. (`os::windows::storage` asks Windows for the same.)
#[cfg(unix)]
fn on_disk(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).expect("the file").blocks() * 512
}

#[cfg(unix)]
#[test]
fn the_disk_gets_back_what_is_free_at_the_end_and_inside() {
    let (_folder, path, segment) = segment(1 << 30);
    let lists: Vec<Shared<Vec<u8>>> =
        (0..32).map(|n| segment.open_or_create(&format!("{n}")).expect("a list")).collect();
    for (n, list) in lists.iter().enumerate() {
        list.store(vec![n as u8; 1 << 20]).expect("store");
    }
    let (full, size) = (on_disk(&path), segment.size());
    assert!(full >= 32 << 20);
    // Every second one goes, and the last eight.
    for (n, list) in lists.iter().enumerate().filter(|(n, _)| n % 2 == 1 || *n >= 24) {
        list.store(Vec::new()).unwrap_or_else(|e| panic!("{n}: {e}"));
    }
    let allocated = segment.stats().expect("stats").allocated;
    let given = segment.shrink_to_usage().expect("shrink");
    assert!(given >= 19 << 20, "{given} bytes were given back");
    assert!(segment.size() < size - (7 << 20), "the file did not get shorter");
    has_length(&path, segment.size());
    let left = on_disk(&path);
    assert!(left <= full - (19 << 20), "{left} of {full} bytes are still on the disk, {given} were given back");
    assert_eq!(segment.stats().expect("stats").allocated, allocated, "holes count as allocated");
    assert!(segment.shrink_to_usage().expect("again") < 1 << 16, "the same was given back twice");
    let intact = |segment: &Segment| {
        for n in (0..24u8).step_by(2) {
            let list: Shared<Vec<u8>> = segment.open(&format!("{n}")).expect("a list");
            let list = list.read().expect("lock");
            assert!(list.len() == 1 << 20 && list.iter().all(|b| *b == n), "list {n}");
        }
    };
    intact(&segment);
    // Opened anew, the holes stay holes.
    drop((lists, segment));
    let segment = Segment::open(&path).expect("open");
    assert!(on_disk(&path) <= left + (64 << 10), "opening filled the holes");
    intact(&segment);
    // They are used again before the file grows.
    let size = segment.size();
    for n in (1..20u8).step_by(2) {
        segment.open::<Vec<u8>>(&format!("{n}")).expect("a list").store(vec![n; 1 << 20]).expect("store");
    }
    assert!(segment.size() <= size + (1 << 20), "the file grew from {size} to {}", segment.size());
    intact(&segment);
}

#[test]
fn a_segment_of_gigabytes_that_was_emptied_is_small_again() {
    let (_folder, path, segment) = segment(4 << 30);
    segment.resize(300 << 20).expect("grow");
    segment.resize(4 << 20).expect("shrink");
    assert_eq!((segment.size(), segment.limit()), (4 << 20, 4 << 20));
    has_length(&path, 4 << 20);
    segment.resize(512 << 20).expect("grow");
    let list: Shared<Vec<Vec<u8>>> = segment.open_or_create("list").expect("list");
    (0..150).for_each(|n| list.write().expect("lock").push(vec![n as u8; 1 << 20]).expect("push"));
    list.store(Vec::new()).expect("store");
    segment.shrink_to_usage().expect("shrink");
    assert!(segment.size() < 1 << 20, "{} bytes are left", segment.size());
    (0..150).for_each(|n| list.write().expect("lock").push(vec![n as u8; 1 << 20]).expect("push"));
    assert!(list.read().expect("lock").iter().enumerate().all(|(n, v)| v.len() == 1 << 20 && v[77] == n as u8));
}

#[test]
fn the_limit_is_the_same_for_all_at_once_and_holds() {
    let (_folder, path, segment) = segment(64 << 20);
    let other = Segment::open(&path).expect("open");
    segment.resize(1 << 20).expect("resize");
    assert_eq!((other.size(), other.limit()), (1 << 20, 1 << 20));
    let list: Shared<Vec<u8>> = other.open_or_create("list").expect("list");
    assert!(matches!(list.store(vec![1; 2 << 20]), Err(Error::OutOfSpace { .. })));
    other.resize(8 << 20).expect("resize");
    list.store(vec![1; 2 << 20]).expect("store");
    // What is in use does not fit.
    let Err(Error::OutOfSpace { reason, .. }) = segment.resize(1 << 20) else { panic!("cut through an object") };
    assert!(reason.contains("in use"), "{reason}");
    assert_eq!((segment.size(), segment.limit()), (8 << 20, 8 << 20));
    assert!(matches!(segment.resize(65 << 20), Err(Error::BadArgument { .. })));
    assert!(matches!(segment.resize(1 << 15), Err(Error::BadArgument { .. })));
    assert!(list.load().expect("load").iter().all(|b| *b == 1));
}

#[test]
fn nothing_is_taken_away_from_beneath_a_read_only_attachment() {
    let (_folder, path, segment) = segment(64 << 20);
    let list: Shared<Vec<u8>> = segment.open_or_create("list").expect("list");
    list.store(vec![1; 4 << 20]).expect("store");
    list.store(Vec::new()).expect("store");
    let onlooker = Segment::options().read_only(true).open(&path).expect("open");
    let size = segment.size();
    assert_eq!(segment.shrink_to_usage().expect("shrink"), 0);
    segment.resize(1 << 20).expect("resize");
    assert_eq!((onlooker.limit(), segment.size()), (1 << 20, size));
    assert!(std::fs::metadata(&path).expect("the file").len() >= size);
    drop(onlooker);
    segment.recover().expect("recover");
    assert_eq!(segment.size(), 1 << 20);
    has_length(&path, 1 << 20);
    drop((list, segment));
    assert_eq!(std::fs::metadata(&path).expect("the file").len(), 1 << 20, "closed, it is longer than what is used");
}

#[test]
fn a_file_of_one_size_keeps_it_until_it_is_resized() {
    let (_folder, path) = common::place();
    let options = Segment::options().initial_size(256 << 10).limit(256 << 10);
    let segment = options.create(&path).expect("create");
    let list: Shared<Vec<u8>> = segment.open_or_create("list").expect("list");
    assert!(matches!(list.store(vec![1; 300 << 10]), Err(Error::OutOfSpace { .. })));
    assert_eq!((segment.size(), segment.limit()), (256 << 10, 256 << 10));
    Segment::open(&path).expect("open").resize(512 << 10).expect("resize");
    list.store(vec![1; 300 << 10]).expect("there is room now");
    assert_eq!((segment.size(), segment.limit()), (512 << 10, 512 << 10));
}

#[test]
fn a_full_segment_uses_its_holes_whatever_they_are_cut_into() {
    let (_folder, _path, segment) = segment(8 << 20);
    let lists: Vec<Shared<Vec<u8>>> =
        (0..12).map(|n| segment.open_or_create(&format!("{n}")).expect("a list")).collect();
    lists.iter().for_each(|list| list.store(vec![1; 512 << 10]).expect("store"));
    // Neighbours go one after the other, so that each is a hole of its own.
    for list in &lists[2..8] {
        list.store(Vec::new()).expect("store");
        segment.shrink_to_usage().expect("shrink");
    }
    lists[2].store(vec![2; 2 << 20]).expect("one that needs several holes");
    lists[3].store(vec![3; 512 << 10]).expect("and one that needs one");
    assert!(lists[2].load().expect("load").iter().all(|b| *b == 2));
    assert!(lists[11].load().expect("load").iter().all(|b| *b == 1));
}

/// Reads everything again and again, until it is dismissed.
fn walker(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open("map").expect("map");
    let dismissed = stage.until_dismissed();
    stage.say("walking");
    let mut rounds = 0u64;
    while !dismissed.load(std::sync::atomic::Ordering::Relaxed) {
        let guard = map.read().expect("lock");
        for (key, bytes) in guard.iter() {
            assert!(bytes.iter().all(|b| *b == *key as u8), "value {key} is damaged");
        }
        drop(guard);
        segment.stats().expect("stats");
        rounds += 1;
    }
    stage.say(rounds);
}

#[test]
fn readers_walk_on_while_the_file_shrinks_and_grows_beneath_them() {
    let (_folder, path, segment) = segment(1 << 30);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("map");
    let fill = |keys: std::ops::Range<u64>, length: usize| {
        let mut map = map.write().expect("lock");
        for key in keys {
            map.insert(key, vec![key as u8; length]).expect("insert");
        }
    };
    fill(0..200, 3000);
    let mut walkers: Vec<Player> = (0..2).map(|_| Player::start("walker", &[text(&path)])).collect();
    walkers.iter_mut().for_each(|walker| walker.expect("walking"));
    let mut given = 0;
    for round in 0..9 {
        fill(200..300, 50_000 + round * 1000);
        map.write().expect("lock").retain(|key, _| *key < 200).expect("retain");
        given += segment.shrink_to_usage().expect("shrink");
        if round % 3 == 2 {
            segment.resize(segment.size() + (16 << 20)).expect("grow");
            segment.resize(segment.size() - (16 << 20)).expect("shrink");
            segment.resize(512 << 20).expect("grow");
        }
    }
    assert!(given > 9 * (3 << 20), "only {given} bytes were given back beside the readers");
    for mut walker in walkers {
        walker.dismiss();
        assert!(walker.hear().parse::<u64>().expect("a number") > 0);
        walker.end_well();
    }
}

/// Shrinks and grows until it is killed.
fn shrinker(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    stage.say("at it");
    loop {
        segment.shrink_to_usage().expect("shrink");
        segment.resize(32 << 20).expect("grow");
        if let Err(error) = segment.resize(12 << 20) {
            assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
        }
    }
}

/// Makes and drops values until it is killed.
fn growing(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open("map").expect("map");
    stage.say("at it");
    for n in 0u64.. {
        map.write().expect("lock").insert(1000 + n % 40, vec![n as u8; (n * 7919 % 100_000) as usize]).expect("insert");
        map.write().expect("lock").remove(&(1000 + n * 7 % 40)).expect("remove");
    }
}

#[test]
fn killed_while_they_shrink_and_grow_they_leave_all_whole() {
    let (_folder, path, segment) = segment(64 << 20);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("map");
    let empty = segment.stats().expect("stats").allocated;
    for key in 0..100 {
        map.write().expect("lock").insert(key, vec![key as u8; 20_000]).expect("insert");
    }
    for round in 0..8u64 {
        let mut players = ["shrinker", "growing"].map(|role| Player::start(role, &[text(&path)]));
        players.iter_mut().for_each(|player| player.expect("at it"));
        // Some way into it; how far is left to chance.
        for key in 0..round * 40 {
            let key = key % 100;
            map.write().expect("lock").insert(key, vec![key as u8; 20_000]).expect("insert");
        }
        players.iter_mut().for_each(Player::kill);
        segment.recover().expect("recover");
        assert!(segment.size() <= segment.limit(), "a resize was neither finished nor undone");
        assert!(segment.limit() == 32 << 20 || segment.limit() == 12 << 20 || segment.limit() == 64 << 20);
        let guard = map.read().expect("lock");
        assert!(
            (0..100).all(|key| guard.get(&key).is_some_and(|v| v.len() == 20_000 && v.iter().all(|b| *b == key as u8)))
        );
    }
    map.store(HashMap::new()).expect("store");
    segment.shrink_to_usage().expect("shrink");
    assert_eq!(segment.stats().expect("stats").allocated, empty, "pages leaked");
    // The slots and logs of those who were killed stay where they are.
    assert!(segment.size() < 4 << 20, "{} bytes are still there", segment.size());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u32),
    Remove(u8),
    Clear,
    Shrink,
    Resize(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<u8>(), 0..60_000u32).prop_map(|(key, length)| Step::Insert(key, length)),
        4 => any::<u8>().prop_map(Step::Remove),
        1 => Just(Step::Clear),
        3 => Just(Step::Shrink),
        2 => (64..16_384u32).prop_map(Step::Resize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn content_survives_any_order_of_growing_and_shrinking(steps in prop::collection::vec(step(), 1..40)) {
        let (_folder, path, first) = segment(64 << 20);
        let second = Segment::open(&path).expect("open");
        let both: [(&Segment, Shared<BTreeMap<u8, Vec<u8>>>); 2] =
            [&first, &second].map(|segment| (segment, segment.open_or_create("map").expect("map")));
        let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (turn, step) in steps.into_iter().enumerate() {
            let (segment, map) = &both[turn % 2];
            match step {
                Step::Insert(key, length) => {
                    let value = vec![key ^ turn as u8; length as usize];
                    match map.write().expect("lock").insert(key, value.clone()) {
                        Ok(_) => drop(model.insert(key, value)),
                        Err(error) => prop_assert!(matches!(error, Error::OutOfSpace { .. }), "{error}"),
                    }
                }
                Step::Remove(key) => {
                    let removed = map.write().expect("lock").remove(&key).expect("remove");
                    prop_assert_eq!(removed, model.remove(&key));
                }
                Step::Clear => {
                    map.write().expect("lock").clear().expect("clear");
                    model.clear();
                }
                Step::Shrink => {
                    segment.shrink_to_usage().expect("shrink");
                },
                Step::Resize(kib) => {
                    let bytes = u64::from(kib).next_multiple_of(4) << 10;
                    match segment.resize(bytes) {
                        Ok(()) => prop_assert_eq!((first.size(), second.limit()), (bytes, bytes)),
                        Err(error) => prop_assert!(matches!(error, Error::OutOfSpace { .. }), "{error}"),
                    }
                }
            }
            let (_, other) = &both[(turn + 1) % 2];
            prop_assert!(other.load().expect("load") == model, "after step {turn}");
        }
    }
}
