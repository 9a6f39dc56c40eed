//! Objects that are made with something besides their value.

use super::Objects;
use crate::dynamic::{Dynamic, Type, Value};
use crate::error::{Error, Result};
use crate::schema::Share;
use crate::shared::Shared;

/// How a named object is to be made: `segment.object("ages").changes(1000).open_or_create()`.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    pub(super) objects: &'a Objects,
    pub(super) name: &'a str,
    pub(super) changes: Option<u64>,
}

impl Named<'_> {
    /// Lets the object keep its last changes, at least so many, for [`Shared::changes`]: a ring in which each
    /// committed change is noted, with the key of the entry if the object is a map or set. Keys are plain ones, or others
    /// that own nothing elsewhere, and `String`s; of others, and of those longer than 1 KiB, a change tells that there was
    /// one. A text takes the room of more than one change for each 32 letters above 32.
    ///
    /// That is decided when the object is made. Each change then takes a few words more of log, some 200 ns, and operations that are a
    /// single store elsewhere are none here. If a change cannot be noted, since the segment has no room even for that, it is undone, as is all
    /// that was done under its guard: [`WriteGuard::commit`](crate::WriteGuard::commit) tells, dropping the guard does
    /// not.
    ///
    /// What is written through references that the containers of
    /// [`FreeListAllocator`](crate::FreeListAllocator) lend is not noted.
    pub fn changes(mut self, capacity: u64) -> Self {
        self.changes = Some(capacity);
        self
    }

    /// The object, made from `T::default()` if there is none of that name.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use commy::{Error, Shared};
    /// use std::collections::BTreeSet;
    ///
    /// let names: Shared<BTreeSet<String>> = segment.object("names").changes(1000).open_or_create()?;
    /// // Whoever opens it as usual notes changes, and can read them.
    /// let same: Shared<BTreeSet<String>> = segment.open_or_create("names")?;
    /// let mut changes = names.changes()?;
    /// same.insert("Ada".into())?;
    /// assert_eq!(changes.next(std::time::Duration::ZERO)?.unwrap().key()?, Some("Ada".to_string()));
    ///
    /// segment.open_or_create::<Vec<u64>>("list")?;
    /// let refused = segment.object("list").changes(1000).open_or_create::<Vec<u64>>();
    /// assert!(matches!(refused, Err(Error::NoChanges { .. })));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Objects::open_or_create`]; [`Error::NoChanges`] if there is one that was made without [`changes`](Named::changes),
    /// though they are asked for; [`Error::BadArgument`] for a capacity of 0.
    pub fn open_or_create<T: Share + Default>(self) -> Result<Shared<T>> {
        self.open_or_create_with(T::default)
    }

    /// The object, made from the given value if there is none of that name.
    ///
    /// # Errors
    /// As [`open_or_create`](Named::open_or_create).
    pub fn open_or_create_with<T: Share>(self, value: impl FnOnce() -> T) -> Result<Shared<T>> {
        let object = self.objects.make(self.name, self.changes, value)?;
        if self.changes.is_some() && !object.keeps_changes() {
            return Err(Error::NoChanges { name: self.name.into() });
        }
        Ok(object)
    }

    /// Makes the object of a type that is known by its description alone; there must be none of that name. See
    /// [`Objects::create_dynamic`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// # use commy::dynamic::Type;
    /// let ages: Type = "BTreeMap<String, u8>".parse()?;
    /// let ages = segment.object("ages").changes(1000).create_dynamic(&ages, &ages.default_value()?)?;
    /// let mut changes = ages.changes()?;
    /// ages.write()?.set("Ada", &36u8.into())?;
    /// assert_eq!(changes.next(std::time::Duration::ZERO)?.unwrap().key()?, Some("Ada".into()));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Objects::create_dynamic`]; [`Error::BadArgument`] for a capacity of 0.
    pub fn create_dynamic(self, described: &Type, value: &Value) -> Result<Dynamic> {
        Dynamic::create(&self.objects.segment(), self.name, self.changes, described, value)
    }
}
