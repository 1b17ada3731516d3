//! A parity check with another program: both losses and their gradients on the weights of [`formula`],
//! which is easy to implement in any language.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use t2f_gan::{DiscriminatorBatch, DiscriminatorShape, GeneratorShape, Scores};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::{self, Key};

use super::Benchmark;
use t2f_train::Result;

/// The values that must agree before the times of two programs are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// The weight of the real image in each image of the gradient penalty; an input of the other program.
    #[serde(default)]
    pub mix: Vec<f32>,
    /// Number of parameters of the discriminator.
    pub discriminator_parameters: usize,
    /// Number of parameters of generator and conditioning augmentation.
    pub generator_parameters: usize,
    /// The discriminator's loss with penalties.
    pub discriminator_loss: f64,
    /// The generator's loss with the KL divergence.
    pub generator_loss: f64,
    /// Euclidean norm of the gradient of the discriminator's loss.
    pub discriminator_gradient: f64,
    /// Euclidean norm of the gradient of the generator's loss.
    pub generator_gradient: f64,
}

impl Parity {
    /// The larger relative difference of the two losses; infinite if the numbers of parameters differ.
    pub fn loss_distance(&self, other: &Self) -> f64 {
        let counts = |p: &Self| (p.discriminator_parameters, p.generator_parameters);
        if counts(self) != counts(other) {
            return f64::INFINITY;
        }
        let losses = |p: &Self| [p.discriminator_loss, p.generator_loss];
        largest_difference(losses(self), losses(other))
    }

    /// The larger relative difference of the two norms of gradients.
    ///
    /// In a large network it is well above rounding errors: if the input of a leaky rectifier is zero within
    /// rounding, two programs may use different slopes.
    pub fn gradient_distance(&self, other: &Self) -> f64 {
        let norms = |p: &Self| [p.discriminator_gradient, p.generator_gradient];
        largest_difference(norms(self), norms(other))
    }
}

fn largest_difference(a: [f64; 2], b: [f64; 2]) -> f64 {
    let relative = |(a, b): (f64, f64)| match (a - b).abs() / a.abs().max(1e-3) {
        difference if difference.is_finite() => difference,
        _ => f64::INFINITY,
    };
    a.into_iter().zip(b).map(relative).fold(0.0, f64::max)
}

impl Benchmark {
    /// Both losses, the norms of their gradients and the numbers of parameters, on the weights and data of
    /// [`formula`].
    ///
    /// # Errors
    /// If the sizes contradict each other or the device fails.
    pub fn parity(&self, device: &Device) -> Result<Parity> {
        let config = self.config();
        let g_params = Parameters::drawn(Key::new(0));
        let d_params = Parameters::drawn(Key::new(0));
        let g = g_params.builder(DType::F32, device);
        self.precision.apply();
        let features = self.precision.dtype(device);
        let d = |vb: VarBuilder| {
            let shape = config.gan.discriminator_shape(self.embedding_size, 0)?;
            let shape = DiscriminatorShape { features, ..shape };
            config.gan.discriminator(&shape, vb.pp("discriminator"))
        };
        let shape = GeneratorShape { features, ..config.gan.generator_shape(0)? };
        let generator = config.gan.generator(&shape, g.pp("generator"))?;
        let conditioning = config.gan.conditioning(self.embedding_size, g.pp("conditioning"))?;
        let discriminator = d(d_params.builder(DType::F32, device))?;
        let frozen = d(d_params.frozen_builder(DType::F32, device))?;
        for set in [&g_params, &d_params] {
            let by_formula = set.tensors().into_iter().map(|(name, tensor)| {
                let values = formula(&name, tensor.dims(), device)?;
                Ok((name, values))
            });
            set.set(&by_formula.collect::<candle_core::Result<BTreeMap<_, _>>>()?)?;
        }
        let (b, side) = (self.batch, self.resolution());
        let real = formula("real", &[b, 3, side, side], device)?.affine(1.0 / 3f64.sqrt(), 0.0)?;
        let embedding = formula("embedding", &[b, self.embedding_size], device)?;
        let mismatched = formula("mismatched", &[b, self.embedding_size], device)?;
        let noise = formula("noise", &[b, self.latent_size], device)?;

        let conditioned = conditioning.forward(&embedding, &noise.narrow(1, 0, self.code_size)?)?;
        let rest = noise.narrow(1, self.code_size, self.latent_size - self.code_size)?;
        let latent = Tensor::cat(&[&conditioned.code, &rest], 1)?;
        let fake = generator.forward(&latent, self.growth())?;
        let key = Key::new(0).child("parity");
        let loss = config.loss.adversarial.build()?;
        let batch = DiscriminatorBatch {
            real: &real,
            fake: &fake.detach(),
            condition: &embedding,
            mismatched: config.loss.adversarial.matching_aware.then_some(&mismatched),
            at: self.growth(),
            key,
            step: 0,
            progress: 0.0,
        };
        let d = discriminator.as_ref();
        let scores = Scores::of(d, &batch, &d.features(&real, self.growth())?)?;
        let mut terms = loss.discriminator_terms(&scores)?;
        terms.extend(loss.penalties(d, &batch, &scores)?);
        let of_discriminator = terms.total()?;
        let score = frozen.forward(&fake, &embedding, self.growth())?;
        let mut terms = loss.generator_terms(&score, None)?;
        terms.push("kl", conditioned.kl.affine(config.loss.conditioning.kl_weight, 0.0)?);
        let of_generator = terms.total()?;
        // The images of the penalty, of `gan::loss::penalty`.
        let mix = rng::uniform(key.child("interpolation"), b, DType::F32, &Device::Cpu)?.to_vec1()?;
        Ok(Parity {
            mix,
            discriminator_parameters: d_params.count(),
            generator_parameters: g_params.count(),
            discriminator_loss: f64::from(of_discriminator.to_scalar::<f32>()?),
            generator_loss: f64::from(of_generator.to_scalar::<f32>()?),
            discriminator_gradient: gradient_norm(&of_discriminator, &d_params)?,
            generator_gradient: gradient_norm(&of_generator, &g_params)?,
        })
    }
}

/// Pseudorandom numbers of a name: `√3·(2u - 1)`, uniform with variance 1, where `u` in `[0, 1)` is the
/// upper 24 bits of the `i`-th output (from 1) of splitmix64 (Steele et al., 2014), seeded with the 64-bit
/// FNV-1a hash of the name. Numbers of a name that ends in `bias` are a tenth of that.
///
/// # Shapes
/// The result has shape `dims`, in row-major order.
///
/// # Errors
/// If the copy to the device fails.
pub fn formula(name: &str, dims: &[usize], device: &Device) -> candle_core::Result<Tensor> {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let scale = 3f64.sqrt() * if name.ends_with("bias") { 0.1 } else { 1.0 };
    let value = |i: u64| {
        let z = hash.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24);
        ((2.0 * unit - 1.0) * scale) as f32
    };
    let count = dims.iter().product::<usize>() as u64;
    Tensor::from_vec((1..=count).map(value).collect::<Vec<f32>>(), dims, device)
}

fn gradient_norm(loss: &Tensor, parameters: &Parameters) -> Result<f64> {
    let grads = gradients(loss)?;
    let mut square = 0.0;
    for (_, var) in parameters.vars() {
        if let Some(gradient) = grads.get(&var) {
            square += gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
        }
    }
    Ok(square.sqrt())
}
