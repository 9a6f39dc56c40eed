//! Favours: whoever is favoured and whoever is not are never inside together, and the dead keep no favour from ending.

use super::lock::{also, room};
use super::{Room, explore, explore_deaths, live};
use crate::sync::version::{self, changes};
use crate::sync::{Word32, Word64, favourite};
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// A room in which seat 0 is favoured.
fn favouring(seats: usize) -> Rc<Room> {
    let room = room(seats);
    room.favour(0);
    room
}

#[test]
fn the_favoured_and_another_writer_are_never_inside_together() {
    explore(3, || {
        let room = favouring(2);
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        room.write_favoured(0, tag);
        room.write_favoured(0, tag);
        other.join().expect("a writer");
        assert_eq!(room.look(), 3);
        assert_eq!(changes(room.version.load(Ordering::Relaxed)), 3);
    });
}

#[test]
fn the_favoured_and_two_writers_are_never_inside_together() {
    explore(2, || {
        let room = favouring(3);
        let others = [1, 2].map(|seat| also(&room, seat, move |room, tag| room.write(seat, tag)));
        let tag = room.sit(0);
        room.write_favoured(0, tag);
        others.into_iter().for_each(|other| other.join().expect("a writer"));
        assert_eq!(room.look(), 3);
    });
}

#[test]
fn the_favoured_and_a_reader_are_never_inside_together() {
    explore(3, || {
        let room = favouring(2);
        let other = also(&room, 1, |room, tag| room.read(1, tag));
        let tag = room.sit(0);
        room.write_favoured(0, tag);
        let seen = other.join().expect("a reader");
        assert!(seen <= 1 && room.look() == 1);
    });
}

/// The one is favoured when the other has seen that nobody is, and has not yet said that it reads.
#[test]
fn who_becomes_favoured_and_a_reader_are_never_inside_together() {
    explore(3, || {
        let room = room(2);
        room.allow_favours();
        let other = also(&room, 1, |room, tag| room.read(1, tag));
        let tag = room.sit(0);
        let keep = room.lock().write(tag, super::PATIENT).expect("patience");
        if keep == 0 {
            room.lock().favour(favourite(0));
        }
        room.lock().unlock_write(keep);
        room.write_favoured(0, tag);
        other.join().expect("a reader");
        assert_eq!(room.look(), 1);
    });
}

#[test]
fn two_that_are_favoured_in_turn_are_never_inside_together() {
    explore(2, || {
        let room = favouring(2);
        let other = also(&room, 1, |room, tag| {
            let keep = room.lock().write(tag, super::PATIENT).expect("patience");
            if keep == 0 {
                room.lock().favour(favourite(1));
            }
            room.lock().unlock_write(keep);
            room.write_favoured(1, tag);
        });
        let tag = room.sit(0);
        room.write_favoured(0, tag);
        room.write_favoured(0, tag);
        other.join().expect("a writer");
        assert_eq!(room.look(), 3);
    });
}

#[test]
fn favoured_readers_and_a_writer_are_never_inside_together() {
    explore(3, || {
        let room = room(2);
        room.allow_favours();
        let tag = room.sit(0);
        room.read(0, tag);
        room.lock().favour_readers();
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        assert!(room.read(0, tag) <= room.read(0, tag), "went back");
        other.join().expect("a writer");
        assert_eq!(room.look(), 1);
    });
}

/// The favoured one is killed at every step, while another does what it does.
fn the_favoured_one_dies(preemptions: usize, act: fn(&Room, u64)) {
    explore_deaths(preemptions, move |steps| {
        let room = favouring(2);
        let other = also(&room, 1, move |room, tag| act(room, tag));
        let tag = room.sit(0);
        let killed = live(steps, || room.write_favoured(0, tag)).is_none();
        if killed {
            room.mourn(0, 0);
        }
        other.join().expect("a survivor");
        room.sit(1);
        room.write(1, crate::participant::tag(1, 0));
        assert_eq!(room.look(), room.commits.load(Ordering::Relaxed), "neither whole nor undone");
        assert!(!version::is_odd(room.version.load(Ordering::Relaxed)), "nobody is inside");
        killed
    });
}

#[test]
fn a_favoured_one_that_died_is_recovered_by_a_writer() {
    the_favoured_one_dies(3, |room, tag| room.write(1, tag));
}

#[test]
fn a_favoured_one_that_died_is_recovered_by_a_reader() {
    the_favoured_one_dies(3, |room, tag| {
        room.read(1, tag);
    });
}

#[test]
fn who_dies_ending_a_favour_leaves_that_to_the_next() {
    explore_deaths(2, |steps| {
        let room = favouring(3);
        let ender = also(&room, 1, move |room, tag| {
            let killed = live(steps, || room.write(1, tag)).is_none();
            if killed {
                room.mourn(1, 1);
            }
            killed
        });
        let tag = room.sit(0);
        room.write_favoured(0, tag);
        let tag = room.sit(2);
        room.write(2, tag);
        let killed = ender.join().expect("who ends it");
        assert_eq!(room.waiters.load(Ordering::Relaxed) & !3, 0, "a favour is left");
        room.write(2, tag);
        assert_eq!(room.look(), room.commits.load(Ordering::Relaxed), "neither whole nor undone");
        killed
    });
}
