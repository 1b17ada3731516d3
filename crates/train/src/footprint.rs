//! An estimate of a run's memory.

use candle_core::Tensor;

use crate::config::{Config, Precision};
use crate::error::Result;
use crate::schedule::Schedule;
use crate::state::TrainState;

/// The number of copies of a batch's feature maps: outputs, gradients and saved tensors of operators.
/// Measured on the presets on the CPU, 24 to 25.
const FIRST_ORDER: u64 = 25;
/// The same with a gradient penalty, which is differentiated twice; measured 56.
const SECOND_ORDER: u64 = 56;
/// The memory of a process before the first step; measured.
const PROGRAM: u64 = 32 << 20;
const FLOAT: u64 = 4;
/// The bytes of an element of a feature map of `bf16`, with the copies that are `f32`; measured on the wide
/// network at 64x64.
const BF16: u64 = 3;

/// An estimate by parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Parameters, gradients, moments of the optimisers and the average.
    pub parameters: u64,
    /// All copies of the feature maps of the largest level in a step, of one micro-batch.
    pub activations: u64,
    /// Cached training images, `data.memory_mib` at most.
    pub images: u64,
}

impl Footprint {
    /// The estimate for a configuration with `images` training images.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn estimate(config: &Config, state: &TrainState, images: usize) -> Result<Self> {
        let widths = config.gan.checked_channels()?;
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), images.max(1))?;
        let maps = |level: usize| -> u64 {
            widths[..=level].iter().enumerate().map(|(l, &width)| (16 << (2 * l)) * width as u64).sum()
        };
        let phases = schedule.phases();
        let micro_batch = |shown: u64| (schedule.at(shown).batch_size / schedule.micro_batches()) as u64;
        let of_level = |(level, phase): (usize, &(u64, u64, u64))| micro_batch(phase.0) * maps(level);
        let largest = phases.iter().enumerate().map(of_level).max().unwrap_or(0);
        let times = if config.loss.adversarial.second_order() { SECOND_ORDER } else { FIRST_ORDER };
        let moments = [state.g_optimizer(), state.d_optimizer()].map(|adam| adam.tensors());
        let moments: usize = moments.iter().flatten().map(|(_, moment)| Tensor::elem_count(moment)).sum();
        let (g, d) = (state.g_params().count(), state.d_params().count());
        // Sums over micro-batches hold the gradients of the larger side a second time.
        let sums = if schedule.micro_batches() > 1 { g.max(d) } else { 0 };
        let parameters = 3 * g + 2 * d + moments + sums;
        let element = match config.precision {
            Precision::Bf16 => BF16,
            Precision::Fp32 | Precision::Tf32 | Precision::Auto => FLOAT,
        };
        let images = 3 * (config.gan.resolution as u64).pow(2) * images as u64;
        Ok(Self {
            parameters: FLOAT * parameters as u64,
            activations: element * times * largest,
            images: images.min(config.data.memory() as u64),
        })
    }

    /// All parts and the program itself.
    pub fn total(&self) -> u64 {
        PROGRAM + self.parameters + self.activations + self.images
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::components::Components;

    const SMALL: [&str; 7] = [
        "gan.resolution=8",
        "gan.channels=[2, 3]",
        "text.hidden_size=8",
        "schedule.batch_sizes=[5]",
        "schedule.fade_kimg=[0]",
        "schedule.stable_kimg=[1]",
        "loss.adversarial.kind=lsgan",
    ];

    fn state(overrides: &[&str]) -> (Config, TrainState) {
        let overrides: Vec<String> = overrides.iter().map(|line| (*line).to_owned()).collect();
        let config = Config::resolve(Some("quick"), None, &overrides).unwrap();
        let tokenizer = config.text.train_tokenizer(["a man", "a woman"]).unwrap();
        let sizes = t2f_data::procedural::schema().sizes();
        let state = TrainState::new(&config, &Components::new(), &tokenizer, &sizes, &Device::Cpu).unwrap();
        (config, state)
    }

    fn of(overrides: &[&str]) -> Footprint {
        let (config, state) = state(overrides);
        Footprint::estimate(&config, &state, 10).unwrap()
    }

    #[test]
    fn parameters_are_counted_with_gradients_moments_and_average() {
        let without_means = ["optimizer.text.beta1=0", "optimizer.classifier.beta1=0"];
        let (config, state) = state(&[&SMALL[..], &without_means].concat());
        let footprint = Footprint::estimate(&config, &state, 10).unwrap();
        // Average, parameter, gradient and second moment; the discriminator has no average.
        let numbers = 4 * state.g_params().count() + 3 * state.d_params().count();
        assert_eq!(footprint.parameters, 4 * numbers as u64);
        assert_eq!(footprint.activations, 4 * FIRST_ORDER * 5 * (16 * 2 + 64 * 3));
        assert_eq!(footprint.images, 10 * 3 * 8 * 8);
        assert!(footprint.total() > footprint.parameters + footprint.activations);
    }

    #[test]
    fn an_optimiser_with_momentum_has_first_moments_of_its_parameters() {
        let optimizers = ["generator", "text", "discriminator", "classifier"];
        let with_means = |of_name: &str| {
            let beta1 = |name: &str| if name == of_name { 0.5 } else { 0.0 };
            let lines = optimizers.map(|name| format!("optimizer.{name}.beta1={}", beta1(name)));
            of(&[&SMALL[..], &lines.each_ref().map(String::as_str)].concat()).parameters
        };
        let each = optimizers.map(|name| with_means(name) - with_means("none"));
        let (_, state) = state(&SMALL);
        let numbers = state.g_params().count() + state.d_params().count();
        assert!(each.iter().all(|bytes| *bytes > 0), "{each:?}");
        assert_eq!(each.iter().sum::<u64>(), 4 * numbers as u64);
    }

    #[test]
    fn images_are_limited_by_memory_mib() {
        let (config, state) = state(&[&SMALL[..], &["data.memory_mib=1"]].concat());
        let images = |count| Footprint::estimate(&config, &state, count).unwrap().images;
        assert_eq!((images(100), images(1_000_000)), (100 * 3 * 8 * 8, 1 << 20));
    }

    #[test]
    fn feature_maps_of_bf16_need_less_memory() {
        let of = |precision: &str| of(&[&SMALL[..], &[precision]].concat());
        let (exact, rounded) = (of("precision=fp32"), of("precision=bf16"));
        assert_eq!(4 * rounded.activations, 3 * exact.activations);
        assert_eq!(rounded.parameters, exact.parameters);
    }

    #[test]
    fn a_penalty_and_a_larger_batch_need_more_memory() {
        let plain = of(&["loss.adversarial.kind=hinge", "schedule.batch_sizes=[16]"]);
        assert!(
            of(&["loss.adversarial.kind=wgan-gp", "schedule.batch_sizes=[16]"]).activations
                > 2 * plain.activations
        );
        // The largest level determines the estimate, also with a smaller batch.
        let batches = of(&["loss.adversarial.kind=hinge", "schedule.batch_sizes=[16, 16, 16, 32]"]);
        assert_eq!(batches.activations, 2 * plain.activations);
    }
}
