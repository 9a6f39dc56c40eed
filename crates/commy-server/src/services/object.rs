//! An object that the server has open, with those who wait for it.

use super::hub::Hub;
use commy::dynamic::Dynamic;
use std::sync::atomic::{AtomicBool, Ordering};

/// An object of a service.
pub struct Object {
    dynamic: Dynamic,
    hub: Hub,
    every_change: bool,
    /// It was found locked for long: whoever comes next waits elsewhere from the start.
    held: AtomicBool,
}

impl Object {
    pub(super) fn new(dynamic: Dynamic) -> Object {
        let every_change = dynamic.changes().is_ok();
        Object { dynamic, hub: Hub::default(), every_change, held: AtomicBool::new(false) }
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

    /// Whether it was last found locked for long.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Notes whether it was.
    pub fn set_held(&self, held: bool) {
        if self.is_held() != held {
            self.held.store(held, Ordering::Relaxed);
        }
    }
}
