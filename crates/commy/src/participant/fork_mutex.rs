//! A mutex that survives a fork.
//!
//! A thread of the parent may hold a mutex at the moment of the fork; in the child nobody will ever
//! release it, and what it guards may be half changed. This one is keyed by the fork epoch: in a child it is
//! free, and what it guards is what it was at the beginning, since what the parent noted there does not
//! concern the child. It is held for microseconds, so waiting is spinning politely.
//!
//! ```text
//! word:  epoch of whoever locked it last << 1 | locked
//! ```

use crate::os::fork;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ForkMutex<T> {
    word: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: as for `std::sync::Mutex`: the value is reached by one thread at a time.
unsafe impl<T: Send> Send for ForkMutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for ForkMutex<T> {}

/// The mutex, locked.
pub(crate) struct ForkGuard<'a, T>(&'a ForkMutex<T>);

impl<T> ForkMutex<T> {
    pub(crate) const fn new(value: T) -> ForkMutex<T> {
        ForkMutex { word: AtomicU64::new(0), value: UnsafeCell::new(value) }
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

    /// As `lock`, unless some thread of this process has it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<ForkGuard<'_, T>> {
        let epoch = u64::from(fork::epoch());
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word == epoch << 1 | 1 {
                return None;
            }
            let locked = self.word.compare_exchange(word, epoch << 1 | 1, Ordering::Acquire, Ordering::Relaxed);
            if locked.is_ok() {
                if word >> 1 != epoch && word != 0 {
                    // SAFETY: locked by this thread. What was there is forgotten, not dropped: it
                    // may be half changed.
                    unsafe { self.value.get().write(T::default()) }
                }
                return Some(ForkGuard(self));
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
    fn drop(&mut self) {
        self.0.word.store(u64::from(fork::epoch()) << 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::ForkMutex;

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
}
