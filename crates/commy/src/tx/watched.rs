//! The objects of a transaction that have a ring of changes, and the notes that go into it.
//!
//! Whoever locks such an object for changing says so here ([`Cx::watch`]). A container that changes asks whether there are
//! any ([`Cx::is_noting`], one flag), and notes what it does with its own address: if it is the root of one of them, that
//! goes into the ring; if it is nested in one, it does not, for the root has lent it and noted that. A transaction that
//! changed something and noted nothing adds one note at its end.

use super::Cx;
use super::ring::{KeyBytes, Operation, Ring};
use crate::error::Result;
use crate::layout::Word;
use crate::sync::version;
use std::cell::{Cell, RefCell};

/// The objects with a ring that a transaction has locked.
#[derive(Default)]
pub(super) struct Watched {
    some: Cell<bool>,
    objects: RefCell<Vec<Object>>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Object {
    /// Address of its value.
    value: usize,
    ring: u64,
    /// The version that it will have.
    version: u64,
    /// What the ring had in it when the object was locked.
    noted: Option<u64>,
}

impl Watched {
    #[inline(always)]
    pub(super) fn forget(&self) {
        if self.some.get() {
            self.forget_some();
        }
    }

    #[cold]
    fn forget_some(&self) {
        self.some.set(false);
        self.objects.borrow_mut().clear();
    }
}

impl Cx {
    /// From here on the changes of an object, which was just locked, go into its ring.
    #[cold]
    pub(crate) fn watch(self, value: *const (), ring: u64, version: &Word) {
        let watched = &self.context().watched;
        let noted = Ring::open(self.map(), ring).map(|ring| ring.noted()).ok();
        let version = version::changes(version.get()) + 1;
        self.context().used.set(true);
        watched.some.set(true);
        watched.objects.borrow_mut().push(Object { value: value as usize, ring, version, noted });
    }

    /// Whether changes may have to be noted.
    #[inline(always)]
    pub(crate) fn is_noting(self) -> bool {
        self.context().watched.some.get()
    }

    /// Notes a change of the container at that address, if it is the value of an object with a ring.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace) if the log has no room,
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the ring is damaged; nothing is noted then.
    #[cold]
    pub(crate) fn note(self, container: *const (), operation: Operation, key: &KeyBytes) -> Result<()> {
        let found = self.context().watched.objects.borrow().iter().find(|o| o.value == container as usize).copied();
        let Some(object) = found else { return Ok(()) };
        let ring = Ring::open(self.map(), object.ring)?;
        // What begins with a map is none itself.
        if operation != Operation::Replaced && !ring.is_keyed() {
            return Ok(());
        }
        ring.append(self, object.version, operation, key)
    }

    /// Before the commit of a transaction that has changed something: notes that where nothing was noted.
    ///
    /// # Errors
    /// As [`note`](Cx::note).
    #[inline(always)]
    pub(crate) fn note_rest(self) -> Result<()> {
        if self.is_noting() { self.note_others() } else { Ok(()) }
    }

    #[cold]
    fn note_others(self) -> Result<()> {
        let objects = self.context().watched.objects.borrow().clone();
        for object in objects {
            let ring = Ring::open(self.map(), object.ring)?;
            if object.noted == Some(ring.noted()) {
                ring.append(self, object.version, Operation::Other, &KeyBytes::NONE)?;
            }
        }
        Ok(())
    }
}
