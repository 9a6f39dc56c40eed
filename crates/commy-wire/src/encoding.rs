//! Messages to and from the bytes of a frame.

use crate::cbor;
use serde::{Deserialize, Serialize};

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// JSON, in text frames.
    Json,
    /// CBOR, in binary frames.
    Cbor,
}

/// The bytes are no message.
#[derive(Debug, thiserror::Error)]
#[error("no message: {0}")]
pub struct Malformed(pub(crate) cbor::Error);

/// The bytes of a message.
///
/// # Panics
/// Never: messages have no maps with keys that JSON lacks.
pub fn encode<T: Serialize>(encoding: Encoding, message: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    encode_behind(&mut bytes, encoding, message);
    bytes
}

/// Writes the bytes of a message behind others.
///
/// # Panics
/// Never, as [`encode`].
pub fn encode_behind<T: Serialize>(bytes: &mut Vec<u8>, encoding: Encoding, message: &T) {
    let written = match encoding {
        Encoding::Json => serde_json::to_writer(bytes, message).map_err(|error| error.to_string()),
        Encoding::Cbor => cbor::write(bytes, message).map_err(|error| error.to_string()),
    };
    if let Err(error) = written {
        unreachable!("a message that cannot be written: {error}");
    }
}

/// The message that some bytes are. It may borrow texts from them.
///
/// # Errors
/// [`Malformed`] if they are none, or if something is behind it.
pub fn decode<'de, T: Deserialize<'de>>(encoding: Encoding, bytes: &'de [u8]) -> Result<T, Malformed> {
    match encoding {
        Encoding::Json => serde_json::from_slice(bytes).map_err(|error| Malformed(cbor::Error::new(error))),
        Encoding::Cbor => cbor::read(bytes),
    }
}
