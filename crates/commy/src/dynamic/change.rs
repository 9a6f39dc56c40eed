//! Changing a value in place by its type's description, in the transaction of a write guard.
//!
//! ```text
//! set     what is at the path is replaced; in a map an entry whose key is not there is put in
//! insert  an element at an index, an entry of a key, an element of a set
//! remove  an element, an entry, what is in an option
//! push    at the end of a vector, deque or text; pop: from the end, in ordered maps and sets the last
//! clear   everything in a container, text or option
//! ```
//!
//! Each happens whole or not at all: what fails is undone by `Cx::atomically`, whatever it had done by then.

use super::fit::{elements, inside};
use super::follow::{self, Key, element, follow, open};
use super::keyed::{Keyed, note};
use super::load::load;
use super::path::{Path, StepRef, Steps};
use super::store::{store, stored};
use super::value::Value;
use super::view::View;
use crate::containers::erased::Sequence;
use crate::error::{Error, Result};
use crate::schema::Kind;
use crate::shared::WriteGuard;
use crate::tx::{KeyBytes, Operation};
use crate::walk::{Untyped, free_value};
use std::ops::Deref;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// An object without its Rust type locked for changing, in a transaction that is committed when it is dropped; see
/// [`Dynamic::write`](super::Dynamic::write). As for [`WriteGuard`], a panic rolls it back. As part of a transaction over
/// several objects, `WriteView<'_, Part<'_, ()>>`, it is committed with that; see
/// [`Transaction::write_dynamic`](crate::Transaction::write_dynamic).
///
/// Paths are those of [`Path`](super::Path). Values must fit the type: [`Error::BadValue`] says where they do not. An error
/// of a method means that it has changed nothing.
#[derive(Debug)]
pub struct WriteView<'a, L = WriteGuard<'a, ()>> {
    view: View<'a>,
    lock: L,
    /// What an error of a value names as the whole.
    name: &'a str,
}

impl<'a, L> Deref for WriteView<'a, L> {
    type Target = View<'a>;
    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

/// Which end of a sequence or ordered map.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Front,
    Back,
}

impl WriteView<'_> {
    /// Commits and unlocks; see [`WriteGuard::commit`].
    ///
    /// # Errors
    /// As [`WriteGuard::commit`].
    pub fn commit(self) -> Result<()> {
        self.lock.commit()
    }

    /// Undoes everything that was done under this guard, and unlocks.
    pub fn rollback(self) {
        self.lock.rollback();
    }
}

impl<'a, L> WriteView<'a, L> {
    pub(super) fn new(lock: L, view: View<'a>, name: &'a str) -> WriteView<'a, L> {
        WriteView { view, lock, name }
    }

    /// Runs one operation, whole or not at all.
    fn once<R>(&mut self, path: &Path<'_>, work: impl FnOnce(&View<'_>) -> Result<R>) -> Result<R> {
        let (view, name) = (&self.view, self.name);
        let place = || if path.is_empty() { name.to_owned() } else { format!("{name}/{path}") };
        view.cx.atomically(|| work(view)).map_err(|error| inside(error, &place()))
    }

    /// Replaces what is at a path. In a map an entry is put in if its key is not there.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::collections::HashMap;
    /// segment.open_or_create_with("series", || HashMap::from([("a".to_string(), vec![1u8, 2])]))?;
    /// let series = segment.dynamic("series")?;
    /// let mut guard = series.write()?;
    /// guard.set("a/1", &5u8.into())?;
    /// guard.set("b", &vec![7u8].into())?;
    /// guard.commit()?;
    /// assert_eq!(segment.open::<HashMap<String, Vec<u8>>>("series")?.load()?["a"], [1, 5]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadPath`] if nothing is there; [`Error::BadValue`]; [`Error::OutOfSpace`]; [`Error::Corrupt`].
    pub fn set<'p>(&mut self, path: impl Into<Path<'p>>, value: &Value) -> Result<()> {
        let path = path.into();
        self.once(&path, |view| {
            if let Some((before, last)) = path.steps().split_last()
                && let Some(keyed) = keyed(view, &path, before)?
            {
                let key = follow::key(&path, keyed.map, last)?;
                match (follow::find(keyed.map, &key)?, keyed.map.type_of().kind) {
                    (Some((_, Some(place))), _) => {
                        replace(view, place, value)?;
                        keyed.note(Operation::Changed, &key)?;
                    }
                    (None, Kind::HashMap | Kind::BTreeMap) => keyed.insert(&key, value)?,
                    _ => {
                        let reason = "the elements of a set are not replaced, but inserted and removed";
                        return Err(path.leads_nowhere(reason));
                    }
                }
                return note_within(view, &path, before);
            }
            let place = follow(view.root()?, &path, path.steps())?;
            replace(view, place.ok_or_else(|| path.leads_nowhere("nothing is there"))?, value)?;
            note_whole(view, &path, Operation::Replaced)?;
            note_within(view, &path, path.steps())
        })
    }

    /// Puts something in: an element into a vector or deque, before the one at the index that the path ends with, which
    /// may be the length; an entry into a map, of the key that the path ends with. For a set the path is that of the set,
    /// and the value is the element. Gives whether it is new: an entry or element that is there stays as it is.
    ///
    /// # Errors
    /// As [`set`](WriteView::set).
    pub fn insert<'p>(&mut self, path: impl Into<Path<'p>>, value: &Value) -> Result<bool> {
        let path = path.into();
        self.once(&path, |view| {
            if let Some(set) = keyed(view, &path, path.steps())?
                && matches!(set.map.type_of().kind, Kind::HashSet | Kind::BTreeSet)
            {
                let element = Key::from(value);
                if follow::find(set.map, &element)?.is_some() {
                    return Ok(false);
                }
                set.insert(&element, &Value::Unit)?;
                return note_within(view, &path, path.steps()).map(|()| true);
            }
            let (before, last) =
                path.steps().split_last().ok_or_else(|| path.leads_nowhere("an index or key is needed"))?;
            if let Some(keyed) = keyed(view, &path, before)? {
                let key = follow::key(&path, keyed.map, last)?;
                if follow::find(keyed.map, &key)?.is_some() {
                    return Ok(false);
                }
                keyed.insert(&key, value)?;
                return note_within(view, &path, before).map(|()| true);
            }
            let (place, sequence) = sequence(view, &path, before)?;
            let len = sequence.len();
            let at_end = matches!(last, StepRef::Text(text) if text == len.to_string())
                || last == StepRef::Key(&Value::from(len));
            let index = if at_end { Some(len) } else { follow::index(&path, last, len)? };
            let index = index.ok_or_else(|| path.leads_nowhere(format!("there are {len} elements")))?;
            put(view, place, sequence, index, value)?;
            note_within(view, &path, before).map(|()| true)
        })
    }

    /// Takes out what is at a path and gives it: an element, an entry's value, an element of a set, what is in an option.
    /// `None` if nothing is there.
    ///
    /// # Errors
    /// [`Error::BadPath`] for what cannot be taken out; [`Error::OutOfSpace`]; [`Error::Corrupt`].
    pub fn remove<'p>(&mut self, path: impl Into<Path<'p>>) -> Result<Option<Value>> {
        let path = path.into();
        self.once(&path, |view| {
            let mut work = view.work();
            if let Some((before, last)) = path.steps().split_last() {
                if let Some(keyed) = keyed(view, &path, before)? {
                    let key = follow::key(&path, keyed.map, last)?;
                    let Some((stored_key, content)) = follow::find(keyed.map, &key)? else { return Ok(None) };
                    let value = load(content.unwrap_or(stored_key), &mut work)?;
                    keyed.remove(&key)?;
                    return note_within(view, &path, before).map(|()| Some(value));
                }
                let value = follow(view.root()?, &path, before)?.map_or(Ok(None), open)?;
                if value.is_some_and(|value| is_sequence(value.type_of().kind)) {
                    let (place, sequence) = sequence(view, &path, before)?;
                    let Some(index) = follow::index(&path, last, sequence.len())? else { return Ok(None) };
                    let taken = take(view, place, sequence, index)?;
                    return note_within(view, &path, before).map(|()| taken);
                }
            }
            let Some(place) = follow(view.root()?, &path, path.steps())? else { return Ok(None) };
            if place.type_of().kind != Kind::Option {
                return Err(path.leads_nowhere(format!("a {} cannot be taken out there", place.type_of().name)));
            }
            match load(place, &mut work)? {
                Value::Option(Some(value)) => {
                    replace(view, place, &Value::Option(None))?;
                    note_within(view, &path, path.steps()).map(|()| Some(*value))
                }
                _ => Ok(None),
            }
        })
    }

    /// Adds an element behind the last one of a vector or deque, or text to a text.
    ///
    /// # Errors
    /// As [`set`](WriteView::set).
    pub fn push<'p>(&mut self, path: impl Into<Path<'p>>, value: &Value) -> Result<()> {
        self.push_at(path.into(), value, End::Back)
    }

    /// Adds an element before the first one of a vector or deque.
    ///
    /// # Errors
    /// As [`set`](WriteView::set).
    pub fn push_front<'p>(&mut self, path: impl Into<Path<'p>>, value: &Value) -> Result<()> {
        self.push_at(path.into(), value, End::Front)
    }

    fn push_at(&mut self, path: Path<'_>, value: &Value, end: End) -> Result<()> {
        self.once(&path, |view| {
            let place = follow(view.root()?, &path, path.steps())?.map_or(Ok(None), open)?;
            if let (Some(place), Value::Text(more)) = (place, value)
                && place.type_of().kind == Kind::String
            {
                let text = super::load::text(place)?;
                let text = if end == End::Back { text + more } else { format!("{more}{text}") };
                replace(view, place, &Value::Text(text))?;
            } else {
                let (place, sequence) = sequence(view, &path, path.steps())?;
                put(view, place, sequence, if end == End::Back { sequence.len() } else { 0 }, value)?;
            }
            note_within(view, &path, path.steps())
        })
    }

    /// Adds what another container of that type has: its elements behind the last one, its entries or elements where they
    /// belong. What a map or set has of them already is an error.
    ///
    /// # Errors
    /// As [`set`](WriteView::set); [`Error::BadValue`] names a key that is there already.
    pub fn append<'p>(&mut self, path: impl Into<Path<'p>>, more: Value) -> Result<()> {
        let path = path.into();
        self.once(&path, |view| {
            if let Some(keyed) = keyed(view, &path, path.steps())? {
                let entries = match more {
                    Value::Map(entries) => entries,
                    more => {
                        let elements = elements(keyed.map.type_of(), &more)?.into_owned();
                        elements.into_iter().map(|element| (element, Value::Unit)).collect()
                    }
                };
                for (key, value) in entries {
                    let new = Key::from(&key);
                    if follow::find(keyed.map, &new)?.is_some() {
                        let (found, expected) = (format!("{key:?}, which is there already"), "a new key".into());
                        return Err(Error::BadValue { place: String::new(), found, expected });
                    }
                    keyed.insert(&new, &value)?;
                }
            } else {
                let (place, sequence) = sequence(view, &path, path.steps())?;
                for value in elements(place.type_of(), &more)?.iter() {
                    put(view, place, sequence, sequence.len(), value)?;
                }
            }
            note_within(view, &path, path.steps())
        })
    }

    /// Takes the last element of a vector, deque, ordered map or set out and gives it; of a map key and value as a list.
    ///
    /// # Errors
    /// As [`remove`](WriteView::remove).
    pub fn pop<'p>(&mut self, path: impl Into<Path<'p>>) -> Result<Option<Value>> {
        self.pop_at(path.into(), End::Back)
    }

    /// As [`pop`](WriteView::pop), the first.
    ///
    /// # Errors
    /// As [`remove`](WriteView::remove).
    pub fn pop_front<'p>(&mut self, path: impl Into<Path<'p>>) -> Result<Option<Value>> {
        self.pop_at(path.into(), End::Front)
    }

    fn pop_at(&mut self, path: Path<'_>, end: End) -> Result<Option<Value>> {
        self.once(&path, |view| {
            if let Some(keyed) = keyed(view, &path, path.steps())? {
                if matches!(keyed.map.type_of().kind, Kind::HashMap | Kind::HashSet) {
                    let reason = format!("a {} has no first and no last; name the key", keyed.map.type_of().name);
                    return Err(path.leads_nowhere(reason));
                }
                let Some((key, value)) = keyed.edge(end == End::Back)? else { return Ok(None) };
                let mut work = view.work();
                let key = load(key, &mut work)?;
                let taken = match value {
                    Some(value) => Value::List(vec![key, load(value, &mut work)?]),
                    None => key,
                };
                let noted = match &taken {
                    Value::List(entry) if value.is_some() => &entry[0],
                    key => key,
                };
                keyed.remove_edge(end == End::Back)?;
                keyed.note(Operation::Removed, &Key::from(noted))?;
                return note_within(view, &path, path.steps()).map(|()| Some(taken));
            }
            let (place, sequence) = sequence(view, &path, path.steps())?;
            let Some(last) = sequence.len().checked_sub(1) else { return Ok(None) };
            let taken = take(view, place, sequence, if end == End::Back { last } else { 0 })?;
            note_within(view, &path, path.steps()).map(|()| taken)
        })
    }

    /// Makes the container, text or option at a path empty.
    ///
    /// # Errors
    /// [`Error::BadPath`] if there is none; [`Error::OutOfSpace`]; [`Error::Corrupt`].
    pub fn clear<'p>(&mut self, path: impl Into<Path<'p>>) -> Result<()> {
        let path = path.into();
        self.once(&path, |view| {
            let place = follow(view.root()?, &path, path.steps())?;
            let mut place = place.ok_or_else(|| path.leads_nowhere("nothing is there"))?;
            if place.type_of().kind == Kind::Box {
                place = open(place)?.ok_or_else(|| path.leads_nowhere("nothing is there"))?;
            }
            let empty = match place.type_of().kind {
                Kind::Option => Value::Option(None),
                Kind::String => Value::Text(String::new()),
                Kind::HashMap | Kind::BTreeMap => Value::Map(Vec::new()),
                Kind::Vec | Kind::VecDeque | Kind::HashSet | Kind::BTreeSet => Value::List(Vec::new()),
                _ => return Err(path.leads_nowhere(format!("a {} cannot be empty", place.type_of().name))),
            };
            replace(view, place, &empty)?;
            note_whole(view, &path, Operation::Cleared)?;
            note_within(view, &path, path.steps())
        })
    }
}

/// Notes that the whole value was changed, if the path is its own.
fn note_whole(view: &View<'_>, path: &Path<'_>, operation: Operation) -> Result<()> {
    match view.root()? {
        root if path.is_empty() => note(view.cx, root, operation, &KeyBytes::NONE),
        _ => Ok(()),
    }
}

/// Notes that something within the value of an entry was changed: what these steps lead to, if they lead anywhere.
fn note_within(view: &View<'_>, path: &Path<'_>, steps: Steps<'_>) -> Result<()> {
    let (true, Some(first)) = (view.cx.is_noting(), { steps }.next()) else { return Ok(()) };
    let root = view.root()?;
    match root.type_of().kind {
        Kind::HashMap | Kind::BTreeMap => {
            Keyed { cx: view.cx, map: root }.note(Operation::Changed, &follow::key(path, root, first)?)
        }
        _ => Ok(()),
    }
}

fn is_sequence(kind: Kind) -> bool {
    matches!(kind, Kind::Vec | Kind::VecDeque)
}

/// The map or set at the end of some steps, if there is one.
fn keyed<'v>(view: &'v View<'_>, path: &Path<'_>, steps: Steps<'_>) -> Result<Option<Keyed<'v>>> {
    let value = follow(view.root()?, path, steps)?.map_or(Ok(None), open)?;
    let map = value.filter(|value| {
        matches!(value.type_of().kind, Kind::HashMap | Kind::BTreeMap | Kind::HashSet | Kind::BTreeSet)
    });
    Ok(map.map(|map| Keyed { cx: view.cx, map }))
}

/// The vector or deque at the end of some steps.
fn sequence<'v>(view: &'v View<'_>, path: &Path<'_>, steps: Steps<'_>) -> Result<(Untyped<'v>, Sequence<'v>)> {
    let value = follow(view.root()?, path, steps)?.map_or(Ok(None), open)?;
    let value = value.ok_or_else(|| path.leads_nowhere("nothing is there"))?;
    let node = value.type_of();
    if !is_sequence(node.kind) {
        return Err(path.leads_nowhere(format!("that is a {}, not a vector or deque", node.name)));
    }
    let sequence = Sequence::open(view.cx, node.kind, value.plan.forms(value.node).first, value.offset)?;
    Ok((value, sequence))
}

/// Puts an element into a sequence.
fn put(view: &View<'_>, place: Untyped<'_>, sequence: Sequence<'_>, index: u64, value: &Value) -> Result<()> {
    let node = place.plan.entries(place.node).0.unwrap_or(place.node);
    sequence.insert(index, || stored(view.cx, place.plan, node, value))
}

/// Takes an element out of a sequence.
fn take(view: &View<'_>, place: Untyped<'_>, sequence: Sequence<'_>, index: u64) -> Result<Option<Value>> {
    let Some(element) = element(place, index)? else { return Ok(None) };
    let value = load(element, &mut view.work())?;
    free_value(view.cx, element)?;
    sequence.remove(index)?;
    Ok(Some(value))
}

/// Bytes of a stored form that is no longer than most: of a number, a text, a vector.
const SMALL: usize = 32;

/// Replaces a value where it is.
fn replace(view: &View<'_>, place: Untyped<'_>, value: &Value) -> Result<()> {
    if place.type_of().kind == Kind::Atomic {
        return store_atomic(place, value);
    }
    // What is small takes no memory of the process.
    let (mut few, mut many) = ([0; SMALL], Vec::new());
    let new = match place.type_of().size {
        size @ 0..=SMALL => &mut few[..size],
        size => {
            many.resize(size, 0);
            &mut many[..]
        }
    };
    store(view.cx, place.plan, place.node, value, new)?;
    let at = view.cx.at(place.offset, new.len() as u64, 1);
    let at = at.ok_or_else(|| Error::corrupt(place.offset, "a value outside the file"))?;
    if !new.is_empty() {
        // SAFETY: the bytes of the value, in the file.
        unsafe { view.cx.keep_bytes(at.as_ptr(), new.len())? };
    }
    free_value(view.cx, place)?;
    // SAFETY: as above; they are logged, locked for this guard, and nothing refers to the old value any more.
    unsafe { std::ptr::copy_nonoverlapping(new.as_ptr(), at.as_ptr(), new.len()) };
    Ok(())
}

/// Overwrites an atomic, at once and for good: others use it without a lock.
fn store_atomic(place: Untyped<'_>, value: &Value) -> Result<()> {
    let of = place.plan.node(place.plan.entries(place.node).0.unwrap_or(place.node));
    let (number, size) = (super::fit::number(of, value)?, place.type_of().size as u64);
    let at = place.map.at(place.offset, size, size.max(1));
    let at = at.ok_or_else(|| Error::corrupt(place.offset, "an atomic outside the file"))?;
    // SAFETY: so many bytes in the file, so aligned, which are only ever used as an atomic.
    unsafe {
        match size {
            1 => AtomicU8::from_ptr(at).store(number as u8, Ordering::SeqCst),
            2 => AtomicU16::from_ptr(at.cast()).store(number as u16, Ordering::SeqCst),
            4 => AtomicU32::from_ptr(at.cast()).store(number as u32, Ordering::SeqCst),
            _ => AtomicU64::from_ptr(at.cast()).store(number as u64, Ordering::SeqCst),
        }
    }
    Ok(())
}
