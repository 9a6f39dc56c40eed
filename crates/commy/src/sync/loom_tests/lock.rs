//! The lock: never two inside who must not be, and nobody left waiting by the dead.

use super::{PATIENT, Room, Sleep, explore, explore_deaths, live};
use crate::sync::version::changes;
use crate::sync::{Blocked, OWNER, Word64, favourite};
use loom::thread;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Hint of the seats whose number is 0 modulo 16.
const HINT_0: u64 = 1 << 48;

pub(super) fn room(seats: usize) -> Rc<Room> {
    Rc::new(Room::new(seats, Sleep::Nap).seated(0..seats))
}

/// Another participant, in the seat of that number.
pub(super) fn also<R: 'static>(
    room: &Rc<Room>,
    seat: usize,
    body: impl FnOnce(&Room, u64) -> R + 'static,
) -> thread::JoinHandle<R> {
    let room = room.clone();
    thread::spawn(move || {
        let tag = room.sit(seat);
        body(&room, tag)
    })
}

#[test]
fn two_writers_are_never_inside_together() {
    explore(3, || {
        let room = room(2);
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        room.write(0, tag);
        room.write(0, tag);
        other.join().expect("a writer");
        assert_eq!(room.look(), 3);
    });
}

#[test]
fn three_writers_are_never_inside_together() {
    explore(2, || {
        let room = room(3);
        let others = [1, 2].map(|seat| also(&room, seat, move |room, tag| room.write(seat, tag)));
        let tag = room.sit(0);
        room.write(0, tag);
        others.into_iter().for_each(|other| other.join().expect("a writer"));
        assert_eq!(room.look(), 3);
    });
}

/// Who waits may see the owner's name in the word before it sees the owner's slot taken.
#[test]
fn an_owner_that_has_just_come_is_not_taken_for_one_that_is_gone() {
    explore(3, || {
        let room = Rc::new(Room::new(2, Sleep::Nap).seated([0]));
        let other = {
            let room = room.clone();
            thread::spawn(move || {
                room.sit(1);
                let tag = room.claim(1).expect("a free seat");
                room.write(1, tag);
            })
        };
        let tag = room.sit(0);
        room.write(0, tag);
        other.join().expect("a writer");
        assert_eq!(room.look(), 2);
    });
}

#[test]
fn a_reader_and_a_writer_are_never_inside_together() {
    explore(3, || {
        let room = room(2);
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        let first = room.read(0, tag);
        assert!(first <= room.read(0, tag), "went back");
        other.join().expect("a writer");
        assert_eq!(room.read(0, tag), 1);
    });
}

/// The reader may still see the word as it was when its hint was set.
#[test]
fn a_reader_whose_hint_was_dropped_is_never_inside_with_a_writer() {
    explore(3, || {
        let room = room(2);
        room.word.store(HINT_0, Ordering::Relaxed);
        let other = also(&room, 1, |room, tag| {
            room.write(1, tag);
            room.write(1, tag);
        });
        let tag = room.sit(0);
        room.read(0, tag);
        other.join().expect("a writer");
    });
}

#[test]
fn two_readers_and_a_writer_are_never_inside_together() {
    explore(2, || {
        let room = room(3);
        let others = [1, 2].map(|seat| {
            also(&room, seat, move |room, tag| {
                room.read(seat, tag);
            })
        });
        let tag = room.sit(0);
        room.write(0, tag);
        others.into_iter().for_each(|other| other.join().expect("a reader"));
        assert_eq!(room.look(), 1);
    });
}

/// The second reader finds the hint set by the first and enters without touching the word.
#[test]
fn readers_that_share_a_hint_are_both_waited_for() {
    explore(2, || {
        let room = Rc::new(Room::new(17, Sleep::Nap).seated([0, 1, 16]));
        let others = [0, 16].map(|seat| {
            also(&room, seat, move |room, tag| {
                room.read(seat, tag);
            })
        });
        let tag = room.sit(1);
        room.write(1, tag);
        others.into_iter().for_each(|other| other.join().expect("a reader"));
    });
}

/// The mark goes over from one object to the next without the writer seeing it empty.
#[test]
fn a_reader_that_went_on_to_another_object_has_left_the_first() {
    explore(3, || {
        let room = room(2);
        room.word.store(HINT_0, Ordering::Relaxed);
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        room.read(0, tag);
        room.read_elsewhere(0, tag);
        other.join().expect("a writer");
    });
}

#[test]
fn a_writer_that_gave_up_hides_no_reader_from_the_next() {
    explore(3, || {
        let room = room(2);
        let other = also(&room, 0, |room, tag| {
            room.read(0, tag);
        });
        let tag = room.sit(1);
        if let Ok(keep) = room.lock().write(tag, Duration::ZERO) {
            room.change(1);
            room.lock().unlock_write(keep);
        }
        room.write(1, tag);
        other.join().expect("a reader");
    });
}

#[test]
fn a_reader_that_gave_up_holds_no_writer_up() {
    explore(3, || {
        let room = room(2);
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        let mark = room.mark_of(0);
        match room.lock().read(favourite(0), mark, tag, Duration::ZERO) {
            Ok(_) => {
                room.look();
                room.lock().unlock_read(mark);
            }
            Err(blocked) => assert_eq!(blocked, Blocked::Timeout(crate::participant::tag(1, 0))),
        }
        other.join().expect("a writer");
        assert_eq!(mark.load(Ordering::Relaxed), 0);
    });
}

/// The occupant of seat 0 is killed at every step of a write, while others do what they do.
fn a_writer_dies(preemptions: usize, others: &'static [fn(&Room, usize, u64)]) {
    explore_deaths(preemptions, move |steps| {
        let room = room(1 + others.len());
        let survivors: Vec<_> = others
            .iter()
            .enumerate()
            .map(|(index, act)| also(&room, 1 + index, move |room, tag| act(room, 1 + index, tag)))
            .collect();
        let tag = room.sit(0);
        let killed = live(steps, || room.write(0, tag)).is_none();
        let held = room.word.load(Ordering::Relaxed) & OWNER == tag;
        if killed {
            room.mourn(0, 0);
        }
        survivors.into_iter().for_each(|survivor| survivor.join().expect("a survivor"));
        // The lock works.
        room.sit(1);
        room.write(1, crate::participant::tag(1, 0));
        assert_eq!(room.look(), room.commits.load(Ordering::Relaxed), "neither whole nor undone");
        let burials = room.burials.load(Ordering::Relaxed);
        assert!(burials <= u64::from(killed) && burials >= u64::from(killed && held), "buried {burials} times");
        killed
    });
}

#[test]
fn a_dead_writer_is_recovered_by_a_waiting_writer() {
    a_writer_dies(3, &[Room::write]);
}

#[test]
fn a_dead_writer_is_recovered_by_a_waiting_reader() {
    a_writer_dies(
        3,
        &[|room, seat, tag| {
            room.read(seat, tag);
        }],
    );
}

#[test]
fn a_writer_that_dies_while_two_wait_is_recovered_by_exactly_one() {
    a_writer_dies(1, &[Room::write, Room::write]);
}

#[test]
fn a_dead_writer_is_recovered_by_exactly_one_of_two() {
    explore(3, || {
        let room = room(3);
        // Killed between the two numbers.
        let tag = room.sit(0);
        assert!(live(3, || room.write(0, tag)).is_none());
        room.mourn(0, 0);
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(2);
        room.write(2, tag);
        other.join().expect("a writer");
        assert_eq!(room.look(), 2);
        assert_eq!(room.burials.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_rescuer_that_dies_is_replaced() {
    explore_deaths(2, |steps| {
        let room = room(3);
        // Killed between the two numbers.
        let tag = room.sit(0);
        assert!(live(3, || room.write(0, tag)).is_none());
        room.mourn(0, 0);
        let rescuer = also(&room, 1, move |room, tag| {
            let killed = live(steps, || room.write(1, tag)).is_none();
            if killed {
                room.mourn(1, 1);
            }
            killed
        });
        let tag = room.sit(2);
        room.write(2, tag);
        let killed = rescuer.join().expect("a rescuer");
        room.write(2, tag);
        assert_eq!(room.look(), room.commits.load(Ordering::Relaxed), "neither whole nor undone");
        killed
    });
}

/// Who takes over from it has to wait for the reader too.
#[test]
fn a_writer_that_dies_waiting_for_a_reader_lets_nobody_in_to_it() {
    explore_deaths(3, |steps| {
        let room = room(3);
        let tag = room.sit(1);
        room.lock().read(favourite(1), room.mark_of(1), tag, PATIENT).expect("patience");
        let reader = also(&room, 1, |room, _| {
            room.look();
            room.lock().unlock_read(room.mark_of(1));
        });
        let tag = room.sit(0);
        let killed = live(steps, || room.write(0, tag)).is_none();
        if killed {
            room.mourn(0, 0);
        }
        let tag = room.sit(2);
        room.write(2, tag);
        reader.join().expect("a reader");
        assert_eq!(room.look(), room.commits.load(Ordering::Relaxed), "neither whole nor undone");
        killed
    });
}

/// The occupant of seat 0 was rescued, but the word still names it.
fn left_behind(seats: usize) -> Rc<Room> {
    let room = room(seats);
    let tag = room.sit(0);
    assert!(live(3, || room.write(0, tag)).is_none());
    room.mourn(0, 0);
    room.sit(1);
    room.rescue_seat(0, 0);
    assert_eq!(room.word.load(Ordering::Relaxed), tag);
    room
}

#[test]
fn a_word_left_behind_is_taken_over_once_by_a_reader_and_a_writer() {
    explore(3, || {
        let room = left_behind(3);
        let other = also(&room, 2, |room, tag| room.write(2, tag));
        let tag = room.sit(1);
        let seen = room.read(1, tag);
        other.join().expect("a writer");
        assert!(seen <= 1);
        assert_eq!(room.look(), 1);
        // Once for what was taken over, once for the write.
        assert_eq!(changes(room.version.load(Ordering::Relaxed)), 2);
    });
}

#[test]
fn a_word_left_behind_is_taken_over_once_by_two_readers() {
    explore(3, || {
        let room = left_behind(3);
        let other = also(&room, 2, |room, tag| room.read(2, tag));
        let tag = room.sit(1);
        assert_eq!((room.read(1, tag), other.join().expect("a reader")), (0, 0));
        assert_eq!(changes(room.version.load(Ordering::Relaxed)), 1);
    });
}

#[test]
fn a_dead_reader_holds_no_writer_up() {
    for hints in [0, HINT_0] {
        explore_deaths(3, move |steps| {
            let room = room(2);
            room.word.store(hints, Ordering::Relaxed);
            let other = also(&room, 1, |room, tag| room.write(1, tag));
            let tag = room.sit(0);
            let killed = live(steps, || room.read(0, tag)).is_none();
            if killed {
                room.mourn(0, 0);
            }
            other.join().expect("a writer");
            killed
        });
    }
}

/// What the nap is good for: the store that unlocks may be seen after the load that finds nobody waiting.
#[test]
#[should_panic(expected = "deadlock")]
fn without_naps_a_wake_could_be_lost() {
    explore(3, || {
        let room = Rc::new(Room::new(2, Sleep::Deep).seated(0..2));
        let other = also(&room, 1, |room, tag| room.write(1, tag));
        let tag = room.sit(0);
        room.write(0, tag);
        other.join().expect("a writer");
    });
}
