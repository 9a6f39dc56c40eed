//! Taking objects out of the directory, and giving them other names.
//!
//! Who removes an object locks it first, then the directory, in whose transaction everything is done: nobody waits for
//! an object under the directory's lock, so there is no circle. Who waits for the object's lock, or sleeps until it
//! changes, is let in and woken afterwards and finds another generation.

use super::orphans::{self, free_orphans};
use super::{Found, control, directory, find, found};
use crate::error::{Error, Result};
use crate::schema::Description;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::walk::{self, Plan};

/// Removes an object with all it holds.
pub(crate) fn remove(segment: &Segment, name: &str) -> Result<()> {
    loop {
        let Some(Found { object, generation, .. }) = find(segment, name)? else {
            return Err(Error::NotFound { name: name.into() });
        };
        let lock = Shared::<()>::lock_of(segment, name, object, generation)?;
        let locked = match lock.write() {
            // Somebody else removed it; there may be another of that name.
            Err(Error::Removed { .. }) => continue,
            locked => locked?,
        };
        let directory = directory(segment)?;
        let names = directory.write()?;
        if names.get(name) != Some(&object) {
            // It has another name now.
            continue;
        }
        super::change(names, |names| {
            let cx = names.cx();
            let description = found(segment, object)?.description;
            let plan = Plan::new(Description::from_bytes(&description)?)?;
            let parts = control::control(segment.map(), object)?.parts();
            let used_without_lock = plan.has_atomics();
            names.remove(name)?;
            if !used_without_lock && orphans::is_large(segment.map(), &plan, parts.value.0)? {
                return control::orphan(cx, object);
            }
            control::give_up(cx, object, used_without_lock)?;
            if !used_without_lock {
                walk::free(cx, &plan, parts.value.0)?;
                control::free_value(cx, object, parts)?;
            }
            cx.free(parts.description.0, parts.description.1, 8)
        })?;
        locked.close_changed()?;
        // What somebody else is at, or cannot be done now, is done later.
        let _ = free_orphans(segment);
        return Ok(());
    }
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
