//! Heads and tables with wrong content: nothing may panic or leave the file.

use super::{Large, Random, large, pair};
use crate::layout::Word;
use std::collections::HashMap;

#[test]
fn a_head_that_does_not_check_out_reads_as_empty_and_cannot_be_changed() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u64, u64>>("map");
    map.write().unwrap().extend((0..100).map(|n| (n, n))).unwrap();
    let far = pair.segments[0].size();
    let with = |word: fn(&super::Head) -> &Word, value: u64| {
        let mut guard = map.write().unwrap();
        let old = word(guard.head()).get();
        word(guard.head()).put(value);
        assert!((0..200).all(|n| guard.get(&n).is_none()), "{:?}", guard.head());
        assert_eq!(guard.iter().count(), 0);
        assert!(guard.insert(1, 1).is_err() && guard.remove(&1).is_err() && guard.clear().is_err());
        let odd = [guard.reserve(10_000).is_err(), guard.to_map().is_err(), guard.drain().is_err()];
        assert_eq!(odd, [true; 3], "{:?}", guard.head());
        word(guard.head()).put(old);
    };
    for control in [1, 8, 16, far - 16, far, far + 4096, u64::MAX, u64::MAX - 15, 1 << 63] {
        with(|head| &head.control, control);
    }
    for slots in [0, 1 << 40, 1 << 62, u64::MAX, u64::MAX - 15] {
        with(|head| &head.slots, slots);
    }
    for moving in [1, 7, far - 8, far, u64::MAX, u64::MAX - 7] {
        with(|head| &head.moving, moving);
    }
    let guard = map.read().unwrap();
    assert!((0..100).all(|n| guard.get(&n) == Some(&n)));
}

/// A number that may be an offset, a size, or nothing of the kind.
fn odd(random: &mut Random) -> u64 {
    match random.below(5) {
        0 => random.next(),
        1 => random.below(1 << 12),
        2 => random.below(1 << 20) & !15,
        3 => 1 << random.below(64),
        _ => 0,
    }
}

#[test]
fn reading_neither_panics_nor_leaves_the_file_nor_runs_for_ever_whatever_the_head_is() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u64, Large>>("map");
    let mut random = Random(99);
    // 113 entries are in the middle of a move.
    for entries in [100, 113] {
        let mut guard = map.write().unwrap();
        guard.extend((0..entries).map(|n| (n, large(n)))).unwrap();
        assert_eq!(guard.head().moving.get() != 0, entries == 113);
        for _ in 0..2000 {
            let head = guard.head();
            let old = head.detach();
            let mut all = [old.len.get(), old.left.get(), old.control.get(), old.slots.get(), old.seed.get(), 0, 0, 0];
            all[6] = old.moving.get();
            for _ in 0..1 + random.below(3) {
                all[random.below(8) as usize] = odd(&mut random);
            }
            put(head, all);
            assert!(guard.iter().count() as u64 <= all[0]);
            assert!(guard.keys().len() as u64 == all[0] && guard.capacity() as u64 >= all[0]);
            for n in 0..20 {
                let _ = (guard.get(&n), guard.contains_key(&(n + 1000)));
            }
            let _ = guard.to_map();
            let head = guard.head();
            put(
                head,
                [
                    old.len.get(),
                    old.left.get(),
                    old.control.get(),
                    old.slots.get(),
                    old.seed.get(),
                    0,
                    old.moving.get(),
                    0,
                ],
            );
        }
        assert!((0..entries).all(|n| guard.get(&n) == Some(&large(n))));
    }
}

fn put(head: &super::Head, words: [u64; 8]) {
    let all = [&head.len, &head.left, &head.control, &head.slots, &head.seed, &head.stamp, &head.moving, &head.stripes];
    all.into_iter().zip(words).for_each(|(word, value)| word.put(value));
}

#[test]
fn changing_a_table_of_wrong_counters_and_control_bytes_neither_panics_nor_runs_for_ever() {
    let mut random = Random(3);
    for round in 0..150 {
        let pair = pair(64 << 20);
        let [map, _] = pair.object::<HashMap<u64, Large>>("map");
        let mut guard = map.write().unwrap();
        guard.extend((0..90 + round % 40).map(|n| (n, large(n)))).unwrap();
        let (cx, head) = (guard.cx(), guard.head());
        for _ in 0..1 + random.below(4) {
            let moving = head.moving(cx);
            match (random.below(6), moving) {
                (0, _) => head.len.put(odd(&mut random)),
                (1, _) => head.left.put(odd(&mut random)),
                (2, _) => head.seed.put(odd(&mut random)),
                (3, Some(moving)) => moving.cursor.put(odd(&mut random)),
                (4, Some(moving)) => moving.ready.put(odd(&mut random)),
                _ => {
                    let word = head.control.get() + random.below(head.slots.get()) / 8 * 8;
                    cx.map().word(word).unwrap().put(random.next());
                }
            }
        }
        for n in 0..50 {
            let _ = guard.remove(&n);
            let _ = guard.insert(n + 500, large(n));
            let _ = guard.try_get_mut(&n);
        }
        let _ = guard.retain(|key, _| key % 2 == 0);
        let _ = guard.shrink_to_fit();
        let _ = guard.clear();
        guard.rollback();
    }
}

#[test]
fn a_table_with_a_number_of_slots_that_cannot_be_is_gone_through_for_ever() {
    let pair = pair(64 << 20);
    let [map, _] = pair.object::<HashMap<u64, u64>>("map");
    let mut guard = map.write().unwrap();
    guard.extend((0..100u64).map(|n| (n, n))).unwrap();
    let slots = guard.head().slots.get();
    let refused = [slots - 16, slots - 1, 17].map(|wrong| {
        guard.head().slots.put(wrong);
        guard.load_page(0, usize::MAX).is_err()
    });
    assert!(refused.contains(&true), "none of these was looked at");
    guard.head().slots.put(slots);
    assert_eq!(guard.load_page(0, usize::MAX).unwrap().0.len(), 100);
}
