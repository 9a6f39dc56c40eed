//! A segment that another one takes the place of, so that who has the old one mapped cannot change the new one.
//!
//! ```text
//! 1  retire     header.pause says so: nobody begins to change anything any more; who is at it comes to an end
//! 2             not waited for is who is not to be trusted, and nobody for longer than was said
//! 3  succeed    copy what is in use into another file, with another id; open that: nobody in it is alive, so whatever was
//!               not ended is undone there, and all of it is checked
//! ```
//!
//! A mapping cannot be taken back: who has one can scribble over the old segment for as long as it likes, and during the
//! copy. So nothing of it is believed: the copy is opened like a file that was in use when the machine went down
//! (`unclean`), and refused if it is not whole.
//!
//! Whoever is killed on the way leaves a segment that is retired; both steps can be done again.

use super::{Options, Segment, format};
use crate::error::{Error, Result};
use crate::layout::{FIXED_LEN, Header};
use crate::map::Map;
use crate::os::{self, Access};
use crate::participant::Attachment;
use crate::recovery;
use std::fs::File;
use std::mem::offset_of;
use std::path::Path;
use std::time::Duration;

/// A segment that is to be replaced, by its file. It takes no place in it, and waits for nobody who holds one.
fn onto(file: &File, name: &Path) -> Result<Attachment> {
    let known = format::recognise(file, name)?;
    let own = file.try_clone().map_err(|e| Error::io("open", name, e))?;
    let map = Map::new(own, name, known.reserve, Access::ReadWrite)?;
    Ok(Attachment::alone(map, Duration::ZERO, recovery::rescue))
}

impl Segment {
    /// Whether the segment was [retired](Segment::retire). Costs one load.
    pub fn is_retired(&self) -> bool {
        self.attachment().is_retired()
    }

    /// Ends the life of a segment, of which this is the file, open for writing: whoever has it open gets
    /// [`Error::Retired`] from the next change on; reading goes on. Then waits for those who are just changing something
    /// and of whose process id `awaited` says that they are worth waiting for, at most `patience` in all. Tells whether
    /// they came to their end: then nothing that anybody was told to be done is missing from the segment now.
    ///
    /// What is stored without a transaction, by atomics, cannot be told when to stop.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use commy::{Error, Segment};
    /// use std::{fs::File, time::Duration};
    /// let segment = Segment::create(dir.path().join("old.commy"))?;
    /// let count = segment.open_or_create::<u64>("count")?;
    /// count.store(7)?;
    /// let old = File::options().read(true).write(true).open(dir.path().join("old.commy"))?;
    /// assert!(Segment::retire(&old, "old", Duration::from_secs(1), |_| true)?);
    /// assert!(matches!(count.store(8), Err(Error::Retired { .. })));
    ///
    /// let path = dir.path().join("new.commy");
    /// let new = File::options().read(true).write(true).create_new(true).open(&path)?;
    /// let segment = Segment::options().succeed(&old, new, &path)?;
    /// assert_eq!(segment.open::<u64>("count")?.load()?, 7);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotASegment`] and others if it is none, and [`Error::Io`]: then it is as it was.
    pub fn retire(
        file: &File,
        name: impl AsRef<Path>,
        patience: Duration,
        awaited: impl Fn(u64) -> bool,
    ) -> Result<bool> {
        onto(file, name.as_ref())?.retire(patience, awaited)
    }

    /// Takes [`retire`](Segment::retire) back, for when nothing can take the segment's place.
    ///
    /// # Errors
    /// As `retire`.
    pub fn reinstate(file: &File, name: impl AsRef<Path>) -> Result<()> {
        onto(file, name.as_ref()).map(|at| at.reinstate())
    }
}

impl Options {
    /// Makes `to`, a blank file, a segment with all that was committed in another, whose file is `from`, and opens it. What
    /// was not committed there is not in it; nobody has it open but the caller. The other is not changed, and need not
    /// stand still unless all that is committed counts: [`Segment::retire`] sees to that.
    ///
    /// The bytes of the other may be anything.
    ///
    /// # Errors
    /// [`Error::Unclean`] if what was copied is not whole; [`Error::OutOfSpace`] if `to` cannot have so much; else as
    /// [`open_file`](Options::open_file). What is in `to` is of no use then.
    pub fn succeed(&self, from: &File, to: File, name: impl AsRef<Path>) -> Result<Segment> {
        let name = name.as_ref();
        copy(from, &to, name)?;
        self.open_file(to, name)
    }
}

/// Copies a segment as it is at many moments, and makes the copy one that was in use when another machine went down.
fn copy(from: &File, to: &File, name: &Path) -> Result<()> {
    let failed = |e| Error::io("copy to", name, e);
    format::recognise(from, name)?;
    let mut word = [0; 8];
    os::read_at(from, &mut word, offset_of!(Header, size) as u64).map_err(failed)?;
    let size = u64::from_ne_bytes(word);
    let full = |e| super::snapshot::not_copied(e, (name, name), size);
    let available = from.metadata().map_err(failed)?.len();
    if size > available {
        return Err(Error::Truncated { path: name.to_path_buf(), expected: size, actual: available });
    }
    if !os::has_fixed_length(to) {
        os::lengthen(to, size).map_err(full)?;
    }
    let room = to.metadata().map_err(failed)?.len();
    if room < size {
        return Err(Error::OutOfSpace { needed: size - room, reason: "what takes its place is smaller".into() });
    }
    os::copy_range(from, to, 0, size).map_err(full)?;
    // What the header says was looked at in the other, and may have been changed since; now nobody can.
    format::recognise(to, name)?;
    let mut fixed = [0; FIXED_LEN];
    os::read_at(to, &mut fixed, 0).map_err(failed)?;
    for half in 0..2 {
        let random = os::random_u64().map_err(|e| Error::io("get random numbers for", name, e))?;
        let at = offset_of!(Header, id) + half * 8;
        fixed[at..at + 8].copy_from_slice(&random.to_ne_bytes());
    }
    os::write_at(to, &fixed, 0).map_err(failed)?;
    for (at, word) in [
        (offset_of!(Header, checksum), Header::checksum_of(&fixed)),
        (offset_of!(Header, boot), !os::boot_id()),
        (offset_of!(Header, clean), 0),
        (offset_of!(Header, pause), 0),
    ] {
        os::write_at(to, &word.to_ne_bytes(), at as u64).map_err(failed)?;
    }
    Ok(())
}
