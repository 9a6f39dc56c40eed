//! What stands in for futexes where there are none: a look at the word every millisecond.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Whether it ended by a change of the word.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> bool {
    let start = Instant::now();
    while word.load(Ordering::Acquire) == expected {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(left.min(Duration::from_millis(1)));
    }
    true
}

pub fn wait_for_either(
    _word: &AtomicU32,
    _expected: u32,
    _other: &AtomicU32,
    _other_expected: u32,
    _timeout: Duration,
) -> bool {
    false
}

pub fn wake(_word: &AtomicU32, _count: u32) {}
