//! Sizes, alignments and offsets of described types: by the rules of `repr(C)`, which all stored forms follow.

use super::describe::DEEPEST;
use super::text::{Declared, Expression, Form, bad_type};
use crate::containers::{boxed::BoxStored, btree, deque::DequeHeader, hash, vec::VecHeader};
use crate::error::Result;
use crate::schema::{Kind, Node};

/// How far a node is.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Open,
    Begun,
    Done,
}

/// Puts sizes, alignments and offsets into the nodes of `types`, which are named in a type written as `text`.
pub(super) fn lay_out(text: &str, types: &[Expression], declared: &Declared, nodes: &mut [Node]) -> Result<()> {
    let done = vec![Progress::Open; nodes.len()];
    let mut sizes = Sizes { text, types, declared, nodes, done, depth: 0 };
    (0..sizes.nodes.len()).try_for_each(|node| sizes.lay_out(node).map(drop))
}

struct Sizes<'a> {
    text: &'a str,
    types: &'a [Expression],
    declared: &'a Declared,
    nodes: &'a mut [Node],
    done: Vec<Progress>,
    depth: usize,
}

impl Sizes<'_> {
    /// The size and alignment of a node.
    fn lay_out(&mut self, node: usize) -> Result<(usize, usize)> {
        match self.done[node] {
            Progress::Done => return Ok((self.nodes[node].size, self.nodes[node].align)),
            Progress::Begun => {
                let reason = format!("{} contains itself; put a Box, Vec or Option<Box> between", self.types[node]);
                return Err(bad_type(self.text, self.types[node].at, reason));
            }
            Progress::Open => self.done[node] = Progress::Begun,
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(bad_type(self.text, self.types[node].at, "this type consists of too many within each other"));
        }
        let (size, align) = match self.nodes[node].kind {
            Kind::Vec => (size_of::<VecHeader>(), 8),
            Kind::VecDeque => (size_of::<DequeHeader>(), 8),
            Kind::HashMap | Kind::HashSet => (size_of::<hash::Head>(), 8),
            Kind::BTreeMap | Kind::BTreeSet => (size_of::<btree::Head>(), 8),
            Kind::Box => (size_of::<BoxStored>(), 8),
            Kind::Atomic => self.lay_out(self.nodes[node].variants[0].fields[0].node)?,
            Kind::Array => {
                let (size, align) = self.lay_out(self.nodes[node].variants[0].fields[0].node)?;
                let Form::Array(_, count) = self.types[node].form else { return Ok((0, 1)) };
                (size.saturating_mul(count), align)
            }
            Kind::Struct => {
                let item = self.declared.item(&self.types[node].to_string());
                let least = item.map_or(1, |item| if item.repr.c { item.repr.align.max(1) } else { 1 });
                let (size, align) = self.fields(node, 0, 0)?;
                (size.next_multiple_of(least), align.max(least))
            }
            Kind::Option | Kind::Enum | Kind::SignedEnum if self.nodes[node].size == 0 => self.payload(node)?,
            _ => (self.nodes[node].size, self.nodes[node].align),
        };
        if size > u32::MAX as usize {
            return Err(bad_type(self.text, self.types[node].at, "a value of this type is too large"));
        }
        (self.nodes[node].size, self.nodes[node].align) = (size, align);
        self.done[node] = Progress::Done;
        self.depth -= 1;
        Ok((size, align))
    }

    /// Lays out the fields of a part from `base` on; gives the size and alignment of a `repr(C)` struct of them.
    fn fields(&mut self, node: usize, part: usize, base: usize) -> Result<(usize, usize)> {
        let (mut end, mut most) = (0usize, 1);
        for index in 0..self.nodes[node].variants[part].fields.len() {
            let field = self.nodes[node].variants[part].fields[index].node;
            let (size, align) = self.lay_out(field)?;
            let offset = end.next_multiple_of(align);
            self.nodes[node].variants[part].fields[index].offset = base + offset;
            (end, most) = (offset.saturating_add(size).min(1 << 40), most.max(align));
        }
        Ok((end.next_multiple_of(most), most))
    }

    /// A tag of eight bytes and room for any part.
    fn payload(&mut self, node: usize) -> Result<(usize, usize)> {
        let parts = self.nodes[node].variants.len();
        let (mut size, mut align) = (0, 1);
        for part in 0..parts {
            let (part_size, part_align) = self.fields(node, part, 0)?;
            (size, align) = (size.max(part_size), align.max(part_align));
        }
        let base = 8usize.next_multiple_of(align);
        for part in 0..parts {
            self.fields(node, part, base)?;
        }
        let whole = 8.max(align);
        Ok(((base + size.next_multiple_of(align)).next_multiple_of(whole), whole))
    }
}
