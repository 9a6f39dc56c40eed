//! Atomics at the root: a shared object without a lock.

use super::Shared;
use crate::schema::{Atomics, Object};
use std::ops::Deref;

/// The atomics in place, for as long as the handle is there: `hits.fetch_add(1, Ordering::Relaxed)`.
///
/// They have no lock, no transaction and no version: each operation of theirs is one for itself, has happened when it
/// returns, and stays when a transaction around it is rolled back. So `load` and `store` are the atomic's own, and
/// guards do not exist.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// use commy::Shared;
/// use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
///
/// let hits: Shared<AtomicU64> = segment.open_or_create("hits")?;
/// hits.fetch_add(1, Ordering::Relaxed);
/// assert_eq!(hits.load(Ordering::Relaxed), 1);
///
/// let by_hour: Shared<[AtomicU64; 24]> = segment.open_or_create("hits/by hour")?;
/// by_hour[13].fetch_add(1, Ordering::Relaxed);
///
/// #[derive(Default, commy::Atomics)]
/// #[repr(C)]
/// struct Health {
///     ready: AtomicBool,
///     errors: [AtomicU64; 4],
/// }
///
/// let health: Shared<Health> = segment.open_or_create("health")?;
/// health.ready.store(true, Ordering::Release);
/// health.errors[2].fetch_add(1, Ordering::Relaxed);
/// # Ok::<(), commy::Error>(())
/// ```
impl<T: Object<Form = T> + Atomics> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: checked when the handle was made to be in the file, which never shrinks below a live object, and
        // aligned. `Atomics` are stored as they are; any bytes are a value of them, and all processes change them
        // by atomic operations only.
        unsafe { &*self.stored() }
    }
}
