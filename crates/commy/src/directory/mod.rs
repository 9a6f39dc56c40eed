//! Named objects: the directory, which is an object itself, and the control block of each object.
//!
//! The directory is a `HashMap<String, u64>` from names to objects; an object is the offset of the lock word in its
//! control block (see `control`). The directory's own control block is in the header.
//!
//! An object is made in one transaction under the directory's lock: its value, its description, its control block
//! and its name come into being together. It goes in one transaction, too: see `remove`, and `orphans`.

mod audit;
mod control;
mod names;
mod orphans;
mod remove;

pub(crate) use audit::audit;
pub(crate) use control::{Control, control, format_directory, has_ring};
pub(crate) use orphans::free_orphans;
pub(crate) use remove::{remove, rename};

use crate::containers::untyped::Block;
use crate::error::{Error, Result};
use crate::layout::VALUE_AT;
use crate::map::Map;
use crate::schema::{Description, Kind, Object};
use crate::segment::Segment;
use crate::shared::{Shared, WriteGuard};
use crate::tx::{Cx, Form, Ring};
use crate::walk::{self, Claims, Finding, Plan};
use control::{DIRECTORY, LIVE, OBJECT_AT, Parts, is_inline};
use std::collections::HashMap;
use std::ptr::NonNull;

/// What the directory is.
pub(crate) type Names = HashMap<String, u64>;

/// An object as the directory knows it.
pub(crate) struct Found {
    pub object: u64,
    /// The generation that it is of, and where its value is, as long as that is the generation.
    pub generation: u64,
    pub value: u64,
    pub description: Vec<u8>,
}

fn directory(segment: &Segment) -> Result<Shared<Names>> {
    Shared::at(segment, "(the directory)", DIRECTORY + OBJECT_AT)
}

/// Looks a name up.
pub(crate) fn find(segment: &Segment, name: &str) -> Result<Option<Found>> {
    names::check(name)?;
    // Without the lock: objects come and go in transactions of the directory.
    directory(segment)?.survey(|names| names.load_value(name)?.map(|object| found(segment, object)).transpose())
}

/// What an object of the directory is, which is locked, or being watched.
fn found(segment: &Segment, object: u64) -> Result<Found> {
    let map = segment.map();
    let control = control(map, object)?;
    if control.state.get() != LIVE {
        return Err(Error::corrupt(object, "a name that leads to no object"));
    }
    let description = found_description(map, control)?;
    Ok(Found { object, generation: control.generation.get(), value: control.parts().value.0, description })
}

/// The description of an object, which or whose directory is locked.
fn found_description(map: &Map, control: &Control) -> Result<Vec<u8>> {
    let (offset, len) = control.parts().description;
    let Some(bytes) = map.at(offset, len, 1) else {
        return Err(Error::corrupt(offset, "a description outside the file"));
    };
    let mut description = vec![0; len as usize];
    // SAFETY: `len` bytes in the map, which are not changed meanwhile.
    unsafe { std::ptr::copy_nonoverlapping(bytes, description.as_mut_ptr(), len as usize) };
    Ok(description)
}

/// Changes the directory; wholly, or not at all.
fn change<R>(
    mut names: WriteGuard<'_, Names>,
    change: impl FnOnce(&mut WriteGuard<'_, Names>) -> Result<R>,
) -> Result<R> {
    match change(&mut names) {
        Ok(result) => {
            names.commit()?;
            Ok(result)
        }
        Err(error) => {
            names.rollback();
            Err(error)
        }
    }
}

/// Makes an object, unless somebody else has made one of that name meanwhile.
/// With a ring for so many `changes`, if that is asked for.
pub(crate) fn insert<T: Object>(
    segment: &Segment,
    name: &str,
    changes: Option<u64>,
    value: impl FnOnce() -> T,
) -> Result<Found> {
    let form = (size_of::<T::Form>() as u64, align_of::<T::Form>() as u64);
    let description = Description::of::<T>();
    let ring = changes.map(|changes| RingShape::of(description.clone(), changes)).transpose()?;
    let make = Making { segment, name, description: description.to_bytes(), form, ring };
    let value = value();
    let made = make.run(
        |cx| value.place(cx),
        |stored, place| {
            // SAFETY: a place of the size and alignment of the form, which no object has.
            unsafe { place.cast().write(stored) }
        },
    )?;
    Ok(made.0)
}

/// The same for a type that is known by its description; `store` gives the bytes of the stored form. Gives whether the
/// object is new.
pub(crate) fn insert_described(
    segment: &Segment,
    name: &str,
    changes: Option<u64>,
    description: &Description,
    form: (u64, u64),
    store: impl FnOnce(Cx) -> Result<Vec<u8>>,
) -> Result<(Found, bool)> {
    let ring = changes.map(|changes| RingShape::of(description.clone(), changes)).transpose()?;
    let make = Making { segment, name, description: description.to_bytes(), form, ring };
    make.run(store, |stored, place| {
        let len = stored.len().min(form.0 as usize);
        // SAFETY: a place for so many bytes, which no object has.
        unsafe { std::ptr::copy_nonoverlapping(stored.as_ptr(), place.as_ptr(), len) }
    })
}

/// What ring of changes an object gets.
struct RingShape {
    words: u64,
    keyed: bool,
}

impl RingShape {
    /// For so many changes of an object of that type.
    fn of(description: Description, changes: u64) -> Result<RingShape> {
        let plan = Plan::new(description)?;
        let keyed = matches!(plan.node(0).kind, Kind::HashMap | Kind::HashSet | Kind::BTreeMap | Kind::BTreeSet);
        let (form, size) = match plan.entries(0).0.filter(|_| keyed) {
            Some(key) if plan.node(key).kind == Kind::String => (Form::Text, 0),
            Some(key) if !plan.owns(key) => (Form::Stored, plan.node(key).size),
            _ => (Form::Untold, 0),
        };
        let words = Ring::words(changes, form, size).filter(|words| changes > 0 && *words < 1 << 40);
        let rule = "which must be at least one, and no more than a segment has room for";
        let words =
            words.ok_or(Error::BadArgument { what: "the capacity of a ring of changes", value: changes, rule })?;
        Ok(RingShape { words, keyed })
    }
}

/// An object that is to be made.
struct Making<'a> {
    segment: &'a Segment,
    name: &'a str,
    description: Vec<u8>,
    /// Bytes and alignment of the stored form.
    form: (u64, u64),
    ring: Option<RingShape>,
}

impl Making<'_> {
    /// Makes it: `store` allocates what the value owns, `put` puts its stored form into its place. Gives what there is of
    /// that name, and whether this made it.
    fn run<S>(self, store: impl FnOnce(Cx) -> Result<S>, put: impl FnOnce(S, NonNull<u8>)) -> Result<(Found, bool)> {
        let Making { segment, name, description, form: (bytes, align), ring } = self;
        names::check(name)?;
        // Makes room; what cannot be freed now is freed later.
        let _ = free_orphans(segment);
        let directory = directory(segment)?;
        let names = directory.write()?;
        if let Some(object) = names.get(name).copied() {
            return found(segment, object).map(|found| (found, false));
        }
        change(names, |names| {
            let cx = names.cx();
            control::release_kept(cx, segment.attachment())?;
            let stored = store(cx)?;
            let text = cx.alloc(description.len() as u64, 8)?;
            let object = control::take(cx)?;
            let value = if is_inline(bytes, align) { object + VALUE_AT } else { cx.alloc(bytes, align)? };
            let corrupt = || Error::corrupt(object, "an allocation outside the file");
            let place = cx.at(value, bytes, align).ok_or_else(corrupt)?;
            let letters = cx.at(text, description.len() as u64, 1).ok_or_else(corrupt)?;
            // SAFETY: a block just taken for so many bytes.
            unsafe { std::ptr::copy_nonoverlapping(description.as_ptr(), letters.as_ptr(), description.len()) };
            put(stored, place);
            let control = control(segment.map(), object)?;
            control.fill(Parts { description: (text, description.len() as u64), value: (value, bytes, align) });
            if let Some(shape) = ring {
                control.add_ring(cx, Ring::make(cx, shape.words, shape.keyed)?)?;
            }
            names.insert(name.into(), object)?;
            Ok((Found { object, generation: control.generation.get(), value, description }, true))
        })
    }
}

/// Bytes that an object takes.
pub(crate) fn size(segment: &Segment, name: &str) -> Result<u64> {
    Ok(blocks(segment, name)?.into_iter().map(|(_, bytes, align)| crate::alloc::footprint(bytes, align)).sum())
}

/// The blocks of an object, as offset, bytes and alignment: its control block, its description, and what its value is
/// and owns.
pub(crate) fn blocks(segment: &Segment, name: &str) -> Result<Vec<(u64, u64, u64)>> {
    let Some(Found { object, generation, value, description }) = find(segment, name)? else {
        return Err(Error::NotFound { name: name.into() });
    };
    let plan = Plan::new(Description::from_bytes(&description)?)?;
    Shared::<()>::lock_of(segment, name, object, generation)?.at_length(|_, cx| {
        let mut all = control::blocks(cx.map(), object)?;
        walk::blocks(cx, &plan, value, |block| all.push((block.offset, block.bytes, block.align)))?;
        Ok(all)
    })
}

/// Looks for what cannot be in the directory itself.
fn check_directory(segment: &Segment) -> Result<Vec<Finding>> {
    let (directory, plan) = (directory(segment)?, Plan::new(Description::of::<Names>())?);
    let _names = directory.read()?;
    let (map, value) = (segment.map(), directory.offset() + VALUE_AT);
    let mut findings = walk::check(map, &plan, value, directory.name(), &mut Claims::of(map));
    if let Err(Error::Corrupt { offset, what }) = control::lists(map) {
        findings.push(Finding { place: directory.name().into(), offset, what: what.into() });
    }
    Ok(findings)
}

/// Looks for what cannot be in any object, one after another, each locked for reading meanwhile.
pub(crate) fn check(segment: &Segment) -> Result<Vec<Finding>> {
    let mut findings = check_directory(segment)?;
    for name in names(segment, "")? {
        let object = match find(segment, &name) {
            Ok(Some(object)) => object,
            // Removed meanwhile.
            Ok(None) => continue,
            Err(Error::Corrupt { offset, what }) => {
                findings.push(Finding { place: name, offset, what: what.into() });
                continue;
            }
            Err(error) => return Err(error),
        };
        let Found { object, generation, value, description } = object;
        let plan = Description::from_bytes(&description).and_then(Plan::new);
        let lock = Shared::<()>::lock_of(segment, &name, object, generation)?;
        let _locked = match lock.read() {
            Err(Error::Removed { .. }) => continue,
            locked => locked?,
        };
        match plan {
            Ok(plan) => {
                // What one object gives up while another is looked at may come to that one: so each for itself.
                let mut claims = Claims::of(segment.map());
                findings.extend(walk::check(segment.map(), &plan, value, &name, &mut claims));
                findings.extend(check_ring(segment.map(), object, &name, &mut claims)?);
            }
            Err(error) => findings.push(Finding { place: name, offset: object, what: error.to_string() }),
        }
    }
    Ok(findings)
}

/// Looks for what cannot be in the ring of changes of an object, if it has one.
fn check_ring(map: &Map, object: u64, name: &str, claims: &mut Claims<'_>) -> Result<Option<Finding>> {
    let Some(offset) = control(map, object)?.ring() else { return Ok(None) };
    let found = |offset, what: &str| Some(Finding { place: name.into(), offset, what: what.into() });
    match Ring::open(map, offset).and_then(|ring| ring.check().map(|()| ring.bytes())) {
        Ok(bytes) => Ok(claims.claim(Block { offset, bytes, align: 8 }).err().and_then(|what| found(offset, what))),
        Err(Error::Corrupt { offset, what }) => Ok(found(offset, what)),
        Err(error) => Err(error),
    }
}

/// All names below a path, in order.
pub(crate) fn names_under(segment: &Segment, path: &str) -> Result<Vec<String>> {
    if path.is_empty() {
        return names(segment, "");
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    names::check(path)?;
    names(segment, &format!("{path}/"))
}

/// All names, with the offsets of their objects.
pub(crate) fn places(segment: &Segment) -> Result<Vec<(String, u64)>> {
    Ok(directory(segment)?.survey(|names| names.load_page(0, usize::MAX))?.0)
}

/// All names that begin so, in order.
pub(crate) fn names(segment: &Segment, prefix: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> =
        places(segment)?.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::control::{DIRECTORY, OBJECT_AT};
    use super::{VALUE_AT, check, control};
    use crate::segment::Segment;

    #[test]
    fn damage_of_the_directory_is_found_and_does_not_hang_anybody() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path().join("s.commy")).unwrap();
        for n in 0..20 {
            segment.open_or_create_with(&format!("object {n}"), || vec![n; 10]).unwrap();
        }
        (0..5).for_each(|n| segment.remove(&format!("object {n}")).unwrap());
        assert_eq!(check(&segment).unwrap(), []);
        let found = |word: u64, value: u64, what: &str| {
            let word = segment.map().word(word).unwrap();
            let old = word.get();
            word.put(value);
            let findings = check(&segment).unwrap();
            assert!(findings.iter().any(|finding| finding.what.contains(what)), "{what}: {findings:?}");
            word.put(old);
        };
        let object = |n: u32| super::find(&segment, &format!("object {n}")).unwrap().unwrap().object;
        // The number of names; a description; a value; a list that goes in a circle.
        found(DIRECTORY + OBJECT_AT + VALUE_AT, 7, "another number of entries");
        found(object(7) - OBJECT_AT + 8, 1 << 50, "description");
        found(object(7) + VALUE_AT, 1 << 50, "outside the file");
        let first = control(segment.map(), DIRECTORY + OBJECT_AT).unwrap().list.get();
        found(first - OBJECT_AT + 40, first, "a list where it does not belong");
        found(first - OBJECT_AT, 1, "a list where it does not belong");
        assert_eq!(check(&segment).unwrap(), []);
    }

    #[test]
    fn what_is_damaged_can_be_removed_and_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path().join("s.commy")).unwrap();
        let spoil = |offset: u64, value: u64| segment.map().word(offset).unwrap().put(value);
        for name in ["length", "content", "description"] {
            segment.open_or_create_with(name, || vec![vec!["text".to_string(); 20]; 20]).unwrap();
        }
        let whole = segment.open_or_create_with("whole", || vec!["text".to_string(); 200]).unwrap();
        let found = |name: &str| super::find(&segment, name).unwrap().unwrap();
        let content = segment.map().word(found("content").value).unwrap().get();
        spoil(found("length").value + 8, 1 << 50);
        spoil(content + 15 * 24, 1 << 50);
        spoil(found("description").object - OBJECT_AT + 8, 1 << 50);
        assert_eq!(check(&segment).unwrap().len(), 3);
        for name in ["length", "content", "description"] {
            segment.remove(name).unwrap();
        }
        assert_eq!(check(&segment).unwrap(), []);
        assert_eq!(segment.objects().unwrap(), ["whole"]);
        segment.recover().unwrap();
        segment.remove("whole").unwrap();
        assert!(whole.load().is_err());
        segment.open_or_create_with("length", || 7u64).unwrap();
    }
}
