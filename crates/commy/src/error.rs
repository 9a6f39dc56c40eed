//! What can go wrong, each variant naming the thing, the reason and, in its text, the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong.
///
/// An error never leaves half a change behind: the operation that returned it did nothing. Its text names the thing,
/// the reason and the way out; `Debug` gives the same text, so that this is what `unwrap` and a `main` that returns it
/// show.
///
/// ```
/// let error = commy::Segment::open("/nowhere/at/all").unwrap_err();
/// assert!(matches!(error, commy::Error::Io { .. }));
/// assert!(error.to_string().contains("/nowhere/at/all"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused; the text says what was being done to which file.
    #[error("{}", io_text(.what, .path, .source))]
    Io {
        /// What was being done, for example `open`.
        what: &'static str,
        /// The file; empty if the error was made from an [`io::Error`] alone.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The path names something that is no regular file.
    #[error("{path} is {found}, not a regular file; name a file on a local file system", path = .path.display())]
    NotAFile {
        /// The path as given.
        path: PathBuf,
        /// What is there, for example `a directory`.
        found: &'static str,
    },
    /// The file is not a segment; it was left untouched.
    #[error("{path} is not a commy segment ({reason}); it was left untouched", path = .path.display())]
    NotASegment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The segment was made by another version of the format or on another kind of machine.
    #[error("{path} has {what} {found}, this program needs {needed}; open it with a program built for it", path = .path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// What differs: format version, byte order, page size.
        what: &'static str,
        /// What the file has.
        found: u64,
        /// What this program understands.
        needed: u64,
    },
    /// The file is shorter than its header says.
    #[error("{path} is truncated: {actual} of {expected} bytes are there; restore it from a snapshot", path = .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The size that the header names, in bytes.
        expected: u64,
        /// The file's length in bytes.
        actual: u64,
    },
    /// The segment was in use when the machine went down, and its content is not whole.
    #[error("{path} was in use when the machine stopped and is not whole ({finding}); restore a snapshot", path = .path.display())]
    Unclean {
        /// The file.
        path: PathBuf,
        /// The first thing that is not as it should be.
        finding: String,
    },
    /// `create` found the file already there.
    #[error("{path} exists already; use open, or open_or_create", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A memory map was given together with the path of another file.
    #[error("the memory map given is not of {path}; map the file that you name", path = .path.display())]
    OtherFile {
        /// The path.
        path: PathBuf,
    },
    /// What was to be freed is no block of that layout that was taken and not yet freed.
    #[error(
        "there is no block of {size} bytes aligned to {align} at {address:#x}: {reason}; free each block once, as it was taken"
    )]
    NotABlock {
        /// The address given.
        address: usize,
        /// The size given.
        size: usize,
        /// The alignment given.
        align: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The path no longer names the file that is mapped.
    #[error("{path} was replaced by another file since it was opened; open it anew", path = .path.display())]
    Replaced {
        /// The path.
        path: PathBuf,
    },
    /// An object is opened as another type than it was made with.
    #[error("object \"{name}\" holds {found}, not {expected}: {place}")]
    TypeMismatch {
        /// The object's name.
        name: String,
        /// The type that the caller asked for.
        expected: String,
        /// The type that is stored.
        found: String,
        /// Where they differ, naming the field.
        place: String,
    },
    /// No object of that name.
    #[error("there is no object \"{name}\"; open_or_create makes it")]
    NotFound {
        /// The name.
        name: String,
    },
    /// `create` found an object of that name.
    #[error("object \"{name}\" exists already; open it, or choose another name")]
    ObjectExists {
        /// The name.
        name: String,
    },
    /// The object was removed by somebody.
    #[error("object \"{name}\" was removed; open it anew")]
    Removed {
        /// The name it was opened by.
        name: String,
    },
    /// Changes are asked of an object that was made without a ring for them.
    #[error(
        "object \"{name}\" keeps no changes; make it anew with segment.object(name).changes(capacity), and copy it there"
    )]
    NoChanges {
        /// The object's name.
        name: String,
    },
    /// What is read through [`Dynamic::copying_at_most`](crate::dynamic::Dynamic::copying_at_most) has more values, and bytes
    /// of texts, than that.
    #[error("the value has more than {limit} parts and bytes of text; read less of it, by a range or page by page")]
    ValueTooLarge {
        /// How many there may be.
        limit: u64,
    },
    /// A reader of changes was too slow: some were overwritten before it came to them. It goes on with the oldest that
    /// is left.
    #[error(
        "at least {missed} changes of object \"{name}\" were overwritten before they were read; look at the whole object"
    )]
    Lagged {
        /// The object's name.
        name: String,
        /// How many it missed, at least.
        missed: u64,
    },
    /// A name out of rule.
    #[error("object name {name:?} is not allowed: {reason}; use names like \"jobs/waiting\"")]
    BadName {
        /// The name as given.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A type written as text that cannot be read, or is none that can be shared.
    #[error("{reason}, in line {line_number} of the type:\n  {line}\n  {:column$}^", "")]
    BadType {
        /// The line.
        line: String,
        /// Its number, from 1 on.
        line_number: usize,
        /// Where in it, in characters from 0 on.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A path that leads nowhere in a value of that type.
    #[error("the path \"{path}\" leads nowhere: {reason}")]
    BadPath {
        /// The path as given.
        path: String,
        /// Where it ends, and what there is instead.
        reason: String,
    },
    /// A value that is none of the type that is wanted.
    #[error("the value of {place} is {found}, {expected} is needed")]
    BadValue {
        /// Where in the value.
        place: String,
        /// What there is.
        found: String,
        /// The type, or what else is needed.
        expected: String,
    },
    /// An option, size or alignment out of range.
    #[error("{what} is {value}, {rule}")]
    BadArgument {
        /// What was given.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What is allowed.
        rule: &'static str,
    },
    /// The limit of the segment, or the disk, is reached. Nothing was changed; freeing still works.
    #[error("out of space: {needed} bytes more are needed, {reason}; remove something, or make room")]
    OutOfSpace {
        /// Bytes that could not be had.
        needed: u64,
        /// Why: the limit with its value, or the disk.
        reason: String,
    },
    /// A living process holds the lock for longer than the time-out.
    #[error("{what} is locked by {} for at least {held_for:.1?}; wait longer, or look at that process", who(*.holder))]
    LockTimeout {
        /// The object's name, or the part of the segment.
        what: String,
        /// The process id of the holder, 0 when it changed too quickly to tell.
        holder: u32,
        /// How long the waiter saw it locked.
        held_for: Duration,
    },
    /// Waiting would never end: this thread holds the lock itself, or a cycle of waiters was found.
    #[error("deadlock on {what}: {reason}; drop the guard first, or take locks in one order")]
    Deadlock {
        /// The object's name.
        what: String,
        /// Who waits for whom.
        reason: &'static str,
    },
    /// A thread has as many guards open as it can.
    #[error("this thread has {limit} {kind} guards open in this segment; drop some first")]
    TooManyGuards {
        /// `read` or `write`.
        kind: &'static str,
        /// How many there can be.
        limit: usize,
    },
    /// Everybody's place in the participant table is taken.
    #[error("all {limit} places for {what} are taken; end some, or make the segment with more max_participants")]
    TooManyParticipants {
        /// Processes or threads.
        what: &'static str,
        /// How many there can be.
        limit: u32,
    },
    /// A container was taken out of another one that was opened without an allocator, and is to be used in place.
    #[error(
        "this container came out of one that was opened without a FreeListAllocator; take its content out with into_inner"
    )]
    NoAllocator,
    /// A guard of the parent was used in a forked child.
    #[error("this guard belongs to the parent of this forked process; take a new one here")]
    Forked,
    /// Something in the file contradicts itself. Nothing was changed.
    #[error("the segment is damaged at offset {offset}: {what}; see what Segment::check finds, restore a snapshot")]
    Corrupt {
        /// Where, in bytes from the segment's start.
        offset: u64,
        /// What was found.
        what: &'static str,
    },
    /// The segment was [retired](crate::Segment::retire): another has taken its place.
    #[error("{path} was retired, and another segment has taken its place; open that one", path = .path.display())]
    Retired {
        /// The path as it was opened.
        path: PathBuf,
    },
    /// A change was asked of a read-only attachment.
    #[error("the segment was opened read-only; open it for writing to change it")]
    ReadOnly,
    /// An error of the program's own, with which it ended a transaction; see [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn who(process: u32) -> String {
    match process {
        0 => "a process that could not be told".into(),
        _ => format!("process {process}"),
    }
}

fn io_text(what: &str, path: &Path, source: &io::Error) -> String {
    match path.as_os_str().is_empty() {
        true => source.to_string(),
        false => format!("{what} {}: {source}", path.display()),
    }
}

impl Error {
    /// An error of the program's own: a text, or any other error. Returned from a [transaction](crate::Segment::transaction)
    /// it undoes everything, and is what the transaction gives.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use commy::{Error, Shared};
    /// let balance: Shared<i64> = segment.open_or_create_with("balance", || 30)?;
    /// let paid = segment.transaction(|tx| {
    ///     let mut balance = tx.write(&balance)?;
    ///     *balance -= 70;
    ///     if *balance < 0 { Err(Error::other("not that much")) } else { Ok(()) }
    /// });
    /// assert_eq!(paid.unwrap_err().to_string(), "not that much");
    /// assert_eq!(balance.load()?, 30);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Other(error.into())
    }

    /// Wraps what the system said about a file.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { what, path: path.to_path_buf(), source }
    }

    /// Names a place in the file that contradicts itself.
    #[cold]
    pub(crate) fn corrupt(offset: u64, what: &'static str) -> Error {
        Error::Corrupt { offset, what }
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Error {
        Error::Io { what: "", path: PathBuf::new(), source }
    }
}
