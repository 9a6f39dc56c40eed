//! Space: what is freed is used again, nothing leaks, and nothing moves.

mod common;

use common::{Draw, segment};
use commy::{Error, Segment, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

/// Bytes of the values that are alive at once in the test of mixed sizes. Without optimisation it is slow.
const LOAD: u64 = if cfg!(debug_assertions) { 8 << 20 } else { 64 << 20 };

/// A length from 8 B to 100 KiB, each order of magnitude as likely.
fn length(draw: &mut Draw) -> usize {
    let magnitude = draw.below(14);
    let low = 8u64 << magnitude;
    (low + draw.below(low)).min(100 << 10) as usize
}

/// The value of a key: its length and its bytes tell if it is another's.
fn value(key: u64, length: usize) -> Vec<u8> {
    vec![key as u8 ^ length as u8; length]
}

#[test]
fn mixed_sizes_do_not_crumble_the_file() {
    let (_folder, _path, segment) = segment(1 << 30);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("map");
    let list: Shared<Vec<Vec<u8>>> = segment.open_or_create("list").expect("list");
    let mut draw = Draw::new(1);
    // The map's values by key, and the list's by place.
    let (mut in_map, mut in_list): (HashMap<u64, usize>, Vec<(u64, usize)>) = Default::default();
    let mut live = 0;
    let mut keys = 0..;
    let begin = Instant::now();
    let mut footprints = Vec::new();
    for round in 0..4 {
        while live < LOAD {
            let (mut map, mut list) = (map.write().expect("lock"), list.write().expect("lock"));
            for key in keys.by_ref().take(50) {
                let length = length(&mut draw);
                if draw.below(2) == 0 {
                    assert!(map.insert(key, value(key, length)).expect("insert").is_none());
                    in_map.insert(key, length);
                } else {
                    list.push(value(key, length)).expect("push");
                    in_list.push((key, length));
                }
                live += length as u64;
            }
        }
        footprints.push(segment.size());
        if round == 3 {
            break;
        }
        // Nine of ten go, in no order.
        let mut doomed: Vec<u64> = in_map.keys().copied().filter(|_| draw.below(10) > 0).collect();
        doomed.sort_unstable();
        draw.shuffle(&mut doomed);
        for some in doomed.chunks(50) {
            let mut map = map.write().expect("lock");
            for key in some {
                let length = in_map.remove(key).expect("a key");
                assert_eq!(map.remove(key).expect("remove"), Some(value(*key, length)));
                live -= length as u64;
            }
        }
        for _ in 0..in_list.len() * 9 / 10 {
            let place = draw.below(in_list.len() as u64) as usize;
            let (key, length) = in_list.swap_remove(place);
            assert_eq!(list.write().expect("lock").swap_remove(place).expect("remove"), Some(value(key, length)));
            live -= length as u64;
        }
    }
    let ratio = footprints[3] as f64 / footprints[0] as f64;
    let overhead = footprints[0] as f64 / live as f64;
    println!(
        "{} MiB of values in {:.1} MiB, refilled thrice in {:.1} MiB: {ratio:.3} times as much; {overhead:.2} times the \
         values; {:?}",
        LOAD >> 20,
        footprints[0] as f64 / f64::from(1 << 20),
        footprints[3] as f64 / f64::from(1 << 20),
        begin.elapsed(),
    );
    assert!(ratio <= 1.3, "the file grew {ratio:.2} times: {footprints:?}");
    assert!(overhead <= 2.0, "{overhead:.2} times what the values need");
    let (map, list) = (map.read().expect("lock"), list.read().expect("lock"));
    assert_eq!((map.len(), list.len()), (in_map.len(), in_list.len()));
    for (key, length) in &in_map {
        assert!(map.get(key).is_some_and(|bytes| bytes[..] == value(*key, *length)), "{key}");
    }
    for (bytes, (key, length)) in list.iter().zip(&in_list) {
        assert!(bytes[..] == value(*key, *length), "{key}");
    }
}

#[test]
fn freeing_works_on_a_full_segment() {
    let (_folder, _path, segment) = segment(2 << 20);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("map");
    let tree: Shared<BTreeMap<u64, String>> = segment.open_or_create("tree").expect("tree");
    let list: Shared<Vec<Vec<u8>>> = segment.open_or_create("list").expect("list");
    let queue: Shared<VecDeque<String>> = segment.open_or_create("queue").expect("queue");
    let bytes = |key: u64| value(key, 20 + (key * 37 % 3000) as usize);
    let words = |key: u64| "word ".repeat(1 + key as usize % 90);
    // Everything at once, until not even the smallest fits.
    let fill = || {
        let mut kinds = [true; 4];
        let mut added = 0;
        for key in 0.. {
            let added_now = [
                map.write().expect("lock").insert(key, bytes(key)).map(drop),
                tree.write().expect("lock").insert(key, words(key)).map(drop),
                list.write().expect("lock").push(bytes(key)),
                queue.write().expect("lock").push_back(words(key)),
            ];
            for (open, result) in kinds.iter_mut().zip(added_now) {
                match result {
                    Ok(()) => added += 1,
                    Err(Error::OutOfSpace { .. }) => *open = false,
                    Err(error) => panic!("{error}"),
                }
            }
            if kinds == [false; 4] {
                // The last crumbs.
                while list.write().expect("lock").push(vec![1; 8]).is_ok() {}
                return added;
            }
        }
        unreachable!("numbers do not end")
    };
    let mut first = None;
    for round in 0..4 {
        let added = fill();
        let first = *first.get_or_insert(added);
        assert!(added * 10 >= first * 9, "{first} values fit at first, {added} in round {round}");
        assert_eq!(segment.size(), 2 << 20);
        match round {
            0 => {
                // One by one, each under a guard of its own.
                let keys: Vec<u64> = map.read().expect("lock").iter().map(|(key, _)| *key).collect();
                for key in keys {
                    assert_eq!(map.write().expect("lock").remove(&key).expect("remove"), Some(bytes(key)));
                }
                while let Some((key, text)) = tree.write().expect("lock").pop_first().expect("pop") {
                    assert_eq!(text, words(key));
                }
                while list.write().expect("lock").pop().expect("pop").is_some() {}
                while queue.write().expect("lock").pop_front().expect("pop").is_some() {}
            }
            1 => {
                // Some under each guard.
                while !list.read().expect("lock").is_empty() || !queue.read().expect("lock").is_empty() {
                    let (mut list, mut queue) = (list.write().expect("lock"), queue.write().expect("lock"));
                    for _ in 0..20 {
                        list.pop().expect("pop");
                        queue.pop_back().expect("pop");
                    }
                }
                while !map.read().expect("lock").is_empty() || !tree.read().expect("lock").is_empty() {
                    let (mut map, mut tree) = (map.write().expect("lock"), tree.write().expect("lock"));
                    for _ in 0..20 {
                        tree.pop_last().expect("pop");
                        let key = map.keys().next().copied();
                        key.map(|key| map.remove(&key).expect("remove"));
                    }
                }
            }
            2 => {
                // At once.
                list.write().expect("lock").clear().expect("clear");
                queue.write().expect("lock").clear().expect("clear");
                map.write().expect("lock").retain(|_, _| false).expect("retain");
                tree.write().expect("lock").clear().expect("clear");
            }
            _ => {
                list.store(Vec::new()).expect("store");
                queue.store(VecDeque::new()).expect("store");
                map.store(HashMap::new()).expect("store");
                tree.store(BTreeMap::new()).expect("store");
            }
        }
        assert!(map.read().expect("lock").is_empty() && tree.read().expect("lock").is_empty());
        assert!(list.read().expect("lock").is_empty() && queue.read().expect("lock").is_empty());
    }
}

#[test]
fn where_many_small_values_were_one_large_one_has_room() {
    let (_folder, _path, segment) = segment(4 << 20);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("map");
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let fill = || {
        while list.write().expect("lock").push(7).is_ok() {}
        let many = list.read().expect("lock").len();
        list.store(Vec::new()).expect("store");
        many
    };
    let first = fill();
    assert!(first * 8 > 3 << 20, "{first} numbers in 4 MiB");
    let many = (0..).find(|key| map.write().expect("lock").insert(*key, value(*key, 200)).is_err()).expect("no end");
    for key in 0..many {
        map.write().expect("lock").remove(&key).expect("remove");
    }
    map.store(HashMap::new()).expect("store");
    let second = fill();
    assert!(second * 10 >= first * 9, "{first} numbers fit at first, {second} later");
}

#[test]
fn ten_thousand_named_objects_are_made_listed_and_found_again() {
    const MANY: u64 = 10_000;
    let (_folder, path, segment) = segment(1 << 30);
    let mut numbers: Vec<u64> = (0..MANY).collect();
    Draw::new(2).shuffle(&mut numbers);
    let name = |number: u64| format!("objects/{:02}/{number:05}", number % 100);
    let begin = Instant::now();
    for number in &numbers {
        let object: Shared<u64> = segment.open_or_create_with(&name(*number), || *number).expect("an object");
        assert_eq!(object.name(), name(*number));
    }
    let made = begin.elapsed();
    let mut names: Vec<String> = (0..MANY).map(name).collect();
    names.sort_unstable();
    assert_eq!(segment.objects().expect("names"), names);
    drop(segment);
    let segment = Segment::open(&path).expect("open");
    let begin = Instant::now();
    assert_eq!(segment.objects().expect("names"), names);
    let listed = begin.elapsed();
    Draw::new(3).shuffle(&mut numbers);
    let begin = Instant::now();
    for number in &numbers {
        let object: Shared<u64> = segment.open(&name(*number)).expect("the object");
        assert_eq!(object.load().expect("load"), *number);
    }
    println!(
        "{MANY} objects: made in {made:?}, listed in {listed:?}, opened and read in {:?}; the file has {} KiB",
        begin.elapsed(),
        segment.size() >> 10
    );
    assert!(matches!(segment.open::<u64>("objects/00/99999"), Err(Error::NotFound { .. })));
}

#[test]
fn what_is_removed_is_given_back_to_the_last_byte() {
    let (_folder, _path, segment) = segment(1 << 30);
    let list: Shared<Vec<String>> = segment.open_or_create("list").expect("list");
    let queue: Shared<VecDeque<Vec<u64>>> = segment.open_or_create("queue").expect("queue");
    let map: Shared<HashMap<String, Vec<String>>> = segment.open_or_create("map").expect("map");
    let tree: Shared<BTreeMap<u64, HashMap<u64, String>>> = segment.open_or_create("tree").expect("tree");
    let text: Shared<String> = segment.open_or_create("text").expect("text");
    let base = segment.stats().expect("stats").allocated;
    let word = |n: u64| "x".repeat((n * 7919 % 3000) as usize);
    for round in 0..3 {
        for n in 0..200 {
            list.write().expect("lock").push(word(n)).expect("push");
            queue.write().expect("lock").push_front((0..n * 3).collect()).expect("push");
            map.write().expect("lock").insert(word(n), vec![word(n); 3]).expect("insert");
            let inner = (0..n % 7).map(|k| (k, word(n + k))).collect();
            tree.write().expect("lock").insert(n, inner).expect("insert");
            text.write().expect("lock").push_str(&word(n)).expect("push");
        }
        assert!(segment.stats().expect("stats").allocated > base + 1_000_000);
        if round == 0 {
            // Piece by piece, some of it undone.
            let mut guard = list.write().expect("lock");
            guard.truncate(100).expect("truncate");
            guard.push(word(50)).expect("push");
            guard.rollback();
            assert_eq!(list.read().expect("lock").len(), 200);
            while list.write().expect("lock").pop().expect("pop").is_some() {}
            while queue.write().expect("lock").pop_back().expect("pop").is_some() {}
            for n in 0..200 {
                map.write().expect("lock").remove(&word(n)).expect("remove");
                tree.write().expect("lock").remove(&n).expect("remove");
            }
            assert!(map.read().expect("lock").is_empty() && tree.read().expect("lock").is_empty());
        }
        if round == 1 {
            segment
                .transaction(|tx| {
                    tx.write(&list)?.clear()?;
                    tx.write(&queue)?.clear()?;
                    tx.write(&map)?.clear()?;
                    tx.write(&tree)?.clear()
                })
                .expect("transaction");
        }
        // Room that is kept for later goes with the value.
        list.store(Vec::new()).expect("store");
        queue.store(VecDeque::new()).expect("store");
        map.store(HashMap::new()).expect("store");
        tree.store(BTreeMap::new()).expect("store");
        text.store(String::new()).expect("store");
        assert_eq!(segment.stats().expect("stats").allocated, base, "leaked in round {round}");
    }
}

#[test]
fn a_slice_does_not_move_while_the_file_grows_a_hundredfold() {
    let (_folder, path, segment) = segment(1 << 30);
    let numbers: Shared<Vec<u64>> = segment.open_or_create("numbers").expect("numbers");
    numbers.store((0..1000).collect()).expect("store");
    let begin = segment.size();
    let guard = numbers.read().expect("lock");
    let slice = &guard[..];
    let place = slice.as_ptr();
    // The same attachment, and another one.
    let other = Segment::open(&path).expect("open again");
    let blocks: [Shared<Vec<Vec<u8>>>; 2] =
        [segment.open_or_create("one").expect("one"), other.open_or_create("two").expect("two")];
    while segment.size() < begin * 100 {
        for list in &blocks {
            list.write().expect("lock").push(vec![1; 100 << 10]).expect("push");
        }
        assert_eq!(guard[..].as_ptr(), place);
    }
    assert!(slice.iter().copied().eq(0..1000));
    assert_eq!(numbers.read().expect("lock")[..].as_ptr(), place);
    drop(guard);
    // Not even by being changed, as long as it has the room.
    let mut guard = numbers.write().expect("lock");
    guard[999] = 7;
    assert_eq!(guard[..].as_ptr(), place);
    assert_eq!(other.size(), segment.size());
}
