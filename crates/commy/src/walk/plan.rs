//! What a walk has to know about a type: its description, found to be one that can be walked.
//!
//! A description comes from the file. It is taken only if
//!
//! - each node has the parts and the size of its kind: a container has the fields that name what it holds, and the
//!   size of its header; a number has one of the sizes that numbers have;
//! - what lies inline in a value lies within it, and what belongs to one variant does not overlap: so there is no more of
//!   it than the value has bytes (what has no size is not looked at);
//! - no value lies in itself, and values lie within each other at most [`LEVELS`] deep: so recursion is bounded.

use crate::containers::untyped::Forms;
use crate::containers::vec::Shape;
use crate::containers::{boxed::BoxStored, btree, deque::DequeHeader, hash, vec::VecHeader};
use crate::error::{Error, Result};
use crate::schema::{Description, Kind, Node, Variant};

/// How deep values can lie inline in each other.
const LEVELS: usize = 128;

/// A description that can be walked.
#[derive(Debug)]
pub(crate) struct Plan {
    description: Description,
    facts: Vec<Facts>,
    /// Whether values are, or have in them, elements or keys in an order, of which there can be ranges.
    orders: bool,
}

/// What follows for a node.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// Whether values own blocks.
    owns: bool,
    /// Whether there are bytes that are no value.
    checks: bool,
    forms: Forms,
    /// The nodes of the first two fields of the one part.
    entries: (Option<usize>, Option<usize>),
    /// Whether what a container holds owns blocks.
    entries_own: bool,
}

impl Plan {
    /// The plan for a description.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be that of any type.
    pub(crate) fn new(description: Description) -> Result<Plan> {
        let nodes = &description.nodes;
        let mut found = vec![None; nodes.len()];
        for index in 0..nodes.len() {
            check_node(nodes, index).ok_or_else(|| Error::corrupt(0, "a type description that contradicts itself"))?;
        }
        for index in 0..nodes.len() {
            find_owner(nodes, index, LEVELS, &mut found)
                .ok_or_else(|| Error::corrupt(0, "a type description whose values lie in themselves"))?;
        }
        let facts = |(node, own): (&Node, &Option<Found>)| {
            let mut fields = node.variants.first().into_iter().flat_map(|part| &part.fields).map(|field| field.node);
            let entries = (fields.next(), fields.next());
            let shape = |node: usize| Shape { size: nodes[node].size as u64, align: nodes[node].align as u64 };
            // The bytes of a string have no node.
            let none = if node.kind == Kind::String { Shape::of::<u8>() } else { Forms::NOTHING };
            let owns = |node: Option<usize>| node.and_then(|node| found[node]).is_some_and(|found| found.owns);
            Facts {
                owns: own.is_some_and(|own| own.owns),
                checks: own.is_some_and(|own| own.checks),
                forms: Forms { first: entries.0.map_or(none, shape), second: entries.1.map_or(Forms::NOTHING, shape) },
                entries,
                entries_own: owns(entries.0) || owns(entries.1),
            }
        };
        let facts = nodes.iter().zip(&found).map(facts).collect();
        let in_order =
            |kind| matches!(kind, Kind::Vec | Kind::VecDeque | Kind::Array | Kind::BTreeMap | Kind::BTreeSet);
        let orders = nodes.iter().any(|node| in_order(node.kind));
        Ok(Plan { description, facts, orders })
    }

    /// The description.
    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// How many nodes there are.
    pub(crate) fn nodes(&self) -> usize {
        self.facts.len()
    }

    #[inline]
    pub(crate) fn node(&self, node: usize) -> &Node {
        &self.description.nodes[node]
    }

    /// Whether values of a node own blocks.
    #[inline]
    pub(crate) fn owns(&self, node: usize) -> bool {
        self.facts[node].owns
    }

    /// Whether there are bytes that are no value of a node.
    #[inline]
    pub(crate) fn checks(&self, node: usize) -> bool {
        self.facts[node].checks
    }

    /// Whether values are, or have in them, atomics, which are used without a lock.
    pub(crate) fn has_atomics(&self) -> bool {
        self.description.nodes.iter().any(|node| node.kind == Kind::Atomic)
    }

    /// Whether values are, or have in them, elements or keys in an order, of which there can be ranges.
    #[inline]
    pub(crate) fn has_orders(&self) -> bool {
        self.orders
    }

    /// The forms of what a container holds.
    #[inline]
    pub(crate) fn forms(&self, node: usize) -> &Forms {
        &self.facts[node].forms
    }

    /// The nodes of what a container holds: of elements, keys or content, and of the values of keys.
    #[inline]
    pub(crate) fn entries(&self, node: usize) -> (Option<usize>, Option<usize>) {
        self.facts[node].entries
    }

    /// Whether what a container holds owns blocks.
    #[inline]
    pub(crate) fn entries_own(&self, node: usize) -> bool {
        self.facts[node].entries_own
    }

    /// The node of an array's elements, and the bytes of one; at least 1.
    pub(crate) fn element(&self, array: usize) -> (usize, usize) {
        let element = self.entries(array).0.unwrap_or(array);
        (element, self.node(element).size.max(1))
    }
}

/// How many fields the one part of a container names, and the size of its header.
fn container(kind: Kind) -> Option<(usize, usize)> {
    Some(match kind {
        Kind::String => (0, size_of::<VecHeader>()),
        Kind::Vec => (1, size_of::<VecHeader>()),
        Kind::VecDeque => (1, size_of::<DequeHeader>()),
        Kind::HashMap => (2, size_of::<hash::Head>()),
        Kind::HashSet => (1, size_of::<hash::Head>()),
        Kind::BTreeMap => (2, size_of::<btree::Head>()),
        Kind::BTreeSet => (1, size_of::<btree::Head>()),
        Kind::Box => (1, size_of::<BoxStored>()),
        _ => return None,
    })
}

/// Looks at a node by itself; `None` if it cannot be.
fn check_node(nodes: &[Node], index: usize) -> Option<()> {
    let node = &nodes[index];
    let fields = |variant: &Variant| variant.fields.len();
    let parts = node.variants.len();
    let one_part_of = |count: usize| parts == 1 && fields(&node.variants[0]) == count;
    let sound = match node.kind {
        Kind::Unit => node.size == 0,
        Kind::Unsigned | Kind::Signed | Kind::NonZeroUnsigned | Kind::NonZeroSigned => {
            matches!(node.size, 1 | 2 | 4 | 8 | 16)
        }
        Kind::Float => matches!(node.size, 4 | 8),
        Kind::Bool => node.size == 1,
        Kind::Char => node.size == 4,
        Kind::Duration => node.size == size_of::<std::time::Duration>(),
        Kind::Atomic => matches!(node.size, 1 | 2 | 4 | 8),
        Kind::Array => {
            let element = node.variants.first().and_then(|part| part.fields.first()).map(|field| &nodes[field.node]);
            let fits = |size: usize| if size == 0 { node.size == 0 } else { node.size.is_multiple_of(size) };
            one_part_of(1) && element.is_some_and(|element| fits(element.size) && element.align <= node.align)
        }
        Kind::Struct => parts == 1 && inline_fields(nodes, node, 0),
        Kind::Enum | Kind::SignedEnum if node.size < 8 => {
            parts > 0 && node.variants.iter().all(|variant| fields(variant) == 0)
        }
        Kind::Enum | Kind::SignedEnum => parts > 0 && inline_fields(nodes, node, 8),
        Kind::Option => parts == 2 && node.size >= 8 && inline_fields(nodes, node, 8),
        kind => container(kind).is_some_and(|(count, size)| one_part_of(count) && node.size == size && node.align == 8),
    };
    sound.then_some(())
}

/// Whether the fields of each part lie in the value, behind so many bytes, and do not overlap.
fn inline_fields(nodes: &[Node], node: &Node, from: usize) -> bool {
    node.variants.iter().all(|part| {
        let mut places: Vec<_> = part.fields.iter().map(|field| (field.offset, &nodes[field.node])).collect();
        places.retain(|(_, field)| field.size > 0);
        places.sort_by_key(|(offset, _)| *offset);
        let mut free = from;
        places.iter().all(|(offset, field)| {
            let fits = *offset >= free && offset.is_multiple_of(field.align) && field.align <= node.align;
            free = offset + field.size;
            fits && free <= node.size
        })
    })
}

/// What was found out about a node.
#[derive(Clone, Copy)]
struct Found {
    owns: bool,
    checks: bool,
    /// How deep values lie inline in one of it.
    depth: usize,
}

/// Whether not all bytes are a value of that kind.
fn can_be_wrong(kind: Kind) -> bool {
    let numbers = matches!(kind, Kind::NonZeroUnsigned | Kind::NonZeroSigned | Kind::Duration);
    numbers || matches!(kind, Kind::Bool | Kind::Char | Kind::Enum | Kind::SignedEnum | Kind::Option)
}

/// Finds out whether values of a node own blocks; `None` if they lie too deep in each other.
fn find_owner(nodes: &[Node], index: usize, levels: usize, found: &mut [Option<Found>]) -> Option<Found> {
    if let Some(known) = found[index] {
        return (known.depth <= levels).then_some(known);
    }
    let node = &nodes[index];
    let container = container(node.kind).is_some();
    let mut all = Found { owns: container, checks: container || can_be_wrong(node.kind), depth: 0 };
    if matches!(node.kind, Kind::Struct | Kind::Enum | Kind::SignedEnum | Kind::Option | Kind::Array) {
        let levels = levels.checked_sub(1)?;
        for field in node.variants.iter().flat_map(|part| &part.fields).filter(|field| nodes[field.node].size > 0) {
            let below = find_owner(nodes, field.node, levels, found)?;
            let depth = all.depth.max(below.depth + 1);
            all = Found { owns: all.owns | below.owns, checks: all.checks | below.checks, depth };
        }
    }
    found[index] = Some(all);
    Some(all)
}
