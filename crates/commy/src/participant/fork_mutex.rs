//! A mutex that survives a fork.
//!
//! A thread of the parent may hold a mutex at the moment of the fork; in the child nobody will ever
//! release it, and what it guards may be half changed. This one is keyed by the fork epoch: in a child it is
//! free, and what it guards is what it was at the beginning, since what the parent noted there does not
//! concern the child. It is held for microseconds, so waiting is spinning politely.
//!
//! ```text
//! word:    epoch of whoever locked it last << 1 | locked
//! favour:  the thread that needs no read-modify-write, with its epoch; or 0
//! inside:  epoch, while the favoured thread has it locked; or 0
//! ```
//!
//! The thread that locks it again and again is favoured, as with the lock of objects (`sync::favour`):
//!
//! ```text
//! favoured  inside = epoch; light fence; still favoured? has it, until inside = 0;   else inside = 0, the ordinary way
//! other     locks the word; is somebody favoured: favour = 0, heavy fence; has it, if nobody is inside
//! ```

use crate::os::{self, fork};
use std::cell::{Cell, UnsafeCell};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

/// Times in a row by the ordinary way for which a thread is favoured, at least.
const HABIT: u32 = 256;

thread_local! {
    /// Has an address that tells threads apart.
    static HERE: u8 = const { 0 };
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ForkMutex<T> {
    word: AtomicU64,
    favour: AtomicU64,
    inside: AtomicU64,
    /// Who locked it last by the ordinary way, how often in a row, and how often is a habit.
    habit: Cell<(u64, u32, u32)>,
    value: UnsafeCell<T>,
}

// SAFETY: as for `std::sync::Mutex`: the value, and the habit, are reached by one thread at a time.
unsafe impl<T: Send> Send for ForkMutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for ForkMutex<T> {}

/// The mutex, locked; whether by favour.
pub(crate) struct ForkGuard<'a, T>(&'a ForkMutex<T>, bool);

impl<T> ForkMutex<T> {
    pub(crate) const fn new(value: T) -> ForkMutex<T> {
        ForkMutex {
            word: AtomicU64::new(0),
            favour: AtomicU64::new(0),
            inside: AtomicU64::new(0),
            habit: Cell::new((0, 0, HABIT)),
            value: UnsafeCell::new(value),
        }
    }

    /// What the calling thread is called in `favour`.
    #[inline(always)]
    fn me(epoch: u64) -> u64 {
        HERE.with(|here| std::ptr::from_ref(here) as u64) ^ epoch << 48
    }

    /// Locks it if the thread is favoured.
    #[inline(always)]
    fn enter(&self, epoch: u64, me: u64) -> bool {
        let is_locked = self.word.load(Ordering::Relaxed) & 1 != 0 || self.inside.load(Ordering::Relaxed) != 0;
        if self.favour.load(Ordering::Relaxed) != me || is_locked {
            return false;
        }
        self.inside.store(epoch, Ordering::Relaxed);
        os::light_fence();
        let favoured = self.favour.load(Ordering::Acquire) == me;
        if !favoured {
            self.inside.store(0, Ordering::Release);
        }
        favoured
    }

    /// Has nobody be favoured any more. The caller has locked the word. Whether nobody is inside.
    #[cold]
    fn end_favour(&self, epoch: u64) -> bool {
        if self.favour.load(Ordering::Relaxed) != 0 {
            self.favour.store(0, Ordering::SeqCst);
            os::joint_fence();
        }
        // Who was inside when the process was forked is not there.
        self.inside.load(Ordering::Acquire) != epoch
    }

    /// Notes who has locked the word, and favours a thread that always does.
    #[inline(always)]
    fn note(&self, me: u64) {
        let (last, times, limit) = self.habit.get();
        let times = if last == me { times + 1 } else { 0 };
        self.habit.set((me, times, limit));
        if times >= limit {
            self.favour_often(me, limit);
        }
    }

    #[cold]
    fn favour_often(&self, me: u64, limit: u32) {
        // Who has lost the favour has to come more often the next time.
        self.habit.set((me, 0, limit.saturating_mul(2)));
        if os::join_fences() {
            self.favour.store(me, Ordering::Relaxed);
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
        self.enter(epoch, Self::me(epoch)).then(|| ForkGuard(self, true))
    }

    /// As `lock`, unless some thread of this process has it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<ForkGuard<'_, T>> {
        let epoch = u64::from(fork::epoch());
        let me = Self::me(epoch);
        if self.enter(epoch, me) { Some(ForkGuard(self, true)) } else { self.lock_word(epoch, me) }
    }

    #[inline]
    fn lock_word(&self, epoch: u64, me: u64) -> Option<ForkGuard<'_, T>> {
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word == epoch << 1 | 1 {
                return None;
            }
            let locked = self.word.compare_exchange(word, epoch << 1 | 1, Ordering::SeqCst, Ordering::Relaxed);
            if locked.is_ok() {
                let guard = ForkGuard(self, false);
                let free = self.favour.load(Ordering::Relaxed) | self.inside.load(Ordering::Acquire) == 0;
                if !free && !self.end_favour(epoch) {
                    return None;
                }
                if word >> 1 != epoch && word != 0 {
                    self.inside.store(0, Ordering::Relaxed);
                    // SAFETY: locked by this thread. What was there is forgotten, not dropped: it
                    // may be half changed.
                    unsafe { self.value.get().write(T::default()) }
                }
                self.note(me);
                return Some(guard);
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
        if self.1 {
            self.0.inside.store(0, Ordering::Release);
        } else {
            self.0.word.store(u64::from(fork::epoch()) << 1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ForkMutex, HABIT};

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
    fn who_is_favoured_cannot_lock_it_twice() {
        let count = ForkMutex::<u64>::default();
        (0..HABIT * 2).for_each(|_| *count.lock() += 1);
        let guard = count.lock();
        assert!(count.try_lock().is_none());
        drop(guard);
        assert!(count.try_lock().is_some());
    }
}
