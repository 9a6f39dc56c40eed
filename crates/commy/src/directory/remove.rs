//! Taking objects out of the directory, and giving them other names.
//!
//! Who removes an object locks it first, then the directory, in whose transaction everything is done: nobody waits for
//! an object under the directory's lock, so there is no circle. Who waits for the object's lock, or sleeps until it
//! changes, is let in and woken afterwards and finds another generation.

use super::orphans::{self, free_orphans};
use super::{control, directory, found_description};
use crate::error::{Error, Result};
use crate::schema::Description;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tx::Cx;
use crate::walk::{self, Plan};

/// Removes an object with all it holds. One that is damaged loses its name, and what can be told to be its own.
pub(crate) fn remove(segment: &Segment, name: &str) -> Result<()> {
    super::names::check(name)?;
    let directory = directory(segment)?;
    loop {
        let object = directory.read()?.get(name).copied();
        let object = object.ok_or_else(|| Error::NotFound { name: name.into() })?;
        let control = control::control(segment.map(), object)?;
        let lock = Shared::<()>::lock_of(segment, name, object, control.generation.get())?;
        let locked = match lock.write() {
            // Somebody else removed it; there may be another of that name.
            Err(Error::Removed { .. }) => continue,
            locked => locked?,
        };
        let names = directory.write()?;
        if names.get(name) != Some(&object) {
            // It has another name now, or was another one already when it was locked.
            continue;
        }
        // Whatever becomes of this: once something is freed nobody may go by what was remembered of the object.
        locked.unsettle();
        super::change(names, |names| {
            names.remove(name)?;
            let plan = found_description(segment.map(), control).and_then(|bytes| Description::from_bytes(&bytes));
            let plan = match plan.and_then(Plan::new) {
                Err(Error::Corrupt { .. }) => return control::orphan(names.cx(), object),
                plan => plan?,
            };
            dissolve(names.cx(), object, &plan)
        })?;
        locked.close_changed()?;
        // What somebody else is at, or cannot be done now, is done later.
        let _ = free_orphans(segment);
        return Ok(());
    }
}

/// Frees an object of that type, or leaves that for later, where it would be much or what it holds is damaged.
fn dissolve(cx: Cx, object: u64, plan: &Plan) -> Result<()> {
    let parts = control::control(cx.map(), object)?.parts();
    if plan.has_atomics() {
        control::give_up(cx, object, true)?;
    } else {
        match orphans::is_large(cx.map(), plan, parts.value.0) {
            Ok(true) | Err(Error::Corrupt { .. }) => return control::orphan(cx, object),
            small => small?,
        };
        control::give_up(cx, object, false)?;
        walk::free(cx, plan, parts.value.0)?;
        control::free_value(cx, object, parts)?;
    }
    cx.free(parts.description.0, parts.description.1, 8)
}

/// Gives an object another name, which is free.
pub(crate) fn rename(segment: &Segment, old: &str, new: &str) -> Result<()> {
    super::names::check(old)?;
    super::names::check(new)?;
    let directory = directory(segment)?;
    super::change(directory.write()?, |names| {
        let object = *names.get(old).ok_or_else(|| Error::NotFound { name: old.into() })?;
        if names.contains_key(new) {
            return Err(Error::ObjectExists { name: new.into() });
        }
        names.insert(new.into(), object)?;
        names.remove(old)?;
        Ok(())
    })
}
