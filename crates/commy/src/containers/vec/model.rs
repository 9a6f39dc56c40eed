//! The model tests: vectors do what those of std do.

use super::VecView;
use super::testing::{groups, run, within};
use crate::error::Error;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Number {
    Push(u32),
    Pop,
    Insert(usize, u32),
    Remove(usize),
    SwapRemove(usize),
    Set(usize, u32),
    Swap(usize, usize),
    Truncate(usize),
    Clear,
    Extend(usize, u32),
    ExtendFromSlice(usize, u32),
    Drain(usize, usize),
    SplitOff(usize),
    Retain(u32),
    RetainMut(u32),
    Dedup,
    Sort,
    SortUnstable,
    Reverse,
    Resize(usize, u32),
    Reserve(usize),
    ReserveExact(usize),
    Shrink(usize),
    GetMut(usize, u32),
    AddToAll(u32),
    AddToSlice(usize, usize, u32),
}

fn number() -> impl Strategy<Value = Number> {
    use Number::*;
    let (at, value) = (any::<u16>().prop_map(usize::from), 0..50u32);
    let many = prop_oneof![6 => 0..40usize, 2 => 500..3000usize, 1 => 15_000..40_000usize];
    prop_oneof![
        6 => value.clone().prop_map(Push),
        3 => Just(Pop),
        2 => (at.clone(), value.clone()).prop_map(|(i, v)| Insert(i, v)),
        2 => at.clone().prop_map(Remove),
        1 => at.clone().prop_map(SwapRemove),
        1 => (at.clone(), value.clone()).prop_map(|(i, v)| Set(i, v)),
        1 => (at.clone(), at.clone()).prop_map(|(a, b)| Swap(a, b)),
        2 => at.clone().prop_map(Truncate),
        1 => Just(Clear),
        2 => (many.clone(), value.clone()).prop_map(|(n, v)| Extend(n, v)),
        2 => (many.clone(), value.clone()).prop_map(|(n, v)| ExtendFromSlice(n, v)),
        1 => (at.clone(), at.clone()).prop_map(|(a, b)| Drain(a, b)),
        1 => at.clone().prop_map(SplitOff),
        1 => (1..5u32).prop_map(Retain),
        1 => (1..5u32).prop_map(RetainMut),
        1 => Just(Dedup),
        1 => Just(Sort),
        1 => Just(SortUnstable),
        1 => Just(Reverse),
        1 => (many.clone(), value.clone()).prop_map(|(n, v)| Resize(n, v)),
        1 => many.clone().prop_map(Reserve),
        1 => many.clone().prop_map(ReserveExact),
        2 => many.prop_map(Shrink),
        1 => (at.clone(), value.clone()).prop_map(|(i, v)| GetMut(i, v)),
        1 => value.clone().prop_map(AddToAll),
        1 => (at.clone(), at, value).prop_map(|(a, b, v)| AddToSlice(a, b, v)),
    ]
}

fn apply_number(view: &mut VecView<u32>, model: &mut Vec<u32>, operation: Number) {
    let len = model.len();
    let values = |n: usize, v: u32| (0..n as u32).map(move |i| i.wrapping_mul(v) % 97);
    match operation {
        Number::Push(v) => {
            view.push(v).unwrap();
            model.push(v);
        }
        Number::Pop => assert_eq!(view.pop().unwrap(), model.pop()),
        Number::Insert(i, v) => {
            view.insert(i % (len + 1), v).unwrap();
            model.insert(i % (len + 1), v);
        }
        Number::Remove(i) if len > 0 => assert_eq!(view.remove(i % len).unwrap(), Some(model.remove(i % len))),
        Number::Remove(i) => assert_eq!(view.remove(i).unwrap(), None),
        Number::SwapRemove(i) if len > 0 => {
            assert_eq!(view.swap_remove(i % len).unwrap(), Some(model.swap_remove(i % len)));
        }
        Number::SwapRemove(i) => assert_eq!(view.swap_remove(i).unwrap(), None),
        Number::Set(i, v) if len > 0 => {
            view.set(i % len, v).unwrap();
            model[i % len] = v;
        }
        Number::Swap(a, b) if len > 0 => {
            view.swap(a % len, b % len).unwrap();
            model.swap(a % len, b % len);
        }
        Number::GetMut(i, v) if len > 0 => {
            *view.get_mut(i % len).unwrap() = v;
            model[i % len] = v;
        }
        Number::Set(i, v) => assert!(matches!(view.set(i, v), Err(Error::BadArgument { .. }))),
        Number::Swap(a, b) => assert!(matches!(view.swap(a, b), Err(Error::BadArgument { .. }))),
        Number::GetMut(i, _) => assert!(view.get_mut(i).is_none()),
        Number::Truncate(n) => {
            view.truncate(n % (len + 2)).unwrap();
            model.truncate(n % (len + 2));
        }
        Number::Clear => {
            view.clear().unwrap();
            model.clear();
            assert_eq!(view.capacity(), 0);
        }
        Number::Extend(n, v) => {
            view.extend(values(n, v)).unwrap();
            model.extend(values(n, v));
        }
        Number::ExtendFromSlice(n, v) => {
            let values: Vec<u32> = values(n, v).collect();
            view.extend_from_slice(&values).unwrap();
            model.extend_from_slice(&values);
        }
        Number::Drain(a, b) => {
            let range = within(a, b, len);
            assert_eq!(view.drain(range.clone()).unwrap(), model.drain(range).collect::<Vec<_>>());
        }
        Number::SplitOff(i) => {
            assert_eq!(view.split_off(i % (len + 1)).unwrap(), model.split_off(i % (len + 1)));
            assert!(matches!(view.split_off(len + 1), Err(Error::BadArgument { .. })));
        }
        Number::Retain(m) => {
            view.retain(|v| !v.is_multiple_of(m)).unwrap();
            model.retain(|v| !v.is_multiple_of(m));
        }
        Number::RetainMut(m) => {
            let wanted = |v: &mut u32| {
                *v += 1;
                !v.is_multiple_of(m)
            };
            view.retain_mut(wanted).unwrap();
            model.retain_mut(wanted);
        }
        Number::Dedup => {
            view.dedup().unwrap();
            model.dedup();
        }
        Number::Sort => {
            view.sort_by(|a, b| b.cmp(a)).unwrap();
            model.sort_by(|a, b| b.cmp(a));
        }
        Number::SortUnstable => {
            view.sort_unstable().unwrap();
            model.sort_unstable();
            assert_eq!(view.binary_search(&25).is_ok(), model.contains(&25));
            assert_eq!(view.contains(&25), model.contains(&25));
        }
        Number::Reverse => {
            view.reverse().unwrap();
            model.reverse();
        }
        Number::Resize(n, v) => {
            view.resize(n, v).unwrap();
            model.resize(n, v);
        }
        Number::Reserve(n) => {
            view.reserve(n).unwrap();
            assert!(view.capacity() >= len + n);
        }
        Number::ReserveExact(n) => view.reserve_exact(n).unwrap(),
        Number::Shrink(n) => {
            let before = view.capacity();
            view.shrink_to(n).unwrap();
            assert_eq!(view.capacity(), before.min(n.max(len)));
        }
        Number::AddToAll(v) => {
            view.iter_mut().rev().for_each(|e| *e += v);
            model.iter_mut().for_each(|e| *e += v);
        }
        Number::AddToSlice(a, b, v) => {
            let range = within(a, b, len);
            view[range.clone()].iter_mut().for_each(|e| *e += v);
            model[range].iter_mut().for_each(|e| *e += v);
            view.as_mut_slice().rotate_left(len / 2);
            model.rotate_left(len / 2);
        }
    }
    assert_eq!(view.len(), model.len());
    assert!(view.capacity() >= model.len());
}

#[derive(Clone, Debug)]
enum Nested {
    Push(Vec<String>),
    Pop,
    Insert(usize, Vec<String>),
    Remove(usize),
    Set(usize, Vec<String>),
    Extend(Vec<Vec<String>>),
    Drain(usize, usize),
    Retain(usize),
    Dedup,
    Sort,
    Truncate(usize),
    InnerPush(usize, String),
    InnerPop(usize),
    InnerSwapRemove(usize, usize),
    InnerSort(usize),
    InnerClear(usize),
    TextPush(usize, usize, String),
    TextSet(usize, usize, String),
    TextClear(usize, usize),
}

fn nested() -> impl Strategy<Value = Nested> {
    use Nested::*;
    let (at, text) = (0..64usize, "[a-cé€]{0,60}");
    let inner = prop::collection::vec(text, 0..8);
    prop_oneof![
        4 => inner.clone().prop_map(Push),
        2 => Just(Pop),
        2 => (at.clone(), inner.clone()).prop_map(|(i, v)| Insert(i, v)),
        1 => at.clone().prop_map(Remove),
        1 => (at.clone(), inner.clone()).prop_map(|(i, v)| Set(i, v)),
        1 => prop::collection::vec(inner, 0..6).prop_map(Extend),
        1 => (at.clone(), at.clone()).prop_map(|(a, b)| Drain(a, b)),
        1 => at.clone().prop_map(Retain),
        1 => Just(Dedup),
        1 => Just(Sort),
        1 => at.clone().prop_map(Truncate),
        4 => (at.clone(), text).prop_map(|(i, t)| InnerPush(i, t)),
        2 => at.clone().prop_map(InnerPop),
        1 => (at.clone(), at.clone()).prop_map(|(i, j)| InnerSwapRemove(i, j)),
        1 => at.clone().prop_map(InnerSort),
        1 => at.clone().prop_map(InnerClear),
        2 => (at.clone(), at.clone(), text).prop_map(|(i, j, t)| TextPush(i, j, t)),
        2 => (at.clone(), at.clone(), text).prop_map(|(i, j, t)| TextSet(i, j, t)),
        1 => (at.clone(), at).prop_map(|(i, j)| TextClear(i, j)),
    ]
}

fn apply_nested(view: &mut VecView<Vec<String>>, model: &mut Vec<Vec<String>>, operation: Nested) {
    let len = model.len();
    match operation {
        Nested::Push(v) => {
            view.push(v.clone()).unwrap();
            model.push(v);
        }
        Nested::Pop => assert_eq!(view.pop().unwrap(), model.pop()),
        Nested::Insert(i, v) => {
            view.insert(i % (len + 1), v.clone()).unwrap();
            model.insert(i % (len + 1), v);
        }
        Nested::Extend(v) => {
            view.extend(v.clone()).unwrap();
            model.extend(v);
        }
        Nested::Drain(a, b) => {
            let range = within(a, b, len);
            assert_eq!(view.drain(range.clone()).unwrap(), model.drain(range).collect::<Vec<_>>());
        }
        Nested::Retain(n) => {
            view.retain(|inner| inner.len() != n % 8).unwrap();
            model.retain(|inner| inner.len() != n % 8);
        }
        Nested::Dedup => {
            view.dedup_by_key(|inner| inner.len()).unwrap();
            model.dedup_by_key(|inner| inner.len());
        }
        Nested::Sort => {
            view.sort().unwrap();
            model.sort();
            assert_eq!(*view, *model);
        }
        Nested::Truncate(n) => {
            view.truncate(n).unwrap();
            model.truncate(n);
        }
        _ if len == 0 => assert_eq!(view.get(0), None),
        Nested::Remove(i) => assert_eq!(view.remove(i % len).unwrap(), Some(model.remove(i % len))),
        Nested::Set(i, v) => {
            view.set(i % len, v.clone()).unwrap();
            model[i % len] = v;
        }
        Nested::InnerPush(i, t) => {
            view.get_mut(i % len).unwrap().push(t.clone()).unwrap();
            model[i % len].push(t);
        }
        Nested::InnerPop(i) => assert_eq!(view.get_mut(i % len).unwrap().pop().unwrap(), model[i % len].pop()),
        Nested::InnerSwapRemove(i, j) => {
            let inner = &mut model[i % len];
            let expected = (!inner.is_empty()).then(|| inner.swap_remove(j % inner.len().max(1)));
            let found = view.get_mut(i % len).unwrap();
            let at = j % found.len().max(1);
            assert_eq!(found.swap_remove(at).unwrap(), expected);
        }
        Nested::InnerSort(i) => {
            view.get_mut(i % len).unwrap().sort_unstable_by_key(str::to_owned).unwrap();
            model[i % len].sort();
            for (at, text) in model[i % len].iter().enumerate() {
                let found = view.get(i % len).unwrap().binary_search(text.as_str()).unwrap();
                assert_eq!(model[i % len][found], model[i % len][at]);
            }
        }
        Nested::InnerClear(i) => {
            view.get_mut(i % len).unwrap().clear().unwrap();
            model[i % len].clear();
        }
        Nested::TextPush(i, j, t) => {
            let Some(text) = model[i % len].get_mut(j) else { return };
            view.get_mut(i % len).unwrap().get_mut(j).unwrap().push_str(&t).unwrap();
            text.push_str(&t);
        }
        Nested::TextSet(i, j, t) => {
            let Some(text) = model[i % len].get_mut(j) else { return };
            view.get_mut(i % len).unwrap().get_mut(j).unwrap().set(&t).unwrap();
            *text = t;
        }
        Nested::TextClear(i, j) => {
            let Some(text) = model[i % len].get_mut(j) else { return };
            view.get_mut(i % len).unwrap().get_mut(j).unwrap().clear().unwrap();
            text.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_vector_of_numbers_never_differs_from_that_of_std(groups in groups(number())) {
        run::<Vec<u32>, _>(groups, apply_number, |view| view.clear().unwrap());
    }

    #[test]
    fn nested_vectors_of_strings_never_differ_from_those_of_std(groups in groups(nested())) {
        run::<Vec<Vec<String>>, _>(groups, apply_nested, |view| view.clear().unwrap());
    }
}
