//! Requests for the segment itself: a ticket for who may have it.

use super::calls::Doing;
use super::session::Session;
use crate::catalog::{Audited, Holder};
use crate::failure::{Result, fail};
use commy_wire::{Code, Map, Mapping, Mode, Reply, Request};

impl Session {
    /// Gives a ticket for a segment, after the audit has it.
    pub(super) fn map(&mut self, request: &Request, map: &Map) -> Result<Doing> {
        let (row, _) = self.service(request)?;
        if row.mode == Mode::Served {
            return Err(fail(Code::Unsupported, "the service was made to be served only, not to be mapped"));
        }
        let (shared, by) = (self.shared.clone(), self.by(request.call.kind()));
        let (write, peer) = (map.write, self.peer);
        let (principal, key) = (self.identity.principal, self.identity.key().map(str::to_owned));
        let holder = Holder { service: row.id, principal, key, writes: write };
        self.slowly(async move {
            let audited = Audited {
                tenant: Some(row.tenant),
                subject: row.name.clone(),
                detail: format!("number {}, {}", row.id, if write { "for writing" } else { "for reading" }),
            };
            shared.catalog.add_holder(&by, &audited, &holder).await?;
            let ticket = shared.handover.ticket(holder, peer)?;
            let socket = shared.config.handover().display().to_string();
            Ok(Reply::Mapping(Mapping { socket, ticket, write }))
        })
    }
}
