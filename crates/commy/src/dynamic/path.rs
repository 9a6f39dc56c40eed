//! Where in a value: paths, and following them.
//!
//! ```text
//! users/7/name      steps with `/` between; the empty path is the whole value
//! ```
//!
//! What a step is, the type at that place says:
//!
//! ```text
//! struct, tuple      a field: its name, or 0, 1, ..
//! enum, Result       the name of the variant that the value has; then its fields, as of a struct. Of a variant with one
//!                    field without a name the step leads to that field
//! Vec, VecDeque,     an index from 0 on, or from the end: -1 is the last
//!   array
//! HashMap, BTreeMap  a key: a text, number, bool, char, or the name of a variant without fields
//! HashSet, BTreeSet  an element, likewise
//! Option, Box        what is in it is reached as if it were there itself
//! ```
//!
//! In a key `/` is written `~1` and `~` is `~0`, as in JSON pointers. Other keys are steps that are [`Value`]s.

use super::fit::{compare, hash, inside};
use super::load::{Work, each, len};
use super::value::Value;
use super::written::is_tuple;
use crate::containers::{btree, hash as table};
use crate::error::{Error, Result};
use crate::schema::{Field, KeyHasher, Kind, Node};
use crate::walk::Untyped;
use std::cmp::Ordering;

/// A place in a value; made of a text, and of values for keys that no text stands for.
///
/// ```
/// use commy::dynamic::{Path, Value};
/// let path = Path::from("users/7/name");
/// assert_eq!(path, Path::from("users").then("7").then("name"));
/// let cell = Path::from("cells").then(Value::List(vec![3u8.into(), 4u8.into()]));
/// assert_eq!(cell.to_string(), "cells/..");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub(super) Vec<Step>);

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// As text: what it means, the type says.
    Text(String),
    /// A key.
    Key(Value),
}

impl From<&str> for Step {
    fn from(text: &str) -> Step {
        Step::Text(text.to_owned())
    }
}

impl From<Value> for Step {
    fn from(value: Value) -> Step {
        Step::Key(value)
    }
}

impl Path {
    /// One step further.
    #[must_use]
    pub fn then(mut self, step: impl Into<Step>) -> Path {
        self.0.push(step.into());
        self
    }

    /// Whether it is that of the whole value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path without its last step, and that.
    pub(super) fn split_last(&self) -> Option<(&[Step], &Step)> {
        self.0.split_last().map(|(last, rest)| (rest, last))
    }

    #[cold]
    pub(super) fn leads_nowhere(&self, reason: impl Into<String>) -> Error {
        Error::BadPath { path: self.to_string(), reason: reason.into() }
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Path {
        if text.is_empty() {
            return Path::default();
        }
        let plain = |step: &str| match step.contains('~') {
            true => step.replace("~1", "/").replace("~0", "~"),
            false => step.to_owned(),
        };
        Path(text.split('/').map(|step| Step::Text(plain(step))).collect())
    }
}

impl From<&String> for Path {
    fn from(text: &String) -> Path {
        Path::from(text.as_str())
    }
}

impl From<&Path> for Path {
    fn from(path: &Path) -> Path {
        path.clone()
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |step: &Step| match step {
            Step::Text(text) => text.replace('~', "~0").replace('/', "~1"),
            Step::Key(_) => "..".to_owned(),
        };
        f.write_str(&self.0.iter().map(shown).collect::<Vec<_>>().join("/"))
    }
}

/// The value that steps lead to; `None` where an index, a key or what is in an option is not there.
pub(super) fn follow<'a>(mut value: Untyped<'a>, path: &Path, steps: &[Step]) -> Result<Option<Untyped<'a>>> {
    let mut steps = steps.iter();
    while let Some(step) = steps.next() {
        let Some(inner) = open(value)? else { return Ok(None) };
        value = match child(inner, path, step)? {
            Some(Child::Value(value)) => value,
            Some(Child::Variant(fields)) => match (fields, steps.next()) {
                ([only], None) if is_tuple(fields) => inner.field(only),
                (_, None) => inner,
                ([only], Some(step)) if is_tuple(fields) && !matches!(step, Step::Text(text) if text == "0") => {
                    // The step is one within the only field.
                    let Some(inner) = open(inner.field(only))? else { return Ok(None) };
                    match child(inner, path, step)? {
                        Some(Child::Value(value)) => value,
                        Some(Child::Variant(_)) => inner,
                        None => return Ok(None),
                    }
                }
                (_, Some(step)) => inner.field(field(path, inner.type_of(), fields, step)?),
            },
            None => return Ok(None),
        };
    }
    Ok(Some(value))
}

/// What is in options and boxes.
pub(super) fn open(mut value: Untyped<'_>) -> Result<Option<Untyped<'_>>> {
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

fn field<'a>(path: &Path, node: &Node, fields: &'a [Field], step: &Step) -> Result<&'a Field> {
    let found = match step {
        Step::Text(text) => fields.iter().find(|field| field.name == *text),
        Step::Key(_) => None,
    };
    found.ok_or_else(|| {
        let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let step = shown(step);
        path.leads_nowhere(format!("{} has no field {step}, but: {}", node.name, names.join(", ")))
    })
}

fn shown(step: &Step) -> String {
    match step {
        Step::Text(text) => text.clone(),
        Step::Key(value) => format!("{value:?}"),
    }
}

fn child<'a>(value: Untyped<'a>, path: &Path, step: &Step) -> Result<Option<Child<'a>>> {
    let node = value.type_of();
    Ok(match node.kind {
        Kind::Struct => {
            let field = field(path, node, value.fields()?, step)?;
            Some(Child::Value(value.field(field)))
        }
        Kind::Enum | Kind::SignedEnum => {
            let (fields, tag) = (value.fields()?, value.tag()?);
            let Step::Text(name) = step else { return Err(path.leads_nowhere("the name of a variant is expected")) };
            let named = node.variants.iter().find(|variant| variant.name == *name);
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
pub(super) fn index(path: &Path, step: &Step, len: u64) -> Result<Option<u64>> {
    let number = match step {
        Step::Text(text) => text.parse::<i128>().ok(),
        Step::Key(Value::Unsigned(number)) => i128::try_from(*number).ok(),
        Step::Key(Value::Signed(number)) => Some(*number),
        Step::Key(_) => None,
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

/// The key that a step is in a map or set.
pub(super) fn key(path: &Path, map: Untyped<'_>, step: &Step) -> Result<Value> {
    let text = match step {
        Step::Key(value) => return Ok(value.clone()),
        Step::Text(text) => text,
    };
    let mut node = map.plan.entries(map.node).0.unwrap_or(map.node);
    while map.plan.node(node).kind == Kind::Box {
        node = map.plan.entries(node).0.unwrap_or(node);
    }
    let key = map.plan.node(node);
    let number = || text.parse().map(Value::Unsigned).or_else(|_| text.parse().map(Value::Signed)).ok();
    let value = match key.kind {
        Kind::String => Some(Value::Text(text.clone())),
        Kind::Unsigned | Kind::Signed | Kind::NonZeroUnsigned | Kind::NonZeroSigned => number(),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Char => text.parse().ok().map(Value::Char),
        Kind::Unit => Some(Value::Unit),
        Kind::Enum | Kind::SignedEnum => {
            let named = key.variants.iter().find(|variant| variant.name == *text && variant.fields.is_empty());
            named.map(|variant| Value::Variant(variant.name.clone(), Box::new(Value::Unit)))
        }
        _ => None,
    };
    value.ok_or_else(|| path.leads_nowhere(format!("{text} is no {}, of which the keys are", key.name)))
}

/// Where a key of a map or set is, and its value.
pub(super) fn find<'a>(map: Untyped<'a>, key: &Value) -> Result<Option<(Untyped<'a>, Option<Untyped<'a>>)>> {
    let (forms, (first, second)) = (map.plan.forms(map.node), map.plan.entries(map.node));
    let Some(first) = first else { return Ok(None) };
    let order = |place: u64| compare(map.at(first, place), key);
    let hash_with = |seed: u64| {
        let mut hasher = KeyHasher::new(seed);
        hash(map.plan, first, key, &mut hasher)?;
        Ok(hasher.finish())
    };
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
pub(super) fn node_at(plan: &crate::walk::Plan, path: &Path) -> Result<usize> {
    let (mut at, mut steps) = (0, path.0.iter().peekable());
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
                let named = node.variants.iter().find(|variant| Step::from(variant.name.as_str()) == *step);
                let named = named.ok_or_else(|| path.leads_nowhere(format!("{} has no such variant", node.name)))?;
                match (&named.fields[..], steps.peek()) {
                    ([only], _) if is_tuple(&named.fields) => only.node,
                    (fields, Some(_)) => {
                        let step = steps.next().unwrap_or(step);
                        field(path, node, fields, step)?.node
                    }
                    _ => return Err(path.leads_nowhere("a field of the variant is expected")),
                }
            }
            _ => return Err(path.leads_nowhere(format!("{} has nothing in it", node.name))),
        };
    }
    Ok(at)
}
