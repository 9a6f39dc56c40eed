//! The slabs of its own that a thread used lately, by page, as they were when they were checked.
//!
//! Nobody else changes the shape of a slab as long as its owner has it, and the owner forgets it here before it
//! gives it back. So what was checked once need not be read again.

use super::slab::{Info, Meta, Slab};
use crate::layout::PAGE;
use std::cell::{Cell, OnceCell};
use std::ptr::NonNull;

/// Entries; a page has one place.
const ENTRIES: usize = 256;

#[derive(Clone, Copy)]
struct Entry {
    page: u64,
    start: u64,
    info: Info,
    meta: NonNull<Meta>,
}

/// Invariant: an entry is what [`Slab::at`] or [`Slab::of_block`] gave for a slab that the thread owns; its meta is in
/// the map of the attachment that the thread works with.
pub(super) struct Known(OnceCell<Box<[Cell<Entry>; ENTRIES]>>);

impl Known {
    /// Who never frees anything needs no memory for it.
    pub(super) fn new() -> Known {
        Known(OnceCell::new())
    }

    #[inline(always)]
    fn place(&self, page: u64) -> Option<&Cell<Entry>> {
        self.0.get().map(|entries| &entries[page as usize % ENTRIES])
    }

    /// The slab that a page is part of.
    #[inline(always)]
    pub(super) fn slab_of_page<'a>(&self, page: u64) -> Option<Slab<'a>> {
        let entry = self.place(page)?.get();
        if entry.page != page || page == 0 {
            return None;
        }
        // SAFETY: the invariant; the caller is the thread, whose map stays as long as it works with it.
        let meta = unsafe { entry.meta.as_ref() };
        Some(Slab { meta, start: entry.start, info: entry.info })
    }

    /// Remembers the slab that a page is part of, which was checked and is the thread's own.
    pub(super) fn remember(&self, page: u64, slab: &Slab<'_>) {
        let entry = Entry { page, start: slab.start, info: slab.info, meta: NonNull::from(slab.meta) };
        // Page 0 is never part of a slab.
        let none = Entry { page: 0, ..entry };
        let entries = self.0.get_or_init(|| Box::new(std::array::from_fn(|_| Cell::new(none))));
        entries[page as usize % ENTRIES].set(entry);
    }

    /// Forgets a slab.
    pub(super) fn forget(&self, slab: &Slab<'_>) {
        for page in slab.start / PAGE..slab.start / PAGE + u64::from(slab.info.pages) {
            if let Some(place) = self.place(page).filter(|place| place.get().page == page) {
                place.set(Entry { page: 0, ..place.get() });
            }
        }
    }
}
