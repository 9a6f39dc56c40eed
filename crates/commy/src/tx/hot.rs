//! What a transaction remembers of the sequence that it changed last, so that pushing and popping in a loop need
//! not check and log again what they did a moment ago.
//!
//! ```text
//! block   offset and capacity of a checked block, and where it is; the words at the ends of its header are logged
//! run     bytes in a row that are logged: what is popped lies in it, or beside it, and then it is made longer
//! ```
//!
//! Both hold for a part of the transaction as the log's own memory of words does: what was logged before a savepoint
//! is logged again after it.

use super::Cx;
use crate::error::Result;
use crate::os::fork;
use std::cell::Cell;

/// Bytes that are logged at a time, at least and at most.
const LEAST: usize = 32;
const MOST: usize = 4096;

/// The memory of one transaction. All zeros: nothing.
#[derive(Debug, Default)]
pub(super) struct Hot {
    header: Cell<usize>,
    offset: Cell<u64>,
    cap: Cell<u64>,
    first: Cell<usize>,
    /// The fork epoch in which that was: in a forked child it is not known.
    epoch: Cell<u32>,
    run: Cell<(usize, usize)>,
}

impl Hot {
    pub(super) fn forget(&self) {
        self.header.set(0);
        self.run.set((0, 0));
    }

    /// What was remembered; nothing is from here on.
    pub(super) fn take(&self) -> Hot {
        Hot {
            header: self.header.take().into(),
            offset: self.offset.clone(),
            cap: self.cap.clone(),
            first: self.first.clone(),
            epoch: self.epoch.clone(),
            run: self.run.take().into(),
        }
    }

    /// Remembers what was remembered before.
    pub(super) fn restore(&self, before: &Hot) {
        self.header.swap(&before.header);
        self.offset.swap(&before.offset);
        self.cap.swap(&before.cap);
        self.first.swap(&before.first);
        self.epoch.swap(&before.epoch);
        self.run.swap(&before.run);
    }
}

impl Cx {
    /// The first slot of a sequence with this header, offset of the block and capacity, if they were given to
    /// [`know_block`](Cx::know_block) in this part of the transaction.
    #[inline(always)]
    pub(crate) fn known_block<H, S>(self, header: &H, offset: u64, cap: u64) -> Option<*mut S> {
        let hot = &self.context().hot;
        let known = (hot.header.get() == std::ptr::from_ref(header) as usize)
            & (hot.offset.get() == offset)
            & (hot.cap.get() == cap)
            & (hot.epoch.get() == fork::epoch());
        known.then(|| std::ptr::with_exposed_provenance_mut(hot.first.get()))
    }

    /// Remembers a block that has been checked, and that the words at the ends of its header are logged.
    #[inline(always)]
    pub(crate) fn know_block<H, S>(self, header: &H, offset: u64, cap: u64, first: *mut S) {
        let hot = &self.context().hot;
        self.context().used.set(true);
        hot.header.set(std::ptr::from_ref(header) as usize);
        hot.offset.set(offset);
        hot.cap.set(cap);
        hot.first.set(first.expose_provenance());
        hot.epoch.set(fork::epoch());
    }

    /// Whether the bytes of an element have been logged by [`keep_end`](Cx::keep_end).
    #[inline(always)]
    pub(crate) fn has_kept<S>(self, first: *const S, index: usize) -> bool {
        let (from, to) = self.context().hot.run.get();
        let place = first as usize + index * size_of::<S>();
        from <= place && place + size_of::<S>() <= to
    }

    /// Logs the bytes of an element that gets out of reach at one end of a sequence, together with neighbours, which
    /// are likely to be next: the more of them, the more came before.
    ///
    /// # Safety
    /// The block of `cap` slots lies in the map, and `index` is below `cap`.
    #[inline(always)]
    pub(crate) unsafe fn keep_end<S>(self, first: *const S, cap: usize, index: usize) -> Result<()> {
        if self.has_kept(first, index) {
            return Ok(());
        }
        let (start, size) = (first as usize, size_of::<S>());
        // SAFETY: the caller's promise.
        unsafe { self.keep_longer(first.cast(), start + cap * size, start + index * size, size) }
    }

    /// # Safety
    /// The block from `first` to `end` lies in the map, and the bytes from `place` on in the block.
    #[cold]
    unsafe fn keep_longer(self, first: *const u8, end: usize, place: usize, size: usize) -> Result<()> {
        let run = &self.context().hot.run;
        self.context().used.set(true);
        let ((from, to), start) = (run.get(), first as usize);
        let more = (to - from).clamp(LEAST, MOST);
        let (new, whole) = if from != to && from <= place && place <= to {
            let new = (to, (to + more).max(place + size).min(end));
            (new, (from, new.1))
        } else if from != to && place <= from && from <= place + size {
            let new = (from.saturating_sub(more).min(place).max(start), from);
            (new, (new.0, to))
        } else {
            // Elements that are large are not worth the neighbours.
            let few = if size > LEAST / 2 { (place, place + size) } else { (place & !(LEAST - 1), place + LEAST) };
            let new = (few.0.max(start), few.1.min(end).max(place + size));
            (new, new)
        };
        // SAFETY: in the block, by the caller's promise.
        unsafe { self.keep_bytes(first.add(new.0 - start), new.1 - new.0)? };
        run.set(whole);
        Ok(())
    }
}
