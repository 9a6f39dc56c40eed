//! Reading without the lock, as `sync::version` says how.
//!
//! What is read is copied, and the copy is of use only if nothing was changed meanwhile; so there is nothing to
//! lend. Who finds a writer inside tries again, a few times, and then takes the lock. So does who comes upon an error,
//! for it may only be one of the moment.

use super::Shared;
use crate::directory::Control;
use crate::error::{Error, Result};
use crate::participant::Outermost;
use crate::schema::Share;
use crate::sync::version;
use crate::tx::{Context, Cx, Watch};
use std::ptr::NonNull;

/// Attempts before the lock is taken.
const ATTEMPTS: u32 = 8;
/// Moments that one waits before the first of them; each time twice as many.
const PAUSE: u32 = 4;

impl<T: Share> Shared<T> {
    /// What `soon` gives for the value as it is at one moment; it takes little time whatever it meets. If it is disturbed, or
    /// gives nothing, what `look` gives.
    #[inline(always)]
    pub(crate) fn at_once<R>(
        &self,
        soon: impl FnOnce(*const T::Stored, Cx) -> Option<R>,
        look: impl Fn(*const T::Stored, Cx) -> Result<R>,
    ) -> Result<R> {
        if let Some(result) = self.at_first(soon) {
            return Ok(result);
        }
        self.at_second(look).map_err(|error| *error)
    }

    /// What `soon` gives to a thread that has been here before and reads nothing else, if it is not disturbed.
    #[inline(always)]
    fn at_first<R>(&self, soon: impl FnOnce(*const T::Stored, Cx) -> Option<R>) -> Option<R> {
        // Of a read-only attachment no thread has a worker.
        let worker = self.segment.latest_worker()?;
        // Before the first store, behind which everything is loaded anew.
        let (control, stored, cx) = (self.control(), self.stored(), self.reader());
        let _unlocked = Outermost::begin(worker.slot())?;
        self.glimpse(control, |_| soon(stored, cx))
    }

    /// The same for who may be a mere onlooker, or a thread that has just come, or was disturbed. The error is in a box
    /// since a large result would be made in memory also by who need not come here.
    #[cold]
    #[inline(never)]
    fn at_second<R>(&self, look: impl Fn(*const T::Stored, Cx) -> Result<R>) -> Result<R, Box<Error>> {
        self.at_length(look).map_err(Box::new)
    }

    /// What `look` gives for the value as it is at one moment, which may take long: it asks the context from time to time whether to go on.
    pub(crate) fn at_length<R>(&self, look: impl Fn(*const T::Stored, Cx) -> Result<R>) -> Result<R> {
        if self.attachment().is_read_only() {
            return self.look_on(look);
        }
        let control = self.control();
        self.again(|seen| {
            let (lock, version) = (NonNull::from(&control.lock), NonNull::from(control.version.atomic()));
            let watch = Watch { lock, version, seen };
            let context = Context::of_onlooker(self.segment.map(), watch);
            look(self.stored(), if seen == LOCKED { self.reader() } else { Cx::new(&context) })
        })
    }

    fn attempt<R>(&self, look: impl Fn(u64) -> Result<R>) -> Option<R> {
        // What is freed meanwhile must not be taken away: see `participant::grace`.
        let _unlocked = self.segment.unlocked().ok()?;
        self.glimpse(self.control(), |seen| look(seen).ok())
    }

    /// One attempt of who sees to it that nothing is taken away meanwhile.
    #[inline(always)]
    pub(super) fn glimpse<R>(&self, control: &Control, look: impl FnOnce(u64) -> Option<R>) -> Option<R> {
        // For who looks for races: what reads beside writers, and finds out afterwards, is one.
        if cfg!(commy_locked_reads) {
            return None;
        }
        let (lock, version) = (&control.lock, control.version.atomic());
        let seen = version::look(version);
        // Asked before, for the value of an object that was removed may have had a block that is gone; who removes it
        // afterwards counts a change.
        if control.generation.get() != self.generation {
            return None;
        }
        let result = look(seen)?;
        version::is_still(lock, version, seen).then_some(result)
    }

    #[cold]
    fn again<R>(&self, look: impl Fn(u64) -> Result<R>) -> Result<R> {
        if let Some(result) = attempts(|| self.attempt(&look)) {
            return Ok(result);
        }
        let _locked = self.read()?;
        look(LOCKED)
    }

    /// Some attempts of who sees to it that nothing is taken away meanwhile.
    pub(super) fn glimpses<R>(&self, look: impl Fn() -> Result<R>) -> Option<R> {
        attempts(|| self.glimpse(self.control(), |_| look().ok()))
    }
}

fn attempts<R>(attempt: impl Fn() -> Option<R>) -> Option<R> {
    (0..ATTEMPTS).find_map(|number| {
        let result = attempt();
        if result.is_none() {
            (0..PAUSE << number).for_each(|_| std::hint::spin_loop());
        }
        result
    })
}

/// Instead of a version: the value is locked.
const LOCKED: u64 = u64::MAX;
