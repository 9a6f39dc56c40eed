//! Types as texts of strangers, and JSON of such a type: an error, or a type that is written and read as the same, and
//! values that are stored and loaded as the same.
//!
//! The input is a type and, behind a line of its own with `=`, a value as JSON; without one it is the type's default.
#![no_main]

use commy::Segment;
use commy::dynamic::{Missing, Type, Value};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// A segment for all, whose file has no name any more.
fn segment() -> &'static Segment {
    static SEGMENT: OnceLock<Segment> = OnceLock::new();
    SEGMENT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        Segment::options().max_size(16 << 20).create(folder.path().join("s.commy")).expect("create")
    })
}

fn value(described: &Type, json: Option<&str>) -> Option<Value> {
    match json {
        Some(text) => described.value_from_json(&serde_json::from_str(text).ok()?, Missing::Fill).ok(),
        None => described.default_value().ok(),
    }
}

fuzz_target!(|text: &str| {
    let (described, json) = text.split_once("\n=\n").map_or((text, None), |(described, json)| (described, Some(json)));
    let Ok(described) = described.parse::<Type>() else { return };
    let shown = described.to_string();
    assert_eq!(shown.parse::<Type>().unwrap_or_else(|error| panic!("{shown}: {error}")), described);
    let Some(value) = value(&described, json) else { return };
    let json = value.to_json();
    let read = described.value_from_json(&json, Missing::Refuse).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(read.to_json(), json);
    let Ok(object) = segment().create_dynamic("object", &described, &value) else { return };
    let stored = object.load().expect("what was stored a moment ago");
    // Maps have their own order, and sets have each element once.
    let again = described.value_from_json(&stored.to_json(), Missing::Refuse).expect("what was written");
    assert_eq!(again.to_json(), stored.to_json());
    segment().remove("object").expect("remove");
});
