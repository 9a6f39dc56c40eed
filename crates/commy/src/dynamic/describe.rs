//! From a type as text to its description, byte for byte as the Rust type describes itself.
//!
//! The nodes of a description are in the order in which the types come up while they describe themselves. So that is
//! done here in the same way: each kind of type registers itself and its parts in the order of its `Share::describe`.
//! Sizes and offsets are put in afterwards (`sizes`); a type that would contain itself without a container between has
//! none.

use super::text::{Body, Declared, Expression, Form, Item, bad_type, parse};
use crate::containers::vec::VecHeader;
use crate::error::{Error, Result};
use crate::schema::describe::elements;
use crate::schema::{Description, Field, Kind, Node, Variant};
use std::collections::{HashMap, HashSet};

/// How far types may consist of each other. Each level takes 16 KiB of stack in builds that are not optimised.
pub(super) const DEEPEST: usize = 64;

/// The description of a type written as text.
pub(super) fn describe(text: &str) -> Result<Description> {
    let declared = parse(text)?;
    let (types, places, nodes) = (Vec::new(), HashMap::new(), Vec::new());
    let mut builder = Builder { text, declared: &declared, types, places, nodes, depth: 0 };
    let root = builder.describe(&declared.root)?;
    if builder.nodes.len() > usize::from(u16::MAX) {
        return Err(bad_type(text, 0, "it consists of too many types"));
    }
    super::sizes::lay_out(text, &builder.types, &declared, &mut builder.nodes)?;
    Ok(Description::with_root(builder.nodes, root))
}

/// A primitive: its kind, size and alignment.
fn primitive(name: &str) -> Option<(Kind, usize, usize)> {
    fn of<T>(kind: Kind) -> Option<(Kind, usize, usize)> {
        Some((kind, size_of::<T>(), align_of::<T>()))
    }
    let (kind, number) = match name.strip_prefix("NonZero") {
        Some("") | None => (None, name.to_owned()),
        Some(rest) => (Some(()), rest.to_lowercase()),
    };
    let of_number = |unsigned: bool| match (kind, unsigned) {
        (None, true) => Kind::Unsigned,
        (None, false) => Kind::Signed,
        (Some(()), true) => Kind::NonZeroUnsigned,
        (Some(()), false) => Kind::NonZeroSigned,
    };
    match number.as_str() {
        "u8" | "i8" => of::<u8>(of_number(number.starts_with('u'))),
        "u16" | "i16" => of::<u16>(of_number(number.starts_with('u'))),
        "u32" | "i32" => of::<u32>(of_number(number.starts_with('u'))),
        "u64" | "i64" => of::<u64>(of_number(number.starts_with('u'))),
        "u128" | "i128" => of::<u128>(of_number(number.starts_with('u'))),
        "usize" | "isize" => of::<usize>(of_number(number.starts_with('u'))),
        "f32" => of::<f32>(Kind::Float),
        "f64" => of::<f64>(Kind::Float),
        "bool" => of::<bool>(Kind::Bool),
        "char" => of::<char>(Kind::Char),
        "Duration" => of::<std::time::Duration>(Kind::Duration),
        _ => None,
    }
    .filter(|(found, ..)| kind.is_none() || matches!(found, Kind::NonZeroUnsigned | Kind::NonZeroSigned))
}

/// What an atomic is of.
fn atomic(name: &str) -> Option<String> {
    let value = name.strip_prefix("Atomic")?.to_lowercase();
    matches!(value.as_str(), "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" | "bool")
        .then_some(value)
}

/// The containers, and how many parameters they have.
fn container(name: &str) -> Option<(Kind, usize)> {
    Some(match name {
        "Vec" => (Kind::Vec, 1),
        "VecDeque" => (Kind::VecDeque, 1),
        "HashMap" => (Kind::HashMap, 2),
        "BTreeMap" => (Kind::BTreeMap, 2),
        "HashSet" => (Kind::HashSet, 1),
        "BTreeSet" => (Kind::BTreeSet, 1),
        "Option" => (Kind::Option, 1),
        "Box" => (Kind::Box, 1),
        "Result" => (Kind::Enum, 2),
        _ => return None,
    })
}

struct Builder<'a> {
    text: &'a str,
    declared: &'a Declared,
    /// The types that the nodes are of.
    types: Vec<Expression>,
    /// The nodes by the texts of their types.
    places: HashMap<String, usize>,
    nodes: Vec<Node>,
    depth: usize,
}

impl<'a> Builder<'a> {
    fn error(&self, at: &Expression, reason: impl Into<String>) -> Error {
        bad_type(self.text, at.at, reason)
    }

    fn known(&self, expression: &Expression) -> Option<usize> {
        self.places.get(&expression.to_string()).copied()
    }

    /// As `Registry::node`.
    fn node(
        &mut self,
        expression: &Expression,
        kind: Kind,
        name: String,
        fill: impl FnOnce(&mut Self) -> Result<Vec<Variant>>,
    ) -> Result<(usize, bool)> {
        if let Some(known) = self.known(expression) {
            return Ok((known, false));
        }
        let index = self.nodes.len();
        self.types.push(expression.clone());
        self.places.insert(expression.to_string(), index);
        self.nodes.push(Node { kind, name, size: 0, align: 1, variants: Vec::new() });
        self.nodes[index].variants = fill(self)?;
        Ok((index, true))
    }

    fn leaf(&mut self, expression: &Expression, kind: Kind, (size, align): (usize, usize)) -> Result<usize> {
        let name = expression.to_string();
        let (node, _) = self.node(expression, kind, name, |_| Ok(vec![Variant::default()]))?;
        (self.nodes[node].size, self.nodes[node].align) = (size, align);
        Ok(node)
    }

    fn name(&self, node: usize) -> String {
        self.nodes[node].name.clone()
    }

    /// Registers a type as it does itself; gives its node.
    fn describe(&mut self, expression: &Expression) -> Result<usize> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(expression, "this type consists of itself too often"));
        }
        let node = self.describe_form(expression)?;
        self.depth -= 1;
        Ok(node)
    }

    fn describe_form(&mut self, expression: &Expression) -> Result<usize> {
        match &expression.form {
            Form::Constant(_) => Err(self.error(expression, "a type is expected here, not a number")),
            Form::Tuple(all) if all.is_empty() => self.leaf(expression, Kind::Unit, (0, 1)),
            Form::Tuple(all) => self.tuple(expression, all),
            Form::Array(element, _) => self.array(expression, element),
            Form::Named(name, parameters) => self.named(expression, name, parameters),
        }
    }

    fn tuple(&mut self, expression: &Expression, all: &[Expression]) -> Result<usize> {
        if all.len() > 8 {
            return Err(self.error(expression, "a tuple has at most 8 values"));
        }
        let nodes = all.iter().map(|one| self.describe(one)).collect::<Result<Vec<_>>>()?;
        let names: Vec<_> = nodes.into_iter().map(|node| self.name(node)).collect();
        let name = match &names[..] {
            [one] => format!("({one},)"),
            all => format!("({})", all.join(", ")),
        };
        let fields: Vec<_> = all.iter().enumerate().map(|(index, one)| (index.to_string(), one.clone())).collect();
        let filled = self.node(expression, Kind::Struct, name, |own| Ok(vec![own.part("", 0, &fields)?]))?;
        Ok(filled.0)
    }

    fn array(&mut self, expression: &Expression, element: &Expression) -> Result<usize> {
        let Form::Array(_, count) = expression.form else { return Err(self.error(expression, "no array")) };
        if self.is_of_atomics(element) {
            let node = self.describe(element)?;
            let name = format!("[{}; {count}]", self.name(node));
            let filled = self.node(expression, Kind::Array, name, |_| Ok(elements(&[("element", node)])))?;
            return Ok(filled.0);
        }
        let (node, new) = self.node(expression, Kind::Array, String::new(), |own| {
            let node = own.describe(element)?;
            if !own.is_plain(node) {
                return Err(
                    own.error(element, "arrays are of plain types; use Vec for what is not stored byte for byte")
                );
            }
            Ok(elements(&[("element", node)]))
        })?;
        if new {
            let element = self.nodes[node].variants[0].fields[0].node;
            self.nodes[node].name = format!("[{}; {count}]", self.name(element));
        }
        Ok(node)
    }

    /// Whether a type can be `Plain`: whether all types are of which it consists.
    fn is_plain(&self, node: usize) -> bool {
        let (mut seen, mut open) = (HashSet::from([node]), vec![node]);
        while let Some(node) = open.pop().map(|node| &self.nodes[node]) {
            let can_be = match node.kind {
                Kind::Struct => !node.name.starts_with('('),
                Kind::Enum | Kind::SignedEnum => node.size > 0,
                Kind::Vec | Kind::VecDeque | Kind::HashMap | Kind::HashSet | Kind::BTreeMap | Kind::BTreeSet => false,
                Kind::Atomic | Kind::Option | Kind::String | Kind::Box => false,
                _ => true,
            };
            if !can_be {
                return false;
            }
            let parts = node.variants.iter().flat_map(|part| &part.fields).map(|field| field.node);
            open.extend(parts.filter(|part| seen.insert(*part)));
        }
        true
    }

    fn is_of_atomics<'e>(&'e self, mut expression: &'e Expression) -> bool {
        // Who comes to more types than there are goes in a circle.
        for _ in 0..=self.declared.items.len() {
            while let Form::Array(element, _) = &expression.form {
                expression = element;
            }
            match &expression.form {
                Form::Named(name, _) if atomic(name).is_some() => return true,
                // A struct of atomics has nothing else.
                Form::Named(..) => match self.item(expression).map(|item| &item.body) {
                    Some(Body::Struct(fields)) if !fields.is_empty() => expression = &fields[0].1,
                    _ => return false,
                },
                _ => return false,
            }
        }
        false
    }

    fn item(&self, expression: &Expression) -> Option<&'a Item> {
        self.declared.item(&expression.to_string())
    }

    fn named(&mut self, expression: &Expression, name: &str, parameters: &[Expression]) -> Result<usize> {
        if let Some(item) = self.item(expression) {
            return self.declared(expression, item);
        }
        if let Some((kind, size, align)) = primitive(name).filter(|_| parameters.is_empty()) {
            return self.leaf(expression, kind, (size, align));
        }
        if name == "String" && parameters.is_empty() {
            return self.leaf(expression, Kind::String, (size_of::<VecHeader>(), align_of::<VecHeader>()));
        }
        if let Some(value) = atomic(name).filter(|_| parameters.is_empty()) {
            let value = Expression { form: Form::Named(value, Vec::new()), at: expression.at };
            let value = self.describe(&value)?;
            let filled = self.node(expression, Kind::Atomic, name.into(), |_| Ok(elements(&[("value", value)])))?;
            return Ok(filled.0);
        }
        let Some((kind, count)) = container(name) else {
            let reason = match name {
                "str" => "String is the type of texts here".into(),
                "Rc" | "Arc" | "Cell" | "RefCell" | "Mutex" => format!("a {name} cannot be shared between processes"),
                _ => format!("there is no type {expression}; declare it before: struct {name} {{ .. }}"),
            };
            return Err(self.error(expression, reason));
        };
        if parameters.len() != count {
            let reason = format!("{name} has {count} parameter{}", if count == 1 { "" } else { "s" });
            return Err(self.error(expression, reason));
        }
        match (kind, parameters) {
            (Kind::Vec | Kind::VecDeque, [element]) => {
                let (node, _) = self.node(expression, kind, String::new(), |own| {
                    let element = own.describe(element)?;
                    Ok(elements(&[("element", element)]))
                })?;
                let element = self.describe(element)?;
                self.nodes[node].name = format!("{name}<{}>", self.name(element));
                Ok(node)
            }
            (Kind::HashMap | Kind::BTreeMap, [key, value]) => {
                let (node, new) = self.node(expression, kind, name.into(), |own| {
                    let (key_node, value) = (own.describe(key)?, own.describe(value)?);
                    own.check_key(key, key_node)?;
                    Ok(elements(&[("key", key_node), ("value", value)]))
                })?;
                if new {
                    let [key, value] = [0, 1].map(|index| self.name(self.nodes[node].variants[0].fields[index].node));
                    self.nodes[node].name = format!("{name}<{key}, {value}>");
                }
                Ok(node)
            }
            (Kind::HashSet | Kind::BTreeSet, [element]) => {
                let (node, new) = self.node(expression, kind, name.into(), |own| {
                    let node = own.describe(element)?;
                    own.check_key(element, node)?;
                    Ok(elements(&[("element", node)]))
                })?;
                if new {
                    let element = self.name(self.nodes[node].variants[0].fields[0].node);
                    self.nodes[node].name = format!("{name}<{element}>");
                }
                Ok(node)
            }
            (Kind::Box, [content]) => {
                let content = self.describe(content)?;
                let name = format!("Box<{}>", self.name(content));
                let filled = self.node(expression, kind, name, |_| Ok(elements(&[("content", content)])))?;
                Ok(filled.0)
            }
            (Kind::Option, [value]) => {
                let node = self.describe(value)?;
                let name = format!("Option<{}>", self.name(node));
                let some = [("0".to_owned(), value.clone())];
                let filled = self.node(expression, kind, name, |own| {
                    Ok(vec![own.part("None", 0, &[])?, own.part("Some", 1, &some)?])
                })?;
                Ok(filled.0)
            }
            (_, [value, error]) => {
                let nodes = (self.describe(value)?, self.describe(error)?);
                let name = format!("Result<{}, {}>", self.name(nodes.0), self.name(nodes.1));
                let [ok, err] = [value, error].map(|one| [("0".to_owned(), one.clone())]);
                let filled = self
                    .node(expression, kind, name, |own| Ok(vec![own.part("Ok", 0, &ok)?, own.part("Err", 1, &err)?]))?;
                Ok(filled.0)
            }
            _ => Err(self.error(expression, "that is not understood")),
        }
    }

    fn part(&mut self, name: &str, tag: u64, fields: &[(String, Expression)]) -> Result<Variant> {
        let field = |(name, expression): &(String, Expression)| {
            Ok(Field { name: name.clone(), node: self.describe(expression)?, offset: 0 })
        };
        Ok(Variant { name: name.into(), tag, fields: fields.iter().map(field).collect::<Result<_>>()? })
    }

    /// As the derives do.
    fn declared(&mut self, expression: &Expression, item: &Item) -> Result<usize> {
        let Form::Named(own_name, parameters) = &expression.form else {
            return Err(self.error(expression, "a name is expected here"));
        };
        let mut names = Vec::new();
        for parameter in parameters {
            names.push(match &parameter.form {
                Form::Constant(text) => text.clone(),
                _ => {
                    let node = self.describe(parameter)?;
                    self.name(node)
                }
            });
        }
        let name = if names.is_empty() { own_name.clone() } else { format!("{own_name}<{}>", names.join(", ")) };
        let (kind, size) = match &item.body {
            Body::Struct(_) => (Kind::Struct, None),
            Body::Enum(variants) => match &item.repr.integer {
                Some(integer) if variants.iter().all(|(.., fields)| fields.is_empty()) => {
                    let (kind, size, _) = primitive(integer)
                        .filter(|(kind, size, _)| matches!(kind, Kind::Unsigned | Kind::Signed) && *size <= 8)
                        .ok_or_else(|| self.error(&item.name, format!("an enum cannot be stored as {integer}")))?;
                    (if kind == Kind::Signed { Kind::SignedEnum } else { Kind::Enum }, Some(size))
                }
                _ => (Kind::Enum, None),
            },
        };
        let (node, new) = self.node(expression, kind, name, |own| match &item.body {
            Body::Struct(fields) => Ok(vec![own.part("", 0, fields)?]),
            Body::Enum(variants) => {
                let mut next = 0;
                let (mut names, mut tags) = (HashSet::new(), HashSet::new());
                let mut parts: Vec<Variant> = Vec::new();
                for (index, (name, discriminant, fields)) in variants.iter().enumerate() {
                    let value = discriminant.unwrap_or(next);
                    next = value.saturating_add(1);
                    let tag = match size {
                        None => index as u64,
                        Some(size) => own.tag(item, kind, size, value)?,
                    };
                    if !names.insert(name) || !tags.insert(tag) {
                        return Err(own.error(&item.name, format!("the variant {name} is the same as another")));
                    }
                    parts.push(own.part(name, tag, fields)?);
                }
                Ok(parts)
            }
        })?;
        if new && let Some(size) = size {
            (self.nodes[node].size, self.nodes[node].align) = (size, size);
        }
        Ok(node)
    }

    /// The discriminant of a plain enum as its bytes, if it fits.
    fn tag(&self, item: &Item, kind: Kind, size: usize, value: i128) -> Result<u64> {
        let bits = size as u32 * 8;
        let range = if kind == Kind::SignedEnum { -(1 << (bits - 1))..1 << (bits - 1) } else { 0..1 << bits };
        if !range.contains(&value) {
            return Err(self.error(&item.name, format!("the discriminant {value} does not fit into {size} bytes")));
        }
        Ok((value as u128 & ((1 << bits) - 1)) as u64)
    }

    /// Floats, and what hashes, are no keys.
    fn check_key(&self, expression: &Expression, node: usize) -> Result<()> {
        let (mut seen, mut open) = (HashSet::from([node]), vec![node]);
        while let Some(node) = open.pop() {
            let kind = self.nodes[node].kind;
            let no_key = matches!(kind, Kind::Float | Kind::Atomic | Kind::VecDeque)
                || matches!(kind, Kind::HashMap | Kind::HashSet | Kind::BTreeMap | Kind::BTreeSet);
            if no_key {
                let reason = format!("{expression} cannot be a key: it has a {} in it", self.nodes[node].name);
                return Err(self.error(expression, reason));
            }
            let parts = self.nodes[node].variants.iter().flat_map(|part| &part.fields).map(|field| field.node);
            open.extend(parts.filter(|part| seen.insert(*part)));
        }
        Ok(())
    }
}
