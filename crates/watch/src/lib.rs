//! The terminal dashboard of a training run: progress, curves, newest values and newest faces.
//!
//! It reads the run folder and takes no lock, so that it never disturbs a run; a run that is not begun, live
//! or finished looks alike. [`watch`] is the dashboard, [`page`] one page of it as text, for a terminal that is
//! none.

mod chart;
mod error;
mod faces;
mod run;
mod screen;
mod terminal;

use std::path::Path;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

pub use error::{Error, Result};
pub use faces::Pictures;
pub use run::Watched;
pub use screen::{View, draw};

/// Shows a run until the reader leaves, and reads the folder again after each `every`.
///
/// Keys: `q`, Escape or Ctrl-C leave; the arrows or Tab select the curves; `l` makes the vertical axis
/// logarithmic.
///
/// # Errors
/// If the folder is not a run, or the terminal cannot be used.
pub fn watch(run: &Path, every: Duration) -> Result<()> {
    let mut watched = Watched::open(run)?;
    let mut view = View::default();
    terminal::with(|terminal| {
        let mut pictures = Pictures::of_terminal();
        loop {
            terminal.draw(|frame| draw(frame, &watched, &view, &mut pictures))?;
            if terminal::next(every, &mut view)? {
                return Ok(());
            }
            watched.refresh()?;
        }
    })
}

/// One page of the dashboard as lines of text, `width` columns and `height` rows; faces are left out.
///
/// # Errors
/// If the folder is not a run.
pub fn page(run: &Path, width: u16, height: u16) -> Result<String> {
    let watched = Watched::open(run)?.without_faces();
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| draw(frame, &watched, &View::default(), &mut Pictures::blocks()));
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(width.max(1)));
    let lines = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    Ok(lines.map(|line| line.trim_end().to_owned() + "\n").collect())
}
