//! What is asked of an object: the same whether it is a request of its own or one of a batch. It borrows from that.

use crate::access::{BOTH, READ, WRITE};
use commy_wire::{Call, Clear, Get, Insert, Length, Operation, Permissions, Pop, Push, Remove, Set};
use serde_json::Value as Json;

/// An operation.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub object: &'a str,
    pub path: &'a str,
    /// The version that the object must have, if any.
    pub if_version: Option<u64>,
    pub what: What<'a>,
}

/// What is to be done.
#[derive(Clone, Copy)]
pub enum What<'a> {
    Get,
    Length,
    Set(&'a Json),
    Insert(&'a Json),
    Remove,
    Clear,
    Push { value: &'a Json, front: bool },
    Pop { front: bool, wait_ms: Option<u64> },
}

impl What<'_> {
    /// The permissions that it needs at the object, or above.
    #[inline]
    pub fn needs(&self) -> Permissions {
        match self {
            What::Get | What::Length => READ,
            What::Set(_) | What::Insert(_) | What::Clear | What::Push { .. } => WRITE,
            What::Remove | What::Pop { .. } => BOTH,
        }
    }
}

impl<'a> Asked<'a> {
    /// The operation that a request is, if it is one.
    #[inline]
    pub fn of_call(call: &'a Call) -> Option<Asked<'a>> {
        Some(match call {
            Call::Get(get) => get.into(),
            Call::Set(set) => set.into(),
            Call::Insert(insert) => insert.into(),
            Call::Remove(remove) => remove.into(),
            Call::Clear(clear) => clear.into(),
            Call::Push(push) => push.into(),
            Call::Pop(pop) => pop.into(),
            Call::Length(length) => length.into(),
            _ => return None,
        })
    }

    /// One of a batch, if it is known here.
    pub fn of_operation(operation: &'a Operation) -> Option<Asked<'a>> {
        Some(match operation {
            Operation::Get(get) => get.into(),
            Operation::Set(set) => set.into(),
            Operation::Insert(insert) => insert.into(),
            Operation::Remove(remove) => remove.into(),
            Operation::Clear(clear) => clear.into(),
            Operation::Push(push) => push.into(),
            Operation::Pop(pop) => pop.into(),
            Operation::Length(length) => length.into(),
            _ => return None,
        })
    }

    /// For how many milliseconds it is to wait for an element.
    pub fn waits(&self) -> Option<u64> {
        match self.what {
            What::Pop { wait_ms, .. } => wait_ms,
            _ => None,
        }
    }
}

impl<'a> From<&'a Get> for Asked<'a> {
    #[inline]
    fn from(Get { object, path, if_version }: &'a Get) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Get }
    }
}

impl<'a> From<&'a Length> for Asked<'a> {
    #[inline]
    fn from(Length { object, path, if_version }: &'a Length) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Length }
    }
}

impl<'a> From<&'a Set> for Asked<'a> {
    #[inline]
    fn from(Set { object, path, value, if_version }: &'a Set) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Set(value) }
    }
}

impl<'a> From<&'a Insert> for Asked<'a> {
    #[inline]
    fn from(Insert { object, path, value, if_version }: &'a Insert) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Insert(value) }
    }
}

impl<'a> From<&'a Remove> for Asked<'a> {
    #[inline]
    fn from(Remove { object, path, if_version }: &'a Remove) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Remove }
    }
}

impl<'a> From<&'a Clear> for Asked<'a> {
    #[inline]
    fn from(Clear { object, path, if_version }: &'a Clear) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Clear }
    }
}

impl<'a> From<&'a Push> for Asked<'a> {
    #[inline]
    fn from(Push { object, path, value, front, if_version }: &'a Push) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Push { value, front: *front } }
    }
}

impl<'a> From<&'a Pop> for Asked<'a> {
    #[inline]
    fn from(Pop { object, path, front, wait_ms, if_version }: &'a Pop) -> Asked<'a> {
        Asked { object, path, if_version: *if_version, what: What::Pop { front: *front, wait_ms: *wait_ms } }
    }
}
