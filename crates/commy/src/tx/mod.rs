//! Transactions: the undo log, commit and rollback, and the context in which containers change the
//! segment.

mod habits;
mod hot;
mod joined;
mod log;
mod owner;
mod record;
mod ring;
mod watched;
mod worker;

#[cfg(test)]
mod owner_tests;
#[cfg(test)]
mod tests;

pub(crate) use habits::Habits;
pub(crate) use log::Log;
pub(crate) use owner::{Keeper, Owner};
pub(crate) use record::{Chunk, OPEN, Record, UNUSED, pack_size, unpack_size};
pub use ring::Operation;
pub(crate) use ring::{Cursor, Form, KeyBytes, News, Note, Ring};
pub(crate) use worker::{Roster, Worker};

use crate::alloc;
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::map::Map;
use crate::sync::version;
use hot::Hot;
use joined::Joined;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use watched::Watched;

/// What a view of a container needs to reach the rest of the segment: the map and, where it may change
/// something, the transaction. Views carry its address in their metadata.
///
/// Invariant: a context lives at a stable address as long as any view made with it can be used: that
/// of a write guard in the worker, which the guard keeps alive; that of readers in the attachment.
pub struct Context {
    map: NonNull<Map>,
    writer: Option<Writer>,
    way: usize,
    /// Set by who puts something into what follows.
    used: Cell<bool>,
    stamp: Cell<u64>,
    transaction: Cell<u64>,
    hot: Hot,
    watched: Watched,
    joined: Joined,
    /// What tells whether that which is being read without a lock has been changed meanwhile.
    watch: Option<Watch>,
}

/// Whose transaction a context is for, and its log, which the worker has for that way.
#[derive(Clone, Copy)]
struct Writer {
    worker: NonNull<Worker>,
    log: NonNull<Log>,
}

/// The words of an object that is read without its lock, and its version when that began.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    pub lock: NonNull<AtomicU64>,
    pub version: NonNull<AtomicU64>,
    pub seen: u64,
}

// SAFETY: the context of an attachment, which threads share, has no worker, and its cells are never
// set; the contexts of a worker are reached from other threads only through shared references to
// views, whose methods read the map alone.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// For reading.
    pub(crate) fn of_reader(map: &Map) -> Context {
        Context::of(map, None, 0, None)
    }

    /// For reading, without its lock, an object that is being watched.
    pub(crate) fn of_onlooker(map: &Map, watch: Watch) -> Context {
        Context::of(map, None, 0, Some(watch))
    }

    /// For changing something.
    ///
    /// # Safety
    /// The context is going to be part of that worker, which has its address already, for that transaction.
    unsafe fn of_worker(map: &Map, worker: *const Worker, way: usize) -> Context {
        // SAFETY: the caller's promise.
        let log = unsafe { Worker::place_of_log(worker, way) };
        let writer = NonNull::new(worker.cast_mut()).zip(NonNull::new(log.cast_mut()));
        Context::of(map, writer.map(|(worker, log)| Writer { worker, log }), way, None)
    }

    #[inline(always)]
    fn of(map: &Map, writer: Option<Writer>, way: usize, watch: Option<Watch>) -> Context {
        let (stamp, transaction) = (Cell::new(0), Cell::new(0));
        let (map, hot) = (NonNull::from(map), Hot::default());
        let (watched, joined) = (Watched::default(), Joined::default());
        Context { map, writer, way, used: Cell::new(false), stamp, transaction, hot, watched, joined, watch }
    }

    /// Whether there is anything in it that is to be forgotten when the transaction ends.
    #[inline(always)]
    fn is_used(&self) -> bool {
        self.used.get()
    }

    #[inline(always)]
    fn end(&self) {
        if self.used.get() {
            self.forget();
        }
    }

    fn forget(&self) {
        self.used.set(false);
        self.stamp.set(0);
        self.transaction.set(0);
        self.hot.forget();
        self.watched.forget();
        self.joined.end(false);
    }
}

/// A handle to a [`Context`]: what the stored forms of values are viewed and changed with.
#[derive(Clone, Copy)]
pub struct Cx(NonNull<Context>);

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cx")
    }
}

impl Cx {
    pub(crate) fn new(context: &Context) -> Cx {
        Cx(NonNull::from(context))
    }

    /// As the length of the `[()]` at the end of a view.
    #[inline(always)]
    pub fn metadata(self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// From the length of the `[()]` at the end of a view.
    ///
    /// # Safety
    /// `metadata` came from [`Cx::metadata`] of a context that is still alive.
    #[inline(always)]
    pub unsafe fn from_metadata(metadata: usize) -> Cx {
        // SAFETY: the caller's promise: it is the address of a context, which is never null.
        Cx(unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(metadata)) })
    }

    #[inline(always)]
    fn context<'a>(self) -> &'a Context {
        // SAFETY: the invariant of `Context`.
        unsafe { self.0.as_ref() }
    }

    /// Which of its worker's transactions it is for.
    #[inline(always)]
    pub(crate) fn way(self) -> usize {
        self.context().way
    }

    /// The map.
    #[inline(always)]
    pub(crate) fn map<'a>(self) -> &'a Map {
        // SAFETY: the map is in the attachment, which outlives all contexts of it.
        unsafe { self.context().map.as_ref() }
    }

    /// The thread whose transaction it is.
    #[inline(always)]
    pub(crate) fn worker<'a>(self) -> Result<&'a Worker> {
        self.writer().map(|(worker, _)| worker)
    }

    /// The same with the log of the transaction.
    #[inline(always)]
    fn writer<'a>(self) -> Result<(&'a Worker, &'a Log)> {
        match self.context().writer {
            Some(writer) => {
                // SAFETY: the worker that the context is part of, and a log that is part of it, too.
                let (worker, log) = unsafe { (writer.worker.as_ref(), writer.log.as_ref()) };
                if worker.is_own() { Ok((worker, log)) } else { Err(Error::Forked) }
            }
            None => Err(Error::ReadOnly),
        }
    }

    /// Whether nothing was changed in the transaction so far, as when it is for a single operation.
    #[inline(always)]
    pub(crate) fn is_first(self) -> bool {
        // SAFETY: a log of the worker that the context is part of.
        self.context().writer.is_some_and(|writer| unsafe { writer.log.as_ref() }.is_empty())
    }

    /// Whether what is read is read without a lock.
    #[inline(always)]
    pub(crate) fn is_watched(self) -> bool {
        self.context().watch.is_some()
    }

    /// Whether what is being read without a lock has been changed meanwhile, so that it is of no use to go on. Long
    /// loops ask.
    #[inline(always)]
    pub(crate) fn is_stale(self) -> bool {
        self.context().watch.is_some_and(|watch| {
            // SAFETY: the words of an object's control block, which stays one as long as the attachment lives.
            let (lock, version) = unsafe { (watch.lock.as_ref(), watch.version.as_ref()) };
            !version::is_still(lock, version, watch.seen)
        })
    }

    /// A pointer to `len` bytes of a block at an offset, if they are in the file, where blocks are, and so aligned. The
    /// last place where an offset from the file is checked.
    #[inline(always)]
    pub(crate) fn at(self, offset: u64, len: u64, align: u64) -> Option<NonNull<u8>> {
        self.map().block(offset, len, align).and_then(NonNull::new)
    }

    /// A pointer to `count` values of type `T` at an offset, if they are in the file and aligned.
    #[inline(always)]
    pub(crate) fn slice<T>(self, offset: u64, count: u64) -> Option<NonNull<T>> {
        let bytes = count.checked_mul(size_of::<T>() as u64)?;
        self.at(offset, bytes, align_of::<T>() as u64).map(NonNull::cast)
    }

    /// The offset of something that lies in the file.
    #[inline(always)]
    pub(crate) fn offset_of<T: ?Sized>(self, thing: *const T) -> u64 {
        (thing.cast::<u8>() as usize - self.map().base() as usize) as u64
    }

    /// Keeps the old values of `count` words from `first` on, so that they may be overwritten.
    ///
    /// `first` and the words behind it lie in the map.
    #[inline(always)]
    pub(crate) fn keep(self, first: &Word, count: u64) -> Result<()> {
        let (worker, log) = self.writer()?;
        let offset = self.offset_of(first);
        if log.has(offset, count) || log.keep_few(offset, first, count) {
            return Ok(());
        }
        log.keep(&worker.actor(), first, count)
    }

    /// Keeps the old value of a word, then overwrites it.
    #[cfg(test)]
    pub(crate) fn set(self, word: &Word, value: u64) -> Result<()> {
        self.keep(word, 1)?;
        word.put(value);
        Ok(())
    }

    /// Keeps the old value of something that is about to be overwritten.
    ///
    /// # Safety
    /// It lies in the map, as aligned as its type is.
    #[inline(always)]
    pub(crate) unsafe fn keep_value<T>(self, place: *const T) -> Result<()> {
        match size_of::<T>() {
            0 => Ok(()),
            // SAFETY: the caller's promise; it is all words, and the map's words are atomics.
            size if align_of::<T>().is_multiple_of(8) => self.keep(unsafe { &*place.cast::<Word>() }, size as u64 / 8),
            // SAFETY: the caller's promise.
            size => unsafe { self.keep_bytes(place.cast(), size) },
        }
    }

    /// Keeps the old value of the words that `len` bytes at `at` lie in.
    ///
    /// # Safety
    /// The bytes lie in the map.
    #[inline]
    pub(crate) unsafe fn keep_bytes(self, at: *const u8, len: usize) -> Result<()> {
        let first = at as usize & !7;
        let words = (at as usize + len).div_ceil(8) - first / 8;
        let back = at as usize - first;
        // SAFETY: rounding down to a multiple of 8 stays in the page, hence in the map, whose words are
        // atomics.
        let first = unsafe { &*at.sub(back).cast::<Word>() };
        self.keep(first, words as u64)
    }

    /// Takes a block of at least `bytes`, aligned to `align` (a power of two up to 4096); it is given back if
    /// the transaction rolls back. Its content is arbitrary. For 0 bytes there is no block: gives 0.
    #[inline]
    pub(crate) fn alloc(self, bytes: u64, align: u64) -> Result<u64> {
        if bytes == 0 {
            return Ok(0);
        }
        let worker = self.worker()?;
        let actor = worker.actor();
        worker.alloc().alloc(&actor, &worker.journal(self.context().way, &actor), bytes, align)
    }

    /// Gives a block back, with the size and alignment it was taken with: at once if this transaction
    /// took it a moment ago, else after commit.
    #[inline]
    pub(crate) fn free(self, offset: u64, bytes: u64, align: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let (worker, log) = self.writer()?;
        log.free(&worker.actor(), worker.alloc(), offset, bytes, align)
    }

    /// Lengthens a block in place if there is room behind it. It must then be freed with `to` bytes.
    pub(crate) fn extend(self, offset: u64, from: u64, to: u64) -> Result<bool> {
        let worker = self.worker()?;
        let actor = worker.actor();
        alloc::extend(&actor, &worker.journal(self.context().way, &actor), offset, from, to)
    }

    /// Lets the file grow by a step of at most 1 MiB, unless it has room for a block of so many bytes already.
    pub(crate) fn grow_ahead(self, bytes: u64) -> Result<()> {
        alloc::grow_ahead(&self.worker()?.actor(), bytes)
    }

    /// A number that only this transaction has: what bears it was made by it and needs no log.
    #[inline(always)]
    pub(crate) fn stamp(self) -> Result<u64> {
        // Asked even if there is a stamp, since what bears it is changed without the log: not in a forked child.
        let worker = self.worker()?;
        Ok(self.number(&self.context().stamp, worker))
    }

    /// The number in a place of the context, which gets one if there is none yet.
    #[inline(always)]
    fn number(self, place: &Cell<u64>, worker: &Worker) -> u64 {
        if place.get() == 0 {
            place.set(worker.next_serial());
            self.context().used.set(true);
        }
        place.get()
    }

    /// A number that only this transaction has, the same in all parts run by [`atomically`](Cx::atomically): what bears
    /// it was touched by the transaction at some time.
    #[inline(always)]
    pub(crate) fn transaction(self) -> Result<u64> {
        let worker = self.worker()?;
        Ok(self.number(&self.context().transaction, worker))
    }

    /// Runs a part that either happens whole or, on an error, not at all. Blocks from before that it
    /// frees are given back no earlier than at commit, so let it free last, outside.
    pub(crate) fn atomically<R>(self, part: impl FnOnce() -> Result<R>) -> Result<R> {
        let (worker, log) = self.writer()?;
        let savepoint = log.savepoint();
        // What was made before the part is not new to it: it has to be logged, so that it can be set back.
        let (stamp, hot) = (self.context().stamp.take(), self.context().hot.take());
        let result = part();
        self.context().stamp.set(stamp);
        match result {
            Ok(result) => {
                log.release(savepoint);
                self.context().hot.restore(&hot);
                Ok(result)
            }
            Err(error) => {
                self.context().hot.forget();
                log.roll_back_to(&worker.actor(), worker.alloc(), savepoint)?;
                Err(error)
            }
        }
    }
}
