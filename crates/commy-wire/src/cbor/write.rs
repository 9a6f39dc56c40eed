//! Writing: behind what there is in a vector.
//!
//! Heads of a byte and the names of fields and variants, of which messages mostly consist, are put in where the derived code
//! asks for them, so that their bytes are in its instructions; longer heads are made elsewhere.

use super::*;
use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Writes a value behind some bytes.
///
/// # Errors
/// It has a number of more than 64 bits, which messages have not.
#[inline]
pub(crate) fn write<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    value.serialize(Writer(bytes))
}

/// What it is written to.
struct Writer<'a>(&'a mut Vec<u8>);

/// A float in two bytes, if it is one of those that they can tell.
fn half(value: f64) -> Option<u16> {
    const FRACTION: u32 = 52;
    let bits = value.to_bits();
    let (sign, exponent, fraction) =
        ((bits >> 63 << 15) as u16, bits >> FRACTION & 0x7ff, bits & ((1 << FRACTION) - 1));
    let exponent = exponent as i32 - 1023;
    // What the fraction has to be shifted by, and what is put before it.
    let (shift, whole, before) = match exponent {
        1024 if fraction == 0 => return Some(sign | 0x7c00),
        1024 => return Some(0x7e00),
        -14..16 => (FRACTION - 10, fraction, ((exponent + 15) as u16) << 10),
        -24..-14 => (FRACTION - 10 + (-14 - exponent) as u32, fraction | 1 << FRACTION, 0),
        _ => return (value == 0.0).then_some(sign),
    };
    (whole & ((1 << shift) - 1) == 0).then(|| sign | before | (whole >> shift) as u16)
}

impl Writer<'_> {
    #[inline]
    fn head(&mut self, major: u8, number: u64) {
        match number {
            0..24 => self.0.push(major << 5 | number as u8),
            _ => self.long_head(major << 5, number),
        }
    }

    #[inline(never)]
    fn long_head(&mut self, first: u8, number: u64) {
        match number {
            0..0x100 => self.put(first | 24, [number as u8]),
            0x100..0x1_0000 => self.put(first | 25, (number as u16).to_be_bytes()),
            0x1_0000..0x1_0000_0000 => self.put(first | 26, (number as u32).to_be_bytes()),
            _ => self.put(first | 27, number.to_be_bytes()),
        }
    }

    #[inline]
    fn put<const N: usize>(&mut self, first: u8, bytes: [u8; N]) {
        self.0.reserve(1 + N);
        self.0.push(first);
        self.0.extend_from_slice(&bytes);
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// The name of a variant that has something.
    #[inline]
    fn variant(&mut self, name: &str) {
        self.head(MAP, 1);
        self.text(name);
    }
}

/// The items of a list or map, of which some are written.
struct Items<'a> {
    bytes: &'a mut Vec<u8>,
    /// Its length was not known.
    is_open: bool,
}

impl<'a> Items<'a> {
    #[inline]
    fn new(mut writer: Writer<'a>, major: u8, length: Option<usize>) -> Items<'a> {
        match length {
            Some(length) => writer.head(major, length as u64),
            None => writer.0.push(major << 5 | 31),
        }
        Items { bytes: writer.0, is_open: length.is_none() }
    }

    #[inline]
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        write(self.bytes, value)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        Writer(self.bytes).text(name);
        write(self.bytes, value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        if self.is_open {
            self.bytes.push(END);
        }
        Ok(())
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.0.push(if value { TRUE } else { FALSE });
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(mut self, value: i64) -> Result<(), Error> {
        // -1 - n is !n.
        if value < 0 {
            self.head(NEGATIVE, !value as u64)
        } else {
            self.head(UNSIGNED, value as u64)
        }
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(mut self, value: u64) -> Result<(), Error> {
        self.head(UNSIGNED, value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(mut self, value: f64) -> Result<(), Error> {
        let single = value as f32;
        match half(value) {
            Some(half) => self.put(HALF, half.to_be_bytes()),
            None if f64::from(single).to_bits() == value.to_bits() => self.put(SINGLE, single.to_be_bytes()),
            None => self.put(DOUBLE, value.to_be_bytes()),
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(mut self, value: &str) -> Result<(), Error> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(mut self, value: &[u8]) -> Result<(), Error> {
        self.head(BYTES, value.len() as u64);
        self.0.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.0.push(NULL);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant);
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(Items::new(self, LIST, length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'a>, Error> {
        Ok(Items::new(self, LIST, Some(length)))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Items<'a>, Error> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(variant);
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(Items::new(self, MAP, length))
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Items<'a>, Error> {
        Ok(Items::new(self, MAP, Some(length)))
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(variant);
        Ok(Items::new(self, MAP, Some(length)))
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        value.try_into().map_err(Error::custom).and_then(|value| self.serialize_i64(value))
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        value.try_into().map_err(Error::custom).and_then(|value| self.serialize_u64(value))
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}

impl SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}

impl SerializeTupleStruct for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}

impl SerializeTupleVariant for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.put(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}

impl SerializeStruct for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.field(name, value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}

impl SerializeStructVariant for Items<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.field(name, value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Items::end(self)
    }
}
