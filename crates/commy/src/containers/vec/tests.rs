//! The failures that vectors must not have.

use super::VecView;
use super::testing::pair;
use crate::error::Error;
use crate::layout::Word;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn the_capacity_grows_by_half_and_is_not_more_than_was_asked_for_when_made() {
    let pair = pair(16 << 20);
    let [object, _] = pair.object::<Vec<u64>>();
    let mut guard = object.write().unwrap();
    let mut capacities = vec![guard.capacity()];
    for value in 0..30 {
        guard.push(value).unwrap();
        capacities.push(guard.capacity());
    }
    capacities.dedup();
    assert_eq!(capacities, [0, 1, 2, 3, 5, 8, 12, 18, 27, 41]);
    guard.set_all(vec![1, 2, 3]);
    assert_eq!(guard.capacity(), 3);
}

impl VecView<u64> {
    fn set_all(&mut self, values: Vec<u64>) {
        self.clear().unwrap();
        self.reserve_exact(values.len()).unwrap();
        self.extend(values).unwrap();
    }
}

#[test]
fn a_slot_popped_and_pushed_again_is_restored_by_a_rollback() {
    let pair = pair(16 << 20);
    let [object, other] = pair.object::<Vec<u64>>();
    object.store((0..10).collect()).unwrap();
    let mut guard = object.write().unwrap();
    for _ in 0..6 {
        guard.pop().unwrap();
    }
    guard.extend(100..106).unwrap();
    guard.truncate(2).unwrap();
    guard.push(7).unwrap();
    guard.rollback();
    assert_eq!(other.load().unwrap(), (0..10).collect::<Vec<u64>>());
}

#[test]
fn a_block_that_grew_in_place_and_moved_is_given_back_once_by_a_rollback() {
    let pair = pair(64 << 20);
    let [object, other] = pair.object::<Vec<u64>>();
    let [second, _] = pair.object::<Vec<u64>>();
    let [_, third] = pair.object::<Vec<u64>>();
    let base = pair.allocated();
    for commit in [false, true] {
        let mut guard = object.write().unwrap();
        guard.extend(0..1000).unwrap();
        guard.reserve_exact(2000).unwrap();
        // Something behind it, so that it has to move.
        let mut behind = second.write().unwrap();
        behind.extend(0..3000).unwrap();
        guard.reserve_exact(20_000).unwrap();
        // Where it was is somebody else's now, if it was given back already.
        let mut there = third.write().unwrap();
        there.extend(0..2000).unwrap();
        there.commit().unwrap();
        if commit {
            guard.commit().unwrap();
            assert_eq!(other.load().unwrap(), (0..1000).collect::<Vec<u64>>());
        } else {
            guard.rollback();
        }
        behind.rollback();
        let mut more = second.write().unwrap();
        more.extend(5000..9000).unwrap();
        more.commit().unwrap();
        assert_eq!(third.load().unwrap(), (0..2000).collect::<Vec<u64>>());
        for object in [&other, &second, &third] {
            object.write().unwrap().clear().unwrap();
        }
        assert_eq!(pair.allocated(), base);
    }
}

#[test]
fn a_full_segment_is_an_error_that_changes_nothing_and_removing_still_works() {
    let pair = pair(1 << 20);
    let [object, other] = pair.object::<Vec<String>>();
    let base = pair.allocated();
    let mut pushed = Vec::new();
    let error = loop {
        let value = format!("{:0>1000}", pushed.len());
        match object.write().unwrap().push(value.clone()) {
            Ok(()) => pushed.push(value),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(pushed.len() > 100, "only {} strings fit", pushed.len());
    let full = pair.allocated();
    let mut guard = other.write().unwrap();
    let long = || (0..).map(|n| format!("{n:0>100}")).take(20_000);
    let long_string = || "x".repeat(2 << 20);
    assert!(matches!(guard.extend(long()), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.insert(3, long_string()), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.view_mut().set(3, long_string()), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.reserve(1 << 20), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.reserve(usize::MAX), Err(Error::OutOfSpace { .. })));
    assert!(matches!(guard.get_mut(0).unwrap().push_str(&long_string()), Err(Error::OutOfSpace { .. })));
    assert_eq!(*guard, pushed);
    guard.commit().unwrap();
    assert_eq!(pair.allocated(), full, "a failed operation kept memory");
    assert_eq!(object.load().unwrap(), pushed);
    assert_eq!(object.write().unwrap().pop().unwrap(), pushed.pop());
    let near_the_end = pushed.len() - 20;
    assert_eq!(other.write().unwrap().remove(near_the_end).unwrap(), Some(pushed.remove(near_the_end)));
    while pushed.len() > 100 {
        let len = pushed.len() - 10;
        object.write().unwrap().truncate(len).unwrap();
        pushed.truncate(len);
    }
    other.write().unwrap().retain(|text| text.as_bytes()[999] % 2 == 0).unwrap();
    pushed.retain(|text| text.as_bytes()[999] % 2 == 0);
    assert_eq!(object.load().unwrap(), pushed);
    object.write().unwrap().extend(long().take(100)).unwrap();
    object.write().unwrap().clear().unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn a_vector_that_fills_the_file_grows_in_place() {
    let pair = pair(4 << 20);
    let [object, _] = pair.object::<Vec<u64>>();
    let mut count = 0u64;
    let error = loop {
        match object.write().unwrap().push(count) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(count * 8 > 3 << 20, "only {count} numbers in 4 MiB");
    assert!(object.read().unwrap().iter().copied().eq(0..count));
}

#[test]
fn a_large_vector_gives_its_pages_back_though_the_segment_is_full() {
    let pair = pair(4 << 20);
    let [object, other] = pair.object::<Vec<u64>>();
    let base = pair.allocated();
    object.write().unwrap().extend(0..400_000).unwrap();
    let mut guard = object.write().unwrap();
    guard.truncate(100_000).unwrap();
    guard.rollback();
    assert_eq!(other.read().unwrap().len(), 400_000);
    let mut guard = object.write().unwrap();
    guard.truncate(100_000).unwrap();
    guard.push(1).unwrap();
    guard.commit().unwrap();
    assert!(pair.allocated() < base + 900_000);
    assert!(other.read().unwrap().iter().copied().eq((0..100_000).chain([1])));
    let mut guard = other.write().unwrap();
    guard.shrink_to_fit().unwrap();
    guard.drain(10..).unwrap();
    guard.shrink_to_fit().unwrap();
    guard.commit().unwrap();
    assert_eq!(pair.allocated(), base + 80);
    assert_eq!(object.read().unwrap()[..], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn an_iterator_that_panics_leaves_what_was_there_before_and_leaks_nothing() {
    let pair = pair(16 << 20);
    let [object, other] = pair.object::<Vec<String>>();
    let base = pair.allocated();
    let mut guard = object.write().unwrap();
    guard.push("first".into()).unwrap();
    let values = (0..100).map(|n| if n == 70 { panic!("no more") } else { n.to_string() });
    assert!(catch_unwind(AssertUnwindSafe(|| guard.extend(values))).is_err());
    assert_eq!(guard.len(), 71);
    let mut compared = 0;
    let sorted = catch_unwind(AssertUnwindSafe(|| {
        guard.sort_by(|a, b| {
            compared += 1;
            if compared == 100 { panic!("enough") } else { a.cmp(b) }
        })
    }));
    assert!(sorted.is_err());
    let mut seen = 0;
    let retained = catch_unwind(AssertUnwindSafe(|| {
        guard.retain(|_| {
            seen += 1;
            if seen == 50 { panic!("enough") } else { seen % 3 == 0 }
        })
    }));
    assert!(retained.is_err());
    guard.sort().unwrap();
    let mut expected: Vec<String> = (0..70).map(|n| n.to_string()).chain(["first".to_string()]).collect();
    expected.sort();
    assert_eq!(*guard, expected);
    guard.commit().unwrap();
    assert_eq!(other.load().unwrap(), expected);
    other.write().unwrap().clear().unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn vectors_of_two_guards_or_segments_are_appended_whole() {
    let pair = pair(16 << 20);
    let elsewhere = super::testing::pair(16 << 20);
    let [object, _] = pair.object::<Vec<String>>();
    let [_, second] = pair.object::<Vec<String>>();
    let [third, _] = elsewhere.object::<Vec<String>>();
    let base = (pair.allocated(), elsewhere.allocated());
    let texts = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>();
    object.store(texts(0..5)).unwrap();
    second.store(texts(5..20)).unwrap();
    third.store(texts(20..40)).unwrap();
    {
        let (mut one, mut two, mut three) = (object.write().unwrap(), second.write().unwrap(), third.write().unwrap());
        one.append(&mut two).unwrap();
        one.append(&mut three).unwrap();
        assert!(two.is_empty() && three.is_empty());
    }
    assert_eq!(object.load().unwrap(), texts(0..40));
    object.write().unwrap().clear().unwrap();
    assert_eq!((pair.allocated(), elsewhere.allocated()), base);
    let [nested, _] = pair.object::<Vec<Vec<String>>>();
    let base = pair.allocated();
    nested.store(vec![texts(0..5), texts(5..9)]).unwrap();
    let mut guard = nested.write().unwrap();
    let mut inner = guard.iter_mut();
    let (first, second) = (inner.next().unwrap(), inner.next().unwrap());
    first.append(second).unwrap();
    assert_eq!(*guard, vec![texts(0..9), vec![]]);
    guard.rollback();
    assert_eq!(nested.load().unwrap(), vec![texts(0..5), texts(5..9)]);
    nested.store(Vec::new()).unwrap();
    assert_eq!(pair.allocated(), base);
}

#[test]
fn a_damaged_header_reads_as_empty_and_is_an_error_to_change() {
    let pair = pair(1 << 20);
    let [object, _] = pair.object::<Vec<u64>>();
    object.store(vec![1, 2, 3]).unwrap();
    let mut guard = object.write().unwrap();
    let header = std::ptr::from_ref(&*guard).cast::<Word>();
    // SAFETY: a view begins with its header of three words, which lie in the map while the guard lives.
    let words = unsafe { std::slice::from_raw_parts(header, 3) };
    let good = [words[0].get(), words[1].get(), words[2].get()];
    for (index, bad) in [(0, u64::MAX - 7), (0, good[0] + 1), (0, 1 << 30), (1, 4), (2, 2), (2, u64::MAX), (2, 1 << 61)]
    {
        words[index].put(bad);
        assert_eq!(guard.len(), 0, "word {index} is {bad}");
        assert_eq!((guard.get(0), guard.last(), guard.iter().next()), (None, None, None));
        assert!(guard.as_slice().is_empty() && guard.get_mut(0).is_none());
        assert!(matches!(guard.to_vec(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.push(1), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.pop(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.insert(0, 1), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.clear(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.truncate(0), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.drain(..), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.extend([1]), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.retain(|_| true), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.shrink_to_fit(), Err(Error::Corrupt { .. })));
        assert!(matches!(guard.sort(), Err(Error::Corrupt { .. })));
        words[index].put(good[index]);
    }
    assert_eq!(guard[..], [1, 2, 3]);
}

#[test]
fn elements_of_no_size_and_of_odd_sizes_are_kept() {
    let pair = pair(4 << 20);
    let [units, _] = pair.object::<Vec<()>>();
    let mut guard = units.write().unwrap();
    guard.extend([(); 1000]).unwrap();
    guard.insert(5, ()).unwrap();
    assert_eq!(guard.pop().unwrap(), Some(()));
    guard.truncate(17).unwrap();
    assert_eq!((guard.len(), guard.iter().count()), (17, 17));
    assert!(guard.reserve(usize::MAX).is_err());
    guard.commit().unwrap();
    let [_, odd] = pair.object::<Vec<[u8; 5]>>();
    let mut guard = odd.write().unwrap();
    for n in 0..100 {
        guard.push([n; 5]).unwrap();
    }
    guard.commit().unwrap();
    let mut guard = odd.write().unwrap();
    for element in &mut *guard {
        element[4] = 0;
    }
    guard.remove(3).unwrap();
    guard.push([200; 5]).unwrap();
    guard.rollback();
    assert!(odd.read().unwrap().iter().copied().eq((0..100).map(|n| [n; 5])));
}

#[test]
fn views_print_compare_and_convert_as_those_of_std() {
    let pair = pair(4 << 20);
    let [object, _] = pair.object::<Vec<Vec<String>>>();
    let value = vec![vec!["b".to_string(), "a".to_string()], vec![]];
    object.store(value.clone()).unwrap();
    let guard = object.read().unwrap();
    assert_eq!(format!("{:?}", &*guard), format!("{value:?}"));
    assert_eq!(*guard, value);
    assert_eq!(*guard, value[..]);
    assert_eq!(*guard, [value[0].clone(), vec![]]);
    assert!(guard.contains(&value[0]) && !guard.contains(&vec!["c".to_string()]));
    assert!(guard.get(0).unwrap().contains("a") && guard.get(0) > guard.get(1));
    assert_eq!(guard.to_vec().unwrap(), value);
    let [floats, _] = pair.object::<Vec<f64>>();
    floats.store(vec![1.5, 2.5]).unwrap();
    let floats = floats.read().unwrap();
    assert!(floats.contains(&1.5) && floats.iter().sum::<f64>() == 4.0 && floats[1] == 2.5);
    std::thread::scope(|scope| {
        let view: &VecView<f64> = &floats;
        scope.spawn(move || assert_eq!(view[..], [1.5, 2.5]));
    });
}

#[test]
fn as_keys_vectors_hash_and_compare_alike_stored_and_borrowed() {
    use crate::schema::{Key, KeyHasher, Lookup};
    let pair = pair(4 << 20);
    let [object, _] = pair.object::<Vec<Vec<String>>>();
    let text = |s: &str| s.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let values = [text(""), text("a"), text("a b"), text("ab"), text("b a")];
    object.store(values.to_vec()).unwrap();
    let guard = object.read().unwrap();
    let slots = guard.slots();
    for (i, value) in values.iter().enumerate() {
        let (mut stored, mut borrowed) = (KeyHasher::new(1), KeyHasher::new(1));
        // SAFETY: an element of the vector under the guard.
        unsafe { <Vec<String> as Key>::hash(slots.first.add(i), guard.cx(), &mut stored) };
        <Vec<String> as Lookup<[String]>>::hash_of(value, &mut borrowed);
        assert_eq!(stored.finish(), borrowed.finish());
        for (j, other) in values.iter().enumerate() {
            // SAFETY: as above.
            let (a, b) = unsafe {
                let (a, b) = (slots.first.add(i), slots.first.add(j));
                (<Vec<String> as Key>::compare(a, b, guard.cx()), <Vec<String>>::compare_with(a, guard.cx(), other))
            };
            assert_eq!((a, b), (value.cmp(other), value.cmp(other)));
        }
    }
}
