//! Looking at objects and changing them: `ls`, `get`, `create`, `set` and its kin, `export`, `import`. What reads is done in
//! `reading`, what carries whole objects in `transfer`, the changes here.
//!
//! Values are JSON, as `commy::dynamic` says; one that is no JSON is taken for a text, so that `set .. name Ada` needs no
//! quotes. What only reads opens the segment read-only and disturbs nobody.

use crate::demo::Result;
use crate::{reading, transfer};
use clap::{Args, Subcommand};
use commy::dynamic::{Dynamic, Missing, Path, Type, Value};
use commy::{Options, Segment};
use serde_json::Value as Json;
use std::path::{Path as File, PathBuf};
use std::time::Duration;

#[derive(Subcommand)]
pub enum Command {
    /// List the objects of a segment: name, type, length, bytes.
    #[command(
        after_help = "Examples:\n  commy ls data.commy\n  commy ls data.commy jobs/\n  commy ls --json data.commy"
    )]
    Ls {
        /// The segment.
        file: PathBuf,
        /// Only those below this path.
        #[arg(default_value = "")]
        under: String,
        /// As JSON, an object a line.
        #[arg(long)]
        json: bool,
    },
    /// Print a value, or what a path in it leads to.
    ///
    /// A path is steps with `/` between: fields, indices (-1 is the last), keys, names of variants; the last may be a range
    /// such as 2..5. `/` in a key is ~1, and ~ is ~0. For example: commy get data.commy users 7/name
    #[command(
        after_help = "Examples:\n  commy get data.commy words hello\n  commy get data.commy jobs/waiting -1/work\n  commy get data.commy jobs/waiting 0..1\n  commy get --json data.commy names\n  commy get --watch data.commy words hello"
    )]
    Get {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// Where in it.
        #[arg(default_value = "", allow_hyphen_values = true)]
        path: String,
        /// On one line.
        #[arg(long)]
        json: bool,
        /// Print it again whenever it changes, until interrupted. Of an object that keeps its changes, each of these.
        #[arg(long)]
        watch: bool,
    },
    /// Make an object of a type written as in Rust: commy create data.commy words 'HashMap<String, u64>'
    ///
    /// Structs and enums are declared before: 'struct Task { id: u64, work: String } VecDeque<Task>'. A program then opens
    /// the object as its own type. The segment is made if there is none.
    #[command(
        after_help = "Examples:\n  commy create data.commy counts 'BTreeMap<u32, u64>'\n  commy create data.commy people \\\n    'struct Person { name: String, age: u8 } Vec<Person>'\n  commy create data.commy limits '(u32, u32)' '[1, 10]'\n  commy create data.commy prices 'HashMap<String, f64>' --changes 1000"
    )]
    Create {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// The type.
        r#type: String,
        /// The value to begin with, as JSON; zero and empty unless given.
        #[arg(allow_hyphen_values = true)]
        value: Option<String>,
        /// Let it keep so many of its last changes, for those who follow them.
        #[arg(long)]
        changes: Option<u64>,
    },
    /// Replace a value, or what a path leads to; in a map, put an entry in.
    #[command(
        after_help = "Examples:\n  commy set data.commy words hello 7\n  commy set data.commy jobs/waiting 0/work shrink\n  commy set data.commy names '' '[\"Ada\", \"Grace\"]'"
    )]
    Set(Put),
    /// Put in an element before an index, an entry of a key that is not there, an element of a set.
    #[command(
        after_help = "Examples:\n  commy insert data.commy words new 1\n  commy insert data.commy names '' Grace\n  commy insert data.commy jobs/waiting 0 '{\"id\": 2, \"work\": \"crop\"}'"
    )]
    Insert(Put),
    /// Add an element behind the last, or text to a text.
    #[command(
        after_help = "Examples:\n  commy push data.commy jobs/waiting '{\"id\": 3, \"work\": \"rotate\"}'\n  commy push data.commy jobs/waiting ' twice' --at 0/work\n  commy push --front data.commy jobs/waiting '{\"id\": 4, \"work\": \"sort\"}'"
    )]
    Push {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// The value as JSON.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Where the vector, deque or text is in the object.
        #[arg(long, default_value = "")]
        at: String,
        /// Before the first instead.
        #[arg(long)]
        front: bool,
    },
    /// Take the last element out and print it; of an ordered map the last entry.
    #[command(after_help = "Examples:\n  commy pop data.commy names\n  commy pop --front data.commy jobs/waiting")]
    Pop {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// Where the container is in the object.
        #[arg(long, default_value = "")]
        at: String,
        /// The first instead.
        #[arg(long)]
        front: bool,
        /// On one line.
        #[arg(long)]
        json: bool,
    },
    /// Remove an object; with a path, take out what is there and print it.
    #[command(after_help = "Examples:\n  commy rm data.commy words hello\n  commy rm data.commy names")]
    Rm {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// An element, entry, element of a set, or option.
        #[arg(allow_hyphen_values = true)]
        path: Option<String>,
        /// On one line.
        #[arg(long)]
        json: bool,
    },
    /// Write objects as lines of JSON with name, type and value: what `import` reads.
    ///
    /// Of objects with more than 1000 entries the value follows in parts, a line each. Each object is of one moment, without
    /// a lock; if somebody changes one meanwhile, that is an error, and a snapshot is what to export.
    #[command(
        after_help = "Examples:\n  commy export data.commy > all.jsonl\n  commy export data.commy words names > some.jsonl"
    )]
    Export {
        /// The segment.
        file: PathBuf,
        /// Only these objects.
        names: Vec<String>,
    },
    /// Make objects from lines that `export` wrote, read from the standard input.
    ///
    /// An object gets its name when it is whole; none of that name may be there. That is also the way to another type: of a
    /// struct that has gained a field, export the objects, remove them, and import them with --fill and the new type.
    #[command(
        after_help = "Examples:\n  commy import copy.commy < all.jsonl\n  commy import fuller.commy --fill < jobs.jsonl --type \\\n    'struct Task { id: u64, work: String, tries: u32 } VecDeque<Task>'"
    )]
    Import {
        /// The segment; made if there is none.
        file: PathBuf,
        /// The type to make them of instead of that in the lines: for structs that changed.
        #[arg(long)]
        r#type: Option<String>,
        /// Give fields that are missing their default, and leave out those that are no more.
        #[arg(long)]
        fill: bool,
    },
}

/// What is put where.
#[derive(Args)]
pub struct Put {
    /// The segment.
    pub file: PathBuf,
    /// The object.
    pub name: String,
    /// Where in it: an index, a key, a path; "" is the whole.
    #[arg(allow_hyphen_values = true)]
    pub path: String,
    /// The value as JSON; what is no JSON is a text.
    #[arg(allow_hyphen_values = true)]
    pub value: String,
}

impl Command {
    /// The segment, or the server, that it is about.
    pub fn file(&self) -> &File {
        match self {
            Command::Ls { file, .. }
            | Command::Get { file, .. }
            | Command::Create { file, .. }
            | Command::Set(Put { file, .. })
            | Command::Insert(Put { file, .. })
            | Command::Push { file, .. }
            | Command::Pop { file, .. }
            | Command::Rm { file, .. }
            | Command::Export { file, .. }
            | Command::Import { file, .. } => file,
        }
    }
}

/// How long a command waits for somebody who has an object locked, before it says who that is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a view of many objects waits for one of them, before it shows the others.
const GLANCE: Duration = Duration::from_millis(100);

pub fn options() -> Options {
    Segment::options().lock_timeout(PATIENCE)
}

/// Opens a segment to look at it, which disturbs nobody.
pub fn look(file: &File) -> commy::Result<Segment> {
    options().read_only(true).open(file)
}

/// The same for who does not wait.
pub fn glance(file: &File) -> commy::Result<Segment> {
    options().read_only(true).lock_timeout(GLANCE).open(file)
}

/// A value for what is at a path of an object.
fn value_of(dynamic: &Dynamic, path: &Path, text: &str) -> Result<Value> {
    let json = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()));
    match dynamic.value_from_json(path, &json, Missing::Refuse) {
        // A text that looks like a number.
        Err(error) if !json.is_string() => {
            let as_text = Json::String(text.to_owned());
            dynamic.value_from_json(path, &as_text, Missing::Refuse).or(Err(error.into()))
        }
        value => Ok(value?),
    }
}

pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Ls { file, under, json } => reading::list(file, under, *json),
        Command::Get { file, name, path, json, watch } => reading::get(file, name, path, *json, *watch),
        Command::Create { file, name, r#type, value, changes } => {
            let described: Type = r#type.parse()?;
            let value = match value {
                Some(text) => {
                    let json = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()));
                    described.value_from_json(&json, Missing::Refuse)?
                }
                None => described.default_value()?,
            };
            let segment = options().open_or_create(file)?;
            match changes {
                Some(changes) => segment.object(name).changes(*changes).create_dynamic(&described, &value)?,
                None => segment.create_dynamic(name, &described, &value)?,
            };
            Ok(())
        }
        Command::Set(Put { file, name, path, value }) => change(file, name, |dynamic| {
            let path = Path::from(path);
            let value = value_of(dynamic, &path, value)?;
            let mut guard = dynamic.write()?;
            guard.set(path, &value)?;
            Ok(guard.commit()?)
        }),
        Command::Insert(Put { file, name, path, value }) => change(file, name, |dynamic| {
            let path = Path::from(path);
            let value = value_of(dynamic, &path, value)?;
            let mut guard = dynamic.write()?;
            let new = guard.insert(path, &value)?;
            guard.commit()?;
            if new { Ok(()) } else { Err("it is there already; `set` replaces it".into()) }
        }),
        Command::Push { file, name, value, at, front } => change(file, name, |dynamic| {
            let path = Path::from(at);
            let element = path.clone().then("0");
            let value = value_of(dynamic, &element, value)?;
            let mut guard = dynamic.write()?;
            if *front {
                guard.push_front(path, &value)?
            } else {
                guard.push(path, &value)?
            }
            Ok(guard.commit()?)
        }),
        Command::Pop { file, name, at, front, json } => change(file, name, |dynamic| {
            let mut guard = dynamic.write()?;
            let taken = if *front { guard.pop_front(at)? } else { guard.pop(at)? };
            guard.commit()?;
            reading::print(&taken.ok_or("there is nothing to take out")?.to_json(), *json)
        }),
        Command::Rm { file, name, path: None, .. } => Ok(options().open(file)?.remove(name)?),
        Command::Rm { file, name, path: Some(path), json } => change(file, name, |dynamic| {
            let mut guard = dynamic.write()?;
            let taken = guard.remove(path)?;
            guard.commit()?;
            reading::print(&taken.ok_or_else(|| format!("nothing is at {path}"))?.to_json(), *json)
        }),
        Command::Export { file, names } => transfer::export(file, names),
        Command::Import { file, r#type, fill } => transfer::import(file, r#type.as_deref(), *fill),
    }
}

fn change(file: &File, name: &str, work: impl FnOnce(&Dynamic) -> Result<()>) -> Result<()> {
    work(&options().open(file)?.dynamic(name)?)
}
