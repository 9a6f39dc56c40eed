//! Changes of maps and sets that go into the ring of their object, if it has one (`tx::watched`).
//!
//! A change is noted after all else that can fail, and before the first store: so the note is there if the change is.

use crate::error::Result;
use crate::schema::Share;
use crate::tx::{Cx, Form, KeyBytes, Operation};
use std::any::TypeId;

/// Notes what was done with an entry of the container whose head is at that address.
///
/// # Safety
/// `key` is a stored key of that container, or a copy of one.
#[inline(always)]
pub(crate) unsafe fn note_key<K: Share, H>(
    cx: Cx,
    head: &H,
    operation: Operation,
    key: *const K::Stored,
) -> Result<()> {
    if !cx.is_noting() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    cx.note(std::ptr::from_ref(head).cast(), operation, &unsafe { key_bytes::<K>(key, cx) })
}

/// Notes what was done with a container as a whole.
#[inline(always)]
pub(crate) fn note_all<H>(cx: Cx, head: &H, operation: Operation) -> Result<()> {
    if cx.is_noting() { cx.note(std::ptr::from_ref(head).cast(), operation, &KeyBytes::NONE) } else { Ok(()) }
}

/// Makes what is to be stored, and notes it: both, or neither.
#[inline(always)]
pub(crate) fn noting<R>(cx: Cx, make: impl FnOnce() -> Result<R>, note: impl FnOnce(&R) -> Result<()>) -> Result<R> {
    if cx.is_noting() { made_and_noted(cx, make, note) } else { make() }
}

#[cold]
#[inline(never)]
fn made_and_noted<R>(cx: Cx, make: impl FnOnce() -> Result<R>, note: impl FnOnce(&R) -> Result<()>) -> Result<R> {
    cx.atomically(|| {
        let made = make()?;
        note(&made)?;
        Ok(made)
    })
}

/// What of a key goes into a note.
///
/// # Safety
/// As for [`note_key`].
#[cold]
unsafe fn key_bytes<K: Share>(key: *const K::Stored, cx: Cx) -> KeyBytes {
    // SAFETY: the caller's promise: bytes of the key, or of the text that it owns, which stay until it is noted.
    unsafe {
        if TypeId::of::<K>() == TypeId::of::<String>() {
            let text = <String as Share>::view(key.cast(), cx);
            return KeyBytes::new(Form::Text, text.as_ptr(), text.len());
        }
        if K::OWNS { KeyBytes::UNTOLD } else { KeyBytes::new(Form::Stored, key.cast(), size_of::<K::Stored>()) }
    }
}
