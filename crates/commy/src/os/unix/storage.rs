//! Lengthening and shortening a file, with storage behind every byte.
//!
//! A store into a page of a mapped file that has no storage yet lets the kernel allocate it, and if
//! the disk is full there is nothing left but SIGBUS. So the storage is taken here, beforehand,
//! where failure is an error:
//!
//! 1. What cannot succeed is refused before anything is changed: a length above the process's limit
//!    (`RLIMIT_FSIZE`, which the kernel would enforce by a deadly signal), or more new bytes than
//!    the file system has free.
//! 2. `fallocate` piece by piece. Some file systems (tmpfs) undo a piece and report EINTR when a
//!    signal arrives, so after one the pieces get smaller: a program with a fast timer gets on too.
//! 3. Where the file system cannot allocate, blocks that read as zero are written as zeros.
//! 4. On failure the file gets its old length again.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// How much one call allocates at first; a quarter to a half millisecond a MiB on tmpfs.
const LARGEST_PIECE: u64 = 16 << 20;
/// How small pieces may become through interruptions.
const SMALLEST_PIECE: u64 = 64 << 10;
/// The largest distance at which one written byte makes a file system allocate.
const LARGEST_BLOCK: u64 = 4096;

pub fn extend(file: &File, from: u64, to: u64) -> io::Result<()> {
    extend_by(file, from, to, allocate)
}

pub fn lengthen(file: &File, len: u64) -> io::Result<()> {
    refuse_above_limit(len)?;
    file.set_len(len)
}

pub fn truncate(file: &File, len: u64, end: u64) -> io::Result<()> {
    match file.set_len(len) {
        // Its length is sealed; its storage is not.
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => punch(file, len, end),
        cut => cut,
    }
}

/// Who only reads leaves it as it is.
pub fn lengthened(_file: &File) -> Option<File> {
    None
}

/// Its length has followed what is used all the time.
pub fn close_at(_file: &File, _len: u64) {}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub fn punch(file: &File, from: u64, to: u64) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    loop {
        // SAFETY: an open descriptor; whoever may look at the range is the caller's concern.
        if unsafe { libc::fallocate(file.as_raw_fd(), mode, from as libc::off_t, (to - from) as libc::off_t) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn punch(_file: &File, _from: u64, _to: u64) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
}

/// [`extend`], with the call that allocates `len` bytes at `from` as a parameter, so that tests
/// can let it fail.
fn extend_by(
    file: &File,
    from: u64,
    to: u64,
    allocate: impl FnMut(&File, u64, u64) -> io::Result<()>,
) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    let old = file.metadata()?.len();
    if to > old {
        refuse_above_limit(to)?;
        refuse_above_free_space(file, to - from.max(old))?;
    }
    let result = match allocate_pieces(file, from, to, allocate) {
        Err(e) if is_unsupported(&e) => write_zeros(file, from, to, old),
        other => other,
    };
    if result.is_err() && from >= old && file.metadata().is_ok_and(|m| m.len() > old) {
        // The first error is the one to report, and a file that stays longer harms nobody.
        let _ = file.set_len(old);
    }
    result
}

#[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
fn refuse_above_limit(to: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a live structure to write to.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    let limited = known && limit.rlim_cur != libc::RLIM_INFINITY;
    if (limited && to > limit.rlim_cur as u64) || i64::try_from(to).is_err() {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

/// Refuses early what would fill the disk to the brim before it fails. File systems that do not
/// count their blocks pass.
fn refuse_above_free_space(file: &File, needed: u64) -> io::Result<()> {
    // SAFETY: plain integers, for which zeros are a value.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor and a live structure to write to.
    let known = unsafe { libc::fstatvfs(file.as_raw_fd(), &mut stat) } == 0;
    let free = u128::from(stat.f_bfree) * u128::from(stat.f_frsize);
    if known && stat.f_blocks > 0 && free < u128::from(needed) {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    Ok(())
}

fn allocate_pieces(
    file: &File,
    mut from: u64,
    to: u64,
    mut allocate: impl FnMut(&File, u64, u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = LARGEST_PIECE;
    while from < to {
        let len = piece.min(to - from);
        match allocate(file, from, len) {
            Ok(()) => from += len,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                piece = (piece / 2).max(SMALLEST_PIECE);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
fn allocate(file: &File, from: u64, len: u64) -> io::Result<()> {
    let (from, len) = (from as libc::off_t, len as libc::off_t);
    // SAFETY: an open descriptor; mode 0 allocates and lengthens, and changes no contents.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, from, len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
fn allocate(_file: &File, _from: u64, _len: u64) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS))
}

/// Takes storage by writing: whole zeros beyond the old end, and below it one zero byte in each
/// block whose first byte reads as zero (any other block has storage already).
fn write_zeros(file: &File, from: u64, to: u64, old: u64) -> io::Result<()> {
    // SAFETY: plain integers, for which zeros are a value.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor and a live structure to write to.
    let known = unsafe { libc::fstatvfs(file.as_raw_fd(), &mut stat) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    let block = if known { stat.f_bsize as u64 } else { 512 }.clamp(512, LARGEST_BLOCK);
    let mut at = from;
    while at < to.min(old) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        if byte == [0] {
            file.write_all_at(&byte, at)?;
        }
        at = (at / block + 1) * block;
    }
    let zeros = [0; 16 << 10];
    let mut at = from.max(old);
    while at < to {
        let len = (to - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..len as usize], at)?;
        at += len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{fork_child, serial, temp_file};
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn failing(after: usize, errno: i32) -> impl FnMut(&File, u64, u64) -> io::Result<()> {
        let mut calls = 0;
        move |file, from, len| {
            calls += 1;
            if calls > after {
                return Err(io::Error::from_raw_os_error(errno));
            }
            allocate(file, from, len)
        }
    }

    #[test]
    fn no_page_is_left_without_storage() {
        let (_dir, file, _path) = temp_file();
        extend(&file, 0, 1 << 20).unwrap();
        let facts = file.metadata().unwrap();
        assert_eq!(facts.len(), 1 << 20);
        assert!(facts.blocks() * 512 >= 1 << 20);
    }

    #[test]
    fn holes_of_a_copied_file_are_filled_and_data_survives() {
        let (_dir, file, _path) = temp_file();
        file.write_all_at(b"data", 500_000).unwrap();
        file.set_len(1 << 20).unwrap();
        for how in [allocate, |_: &File, _, _| Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))] {
            extend_by(&file, 0, 1 << 20, how).unwrap();
            let mut data = [0; 4];
            file.read_exact_at(&mut data, 500_000).unwrap();
            assert_eq!(&data, b"data");
        }
        assert!(file.metadata().unwrap().blocks() * 512 >= 1 << 20);
    }

    #[test]
    fn a_file_system_without_allocation_gets_zeros_instead() {
        let (_dir, file, _path) = temp_file();
        file.write_all_at(b"data", 0).unwrap();
        file.set_len(100_000).unwrap();
        extend_by(&file, 0, 300_001, failing(0, libc::EOPNOTSUPP)).unwrap();
        let facts = file.metadata().unwrap();
        assert_eq!(facts.len(), 300_001);
        assert!(facts.blocks() * 512 >= 300_001);
        let mut all = vec![1; 300_001];
        file.read_exact_at(&mut all, 0).unwrap();
        assert_eq!(&all[..4], b"data");
        assert!(all[4..].iter().all(|&b| b == 0));
    }

    #[test]
    #[cfg_attr(commy_portable, ignore = "nothing allocates there")]
    fn full_disk_midway_is_an_error_and_the_old_length_returns() {
        let (_dir, file, _path) = temp_file();
        file.write_all_at(b"data", 0).unwrap();
        let end = 2 * LARGEST_PIECE + 4096;
        let error = extend_by(&file, 4, end, failing(2, libc::ENOSPC)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(file.metadata().unwrap().len(), 4);
    }

    #[test]
    fn a_failed_filling_of_holes_does_not_cut_the_file() {
        let (_dir, file, _path) = temp_file();
        file.write_all_at(b"data", 8192).unwrap();
        extend_by(&file, 4096, 1 << 20, failing(0, libc::ENOSPC)).unwrap_err();
        assert_eq!(file.metadata().unwrap().len(), 8196);
    }

    #[test]
    fn more_than_the_disk_has_is_an_error_before_the_disk_is_full() {
        let (_dir, file, _path) = temp_file();
        let error = extend(&file, 0, i64::MAX as u64 - 4096).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EFBIG)), "{error}");
        assert_eq!(file.metadata().unwrap().len(), 0);
        extend(&file, 0, u64::MAX).unwrap_err();
    }

    #[test]
    fn interruptions_do_not_end_the_growth() {
        let (_dir, file, _path) = temp_file();
        let mut calls = 0;
        extend_by(&file, 0, 3 << 20, |file, from, len| {
            calls += 1;
            if len > 1 << 20 {
                return Err(io::Error::from_raw_os_error(libc::EINTR));
            }
            allocate(file, from, len)
        })
        .unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3 << 20);
        assert!(calls > 3);
    }

    #[test]
    fn the_process_limit_is_an_error_and_not_a_deadly_signal() {
        let _serial = serial();
        let (_dir, file, _path) = temp_file();
        extend(&file, 0, 8192).unwrap();
        let mut child = fork_child(|pipe| {
            let limit = libc::rlimit { rlim_cur: 65536, rlim_max: 65536 };
            // SAFETY: a valid limit, for this child only.
            unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) };
            // SAFETY: the default action, which kills, whatever the test program set.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
            let refused = match extend(&file, 8192, 65537) {
                Err(e) => e.raw_os_error() == Some(libc::EFBIG),
                Ok(()) => false,
            };
            pipe.say(u8::from(refused && extend(&file, 8192, 65536).is_ok()));
        });
        assert_eq!(child.hear(), 1);
        assert_eq!(child.reap(), 0);
        assert_eq!(file.metadata().unwrap().len(), 65536);
    }
}
