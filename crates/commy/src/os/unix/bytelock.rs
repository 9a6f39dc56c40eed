//! Locks on single bytes of a file, owned by an open file description.
//!
//! Two descriptions exclude each other even in one process, and a lock falls with the last descriptor of its
//! description, whoever kills its holder. Linux has such locks, and macOS since 10.11 under numbers of its own, which
//! `libc` does not name. The other Unixes have only the locks of POSIX, which belong to a process: there two attachments
//! in one process do not exclude each other, and closing any descriptor of the file drops them. So one process may attach
//! a segment only once there, and must not open the file otherwise; nor does this library: see `Map::shared_file`.
//! `--cfg commy_posix_locks` chooses them where there are better ones, to be tested.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

#[cfg(target_vendor = "apple")]
const SET: libc::c_int = 90;
#[cfg(target_vendor = "apple")]
const GET: libc::c_int = 92;
#[cfg(any(commy_posix_locks, not(any(target_os = "linux", target_os = "android", target_vendor = "apple"))))]
use libc::{F_GETLK as GET, F_SETLK as SET};
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_posix_locks)))]
use libc::{F_OFD_GETLK as GET, F_OFD_SETLK as SET};

pub fn try_lock_byte(file: &File, offset: u64) -> io::Result<bool> {
    try_set(file, libc::F_WRLCK as _, offset)
}

pub fn try_lock_byte_shared(file: &File, offset: u64) -> io::Result<bool> {
    try_set(file, libc::F_RDLCK as _, offset)
}

pub fn unlock_byte(file: &File, offset: u64) -> io::Result<()> {
    fcntl(file, SET, &mut lock(libc::F_UNLCK as _, offset)?)
}

pub fn byte_locked_elsewhere(file: &File, offset: u64) -> io::Result<bool> {
    let mut question = lock(libc::F_WRLCK as _, offset)?;
    fcntl(file, GET, &mut question)?;
    Ok(question.l_type != libc::F_UNLCK as libc::c_short)
}

fn try_set(file: &File, kind: libc::c_short, offset: u64) -> io::Result<bool> {
    match fcntl(file, SET, &mut lock(kind, offset)?) {
        Ok(()) => Ok(true),
        // POSIX allows either number for "somebody else has it".
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

fn lock(kind: libc::c_short, offset: u64) -> io::Result<libc::flock> {
    // SAFETY: `flock` is plain integers, for which zeros are a value; locks of descriptions
    // demand that l_pid is zero.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = offset.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    lock.l_len = 1;
    Ok(lock)
}

fn fcntl(file: &File, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    loop {
        // SAFETY: these commands take a pointer to a `flock`, which lives through the call.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::super::testing::{fork_child, open_again, serial, temp_file};
    use super::super::super::{byte_locked_elsewhere, try_lock_byte, try_lock_byte_shared, unlock_byte};

    #[test]
    fn two_descriptions_in_one_process_do_not_both_get_a_byte() {
        let (_dir, a, path) = temp_file();
        let b = open_again(&path);
        assert!(try_lock_byte(&a, 7).unwrap());
        assert!(try_lock_byte(&a, 7).unwrap(), "one's own lock is no obstacle");
        assert!(!try_lock_byte(&b, 7).unwrap());
        assert!(!try_lock_byte_shared(&b, 7).unwrap());
        assert!(byte_locked_elsewhere(&b, 7).unwrap());
        assert!(!byte_locked_elsewhere(&b, 6).unwrap(), "a neighbour is not locked");
        assert!(!byte_locked_elsewhere(&b, 8).unwrap(), "a neighbour is not locked");
        unlock_byte(&a, 7).unwrap();
        assert!(!byte_locked_elsewhere(&b, 7).unwrap());
        assert!(try_lock_byte(&b, 7).unwrap());
    }

    #[test]
    fn shared_locks_do_not_exclude_each_other_but_are_seen() {
        let (_dir, a, path) = temp_file();
        let (b, c) = (std::fs::File::open(&path).unwrap(), open_again(&path));
        assert!(try_lock_byte_shared(&a, 1).unwrap());
        assert!(try_lock_byte_shared(&b, 1).unwrap());
        assert!(byte_locked_elsewhere(&c, 1).unwrap());
        assert!(!try_lock_byte(&c, 1).unwrap());
        assert!(try_lock_byte(&b, 2).is_err(), "a reader cannot lock for writing");
    }

    #[test]
    fn lock_does_not_outlive_a_killed_process() {
        let _serial = serial();
        let (_dir, file, path) = temp_file();
        let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let mut child = fork_child(|pipe| {
            // SAFETY: a valid C string; open is async-signal-safe.
            let fd = unsafe { libc::open(c_path.as_ptr(), libc::O_RDWR) };
            // SAFETY: the descriptor was opened just now and nobody else uses it.
            let own: std::fs::File = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) };
            pipe.say(u8::from(try_lock_byte(&own, 3).unwrap_or(false)));
            pipe.hear();
        });
        assert_eq!(child.hear(), 1);
        assert!(byte_locked_elsewhere(&file, 3).unwrap());
        assert!(!try_lock_byte(&file, 3).unwrap());
        child.kill();
        child.reap();
        assert!(!byte_locked_elsewhere(&file, 3).unwrap());
        assert!(try_lock_byte(&file, 3).unwrap());
    }
}
