//! Objects without their types read page by page, while others change them between two pages.

use commy::Segment;
use commy::dynamic::{Bookmark, Dynamic, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

fn number(value: &Value) -> u64 {
    match value {
        Value::Unsigned(number) => *number as u64,
        other => panic!("{other:?}"),
    }
}

/// All pages; `between` is done after each.
fn pages(object: &Dynamic, at_most: usize, mut between: impl FnMut(usize)) -> Vec<(u64, Value)> {
    let (mut all, mut from, mut count) = (Vec::new(), None, 0);
    loop {
        let (page, next) = object.scan("", from.as_ref(), at_most).unwrap();
        all.extend(page.into_iter().map(|(key, value)| (number(&key), value)));
        from = next;
        if from.is_none() {
            return all;
        }
        count += 1;
        assert!(count < 100_000, "the pages have no end");
        between(count);
    }
}

#[test]
fn no_entry_is_missed_or_told_twice_by_pages_of_what_does_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    let many = 1000u64;
    segment.open_or_create_with("vec", || (0..many).collect::<Vec<_>>()).unwrap();
    segment.open_or_create_with("deque", || (0..many).collect::<VecDeque<_>>()).unwrap();
    segment.open_or_create_with("array", || [7u64; 100]).unwrap();
    segment.open_or_create_with("tree", || (0..many).map(|n| (n, n)).collect::<BTreeMap<_, _>>()).unwrap();
    segment.open_or_create_with("ordered", || (0..many).collect::<BTreeSet<_>>()).unwrap();
    segment.open_or_create_with("hash", || (0..many).map(|n| (n, n)).collect::<HashMap<_, _>>()).unwrap();
    segment.open_or_create_with("set", || (0..many).collect::<HashSet<_>>()).unwrap();
    segment.open_or_create_with("empty", HashMap::<u64, u64>::new).unwrap();
    for (name, many) in [
        ("vec", many),
        ("deque", many),
        ("array", 100),
        ("tree", many),
        ("ordered", many),
        ("hash", many),
        ("set", many),
        ("empty", 0),
    ] {
        for at_most in [1, 7, 100, 5000] {
            let read_only = Segment::options().read_only(true).open(segment.path()).unwrap();
            for segment in [&segment, &read_only] {
                let mut found: Vec<u64> =
                    pages(&segment.dynamic(name).unwrap(), at_most, |_| ()).iter().map(|(key, _)| *key).collect();
                if !matches!(name, "hash" | "set") {
                    assert!(found.is_sorted(), "{name}");
                }
                found.sort_unstable();
                assert_eq!(found, (0..many).collect::<Vec<_>>(), "{name}, {at_most} at most");
            }
        }
    }
}

#[test]
fn what_stays_is_told_however_much_comes_and_goes_between_pages() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    let (stays, step) = (500u64, 1000);
    let tree =
        segment.open_or_create_with("tree", || (0..stays).map(|n| (n * step, n)).collect::<BTreeMap<_, _>>()).unwrap();
    let hash =
        segment.open_or_create_with("hash", || (0..stays).map(|n| (n * step, n)).collect::<HashMap<_, _>>()).unwrap();
    // Grows to many times the size and shrinks again, so that tables and nodes are others after each page.
    let change = |count: usize| {
        for n in 0..400u64 {
            let key = (count as u64 % 20) * 40_000 + n * 17 + 1;
            if key % step == 0 {
                continue;
            }
            if count / 20 % 2 == 0 {
                tree.insert(key, 0).unwrap();
                hash.insert(key, 0).unwrap();
            } else {
                tree.remove(&key).unwrap();
                hash.remove(&key).unwrap();
            }
        }
    };
    let mut seen = BTreeMap::new();
    for (key, _) in pages(&segment.dynamic("tree").unwrap(), 20, change) {
        *seen.entry(key).or_insert(0) += 1;
    }
    assert!((0..stays).all(|n| seen.get(&(n * step)) == Some(&1)), "an ordered map: each once");
    let mut seen = HashSet::new();
    seen.extend(pages(&segment.dynamic("hash").unwrap(), 20, change).into_iter().map(|(key, _)| key));
    assert!((0..stays).all(|n| seen.contains(&(n * step))), "a hash map: each once at least");
}

#[test]
fn a_page_behind_a_key_that_is_gone_begins_at_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    let names = ["ada", "bob", "eve"].map(|name| (name.to_owned(), 1u8));
    let tree = segment.open_or_create_with("tree", || BTreeMap::from(names)).unwrap();
    let dynamic = segment.dynamic("tree").unwrap();
    let (_, next) = dynamic.scan("", None, 2).unwrap();
    assert_eq!(next, Some(Bookmark::After("bob".into())));
    tree.remove("bob").unwrap();
    tree.insert("carl".into(), 2).unwrap();
    let (page, next) = dynamic.scan("", next.as_ref(), 2).unwrap();
    assert_eq!(page.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), ["carl".into(), "eve".into()]);
    assert_eq!(next, None);
}

#[test]
fn bookmarks_that_are_none_of_the_container_are_errors_or_lead_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    segment.open_or_create_with("vec", || vec![1u64, 2]).unwrap();
    segment.open_or_create_with("tree", || BTreeMap::from([(1u64, 1u64)])).unwrap();
    segment.open_or_create_with("hash", || HashMap::from([(1u64, 1u64)])).unwrap();
    let scan = |name: &str, from: Bookmark| segment.dynamic(name).unwrap().scan("", Some(&from), 10);
    let other = [Bookmark::Index(0), Bookmark::After(Value::Unsigned(0)), Bookmark::Group(0)];
    for (at, name) in ["vec", "tree", "hash"].into_iter().enumerate() {
        for (which, from) in other.iter().enumerate() {
            assert_eq!(scan(name, from.clone()).is_ok(), at == which, "{name}, {from:?}");
        }
    }
    for far in [2, 3, u64::MAX / 2, u64::MAX] {
        assert_eq!(scan("vec", Bookmark::Index(far)).unwrap(), (vec![], None));
    }
    assert_eq!(scan("tree", Bookmark::After(Value::Unsigned(u128::from(u64::MAX)))).unwrap(), (vec![], None));
    assert!(scan("tree", Bookmark::After("a text".into())).is_err());
    // Any number is a group: of a table of one group there is the one.
    assert_eq!(scan("hash", Bookmark::Group(u64::MAX)).unwrap().1, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The pages of the described map are those of the typed one: the same groups, in tables that are on the move, too.
    #[test]
    fn pages_by_description_are_those_by_type(steps in prop::collection::vec((0u64..3000, any::<bool>()), 1..1500), at_most in 1usize..40) {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path().join("s.commy")).unwrap();
        let hash = segment.open_or_create::<HashMap<u64, u64>>("hash").unwrap();
        for (key, put) in steps {
            if put { hash.insert(key, key + 1).unwrap() } else { hash.remove(&key).unwrap() };
        }
        let dynamic = segment.dynamic("hash").unwrap();
        let found = pages(&dynamic, at_most, |_| ());
        let model: BTreeMap<u64, u64> = hash.load().unwrap().into_iter().collect();
        prop_assert_eq!(found.len(), model.len());
        for (key, value) in found {
            prop_assert_eq!(model.get(&key).copied(), Some(number(&value)));
        }
    }
}
