//! `inspect`: all that can be said about a segment, and a picture of the file.

use crate::demo::Result;
use crate::objects::{glance, look};
use crate::output::{self, BAD, FAINT, GOOD, NAME, STRONG, bytes, count, shortened};
use crate::reading::{self, Facts};
use clap::builder::styling::{AnsiColor, Style};
use commy::{Error, Extent, Held, Holder, Participant, Segment, Stats, Thread};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// What is looked at, once.
struct Seen {
    stats: Stats,
    participants: Vec<Participant>,
    threads: Vec<Thread>,
    held: Vec<Held>,
    objects: Vec<Facts>,
    /// None, with the reason, while somebody has an object locked.
    extents: Vec<Extent>,
    unseen: Option<String>,
}

impl Seen {
    fn of(file: &Path, segment: &Segment) -> Result<Seen> {
        let (extents, unseen) = match glance(file)?.extents() {
            Err(error @ Error::LockTimeout { .. }) => (Vec::new(), Some(error.to_string())),
            extents => (extents?, None),
        };
        Ok(Seen {
            stats: segment.stats()?,
            participants: segment.participants(),
            threads: segment.threads()?,
            held: segment.held()?,
            objects: reading::facts(file, "")?,
            extents,
            unseen,
        })
    }

    fn bytes_of(&self, holder: &Holder) -> u64 {
        self.extents.iter().filter(|extent| extent.holder == *holder).map(|extent| extent.bytes).sum()
    }
}

pub fn inspect(file: &Path, as_json: bool) -> Result<()> {
    let segment = look(file)?;
    let seen = output::working("looking at all objects", || Seen::of(file, &segment))?;
    if as_json { output::json(&facts(&segment, &seen)) } else { show(&segment, &seen) }
}

fn facts(segment: &Segment, seen: &Seen) -> Json {
    let (identity, stats) = (segment.identity(), &seen.stats);
    let participant = |one: &Participant| {
        let mine = seen.threads.iter().filter(|thread| thread.pid == one.pid);
        let threads: Vec<_> = mine
            .map(|t| json!({ "place": t.place, "transactions": t.transactions, "reads": t.reads, "waits_for": t.waits_for }))
            .collect();
        let age = one.heartbeat_age.as_millis() as u64;
        json!({ "pid": one.pid, "alive": one.alive, "heartbeat_age_ms": age, "threads": threads })
    };
    let held = |one: &Held| json!({ "object": one.object, "pid": one.pid, "alone": one.alone, "alive": one.alive });
    let extent = |one: &Extent| {
        let (holder, object) = match &one.holder {
            Holder::Object(name) => ("object", Some(name)),
            Holder::Segment => ("segment", None),
            Holder::Hole => ("hole", None),
            _ => ("free", None),
        };
        json!({ "offset": one.offset, "bytes": one.bytes, "holder": holder, "object": object })
    };
    json!({
        "path": segment.path().display().to_string(),
        "format": identity.format,
        "id": format!("{:032x}", identity.id),
        "max_participants": identity.max_participants,
        "closed": identity.closed,
        "size": stats.size,
        "limit": stats.limit,
        "max_size": identity.max_size,
        "allocated": stats.allocated,
        "bookkeeping": stats.bookkeeping,
        "taken": stats.taken,
        "recovered": stats.recovered,
        "rolled_back": stats.rolled_back,
        "finished": stats.finished,
        "participants": seen.participants.iter().map(participant).collect::<Vec<_>>(),
        "held": seen.held.iter().map(held).collect::<Vec<_>>(),
        "objects": seen.objects.iter().map(Facts::json).collect::<Vec<_>>(),
        "extents": seen.extents.iter().map(extent).collect::<Vec<_>>(),
    })
}

fn head(text: &str) -> Result<()> {
    writeln!(output::out(), "\n{STRONG}{text}{STRONG:#}")?;
    Ok(())
}

fn show(segment: &Segment, seen: &Seen) -> Result<()> {
    let (identity, stats) = (segment.identity(), &seen.stats);
    {
        let mut out = output::out();
        writeln!(out, "{STRONG}{}{STRONG:#}", segment.path().display())?;
        let left = match (identity.closed, seen.participants.iter().any(|one| one.alive)) {
            (_, true) => "in use",
            (true, _) => "closed in order",
            (false, _) => "not closed in order; whoever opens it puts that right",
        };
        writeln!(out, "  format {}, {left}, {FAINT}id {:032x}{FAINT:#}", identity.format, identity.id)?;
        let (size, limit, most) = (bytes(stats.size), bytes(stats.limit), bytes(identity.max_size));
        let of = if stats.limit == identity.max_size { limit } else { format!("{limit}, and at most {most}") };
        writeln!(out, "  {size} of up to {of}; {} processes can have it open", identity.max_participants)?;
        let [free, holes] = [Holder::Free, Holder::Hole].map(|holder| seen.bytes_of(&holder));
        let own = bytes(stats.size.saturating_sub(stats.allocated + free + holes));
        let holes = if holes == 0 { String::new() } else { format!(", {} of holes", bytes(holes)) };
        let (objects, free) = (bytes(stats.allocated), bytes(free));
        match seen.unseen {
            None => writeln!(out, "  {objects} in objects, {own} of its own, {free} free{holes}")?,
            Some(_) => writeln!(out, "  {objects} in objects")?,
        }
        let (dead, back) =
            (count(stats.recovered as usize, "dead thread"), count(stats.rolled_back as usize, "transaction"));
        writeln!(out, "  so far {dead} recovered: {back} rolled back, {} finished", stats.finished)?;
    }
    if !seen.participants.is_empty() {
        head("Participants")?;
    }
    for one in &seen.participants {
        let mine = || seen.threads.iter().filter(|thread| thread.pid == one.pid);
        let (style, state) = if one.alive { (GOOD, "alive") } else { (BAD, "dead") };
        let sum = |part: fn(&Thread) -> u64| mine().map(part).sum::<u64>();
        writeln!(
            output::out(),
            "  {NAME}{:>7}{NAME:#}  {style}{state:5}{style:#}  heartbeat {:.1} s ago, {}, {} transactions, {} reads",
            one.pid,
            one.heartbeat_age.as_secs_f32(),
            count(mine().count(), "thread"),
            sum(|thread| thread.transactions),
            sum(|thread| thread.reads),
        )?;
        for (place, name) in mine().filter_map(|thread| Some((thread.place, thread.waits_for.as_ref()?))) {
            writeln!(output::out(), "           thread {place} waits for {NAME}{name}{NAME:#}")?;
        }
    }
    if !seen.held.is_empty() {
        head("Locks held")?;
    }
    for one in &seen.held {
        let how = if one.alone { "to change it" } else { "to read it" };
        let dead = if one.alive { "" } else { ", which is dead" };
        writeln!(output::out(), "  {NAME}{}{NAME:#}  by {}{dead}, {how}", one.object, one.pid)?;
    }
    if !seen.objects.is_empty() {
        head("Objects")?;
        output::table(&reading::HEADS, &seen.objects.iter().map(Facts::row).collect::<Vec<_>>(), &reading::NUMBERS)?;
    }
    if let Some(reason) = &seen.unseen {
        writeln!(output::out(), "\nThere is no picture of the file now: {reason}")?;
        return Ok(());
    }
    let columns = output::columns().unwrap_or(80).saturating_sub(4).clamp(16, 128);
    let parts: Vec<_> = seen.extents.iter().map(|extent| (extent.bytes, extent.holder.clone())).collect();
    let picture = Picture::of(&parts, columns, 12);
    head(&format!("The file, {} a cell", bytes(picture.cell)))?;
    picture.print()
}

/// Letters for objects, the largest first.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const OTHERS: char = '*';

/// The file as rows of cells, each with the sign of who has most of it.
struct Picture {
    /// Bytes of a cell.
    cell: u64,
    rows: Vec<String>,
    /// The objects by their letters, with their bytes.
    legend: Vec<(char, String, u64)>,
}

impl Picture {
    /// Of the file's parts from its start to its end: the bytes of each, and whose they are.
    fn of(parts: &[(u64, Holder)], columns: usize, rows: usize) -> Picture {
        let size: u64 = parts.iter().map(|(bytes, _)| bytes).sum();
        let cell = size.div_ceil((columns * rows) as u64).next_power_of_two().max(4096);
        let mut objects: HashMap<&str, u64> = HashMap::new();
        for (bytes, holder) in parts {
            if let Holder::Object(name) = holder {
                *objects.entry(name).or_default() += bytes;
            }
        }
        let mut largest: Vec<(&str, u64)> = objects.into_iter().collect();
        largest.sort_unstable_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), *name));
        let letters: HashMap<&str, char> = largest.iter().map(|(name, _)| *name).zip(LETTERS.chars()).collect();
        let sign = |holder: &Holder| match holder {
            Holder::Segment => '#',
            Holder::Object(name) => letters.get(name.as_str()).copied().unwrap_or(OTHERS),
            Holder::Hole => '_',
            _ => '.',
        };
        let mut cells = vec![HashMap::<char, u64>::new(); size.div_ceil(cell) as usize];
        let mut at = 0;
        for (bytes, holder) in parts {
            let end = at + bytes;
            while at < end {
                let next = ((at / cell + 1) * cell).min(end);
                *cells[(at / cell) as usize].entry(sign(holder)).or_default() += next - at;
                at = next;
            }
        }
        let most = |cell: &HashMap<char, u64>| {
            cell.iter().max_by_key(|(sign, bytes)| (**bytes, **sign)).map_or('.', |(sign, _)| *sign)
        };
        let signs: Vec<char> = cells.iter().map(most).collect();
        let rows = signs.chunks(columns).map(|row| row.iter().collect()).collect();
        let named = largest.into_iter().zip(LETTERS.chars());
        Picture { cell, rows, legend: named.map(|((name, bytes), sign)| (sign, name.to_owned(), bytes)).collect() }
    }

    fn print(&self) -> Result<()> {
        let (mut out, columns) = (output::out(), output::columns().unwrap_or(usize::MAX));
        for row in &self.rows {
            write!(out, "  ")?;
            for sign in row.chars() {
                let style = style(sign);
                write!(out, "{style}{sign}{style:#}")?;
            }
            writeln!(out)?;
        }
        let (own, free, hole) = (style('#'), style('.'), style('_'));
        writeln!(
            out,
            "\n  {own}#{own:#} the segment's own  {free}.{free:#} free  {hole}_{hole:#} a hole, without storage"
        )?;
        for (sign, name, size) in self.legend.iter().take(12) {
            let style = style(*sign);
            let size = bytes(*size);
            let name = shortened(name, columns.saturating_sub(size.len() + 6));
            writeln!(out, "  {style}{sign}{style:#} {name}  {size}")?;
        }
        if self.legend.len() > 12 {
            writeln!(out, "  and {} more", self.legend.len() - 12)?;
        }
        Ok(())
    }
}

fn style(sign: char) -> Style {
    let colours =
        [AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Cyan, AnsiColor::Magenta, AnsiColor::Blue, AnsiColor::Red];
    match LETTERS.find(sign) {
        Some(index) => colours[index % colours.len()].on_default(),
        None if sign == '#' => STRONG,
        None => FAINT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_file_is_missing_in_the_picture() {
        let object = |name: &str| Holder::Object(name.into());
        let parts = [(5 << 12, Holder::Segment), (3 << 12, object("small")), (20 << 12, object("large"))];
        let picture = Picture::of(&parts, 10, 3);
        assert_eq!(
            (picture.cell, &picture.rows[..]),
            (4096, &["#####bbbaa".into(), "aaaaaaaaaa".into(), "aaaaaaaa".into()][..])
        );
        let picture = Picture::of(&parts, 4, 2);
        assert_eq!((picture.cell, picture.rows.concat()), (16384, "#baaaaa".into()));
        assert_eq!(picture.legend[0], ('a', "large".into(), 20 << 12));
    }
}
