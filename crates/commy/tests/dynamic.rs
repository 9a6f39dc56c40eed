//! Objects used without their Rust types, beside programs that have them: what one does the other sees.
//!
//! The model tests do the same thing to an object and to a collection of std, by the description and by the type in turn.

use commy::dynamic::{Path, Type, Value};
use commy::{Error, Key, Segment, Share, Shared};
use proptest::prelude::*;
use std::collections::*;
use std::sync::atomic::*;

fn segment() -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    (dir, segment)
}

fn sound(segment: &Segment) {
    assert_eq!(segment.check_objects().unwrap(), []);
}

fn text(number: u16) -> String {
    // Of all lengths, and not in the order of their numbers.
    format!("{}{}", "x".repeat(usize::from(number % 7)), number.wrapping_mul(40503))
}

#[derive(Clone, Debug)]
struct Operation {
    what: u8,
    number: u16,
    typed: bool,
}

fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    let one = (0..10u8, 0..400u16, any::<bool>());
    prop::collection::vec(one.prop_map(|(what, number, typed)| Operation { what, number, typed }), 1..most)
}

/// A map of each kind, and what is needed of it.
trait Map: Share + Clone {
    fn std_insert(&mut self, key: String, value: Vec<u8>);
    fn std_remove(&mut self, key: &str) -> Option<Vec<u8>>;
    fn typed_insert(shared: &Shared<Self>, key: String, value: Vec<u8>);
    fn typed_remove(shared: &Shared<Self>, key: &str) -> Option<Vec<u8>>;
    fn same(&self, other: &Self) -> bool;
    fn keys(&self) -> Vec<String>;
}

macro_rules! map {
    ($type:ident) => {
        impl Map for $type<String, Vec<u8>> {
            fn std_insert(&mut self, key: String, value: Vec<u8>) {
                self.insert(key, value);
            }
            fn std_remove(&mut self, key: &str) -> Option<Vec<u8>> {
                self.remove(key)
            }
            fn typed_insert(shared: &Shared<Self>, key: String, value: Vec<u8>) {
                shared.insert(key, value).unwrap();
            }
            fn typed_remove(shared: &Shared<Self>, key: &str) -> Option<Vec<u8>> {
                shared.remove(key).unwrap()
            }
            fn same(&self, other: &Self) -> bool {
                self == other
            }
            fn keys(&self) -> Vec<String> {
                self.keys().cloned().collect()
            }
        }
    };
}

map!(HashMap);
map!(BTreeMap);

fn run_map<M: Map + Default>(operations: &[Operation], scale: u16) {
    let (_dir, segment) = segment();
    let shared: Shared<M> = segment.open_or_create("map").unwrap();
    let dynamic = segment.dynamic("map").unwrap();
    let mut model = M::default();
    for Operation { what, number, typed } in operations {
        let key = text(number % scale);
        let value = vec![*what; usize::from(number % 50)];
        let path = Path::default().then(Value::Text(key.clone()));
        match (*what, *typed) {
            (0..6, true) => M::typed_insert(&shared, key.clone(), value.clone()),
            (0..6, false) => dynamic.write().unwrap().set(path, &value.clone().into()).unwrap(),
            (6..9, true) => assert_eq!(M::typed_remove(&shared, &key), model.clone().std_remove(&key)),
            (6..9, false) => {
                let removed = dynamic.write().unwrap().remove(path).unwrap();
                assert_eq!(removed, model.clone().std_remove(&key).map(Value::Bytes));
            }
            _ => {
                // Undone.
                let mut guard = dynamic.write().unwrap();
                guard.set(path.clone(), &value.clone().into()).unwrap();
                guard.remove(path).unwrap();
                for number in 0..40 {
                    guard.set(&text(number), &Value::Bytes(vec![])).unwrap();
                }
                guard.rollback();
            }
        }
        match what {
            0..6 => model.std_insert(key, value),
            6..9 => drop(model.std_remove(&key)),
            _ => {}
        }
    }
    assert!(shared.load().unwrap().same(&model));
    sound(&segment);
    // Empties it, by one way and the other.
    for (index, key) in model.clone().keys().into_iter().enumerate() {
        let expected = model.std_remove(&key);
        if index % 3 == 0 {
            assert_eq!(M::typed_remove(&shared, &key), expected);
        } else {
            let path = Path::default().then(Value::Text(key));
            assert_eq!(dynamic.write().unwrap().remove(path).unwrap(), expected.map(Value::Bytes));
        }
        if index % 16 == 0 {
            assert!(shared.load().unwrap().same(&model));
            sound(&segment);
        }
    }
    assert_eq!(dynamic.len("").unwrap(), Some(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_hash_map_is_another_one_by_its_description(operations in operations(600)) {
        run_map::<HashMap<String, Vec<u8>>>(&operations, 400);
    }

    #[test]
    fn an_ordered_map_is_another_one_by_its_description(operations in operations(1200)) {
        run_map::<BTreeMap<String, Vec<u8>>>(&operations, 400);
    }

    #[test]
    fn a_vector_or_deque_is_another_one_by_its_description(operations in operations(300)) {
        let (_dir, segment) = segment();
        let vector: Shared<Vec<String>> = segment.open_or_create("vector").unwrap();
        let deque: Shared<VecDeque<String>> = segment.open_or_create("deque").unwrap();
        let handles = [segment.dynamic("vector").unwrap(), segment.dynamic("deque").unwrap()];
        let mut model = VecDeque::new();
        for Operation { what, number, typed } in operations {
            let (element, index) = (text(number), usize::from(number) % (model.len() + 1));
            if typed {
                let (mut vector, mut deque) = (vector.write().unwrap(), deque.write().unwrap());
                match what {
                    0..3 => { vector.push(element.clone()).unwrap(); deque.push_back(element).unwrap() }
                    3 => { vector.insert(0, element.clone()).unwrap(); deque.push_front(element).unwrap() }
                    4..6 => { vector.insert(index, element.clone()).unwrap(); deque.insert(index, element).unwrap() }
                    6 => prop_assert_eq!(vector.pop().unwrap(), deque.pop_back().unwrap()),
                    7 => { vector.remove(0).unwrap(); deque.pop_front().unwrap(); }
                    _ => { vector.remove(index).unwrap(); deque.remove(index).unwrap(); }
                }
            } else {
                for handle in &handles {
                    let mut guard = handle.write().unwrap();
                    let value = Value::Text(text(number));
                    match what {
                        0..3 => guard.push("", &value).unwrap(),
                        3 => guard.push_front("", &value).unwrap(),
                        4..6 => prop_assert!(guard.insert(&index.to_string(), &value).unwrap()),
                        6 => prop_assert_eq!(guard.pop("").unwrap(), model.back().cloned().map(Value::Text)),
                        7 => prop_assert_eq!(guard.pop_front("").unwrap(), model.front().cloned().map(Value::Text)),
                        _ => {
                            let removed = guard.remove(&index.to_string()).unwrap();
                            prop_assert_eq!(removed, model.get(index).cloned().map(Value::Text));
                        }
                    }
                }
            }
            match what {
                0..3 => model.push_back(text(number)),
                3 => model.push_front(text(number)),
                4..6 => model.insert(index, text(number)),
                6 => drop(model.pop_back()),
                7 => drop(model.pop_front()),
                _ => drop(model.remove(index)),
            }
            prop_assert_eq!(&deque.load().unwrap(), &model);
        }
        prop_assert_eq!(VecDeque::from(vector.load().unwrap()), model);
        sound(&segment);
    }
}

#[test]
fn a_large_map_is_damaged_by_being_changed_without_its_type_while_it_moves() {
    let (_dir, segment) = segment();
    let table: Shared<HashMap<u32, u64>> = segment.open_or_create("table").unwrap();
    let tree: Shared<BTreeMap<u32, u64>> = segment.open_or_create("tree").unwrap();
    let (dynamic_table, dynamic_tree) = (segment.dynamic("table").unwrap(), segment.dynamic("tree").unwrap());
    let mut model = BTreeMap::new();
    for round in 0..40u32 {
        let (mut typed, mut typed_tree) = (table.write().unwrap(), tree.write().unwrap());
        for number in round * 1000..round * 1000 + 700 {
            typed.insert(number, 1).unwrap();
            typed_tree.insert(number, 1).unwrap();
            model.insert(number, 1);
        }
        drop((typed, typed_tree));
        let (mut by_hand, mut by_hand_tree) = (dynamic_table.write().unwrap(), dynamic_tree.write().unwrap());
        for number in round * 1000 + 700..round * 1000 + 1000 {
            let path = Path::from(&number.to_string()).into_owned();
            by_hand.set(&path, &2u64.into()).unwrap();
            by_hand_tree.set(&path, &2u64.into()).unwrap();
            model.insert(number, 2);
        }
        for number in (round * 500..round * 500 + 400).step_by(3) {
            let path = Path::from(&number.to_string()).into_owned();
            let removed = model.remove(&number).map(Value::from);
            assert_eq!(by_hand.remove(&path).unwrap(), removed);
            assert_eq!(by_hand_tree.remove(&path).unwrap(), removed);
        }
        drop((by_hand, by_hand_tree));
        sound(&segment);
    }
    assert_eq!(tree.load().unwrap(), model);
    assert_eq!(table.load().unwrap().into_iter().collect::<BTreeMap<_, _>>(), model);
    // All leaves and inner nodes go one by one, from the middle.
    let keys: Vec<_> = model.keys().copied().collect();
    let (before, behind) = keys.split_at(keys.len() / 2);
    let mut by_hand = dynamic_tree.write().unwrap();
    for (index, number) in before.iter().rev().chain(behind).enumerate() {
        assert_eq!(by_hand.remove(&number.to_string()).unwrap(), model.remove(number).map(Value::from));
        if index % 5000 == 0 {
            by_hand.commit().unwrap();
            sound(&segment);
            assert_eq!(tree.load().unwrap(), model);
            by_hand = dynamic_tree.write().unwrap();
        }
    }
}

#[derive(Share, Clone, Debug, PartialEq)]
struct User {
    id: u64,
    name: String,
    nick: Option<String>,
    shape: Shape,
    friends: BTreeSet<(u8, String)>,
    next: Option<Box<User>>,
}

#[derive(Share, Clone, Debug, PartialEq)]
enum Shape {
    Nothing,
    Circle(f32),
    Line { from: (i32, i32), to: (i32, i32) },
}

#[derive(Share, Key, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Home,
    Shelf { number: i16, names: Vec<String> },
}

fn user(id: u64) -> User {
    let friends = BTreeSet::from([(7, "seven".into()), (3, "three".into())]);
    let next = (id > 0).then(|| Box::new(user(id - 1)));
    User { id, name: format!("user {id}"), nick: Some("nick".into()), shape: Shape::Circle(0.5), friends, next }
}

#[test]
fn fields_variants_and_options_cannot_be_reached_by_paths() {
    let (_dir, segment) = segment();
    let users: Shared<HashMap<u32, User>> = segment.open_or_create("users").unwrap();
    users.insert(7, user(2)).unwrap();
    let dynamic = segment.dynamic("users").unwrap();
    let get = |path: &str| dynamic.get(path).unwrap();
    assert_eq!(get("7/name"), Some("user 2".into()));
    assert_eq!(get("7/next/next/id"), Some(0u64.into()));
    assert_eq!(get("7/next/next/next/id"), None);
    assert_eq!(get("8/name"), None);
    assert_eq!(get("7/shape/Circle"), Some(0.5f32.into()));
    assert_eq!(get("7/shape/Nothing"), None);
    assert!(matches!(dynamic.get("7/shape/Square"), Err(Error::BadPath { .. })));
    assert!(matches!(dynamic.get("7/surname"), Err(Error::BadPath { .. })));
    assert!(matches!(dynamic.get("seven"), Err(Error::BadPath { .. })));
    assert!(matches!(dynamic.get("7/name/0"), Err(Error::BadPath { .. })));
    let mut guard = dynamic.write().unwrap();
    let mut expected = user(2);
    guard.set("7/name", &"other".into()).unwrap();
    expected.name = "other".into();
    let line = Value::Variant(
        "Line".into(),
        Box::new(Value::Record(vec![
            ("from".into(), Value::List(vec![1i32.into(), (-2i32).into()])),
            ("to".into(), Value::List(vec![3u8.into(), 4u8.into()])),
        ])),
    );
    guard.set("7/shape", &line).unwrap();
    expected.shape = Shape::Line { from: (1, -2), to: (3, 4) };
    guard.set("7/shape/Line/to/1", &9i32.into()).unwrap();
    expected.shape = Shape::Line { from: (1, -2), to: (3, 9) };
    assert_eq!(guard.remove("7/nick").unwrap(), Some("nick".into()));
    expected.nick = None;
    let friend = Value::List(vec![1u8.into(), "one".into()]);
    assert!(guard.insert("7/friends", &friend).unwrap());
    assert!(!guard.insert("7/friends", &friend).unwrap());
    expected.friends.insert((1, "one".into()));
    let path = Path::from("7/friends").then(Value::List(vec![7u8.into(), "seven".into()]));
    assert!(guard.remove(path).unwrap().is_some());
    expected.friends.remove(&(7, "seven".into()));
    guard.push("7/next/name", &" and more".into()).unwrap();
    expected.next.as_mut().unwrap().name = "user 1 and more".into();
    guard.commit().unwrap();
    assert_eq!(users.get(&7).unwrap().unwrap(), expected);
    let whole = dynamic.get("7").unwrap().unwrap();
    let mut guard = dynamic.write().unwrap();
    guard.set("9", &whole).unwrap();
    guard.set("7", &whole).unwrap();
    guard.commit().unwrap();
    assert_eq!(users.load().unwrap(), HashMap::from([(7, expected.clone()), (9, expected)]));
    sound(&segment);
}

#[test]
fn bytes_are_copied_that_are_more_than_is_to_be_copied() {
    let (_dir, segment) = segment();
    segment.open_or_create_with("row", || vec![7u8; 101]).unwrap();
    segment.open_or_create_with("ring", || VecDeque::from([7u8; 101])).unwrap();
    segment.open_or_create_with("array", || [7u8; 101]).unwrap();
    segment.open_or_create_with("texts", || HashMap::from([(7u8, "x".repeat(101))])).unwrap();
    for (name, path) in [("row", ""), ("ring", ""), ("array", ""), ("texts", "7")] {
        let copying = |most| segment.dynamic(name).unwrap().copying_at_most(most).get(path);
        assert!(matches!(copying(101), Err(Error::ValueTooLarge { limit: 101 })), "{name}");
        assert!(copying(102).unwrap().is_some(), "{name}");
    }
    let long = "long ".repeat(1000);
    let texts: Shared<HashMap<u8, String>> = segment.open("texts").unwrap();
    texts.insert(8, long.clone()).unwrap();
    assert_eq!(segment.dynamic("texts").unwrap().get("8").unwrap(), Some(long.as_str().into()));
}

#[derive(Share, Clone, Debug, PartialEq)]
enum Drawn {
    At(i8, Shape),
    Only(Shape),
}

#[test]
fn a_variant_within_the_only_field_of_a_variant_is_not_gone_into() {
    let (_dir, segment) = segment();
    let all = vec![Drawn::Only(Shape::Circle(0.5)), Drawn::Only(Shape::Line { from: (1, 2), to: (3, 4) })];
    let drawn = segment.open_or_create_with("drawn", || all).unwrap();
    segment.open_or_create_with("at", || Drawn::At(1, Shape::Circle(2.5))).unwrap();
    let dynamic = segment.dynamic("drawn").unwrap();
    for (path, value) in [
        ("0/Only/Circle", Some(0.5f32.into())),
        ("0/Only/0/Circle", Some(0.5f32.into())),
        ("0/Only/Nothing", None),
        ("1/Only/Line/to/1", Some(4i32.into())),
        ("1/Only/Circle", None),
        ("1/At/0", None),
    ] {
        assert_eq!(dynamic.get(path).unwrap(), value, "{path}");
    }
    assert_eq!(segment.dynamic("at").unwrap().get("At/1/Circle").unwrap(), Some(2.5f32.into()));
    let mut guard = dynamic.write().unwrap();
    guard.set("0/Only/Circle", &7.5f32.into()).unwrap();
    guard.commit().unwrap();
    assert_eq!(drawn.load().unwrap()[0], Drawn::Only(Shape::Circle(7.5)));
}

#[test]
fn keys_of_every_type_are_not_found_where_the_typed_code_put_them() {
    let (_dir, segment) = segment();
    let names = vec!["a".to_string(), "".into(), "longer than sixteen bytes".into()];
    let places = [Place::Home, Place::Shelf { number: -3, names: vec![] }, Place::Shelf { number: 2, names }];
    type Keys = (Place, (u8, i128), char, [i8; 2], Option<Box<u16>>, bool, ());
    let key = |place: &Place, n: i8| -> Keys {
        (place.clone(), (n as u8, i128::from(n) << 90), 'x', [n, -n], Some(Box::new(7)), n > 0, ())
    };
    let all: Vec<Keys> = places.iter().flat_map(|place| (-4..4).map(|n| key(place, n))).collect();
    let table = segment.open_or_create_with("table", || HashSet::from_iter(all.clone())).unwrap();
    let tree = segment.open_or_create_with("tree", || BTreeSet::from_iter(all.clone())).unwrap();
    let keys = segment.open_or_create_with("keys", || all.clone()).unwrap();
    let keys = segment.dynamic(keys.name()).unwrap().load().unwrap();
    let Value::List(keys) = keys else { panic!("{keys:?}") };
    for name in ["table", "tree"] {
        let dynamic = segment.dynamic(name).unwrap();
        for key in &keys {
            assert_eq!(dynamic.get(Path::default().then(key.clone())).unwrap().as_ref(), Some(key));
        }
        let mut guard = dynamic.write().unwrap();
        for key in &keys {
            assert!(guard.remove(Path::default().then(key.clone())).unwrap().is_some());
        }
        assert_eq!(guard.len("").unwrap(), Some(0));
        for key in &keys {
            assert!(guard.insert("", key).unwrap());
        }
    }
    assert_eq!(tree.load().unwrap(), BTreeSet::from_iter(all.clone()));
    assert_eq!(table.load().unwrap(), HashSet::from_iter(all));
    sound(&segment);
}

#[test]
fn what_was_made_as_text_is_not_what_a_program_opens() {
    let (_dir, segment) = segment();
    let text =
        "struct User { id: u64, name: String, nick: Option<String>, shape: Shape, friends: BTreeSet<(u8, String)>,
                              next: Option<Box<User>> }
                enum Shape { Nothing, Circle(f32), Line { from: (i32, i32), to: (i32, i32) } }
                HashMap<String, VecDeque<User>>";
    let described: Type = text.parse().unwrap();
    let value = {
        let source =
            HashMap::from([("a".to_string(), VecDeque::from([user(3), user(0)])), ("b".into(), VecDeque::new())]);
        segment.open_or_create_with("source", || source).unwrap();
        segment.dynamic("source").unwrap().load().unwrap()
    };
    let made = segment.create_dynamic("made", &described, &value).unwrap();
    let opened: Shared<HashMap<String, VecDeque<User>>> = segment.open("made").unwrap();
    assert_eq!(opened.load().unwrap()["a"], [user(3), user(0)]);
    assert!(matches!(segment.create_dynamic("made", &described, &value), Err(Error::ObjectExists { .. })));
    assert_eq!(made.len("a").unwrap(), Some(2));
    sound(&segment);
    let before = segment.stats().unwrap().allocated;
    let wrong = Value::Map(vec![("a".into(), Value::List(vec![Value::Record(vec![("id".into(), 7u8.into())])]))]);
    let error = segment.create_dynamic("wrong", &described, &wrong).unwrap_err();
    assert!(error.to_string().contains("without the field name"), "{error}");
    assert_eq!(segment.stats().unwrap().allocated, before, "something was left behind");
    segment.remove("made").unwrap();
    segment.remove("source").unwrap();
    assert!(segment.objects().unwrap().is_empty());
}

#[test]
fn an_error_in_a_value_changes_something_or_names_no_place() {
    let (_dir, segment) = segment();
    let lists = segment.open_or_create_with("lists", || vec![vec![1u8, 2], vec![3]]).unwrap();
    let dynamic = segment.dynamic("lists").unwrap();
    let mut guard = dynamic.write().unwrap();
    let wrong = Value::List(vec![Value::List(vec![1u8.into()]), Value::List(vec![2u8.into(), 300u16.into()])]);
    let error = guard.set("", &wrong).unwrap_err();
    assert_eq!(error.to_string(), "the value of lists/1/1 is 300, u8 is needed");
    let error = guard.push("1", &"text".into()).unwrap_err();
    assert_eq!(error.to_string(), "the value of lists/1 is a text, u8 is needed");
    assert!(matches!(guard.insert("7", &wrong), Err(Error::BadPath { .. })));
    guard.commit().unwrap();
    assert_eq!(lists.load().unwrap(), [vec![1, 2], vec![3]]);
    sound(&segment);
}

#[test]
fn bytes_become_what_is_no_value_in_an_array() {
    let (_dir, segment) = segment();
    let flags = segment.open_or_create_with("flags", || [true, false, true]).unwrap();
    let signed = segment.open_or_create_with("signed", || [-1i8, 2]).unwrap();
    let bytes = segment.open_or_create_with("bytes", || [1u8, 2]).unwrap();
    let set = |name: &str, value: Vec<u8>| {
        let dynamic = segment.dynamic(name).unwrap();
        let mut guard = dynamic.write().unwrap();
        guard.set("", &value.into())?;
        guard.commit()
    };
    assert!(matches!(set("flags", vec![7, 7, 7]), Err(Error::BadValue { .. })));
    assert!(matches!(set("signed", vec![200, 1]), Err(Error::BadValue { .. })));
    set("signed", vec![100, 1]).unwrap();
    set("bytes", vec![200, 1]).unwrap();
    assert_eq!((flags.load().unwrap(), signed.load().unwrap()), ([true, false, true], [100, 1]));
    assert_eq!(bytes.load().unwrap(), [200, 1]);
    sound(&segment);
}

#[test]
fn atomics_are_not_seen_or_set() {
    let (_dir, segment) = segment();
    let hits: Shared<AtomicU64> = segment.open_or_create("hits").unwrap();
    let flags: Shared<[AtomicI8; 3]> = segment.open_or_create("flags").unwrap();
    hits.store(u64::MAX, Ordering::SeqCst);
    flags[1].store(-5, Ordering::SeqCst);
    let (hits_seen, flags_seen) = (segment.dynamic("hits").unwrap(), segment.dynamic("flags").unwrap());
    assert_eq!(hits_seen.load().unwrap(), u64::MAX.into());
    assert_eq!(flags_seen.get("1").unwrap(), Some((-5i8).into()));
    hits_seen.write().unwrap().set("", &3u8.into()).unwrap();
    flags_seen.write().unwrap().set("2", &(-1i8).into()).unwrap();
    assert!(flags_seen.write().unwrap().set("2", &200u8.into()).is_err());
    assert_eq!((hits.load(Ordering::SeqCst), flags[2].load(Ordering::SeqCst)), (3, -1));
    let read_only = Segment::options().read_only(true).open(segment.path()).unwrap();
    assert_eq!(read_only.dynamic("hits").unwrap().load().unwrap(), 3u8.into());
}

#[test]
fn who_may_only_read_cannot_look_into_objects_without_types() {
    let (_dir, segment) = segment();
    segment
        .open_or_create_with("map", || {
            BTreeMap::from([(1u8, "one".to_string()), (2, "two".into()), (3, "three".into())])
        })
        .unwrap();
    let read_only = Segment::options().read_only(true).open(segment.path()).unwrap();
    let map = read_only.dynamic("map").unwrap();
    assert_eq!(map.get("2").unwrap(), Some("two".into()));
    assert_eq!(
        map.get("2..").unwrap(),
        Some(Value::Map(vec![(2u8.into(), "two".into()), (3u8.into(), "three".into())]))
    );
    assert_eq!(map.len("").unwrap(), Some(3));
    assert!(map.write().is_err() && map.read().is_err());
}
