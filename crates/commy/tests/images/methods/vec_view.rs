//! What changes vectors.

use super::texts;
use crate::scenarios::{changed, text};

type Numbers = Vec<u64>;
type Texts = Vec<String>;

#[test]
fn vec_one_element() {
    changed::<Numbers>(
        "vec: one element",
        || (0..9).collect(),
        |mut v| {
            v.push(1).unwrap();
            v.pop().unwrap();
            v.insert(3, 7).unwrap();
            v.remove(0).unwrap();
            v.swap_remove(2).unwrap();
            v.set(1, 5).unwrap();
            v.swap(0, 4).unwrap();
            v.pop_if(|n| *n > 3).unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn vec_lent() {
    changed::<Numbers>(
        "vec: lent",
        || (0..9).collect(),
        |mut v| {
            *v.get_mut(1).unwrap() = 9;
            *v.try_get_mut(2).unwrap().unwrap() = 8;
            *v.first_mut().unwrap() = 7;
            *v.last_mut().unwrap() = 6;
            v.get_disjoint_mut([3, 5]).unwrap().into_iter().for_each(|n| *n = 4);
            v.iter_mut().for_each(|n| *n += 1);
            v.as_mut_slice()[4] = 40;
            v.try_as_mut_slice().unwrap()[5] = 50;
        },
        text::<Numbers>,
    );
}

#[test]
fn vec_many_elements() {
    changed::<Numbers>(
        "vec: many elements",
        || (0..9).collect(),
        |mut v| {
            v.extend(10..14).unwrap();
            v.extend_from_slice(&[1, 2]).unwrap();
            v.extend_from_within(2..5).unwrap();
            v.splice(1..3, [7, 7, 7]).unwrap();
            v.drain(0..2).unwrap();
            v.split_off(9).unwrap();
            v.truncate(8).unwrap();
            v.resize(10, 3).unwrap();
            v.resize_with(11, || 4).unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn vec_order() {
    changed::<Numbers>(
        "vec: order",
        || vec![5, 1, 4, 1, 3, 9],
        |mut v| {
            v.sort().unwrap();
            v.sort_by(|a, b| b.cmp(a)).unwrap();
            v.sort_by_key(|n| n ^ 1).unwrap();
            v.sort_by_cached_key(|n| n % 4).unwrap();
            v.sort_unstable().unwrap();
            v.sort_unstable_by(|a, b| b.cmp(a)).unwrap();
            v.sort_unstable_by_key(|n| n ^ 2).unwrap();
            v.reverse().unwrap();
            v.rotate_left(2).unwrap();
            v.rotate_right(1).unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn vec_some_elements_go() {
    changed::<Numbers>(
        "vec: some elements go",
        || vec![1, 1, 2, 3, 4, 4, 5, 6, 7, 9],
        |mut v| {
            v.retain(|n| *n != 2).unwrap();
            v.retain_mut(|n| {
                *n += 1;
                *n != 4
            })
            .unwrap();
            v.dedup().unwrap();
            v.dedup_by(|a, b| *a == *b + 1).unwrap();
            v.dedup_by_key(|n| n / 3).unwrap();
            v.extract_if(1.., |n| *n > 5).unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn vec_room_and_other_content() {
    changed::<Numbers>(
        "vec: room, and other content",
        || (0..5).collect(),
        |mut v| {
            v.reserve(9).unwrap();
            v.shrink_to(7).unwrap();
            v.reserve_exact(20).unwrap();
            v.shrink_to_fit().unwrap();
            v.fill(8).unwrap();
            v.fill_with(|| 6).unwrap();
            v.clear().unwrap();
        },
        text::<Numbers>,
    );
}

#[test]
fn vec_of_texts_one_element() {
    changed::<Texts>(
        "vec of texts: one element",
        || texts(0..5),
        |mut v| {
            v.push("new".repeat(9)).unwrap();
            v.pop().unwrap();
            v.insert(1, "inserted".into()).unwrap();
            v.remove(0).unwrap();
            v.swap_remove(0).unwrap();
            v.set(1, "set".repeat(20)).unwrap();
            v.get_mut(0).unwrap().push_str(" and more and more").unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn vec_of_texts_many_elements() {
    changed::<Texts>(
        "vec of texts: many elements",
        || texts(0..6),
        |mut v| {
            v.extend(texts(1..3)).unwrap();
            v.extend_from_slice(&texts(2..4)).unwrap();
            v.extend_from_within(1..3).unwrap();
            v.splice(1..3, texts(7..10)).unwrap();
            v.drain(2..4).unwrap();
            v.truncate(5).unwrap();
            v.extract_if(.., |text| text.len() > 20).unwrap();
            v.retain(|text| text.len() < 9).unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn vec_of_texts_filled_cleared() {
    changed::<Texts>(
        "vec of texts: filled, cleared",
        || texts(0..4),
        |mut v| {
            v.fill("full".repeat(8)).unwrap();
            v.resize(6, "more".into()).unwrap();
            v.clear().unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn vec_of_vectors_appended() {
    changed::<Vec<Texts>>(
        "vec of vectors: appended",
        || vec![texts(0..3), texts(3..5)],
        |mut v| {
            let [first, second] = v.get_disjoint_mut([0, 1]).unwrap();
            first.append(second).unwrap();
        },
        text::<Vec<Texts>>,
    );
}
