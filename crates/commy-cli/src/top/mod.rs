//! `top`: a live view of a segment on the whole screen.
//!
//! ```text
//! sample    what is so at a moment, and what has been done since the one before
//! frame     the rows that show it, for a terminal of that size
//! screen    the terminal: its other screen, keys, and all as it was at the end, however it ends
//! ```

mod frame;
mod sample;
mod screen;

use crate::demo::Result;
use crate::objects::glance;
use crate::output;
use clap::Args;
use sample::{Sample, Sampler};
use screen::{Key, Screen};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Options {
    /// The segment.
    pub file: PathBuf,
    /// Seconds from one look to the next.
    #[arg(long, default_value_t = 1.0)]
    interval: f64,
    /// Look for one interval, print what is seen, and end.
    #[arg(long)]
    once: bool,
    /// As JSON, a line for each interval, instead of a screen.
    #[arg(long)]
    json: bool,
}

pub fn run(options: &Options) -> Result<()> {
    let interval = Duration::from_secs_f64(options.interval.clamp(0.05, 3600.0));
    let mut sampler = Sampler::new(glance(&options.file)?);
    let mut before = sampler.sample(None)?;
    if options.json || options.once {
        loop {
            std::thread::sleep(interval);
            let now = sampler.sample(Some(&before))?;
            if options.json {
                output::json(&now.json())?;
            } else {
                let columns = output::columns().unwrap_or(100);
                let rows = frame::frame(&now, &options.file, columns, usize::MAX);
                let mut out = output::out();
                rows.iter().try_for_each(|row| writeln!(out, "{}", row.text.trim_end()))?;
            }
            if options.once {
                return Ok(());
            }
            before = now;
        }
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err("top shows its view on a terminal; --once prints it once, --json as lines".into());
    }
    watch(&mut sampler, before, interval, options)
}

fn watch(sampler: &mut Sampler, mut now: Sample, interval: Duration, options: &Options) -> Result<()> {
    let mut screen = Screen::open()?;
    let mut next = Instant::now() + interval.min(Duration::from_millis(300));
    loop {
        let (columns, rows) = screen.size()?;
        screen.show(&frame::frame(&now, &options.file, columns, rows))?;
        // A key or another size of the terminal ends the wait.
        match screen.key(next.saturating_duration_since(Instant::now()))? {
            Some(Key::Quit) => return Ok(()),
            Some(Key::Other) => {}
            None => {
                now = sampler.sample(Some(&now))?;
                next = Instant::now() + interval;
            }
        }
    }
}
