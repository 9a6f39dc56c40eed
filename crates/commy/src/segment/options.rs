//! How a segment is opened.

use super::{Segment, format};
use crate::error::{Error, Result};
use crate::layout::{MAX_SIZE, MIN_SIZE, PAGE};
use crate::os;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Options for opening a segment, made by [`Segment::options`].
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let segment = commy::Segment::options()
///     .initial_size(1 << 20)
///     .max_size(1 << 30)
///     .create(dir.path().join("jobs.commy"))?;
/// assert_eq!(segment.size(), 1 << 20);
/// assert_eq!(segment.limit(), 1 << 30);
/// # Ok::<(), commy::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) initial_size: u64,
    pub(crate) max_size: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) read_only: bool,
    pub(crate) mode: u32,
    pub(crate) patience: Duration,
    pub(crate) max_participants: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            initial_size: MIN_SIZE * 4,
            max_size: if cfg!(windows) { 8 << 30 } else { 64 << 30 },
            limit: None,
            read_only: false,
            mode: 0o600,
            patience: Duration::from_secs(60),
            max_participants: 1024,
        }
    }
}

/// What may be at the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Existing,
    New,
    Either,
}

impl Options {
    /// Bytes of a new file: at least 64 KiB, 256 KiB unless said; rounded up to pages of 4 KiB.
    pub fn initial_size(mut self, bytes: u64) -> Options {
        self.initial_size = bytes;
        self
    }

    /// Bytes that a new segment may grow to; address space for so much is reserved by everybody who
    /// opens it. 64 GiB unless said (8 GiB on Windows), at most 1 TiB.
    pub fn max_size(mut self, bytes: u64) -> Options {
        self.max_size = bytes;
        self
    }

    /// Bytes that a new segment may grow to by itself, until [`Segment::resize`] says otherwise: `max_size` unless said. With
    /// `initial_size` and this the same, the file has one size until it is resized.
    pub fn limit(mut self, bytes: u64) -> Options {
        self.limit = Some(bytes);
        self
    }

    /// Opens it for reading only: the file is mapped so that a store faults, and no others notice; it needs no
    /// permission to write. Such a segment gives copies: [`load`](crate::Shared::load), `get`, `len`, `scan` and the like.
    /// Locks and changes are [`Error::ReadOnly`].
    ///
    /// Reading waits for nobody but who is just writing that very object; of a writer that died half-way it sees what was
    /// there before.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("s.commy");
    /// use commy::{Error, Segment, Shared};
    /// use std::collections::HashMap;
    /// let segment = Segment::create(&path)?;
    /// let words: Shared<HashMap<String, u64>> = segment.open_or_create("words")?;
    /// words.insert("hello".into(), 1)?;
    ///
    /// let onlooker = Segment::options().read_only(true).open(&path)?;
    /// let words: Shared<HashMap<String, u64>> = onlooker.open("words")?;
    /// assert_eq!(words.get("hello")?, Some(1));
    /// assert!(matches!(words.insert("world".into(), 7), Err(Error::ReadOnly)));
    /// # Ok::<(), commy::Error>(())
    /// ```
    pub fn read_only(mut self, only: bool) -> Options {
        self.read_only = only;
        self
    }

    /// Unix permissions of a new file, 0600 unless said. No effect on Windows.
    pub fn mode(mut self, mode: u32) -> Options {
        self.mode = mode;
        self
    }

    /// How long a lock is waited for before [`Error::LockTimeout`], 60 s unless said.
    pub fn lock_timeout(mut self, patience: Duration) -> Options {
        self.patience = patience;
        self
    }

    /// How many processes can have a new segment open at once, 1024 unless said, which is the most.
    pub fn max_participants(mut self, processes: u32) -> Options {
        self.max_participants = processes;
        self
    }

    /// Opens an existing segment, or formats a file of zeros.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none or it may not be opened; [`Error::NotAFile`], [`Error::NotASegment`],
    /// [`Error::Incompatible`], [`Error::Truncated`], [`Error::Unclean`] if it is something else, which then
    /// is left untouched; [`Error::TooManyParticipants`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Segment> {
        self.open_path(path.as_ref(), Wanted::Existing)
    }

    /// Makes a new segment.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a file already; [`Error::OutOfSpace`] if the disk is full; else as `open`.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Segment> {
        self.open_path(path.as_ref(), Wanted::New)
    }

    /// Opens a segment, or makes it if there is no file or an empty one.
    ///
    /// # Errors
    /// As `open` and `create`.
    pub fn open_or_create(&self, path: impl AsRef<Path>) -> Result<Segment> {
        self.open_path(path.as_ref(), Wanted::Either)
    }

    /// Opens an existing segment by its file, opened elsewhere: a descriptor that another process has handed over. The file
    /// must have been opened for this alone, for writing unless it is to be [`read_only`](Options::read_only): signs of
    /// life belong to the open file, and whoever shares it would be taken for this process. The name stands for its path in
    /// messages.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("s.commy");
    /// use commy::Segment;
    /// Segment::create(&path)?.open_or_create::<u64>("count")?.store(7)?;
    /// let file = std::fs::File::options().read(true).write(true).open(&path)?;
    /// let segment = Segment::options().open_file(file, "the one with the count")?;
    /// assert_eq!(segment.open::<u64>("count")?.load()?, 7);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Options::open).
    pub fn open_file(&self, file: File, name: impl AsRef<Path>) -> Result<Segment> {
        self.check()?;
        let name = name.as_ref();
        let known = format::recognise(&file, name)?;
        let file = Arc::new(file);
        if self.read_only {
            return Segment::look_at(file, name, known, self);
        }
        Segment::attach(file, name, known, self)
    }

    /// Makes a segment of a file of zeros that was opened elsewhere, as [`open_file`](Options::open_file) opens one: of
    /// anonymous memory, for example. Memory that is sealed against shrinking and growing keeps its length, which is the
    /// segment's `max_size` then; storage is taken only as the segment grows.
    ///
    /// # Errors
    /// [`Error::Exists`] if it is a segment already; else as [`create`](Options::create).
    pub fn create_in(&self, file: File, name: impl AsRef<Path>) -> Result<Segment> {
        self.check()?;
        let file = Arc::new(file);
        let known = format::format_blank(&file, name.as_ref(), self)?;
        Segment::attach(file, name.as_ref(), known, self)
    }

    fn open_path(&self, path: &Path, wanted: Wanted) -> Result<Segment> {
        self.check()?;
        if self.read_only && wanted != Wanted::Existing {
            return Err(Error::ReadOnly);
        }
        let (file, made) = self.file_at(path, wanted)?;
        let file = Arc::new(file);
        let known = format::recognise_or_format(&file, path, self, wanted != Wanted::Existing, made)?;
        if self.read_only {
            return Segment::look_at(file, path, known, self);
        }
        Segment::attach(file, path, known, self)
    }

    fn check(&self) -> Result<()> {
        let bad = |what, value, rule| Err(Error::BadArgument { what, value, rule });
        if self.max_size > MAX_SIZE || self.max_size < MIN_SIZE {
            return bad("max_size", self.max_size, "which must be from 64 KiB to 1 TiB");
        }
        if self.max_size % PAGE != 0 {
            return bad("max_size", self.max_size, "which must be a multiple of 4096");
        }
        if self.initial_size > self.max_size {
            return bad("initial_size", self.initial_size, "which must not be above max_size");
        }
        if self.max_participants == 0 || self.max_participants > 1024 {
            return bad("max_participants", self.max_participants.into(), "which must be from 1 to 1024");
        }
        Ok(())
    }

    /// Opens what is at the path; tells whether it was made. That it is a file is seen when it is looked at.
    fn file_at(&self, path: &Path, wanted: Wanted) -> Result<(File, bool)> {
        // Not all that is no file can be opened.
        let failed = |error| match std::fs::metadata(path) {
            Ok(facts) => format::must_be_file(&facts, path).err().unwrap_or(error),
            Err(_) => error,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(!self.read_only);
        os::open_flags(&mut options, self.mode);
        loop {
            if wanted != Wanted::New {
                match options.open(path) {
                    Ok(file) => return Ok((file, false)),
                    Err(e) if wanted == Wanted::Either && e.kind() == ErrorKind::NotFound => {}
                    Err(e) => return Err(failed(Error::io("open", path, e))),
                }
            }
            match options.clone().create_new(true).open(path) {
                Ok(file) => return Ok((file, true)),
                // Somebody else was quicker, unless it is a link to nowhere.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && wanted == Wanted::New => {
                    return Err(failed(Error::Exists { path: path.to_path_buf() }));
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists && !path.is_symlink() => {}
                Err(e) => return Err(failed(Error::io("open", path, e))),
            }
        }
    }
}
