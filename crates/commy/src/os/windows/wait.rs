//! Sleeping on a shared word, and on the life of a process beside it.
//!
//! `WaitOnAddress` knows only the threads of its own process, so a sleeper waits for the word's
//! named event ([`super::event`]): open the event, look at the word, sleep. Who wakes changes the
//! word and signals the event.
//!
//! An event holds one signal. Several wakes that come before their sleepers have fallen asleep melt
//! into one, and a signal may let through one who came later. Therefore nobody sleeps longer than a
//! slice without a look at the word: a lost wake costs that, not the whole timeout.
//!
//! A death is the process's handle being signalled, for which one can wait together with the event.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{HANDLE, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::WaitForMultipleObjects;

use super::super::{BeaconState, ProcessId, WaitKey};
use super::beacon::Beacon;
use super::event;
use super::process::{Found, find};

/// How long one sleeps without a look at the word.
const SLICE: Duration = Duration::from_millis(20);
/// The same, when nothing would wake: the event is not to be had.
const POLL: Duration = Duration::from_millis(1);
/// How long one sleeps for an owner that has let go of its beacon, or cannot be watched.
const UNWATCHED: Duration = Duration::from_millis(5);
/// How many signals "wake all" sends; who is beyond that finds out within a slice.
const MOST_SIGNALS: u32 = 32;

pub fn wait(key: WaitKey, word: &AtomicU32, expected: u32, timeout: Duration) {
    sleep(key, word, expected, None, timeout);
}

pub fn wait_or_death(
    key: WaitKey,
    word: &AtomicU32,
    expected: u32,
    beacon: &Beacon,
    owner: &ProcessId,
    timeout: Duration,
) {
    if word.load(Ordering::Acquire) != expected {
        return;
    }
    if beacon.state() == BeaconState::Free {
        return sleep(key, word, expected, None, timeout.min(UNWATCHED));
    }
    match find(owner) {
        Found::Gone => {}
        Found::Alive(process) => sleep(key, word, expected, Some(&process), timeout),
        Found::Unknown => sleep(key, word, expected, None, timeout.min(UNWATCHED)),
    }
}

pub fn wake(key: WaitKey, _word: &AtomicU32, count: u32) {
    event::signal(key, count.min(MOST_SIGNALS));
}

/// Nobody sleeps on a beacon here: a process's handle wakes all who wait for it.
pub fn wake_beacon(_beacon: &Beacon) {}

fn sleep(key: WaitKey, word: &AtomicU32, expected: u32, process: Option<&OwnedHandle>, timeout: Duration) {
    let start = Instant::now();
    if word.load(Ordering::Acquire) != expected {
        return;
    }
    let event = event::create(key);
    let slice = if event.is_some() { SLICE } else { POLL };
    let handles: Vec<HANDLE> = event.as_deref().into_iter().chain(process).map(|h| h.as_raw_handle()).collect();
    while word.load(Ordering::Acquire) == expected {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return;
        }
        let left = left.min(slice);
        if handles.is_empty() {
            std::thread::sleep(left);
            continue;
        }
        let millis = left.as_micros().div_ceil(1000) as u32;
        // SAFETY: one or two open handles with the right to wait, kept open by `event` and by the
        // caller.
        let woken = unsafe { WaitForMultipleObjects(handles.len() as u32, handles.as_ptr(), 0, millis) };
        if woken != WAIT_TIMEOUT {
            return;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    const LONG: Duration = Duration::from_secs(30);
    const SOON: Duration = Duration::from_secs(5);

    fn key(offset: u64) -> WaitKey {
        WaitKey { segment: u128::from(std::process::id()), offset }
    }

    /// A process that lives until it is killed: this test program, held up by its input.
    pub fn sleeping_child() -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "os::windows::wait::tests::a_child_sleeps", "--nocapture"]);
        command.env("COMMY_TEST_SLEEP", "1").stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    /// The body of [`sleeping_child`]; as a test of its own it does nothing.
    #[test]
    fn a_child_sleeps() {
        if std::env::var_os("COMMY_TEST_SLEEP").is_some() {
            let _ = std::io::stdin().read_line(&mut String::new());
        }
    }

    fn held_beacon() -> Beacon {
        // SAFETY: zeros are a beacon that nobody holds.
        let mut beacon: Beacon = unsafe { std::mem::zeroed() };
        // SAFETY: nobody else knows it.
        unsafe { Beacon::hold(&mut beacon).unwrap() };
        beacon
    }

    #[test]
    fn a_word_that_changed_before_the_sleep_is_not_slept_on() {
        let start = Instant::now();
        let word = AtomicU32::new(1);
        wait(key(1), &word, 0, LONG);
        wait_or_death(key(1), &word, 0, &held_beacon(), &ProcessId::current(), LONG);
        assert!(start.elapsed() < SOON);
    }

    #[test]
    fn timeouts_end_a_wait_that_nobody_ends() {
        let start = Instant::now();
        let word = AtomicU32::new(0);
        let short = Duration::from_millis(30);
        wait(key(2), &word, 0, short);
        wait_or_death(key(2), &word, 0, &held_beacon(), &ProcessId::current(), short);
        assert!(start.elapsed() >= short && start.elapsed() < LONG);
    }

    #[test]
    fn wakes_are_not_lost() {
        let word = AtomicU32::new(0);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for sleeper in 0..4 {
                let word = &word;
                scope.spawn(move || {
                    let beacon = held_beacon();
                    for round in 0..50 {
                        while word.load(Ordering::SeqCst) <= round {
                            if sleeper % 2 == 0 {
                                wait(key(3), word, round, LONG);
                            } else {
                                let own = ProcessId::current();
                                wait_or_death(key(3), word, round, &beacon, &own, LONG);
                            }
                        }
                    }
                });
            }
            for _ in 0..50 {
                word.fetch_add(1, Ordering::SeqCst);
                wake(key(3), &word, u32::MAX);
                std::thread::yield_now();
            }
        });
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn death_of_a_holder_does_not_leave_a_sleeper_asleep() {
        let mut child = sleeping_child();
        let beacon = held_beacon();
        let word = AtomicU32::new(0);
        let owner = super::super::process::tests::identity_of(&child);
        std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let (word, beacon) = (&word, &beacon);
            let sleeper = scope.spawn(move || {
                tell.send(()).unwrap();
                while owner.is_gone() != Some(true) {
                    wait_or_death(key(4), word, 0, beacon, &owner, LONG);
                }
                Instant::now()
            });
            told.recv().unwrap();
            let killed = Instant::now();
            child.kill().unwrap();
            assert!(sleeper.join().unwrap().saturating_duration_since(killed) < SOON);
        });
        child.wait().unwrap();
    }
}
