//! The auxiliary attribute classifier: AC-GAN (arXiv:1610.09585, §3), which ProGAN uses for labels,
//! with a classifier of its own beside the discriminator (Lee and Seok, arXiv:1708.00598).
//!
//! The classifier learns on real images which values they show, and the generator is asked for images
//! that are classified as their texts claim; a linear head learns from the embeddings what the texts
//! claim. A matching score is one bit a pair and a contrastive loss `ln B` nats; this is one answer an
//! attribute.

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use t2f_ops::rng::{self, Key};

use super::interface::{DiscriminatorInputs, GeneratorInputs, Objective, ObjectiveContext};
use crate::error::{Result, check, check_argument, check_not_negative};
use crate::image_encoder::ImageEncoder;
use crate::labels::{Labels, PartialLabels, absent, classes, nll_each, nll_of_flat, shaped};
use crate::linear::Linear;
use crate::loss::LossTerms;
use crate::prior::AttributePrior;

/// The attribute classifier and the attribute prior, `[loss.attributes]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributesConfig {
    /// Weight of the image's attributes in both networks' losses; 0 leaves the classifier and the prior
    /// out, as does a data set without attributes. Default 0; at least 0.
    pub weight: f64,
    /// Weight of the text's attributes, from which the text encoder learns: in the discriminator's loss
    /// or, with a prior, in the generator's. Default 0; at least 0.
    pub text_weight: f64,
    /// Channels of the classifier's [`ImageEncoder`], one number a halving down to 4x4 (`[64, 80, 64]`
    /// takes 32x32); larger images are halved for it, smaller ones doubled. Default: none, and the
    /// classifier is linear in the discriminator's features.
    pub classifier: Vec<usize>,
    /// Standard deviation of the noise on the classifier's images, in units of an image's `[-1, 1]`. An
    /// attribute must then be visible through noise, so that adversarial patterns do not satisfy the
    /// classifier. Default 0; at least 0; needs a `classifier`.
    pub noise: f64,
    /// Whether the generator is given an attribute code beside the text code, sampled by the
    /// [`AttributePrior`]; in training the code of the real image, all of which a generated image must
    /// then show. Default no: a generated image must show the claims of its text.
    pub prior: bool,
    /// The temperature of a text's content when the prior samples attribute codes, see
    /// [`AttributePrior::with_temperature`]. Default none, which is 1; above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Weight of the dependences of attributes that texts do not mention on the others,
    /// [`AttributePrior::dependence`]. Default 0; at least 0.
    pub dependence: f64,
    /// Whether the loss of generated images is capped at that of real ones: an attribute with a lower
    /// loss than the mean over the real images of the batch adds nothing. Below it lie patterns that
    /// only the classifier sees. Default no; needs a `classifier`.
    pub capped: bool,
}

impl AttributesConfig {
    /// Whether there is a classifier, for data with attributes of these numbers of values.
    pub fn active(&self, sizes: &[usize]) -> bool {
        self.weight > 0.0 && !sizes.is_empty()
    }

    /// P, the size of the attribute code that the generator is given; 0 without a prior.
    pub fn code_size(&self, sizes: &[usize]) -> usize {
        if self.prior && self.active(sizes) { AttributePrior::code_size(sizes) } else { 0 }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range, or needs another that is off; the message names it.
    pub fn check(&self) -> Result<()> {
        check_not_negative("loss.attributes.weight", self.weight)?;
        check_not_negative("loss.attributes.text_weight", self.text_weight)?;
        check_not_negative("loss.attributes.noise", self.noise)?;
        check_not_negative("loss.attributes.dependence", self.dependence)?;
        if let Some(temperature) = self.temperature {
            let fits = temperature > 0.0 && temperature.is_finite();
            check(fits, "loss.attributes.temperature", temperature, "above 0")?;
        }
        if !self.classifier.is_empty() {
            ImageEncoder::check("loss.attributes.classifier", &self.classifier)?;
        }
        let separate = !self.classifier.is_empty() || self.weight == 0.0;
        let expected = "0 without a loss.attributes.classifier";
        check(self.noise == 0.0 || separate, "loss.attributes.noise", self.noise, expected)?;
        let expected = "false without a loss.attributes.classifier";
        check(!self.capped || separate, "loss.attributes.capped", true, expected)?;
        let taught = !self.prior || self.text_weight > 0.0 || self.weight == 0.0;
        let expected = "above 0 with loss.attributes.prior, which learns the content of texts from it";
        check(taught, "loss.attributes.text_weight", self.text_weight, expected)
    }
}

/// The classifier of images, and, without a prior, of texts.
///
/// Terms: `attributes`, [`nll`](crate::labels::nll) of the images' attributes, and `text`, that of the
/// texts' attributes, both weighted.
#[derive(Debug)]
pub struct AttributeClassifier {
    trained: Heads,
    frozen: Heads,
    config: AttributesConfig,
}

impl AttributeClassifier {
    /// Takes the parameters `attributes.{image,text}.{weight,bias}` and, with a classifier of its own,
    /// those of the [`ImageEncoder`] under `attributes.reader`.
    ///
    /// # Errors
    /// If the configuration is not valid, there are no attributes, or a parameter is missing.
    pub fn new(config: &AttributesConfig, context: &ObjectiveContext<'_>) -> Result<Self> {
        config.check()?;
        let sizes = context.attribute_sizes;
        check_argument(
            !sizes.is_empty(),
            "attributes of the data set",
            "none",
            "at least one for a classifier",
        )?;
        Ok(Self {
            trained: Heads::new(config, context, &context.d.pp("attributes"))?,
            frozen: Heads::new(config, context, &context.d_frozen.pp("attributes"))?,
            config: config.clone(),
        })
    }

    /// The labels that generated images are held to.
    fn wanted<'a>(&self, labels: &'a Labels) -> &'a PartialLabels {
        if self.config.prior { &labels.shown } else { &labels.claimed }
    }

    /// `Σ relu(nll(fake) - mean nll(real))` over all labels, divided by their number: attributes that are
    /// classified as well as on real images add nothing.
    fn capped(&self, fake: &Tensor, real: &Tensor, labels: &PartialLabels) -> Result<Tensor> {
        let nll = |logits: &Tensor| nll_each(&shaped(logits, &self.frozen.absent)?, labels); // (B, A)
        let counts = Tensor::new(labels.counts(), fake.device())?.to_dtype(fake.dtype())?;
        let sums = nll(real)?.detach().sum_keepdim(0)?; // (1, A)
        let cap = sums.broadcast_div(&counts.maximum(1f64)?)?;
        let above = nll(fake)?.broadcast_sub(&cap)?.relu()?;
        Ok(above.sum_all()?.affine(self.config.weight / labels.total(), 0.0)?)
    }
}

impl Objective for AttributeClassifier {
    fn name(&self) -> &str {
        "attributes"
    }

    fn classify(&self, images: &Tensor, features: &Tensor) -> Result<Option<Tensor>> {
        let heads = &self.frozen;
        let logits = heads.classify(images, features, 0.0, Key::new(0))?;
        Ok(Some(shaped(&logits, &heads.absent)?.argmax(D::Minus1)?)) // (B, A)
    }

    fn discriminator_terms(&self, inputs: &DiscriminatorInputs<'_>) -> Result<LossTerms> {
        let Some(labels) = inputs.labels else { return Ok(LossTerms::default()) };
        let heads = &self.trained;
        let key = inputs.key.child("labels").child("real");
        let logits = heads.classify(inputs.real, inputs.features, self.config.noise, key)?;
        let image = heads.nll(&logits, &labels.shown, self.config.weight)?;
        let mut terms = LossTerms::one("attributes", image);
        if let Some(text) = &heads.text {
            let logits = text.forward(inputs.texts)?;
            terms.push("text", heads.nll(&logits, &labels.said, self.config.text_weight)?);
        }
        Ok(terms)
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        let Some(labels) = inputs.labels else { return Ok(LossTerms::default()) };
        let (heads, noise) = (&self.frozen, self.config.noise);
        let key = inputs.key.child("labels");
        let logits = heads.classify(inputs.augmented, inputs.features, noise, key.child("fake"))?;
        let wanted = self.wanted(labels);
        let loss = if self.config.capped {
            // A classifier of its own needs no features.
            let real = heads.classify(inputs.real, inputs.features, noise, key.child("real"))?;
            self.capped(&logits, &real, wanted)?
        } else {
            heads.nll(&logits, wanted, self.config.weight)?
        };
        Ok(LossTerms::one("attributes", loss))
    }
}

/// Linear maps, of image features and of texts, to the classes of every attribute.
#[derive(Debug)]
struct Heads {
    encoder: Option<ImageEncoder>,
    image: Linear,
    /// None where the prior learns the content of texts.
    text: Option<Linear>,
    /// `(1, A, V)`: rules out the classes that an attribute does not have.
    absent: Tensor,
}

impl Heads {
    fn new(config: &AttributesConfig, context: &ObjectiveContext<'_>, vb: &VarBuilder) -> Result<Self> {
        let sizes = context.attribute_sizes;
        let linear = |inputs, name: &str| Linear::new(inputs, sizes.len() * classes(sizes), &vb.pp(name));
        let own = !config.classifier.is_empty();
        let encoder = own.then(|| ImageEncoder::new(&config.classifier, &vb.pp("reader"))).transpose()?;
        let channels = encoder.as_ref().map_or(context.feature_channels, ImageEncoder::outputs);
        Ok(Self {
            image: linear(channels, "image")?,
            text: (!config.prior).then(|| linear(context.embedding_size, "text")).transpose()?,
            encoder,
            absent: absent(sizes, vb)?,
        })
    }

    /// Logits of images, `(B, A·V)`.
    fn classify(&self, images: &Tensor, features: &Tensor, noise: f64, key: Key) -> Result<Tensor> {
        let features = match &self.encoder {
            Some(encoder) if noise > 0.0 => {
                let normal = rng::normal(key, images.shape(), images.dtype(), images.device())?;
                encoder.features(&images.add(&normal.affine(noise, 0.0)?)?)?
            }
            Some(encoder) => encoder.features(images)?,
            None => features.mean((1, 2))?,
        };
        self.image.forward(&features)
    }

    fn nll(&self, logits: &Tensor, labels: &PartialLabels, weight: f64) -> Result<Tensor> {
        Ok(nll_of_flat(logits, &self.absent, labels)?.affine(weight, 0.0)?)
    }
}
