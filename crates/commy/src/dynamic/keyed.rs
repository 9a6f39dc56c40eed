//! Maps and sets by their descriptions: making them, putting entries in, taking them out.

use super::fit::{compare, elements, hash, inside, misfit};
use super::follow::Key;
use super::store::{put_words, stored};
use super::value::Value;
use crate::containers::{btree, hash as table};
use crate::error::{Error, Result};
use crate::schema::{KeyHasher, Kind};
use crate::tx::{Cx, Form, KeyBytes, Operation};
use crate::walk::{Keys, Plan, Untyped, free_value};

/// The entries of what is to be a map or set.
fn entries<'v>(plan: &Plan, node: usize, value: &'v Value) -> Result<Vec<(std::borrow::Cow<'v, Value>, &'v Value)>> {
    use std::borrow::Cow;
    let described = plan.node(node);
    match (described.kind, value) {
        (Kind::HashMap | Kind::BTreeMap, Value::Map(all)) => {
            Ok(all.iter().map(|(key, value)| (Cow::Borrowed(key), value)).collect())
        }
        (Kind::HashSet | Kind::BTreeSet, value) => Ok(match elements(described, value)? {
            Cow::Borrowed(all) => all.iter().map(|key| (Cow::Borrowed(key), &Value::Unit)).collect(),
            Cow::Owned(all) => all.into_iter().map(|key| (Cow::Owned(key), &Value::Unit)).collect(),
        }),
        _ => Err(misfit(described, value)),
    }
}

fn hash_of(plan: &Plan, node: usize, key: &Value, seed: u64) -> Result<u64> {
    let mut hasher = KeyHasher::new(seed);
    hash(plan, node, key, &mut hasher)?;
    Ok(hasher.finish())
}

/// The bytes of an entry.
fn both(cx: Cx, plan: &Plan, nodes: (usize, Option<usize>), key: &Value, value: &Value) -> Result<(Vec<u8>, Vec<u8>)> {
    let key = stored(cx, plan, nodes.0, key).map_err(|error| inside(error, "the key"))?;
    let value = nodes.1.map_or(Ok(Vec::new()), |node| stored(cx, plan, node, value))?;
    Ok((key, value))
}

/// Puts the stored form of a map or set into `out`.
pub(super) fn store(cx: Cx, plan: &Plan, node: usize, value: &Value, out: &mut [u8]) -> Result<()> {
    let all = entries(plan, node, value)?;
    let (first, second) = plan.entries(node);
    let first = first.unwrap_or(node);
    let at = |offset| Untyped { map: cx.map(), plan, node: first, offset };
    let twice = |key: &Value| Error::BadValue {
        place: String::new(),
        found: format!("one with the key {key:?} twice"),
        expected: plan.node(node).name.clone(),
    };
    if all.is_empty() {
        return Ok(());
    }
    if matches!(plan.node(node).kind, Kind::HashMap | Kind::HashSet) {
        let mut builder = table::Builder::new(cx, plan.forms(node), all.len() as u64)?;
        for (key, value) in &all {
            let hash = hash_of(plan, first, key, builder.seed())?;
            let equal = |place| Ok(compare(at(place), key)?.is_eq());
            if !builder.put(hash, equal, || both(cx, plan, (first, second), key, value))? {
                return Err(twice(key));
            }
        }
        put_words(out, builder.words());
        return Ok(());
    }
    let head = btree::Head::new(cx.stamp()?);
    let tree = btree::Erased::new(cx, &head, plan.forms(node));
    for (key, value) in &all {
        let way = tree.way(|place| compare(at(place), key))?;
        if way.as_ref().is_some_and(|way| way.found) {
            return Err(twice(key));
        }
        tree.insert(way, || both(cx, plan, (first, second), key, value))?;
    }
    put_words(out, head.words());
    Ok(())
}

/// Notes what was done with a value, if it is that of an object that keeps its changes.
pub(super) fn note(cx: Cx, value: Untyped<'_>, operation: Operation, key: &KeyBytes) -> Result<()> {
    match cx.at(value.offset, 0, 1) {
        Some(place) if cx.is_noting() => cx.note(place.as_ptr().cast(), operation, key),
        _ => Ok(()),
    }
}

/// A map or set that is open for changing.
pub(super) struct Keyed<'a> {
    pub cx: Cx,
    pub map: Untyped<'a>,
}

impl<'a> Keyed<'a> {
    fn is_table(&self) -> bool {
        matches!(self.map.type_of().kind, Kind::HashMap | Kind::HashSet)
    }

    /// The nodes of keys and values.
    fn nodes(&self) -> (usize, Option<usize>) {
        let (first, second) = self.map.plan.entries(self.map.node);
        (first.unwrap_or(self.map.node), second)
    }

    fn table(&self) -> table::Erased<'a> {
        table::Erased { cx: self.cx, forms: self.map.plan.forms(self.map.node), head: self.map.offset }
    }

    fn tree(&self) -> Result<btree::Erased<'a>> {
        // SAFETY: a head is all words.
        let head = unsafe { self.map.map.get::<btree::Head>(self.map.offset)? };
        Ok(btree::Erased::new(self.cx, head, self.map.plan.forms(self.map.node)))
    }

    /// Puts an entry in whose key is not there.
    pub(super) fn insert(&self, key: &Key<'_>, value: &Value) -> Result<()> {
        let (cx, plan, nodes) = (self.cx, self.map.plan, self.nodes());
        let make = || both(cx, plan, nodes, &key.value(), value);
        let at = |offset| self.map.at(nodes.0, offset);
        if self.is_table() {
            let table = self.table();
            table.make_room(&|seed, place| {
                let mut hasher = KeyHasher::new(seed);
                Keys { work: self.map.map.size() }.hash(at(place), &mut hasher)?;
                Ok(hasher.finish())
            })?;
            table.insert(key.hash(plan, nodes.0, table.seed()?)?, make)?;
        } else {
            let tree = self.tree()?;
            let way = tree.way(|place| key.compare(at(place)))?;
            tree.insert(way, make)?;
        }
        self.note(Operation::Inserted, key)
    }

    /// Notes what was done with an entry, if this is an object that keeps its changes (`containers::noted`).
    #[inline]
    pub(super) fn note(&self, operation: Operation, key: &Key<'_>) -> Result<()> {
        if !self.cx.is_noting() {
            return Ok(());
        }
        self.note_key(operation, &key.value())
    }

    fn note_key(&self, operation: Operation, key: &Value) -> Result<()> {
        let (plan, node) = (self.map.plan, self.nodes().0);
        let stored_form;
        let (form, bytes) = match (plan.node(node).kind, key) {
            (Kind::String, Value::Text(text)) => (Form::Text, text.as_bytes()),
            _ if plan.owns(node) => return note(self.cx, self.map, operation, &KeyBytes::UNTOLD),
            _ => {
                stored_form = stored(self.cx, plan, node, key)?;
                (Form::Stored, &stored_form[..])
            }
        };
        // SAFETY: bytes that are borrowed until it is noted.
        let bytes = unsafe { KeyBytes::new(form, bytes.as_ptr(), bytes.len()) };
        note(self.cx, self.map, operation, &bytes)
    }

    /// Takes the entry of a key out, if it is there, and frees what it owns.
    pub(super) fn remove(&self, key: &Key<'_>) -> Result<bool> {
        let nodes = self.nodes();
        let at = |offset| self.map.at(nodes.0, offset);
        if self.is_table() {
            let forms = self.map.plan.forms(self.map.node);
            let hash = |seed| key.hash(self.map.plan, nodes.0, seed);
            let equal = |place| Ok(key.compare(at(place))?.is_eq());
            let Some((place, hash)) = table::find(self.map.map, forms, self.map.offset, hash, equal)? else {
                return Ok(false);
            };
            self.free_entry(place.key, place.value)?;
            self.table().remove(place, hash)?;
            return self.note(Operation::Removed, key).map(|()| true);
        }
        let tree = self.tree()?;
        match tree.way(|place| key.compare(at(place)))? {
            Some(way) if way.found => {
                self.free_entry(way.key(), way.value())?;
                tree.remove(way)?;
                self.note(Operation::Removed, key).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The places of the first entry of an ordered map or set, or of the last.
    pub(super) fn edge(&self, last: bool) -> Result<Option<(Untyped<'a>, Option<Untyped<'a>>)>> {
        let nodes = self.nodes();
        let way = self.tree()?.edge(last)?;
        Ok(way.map(|way| (self.map.at(nodes.0, way.key()), nodes.1.map(|node| self.map.at(node, way.value())))))
    }

    /// Takes the first entry of an ordered map or set out, or the last.
    pub(super) fn remove_edge(&self, last: bool) -> Result<()> {
        let tree = self.tree()?;
        match tree.edge(last)? {
            Some(way) => {
                self.free_entry(way.key(), way.value())?;
                tree.remove(way)
            }
            None => Ok(()),
        }
    }

    fn free_entry(&self, key: u64, value: u64) -> Result<()> {
        let nodes = self.nodes();
        free_value(self.cx, self.map.at(nodes.0, key))?;
        nodes.1.map_or(Ok(()), |node| free_value(self.cx, self.map.at(node, value)))
    }
}
