//! `Option<T>` and `Result<T, E>`: a tag, and room for the value.
//!
//! ```text
//! Option                               Result
//!   0 tag: 0 None, 1 Some                0 tag: 0 Ok, 1 Err
//!   8 T::Stored, or at the next          8 T::Stored or E::Stored, or at the next
//!     offset that suits its alignment      offset that suits their alignment
//! ```
//!
//! An `Option` is seen as an `Option` of what its value is seen as; to be changed, and by guards, as a view,
//! [`OptionView`]. A tag that is neither reads as `None`. A `Result` is seen as a `Result`, in both cases.

use crate::error::Result as Outcome;
use crate::layout::Word;
use crate::schema::derive_support::{Part, corrupt_tag, describe, invalid_tag, lent, replace};
use crate::schema::{Guarded, Key, KeyHasher, Kind, Lookup, Registry, Share};
use crate::tx::Cx;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};

const NONE: u64 = 0;
const SOME: u64 = 1;

/// The stored form of an option.
#[repr(C)]
pub struct OptionStored<S> {
    tag: Word,
    value: MaybeUninit<S>,
}

/// An `Option<T>` in a segment, seen and changed in place; guards dereference to it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let job: commy::Shared<Option<String>> = segment.open_or_create("job")?;
/// job.write()?.set(Some("resize".into()))?;
/// assert_eq!(job.read()?.get(), Some("resize"));
/// assert_eq!(job.write()?.take()?, Some("resize".to_string()));
/// assert!(job.read()?.is_none());
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct OptionView<T: Share> {
    stored: OptionStored<T::Stored>,
    marker: PhantomData<(T, *mut ())>,
    cx: [()],
}

// SAFETY: through a shared view the value is seen by `T::view` of shared bytes, which other threads may do if
// those bytes may be shared.
unsafe impl<T: Share> Sync for OptionView<T> where T::Stored: Sync {}

impl<S> OptionStored<S> {
    /// Where the value is, if there is one.
    ///
    /// # Safety
    /// `stored` lies in a segment.
    #[inline(always)]
    unsafe fn value(stored: *const Self) -> Option<*const S> {
        // SAFETY: the caller's promise; a word is valid for any bytes.
        unsafe { ((*stored).tag.get() == SOME).then(|| (&raw const (*stored).value).cast()) }
    }

    /// As `value`, where a tag that is neither is an error.
    ///
    /// # Safety
    /// As for `value`.
    #[inline(always)]
    unsafe fn checked(stored: *const Self, cx: Cx) -> Outcome<Option<*mut S>> {
        // SAFETY: the caller's promise.
        let (value, tag) = unsafe { (Self::value(stored), (*stored).tag.get()) };
        if tag > SOME { Err(corrupt_tag(cx, stored)) } else { Ok(value.map(<*const S>::cast_mut)) }
    }
}

impl<T: Share> Share for Option<T> {
    type Stored = OptionStored<T::Stored>;
    type Ref<'a> = Option<T::Ref<'a>>;
    type Mut<'a> = &'a mut OptionView<T>;
    const OWNS: bool = T::OWNS;
    const ANY_BYTES: bool = false;

    #[inline]
    unsafe fn is_valid(stored: *const Self::Stored) -> bool {
        // SAFETY: the caller's promise; the value is one where the tag says so.
        unsafe { (*stored).tag.get() <= SOME && OptionStored::value(stored).is_none_or(|value| T::is_valid(value)) }
    }

    fn into_stored(self, cx: Cx) -> Outcome<Self::Stored> {
        Ok(match self {
            None => OptionStored { tag: Word::new(NONE), value: MaybeUninit::zeroed() },
            Some(value) => OptionStored { tag: Word::new(SOME), value: MaybeUninit::new(value.into_stored(cx)?) },
        })
    }

    #[inline]
    unsafe fn view<'a>(stored: *const Self::Stored, cx: Cx) -> Option<T::Ref<'a>> {
        // SAFETY: the caller's promise; the tag says that the value is there.
        unsafe { OptionStored::value(stored).map(|value| T::view(value, cx)) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Outcome<&'a mut OptionView<T>> {
        let view = std::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata()) as *mut OptionView<T>;
        // SAFETY: the view is the stored form and members of no size; the rest is the caller's promise.
        Ok(unsafe { &mut *view })
    }

    unsafe fn load(stored: *const Self::Stored, cx: Cx) -> Outcome<Option<T>> {
        // SAFETY: as in `view`.
        unsafe { OptionStored::checked(stored, cx)?.map(|value| T::load(value, cx)).transpose() }
    }

    unsafe fn drop_stored(stored: *mut Self::Stored, cx: Cx) -> Outcome<()> {
        // SAFETY: as in `view`.
        unsafe { OptionStored::checked(stored, cx)?.map_or(Ok(()), |value| T::drop_stored(value, cx)) }
    }

    fn describe(registry: &mut Registry) -> usize {
        let value = T::describe(registry);
        let name = format!("Option<{}>", registry.name(value));
        let some = Part { name: "0", describe: T::describe, offset: offset_of!(Self::Stored, value) };
        describe::<Self>(registry, Kind::Option, &name, &[], &[("None", NONE, &[]), ("Some", SOME, &[some])])
    }
}

impl<T: Share> Guarded for Option<T> {
    type Target = OptionView<T>;

    #[inline(always)]
    unsafe fn target<'a>(stored: *const Self::Stored, cx: Cx) -> &'a OptionView<T> {
        // SAFETY: as in `view_mut`, shared.
        unsafe { &*(std::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata()) as *const OptionView<T>) }
    }

    #[inline(always)]
    unsafe fn target_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Outcome<&'a mut OptionView<T>> {
        // SAFETY: the caller's promise.
        unsafe { Self::view_mut(stored, cx) }
    }
}

impl<T: Share> OptionView<T> {
    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view is made with the metadata of its context, which lives as long.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    /// Whether there is a value.
    pub fn is_some(&self) -> bool {
        self.stored.tag.get() == SOME
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// The value in place.
    #[inline]
    pub fn get(&self) -> Option<T::Ref<'_>> {
        // SAFETY: a view is made of a stored value and its context.
        unsafe { Option::<T>::view(&raw const self.stored, self.cx()) }
    }

    /// The value in place, to be changed.
    ///
    /// # Panics
    /// If the transaction's log has no room (`Error::OutOfSpace`); [`try_get_mut`](OptionView::try_get_mut)
    /// returns the error.
    #[inline]
    pub fn get_mut(&mut self) -> Option<T::Mut<'_>> {
        lent(self.try_get_mut())
    }

    /// As [`get_mut`](OptionView::get_mut), without the panic.
    ///
    /// # Errors
    /// [`OutOfSpace`](crate::Error::OutOfSpace) if the transaction's log has no room;
    /// [`Corrupt`](crate::Error::Corrupt).
    #[inline]
    pub fn try_get_mut(&mut self) -> Outcome<Option<T::Mut<'_>>> {
        let cx = self.cx();
        // SAFETY: a view is made of a stored value and its context; who has `&mut` of it has it alone.
        unsafe { OptionStored::checked(&raw mut self.stored, cx)?.map(|value| T::view_mut(value, cx)).transpose() }
    }

    /// Replaces the whole.
    ///
    /// # Errors
    /// [`OutOfSpace`](crate::Error::OutOfSpace), [`Corrupt`](crate::Error::Corrupt); it is then as it was.
    pub fn set(&mut self, value: Option<T>) -> Outcome<()> {
        let cx = self.cx();
        // SAFETY: as in `try_get_mut`.
        unsafe { replace::<Option<T>>(&raw mut self.stored, value, cx) }
    }

    /// Puts a value there, in the place of any other, and gives it to be changed.
    ///
    /// # Errors
    /// As [`set`](OptionView::set).
    pub fn insert(&mut self, value: T) -> Outcome<T::Mut<'_>> {
        let cx = self.cx();
        cx.atomically(|| {
            self.set(Some(value))?;
            self.value_mut()
        })
    }

    /// The value to be changed; if there is none, that of `make` is put there first.
    ///
    /// # Errors
    /// As [`set`](OptionView::set).
    pub fn get_or_insert_with(&mut self, make: impl FnOnce() -> T) -> Outcome<T::Mut<'_>> {
        if self.is_some() { self.value_mut() } else { self.insert(make()) }
    }

    /// The value to be changed; if there is none, this one is put there first.
    ///
    /// # Errors
    /// As [`set`](OptionView::set).
    pub fn get_or_insert(&mut self, value: T) -> Outcome<T::Mut<'_>> {
        self.get_or_insert_with(|| value)
    }

    /// The value to be changed; if there is none, the default is put there first.
    ///
    /// # Errors
    /// As [`set`](OptionView::set).
    pub fn get_or_insert_default(&mut self) -> Outcome<T::Mut<'_>>
    where
        T: Default,
    {
        self.get_or_insert_with(T::default)
    }

    /// Takes the value out if the predicate wants it, which may change it.
    ///
    /// # Errors
    /// As [`take`](OptionView::take); what the predicate changed is undone, too.
    pub fn take_if(&mut self, wanted: impl FnOnce(T::Mut<'_>) -> bool) -> Outcome<Option<T>> {
        let cx = self.cx();
        cx.atomically(|| {
            let wanted = self.try_get_mut()?.is_some_and(wanted);
            if wanted { self.take() } else { Ok(None) }
        })
    }

    /// Whether there is a value, and the predicate is true for it.
    pub fn is_some_and(&self, wanted: impl FnOnce(T::Ref<'_>) -> bool) -> bool {
        self.get().is_some_and(wanted)
    }

    /// Whether there is no value, or the predicate is true for it.
    pub fn is_none_or(&self, wanted: impl FnOnce(T::Ref<'_>) -> bool) -> bool {
        self.get().is_none_or(wanted)
    }

    /// The value in place, once or not at all.
    pub fn iter(&self) -> std::option::IntoIter<T::Ref<'_>> {
        self.get().into_iter()
    }

    /// The value in place, to be changed, once or not at all.
    ///
    /// # Panics
    /// As [`get_mut`](OptionView::get_mut).
    pub fn iter_mut(&mut self) -> std::option::IntoIter<T::Mut<'_>> {
        self.get_mut().into_iter()
    }

    /// The value that is known to be there.
    fn value_mut(&mut self) -> Outcome<T::Mut<'_>> {
        let (cx, stored) = (self.cx(), &raw const self.stored);
        self.try_get_mut()?.ok_or_else(|| corrupt_tag(cx, stored))
    }

    /// Takes the value out and leaves `None`.
    ///
    /// # Errors
    /// As [`set`](OptionView::set); also [`BadArgument`](crate::Error::BadArgument) for a value that is
    /// nested too deeply, which `set(None)` removes.
    pub fn take(&mut self) -> Outcome<Option<T>> {
        self.exchange(None)
    }

    /// Puts a value there and takes out what was there.
    ///
    /// # Errors
    /// As [`take`](OptionView::take).
    pub fn replace(&mut self, value: T) -> Outcome<Option<T>> {
        self.exchange(Some(value))
    }

    fn exchange(&mut self, value: Option<T>) -> Outcome<Option<T>> {
        let cx = self.cx();
        // SAFETY: as in `try_get_mut`.
        let old = unsafe { Option::<T>::load(&raw const self.stored, cx)? };
        if old.is_some() || value.is_some() {
            self.set(value)?;
        }
        Ok(old)
    }
}

impl<T: Share> fmt::Debug for OptionView<T>
where
    for<'a> T::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<'a, T: Share> IntoIterator for &'a OptionView<T> {
    type Item = T::Ref<'a>;
    type IntoIter = std::option::IntoIter<T::Ref<'a>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: Share> IntoIterator for &'a mut OptionView<T> {
    type Item = T::Mut<'a>;
    type IntoIter = std::option::IntoIter<T::Mut<'a>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Share> PartialEq for OptionView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<T::Ref<'b>>,
{
    fn eq(&self, other: &OptionView<T>) -> bool {
        match (self.get(), other.get()) {
            (Some(a), Some(b)) => a == b,
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl<T: Share, U> PartialEq<Option<U>> for OptionView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &Option<U>) -> bool {
        match (self.get(), other) {
            (Some(a), Some(b)) => a == b,
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl<K: Key> Key for Option<K> {
    unsafe fn hash(stored: *const Self::Stored, cx: Cx, hasher: &mut KeyHasher) {
        // SAFETY: the caller's promise.
        unsafe {
            match OptionStored::value(stored) {
                None => hasher.word(NONE),
                Some(value) => {
                    hasher.word(SOME);
                    K::hash(value, cx, hasher);
                }
            }
        }
    }

    unsafe fn compare(a: *const Self::Stored, b: *const Self::Stored, cx: Cx) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe {
            match (OptionStored::value(a), OptionStored::value(b)) {
                (Some(a), Some(b)) => K::compare(a, b, cx),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        }
    }
}

impl<K: Lookup<K>> Lookup<Option<K>> for Option<K> {
    fn hash_of(query: &Option<K>, hasher: &mut KeyHasher) {
        match query {
            None => hasher.word(NONE),
            Some(query) => {
                hasher.word(SOME);
                K::hash_of(query, hasher);
            }
        }
    }

    unsafe fn compare_with(stored: *const Self::Stored, cx: Cx, query: &Option<K>) -> Ordering {
        // SAFETY: the caller's promise.
        unsafe {
            match (OptionStored::value(stored), query) {
                (Some(value), Some(query)) => K::compare_with(value, cx, query),
                (value, query) => value.is_some().cmp(&query.is_some()),
            }
        }
    }
}

const OK: u64 = 0;
const ERR: u64 = 1;

/// The stored form of a result.
#[repr(C)]
pub struct ResultStored<S, F> {
    tag: Word,
    payload: MaybeUninit<ResultPayload<S, F>>,
}

/// Room for either.
#[repr(C)]
pub union ResultPayload<S, F> {
    ok: ManuallyDrop<S>,
    err: ManuallyDrop<F>,
}

impl<S, F> ResultStored<S, F> {
    /// Where the value is, or the error; or the tag, if it is neither's.
    ///
    /// # Safety
    /// `stored` lies in a segment.
    #[inline(always)]
    unsafe fn payload(stored: *const Self) -> Outcome<Result<*mut S, *mut F>, u64> {
        // SAFETY: the caller's promise; a word is valid for any bytes, and both members of the union are at
        // its beginning.
        unsafe {
            let payload = (&raw const (*stored).payload).cast_mut();
            match (*stored).tag.get() {
                OK => Ok(Ok(payload.cast())),
                ERR => Ok(Err(payload.cast())),
                tag => Err(tag),
            }
        }
    }

    /// As `payload`, where another tag is an error.
    ///
    /// # Safety
    /// As for `payload`.
    unsafe fn checked(stored: *const Self, cx: Cx) -> Outcome<Result<*mut S, *mut F>> {
        // SAFETY: the caller's promise.
        unsafe { Self::payload(stored).map_err(|_| corrupt_tag(cx, stored)) }
    }
}

impl<T: Share, E: Share> Share for Result<T, E> {
    type Stored = ResultStored<T::Stored, E::Stored>;
    type Ref<'a> = Result<T::Ref<'a>, E::Ref<'a>>;
    type Mut<'a> = Result<T::Mut<'a>, E::Mut<'a>>;
    const OWNS: bool = T::OWNS || E::OWNS;
    const ANY_BYTES: bool = false;

    unsafe fn is_valid(stored: *const Self::Stored) -> bool {
        // SAFETY: the caller's promise; the tag says which of the two is there.
        unsafe {
            match ResultStored::payload(stored) {
                Ok(Ok(value)) => T::is_valid(value),
                Ok(Err(error)) => E::is_valid(error),
                Err(_) => false,
            }
        }
    }

    fn into_stored(self, cx: Cx) -> Outcome<Self::Stored> {
        let mut payload = MaybeUninit::<ResultPayload<T::Stored, E::Stored>>::zeroed();
        // SAFETY: the union has room for either.
        let tag = unsafe {
            match self {
                Ok(value) => {
                    payload.as_mut_ptr().cast::<T::Stored>().write(value.into_stored(cx)?);
                    OK
                }
                Err(error) => {
                    payload.as_mut_ptr().cast::<E::Stored>().write(error.into_stored(cx)?);
                    ERR
                }
            }
        };
        Ok(ResultStored { tag: Word::new(tag), payload })
    }

    unsafe fn view<'a>(stored: *const Self::Stored, cx: Cx) -> Self::Ref<'a> {
        // SAFETY: the caller's promise; the tag says which of the two is there.
        unsafe {
            match ResultStored::payload(stored) {
                Ok(Ok(value)) => Ok(T::view(value, cx)),
                Ok(Err(error)) => Err(E::view(error, cx)),
                Err(tag) => invalid_tag(cx, stored, "Result", tag),
            }
        }
    }

    unsafe fn view_mut<'a>(stored: *mut Self::Stored, cx: Cx) -> Outcome<Self::Mut<'a>> {
        // SAFETY: as in `view`.
        unsafe {
            Ok(match ResultStored::checked(stored, cx)? {
                Ok(value) => Ok(T::view_mut(value, cx)?),
                Err(error) => Err(E::view_mut(error, cx)?),
            })
        }
    }

    unsafe fn load(stored: *const Self::Stored, cx: Cx) -> Outcome<Result<T, E>> {
        // SAFETY: as in `view`.
        unsafe {
            Ok(match ResultStored::checked(stored, cx)? {
                Ok(value) => Ok(T::load(value, cx)?),
                Err(error) => Err(E::load(error, cx)?),
            })
        }
    }

    unsafe fn drop_stored(stored: *mut Self::Stored, cx: Cx) -> Outcome<()> {
        // SAFETY: as in `view`.
        unsafe {
            match ResultStored::checked(stored, cx)? {
                Ok(value) => T::drop_stored(value, cx),
                Err(error) => E::drop_stored(error, cx),
            }
        }
    }

    fn describe(registry: &mut Registry) -> usize {
        let (value, error) = (T::describe(registry), E::describe(registry));
        let name = format!("Result<{}, {}>", registry.name(value), registry.name(error));
        let offset = offset_of!(Self::Stored, payload);
        let ok = Part { name: "0", describe: T::describe, offset };
        let err = Part { name: "0", describe: E::describe, offset };
        describe::<Self>(registry, Kind::Enum, &name, &[], &[("Ok", OK, &[ok]), ("Err", ERR, &[err])])
    }
}
