//! Objects without their Rust types: several in one transaction, and what is noted of their changes.

use commy::dynamic::{Change, Changes, Dynamic, Path, Type, Value};
use commy::{Error, Key, Lookup, Operation, Segment, Share, Shared};
use proptest::prelude::*;
use std::collections::*;
use std::time::Duration;

use Operation::{Changed, Cleared, Inserted, Other, Removed, Replaced};

fn segment() -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    (dir, segment)
}

fn noted(changes: &mut Changes) -> Vec<(Operation, Option<Value>)> {
    let next = || changes.next(Duration::ZERO).unwrap();
    std::iter::from_fn(next).map(|change: Change| (change.operation(), change.key().unwrap())).collect()
}

#[test]
fn half_of_a_transaction_over_objects_without_types_stays_when_it_fails() {
    let (_dir, segment) = segment();
    let words: Shared<HashMap<String, Vec<u32>>> = segment.open_or_create("words").unwrap();
    let list: Shared<Vec<String>> = segment.open_or_create_with("list", || vec!["a".into()]).unwrap();
    let (by_words, by_list) = (segment.dynamic("words").unwrap(), segment.dynamic("list").unwrap());
    let versions = || (by_words.version(), by_list.version());
    let before = versions();
    let failed = segment.transaction(|tx| {
        let mut words = tx.write_dynamic(&by_words)?;
        words.set("one", &vec![Value::from(1u8)].into())?;
        tx.write_dynamic(&by_list)?.push("", &"b".into())?;
        words.push("one", &"no number".into())
    });
    assert!(matches!(failed, Err(Error::BadValue { .. })), "{failed:?}");
    assert_eq!(versions(), before);
    assert_eq!((words.load().unwrap(), list.load().unwrap()), (HashMap::new(), vec!["a".to_string()]));

    // The same object twice, and one of another segment, are refused, and undo what was done before.
    let (_other_dir, other) = self::segment();
    let foreign = other.create_dynamic("x", &"u8".parse::<Type>().unwrap(), &0u8.into()).unwrap();
    let twice = segment.transaction(|tx| {
        tx.write_dynamic(&by_list)?.clear("")?;
        tx.write_dynamic(&by_list).map(drop)
    });
    assert!(matches!(twice, Err(Error::Deadlock { .. })), "{twice:?}");
    let elsewhere = segment.transaction(|tx| {
        tx.write_dynamic(&by_list)?.clear("")?;
        tx.write_dynamic(&foreign).map(drop)
    });
    assert!(matches!(elsewhere, Err(Error::BadArgument { .. })), "{elsewhere:?}");
    assert_eq!(list.load().unwrap(), ["a"]);

    // With types and without in one.
    segment
        .transaction(|tx| {
            tx.write(&words)?.insert("one".into(), vec![1])?;
            tx.write_dynamic(&by_list)?.push("", &"b".into())
        })
        .unwrap();
    assert_eq!(versions(), (before.0 + 1, before.1 + 1));
    assert_eq!(list.load().unwrap(), ["a", "b"]);
}

#[test]
fn a_condition_on_a_version_is_true_of_another_moment_than_the_change() {
    // Many threads count by reading, then writing only if nobody has changed the object since.
    let (_dir, segment) = segment();
    segment.open_or_create_with("count", || 0u64).unwrap();
    segment.open_or_create_with("log", Vec::<u64>::new).unwrap();
    let add = |segment: &Segment| {
        let (count, log) = (segment.dynamic("count").unwrap(), segment.dynamic("log").unwrap());
        for _ in 0..50 {
            loop {
                let (version, Value::Unsigned(now)) = (count.version(), count.load().unwrap()) else { panic!() };
                let done = segment.transaction_retry(1000, |tx| {
                    let mut place = tx.write_dynamic(&count)?;
                    tx.write_dynamic(&log)?.push("", &Value::Unsigned(now))?;
                    if count.version() != version {
                        return Err(Error::other("changed"));
                    }
                    place.set("", &Value::Unsigned(now + 1))
                });
                match done {
                    Ok(()) => break,
                    Err(Error::Other(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| add(&segment)))));
    assert_eq!(segment.open::<u64>("count").unwrap().load().unwrap(), 200);
    assert_eq!(segment.open::<Vec<u64>>("log").unwrap().load().unwrap(), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_change_without_the_type_is_noted_otherwise_than_one_with_it() {
    let (_dir, segment) = segment();
    fn run<M: Share + Default>(segment: &Segment, name: &str) {
        segment.object(name).changes(100).open_or_create::<M>().unwrap();
        let object = segment.dynamic(name).unwrap();
        let mut changes = object.changes().unwrap();
        let version = object.version();
        let list = |all: &[u8]| Value::List(all.iter().map(|n| (*n).into()).collect());
        object.write().unwrap().set("a", &list(&[1])).unwrap();
        object.write().unwrap().set("a", &list(&[2])).unwrap();
        let long = "long ".repeat(40);
        assert!(object.write().unwrap().insert(long.as_str(), &list(&[])).unwrap());
        // What changes nothing is not noted.
        assert!(!object.write().unwrap().insert("a", &list(&[])).unwrap());
        assert_eq!(object.write().unwrap().remove("none").unwrap(), None);
        assert_eq!(object.write().unwrap().remove("a/7").unwrap(), None);
        assert!(object.write().unwrap().set("b/0", &1u8.into()).is_err());
        object.write().unwrap().push("a", &3u8.into()).unwrap();
        object.write().unwrap().remove("a").unwrap();
        object.write().unwrap().clear("").unwrap();
        object.write().unwrap().set("", &Value::Map(vec![("z".into(), list(&[9]))])).unwrap();
        let mut undone = object.write().unwrap();
        undone.set("undone", &list(&[])).unwrap();
        undone.rollback();
        let name = |key: &str| Some(Value::from(key));
        let all = vec![
            (Inserted, name("a")),
            (Changed, name("a")),
            (Inserted, name(&long)),
            (Changed, name("a")),
            (Removed, name("a")),
            (Cleared, None),
            (Replaced, None),
        ];
        assert_eq!(noted(&mut changes), all);
        assert_eq!(noted(&mut object.changes_since(version).unwrap()), all);
        assert_eq!(noted(&mut object.changes_since(version + 3).unwrap()), all[3..]);
    }
    run::<HashMap<String, Vec<u8>>>(&segment, "hash");
    run::<BTreeMap<String, Vec<u8>>>(&segment, "tree");

    let tree = segment.dynamic("tree").unwrap();
    let mut changes = tree.changes().unwrap();
    tree.write().unwrap().pop("").unwrap().unwrap();
    assert_eq!(noted(&mut changes), [(Removed, Some("z".into()))]);

    // Of what is no map, only that something was done.
    segment.object("list").changes(100).open_or_create::<Vec<u8>>().unwrap();
    let list = segment.dynamic("list").unwrap();
    let mut changes = list.changes().unwrap();
    segment.transaction(|tx| tx.write_dynamic(&list)?.push("", &1u8.into())).unwrap();
    assert_eq!(noted(&mut changes), [(Other, None)]);
    assert!(matches!(segment.dynamic("count"), Err(Error::NotFound { .. })));
    segment.open_or_create::<u64>("count").unwrap();
    assert!(matches!(segment.dynamic("count").unwrap().changes(), Err(Error::NoChanges { .. })));
}

#[derive(Share, Key, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Id {
    None,
    Number(u64, i8),
    Pair { at: [u16; 2], known: Option<bool> },
}

#[test]
fn a_noted_key_is_another_one_as_a_value() {
    let (_dir, segment) = segment();
    fn keys<K: Key + Lookup<K> + Ord + Clone>(segment: &Segment, name: &str, all: Vec<K>) {
        let typed: Shared<BTreeMap<K, u8>> = segment.object(name).changes(100).open_or_create().unwrap();
        let object = segment.dynamic(name).unwrap();
        let mut changes = object.changes().unwrap();
        for key in &all {
            typed.write().unwrap().insert(key.clone(), 0).unwrap();
        }
        let named: Vec<Value> = noted(&mut changes).into_iter().map(|(_, key)| key.unwrap()).collect();
        let Value::Map(there) = object.load().unwrap() else { panic!() };
        // In the order of the keys, which is that of the values given.
        assert_eq!(named, there.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
        // And what is put in without the type is noted by the same bytes: it leads to the same entry.
        typed.write().unwrap().clear().unwrap();
        let mut changes = typed.changes().unwrap();
        named.iter().for_each(|key| {
            object.write().unwrap().set(Path::default().then(key.clone()), &1u8.into()).unwrap();
        });
        for key in &all {
            let change = changes.next(Duration::ZERO).unwrap().unwrap();
            assert!(change.operation() == Inserted && change.key().unwrap().as_ref() == Some(key));
        }
    }
    keys(&segment, "numbers", vec![i128::MIN, -1, 0, 7, i128::MAX]);
    keys(&segment, "bools", vec![false, true]);
    keys(&segment, "chars", vec!['a', 'ß', '\u{10ffff}']);
    keys(&segment, "units", vec![()]);
    keys(&segment, "durations", vec![Duration::ZERO, Duration::new(u64::MAX, 999_999_999)]);
    keys(&segment, "texts", vec![String::new(), "Ada".into(), "x".repeat(900)]);
    keys(&segment, "arrays", vec![[1u8, 2, 3], [2, 0, 0]]);
    keys(&segment, "tuples", vec![(1u8, 2u64, 'x'), (2, 1, 'y')]);
    keys(
        &segment,
        "enums",
        vec![
            Id::None,
            Id::Number(1 << 60, -3),
            Id::Pair { at: [1, 2], known: None },
            Id::Pair { at: [1, 2], known: Some(true) },
        ],
    );

    // A key that owns something cannot be noted.
    segment.object("lists").changes(100).open_or_create::<BTreeSet<Vec<u8>>>().unwrap();
    let lists = segment.dynamic("lists").unwrap();
    let mut changes = lists.changes().unwrap();
    lists.write().unwrap().insert("", &vec![1u8].into()).unwrap();
    let change = changes.next(Duration::ZERO).unwrap().unwrap();
    assert!(change.is_untold() && change.operation() == Inserted && change.key().unwrap().is_none());
}

/// Does to a copy what a change says, and looks up what it does not say.
fn follow(copy: &mut BTreeMap<u16, Value>, object: &Dynamic, change: &Change) {
    let number = |key: Value| match key {
        Value::Unsigned(number) => number as u16,
        other => panic!("{other:?}"),
    };
    match (change.operation(), change.key().unwrap()) {
        (Inserted | Changed, Some(key)) => match object.get(Path::default().then(key.clone())).unwrap() {
            Some(value) => drop(copy.insert(number(key), value)),
            None => drop(copy.remove(&number(key))),
        },
        (Removed, Some(key)) => drop(copy.remove(&number(key))),
        (Cleared, None) => copy.clear(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn who_follows_the_changes_has_another_map(steps in prop::collection::vec((0..9u8, 0..40u16, any::<bool>()), 1..200)) {
        let (_dir, segment) = segment();
        let typed: Shared<HashMap<u16, Vec<u16>>> = segment.object("map").changes(1000).open_or_create().unwrap();
        let object = segment.dynamic("map").unwrap();
        let mut changes = object.changes().unwrap();
        for (what, key, together) in steps {
            let (path, value) = (key.to_string(), Value::List(vec![key.into()]));
            if what == 8 {
                typed.write().unwrap().insert(key, vec![]).unwrap();
                continue;
            }
            let done = if together {
                segment.transaction(|tx| step(what, &path, &value, &mut tx.write_dynamic(&object)?))
            } else {
                step(what, &path, &value, &mut object.write().unwrap())
            };
            prop_assert!(done.is_ok());
        }
        let mut copy = BTreeMap::new();
        while let Some(change) = changes.next(Duration::ZERO).unwrap() {
            follow(&mut copy, &object, &change);
        }
        let Value::Map(now) = object.load().unwrap() else { panic!() };
        prop_assert_eq!(copy.len(), now.len());
        for (key, value) in now {
            let Value::Unsigned(key) = key else { panic!() };
            prop_assert_eq!(copy.get(&(key as u16)), Some(&value));
        }
        prop_assert_eq!(segment.check().unwrap(), []);
    }
}

fn step<L>(what: u8, path: &str, value: &Value, view: &mut commy::dynamic::WriteView<'_, L>) -> commy::Result<()> {
    match what {
        0..3 => view.set(path, value),
        3 => view.insert(path, value).map(drop),
        4..6 => view.remove(path).map(drop),
        6 if view.get(path)?.is_some() => view.push(path, &7u16.into()),
        7 if path == "7" => view.clear(""),
        _ => Ok(()),
    }
}
