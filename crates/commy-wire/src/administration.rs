//! Tenants, principals, groups, keys, grants and the audit: what is asked about them and told of them.
//!
//! Things are identified by numbers, which are never used again. Names are looked up once, and whole.

use crate::permissions::Permissions;
use serde::{Deserialize, Serialize};

macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$of])* pub $field: $type,)* }
    };
}

message! {
    /// A tenant by its name.
    Tenant {
        /// Its name.
        tenant: String,
    }
}

message! {
    /// A tenant.
    TenantInfo {
        /// Its number.
        id: u64,
        /// Its name.
        tenant: String,
    }
}

/// How a principal shows who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrincipalKind {
    /// By API keys.
    Key,
    /// By tokens whose subject is this.
    Jwt(String),
    /// As the local user of this number, over the Unix socket.
    User(u32),
}

message! {
    /// Makes a principal.
    PrincipalCreate {
        /// Its name, which is for people.
        name: String,
        /// The tenant that it belongs to, whose administrators may administer it; none: the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// How it shows who it is.
        kind: PrincipalKind,
    }
}

message! {
    /// A principal by its number.
    PrincipalId {
        /// Its number.
        principal: u64,
    }
}

message! {
    /// A principal.
    PrincipalInfo {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
        /// The tenant that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// How it shows who it is.
        kind: PrincipalKind,
    }
}

message! {
    /// A group, by tenant and name.
    Group {
        /// Its name.
        name: String,
        /// The tenant that it belongs to; none: the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
    }
}

message! {
    /// A group and who is in it.
    GroupInfo {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
        /// The tenant that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// The principals in it.
        members: Vec<u64>,
    }
}

message! {
    /// A principal and a group.
    Member {
        /// The group.
        group: u64,
        /// The principal.
        principal: u64,
    }
}

message! {
    /// Makes a key.
    KeyCreate {
        /// The principal that it shows.
        principal: u64,
        /// Seconds until it expires; never unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_in: Option<u64>,
    }
}

message! {
    /// A key by its public part.
    KeyId {
        /// The part between `cmy_` and the secret.
        key: String,
        /// For how many seconds a rotated key goes on; 0 unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overlap: Option<u64>,
    }
}

message! {
    /// A new key: the only time that its secret is told.
    NewKey {
        /// Its public part.
        key: String,
        /// The whole key, `cmy_<id>_<secret>`.
        secret: String,
    }
}

message! {
    /// A key, without its secret.
    KeyInfo {
        /// Its public part.
        key: String,
        /// The principal that it shows.
        principal: u64,
        /// When it was made, in seconds since 1970.
        created: u64,
        /// When it expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    }
}

/// To whom something is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A principal, by its number.
    Principal(u64),
    /// All who are in a group, by its number.
    Group(u64),
}

/// A place in the tree; none of these: the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The service of that tenant; none: the tenant with all of its services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The object of that service; none: the service with all of its objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

message! {
    /// Permissions of somebody at a place, and below it: to be added there, to be taken away there, or as they are.
    Grant {
        /// To whom.
        to: Subject,
        /// Where; at the server unless given.
        #[serde(default)]
        at: At,
        /// What.
        permissions: Permissions,
    }
}

message! {
    /// Asks for the audit.
    AuditList {
        /// Only what is about this tenant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// Only what came before the entry of this number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// How many at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
}

message! {
    /// What was done, or denied.
    AuditEntry {
        /// Its number; later entries have larger ones.
        id: u64,
        /// When, in milliseconds since 1970.
        at: u64,
        /// Who, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal: Option<u64>,
        /// The kind of request.
        action: String,
        /// What it was about.
        subject: String,
        /// Whether it was allowed.
        allowed: bool,
        /// More about it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    }
}
