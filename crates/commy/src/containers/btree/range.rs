//! Walking over the entries of a range, from both ends.
//!
//! A walk has a run of entries of the leaf where it is at the front, and one of the leaf where it is at the
//! back. When the front has used up its run it goes on to the next leaf; once that is the leaf of the back
//! there is one run only, from both sides of which entries are taken until nothing is left.
//!
//! Leaves are linked, but who follows links waits for memory at each. So a walk from the front looks up in the
//! inner node above which leaves come next, and has some of them fetched in advance.

use super::node::{Inner, Leaf};
use super::tree::{Place, Step, Tree, descend};
use crate::containers::vec::lend;
use crate::schema::{Key, Lookup, Share, compare_unlocked};
use crate::tx::Cx;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

/// The entries `start..end` of a leaf.
struct Run<K: Share, V: Share> {
    leaf: Leaf<K, V>,
    start: usize,
    end: usize,
}

impl<K: Share, V: Share> Clone for Run<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share, V: Share> Copy for Run<K, V> {}

/// Leaves that are fetched in advance.
const AHEAD: usize = 4;

/// The inner node above the leaf where a walk is, for a look ahead. It is only used to fetch leaves in advance.
struct Above<K: Share> {
    root: (u64, usize),
    step: Option<Step<K>>,
    /// The last child that was fetched.
    fetched: usize,
}

impl<K: Share> Clone for Above<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Share> Copy for Above<K> {}

impl<K: Key> Above<K> {
    /// Fetches the next leaves, up to so many.
    fn fetch<V: Share>(&mut self, cx: Cx, many: usize) {
        let Some(Step { inner, index }) = self.step else { return };
        let last = inner.count().min(index + many);
        for child in self.fetched.max(index) + 1..=last {
            Leaf::<K, V>::prefetch(cx, inner.child(child).get());
        }
        self.fetched = last;
    }

    /// The walk is at the next leaf now.
    fn go_on_to<V: Share>(&mut self, cx: Cx, leaf: Leaf<K, V>) {
        match &mut self.step {
            Some(step) if step.index < step.inner.count() => step.index += 1,
            Some(_) if leaf.count() > 0 => {
                // SAFETY: stored keys, in the map.
                let choose = |inner: Inner<K>| inner.seek(|key| unsafe { K::compare(key, leaf.key(0), cx) });
                self.step = descend::<K, V>(cx, self.root, choose).and_then(|(_, step)| step);
                self.fetched = 0;
            }
            _ => self.step = None,
        }
        self.fetch::<V>(cx, AHEAD);
    }
}

/// The entries between two places.
pub(super) struct Span<K: Share, V: Share> {
    cx: Cx,
    front: Run<K, V>,
    /// Used while the two ends are in different leaves.
    back: Run<K, V>,
    /// Whether both ends are in the leaf of `front`.
    joined: bool,
    /// How often an end may still go on to another leaf, which bounds the walk over a damaged tree.
    steps: usize,
    above: Above<K>,
}

impl<K: Share, V: Share> Clone for Span<K, V> {
    fn clone(&self) -> Self {
        Span { ..*self }
    }
}

/// One end of a span, and the last step of the way there.
struct End<K: Share, V: Share> {
    leaf: Leaf<K, V>,
    index: usize,
    step: Option<Step<K>>,
}

impl<K: Key, V: Share> Span<K, V> {
    /// No entries.
    pub(super) fn empty(cx: Cx) -> Self {
        let none = Run { leaf: Leaf::NONE, start: 0, end: 0 };
        let above = Above { root: (0, 0), step: None, fetched: 0 };
        Span { cx, front: none, back: none, joined: true, steps: 0, above }
    }

    /// Those from `start` on and before `end`, which is not before `start`.
    fn new(tree: Tree<'_, K, V>, root: (u64, usize), start: End<K, V>, end: End<K, V>) -> Self {
        let joined = start.leaf == end.leaf;
        let front_end = if joined { end.index.max(start.index) } else { start.leaf.count() };
        let front = Run { leaf: start.leaf, start: start.index, end: front_end };
        let back = Run { leaf: end.leaf, start: 0, end: end.index };
        let mut above = Above { root, step: start.step, fetched: 0 };
        if !joined {
            above.fetch::<V>(tree.cx, 1);
        }
        Span { cx: tree.cx, front, back, joined, steps: tree.len(), above }
    }

    /// The next entry from the front.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Place<K, V>> {
        if self.front.start >= self.front.end && !self.go_on() {
            return None;
        }
        let Run { leaf, start: index, .. } = self.front;
        self.front.start = index + 1;
        Some(Place { leaf, index })
    }

    /// The next entry from the back.
    #[inline(always)]
    pub(super) fn next_back(&mut self) -> Option<Place<K, V>> {
        if !self.joined && self.back.start >= self.back.end {
            self.go_back();
        }
        let run = if self.joined { &mut self.front } else { &mut self.back };
        if run.start >= run.end {
            return None;
        }
        run.end -= 1;
        Some(Place { leaf: run.leaf, index: run.end })
    }

    /// Goes on to the next leaf that has entries of the span. Gives whether there is one.
    #[inline(never)]
    fn go_on(&mut self) -> bool {
        while !self.joined && self.front.start >= self.front.end {
            match self.leaf_at(self.front.leaf.head().next.get()) {
                Some(leaf) if leaf == self.back.leaf => {
                    self.front = self.back;
                    self.joined = true;
                }
                Some(leaf) => {
                    self.above.go_on_to(self.cx, leaf);
                    self.front = Run { leaf, start: 0, end: leaf.count() };
                }
                None => *self = Span::empty(self.cx),
            }
        }
        self.front.start < self.front.end
    }

    /// Goes back to the leaf before that has entries of the span.
    #[inline(never)]
    fn go_back(&mut self) {
        while !self.joined && self.back.start >= self.back.end {
            match self.leaf_at(self.back.leaf.head().prev.get()) {
                Some(leaf) if leaf == self.front.leaf => self.joined = true,
                Some(leaf) => {
                    Leaf::<K, V>::prefetch(self.cx, leaf.head().prev.get());
                    self.back = Run { leaf, start: 0, end: leaf.count() };
                }
                None => *self = Span::empty(self.cx),
            }
        }
    }

    fn leaf_at(&mut self, offset: u64) -> Option<Leaf<K, V>> {
        self.steps = self.steps.checked_sub(1)?;
        if self.cx.is_stale() {
            return None;
        }
        Leaf::open(self.cx, offset)
    }
}

impl<K: Key, V: Share> Tree<'_, K, V> {
    /// The entries with keys in a range; none if it ends before it begins.
    pub(super) fn range<Q: ?Sized>(self, range: &impl RangeBounds<Q>) -> Span<K, V>
    where
        K: Lookup<Q>,
    {
        self.span(range).unwrap_or(Span::empty(self.cx))
    }

    fn span<Q: ?Sized>(self, range: &impl RangeBounds<Q>) -> Option<Span<K, V>>
    where
        K: Lookup<Q>,
    {
        let root = self.root()?;
        let start = match range.start_bound() {
            Bound::Included(query) => self.end(root, query, false)?,
            Bound::Excluded(query) => self.end(root, query, true)?,
            Bound::Unbounded => self.outer_end(root, false)?,
        };
        let end = match range.end_bound() {
            Bound::Included(query) => self.end(root, query, true)?,
            Bound::Excluded(query) => self.end(root, query, false)?,
            Bound::Unbounded => self.outer_end(root, true)?,
        };
        if start.leaf != end.leaf {
            if start.leaf.count() == 0 || end.leaf.count() == 0 {
                return None;
            }
            // SAFETY: the first keys of both leaves.
            let order = unsafe { K::compare(start.leaf.key(0), end.leaf.key(0), self.cx) };
            if order.is_gt() {
                return None;
            }
        }
        Some(Span::new(self, root, start, end))
    }

    /// The place of the first key that is not less, or `behind` that are not greater either.
    #[inline(always)]
    fn end<Q: ?Sized>(self, root: (u64, usize), query: &Q, behind: bool) -> Option<End<K, V>>
    where
        K: Lookup<Q>,
    {
        // SAFETY: stored keys, in the map.
        let order = |key| unsafe { compare_unlocked::<K, Q>(key, self.cx, query) };
        let (leaf, step) = descend::<K, V>(self.cx, root, |inner| inner.seek(order))?;
        let index = if behind { leaf.seek_behind(order) } else { leaf.seek(order).0 };
        Some(End { leaf, index, step })
    }

    /// The place before all entries, or behind all.
    fn outer_end(self, root: (u64, usize), behind: bool) -> Option<End<K, V>> {
        let (leaf, step) = descend::<K, V>(self.cx, root, |inner| if behind { inner.count() } else { 0 })?;
        Some(End { leaf, index: if behind { leaf.count() } else { 0 }, step })
    }

    /// All entries.
    pub(super) fn all(self) -> Span<K, V> {
        let span = |root| Some(Span::new(self, root, self.outer_end(root, false)?, self.outer_end(root, true)?));
        self.root().and_then(span).unwrap_or(Span::empty(self.cx))
    }
}

/// The entries of a range of a [`BTreeMapView`](super::BTreeMapView), in order, from both ends.
pub struct Range<'a, K: Share, V: Share> {
    span: Span<K, V>,
    marker: PhantomData<&'a (K, V)>,
}

/// The entries of a range of a [`BTreeMapView`](super::BTreeMapView), in order, from both ends, the values to be
/// changed. Panics (`OutOfSpace`) when the log has no room for the one that is to be lent.
pub struct RangeMut<'a, K: Share, V: Share> {
    span: Span<K, V>,
    marker: PhantomData<&'a mut (K, V)>,
}

/// All entries of a [`BTreeMapView`](super::BTreeMapView), in order, from both ends.
pub struct Iter<'a, K: Share, V: Share> {
    range: Range<'a, K, V>,
    left: usize,
}

/// All entries of a [`BTreeMapView`](super::BTreeMapView), in order, from both ends, the values to be changed.
/// Panics (`OutOfSpace`) when the log has no room for the one that is to be lent.
pub struct IterMut<'a, K: Share, V: Share> {
    range: RangeMut<'a, K, V>,
    left: usize,
}

impl<'a, K: Share, V: Share> Range<'a, K, V> {
    /// # Safety
    /// Nobody changes the tree during `'a`.
    pub(super) unsafe fn new(span: Span<K, V>) -> Self {
        Range { span, marker: PhantomData }
    }

    #[inline(always)]
    fn entry(&self, place: Place<K, V>) -> (K::Ref<'a>, V::Ref<'a>) {
        // SAFETY: the promise made to `new`; an entry of a leaf.
        unsafe {
            let (key, value) = (place.leaf.key(place.index), place.leaf.value(place.index));
            (K::view(key, self.span.cx), V::view(value, self.span.cx))
        }
    }
}

impl<'a, K: Share, V: Share> RangeMut<'a, K, V> {
    /// # Safety
    /// Nobody else sees the tree during `'a`.
    pub(super) unsafe fn new(span: Span<K, V>) -> Self {
        RangeMut { span, marker: PhantomData }
    }

    #[inline(always)]
    fn entry(&mut self, place: Place<K, V>) -> (K::Ref<'a>, V::Mut<'a>) {
        // SAFETY: the promise made to `new`; an entry of a leaf, each of which is come to once.
        unsafe {
            let (key, value) = (place.leaf.key(place.index), place.leaf.value(place.index));
            (K::view(key, self.span.cx), lend(V::view_mut(value, self.span.cx)))
        }
    }
}

impl<'a, K: Share, V: Share> Iter<'a, K, V> {
    /// # Safety
    /// As for [`Range::new`]; the span has `left` entries.
    pub(super) unsafe fn new(span: Span<K, V>, left: usize) -> Self {
        // SAFETY: the caller's promise.
        Iter { range: unsafe { Range::new(span) }, left }
    }
}

impl<'a, K: Share, V: Share> IterMut<'a, K, V> {
    /// # Safety
    /// As for [`RangeMut::new`]; the span has `left` entries.
    pub(super) unsafe fn new(span: Span<K, V>, left: usize) -> Self {
        // SAFETY: the caller's promise.
        IterMut { range: unsafe { RangeMut::new(span) }, left }
    }
}

impl<'a, K: Key, V: Share> Iterator for Range<'a, K, V> {
    type Item = (K::Ref<'a>, V::Ref<'a>);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.span.next().map(|place| self.entry(place))
    }
    #[inline]
    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl<K: Key, V: Share> DoubleEndedIterator for Range<'_, K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.span.next_back().map(|place| self.entry(place))
    }
}

impl<'a, K: Key, V: Share> Iterator for RangeMut<'a, K, V> {
    type Item = (K::Ref<'a>, V::Mut<'a>);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.span.next().map(|place| self.entry(place))
    }
    #[inline]
    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl<K: Key, V: Share> DoubleEndedIterator for RangeMut<'_, K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.span.next_back().map(|place| self.entry(place))
    }
}

impl<'a, K: Key, V: Share> Iterator for Iter<'a, K, V> {
    type Item = (K::Ref<'a>, V::Ref<'a>);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.range.next()
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
    #[inline]
    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl<K: Key, V: Share> DoubleEndedIterator for Iter<'_, K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.range.next_back()
    }
}

impl<'a, K: Key, V: Share> Iterator for IterMut<'a, K, V> {
    type Item = (K::Ref<'a>, V::Mut<'a>);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.range.next()
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
    #[inline]
    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl<K: Key, V: Share> DoubleEndedIterator for IterMut<'_, K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.range.next_back()
    }
}

impl<K: Key, V: Share> ExactSizeIterator for Iter<'_, K, V> {}
impl<K: Key, V: Share> ExactSizeIterator for IterMut<'_, K, V> {}
impl<K: Key, V: Share> FusedIterator for Range<'_, K, V> {}
impl<K: Key, V: Share> FusedIterator for RangeMut<'_, K, V> {}
impl<K: Key, V: Share> FusedIterator for Iter<'_, K, V> {}
impl<K: Key, V: Share> FusedIterator for IterMut<'_, K, V> {}

impl<K: Share, V: Share> Clone for Range<'_, K, V> {
    fn clone(&self) -> Self {
        Range { span: self.span.clone(), marker: PhantomData }
    }
}

impl<K: Share, V: Share> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Iter { range: self.range.clone(), left: self.left }
    }
}

impl<K: Key, V: Share> fmt::Debug for Range<'_, K, V>
where
    for<'b> K::Ref<'b>: fmt::Debug,
    for<'b> V::Ref<'b>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl<K: Key, V: Share> fmt::Debug for Iter<'_, K, V>
where
    for<'b> K::Ref<'b>: fmt::Debug,
    for<'b> V::Ref<'b>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl<K: Key, V: Share> fmt::Debug for RangeMut<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeMut").finish_non_exhaustive()
    }
}

impl<K: Key, V: Share> fmt::Debug for IterMut<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IterMut").field("left", &self.left).finish_non_exhaustive()
    }
}
