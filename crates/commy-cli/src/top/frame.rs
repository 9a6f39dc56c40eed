//! The rows that show a sample, for a terminal of a certain size.

use super::sample::{Object, Process, Sample};
use crate::output::{BAD, FAINT, STRONG, bytes, count, shortened};
use clap::builder::styling::Style;
use std::path::Path;

/// A row of the screen.
pub struct Row {
    pub style: Style,
    pub text: String,
}

/// What is shown in so many columns and rows: never more, and nothing that is cut in the middle but the last column.
pub fn frame(sample: &Sample, file: &Path, columns: usize, rows: usize) -> Vec<Row> {
    let mut all = Vec::new();
    let mut row = |style: Style, text: String| all.push(Row { style, text: shortened(&text, columns) });
    let stats = &sample.stats;
    let title = format!(" commy top  {}", file.display());
    let room = columns.saturating_sub(10);
    row(STRONG.invert(), format!("{:<room$}  q quits ", shortened(&title, room)));
    row(Style::new(), format!(" {}", memory(stats.allocated, stats.size, stats.limit, columns)));
    let sum = |part: fn(&Process) -> f64| rate(sample.processes.iter().map(part).sum());
    let (transactions, reads) = (sum(|one| one.transactions), sum(|one| one.reads));
    let (processes, waits) = (sample.processes.len(), sample.waits().count());
    row(
        Style::new(),
        format!(
            " {transactions} transactions/s  {reads} reads/s  {}  {}",
            count(processes, "process"),
            count(waits, "lock wait")
        ),
    );
    row(Style::new(), String::new());

    // Of what is left, processes and waits may have two thirds.
    let share = rows.saturating_sub(8) / 3;
    row(
        FAINT,
        format!(
            "{:>8} {:6}{:>10} {:>8} {:>14} {:>10}",
            "process", "state", "heartbeat", "threads", "transactions/s", "reads/s"
        ),
    );
    for one in sample.processes.iter().take(share.max(1)) {
        let (state, style) = if one.alive { ("alive", Style::new()) } else { ("dead", BAD) };
        let age = format!("{:.1} s", one.heartbeat.as_secs_f32());
        let (transactions, reads) = (rate(one.transactions), rate(one.reads));
        row(style, format!("{:>8} {state:6}{age:>10} {:>8} {transactions:>14} {reads:>10}", one.pid, one.threads));
    }
    if processes > share.max(1) {
        row(FAINT, format!("{:>8} and {} more", "", processes - share.max(1)));
    }
    row(Style::new(), String::new());
    if waits > 0 {
        row(FAINT, format!("{:>8} {:<30} held by", "waiting", "for"));
        for (pid, object) in sample.waits().take(share.max(1)) {
            let holders: Vec<String> = sample.holders(object).iter().map(u32::to_string).collect();
            row(BAD, format!("{pid:>8} {:<30} {}", shortened(object, 30), holders.join(", ")));
        }
        row(Style::new(), String::new());
    }
    let name =
        sample.objects.iter().map(|one| one.name.chars().count()).max().unwrap_or(6).clamp(6, (columns / 3).max(6));
    row(FAINT, format!(" {:<name$} {:>10} {:>10} {:>9}  type", "object", "changes/s", "length", "bytes"));
    for Object { name: object, changes, len, bytes: size, described, .. } in &sample.objects {
        let (changes, len) = (rate(*changes), len.map_or(String::new(), |len| len.to_string()));
        let (object, size) = (shortened(object, name), size.map_or("locked".into(), bytes));
        row(Style::new(), format!(" {object:<name$} {changes:>10} {len:>10} {:>9}  {described}", size));
    }
    all.truncate(rows);
    all
}

/// A bar of how much of the file objects have.
fn memory(allocated: u64, size: u64, limit: u64, columns: usize) -> String {
    let cells = (columns / 4).clamp(10, 40);
    let full = (allocated as f64 / size.max(1) as f64 * cells as f64).round() as usize;
    let bar = format!("{}{}", "#".repeat(full.min(cells)), ".".repeat(cells - full.min(cells)));
    format!("[{bar}] {} of objects, {} of file, limit {}", bytes(allocated), bytes(size), bytes(limit))
}

/// So many a second, in a few digits.
fn rate(number: f64) -> String {
    match number {
        0.0 => "0".into(),
        n if n < 10.0 => format!("{n:.1}"),
        n if n < 100_000.0 => format!("{n:.0}"),
        n if n < 1e7 => format!("{:.0} k", n / 1e3),
        n => format!("{:.1} M", n / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sampler;
    use super::*;
    use commy::Segment;

    #[test]
    fn a_frame_is_larger_than_the_screen_or_leaves_out_what_fits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.commy");
        let segment = Segment::create(&path).unwrap();
        for n in 0..50 {
            segment.open_or_create_with(&format!("a/rather/long/name/of/an/object/{n}"), || vec![n; 10]).unwrap();
        }
        let mut sampler = Sampler::new(Segment::options().read_only(true).open(&path).unwrap());
        let first = sampler.sample(None).unwrap();
        let list = segment.open::<Vec<i32>>("a/rather/long/name/of/an/object/7").unwrap();
        (0..100).for_each(|n| list.write().unwrap().push(n).unwrap());
        let sample = sampler.sample(Some(&first)).unwrap();
        for (columns, rows) in [(80, 24), (200, 60), (20, 5), (1, 1), (0, 0)] {
            let frame = frame(&sample, &path, columns, rows);
            assert!(frame.len() <= rows, "{columns} x {rows}: {} rows", frame.len());
            assert!(frame.iter().all(|row| row.text.chars().count() <= columns), "{columns} x {rows}");
        }
        let texts: Vec<String> = frame(&sample, &path, 200, 60).into_iter().map(|row| row.text).collect();
        let has = |what: &str| texts.iter().any(|text| text.contains(what));
        assert!(has("1 process ") && has(&std::process::id().to_string()) && has("Vec<i32>"), "{texts:#?}");
        // What changes most stands first.
        let head = texts.iter().position(|text| text.contains("changes/s")).unwrap();
        assert!(texts[head + 1].contains("object/7") && sample.objects[0].changes > 0.0, "{texts:#?}");
        assert!(sample.processes[0].transactions > 0.0);
    }
}
