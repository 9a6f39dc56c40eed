//! For the tests of sequences: objects seen through two attachments, and groups of operations.

use crate::schema::Share;
use crate::segment::Segment;
use crate::shared::Shared;
use proptest::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// A segment attached twice: two participants of one file.
pub(crate) struct Pair {
    _dir: tempfile::TempDir,
    pub segments: [Segment; 2],
    objects: Cell<u32>,
}

pub(crate) fn pair(max: u64) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.commy");
    let one = Segment::options().initial_size(64 << 10).max_size(max).create(&path).unwrap();
    let two = Segment::open(&path).unwrap();
    Pair { _dir: dir, segments: [one, two], objects: Cell::new(0) }
}

impl Pair {
    /// A new object, through both attachments.
    pub(crate) fn object<T: Share + Default>(&self) -> [Shared<T>; 2] {
        let name = format!("object {}", self.objects.replace(self.objects.get() + 1));
        [0, 1].map(|index| self.segments[index].open_or_create(&name).unwrap())
    }

    pub(crate) fn allocated(&self) -> u64 {
        self.segments[0].stats().unwrap().allocated
    }
}

/// What is done under one guard.
#[derive(Clone, Debug)]
pub(crate) struct Group<O> {
    pub second: bool,
    pub commit: bool,
    pub operations: Vec<O>,
}

pub(crate) fn groups<O>(operation: impl Strategy<Value = O>) -> impl Strategy<Value = Vec<Group<O>>>
where
    O: Clone + std::fmt::Debug,
{
    let group = (any::<bool>(), 0..4u8, prop::collection::vec(operation, 1..12));
    let group = group.prop_map(|(second, commit, operations)| Group { second, commit: commit > 0, operations });
    prop::collection::vec(group, 1..10)
}

/// Does the same to a value in a segment and to one of std, through two attachments, with commits and
/// rollbacks; `clear` empties it, after which nothing may be left.
pub(crate) fn run<T, O>(groups: Vec<Group<O>>, apply: impl Fn(T::Mut<'_>, &mut T, O), clear: impl FnOnce(T::Mut<'_>))
where
    T: Share + Default + Clone + PartialEq + std::fmt::Debug,
{
    let pair = pair(256 << 20);
    let objects = pair.object::<T>();
    let base = pair.allocated();
    let mut model = T::default();
    for group in groups {
        let mut guard = objects[usize::from(group.second)].write().unwrap();
        let before = model.clone();
        for operation in group.operations {
            apply(guard.view_mut(), &mut model, operation);
        }
        assert_eq!(guard.load().unwrap(), model);
        if group.commit {
            guard.commit().unwrap();
        } else {
            guard.rollback();
            model = before;
        }
        assert_eq!(objects[usize::from(!group.second)].load().unwrap(), model);
    }
    clear(objects[0].write().unwrap().view_mut());
    assert_eq!(pair.allocated(), base, "blocks leaked");
}

/// A range within `len` from two arbitrary numbers.
pub(crate) fn within(a: usize, b: usize, len: usize) -> Range<usize> {
    let (a, b) = (a % (len + 1), b % (len + 1));
    a.min(b)..a.max(b)
}

/// What tests of any element need of it beside what a sequence does.
pub(crate) trait Element: Share + Clone + PartialEq + std::fmt::Debug {
    fn put(slot: Self::Mut<'_>, value: Self);
    fn same(seen: Self::Ref<'_>, value: &Self) -> bool;
}

impl Element for u32 {
    fn put(slot: &mut u32, value: u32) {
        *slot = value;
    }
    fn same(seen: &u32, value: &u32) -> bool {
        seen == value
    }
}

impl Element for String {
    fn put(slot: &mut crate::containers::Text, value: String) {
        slot.set(&value).unwrap();
    }
    fn same(seen: &str, value: &String) -> bool {
        seen == value
    }
}
