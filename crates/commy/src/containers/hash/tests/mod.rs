//! Tests of maps and sets on real files.

mod damage;
mod growth;
mod model;
mod scan;

use super::head::Head;
use super::table::home;
use crate::schema::{Description, KeyHasher, Lookup, Share};
use crate::{Error, Segment, Shared};
use std::collections::{HashMap, HashSet};

/// A value so large that a table of 128 slots is replaced step by step.
type Large = [u64; 64];

fn large(n: u64) -> Large {
    let mut value = [n; 64];
    value[63] = !n;
    value
}

/// A segment with two attachments.
struct Pair {
    _dir: tempfile::TempDir,
    segments: [Segment; 2],
}

fn pair(max: u64) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.commy");
    let one = Segment::options().initial_size(64 << 10).max_size(max).create(&path).unwrap();
    let two = Segment::open(&path).unwrap();
    Pair { _dir: dir, segments: [one, two] }
}

impl Pair {
    fn object<T: Share + Default>(&self, name: &str) -> [Shared<T>; 2] {
        [0, 1].map(|index| self.segments[index].open_or_create(name).unwrap())
    }

    fn allocated(&self) -> u64 {
        self.segments[0].stats().unwrap().allocated
    }
}

/// Numbers that can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Keys whose home in a table of so many slots is the group at a position.
fn keys_at(head: &Head, slots: usize, position: usize) -> impl Iterator<Item = u64> {
    let seed = head.seed.get();
    (0..u64::MAX).filter(move |key| {
        let mut hasher = KeyHasher::new(seed);
        <u64 as Lookup<u64>>::hash_of(key, &mut hasher);
        home(hasher.finish(), slots) == position
    })
}

#[test]
fn what_is_put_in_through_one_attachment_is_found_through_the_other_by_a_borrowed_key() {
    let pair = pair(64 << 20);
    let [one, two] = pair.object::<HashMap<String, u64>>("words");
    {
        let mut words = one.write().unwrap();
        *words.entry_or_insert("hello", 0).unwrap() += 1;
        *words.entry_or_insert("hello", 0).unwrap() += 1;
        assert_eq!(words.insert("world".into(), 7).unwrap(), None);
        assert_eq!(words.insert("world".into(), 8).unwrap(), Some(7));
        *words.entry_or_default("again").unwrap() += 3;
        *words.get_mut("world").unwrap() += 1;
    }
    let words = two.read().unwrap();
    assert_eq!((words.get("hello"), words.get("world"), words.get("nobody")), (Some(&2), Some(&9), None));
    assert_eq!(words.get_key_value("again"), Some(("again", &3)));
    assert!(words.contains_key("hello") && !words.contains_key("hell"));
    assert_eq!((words.len(), words.is_empty(), words["world"]), (3, false, 9));
    let expected: HashMap<String, u64> = [("hello", 2), ("world", 9), ("again", 3)].map(|(k, v)| (k.into(), v)).into();
    assert_eq!(*words, expected);
    assert_eq!(expected, *words);
    assert_eq!(words.to_map().unwrap(), expected);
    let mut keys: Vec<String> = words.keys().map(str::to_owned).collect();
    keys.sort();
    assert_eq!(keys, ["again", "hello", "world"]);
    assert_eq!(words.values().sum::<u64>(), 14);
    assert_eq!(words.iter().len(), 3);
    drop(words);
    let one_left: HashMap<String, u64> = [("a".to_string(), 1)].into();
    two.store(one_left.clone()).unwrap();
    assert_eq!(one.load().unwrap(), one_left);
    assert_eq!(format!("{:?}", &*one.read().unwrap()), r#"{"a": 1}"#);
}

#[test]
fn nested_values_are_changed_in_place_and_leave_nothing_behind() {
    let pair = pair(64 << 20);
    let [one, two] = pair.object::<HashMap<String, Vec<u32>>>("lists");
    let [three, four] = pair.object::<HashMap<String, HashMap<u32, String>>>("maps");
    let base = pair.allocated();
    for round in 0..3u32 {
        let (mut lists, mut maps) = (one.write().unwrap(), three.write().unwrap());
        for n in 0..200 {
            let name = format!("list {}", n % 20);
            lists.entry_or_insert(name.as_str(), Vec::new()).unwrap().push(n).unwrap();
            let inner = maps.entry_or_default(name.as_str()).unwrap();
            inner.insert(n, format!("{round} {n}")).unwrap();
        }
        drop((lists, maps));
        let (lists, maps) = (two.read().unwrap(), four.read().unwrap());
        assert_eq!((lists.len(), maps.len()), (20, 20));
        for n in 0..20 {
            let name = format!("list {n}");
            assert_eq!(lists.get(name.as_str()).unwrap().len(), 10);
            assert_eq!(maps.get(name.as_str()).unwrap().get(&(n + 180)), Some(format!("{round} {}", n + 180).as_str()));
        }
        drop((lists, maps));
        let (mut lists, mut maps) = (two.write().unwrap(), four.write().unwrap());
        assert_eq!(lists.remove("list 7").unwrap().unwrap(), (0..10).map(|n| n * 20 + 7).collect::<Vec<u32>>());
        let (key, inner) = maps.remove_entry("list 3").unwrap().unwrap();
        assert_eq!((key.as_str(), inner.len(), inner[&3].clone()), ("list 3", 10, format!("{round} 3")));
        maps.insert("list 4".into(), HashMap::new()).unwrap().unwrap();
        lists.clear().unwrap();
        assert_eq!(maps.drain().unwrap().len(), 19);
        assert!(lists.is_empty() && maps.is_empty() && maps.get("list 4").is_none());
        drop((lists, maps));
        assert_eq!(pair.allocated(), base, "blocks leaked");
    }
}

#[test]
fn a_map_of_nothing_or_without_values_or_of_wide_keys_loses_no_key() {
    let pair = pair(64 << 20);
    let [units, _] = pair.object::<HashMap<(), u8>>("units");
    let mut units = units.write().unwrap();
    assert_eq!(units.remove(&()).unwrap(), None);
    assert_eq!(units.insert((), 1).unwrap(), None);
    assert_eq!(units.insert((), 2).unwrap(), Some(1));
    assert_eq!((units.len(), units.remove(&()).unwrap(), units.len()), (1, Some(2), 0));
    let [wide, _] = pair.object::<HashMap<u128, [u8; 3]>>("wide");
    let mut wide = wide.write().unwrap();
    for n in 0..1000u128 {
        wide.insert(n << 70 | n, [n as u8; 3]).unwrap();
    }
    assert!((0..1000u128).all(|n| wide.get(&(n << 70 | n)) == Some(&[n as u8; 3])));
    let [tiny, _] = pair.object::<HashSet<u8>>("tiny");
    let mut tiny = tiny.write().unwrap();
    for n in 0..=255 {
        assert!(tiny.insert(n).unwrap() && !tiny.insert(n).unwrap());
    }
    assert_eq!((tiny.len(), tiny.iter().map(|n| u32::from(*n)).sum::<u32>()), (256, 255 * 128));
}

#[test]
fn a_set_and_its_relations_to_others_agree_with_std_even_across_segments() {
    let (near, far) = (pair(64 << 20), pair(64 << 20));
    let texts = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<HashSet<String>>();
    let (a, b) = (texts(0..60), texts(40..100));
    for other in [&near, &far] {
        let [one, _] = near.object::<HashSet<String>>("a");
        let [_, two] = other.object::<HashSet<String>>("b");
        one.store(a.clone()).unwrap();
        two.store(b.clone()).unwrap();
        let (one, two) = (one.read().unwrap(), two.read().unwrap());
        fn owned<'a>(elements: impl Iterator<Item = &'a str>) -> HashSet<String> {
            elements.map(str::to_owned).collect()
        }
        assert_eq!(owned(one.union(&two)), &a | &b);
        assert_eq!(owned(one.intersection(&two)), &a & &b);
        assert_eq!(owned(one.difference(&two)), &a - &b);
        assert_eq!(owned(one.symmetric_difference(&two)), &a ^ &b);
        assert!(!one.is_subset(&two) && !one.is_disjoint(&two) && *one != *two);
        assert!(one.is_subset(&one) && one.is_superset(&one) && *one == *one && *one == a && b == *two);
        drop((one, two));
        let [small, _] = other.object::<HashSet<String>>("small");
        small.store(texts(10..20)).unwrap();
        let [one, _] = near.object::<HashSet<String>>("a");
        let (one, small) = (one.read().unwrap(), small.read().unwrap());
        assert!(small.is_subset(&one) && one.is_superset(&small) && !one.is_subset(&small));
        assert!(small.is_disjoint(&other.object::<HashSet<String>>("b")[0].read().unwrap()));
    }
}

#[test]
fn a_set_takes_and_gives_each_element_once() {
    let pair = pair(64 << 20);
    let [set, _] = pair.object::<HashSet<String>>("set");
    let base = pair.allocated();
    let mut guard = set.write().unwrap();
    assert!(guard.insert("a".into()).unwrap() && !guard.insert("a".into()).unwrap());
    assert_eq!(guard.replace("a".into()).unwrap(), Some("a".into()));
    assert_eq!(guard.replace("b".into()).unwrap(), None);
    guard.extend(["c", "d", "a"].map(String::from)).unwrap();
    assert_eq!((guard.len(), guard.get("c"), guard.contains("x")), (4, Some("c"), false));
    assert_eq!((guard.take("c").unwrap(), guard.take("c").unwrap()), (Some("c".into()), None));
    assert_eq!((guard.remove("d").unwrap(), guard.remove("d").unwrap()), (true, false));
    guard.extend((0..100).map(|n| n.to_string())).unwrap();
    guard.retain(|element| element.len() == 1).unwrap();
    let wanted: HashSet<String> = (0..10).map(|n| n.to_string()).chain(["a".into(), "b".into()]).collect();
    assert_eq!(guard.to_set().unwrap(), wanted);
    let mut drained = guard.drain().unwrap();
    drained.sort();
    assert_eq!((drained.len(), drained[11].as_str(), guard.len()), (12, "b", 0));
    drop(guard);
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

#[test]
fn iterators_that_lend_for_changing_come_to_each_value_once_and_are_rolled_back() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u32, u64>>("map");
    map.write().unwrap().extend((0..1000).map(|n| (n, u64::from(n)))).unwrap();
    for commit in [false, true] {
        let mut guard = map.write().unwrap();
        for (key, value) in &mut *guard {
            *value += u64::from(*key);
        }
        guard.values_mut().for_each(|value| *value += 1);
        guard
            .retain(|key, value| {
                *value *= 2;
                key % 3 == 0
            })
            .unwrap();
        assert_eq!(guard.len(), 334);
        if commit {
            guard.commit().unwrap()
        } else {
            guard.rollback()
        }
        let wanted = |n: u32| if commit { 2 * (2 * u64::from(n) + 1) } else { u64::from(n) };
        let guard = map.read().unwrap();
        assert_eq!(guard.len(), if commit { 334 } else { 1000 });
        assert!(guard.iter().all(|(key, value)| *value == wanted(*key)));
    }
}

#[test]
fn the_type_has_a_readable_name_and_another_type_is_refused() {
    assert_eq!(Description::of::<HashMap<String, u64>>().name(), "HashMap<String, u64>");
    assert_eq!(Description::of::<HashMap<u8, HashSet<String>>>().name(), "HashMap<u8, HashSet<String>>");
    let pair = pair(64 << 20);
    pair.object::<HashMap<u32, u64>>("map");
    let refused = pair.segments[0].open_or_create::<HashMap<u32, i64>>("map").unwrap_err();
    let Error::TypeMismatch { expected, found, place, .. } = refused else { panic!("{refused}") };
    assert_eq!((expected.as_str(), found.as_str()), ("HashMap<u32, i64>", "HashMap<u32, u64>"));
    assert!(place.contains("value"), "{place}");
}

#[test]
fn shared_references_to_a_view_can_be_used_by_other_threads() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<String, u64>>("map");
    map.write().unwrap().extend((0..100).map(|n| (n.to_string(), n))).unwrap();
    let guard = map.read().unwrap();
    let view = &*guard;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!((0..100).all(|n| view.get(n.to_string().as_str()) == Some(&n))));
        }
    });
}

#[test]
fn maps_of_one_segment_or_two_are_equal_by_their_entries() {
    let (pair, elsewhere) = (pair(64 << 20), pair(64 << 20));
    let [one, two] = pair.object::<HashMap<String, Vec<u32>>>("one");
    let [other, _] = elsewhere.object::<HashMap<String, Vec<u32>>>("other");
    one.write().unwrap().extend((0..50).map(|n| (n.to_string(), vec![n]))).unwrap();
    other.write().unwrap().extend((0..50).rev().map(|n| (n.to_string(), vec![n]))).unwrap();
    assert!(*one.read().unwrap() == *two.read().unwrap() && *one.read().unwrap() == *other.read().unwrap());
    other.write().unwrap().get_mut("7").unwrap().push(1).unwrap();
    assert!(*one.read().unwrap() != *other.read().unwrap());
}

#[test]
fn what_is_extracted_from_a_set_is_what_the_predicate_wanted() {
    let pair = pair(64 << 20);
    let [one, two] = pair.object::<HashSet<String>>("set");
    one.write().unwrap().extend((0..100).map(|n| n.to_string())).unwrap();
    let mut guard = two.write().unwrap();
    let mut taken = guard.extract_if(|text| text.ends_with('7')).unwrap();
    taken.sort();
    assert_eq!(taken, ["17", "27", "37", "47", "57", "67", "7", "77", "87", "97"]);
    guard.shrink_to(200).unwrap();
    let capacity = guard.capacity();
    guard.shrink_to(0).unwrap();
    assert!(guard.len() == 90 && capacity >= guard.capacity());
    guard.rollback();
    assert_eq!(one.read().unwrap().len(), 100);
}
