//! Waiting in asynchronous programs: twins of the methods that block, for tasks of tokio.
//!
//! A change is waited for by a thread of tokio's blocking pool, which sleeps as any other that waits does. What the
//! task wants of the object it does itself when it is woken, so that a task which is cancelled has taken nothing out.
//! An abandoned wait's thread goes on sleeping until the next change, or the end of its time.

use crate::error::{Error, Result};
use crate::schema::Share;
use crate::shared::Shared;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long to leave an object alone that somebody else has locked.
const PAUSE: Duration = Duration::from_micros(500);

impl<T: Share> Shared<T> {
    /// As [`wait`](Shared::wait), without blocking the thread. Needs the feature `tokio`.
    ///
    /// # Errors
    /// As [`wait`](Shared::wait).
    ///
    /// # Panics
    /// Outside a runtime of tokio.
    pub async fn wait_async(&self, version: u64, timeout: Duration) -> Result<u64> {
        let now = self.version();
        if now != version || timeout.is_zero() {
            return Ok(now);
        }
        let other = self.clone();
        match tokio::task::spawn_blocking(move || other.wait(version, timeout)).await {
            Ok(waited) => waited,
            // The runtime is shutting down.
            Err(_) => Ok(self.version()),
        }
    }
}

impl<T: Share> Shared<VecDeque<T>> {
    /// As [`pop_front_wait`](Shared::pop_front_wait), without blocking the thread. Cancelling it takes nothing out.
    /// Needs the feature `tokio`.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::{collections::VecDeque, time::Duration};
    /// let jobs: commy::Shared<VecDeque<u32>> = segment.open_or_create("jobs")?;
    /// let other = jobs.clone();
    /// tokio::spawn(async move { other.push_back(7) });
    /// assert_eq!(jobs.pop_front_wait_async(Duration::from_secs(10)).await?, Some(7));
    /// # Ok::<(), commy::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    ///
    /// # Panics
    /// Outside a runtime of tokio with its clock.
    pub async fn pop_front_wait_async(&self, timeout: Duration) -> Result<Option<T>> {
        self.pop_wait_async(timeout, |queue| queue.pop(true)).await
    }

    /// As [`pop_front_wait_async`](Shared::pop_front_wait_async), from the back.
    ///
    /// # Errors
    /// As [`write`](Shared::write).
    ///
    /// # Panics
    /// Outside a runtime of tokio with its clock.
    pub async fn pop_back_wait_async(&self, timeout: Duration) -> Result<Option<T>> {
        self.pop_wait_async(timeout, |queue| queue.pop(false)).await
    }

    /// Takes an element out, unless somebody else has the lock.
    fn pop(&self, front: bool) -> Result<Option<T>> {
        if self.is_empty()? {
            return Ok(None);
        }
        let mut guard = self.try_write()?;
        let element = if front { guard.pop_front()? } else { guard.pop_back()? };
        guard.commit()?;
        Ok(element)
    }

    async fn pop_wait_async(
        &self,
        timeout: Duration,
        pop: impl Fn(&Self) -> Result<Option<T>> + Send,
    ) -> Result<Option<T>> {
        let begin = Instant::now();
        loop {
            let (version, left) = (self.version(), timeout.saturating_sub(begin.elapsed()));
            match pop(self) {
                Ok(None) if left.is_zero() => return Ok(None),
                Ok(None) => drop(self.wait_async(version, left).await?),
                Err(Error::LockTimeout { .. }) if !left.is_zero() => tokio::time::sleep(PAUSE.min(left)).await,
                done => return done,
            }
        }
    }
}
