//! Values to and from JSON, without loss.
//!
//! ```text
//! ()                     null
//! bool, char, String     true, "x", "text"
//! integers               7; beyond 2^53, where others would lose digits, "18446744073709551615"
//! f32, f64               0.5; "inf", "-inf", "NaN"; a NaN of other bits "NaN:7fc00001"
//! Duration               {"secs":1,"nanos":5}
//! sequences, sets        [1,2]; of u8 {"hex":"00ff"}
//! maps                   {"key":value} with keys that are texts; else [[key,value],..]
//! tuples, tuple structs  [1,"two"]
//! structs                {"id":1,"work":"resize"}
//! enums, Result          "Idle"; {"Busy":7} with one field without a name, {"Moved":[1,2]}, {"Named":{"x":1}}
//! Option                 null, or the value; {"Some":value} where that would be null or have the same form
//! Box                    what is in it
//! ```
//!
//! From JSON the type says what is meant. Then also taken: any integer as a number or as a text; bytes as a list of
//! numbers; maps whose keys are numbers, bools, chars or variants without fields as objects; a field that is missing and
//! is an option as `null`.

use super::fit::inside;
use super::load::is_bytes;
use super::types::Type;
use super::value::Value;
use super::written::is_tuple;
use crate::error::{Error, Result};
use crate::schema::nesting::Nesting;
use crate::schema::{Field, Kind, Node};
use serde_json::{Map, Number, Value as Json};
use std::time::Duration;

/// The first whole numbers that some readers of JSON cannot tell apart.
const EXACT: u128 = 1 << 53;

/// What is done about fields of structs that are missing in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is an error, but for options.
    Refuse,
    /// They get their type's [default](Type::default_value), and fields that there are not are ignored: for values of an
    /// older type.
    Fill,
}

/// A whole number: as a text if some readers could not tell it from others.
fn integer(value: impl TryInto<i64> + Copy + ToString) -> Json {
    match value.try_into() {
        Ok(number) if u128::from(i64::unsigned_abs(number)) < EXACT => Json::Number(number.into()),
        _ => Json::String(value.to_string()),
    }
}

fn float(value: f64, shortest: String, bits: String, is_plain_nan: bool) -> Json {
    if let Some(number) = shortest.parse().ok().and_then(Number::from_f64) {
        return Json::Number(number);
    }
    Json::String(match value {
        f64::INFINITY => "inf".into(),
        f64::NEG_INFINITY => "-inf".into(),
        _ if is_plain_nan => "NaN".into(),
        _ => format!("NaN:{bits}"),
    })
}

impl Value {
    /// The value as JSON; [`Type::value_from_json`] gives it back.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Unit | Value::Option(None) => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Char(value) => Json::String(value.to_string()),
            Value::Unsigned(value) => integer(*value),
            Value::Signed(value) => integer(*value),
            Value::Float32(value) => {
                let (bits, plain) = (value.to_bits(), f32::NAN.to_bits());
                float(f64::from(*value), value.to_string(), format!("{bits:08x}"), bits == plain)
            }
            Value::Float64(value) => {
                let (bits, plain) = (value.to_bits(), f64::NAN.to_bits());
                float(*value, value.to_string(), format!("{bits:016x}"), bits == plain)
            }
            Value::Duration(value) => {
                let (secs, nanos) = (Value::from(value.as_secs()), Value::from(value.subsec_nanos()));
                Json::Object(Map::from_iter([("secs".into(), secs.to_json()), ("nanos".into(), nanos.to_json())]))
            }
            Value::Text(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Json::Object(Map::from_iter([("hex".into(), Json::String(hex))]))
            }
            Value::List(all) => Json::Array(all.iter().map(Value::to_json).collect()),
            Value::Map(entries) => map(entries),
            Value::Record(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
            }
            Value::Variant(name, payload) => match &**payload {
                Value::Unit => Json::String(name.clone()),
                Value::List(one) if one.len() == 1 => object(name, one[0].to_json()),
                payload => object(name, payload.to_json()),
            },
            Value::Option(Some(value)) => {
                let json = value.to_json();
                let same_form = json.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("Some"));
                if json.is_null() || same_form { object("Some", json) } else { json }
            }
        }
    }
}

fn object(name: &str, value: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn map(entries: &[(Value, Value)]) -> Json {
    let texts = entries.iter().map(|(key, value)| match key {
        Value::Text(key) => Some((key.clone(), value.to_json())),
        _ => None,
    });
    match texts.collect::<Option<Map<_, _>>>() {
        Some(object) => Json::Object(object),
        None => {
            Json::Array(entries.iter().map(|(key, value)| Json::Array(vec![key.to_json(), value.to_json()])).collect())
        }
    }
}

impl Type {
    /// A value of this type from JSON; see [`Value::to_json`].
    ///
    /// ```
    /// use commy::dynamic::{Missing, Type, Value};
    /// let ty: Type = "(u64, Option<String>)".parse()?;
    /// let json = serde_json::json!(["18446744073709551615", null]);
    /// let value = ty.value_from_json(&json, Missing::Refuse)?;
    /// assert_eq!(value, Value::List(vec![u64::MAX.into(), Value::Option(None)]));
    /// assert_eq!(value.to_json(), json);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadValue`] names the place.
    pub fn value_from_json(&self, json: &Json, missing: Missing) -> Result<Value> {
        Reader { described: self, missing }.value(0, json)
    }
}

impl super::Dynamic {
    /// A value from JSON for what is at a path of the object, or would be: of the element, if an index or key leads
    /// there; of a set, if the value fits that not, an element.
    ///
    /// # Errors
    /// [`Error::BadValue`] names the place; [`Error::BadPath`].
    pub fn value_from_json(&self, path: &super::Path<'_>, json: &Json, missing: Missing) -> Result<Value> {
        let (described, plan) = (self.type_of(), &self.type_of().0);
        let node = super::follow::node_at(plan, path)?;
        let reader = Reader { described, missing };
        reader.value(node, json).or_else(|misfit| {
            let value = match (plan.node(node).kind, plan.entries(node).0) {
                (Kind::HashSet | Kind::BTreeSet, Some(element)) => reader.value(element, json),
                _ => Err(misfit),
            };
            value.map_err(|error| inside(error, &format!("{}/{path}", self.name())))
        })
    }
}

impl super::Dynamic {
    /// A key of the map, or an element of the set, at a path, from JSON.
    ///
    /// # Errors
    /// As [`value_from_json`](super::Dynamic::value_from_json).
    pub fn key_from_json(&self, path: &super::Path<'_>, json: &Json) -> Result<Value> {
        let (described, plan) = (self.type_of(), &self.type_of().0);
        let mut node = super::follow::node_at(plan, path)?;
        while let (Kind::Option | Kind::Box, Some(inner)) = (plan.node(node).kind, plan.entries(node).0) {
            node = inner;
        }
        let Some(key) = plan.entries(node).0 else { return Err(path.leads_nowhere("there are no keys")) };
        Reader { described, missing: Missing::Refuse }
            .value(key, json)
            .map_err(|error| inside(error, &format!("{}/{path}", self.name())))
    }
}

struct Reader<'a> {
    described: &'a Type,
    missing: Missing,
}

fn misfit(node: &Node, json: &Json) -> Error {
    let mut found = json.to_string();
    if found.len() > 60 {
        found = match json {
            Json::Array(all) => format!("a list of {}", all.len()),
            Json::Object(all) => format!("an object of {}", all.len()),
            _ => format!("{}..", found.chars().take(60).collect::<String>()),
        };
    }
    Error::BadValue { place: String::new(), found, expected: node.name.clone() }
}

impl Reader<'_> {
    fn value(&self, at: usize, json: &Json) -> Result<Value> {
        let _nesting = Nesting::enter(true)?;
        let plan = &self.described.0;
        let node = plan.node(at);
        let (first, second) = plan.entries(at);
        let (first, second) = (first.unwrap_or(at), second.unwrap_or(at));
        let bad = || misfit(node, json);
        Ok(match node.kind {
            Kind::Unit => json.is_null().then_some(Value::Unit).ok_or_else(bad)?,
            Kind::Unsigned | Kind::NonZeroUnsigned | Kind::Signed | Kind::NonZeroSigned => {
                let signed = matches!(node.kind, Kind::Signed | Kind::NonZeroSigned);
                let value = match json {
                    // Of a number with a point or an exponent there is neither.
                    Json::Number(number) if signed => number.as_i128().map(Value::Signed),
                    Json::Number(number) => number.as_u128().map(Value::Unsigned),
                    Json::String(text) if signed => text.parse().ok().map(Value::Signed),
                    Json::String(text) => text.parse().ok().map(Value::Unsigned),
                    _ => None,
                };
                let value = value.ok_or_else(bad)?;
                super::fit::number(node, &value)?;
                value
            }
            Kind::Float => self.float(node, json).ok_or_else(bad)?,
            Kind::Bool => Value::Bool(json.as_bool().ok_or_else(bad)?),
            Kind::Char => Value::Char(json.as_str().and_then(|text| text.parse().ok()).ok_or_else(bad)?),
            Kind::Duration => {
                let part = |name: &str| {
                    json.get(name).and_then(|part| match part {
                        Json::String(text) => text.parse().ok(),
                        part => part.as_u64(),
                    })
                };
                let (secs, nanos) = part("secs").zip(part("nanos")).ok_or_else(bad)?;
                let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(bad)?;
                Value::Duration(Duration::new(secs, nanos))
            }
            Kind::String => Value::Text(json.as_str().ok_or_else(bad)?.to_owned()),
            Kind::Atomic => match (plan.node(first).kind, json) {
                (Kind::Bool, Json::Bool(value)) => Value::Bool(*value),
                _ => self.value(first, json)?,
            },
            Kind::Box => self.value(first, json)?,
            Kind::Array | Kind::Vec | Kind::VecDeque | Kind::HashSet | Kind::BTreeSet => {
                if is_bytes(plan, at)
                    && let Some(hex) = json.get("hex")
                {
                    return hex.as_str().and_then(from_hex).map(Value::Bytes).ok_or_else(bad);
                }
                let all = json.as_array().ok_or_else(bad)?.iter().enumerate();
                let all = all.map(|(index, json)| self.value(first, json).map_err(|e| inside(e, &index.to_string())));
                Value::List(all.collect::<Result<_>>()?)
            }
            Kind::HashMap | Kind::BTreeMap => match json {
                Json::Object(entries) => {
                    let entry = |(key, json): (&String, &Json)| {
                        let value = self.value(second, json).map_err(|error| inside(error, key))?;
                        Ok((self.key(first, key)?, value))
                    };
                    Value::Map(entries.iter().map(entry).collect::<Result<_>>()?)
                }
                Json::Array(entries) => {
                    let entry = |(index, json): (usize, &Json)| match json.as_array().map(Vec::as_slice) {
                        Some([key, value]) => {
                            let pair = || Ok((self.value(first, key)?, self.value(second, value)?));
                            pair().map_err(|error| inside(error, &index.to_string()))
                        }
                        _ => Err(inside(misfit(node, json), &index.to_string())),
                    };
                    Value::Map(entries.iter().enumerate().map(entry).collect::<Result<_>>()?)
                }
                _ => return Err(bad()),
            },
            Kind::Struct => {
                let fields = node.variants.first().map_or(&[][..], |part| &part.fields);
                self.fields(node, fields, json)?
            }
            Kind::Option => {
                let some = node.variants.get(1).and_then(|some| some.fields.first()).ok_or_else(bad)?;
                match json {
                    Json::Null => Value::Option(None),
                    Json::Object(object) if object.len() == 1 && object.contains_key("Some") => {
                        let value = json.get("Some").ok_or_else(bad)?;
                        Value::Option(Some(Box::new(self.value(some.node, value)?)))
                    }
                    json => Value::Option(Some(Box::new(self.value(some.node, json)?))),
                }
            }
            Kind::Enum | Kind::SignedEnum => self.variant(node, json)?,
        })
    }

    fn float(&self, node: &Node, json: &Json) -> Option<Value> {
        let single = node.size == 4;
        Some(match json {
            Json::Number(number) if single => Value::Float32(number.to_string().parse().ok()?),
            Json::Number(number) => Value::Float64(number.to_string().parse().ok()?),
            Json::String(text) => match (text.strip_prefix("NaN:"), single) {
                (Some(bits), true) => Value::Float32(f32::from_bits(u32::from_str_radix(bits, 16).ok()?)),
                (Some(bits), false) => Value::Float64(f64::from_bits(u64::from_str_radix(bits, 16).ok()?)),
                (None, true) => Value::Float32(text.parse().ok()?),
                (None, false) => Value::Float64(text.parse().ok()?),
            },
            _ => return None,
        })
    }

    /// A key of an object.
    fn key(&self, node: usize, text: &str) -> Result<Value> {
        let json = match self.described.0.node(node).kind {
            Kind::Bool if text == "true" => Json::Bool(true),
            Kind::Bool if text == "false" => Json::Bool(false),
            _ => Json::String(text.to_owned()),
        };
        self.value(node, &json).map_err(|error| inside(error, "the key"))
    }

    fn fields(&self, node: &Node, fields: &[Field], json: &Json) -> Result<Value> {
        let bad = || misfit(node, json);
        if is_tuple(fields) {
            let all = json.as_array().filter(|all| all.len() == fields.len()).ok_or_else(bad)?;
            let value = |(field, json): (&Field, &Json)| {
                self.value(field.node, json).map_err(|error| inside(error, &field.name))
            };
            return Ok(Value::List(fields.iter().zip(all).map(value).collect::<Result<_>>()?));
        }
        if fields.is_empty() && json.is_null() {
            return Ok(Value::Record(Vec::new()));
        }
        let object = json.as_object().ok_or_else(bad)?;
        let unknown = object.keys().find(|name| fields.iter().all(|field| field.name != **name));
        if let (Some(unknown), Missing::Refuse) = (unknown, self.missing) {
            let found = format!("an object with a field {unknown}");
            return Err(Error::BadValue { place: String::new(), found, expected: node.name.clone() });
        }
        let field = |field: &Field| {
            let is_option = self.described.0.node(field.node).kind == Kind::Option;
            let value = match (object.get(&field.name), self.missing) {
                (Some(json), _) => self.value(field.node, json),
                (None, _) if is_option => Ok(Value::Option(None)),
                (None, Missing::Fill) => self.described.default_of(field.node),
                (None, Missing::Refuse) => {
                    let found = "missing".into();
                    let expected = self.described.0.node(field.node).name.clone();
                    Err(Error::BadValue { place: String::new(), found, expected })
                }
            };
            Ok((field.name.clone(), value.map_err(|error| inside(error, &field.name))?))
        };
        Ok(Value::Record(fields.iter().map(field).collect::<Result<_>>()?))
    }

    fn variant(&self, node: &Node, json: &Json) -> Result<Value> {
        let bad = || misfit(node, json);
        let (name, payload) = match json {
            Json::String(name) => (name, &Json::Null),
            Json::Object(object) if object.len() == 1 => object.iter().next().ok_or_else(bad)?,
            _ => return Err(bad()),
        };
        let variant = node.variants.iter().find(|variant| variant.name == *name).ok_or_else(bad)?;
        let value = match &variant.fields[..] {
            [] if payload.is_null() => Ok(Value::Unit),
            [] => Err(bad()),
            [one] if is_tuple(&variant.fields) => self.value(one.node, payload).map(|value| Value::List(vec![value])),
            fields => self.fields(node, fields, payload),
        };
        let value = value.map_err(|error| inside(error, name))?;
        Ok(Value::Variant(name.clone(), Box::new(value)))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
