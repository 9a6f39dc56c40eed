//! A file mapped into memory, possibly far beyond its end.
//!
//! One `mmap` reserves the whole range. Pages beyond the end of the file cost address space only;
//! each becomes usable in every process at the moment the file grows over it, with no call here,
//! so that addresses never move. A touch of a page that the file does not have is SIGBUS.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use super::super::Access;
use super::page_size;

/// Takes no memory in advance. Shared mappings of files take none anyway, where there is no flag.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
const NO_RESERVE: libc::c_int = libc::MAP_NORESERVE;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
const NO_RESERVE: libc::c_int = 0;

/// A range of address space over a file, shared with all who map it, from offset 0 on and possibly
/// far beyond the file's end.
///
/// Pages become usable when the file grows, in any process; addresses never move. Dropping it
/// unmaps the range.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Start of a range of `len` bytes, a multiple of the page size, which we mapped and nobody
    /// else unmaps.
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a Mapping owns a range of addresses, which mean the same in every thread; its methods
// do not touch the memory itself.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives out two numbers only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `reserve` bytes (rounded up to whole pages) of the file.
    pub fn new(file: &File, reserve: usize, access: Access) -> io::Result<Mapping> {
        let len = reserve
            .checked_next_multiple_of(page_size())
            .filter(|&len| len != 0 && isize::try_from(len).is_ok())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let (protection, sharing) = match access {
            Access::ReadOnly => (libc::PROT_READ, libc::MAP_SHARED),
            Access::ReadWrite => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
            Access::Private => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE),
        };
        // SAFETY: no address is asked for, so the kernel picks a range that nothing else uses;
        // `file` keeps the descriptor open during the call.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), len, protection, sharing | NO_RESERVE, file.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Mapping { base, len })
    }

    /// The address of the file's first byte.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many bytes are reserved.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes the pages of `range`, which the file must have, present in this process, so that the
    /// first stores there do not fault one by one. A hint: failure shows as slowness only.
    pub fn populate(&self, range: Range<usize>) {
        #[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
        {
            let page = page_size();
            let start = (range.start / page * page).min(self.len);
            let end = range.end.next_multiple_of(page).min(self.len);
            // SAFETY: start..end lies in the range that `self` owns, and populating changes no
            // contents.
            unsafe {
                libc::madvise(self.base().add(start).cast(), end.saturating_sub(start), libc::MADV_POPULATE_WRITE);
            }
        }
        #[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
        let _ = range;
    }

    /// Writes the pages of `range` that were changed to the disk, and waits for it.
    pub fn flush(&self, range: Range<usize>) -> io::Result<()> {
        let start = (range.start / page_size() * page_size()).min(self.len);
        let end = range.end.min(self.len);
        // SAFETY: start..end lies in the range that `self` owns.
        let result = unsafe { libc::msync(self.base().add(start).cast(), end.saturating_sub(start), libc::MS_SYNC) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Unmaps everything but the given page-aligned ranges, which stay mapped for the life of the
    /// process: a thread's [`super::Beacon`] lives there, and the kernel looks at it when the
    /// thread dies.
    pub fn release_except(self, keep: &[Range<usize>]) {
        let page = page_size();
        let mut keep: Vec<Range<usize>> = keep.iter().filter(|r| !r.is_empty()).cloned().collect();
        keep.sort_by_key(|range| range.start);
        let mut done = 0;
        for range in keep {
            debug_assert!(range.start % page == 0 && range.end % page == 0);
            let start = (range.start / page * page).min(self.len);
            self.unmap(done..start);
            done = done.max(range.end.next_multiple_of(page).min(self.len));
        }
        self.unmap(done..self.len);
        std::mem::forget(self);
    }

    /// Unmaps a page-aligned part; only for who is about to give up the mapping.
    fn unmap(&self, part: Range<usize>) {
        if part.is_empty() {
            return;
        }
        // SAFETY: the part lies in the range that we own, and the callers give the mapping up, so
        // that nobody derives an address in this part from it any more.
        let result = unsafe { libc::munmap(self.base().add(part.start).cast(), part.len()) };
        debug_assert_eq!(result, 0, "munmap of a range that we own");
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap(0..self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{fork_child, serial, temp_file};
    use super::*;

    #[test]
    fn child_does_not_miss_pages_that_its_parent_added_after_the_fork() {
        let _serial = serial();
        let (_dir, file, _path) = temp_file();
        super::super::extend(&file, 0, 4096).unwrap();
        let map = Mapping::new(&file, 1 << 30, Access::ReadWrite).unwrap();
        let base = map.base() as usize;
        let far = (1 << 20) - 8;
        let mut child = fork_child(|pipe| {
            pipe.hear();
            // SAFETY: the parent has extended the file over this word before it spoke.
            let word = unsafe { (base as *mut u8).add(far).cast::<u64>() };
            // SAFETY: as above; the parent does not touch it before it hears from us.
            unsafe { word.write_volatile(word.read_volatile() + 1) };
            pipe.say(1);
        });
        super::super::extend(&file, 4096, 1 << 20).unwrap();
        // SAFETY: the file covers the word now and the child waits.
        let word = unsafe { map.base().add(far).cast::<u64>() };
        // SAFETY: as above.
        unsafe { word.write_volatile(41) };
        child.say(1);
        assert_eq!(child.hear(), 1);
        // SAFETY: as above; the child is done with it.
        assert_eq!(unsafe { word.read_volatile() }, 42);
    }

    #[test]
    fn nothing_but_the_kept_range_stays_mapped() {
        let (_dir, file, _path) = temp_file();
        let page = page_size();
        super::super::extend(&file, 0, 8 * page as u64).unwrap();
        let map = Mapping::new(&file, 8 * page, Access::ReadWrite).unwrap();
        let base = map.base();
        // SAFETY: the file has eight pages.
        unsafe { base.add(3 * page).write(7) };
        map.release_except(&[2 * page..4 * page, 3 * page..5 * page]);
        // SAFETY: the range 2..5 pages was kept.
        assert_eq!(unsafe { base.add(3 * page).read() }, 7);
        // A page that is not mapped makes msync fail with ENOMEM.
        // Other threads may map something there in between, so only the kept ones are certain.
        for kept in 2..5 {
            // SAFETY: msync looks at page tables only.
            let result = unsafe { libc::msync(base.add(kept * page).cast(), page, libc::MS_ASYNC) };
            assert_eq!(result, 0, "page {kept}");
        }
    }

    #[test]
    fn empty_or_absurd_reservation_is_an_error() {
        let (_dir, file, _path) = temp_file();
        assert!(Mapping::new(&file, 0, Access::ReadOnly).is_err());
        assert!(Mapping::new(&file, usize::MAX, Access::ReadOnly).is_err());
    }

    #[test]
    fn flush_and_populate_take_odd_ranges() {
        let (_dir, file, _path) = temp_file();
        super::super::extend(&file, 0, 1 << 16).unwrap();
        let map = Mapping::new(&file, 1 << 20, Access::ReadWrite).unwrap();
        map.populate(5..70);
        map.flush(5..70).unwrap();
        map.flush(0..1 << 16).unwrap();
    }
}
