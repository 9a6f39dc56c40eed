//! A value seen by its description: its parts, and what it is if it has none.

use super::Plan;
use crate::containers::untyped::Contents;
use crate::containers::vec::{Places as Row, Shape};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::schema::{Field, Kind, Node};
use std::time::Duration;

/// Where a `Duration` has its nanoseconds, which std does not promise.
pub(crate) const NANOSECONDS_AT: u64 = {
    let duration = Duration::new(7, 9);
    // SAFETY: of its 16 bytes, 8 are the seconds and 4 the nanoseconds, each aligned to its size: whichever comes first,
    // the third four bytes are a part of one of them.
    let third = unsafe { (&raw const duration).cast::<u32>().add(2).read() };
    if third == 9 { 8 } else { 0 }
};

/// A value: where it is, and the node that describes it. It is in the file.
#[derive(Clone, Copy)]
pub(crate) struct Untyped<'a> {
    pub map: &'a Map,
    pub plan: &'a Plan,
    pub node: usize,
    pub offset: u64,
}

impl<'a> Untyped<'a> {
    /// The value of the described type at an offset, if it is in the file.
    #[inline]
    pub(crate) fn root(map: &'a Map, plan: &'a Plan, offset: u64) -> Result<Untyped<'a>> {
        let value = Untyped { map, plan, node: 0, offset };
        let (size, align) = (value.type_of().size as u64, value.type_of().align as u64);
        match map.at(offset, size, align) {
            Some(_) => Ok(value),
            None => Err(Error::corrupt(offset, "a value outside the file")),
        }
    }

    /// The node that describes it.
    #[inline]
    pub(crate) fn type_of(&self) -> &'a Node {
        self.plan.node(self.node)
    }

    /// A field of it.
    #[inline]
    pub(crate) fn field(self, field: &Field) -> Untyped<'a> {
        Untyped { node: field.node, offset: self.offset + field.offset as u64, ..self }
    }

    /// A value of another node.
    #[inline]
    pub(crate) fn at(self, node: usize, offset: u64) -> Untyped<'a> {
        Untyped { node, offset, ..self }
    }

    /// The tag of an enum or option.
    pub(crate) fn tag(self) -> Result<u64> {
        match self.type_of().size {
            0 => Ok(0),
            size @ 1..8 => Ok(self.small(size)?),
            _ => Ok(self.map.word(self.offset)?.get()),
        }
    }

    /// So many bytes, at most eight, as a number.
    pub(super) fn small(self, size: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        self.copy(&mut bytes[..size])?;
        Ok(if cfg!(target_endian = "little") {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes) >> (64 - size * 8)
        })
    }

    /// Copies the first bytes of it.
    fn copy(self, bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(bytes_at(self.map, self.offset, bytes.len() as u64)?);
        Ok(())
    }

    /// The fields that it has: of a struct, or of the variant that its tag names.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the tag names none.
    pub(crate) fn fields(self) -> Result<&'a [Field]> {
        let node = self.type_of();
        match node.kind {
            Kind::Struct => Ok(node.variants.first().map_or(&[], |variant| &variant.fields)),
            Kind::Enum | Kind::SignedEnum | Kind::Option => {
                let tag = self.tag()?;
                let variant = node.variants.iter().find(|variant| variant.tag == tag);
                let corrupt = || Error::corrupt(self.offset, "an enum's tag is that of no variant");
                variant.map(|variant| &variant.fields[..]).ok_or_else(corrupt)
            }
            _ => Ok(&[]),
        }
    }

    /// The containers' cursor over what it holds; `None` if it has no block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its header says what cannot be.
    pub(crate) fn contents(self) -> Result<Option<Contents>> {
        Contents::open(self.map, self.type_of().kind, self.plan.forms(self.node), self.offset)
    }

    /// The number that it is, of up to 16 bytes; its sign is extended if it has one.
    pub(crate) fn number(self) -> Result<i128> {
        Ok(number_of(self.type_of(), self.leaf_bytes()?))
    }

    /// Seconds and nanoseconds of a duration.
    pub(crate) fn duration(self) -> Result<(u64, u32)> {
        let mut bytes = [0; size_of::<Duration>()];
        self.copy(&mut bytes)?;
        Ok(duration_of(&bytes))
    }

    /// The first bytes of it, at most sixteen: all of what is neither a container nor has parts.
    #[inline]
    pub(crate) fn leaf_bytes(self) -> Result<&'a [u8]> {
        bytes_at(self.map, self.offset, self.type_of().size.min(16) as u64)
    }

    /// The bytes of an array, or of the elements of a vector, which lie in a row.
    pub(crate) fn row_bytes(self) -> Result<Option<&'a [u8]>> {
        match self.type_of().kind {
            Kind::Array => bytes_at(self.map, self.offset, self.type_of().size as u64).map(Some),
            Kind::Vec => match self.contents()? {
                Some(Contents::Row(row)) => {
                    let size = self.plan.forms(self.node).first.size;
                    bytes_at(self.map, row.block, row.len * size).map(Some)
                }
                _ => Ok(Some(&[])),
            },
            _ => Ok(None),
        }
    }

    /// The bytes of a string, which may be no text.
    #[inline]
    pub(crate) fn text(self) -> Result<&'a [u8]> {
        match Row::open(self.map, &Shape::of::<u8>(), self.offset)? {
            Some(row) => bytes_at(self.map, row.block, row.len),
            None => Ok(&[]),
        }
    }
}

/// The number that some bytes are, at most 16; its sign is extended if it has one.
#[inline]
pub(crate) fn number_of(node: &Node, bytes: &[u8]) -> i128 {
    // Sizes that numbers have are one load each.
    let number = match *bytes {
        [a] => u128::from(a),
        [a, b] => u128::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => u128::from(u32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u128::from(u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
        _ => number_of_any(bytes),
    };
    let unused = 128 - bytes.len().min(16) as u32 * 8;
    let signed = matches!(node.kind, Kind::Signed | Kind::NonZeroSigned);
    if signed && unused < 128 { (number as i128) << unused >> unused } else { number as i128 }
}

/// The same of any other size, without its sign.
#[cold]
fn number_of_any(bytes: &[u8]) -> u128 {
    let (mut all, size) = ([0; 16], bytes.len().min(16));
    all[..size].copy_from_slice(&bytes[..size]);
    if cfg!(target_endian = "big") {
        all[..size].reverse();
    }
    u128::from_le_bytes(all)
}

/// Seconds and nanoseconds of the bytes of a duration.
pub(crate) fn duration_of(bytes: &[u8; size_of::<Duration>()]) -> (u64, u32) {
    let (mut seconds, mut nanoseconds) = ([0; 8], [0; 4]);
    seconds.copy_from_slice(&bytes[8 - NANOSECONDS_AT as usize..][..8]);
    nanoseconds.copy_from_slice(&bytes[NANOSECONDS_AT as usize..][..4]);
    (u64::from_ne_bytes(seconds), u32::from_ne_bytes(nanoseconds))
}

/// Bytes of the file; the lock of the object that they are part of is held, so nobody changes them.
#[inline]
pub(super) fn bytes_at(map: &Map, offset: u64, len: u64) -> Result<&[u8]> {
    let place = map.at(offset, len, 1).ok_or_else(|| Error::corrupt(offset, "a value outside the file"))?;
    // SAFETY: so many bytes in the file, which nobody changes.
    Ok(unsafe { std::slice::from_raw_parts(place, len as usize) })
}
