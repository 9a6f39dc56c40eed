//! The messages between commy's coordinator and its clients.
//!
//! ```text
//! client --Request--> server       {"id":7,"service":"acme/orders","call":{"get":{"object":"stock","path":"apples"}}}
//! server --Message--> client       {"reply":{"id":7,"result":{"value":{"found":true,"value":3,"version":12}}}}
//!                                  {"error":{"id":7,"code":"denied","message":".."}}
//!                                  {"event":{"watch":5,"event":{"value":{"found":true,"value":3,"version":12}}}}
//! ```
//!
//! A message is one of a WebSocket (`frames`): a text has it as JSON, a binary one as CBOR with the same names. The server
//! answers in the encoding that it was asked in. docs/PROTOCOL.md tells what each message does, docs/protocol.schema.json
//! has them as JSON Schema, and `vectors/` has examples that every implementation must read as ours does.
//!
//! Segments themselves go to programs on the same machine as descriptors (`descriptor`).
//!
//! Values of objects are JSON as `commy::dynamic` writes it, in both encodings.

mod administration;
mod cbor;
#[cfg(unix)]
pub mod descriptor;
mod encoding;
mod error;
mod events;
mod frames;
mod operations;
mod permissions;
mod replies;
mod requests;

pub use administration::{
    At, AuditEntry, AuditList, Grant, Group, GroupInfo, KeyCreate, KeyId, KeyInfo, Member, NewKey, PrincipalCreate,
    PrincipalId, PrincipalInfo, PrincipalKind, Subject, Tenant, TenantInfo,
};
pub use encoding::{Encoding, Malformed, decode, encode, encode_behind};
pub use error::{Code, Failure};
pub use events::{Change, ChangeKind, Event};
pub use frames::{Broken, Frame, Frames, put_close, put_message, put_ping, put_pong};
pub use operations::{
    Batch, Clear, Get, Insert, Length, ObjectCreate, ObjectName, Operation, Pop, Push, Remove, Scan, Set, Unwatch,
    Watch,
};
pub use permissions::{Permission, Permissions};
pub use replies::{Mapping, Message, ObjectInfo, Reply, ServiceInfo, Welcome};
pub use requests::{Authenticate, Call, Credentials, Empty, List, Map, Mode, Request, ServiceCreate};

/// The version of this protocol.
pub const PROTOCOL: u32 = 1;

/// The JSON Schemas of what a client sends and of what the server sends, as one document.
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    serde_json::json!({
        "request": schemars::schema_for!(Request),
        "message": schemars::schema_for!(Message),
    })
}
