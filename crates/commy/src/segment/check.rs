//! Looking at a whole segment for what cannot be, and how it is had to stand still for that.
//!
//! ```text
//! attached for writing    the space lock; all writers pause; the heap lock: as for a snapshot
//! read-only, nobody       a private copy, in which what the dead left is recovered; looked at again if somebody
//!   else has it open      came meanwhile
//! read-only, others       the same of a copy of all pages, which then are compared with the file: if they are alike,
//!   have it open          the copy is of one moment
//! after a restart         as for nobody else (`unclean`)
//! ```

use super::space::Space;
use super::{Segment, is_attached};
use crate::alloc::heap::Heap;
use crate::alloc::{holes, usage::usage};
use crate::check;
use crate::error::{Error, Result};
use crate::layout::PAGE;
use crate::map::Map;
use crate::participant::Still;
use crate::recovery;
use crate::walk::Finding;
use std::time::{Duration, Instant};

impl Segment {
    /// Looks at the whole segment for what cannot be: its header, who is attached, the records of what is free, the
    /// directory, all objects as [`check_objects`](crate::Objects::check_objects) does, and that each block and page
    /// which is handed out belongs to exactly one of them. Gives what it finds with its place, nothing if all is well.
    /// Whatever is in the file, this ends and does not crash.
    ///
    /// Takes time in proportion to what there is, some hundred megabytes a second, and memory of 1/128 of the file's
    /// size. Writers pause meanwhile, readers do not; guards and transactions of others are waited for.
    ///
    /// A segment that was opened [`read_only`](crate::Options::read_only) cannot have anybody pause. It looks at a
    /// private copy, in which what the dead left is undone. While others have the segment open for writing, that takes as
    /// much memory as the file is large, and a moment as long as copying it in which nobody changes anything.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("names", || vec!["Ada".to_string()])?;
    /// assert!(segment.check()?.is_empty());
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LockTimeout`] names the process that is in a transaction, or nobody if a read-only attachment finds no
    /// moment in which nothing changes; [`Error::Deadlock`] if this thread has a guard; [`Error::Corrupt`] if what a dead
    /// process left cannot be recovered.
    pub fn check(&self) -> Result<Vec<Finding>> {
        self.check_with(|_, _| {})
    }

    /// Does what [`check`](Segment::check) does, and tells how far it has come: bytes that were looked at, of so many. Of a
    /// small segment it tells nothing.
    ///
    /// Writers pause while `progress` runs, so it should be brief, and must not use the segment.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("data", || vec![7u64; 1 << 20])?;
    /// let mut looked_at = 0;
    /// assert!(segment.check_with(|done, all| looked_at = done.min(all))?.is_empty());
    /// assert!(looked_at >= 8 << 20);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`check`](Segment::check).
    pub fn check_with(&self, mut progress: impl FnMut(u64, u64)) -> Result<Vec<Finding>> {
        if self.is_read_only() {
            return self.check_copy(&mut progress);
        }
        let worker = self.worker()?;
        if worker.is_engaged() {
            let reason = "this thread has a guard, and a check waits for all guards";
            return Err(Error::Deadlock { what: "a check".into(), reason });
        }
        recovery::sweep(self.attachment())?;
        let actor = worker.actor();
        let _space = Space::lock(&actor)?;
        let _still = Still::begin(&actor, self.attachment().patience)?;
        let _heap = Heap::lock(&actor)?;
        Ok(look(self.map(), &mut progress))
    }

    fn check_copy(&self, progress: Progress<'_>) -> Result<Vec<Finding>> {
        let (map, begin) = (self.map(), Instant::now());
        let facts = || (map.header().attachments.get_acquire(), is_attached(map, map.file()));
        loop {
            let before = facts();
            let copy = recovery::private(map)?;
            let one_moment = !before.1 || is_of_one_moment(map, &copy);
            let findings = if one_moment { check_recovered(copy, progress) } else { Vec::new() };
            if one_moment && (before.1 || facts() == before) {
                return Ok(findings);
            }
            let held_for = begin.elapsed();
            if held_for > self.attachment().patience {
                let what = format!("the segment {}, which a read-only check needs unchanged,", map.path().display());
                return Err(Error::LockTimeout { what, holder: 0, held_for });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Who is told of bytes that are done, and of how many there are.
pub(super) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Looks at everything in a map in which nothing changes.
fn look(map: &Map, progress: Progress<'_>) -> Vec<Finding> {
    // What is taken is what has to be looked at. If even that cannot be counted, it will be found out soon.
    let all = usage(map).map_or(map.size(), |usage| usage.taken);
    check::check(map, &mut |done| progress(done.min(all), all))
}

/// Recovers everything in a private copy and looks at it.
pub(super) fn check_recovered(copy: Map, progress: Progress<'_>) -> Vec<Finding> {
    let finding = |offset, what: String| vec![Finding { place: "(recovery)".into(), offset, what }];
    match recovery::recover_all(copy) {
        Ok(attachment) => look(&attachment.map, progress),
        Err(Error::Corrupt { offset, what }) => finding(offset, what.into()),
        Err(error) => finding(0, error.to_string()),
    }
}

/// Copies all pages, and then looks whether any has changed since.
fn is_of_one_moment(map: &Map, copy: &Map) -> bool {
    let mut holes: Vec<_> = holes::holes(map).map(|(_, hole)| hole).collect();
    holes.sort_unstable_by_key(|hole| hole.start);
    // What is a hole stays one, or gets storage: while there is a read-only attachment, none is made.
    let is_hole = |page: u64| {
        let next = holes.partition_point(|hole| hole.start <= page);
        next.checked_sub(1).is_some_and(|index| page < holes[index].end())
    };
    let size = map.size();
    let pages = || (0..size / PAGE).filter(|page| !is_hole(*page)).map(|page| page * PAGE);
    let copied = pages().try_for_each(|page| copy.word(page).map(|word| word.put(word.get())));
    let same = |page: u64| {
        (page..page + PAGE).step_by(8).all(|at| match (map.word(at), copy.word(at)) {
            (Ok(there), Ok(here)) => there.get_acquire() == here.get(),
            _ => false,
        })
    };
    copied.is_ok() && pages().all(same) && map.size() == size
}
