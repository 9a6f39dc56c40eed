//! Locks on single bytes of a file, owned by an open file (`LockFileEx`).
//!
//! They fall when the file is closed or its process ends. Locks are mandatory here: who reads or
//! writes a byte that another has locked gets an error; hence the bytes lie far beyond all data,
//! where no access ever happens.
//!
//! There is no question "is it locked?": asking means to lock for a moment. Two who ask at the same
//! time may each take the other for the owner, which delays them and does no harm.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use super::check;

pub fn try_lock_byte(file: &File, offset: u64) -> io::Result<bool> {
    try_lock(file, LOCKFILE_EXCLUSIVE_LOCK, offset)
}

pub fn try_lock_byte_shared(file: &File, offset: u64) -> io::Result<bool> {
    try_lock(file, 0, offset)
}

pub fn unlock_byte(file: &File, offset: u64) -> io::Result<()> {
    let mut place = place(offset);
    // SAFETY: an open file, opened for synchronous use, and a live OVERLAPPED with the offset.
    check(unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &mut place) })
}

pub fn byte_locked_elsewhere(file: &File, offset: u64) -> io::Result<bool> {
    if !try_lock_byte(file, offset)? {
        return Ok(true);
    }
    unlock_byte(file, offset)?;
    Ok(false)
}

fn try_lock(file: &File, kind: u32, offset: u64) -> io::Result<bool> {
    let mut place = place(offset);
    let how = kind | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: an open file, opened for synchronous use, and a live OVERLAPPED with the offset.
    match check(unsafe { LockFileEx(file.as_raw_handle(), how, 0, 1, 0, &mut place) }) {
        Ok(()) => Ok(true),
        Err(e) => match e.raw_os_error().map(|code| code as u32) {
            // Both are documented for "somebody else has it".
            Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Ok(false),
            _ => Err(e),
        },
    }
}

/// An OVERLAPPED that says where.
fn place(offset: u64) -> OVERLAPPED {
    let (low, high) = (offset as u32, (offset >> 32) as u32);
    OVERLAPPED {
        Anonymous: OVERLAPPED_0 { Anonymous: OVERLAPPED_0_0 { Offset: low, OffsetHigh: high } },
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{open_again, temp_file};
    use super::super::super::{byte_locked_elsewhere, try_lock_byte, try_lock_byte_shared, unlock_byte};

    #[test]
    fn two_descriptions_in_one_process_do_not_both_get_a_byte() {
        let (_dir, a, path) = temp_file();
        let b = open_again(&path);
        assert!(try_lock_byte(&a, 7).unwrap());
        assert!(!try_lock_byte(&b, 7).unwrap());
        assert!(!try_lock_byte_shared(&b, 7).unwrap());
        assert!(byte_locked_elsewhere(&b, 7).unwrap());
        assert!(!byte_locked_elsewhere(&b, 6).unwrap(), "a neighbour is not locked");
        assert!(!byte_locked_elsewhere(&b, 8).unwrap(), "a neighbour is not locked");
        unlock_byte(&a, 7).unwrap();
        assert!(!byte_locked_elsewhere(&b, 7).unwrap());
        assert!(try_lock_byte(&b, 7).unwrap());
        drop(b);
        assert!(try_lock_byte(&a, 7).unwrap());
    }

    #[test]
    fn shared_locks_do_not_exclude_each_other_but_are_seen() {
        let (_dir, a, path) = temp_file();
        let (b, c) = (open_again(&path), open_again(&path));
        assert!(try_lock_byte_shared(&a, 1).unwrap());
        assert!(try_lock_byte_shared(&b, 1).unwrap());
        assert!(byte_locked_elsewhere(&c, 1).unwrap());
    }
}
