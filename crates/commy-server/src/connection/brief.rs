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
