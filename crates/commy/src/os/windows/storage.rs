//! Storage behind the bytes of a file that has its greatest length already.
//!
//! In a sparse file, ranges that were never written have no storage; the system tells which do
//! (`FSCTL_QUERY_ALLOCATED_RANGES`). *Extending* writes zeros into those that do not, through the
//! file, so that a full disk is an error here and not an exception at a store. *Truncating* turns
//! the rest of the file into such ranges again (`FSCTL_SET_ZERO_DATA`).
//!
//! A file that is not sparse has storage for all its length. There extending changes the length at
//! most, and truncating writes zeros where there are none, since what is extended again has to read
//! as zeros.

use std::fs::File;
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt};
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_SPARSE_FILE;
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    FILE_ALLOCATED_RANGE_BUFFER, FILE_ZERO_DATA_INFORMATION, FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_SPARSE,
    FSCTL_SET_ZERO_DATA,
};

use super::super::Access;
use super::check;
use super::file::open_again;

/// How much is written or read at once.
const PIECE: usize = 64 << 10;

pub fn extend(file: &File, from: u64, to: u64) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    let to_i64 = i64::try_from(to).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let facts = file.metadata()?;
    if facts.len() < to {
        file.set_len(to)?;
    }
    if facts.file_attributes() & FILE_ATTRIBUTE_SPARSE_FILE == 0 {
        return Ok(());
    }
    let mut from = from as i64;
    while from < to_i64 {
        let (ranges, complete) = allocated_ranges(file, from, to_i64)?;
        for range in ranges {
            write_zeros(file, from, range.FileOffset)?;
            from = from.max(range.FileOffset + range.Length);
        }
        if complete {
            return write_zeros(file, from, to_i64);
        }
    }
    Ok(())
}

pub fn lengthen(file: &File, len: u64) -> io::Result<()> {
    // Without this it has storage for all its length, which is slower and larger but no less right.
    let _ = make_sparse(file);
    file.set_len(len)
}

pub fn truncate(file: &File, len: u64, end: u64) -> io::Result<()> {
    punch(file, len, end)
}

pub fn lengthened(file: &File) -> Option<File> {
    open_again(file, Access::ReadWrite).ok()
}

/// Windows refuses (`ERROR_USER_MAPPED_FILE`) to cut a file that is mapped beyond the cut. Wine does not refuse; there
/// the mappings lead beyond the file's end, until it is extended again.
pub fn close_at(file: &File, len: u64) {
    if file.metadata().is_ok_and(|facts| facts.len() > len) {
        let _ = file.set_len(len);
    }
}

pub fn punch(file: &File, len: u64, end: u64) -> io::Result<()> {
    let facts = file.metadata()?;
    let end = end.min(facts.len());
    if len >= end {
        return Ok(());
    }
    let from = i64::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let sparse = facts.file_attributes() & FILE_ATTRIBUTE_SPARSE_FILE != 0;
    let what = FILE_ZERO_DATA_INFORMATION { FileOffset: from, BeyondFinalZero: end as i64 };
    if sparse && control(file, FSCTL_SET_ZERO_DATA, Some(&what)).is_ok() {
        return Ok(());
    }
    let mut buffer = vec![0; PIECE];
    let mut at = len;
    while at < end {
        let piece = &mut buffer[..PIECE.min((end - at) as usize)];
        let got = file.seek_read(piece, at)?;
        if got == 0 {
            break;
        }
        if piece[..got].iter().any(|&byte| byte != 0) {
            write_zeros(file, at as i64, (at + got as u64) as i64)?;
        }
        at += got as u64;
    }
    Ok(())
}

/// Lets ranges of the file be without storage. An error where the file system cannot do that.
pub(super) fn make_sparse(file: &File) -> io::Result<()> {
    control::<()>(file, FSCTL_SET_SPARSE, None)
}

/// A file system control without an answer.
fn control<T>(file: &File, code: u32, input: Option<&T>) -> io::Result<()> {
    let (pointer, len) = match input {
        Some(input) => (ptr::from_ref(input), size_of::<T>() as u32),
        None => (ptr::null(), 0),
    };
    let mut returned = 0;
    // SAFETY: an open file, opened for synchronous use; the input is null or a live structure of
    // the given length, of the type that the code demands; there is no output.
    check(unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            pointer.cast(),
            len,
            ptr::null_mut(),
            0,
            &mut returned,
            ptr::null_mut(),
        )
    })
}

/// The first ranges of `from..to` that have storage, in order, and whether these are all.
fn allocated_ranges(file: &File, from: i64, to: i64) -> io::Result<(Vec<FILE_ALLOCATED_RANGE_BUFFER>, bool)> {
    let question = FILE_ALLOCATED_RANGE_BUFFER { FileOffset: from, Length: to - from };
    let mut ranges = vec![FILE_ALLOCATED_RANGE_BUFFER { FileOffset: 0, Length: 0 }; 64];
    let mut returned = 0;
    // SAFETY: an open file, opened for synchronous use; a live question and a live buffer, with
    // their lengths in bytes.
    let result = check(unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            FSCTL_QUERY_ALLOCATED_RANGES,
            ptr::from_ref(&question).cast(),
            size_of_val(&question) as u32,
            ranges.as_mut_ptr().cast(),
            size_of_val(ranges.as_slice()) as u32,
            &mut returned,
            ptr::null_mut(),
        )
    });
    let complete = match result {
        Ok(()) => true,
        Err(e) if e.raw_os_error() == Some(ERROR_MORE_DATA as i32) && returned > 0 => false,
        Err(e) => return Err(e),
    };
    ranges.truncate(returned as usize / size_of::<FILE_ALLOCATED_RANGE_BUFFER>());
    Ok((ranges, complete))
}

/// Writes zeros through the file. Nothing if `from` is not below `to`.
fn write_zeros(file: &File, mut from: i64, to: i64) -> io::Result<()> {
    let zeros = vec![0; PIECE.min(usize::try_from(to - from).unwrap_or(0))];
    while from < to {
        let len = zeros.len().min((to - from) as usize);
        match file.seek_write(&zeros[..len], from as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => from += written as i64,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::Mapping;
    use super::super::super::testing::temp_file;
    use super::*;

    fn read(file: &File, at: u64) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        assert_eq!(file.seek_read(&mut bytes, at).unwrap(), 4);
        bytes
    }

    #[test]
    fn extending_does_not_overwrite_data() {
        let (_dir, file, _path) = temp_file();
        make_sparse(&file).unwrap();
        file.set_len(1 << 20).unwrap();
        file.seek_write(b"data", 500_000).unwrap();
        extend(&file, 0, 1 << 20).unwrap();
        extend(&file, 4096, 2 << 20).unwrap();
        assert_eq!(read(&file, 500_000), b"data");
        assert_eq!(file.metadata().unwrap().len(), 2 << 20);
    }

    #[test]
    fn what_was_truncated_does_not_come_back() {
        let (_dir, file, _path) = temp_file();
        make_sparse(&file).unwrap();
        extend(&file, 0, 1 << 20).unwrap();
        file.seek_write(b"keep", 65_532).unwrap();
        file.seek_write(b"gone", 65_536).unwrap();
        file.seek_write(b"gone", 1_000_000).unwrap();
        truncate(&file, 65_536, 1 << 20).unwrap();
        extend(&file, 65_536, 1 << 20).unwrap();
        assert_eq!(read(&file, 65_532), b"keep");
        assert_eq!(read(&file, 65_536), [0; 4]);
        assert_eq!(read(&file, 1_000_000), [0; 4]);
    }

    #[test]
    fn a_file_does_not_stay_long_when_nobody_has_it_mapped() {
        let (_dir, file, _path) = temp_file();
        let map = Mapping::new(&file, 1 << 20, Access::ReadWrite).unwrap();
        extend(&file, 0, 1 << 16).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        drop(map);
        close_at(&file, 1 << 16);
        assert_eq!(file.metadata().unwrap().len(), 1 << 16);
        close_at(&file, 1 << 17);
        assert_eq!(file.metadata().unwrap().len(), 1 << 16, "it was made longer");
    }

    // Wine cuts the file all the same; on Windows it has to stay as it is for who has it mapped.
    #[test]
    fn a_cut_takes_nothing_from_who_has_the_file_mapped() {
        let (_dir, file, _path) = temp_file();
        let map = Mapping::new(&file, 1 << 20, Access::ReadWrite).unwrap();
        extend(&file, 0, 1 << 17).unwrap();
        file.seek_write(b"kept", 65_532).unwrap();
        close_at(&file, 1 << 16);
        extend(&file, 1 << 16, 1 << 17).unwrap();
        // SAFETY: the file has these pages.
        let bytes = unsafe { std::slice::from_raw_parts(map.base().add(65_532), 8) };
        assert_eq!(bytes, b"kept\0\0\0\0");
    }

    /// On Windows what is punched has no storage any more. Wine does not make files sparse; there it is zeros only.
    #[test]
    fn what_is_punched_does_not_keep_its_storage() {
        let (_dir, file, _path) = temp_file();
        make_sparse(&file).unwrap();
        extend(&file, 0, 1 << 20).unwrap();
        file.seek_write(&[7; 1 << 20], 0).unwrap();
        punch(&file, 1 << 18, 3 << 18).unwrap();
        assert_eq!((read(&file, (1 << 18) - 4), read(&file, 3 << 18)), (vec![7; 4], vec![7; 4]));
        assert_eq!((read(&file, 1 << 18), read(&file, (3 << 18) - 4)), (vec![0; 4], vec![0; 4]));
        if file.metadata().unwrap().file_attributes() & FILE_ATTRIBUTE_SPARSE_FILE != 0 {
            assert!(allocated_ranges(&file, 1 << 18, 3 << 18).unwrap().0.is_empty());
        }
    }

    #[test]
    fn an_absurd_length_is_an_error() {
        let (_dir, file, _path) = temp_file();
        extend(&file, 0, u64::MAX).unwrap_err();
        extend(&file, 5, 5).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
