//! Being interrupted, and processes that do not outlive the one that started them.
//!
//! Most commands end where Ctrl-C meets them: what they do to a segment happens whole or not at all. Those that have files
//! or processes of their own put them away first.

use crate::demo::Result;
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
