//! The named objects of a segment.

use super::{Attached, Segment};
use crate::directory::{self, Found};
use crate::error::{Error, Result};
use crate::schema::{Description, Object};
use crate::shared::Shared;
use std::sync::Arc;

/// The named objects of a [`Segment`], which dereferences to this: `segment.open_or_create::<T>("name")`.
///
/// Names are paths of `/`-separated parts, such as `jobs/waiting`.
#[derive(Clone, Debug)]
pub struct Objects(pub(super) Arc<Attached>);

impl Objects {
    fn segment(&self) -> Segment {
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
        match directory::find(&self.segment(), name)? {
            Some(found) => self.shared(name, found),
            None => {
                let found = directory::insert(&self.segment(), name, value)?;
                self.shared(name, found)
            }
        }
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
        Shared::new(&self.segment(), name, &found)
    }

    /// The names of all objects, in order.
    ///
    /// # Errors
    /// [`Error::LockTimeout`].
    pub fn objects(&self) -> Result<Vec<String>> {
        directory::names(&self.segment())
    }
}
