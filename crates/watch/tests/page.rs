//! Pages of runs that are live, finished, empty, or no run.

use std::fs;
use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use t2f_data::Image;
use t2f_pictures::picture;
use t2f_pictures::sheet::{Layout, Tile, contact_sheet};
use t2f_train::config::Config;
use t2f_watch::{Pictures, View, Watched, draw, page};

/// A run of the preset `quick`, 22.8 kimg in all, without output.
fn run() -> tempfile::TempDir {
    let run = tempfile::tempdir().unwrap();
    fs::write(run.path().join("config.toml"), Config::preset("quick").unwrap().to_toml().unwrap()).unwrap();
    run
}

/// Adds rows at the given thousands of images, and their log.
fn train(run: &Path, kimg: &[f64]) {
    let row = |kimg: &f64| {
        format!(
            "{{\"Loss/D/total\":{},\"Loss/G/total\":2.0,\"Progress/kimg\":{kimg},\"Progress/level\":3.0,\
             \"Rates/generator\":0.005,\"Timing/images_per_sec\":81.5,\"step\":{}}}\n",
            1.0 / (1.0 + kimg),
            kimg * 100.0
        )
    };
    fs::write(run.join("stats.jsonl"), kimg.iter().map(row).collect::<String>()).unwrap();
    fs::write(run.join("log.txt"), "first\nlevel 3 begins: 32x32\n").unwrap();
}

/// Adds a sample sheet of faces of one colour.
fn sample(run: &Path, colour: [u8; 3]) {
    let tile = Tile { image: Image::filled(32, 32, colour), caption: "a man".into() };
    let sheet = contact_sheet(&vec![tile; 6], &Layout::default()).unwrap();
    picture::write(&run.join("fakes000010.png"), &sheet, None).unwrap();
}

#[test]
fn a_live_run_shows_progress_curves_values_and_log() {
    let run = run();
    train(run.path(), &[1.0, 2.0, 11.4]);
    let page = page(run.path(), 100, 30).unwrap();
    for part in [
        &run.path().file_name().unwrap().to_string_lossy(),
        "live, last row",
        "11.4 of 22.8 kimg",
        "32x32",
        "81.5 images/s",
        "50%",
        "Losses",
        "D/total",
        "0.08",
        "level 3 begins",
        "q leave",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    assert!(page.lines().count() == 30 && page.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_run_that_has_ended_is_called_finished() {
    let run = run();
    train(run.path(), &[22.9]);
    assert!(page(run.path(), 100, 30).unwrap().contains("finished"));
}

#[test]
fn a_run_without_statistics_says_so_and_a_small_terminal_is_no_error() {
    let run = run();
    assert!(page(run.path(), 100, 30).unwrap().contains("No statistics yet"));
    train(run.path(), &[1.0, 2.0]);
    sample(run.path(), [9; 3]);
    for (width, height) in [(1, 1), (10, 3), (30, 12), (79, 23), (300, 100)] {
        page(run.path(), width, height).unwrap();
    }
}

#[test]
fn other_keys_select_other_curves_and_wrap_around() {
    let run = run();
    train(run.path(), &[1.0, 2.0]);
    let watched = Watched::open(run.path()).unwrap();
    let text = |view: &View| {
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal.draw(|frame| draw(frame, &watched, view, &mut Pictures::blocks())).unwrap();
        terminal.backend().to_string()
    };
    let mut view = View::default();
    let first = text(&view);
    view.next();
    assert!(text(&view).contains("Learning rates") && !first.contains("Learning rates"));
    view.previous();
    view.previous();
    assert!(text(&view).contains("Speed"));
    view.next();
    assert_eq!(text(&view), first);
    view.toggle_log();
    assert!(text(&view).contains("logarithmic"));
}

#[test]
fn the_newest_faces_are_drawn_and_new_output_is_read() {
    let run = run();
    train(run.path(), &[1.0]);
    let mut watched = Watched::open(run.path()).unwrap();
    let blocks = |watched: &Watched| {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        terminal.draw(|frame| draw(frame, watched, &View::default(), &mut Pictures::blocks())).unwrap();
        terminal.backend().to_string().matches('▀').count()
    };
    assert_eq!(blocks(&watched), 0);
    sample(run.path(), [200, 100, 50]);
    train(run.path(), &[1.0, 2.0]);
    watched.refresh().unwrap();
    assert!(blocks(&watched) >= 200, "{}", blocks(&watched));
    assert_eq!(blocks(&watched.without_faces()), 0);
}

#[test]
fn a_folder_that_is_no_run_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let message = page(folder.path(), 80, 24).unwrap_err().to_string();
    assert!(
        message.contains("config.toml") && message.contains(&*folder.path().to_string_lossy()),
        "{message}"
    );
}
