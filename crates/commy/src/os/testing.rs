//! Helpers for tests that need files and other processes.
//!
//! A forked child may only do what is safe in a signal handler, since the test program has threads.
//! Parent and child speak through pipes, one byte at a time; hearing fails after ten seconds rather
//! than hanging.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

#[cfg(unix)]
pub(crate) use unix::{fork_child, serial};

/// An empty file in a folder of its own, open for reading and writing.
pub(crate) fn temp_file() -> (tempfile::TempDir, File, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("file");
    let file = open_again(&path);
    (dir, file, path)
}

/// Another open file description of the file.
pub(crate) fn open_again(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    super::open_flags(&mut options, 0o600);
    options.open(path).expect("the test's own file")
}

#[cfg(unix)]
mod unix {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// Lets one test at a time fork, so that no test's child inherits another's descriptors.
    pub(crate) fn serial() -> MutexGuard<'static, ()> {
        static SERIAL: Mutex<()> = Mutex::new(());
        SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One end of the conversation, as the child has it.
    pub(crate) struct Pipe {
        read: i32,
        write: i32,
    }

    impl Pipe {
        /// Sends a byte.
        pub(crate) fn say(&self, byte: u8) {
            // SAFETY: one byte of a live variable, into our own pipe.
            let sent = unsafe { libc::write(self.write, (&raw const byte).cast(), 1) };
            assert_eq!(sent, 1, "the other side is gone");
        }

        /// The descriptor that [`Pipe::say`] writes to.
        #[cfg(not(commy_portable))]
        pub(crate) fn writer(&self) -> i32 {
            self.write
        }

        /// Receives a byte.
        pub(crate) fn hear(&self) -> u8 {
            let mut ready = libc::pollfd { fd: self.read, events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            assert_eq!(unsafe { libc::poll(&mut ready, 1, 10_000) }, 1, "silence");
            let mut byte = 0u8;
            // SAFETY: one byte into a live variable, from our own pipe.
            let got = unsafe { libc::read(self.read, (&raw mut byte).cast(), 1) };
            assert_eq!(got, 1, "the other side is gone");
            byte
        }
    }

    /// A forked child; dropping it kills and reaps it.
    pub(crate) struct Child {
        /// Its process id.
        pub(crate) pid: i32,
        pipe: Pipe,
        reaped: bool,
    }

    /// Forks a child that runs `body` and exits: with 0, or 101 if it panicked.
    pub(crate) fn fork_child(body: impl FnOnce(&Pipe)) -> Child {
        let mut fds = [0; 4];
        for pair in fds.chunks_mut(2) {
            // SAFETY: room for the two descriptors of a pipe.
            assert_eq!(unsafe { libc::pipe(pair.as_mut_ptr()) }, 0);
        }
        let [down_read, down_write, up_read, up_write] = fds;
        // SAFETY: the child does only what its body is trusted with (see the file's head).
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            let pipe = Pipe { read: down_read, write: up_write };
            let run = std::panic::AssertUnwindSafe(|| body(&pipe));
            let code = if std::panic::catch_unwind(run).is_ok() { 0 } else { 101 };
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) };
        }
        for fd in [down_read, up_write] {
            // SAFETY: our own descriptors, which belong to the child from here on.
            unsafe { libc::close(fd) };
        }
        Child { pid, pipe: Pipe { read: up_read, write: down_write }, reaped: false }
    }

    impl Child {
        /// Sends a byte.
        pub(crate) fn say(&mut self, byte: u8) {
            self.pipe.say(byte);
        }

        /// Receives a byte.
        pub(crate) fn hear(&mut self) -> u8 {
            self.pipe.hear()
        }

        /// SIGKILL.
        pub(crate) fn kill(&mut self) {
            assert!(!self.reaped);
            // SAFETY: our own child, not reaped, so the number is still its.
            assert_eq!(unsafe { libc::kill(self.pid, libc::SIGKILL) }, 0);
        }

        /// Waits until it has ended, but leaves it a zombie.
        #[cfg(not(commy_portable))]
        pub(crate) fn await_zombie(&mut self) {
            // SAFETY: zeros are a valid value of this plain structure.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let flags = libc::WEXITED | libc::WNOWAIT;
            // SAFETY: our own child and a live siginfo_t.
            let done = unsafe { libc::waitid(libc::P_PID, self.pid as _, &mut info, flags) };
            assert_eq!(done, 0);
        }

        /// Waits until it has ended; gives its exit code, or the signal as a negative number.
        pub(crate) fn reap(&mut self) -> i32 {
            assert!(!self.reaped);
            let mut status = 0;
            // SAFETY: our own child and a live status.
            let got = unsafe { libc::waitpid(self.pid, &mut status, 0) };
            assert_eq!(got, self.pid);
            self.reaped = true;
            if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
        }
    }

    impl Drop for Child {
        fn drop(&mut self) {
            if !self.reaped {
                self.kill();
                self.reap();
            }
            for fd in [self.pipe.read, self.pipe.write] {
                // SAFETY: our own descriptors, used by nobody else.
                unsafe { libc::close(fd) };
            }
        }
    }
}
