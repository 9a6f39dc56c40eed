//! Requests as most are: an operation on one object, allowed by what is granted at its service, and done at once.
//!
//! ```text
//! bytes --> names borrowed from them --> known, allowed, not locked? --> done           nothing was copied but a value
//!       \                                                         \
//!        `--> a request of its own  <------------------------------`                   the general way (`calls`)
//! ```
//!
//! Whatever is otherwise goes the general way, from the bytes on, which then also says what is wrong.

use super::session::Session;
use crate::failure::Result;
use crate::services::{Asked, What};
use commy_wire::{Call, Code, Encoding, Reply, decode};
use serde::Deserialize;
use serde_json::Value as Json;
use std::borrow::Cow;

/// A request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief<'a> {
    pub id: u64,
    #[serde(borrow)]
    service: Cow<'a, str>,
    #[serde(borrow)]
    call: Operation<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation<'a> {
    #[serde(borrow)]
    Get(At<'a>),
    #[serde(borrow)]
    Length(At<'a>),
    #[serde(borrow)]
    Remove(At<'a>),
    #[serde(borrow)]
    Set(Put<'a>),
    #[serde(borrow)]
    Insert(Put<'a>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    #[serde(default)]
    if_version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    value: Json,
    #[serde(default)]
    if_version: Option<u64>,
}

/// The place of a kind of request in [`Call::KINDS`].
const fn number(kind: &str) -> usize {
    let mut at = 0;
    loop {
        let (one, other) = (Call::KINDS[at].as_bytes(), kind.as_bytes());
        let mut same = 0;
        while one.len() == other.len() && same < one.len() && one[same] == other[same] {
            same += 1;
        }
        if one.len() == other.len() && same == one.len() {
            return at;
        }
        at += 1;
    }
}

impl<'a> Brief<'a> {
    /// The request that some bytes are, if it is one of these.
    #[inline]
    pub fn read(encoding: Encoding, bytes: &'a [u8]) -> Option<Brief<'a>> {
        decode(encoding, bytes).ok()
    }

    /// Whether a request is one of these.
    pub fn is(call: &Call) -> bool {
        matches!(call, Call::Get(_) | Call::Length(_) | Call::Remove(_) | Call::Set(_) | Call::Insert(_))
    }

    /// The place of its kind in [`Call::KINDS`].
    pub fn number(&self) -> usize {
        match self.call {
            Operation::Get(_) => const { number("get") },
            Operation::Length(_) => const { number("length") },
            Operation::Remove(_) => const { number("remove") },
            Operation::Set(_) => const { number("set") },
            Operation::Insert(_) => const { number("insert") },
        }
    }

    fn asked(&self) -> Asked<'_> {
        match &self.call {
            Operation::Get(at) => at.asked(What::Get),
            Operation::Length(at) => at.asked(What::Length),
            Operation::Remove(at) => at.asked(What::Remove),
            Operation::Set(put) => put.asked(What::Set(&put.value)),
            Operation::Insert(put) => put.asked(What::Insert(&put.value)),
        }
    }
}

impl At<'_> {
    fn asked<'a>(&'a self, what: What<'a>) -> Asked<'a> {
        Asked { object: &self.object, path: &self.path, if_version: self.if_version, what }
    }
}

impl Put<'_> {
    fn asked<'a>(&'a self, what: What<'a>) -> Asked<'a> {
        Asked { object: &self.object, path: &self.path, if_version: self.if_version, what }
    }
}

impl Session {
    /// Does such a request; gives nothing, and has changed nothing, if it is not to be done this way.
    #[inline]
    pub fn do_brief(&mut self, brief: &Brief<'_>) -> Option<Result<Reply>> {
        let asked = brief.asked();
        let opened = self.allowed(&brief.service, asked.what.needs())?;
        match opened.service.operate(&mut opened.last, &asked, true) {
            Err(failure) if failure.code == Code::Busy => None,
            done => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commy_wire::{Request, encode};
    use proptest::prelude::*;

    const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Cbor];

    /// Each kind of request, as the documents show them.
    fn requests() -> Vec<Request> {
        let text = include_str!("../../../commy-wire/vectors/requests.json");
        let vectors: Vec<Json> = serde_json::from_str(text).unwrap();
        vectors.iter().map(|vector| serde_json::from_value(vector["json"].clone()).unwrap()).collect()
    }

    /// What the bytes are read as is what they are read as in general. Gives whether it is anything.
    fn is_the_same(encoding: Encoding, bytes: &[u8]) -> bool {
        let Some(brief) = Brief::read(encoding, bytes) else { return false };
        let request: Request = decode(encoding, bytes).expect("what is a request in brief is one");
        let (short, long) = (brief.asked(), Asked::of_call(&request.call).unwrap());
        assert_eq!((brief.id, Some(&*brief.service)), (request.id, request.service.as_deref()));
        assert_eq!((short.object, short.path, short.if_version), (long.object, long.path, long.if_version));
        assert_eq!((brief.number(), short.what.needs()), (request.call.number(), long.what.needs()));
        match (short.what, long.what) {
            (What::Set(one), What::Set(other)) | (What::Insert(one), What::Insert(other)) => assert_eq!(one, other),
            (one, other) => assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other)),
        }
        true
    }

    #[test]
    fn a_request_in_brief_is_the_same_as_in_general() {
        let mut found = 0;
        for request in requests() {
            for encoding in ENCODINGS {
                let expected = Brief::is(&request.call) && request.service.is_some();
                assert_eq!(is_the_same(encoding, &encode(encoding, &request)), expected, "{request:?}");
                found += usize::from(expected);
            }
        }
        assert!(found >= 2 * 5, "each kind of these has a vector");
        let escaped = br#"{"id":1,"service":"a\/b","call":{"get":{"object":"\u0061\"","path":"x\\y"}}}"#;
        assert!(is_the_same(Encoding::Json, escaped), "what is written with escapes cannot be borrowed");
        for refused in [
            &br#"{"id":1,"service":"a/b","call":{"get":{"object":"x","value":1}}}"#[..],
            br#"{"id":1,"service":"a/b","call":{"set":{"object":"x"}}}"#,
            br#"{"id":1,"service":"a/b","call":{"get":{"object":"x"}},"more":1}"#,
            br#"{"id":1,"service":null,"call":{"get":{"object":"x"}}}"#,
        ] {
            assert!(!is_the_same(Encoding::Json, refused));
        }
    }

    proptest! {
        #[test]
        fn so_it_is_when_bytes_of_it_were_changed(
            request in prop::sample::select(requests()),
            cbor in any::<bool>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let encoding = ENCODINGS[usize::from(cbor)];
            let mut bytes = encode(encoding, &request);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            is_the_same(encoding, &bytes);
        }
    }
}
