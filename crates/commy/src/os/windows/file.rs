//! Opening files and telling them apart.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ID_INFO, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FileIdInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx, ReOpenFile,
};

use super::super::Access;
use super::check;

/// What others may do with the file meanwhile: all, or they could not attach.
const SHARE: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Sparse ranges are found by the extending itself, which costs no more than asking.
pub fn backed(_: &Metadata) -> u64 {
    0
}

/// There are no seals.
pub fn has_fixed_length(_: &File) -> bool {
    false
}

/// The volume and the file's number on it. The number has 128 bits on ReFS, of which this keeps a
/// digest; volumes that do not have such numbers have some of 64 bits.
pub fn file_identity(file: &File) -> io::Result<(u64, u64)> {
    let mut id = FILE_ID_INFO::default();
    let size = size_of::<FILE_ID_INFO>() as u32;
    // SAFETY: an open file and a live structure of the size and type that the class demands.
    let known = check(unsafe {
        let into = (&raw mut id).cast();
        GetFileInformationByHandleEx(file.as_raw_handle(), FileIdInfo, into, size)
    });
    if known.is_ok() {
        let number = u128::from_le_bytes(id.FileId.Identifier);
        let (high, low) = ((number >> 64) as u64, number as u64);
        let digest = low ^ high.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        return Ok((id.VolumeSerialNumber, digest));
    }
    let mut facts = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: an open file and a live structure.
    check(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut facts) })?;
    let number = u64::from(facts.nFileIndexHigh) << 32 | u64::from(facts.nFileIndexLow);
    Ok((facts.dwVolumeSerialNumber.into(), number))
}

pub fn path_identity(path: &Path) -> io::Result<(u64, u64)> {
    file_identity(&File::open(path)?)
}

/// Permissions are those that the folder hands down.
pub fn open_flags(options: &mut OpenOptions, _mode: u32) {
    options.share_mode(SHARE);
}

pub fn reopen(file: &File, path: &Path, access: Access) -> io::Result<File> {
    open_again(file, access).or_else(|_| {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::ReadWrite);
        open_flags(&mut options, 0);
        options.open(path)
    })
}

/// The file once more, whatever it is called by now.
pub(super) fn open_again(file: &File, access: Access) -> io::Result<File> {
    let wanted = match access {
        Access::ReadOnly | Access::Private => GENERIC_READ,
        Access::ReadWrite => GENERIC_READ | GENERIC_WRITE,
    };
    // SAFETY: an open file.
    let again = unsafe { ReOpenFile(file.as_raw_handle(), wanted, SHARE, 0) };
    if again == INVALID_HANDLE_VALUE || again.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, and ours to close.
    Ok(unsafe { File::from_raw_handle(again) })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{open_again, temp_file};
    use super::super::super::{byte_locked_elsewhere, try_lock_byte};
    use super::*;

    #[test]
    fn a_replaced_file_is_not_taken_for_the_old_one() {
        let (_dir, file, path) = temp_file();
        let same = open_again(&path);
        assert_eq!(file_identity(&file).unwrap(), file_identity(&same).unwrap());
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        let other = open_again(&path);
        assert_ne!(file_identity(&file).unwrap(), file_identity(&other).unwrap());
    }

    #[test]
    fn a_reopened_file_does_not_share_locks() {
        let (_dir, file, path) = temp_file();
        let again = reopen(&file, &path, Access::ReadWrite).unwrap();
        assert_eq!(file_identity(&file).unwrap(), file_identity(&again).unwrap());
        assert!(try_lock_byte(&file, 0).unwrap());
        assert!(byte_locked_elsewhere(&again, 0).unwrap());
    }
}
