//! Snapshots: consistent, complete, nobody's but their own, and of no harm to who works or when the copier dies.

mod common;

use common::{Player, Stage, Watch, is_locked_by, patch, play, segment, text};
use commy::{Error, Segment, Shared};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

#[test]
fn role() {
    play(&[("mover", mover), ("copier", copier), ("holder", holder)]);
}

const ACCOUNTS: u64 = 50;
const MONEY: u64 = 1000;

struct Bank {
    left: Shared<HashMap<u64, u64>>,
    right: Shared<BTreeMap<u64, u64>>,
    notes: Shared<Vec<String>>,
}

fn bank(segment: &Segment) -> Bank {
    Bank {
        left: segment.open_or_create_with("left", || (0..ACCOUNTS).map(|n| (n, MONEY)).collect()).expect("left"),
        right: segment.open_or_create("right").expect("right"),
        notes: segment.open_or_create("notes").expect("notes"),
    }
}

/// Moves money about, in transactions that allocate and free, until it is dismissed.
fn mover(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let bank = bank(&segment);
    let dismissed = stage.until_dismissed();
    stage.say("moving");
    let (mut n, mut slowest) = (stage.number(1), Duration::ZERO);
    while !dismissed.load(std::sync::atomic::Ordering::Relaxed) {
        let begin = Instant::now();
        segment
            .transaction(|tx| {
                let mut left = tx.write(&bank.left)?;
                let mut right = tx.write(&bank.right)?;
                let (account, sum) = (n % ACCOUNTS, n % 7);
                let from = left.get(&account).copied().unwrap_or(0);
                let sum = sum.min(from);
                left.insert(account, from - sum)?;
                *right.entry_or_insert(&(n % 300), 0)? += sum;
                if n % 11 == 0 {
                    let gone = right.remove(&(n / 11 % 300))?.unwrap_or(0);
                    *left.entry_or_insert(&0, 0)? += gone;
                }
                let mut notes = tx.write(&bank.notes)?;
                notes.push("note ".repeat((n % 400) as usize))?;
                if notes.len() > 40 {
                    notes.clear()?;
                }
                Ok(())
            })
            .expect("move");
        slowest = slowest.max(begin.elapsed());
        n += 1;
    }
    stage.say(slowest.as_millis());
}

fn is_whole(segment: &Segment) {
    let bank = bank(segment);
    let (left, right) = (bank.left.load().expect("left"), bank.right.load().expect("right"));
    assert_eq!(left.values().sum::<u64>() + right.values().sum::<u64>(), ACCOUNTS * MONEY, "half a transaction");
    for note in bank.notes.load().expect("notes") {
        assert!(note.len() % 5 == 0 && note.split_terminator(' ').all(|word| word == "note"), "{note}");
    }
}

#[test]
fn copies_made_beside_writers_hold_whole_transactions_and_leak_nothing() {
    let (folder, path, segment) = segment(1 << 30);
    let bank = bank(&segment);
    let mut movers: Vec<Player> = (0..2).map(|n| Player::start("mover", &[text(&path), &n.to_string()])).collect();
    movers.iter_mut().for_each(|mover| mover.expect("moving"));
    for round in 0..12 {
        let place = folder.path().join(format!("copy {round}"));
        segment.snapshot(&place).expect("snapshot");
        assert!(!folder.path().join(format!("copy {round}.partial")).exists());
        let copy = Segment::open(&place).expect("open the copy");
        assert_eq!(copy.participants().len(), 1, "others are attached to the copy");
        assert_eq!((copy.recover().expect("recover"), copy.stats().expect("stats").recovered), (0, 0));
        is_whole(&copy);
        assert_eq!(copy.objects().expect("names"), segment.objects().expect("names"));
        // What is in it goes away without a rest.
        for name in copy.objects().expect("names") {
            copy.remove(&name).expect("remove");
        }
        let left = copy.stats().expect("stats").allocated;
        assert!(left < 8 << 10, "{left} bytes belong to nobody");
        // It is another segment: nothing of this is seen in the first.
        assert!(bank.right.read().expect("lock").len() <= 300);
        assert!(bank.left.read().expect("lock").len() as u64 == ACCOUNTS);
    }
    for mut mover in movers {
        mover.dismiss();
        let slowest: u64 = mover.hear().parse().expect("milliseconds");
        assert!(slowest < 2000, "a writer had to pause for {slowest} ms");
        mover.end_well();
    }
    is_whole(&segment);
}

/// Makes copies until it is killed.
fn copier(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    stage.say("copying");
    for n in 0.. {
        segment.snapshot(stage.path(1).join(format!("copy {n}"))).expect("snapshot");
        stage.say(n);
    }
}

#[test]
fn a_killed_copier_keeps_nobody_waiting_and_leaves_no_half_copy() {
    let (folder, path, segment) = segment(1 << 30);
    let bank = bank(&segment);
    let big: Shared<Vec<u8>> = segment.open_or_create("big").expect("big");
    big.store(vec![7; 8 << 20]).expect("store");
    for round in 0..12 {
        let place = folder.path().join(format!("round {round}"));
        std::fs::create_dir(&place).expect("a folder");
        let mut copier = Player::start("copier", &[text(&path), text(&place)]);
        copier.expect("copying");
        // Now and then it gets further before it dies.
        for _ in 0..round % 3 {
            copier.hear();
        }
        for n in 0..round {
            bank.notes.write().expect("lock").push("note ".repeat(n)).expect("push");
        }
        copier.kill();
        let begin = Watch::start();
        bank.notes.write().expect("lock").clear().expect("clear");
        begin.expect_soon("waiting for the dead copier");
        // Every file with a name is a whole copy, and what is left over is in nobody's way.
        for n in 0.. {
            let copy = place.join(format!("copy {n}"));
            if !copy.exists() {
                segment.snapshot(&copy).expect("a copy where one was begun");
                assert!(!place.join(format!("copy {n}.partial")).exists());
                is_whole(&Segment::open(&copy).expect("open"));
                break;
            }
            let copy = Segment::open(&copy).expect("open");
            is_whole(&copy);
            assert_eq!(copy.open::<Vec<u8>>("big").expect("big").load().expect("load"), vec![7; 8 << 20]);
        }
    }
}

/// Holds a guard until it is told to let go.
fn holder(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let bank = bank(&segment);
    let mut notes = bank.notes.write().expect("lock");
    notes.push("half ".into()).expect("push");
    stage.say("inside");
    stage.hear();
    notes.push("whole ".into()).expect("push");
    notes.commit().expect("commit");
    stage.say("done");
    stage.stay();
}

#[test]
fn nothing_half_done_is_copied_and_what_is_there_is_not_overwritten() {
    let (folder, path, segment) = segment(1 << 30);
    let bank = bank(&segment);
    let place = folder.path().join("copy");
    std::fs::write(&place, "mine").expect("write");
    assert!(matches!(segment.snapshot(&place), Err(Error::Exists { .. })));
    assert_eq!(std::fs::read(&place).expect("read"), b"mine");
    std::fs::remove_file(&place).expect("remove");
    {
        let _guard = bank.left.read().expect("lock");
        assert!(matches!(segment.snapshot(&place), Err(Error::Deadlock { .. })));
    }
    let mut player = Player::start("holder", &[text(&path)]);
    player.expect("inside");
    let hasty = Segment::options().lock_timeout(Duration::from_millis(50)).open(&path).expect("open");
    is_locked_by(hasty.snapshot(&place), player.pid());
    assert!(!place.exists() && !folder.path().join("copy.partial").exists());
    // Others were not kept from working by that.
    bank.left.write().expect("lock").insert(0, MONEY).expect("insert");
    std::thread::scope(|scope| {
        let copied = scope.spawn(|| segment.snapshot(&place));
        player.say("go on");
        copied.join().expect("no panic").expect("snapshot");
    });
    player.expect("done");
    let copy = Segment::open(&place).expect("open");
    let notes = copy.open::<Vec<String>>("notes").expect("notes").load().expect("load");
    assert_eq!(notes, ["half ", "whole "]);
}

#[test]
fn a_copy_of_a_segment_with_holes_has_holes_and_can_be_filled() {
    let (folder, _path, segment) = segment(64 << 20);
    let lists: Vec<Shared<Vec<u8>>> =
        (0..8).map(|n| segment.open_or_create(&format!("{n}")).expect("a list")).collect();
    lists.iter().for_each(|list| list.store(vec![1; 1 << 20]).expect("store"));
    lists.iter().step_by(2).for_each(|list| list.store(Vec::new()).expect("store"));
    segment.shrink_to_usage().expect("shrink");
    let place = folder.path().join("copy");
    segment.snapshot(&place).expect("snapshot");
    let copy = Segment::open(&place).expect("open");
    assert_eq!((copy.size(), copy.limit()), (segment.size(), segment.limit()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let blocks = std::fs::metadata(&place).expect("the copy").blocks() * 512;
        assert!(blocks < 6 << 20, "{blocks} bytes on the disk");
    }
    for n in 0..8 {
        let list: Shared<Vec<u8>> = copy.open(&format!("{n}")).expect("a list");
        assert!(list.load().expect("load").iter().all(|b| *b == 1));
        list.store(vec![2; 1 << 20]).expect("store");
    }
    assert!(lists[1].load().expect("load").iter().all(|b| *b == 1));
}

/// Where the header has the boot under which the file was last open, and the table of thread slots.
const BOOT: u64 = 80;
const THREAD_PAGES: u64 = 1024;

#[test]
fn after_a_restart_what_is_whole_is_opened_and_what_is_torn_is_refused_untouched() {
    // On Windows what is copied while it is open is as long as that.
    let (folder, path, segment) = segment(16 << 20);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    list.store((0..1000).collect()).expect("store");
    let copied = folder.path().join("copied");
    segment.snapshot(&copied).expect("snapshot");
    let [in_use, in_transaction, torn] = ["in use", "in transaction", "torn"].map(|name| folder.path().join(name));
    std::fs::copy(&path, &in_use).expect("copy");
    let mut guard = list.write().expect("lock");
    guard.clear().expect("clear");
    (0..500).try_for_each(|n| guard.push(n)).expect("push");
    std::fs::copy(&path, &in_transaction).expect("copy");
    guard.rollback();
    std::fs::copy(&path, &torn).expect("copy");
    // A page of another moment: when no slab was there yet.
    (0..4096).step_by(8).for_each(|at| patch(&torn, 3 * 4096 + at, 0));
    drop((list, segment));
    for (path, whole) in [(&path, true), (&copied, true), (&in_use, true), (&in_transaction, true), (&torn, false)] {
        patch(path, BOOT, 12345);
        let before = std::fs::read(path).expect("read");
        match Segment::open(path) {
            Ok(segment) => {
                assert!(whole, "opened though it is torn");
                let list: Shared<Vec<u64>> = segment.open("list").expect("list");
                assert!(list.load().expect("load").into_iter().eq(0..1000));
                list.write().expect("lock").push(7).expect("push");
            }
            Err(Error::Unclean { .. }) => {
                assert!(!whole, "refused though it is whole");
                assert!(std::fs::read(path).expect("read") == before, "changed by looking at it");
            }
            Err(error) => panic!("{error}"),
        }
    }
    patch(&torn, THREAD_PAGES + 8, 1 << 50);
    let Err(Error::Unclean { finding, .. }) = Segment::open(&torn) else { panic!("opened with a torn header") };
    assert!(finding.contains("thread slots"), "{finding}");
}

#[test]
fn how_far_a_copy_or_a_check_has_come_goes_back_or_comes_to_no_end() {
    let (folder, _path, segment) = segment(1 << 30);
    segment.open_or_create_with("texts", || vec!["x".repeat(3000); 10_000]).expect("create");
    let rises = |told: &[(u64, u64)]| told.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 == pair[1].1);
    let mut told = Vec::new();
    segment.snapshot_with(folder.path().join("copy"), |done, all| told.push((done, all))).expect("copy");
    assert!(rises(&told) && told.last() == Some(&(segment.size(), segment.size())), "{told:?}");
    told.clear();
    assert_eq!(segment.check_with(|done, all| told.push((done, all))).expect("check"), []);
    let (done, all) = told.last().copied().expect("nothing is told");
    assert!(rises(&told) && told.len() > 10 && done <= all && done > all / 10 * 9, "{told:?}");
}
