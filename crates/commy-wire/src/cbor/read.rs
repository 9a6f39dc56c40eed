//! Reading: what serde asks for, from a slice, of which texts are borrowed as far as they are whole in it.

use super::*;
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
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    let mut reader = Reader { bytes, depth: 0 };
    let value = T::deserialize(&mut reader)?;
    if reader.bytes.is_empty() { Ok(value) } else { Err(Error::custom("there is something behind it")) }
}

fn cut_short() -> Error {
    Error::custom("it ends too soon")
}

fn malformed() -> Error {
    Error::custom("no CBOR that is known here")
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
    depth: u32,
}

impl<'de> Reader<'de> {
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

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(cut_short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    #[inline]
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
                        return Err(Error::custom("a text that is not UTF-8"));
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
    fn inside<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        if self.depth == DEEPEST {
            return Err(Error::custom("it is nested too deep"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Reads the items of a list, or the pairs of a map, all of them.
    fn items<R>(
        &mut self,
        left: Option<u64>,
        read: impl FnOnce(&mut Items<'_, 'de>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.inside(|reader| {
            let mut items = Items { reader, left };
            let value = read(&mut items)?;
            if items.more()? { Err(Error::custom("there is more in it than there may be")) } else { Ok(value) }
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::custom("a text that is not UTF-8"))
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

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek()? {
            NULL | UNDEFINED => {
                self.bytes = &self.bytes[1..];
                visitor.visit_none()
            }
            _ => self.inside(|reader| visitor.visit_some(reader)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.inside(|reader| visitor.visit_newtype_struct(reader))
    }

    /// A name. It is compared with those that there are, which are UTF-8.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head { major: TEXT, number: Some(length) } => visitor.visit_borrowed_bytes(self.take(length)?),
            Head { major: TEXT, number: None } => visitor.visit_byte_buf(self.parts(TEXT)?),
            _ => Err(Error::invalid_type(Unexpected::Other("something else"), &"a name")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.peek()? >> 5 == TEXT {
            return visitor.visit_enum(Variant { reader: self, is_bare: true });
        }
        match self.head()? {
            Head { major: MAP, number: Some(1) } => {
                self.inside(|reader| visitor.visit_enum(Variant { reader, is_bare: false }))
            }
            Head { major: MAP, number: None } => self.inside(|reader| {
                let value = visitor.visit_enum(Variant { reader, is_bare: false })?;
                if reader.ends()? { Ok(value) } else { Err(malformed()) }
            }),
            _ => Err(Error::invalid_type(Unexpected::Other("something else"), &"a variant")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct ignored_any
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

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

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

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        Ok((seed.deserialize(&mut *self.reader)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.is_bare { Ok(()) } else { Deserialize::deserialize(self.reader) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        if self.is_bare { Err(malformed()) } else { seed.deserialize(self.reader) }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        if self.is_bare { Err(malformed()) } else { self.reader.deserialize_any(visitor) }
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        if self.is_bare { Err(malformed()) } else { self.reader.deserialize_any(visitor) }
    }
}
