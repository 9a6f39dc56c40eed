//! Going a path through a value, by the description of its type: see `path` for what the steps mean.
//!
//! ```text
//! value --open--> what is in options and boxes --child--> field | variant's fields | element | entry --> and so on
//! key of a map: step --key--> Key --find--> hash and compare with stored keys          no value is made of a text
//! ```
//!
//! `node_at` goes the same way through the type alone, for values that are to be put there.

use super::fit::{compare, hash, inside};
use super::load::{Work, each, len};
use super::path::{Path, StepRef, Steps};
use super::value::Value;
use super::written::is_tuple;
use crate::containers::{btree, hash as table};
use crate::error::{Error, Result};
use crate::schema::{Field, KeyHasher, Kind, Node};
use crate::walk::{Plan, Untyped};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The value that steps lead to; `None` where an index, a key or what is in an option is not there.
pub(super) fn follow<'a>(mut value: Untyped<'a>, path: &Path<'_>, mut steps: Steps<'_>) -> Result<Option<Untyped<'a>>> {
    while let Some(step) = steps.next() {
        let Some(inner) = open(value)? else { return Ok(None) };
        value = match child(inner, path, step)? {
            Some(Child::Value(value)) => value,
            Some(Child::Variant(fields)) => {
                let within = steps;
                match (fields, steps.next()) {
                    ([only], None) if is_tuple(fields) => inner.field(only),
                    (_, None) => inner,
                    ([only], Some(step)) if is_tuple(fields) && step != StepRef::Text("0") => {
                        // The step is one within the only field.
                        steps = within;
                        inner.field(only)
                    }
                    (_, Some(step)) => inner.field(field(path, inner.type_of(), fields, step)?),
                }
            }
            None => return Ok(None),
        };
    }
    Ok(Some(value))
}

/// What is in options and boxes.
#[inline]
pub(super) fn open(value: Untyped<'_>) -> Result<Option<Untyped<'_>>> {
    match value.type_of().kind {
        Kind::Option | Kind::Box => opened(value),
        _ => Ok(Some(value)),
    }
}

fn opened(mut value: Untyped<'_>) -> Result<Option<Untyped<'_>>> {
    // Each is inline or a block of its own, so there is an end to it but where boxes go in a circle.
    for _ in 0..1 << 16 {
        match value.type_of().kind {
            Kind::Option => match value.fields()? {
                [] => return Ok(None),
                [some, ..] => value = value.field(some),
            },
            Kind::Box => {
                let mut content = None;
                each(value, &mut Work::unwatched(value.map), |_, entry, _| {
                    content = Some(entry);
                    Ok(false)
                })?;
                match content {
                    Some(content) => value = content,
                    None => return Ok(None),
                }
            }
            _ => return Ok(Some(value)),
        }
    }
    Err(Error::corrupt(value.offset, "boxes within each other without an end"))
}

/// Where a step leads to.
enum Child<'a> {
    Value(Untyped<'a>),
    /// To the fields of the variant that the value has.
    Variant(&'a [Field]),
}

fn field<'a>(path: &Path<'_>, node: &Node, fields: &'a [Field], step: StepRef<'_>) -> Result<&'a Field> {
    let found = match step {
        StepRef::Text(text) => fields.iter().find(|field| field.name == text),
        StepRef::Key(_) => None,
    };
    found.ok_or_else(|| {
        let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let step = shown(step);
        path.leads_nowhere(format!("{} has no field {step}, but: {}", node.name, names.join(", ")))
    })
}

fn shown(step: StepRef<'_>) -> String {
    match step {
        StepRef::Text(text) => text.to_owned(),
        StepRef::Key(value) => format!("{value:?}"),
    }
}

#[inline]
fn child<'a>(value: Untyped<'a>, path: &Path<'_>, step: StepRef<'_>) -> Result<Option<Child<'a>>> {
    let node = value.type_of();
    Ok(match node.kind {
        Kind::Struct => {
            let field = field(path, node, value.fields()?, step)?;
            Some(Child::Value(value.field(field)))
        }
        Kind::Enum | Kind::SignedEnum => {
            let (fields, tag) = (value.fields()?, value.tag()?);
            let StepRef::Text(name) = step else { return Err(path.leads_nowhere("the name of a variant is expected")) };
            let named = node.variants.iter().find(|variant| variant.name == name);
            let named = named.ok_or_else(|| path.leads_nowhere(format!("{} has no variant {name}", node.name)))?;
            (named.tag == tag).then_some(Child::Variant(fields))
        }
        Kind::Vec | Kind::VecDeque | Kind::Array => {
            let index = index(path, step, len(value)?.unwrap_or(0))?;
            index.and_then(|index| element(value, index).transpose()).transpose()?.map(Child::Value)
        }
        Kind::HashMap | Kind::BTreeMap | Kind::HashSet | Kind::BTreeSet => {
            let key = key(path, value, step)?;
            let found = find(value, &key).map_err(|error| inside(error, "the key"))?;
            found.map(|(key, content)| Child::Value(content.unwrap_or(key)))
        }
        _ => return Err(path.leads_nowhere(format!("{} has nothing in it that {} could be", node.name, shown(step)))),
    })
}

/// The index that a step is, if it is below `len`.
pub(super) fn index(path: &Path<'_>, step: StepRef<'_>, len: u64) -> Result<Option<u64>> {
    let number = match step {
        StepRef::Text(text) => text.parse::<i128>().ok(),
        StepRef::Key(Value::Unsigned(number)) => i128::try_from(*number).ok(),
        StepRef::Key(Value::Signed(number)) => Some(*number),
        StepRef::Key(_) => None,
    };
    let number = number.ok_or_else(|| path.leads_nowhere(format!("{} is no index", shown(step))))?;
    let number = if number < 0 { number + i128::from(len) } else { number };
    Ok(u64::try_from(number).ok().filter(|number| *number < len))
}

/// The element at an index of a sequence.
pub(super) fn element(value: Untyped<'_>, index: u64) -> Result<Option<Untyped<'_>>> {
    use crate::containers::untyped::{Contents, Step as Next};
    let forms = value.plan.forms(value.node);
    let Some(element) = value.plan.entries(value.node).0 else { return Ok(None) };
    if value.type_of().kind == Kind::Array {
        let size = value.plan.node(element).size as u64;
        return Ok(Some(value.at(element, value.offset + index * size)));
    }
    let Some(mut contents) = value.contents()? else { return Ok(None) };
    match &mut contents {
        Contents::Row(row) => row.next = index,
        Contents::Ring(ring) => ring.next = index,
        _ => return Ok(None),
    }
    match contents.step(value.map, forms, true)? {
        Next::Entry(place, _) => Ok(Some(value.at(element, place))),
        _ => Ok(None),
    }
}

/// A key that is looked for in a map or set.
#[derive(Clone, Debug)]
pub(super) enum Key<'p> {
    /// Of one whose keys are `String`s.
    Text(&'p str),
    Value(Cow<'p, Value>),
}

impl<'p> From<&'p Value> for Key<'p> {
    fn from(value: &'p Value) -> Key<'p> {
        Key::Value(Cow::Borrowed(value))
    }
}

impl Key<'_> {
    /// It as a value.
    pub(super) fn value(&self) -> Cow<'_, Value> {
        match self {
            Key::Text(text) => Cow::Owned(Value::Text((*text).to_owned())),
            Key::Value(value) => Cow::Borrowed(&**value),
        }
    }

    /// Its hash in a map of that seed whose keys are of a node.
    #[inline]
    pub(super) fn hash(&self, plan: &Plan, node: usize, seed: u64) -> Result<u64> {
        let mut hasher = KeyHasher::new(seed);
        match self {
            Key::Text(text) => hasher.bytes(text.as_bytes()),
            Key::Value(value) => hash(plan, node, value, &mut hasher)?,
        }
        Ok(hasher.finish())
    }

    /// Compares a stored key with it.
    #[inline]
    pub(super) fn compare(&self, stored: Untyped<'_>) -> Result<Ordering> {
        match self {
            Key::Text(text) => Ok(stored.text()?.cmp(text.as_bytes())),
            Key::Value(value) => compare(stored, value),
        }
    }
}

/// The key that a step is in a map or set.
#[inline]
pub(super) fn key<'p>(path: &Path<'_>, map: Untyped<'_>, step: StepRef<'p>) -> Result<Key<'p>> {
    match step {
        StepRef::Key(value) => Ok(Key::from(value)),
        StepRef::Text(text) => {
            let node = map.plan.entries(map.node).0.unwrap_or(map.node);
            if map.plan.node(node).kind == Kind::String {
                return Ok(Key::Text(text));
            }
            key_of_text(path, map.plan, node, text)
        }
    }
}

/// The key of a node that a text stands for.
fn key_of_text<'p>(path: &Path<'_>, plan: &Plan, mut node: usize, text: &'p str) -> Result<Key<'p>> {
    while plan.node(node).kind == Kind::Box {
        node = plan.entries(node).0.unwrap_or(node);
    }
    let key = plan.node(node);
    let small = || text.parse::<u64>().map(Value::from);
    let number =
        || small().or_else(|_| text.parse().map(Value::Unsigned)).or_else(|_| text.parse().map(Value::Signed)).ok();
    let value = match key.kind {
        Kind::String => Some(Value::Text(text.to_owned())),
        Kind::Unsigned | Kind::Signed | Kind::NonZeroUnsigned | Kind::NonZeroSigned => number(),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Char => text.parse().ok().map(Value::Char),
        Kind::Unit => Some(Value::Unit),
        Kind::Enum | Kind::SignedEnum => {
            let named = key.variants.iter().find(|variant| variant.name == text && variant.fields.is_empty());
            named.map(|variant| Value::Variant(variant.name.clone(), Box::new(Value::Unit)))
        }
        _ => None,
    };
    let value = value.ok_or_else(|| path.leads_nowhere(format!("{text} is no {}, of which the keys are", key.name)));
    Ok(Key::Value(Cow::Owned(value?)))
}

/// Where a key of a map or set is, and its value.
#[inline]
pub(super) fn find<'a>(map: Untyped<'a>, key: &Key<'_>) -> Result<Option<(Untyped<'a>, Option<Untyped<'a>>)>> {
    let (forms, (first, second)) = (map.plan.forms(map.node), map.plan.entries(map.node));
    let Some(first) = first else { return Ok(None) };
    let order = |place: u64| key.compare(map.at(first, place));
    let hash_with = |seed: u64| key.hash(map.plan, first, seed);
    let found = match map.type_of().kind {
        Kind::HashMap | Kind::HashSet => {
            let equal = |place| Ok(order(place)? == Ordering::Equal);
            let found = table::find(map.map, forms, map.offset, hash_with, equal)?;
            found.map(|(entry, _)| (entry.key, entry.value))
        }
        _ => btree::find(map.map, forms, map.offset, order)?,
    };
    Ok(found.map(|(key, value)| (map.at(first, key), second.map(|second| map.at(second, value)))))
}

/// The node of what a path leads to in any value of a type.
#[cfg(feature = "json")]
pub(super) fn node_at(plan: &Plan, path: &Path<'_>) -> Result<usize> {
    let (mut at, mut steps) = (0, path.steps());
    while let Some(step) = steps.next() {
        loop {
            at = match plan.node(at).kind {
                Kind::Option => {
                    plan.node(at).variants.get(1).and_then(|some| some.fields.first()).map_or(at, |f| f.node)
                }
                Kind::Box => plan.entries(at).0.unwrap_or(at),
                _ => break,
            };
        }
        let node = plan.node(at);
        let entries = plan.entries(at);
        at = match node.kind {
            Kind::Struct => {
                let fields = node.variants.first().map_or(&[][..], |part| &part.fields);
                field(path, node, fields, step)?.node
            }
            Kind::Vec | Kind::VecDeque | Kind::Array | Kind::HashSet | Kind::BTreeSet => entries.0.unwrap_or(at),
            Kind::HashMap | Kind::BTreeMap => entries.1.unwrap_or(at),
            // Text is added to text.
            Kind::String => at,
            Kind::Enum | Kind::SignedEnum => {
                let named = node.variants.iter().find(|variant| StepRef::Text(&variant.name) == step);
                let named = named.ok_or_else(|| path.leads_nowhere(format!("{} has no such variant", node.name)))?;
                match &named.fields[..] {
                    [only] if is_tuple(&named.fields) => only.node,
                    fields => match steps.next() {
                        Some(step) => field(path, node, fields, step)?.node,
                        None => return Err(path.leads_nowhere("a field of the variant is expected")),
                    },
                }
            }
            _ => return Err(path.leads_nowhere(format!("{} has nothing in it", node.name))),
        };
    }
    Ok(at)
}
