//! Named crash points: with the feature `crash-points`, a test can have the process killed right
//! before a store of a given kind, the n-th time it comes there. Without the feature they are
//! nothing at all.

/// The kinds of stores to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Point {
    WordPut,
    WordPublish,
    LogEntry,
    LogCommit,
    LogCountdown,
    LockTake,
    LockRelease,
    ReadMark,
    BlockTake,
    BlockRelease,
    BlockForeignRelease,
    Collect,
    PageBits,
    IntentSet,
    IntentClear,
    SlotClaim,
    SlotRelease,
    SlotRescue,
}

#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn at(_: Point) {}

#[cfg(feature = "crash-points")]
pub(crate) use on::at;
#[cfg(feature = "crash-points")]
pub use on::{hits, kill_at, points};

#[cfg(feature = "crash-points")]
mod on {
    use super::Point;
    use std::sync::atomic::{AtomicU64, Ordering};

    const ALL: [Point; 18] = [
        Point::WordPut,
        Point::WordPublish,
        Point::LogEntry,
        Point::LogCommit,
        Point::LogCountdown,
        Point::LockTake,
        Point::LockRelease,
        Point::ReadMark,
        Point::BlockTake,
        Point::BlockRelease,
        Point::BlockForeignRelease,
        Point::Collect,
        Point::PageBits,
        Point::IntentSet,
        Point::IntentClear,
        Point::SlotClaim,
        Point::SlotRelease,
        Point::SlotRescue,
    ];
    static HITS: [AtomicU64; ALL.len()] = [const { AtomicU64::new(0) }; ALL.len()];
    /// Point plus one, and how many more times it is passed before the process ends; 0: never.
    static TARGET: AtomicU64 = AtomicU64::new(0);
    static LEFT: AtomicU64 = AtomicU64::new(0);

    #[inline(never)]
    pub(crate) fn at(point: Point) {
        HITS[point as usize].fetch_add(1, Ordering::Relaxed);
        if TARGET.load(Ordering::Relaxed) == point as u64 + 1 && LEFT.fetch_sub(1, Ordering::Relaxed) == 0 {
            crate::os::kill_self();
        }
    }

    /// The names of all crash points.
    pub fn points() -> Vec<String> {
        ALL.iter().map(|p| format!("{p:?}")).collect()
    }

    /// How often each point was passed by this process.
    pub fn hits() -> Vec<(String, u64)> {
        ALL.iter().map(|p| (format!("{p:?}"), HITS[*p as usize].load(Ordering::Relaxed))).collect()
    }

    /// Kills this process, as SIGKILL does, when it has passed the named point `skip` times more and
    /// comes there again. Panics if there is no such point.
    pub fn kill_at(name: &str, skip: u64) {
        let point = ALL.iter().find(|p| format!("{p:?}") == name).expect("a name from points()");
        LEFT.store(skip, Ordering::Relaxed);
        TARGET.store(*point as u64 + 1, Ordering::Relaxed);
    }
}
