//! A segment as a whole: `inspect`, `check`, `snapshot`, `shrink`, `recover`.

use crate::demo::Result;
use crate::objects::look;
use clap::Subcommand;
use commy::Segment;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Show what a segment is: sizes, what is in use, participants, objects.
    Inspect {
        /// The segment.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look for what cannot be; prints what it finds and ends with 1 if there is anything.
    Check {
        /// The segment.
        file: PathBuf,
        /// As JSON, a finding a line.
        #[arg(long)]
        json: bool,
    },
    /// Copy a segment as it is at one moment, while others work with it.
    Snapshot {
        /// The segment.
        file: PathBuf,
        /// The copy, which must not be there yet.
        to: PathBuf,
    },
    /// Give what is not in use back to the disk.
    Shrink {
        /// The segment.
        file: PathBuf,
    },
    /// Put right what dead processes left, and say what was found.
    Recover {
        /// The segment.
        file: PathBuf,
    },
}

pub fn run(command: &Command) -> Result<()> {
    let mut out = std::io::stdout();
    match command {
        Command::Inspect { file, json } => inspect(&look(file)?, *json),
        Command::Check { file, json } => {
            let findings = Segment::open(file)?.check()?;
            for finding in &findings {
                if *json {
                    let line = json!({ "place": finding.place, "offset": finding.offset, "what": finding.what });
                    writeln!(out, "{line}")?;
                } else {
                    writeln!(out, "{finding}")?;
                }
            }
            match findings.len() {
                0 => Ok(()),
                count => Err(format!("{} is damaged in {count} places; restore a snapshot", file.display()).into()),
            }
        }
        Command::Snapshot { file, to } => Ok(Segment::open(file)?.snapshot(to)?),
        Command::Shrink { file } => {
            let segment = Segment::open(file)?;
            let given = segment.shrink_to_usage()?;
            writeln!(out, "{given} bytes given back; the file has {} now", segment.size())?;
            Ok(())
        }
        Command::Recover { file } => {
            let segment = Segment::open(file)?;
            let (found, stats) = (segment.recover()?, segment.stats()?);
            writeln!(
                out,
                "{found} dead threads found now; since the segment was made {} recovered, {} transactions rolled back, {} finished",
                stats.recovered, stats.rolled_back, stats.finished
            )?;
            Ok(())
        }
    }
}

fn inspect(segment: &Segment, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout();
    let (participants, names) = (segment.participants(), segment.objects()?);
    let mut objects = Vec::new();
    for name in names {
        let dynamic = segment.dynamic(&name)?;
        objects.push((dynamic.type_of().name(), dynamic.len("")?, dynamic.version(), name));
    }
    if as_json {
        let age = |participant: &commy::Participant| participant.heartbeat_age.as_millis() as u64;
        let participants: Vec<_> = participants
            .iter()
            .map(|p| json!({ "pid": p.pid, "alive": p.alive, "heartbeat_age_ms": age(p) }))
            .collect();
        let objects: Vec<_> = objects
            .iter()
            .map(|(ty, len, version, name)| json!({ "name": name, "type": ty, "length": len, "changes": version }))
            .collect();
        let (size, limit) = (segment.size(), segment.limit());
        let facts = json!({ "size": size, "limit": limit, "participants": participants, "objects": objects });
        writeln!(out, "{facts}")?;
        return Ok(());
    }
    writeln!(out, "{}", segment.path().display())?;
    writeln!(out, "  size {} bytes, limit {} bytes", segment.size(), segment.limit())?;
    writeln!(out, "  {} participants", participants.len())?;
    for participant in participants {
        let state = if participant.alive { "alive" } else { "dead" };
        let age = participant.heartbeat_age.as_secs_f32();
        writeln!(out, "    process {} {state}, heartbeat {age:.1} s ago", participant.pid)?;
    }
    writeln!(out, "  {} objects", objects.len())?;
    for (ty, len, version, name) in objects {
        let len = len.map_or(String::new(), |len| format!(", {len} entries"));
        writeln!(out, "    {name}: {ty}{len}, changed {version} times")?;
    }
    Ok(())
}
