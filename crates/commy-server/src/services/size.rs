//! Whether an answer fits into a frame: looked at before what it tells of is done for good, so that nothing is taken out of an
//! object of which nobody can be told.

use crate::failure::fail;
use commy::Error;
use commy_wire::{Code, Encoding, Reply, encode};
use serde_json::Value as Json;

/// What a frame has besides an answer.
const AROUND: usize = 64;

/// Bytes that a value has at most, in either encoding: each of a text may be written as six.
fn most(value: &Json) -> usize {
    let text = |text: &String| text.len() * 6 + 9;
    match value {
        Json::String(string) => text(string),
        Json::Array(all) => all.iter().map(|value| most(value) + 1).sum::<usize>() + 9,
        Json::Object(all) => all.iter().map(|(key, value)| text(key) + most(value) + 2).sum::<usize>() + 9,
        _ => 32,
    }
}

/// Refuses answers that have more bytes together than a frame may have.
///
/// # Errors
/// [`Code::TooLarge`].
pub(super) fn must_fit<'r>(replies: impl Iterator<Item = &'r Reply> + Clone, limit: usize) -> commy::Result<()> {
    let about = |reply: &Reply| match reply {
        Reply::Value { value, .. } => most(value) + AROUND,
        _ => AROUND,
    };
    if replies.clone().map(about).sum::<usize>() + AROUND <= limit {
        return Ok(());
    }
    let exactly = |reply: &Reply| [Encoding::Json, Encoding::Cbor].map(|encoding| encode(encoding, reply).len() + 1);
    let sums = replies.map(exactly).fold([AROUND; 2], |[json, cbor], [a, b]| [json + a, cbor + b]);
    match sums.into_iter().max() {
        Some(length) if length > limit => Err(Error::other(too_large(length, limit))),
        _ => Ok(()),
    }
}

/// What is said of an answer that is too large.
pub fn too_large(length: usize, limit: usize) -> commy_wire::Failure {
    fail(Code::TooLarge, format!("the answer has {length} bytes, a frame may have {limit}: ask for less"))
}
