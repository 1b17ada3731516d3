//! The resumption of a run with other settings: the run's own settings, and the checks of new ones.

use crate::config::{Change, Config};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::run_dir::RunDir;
use crate::schedule::{Schedule, Stage};
use crate::trainer::progress::Progress;

/// The settings that a run was trained with: those of its model if `config.toml` has edits.
pub(super) fn recorded(run: &RunDir) -> Result<Config> {
    if run.is_edited() && run.model().exists() {
        let device = run.config()?.device;
        return Ok(Config { device, ..Model::config_of(&run.model())? });
    }
    run.config()
}

/// The refusal of data with another fingerprint than those of the run.
pub(super) fn other_data(found: &str, expected: &str, changes: &[Change]) -> Error {
    let of_data: Vec<String> =
        changes.iter().filter(|change| change.is_below("data")).map(Change::to_string).collect();
    if of_data.is_empty() {
        return Error::Config(format!(
            "the data of the run has changed: its fingerprint is {found}, expected {expected}. Restore the data, or \
             start a new run"
        ));
    }
    Error::Config(format!(
        "the data are not those of the run: their fingerprint is {found}, expected {expected}. The settings of \
         [data] can change in a run only if they give the same images and captions, such as from another folder; \
         {}",
        of_data.join("; ")
    ))
}

/// Adapts the progress of a run to a changed configuration.
///
/// # Errors
/// If the new schedule is over, or at an earlier level than the run.
pub(super) fn adapt(progress: &mut Progress, old: &Config, new: &Config, images: usize) -> Result<()> {
    let toggled = old.augment.adaptive.is_some() != new.augment.adaptive.is_some();
    if toggled || old.augment.probability != new.augment.probability {
        progress.augmented = None;
    }
    if old.schedule == new.schedule {
        return Ok(());
    }
    let of = |config: &Config| Schedule::new(&config.schedule, config.gan.max_level(), images);
    let (before, after) = (of(old)?, of(new)?);
    let shown = progress.images;
    let kimg = |images: u64| images as f64 / 1000.0;
    if after.total_images() <= shown {
        return Err(Error::Config(format!(
            "the new schedule ends at {} kimg, and the run has shown {} kimg: give a longer one",
            kimg(after.total_images()),
            kimg(shown)
        )));
    }
    let last = progress.last.unwrap_or_else(|| before.before(shown));
    let next = after.at(shown);
    if shown > 0 && next.level < last.level {
        let side = |stage: Stage| format!("{0}x{0}", stage.resolution);
        return Err(Error::Config(format!(
            "the new schedule is at {} at {} kimg, and the run is at {} there: only the phases of that level and of \
             later ones can be longer",
            side(next),
            kimg(shown),
            side(last)
        )));
    }
    progress.last = (after.before(shown) != last).then_some(last);
    Ok(())
}
