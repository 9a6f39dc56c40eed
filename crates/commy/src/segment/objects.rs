//! The named objects of a segment.

use super::{Attached, Named, Segment};
use crate::directory::{self, Found};
use crate::dynamic::{Dynamic, Type, Value};
use crate::error::{Error, Result};
use crate::schema::{Description, Object};
use crate::shared::Shared;
use crate::walk::Finding;
use std::sync::Arc;

/// The named objects of a [`Segment`], which dereferences to this: `segment.open_or_create::<T>("name")`.
///
/// Names are paths of `/`-separated parts, such as `jobs/waiting`.
#[derive(Clone, Debug)]
pub struct Objects(pub(super) Arc<Attached>);

impl Objects {
    pub(super) fn segment(&self) -> Segment {
        Segment(self.clone())
    }

    /// The object of that name, made from `T::default()` if there is none.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] if it holds another type; [`Error::BadName`]; [`Error::OutOfSpace`];
    /// [`Error::LockTimeout`].
    pub fn open_or_create<T: Object + Default>(&self, name: &str) -> Result<Shared<T>> {
        self.open_or_create_with(name, T::default)
    }

    /// The object of that name, made from the given value if there is none. Of several that do so at
    /// once, one makes it.
    ///
    /// # Errors
    /// As [`open_or_create`](Objects::open_or_create).
    pub fn open_or_create_with<T: Object>(&self, name: &str, value: impl FnOnce() -> T) -> Result<Shared<T>> {
        self.make(name, None, value)
    }

    /// The object of that name, made with a ring for so many changes if there is none and they are asked for.
    pub(super) fn make<T: Object>(
        &self,
        name: &str,
        changes: Option<u64>,
        value: impl FnOnce() -> T,
    ) -> Result<Shared<T>> {
        match directory::find(&self.segment(), name)? {
            Some(found) => self.shared(name, found),
            None => {
                let found = directory::insert(&self.segment(), name, changes, value)?;
                self.shared(name, found)
            }
        }
    }

    /// The object of that name, made with more than its value: see [`Named`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::collections::HashMap;
    /// let ages: commy::Shared<HashMap<String, u32>> = segment.object("ages").changes(1000).open_or_create()?;
    /// # Ok::<(), commy::Error>(())
    /// ```
    pub fn object<'a>(&'a self, name: &'a str) -> Named<'a> {
        Named { objects: self, name, changes: None }
    }

    /// The object of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::TypeMismatch`] if it holds another type; [`Error::BadName`].
    pub fn open<T: Object>(&self, name: &str) -> Result<Shared<T>> {
        match directory::find(&self.segment(), name)? {
            Some(found) => self.shared(name, found),
            None => Err(Error::NotFound { name: name.into() }),
        }
    }

    fn shared<T: Object>(&self, name: &str, found: Found) -> Result<Shared<T>> {
        let asked = Description::of::<T>();
        if asked.to_bytes() != found.description {
            let stored = Description::from_bytes(&found.description)?;
            let place = asked.difference(&stored).unwrap_or_else(|| "their descriptions differ".into());
            return Err(Error::TypeMismatch {
                name: name.into(),
                expected: asked.name().into(),
                found: stored.name().into(),
                place,
            });
        }
        if self.segment().is_read_only() && T::USED_IN_PLACE {
            return Err(Error::ReadOnly);
        }
        Shared::new(&self.segment(), name, &found)
    }

    /// The object of that name whatever its type is, to be used by its description: see [`dynamic`](crate::dynamic).
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadName`]; [`Error::Corrupt`] if the description cannot be that of any type.
    pub fn dynamic(&self, name: &str) -> Result<Dynamic> {
        Dynamic::open(&self.segment(), name)
    }

    /// Makes an object of a type that is written as text, or otherwise known by its description alone. A program that
    /// has the Rust type opens it as that.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use std::collections::BTreeMap;
    /// use commy::dynamic::Type;
    /// let ages: Type = "BTreeMap<String, u8>".parse()?;
    /// let made = segment.create_dynamic("ages", &ages, &ages.default_value()?)?;
    /// made.write()?.set("Ada", &36u8.into())?;
    /// assert_eq!(segment.open::<BTreeMap<String, u8>>("ages")?.load()?["Ada"], 36);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ObjectExists`]; [`Error::BadValue`] if the value is none of the type; [`Error::BadName`];
    /// [`Error::OutOfSpace`]; [`Error::LockTimeout`].
    pub fn create_dynamic(&self, name: &str, described: &Type, value: &Value) -> Result<Dynamic> {
        Dynamic::create(&self.segment(), name, None, described, value)
    }

    /// The names of all objects, in order.
    ///
    /// # Errors
    /// [`Error::LockTimeout`].
    pub fn objects(&self) -> Result<Vec<String>> {
        directory::names(&self.segment(), "")
    }

    /// The names of the objects below a path, in order: `objects_under("jobs/")` gives `jobs/waiting` and
    /// `jobs/done/today`. The slash at its end may be left out; the empty path is that of all objects. Looks at all
    /// names.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// for name in ["jobs/waiting", "jobs/done", "jobsworth"] {
    ///     segment.open_or_create::<u64>(name)?;
    /// }
    /// assert_eq!(segment.objects_under("jobs/")?, ["jobs/done", "jobs/waiting"]);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadName`] for a path that no name can begin with; [`Error::LockTimeout`].
    pub fn objects_under(&self, path: &str) -> Result<Vec<String>> {
        directory::names_under(&self.segment(), path)
    }

    /// Removes an object with all it holds. Handles that others have of it give [`Error::Removed`] from then on, at
    /// once, and so do those who wait for it to change. Another object of that name can be made.
    ///
    /// Atomics are used without a lock, so nobody can be told: handles that others have of them go on working, but on
    /// something that has no name any more. It takes up its room until all who have the segment open now have closed
    /// it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use commy::{Error, Shared};
    /// let names: Shared<Vec<String>> = segment.open_or_create("names")?;
    /// segment.remove("names")?;
    /// assert!(matches!(names.read(), Err(Error::Removed { .. })));
    /// assert!(matches!(segment.open::<Vec<String>>("names"), Err(Error::NotFound { .. })));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadName`]; [`Error::LockTimeout`] if somebody else has it locked for that long;
    /// [`Error::Deadlock`] if this thread has a guard of it. One that is damaged can be removed, too; what it holds then
    /// stays in use.
    pub fn remove(&self, name: &str) -> Result<()> {
        directory::remove(&self.segment(), name)
    }

    /// Bytes that an object takes, with all it holds, rounded up to the sizes that blocks have. Takes time in
    /// proportion to the blocks, and no lock unless others change it all the time.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("numbers", || vec![0u64; 1000])?;
    /// assert!((8000..9000).contains(&segment.object_size("numbers")?));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadName`]; [`Error::LockTimeout`]; [`Error::Deadlock`] if this thread has a write
    /// guard of it; [`Error::Corrupt`].
    pub fn object_size(&self, name: &str) -> Result<u64> {
        directory::size(&self.segment(), name)
    }

    /// Looks at all objects, and at the directory of their names, for what cannot be: lengths, offsets and tags out of range, text that is not UTF-8, keys
    /// that are out of order or cannot be found, blocks that are in an object twice. Gives what it finds, nothing if all is well.
    /// Whatever is in the file, this ends and does not crash.
    ///
    /// Takes time in proportion to what there is, and locks one object after the other for reading meanwhile.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("names", || vec!["Ada".to_string()])?;
    /// assert!(segment.check_objects()?.is_empty());
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LockTimeout`]; [`Error::Deadlock`] if this thread has a write guard of an object.
    pub fn check_objects(&self) -> Result<Vec<Finding>> {
        directory::check(&self.segment())
    }

    /// Gives an object another name. Handles that there are of it go on working.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("draft", || 7u64)?;
    /// segment.rename("draft", "archive/2026")?;
    /// assert_eq!(segment.open::<u64>("archive/2026")?.load()?, 7);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::ObjectExists`] if there is one of the new name; [`Error::BadName`];
    /// [`Error::OutOfSpace`]; [`Error::LockTimeout`].
    pub fn rename(&self, old: &str, new: &str) -> Result<()> {
        directory::rename(&self.segment(), old, new)
    }
}
