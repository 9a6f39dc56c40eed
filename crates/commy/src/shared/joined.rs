//! The content of an object that moves, in one transaction, to where that transaction puts it: for `direct`, where a
//! container can be put into another one.

use super::{Hold, Shared, WriteGuard};
use crate::directory::Found;
use crate::error::{Error, Result};
use crate::os;
use crate::schema::{self, Share};
use crate::segment::Segment;
use crate::tx::{Cx, KeyBytes, Operation};

impl<T: Share + Default> Shared<T> {
    /// Takes the content out and leaves the default, as a part of the transaction of `cx`, which is of this attachment.
    /// The object is locked until that ends.
    ///
    /// # Errors
    /// As [`write`](Shared::write), and [`Error::OutOfSpace`]. What was changed by then is undone with the part of the
    /// transaction that the caller is in.
    pub(crate) fn take_within(&self, cx: Cx) -> Result<T::Stored> {
        if !cx.has_joined(self.address()) {
            // By the ordinary way: who lets go of it does not know the thread.
            let worker = cx.worker()?;
            let Hold(keep) = self.there(worker, self.lock_ordinarily(worker, self.attachment().patience)?)?;
            let object = self.as_untyped();
            let let_go = move |committed| {
                object.count_end(committed);
                object.lock().unlock_write(keep);
                if committed {
                    object.wake_sleepers();
                }
            };
            cx.join(self.address(), let_go);
            self.watch(cx);
        }
        let (stored, empty) = (self.stored(), T::default().into_stored(cx)?);
        // SAFETY: the value's place is in the file, and locked; its old bytes are logged before they are overwritten,
        // and are seen to be a value. From here on they are the caller's, who stores them elsewhere.
        unsafe {
            let content = schema::snapshot::<T>(stored);
            let content = content.ok_or_else(|| Error::corrupt(self.value, "bytes that are no value of their type"))?;
            cx.keep_value(stored)?;
            if cx.is_noting() {
                cx.note(stored.cast(), Operation::Replaced, &KeyBytes::NONE)?;
            }
            stored.write(empty);
            Ok(content.assume_init())
        }
    }

    /// The same for a transaction of an attachment with which this one cannot share a commit, as that of another file:
    /// the content is copied to there, and taken from here by a commit of its own, right behind that one. Whoever is
    /// killed in between leaves it in both.
    ///
    /// # Errors
    /// As [`take_within`](Shared::take_within); here everything is then as it was.
    pub(crate) fn take_beside(&self, cx: Cx) -> Result<T::Stored> {
        let mut guard = self.write()?;
        let taken = guard.load().and_then(|content| {
            guard.store(T::default())?;
            content.into_stored(cx)
        });
        if taken.is_err() {
            guard.rollback();
            return taken;
        }
        let (here, open) = (self.clone(), guard.leave_open());
        cx.join(self.address(), move |committed| {
            let guard = WriteGuard::go_on(&here, open);
            if committed {
                // What cannot be noted, or given back, is told to nobody any more: the content is there.
                let _ = guard.commit();
            } else {
                guard.rollback();
            }
        });
        taken
    }

    /// What tells it from all other objects of this process' attachments.
    fn address(&self) -> u64 {
        self.attachment().map.base() as u64 + self.object
    }

    /// The same object, through another attachment, if that is one of the same file.
    pub(crate) fn through(&self, other: &Segment) -> Result<Option<Shared<T>>> {
        let identity = |segment: &Segment| {
            os::file_identity(segment.map().file()).map_err(|e| Error::io("look at", segment.path(), e))
        };
        if identity(&self.segment)? != identity(other)? {
            return Ok(None);
        }
        let (object, generation, value) = (self.object, self.generation, self.value);
        Shared::new(other, &self.name, &Found { object, generation, value, description: Vec::new() }).map(Some)
    }
}
