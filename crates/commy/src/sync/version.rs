//! The version of an object, and reading without its lock.
//!
//! ```text
//! word:  changes 48 | changes that were undone 16
//! ```
//!
//! Who has changed something under the write lock counts it, before it unlocks; who has undone what it did counts that,
//! too. So two looks at the lock and the version tell whether what was read between them is of one moment:
//!
//! ```text
//! reader                                      writer
//!   v = version       (acquire)                 lock: owner = me         then a release fence
//!   lock has no owner (acquire), or give up     change or undo
//!   read                                        version = another one    (release)
//!   acquire fence                               lock: no owner           (release)
//!   lock has no owner (acquire), version is v, or give up
//! ```
//!
//! Whoever read anything that the writer stored sees, behind its fence, the owner in the lock; or no owner any more, and
//! then the other version. A dead owner stays in the lock until its changes are undone, and who takes the lock over
//! from it counts a change. That the 16 bits may overflow while somebody reads is taken as impossible.
//!
//! Generic over the words, so that loom can run this very code.

use super::lock::{OWNER, Word64};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits that count what was undone.
const UNDONE: u64 = 0xffff;

/// How often something was changed.
#[inline(always)]
pub(crate) fn changes(word: u64) -> u64 {
    word >> 16
}

/// Counts a change. The caller has the lock.
#[inline(always)]
pub(crate) fn count_change<W: Word64>(version: &W) {
    version.publish(version.load(Ordering::Relaxed).wrapping_add(UNDONE + 1));
}

/// Counts a change by somebody who has no lock.
#[inline(always)]
pub(crate) fn count_unlocked(version: &AtomicU64) {
    version.fetch_add(UNDONE + 1, Ordering::Release);
}

/// Counts that a change was undone. The caller has the lock.
pub(crate) fn count_undone<W: Word64>(version: &W) {
    let word = version.load(Ordering::Relaxed);
    version.publish(word & !UNDONE | (word + 1) & UNDONE);
}

/// Before reading without the lock: the version, if nobody is writing.
#[inline(always)]
pub(crate) fn look<W: Word64>(lock: &W, version: &W) -> Option<u64> {
    let seen = version.load(Ordering::Acquire);
    (lock.load(Ordering::Acquire) & OWNER == 0).then_some(seen)
}

/// After it: whether what was read since [`look`] is of one moment.
#[inline(always)]
pub(crate) fn is_still<W: Word64>(lock: &W, version: &W, seen: u64) -> bool {
    acquire_fence();
    lock.load(Ordering::Acquire) & OWNER == 0 && version.load(Ordering::Relaxed) == seen
}

/// The same for who began with a lock word that names an owner, who can do no more: whether nothing has changed.
pub(crate) fn is_unchanged<W: Word64>(lock: &W, version: &W, word: u64, seen: u64) -> bool {
    acquire_fence();
    lock.load(Ordering::Acquire) == word && version.load(Ordering::Relaxed) == seen
}

#[inline(always)]
fn acquire_fence() {
    #[cfg(all(test, loom))]
    loom::sync::atomic::fence(Ordering::Acquire);
    #[cfg(not(all(test, loom)))]
    std::sync::atomic::fence(Ordering::Acquire);
}
