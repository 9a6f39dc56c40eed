//! A consistent copy of a segment while others work.
//!
//! ```text
//! 1  create path.partial, lock its first gate byte          of those who copy to one path, one does
//! 2  space lock; all writers pause; heap lock                nothing changes now but marks and signs of life
//! 3  copy what is in use: by sharing storage, if the file system can
//! 4  let them go on
//! 5  in the copy: another id, nobody attached, closed in order
//! 6  write it to the disk, give it its name, drop the other one
//! ```
//!
//! With all transactions at an end there is nothing to recover in the copy. The slots of those who are attached are
//! made free, as if they had left: lock words that name them are stale then, and their slabs are found by the next.
//!
//! A copier that is killed leaves `path.partial`; the next one to the same path replaces it.

use super::Segment;
use super::check::Progress;
use super::format::GATE;
use super::space::Space;
use crate::alloc::heap::Heap;
use crate::alloc::holes;
use crate::error::{Error, Result};
use crate::layout::{
    CLASS_LISTS, FIXED_LEN, Header, PAGE, PROCESS_FREE, PROCESS_PAGE, ProcessSlot, SlotState, THREAD_PAGE, ThreadSlot,
    WAYS, Word, thread_status,
};
use crate::os;
use crate::participant::{Actor, Still};
use crate::tx::Record;
use std::fs::{File, OpenOptions};
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much is copied before that is told.
const STEP: u64 = 16 << 20;

impl Segment {
    /// Makes a copy of the segment as it is at one moment, between transactions, while others work. The copy is a
    /// segment of its own, which nobody has open.
    ///
    /// Writers pause while it copies, readers do not. Where the file system can share storage between files (XFS,
    /// Btrfs), that takes milliseconds; else about as long as reading the file. Open guards and transactions are
    /// waited for, as locks are. A copier may be killed at any moment: nobody stays paused, and there is no copy.
    ///
    /// The copy is written as `path` with `.partial` added, and gets its name when it is whole and on the disk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let list: commy::Shared<Vec<u32>> = segment.open_or_create("list")?;
    /// list.store(vec![1, 2, 3])?;
    /// segment.snapshot(dir.path().join("copy.commy"))?;
    /// list.store(vec![])?;
    /// let copy = commy::Segment::open(dir.path().join("copy.commy"))?;
    /// assert_eq!(copy.open::<Vec<u32>>("list")?.load()?, [1, 2, 3]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Exists`] if there is something at `path`, which is left as it is; [`Error::LockTimeout`] names the
    /// process that is in a transaction, or makes another copy; [`Error::Deadlock`] if this thread has a guard;
    /// [`Error::OutOfSpace`] or [`Error::Io`] from the disk that is copied to; [`Error::Corrupt`] if a transaction
    /// could not be ended.
    pub fn snapshot(&self, path: impl AsRef<Path>) -> Result<()> {
        self.snapshot_with(path, |_, _| {})
    }

    /// Does what [`snapshot`](Segment::snapshot) does, and tells how far it has come: bytes that were copied, of so many.
    /// When all are, the others go on, and the copy is written to the disk.
    ///
    /// Writers pause while `progress` runs, so it should be brief, and must not use the segment.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let mut told = Vec::new();
    /// segment.snapshot_with(dir.path().join("copy.commy"), |done, all| told.push((done, all)))?;
    /// assert_eq!(told.last(), Some(&(segment.size(), segment.size())));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Segment::snapshot).
    pub fn snapshot_with(&self, path: impl AsRef<Path>, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        let worker = self.worker()?;
        if worker.is_engaged() {
            let reason = "this thread has a guard, and a snapshot waits for all guards";
            return Err(Error::Deadlock { what: "a snapshot".into(), reason });
        }
        let copy = Partial::create(path.as_ref(), self.map().size())?;
        let actor = worker.actor();
        let copied = self.copy_still(&actor, &copy, &mut progress).and_then(|size| {
            // What is shared now would need room at the next store: that must not be lacking then.
            os::unshare(&copy.file, size).map_err(|e| copy.failed(e))?;
            make_own(&copy)?;
            let mode = self.map().file().metadata().and_then(|facts| copy.file.set_permissions(facts.permissions()));
            mode.map_err(|e| copy.failed(e))?;
            copy.finish()
        });
        copied.inspect_err(|_| copy.discard())
    }

    /// Copies while everybody pauses. Gives the size.
    fn copy_still(&self, actor: &Actor<'_>, copy: &Partial, progress: Progress<'_>) -> Result<u64> {
        let _space = Space::lock(actor)?;
        let _still = Still::begin(actor, self.attachment().patience)?;
        let _heap = Heap::lock(actor)?;
        self.nothing_left_open()?;
        let (map, size) = (self.map(), self.map().size());
        os::lengthen(&copy.file, size).map_err(|e| copy.failed(e))?;
        let cloned = os::clone_file(map.file(), &copy.file).map_err(|e| copy.failed(e))?;
        if !cloned {
            let mut holes: Vec<(u64, u64)> =
                holes::holes(map).map(|(_, hole)| (hole.start * PAGE, hole.end() * PAGE)).collect();
            holes.sort_unstable();
            let mut from = 0;
            for (start, end) in holes.into_iter().chain([(size, size)]) {
                while from < start {
                    let step = start.min(from + STEP);
                    os::copy_range(map.file(), &copy.file, from, step).map_err(|e| copy.failed(e))?;
                    from = step;
                    progress(from, size);
                }
                from = end;
            }
        }
        progress(size, size);
        // A clone is as long as the whole file.
        copy.file.set_len(size).map_err(|e| copy.failed(e))?;
        Ok(size)
    }

    /// Sees that no slot has anything to be finished or undone.
    fn nothing_left_open(&self) -> Result<()> {
        let map = self.map();
        for index in 0..self.attachment().thread_slots() {
            let Some(slot) = map.thread(index) else { continue };
            let work = slot.work.get();
            let open = |way| Record::of(map, work, way).map_or(true, |record| record.state.get() != 0);
            if slot.freeing.get() | slot.collecting.get() | slot.intent.kind.get() != 0
                || (work != 0 && (0..WAYS).any(open))
            {
                return Err(Error::corrupt(map.offset_of(slot), "a transaction that could not be ended"));
            }
        }
        Ok(())
    }
}

/// A page of the copy, changed word by word.
struct Page<'a> {
    copy: &'a Partial,
    at: u64,
    words: [u64; PAGE as usize / 8],
}

impl<'a> Page<'a> {
    fn read(copy: &'a Partial, at: u64) -> Result<Page<'a>> {
        let mut bytes = [0; PAGE as usize];
        os::read_at(&copy.file, &mut bytes, at).map_err(|e| copy.failed(e))?;
        let mut words = [0; PAGE as usize / 8];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Ok(Page { copy, at, words })
    }

    fn word(&mut self, offset: usize) -> &mut u64 {
        &mut self.words[offset / 8]
    }

    fn clear(&mut self, offset: usize, len: usize) {
        self.words[offset / 8..(offset + len) / 8].fill(0);
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn write(&self) -> Result<()> {
        os::write_at(&self.copy.file, &self.bytes(), self.at).map_err(|e| self.copy.failed(e))
    }
}

/// Why bytes could not be written to a copy, of so many bytes, that is to be at a path: that there is no room is what can be helped.
pub(super) fn not_copied(source: std::io::Error, (to, path): (&Path, &Path), size: u64) -> Error {
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            let reason = format!("the disk of {} says: {source}", path.display());
            Error::OutOfSpace { needed: size, reason }
        }
        _ => Error::io("copy to", to, source),
    }
}

/// Makes the copy a segment of its own, which nobody has open.
fn make_own(copy: &Partial) -> Result<()> {
    let mut header = Page::read(copy, 0)?;
    let table = |offset: usize, len: usize| offset / 8..offset / 8 + len;
    let pages = |header: &Page<'_>, first: u64, range: std::ops::Range<usize>| -> Vec<u64> {
        [first].into_iter().chain(header.words[range].iter().copied().filter(|page| *page != 0)).collect()
    };
    let process_pages = pages(&header, PROCESS_PAGE, table(offset_of!(Header, process_pages), 16));
    let thread_pages = pages(&header, THREAD_PAGE, table(offset_of!(Header, thread_pages), 128));
    for at in process_pages {
        let mut page = Page::read(copy, at)?;
        for slot in (0..PAGE as usize).step_by(size_of::<ProcessSlot>()) {
            let state = *page.word(slot + offset_of!(ProcessSlot, state));
            page.clear(slot, size_of::<ProcessSlot>());
            *page.word(slot + offset_of!(ProcessSlot, state)) = state >> 32 << 32 | PROCESS_FREE;
        }
        page.write()?;
    }
    for at in thread_pages {
        let mut page = Page::read(copy, at)?;
        for slot in (0..PAGE as usize).step_by(size_of::<ThreadSlot>()) {
            let state = SlotState::unpack(*page.word(slot + offset_of!(ThreadSlot, state)));
            let free = SlotState { status: thread_status::FREE, generation: state.generation.wrapping_add(1), ..state };
            page.clear(slot, offset_of!(ThreadSlot, state));
            *page.word(slot + offset_of!(ThreadSlot, state)) = free.pack();
            for word in [
                offset_of!(ThreadSlot, rescuer),
                offset_of!(ThreadSlot, waits_for),
                offset_of!(ThreadSlot, busy),
                offset_of!(ThreadSlot, reading),
            ] {
                *page.word(slot + word) = 0;
            }
        }
        page.write()?;
    }
    for word in [
        offset_of!(Header, boot),
        offset_of!(Header, heap_lock),
        offset_of!(Header, heap_waiters),
        offset_of!(Header, space_lock),
        offset_of!(Header, space_waiters),
        offset_of!(Header, pause),
    ] {
        *header.word(word) = 0;
    }
    header.clear(offset_of!(Header, recovered), size_of::<[Word; 3]>());
    // All slots may have slabs now, and have no occupant.
    *header.word(offset_of!(Header, stranded)) = u64::MAX >> (64 - CLASS_LISTS);
    *header.word(offset_of!(Header, clean)) = 1;
    for half in 0..2 {
        let random = os::random_u64().map_err(|e| Error::io("get random numbers for", &copy.path, e))?;
        *header.word(offset_of!(Header, id) + half * 8) = random;
    }
    *header.word(offset_of!(Header, checksum)) = Header::checksum_of(&header.bytes()[..FIXED_LEN]);
    header.write()
}

/// A copy in the making.
struct Partial {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    /// Bytes that it takes, or somewhat more.
    size: u64,
}

impl Partial {
    fn create(path: &Path, size: u64) -> Result<Partial> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.to_path_buf() });
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        os::open_flags(&mut options, 0o600);
        let error = |what, e| Error::io(what, &partial, e);
        for _ in 0..2 {
            let file = options.open(&partial).map_err(|e| error("open", e))?;
            let locked = os::try_lock_byte(&file, GATE).map_err(|e| error("lock a byte of", e))?;
            // Who had it until now may have given it its name.
            if !locked || os::path_identity(&partial).ok() != os::file_identity(&file).ok() {
                break;
            }
            if file.metadata().map_err(|e| error("examine", e))?.len() == 0 {
                return Ok(Partial { file, partial, path: path.to_path_buf(), size });
            }
            // Left by somebody who was killed, perhaps after it got its name: then it is somebody's copy.
            std::fs::remove_file(&partial).map_err(|e| error("remove", e))?;
        }
        let what = format!("the copy {}", partial.display());
        Err(Error::LockTimeout { what, holder: 0, held_for: Duration::ZERO })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        not_copied(source, (&self.partial, &self.path), self.size)
    }

    /// Gives the copy its name, unless something has that by now.
    fn finish(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| self.failed(e))?;
        std::fs::hard_link(&self.partial, &self.path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: self.path.clone() },
            _ => Error::io("name", &self.path, e),
        })?;
        self.discard();
        Ok(())
    }

    /// Drops the temporary name. If that fails, the next copy to the same path does it.
    fn discard(&self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}
