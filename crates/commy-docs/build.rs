//! Turns each Rust block of the documents into a module with a `main`.
//!
//! ```text
//! document               ```rust     with `fn main`: a module as it is; of that file, if it begins with // src/NAME.rs
//!                                    else: the body of a main, after `PRELUDE`
//!                        ```sh       what the reader types
//!                        ```text     right after one of these: what it prints
//! OUT_DIR/blocks.rs      mod guide_12 { .. }   BLOCKS: [Block { place: "docs/GUIDE.md:12", .. }]
//! ```

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

const DOCUMENTS: [&str; 3] = ["README.md", "docs/QUICKSTART.md", "docs/USER_GUIDE.md"];

/// What stands before a fragment, as the guide says in its beginning.
const PRELUDE: &str = r#"
use commy::{Atomics, Error, Key, Plain, Segment, Share, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub fn main() -> commy::Result<()> {
    let segment = Segment::open_or_create("shared.commy")?;
"#;

/// A fenced block of a document.
struct Block {
    line: usize,
    language: String,
    text: String,
    /// Whether only blank lines are between it and the block before.
    follows: bool,
}

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../..");
    let (mut modules, mut list) = (String::new(), String::new());
    for document in DOCUMENTS {
        println!("cargo::rerun-if-changed={}", root.join(document).display());
        let text = fs::read_to_string(root.join(document)).expect(document);
        let blocks = blocks(&text);
        let stem = Path::new(document).file_stem().expect("a name").to_string_lossy().to_lowercase();
        for (index, block) in blocks.iter().enumerate() {
            let action = match block.language.as_str() {
                "rust" => {
                    let name = format!("{stem}_{}", block.line);
                    // The programs are judged as a reader's would be, not by this workspace's lints.
                    let module = module(&block.text);
                    writeln!(modules, "#[allow(warnings, clippy::all)]\nmod {name} {{\n{module}\n}}").expect("text");
                    let file = block.text.lines().next().and_then(|line| line.strip_prefix("// src/"));
                    format!("Action::Program {{ file: {file:?}, main: || Termination::report({name}::main()) }}")
                }
                "sh" => format!("Action::Script({:?})", block.text),
                _ => continue,
            };
            let output = blocks.get(index + 1).filter(|next| next.follows && next.language == "text");
            let prints = output.map(|next| next.text.as_str());
            let place = format!("{document}:{}", block.line);
            let fields = format!("document: {document:?}, place: {place:?}, action: {action}, prints: {prints:?}");
            writeln!(list, "    Block {{ {fields} }},").expect("text");
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo")).join("blocks.rs");
    fs::write(out, format!("{modules}\nconst BLOCKS: &[Block] = &[\n{list}];\n")).expect("OUT_DIR can be written to");
}

/// A block as the content of a module with a public `main`.
fn module(text: &str) -> String {
    if text.contains("fn main()") {
        return text.replace("\nfn main()", "\npub fn main()").replace("\nasync fn main()", "\npub async fn main()");
    }
    format!("{PRELUDE}\n{text}\nOk(())\n}}")
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut follows) = (false, false);
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            if !open {
                blocks.push(Block { line: index + 1, language: info.trim().into(), text: String::new(), follows });
            }
            (open, follows) = (!open, true);
        } else if open {
            let block = blocks.last_mut().expect("one is open");
            block.text.push_str(line);
            block.text.push('\n');
        } else if !line.trim().is_empty() {
            follows = false;
        }
    }
    blocks
}
