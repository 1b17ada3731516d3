//! TrainState of a few hundred parameters, for tests of any of them.

use candle_core::{DType, Device, Shape, Tensor};
use t2f_gan::{
    AttributePrior, AttributesConfig, Channels, Compat, ConditioningAugmentation, ConditioningKind,
    ContrastConfig, Discriminator, GanConfig, Generator, Head, LatentEncoder, ReconstructionConfig, Result,
};
use t2f_ops::init::Parameters;
use t2f_ops::rng::{self, Key};

pub const EMBEDDING: usize = 3;
pub const LATENT: usize = 5;
/// Values of two attributes.
pub const SIZES: [usize; 2] = [2, 1];

/// 16x16, widths 3, 3 and 2.
pub fn config() -> GanConfig {
    GanConfig {
        resolution: 16,
        latent_size: LATENT,
        code_size: 2,
        compressed_size: 2,
        channels: Channels::List(vec![3, 3, 2]),
        stddev_group: 3,
        ..GanConfig::default()
    }
}

pub fn compat() -> GanConfig {
    GanConfig { compat: Some(Compat::T2f), conditioning: ConditioningKind::Relu, ..config() }
}

pub fn projection() -> GanConfig {
    GanConfig { head: Head::Projection, modulation: true, ..config() }
}

/// The same with every head beside the score, and plans if there is a `prior`.
pub fn with_heads(config: GanConfig, prior: bool) -> GanConfig {
    let contrast = ContrastConfig { size: 2, temperature: 0.5, weight: 0.7 };
    let attributes =
        AttributesConfig { weight: 0.9, text_weight: 0.6, reader: vec![2], noise: 0.1, prior, capped: prior };
    GanConfig { contrast, attributes, ..config }
}

/// The same with an encoder of noise.
pub fn drawing_again(config: GanConfig) -> GanConfig {
    let reconstruction = ReconstructionConfig { weight: 1.3, kl_weight: 0.2, encoder: vec![2] };
    GanConfig { reconstruction, ..config }
}

/// The networks of one configuration, their parameters, and constants in their type.
pub struct Nets {
    pub parameters: Parameters,
    pub generator: Box<dyn Generator>,
    pub discriminator: Box<dyn Discriminator>,
    pub frozen: Box<dyn Discriminator>,
    pub conditioning: ConditioningAugmentation,
    pub prior: Option<AttributePrior>,
    pub latent_encoder: Option<LatentEncoder>,
    pub dtype: DType,
}

impl Nets {
    pub fn new(config: &GanConfig, dtype: DType) -> Result<Self> {
        let parameters = Parameters::drawn(Key::new(7));
        let vb = parameters.builder(dtype, &Device::Cpu);
        let generator = config.generator(&SIZES, vb.pp("generator"))?;
        let discriminator = config.discriminator(EMBEDDING, &SIZES, vb.pp("discriminator"))?;
        let conditioning = config.conditioning(EMBEDDING, vb.pp("conditioning"))?;
        let prior = config.prior(EMBEDDING, &SIZES, vb.pp("prior"))?;
        let latent_encoder = config.latent_encoder(vb.pp("encoder"))?;
        let frozen = parameters.frozen_builder(dtype, &Device::Cpu).pp("discriminator");
        let frozen = config.discriminator(EMBEDDING, &SIZES, frozen)?;
        Ok(Self { parameters, generator, discriminator, frozen, conditioning, prior, latent_encoder, dtype })
    }

    /// Standard normal numbers, equal for equal names.
    pub fn normal(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        Ok(rng::normal(Key::new(1).child(name), shape, self.dtype, &Device::Cpu)?)
    }

    /// Moves every parameter off its first value, so that no bias and no modulation is zero.
    pub fn shaken(self) -> Result<Self> {
        for (name, var) in self.parameters.vars() {
            let noise = rng::normal(Key::new(2).child(&name), var.shape(), self.dtype, &Device::Cpu)?;
            var.set(&var.as_tensor().add(&noise.affine(0.3, 0.0)?)?)?;
        }
        Ok(self)
    }
}

/// All values in order.
pub fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).and_then(|x| x.flatten_all()?.to_vec1()).unwrap()
}

/// The largest absolute difference of two tensors of one shape.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
