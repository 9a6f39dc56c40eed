//! What changes deques.

use super::texts;
use crate::scenarios::{changed, text};
use std::collections::VecDeque;

type Numbers = VecDeque<u64>;
type Texts = VecDeque<String>;

#[test]
fn deque_one_element() {
    changed::<Numbers>(
        "deque: one element",
        || (0..6).collect(),
        |mut v| {
            v.push_back(7).unwrap();
            v.push_front(8).unwrap();
            v.pop_front().unwrap();
            v.pop_back().unwrap();
            v.insert(2, 5).unwrap();
            v.remove(1).unwrap();
            v.swap_remove_front(2).unwrap();
            v.swap_remove_back(1).unwrap();
            v.set(0, 4).unwrap();
            v.swap(0, 1).unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn deque_lent() {
    changed::<Numbers>(
        "deque: lent",
        || (0..6).collect(),
        |mut v| {
            *v.get_mut(1).unwrap() = 9;
            *v.try_get_mut(2).unwrap().unwrap() = 8;
            *v.front_mut().unwrap() = 7;
            *v.back_mut().unwrap() = 6;
            v.iter_mut().for_each(|n| *n += 1);
            v.range_mut(1..3).unwrap().for_each(|n| *n += 1);
            v.as_mut_slices().0[0] = 3;
            v.try_as_mut_slices().unwrap().0[1] = 2;
        },
        text::<Numbers>,
    );
}

#[test]
fn deque_turned() {
    changed::<Numbers>(
        "deque: turned",
        || (0..7).collect(),
        |mut v| {
            v.rotate_left(3).unwrap();
            v.rotate_right(2).unwrap();
            v.push_front(1).unwrap();
            v.rotate_left(5).unwrap();
            v.make_contiguous().unwrap()[1] = 5;
        },
        text::<Numbers>,
    );
}

#[test]
fn deque_many_elements() {
    changed::<Numbers>(
        "deque: many elements",
        || (0..7).collect(),
        |mut v| {
            v.extend(10..15).unwrap();
            v.drain(1..3).unwrap();
            v.split_off(8).unwrap();
            v.truncate(7).unwrap();
            v.resize(9, 1).unwrap();
            v.resize_with(10, || 2).unwrap();
            v.retain(|n| *n != 4).unwrap();
            v.retain_mut(|n| {
                *n += 1;
                *n != 6
            })
            .unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn deque_room() {
    changed::<Numbers>(
        "deque: room",
        || (0..7).collect(),
        |mut v| {
            v.reserve(20).unwrap();
            v.shrink_to(9).unwrap();
            v.reserve_exact(30).unwrap();
            v.shrink_to_fit().unwrap();
            v.clear().unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn deque_of_texts_one_element() {
    changed::<Texts>(
        "deque of texts: one element",
        || texts(0..4).into(),
        |mut v| {
            v.push_front("new".repeat(9)).unwrap();
            v.pop_back().unwrap();
            v.set(1, "set".repeat(20)).unwrap();
            v.swap_remove_front(1).unwrap();
            v.rotate_left(1).unwrap();
            v.retain(|text| text.len() < 9).unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn deque_of_deques_appended() {
    changed::<VecDeque<Texts>>(
        "deque of deques: appended",
        || [texts(0..3).into(), texts(3..5).into()].into(),
        |mut v| {
            let mut inner = v.iter_mut();
            let (first, second) = (inner.next().unwrap(), inner.next().unwrap());
            first.append(second).unwrap();
        },
        text::<VecDeque<Texts>>,
    );
}
