//! What processes leave behind when they are killed hampers nobody: neither copies nor shrinking wait for it, their room is
//! used by others, and their places are.

mod common;

use common::{Player, Stage, Watch, play, segment, text};
use commy::support::{Cx, KeyHasher};
use commy::{Error, Lookup, Segment, Shared};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

#[test]
fn role() {
    play(&[
        ("holder", holder),
        ("looker", looker),
        ("gazer", gazer),
        ("hoarder", hoarder),
        ("leaker", leaker),
        ("successor", successor),
    ]);
}

fn list(segment: &Segment) -> Shared<Vec<Vec<u8>>> {
    segment.open_or_create("list").expect("a list")
}

/// Is in the middle of a change until it is killed.
fn holder(stage: &Stage) {
    let list = list(&Segment::open(stage.path(0)).expect("open"));
    let mut guard = list.write().expect("lock");
    guard.push(vec![1; 100]).expect("push");
    stage.say("inside");
    stage.stay();
}

#[test]
fn a_copy_does_not_wait_for_who_died_in_a_change() {
    let (folder, path, segment) = segment(1 << 30);
    let list = list(&segment);
    let mut player = Player::start("holder", &[text(&path)]);
    player.expect("inside");
    player.kill();
    // Who comes to the object first puts it right, and only that.
    assert_eq!(list.write().expect("the lock of the dead").len(), 0);
    let begin = Watch::start();
    segment.snapshot(folder.path().join("copy")).expect("a copy");
    begin.expect_soon("waiting for the dead");
}

/// Reads without a lock, again and again, until it is killed.
fn looker(stage: &Stage) {
    let list = list(&Segment::open(stage.path(0)).expect("open"));
    stage.say("looking");
    loop {
        list.load().expect("load");
    }
}

/// A number at which one looks for as long as one lives.
struct Gaze<'a>(&'a Stage);

impl Lookup<Gaze<'_>> for u64 {
    fn hash_of(query: &Gaze<'_>, _: &mut KeyHasher) {
        query.0.say("looking");
        query.0.stay();
    }

    unsafe fn compare_with(_: *const u64, _: Cx, _: &Gaze<'_>) -> Ordering {
        Ordering::Equal
    }
}

/// Is reading without a lock until it is killed, what it has read before or not.
fn gazer(stage: &Stage) {
    let map: Shared<HashMap<u64, u64>> = Segment::open(stage.path(0)).expect("open").open("map").expect("a map");
    if stage.arguments[1] == "again" {
        assert_eq!(map.get(&1).expect("a look"), Some(1));
        assert_eq!(map.get(&2).expect("a look"), None);
    }
    let _ = map.get(&Gaze(stage));
}

#[test]
fn room_is_given_back_though_somebody_died_while_it_read() {
    let (_folder, path, segment) = segment(1 << 30);
    let map: Shared<HashMap<u64, u64>> = segment.open_or_create("map").expect("a map");
    map.insert(1, 1).expect("an entry");
    for time in ["again", "for the first time"] {
        let mut player = Player::start("gazer", &[text(&path), time]);
        player.expect("looking");
        player.kill();
        segment.recover().expect("recover");
        let other: Shared<Vec<u8>> = segment.open_or_create("other").expect("another");
        other.store(vec![1; 4 << 20]).expect("store");
        other.store(Vec::new()).expect("store");
        let begin = Watch::start();
        assert!(segment.shrink_to_usage().expect("shrink") >= 4 << 20, "nothing was given back");
        begin.expect_soon("waiting for the dead");
    }
}

/// Takes much room in small blocks, gives it up, keeps it for its next need, and is killed.
fn hoarder(stage: &Stage) {
    let list = list(&Segment::open(stage.path(0)).expect("open"));
    while list.write().expect("lock").push(vec![2; 900]).is_ok() {}
    let full = list.read().expect("lock").len();
    // A block here and there stays, so that no slab is empty.
    let mut number = 0;
    list.write()
        .expect("lock")
        .retain(|_| {
            number += 1;
            number % 8 == 0
        })
        .expect("retain");
    stage.say(full);
    stage.stay();
}

#[test]
fn the_blocks_that_the_dead_kept_are_used_by_others() {
    let (_folder, path, segment) = segment(4 << 20);
    let list = list(&segment);
    let mut player = Player::start("hoarder", &[text(&path)]);
    let full: usize = player.hear().parse().expect("a number");
    player.kill();
    segment.recover().expect("recover");
    while list.write().expect("lock").push(vec![3; 900]).is_ok() {}
    let again = list.read().expect("lock").len();
    assert!(again * 100 >= full * 97, "{full} blocks had room, {again} have when they belong to the dead");
}

/// Of one who left, then of who took it over and left.
#[test]
fn a_slab_is_handed_on_from_one_to_the_next() {
    let (_folder, path, segment) = segment(1 << 30);
    list(&segment).write().expect("lock").reserve(100).expect("room");
    let attach = || {
        let attached = Segment::open(&path).expect("open");
        // So that it has a place for its thread.
        drop(list(&attached).write().expect("lock"));
        attached
    };
    let taken = || segment.stats().expect("stats").taken;
    let push = |who: &Segment| list(who).push(vec![1; 1500]).expect("push");
    let [first, second] = [attach(), attach()];
    // Slabs of two blocks each, of which one block is free.
    (0..5).for_each(|_| push(&first));
    drop(first);
    let left = taken();
    push(&second);
    assert_eq!(taken(), left, "a slab of its own instead of the free block");
    for _ in 0..4 {
        list(&second).pop().expect("pop");
        push(&second);
    }
    assert_eq!(taken(), left, "what the new owner frees does not come back to it");
    list(&second).pop().expect("pop");
    drop(second);
    let left = taken();
    push(&segment);
    assert_eq!(taken(), left, "a slab of its own instead of the free block");
    assert_eq!(segment.check().expect("check"), []);
}

/// Has a lock whose thread has ended, until it is killed.
fn leaker(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list = list(&segment);
    std::thread::scope(|scope| {
        let leaking = scope.spawn(|| std::mem::forget(list.write().expect("lock")));
        leaking.join().expect("a thread");
    });
    stage.say("leaked");
    stage.stay();
}

/// Takes the first place that is free.
fn successor(stage: &Stage) {
    let _segment = Segment::open(stage.path(0)).expect("open");
    stage.say("attached");
    stage.stay();
}

#[test]
fn a_lock_of_a_thread_that_ended_falls_with_its_process_though_its_place_is_taken() {
    let (_folder, path, segment) = segment(1 << 30);
    let list = list(&segment);
    let mut player = Player::start("leaker", &[text(&path)]);
    player.expect("leaked");
    assert!(matches!(list.write_for(Duration::from_millis(50)), Err(Error::LockTimeout { .. })));
    player.kill();
    let mut successor = Player::start("successor", &[text(&path)]);
    successor.expect("attached");
    let begin = Watch::start();
    assert!(list.write_for(Duration::from_secs(30)).is_ok(), "the lock of the dead is held by its successor");
    begin.expect_soon("it");
}

#[test]
fn a_block_given_back_within_a_transaction_is_not_restored_into_what_another_made_of_it() {
    let (_folder, _path, segment) = segment(1 << 30);
    let first: Shared<Vec<u64>> = segment.open_or_create("first").expect("a list");
    let second: Shared<String> = segment.open_or_create("second").expect("a text");
    for length in [4, 8, 16, 32] {
        let mut undone = first.write().expect("lock");
        undone.reserve_exact(length).expect("a block");
        undone.extend(0..length as u64).expect("room");
        // Overwritten, with the old words in the log; then too small, and given back by who took it.
        undone.as_mut_slice().fill(7);
        undone.reserve(length * 20).expect("another block");
        // The next to want a block of that size gets it.
        let mut done = second.write().expect("lock");
        done.set(&"b".repeat(length * 8)).expect("the block");
        done.commit().expect("commit");
        undone.rollback();
        assert_eq!(second.load().expect("load"), "b".repeat(length * 8));
        assert_eq!(first.load().expect("load"), Vec::<u64>::new());
        second.store(String::new()).expect("store");
    }
    assert_eq!(segment.check().expect("check"), []);
}

#[test]
fn who_reads_without_a_lock_keeps_the_storage_that_it_reads() {
    let (_folder, path, segment) = segment(1 << 30);
    let list = list(&segment);
    let mut players: Vec<Player> = (0..3).map(|_| Player::start("looker", &[text(&path)])).collect();
    players.iter_mut().for_each(|player| player.expect("looking"));
    let mut given = 0;
    for round in 0..150u32 {
        list.store((0..60).map(|n| vec![n as u8; 30_000 + round as usize]).collect()).expect("store");
        list.store(Vec::new()).expect("store");
        given += segment.shrink_to_usage().expect("shrink");
    }
    assert!(given > 100 << 20, "only {given} bytes were given back");
    for player in &mut players {
        assert!(player.is_running(), "a reader touched what was given back");
    }
}
