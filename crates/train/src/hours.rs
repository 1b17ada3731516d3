//! A schedule for a given time: `t2f train --hours`.
//!
//! The pace of each phase is measured by a few steps on batches of the run's data. Networks, optimisers and
//! loader of the measurement are dropped, so that the run has the same bits as one with the scaled schedule
//! in its configuration. Statistics, sheets and checkpoints are not part of the measurement: they take a few
//! per cent more, sheets and checkpoints with short periods more than that.

use std::sync::Arc;
use std::time::Instant;

use t2f_data::{Batch, Loader, Prefetch, Request, Splits};
use t2f_ops::rng::Key;

use crate::components::Components;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::pace::Pace;
use crate::schedule::{Schedule, Stage};
use crate::state::TrainState;
use crate::trainer::train_tokenizer;

/// The maximum of hours.
pub const LONGEST_HOURS: f64 = 10_000.0;

/// Steps of each phase before the measured ones.
const WARM_UP: u64 = 2;
/// The minimum of the measured steps of a phase, and of their seconds.
const FEWEST: u64 = 3;
const SHORTEST: f64 = 0.5;

/// A configuration with a schedule for a given time.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The configuration, with defaults written out.
    pub config: Config,
    /// The factor of all phases.
    pub factor: f64,
    /// The number of images of the schedule.
    pub images: u64,
    /// The time that it takes at the measured pace, in seconds.
    pub seconds: f64,
}

/// Scales the phases of the schedule (fade-in, stable, decay of the rates) by one factor, so that the training
/// takes `hours`, above 0 and at most [`LONGEST_HOURS`], at the pace measured on this machine. The numbers
/// have four significant digits. One batch a phase is the minimum.
///
/// # Errors
/// If `hours` is out of range, or as [`Trainer::create`](crate::trainer::Trainer::create).
pub fn fit(config: &Config, components: &Components, hours: f64) -> Result<Fitted> {
    if !(hours > 0.0 && hours <= LONGEST_HOURS) {
        return Err(Error::Config(format!("hours is {hours}, expected above 0 and at most {LONGEST_HOURS}")));
    }
    config.check()?;
    t2f_ops::Runtime::install();
    let splits = components.data(config)?;
    let mut config = config.clone();
    config.settle(&splits)?;
    let schedule =
        |config: &Config| Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len());
    let pace = measure(&config, components, &splits, &schedule(&config)?)?;
    let unknown = || Error::State("no step was measured".into());
    let seconds = pace.seconds_left(0).ok_or_else(unknown)?;
    let factor = 3600.0 * hours / seconds;
    config.schedule = config.schedule.scaled(factor);
    let schedule = schedule(&config)?;
    let seconds = pace.with_schedule(&schedule).seconds_left(0).ok_or_else(unknown)?;
    Ok(Fitted { config, factor, images: schedule.total_images(), seconds })
}

/// Measures each phase of the schedule that has images.
fn measure(config: &Config, components: &Components, splits: &Splits, schedule: &Schedule) -> Result<Pace> {
    let device = crate::device::open_for_training(&config.device, 0)?;
    let tokenizer = train_tokenizer(config, splits)?;
    let mut state = TrainState::new(config, components, &tokenizer, &splits.schema().sizes(), &device)?;
    // The parameters do not change, so that no phase diverges that has not been trained up to.
    state.scale_rates(0.0);
    let key = Key::new(config.seed).child("hours");
    let loader = Loader::from_config(splits.train.clone(), &config.loader, key.child("loader"))?;
    let loader = Arc::new(loader);
    let mut pace = Pace::new(config, schedule)?;
    let penalties = [config.loss.adversarial.r1, config.loss.adversarial.r2];
    let active = penalties.iter().filter(|penalty| penalty.gamma.largest() > 0.0);
    // Whole intervals, since the penalty is computed in one step of each.
    let interval = active.map(|penalty| penalty.interval).max().unwrap_or(1).max(1);
    for (level, (start, faded, end)) in schedule.phases().into_iter().enumerate() {
        for (alpha, images) in [(0.5, faded - start), (1.0, end - faded)] {
            if images == 0 {
                continue;
            }
            let stage = Stage { level, alpha, ..schedule.at(start) };
            let (size, resolution) = (stage.batch_size, stage.resolution);
            let requests = (0..).map(move |step| Request { position: step * size as u64, size, resolution });
            let mut batches = Prefetch::new(loader.clone(), requests, config.loader.workers);
            let mut step = |number: u64| -> Result<()> {
                let batch: Option<t2f_data::Result<Batch>> = batches.next();
                let batch = batch.ok_or_else(|| Error::State("the loader has ended".into()))??;
                state.step(&batch, &stage, key, number, 0).map(drop)
            };
            // No penalty in the first steps.
            (1..=WARM_UP).try_for_each(&mut step)?;
            let (began, mut steps) = (Instant::now(), 0);
            while steps < FEWEST || began.elapsed().as_secs_f64() < SHORTEST {
                (steps..steps + interval).try_for_each(&mut step)?;
                steps += interval;
            }
            pace.add(&stage, steps as usize * size, began.elapsed().as_secs_f64());
        }
    }
    Ok(pace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_out_of_range_are_refused() {
        let config = Config::preset("quick").unwrap();
        for hours in [0.0, -1.0, f64::NAN, 10_001.0] {
            let message = fit(&config, &Components::new(), hours).unwrap_err().to_string();
            assert!(message.contains("expected above 0 and at most 10000"), "{message}");
        }
    }

    #[test]
    fn a_fitted_schedule_takes_the_hours_at_the_measured_pace() {
        let lines = [
            "device=cpu",
            "gan.resolution=8",
            "gan.channels=[8,8]",
            "data.train_images=16",
            "data.val_images=4",
            "data.test_images=4",
            "schedule.batch_sizes=[4]",
            "schedule.fade_kimg=[0,0.04]",
            "schedule.stable_kimg=[0.04,0.08]",
            "schedule.anneal_kimg=0.05",
            "loss.adversarial.r1.interval=2",
        ];
        let config = Config::resolve(Some("quick"), None, &lines.map(String::from)).unwrap();
        let fitted = fit(&config, &Components::new(), 0.1).unwrap();
        // Phases are whole batches, and numbers have four digits.
        assert!((fitted.seconds / 360.0 - 1.0).abs() < 0.05, "{fitted:?}");
        assert!(fitted.factor > 1.0, "{}", fitted.factor);
        let stable = fitted.config.schedule.stable_kimg.unwrap();
        assert!((stable[1] / stable[0] - 2.0).abs() < 0.01, "{stable:?}");
        assert_eq!(fitted.config.seed, config.seed);
    }
}
