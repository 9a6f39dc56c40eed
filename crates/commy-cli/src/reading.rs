//! Looking at objects: `ls` and `get`. The segment is opened read-only, which disturbs nobody.

use crate::demo::Result;
use crate::objects::{glance, look};
use crate::output::{self, NAME, bytes};
use commy::Error;
use commy::dynamic::{Change, Dynamic, Path, Value};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::Path as File;
use std::time::Duration;

/// What is known of an object besides its value.
pub struct Facts {
    pub name: String,
    pub described: String,
    pub len: Option<u64>,
    /// `None` while somebody has it locked.
    pub bytes: Option<u64>,
    pub changes: u64,
}

/// The facts of all objects below a path; of those that are removed meanwhile none, and of those that somebody has locked
/// what can be told.
pub fn facts(file: &File, under: &str) -> commy::Result<Vec<Facts>> {
    let (segment, glance, mut all) = (look(file)?, glance(file)?, Vec::new());
    for name in segment.objects_under(under)? {
        let one = || {
            let dynamic = segment.dynamic(&name)?;
            let (described, changes) = (dynamic.type_of().name(), dynamic.version());
            let content = || Ok((glance.dynamic(&name)?.len("")?, Some(glance.object_size(&name)?)));
            let (len, bytes) = match content() {
                Err(Error::LockTimeout { .. }) => (None, None),
                content => content?,
            };
            Ok(Facts { name: name.clone(), described, len, bytes, changes })
        };
        match one() {
            Err(Error::NotFound { .. } | Error::Removed { .. }) => {}
            one => all.push(one?),
        }
    }
    Ok(all)
}

impl Facts {
    pub fn json(&self) -> Json {
        json!({ "name": self.name, "type": self.described, "length": self.len, "bytes": self.bytes,
            "changes": self.changes })
    }

    pub fn row(&self) -> Vec<String> {
        let len = self.len.map_or(String::new(), |len| len.to_string());
        let bytes = self.bytes.map_or("locked".into(), bytes);
        vec![self.name.clone(), len, bytes, self.changes.to_string(), self.described.clone()]
    }
}

/// The heads of the rows of facts, and which columns are numbers.
pub const HEADS: [&str; 5] = ["object", "length", "bytes", "changes", "type"];
pub const NUMBERS: [usize; 3] = [1, 2, 3];

pub fn list(file: &File, under: &str, as_json: bool) -> Result<()> {
    let all = facts(file, under)?;
    if as_json {
        return all.iter().try_for_each(|facts| output::json(&facts.json()));
    }
    if all.is_empty() {
        return Ok(());
    }
    output::table(&HEADS, &all.iter().map(Facts::row).collect::<Vec<_>>(), &NUMBERS)
}

pub fn print(json: &Json, one_line: bool) -> Result<()> {
    let text = if one_line { serde_json::to_string(json)? } else { serde_json::to_string_pretty(json)? };
    writeln!(output::out(), "{text}")?;
    Ok(())
}

pub fn get(file: &File, name: &str, path: &str, one_line: bool, watch: bool) -> Result<()> {
    let segment = look(file)?;
    let dynamic = segment.dynamic(name)?;
    if watch && path.is_empty() {
        match dynamic.changes() {
            Ok(changes) => return follow(&dynamic, changes, one_line),
            Err(Error::NoChanges { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut last = None;
    loop {
        let version = dynamic.version();
        let value = dynamic.get(path)?;
        if !watch {
            let value = value.ok_or_else(|| format!("nothing is at {path} in object \"{name}\""))?;
            return print(&value.to_json(), one_line);
        }
        if last.as_ref() != Some(&value) {
            print(&value.as_ref().map_or(Json::Null, Value::to_json), one_line)?;
            last = Some(value);
        }
        while dynamic.wait(version, Duration::from_secs(60))? == version {}
    }
}

/// Prints each change of an object that keeps them, with the value that its key has then.
fn follow(dynamic: &Dynamic, mut changes: commy::dynamic::Changes, one_line: bool) -> Result<()> {
    loop {
        match changes.next(Duration::from_secs(60)) {
            Ok(None) => {}
            Ok(Some(change)) => show(dynamic, &change, one_line)?,
            Err(error @ Error::Lagged { .. }) => eprintln!("commy: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(dynamic: &Dynamic, change: &Change, one_line: bool) -> Result<()> {
    let (operation, key) = (format!("{:?}", change.operation()).to_lowercase(), change.key()?);
    let value = match &key {
        Some(key) => dynamic.get(Path::default().then(key.clone()))?,
        None => None,
    };
    let [key, value] = [key, value].map(|value| value.as_ref().map(Value::to_json));
    if one_line {
        let version = change.version();
        return output::json(&json!({ "version": version, "operation": operation, "key": key, "value": value }));
    }
    let shown = |value: Option<Json>| value.map_or(String::new(), |value| format!(" {value}"));
    writeln!(output::out(), "{NAME}{operation}{NAME:#}{}{}", shown(key), shown(value))?;
    Ok(())
}
