//! What can go wrong.

use commy_wire::{Code, Failure};

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server says no.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The server cannot be reached.
    #[error("connecting to {url}: {reason}")]
    Connect {
        /// Where it should be.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The connection was lost while a request was under way that may have changed something: whether it did is not
    /// known.
    #[error("the connection was lost; whether the request was done is not known")]
    Disconnected,
    /// The client was closed, or what the server was told about it is not true any more.
    #[error("the connection has ended: {0}")]
    Closed(String),
    /// A value that is none of the type that was asked for.
    #[error("the value is none of the type that was asked for: {0}")]
    Value(String),
    /// An answer that is none to the request.
    #[error("the server answered something else than was asked")]
    Unexpected,
    /// The segment cannot be used, or not from here.
    #[error("the segment: {0}")]
    Segment(String),
}

impl Error {
    /// The server's code, if it is the server that said no.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Failed(failure) => Some(failure.code),
            _ => None,
        }
    }
}
