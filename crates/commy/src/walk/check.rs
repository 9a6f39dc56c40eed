//! Looking for what cannot be in a value: whatever the bytes, it ends, and reads nothing outside the file.
//!
//! Each container is claimed when it is opened, that is, before anything in its blocks is looked at: what belongs to
//! something already is a finding and is not followed again. So no more is looked at than there is in the file, and
//! values that contain themselves are found. Comparing and hashing keys, and following the probes of hash tables, may
//! look at things more than once; these have a budget, which only damage uses up.
//!
//! ```text
//! every value      bool, char, non-zero numbers, durations, tags of enums
//! every container  length within capacity, blocks within the file, no block twice
//! string           UTF-8
//! hash table       each key has the tag of its hash, is in the right table and where probes come past;
//!                  as many as the head says, and room for those that it says will fit
//! tree             keys in order, separators those of the leaves below, leaves linked in order, as many entries
//!                  as the head says
//! ```

use super::claims::Claims;
use super::keys::Keys;
use super::value::bytes_at;
use super::{DEEPEST, Plan, Untyped};
use crate::containers::untyped::{Contents, Step};
use crate::containers::{btree, hash};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::schema::{KeyHasher, Kind};
use std::cmp::Ordering;

/// More findings than these are of no use to anybody.
const MOST_FINDINGS: usize = 1000;
/// From so many levels on, what is not needed any more is forgotten, and places are told in short.
const FORGETFUL: usize = 64;

/// Something in the segment that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which value it is in: the object's name, then fields and indices, for example `series.values[3].name`.
    pub place: String,
    /// Where, in bytes from the segment's beginning.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (at offset {}): {}", self.place, self.offset, self.what)
    }
}

/// Looks at the value at an offset, whose name is told in findings. What it holds is added to the claims.
pub(crate) fn check(map: &Map, plan: &Plan, offset: u64, name: &str, claims: &mut Claims<'_>) -> Vec<Finding> {
    let keys = Keys { work: map.size().saturating_mul(4) };
    let (findings, levels) = (Vec::new(), Vec::new());
    let mut check = Check { map, plan, name, claims, findings, levels, keys, at: None, inside: None, forgotten: false };
    match Untyped::root(map, plan, offset) {
        Ok(root) => {
            check.value(root, offset);
            check.run();
        }
        Err(error) => check.found(&error),
    }
    check.findings
}

struct Check<'a, 'c> {
    map: &'a Map,
    plan: &'a Plan,
    name: &'a str,
    claims: &'a mut Claims<'c>,
    findings: Vec<Finding>,
    levels: Vec<Level>,
    keys: Keys,
    /// The first level of the container whose entries, or nodes, are being looked at; of none: the root value is.
    at: Option<usize>,
    /// The value in that entry: the entry's node and offset, its own.
    inside: Option<[(usize, u64); 2]>,
    forgotten: bool,
}

/// A container, or a node or table of one, that is being looked at.
struct Level {
    node: usize,
    contents: Contents,
    /// The container that it is in.
    parent: Option<usize>,
    /// The entry of that one: its node and offset; and where in it the header is.
    entry: (usize, u64),
    header: u64,
    /// Entries seen so far; in the first level of a container.
    seen: u64,
    /// Of a further level of a container: the first one.
    first: Option<usize>,
    facts: Option<hash::Facts>,
    patience: u64,
    tree: Tree,
}

/// What is known of a tree while its leaves are looked at one by one.
#[derive(Clone, Copy, Default)]
struct Tree {
    last_key: Option<u64>,
    last_leaf: u64,
    /// The leaf that the last one names as the next.
    next_leaf: u64,
    /// A separator whose leaf is yet to come.
    separator: Option<u64>,
}

impl<'a> Check<'a, '_> {
    fn finding(&mut self, offset: u64, what: &str) {
        if self.findings.len() < MOST_FINDINGS {
            let finding = Finding { place: self.place(), offset, what: what.into() };
            self.findings.push(finding);
        }
    }

    fn found(&mut self, error: &Error) {
        match error {
            Error::Corrupt { offset, what } => self.finding(*offset, what),
            error => self.finding(0, &error.to_string()),
        }
    }

    /// Where in the value the walk is.
    fn place(&self) -> String {
        let mut place = self.name.to_owned();
        if self.forgotten {
            place.push_str("..");
        }
        let containers = std::iter::successors(self.at, |at| self.levels[*at].parent);
        for level in containers.collect::<Vec<_>>().into_iter().rev().map(|at| &self.levels[at]) {
            self.path(&mut place, level.entry, (level.node, level.header));
            if self.plan.node(level.node).kind != Kind::Box {
                place.push_str(&format!("[{}]", level.seen.saturating_sub(1)));
            }
        }
        if let Some([entry, value]) = self.inside {
            self.path(&mut place, entry, value);
        }
        place
    }

    /// Adds the fields from a value down to another that lies inline in it.
    fn path(&self, place: &mut String, (mut node, mut offset): (usize, u64), (goal, goal_at): (usize, u64)) {
        while node != goal || offset != goal_at {
            let fields = self.plan.node(node).variants.iter().flat_map(|variant| &variant.fields);
            let inside = |field: &&crate::schema::Field| {
                let start = offset + field.offset as u64;
                (start..start + self.plan.node(field.node).size as u64).contains(&goal_at)
            };
            let Some(field) = fields.into_iter().find(inside) else { return };
            place.push('.');
            place.push_str(&field.name);
            offset += field.offset as u64;
            node = field.node;
            if self.plan.node(node).kind == Kind::Array {
                return;
            }
        }
    }

    /// Looks at a value; containers in it are put on the stack. `entry` is where the value that it lies in begins.
    fn value(&mut self, value: Untyped<'a>, entry: u64) {
        self.inline(value, (value.node, entry));
    }

    fn inline(&mut self, value: Untyped<'a>, entry: (usize, u64)) {
        if !self.plan.checks(value.node) {
            return;
        }
        let node = value.type_of();
        self.inside = Some([entry, (value.node, value.offset)]);
        let result = match node.kind {
            Kind::Bool => self.byte(value, |byte| byte <= 1, "a bool that is neither"),
            Kind::Char => value.small(4).map(|number| {
                if char::from_u32(number as u32).is_none() {
                    self.finding(value.offset, "a char that is none");
                }
            }),
            Kind::NonZeroUnsigned | Kind::NonZeroSigned => {
                bytes_at(self.map, value.offset, node.size as u64).map(|bytes| {
                    if bytes.iter().all(|byte| *byte == 0) {
                        self.finding(value.offset, "a number that is zero and must not be");
                    }
                })
            }
            Kind::Duration => value.duration().map(|(_, nanoseconds)| {
                if nanoseconds >= 1_000_000_000 {
                    self.finding(value.offset, "a duration with more than a second of nanoseconds");
                }
            }),
            Kind::Struct | Kind::Enum | Kind::SignedEnum | Kind::Option => {
                value.fields().map(|fields| fields.iter().for_each(|field| self.inline(value.field(field), entry)))
            }
            Kind::Array => {
                let (element, size) = self.plan.element(value.node);
                let places = (0..node.size as u64).step_by(size);
                places.for_each(|at| self.inline(value.at(element, value.offset + at), entry));
                Ok(())
            }
            _ => self.open(value, entry),
        };
        if let Err(error) = result {
            self.found(&error);
        }
    }

    fn byte(&mut self, value: Untyped<'_>, good: fn(u64) -> bool, what: &str) -> Result<()> {
        if !good(value.small(1)?) {
            self.finding(value.offset, what);
        }
        Ok(())
    }

    /// Begins with a container.
    fn open(&mut self, value: Untyped<'a>, entry: (usize, u64)) -> Result<()> {
        let kind = value.type_of().kind;
        let facts = match kind {
            Kind::HashMap | Kind::HashSet => Some(hash::Facts::of(self.map, value.offset)?),
            _ => None,
        };
        let Some(contents) = value.contents()? else {
            if facts.is_some_and(|facts| facts.len != 0) {
                self.finding(value.offset, "a hash table that is not there but has entries");
            }
            return Ok(());
        };
        if !self.claim(&contents, value.node)? {
            return Ok(());
        }
        if kind == Kind::String {
            if std::str::from_utf8(value.text()?).is_err() {
                self.finding(value.offset, "a string that is not UTF-8");
            }
            return Ok(());
        }
        if facts.is_some_and(|facts| !facts.room_is_there()) {
            self.finding(value.offset, "a hash table that says it has room for more than fits");
        }
        let patience = facts.map_or(0, |facts| facts.len.saturating_mul(16)).min(self.map.size());
        let tree = Tree::default();
        let (node, header) = (value.node, value.offset);
        let parent = self.at;
        self.push(Level { node, contents, parent, entry, header, seen: 0, first: None, facts, patience, tree })
    }

    fn claim(&mut self, contents: &Contents, node: usize) -> Result<bool> {
        let block = contents.block(self.map, self.plan.forms(node))?;
        let claimed = if block.bytes == 0 { Ok(()) } else { self.claims.claim(block) };
        if let Err(what) = claimed {
            self.finding(block.offset, what);
        }
        Ok(claimed.is_ok())
    }

    fn push(&mut self, level: Level) -> Result<()> {
        if self.levels.len() >= DEEPEST {
            return Err(Error::corrupt(level.header, "values that are nested too deep to be looked at"));
        }
        self.levels.push(level);
        Ok(())
    }

    fn run(&mut self) {
        while let Some(top) = self.levels.len().checked_sub(1) {
            if let Err(error) = self.step(top) {
                self.found(&error);
                self.close(top);
            }
        }
    }

    /// One step at the top of the stack.
    fn step(&mut self, top: usize) -> Result<()> {
        let (map, plan) = (self.map, self.plan);
        let node = self.levels[top].node;
        (self.at, self.inside) = (Some(self.levels[top].first.unwrap_or(top)), None);
        let forms = plan.forms(node);
        let (first, second) = plan.entries(node);
        let keyed = matches!(plan.node(node).kind, Kind::HashMap | Kind::HashSet | Kind::BTreeMap | Kind::BTreeSet);
        let wanted = keyed || first.is_some_and(|node| plan.checks(node));
        let before = self.levels[top].contents;
        match self.levels[top].contents.step(map, forms, wanted)? {
            Step::End => self.close(top),
            Step::Block(block) => {
                // Its own was claimed when it was opened; further ones have no contents.
                if before.block(map, forms)? != block
                    && let Err(what) = self.claims.claim(block)
                {
                    self.finding(block.offset, what);
                }
            }
            Step::Down(contents) => self.down(top, contents)?,
            Step::Entry(key, value) => {
                let base = self.levels[top].first.unwrap_or(top);
                self.levels[base].seen += 1;
                let contents = self.levels[top].contents;
                let plain = !matches!(contents, Contents::Table(_) | Contents::Node(_));
                if plain && contents.only_block_left() && top >= FORGETFUL {
                    self.at = self.levels.pop().and_then(|level| level.parent);
                    self.forgotten = true;
                }
                let depth = self.levels.len();
                let at = |node: usize, offset| Untyped { map, plan, node, offset };
                let found = self.findings.len();
                if let Some(node) = first {
                    self.value(at(node, key), key);
                    // A key that cannot be needs not be looked for.
                    if keyed && self.findings.len() == found {
                        let checked = self.key(top, at(node, key));
                        checked.unwrap_or_else(|error| self.found(&error));
                    }
                }
                if let Some(node) = second {
                    self.value(at(node, value), value);
                }
                // What is pushed later is looked at first: in order, for people.
                self.levels[depth..].reverse();
            }
        }
        Ok(())
    }

    /// Goes down to a node or table of the container at the top.
    fn down(&mut self, top: usize, contents: Contents) -> Result<()> {
        let node = self.levels[top].node;
        if !self.claim(&contents, node)? {
            return Ok(());
        }
        let base = self.levels[top].first.unwrap_or(top);
        if let Contents::Node(parent) = self.levels[top].contents {
            // The child was that before the next.
            if let Some(index) = parent.next.checked_sub(2) {
                self.levels[base].tree.separator = Some(parent.key(self.plan.forms(node), index));
            }
        }
        let Level { parent, entry, header, .. } = self.levels[base];
        let first = Some(base);
        let (facts, tree) = (None, Tree::default());
        self.push(Level { node, contents, parent, entry, header, seen: 0, first, facts, patience: 0, tree })
    }

    /// Looks at the key of the entry that was just given.
    fn key(&mut self, top: usize, key: Untyped<'a>) -> Result<()> {
        let base = self.levels[top].first.unwrap_or(top);
        match self.levels[top].contents {
            Contents::Table(table) => {
                let Some(facts) = self.levels[base].facts else { return Ok(()) };
                let mut hasher = KeyHasher::new(facts.seed);
                self.keys.hash(key, &mut hasher)?;
                let index = table.next.saturating_sub(1);
                let mut patience = self.levels[base].patience;
                let lost = facts.lost(self.map, &table, index, hasher.finish(), &mut patience)?;
                self.levels[base].patience = patience;
                if let Some(what) = lost {
                    self.finding(key.offset, what);
                }
            }
            Contents::Node(leaf) => {
                let mut tree = self.levels[base].tree;
                if leaf.next == 1 {
                    self.leaf(leaf.offset, &mut tree)?;
                    let size = key.type_of().size as u64;
                    if let Some(separator) = tree.separator.take()
                        && bytes_at(self.map, separator, size)? != bytes_at(self.map, key.offset, size)?
                    {
                        self.finding(separator, "a separator that is not the first key of its leaf");
                    }
                }
                let before = tree.last_key.replace(key.offset);
                self.levels[base].tree = tree;
                if let Some(before) = before
                    && self.keys.compare(key.at(key.node, before), key)? != Ordering::Less
                {
                    self.finding(key.offset, "keys out of order");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks at the links of a leaf.
    fn leaf(&mut self, leaf: u64, tree: &mut Tree) -> Result<()> {
        let (before, behind) = btree::neighbours(self.map, leaf)?;
        if before != tree.last_leaf || (tree.last_leaf != 0 && tree.next_leaf != leaf) {
            self.finding(leaf, "leaves that are not linked in their order");
        }
        (tree.last_leaf, tree.next_leaf) = (leaf, behind);
        Ok(())
    }

    /// The top of the stack has been looked at.
    fn close(&mut self, top: usize) {
        let level = &self.levels[top];
        if level.first.is_none() {
            let says = match level.contents {
                Contents::Table(_) => level.facts.map(|facts| facts.len),
                Contents::Node(_) => btree::length(self.map, level.header).ok(),
                _ => None,
            };
            let (seen, header, open_end) = (level.seen, level.header, level.tree.next_leaf != 0);
            if says.is_some_and(|says| says != seen) {
                self.finding(header, "a map or set with another number of entries than it says");
            }
            if open_end {
                self.finding(header, "a last leaf that is linked to another");
            }
        }
        self.levels.pop();
    }
}
