//! W5: messages of 64 bytes between two processes, through deques.

use crate::bench::*;
use commy::{Segment, Shared};
use std::collections::VecDeque;
use std::hint::spin_loop;
use std::path::Path;
use std::time::{Duration, Instant};

type Message = [u8; 64];
type Queue = Shared<VecDeque<Message>>;

const PEER: &str = "commy (op)";
const LONG: Duration = Duration::from_secs(30);

/// The two queues of a pair of processes.
struct Ends {
    there: Queue,
    back: Queue,
}

impl Ends {
    fn open(path: &Path) -> Ends {
        let segment = Segment::open(path).unwrap();
        Ends { there: segment.open_or_create("there").unwrap(), back: segment.open_or_create("back").unwrap() }
    }
}

fn poll(queue: &Queue) -> Message {
    loop {
        if let Some(message) = queue.pop_front().unwrap() {
            return message;
        }
        spin_loop();
    }
}

fn sleep(queue: &Queue) -> Message {
    queue.pop_front_wait(LONG).unwrap().unwrap()
}

pub fn run() {
    let scratch = Scratch::new("messages");
    round_trips(&scratch, "busy poll", 20_000, poll);
    round_trips(&scratch, "blocking", 3000, sleep);
    wake(&scratch);
    one_way(&scratch);
}

/// Prints the median and the 99th percentile of times in ns.
fn percentiles(metric: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    emit("W5", &format!("{metric}, p50"), PEER, times[times.len() / 2], "ns");
    emit("W5", &format!("{metric}, p99"), PEER, times[times.len() * 99 / 100], "ns");
}

fn round_trips(scratch: &Scratch, kind: &str, n: usize, receive: impl Fn(&Queue) -> Message) {
    let warm = n / 10;
    let child = fork(|| {
        pin(Some(1));
        let ends = Ends::open(&scratch.path);
        (0..n + warm).for_each(|_| ends.back.push_back(receive(&ends.there)).unwrap());
    });
    pin(Some(0));
    let ends = Ends::open(&scratch.path);
    let ping = || {
        ends.there.push_back([1; 64]).unwrap();
        receive(&ends.back);
    };
    (0..warm).for_each(|_| ping());
    let mut before = Instant::now();
    let times = (0..n).map(|_| {
        ping();
        let now = Instant::now();
        let time = (now - before).as_nanos() as f64;
        before = now;
        time
    });
    percentiles(&format!("64 B round trip, {kind}"), times.collect());
    wait(child);
}

/// The other side is surely asleep, this side polls for the answer: one wake-up is measured.
fn wake(scratch: &Scratch) {
    let n = 500;
    let child = fork(|| {
        pin(Some(1));
        let ends = Ends::open(&scratch.path);
        (0..n).for_each(|_| ends.back.push_back(sleep(&ends.there)).unwrap());
    });
    pin(Some(0));
    let ends = Ends::open(&scratch.path);
    let times = (0..n).map(|_| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(50) {
            spin_loop();
        }
        let start = Instant::now();
        ends.there.push_back([1; 64]).unwrap();
        poll(&ends.back);
        start.elapsed().as_nanos() as f64
    });
    percentiles("wake a sleeping process, until its answer is seen", times.collect());
    wait(child);
}

fn one_way(scratch: &Scratch) {
    const N: usize = 300_000;
    /// Messages on their way, at most about so many.
    const MOST: usize = 1000;
    for _ in 0..2 {
        let child = fork(|| {
            pin(Some(1));
            let ends = Ends::open(&scratch.path);
            for i in 0..N {
                while i % 64 == 0 && ends.there.len().unwrap() > MOST - 64 {
                    spin_loop();
                }
                ends.there.push_back([i as u8; 64]).unwrap();
            }
        });
        pin(Some(0));
        let ends = Ends::open(&scratch.path);
        while ends.there.is_empty().unwrap() {
            spin_loop();
        }
        let start = Instant::now();
        let sum = (0..N).fold(0, |sum, _| sum + usize::from(poll(&ends.there)[0]));
        let time = start.elapsed().as_nanos() as f64 / N as f64;
        assert_eq!(sum, (0..N).map(|i| i % 256).sum::<usize>());
        emit("W5", "64 B one way", PEER, time, "ns");
        wait(child);
    }
}
