//! Copying a file: by sharing its storage where the file system can, else within the kernel, else piece by piece.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is copied at once where it goes through this process.
const PIECE: usize = 256 << 10;

pub fn read_some_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(buffer, at)
}

pub fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub use linux::{clone_file, unshare};

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn clone_file(_from: &File, _to: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn unshare(_file: &File, _len: u64) -> io::Result<()> {
    Ok(())
}

pub fn copy_range(source: &File, target: &File, from: u64, to: u64) -> io::Result<()> {
    #[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
    return linux::each_written(source, from, to, &mut |from, to| {
        let done = linux::copy_in_kernel(source, target, from, to)?;
        copy_through(source, target, done, to)
    });
    #[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
    copy_through(source, target, from, to)
}

/// Copies piece by piece; pieces of zeros are left out.
fn copy_through(source: &File, target: &File, mut from: u64, to: u64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE.min((to - from) as usize)];
    while from < to {
        let piece = &mut buffer[..PIECE.min((to - from) as usize)];
        source.read_exact_at(piece, from)?;
        if piece.iter().any(|byte| *byte != 0) {
            target.write_all_at(piece, from)?;
        }
        from += piece.len() as u64;
    }
    Ok(())
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    /// Whether an error says that the file system, or this pair of files, cannot do it.
    fn is_unsupported(error: &io::Error) -> bool {
        let codes =
            [libc::EOPNOTSUPP, libc::ENOTTY, libc::ENOSYS, libc::EXDEV, libc::EINVAL, libc::EBADF, libc::ETXTBSY];
        error.raw_os_error().is_some_and(|code| codes.contains(&code))
    }

    pub fn clone_file(from: &File, to: &File) -> io::Result<bool> {
        // SAFETY: two open descriptors; the call changes the target file alone.
        if unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if is_unsupported(&error) { Ok(false) } else { Err(error) }
    }

    pub fn unshare(file: &File, len: u64) -> io::Result<()> {
        const UNSHARE: libc::c_int = 0x40;
        loop {
            // SAFETY: an open descriptor; the content stays.
            if unsafe { libc::fallocate(file.as_raw_fd(), UNSHARE, 0, len as libc::off_t) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if is_unsupported(&error) {
                return Ok(());
            }
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Calls `each` with the parts of a range that were written at some time.
    pub(super) fn each_written(
        file: &File,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(u64, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let start = match seek(file, at, libc::SEEK_DATA) {
                Ok(start) => start.max(at),
                Err(e) if e.raw_os_error() == Some(libc::ENXIO) => return Ok(()),
                // What cannot tell has been written everywhere.
                Err(_) => return each(at, to),
            };
            if start >= to {
                return Ok(());
            }
            let end = seek(file, start, libc::SEEK_HOLE)?.min(to);
            each(start, end)?;
            at = end;
        }
        Ok(())
    }

    fn seek(file: &File, at: u64, whence: libc::c_int) -> io::Result<u64> {
        // SAFETY: an open descriptor. Nobody relies on the place that it is left at.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at as libc::off_t, whence) };
        u64::try_from(found).map_err(|_| io::Error::last_os_error())
    }

    /// Copies without the bytes passing through this process, as far as the system can. Gives how far that was.
    pub(super) fn copy_in_kernel(source: &File, target: &File, from: u64, to: u64) -> io::Result<u64> {
        let mut at = from;
        while at < to {
            let (mut there, mut here) = (at as libc::off64_t, at as libc::off64_t);
            let many = (to - at).min(1 << 30) as usize;
            // SAFETY: two open descriptors and two live places.
            let copied = unsafe {
                libc::copy_file_range(source.as_raw_fd(), &mut there, target.as_raw_fd(), &mut here, many, 0)
            };
            match copied {
                0 => return Ok(at),
                1.. => at += copied as u64,
                _ => {
                    let error = io::Error::last_os_error();
                    if is_unsupported(&error) {
                        return Ok(at);
                    }
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::temp_file;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_has_the_data_and_leaves_out_what_was_never_written() {
        let (_dir, source, _path) = temp_file();
        source.set_len(4 << 20).unwrap();
        source.write_all_at(b"one", 5000).unwrap();
        source.write_all_at(b"two", 3_000_000).unwrap();
        for copy in [copy_range, copy_through] {
            let (_dir, target, _path) = temp_file();
            copy(&source, &target, 4096, 4 << 20).unwrap();
            target.set_len(4 << 20).unwrap();
            let mut bytes = [0; 3];
            target.read_exact_at(&mut bytes, 5000).unwrap();
            assert_eq!(&bytes, b"one");
            target.read_exact_at(&mut bytes, 3_000_000).unwrap();
            assert_eq!(&bytes, b"two");
            assert!(target.metadata().unwrap().blocks() * 512 < 2 << 20);
        }
    }
}
