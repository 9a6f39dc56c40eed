//! Runs what the documents show, and checks what they say about files and errors.
//!
//! `cargo test -p commy-docs` runs each Rust block as a process of its own, in a new folder for each document: what one
//! program leaves is what the next one finds, as for the reader. A block that is followed by a `text` block has to print
//! that. Words on the command line choose blocks by their place, such as `GUIDE.md:57`.
//!
//! In the quick start, programs have names (`// src/bin/count.rs`) and are run by the `sh` blocks that follow them; there
//! `cargo run --bin count` means the block of that name, as it was compiled with this program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio, Termination};
use std::time::{Duration, Instant};
use std::{env, fs};

/// A program of a document.
struct Block {
    document: &'static str,
    /// The document and the line.
    place: &'static str,
    action: Action,
    prints: Option<&'static str>,
}

enum Action {
    Program { file: Option<&'static str>, main: fn() -> ExitCode },
    Script(&'static str),
}

include!(concat!(env!("OUT_DIR"), "/blocks.rs"));

/// Tells a process which block it is, by its place or by its file. What it starts is the same program.
const PROGRAM: &str = "COMMY_DOCUMENT_PROGRAM";
/// Where the reader types commands.
const TYPED: &str = "docs/QUICKSTART.md";
/// What the reader's cargo does, as far as it is needed here: run the blocks, compiled with this program.
const CARGO: &str = r#"
cargo() {
    case "$1" in
    new) mkdir "$2" ;;
    run)
        shift
        file=main.rs
        if [ "$1" = --bin ]; then file="bin/$2.rs"; fi
        COMMY_DOCUMENT_PROGRAM="$file" "$DOCUMENTS"
        ;;
    esac
}
"#;
const PATIENCE: Duration = Duration::from_secs(60);
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn main() -> ExitCode {
    if let Ok(program) = env::var(PROGRAM) {
        let mut mains = BLOCKS.iter().filter_map(|block| match block.action {
            Action::Program { file, main } if block.place == program || file == Some(&program) => Some(main),
            _ => None,
        });
        return mains.next_back().unwrap_or_else(|| panic!("there is no program {program}"))();
    }
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |place: &str| words.is_empty() || words.iter().any(|word| place.contains(word.as_str()));
    let mut folders: BTreeMap<&str, tempfile::TempDir> = BTreeMap::new();
    let mut complaints: Vec<String> = Vec::new();
    for block in BLOCKS.iter().filter(|block| chosen(block.place)) {
        let folder = folders.entry(block.document).or_insert_with(|| tempfile::tempdir().expect("a folder"));
        // What the README shows is to be run twice on one file.
        let times = if block.document == "README.md" { 2 } else { 1 };
        if let Err(complaint) = (0..times).try_for_each(|_| run(block, folder.path())) {
            complaints.push(format!("{}: {complaint}", block.place));
        }
    }
    if words.is_empty() {
        complaints.extend(broken_links());
        complaints.extend(unexplained_errors());
        if !read("README.md").contains(&read("crates/commy/examples/readme.rs")) {
            complaints.push("README.md: its program is not that of crates/commy/examples/readme.rs".into());
        }
    }
    complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
    println!("{} programs of the documents, {} complaints", BLOCKS.len(), complaints.len());
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).expect(path)
}

/// Runs a block in a folder, and compares what it prints.
fn run(block: &Block, folder: &Path) -> Result<(), String> {
    let (out, err) = (folder.join(".stdout"), folder.join(".stderr"));
    let file = |path: &Path| Stdio::from(fs::File::create(path).expect("a file for output"));
    let own_path = env::current_exe().expect("the path of this program");
    let mut command = match block.action {
        Action::Program { file: Some(_), .. } if cfg!(unix) && block.document == TYPED => return Ok(()),
        Action::Program { .. } => {
            let mut command = Command::new(own_path);
            command.env(PROGRAM, block.place);
            command
        }
        Action::Script(script) if cfg!(unix) && block.document == TYPED => {
            let mut command = Command::new("sh");
            command.args(["-e", "-c", &format!("{CARGO}\n{script}")]).env("DOCUMENTS", own_path);
            command
        }
        Action::Script(_) => return Ok(()),
    };
    command.current_dir(folder).stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
    let mut child = command.spawn().map_err(|e| format!("does not start: {e}"))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("does not end within {PATIENCE:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    if !status.success() {
        return Err(format!("{status}: {}", text(&err)));
    }
    match (block.prints, text(&out)) {
        (Some(expected), printed) if expected != printed => Err(format!("prints\n{printed}where it says\n{expected}")),
        _ => Ok(()),
    }
}

/// Links to files and headings that are not there.
fn broken_links() -> Vec<String> {
    let mut complaints = Vec::new();
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "docs/RELIABILITY.md",
        "docs/QUICKSTART.md",
        "docs/USER_GUIDE.md",
    ];
    for document in documents {
        let path = Path::new(ROOT).join(document);
        let text = read(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let is_there = if heading.is_empty() {
                target.exists()
            } else {
                fs::read_to_string(&target).is_ok_and(|text| headings(&text).any(|name| name == heading))
            };
            if !is_there {
                complaints.push(format!("{document}: nothing is at {link}"));
            }
        }
    }
    complaints
}

/// The names by which headings are linked to.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// Variants of the error type that the guide does not explain.
fn unexplained_errors() -> Vec<String> {
    let (source, guide) = (read("crates/commy/src/error.rs"), read("docs/USER_GUIDE.md"));
    let body = source.split("pub enum Error {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the type");
    let variants =
        body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(char::is_uppercase));
    let names = variants.filter_map(|line| line.split([' ', ',', '(']).next());
    names
        .filter(|name| !guide.contains(&format!("`Error::{name}`")))
        .map(|name| format!("docs/USER_GUIDE.md: Error::{name} is not explained"))
        .collect()
}
