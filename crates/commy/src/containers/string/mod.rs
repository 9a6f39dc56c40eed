//! `String` in a segment: the header of a vector (see `vec::header`) over a block of bytes. Seen as `&str`, and as
//! [`Text`] by who may change it.
//!
//! Invariant: the bytes are UTF-8. They are written by this file alone, from `str`s and between boundaries of
//! characters, and under the lock; so they are trusted to be, while where they are and how many is checked
//! whenever they are looked at.

mod compare;

#[cfg(test)]
mod tests;

use super::load::load_bytes;
use super::vec::{Shape, Slots, VecHeader, bounds, keep_slots, release, too_large};
use crate::containers::sequence::Header;
use crate::error::{Error, Result};
use crate::map::prefetch;
use crate::schema::{Guarded, Kind, Registry, Share, Variant};
use crate::tx::Cx;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, RangeBounds};
use std::ptr;

const SHAPE: Shape = Shape::of::<u8>();
/// Bytes that are copied without asking meanwhile whether that is of use.
const SHORT: usize = 4096;

/// A `String` in a segment, seen in place by who may change it. Dereferences to `str`.
///
/// Methods bear the names of [`std::string::String`]. Those that change it give a [`Result`]: an error means
/// that nothing has changed.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let names: commy::Shared<Vec<String>> = segment.open_or_create("names")?;
/// let mut names = names.write()?;
/// names.push("Ada".into())?;
/// let name = names.get_mut(0).unwrap();
/// name.push_str(" Lovelace")?;
/// name.insert_str(0, "Augusta ")?;
/// assert_eq!(*name, "Augusta Ada Lovelace");
/// name.set("Grace")?;
/// assert_eq!(names.get(0), Some("Grace"));
/// # Ok::<(), commy::Error>(())
/// ```
#[repr(C)]
pub struct Text {
    header: VecHeader,
    marker: PhantomData<*mut ()>,
    cx: [()],
}

// SAFETY: through a shared reference it is only read, by loads of words and of bytes that nobody changes then.
unsafe impl Sync for Text {}

/// The text of a header, empty if it cannot be.
///
/// # Safety
/// As for [`Share::view`].
#[inline(always)]
unsafe fn text<'a>(header: *const VecHeader, cx: Cx) -> &'a str {
    // SAFETY: a header is all words. Its bytes were just checked to be in the map; they are UTF-8 by the
    // invariant of this file, and stay as they are by the caller's promise.
    unsafe {
        match (*header).slots::<u8>(cx) {
            Some(slots) => std::str::from_utf8_unchecked(std::slice::from_raw_parts(slots.first, slots.len)),
            None => "",
        }
    }
}

/// The text of bytes, if they are UTF-8. Most text is of ASCII only, which is found out more quickly.
#[inline(always)]
fn owned(bytes: Vec<u8>) -> Option<String> {
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { String::from_utf8_unchecked(bytes) });
    }
    String::from_utf8(bytes).ok()
}

/// A copy of a text of any length, or why there is none.
///
/// # Safety
/// As for [`Share::load`].
#[inline(never)]
unsafe fn load_long(stored: *const VecHeader, cx: Cx) -> Result<String> {
    // SAFETY: the caller's promise.
    unsafe {
        let slots = (*stored).checked_new::<u8>(cx)?;
        let bytes = load_bytes(slots.first.cast_const(), slots.len, cx)?;
        owned(bytes).ok_or_else(|| Error::corrupt(cx.offset_of(slots.first), "a string that is not UTF-8"))
    }
}

impl Guarded for String {
    type Target = Text;

    unsafe fn target<'a>(stored: *const VecHeader, cx: Cx) -> &'a Text {
        // SAFETY: as in `Share::view_mut`, shared.
        unsafe { &*(ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata()) as *const Text) }
    }

    unsafe fn target_mut<'a>(stored: *mut VecHeader, cx: Cx) -> Result<&'a mut Text> {
        // SAFETY: the caller's promise.
        unsafe { Self::view_mut(stored, cx) }
    }
}

impl Share for String {
    type Stored = VecHeader;
    type Ref<'a> = &'a str;
    type Mut<'a> = &'a mut Text;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<VecHeader> {
        let (bytes, align) = self.need();
        let block = cx.alloc(bytes, align)?;
        // SAFETY: a new block of so many bytes, which nobody else knows of yet.
        unsafe { self.into_block(block, cx) }.map(|(header, _)| header)
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const VecHeader, cx: Cx) -> &'a str {
        // SAFETY: the caller's promise.
        unsafe { text(stored, cx) }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut VecHeader, cx: Cx) -> Result<&'a mut Text> {
        // SAFETY: the header is there for `'a`, all words, and nobody else sees it; it is all that the view's
        // bytes are. Its words are logged when they are changed.
        Ok(unsafe { &mut *(ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata()) as *mut Text) })
    }

    unsafe fn load(stored: *const VecHeader, cx: Cx) -> Result<String> {
        // SAFETY: the caller's promise.
        unsafe {
            match Self::load_soon(stored, cx) {
                Some(text) => Ok(text),
                None => load_long(stored, cx),
            }
        }
    }

    const SOON: bool = true;

    #[inline(always)]
    unsafe fn load_soon(stored: *const VecHeader, cx: Cx) -> Option<String> {
        // SAFETY: the caller's promise.
        let slots = unsafe { (*stored).slots::<u8>(cx)? };
        if slots.len > SHORT {
            return None;
        }
        let mut bytes = Vec::with_capacity(slots.len);
        // SAFETY: so many bytes lie there, in the map; there is room for them, and then they are there.
        unsafe {
            ptr::copy_nonoverlapping(slots.first.cast_const(), bytes.as_mut_ptr(), slots.len);
            bytes.set_len(slots.len);
        }
        owned(bytes)
    }

    #[inline(always)]
    unsafe fn foresee(stored: *const VecHeader, cx: Cx) {
        // SAFETY: the caller's promise; a header is all words.
        let (block, len) = unsafe { ((*stored).block(), (*stored).len.get()) };
        let first = cx.map().base().wrapping_add(block as usize);
        // Most are no longer than two lines.
        prefetch(first);
        prefetch(first.wrapping_add(len as usize).wrapping_sub(1));
    }

    const OWNS_A_BLOCK: bool = true;

    #[inline(always)]
    unsafe fn block(stored: *const VecHeader) -> Option<(u64, u64, u64)> {
        // SAFETY: the caller's promise.
        unsafe { &*stored }.sole_block(SHAPE)
    }

    const IN_A_BLOCK: bool = true;

    #[inline(always)]
    fn need(&self) -> (u64, u64) {
        (self.len() as u64, SHAPE.align)
    }

    #[inline(always)]
    unsafe fn into_block(self, block: u64, cx: Cx) -> Result<(VecHeader, Option<String>)> {
        let header = VecHeader::full(block, self.len() as u64);
        let slots = header.checked_new::<u8>(cx)?;
        // SAFETY: so many bytes, in the map, which nobody sees, by the caller's promise.
        unsafe { ptr::copy_nonoverlapping(self.as_ptr(), slots.first, self.len()) };
        Ok((header, Some(self)))
    }

    unsafe fn drop_stored(stored: *mut VecHeader, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        let run = unsafe { (*stored).run() };
        release(cx, SHAPE, run.offset, run.cap)
    }

    fn describe(registry: &mut Registry) -> usize {
        registry.node::<String, VecHeader>(Kind::String, "String", |_| vec![Variant::default()])
    }
}

impl Deref for Text {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Text {
    /// How many bytes it has, also without the lock.
    pub(crate) fn byte_len(&self) -> usize {
        self.header.slots::<u8>(self.cx()).map_or(0, |slots| slots.len)
    }

    #[inline(always)]
    fn cx(&self) -> Cx {
        // SAFETY: a view is made with its context's metadata, and does not outlive it.
        unsafe { Cx::from_metadata(self.cx.len()) }
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // SAFETY: the view's own header, which nobody changes while `self` is borrowed.
        unsafe { text(&self.header, self.cx()) }
    }

    /// How many bytes there is room for.
    pub fn capacity(&self) -> usize {
        self.header.slots::<u8>(self.cx()).map_or(0, |slots| slots.cap)
    }

    /// Puts `with` in the place of the bytes `start..end`, which lie between characters.
    #[inline]
    fn splice(&mut self, start: usize, end: usize, with: &str) -> Result<()> {
        let cx = self.cx();
        let mut slots: Slots<u8> = self.header.checked(cx)?;
        let (behind, more) = (slots.len - end, with.len());
        let len = (start + behind).checked_add(more).ok_or_else(too_large)?;
        if len > slots.cap {
            self.header.grow(cx, SHAPE, len as u64)?;
            slots = self.header.checked(cx)?;
        }
        cx.keep(&self.header.len, 1)?;
        // SAFETY: `start <= end <= len`, and the new length is within the capacity. What is overwritten or gets out
        // of reach is logged, but for bytes that were out of reach. `with` is no part of the block, for
        // `self` is borrowed.
        unsafe {
            if start < slots.len && (start < end || more > 0) {
                let logged = if end - start == more { end } else { slots.len };
                keep_slots(cx, slots.first.add(start), logged - start)?;
                ptr::copy(slots.first.add(end), slots.first.add(start + more), behind);
            }
            ptr::copy_nonoverlapping(with.as_ptr(), slots.first.add(start), more);
        }
        self.header.len.put(len as u64);
        Ok(())
    }

    /// An index that is no boundary of characters, or above the length, is an error.
    fn boundary(&self, index: usize) -> Result<()> {
        if self.is_char_boundary(index) {
            return Ok(());
        }
        Err(Error::BadArgument { what: "index", value: index as u64, rule: "which must be between two characters" })
    }

    /// Adds text at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    #[inline]
    pub fn push_str(&mut self, text: &str) -> Result<()> {
        let len = self.len();
        self.splice(len, len, text)
    }

    /// Adds a character at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    #[inline]
    pub fn push(&mut self, character: char) -> Result<()> {
        self.push_str(character.encode_utf8(&mut [0; 4]))
    }

    /// Inserts text at a byte index.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; [`Error::BadArgument`] if the index is not between two characters.
    pub fn insert_str(&mut self, index: usize, text: &str) -> Result<()> {
        self.boundary(index)?;
        self.splice(index, index, text)
    }

    /// Inserts a character at a byte index.
    ///
    /// # Errors
    /// As [`insert_str`](Text::insert_str).
    pub fn insert(&mut self, index: usize, character: char) -> Result<()> {
        self.insert_str(index, character.encode_utf8(&mut [0; 4]))
    }

    /// Removes the last character.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] only if not even the room kept for removals is left.
    pub fn pop(&mut self) -> Result<Option<char>> {
        match self.char_indices().next_back() {
            Some((index, _)) => self.remove(index),
            None => Ok(None),
        }
    }

    /// Removes the character at a byte index, if there is one.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for what is behind it; [`Error::BadArgument`] if the index is
    /// not between two characters.
    pub fn remove(&mut self, index: usize) -> Result<Option<char>> {
        self.boundary(index)?;
        let removed = self[index..].chars().next();
        if let Some(character) = removed {
            self.splice(index, index + character.len_utf8(), "")?;
        }
        Ok(removed)
    }

    /// Keeps the first `len` bytes only. A small text keeps its capacity, a large one gives pages back.
    ///
    /// # Errors
    /// [`Error::BadArgument`] if `len` is within a character; [`Error::OutOfSpace`] only if not even the
    /// room kept for removals is left.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        let cx = self.cx();
        if len >= self.header.checked::<u8>(cx)?.len {
            return Ok(());
        }
        self.boundary(len)?;
        self.header.truncate(cx, SHAPE, len as u64)
    }

    /// Removes all, and gives the memory back: the capacity is 0 then. (`set("")` keeps it.)
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] only if not even the room kept for removals is left.
    pub fn clear(&mut self) -> Result<()> {
        let cx = self.cx();
        self.header.checked::<u8>(cx)?;
        self.header.empty(cx, SHAPE)
    }

    /// Replaces the text by another.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn set(&mut self, text: &str) -> Result<()> {
        let len = self.len();
        self.splice(0, len, text)
    }

    /// Puts other text in the place of a range of bytes.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; [`Error::BadArgument`] if the range is not within the text or does not begin and
    /// end between two characters.
    pub fn replace_range(&mut self, range: impl RangeBounds<usize>, with: &str) -> Result<()> {
        let (start, end) = bounds(&range, self.len())?;
        self.boundary(start)?;
        self.boundary(end)?;
        self.splice(start, end, with)
    }

    /// Removes a range of bytes, and gives it.
    ///
    /// # Errors
    /// As [`replace_range`](Text::replace_range).
    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> Result<String> {
        let (start, end) = bounds(&range, self.len())?;
        self.boundary(start)?;
        self.boundary(end)?;
        let removed = self[start..end].to_owned();
        if end == self.len() {
            self.truncate(start)?
        } else {
            self.splice(start, end, "")?
        }
        Ok(removed)
    }

    /// Removes the text from a byte index on, and gives it.
    ///
    /// # Errors
    /// As [`truncate`](Text::truncate); [`Error::BadArgument`] if the index is above the length, too.
    pub fn split_off(&mut self, at: usize) -> Result<String> {
        self.drain(at..)
    }

    /// Keeps those characters that the predicate wants, in order.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room.
    pub fn retain(&mut self, mut wanted: impl FnMut(char) -> bool) -> Result<()> {
        let removed = self.char_indices().find(|(_, character)| !wanted(*character));
        let Some((first, gone)) = removed else { return Ok(()) };
        let kept: String = self[first + gone.len_utf8()..].chars().filter(|character| wanted(*character)).collect();
        let len = self.len();
        self.splice(first, len, &kept)
    }

    /// Makes room for that many more bytes, and some more.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        let slots: Slots<u8> = self.header.checked(self.cx())?;
        let needed = slots.len.checked_add(additional).ok_or_else(too_large)?;
        if needed > slots.cap { self.header.grow(self.cx(), SHAPE, needed as u64) } else { Ok(()) }
    }

    /// Makes room for that many more bytes, and no more.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub fn reserve_exact(&mut self, additional: usize) -> Result<()> {
        let slots: Slots<u8> = self.header.checked(self.cx())?;
        let needed = slots.len.checked_add(additional).ok_or_else(too_large)?;
        if needed > slots.cap { self.header.grow_exact(self.cx(), SHAPE, needed as u64) } else { Ok(()) }
    }

    /// Gives back the room for further text.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if a small text has to move to a smaller block and there is none.
    pub fn shrink_to_fit(&mut self) -> Result<()> {
        self.shrink_to(0)
    }

    /// Gives back the room for further text, but for `capacity` bytes altogether.
    ///
    /// # Errors
    /// As [`shrink_to_fit`](Text::shrink_to_fit).
    pub fn shrink_to(&mut self, capacity: usize) -> Result<()> {
        self.header.checked::<u8>(self.cx())?;
        self.header.shrink(self.cx(), SHAPE, capacity as u64)
    }

    /// Adds characters, or texts, at the end.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`]; then none was added.
    pub fn extend<I: IntoIterator>(&mut self, texts: I) -> Result<()>
    where
        String: FromIterator<I::Item>,
    {
        self.push_str(&String::from_iter(texts))
    }

    /// Adds a copy of a range of bytes at the end.
    ///
    /// # Errors
    /// As [`replace_range`](Text::replace_range).
    pub fn extend_from_within(&mut self, range: impl RangeBounds<usize>) -> Result<()> {
        let (start, end) = bounds(&range, self.len())?;
        self.boundary(start)?;
        self.boundary(end)?;
        let copy = self[start..end].to_owned();
        self.push_str(&copy)
    }

    /// Makes the letters from `a` to `z` those from `A` to `Z`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for the text.
    pub fn make_ascii_uppercase(&mut self) -> Result<()> {
        self.rewrite(<[u8]>::make_ascii_uppercase)
    }

    /// Makes the letters from `A` to `Z` those from `a` to `z`.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`] if the log has no room for the text.
    pub fn make_ascii_lowercase(&mut self) -> Result<()> {
        self.rewrite(<[u8]>::make_ascii_lowercase)
    }

    /// Lets `change` exchange ASCII letters.
    fn rewrite(&mut self, change: impl FnOnce(&mut [u8])) -> Result<()> {
        let cx = self.cx();
        let slots: Slots<u8> = self.header.checked(cx)?;
        // SAFETY: bytes of the text, which nobody else sees, and which are logged first. With other ASCII letters in
        // the place of ASCII letters they stay UTF-8.
        unsafe {
            keep_slots(cx, slots.first, slots.len)?;
            change(std::slice::from_raw_parts_mut(slots.first, slots.len));
        }
        Ok(())
    }
}

/// Adds what is written at the end; a formatting error stands for any other.
impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}
