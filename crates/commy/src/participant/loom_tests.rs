//! The slots of threads under loom: one occupant at a time, and one at a time who buries a dead one.
//!
//! What belongs to a slot's occupant, or to whoever buries it, is a cell of loom's: two at once are found.

use super::claim::Attempt;
use crate::layout::{SlotState, thread_status};
use crate::sync::Word64;
use crate::sync::loom_tests::{Room, Sleep, explore, explore_deaths, live};
use loom::thread;
use std::rc::Rc;
use std::sync::atomic::Ordering;

fn state(room: &Room, index: usize) -> SlotState {
    SlotState::unpack(room.seat(index).state.load(Ordering::Acquire))
}

/// Takes seat 0 if it is free, uses it, leaves it. Gives the generation in which it had it.
fn stay(room: &Room) -> Option<u32> {
    let tag = room.claim(0)?;
    room.occupy(0);
    room.leave(0);
    Some((tag >> 16) as u32)
}

#[test]
fn two_never_have_a_slot_in_the_same_generation() {
    explore(4, || {
        let room = Rc::new(Room::new(1, Sleep::Nap));
        let other = room.clone();
        let other = thread::spawn(move || stay(&other));
        let mut had =
            [stay(&room), stay(&room), other.join().expect("a claimer")].into_iter().flatten().collect::<Vec<_>>();
        had.sort_unstable();
        // Who finds it taken goes without.
        assert!(!had.is_empty() && had.iter().copied().eq(0..had.len() as u32), "{had:?}");
        let expected = SlotState { status: thread_status::FREE, generation: had.len() as u32, ..state(&room, 0) };
        assert_eq!(state(&room, 0), expected);
    });
}

#[test]
fn a_slot_is_not_claimed_before_its_occupant_has_left() {
    explore(4, || {
        let room = Rc::new(Room::new(1, Sleep::Nap).seated([0]));
        let other = room.clone();
        let other = thread::spawn(move || stay(&other));
        room.sit(0);
        room.occupy(0);
        room.leave(0);
        assert_ne!(other.join().expect("a claimer"), Some(0));
    });
}

#[test]
fn a_dead_occupant_is_buried_by_one_and_then_the_slot_is_claimed() {
    explore_deaths(3, |steps| {
        let room = Rc::new(Room::new(3, Sleep::Nap).seated([1, 2]));
        room.sit(0);
        let killed = live(steps, || {
            room.claim(0);
            room.occupy(0);
        })
        .is_none();
        room.mourn(0, 0);
        let rescuer = {
            let room = room.clone();
            thread::spawn(move || {
                room.sit(1);
                room.rescue_seat(0, 0)
            })
        };
        room.sit(2);
        let here = room.rescue_seat(0, 0);
        let claimed = stay(&room);
        let there = rescuer.join().expect("a rescuer");
        let taken = room.burials.load(Ordering::Relaxed);
        assert!(!(here == Attempt::Buried(()) && there == Attempt::Buried(())), "buried twice");
        assert!(taken == 1 || claimed == Some(0), "neither free nor buried");
        assert!(taken == 0 || claimed != Some(0), "claimed from the dead");
        killed
    });
}

#[test]
fn a_rescuer_that_dies_is_replaced_and_nobody_claims_meanwhile() {
    explore_deaths(3, |steps| {
        let room = Rc::new(Room::new(3, Sleep::Nap).seated([0, 1, 2]));
        room.mourn(0, 0);
        let rescuer = {
            let room = room.clone();
            thread::spawn(move || {
                room.sit(1);
                let killed = live(steps, || room.rescue_seat(0, 0)).is_none();
                if killed {
                    room.mourn(1, 1);
                }
                killed
            })
        };
        room.sit(2);
        room.rescue_seat(0, 0);
        assert_ne!(stay(&room), Some(0), "claimed from the dead");
        let killed = rescuer.join().expect("a rescuer");
        room.sit(2);
        room.rescue_seat(0, 0);
        assert_eq!(state(&room, 0).status, thread_status::FREE, "left to lie");
        assert_eq!(room.burials.load(Ordering::Relaxed), 1);
        killed
    });
}

/// The rescuer sees the old occupant's state and the new occupant's death.
#[test]
fn who_comes_late_to_a_rescue_buries_nobody_else() {
    explore(4, || {
        let room = Rc::new(Room::new(2, Sleep::Nap).seated([0, 1]));
        let other = room.clone();
        let other = thread::spawn(move || {
            other.sit(0);
            other.leave(0);
            other.claim(0).expect("nobody else wants it");
            other.occupy(0);
            other.mourn(0, 0);
        });
        room.sit(1);
        assert_eq!(room.rescue_seat(0, 0), Attempt::Passed);
        other.join().expect("two occupants");
        assert_eq!(room.rescue_seat(0, 1), Attempt::Buried(()));
        assert_eq!(state(&room, 0).generation, 2);
    });
}
