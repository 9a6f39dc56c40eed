//! How much of the server each principal uses at the moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What one principal uses.
#[derive(Debug, Default)]
pub struct Usage {
    connections: AtomicUsize,
    in_flight: AtomicUsize,
}

/// One of what there may be only so many of, until it is dropped.
#[derive(Debug)]
pub struct Taken(Arc<Usage>, fn(&Usage) -> &AtomicUsize);

impl Drop for Taken {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

fn take(usage: &Arc<Usage>, counter: fn(&Usage) -> &AtomicUsize, most: usize) -> Option<Taken> {
    if counter(usage).fetch_add(1, Ordering::Relaxed) < most {
        return Some(Taken(usage.clone(), counter));
    }
    counter(usage).fetch_sub(1, Ordering::Relaxed);
    None
}

impl Usage {
    /// One more connection, if there are not as many as may be.
    pub fn connect(self: &Arc<Usage>, most: usize) -> Option<Taken> {
        take(self, |usage| &usage.connections, most)
    }

    /// One more request in flight, if there are not as many as may be.
    pub fn begin(self: &Arc<Usage>, most: usize) -> Option<Taken> {
        take(self, |usage| &usage.in_flight, most)
    }
}

/// What all use.
#[derive(Debug, Default)]
pub struct Usages(Mutex<HashMap<u64, Arc<Usage>>>);

impl Usages {
    /// What a principal uses.
    pub fn of(&self, principal: u64) -> Arc<Usage> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, usage| Arc::strong_count(usage) > 1);
        all.entry(principal).or_default().clone()
    }
}
