//! Real processes killed right before named stores: what images cannot show - locks, futexes, beacons, those who
//! wait. Needs the feature `crash-points`.
#![cfg(feature = "crash-points")]

mod common;

use common::{LONG, Watch};
use commy::crash_points::{hits, kill_at, points};
use commy::{Error, FreeListAllocator, Segment, Shared, SharedString, SharedVec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Set for a child: the segment, the point, how often to pass it.
const ROLE: &str = "COMMY_CRASH_ROLE";
/// Strings that move to and fro.
const ITEMS: usize = 40;

struct Objects {
    left: Shared<Vec<String>>,
    right: Shared<Vec<String>>,
    moves: Shared<u64>,
}

fn objects(segment: &Segment) -> Objects {
    Objects {
        left: segment.open_or_create_with("left", items).unwrap(),
        right: segment.open_or_create("right").unwrap(),
        moves: segment.open_or_create("moves").unwrap(),
    }
}

fn items() -> Vec<String> {
    (0..ITEMS).map(|n| format!("{n:03}").repeat(1 + n * 7)).collect()
}

/// Moves an item from one vector to the other, and counts it: one transaction.
fn shift(segment: &Segment, objects: &Objects, round: u64) -> commy::Result<()> {
    segment.transaction_retry(100, |tx| {
        let mut left = tx.write(&objects.left)?;
        let mut right = tx.write(&objects.right)?;
        let (from, to) = if round / 8 % 2 == 0 { (&mut *left, &mut *right) } else { (&mut *right, &mut *left) };
        if let Some(item) = from.pop()? {
            to.push(item)?;
        }
        *tx.write(&objects.moves)?.view_mut() += 1;
        Ok(())
    })?;
    assert!(objects.left.read()?.len() <= ITEMS);
    Ok(())
}

/// Everything that has a crash point, again and again, until killed.
fn work(path: &Path) {
    let mut round = 0u64;
    loop {
        let segment = Segment::open(path).unwrap();
        let objects = objects(&segment);
        for _ in 0..20 {
            shift(&segment, &objects, round).unwrap();
            round += 1;
        }
        let big: Shared<Vec<u8>> = segment.open_or_create("big").unwrap();
        big.store(vec![1; 30_000]).unwrap();
        big.store(Vec::new()).unwrap();
        // Frees blocks of another thread's slabs, and the other way round.
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20).for_each(|n| shift(&segment, &objects, round + n).unwrap()));
        });
    }
}

fn whole(segment: &Segment) {
    let objects = objects(segment);
    let (left, right) = (objects.left.load().unwrap(), objects.right.load().unwrap());
    let all: BTreeSet<String> = left.iter().chain(&right).cloned().collect();
    assert_eq!(left.len() + right.len(), ITEMS, "an item is lost or there twice");
    assert!(all.iter().eq(items().iter()), "an item is damaged");
    assert!(objects.left.try_write().is_ok() && objects.right.try_write().is_ok(), "a lock stayed");
}

#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut parts = role.split('|');
    let (path, point, skip) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    match point.strip_prefix("shrink ") {
        Some(point) => shrink(Path::new(path), point, skip.parse().unwrap()),
        None if point.starts_with("remove ") => remove(Path::new(path), &point[7..], skip.parse().unwrap()),
        None if point.starts_with("copy ") => copy(Path::new(path), &point[5..], skip.parse().unwrap()),
        None if point.starts_with("move ") => move_once(Path::new(path), &point[5..], skip.parse().unwrap()),
        None => {
            kill_at(point, skip.parse().unwrap());
            work(Path::new(path));
        }
    }
}

fn spawn(path: &Path, point: &str, skip: u64) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, format!("{}|{point}|{skip}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn create(dir: &tempfile::TempDir) -> Segment {
    let segment =
        Segment::options().initial_size(64 << 10).max_size(16 << 20).create(dir.path().join("s.commy")).unwrap();
    objects(&segment);
    segment
}

/// Kills a process at a point while this one works on the same objects.
fn kill_beside(segment: &Segment, point: &str, skip: u64) {
    if point == "SlotRescue" {
        // Only who finds somebody dead comes there.
        assert!(!spawn(segment.path(), "LogCommit", 3).wait().unwrap().success());
    }
    let mut victim = spawn(segment.path(), point, skip);
    if point == "SlotRescue" {
        assert!(!victim.wait().unwrap().success());
    }
    let (objects, begin) = (objects(segment), Instant::now());
    for round in 0.. {
        let operation = Watch::start();
        shift(segment, &objects, round).unwrap();
        operation.expect_soon(point);
        if let Some(status) = victim.try_wait().unwrap() {
            assert!(!status.success() && status.code() != Some(101), "{point}: not killed, but {status}");
            break;
        }
        assert!(begin.elapsed() < LONG, "{point} is not passed {skip} times");
    }
    segment.recover().unwrap();
    whole(segment);
}

#[test]
fn a_process_killed_at_any_kind_of_store_harms_nobody() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let segment = create(&dir);
    for point in points() {
        let skips: &[u64] = if point == "SlotRescue" { &[0] } else { &[0, 1, 5, 17, 60] };
        skips.iter().for_each(|skip| kill_beside(&segment, &point, *skip));
    }
    // Nothing leaks: emptied, the segment holds what it held when everything was empty.
    let objects = objects(&segment);
    objects.left.store(Vec::new()).unwrap();
    objects.right.store(Vec::new()).unwrap();
    segment.open_or_create::<Vec<u8>>("big").unwrap().store(Vec::new()).unwrap();
    let allocated = segment.stats().unwrap().allocated;
    let fresh = tempfile::tempdir().unwrap();
    let fresh = create(&fresh);
    fresh.open_or_create::<Vec<u8>>("big").unwrap();
    self::objects(&fresh).left.store(Vec::new()).unwrap();
    assert_eq!(allocated, fresh.stats().unwrap().allocated, "blocks leaked");
}

/// Gives space back and changes the size, killed on the way.
fn shrink(path: &Path, point: &str, skip: u64) {
    let segment = Segment::open(path).unwrap();
    let big: Shared<Vec<Vec<u8>>> = segment.open_or_create("gaps").unwrap();
    big.store((0..20).map(|n| vec![n; 40_000]).collect()).unwrap();
    (0..20).step_by(3).for_each(|n| big.write().unwrap().set(n, vec![]).unwrap());
    kill_at(point, skip);
    loop {
        segment.shrink_to_usage().unwrap();
        big.store((0..30).map(|n| vec![n; 40_000]).collect()).unwrap();
        segment.resize(8 << 20).unwrap();
        segment.resize(6 << 20).unwrap();
        (0..20).step_by(3).for_each(|n| big.write().unwrap().set(n, vec![]).unwrap());
    }
}

#[test]
fn killed_while_it_changes_the_size_a_process_leaves_all_whole() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let segment = create(&dir);
    let allocated = segment.stats().unwrap().allocated;
    for point in ["IntentSet", "PageBits", "IntentClear", "WordPublish", "LockTake", "LockRelease"] {
        for skip in [0, 1, 2, 3, 5, 9, 14, 30, 70] {
            let mut victim = spawn(segment.path(), &format!("shrink {point}"), skip);
            shift(&segment, &objects(&segment), skip).unwrap();
            let status = victim.wait().unwrap();
            assert!(!status.success() && status.code() != Some(101), "{point}: not killed, but {status}");
            segment.recover().unwrap();
            assert!(segment.size() <= segment.limit(), "a resize was neither finished nor undone");
            whole(&segment);
            let gaps: Shared<Vec<Vec<u8>>> = segment.open_or_create("gaps").unwrap();
            for (n, value) in gaps.load().unwrap().into_iter().enumerate() {
                assert!(value.is_empty() || value == vec![n as u8; 40_000], "value {n} is damaged");
            }
        }
    }
    let gaps: Shared<Vec<Vec<u8>>> = segment.open_or_create("gaps").unwrap();
    gaps.store(Vec::new()).unwrap();
    segment.shrink_to_usage().unwrap();
    // The object itself stays.
    let left = segment.stats().unwrap().allocated - allocated;
    assert!(left < 8192, "{left} bytes leaked");
}

type Library = BTreeMap<u32, Vec<String>>;

/// Of more blocks than are freed in one batch.
fn library() -> Library {
    (0..60).map(|n| (n, (0..12).map(|m| "x".repeat(1 + m)).collect())).collect()
}

/// Makes and removes objects, killed on the way.
fn remove(path: &Path, point: &str, skip: u64) {
    let segment = Segment::open(path).unwrap();
    segment.open_or_create_with("library", library).unwrap();
    kill_at(point, skip);
    loop {
        match segment.remove("library") {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        segment.open_or_create_with("library", library).unwrap();
        let _ = segment.rename("library", "old library");
        let _ = segment.remove("old library");
    }
}

#[test]
fn killed_while_it_removes_objects_a_process_leaves_nothing_behind() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let segment = create(&dir);
    let clean = |segment: &Segment| {
        for name in ["library", "old library"] {
            match segment.open::<Library>(name).map(|object| object.load()) {
                // Another may have removed it in between.
                Err(Error::NotFound { .. }) | Ok(Err(Error::Removed { .. })) => {}
                Ok(found) => assert_eq!(found.unwrap(), library(), "an object is there in part"),
                Err(error) => panic!("{error}"),
            }
            match segment.remove(name) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    segment.open_or_create_with("library", library).unwrap();
    segment.open_or_create_with("old library", library).unwrap();
    clean(&segment);
    let allocated = segment.stats().unwrap().allocated;
    for point in ["WordPut", "WordPublish", "LogCommit", "LogCountdown", "LockRelease", "BlockTake", "BlockRelease"] {
        for skip in [0, 1, 7, 40, 300, 800, 1300] {
            let mut victim = spawn(segment.path(), &format!("remove {point}"), skip);
            let begin = Instant::now();
            let status = loop {
                let held: commy::Result<Shared<Library>> = segment.open("library");
                if let Ok(held) = held {
                    // Whole, or gone, as long as it is held.
                    match held.read() {
                        Ok(guard) => assert_eq!(guard.len(), 60),
                        Err(Error::Removed { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                if let Some(status) = victim.try_wait().unwrap() {
                    break status;
                }
                assert!(begin.elapsed() < LONG, "{point} is not passed {skip} times");
            };
            assert!(!status.success() && status.code() != Some(101), "{point}: not killed, but {status}");
            segment.recover().unwrap();
            assert_eq!(segment.check_objects().unwrap(), []);
            clean(&segment);
            let left = segment.stats().unwrap().allocated;
            assert_eq!(left, allocated, "{point} {skip}: blocks leaked");
        }
    }
}

/// Makes copies, killed on the way.
fn copy(path: &Path, point: &str, skip: u64) {
    let segment = Segment::open(path).unwrap();
    segment.recover().unwrap();
    kill_at(point, skip);
    // More than the most that a test has it skip.
    (0..100).for_each(|n| segment.snapshot(path.with_extension(format!("{point} {skip} {n}"))).unwrap());
}

#[test]
fn killed_while_it_makes_a_copy_a_process_has_nobody_pause() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let segment = create(&dir);
    let objects = objects(&segment);
    for (point, most) in [("WordPublish", 8), ("LockTake", 4), ("LockRelease", 4), ("WordPut", 4)] {
        for skip in 0..most {
            let mut victim = spawn(segment.path(), &format!("copy {point}"), skip);
            let begin = Instant::now();
            let status = loop {
                let operation = Watch::start();
                shift(&segment, &objects, skip).unwrap();
                operation.expect_soon(point);
                if let Some(status) = victim.try_wait().unwrap() {
                    break status;
                }
                assert!(begin.elapsed() < LONG, "{point} is not passed {skip} times");
            };
            assert!(!status.success() && status.code() != Some(101), "{point}: not killed, but {status}");
            let operation = Watch::start();
            shift(&segment, &objects, skip).unwrap();
            operation.expect_soon(point);
            whole(&segment);
            for n in 0.. {
                let path = segment.path().with_extension(format!("{point} {skip} {n}"));
                if !path.exists() {
                    break;
                }
                whole(&Segment::open(path).unwrap());
            }
        }
    }
}

/// Two files, the texts in the one, the list that they move to in the other.
fn two_files(folder: &Path) -> (FreeListAllocator, FreeListAllocator) {
    // SAFETY: nothing is lent.
    let open = |name| unsafe { FreeListAllocator::open(folder.join(name), 1 << 20).unwrap() };
    (open("from.commy"), open("to.commy"))
}

/// Puts a text of one file into a container of another, killed on the way.
fn move_once(folder: &Path, point: &str, skip: u64) {
    let (from, to) = two_files(folder);
    let text = SharedString::named_in(&from, "text");
    let mut list: SharedVec<SharedString> = SharedVec::named_in(&to, "list");
    kill_at(point, skip);
    list.push(text).unwrap();
}

#[test]
fn killed_while_it_moves_a_text_between_two_files_a_process_leaves_it_in_one_or_both() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    const TEXT: &str = "a text that takes a block of its own";
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = two_files(dir.path());
    let mut text = SharedString::named_in(&from, "text");
    let mut list: SharedVec<String> = SharedVec::named_in(&to, "list");
    let mut set_up = || {
        text.store(TEXT).unwrap();
        list.store(Vec::new()).unwrap();
        [&from, &to].map(|file| file.segment().stats().unwrap().allocated)
    };
    let in_use = set_up();
    let (mut kills, mut in_both) = (0, 0);
    for point in points() {
        // Farther and farther, until it is not killed any more.
        for skip in 0.. {
            let status = spawn(dir.path(), &format!("move {point}"), skip).wait().unwrap();
            assert_ne!(status.code(), Some(101), "{point} {skip}: a panic");
            for file in [&from, &to] {
                file.segment().recover().unwrap();
                assert_eq!(file.segment().check().unwrap(), [], "{point} {skip}");
            }
            let text = SharedString::named_in(&from, "text").from_utf8().unwrap();
            let list = SharedVec::<String>::named_in(&to, "list").load().unwrap();
            let found = (text, list);
            let places = (found.0 == TEXT, found.1 == [TEXT]);
            assert!(places.0 || places.1, "{point} {skip}: it is lost: {found:?}");
            assert!((places.0 || found.0.is_empty()) && (places.1 || found.1.is_empty()), "{point} {skip}: {found:?}");
            assert_eq!(set_up(), in_use, "{point} {skip}: blocks leaked");
            if status.success() {
                assert_eq!(places, (false, true), "it moved");
                break;
            }
            kills += 1;
            in_both += u32::from(places == (true, true));
        }
    }
    println!("killed {kills} times, {in_both} of them between the two commits");
    assert!(in_both > 0, "it was never killed between the two commits");
}

#[test]
fn every_crash_point_is_passed_by_the_work_that_is_killed() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let segment = create(&dir);
    let mut victim = spawn(segment.path(), "LogCommit", 9);
    victim.wait().unwrap();
    let segment = Segment::open(segment.path()).unwrap();
    let objects = objects(&segment);
    (0..50).for_each(|round| shift(&segment, &objects, round).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|round| shift(&segment, &objects, round).unwrap()));
    });
    (0..200).for_each(|round| shift(&segment, &objects, round).unwrap());
    let big: Shared<Vec<u8>> = segment.open_or_create("big").unwrap();
    big.store(vec![1; 30_000]).unwrap();
    drop((objects, big, segment));
    let missed: Vec<String> = hits().into_iter().filter(|(_, hits)| *hits == 0).map(|(name, _)| name).collect();
    assert!(missed.is_empty(), "never passed: {missed:?}");
}
