//! The words of slabs under loom: what others free reaches the owner, once, whoever is killed on the way.
//!
//! A slab of two blocks. One participant frees blocks that it has used, as its log says; the owner collects what
//! was freed, hands it out and uses it. A killed participant's rescuer goes on from its log.

use super::slab::{set_remote, take_remote};
use crate::sync::Word64;
use crate::sync::loom_tests::{Cell64, explore, explore_deaths, live};
use loom::cell::UnsafeCell;
use loom::sync::atomic::fence;
use loom::thread;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// Where the slab begins; its blocks are of 16 bytes.
const SLAB: u64 = 4096;

fn block(index: usize) -> u64 {
    SLAB + index as u64 * 16
}

struct Slab {
    remote: Cell64,
    /// The owner's slot.
    free: Cell64,
    collecting: Cell64,
    inbox: Cell64,
    /// For each who frees: its slot's word, and one bit a block that its log says is to be freed.
    freeing: [Cell64; 2],
    logs: [Cell64; 2],
    memory: [UnsafeCell<u64>; 2],
}

impl Slab {
    /// With these blocks to be freed by the two.
    fn new(logs: [u64; 2]) -> Rc<Slab> {
        Rc::new(Slab {
            remote: Cell64::new(0),
            free: Cell64::new(0),
            collecting: Cell64::new(0),
            inbox: Cell64::new(0),
            freeing: [Cell64::new(0), Cell64::new(0)],
            logs: logs.map(Cell64::new),
            memory: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    fn use_block(&self, index: usize) {
        // SAFETY: loom watches that nobody else accesses it meanwhile.
        self.memory[index].with_mut(|word| unsafe { *word += 1 });
    }

    /// What is after the commit: frees what the log says, one block after the other.
    fn finish_frees(&self, who: usize) {
        for index in 0..2 {
            let log = self.logs[who].load(Ordering::Relaxed);
            if log >> index & 1 == 1 {
                let tell = || {
                    self.inbox.fetch_or(1, Ordering::Release);
                };
                let forget = || self.logs[who].publish(log & !(1 << index));
                set_remote(&self.freeing[who], block(index), &self.remote, 1 << index, tell, forget);
            }
        }
    }

    /// Does so for the dead.
    fn bury(&self, who: usize) {
        self.finish_frees(who);
        self.freeing[who].publish(0);
    }

    fn collect(&self, handed_out: u64) -> bool {
        let named = || {
            let naming = |index: usize| self.freeing.iter().any(|f| f.load(Ordering::Acquire) == block(index));
            (0..2).filter(|index| naming(*index)).fold(0, |named, index| named | 1 << index)
        };
        let keep = |bits: u64| {
            assert_eq!(bits & handed_out, 0, "a block in use was taken for free");
            self.free.publish(self.free.load(Ordering::Relaxed) | bits);
        };
        take_remote(&self.collecting, SLAB, &self.remote, named, keep).1
    }

    /// One look of the owner for what others freed, if it was told that there is something.
    fn look(&self, handed_out: u64) {
        if self.inbox.load(Ordering::Relaxed) != 0 {
            self.inbox.fetch_and(0, Ordering::Acquire);
            if self.collect(handed_out) {
                self.inbox.fetch_or(1, Ordering::Relaxed);
            }
        }
    }

    /// The owner hands out all that is free.
    fn hand_out(&self, handed_out: &Cell<u64>) {
        let free = self.free.load(Ordering::Relaxed);
        self.free.publish(0);
        (0..2).filter(|index| free >> index & 1 == 1).for_each(|index| self.use_block(index));
        handed_out.set(handed_out.get() | free);
    }

    /// Everybody is done: the owner has, or gets when it looks, every block once.
    fn settle(&self, handed_out: &Cell<u64>) {
        self.look(handed_out.get());
        self.hand_out(handed_out);
        assert_eq!(handed_out.get(), 0b11, "a freed block was forgotten");
        assert_eq!(self.remote.load(Ordering::Relaxed), 0, "a block was freed twice");
    }

    /// The owner looks so many times, and hands out what it finds.
    fn own(&self, looks: u32, handed_out: &Cell<u64>) {
        for _ in 0..looks {
            self.look(handed_out.get());
            self.hand_out(handed_out);
        }
    }
}

#[test]
fn no_freed_block_is_forgotten_or_handed_out_early() {
    explore(4, || {
        let slab = Slab::new([0b11, 0]);
        let other = slab.clone();
        let freer = thread::spawn(move || {
            other.use_block(0);
            other.use_block(1);
            other.finish_frees(0);
        });
        let handed_out = Cell::new(0);
        slab.own(2, &handed_out);
        freer.join().expect("who frees");
        slab.settle(&handed_out);
    });
}

#[test]
fn no_block_is_forgotten_when_two_free_at_once() {
    explore(2, || {
        let slab = Slab::new([0b01, 0b10]);
        let freers = [0, 1].map(|who| {
            let other = slab.clone();
            thread::spawn(move || {
                other.use_block(who);
                other.finish_frees(who);
            })
        });
        let handed_out = Cell::new(0);
        slab.own(1, &handed_out);
        freers.into_iter().for_each(|freer| freer.join().expect("who frees"));
        slab.settle(&handed_out);
    });
}

#[test]
fn a_block_that_a_dead_one_was_freeing_is_freed_once() {
    explore_deaths(3, |steps| {
        let slab = Slab::new([0b11, 0]);
        let other = slab.clone();
        let freer = thread::spawn(move || {
            other.use_block(0);
            other.use_block(1);
            let killed = live(steps, || other.finish_frees(0)).is_none();
            if killed {
                other.bury(0);
            }
            killed
        });
        let handed_out = Cell::new(0);
        slab.own(2, &handed_out);
        let killed = freer.join().expect("who frees");
        slab.settle(&handed_out);
        killed
    });
}

#[test]
fn a_block_whose_rescuer_died_too_is_freed_once() {
    // One is killed between the remote bit and the log, for that is where the redo matters; one anywhere.
    explore_deaths(3, |steps| {
        let slab = Slab::new([0b01, 0]);
        let other = slab.clone();
        let freer = thread::spawn(move || {
            other.use_block(0);
            assert!(live(2, || other.finish_frees(0)).is_none());
            let killed = live(steps, || other.bury(0)).is_none();
            if killed {
                other.bury(0);
            }
            killed
        });
        let handed_out = Cell::new(0b10);
        slab.own(2, &handed_out);
        let killed = freer.join().expect("who frees");
        slab.settle(&handed_out);
        killed
    });
}

#[test]
fn what_a_dead_owner_was_collecting_is_free_once() {
    explore_deaths(3, |steps| {
        let slab = Slab::new([0b11, 0]);
        let other = slab.clone();
        let freer = thread::spawn(move || {
            other.use_block(0);
            other.use_block(1);
            other.finish_frees(0);
        });
        let killed = live(steps, || slab.look(0)).is_none();
        let handed_out = Cell::new(0);
        if killed {
            // The rescuer; then the next occupant, who may hand out what is free before it looks at all slabs.
            if slab.collecting.load(Ordering::Relaxed) != 0 {
                slab.collect(0);
            }
            slab.hand_out(&handed_out);
            slab.inbox.fetch_or(1, Ordering::Relaxed);
        }
        slab.own(1, &handed_out);
        freer.join().expect("who frees");
        slab.settle(&handed_out);
        killed
    });
}

/// Who frees tells the owner that it finds; who takes a slab over says so first and looks then.
#[test]
fn a_block_freed_while_its_slab_changes_hands_is_not_forgotten() {
    explore(4, || {
        let slab = Slab::new([0b01, 0]);
        let owner = Rc::new(Cell64::new(0));
        let (other, tenant) = (slab.clone(), owner.clone());
        let freer = thread::spawn(move || {
            let told = Cell::new(None);
            let tell = || {
                fence(Ordering::SeqCst);
                told.set(Some(tenant.load(Ordering::Relaxed)));
            };
            set_remote(&other.freeing[0], block(0), &other.remote, 1, tell, || {});
            told.get()
        });
        owner.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let found = slab.remote.load(Ordering::Relaxed) != 0;
        assert!(freer.join().expect("who frees") == Some(1) || found);
    });
}
