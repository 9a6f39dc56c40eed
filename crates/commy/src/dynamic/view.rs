//! A value in place, seen by its type's description, while it is locked.

use super::follow::{self, element, follow, open};
use super::load::{Work, array_len, len, load};
use super::path::{Path, StepRef};
use super::types::Type;
use super::value::Value;
use crate::containers::btree::Node;
use crate::containers::untyped::{Contents, Step as Next};
use crate::error::Result;
use crate::schema::Kind;
use crate::shared::ReadGuard;
use crate::tx::Cx;
use crate::walk::Untyped;
use std::cmp::Ordering;
use std::ops::{Deref, Range};

/// A value in a segment, seen in place without its Rust type: what the guards of a [`Dynamic`](super::Dynamic)
/// dereference to.
pub struct View<'a> {
    pub(super) cx: Cx,
    described: &'a Type,
    offset: u64,
    /// Values, and bytes of texts, that a copy may have.
    limit: u64,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("type", &self.described.name()).finish_non_exhaustive()
    }
}

/// What is on both sides of the dots in a step that may be a range.
fn ends(step: &str) -> Option<(&str, &str)> {
    // The bytes are looked at, which takes less for a short text than `split_once` takes to begin.
    let dots = step.as_bytes().windows(2).position(|two| two == b"..")?;
    Some((&step[..dots], &step[dots + 2..]))
}

impl<'a> View<'a> {
    pub(super) fn new(cx: Cx, described: &'a Type, offset: u64, limit: u64) -> View<'a> {
        View { cx, described, offset, limit }
    }

    /// The whole value.
    pub(super) fn root(&self) -> Result<Untyped<'_>> {
        Untyped::root(self.cx.map(), &self.described.0, self.offset)
    }

    /// A copy of the whole value.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it is damaged; [`Error::BadArgument`](crate::Error::BadArgument) if values are nested so deep in it that a copy would take
    /// too much stack.
    pub fn load(&self) -> Result<Value> {
        load(self.root()?, &mut self.work())
    }

    /// A copy of what is at a path, `None` if nothing is.
    ///
    /// In sequences the last step may be a range, `2..5`, `..5` or `2..`, of indices, and gives a list, which may have
    /// fewer elements; in ordered maps and sets it may be a range of keys, if there is no key of that name.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use commy::dynamic::Value;
    /// segment.open_or_create_with("list", || vec![1i32, 2, 3, 4])?;
    /// let list = segment.dynamic("list")?.get("1..3")?;
    /// assert_eq!(list, Some(Value::List(vec![2i32.into(), 3i32.into()])));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadPath`](crate::Error::BadPath) if no value of the type has anything there;
    /// [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn get<'p>(&self, path: impl Into<Path<'p>>) -> Result<Option<Value>> {
        self.at(&path.into())
    }

    /// A copy of what is at a path.
    pub(super) fn at(&self, path: &Path<'_>) -> Result<Option<Value>> {
        let mut work = self.work();
        if self.described.0.has_orders()
            && let Some((before, StepRef::Text(last))) = path.steps().split_last()
            && let Some((from, to)) = ends(last)
        {
            let Some(value) = follow(self.root()?, path, before)? else { return Ok(None) };
            let Some(value) = open(value)? else { return Ok(None) };
            match value.type_of().kind {
                Kind::Vec | Kind::VecDeque | Kind::Array => {
                    return self.elements(path, value, (from, to), &mut work).map(Some);
                }
                Kind::BTreeMap | Kind::BTreeSet => {
                    let exact = follow::key(path, value, StepRef::Text(last)).ok();
                    let found = exact.map(|key| follow::find(value, &key)).transpose()?.flatten();
                    if found.is_none() {
                        return self.keys(path, value, (from, to), &mut work).map(Some);
                    }
                }
                _ => {}
            }
        }
        match follow(self.root()?, path, path.steps())? {
            Some(value) => load(value, &mut work).map(Some),
            None => Ok(None),
        }
    }

    /// A copy of the value of a key, if the whole value is a hash map.
    #[inline]
    pub(super) fn entry(&self, path: &Path<'_>, step: StepRef<'_>) -> Result<Option<Value>> {
        let map = self.root()?;
        let found = follow::find(map, &follow::key(path, map, step)?)?;
        found.and_then(|(_, content)| content).map(|content| load(content, &mut self.work())).transpose()
    }

    /// The elements of a range of indices.
    fn elements(&self, path: &Path<'_>, value: Untyped<'_>, range: (&str, &str), work: &mut Work) -> Result<Value> {
        let len = len(value)?.unwrap_or(0);
        let number = |text: &str, default: u64| match text {
            "" => Ok(default),
            _ => text.parse::<i128>().map_err(|_| path.leads_nowhere(format!("{text} is no index"))).map(|number| {
                let number = if number < 0 { number + i128::from(len) } else { number };
                number.clamp(0, i128::from(len)) as u64
            }),
        };
        let Range { start, end } = number(range.0, 0)?..number(range.1, len)?;
        let mut all = Vec::new();
        for index in start..end {
            if let Some(element) = element(value, index)? {
                all.push(load(element, work)?);
            }
        }
        Ok(Value::List(all))
    }

    /// The entries of a range of keys of an ordered map, or the elements of a set.
    fn keys<'t>(
        &self,
        path: &Path<'_>,
        value: Untyped<'_>,
        (from, to): (&'t str, &'t str),
        work: &mut Work,
    ) -> Result<Value> {
        let key = |text: &'t str| match text {
            "" => Ok(None),
            _ => follow::key(path, value, StepRef::Text(text)).map(Some),
        };
        let (from, to) = (key(from)?, key(to)?);
        let (mut entries, mut elements) = (Vec::new(), Vec::new());
        super::load::each(value, work, |work, key, content| {
            if from.as_ref().map_or(Ok(Ordering::Greater), |from| from.compare(key))? == Ordering::Less {
                return Ok(true);
            }
            if to.as_ref().map_or(Ok(Ordering::Less), |to| to.compare(key))? != Ordering::Less {
                return Ok(false);
            }
            let key = load(key, work)?;
            match content {
                Some(content) => entries.push((key, load(content, work)?)),
                None => elements.push(key),
            }
            Ok(true)
        })?;
        Ok(if value.type_of().kind == Kind::BTreeMap { Value::Map(entries) } else { Value::List(elements) })
    }

    /// How many elements or entries the container at a path has, in a text bytes; `None` if nothing is there, or what has
    /// no length.
    ///
    /// # Errors
    /// [`Error::BadPath`](crate::Error::BadPath); [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn len<'p>(&self, path: impl Into<Path<'p>>) -> Result<Option<u64>> {
        self.len_at(&path.into())
    }

    /// How many elements or entries the container at a path has.
    pub(super) fn len_at(&self, path: &Path<'_>) -> Result<Option<u64>> {
        let Some(value) = follow(self.root()?, path, path.steps())? else { return Ok(None) };
        open(value)?.map_or(Ok(None), len)
    }

    /// The elements or entries of the container at a path, one after the other; each is copied when it is asked for.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::collections::BTreeMap;
    /// segment.open_or_create_with("ages", || BTreeMap::from([("Ada".to_string(), 36u8), ("Grace".into(), 85)]))?;
    /// let ages = segment.dynamic("ages")?;
    /// let ages = ages.read()?;
    /// let first = ages.entries("")?.next().unwrap()?;
    /// assert_eq!(first, ("Ada".into(), 36u8.into()));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadPath`](crate::Error::BadPath) if there is no container; [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn entries<'p>(&self, path: impl Into<Path<'p>>) -> Result<Entries<'_>> {
        self.entries_from(&path.into(), None)
    }

    /// The same, from where others ended: in a value that has not changed since.
    pub(super) fn entries_from(&self, path: &Path<'_>, cursor: Option<Cursor>) -> Result<Entries<'_>> {
        let value = self.container(path)?;
        let cursor = cursor.map_or_else(|| Cursor::first(value), Ok)?;
        Ok(self.entries_at(value, cursor))
    }

    /// The container at a path.
    pub(super) fn container(&self, path: &Path<'_>) -> Result<Untyped<'_>> {
        let value = follow(self.root()?, path, path.steps())?.map_or(Ok(None), open)?;
        let value = value.ok_or_else(|| path.leads_nowhere("nothing is there"))?;
        if len(value)?.is_none() || value.type_of().kind == Kind::String {
            return Err(path.leads_nowhere(format!("{} has no elements", value.type_of().name)));
        }
        Ok(value)
    }

    /// The entries of a container from a cursor on.
    pub(super) fn entries_at<'v>(&self, value: Untyped<'v>, cursor: Cursor) -> Entries<'v> {
        Entries { value, cursor, work: self.work() }
    }

    /// What may be read of the object.
    pub(super) fn work(&self) -> Work {
        Work::new(self.cx, self.limit)
    }
}

/// An index behind all elements.
const END: u64 = u64::MAX / 2;

/// How far a walk over the entries of a container has come.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    stack: Vec<Contents>,
    index: u64,
}

impl Cursor {
    /// Before the first entry of a container.
    pub(super) fn first(value: Untyped<'_>) -> Result<Cursor> {
        Ok(Cursor { stack: value.contents()?.into_iter().collect(), index: 0 })
    }

    /// In a sequence, before the element of an index.
    pub(super) fn at(mut self, index: u64) -> Cursor {
        self.index = index.min(END);
        match self.stack.last_mut() {
            Some(Contents::Row(row)) => row.next = index.min(row.len),
            Some(Contents::Ring(ring)) => ring.next = index.min(ring.len),
            _ => {}
        }
        self
    }

    /// In a tree, at the end of a way through its nodes.
    pub(super) fn along(way: Vec<Node>) -> Cursor {
        Cursor { stack: way.into_iter().map(Contents::Node).collect(), index: 0 }
    }
}

/// The entries of a container, given as key and value: of a sequence index and element, of a set the element and
/// [`Value::Unit`]. After an error there are no more.
pub struct Entries<'v> {
    value: Untyped<'v>,
    cursor: Cursor,
    work: Work,
}

impl std::fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("index", &self.cursor.index).finish_non_exhaustive()
    }
}

impl Entries<'_> {
    /// How far it has come.
    pub(super) fn into_cursor(self) -> Cursor {
        self.cursor
    }

    fn advance(&mut self) -> Result<Option<(Value, Value)>> {
        let (value, index) = (self.value, self.cursor.index);
        self.cursor.index += 1;
        if value.type_of().kind == Kind::Array {
            if index >= array_len(value) {
                return Ok(None);
            }
            return match element(value, index)? {
                Some(element) => Ok(Some((index.into(), load(element, &mut self.work)?))),
                None => Ok(None),
            };
        }
        let (forms, (first, second)) = (value.plan.forms(value.node), value.plan.entries(value.node));
        while let Some(top) = self.cursor.stack.last_mut() {
            match top.step(value.map, forms, true)? {
                Next::Entry(key, content) => {
                    let Some(first) = first else { return Ok(None) };
                    let key = load(value.at(first, key), &mut self.work)?;
                    return Ok(Some(match (value.type_of().kind, second) {
                        (Kind::HashMap | Kind::BTreeMap, Some(second)) => {
                            (key, load(value.at(second, content), &mut self.work)?)
                        }
                        (Kind::HashSet | Kind::BTreeSet, _) => (key, Value::Unit),
                        _ => (index.into(), key),
                    }));
                }
                Next::Down(contents) => self.cursor.stack.push(contents),
                Next::Block(_) => {}
                Next::End => {
                    self.cursor.stack.pop();
                }
            }
            self.work.spend(value.offset)?;
        }
        Ok(None)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(Value, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            // Nothing comes after the end, or after what is damaged.
            self.cursor.stack.clear();
            self.cursor.index = END;
        }
        next
    }
}

/// An object without its Rust type locked for reading; see [`Dynamic::read`](super::Dynamic::read).
#[derive(Debug)]
pub struct ReadView<'a> {
    _lock: ReadGuard<'a, ()>,
    view: View<'a>,
}

impl<'a> ReadView<'a> {
    pub(super) fn new(lock: ReadGuard<'a, ()>, view: View<'a>) -> ReadView<'a> {
        ReadView { _lock: lock, view }
    }
}

impl<'a> Deref for ReadView<'a> {
    type Target = View<'a>;
    fn deref(&self) -> &View<'a> {
        &self.view
    }
}
