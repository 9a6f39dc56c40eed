//! A file attached: its address range, checked access to what lies in it, and growth.
//!
//! The whole of `maximum` bytes is reserved once, by mapping the file beyond its end; growing the file
//! makes more of the range usable, in every process that has it mapped, without moving anything. An
//! offset is turned into a pointer only here, after a check against the size in the header, which is
//! never larger than what is in the file.

mod prefetch;

pub(crate) use prefetch::{prefetch, prefetch_to_write};

use crate::error::{Error, Result};
use crate::layout::{
    FIRST_BLOCK, Header, PAGE, PROCESS_PAGE, PROCESSES_PER_PAGE, ProcessSlot, THREAD_PAGE, THREADS_PER_PAGE,
    ThreadSlot, Word,
};
use crate::os::{self, Access, Mapping};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The largest step of growth whose pages are made present at once: some tenths of a millisecond.
const POPULATED: u64 = 1 << 20;

/// A mapped segment file.
///
/// Invariant, on which the `unsafe` of this file rests: `base` is the start of a shared mapping of
/// `reserved` bytes that lives as long as `self`, of which the first `header.size` bytes are backed by
/// the file; `header.size` shrinks only when nobody can hold a reference above the new size.
#[derive(Debug)]
pub(crate) struct Map {
    /// Until `release_except`.
    mapping: Option<Mapping>,
    base: *mut u8,
    reserved: u64,
    /// Whether the file can become neither longer nor shorter.
    fixed: bool,
    private: bool,
    path: PathBuf,
    /// From an `Arc`. Replaced in a forked child, which must not share its parent's open file description; what was
    /// replaced is never freed.
    file: AtomicPtr<File>,
}

// SAFETY: the mapping may be used from any thread; what lies in it is accessed through atomics or
// under the locks of `sync`, as for threads of several processes.
unsafe impl Send for Map {}
// SAFETY: as above; `file` is an atomic pointer.
unsafe impl Sync for Map {}

impl Map {
    /// Maps a file that the caller has seen to be a segment of at least one page.
    pub(crate) fn new(file: impl Into<Arc<File>>, path: &Path, reserved: u64, access: Access) -> Result<Map> {
        let file = file.into();
        let fixed = os::has_fixed_length(&file);
        // Whatever is written there: no page is looked for where there can never be any.
        let reserved = match fixed {
            true => reserved.min(file.metadata().map_err(|e| Error::io("examine", path, e))?.len()),
            false => reserved,
        };
        let length = usize::try_from(reserved).map_err(|_| Error::BadArgument {
            what: "max_size",
            value: reserved,
            rule: "which is more than this machine can address",
        })?;
        let mapping = Mapping::new(&file, length, access).map_err(|e| Error::io("map", path, e))?;
        let base = mapping.base();
        // Where a file cannot be mapped beyond its end, who may only read it may have got less.
        let reserved = reserved.min(mapping.len() as u64);
        let file = AtomicPtr::new(Arc::into_raw(file).cast_mut());
        let private = access == Access::Private;
        Ok(Map { mapping: Some(mapping), base, reserved, fixed, private, path: path.to_path_buf(), file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    #[inline(always)]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn file(&self) -> &File {
        // SAFETY: from an `Arc` that is dropped only with the map, or never.
        unsafe { &*self.file.load(Ordering::Acquire) }
    }

    /// The file, for who needs it longer than the map. Nobody duplicates its descriptor: where locks belong to the
    /// process, closing any descriptor of the file drops them all.
    pub(crate) fn shared_file(&self) -> Arc<File> {
        let file = self.file.load(Ordering::Acquire);
        // SAFETY: from an `Arc` that is dropped only with the map, or never; the count is ours.
        unsafe {
            Arc::increment_strong_count(file);
            Arc::from_raw(file)
        }
    }

    pub(crate) fn replace_file(&self, file: File) {
        self.file.store(Arc::into_raw(Arc::new(file)).cast_mut(), Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: page 0 is always in the file, `Header` is all atomics and padding, and valid for
        // any bytes.
        unsafe { &*self.base.cast::<Header>() }
    }

    /// Whether what is changed here is changed for oneself only. The file itself must then be left alone.
    pub(crate) fn is_private(&self) -> bool {
        self.private
    }

    /// Whether the file can become neither longer nor shorter.
    pub(crate) fn has_fixed_length(&self) -> bool {
        self.fixed
    }

    /// Bytes that may be accessed.
    #[inline(always)]
    pub(crate) fn size(&self) -> u64 {
        self.header().size.get_acquire().min(self.reserved)
    }

    #[inline(always)]
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// A pointer to `len` bytes at an offset, if they are in the file and so aligned.
    #[inline(always)]
    pub(crate) fn at(&self, offset: u64, len: u64, align: u64) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        if end > self.size() || offset & (align - 1) != 0 {
            return None;
        }
        // SAFETY: `offset` is below `size`, inside the mapping.
        Some(unsafe { self.base.add(offset as usize) })
    }

    /// The same of a block: none lies in the segment's own pages, whatever a damaged file says. A thread's sign of
    /// life is there, which the C library trusts.
    #[inline(always)]
    pub(crate) fn block(&self, offset: u64, len: u64, align: u64) -> Option<*mut u8> {
        if offset < FIRST_BLOCK {
            return if len == 0 { self.no_block(offset) } else { None };
        }
        self.at(offset, len, align)
    }

    /// Where what has no bytes lies: at offset 0.
    #[cold]
    fn no_block(&self, offset: u64) -> Option<*mut u8> {
        (offset == 0).then_some(self.base)
    }

    /// A structure of words at an offset.
    ///
    /// # Safety
    /// `T` is valid for any bytes and consists of atomics only.
    #[inline(always)]
    pub(crate) unsafe fn get<T>(&self, offset: u64) -> Result<&T> {
        match self.at(offset, size_of::<T>() as u64, align_of::<T>() as u64) {
            // SAFETY: in the file and aligned; all bytes are valid for a `T`, and shared access to
            // them is atomic, which the caller vouches for.
            Some(p) => Ok(unsafe { &*p.cast::<T>() }),
            None => Err(Error::corrupt(offset, "an offset outside the file")),
        }
    }

    /// The word at an offset.
    #[inline(always)]
    pub(crate) fn word(&self, offset: u64) -> Result<&Word> {
        // SAFETY: a word is one atomic.
        unsafe { self.get::<Word>(offset) }
    }

    /// The offset of something that lies in the file.
    pub(crate) fn offset_of<T: ?Sized>(&self, thing: &T) -> u64 {
        (std::ptr::from_ref(thing).cast::<u8>() as usize - self.base as usize) as u64
    }

    /// The slot of a process, if its page exists.
    pub(crate) fn process(&self, index: usize) -> Option<&ProcessSlot> {
        let page = match index / PROCESSES_PER_PAGE {
            0 => PROCESS_PAGE,
            chunk => self.header().process_pages.get(chunk)?.get_acquire(),
        };
        let offset = page.checked_add((index % PROCESSES_PER_PAGE * size_of::<ProcessSlot>()) as u64)?;
        // SAFETY: a process slot is all words.
        if page == 0 { None } else { unsafe { self.get::<ProcessSlot>(offset) }.ok() }
    }

    /// The slot of a thread, if its page exists.
    #[inline]
    pub(crate) fn thread(&self, index: usize) -> Option<&ThreadSlot> {
        let page = match index / THREADS_PER_PAGE {
            0 => THREAD_PAGE,
            chunk => self.header().thread_pages.get(chunk)?.get_acquire(),
        };
        let offset = page.checked_add((index % THREADS_PER_PAGE * size_of::<ThreadSlot>()) as u64)?;
        // SAFETY: a thread slot is words and a beacon, which is only touched through `os::Beacon`.
        if page == 0 { None } else { unsafe { self.get::<ThreadSlot>(offset) }.ok() }
    }

    /// Makes the file `size` bytes long, all of them backed. The caller holds the heap lock.
    pub(crate) fn grow(&self, size: u64) -> Result<()> {
        debug_assert!(size.is_multiple_of(PAGE) && size <= self.reserved);
        let from = self.size();
        if self.private {
            return Err(Error::OutOfSpace { needed: size - from, reason: "a private copy does not grow".into() });
        }
        os::extend(self.file(), from, size).map_err(|e| Error::OutOfSpace {
            needed: size - from,
            reason: format!("the disk of {} says: {e}", self.path.display()),
        })?;
        self.header().size.publish(size);
        // Storing into new pages in any order would fault one by one, and some of these faults take milliseconds.
        if let Some(mapping) = self.mapping.as_ref().filter(|_| size - from <= POPULATED) {
            mapping.populate(from as usize..size as usize);
        }
        Ok(())
    }

    /// Cuts the file, which had `end` bytes, behind the first `size` bytes, of which the header says already that there
    /// are no more. A file that stays longer harms nobody: what is beyond the size is not used.
    pub(crate) fn cut(&self, size: u64, end: u64) {
        if !self.private {
            let _ = os::truncate(self.file(), size, end.min(self.reserved));
        }
    }

    /// Writes what is in the file to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        let synced = self.mapping.as_ref().map_or(Ok(()), |mapping| os::sync(self.file(), mapping, self.size()));
        synced.map_err(|e| Error::io("sync", &self.path, e))
    }

    /// Unmaps, but leaves these ranges (of whole pages) mapped for the life of the process. The map is
    /// not used any more.
    pub(crate) fn release_except(&mut self, keep: &[std::ops::Range<usize>]) {
        if let Some(mapping) = self.mapping.take() {
            mapping.release_except(keep);
        }
    }

    /// The same, as the last who has the segment open, while nobody can enter: the file is left so long.
    pub(crate) fn release_last(&mut self, keep: &[std::ops::Range<usize>], length: u64) {
        self.release_except(keep);
        os::close_at(self.file(), length);
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: made by `Arc::into_raw`, and nobody has a reference from the map any more.
        drop(unsafe { Arc::from_raw(*self.file.get_mut()) });
    }
}

/// Whether a file begins like the segment with this id.
pub(crate) fn names_segment(file: &File, id_low: u64, id_high: u64) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let mut head = [0; 40];
    let mut file = file;
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut head));
    let id = [id_low.to_ne_bytes(), id_high.to_ne_bytes()].concat();
    read.is_ok() && head[..8] == crate::layout::MAGIC && head[24..] == id[..]
}
