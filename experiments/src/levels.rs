//! The change of generated images where a level begins.
//!
//! The averaged parameters generate images of fixed captions and noise one step before a level begins,
//! right before it, and one step after. With a fade-in the last change should not be larger than the
//! usual one.

use anyhow::{Result, ensure};
use t2f_data::Image;
use t2f_gan::Growth;
use t2f_ops::rng::Key;
use t2f_train::config::Config;
use t2f_train::pipeline::to_pictures;
use t2f_train::schedule::Schedule;
use t2f_train::trainer::{Tick, Trainer};

use crate::distance::{absolute, sliced_wasserstein};
use crate::results::{Figure, Figures};
use crate::training::train_to;

/// Number of directions of the sliced Wasserstein distance.
const DIRECTIONS: usize = 256;

/// Trains a run to its end and measures it at the beginning of every level except the first. The figures,
/// in levels of 8-bit intensity, for each resolution R:
///
/// - `usual_change_R`: mean absolute change of the images by the last step before the level;
/// - `change_R`: the same by the first step of the level; the smaller images are enlarged;
/// - `distance_before_R`, `distance_after_R`: sliced Wasserstein distance to test images right before
///   the level and after its first step;
/// - `distance_end`: that distance at the end.
///
/// The run must be new, since the images before a level are not stored.
///
/// # Errors
/// If the run has already shown images, or as [`Trainer::run`].
pub fn train_and_measure(
    trainer: &mut Trainer,
    config: &Config,
    images: usize,
    report: &mut dyn FnMut(&Tick),
) -> Result<Figures> {
    ensure!(
        trainer.progress().images == 0,
        "the run has shown images: levels are measured from the first step of a new run"
    );
    let schedule = Schedule::new(&config.schedule, config.gan.max_level(), 1)?;
    let test = TestImages::open(config, images)?;
    let mut figures = Figures::new();
    for (begins, ..) in schedule.phases().into_iter().skip(1) {
        let last = begins - schedule.at(begins - 1).batch_size as u64;
        let mut generated = Vec::new();
        for shown in [last, begins, begins + 1] {
            train_to(trainer, shown, report)?;
            generated.push(test.generate(trainer)?);
        }
        let resolution = schedule.at(begins).resolution;
        let mut put = |name: &str, value| {
            figures.insert(format!("{name}_{resolution}"), Figure::plain(value));
        };
        put("usual_change", absolute(&generated[0], &generated[1]));
        put("change", absolute(&generated[1], &generated[2]));
        put("distance_before", test.distance(&generated[1])?);
        put("distance_after", test.distance(&generated[2])?);
    }
    train_to(trainer, u64::MAX, report)?;
    let end = test.distance(&test.generate(trainer)?)?;
    figures.insert("distance_end".into(), Figure::plain(end));
    Ok(figures)
}

/// Images of the test split and their first captions.
struct TestImages {
    images: Vec<Image>,
    captions: Vec<String>,
}

impl TestImages {
    fn open(config: &Config, count: usize) -> Result<Self> {
        let test = config.open_data(config.gan.resolution)?.test;
        let count = count.min(test.len());
        let images = (0..count).map(|i| test.image(i)).collect::<Result<_, _>>()?;
        let caption = |i| -> Result<String> { Ok(test.captions(i)?.swap_remove(0).text) };
        let captions = (0..count).map(caption).collect::<Result<_>>()?;
        Ok(Self { images, captions })
    }

    /// An image of the averaged generator for every caption, each with its own noise.
    fn generate(&self, trainer: &Trainer) -> Result<Vec<Image>> {
        let (pipeline, stage) = (trainer.pipeline_ema(), trainer.stage());
        let seeds: Vec<u64> = (0..self.captions.len() as u64).collect();
        let noise = pipeline.noise(&seeds, 1.0, trainer.device())?;
        let at = Growth { level: stage.level, alpha: stage.alpha };
        Ok(to_pictures(&pipeline.generate(&self.captions, &noise, at)?)?)
    }

    /// The distance of generated images to the test images at their size.
    fn distance(&self, generated: &[Image]) -> Result<f64> {
        let shrunk: Vec<Image> =
            self.images.iter().map(|image| image.shrink(image.width / generated[0].width)).collect();
        Ok(sliced_wasserstein(generated, &shrunk, DIRECTIONS, Key::new(0))?)
    }
}
