//! Who waits for an object to change.
//!
//! A waiter has a mark, which says that there may be something new, and something that wakes it. It gets no messages:
//! when it comes to it, it looks at the object itself. So one that is slow takes up no room, however much happens
//! meanwhile, and a writer only sets marks that are not set.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// A waiter's mark.
pub struct Waker {
    news: AtomicBool,
    wake: Arc<Notify>,
}

impl Waker {
    /// A mark that is set.
    pub fn new(wake: Arc<Notify>) -> Arc<Waker> {
        Arc::new(Waker { news: AtomicBool::new(true), wake })
    }

    /// Whether there may be something new, once.
    pub fn take(&self) -> bool {
        self.news.load(Ordering::Relaxed) && self.news.swap(false, Ordering::AcqRel)
    }

    /// Sets it.
    pub fn set(&self) {
        if !self.news.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }
}

/// The waiters of an object.
pub struct Hub {
    waiters: Mutex<Vec<Weak<Waker>>>,
    count: AtomicUsize,
    /// The last version that was told of.
    told: AtomicU64,
    /// Told when there is a waiter.
    awaited: Arc<Notify>,
}

impl Hub {
    /// Without waiters; `awaited` is told of the first, and of each.
    pub fn new(awaited: Arc<Notify>) -> Hub {
        Hub { waiters: Mutex::default(), count: AtomicUsize::new(0), told: AtomicU64::new(0), awaited }
    }

    /// One more waiter, for as long as it is held.
    pub fn join(&self, waker: &Arc<Waker>) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.len() == waiters.capacity() {
            waiters.retain(|waiter| waiter.strong_count() > 0);
        }
        waiters.push(Arc::downgrade(waker));
        self.count.store(waiters.len(), Ordering::Release);
        self.awaited.notify_one();
    }

    /// Forgets the waiters that are gone.
    pub fn sweep(&self) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|waiter| waiter.strong_count() > 0);
        self.count.store(waiters.len(), Ordering::Release);
    }

    /// Whether anybody may be waiting.
    pub fn is_awaited(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Tells that the object has this version.
    pub fn tell(&self, version: u64) {
        if self.is_awaited() && self.told.swap(version, Ordering::AcqRel) != version {
            self.wake();
        }
    }

    /// Wakes everybody.
    pub fn wake(&self) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|waiter| {
            let waiter = waiter.upgrade();
            waiter.inspect(|waiter| waiter.set()).is_some()
        });
        self.count.store(waiters.len(), Ordering::Release);
    }
}
