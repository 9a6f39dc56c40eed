//! Reading without the lock: what counts as read is never half a change, nor one that was undone.

use super::{Cell64, PATIENT, Room, Sleep, explore};
use crate::sync::{Word64, version};
use loom::thread;
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// An object of two numbers, which are equal whenever nobody is inside, and may be read from outside.
struct Shelf {
    room: Room,
    numbers: [Cell64; 2],
}

impl Shelf {
    fn new(seats: usize) -> Rc<Shelf> {
        let room = Room::new(seats, Sleep::Nap).seated(0..seats);
        Rc::new(Shelf { room, numbers: [Cell64::new(0), Cell64::new(0)] })
    }

    fn locked(&self, seat: usize, change: impl FnOnce()) {
        let tag = self.room.sit(seat);
        let keep = self.room.lock().write(tag, PATIENT).expect("patience");
        change();
        self.room.lock().unlock_write(keep);
    }

    fn change(&self, seat: usize) {
        self.locked(seat, || {
            let next = self.numbers[0].load(Ordering::Relaxed) + 1;
            self.numbers.iter().for_each(|number| number.store(next, Ordering::Relaxed));
            version::count_change(&self.room.version);
        });
    }

    fn change_and_undo(&self, seat: usize) {
        self.locked(seat, || {
            let old = self.numbers[0].load(Ordering::Relaxed);
            for value in [old + 100, old] {
                self.numbers.iter().for_each(|number| number.store(value, Ordering::Relaxed));
            }
            version::count_undone(&self.room.version);
        });
    }

    /// As `change`, by who is favoured if that is still so.
    fn change_favoured(&self, seat: usize) {
        let (me, holds) = self.room.favour_of(seat);
        if !self.room.lock().enter(me, holds, &self.room.version) {
            return self.change(seat);
        }
        let next = self.numbers[0].load(Ordering::Relaxed) + 1;
        self.numbers.iter().for_each(|number| number.store(next, Ordering::Relaxed));
        self.room.lock().leave_changed(me, holds, &self.room.version);
    }

    fn look(&self) -> Option<u64> {
        let seen = version::look(&self.room.version);
        let numbers = [0, 1].map(|which: usize| self.numbers[which].load(Ordering::Relaxed));
        if !version::is_still(&self.room.word, &self.room.version, seen) {
            return None;
        }
        assert_eq!(numbers[0], numbers[1], "read half a change");
        assert!(numbers[0] < 100, "read what was undone");
        Some(numbers[0])
    }
}

#[test]
fn without_the_lock_no_half_a_change_is_read() {
    explore(3, || {
        let shelf = Shelf::new(1);
        let writer = {
            let shelf = shelf.clone();
            thread::spawn(move || (0..2).for_each(|_| shelf.change(0)))
        };
        let (first, second) = (shelf.look(), shelf.look());
        assert!(first.zip(second).is_none_or(|(first, second)| first <= second), "went back in time");
        writer.join().expect("a writer");
        assert_eq!(shelf.look(), Some(2));
    });
}

#[test]
fn without_the_lock_nothing_undone_is_read() {
    explore(3, || {
        let shelf = Shelf::new(1);
        let writer = {
            let shelf = shelf.clone();
            thread::spawn(move || {
                shelf.change_and_undo(0);
                shelf.change(0);
            })
        };
        shelf.look();
        writer.join().expect("a writer");
        assert_eq!(shelf.look(), Some(1));
    });
}

#[test]
fn without_the_lock_no_half_a_change_of_the_favoured_one_is_read() {
    explore(3, || {
        let shelf = Shelf::new(1);
        shelf.room.favour(0);
        let writer = {
            let shelf = shelf.clone();
            thread::spawn(move || (0..2).for_each(|_| shelf.change_favoured(0)))
        };
        let (first, second) = (shelf.look(), shelf.look());
        assert!(first.zip(second).is_none_or(|(first, second)| first <= second), "went back in time");
        writer.join().expect("a writer");
        assert_eq!(shelf.look(), Some(2));
    });
}
