//! The version of an object, and reading without its lock.
//!
//! ```text
//! word:  changes 48 | changes that were undone 15 | somebody is inside by favour 1
//! ```
//!
//! Who has changed something under the write lock counts it, before it unlocks; who has undone what it did counts that,
//! too. So two looks at the lock and the version tell whether what was read between them is of one moment:
//!
//! ```text
//! reader                                      writer
//!   v = version       (acquire)                 lock: owner = me         then a release fence
//!   read                                        change or undo
//!   acquire fence                               version = another one    (release)
//!   lock has no owner (acquire),                lock: no owner           (release)
//!     and version is v, or give up
//! ```
//!
//! Whoever read anything that the writer stored sees, behind its fence, the owner in the lock; or no owner any more, and
//! then the other version. If that one was `v` already, all that the writer did was there to be read. So the lock need not be
//! looked at before: a writer who is inside then still is afterwards, or has counted meanwhile. A dead owner stays in the lock until its changes are undone, and who takes the lock over
//! from it counts a change. Who is inside by favour (`favour`) does not stand in the lock: its version is odd meanwhile,
//! which is never what the reader began with. That the 15 bits may overflow while somebody reads is taken as impossible.
//!
//! Generic over the words, so that loom can run this very code.

use super::lock::Word64;
use std::sync::atomic::{AtomicU64, Ordering};

/// One change.
const CHANGE: u64 = 1 << 16;
/// Bits that count what was undone.
const UNDONE: u64 = 0xfffe;
/// Set while somebody is inside by favour.
const INSIDE: u64 = 1;

/// How often something was changed.
#[inline(always)]
pub(crate) fn changes(word: u64) -> u64 {
    word >> 16
}

/// Counts a change. The caller has the lock.
#[inline(always)]
pub(crate) fn count_change<W: Word64>(version: &W) {
    version.publish(version.load(Ordering::Relaxed).wrapping_add(CHANGE));
}

/// The same, and that one is not inside by favour any more, by one store. The version is this one, or was when one
/// [went inside](go_inside).
#[inline(always)]
pub(crate) fn count_change_outside<W: Word64>(version: &W, seen: u64) -> u64 {
    let now = seen.wrapping_add(CHANGE) & !INSIDE;
    version.publish(now);
    now
}

/// Counts a change by somebody who has no lock.
#[inline(always)]
pub(crate) fn count_unlocked(version: &AtomicU64) {
    version.fetch_add(CHANGE, Ordering::Release);
}

/// Counts that a change was undone. The caller has the lock.
pub(crate) fn count_undone<W: Word64>(version: &W) {
    let word = version.load(Ordering::Relaxed);
    version.publish(word & !UNDONE | (word.wrapping_add(INSIDE + 1)) & UNDONE);
}

/// Whether the version that was loaded says that somebody is inside by favour, or has died there.
#[inline(always)]
pub(crate) fn is_odd(version: u64) -> bool {
    version & INSIDE != 0
}

/// Says that one is inside by favour, before anything is changed. The version is this one, which says that nobody is.
#[inline(always)]
pub(crate) fn go_inside<W: Word64>(version: &W, seen: u64) {
    version.publish(seen | INSIDE);
    release_fence();
}

/// Says that one is not any more.
#[inline(always)]
pub(crate) fn come_outside<W: Word64>(version: &W) {
    version.publish(version.load(Ordering::Relaxed) & !INSIDE);
}

/// The same for one who died inside and was rescued: it may have changed something without counting that. The caller
/// has the lock.
pub(crate) fn bring_outside<W: Word64>(version: &W) {
    let word = version.load(Ordering::Relaxed);
    if word & INSIDE != 0 {
        version.publish(word.wrapping_add(CHANGE) & !INSIDE);
    }
}

/// Before reading without the lock: the version with nobody inside by favour, so that it is another one if somebody is.
#[inline(always)]
pub(crate) fn look<W: Word64>(version: &W) -> u64 {
    version.load(Ordering::Acquire) & !INSIDE
}

/// The same for who remembers what there was at some version, and goes by that: the version, unless somebody is inside
/// who stands in the lock. It is odd if one is by favour.
#[inline(always)]
pub(crate) fn settled<W: Word64>(lock: &W, version: &W) -> Option<u64> {
    is_free(lock).then(|| version.load(Ordering::Acquire))
}

/// After it.
#[inline(always)]
pub(crate) fn settled_still<W: Word64>(lock: &W, version: &W) -> Option<u64> {
    acquire_fence();
    settled(lock, version)
}

/// After it: whether what was read since [`look`] is of one moment.
#[inline(always)]
pub(crate) fn is_still<W: Word64>(lock: &W, version: &W, seen: u64) -> bool {
    settled_still(lock, version) == Some(seen)
}

/// Whether the lock has no owner.
#[inline(always)]
fn is_free<W: Word64>(lock: &W) -> bool {
    // Its lowest 16 bits are the owner's slot plus one. Shorter than with `OWNER`, a mask that would have to be loaded.
    lock.load(Ordering::Acquire) as u16 == 0
}

/// The same for who began with a lock word that names an owner, who can do no more: whether nothing has changed.
pub(crate) fn is_unchanged<W: Word64>(lock: &W, version: &W, word: u64, seen: u64) -> bool {
    acquire_fence();
    lock.load(Ordering::Acquire) == word && version.load(Ordering::Relaxed) == seen
}

#[inline(always)]
fn release_fence() {
    #[cfg(all(test, loom))]
    loom::sync::atomic::fence(Ordering::Release);
    #[cfg(not(all(test, loom)))]
    std::sync::atomic::fence(Ordering::Release);
}

#[inline(always)]
fn acquire_fence() {
    #[cfg(all(test, loom))]
    loom::sync::atomic::fence(Ordering::Acquire);
    #[cfg(not(all(test, loom)))]
    std::sync::atomic::fence(Ordering::Acquire);
}
