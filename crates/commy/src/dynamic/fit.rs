//! How a value fits a type: its parts in the order of the type's, or an error that says where it does not.

use super::value::Value;
use super::written::is_tuple;
use crate::error::{Error, Result};
use crate::schema::{Field, KeyHasher, Kind, Node, Variant};
use crate::walk::{Plan, Untyped};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The error for a value that is none of a type.
#[cold]
pub(super) fn misfit(node: &Node, value: &Value) -> Error {
    Error::BadValue { place: String::new(), found: value.kind().to_owned(), expected: node.name.clone() }
}

/// The error with the place that the value is in put before it.
pub(super) fn inside(error: Error, outer: &str) -> Error {
    match error {
        Error::BadValue { place, found, expected } => {
            let place = if place.is_empty() { outer.to_owned() } else { format!("{outer}/{place}") };
            Error::BadValue { place, found, expected }
        }
        error => error,
    }
}

/// The bits of what is a number, a `bool` or a `char`, its sign extended.
pub(super) fn number(node: &Node, value: &Value) -> Result<u128> {
    let too_large = |shown: String| Error::BadValue { place: String::new(), found: shown, expected: node.name.clone() };
    let bits = node.size as u32 * 8;
    let signed = matches!(node.kind, Kind::Signed | Kind::NonZeroSigned);
    Ok(match (node.kind, value) {
        (Kind::Unsigned | Kind::NonZeroUnsigned | Kind::Signed | Kind::NonZeroSigned, Value::Unsigned(number)) => {
            let most = if signed { (1u128 << (bits - 1)) - 1 } else { u128::MAX >> (128 - bits) };
            if *number > most {
                return Err(too_large(number.to_string()));
            }
            if *number == 0 && matches!(node.kind, Kind::NonZeroUnsigned | Kind::NonZeroSigned) {
                return Err(too_large("0".into()));
            }
            *number
        }
        (Kind::Signed | Kind::NonZeroSigned, Value::Signed(number)) if *number < 0 => {
            if *number < i128::MIN >> (128 - bits) {
                return Err(too_large(number.to_string()));
            }
            *number as u128
        }
        (Kind::Unsigned | Kind::NonZeroUnsigned | Kind::Signed | Kind::NonZeroSigned, Value::Signed(signed)) => {
            match u128::try_from(*signed) {
                Ok(unsigned) => number(node, &Value::Unsigned(unsigned))?,
                Err(_) => return Err(too_large(signed.to_string())),
            }
        }
        (Kind::Bool, Value::Bool(value)) => u128::from(*value),
        (Kind::Char, Value::Char(value)) => u128::from(*value as u32),
        (Kind::Float, Value::Float32(value)) if node.size == 4 => u128::from(value.to_bits()),
        (Kind::Float, Value::Float64(value)) if node.size == 8 => u128::from(value.to_bits()),
        (Kind::Float, Value::Float32(value)) => u128::from(f64::from(*value).to_bits()),
        _ => return Err(misfit(node, value)),
    })
}

/// The values of fields, in the order of the fields.
pub(super) fn fields<'v>(node: &Node, fields: &[Field], value: &'v Value) -> Result<Vec<&'v Value>> {
    match value {
        Value::Unit if fields.is_empty() => Ok(Vec::new()),
        Value::List(all) if all.len() == fields.len() && (is_tuple(fields) || fields.is_empty()) => {
            Ok(all.iter().collect())
        }
        Value::Record(named) if !is_tuple(fields) => {
            if let Some((name, _)) = named.iter().find(|(name, _)| fields.iter().all(|field| field.name != *name)) {
                let found = format!("a record with a field {name}");
                return Err(Error::BadValue { place: String::new(), found, expected: node.name.clone() });
            }
            let find = |field: &Field| {
                let found = named.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value);
                found.ok_or_else(|| Error::BadValue {
                    place: String::new(),
                    found: format!("a record without the field {}", field.name),
                    expected: node.name.clone(),
                })
            };
            fields.iter().map(find).collect()
        }
        _ => Err(misfit(node, value)),
    }
}

/// The variant that a value is of, and the values of its fields.
pub(super) fn variant<'n, 'v>(node: &'n Node, value: &'v Value) -> Result<(&'n Variant, Vec<&'v Value>)> {
    match (node.kind, value, &node.variants[..]) {
        (Kind::Option, Value::Option(None), [none, _]) => Ok((none, Vec::new())),
        (Kind::Option, Value::Option(Some(value)), [_, some]) => Ok((some, vec![value])),
        (Kind::Enum | Kind::SignedEnum, Value::Variant(name, payload), variants) => {
            let variant = variants.iter().find(|variant| variant.name == *name).ok_or_else(|| Error::BadValue {
                place: String::new(),
                found: format!("the variant {name}, which there is not"),
                expected: format!("one of {}", node.name),
            })?;
            let fields = fields(node, &variant.fields, payload).map_err(|error| inside(error, name))?;
            Ok((variant, fields))
        }
        _ => Err(misfit(node, value)),
    }
}

/// The elements of what is a sequence or set.
pub(super) fn elements<'v>(node: &Node, value: &'v Value) -> Result<Cow<'v, [Value]>> {
    match value {
        Value::List(all) => Ok(Cow::Borrowed(all)),
        Value::Bytes(bytes) => Ok(Cow::Owned(bytes.iter().map(|byte| Value::from(*byte)).collect())),
        _ => Err(misfit(node, value)),
    }
}

/// Feeds a key to a hasher, as the stored key would be: see `walk::keys`.
pub(super) fn hash(plan: &Plan, node: usize, value: &Value, hasher: &mut KeyHasher) -> Result<()> {
    let described = plan.node(node);
    let each = |fields: &[Field], values: &[&Value], hasher: &mut KeyHasher| {
        fields.iter().zip(values).try_for_each(|(field, value)| hash(plan, field.node, value, hasher))
    };
    match described.kind {
        Kind::Unit => {}
        Kind::Duration => match value {
            Value::Duration(duration) => {
                hasher.word(duration.as_secs());
                hasher.word(u64::from(duration.subsec_nanos()));
            }
            _ => return Err(misfit(described, value)),
        },
        Kind::String => match value {
            Value::Text(text) => hasher.bytes(text.as_bytes()),
            _ => return Err(misfit(described, value)),
        },
        Kind::Struct => {
            let fields = described.variants.first().map_or(&[][..], |part| &part.fields);
            each(fields, &self::fields(described, fields, value)?, hasher)?;
        }
        Kind::Enum | Kind::SignedEnum | Kind::Option => {
            let (variant, values) = variant(described, value)?;
            hasher.word(variant.tag);
            each(&variant.fields, &values, hasher)?;
        }
        Kind::Array | Kind::Vec => {
            let elements = elements(described, value)?;
            let element = plan.entries(node).0.unwrap_or(node);
            elements.iter().try_for_each(|value| hash(plan, element, value, hasher))?;
            if described.kind == Kind::Vec {
                hasher.word(elements.len() as u64);
            }
        }
        Kind::Box => hash(plan, plan.entries(node).0.unwrap_or(node), value, hasher)?,
        _ => {
            let number = number(described, value)?;
            hasher.word(number as u64);
            if described.size == 16 {
                hasher.word((number >> 64) as u64);
            }
        }
    }
    Ok(())
}

/// Compares a stored key with one that is not: see `walk::keys`.
pub(super) fn compare(stored: Untyped<'_>, value: &Value) -> Result<Ordering> {
    let node = stored.type_of();
    let each = |fields: &[Field], values: &[&Value]| {
        for (field, value) in fields.iter().zip(values) {
            let order = compare(stored.field(field), value)?;
            if order != Ordering::Equal {
                return Ok::<_, Error>(order);
            }
        }
        Ok(Ordering::Equal)
    };
    Ok(match node.kind {
        Kind::Unit => Ordering::Equal,
        Kind::Signed | Kind::NonZeroSigned => stored.number()?.cmp(&(number(node, value)? as i128)),
        Kind::Duration => match value {
            Value::Duration(duration) => stored.duration()?.cmp(&(duration.as_secs(), duration.subsec_nanos())),
            _ => return Err(misfit(node, value)),
        },
        Kind::String => match value {
            Value::Text(text) => stored.text()?.cmp(text.as_bytes()),
            _ => return Err(misfit(node, value)),
        },
        Kind::Struct => {
            let own = stored.fields()?;
            each(own, &fields(node, own, value)?)?
        }
        Kind::Enum | Kind::SignedEnum | Kind::Option => {
            let (variant, values) = variant(node, value)?;
            let (own, other) = (stored.tag()?, variant.tag);
            let order = if node.kind == Kind::SignedEnum {
                let unused = 64 - node.size.clamp(1, 8) as u32 * 8;
                ((own as i64) << unused >> unused).cmp(&((other as i64) << unused >> unused))
            } else {
                own.cmp(&other)
            };
            if order == Ordering::Equal { each(stored.fields()?, &values)? } else { order }
        }
        Kind::Array | Kind::Vec => {
            let (values, mut index) = (elements(node, value)?, 0);
            let mut order = Ordering::Equal;
            let mut work = super::load::Work::unwatched(stored.map);
            super::load::each(stored, &mut work, |_, element, _| {
                order = match values.get(index) {
                    Some(value) => compare(element, value)?,
                    None => Ordering::Greater,
                };
                index += 1;
                Ok(order == Ordering::Equal)
            })?;
            if order == Ordering::Equal && index < values.len() { Ordering::Less } else { order }
        }
        Kind::Box => {
            let mut order = Ordering::Equal;
            let mut work = super::load::Work::unwatched(stored.map);
            super::load::each(stored, &mut work, |_, content, _| {
                order = compare(content, value)?;
                Ok(true)
            })?;
            order
        }
        Kind::Unsigned | Kind::NonZeroUnsigned | Kind::Bool | Kind::Char => {
            (stored.number()? as u128).cmp(&number(node, value)?)
        }
        _ => return Err(misfit(node, value)),
    })
}
