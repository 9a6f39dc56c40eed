//! A client that has shown who it is, and what it may do: looked up once for each service, and anew when the policy has
//! changed.

use super::{End, POLICY, end};
use crate::access::{Need, need, objects};
use crate::catalog::{Audited, By};
use crate::failure::{Result, fail};
use crate::identity::{Identity, Peer};
use crate::policy::{Node, Policy, ServiceRow};
use crate::server::Shared;
use crate::services::{Object, Service};
use crate::usage::{Taken, Usage};
use commy_wire::{Code, Failure, Permission, Permissions, Request};
use std::collections::HashMap;
use std::sync::Arc;

/// Services that a session remembers.
const REMEMBERED: usize = 1024;

/// What a session knows of a service.
#[derive(Clone)]
struct Known {
    /// None: there is none of that name.
    row: Option<Arc<ServiceRow>>,
    /// The node that decides: the service's, or what there is above it.
    node: Node,
    permissions: Permissions,
    /// What it may do with objects in it, at which something was granted.
    objects: HashMap<String, Permissions>,
    /// Its segment, once it was used.
    open: Option<Opened>,
}

/// A service whose segment is open.
#[derive(Clone)]
pub struct Opened {
    pub service: Arc<Service>,
    /// The object that was used last.
    pub last: Option<Arc<Object>>,
}

impl Known {
    fn row(&self, name: &str) -> Result<Arc<ServiceRow>> {
        self.row.clone().ok_or_else(|| fail(Code::NotFound, format!("there is no service {name}")))
    }
}

/// The services that a session knows. Most requests are about that of the one before: its name is compared, the others' are
/// looked up.
#[derive(Default)]
struct Remembered {
    all: Vec<(String, Known)>,
    places: HashMap<String, usize>,
    last: usize,
}

impl Remembered {
    fn place(&self, service: &str) -> Option<usize> {
        match self.all.get(self.last) {
            Some((name, _)) if name == service => Some(self.last),
            _ => self.places.get(service).copied(),
        }
    }

    fn at(&mut self, place: usize) -> &mut Known {
        self.last = place;
        &mut self.all[place].1
    }

    /// That which was asked for last.
    fn newest(&mut self) -> Option<&mut Known> {
        self.all.get_mut(self.last).map(|(_, known)| known)
    }

    fn remember(&mut self, service: &str, known: Known) -> &mut Known {
        if self.all.len() >= REMEMBERED {
            *self = Remembered::default();
        }
        let place = self.all.len();
        self.places.insert(service.to_owned(), place);
        self.all.push((service.to_owned(), known));
        self.at(place)
    }
}

/// A client that has shown who it is.
pub struct Session {
    pub shared: Arc<Shared>,
    pub identity: Identity,
    pub policy: Arc<Policy>,
    pub usage: Arc<Usage>,
    #[cfg_attr(not(unix), expect(dead_code, reason = "segments are not handed over"))]
    pub peer: Peer,
    known: Remembered,
    _place: Taken,
}

/// The names of tenant and service.
pub fn split(service: &str) -> Option<(&str, &str)> {
    service.split_once('/').filter(|(_, name)| !name.contains('/'))
}

impl Session {
    pub fn new(
        shared: Arc<Shared>,
        identity: Identity,
        policy: Arc<Policy>,
        usage: Arc<Usage>,
        peer: Peer,
        place: Taken,
    ) -> Session {
        Session { shared, identity, policy, usage, peer, known: Remembered::default(), _place: place }
    }

    /// Goes by the newest policy.
    pub(super) fn renew(&mut self) -> Result<(), End> {
        self.follow();
        if self.is_valid() { Ok(()) } else { Err(end(POLICY, "the credentials were revoked")) }
    }

    #[inline]
    fn follow(&mut self) {
        if self.policy.epoch != self.shared.catalog.epoch() {
            self.policy = self.shared.catalog.policy();
            self.known = Remembered::default();
        }
    }

    /// Whether the client still is who it was.
    pub fn is_valid(&self) -> bool {
        self.identity.holds(&self.policy, &self.shared.catalog.clock)
    }

    /// What it may do at a node.
    pub fn permissions(&self, node: Node) -> Permissions {
        self.policy.permissions(self.identity.principal, node)
    }

    fn known(&mut self, service: &str) -> Result<&mut Known> {
        self.follow();
        if let Some(place) = self.known.place(service) {
            return Ok(self.known.at(place));
        }
        let (tenant, name) = split(service)
            .ok_or_else(|| fail(Code::BadRequest, "a service is named by its tenant and its name: tenant/service"))?;
        let tenant = self.policy.tenant(tenant);
        let row = tenant.and_then(|tenant| self.policy.service(tenant, name)).cloned();
        let node = row.as_ref().map_or(tenant.map_or(Node::Server, Node::Tenant), |row| row.node());
        let permissions = self.permissions(node);
        let known = Known { row, node, permissions, objects: HashMap::new(), open: None };
        Ok(self.known.remember(service, known))
    }

    /// The decision: whether a request is allowed. A service that there is not is denied as one that there is, to who has
    /// no permission above it.
    ///
    /// # Errors
    /// [`Code::Denied`].
    #[inline]
    pub fn allow(&mut self, request: &Request) -> Result<()> {
        let need = need(&request.call);
        let allowed = match need {
            Need::AtService(needed) => {
                let found = self.known(named(request)?)?.permissions;
                found.bits() & needed.bits() == needed.bits()
            }
            Need::AtObjects(needed) => {
                let found = self.known(named(request)?)?.permissions;
                found.bits() & needed.bits() == needed.bits() || self.allow_objects(request)?
            }
            Need::AtSomeObject(needed) => {
                let known = self.known(named(request)?)?;
                let (found, row) = (known.permissions, known.row.clone());
                let below = |row: Arc<ServiceRow>| self.policy.knows(self.identity.principal, &row, needed);
                found.bits() & needed.bits() == needed.bits() || row.is_some_and(below)
            }
            Need::Known => true,
            Need::AnyAtService => {
                let row = self.known(named(request)?)?.row.clone();
                row.is_some_and(|row| self.policy.knows(self.identity.principal, &row, Permissions::NONE))
            }
            Need::AtTenant(permission) => {
                let node = self.known(named(request)?)?.node;
                let node = node.tenant().map_or(Node::Server, Node::Tenant);
                self.permissions(node).has(permission)
            }
            Need::Operator => {
                self.follow();
                self.permissions(Node::Server).has(Permission::Operator)
            }
            // It depends on what is named, and is looked at there.
            Need::Administrator => {
                self.follow();
                true
            }
            Need::Never => false,
        };
        if allowed { Ok(()) } else { Err(self.denied(request, need)) }
    }

    /// Whether a request is allowed by what was granted at the objects that it names.
    fn allow_objects(&mut self, request: &Request) -> Result<bool> {
        let (policy, principal) = (self.policy.clone(), self.identity.principal);
        let known = self.known(named(request)?)?;
        let Some(row) = known.row.as_ref().filter(|row| policy.has_objects(row)) else { return Ok(false) };
        let mut objects = objects(&request.call).into_iter().peekable();
        // Nobody may do nothing.
        let any = objects.peek().is_some();
        let all = objects.all(|(name, needed)| {
            let found = match known.objects.get(name) {
                Some(found) => *found,
                None => {
                    let found = policy.permissions_at(principal, row, name);
                    // What nothing was granted at is not remembered: there is no end to such names.
                    if policy.object(row, name).is_some() {
                        known.objects.insert(name.to_owned(), found);
                    }
                    found
                }
            };
            found.bits() & needed.bits() == needed.bits()
        });
        Ok(any && all)
    }

    #[cold]
    fn denied(&mut self, request: &Request, need: Need) -> Failure {
        let tenant = request.service.as_deref().and_then(|name| self.known(name).ok()).and_then(|it| it.node.tenant());
        let subject = request.service.clone().unwrap_or_default();
        self.deny(request.call.kind(), tenant, subject, need)
    }

    /// Notes that something was denied; gives the failure.
    pub fn deny(&self, action: &'static str, tenant: Option<u64>, subject: String, need: Need) -> Failure {
        let subject = subject.chars().take(200).collect();
        let needed = match need {
            Need::AtService(permissions) | Need::AtObjects(permissions) | Need::AtSomeObject(permissions) => {
                permissions.to_string()
            }
            Need::AtTenant(permission) => permission.to_string(),
            Need::AnyAtService => "any permission there".into(),
            Need::Operator => Permission::Operator.to_string(),
            Need::Administrator => format!("{} or {}", Permission::TenantAdmin, Permission::Operator),
            Need::Known | Need::Never => "what nobody has".into(),
        };
        let detail = format!("needs {needed}");
        self.shared.denials.note(Some(self.identity.principal), action, Audited { tenant, subject, detail });
        fail(Code::Denied, format!("{action} was not granted: it needs {needed}"))
    }

    /// What the catalog has of the service that an allowed request names.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn row(&mut self, request: &Request) -> Result<Arc<ServiceRow>> {
        let name = named(request)?;
        self.known(name)?.row(name)
    }

    /// The service that an allowed request names, opened.
    ///
    /// # Errors
    /// [`Code::NotFound`]; why its segment cannot be opened.
    pub fn service(&mut self, request: &Request) -> Result<(Arc<ServiceRow>, Arc<Service>)> {
        let service = self.opened(request)?.service.clone();
        Ok((self.row(request)?, service))
    }

    /// The same without what the catalog has of it.
    ///
    /// # Errors
    /// As [`service`](Session::service).
    pub fn opened(&mut self, request: &Request) -> Result<&mut Opened> {
        let name = named(request)?;
        let known = self.known(name)?;
        if known.open.as_ref().is_none_or(|open| open.service.has_moved()) {
            let row = known.row(name)?;
            let service = self.shared.services.get(&row)?;
            self.known(name)?.open = Some(Opened { service, last: None });
        }
        let opened = self.known.newest().and_then(|known| known.open.as_mut());
        let opened = opened.ok_or_else(|| fail(Code::Internal, "the service is not open"))?;
        opened.service.usable()?;
        Ok(opened)
    }

    /// A service, if that is open and all of these permissions are granted at it.
    #[inline]
    pub(super) fn allowed(&mut self, service: &str, needed: Permissions) -> Option<&mut Opened> {
        let known = self.known(service).ok()?;
        let found = known.permissions;
        let opened = known.open.as_mut().filter(|_| found.bits() & needed.bits() == needed.bits())?;
        (!opened.service.has_moved() && opened.service.usable().is_ok()).then_some(opened)
    }

    /// Whether it may read an object, for who is watching it.
    pub fn may_read(&self, row: &ServiceRow, object: &str) -> bool {
        let permissions = || self.policy.permissions_at(self.identity.principal, row, object);
        self.policy.service_by_id(row.id).is_some() && permissions().has(Permission::ServiceRead)
    }

    /// Who asks, for the audit.
    pub fn by(&self, action: &'static str) -> By {
        By { principal: Some(self.identity.principal), action }
    }
}

/// The service that a request names.
///
/// # Errors
/// [`Code::BadRequest`] if it names none.
pub fn named(request: &Request) -> Result<&str> {
    request.service.as_deref().ok_or_else(|| fail(Code::BadRequest, "the request names no service"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::server::Server;
    use commy_wire::{Call, Get};
    use std::time::Instant;

    /// Run in an optimised build with `--nocapture`, it prints what a decision costs.
    #[tokio::test]
    async fn a_decision_follows_the_policy_without_asking_the_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data: dir.path().join("data"), listen: None, ..Config::default() };
        let (server, bootstrap) = Server::start(config).await.unwrap();
        let (shared, operator) = (server.shared().clone(), bootstrap.unwrap());
        let by = By { principal: None, action: "test" };
        let tenant = shared.catalog.create_tenant(&by, "acme").await.unwrap();
        shared.catalog.create_service(&by, tenant, "orders", commy_wire::Mode::Served, 1 << 20).await.unwrap();
        let credentials = commy_wire::Credentials::Key(operator.key);
        let policy = shared.catalog.policy();
        let identity =
            crate::identity::identify(&policy, &shared.catalog.clock, None, &credentials, Peer::Network).unwrap();
        let usage = shared.usages.of(identity.principal);
        let place = usage.connect(1).unwrap();
        let mut session = Session::new(shared.clone(), identity, policy, usage, Peer::Network, place);
        let call = Call::Get(Get { object: "stock".into(), ..Get::default() });
        let request = Request { id: 1, service: Some("acme/orders".into()), call };
        let cost = |session: &mut Session, what: &str| {
            const MANY: u32 = 1_000_000;
            let begin = Instant::now();
            for _ in 0..MANY {
                assert!(session.allow(std::hint::black_box(&request)).is_ok());
            }
            println!(
                "a decision by what is granted at {what} takes {} ns",
                begin.elapsed().as_nanos() / u128::from(MANY)
            );
        };
        cost(&mut session, "the server");
        let (everything, nobody) = (Permissions::ALL, Permissions::NONE);
        let subject = commy_wire::Subject::Principal(operator.principal);
        let all = shared.catalog.change_grant(&by, subject, Node::Server, |_| nobody).await.unwrap();
        assert!(all.is_empty() && session.allow(&request).is_err());
        shared.catalog.change_grant(&by, subject, Node::Tenant(tenant), |_| everything).await.unwrap();
        assert!(session.allow(&request).is_ok());
        shared.catalog.change_grant(&by, subject, Node::Tenant(tenant), |_| nobody).await.unwrap();
        assert!(session.allow(&request).is_err());
        let row = shared.catalog.policy().service(tenant, "orders").cloned().unwrap();
        let (at, there) = ((&*row, "stock"), || Ok(()));
        shared.catalog.change_grant_at_object(&by, subject, at, there, |_| everything).await.unwrap();
        cost(&mut session, "the object");
    }
}
