//! A mutex that survives a fork.
//!
//! A thread of the parent may hold a mutex at the moment of the fork; in the child nobody will ever
//! release it, and what it guards may be half changed. This one is keyed by the fork epoch: in a child it is
//! free, and what it guards is what it was at the beginning, since what the parent noted there does not
//! concern the child. It is held for microseconds, so waiting is spinning politely.
//!
//! ```text
//! word:    epoch of whoever locked it last << 1 | locked
//! favour:  the thread that needs no read-modify-write, with its epoch, and the number of the favour 3; or 0
//! inside:  for each favour: epoch, while the favoured thread has it locked; or 0
//! ```
//!
//! The thread that locks it again and again is favoured, as with the lock of objects (`sync::favour`):
//!
//! ```text
//! favoured  inside = epoch; light fence; still favoured? has it, until inside = 0;   else inside = 0, the ordinary way
//! other     locks the word; is somebody favoured: favour = 0, heavy fence; has it, if nobody is inside
//! ```
//!
//! A favour is given by who has the word locked, at the end, so that the favoured one need not look at the word. Each is
//! given once, to one thread, and has a word of its own: who was about to come in by one that has ended meanwhile stores
//! there, where it hides nobody who came in by a later one.

use crate::os::{self, fork};
use std::cell::{Cell, UnsafeCell};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

/// Times in a row by the ordinary way for which a thread is favoured, at least.
const HABIT: u32 = 256;
/// Numbers of favours. None has the first.
const FAVOURS: usize = 8;

thread_local! {
    /// Has an address, a multiple of 8, that tells threads apart.
    static HERE: u64 = const { 0 };
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ForkMutex<T> {
    word: AtomicU64,
    favour: AtomicU64,
    inside: [AtomicU64; FAVOURS],
    habit: Cell<Habit>,
    value: UnsafeCell<T>,
}

/// Who locked a mutex last by the ordinary way, how often in a row, how often is a habit; and the favour given last.
#[derive(Clone, Copy, Debug)]
struct Habit {
    last: u64,
    times: u32,
    limit: u32,
    given: usize,
}

impl Habit {
    const NONE: Habit = Habit { last: 0, times: 0, limit: HABIT, given: 0 };
}

impl Default for Habit {
    fn default() -> Habit {
        Habit::NONE
    }
}

// SAFETY: as for `std::sync::Mutex`: the value, and the habit, are reached by one thread at a time.
unsafe impl<T: Send> Send for ForkMutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for ForkMutex<T> {}

/// The mutex, locked; by favour, with the word that says so.
pub(crate) struct ForkGuard<'a, T>(&'a ForkMutex<T>, Option<&'a AtomicU64>);

impl<T> ForkMutex<T> {
    pub(crate) const fn new(value: T) -> ForkMutex<T> {
        ForkMutex {
            word: AtomicU64::new(0),
            favour: AtomicU64::new(0),
            inside: [const { AtomicU64::new(0) }; FAVOURS],
            habit: Cell::new(Habit::NONE),
            value: UnsafeCell::new(value),
        }
    }

    /// What the calling thread is called in `favour`.
    #[inline(always)]
    fn me(epoch: u64) -> u64 {
        HERE.with(|here| std::ptr::from_ref(here) as u64) ^ epoch << 48
    }

    /// The favour that the thread has, and its word, if it is not inside.
    #[inline(always)]
    fn favour_of(&self, me: u64) -> Option<(u64, &AtomicU64)> {
        let favour = self.favour.load(Ordering::Relaxed);
        let inside = self.inside.get(usize::try_from(favour ^ me).ok()?)?;
        (inside.load(Ordering::Relaxed) == 0).then_some((favour, inside))
    }

    /// Goes inside by a favour, if that has not ended.
    #[inline(always)]
    fn go_inside<'a>(&'a self, epoch: u64, favour: u64, inside: &'a AtomicU64) -> Option<ForkGuard<'a, T>> {
        inside.store(epoch, Ordering::Relaxed);
        os::light_fence();
        if self.favour.load(Ordering::Acquire) == favour {
            return Some(ForkGuard(self, Some(inside)));
        }
        inside.store(0, Ordering::Release);
        None
    }

    /// Has nobody be favoured any more. The caller has locked the word. Whether nobody is inside.
    #[inline(always)]
    fn is_alone(&self, epoch: u64) -> bool {
        if self.favour.load(Ordering::Relaxed) != 0 {
            self.end_favour();
        }
        // Who was inside when the process was forked is not there.
        self.inside[self.habit.get().given].load(Ordering::Acquire) != epoch
    }

    #[cold]
    fn end_favour(&self) {
        self.favour.store(0, Ordering::SeqCst);
        os::joint_fence();
    }

    /// Notes who has the word locked and is about to unlock it, and favours a thread that always does.
    #[inline(always)]
    fn note(&self, me: u64) {
        let habit = self.habit.get();
        let times = if habit.last == me { habit.times + 1 } else { 0 };
        self.habit.set(Habit { last: me, times, ..habit });
        if times >= habit.limit {
            self.favour_often(me);
        }
    }

    #[cold]
    fn favour_often(&self, me: u64) {
        let Habit { limit, given, .. } = self.habit.get();
        let next = given + 1;
        if next < FAVOURS && os::join_fences() {
            // Who has lost the favour has to come more often the next time.
            self.habit.set(Habit { last: me, times: 0, limit: limit.saturating_mul(2), given: next });
            self.favour.store(me ^ next as u64, Ordering::Relaxed);
        } else {
            self.habit.set(Habit { last: me, times: 0, limit: u32::MAX, given });
        }
    }
}

impl<T: Default> ForkMutex<T> {
    pub(crate) fn lock(&self) -> ForkGuard<'_, T> {
        loop {
            match self.try_lock() {
                Some(guard) => return guard,
                None => std::thread::yield_now(),
            }
        }
    }

    /// As `lock`, if the thread is favoured and nobody has it.
    #[inline(always)]
    pub(crate) fn lock_as_favoured(&self) -> Option<ForkGuard<'_, T>> {
        let epoch = u64::from(fork::epoch());
        let (favour, inside) = self.favour_of(Self::me(epoch))?;
        self.go_inside(epoch, favour, inside)
    }

    /// As `lock`, unless some thread of this process has it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<ForkGuard<'_, T>> {
        self.lock_as_favoured().or_else(|| self.lock_word(u64::from(fork::epoch())))
    }

    #[inline]
    fn lock_word(&self, epoch: u64) -> Option<ForkGuard<'_, T>> {
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word == epoch << 1 | 1 {
                return None;
            }
            let locked = self.word.compare_exchange(word, epoch << 1 | 1, Ordering::SeqCst, Ordering::Relaxed);
            if locked.is_ok() {
                if !self.is_alone(epoch) {
                    self.word.store(epoch << 1, Ordering::Release);
                    return None;
                }
                if word >> 1 != epoch && word != 0 {
                    self.inside.iter().for_each(|inside| inside.store(0, Ordering::Relaxed));
                    self.habit.set(Habit::NONE);
                    // SAFETY: locked by this thread. What was there is forgotten, not dropped: it
                    // may be half changed.
                    unsafe { self.value.get().write(T::default()) }
                }
                return Some(ForkGuard(self, None));
            }
        }
    }
}

impl<T> Deref for ForkGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: locked by this guard.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for ForkGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: locked by this guard.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for ForkGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(inside) = self.1 {
            inside.store(0, Ordering::Release);
        } else {
            let epoch = u64::from(fork::epoch());
            self.0.note(ForkMutex::<T>::me(epoch));
            self.0.word.store(epoch << 1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ForkMutex, HABIT};
    use crate::os::fork;
    use std::sync::mpsc::channel;

    #[test]
    fn no_increment_is_lost_between_threads() {
        let count = ForkMutex::<u64>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| *count.lock() += 1));
            }
        });
        assert_eq!(*count.lock(), 40_000);
    }

    #[test]
    fn no_increment_is_lost_when_threads_are_favoured_in_turn() {
        let count = ForkMutex::<u64>::default();
        let often = u64::from(HABIT) * 2;
        for round in 0..200 {
            std::thread::scope(|scope| {
                // One comes again and again; others come by the while.
                scope.spawn(|| (0..often).for_each(|_| *count.lock() += 1));
                for _ in 0..2 {
                    scope.spawn(|| (0..20).for_each(|_| *count.lock() += 1));
                }
            });
            assert_eq!(*count.lock(), (round + 1) * (often + 40));
        }
    }

    #[test]
    fn who_comes_late_by_a_favour_that_has_ended_hides_nobody_who_is_inside() {
        let count = &ForkMutex::<u64>::default();
        let often = |times: u32| (0..times).for_each(|_| *count.lock() += 1);
        often(HABIT * 2);
        let epoch = u64::from(fork::epoch());
        let late = count.favour_of(ForkMutex::<u64>::me(epoch));
        let (tell, told) = channel();
        let (end, ended) = channel::<()>();
        std::thread::scope(|scope| {
            let often = &often;
            scope.spawn(move || {
                often(HABIT * 4);
                let guard = count.lock_as_favoured();
                tell.send(guard.is_some()).unwrap();
                let _ = ended.recv();
            });
            if let Some((favour, inside)) = late {
                assert!(told.recv().unwrap());
                assert!(count.go_inside(epoch, favour, inside).is_none());
                assert!(count.try_lock().is_none());
            }
            drop(end);
        });
    }

    #[test]
    fn who_is_favoured_cannot_lock_it_twice() {
        let count = ForkMutex::<u64>::default();
        (0..HABIT * 2).for_each(|_| *count.lock() += 1);
        let guard = count.lock();
        assert!(count.try_lock().is_none());
        drop(guard);
        assert!(count.try_lock().is_some());
    }
}
