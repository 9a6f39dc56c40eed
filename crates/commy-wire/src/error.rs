//! What went wrong, for programs a code and for people a text.

use serde::{Deserialize, Serialize};

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The frame is no message. The connection is closed.
    BadFrame,
    /// The message lacks something, or something in it is out of range.
    BadRequest,
    /// The client speaks another version of the protocol. The connection is closed.
    ProtocolVersion,
    /// The credentials are not valid, or there was a request before them. The connection is closed.
    Unauthenticated,
    /// It was not granted. Also what is not there is denied to who may not know that.
    Denied,
    /// There is no such thing.
    NotFound,
    /// There is one of that name already.
    Exists,
    /// What was to be deleted is in use.
    InUse,
    /// The object is of another version than was asked for; nothing was changed.
    Conflict,
    /// The type cannot be made.
    BadType,
    /// The value is none of the type; the message names the place.
    BadValue,
    /// No value of the type has anything at that path.
    BadPath,
    /// A message, a value or a batch is beyond a limit.
    TooLarge,
    /// Too many requests in flight, connections or watches.
    TooMany,
    /// The object was locked for too long; nothing was changed.
    Busy,
    /// The service has used up its quota, or the disk is full; nothing was changed.
    OutOfSpace,
    /// What is stored is damaged.
    Corrupt,
    /// This server, or this kind of connection, cannot do that.
    Unsupported,
    /// The server is stopping, or cannot reach its catalog.
    Unavailable,
    /// A fault of the server.
    Internal,
}

/// An answer that says what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{message} ({code:?})")]
pub struct Failure {
    /// The request that failed; none if the frame could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong, for people.
    pub message: String,
    /// In a batch, which operation failed, from 0 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<u32>,
}

impl Failure {
    /// A failure, not yet of any request.
    pub fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure { id: None, code, message: message.into(), operation: None }
    }
}
