//! What a client asks.

use crate::administration::*;
use crate::operations::*;
use serde::{Deserialize, Serialize};

/// A frame from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Names the answer; of the client's choice, different for each request in flight.
    pub id: u64,
    /// The service that it is about, `tenant/service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What is asked.
    pub call: Call,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident ( $type:ty ) = $snake:literal),* $(,)?) => {
        /// What is asked.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Call { $($(#[$doc])* $name($type)),* }

        impl Call {
            /// The names of all kinds of requests, as in messages.
            pub const KINDS: &'static [&'static str] = &[$($snake),*];

            /// The name of its kind, as in messages.
            pub fn kind(&self) -> &'static str {
                Call::KINDS[self.number()]
            }

            /// The place of its kind in [`KINDS`](Call::KINDS).
            pub fn number(&self) -> usize {
                enum Kind { $($name),* }
                match self { $(Call::$name(_) => Kind::$name as usize),* }
            }
        }
    };
}

calls! {
    /// Says who the client is: the first request of a connection.
    Authenticate(Authenticate) = "authenticate",
    /// Does nothing but answer.
    Ping(Empty) = "ping",
    /// Makes a service.
    ServiceCreate(ServiceCreate) = "service_create",
    /// Looks a service up, and tells what may be done there.
    ServiceOpen(Empty) = "service_open",
    /// The services of a tenant, or of all, of which the client may know.
    ServiceList(List) = "service_list",
    /// A service and how much room it takes.
    ServiceDescribe(Empty) = "service_describe",
    /// Deletes a service with all that is in it.
    ServiceDelete(Empty) = "service_delete",
    /// Makes an object.
    ObjectCreate(ObjectCreate) = "object_create",
    /// The objects of a service.
    ObjectList(Empty) = "object_list",
    /// An object: type, version, length.
    ObjectDescribe(ObjectName) = "object_describe",
    /// Removes an object.
    ObjectRemove(ObjectName) = "object_remove",
    /// See [`Get`].
    Get(Get) = "get",
    /// See [`Set`].
    Set(Set) = "set",
    /// See [`Insert`].
    Insert(Insert) = "insert",
    /// See [`Remove`].
    Remove(Remove) = "remove",
    /// See [`Clear`].
    Clear(Clear) = "clear",
    /// See [`Push`].
    Push(Push) = "push",
    /// See [`Pop`].
    Pop(Pop) = "pop",
    /// See [`Length`].
    Length(Length) = "length",
    /// See [`Scan`].
    Scan(Scan) = "scan",
    /// See [`Batch`].
    Batch(Batch) = "batch",
    /// See [`Watch`].
    Watch(Watch) = "watch",
    /// See [`Unwatch`].
    Unwatch(Unwatch) = "unwatch",
    /// Asks for the segment itself.
    Map(Map) = "map",
    /// Makes a tenant.
    TenantCreate(Tenant) = "tenant_create",
    /// The tenants of which the client may know.
    TenantList(Empty) = "tenant_list",
    /// Deletes a tenant that has no services any more.
    TenantDelete(Tenant) = "tenant_delete",
    /// Makes a principal.
    PrincipalCreate(PrincipalCreate) = "principal_create",
    /// The principals of a tenant, or of all.
    PrincipalList(List) = "principal_list",
    /// Deletes a principal with its keys and grants.
    PrincipalDelete(PrincipalId) = "principal_delete",
    /// Makes a group.
    GroupCreate(Group) = "group_create",
    /// The groups of a tenant, or of all.
    GroupList(List) = "group_list",
    /// Deletes a group with its grants.
    GroupDelete(Group) = "group_delete",
    /// Puts a principal into a group.
    MemberAdd(Member) = "member_add",
    /// Takes a principal out of a group.
    MemberRemove(Member) = "member_remove",
    /// Makes a key of a principal; its secret is told this once.
    KeyCreate(KeyCreate) = "key_create",
    /// Makes a key in place of another, which goes on for a while.
    KeyRotate(KeyId) = "key_rotate",
    /// Ends a key at once.
    KeyRevoke(KeyId) = "key_revoke",
    /// The keys of a principal, without their secrets.
    KeyList(PrincipalId) = "key_list",
    /// Grants permissions at a node of the tree.
    GrantAdd(Grant) = "grant_add",
    /// Takes permissions away that were granted at a node.
    GrantRevoke(Grant) = "grant_revoke",
    /// The grants at a tenant and its services, or all.
    GrantList(List) = "grant_list",
    /// What was done and what was denied, the newest first.
    AuditList(AuditList) = "audit_list",
}

/// Nothing more is to be said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Who the client is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// The version of the protocol that the client speaks: [`PROTOCOL`](crate::PROTOCOL).
    pub protocol: u32,
    /// What shows it.
    pub credentials: Credentials,
}

/// What shows who the client is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Credentials {
    /// An API key, `cmy_<id>_<secret>`.
    Key(String),
    /// A JSON Web Token, signed by whom the server trusts.
    Jwt(String),
    /// The user that runs the client, told by the system to the Unix socket.
    Local(Empty),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::Key(_) => "Key(..)",
            Credentials::Jwt(_) => "Jwt(..)",
            Credentials::Local(_) => "Local",
        })
    }
}

/// Makes a service; the request names it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceCreate {
    /// How it can be mapped.
    #[serde(default)]
    pub mode: Mode,
    /// Bytes that its segment may grow to; the server's default unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
}

/// How local programs can have the segment of a service itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Not at all: everything goes through the server.
    #[default]
    Served,
    /// As a file, by trusted programs of the user that runs the server.
    Shared,
    /// As memory that nobody can make longer or shorter, by programs of any user: where that is not the server's, who may
    /// only read can only read.
    Isolated,
}

/// A list for a tenant, or for all of which the client may know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// Asks for the segment of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// For changing it, too; that needs `ServiceWrite`.
    #[serde(default)]
    pub write: bool,
}
