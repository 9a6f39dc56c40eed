//! From the JSON of `commy::dynamic` to types, by serde.
//!
//! That JSON has whole numbers beyond 2^53 and floats that are no numbers as texts, maps with keys that are no texts as
//! lists of pairs, bytes as `{"hex": ".."}`, and `{"Some": ..}` where an option would be ambiguous. This deserializer
//! takes all of that for what it is; the rest is as serde_json has it.

use crate::error::{Error, Result};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::Value as Json;

/// A value of a type from JSON as the server writes it.
///
/// ```
/// let big: u64 = commy_client::from_json(serde_json::json!("18446744073709551615"))?;
/// assert_eq!(big, u64::MAX);
/// let pairs: std::collections::BTreeMap<u32, Vec<u8>> = commy_client::from_json(serde_json::json!([[7, {"hex": "00ff"}]]))?;
/// assert_eq!(pairs[&7], [0, 255]);
/// # Ok::<(), commy_client::Error>(())
/// ```
///
/// # Errors
/// [`Error::Value`] if it is none.
pub fn from_json<T: DeserializeOwned>(json: Json) -> Result<T> {
    T::deserialize(Typed(json)).map_err(|error| Error::Value(error.to_string()))
}

/// JSON that the server reads.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Json> {
    serde_json::to_value(value).map_err(|error| Error::Value(error.to_string()))
}

struct Typed(Json);

type Fault = serde_json::Error;

impl IntoDeserializer<'_, Fault> for Typed {
    type Deserializer = Typed;
    fn into_deserializer(self) -> Typed {
        self
    }
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    let digits = json.as_object().filter(|object| object.len() == 1)?.get("hex")?.as_str()?;
    let digits: Option<Vec<u8>> = digits.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Numbers that are texts.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match &self.0 {
                Json::String(text) => match text.parse::<$type>() {
                    Ok(number) => visitor.$visit(number),
                    Err(_) => self.deserialize_any(visitor),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )* };
}

impl<'de> de::Deserializer<'de> for Typed {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Json::Array(all) => visitor.visit_seq(SeqDeserializer::new(all.into_iter().map(Typed))),
            Json::Object(all) => visitor.visit_map(MapDeserializer::new(
                all.into_iter().map(|(key, value)| (Typed(Json::String(key)), Typed(value))),
            )),
            plain => plain.deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128, deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128, deserialize_bool visit_bool bool,
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0 {
            Json::String(text) => match text.strip_prefix("NaN:").map(|bits| u32::from_str_radix(bits, 16)) {
                Some(Ok(bits)) => visitor.visit_f32(f32::from_bits(bits)),
                _ => visitor.visit_f32(text.parse().map_err(de::Error::custom)?),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0 {
            Json::String(text) => match text.strip_prefix("NaN:").map(|bits| u64::from_str_radix(bits, 16)) {
                Some(Ok(bits)) => visitor.visit_f64(f64::from_bits(bits)),
                _ => visitor.visit_f64(text.parse().map_err(de::Error::custom)?),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            Json::Object(mut all) if all.len() == 1 && all.contains_key("Some") => {
                visitor.visit_some(Typed(all.remove("Some").unwrap_or_default()))
            }
            some => visitor.visit_some(Typed(some)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match bytes(&self.0) {
            Some(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match bytes(&self.0) {
            Some(bytes) => visitor.visit_byte_buf(bytes),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Json::Array(pairs) => {
                let pair = |pair: Json| match pair {
                    Json::Array(mut pair) if pair.len() == 2 => {
                        let value = pair.pop().unwrap_or_default();
                        Some((Typed(pair.pop().unwrap_or_default()), Typed(value)))
                    }
                    _ => None,
                };
                let pairs: Option<Vec<_>> = pairs.into_iter().map(pair).collect();
                let pairs = pairs.ok_or_else(|| de::Error::custom("a list of pairs is needed for a map"))?;
                visitor.visit_map(MapDeserializer::new(pairs.into_iter()))
            }
            other => Typed(other).deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        // A struct with one field without a name is a list of one.
        match self.0 {
            Json::Array(mut all) if all.len() == 1 => {
                visitor.visit_newtype_struct(Typed(all.pop().unwrap_or_default()))
            }
            other => visitor.visit_newtype_struct(Typed(other)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (name, content) = match self.0 {
            Json::String(name) => (name, None),
            Json::Object(all) if all.len() == 1 => match all.into_iter().next() {
                Some((name, content)) => (name, Some(Typed(content))),
                None => return Err(de::Error::custom("a variant is needed")),
            },
            _ => return Err(de::Error::custom("a variant is needed")),
        };
        visitor.visit_enum(Variant { name, content })
    }

    forward_to_deserialize_any! {
        char str string unit unit_struct tuple_struct struct identifier ignored_any
    }
}

/// A variant of an enum, with what it has.
struct Variant {
    name: String,
    content: Option<Typed>,
}

impl<'de> de::EnumAccess<'de> for Variant {
    type Error = Fault;
    type Variant = Content;

    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content), Fault> {
        let name = seed.deserialize(self.name.into_deserializer())?;
        Ok((name, Content(self.content)))
    }
}

struct Content(Option<Typed>);

impl Content {
    fn given(self) -> Result<Typed, Fault> {
        self.0.ok_or_else(|| de::Error::custom("the variant lacks its content"))
    }
}

impl<'de> de::VariantAccess<'de> for Content {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(de::Error::custom("the variant has no content")),
        }
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.given()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self.given()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self.given()?, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::HashMap;
    use std::time::Duration;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Task {
        id: u64,
        work: Option<String>,
        state: State,
        wrapped: Wrapped,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(i64);

    #[derive(Debug, PartialEq, Deserialize)]
    enum State {
        Idle,
        Busy(u8),
        Moved(i32, i32),
        Named { x: f64 },
    }

    #[test]
    fn the_forms_that_the_server_writes_are_read_as_what_they_are() {
        let task = json!({"id": "18446744073709551615", "work": null, "state": "Idle", "wrapped": [-5]});
        let read: Task = from_json(task).unwrap();
        assert_eq!(read, Task { id: u64::MAX, work: None, state: State::Idle, wrapped: Wrapped(-5) });
        assert_eq!(from_json::<State>(json!({"Busy": 7})).unwrap(), State::Busy(7));
        assert_eq!(from_json::<State>(json!({"Moved": [1, -2]})).unwrap(), State::Moved(1, -2));
        assert_eq!(from_json::<State>(json!({"Named": {"x": "inf"}})).unwrap(), State::Named { x: f64::INFINITY });
        assert_eq!(from_json::<Option<Option<u8>>>(json!({"Some": null})).unwrap(), Some(None));
        assert_eq!(from_json::<HashMap<u8, String>>(json!([[1, "a"]])).unwrap()[&1], "a");
        assert_eq!(from_json::<HashMap<u8, String>>(json!({"1": "a"})).unwrap()[&1], "a");
        assert_eq!(from_json::<Duration>(json!({"secs": 1, "nanos": 5})).unwrap(), Duration::new(1, 5));
        assert_eq!(from_json::<[u8; 2]>(json!({"hex": "00ff"})).unwrap(), [0, 255]);
        assert!(from_json::<f32>(json!("NaN:7fc00001")).unwrap().is_nan());
        assert_eq!(from_json::<Json>(json!([1, "x"])).unwrap(), json!([1, "x"]));
        assert_eq!(from_json::<String>(json!("x")).unwrap(), "x");
        assert_eq!(from_json::<()>(json!(null)).unwrap(), ());
        assert!(from_json::<u8>(json!("x")).is_err());
        assert!(from_json::<State>(json!({"Busy": "x"})).is_err());
    }
}
