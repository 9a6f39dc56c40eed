//! Forked children: they own nothing of their parent's, and can do everything themselves.
// Nothing else forks.
#![cfg(unix)]

mod common;

use common::{Player, Stage, Watch, play, segment, text};
use commy::{
    Error, FreeListAllocator, Segment, Shared, SharedBox, SharedHashMap, SharedString, SharedVec, SharedVecDeque,
};
use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn role() {
    play(&[
        ("parent inside a guard", parent_inside_a_guard),
        ("parent that lends its guards", parent_that_lends_its_guards),
        ("parent of workers", parent_of_workers),
        ("parent with containers", parent_with_containers),
        ("holder", holder),
    ]);
}

/// Runs `child` in a forked child, which then ends; gives its pid. All this happens in a process that was
/// started for it, in which no other thread does anything.
fn fork(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the one other thread, the harness's, waits for this one and holds no lock.
    match unsafe { libc::fork() } {
        0 => leave(child),
        pid => {
            assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
            pid
        }
    }
}

/// As `fork`, but without the C library knowing of it, as a sandbox or another language's runtime does it.
#[cfg(target_os = "linux")]
fn fork_raw(child: impl FnOnce()) -> libc::pid_t {
    let null = std::ptr::null::<libc::c_void>();
    // SAFETY: as in `fork`; without flags, clone is fork.
    match unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(libc::SIGCHLD), null, null, null, null) } {
        0 => leave(child),
        pid => {
            assert!(pid > 0, "clone: {}", std::io::Error::last_os_error());
            pid as libc::pid_t
        }
    }
}

/// Does what a child has to do, and ends it without going back into the harness.
fn leave(child: impl FnOnce()) -> ! {
    let code = if catch_unwind(AssertUnwindSafe(child)).is_ok() { 0 } else { 1 };
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Waits for a child and sees that it was content.
#[track_caller]
fn end_well(pid: libc::pid_t) {
    let mut status = -1;
    // SAFETY: waits for a child of this process.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
}

/// Does nothing for as long as it lives, or until the test has ended.
fn stay() {
    while matches!(std::io::stdin().read_line(&mut String::new()), Ok(1..)) {}
}

/// Forks in the middle of a change.
fn parent_inside_a_guard(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let other: Shared<Vec<u64>> = segment.open("other").expect("other");
    let reading = other.read().expect("lock");
    let mut guard = list.write().expect("lock");
    guard[0] = 99;
    (0..1000).for_each(|number| guard.push(number).expect("push"));
    let child = match stage.arguments[1].as_str() {
        #[cfg(target_os = "linux")]
        "raw" => fork_raw(stay),
        _ => fork(stay),
    };
    stage.say(child);
    stage.hear();
    drop((guard, reading));
}

/// Kills a process whose child lives on; a third one must get what it held.
fn outlived(how: &str, reap: bool) {
    let (_folder, path, segment) = segment(1 << 30);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let other: Shared<Vec<u64>> = segment.open_or_create("other").expect("other");
    list.store(vec![1, 2, 3]).expect("store");
    other.store(vec![1, 2, 3]).expect("store");
    let mut player = Player::start("parent inside a guard", &[text(&path), how]);
    let child: libc::pid_t = player.hear().parse().expect("a pid");
    assert!(matches!(list.try_write(), Err(Error::LockTimeout { holder, .. }) if holder == player.pid()));
    assert!(matches!(other.try_write(), Err(Error::LockTimeout { holder, .. }) if holder == player.pid()));
    let killed = Watch::start();
    if reap {
        player.kill()
    } else {
        player.kill_only()
    }
    {
        let mut guard = list.write().expect("the lock of the dead, whose child lives");
        assert_eq!(guard[..], [1, 2, 3]);
        guard.push(4).expect("push");
        other.write().expect("what the dead read, whose child lives").push(4).expect("push");
    }
    killed.expect_soon("what the dead held");
    // SAFETY: asks whether the process is there.
    assert_eq!(unsafe { libc::kill(child, 0) }, 0, "the child did not outlive its parent");
    assert_eq!(segment.stats().expect("stats").rolled_back, 1);
    // SAFETY: ends a process that this test had made.
    unsafe { libc::kill(child, libc::SIGKILL) };
    assert_eq!(list.load().expect("load"), [1, 2, 3, 4]);
}

#[test]
fn a_child_that_outlives_its_killed_parent_keeps_no_lock() {
    outlived("fork", true);
}

#[test]
fn a_child_that_outlives_its_killed_parent_keeps_no_lock_while_the_parent_is_a_zombie() {
    outlived("fork", false);
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_made_behind_the_c_librarys_back_keeps_no_lock_of_its_killed_parent() {
    outlived("raw", true);
}

/// Has guards of each kind, which its children touch.
fn parent_that_lends_its_guards(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let other: Shared<Vec<u64>> = segment.open("other").expect("other");
    let map: Shared<std::collections::HashMap<u64, Vec<u8>>> = segment.open_or_create("map").expect("map");
    let number: Shared<u64> = segment.open_or_create("number").expect("number");

    // A write guard: no change, no commit, no unlock.
    let mut guard = Some(list.write().expect("lock"));
    guard.as_mut().expect("the guard").push(4).expect("push");
    end_well(fork(|| {
        let mut guard = guard.take().expect("the guard");
        assert!(matches!(guard.push(5), Err(Error::Forked)));
        assert!(matches!(guard.pop(), Err(Error::Forked)));
        assert!(matches!(guard.clear(), Err(Error::Forked)));
        assert!(matches!(guard.store(vec![]), Err(Error::Forked)));
        drop(guard);
    }));
    end_well(fork(|| assert!(matches!(guard.take().expect("the guard").commit(), Err(Error::Forked)))));
    end_well(fork(|| guard.take().expect("the guard").rollback()));
    end_well(fork(|| {
        // The child itself waits for it like anybody else.
        let error = list.write_for(Duration::from_millis(20)).expect_err("the parent has it");
        assert!(matches!(error, Error::LockTimeout { holder, .. } if holder == stage_parent()), "{error}");
        let error = list.read_for(Duration::from_millis(20)).expect_err("the parent has it");
        assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    }));
    stage.say("list is locked");
    assert_eq!(stage.hear(), "yes");
    let mut guard = guard.expect("the guard");
    guard.push(5).expect("the parent's own guard still works");
    guard.commit().expect("commit");

    // Guards of other types.
    let mut guard = Some((map.write().expect("lock"), number.write().expect("lock")));
    if let Some((map, number)) = &mut guard {
        map.insert(1, vec![1; 100]).expect("insert");
        *number.view_mut() = 7;
    }
    end_well(fork(|| {
        let (mut map, mut number) = guard.take().expect("the guards");
        assert!(matches!(map.insert(2, vec![2; 100]), Err(Error::Forked)));
        assert!(matches!(map.remove(&1), Err(Error::Forked)));
        assert!(matches!(number.try_view_mut(), Err(Error::Forked)));
        assert!(matches!(number.store(8), Err(Error::Forked)));
    }));
    drop(guard);
    assert_eq!(number.load().expect("load"), 7);
    assert_eq!(map.read().expect("lock").len(), 1);

    // A read guard: dropping it leaves the parent's mark.
    let mut reading = Some(other.read().expect("lock"));
    end_well(fork(|| drop(reading.take())));
    stage.say("other is read");
    assert_eq!(stage.hear(), "yes");
    drop(reading);

    // A transaction.
    let result = segment.transaction(|tx| {
        let mut part = tx.write(&list)?;
        part.push(6)?;
        end_well(fork(|| {
            assert!(matches!(part.push(7), Err(Error::Forked)));
            assert!(matches!(tx.write(&other), Err(Error::Forked)));
        }));
        end_well(fork(|| {
            // The child's own work, inside of what is the parent's transaction.
            assert!(matches!(segment.transaction(|tx| tx.write(&other)?.push(50)), Ok(())));
        }));
        part.push(7)?;
        Ok(())
    });
    result.expect("transaction");
    // A child that returns from it.
    let mut child = -1;
    let result = segment.transaction(|tx| {
        tx.write(&list)?.push(8)?;
        // SAFETY: as in `fork`.
        child = unsafe { libc::fork() };
        Ok(())
    });
    if child == 0 {
        leave(|| assert!(matches!(result, Err(Error::Forked)), "{result:?}"));
    }
    end_well(child);
    result.expect("transaction");

    // A child that leaves everything of its parent's.
    let handles = (segment.clone(), list.clone(), other.clone());
    let mut handles = Some(handles);
    end_well(fork(|| drop(handles.take())));
    stage.say("done");
    assert_eq!(stage.hear(), "end");
}

fn stage_parent() -> u32 {
    std::os::unix::process::parent_id()
}

#[test]
fn a_child_can_neither_use_nor_end_its_parents_guards() {
    let (_folder, path, segment) = segment(1 << 30);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let other: Shared<Vec<u64>> = segment.open_or_create("other").expect("other");
    list.store(vec![1, 2, 3]).expect("store");
    let mut player = Player::start("parent that lends its guards", &[text(&path)]);
    player.expect("list is locked");
    assert!(matches!(list.try_write(), Err(Error::LockTimeout { holder, .. }) if holder == player.pid()));
    assert!(matches!(list.try_read(), Err(Error::LockTimeout { holder, .. }) if holder == player.pid()));
    player.say("yes");
    player.expect("other is read");
    assert_eq!(list.load().expect("load"), [1, 2, 3, 4, 5]);
    assert!(matches!(other.try_write(), Err(Error::LockTimeout { holder, .. }) if holder == player.pid()));
    player.say("yes");
    player.expect("done");
    assert_eq!(list.load().expect("load"), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(other.load().expect("load"), [50]);
    let alive = segment.participants().into_iter().filter(|p| p.alive).count();
    assert_eq!(alive, 2, "{:?}", segment.participants());
    player.say("end");
    player.end_well();
    assert_eq!(segment.stats().expect("stats").rolled_back, 0);
}

const ROUNDS: u64 = 500;

/// Works on, with children and a grandchild that do the same.
fn parent_of_workers(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let count: Shared<u64> = segment.open("count").expect("count");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let work = || {
        for _ in 0..ROUNDS {
            *count.write().expect("lock").view_mut() += 1;
            list.write().expect("lock").push(u64::from(std::process::id())).expect("push");
        }
    };
    work();
    let children: Vec<libc::pid_t> = (0..3)
        .map(|number| {
            fork(|| {
                work();
                let own = segment.participants().into_iter().find(|p| p.pid == std::process::id());
                assert!(own.is_some_and(|p| p.alive), "the child has no place of its own");
                segment.heartbeat().expect("heartbeat");
                if number == 0 {
                    end_well(fork(work));
                    work();
                }
                // A new attachment, and the old one: both are the child's own.
                let again = Segment::open(stage.path(0)).expect("open in a child");
                let same: Shared<u64> = again.open("count").expect("count");
                let _guard = count.write().expect("lock");
                let error = same.try_write().expect_err("this process has it");
                assert!(matches!(error, Error::LockTimeout { holder, .. } if holder == std::process::id()), "{error}");
            })
        })
        .collect();
    work();
    children.into_iter().for_each(end_well);
    work();
    stage.say("done");
    stage.hear();
}

#[test]
fn a_child_works_on_its_own_beside_its_parent() {
    let (_folder, path, segment) = segment(1 << 30);
    let count: Shared<u64> = segment.open_or_create("count").expect("count");
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let mut player = Player::start("parent of workers", &[text(&path)]);
    player.expect("done");
    // Three times the parent, twice the first child, the grandchild, the other children.
    let rounds = (3 + 2 + 1 + 2) * ROUNDS;
    assert_eq!(count.load().expect("load"), rounds);
    let values = list.load().expect("load");
    assert_eq!(values.len() as u64, rounds);
    let by_parent = values.iter().filter(|pid| **pid == u64::from(player.pid())).count();
    assert_eq!(by_parent as u64, 3 * ROUNDS);
    player.say("end");
    player.end_well();
    segment.recover().expect("recover");
    assert_eq!(segment.stats().expect("stats").rolled_back, 0);
}

/// Forks and is killed over and over: no place in the table may be lost for it.
#[test]
fn places_of_killed_parents_with_living_children_are_used_again() {
    let (_folder, path, segment) = segment(1 << 30);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let _other: Shared<Vec<u64>> = segment.open_or_create("other").expect("other");
    list.store(vec![1, 2, 3]).expect("store");
    let mut orphans = Vec::new();
    for _ in 0..20 {
        let mut player = Player::start("parent inside a guard", &[text(&path), "fork"]);
        orphans.push(player.hear().parse::<libc::pid_t>().expect("a pid"));
        player.kill();
        assert_eq!(list.load().expect("load"), [1, 2, 3]);
    }
    let places = segment.participants().len();
    assert!(places <= 4, "{places} places are taken");
    for orphan in orphans {
        // SAFETY: ends a process that this test had made.
        unsafe { libc::kill(orphan, libc::SIGKILL) };
    }
}

/// Locks and waits.
fn holder(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let _guard = list.write().expect("lock");
    stage.say("inside");
    stage.stay();
}

#[test]
fn a_child_of_a_process_with_a_dead_neighbour_recovers_it() {
    let (_folder, path, segment) = segment(1 << 30);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let count: Shared<u64> = segment.open_or_create("count").expect("count");
    let mut dead = Player::start("holder", &[text(&path)]);
    dead.expect("inside");
    dead.kill();
    // Its children lock `list` first of all.
    let mut player = Player::start("parent of workers", &[text(&path)]);
    player.expect("done");
    player.say("end");
    player.end_well();
    assert_eq!(count.load().expect("load"), 8 * ROUNDS);
    list.try_write().expect("the lock is free");
}

fn allocator(path: &std::path::Path) -> FreeListAllocator {
    // SAFETY: nothing is lent while others change it.
    unsafe { FreeListAllocator::open(path, 4 << 20).expect("an allocator") }
}

/// Has blocks and a container of each kind of claim, which its children touch.
fn parent_with_containers(stage: &Stage) {
    let allocator = allocator(stage.path(0));
    let layout = Layout::new::<[u64; 16]>();
    let block = allocator.allocate(layout).expect("room").cast::<u64>();
    // SAFETY: a block of our own.
    unsafe { block.write(7) };
    let mut held: SharedVecDeque<u64> = SharedVecDeque::new_in(&allocator);
    let mut named: SharedHashMap<u64, String> = SharedHashMap::named_in(&allocator, "named");
    let private = SharedVec::from_iter_in(0..10u64, &allocator);
    let mut texts: SharedVec<SharedString> = SharedVec::named_in(&allocator, "texts");
    texts.push(SharedString::from_str_in("text", &allocator).expect("room")).expect("room");
    held.push_back(1);
    named.insert(1, "parent".into());

    end_well(fork(|| {
        // What its parent has open it may use, as a process of its own.
        held.push_back(2);
        named.insert(2, "child".into());
        assert_eq!((private.len(), private[9]), (10, 9));
        // Blocks are of who took them.
        let own = allocator.allocate(layout).expect("room").cast::<u64>();
        assert_ne!(own, block);
        // SAFETY: a block of its own.
        unsafe { own.write(8) };
        assert!(matches!(allocator.try_deallocate(block.cast(), layout), Err(Error::NotABlock { .. })));
        allocator.deallocate(own.cast(), layout);
        allocator.allocate(layout).expect("room, which it keeps to its end");
        // Counting goes on where the parent was.
        let mut flag: SharedBox<bool> = SharedBox::new_in(&allocator);
        *flag = true;
        let mut text = texts.pop().expect("a text");
        text.push_str(" of the child").expect("room");
        texts.push(text).expect("room");
    }));
    // One that leaves everything, and one that ends in the middle of something.
    let mut all = Some((held, private, allocator));
    end_well(fork(|| drop(all.take())));
    let (mut held, private, mut allocator) = all.take().expect("the parent's");
    end_well(fork(|| {
        std::mem::forget(named.write().expect("lock").insert(3, "nobody".into()));
        let mut guard = named.write().expect("lock");
        guard.clear().expect("clear");
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) }
    }));
    allocator.cleanup_failed_resize().expect("nothing");

    held.push_back(3);
    assert_eq!(held, [1, 2, 3]);
    assert_eq!((private.len(), private[9]), (10, 9));
    assert_eq!(named.len(), 3, "what the child began is undone");
    assert_eq!(texts.load_at(0).expect("a copy").expect("a text").into_inner().expect("text"), "text of the child");
    assert!(*SharedBox::<bool>::new_in(&allocator), "the child had made it");
    // SAFETY: a block of our own still.
    assert_eq!(unsafe { block.read() }, 7);
    allocator.deallocate(block.cast(), layout);
    stage.say("done");
    stage.hear();
}

#[test]
fn a_child_uses_its_parents_containers_and_gives_nothing_of_them_back() {
    let (_folder, path) = common::place();
    let watching = allocator(&path);
    let before = watching.size();
    let mut player = Player::start("parent with containers", &[text(&path)]);
    player.expect("done");
    let held: SharedVecDeque<u64> = SharedVecDeque::new_in(&watching);
    watching.shrink_to_usage().expect("shrink");
    assert_eq!(held, [1, 2, 3], "the parent holds it");
    player.say("end");
    player.end_well();
    drop(held);
    for name in ["named", "texts"] {
        watching.segment().remove(name).expect("it is there");
    }
    watching.shrink_to_usage().expect("shrink");
    // Places of objects stay for others; the blocks of one who forgot them would be more.
    assert!(watching.size() < before + 4096, "{} of {before}", watching.size());
    assert_eq!(watching.segment().objects().expect("names"), [".direct/holders"]);
    assert!(watching.segment().check().expect("a check").is_empty());
}
