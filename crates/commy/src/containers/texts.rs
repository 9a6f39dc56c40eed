//! Sequences of texts compared with those of borrowed ones, as std compares a `Vec<String>` with `["a", "b"]`.
//!
//! A vector of any type `T` equals a sequence of a type `U` whose references `T`'s equal: a `&String` is equal to
//! what a `String` is seen as. A `&&str` is not, so these are their own; `U` is no `&str`, as that is no [`Share`].

use super::deque::DequeView;
use super::sequence::equal;
use super::vec::VecView;
use crate::schema::Share;
use std::collections::VecDeque;

impl<T: Share> PartialEq<[&str]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &[&str]) -> bool {
        equal(self.iter(), other.iter().copied())
    }
}

impl<T: Share> PartialEq<&[&str]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &&[&str]) -> bool {
        *self == **other
    }
}

impl<T: Share, const N: usize> PartialEq<[&str; N]> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &[&str; N]) -> bool {
        *self == other[..]
    }
}

impl<T: Share> PartialEq<Vec<&str>> for VecView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &Vec<&str>) -> bool {
        *self == other[..]
    }
}

impl<T: Share> PartialEq<VecView<T>> for [&str]
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &VecView<T>) -> bool {
        *other == *self
    }
}

impl<T: Share, const N: usize> PartialEq<VecView<T>> for [&str; N]
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &VecView<T>) -> bool {
        *other == self[..]
    }
}

impl<T: Share> PartialEq<VecView<T>> for Vec<&str>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &VecView<T>) -> bool {
        *other == self[..]
    }
}

impl<T: Share> PartialEq<[&str]> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &[&str]) -> bool {
        equal(self.iter(), other.iter().copied())
    }
}

impl<T: Share, const N: usize> PartialEq<[&str; N]> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &[&str; N]) -> bool {
        *self == other[..]
    }
}

impl<T: Share> PartialEq<Vec<&str>> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &Vec<&str>) -> bool {
        *self == other[..]
    }
}

impl<T: Share> PartialEq<VecDeque<&str>> for DequeView<T>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &VecDeque<&str>) -> bool {
        equal(self.iter(), other.iter().copied())
    }
}

impl<T: Share> PartialEq<DequeView<T>> for VecDeque<&str>
where
    for<'a, 'b> T::Ref<'a>: PartialEq<&'b str>,
{
    fn eq(&self, other: &DequeView<T>) -> bool {
        *other == *self
    }
}
