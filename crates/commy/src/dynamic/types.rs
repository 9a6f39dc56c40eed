//! A type that is known by its description alone.

use super::describe::describe;
use super::fit::inside;
use super::load::array_count;
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
    /// [`Error::BadValue`] if there is none: a number that must not be zero, a type that begins with a box of itself.
    pub fn default_value(&self) -> Result<Value> {
        self.default_of(0)
    }

    pub(super) fn default_of(&self, node: usize) -> Result<Value> {
        self.default_below(node, 64)
    }

    fn default_below(&self, at: usize, depth: usize) -> Result<Value> {
        let (plan, node) = (&self.0, self.0.node(at));
        let none = || Error::BadValue {
            place: String::new(),
            found: "not given, and there is no default".into(),
            expected: node.name.clone(),
        };
        let depth = depth.checked_sub(1).ok_or_else(none)?;
        let first = |field: Option<usize>| self.default_below(field.unwrap_or(at), depth);
        let fields = |fields: &[Field]| {
            let one = |field: &Field| {
                let value = self.default_below(field.node, depth).map_err(|error| inside(error, &field.name))?;
                Ok((field.name.clone(), value))
            };
            let named = fields.iter().map(one).collect::<Result<Vec<_>>>()?;
            Ok::<_, Error>(if is_tuple(fields) {
                Value::List(named.into_iter().map(|(_, value)| value).collect())
            } else {
                Value::Record(named)
            })
        };
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
            Kind::Box | Kind::Atomic => first(plan.entries(at).0)?,
            Kind::Array => {
                let count = array_count(&self.0, at) as usize;
                let element = if count == 0 { Value::Unit } else { first(plan.entries(at).0)? };
                Value::List(vec![element; count])
            }
            Kind::Struct => fields(node.variants.first().map_or(&[][..], |part| &part.fields))?,
            Kind::Enum | Kind::SignedEnum => {
                let variant = node.variants.first().ok_or_else(none)?;
                let payload = if variant.fields.is_empty() { Value::Unit } else { fields(&variant.fields)? };
                Value::Variant(variant.name.clone(), Box::new(payload))
            }
        })
    }

    pub(super) fn description(&self) -> &Description {
        self.0.description()
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
