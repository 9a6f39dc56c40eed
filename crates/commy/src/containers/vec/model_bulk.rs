//! The model tests of what changes many elements of a vector at once: it does what that of std does.

use super::VecView;
use super::testing::{Element, groups, run, within};
use crate::error::Error;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation<T> {
    Extend(Vec<T>),
    ExtendFromSlice(Vec<T>),
    ExtendFromWithin(usize, usize),
    Splice(usize, usize, Vec<T>),
    ExtractIf(usize, usize, usize, T),
    PopIf(T, bool),
    ResizeWith(usize, T),
    Fill(T),
    FillWith(T),
    RotateLeft(usize),
    RotateRight(usize),
    SortCached,
    Disjoint([usize; 3], T),
    Truncate(usize),
}

fn operation<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
    many: usize,
) -> impl Strategy<Value = Operation<T>> {
    use Operation::*;
    let at = any::<u16>().prop_map(usize::from);
    let values =
        prop_oneof![4 => prop::collection::vec(value.clone(), 0..20), 1 => prop::collection::vec(value.clone(), many)];
    prop_oneof![
        3 => values.clone().prop_map(Extend),
        3 => values.clone().prop_map(ExtendFromSlice),
        2 => (at.clone(), at.clone()).prop_map(|(a, b)| ExtendFromWithin(a, b)),
        4 => (at.clone(), at.clone(), values).prop_map(|(a, b, v)| Splice(a, b, v)),
        2 => (at.clone(), at.clone(), 1..5usize, value.clone()).prop_map(|(a, b, m, v)| ExtractIf(a, b, m, v)),
        2 => (value.clone(), any::<bool>()).prop_map(|(v, pop)| PopIf(v, pop)),
        1 => (0..40usize, value.clone()).prop_map(|(n, v)| ResizeWith(n, v)),
        1 => value.clone().prop_map(Fill),
        1 => value.clone().prop_map(FillWith),
        2 => at.clone().prop_map(RotateLeft),
        2 => at.clone().prop_map(RotateRight),
        1 => Just(SortCached),
        2 => ([at.clone(), at.clone(), at.clone()], value).prop_map(|(i, v)| Disjoint(i, v)),
        3 => at.prop_map(Truncate),
    ]
}

fn apply<T: Element + Ord>(view: &mut VecView<T>, model: &mut Vec<T>, operation: Operation<T>)
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b T> + Copy,
{
    let len = model.len();
    match operation {
        Operation::Extend(values) => {
            view.extend(values.clone()).unwrap();
            model.extend(values);
        }
        Operation::ExtendFromSlice(values) => {
            view.extend_from_slice(&values).unwrap();
            model.extend_from_slice(&values);
            assert!(view.ends_with(&values) && view.starts_with(&model[..len]));
        }
        Operation::ExtendFromWithin(a, b) => {
            let range = within(a, b, len);
            view.extend_from_within(range.clone()).unwrap();
            model.extend_from_within(range);
            model.truncate(400);
            view.truncate(400).unwrap();
        }
        Operation::Splice(a, b, values) => {
            let range = within(a, b, len);
            let removed = view.splice(range.clone(), values.clone()).unwrap();
            assert_eq!(removed, model.splice(range, values).collect::<Vec<_>>());
            assert!(matches!(view.splice(..=model.len(), []), Err(Error::BadArgument { .. })));
        }
        Operation::ExtractIf(a, b, each, value) => {
            let range = within(a, b, len);
            let (mut seen, mut known) = (0, 0);
            let taken = view.extract_if(range.clone(), |element| {
                seen += 1;
                if seen % 7 == 0 {
                    T::put(element, value.clone());
                }
                seen % each == 0
            });
            let expected = model.extract_if(range, |element| {
                known += 1;
                if known % 7 == 0 {
                    *element = value.clone();
                }
                known % each == 0
            });
            assert_eq!(taken.unwrap(), expected.collect::<Vec<_>>());
        }
        Operation::PopIf(value, pop) => {
            let found = view.pop_if(|last| {
                T::put(last, value.clone());
                pop
            });
            let known = model.pop_if(|last| {
                *last = value.clone();
                pop
            });
            assert_eq!(found.unwrap(), known);
        }
        Operation::ResizeWith(n, value) => {
            view.resize_with(n, || value.clone()).unwrap();
            model.resize_with(n, || value.clone());
        }
        Operation::Fill(value) => {
            view.fill(value.clone()).unwrap();
            model.fill(value);
        }
        Operation::FillWith(value) => {
            let (mut a, mut b) = (0, 0);
            let next = |count: &mut usize| {
                *count += 1;
                model.get(*count / 2).cloned().unwrap_or(value.clone())
            };
            let values: Vec<T> = (0..len).map(|_| next(&mut b)).collect();
            view.fill_with(|| next(&mut a)).unwrap();
            *model = values;
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
        Operation::SortCached => {
            view.sort_by_cached_key(|element| model.iter().position(|known| T::same(element, known))).unwrap();
            let known = model.clone();
            model.sort_by_cached_key(|element| known.iter().position(|other| element == other));
        }
        Operation::Disjoint(at, value) => {
            let at = at.map(|index| index % (len + 2));
            match (view.get_disjoint_mut(at), model.get_disjoint_mut(at)) {
                (Ok(found), Ok(known)) => {
                    found.into_iter().for_each(|slot| T::put(slot, value.clone()));
                    known.into_iter().for_each(|slot| *slot = value.clone());
                }
                (found, known) => assert!(found.is_err() && known.is_err(), "{at:?}"),
            }
        }
        Operation::Truncate(n) => {
            view.truncate(n % (len + 2)).unwrap();
            model.truncate(n % (len + 2));
        }
    }
    assert!(*view == *model && model[..] == *view);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_numbers_changed_at_once_never_differ_from_those_of_std(groups in groups(operation(0..50u32, 2000))) {
        run::<Vec<u32>, _>(groups, apply, |view| view.clear().unwrap());
    }

    #[test]
    fn many_strings_changed_at_once_never_differ_from_those_of_std(groups in groups(operation("[a-cé€]{0,60}", 40))) {
        run::<Vec<String>, _>(groups, apply, |view| view.clear().unwrap());
    }
}
