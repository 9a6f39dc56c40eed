//! Transactions over several objects: all or nothing, whatever ends them.

mod common;

use common::{Player, Stage, Watch, is_locked_by, list, play, text, with_lists};
use commy::{Error, Segment, Shared};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn role() {
    play(&[("mover", mover)]);
}

#[test]
fn a_transaction_that_fails_changes_nothing() {
    let (_folder, path, segment, lists) = with_lists(2);
    let map: Shared<HashMap<String, Vec<u64>>> = segment.open_or_create("map").expect("map");
    lists.iter().for_each(|list| list.store(vec![1, 2, 3]).expect("store"));
    map.write().expect("lock").insert("old".into(), vec![1, 2, 3]).expect("insert");
    let allocated = segment.stats().expect("stats").allocated;
    let change = |tx: &commy::Transaction<'_>| -> commy::Result<()> {
        let mut first = tx.write(&lists[0])?;
        let mut second = tx.write(&lists[1])?;
        let mut map = tx.write(&map)?;
        while let Some(number) = first.pop()? {
            second.push(number)?;
        }
        second.insert(0, 99)?;
        map.insert("new".into(), (0..1000).collect())?;
        map.remove("old")?;
        Ok(())
    };
    let check = |what: &str| {
        for list in &lists {
            assert_eq!(list.try_read().expect("unlocked")[..], [1, 2, 3], "{what}");
        }
        let map = map.try_read().expect("unlocked");
        assert_eq!(map.len(), 1, "{what}");
        assert!(map.get("old").is_some_and(|list| list[..] == [1, 2, 3]), "{what}");
        drop(map);
        assert_eq!(segment.stats().expect("stats").allocated, allocated, "{what}: something leaked");
    };
    let versions = || (lists[0].version(), lists[1].version(), map.version());
    let before = versions();

    let error = segment.transaction(|tx| {
        change(tx)?;
        Err::<(), _>(Error::NotFound { name: "an end to this".into() })
    });
    assert!(matches!(error, Err(Error::NotFound { name }) if name == "an end to this"));
    check("an error");

    let panic = catch_unwind(AssertUnwindSafe(|| {
        segment.transaction(|tx| {
            change(tx)?;
            std::panic::resume_unwind(Box::new("enough"));
            #[expect(unreachable_code, reason = "names the type")]
            Ok(())
        })
    }));
    assert_eq!(panic.expect_err("a panic").downcast_ref::<&str>(), Some(&"enough"));
    check("a panic");
    assert_eq!(versions(), before, "nothing was changed, yet the versions moved on");

    let mut player = Player::start("mover", &[text(&path)]);
    player.expect("inside");
    is_locked_by(lists[0].try_write(), player.pid());
    is_locked_by(lists[1].try_read(), player.pid());
    player.kill();
    let begin = Watch::start();
    lists[1].read().expect("lock");
    begin.expect_soon("the end of the circle");
    check("a kill");

    segment.transaction(change).expect("in the end");
    assert_eq!(lists[0].load().expect("load"), [0u64; 0]);
    assert_eq!(lists[1].load().expect("load"), [99, 1, 2, 3, 3, 2, 1]);
    let after = versions();
    assert!(after.0 > before.0 && after.1 > before.1 && after.2 > before.2, "{before:?} {after:?}");
}

/// Moves everything from one list to another, and stays inside of the transaction.
fn mover(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let (first, second) = (list(&segment, 0), list(&segment, 1));
    let result = segment.transaction(|tx| {
        let (mut first, mut second) = (tx.write(&first)?, tx.write(&second)?);
        while let Some(number) = first.pop()? {
            second.push(number)?;
        }
        stage.say("inside");
        stage.stay();
        #[expect(unreachable_code, reason = "names the type")]
        Ok(())
    });
    result.expect("transaction");
}

#[test]
fn an_object_twice_or_of_another_segment_is_refused_in_a_transaction() {
    let (_folder, path, segment, lists) = with_lists(2);
    let (_other_folder, _other_path, _other, foreign) = with_lists(1);
    let again = list(&Segment::open(&path).expect("open again"), 1);
    segment
        .transaction(|tx| {
            let mut part = tx.write(&lists[0])?;
            part.push(1)?;
            let same = list(&segment, 0);
            let error = tx.write(&same).err();
            assert!(matches!(error, Some(Error::Deadlock { .. })), "{error:?}");
            let error = tx.write(&foreign[0]).err();
            assert!(matches!(error, Some(Error::BadArgument { .. })), "{error:?}");
            let error = tx.write(&again).err();
            assert!(matches!(error, Some(Error::BadArgument { .. })), "{error:?}");
            assert!(matches!(lists[0].write(), Err(Error::Deadlock { .. })));
            assert!(matches!(lists[0].read(), Err(Error::Deadlock { .. })));
            // All that has done no harm.
            part.push(2)?;
            tx.write(&lists[1])?.push(3)
        })
        .expect("transaction");
    assert_eq!((lists[0].load().expect("load"), again.load().expect("load")), (vec![1, 2], vec![3]));
    assert_eq!(foreign[0].load().expect("load"), [0u64; 0]);
    foreign[0].try_write().expect("it was not locked");
}

#[test]
fn transactions_in_opposite_order_all_succeed_when_retried() {
    let (_folder, path, segment, lists) = with_lists(2);
    lists[0].store((0..50).collect()).expect("store");
    std::thread::scope(|scope| {
        for number in 0..4 {
            let segment = if number < 2 { segment.clone() } else { Segment::open(&path).expect("open") };
            scope.spawn(move || {
                let (from, to) = (list(&segment, number % 2), list(&segment, 1 - number % 2));
                for _ in 0..100 {
                    let moved = segment.transaction_retry(1000, |tx| {
                        let mut from = tx.write(&from)?;
                        let Some(value) = from.pop()? else { return Ok(()) };
                        tx.write(&to)?.push(value)
                    });
                    moved.expect("transaction");
                }
            });
        }
    });
    let mut all = [lists[0].load().expect("load"), lists[1].load().expect("load")].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..50), "something was lost, or is there twice");
}

#[test]
fn a_transaction_goes_along_with_guards_of_other_objects() {
    let (_folder, _path, segment, lists) = with_lists(3);
    let mut guard = lists[0].write().expect("lock");
    guard.push(1).expect("push");
    let ended = segment.transaction(|tx| {
        tx.write(&lists[1])?.push(2)?;
        guard.push(2)?;
        // One within another, on other objects.
        segment.transaction(|inner| inner.write(&lists[2])?.push(3))?;
        Err::<(), _>(Error::NotFound { name: "an end to this".into() })
    });
    assert!(ended.is_err());
    guard.push(3).expect("push");
    drop(guard);
    let all: Vec<Vec<u64>> = lists.iter().map(|list| list.load().expect("load")).collect();
    assert_eq!(all, [vec![1, 2, 3], vec![], vec![3]]);
}
