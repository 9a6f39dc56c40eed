//! The model tests and the failures that deques must not have.

use super::DequeView;
use crate::containers::vec::testing::{Element, groups, pair, run, within};
use crate::error::Error;
use crate::layout::Word;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Clone, Debug)]
enum Operation<T> {
    PushBack(T),
    PushFront(T),
    PopFront,
    PopBack,
    Rotate(usize),
    Insert(usize, T),
    Remove(usize),
    Set(usize, T),
    Swap(usize, usize),
    Truncate(usize),
    Clear,
    Extend(usize, T),
    Drain(usize, usize),
    SplitOff(usize),
    Retain(usize),
    RetainMut(usize, T),
    Resize(usize, T),
    Reserve(usize),
    Shrink(usize),
    Change(usize, T),
    RotateLeft(usize),
    RotateRight(usize),
    SwapRemove(usize, bool),
    ResizeWith(usize, T),
    ChangeRange(usize, usize, T),
}

fn operation<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
    large: bool,
) -> impl Strategy<Value = Operation<T>> {
    use Operation::*;
    let at = any::<u16>().prop_map(usize::from);
    let many = if large {
        prop_oneof![4 => 0..40usize, 1 => 500..3000usize, 1 => 15_000..30_000usize].boxed()
    } else {
        (0..12usize).boxed()
    };
    prop_oneof![
        6 => value.clone().prop_map(PushBack),
        4 => value.clone().prop_map(PushFront),
        4 => Just(PopFront),
        3 => Just(PopBack),
        2 => (0..300usize).prop_map(Rotate),
        2 => (at.clone(), value.clone()).prop_map(|(i, v)| Insert(i, v)),
        2 => at.clone().prop_map(Remove),
        1 => (at.clone(), value.clone()).prop_map(|(i, v)| Set(i, v)),
        1 => (at.clone(), at.clone()).prop_map(|(a, b)| Swap(a, b)),
        1 => at.clone().prop_map(Truncate),
        1 => Just(Clear),
        3 => (many.clone(), value.clone()).prop_map(|(n, v)| Extend(n, v)),
        2 => (at.clone(), at.clone()).prop_map(|(a, b)| Drain(a, b)),
        1 => at.clone().prop_map(SplitOff),
        1 => (1..5usize).prop_map(Retain),
        1 => (1..5usize, value.clone()).prop_map(|(m, v)| RetainMut(m, v)),
        1 => (many.clone(), value.clone()).prop_map(|(n, v)| Resize(n, v)),
        1 => many.clone().prop_map(Reserve),
        2 => many.prop_map(Shrink),
        2 => (at.clone(), value.clone()).prop_map(|(i, v)| Change(i, v)),
        3 => at.clone().prop_map(RotateLeft),
        3 => at.clone().prop_map(RotateRight),
        2 => (at.clone(), any::<bool>()).prop_map(|(i, front)| SwapRemove(i, front)),
        1 => (0..12usize, value.clone()).prop_map(|(n, v)| ResizeWith(n, v)),
        1 => (at.clone(), at, value).prop_map(|(a, b, v)| ChangeRange(a, b, v)),
    ]
}

fn apply<T: Element>(view: &mut DequeView<T>, model: &mut VecDeque<T>, operation: Operation<T>) {
    let len = model.len();
    match operation {
        Operation::PushBack(v) => {
            view.push_back(v.clone()).unwrap();
            model.push_back(v);
        }
        Operation::PushFront(v) => {
            view.push_front(v.clone()).unwrap();
            model.push_front(v);
        }
        Operation::PopFront => assert_eq!(view.pop_front().unwrap(), model.pop_front()),
        Operation::PopBack => assert_eq!(view.pop_back().unwrap(), model.pop_back()),
        Operation::Rotate(n) if len > 0 => {
            for _ in 0..n {
                let value = view.pop_front().unwrap().unwrap();
                view.push_back(value).unwrap();
            }
            model.rotate_left(n % len);
        }
        Operation::Insert(i, v) => {
            view.insert(i % (len + 1), v.clone()).unwrap();
            model.insert(i % (len + 1), v);
        }
        Operation::Remove(i) => assert_eq!(view.remove(i % (len + 1)).unwrap(), model.remove(i % (len + 1))),
        Operation::Set(i, v) if len > 0 => {
            view.set(i % len, v.clone()).unwrap();
            model[i % len] = v;
        }
        Operation::Swap(a, b) if len > 0 => {
            view.swap(a % len, b % len).unwrap();
            model.swap(a % len, b % len);
        }
        Operation::Change(i, v) if len > 0 => {
            T::put(view.get_mut(i % len).unwrap(), v.clone());
            T::put(view.front_mut().unwrap(), v.clone());
            model[i % len] = v.clone();
            model[0] = v;
        }
        Operation::Rotate(_) => assert!(view.front().is_none() && view.back_mut().is_none()),
        Operation::Set(i, v) => assert!(matches!(view.set(i, v), Err(Error::BadArgument { .. }))),
        Operation::Swap(a, b) => assert!(matches!(view.swap(a, b), Err(Error::BadArgument { .. }))),
        Operation::Change(i, _) => assert!(view.get_mut(i).is_none()),
        Operation::Truncate(n) => {
            view.truncate(n % (len + 2)).unwrap();
            model.truncate(n % (len + 2));
        }
        Operation::Clear => {
            view.clear().unwrap();
            model.clear();
            assert_eq!(view.capacity(), 0);
        }
        Operation::Extend(n, v) => {
            view.extend(std::iter::repeat_n(v.clone(), n)).unwrap();
            model.extend(std::iter::repeat_n(v, n));
        }
        Operation::Drain(a, b) => {
            let range = within(a, b, len);
            assert!(view.range(range.clone()).unwrap().zip(model.range(range.clone())).all(|(a, b)| T::same(a, b)));
            assert_eq!(view.drain(range.clone()).unwrap(), model.drain(range).collect::<Vec<_>>());
        }
        Operation::SplitOff(i) => {
            assert_eq!(view.split_off(i % (len + 1)).unwrap(), model.split_off(i % (len + 1)));
        }
        Operation::Retain(m) => {
            let wanted = |counter: &mut usize| {
                *counter += 1;
                !counter.is_multiple_of(m)
            };
            let mut counters = (0, 0);
            view.retain(|_| wanted(&mut counters.0)).unwrap();
            model.retain(|_| wanted(&mut counters.1));
        }
        Operation::RetainMut(m, v) => {
            let mut counters = (0, 0);
            view.retain_mut(|slot| {
                T::put(slot, v.clone());
                counters.0 += 1;
                counters.0 % m == 0
            })
            .unwrap();
            model.retain_mut(|slot| {
                *slot = v.clone();
                counters.1 += 1;
                counters.1 % m == 0
            });
        }
        Operation::Resize(n, v) => {
            view.resize(n, v.clone()).unwrap();
            model.resize(n, v);
        }
        Operation::Reserve(n) => {
            view.reserve(n).unwrap();
            assert!(view.capacity() >= len + n);
        }
        Operation::RotateLeft(n) => {
            view.rotate_left(n % (len + 1)).unwrap();
            model.rotate_left(n % (len + 1));
            assert!(matches!(view.rotate_left(len + 1), Err(Error::BadArgument { .. })));
        }
        Operation::RotateRight(n) => {
            view.rotate_right(n % (len + 1)).unwrap();
            model.rotate_right(n % (len + 1));
            assert!(matches!(view.rotate_right(len + 1), Err(Error::BadArgument { .. })));
        }
        Operation::SwapRemove(i, front) => {
            let i = i % (len + 2);
            let found = if front { view.swap_remove_front(i) } else { view.swap_remove_back(i) };
            let known = if front { model.swap_remove_front(i) } else { model.swap_remove_back(i) };
            assert_eq!(found.unwrap(), known);
        }
        Operation::ResizeWith(n, v) => {
            view.resize_with(n, || v.clone()).unwrap();
            model.resize_with(n, || v.clone());
        }
        Operation::ChangeRange(a, b, v) => {
            let range = within(a, b, len);
            view.range_mut(range.clone()).unwrap().rev().for_each(|slot| T::put(slot, v.clone()));
            model.range_mut(range).for_each(|slot| *slot = v.clone());
            assert!(view.range_mut(..=len).is_err());
        }
        Operation::Shrink(n) => {
            let before = view.capacity();
            view.shrink_to(n).unwrap();
            assert!(view.capacity() <= before && view.capacity() >= len);
        }
    }
    assert_eq!(view.len(), model.len());

    assert!(view.iter().zip(&*model).all(|(a, b)| T::same(a, b)));
    assert!(view.iter().rev().zip(model.iter().rev()).all(|(a, b)| T::same(a, b)));
    assert!(view.capacity() == 0 || view.capacity().is_power_of_two());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_deque_of_numbers_never_differs_from_that_of_std(groups in groups(operation(0..50u32, true))) {
        run::<VecDeque<u32>, _>(groups, apply, |view| view.clear().unwrap());
    }

    #[test]
    fn a_deque_of_strings_never_differs_from_that_of_std(groups in groups(operation("[a-cé€]{0,60}", false))) {
        run::<VecDeque<String>, _>(groups, apply, |view| view.clear().unwrap());
    }
}

#[test]
fn a_slot_popped_and_pushed_again_is_restored_by_a_rollback() {
    let pair = pair(16 << 20);
    let [object, other] = pair.object::<VecDeque<u64>>();
    let before: VecDeque<u64> = (0..16).collect();
    object.store(before.clone()).unwrap();
    let mut guard = object.write().unwrap();
    assert_eq!((guard.len(), guard.capacity()), (16, 16));
    for n in 0..50 {
        guard.pop_front().unwrap();
        guard.push_back(n + 100).unwrap();
    }
    guard.drain(3..9).unwrap();
    guard.push_front(1).unwrap();
    assert_eq!((guard.len(), guard.capacity()), (11, 16));
    guard.rollback();
    assert_eq!(other.load().unwrap(), before);
}

#[test]
fn growing_in_place_and_anew_keeps_a_ring_that_wraps() {
    let pair = pair(64 << 20);
    let [object, other] = pair.object::<VecDeque<u64>>();
    let mut model = VecDeque::new();
    for shift in [0, 1, 700, 1023, 1024] {
        let mut guard = object.write().unwrap();
        for n in 0..shift {
            guard.push_back(n).unwrap();
            model.push_back(n);
            assert_eq!(guard.pop_front().unwrap(), model.pop_front());
        }
        for n in 0..5000 {
            guard.push_back(n).unwrap();
            model.push_back(n);
        }
        let as_one: Vec<u64> = [guard.as_slices().0, guard.as_slices().1].concat();
        assert!(as_one.iter().eq(&model));
        assert_eq!((guard[model.len() - 1], guard[0]), (model[model.len() - 1], model[0]));
        guard[7] += 1;
        model[7] += 1;
        guard.commit().unwrap();
        assert_eq!(other.load().unwrap(), model);
        object.write().unwrap().drain(20..).unwrap();
        model.truncate(20);
        other.write().unwrap().shrink_to_fit().unwrap();
        assert_eq!(*object.read().unwrap(), model);
        assert_eq!(object.read().unwrap().capacity(), 32);
    }
}

#[test]
fn a_full_segment_is_an_error_that_changes_nothing_and_removing_still_works() {
    let pair = pair(1 << 20);
    let [object, other] = pair.object::<VecDeque<String>>();
    let base = pair.allocated();
    let mut model = VecDeque::new();
    let error = loop {
        let value = format!("{:0>1000}", model.len());
        match object.write().unwrap().push_front(value.clone()) {
            Ok(()) => model.push_front(value),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(model.len() > 100, "only {} strings fit", model.len());
    let full = pair.allocated();
    let long = "x".repeat(2 << 20);
    let mut guard = other.write().unwrap();
    assert!(matches!(guard.extend((0..20_000).map(|n| format!("{n:0>100}"))), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.insert(3, long.clone()), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.push_back(long), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.reserve(1 << 20), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.reserve(usize::MAX), Err(Error::OutOfSpace { .. })));
    assert_eq!(*guard, model);
    guard.commit().unwrap();
    assert_eq!((object.load().unwrap(), pair.allocated()), (model.clone(), full));
    for _ in 0..50 {
        assert_eq!(object.write().unwrap().pop_front().unwrap(), model.pop_front());
        assert_eq!(other.write().unwrap().pop_back().unwrap(), model.pop_back());
    }
    assert_eq!(other.write().unwrap().remove(5).unwrap(), model.remove(5));
    assert_eq!(object.load().unwrap(), model);
    object.write().unwrap().clear().unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn a_large_deque_gives_memory_back_when_most_of_it_is_removed() {
    let pair = pair(64 << 20);
    let [object, other] = pair.object::<VecDeque<u64>>();
    let base = pair.allocated();
    object.write().unwrap().extend(0..300_000).unwrap();
    let mut guard = object.write().unwrap();
    guard.drain(5..299_990).unwrap();
    guard.rollback();
    assert_eq!(other.read().unwrap().len(), 300_000);
    object.write().unwrap().drain(5..299_990).unwrap();
    assert_eq!(pair.allocated(), base + 16 * 8);
    assert!(other.read().unwrap().iter().copied().eq((0..5).chain(299_990..300_000)));
}

#[test]
fn an_iterator_that_panics_leaves_what_was_there_before_and_leaks_nothing() {
    let pair = pair(16 << 20);
    let [object, other] = pair.object::<VecDeque<String>>();
    let base = pair.allocated();
    let mut guard = object.write().unwrap();
    guard.push_front("first".into()).unwrap();
    let values = (0..100).map(|n| if n == 70 { panic!("no more") } else { n.to_string() });
    assert!(catch_unwind(AssertUnwindSafe(|| guard.extend(values))).is_err());
    let mut seen = 0;
    let retained = catch_unwind(AssertUnwindSafe(|| {
        guard.retain(|_| {
            seen += 1;
            if seen == 50 { panic!("enough") } else { seen % 3 == 0 }
        })
    }));
    assert!(retained.is_err());
    let mut found: Vec<String> = guard.iter().map(str::to_owned).collect();
    found.sort();
    let mut expected: Vec<String> = (0..70).map(|n| n.to_string()).chain(["first".to_string()]).collect();
    expected.sort();
    assert_eq!(found, expected);
    guard.commit().unwrap();
    other.write().unwrap().clear().unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn deques_of_two_guards_are_appended_whole() {
    let pair = pair(16 << 20);
    let ([one, _], [_, two]) = (pair.object::<VecDeque<String>>(), pair.object::<VecDeque<String>>());
    let [nested, _] = pair.object::<Vec<VecDeque<String>>>();
    let base = pair.allocated();
    let texts = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<VecDeque<_>>();
    one.store(texts(0..5)).unwrap();
    two.store(texts(5..20)).unwrap();
    {
        let (mut one, mut two) = (one.write().unwrap(), two.write().unwrap());
        one.append(&mut two).unwrap();
        assert!(two.is_empty());
    }
    assert_eq!(one.load().unwrap(), texts(0..20));
    one.write().unwrap().clear().unwrap();
    assert_eq!(pair.allocated(), base);
    nested.store(vec![texts(0..5), texts(5..9)]).unwrap();
    let mut guard = nested.write().unwrap();
    let mut inner = guard.iter_mut();
    let (first, second) = (inner.next().unwrap(), inner.next().unwrap());
    first.append(second).unwrap();
    assert_eq!(*guard, vec![texts(0..9), texts(0..0)]);
    guard.rollback();
    assert_eq!(nested.load().unwrap(), [texts(0..5), texts(5..9)]);
    nested.store(Vec::new()).unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn a_damaged_header_reads_as_empty_and_is_an_error_to_change() {
    let pair = pair(1 << 20);
    let [object, _] = pair.object::<VecDeque<u64>>();
    object.store([1, 2, 3].into()).unwrap();
    let mut guard = object.write().unwrap();
    let header = std::ptr::from_ref(&*guard).cast::<Word>();
    // SAFETY: a view begins with its header of four words, which lie in the map while the guard lives.
    let words = unsafe { std::slice::from_raw_parts(header, 4) };
    let good = [0, 1, 2, 3].map(|index| words[index].get());
    let bad = [(0, u64::MAX - 7), (0, good[0] + 4), (0, 1 << 30), (1, 3), (1, 2), (1, 0), (1, 1 << 62), (2, 4), (3, 5)];
    for (index, bad) in bad {
        words[index].put(bad);
        assert_eq!(guard.len(), 0, "word {index} is {bad}");
        assert_eq!((guard.front(), guard.back(), guard.iter().next()), (None, None, None));
        assert!(guard.as_slices().0.is_empty() && guard.get_mut(0).is_none());
        assert!(matches!(guard.to_deque(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.push_back(1), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.push_front(1), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.pop_front(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.pop_back(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.insert(0, 1), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.clear(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.drain(..), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.extend([1]), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.retain(|_| true), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.shrink_to_fit(), Err(Error::Corrupt { .. })));
        words[index].put(good[index]);
    }
    assert_eq!(*guard, [1, 2, 3]);
}

#[test]
fn views_print_compare_and_search_as_those_of_std() {
    let pair = pair(1 << 20);
    let [object, _] = pair.object::<VecDeque<String>>();
    let value: VecDeque<String> = ["a", "b", "d"].map(String::from).into();
    object.store(value.clone()).unwrap();
    let guard = object.read().unwrap();
    assert_eq!(format!("{:?}", &*guard), format!("{value:?}"));
    assert_eq!(*guard, value);
    assert_eq!(*guard, Vec::from(value.clone()));
    assert_eq!(guard.binary_search("b"), Ok(1));
    assert_eq!(guard.binary_search("c"), Err(2));
    assert!(guard.contains("d") && !guard.contains("e") && *guard >= *guard);
    assert!(matches!(guard.range(2..5), Err(Error::BadArgument { .. })));
}

#[test]
fn searches_and_slices_of_a_ring_that_wraps_are_those_of_std() {
    let pair = pair(16 << 20);
    let [object, other] = pair.object::<VecDeque<u32>>();
    let mut model: VecDeque<u32> = (3..13).map(|n| n * 2).collect();
    let mut guard = object.write().unwrap();
    guard.extend(model.clone()).unwrap();
    for n in 13..23 {
        guard.pop_front().unwrap();
        guard.push_back(n * 2).unwrap();
        model.pop_front();
        model.push_back(n * 2);
    }
    assert!(!guard.as_slices().1.is_empty(), "the ring does not wrap");
    for n in 0..40 {
        assert_eq!(guard.binary_search(&n), model.binary_search(&n));
        assert_eq!(guard.binary_search_by(|own| own.cmp(&n)), model.binary_search(&n));
        assert_eq!(guard.binary_search_by_key(&(n / 2), |own| own / 2).is_ok(), model.contains(&(n / 2 * 2)));
        assert_eq!(guard.partition_point(|own| *own < n), model.partition_point(|own| *own < n));
    }
    guard.commit().unwrap();
    for commit in [false, true] {
        let mut guard = other.write().unwrap();
        let (first, second) = guard.as_mut_slices();
        first.iter_mut().chain(second).for_each(|n| *n += 1);
        guard.make_contiguous().unwrap().reverse();
        guard.push_back(7).unwrap();
        let mut now = model.clone();
        now.make_contiguous().reverse();
        now.iter_mut().for_each(|n| *n += 1);
        now.push_back(7);
        assert!(*guard == now && guard.as_slices().0.len() == now.len());
        let larger = VecDeque::from([99]);
        assert!(*guard < larger);
        assert!(larger > *guard);
        if commit {
            guard.commit().unwrap();
            model = now;
        } else {
            guard.rollback();
        }
        assert_eq!(object.load().unwrap(), model);
    }
}
