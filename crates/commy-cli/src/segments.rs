//! A segment as a whole: `inspect`, `check`, `snapshot`, `restore`, `shrink`, `recover`, `top`.

use crate::demo::Result;
use crate::interrupt;
use crate::objects::{look, options};
use crate::output::{self, BAD, GOOD, NAME, count};
use crate::{DAMAGED, inspect, top};
use clap::Subcommand;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum Command {
    /// Show all that can be said about a segment: sizes, participants, locks, objects, and a picture of the file.
    ///
    /// The segment is opened read-only, which disturbs nobody; the picture and the objects are each of a moment of their
    /// own. In the picture each cell has the sign of who has most of it.
    #[command(after_help = "Examples:\n  commy inspect data.commy\n  commy inspect --json data.commy")]
    Inspect {
        /// The segment.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look for what cannot be; prints what it finds and ends with 3 if there is anything.
    ///
    /// Everything is looked at: the header, the slots, what is free, the directory, all objects, and that each block
    /// belongs to exactly one of them. Writers wait meanwhile.
    #[command(after_help = "Examples:\n  commy check data.commy\n  commy check --json data.commy")]
    Check {
        /// The segment.
        file: PathBuf,
        /// As JSON, a finding a line.
        #[arg(long)]
        json: bool,
    },
    /// Copy a segment as it is at one moment, while others work with it.
    ///
    /// Writers pause meanwhile, readers do not. The copy gets its name when it is whole; who is interrupted before leaves
    /// TO.partial, which the next one replaces.
    #[command(after_help = "Examples:\n  commy snapshot data.commy monday.commy")]
    Snapshot {
        /// The segment.
        file: PathBuf,
        /// The copy, which must not be there yet.
        to: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put a snapshot in the place of a segment.
    ///
    /// The snapshot is copied and checked first, and then takes the place at once: who is killed meanwhile leaves the old
    /// segment. Refuses where something would be lost: if there is a segment, unless --replace says so; if somebody has
    /// it open, unless --in-use says so, too. Those go on with the old one, which nobody else sees any more.
    #[command(
        after_help = "Examples:\n  commy restore other.commy backup.commy\n  commy restore --replace data.commy backup.commy"
    )]
    Restore {
        /// The segment that is to be as the snapshot.
        file: PathBuf,
        /// The snapshot, which stays.
        from: PathBuf,
        /// Even if there is a segment: what it has is lost.
        #[arg(long)]
        replace: bool,
        /// Even if somebody has it open.
        #[arg(long)]
        in_use: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give what is not in use back to the disk.
    #[command(after_help = "Examples:\n  commy shrink data.commy")]
    Shrink {
        /// The segment.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put right what dead processes left, and say what was found.
    ///
    /// Nobody needs this: whoever meets what the dead left puts it right. It is for those who want to know.
    #[command(after_help = "Examples:\n  commy recover data.commy")]
    Recover {
        /// The segment.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Watch a segment live: processes with their operations a second, lock waits, objects, memory.
    ///
    /// q ends it. Operations are transactions and reads without a lock; guards for reading, and raw blocks of the allocator,
    /// are not counted. The segment is opened read-only; what is counted costs those who work nothing.
    #[command(
        after_help = "Examples:\n  commy top data.commy\n  commy top --once data.commy\n  commy top --json --once data.commy"
    )]
    Top(top::Options),
}

pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Inspect { file, json } => inspect::inspect(file, *json)?,
        Command::Check { file, json } => return check(file, *json),
        Command::Snapshot { file, to, json } => {
            let segment = options().open(file)?;
            output::advancing("copying", |progress| segment.snapshot_with(to, progress))??;
            let size = std::fs::metadata(to)?.len();
            if *json {
                output::json(&json!({ "copy": to.display().to_string(), "size": size }))?;
            } else {
                writeln!(output::out(), "copied to {}: {}", to.display(), output::bytes(size))?;
            }
        }
        Command::Restore { file, from, replace, in_use, json } => {
            restore(file, from, (*replace, *in_use))?;
            let objects = look(file)?.objects()?.len();
            if *json {
                output::json(&json!({ "restored": file.display().to_string(), "objects": objects }))?;
            } else {
                let (file, from) = (file.display(), from.display());
                writeln!(output::out(), "{file} is now as {from}: {}", count(objects, "object"))?;
            }
        }
        Command::Shrink { file, json } => {
            let segment = options().open(file)?;
            let given = output::working("giving back", || segment.shrink_to_usage())?;
            let size = segment.size();
            if *json {
                output::json(&json!({ "given_back": given, "size": size }))?;
            } else {
                let (given, size) = (output::bytes(given), output::bytes(size));
                writeln!(output::out(), "{given} given back; the file has {size} now")?;
            }
        }
        Command::Recover { file, json } => recover(file, *json)?,
        Command::Top(options) => top::run(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(file: &Path, as_json: bool) -> Result<ExitCode> {
    let segment = options().open(file)?;
    let findings = output::advancing("checking", |progress| segment.check_with(progress))??;
    for finding in &findings {
        if as_json {
            output::json(&json!({ "place": finding.place, "offset": finding.offset, "what": finding.what }))?;
        } else {
            writeln!(output::out(), "{NAME}{}{NAME:#}, at {}: {}", finding.place, finding.offset, finding.what)?;
        }
    }
    match findings.len() {
        0 if !as_json => writeln!(output::out(), "{GOOD}whole{GOOD:#}: {}", count(segment.objects()?.len(), "object"))?,
        0 => {}
        found => {
            let (mut out, file) = (anstream::stderr(), file.display());
            writeln!(out, "{BAD}damaged{BAD:#}: {file} has {}; restore a snapshot", count(found, "finding"))?;
            return Ok(ExitCode::from(DAMAGED));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn recover(file: &Path, as_json: bool) -> Result<()> {
    // What there is to be recovered is done by opening it, so it is looked at before and after.
    let before = look(file)?.stats()?;
    let segment = options().open(file)?;
    output::working("recovering", || segment.recover())?;
    let after = segment.stats()?;
    let (found, back) = (after.recovered - before.recovered, after.rolled_back - before.rolled_back);
    let finished = after.finished - before.finished;
    if as_json {
        let all = json!({ "recovered": after.recovered, "rolled_back": after.rolled_back, "finished": after.finished });
        return output::json(
            &json!({ "recovered": found, "rolled_back": back, "finished": finished, "since_made": all }),
        );
    }
    let told = |found: u64, back: u64, finished: u64| {
        let (found, back) = (count(found as usize, "dead thread"), count(back as usize, "transaction"));
        format!("{found} recovered: {back} rolled back, {finished} finished")
    };
    let mut out = output::out();
    writeln!(out, "now {}", told(found, back, finished))?;
    writeln!(out, "so far {}", told(after.recovered, after.rolled_back, after.finished))?;
    Ok(())
}

/// A copy that has no name of its own yet, and goes unless it gets one.
struct Half(PathBuf);

impl Half {
    fn remove(&self) {
        // While the library writes it, it has another name.
        let mut partial = self.0.clone().into_os_string();
        partial.push(".partial");
        for path in [partial.into(), self.0.clone()] {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.remove();
    }
}

fn restore(file: &Path, from: &Path, (replace, in_use): (bool, bool)) -> Result<()> {
    if file.exists() {
        let shown = file.display();
        if !replace {
            return Err(format!("{shown} is there, and what it has would be lost; say --replace if it may be").into());
        }
        let users = match look(file) {
            Ok(segment) => {
                segment.participants().into_iter().filter(|one| one.alive).map(|one| one.pid.to_string()).collect()
            }
            // What is no segment any more is not in use.
            Err(_) => Vec::new(),
        };
        if !users.is_empty() && !in_use {
            let users = users.join(", ");
            return Err(format!(
                "{shown} is open in process {users}, whose changes would be lost; end it, or say --in-use"
            )
            .into());
        }
    }
    let mut name = file.file_name().ok_or("the segment has no name")?.to_owned();
    name.push(format!(".restoring-{}", std::process::id()));
    let half = Half(file.with_file_name(name));
    let interrupted = Half(half.0.clone());
    interrupt::on_interrupt(move || interrupted.remove())?;
    let snapshot = options().open(from)?;
    output::advancing("copying", |progress| snapshot.snapshot_with(&half.0, progress))??;
    let findings = output::advancing("checking", |progress| options().open(&half.0)?.check_with(progress))??;
    if let Some(finding) = findings.first() {
        return Err(format!("{} is damaged ({finding}); nothing was changed", from.display()).into());
    }
    std::fs::rename(&half.0, file)?;
    Ok(())
}
