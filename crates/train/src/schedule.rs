//! The growth schedule: level, fade-in and batch size as functions of the images shown.
//!
//! ProGAN (arXiv:1710.10196, §A.1) has thousands of images per phase; T2F has epochs, the fade-in
//! percentage of them, and a batch size for each level. Both are supported.

use serde::{Deserialize, Serialize};
use t2f_gan::Growth;
use t2f_ops::setting::SettingError;

use crate::error::{Error, Result};

/// The phases of training, either by `fade_kimg` and `stable_kimg` or by `epochs` and
/// `fade_in_percentage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Length of the fade-in in thousands of images; one number a level, the last repeats. The first level
    /// has no fade-in: its number is added to the stable phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_kimg: Option<Vec<f64>>,
    /// Length of the stable phase in thousands of images; one number a level, the last repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_kimg: Option<Vec<f64>>,
    /// T2F: passes over the training set; one number a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Vec<f64>>,
    /// T2F: fade-in percentage of a level's epochs; one number a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_in_percentage: Option<Vec<f64>>,
    /// Images per step; one number a level, the last repeats; default 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batch_sizes: Vec<usize>,
    /// The micro-batches that a step's batch is divided into. Their losses are averaged, and comparisons within
    /// a batch stay within a micro-batch. A step needs the memory of one of them, and several processes share
    /// them out. Default 1, in a training on several processes their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batches: Option<usize>,
    /// Length of the linear decay of all learning rates to 0 at the end of the run, in thousands of images;
    /// default 0: no decay.
    pub anneal_kimg: f64,
    /// The number of training images N₀ that the lengths are made for. With N images, from 400 to 200,000, all
    /// lengths are multiplied by `(N / N₀)^¼`, and a run records them without this key. Default none: the lengths
    /// are those given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_images: Option<usize>,
    /// The level of the first batch, without a fade-in; lower levels have no images. At most the level of
    /// `gan.resolution`; default 0, and in a run from trained weights their level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_level: Option<usize>,
}

/// The state of the schedule at one batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// 0 is 4x4, each level doubles.
    pub level: usize,
    /// Side of the images in pixels.
    pub resolution: usize,
    /// Weight of the newest level, in `(0, 1]`.
    pub alpha: f64,
    /// Images in the next batch.
    pub batch_size: usize,
    /// The share of the schedule's images that were shown before this batch, 0 to 1.
    #[serde(default)]
    pub progress: f64,
}

impl Stage {
    /// The level and its weight, as the networks expect them.
    pub fn growth(&self) -> Growth {
        Growth { level: self.level, alpha: self.alpha }
    }
}

impl ScheduleConfig {
    /// The same schedule with all defaults written out.
    #[must_use]
    pub fn written_out(&self) -> Self {
        let mut whole = self.clone();
        if self.in_epochs() {
            whole.epochs.get_or_insert_with(|| vec![EPOCHS]);
            whole.fade_in_percentage.get_or_insert_with(|| vec![FADE_IN_PERCENTAGE]);
        } else {
            whole.fade_kimg.get_or_insert_with(|| vec![KIMG]);
            whole.stable_kimg.get_or_insert_with(|| vec![KIMG]);
        }
        if whole.batch_sizes.is_empty() {
            whole.batch_sizes = vec![BATCH_SIZE];
        }
        whole
    }

    /// The schedule for a number of training images, without [`reference_images`](Self::reference_images).
    #[must_use]
    pub fn for_images(&self, images: usize) -> Self {
        let Some(reference) = self.reference_images else { return self.clone() };
        let images = images.clamp(FEWEST_IMAGES, MOST_IMAGES) as f64;
        let schedule = self.scaled((images / reference.max(1) as f64).powf(0.25));
        Self { reference_images: None, ..schedule }
    }

    /// The schedule with all lengths times `factor`, with four significant digits; percentages and batch sizes are
    /// the same.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let whole = self.written_out();
        let times = |numbers: Vec<f64>| numbers.into_iter().map(|number| rounded(number * factor)).collect();
        Self {
            fade_kimg: whole.fade_kimg.map(times),
            stable_kimg: whole.stable_kimg.map(times),
            epochs: whole.epochs.map(times),
            anneal_kimg: rounded(whole.anneal_kimg * factor),
            ..whole
        }
    }

    /// The length of the last level's stable phase, or its epochs, doubled: the key and its numbers, one a
    /// level.
    pub fn longer(&self, levels: usize) -> (&'static str, Vec<f64>) {
        let whole = self.written_out();
        let (key, numbers) = match (whole.epochs, whole.stable_kimg) {
            (Some(epochs), _) => ("schedule.epochs", epochs),
            (None, stable) => ("schedule.stable_kimg", stable.unwrap_or_else(|| vec![KIMG])),
        };
        let last = numbers.last().copied().unwrap_or(KIMG);
        let mut numbers: Vec<f64> =
            (0..levels).map(|level| numbers.get(level).copied().unwrap_or(last)).collect();
        if let Some(end) = numbers.last_mut() {
            *end = if last > 0.0 { 2.0 * last } else { KIMG };
        }
        (key, numbers)
    }

    /// Whether the phases are given in epochs, so that they depend on the size of the data set.
    pub(crate) fn in_epochs(&self) -> bool {
        self.epochs.is_some() || self.fade_in_percentage.is_some()
    }

    /// A micro-batch has at least two images, as a batch has.
    fn check_micro_batches(&self) -> Result<()> {
        let Some(count) = self.micro_batches else { return Ok(()) };
        let sizes = self.written_out().batch_sizes;
        let fits = |size: &usize| count > 0 && size.is_multiple_of(count) && size / count >= 2;
        if sizes.iter().all(fits) {
            return Ok(());
        }
        let expected = format!(
            "a number that divides each of schedule.batch_sizes ({sizes:?}) into parts of at least 2 images"
        );
        Err(SettingError::new("schedule.micro_batches", count, expected).into())
    }

    /// Checks the settings for a number of levels.
    fn check(&self, levels: usize) -> Result<()> {
        let kimg = self.fade_kimg.is_some() || self.stable_kimg.is_some();
        if kimg && self.in_epochs() {
            return Err(Error::Config(
                "schedule: give fade_kimg and stable_kimg, or epochs and fade_in_percentage, not both".into(),
            ));
        }
        let range = format!("at least 0 and at most {LONGEST}");
        for (key, array) in [
            ("schedule.fade_kimg", &self.fade_kimg),
            ("schedule.stable_kimg", &self.stable_kimg),
            ("schedule.epochs", &self.epochs),
            ("schedule.fade_in_percentage", &self.fade_in_percentage),
        ] {
            let Some(array) = array else { continue };
            if array.is_empty() || array.len() > levels {
                let expected = format!("1 to {levels} numbers, at most one a level");
                return Err(SettingError::new(key, format!("{array:?}"), expected).into());
            }
            if array.iter().any(|x| !(0.0..=LONGEST).contains(x)) {
                let expected = format!("each number {range}");
                return Err(SettingError::new(key, format!("{array:?}"), expected).into());
            }
        }
        if !(0.0..=LONGEST).contains(&self.anneal_kimg) {
            let value = format!("{:?}", self.anneal_kimg);
            return Err(SettingError::new("schedule.anneal_kimg", value, range).into());
        }
        if self.batch_sizes.len() > levels || self.batch_sizes.contains(&0) {
            let expected = format!("at most {levels} numbers, each above 0");
            let value = format!("{:?}", self.batch_sizes);
            return Err(SettingError::new("schedule.batch_sizes", value, expected).into());
        }
        self.check_micro_batches()?;
        if self.reference_images == Some(0) {
            return Err(SettingError::new("schedule.reference_images", 0, "at least 1").into());
        }
        match self.start_level {
            Some(start) if start >= levels => {
                let expected = format!("at most {}, the level of gan.resolution", levels - 1);
                Err(SettingError::new("schedule.start_level", start, expected).into())
            }
            _ => Ok(()),
        }
    }
}

/// A number with four significant digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

/// A positive number with two significant digits.
fn significant(x: f64) -> f64 {
    let digits = 10f64.powi(1 - x.log10().floor() as i32);
    (x * digits).round() / digits
}

/// Defaults of [`ScheduleConfig`].
const KIMG: f64 = 10.0;
const EPOCHS: f64 = 1.0;
const FADE_IN_PERCENTAGE: f64 = 50.0;
const BATCH_SIZE: usize = 16;

/// The range of the numbers of training images that lengths depend on, by `reference_images`.
const FEWEST_IMAGES: usize = 400;
const MOST_IMAGES: usize = 200_000;

/// The maximum of a phase in its unit, so that numbers of images do not overflow.
const LONGEST: f64 = 1e9;

/// The tolerated relative error of the lengths of phases, far above the rounding error of 64 bits.
const ROUNDING: f64 = 1e-12;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Phase {
    start: u64,
    fade: u64,
    end: u64,
    batch_size: usize,
}

/// A checked schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    phases: Vec<Phase>,
    /// The length of the decay of the learning rates, in images.
    anneal: f64,
    /// The micro-batches of a step.
    micro_batches: usize,
}

impl Schedule {
    /// The schedule of levels `0..=max_level` for a training set of `images` images.
    ///
    /// # Errors
    /// If both ways are mixed, an array has more numbers than levels, or a number is out of range; the
    /// message names the keys.
    pub fn new(config: &ScheduleConfig, max_level: usize, images: usize) -> Result<Self> {
        let levels = max_level + 1;
        config.check(levels)?;
        let config = config.for_images(images);
        let first = config.start_level.unwrap_or(0);
        let whole = config.written_out();
        let of = |array: &Option<Vec<f64>>, level: usize| {
            array.as_ref().map_or(0.0, |array| array[level.min(array.len() - 1)])
        };
        let mut phases = Vec::with_capacity(levels);
        let mut start = 0;
        for level in 0..levels {
            let batch_size = whole.batch_sizes[level.min(whole.batch_sizes.len() - 1)];
            let (fade, stable) = if config.in_epochs() {
                let total = of(&whole.epochs, level) * images as f64;
                let share = of(&whole.fade_in_percentage, level);
                if share > 100.0 {
                    return Err(SettingError::new("schedule.fade_in_percentage", share, "at most 100").into());
                }
                (total * share / 100.0, total * (1.0 - share / 100.0))
            } else {
                (1000.0 * of(&whole.fade_kimg, level), 1000.0 * of(&whole.stable_kimg, level))
            };
            let (fade, stable) = if level < first { (0.0, 0.0) } else { (fade, stable) };
            // Whole batches, so that no batch belongs to two levels; rounding errors add no batch.
            let batches = |images: f64| {
                (images * (1.0 - ROUNDING) / batch_size as f64).ceil() as u64 * batch_size as u64
            };
            let end = start + batches(fade + stable);
            if end == start && level == max_level {
                return Err(Error::Config(
                    "schedule: the last level has no images: its phases are all 0".into(),
                ));
            }
            let fade = if level == first { 0 } else { batches(fade).min(end - start) };
            phases.push(Phase { start, fade, end, batch_size });
            start = end;
        }
        let micro_batches = config.micro_batches.unwrap_or(1);
        Ok(Self { phases, anneal: 1000.0 * config.anneal_kimg, micro_batches })
    }

    /// The number of images of the whole schedule.
    pub fn total_images(&self) -> u64 {
        self.phases.last().map_or(0, |phase| phase.end)
    }

    /// The stage of the batch that begins after `images` images.
    ///
    /// During a fade-in `alpha` increases linearly with each batch and is 1 in its last batch. After the end
    /// the last stage is returned.
    pub fn at(&self, images: u64) -> Stage {
        let level = self.phases.iter().position(|phase| images < phase.end).unwrap_or(self.phases.len() - 1);
        let phase = self.phases[level];
        let into = images.saturating_sub(phase.start) + phase.batch_size as u64;
        let alpha = if into < phase.fade { into as f64 / phase.fade as f64 } else { 1.0 };
        let progress = (images as f64 / self.total_images().max(1) as f64).min(1.0);
        Stage { level, resolution: 4 << level, alpha, batch_size: phase.batch_size, progress }
    }

    /// The factor of the learning rates for the batch that begins after `images` images: 1, with a linear
    /// decay to 0 over the last `anneal_kimg`.
    pub fn rate(&self, images: u64) -> f64 {
        let left = self.total_images().saturating_sub(images) as f64;
        if left < self.anneal { left / self.anneal } else { 1.0 }
    }

    /// The micro-batches of a step.
    pub fn micro_batches(&self) -> usize {
        self.micro_batches
    }

    /// The micro-batches of a step for each of `processes` processes.
    ///
    /// # Errors
    /// If their number is not a multiple of that of the processes.
    pub fn micro_batches_of(&self, processes: usize) -> Result<usize> {
        if self.micro_batches.is_multiple_of(processes) {
            return Ok(self.micro_batches / processes);
        }
        let expected = format!("a multiple of the {processes} processes");
        Err(SettingError::new("schedule.micro_batches", self.micro_batches, expected).into())
    }

    /// The stage of the batch that ends after `images` images, if the schedule was the same before.
    pub fn before(&self, images: u64) -> Stage {
        let size = self.at(images.saturating_sub(1)).batch_size as u64;
        self.at(images.saturating_sub(size))
    }

    /// A remark on learning rates that decay from the start of the run; none if they do not.
    pub fn remark(&self) -> Option<String> {
        let total = self.total_images() as f64;
        if self.anneal < total || total == 0.0 {
            return None;
        }
        let kimg = |images: f64| images / 1000.0;
        let start = (100.0 * self.rate(0)).round();
        Some(format!(
            "schedule.anneal_kimg is {}, and the whole run has {} kimg: the learning rates begin at {start} % and \
             only fall; about a third of the run is usual, such as schedule.anneal_kimg={}",
            kimg(self.anneal),
            kimg(total),
            significant(0.3 * total / 1000.0)
        ))
    }

    /// The size of the smallest batch.
    pub fn smallest_batch(&self) -> usize {
        self.phases.iter().map(|phase| phase.batch_size).min().unwrap_or(0)
    }

    /// The size of the largest batch.
    pub fn largest_batch(&self) -> usize {
        self.phases.iter().map(|phase| phase.batch_size).max().unwrap_or(0)
    }

    /// For each level, the number of images at its begin, at the end of its fade-in, and at its end.
    pub fn phases(&self) -> Vec<(u64, u64, u64)> {
        self.phases.iter().map(|phase| (phase.start, phase.start + phase.fade, phase.end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kimg(fade: &[f64], stable: &[f64], batch_sizes: &[usize]) -> ScheduleConfig {
        ScheduleConfig {
            fade_kimg: Some(fade.into()),
            stable_kimg: Some(stable.into()),
            batch_sizes: batch_sizes.into(),
            ..ScheduleConfig::default()
        }
    }

    fn walk(schedule: &Schedule) -> Vec<Stage> {
        let mut stages = Vec::new();
        let mut images = 0;
        while images < schedule.total_images() {
            let stage = schedule.at(images);
            images += stage.batch_size as u64;
            stages.push(stage);
        }
        assert_eq!(images, schedule.total_images(), "the last batch ends with the schedule");
        stages
    }

    #[test]
    fn phases_and_decay_have_one_factor_and_four_digits() {
        let config = ScheduleConfig { anneal_kimg: 2.0, ..kimg(&[0.0, 0.3], &[1.0, 7.0], &[8]) };
        let found = config.scaled(1.23456);
        assert_eq!(found.fade_kimg, Some(vec![0.0, 0.3704]));
        assert_eq!((found.stable_kimg, found.anneal_kimg), (Some(vec![1.235, 8.642]), 2.469));
        assert_eq!(found.batch_sizes, [8]);
        let epochs = ScheduleConfig { epochs: Some(vec![3.0]), ..ScheduleConfig::default() };
        let found = epochs.scaled(2.0);
        assert_eq!((found.epochs, found.fade_in_percentage), (Some(vec![6.0]), Some(vec![50.0])));
        assert_eq!(found.stable_kimg, None);
        assert_eq!(config.scaled(1.0), config);
    }

    /// 16 times as many images are shown for twice as long.
    #[test]
    fn lengths_depend_on_the_number_of_images_by_reference_images() {
        let config =
            ScheduleConfig { anneal_kimg: 4.0, reference_images: Some(6000), ..kimg(&[2.0], &[10.0], &[16]) };
        let at = |images: usize| config.for_images(images);
        assert_eq!(at(96_000).stable_kimg, Some(vec![20.0]));
        assert_eq!((at(96_000).fade_kimg, at(96_000).anneal_kimg), (Some(vec![4.0]), 8.0));
        assert_eq!(at(6000).stable_kimg, Some(vec![10.0]));
        assert_eq!(at(6000).reference_images, None);
        assert_eq!((at(20), at(5_000_000)), (at(400), at(200_000)));
        let total = |config: &ScheduleConfig| Schedule::new(config, 1, 96_000).unwrap().total_images();
        assert_eq!(total(&config), total(&at(96_000)));
        let fixed = ScheduleConfig { reference_images: None, ..config.clone() };
        assert_eq!(fixed.for_images(96_000), fixed);
        let none = ScheduleConfig { reference_images: Some(0), ..config.clone() };
        let message = Schedule::new(&none, 1, 10).unwrap_err().to_string();
        assert!(message.contains("schedule.reference_images is 0, expected at least 1"), "{message}");
    }

    #[test]
    fn levels_never_decrease_and_alpha_never_decreases_within_a_level() {
        let schedule = Schedule::new(&kimg(&[0.3, 0.25, 0.4], &[0.5], &[16, 8, 7]), 3, 100).unwrap();
        let stages = walk(&schedule);
        for pair in stages.windows(2) {
            assert!(
                pair[1].level == pair[0].level && pair[1].alpha >= pair[0].alpha
                    || pair[1].level == pair[0].level + 1 && pair[0].alpha == 1.0
            );
        }
        assert!(stages.iter().all(|s| s.alpha > 0.0 && s.alpha <= 1.0 && s.resolution == 4 << s.level));
        assert!(stages.iter().filter(|s| s.level == 0).all(|s| s.alpha == 1.0));
        assert!(stages.iter().any(|s| s.level == 2 && s.alpha < 0.1));
        assert_eq!(stages.last().unwrap().level, 3);
    }

    #[test]
    fn t2f_arrays_mean_passes_over_the_training_set() {
        let config = ScheduleConfig {
            epochs: Some(vec![2.0, 4.0]),
            fade_in_percentage: Some(vec![50.0, 50.0]),
            batch_sizes: vec![10],
            ..ScheduleConfig::default()
        };
        let schedule = Schedule::new(&config, 1, 100).unwrap();
        assert_eq!(schedule.phases(), [(0, 0, 200), (200, 400, 600)]);
        assert_eq!(schedule.at(200).alpha, 0.05);
        assert_eq!(schedule.at(390).alpha, 1.0);
    }

    #[test]
    fn rounding_adds_no_batch_at_any_percentage() {
        for percent in 0..=100 {
            let config = ScheduleConfig {
                epochs: Some(vec![1.0]),
                fade_in_percentage: Some(vec![f64::from(percent)]),
                batch_sizes: vec![8],
                ..ScheduleConfig::default()
            };
            assert_eq!(Schedule::new(&config, 1, 1000).unwrap().total_images(), 2000, "{percent} %");
        }
        for images in 0..=1000 {
            let fade = f64::from(images) / 1000.0;
            let schedule = Schedule::new(&kimg(&[fade], &[1.0 - fade], &[8]), 1, 1).unwrap();
            assert_eq!(schedule.total_images(), 2000, "{fade}");
        }
    }

    #[test]
    fn learning_rates_decay_over_the_last_images() {
        let config = ScheduleConfig { anneal_kimg: 0.4, ..kimg(&[0.0], &[0.5], &[10]) };
        let schedule = Schedule::new(&config, 1, 10).unwrap();
        let rates = [0, 600, 700, 800, 990, 1000].map(|images| schedule.rate(images));
        assert_eq!(rates, [1.0, 1.0, 0.75, 0.5, 0.025, 0.0]);
        let steady = Schedule::new(&kimg(&[0.0], &[0.5], &[10]), 1, 10).unwrap();
        assert_eq!(steady.rate(990), 1.0);
    }

    #[test]
    fn a_schedule_starts_at_its_level_without_a_fade_in() {
        let from = |start| ScheduleConfig { start_level: Some(start), ..kimg(&[0.1], &[0.2], &[10]) };
        let schedule = Schedule::new(&from(1), 2, 10).unwrap();
        assert_eq!(schedule.phases(), [(0, 0, 0), (0, 0, 300), (300, 400, 600)]);
        let first = schedule.at(0);
        assert_eq!((first.level, first.resolution, first.alpha, schedule.before(0)), (1, 8, 1.0, first));
        assert!(walk(&schedule).iter().all(|stage| stage.level > 0));
        let plain = Schedule::new(&kimg(&[0.1], &[0.2], &[10]), 2, 10).unwrap();
        assert_eq!(Schedule::new(&from(0), 2, 10).unwrap(), plain);
        let message = Schedule::new(&from(3), 2, 10).unwrap_err().to_string();
        assert!(message.contains("schedule.start_level is 3, expected at most 2"), "{message}");
    }

    #[test]
    fn written_out_defaults_give_the_same_schedule() {
        let epochs = ScheduleConfig { epochs: Some(vec![2.0]), ..ScheduleConfig::default() };
        let stable = ScheduleConfig { stable_kimg: Some(vec![1.0, 2.0]), ..ScheduleConfig::default() };
        for config in [ScheduleConfig::default(), epochs, stable, kimg(&[1.0], &[2.0], &[8])] {
            let whole = config.written_out();
            assert_eq!(Schedule::new(&whole, 2, 100).unwrap(), Schedule::new(&config, 2, 100).unwrap());
            assert!(!whole.batch_sizes.is_empty() && whole.written_out() == whole);
            assert!(whole.epochs.is_some() != whole.stable_kimg.is_some());
        }
    }

    #[test]
    fn errors_name_the_keys() {
        let mixed = ScheduleConfig { epochs: Some(vec![1.0]), ..kimg(&[1.0], &[1.0], &[]) };
        for (config, needle) in [
            (mixed, "fade_kimg and stable_kimg, or epochs"),
            (kimg(&[1.0; 3], &[1.0], &[]), "schedule.fade_kimg is [1.0, 1.0, 1.0], expected 1 to 2 numbers"),
            (kimg(&[-1.0], &[1.0], &[]), "schedule.fade_kimg is [-1.0], expected each number at least 0"),
            (kimg(&[1.0], &[1e17], &[]), "stable_kimg is [1e17]"),
            (kimg(&[1.0], &[f64::NAN], &[]), "stable_kimg is [NaN]"),
            (
                kimg(&[1.0], &[1.0], &[0]),
                "schedule.batch_sizes is [0], expected at most 2 numbers, each above 0",
            ),
            (ScheduleConfig { anneal_kimg: -1.0, ..kimg(&[1.0], &[1.0], &[]) }, "anneal_kimg is -1"),
            (ScheduleConfig { anneal_kimg: 1e306, ..kimg(&[1.0], &[1.0], &[]) }, "anneal_kimg is 1e306"),
            (ScheduleConfig { anneal_kimg: f64::NAN, ..kimg(&[1.0], &[1.0], &[]) }, "anneal_kimg is NaN"),
            (kimg(&[1.0, 0.0], &[1.0, 0.0], &[]), "the last level has no images"),
        ] {
            let message = Schedule::new(&config, 1, 10).unwrap_err().to_string();
            assert!(message.contains(needle), "{message}");
        }
    }
}
