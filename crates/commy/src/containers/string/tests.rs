//! The model test and the failures that strings must not have.

use super::Text;
use crate::containers::vec::testing::{groups, pair, run};
use crate::error::Error;
use crate::layout::Word;
use proptest::prelude::*;
use std::fmt::Write;

#[derive(Clone, Debug)]
enum Operation {
    Push(char),
    PushStr(String),
    Insert(usize, char),
    InsertStr(usize, String),
    Pop,
    Remove(usize),
    Truncate(usize),
    Clear,
    Set(String),
    ReplaceRange(usize, usize, String),
    Drain(usize, usize),
    SplitOff(usize),
    Retain(char),
    Reserve(usize),
    Shrink,
    Long(usize),
    ReserveExact(usize),
    ShrinkTo(usize),
    Extend(String),
    ExtendFromWithin(usize, usize),
    Upper,
    Lower,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let (at, text, character) = (any::<u16>().prop_map(usize::from), "[a-dé€😀]{0,40}", "[a-dé€😀]");
    let character = character.prop_map(|c| c.chars().next().unwrap());
    prop_oneof![
        3 => character.clone().prop_map(Push),
        4 => text.prop_map(PushStr),
        2 => (at.clone(), character.clone()).prop_map(|(i, c)| Insert(i, c)),
        2 => (at.clone(), text).prop_map(|(i, t)| InsertStr(i, t)),
        3 => Just(Pop),
        2 => at.clone().prop_map(Remove),
        2 => at.clone().prop_map(Truncate),
        1 => Just(Clear),
        2 => text.prop_map(Set),
        2 => (at.clone(), at.clone(), text).prop_map(|(a, b, t)| ReplaceRange(a, b, t)),
        2 => (at.clone(), at.clone()).prop_map(|(a, b)| Drain(a, b)),
        1 => at.clone().prop_map(SplitOff),
        1 => character.prop_map(Retain),
        1 => at.prop_map(Reserve),
        1 => Just(Shrink),
        1 => (1..150_000usize).prop_map(Long),
        1 => (0..3000usize).prop_map(ReserveExact),
        1 => (0..3000usize).prop_map(ShrinkTo),
        1 => text.prop_map(Extend),
        1 => (0..600usize, 0..600usize).prop_map(|(a, b)| ExtendFromWithin(a, b)),
        1 => Just(Upper),
        1 => Just(Lower),
    ]
}

/// The boundary of characters at or below a number.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at % (text.len() + 1)).rev().find(|index| text.is_char_boundary(*index)).unwrap()
}

fn apply(text: &mut Text, model: &mut String, operation: Operation) {
    let at = |index| boundary(model, index);
    match operation {
        Operation::Push(c) => {
            text.push(c).unwrap();
            model.push(c);
        }
        Operation::PushStr(t) => {
            text.push_str(&t).unwrap();
            model.push_str(&t);
        }
        Operation::Insert(i, c) => {
            let i = at(i);
            text.insert(i, c).unwrap();
            model.insert(i, c);
        }
        Operation::InsertStr(i, t) => {
            let i = at(i);
            text.insert_str(i, &t).unwrap();
            model.insert_str(i, &t);
        }
        Operation::Pop => assert_eq!(text.pop().unwrap(), model.pop()),
        Operation::Remove(i) => {
            let i = at(i);
            let expected = (i < model.len()).then(|| model.remove(i));
            assert_eq!(text.remove(i).unwrap(), expected);
        }
        Operation::Truncate(n) => {
            let n = at(n);
            text.truncate(n).unwrap();
            model.truncate(n);
        }
        Operation::Clear => {
            text.clear().unwrap();
            model.clear();
            assert_eq!(text.capacity(), 0);
        }
        Operation::Set(t) => {
            text.set(&t).unwrap();
            *model = t;
        }
        Operation::ReplaceRange(a, b, t) => {
            let (a, b) = (at(a).min(at(b)), at(a).max(at(b)));
            text.replace_range(a..b, &t).unwrap();
            model.replace_range(a..b, &t);
        }
        Operation::Drain(a, b) => {
            let (a, b) = (at(a).min(at(b)), at(a).max(at(b)));
            assert_eq!(text.drain(a..b).unwrap(), model.drain(a..b).collect::<String>());
        }
        Operation::SplitOff(i) => {
            let i = at(i);
            assert_eq!(text.split_off(i).unwrap(), model.split_off(i));
        }
        Operation::Retain(c) => {
            text.retain(|other| other != c).unwrap();
            model.retain(|other| other != c);
        }
        Operation::ReserveExact(n) => {
            text.reserve_exact(n).unwrap();
            assert!(text.capacity() >= model.len() + n);
        }
        Operation::ShrinkTo(n) => {
            let before = text.capacity();
            text.shrink_to(n).unwrap();
            assert_eq!(text.capacity(), before.min(n.max(model.len())));
        }
        Operation::Extend(t) => {
            text.extend(t.chars()).unwrap();
            text.extend([t.as_str(), "é"]).unwrap();
            model.push_str(&t);
            model.extend([t.as_str(), "é"]);
        }
        Operation::ExtendFromWithin(a, b) => {
            let (a, b) = (at(a).min(at(b)), at(a).max(at(b)));
            text.extend_from_within(a..b).unwrap();
            model.extend_from_within(a..b);
        }
        Operation::Upper => {
            text.make_ascii_uppercase().unwrap();
            model.make_ascii_uppercase();
        }
        Operation::Lower => {
            text.make_ascii_lowercase().unwrap();
            model.make_ascii_lowercase();
        }
        Operation::Reserve(n) => {
            text.reserve(n).unwrap();
            assert!(text.capacity() >= model.len() + n);
        }
        Operation::Shrink => {
            text.shrink_to_fit().unwrap();
            assert_eq!(text.capacity(), model.len());
        }
        Operation::Long(n) => {
            text.push_str(&"€".repeat(n / 3)).unwrap();
            model.push_str(&"€".repeat(n / 3));
        }
    }
    assert_eq!(*text, *model);
    assert!(text.capacity() >= model.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_string_never_differs_from_that_of_std(groups in groups(operation())) {
        run::<String, _>(groups, apply, |text| text.clear().unwrap());
    }
}

#[test]
fn an_index_within_a_character_is_an_error_that_changes_nothing() {
    let pair = pair(1 << 20);
    let [object, other] = pair.object::<String>();
    object.store("a€b".into()).unwrap();
    let mut guard = object.write().unwrap();
    let text = guard.view_mut();
    assert!(matches!(text.insert(2, 'x'), Err(Error::BadArgument { .. })));
    assert!(matches!(text.insert_str(6, "x"), Err(Error::BadArgument { .. })));
    assert!(matches!(text.remove(3), Err(Error::BadArgument { .. })));
    assert!(matches!(text.truncate(2), Err(Error::BadArgument { .. })));
    assert!(matches!(text.replace_range(1..2, "x"), Err(Error::BadArgument { .. })));
    assert!(matches!(text.replace_range(2..4, "x"), Err(Error::BadArgument { .. })));
    assert!(matches!(text.drain(..9), Err(Error::BadArgument { .. })));
    assert!(matches!(text.split_off(9), Err(Error::BadArgument { .. })));
    assert_eq!(text.remove(5).unwrap(), None);
    guard.commit().unwrap();
    assert_eq!(other.load().unwrap(), "a€b");
}

#[test]
fn a_full_segment_is_an_error_that_leaves_the_text() {
    let pair = pair(1 << 20);
    let [object, other] = pair.object::<String>();
    let base = pair.allocated();
    let mut model = String::new();
    let error = loop {
        match object.write().unwrap().view_mut().push_str("0123456789".repeat(50).as_str()) {
            Ok(()) => model.push_str("0123456789".repeat(50).as_str()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(model.len() > 500_000, "only {} bytes fit", model.len());
    let full = pair.allocated();
    let mut guard = other.write().unwrap();
    let long = "x".repeat(2 << 20);
    assert!(matches!(guard.view_mut().insert_str(1, &long), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.view_mut().set(&long), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.view_mut().reserve(usize::MAX), Err(Error::OutOfSpace { .. })));
    assert!(write!(guard.view_mut(), "{long}").is_err());
    guard.commit().unwrap();
    assert_eq!((object.load().unwrap(), pair.allocated()), (model, full));
    object.write().unwrap().view_mut().truncate(3).unwrap();
    assert_eq!(other.read().unwrap().view(), "012");
    object.write().unwrap().view_mut().clear().unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn bytes_cut_off_and_written_over_are_restored_by_a_rollback() {
    let pair = pair(1 << 20);
    let [object, other] = pair.object::<String>();
    object.store("some words that stay".into()).unwrap();
    let mut guard = object.write().unwrap();
    assert_eq!(*guard, "some words that stay");
    let text = &mut *guard;
    text.truncate(4).unwrap();
    text.push_str(" others").unwrap();
    text.set("x").unwrap();
    write!(text, "{}-{}", 1, 2).unwrap();
    assert_eq!(*text, "x1-2");
    guard.rollback();
    assert_eq!(other.load().unwrap(), "some words that stay");
}

#[test]
fn a_damaged_header_reads_as_empty_and_is_an_error_to_change() {
    let pair = pair(1 << 20);
    let [object, _] = pair.object::<String>();
    object.store("text".into()).unwrap();
    let mut guard = object.write().unwrap();
    let text = guard.view_mut();
    let header = std::ptr::from_ref(&*text).cast::<Word>();
    // SAFETY: a view begins with its header of three words, which lie in the map while the guard lives.
    let words = unsafe { std::slice::from_raw_parts(header, 3) };
    let good = [words[0].get(), words[1].get(), words[2].get()];
    for (index, bad) in [(0, u64::MAX - 1), (0, 1 << 30), (1, 5), (2, 3), (2, u64::MAX)] {
        words[index].put(bad);
        assert_eq!((text.as_str(), text.capacity()), ("", 0), "word {index} is {bad}");
        assert!(matches!(text.push('x'), Err(Error::Corrupt { .. })));
        assert!(matches!(text.set("x"), Err(Error::Corrupt { .. })));
        assert!(matches!(text.truncate(0), Err(Error::Corrupt { .. })));
        assert!(matches!(text.clear(), Err(Error::Corrupt { .. })));
        assert!(matches!(text.reserve(1), Err(Error::Corrupt { .. })));
        assert!(matches!(text.shrink_to_fit(), Err(Error::Corrupt { .. })));
        words[index].put(good[index]);
    }
    words[1].put(5);
    assert!(matches!(guard.load(), Err(Error::Corrupt { .. })));
    words[1].put(good[1]);
    assert_eq!(guard.load().unwrap(), "text");
}

#[test]
fn texts_compare_and_print_as_strs_do() {
    let pair = pair(1 << 20);
    let [object, second] = [pair.object::<String>(), pair.object::<String>()].map(|[object, _]| object);
    object.store("b\"é".into()).unwrap();
    second.store("c".into()).unwrap();
    let (mut guard, mut other) = (object.write().unwrap(), second.write().unwrap());
    let (one, two) = (guard.view_mut(), other.view_mut());
    assert_eq!((format!("{one}"), format!("{one:?}")), ("b\"é".to_string(), "\"b\\\"é\"".to_string()));
    let owned = String::from("b\"é");
    assert!(*one < *two && *one != *two && *one == "b\"é" && *one == *"b\"é" && *one == owned);
    assert!(one.starts_with('b') && one.as_ref().len() == 4);
}
