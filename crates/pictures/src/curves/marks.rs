//! The changes of settings in a run, from its rows.

use std::collections::BTreeSet;

use super::rows::{KIMG, SETTINGS, StatsRow};

/// The longest name in a caption, in letters.
const LONGEST: usize = 14;

/// A change of settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) kimg: f64,
    /// The last part of the first changed key, and the number of others: `lr`, `batch_sizes +2`.
    pub(super) caption: String,
}

/// The changes in the rows of a run, in their order; equal ones, which a kill may repeat, once.
pub(super) fn of_run(rows: &[StatsRow]) -> Vec<Mark> {
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
        assert_eq!(of_run(&rows), [mark(2.0, "lr"), mark(3.0, "seed +2")]);
        let long = [row(4.0, &["optimizer.text_learns_from_discriminator"])];
        assert_eq!(of_run(&long), [mark(4.0, "text_learns_fr…")]);
    }
}
