//! Waiting for an element.

use crate::error::{Error, Result};
use crate::schema::Share;
use crate::shared::Shared;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

impl<T: Share> Shared<VecDeque<T>> {
    /// Takes the element at the front out, waiting for one for at most `timeout`; `None` if none came.
    ///
    /// The wait sleeps, and is woken by whoever puts an element in, in any process. An element is given to one of
    /// those who wait, whatever happens to the others.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::{collections::VecDeque, time::Duration};
    /// let jobs: commy::Shared<VecDeque<u32>> = segment.open_or_create("jobs")?;
    /// let other = jobs.clone();
    /// std::thread::spawn(move || other.push_back(7));
    /// assert_eq!(jobs.pop_front_wait(Duration::from_secs(10))?, Some(7));
    /// assert_eq!(jobs.pop_front_wait(Duration::ZERO)?, None);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_front_wait(&self, timeout: Duration) -> Result<Option<T>> {
        self.pop_wait(timeout, || self.pop_front())
    }

    /// As [`pop_front_wait`](Shared::pop_front_wait), from the back.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    pub fn pop_back_wait(&self, timeout: Duration) -> Result<Option<T>> {
        self.pop_wait(timeout, || self.pop_back())
    }

    fn pop_wait(&self, timeout: Duration, pop: impl Fn() -> Result<Option<T>>) -> Result<Option<T>> {
        let start = Instant::now();
        loop {
            let version = self.version();
            let left = timeout.saturating_sub(start.elapsed());
            match pop() {
                Ok(None) if left.is_zero() => return Ok(None),
                Ok(None) => self.wait(version, left)?,
                // Others are quicker: that is no error as long as there is time.
                Err(Error::LockTimeout { .. }) if !left.is_zero() => continue,
                done => return done,
            };
        }
    }
}
