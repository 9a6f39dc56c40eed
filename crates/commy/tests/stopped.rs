//! Stopped, not dead; dead, though it looks alive: processes that are stopped at any instant, stepped by a debugger, that
//! live in other times, whose clocks jump, and numbers of dead processes that others have by now. Nobody alive is robbed,
//! nobody dead is waited for. Forked children that keep their dead parents' descriptors are in `forks`.
#![cfg(target_os = "linux")]

mod common;

use common::{Draw, Player, Stage, Watch, casting, is_root, play, segment, text};
use commy::{Error, Segment, Shared};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

#[test]
fn role() {
    play(&[
        ("mover", mover),
        ("holder", holder),
        ("parent", parent),
        ("jumper", jumper),
        ("mover in another time", |stage| in_another_time(stage, "mover")),
        ("holder in another time", |stage| in_another_time(stage, "holder")),
    ]);
}

/// What is moved to and fro.
const ITEMS: usize = 30;

struct Objects {
    segment: Segment,
    left: Shared<Vec<String>>,
    right: Shared<Vec<String>>,
    moves: Shared<u64>,
}

impl Objects {
    fn of(segment: Segment) -> Objects {
        let items = || (0..ITEMS).map(|n| format!("{n} ").repeat(1 + n * 5)).collect();
        Objects {
            left: segment.open_or_create_with("left", items).expect("left"),
            right: segment.open_or_create("right").expect("right"),
            moves: segment.open_or_create("moves").expect("moves"),
            segment,
        }
    }

    /// Moves an item, and counts that.
    fn shift(&self, draw: &mut Draw) {
        self.try_to_shift(draw).expect("a transaction");
    }

    fn try_to_shift(&self, draw: &mut Draw) -> commy::Result<()> {
        self.segment.transaction(|tx| {
            let (mut left, mut right) = (tx.write(&self.left)?, tx.write(&self.right)?);
            let (from, to) = if draw.below(2) == 0 { (&mut *left, &mut *right) } else { (&mut *right, &mut *left) };
            if let Some(item) = from.pop()? {
                to.insert(draw.below(to.len() as u64 + 1) as usize, item)?;
            }
            *tx.write(&self.moves)?.try_view_mut()? += 1;
            Ok(())
        })
    }

    /// Sees that all is there once, that so many moves were made, and that nobody was taken for dead.
    fn are_whole(&self, moves: u64) {
        let (left, right) = (self.left.load().expect("left"), self.right.load().expect("right"));
        let mut all: Vec<String> = left.into_iter().chain(right).collect();
        all.sort_unstable_by_key(String::len);
        assert!(all.into_iter().eq((0..ITEMS).map(|n| format!("{n} ").repeat(1 + n * 5))), "items are torn or lost");
        assert_eq!(self.moves.load().expect("moves"), moves);
        assert_eq!(self.segment.check().expect("check"), []);
        assert_eq!(self.segment.stats().expect("stats").recovered, 0, "somebody alive was taken for dead");
    }
}

/// Moves items until it is dismissed; then says how many.
fn mover(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    let mut draw = Draw::new(stage.number(1));
    // SAFETY: asks for a number.
    stage.say(unsafe { libc::syscall(libc::SYS_gettid) });
    let (dismissed, mut moves) = (stage.until_dismissed(), 0);
    while !dismissed.load(Ordering::Relaxed) {
        objects.shift(&mut draw);
        moves += 1;
    }
    stage.say(moves);
}

/// Dismisses movers; gives how many moves they made.
fn dismiss(movers: Vec<Player>) -> u64 {
    let mut moves = 0;
    for mut mover in movers {
        mover.dismiss();
        moves += mover.hear().parse::<u64>().expect("a number");
        mover.end_well();
    }
    moves
}

/// Stops a process, or has it go on.
fn signal(player: &Player, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(player.pid()).expect("a pid");
    let mut status = 0;
    // SAFETY: a signal to a child that was not waited for, and a wait for it to stop.
    unsafe {
        assert_eq!(libc::kill(pid, signal), 0);
        if signal == libc::SIGSTOP {
            assert_eq!(libc::waitpid(pid, &raw mut status, libc::WUNTRACED), pid);
            assert!(libc::WIFSTOPPED(status));
        }
    }
}

#[test]
fn who_is_stopped_at_any_instant_is_not_robbed_and_goes_on_as_if_nothing_had_been() {
    let (_folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    let mut mover = Player::start("mover", &[text(&path), "1"]);
    mover.hear();
    let (mut draw, mut locked) = (Draw::new(2), 0);
    for _ in 0..60 {
        std::thread::sleep(Duration::from_micros(500 + draw.below(3000)));
        signal(&mover, libc::SIGSTOP);
        for list in [&objects.left, &objects.right] {
            match list.write_for(Duration::from_millis(5)) {
                Ok(guard) => assert!(guard.len() <= ITEMS),
                Err(Error::LockTimeout { holder, .. }) => {
                    assert_eq!(holder, mover.pid());
                    locked += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(objects.segment.recover().expect("recover"), 0, "the stopped was taken for dead");
        signal(&mover, libc::SIGCONT);
    }
    let moves = dismiss(vec![mover]);
    objects.are_whole(moves);
    assert!(locked > 0, "it was never stopped with a lock");
}

/// What ptrace says; false where debugging is not allowed.
fn trace(request: libc::c_uint, thread: libc::pid_t) -> bool {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: requests that have no data, to a thread of a child.
    unsafe { libc::ptrace(request, thread, none, none) == 0 }
}

/// Waits for a traced thread to stop.
fn await_stop(thread: libc::pid_t) {
    let mut status = 0;
    // SAFETY: waits for a thread that this one traces.
    assert_eq!(unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) }, thread);
    assert!(libc::WIFSTOPPED(status), "status {status:x}");
}

#[test]
fn who_is_stepped_by_a_debugger_is_waited_for_and_harms_nobody() {
    let (_folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    let mut movers: Vec<Player> =
        ["1", "2", "3"].into_iter().map(|number| Player::start("mover", &[text(&path), number])).collect();
    let threads: Vec<libc::pid_t> = movers.iter_mut().map(|mover| mover.hear().parse().expect("a thread")).collect();
    let thread = threads[0];
    if !trace(libc::PTRACE_SEIZE, thread) {
        return eprintln!("debugging is not allowed here: {}", std::io::Error::last_os_error());
    }
    let (before, mut steps) = (objects.moves.version(), 0);
    assert!(trace(libc::PTRACE_INTERRUPT, thread));
    await_stop(thread);
    // So many at least, and until somebody has made a move: it may have the locks, and what it does with them may take more.
    while steps < 30_000 || objects.moves.version() == before {
        assert!(trace(libc::PTRACE_SINGLESTEP, thread));
        await_stop(thread);
        steps += 1;
        assert!(steps < 30_000_000, "nobody got on");
    }
    assert!(trace(libc::PTRACE_DETACH, thread));
    let moves = dismiss(movers);
    objects.are_whole(moves);
}

/// Plays a role in a process whose clocks, but for that on the wall, are others.
fn in_another_time(stage: &Stage, role: &str) {
    let offset = &stage.arguments[2];
    let offsets = format!("monotonic {offset} 0\nboottime {offset} 0\n");
    let enter = move || {
        // SAFETY: in a process that has no other threads. Only children live in the other time, so that one goes on in
        // place of this one, which ends as it does.
        unsafe {
            if libc::unshare(libc::CLONE_NEWTIME) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            std::fs::write("/proc/self/timens_offsets", &offsets)?;
            match libc::fork() {
                -1 => Err(std::io::Error::last_os_error()),
                0 => Ok(()),
                child => {
                    let mut status = 0;
                    libc::waitpid(child, &raw mut status, 0);
                    libc::_exit(if status == 0 { 0 } else { 4 })
                }
            }
        }
    };
    let mut command = casting(role, &[&stage.arguments[0], &stage.arguments[1]]);
    // SAFETY: as above; the other thread waits for this one and holds no lock that `enter` needs.
    match unsafe { command.pre_exec(enter) }.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(4)),
        Err(error) => {
            eprintln!("this system does not let one live {offset} seconds later: {error}");
            stage.say("not here");
        }
    }
}

/// Ten years later, and three hours ago, if the machine is that old.
const OFFSETS: [&str; 2] = ["315360000", "-10000"];

#[test]
fn processes_whose_clocks_differ_by_years_work_together() {
    if !is_root() {
        return eprintln!("only root can live in another time");
    }
    let (_folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    let mut draw = Draw::new(4);
    let others: Vec<Player> = OFFSETS
        .iter()
        .map(|offset| Player::start("mover in another time", &[text(&path), "7", offset]))
        .filter_map(|mut player| (player.hear() != "not here").then_some(player))
        .collect();
    for _ in 0..300 {
        objects.shift(&mut draw);
    }
    let moves = dismiss(others);
    objects.are_whole(moves + 300);
}

/// Has a lock until it is killed.
fn holder(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    let mut guard = objects.left.write().expect("lock");
    guard.clear().expect("clear");
    stage.say(std::process::id());
    stage.stay();
}

#[test]
fn a_holder_whose_clock_is_another_is_not_robbed_and_its_death_is_noticed() {
    if !is_root() {
        return eprintln!("only root can live in another time");
    }
    let (_folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    for offset in OFFSETS {
        let mut player = Player::start("holder in another time", &[text(&path), "0", offset]);
        let Ok(holder) = player.hear().parse::<libc::pid_t>() else {
            continue;
        };
        let begin = Watch::start();
        let error = objects.left.write_for(Duration::from_millis(200)).expect_err("it is locked");
        assert!(matches!(error, Error::LockTimeout { holder: named, .. } if i64::from(named) == i64::from(holder)));
        assert!(begin.elapsed() >= Duration::from_millis(200));
        assert_eq!(objects.segment.recover().expect("recover"), 0, "it was taken for dead");
        // SAFETY: ends a process that this test had made.
        unsafe { libc::kill(holder, libc::SIGKILL) };
        let begin = Watch::start();
        assert_eq!(objects.left.write().expect("the lock of the dead").len(), ITEMS);
        begin.expect_soon("it");
    }
}

/// Times to jump to and fro between; and which is the next, and how many jumps there were.
static TIMES: [AtomicI32; 3] = [const { AtomicI32::new(-1) }; 3];
static JUMPS: AtomicUsize = AtomicUsize::new(0);

/// Has the clocks of this process jump, in the middle of whatever it does: what the handler of a signal may call.
extern "C" fn jump(_: libc::c_int) {
    let time = TIMES[JUMPS.load(Ordering::Relaxed) % TIMES.len()].load(Ordering::Relaxed);
    // SAFETY: to another namespace, which is there. The number of the interrupted call's error stays.
    unsafe {
        let error = *libc::__errno_location();
        if libc::setns(time, libc::CLONE_NEWTIME) == 0 {
            JUMPS.fetch_add(1, Ordering::Relaxed);
        }
        *libc::__errno_location() = error;
    }
}

/// Moves items in a process whose clocks jump by years, to and fro, every few milliseconds.
fn jumper(stage: &Stage) {
    // Only who has no other thread may jump: a child, which has this one only.
    // SAFETY: it does nothing for which another thread may have had a lock, and ends by itself or with its parent.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: ends this process.
            unsafe { libc::_exit(i32::from(std::panic::catch_unwind(|| move_while_it_jumps(stage)).is_err())) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for that child.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child whose clock jumps failed");
        }
    }
}

fn move_while_it_jumps(stage: &Stage) {
    let open = |path: &str| File::open(path).expect("a namespace");
    let mut times = vec![open("/proc/self/ns/time")];
    for offset in OFFSETS {
        // SAFETY: has effect on children only.
        let new = unsafe { libc::unshare(libc::CLONE_NEWTIME) } == 0;
        let offsets = format!("monotonic {offset} 0\nboottime {offset} 0\n");
        if new && std::fs::write("/proc/self/timens_offsets", offsets).is_ok() {
            times.push(open("/proc/self/ns/time_for_children"));
        }
    }
    if times.len() < TIMES.len() {
        return stage.say("not here");
    }
    TIMES.iter().zip(&times).for_each(|(place, time)| place.store(time.as_raw_fd(), Ordering::Relaxed));
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    let every = libc::timeval { tv_sec: 0, tv_usec: 2_000 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: a handler that calls nothing but what one may call, and a timer for its signal.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let handler = libc::sigaction {
            sa_sigaction: jump as extern "C" fn(libc::c_int) as usize,
            sa_flags: libc::SA_RESTART,
            ..std::mem::zeroed()
        };
        assert_eq!(libc::sigaction(libc::SIGALRM, &raw const handler, std::ptr::null_mut()), 0);
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()), 0);
    }
    let (mut draw, mut moves, mut gave_up, mut largest) = (Draw::new(9), 0, 0, Duration::ZERO);
    while moves < 3_000 || JUMPS.load(Ordering::Relaxed) < 300 {
        let begin = Instant::now();
        match objects.try_to_shift(&mut draw) {
            Ok(()) => moves += 1,
            // It has waited for years, by its own clock.
            Err(Error::LockTimeout { .. }) => gave_up += 1,
            Err(error) => panic!("{error}"),
        }
        largest = largest.max(begin.elapsed());
    }
    let off = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, ..timer };
    let off = libc::itimerval { it_value: off.it_interval, ..off };
    // SAFETY: stops the timer.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const off, std::ptr::null_mut()) };
    assert!(largest > Duration::from_secs(9_000), "the clock did not jump in the middle of anything");
    stage.say(moves);
    stage.say(format!("{gave_up} gave up, {} jumps", JUMPS.load(Ordering::Relaxed)));
}

#[test]
fn who_works_while_its_clock_jumps_by_years_loses_nothing_and_robs_nobody() {
    if !is_root() {
        return eprintln!("only root can live in another time");
    }
    let (_folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    let mut jumper = Player::start("jumper", &[text(&path)]);
    let mut mover = Player::start("mover", &[text(&path), "5"]);
    mover.hear();
    let said = jumper.hear();
    let moves = dismiss(vec![mover]);
    if said == "not here" {
        return eprintln!("this system has no other times");
    }
    println!("{said} moves, {}; {moves} of the other", jumper.hear());
    jumper.end_well();
    objects.are_whole(moves + said.parse::<u64>().expect("a number"));
}

/// How often this program has looked at the clock on the wall.
static LOOKED: AtomicU64 = AtomicU64::new(0);

/// Stands before that of the C library, for this whole program: the clock on the wall shows another year each time.
///
/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: asks the system, and changes what it gave, where the caller wants it.
    unsafe {
        let result = libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int;
        if result == 0 && [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE].contains(&clock) {
            let looked = LOOKED.fetch_add(1, Ordering::Relaxed);
            (*time).tv_sec = (looked % 50) as libc::time_t * 365 * 86_400;
        }
        result
    }
}

#[test]
fn nobody_looks_at_the_clock_on_the_wall_which_jumps_by_years() {
    let (folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    let looked = LOOKED.load(Ordering::Relaxed);
    let mut draw = Draw::new(6);
    (0..100).for_each(|_| objects.shift(&mut draw));
    let held = objects.left.write().expect("lock");
    let other = Segment::options().lock_timeout(Duration::from_millis(20)).open(&path).expect("open");
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| Objects::of(other).try_to_shift(&mut Draw::new(1)).map_err(|error| error.to_string())).join()
    });
    assert!(refused.expect("a thread").is_err(), "the lock was not waited for");
    drop(held);
    let version = objects.left.version();
    assert!(!objects.left.wait(version, Duration::from_millis(20)).is_ok_and(|seen| seen != version));
    objects.segment.heartbeat().expect("a heartbeat");
    assert!(!objects.segment.participants().is_empty());
    objects.segment.shrink_to_usage().expect("shrink");
    objects.segment.snapshot(folder.path().join("copy")).expect("a copy");
    objects.are_whole(100);
    assert_eq!(LOOKED.load(Ordering::Relaxed), looked, "the library looked at it");
    // Whoever looks is seen, and led astray.
    let (first, second) = (SystemTime::now(), SystemTime::now());
    let apart = second.duration_since(first).unwrap_or_else(|back| back.duration());
    assert!(apart > Duration::from_secs(300 * 86_400), "the clock on the wall did not jump");
    assert!(LOOKED.load(Ordering::Relaxed) >= looked + 2);
}

#[test]
fn nothing_reads_the_clock_on_the_wall_which_jumps() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source");
            for clock in ["SystemTime", "CLOCK_REALTIME", "FUTEX_CLOCK_REALTIME", "gettimeofday", "UNIX_EPOCH"] {
                assert!(!source.contains(clock), "{} in {}", clock, path.display());
            }
            looked += 1;
        }
    }
    assert!(looked > 100);
}

/// Has a lock, and a child that has all its descriptors.
fn parent(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    let mut guard = objects.left.write().expect("lock");
    guard.clear().expect("clear");
    let null = std::ptr::null::<libc::c_void>();
    // SAFETY: without flags, clone is fork, of which nobody is told; the child does nothing but wait.
    match unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(libc::SIGCHLD), null, null, null, null) } {
        0 => loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        },
        child => stage.say(child),
    }
    stage.stay();
}

/// Where the process slots are, and the thread slots; their lengths; where a process slot has its pid and start.
const PROCESSES: (u64, u64) = (4096, 64);
const THREADS: (u64, u64) = (8192, 512);
const PID_AT: u64 = 8;
const START_AT: u64 = 16;
const BEACON: usize = 64;

/// A dead process, of which everything says that it lives but for when it was started: its number is that of a living
/// one, its descriptors are open, the sign of life of its thread burns.
#[test]
fn a_dead_process_whose_number_another_has_by_now_keeps_no_lock() {
    let (_folder, path, segment) = segment(1 << 30);
    let objects = Objects::of(segment);
    let file = File::options().read(true).write(true).open(&path).expect("open");
    let word = |at: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).expect("read");
        u64::from_le_bytes(bytes)
    };
    let put = |at: u64, value: u64| file.write_all_at(&value.to_le_bytes(), at).expect("write");
    let slot_of = |pid: u32| {
        let slots = (0..64).map(|slot| PROCESSES.0 + slot * PROCESSES.1);
        slots.into_iter().find(|slot| word(slot + PID_AT) == u64::from(pid)).expect("the slot of a process")
    };
    let beacons = || -> Vec<[u8; BEACON]> {
        let beacon = |slot: u64| {
            let mut bytes = [0; BEACON];
            file.read_exact_at(&mut bytes, THREADS.0 + slot * THREADS.1).expect("read");
            bytes
        };
        (0..8).map(beacon).collect()
    };
    let mut player = Player::start("parent", &[text(&path)]);
    let child: libc::pid_t = player.hear().parse().expect("a pid");
    let (slot, lit) = (slot_of(player.pid()), beacons());
    player.kill();
    let own = slot_of(std::process::id());
    for (number, (lit, now)) in lit.iter().zip(beacons()).enumerate().filter(|(_, (lit, now))| *lit != now) {
        assert_ne!(*lit, now);
        file.write_all_at(lit, THREADS.0 + number as u64 * THREADS.1).expect("write");
    }
    put(slot + PID_AT, u64::from(std::process::id()));
    // If it had been started when the living one was, it would be that one.
    put(slot + START_AT, word(own + START_AT));
    let error = objects.left.write_for(Duration::from_millis(100)).expect_err("all says that it lives");
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    // It was not: numbers are used again much later, however finely the system counts.
    put(slot + START_AT, word(own + START_AT) - 1);
    let begin = Watch::start();
    assert_eq!(objects.left.write().expect("the lock of the dead").len(), ITEMS);
    begin.expect_soon("it");
    // SAFETY: ends a process that this test had made; nobody waits for it.
    unsafe { libc::kill(child, libc::SIGKILL) };
}
