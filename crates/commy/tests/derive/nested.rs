//! Values within values: `Option`, `Result`, `Box`, tuples, and types that contain themselves.

use super::{Node, Two, node};
use commy::{Share, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// A generic enum that contains itself.
#[derive(Clone, Debug, PartialEq, Share)]
enum Tree<T> {
    Leaf(T),
    Fork(Box<Tree<T>>, Box<Tree<T>>),
    Many { trees: Vec<Tree<T>> },
}

#[test]
fn guards_of_options_and_boxes_see_what_is_in_them() {
    let two = Two::new();
    let (here, there) = two.object(Some(Box::new(5u64)));
    **here.write().unwrap().get_mut().unwrap() += 1;
    assert_eq!(there.read().unwrap().get().map(|number| **number), Some(6));
    here.write().unwrap().get_mut().unwrap().set_content(8).unwrap();
    assert_eq!(there.write().unwrap().take().unwrap(), Some(Box::new(8)));
    assert!(here.read().unwrap().is_none());
    let text: Shared<Box<String>> = two.here.open_or_create("text").unwrap();
    text.write().unwrap().push_str("boxed").unwrap();
    assert_eq!(text.read().unwrap().content(), "boxed");
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
    here.write().unwrap().store((None, Err("broken".into()), Box::default(), None)).unwrap();
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
    let error = here.write().unwrap().store(deep(2000)).unwrap_err().to_string();
    assert!(error.contains("at most 128 levels"), "{error}");
    assert_eq!(two.here.stats().unwrap().allocated, before);
    here.write().unwrap().store(deep(100)).unwrap();
    assert_eq!(there.load().unwrap(), deep(100));
    here.write().unwrap().store(Node::default()).unwrap();
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

/// Contains itself in every container.
#[derive(Clone, Debug, Default, PartialEq, Share)]
enum Json {
    #[default]
    Null,
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Queue(VecDeque<Json>),
    Object(BTreeMap<String, Json>),
    Index {
        by_name: HashMap<String, Box<Json>>,
        numbers: HashSet<u32>,
        names: BTreeSet<String>,
        parent: Option<Box<Json>>,
    },
}

#[test]
fn a_type_may_contain_itself_in_every_container() {
    let two = Two::new();
    let (here, there) = two.object(Json::default());
    let before = two.here.stats().unwrap().allocated;
    let list = Json::List(vec![Json::Number(1.5), Json::Text("two".into()), Json::Null]);
    let queue = Json::Queue([list.clone(), Json::Null].into());
    let object = Json::Object([("list".into(), list.clone()), ("queue".into(), queue)].into());
    let all = Json::Index {
        by_name: [("object".into(), Box::new(object)), ("list".into(), Box::new(list))].into(),
        numbers: [1, 2].into(),
        names: ["a".into(), "b".into()].into(),
        parent: Some(Box::new(Json::Null)),
    };
    here.write().unwrap().store(all.clone()).unwrap();
    assert_eq!(there.load().unwrap(), all);
    match there.write().unwrap().view_mut() {
        JsonMut::Index { by_name, .. } => match by_name.get_mut("object").unwrap().content_mut() {
            JsonMut::Object(object) => match object.get_mut("list").unwrap() {
                JsonMut::List(list) => list.push(Json::Number(2.5)).unwrap(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    let guard = here.read().unwrap();
    let shown = format!("{:?}", guard.view());
    assert!(shown.contains(r#""list": List([Number(1.5), Text("two"), Null, Number(2.5)])"#), "{shown}");
    drop(guard);
    here.write().unwrap().store(Json::Null).unwrap();
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

#[test]
fn values_nested_too_deeply_in_containers_are_dropped_too() {
    let two = Two::new();
    let (here, there) = two.object(vec![Json::Null]);
    let before = two.here.stats().unwrap().allocated;
    {
        let mut guard = here.write().unwrap();
        let mut list = &mut *guard;
        for level in 0..20_000 {
            list.set(0, if level % 2 == 0 { Json::List(vec![Json::Null]) } else { nest() }).unwrap();
            list = match list.get_mut(0).unwrap() {
                JsonMut::List(inner) => inner,
                JsonMut::Object(inner) => match inner.get_mut("in").unwrap() {
                    JsonMut::List(inner) => inner,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            };
        }
    }
    assert!(there.load().is_err());
    here.write().unwrap().clear().unwrap();
    assert_eq!(there.load().unwrap(), []);
    here.write().unwrap().push(Json::Null).unwrap();
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

fn nest() -> Json {
    Json::Object([("in".into(), Json::List(vec![Json::Null]))].into())
}
