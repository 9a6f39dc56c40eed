//! Who locks an object again and again is favoured, and gets in with less: it is kept apart from all others nevertheless,
//! and its death holds nobody up.

mod common;

use common::{Draw, LONG, Player, Stage, place, play, segment, text};
use commy::{Segment, Shared};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Far more times in a row than it takes to be favoured.
const HABIT: u64 = 1000;

#[test]
fn role() {
    play(&[("regular", regular), ("burster", burster), ("onlooker", onlooker)]);
}

type Pairs = Shared<Vec<u64>>;

/// Adds equal numbers in pairs, all alone, until it is killed.
fn regular(stage: &Stage) {
    let pairs: Pairs = Segment::open(stage.path(0)).expect("open").open("pairs").expect("pairs");
    for number in 0.. {
        let mut guard = pairs.write().expect("lock");
        guard.push(number).expect("push");
        guard.push(number).expect("push");
        if guard.len() > 4000 {
            guard.clear().expect("clear");
        }
    }
}

#[test]
fn a_favoured_process_that_is_killed_leaves_nothing_half_done_and_holds_nobody_up() {
    let kills: u64 = std::env::var("COMMY_KILLS").map_or(40, |text| text.parse().expect("COMMY_KILLS: a number"));
    let (_folder, path, segment) = segment(1 << 24);
    let pairs: Pairs = segment.open_or_create("pairs").expect("pairs");
    let mut draw = Draw::new(7);
    for kill in 0..kills {
        let mut regular = Player::start("regular", &[text(&path)]);
        let goal = pairs.version() + HABIT + draw.below(3000);
        let begin = Instant::now();
        while pairs.version() < goal {
            assert!(begin.elapsed() < LONG, "it does not get on");
            // Without the lock, so that the favour stays.
            assert_eq!(pairs.len().expect("len") % 2, 0, "half a pair was seen");
        }
        regular.kill();
        let mut guard = pairs.write().expect("the lock of who was killed");
        assert!(guard.chunks(2).all(|pair| pair[0] == pair[1]), "half a pair is left after {kill} kills");
        guard.clear().expect("clear");
    }
    assert_eq!(segment.check().expect("check"), []);
}

const BURSTS: u64 = 60;
const BURST: u64 = 700;

/// Counts in bursts, which may be favoured, by guards and by operations of their own.
fn burster(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let (sums, list): (Shared<[u64; 2]>, Pairs) =
        (segment.open("sums").expect("sums"), segment.open("list").expect("list"));
    let mut draw = Draw::new(stage.number(1));
    stage.say("ready");
    assert_eq!(stage.hear(), "go");
    for _ in 0..BURSTS {
        for _ in 0..BURST {
            let mut guard = sums.write().expect("lock");
            let sum = guard[0] + 1;
            *guard.view_mut() = [sum, sum];
        }
        for number in 0..draw.below(BURST) {
            list.push(number).expect("push");
            list.pop().expect("pop").expect("what was pushed, or another's");
        }
    }
}

/// Looks again and again, with the lock for reading, until it is dismissed.
fn onlooker(stage: &Stage) {
    let dismissed = stage.until_dismissed();
    let sums: Shared<[u64; 2]> = Segment::open(stage.path(0)).expect("open").open("sums").expect("sums");
    let mut last = 0;
    while !dismissed.load(Ordering::Relaxed) {
        // Often enough in a row for readers to be favoured, too.
        for _ in 0..HABIT {
            let [one, two] = sums.read().expect("lock").load().expect("load");
            assert!(one == two && one >= last, "{one} and {two} after {last}");
            last = one;
        }
    }
}

#[test]
fn what_is_favoured_in_turn_is_never_inside_together() {
    let (_folder, path) = place();
    let segment = Segment::create(&path).expect("create");
    let sums: Shared<[u64; 2]> = segment.open_or_create("sums").expect("sums");
    let list: Pairs = segment.open_or_create("list").expect("list");
    let mut onlookers: Vec<Player> = (0..2).map(|_| Player::start("onlooker", &[text(&path)])).collect();
    let mut bursters: Vec<Player> =
        (1..=3_u64).map(|seed| Player::start("burster", &[text(&path), &seed.to_string()])).collect();
    bursters.iter_mut().for_each(|player| player.expect("ready"));
    bursters.iter_mut().for_each(|player| player.say("go"));
    bursters.into_iter().for_each(Player::end_well);
    onlookers.iter_mut().for_each(Player::dismiss);
    onlookers.into_iter().for_each(Player::end_well);
    assert_eq!(sums.load().expect("sums"), [3 * BURSTS * BURST; 2]);
    assert_eq!(list.len().expect("len"), 0);
}

/// A thread that was favoured ends; another one gets its slot, and the favour with it.
#[test]
fn who_takes_the_place_of_a_favoured_thread_is_kept_apart_too() {
    let (_folder, path) = place();
    let segment = Segment::create(&path).expect("create");
    let sum: Shared<u64> = segment.open_or_create("sum").expect("sum");
    let add = |times: u64| {
        (0..times).for_each(|_| {
            let mut guard = sum.write().expect("lock");
            *guard.view_mut() += 1;
        });
    };
    for _ in 0..20 {
        std::thread::scope(|scope| {
            scope.spawn(|| add(HABIT));
        });
        std::thread::scope(|scope| {
            (0..3).for_each(|_| {
                scope.spawn(|| add(HABIT));
            });
        });
    }
    assert_eq!(sum.load().expect("sum"), 20 * 4 * HABIT);
}

#[test]
fn who_is_favoured_is_told_of_its_own_guards_and_named_to_others() {
    let (_folder, path) = place();
    let segment = Segment::create(&path).expect("create");
    let sum: Shared<u64> = segment.open_or_create("sum").expect("sum");
    (0..HABIT).for_each(|_| drop(sum.write().expect("lock")));
    let guard = sum.write().expect("lock");
    assert!(matches!(sum.try_write(), Err(commy::Error::Deadlock { .. })), "the second guard of one thread");
    assert!(matches!(sum.try_read(), Err(commy::Error::Deadlock { .. })), "a read guard beside it");
    let held = segment.held().expect("held");
    assert!(held.len() == 1 && held[0].alone && held[0].pid == std::process::id(), "{held:?}");
    std::thread::scope(|scope| {
        let other = scope.spawn(|| sum.try_write().map(drop));
        common::is_locked_by(other.join().expect("a thread"), std::process::id());
    });
    drop(guard);
    drop(sum.read().expect("what it let go"));
    assert_eq!(segment.held().expect("held"), []);
}
