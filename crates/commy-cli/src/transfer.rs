//! Objects as JSON lines: `export` and `import`.
//!
//! ```text
//! {"name":"ages","type":"HashMap<String, u8>","value":{"Ada":36}}        an object of up to PART entries
//!
//! {"name":"log","type":"Vec<String>","entries":70000}                    a larger one: so many entries follow,
//! {"part":["first", ..]}                                                 in values of its type with up to PART each
//! {"part":[..]}
//! ```
//!
//! Neither side holds more than a part of an object in memory. What is exported of an object is of one moment, without a
//! lock; where somebody changes it meanwhile, that is an error. What is imported gets its name when it is whole: until
//! then it is `importing/NAME`, which an import that was killed leaves behind and the next one of that name removes.

use crate::demo::Result;
use crate::interrupt;
use crate::objects::{look, options};
use crate::output;
use commy::Segment;
use commy::dynamic::{Dynamic, Missing, Type, Value};
use indicatif::ProgressDrawTarget;
use serde_json::{Value as Json, json};
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path as File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Entries in a part.
const PART: usize = 1000;
/// Bytes in a part of bytes.
const BYTES: usize = 64 << 10;

pub fn export(file: &File, names: &[String]) -> Result<()> {
    let segment = look(file)?;
    let all = if names.is_empty() { segment.objects()? } else { names.to_vec() };
    let bar = output::bar(all.len() as u64, "objects")?;
    if std::io::stdout().is_terminal() {
        // The lines are to be seen.
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for name in all {
        one(&segment.dynamic(&name)?, &mut out).map_err(|error| {
            if output::is_broken_pipe(&*error) {
                error
            } else {
                format!("object \"{name}\": {}", output::told(&*error)).into()
            }
        })?;
        bar.inc(1);
    }
    Ok(out.flush()?)
}

fn one(dynamic: &Dynamic, out: &mut impl Write) -> Result<()> {
    let (name, described) = (dynamic.name(), dynamic.type_of().to_string());
    let (kind, most) = match dynamic.type_of().name() {
        name if name == "Vec<u8>" || name == "VecDeque<u8>" => (Part::Bytes, BYTES),
        name if name.starts_with("HashMap<") || name.starts_with("BTreeMap<") => (Part::Map, PART),
        name if name.starts_with("HashSet<") || name.starts_with("BTreeSet<") => (Part::Set, PART),
        name if name.starts_with("Vec<") || name.starts_with("VecDeque<") => (Part::List, PART),
        _ => (Part::Whole, 0),
    };
    let len = dynamic.len("")?.unwrap_or(0);
    if matches!(kind, Part::Whole) || len <= most as u64 {
        let line = json!({ "name": name, "type": described, "value": dynamic.load()?.to_json() });
        return Ok(writeln!(out, "{line}")?);
    }
    let mut left = len;
    writeln!(out, "{}", json!({ "name": name, "type": described, "entries": len }))?;
    for page in dynamic.pages("", most) {
        let page = page?;
        left = left.checked_sub(page.len() as u64).ok_or("it was changed while it was exported; export a snapshot")?;
        writeln!(out, "{}", json!({ "part": kind.of(page).to_json() }))?;
    }
    if left > 0 { Err("it was changed while it was exported; export a snapshot".into()) } else { Ok(()) }
}

/// What entries make a part.
#[derive(Clone, Copy)]
enum Part {
    Whole,
    Bytes,
    List,
    Set,
    Map,
}

impl Part {
    fn of(self, entries: Vec<(Value, Value)>) -> Value {
        let byte = |value: Value| if let Value::Unsigned(byte) = value { byte as u8 } else { 0 };
        match self {
            Part::Map => Value::Map(entries),
            Part::Set => Value::List(entries.into_iter().map(|(element, _)| element).collect()),
            Part::Bytes => Value::Bytes(entries.into_iter().map(|(_, element)| byte(element)).collect()),
            Part::Whole | Part::List => Value::List(entries.into_iter().map(|(_, element)| element).collect()),
        }
    }
}

/// Whether somebody wants it to end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// An object that is being filled. Dropped before it is whole, it is removed.
struct Filling {
    segment: Segment,
    dynamic: Dynamic,
    name: String,
    left: u64,
}

impl Filling {
    fn begin(segment: &Segment, name: &str, described: &Type, entries: u64) -> Result<Filling> {
        if segment.objects()?.iter().any(|other| other == name) {
            return Err(commy::Error::ObjectExists { name: name.into() }.into());
        }
        let under = format!("importing/{name}");
        match segment.remove(&under) {
            Ok(()) | Err(commy::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let dynamic = segment.create_dynamic(&under, described, &described.default_value()?)?;
        Ok(Filling { segment: segment.clone(), dynamic, name: name.into(), left: entries })
    }

    fn add(&mut self, part: Value, entries: u64) -> Result<()> {
        self.left = self.left.checked_sub(entries).ok_or("more entries follow than were announced")?;
        let mut guard = self.dynamic.write()?;
        guard.append("", part)?;
        Ok(guard.commit()?)
    }

    /// Gives it its name if it is whole.
    fn end(mut self) -> Result<()> {
        if self.left > 0 {
            return Err(format!("{} entries of \"{}\" are missing", self.left, self.name).into());
        }
        self.segment.rename(self.dynamic.name(), &self.name)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = self.segment.remove(self.dynamic.name());
        }
    }
}

pub fn import(file: &File, other: Option<&str>, fill: bool) -> Result<()> {
    let segment = options().open_or_create(file)?;
    interrupt::on_interrupt(|| {
        INTERRUPTED.store(true, Ordering::Relaxed);
        // Time to remove what is half there; but who waits for input waits no longer.
        std::thread::sleep(Duration::from_millis(500));
    })?;
    let missing = if fill { Missing::Fill } else { Missing::Refuse };
    let bar = output::bar(0, "objects")?;
    let mut filling: Option<(Filling, Type)> = None;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        if INTERRUPTED.load(Ordering::Relaxed) {
            drop(filling);
            eprintln!("commy: interrupted; objects that were whole by then are there");
            std::process::exit(interrupt::INTERRUPTED);
        }
        let number = number + 1;
        let json: Json = serde_json::from_str(&line?).map_err(|error| {
            // It tells its place in the line that it was given as if that were the first.
            let (column, told) = (error.column(), error.to_string());
            let told = told.split(" at line ").next().unwrap_or_default();
            format!("line {number} is no JSON, at column {column}: {told}")
        })?;
        let misfit = |error: commy::Error| format!("line {number}: {error}");
        if let (Some((object, described)), Some(part)) = (&mut filling, json.get("part")) {
            let value = described.value_from_json(part, missing).map_err(misfit)?;
            let entries = match &value {
                Value::Map(entries) => entries.len(),
                Value::List(elements) => elements.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => return Err(format!("line {number} is no part of a container").into()),
            };
            object.add(value, entries as u64).map_err(|error| format!("line {number}: {error}"))?;
            continue;
        }
        if let Some((object, _)) = filling.take() {
            object.end().map_err(|error| format!("before line {number}: {error}"))?;
        }
        let text = |field: &str| json.get(field).and_then(Json::as_str).map(str::to_owned);
        let name = text("name").ok_or_else(|| format!("line {number} has no \"name\""))?;
        let written = other.map(str::to_owned).or_else(|| text("type"));
        let described: Type = written.ok_or_else(|| format!("line {number} has no \"type\""))?.parse()?;
        if let Some(entries) = json.get("entries").and_then(Json::as_u64) {
            filling = Some((Filling::begin(&segment, &name, &described, entries)?, described));
        } else {
            let value = json.get("value").ok_or_else(|| format!("line {number} has no \"value\""))?;
            let value = described.value_from_json(value, missing).map_err(|e| format!("line {number}, {name}: {e}"))?;
            segment.create_dynamic(&name, &described, &value)?;
        }
        bar.inc_length(1);
        bar.inc(1);
    }
    if let Some((object, _)) = filling {
        object.end()?;
    }
    Ok(())
}
