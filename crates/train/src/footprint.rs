//! How much memory a run will take, before it takes it.

use crate::config::Config;
use crate::error::Result;
use crate::schedule::Schedule;

/// Times that a batch's feature maps are held at once: outputs, gradients and what operators keep.
/// Measured on the presets on the CPU, 24 to 25.
const FIRST_ORDER: u64 = 25;
/// The same with a penalty that is differentiated twice; measured 56.
const SECOND_ORDER: u64 = 56;
/// What a process holds before the first step; measured.
const PROGRAM: u64 = 32 << 20;
const FLOAT: u64 = 4;

/// An estimate in bytes, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Weights, their gradients, the optimisers' moments and the average.
    pub parameters: u64,
    /// Feature maps of the largest level, in all the forms they take in a step.
    pub activations: u64,
    /// Decoded training images.
    pub images: u64,
}

impl Footprint {
    /// Of a configuration whose painting networks and discriminator have so many parameters, on
    /// `images` training images.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn estimate(config: &Config, painting: usize, judging: usize, images: usize) -> Result<Self> {
        let widths = config.gan.checked_channels()?;
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), images.max(1))?;
        let maps = |level: usize| -> u64 {
            widths[..=level].iter().enumerate().map(|(l, &width)| (16 << (2 * l)) * width as u64).sum()
        };
        let phases = schedule.phases();
        let of_level =
            |(level, phase): (usize, &(u64, u64, u64))| schedule.at(phase.0).batch_size as u64 * maps(level);
        let largest = phases.iter().enumerate().map(of_level).max().unwrap_or(0);
        let times = if config.loss.second_order() { SECOND_ORDER } else { FIRST_ORDER };
        let moments = |beta1: f64| 1 + u64::from(beta1 > 0.0);
        let of_painting = painting as u64 * (3 + moments(config.optimizer.generator.beta1));
        let of_judging = judging as u64 * (2 + moments(config.optimizer.discriminator.beta1));
        Ok(Self {
            parameters: FLOAT * (of_painting + of_judging),
            activations: FLOAT * times * largest,
            images: 3 * (config.gan.resolution as u64).pow(2) * images as u64,
        })
    }

    /// All parts and the program itself.
    pub fn total(&self) -> u64 {
        PROGRAM + self.parameters + self.activations + self.images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(overrides: &[&str]) -> Footprint {
        let overrides: Vec<String> = overrides.iter().map(|line| (*line).to_owned()).collect();
        let config = Config::resolve(Some("quick"), None, &overrides).unwrap();
        Footprint::estimate(&config, 1000, 100, 10).unwrap()
    }

    #[test]
    fn counts_what_the_configuration_says() {
        let small = [
            "gan.resolution=8",
            "gan.channels=[2, 3]",
            "schedule.batch_sizes=[5]",
            "schedule.fade_kimg=[0]",
            "schedule.stable_kimg=[1]",
            "loss.kind=lsgan",
        ];
        let footprint = of(&small);
        // Average, weight, gradient and square of 1000, the same but the average of 100.
        assert_eq!(footprint.parameters, 4 * (4 * 1000 + 3 * 100));
        assert_eq!(footprint.activations, 4 * FIRST_ORDER * 5 * (16 * 2 + 64 * 3));
        assert_eq!(footprint.images, 10 * 3 * 8 * 8);
        assert!(footprint.total() > footprint.parameters + footprint.activations);
    }

    #[test]
    fn a_penalty_a_mean_and_a_larger_batch_cost_more() {
        let plain = of(&["loss.kind=hinge", "schedule.batch_sizes=[16]"]);
        assert!(of(&["loss.kind=wgan-gp", "schedule.batch_sizes=[16]"]).activations > 2 * plain.activations);
        assert!(of(&["loss.kind=hinge", "optimizer.generator.beta1=0.5"]).parameters > plain.parameters);
        // The largest level counts, which may have the smaller batch.
        let batches = of(&["loss.kind=hinge", "schedule.batch_sizes=[16, 16, 16, 32]"]);
        assert_eq!(batches.activations, 2 * plain.activations);
    }
}
