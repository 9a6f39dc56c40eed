//! Hash and order of stored keys by their description: the same as their types compute (`schema::Key`).
//!
//! A key may be damaged, so how deep it is followed and how much of it is looked at is bounded: see [`Keys`].

use super::Untyped;
use crate::containers::untyped::{Contents, Step};
use crate::error::{Error, Result};
use crate::schema::{KeyHasher, Kind};
use std::cmp::Ordering;

/// How deep keys are followed into blocks.
const DEEPEST: usize = 64;

/// Hashes and compares keys, for as long as there is work left that may be done.
pub(crate) struct Keys {
    /// Values that may still be looked at, and groups of eight bytes.
    pub work: u64,
}

impl Keys {
    fn spend(&mut self, work: u64, at: Untyped<'_>) -> Result<()> {
        let left = self.work.checked_sub(work);
        self.work = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| Error::corrupt(at.offset, "keys that take for ever to compare"))
    }

    /// Feeds a key to a hasher.
    pub(crate) fn hash(&mut self, key: Untyped<'_>, hasher: &mut KeyHasher) -> Result<()> {
        self.hash_below(key, hasher, DEEPEST)
    }

    fn hash_below(&mut self, key: Untyped<'_>, hasher: &mut KeyHasher, depth: usize) -> Result<()> {
        self.spend(1, key)?;
        let node = key.type_of();
        match node.kind {
            Kind::Unit => {}
            Kind::Unsigned | Kind::NonZeroUnsigned | Kind::Signed | Kind::NonZeroSigned | Kind::Bool | Kind::Char => {
                let number = key.number()?;
                hasher.word(number as u64);
                if node.size == 16 {
                    hasher.word((number >> 64) as u64);
                }
            }
            Kind::Duration => {
                let (seconds, nanoseconds) = key.duration()?;
                hasher.word(seconds);
                hasher.word(u64::from(nanoseconds));
            }
            Kind::Array => {
                let (element, size) = key.plan.element(key.node);
                for at in (0..node.size as u64).step_by(size) {
                    self.hash_below(key.at(element, key.offset + at), hasher, depth)?;
                }
            }
            Kind::Struct | Kind::Enum | Kind::SignedEnum | Kind::Option => {
                if node.kind != Kind::Struct {
                    hasher.word(key.tag()?);
                }
                for field in key.fields()? {
                    self.hash_below(key.field(field), hasher, depth)?;
                }
            }
            Kind::String => {
                let text = key.text()?;
                self.spend(text.len() as u64 / 8, key)?;
                hasher.bytes(text);
            }
            Kind::Vec => {
                let mut len = 0u64;
                let depth = depth.checked_sub(1).ok_or_else(|| too_deep(key))?;
                self.each(key, |keys, element| {
                    len += 1;
                    keys.hash_below(element, hasher, depth)
                })?;
                hasher.word(len);
            }
            Kind::Box => {
                let depth = depth.checked_sub(1).ok_or_else(|| too_deep(key))?;
                self.each(key, |keys, content| keys.hash_below(content, hasher, depth))?;
            }
            _ => return Err(Error::corrupt(key.offset, "a key of a type that is none for keys")),
        }
        Ok(())
    }

    /// Hands over all elements of a vector, or the content of a box.
    fn each(&mut self, key: Untyped<'_>, mut visit: impl FnMut(&mut Keys, Untyped<'_>) -> Result<()>) -> Result<()> {
        let (forms, element) = (key.plan.forms(key.node), key.plan.entries(key.node).0);
        let Some(mut contents) = key.contents()? else { return Ok(()) };
        while let Step::Entry(place, _) = contents.step(key.map, forms, true)? {
            self.spend(1, key)?;
            visit(self, key.at(element.unwrap_or(key.node), place))?;
        }
        Ok(())
    }

    /// Compares two keys of one type.
    pub(crate) fn compare(&mut self, a: Untyped<'_>, b: Untyped<'_>) -> Result<Ordering> {
        self.compare_below(a, b, DEEPEST)
    }

    fn compare_below(&mut self, a: Untyped<'_>, b: Untyped<'_>, depth: usize) -> Result<Ordering> {
        self.spend(1, a)?;
        let node = a.type_of();
        Ok(match node.kind {
            Kind::Unit => Ordering::Equal,
            Kind::Unsigned | Kind::NonZeroUnsigned | Kind::Bool | Kind::Char => {
                (a.number()? as u128).cmp(&(b.number()? as u128))
            }
            Kind::Signed | Kind::NonZeroSigned => a.number()?.cmp(&b.number()?),
            Kind::Duration => a.duration()?.cmp(&b.duration()?),
            Kind::Array => {
                let (element, size) = a.plan.element(a.node);
                for at in (0..node.size as u64).step_by(size) {
                    let order =
                        self.compare_below(a.at(element, a.offset + at), b.at(element, b.offset + at), depth)?;
                    if order != Ordering::Equal {
                        return Ok(order);
                    }
                }
                Ordering::Equal
            }
            Kind::SignedEnum => signed(a.tag()?, node.size).cmp(&signed(b.tag()?, node.size)),
            Kind::Struct | Kind::Enum | Kind::Option => {
                let order = if node.kind == Kind::Struct { Ordering::Equal } else { a.tag()?.cmp(&b.tag()?) };
                if order != Ordering::Equal {
                    return Ok(order);
                }
                for field in a.fields()? {
                    let order = self.compare_below(a.field(field), b.field(field), depth)?;
                    if order != Ordering::Equal {
                        return Ok(order);
                    }
                }
                Ordering::Equal
            }
            Kind::String => {
                let (a_text, b_text) = (a.text()?, b.text()?);
                self.spend(a_text.len().min(b_text.len()) as u64 / 8, a)?;
                a_text.cmp(b_text)
            }
            Kind::Vec | Kind::Box => {
                let depth = depth.checked_sub(1).ok_or_else(|| too_deep(a))?;
                self.compare_contents(a, b, depth)?
            }
            _ => return Err(Error::corrupt(a.offset, "a key of a type that is none for keys")),
        })
    }

    fn compare_contents(&mut self, a: Untyped<'_>, b: Untyped<'_>, depth: usize) -> Result<Ordering> {
        let (forms, element) = (a.plan.forms(a.node), a.plan.entries(a.node).0.unwrap_or(a.node));
        let next = |contents: &mut Option<Contents>| match contents {
            Some(contents) => contents.step(a.map, forms, true),
            None => Ok(Step::End),
        };
        let (mut left, mut right) = (a.contents()?, b.contents()?);
        loop {
            self.spend(1, a)?;
            match (next(&mut left)?, next(&mut right)?) {
                (Step::Entry(left, _), Step::Entry(right, _)) => {
                    let order = self.compare_below(a.at(element, left), b.at(element, right), depth)?;
                    if order != Ordering::Equal {
                        return Ok(order);
                    }
                }
                (Step::Entry(..), _) => return Ok(Ordering::Greater),
                (_, Step::Entry(..)) => return Ok(Ordering::Less),
                _ => return Ok(Ordering::Equal),
            }
        }
    }
}

#[cold]
fn too_deep(key: Untyped<'_>) -> Error {
    Error::corrupt(key.offset, "a key that is nested too deep to be looked at")
}

/// A tag of so many bytes as a signed number.
fn signed(tag: u64, size: usize) -> i64 {
    let unused = 64 - size.clamp(1, 8) as u32 * 8;
    (tag as i64) << unused >> unused
}
