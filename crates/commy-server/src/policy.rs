//! What is granted, compiled from the catalog: for questions that are asked with every request.
//!
//! A permission at a node holds at all nodes below it; what a principal has is what it and its groups are granted at the
//! node and above, and nothing else. Nodes and subjects are numbers: names lead to numbers once, and whole.

use commy_wire::{GroupInfo, KeyInfo, Mode, Permissions, PrincipalInfo, PrincipalKind, Subject};
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// A place in the tree at which something can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The server, above all tenants.
    Server,
    /// A tenant, by number.
    Tenant(u64),
    /// A service, by the numbers of its tenant and itself.
    Service(u64, u64),
    /// An object, by the numbers of its tenant, its service and itself.
    Object(u64, u64, u64),
}

impl Node {
    /// The tenant that it is or is in.
    pub fn tenant(self) -> Option<u64> {
        match self {
            Node::Server => None,
            Node::Tenant(tenant) | Node::Service(tenant, _) | Node::Object(tenant, ..) => Some(tenant),
        }
    }

    /// The service that it is or is in.
    pub fn service(self) -> Option<u64> {
        match self {
            Node::Service(_, service) | Node::Object(_, service, _) => Some(service),
            _ => None,
        }
    }

    /// The object that it is.
    pub fn object(self) -> Option<u64> {
        match self {
            Node::Object(.., object) => Some(object),
            _ => None,
        }
    }

    fn above(self) -> Option<Node> {
        match self {
            Node::Server => None,
            Node::Tenant(_) => Some(Node::Server),
            Node::Service(tenant, _) => Some(Node::Tenant(tenant)),
            Node::Object(tenant, service, _) => Some(Node::Service(tenant, service)),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Server => f.write_str("the server"),
            Node::Tenant(id) => write!(f, "tenant {id}"),
            Node::Service(_, id) => write!(f, "service {id}"),
            Node::Object(.., id) => write!(f, "object {id}"),
        }
    }
}

/// A service as the catalog has it.
#[derive(Clone, Debug)]
pub struct ServiceRow {
    pub id: u64,
    pub tenant: u64,
    pub tenant_name: String,
    pub name: String,
    pub mode: Mode,
    pub quota: u64,
}

impl ServiceRow {
    /// Its place in the tree.
    pub fn node(&self) -> Node {
        Node::Service(self.tenant, self.id)
    }
}

/// A principal as the catalog has it.
#[derive(Clone, Debug)]
pub struct Principal {
    pub id: u64,
    pub tenant: Option<u64>,
    pub name: String,
    pub kind: PrincipalKind,
    pub groups: Vec<u64>,
}

/// A key as the catalog has it.
#[derive(Clone, Debug)]
pub struct Key {
    pub principal: u64,
    pub hash: String,
    pub created: u64,
    pub expires: Option<u64>,
}

/// A group as the catalog has it.
#[derive(Clone, Debug)]
pub struct GroupRow {
    pub tenant: Option<u64>,
    pub name: String,
    pub members: Vec<u64>,
}

/// All of the catalog but the audit.
#[derive(Debug, Default)]
pub struct Policy {
    pub epoch: u64,
    pub tenants: BTreeMap<String, u64>,
    tenant_names: HashMap<u64, String>,
    services: BTreeMap<(u64, String), Arc<ServiceRow>>,
    by_id: HashMap<u64, Arc<ServiceRow>>,
    /// Of services, by number: objects at which something was granted.
    objects: HashMap<u64, BTreeMap<String, u64>>,
    object_names: HashMap<u64, String>,
    pub principals: BTreeMap<u64, Principal>,
    users: HashMap<u32, u64>,
    subjects: HashMap<String, u64>,
    pub keys: BTreeMap<String, Key>,
    pub groups: BTreeMap<u64, GroupRow>,
    pub grants: HashMap<(Subject, Node), Permissions>,
}

fn number(row: &SqliteRow, at: usize) -> Result<u64, sqlx::Error> {
    Ok(row.try_get::<i64, _>(at)? as u64)
}

fn maybe(row: &SqliteRow, at: usize) -> Result<Option<u64>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(at)?.map(|number| number as u64))
}

impl Policy {
    /// One that allows nothing.
    pub fn nothing(epoch: u64) -> Policy {
        Policy { epoch, ..Policy::default() }
    }

    /// Reads the catalog.
    pub async fn load(pool: &SqlitePool, epoch: u64) -> Result<Policy, sqlx::Error> {
        let mut policy = Policy::nothing(epoch);
        for row in sqlx::query("SELECT id, name FROM tenant").fetch_all(pool).await? {
            let (id, name) = (number(&row, 0)?, row.try_get::<String, _>(1)?);
            policy.tenant_names.insert(id, name.clone());
            policy.tenants.insert(name, id);
        }
        for row in sqlx::query("SELECT id, tenant, name, mode, quota FROM service").fetch_all(pool).await? {
            let tenant = number(&row, 1)?;
            let service = Arc::new(ServiceRow {
                id: number(&row, 0)?,
                tenant,
                tenant_name: policy.tenant_names.get(&tenant).cloned().unwrap_or_default(),
                name: row.try_get(2)?,
                mode: crate::catalog::mode_of(&row.try_get::<String, _>(3)?),
                quota: number(&row, 4)?,
            });
            policy.by_id.insert(service.id, service.clone());
            policy.services.insert((tenant, service.name.clone()), service);
        }
        for row in sqlx::query("SELECT id, service, name FROM object").fetch_all(pool).await? {
            let (id, service, name) = (number(&row, 0)?, number(&row, 1)?, row.try_get::<String, _>(2)?);
            policy.object_names.insert(id, name.clone());
            policy.objects.entry(service).or_default().insert(name, id);
        }
        for row in sqlx::query("SELECT id, tenant, name, kind, outside FROM principal").fetch_all(pool).await? {
            let (id, outside) = (number(&row, 0)?, row.try_get::<Option<String>, _>(4)?.unwrap_or_default());
            let kind = match row.try_get::<String, _>(3)?.as_str() {
                "jwt" => {
                    policy.subjects.insert(outside.clone(), id);
                    PrincipalKind::Jwt(outside)
                }
                "user" => {
                    let user = outside.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                    policy.users.insert(user, id);
                    PrincipalKind::User(user)
                }
                _ => PrincipalKind::Key,
            };
            let (tenant, name) = (maybe(&row, 1)?, row.try_get(2)?);
            policy.principals.insert(id, Principal { id, tenant, name, kind, groups: Vec::new() });
        }
        for row in sqlx::query("SELECT id, tenant, name FROM principal_group").fetch_all(pool).await? {
            let group = GroupRow { tenant: maybe(&row, 1)?, name: row.try_get(2)?, members: Vec::new() };
            policy.groups.insert(number(&row, 0)?, group);
        }
        for row in sqlx::query("SELECT principal_group, principal FROM member").fetch_all(pool).await? {
            let (group, principal) = (number(&row, 0)?, number(&row, 1)?);
            if let (Some(group_row), Some(row)) = (policy.groups.get_mut(&group), policy.principals.get_mut(&principal))
            {
                group_row.members.push(principal);
                row.groups.push(group);
            }
        }
        for row in sqlx::query("SELECT id, principal, hash, created, expires FROM api_key").fetch_all(pool).await? {
            let key = Key {
                principal: number(&row, 1)?,
                hash: row.try_get(2)?,
                created: number(&row, 3)?,
                expires: maybe(&row, 4)?,
            };
            policy.keys.insert(row.try_get(0)?, key);
        }
        let grants = "SELECT principal, principal_group, tenant, service, object, permissions FROM permission_grant";
        for row in sqlx::query(grants).fetch_all(pool).await? {
            let subject = match (maybe(&row, 0)?, maybe(&row, 1)?) {
                (Some(principal), _) => Subject::Principal(principal),
                (None, Some(group)) => Subject::Group(group),
                (None, None) => continue,
            };
            let node = match (maybe(&row, 2)?, maybe(&row, 3)?, maybe(&row, 4)?) {
                (Some(tenant), Some(service), Some(object)) => Node::Object(tenant, service, object),
                (Some(tenant), Some(service), None) => Node::Service(tenant, service),
                (Some(tenant), None, _) => Node::Tenant(tenant),
                (None, ..) => Node::Server,
            };
            *policy.grants.entry((subject, node)).or_default() |= Permissions::from_bits(number(&row, 5)? as u32);
        }
        Ok(policy)
    }

    /// What a principal may do at a node: nothing, unless it was granted.
    pub fn permissions(&self, principal: u64, node: Node) -> Permissions {
        let Some(principal) = self.principals.get(&principal) else { return Permissions::NONE };
        let mut all = Permissions::NONE;
        let mut next = Some(node);
        while let Some(node) = next {
            let granted = |subject| self.grants.get(&(subject, node)).copied().unwrap_or_default();
            all |= granted(Subject::Principal(principal.id));
            principal.groups.iter().for_each(|group| all |= granted(Subject::Group(*group)));
            next = node.above();
        }
        all
    }

    /// What a principal may do with an object, of which nothing need be known.
    pub fn permissions_at(&self, principal: u64, row: &ServiceRow, object: &str) -> Permissions {
        let node = self.object(row, object).unwrap_or(row.node());
        self.permissions(principal, node)
    }

    /// Whether a principal has these permissions, and any at all, at a service or at an object in it.
    pub fn knows(&self, principal: u64, row: &ServiceRow, needed: Permissions) -> bool {
        let enough = |node| {
            let found = self.permissions(principal, node);
            !found.is_empty() && found.bits() & needed.bits() == needed.bits()
        };
        let objects = self.objects.get(&row.id).into_iter().flat_map(|objects| objects.values());
        enough(row.node()) || objects.map(|id| Node::Object(row.tenant, row.id, *id)).any(enough)
    }

    /// Whether anything was granted at objects of a service.
    pub fn has_objects(&self, row: &ServiceRow) -> bool {
        self.objects.contains_key(&row.id)
    }

    /// The node of an object, if anything was granted at it.
    pub fn object(&self, row: &ServiceRow, name: &str) -> Option<Node> {
        let id = self.objects.get(&row.id)?.get(name)?;
        Some(Node::Object(row.tenant, row.id, *id))
    }

    /// The name of an object at which something was granted.
    pub fn object_name(&self, id: u64) -> Option<&str> {
        self.object_names.get(&id).map(String::as_str)
    }

    /// The tenant of that name.
    pub fn tenant(&self, name: &str) -> Option<u64> {
        self.tenants.get(name).copied()
    }

    /// The name of a tenant.
    pub fn tenant_name(&self, id: u64) -> Option<&str> {
        self.tenant_names.get(&id).map(String::as_str)
    }

    /// The service of that name in a tenant.
    pub fn service(&self, tenant: u64, name: &str) -> Option<&Arc<ServiceRow>> {
        self.services.get(&(tenant, name.to_owned()))
    }

    /// A service by its number.
    pub fn service_by_id(&self, id: u64) -> Option<&Arc<ServiceRow>> {
        self.by_id.get(&id)
    }

    /// All services, by tenant and name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<ServiceRow>> {
        self.services.values()
    }

    /// The principal that a local user is.
    pub fn user(&self, user: u32) -> Option<u64> {
        self.users.get(&user).copied()
    }

    /// The principal that the subject of a token is.
    pub fn subject(&self, subject: &str) -> Option<u64> {
        self.subjects.get(subject).copied()
    }

    /// A principal, as it is told.
    pub fn principal_info(&self, principal: &Principal) -> PrincipalInfo {
        PrincipalInfo {
            id: principal.id,
            name: principal.name.clone(),
            tenant: principal.tenant.and_then(|id| self.tenant_name(id)).map(str::to_owned),
            kind: principal.kind.clone(),
        }
    }

    /// A group, as it is told.
    pub fn group_info(&self, id: u64, group: &GroupRow) -> GroupInfo {
        GroupInfo {
            id,
            name: group.name.clone(),
            tenant: group.tenant.and_then(|id| self.tenant_name(id)).map(str::to_owned),
            members: group.members.clone(),
        }
    }

    /// The keys of a principal, as they are told.
    pub fn keys_of(&self, principal: u64) -> Vec<KeyInfo> {
        let own = self.keys.iter().filter(|(_, key)| key.principal == principal);
        let info = |(id, key): (&String, &Key)| KeyInfo {
            key: id.clone(),
            principal,
            created: key.created,
            expires: key.expires,
        };
        own.map(info).collect()
    }
}
