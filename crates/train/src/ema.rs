//! The exponential moving average (EMA) of the generator's parameters, used for samples, metrics and the
//! model file.
//!
//! Deviation from T2F: this is ProGAN's average. T2F's average is inverted (weight 0.999 of the newest
//! parameters), overwrites the trained parameters, and is not saved.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use t2f_ops::init::Parameters;
use t2f_ops::scheduled::Scheduled;

use crate::error::{Error, Result};
use t2f_ops::adam::{each, lerp};

/// The decay of the average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmaConfig {
    /// Half-life of the average in thousands of images; default 10 (StyleGAN2). It may change over the run.
    pub half_life_kimg: Scheduled,
    /// Limit of the half-life as a fraction of the images shown so far, so that the initial parameters soon
    /// lose weight; default 0.05 (StyleGAN2), 0 turns the limit off.
    pub ramp_up: f64,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { half_life_kimg: 10.0.into(), ramp_up: 0.05 }
    }
}

/// An average of a set of parameters, with the same names.
#[derive(Debug)]
pub struct Ema {
    config: EmaConfig,
    source: Parameters,
    average: Parameters,
}

impl Ema {
    /// Starts the average at the parameters' present values.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn new(source: &Parameters, config: EmaConfig) -> Result<Self> {
        let copies = source.tensors().into_iter().map(|(name, tensor)| Ok((name, tensor.copy()?)));
        let average = Parameters::of(copies.collect::<candle_core::Result<_>>()?)?;
        Ok(Self { config, source: source.clone(), average })
    }

    /// The averaged parameters. Networks built on their `frozen_builder` follow every update.
    pub fn parameters(&self) -> &Parameters {
        &self.average
    }

    /// The decay for a batch of `batch` images after `images` images, at a progress of the run from 0 to 1:
    /// `0.5 ^ (batch / half-life)`.
    pub fn decay(&self, batch: u64, images: u64, progress: f64) -> f64 {
        let mut half_life = self.config.half_life_kimg.at(progress) * 1000.0;
        if self.config.ramp_up > 0.0 {
            half_life = half_life.min((images + batch) as f64 * self.config.ramp_up);
        }
        0.5f64.powf(batch as f64 / half_life.max(1e-8))
    }

    /// `average ← average + (1 - decay) · (parameter - average)`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn update(&mut self, batch: u64, images: u64, progress: f64) -> Result<()> {
        let weight = 1.0 - self.decay(batch, images, progress);
        let source = self.source.vars();
        each(self.average.vars().into_iter().zip(source), |((name, average), (other, value))| {
            debug_assert_eq!(name, other);
            lerp(&average, &value, weight)
        })?;
        Ok(())
    }

    /// The averaged tensors by name.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.average.tensors()
    }

    /// Restores a saved average.
    ///
    /// # Errors
    /// If names or shapes differ; the message lists the differences.
    pub fn load(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        self.average.set(tensors).map_err(|error| Error::State(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn one_parameter(value: f32) -> Parameters {
        let tensor = Tensor::new(&[value], &Device::Cpu).unwrap();
        Parameters::of(BTreeMap::from([("w".to_owned(), tensor)])).unwrap()
    }

    fn value(set: &Parameters) -> f32 {
        set.tensors()["w"].to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap()[0]
    }

    #[test]
    fn after_one_half_life_the_average_is_half_way() {
        let source = one_parameter(0.0);
        let mut ema = Ema::new(&source, EmaConfig { half_life_kimg: 1.0.into(), ramp_up: 0.0 }).unwrap();
        source.set(&one_parameter(1.0).tensors()).unwrap();
        for batch in 0..10 {
            ema.update(100, batch * 100, 0.0).unwrap();
        }
        assert!((value(ema.parameters()) - 0.5).abs() < 1e-6, "{}", value(ema.parameters()));
        assert_eq!(value(&source), 1.0, "the source does not change");
    }

    #[test]
    fn the_ramp_limits_the_half_life_at_the_beginning() {
        let ema = Ema::new(&one_parameter(0.0), EmaConfig::default()).unwrap();
        let decay = |images| ema.decay(16, images, 0.5);
        assert!(decay(0) < decay(10_000) && decay(10_000) < decay(1_000_000));
        assert_eq!(decay(1_000_000), decay(2_000_000));
    }
}
