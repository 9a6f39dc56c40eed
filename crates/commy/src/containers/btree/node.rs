//! The nodes of a tree: where their parts are, how a key is found in one, how entries move.
//!
//! ```text
//! leaf                                    inner node
//!   0 stamp                                 0 stamp
//!   8 entries                               8 keys
//!  16 leaf before, 0 if none               16 keys: `cap` stored keys, in order
//!  24 leaf behind, 0 if none                   children: `cap` + 1 offsets
//!  32 keys: `cap` stored keys, in order
//!     values: `cap` stored values
//! ```
//!
//! A leaf has 512 bytes, an inner node, which is changed less often and should have many children, 1024; more,
//! if fewer than 8 keys would fit, up to 2048, or else as many pages as 4 take: blocks of these sizes waste
//! nothing. Keys and values begin at what their types are aligned to.
//!
//! The handles [`Leaf`] and [`Inner`] are made by `open`, which checks that the node is in the file and that
//! its count is possible. After that, positions up to the count are taken to be good, as only honest
//! processes write there.

use crate::error::{Error, Result};
use crate::layout::{PAGE, Word};
use crate::map;
use crate::schema::Share;
use crate::tx::Cx;
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, offset_of};
use std::ptr::{self, NonNull};

/// Size and alignment of a stored form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) size: usize,
    pub(crate) align: usize,
}

impl Form {
    /// That of `S`.
    pub(crate) const fn of<S>() -> Form {
        Form { size: size_of::<S>(), align: align_of::<S>() }
    }
}

/// Where the parts of a node are: a header, `cap` keys, and then values, or children, which are one more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes of the node.
    pub(crate) bytes: usize,
    /// What it is aligned to.
    pub(crate) align: usize,
    /// How many keys it has room for.
    pub(crate) cap: usize,
    /// Where the keys begin.
    pub(crate) keys: usize,
    /// Where the values or children begin.
    pub(crate) rest: usize,
}

/// Sizes of leaves, the smallest that will do being used.
const LEAVES: &[usize] = &[512, 1024, LARGEST];
/// Sizes of inner nodes.
const INNERS: &[usize] = &[1024, LARGEST];
/// The largest node for which there are blocks.
const LARGEST: usize = 2048;
/// Keys that a node should have room for, so that the tree is not deep.
const WANTED: usize = 8;
/// Keys that a node has room for in any case, so that its halves can be split again.
const LEAST: usize = 4;

impl Shape {
    /// That of a leaf.
    pub(crate) const fn leaf(key: Form, value: Form) -> Shape {
        Shape::fit(LEAVES, size_of::<LeafHead>(), key, value, 0)
    }

    /// That of an inner node.
    pub(crate) const fn inner(key: Form) -> Shape {
        Shape::fit(INNERS, size_of::<InnerHead>(), key, Form::of::<Word>(), 1)
    }

    const fn fit(sizes: &[usize], head: usize, key: Form, rest: Form, more: usize) -> Shape {
        let mut index = 0;
        while index < sizes.len() {
            let shape = Shape::fill(sizes[index], head, key, rest, more);
            if shape.cap >= WANTED || (sizes[index] == LARGEST && shape.cap >= LEAST) {
                return shape;
            }
            index += 1;
        }
        let least = Shape::place(LEAST, head, key, rest, more).bytes;
        Shape::fill(least.next_multiple_of(PAGE as usize), head, key, rest, more)
    }

    /// As many keys as so many bytes have room for.
    const fn fill(bytes: usize, head: usize, key: Form, rest: Form, more: usize) -> Shape {
        let each = key.size + rest.size;
        let mut cap = (bytes - head) / if each == 0 { 1 } else { each };
        while cap > 0 && Shape::place(cap, head, key, rest, more).bytes > bytes {
            cap -= 1;
        }
        Shape { bytes, ..Shape::place(cap, head, key, rest, more) }
    }

    const fn place(cap: usize, head: usize, key: Form, rest: Form, more: usize) -> Shape {
        let keys = head.next_multiple_of(key.align);
        let rest_at = (keys + cap * key.size).next_multiple_of(rest.align);
        let mut align = align_of::<Word>();
        if key.align > align {
            align = key.align;
        }
        if rest.align > align {
            align = rest.align;
        }
        Shape { bytes: rest_at + (cap + more) * rest.size, align, cap, keys, rest: rest_at }
    }

    /// How many keys a node has at least, unless it is the root or at the edge of the tree.
    pub(crate) const fn least(&self) -> usize {
        self.cap * 2 / 5
    }
}

/// The beginning of a leaf.
#[repr(C)]
pub(super) struct LeafHead {
    /// The stamp of the transaction that made the leaf or has logged the whole of it.
    pub(super) stamp: Word,
    pub(super) count: Word,
    pub(super) prev: Word,
    pub(super) next: Word,
}

/// The beginning of an inner node.
#[repr(C)]
pub(super) struct InnerHead {
    /// As in a leaf.
    pub(super) stamp: Word,
    pub(super) count: Word,
}

/// The bytes of a stored key or value, on their way from one place to another.
pub(super) type Bits<S> = MaybeUninit<S>;

/// Takes the bytes of a stored form.
///
/// # Safety
/// `place` may be read.
#[inline(always)]
pub(super) unsafe fn bits<S>(place: *const S) -> Bits<S> {
    // SAFETY: the caller's promise; any bytes are a `Bits`.
    unsafe { place.cast::<Bits<S>>().read() }
}

/// Keys that are looked at one by one.
const FEW: usize = 16;

/// How many of `count` keys in order there are before the first one for which `before` is false.
///
/// Keys that are all in the node are found without branches that depend on them, for which way those would go
/// nobody can guess. Of keys that are partly elsewhere the processor shall guess, so as to fetch the next
/// ones while it waits for one; it does best if it goes through them in a row.
#[inline(always)]
fn partition(count: usize, elsewhere: bool, before: impl Fn(usize) -> bool) -> usize {
    let (mut base, mut left) = (0, count);
    if elsewhere {
        while left > FEW {
            let half = left / 2;
            if before(base + half) {
                (base, left) = (base + half, left - half);
            } else {
                left = half;
            }
        }
        return base + (0..left).position(|index| !before(base + index)).unwrap_or(left);
    }
    if count == 0 {
        return 0;
    }
    while left > 1 {
        let half = left / 2;
        base = std::hint::select_unpredictable(before(base + half), base + half, base);
        left -= half;
    }
    base + usize::from(before(base))
}

/// Begins to bring a node's bytes into the cache, all at once, as the search would wait for each of its steps.
#[inline(always)]
fn prefetch(node: NonNull<u8>, bytes: usize) {
    (0..bytes.min(512)).step_by(64).for_each(|line| map::prefetch(node.as_ptr().wrapping_add(line)));
}

/// A leaf.
///
/// Invariant: `SHAPE.bytes` bytes at `at` are in the map, so aligned; the first `count` keys and values are
/// stored ones.
pub(super) struct Leaf<K: Share, V: Share> {
    at: NonNull<u8>,
    marker: PhantomData<(*mut K, *mut V)>,
}

impl<K: Share, V: Share> Clone for Leaf<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share, V: Share> Copy for Leaf<K, V> {}

impl<K: Share, V: Share> PartialEq for Leaf<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<K: Share, V: Share> Leaf<K, V> {
    pub(super) const SHAPE: Shape = Shape::leaf(Form::of::<K::Stored>(), Form::of::<V::Stored>());
    pub(super) const CAP: usize = Self::SHAPE.cap;

    /// No leaf; its header must not be looked at.
    pub(super) const NONE: Self = Leaf { at: NonNull::dangling(), marker: PhantomData };

    /// The leaf at an offset, if it checks out.
    #[inline(always)]
    pub(super) fn open(cx: Cx, offset: u64) -> Option<Self> {
        let at = cx.at(offset, Self::SHAPE.bytes as u64, Self::SHAPE.align as u64)?;
        prefetch(at, Self::SHAPE.bytes);
        let leaf = Leaf { at, marker: PhantomData };
        (offset != 0 && leaf.count() <= Self::CAP).then_some(leaf)
    }

    /// A new leaf without entries.
    pub(super) fn make(cx: Cx, stamp: u64) -> Result<Self> {
        let (bytes, align) = (Self::SHAPE.bytes as u64, Self::SHAPE.align as u64);
        let offset = cx.alloc(bytes, align)?;
        let at = cx.at(offset, bytes, align).ok_or_else(|| Error::corrupt(offset, "a block outside the file"))?;
        let leaf = Leaf { at, marker: PhantomData };
        let head = leaf.head();
        head.stamp.put(stamp);
        head.count.put(0);
        head.prev.put(0);
        head.next.put(0);
        Ok(leaf)
    }

    /// Gives its block back.
    pub(super) fn free(self, cx: Cx) -> Result<()> {
        cx.free(self.offset(cx), Self::SHAPE.bytes as u64, Self::SHAPE.align as u64)
    }

    #[inline(always)]
    pub(super) fn head<'m>(self) -> &'m LeafHead {
        // SAFETY: the invariant; a head is words only, and the map outlives all that is done with it.
        unsafe { self.at.cast().as_ref() }
    }

    #[inline(always)]
    pub(super) fn offset(self, cx: Cx) -> u64 {
        cx.offset_of(self.at.as_ptr())
    }

    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.head().count.get() as usize
    }

    #[inline(always)]
    pub(super) fn set_count(self, count: usize) {
        self.head().count.put(count as u64);
    }

    /// The place of a key; `index` is at most the capacity.
    #[inline(always)]
    pub(super) fn key(self, index: usize) -> *mut K::Stored {
        self.at.as_ptr().wrapping_add(Self::SHAPE.keys).cast::<K::Stored>().wrapping_add(index)
    }

    /// The place of a value; `index` is at most the capacity.
    #[inline(always)]
    pub(super) fn value(self, index: usize) -> *mut V::Stored {
        self.at.as_ptr().wrapping_add(Self::SHAPE.rest).cast::<V::Stored>().wrapping_add(index)
    }

    /// How many keys there are before the first that is not `Less`, and whether that one is `Equal`.
    #[inline(always)]
    pub(super) fn seek(self, order: impl Fn(*const K::Stored) -> Ordering) -> (usize, bool) {
        let count = self.count();
        let index = partition(count, K::OWNS, |index| order(self.key(index)).is_lt());
        (index, index < count && order(self.key(index)).is_eq())
    }

    /// How many keys there are before the first that is `Greater`.
    #[inline(always)]
    pub(super) fn seek_behind(self, order: impl Fn(*const K::Stored) -> Ordering) -> usize {
        partition(self.count(), K::OWNS, |index| order(self.key(index)).is_le())
    }

    /// Begins to bring the leaf behind, or before, into the cache.
    #[inline(always)]
    pub(super) fn prefetch(cx: Cx, offset: u64) {
        if let Some(at) = cx.at(offset, Self::SHAPE.bytes as u64, 1) {
            prefetch(at, Self::SHAPE.bytes);
        }
    }

    /// Logs the leaf, unless this transaction has done so already or has made it.
    #[inline(always)]
    pub(super) fn keep(self, cx: Cx, stamp: u64) -> Result<()> {
        if self.head().stamp.get() == stamp { Ok(()) } else { self.keep_all(cx, stamp) }
    }

    #[cold]
    #[inline(never)]
    fn keep_all(self, cx: Cx, stamp: u64) -> Result<()> {
        let (count, start) = (self.count(), self.at.as_ptr());
        let keys = Self::SHAPE.keys + count * size_of::<K::Stored>();
        let values = count * size_of::<V::Stored>();
        // SAFETY: all within the node.
        unsafe {
            cx.keep_bytes(start, keys)?;
            if values > 0 {
                cx.keep_bytes(start.add(Self::SHAPE.rest), values)?;
            }
        }
        self.head().stamp.put(stamp);
        Ok(())
    }

    /// Puts an entry in at `index`.
    ///
    /// # Safety
    /// There is room for it, `index` is at most the count; the leaf may be changed.
    #[inline(always)]
    pub(super) unsafe fn insert(self, index: usize, key: K::Stored, value: V::Stored) {
        let count = self.count();
        // SAFETY: the caller's promise: all moves are within the capacity.
        unsafe {
            self.shift(index, index + 1, count - index);
            self.key(index).write(key);
            self.value(index).write(value);
        }
        self.set_count(count + 1);
    }

    /// Takes the entry at `index` out, whose bytes are lost.
    ///
    /// # Safety
    /// `index` is below the count; the leaf may be changed.
    #[inline(always)]
    pub(super) unsafe fn remove(self, index: usize) {
        let count = self.count();
        // SAFETY: the caller's promise.
        unsafe { self.shift(index + 1, index, count - index - 1) };
        self.set_count(count - 1);
    }

    /// Moves `many` entries within the leaf.
    ///
    /// # Safety
    /// Both ends are within the capacity; the leaf may be changed.
    #[inline(always)]
    pub(super) unsafe fn shift(self, from: usize, to: usize, many: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            ptr::copy(self.key(from), self.key(to), many);
            ptr::copy(self.value(from), self.value(to), many);
        }
    }

    /// Copies `many` entries of another leaf to `to`.
    ///
    /// # Safety
    /// Both ends are within the capacity; the leaf may be changed.
    pub(super) unsafe fn copy_from(self, to: usize, other: Self, from: usize, many: usize) {
        // SAFETY: the caller's promise; two leaves do not overlap.
        unsafe {
            ptr::copy_nonoverlapping(other.key(from), self.key(to), many);
            ptr::copy_nonoverlapping(other.value(from), self.value(to), many);
        }
    }
}

/// An inner node.
///
/// Invariant: `SHAPE.bytes` bytes at `at` are in the map, so aligned; the first `count` keys are stored ones.
pub(super) struct Inner<K: Share> {
    at: NonNull<u8>,
    marker: PhantomData<*mut K>,
}

impl<K: Share> Clone for Inner<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share> Copy for Inner<K> {}

impl<K: Share> Inner<K> {
    pub(super) const SHAPE: Shape = Shape::inner(Form::of::<K::Stored>());
    pub(super) const CAP: usize = Self::SHAPE.cap;

    /// The inner node at an offset, if it checks out.
    #[inline(always)]
    pub(super) fn open(cx: Cx, offset: u64) -> Option<Self> {
        let at = cx.at(offset, Self::SHAPE.bytes as u64, Self::SHAPE.align as u64)?;
        prefetch(at, Self::SHAPE.bytes);
        let inner = Inner { at, marker: PhantomData };
        (offset != 0 && inner.count() <= Self::CAP).then_some(inner)
    }

    /// A new node without keys, whose first child is yet to be set.
    pub(super) fn make(cx: Cx, stamp: u64) -> Result<Self> {
        let (bytes, align) = (Self::SHAPE.bytes as u64, Self::SHAPE.align as u64);
        let offset = cx.alloc(bytes, align)?;
        let at = cx.at(offset, bytes, align).ok_or_else(|| Error::corrupt(offset, "a block outside the file"))?;
        let inner = Inner { at, marker: PhantomData };
        inner.head().stamp.put(stamp);
        inner.head().count.put(0);
        inner.child(0).put(0);
        Ok(inner)
    }

    /// Gives its block back.
    pub(super) fn free(self, cx: Cx) -> Result<()> {
        cx.free(self.offset(cx), Self::SHAPE.bytes as u64, Self::SHAPE.align as u64)
    }

    #[inline(always)]
    pub(super) fn head<'m>(self) -> &'m InnerHead {
        // SAFETY: the invariant; a head is words only, and the map outlives all that is done with it.
        unsafe { self.at.cast().as_ref() }
    }

    #[inline(always)]
    pub(super) fn offset(self, cx: Cx) -> u64 {
        cx.offset_of(self.at.as_ptr())
    }

    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.head().count.get() as usize
    }

    #[inline(always)]
    pub(super) fn set_count(self, count: usize) {
        self.head().count.put(count as u64);
    }

    /// The place of a key; `index` is at most the capacity.
    #[inline(always)]
    pub(super) fn key(self, index: usize) -> *mut K::Stored {
        self.at.as_ptr().wrapping_add(Self::SHAPE.keys).cast::<K::Stored>().wrapping_add(index)
    }

    /// The offset of a child; `index` is at most the capacity.
    #[inline(always)]
    pub(super) fn child<'m>(self, index: usize) -> &'m Word {
        let index = index.min(Self::CAP);
        // SAFETY: there is one child more than there are keys; a word in the map.
        unsafe { &*self.at.as_ptr().add(Self::SHAPE.rest).cast::<Word>().add(index) }
    }

    /// The child that a key belongs in: behind the last separator that is not `Greater`.
    #[inline(always)]
    pub(super) fn seek(self, order: impl Fn(*const K::Stored) -> Ordering) -> usize {
        partition(self.count(), K::OWNS, |index| order(self.key(index)).is_le())
    }

    /// Logs the node, unless this transaction has done so already or has made it.
    #[inline(always)]
    pub(super) fn keep(self, cx: Cx, stamp: u64) -> Result<()> {
        if self.head().stamp.get() == stamp { Ok(()) } else { self.keep_all(cx, stamp) }
    }

    #[cold]
    #[inline(never)]
    fn keep_all(self, cx: Cx, stamp: u64) -> Result<()> {
        let count = self.count();
        let keys = Self::SHAPE.keys + count * size_of::<K::Stored>();
        // SAFETY: within the node.
        unsafe { cx.keep_bytes(self.at.as_ptr(), keys)? };
        cx.keep(self.child(0), count as u64 + 1)?;
        self.head().stamp.put(stamp);
        Ok(())
    }

    /// Puts a key in at `index`, and the child behind it.
    ///
    /// # Safety
    /// There is room for it, `index` is at most the count; the node may be changed.
    pub(super) unsafe fn insert(self, index: usize, key: Bits<K::Stored>, child: u64) {
        let count = self.count();
        // SAFETY: the caller's promise: all moves are within the capacity.
        unsafe {
            self.shift_keys(index, index + 1, count - index);
            self.key(index).cast::<Bits<K::Stored>>().write(key);
        }
        self.shift_children(index + 1, index + 2, count - index);
        self.child(index + 1).put(child);
        self.set_count(count + 1);
    }

    /// Takes the key at `index` out, and the child behind it.
    ///
    /// # Safety
    /// `index` is below the count; the node may be changed.
    pub(super) unsafe fn remove(self, index: usize) {
        let count = self.count();
        // SAFETY: the caller's promise.
        unsafe { self.shift_keys(index + 1, index, count - index - 1) };
        self.shift_children(index + 2, index + 1, count - index - 1);
        self.set_count(count - 1);
    }

    /// Moves `many` keys within the node.
    ///
    /// # Safety
    /// Both ends are within the capacity; the node may be changed.
    pub(super) unsafe fn shift_keys(self, from: usize, to: usize, many: usize) {
        // SAFETY: the caller's promise.
        unsafe { ptr::copy(self.key(from), self.key(to), many) };
    }

    /// Moves `many` children within the node.
    pub(super) fn shift_children(self, from: usize, to: usize, many: usize) {
        let shift = |index| self.child(to + index).put(self.child(from + index).get());
        if from < to { (0..many).rev().for_each(shift) } else { (0..many).for_each(shift) }
    }

    /// Copies `many` keys of another node to `to`.
    ///
    /// # Safety
    /// Both ends are within the capacity; the node may be changed.
    pub(super) unsafe fn copy_keys(self, to: usize, other: Self, from: usize, many: usize) {
        // SAFETY: the caller's promise; two nodes do not overlap.
        unsafe { ptr::copy_nonoverlapping(other.key(from), self.key(to), many) };
    }

    /// Copies `many` children of another node to `to`.
    pub(super) fn copy_children(self, to: usize, other: Self, from: usize, many: usize) {
        (0..many).for_each(|index| self.child(to + index).put(other.child(from + index).get()));
    }

    /// Sets a key to the same bytes as those of another place.
    ///
    /// # Safety
    /// `index` is below the capacity, `key` holds a stored key; the node may be changed.
    pub(super) unsafe fn set_key(self, index: usize, key: Bits<K::Stored>) {
        // SAFETY: the caller's promise.
        unsafe { self.key(index).cast::<Bits<K::Stored>>().write(key) };
    }
}

const _: () = {
    let word = Form::of::<u64>();
    let (leaf, inner) = (Shape::leaf(word, word), Shape::inner(word));
    assert!(leaf.bytes == 512 && leaf.cap == 30 && leaf.keys == 32 && leaf.rest == 272);
    assert!(inner.bytes == 1024 && inner.cap == 62 && inner.keys == 16 && inner.rest == 512);
    assert!(offset_of!(LeafHead, count) == offset_of!(InnerHead, count));
};
