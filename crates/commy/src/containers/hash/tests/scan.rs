//! Walks page by page, with changes between the pages.

use crate::containers::vec::testing::pair;
use crate::shared::Shared;
use std::collections::{HashMap, HashSet};

/// Walks through the map, `change` being called between the pages with their number; gives how often each key came.
fn walk(map: &Shared<HashMap<u64, String>>, page: usize, mut change: impl FnMut(u64)) -> HashMap<u64, u32> {
    let (mut seen, mut next, mut number) = (HashMap::new(), Some(0), 0);
    while let Some(cursor) = next {
        let (entries, cursor) = map.scan(cursor, page).unwrap();
        assert!(entries.len() >= page || cursor.is_none(), "a short page before the end");
        for (key, value) in entries {
            assert_eq!(value, key.to_string());
            *seen.entry(key).or_insert(0) += 1;
        }
        next = cursor;
        number += 1;
        change(number);
        assert!(number < 100_000, "a walk without an end");
    }
    seen
}

#[test]
fn a_walk_gives_each_entry_once_whatever_the_size_of_table_and_page() {
    let pair = pair(1 << 26);
    let [map, other] = pair.object::<HashMap<u64, String>>();
    for many in [0, 1, 7, 15, 16, 30, 100, 1000, 3000] {
        other.extend((0..many).map(|n| (n, n.to_string()))).unwrap();
        // The table may be on the move or not: a few more make all stages likely.
        for page in [1, 10, 100, 10_000] {
            let seen = walk(&map, page, |_| {});
            assert_eq!(seen.len() as u64, many);
            assert!(seen.values().all(|times| *times == 1), "an entry twice");
        }
    }
}

#[test]
fn a_walk_through_a_map_that_is_moving_gives_each_entry_once() {
    let pair = pair(1 << 26);
    let [map, other] = pair.object::<HashMap<u64, String>>();
    for n in 0..2000u64 {
        other.insert(n, n.to_string()).unwrap();
        if n % 3 == 0 || n > 1700 {
            let seen = walk(&map, 50, |_| {});
            assert!(seen.len() as u64 == n + 1 && seen.values().all(|times| *times == 1), "at {n}");
        }
    }
}

#[test]
fn a_walk_leaves_nothing_out_that_is_there_while_the_map_grows_and_shrinks() {
    let pair = pair(1 << 26);
    let [map, other] = pair.object::<HashMap<u64, String>>();
    map.extend((0..500).map(|n| (n, n.to_string()))).unwrap();
    let seen = walk(&map, 20, |page| {
        if page < 20 {
            other.extend((0..200).map(|n| 1000 * page + n).map(|n| (n, n.to_string()))).unwrap();
        }
    });
    assert!((0..500).all(|n| seen.contains_key(&n)), "left out while it grew");
    let kept: HashSet<u64> = (0..500).collect();
    let mut all = map.load().unwrap().into_keys().filter(|n| !kept.contains(n)).collect::<Vec<_>>();
    let seen = walk(&map, 20, |_| {
        for n in all.drain(all.len().saturating_sub(300)..) {
            other.remove(&n).unwrap();
        }
        other.write().unwrap().shrink_to_fit().unwrap();
    });
    assert!((0..500).all(|n| seen.contains_key(&n)), "left out while it shrank");
}
