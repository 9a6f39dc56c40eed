//! A value without its Rust type, owned by the process.

use std::time::Duration;

/// A value of any type that can be shared, without that type.
///
/// Which variant a type has:
///
/// ```text
/// ()                        Unit             String                           Text
/// bool, char                Bool, Char       Vec, VecDeque, arrays of u8      Bytes
/// unsigned, NonZero, atomic Unsigned         others, sets, tuples, tuple
/// signed                    Signed             structs                        List
/// f32, f64                  Float32, Float64 HashMap, BTreeMap                Map
/// Duration                  Duration         structs with named fields        Record
/// Option                    Option           enums, Result                    Variant
/// Box                       what is in it
/// ```
///
/// Where a value is to be stored, `Unsigned` and `Signed` stand for any integer type that has the number, and a `List` of
/// numbers for `Bytes`. Two values are equal if they would be stored as the same bits: so a NaN equals itself, and 0.0 is
/// not -0.0. Maps and sets that hash are equal if they are in the same order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// `()`.
    Unit,
    /// A `bool`.
    Bool(bool),
    /// A `char`.
    Char(char),
    /// A number of an unsigned type.
    Unsigned(u128),
    /// A number of a signed type.
    Signed(i128),
    /// An `f32`.
    Float32(f32),
    /// An `f64`.
    Float64(f64),
    /// A `Duration`.
    Duration(Duration),
    /// A `String`.
    Text(String),
    /// A sequence of `u8`.
    Bytes(Vec<u8>),
    /// Elements in a row.
    List(Vec<Value>),
    /// Keys and their values.
    Map(Vec<(Value, Value)>),
    /// The fields of a struct, with their names.
    Record(Vec<(String, Value)>),
    /// A variant of an enum by its name; its fields are a `Unit`, a `List` or a `Record`.
    Variant(String, Box<Value>),
    /// An `Option`.
    Option(Option<Box<Value>>),
}

impl Value {
    /// What it is, in a word, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Unit => "nothing",
            Value::Bool(_) => "a bool",
            Value::Char(_) => "a char",
            Value::Unsigned(_) | Value::Signed(_) => "a whole number",
            Value::Float32(_) | Value::Float64(_) => "a floating point number",
            Value::Duration(_) => "a duration",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Record(_) => "a record",
            Value::Variant(..) => "a variant",
            Value::Option(_) => "an option",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Unit, Value::Unit) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Char(a), Value::Char(b)) => a == b,
            (Value::Unsigned(a), Value::Unsigned(b)) => a == b,
            (Value::Signed(a), Value::Signed(b)) => a == b,
            (Value::Unsigned(a), Value::Signed(b)) | (Value::Signed(b), Value::Unsigned(a)) => {
                u128::try_from(*b).is_ok_and(|b| *a == b)
            }
            (Value::Float32(a), Value::Float32(b)) => a.to_bits() == b.to_bits(),
            (Value::Float64(a), Value::Float64(b)) => a.to_bits() == b.to_bits(),
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Record(a), Value::Record(b)) => a == b,
            (Value::Variant(a, fields), Value::Variant(b, others)) => a == b && fields == others,
            (Value::Option(a), Value::Option(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr),* $(,)?) => { $(
        impl From<$type> for Value {
            fn from($value: $type) -> Value {
                $made
            }
        }
    )* };
}

from! {
    () => |_unit| Value::Unit,
    bool => |value| Value::Bool(value),
    char => |value| Value::Char(value),
    u8 => |value| Value::Unsigned(value.into()),
    u16 => |value| Value::Unsigned(value.into()),
    u32 => |value| Value::Unsigned(value.into()),
    u64 => |value| Value::Unsigned(value.into()),
    u128 => |value| Value::Unsigned(value),
    usize => |value| Value::Unsigned(value as u128),
    i8 => |value| Value::Signed(value.into()),
    i16 => |value| Value::Signed(value.into()),
    i32 => |value| Value::Signed(value.into()),
    i64 => |value| Value::Signed(value.into()),
    i128 => |value| Value::Signed(value),
    f32 => |value| Value::Float32(value),
    f64 => |value| Value::Float64(value),
    Duration => |value| Value::Duration(value),
    &str => |value| Value::Text(value.to_owned()),
    String => |value| Value::Text(value),
    Vec<u8> => |value| Value::Bytes(value),
    Vec<Value> => |value| Value::List(value),
    Vec<(Value, Value)> => |value| Value::Map(value),
    Option<Value> => |value| Value::Option(value.map(Box::new)),
}
