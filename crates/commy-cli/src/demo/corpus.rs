//! Text to index, found on the machine.
//!
//! Tried in turn: the documentation that comes with the Rust toolchain (HTML, hundreds of megabytes), the
//! sources of the packages that were built here, the system's documentation, and at last this project's own
//! files, which are there whenever it was built here.

use super::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files to index.
pub struct Corpus {
    pub root: PathBuf,
    pub files: Vec<PathBuf>,
    pub bytes: u64,
}

/// A corpus that is smaller than this is passed over, if there is another.
const ENOUGH: u64 = 20 << 20;
/// The largest file taken: it is one transaction.
const LARGEST: u64 = 4 << 20;

impl Corpus {
    /// The files below `given`, or the first place that has enough, up to `most` bytes of them.
    pub fn find(given: Option<&Path>, most: u64) -> Result<Corpus> {
        let places = given.map_or_else(places, |path| vec![path.to_path_buf()]);
        let mut best: Option<Corpus> = None;
        for root in places {
            let corpus = Corpus::below(root, most);
            if corpus.bytes >= ENOUGH.min(most) {
                return Ok(corpus);
            }
            if best.as_ref().is_none_or(|best| best.bytes < corpus.bytes) {
                best = Some(corpus);
            }
        }
        match best.filter(|best| !best.files.is_empty()) {
            Some(best) => Ok(best),
            None => Err("no text found to index; name a folder with --corpus".into()),
        }
    }

    fn below(root: PathBuf, most: u64) -> Corpus {
        let mut corpus = Corpus { root: root.clone(), files: Vec::new(), bytes: 0 };
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                let Ok(facts) = std::fs::symlink_metadata(&path) else { continue };
                if facts.is_dir() {
                    folders.push(path);
                } else if facts.is_file() && is_text(&path) && facts.len() <= LARGEST && path.to_str().is_some() {
                    corpus.bytes += facts.len();
                    corpus.files.push(path);
                    if corpus.bytes >= most {
                        return corpus;
                    }
                }
            }
        }
        corpus
    }
}

fn is_text(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    matches!(extension, Some("html" | "htm" | "txt" | "md" | "rst" | "rs" | "c" | "h" | "toml" | "py"))
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output()
        && output.status.success()
    {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        places.push(Path::new(&sysroot).join("share/doc/rust/html"));
    }
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from);
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".cargo")));
    places.extend(cargo.map(|cargo| cargo.join("registry/src")));
    places.push("/usr/share/doc".into());
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    places
}
