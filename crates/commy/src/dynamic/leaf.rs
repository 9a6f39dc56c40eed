//! Values from bytes that are no place in the file: of what has no parts, and of keys in notes of changes.
//!
//! What a ring notes of a key is said in `tx::ring`: a text as its letters; what owns nothing as its stored bytes.

use super::load::{array_count, is_bytes};
use super::value::Value;
use super::written::is_tuple;
use crate::error::{Error, Result};
use crate::schema::{Field, Kind, Node};
use crate::tx::{Form, Note};
use crate::walk::{Plan, duration_of, number_of};
use std::time::Duration;

/// Elements without size that an array in a key may have.
const MOST: usize = 1 << 16;

/// Whether values of that kind are neither containers nor have parts, and are not changed without a lock.
pub(super) fn has_no_parts(kind: Kind) -> bool {
    let number = matches!(kind, Kind::Unsigned | Kind::Signed | Kind::NonZeroUnsigned | Kind::NonZeroSigned);
    number || matches!(kind, Kind::Unit | Kind::Float | Kind::Bool | Kind::Char | Kind::Duration)
}

/// The value of these bytes, of a type that is neither a container nor has parts, and is not changed without a lock.
///
/// # Errors
/// What they are instead.
#[inline]
pub(super) fn leaf(node: &Node, bytes: &[u8]) -> Result<Value, &'static str> {
    let number = number_of(node, bytes);
    Ok(match node.kind {
        Kind::Unit => Value::Unit,
        Kind::NonZeroUnsigned | Kind::NonZeroSigned if number == 0 => {
            return Err("a number that is zero and must not be");
        }
        Kind::Unsigned | Kind::NonZeroUnsigned => Value::Unsigned(number as u128),
        Kind::Signed | Kind::NonZeroSigned => Value::Signed(number),
        Kind::Float if node.size == 4 => Value::Float32(f32::from_bits(number as u32)),
        Kind::Float => Value::Float64(f64::from_bits(number as u64)),
        Kind::Bool => match number {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err("a bool that is neither"),
        },
        Kind::Char => Value::Char(char::from_u32(number as u32).ok_or("a char that is none")?),
        Kind::Duration => match bytes.try_into().map(duration_of) {
            Ok((seconds, nanoseconds @ 0..1_000_000_000)) => Value::Duration(Duration::new(seconds, nanoseconds)),
            _ => return Err("a duration with more than a second of nanoseconds"),
        },
        _ => return Err("a value with parts, where one without is expected"),
    })
}

/// The key of a map or set that a note names.
///
/// # Errors
/// [`Error::Corrupt`] if it is no key of that map.
pub(super) fn noted_key(plan: &Plan, note: &Note) -> Result<Value> {
    let corrupt = || Error::corrupt(0, "a noted key that is none");
    let node = plan.entries(0).0.ok_or_else(corrupt)?;
    if note.form == Form::Text {
        let text = (plan.node(node).kind == Kind::String).then(|| String::from_utf8(note.key.clone()).ok());
        return text.flatten().map(Value::Text).ok_or_else(corrupt);
    }
    let whole = !plan.owns(node) && plan.node(node).size == note.key.len();
    whole.then(|| of_bytes(plan, node, &note.key)).flatten().ok_or_else(corrupt)
}

/// The value of a type that owns nothing, of its stored bytes.
fn of_bytes(plan: &Plan, node: usize, bytes: &[u8]) -> Option<Value> {
    let described = plan.node(node);
    let part =
        |field: &Field| of_bytes(plan, field.node, bytes.get(field.offset..)?.get(..plan.node(field.node).size)?);
    let record = |fields: &[Field]| {
        if is_tuple(fields) {
            return fields.iter().map(part).collect::<Option<_>>().map(Value::List);
        }
        let named = fields.iter().map(|field| Some((field.name.clone(), part(field)?)));
        named.collect::<Option<_>>().map(Value::Record)
    };
    match described.kind {
        Kind::Struct => record(&described.variants.first()?.fields),
        Kind::Enum | Kind::SignedEnum | Kind::Option => {
            let tag = number_of(described, bytes.get(..bytes.len().min(8))?) as u64;
            let variant = described.variants.iter().find(|variant| variant.tag == tag)?;
            match (described.kind, &variant.fields[..]) {
                (Kind::Option, []) => Some(Value::Option(None)),
                (Kind::Option, [some, ..]) => Some(Value::Option(Some(Box::new(part(some)?)))),
                (_, []) => Some(Value::Variant(variant.name.clone(), Box::new(Value::Unit))),
                (_, fields) => Some(Value::Variant(variant.name.clone(), Box::new(record(fields)?))),
            }
        }
        Kind::Array => {
            let (element, size) = plan.element(node);
            if is_bytes(plan, node) {
                return Some(Value::Bytes(bytes.to_vec()));
            }
            let elements: Vec<&[u8]> = match plan.node(element).size {
                0 => vec![&[]; usize::try_from(array_count(plan, node)).ok().filter(|count| *count <= MOST)?],
                _ => bytes.chunks_exact(size).collect(),
            };
            elements.into_iter().map(|one| of_bytes(plan, element, one)).collect::<Option<_>>().map(Value::List)
        }
        _ => leaf(described, bytes).ok(),
    }
}
