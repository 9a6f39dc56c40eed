//! Requests that change or tell who there is and what was granted.
//!
//! Who may is decided by the tenant that a thing belongs to, by number: an operator may everything; a tenant's
//! administrator what is about its tenant, but grant nothing above it, and make no principals that show who they are by
//! something outside, which would be taking somebody else's name.

use super::session::Session;
use crate::access::Need;
use crate::catalog::By;
use crate::failure::{Result, fail};
use crate::policy::{Node, ServiceRow};
use commy_wire::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;

type Work = BoxFuture<'static, Result<Reply>>;

/// What is about a thing that there is not is denied to who is no operator: it may not know.
fn absent(what: &str) -> Failure {
    fail(Code::NotFound, format!("there is no such {what}"))
}

impl Session {
    /// Whether the client administers a tenant; none: the server.
    fn administers(&self, tenant: Option<u64>) -> bool {
        let permissions = self.permissions(tenant.map_or(Node::Server, Node::Tenant));
        permissions.has(Permission::Operator) || tenant.is_some() && permissions.has(Permission::TenantAdmin)
    }

    fn must_administer(&self, call: &Call, tenant: Option<u64>) -> Result<()> {
        if self.administers(tenant) {
            return Ok(());
        }
        let subject = tenant.map_or("the server".to_owned(), |id| format!("tenant {id}"));
        Err(self.deny(call.kind(), tenant, subject, Need::Administrator))
    }

    /// The number of a tenant that is named, if the client administers it; of none, the server.
    fn tenant(&self, call: &Call, name: Option<&str>) -> Result<Option<u64>> {
        match name.map(|name| self.policy.tenant(name)) {
            Some(Some(id)) => self.must_administer(call, Some(id)).map(|()| Some(id)),
            Some(None) => self.must_administer(call, None).and(Err(absent("tenant"))),
            None => self.must_administer(call, None).map(|()| None),
        }
    }

    /// The tenant of a thing, if there is such a thing and the client administers it.
    fn tenant_of(&self, call: &Call, found: Option<Option<u64>>, what: &str) -> Result<Option<u64>> {
        match found {
            Some(tenant) => self.must_administer(call, tenant).map(|()| tenant),
            None => self.must_administer(call, None).and(Err(absent(what))),
        }
    }

    fn tenant_of_principal(&self, call: &Call, id: u64) -> Result<Option<u64>> {
        self.tenant_of(call, self.policy.principals.get(&id).map(|one| one.tenant), "principal")
    }

    fn tenant_of_key(&self, call: &Call, key: &str) -> Result<Option<u64>> {
        let principal = self.policy.keys.get(key).and_then(|key| self.policy.principals.get(&key.principal));
        self.tenant_of(call, principal.map(|one| one.tenant), "key")
    }

    /// The node that a grant names, and the name of an object below that, if the client administers it.
    fn node<'g>(&self, call: &Call, at: &'g At) -> Result<(Node, Option<(Arc<ServiceRow>, &'g str)>)> {
        match (self.tenant(call, at.tenant.as_deref())?, at.service.as_deref(), at.object.as_deref()) {
            (None, None, None) => Ok((Node::Server, None)),
            (Some(tenant), None, None) => Ok((Node::Tenant(tenant), None)),
            (Some(tenant), Some(service), object) => {
                let row = self.policy.service(tenant, service).ok_or_else(|| absent("service"))?;
                Ok((row.node(), object.map(|object| (row.clone(), object))))
            }
            _ => {
                Err(fail(Code::BadRequest, "an object is of a service, and a service of a tenant, which must be named"))
            }
        }
    }

    fn check_subject(&self, subject: Subject) -> Result<()> {
        match subject {
            Subject::Principal(id) if self.policy.principals.contains_key(&id) => Ok(()),
            Subject::Group(id) if self.policy.groups.contains_key(&id) => Ok(()),
            Subject::Principal(_) => Err(absent("principal")),
            Subject::Group(_) => Err(absent("group")),
        }
    }

    /// Begins such a request: what it may is decided before this returns.
    pub(super) fn administer(&mut self, call: Call) -> Result<Work> {
        let (shared, by) = (self.shared.clone(), self.by(call.kind()));
        Ok(match call {
            Call::TenantCreate(Tenant { tenant }) => async move {
                let id = shared.catalog.create_tenant(&by, &tenant).await?;
                Ok(Reply::Tenant(TenantInfo { id, tenant }))
            }
            .boxed(),
            Call::TenantDelete(Tenant { tenant }) => {
                let id = self.policy.tenant(&tenant).ok_or_else(|| absent("tenant"))?;
                async move { shared.catalog.delete_tenant(&by, id, &tenant).await.map(|()| Reply::Done {}) }.boxed()
            }
            Call::GrantAdd(ref grant) | Call::GrantRevoke(ref grant) => {
                let (node, object) = self.node(&call, &grant.at)?;
                self.check_subject(grant.to)?;
                let add = matches!(call, Call::GrantAdd(_));
                if add {
                    check_grant(grant.permissions, node, object.is_some())?;
                }
                let object = object.map(|(row, name)| (row, name.to_owned()));
                self.grant(by, grant.clone(), node, object, add)
            }
            Call::PrincipalCreate(ref create) => {
                let (tenant, create) = (self.tenant(&call, create.tenant.as_deref())?, create.clone());
                if create.kind != PrincipalKind::Key {
                    self.must_administer(&call, None)?;
                }
                async move {
                    let id = shared.catalog.create_principal(&by, tenant, &create.name, &create.kind).await?;
                    let PrincipalCreate { name, tenant, kind } = create;
                    Ok(Reply::Principal(PrincipalInfo { id, name, tenant, kind }))
                }
                .boxed()
            }
            Call::PrincipalDelete(PrincipalId { principal }) => {
                let tenant = self.tenant_of_principal(&call, principal)?;
                let work = async move { shared.catalog.delete_principal(&by, tenant, principal).await };
                work.map(|done| done.map(|()| Reply::Done {})).boxed()
            }
            Call::GroupCreate(ref group) => {
                let (tenant, group) = (self.tenant(&call, group.tenant.as_deref())?, group.clone());
                async move {
                    let id = shared.catalog.create_group(&by, tenant, &group.name).await?;
                    let Group { name, tenant } = group;
                    Ok(Reply::Group(GroupInfo { id, name, tenant, members: Vec::new() }))
                }
                .boxed()
            }
            Call::GroupDelete(ref group) => {
                let (tenant, name) = (self.tenant(&call, group.tenant.as_deref())?, group.name.clone());
                let found = self.policy.groups.iter().find(|(_, row)| row.tenant == tenant && row.name == name);
                let id = *found.ok_or_else(|| absent("group"))?.0;
                let work = async move { shared.catalog.delete_group(&by, tenant, id, &name).await };
                work.map(|done| done.map(|()| Reply::Done {})).boxed()
            }
            Call::MemberAdd(ref member) | Call::MemberRemove(ref member) => {
                let (member, into) = (member.clone(), matches!(call, Call::MemberAdd(_)));
                let group = self.policy.groups.get(&member.group);
                let tenant = self.tenant_of(&call, group.map(|group| group.tenant), "group")?;
                self.check_subject(Subject::Principal(member.principal))?;
                async move {
                    let Member { group, principal } = member;
                    shared.catalog.set_member(&by, tenant, group, principal, into).await.map(|_| Reply::Done {})
                }
                .boxed()
            }
            Call::KeyCreate(KeyCreate { principal, expires_in }) => {
                let tenant = self.tenant_of_principal(&call, principal)?;
                let expires = expires_in
                    .map(|seconds| shared.catalog.clock.seconds().saturating_add(seconds).min(i64::MAX as u64));
                let work = async move { shared.catalog.create_key(&by, tenant, principal, expires).await };
                work.map(|done| done.map(Reply::Key)).boxed()
            }
            Call::KeyRotate(ref key) => {
                let (tenant, key) = (self.tenant_of_key(&call, &key.key)?, key.clone());
                let overlap = key.overlap.unwrap_or(0);
                let work = async move { shared.catalog.rotate_key(&by, tenant, &key.key, overlap).await };
                work.map(|done| done.map(Reply::Key)).boxed()
            }
            Call::KeyRevoke(ref key) => {
                let (tenant, key) = (self.tenant_of_key(&call, &key.key)?, key.key.clone());
                let work = async move { shared.catalog.revoke_key(&by, tenant, &key).await };
                work.map(|done| done.map(|()| Reply::Done {})).boxed()
            }
            Call::AuditList(ref asked) => {
                let (tenant, asked) = (self.tenant(&call, asked.tenant.as_deref())?, asked.clone());
                async move { shared.catalog.audit(tenant, &asked).await.map(Reply::Audit) }.boxed()
            }
            call => {
                let told = self.tell(&call);
                async move { told }.boxed()
            }
        })
    }

    /// What is told from the policy.
    fn tell(&self, call: &Call) -> Result<Reply> {
        let policy = &self.policy;
        Ok(match call {
            Call::TenantList(_) => {
                let seen = |id: u64| {
                    let below = || policy.services().filter(|row| row.tenant == id);
                    !self.permissions(Node::Tenant(id)).is_empty()
                        || below().any(|row| policy.knows(self.identity.principal, row, Permissions::NONE))
                };
                let tenants = policy.tenants.iter().filter(|(_, id)| seen(**id));
                Reply::Tenants(tenants.map(|(name, id)| TenantInfo { id: *id, tenant: name.clone() }).collect())
            }
            Call::PrincipalList(list) => {
                let tenant = self.tenant(call, list.tenant.as_deref())?;
                let all = policy.principals.values().filter(|one| tenant.is_none() || one.tenant == tenant);
                Reply::Principals(all.map(|one| policy.principal_info(one)).collect())
            }
            Call::GroupList(list) => {
                let tenant = self.tenant(call, list.tenant.as_deref())?;
                let all = policy.groups.iter().filter(|(_, group)| tenant.is_none() || group.tenant == tenant);
                Reply::Groups(all.map(|(id, group)| policy.group_info(*id, group)).collect())
            }
            Call::KeyList(PrincipalId { principal }) => {
                self.tenant_of_principal(call, *principal)?;
                Reply::Keys(policy.keys_of(*principal))
            }
            Call::GrantList(list) => {
                let tenant = self.tenant(call, list.tenant.as_deref())?;
                let all = policy.grants.iter().filter(|((_, node), _)| tenant.is_none() || node.tenant() == tenant);
                let at = |node: Node| At {
                    tenant: node.tenant().and_then(|id| policy.tenant_name(id)).map(str::to_owned),
                    service: node.service().and_then(|id| policy.service_by_id(id)).map(|row| row.name.clone()),
                    object: node.object().and_then(|id| policy.object_name(id)).map(str::to_owned),
                };
                let grant = |((to, node), permissions): (&(Subject, Node), &Permissions)| Grant {
                    to: *to,
                    at: at(*node),
                    permissions: *permissions,
                };
                let mut all: Vec<Grant> = all.map(grant).collect();
                let place = |grant: &Grant| {
                    let At { tenant, service, object } = grant.at.clone();
                    (tenant, service, object)
                };
                all.sort_by_cached_key(place);
                Reply::Grants(all)
            }
            _ => return Err(fail(Code::Unsupported, "this request is not known here")),
        })
    }

    fn grant(&self, by: By, grant: Grant, node: Node, object: Option<(Arc<ServiceRow>, String)>, add: bool) -> Work {
        let shared = self.shared.clone();
        let change = move |before: Permissions| {
            let (before, bits) = (before.bits(), grant.permissions.bits());
            Permissions::from_bits(if add { before | bits } else { before & !bits })
        };
        async move {
            match object {
                None => shared.catalog.change_grant(&by, grant.to, node, change).await?,
                Some((row, name)) => {
                    let is_there = || shared.services.get(&row)?.object(&name).map(drop);
                    let at = (&*row, name.as_str());
                    shared.catalog.change_grant_at_object(&by, grant.to, at, is_there, change).await?
                }
            };
            Ok(Reply::Done {})
        }
        .boxed()
    }
}

/// Refuses grants that would mean nothing.
fn check_grant(permissions: Permissions, node: Node, at_object: bool) -> Result<()> {
    let refused = |what: &str| Err(fail(Code::BadRequest, what));
    let beyond = |most: &[Permission]| permissions.iter().any(|one| !most.contains(&one));
    if permissions.is_empty() {
        return refused("no permission is named");
    }
    if permissions.has(Permission::Operator) && node != Node::Server {
        return refused("Operator is granted at the server only");
    }
    if permissions.has(Permission::TenantAdmin) && node.service().is_some() {
        return refused("TenantAdmin is granted at a tenant, or at the server for all");
    }
    if at_object && beyond(&[Permission::ServiceRead, Permission::ServiceWrite]) {
        return refused("at an object ServiceRead and ServiceWrite are granted, the others at the service or above");
    }
    Ok(())
}
