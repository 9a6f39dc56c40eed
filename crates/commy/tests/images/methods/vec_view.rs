//! What changes vectors.

use super::{stored, texts};
use crate::scenarios::{run, text, x};

type Numbers = Vec<u64>;
type Texts = Vec<String>;

#[test]
fn vec_one_element() {
    run(
        "vec: one element",
        |s| stored::<Numbers>(s, (0..9).collect()),
        |s| {
            let v = x::<Numbers>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec: lent",
        |s| stored::<Numbers>(s, (0..9).collect()),
        |s| {
            let v = x::<Numbers>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec: many elements",
        |s| stored::<Numbers>(s, (0..9).collect()),
        |s| {
            let v = x::<Numbers>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec: order",
        |s| stored::<Numbers>(s, vec![5, 1, 4, 1, 3, 9]),
        |s| {
            let v = x::<Numbers>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec: some elements go",
        |s| stored::<Numbers>(s, vec![1, 1, 2, 3, 4, 4, 5, 6, 7, 9]),
        |s| {
            let v = x::<Numbers>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec: room, and other content",
        |s| stored::<Numbers>(s, (0..5).collect()),
        |s| {
            let v = x::<Numbers>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec of texts: one element",
        |s| stored::<Texts>(s, texts(0..5)),
        |s| {
            let v = x::<Texts>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec of texts: many elements",
        |s| stored::<Texts>(s, texts(0..6)),
        |s| {
            let v = x::<Texts>(s);
            let mut v = v.write().unwrap();
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
    run(
        "vec of texts: filled, cleared",
        |s| stored::<Texts>(s, texts(0..4)),
        |s| {
            let v = x::<Texts>(s);
            let mut v = v.write().unwrap();
            v.fill("full".repeat(8)).unwrap();
            v.resize(6, "more".into()).unwrap();
            v.clear().unwrap();
        },
        text::<Texts>,
    );
}

#[test]
fn vec_of_vectors_appended() {
    run(
        "vec of vectors: appended",
        |s| stored::<Vec<Texts>>(s, vec![texts(0..3), texts(3..5)]),
        |s| {
            let v = x::<Vec<Texts>>(s);
            let mut v = v.write().unwrap();
            let [first, second] = v.get_disjoint_mut([0, 1]).unwrap();
            first.append(second).unwrap();
        },
        text::<Vec<Texts>>,
    );
}
