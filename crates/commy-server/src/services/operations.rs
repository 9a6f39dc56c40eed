//! Operations on one object.

use super::size::must_fit;
use super::{Object, Service};
use crate::failure::{Result, fail};
use commy::dynamic::{Dynamic, Missing, Path, Value, WriteView};
use commy::{Error, Part, WriteGuard};
use commy_wire::{Code, Operation, Reply};

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
    /// Does one operation, which is a transaction of its own.
    ///
    /// # Errors
    /// Then nothing was changed. [`Code::Busy`] if the object was locked for [`PATIENCE`](super::PATIENCE), or, `at_once`, was
    /// found so before.
    pub fn operate(&self, operation: &Operation, at_once: bool) -> Result<Reply> {
        self.with(operation.object(), |object| {
            if at_once && object.is_held() {
                return Err(held());
            }
            operate_on(object, operation, self.frame)
        })
    }
}

/// What is said of an object that was found locked for long just now, without waiting for it.
pub fn held() -> Error {
    Error::other(fail(Code::Busy, "it is locked by somebody else"))
}

fn operate_on(object: &Object, operation: &Operation, frame: usize) -> commy::Result<Reply> {
    let dynamic = object.dynamic();
    if operation.only_reads() {
        let path = operation.path();
        let (reply, version) = match operation {
            Operation::Get(_) => {
                let (value, version) = at_version(dynamic, || dynamic.get(path))?;
                (taken(value, version), version)
            }
            _ => {
                let (length, version) = at_version(dynamic, || dynamic.len(path))?;
                (Reply::Length { length, version }, version)
            }
        };
        return check_version(operation.if_version(), version).map(|()| reply);
    }
    let mut guard = dynamic.write()?;
    let before = dynamic.version();
    let outcome = check_version(operation.if_version(), before)
        .and_then(|()| perform(dynamic, &mut Locked::Alone(&mut guard), operation, before))
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
    operation: &Operation,
    before: u64,
) -> commy::Result<Outcome> {
    let value = |path: &Path, json| dynamic.value_from_json(path, json, Missing::Refuse);
    let version = before + 1;
    let changed = || Outcome::Changed(Reply::Changed { version });
    let out = |value: Option<Value>| match value {
        Some(value) => Outcome::Changed(taken(Some(value), version)),
        None => Outcome::Read(taken(None, before)),
    };
    let path = Path::from(operation.path());
    Ok(match operation {
        Operation::Get(_) => Outcome::Read(taken(locked!(locked, view => view.get(path))?, before)),
        Operation::Length(_) => {
            let length = locked!(locked, view => view.len(path))?;
            Outcome::Read(Reply::Length { length, version: before })
        }
        Operation::Set(set) => {
            let value = value(&path, &set.value)?;
            locked!(locked, view => view.set(path, &value))?;
            changed()
        }
        Operation::Insert(insert) => {
            let value = value(&path, &insert.value)?;
            match locked!(locked, view => view.insert(path, &value))? {
                true => Outcome::Changed(Reply::Inserted { new: true, version }),
                false => Outcome::Read(Reply::Inserted { new: false, version: before }),
            }
        }
        Operation::Remove(_) => out(locked!(locked, view => view.remove(path))?),
        Operation::Clear(_) => {
            locked!(locked, view => view.clear(path))?;
            changed()
        }
        Operation::Push(push) => {
            let value = value(&path.clone().then("0"), &push.value)?;
            locked!(locked, view => if push.front { view.push_front(path, &value) } else { view.push(path, &value) })?;
            changed()
        }
        Operation::Pop(pop) => {
            out(locked!(locked, view => if pop.front { view.pop_front(path) } else { view.pop(path) })?)
        }
        _ => return Err(Error::other(fail(Code::Unsupported, "this operation is not known here"))),
    })
}
