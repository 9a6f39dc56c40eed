//! `SharedBox`.

use super::{fresh, map};
use commy::{Plain, SharedBox};
use std::time::Duration;

#[test]
fn a_box_is_a_value_in_place() {
    let (_folder, path, allocator) = fresh();
    let mut number: SharedBox<i64> = SharedBox::new_in(&allocator);
    let there: SharedBox<i64> = SharedBox::new_in(&map(&path));
    assert_eq!(*number, 0);
    *number = 41;
    *number += 1;
    assert_eq!((*there, there.load().expect("a copy")), (42, 42));
    number.store(5).expect("stored");
    assert_eq!(number.update(|value| std::mem::replace(value, 6)).expect("changed"), 5);
    assert_eq!((there == 6, format!("{there} {there:?}"), *there.as_ref()), (true, "6 6".to_string(), 6));
    let version = there.version();
    *number.as_mut() = 7;
    assert!(there.wait(version, Duration::ZERO).expect("a version") != version);
    assert_eq!((number.into_inner(), *there), (7, 0));
}

#[test]
fn a_box_of_a_struct_is_of_one_moment_under_the_lock() {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Plain)]
    #[repr(C)]
    struct Pair {
        left: u64,
        right: u64,
    }
    let (_folder, path, allocator) = fresh();
    let mut pair: SharedBox<Pair> = SharedBox::named_in(&allocator, "pair");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let there: SharedBox<Pair> = SharedBox::named_in(&map(&path), "pair");
            loop {
                let Pair { left, right } = there.load().expect("a copy");
                assert_eq!(left, right);
                if left == 20_000 {
                    break;
                }
            }
        });
        for _ in 0..20_000 {
            pair.update(|pair| {
                pair.left += 1;
                pair.right += 1;
            })
            .expect("changed");
        }
    });
}
