//! The files of a report.

use std::path::{Path, PathBuf};

use t2f_files::disk::{self, OsDisk};
use t2f_pictures::picture;

use crate::error::{Error, Result};
use crate::long_form;
use crate::neighbours;
use crate::notebook::notebook;
use crate::page::{Extras, page};
use crate::reproduce;
use crate::run::Run;

/// Options of a report.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether the nearest training images are also shown for data that may show real people. Default false.
    pub neighbours: bool,
    /// The maximum of sheets in a timeline; at least 2. Default 12.
    pub frames: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { neighbours: false, frames: 12 }
    }
}

/// The name of a report: that of the run, or of the first one and the number of others.
pub fn name(runs: &[Run]) -> String {
    match runs {
        [] => "report".into(),
        [run] => run.name.clone(),
        [first, others @ ..] => format!("{}-and-{}", first.name, others.len()),
    }
}

/// Writes a report into a folder, which is created, and returns the paths of its files. Files of an earlier report
/// are replaced.
///
/// # Errors
/// If there is no run, two runs have one name, a file of a run cannot be read, or one cannot be written.
pub fn write(runs: &[Run], out: &Path, options: &Options) -> Result<Vec<PathBuf>> {
    check(runs)?;
    let title = match runs {
        [run] => format!("Run {}", run.name),
        runs => format!(
            "{} runs: {}",
            runs.len(),
            runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ")
        ),
    };
    let pairs = runs.iter().map(|run| pairs(run, options.neighbours)).collect();
    let extras = Extras { title, pairs, frames: options.frames.max(2) };
    let samples = newest_sheet(runs)?;
    let statistics = long_form::statistics(runs);
    let mut files = vec![
        ("report.html", page(runs, &extras)?.into_bytes()),
        ("report.ipynb", notebook(runs, &extras.title, samples.as_deref())?.into_bytes()),
        ("stats.parquet", long_form::parquet(&statistics)?),
        ("stats.csv", long_form::csv(&statistics)?),
        ("metrics.csv", long_form::csv(&long_form::metrics(runs))?),
        ("runs.csv", long_form::names(runs)?),
        ("reproduce.sh", reproduce::script(runs)?.into_bytes()),
        ("CITATION.txt", reproduce::citations(runs).into_bytes()),
    ];
    files.extend(samples.map(|png| ("samples.png", png)));
    std::fs::create_dir_all(out).map_err(|error| t2f_files::Error::new(out, error))?;
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = out.join(name);
        disk::replace(&OsDisk, &path, &bytes)?;
        written.push(path);
    }
    Ok(written)
}

/// Checks that there are runs, and that their names differ.
fn check(runs: &[Run]) -> Result<()> {
    if runs.is_empty() {
        return Err(Error::Runs("a report of no run".into()));
    }
    for (at, run) in runs.iter().enumerate() {
        if runs[..at].iter().any(|other| other.name == run.name) {
            return Err(Error::Runs(format!("two runs have the name {}, expected different ones", run.name)));
        }
    }
    Ok(())
}

/// The nearest training images of a run with a model, unless the data may show real people and `all` is false.
/// Data or a model that cannot be opened give a warning.
fn pairs(run: &Run, all: bool) -> Option<Vec<neighbours::Pair>> {
    let has_model = run.path.join("model.safetensors").is_file();
    if !has_model || (run.may_show_people() && !all) {
        return None;
    }
    match neighbours::pairs(run) {
        Ok(pairs) => Some(pairs),
        Err(error) => {
            tracing::warn!("{}: the nearest training images are left out: {error}", run.name);
            None
        }
    }
}

/// The newest sheet of samples of the first run that has one.
fn newest_sheet(runs: &[Run]) -> Result<Option<Vec<u8>>> {
    let sheet = runs.iter().find_map(|run| run.sheets.last());
    sheet.map(|sheet| Ok(picture::to_indexed_png(&picture::read(&sheet.path)?)?)).transpose()
}
