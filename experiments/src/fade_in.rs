//! The same run with levels that fade in and with levels that are switched on.
//!
//! What is compared are the averaged parameters' drawings of fixed captions with fixed noise, one
//! step before a level begins and one step after, and the distance to real images right after it
//! and at the end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use t2f_data::Image;
use t2f_gan::Growth;
use t2f_ops::rng::Key;
use t2f_train::config::Config;
use t2f_train::pipeline::to_pictures;
use t2f_train::schedule::Schedule;
use t2f_train::trainer::{Tick, Trainer};

use crate::distance::{absolute, sliced_wasserstein};
use crate::training::train_to;

/// Drawings, and real images, a measurement.
const PICTURES: usize = 128;
/// Directions that sets of pictures are projected on.
const DIRECTIONS: usize = 256;

/// What happened where a level began.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// The side of the images from here on, in pixels.
    pub resolution: usize,
    /// Mean absolute change of the drawings by the first step of the level, in bytes.
    pub change: f64,
    /// As `change`, by the step before it: how much a step changes anyway.
    pub usual: f64,
    /// Sliced Wasserstein distance to real images right before.
    pub before: f64,
    /// And right after.
    pub after: f64,
}

/// What one run showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run folder.
    pub run: PathBuf,
    /// A row for every level but the first.
    pub switches: Vec<Switch>,
    /// Sliced Wasserstein distance to real images at the end.
    pub distance: f64,
    /// Means over the last tick.
    pub losses: Vec<(String, f64)>,
}

/// `config` with its fade-ins given to the stable phases: as many images at every level.
///
/// # Errors
/// If the schedule is not given in `fade_kimg` and `stable_kimg`.
pub fn without_fade_in(config: &Config) -> Result<Config> {
    let mut off = config.clone();
    let levels = off.gan.max_level() + 1;
    let (fade, stable) = (&config.schedule.fade_kimg, &config.schedule.stable_kimg);
    let fade = fade.as_deref().context("the schedule has no fade_kimg")?;
    let stable = stable.as_deref().context("the schedule has no stable_kimg")?;
    let at = |array: &[f64], level: usize| array[level.min(array.len() - 1)];
    off.schedule.stable_kimg = Some((0..levels).map(|level| at(fade, level) + at(stable, level)).collect());
    off.schedule.fade_kimg = Some(vec![0.0]);
    Ok(off)
}

/// Trains `config` to its end and measures at every switch of levels.
///
/// # Errors
/// As [`Trainer::create`] and [`Trainer::run`].
pub fn measure(config: Config, out: &Path, report: &mut dyn FnMut(&Tick)) -> Result<Outcome> {
    let schedule = Schedule::new(&config.schedule, config.gan.max_level(), 1)?;
    let mut trainer = Trainer::create(config.clone(), &[], out)?;
    let real = Reals::open(&config)?;
    let mut losses = Vec::new();
    let mut keep = |tick: &Tick| {
        losses = tick.losses.iter().map(|(name, &value)| (name.clone(), value)).collect();
        report(tick);
    };
    let mut switches = Vec::new();
    for (begins, ..) in schedule.phases().into_iter().skip(1) {
        let last = begins - schedule.at(begins - 1).batch_size as u64;
        let mut drawn = Vec::new();
        for images in [last, begins, begins + 1] {
            train_to(&mut trainer, images, &mut keep)?;
            drawn.push(real.drawings(&trainer)?);
        }
        switches.push(Switch {
            resolution: schedule.at(begins).resolution,
            change: absolute(&drawn[1], &drawn[2]),
            usual: absolute(&drawn[0], &drawn[1]),
            before: real.distance(&drawn[1])?,
            after: real.distance(&drawn[2])?,
        });
    }
    train_to(&mut trainer, u64::MAX, &mut keep)?;
    let distance = real.distance(&real.drawings(&trainer)?)?;
    Ok(Outcome { run: trainer.run_dir().path().to_owned(), switches, distance, losses })
}

/// Real images of the test split and their captions.
struct Reals {
    images: Vec<Image>,
    captions: Vec<String>,
}

impl Reals {
    fn open(config: &Config) -> Result<Self> {
        let test = config.data.open(config.gan.resolution)?.test;
        let count = PICTURES.min(test.len());
        let images = (0..count).map(|i| test.image(i)).collect::<Result<_, _>>()?;
        let caption = |i| -> Result<String> { Ok(test.captions(i)?.swap_remove(0).text) };
        let captions = (0..count).map(caption).collect::<Result<_>>()?;
        Ok(Self { images, captions })
    }

    /// What the average draws now for every caption, each with noise of its own.
    fn drawings(&self, trainer: &Trainer) -> Result<Vec<Image>> {
        let (pipeline, stage) = (trainer.average(), trainer.stage());
        let seeds: Vec<u64> = (0..self.captions.len() as u64).collect();
        let noise = pipeline.noise(&seeds, 1.0, trainer.device())?;
        let at = Growth { level: stage.level, alpha: stage.alpha };
        Ok(to_pictures(&pipeline.draw(&self.captions, &noise, at)?)?)
    }

    /// The distance of drawings to the real images shrunk to their size.
    fn distance(&self, drawn: &[Image]) -> Result<f64> {
        let shrunk: Vec<Image> =
            self.images.iter().map(|image| image.shrink(image.width / drawn[0].width)).collect();
        Ok(sliced_wasserstein(drawn, &shrunk, DIRECTIONS, Key::new(0))?)
    }
}
