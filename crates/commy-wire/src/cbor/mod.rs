//! CBOR (RFC 8949), as much of it as messages have.
//!
//! ```text
//! an item       one byte: major type, three bits | five bits, which are the number or say where it is: 24..27, in the next
//!               1, 2, 4, 8 bytes; 31, that the length is not said beforehand; then what there is of that type
//!
//! major type    0 a number, n      1 a number, -1 - n      2 bytes, n of them      3 text, n bytes of UTF-8
//!               4 n items          5 n pairs of items      7 20 false, 21 true, 22 null, 25..27 floats, 31 the end of
//!                                                            what has no length
//! ```
//!
//! Numbers, lengths and floats are written in as few bytes as they take. They are read in any, and so are texts in parts and
//! what has no length; tags (6) are not. Structs are maps with their fields' names, enums a name, or a map of one name to
//! what the variant has.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// Numbers, from 0 on and below.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
/// What is neither a number nor has a length.
const SIMPLE: u8 = 7;

/// Whole items.
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
/// Floats of two, four, eight bytes, which follow.
const HALF: u8 = 0xf9;
const SINGLE: u8 = 0xfa;
const DOUBLE: u8 = 0xfb;
/// The end of what has no length.
const END: u8 = 0xff;

/// No CBOR, or not what was asked for. It is one word, since the results of all that is read and written have room for one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
#[expect(clippy::box_collection, reason = "a `String` is three words")]
pub(crate) struct Error(Box<String>);

impl Error {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(message: impl std::fmt::Display) -> Error {
        Error(Box::new(message.to_string()))
    }
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Error {
        Error::new(message)
    }
}

impl serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Error {
        Error::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn written(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, value).unwrap();
        bytes
    }

    /// Appendix A of the RFC, as far as JSON has the values.
    #[test]
    fn the_examples_of_the_rfc_are_written_and_read_as_it_says() {
        let examples = [
            (json!(0), "00"),
            (json!(23), "17"),
            (json!(24), "1818"),
            (json!(1000), "1903e8"),
            (json!(1_000_000), "1a000f4240"),
            (json!(1_000_000_000_000_u64), "1b000000e8d4a51000"),
            (json!(u64::MAX), "1bffffffffffffffff"),
            (json!(-1), "20"),
            (json!(-1000), "3903e7"),
            (json!(i64::MIN), "3b7fffffffffffffff"),
            (json!(0.0), "f90000"),
            (json!(-0.0), "f98000"),
            (json!(1.1), "fb3ff199999999999a"),
            (json!(1.5), "f93e00"),
            (json!(65504.0), "f97bff"),
            (json!(100000.0), "fa47c35000"),
            (json!(3.4028234663852886e38), "fa7f7fffff"),
            (json!(1.0e300), "fb7e37e43c8800759c"),
            (json!(5.960464477539063e-8), "f90001"),
            (json!(0.00006103515625), "f90400"),
            (json!(-4.1), "fbc010666666666666"),
            (json!(false), "f4"),
            (json!(true), "f5"),
            (json!(null), "f6"),
            (json!("IETF"), "6449455446"),
            (json!("\u{6c34}"), "63e6b0b4"),
            (json!([1, [2, 3], [4, 5]]), "8301820203820405"),
            (json!({"a": 1, "b": [2, 3]}), "a26161016162820203"),
        ];
        for (value, bytes) in examples {
            assert_eq!(written(&value), hex(bytes), "{value}");
            assert_eq!(read::<Value>(&hex(bytes)).unwrap(), value, "{bytes}");
        }
        // What is read, and written otherwise.
        let more = [
            ("1800", json!(0)),
            ("1b0000000000000000", json!(0)),
            ("fa3f800000", json!(1.0)),
            ("f7", json!(null)),
            ("7f657374726561646d696e67ff", json!("streaming")),
            ("9f018202039f0405ffff", json!([1, [2, 3], [4, 5]])),
            ("bf6161019f0203ff", json!(null)),
            ("bf61610161629f0203ffff", json!({"a": 1, "b": [2, 3]})),
        ];
        for (bytes, value) in more {
            match read::<Value>(&hex(bytes)) {
                Ok(found) => assert_eq!(found, value, "{bytes}"),
                Err(_) => assert_eq!(bytes, "bf6161019f0203ff", "it has a list for a key, and no end"),
            }
        }
        assert_eq!(read::<f64>(&hex("f97c00")).unwrap(), f64::INFINITY);
        assert!(read::<f64>(&hex("f97e00")).unwrap().is_nan());
    }

    #[test]
    fn what_is_no_cbor_or_has_something_behind_it_is_an_error() {
        let wrong = [
            "",
            "18",
            "1903",
            "1c",
            "5801",
            "61",
            "61ff",
            "7f4161ff",
            "7f01ff",
            "7f7f6161ffff",
            "8201",
            "9f01",
            "a1",
            "a161",
            "a16161",
            "ff",
            "f8ff",
            "f818",
            "f0",
            "fb00",
            "c000",
            "0000",
            "9bffffffffffffffff01",
            "7bffffffffffffffff61",
            "3bffffffffffffffff",
            "a10102",
        ];
        for bytes in wrong {
            assert!(read::<Value>(&hex(bytes)).is_err(), "{bytes}");
        }
        // Nested deeper than any message: an error, and no stack that is used up.
        for one in [0x81, 0x9f, 0xa1] {
            assert!(read::<Value>(&vec![one; 1 << 20]).is_err());
            assert!(read::<serde::de::IgnoredAny>(&vec![one; 1 << 20]).is_err());
        }
    }

    proptest! {
        #[test]
        fn floats_are_written_as_short_as_they_are_and_read_as_the_same(bits in any::<u64>(), half in any::<u16>()) {
            let from_half = read::<f64>(&[&[HALF][..], &half.to_be_bytes()].concat()).unwrap();
            for value in [f64::from_bits(bits), f64::from(f32::from_bits(bits as u32)), from_half] {
                let mut bytes = Vec::new();
                write(&mut bytes, &value).unwrap();
                let found = read::<f64>(&bytes).unwrap();
                prop_assert!(found.to_bits() == value.to_bits() || found.is_nan() && value.is_nan());
                let longest = if f64::from(value as f32).to_bits() == value.to_bits() { 5 } else { 9 };
                prop_assert!(bytes.len() <= longest);
            }
            if !from_half.is_nan() {
                let mut bytes = Vec::new();
                write(&mut bytes, &from_half).unwrap();
                prop_assert_eq!(bytes, [&[HALF][..], &half.to_be_bytes()].concat());
            }
        }

        #[test]
        fn bytes_that_are_anything_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = read::<Value>(&bytes) {
                prop_assert_eq!(read::<Value>(&written(&value)).unwrap(), value);
            }
        }
    }
}
