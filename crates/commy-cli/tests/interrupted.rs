//! Interrupted at any moment: the segment is whole, and nothing is half there.
#![cfg(unix)]

mod desk;

use desk::Desk;
use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

/// Runs a command again and again, each time interrupted later, until it comes to its end; and looks each time.
fn interrupted(arguments: &[&str], input: &[u8], prepare: impl Fn(&Desk), look: impl Fn(&Desk)) {
    let mut whole = Duration::from_millis(1);
    let mut stopped = 0;
    for round in 0..40u32 {
        let desk = Desk::new();
        prepare(&desk);
        let begin = Instant::now();
        let mut child = desk.command(arguments).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let pause = whole * (round % 20) / 20;
        let ended = std::thread::scope(|scope| {
            scope.spawn(move || drop(to.write_all(input)));
            if round > 0 {
                while begin.elapsed() < pause {
                    std::hint::spin_loop();
                }
                interrupt(&child);
            }
            child.wait().unwrap()
        });
        if round == 0 {
            assert!(ended.success(), "{arguments:?}");
            whole = begin.elapsed();
        }
        stopped += u32::from(!ended.success());
        if desk.file("s").exists() && std::fs::metadata(desk.file("s")).unwrap().len() > 0 {
            let segment = commy::Segment::open_or_create(desk.file("s")).unwrap();
            assert_eq!(segment.check().unwrap(), [], "{arguments:?} after {pause:?}");
        }
        look(&desk);
    }
    assert!(stopped > 5, "{arguments:?} was interrupted {stopped} times only");
}

/// A segment with something to do.
fn fill(desk: &Desk) {
    let segment = commy::Segment::create(desk.file("s")).unwrap();
    for n in 0..20u32 {
        segment.open_or_create_with(&format!("list/{n}"), || vec![n; 50_000]).unwrap();
    }
    (0..20).step_by(2).for_each(|n| segment.remove(&format!("list/{n}")).unwrap());
}

#[test]
fn an_import_that_is_interrupted_leaves_half_an_object() {
    let mut lines = String::new();
    for object in 0..4 {
        lines += &format!("{{\"name\":\"object {object}\",\"type\":\"BTreeMap<u64, String>\",\"entries\":5000}}\n");
        for part in 0..5 {
            let entries = (0..1000).map(|n| format!("[{},\"text\"]", part * 1000 + n)).collect::<Vec<_>>().join(",");
            lines += &format!("{{\"part\":[{entries}]}}\n");
        }
    }
    interrupted(
        &["import", "s"],
        lines.as_bytes(),
        |_| {},
        |desk| {
            let Ok(segment) = commy::Segment::open(desk.file("s")) else { return };
            for name in segment.objects().unwrap().iter().filter(|name| !name.starts_with("importing/")) {
                assert_eq!(segment.dynamic(name).unwrap().len("").unwrap(), Some(5000), "{name}");
            }
        },
    );
}

#[test]
fn a_shrink_that_is_interrupted_leaves_a_damaged_file() {
    interrupted(&["shrink", "s"], b"", fill, |_| {});
}

#[test]
fn a_snapshot_that_is_interrupted_is_there_half() {
    interrupted(&["snapshot", "s", "copy"], b"", fill, |desk| {
        if desk.file("copy").exists() {
            assert_eq!(commy::Segment::open(desk.file("copy")).unwrap().check().unwrap(), []);
        }
    });
}

#[test]
fn a_restore_that_is_interrupted_loses_both() {
    let prepare = |desk: &Desk| {
        fill(desk);
        desk.good(&["snapshot", "s", "copy"]);
        desk.good(&["rm", "s", "list/1"]);
    };
    interrupted(&["restore", "--replace", "s", "copy"], b"", prepare, |desk| {
        let objects = commy::Segment::open(desk.file("s")).unwrap().objects().unwrap().len();
        assert!(objects == 9 || objects == 10, "{objects} objects");
    });
}
