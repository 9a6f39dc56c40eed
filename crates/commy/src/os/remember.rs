//! What a thread remembers for itself until it forks: a number, and a place that goes with it; and what it has found out
//! about the objects that it uses.
//!
//! The handler that runs in forked children ([`super::fork`]) has the thread forget it: that thread is the child's only
//! one, so whoever finds something remembered need not ask whether it is in a child.

use std::cell::Cell;
use std::ptr;

thread_local! {
    static REMEMBERED: Cell<(u64, *const ())> = const { Cell::new((0, ptr::null())) };
    static KNOWN: [Known; KNOWN_AT_ONCE] = const { [const { Known::nothing() }; KNOWN_AT_ONCE] };
    /// The one of these that was used last.
    static LATEST: Cell<*const Known> = const { Cell::new(&raw const NOTHING.0) };
}

/// Of how many objects a thread remembers something.
const KNOWN_AT_ONCE: usize = 8;

/// What a thread remembers of an object: what it has checked in it, as it was at some version.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Known {
    /// The number that the object's handle has; 0 if nothing is remembered.
    pub(crate) number: Cell<u64>,
    /// Whether somebody goes by it at the moment, further up the stack.
    in_use: Cell<bool>,
    pub(crate) version: Cell<u64>,
    /// The words by which the thread says that it reads without a lock.
    pub(crate) reading: Cell<*const ()>,
    /// Who the thread is to the segment, if it may change anything.
    pub(crate) worker: Cell<*const ()>,
    /// The segment's header, the object's control block, and its value.
    pub(crate) header: Cell<*const ()>,
    pub(crate) control: Cell<*const ()>,
    pub(crate) value: Cell<*mut ()>,
    /// A place in the segment, and what else there is to know.
    pub(crate) place: Cell<*mut u8>,
    pub(crate) words: [Cell<u64>; 3],
}

/// Of nothing, and stays so.
struct Nothing(Known);

// SAFETY: nobody stores anything there.
unsafe impl Sync for Nothing {}

static NOTHING: Nothing = Nothing(Known::nothing());

impl Known {
    const fn nothing() -> Known {
        Known {
            number: Cell::new(0),
            in_use: Cell::new(false),
            version: Cell::new(0),
            reading: Cell::new(ptr::null()),
            worker: Cell::new(ptr::null()),
            header: Cell::new(ptr::null()),
            control: Cell::new(ptr::null()),
            value: Cell::new(ptr::null_mut()),
            place: Cell::new(ptr::null_mut()),
            words: [const { Cell::new(0) }; 3],
        }
    }
}

impl Known {
    /// Whether it is of the object whose handle has this number.
    #[inline(always)]
    pub(crate) fn is_of(&self, number: u64) -> bool {
        self.number.get() == number
    }

    /// Whether somebody [keeps](Known::keep) it.
    #[inline(always)]
    pub(crate) fn is_in_use(&self) -> bool {
        self.in_use.get()
    }

    /// Keeps it as it is, until what this gives is dropped: whoever goes by it may call what is not ours, such as the hash of
    /// a key, and that may look at other objects.
    #[inline(always)]
    pub(crate) fn keep(&self) -> Kept<'_> {
        self.in_use.set(true);
        Kept(&self.in_use)
    }
}

/// See [`Known::keep`].
pub(crate) struct Kept<'a>(&'a Cell<bool>);

impl Drop for Kept<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Has the thread remember something until it remembers something else, forgets it, or finds itself in a forked child.
pub(crate) fn remember(number: u64, place: *const ()) {
    REMEMBERED.set((number, place));
}

/// Has the thread remember nothing. Safe in a signal handler.
pub(crate) fn forget() {
    remember(0, ptr::null());
    KNOWN.with(|all| all.iter().for_each(|known| known.number.set(0)));
}

/// What the thread remembers; 0 and null if that is nothing. Two loads.
#[inline(always)]
pub(crate) fn remembered() -> (u64, *const ()) {
    REMEMBERED.get()
}

/// What the thread remembers of the object that it asked for last. One load.
#[inline(always)]
pub(crate) fn known_latest() -> &'static Known {
    // SAFETY: the thread's own, which nothing destroys before the thread has ended, and a reference to it stays with the
    // thread, for it is not `Sync`; or what is nobody's.
    unsafe { &*LATEST.get() }
}

/// Where the thread remembers something of the object whose handle has this number, or of another one so far; `None`
/// while somebody goes by that.
pub(crate) fn known<R>(number: u64, then: impl FnOnce(&Known) -> R) -> Option<R> {
    KNOWN.with(|all| {
        let known = &all[number as usize % KNOWN_AT_ONCE];
        if known.is_in_use() {
            return None;
        }
        LATEST.set(known);
        Some(then(known))
    })
}
