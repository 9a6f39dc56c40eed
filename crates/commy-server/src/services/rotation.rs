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
//! Whoever kills the server on the way leaves a segment that is retired, which the next one does not use: it waits as in 2, for
//! everybody, since it does not know who was revoked, and goes on with 3.
//!
//! A file that is damaged has nothing to be replaced by: then the service is *closed*. It stays retired, and nobody gets
//! anything from it, for that could be what the revoked one writes there.

use super::{Home, Service, Services, deleted_failure, options};
use crate::failure::{Result, fail, is_damage, of_library};
use crate::policy::ServiceRow;
use commy::Segment;
use commy_wire::{Code, Failure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long those who are honest may take to end what they are at.
pub(crate) const ENDING: Duration = Duration::from_secs(5);
/// How long anybody may: so long nothing takes that does not wait, and what is half done is not copied.
const GRACE: Duration = Duration::from_millis(50);
/// Between copies that were not whole.
const AGAIN: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250)];

/// A segment that is to take another one's place.
pub(super) struct Next {
    segment: Segment,
    home: Home,
    /// The file that is to be renamed to this path.
    rename: Option<(PathBuf, PathBuf)>,
}

impl Services {
    /// Moves a service to another segment. Of those who are in a transaction, only processes whose id `is_awaited` are
    /// waited for longer than a moment, and these not for ever.
    ///
    /// # Errors
    /// Why it cannot be; then it is as it was. [`Code::Corrupt`]: it is closed.
    pub fn rotate(&self, row: &Arc<ServiceRow>, is_awaited: impl Fn(u64) -> bool) -> Result<()> {
        let _one = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let service = self.get(row)?;
        // No checkpoint of the old one any more.
        let _saved = service.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let name = service.segment.path();
        let file = service.open_again(true).map_err(|error| of_library(error.into()))?;
        service.moving.store(true, Ordering::Release);
        let begin = Instant::now();
        let awaited = |process| begin.elapsed() < GRACE || is_awaited(process);
        let moved = Segment::retire(&file, name, ENDING, awaited).and_then(|all| {
            if !all {
                tracing::warn!(service = row.id, "somebody did not end a transaction in time, and may have lost it");
            }
            self.next_of(row, &service.home, &file)
        });
        let moved = match moved {
            Ok(next) => self.put_in_place(&service, next),
            Err(error) if is_damage(&error) => Err(self.close_damaged(row, &error)),
            Err(error) => Err(of_library(error)),
        };
        match &moved {
            Err(failure) if failure.code == Code::Corrupt => service.end(failure.clone()),
            Err(_) => drop(Segment::reinstate(&file, name)),
            Ok(()) => {}
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
        let mut new = File::options();
        new.read(true).write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
        let segment = insist(|| {
            super::remove(&next);
            options(row).succeed(old, new.open(&next)?, &path)
        });
        let segment = segment.inspect_err(|_| super::remove(&next))?;
        segment.sync()?;
        Ok(Next { segment, home: Home::File, rename: Some((next, path)) })
    }

    /// Ends a service of which nothing whole can be had; gives what is said of it from now on.
    fn close_damaged(&self, row: &ServiceRow, error: &commy::Error) -> Failure {
        let name = format!("{}/{}", row.tenant_name, row.name);
        let path = self.path(row.id);
        tracing::error!(
            %error, service = row.id, path = %path.display(),
            "{name} is closed: it is damaged, and cannot be moved away from somebody who has it mapped and may not any more. \
             Delete it and make it anew, or stop the server and put a snapshot there"
        );
        let text = format!(
            "{name} is closed: it is damaged, and somebody who may not have it any more has it mapped. \
             Delete it and make it anew, or have a snapshot put in its place; the server's log says where"
        );
        let failure = fail(Code::Corrupt, text);
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(row.id, failure.clone());
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
        failure
    }

    /// What has taken the place of a file that was found retired: whoever did that was killed.
    pub(super) fn finish_file(&self, row: &ServiceRow, path: &Path) -> Result<Segment> {
        let old = File::options().read(true).write(true).open(path).map_err(|error| of_library(error.into()))?;
        let ended = Segment::retire(&old, path, ENDING, |_| true).map_err(of_library)?;
        if !ended {
            tracing::warn!(service = row.id, "somebody did not end a transaction in time, and may have lost it");
        }
        let next = self.next_file(row, &old);
        let next =
            next.map_err(|error| if is_damage(&error) { self.close_damaged(row, &error) } else { of_library(error) })?;
        next.rename()?;
        Ok(next.segment)
    }

    fn put_in_place(&self, service: &Arc<Service>, next: Next) -> Result<()> {
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        let row = &service.row;
        if deleted.contains(&row.id) {
            return Err(deleted_failure());
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
        std::fs::rename(from, to).map_err(|error| of_library(error.into()))?;
        // It has been done, whatever the disk says.
        let folder = to.parent().unwrap_or(Path::new("."));
        if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::error!(%error, folder = %folder.display(), "the disk may not have what was renamed there");
        }
        Ok(())
    }
}

/// Copies; again if what was copied is not whole, for somebody who is not waited for may have been changing it.
pub(crate) fn insist<R>(copy: impl Fn() -> commy::Result<R>) -> commy::Result<R> {
    for pause in AGAIN {
        match copy() {
            Err(error) if is_damage(&error) => std::thread::sleep(pause),
            done => return done,
        }
    }
    copy()
}
