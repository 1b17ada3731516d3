//! The progress of a run: the part of a checkpoint that is not a tensor.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::DType;
use serde::{Deserialize, Serialize};
use t2f_gan::AdaController;

use super::best::Best;
use crate::error::{Error, Result};
use crate::rollback::Rollback;
use crate::schedule::Stage;
use crate::state::Losses;

/// The progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Images shown: the position of the loader and of the schedule.
    pub images: u64,
    /// Sums of the losses since the last tick.
    pub sums: BTreeMap<String, f64>,
    /// The number of summands of each loss since the last tick.
    pub counts: BTreeMap<String, u64>,
    /// Fingerprint of the training data.
    pub data: String,
    /// The number of updates of each parameter of `g_params`.
    #[serde(alias = "painter_steps")]
    pub g_steps: BTreeMap<String, u64>,
    /// The number of updates of each parameter of `d_params`.
    #[serde(alias = "judge_steps")]
    pub d_steps: BTreeMap<String, u64>,
    /// The number of images that could not be read during the run and were replaced by others.
    #[serde(default)]
    pub substituted: u64,
    /// The ADA controller; absent in checkpoints of runs without one.
    #[serde(default)]
    pub augmented: Option<AdaController>,
    /// The stage of the last batch, where the schedule does not tell it: after a change of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Stage>,
    /// The best evaluation, with `output.metrics_kimg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// The rollbacks.
    #[serde(default)]
    pub rollbacks: Vec<Rollback>,
}

/// The tolerated number of replaced images, and the tolerated fraction of the images shown.
const FEW_SUBSTITUTES: u64 = 8;
const MOST_SUBSTITUTES: f64 = 0.01;

impl Progress {
    pub(super) fn add(&mut self, losses: &Losses, images: usize) -> Result<()> {
        for (name, value) in losses {
            let value = value.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            *self.sums.entry(name.clone()).or_default() += value;
            *self.counts.entry(name.clone()).or_default() += 1;
        }
        self.step += 1;
        self.images += images as u64;
        Ok(())
    }

    /// Checks that not too many images were replaced.
    pub(super) fn count_substitutes(&mut self, substituted: usize) -> Result<()> {
        self.substituted += substituted as u64;
        let most = FEW_SUBSTITUTES.max((self.images as f64 * MOST_SUBSTITUTES) as u64);
        if self.substituted <= most {
            return Ok(());
        }
        Err(Error::State(format!(
            "{} of {} images shown could not be read and were replaced by others, expected at most {most}: \
             files were lost or damaged since the run began; `data check` lists them",
            self.substituted, self.images
        )))
    }
}

/// Whether `(before, after]` contains a multiple of `kimg` thousand.
pub(super) fn crosses(before: u64, after: u64, kimg: f64) -> bool {
    let periods = |images: u64| (images as f64 / (kimg * 1000.0)).floor();
    periods(after) > periods(before)
}

/// Whether a row of statistics, or an evaluation, is due after the batch of the images `(before, after]`: at each
/// multiple of `kimg` thousand, and at the end, `total`. If less than half a period remains after a multiple, it is
/// delayed to the end, so that no row is a mean of a few steps alone, and no model is measured twice.
pub(super) fn tick_is_due(before: u64, after: u64, total: u64, kimg: f64) -> bool {
    let left = total.saturating_sub(after) as f64;
    left == 0.0 || (crosses(before, after, kimg) && left >= 500.0 * kimg)
}

/// Whether a sheet is due after the batch of the images `(before, after]`: at each multiple of `kimg` thousand,
/// and at the end, `total`, unless the multiple before is less than half a period earlier.
pub(super) fn sheet_is_due(before: u64, after: u64, total: u64, kimg: f64) -> bool {
    let period = 1000.0 * kimg;
    let (total, since) = (total as f64, total as f64 % period);
    crosses(before, after, kimg) || (after as f64 >= total && (since >= 0.5 * period || total < period))
}

/// Measures the throughput between ticks and the time of each batch.
#[derive(Debug)]
pub(super) struct Clock {
    since: Instant,
    batch: Instant,
    images: u64,
}

impl Clock {
    pub fn start(images: u64) -> Self {
        let now = Instant::now();
        Self { since: now, batch: now, images }
    }

    /// Seconds since the last batch, output included.
    pub fn batch(&mut self) -> f64 {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.batch, now)).as_secs_f64()
    }

    /// Images per second since the last lap.
    pub fn lap(&mut self, images: u64) -> f64 {
        let pace = (images - self.images) as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
        (self.since, self.images) = (Instant::now(), images);
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of the batches of 16 after which output is due, in images.
    fn dues(total: u64, kimg: f64, due: fn(u64, u64, u64, f64) -> bool) -> Vec<u64> {
        let ends = (1..=total / 16).map(|batch| 16 * batch);
        ends.filter(|&end| due(end - 16, end, total, kimg)).collect()
    }

    #[test]
    fn the_last_row_covers_at_least_half_a_tick() {
        assert_eq!(dues(1600, 0.4, tick_is_due), [400, 800, 1200, 1600]);
        // 16 images remain after 1600: its row is delayed to the end.
        assert_eq!(dues(1616, 0.4, tick_is_due), [400, 800, 1200, 1616]);
        assert_eq!(dues(1792, 0.4, tick_is_due), [400, 800, 1200, 1792]);
        assert_eq!(dues(1808, 0.4, tick_is_due), [400, 800, 1200, 1600, 1808]);
        assert_eq!(dues(48, 0.4, tick_is_due), [48]);
        for total in (16..3200).step_by(16) {
            let ends = dues(total, 0.4, tick_is_due);
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let lengths: Vec<u64> = ends.iter().zip(starts).map(|(end, start)| end - start).collect();
            assert!(total < 200 || lengths.iter().all(|length| *length >= 200), "{total}: {lengths:?}");
            assert_eq!(ends.last(), Some(&total));
        }
    }

    #[test]
    fn a_longer_schedule_adds_rows_and_moves_the_delayed_one_alone() {
        let (short, long) = (dues(1616, 0.4, tick_is_due), dues(3200, 0.4, tick_is_due));
        assert_eq!(short[..3], long[..3]);
    }

    #[test]
    fn the_last_sheet_is_at_least_half_a_period_after_the_one_before() {
        assert_eq!(dues(1600, 0.4, sheet_is_due), [400, 800, 1200, 1600]);
        assert_eq!(dues(1616, 0.4, sheet_is_due), [400, 800, 1200, 1600]);
        assert_eq!(dues(1808, 0.4, sheet_is_due), [400, 800, 1200, 1600, 1808]);
        // The first sheet of a short run is written.
        assert_eq!(dues(48, 0.4, sheet_is_due), [48]);
    }
}
