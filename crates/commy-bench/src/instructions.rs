//! How many machine instructions the most frequent operations take: a number that no busy machine blurs, so that slow
//! decay is seen. `docs/instructions.txt` keeps them, for one compiler; a comparison names what has grown by more than
//! a twentieth.
//!
//! The processor's trap flag makes each instruction of this thread end in a SIGTRAP, whose handler counts.

use crate::bench::*;
use commy::{FreeListAllocator, Shared};
use std::alloc::Layout;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Calls that are not counted: so many that the thread is favoured, as who does it again and again is.
const WARM: u64 = 600;

static STEPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_trap(_: libc::c_int) {
    STEPS.store(STEPS.load(Relaxed) + 1, Relaxed);
}

/// Instructions of `work`, and a few to set and clear the flag.
fn steps(work: impl FnOnce()) -> u64 {
    STEPS.store(0, Relaxed);
    // SAFETY: the handler does nothing but count, and runs with the flag cleared; the flag is set and cleared in this
    // thread.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_trap as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
        std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq");
        work();
        std::arch::asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq");
    }
    STEPS.load(Relaxed)
}

/// The median over calls of `work` with 0, 1, .., after some that are not counted.
fn median(mut work: impl FnMut(u64)) -> u64 {
    (0..WARM).for_each(&mut work);
    let mut counts: Vec<u64> = (WARM..WARM + 31).map(|i| steps(|| work(i))).collect();
    counts.sort_unstable();
    counts[counts.len() / 2] - steps(|| {})
}

/// The operations and their numbers of instructions.
fn measure() -> Vec<(&'static str, u64)> {
    let scratch = Scratch::new("instructions");
    let segment = &scratch.segment;
    let number: Shared<u64> = segment.open_or_create("number").unwrap();
    let vector: Shared<Vec<u64>> = segment.open_or_create("vector").unwrap();
    let deque: Shared<VecDeque<u64>> = segment.open_or_create("deque").unwrap();
    let map: Shared<HashMap<u64, u64>> = segment.open_or_create("map").unwrap();
    let texts: Shared<HashMap<String, String>> = segment.open_or_create("texts").unwrap();
    let tree: Shared<BTreeMap<u64, u64>> = segment.open_or_create("tree").unwrap();
    // Of sizes from which they do not grow while they are measured.
    vector.write().unwrap().reserve(4096).unwrap();
    deque.store((0..1000).collect()).unwrap();
    for i in 0..2000 {
        map.insert(mix(i), i).unwrap();
        tree.insert(mix(i), i).unwrap();
        texts.insert(format!("{:032x}", mix(i)), VALUE.into()).unwrap();
    }
    let text = |i: u64| format!("{:032x}", mix(i));
    let mut all = vec![
        ("write guard", median(|_| drop(number.write().unwrap()))),
        ("read guard", median(|_| drop(number.read().unwrap()))),
        ("push", median(|i| vector.push(i).unwrap())),
        (
            "push_back and pop_front",
            median(|i| {
                deque.push_back(i).unwrap();
                black_box(deque.pop_front().unwrap());
            }),
        ),
        ("hash get", median(|i| assert!(map.get(&mix(i)).unwrap().is_some()))),
        ("hash overwrite", median(|i| assert!(map.insert(mix(i), i).unwrap().is_some()))),
        (
            "hash insert and remove",
            median(|i| {
                assert!(map.insert(mix(i + 5000), i).unwrap().is_none());
                assert!(map.remove(&mix(i + 5000)).unwrap().is_some());
            }),
        ),
        ("ordered get", median(|i| assert!(tree.get(&mix(i)).unwrap().is_some()))),
        (
            "ordered insert and remove",
            median(|i| {
                assert!(tree.insert(mix(i + 5000), i).unwrap().is_none());
                assert!(tree.remove(&mix(i + 5000)).unwrap().is_some());
            }),
        ),
    ];
    let scratch = Scratch::new("blocks");
    // SAFETY: nothing is lent.
    let blocks = unsafe { FreeListAllocator::from_segment(&scratch.segment, Duration::from_secs(60)).unwrap() };
    let layout = Layout::from_size_align(64, 8).unwrap();
    let pair = |_| blocks.deallocate(black_box(blocks.allocate(black_box(layout)).unwrap().cast()), layout);
    all.push(("allocate and deallocate 64 B", median(pair)));
    let keys: Vec<String> = (0..WARM + 31).map(text).collect();
    let find = |i: u64| assert!(texts.read().unwrap().contains_key(keys[i as usize].as_str()));
    all.push(("read guard and look-up of a string", median(find)));
    all.push(("string get", median(|i| assert!(texts.get(keys[i as usize].as_str()).unwrap().is_some()))));
    let view = |i: u64| assert!(texts.view(keys[i as usize].as_str(), str::len).unwrap().is_some());
    all.push(("string lent", median(view)));
    let owned = |i: u64| (keys[i as usize].clone() + "-", VALUE.to_string());
    let mut fresh: Vec<(String, String)> = (0..WARM + 31).rev().map(owned).collect();
    let put = |_| {
        let (key, value) = fresh.pop().unwrap();
        assert!(texts.insert(key, value).unwrap().is_none());
    };
    all.push(("string insert", median(put)));
    let take = |i: u64| assert!(texts.remove(keys[i as usize].as_str()).unwrap().is_some());
    all.push(("string remove", median(take)));
    let mut vector = vector.write().unwrap();
    all.push(("push under a guard", median(|i| vector.push(i).unwrap())));
    let map = map.read().unwrap();
    all.push(("hash get under a guard", median(|i| assert!(map.get(&mix(i)).is_some()))));
    all
}

/// The compiler's own name.
fn compiler() -> String {
    let output = std::process::Command::new("rustc").arg("--version").output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Prints the numbers; or compares them with those in a file, if it was made with the same compiler. Gives whether
/// nothing has grown.
pub fn run(file: Option<&str>) -> bool {
    let (compiler, now) = (compiler(), measure());
    let Some(file) = file else {
        println!("{compiler}");
        now.iter().for_each(|(name, count)| println!("{count:>6} {name}"));
        return true;
    };
    let then = std::fs::read_to_string(file).unwrap();
    if then.lines().next() != Some(&compiler) {
        println!("{file} was made with another compiler: not compared");
        return true;
    }
    let before = |name: &str| {
        let lines = then.lines().skip(1).filter_map(|line| line.trim().split_once(' '));
        lines.filter(|(_, known)| *known == name).find_map(|(count, _)| count.parse::<u64>().ok())
    };
    let mut good = true;
    for (name, count) in now {
        let Some(before) = before(name) else { continue };
        if count * 20 > before * 21 {
            println!("{name}: {count} instructions instead of {before}");
            good = false;
        }
    }
    good
}
