//! Several operations on objects of one service, all or none.
//!
//! All objects are locked first, in the order of their names, so that batches do not wait for each other in a circle.
//! Then everything is done under one undo log.

use super::asked::Asked;
use super::operations::{Locked, Outcome, check_version, held, perform, unknown};
use super::size::must_fit;
use super::{Object, Service};
use crate::failure::{Result, fail, of_library};
use commy::Error;
use commy_wire::{Code, Failure, Operation, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Service {
    /// Does several operations as one.
    ///
    /// # Errors
    /// Then nothing was changed; the failure says which operation it was. [`Code::Busy`] as for one operation.
    pub fn batch(&self, operations: &[Operation], at_once: bool) -> Result<Vec<Reply>> {
        let known = |(at, one)| Asked::of_operation(one).ok_or_else(|| at_operation(at, unknown()));
        let operations = operations.iter().enumerate().map(known).collect::<Result<Vec<_>>>()?;
        let operations = &operations[..];
        let waits = |one: &Asked<'_>| one.waits().is_some();
        if let Some(at) = operations.iter().position(waits) {
            return Err(at_operation(at, fail(Code::BadRequest, "a pop in a batch cannot wait")));
        }
        let objects = self.objects_of(operations)?;
        if at_once && objects.values().any(|object| object.is_held()) {
            return Err(of_library(held()));
        }
        match self.together(&objects, operations) {
            Err(Error::Removed { name }) => {
                objects.values().filter(|object| object.dynamic().name() == name).for_each(|one| self.forget(one));
                self.together(&self.objects_of(operations)?, operations).map_err(of_library)
            }
            done => {
                objects.values().for_each(|object| object.note_lock(&done));
                done.map_err(of_library)
            }
        }
    }

    /// The objects that operations are about, by name.
    fn objects_of<'a>(&self, operations: &[Asked<'a>]) -> Result<BTreeMap<&'a str, Arc<Object>>> {
        let mut objects = BTreeMap::new();
        for (at, operation) in operations.iter().enumerate() {
            let name = operation.object;
            if !objects.contains_key(name) {
                let object = self.object(name);
                objects.insert(name, object.map_err(|failure| at_operation(at, failure))?);
            }
        }
        Ok(objects)
    }

    fn together(&self, objects: &BTreeMap<&str, Arc<Object>>, operations: &[Asked<'_>]) -> commy::Result<Vec<Reply>> {
        let mut changed = false;
        let (mut replies, versions) = self.segment.transaction(|tx| {
            let mut locked = BTreeMap::new();
            for (name, object) in objects {
                let view = tx.write_dynamic(object.dynamic())?;
                locked.insert(*name, (object.dynamic(), object.dynamic().version(), view));
            }
            let mut replies = Vec::with_capacity(operations.len());
            for (at, operation) in operations.iter().enumerate() {
                let Some((dynamic, before, view)) = locked.get_mut(operation.object) else { continue };
                let done = check_version(operation.if_version, *before)
                    .and_then(|()| perform(dynamic, &mut Locked::Together(view), operation, *before));
                match done {
                    Ok(Outcome::Changed(reply)) => {
                        changed = true;
                        replies.push((reply, *before));
                    }
                    Ok(Outcome::Read(reply)) => replies.push((reply, *before)),
                    Err(error) => {
                        return Err(Error::other(at_operation(at, of_library(error))));
                    }
                }
            }
            if changed {
                must_fit(replies.iter().map(|(reply, _)| reply), self.frame)?;
            }
            let versions: Vec<u64> = locked.values().map(|(_, before, _)| *before).collect();
            Ok((replies, versions))
        })?;
        if changed {
            // What changes one of the objects gives all of them the next version.
            replies.iter_mut().for_each(|(reply, before)| set_version(reply, *before + 1));
            objects.values().zip(versions).for_each(|(object, before)| object.hub().tell(before + 1));
        }
        Ok(replies.into_iter().map(|(reply, _)| reply).collect())
    }
}

/// A failure of one of them.
fn at_operation(at: usize, failure: Failure) -> Failure {
    Failure { operation: Some(at as u32), ..failure }
}

fn set_version(reply: &mut Reply, now: u64) {
    match reply {
        Reply::Value { version, .. } | Reply::Inserted { version, .. } | Reply::Length { version, .. } => {
            *version = now
        }
        _ => {}
    }
}
