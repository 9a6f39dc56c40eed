//! W6: opening a large segment and getting one entry.

use crate::bench::*;
use commy::{Segment, Shared};
use std::collections::HashMap;
use std::time::Instant;

const N: u64 = 1_000_000;
const METRIC: &str = "open 1 GiB file with 1e6 entries, first get";

type Map = Shared<HashMap<u64, u64>>;

pub fn run() {
    let path = path("w6");
    let _ = std::fs::remove_file(&path);
    // In a process of its own: this one shall not have the pages.
    wait(fork(|| {
        let segment = Segment::options().initial_size(1 << 30).create(&path).unwrap();
        let map: Map = segment.open_or_create("m").unwrap();
        let mut map = map.write().unwrap();
        for i in 0..N {
            map.insert(mix(i), i).unwrap();
        }
        map.commit().unwrap();
    }));
    for round in 0..20 {
        let start = Instant::now();
        let segment = Segment::open(&path).unwrap();
        let map: Map = segment.open("m").unwrap();
        let value = map.read().unwrap().get(&mix(round * 1000)).copied();
        let time = start.elapsed().as_nanos() as f64 / 1e3;
        assert_eq!(value, Some(round * 1000));
        emit("W6", METRIC, "commy (guard)", time, "us");
        drop((map, segment));

        let start = Instant::now();
        let segment = Segment::open(&path).unwrap();
        let map: Map = segment.open("m").unwrap();
        let value = map.get(&mix(round * 1000)).unwrap();
        let time = start.elapsed().as_nanos() as f64 / 1e3;
        assert_eq!(value, Some(round * 1000));
        emit("W6", METRIC, "commy (op)", time, "us");
    }
    let _ = std::fs::remove_file(&path);
}
