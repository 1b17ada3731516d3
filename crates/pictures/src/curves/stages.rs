//! The stages of a run from its rows: the beginning of each level and the end of its fade-in.

use super::rows::{KIMG, StatsRow};

/// The range of one level, in kimg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) level: u32,
    pub(super) start: f64,
    /// The end of the fade-in; `start` where there is none.
    pub(super) faded: f64,
}

impl Stage {
    /// Pixels on a side, `4 * 2^level`.
    pub(super) fn resolution(&self) -> u64 {
        4u64 << self.level.min(20)
    }
}

/// The stages in the rows of one run; a stage starts at the row before its first one.
fn of_run(rows: &[StatsRow]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut before = 0.0;
    for row in rows {
        let (Some(&kimg), Some(&level)) = (row.get(KIMG), row.get("Progress/level")) else { continue };
        let level = level.clamp(0.0, 20.0) as u32;
        if stages.last().is_none_or(|stage| stage.level != level) {
            let start = if stages.is_empty() { kimg.min(before) } else { before };
            stages.push(Stage { level, start, faded: start });
        }
        if let Some(stage) = stages.last_mut()
            && row.get("Progress/alpha").is_some_and(|alpha| *alpha < 1.0)
        {
            stage.faded = kimg;
        }
        before = kimg;
    }
    stages
}

/// The common stages of several runs: those of the first, if every other run changes level at the same
/// images, within 2 % of the longest run; otherwise none.
pub(super) fn shared<'a>(runs: impl Iterator<Item = &'a [StatsRow]> + Clone) -> Vec<Stage> {
    let whole = runs.clone().flatten().filter_map(|row| row.get(KIMG)).copied().fold(0.0, f64::max);
    let all: Vec<Vec<Stage>> = runs.map(of_run).collect();
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let alike = |a: &Stage, b: &Stage| a.level == b.level && (a.start - b.start).abs() <= 0.02 * whole;
    let same = |stages: &Vec<Stage>| {
        stages.len() == first.len() && first.iter().zip(stages).all(|(a, b)| alike(a, b))
    };
    let agree = others.iter().all(same);
    if agree { first.clone() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[(f64, f64, f64)]) -> Vec<StatsRow> {
        let keys = [KIMG, "Progress/level", "Progress/alpha"].map(String::from);
        of.iter()
            .map(|&(kimg, level, alpha)| keys.clone().into_iter().zip([kimg, level, alpha]).collect())
            .collect()
    }

    #[test]
    fn a_stage_starts_at_its_level_and_fades_until_alpha_is_one() {
        let rows =
            rows(&[(1.0, 0.0, 1.0), (2.0, 0.0, 1.0), (3.0, 1.0, 0.4), (4.0, 1.0, 0.9), (5.0, 1.0, 1.0)]);
        let stages = shared([rows.as_slice()].into_iter());
        assert_eq!(stages[0], Stage { level: 0, start: 0.0, faded: 0.0 });
        assert_eq!(stages[1], Stage { level: 1, start: 2.0, faded: 4.0 });
        assert_eq!(stages[1].resolution(), 8);
    }

    #[test]
    fn runs_with_different_level_changes_share_no_stages() {
        let (a, b) = (rows(&[(1.0, 0.0, 1.0), (2.0, 1.0, 0.5)]), rows(&[(1.9, 0.0, 1.0), (2.9, 1.0, 0.5)]));
        assert!(shared([a.as_slice(), &b].into_iter()).is_empty());
        assert_eq!(shared([a.as_slice(), &a].into_iter()).len(), 2);
    }

    #[test]
    fn stages_of_long_runs_may_differ_by_a_tick() {
        let run = |begins: f64| rows(&[(begins, 0.0, 1.0), (begins + 1.0, 1.0, 1.0), (100.0, 1.0, 1.0)]);
        let (a, b, late) = (run(3.0), run(4.0), run(9.0));
        assert_eq!(shared([a.as_slice(), &b].into_iter()).len(), 2);
        assert!(shared([a.as_slice(), &late].into_iter()).is_empty());
    }
}
