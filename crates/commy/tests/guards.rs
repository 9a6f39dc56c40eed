//! Guards and transactions: who has what, for how long, and what becomes of it.

mod common;

use common::{LONG, List, Player, Stage, Watch, is_locked_by, list, play, text, with_lists};
use commy::{Error, Segment, Shared};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::Duration;

#[test]
fn role() {
    play(&[
        ("leaker", leaker),
        ("leaker in a thread", leaker_in_a_thread),
        ("leaker that leaves", leaker_that_leaves),
        ("locker", locker),
        ("reader", reader),
    ]);
}

#[test]
fn two_attachments_in_one_process_exclude_each_other_and_see_each_others_changes() {
    let (_folder, path, first, lists) = with_lists(1);
    let second = Segment::open(&path).expect("open again");
    let (a, b) = (&lists[0], list(&second, 0));
    let own = std::process::id();
    let mut guard = a.write().expect("lock");
    guard.push(1).expect("push");
    is_locked_by(b.try_write(), own);
    is_locked_by(b.try_read(), own);
    is_locked_by(b.write_for(Duration::from_millis(30)), own);
    drop(guard);
    let mut guard = b.write().expect("lock");
    assert_eq!(guard[..], [1]);
    guard.push(2).expect("push");
    is_locked_by(a.try_read(), own);
    guard.rollback();
    let (first_reading, second_reading) = (a.read().expect("lock"), b.read().expect("lock"));
    assert_eq!((&first_reading[..], &second_reading[..]), (&[1][..], &[1][..]));
    drop(first_reading);
    is_locked_by(a.write_for(Duration::from_millis(30)), own);
    drop(second_reading);
    assert_eq!(first.participants().len(), 2);
    // The one that goes takes nothing from the one that stays.
    drop((b, second));
    a.write().expect("lock").push(3).expect("push");
    assert_eq!(a.load().expect("load"), [1, 3]);
    assert_eq!(first.participants().len(), 1);
}

#[test]
fn threads_of_two_attachments_lose_no_increment() {
    let (_folder, path, first, _lists) = with_lists(0);
    first.open_or_create::<u64>("count").expect("count");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let segment = Segment::open(&path).expect("open");
            for _ in 0..2 {
                let count: Shared<u64> = segment.open("count").expect("count");
                scope.spawn(move || {
                    for _ in 0..500 {
                        *count.write().expect("lock").view_mut() += 1;
                    }
                });
            }
        }
    });
    assert_eq!(first.open::<u64>("count").expect("count").load().expect("load"), 2000);
}

#[test]
fn guards_that_overlap_can_end_in_any_order_and_way() {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let (_folder, path, segment, lists) = with_lists(3);
    let other = Segment::open(&path).expect("open again");
    let maps: Vec<Shared<HashMap<u64, Vec<u8>>>> =
        (0..3).map(|n| segment.open_or_create(&format!("map/{n}")).expect("a map")).collect();
    let mut model: [Vec<u64>; 3] = Default::default();
    for (round, order) in ORDERS.iter().flat_map(|order| [order; 8]).enumerate() {
        let commits = |number: usize| round % 8 >> number & 1 == 0;
        let mut guards: Vec<_> = lists.iter().map(|list| Some(list.write().expect("lock"))).collect();
        // Interleaved, each in its own log.
        for step in 0..40 {
            for (number, guard) in guards.iter_mut().enumerate() {
                let guard = guard.as_mut().expect("a guard");
                guard.push((round * 1000 + number * 100 + step) as u64).expect("push");
                if step == 20 && guard.len() > 21 {
                    guard.remove(0).expect("remove");
                }
            }
        }
        for (number, list) in model.iter_mut().enumerate().filter(|(number, _)| commits(*number)) {
            let long = !list.is_empty();
            list.extend((0..40).map(|step| (round * 1000 + number * 100 + step) as u64));
            if long {
                list.remove(0);
            }
        }
        for number in order {
            let guard = guards[*number].take().expect("a guard");
            match (commits(*number), round % 2) {
                (true, 0) => drop(guard),
                (true, _) => guard.commit().expect("commit"),
                (false, _) => guard.rollback(),
            }
            let same = list(&other, *number);
            assert_eq!(
                same.try_read().expect("unlocked")[..],
                model[*number],
                "{number} of {order:?} in round {round}"
            );
        }
        // The same with values that own memory, in a transaction each.
        let key = round as u64 % 5;
        let mut guards: Vec<_> = maps.iter().map(|map| Some(map.write().expect("lock"))).collect();
        for guard in guards.iter_mut().flatten() {
            guard.insert(key, vec![round as u8; 10 + round]).expect("insert");
            guard.remove(&((key + 1) % 5)).expect("remove");
        }
        for number in order {
            let guard = guards[*number].take().expect("a guard");
            if commits(*number) { drop(guard) } else { guard.rollback() }
        }
    }
    for (list, model) in lists.iter().zip(&model) {
        assert_eq!(list.load().expect("load"), *model);
        list.store(Vec::new()).expect("store");
    }
    maps.iter().for_each(|map| map.store(HashMap::new()).expect("store"));
    let emptied = segment.stats().expect("stats").allocated;
    let (_folder, _path, fresh, lists) = with_lists(3);
    let maps: Vec<Shared<HashMap<u64, Vec<u8>>>> =
        (0..3).map(|n| fresh.open_or_create(&format!("map/{n}")).expect("a map")).collect();
    assert_eq!(emptied, fresh.stats().expect("stats").allocated, "something leaked");
    drop((lists, maps));
}

/// Leaks a guard, and ends when told so.
fn leaker(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list = list(&segment, 0);
    let mut guard = list.write().expect("lock");
    guard.push(99).expect("push");
    std::mem::forget(guard);
    stage.say("leaked");
    assert_eq!(stage.hear(), "end");
}

/// As `leaker`, in a thread that ends before.
fn leaker_in_a_thread(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list = list(&segment, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut guard = list.write().expect("lock");
            guard.push(99).expect("push");
            std::mem::forget(guard);
        });
    });
    stage.say("leaked");
    assert_eq!(stage.hear(), "again");
    is_locked_by(list.write_for(Duration::from_millis(20)), std::process::id());
    stage.say("locked");
    assert_eq!(stage.hear(), "end");
}

#[test]
fn a_leaked_guard_holds_until_its_process_ends_and_is_then_rolled_back() {
    let (_folder, path, segment, lists) = with_lists(1);
    lists[0].store(vec![1]).expect("store");
    for how in ["in order", "in a thread", "killed"] {
        let role = if how == "in a thread" { "leaker in a thread" } else { "leaker" };
        let mut player = Player::start(role, &[text(&path)]);
        player.expect("leaked");
        if how == "in a thread" {
            player.say("again");
            player.expect("locked");
        }
        is_locked_by(lists[0].try_write(), player.pid());
        assert_eq!(segment.recover().expect("recover"), 0, "{how}: the leaker was taken for dead");
        is_locked_by(lists[0].write_for(Duration::from_millis(50)), player.pid());
        if how == "killed" {
            player.kill();
        } else {
            player.say("end");
            player.end_well();
        }
        let begin = Watch::start();
        let mut guard = lists[0].write().expect("lock");
        begin.expect_soon(how);
        assert_eq!(guard[..], [1], "{how}: what was not committed is there");
        guard.push(2).expect("push");
        guard.pop().expect("pop");
    }
}

/// Leaks guards, then lets go of the whole segment.
fn leaker_that_leaves(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    {
        let (first, second) = (list(&segment, 0), list(&segment, 1));
        let mut guard = first.write().expect("lock");
        guard.push(99).expect("push");
        std::mem::forget(guard);
        std::mem::forget(second.read().expect("lock"));
    }
    stage.say("leaked");
    assert_eq!(stage.hear(), "leave");
    drop(segment);
    stage.say("left");
    assert_eq!(stage.hear(), "again");
    let list = list(&Segment::open(stage.path(0)).expect("open"), 0);
    list.write().expect("lock").push(3).expect("push");
    stage.say("done");
    stage.stay();
}

#[test]
fn leaked_guards_are_rolled_back_when_their_process_leaves_the_segment() {
    let (_folder, path, _segment, lists) = with_lists(2);
    lists.iter().for_each(|list| list.store(vec![1]).expect("store"));
    let mut player = Player::start("leaker that leaves", &[text(&path)]);
    player.expect("leaked");
    is_locked_by(lists[0].try_write(), player.pid());
    is_locked_by(lists[1].try_write(), player.pid());
    player.say("leave");
    player.expect("left");
    let begin = Watch::start();
    for list in &lists {
        let mut guard = list.write().expect("lock");
        assert_eq!(guard[..], [1], "what was not committed is there");
        guard.push(2).expect("push");
    }
    begin.expect_soon("it");
    player.say("again");
    player.expect("done");
    assert_eq!(lists[0].load().expect("load"), [1, 2, 3]);
}

#[test]
fn a_second_lock_on_an_own_object_is_a_deadlock_at_once() {
    let (_folder, _path, segment, lists) = with_lists(2);
    let list = &lists[0];
    let same = self::list(&segment, 0);
    let begin = Watch::start();
    let deadlock = |error: Option<Error>| match error {
        Some(Error::Deadlock { what, .. }) => assert!(what.contains("list/0"), "{what}"),
        other => panic!("{other:?}"),
    };
    {
        let mut guard = list.write().expect("lock");
        guard.push(1).expect("push");
        deadlock(list.write().err());
        deadlock(same.write().err());
        deadlock(same.read().err());
        deadlock(same.try_write().err());
        deadlock(same.load().err());
        deadlock(same.store(vec![7]).err());
        deadlock(segment.transaction(|tx| tx.write(&same).map(drop)).err());
        // Another one is free.
        lists[1].write().expect("lock").push(1).expect("push");
        guard.push(2).expect("the guard is as good as before");
    }
    {
        let guard = list.read().expect("lock");
        let again = same.read().expect("reading twice is allowed");
        deadlock(list.write().err());
        deadlock(same.try_write().err());
        deadlock(segment.transaction(|tx| tx.write(&same).map(drop)).err());
        assert_eq!((&guard[..], &again[..]), (&[1, 2][..], &[1, 2][..]));
        drop(guard);
        // It is held until the last one is gone.
        deadlock(same.write().err());
        assert_eq!(again[..], [1, 2]);
    }
    begin.expect_soon("it");
    list.try_write().expect("it is free again");
    segment.transaction(|tx| tx.write(list)?.push(3)).expect("it is free again");
    assert_eq!(list.load().expect("load"), [1, 2, 3]);
}

/// Two take two lists in opposite order, by these ways of locking; one of them must be told.
fn opposite_order(first: fn(&List) -> Held<'_>, second: fn(&List) -> commy::Result<Held<'_>>) {
    let (_folder, path, segment, _lists) = with_lists(2);
    for attachments in [1, 2] {
        let meet = Barrier::new(2);
        let begin = Watch::start();
        let deadlocks: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|number| {
                    let segment = if attachments == 1 { segment.clone() } else { Segment::open(&path).expect("open") };
                    let meet = &meet;
                    scope.spawn(move || {
                        let (mine, other) = (list(&segment, number), list(&segment, 1 - number));
                        let _held = first(&mine);
                        meet.wait();
                        match second(&other) {
                            Ok(_) => 0,
                            Err(Error::Deadlock { what, .. }) => {
                                assert!(what.contains(other.name()), "{what}");
                                1
                            }
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
        });
        assert_eq!(deadlocks, 1, "one is told, the other gets on");
        begin.expect_soon("it");
    }
}

/// A guard of either kind.
enum Held<'a> {
    Read(#[expect(dead_code, reason = "held")] commy::ReadGuard<'a, Vec<u64>>),
    Write(#[expect(dead_code, reason = "held")] commy::WriteGuard<'a, Vec<u64>>),
}

fn write(list: &List) -> commy::Result<Held<'_>> {
    list.write().map(Held::Write)
}

fn read(list: &List) -> commy::Result<Held<'_>> {
    list.read().map(Held::Read)
}

#[test]
fn two_that_lock_in_opposite_order_do_not_wait_for_ever() {
    opposite_order(|list| write(list).expect("lock"), write);
}

#[test]
fn two_that_write_and_then_read_in_opposite_order_do_not_wait_for_ever() {
    opposite_order(|list| write(list).expect("lock"), read);
}

#[test]
fn two_that_read_and_then_write_in_opposite_order_do_not_wait_for_ever() {
    opposite_order(|list| read(list).expect("lock"), write);
}

/// Locks one list, then another; tells how that went.
fn locker(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let (first, second) = (list(&segment, stage.number(1) as usize), list(&segment, stage.number(2) as usize));
    let guard = first.write().expect("lock");
    stage.say("has one");
    assert_eq!(stage.hear(), "go");
    match second.write() {
        Ok(mut both) => both.push(stage.number(1)).expect("push"),
        Err(Error::Deadlock { .. }) => {
            stage.say("deadlock");
            return;
        }
        Err(error) => panic!("{error}"),
    }
    drop(guard);
    stage.say("has both");
}

#[test]
fn a_circle_of_processes_does_not_wait_for_ever() {
    const MANY: usize = 4;
    let (_folder, path, _segment, lists) = with_lists(MANY);
    let mut players: Vec<Player> = (0..MANY)
        .map(|n| Player::start("locker", &[text(&path), &n.to_string(), &((n + 1) % MANY).to_string()]))
        .collect();
    players.iter_mut().for_each(|player| player.expect("has one"));
    let begin = Watch::start();
    players.iter_mut().for_each(|player| player.say("go"));
    let said: Vec<String> = players.iter_mut().map(Player::hear).collect();
    begin.expect_soon("it");
    let deadlocks = said.iter().filter(|said| *said == "deadlock").count();
    assert_eq!(deadlocks, 1, "{said:?}");
    players.into_iter().for_each(Player::end_well);
    let pushed: usize = lists.iter().map(|list| list.load().expect("load").len()).sum();
    assert_eq!(pushed, MANY - deadlocks);
}

/// Reads a list until told to end.
fn reader(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list = list(&segment, 0);
    let _guard = list.read().expect("lock");
    stage.say("reads");
    assert_eq!(stage.hear(), "end");
}

#[test]
fn a_queue_behind_a_slow_reader_is_not_taken_for_a_circle() {
    let (_folder, path, segment, lists) = with_lists(2);
    let mut player = Player::start("reader", &[text(&path)]);
    player.expect("reads");
    std::thread::scope(|scope| {
        let (sender, ready) = channel();
        // A writer that has something else and waits for the reader; writers and readers behind it, and
        // behind what it has.
        let sender_of_first = sender.clone();
        let lists = &lists;
        scope.spawn(move || {
            let mut other = lists[1].write().expect("lock");
            sender_of_first.send(()).expect("send");
            lists[0].write().expect("a writer that waits for a reader").push(1).expect("push");
            other.push(1).expect("push");
        });
        ready.recv_timeout(LONG).expect("the first writer");
        for number in 0..4 {
            let sender = sender.clone();
            scope.spawn(move || {
                sender.send(()).expect("send");
                let list = &lists[number % 2];
                if number < 2 {
                    list.write().expect("a writer in the queue").push(2).expect("push");
                } else {
                    drop(list.read().expect("a reader in the queue"));
                }
            });
        }
        (0..4).for_each(|_| ready.recv_timeout(LONG).expect("the queue"));
        // Time enough to look for circles several times.
        let same = list(&Segment::open(&path).expect("open"), 1);
        assert!(matches!(same.write_for(Duration::from_millis(300)), Err(Error::LockTimeout { .. })));
        player.say("end");
    });
    player.end_well();
    for list in &lists {
        let mut values = list.load().expect("load");
        values.sort_unstable();
        assert_eq!(values, [1, 2]);
    }
    drop(segment);
}

#[test]
fn a_panic_under_a_guard_rolls_back_and_unlocks() {
    let (_folder, path, segment, lists) = with_lists(1);
    lists[0].store(vec![1]).expect("store");
    let other = list(&Segment::open(&path).expect("open again"), 0);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = lists[0].write().expect("lock");
        (0..1000).for_each(|number| guard.push(number).expect("push"));
        std::panic::resume_unwind(Box::new("enough"));
    }));
    assert!(panic.is_err());
    assert_eq!(other.try_read().expect("unlocked")[..], [1]);
    // In another thread, whose end the panic is.
    let joined = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut guard = lists[0].write().expect("lock");
                guard.clear().expect("clear");
                std::panic::resume_unwind(Box::new("enough"));
            })
            .join()
            .is_err()
    });
    assert!(joined);
    assert_eq!(other.try_read().expect("unlocked")[..], [1]);
    // A guard that is taken while a panic unwinds is like any other.
    struct Last<'a>(&'a List);
    impl Drop for Last<'_> {
        fn drop(&mut self) {
            self.0.write().expect("lock").push(2).expect("push");
        }
    }
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _last = Last(&lists[0]);
        std::panic::resume_unwind(Box::new("enough"));
    }));
    assert!(panic.is_err());
    assert_eq!(other.load().expect("load"), [1, 2]);
    drop(segment);
}

#[test]
fn too_many_guards_are_refused_and_the_others_are_as_good_as_before() {
    let (_folder, path, segment, lists) = with_lists(40);
    let other = Segment::open(&path).expect("open again");
    let mut guards = Vec::new();
    let limit = loop {
        match lists[guards.len()].write() {
            Ok(guard) => guards.push(guard),
            Err(Error::TooManyGuards { kind: "write", limit }) => break limit,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(guards.len() == limit && limit >= 4, "{limit}");
    list(&other, limit).try_write().expect("what was refused is not locked");
    assert!(matches!(segment.transaction(|_| Ok(())), Err(Error::TooManyGuards { kind: "write", .. })));
    for (number, guard) in guards.iter_mut().enumerate() {
        guard.push(number as u64).expect("push");
    }
    guards.pop();
    lists[limit].write().expect("one has become free").push(7).expect("push");
    drop(guards);
    for (number, list) in lists[..limit].iter().enumerate() {
        assert_eq!(list.load().expect("load"), [number as u64]);
    }

    let mut guards = Vec::new();
    let limit = loop {
        match lists[guards.len()].read() {
            Ok(guard) => guards.push(guard),
            Err(Error::TooManyGuards { kind: "read", limit }) => break limit,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(guards.len() == limit && limit >= 4, "{limit}");
    list(&other, limit).try_write().expect("what was refused is not locked");
    // What is read already can be read once more.
    let _again = lists[0].read().expect("lock");
    assert_eq!(guards[0][..], [0]);
    drop(guards);
    // As many objects in one transaction as one likes.
    segment
        .transaction(|tx| {
            let mut parts = lists[1..].iter().map(|list| tx.write(list)).collect::<commy::Result<Vec<_>>>()?;
            parts.iter_mut().try_for_each(|part| part.push(8))
        })
        .expect("transaction");
    assert!(lists[1..].iter().all(|list| list.load().expect("load").last() == Some(&8)));
}
