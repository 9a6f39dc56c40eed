//! Structs.

use super::{Cell, Level, Name, Node, Two, node, task};
use commy::{Error, Key, Plain, Share};
use std::fmt::Debug;

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

/// Nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Share)]
struct Nothing;

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
    there.write().unwrap().store(task()).unwrap();
    assert_eq!(here.load().unwrap(), task());
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
    here.write().unwrap().store(Nothing).unwrap();
    assert_eq!(there.load().unwrap(), Nothing);
    assert_eq!(format!("{:?}", &*there.read().unwrap()), "Nothing");
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

#[test]
fn names_of_the_program_do_not_get_in_the_way() {
    let two = Two::new();
    let (here, there) = two.object(elsewhere::odd());
    here.write().unwrap().set_store(9).unwrap();
    let guard = there.read().unwrap();
    let view = &*guard;
    assert_eq!((*view.cx(), *view.stored(), *view.load(), *view.store()), (1, 2, 3, 9));
    assert_eq!((*view.value(), *view.registry()), (5, 6));
}

/// What the derives make names everything in full, whatever these names mean where they are used.
mod elsewhere {
    #![allow(non_snake_case, dead_code)]
    struct Hidden;
    type Result = Hidden;
    type Option = Hidden;
    type Vec = Hidden;
    type String = Hidden;
    struct Box;
    fn Ok() {}
    fn Err() {}
    fn Some() {}

    /// Has fields with the names of what is generated.
    #[derive(commy::Share, commy::Key)]
    pub struct Odd {
        pub(super) cx: u8,
        pub(super) stored: u8,
        pub(super) load: u8,
        pub(super) store: u8,
        pub(super) value: u8,
        pub(super) registry: u8,
        inner: Inner,
    }

    #[derive(Clone, Copy, commy::Plain, commy::Key)]
    #[repr(C)]
    struct Inner {
        cx: Level,
        stored: u8,
    }

    #[derive(Clone, Copy, commy::Plain, commy::Key)]
    #[repr(u8)]
    enum Level {
        Low,
    }

    #[derive(commy::Share, commy::Key)]
    enum Either {
        Odd(Odd),
        Ok { cx: u8, tag: u8, payload: u8, hasher: u8, query: u8 },
    }

    pub fn odd() -> Odd {
        Odd { cx: 1, stored: 2, load: 3, store: 4, value: 5, registry: 6, inner: Inner { cx: Level::Low, stored: 7 } }
    }
}
