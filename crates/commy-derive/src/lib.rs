//! The derives of [commy](https://docs.rs/commy): `Plain`, `Share`, `Key` and `Atomics`.
//!
//! Use them through that crate; what they generate names it as `::commy`.

mod atomics;
mod input;
mod key;
mod mirror;
mod plain;
mod share_enum;
mod share_struct;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, parse_macro_input};

/// Makes a type plain: stored in the segment as it is, byte for byte, and seen there as `&T` and `&mut T`.
///
/// For structs with `#[repr(C)]` or `#[repr(transparent)]` whose fields are all plain, and for enums
/// without fields that have `#[repr(u8)]`, or another integer from `u8` to `i64`. The type must be `Copy`.
/// `Share` is implemented along with it. Type parameters get the bound `Plain`.
///
/// ```
/// #[derive(Clone, Copy, commy::Plain)]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let points: commy::Shared<Vec<Point>> = segment.open_or_create("points")?;
/// points.write()?.push(Point { x: 1.0, y: 2.0 })?;
/// assert_eq!(points.read()?.get(0).map(|point| point.y), Some(2.0));
/// # Ok::<(), commy::Error>(())
/// ```
#[proc_macro_derive(Plain)]
pub fn plain(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    plain::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a type one that can live in a segment: any struct, and any enum, of types that can.
///
/// Type parameters get the bound `Share`; a type may contain itself within a `Box`, a `Vec` or a map.
///
/// # Structs
/// A struct `Task` is seen as `&TaskView` and `&mut TaskView`. For each field `work` of type `F`, and with the
/// field's visibility, the view has
///
/// - `work(&self) -> F::Ref<'_>`: the field in place;
/// - `work_mut(&mut self) -> F::Mut<'_>`: to be changed in place; it panics if the transaction's log has no
///   room, where `try_work_mut` returns the error;
/// - `set_work(&mut self, value: F) -> commy::Result<()>`: replaces the field, wholly or not at all.
///
/// The methods of a tuple struct are called `field_0`, `field_0_mut`, `set_field_0` and so on. `load` gives
/// the whole as an owned value, and `store` replaces it, unless a field has a method of that name. A method that the
/// guard has too is reached by `(*guard).load()`.
///
/// ```
/// #[derive(Default, commy::Share)]
/// struct Task {
///     id: u64,
///     work: String,
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let task: commy::Shared<Task> = segment.open_or_create("task")?;
/// {
///     let mut task = task.write()?;
///     task.set_work("resize".into())?;
///     task.work_mut().push_str(" the picture")?;
///     *task.id_mut() += 1;
/// }
/// assert_eq!(task.read()?.work(), "resize the picture");
/// # Ok::<(), commy::Error>(())
/// ```
///
/// # Enums
/// An enum `Shape` is seen as `ShapeRef<'_>`, and changed as `ShapeMut<'_>`: enums with the same variants, whose
/// fields are those of `Shape` in place. (Without a lifetime if no variant has a field.) Another variant
/// is put in its place as a whole: by a guard's `store`, or by the `set` of what it lies in.
///
/// ```
/// #[derive(Default, commy::Share)]
/// enum Shape {
///     #[default]
///     Empty,
///     Circle { radius: f32 },
///     Named(String),
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let shape: commy::Shared<Shape> = segment.open_or_create("shape")?;
/// shape.write()?.store(Shape::Circle { radius: 1.0 })?;
/// if let ShapeMut::Circle { radius } = shape.write()?.view_mut() {
///     *radius *= 2.0;
/// }
/// assert!(matches!(shape.read()?.view(), ShapeRef::Circle { radius } if *radius == 2.0));
/// # Ok::<(), commy::Error>(())
/// ```
///
/// Seeing an enum whose stored tag is that of no variant, which only a damaged file has, panics; loading
/// or changing it is `Error::Corrupt`.
#[proc_macro_derive(Share)]
pub fn share(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let derived = match &input.data {
        Data::Struct(data) => share_struct::derive(&input, data),
        Data::Enum(data) => share_enum::derive(&input, data),
        Data::Union(_) => {
            Err(input::refuse(&input, "a union cannot be shared: nothing says which of its fields it holds"))
        }
    };
    derived.unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct of atomics an object that processes use without a lock.
///
/// For structs with `#[repr(C)]` or `#[repr(transparent)]` whose fields are atomics, arrays of atomics, or structs
/// that derive this too. A `Shared` of it dereferences to the struct itself; it can be nowhere but at the root of
/// an object. Where some fields need a lock, make two objects.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default, commy::Atomics)]
/// #[repr(C)]
/// struct Traffic {
///     sent: AtomicU64,
///     received: AtomicU64,
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let traffic: commy::Shared<Traffic> = segment.open_or_create("traffic")?;
/// traffic.sent.fetch_add(512, Ordering::Relaxed);
/// # Ok::<(), commy::Error>(())
/// ```
#[proc_macro_derive(Atomics)]
pub fn atomics(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    atomics::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a type that has `Plain` or `Share` derived a key of maps and an element of sets.
///
/// Hash, equality and order are those of its fields, in the order of their declaration; of an enum, those of
/// the variant first: by their declaration, or by their value if it is plain. So they agree with what
/// `#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]` makes, of which the maps of the standard library want
/// their part besides. Every field has to be a key itself; floats are not. A key is looked up by a reference
/// to its own type. Type parameters get the bound `Key + Lookup<T>`, and `Plain` with `#[repr(C)]`.
///
/// ```
/// # use std::collections::HashMap;
/// #[derive(Clone, Copy, PartialEq, Eq, Hash, commy::Plain, commy::Key)]
/// #[repr(C)]
/// struct Cell {
///     row: u32,
///     column: u32,
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
/// let cells: commy::Shared<HashMap<Cell, String>> = segment.open_or_create("cells")?;
/// cells.write()?.insert(Cell { row: 1, column: 2 }, "sum".into())?;
/// assert_eq!(cells.read()?.get(&Cell { row: 1, column: 2 }), Some("sum"));
/// # Ok::<(), commy::Error>(())
/// ```
#[proc_macro_derive(Key)]
pub fn key(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    key::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
