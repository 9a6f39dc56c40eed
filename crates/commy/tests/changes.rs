//! Rings of changes: each committed change is told once and in order, and nothing else is.

mod common;

use common::{LONG, Player, SOON, Stage, play, segment, text};
use commy::{Change, Changes, Error, Mapped, Operation, Segment, Share, Shared};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use Operation::{Changed, Cleared, Inserted, Other, Removed, Replaced};

#[test]
fn role() {
    play(&[("writer", writer), ("witness", witness)]);
}

/// What has been noted, without waiting.
fn noted<T: Mapped>(changes: &mut Changes<T>) -> Vec<(Operation, Option<T::Key>)> {
    let next = || changes.next(Duration::ZERO).expect("the next change");
    std::iter::from_fn(next).map(|change| (change.operation(), change.key().expect("its key"))).collect()
}

fn operations<T: Share>(changes: &mut Changes<T>) -> Vec<Operation> {
    std::iter::from_fn(|| changes.next(Duration::ZERO).expect("the next change")).map(|c| c.operation()).collect()
}

/// Calls of what maps of both kinds have.
macro_rules! each_operation {
    ($map:ty) => {{
        let (_folder, path, segment) = segment(1 << 26);
        let map: Shared<$map> = segment.object("map").changes(100).open_or_create().unwrap();
        // The other one opens it as usual.
        let other = Segment::open(&path).unwrap();
        let other: Shared<$map> = other.open_or_create("map").unwrap();
        let mut changes = map.changes().unwrap();
        let key = |n: usize| format!("key {n} ").repeat(n);

        other.insert(key(1), vec![1]).unwrap();
        other.insert(key(1), vec![2]).unwrap();
        other.insert(key(9), vec![9]).unwrap();
        other.remove("no such key").unwrap();
        other.remove(&key(1)).unwrap();
        let expected = |expected: Vec<(Operation, usize)>| -> Vec<_> {
            let name = |n| (n > 0).then(|| key(n));
            expected.into_iter().map(|(operation, n)| (operation, name(n))).collect()
        };
        let first = vec![(Inserted, 1), (Changed, 1), (Inserted, 9), (Removed, 1)];
        assert_eq!(noted(&mut changes), expected(first));
        {
            let mut view = other.write().unwrap();
            view.get_mut(&key(9)).unwrap().push(10).unwrap();
            view.entry(key(2)).unwrap().or_default().unwrap().push(1).unwrap();
            view.entry(key(2)).unwrap().or_default().unwrap().push(2).unwrap();
            view.entry_or_insert(&key(3), vec![]).unwrap();
            view.extend([(key(2), vec![5]), (key(4), vec![])]).unwrap();
            view.get_disjoint_mut([&key(2), &key(3)]).unwrap();
            assert!(view.remove_entry(&key(9)).unwrap().is_some());
        }
        let second = vec![
            (Changed, 9),
            (Inserted, 2),
            (Changed, 2),
            (Inserted, 3),
            (Changed, 2),
            (Inserted, 4),
            (Changed, 2),
            (Changed, 3),
            (Removed, 9),
        ];
        assert_eq!(noted(&mut changes), expected(second));
        {
            let mut view = other.write().unwrap();
            view.retain(|key, _| !key.starts_with("key 4")).unwrap();
            view.values_mut().for_each(|value| value.push(7).unwrap());
            view.clear().unwrap();
            view.clear().unwrap();
        }
        other.store([(key(5), vec![])].into()).unwrap();
        let third = vec![(Other, 0), (Removed, 4), (Other, 0), (Cleared, 0), (Replaced, 0)];
        assert_eq!(noted(&mut changes), expected(third));
    }};
}

#[test]
fn no_operation_of_a_hash_map_goes_without_its_note() {
    each_operation!(HashMap<String, Vec<u64>>);
}

#[test]
fn no_operation_of_an_ordered_map_goes_without_its_note() {
    each_operation!(BTreeMap<String, Vec<u64>>);
}

#[test]
fn moving_entries_between_maps_is_noted_of_both() {
    let (_folder, _, segment) = segment(1 << 26);
    let make = |name| -> Shared<BTreeMap<u32, u32>> { segment.object(name).changes(10).open_or_create().unwrap() };
    let (a, b) = (make("a"), make("b"));
    a.extend([(1, 1), (2, 2)]).unwrap();
    b.extend([(2, 9), (3, 3)]).unwrap();
    let (mut of_a, mut of_b) = (a.changes().unwrap(), b.changes().unwrap());
    segment.transaction(|tx| tx.write(&a)?.append(&mut tx.write(&b)?)).unwrap();
    assert_eq!(noted(&mut of_a), [(Changed, Some(2)), (Inserted, Some(3))]);
    assert_eq!(noted(&mut of_b), [(Cleared, None)]);
    assert_eq!(a.write().unwrap().split_off(&2).unwrap(), BTreeMap::from([(2, 9), (3, 3)]));
    assert_eq!(noted(&mut of_a), [(Removed, Some(3)), (Removed, Some(2))]);
}

#[test]
fn elements_of_sets_are_noted_when_they_come_and_go_and_only_then() {
    let (_folder, _, segment) = segment(1 << 26);
    macro_rules! set {
        ($set:ty) => {{
            let set: Shared<$set> = segment.object(stringify!($set)).changes(10).open_or_create().unwrap();
            let mut changes = set.changes().unwrap();
            let before = set.version();
            set.insert((1, 'a')).unwrap();
            set.insert((1, 'a')).unwrap();
            set.insert((2, 'b')).unwrap();
            set.write().unwrap().retain(|element| *element.0 == 2).unwrap();
            let all = [(Inserted, Some((1, 'a'))), (Inserted, Some((2, 'b'))), (Removed, Some((1, 'a')))];
            assert_eq!(noted(&mut changes), all);
            assert!(set.version() <= before + 4);
        }};
    }
    set!(HashSet<(u8, char)>);
    set!(BTreeSet<(u8, char)>);
}

#[test]
fn of_other_types_each_transaction_that_changes_something_is_noted_once() {
    let (_folder, _, segment) = segment(1 << 26);
    let list: Shared<Vec<u64>> = segment.object("list").changes(10).open_or_create().unwrap();
    let queue: Shared<VecDeque<String>> = segment.object("queue").changes(10).open_or_create().unwrap();
    let nested: Shared<(u32, HashMap<u32, u32>)> = segment.object("nested").changes(10).open_or_create().unwrap();
    let first: Shared<(HashMap<u32, u32>, u32)> = segment.object("first").changes(10).open_or_create().unwrap();
    let (mut of_list, mut of_queue) = (list.changes().unwrap(), queue.changes().unwrap());
    let (mut of_nested, mut of_first) = (nested.changes().unwrap(), first.changes().unwrap());
    list.push(1).unwrap();
    list.pop().unwrap();
    {
        let mut list = list.write().unwrap();
        (0..5).for_each(|n| list.push(n).unwrap());
    }
    list.store(vec![7]).unwrap();
    drop(list.write().unwrap());
    queue.push_back("one".into()).unwrap();
    queue.pop_front().unwrap();
    queue.pop_front().unwrap();
    nested.write().unwrap().view_mut().1.insert(1, 1).unwrap();
    first.write().unwrap().view_mut().0.insert(1, 1).unwrap();
    assert_eq!(operations(&mut of_list), [Other, Other, Other, Replaced]);
    assert_eq!(operations(&mut of_queue), [Other, Other]);
    assert_eq!(operations(&mut of_nested), [Other]);
    assert_eq!(operations(&mut of_first), [Other], "a map that lies where its struct begins is not the object");
}

#[test]
fn what_is_rolled_back_leaves_no_note() {
    let (_folder, _, segment) = segment(1 << 22);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.object("map").changes(4).open_or_create().unwrap();
    map.insert(1, vec![1]).unwrap();
    let mut changes = map.changes().unwrap();
    let mut guard = map.write().unwrap();
    (0..20).for_each(|n| drop(guard.insert(n, vec![2]).unwrap()));
    guard.rollback();
    let panicked = std::panic::catch_unwind(|| {
        let mut guard = map.write().unwrap();
        guard.insert(5, vec![3]).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    let refused: commy::Result<()> = segment.transaction(|tx| {
        tx.write(&map)?.remove(&1)?;
        Err(Error::ReadOnly)
    });
    assert!(refused.is_err());
    assert!(changes.next(Duration::ZERO).unwrap().is_none());
    // A part of a transaction that failed is undone with its notes; the rest stays.
    {
        let mut guard = map.write().unwrap();
        guard.insert(2, vec![2]).unwrap();
        let too_much = guard.extend([(3, vec![3]), (4, vec![0; 1 << 23])]);
        assert!(matches!(too_much, Err(Error::OutOfSpace { .. })), "{too_much:?}");
        let too_much = guard.insert(6, vec![0; 1 << 23]);
        assert!(matches!(too_much, Err(Error::OutOfSpace { .. })), "{too_much:?}");
    }
    assert_eq!(noted(&mut changes), [(Inserted, Some(2))]);
    // What was overwritten by notes that were rolled back is there again.
    let all: Vec<_> = noted(&mut map.changes_since(0).unwrap());
    assert_eq!(all, [(Inserted, Some(1)), (Inserted, Some(2))]);
    assert_eq!(segment.check_objects().unwrap(), []);
}

#[test]
fn who_is_too_slow_is_told_how_many_it_missed_and_goes_on_with_the_oldest_left() {
    let (_folder, _, segment) = segment(1 << 22);
    let map: Shared<BTreeMap<u64, u64>> = segment.object("map").changes(10).open_or_create().unwrap();
    let mut changes = map.changes().unwrap();
    let mut behind = map.changes().unwrap();
    let mut keys = 0..;
    for round in 0..50u64 {
        let many = round % 11;
        let expected: Vec<u64> = keys.by_ref().take(many as usize).collect();
        expected.iter().for_each(|n| assert_eq!(map.insert(*n, 0).unwrap(), None));
        if many > 10 {
            continue;
        }
        let seen: Vec<u64> = noted(&mut changes).into_iter().map(|(_, key)| key.unwrap()).collect();
        assert_eq!(seen, expected, "of {many} in round {round}");
    }
    let written = keys.next().unwrap();
    let version = map.version();
    assert!(matches!(behind.next(LONG), Err(Error::Lagged { missed, .. }) if missed == written - 10));
    let left: Vec<u64> = noted(&mut behind).into_iter().map(|(_, key)| key.unwrap()).collect();
    assert_eq!(left, (written - 10..written).collect::<Vec<_>>());
    let mut late = map.changes_since(version - 3).unwrap();
    assert_eq!(noted(&mut late).len(), 3);
    assert_eq!(noted(&mut map.changes_since(version - 10).unwrap()).len(), 10);
    let mut too_late = map.changes_since(version - 11).unwrap();
    assert!(matches!(too_late.next(LONG), Err(Error::Lagged { missed: 1, .. })));
    assert_eq!(noted(&mut too_late).len(), 10);
    // More in one transaction than the ring has room for.
    map.extend((0..100).map(|n| (n, 1))).unwrap();
    assert!(matches!(late.next(LONG), Err(Error::Lagged { missed: 90, .. })));
    assert_eq!(noted(&mut late).len(), 10);
}

#[test]
fn keys_that_cannot_be_noted_are_told_to_be_such() {
    let (_folder, _, segment) = segment(1 << 22);
    let texts: Shared<HashMap<String, u8>> = segment.object("texts").changes(2).open_or_create().unwrap();
    let lists: Shared<BTreeMap<(String, u8), u8>> = segment.object("lists").changes(2).open_or_create().unwrap();
    let (mut of_texts, mut of_lists) = (texts.changes().unwrap(), lists.changes().unwrap());
    texts.insert("k".repeat(1024), 1).unwrap();
    texts.insert("k".repeat(1025), 1).unwrap();
    lists.insert(("a".into(), 1), 1).unwrap();
    let whole = of_texts.next(SOON).unwrap().unwrap();
    assert!(!whole.is_untold() && whole.key().unwrap() == Some("k".repeat(1024)));
    let untold = |change: &Change<HashMap<String, u8>>| change.is_untold() && change.key().unwrap().is_none();
    assert!(untold(&of_texts.next(SOON).unwrap().unwrap()));
    let change = of_lists.next(SOON).unwrap().unwrap();
    assert!(change.is_untold() && change.operation() == Inserted && change.key().unwrap().is_none());
}

#[test]
fn a_ring_is_asked_for_when_the_object_is_made_and_not_later() {
    let (_folder, _, segment) = segment(1 << 22);
    let plain: Shared<Vec<u64>> = segment.open_or_create("list").unwrap();
    assert!(matches!(plain.changes(), Err(Error::NoChanges { .. })));
    let refused = segment.object("list").changes(5).open_or_create::<Vec<u64>>();
    assert!(matches!(refused, Err(Error::NoChanges { .. })));
    let refused = segment.object("none").changes(0).open_or_create::<Vec<u64>>();
    assert!(matches!(refused, Err(Error::BadArgument { .. })));
    let refused = segment.object("none").changes(u64::MAX).open_or_create::<Vec<u64>>();
    assert!(matches!(refused, Err(Error::BadArgument { .. })));
    let refused = segment.object("none").changes(1 << 30).open_or_create::<Vec<u64>>();
    assert!(matches!(refused, Err(Error::OutOfSpace { .. })));
    assert_eq!(segment.objects().unwrap(), ["list"]);
}

#[test]
fn a_removed_object_takes_its_ring_along_and_the_next_one_is_not_taken_for_it() {
    let (_folder, _, segment) = segment(1 << 24);
    let make = || -> Shared<HashMap<u64, String>> { segment.object("map").changes(1000).open_or_create().unwrap() };
    let used = || segment.stats().unwrap().allocated;
    drop(make());
    segment.remove("map").unwrap();
    let before = used();
    for many in [1u64, 500] {
        let map = make();
        map.extend((0..many).map(|n| (n, "text".repeat(5)))).unwrap();
        assert!(segment.object_size("map").unwrap() > 1000 * 3 * 8);
        assert_eq!(segment.check_objects().unwrap(), []);
        let mut changes = map.changes().unwrap();
        segment.rename("map", "other").unwrap();
        map.insert(0, "renamed".into()).unwrap();
        assert_eq!(noted(&mut changes), [(Changed, Some(0))]);
        segment.remove("other").unwrap();
        assert!(matches!(changes.next(LONG), Err(Error::Removed { .. })));
        let next: Shared<HashMap<u64, String>> = segment.open_or_create("map").unwrap();
        assert!(matches!(map.changes(), Err(Error::Removed { .. })));
        assert!(matches!(next.changes(), Err(Error::NoChanges { .. })));
        segment.remove("map").unwrap();
        segment.recover().unwrap();
        assert_eq!(used(), before, "{many}");
    }
}

#[test]
fn changes_are_read_through_attachments_that_are_read_only_and_from_snapshots() {
    let (folder, path, segment) = segment(1 << 24);
    let map: Shared<HashMap<u64, u64>> = segment.object("map").changes(10).open_or_create().unwrap();
    let onlooker = Segment::options().read_only(true).open(&path).unwrap();
    let seen: Shared<HashMap<u64, u64>> = onlooker.open("map").unwrap();
    let mut changes = seen.changes().unwrap();
    map.insert(1, 1).unwrap();
    assert_eq!(changes.next(LONG).unwrap().unwrap().key().unwrap(), Some(1));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| changes.next(LONG).unwrap().unwrap().key().unwrap());
        map.insert(2, 2).unwrap();
        assert_eq!(waiting.join().unwrap(), Some(2));
    });
    let copy = folder.path().join("copy.commy");
    segment.snapshot(&copy).unwrap();
    let copy = Segment::open(&copy).unwrap();
    let copied: Shared<HashMap<u64, u64>> = copy.open("map").unwrap();
    assert_eq!(noted(&mut copied.changes_since(0).unwrap()).len(), 2);
    copied.insert(3, 3).unwrap();
    assert_eq!(noted(&mut copied.changes_since(0).unwrap()).len(), 3);
    assert_eq!(copy.check_objects().unwrap(), []);
}

/// Inserts its keys, one after another, in transactions of one to three; goes on where it was killed.
fn writer(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).unwrap();
    let map: Shared<BTreeMap<u64, u64>> = segment.open("map").unwrap();
    let number = stage.number(1);
    let done = || map.read().unwrap().range(number << 32..(number + 1) << 32).next_back().map(|(key, _)| *key);
    let mut next = done().map_or(number << 32, |key| key + 1);
    let end = (number << 32) + stage.number(2);
    stage.say("ready");
    while next < end {
        let mut guard = map.write().unwrap();
        for _ in 0..=next % 3 {
            guard.insert(next, 0).unwrap();
            next += 1;
        }
    }
}

/// Tells, at the end, what it saw of each writer.
fn witness(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).unwrap();
    let map: Shared<BTreeMap<u64, u64>> = segment.open("map").unwrap();
    let mut changes = map.changes().unwrap();
    stage.say("ready");
    let mut expected: Vec<u64> = (0..WRITERS).map(|number| number << 32).collect();
    let (mut version, mut seen) = (0, 0);
    while let Some(change) = changes.next(LONG).unwrap() {
        if change.operation() == Removed {
            break;
        }
        let key = change.key().unwrap().unwrap();
        let next = &mut expected[(key >> 32) as usize];
        assert_eq!((change.operation(), key), (Inserted, *next), "after {seen} changes");
        *next += 1;
        assert!(change.version() >= version);
        version = change.version();
        seen += 1;
    }
    stage.say(format!("{seen}"));
}

const WRITERS: u64 = 3;

#[test]
fn a_watcher_sees_each_change_once_and_in_order_while_writers_are_killed() {
    const EACH: u64 = 20_000;
    let (_folder, path, segment) = segment(1 << 28);
    let map: Shared<BTreeMap<u64, u64>> = segment.object("map").changes(WRITERS * EACH * 2).open_or_create().unwrap();
    let mut witness = Player::start("witness", &[text(&path)]);
    witness.expect("ready");
    let start = |number: u64| {
        let mut writer = Player::start("writer", &[text(&path), &number.to_string(), &EACH.to_string()]);
        writer.expect("ready");
        writer
    };
    let writers: Vec<Player> = (1..WRITERS).map(start).collect();
    for kill in 0..10 {
        let victim = start(0);
        // Somewhere in the midst of its work.
        let from = map.version();
        while map.version() < from + 50 + kill * 7 && map.read().unwrap().len() < (WRITERS * EACH) as usize {
            map.wait(map.version(), Duration::from_millis(1)).unwrap();
        }
        drop(victim);
    }
    start(0).end_well();
    writers.into_iter().for_each(Player::end_well);
    let all = map.len().unwrap();
    assert!(all >= (WRITERS * EACH) as usize);
    map.remove(&(1 << 32)).unwrap();
    assert_eq!(witness.hear(), all.to_string());
    assert_eq!(segment.check_objects().unwrap(), []);
}

/// A change of a map through a guard: what, and of which key.
type Step = (u8, u64, u64);

fn apply<K, V: Steps<K> + ?Sized>(view: &mut V, steps: &[Step], key: impl Fn(u64) -> K) {
    for (what, at, number) in steps {
        view.step(*what, key(*at), *number);
    }
}

/// What the model test does to maps of both kinds.
trait Steps<K> {
    fn step(&mut self, what: u8, key: K, number: u64);
}

macro_rules! steps {
    ($view:ident) => {
        impl<K: commy::Lookup<K> + Ord + Clone> Steps<K> for commy::views::$view<K, Vec<u64>> {
            fn step(&mut self, what: u8, key: K, number: u64) {
                match what {
                    0..=2 => drop(self.insert(key, vec![number]).unwrap()),
                    3..=4 => drop(self.remove(&key).unwrap()),
                    5 => self.get_mut(&key).map_or((), |value| value.push(number).unwrap()),
                    6 => self.entry(key).unwrap().or_default().unwrap().push(number).unwrap(),
                    7 => self.values_mut().for_each(|value| value.push(number).unwrap()),
                    8 => self.retain(|_, value| value.len() as u64 % 3 != number % 3).unwrap(),
                    9 => self.clear().unwrap(),
                    10 => drop(self.remove_entry(&key).unwrap()),
                    11 => drop(self.entry(key).unwrap().insert_entry(vec![number, 1]).unwrap()),
                    _ => self.extend([(key.clone(), vec![number]), (key, vec![number, 2])]).unwrap(),
                }
            }
        }
    };
}
steps!(HashMapView);
steps!(BTreeMapView);

/// Keeps a copy by the changes alone: of each key that is named the value is fetched, of others everything.
macro_rules! mirrored {
    ($map:ident<$key:ty>, $groups:expr, $name:expr) => {{
        let (_folder, path, segment) = segment(1 << 26);
        let map: Shared<$map<$key, Vec<u64>>> = segment.object("map").changes(200).open_or_create().unwrap();
        let other = Segment::open(&path).unwrap();
        let other: Shared<$map<$key, Vec<u64>>> = other.open("map").unwrap();
        let mut changes = map.changes().unwrap();
        let mut copy: $map<$key, Vec<u64>> = Default::default();
        for (number, (steps, keep)) in $groups.iter().enumerate() {
            let mut guard = if number % 2 == 0 { map.write().unwrap() } else { other.write().unwrap() };
            apply(&mut *guard, steps, $name);
            if *keep {
                guard.commit().unwrap()
            } else {
                guard.rollback()
            }
            while let Some(change) = changes.next(Duration::ZERO).unwrap() {
                follow(&mut copy, &map.load().unwrap(), &change);
            }
            prop_assert_eq!(&copy, &map.load().unwrap());
        }
        prop_assert_eq!(segment.check_objects().unwrap(), []);
    }};
}

/// What a copy of a map needs to follow it.
trait Pairs<K>: Clone {
    /// Takes over what the key has now.
    fn follow(&mut self, now: &Self, key: K);
}

macro_rules! pairs {
    ($map:ident: $($bound:ident)+) => {
        impl<K: Clone $(+ $bound)+> Pairs<K> for $map<K, Vec<u64>> {
            fn follow(&mut self, now: &Self, key: K) {
                match now.get(&key) {
                    Some(value) => drop(self.insert(key, value.clone())),
                    None => drop(self.remove(&key)),
                }
            }
        }
    };
}
pairs!(HashMap: Eq Hash);
pairs!(BTreeMap: Ord);

fn follow<T: Mapped + Pairs<T::Key>>(copy: &mut T, now: &T, change: &Change<T>) {
    match change.key().unwrap() {
        Some(key) => copy.follow(now, key),
        None => copy.clone_from(now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_copy_kept_by_the_changes_alone_never_differs(
        groups in prop::collection::vec((prop::collection::vec((0u8..13, 0u64..40, any::<u64>()), 0..12), prop::bool::weighted(0.8)), 1..25)
    ) {
        mirrored!(HashMap<u64>, groups, |n| n);
        mirrored!(HashMap<String>, groups, |n| "key".repeat(n as usize));
        mirrored!(BTreeMap<u64>, groups, |n| n);
        mirrored!(BTreeMap<String>, groups, |n| "key".repeat(n as usize));
    }
}
