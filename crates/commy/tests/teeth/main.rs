//! Whether the tests bite: the library with one fault at a time has to fail the test that is named beside the fault.
//!
//! ```text
//! scratch copy of the sources     all faults are put in at once, each behind a question: is it mine that was chosen?
//! two builds                      one for the tests, then one for the model checker
//! each fault                      its test passes without it, and fails, hangs or crashes with it
//! ```
//!
//! Unless told more, this looks only whether every
//! fault still has its place in the source, and its line in `docs/RELIABILITY.md`; the rest is
//!
//! ```text
//! COMMY_TEETH=all cargo test --test teeth -- --nocapture          half an hour; COMMY_TEETH=tx for a room
//! COMMY_TEETH="slab that" cargo test --test teeth -- --nocapture     those that are called so
//! ```
#![cfg(target_os = "linux")]

mod mutants;

use mutants::{Kind, MUTANTS, Mutant};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Which fault is chosen, by its number.
const CHOSEN: &str = "COMMY_MUTANT";
/// Longer than any of the tests takes.
const PATIENCE: Duration = Duration::from_secs(300);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Where the only place of `old` in a source is; any white space in either matches any in the other.
fn place(source: &str, old: &str) -> Result<std::ops::Range<usize>, String> {
    let wanted: Vec<char> = old.chars().filter(|c| !c.is_whitespace()).collect();
    let there: Vec<(usize, char)> = source.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    let found: Vec<usize> = (0..there.len().saturating_sub(wanted.len()))
        .filter(|at| there[*at..].iter().zip(&wanted).all(|((_, is), wanted)| is == wanted))
        .collect();
    match found[..] {
        [at] => Ok(there[at].0..there[at + wanted.len() - 1].0 + there[at + wanted.len() - 1].1.len_utf8()),
        _ => Err(format!("is {} times in the source: {old}", found.len())),
    }
}

/// The text that stands for the old one in the scratch copy.
fn switch(number: usize, mutant: &Mutant, old: &str) -> String {
    let chosen = format!("crate::mutant({number})");
    if mutant.new.contains("MUTANT") {
        return mutant.new.replace("MUTANT", &chosen);
    }
    format!("if {chosen} {{ {} }} else {{ {old} }}", mutant.new)
}

/// All sources with faults in them, by their files in `src/`.
fn with_faults() -> HashMap<&'static str, String> {
    let mut places: HashMap<&str, Vec<(std::ops::Range<usize>, usize)>> = HashMap::new();
    let read = |file: &str| std::fs::read_to_string(workspace().join("crates/commy/src").join(file)).expect("a source");
    for (number, mutant) in MUTANTS.iter().enumerate() {
        let place = place(&read(mutant.file), mutant.old);
        let place = place.unwrap_or_else(|error| panic!("{} ({}): {error}", mutant.what, mutant.file));
        places.entry(mutant.file).or_default().push((place, number));
    }
    let changed = places.into_iter().map(|(file, mut places)| {
        places.sort_by_key(|(place, _)| place.start);
        assert!(places.windows(2).all(|two| two[0].0.end <= two[1].0.start), "{file}: two in one place");
        let mut source = read(file);
        for (place, number) in places.into_iter().rev() {
            let new = switch(number, &MUTANTS[number], &source[place.clone()]);
            source.replace_range(place, &new);
        }
        (file, source)
    });
    changed.collect()
}

/// What tells in the scratch copy which one is chosen.
const ASK: &str = r#"
/// Whether this is the fault that was chosen.
pub(crate) fn mutant(number: u32) -> bool {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CHOSEN: AtomicU32 = AtomicU32::new(u32::MAX);
    let mut chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == u32::MAX {
        chosen = std::env::var("COMMY_MUTANT").map_or(u32::MAX - 1, |number| number.parse().expect("a number"));
        CHOSEN.store(chosen, Ordering::Relaxed);
    }
    chosen == number
}
"#;

/// All files of all crates of a workspace.
fn files_of(workspace: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![PathBuf::from("crates")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(workspace.join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let is_folder = entry.file_type().expect("its kind").is_dir();
            if is_folder { &mut folders } else { &mut files }.push(folder.join(entry.file_name()));
        }
    }
    files
}

/// A scratch copy with all faults, in a folder that is used again, so that it is built quickly.
fn scratch() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let (copy, mut faulty) = (target.join("teeth"), with_faults());
    let root = std::fs::read_to_string(workspace().join("crates/commy/src/lib.rs")).expect("lib.rs");
    faulty.insert("lib.rs", root + ASK);
    let mut files = files_of(&workspace());
    // What is left of earlier copies would be built, too.
    let old = if copy.exists() { files_of(&copy) } else { Vec::new() };
    old.iter().filter(|old| !files.contains(old)).for_each(|old| std::fs::remove_file(copy.join(old)).expect("remove"));
    files.extend(["Cargo.toml", "Cargo.lock", "README.md"].map(PathBuf::from));
    for file in files {
        let source = file.strip_prefix("crates/commy/src").ok().and_then(|file| faulty.remove(file.to_str()?));
        let text = source.map_or_else(|| std::fs::read(workspace().join(&file)).expect("a file"), String::into_bytes);
        if std::fs::read(copy.join(&file)).ok().as_ref() != Some(&text) {
            std::fs::create_dir_all(copy.join(&file).parent().expect("a folder")).expect("a folder");
            std::fs::write(copy.join(&file), text).expect("write a file");
        }
    }
    assert!(faulty.is_empty(), "not in the sources: {:?}", faulty.keys());
    copy
}

/// Builds these tests of the copy, and gives their programs by the name of the test file, `lib` for those in `src/`.
fn build(copy: &Path, tests: &[&str], flags: &str) -> HashMap<String, PathBuf> {
    let folder = copy.join(if flags.is_empty() { "target" } else { "target-loom" });
    // Faults are no good style.
    let flags = format!("{flags} --cap-lints=warn");
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.args(["test", "--release", "-p", "commy", "--no-run", "--lib"]);
    cargo.args(tests.iter().flat_map(|test| ["--test", test]));
    cargo
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", flags)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    let output = cargo.stderr(Stdio::piped()).output().expect("cargo");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let programs = said.lines().filter_map(|line| {
        let (what, program) = line.trim().strip_prefix("Executable ")?.strip_suffix(')')?.split_once(" (")?;
        let name = what.strip_prefix("tests/").map(|name| name.trim_end_matches("/main.rs").trim_end_matches(".rs"));
        Some((name.unwrap_or("lib").to_string(), copy.join(program)))
    });
    programs.collect()
}

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Passed,
    Failed,
    /// It was ended when its time was over.
    Hung,
}

/// Runs a test; gives what became of it, and how long that took.
fn run(program: &Path, mutant: &Mutant, chosen: Option<usize>, patience: Duration) -> (End, Duration) {
    let mut test = Command::new(program);
    test.arg(mutant.test).current_dir(workspace().join("crates/commy")).stdout(Stdio::null()).stderr(Stdio::null());
    // That it fails is enough: drawn input that shows a fault is neither made smaller, which can take minutes, nor noted.
    test.env("PROPTEST_MAX_SHRINK_ITERS", "0").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    if let Some(number) = chosen {
        test.env(CHOSEN, number.to_string());
    }
    let begin = Instant::now();
    let mut child = test.spawn().expect("start a test");
    loop {
        match child.try_wait().expect("wait for a test") {
            Some(status) => return (if status.success() { End::Passed } else { End::Failed }, begin.elapsed()),
            None if begin.elapsed() > patience => {
                child.kill().and_then(|()| child.wait()).expect("end a test");
                return (End::Hung, begin.elapsed());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn every_fault_has_its_place_in_the_source_and_its_line_in_the_document() {
    with_faults();
    let document = std::fs::read_to_string(workspace().join("docs/RELIABILITY.md")).expect("the document");
    let missing: Vec<String> = MUTANTS.iter().map(line).filter(|line| !document.contains(line)).collect();
    assert!(missing.is_empty(), "not in docs/RELIABILITY.md:\n{}", missing.join("\n"));
}

/// A fault in the document's table.
fn line(mutant: &Mutant) -> String {
    let file = match mutant.kind {
        Kind::Unit => "unit",
        Kind::Loom => "loom",
        kind => file(kind).expect("a file"),
    };
    format!("| {} | {} | {file}: `{}` |", mutant.room, mutant.what, mutant.test)
}

/// The file of `tests/` that has the test, if it is in one.
fn file(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::File(name) => Some(name),
        Kind::Images => Some("images"),
        Kind::Unit | Kind::Loom => None,
    }
}

#[test]
fn every_fault_is_caught() {
    let Ok(room) = std::env::var("COMMY_TEETH") else { return };
    let is_wanted = |mutant: &Mutant| room == "all" || mutant.room == room || mutant.what.contains(&room);
    let wanted: Vec<_> = MUTANTS.iter().enumerate().filter(|(_, mutant)| is_wanted(mutant)).collect();
    assert!(!wanted.is_empty(), "no fault is called {room}");
    let (loom, plain): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, mutant)| mutant.kind == Kind::Loom);
    let (copy, mut missed) = (scratch(), Vec::new());
    for (mutants, flags) in [(plain, ""), (loom, "--cfg loom")] {
        let mut files: Vec<&str> = mutants.iter().filter_map(|(_, mutant)| file(mutant.kind)).collect();
        files.sort_unstable();
        files.dedup();
        let programs = if mutants.is_empty() { HashMap::new() } else { build(&copy, &files, flags) };
        let mut sound = HashMap::new();
        for (number, mutant) in mutants {
            let program = &programs[file(mutant.kind).unwrap_or("lib")];
            let sound = sound.entry((program, mutant.test)).or_insert_with(|| run(program, mutant, None, PATIENCE));
            assert_eq!(sound.0, End::Passed, "{} without any fault", mutant.test);
            // A fault that makes a test hang is caught, too.
            let (end, time) = run(program, mutant, Some(number), PATIENCE.min(sound.1 * 10 + PATIENCE / 5));
            println!("{:11} {end:?} {time:6.1?} {}", mutant.room, line(mutant));
            if end == End::Passed {
                missed.push(line(mutant));
            }
        }
    }
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}
