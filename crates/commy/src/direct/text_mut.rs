//! Texts in containers, lent for changing.
//!
//! A text is changed in a transaction; so who lends one to be changed has to hold the lock of its container.

use super::handle::{Handle, must};
use super::{SharedBTreeMap, SharedHashMap, SharedString, SharedVec, SharedVecDeque};
use crate::containers::Text;
use crate::error::Result;
use crate::schema::{Guarded, Key, Lookup};
use crate::shared::WriteGuard;
use std::fmt;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A text in a container `T`, which is locked as long as this lives. What is changed is committed when it is dropped.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # // SAFETY: nobody else uses the file.
/// # let allocator = unsafe { commy::FreeListAllocator::open(dir.path().join("f"), 1 << 20)? };
/// use commy::SharedHashMap;
/// let mut names: SharedHashMap<i32, String> = SharedHashMap::new_in(&allocator);
/// names.insert(1, "Ada".to_string());
/// if let Some(mut name) = names.get_mut(&1) {
///     name.push_str(" Lovelace")?;
/// }
/// assert_eq!(names.get(&1), Some("Ada Lovelace"));
/// # Ok::<(), commy::Error>(())
/// ```
pub struct TextMut<'a, T: Guarded> {
    text: NonNull<Text>,
    /// Holds the lock and the transaction.
    _guard: WriteGuard<'a, T>,
}

impl<'a, T: Guarded + Default> TextMut<'a, T> {
    /// Locks a container and looks for a text in it.
    fn find(
        handle: &'a Handle<T>,
        find: impl FnOnce(&mut T::Target) -> Result<Option<&mut Text>>,
    ) -> Result<Option<Self>> {
        let mut guard = handle.get()?.write()?;
        let text = find(&mut guard)?.map(NonNull::from);
        Ok(text.map(|text| TextMut { text, _guard: guard }))
    }
}

impl<T: Guarded> Deref for TextMut<'_, T> {
    type Target = Text;
    fn deref(&self) -> &Text {
        // SAFETY: a text in the container that is locked by the guard, and reached through this alone.
        unsafe { self.text.as_ref() }
    }
}

impl<T: Guarded> DerefMut for TextMut<'_, T> {
    fn deref_mut(&mut self) -> &mut Text {
        // SAFETY: as in `deref`.
        unsafe { self.text.as_mut() }
    }
}

impl<T: Guarded> fmt::Debug for TextMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: Guarded> fmt::Display for TextMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// Methods for containers of texts, one for each type of text: for all others there are those that lend plain values.
macro_rules! of_texts {
    ($($text:ty),*) => { $(
        impl<K: Key + Lookup<K> + Eq + Hash> SharedHashMap<K, $text> {
            /// The text of a key, with the map locked as long as it is lent.
            ///
            /// # Panics
            /// As [`len`](Self::len).
            #[track_caller]
            pub fn get_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<TextMut<'_, std::collections::HashMap<K, $text>>>
            where
                K: Lookup<Q>,
            {
                must(TextMut::find(&self.handle, |map| map.try_get_mut(key)))
            }
        }

        impl<K: Key + Lookup<K> + Ord> SharedBTreeMap<K, $text> {
            /// The text of a key, with the map locked as long as it is lent.
            ///
            /// # Panics
            /// As [`len`](Self::len).
            #[track_caller]
            pub fn get_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<TextMut<'_, std::collections::BTreeMap<K, $text>>>
            where
                K: Lookup<Q>,
            {
                must(TextMut::find(&self.handle, |map| map.try_get_mut(key)))
            }
        }

        impl SharedVec<$text> {
            /// The text at an index, with the vector locked as long as it is lent.
            ///
            /// # Panics
            /// As [`len`](Self::len).
            #[track_caller]
            pub fn get_mut(&mut self, index: usize) -> Option<TextMut<'_, Vec<$text>>> {
                must(TextMut::find(&self.handle, |vec| vec.try_get_mut(index)))
            }
        }

        impl SharedVecDeque<$text> {
            /// The text at an index, with the queue locked as long as it is lent.
            ///
            /// # Panics
            /// As [`len`](Self::len).
            #[track_caller]
            pub fn get_mut(&mut self, index: usize) -> Option<TextMut<'_, std::collections::VecDeque<$text>>> {
                must(TextMut::find(&self.handle, |deque| deque.try_get_mut(index)))
            }
        }
    )* };
}

of_texts!(String, SharedString);
