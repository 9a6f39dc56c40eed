//! A file mapped into memory, whole, in one view.
//!
//! Windows does not map beyond the end of a file. So who maps a file for writing first makes it
//! sparse and as long as the range; both cost nothing but a few bytes of kernel memory a page. From
//! then on every mapping covers the whole range, and what grows is the storage behind it
//! ([`super::storage`]).
//!
//! Who maps it for reading does the same if it may write the file at all; otherwise it sees what the file has then.
//! The last who leaves makes the file as short as what is used of it ([`super::storage::close_at`]).
//!
//! A file system without sparse files (FAT) would have to write it all: that is refused above
//! [`LARGEST_PLAIN`], and the caller may ask for less.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::windows::io::AsRawHandle;
use std::ptr::{self, NonNull};

use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_COPY, FILE_MAP_READ, FILE_MAP_WRITE, FlushViewOfFile, MEMORY_MAPPED_VIEW_ADDRESS,
    MapViewOfFile, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, UnmapViewOfFile,
};

use super::super::Access;
use super::file::open_again;
use super::{check, own, page_size, storage};

/// How far a file may be lengthened that cannot be sparse.
const LARGEST_PLAIN: u64 = 256 << 20;

/// A range of address space over a file, shared with all who map it, from offset 0 on.
///
/// Pages may be used once [`super::extend`] has put storage behind them, in any process; addresses
/// never move. Dropping it unmaps the range.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Start of a view of `len` bytes, which we mapped and nobody else unmaps.
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a Mapping owns a range of addresses, which mean the same in every thread; its methods
// do not touch the memory itself.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives out two numbers only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `reserve` bytes (rounded up to whole pages) of the file, which is made that long if it
    /// is not. Read only, it maps what the file has, if that is less and the file may not be written.
    pub fn new(file: &File, reserve: usize, access: Access) -> io::Result<Mapping> {
        let len = reserve
            .checked_next_multiple_of(page_size())
            .filter(|&len| len != 0 && isize::try_from(len).is_ok())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let present = file.metadata()?.len();
        if access == Access::ReadWrite {
            lengthen(file, present, len as u64)?;
            return Mapping::of(file, len, access);
        }
        if present != 0
            && let Ok(writable) = open_again(file, Access::ReadWrite)
            && lengthen(&writable, present, len as u64).is_ok()
            // Somebody may have made it short again.
            && let Ok(mapping) = Mapping::of(file, len, access)
        {
            return Ok(mapping);
        }
        Mapping::of(file, len.min(usize::try_from(present).unwrap_or(usize::MAX)), access)
    }

    /// Maps so much of the file, which has that.
    fn of(file: &File, len: usize, access: Access) -> io::Result<Mapping> {
        let (protection, view_access) = match access {
            Access::ReadOnly => (PAGE_READONLY, FILE_MAP_READ),
            Access::Private => (PAGE_WRITECOPY, FILE_MAP_COPY),
            Access::ReadWrite => (PAGE_READWRITE, FILE_MAP_READ | FILE_MAP_WRITE),
        };
        let size = len as u64;
        // SAFETY: an open file; neither attributes nor a name are given, so the section is ours
        // alone and its handle is not inherited.
        let section = unsafe {
            own(CreateFileMappingW(
                file.as_raw_handle(),
                ptr::null(),
                protection,
                (size >> 32) as u32,
                size as u32,
                ptr::null(),
            ))
        }?;
        // SAFETY: an open section of at least `len` bytes; the system picks the address. The view
        // keeps the section alive when its handle is closed.
        let view = unsafe { MapViewOfFile(section.as_raw_handle(), view_access, 0, 0, len) };
        match NonNull::new(view.Value.cast()) {
            Some(base) => Ok(Mapping { base, len }),
            None => Err(io::Error::last_os_error()),
        }
    }

    /// The address of the file's first byte.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many bytes are reserved.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing: the pages of a view come when they are touched.
    pub fn populate(&self, _range: Range<usize>) {}

    /// Gives the pages of `range` that were changed to the disk. To wait for the disk, sync the
    /// file afterwards.
    pub fn flush(&self, range: Range<usize>) -> io::Result<()> {
        let start = (range.start / page_size() * page_size()).min(self.len);
        let len = range.end.min(self.len).saturating_sub(start);
        if len == 0 {
            // To the system a length of 0 means all the rest.
            return Ok(());
        }
        // SAFETY: the range lies in the view that `self` owns.
        check(unsafe { FlushViewOfFile(self.base().add(start).cast_const().cast(), len) })
    }

    /// Unmaps everything. There is nothing to keep, for a thread's [`super::Beacon`] needs no memory when it ends.
    pub fn release_except(self, keep: &[Range<usize>]) {
        debug_assert!(keep.is_empty(), "a view cannot be unmapped in part");
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let view = MEMORY_MAPPED_VIEW_ADDRESS { Value: self.base().cast() };
        // SAFETY: the view that `new` mapped, which is unmapped only here; the owner gives up the
        // mapping, so that nobody uses addresses in it any more.
        let result = unsafe { UnmapViewOfFile(view) };
        debug_assert_ne!(result, 0, "unmapping a view that we own");
    }
}

/// Makes a file longer without storage behind it, if it is shorter.
fn lengthen(file: &File, from: u64, to: u64) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    if let Err(error) = storage::make_sparse(file)
        && to - from > LARGEST_PLAIN
    {
        return Err(io::Error::new(io::ErrorKind::Unsupported, error));
    }
    file.set_len(to)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::super::super::testing::temp_file;
    use super::*;

    #[test]
    fn one_mapping_does_not_miss_what_another_stores() {
        let (_dir, file, path) = temp_file();
        let a = Mapping::new(&file, 1 << 20, Access::ReadWrite).unwrap();
        let b = Mapping::new(&testing::open_again(&path), 1 << 20, Access::ReadOnly).unwrap();
        super::super::extend(&file, 0, 1 << 20).unwrap();
        // SAFETY: the file has this page in both views.
        unsafe { a.base().add(999_999).write_volatile(7) };
        // SAFETY: as above.
        assert_eq!(unsafe { b.base().add(999_999).read_volatile() }, 7);
        a.flush(5..999_999).unwrap();
        a.flush(5..5).unwrap();
        a.populate(0..4096);
    }

    #[test]
    fn the_file_does_not_stay_shorter_than_its_mapping() {
        let (_dir, file, _path) = temp_file();
        let map = Mapping::new(&file, (1 << 20) + 1, Access::ReadWrite).unwrap();
        assert_eq!(map.len(), (1 << 20) + page_size());
        assert_eq!(file.metadata().unwrap().len(), map.len() as u64);
    }

    #[test]
    fn who_only_reads_sees_what_the_file_gets_later() {
        let (_dir, file, path) = temp_file();
        file.set_len(1 << 16).unwrap();
        let reader = Mapping::new(&std::fs::File::open(&path).unwrap(), 1 << 20, Access::ReadOnly).unwrap();
        assert_eq!(reader.len(), 1 << 20);
        let writer = Mapping::new(&file, 1 << 20, Access::ReadWrite).unwrap();
        super::super::extend(&file, 1 << 16, 1 << 20).unwrap();
        // SAFETY: the file has this page in both views.
        unsafe { writer.base().add(999_999).write_volatile(7) };
        // SAFETY: as above.
        assert_eq!(unsafe { reader.base().add(999_999).read_volatile() }, 7);
    }

    #[test]
    fn empty_or_absurd_reservation_is_an_error() {
        let (_dir, file, _path) = temp_file();
        assert!(Mapping::new(&file, 0, Access::ReadWrite).is_err());
        assert!(Mapping::new(&file, usize::MAX, Access::ReadWrite).is_err());
        assert!(Mapping::new(&file, 4096, Access::ReadOnly).is_err(), "an empty file");
    }
}
