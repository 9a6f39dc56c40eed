//! Reading a container page by page while others change it: each page is of one moment, and a bookmark says where the next
//! one begins, whatever has happened in between.
//!
//! ```text
//! vector, deque, array     the index of the next element
//! ordered map or set       the last key: the next page begins behind it, whether it is still there or not
//! hash map or set          groups gone through, which mean the same in tables of any size (`containers::hash::scan`)
//! ```
//!
//! Finding the place takes no longer on the last page than on the first. [`pages`](Dynamic::pages) is for who wants all
//! of one version, and rather nothing than something else.

use super::Dynamic;
use super::fit::{compare, inside};
use super::load::{Work, load};
use super::path::Path;
use super::value::Value;
use super::view::{Cursor, View};
use crate::containers::{btree, hash as table};
use crate::error::Result;
use crate::schema::{KeyHasher, Kind};
use crate::walk::{Keys, Untyped};

/// Where a page of [`Dynamic::scan`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bookmark {
    /// Before the element of this index.
    Index(u64),
    /// Behind this key of an ordered map, or element of an ordered set.
    After(Value),
    /// Before this group of a hash map or set.
    Group(u64),
}

/// A page of entries, as [`View::entries`] gives them, and where the next one begins; `None` behind the last.
pub type Page = (Vec<(Value, Value)>, Option<Bookmark>);

impl Dynamic {
    /// A page of the elements or entries of the container at a path, from a bookmark on, `None` for the first page.
    ///
    /// Each page is of one moment. What is there all the time is given, whatever happens in between: in an ordered map or set
    /// once; in a hash map or set once if that does not grow or shrink, else at least once; in a sequence by its index, so
    /// that what is put in or taken out before it moves it. A page has `at_most` entries, of a hash map or set sometimes a
    /// few more, and may be empty before the last.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::collections::BTreeMap;
    /// segment.open_or_create_with("squares", || (0..100u32).map(|n| (n, n * n)).collect::<BTreeMap<_, _>>())?;
    /// let squares = segment.dynamic("squares")?;
    /// let (mut seen, mut from) = (0, None);
    /// loop {
    ///     let (page, next) = squares.scan("", from.as_ref(), 30)?;
    ///     seen += page.len();
    ///     from = next;
    ///     if from.is_none() {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(seen, 100);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadPath`](crate::Error::BadPath) if there is no container, or the bookmark is one of another kind of
    /// container; as [`load`](Dynamic::load).
    pub fn scan<'p>(&self, path: impl Into<Path<'p>>, from: Option<&Bookmark>, at_most: usize) -> Result<Page> {
        let (path, at_most) = (path.into(), at_most.max(1));
        self.at_one_moment(|view| view.scan(&path, from, at_most))
    }
}

impl View<'_> {
    fn scan(&self, path: &Path<'_>, from: Option<&Bookmark>, at_most: usize) -> Result<Page> {
        let value = self.container(path)?;
        let kind = value.type_of().kind;
        let begin = if let Some(Bookmark::Index(index)) = from { *index } else { 0 };
        let cursor = match (kind, from) {
            (Kind::HashMap | Kind::HashSet, None) => return groups(value, 0, at_most, &mut self.work()),
            (Kind::HashMap | Kind::HashSet, Some(Bookmark::Group(group))) => {
                return groups(value, *group, at_most, &mut self.work());
            }
            (_, None) => Cursor::first(value)?,
            (Kind::Vec | Kind::VecDeque | Kind::Array, Some(Bookmark::Index(_))) => Cursor::first(value)?.at(begin),
            (Kind::BTreeMap | Kind::BTreeSet, Some(Bookmark::After(key))) => Cursor::behind(value, key)?,
            _ => return Err(path.leads_nowhere(format!("the bookmark is none of a {}", value.type_of().name))),
        };
        let mut entries = self.entries_at(value, cursor);
        let page: Vec<_> = entries.by_ref().take(at_most).collect::<Result<_>>()?;
        let more = page.len() == at_most && entries.next().transpose()?.is_some();
        let next = page.last().filter(|_| more).map(|(key, _)| match (kind, key) {
            (Kind::BTreeMap | Kind::BTreeSet, key) => Bookmark::After(key.clone()),
            _ => Bookmark::Index(begin.saturating_add(at_most as u64)),
        });
        Ok((page, next))
    }
}

/// The entries of whole groups of a hash map or set.
fn groups(value: Untyped<'_>, mut group: u64, at_most: usize, work: &mut Work) -> Result<Page> {
    let (forms, (first, second)) = (value.plan.forms(value.node), value.plan.entries(value.node));
    let Some(first) = first else { return Ok((Vec::new(), None)) };
    let mut page = Vec::new();
    loop {
        let before = page.len();
        let hash = |place: u64, seed: u64| {
            let mut hasher = KeyHasher::new(seed);
            Keys { work: value.map.size() }.hash(value.at(first, place), &mut hasher)?;
            Ok(hasher.finish())
        };
        work.spend(value.offset)?;
        let next = table::scan(value.map, forms, value.offset, group, hash, |key, content| {
            let key = load(value.at(first, key), work)?;
            let content = match (value.type_of().kind, second) {
                (Kind::HashMap, Some(second)) => load(value.at(second, content), work)?,
                _ => Value::Unit,
            };
            page.push((key, content));
            Ok(())
        })?;
        if page.len() > at_most && before > 0 {
            page.truncate(before);
            return Ok((page, Some(Bookmark::Group(group))));
        }
        match next {
            None => return Ok((page, None)),
            Some(next) => group = next,
        }
        if page.len() >= at_most {
            return Ok((page, Some(Bookmark::Group(group))));
        }
    }
}

impl Cursor {
    /// Behind a key, whether it is there or not.
    fn behind(value: Untyped<'_>, key: &Value) -> Result<Cursor> {
        let Some(first) = value.plan.entries(value.node).0 else { return Cursor::first(value) };
        let order = |place: u64| compare(value.at(first, place), key);
        let way = btree::behind(value.map, value.plan.forms(value.node), value.offset, order);
        let way = way.map_err(|error| inside(error, "the key"))?;
        Ok(Cursor::along(way))
    }
}
