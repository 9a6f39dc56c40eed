//! Any bytes in a segment file: checking, opening, reading, changing and removing neither crash nor hang; and where the
//! check finds nothing, nobody meets damage afterwards.
//!
//! The input is not the file but what is changed in a whole one: a byte says in which of them, then come pairs of a place
//! and a word, 12 bytes each. Random bytes alone would not get past the header's checksum.
#![no_main]

#[path = "../../crates/commy/tests/common/content.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod content;

use commy::{Error, Segment};
use content::{fill, try_all};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

fn options() -> commy::Options {
    Segment::options().max_size(8 << 20).lock_timeout(Duration::from_millis(20))
}

/// A folder in memory, if there is one: each input is a file.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

/// Whole files with a bit of everything: one that was closed, and one that was left within two transactions.
fn originals() -> &'static [Vec<u8>; 2] {
    static ORIGINALS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let folder = folder();
        let path = folder.path().join("s.commy");
        let segment = options().create(&path).expect("create");
        fill(&segment, 5).expect("fill");
        let left = {
            let list = segment.open::<Vec<String>>("all/list").expect("list");
            let tree = segment.open::<BTreeMap<String, Vec<u8>>>("all/tree").expect("tree");
            let mut list = list.write().expect("lock");
            let mut tree = tree.write().expect("lock");
            (0..50).try_for_each(|n| list.push("y".repeat(n)).map(drop)).expect("push");
            tree.clear().expect("clear");
            let left = std::fs::read(&path).expect("read");
            list.rollback();
            tree.rollback();
            left
        };
        drop(segment);
        [std::fs::read(&path).expect("read"), left]
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    let mut bytes = originals()[usize::from(which % 2)].clone();
    for change in changes.chunks_exact(12) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], change[3]]) as usize % (bytes.len() / 8);
        // Before that are the facts that the checksum covers.
        if place >= 8 {
            bytes[place * 8..place * 8 + 8].copy_from_slice(&change[4..]);
        }
    }
    let folder = folder();
    let path = folder.path().join("s.commy");
    std::fs::write(&path, bytes).expect("write");
    if let Ok(segment) = options().read_only(true).open(&path) {
        let _ = (segment.check(), segment.objects(), segment.participants());
        let _ = try_all(&segment, 1, false);
    }
    let Ok(segment) = options().open(&path) else { return };
    let found = segment.check();
    for name in segment.objects().unwrap_or_default() {
        let _ = segment.dynamic(&name).and_then(|object| object.load());
    }
    let errors = try_all(&segment, 1, true);
    if found.is_ok_and(|findings| findings.is_empty()) {
        let whole = |error: &Error| !matches!(error, Error::Corrupt { .. });
        assert!(errors.iter().all(whole), "found whole, but {errors:?}");
    }
    for name in segment.objects().unwrap_or_default() {
        let _ = segment.remove(&name);
    }
    let _ = (segment.recover(), segment.shrink_to_usage(), segment.check());
});
