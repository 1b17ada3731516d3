//! The terminal: raw mode, the second screen, and the keys. Both are given back however the dashboard ends.

use std::io::{self, Stdout};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};

use crate::error::Result;
use crate::screen::View;

/// Restores the terminal when it is dropped, also by a panic.
struct Screen;

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoration.
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
    }
}

/// Runs `body` on the second screen of the terminal.
pub(crate) fn with(body: impl FnOnce(&mut Terminal<CrosstermBackend<Stdout>>) -> Result<()>) -> Result<()> {
    enable_raw_mode()?;
    let _screen = Screen;
    execute!(io::stdout(), EnterAlternateScreen)?;
    body(&mut Terminal::new(CrosstermBackend::new(io::stdout()))?)
}

/// Waits for a key or a change of the terminal's size for at most `every`; whether the reader leaves.
pub(crate) fn next(every: Duration, view: &mut View) -> Result<bool> {
    let end = Instant::now() + every;
    while event::poll(end.saturating_duration_since(Instant::now()))? {
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => return Ok(pressed(key, view)),
            Event::Resize(..) => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

/// Applies a key; whether the reader leaves.
fn pressed(key: KeyEvent, view: &mut View) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        KeyCode::Char('c') if control => return true,
        KeyCode::Right | KeyCode::Down | KeyCode::Tab => view.next(),
        KeyCode::Left | KeyCode::Up | KeyCode::BackTab => view.previous(),
        KeyCode::Char('l') => view.toggle_log(),
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_leave_select_and_change_the_axis() {
        let mut view = View::default();
        let mut press = |code, modifiers| pressed(KeyEvent::new(code, modifiers), &mut view);
        let none = KeyModifiers::NONE;
        assert!(press(KeyCode::Char('q'), none) && press(KeyCode::Esc, none));
        assert!(press(KeyCode::Char('c'), KeyModifiers::CONTROL) && !press(KeyCode::Char('c'), none));
        assert!(!press(KeyCode::Right, none) && !press(KeyCode::Char('l'), none));
        let mut expected = View::default();
        expected.next();
        expected.toggle_log();
        assert_eq!(view, expected);
        pressed(KeyEvent::new(KeyCode::Left, none), &mut view);
        pressed(KeyEvent::new(KeyCode::Char('l'), none), &mut view);
        assert_eq!(view, View::default());
    }
}
