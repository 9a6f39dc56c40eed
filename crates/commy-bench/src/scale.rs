//! What the peers' table does not show: how operations scale with the size of a map, the number of participants and the
//! length of a transaction, the longest stop while a map grows, and what entries take in memory.

use crate::bench::*;
use crate::plot::{self, Panel};
use commy::{Segment, Shared};
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

type Hash = Shared<HashMap<u64, u64>>;
type Tree = Shared<BTreeMap<u64, u64>>;
type StdHash = HashMap<u64, u64, foldhash::fast::RandomState>;

/// Operations that a figure is the mean of, at least.
const OPS: usize = 300_000;

/// Sizes up to `most`; the curves are drawn into the file `picture`, if one is wanted.
pub fn run(most: usize, picture: Option<&str>) {
    let sizes: Vec<usize> =
        [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000].into_iter().filter(|n| *n <= most).collect();
    let keys: Vec<u64> = (0..sizes.last().copied().unwrap_or(1000) as u64).map(mix).collect();
    let panels = curves(&sizes, &keys);
    if let Some(picture) = picture {
        std::fs::write(picture, plot::draw(&panels)).unwrap();
    }
    pauses(&keys[..keys.len().min(10_000_000)]);
    participants();
    transactions();
    memory();
    crate::w5::killed_after_touching(if most >= 10_000_000 { 4 << 30 } else { 64 << 20 });
}

fn line(what: &str, value: f64, unit: &str) {
    println!("{what:<64} {value:>12.2} {unit}");
}

/// ns of an insert and a get.
type Figures = (f64, f64);

/// Fills maps of the first `n` keys, several if they are small, and gets from the last.
fn figures(
    keys: &[u64],
    mut fill: impl FnMut(&[u64]),
    mut clear: impl FnMut(),
    get: impl Fn(&[u64]) -> u64,
) -> Figures {
    let (n, mut insert) = (keys.len(), f64::INFINITY);
    // The first map of all is the one that gets its pages from the system.
    for round in 0..3 {
        let (rounds, mut time) = ((OPS / n).max(1), 0.0);
        for last in (0..rounds).rev() {
            time += per_op(n, || fill(keys));
            if last > 0 || round < 2 {
                clear();
            }
        }
        insert = insert.min(time / rounds as f64);
    }
    let mut order = keys.to_vec();
    Rng(7).shuffle(&mut order);
    order.truncate(OPS.max(n / 10));
    let rounds = (OPS / order.len()).max(1);
    let each = || per_op(rounds * order.len(), || (0..rounds).fold(0u64, |a, _| a.wrapping_add(get(&order))));
    let get = (0..3).map(|_| each()).fold(f64::INFINITY, f64::min);
    clear();
    (insert, get)
}

fn curves(sizes: &[usize], keys: &[u64]) -> Vec<Panel> {
    let scratch = Scratch::new("scale");
    let (hash, tree): (Hash, Tree) =
        (scratch.segment.open_or_create("hash").unwrap(), scratch.segment.open_or_create("tree").unwrap());
    let mut curves: [Vec<(f64, f64)>; 8] = Default::default();
    for &n in sizes {
        let keys = &keys[..n];
        let std_hash = std::cell::RefCell::new(StdHash::default());
        let theirs = figures(
            keys,
            |keys| keys.iter().for_each(|&x| assert!(std_hash.borrow_mut().insert(x, x).is_none())),
            || *std_hash.borrow_mut() = StdHash::default(),
            |keys| {
                let map = std_hash.borrow();
                keys.iter().fold(0, |a, x| a ^ map[x])
            },
        );
        let ours = figures(
            keys,
            |keys| {
                let mut map = hash.write().unwrap();
                keys.iter().for_each(|&x| assert!(map.insert(x, x).unwrap().is_none()));
                map.commit().unwrap();
            },
            || hash.store(HashMap::new()).unwrap(),
            |keys| {
                let map = hash.read().unwrap();
                keys.iter().fold(0, |a, x| a ^ map[x])
            },
        );
        report("HashMap", n, ours, theirs, &mut curves[..4]);
        if n > 10_000_000 {
            continue;
        }
        let std_tree = std::cell::RefCell::new(BTreeMap::new());
        let theirs = figures(
            keys,
            |keys| keys.iter().for_each(|&x| assert!(std_tree.borrow_mut().insert(x, x).is_none())),
            || *std_tree.borrow_mut() = BTreeMap::new(),
            |keys| {
                let map = std_tree.borrow();
                keys.iter().fold(0, |a, x| a ^ map[x])
            },
        );
        let ours = figures(
            keys,
            |keys| {
                let mut map = tree.write().unwrap();
                keys.iter().for_each(|&x| assert!(map.insert(x, x).unwrap().is_none()));
                map.commit().unwrap();
            },
            || tree.store(BTreeMap::new()).unwrap(),
            |keys| {
                let map = tree.read().unwrap();
                keys.iter().fold(0, |a, x| a ^ map[x])
            },
        );
        report("BTreeMap", n, ours, theirs, &mut curves[4..]);
    }
    let [a, b, c, d, e, f, g, h] = curves;
    let panel = |title, ours, theirs| Panel { title, curves: vec![("commy (guard)", ours), ("std", theirs)] };
    vec![
        panel("HashMap<u64, u64>: get", a, b),
        panel("HashMap<u64, u64>: insert, growing", c, d),
        panel("BTreeMap<u64, u64>: get", e, f),
        panel("BTreeMap<u64, u64>: insert", g, h),
    ]
}

fn report(what: &str, n: usize, ours: Figures, theirs: Figures, curves: &mut [Vec<(f64, f64)>]) {
    let figures = [("get", ours.1, theirs.1), ("insert", ours.0, theirs.0)];
    for ((op, ours, theirs), curves) in figures.into_iter().zip(curves.chunks_mut(2)) {
        println!("{what} {op:<6} {n:>9} entries: {ours:>8.1} ns, std {theirs:>8.1} ns, x{:.2}", ours / theirs);
        curves[0].push((n as f64, ours));
        curves[1].push((n as f64, theirs));
    }
}

/// The longest insert, each committed by itself, while a map grows; best of three.
fn pauses(keys: &[u64]) {
    let longest = || {
        let scratch = Scratch::new("pauses");
        let map: Hash = scratch.segment.open_or_create("map").unwrap();
        let (mut longest, mut before) = (0.0, cpu_time());
        for &x in keys {
            map.write().unwrap().insert(x, x).unwrap();
            let now = cpu_time();
            longest = f64::max(longest, now - before);
            before = now;
        }
        longest
    };
    let best = (0..3).map(|_| longest()).fold(f64::INFINITY, f64::min);
    line(&format!("longest insert until there are {} entries", keys.len()), best / 1e6, "ms");
}

/// Operations of this process while others have the segment open.
fn participants() {
    const N: usize = 100_000;
    let path = path("participants");
    let _ = std::fs::remove_file(&path);
    let segment = Segment::options().max_participants(1000).create(&path).unwrap();
    let map: Hash = segment.open_or_create("map").unwrap();
    {
        let mut map = map.write().unwrap();
        (0..N as u64).for_each(|i| assert!(map.insert(mix(i), i).unwrap().is_none()));
    }
    // SAFETY: an atomic.
    let attached: &AtomicUsize = unsafe { shared_zeroed() };
    let mut others = Vec::new();
    for count in [1, 8, 64, 512] {
        while others.len() + 1 < count {
            others.push(fork(|| {
                let segment = Segment::open(&path).unwrap();
                let map: Hash = segment.open("map").unwrap();
                black_box(map.read().unwrap().get(&mix(1)));
                attached.fetch_add(1, SeqCst);
                loop {
                    std::thread::sleep(Duration::from_secs(60));
                }
            }));
        }
        while attached.load(SeqCst) < others.len() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let least = |work: &dyn Fn()| (0..5).map(|_| per_op(N, work)).fold(f64::INFINITY, f64::min);
        let get = least(&|| (0..N as u64).for_each(|i| assert!(map.read().unwrap().get(&mix(i)).is_some())));
        let put = least(&|| {
            (0..N as u64).for_each(|i| assert!(map.write().unwrap().insert(mix(i), i).unwrap().is_some()));
        });
        line(&format!("get under a guard of its own, {count} attached"), get, "ns");
        line(&format!("insert under a guard of its own, {count} attached"), put, "ns");
    }
    others.into_iter().for_each(kill);
    let _ = std::fs::remove_file(&path);
}

/// Transactions of several operations.
fn transactions() {
    const N: usize = 100_000;
    let scratch = Scratch::new("transactions");
    let map: Hash = scratch.segment.open_or_create("map").unwrap();
    let k = Keys::new(N);
    {
        let mut map = map.write().unwrap();
        k.key.iter().for_each(|&x| assert!(map.insert(x, x).unwrap().is_none()));
    }
    for length in [1, 10, 100, 1000] {
        let all = || {
            for keys in k.order.chunks(length) {
                let mut map = map.write().unwrap();
                keys.iter().for_each(|&x| assert!(map.insert(x, 1).unwrap().is_some()));
                map.commit().unwrap();
            }
        };
        let time = (0..5).map(|_| per_op(N, all)).fold(f64::INFINITY, f64::min);
        line(&format!("overwriting, {length} to a transaction"), time, "ns each");
    }
}

/// Bytes in use of this process's heap.
fn heap() -> u64 {
    // SAFETY: reads counters.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

/// Bytes for each entry, beside those of std's heap.
fn memory() {
    fn compare(what: &str, n: usize, theirs: u64, ours: u64) {
        let [ours, theirs] = [ours, theirs].map(|bytes| bytes as f64 / n as f64);
        println!("{what:<24} {n:>9} entries: {ours:>7.1} B each, std's heap {theirs:>7.1} B, x{:.2}", ours / theirs);
    }
    let scratch = Scratch::new("memory");
    let segment = &scratch.segment;
    let used = || segment.stats().unwrap().allocated;
    for n in [600_000, 1_000_000, 1_600_000] {
        let before = heap();
        let map: StdHash = (0..n as u64).map(|i| (mix(i), i)).collect();
        let theirs = heap() - before;
        drop(map);
        let map: Hash = segment.open_or_create("hash").unwrap();
        let before = used();
        let mut guard = map.write().unwrap();
        (0..n as u64).for_each(|i| assert!(guard.insert(mix(i), i).unwrap().is_none()));
        guard.commit().unwrap();
        compare("HashMap<u64, u64>", n, theirs, used() - before);
        map.store(HashMap::new()).unwrap();
    }
    let n = 200_000;
    let keys = strings(n).0;
    let before = heap();
    let map: HashMap<String, String, foldhash::fast::RandomState> =
        keys.iter().map(|key| (key.clone(), VALUE.to_string())).collect();
    let theirs = heap() - before;
    drop(map);
    let map: Shared<HashMap<String, String>> = segment.open_or_create("strings").unwrap();
    let before = used();
    let mut guard = map.write().unwrap();
    keys.iter().for_each(|key| assert!(guard.insert(key.clone(), VALUE.into()).unwrap().is_none()));
    guard.commit().unwrap();
    compare("HashMap<String, String>", n, theirs, used() - before);

    let n = 1_000_000;
    let before = heap();
    let mut map = BTreeMap::new();
    (0..n as u64).for_each(|i| assert!(map.insert(mix(i), i).is_none()));
    let theirs = heap() - before;
    drop(map);
    let map: Tree = segment.open_or_create("tree").unwrap();
    let before = used();
    let mut guard = map.write().unwrap();
    (0..n as u64).for_each(|i| assert!(guard.insert(mix(i), i).unwrap().is_none()));
    guard.commit().unwrap();
    compare("BTreeMap<u64, u64>", n, theirs, used() - before);
}
