//! What a thread locks again and again: so it is seen what it should be favoured for (`sync::favour`).
//!
//! For each of a few objects, the ones it locked last, a thread counts how often it has locked them by the ordinary way
//! since somebody else was met there, or seen to have changed them. At the limit it asks for the favour. Who has it locks without coming by here; so
//! coming again soon means that somebody took it away, and then the limit is twice as high the next time.

use std::cell::Cell;

/// Objects that are watched at a time.
const PLACES: usize = 8;
/// Times in a row that make a habit, at least and at most.
const LEAST: u32 = 128;
const MOST: u32 = 1 << 20;
/// Reads with a full fence until readers are favoured.
const READS: u32 = 256;

/// One object's.
#[derive(Debug, Default)]
struct Habit {
    object: Cell<u64>,
    changes: Cell<u64>,
    count: Cell<u32>,
    limit: Cell<u32>,
}

/// The habits of a thread.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    places: [Habit; PLACES],
    reads: Cell<u32>,
}

impl Habits {
    #[inline(always)]
    fn of(&self, object: u64) -> &Habit {
        &self.places[(object / 64) as usize % PLACES]
    }

    /// Notes that others were in the lock of an object.
    pub(crate) fn met_others(&self, object: u64) {
        self.of(object).count.set(0);
    }

    /// Notes that an object, which was changed so often by now, was locked for writing by the ordinary way, without
    /// meeting others. Whether that has become a habit.
    #[inline(always)]
    pub(crate) fn writes(&self, object: u64, changes: u64) -> bool {
        let habit = self.of(object);
        // At most the own change since the last time.
        let again = habit.object.get() == object && changes.wrapping_sub(habit.changes.get()) <= 1;
        habit.changes.set(changes);
        habit.count.set(habit.count.get().wrapping_add(1));
        if again && habit.count.get() < habit.limit.get() { false } else { habit.turn(object, again) }
    }

    /// Notes a read with a full fence. Whether there were many.
    #[inline(always)]
    pub(crate) fn reads(&self) -> bool {
        self.reads.set(self.reads.get().wrapping_add(1));
        self.reads.get().is_multiple_of(READS)
    }
}

impl Habit {
    #[cold]
    fn turn(&self, object: u64, is_habit: bool) -> bool {
        if self.object.replace(object) != object {
            self.limit.set(LEAST);
        } else if is_habit {
            self.limit.set((self.limit.get() * 2).min(MOST));
        }
        self.count.set(0);
        is_habit
    }
}
