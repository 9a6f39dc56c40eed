//! The content of an object that moves, in one transaction, to where that transaction puts it: for `direct`, where a
//! container can be put into another one.

use super::Shared;
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
        if !cx.has_joined(self.object) {
            let keep = self.lock_for_writing(cx.worker()?, self.attachment().patience)?;
            let object = self.as_untyped();
            let let_go = move |committed| {
                object.count_end(committed);
                object.lock().unlock_write(keep);
                if committed {
                    object.wake_sleepers();
                }
            };
            cx.join(self.object, let_go);
            self.watch(cx);
        }
        let (stored, empty) = (self.stored(), T::default().into_stored(cx)?);
        // SAFETY: the value's place is in the file, and locked; its old bytes are logged before they are overwritten,
        // and are seen to be a value. From here on they are the caller's, who stores them elsewhere.
        unsafe {
            let content = schema::snapshot::<T>(stored);
            let content = content.ok_or_else(|| Error::corrupt(self.value, "bytes that are no value of their type"))?;
            cx.keep_bytes(stored.cast(), size_of::<T::Stored>())?;
            if cx.is_noting() {
                cx.note(stored.cast(), Operation::Replaced, &KeyBytes::NONE)?;
            }
            stored.write(empty);
            Ok(content.assume_init())
        }
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
