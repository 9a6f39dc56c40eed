//! Sleeping on a shared word, and on the life of a thread beside it.
//!
//! Linux: futexes, not the private kind, so that the kernel identifies the word by its page and the
//! processes may map it anywhere. The kernel compares the word with the expected value and goes to
//! sleep in one step, so no wake is lost between a look and the sleep.
//!
//! Waiting for a word *or* a death is `futex_waitv` on the word and on the beacon's word: who
//! sleeps has armed the beacon first (see [`super::beacon`]), the kernel compares both. When a
//! thread dies, the kernel wakes one sleeper only; so who wakes up beside a dead beacon wakes all
//! the others. Kernels before 5.16 do not have the call, and some sandboxes forbid it: then the
//! sleep is cut into slices of a few milliseconds, with a look at the beacon after each.
//!
//! Other Unixes: the words are looked at every millisecond.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::super::{BeaconState, ProcessId, WaitKey};
use super::beacon::{Armed, Beacon};
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
use super::futex as system;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
use super::poll as system;

/// How long one sleeps without a look at whether the owner lives, where its death does not wake.
const SLICE: Duration = Duration::from_millis(5);

pub fn wait(_key: WaitKey, word: &AtomicU32, expected: u32, timeout: Duration) {
    if word.load(Ordering::Acquire) == expected {
        system::wait(word, expected, timeout);
    }
}

pub fn wait_or_death(
    _key: WaitKey,
    word: &AtomicU32,
    expected: u32,
    beacon: &Beacon,
    owner: &ProcessId,
    timeout: Duration,
) {
    if word.load(Ordering::Acquire) != expected {
        return;
    }
    match beacon.arm() {
        Armed::Dead => return,
        Armed::Yes(armed) => {
            if !system::wait_for_either(word, expected, beacon.word(), armed, timeout) {
                wait_in_slices(word, expected, beacon, owner, timeout);
            }
        }
        Armed::No if beacon.state() == BeaconState::Unknown => {
            wait_in_slices(word, expected, beacon, owner, timeout);
        }
        Armed::No => {
            system::wait(word, expected, timeout.min(SLICE));
        }
    }
    if beacon.state() == BeaconState::Dead {
        wake_beacon(beacon);
    }
}

pub fn wake(_key: WaitKey, word: &AtomicU32, count: u32) {
    system::wake(word, count);
}

pub fn wake_beacon(beacon: &Beacon) {
    system::wake(beacon.word(), u32::MAX);
}

/// Sleeps on the word alone, and looks between slices whether its owner lives.
fn wait_in_slices(word: &AtomicU32, expected: u32, beacon: &Beacon, owner: &ProcessId, timeout: Duration) {
    let start = Instant::now();
    while word.load(Ordering::Acquire) == expected {
        let gone = match beacon.state() {
            BeaconState::Held => false,
            BeaconState::Unknown => owner.is_gone() == Some(true),
            BeaconState::Dead | BeaconState::Free => true,
        };
        let left = timeout.saturating_sub(start.elapsed());
        if gone || left.is_zero() {
            return;
        }
        if system::wait(word, expected, left.min(SLICE)) {
            return;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::super::testing::{fork_child, serial, temp_file};
    use super::super::super::{Access, Mapping};
    use super::*;

    const KEY: WaitKey = WaitKey { segment: 0, offset: 0 };
    const LONG: Duration = Duration::from_secs(30);
    const SOON: Duration = Duration::from_secs(1);

    /// A mapped page with a word at its start and a beacon behind.
    fn page() -> (tempfile::TempDir, Mapping) {
        let (dir, file, _path) = temp_file();
        super::super::extend(&file, 0, 4096).unwrap();
        (dir, Mapping::new(&file, 4096, Access::ReadWrite).unwrap())
    }

    fn parts(map: &Mapping) -> (&AtomicU32, *mut Beacon, &Beacon) {
        let beacon = map.base().wrapping_add(64).cast::<Beacon>();
        // SAFETY: the file has this page, it is aligned, and atomics may be anything.
        unsafe { (&*map.base().cast::<AtomicU32>(), beacon, &*beacon) }
    }

    /// Waits, as its users do, until the word changes or the beacon is dead.
    fn wait_out(word: &AtomicU32, beacon: &Beacon) -> Duration {
        let start = Instant::now();
        let owner = ProcessId::current();
        while word.load(Ordering::SeqCst) == 0 && beacon.state() != BeaconState::Dead {
            assert!(start.elapsed() < LONG, "never woke");
            wait_or_death(KEY, word, 0, beacon, &owner, LONG);
        }
        start.elapsed()
    }

    /// Waits until a thread sleeps on the armed beacon: its state in /proc is S, in the call.
    fn await_sleep(thread: u64) {
        let start = Instant::now();
        let path = format!("/proc/self/task/{thread}/stat");
        loop {
            let stat = std::fs::read_to_string(&path).unwrap();
            if stat[stat.rfind(')').unwrap()..].starts_with(") S") {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "does not fall asleep");
            std::thread::yield_now();
        }
    }

    #[test]
    #[cfg_attr(commy_portable, ignore = "beacons mark no dead there")]
    fn a_word_that_changed_before_the_sleep_is_not_slept_on() {
        let (_dir, map) = page();
        let (word, raw, beacon) = parts(&map);
        let start = Instant::now();
        word.store(1, Ordering::SeqCst);
        wait(KEY, word, 0, LONG);
        assert!(system::wait(word, 0, LONG), "the kernel's own comparison");
        // SAFETY: nobody holds it, and the page stays until it is released.
        unsafe { Beacon::hold(raw).unwrap() };
        let owner = ProcessId::current();
        wait_or_death(KEY, word, 0, beacon, &owner, LONG);
        let Armed::Yes(armed) = beacon.arm() else { panic!("held") };
        system::wait_for_either(word, 0, beacon.word(), armed, LONG);
        word.store(0, Ordering::SeqCst);
        // An outdated value of the beacon, as if its holder had died between the two.
        system::wait_for_either(word, 0, beacon.word(), armed | 0x4000_0000, LONG);
        // SAFETY: held above.
        unsafe { Beacon::release(raw) };
        assert!(start.elapsed() < SOON);
    }

    #[test]
    fn timeouts_end_a_wait_that_nobody_ends() {
        let (_dir, map) = page();
        let (word, raw, beacon) = parts(&map);
        let owner = ProcessId::current();
        let short = Duration::from_millis(20);
        // SAFETY: nobody holds it, and the page stays until it is released.
        unsafe { Beacon::hold(raw).unwrap() };
        let start = Instant::now();
        wait(KEY, word, 0, short);
        wait_or_death(KEY, word, 0, beacon, &owner, short);
        wait_in_slices(word, 0, beacon, &owner, short);
        let took = start.elapsed();
        // SAFETY: held above.
        unsafe { Beacon::release(raw) };
        assert!(took >= Duration::from_millis(20) && took < LONG, "{took:?}");
        // Free: no death to wait for, so it comes back at once.
        wait_or_death(KEY, word, 0, beacon, &owner, LONG);
        assert!(start.elapsed() < LONG);
        wait(KEY, word, 1, Duration::MAX);
    }

    #[test]
    fn a_wake_from_another_process_is_not_lost() {
        let _serial = serial();
        let (_dir, map) = page();
        let (word, raw, beacon) = parts(&map);
        // SAFETY: nobody holds it, and the page stays until it is released.
        unsafe { Beacon::hold(raw).unwrap() };
        for round in 0..200 {
            word.store(0, Ordering::SeqCst);
            let mut child = fork_child(|pipe| {
                pipe.hear();
                word.store(1, Ordering::SeqCst);
                wake(KEY, word, 1);
            });
            let start = Instant::now();
            child.say(0);
            while word.load(Ordering::SeqCst) == 0 {
                if round % 2 == 0 {
                    wait(KEY, word, 0, LONG);
                } else {
                    wait_or_death(KEY, word, 0, beacon, &ProcessId::current(), LONG);
                }
            }
            assert!(start.elapsed() < Duration::from_secs(10));
            assert_eq!(child.reap(), 0);
        }
        // SAFETY: held above.
        unsafe { Beacon::release(raw) };
    }

    #[test]
    #[cfg_attr(commy_portable, ignore = "beacons mark no dead there")]
    fn death_of_a_holder_does_not_leave_sleepers_asleep() {
        let _serial = serial();
        let (_dir, map) = page();
        let (word, raw, beacon) = parts(&map);
        let mut child = fork_child(|pipe| {
            // SAFETY: nobody holds it, and this process keeps the page for ever.
            pipe.say(u8::from(unsafe { Beacon::hold(raw) }.is_ok()));
            pipe.hear();
        });
        assert_eq!(child.hear(), 1);
        assert_eq!(beacon.state(), BeaconState::Held);
        std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let sleepers: Vec<_> = (0..4)
                .map(|_| {
                    let tell = tell.clone();
                    scope.spawn(move || {
                        tell.send(super::super::current_thread_id()).unwrap();
                        wait_out(word, beacon);
                        Instant::now()
                    })
                })
                .collect();
            for _ in 0..4 {
                await_sleep(told.recv().unwrap());
            }
            let killed = Instant::now();
            child.kill();
            for sleeper in sleepers {
                assert!(sleeper.join().unwrap() - killed < SOON);
            }
        });
        assert_eq!(beacon.state(), BeaconState::Dead);
        // It can be taken again by who comes after.
        // SAFETY: its holder is dead, and the page stays until it is released.
        unsafe { Beacon::hold(raw).unwrap() };
        assert_eq!(beacon.state(), BeaconState::Held);
        // SAFETY: held above.
        unsafe { Beacon::release(raw) };
        assert_eq!(beacon.state(), BeaconState::Free);
    }

    #[test]
    #[cfg_attr(commy_portable, ignore = "beacons mark no dead there")]
    fn death_is_noticed_without_the_call_for_two_words() {
        let _serial = serial();
        let (_dir, map) = page();
        let (word, raw, beacon) = parts(&map);
        let mut child = fork_child(|pipe| {
            // SAFETY: nobody holds it, and this process keeps the page for ever.
            pipe.say(u8::from(unsafe { Beacon::hold(raw) }.is_ok()));
            pipe.hear();
        });
        assert_eq!(child.hear(), 1);
        std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let sleeper = scope.spawn(move || {
                tell.send(super::super::current_thread_id()).unwrap();
                wait_in_slices(word, 0, beacon, &ProcessId::current(), LONG);
                Instant::now()
            });
            await_sleep(told.recv().unwrap());
            let killed = Instant::now();
            child.kill();
            assert!(sleeper.join().unwrap() - killed < SOON);
        });
    }
}
