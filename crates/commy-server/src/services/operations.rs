//! Operations on one object.

use super::asked::{Asked, What};
use super::size::must_fit;
use super::{Object, Service};
use crate::failure::{Result, fail};
use commy::dynamic::{Dynamic, Missing, Path, Value, WriteView};
use commy::{Error, Part, WriteGuard};
use commy_wire::{Code, Failure, Reply};
use std::sync::Arc;

/// Tries to read a value with the version that it has, before it is locked for that.
const TRIES: u32 = 8;

/// What an operation gave, and whether it changed anything.
pub(super) enum Outcome {
    Read(Reply),
    Changed(Reply),
}

fn taken(value: Option<Value>, version: u64) -> Reply {
    let (found, value) = (value.is_some(), value.map_or(serde_json::Value::Null, |value| value.to_json()));
    Reply::Value { found, value, version }
}

/// Refuses an object of another version than is wanted.
pub(super) fn check_version(wanted: Option<u64>, found: u64) -> commy::Result<()> {
    match wanted {
        Some(wanted) if wanted != found => {
            Err(Error::other(fail(Code::Conflict, format!("the object has version {found}, not {wanted}"))))
        }
        _ => Ok(()),
    }
}

/// What `look` gives, and the version that the object has then.
pub(super) fn at_version<R>(dynamic: &Dynamic, look: impl Fn() -> commy::Result<R>) -> commy::Result<(R, u64)> {
    for _ in 0..TRIES {
        let before = dynamic.version();
        let found = look()?;
        if dynamic.version() == before {
            return Ok((found, before));
        }
    }
    let _locked = dynamic.read()?;
    Ok((look()?, dynamic.version()))
}

impl Service {
    /// Does one operation, which is a transaction of its own. `last` is as for [`with`](Service::with).
    ///
    /// # Errors
    /// Then nothing was changed. [`Code::Busy`] if the object was locked for [`PATIENCE`](super::PATIENCE), or, `at_once`, was
    /// found so before.
    pub fn operate(&self, last: &mut Option<Arc<Object>>, asked: &Asked<'_>, at_once: bool) -> Result<Reply> {
        self.with(last, asked.object, |object| {
            if at_once && object.is_held() {
                return Err(held());
            }
            operate_on(object, asked, self.frame)
        })
    }
}

/// What is said to who asks for an operation of a later version.
pub(super) fn unknown() -> Failure {
    fail(Code::Unsupported, "this operation is not known here")
}

/// What is said of an object that was found locked for long just now, without waiting for it.
pub fn held() -> Error {
    Error::other(fail(Code::Busy, "it is locked by somebody else"))
}

fn operate_on(object: &Object, asked: &Asked<'_>, frame: usize) -> commy::Result<Reply> {
    let dynamic = object.dynamic();
    match asked.what {
        What::Get => {
            let (value, version) = at_version(dynamic, || dynamic.get(asked.path))?;
            check_version(asked.if_version, version)?;
            return Ok(taken(value, version));
        }
        What::Length => {
            let (length, version) = at_version(dynamic, || dynamic.len(asked.path))?;
            check_version(asked.if_version, version)?;
            return Ok(Reply::Length { length, version });
        }
        _ => {}
    }
    let mut guard = dynamic.write()?;
    let before = dynamic.version();
    let outcome = check_version(asked.if_version, before)
        .and_then(|()| perform(dynamic, &mut Locked::Alone(&mut guard), asked, before))
        .and_then(|outcome| match outcome {
            Outcome::Changed(reply) => must_fit(std::iter::once(&reply), frame).map(|()| Outcome::Changed(reply)),
            read => Ok(read),
        });
    match outcome {
        Ok(Outcome::Changed(reply)) => {
            guard.commit()?;
            object.hub().tell(before + 1);
            Ok(reply)
        }
        Ok(Outcome::Read(reply)) => {
            guard.rollback();
            Ok(reply)
        }
        Err(error) => {
            guard.rollback();
            Err(error)
        }
    }
}

/// An object locked for changing: alone, or with others.
pub(super) enum Locked<'l, 'a> {
    Alone(&'l mut WriteView<'a, WriteGuard<'a, ()>>),
    Together(&'l mut WriteView<'a, Part<'a, ()>>),
}

/// The same with either.
macro_rules! locked {
    ($locked:expr, $view:ident => $work:expr) => {
        match $locked {
            Locked::Alone($view) => $work,
            Locked::Together($view) => $work,
        }
    };
}

/// Does an operation with an object that is locked and had the version `before`; what changes it gives it the next.
pub(super) fn perform(
    dynamic: &Dynamic,
    locked: &mut Locked<'_, '_>,
    asked: &Asked<'_>,
    before: u64,
) -> commy::Result<Outcome> {
    let value = |path: &Path, json| dynamic.value_from_json(path, json, Missing::Refuse);
    let version = before + 1;
    let changed = || Outcome::Changed(Reply::Changed { version });
    let out = |value: Option<Value>| match value {
        Some(value) => Outcome::Changed(taken(Some(value), version)),
        None => Outcome::Read(taken(None, before)),
    };
    let path = Path::from(asked.path);
    Ok(match asked.what {
        What::Get => Outcome::Read(taken(locked!(locked, view => view.get(path))?, before)),
        What::Length => {
            let length = locked!(locked, view => view.len(path))?;
            Outcome::Read(Reply::Length { length, version: before })
        }
        What::Set(json) => {
            let value = value(&path, json)?;
            locked!(locked, view => view.set(path, &value))?;
            changed()
        }
        What::Insert(json) => {
            let value = value(&path, json)?;
            match locked!(locked, view => view.insert(path, &value))? {
                true => Outcome::Changed(Reply::Inserted { new: true, version }),
                false => Outcome::Read(Reply::Inserted { new: false, version: before }),
            }
        }
        What::Remove => out(locked!(locked, view => view.remove(path))?),
        What::Clear => {
            locked!(locked, view => view.clear(path))?;
            changed()
        }
        What::Push { value: json, front } => {
            let value = value(&path.clone().then("0"), json)?;
            locked!(locked, view => if front { view.push_front(path, &value) } else { view.push(path, &value) })?;
            changed()
        }
        What::Pop { front, .. } => {
            out(locked!(locked, view => if front { view.pop_front(path) } else { view.pop(path) })?)
        }
    })
}
