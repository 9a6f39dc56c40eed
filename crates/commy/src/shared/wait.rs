//! Waiting for a change of a shared object.

use super::Shared;
use crate::error::{Error, Result};
use crate::schema::Share;
use std::time::{Duration, Instant};

impl<T: Share> Shared<T> {
    /// Waits until somebody, in any process, has changed the object since it had this [`version`](Shared::version).
    /// Gives the version that it has now, which is `version` itself when `timeout` has passed without a change.
    ///
    /// The version is the object's before it is looked at, and the wait for what came after: then no change is
    /// missed, though several may be seen as one. The wait sleeps; a change wakes it within microseconds, a change
    /// whose maker was killed before it could wake anybody within 20 ms. Through an attachment that is read-only it looks
    /// every millisecond.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::time::Duration;
    /// let jobs: commy::Shared<Vec<u32>> = segment.open_or_create("jobs")?;
    /// let other = jobs.clone();
    /// std::thread::spawn(move || other.write()?.push(1));
    /// let mut version = jobs.version();
    /// while jobs.read()?.is_empty() {
    ///     version = jobs.wait(version, Duration::from_secs(1))?;
    /// }
    /// assert_eq!(jobs.load()?, [1]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Deadlock`] if there was no change yet and this thread has a guard of the object, so that nobody
    /// else could make one, or a circle of threads wait for each other's objects; [`Error::Removed`] once the
    /// object was removed.
    pub fn wait(&self, version: u64, timeout: Duration) -> Result<u64> {
        let start = Instant::now();
        let left = || timeout.saturating_sub(start.elapsed());
        if self.attachment().is_read_only() {
            // It can tell nobody that it waits.
            while self.version() == version && self.is_there() && !left().is_zero() {
                std::thread::sleep(left().min(Duration::from_millis(1)));
            }
            return if self.is_there() { Ok(self.version()) } else { Err(self.removed()) };
        }
        let changed = self.notify().wait_changed(
            || self.version(),
            version,
            left,
            || {
                if self.segment.worker()?.reads(self.object) {
                    return Err(self.deadlock("this thread waits for a change under a guard of it"));
                }
                match self.read_for(left()) {
                    Ok(_locked) => Ok(Some(self.notify().arm())),
                    Err(Error::LockTimeout { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            },
        )?;
        if self.is_there() {
            return Ok(changed);
        }
        // Who is removing it may yet roll back: the lock tells.
        match self.read_for(left()) {
            Err(Error::LockTimeout { .. }) | Ok(_) => Ok(changed),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::segment::Segment;
    use crate::shared::Shared;
    use std::collections::VecDeque;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(30);
    const SOON: Duration = Duration::from_secs(5);
    /// Tells a test that it is the other process, and where the segment is.
    const OTHER: &str = "COMMY_TEST_WAIT";

    fn counter(segment: &Segment) -> Shared<u64> {
        segment.open_or_create("counter").unwrap()
    }

    fn segment() -> (tempfile::TempDir, Segment) {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path().join("s.commy")).unwrap();
        (dir, segment)
    }

    fn increment(counter: &Shared<u64>) {
        *counter.write().unwrap().view_mut() += 1;
    }

    /// Starts this test program again, to run one test in the role of the other process.
    fn start_other(test: &str, segment: &Segment) -> Child {
        let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &path, "--test-threads=1"]).env(OTHER, segment.path());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    }

    fn as_other() -> Option<Segment> {
        std::env::var_os(OTHER).map(|path| Segment::open(path).unwrap())
    }

    #[test]
    fn a_wait_without_a_change_ends_when_its_time_has_passed() {
        let (_dir, segment) = segment();
        let counter = counter(&segment);
        let start = Instant::now();
        assert_eq!(counter.wait(counter.version(), Duration::from_millis(50)).unwrap(), counter.version());
        assert!(start.elapsed() >= Duration::from_millis(50) && start.elapsed() < SOON);
        assert_eq!(counter.wait(counter.version(), Duration::ZERO).unwrap(), counter.version());
    }

    #[test]
    fn a_change_that_was_there_before_the_wait_ends_it_at_once() {
        let (_dir, segment) = segment();
        let counter = counter(&segment);
        let before = counter.version();
        increment(&counter);
        let guard = counter.write().unwrap();
        assert_eq!(counter.wait(before, LONG).unwrap(), before + 1);
        drop(guard);
    }

    #[test]
    fn who_finds_a_queue_empty_counts_no_change_that_would_wake_others() {
        let (_dir, segment) = segment();
        let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").unwrap();
        // Again and again, so that the thread comes to be favoured.
        for _ in 0..100 {
            queue.push_back(1).unwrap();
            assert_eq!(queue.pop_front().unwrap(), Some(1));
            let before = queue.version();
            assert_eq!((queue.pop_front().unwrap(), queue.pop_back().unwrap()), (None, None));
            assert_eq!(queue.version(), before);
        }
    }

    #[test]
    fn a_wait_under_an_own_guard_is_a_deadlock_and_not_endless() {
        let (_dir, segment) = segment();
        let counter = counter(&segment);
        let guard = counter.read().unwrap();
        assert!(matches!(counter.wait(counter.version(), LONG), Err(Error::Deadlock { .. })));
        drop(guard);
        let guard = counter.write().unwrap();
        assert!(matches!(counter.wait(counter.version(), LONG), Err(Error::Deadlock { .. })));
        drop(guard);
    }

    #[test]
    fn a_wait_for_an_object_that_is_locked_all_the_time_ends_when_its_time_has_passed() {
        let (_dir, segment) = segment();
        let counter = counter(&segment);
        let guard = counter.write().unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| counter.wait(counter.version(), Duration::from_millis(50)).unwrap());
            assert_eq!(waiter.join().unwrap(), counter.version());
        });
        drop(guard);
    }

    #[test]
    fn a_change_through_another_attachment_wakes_all_who_wait() {
        let (_dir, segment) = segment();
        let other = Segment::open(segment.path()).unwrap();
        let (counter, other) = (counter(&segment), counter(&other));
        for round in 0..50 {
            let version = counter.version();
            std::thread::scope(|scope| {
                for waiter in [&counter, &other, &counter] {
                    scope.spawn(move || {
                        let start = Instant::now();
                        assert_eq!(waiter.wait(version, LONG).unwrap(), version + 1);
                        assert!(start.elapsed() < SOON, "slept through a change");
                    });
                }
                // Early in some rounds, late in others.
                std::thread::sleep(Duration::from_micros(round % 5 * 500));
                increment(&other);
            });
        }
    }

    #[test]
    fn changes_by_another_process_are_not_slept_through() {
        const ROUNDS: u64 = 500;
        if let Some(segment) = as_other() {
            let (ball, back): (Shared<u64>, Shared<u64>) = (counter(&segment), segment.open_or_create("back").unwrap());
            let mut version = 0;
            for round in 1..=ROUNDS {
                while ball.load().unwrap() < round {
                    version = ball.wait(version, LONG).unwrap();
                }
                back.store(round).unwrap();
            }
            return;
        }
        let (_dir, segment) = segment();
        let (ball, back): (Shared<u64>, Shared<u64>) = (counter(&segment), segment.open_or_create("back").unwrap());
        let mut child = start_other("changes_by_another_process_are_not_slept_through", &segment);
        let mut version = 0;
        let start = Instant::now();
        for round in 1..=ROUNDS {
            ball.store(round).unwrap();
            while back.load().unwrap() < round {
                version = back.wait(version, LONG).unwrap();
                assert!(start.elapsed() < LONG, "slept through changes");
            }
        }
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_change_that_a_killed_process_committed_is_noticed() {
        if let Some(segment) = as_other() {
            // Dies with the lock held, its change not committed; who waits must not wait for ever either.
            let counter = counter(&segment);
            increment(&counter);
            let mut guard = counter.write().unwrap();
            *guard.view_mut() += 1;
            crate::os::kill_self();
        }
        let (_dir, segment) = segment();
        let counter = counter(&segment);
        let start = Instant::now();
        let first = counter.wait(0, Duration::ZERO).unwrap();
        let mut child = start_other("a_change_that_a_killed_process_committed_is_noticed", &segment);
        // Taking the lock over from the dead counts as a change, for it may have been one. Who wakes late sees both as one.
        let mut seen = first;
        while seen < first + 2 {
            let now = counter.wait(seen, LONG).unwrap();
            assert!(now > seen && now <= first + 2, "{now} after {seen}");
            seen = now;
        }
        assert_eq!(counter.load().unwrap(), 1);
        assert!(!child.wait().unwrap().success());
        assert!(start.elapsed() < LONG);
    }
}
