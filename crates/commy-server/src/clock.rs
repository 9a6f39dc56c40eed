//! The time of day: the system's, or a test's. It may jump, for clocks are set.
//!
//! ```text
//! time told = the later of   what the clock says
//!                            what it said at the start + what the monotonic clock says has gone by since
//! ```
//!
//! So a clock that is set back prolongs nothing and brings nothing back that has expired; one that jumped ahead ends what has
//! expired by it, and is believed again when it is put right. A server that was started while the clock was ahead goes by
//! that time until it is started anew.
//!
//! Only what is told in such times is measured by it: when keys and tokens expire, and when something happened, for the audit.
//! Everything that lasts so long is measured by the monotonic clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time of day.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    first: Duration,
    start: Instant,
}

impl Default for Clock {
    /// The system's.
    fn default() -> Clock {
        Clock::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("since_epoch", &self.since_epoch()).finish_non_exhaustive()
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Clock {
    /// One that starts now and goes by what `now` gives.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Clock {
        Clock { first: since_epoch(now()), start: Instant::now(), now: Arc::new(now) }
    }

    /// Since 1970.
    pub(crate) fn since_epoch(&self) -> Duration {
        since_epoch((self.now)()).max(self.first + self.start.elapsed())
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        self.since_epoch().as_secs()
    }
}
