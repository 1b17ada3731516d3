//! The events of a run that a plot marks: changes of settings, resumes and rollbacks.

use std::collections::BTreeSet;

use super::rows::{KIMG, SETTINGS, StatsRow, kimg_of_step};
use crate::run_log::{Continuation, Reason};

/// The longest name in a caption, in letters.
const LONGEST: usize = 14;

/// An event at a place of the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Thousands of images shown before the event.
    pub kimg: f64,
    /// `resume`, `rollback`, or of a change of settings the last part of the first changed key and the number of
    /// others: `lr`, `batch_sizes +2`.
    pub caption: String,
}

/// The changes of settings in the rows of a run and its continuations, in the order of images shown; a resume
/// with changed settings is the change alone.
pub fn events(rows: &[StatsRow], continuations: &[Continuation]) -> Vec<Mark> {
    let mut marks = changes(rows);
    for Continuation { step, reason } in continuations {
        let Some(kimg) = kimg_of_step(rows, *step as f64) else { continue };
        let caption = match reason {
            Reason::Resume => "resume",
            Reason::Rollback => "rollback",
        };
        if !marks.iter().any(|mark| (mark.kimg - kimg).abs() < 1e-3) {
            marks.push(Mark { kimg, caption: caption.into() });
        }
    }
    marks.sort_by(|a, b| a.kimg.total_cmp(&b.kimg));
    marks
}

/// The changes in the rows of a run, in their order; equal ones, which a kill may repeat, once.
fn changes(rows: &[StatsRow]) -> Vec<Mark> {
    let mark = |row: &StatsRow| {
        let keys = row.keys().filter_map(|key| key.strip_prefix(SETTINGS));
        let names: BTreeSet<&str> = keys.map(|key| key.rsplit('.').next().unwrap_or(key)).collect();
        let first = names.first()?;
        let mut caption: String = first.chars().take(LONGEST).collect();
        if first.chars().count() > LONGEST {
            caption.push('…');
        }
        if names.len() > 1 {
            caption += &format!(" +{}", names.len() - 1);
        }
        Some(Mark { kimg: *row.get(KIMG)?, caption })
    };
    let mut marks: Vec<Mark> = rows.iter().filter_map(mark).collect();
    marks.dedup();
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_the_first_setting_and_counts_the_others() {
        let row = |kimg: f64, keys: &[&str]| -> StatsRow {
            let settings = keys.iter().map(|key| (format!("{SETTINGS}{key}"), 1.0));
            settings.chain([(KIMG.to_owned(), kimg)]).collect()
        };
        let rows = [
            row(1.0, &[]),
            row(2.0, &["optimizer.generator.lr", "optimizer.discriminator.lr"]),
            row(2.0, &["optimizer.generator.lr", "optimizer.discriminator.lr"]),
            row(3.0, &["optimizer.text_learns_from_discriminator", "seed", "a.z"]),
        ];
        let mark = |kimg, caption: &str| Mark { kimg, caption: caption.into() };
        assert_eq!(changes(&rows), [mark(2.0, "lr"), mark(3.0, "seed +2")]);
        let long = [row(4.0, &["optimizer.text_learns_from_discriminator"])];
        assert_eq!(changes(&long), [mark(4.0, "text_learns_fr…")]);
    }

    #[test]
    fn a_resume_with_changed_settings_is_marked_once() {
        let row = |step: f64, kimg: f64| StatsRow::from([("step".into(), step), (KIMG.into(), kimg)]);
        let mut changed = row(20.0, 0.4);
        changed.insert(format!("{SETTINGS}optimizer.generator.lr"), 1.0);
        let rows = [row(10.0, 0.2), row(20.0, 0.4), changed, row(30.0, 0.6)];
        let at = |step, reason| Continuation { step, reason };
        let events =
            events(&rows, &[at(20, Reason::Resume), at(15, Reason::Rollback), at(30, Reason::Resume)]);
        let captions: Vec<&str> = events.iter().map(|mark| mark.caption.as_str()).collect();
        assert_eq!(captions, ["rollback", "lr", "resume"]);
    }
}
