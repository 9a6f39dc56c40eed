//! The segment as its users have it: opening, named objects, facts.

mod activity;
mod check;
mod extents;
mod format;
mod named;
mod objects;
mod options;
mod retire;
mod sameness;
mod snapshot;
mod space;
mod stats;
mod unclean;

pub use activity::{Held, Thread};
pub use extents::{Extent, Holder};
pub use named::Named;
pub use objects::Objects;
pub use options::Options;
pub use stats::{Identity, Participant, Stats};

use crate::alloc::holes::{self, Hole};
use crate::directory;
use crate::error::{Error, Result};
use crate::layout::{Header, PAGE, PROCESS_LIVE};
use crate::map::Map;
use crate::os::{self, Access};
use crate::participant::{Attachment, Unlocked};
use crate::recovery;
use crate::tx::{Context, Cx, Keeper, Roster, Worker};
use format::Recognised;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use directory::format_directory;

/// A shared memory file, opened. Cheap to clone; all clones are one attachment.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("shared.commy");
/// use commy::{Segment, Shared};
/// use std::collections::HashMap;
///
/// let segment = Segment::open_or_create(&path)?;
/// let words: Shared<HashMap<String, u64>> = segment.open_or_create("words")?;
/// words.write()?.insert("hello".into(), 1)?;
///
/// // Anybody who opens the file sees it.
/// let other = Segment::open(&path)?;
/// let words: Shared<HashMap<String, u64>> = other.open_or_create("words")?;
/// assert_eq!(words.read()?.get("hello"), Some(&1));
/// # Ok::<(), commy::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Segment(Objects);

/// What the clones of a segment share.
#[derive(Debug)]
struct Attached {
    attachment: Attachment,
    roster: Arc<Roster>,
    reader: ReaderContext,
}

// A panic under a guard rolls back: nobody sees a half-done change.
impl std::panic::UnwindSafe for Attached {}
impl std::panic::RefUnwindSafe for Attached {}

/// The context in which readers see the segment.
struct ReaderContext(Option<Context>);

impl std::fmt::Debug for ReaderContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReaderContext")
    }
}

impl Segment {
    /// Options: sizes, permissions, time-outs.
    pub fn options() -> Options {
        Options::default()
    }

    /// Opens an existing segment. See [`Options::open`] for the errors.
    pub fn open(path: impl AsRef<Path>) -> Result<Segment> {
        Options::default().open(path)
    }

    /// Makes a new segment. See [`Options::create`] for the errors.
    pub fn create(path: impl AsRef<Path>) -> Result<Segment> {
        Options::default().create(path)
    }

    /// Opens a segment, or makes it. See [`Options::open_or_create`] for the errors.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Segment> {
        Options::default().open_or_create(path)
    }

    /// Maps a file that is a segment, takes a place in it, and recovers who died in it.
    fn attach(file: Arc<File>, path: &Path, known: Recognised, options: &Options) -> Result<Segment> {
        let mut map = Map::new(Arc::clone(&file), path, known.reserve, Access::ReadWrite)?;
        let (id, header) = (id_of(&map), map.header());
        let gate = format::Gate::pass(&file, path, options.patience)?;
        if header.boot.get() != os::boot_id() && header.clean.get() != 1 {
            // What is refused is left as it was, to its length.
            unclean::examine(&map).inspect_err(|_| map.release_last(&[], known.length))?;
        }
        ensure_backed(&map, known.backed)?;
        let attachment = Attachment::new(map, id, options.patience, recovery::rescue)?;
        let header = attachment.map.header();
        if header.boot.get() != os::boot_id() {
            recovery::put_out_beacons(&attachment);
        }
        header.clean.publish(0);
        header.boot.publish(os::boot_id());
        drop(gate);
        let segment = Segment::of(attachment);
        recovery::sweep(segment.attachment())?;
        // Who cannot have it now leaves it to the next.
        let _ = segment.follow_limit();
        let _ = directory::free_orphans(&segment);
        Ok(segment)
    }

    /// Maps a file that is a segment, for reading only: nobody notices.
    fn look_at(file: Arc<File>, path: &Path, known: Recognised, options: &Options) -> Result<Segment> {
        let map = Map::new(file, path, known.reserve, Access::ReadOnly)?;
        let id = id_of(&map);
        let attachment = Attachment::onlooker(map, id, options.patience, recovery::rescue)?;
        let header = attachment.map.header();
        if header.boot.get() != os::boot_id() && header.clean.get() != 1 {
            unclean::examine(&attachment.map)?;
        }
        Ok(Segment::of(attachment))
    }

    fn of(attachment: Attachment) -> Segment {
        let roster = Arc::new(Roster::default());
        let mut attached = Arc::new(Attached { attachment, roster, reader: ReaderContext(None) });
        if let Some(inner) = Arc::get_mut(&mut attached) {
            // Made here, where the map has its final address.
            inner.reader.0 = Some(Context::of_reader(&inner.attachment.map));
        }
        Segment(Objects(attached))
    }

    /// Whether it was opened [`read_only`](Options::read_only).
    pub fn is_read_only(&self) -> bool {
        self.attachment().is_read_only()
    }

    /// Bytes that the file has now.
    pub fn size(&self) -> u64 {
        self.map().size()
    }

    /// Bytes that it may grow to.
    pub fn limit(&self) -> u64 {
        self.header().limit.get()
    }

    /// The file's path, as it was opened.
    pub fn path(&self) -> &Path {
        self.map().path()
    }

    /// Tells the others that this process is not stuck. It needs not be called to keep locks: those are
    /// kept by being alive.
    pub fn heartbeat(&self) -> Result<()> {
        self.attachment().own_place()?;
        if let Some(slot) = self.map().process(self.attachment().process()) {
            slot.heartbeat.put(os::now_monotonic_ms());
        }
        Ok(())
    }

    /// Recovers what dead processes left behind, instead of leaving it to who meets it. Gives how many
    /// dead threads were found.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if what they left cannot be recovered.
    pub fn recover(&self) -> Result<usize> {
        self.attachment().own_place()?;
        let found = recovery::sweep(self.attachment())?;
        self.follow_limit()?;
        directory::free_orphans(self)?;
        Ok(found)
    }

    #[inline(always)]
    pub(crate) fn attachment(&self) -> &Attachment {
        &self.0.0.attachment
    }

    pub(crate) fn map(&self) -> &Map {
        &self.0.0.attachment.map
    }

    /// The threads at work here.
    #[inline(always)]
    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.0.0.roster
    }

    fn header(&self) -> &Header {
        self.map().header()
    }

    /// The calling thread's worker.
    #[inline(always)]
    pub(crate) fn worker(&self) -> Result<Keeper> {
        Worker::current(self.attachment(), self.roster())
    }

    /// The calling thread's worker, if it is the one that it used last.
    #[inline(always)]
    pub(crate) fn latest_worker(&self) -> Option<&Worker> {
        Worker::latest(self.attachment())
    }

    /// Lets the calling thread follow offsets without a lock, until what it gives is dropped.
    #[inline(always)]
    pub(crate) fn unlocked(&self) -> Result<Unlocked<'_>> {
        Worker::slot_of(self.attachment(), self.roster()).map(Unlocked::begin)
    }

    /// The context for reading.
    #[inline(always)]
    pub(crate) fn reader(&self) -> Cx {
        // SAFETY: `of` sets it before anybody has the segment.
        Cx::new(unsafe { self.0.0.reader.0.as_ref().unwrap_unchecked() })
    }
}

impl Attached {
    /// Who only reads may have made the file longer, to see what others add to it. If nobody else has it open, it is as
    /// short as before.
    fn leave_unnoticed(&mut self) {
        let map = &mut self.attachment.map;
        if let Some(file) = os::lengthened(map.file())
            && let Ok(_gate) = format::Gate::pass(&file, map.path(), Duration::ZERO)
            && !is_attached(map, &file)
        {
            let size = map.size();
            map.release_except(&[]);
            os::close_at(&file, size);
        }
    }
}

impl std::ops::Deref for Segment {
    type Target = Objects;
    fn deref(&self) -> &Objects {
        &self.0
    }
}

fn id_of(map: &Map) -> u128 {
    let [low, high] = [0, 1].map(|half: usize| u128::from(map.header().id[half].get()));
    low | high << 64
}

/// Backs what should be backed and is not, as in a sparse copy of a segment. Whoever has the segment open did that. So
/// many bytes were backed a moment ago; since then at most some were given back that are listed as holes.
fn ensure_backed(map: &Map, backed: u64) -> Result<()> {
    if is_attached(map, map.file()) {
        return Ok(());
    }
    let (size, file) = (map.size(), map.file());
    let mut holes: Vec<Hole> = holes::holes(map).map(|(_, hole)| hole).collect();
    let missing = holes.iter().map(|hole| hole.count * PAGE).sum::<u64>();
    if backed >= size.saturating_sub(missing) {
        return Ok(());
    }
    holes.sort_unstable_by_key(|hole| hole.start);
    let ends = holes.iter().map(|hole| hole.start * PAGE).chain([size]);
    let starts = [0].into_iter().chain(holes.iter().map(|hole| hole.end() * PAGE));
    let backed = starts.zip(ends).try_for_each(|(from, to)| os::extend(file, from, to));
    backed.map_err(|e| Error::OutOfSpace {
        needed: size,
        reason: format!("the file is sparse, and the disk of {} says: {e}", map.path().display()),
    })
}

/// Whether somebody has the segment open for writing. The caller has passed the gate.
fn is_attached(map: &Map, file: &File) -> bool {
    let slots = (0..).map_while(|index| map.process(index).map(|slot| (index, slot)));
    let mut taken = slots.filter(|(_, slot)| slot.state.get() as u32 as u64 == PROCESS_LIVE);
    taken.any(|(index, _)| os::byte_locked_elsewhere(file, index as u64).unwrap_or(true))
}

impl Drop for Attached {
    fn drop(&mut self) {
        let attachment = &self.attachment;
        if attachment.is_read_only() {
            return self.leave_unnoticed();
        }
        if !attachment.is_own() {
            return;
        }
        let keep = self.roster.detach(attachment);
        // Without the gate the file is taken for not closed in order, which is safe.
        let file = attachment.map.shared_file();
        if let Ok(_gate) = format::Gate::pass(&file, attachment.map.path(), attachment.patience) {
            attachment.leave();
            if attachment.is_last() {
                attachment.map.header().clean.publish(1);
                let size = attachment.map.size();
                return self.attachment.map.release_last(&keep, size);
            }
        }
        self.attachment.map.release_except(&keep);
    }
}
