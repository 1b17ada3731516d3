//! The progress of a run: the part of a checkpoint that is not a tensor.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::DType;
use serde::{Deserialize, Serialize};
use t2f_gan::AdaController;

use super::evaluation::Best;
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

/// Measures the throughput between ticks.
#[derive(Debug)]
pub(super) struct Clock {
    since: Instant,
    images: u64,
}

impl Clock {
    pub fn start(images: u64) -> Self {
        Self { since: Instant::now(), images }
    }

    /// Images per second since the last lap.
    pub fn lap(&mut self, images: u64) -> f64 {
        let pace = (images - self.images) as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
        *self = Self::start(images);
        pace
    }
}
