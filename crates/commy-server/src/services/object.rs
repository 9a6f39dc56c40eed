//! An object that the server has open, with those who wait for it.

use super::hub::Hub;
use commy::dynamic::Dynamic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// For how long nobody waits on a connection's thread for an object that was found locked for long.
pub const HELD: Duration = Duration::from_millis(50);

/// Milliseconds since the first of these questions, from 1 on.
fn milliseconds() -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed().as_millis() as u64 + 1
}

/// An object of a service.
pub struct Object {
    dynamic: Dynamic,
    hub: Hub,
    every_change: bool,
    /// It was found locked for long: whoever comes before this moment waits elsewhere from the start. 0: it was not.
    held: AtomicU64,
}

impl Object {
    pub(super) fn new(dynamic: Dynamic, awaited: Arc<Notify>) -> Object {
        let every_change = dynamic.changes().is_ok();
        Object { dynamic, hub: Hub::new(awaited), every_change, held: AtomicU64::new(0) }
    }

    /// The object.
    pub fn dynamic(&self) -> &Dynamic {
        &self.dynamic
    }

    /// Those who wait for it.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Whether it keeps its changes.
    pub fn every_change(&self) -> bool {
        self.every_change
    }

    /// Whether it was found locked for long just now.
    pub fn is_held(&self) -> bool {
        let until = self.held.load(Ordering::Relaxed);
        until != 0 && milliseconds() < until
    }

    /// Notes whether it was, from what came of waiting for its lock.
    pub fn note_lock<R>(&self, done: &commy::Result<R>) {
        match done {
            Ok(_) if self.held.load(Ordering::Relaxed) == 0 => {}
            Ok(_) => self.held.store(0, Ordering::Relaxed),
            Err(commy::Error::LockTimeout { .. }) => {
                self.held.store(milliseconds() + HELD.as_millis() as u64, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }
}
