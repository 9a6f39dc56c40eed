//! Objects whose content a transaction takes, besides those that it was opened for. They are locked in its name when it
//! comes upon them, and let go when it has been committed or undone.
//!
//! A lock names its thread, and a dead thread's transactions are all undone or finished before its locks fall: so what
//! one of them had joined is whole again before anybody else gets it.

use super::Cx;
use std::cell::{Cell, RefCell};

/// The objects that have joined.
#[derive(Default)]
pub(super) struct Joined {
    some: Cell<bool>,
    /// With what lets go of each, which is told whether the transaction was committed.
    objects: RefCell<Vec<(u64, Box<dyn FnOnce(bool)>)>>,
}

impl Joined {
    /// Lets go of them.
    #[inline(always)]
    pub(super) fn end(&self, committed: bool) {
        if self.some.get() {
            self.end_some(committed);
        }
    }

    #[cold]
    fn end_some(&self, committed: bool) {
        self.some.set(false);
        self.objects.take().into_iter().for_each(|(_, let_go)| let_go(committed));
    }
}

impl Cx {
    /// Whether an object has joined already.
    pub(crate) fn has_joined(self, object: u64) -> bool {
        self.context().joined.objects.borrow().iter().any(|(joined, _)| *joined == object)
    }

    /// From here on an object, which the thread of this transaction has just locked, is a part of it. `let_go` is called
    /// when it has ended, with whether it was committed.
    #[cold]
    pub(crate) fn join(self, object: u64, let_go: impl FnOnce(bool) + 'static) {
        let joined = &self.context().joined;
        self.context().used.set(true);
        joined.some.set(true);
        joined.objects.borrow_mut().push((object, Box::new(let_go)));
    }

    /// After the commit: lets go of what has joined. When a transaction is undone, that happens by itself.
    #[inline(always)]
    pub(crate) fn committed(self) {
        self.context().joined.end(true);
    }
}
