//! The terminal while `top` has it: its other screen, without a cursor, keys as they are pressed.
//!
//! All is as it was when the screen is dropped: at the end, after an error, in a panic; and when the process is told to
//! end. Ctrl-C is a key meanwhile.

use super::frame::Row;
use crate::demo::Result;
use crate::interrupt;
use clap::builder::styling::Style;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue};
use std::io::{Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether the terminal is to be given back.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

pub enum Key {
    Quit,
    /// Any other, or another size of the terminal.
    Other,
}

pub struct Screen {
    out: Stdout,
    colours: bool,
}

impl Screen {
    pub fn open() -> Result<Screen> {
        terminal::enable_raw_mode()?;
        IS_OPEN.store(true, Ordering::Relaxed);
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // From here on dropping it puts everything back.
        let mut screen = Screen { out: stdout(), colours };
        execute!(screen.out, EnterAlternateScreen, cursor::Hide)?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // So that the message is on the screen that stays.
            restore(&mut stdout().lock());
            before(panic);
        }));
        interrupt::on_interrupt(|| {
            let mut out = stdout().lock();
            restore(&mut out);
            // Nobody shows any more rows.
            std::mem::forget(out);
        })?;
        Ok(screen)
    }

    /// Columns and rows.
    pub fn size(&self) -> Result<(usize, usize)> {
        let (columns, rows) = terminal::size()?;
        Ok((usize::from(columns), usize::from(rows)))
    }

    pub fn show(&mut self, rows: &[Row]) -> Result<()> {
        for (index, row) in rows.iter().enumerate() {
            let style = if self.colours { row.style } else { Style::new() };
            queue!(self.out, cursor::MoveTo(0, index as u16))?;
            write!(self.out, "{style}{}{style:#}", row.text)?;
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
        }
        if rows.len() < self.size()?.1 {
            queue!(self.out, cursor::MoveTo(0, rows.len() as u16), Clear(ClearType::FromCursorDown))?;
        }
        Ok(self.out.flush()?)
    }

    /// The next key, waited for at most so long.
    pub fn key(&self, patience: Duration) -> Result<Option<Key>> {
        if !event::poll(patience)? {
            return Ok(None);
        }
        Ok(Some(match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Char('q' | 'Q') | KeyCode::Esc => Key::Quit,
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
                _ => Key::Other,
            },
            _ => Key::Other,
        }))
    }
}

/// Puts all back, once: what is printed afterwards stays.
fn restore(out: &mut impl Write) {
    if !IS_OPEN.swap(false, Ordering::Relaxed) {
        return;
    }
    let _ = execute!(out, cursor::Show, LeaveAlternateScreen);
    let _ = terminal::disable_raw_mode();
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore(&mut self.out);
    }
}
