//! Writes what the fuzzer begins with into `corpus`: the golden vectors of the coordinator's messages in both encodings,
//! and types of all kinds with values.
//!
//! `cargo run --example seeds`, in this folder.

use serde_json::Value;
use std::io::Result;
use std::path::PathBuf;

const TYPES: &[&str] = &[
    "HashMap<String, Vec<f32>>\n=\n{\"a\":[0.5,\"NaN\"],\"b\":[]}",
    "BTreeMap<(u8, String), Option<bool>>\n=\n[[[1,\"x\"],null],[[1,\"y\"],true]]",
    "struct Task { id: u64, work: String } VecDeque<Task>\n=\n[{\"id\":1,\"work\":\"resize\"}]",
    "struct Tree { name: u8, below: Vec<Tree> } Tree\n=\n{\"name\":1,\"below\":[{\"name\":2,\"below\":[]}]}",
    "#[repr(i16)] enum Sign { Minus = -5, Plus = 5 } Vec<Sign>\n=\n[\"Minus\",\"Plus\"]",
    "enum Shape { Nothing, Circle(f32), Line { to: (i8, i8) }, In(Box<Shape>) } Vec<Shape>\n=\n[\"Nothing\",{\"In\":{\"Circle\":1.5}}]",
    "struct Hits { ok: AtomicU64, bad: [AtomicI16; 2] } Hits\n=\n{\"ok\":1,\"bad\":[-1,1]}",
    "#[repr(C, align(32))] struct Wide { byte: u8, flags: [bool; 3] } [Wide; 2]",
    "Result<BTreeSet<[u8; 2]>, NonZeroI128>\n=\n{\"Err\":\"-170141183460469231731687303715884105728\"}",
    "(u8, Duration, char, Vec<u8>, Option<Option<()>>)\n=\n[1,{\"secs\":1,\"nanos\":5},\"x\",{\"hex\":\"00ff\"},{\"Some\":null}]",
];

fn main() -> Result<()> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (frames, types) = (own.join("corpus/frame"), own.join("corpus/types"));
    std::fs::create_dir_all(&frames)?;
    std::fs::create_dir_all(&types)?;
    for kind in ["requests", "messages"] {
        let vectors = std::fs::read_to_string(own.join(format!("../crates/commy-wire/vectors/{kind}.json")))?;
        let vectors: Vec<Value> = serde_json::from_str(&vectors)?;
        for (number, vector) in vectors.iter().enumerate() {
            let digits = vector["cbor"].as_str().unwrap_or_default().as_bytes().chunks(2);
            let byte = |digits: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(digits), 16).unwrap_or_default();
            std::fs::write(frames.join(format!("{kind}-{number}.json")), vector["json"].to_string())?;
            std::fs::write(frames.join(format!("{kind}-{number}.cbor")), digits.map(byte).collect::<Vec<_>>())?;
        }
    }
    for (number, text) in TYPES.iter().enumerate() {
        std::fs::write(types.join(number.to_string()), text)?;
    }
    Ok(())
}
