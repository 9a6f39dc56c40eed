//! The lock among participants that are made up for the purpose.

use super::lock::{Fate, Lock, Surroundings};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

const OBJECT: u64 = 640;
const ME: u64 = 1 << 16 | 1;
const OTHER: u64 = 1 << 16 | 2;

/// Two slots, of which the second has the lock or reads, lives while it is slept for once, and is dead then.
#[derive(Default)]
struct Stage {
    word: AtomicU64,
    waiters: AtomicU32,
    marks: [AtomicU64; 2],
    fate: Cell<Option<Fate>>,
    waits_for: Cell<u64>,
    /// What was waited for at each rescue.
    rescues: RefCell<Vec<u64>>,
}

impl Surroundings for Stage {
    type W64 = AtomicU64;
    type W32 = AtomicU32;
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
    fn fence_after_swap(&self) {}
    fn light_fence(&self) {}
    fn heavy_fence(&self) {}
    fn pause(&self) {}
    fn slots(&self) -> usize {
        self.marks.len()
    }
    fn mark(&self, slot: usize, object: u64) -> Option<&AtomicU64> {
        Some(&self.marks[slot]).filter(|mark| mark.load(Ordering::Relaxed) == object)
    }
    fn holds(&self, _: usize) -> Option<&AtomicU64> {
        None
    }
    fn tag_of(&self, slot: usize) -> u64 {
        [ME, OTHER][slot]
    }
    fn fate(&self, _: u64) -> Fate {
        self.fate.get().unwrap_or(Fate::Alive)
    }
    fn is_recovered(&self, tag: u64) -> bool {
        self.fate(tag) == Fate::Recovered
    }
    fn rescue(&self, _: u64) {
        self.rescues.borrow_mut().push(self.waits_for.get());
        self.marks[1].store(0, Ordering::Relaxed);
        self.fate.set(Some(Fate::Recovered));
    }
    fn inherited(&self, _: u64) {}
    fn left_inside(&self, _: u64) {}
    fn waits(&self, _: u64, object: u64) {
        self.waits_for.set(object);
    }
    fn circular(&self, _: u64, _: u64) -> bool {
        false
    }
    fn sleep(&self, _: &AtomicU64, _: u64, _: u64, _: Duration) {
        assert_eq!(self.waits_for.get(), OBJECT, "who sleeps says what for");
        self.fate.set(Some(Fate::Dead));
    }
    fn wake(&self, _: &AtomicU64, _: bool) {}
}

fn lock(stage: &Stage) -> Lock<'_, Stage> {
    Lock { word: &stage.word, waiters: &stage.waiters, object: OBJECT, around: stage }
}

#[test]
fn who_recovers_a_dead_owner_is_no_part_of_a_circle_meanwhile() {
    let stage = Stage::default();
    stage.word.store(OTHER, Ordering::Relaxed);
    assert_eq!(lock(&stage).write(ME, Duration::from_secs(60)), Ok(0));
    assert_eq!((&*stage.rescues.borrow(), stage.waits_for.get()), (&vec![0], 0));
}

#[test]
fn who_recovers_a_dead_reader_is_no_part_of_a_circle_meanwhile() {
    let stage = Stage::default();
    let hint = 1 << (48 + 1);
    stage.word.store(hint, Ordering::Relaxed);
    stage.marks[1].store(OBJECT, Ordering::Relaxed);
    assert_eq!(lock(&stage).write(ME, Duration::from_secs(60)), Ok(hint));
    assert_eq!((&*stage.rescues.borrow(), stage.waits_for.get()), (&vec![0], 0));
}
