//! Looking at objects and changing them: `ls`, `get`, `create`, `set` and its kin, `export`, `import`.
//!
//! Values are JSON, as `commy::dynamic` says; one that is no JSON is taken for a text, so that `set .. name Ada` needs no
//! quotes. What only reads opens the segment read-only and disturbs nobody.

use crate::demo::Result;
use clap::Subcommand;
use commy::Segment;
use commy::dynamic::{Dynamic, Missing, Path, Type, Value};
use serde_json::{Value as Json, json};
use std::io::{BufRead, Write};
use std::path::{Path as File, PathBuf};
use std::time::Duration;

#[derive(Subcommand)]
pub enum Command {
    /// List the objects of a segment: name, type, length, bytes.
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
        /// Print it again whenever the object changes, until interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Make an object of a type written as in Rust: commy create data.commy words 'HashMap<String, u64>'
    ///
    /// Structs and enums are declared before: 'struct Task { id: u64, work: String } VecDeque<Task>'. A program then opens
    /// the object as its own type. The segment is made if there is none.
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
    },
    /// Replace a value, or what a path leads to; in a map, put an entry in.
    Set {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// Where in it; "" is the whole.
        #[arg(allow_hyphen_values = true)]
        path: String,
        /// The value as JSON; what is no JSON is a text.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Put in an element before an index, an entry of a key that is not there, an element of a set.
    Insert {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// The index or key, or the path of the set.
        #[arg(allow_hyphen_values = true)]
        path: String,
        /// The value as JSON.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Add an element behind the last, or text to a text.
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
    },
    /// Remove an object; with a path, take out what is there and print it.
    Rm {
        /// The segment.
        file: PathBuf,
        /// The object.
        name: String,
        /// An element, entry, element of a set, or option.
        #[arg(allow_hyphen_values = true)]
        path: Option<String>,
    },
    /// Write objects as JSON, one a line with name, type and value: what `import` reads.
    Export {
        /// The segment.
        file: PathBuf,
        /// Only these objects.
        names: Vec<String>,
    },
    /// Make objects from lines that `export` wrote, read from the standard input.
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

impl Command {
    /// The segment, or the server, that it is about.
    pub fn file(&self) -> &File {
        match self {
            Command::Ls { file, .. }
            | Command::Get { file, .. }
            | Command::Create { file, .. }
            | Command::Set { file, .. }
            | Command::Insert { file, .. }
            | Command::Push { file, .. }
            | Command::Pop { file, .. }
            | Command::Rm { file, .. }
            | Command::Export { file, .. }
            | Command::Import { file, .. } => file,
        }
    }
}

pub fn look(file: &File) -> commy::Result<Segment> {
    Segment::options().read_only(true).open(file)
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

fn print(json: &Json, one_line: bool) -> Result<()> {
    let text = if one_line { serde_json::to_string(json)? } else { serde_json::to_string_pretty(json)? };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Ls { file, under, json } => list(file, under, *json),
        Command::Get { file, name, path, json, watch } => get(file, name, path, *json, *watch),
        Command::Create { file, name, r#type, value } => {
            let described: Type = r#type.parse()?;
            let value = match value {
                Some(text) => {
                    let json = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()));
                    described.value_from_json(&json, Missing::Refuse)?
                }
                None => described.default_value()?,
            };
            Segment::open_or_create(file)?.create_dynamic(name, &described, &value)?;
            Ok(())
        }
        Command::Set { file, name, path, value } => change(file, name, |dynamic| {
            let path = Path::from(path);
            let value = value_of(dynamic, &path, value)?;
            let mut guard = dynamic.write()?;
            guard.set(path, &value)?;
            Ok(guard.commit()?)
        }),
        Command::Insert { file, name, path, value } => change(file, name, |dynamic| {
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
        Command::Pop { file, name, at, front } => change(file, name, |dynamic| {
            let mut guard = dynamic.write()?;
            let taken = if *front { guard.pop_front(at)? } else { guard.pop(at)? };
            guard.commit()?;
            print(&taken.ok_or("there is nothing to take out")?.to_json(), true)
        }),
        Command::Rm { file, name, path: None } => Ok(Segment::open(file)?.remove(name)?),
        Command::Rm { file, name, path: Some(path) } => change(file, name, |dynamic| {
            let mut guard = dynamic.write()?;
            let taken = guard.remove(path)?;
            guard.commit()?;
            print(&taken.ok_or_else(|| format!("nothing is at {path}"))?.to_json(), true)
        }),
        Command::Export { file, names } => export(file, names),
        Command::Import { file, r#type, fill } => import(file, r#type.as_deref(), *fill),
    }
}

fn change(file: &File, name: &str, work: impl FnOnce(&Dynamic) -> Result<()>) -> Result<()> {
    work(&Segment::open(file)?.dynamic(name)?)
}

fn list(file: &File, under: &str, as_json: bool) -> Result<()> {
    let segment = look(file)?;
    for name in segment.objects_under(under)? {
        let dynamic = segment.dynamic(&name)?;
        let len = dynamic.len("")?;
        if as_json {
            print(&json!({ "name": name, "type": dynamic.type_of().name(), "length": len }), true)?;
        } else {
            let len = len.map_or(String::new(), |len| format!("{len} "));
            writeln!(std::io::stdout(), "{name}  {len}{}", dynamic.type_of().name())?;
        }
    }
    Ok(())
}

fn get(file: &File, name: &str, path: &str, one_line: bool, watch: bool) -> Result<()> {
    let segment = look(file)?;
    let dynamic = segment.dynamic(name)?;
    let mut last = None;
    loop {
        let version = dynamic.version();
        let value = dynamic.get(path)?.ok_or_else(|| format!("nothing is at {path} in object \"{name}\""))?;
        if last.as_ref() != Some(&value) {
            print(&value.to_json(), one_line)?;
            last = Some(value);
        }
        if !watch {
            return Ok(());
        }
        while dynamic.version() == version {
            // One that may only read cannot be woken.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn export(file: &File, names: &[String]) -> Result<()> {
    let segment = look(file)?;
    let all = if names.is_empty() { segment.objects()? } else { names.to_vec() };
    for name in all {
        let dynamic = segment.dynamic(&name)?;
        let (described, value) = (dynamic.type_of().to_string(), dynamic.load()?.to_json());
        print(&json!({ "name": name, "type": described, "value": value }), true)?;
    }
    Ok(())
}

fn import(file: &File, other: Option<&str>, fill: bool) -> Result<()> {
    let segment = Segment::open_or_create(file)?;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let number = number + 1;
        let json: Json = serde_json::from_str(&line?).map_err(|error| format!("line {number} is no JSON: {error}"))?;
        let text = |field: &str| json.get(field).and_then(Json::as_str).map(str::to_owned);
        let name = text("name").ok_or_else(|| format!("line {number} has no \"name\""))?;
        let written = other.map(str::to_owned).or_else(|| text("type"));
        let described: Type = written.ok_or_else(|| format!("line {number} has no \"type\""))?.parse()?;
        let value = json.get("value").ok_or_else(|| format!("line {number} has no \"value\""))?;
        let missing = if fill { Missing::Fill } else { Missing::Refuse };
        let value = described.value_from_json(value, missing).map_err(|e| format!("line {number}, {name}: {e}"))?;
        segment.create_dynamic(&name, &described, &value)?;
    }
    Ok(())
}
