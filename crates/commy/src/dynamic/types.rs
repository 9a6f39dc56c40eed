//! A type that is known by its description alone.

use super::describe::describe;
use super::fit::inside;
use super::load::{array_count, is_bytes};
use super::value::Value;
use super::written::{expression_of, is_tuple, text_of};
use crate::error::{Error, Result};
use crate::schema::{Description, Field, Kind, Object};
use crate::walk::Plan;
use std::sync::Arc;

/// A type by its description: of a Rust type, of an object in a segment, or written as text.
///
/// ```
/// use commy::dynamic::Type;
/// use std::collections::HashMap;
/// let written: Type = "HashMap<String, Vec<f32>>".parse()?;
/// assert_eq!(written, Type::of::<HashMap<String, Vec<f32>>>());
/// // Structs and enums are declared as in Rust; the last one is the type, unless another follows.
/// let queue: Type = "struct Task { id: u64, work: String } VecDeque<Task>".parse()?;
/// assert_eq!(queue.name(), "VecDeque<Task>");
/// # Ok::<(), commy::Error>(())
/// ```
///
/// What is written as text is stored as the Rust type is: a program opens the object as its own type. A generic type is
/// declared once for each use, with its parameters: `struct Pair<u32, String> { first: u32, second: String }`. Discriminants
/// count where the enum has a `#[repr(u8)]` or the like, and no fields; such an enum is `Plain`, any other `Share`.
#[derive(Clone)]
pub struct Type(pub(super) Arc<Plan>);

impl Type {
    /// That of a Rust type.
    pub fn of<T: Object>() -> Type {
        match Type::described(Description::of::<T>()) {
            Ok(described) => described,
            Err(error) => unreachable!("a type of Rust describes itself so that it can be walked: {error}"),
        }
    }

    /// That with this description.
    pub(super) fn described(description: Description) -> Result<Type> {
        Ok(Type(Arc::new(Plan::new(description)?)))
    }

    /// Its name without declarations: `VecDeque<Task>`.
    pub fn name(&self) -> String {
        expression_of(&self.description().nodes, 0, 0)
    }

    /// The value to begin with: zeros, `false`, empty texts and containers, `None`, the first variant of an enum.
    ///
    /// # Errors
    /// [`Error::BadValue`] if there is none: a number that must not be zero, a type that begins with a box of itself, more
    /// than four million values in arrays.
    pub fn default_value(&self) -> Result<Value> {
        self.default_of(0)
    }

    pub(super) fn default_of(&self, node: usize) -> Result<Value> {
        Defaults { plan: &self.0, left: MOST_DEFAULTS }.value(node, DEEPEST_DEFAULT)
    }

    pub(super) fn description(&self) -> &Description {
        self.0.description()
    }
}

/// Values within each other, and all values, of which a default is made at most: so a type that is a few letters long, such
/// as `[u64; 4000000000]`, does not take all memory.
const DEEPEST_DEFAULT: usize = 64;
const MOST_DEFAULTS: usize = 1 << 22;

/// The making of a default.
struct Defaults<'a> {
    plan: &'a Plan,
    /// Values that may still be made.
    left: usize,
}

impl Defaults<'_> {
    fn value(&mut self, at: usize, depth: usize) -> Result<Value> {
        let (plan, node) = (self.plan, self.plan.node(at));
        let none = || Error::BadValue {
            place: String::new(),
            found: "not given, and there is no default".into(),
            expected: node.name.clone(),
        };
        let depth = depth.checked_sub(1).ok_or_else(none)?;
        self.left = self.left.checked_sub(1).ok_or_else(none)?;
        Ok(match node.kind {
            Kind::Unit => Value::Unit,
            Kind::Unsigned => Value::Unsigned(0),
            Kind::Signed => Value::Signed(0),
            Kind::NonZeroUnsigned | Kind::NonZeroSigned => return Err(none()),
            Kind::Float if node.size == 4 => Value::Float32(0.0),
            Kind::Float => Value::Float64(0.0),
            Kind::Bool => Value::Bool(false),
            Kind::Char => Value::Char('\0'),
            Kind::Duration => Value::Duration(std::time::Duration::ZERO),
            Kind::String => Value::Text(String::new()),
            Kind::Vec | Kind::VecDeque | Kind::HashSet | Kind::BTreeSet => Value::List(Vec::new()),
            Kind::HashMap | Kind::BTreeMap => Value::Map(Vec::new()),
            Kind::Option => Value::Option(None),
            Kind::Box | Kind::Atomic => self.value(plan.entries(at).0.unwrap_or(at), depth)?,
            Kind::Array => match usize::try_from(array_count(plan, at)).map_err(|_| none())? {
                0 => Value::List(Vec::new()),
                count if is_bytes(plan, at) => {
                    self.left = self.left.checked_sub(count / 32).ok_or_else(none)?;
                    Value::Bytes(vec![0; count])
                }
                count => {
                    let before = self.left;
                    let element = self.value(plan.entries(at).0.unwrap_or(at), depth)?;
                    let others = (before - self.left).checked_mul(count - 1);
                    self.left = others.and_then(|others| self.left.checked_sub(others)).ok_or_else(none)?;
                    Value::List(vec![element; count])
                }
            },
            Kind::Struct => self.fields(node.variants.first().map_or(&[][..], |part| &part.fields), depth)?,
            Kind::Enum | Kind::SignedEnum => {
                let variant = node.variants.first().ok_or_else(none)?;
                let payload = match &variant.fields[..] {
                    [] => Value::Unit,
                    fields => self.fields(fields, depth)?,
                };
                Value::Variant(variant.name.clone(), Box::new(payload))
            }
        })
    }

    fn fields(&mut self, fields: &[Field], depth: usize) -> Result<Value> {
        let one = |field: &Field| {
            let value = self.value(field.node, depth).map_err(|error| inside(error, &field.name))?;
            Ok((field.name.clone(), value))
        };
        let named = fields.iter().map(one).collect::<Result<Vec<_>>>()?;
        Ok(if is_tuple(fields) {
            Value::List(named.into_iter().map(|(_, value)| value).collect())
        } else {
            Value::Record(named)
        })
    }
}

impl std::str::FromStr for Type {
    type Err = Error;

    /// Reads a type that is written as text.
    ///
    /// # Errors
    /// [`Error::BadType`] points at the place.
    fn from_str(text: &str) -> Result<Type> {
        let description = describe(text)?;
        Type::described(description).map_err(|_| super::text::bad_type(text, 0, "values of this type nest too deep"))
    }
}

/// The declarations that it needs, one a line, and the type: what [`parse`](str::parse) reads.
impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text_of(self.description()))
    }
}

impl std::fmt::Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Type").field(&self.name()).finish()
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        self.description() == other.description()
    }
}

impl Eq for Type {}
