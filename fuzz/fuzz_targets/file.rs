//! Any bytes in a segment file: checking, opening, reading and removing neither crash nor hang.
//!
//! Run, with a nightly compiler and cargo-fuzz:
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run file -- -max_len=4096 -timeout=1
//! ```
//!
//! The input is not the file but what is changed in a whole one: pairs of a place and a word, 12 bytes each. Random
//! bytes alone would not get past the header's checksum.
#![no_main]

use commy::Segment;
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

/// A whole file with a bit of everything.
fn original() -> &'static [u8] {
    static ORIGINAL: OnceLock<Vec<u8>> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.commy");
        let segment = Segment::options().max_size(8 << 20).create(&path).expect("create");
        let text = |n: u64| "text ".repeat(n as usize);
        let fill = || -> commy::Result<()> {
            segment.open_or_create_with("map", || (0..30).map(|n| (text(n), n)).collect::<HashMap<_, _>>())?;
            segment.open_or_create_with("tree", || (0..80).map(|n| (n, text(n % 9))).collect::<BTreeMap<_, _>>())?;
            segment.open_or_create_with("list", || (0..30).map(text).collect::<Vec<_>>())?;
            segment.open_or_create_with("queue", || (0..30).collect::<VecDeque<u64>>())?;
            segment.open_or_create_with("gone", || 7u64)?;
            segment.remove("gone")
        };
        fill().expect("fill");
        drop(segment);
        std::fs::read(path).expect("read")
    })
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = original().to_vec();
    for change in data.chunks_exact(12) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], change[3]]) as usize % (bytes.len() / 8);
        // Before that are the facts that the checksum covers.
        if place >= 8 {
            bytes[place * 8..place * 8 + 8].copy_from_slice(&change[4..]);
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("s.commy");
    std::fs::write(&path, bytes).expect("write");
    let Ok(segment) = Segment::options().lock_timeout(Duration::from_millis(20)).open(&path) else { return };
    let _ = segment.check();
    let _ = segment.open::<HashMap<String, u64>>("map").and_then(|map| map.load());
    let _ = segment.open::<BTreeMap<u64, String>>("tree").and_then(|tree| tree.load());
    let _ = segment.open::<Vec<String>>("list").and_then(|list| list.load());
    for name in segment.objects().unwrap_or_default() {
        let _ = segment.remove(&name);
    }
    let _ = segment.check();
});
