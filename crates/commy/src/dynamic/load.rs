//! From the stored form of a value to the value.
//!
//! Nothing in the file is trusted: places are checked by the cursors of `containers::untyped`, and one load gives no more
//! values than `Work` allows, whatever lengths and links say.

use super::leaf::leaf;
use super::value::Value;
use super::written::is_tuple;
use crate::containers::untyped::{Contents, Step};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::schema::nesting::Nesting;
use crate::schema::{Field, Kind};
use crate::tx::Cx;
use crate::walk::{Plan, Untyped};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Values between two looks at whether reading on is of use.
const STRIDE: u64 = 256;

/// What may still be read: bounds the time of reading what is damaged, or is being changed. Each value has a byte at
/// least, or is one of those without size, of which there may be some, too.
pub(super) struct Work {
    /// Of the object, if it may be watched.
    cx: Option<Cx>,
    left: u64,
    /// Values, and bytes of texts, that a copy may have, and how many are left of these.
    limit: u64,
    room: u64,
}

impl Work {
    pub(super) fn new(cx: Cx, limit: u64) -> Work {
        Work { cx: Some(cx), limit, room: limit, ..Work::unwatched(cx.map()) }
    }

    /// For what cannot take long.
    pub(super) fn unwatched(map: &Map) -> Work {
        Work { cx: None, left: map.size().saturating_mul(2).max(1 << 24), limit: u64::MAX, room: u64::MAX }
    }

    /// Takes up room for a value, or for bytes.
    #[inline]
    fn copy(&mut self, many: u64) -> Result<()> {
        self.room = self.room.checked_sub(many).ok_or_else(|| Error::ValueTooLarge { limit: self.limit })?;
        Ok(())
    }

    #[inline]
    pub(super) fn spend(&mut self, at: u64) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| Error::corrupt(at, "values that contain themselves"))?;
        if self.left.is_multiple_of(STRIDE) && self.cx.is_some_and(Cx::is_stale) {
            return Err(Error::corrupt(at, "an object that was changed while it was read"));
        }
        Ok(())
    }
}

/// The value that is stored there.
pub(super) fn load(value: Untyped<'_>, work: &mut Work) -> Result<Value> {
    let _nesting = Nesting::enter(value.plan.owns(value.node))?;
    work.spend(value.offset)?;
    work.copy(1)?;
    let node = value.type_of();
    Ok(match node.kind {
        Kind::Atomic => load_atomic(value)?,
        Kind::Struct => fields(value, value.fields()?, work)?,
        Kind::Enum | Kind::SignedEnum => {
            let (fields_of, tag) = (value.fields()?, value.tag()?);
            let name = node.variants.iter().find(|variant| variant.tag == tag).map_or("", |variant| &variant.name);
            let payload = if fields_of.is_empty() { Value::Unit } else { fields(value, fields_of, work)? };
            Value::Variant(name.to_owned(), Box::new(payload))
        }
        Kind::Option => match value.fields()? {
            [] => Value::Option(None),
            [some, ..] => Value::Option(Some(Box::new(load(value.field(some), work)?))),
        },
        Kind::String => {
            work.copy(value.text()?.len() as u64)?;
            Value::Text(text(value)?)
        }
        Kind::Box => {
            let mut content = None;
            each(value, work, |work, entry, _| {
                content = Some(load(entry, work)?);
                Ok(true)
            })?;
            match (content, value.plan.entries(value.node).0) {
                (Some(content), _) => content,
                // What has no size has no block.
                (None, Some(node)) => load(value.at(node, value.offset), work)?,
                (None, None) => return Err(Error::corrupt(value.offset, "a box of nothing")),
            }
        }
        Kind::Array | Kind::Vec | Kind::VecDeque | Kind::HashSet | Kind::BTreeSet => {
            if is_bytes(value.plan, value.node) {
                return Ok(Value::Bytes(bytes(value, work)?));
            }
            let mut all = Vec::new();
            each(value, work, |work, entry, _| {
                all.push(load(entry, work)?);
                Ok(true)
            })?;
            Value::List(all)
        }
        Kind::HashMap | Kind::BTreeMap => {
            let mut all = Vec::new();
            each(value, work, |work, key, value| {
                let key = load(key, work)?;
                all.push((key, value.map_or(Ok(Value::Unit), |value| load(value, work))?));
                Ok(true)
            })?;
            Value::Map(all)
        }
        _ => {
            let leaf = leaf(node, value.leaf_bytes()?);
            leaf.map_err(|what| Error::corrupt(value.offset, what))?
        }
    })
}

/// Whether a type is a sequence of `u8`, whose values are `Value::Bytes`.
pub(super) fn is_bytes(plan: &Plan, node: usize) -> bool {
    let element = plan.entries(node).0.map(|element| plan.node(element));
    matches!(plan.node(node).kind, Kind::Vec | Kind::VecDeque | Kind::Array)
        && element.is_some_and(|element| element.kind == Kind::Unsigned && element.size == 1)
}

fn bytes(value: Untyped<'_>, work: &mut Work) -> Result<Vec<u8>> {
    if let Some(bytes) = value.row_bytes()? {
        work.copy(bytes.len() as u64)?;
        return Ok(bytes.to_vec());
    }
    let mut all = Vec::new();
    each(value, work, |work, entry, _| {
        work.copy(1)?;
        all.push(entry.number()? as u8);
        Ok(true)
    })?;
    Ok(all)
}

/// The text of a string.
pub(super) fn text(value: Untyped<'_>) -> Result<String> {
    let bytes = value.text()?.to_vec();
    String::from_utf8(bytes).map_err(|_| Error::corrupt(value.offset, "a string that is not UTF-8"))
}

fn fields(value: Untyped<'_>, fields: &[Field], work: &mut Work) -> Result<Value> {
    if is_tuple(fields) {
        let all = fields.iter().map(|field| load(value.field(field), work));
        return all.collect::<Result<_>>().map(Value::List);
    }
    let all = fields.iter().map(|field| Ok((field.name.clone(), load(value.field(field), work)?)));
    all.collect::<Result<_>>().map(Value::Record)
}

/// Hands over the entries of a container or array, one by one in its order, until `visit` says no.
pub(super) fn each<'a>(
    value: Untyped<'a>,
    work: &mut Work,
    mut visit: impl FnMut(&mut Work, Untyped<'a>, Option<Untyped<'a>>) -> Result<bool>,
) -> Result<()> {
    let node = value.type_of();
    if node.kind == Kind::Array {
        let (element, size) = value.plan.element(value.node);
        for index in 0..array_len(value) {
            work.spend(value.offset)?;
            if !visit(work, value.at(element, value.offset + index * size as u64), None)? {
                return Ok(());
            }
        }
        return Ok(());
    }
    let Some(contents) = value.contents()? else { return Ok(()) };
    let (forms, (first, second)) = (value.plan.forms(value.node), value.plan.entries(value.node));
    let mut stack = vec![contents];
    while let Some(top) = stack.last_mut() {
        match top.step(value.map, forms, true)? {
            Step::Entry(key, content) => {
                work.spend(key)?;
                let Some(first) = first else { return Ok(()) };
                if !visit(work, value.at(first, key), second.map(|second| value.at(second, content)))? {
                    return Ok(());
                }
            }
            Step::Down(contents) => {
                work.spend(value.offset)?;
                stack.push(contents);
            }
            // Blocks are of no interest, but further entries may follow.
            Step::Block(_) => work.spend(value.offset)?,
            Step::End => {
                stack.pop();
            }
        }
    }
    Ok(())
}

/// How many elements an array has.
pub(super) fn array_len(value: Untyped<'_>) -> u64 {
    array_count(value.plan, value.node)
}

/// How many elements an array type has; those without size cannot be counted, and are told by its name alone.
pub(super) fn array_count(plan: &Plan, array: usize) -> u64 {
    let node = plan.node(array);
    match plan.entries(array).0.map(|element| plan.node(element).size) {
        Some(0) | None => {
            let count = node.name.rsplit_once("; ").and_then(|(_, count)| count.strip_suffix(']')?.parse().ok());
            count.unwrap_or(0)
        }
        Some(size) => (node.size / size) as u64,
    }
}

/// How many elements or entries there are; of a text the bytes. `None` for what is no container.
pub(super) fn len(value: Untyped<'_>) -> Result<Option<u64>> {
    Ok(match value.type_of().kind {
        Kind::Array => Some(array_len(value)),
        Kind::HashMap | Kind::HashSet => Some(crate::containers::hash::Facts::of(value.map, value.offset)?.len),
        Kind::BTreeMap | Kind::BTreeSet => Some(crate::containers::btree::length(value.map, value.offset)?),
        Kind::String | Kind::Vec | Kind::VecDeque => Some(match value.contents()? {
            Some(Contents::Row(row)) => row.len,
            Some(Contents::Ring(ring)) => ring.len,
            _ => 0,
        }),
        _ => None,
    })
}

/// What an atomic has at this moment.
fn load_atomic(value: Untyped<'_>) -> Result<Value> {
    let node = value.type_of();
    let size = node.size as u64;
    let place = value.map.at(value.offset, size, size.max(1));
    let place = place.ok_or_else(|| Error::corrupt(value.offset, "an atomic outside the file"))?;
    // SAFETY: so many bytes in the file, so aligned, which are only ever used as an atomic.
    let number = unsafe {
        match size {
            1 => u64::from(AtomicU8::from_ptr(place).load(Ordering::SeqCst)),
            2 => u64::from(AtomicU16::from_ptr(place.cast()).load(Ordering::SeqCst)),
            4 => u64::from(AtomicU32::from_ptr(place.cast()).load(Ordering::SeqCst)),
            _ => AtomicU64::from_ptr(place.cast()).load(Ordering::SeqCst),
        }
    };
    let unused = 64 - node.size as u32 * 8;
    Ok(match value.plan.entries(value.node).0.map(|of| value.plan.node(of).kind) {
        Some(Kind::Signed) => Value::Signed(((number as i64) << unused >> unused).into()),
        Some(Kind::Bool) => Value::Bool(number != 0),
        _ => Value::Unsigned(number.into()),
    })
}
