//! `SharedString`.

use super::FreeListAllocator;
use super::container::{Container, Content};
use super::handle::{Handle, must};
use crate::containers::{Text, VecHeader};
use crate::error::Result;
use crate::schema::{Key, KeyHasher, Lookup, Registry, Share};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A text that processes share: a handle of a [`Shared<String>`](crate::Shared).
///
/// `new_in` and `from_str_in` make one of nobody else's, for putting it into a container; [`named_in`](Container::named_in)
/// one that others find.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::{SharedHashMap, SharedString};
/// let mut config: SharedHashMap<i32, SharedString> = SharedHashMap::new_in(&allocator);
/// let mut name = SharedString::new_in(&allocator);
/// name.push_str("My")?;
/// name.push_str("App")?;
/// config.insert(1, name);
/// assert_eq!(config.get(&1).unwrap().from_utf8()?, "MyApp");
/// assert_eq!(config.remove(&1).unwrap().into_inner()?, "MyApp");
/// # Ok::<(), commy::Error>(())
/// ```
pub type SharedString = Container<String>;

impl Content for String {
    type Value = String;
}

impl SharedString {
    /// An empty one of nobody else's. It is gone when it is dropped, or moves into the container that it is put into.
    ///
    /// # Panics
    /// When `try_new_in` gives an error.
    #[track_caller]
    pub fn new_in(allocator: &FreeListAllocator) -> Self {
        must(Self::try_new_in(allocator))
    }

    /// As `new_in`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn try_new_in(allocator: &FreeListAllocator) -> Result<Self> {
        Ok(Container { handle: Handle::own(allocator.home(), None)? })
    }

    /// One of nobody else's with this text.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
    pub fn from_str_in(text: &str, allocator: &FreeListAllocator) -> Result<Self> {
        Ok(Container { handle: Handle::own(allocator.home(), Some(text.to_owned()))? })
    }

    /// One of nobody else's with these texts or characters.
    ///
    /// # Panics
    /// If the file is full.
    #[track_caller]
    pub fn from_iter_in<I: IntoIterator>(items: I, allocator: &FreeListAllocator) -> Self
    where
        String: FromIterator<I::Item>,
    {
        let text: String = items.into_iter().collect();
        must(Self::from_str_in(&text, allocator))
    }

    /// The text, lent.
    #[inline]
    pub fn as_str(&self) -> &str {
        // SAFETY: that nobody changes it while it is lent is what whoever mapped the file promised.
        unsafe { self.handle.shared().lend() }
    }

    /// A copy of the text, of one moment, which has been checked to be UTF-8.
    ///
    /// # Errors
    /// As [`Shared::load`](crate::Shared::load).
    pub fn from_utf8(&self) -> Result<String> {
        self.handle.get()?.load()
    }

    /// Replaces the text.
    ///
    /// # Errors
    /// As `push_str`.
    pub fn store(&mut self, text: &str) -> Result<()> {
        self.handle.get()?.set(text)
    }

    /// Takes the text out, and leaves it empty for everybody who has it.
    ///
    /// # Errors
    /// As [`Shared::write`](crate::Shared::write); nothing has changed then.
    pub fn into_inner(self) -> Result<String> {
        self.handle.take()
    }

    /// Adds a text at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`](crate::Error::OutOfSpace); nothing has changed then.
    pub fn push_str(&mut self, text: &str) -> Result<()> {
        self.handle.get()?.push_str(text)
    }

    /// Adds a character at the end.
    ///
    /// # Errors
    /// As `push_str`.
    pub fn push(&mut self, character: char) -> Result<()> {
        self.handle.get()?.push(character)
    }

    /// Takes the last character out.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    #[track_caller]
    pub fn pop(&mut self) -> Option<char> {
        must(self.change(|text| text.pop()))
    }

    /// Puts a text in before the byte at an index.
    ///
    /// # Errors
    /// As `push_str`; [`Error::BadArgument`](crate::Error::BadArgument) if the index is not
    /// between two characters.
    pub fn insert_str(&mut self, index: usize, text: &str) -> Result<()> {
        self.change(|view| view.insert_str(index, text))
    }

    /// Removes what is behind so many bytes.
    ///
    /// # Errors
    /// [`Error::BadArgument`](crate::Error::BadArgument) if that is not between two characters.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        self.change(|view| view.truncate(len))
    }
}

/// A text within another container, seen in place. Dereferences to `str`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StringView<'a>(&'a str);

impl<'a> StringView<'a> {
    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// A copy of the text, once it has been checked to be UTF-8.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it is not.
    pub fn from_utf8(self) -> Result<String> {
        match std::str::from_utf8(self.0.as_bytes()) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(crate::Error::corrupt(0, "a string that is not UTF-8")),
        }
    }
}

impl Deref for StringView<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Debug for StringView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for StringView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<str> for StringView<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for StringView<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for StringView<'_> {
    fn eq(&self, other: &String) -> bool {
        self.0 == other
    }
}

/// So that sequences of texts are compared with those of std.
impl PartialEq<&String> for StringView<'_> {
    fn eq(&self, other: &&String) -> bool {
        self.0 == *other
    }
}

/// In another container it is a `String`: its text moves there, and it is left empty.
impl Share for SharedString {
    type Stored = VecHeader;
    type Ref<'a> = StringView<'a>;
    type Mut<'a> = &'a mut Text;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<VecHeader> {
        self.handle.move_to(cx)
    }
    unsafe fn view<'a>(stored: *const VecHeader, cx: Cx) -> StringView<'a> {
        // SAFETY: the caller's promise.
        StringView(unsafe { String::view(stored, cx) })
    }
    unsafe fn view_mut<'a>(stored: *mut VecHeader, cx: Cx) -> Result<&'a mut Text> {
        // SAFETY: the caller's promise.
        unsafe { String::view_mut(stored, cx) }
    }
    unsafe fn load(stored: *const VecHeader, cx: Cx) -> Result<SharedString> {
        // SAFETY: the caller's promise.
        let text = unsafe { String::load(stored, cx)? };
        Ok(Container { handle: Handle::loose(text, cx) })
    }
    unsafe fn drop_stored(stored: *mut VecHeader, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { String::drop_stored(stored, cx) }
    }
    fn describe(registry: &mut Registry) -> usize {
        String::describe(registry)
    }
}

impl Key for SharedString {
    unsafe fn hash(stored: *const VecHeader, cx: Cx, hasher: &mut KeyHasher) {
        // SAFETY: the caller's promise.
        unsafe { <String as Key>::hash(stored, cx, hasher) }
    }
    unsafe fn compare(a: *const VecHeader, b: *const VecHeader, cx: Cx) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { <String as Key>::compare(a, b, cx) }
    }
}

impl Lookup<str> for SharedString {
    fn hash_of(query: &str, hasher: &mut KeyHasher) {
        <String as Lookup<str>>::hash_of(query, hasher);
    }
    unsafe fn compare_with(stored: *const VecHeader, cx: Cx, query: &str) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { <String as Lookup<str>>::compare_with(stored, cx, query) }
    }
}

impl Lookup<SharedString> for SharedString {
    fn hash_of(query: &SharedString, hasher: &mut KeyHasher) {
        <String as Lookup<str>>::hash_of(query, hasher);
    }
    unsafe fn compare_with(stored: *const VecHeader, cx: Cx, query: &SharedString) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe { <String as Lookup<str>>::compare_with(stored, cx, query) }
    }
}

impl Deref for SharedString {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for SharedString {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for SharedString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load() {
            Ok(text) => fmt::Debug::fmt(&text, f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

impl fmt::Display for SharedString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load() {
            Ok(text) => fmt::Display::fmt(&text, f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

impl fmt::Write for SharedString {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}

impl PartialEq for SharedString {
    fn eq(&self, other: &SharedString) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SharedString {}

impl PartialOrd for SharedString {
    fn partial_cmp(&self, other: &SharedString) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SharedString {
    fn cmp(&self, other: &SharedString) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for SharedString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for SharedString {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for SharedString {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for SharedString {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

/// Panics when the file is full.
impl<S: AsRef<str>> Extend<S> for SharedString {
    #[track_caller]
    fn extend<I: IntoIterator<Item = S>>(&mut self, texts: I) {
        must(self.change(|text| texts.into_iter().try_for_each(|more| text.push_str(more.as_ref()))));
    }
}
