//! What all containers have in common. A macro, because each has to have these as methods of its own: a trait would
//! have to be imported to be used.

/// Implements for `$name`, a struct with a `handle`, what needs only the type `$std` that it is a handle of.
///
/// `$view` is what that type is seen as in place.
macro_rules! common {
    ($name:ident [$($parameters:tt)*] [$($arguments:tt)*] of $std:ty) => {
        impl<$($parameters)*> $name<$($arguments)*> {
            /// The container of that name, made empty if there is none. It stays in the file until it is
            /// [removed](crate::Objects::remove), and is what [`Segment::open_or_create`](crate::Objects::open_or_create) gives for the name.
            ///
            /// # Panics
            /// When [`try_named_in`](Self::try_named_in) gives an error: if there is something of another type.
            #[track_caller]
            pub fn named_in(allocator: &FreeListAllocator, name: &str) -> Self {
                must(Self::try_named_in(allocator, name))
            }

            /// As [`named_in`](Self::named_in).
            ///
            /// # Errors
            /// [`Error::TypeMismatch`](crate::Error::TypeMismatch), naming both types, if it holds something else;
            /// [`Error::BadName`](crate::Error::BadName); [`Error::OutOfSpace`](crate::Error::OutOfSpace).
            pub fn try_named_in(allocator: &FreeListAllocator, name: &str) -> Result<Self> {
                Ok($name { handle: Handle::named(allocator.home(), name)? })
            }

            /// Locks it for reading: everything that lends may be used through the guard without a promise.
            ///
            /// # Errors
            /// As [`Shared::read`].
            pub fn read(&self) -> Result<ReadGuard<'_, $std>> {
                self.handle.get()?.read()
            }

            /// Locks it for changing: what is done under the guard happens whole or, if this process panics or dies
            /// meanwhile, not at all.
            ///
            /// # Errors
            /// As [`Shared::write`].
            pub fn write(&self) -> Result<WriteGuard<'_, $std>> {
                self.handle.get()?.write()
            }

            /// The object behind it, which needs no promise for anything, and can take part in a
            /// [transaction](crate::Segment::transaction).
            ///
            /// # Panics
            /// If this was taken out of another container, and there is no space for it by itself.
            pub fn as_shared(&self) -> &Shared<$std> {
                self.handle.shared()
            }

            /// How often it was changed. Changes through lent references count when those are lent.
            ///
            /// # Panics
            /// As [`as_shared`](Self::as_shared).
            pub fn version(&self) -> u64 {
                self.handle.shared().version()
            }

            /// Waits until it has another version than that, for at most `timeout`. Gives the version that it has.
            ///
            /// # Errors
            /// As [`Shared::wait`].
            pub fn wait(&self, version: u64, timeout: Duration) -> Result<u64> {
                self.handle.get()?.wait(version, timeout)
            }
        }
    };
}

/// Implements making one of those that are counted, for all but strings.
macro_rules! counted {
    ($name:ident [$($parameters:tt)*] [$($arguments:tt)*] as $kind:expr) => {
        impl<$($parameters)*> $name<$($arguments)*> {
            /// The next container of this kind: the n-th that an allocator makes is the n-th that every other allocator
            /// on the file makes, with the content that it has. It is made empty if there is none.
            ///
            /// While a process holds it, it stays. Afterwards its content is kept until the space is needed.
            /// [`named_in`](Self::named_in) does not depend on the order, and keeps the content for good.
            ///
            /// # Panics
            /// When [`try_new_in`](Self::try_new_in) gives an error: if others have made it with another type.
            #[track_caller]
            pub fn new_in(allocator: &FreeListAllocator) -> Self {
                must(Self::try_new_in(allocator))
            }

            /// As [`new_in`](Self::new_in).
            ///
            /// # Errors
            /// [`Error::TypeMismatch`](crate::Error::TypeMismatch), naming both types, if others have made it with
            /// another; [`Error::OutOfSpace`](crate::Error::OutOfSpace). The next try is for the same container.
            pub fn try_new_in(allocator: &FreeListAllocator) -> Result<Self> {
                Ok($name { handle: Handle::next(allocator.home(), $kind)? })
            }
        }
    };
}

/// Implements what all have but strings and boxes: being a value in another container, as what they are a handle of.
macro_rules! collection {
    ($name:ident [$($parameters:tt)*] [$($arguments:tt)*] of $std:ty, from $item:ty) => {
        impl<$($parameters)*> $name<$($arguments)*> {
            /// One of nobody else's, with these elements. It is gone when it is dropped, or moves into the container
            /// that it is put into.
            ///
            /// # Panics
            /// When [`try_from_iter_in`](Self::try_from_iter_in) gives an error.
            #[track_caller]
            pub fn from_iter_in(items: impl IntoIterator<Item = $item>, allocator: &FreeListAllocator) -> Self {
                must(Self::try_from_iter_in(items, allocator))
            }

            /// As [`from_iter_in`](Self::from_iter_in).
            ///
            /// # Errors
            /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
            pub fn try_from_iter_in(items: impl IntoIterator<Item = $item>, allocator: &FreeListAllocator) -> Result<Self> {
                Ok($name { handle: Handle::own(allocator.home(), Some(items.into_iter().collect()))? })
            }

            /// Takes the content out, and leaves it empty for everybody who has it.
            ///
            /// # Panics
            /// When [`try_into_inner`](Self::try_into_inner) gives an error.
            #[track_caller]
            pub fn into_inner(self) -> $std {
                must(self.handle.take())
            }

            /// As [`into_inner`](Self::into_inner).
            ///
            /// # Errors
            /// As [`Shared::write`]; nothing has changed then.
            pub fn try_into_inner(self) -> Result<$std> {
                self.handle.take()
            }

            /// A copy of the content, of one moment.
            ///
            /// # Errors
            /// As [`Shared::load`].
            pub fn load(&self) -> Result<$std> {
                self.handle.get()?.load()
            }

            /// Replaces the content.
            ///
            /// # Errors
            /// As [`Shared::store`].
            pub fn store(&mut self, content: $std) -> Result<()> {
                self.handle.get()?.store(content)
            }

            /// Adds these elements - at the end, if they have an order of their own - or, on an error, none of them.
            ///
            /// # Errors
            /// [`Error::OutOfSpace`](crate::Error::OutOfSpace).
            pub fn try_extend(&mut self, items: impl IntoIterator<Item = $item>) -> Result<()> {
                self.handle.get()?.extend(items)
            }

            /// How many elements there are.
            ///
            /// # Panics
            /// If it is locked for longer than the time-out; so do all methods here that give no [`Result`].
            #[inline]
            #[track_caller]
            pub fn len(&self) -> usize {
                must(self.handle.shared().len())
            }

            /// Whether there are none.
            ///
            /// # Panics
            /// As [`len`](Self::len).
            #[inline]
            #[track_caller]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Removes all elements.
            ///
            /// # Panics
            /// As [`len`](Self::len).
            #[track_caller]
            pub fn clear(&mut self) {
                must(self.handle.shared().clear());
            }

            /// The container in place, as it is lent: see
            /// [what is promised](FreeListAllocator#what-is-promised-by-mapping-the-file).
            #[inline(always)]
            fn lend(&self) -> &<$std as Guarded>::Target {
                // SAFETY: that nobody restructures it while it is lent is what whoever mapped the file promised.
                unsafe { self.handle.shared().lend() }
            }
        }

        /// In another container it is what it is a handle of: its content moves there, and it is left empty, both in the
        /// transaction that puts it there. (From another file, or through an attachment without an allocator, it is taken by a
        /// second commit right behind that one: a process killed in between leaves it in both.)
        impl<$($parameters)*> Share for $name<$($arguments)*> {
            type Stored = <$std as Share>::Stored;
            type Ref<'a> = <$std as Share>::Ref<'a>;
            type Mut<'a> = <$std as Share>::Mut<'a>;
            const OWNS: bool = <$std as Share>::OWNS;
            const ANY_BYTES: bool = <$std as Share>::ANY_BYTES;

            fn into_stored(self, cx: Cx) -> Result<Self::Stored> {
                self.handle.move_to(cx)
            }
            unsafe fn view<'a>(stored: *const Self::Stored, cx: Cx) -> Self::Ref<'a> {
                // SAFETY: the caller's promise.
                unsafe { <$std as Share>::view(stored, cx) }
            }
            unsafe fn view_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Result<Self::Mut<'a>> {
                // SAFETY: the caller's promise.
                unsafe { <$std as Share>::view_mut(stored, cx) }
            }
            unsafe fn load(stored: *const Self::Stored, cx: Cx) -> Result<Self> {
                // SAFETY: the caller's promise.
                let content = unsafe { <$std as Share>::load(stored, cx)? };
                Ok($name { handle: Handle::loose(content, cx) })
            }
            unsafe fn drop_stored(stored: *mut Self::Stored, cx: Cx) -> Result<()> {
                // SAFETY: the caller's promise.
                unsafe { <$std as Share>::drop_stored(stored, cx) }
            }
            fn describe(registry: &mut Registry) -> usize {
                <$std as Share>::describe(registry)
            }
        }

        /// The content, taken out: it is empty for everybody who has it.
        impl<$($parameters)*> IntoIterator for $name<$($arguments)*> {
            type Item = $item;
            type IntoIter = <$std as IntoIterator>::IntoIter;
            #[track_caller]
            fn into_iter(self) -> Self::IntoIter {
                self.into_inner().into_iter()
            }
        }

        /// Panics when the file is full; [`try_extend`](Self::try_extend) gives the error.
        impl<$($parameters)*> Extend<$item> for $name<$($arguments)*> {
            #[track_caller]
            fn extend<I: IntoIterator<Item = $item>>(&mut self, items: I) {
                must(self.try_extend(items));
            }
        }

        impl<$($parameters)*> std::fmt::Debug for $name<$($arguments)*>
        where
            <$std as Guarded>::Target: std::fmt::Debug,
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.read() {
                    Ok(content) => std::fmt::Debug::fmt(&*content, f),
                    Err(error) => write!(f, "<{error}>"),
                }
            }
        }

        impl<$($parameters)*> PartialEq for $name<$($arguments)*>
        where
            <$std as Guarded>::Target: PartialEq,
        {
            #[track_caller]
            fn eq(&self, other: &Self) -> bool {
                *must(self.read()) == *must(other.read())
            }
        }

        /// Compares with what a [guard](Self::read) can be compared with.
        impl<$($parameters)*, Other: ?Sized> PartialEq<Other> for $name<$($arguments)*>
        where
            <$std as Guarded>::Target: PartialEq<Other>,
        {
            #[track_caller]
            fn eq(&self, other: &Other) -> bool {
                *must(self.read()) == *other
            }
        }
    };
}

pub(super) use {collection, common, counted};
