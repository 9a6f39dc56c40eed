//! W3: hash maps, from numbers to numbers and from strings to strings.

use crate::bench::*;
use commy::{FreeListAllocator, Segment, Shared, SharedHashMap};
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const N: usize = 1_000_000;
const READ_ONLY: &str = "commy (read-only)";

type Numbers = Shared<HashMap<u64, u64>>;
type Strings = Shared<HashMap<String, String>>;

pub fn run() {
    let scratch = Scratch::new("w3");
    let map: Numbers = scratch.segment.open_or_create("numbers").unwrap();
    let k = Keys::new(N);
    insert_all(&map, &k, "commy (guard), new pages");
    map.store(HashMap::new()).unwrap();
    insert_all(&map, &k, "commy (guard)");
    numbers(&map, &k, "commy (guard)");
    map.store(HashMap::new()).unwrap();
    numbers_one_by_one(&map, &k);
    numbers_read_only(&scratch.path, &k);
    direct(&scratch.segment, &k);

    let texts: Strings = scratch.segment.open_or_create("strings").unwrap();
    let s = strings(200_000);
    insert_strings(&texts, &s.0, "commy (guard), new pages");
    texts.store(HashMap::new()).unwrap();
    insert_strings(&texts, &s.0, "commy (guard)");
    in_strings(&texts, &s.1, "commy (guard)");
    texts.store(HashMap::new()).unwrap();
    strings_one_by_one(&texts, &s);

    readers_writer(&scratch, "commy (guard)", |map, kind, key| match kind {
        0 => assert!(black_box(map.read().unwrap().get(&key)).is_some()),
        1 | 2 => assert!(map.write().unwrap().insert(key, 1).is_ok()),
        _ => assert!(map.write().unwrap().remove(&key).is_ok()),
    });
    readers_writer(&scratch, "commy (op)", |map, kind, key| match kind {
        0 => assert!(black_box(map.get(&key).unwrap()).is_some()),
        1 | 2 => assert!(map.insert(key, 1).is_ok()),
        _ => assert!(map.remove(&key).is_ok()),
    });
    readers_writer(&scratch, READ_ONLY, |map, kind, key| match kind {
        0 => assert!(black_box(map.get(&key).unwrap()).is_some()),
        1 | 2 => assert!(map.insert(key, 1).is_ok()),
        _ => assert!(map.remove(&key).is_ok()),
    });
}

/// Each operation by itself.
fn numbers_one_by_one(map: &Numbers, k: &Keys) {
    let emit = |metric, value| emit("W3", metric, "commy (op)", value, "ns");
    let insert = |keys: &[u64]| keys.iter().for_each(|&x| assert!(map.insert(x, x).unwrap().is_none()));
    emit("u64 insert 1e6, growing", per_op(N, || insert(&k.key)));
    let (n, few) = (N * 3 / 10, N / 20);
    let (hit, miss) = (&k.order[..n], &k.absent[N / 2..][..n]);
    let get = |x| map.get(x).unwrap().unwrap();
    emit("u64 get hit", per_op(n, || hit.iter().fold(0u64, |a, x| a.wrapping_add(get(x)))));
    emit("u64 get miss", per_op(n, || miss.iter().filter(|x| map.contains_key(*x).unwrap()).count()));
    emit("u64 overwrite", per_op(n, || hit.iter().for_each(|&x| assert!(map.insert(x, 1).unwrap().is_some()))));
    emit("u64 insert, no growth", per_op(few, || insert(&k.absent[..few])));
    emit("u64 remove", per_op(few, || hit[..few].iter().for_each(|x| assert!(map.remove(x).unwrap().is_some()))));
    insert(&hit[..few]);
}

/// Each look by itself, in a mapping that cannot be written to.
fn numbers_read_only(path: &Path, k: &Keys) {
    let emit = |metric, value| emit("W3", metric, READ_ONLY, value, "ns");
    let map: Numbers = Segment::options().read_only(true).open(path).unwrap().open("numbers").unwrap();
    let n = N * 3 / 10;
    let (hit, miss) = (&k.order[..n], &k.absent[N / 2..][..n]);
    emit("u64 get hit", per_op(n, || hit.iter().fold(0u64, |a, x| a.wrapping_add(map.get(x).unwrap().unwrap()))));
    emit("u64 get miss", per_op(n, || miss.iter().filter(|x| map.contains_key(*x).unwrap()).count()));
}

/// The type that locks by itself, and lends without a lock.
fn direct(segment: &Segment, k: &Keys) {
    let emit = |metric, value| emit("W3", metric, "commy (direct)", value, "ns");
    // SAFETY: nobody else has the file open.
    let allocator = unsafe { FreeListAllocator::from_segment(segment, Duration::from_secs(60)) }.unwrap();
    let mut map: SharedHashMap<u64, u64> = SharedHashMap::new_in(&allocator);
    let insert = || k.key.iter().for_each(|&x| assert!(map.insert(x, x).is_none()));
    emit("u64 insert 1e6, growing", per_op(N, insert));
    let (n, few) = (N * 3 / 10, N / 20);
    let (hit, miss) = (&k.order[..n], &k.absent[N / 2..][..n]);
    emit("u64 get hit", per_op(n, || hit.iter().fold(0u64, |a, x| a.wrapping_add(*map.get(x).unwrap()))));
    emit("u64 get miss", per_op(n, || miss.iter().filter(|x| map.contains_key(*x)).count()));
    emit("u64 overwrite", per_op(n, || hit.iter().for_each(|&x| assert!(map.insert(x, 1).is_some()))));
    let insert = || k.absent[..few].iter().for_each(|&x| assert!(map.insert(x, x).is_none()));
    emit("u64 insert, no growth", per_op(few, insert));
    emit("u64 remove", per_op(few, || hit[..few].iter().for_each(|x| assert!(map.remove(x).is_some()))));
}

/// Each operation by itself.
fn strings_one_by_one(map: &Strings, (keys, order): &(Vec<String>, Vec<String>)) {
    let emit = |metric, value| emit("W3", metric, "commy (op)", value, "ns");
    let insert = || keys.iter().for_each(|x| assert!(map.insert(x.clone(), VALUE.to_string()).unwrap().is_none()));
    emit("string insert 2e5, growing", per_op(keys.len(), insert));
    let get = |x: &String| map.get(x.as_str()).unwrap().unwrap();
    emit("string get hit", per_op(order.len(), || order.iter().fold(0, |a, x| a + get(x).len())));
    let view = |x: &String| map.view(x.as_str(), str::len).unwrap().unwrap();
    let lent = per_op(order.len(), || order.iter().fold(0, |a, x| a + view(x)));
    crate::bench::emit("W3", "string get hit", "commy (op), lent", lent, "ns");
    let few = &order[..order.len() / 4];
    let remove = || few.iter().for_each(|x| assert!(map.remove(x.as_str()).unwrap().is_some()));
    emit("string remove", per_op(few.len(), remove));
}

fn insert_all(map: &Numbers, k: &Keys, peer: &str) {
    let insert = || {
        let mut map = map.write().unwrap();
        for &x in &k.key {
            map.insert(x, x).unwrap();
        }
        map.commit().unwrap();
    };
    emit("W3", "u64 insert 1e6, growing", peer, per_op(N, insert), "ns");
}

fn numbers(map: &Numbers, k: &Keys, peer: &str) {
    let emit = |metric, value| emit("W3", metric, peer, value, "ns");
    let (n, few) = (N * 3 / 10, N / 20);
    let (hit, miss) = (&k.order[..n], &k.absent[N / 2..][..n]);
    let get = || {
        let map = map.read().unwrap();
        hit.iter().fold(0u64, |a, x| a.wrapping_add(map[x]))
    };
    emit("u64 get hit", per_op(n, get));
    let contains = || {
        let map = map.read().unwrap();
        miss.iter().filter(|x| map.contains_key(*x)).count()
    };
    emit("u64 get miss", per_op(n, contains));
    let overwrite = || {
        let mut map = map.write().unwrap();
        hit.iter().for_each(|x| *map.get_mut(x).unwrap() = 1);
        map.commit().unwrap();
    };
    emit("u64 overwrite", per_op(n, overwrite));
    let insert = || {
        let mut map = map.write().unwrap();
        for &x in &k.absent[..few] {
            map.insert(x, x).unwrap();
        }
        map.commit().unwrap();
    };
    emit("u64 insert, no growth", per_op(few, insert));
    let remove = || {
        let mut map = map.write().unwrap();
        for x in &hit[..few] {
            map.remove(x).unwrap();
        }
        map.commit().unwrap();
    };
    emit("u64 remove", per_op(few, remove));
    let mut map = map.write().unwrap();
    for &x in &hit[..few] {
        map.insert(x, x).unwrap();
    }
}

fn insert_strings(map: &Strings, keys: &[String], peer: &str) {
    let insert = || {
        let mut map = map.write().unwrap();
        for x in keys {
            map.insert(x.clone(), VALUE.to_string()).unwrap();
        }
        map.commit().unwrap();
    };
    emit("W3", "string insert 2e5, growing", peer, per_op(keys.len(), insert), "ns");
}

fn in_strings(map: &Strings, order: &[String], peer: &str) {
    let get = || {
        let map = map.read().unwrap();
        order.iter().fold(0, |a, x| a + map.get(x.as_str()).unwrap().len())
    };
    emit("W3", "string get hit", peer, per_op(order.len(), get), "ns");
    let few = &order[..order.len() / 4];
    let remove = || {
        let mut map = map.write().unwrap();
        for x in few {
            map.remove(x.as_str()).unwrap();
        }
        map.commit().unwrap();
    };
    emit("W3", "string remove", peer, per_op(few.len(), remove), "ns");
}

/// Two readers of random present keys, one writer that overwrites, inserts and removes in turn. `op(map, kind, key)`
/// with kind 0 get, 1 overwrite, 2 insert, 3 remove.
fn readers_writer(scratch: &Scratch, peer: &str, op: impl Fn(&Numbers, u8, u64)) {
    let rates = crew(3, 200, &[Some(0), Some(1), None], |i| {
        let segment = Segment::options().read_only(i < 2 && peer == READ_ONLY).open(&scratch.path).unwrap();
        let map: Numbers = segment.open("numbers").unwrap();
        let (op, mut rng, mut fresh) = (&op, Rng((i as u64) << 40), 0);
        move || {
            for j in 0..30 {
                let x = rng.below(N) as u64;
                let key = mix(x);
                match (i < 2, j % 3) {
                    (true, _) => op(&map, 0, key),
                    (false, 0) => op(&map, 1, key),
                    (false, 1) => {
                        fresh = mix(x + (1 << 40));
                        op(&map, 2, fresh);
                    }
                    _ => op(&map, 3, fresh),
                }
            }
            30
        }
    });
    let emit =
        |what: &str, rate: f64| emit("W3", &format!("2 readers + 1 writer: {what}"), peer, rate * 1e-6, "Mops/s");
    emit("total", rates.iter().sum());
    emit("gets", rates[0] + rates[1]);
    emit("writes", rates[2]);
}
