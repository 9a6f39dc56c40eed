//! What the server says.

use crate::administration::*;
use crate::error::Failure;
use crate::events::Event;
use crate::permissions::Permissions;
use crate::requests::Mode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The request.
        id: u64,
        /// The answer.
        result: Reply,
    },
    /// A request failed; nothing was changed.
    Error(Failure),
    /// What a watcher is told.
    Event {
        /// The request that began the watch.
        watch: u64,
        /// What there is to be told.
        event: Event,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// To `authenticate`.
    Welcome(Welcome),
    /// To `ping`, and where there is nothing to tell.
    Done {},
    /// To what changed an object.
    Changed {
        /// The object's version with the change.
        version: u64,
    },
    /// To `get`, `remove` and `pop`.
    Value {
        /// Whether there was something.
        found: bool,
        /// What it was.
        value: Value,
        /// The object's version: when it was read, or with the change.
        version: u64,
    },
    /// To `insert`.
    Inserted {
        /// Whether it was not there before.
        new: bool,
        /// The object's version.
        version: u64,
    },
    /// To `length`.
    Length {
        /// Elements, entries or bytes; none if nothing is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
        /// The object's version.
        version: u64,
    },
    /// To `scan`.
    Page {
        /// Keys and values; of a sequence indices and elements, of a set elements and `null`.
        entries: Vec<(Value, Value)>,
        /// For the next page; none if this is the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        /// The object's version.
        version: u64,
    },
    /// To `batch`, an answer to each operation.
    Batch {
        /// The answers.
        results: Vec<Reply>,
    },
    /// To `watch`.
    Watching {
        /// The object's version.
        version: u64,
        /// Whether every change is told, in order.
        every_change: bool,
    },
    /// To `service_create`, `service_open`, `service_describe`.
    Service(ServiceInfo),
    /// To `service_list`.
    Services(Vec<ServiceInfo>),
    /// To `object_create`, `object_describe`.
    Object(ObjectInfo),
    /// To `object_list`.
    Objects(Vec<String>),
    /// To `map`.
    Mapping(Mapping),
    /// To `tenant_create`.
    Tenant(TenantInfo),
    /// To `tenant_list`.
    Tenants(Vec<TenantInfo>),
    /// To `principal_create`.
    Principal(PrincipalInfo),
    /// To `principal_list`.
    Principals(Vec<PrincipalInfo>),
    /// To `group_create`.
    Group(GroupInfo),
    /// To `group_list`.
    Groups(Vec<GroupInfo>),
    /// To `key_create` and `key_rotate`.
    Key(NewKey),
    /// To `key_list`.
    Keys(Vec<KeyInfo>),
    /// To `grant_list`.
    Grants(Vec<Grant>),
    /// To `audit_list`.
    Audit(Vec<AuditEntry>),
}

/// What a client that has shown who it is gets to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Welcome {
    /// The version of the protocol.
    pub protocol: u32,
    /// The server's version.
    pub server: String,
    /// Who the client is, by number.
    pub principal: u64,
    /// Its name.
    pub name: String,
    /// Bytes that a frame may have.
    pub max_frame: u64,
    /// Operations that a batch may have.
    pub max_batch: u32,
    /// Requests that may be in flight.
    pub max_in_flight: u32,
    /// The server sends a ping when it has heard nothing for so many milliseconds, and closes after three times that.
    pub idle_ms: u64,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceInfo {
    /// Its number, which is never used again.
    pub id: u64,
    /// Its tenant's name.
    pub tenant: String,
    /// Its name.
    pub service: String,
    /// How it can be mapped.
    pub mode: Mode,
    /// Bytes that its segment may grow to.
    pub quota: u64,
    /// What the client may do there.
    pub permissions: Permissions,
    /// Bytes that its segment has, in `service_describe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How many objects it has, in `service_describe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectInfo {
    /// Its name.
    pub object: String,
    /// Its type, as text.
    pub r#type: String,
    /// Its version.
    pub version: u64,
    /// Elements, entries or bytes, if it has a length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Whether it keeps its changes for watchers.
    pub every_change: bool,
}

/// How to get the segment: whoever connects to the socket and sends the ticket, in time, gets its descriptor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mapping {
    /// The path of a Unix socket on the server's machine.
    pub socket: String,
    /// To be sent there, once, within ten seconds.
    pub ticket: String,
    /// Whether the descriptor will be open for writing.
    pub write: bool,
}
