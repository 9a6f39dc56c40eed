//! No room: the limit, the disk. Nothing is lost, freeing works, and what is freed can be used.

mod common;

#[cfg(unix)]
use common::{Player, Stage, place, text};
#[cfg(target_os = "linux")]
use common::{is_root, mount_disk};
use common::{play, segment};
use commy::{Error, Segment, Shared};
use std::collections::HashMap;

#[test]
fn role() {
    play(&[
        #[cfg(target_os = "linux")]
        ("filler of a small disk", filler_of_a_small_disk),
        #[cfg(unix)]
        ("filler of a bounded file", filler_of_a_bounded_file),
    ]);
}

/// Pushes numbers until there is no room; gives how many there are then, and the error.
fn push_until_full(list: &Shared<Vec<u64>>) -> (u64, Error) {
    loop {
        let mut guard = list.write().expect("lock");
        let before = guard.len() as u64;
        for number in before..before + 1000 {
            if let Err(error) = guard.push(number) {
                return (guard.len() as u64, error);
            }
        }
    }
}

/// Fills a list to the brim, in a segment that is bounded by whatever; nothing may be lost, and freeing must
/// work and give room again.
fn fill_and_free(segment: &Segment, check: impl Fn(&Error)) {
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("an object");
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("an object");
    let (first, error) = push_until_full(&list);
    check(&error);
    assert!(first > 1000, "only {first} numbers fit");
    assert!(list.load().expect("load").into_iter().eq(0..first), "something was lost");
    // What fits into what is there already still works, as does taking out.
    {
        let mut guard = list.write().expect("lock");
        for number in (first - 100..first).rev() {
            assert_eq!(guard.pop().expect("freeing needs no room"), Some(number));
        }
        for number in first - 100..first {
            guard.push(number).expect("there was room for it");
        }
        assert_eq!(guard.len() as u64, first);
    }
    list.store(Vec::new()).expect("freeing needs no room");
    // The same with many small blocks.
    let fill = |tag: u8| {
        (0..).find_map(|key| {
            let length = 20 + (key * 37 % 400) as usize;
            map.write().expect("lock").insert(key, vec![tag; length]).err().map(|error| (key, error))
        })
    };
    let (many, error) = fill(1).expect("no end");
    check(&error);
    assert!(many > 100, "only {many} values fit");
    {
        let guard = map.read().expect("lock");
        assert_eq!(guard.len() as u64, many);
        for key in 0..many {
            let value = guard.get(&key).expect("a value that was inserted");
            assert!(value.len() as u64 == 20 + key * 37 % 400 && value.iter().all(|byte| *byte == 1), "{key}");
        }
    }
    for key in (0..many).step_by(2) {
        assert!(map.write().expect("lock").remove(&key).expect("freeing needs no room").is_some());
    }
    assert_eq!(map.read().expect("lock").len() as u64, many / 2);
    for key in (0..many / 2).step_by(2) {
        let length = 20 + (key * 37 % 400) as usize;
        map.write().expect("lock").insert(key, vec![2; length]).expect("room was made");
    }
    let empty = |many| {
        for key in 0..many {
            map.write().expect("lock").remove(&key).expect("freeing needs no room");
        }
        assert!(map.read().expect("lock").is_empty());
    };
    empty(many);
    let (again, error) = fill(3).expect("no end");
    check(&error);
    assert!(again * 10 >= many * 9, "{many} values fit at first, {again} later");
    empty(again);
}

#[test]
fn a_reached_limit_is_named_and_freeing_gives_room_again() {
    let (_folder, _path, segment) = segment(1 << 20);
    fill_and_free(&segment, |error| {
        assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
        assert!(error.to_string().contains("1048576"), "{error} does not name the limit");
    });
    assert!(segment.size() <= 1 << 20);
}

#[test]
fn a_full_segment_can_be_emptied_at_once() {
    let (_folder, _path, segment) = segment(4 << 20);
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("an object");
    let list: Shared<Vec<String>> = segment.open_or_create("list").expect("an object");
    // The tables have their size from the beginning, so that it is the values that fill the segment.
    let fill = || {
        map.write().expect("lock").reserve(20_000).expect("the segment is empty");
        list.write().expect("lock").reserve(20_000).expect("the segment is empty");
        let mut many = 0;
        while map.write().expect("lock").insert(many, vec![1; 1 + (many * 37 % 200) as usize]).is_ok()
            && list.write().expect("lock").push("word ".repeat(many as usize % 20)).is_ok()
        {
            many += 1;
        }
        assert!((1000..20_000).contains(&many), "{many} values");
        many
    };
    let first = fill();
    map.write().expect("lock").clear().expect("freeing needs no room");
    list.write().expect("lock").clear().expect("freeing needs no room");
    let second = fill();
    assert!(second * 10 >= first * 9, "{first} values fit at first, {second} later");
    map.store(HashMap::new()).expect("freeing needs no room");
    list.store(Vec::new()).expect("freeing needs no room");
    let third = fill();
    assert!(third * 10 >= first * 9, "{first} values fit at first, {third} later");
}

// Mounts and resource limits are facilities of Unix.

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_loses_nothing() {
    if !is_root() {
        eprintln!("only root can mount a small disk; the test with a bounded file stands for this one");
        return;
    }
    let folder = common::folder();
    let mut player = Player::start("filler of a small disk", &[text(folder.path())]);
    let said = player.hear();
    if said == "no mount" {
        eprintln!("this system does not let root mount; the test with a bounded file stands for this one");
        return;
    }
    assert_eq!(said, "done");
    player.end_well();
}

/// Mounts a disk of 1 MiB where only this process sees it, and fills it.
#[cfg(target_os = "linux")]
fn filler_of_a_small_disk(stage: &Stage) {
    if !mount_disk(stage.path(0), "size=1m", false) {
        return stage.say("no mount");
    }
    let path = stage.path(0).join("small.commy");
    let full = |error: &Error| {
        assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
        assert!(error.to_string().contains(text(&path)), "{error} does not name the disk's file");
    };
    let segment = Segment::options().initial_size(64 << 10).max_size(1 << 30).create(&path).expect("create");
    fill_and_free(&segment, full);
    // Where somebody else has taken the last page, what the segment has it keeps.
    let mut rest = std::fs::File::create(stage.path(0).join("rest")).expect("create");
    while std::io::Write::write_all(&mut rest, &[1; 4096]).is_ok() {}
    fill_and_free(&segment, full);
    // And where there is no room to begin with, nothing is begun.
    let second = stage.path(0).join("second.commy");
    let error = Segment::create(&second).expect_err("no room");
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(!second.exists(), "an empty file was left behind");
    drop(segment);
    fill_and_free(&Segment::open(&path).expect("open on a full disk"), full);
    // When there is room again, it is made.
    std::fs::remove_file(&path).expect("remove");
    let second = Segment::options().initial_size(64 << 10).open_or_create(&second).expect("there is room");
    second.open_or_create::<u64>("number").expect("an object").store(7).expect("store");
    drop(rest);
    std::fs::remove_file(stage.path(0).join("rest")).expect("remove");
    others_take_what_was_given_back(stage, &second);
    stage.say("done");
}

/// Where holes cannot be filled again, that is an error, and nobody ever touches one.
#[cfg(target_os = "linux")]
fn others_take_what_was_given_back(stage: &Stage, segment: &Segment) {
    let lists: Vec<Shared<Vec<u8>>> =
        (0..10).map(|n| segment.open_or_create(&format!("{n}")).expect("a list")).collect();
    lists.iter().for_each(|list| list.store(vec![1; 60_000]).expect("store"));
    lists.iter().step_by(2).for_each(|list| list.store(Vec::new()).expect("store"));
    let given = segment.shrink_to_usage().expect("shrink");
    assert!(given >= 5 * 57_344, "{given} bytes were given back");
    let rest = stage.path(0).join("rest");
    let mut file = std::fs::File::create(&rest).expect("create");
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    assert!(matches!(lists[0].store(vec![2; 60_000]), Err(Error::OutOfSpace { .. })));
    assert!(matches!(segment.resize(segment.size() + (1 << 20)), Err(Error::OutOfSpace { .. })));
    assert!(matches!(segment.snapshot(stage.path(0).join("copy")), Err(Error::OutOfSpace { .. })));
    assert!(!stage.path(0).join("copy").exists() && !stage.path(0).join("copy.partial").exists());
    segment.shrink_to_usage().expect("shrink on a full disk");
    segment.stats().expect("stats");
    assert!(segment.check_objects().expect("check").is_empty());
    for list in lists.iter().skip(1).step_by(2) {
        assert!(list.load().expect("load").iter().all(|b| *b == 1));
    }
    drop(file);
    std::fs::remove_file(&rest).expect("remove");
    lists[0].store(vec![2; 60_000]).expect("there is room again");
    assert!(lists[0].load().expect("load").iter().all(|b| *b == 2));
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_grow_is_an_error_and_loses_nothing() {
    let (_folder, path) = place();
    let mut player = Player::start("filler of a bounded file", &[text(&path)]);
    player.expect("done");
    player.end_well();
}

/// Fills a file that the system does not let grow above 1 MiB.
#[cfg(unix)]
fn filler_of_a_bounded_file(stage: &Stage) {
    let path = stage.path(0);
    let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
    // SAFETY: limits this process, which was started for this; the signal that tells of the limit is ignored
    // so that the call that meets it fails instead.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    let segment = Segment::options().max_size(1 << 30).create(path).expect("create");
    fill_and_free(&segment, |error| {
        assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
        assert!(error.to_string().contains(text(path)), "{error} does not name the file");
    });
    assert!(segment.size() <= 1 << 20);
    stage.say("done");
}
