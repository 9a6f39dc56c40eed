//! Deques: comparison with others and with those of std.

use super::DequeView;
use crate::containers::sequence::equal;
use crate::schema::Share;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;

impl<T: Share> fmt::Debug for DequeView<T>
where
    for<'a> T::Ref<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: Share, U: Share> PartialEq<DequeView<U>> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<U::Ref<'b>>,
{
    fn eq(&self, other: &DequeView<U>) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share> Eq for DequeView<T> where for<'a, 'b> T::Ref<'a>: PartialEq<T::Ref<'b>> + Eq {}

impl<T: Share> PartialOrd for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<T::Ref<'b>>,
{
    fn partial_cmp(&self, other: &DequeView<T>) -> Option<Ordering> {
        self.iter().partial_cmp(other)
    }
}

impl<T: Share> Ord for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<T::Ref<'b>> + Ord,
{
    fn cmp(&self, other: &DequeView<T>) -> Ordering {
        self.iter().cmp(other)
    }
}

impl<T: Share, U: Share> PartialEq<VecDeque<U>> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &VecDeque<U>) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share, U: Share> PartialEq<Vec<U>> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &Vec<U>) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share, U: Share, const N: usize> PartialEq<[U; N]> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &[U; N]) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share, U: Share> PartialEq<[U]> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &[U]) -> bool {
        equal(self.iter(), other.iter())
    }
}

impl<T: Share, U: Share> PartialEq<DequeView<T>> for VecDeque<U>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b U>,
{
    fn eq(&self, other: &DequeView<T>) -> bool {
        other == self
    }
}

impl<T: Share, U: Share> PartialOrd<VecDeque<U>> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<&'b U>,
{
    fn partial_cmp(&self, other: &VecDeque<U>) -> Option<Ordering> {
        self.iter().partial_cmp(other)
    }
}

impl<T: Share, U: Share> PartialOrd<DequeView<T>> for VecDeque<U>
where
    for<'a, 'b> T::Ref<'a>: PartialOrd<&'b U>,
{
    fn partial_cmp(&self, other: &DequeView<T>) -> Option<Ordering> {
        other.partial_cmp(self).map(Ordering::reverse)
    }
}
