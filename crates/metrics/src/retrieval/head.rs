//! Two small encoders of images and captions into a joint space, trained with a contrastive loss.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use t2f_data::{Dataset, Image};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::{Key, below, permutation};
use t2f_ops::{ConvOptions, conv2d, to_nhwc};
use t2f_text::{LstmConfig, TextConfig, TextEncoder, Tokenizer};

use super::config::RetrievalConfig;
use crate::error::{Error, Result};
use crate::images::{read_each, to_tensor};
use t2f_ops::adam::{Adam, AdamConfig};

/// The side that images are averaged down to; the stages halve it to 4.
const SIDE: usize = 32;
const CHANNELS: [usize; 3] = [32, 64, 96];
const SLOPE: f64 = 0.2;
/// The size of the joint space.
const SIZE: usize = 64;
/// The initial logarithm of the scale of similarities, CLIP (arXiv:2103.00020), §2.5.
const SCALE: f64 = 2.66;
/// Its greatest value, as in CLIP: a scale of 100.
const GREATEST_SCALE: f64 = 4.6;

/// The two encoders.
pub(super) struct Head {
    parameters: Parameters,
    stages: Vec<(Tensor, Tensor)>,
    image: Tensor, // (16·C, S)
    text: Box<dyn TextEncoder>,
    words: Tensor, // (E, S)
    scale: Tensor, // (1)
}

impl Head {
    /// Untrained encoders for the words of a training set.
    pub(super) fn new(train: &dyn Dataset, config: &RetrievalConfig) -> Result<Self> {
        let mut captions = Vec::new();
        for index in 0..train.len() {
            captions.extend(train.captions(index)?.into_iter().map(|caption| caption.text));
        }
        let tokenizer = Tokenizer::train(captions, 2, 10_000, None)?;
        let parameters = Parameters::drawn(Key::new(config.seed).child("retrieval head"));
        let vb = parameters.builder(DType::F32, &Device::Cpu);
        let normal = |vb: VarBuilder, shape: &[usize], fan_in: usize| {
            vb.get_with_hints(shape, "weight", Init::Randn { mean: 0.0, stdev: (2.0 / fan_in as f64).sqrt() })
        };
        let (mut stages, mut inputs) = (Vec::new(), 3);
        for (index, outputs) in CHANNELS.into_iter().enumerate() {
            let vb = vb.pp("stages").pp(index);
            let weight = normal(vb.clone(), &[3, 3, 4 * inputs, outputs], 36 * inputs)?;
            stages.push((weight, vb.get_with_hints(outputs, "bias", Init::Const(0.0))?));
            inputs = outputs;
        }
        let text = LstmConfig { embedding_size: 64, hidden_size: 64, ..LstmConfig::default() };
        let text = TextConfig::Lstm(text).build(tokenizer, vb.pp("text"))?;
        let image = normal(vb.pp("picture"), &[16 * inputs, SIZE], 16 * inputs)?;
        let words = normal(vb.pp("words"), &[text.embedding_size(), SIZE], text.embedding_size())?;
        let scale = vb.get_with_hints(1, "scale", Init::Const(SCALE))?;
        Ok(Self { parameters, stages, image, text, words, scale })
    }

    /// All parameters, by name.
    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The unit vectors of images.
    ///
    /// # Shapes
    /// `(B, 3, 32, 32)` in `[-1, 1]` → `(B, S)`
    pub(super) fn of_images(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = to_nhwc(images)?;
        for (weight, bias) in &self.stages {
            let (b, h, w, c) = x.dims4()?;
            let fours = x.reshape((b, h / 2, 2, w / 2, 2, c))?.permute((0, 1, 3, 2, 4, 5))?.contiguous()?;
            let options = ConvOptions { padding: 1, slope: Some(SLOPE), ..ConvOptions::default() };
            x = conv2d(&fours.reshape((b, h / 2, w / 2, 4 * c))?, weight, Some(bias), options)?;
        }
        unit(&x.flatten_from(1)?.matmul(&self.image)?)
    }

    /// The unit vectors of captions.
    ///
    /// # Shapes
    /// The result is `(B, S)`.
    pub(super) fn of_captions(&self, captions: &[String]) -> Result<Tensor> {
        unit(&self.text.encode(captions)?.matmul(&self.words)?)
    }

    /// Trains on images with one of their captions each; the other captions of the batch are negatives.
    /// The loss is the symmetric cross-entropy of CLIP (arXiv:2103.00020), figure 3. Returns the last
    /// loss.
    pub(super) fn train(&self, train: &dyn Dataset, config: &RetrievalConfig) -> Result<f64> {
        let key = Key::new(config.seed).child("retrieval training");
        let batch = config.batch.min(train.len());
        if batch < 2 {
            return Err(Error::State(
                "a retrieval head is trained on fewer than two images, expected at least two".into(),
            ));
        }
        let a_epoch = train.len() / batch;
        let steps = config.steps.min(config.epochs * a_epoch);
        let rate =
            AdamConfig { lr: config.lr.into(), beta1: 0.9, beta2: 0.99.into(), ..AdamConfig::default() };
        let mut adam = Adam::new(&self.parameters, rate)?;
        let (mut order, mut last) = (Vec::new(), f64::NAN);
        for step in 0..steps {
            let (epoch, place) = (step / a_epoch, step % a_epoch);
            if place == 0 {
                order = permutation(&mut key.child("order").at(epoch as u64).rng(), train.len());
            }
            let indices = &order[place * batch..(place + 1) * batch];
            let mut stream = key.child("captions").at(step as u64).rng();
            let captions = indices
                .iter()
                .map(|&index| {
                    let mut captions = train.captions(index)?;
                    let chosen = below(&mut stream, captions.len().max(1));
                    if chosen < captions.len() {
                        Ok(captions.swap_remove(chosen).text)
                    } else {
                        Ok(String::new())
                    }
                })
                .collect::<Result<Vec<String>>>()?;
            let images = self.of_images(&read(train, indices)?)?;
            let texts = self.of_captions(&captions)?;
            let loss = self.loss(&images, &texts)?;
            adam.step(&gradients(&loss)?)?;
            last = f64::from(loss.to_scalar::<f32>()?);
        }
        Ok(last)
    }

    fn loss(&self, images: &Tensor, texts: &Tensor) -> Result<Tensor> {
        let count = images.dim(0)?;
        let scale = self.scale.minimum(GREATEST_SCALE)?.exp()?;
        let logits = images.matmul(&texts.t()?.contiguous()?)?.broadcast_mul(&scale)?; // (B, B)
        let own = Tensor::eye(count, DType::F32, &Device::Cpu)?;
        let of_rows = |logits: &Tensor| -> Result<Tensor> {
            let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
            let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
            Ok(shifted.broadcast_sub(&total)?.mul(&own)?.sum_all()?)
        };
        let both = of_rows(&logits)?.add(&of_rows(&logits.t()?.contiguous()?)?)?;
        Ok(both.affine(-0.5 / count as f64, 0.0)?)
    }
}

/// Rows of length 1.
fn unit(x: &Tensor) -> Result<Tensor> {
    Ok(x.broadcast_div(&x.sqr()?.sum_keepdim(D::Minus1)?.affine(1.0, 1e-12)?.sqrt()?)?)
}

/// `(B, 3, 32, 32)` in `[-1, 1]`.
pub(super) fn small(images: &[Image]) -> Result<Tensor> {
    let small: Vec<Image> = images.iter().map(|image| image.shrink(image.width / SIDE)).collect();
    if small.iter().any(|image| (image.width, image.height) != (SIDE, SIDE)) {
        return Err(Error::State(format!(
            "R-precision of images of another size, expected squares of {SIDE} pixels or a multiple of that"
        )));
    }
    to_tensor(&small)
}

fn read(data: &dyn Dataset, indices: &[usize]) -> Result<Tensor> {
    let mut batches = Vec::new();
    read_each(data, indices, &mut |images| {
        batches.push(small(images)?);
        Ok(())
    })?;
    Ok(Tensor::cat(&batches, 0)?)
}
