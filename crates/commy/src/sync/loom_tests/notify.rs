//! The notification of changes: nobody sleeps through one.

use super::{Cell32, PATIENT, Room, Sleep, explore};
use crate::sync::version::changes;
use crate::sync::{Bed, Notify, Word32, Word64};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A room with a bed for those who wait for a change of its object. In the bed one sleeps deeply: without a
/// wake, for ever, and then loom says so.
struct Dormitory {
    room: Room,
    sleepers: Cell32,
    bed: Mutex<()>,
    bell: Condvar,
}

impl Bed for Dormitory {
    type Word = Cell32;

    fn sleep(&self, word: &Cell32, seen: u32, _time: Duration) {
        let asleep = self.bed.lock().expect("nobody panics in bed");
        if word.load(Ordering::Relaxed) == seen {
            drop(self.bell.wait(asleep));
        }
    }

    fn wake_all(&self, _word: &Cell32) {
        drop(self.bed.lock());
        self.bell.notify_all();
    }
}

impl Dormitory {
    fn new(seats: usize) -> Rc<Dormitory> {
        Rc::new(Dormitory {
            room: Room::new(seats, Sleep::Nap).seated(0..seats),
            sleepers: Cell32::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        })
    }

    fn notify(&self) -> Notify<'_, Dormitory> {
        Notify { sleepers: &self.sleepers, bed: self }
    }

    fn write(&self, index: usize) {
        let tag = self.room.sit(index);
        self.room.write(index, tag);
        self.notify().changed();
    }

    /// Waits until the version differs; `lock` or not while arming.
    fn wait(&self, index: usize, seen: u64, locked: bool) -> u64 {
        let tag = self.room.sit(index);
        let arm = || -> Result<_, ()> {
            if !locked {
                return Ok(Some(self.notify().arm()));
            }
            let mark = self.room.mark_of(index);
            self.room.lock().read(crate::sync::favourite(index), mark, tag, PATIENT).expect("patience");
            let armed = self.notify().arm();
            self.room.lock().unlock_read(mark);
            Ok(Some(armed))
        };
        self.notify()
            .wait_changed(|| changes(self.room.version.load(Ordering::Acquire)), seen, || PATIENT, arm)
            .expect("patience")
    }
}

#[test]
fn a_change_is_not_slept_through() {
    explore(3, || {
        let dormitory = Dormitory::new(2);
        let other = dormitory.clone();
        let writer = thread::spawn(move || other.write(1));
        assert_eq!(dormitory.wait(0, 0, true), 1);
        writer.join().expect("a writer");
    });
}

#[test]
fn neither_of_two_changes_is_slept_through() {
    explore(2, || {
        let dormitory = Dormitory::new(2);
        let other = dormitory.clone();
        let writer = thread::spawn(move || {
            other.write(1);
            other.write(1);
        });
        let seen = dormitory.wait(0, 0, true);
        if seen < 2 {
            assert_eq!(dormitory.wait(0, seen, true), 2);
        }
        writer.join().expect("a writer");
    });
}

#[test]
fn a_change_wakes_all_who_sleep() {
    explore(2, || {
        let dormitory = Dormitory::new(3);
        let sleeper = |index| {
            let other = dormitory.clone();
            thread::spawn(move || other.wait(index, 0, true))
        };
        let sleepers = [sleeper(1), sleeper(2)];
        dormitory.write(0);
        for sleeper in sleepers {
            assert_eq!(sleeper.join().expect("a sleeper"), 1);
        }
    });
}

#[test]
fn two_who_change_at_once_leave_nobody_asleep() {
    explore(1, || {
        let dormitory = Dormitory::new(3);
        let writer = |index| {
            let other = dormitory.clone();
            thread::spawn(move || other.write(index))
        };
        let writers = [writer(1), writer(2)];
        let mut seen = 0;
        while seen < 2 {
            seen = dormitory.wait(0, seen, true);
        }
        for writer in writers {
            writer.join().expect("a writer");
        }
    });
}

#[test]
fn who_armed_before_a_change_does_not_sleep_on_the_bit_of_who_arms_after_it() {
    explore(3, || {
        let dormitory = Dormitory::new(1);
        let armed = dormitory.notify().arm();
        let (writer, late) = (dormitory.clone(), dormitory.clone());
        let writer = thread::spawn(move || writer.notify().changed());
        let late = thread::spawn(move || late.notify().arm());
        dormitory.notify().sleep(armed, PATIENT);
        writer.join().expect("a writer");
        late.join().expect("one who arms and sees that there was a change");
    });
}

/// What the lock is good for: without it, the version may be loaded before and the bit stored after the
/// other side did the same.
#[test]
#[should_panic(expected = "deadlock")]
fn without_the_lock_a_change_could_be_slept_through() {
    explore(3, || {
        let dormitory = Dormitory::new(2);
        let other = dormitory.clone();
        let writer = thread::spawn(move || other.write(1));
        dormitory.wait(0, 0, false);
        writer.join().expect("a writer");
    });
}
