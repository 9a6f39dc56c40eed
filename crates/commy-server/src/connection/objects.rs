//! Making, removing and listing objects: done in their segments, and kept in step with what the catalog says was granted at
//! them.

use super::calls::Doing;
use super::session::Session;
use crate::failure::{Result, of_library};
use commy_wire::{Code, ObjectCreate, Permission, Reply, Request};
use std::time::Duration;
use tokio::time::Instant;

/// The pause before a removal is tried again.
const PAUSE: Duration = Duration::from_millis(10);

impl Session {
    /// The objects that the client may read.
    pub(super) fn list_objects(&mut self, request: &Request) -> Result<Doing> {
        let (row, service) = self.service(request)?;
        let (policy, principal) = (self.policy.clone(), self.identity.principal);
        self.later(service, move |service| {
            let mut names = service.segment().objects().map_err(of_library)?;
            if !policy.permissions(principal, row.node()).has(Permission::ServiceRead) {
                let may = |name: &String| policy.permissions_at(principal, &row, name).has(Permission::ServiceRead);
                names.retain(may);
            }
            Ok(Reply::Objects(names))
        })
    }

    pub(super) fn create_object(&mut self, request: &Request, create: ObjectCreate) -> Result<Doing> {
        let (row, service) = self.service(request)?;
        if self.policy.object(&row, &create.object).is_none() {
            return self.later(service, move |service| service.create(&create).map(Reply::Object));
        }
        let (shared, by) = (self.shared.clone(), self.by(request.call.kind()));
        self.to_the_end(async move {
            let is_there = || service.object(&create.object).is_ok();
            shared.catalog.forget_object(&by, (&row, &create.object), is_there).await?;
            let patience = Duration::from_secs(shared.config.limits.lock);
            shared.patient.run(patience, move || service.create(&create).map(Reply::Object)).await
        })
    }

    pub(super) fn remove_object(&mut self, request: &Request, name: String) -> Result<Doing> {
        let (row, service) = self.service(request)?;
        let (shared, by) = (self.shared.clone(), self.by(request.call.kind()));
        self.to_the_end(async move {
            let end = Instant::now() + Duration::from_secs(shared.config.limits.lock);
            loop {
                // Once only at a time: the catalog stands still meanwhile.
                let (service, once) = (service.clone(), name.clone());
                let remove = move || service.remove_object(&once).map(|()| Reply::Done {});
                let remove = async { shared.patient.run(Duration::ZERO, remove).await.map(drop) };
                match shared.catalog.remove_object(&by, (&row, &name), remove).await {
                    Err(failure) if failure.code == Code::Busy && Instant::now() < end => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    done => return done.map(|()| Reply::Done {}),
                }
            }
        })
    }
}
