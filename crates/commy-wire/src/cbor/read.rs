//! Reading: what serde asks for, from a slice, of which texts are borrowed as far as they are whole in it.
//!
//! ```text
//! what a type asks for      the head that it almost always finds       what else there may be
//! u64                       0..23, or 24 and a byte                    longer ones, and what it is not:
//! text, name                3 <<5 | the same                           all this is read by `deserialize_any`, as
//! list                      4 <<5 | the same                           what it is; then the type takes it or says
//! map, struct, variant      5 <<5 | the same                           why not
//! ```
//!
//! The left is tried where it is asked for (`Reader::short`), by a comparison or two, the right is elsewhere.

use super::*;
use crate::encoding::Malformed;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

/// How deep items may be in each other.
const DEEPEST: u32 = 128;

/// What some bytes are, all of them.
///
/// # Errors
/// They are no CBOR, or nothing of this type.
#[inline]
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Malformed> {
    let mut reader = Reader { bytes, deeper: DEEPEST };
    // A value is as large as a request is: it stays where it was read to.
    let read = T::deserialize(&mut reader).map_err(Malformed);
    if read.is_ok() && !reader.bytes.is_empty() {
        return Err(Malformed(Error::new("there is something behind it")));
    }
    read
}

#[cold]
fn cut_short() -> Error {
    Error::new("it ends too soon")
}

#[cold]
fn malformed() -> Error {
    Error::new("no CBOR that is known here")
}

#[cold]
fn no_text() -> Error {
    Error::new("a text that is not UTF-8")
}

#[cold]
fn no_variant() -> Error {
    Error::invalid_type(Unexpected::Other("something else"), &"a variant")
}

/// The first byte of an item, and the number in or behind it.
struct Head {
    major: u8,
    /// None: the length is not said beforehand.
    number: Option<u64>,
}

/// What is left to be read.
struct Reader<'de> {
    bytes: &'de [u8],
    /// How many items may still be in each other, here.
    deeper: u32,
}

impl<'de> Reader<'de> {
    #[inline]
    fn peek(&self) -> Result<u8, Error> {
        self.bytes.first().copied().ok_or_else(cut_short)
    }

    #[inline]
    fn take(&mut self, many: u64) -> Result<&'de [u8], Error> {
        let taken = usize::try_from(many).ok().and_then(|many| self.bytes.split_at_checked(many));
        let (taken, rest) = taken.ok_or_else(cut_short)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(cut_short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// The number of the next head, if it is of this type and in no more than a byte of its own. Otherwise nothing is taken.
    #[inline(always)]
    fn short(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.bytes.split_first()?;
        // From 32 on, if it is of another type.
        let low = first ^ major << 5;
        let (number, rest) = match low {
            0..24 => (low, rest),
            24 => rest.split_first().map(|(number, rest)| (*number, rest))?,
            _ => return None,
        };
        self.bytes = rest;
        Some(number.into())
    }

    fn head(&mut self) -> Result<Head, Error> {
        let [first] = self.array()?;
        let (major, low) = (first >> 5, first & 31);
        let number = match low {
            0..24 => u64::from(low),
            24 => u64::from(self.array::<1>()?[0]),
            25 => u64::from(u16::from_be_bytes(self.array()?)),
            26 => u64::from(u32::from_be_bytes(self.array()?)),
            27 => u64::from_be_bytes(self.array()?),
            31 if matches!(major, BYTES | TEXT | LIST | MAP) => return Ok(Head { major, number: None }),
            _ => return Err(malformed()),
        };
        Ok(Head { major, number: Some(number) })
    }

    /// The parts of a text or of bytes whose length is not said beforehand.
    fn parts(&mut self, major: u8) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while !self.ends()? {
            match self.head()? {
                Head { major: found, number: Some(length) } if found == major => {
                    let part = self.take(length)?;
                    if major == TEXT && std::str::from_utf8(part).is_err() {
                        return Err(no_text());
                    }
                    all.extend_from_slice(part);
                }
                _ => return Err(malformed()),
            }
        }
        Ok(all)
    }

    /// Whether the end of what has no length comes next, which is taken.
    fn ends(&mut self) -> Result<bool, Error> {
        let ends = self.peek()? == END;
        if ends {
            self.bytes = &self.bytes[1..];
        }
        Ok(ends)
    }

    /// Reads what is in an item.
    #[inline(always)]
    fn inside<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        self.deeper = self.deeper.checked_sub(1).ok_or_else(|| Error::new("it is nested too deep"))?;
        let read = read(self);
        self.deeper += 1;
        read
    }

    /// Reads the items of a list, or the pairs of a map, all of them.
    #[inline(always)]
    fn items<R>(
        &mut self,
        left: Option<u64>,
        read: impl FnOnce(&mut Items<'_, 'de>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.inside(|reader| {
            let mut items = Items { reader, left };
            let value = read(&mut items)?;
            if items.more()? { Err(Error::new("there is more in it than there may be")) } else { Ok(value) }
        })
    }

    /// A variant that is not in a map of one pair with a short head.
    #[cold]
    #[inline(never)]
    fn enum_otherwise<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head { major: MAP, number } if number.is_none_or(|number| number == 1) => self.inside(|reader| {
                let value = visitor.visit_enum(Variant { reader, is_bare: false })?;
                if number.is_some() || reader.ends()? { Ok(value) } else { Err(malformed()) }
            }),
            _ => Err(no_variant()),
        }
    }

    /// What is not as it was expected: in a longer head, or something else.
    #[cold]
    #[inline(never)]
    fn otherwise<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, Error> {
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).map_err(|_| no_text())
}

/// A float of two bytes.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 31, f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let first = self.peek()?;
        if first >> 5 == SIMPLE {
            self.bytes = &self.bytes[1..];
            return match first {
                FALSE => visitor.visit_bool(false),
                TRUE => visitor.visit_bool(true),
                NULL | UNDEFINED => visitor.visit_unit(),
                HALF => visitor.visit_f64(half(u16::from_be_bytes(self.array()?))),
                SINGLE => visitor.visit_f64(f32::from_be_bytes(self.array()?).into()),
                DOUBLE => visitor.visit_f64(f64::from_be_bytes(self.array()?)),
                _ => Err(malformed()),
            };
        }
        let Head { major, number } = self.head()?;
        match (major, number) {
            (UNSIGNED, Some(number)) => visitor.visit_u64(number),
            (NEGATIVE, Some(number)) => match i64::try_from(number) {
                Ok(number) => visitor.visit_i64(-1 - number),
                Err(_) => visitor.visit_i128(-1 - i128::from(number)),
            },
            (BYTES, Some(length)) => visitor.visit_borrowed_bytes(self.take(length)?),
            (BYTES, None) => visitor.visit_byte_buf(self.parts(BYTES)?),
            (TEXT, Some(length)) => visitor.visit_borrowed_str(text(self.take(length)?)?),
            (TEXT, None) => {
                let parts = self.parts(TEXT)?;
                visitor.visit_string(text(&parts)?.to_owned())
            }
            (LIST, left) => self.items(left, |items| visitor.visit_seq(items)),
            (MAP, left) => self.items(left, |items| visitor.visit_map(items)),
            _ => Err(malformed()),
        }
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.short(UNSIGNED) {
            Some(number) => visitor.visit_u64(number),
            None => self.otherwise(visitor),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.short(TEXT) {
            Some(length) => visitor.visit_borrowed_str(text(self.take(length)?)?),
            None => self.otherwise(visitor),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.short(LIST) {
            Some(left) => self.items(Some(left), |items| visitor.visit_seq(items)),
            None => self.otherwise(visitor),
        }
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.short(MAP) {
            Some(left) => self.items(Some(left), |items| visitor.visit_map(items)),
            None => self.otherwise(visitor),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek()? {
            NULL | UNDEFINED => {
                self.bytes = &self.bytes[1..];
                visitor.visit_none()
            }
            _ => self.inside(|reader| visitor.visit_some(reader)),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.inside(|reader| visitor.visit_newtype_struct(reader))
    }

    /// A name. It is compared with those that there are, which are UTF-8.
    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(length) = self.short(TEXT) {
            return visitor.visit_borrowed_bytes(self.take(length)?);
        }
        match self.head()? {
            Head { major: TEXT, number: Some(length) } => visitor.visit_borrowed_bytes(self.take(length)?),
            Head { major: TEXT, number: None } => visitor.visit_byte_buf(self.parts(TEXT)?),
            _ => Err(Error::invalid_type(Unexpected::Other("something else"), &"a name")),
        }
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.peek()? >> 5 == TEXT {
            return visitor.visit_enum(Variant { reader: self, is_bare: true });
        }
        match self.short(MAP) {
            Some(1) => self.inside(|reader| visitor.visit_enum(Variant { reader, is_bare: false })),
            Some(_) => Err(no_variant()),
            None => self.enum_otherwise(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        ignored_any
    }
}

/// The items of a list, or the pairs of a map.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    /// How many are left; none if that is not said.
    left: Option<u64>,
}

impl Items<'_, '_> {
    /// Whether there is one more, which then is to be read.
    #[inline]
    fn more(&mut self) -> Result<bool, Error> {
        match &mut self.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => {
                let ends = self.reader.ends()?;
                if ends {
                    self.left = Some(0);
                }
                Ok(!ends)
            }
        }
    }

    /// How many there are at most: each takes up a byte.
    fn hint(&self) -> Option<usize> {
        self.left.map(|left| self.reader.bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)))
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// A variant of an enum: its name alone, or a name and what it has.
struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_bare: bool,
}

impl<'de, 'r> EnumAccess<'de> for Variant<'r, 'de> {
    type Error = Error;
    type Variant = Variant<'r, 'de>;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        Ok((seed.deserialize(&mut *self.reader)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    #[inline]
    fn unit_variant(self) -> Result<(), Error> {
        if self.is_bare { Ok(()) } else { Deserialize::deserialize(self.reader) }
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        if self.is_bare { Err(malformed()) } else { seed.deserialize(self.reader) }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        if self.is_bare { Err(malformed()) } else { self.reader.deserialize_any(visitor) }
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        if self.is_bare { Err(malformed()) } else { self.reader.deserialize_map(visitor) }
    }
}
