//! Objects as lines of JSON: every type as it was, whatever its size, all or nothing.

mod desk;

use desk::Desk;

/// A type, and a value of it as JSON that leaves nothing to be read in two ways.
const TYPES: &[(&str, &str)] = &[
    ("()", "null"),
    ("bool", "true"),
    ("char", "\"\u{10ffff}\""),
    ("u8", "255"),
    ("u16", "65535"),
    ("u32", "4294967295"),
    ("u64", "\"18446744073709551615\""),
    ("u128", "\"340282366920938463463374607431768211455\""),
    ("usize", "7"),
    ("i8", "-128"),
    ("i16", "-32768"),
    ("i32", "-2147483648"),
    ("i64", "\"-9223372036854775808\""),
    ("i128", "\"-170141183460469231731687303715884105728\""),
    ("isize", "-7"),
    ("f32", "0.1"),
    ("f32", "\"NaN:7fc00001\""),
    ("f64", "1.7976931348623157e308"),
    ("f64", "\"-inf\""),
    ("f64", "-0.0"),
    ("Vec<f64>", "[5e-324,\"NaN\",\"inf\"]"),
    ("NonZeroU8", "1"),
    ("NonZeroI128", "-1"),
    ("Duration", "{\"secs\":\"18446744073709551615\",\"nanos\":999999999}"),
    ("String", "\"\\u0000\\n\u{fffd}\""),
    ("Vec<String>", "[\"\",\"a\"]"),
    ("Vec<u8>", "{\"hex\":\"00ff\"}"),
    ("VecDeque<i16>", "[-1,1]"),
    ("[u8; 3]", "{\"hex\":\"010203\"}"),
    ("[[u32; 2]; 2]", "[[1,2],[3,4]]"),
    ("HashMap<String, Vec<f32>>", "{\"a\":[0.5]}"),
    ("HashMap<u64, ()>", "[[1,null]]"),
    ("BTreeMap<(u8, String), Option<bool>>", "[[[1,\"x\"],null],[[1,\"y\"],true]]"),
    ("HashSet<char>", "[\"x\"]"),
    ("BTreeSet<[u8; 2]>", "[{\"hex\":\"0001\"},{\"hex\":\"0100\"}]"),
    ("Option<u8>", "null"),
    ("Vec<Option<Option<u8>>>", "[null,{\"Some\":null},7]"),
    ("Box<String>", "\"boxed\""),
    ("Result<u8, String>", "{\"Err\":\"no\"}"),
    ("(u8,)", "[1]"),
    ("(u8, i8, u8, i8, u8, i8, u8, String)", "[1,-1,1,-1,1,-1,1,\"x\"]"),
    ("struct Unit; Unit", "{}"),
    ("struct Pair(u8, String); Pair", "[1,\"x\"]"),
    ("struct User { name: String, tags: HashSet<u8> } User", "{\"name\":\"Ada\",\"tags\":[1]}"),
    ("struct Tree { name: u8, below: Vec<Tree> } Tree", "{\"name\":1,\"below\":[{\"name\":2,\"below\":[]}]}"),
    ("#[repr(u8)] enum Color { Red = 3, Blue = 200 } Vec<Color>", "[\"Red\",\"Blue\"]"),
    ("#[repr(i16)] enum Sign { Minus = -5, Plus = 5 } Vec<Sign>", "[\"Minus\",\"Plus\"]"),
    (
        "enum Shape { Nothing, Circle(f32), Line { to: (i8, i8) }, Both(u8, u8), In(Box<Shape>) } Vec<Shape>",
        "[\"Nothing\",{\"Circle\":0.5},{\"Line\":{\"to\":[1,-2]}},{\"Both\":[1,2]},{\"In\":{\"Circle\":1.5}}]",
    ),
    ("AtomicU64", "\"18446744073709551615\""),
    ("AtomicI8", "-1"),
    ("AtomicBool", "true"),
    ("[AtomicU32; 2]", "[1,2]"),
    ("struct Hits { ok: AtomicU64, bad: [AtomicI16; 2] } Hits", "{\"ok\":1,\"bad\":[-1,1]}"),
];

#[test]
fn a_type_is_not_as_it_was_after_export_and_import() {
    let desk = Desk::new();
    for (number, (described, value)) in TYPES.iter().enumerate() {
        let name = format!("object/{number}");
        desk.good(&["create", "s", &name, described, value]);
        let json: serde_json::Value = serde_json::from_str(value).unwrap();
        let seen: serde_json::Value = serde_json::from_str(&desk.good(&["get", "--json", "s", &name])).unwrap();
        assert_eq!(seen, json, "{described}");
        // What it shows is taken again.
        desk.good(&["set", "s", &name, "", value]);
    }
    let lines = desk.good(&["export", "s"]);
    assert_eq!(lines.lines().count(), TYPES.len());
    let (success, _, complained) = desk.run(&["import", "t"], &lines);
    assert!(success, "{complained}");
    assert_eq!(desk.good(&["export", "t"]), lines);
    assert_eq!(desk.good(&["check", "t"]), format!("whole: {} objects\n", TYPES.len()));
}

#[test]
fn objects_of_many_parts_are_not_as_they_were() {
    let desk = Desk::new();
    let segment = commy::Segment::create(desk.file("s")).unwrap();
    let text = |n: u32| format!("text {n}");
    segment.open_or_create_with("vec", || (0..5500).map(text).collect::<Vec<_>>()).unwrap();
    segment.open_or_create_with("deque", || (0..2000).collect::<std::collections::VecDeque<u32>>()).unwrap();
    segment.open_or_create_with("bytes", || (0..200_000).map(|n| n as u8).collect::<Vec<u8>>()).unwrap();
    segment
        .open_or_create_with("hash", || (0..3001).map(|n| (n, text(n))).collect::<std::collections::HashMap<_, _>>())
        .unwrap();
    segment
        .open_or_create_with("tree", || (0..3001).map(|n| (text(n), n)).collect::<std::collections::BTreeMap<_, _>>())
        .unwrap();
    segment.open_or_create_with("set", || (0..3000).map(text).collect::<std::collections::BTreeSet<_>>()).unwrap();
    drop(segment);
    let lines = desk.good(&["export", "s"]);
    assert!(lines.lines().all(|line| line.len() < 200_000), "a part is not a part");
    let (success, _, complained) = desk.run(&["import", "t"], &lines);
    assert!(success, "{complained}");
    let (from, to) = (commy::Segment::open(desk.file("s")).unwrap(), commy::Segment::open(desk.file("t")).unwrap());
    assert_eq!(from.objects().unwrap(), to.objects().unwrap());
    for name in ["vec", "deque", "bytes", "tree", "set"] {
        assert!(from.dynamic(name).unwrap().load().unwrap() == to.dynamic(name).unwrap().load().unwrap(), "{name}");
    }
    type Hash = std::collections::HashMap<u32, String>;
    assert!(from.open::<Hash>("hash").unwrap().load().unwrap() == to.open::<Hash>("hash").unwrap().load().unwrap());
    assert_eq!(to.check().unwrap(), []);
}

#[test]
fn a_float_is_its_neighbour_after_export_and_import() {
    let desk = Desk::new();
    // Drawn bits: numbers of all sizes, subnormal ones and some that are none.
    let bits = (1..3000u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let doubles: Vec<f64> = bits.clone().map(|bits| f64::from_bits(bits ^ bits >> 31)).collect();
    let singles: Vec<f32> = bits.map(|bits| f32::from_bits((bits ^ bits >> 31) as u32)).collect();
    let segment = commy::Segment::create(desk.file("s")).unwrap();
    segment.open_or_create_with("doubles", || doubles).unwrap();
    segment.open_or_create_with("singles", || singles).unwrap();
    let (success, _, complained) = desk.run(&["import", "t"], &desk.good(&["export", "s"]));
    assert!(success, "{complained}");
    let other = commy::Segment::open(desk.file("t")).unwrap();
    for name in ["doubles", "singles"] {
        // Equal values have equal bits.
        let [was, is] = [&segment, &other].map(|segment| segment.dynamic(name).unwrap().load().unwrap());
        assert!(was == is, "{name}");
    }
}

#[test]
fn half_of_an_object_is_there_under_its_name() {
    let desk = Desk::new();
    let list = |entries: u64, parts: &[&str]| {
        let head = format!("{{\"name\":\"list\",\"type\":\"Vec<u8>\",\"entries\":{entries}}}\n");
        head + &parts.iter().map(|part| format!("{{\"part\":{part}}}\n")).collect::<String>()
    };
    for (lines, complaint) in [
        (list(5, &["[1,2]", "[3]"]), "2 entries of \"list\" are missing"),
        (list(2, &["[1,2]", "[3]"]), "more entries"),
        (list(4, &["[1,2]", "[300,4]"]), "line 3"),
        (list(4, &["[1,2]", "7"]), "line 3"),
        (list(2, &["[1,2]", "[]"]) + "{", "line 4"),
    ] {
        let (success, _, complained) = desk.run(&["import", "s"], &lines);
        assert!(!success && complained.contains(complaint), "{complained}");
        let names = commy::Segment::open(desk.file("s")).unwrap().objects().unwrap();
        assert!(names.is_empty(), "{names:?}: {complained}");
    }
    // What is there already stays.
    desk.good(&["create", "s", "list", "Vec<u8>", "[1, 2]"]);
    assert!(desk.run(&["import", "s"], &list(1, &["[9]"])).2.contains("exists already"));
    assert_eq!(desk.good(&["get", "--json", "s", "list"]), "{\"hex\":\"0102\"}\n");
}

#[test]
fn a_struct_that_gained_a_field_cannot_be_had_with_it() {
    // As the guide tells: export, remove, import with the new type.
    let desk = Desk::new();
    let old = "struct Task { id: u64, work: String } BTreeMap<u32, Task>";
    let new = "struct Task { id: u64, work: String, tries: u32, tags: Vec<String> } BTreeMap<u32, Task>";
    let tasks: String = (0..1500).map(|n| format!("[{n},{{\"id\":{n},\"work\":\"w{n}\"}}],")).collect();
    let all = format!(r#"{{"name":"tasks","type":"{old}","value":[{}]}}"#, tasks.trim_end_matches(','));
    assert!(desk.run(&["import", "s"], &all).0);
    let lines = desk.good(&["export", "s", "tasks"]);
    desk.good(&["rm", "s", "tasks"]);
    let refused = desk.run(&["import", "s", "--type", new], &lines);
    assert!(!refused.0 && refused.2.contains("tries"), "{}", refused.2);
    assert!(desk.run(&["import", "s", "--type", new, "--fill"], &lines).0);
    let task = desk.good(&["get", "--json", "s", "tasks", "1499"]);
    assert_eq!(task, "{\"id\":1499,\"work\":\"w1499\",\"tries\":0,\"tags\":[]}\n");
}
