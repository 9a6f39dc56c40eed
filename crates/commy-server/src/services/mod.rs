//! The services: each a segment, in a file of its own that is named by the service's number, or in memory (`memory`).
//!
//! A segment is opened when it is first used and stays open. The server's attachment waits for locks only for
//! [`PATIENCE`], so that who holds one for long, a program that has mapped the segment, keeps a thread of the server no
//! longer; what then is still locked is tried again elsewhere (`connection::patient`).

mod asked;
mod batch;
mod hub;
mod object;
mod operations;
#[cfg(unix)]
mod rotation;
mod scan;
mod size;

pub use asked::{Asked, What};
use hub::Hub;
pub use hub::Waker;
pub use object::{HELD, Object};
pub use operations::held;
#[cfg(target_os = "linux")]
pub(crate) use rotation::{ENDING, insist};
pub use size::too_large;

use crate::config::Config;
use crate::failure::{Result, fail, of_library};
#[cfg(target_os = "linux")]
use crate::memory::{Memories, Memory};
use crate::policy::{Policy, ServiceRow};
use commy::Segment;
#[cfg(target_os = "linux")]
use commy_wire::Mode;
use commy_wire::{Code, Failure, ObjectInfo};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a thread of the server waits for a lock.
pub const PATIENCE: Duration = Duration::from_millis(5);
/// How often who waits for a service that moves looks whether it has.
const NAP: Duration = Duration::from_millis(1);
/// The least that a service can have.
pub const MIN_QUOTA: u64 = 64 << 10;

/// Where a segment is.
enum Home {
    /// In the file of its path.
    File,
    #[cfg(target_os = "linux")]
    Memory(Memory),
}

/// A service whose segment is open.
pub struct Service {
    pub row: Arc<ServiceRow>,
    segment: Segment,
    home: Home,
    /// What the segment had been through when its checkpoint was written.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no segments in memory"))]
    saved: Mutex<Option<u64>>,
    /// By name: it is looked up for each request.
    objects: RwLock<HashMap<String, Arc<Object>, foldhash::fast::RandomState>>,
    /// Why nobody finds anything in it any more: it was deleted, or closed since it is damaged.
    over: OnceLock<Failure>,
    /// It is being moved to another segment,
    moving: AtomicBool,
    /// and this is that.
    successor: OnceLock<Arc<Service>>,
    /// Those who have its segment mapped and a connection.
    mapped: Hub,
    /// Bytes that an answer may have.
    frame: usize,
    /// Told when somebody waits for an object.
    awaited: Arc<Notify>,
}

impl Service {
    fn new(row: Arc<ServiceRow>, segment: Segment, home: Home, frame: usize, awaited: Arc<Notify>) -> Service {
        Service {
            row,
            segment,
            home,
            saved: Mutex::default(),
            objects: RwLock::default(),
            over: OnceLock::new(),
            moving: AtomicBool::new(false),
            successor: OnceLock::new(),
            mapped: Hub::new(awaited.clone()),
            frame,
            awaited,
        }
    }

    /// Those who are told when it is another segment, or over.
    pub fn mapped(&self) -> &Hub {
        &self.mapped
    }

    /// Why nobody finds anything in it any more, if that is so.
    pub fn over(&self) -> Option<&Failure> {
        self.over.get()
    }

    /// That it can be used.
    ///
    /// # Errors
    /// Why it is [over](Service::over).
    pub fn usable(&self) -> Result<()> {
        self.over().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Ends it for all who still have it.
    fn end(&self, failure: Failure) {
        let _ = self.over.set(failure);
        let objects = std::mem::take(&mut *self.objects.write().unwrap_or_else(PoisonError::into_inner));
        objects.values().for_each(|object| object.hub().wake());
        self.mapped.wake();
    }

    /// Whether it is another segment by now.
    pub fn has_moved(&self) -> bool {
        self.successor.get().is_some()
    }

    /// The service as it is now.
    pub fn newest(self: &Arc<Service>) -> Arc<Service> {
        let mut newest = self;
        while let Some(next) = newest.successor.get() {
            newest = next;
        }
        newest.clone()
    }

    /// The service as it is when it does not move; waits for that.
    pub fn settled(self: &Arc<Service>) -> Arc<Service> {
        loop {
            let newest = self.newest();
            // Whoever moves it sets the successor first.
            if !newest.moving.load(Ordering::Acquire) || newest.has_moved() {
                return newest.newest();
            }
            std::thread::sleep(NAP);
        }
    }

    /// The segment's file, opened for somebody else: by a description of its own, which nobody here keeps.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(unix)]
    pub fn open_again(&self, write: bool) -> std::io::Result<std::fs::File> {
        let path = match &self.home {
            Home::File => self.segment.path().to_path_buf(),
            #[cfg(target_os = "linux")]
            Home::Memory(memory) => memory.path(),
        };
        std::fs::File::options().read(true).write(write).open(path)
    }

    /// The segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The object of that name.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn object(&self, name: &str) -> Result<Arc<Object>> {
        self.usable()?;
        let known = self.objects.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(object) = known {
            return Ok(object);
        }
        // Each value and each byte of a text takes up a byte of the answer at least: what has more need not be read.
        let dynamic = self.segment.dynamic(name).map_err(of_library)?.copying_at_most(self.frame as u64);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let object =
            objects.entry(name.to_owned()).or_insert_with(|| Arc::new(Object::new(dynamic, self.awaited.clone())));
        Ok(object.clone())
    }

    /// Forgets an object that is not there any more, unless another one has its name already.
    pub fn forget(&self, object: &Arc<Object>) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        if objects.get(object.dynamic().name()).is_some_and(|known| Arc::ptr_eq(known, object)) {
            objects.remove(object.dynamic().name());
        }
        drop(objects);
        object.hub().wake();
    }

    /// Runs `work` with an object; if it was replaced by another of its name, with that. `last` is the one that who asks used
    /// last, whose name is compared before one is looked up.
    #[inline]
    pub fn with<R>(
        &self,
        last: &mut Option<Arc<Object>>,
        name: &str,
        work: impl Fn(&Arc<Object>) -> commy::Result<R>,
    ) -> Result<R> {
        let object = match last {
            Some(object) if object.dynamic().name() == name => object,
            _ => last.insert(self.object(name)?),
        };
        match work(object) {
            Err(commy::Error::Removed { .. }) => {
                self.forget(object);
                work(last.insert(self.object(name)?)).map_err(of_library)
            }
            done => {
                object.note_lock(&done);
                done.map_err(of_library)
            }
        }
    }

    /// Makes an object.
    pub fn create(&self, asked: &commy_wire::ObjectCreate) -> Result<ObjectInfo> {
        use commy::dynamic::{Missing, Type};
        let made = || {
            let described: Type = asked.r#type.parse()?;
            let value = match &asked.value {
                Some(json) => described.value_from_json(json, Missing::Refuse)?,
                None => described.default_value()?,
            };
            let made = match asked.changes {
                Some(many) => self.segment.object(&asked.object).changes(many).create_dynamic(&described, &value),
                None => self.segment.create_dynamic(&asked.object, &described, &value),
            };
            match made {
                Err(error @ commy::Error::ObjectExists { .. }) if asked.if_missing => {
                    if *self.segment.dynamic(&asked.object)?.type_of() == described { Ok(()) } else { Err(error) }
                }
                made => made.map(|_| ()),
            }
        };
        made().map_err(of_library)?;
        self.describe(&asked.object)
    }

    /// What an object is.
    pub fn describe(&self, name: &str) -> Result<ObjectInfo> {
        self.with(&mut None, name, |object| {
            let dynamic = object.dynamic();
            Ok(ObjectInfo {
                object: name.to_owned(),
                r#type: dynamic.type_of().to_string(),
                version: dynamic.version(),
                length: dynamic.len("")?,
                every_change: object.every_change(),
            })
        })
    }

    /// Removes an object.
    pub fn remove_object(&self, name: &str) -> Result<()> {
        self.segment.remove(name).map_err(of_library)?;
        let known = self.objects.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(object) = known {
            self.forget(&object);
        }
        Ok(())
    }

    /// Looks at all objects that somebody waits for, and wakes who does if programs that have the segment mapped have changed
    /// something. Gives whether there are any; `sweep` forgets who does not wait any more.
    fn look_around(&self, sweep: bool) -> bool {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let mut any = false;
        for object in objects.values().filter(|object| object.hub().is_awaited()) {
            if sweep {
                object.hub().sweep();
            }
            any = true;
            object.hub().tell(object.dynamic().version());
        }
        any
    }
}

/// All services.
pub struct Services {
    folder: PathBuf,
    open: RwLock<HashMap<u64, Arc<Service>>>,
    /// Those that were deleted. One is opened or deleted at a time.
    deleted: Mutex<HashSet<u64>>,
    /// Those that cannot be moved away from who may not have them, and why; see [`rotation`].
    closed: Mutex<HashMap<u64, Failure>>,
    /// One is moved at a time.
    #[cfg(unix)]
    rotating: Mutex<()>,
    /// Bytes that an answer may have.
    frame: usize,
    /// Told when somebody waits for an object.
    pub awaited: Arc<Notify>,
    #[cfg(target_os = "linux")]
    memories: Memories,
}

/// What files of services end with.
const ENDINGS: [&str; 4] = ["commy", "checkpoint", "next", "partial"];

/// What is said of a service that was deleted.
fn deleted_failure() -> Failure {
    fail(Code::NotFound, "the service was deleted")
}

/// The service that a file is of.
fn service_of(path: &Path) -> Option<u64> {
    let (number, ending) = path.file_name()?.to_str()?.split_once('.')?;
    number.parse().ok().filter(|_| ending.rsplit('.').next().is_some_and(|ending| ENDINGS.contains(&ending)))
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%error, path = %path.display(), "a file that is to go");
        }
        _ => {}
    }
}

fn options(row: &ServiceRow) -> commy::Options {
    Segment::options().max_size(row.quota).initial_size(MIN_QUOTA).lock_timeout(PATIENCE)
}

impl Services {
    /// The services of a server. Files of services that are not in the catalog were left by a server that was killed while
    /// it deleted them: they go.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(config: &Config, policy: &Policy) -> std::io::Result<Services> {
        let folder = config.data.join("services");
        std::fs::create_dir_all(&folder)?;
        for file in std::fs::read_dir(&folder)? {
            let path = file?.path();
            if service_of(&path).is_some_and(|id| policy.service_by_id(id).is_none()) {
                tracing::info!(path = %path.display(), "removing what a deleted service left");
                std::fs::remove_file(path)?;
            }
        }
        #[cfg(target_os = "linux")]
        let memories = Memories::new(&folder, config, |id| policy.service_by_id(id).is_some())?;
        Ok(Services {
            folder,
            open: RwLock::default(),
            deleted: Mutex::default(),
            closed: Mutex::default(),
            #[cfg(unix)]
            rotating: Mutex::default(),
            frame: config.limits.frame,
            awaited: Arc::default(),
            #[cfg(target_os = "linux")]
            memories,
        })
    }

    fn path(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id}.commy"))
    }

    fn known(&self, id: u64) -> Option<Arc<Service>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The segment of a service, opened.
    ///
    /// # Errors
    /// Why it cannot be: a full disk, a damaged file.
    pub fn get(&self, row: &Arc<ServiceRow>) -> Result<Arc<Service>> {
        if let Some(service) = self.known(row.id) {
            return Ok(service);
        }
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = self.known(row.id) {
            return Ok(service);
        }
        // Who has not heard of it yet must not make its file again.
        if deleted.contains(&row.id) {
            return Err(deleted_failure());
        }
        if let Some(failure) = self.closed.lock().unwrap_or_else(PoisonError::into_inner).get(&row.id) {
            return Err(failure.clone());
        }
        let service = Arc::new(self.open(row)?);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(row.id, service.clone());
        Ok(service)
    }

    fn open(&self, row: &Arc<ServiceRow>) -> Result<Service> {
        #[cfg(target_os = "linux")]
        if row.mode == Mode::Isolated {
            let (segment, memory) = self.memories.open(row, &options(row))?;
            return Ok(Service::new(row.clone(), segment, Home::Memory(memory), self.frame, self.awaited.clone()));
        }
        let path = self.path(row.id);
        let segment = options(row).open_or_create(&path).map_err(of_library)?;
        #[cfg(unix)]
        let segment = if segment.is_retired() { self.finish_file(row, &path)? } else { segment };
        Ok(Service::new(row.clone(), segment, Home::File, self.frame, self.awaited.clone()))
    }

    /// Closes and removes the segment of a service that the catalog does not have any more.
    pub fn delete(&self, id: u64) {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        deleted.insert(id);
        let service = self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(service) = service {
            // Honest programs that have it mapped do not go on as if it were there.
            #[cfg(unix)]
            if let Ok(file) = service.open_again(true) {
                let _ = Segment::retire(&file, service.segment.path(), Duration::ZERO, |_| false);
            }
            service.end(deleted_failure());
        }
        remove(&self.path(id));
        remove(&self.path(id).with_extension("next"));
        #[cfg(target_os = "linux")]
        self.memories.delete(id);
    }

    fn all(&self) -> Vec<Arc<Service>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// Wakes those who wait for what programs have changed in segments that they have mapped.
    /// Gives whether anybody waits for anything.
    pub fn look_around(&self, sweep: bool) -> bool {
        self.all().iter().fold(false, |any, service| service.look_around(sweep) | any)
    }

    /// Writes checkpoints of what was changed in memory.
    pub fn checkpoint(&self) {
        #[cfg(target_os = "linux")]
        for service in self.all() {
            if let Home::Memory(_) = service.home {
                self.memories.look_after();
                self.save(&service);
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn save(&self, service: &Service) {
        let mut saved = service.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = service.segment.activity();
        // What others do with atomics is not counted.
        let is_alone = service.segment.participants().len() <= 1;
        if is_alone && *saved == Some(now) {
            return;
        }
        match self.memories.save(service.row.id, &service.segment) {
            Ok(()) => *saved = Some(now),
            Err(error) => tracing::warn!(%error, service = service.row.id, "no checkpoint could be written"),
        }
    }

    /// Puts all that was written on the disk, when the server has stopped serving. Memory that programs have mapped for
    /// writing is kept for them.
    pub fn close(&self) {
        for service in self.all() {
            let done = match &service.home {
                Home::File => service.segment.sync(),
                #[cfg(target_os = "linux")]
                Home::Memory(memory) if service.segment.participants().len() <= 1 => {
                    self.memories.put_away(service.row.id, memory)
                }
                #[cfg(target_os = "linux")]
                Home::Memory(_) => self.memories.save(service.row.id, &service.segment),
            };
            if let Err(error) = done {
                tracing::error!(%error, service = service.row.id, "the segment could not be put on the disk");
            }
        }
    }
}
