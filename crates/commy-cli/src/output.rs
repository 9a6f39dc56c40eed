//! What the commands print with: colours where a person looks on, numbers that can be read, progress of what takes long.
//!
//! Values, lists and findings go to the standard output, what is said about the work to the standard error. Colours are
//! left out where the output is no terminal, or `NO_COLOR` is set; progress is shown on a terminal only.

use crate::demo::Result;
use clap::builder::styling::{AnsiColor, Style};
use commy::Error;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::Value as Json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

pub const STRONG: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const NAME: Style = AnsiColor::Cyan.on_default();

/// From one picture of what goes on to the next.
const TICK: Duration = Duration::from_millis(120);
const PERCENT: u64 = 100;

/// The standard output, which leaves colours out where they are not wanted.
pub fn out() -> anstream::AutoStream<std::io::StdoutLock<'static>> {
    anstream::AutoStream::auto(std::io::stdout().lock())
}

/// Prints JSON on one line.
pub fn json(value: &Json) -> Result<()> {
    writeln!(out(), "{value}")?;
    Ok(())
}

/// Columns of the terminal that is printed to, if it is one.
pub fn columns() -> Option<usize> {
    let terminal = std::io::stdout().is_terminal();
    terminal.then(|| crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns)))
}

/// Whether the reader of the output has gone, which is no failure: `commy ls .. | head`.
pub fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|error| error.downcast_ref::<std::io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe)
}

/// An error's text; where the library's names the way out for programs, with that for who uses the command.
pub fn told(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<Error>() {
        Some(Error::NotFound { name }) => format!("there is no object \"{name}\"; see `commy ls`"),
        Some(Error::ObjectExists { name }) => {
            format!("object \"{name}\" exists already; `commy rm` removes it, or choose another name")
        }
        Some(Error::Exists { path }) => format!("{} exists already; remove it, or name another file", path.display()),
        Some(Error::Corrupt { offset, what }) => {
            format!(
                "the segment is damaged at offset {offset}: {what}; see what `commy check` finds, restore a snapshot"
            )
        }
        _ => error.to_string(),
    }
}

/// Bytes as people read them: at most four digits.
pub fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = number as f64;
    let mut unit = 0;
    while scaled >= 1000.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && scaled < 100.0);
    format!("{scaled:.decimals$} {}", units[unit])
}

/// So many of something, which gets an s if it is not one.
pub fn count(number: usize, of: &str) -> String {
    match (number, of.ends_with('s')) {
        (1, _) => format!("1 {of}"),
        (_, true) => format!("{number} {of}es"),
        (_, false) => format!("{number} {of}s"),
    }
}

/// A text of at most so many characters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    format!("{}…", text.chars().take(kept).collect::<String>())
}

/// Does something that takes a while, and shows that it goes on.
pub fn working<R>(what: &'static str, work: impl FnOnce() -> R) -> R {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(TICK);
    let result = work();
    spinner.finish_and_clear();
    result
}

/// Does something that tells how far it has come, done of all, and shows that. Telling it waits for nobody, not even for a
/// terminal that was stopped: another thread draws.
pub fn advancing<R>(what: &'static str, work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> R) -> Result<R> {
    let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {percent:>3} %")?;
    let bar = ProgressBar::new(PERCENT).with_style(style).with_message(what).with_finish(ProgressFinish::AndClear);
    bar.enable_steady_tick(TICK);
    Ok(work(&mut |done, all| bar.set_position(done.saturating_mul(PERCENT) / all.max(1))))
}

/// A bar for so many steps, which are named. It goes when it is dropped.
pub fn bar(steps: u64, of: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(&format!("{{wide_bar}} {{pos}}/{{len}} {of}  {{msg}}"))?;
    Ok(ProgressBar::new(steps).with_style(style).with_finish(ProgressFinish::AndClear))
}

/// Rows in columns as wide as their longest cell; the numbers of `right` stand to the right. Where the terminal ends before
/// them, the first and the last column are cut.
pub fn table(heads: &[&str], rows: &[Vec<String>], right: &[usize]) -> Result<()> {
    let wide = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = (0..heads.len())
        .map(|column| rows.iter().map(|row| wide(&row[column])).chain([wide(heads[column])]).max().unwrap_or(0))
        .collect();
    let (last, gaps) = (heads.len() - 1, 2 * heads.len());
    if let Some(columns) = columns() {
        let room = columns.saturating_sub(gaps + widths[1..last].iter().sum::<usize>());
        (widths[0], widths[last]) = share(room, widths[0], widths[last]);
    }
    let mut out = out();
    let mut line = |cells: &[String], style: Style| -> Result<()> {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = widths[column];
            text += &match right.contains(&column) {
                true => format!("  {cell:>width$}"),
                false => format!("  {:<width$}", shortened(cell, width)),
            };
        }
        writeln!(out, "{style}{}{style:#}", text.trim_end())?;
        Ok(())
    };
    line(&heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>(), FAINT)?;
    rows.iter().try_for_each(|row| line(row, Style::new()))
}

/// Room for two columns that would like to be so wide: who needs less than half leaves the rest to the other one.
fn share(room: usize, first: usize, last: usize) -> (usize, usize) {
    let half = room / 2;
    match (first <= half, last <= half) {
        _ if first + last <= room => (first, last),
        (true, _) => (first, room - first),
        (_, true) => (room - last, last),
        _ => (half, half),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_are_wider_than_a_column() {
        let shown: Vec<_> = [0, 999, 1000, 4096, 102_400, 1 << 30, u64::MAX].map(bytes).to_vec();
        assert_eq!(shown, ["0 B", "999 B", "1.0 KiB", "4.0 KiB", "100 KiB", "1.0 GiB", "16777216 TiB"]);
        assert_eq!((share(50, 20, 30), share(50, 20, 40), share(50, 40, 20)), ((20, 30), (20, 30), (30, 20)));
        assert_eq!((share(50, 40, 40), share(0, 40, 40)), ((25, 25), (0, 0)));
        assert_eq!((shortened("HashMap", 7), shortened("HashMap", 4)), ("HashMap".into(), "Has…".into()));
    }
}
