//! Segments that another one takes the place of, and segments in memory of a fixed length.

use commy::{Error, Segment, Shared};
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Long enough for whatever will happen at all.
const LONG: Duration = Duration::from_secs(60);

fn opened(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

#[test]
fn nothing_is_changed_in_a_retired_segment_and_nothing_that_was_committed_is_missing_from_its_successor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.commy");
    let segment = Segment::create(&path).unwrap();
    let list: Shared<Vec<u64>> = segment.open_or_create("list").unwrap();
    list.write().unwrap().push(1).unwrap();
    let (held, is_held) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let (file, onlooker) = (opened(&path), Segment::options().read_only(true).open(&path).unwrap());
    std::thread::scope(|scope| {
        let (list, file, segment) = (&list, &file, &segment);
        scope.spawn(move || {
            let mut guard = list.write().unwrap();
            guard.push(2).unwrap();
            held.send(()).unwrap();
            may_go_on.recv_timeout(LONG).unwrap();
            // It had begun before.
            guard.push(3).unwrap();
            guard.commit().unwrap();
            assert!(matches!(list.write(), Err(Error::Retired { .. })));
        });
        is_held.recv_timeout(LONG).unwrap();
        let retiring = scope.spawn(|| Segment::retire(file, "old", LONG, |_| true).unwrap());
        while !segment.is_retired() {
            std::thread::yield_now();
        }
        assert!(onlooker.is_retired() && !retiring.is_finished());
        go_on.send(()).unwrap();
        assert!(retiring.join().unwrap());
    });
    assert!(matches!(segment.snapshot(dir.path().join("copy")), Err(Error::Retired { .. })));
    assert!(matches!(segment.check(), Err(Error::Retired { .. })));
    assert!(matches!(Segment::open(&path).unwrap().open_or_create::<u64>("new"), Err(Error::Retired { .. })));
    let new = dir.path().join("new.commy");
    let successor = Segment::options().succeed(&file, opened(&new), &new).unwrap();
    assert!(!successor.is_retired() && segment.is_retired());
    assert_eq!(successor.open::<Vec<u64>>("list").unwrap().load().unwrap(), [1, 2, 3]);
    successor.open::<Vec<u64>>("list").unwrap().write().unwrap().push(4).unwrap();
    assert!(successor.check().unwrap().is_empty());
    // Who has it open still reads what there was, and nothing of the new one.
    assert_eq!(list.load().unwrap(), [1, 2, 3]);
    Segment::reinstate(&file, "old").unwrap();
    list.write().unwrap().push(5).unwrap();
}

#[test]
fn a_lock_of_somebody_who_is_not_awaited_holds_up_nobody_and_what_it_did_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.commy");
    let segment = Segment::create(&path).unwrap();
    let list = segment.open_or_create_with("list", || vec![1u64, 2]).unwrap();
    let mut guard = list.write().unwrap();
    guard.clear().unwrap();
    guard.push(9).unwrap();
    let file = opened(&path);
    let begin = Instant::now();
    assert!(Segment::retire(&file, "old", LONG, |pid| pid != u64::from(std::process::id())).unwrap());
    assert!(begin.elapsed() < LONG / 2);
    // With time-outs as short as they can be: the copy waits for no lock that is held in the other.
    let quick = Segment::options().lock_timeout(Duration::ZERO);
    let new = dir.path().join("new.commy");
    let successor = quick.succeed(&file, opened(&new), &new).unwrap();
    let moved = successor.open::<Vec<u64>>("list").unwrap();
    assert_eq!(moved.load().unwrap(), [1, 2]);
    moved.write().unwrap().push(3).unwrap();
    // Whoever is waited for is so for as long as was said, and no longer.
    Segment::reinstate(&file, "old").unwrap();
    assert!(!Segment::retire(&file, "old", Duration::from_millis(20), |_| true).unwrap());
    drop(guard);
}

#[test]
fn whatever_is_in_a_retired_segment_its_successor_is_whole_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.commy");
    let segment = Segment::create(&path).unwrap();
    segment.open_or_create_with("list", || vec![7u64; 1000]).unwrap();
    segment.open_or_create_with("names", || vec!["Ada".to_owned()]).unwrap();
    drop(segment);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for (round, at) in (0..whole.len()).step_by(4093).enumerate() {
        let mut bytes = whole.clone();
        let until = (at + 8).min(bytes.len());
        bytes[at..until].fill(if round % 2 == 0 { 0xff } else { 0x41 });
        std::fs::write(&path, &bytes).unwrap();
        let new = dir.path().join(format!("{round}.commy"));
        match Segment::options().succeed(&opened(&path), opened(&new), &new) {
            Ok(successor) => assert!(successor.check().unwrap().is_empty(), "{at}"),
            Err(_) => refused += 1,
        }
        std::fs::remove_file(&new).unwrap();
    }
    assert!(refused > 0);
}

#[cfg(target_os = "linux")]
mod in_memory {
    use super::*;
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::fs::{FileExt, MetadataExt};

    const LENGTH: u64 = 2 << 20;

    /// Anonymous memory that keeps its length.
    fn memory() -> File {
        // SAFETY: a valid C string, and flags.
        let fd = unsafe { libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        assert!(fd >= 0);
        // SAFETY: made just now, and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(LENGTH).unwrap();
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: an open descriptor.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
        file
    }

    /// The same memory with a description of its own.
    fn again(file: &File) -> File {
        opened(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())))
    }

    #[test]
    fn memory_of_a_fixed_length_is_used_up_to_that_and_given_back() {
        let file = memory();
        let segment = Segment::options().create_in(again(&file), "memory").unwrap();
        assert!(matches!(Segment::options().create_in(again(&file), "memory"), Err(Error::Exists { .. })));
        assert_eq!(segment.limit(), LENGTH);
        assert!(segment.size() < LENGTH && file.metadata().unwrap().blocks() * 512 < LENGTH / 2);
        let list: Shared<Vec<u8>> = segment.open_or_create("list").unwrap();
        let full = loop {
            let mut guard = list.write().unwrap();
            match guard.extend_from_slice(&[1; 10_000]) {
                Ok(()) => guard.commit().unwrap(),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::OutOfSpace { .. }), "{full}");
        assert!(file.metadata().unwrap().blocks() * 512 > LENGTH / 2);
        let other = Segment::options().open_file(again(&file), "memory").unwrap();
        assert_eq!(other.open::<Vec<u8>>("list").unwrap().len().unwrap(), list.len().unwrap());
        list.store(Vec::new()).unwrap();
        assert!(segment.shrink_to_usage().unwrap() > 0);
        assert!(file.metadata().unwrap().blocks() * 512 < LENGTH / 2);
        assert_eq!(file.metadata().unwrap().len(), LENGTH);
        list.store(vec![2; 500_000]).unwrap();
        assert_eq!(other.open::<Vec<u8>>("list").unwrap().load().unwrap(), vec![2; 500_000]);
        assert!(segment.check().unwrap().is_empty());
    }

    #[test]
    fn a_process_that_dies_in_memory_is_found_dead_there_and_recovered() {
        let file = memory();
        let segment = Segment::options().create_in(again(&file), "memory").unwrap();
        let list = segment.open_or_create_with("list", || vec![1u64]).unwrap();
        let guard = list.write().unwrap();
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: the child uses what the library makes safe after a fork, and then nothing more.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own = Segment::options().open_file(again(&file), "memory").unwrap();
            let list = own.open::<Vec<u64>>("list").unwrap();
            // SAFETY: this process's own end.
            unsafe { libc::write(ends[1], [1u8].as_ptr().cast(), 1) };
            let mut guard = list.write().unwrap();
            guard.push(2).unwrap();
            // SAFETY: it kills this process.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        let mut byte = [0u8];
        // SAFETY: room for one byte.
        assert_eq!(unsafe { libc::read(ends[0], byte.as_mut_ptr().cast(), 1) }, 1);
        drop(guard);
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
        list.write().unwrap().push(3).unwrap();
        assert_eq!(list.load().unwrap(), [1, 3]);
        assert!(segment.check().unwrap().is_empty());
    }

    #[test]
    fn a_header_that_names_more_than_there_is_leads_nowhere() {
        let file = memory();
        let segment = Segment::options().create_in(again(&file), "memory").unwrap();
        let list: Shared<Vec<u64>> = segment.open_or_create_with("list", || vec![1; 1000]).unwrap();
        // The size, the limit, and where tables are.
        for (at, word) in [(64, 1u64 << 40), (72, 1 << 40), (96, LENGTH * 4), (520, LENGTH * 4), (2056, LENGTH * 4)] {
            file.write_all_at(&word.to_ne_bytes(), at).unwrap();
        }
        let _ = list.load();
        let quick = Segment::options().lock_timeout(Duration::from_millis(10));
        // What comes of it does not matter; the process is there to tell.
        if let Ok(other) = quick.open_file(again(&file), "memory") {
            let _ = other.open::<Vec<u64>>("list").map(|list| list.store(vec![2; 400_000]));
            let _ = other.check();
            let _ = other.shrink_to_usage();
        }
        let _ = quick.succeed(&file, memory(), "copy");
    }
}
