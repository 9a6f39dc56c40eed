//! Types written as text: what they make is what the Rust types make, byte for byte.

#![allow(clippy::box_collection)]

use commy::dynamic::Type;
use commy::{Atomics, Error, Key, Object, Plain, Share};
use std::collections::*;
use std::sync::atomic::*;
use std::time::Duration;

#[derive(Share, Clone)]
struct Task {
    id: u64,
    work: String,
}

#[derive(Share, Clone)]
struct Unit;

#[derive(Share, Clone)]
struct Odd(u8, u128, Vec<Odd>, Option<Box<Odd>>);

#[derive(Plain, Clone, Copy)]
#[repr(C)]
struct Point {
    x: f32,
    y: f64,
    flags: [Color; 3],
}

#[derive(Plain, Clone, Copy)]
#[repr(C, align(32))]
struct Wide {
    byte: u8,
}

#[derive(Plain, Key, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
enum Color {
    Red = 3,
    Green,
    Blue = 200,
}

#[derive(Plain, Clone, Copy)]
#[repr(i16)]
enum Signed {
    Minus = -5,
    Plus = 5,
}

#[derive(Share, Clone)]
enum Shape {
    Nothing,
    Circle(f32),
    Wide(u8, u128),
    Named { at: Point, name: String, inner: Vec<Shape> },
    Deeper(Box<Shape>),
}

#[derive(Share, Clone)]
enum Bare {
    One,
    Two,
}

#[derive(Share, Clone)]
struct Pair<A: Share, B: Share> {
    first: A,
    second: B,
}

#[derive(Share, Clone)]
struct Knot {
    tuple: (u32, Vec<Knot>),
    options: Vec<Option<Knot2>>,
    map: HashMap<u32, Vec<Knot>>,
}

#[derive(Share, Clone)]

struct Knot2 {
    back: Vec<Option<Knot2>>,
    map: Option<Box<HashMap<String, Knot2>>>,
    number: i8,
}

#[derive(Atomics)]
#[repr(C)]
struct Counters {
    hits: AtomicU64,
    flags: [AtomicBool; 3],
}

fn same<T: Object>(text: &str) {
    let (written, rust) = (text.parse::<Type>().unwrap_or_else(|e| panic!("{text}: {e}")), Type::of::<T>());
    assert_eq!(format!("{written:?}"), format!("{rust:?}"), "{text}");
    assert!(written == rust, "{text}");
    let shown = rust.to_string();
    let again = shown.parse::<Type>().unwrap_or_else(|e| panic!("{shown}: {e}"));
    assert!(again == rust, "{text}, shown as {shown}");
}

const TASK: &str = "struct Task { id: u64, work: String }";
const COLOR: &str = "#[repr(u8)] enum Color { Red = 3, Green, Blue = 200 }";
const POINT: &str = "#[derive(Plain)]\n#[repr(C)]\npub struct Point { x: f32, pub y: f64, flags: [Color; 3] }";
const SHAPE: &str = "enum Shape { Nothing, Circle(f32), Wide(u8, u128,), Named { at: Point, name: String, \
                     inner: Vec<Shape> }, Deeper(Box<Shape>), }";

#[test]
fn what_is_written_as_text_is_another_type_than_rusts() {
    same::<u8>("u8");
    same::<(u8, i16, u128, usize, isize)>("(u8, i16, u128, usize, isize)");
    same::<()>("()");
    same::<(char,)>("(char,)");
    same::<u32>("(u32)");
    same::<[[u16; 3]; 2]>("[[u16; 3]; 2]");
    same::<[(); 5]>("[(); 5]");
    same::<std::num::NonZeroU64>("NonZeroU64");
    same::<std::num::NonZeroI128>("NonZeroI128");
    same::<Option<Duration>>("Option<std::time::Duration>");
    same::<HashMap<String, Vec<f32>>>("std::collections::HashMap<String, Vec<f32>>");
    same::<BTreeMap<(u8, String), HashSet<u64>>>("BTreeMap<(u8, String), HashSet<u64>>");
    same::<BTreeSet<Option<Box<String>>>>("BTreeSet<Option<Box<String>>>");
    same::<Result<Vec<u8>, (f64, u128)>>("Result<Vec<u8>, (f64, u128)>");
    same::<Option<u128>>("Option<u128>");
    same::<VecDeque<Task>>(&format!("{TASK} VecDeque<Task>"));
    same::<Task>(TASK);
    same::<Unit>("struct Unit;");
    same::<Odd>("struct Odd(u8, u128, Vec<Odd>, Option<Box<Odd>>);");
    same::<Vec<Odd>>("struct Odd(u8, u128, Vec<Odd>, Option<Box<Odd>>); Vec<Odd>");
    same::<Option<Box<Odd>>>("struct Odd(u8, u128, Vec<Odd>, Option<Box<Odd>>); Option<Box<Odd>>");
    same::<Color>(COLOR);
    same::<HashSet<Color>>(&format!("{COLOR} HashSet<Color>"));
    same::<Signed>("#[repr(i16)] enum Signed { Minus = -5, Plus = 5 }");
    same::<Point>(&format!("{COLOR} {POINT}"));
    same::<Shape>(&format!("{COLOR} // a comment\n{POINT} /* another */ {SHAPE}"));
    same::<VecDeque<Shape>>(&format!("{SHAPE} {COLOR} {POINT} VecDeque<Shape>"));
    same::<Bare>("enum Bare { One, Two }");
    same::<Pair<u32, Pair<String, u8>>>(
        "struct Pair<String, u8> { first: String, second: u8 }
         struct Pair<u32, Pair<String, u8>> { first: u32, second: Pair<String, u8> }",
    );
    let knots = "struct Knot { tuple: (u32, Vec<Knot>), options: Vec<Option<Knot2>>, map: HashMap<u32, Vec<Knot>> }
                 struct Knot2 { back: Vec<Option<Knot2>>, map: Option<Box<HashMap<String, Knot2>>>, number: i8 }";
    same::<Knot>(&format!("{knots} Knot"));
    same::<(u32, Vec<Knot>)>(&format!("{knots} (u32, Vec<Knot>)"));
    same::<Vec<Option<Knot2>>>(&format!("{knots} Vec<Option<Knot2>>"));
    same::<HashMap<u32, Vec<Knot>>>(&format!("{knots} HashMap<u32, Vec<Knot>>"));
    same::<HashMap<String, Knot2>>(&format!("{knots} HashMap<String, Knot2>"));
    same::<Option<Box<HashMap<String, Knot2>>>>(&format!("{knots} Option<Box<HashMap<String, Knot2>>>"));
    same::<AtomicU64>("AtomicU64");
    same::<[[AtomicI8; 2]; 3]>("[[AtomicI8; 2]; 3]");
    same::<Counters>("struct Counters { hits: AtomicU64, flags: [AtomicBool; 3] }");
}

#[test]
fn an_alignment_in_repr_is_lost() {
    let wide: Type = "#[repr(C, align(32))] struct Wide { byte: u8 }".parse().unwrap();
    assert!(wide == Type::of::<Wide>());
    assert!(wide.to_string().parse::<Type>().unwrap() == wide);
}

#[test]
fn an_error_in_a_type_does_not_point_at_its_place() {
    for (text, column, reason) in [
        ("", 0, "a type is missing"),
        ("HashMap<String>", 0, "HashMap has 2 parameters"),
        ("HashMap<String, Vec<f31>>", 20, "there is no type f31"),
        ("HashMap<String, u8", 18, "`,` or `>` is expected"),
        ("HashMap<(u8, f32), u8>", 8, "cannot be a key"),
        ("HashSet<Vec<Vec<f64>>>", 8, "cannot be a key"),
        ("Vec<u8> u8", 8, "should end here"),
        ("struct A { a: u8 b: u8 }", 17, "`,` or `}` is expected"),
        ("struct A { a: u8, a: u8 }", 19, "a field a already"),
        ("struct A { a: Option<A> }", 7, "contains itself"),
        ("enum A {}", 5, "without variants"),
        ("#[repr(u8)] enum A { B = 300 }", 17, "does not fit"),
        ("#[repr(u8)] enum A { B = 1, C = 1 }", 17, "the same as another"),
        ("[String; 3]", 1, "arrays are of plain types"),
        ("[u8; -1]", 5, "so many elements"),
        ("Rc<u8>", 0, "cannot be shared"),
        ("Vec<\u{e9}>", 4, "there is no type"),
        ("Vec<\u{1f600}>", 4, "a type is expected"),
    ] {
        let error = text.parse::<Type>().unwrap_err();
        let Error::BadType { column: found, reason: said, .. } = &error else { panic!("{text}: {error:?}") };
        assert!(said.contains(reason) && *found == column, "{text}: {found}: {error}");
        let shown = error.to_string();
        assert_eq!(shown.lines().last().unwrap(), format!("  {}^", " ".repeat(column)), "{shown}");
    }
}

#[test]
fn the_default_of_a_short_type_takes_all_memory() {
    for text in ["[u64; 500000000]", "[(); 4000000000]", "[[[u8; 1000]; 1000]; 1000]", "[[u32; 0]; 4000000000]"] {
        let described: Type = text.parse().unwrap();
        assert!(matches!(described.default_value(), Err(commy::Error::BadValue { .. })), "{text}");
    }
    let described: Type = "[[u8; 100]; 100]".parse().unwrap();
    let row = commy::dynamic::Value::Bytes(vec![0; 100]);
    assert_eq!(described.default_value().unwrap(), commy::dynamic::Value::List(vec![row; 100]));
}

#[test]
fn types_without_an_end_hang_or_overflow_the_stack() {
    let deep = format!("{}u8{}", "Vec<".repeat(10_000), ">".repeat(10_000));
    assert!(deep.parse::<Type>().is_err());
    // As many types as one likes, each of the one before, double at each step: names, not types.
    assert!("struct A<A<A>> { a: A }".parse::<Type>().is_err());
    assert!("[[[[u64; 60000]; 60000]; 60000]; 60000]".parse::<Type>().is_err());
    assert!("struct A { a: A } [A; 2]".parse::<Type>().is_err());
    assert!("struct A { a: B } struct B { b: [A; 1] } [A; 2]".parse::<Type>().is_err());
    assert!("#[repr(u8)] enum A { B = 170141183460469231731687303715884105727, C }".parse::<Type>().is_err());
    // Each twice in the next one, without a size.
    let twice = |n: usize| format!("struct T{} {{ a: T{n}, b: T{n} }} ", n + 1);
    let doubled = format!("struct T0; {} [T60; 2]", (0..60).map(twice).collect::<String>());
    assert_eq!(doubled.parse::<Type>().unwrap().name(), "[T60; 2]");
    // Each in the next one, known from containers by the time that their sizes are asked for.
    let next = |n: usize| format!("struct T{} {{ a: T{n} }} ", n + 1);
    let vectors = (1..100).map(|n| format!("v{n}: Vec<T{}>, ", n * 400)).collect::<String>();
    let chain = format!("struct T0; {}", (0..40_000).map(next).collect::<String>());
    assert!(format!("{chain} struct All {{ {vectors} last: T40000 }}").parse::<Type>().is_err());
}
