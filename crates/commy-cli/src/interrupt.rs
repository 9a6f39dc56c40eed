//! Being interrupted, and processes that do not outlive the one that started them.
//!
//! Most commands end where Ctrl-C meets them: what they do to a segment happens whole or not at all. Those that have files
//! or processes of their own put them away first.

use crate::demo::Result;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The code of a command that was interrupted.
pub const INTERRUPTED: i32 = 130;

/// When the process is interrupted, or told to end, does this and then ends it.
pub fn on_interrupt(mut clean: impl FnMut() + Send + 'static) -> Result<()> {
    Ok(ctrlc::set_handler(move || {
        clean();
        std::process::exit(INTERRUPTED);
    })?)
}

/// Has a process that is to be started end with this one, however this one ends: `end_with_parent` there waits for the end
/// of its input, which is a pipe that nobody writes to.
pub fn tied(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped())
}

/// Ends this process when the one is gone that started it.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(INTERRUPTED);
    });
}

/// A folder of this process, in memory if there is some for files. It goes when it is dropped, and when the process is
/// interrupted. Then others may be about to make a file in it, which they cannot when it is gone.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Result<Scratch> {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let scratch = Scratch(place.join(format!("commy-{name}-{}", std::process::id())));
        // Left by somebody who was killed and had this number.
        scratch.remove();
        std::fs::create_dir(&scratch.0)?;
        let unfinished = Scratch(scratch.0.clone());
        on_interrupt(move || unfinished.remove())?;
        Ok(scratch)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn remove(&self) {
        for _ in 0..1000 {
            match std::fs::remove_dir_all(&self.0) {
                // Somebody has made a file meanwhile.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => std::thread::yield_now(),
                _ => return,
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}
