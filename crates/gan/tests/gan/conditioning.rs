//! Codes and divergences against values by hand.

use candle_core::{DType, Device, Tensor};
use t2f_gan::{Conditioned, ConditioningKind, GanConfig, Result};
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;

use crate::tiny::{self, values};

/// The outcome for two equal texts whose linear layer gives `mean` and `second`.
fn conditioned(
    kind: ConditioningKind,
    mean: [f64; 2],
    second: [f64; 2],
    noise: [f64; 2],
) -> Result<Conditioned> {
    let parameters = Parameters::drawn(Key::new(3));
    let config = GanConfig { conditioning: kind, ..tiny::config() };
    let augmentation = config.conditioning(tiny::EMBEDDING, parameters.builder(DType::F64, &Device::Cpu))?;
    for (name, var) in parameters.vars() {
        let bias = Tensor::new(&[mean[0], mean[1], second[0], second[1]], &Device::Cpu)?;
        var.set(&if name == "transformer.bias" { bias } else { var.zeros_like()? })?;
    }
    let noise = Tensor::new(&[noise, noise], &Device::Cpu)?;
    augmentation.forward(&Tensor::ones((2, tiny::EMBEDDING), DType::F64, &Device::Cpu)?, &noise)
}

fn close(got: &Tensor, want: &[f64]) {
    for (got, want) in values(got).iter().zip(want) {
        assert!((got - want).abs() < 1e-9, "{got} instead of {want}");
    }
}

const LN_4: f64 = 2.0 * std::f64::consts::LN_2;

/// Means 1 and 0, deviations 1 and 2: `½ (1 + 1 - 0 - 1)` and `½ (0 + 4 - ln 4 - 1)` nats.
#[test]
fn log_variance_averages_the_divergence_over_dimensions() -> Result<()> {
    let c = conditioned(ConditioningKind::LogVariance, [1.0, 0.0], [0.0, LN_4], [3.0, -0.5])?;
    close(&c.code, &[4.0, -1.0, 4.0, -1.0]);
    close(&c.kl, &[(0.5 + (3.0 - LN_4) / 2.0) / 2.0]);
    Ok(())
}

#[test]
fn relu_sums_the_divergence_over_dimensions() -> Result<()> {
    let c = conditioned(ConditioningKind::Relu, [1.0, 0.0], [1.0, 2.0], [3.0, -0.5])?;
    close(&c.code, &[4.0, -1.0, 4.0, -1.0]);
    close(&c.kl, &[0.5 + (3.0 - LN_4) / 2.0]);
    Ok(())
}

/// `½ (0 + 1e-24 - ln 1e-24 - 1)` is 27.13.
#[test]
fn a_dead_relu_unit_costs_27_nats() -> Result<()> {
    let c = conditioned(ConditioningKind::Relu, [0.0, 0.0], [-1.0, 1.0], [1.0, 1.0])?;
    close(&c.kl, &[0.5 * (24.0 * std::f64::consts::LN_10 - 1.0)]);
    Ok(())
}

#[test]
fn without_noise_the_code_is_the_mean() -> Result<()> {
    let c = conditioned(ConditioningKind::LogVariance, [0.7, -2.0], [5.0, 5.0], [0.0, 0.0])?;
    close(&c.code, &[0.7, -2.0, 0.7, -2.0]);
    Ok(())
}

#[test]
fn a_standard_normal_costs_nothing() -> Result<()> {
    for (kind, second) in [(ConditioningKind::LogVariance, 0.0), (ConditioningKind::Relu, 1.0)] {
        close(&conditioned(kind, [0.0, 0.0], [second, second], [1.0, 1.0])?.kl, &[0.0]);
    }
    Ok(())
}
