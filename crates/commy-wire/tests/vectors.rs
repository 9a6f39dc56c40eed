//! The golden vectors: messages as JSON and as CBOR in hexadecimal digits, which both mean the same.
//!
//! `COMMY_BLESS=1` writes the CBOR of each vector and the schema anew; what is then different is a change of the protocol.

use commy_wire::{Call, Encoding, Message, Request, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bless() -> bool {
    std::env::var_os("COMMY_BLESS").is_some()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap()).collect()
}

/// Reads each vector in both encodings, and writes what was read: it must be what there was.
fn hold<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(file: &str) -> Vec<T> {
    let path = place("vectors").join(file);
    let mut vectors: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let mut all = Vec::new();
    for vector in &mut vectors {
        let text = vector["json"].to_string();
        let message: T = decode(Encoding::Json, text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(String::from_utf8(encode(Encoding::Json, &message)).unwrap(), text);
        let cbor = hex(&encode(Encoding::Cbor, &message));
        if bless() {
            vector["cbor"] = json!(cbor);
        }
        assert_eq!(vector["cbor"], json!(cbor), "{text}");
        assert_eq!(decode::<T>(Encoding::Cbor, &bytes(&cbor)).unwrap(), message);
        all.push(message);
    }
    if bless() {
        let lines: Vec<String> = vectors.iter().map(|vector| format!("  {vector}")).collect();
        std::fs::write(path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    all
}

#[test]
fn requests_are_the_same_in_both_encodings_and_each_kind_has_a_vector() {
    let seen: BTreeSet<&str> = hold::<Request>("requests.json").iter().map(|request| request.call.kind()).collect();
    let missing: Vec<&&str> = Call::KINDS.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "without a vector: {missing:?}");
}

#[test]
fn messages_are_the_same_in_both_encodings() {
    assert!(hold::<Message>("messages.json").len() > 20);
}

#[test]
fn a_request_with_something_unknown_in_it_is_refused() {
    for text in [
        r#"{"id":1,"call":{"ping":{}},"more":1}"#,
        r#"{"id":1,"call":{"ping":{"more":1}}}"#,
        r#"{"id":1,"call":{"get":{"object":"a","pth":"b"}}}"#,
        r#"{"id":1,"call":{"fly":{}}}"#,
        r#"{"id":-1,"call":{"ping":{}}}"#,
        r#"{"id":1,"call":{"ping":{}}} "#.trim_end_matches(' ').trim_end_matches('}'),
        "",
        "null",
    ] {
        assert!(decode::<Request>(Encoding::Json, text.as_bytes()).is_err(), "{text}");
    }
    let mut cbor = encode(Encoding::Cbor, &json!({"id": 1, "call": {"ping": {}}}));
    assert!(decode::<Request>(Encoding::Cbor, &cbor).is_ok());
    cbor.push(0);
    assert!(decode::<Request>(Encoding::Cbor, &cbor).is_err());
}

#[test]
fn the_published_schema_is_that_of_the_messages() {
    let path = place("../../docs/protocol.schema.json");
    let schema = serde_json::to_string_pretty(&commy_wire::schema()).unwrap() + "\n";
    if bless() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == schema, "run it with COMMY_BLESS=1 and look at the difference");
}

/// All names that a schema allows for a kind of thing.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
            ("const", Value::String(one)) => drop(found.insert(one.clone())),
            ("enum", Value::Array(all)) => found.extend(all.iter().filter_map(|one| one.as_str().map(str::to_owned))),
            (_, value) => names(value, found),
        }),
        Value::Array(all) => all.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn the_page_on_the_protocol_names_each_kind_of_request_and_each_code_and_its_requests_are_some() {
    let page = std::fs::read_to_string(place("../../docs/PROTOCOL.md")).unwrap();
    for kind in Call::KINDS {
        assert!(page.contains(&format!("`{kind}`")), "{kind}");
    }
    let (schema, mut codes) = (commy_wire::schema(), BTreeSet::new());
    names(&schema["message"]["$defs"]["Code"], &mut codes);
    assert!(codes.len() > 15, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let requests: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("-> ")).collect();
    assert!(!requests.is_empty());
    for request in requests {
        decode::<Request>(Encoding::Json, request.as_bytes()).unwrap_or_else(|error| panic!("{request}: {error}"));
    }
}
