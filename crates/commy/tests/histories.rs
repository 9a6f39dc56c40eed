//! Recorded histories of small objects that several processes use at once are linearizable: there is an order of all
//! operations in which each gives what it gave, and none comes before one that had ended when it began.
//!
//! ```text
//! players     do a few operations of one kind of object, by their one-operation forms, some of which take no lock;
//!             say what each was asked and gave, and when it began and ended, by the one monotonic clock of the machine
//! checker     looks for the order, as Wing and Gong do: tries as the next operation each that began before all others that
//!             are left have ended and that gives what it gave in the state so far; remembers what led nowhere
//! ```
//!
//! `COMMY_HISTORIES` says how many of each kind are recorded, 60 unless said.

mod common;

use common::{Draw, Player, Stage, play, segment, text};
use commy::{Segment, Shared};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn role() {
    play(&[("player", player)]);
}

/// An operation: what was asked, with what, and what it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operation {
    asked: u64,
    with: u64,
    gave: u64,
    began: u64,
    ended: u64,
}

/// What an object is, when one operation follows the other.
type State = Vec<u64>;
/// The state after an operation, and what it gives.
type Model = fn(&State, u64, u64) -> (State, u64);
/// Does an operation, and gives what it gave.
type Act = Box<dyn Fn(u64, u64) -> commy::Result<u64>>;

/// A kind of object: its name, how many kinds of operations there are, what they do, how they are done.
struct Kind {
    name: &'static str,
    asks: u64,
    model: Model,
    open: fn(&Segment, &str) -> Act,
}

/// For nothing.
const NONE: u64 = u64::MAX;

const KINDS: [Kind; 4] = [
    Kind {
        name: "register",
        asks: 2,
        model: |state, asked, with| match asked {
            0 => (vec![with], 0),
            _ => (state.clone(), state.first().copied().unwrap_or(0)),
        },
        open: |segment, name| {
            // More than a word, so that half of a change could be seen.
            let register: Shared<[u64; 3]> = segment.open_or_create(name).expect("a register");
            Box::new(move |asked, with| {
                if asked == 0 {
                    return register.store([with; 3]).map(|()| 0);
                }
                let value = register.load()?;
                assert_eq!(value, [value[0]; 3], "half of a change");
                Ok(value[0])
            })
        },
    },
    Kind {
        name: "counter",
        asks: 3,
        model: |state, asked, with| {
            let count = state.first().copied().unwrap_or(0);
            if asked == 2 { (state.clone(), count) } else { (vec![count + with], count) }
        },
        open: |segment, name| {
            let counter: Shared<AtomicU64> = segment.open_or_create(name).expect("a counter");
            Box::new(move |asked, with| {
                Ok(match asked {
                    2 => counter.load(Ordering::SeqCst),
                    _ => counter.fetch_add(with, Ordering::SeqCst),
                })
            })
        },
    },
    Kind {
        name: "queue",
        asks: 4,
        model: |state, asked, with| {
            let mut queue: VecDeque<u64> = state.iter().copied().collect();
            let gave = match asked {
                0 => {
                    queue.push_back(with);
                    0
                }
                1 => queue.pop_front().unwrap_or(NONE),
                2 => queue.len() as u64,
                _ => queue.back().copied().unwrap_or(NONE),
            };
            (queue.into(), gave)
        },
        open: |segment, name| {
            let queue: Shared<VecDeque<u64>> = segment.open_or_create(name).expect("a queue");
            Box::new(move |asked, with| match asked {
                0 => queue.push_back(with).map(|()| 0),
                1 => queue.pop_front().map(|value| value.unwrap_or(NONE)),
                2 => queue.len().map(|len| len as u64),
                _ => queue.back().map(|value| value.unwrap_or(NONE)),
            })
        },
    },
    Kind {
        name: "set",
        asks: 4,
        model: |state, asked, with| {
            let mut set: BTreeSet<u64> = state.iter().copied().collect();
            let element = with % 3;
            let gave = match asked {
                0 => set.insert(element).into(),
                1 => set.remove(&element).into(),
                2 => set.contains(&element).into(),
                _ => set.len() as u64,
            };
            (set.into_iter().collect(), gave)
        },
        open: |segment, name| {
            let set: Shared<HashSet<u64>> = segment.open_or_create(name).expect("a set");
            Box::new(move |asked, with| {
                let element = with % 3;
                match asked {
                    0 => set.insert(element).map(u64::from),
                    1 => set.remove(&element).map(u64::from),
                    2 => set.contains(&element).map(u64::from),
                    _ => set.len().map(|len| len as u64),
                }
            })
        },
    },
];

/// Nanoseconds of the clock that all processes have.
#[cfg(unix)]
fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live structure to write to.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) }, 0);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Ticks of the clock that all processes have.
#[cfg(windows)]
fn now() -> u64 {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn QueryPerformanceCounter(count: *mut i64) -> i32;
    }
    let mut now = 0;
    // SAFETY: a live number to write to.
    assert_ne!(unsafe { QueryPerformanceCounter(&raw mut now) }, 0);
    now as u64
}

/// Operations that a player does on one object.
const SHARE: usize = 12;

/// Does its share on each object that it is told of.
fn player(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let mut draw = Draw::new(stage.number(1));
    stage.say("ready");
    loop {
        let order = stage.hear();
        let (kind, name) = order.split_once(' ').expect("a kind and a name");
        let kind = KINDS.iter().find(|known| known.name == kind).expect("a kind");
        let act = (kind.open)(&segment, name);
        stage.say("ready");
        // All begin at one moment.
        let begin: u64 = stage.hear().parse().expect("a time");
        while now() < begin {
            std::hint::spin_loop();
        }
        let mut done = [Operation { asked: 0, with: 0, gave: 0, began: 0, ended: 0 }; SHARE];
        for place in &mut done {
            let (asked, with) = (draw.below(kind.asks), 1 + draw.below(1 << 20));
            let began = now();
            let gave = act(asked, with).expect("an operation");
            *place = Operation { asked, with, gave, began, ended: now() };
            if draw.below(3) == 0 {
                std::thread::yield_now();
            }
        }
        let words = done.map(|op| format!("{},{},{},{},{}", op.asked, op.with, op.gave, op.began, op.ended));
        stage.say(words.join(" "));
    }
}

fn parse(said: &str) -> Vec<Operation> {
    let operation = |text: &str| {
        let numbers: Vec<u64> = text.split(',').map(|number| number.parse().expect("a number")).collect();
        let [asked, with, gave, began, ended] = numbers[..] else { panic!("{text}") };
        Operation { asked, with, gave, began, ended }
    };
    said.split(' ').map(operation).collect()
}

/// Whether there is such an order of the operations that are left, each a bit.
fn has_order(
    history: &[Operation],
    left: u64,
    state: &State,
    model: Model,
    hopeless: &mut HashSet<(u64, State)>,
) -> bool {
    if left == 0 {
        return true;
    }
    if hopeless.contains(&(left, state.clone())) {
        return false;
    }
    let those = || (0..history.len()).filter(|index| left >> index & 1 == 1);
    let first_end = those().map(|index| history[index].ended).min().unwrap_or(0);
    for index in those().filter(|index| history[*index].began <= first_end) {
        let operation = history[index];
        let (next, gives) = model(state, operation.asked, operation.with);
        if gives == operation.gave && has_order(history, left & !(1 << index), &next, model, hopeless) {
            return true;
        }
    }
    hopeless.insert((left, state.clone()));
    false
}

fn is_linearizable(history: &[Operation], model: Model) -> bool {
    assert!(history.len() < 64);
    has_order(history, (1 << history.len()) - 1, &Vec::new(), model, &mut HashSet::new())
}

/// Has several processes use objects of a kind at once, and looks for the order. Gives how many operations overlapped.
fn record(kind: &Kind, path: &Path, histories: u64) -> usize {
    const PLAYERS: u64 = 4;
    let mut players: Vec<Player> =
        (0..PLAYERS).map(|seed| Player::start("player", &[text(path), &seed.to_string()])).collect();
    players.iter_mut().for_each(|player| player.expect("ready"));
    let mut overlapping = 0;
    for number in 0..histories {
        players.iter_mut().for_each(|player| player.say(&format!("{} {}/{number}", kind.name, kind.name)));
        players.iter_mut().for_each(|player| player.expect("ready"));
        let begin = now() + 2_000_000;
        players.iter_mut().for_each(|player| player.say(&begin.to_string()));
        let mut history: Vec<Operation> = players.iter_mut().flat_map(|player| parse(&player.hear())).collect();
        history.sort_by_key(|operation| operation.began);
        overlapping += history.windows(2).filter(|two| two[1].began < two[0].ended).count();
        assert!(is_linearizable(&history, kind.model), "{} {number} has no order: {history:#?}", kind.name);
    }
    overlapping
}

#[test]
fn what_several_processes_do_to_an_object_at_once_has_an_order() {
    let histories = std::env::var("COMMY_HISTORIES").map_or(60, |number| number.parse().expect("a number"));
    let (_folder, path, _segment) = segment(64 << 20);
    let mut all = 0;
    for kind in &KINDS {
        let overlapping = record(kind, &path, histories);
        all += overlapping;
        println!(
            "{histories} histories of a {}: {overlapping} operations began before the one before had ended",
            kind.name
        );
    }
    assert!(all > 0, "nothing ever happened at once");
}

#[test]
fn what_has_no_order_is_found() {
    let operation = |asked, with, gave, began, ended| Operation { asked, with, gave, began, ended };
    let [register, counter, queue, set] = KINDS.each_ref().map(|kind| kind.model);
    // A value that comes back after it was overwritten; one that is seen before, by one who had ended.
    let stale = [operation(0, 5, 0, 0, 1), operation(0, 6, 0, 2, 3), operation(1, 0, 5, 4, 5)];
    assert!(!is_linearizable(&stale, register));
    let late = [operation(0, 5, 0, 0, 9), operation(1, 0, 5, 1, 2), operation(1, 0, 0, 3, 4)];
    assert!(!is_linearizable(&late, register));
    let fine = [operation(0, 5, 0, 0, 9), operation(1, 0, 0, 1, 2), operation(1, 0, 5, 3, 4)];
    assert!(is_linearizable(&fine, register));
    // Two who add to the same; one that comes out twice, or before one that was in front of it; one that goes twice.
    assert!(!is_linearizable(&[operation(0, 1, 0, 0, 5), operation(0, 1, 0, 1, 6)], counter));
    let twice = [operation(0, 7, 0, 0, 1), operation(1, 0, 7, 2, 5), operation(1, 0, 7, 3, 6)];
    assert!(!is_linearizable(&twice, queue));
    let turned =
        [operation(0, 7, 0, 0, 1), operation(0, 8, 0, 2, 3), operation(1, 0, 8, 4, 5), operation(1, 0, 7, 6, 7)];
    assert!(!is_linearizable(&turned, queue));
    assert!(!is_linearizable(&[operation(0, 1, 1, 0, 1), operation(1, 1, 1, 2, 6), operation(1, 1, 1, 3, 5)], set));
}
