//! Which text of the batch belongs to which image: a contrastive loss on a head of the
//! discriminator, after XMC-GAN (arXiv:2101.04702, §4.1) and LAFITE (arXiv:2111.13792, §3.3).
//!
//! A matching-aware score learns one bit from an image and a wrong text; this learns `ln B` nats
//! from an image and the texts of its batch. The discriminator, and through it the text encoder,
//! learns it on real images; the generator is asked for images that pass.

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use t2f_ops::norm::pixel_norm;

use crate::config::{Compat, ContrastConfig};
use crate::error::Result;
use crate::layers::{Conv, ConvShape};

/// Two linear maps, of image features and of texts, into one space.
pub(crate) struct Contrast {
    image: Conv,
    text: Conv,
    config: ContrastConfig,
}

impl Contrast {
    /// Asks `vb` for `{image,text}.{weight,bias}`; none if the size is 0.
    pub fn new(
        config: ContrastConfig,
        channels: usize,
        embedding_size: usize,
        compat: Option<Compat>,
        vb: &VarBuilder,
    ) -> Result<Option<Self>> {
        config.check()?;
        let size = config.size;
        if size == 0 {
            return Ok(None);
        }
        let linear = |inputs, name: &str| {
            Conv::new(ConvShape { kernel: 1, inputs, outputs: size }, compat, &vb.pp(name))
        };
        Ok(Some(Self { image: linear(channels, "image")?, text: linear(embedding_size, "text")?, config }))
    }

    /// `weight` times [`contrastive`] of features `(B, H, W, C)`, averaged over pixels, texts
    /// `(B, E)`, and `(M, E)` texts of no image.
    pub fn loss(&self, features: &Tensor, embedding: &Tensor, others: Option<&Tensor>) -> Result<Tensor> {
        let images = self.image.forward_vector(&features.mean((1, 2))?)?;
        let texts = match others {
            None => self.text.forward_vector(embedding)?,
            Some(others) => self.text.forward_vector(&Tensor::cat(&[embedding, others], 0)?)?,
        };
        let loss = contrastive(&images, &texts, self.config.temperature)?;
        Ok(loss.affine(self.config.weight, 0.0)?)
    }
}

/// `½ E [-ln softmax_j(s_ij)]_ii + ½ E [-ln softmax_i(s_ij)]_ii` with `s` the cosines of each image
/// and each text over the temperature: InfoNCE (arXiv:1807.03748, §2.3) both ways. Images are told
/// from one another by their own texts, texts also from those of no image. `ln B` where nothing is
/// known and there are no others, 0 at best.
///
/// # Shapes
/// `images`: `(B, K)`, `texts`: `(B + M, K)`, row by row belonging together but for the last M; the
/// result is a scalar.
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
        // All texts alike: nothing to tell them by. Lengths do not matter.
        let same = Tensor::ones((3, 3), DType::F64, &Device::Cpu)?;
        assert!((value(&contrastive(&eye.affine(7.0, 0.0)?, &same, 0.1)?) - 3f64.ln()).abs() < 1e-6);
        // Condition of the neighbours: the own one is the least likely.
        let moved = Tensor::cat(&[eye.narrow(0, 1, 2)?, eye.narrow(0, 0, 1)?], 0)?;
        assert!(value(&contrastive(&eye, &moved, 0.1)?) > 9.0);
        Ok(())
    }

    /// Of three texts at right angles to it but for the first, the image is told from all; each
    /// text of an image is told from the images alone.
    #[test]
    fn texts_of_no_image_are_to_be_told_apart_too() -> Result<()> {
        let texts = Tensor::eye(3, DType::F64, &Device::Cpu)?;
        let images = texts.narrow(0, 0, 2)?;
        let e = 1f64.exp();
        let want = 0.5 * ((e + 2.0).ln() - 1.0) + 0.5 * ((e + 1.0).ln() - 1.0);
        assert!((value(&contrastive(&images, &texts, 1.0)?) - want).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let draw = |name: &str| normal(Key::new(3).child(name), (4, 5), DType::F64, &Device::Cpu);
        let texts = Tensor::cat(&[draw("texts")?, draw("others")?], 0)?;
        let images = Var::from_tensor(&draw("images")?)?;
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
