//! Strings: comparison, and as keys.

use super::{Text, text};
use crate::containers::vec::VecHeader;
use crate::schema::{Key, KeyHasher, Lookup};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::fmt;

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        *self == **other
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl PartialOrd<str> for Text {
    fn partial_cmp(&self, other: &str) -> Option<Ordering> {
        Some((**self).cmp(other))
    }
}

impl PartialOrd<String> for Text {
    fn partial_cmp(&self, other: &String) -> Option<Ordering> {
        Some((**self).cmp(other))
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// By its bytes, then how many there are.
impl Key for String {
    #[inline]
    unsafe fn hash(stored: *const VecHeader, cx: Cx, hasher: &mut KeyHasher) {
        // SAFETY: the caller's promise.
        hasher.bytes(unsafe { text(stored, cx) }.as_bytes());
    }

    #[inline]
    unsafe fn compare(a: *const VecHeader, b: *const VecHeader, cx: Cx) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { text(a, cx).cmp(text(b, cx)) }
    }
}

impl Lookup<str> for String {
    #[inline]
    fn hash_of(query: &str, hasher: &mut KeyHasher) {
        hasher.bytes(query.as_bytes());
    }

    #[inline]
    unsafe fn compare_with(stored: *const VecHeader, cx: Cx, query: &str) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { text(stored, cx) }.cmp(query)
    }

    #[inline]
    unsafe fn equals(stored: *const VecHeader, cx: Cx, query: &str) -> bool {
        // SAFETY: the caller's promise.
        unsafe { text(stored, cx) == query }
    }
}

impl Lookup<String> for String {
    #[inline]
    fn hash_of(query: &String, hasher: &mut KeyHasher) {
        hasher.bytes(query.as_bytes());
    }

    #[inline]
    unsafe fn compare_with(stored: *const VecHeader, cx: Cx, query: &String) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { text(stored, cx) }.cmp(query)
    }

    #[inline]
    unsafe fn equals(stored: *const VecHeader, cx: Cx, query: &String) -> bool {
        // SAFETY: the caller's promise.
        unsafe { text(stored, cx) == query }
    }
}
