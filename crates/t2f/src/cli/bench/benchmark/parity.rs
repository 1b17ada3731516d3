//! A check that another program computes the same: both losses and their gradients on weights that
//! [`formula`] gives, which is easily written in any language.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use t2f_gan::{Condition, DiscriminatorBatch};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::{self, Key};

use super::Benchmark;
use t2f_train::Result;

/// What two programs must agree on before their times are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// Share of the real image in each image of the gradient penalty; the other program is given
    /// these.
    #[serde(default)]
    pub mix: Vec<f32>,
    /// Scalars in the discriminator.
    pub discriminator_parameters: usize,
    /// Scalars in generator and conditioning augmentation.
    pub generator_parameters: usize,
    /// The discriminator's loss, penalties included.
    pub discriminator_loss: f64,
    /// The generator's loss, divergence included.
    pub generator_loss: f64,
    /// Euclidean norm of the first's gradient.
    pub discriminator_gradient: f64,
    /// Euclidean norm of the second's gradient.
    pub generator_gradient: f64,
}

impl Parity {
    /// The larger relative difference of the two losses; infinite if parameter counts differ.
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
    /// In a large network it is well above rounding: where a value before a leaky rectifier is
    /// within rounding of zero, two programs take different sides of it.
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
    /// Both losses, the norms of their gradients and the numbers of parameters, on the weights and
    /// data that [`formula`] gives.
    ///
    /// # Errors
    /// If the sizes do not fit one another or the device fails.
    pub fn parity(&self, device: &Device) -> Result<Parity> {
        let config = self.config();
        let g_params = Parameters::drawn(Key::new(0));
        let d_params = Parameters::drawn(Key::new(0));
        let (paint, judge) = (g_params.builder(DType::F32, device), d_params.builder(DType::F32, device));
        let generator = config.gan.generator(&[], paint.pp("generator"))?;
        let conditioning = config.gan.conditioning(self.embedding_size, paint.pp("conditioning"))?;
        let discriminator = config.gan.discriminator(self.embedding_size, &[], judge.pp("discriminator"))?;
        let frozen = config.gan.discriminator(
            self.embedding_size,
            &[],
            d_params.frozen_builder(DType::F32, device).pp("discriminator"),
        )?;
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
        let loss = config.loss.build()?;
        let pair = DiscriminatorBatch {
            real: &real,
            fake: &fake.detach(),
            texts: Condition::plain(&embedding),
            mismatched: Some(&mismatched),
            at: self.growth(),
            key,
            step: 0,
        };
        let on_judge = loss.discriminator(discriminator.as_ref(), &pair)?.parts.total()?;
        let mut parts =
            loss.generator(frozen.as_ref(), &fake, None, &Condition::plain(&embedding), self.growth())?;
        parts.push("kl", conditioned.kl.affine(config.optimizer.kl_weight, 0.0)?);
        let on_painter = parts.total()?;
        // The images of the penalty, as `gan::loss::penalty` draws them.
        let mix = rng::uniform(key.child("interpolation"), b, DType::F32, &Device::Cpu)?.to_vec1()?;
        Ok(Parity {
            mix,
            discriminator_parameters: d_params.count(),
            generator_parameters: g_params.count(),
            discriminator_loss: f64::from(on_judge.to_scalar::<f32>()?),
            generator_loss: f64::from(on_painter.to_scalar::<f32>()?),
            discriminator_gradient: gradient_norm(&on_judge, &d_params)?,
            generator_gradient: gradient_norm(&on_painter, &g_params)?,
        })
    }
}

/// Numbers that any program can compute from a name: the i-th (from 1) is the `i`-th output of
/// splitmix64 (Steele et al., 2014) seeded with the 64-bit FNV-1a hash of the name; its upper 24
/// bits, as `u` in `[0, 1)`, give `√3·(2u - 1)`, uniform with variance 1. A name that ends in
/// `bias` gives a tenth of that.
///
/// # Shapes
/// The result has shape `dims`, in row-major order.
///
/// # Errors
/// If the device refuses the copy.
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
