//! Opening files and telling them apart.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::super::Access;

pub fn backed(facts: &Metadata) -> u64 {
    // Counted in units of 512 bytes, whatever the file system's block size.
    facts.blocks().saturating_mul(512)
}

/// Seals of both kinds: what can only grow could be made longer than who maps it knows.
pub fn has_fixed_length(file: &File) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let both = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
        // SAFETY: an open descriptor; this command takes nothing more. Files that have no seals are an error.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        seals != -1 && seals & both == both
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = file;
        false
    }
}

pub fn file_identity(file: &File) -> io::Result<(u64, u64)> {
    let facts = file.metadata()?;
    Ok((facts.dev(), facts.ino()))
}

pub fn path_identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = std::fs::metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

/// `O_NONBLOCK` does nothing to a regular file, but lets the open of a named pipe that somebody
/// put in its place return, to be refused by its kind.
pub fn open_flags(options: &mut OpenOptions, mode: u32) {
    options.mode(mode).custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY);
}

/// A duplicated descriptor would share the locks; opening the name that /proc has for it does not.
pub fn reopen(file: &File, path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::ReadWrite);
    open_flags(&mut options, 0);
    // In a forked child the handler has put something else, which is no regular file, over a
    // watched descriptor.
    if cfg!(target_os = "linux")
        && file.metadata().is_ok_and(|facts| facts.is_file())
        && let Ok(again) = options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
    {
        return Ok(again);
    }
    options.open(path)
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
    #[cfg(target_os = "linux")]
    fn a_reopened_file_does_not_share_locks_and_survives_renaming() {
        let (_dir, file, path) = temp_file();
        std::fs::remove_file(&path).unwrap();
        let again = reopen(&file, &path, Access::ReadWrite).unwrap();
        assert_eq!(file_identity(&file).unwrap(), file_identity(&again).unwrap());
        assert!(try_lock_byte(&file, 0).unwrap());
        assert!(byte_locked_elsewhere(&again, 0).unwrap());
    }

    #[test]
    fn a_named_pipe_does_not_block_the_open() {
        let (_dir, _file, path) = temp_file();
        let pipe = path.with_extension("pipe");
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: a valid C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let mut options = OpenOptions::new();
        options.read(true);
        open_flags(&mut options, 0o600);
        let opened = options.open(&pipe).unwrap();
        assert!(!opened.metadata().unwrap().is_file());
    }
}
