//! What the library needs from the operating system, and nothing else.
//!
//! This is the only room that knows which system it runs on. Everything here is mechanism without
//! policy: mapping and lengthening a file, byte-range locks, sleeping on a shared word, the sign of
//! life of a thread, the identity of a process. Each concept has one file for each system, below
//! `unix/` and `windows/`; this file is the interface that both fulfil, so a difference in their
//! signatures does not compile.
//!
//! Conventions that hold for all of it:
//!
//! - Addresses and file offsets count from the start of the file; a mapping begins at offset 0.
//! - Failures of the system come back as `io::Error` with the system's own number. Nothing panics.
//! - A wait may end early for no reason. Whoever waits looks at the word again, in a loop.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

mod remember;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use remember::{Known, forget, known, known_latest, remember, remembered};
pub(crate) use system::{Beacon, Mapping, fork};

/// What a mapping or a reopened file may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Loads only; a store is a fault.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
    /// Loads and stores, of which nobody else sees anything: pages that are stored to are copied. The file needs only
    /// be open for reading.
    Private,
}

/// What a [`Beacon`] says about the thread that took it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BeaconState {
    /// Nobody holds it.
    Free,
    /// A thread holds it and is alive.
    Held,
    /// The thread that held it died without letting go.
    Dead,
    /// Somebody took it, but this system does not mark the dead: ask the process layer.
    Unknown,
}

/// Names a shared word for waiting, the same in every process.
///
/// Linux ignores it (the kernel finds the word by its page). Windows makes the name of an event
/// from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct WaitKey {
    /// The id of the segment the word lies in.
    pub segment: u128,
    /// The word's offset in the segment.
    pub offset: u64,
}

/// A process as others can recognise it, immune to the reuse of process ids. Stored in the file.
///
/// A field of 0 means that the system would not tell.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProcessId {
    /// The process id, as the process itself sees it.
    pub pid: u64,
    /// When it started, in a unit of the system's.
    pub start: u64,
    /// The namespace in which `pid` and `start` have their meaning. Compare it, nothing more.
    pub namespace: u64,
    /// The boot of the machine it runs under, as [`boot_id`] gives it.
    pub boot: u64,
}

const _: () = assert!(size_of::<ProcessId>() == 32 && align_of::<ProcessId>() == 8);
const _: () = assert!(size_of::<Beacon>() == 64 && align_of::<Beacon>() == 64);

impl ProcessId {
    /// The calling process. Cached, and found anew in a forked child.
    pub fn current() -> ProcessId {
        system::current_process()
    }

    /// Whether the process has ended.
    ///
    /// `Some(true)`: surely gone: another boot, or the same namespace and no such process, only a
    /// zombie, or another process of that number. `Some(false)`: surely there. `None`: cannot be
    /// told from here.
    pub fn is_gone(&self) -> Option<bool> {
        system::is_gone(self)
    }
}

/// Makes the file at least `to` bytes long with every page of `from..to` backed by storage, so
/// that no later store there meets a full disk. What is in the range stays.
///
/// The caller sees to it that no one else changes the file's length or stores into the range
/// meanwhile: some file systems cannot allocate, and there blocks that read as zero are written.
///
/// A full disk, a quota or a limit comes back as the error (`ENOSPC`, `EDQUOT`, `EFBIG`), never as
/// a signal. Nothing is lost then; the file has its old length if `from` was not below it.
///
/// On Windows the file has its final length from the first mapping on, and only the storage is new.
pub(crate) fn extend(file: &File, from: u64, to: u64) -> io::Result<()> {
    system::extend(file, from, to)
}

/// Makes a file of one's own `len` bytes long, without storage. A limit comes back as the error, never as a signal.
pub(crate) fn lengthen(file: &File, len: u64) -> io::Result<()> {
    system::lengthen(file, len)
}

/// Gives back the storage between `len` and `end`, behind which nothing was ever used. It reads as zeros when it is
/// extended again.
///
/// On Unix the file has that length afterwards, and who touches a page beyond it gets SIGBUS, unless its length is fixed.
/// On Windows a mapped file keeps its length, until [`close_at`].
pub(crate) fn truncate(file: &File, len: u64, end: u64) -> io::Result<()> {
    system::truncate(file, len, end)
}

/// Makes the file as long as what is used of it, when nobody has it mapped any more.
///
/// On Unix it is. On Windows it has had its greatest length until now; it keeps that if somebody has it mapped, which
/// the system sees to.
pub(crate) fn close_at(file: &File, len: u64) {
    system::close_at(file, len);
}

/// The file of who only reads, opened for writing, if reading may have made it longer and it may be written.
pub(crate) fn lengthened(file: &File) -> Option<File> {
    system::lengthened(file)
}

/// Gives back the storage of `from..to`, which reads as zeros from then on. What is given back is made fit for use
/// again by [`extend`].
///
/// On Unix who touches a page there may get SIGBUS, if the disk is full. On Windows reading it is harmless.
pub(crate) fn punch(file: &File, from: u64, to: u64) -> io::Result<()> {
    system::punch(file, from, to)
}

/// Makes `to`, a file without content, share all storage of `from`, if the file system can do that; tells whether. Each gets
/// storage of its own for what is changed in it: so a store may meet a full disk, until [`unshare`].
pub(crate) fn clone_file(from: &File, to: &File) -> io::Result<bool> {
    system::clone_file(from, to)
}

/// Gives a file storage of its own in place of what it shares with others, where it can share at all.
pub(crate) fn unshare(file: &File, len: u64) -> io::Result<()> {
    system::unshare(file, len)
}

/// Copies `from..to` between two files, to the same place. Ranges that were never written are left out.
pub(crate) fn copy_range(source: &File, target: &File, from: u64, to: u64) -> io::Result<()> {
    system::copy_range(source, target, from, to)
}

/// Reads from a place of the file; gives how many bytes, 0 at its end.
pub(crate) fn read_some_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    system::read_some_at(file, buffer, at)
}

/// Fills the buffer from a place of the file.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    system::read_at(file, buffer, at)
}

/// Writes all bytes to a place of the file.
pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    system::write_at(file, bytes, at)
}

/// Writes what was changed in the file through mappings, and its length, to the disk, and waits for it.
pub(crate) fn sync(file: &File, mapping: &Mapping, len: u64) -> io::Result<()> {
    mapping.flush(0..len as usize)?;
    file.sync_all()
}

/// One side of a fence between two threads that each store a word and then look at the other's: for the side that
/// does it often. Costs nothing where [`heavy_fence`] makes others' processors do the work.
#[inline(always)]
pub(crate) fn light_fence() {
    if cfg!(all(any(target_os = "linux", target_os = "android"), not(commy_portable))) {
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    } else {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }
}

/// The other side: behind it every thread of every process has passed a full fence. Takes milliseconds. An error
/// where the system does not offer it.
pub(crate) fn heavy_fence() -> io::Result<()> {
    system::heavy_fence()
}

/// Whether [`light_fence`] costs nothing, and [`joint_fence`] is the other side of it for this process.
pub(crate) fn join_fences() -> bool {
    system::join_fences()
}

/// As [`heavy_fence`], in about a microsecond, for the threads of all processes that have called [`join_fences`].
pub(crate) fn joint_fence() {
    system::joint_fence();
}

/// Where the locked bytes begin: far beyond any data, so that locking one never hinders an access
/// to the file (on Windows locks are mandatory).
const LOCK_BASE: u64 = 1 << 40;

/// Tries to lock byte `index` for this open file description alone. `false`: another has it.
/// (Whether one may lock twice what one has locked, the systems see differently.)
///
/// The lock falls when the last descriptor of the description is closed, at the latest when the
/// processes that have it are dead and their memory is unmapped. The file must be open for writing.
pub(crate) fn try_lock_byte(file: &File, index: u64) -> io::Result<bool> {
    system::try_lock_byte(file, LOCK_BASE + index)
}

/// The same, shared with others that lock it shared; a file open for reading is enough.
pub(crate) fn try_lock_byte_shared(file: &File, index: u64) -> io::Result<bool> {
    system::try_lock_byte_shared(file, LOCK_BASE + index)
}

/// Unlocks a byte that this open file description has locked.
pub(crate) fn unlock_byte(file: &File, index: u64) -> io::Result<()> {
    system::unlock_byte(file, LOCK_BASE + index)
}

/// Whether another open file description has the byte locked, in this process or elsewhere.
///
/// Not to be asked about a byte that this very description has locked: the systems differ there.
/// On Windows asking locks for a moment, so that two who ask at once may both be told yes, and a
/// [`try_lock_byte`] at that moment fails.
pub(crate) fn byte_locked_elsewhere(file: &File, index: u64) -> io::Result<bool> {
    system::byte_locked_elsewhere(file, LOCK_BASE + index)
}

/// Sleeps while `*word == expected`, until somebody [`wake`]s it, at most `timeout`.
///
/// Returns at once if the word differs; a change and a wake between the caller's look and the sleep
/// are not lost. May return early.
pub(crate) fn wait(key: WaitKey, word: &AtomicU32, expected: u32, timeout: Duration) {
    system::wait(key, word, expected, timeout);
}

/// The same, but returns also when the thread behind `beacon`, of the process `owner`, dies.
///
/// If the beacon is dead already it returns at once; if nobody holds it, it sleeps a few
/// milliseconds at most, since then there is no death to wait for. Where the system cannot wait for
/// two things at once, death is noticed within milliseconds, by looking.
pub(crate) fn wait_or_death(
    key: WaitKey,
    word: &AtomicU32,
    expected: u32,
    beacon: &Beacon,
    owner: &ProcessId,
    timeout: Duration,
) {
    system::wait_or_death(key, word, expected, beacon, owner, timeout);
}

/// Wakes up to `count` of those who wait on the word. Change the word first.
pub(crate) fn wake(key: WaitKey, word: &AtomicU32, count: u32) {
    system::wake(key, word, count);
}

/// Wakes everybody who sleeps in [`wait_or_death`] on this beacon; for who has rescued its holder.
pub(crate) fn wake_beacon(beacon: &Beacon) {
    system::wake_beacon(beacon);
}

/// A number that differs from boot to boot of the machine, the same in all processes; 0 if the
/// system does not tell.
pub(crate) fn boot_id() -> u64 {
    system::boot_id()
}

/// A random number of cryptographic quality.
pub(crate) fn random_u64() -> io::Result<u64> {
    system::random_u64()
}

/// Milliseconds of a clock that never goes back and is the same in all processes of one boot.
pub(crate) fn now_monotonic_ms() -> u64 {
    system::now_monotonic_ms()
}

/// Device and inode, or volume and file number: tells whether a path still names the mapped file.
pub(crate) fn file_identity(file: &File) -> io::Result<(u64, u64)> {
    system::file_identity(file)
}

/// The same of what a path leads to. Where locks belong to the process, opening and closing it would drop them.
pub(crate) fn path_identity(path: &Path) -> io::Result<(u64, u64)> {
    system::path_identity(path)
}

/// A new open file description of the same file, which has no locks yet.
///
/// A forked child needs one, since an inherited description shares its parent's locks. But there
/// the [`fork`] handler has replaced the descriptors it watches, so that `file` no longer leads to
/// the file and `path` is opened: **the caller compares [`file_identity`] with what it was**, for
/// the path may name another file by now. Otherwise the file is found through `file`, even when it
/// has been renamed or removed.
pub(crate) fn reopen(file: &File, path: &Path, access: Access) -> io::Result<File> {
    system::reopen(file, path, access)
}

/// Sets what every file of ours is opened with: not inherited over exec, never blocking in `open`,
/// created with the permissions `mode` (Unix), shared with all others (Windows).
pub(crate) fn open_flags(options: &mut OpenOptions, mode: u32) {
    system::open_flags(options, mode);
}

/// The calling thread's number in this system.
pub(crate) fn current_thread_id() -> u64 {
    system::current_thread_id()
}

/// Ends this process at once, as `kill -9` does: nothing is cleaned up. For tests of crashes.
#[cfg(any(test, feature = "crash-points"))]
pub(crate) fn kill_self() -> ! {
    system::kill_self()
}

/// Whether the file can have no other length ever: memory that was sealed against that.
pub(crate) fn has_fixed_length(file: &File) -> bool {
    system::has_fixed_length(file)
}

/// How many bytes of a file have storage behind them; 0 if the system does not say.
pub(crate) fn backed(facts: &Metadata) -> u64 {
    system::backed(facts)
}
