//! Moving a service to another segment, when somebody who has the old one mapped may not have it any more.
//!
//! ```text
//! 1  moving: who finds the old segment retired waits                      (`Service::settled`)
//! 2  the old segment is retired; who is honest and in a transaction ends it, who is not is not waited for
//! 3  a copy of what was committed, checked; in memory, the last checkpoint if that is damaged
//! 4  it takes the old one's place: renamed to its path, or given to the keeper
//! 5  it is the successor: requests, watches and new mappings go there, with all versions and changes as they were
//! ```
//!
//! Whoever kills the server on the way leaves a segment that is retired, which the next one does not use: it begins at 3.

use super::{Home, Service, Services, options};
use crate::failure::{Result, fail, of_library};
use crate::policy::ServiceRow;
use commy::Segment;
use commy_wire::Code;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long those who are honest may take to end what they are at.
const ENDING: Duration = Duration::from_secs(5);
/// A segment that is to take another one's place.
pub(super) struct Next {
    segment: Segment,
    home: Home,
    /// The file that is to be renamed to this path.
    rename: Option<(PathBuf, PathBuf)>,
}

impl Services {
    /// Moves a service to another segment. Of those who are in a transaction, only processes whose id `is_awaited` are
    /// waited for, and these not for ever.
    ///
    /// # Errors
    /// Why it cannot be; then it is as it was.
    pub fn rotate(&self, row: &Arc<ServiceRow>, is_awaited: impl Fn(u64) -> bool) -> Result<()> {
        let _one = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let service = self.get(row)?;
        // No checkpoint of the old one any more.
        let _saved = service.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let name = service.segment.path();
        let file = service.open_again(true).map_err(|error| of_library(error.into()))?;
        service.moving.store(true, Ordering::Release);
        let moved = Segment::retire(&file, name, ENDING, is_awaited).and_then(|all| {
            if !all {
                tracing::warn!(service = row.id, "somebody did not end a transaction in time, and may have lost it");
            }
            self.next_of(row, &service.home, &file)
        });
        let moved = moved.map_err(of_library).and_then(|next| self.put_in_place(&service, next));
        if moved.is_err() {
            let _ = Segment::reinstate(&file, name);
        }
        service.moving.store(false, Ordering::Release);
        moved
    }

    /// What is to take the place of a retired segment.
    fn next_of(&self, row: &ServiceRow, home: &Home, old: &File) -> commy::Result<Next> {
        match home {
            Home::File => self.next_file(row, old),
            #[cfg(target_os = "linux")]
            Home::Memory(_) => {
                let (segment, memory) = self.memories.succeed(old, row, &options(row))?;
                Ok(Next { segment, home: Home::Memory(memory), rename: None })
            }
        }
    }

    fn next_file(&self, row: &ServiceRow, old: &File) -> commy::Result<Next> {
        let path = self.path(row.id);
        let next = path.with_extension("next");
        super::remove(&next);
        let mut new = File::options();
        new.read(true).write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
        let segment = options(row).succeed(old, new.open(&next)?, &path)?;
        segment.sync()?;
        Ok(Next { segment, home: Home::File, rename: Some((next, path)) })
    }

    /// What has taken the place of a file that was found retired: whoever did that was killed.
    pub(super) fn finish_file(&self, row: &ServiceRow, path: &Path) -> Result<Segment> {
        let old = File::open(path).map_err(|error| of_library(error.into()))?;
        let next = self.next_file(row, &old).map_err(of_library)?;
        next.rename()?;
        Ok(next.segment)
    }

    fn put_in_place(&self, service: &Arc<Service>, next: Next) -> Result<()> {
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        let row = &service.row;
        if deleted.contains(&row.id) {
            return Err(fail(Code::NotFound, "the service was deleted"));
        }
        next.rename()?;
        #[cfg(target_os = "linux")]
        if let Home::Memory(memory) = &next.home {
            self.memories.keep(row.id, memory)?;
        }
        let successor = Service::new(row.clone(), next.segment, next.home, self.frame, self.awaited.clone());
        let successor = Arc::new(successor);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(row.id, successor.clone());
        let _ = service.successor.set(successor);
        drop(deleted);
        let objects = service.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.values().for_each(|object| object.hub().wake());
        service.mapped.wake();
        Ok(())
    }
}

impl Next {
    fn rename(&self) -> Result<()> {
        let Some((from, to)) = &self.rename else { return Ok(()) };
        let renamed = std::fs::rename(from, to).and_then(|()| {
            let folder = to.parent().unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        });
        renamed.map_err(|error| of_library(error.into()))
    }
}
