//! A connection's watches.
//!
//! A watch has what its client knows, a version and where in the ring of changes, and a mark that is set when there may be
//! more. When the connection comes to it, it looks at the object: so what is kept for a watch is the same
//! however much happens, and one that is too slow finds in the ring how much it has missed.
//!
//! Who has asked for a segment is told when that is not the service's any more: another mark.

use super::session::Session;
use crate::failure::{Result, fail, of_library};
use crate::policy::ServiceRow;
use crate::server::Shared;
use crate::services::{HELD, Object, Service, Waker, held};
use commy::Operation;
use commy::dynamic::{Changes, Path};
use commy_wire::{Change, ChangeKind, Code, Encoding, Event, Permission, Reply, Watch as Asked};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::Notify;

/// Changes in an event, at most.
const AT_ONCE: usize = 256;

/// A watch.
struct Watch {
    row: Arc<ServiceRow>,
    service: Arc<Service>,
    object: Arc<Object>,
    path: Path<'static>,
    /// The path as it was asked for.
    key: String,
    encoding: Encoding,
    waker: Arc<Waker>,
    follows: Follows,
}

/// A segment that was asked for.
struct Mapped {
    row: Arc<ServiceRow>,
    service: Arc<Service>,
    encoding: Encoding,
    waker: Arc<Waker>,
    /// Nothing is told before the client has the answer: it could not know what that is of.
    answered: bool,
}

/// What a watch tells of.
enum Follows {
    /// The newest value, if it has another version than this and is another than that of this hash.
    Value { version: Option<u64>, hash: u64 },
    /// Every change. All changes of the version `whole` were told.
    Changes { changes: Changes, whole: u64 },
    /// Every change, once the value was told: the first time, or since so many changes were missed.
    Anew { missed: Option<u64> },
}

/// The watches of a connection.
pub struct Watches {
    shared: Arc<Shared>,
    all: BTreeMap<u64, Watch>,
    mapped: BTreeMap<u64, Mapped>,
    wake: Arc<Notify>,
    over: Vec<(u64, Encoding, Event)>,
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.shared.metrics.watches.fetch_sub(self.all.len() as u64, Relaxed);
    }
}

impl Watches {
    pub fn new(shared: Arc<Shared>) -> Watches {
        Watches {
            shared,
            all: BTreeMap::new(),
            mapped: BTreeMap::new(),
            wake: Arc::new(Notify::new()),
            over: Vec::new(),
        }
    }

    /// Tells when there may be something to tell.
    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// Begins a watch; what it finds first is told after the answer.
    pub fn add(
        &mut self,
        id: u64,
        encoding: Encoding,
        row: Arc<ServiceRow>,
        service: Arc<Service>,
        asked: &Asked,
    ) -> Result<Reply> {
        self.check_number(id)?;
        let mut object = service.object(&asked.object)?;
        if let Err(commy::Error::Removed { .. }) = object.dynamic().len("") {
            service.forget(&object);
            object = service.object(&asked.object)?;
        }
        let path = Path::from(&asked.path).into_owned();
        // A path that leads nowhere in any value is refused.
        object.dynamic().len(&path).map_err(of_library)?;
        let waker = Waker::new(self.wake.clone());
        // Before it is looked at, so that nothing happens in between.
        object.hub().join(&waker);
        let version = object.dynamic().version();
        let follows = match asked.since {
            Some(whole) if object.every_change() => {
                Follows::Changes { changes: object.dynamic().changes_since(whole).map_err(of_library)?, whole }
            }
            None if object.every_change() => Follows::Anew { missed: None },
            since => Follows::Value { version: since, hash: 0 },
        };
        let every_change = object.every_change();
        let key = asked.path.clone();
        self.all.insert(id, Watch { row, service, object, path, key, encoding, waker, follows });
        self.shared.metrics.watches.fetch_add(1, Relaxed);
        self.wake.notify_one();
        Ok(Reply::Watching { version, every_change })
    }

    /// Whether there can be one more, of that number.
    fn check_number(&self, id: u64) -> Result<()> {
        let limit = self.shared.config.limits.watches;
        if self.all.len() + self.mapped.len() >= limit {
            return Err(fail(Code::TooMany, format!("the connection has {limit} watches already")));
        }
        if self.all.contains_key(&id) || self.mapped.contains_key(&id) {
            return Err(fail(Code::BadRequest, "there is a watch of that number already"));
        }
        Ok(())
    }

    /// Has the client told when the segment for which it asks is not the service's any more.
    pub fn add_mapped(
        &mut self,
        id: u64,
        encoding: Encoding,
        row: Arc<ServiceRow>,
        service: Arc<Service>,
    ) -> Result<()> {
        self.check_number(id)?;
        let waker = Waker::new(self.wake.clone());
        service.mapped().join(&waker);
        self.mapped.insert(id, Mapped { row, service, encoding, waker, answered: false });
        Ok(())
    }

    /// Notes that a request for a segment was answered. Tells whether there may be something to tell of that now.
    pub fn answered(&mut self, id: u64, is_given: bool) -> bool {
        let Some(mapped) = self.mapped.get_mut(&id).filter(|mapped| !mapped.answered) else { return false };
        mapped.answered = true;
        if !is_given {
            self.mapped.remove(&id);
        }
        is_given
    }

    /// Ends a watch.
    pub fn remove(&mut self, id: u64) -> Result<Reply> {
        match self.all.remove(&id) {
            Some(_) => {
                self.shared.metrics.watches.fetch_sub(1, Relaxed);
                Ok(Reply::Done {})
            }
            None if self.mapped.remove(&id).is_some() => Ok(Reply::Done {}),
            None => Err(fail(Code::NotFound, "there is no watch of that number")),
        }
    }

    /// Ends those that are not allowed any more.
    pub fn recheck(&mut self, session: &mut Session) {
        let over = &mut self.over;
        self.mapped.retain(|id, mapped| {
            let may = !mapped.answered || session.permissions(mapped.row.node()).has(Permission::ServiceRead);
            if !may && mapped.service.over().is_none() {
                let message = "ServiceRead was revoked".into();
                over.push((*id, mapped.encoding, Event::Ended { code: Code::Denied, message }));
            }
            may
        });
        let may = |watch: &Watch| session.may_read(&watch.row, watch.object.dynamic().name());
        let denied = self.all.iter().filter(|(_, watch)| !may(watch)).map(|(id, _)| *id);
        for id in denied.collect::<Vec<_>>() {
            if let Some(watch) = self.all.remove(&id) {
                self.shared.metrics.watches.fetch_sub(1, Relaxed);
                let deleted = session.policy.service_by_id(watch.row.id).is_none();
                let event = if deleted {
                    Event::Removed {}
                } else {
                    Event::Ended { code: Code::Denied, message: "ServiceRead was revoked".into() }
                };
                self.over.push((id, watch.encoding, event));
            }
        }
    }

    /// What is told of watches that have ended.
    pub fn take_over(&mut self) -> Vec<(u64, Encoding, Event)> {
        let over = &mut self.over;
        self.mapped.retain(|id, mapped| {
            if !mapped.answered || !mapped.waker.take() {
                return true;
            }
            let event = match mapped.service.over() {
                Some(over) if over.code == Code::NotFound => Event::Removed {},
                Some(over) => Event::Ended { code: over.code, message: over.message.clone() },
                None if mapped.service.has_moved() => Event::Moved {},
                None => return true,
            };
            over.push((*id, mapped.encoding, event));
            false
        });
        std::mem::take(&mut self.over)
    }

    /// The next watch with something to tell behind that of a number, and what: one event, so that no more of them are in
    /// memory. Those with more to tell are marked again.
    pub fn next(&mut self, after: Option<u64>) -> Option<(u64, Encoding, Event)> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        for (id, watch) in self.all.range_mut(behind) {
            if !watch.waker.take() {
                continue;
            }
            let looked = match watch.service.over() {
                Some(over) if over.code != Code::NotFound => Err(commy::Error::other(over.clone())),
                _ if watch.service.has_moved() => watch.follow(),
                _ => Ok(()),
            };
            let looked = looked.and_then(|()| if watch.object.is_held() { Err(held()) } else { watch.look() });
            watch.object.note_lock(&looked);
            let (id, encoding) = (*id, watch.encoding);
            let ended = match looked {
                Ok(Some(event)) => {
                    if matches!(event, Event::Lagged { .. }) {
                        self.shared.metrics.lagged.fetch_add(1, Relaxed);
                    }
                    return Some((id, encoding, event));
                }
                Ok(None) => continue,
                Err(commy::Error::Removed { .. }) => {
                    watch.service.forget(&watch.object);
                    Event::Removed {}
                }
                Err(error) => {
                    let failure = of_library(error);
                    if failure.code == Code::Busy {
                        // Somebody holds it: it is looked at again.
                        let waker = watch.waker.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(HELD).await;
                            waker.set();
                        });
                        continue;
                    }
                    Event::Ended { code: failure.code, message: failure.message }
                }
            };
            let _ = self.remove(id);
            return Some((id, encoding, ended));
        }
        None
    }
}

fn hash_of(value: &Json) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    // Zero is that of nothing.
    hasher.finish() | 1
}

impl Watch {
    fn value(&self) -> commy::Result<(bool, Json, u64)> {
        let dynamic = self.object.dynamic();
        let version = dynamic.version();
        let value = dynamic.get(&self.path)?;
        // If it was changed in between, the mark is set again, and the value comes again with its version.
        Ok((value.is_some(), value.map_or(Json::Null, |value| value.to_json()), version))
    }

    /// Goes on with the segment that the service is now.
    fn follow(&mut self) -> commy::Result<()> {
        let service = self.service.newest();
        let name = self.object.dynamic().name();
        let object = service.object(name).map_err(|_| commy::Error::Removed { name: name.to_owned() })?;
        object.hub().join(&self.waker);
        if let Follows::Changes { changes, whole } = &mut self.follows {
            *changes = object.dynamic().changes_since(*whole)?;
        }
        (self.service, self.object) = (service, object);
        Ok(())
    }

    fn look(&mut self) -> commy::Result<Option<Event>> {
        match &self.follows {
            Follows::Value { version: known, hash } => {
                let (known, hash) = (*known, *hash);
                if known == Some(self.object.dynamic().version()) {
                    // Whether it still is the object that it was.
                    self.object.dynamic().len("")?;
                    return Ok(None);
                }
                let (found, value, version) = self.value()?;
                let now = hash_of(&value);
                self.follows = Follows::Value { version: Some(version), hash: now };
                // Of a part, only what changes that part is told.
                let same = !self.path.is_empty() && now == hash;
                Ok((!same).then_some(Event::Value { found, value, version }))
            }
            Follows::Changes { .. } => self.look_at_changes(),
            Follows::Anew { missed } => {
                let missed = *missed;
                let (found, value, version) = self.value()?;
                let changes = self.object.dynamic().changes_since(version)?;
                self.follows = Follows::Changes { changes, whole: version };
                self.waker.set();
                Ok(Some(match missed {
                    Some(missed) => Event::Lagged { missed, found, value, version },
                    None => Event::Value { found, value, version },
                }))
            }
        }
    }

    fn look_at_changes(&mut self) -> commy::Result<Option<Event>> {
        let Follows::Changes { changes, whole } = &mut self.follows else { return Ok(None) };
        let next = || match changes.next(Duration::ZERO)? {
            Some(change) => {
                let key = change.key()?.map(|key| key.to_json());
                Ok(Some(Change { version: change.version(), operation: kind(change.operation()), key }))
            }
            None => Ok(None),
        };
        let Gathered { told, whole: resume, then } = gather(*whole, &self.key, next)?;
        *whole = resume;
        match then {
            Then::Wait => {}
            Then::GoOn => self.waker.set(),
            // From here on it is known only to us that something was missed: it is remembered until it was told.
            Then::Anew { missed } => {
                self.follows = Follows::Anew { missed: Some(missed) };
                self.waker.set();
            }
        }
        Ok((!told.is_empty()).then_some(Event::Changes { changes: told, resume }))
    }
}

/// Changes to be told at once.
struct Gathered {
    told: Vec<Change>,
    /// All changes of this version are told with these.
    whole: u64,
    then: Then,
}

/// What comes after them.
#[derive(Debug, PartialEq)]
enum Then {
    /// Nothing yet.
    Wait,
    /// Perhaps more.
    GoOn,
    /// So many were overwritten.
    Anew { missed: u64 },
}

/// Takes what `next` gives, as far as it is to be told of a watch of `key`. What was taken does not come again: so an error
/// behind it waits until the next time.
///
/// # Errors
/// Nothing was taken then; but for what will not be otherwise the next time, either, which ends the watch.
fn gather(
    mut whole: u64,
    key: &str,
    mut next: impl FnMut() -> commy::Result<Option<Change>>,
) -> commy::Result<Gathered> {
    let mut told = Vec::new();
    let mut last = whole;
    for taken in 0..AT_ONCE {
        let change = match next() {
            Ok(Some(change)) => change,
            Ok(None) => return Ok(Gathered { told, whole: last, then: Then::Wait }),
            Err(commy::Error::Lagged { missed, .. }) => {
                return Ok(Gathered { told, whole, then: Then::Anew { missed } });
            }
            Err(commy::Error::LockTimeout { .. }) if taken > 0 => break,
            Err(error) => return Err(error),
        };
        if change.version != last {
            (whole, last) = (last, change.version);
        }
        // A key that is not known may be any.
        let other = change.key.as_ref().is_some_and(|of| !key.is_empty() && !is_key(of, key));
        if !other {
            told.push(change);
        }
    }
    Ok(Gathered { told, whole, then: Then::GoOn })
}

/// Whether a key is the first step of a path.
fn is_key(key: &Json, path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
    match key {
        Json::String(text) => *text == first,
        other => {
            let shown = other.to_string();
            shown == first
        }
    }
}

fn kind(operation: Operation) -> ChangeKind {
    match operation {
        Operation::Inserted => ChangeKind::Inserted,
        Operation::Changed => ChangeKind::Changed,
        Operation::Removed => ChangeKind::Removed,
        Operation::Cleared => ChangeKind::Cleared,
        Operation::Replaced => ChangeKind::Replaced,
        _ => ChangeKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64, key: &str) -> Change {
        Change { version, operation: ChangeKind::Inserted, key: Some(Json::from(key)) }
    }

    fn locked() -> commy::Error {
        commy::Error::LockTimeout { what: "ring".into(), holder: 1, held_for: Duration::ZERO }
    }

    /// Gathers from what comes in this order.
    fn gathered(key: &str, coming: Vec<commy::Result<Option<Change>>>) -> commy::Result<Gathered> {
        let mut coming = coming.into_iter();
        gather(1, key, || coming.next().unwrap())
    }

    #[test]
    fn changes_that_were_taken_are_told_although_the_object_is_locked_behind_them() {
        let found = gathered("", vec![Ok(Some(change(2, "a"))), Ok(Some(change(3, "b"))), Err(locked())]).unwrap();
        assert_eq!((found.told.len(), found.then), (2, Then::GoOn));
        // There may be more of the last version.
        assert_eq!(found.whole, 2);
        // And if there is nothing to be told of them, neither are they taken for nothing.
        let found = gathered("c", vec![Ok(Some(change(2, "a"))), Ok(Some(change(3, "b"))), Err(locked())]).unwrap();
        assert_eq!((found.told.len(), found.whole, found.then), (0, 2, Then::GoOn));
        assert!(gathered("", vec![Err(locked())]).is_err());
    }

    #[test]
    fn what_was_missed_is_told_behind_what_was_taken() {
        let lagged = commy::Error::Lagged { name: "ring".into(), missed: 7 };
        let found = gathered("", vec![Ok(Some(change(2, "a"))), Err(lagged)]).unwrap();
        assert_eq!((found.told.len(), found.whole, found.then), (1, 1, Then::Anew { missed: 7 }));
    }

    /// The second half of it: what is noted as missed is told although the value could not be read when it was found.
    #[tokio::test]
    async fn that_something_was_missed_is_told_although_the_value_could_not_be_read_at_once() {
        use crate::catalog::By;
        use crate::config::Config;
        use crate::server::Server;
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data: dir.path().join("data"), listen: None, ..Config::default() };
        let (server, _) = Server::start(config).await.unwrap();
        let (shared, by) = (server.shared().clone(), By { principal: None, action: "test" });
        let tenant = shared.catalog.create_tenant(&by, "acme").await.unwrap();
        let mode = commy_wire::Mode::Served;
        let id = shared.catalog.create_service(&by, tenant, "orders", mode, 1 << 20).await.unwrap();
        let row = shared.catalog.policy().service_by_id(id).cloned().unwrap();
        let service = shared.services.get(&row).unwrap();
        let ring = commy_wire::ObjectCreate {
            object: "ring".into(),
            r#type: "BTreeMap<String, u64>".into(),
            changes: Some(4),
            ..commy_wire::ObjectCreate::default()
        };
        service.create(&ring).unwrap();
        let mut watches = Watches::new(shared.clone());
        let asked = Asked { object: "ring".into(), ..Asked::default() };
        watches.add(7, Encoding::Json, row, service.clone(), &asked).unwrap();
        assert!(matches!(watches.next(None), Some((7, _, Event::Value { .. }))));
        assert!(watches.next(None).is_none());
        // More than the ring has, which is found; and then a program that has the segment mapped keeps the lock.
        let set = |key: u64| {
            let ring = service.object("ring").unwrap();
            let mut guard = ring.dynamic().write().unwrap();
            guard.set(Path::from(&key.to_string()), &key.into()).unwrap();
            guard.commit().unwrap();
            ring.hub().tell(ring.dynamic().version());
        };
        (0..100).for_each(set);
        assert!(watches.next(None).is_none());
        let path = service.segment().path().to_path_buf();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            let segment = commy::Segment::open(path).unwrap();
            let ring = segment.dynamic("ring").unwrap();
            let guard = ring.write().unwrap();
            ready.send(()).unwrap();
            let _ = released.recv();
            guard.rollback();
        });
        is_ready.recv().unwrap();
        assert!(watches.next(None).is_none());
        release.send(()).unwrap();
        holder.join().unwrap();
        let wake = watches.wake();
        let told = async {
            loop {
                if let Some((_, _, event)) = watches.next(None) {
                    return event;
                }
                wake.notified().await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(60), told).await.unwrap();
        let Event::Lagged { missed, found: true, version: 100, .. } = told else { panic!("{told:?}") };
        assert!(missed > 0);
    }
}
