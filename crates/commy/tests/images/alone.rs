//! What is done to a file that nobody else has open: formatting, attaching, leaving.

use crate::judge::{judge_alone, patient};
use crate::scenarios::{objects, print, text, x};
use commy::Segment;
use std::path::Path;

/// An empty file, or one of zeros.
fn blank(path: &Path, len: u64) {
    std::fs::File::create(path).and_then(|file| file.set_len(len)).expect("a blank file");
}

#[test]
fn formatted() {
    for (name, len) in [("alone: an empty file formatted", 0), ("alone: a file of zeros formatted", 80 << 10)] {
        let open = |path: &Path| patient().initial_size(64 << 10).max_size(1 << 20).open_or_create(path);
        let report = judge_alone(
            name,
            |path| blank(path, len),
            |path| drop(open(path).expect("format")),
            open,
            |segment| format!("{} bytes, {}", segment.size(), objects::<u64>(segment)),
        );
        print(name, &report);
    }
}

/// A segment with a number, left in order.
fn left(path: &Path) {
    let segment = Segment::options().initial_size(64 << 10).max_size(1 << 20).create(path).expect("create");
    x::<Vec<u64>>(&segment).store(vec![5]).expect("store");
}

#[test]
fn attached_and_left_alone() {
    let name = "alone: attach and leave";
    let report = judge_alone(
        name,
        left,
        |path| drop(Segment::open(path).expect("open")),
        |path| patient().open(path),
        text::<Vec<u64>>,
    );
    print(name, &report);
}

#[test]
fn attached_changed_and_left() {
    let name = "alone: attach, change, leave";
    let report = judge_alone(
        name,
        left,
        |path| x::<Vec<u64>>(&Segment::open(path).expect("open")).push(6).expect("push"),
        |path| patient().open(path),
        text::<Vec<u64>>,
    );
    print(name, &report);
}
