//! Derived types in a segment, seen through two attachments of one file.

#![forbid(unsafe_code)]
#![deny(missing_docs, unused, clippy::all, clippy::pedantic)]

use commy::{Error, Key, Lookup, Plain, Segment, Share, Shared};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

/// A struct of several kinds of fields.
#[derive(Clone, Debug, Default, PartialEq, Share)]
pub struct Task {
    /// A number.
    pub id: u64,
    /// A text.
    pub work: String,
    done: bool,
    r#type: (u8, String),
}

/// A plain struct, with padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Plain, Hash, Key)]
#[repr(C)]
pub struct Cell {
    small: u8,
    large: u64,
    level: Level,
}

/// A plain enum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Plain, Hash, Key)]
#[repr(i16)]
pub enum Level {
    /// Below.
    Low = -5,
    /// The usual.
    #[default]
    Normal,
    /// Above.
    High = 300,
}

/// A plain generic struct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Plain, Key)]
#[repr(transparent)]
struct Wrapped<T>(T)
where
    T: Debug;

/// A generic struct.
#[derive(Clone, Debug, PartialEq, Share)]
struct Tagged<T: Clone = u32, const N: usize = 3> {
    value: T,
    all: Vec<T>,
    bytes: [u8; N],
}

/// A tuple struct.
#[derive(Clone, Debug, Default, PartialEq, Eq, Share, PartialOrd, Ord, Hash, Key)]
struct Name(String, pub u32);

/// Nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Share)]
struct Nothing;

/// An enum with fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Share, Hash, Key)]
enum Shape {
    /// Nothing.
    #[default]
    Empty,
    Circle {
        radius: u32,
    },
    Named(String, Box<Shape>),
}

/// An enum without fields, of no fixed layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Share, PartialOrd, Ord, Hash, Key)]
enum State {
    #[default]
    Idle,
    Busy,
}

/// A generic enum that contains itself.
#[derive(Clone, Debug, PartialEq, Share)]
enum Tree<T> {
    Leaf(T),
    Fork(Box<Tree<T>>, Box<Tree<T>>),
    Many { trees: Vec<Tree<T>> },
}

/// A struct that contains itself.
#[derive(Clone, Debug, Default, PartialEq, Share)]
struct Node {
    name: String,
    kids: Vec<Node>,
    next: Option<Box<Node>>,
}

fn node(name: &str) -> Node {
    Node { name: name.into(), ..Node::default() }
}

/// Two attachments of one file.
struct Two {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    here: Segment,
    there: Segment,
}

impl Two {
    fn new() -> Two {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("two.commy");
        let here = Segment::create(&path).unwrap();
        let there = Segment::open(&path).unwrap();
        Two { _dir: dir, path, here, there }
    }

    /// Both attachments' handles of one object.
    fn object<T: Share>(&self, value: T) -> (Shared<T>, Shared<T>) {
        let here = self.here.open_or_create_with("object", || value).unwrap();
        (here, self.there.open("object").unwrap())
    }
}

fn task() -> Task {
    Task { id: 7, work: "resize".into(), done: true, r#type: (3, "third".into()) }
}

#[test]
fn a_struct_is_seen_and_changed_field_by_field() {
    let two = Two::new();
    let (here, there) = two.object(task());
    assert_eq!(there.load().unwrap(), task());
    {
        let mut guard = here.write().unwrap();
        *guard.id_mut() += 1;
        guard.set_work("sharpen the picture".into()).unwrap();
        guard.work_mut().push_str("!").unwrap();
        *guard.try_done_mut().unwrap() = false;
        let (number, text) = guard.type_mut();
        *number = 4;
        text.push_str(" and fourth").unwrap();
    }
    {
        let guard = there.read().unwrap();
        assert_eq!((*guard.id(), guard.work(), *guard.done()), (8, "sharpen the picture!", false));
        assert_eq!(guard.r#type(), (&4, "third and fourth"));
        assert_eq!(guard.load().unwrap().id, 8);
    }
    there.write().unwrap().set(task()).unwrap();
    assert_eq!(here.load().unwrap(), task());
}

#[test]
fn a_rollback_restores_replaced_fields() {
    let two = Two::new();
    let (here, there) = two.object(task());
    let before = two.here.stats().unwrap().allocated;
    let mut guard = here.write().unwrap();
    for round in 0..10 {
        guard.set_work("x".repeat(100 * round)).unwrap();
        guard.set_type((round as u8, "y".repeat(round))).unwrap();
        guard.set_id(round as u64).unwrap();
    }
    guard.rollback();
    assert_eq!(there.load().unwrap(), task());
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

#[test]
fn what_is_replaced_is_given_back() {
    let two = Two::new();
    let long =
        |name: &str| Node { name: name.repeat(50), kids: vec![node("a"), node(name)], next: Some(node("n").into()) };
    let (here, _) = two.object(Node::default());
    let before = two.here.stats().unwrap().allocated;
    for round in 0..10 {
        let mut guard = here.write().unwrap();
        guard.set_name("some name or other".repeat(round)).unwrap();
        guard.set_next(Some(Box::new(long("next")))).unwrap();
        guard.set_kids(vec![long("one"), long("two")]).unwrap();
    }
    assert!(two.here.stats().unwrap().allocated > before);
    here.write().unwrap().set(Node::default()).unwrap();
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

#[test]
fn a_generic_struct_keeps_its_parameters_apart() {
    let two = Two::new();
    let value = Tagged::<String, 2> { value: "v".into(), all: vec!["a".into(), "b".into()], bytes: [1, 2] };
    let (_, there) = two.object(value.clone());
    assert_eq!(there.load().unwrap(), value);
    let guard = there.read().unwrap();
    assert_eq!((guard.value(), guard.all().len(), guard.bytes()), ("v", 2, &[1, 2]));
    let other = two.there.open::<Tagged<String, 3>>("object").unwrap_err().to_string();
    assert!(other.contains("Tagged<String, 2>, not Tagged<String, 3>: field Tagged<String, 3>.bytes"), "{other}");
    let other = two.there.open::<Tagged<u32, 2>>("object").unwrap_err().to_string();
    assert!(other.contains("field Tagged<u32, 2>.value is stored as String, asked for as u32"), "{other}");
}

#[test]
fn a_tuple_struct_has_numbered_methods() {
    let two = Two::new();
    let (here, there) = two.object(Name("n".into(), 1));
    here.write().unwrap().set_field_0("name".into()).unwrap();
    *here.write().unwrap().field_1_mut() = 9;
    let guard = there.read().unwrap();
    assert_eq!((guard.field_0(), *guard.field_1()), ("name", 9));
    assert_eq!(format!("{:?}", &*guard), r#"Name("name", 9)"#);
    drop(guard);
    assert_eq!(here.load().unwrap(), Name("name".into(), 9));
}

#[test]
fn a_struct_of_nothing_can_be_shared() {
    let two = Two::new();
    let (here, there) = two.object(Nothing);
    here.write().unwrap().set(Nothing).unwrap();
    assert_eq!(there.load().unwrap(), Nothing);
    assert_eq!(format!("{:?}", &*there.read().unwrap()), "Nothing");
}

#[test]
fn an_enum_is_seen_as_an_enum_of_references() {
    let two = Two::new();
    let (here, there) = two.object(Shape::default());
    assert!(matches!(there.read().unwrap().view(), ShapeRef::Empty));
    here.write().unwrap().set(Shape::Circle { radius: 3 }).unwrap();
    assert!(matches!(there.read().unwrap().view(), ShapeRef::Circle { radius: 3 }));
    if let ShapeMut::Circle { radius } = there.write().unwrap().view_mut() {
        *radius = 4;
    }
    assert_eq!(here.load().unwrap(), Shape::Circle { radius: 4 });
    here.write().unwrap().set(Shape::Named("outer".into(), Box::new(Shape::Circle { radius: 1 }))).unwrap();
    match there.write().unwrap().view_mut() {
        ShapeMut::Named(name, inner) => {
            name.push_str(" shape").unwrap();
            inner.set_content(Shape::Named("inner".into(), Box::default())).unwrap();
        }
        other => panic!("{other:?}"),
    }
    let guard = here.read().unwrap();
    let seen @ ShapeRef::Named(name, inner) = guard.view() else { panic!("{:?}", guard.view()) };
    let copy = seen;
    assert_eq!(name, "outer shape");
    assert!(matches!(inner.content(), ShapeRef::Named("inner", _)));
    assert_eq!(format!("{copy:?}"), r#"Named("outer shape", Named("inner", Empty))"#);
    drop(guard);
    here.write().unwrap().set(Shape::Empty).unwrap();
    assert_eq!(there.load().unwrap(), Shape::Empty);
}

#[test]
fn an_enum_without_fields_needs_no_lifetime() {
    let two = Two::new();
    let (here, there) = two.object(vec![State::Idle]);
    here.write().unwrap().push(State::Busy).unwrap();
    let seen: Vec<StateRef> = there.read().unwrap().iter().collect();
    assert_eq!(format!("{seen:?}"), "[Idle, Busy]");
    assert_eq!(there.load().unwrap(), [State::Idle, State::Busy]);
}

#[test]
fn types_that_contain_themselves_are_seen_level_by_level() {
    let two = Two::new();
    let list = Node { next: Some(Box::new(Node { next: Some(node("c").into()), ..node("b") })), ..node("a") };
    let (here, there) = two.object(Node { kids: vec![list.clone(), node("d")], ..list.clone() });
    {
        let guard = there.read().unwrap();
        let mut names = vec![guard.name()];
        let mut next = guard.next();
        while let Some(node) = next {
            names.push(node.name());
            next = node.next();
        }
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(guard.kids().get(0).unwrap().next().unwrap().name(), "b");
    }
    {
        let mut guard = here.write().unwrap();
        let next = guard.next_mut();
        next.get_mut().unwrap().set_name("B".into()).unwrap();
        let after = next.get_mut().unwrap().next_mut().take().unwrap();
        assert_eq!(after, Some(node("c").into()));
        next.get_mut().unwrap().next_mut().insert(node("C").into()).unwrap().kids_mut().push(node("e")).unwrap();
    }
    let loaded = there.load().unwrap();
    let next = loaded.next.unwrap();
    assert_eq!((next.name.as_str(), next.next), ("B", Some(Box::new(Node { kids: vec![node("e")], ..node("C") }))));

    let tree = Tree::Fork(Tree::Leaf(1u64).into(), Tree::Many { trees: vec![Tree::Leaf(2), Tree::Leaf(3)] }.into());
    let shared = two.here.open_or_create_with("tree", || tree.clone()).unwrap();
    assert_eq!(shared.load().unwrap(), tree);
    let guard = shared.read().unwrap();
    assert_eq!(format!("{:?}", guard.view()), "Fork(Leaf(1), Many { trees: [Leaf(2), Leaf(3)] })");
}

#[test]
fn a_plain_struct_is_lent_as_itself() {
    let two = Two::new();
    let cell = |small, level| Cell { small, large: 1 << 40, level };
    let (here, there) = two.object(vec![cell(1, Level::Low), cell(2, Level::High)]);
    here.write().unwrap().get_mut(0).unwrap().small = 9;
    assert_eq!(there.read().unwrap().get(0), Some(&cell(9, Level::Low)));
    let wrapped = two.here.open_or_create::<Vec<Wrapped<u32>>>("wrapped").unwrap();
    wrapped.write().unwrap().push(Wrapped(3)).unwrap();
    assert_eq!(wrapped.read().unwrap().get(0), Some(&Wrapped(3)));
}

/// A key of everything.
type Composed = (Option<Name>, Box<u16>, State);

fn composed() -> [Composed; 4] {
    let key = |name: Option<&str>, number: u16, state| (name.map(|name| Name(name.into(), 0)), Box::new(number), state);
    [
        key(Some("b"), 1, State::Idle),
        key(None, 2, State::Busy),
        key(Some("a"), 9, State::Idle),
        key(None, 2, State::Idle),
    ]
}

#[test]
fn derived_keys_find_their_values() {
    let two = Two::new();
    let cell = |small, level| Cell { small, large: 5, level };
    let cells: Shared<HashMap<Cell, u32>> = two.here.open_or_create("cells").unwrap();
    cells.write().unwrap().insert(cell(1, Level::Low), 1).unwrap();
    cells.write().unwrap().insert(cell(1, Level::High), 2).unwrap();
    assert_eq!(cells.read().unwrap().get(&cell(1, Level::High)), Some(&2));
    assert_eq!(cells.read().unwrap().get(&cell(2, Level::High)), None);

    let shapes: Shared<HashMap<Shape, String>> = two.here.open_or_create("shapes").unwrap();
    let nested = Shape::Named("n".into(), Box::new(Shape::Circle { radius: 1 }));
    for shape in [Shape::Empty, Shape::Circle { radius: 1 }, Shape::Circle { radius: 2 }, nested.clone()] {
        shapes.write().unwrap().insert(shape.clone(), format!("{shape:?}")).unwrap();
    }
    assert_eq!(shapes.read().unwrap().get(&nested), Some(format!("{nested:?}").as_str()));
    assert_eq!(shapes.read().unwrap().get(&Shape::Circle { radius: 3 }), None);
    assert_eq!(shapes.read().unwrap().get(&Shape::Empty), Some("Empty"));

    let hashed: Shared<HashMap<Composed, u32>> = two.here.open_or_create("hashed").unwrap();
    let [first, second, ..] = composed();
    hashed.write().unwrap().insert(first.clone(), 5).unwrap();
    assert_eq!(hashed.read().unwrap().get(&first), Some(&5));
    assert_eq!(hashed.read().unwrap().get(&second), None);
}

#[test]
fn derived_keys_are_ordered_by_their_fields() {
    let two = Two::new();
    let levels: Shared<BTreeMap<Level, u8>> = two.here.open_or_create("levels").unwrap();
    for (index, level) in [Level::High, Level::Low, Level::Normal].into_iter().enumerate() {
        levels.write().unwrap().insert(level, u8::try_from(index).unwrap()).unwrap();
    }
    let order: Vec<Level> = levels.read().unwrap().iter().map(|(level, _)| *level).collect();
    assert_eq!(order, [Level::Low, Level::Normal, Level::High]);

    let map: Shared<BTreeMap<Composed, u32>> = two.here.open_or_create("composed").unwrap();
    for (index, key) in composed().into_iter().enumerate() {
        map.write().unwrap().insert(key, u32::try_from(index).unwrap()).unwrap();
    }
    let order: Vec<u32> = map.read().unwrap().iter().map(|(_, index)| *index).collect();
    assert_eq!(order, [3, 1, 2, 0]);
    assert_eq!(map.read().unwrap().get(&composed()[2]), Some(&2));
}

/// What a stored key hashes to and what a borrowed one does must be the same for all derived kinds: a type
/// that is generic over its field.
#[derive(Clone, Debug, PartialEq, Eq, Share, Hash, Key)]
struct Keyed<T> {
    name: String,
    part: T,
}

#[test]
fn a_generic_key_asks_for_a_key() {
    fn assert<T: Key + Lookup<T>>() {}
    assert::<Keyed<Keyed<u8>>>();
    let two = Two::new();
    let map: Shared<HashMap<Keyed<Shape>, u8>> = two.here.open_or_create("keyed").unwrap();
    let key = Keyed { name: "k".into(), part: Shape::Circle { radius: 1 } };
    map.write().unwrap().insert(key.clone(), 1).unwrap();
    assert_eq!(map.read().unwrap().get(&key), Some(&1));
}

#[test]
fn another_type_is_refused_and_the_field_is_named() {
    mod v1 {
        #[derive(Default, commy::Share)]
        pub struct Task {
            id: u64,
            work: String,
            shape: Shape,
        }
        #[derive(Default, commy::Share)]
        enum Shape {
            #[default]
            Empty,
            Circle {
                radius: u32,
            },
        }
    }
    mod v2 {
        #[derive(Default, commy::Share)]
        pub struct Task {
            id: u32,
            work: String,
            shape: Shape,
        }
        #[derive(Default, commy::Share)]
        enum Shape {
            #[default]
            Empty,
            Circle {
                radius: u32,
            },
        }
    }
    mod v3 {
        #[derive(Default, commy::Share)]
        pub struct Task {
            id: u64,
            work: String,
            shape: Shape,
        }
        #[derive(Default, commy::Share)]
        enum Shape {
            #[default]
            Empty,
            Circle {
                radius: i32,
            },
        }
    }
    let two = Two::new();
    two.here.open_or_create::<v1::Task>("task").unwrap();
    let refused = |error: Error| match error {
        Error::TypeMismatch { place, .. } => place,
        other => panic!("{other}"),
    };
    let place = refused(two.there.open::<v2::Task>("task").unwrap_err());
    assert_eq!(place, "field Task.id is stored as u64, asked for as u32");
    let place = refused(two.there.open::<v3::Task>("task").unwrap_err());
    assert_eq!(place, "field Shape::Circle.radius is stored as u32, asked for as i32");
}

#[test]
fn options_results_boxes_and_tuples_nest() {
    type Value = (Option<String>, Result<u32, String>, Box<Vec<u8>>, Option<(u8, Option<String>)>);
    let two = Two::new();
    let (here, there) = two.object::<Value>((None, Ok(1), Box::default(), None));
    let before = two.here.stats().unwrap().allocated;
    {
        let mut guard = here.write().unwrap();
        let (text, result, bytes, pair) = guard.view_mut();
        assert!(text.is_none());
        text.insert("a".into()).unwrap().push_str("b").unwrap();
        assert_eq!(text.replace("c".into()).unwrap().as_deref(), Some("ab"));
        assert_eq!(text.get(), Some("c"));
        *result.unwrap() += 1;
        bytes.push(4).unwrap();
        assert_eq!(bytes.content().len(), 1);
        let (number, inner) = pair.get_or_insert_with(|| (1, None)).unwrap();
        *number += 1;
        inner.set(Some("inner".into())).unwrap();
        pair.get_or_insert_with(|| unreachable!()).unwrap();
    }
    let all = (Some("c".into()), Ok(2), Box::new(vec![4]), Some((2, Some("inner".into()))));
    assert_eq!(there.load().unwrap(), all);
    {
        let guard = there.read().unwrap();
        let (text, result, bytes, pair) = guard.view();
        assert_eq!((text, result, pair), (Some("c"), Ok(&2), Some((&2, Some("inner")))));
        assert_eq!(bytes.get(0), Some(&4));
    }
    {
        let mut guard = there.write().unwrap();
        let (text, _, bytes, pair) = guard.view_mut();
        assert_eq!(text.take().unwrap().as_deref(), Some("c"));
        assert_eq!(text.take().unwrap(), None);
        assert_eq!(format!("{text:?} {pair:?}"), r#"None Some((2, Some("inner")))"#);
        pair.set(None).unwrap();
        bytes.set_content(Vec::new()).unwrap();
    }
    assert_eq!(here.load().unwrap(), (None, Ok(2), Box::default(), None));
    assert_eq!(two.here.stats().unwrap().allocated, before);
    here.write().unwrap().set((None, Err("broken".into()), Box::default(), None)).unwrap();
    assert_eq!(there.read().unwrap().view().1, Err("broken"));
}

#[test]
fn an_option_that_is_emptied_and_filled_again_rolls_back_to_what_it_was() {
    let two = Two::new();
    let (here, there) = two.object(Some((1u64, "one".to_owned())));
    let mut guard = here.write().unwrap();
    let option = guard.view_mut();
    option.set(None).unwrap();
    option.set(Some((2, "two".into()))).unwrap();
    assert_eq!(option.take().unwrap(), Some((2, "two".into())));
    option.insert((3, "three".into())).unwrap();
    guard.rollback();
    assert_eq!(there.load().unwrap(), Some((1, "one".into())));
}

/// A list of that many nodes, made in place, front to back.
fn long_list(shared: &Shared<Node>, length: usize) {
    let mut guard = shared.write().unwrap();
    let mut next = guard.next_mut();
    for _ in 0..length {
        next = next.insert(Box::default()).unwrap().next_mut();
    }
}

#[test]
fn a_list_too_long_to_load_is_seen_and_dropped() {
    let two = Two::new();
    let (here, there) = two.object(Node::default());
    let before = two.here.stats().unwrap().allocated;
    long_list(&here, 100_000);
    let error = there.load().unwrap_err().to_string();
    assert!(error.contains("at most 128 levels"), "{error}");
    {
        let guard = there.read().unwrap();
        let mut length = 0;
        let mut next = guard.next();
        while let Some(node) = next {
            length += 1;
            next = node.next();
        }
        assert_eq!(length, 100_000);
    }
    here.write().unwrap().set_next(None).unwrap();
    assert_eq!(there.load().unwrap(), Node::default());
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

#[test]
fn a_value_nested_too_deeply_is_not_stored() {
    let two = Two::new();
    let (here, there) = two.object(Node::default());
    let before = two.here.stats().unwrap().allocated;
    let deep = |levels| (0..levels).fold(Node::default(), |inner, _| Node { kids: vec![inner], ..node("n") });
    let error = here.write().unwrap().set(deep(2000)).unwrap_err().to_string();
    assert!(error.contains("at most 128 levels"), "{error}");
    assert_eq!(two.here.stats().unwrap().allocated, before);
    here.write().unwrap().set(deep(100)).unwrap();
    assert_eq!(there.load().unwrap(), deep(100));
    here.write().unwrap().set(Node::default()).unwrap();
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

#[test]
fn a_tag_of_no_variant_is_reported_as_damage() {
    let two = Two::new();
    let (here, there) = two.object(vec![Shape::Circle { radius: 0x1357_9bdf }]);
    let bytes = std::fs::read(&two.path).unwrap();
    let at = bytes.windows(4).position(|window| window == 0x1357_9bdf_u32.to_ne_bytes()).unwrap() - 8;
    assert_eq!(bytes[at..at + 8], 1u64.to_ne_bytes());
    let mut file = std::fs::OpenOptions::new().write(true).open(&two.path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at as u64)).unwrap();
    std::io::Write::write_all(&mut file, &77u64.to_ne_bytes()).unwrap();

    assert!(matches!(there.load(), Err(Error::Corrupt { offset, .. }) if offset == at as u64));
    let guard = there.read().unwrap();
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| guard.get(0).is_some())).unwrap_err();
    let message = seen.downcast_ref::<String>().unwrap();
    assert!(message.contains("damaged") && message.contains("77 is the tag of no variant of Shape"), "{message}");
    drop(guard);
    assert!(matches!(here.write().unwrap().try_get_mut(0), Err(Error::Corrupt { .. })));
}

/// Has no `Debug`, and fields whose views have none.
#[derive(Share)]
struct Silent {
    cell: Mute,
    cells: Vec<Mute>,
}

/// Has no `Debug`.
#[derive(Clone, Copy, Plain)]
#[repr(C)]
struct Mute {
    number: u32,
}

#[test]
fn a_view_is_shown_like_its_struct() {
    let two = Two::new();
    let (here, _) = two.object(task());
    assert_eq!(format!("{:?}", &*here.read().unwrap()), format!("{:?}", task()).replace("r#", ""));
    let silent = Silent { cell: Mute { number: 1 }, cells: vec![] };
    let silent = two.here.open_or_create_with("silent", || silent).unwrap();
    assert_eq!(format!("{:?}", &*silent.read().unwrap()), "Silent { cell: .., cells: .. }");
    assert_eq!(silent.read().unwrap().cell().number, 1);
}

#[test]
fn views_can_be_looked_at_from_other_threads() {
    let two = Two::new();
    let (here, _) = two.object(Node { kids: vec![node("kid")], ..node("root") });
    let guard = here.read().unwrap();
    let view = &*guard;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || assert_eq!((view.name(), view.kids().get(0).unwrap().name()), ("root", "kid")));
        }
    });
}
