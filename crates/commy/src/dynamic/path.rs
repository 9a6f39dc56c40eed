//! Where in a value: paths. `follow` goes them.
//!
//! ```text
//! users/7/name      steps with `/` between; the empty path is the whole value
//! ```
//!
//! What a step is, the type at that place says:
//!
//! ```text
//! struct, tuple      a field: its name, or 0, 1, ..
//! enum, Result       the name of the variant that the value has; then its fields, as of a struct. Of a variant with one
//!                    field without a name the step leads to that field
//! Vec, VecDeque,     an index from 0 on, or from the end: -1 is the last
//!   array
//! HashMap, BTreeMap  a key: a text, number, bool, char, or the name of a variant without fields
//! HashSet, BTreeSet  an element, likewise
//! Option, Box        what is in it is reached as if it were there itself
//! ```
//!
//! In a key `/` is written `~1` and `~` is `~0`, as in JSON pointers. Other keys are steps that are [`Value`]s.
//!
//! A path that is made of a text is that text: its steps are pieces of it, cut off as they are gone.

use super::value::Value;
use crate::error::Error;
use std::borrow::Cow;

/// A place in a value; made of a text, and of values for keys that no text stands for. It borrows the text;
/// [`into_owned`](Path::into_owned) gives one that can be kept.
///
/// ```
/// use commy::dynamic::{Path, Value};
/// let path = Path::from("users/7/name");
/// assert_eq!(path, Path::from("users").then("7").then("name"));
/// let cell = Path::from("cells").then(Value::List(vec![3u8.into(), 4u8.into()]));
/// assert_eq!(cell.to_string(), "cells/..");
/// ```
#[derive(Clone, Debug)]
pub struct Path<'a>(Written<'a>);

/// How a path is kept.
#[derive(Clone, Debug)]
enum Written<'a> {
    /// As one step, a text in which neither `/` nor `~` is.
    Step(&'a str),
    /// As a text in which no `~` is, so that its steps are pieces of it.
    Text(&'a str),
    Steps(Cow<'a, [Step]>),
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// As text: what it means, the type says.
    Text(String),
    /// A key.
    Key(Value),
}

/// A step that is borrowed from a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum StepRef<'p> {
    Text(&'p str),
    Key(&'p Value),
}

/// Steps of a path, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Steps<'p> {
    /// What is left of a text with `/` between the steps; an empty text is one step, too.
    Text(Option<&'p str>),
    /// The only one.
    One(Option<&'p str>),
    Made(&'p [Step]),
}

impl<'p> Iterator for Steps<'p> {
    type Item = StepRef<'p>;

    #[inline]
    fn next(&mut self) -> Option<StepRef<'p>> {
        match self {
            Steps::Text(left) => {
                let text = (*left)?;
                // The bytes are looked at, which takes less for a short text than `split_once` takes to begin.
                let slash = text.as_bytes().iter().position(|byte| *byte == b'/');
                *left = slash.map(|slash| &text[slash + 1..]);
                Some(StepRef::Text(slash.map_or(text, |slash| &text[..slash])))
            }
            Steps::One(left) => left.take().map(StepRef::Text),
            Steps::Made(left) => {
                let (first, rest) = left.split_first()?;
                *left = rest;
                Some(first.as_ref())
            }
        }
    }
}

impl<'p> Steps<'p> {
    /// The steps before the last one, and that.
    #[inline]
    pub(super) fn split_last(self) -> Option<(Steps<'p>, StepRef<'p>)> {
        Some(match self {
            Steps::Text(left) => {
                let text = left?;
                let slash = text.as_bytes().iter().rposition(|byte| *byte == b'/');
                let last = slash.map_or(text, |slash| &text[slash + 1..]);
                (Steps::Text(slash.map(|slash| &text[..slash])), StepRef::Text(last))
            }
            Steps::One(left) => (Steps::One(None), StepRef::Text(left?)),
            Steps::Made(left) => {
                let (last, before) = left.split_last()?;
                (Steps::Made(before), last.as_ref())
            }
        })
    }
}

impl Step {
    fn as_ref(&self) -> StepRef<'_> {
        match self {
            Step::Text(text) => StepRef::Text(text),
            Step::Key(key) => StepRef::Key(key),
        }
    }
}

impl From<StepRef<'_>> for Step {
    fn from(step: StepRef<'_>) -> Step {
        match step {
            StepRef::Text(text) => Step::Text(text.to_owned()),
            StepRef::Key(key) => Step::Key(key.clone()),
        }
    }
}

impl From<&str> for Step {
    fn from(text: &str) -> Step {
        Step::Text(text.to_owned())
    }
}

impl From<Value> for Step {
    fn from(value: Value) -> Step {
        Step::Key(value)
    }
}

impl<'a> Path<'a> {
    /// One step further.
    #[must_use]
    pub fn then(self, step: impl Into<Step>) -> Path<'a> {
        let mut steps = match self.0 {
            Written::Step(_) | Written::Text(_) => self.made(),
            Written::Steps(steps) => steps.into_owned(),
        };
        steps.push(step.into());
        Path(Written::Steps(steps.into()))
    }

    /// Whether it is that of the whole value.
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }

    /// The same, which borrows nothing.
    pub fn into_owned(self) -> Path<'static> {
        Path(Written::Steps(self.made().into()))
    }

    /// Its step, if it is known to be one.
    #[inline]
    pub(super) fn only_step(&self) -> Option<StepRef<'_>> {
        match &self.0 {
            Written::Step(step) => Some(StepRef::Text(step)),
            _ => None,
        }
    }

    /// Its steps.
    #[inline]
    pub(super) fn steps(&self) -> Steps<'_> {
        match &self.0 {
            Written::Step(step) => Steps::One(Some(step)),
            Written::Text(text) => Steps::Text((!text.is_empty()).then_some(*text)),
            Written::Steps(steps) => Steps::Made(steps),
        }
    }

    fn made(&self) -> Vec<Step> {
        self.steps().map(Step::from).collect()
    }

    #[cold]
    pub(super) fn leads_nowhere(&self, reason: impl Into<String>) -> Error {
        Error::BadPath { path: self.to_string(), reason: reason.into() }
    }
}

impl Default for Path<'_> {
    fn default() -> Self {
        Path(Written::Text(""))
    }
}

impl PartialEq<Path<'_>> for Path<'_> {
    fn eq(&self, other: &Path<'_>) -> bool {
        self.steps().eq(other.steps())
    }
}

impl Eq for Path<'_> {}

impl<'a> From<&'a str> for Path<'a> {
    #[inline]
    fn from(text: &'a str) -> Path<'a> {
        match text.bytes().position(|byte| matches!(byte, b'/' | b'~')) {
            None if !text.is_empty() => Path(Written::Step(text)),
            Some(_) if text.contains('~') => Path(Written::Steps(unescaped(text).into())),
            _ => Path(Written::Text(text)),
        }
    }
}

/// The steps of a text in which there is a `~`.
#[cold]
fn unescaped(text: &str) -> Vec<Step> {
    text.split('/').map(|step| Step::Text(step.replace("~1", "/").replace("~0", "~"))).collect()
}

impl<'a> From<&'a String> for Path<'a> {
    fn from(text: &'a String) -> Path<'a> {
        Path::from(text.as_str())
    }
}

impl<'a> From<&'a Path<'_>> for Path<'a> {
    fn from(path: &'a Path<'_>) -> Path<'a> {
        match &path.0 {
            Written::Step(step) => Path(Written::Step(step)),
            Written::Text(text) => Path(Written::Text(text)),
            Written::Steps(steps) => Path(Written::Steps(Cow::Borrowed(steps))),
        }
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |step: StepRef<'_>| match step {
            StepRef::Text(text) => text.replace('~', "~0").replace('/', "~1"),
            StepRef::Key(_) => "..".to_owned(),
        };
        f.write_str(&self.steps().map(shown).collect::<Vec<_>>().join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_other_steps_when_it_is_kept_in_another_way() {
        for (text, steps) in [
            ("", &[][..]),
            ("key", &["key"]),
            ("/", &["", ""]),
            ("a//7", &["a", "", "7"]),
            ("~1~0", &["/~"]),
            ("a~01/b~1", &["a~1", "b/"]),
        ] {
            let path = Path::from(text);
            let one_by_one = steps.iter().fold(Path::default(), |path, step| path.then(*step));
            for same in [&path, &Path::from(&path), &path.clone().into_owned(), &one_by_one] {
                assert_eq!(*same, path, "{text}");
                assert_eq!(same.to_string(), text);
                assert_eq!(same.is_empty(), steps.is_empty(), "{text}");
                assert_eq!(
                    same.steps().collect::<Vec<_>>(),
                    steps.iter().map(|step| StepRef::Text(step)).collect::<Vec<_>>()
                );
                let mut left = same.steps();
                for step in steps.iter().rev() {
                    let (before, last) = left.split_last().expect(text);
                    assert_eq!(last, StepRef::Text(step), "{text}");
                    left = before;
                }
                assert!(left.split_last().is_none() && left.next().is_none(), "{text}");
            }
        }
        assert_ne!(Path::from("a/b"), Path::from("a~1b"));
        assert_ne!(Path::default(), Path::default().then(""));
    }
}
