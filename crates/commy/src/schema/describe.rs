//! The description of a type: a graph of nodes, so that recursive types have one.
//!
//! As bytes it is a sequence of nodes, the described type first:
//!
//! ```text
//! node:     kind u8 | size u32 | align u32 | name: u16, bytes | parts u16, each:
//! part:     name: u16, bytes | tag u64 | offset u32 | fields u16, each:
//! field:    name: u16, bytes | node u16 | offset u32
//! ```
//!
//! A struct has one part without a name; an enum one part for each variant; a container one part whose
//! fields are its element types.

use crate::error::{Error, Result};
use std::any::TypeId;

/// What kind of type a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `()`.
    Unit = 1,
    /// Unsigned integer of the node's size.
    Unsigned = 2,
    /// Signed integer.
    Signed = 3,
    /// Floating point number.
    Float = 4,
    /// `bool`.
    Bool = 5,
    /// `char`.
    Char = 6,
    /// Unsigned integer that is never zero.
    NonZeroUnsigned = 7,
    /// Signed integer that is never zero.
    NonZeroSigned = 8,
    /// `Duration`, as seconds and nanoseconds.
    Duration = 9,
    /// Array of a plain type; how many is its size by the element's.
    Array = 10,
    /// Struct, plain or not.
    Struct = 11,
    /// Enum, plain or not. Its first 8 bytes, or all if it has fewer, are the tag.
    Enum = 12,
    /// `String`.
    String = 13,
    /// `Vec`.
    Vec = 14,
    /// `VecDeque`.
    VecDeque = 15,
    /// `HashMap`.
    HashMap = 16,
    /// `BTreeMap`.
    BTreeMap = 17,
    /// `HashSet`.
    HashSet = 18,
    /// `BTreeSet`.
    BTreeSet = 19,
    /// `Option`: an enum with the variants `None`, tag 0, and `Some`, tag 1.
    Option = 20,
    /// `Box`: the offset of a block with the content.
    Box = 21,
    /// An atomic, whose field says of what.
    Atomic = 22,
    /// Plain enum whose tags are signed numbers, and ordered as such.
    SignedEnum = 23,
}

const KINDS: [Kind; 23] = [
    Kind::Unit,
    Kind::Unsigned,
    Kind::Signed,
    Kind::Float,
    Kind::Bool,
    Kind::Char,
    Kind::NonZeroUnsigned,
    Kind::NonZeroSigned,
    Kind::Duration,
    Kind::Array,
    Kind::Struct,
    Kind::Enum,
    Kind::String,
    Kind::Vec,
    Kind::VecDeque,
    Kind::HashMap,
    Kind::BTreeMap,
    Kind::HashSet,
    Kind::BTreeSet,
    Kind::Option,
    Kind::Box,
    Kind::Atomic,
    Kind::SignedEnum,
];

/// A field of a struct or variant, or the element of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; for containers `element`, `key`, `value`.
    pub name: String,
    /// The node of its type.
    pub node: usize,
    /// Where it is in the stored form, in bytes; 0 for containers.
    pub offset: usize,
}

/// A variant of an enum; the only one of anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Its name, empty for what is no enum.
    pub name: String,
    /// The stored tag.
    pub tag: u64,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What kind it is.
    pub kind: Kind,
    /// Its name without path, parameters included, for people.
    pub name: String,
    /// Bytes of its stored form.
    pub size: usize,
    /// Alignment of its stored form.
    pub align: usize,
    /// Variants of an enum, or the one part of anything else.
    pub variants: Vec<Variant>,
}

/// A type with all that it consists of; node 0 is the type itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A description in the making: types register themselves, each once.
#[derive(Debug, Default)]
pub struct Registry {
    ids: Vec<TypeId>,
    nodes: Vec<Node>,
}

impl Registry {
    /// The node of type `T`, whose stored form is `S`: the one it has already, or a new one that `fill`
    /// describes. A type that contains itself finds its own node while it is being filled.
    pub fn node<T: 'static, S>(
        &mut self,
        kind: Kind,
        name: impl Into<String>,
        fill: impl FnOnce(&mut Registry) -> Vec<Variant>,
    ) -> usize {
        if let Some(known) = self.ids.iter().position(|id| *id == TypeId::of::<T>()) {
            return known;
        }
        let index = self.nodes.len();
        self.ids.push(TypeId::of::<T>());
        let (size, align) = (size_of::<S>(), align_of::<S>());
        self.nodes.push(Node { kind, name: name.into(), size, align, variants: Vec::new() });
        self.nodes[index].variants = fill(self);
        index
    }

    /// The name of a node.
    pub fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// Gives a node its name, when it is made of the names of its parts.
    pub fn rename(&mut self, node: usize, name: String) {
        self.nodes[node].name = name;
    }
}

/// The one part of a container, with these elements.
pub(crate) fn elements(fields: &[(&str, usize)]) -> Vec<Variant> {
    let fields = fields.iter().map(|(name, node)| Field { name: (*name).into(), node: *node, offset: 0 }).collect();
    vec![Variant { fields, ..Variant::default() }]
}

impl Description {
    /// The description of a type.
    pub fn of<T: super::Object>() -> Description {
        let mut registry = Registry::default();
        let root = T::describe_object(&mut registry);
        Description::with_root(registry.nodes, root)
    }

    /// The description of the type with that node. A type may have been described after those that it consists of.
    pub(crate) fn with_root(mut nodes: Vec<Node>, root: usize) -> Description {
        nodes.swap(0, root);
        for field in nodes.iter_mut().flat_map(|node| &mut node.variants).flat_map(|variant| &mut variant.fields) {
            field.node = match field.node {
                0 => root,
                node if node == root => 0,
                node => node,
            };
        }
        Description { nodes }
    }

    /// The name of the type.
    pub fn name(&self) -> &str {
        &self.nodes[0].name
    }

    /// The description as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let name = |out: &mut Vec<u8>, name: &str| {
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(&name.as_bytes()[..name.len().min(u16::MAX as usize)]);
        };
        for node in &self.nodes {
            out.push(node.kind as u8);
            out.extend((node.size as u32).to_le_bytes());
            out.extend((node.align as u32).to_le_bytes());
            name(&mut out, &node.name);
            out.extend((node.variants.len() as u16).to_le_bytes());
            for variant in &node.variants {
                name(&mut out, &variant.name);
                out.extend(variant.tag.to_le_bytes());
                out.extend((variant.fields.len() as u16).to_le_bytes());
                for field in &variant.fields {
                    name(&mut out, &field.name);
                    out.extend((field.node as u16).to_le_bytes());
                    out.extend((field.offset as u32).to_le_bytes());
                }
            }
        }
        out
    }

    /// Reads what `to_bytes` wrote. Whatever else the bytes are is an error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Description> {
        let mut reader = Reader { rest: bytes };
        let mut nodes = Vec::new();
        while !reader.rest.is_empty() {
            let node = reader.node().ok_or_else(|| Error::corrupt(0, "a type description that cannot be read"))?;
            nodes.push(node);
        }
        let fields = nodes.iter().flat_map(|n| &n.variants).flat_map(|v| &v.fields);
        if nodes.is_empty() || fields.into_iter().any(|field| field.node >= nodes.len()) {
            return Err(Error::corrupt(0, "a type description that refers to nothing"));
        }
        Ok(Description { nodes })
    }

    /// Where `found` differs from this type, as a sentence that names the field; `None` if it does not.
    pub fn difference(&self, found: &Description) -> Option<String> {
        let mut seen = Vec::new();
        self.differ(0, found, 0, "the value", &mut seen)
    }

    fn differ(
        &self,
        at: usize,
        found: &Description,
        there: usize,
        place: &str,
        seen: &mut Vec<(usize, usize)>,
    ) -> Option<String> {
        if seen.contains(&(at, there)) {
            return None;
        }
        seen.push((at, there));
        let (a, b) = (&self.nodes[at], &found.nodes[there]);
        if a.kind != b.kind || (a.size != b.size && a.variants.iter().all(|v| v.fields.is_empty())) {
            return Some(format!("{place} is stored as {}, asked for as {}", b.name, a.name));
        }
        for index in 0..a.variants.len().max(b.variants.len()) {
            let (va, vb) = match (a.variants.get(index), b.variants.get(index)) {
                (Some(va), Some(vb)) if va.name == vb.name && va.tag == vb.tag => (va, vb),
                (None, Some(vb)) => {
                    return Some(format!("the variant {} of {place} is stored, and not asked for", vb.name));
                }
                (va, _) => {
                    let name = va.map_or("", |v| &v.name);
                    return Some(format!("the variant {name} of {place} is asked for, and not stored"));
                }
            };
            for index in 0..va.fields.len().max(vb.fields.len()) {
                let inside = |name: &str| match (va.name.as_str(), a.kind) {
                    (_, Kind::Struct) => format!("field {}.{name}", a.name),
                    ("", _) => format!("the {name} of {place}"),
                    (variant, _) => format!("field {}::{variant}.{name}", a.name),
                };
                match (va.fields.get(index), vb.fields.get(index)) {
                    (Some(fa), Some(fb)) if fa.name == fb.name => {
                        let place = inside(&fa.name);
                        let deeper = self.differ(fa.node, found, fb.node, &place, seen);
                        if deeper.is_some() {
                            return deeper;
                        }
                        if fa.offset != fb.offset {
                            return Some(format!("{place} is at another place"));
                        }
                    }
                    (Some(fa), _) => return Some(format!("{} is asked for, and not stored", inside(&fa.name))),
                    (None, Some(fb)) => return Some(format!("{} is stored, and not asked for", inside(&fb.name))),
                    (None, None) => {}
                }
            }
        }
        if (a.size, a.align) != (b.size, b.align) {
            return Some(format!("{place} has another size"));
        }
        matches!(a.kind, Kind::Struct | Kind::Enum | Kind::SignedEnum)
            .then(|| (a.name != b.name).then(|| format!("{place} is stored as {}, asked for as {}", b.name, a.name)))
            .flatten()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn name(&mut self) -> Option<String> {
        let len = usize::from(u16::from_le_bytes(self.take()?));
        let (name, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        String::from_utf8(name.to_vec()).ok()
    }

    fn node(&mut self) -> Option<Node> {
        let [kind] = self.take()?;
        let kind = *KINDS.iter().find(|k| **k as u8 == kind)?;
        let size = u32::from_le_bytes(self.take()?) as usize;
        let align = u32::from_le_bytes(self.take()?) as usize;
        let name = self.name()?;
        let count = u16::from_le_bytes(self.take()?);
        let mut variants = Vec::new();
        for _ in 0..count {
            let (name, tag) = (self.name()?, u64::from_le_bytes(self.take()?));
            let mut fields = Vec::new();
            for _ in 0..u16::from_le_bytes(self.take()?) {
                let name = self.name()?;
                let node = usize::from(u16::from_le_bytes(self.take()?));
                let offset = u32::from_le_bytes(self.take()?) as usize;
                fields.push(Field { name, node, offset });
            }
            variants.push(Variant { name, tag, fields });
        }
        (align.is_power_of_two() && align <= 4096).then_some(Node { kind, name, size, align, variants })
    }
}
