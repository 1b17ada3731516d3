//! Contrastive loss between images and texts, on a head of the discriminator, after XMC-GAN
//! (arXiv:2101.04702, §4.1) and LAFITE (arXiv:2111.13792, §3.3).
//!
//! A matching-aware score learns one bit from an image and a false text; this learns `ln B` nats from
//! an image and the texts of its batch. The discriminator, and through it the text encoder, learns it
//! on real images; the generator is asked for images that match their texts.

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use t2f_ops::pixel_norm;

use super::interface::{DiscriminatorInputs, GeneratorInputs, Objective, ObjectiveContext};
use crate::error::{Result, check};
use crate::growing::Compat;
use crate::growing::layers::{Conv, ConvShape};
use crate::loss::LossTerms;

/// The contrastive loss, `[loss.contrast]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContrastConfig {
    /// Size of the joint space of images and texts; 0 leaves the loss out. Default 0.
    pub size: usize,
    /// Divisor of the cosines. Default 0.1 (XMC-GAN's); above 0.
    pub temperature: f64,
    /// Weight in both networks' losses. Default 1; above 0.
    pub weight: f64,
}

impl Default for ContrastConfig {
    fn default() -> Self {
        Self { size: 0, temperature: 0.1, weight: 1.0 }
    }
}

impl ContrastConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        for (name, value) in
            [("loss.contrast.temperature", self.temperature), ("loss.contrast.weight", self.weight)]
        {
            check(value > 0.0 && value.is_finite(), name, value, "a finite number above 0")?;
        }
        Ok(())
    }
}

/// The term `contrast`, `weight` times [`contrastive`] of linear maps of features and embeddings.
#[derive(Debug)]
pub struct Contrastive {
    trained: Heads,
    frozen: Heads,
    config: ContrastConfig,
}

impl Contrastive {
    /// Takes the parameters `contrast.{image,text}.{weight,bias}` of the discriminator's side.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter is missing.
    pub fn new(
        config: ContrastConfig,
        compat: Option<Compat>,
        context: &ObjectiveContext<'_>,
    ) -> Result<Self> {
        config.check()?;
        let heads = |vb: VarBuilder| -> Result<Heads> {
            let linear = |inputs, name: &str| {
                Conv::new(ConvShape { kernel: 1, inputs, outputs: config.size }, compat, &vb.pp(name))
            };
            let image = linear(context.feature_channels, "image")?;
            Ok(Heads { image, text: linear(context.embedding_size, "text")? })
        };
        Ok(Self {
            trained: heads(context.d.pp("contrast"))?,
            frozen: heads(context.d_frozen.pp("contrast"))?,
            config,
        })
    }

    fn terms(&self, heads: &Heads, features: &Tensor, texts: [Option<&Tensor>; 2]) -> Result<LossTerms> {
        let images = heads.image.forward_vector(&features.mean((1, 2))?)?;
        let texts: Vec<&Tensor> = texts.into_iter().flatten().collect();
        let texts = match texts[..] {
            [own] => heads.text.forward_vector(own)?,
            _ => heads.text.forward_vector(&Tensor::cat(&texts, 0)?)?,
        };
        let loss = contrastive(&images, &texts, self.config.temperature)?;
        Ok(LossTerms::one("contrast", loss.affine(self.config.weight, 0.0)?))
    }
}

impl Objective for Contrastive {
    fn name(&self) -> &str {
        "contrast"
    }

    fn discriminator_terms(&self, inputs: &DiscriminatorInputs<'_>) -> Result<LossTerms> {
        self.terms(&self.trained, inputs.features, [Some(inputs.embedding), inputs.others])
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        let (own, others) = (inputs.embedding.detach(), inputs.others.map(Tensor::detach));
        self.terms(&self.frozen, inputs.features, [Some(&own), others.as_ref()])
    }
}

/// Linear maps of image features and of texts into one space.
#[derive(Debug)]
struct Heads {
    image: Conv,
    text: Conv,
}

/// `½ E [-ln softmax_j(s_ij)]_ii + ½ E [-ln softmax_i(s_ij)]_ii` with `s` the cosines of each image
/// and each text over the temperature: InfoNCE (arXiv:1807.03748, §2.3) in both directions. Texts of no
/// image are further negatives of the images. The value is `ln B` for uninformative cosines without
/// further negatives, and 0 at best.
///
/// # Shapes
/// `images`: `(B, K)`; `texts`: `(B + M, K)`, of which row `i < B` belongs to image `i`; the result is a
/// scalar.
///
/// # Errors
/// If the shapes do not fit.
pub fn contrastive(images: &Tensor, texts: &Tensor, temperature: f64) -> Result<Tensor> {
    let (batch, size) = images.dims2()?;
    // Unit vectors are pixel norms over the root of their size.
    let cosines = pixel_norm(images)?.matmul(&pixel_norm(texts)?.t()?)?;
    let logits = cosines.affine(1.0 / (size as f64 * temperature), 0.0)?;
    let own = Tensor::eye(batch, logits.dtype(), logits.device())?;
    let nats = |logits: &Tensor| -> Result<Tensor> {
        let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
        let nats = total.broadcast_sub(&shifted)?.narrow(1, 0, batch)?.mul(&own)?;
        Ok(nats.sum_all()?.affine(0.5 / batch as f64, 0.0)?)
    };
    Ok(nats(&logits)?.add(&nats(&logits.narrow(1, 0, batch)?.t()?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};
    use t2f_ops::grad::gradients;
    use t2f_ops::rng::{Key, normal};

    fn value(t: &Tensor) -> f64 {
        t.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    /// Unit vectors at right angles: the own text has cosine 1, the two others 0.
    #[test]
    fn hand_computed_values() -> Result<()> {
        let eye = Tensor::eye(3, DType::F64, &Device::Cpu)?;
        let want = (1f64.exp() + 2.0).ln() - 1.0;
        assert!((value(&contrastive(&eye, &eye, 1.0)?) - want).abs() < 1e-6);
        // Equal texts are not distinguishable. Lengths do not matter.
        let same = Tensor::ones((3, 3), DType::F64, &Device::Cpu)?;
        assert!((value(&contrastive(&eye.affine(7.0, 0.0)?, &same, 0.1)?) - 3f64.ln()).abs() < 1e-6);
        // The texts of the neighbours: the own one is the least likely.
        let moved = Tensor::cat(&[eye.narrow(0, 1, 2)?, eye.narrow(0, 0, 1)?], 0)?;
        assert!(value(&contrastive(&eye, &moved, 0.1)?) > 9.0);
        Ok(())
    }

    /// Each image is compared with all three texts, each text of an image with the two images.
    #[test]
    fn texts_of_no_image_are_further_negatives_of_the_images() -> Result<()> {
        let texts = Tensor::eye(3, DType::F64, &Device::Cpu)?;
        let images = texts.narrow(0, 0, 2)?;
        let e = 1f64.exp();
        let want = 0.5 * ((e + 2.0).ln() - 1.0) + 0.5 * ((e + 1.0).ln() - 1.0);
        assert!((value(&contrastive(&images, &texts, 1.0)?) - want).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let sample = |name: &str| normal(Key::new(3).child(name), (4, 5), DType::F64, &Device::Cpu);
        let texts = Tensor::cat(&[sample("texts")?, sample("others")?], 0)?;
        let images = Var::from_tensor(&sample("images")?)?;
        let loss = |images: &Tensor| contrastive(images, &texts, 0.5).map(|loss| value(&loss));
        let gradient = gradients(&contrastive(&images, &texts, 0.5)?)?.remove(&images).unwrap();
        for (row, column) in [(0, 0), (1, 3), (3, 4)] {
            let mut bump = vec![0f64; 20];
            bump[row * 5 + column] = 1e-5;
            let bump = Tensor::from_vec(bump, (4, 5), &Device::Cpu)?;
            let slope = (loss(&images.add(&bump)?)? - loss(&images.sub(&bump)?)?) / 2e-5;
            let got = gradient.get(row)?.get(column)?.to_scalar::<f64>()?;
            assert!((got - slope).abs() < 1e-7, "at {row}, {column}: {got}, expected {slope}");
        }
        Ok(())
    }
}
