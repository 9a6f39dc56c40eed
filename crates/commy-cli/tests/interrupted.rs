//! Interrupted at any moment: the segment is whole, and nothing is half there.
#![cfg(unix)]

mod desk;

use desk::Desk;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

/// Lets a command heed interrupts, which who runs these tests in the background may have it ignore.
fn heeding(command: &mut Command) -> &mut Command {
    // SAFETY: sets a signal's action to the default, which may be done between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        })
    }
}

/// Runs a command again and again, each time interrupted later, until it comes to its end; and looks each time. How long
/// that takes is taken from the quickest run so far, since others may have slowed the first one.
fn interrupted(arguments: &[&str], input: &[u8], prepare: impl Fn(&Desk), look: impl Fn(&Desk)) {
    let (mut whole, mut stopped) = (Duration::MAX, 0);
    for round in 0.. {
        if round >= 40 && stopped > 5 {
            return;
        }
        assert!(round < 400, "{arguments:?} was interrupted {stopped} times only");
        let desk = Desk::new();
        prepare(&desk);
        let begin = Instant::now();
        let mut child = heeding(&mut desk.command(arguments)).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let pause = if round > 0 { whole * (round % 20) / 20 } else { Duration::ZERO };
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
        assert!(round > 0 || ended.success(), "{arguments:?}");
        if ended.success() {
            whole = whole.min(begin.elapsed());
        }
        stopped += u32::from(!ended.success());
        if desk.file("s").exists() && std::fs::metadata(desk.file("s")).unwrap().len() > 0 {
            let segment = commy::Segment::open_or_create(desk.file("s")).unwrap();
            assert_eq!(segment.check().unwrap(), [], "{arguments:?} after {pause:?}");
            // Nobody is kept from changing it.
            segment.open_or_create::<u64>("importing/after").unwrap().store(1).unwrap();
        }
        look(&desk);
    }
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
fn a_check_that_is_interrupted_keeps_writers_waiting() {
    interrupted(&["check", "s"], b"", fill, |_| {});
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
        let objects = commy::Segment::open(desk.file("s")).unwrap().objects_under("list/").unwrap().len();
        assert!(objects == 9 || objects == 10, "{objects} objects");
    });
}

/// The processes that a process has started.
#[cfg(target_os = "linux")]
fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Waits until something is so.
#[cfg(target_os = "linux")]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn who_starts_processes_leaves_them_or_its_file_behind_when_it_is_interrupted() {
    let desk = Desk::new();
    std::fs::create_dir(desk.file("texts")).unwrap();
    for n in 0..2000 {
        std::fs::write(desk.file(&format!("texts/{n}.txt")), format!("text {n} ").repeat(2000)).unwrap();
    }
    for (arguments, prefix) in [
        (&["stress", "--processes", "2", "--seconds", "600"][..], "commy-stress-"),
        (&["demo", "--workers", "2", "--corpus", "texts", "--kill-every", "0"], "commy-demo-"),
    ] {
        let mut child = desk.command(arguments).spawn().unwrap();
        let mine = format!("{prefix}{}", child.id());
        let files = || {
            let all = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
            all.filter(|name| name.to_string_lossy().starts_with(&mine)).count()
        };
        let mut workers = Vec::new();
        wait_for("it starts nobody", || {
            workers = children(child.id());
            workers.len() == 2 && files() == 1
        });
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
        assert_eq!(files(), 0, "{arguments:?}");
        let is_there = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        wait_for("a worker goes on", || !workers.iter().any(is_there));
    }
}
