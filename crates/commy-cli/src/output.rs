//! What the commands print with: colours where a person looks on, numbers that can be read, progress of what takes long.
//!
//! Values, lists and findings go to the standard output, what is said about the work to the standard error. Colours are
//! left out where the output is no terminal, or `NO_COLOR` is set; progress is shown on a terminal only.

use crate::demo::Result;
use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value as Json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

pub const STRONG: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const NAME: Style = AnsiColor::Cyan.on_default();

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
    spinner.enable_steady_tick(Duration::from_millis(120));
    let result = work();
    spinner.finish_and_clear();
    result
}

/// A bar for so many steps, which are named.
pub fn bar(steps: u64, of: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(&format!("{{wide_bar}} {{pos}}/{{len}} {of}  {{msg}}"))?;
    Ok(ProgressBar::new(steps).with_style(style))
}

/// Rows in columns as wide as their longest cell; the numbers of `right` stand to the right. The last column is cut where
/// the terminal ends.
pub fn table(heads: &[&str], rows: &[Vec<String>], right: &[usize]) -> Result<()> {
    let wide = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| rows.iter().map(|row| wide(&row[column])).chain([wide(heads[column])]).max().unwrap_or(0))
        .collect();
    let before: usize = widths[..heads.len() - 1].iter().map(|width| width + 2).sum();
    let room = columns().map_or(usize::MAX, |columns| columns.saturating_sub(before + 3).max(8));
    let mut out = out();
    let mut line = |cells: &[String], style: Style| -> Result<()> {
        let mut text = String::from("  ");
        for (column, cell) in cells.iter().enumerate() {
            let width = widths[column];
            match (right.contains(&column), column + 1 == cells.len()) {
                (true, _) => text += &format!("{cell:>width$}  "),
                (false, true) => text += &shortened(cell, room),
                (false, false) => text += &format!("{cell:<width$}  "),
            }
        }
        writeln!(out, "{style}{}{style:#}", text.trim_end())?;
        Ok(())
    };
    line(&heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>(), FAINT)?;
    rows.iter().try_for_each(|row| line(row, Style::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_are_wider_than_a_column() {
        let shown: Vec<_> = [0, 999, 1000, 4096, 102_400, 1 << 30, u64::MAX].map(bytes).to_vec();
        assert_eq!(shown, ["0 B", "999 B", "1.0 KiB", "4.0 KiB", "100 KiB", "1.0 GiB", "16777216 TiB"]);
        assert_eq!((shortened("HashMap", 7), shortened("HashMap", 4)), ("HashMap".into(), "Has…".into()));
    }
}
