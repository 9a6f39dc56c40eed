//! W4: an ordered map from numbers to numbers.

use crate::bench::*;
use commy::Shared;
use std::collections::BTreeMap;

const N: usize = 1_000_000;

type Map = Shared<BTreeMap<u64, u64>>;

pub fn run() {
    let scratch = Scratch::new("w4");
    let map: Map = scratch.segment.open_or_create("map").unwrap();
    let k = Keys::new(N);
    insert(&map, &k.key, "insert 1e6 random", "commy (guard), new pages");
    map.store(BTreeMap::new()).unwrap();
    insert(&map, &k.key, "insert 1e6 random", "commy (guard)");
    read(&map, &k);
    one_by_one(&map, &k);

    let mut sorted = k.key;
    sorted.sort_unstable();
    map.store(BTreeMap::new()).unwrap();
    insert(&map, &sorted, "insert 1e6 ascending", "commy (guard)");
}

fn insert(map: &Map, keys: &[u64], metric: &str, peer: &str) {
    let insert = || {
        let mut map = map.write().unwrap();
        for &x in keys {
            map.insert(x, x).unwrap();
        }
        map.commit().unwrap();
    };
    emit("W4", metric, peer, per_op(keys.len(), insert), "ns");
}

fn read(map: &Map, k: &Keys) {
    let emit = |metric, value| emit("W4", metric, "commy (guard)", value, "ns");
    let get = || {
        let map = map.read().unwrap();
        k.order[..200_000].iter().fold(0u64, |a, x| a.wrapping_add(map[x]))
    };
    emit("get hit", per_op(200_000, get));
    insert(map, &k.absent[..N / 20], "insert, no growth", "commy (guard)");
    let scan = || {
        let map = map.read().unwrap();
        map.values().fold(0u64, |a, v| a.wrapping_add(*v))
    };
    emit("scan all 1e6 in order", per_op(N, scan));
    let ranges = || {
        let map = map.read().unwrap();
        let range = |a, x: u64| map.range(x..).take(100).fold(a, |a: u64, (_, v)| a.wrapping_add(*v));
        k.order[..5000].iter().fold(0u64, |a, &x| range(a, x))
    };
    emit("range scan of 100", per_op(5000, ranges));
}

/// Each operation by itself.
fn one_by_one(map: &Map, k: &Keys) {
    let emit = |metric, value| emit("W4", metric, "commy (op)", value, "ns");
    let get = |x| map.get(x).unwrap().unwrap();
    emit("get hit", per_op(200_000, || k.order[..200_000].iter().fold(0u64, |a, x| a.wrapping_add(get(x)))));
    let few = &k.absent[N / 20..][..N / 20];
    emit(
        "insert, no growth",
        per_op(few.len(), || few.iter().for_each(|&x| assert!(map.insert(x, x).unwrap().is_none()))),
    );
}
