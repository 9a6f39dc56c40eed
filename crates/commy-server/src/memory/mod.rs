//! The memory of isolated services: anonymous, as large as the quota, of a length that nobody can change, and open to the
//! server's user alone.
//!
//! ```text
//! memfd, 0600, sealed: no shrinking, no growing, no more seals
//!   held by        the server and the keeper, by a description that nobody locks
//!   opened anew    through /proc/self/fd, for the server's own attachment and for each program that it is handed to
//!   checkpoint     <id>.checkpoint beside the files of other services: a snapshot that was found whole, renamed into place
//! ```
//!
//! At the start the memory is, in this order: what the keeper has; if that cannot be opened as it is, a copy of what was
//! committed there; the checkpoint, after the machine or the keeper has stopped; nothing, for a new service, which has its first
//! checkpoint at once. A descriptor that others have cannot be taken from them: memory that is given up is retired first,
//! so that honest programs leave it.

mod keeper;

pub use keeper::keep;

use crate::config::Config;
use crate::failure::{Result, fail, is_damage, of_library};
use crate::policy::ServiceRow;
use crate::services::{ENDING, insist, remove};
use commy::Segment;
use commy_wire::Code;
use keeper::Keeper;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long memory that an earlier server left is tried to be opened before a copy takes its place.
const ADOPTION: Duration = Duration::from_secs(1);

/// A segment that was opened, and its memory.
type Opened = commy::Result<(Segment, Memory)>;

/// All of it.
pub struct Memories {
    folder: PathBuf,
    keeper: Keeper,
    /// What the keeper of an earlier server had, and was not asked for yet.
    found: Mutex<BTreeMap<u64, Arc<File>>>,
}

/// The memory of a service.
#[derive(Clone)]
pub struct Memory(Arc<File>);

impl Memory {
    /// A new one: zeros, `length` bytes for ever.
    fn new(length: u64) -> io::Result<Memory> {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: a valid C string, and flags.
        let descriptor = unsafe { libc::memfd_create(c"commy".as_ptr(), flags) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: made just now, and nobody else's.
        let file = unsafe { File::from_raw_fd(descriptor) };
        // Before anybody else can have it: who opens it by /proc needs these permissions.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.set_len(length)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: an open descriptor, and seals.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Memory(Arc::new(file)))
    }

    /// Where it can be opened anew, by who has it open.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    fn again(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.path())
    }
}

impl Memories {
    /// Takes over what the keeper of an earlier server has, of the services for which `is_known`.
    ///
    /// # Errors
    /// See [`Keeper::find`].
    pub fn new(folder: &Path, config: &Config, is_known: impl Fn(u64) -> bool) -> io::Result<Memories> {
        let (keeper, mut found) = Keeper::find(config.keeper.clone(), config.data.join("keeper.sock"))?;
        found.keys().filter(|id| !is_known(**id)).for_each(|id| keeper.drop(*id));
        found.retain(|id, _| is_known(*id));
        Ok(Memories { folder: folder.to_path_buf(), keeper, found: Mutex::new(found) })
    }

    /// Where the checkpoint of a service is.
    pub fn checkpoint(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id}.checkpoint"))
    }

    /// The memory of a service, opened.
    ///
    /// # Errors
    /// [`Code::OutOfSpace`] and others: what the library says. What an earlier server left is then there still.
    pub fn open(&self, row: &ServiceRow, options: &commy::Options) -> Result<(Segment, Memory)> {
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let left = found().remove(&row.id).map(Memory);
        let name = name(row);
        let opened = match &left {
            Some(memory) => self.adopt(memory, row, options, &name),
            None => self.restore(row, options, &name),
        };
        let opened = opened.map_err(of_library).and_then(|opened| self.keep(row.id, &opened.1).map(|()| opened));
        if let (Err(_), Some(memory)) = (&opened, left) {
            let _ = Segment::reinstate(&memory.0, &name);
            found().insert(row.id, memory.0);
        }
        opened
    }

    /// Opens what an earlier server left. If that cannot be, a copy of what was committed in it, and it is retired; if there
    /// is nothing to be had from it, the checkpoint.
    fn adopt(&self, memory: &Memory, row: &ServiceRow, options: &commy::Options, name: &str) -> Opened {
        let patient = options.clone().lock_timeout(ADOPTION);
        match patient.open_file(memory.again()?, name) {
            // Who has it mapped did not keep us out, and hardly will when it is opened with the usual patience.
            Ok(segment) if !segment.is_retired() => {
                return Ok((options.open_file(memory.again()?, name)?, memory.clone()));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, service = row.id, "memory that an earlier server left"),
        }
        // Whoever is in a transaction ends it, or it would be missing from the copy. Who may not have the memory any more is not
        // known here, so nobody is waited for longer than the honest ones.
        let _ = Segment::retire(&memory.0, name, ENDING, |_| true);
        self.succeed(&memory.0, row, options)
    }

    /// What takes the place of memory that was retired: a copy of what was committed there; if it is damaged, the checkpoint.
    ///
    /// # Errors
    /// What the library says; then there is nothing new.
    pub fn succeed(&self, old: &File, row: &ServiceRow, options: &commy::Options) -> Opened {
        let name = name(row);
        match insist(|| self.copy(old, row, options, &name)) {
            Err(error) if is_damage(&error) => {
                tracing::error!(%error, service = row.id, "damaged memory; the last checkpoint takes its place");
                self.restore(row, options, &name)
            }
            copied => copied,
        }
    }

    /// Has the memory of a service outlive the server.
    ///
    /// # Errors
    /// [`Code::Internal`]: there is no keeper.
    pub fn keep(&self, id: u64, memory: &Memory) -> Result<()> {
        self.keeper.keep(id, &memory.0).map_err(|error| {
            tracing::error!(%error, "the keeper cannot be started: isolated services would not outlive the server");
            fail(Code::Internal, "the keeper of the server cannot be started; the server's log says why")
        })
    }

    fn copy(&self, from: &File, row: &ServiceRow, options: &commy::Options, name: &str) -> Opened {
        let memory = Memory::new(row.quota)?;
        Ok((options.succeed(from, memory.again()?, name)?, memory))
    }

    /// The checkpoint; without one, a new segment: one that could not have a checkpoint is not made.
    fn restore(&self, row: &ServiceRow, options: &commy::Options, name: &str) -> Opened {
        match File::open(self.checkpoint(row.id)) {
            Ok(checkpoint) => self.copy(&checkpoint, row, options, name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let memory = Memory::new(row.quota)?;
                let segment = options.create_in(memory.again()?, name)?;
                self.save(row.id, &segment).inspect_err(|_| drop(self.next(row.id)))?;
                Ok((segment, memory))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets go of the memory of a service that was deleted, and of its checkpoint.
    pub fn delete(&self, id: u64) {
        self.keeper.drop(id);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        remove(&self.checkpoint(id));
        self.next(id);
    }

    /// Writes a checkpoint: a snapshot, checked, in place of the one before.
    ///
    /// # Errors
    /// [`Error::LockTimeout`](commy::Error::LockTimeout) while somebody is in a transaction for long;
    /// [`Error::Unclean`](commy::Error::Unclean) if it is not whole. Then the one before stays.
    pub fn save(&self, id: u64, segment: &Segment) -> commy::Result<()> {
        let next = self.next(id);
        segment.snapshot(&next)?;
        let findings = Segment::options().read_only(true).open(&next)?.check()?;
        match findings.first() {
            None => self.put_in_place(id, &next),
            Some(finding) => Err(commy::Error::Unclean { path: next, finding: finding.to_string() }),
        }
    }

    /// Writes the last checkpoint of a service that nobody has open any more, and lets its memory go. Who comes by a
    /// descriptor of it all the same finds it retired.
    ///
    /// # Errors
    /// As [`save`](Memories::save); then it is kept.
    pub fn put_away(&self, id: u64, memory: &Memory) -> commy::Result<()> {
        let next = self.next(id);
        let file = File::options().read(true).write(true).create_new(true).open(&next)?;
        Segment::retire(&memory.0, &next, ADOPTION, |_| true)?;
        let copied = Segment::options().succeed(&memory.0, file, &next).and_then(|copy| copy.sync());
        match copied.and_then(|()| self.put_in_place(id, &next)) {
            Ok(()) => {
                self.keeper.drop(id);
                Ok(())
            }
            Err(error) => Segment::reinstate(&memory.0, &next).and(Err(error)),
        }
    }

    /// Where the next checkpoint is written. What was left there goes.
    fn next(&self, id: u64) -> PathBuf {
        let next = self.checkpoint(id).with_extension("next");
        remove(&next);
        next
    }

    fn put_in_place(&self, id: u64, next: &Path) -> commy::Result<()> {
        std::fs::rename(next, self.checkpoint(id))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }

    /// Sees that the memory would outlive the server.
    pub fn look_after(&self) {
        if let Err(error) = self.keeper.ensure() {
            tracing::error!(%error, "there is no keeper, and none can be started");
        }
    }
}

/// What stands for a path in messages.
fn name(row: &ServiceRow) -> String {
    format!("service {}", row.id)
}
