//! Enums.

use super::{Shape, ShapeMut, ShapeRef, State, StateRef, Two};
use commy::Error;

#[test]
fn an_enum_is_seen_as_an_enum_of_references() {
    let two = Two::new();
    let (here, there) = two.object(Shape::default());
    assert!(matches!(there.read().unwrap().view(), ShapeRef::Empty));
    here.write().unwrap().store(Shape::Circle { radius: 3 }).unwrap();
    assert!(matches!(there.read().unwrap().view(), ShapeRef::Circle { radius: 3 }));
    if let ShapeMut::Circle { radius } = there.write().unwrap().view_mut() {
        *radius = 4;
    }
    assert_eq!(here.load().unwrap(), Shape::Circle { radius: 4 });
    here.write().unwrap().store(Shape::Named("outer".into(), Box::new(Shape::Circle { radius: 1 }))).unwrap();
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
    here.write().unwrap().store(Shape::Empty).unwrap();
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
