//! Fields that are replaced: what happens to the old, and what on an error.

use super::{Node, Two, node, task};
use commy::{Error, Segment};

#[test]
fn a_rollback_restores_replaced_fields() {
    let two = Two::new();
    let (here, there) = two.object(task());
    let before = two.here.stats().unwrap().allocated;
    let mut guard = here.write().unwrap();
    for round in 0..10u8 {
        guard.set_work("x".repeat(100 * usize::from(round))).unwrap();
        guard.set_type((round, "y".repeat(round.into()))).unwrap();
        guard.set_id(round.into()).unwrap();
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
    here.write().unwrap().store(Node::default()).unwrap();
    assert_eq!(two.here.stats().unwrap().allocated, before);
}

#[test]
fn a_field_that_does_not_fit_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().max_size(256 * 1024).create(dir.path().join("small.commy")).unwrap();
    let shared = segment.open_or_create_with("task", task).unwrap();
    let list = segment.open_or_create::<Node>("node").unwrap();
    let before = segment.stats().unwrap().allocated;
    let mut guard = shared.write().unwrap();
    assert!(matches!(guard.set_work("x".repeat(1 << 20)), Err(Error::OutOfSpace { .. })));
    assert_eq!(guard.load().unwrap(), task());
    guard.commit().unwrap();
    let many = (0..10_000).map(|_| node("a name that takes some room")).collect();
    let mut guard = list.write().unwrap();
    guard.set_name("list".into()).unwrap();
    assert!(matches!(guard.set_kids(many), Err(Error::OutOfSpace { .. })));
    guard.set_name(String::new()).unwrap();
    guard.commit().unwrap();
    assert_eq!(list.load().unwrap(), Node::default());
    assert_eq!(segment.stats().unwrap().allocated, before);
}
