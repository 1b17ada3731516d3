//! What an image shows and what a text says, attribute by attribute: the auxiliary classifier of
//! AC-GAN (arXiv:1610.09585, §3), which ProGAN uses for labels, for data whose attributes are known.
//!
//! A head of the discriminator learns on real images which values they show, and asks generated
//! ones for what their texts claim; another learns from the embeddings what the texts say. Where a
//! match of image and text is one bit and the texts of a batch are `ln B` nats, this is an answer
//! for each attribute.

use candle_core::{D, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_ops::rng::{self, Key};

use crate::error::{Error, Result, check, check_not_negative};
use crate::image_encoder::ImageEncoder;
use crate::loss::LossTerms;
use crate::prior::AttributePrior;

/// What is added to the logit of a class that is ruled out.
const RULED_OUT: f32 = -1e4;

/// The attribute heads of the discriminator, see [`crate::attributes`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributesConfig {
    /// Weight of what images show, in both players' losses; 0 leaves both heads out, as does data that
    /// knows no attributes. Default 0; at least 0.
    pub weight: f64,
    /// Weight of what texts say, from which the text encoder learns: in the discriminator's loss or,
    /// with a prior, in the generator's. Default 0; at least 0.
    pub text_weight: f64,
    /// Channels of a network of its own that looks at images, one number a halving down to 4x4
    /// (`[64, 80, 64]` sees 32x32); larger images are halved for it, smaller ones doubled. Default:
    /// none, and the head looks at the discriminator's features.
    pub reader: Vec<usize>,
    /// Standard deviation of the noise that is laid on every image it reads, in units of an image's
    /// `[-1, 1]`: what says that hair is red must then be seen through noise, and the generator cannot
    /// say it by a pattern that nobody sees. Default 0; at least 0.
    pub noise: f64,
    /// Whether the generator is given, beside the code, what its image is to show: a plan drawn by the
    /// [`AttributePrior`], in training the attributes of the real image, all of which a generated one
    /// must then show. Default no: what a text claims must be shown.
    pub prior: bool,
    /// Whether generated images need be read no better than real ones: an attribute on which one
    /// nll_each the reader less than real images of the batch do on average asks nothing more of it.
    /// The generator is read as asked long before real images are, and what it would gain beyond them
    /// is patterns that only the reader sees. Default no; needs a `reader`.
    pub capped: bool,
}

impl AttributesConfig {
    /// Whether there are heads, of data with attributes of these numbers of values.
    pub fn read(&self, sizes: &[usize]) -> bool {
        self.weight > 0.0 && !sizes.is_empty()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range, or needs another that is off; the message names it.
    pub fn check(&self) -> Result<()> {
        check_not_negative("gan.attributes.weight", self.weight)?;
        check_not_negative("gan.attributes.text_weight", self.text_weight)?;
        check_not_negative("gan.attributes.noise", self.noise)?;
        if !self.reader.is_empty() {
            ImageEncoder::check("gan.attributes.reader", &self.reader)?;
        }
        let looked_at = self.noise == 0.0 || !self.reader.is_empty() || self.weight == 0.0;
        let expected = "0, or a network of its own in gan.attributes.reader, whose images it is added to";
        check(looked_at, "gan.attributes.noise", self.noise, expected)?;
        let separate = !self.capped || !self.reader.is_empty() || self.weight == 0.0;
        let expected = "false, or a network of its own in gan.attributes.reader";
        check(separate, "gan.attributes.capped", true, expected)?;
        let taught = !self.prior || self.text_weight > 0.0 || self.weight == 0.0;
        let expected = "above 0 with gan.attributes.prior, which learns from it what texts say";
        check(taught, "gan.attributes.text_weight", self.text_weight, expected)
    }

    /// The size of the plans that the generator is given, 0 without a prior.
    pub fn plan_size(&self, sizes: &[usize]) -> usize {
        if self.prior && self.read(sizes) { AttributePrior::plan_size(sizes) } else { 0 }
    }
}

/// For each attribute of each item of a batch the classes that may be the true one.
///
/// Class 0 is that the attribute cannot be seen (of an image) or is not spoken of (of a text), class
/// `v + 1` its value `v`.
pub struct PartialLabels {
    /// `(B, A, V)`: 0 at possible classes, a large negative number at those that are ruled out.
    ruled_out: Tensor,
    /// For each attribute the items of which something is known.
    known: Vec<u32>,
}

impl PartialLabels {
    /// `of(item, attribute)` names the possible classes; `None` where nothing is known, and all are.
    /// `sizes` are the attributes' numbers of values.
    ///
    /// # Errors
    /// If no class is possible or one is above its attribute's size, or the device refuses the copy.
    pub fn new(
        sizes: &[usize],
        batch: usize,
        device: &Device,
        of: impl Fn(usize, usize) -> Option<Vec<usize>>,
    ) -> Result<Self> {
        let classes = classes(sizes);
        let mut ruled_out = vec![0f32; batch * sizes.len() * classes];
        let mut known = vec![0; sizes.len()];
        for (row, ruled_out) in ruled_out.chunks_exact_mut(classes).enumerate() {
            let (item, attribute) = (row / sizes.len(), row % sizes.len());
            let Some(possible) = of(item, attribute) else { continue };
            check(!possible.is_empty(), "classes of an attribute", "none", "at least one, or nothing known")?;
            known[attribute] += 1;
            ruled_out.fill(RULED_OUT);
            for class in possible {
                let most = sizes[attribute];
                check(class <= most, "class of an attribute", class, format_args!("at most {most}"))?;
                ruled_out[class] = 0.0;
            }
        }
        Ok(Self { ruled_out: Tensor::from_vec(ruled_out, (batch, sizes.len(), classes), device)?, known })
    }

    /// What a mean over all attributes of which something is known divides by.
    fn total(&self) -> f64 {
        f64::from(self.known.iter().sum::<u32>().max(1))
    }

    /// `(B, A, V)`: one share for all possible classes of an attribute, 0 for the others and for those
    /// that are `absent` `(1, A, V)`.
    pub(crate) fn probabilities(&self, absent: &Tensor) -> Result<Tensor> {
        let ruled_out = self.ruled_out.to_dtype(absent.dtype())?.broadcast_add(absent)?;
        let possible = ruled_out.affine(-1.0 / f64::from(RULED_OUT), 1.0)?.clamp(0.0, 1.0)?;
        Ok(possible.broadcast_div(&possible.sum_keepdim(D::Minus1)?)?)
    }
}

/// What is known of the attributes of a batch.
pub struct Labels {
    /// What the real images show.
    pub shown: PartialLabels,
    /// What the texts ask of an image: nothing of what they do not speak of.
    pub claimed: PartialLabels,
    /// What the texts say, silence included; of several values that one allows the value shown.
    pub said: PartialLabels,
    /// What the real images show of what their texts do not speak of.
    pub open: PartialLabels,
    /// What the noise on images is drawn from; another for each step.
    pub key: Key,
}

/// Weights that are not equalized: the heads learn at a rate of their own.
pub(crate) struct Linear {
    weight: Tensor, // (I, O)
    bias: Tensor,   // (O)
}

impl Linear {
    pub fn new(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 1.0 / (inputs as f64).sqrt() };
        Ok(Self {
            weight: vb.get_with_hints((inputs, outputs), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.weight)?.broadcast_add(&self.bias)?)
    }
}

/// Two linear maps, of image features and of texts, to the classes of every attribute.
pub(crate) struct Attributes {
    reader: Option<ImageEncoder>,
    image: Linear,
    /// None where the prior learns what texts say.
    text: Option<Linear>,
    /// `(1, A, V)`: rules out the classes that an attribute does not have.
    absent: Tensor,
    config: AttributesConfig,
}

impl Attributes {
    /// Asks `vb` for `{image,text}.{weight,bias}` and the [`ImageEncoder`]'s under `reader`; none if the weight
    /// is 0 or there are no attributes. `sizes` are their numbers of values.
    pub fn new(
        config: &AttributesConfig,
        sizes: &[usize],
        channels: usize,
        embedding_size: usize,
        vb: &VarBuilder,
    ) -> Result<Option<Self>> {
        config.check()?;
        if !config.read(sizes) {
            return Ok(None);
        }
        let linear = |inputs, name: &str| Linear::new(inputs, sizes.len() * classes(sizes), &vb.pp(name));
        let reader = (!config.reader.is_empty()).then(|| ImageEncoder::new(&config.reader, &vb.pp("reader")));
        let reader = reader.transpose()?;
        let channels = reader.as_ref().map_or(channels, ImageEncoder::outputs);
        Ok(Some(Self {
            image: linear(channels, "image")?,
            text: (!config.prior).then(|| linear(embedding_size, "text")).transpose()?,
            reader,
            absent: absent(sizes, vb)?,
            config: config.clone(),
        }))
    }

    /// The discriminator's losses: [`nll`] at what real images, of features `(B, H, W, C)`, show and
    /// at what their texts `(B, E)` say.
    pub fn of_real(
        &self,
        images: &Tensor,
        features: &Tensor,
        embedding: &Tensor,
        labels: &Labels,
    ) -> Result<LossTerms> {
        let seen = self.see(images, features, labels.key.child("real"))?;
        let mut parts = LossTerms::one("attributes", self.loss(&seen, &labels.shown, self.config.weight)?);
        if let Some(text) = &self.text {
            let said = text.forward(embedding)?;
            parts.push("text", self.loss(&said, &labels.said, self.config.text_weight)?);
        }
        Ok(parts)
    }

    /// The generator's loss: [`nll`] at what its images show or, if it is capped, how far that is
    /// above the nll at `real` images.
    pub fn of_fake(
        &self,
        images: &Tensor,
        features: &Tensor,
        real: Option<&Tensor>,
        labels: &Labels,
    ) -> Result<LossTerms> {
        let seen = self.see(images, features, labels.key.child("fake"))?;
        let asked = if self.config.prior { &labels.shown } else { &labels.claimed };
        let loss = if self.config.capped {
            let needed = "real images, for attributes.capped";
            let real = real.ok_or(Error::Missing { loss: "attributes", needed })?;
            // No features are needed where there is a reader.
            let seen_of_real = self.see(real, features, labels.key.child("real"))?;
            let at = |seen: &Tensor| nll_each(&shaped(seen, &self.absent)?, asked); // (B, A)
            let counts = Tensor::new(asked.known.as_slice(), seen.device())?.to_dtype(seen.dtype())?;
            let sums = at(&seen_of_real)?.detach().sum_keepdim(0)?; // (1, A)
            let cap = sums.broadcast_div(&counts.maximum(1f64)?)?;
            let above = at(&seen)?.broadcast_sub(&cap)?.relu()?;
            above.sum_all()?.affine(self.config.weight / asked.total(), 0.0)?
        } else {
            self.loss(&seen, asked, self.config.weight)?
        };
        Ok(LossTerms::one("attributes", loss))
    }

    fn see(&self, images: &Tensor, features: &Tensor, key: Key) -> Result<Tensor> {
        let features = match &self.reader {
            Some(reader) if self.config.noise > 0.0 => {
                let noise = rng::normal(key, images.shape(), images.dtype(), images.device())?;
                reader.features(&images.add(&noise.affine(self.config.noise, 0.0)?)?)?
            }
            Some(reader) => reader.features(images)?,
            None => features.mean((1, 2))?,
        };
        self.image.forward(&features)
    }

    fn loss(&self, logits: &Tensor, possible: &PartialLabels, weight: f64) -> Result<Tensor> {
        Ok(nll_of_flat(logits, &self.absent, possible)?.affine(weight, 0.0)?)
    }
}

/// `E -ln P(the class is a possible one)`, with the softmax over an attribute's classes as `P` and
/// the mean over all attributes, of all items, of which something is known: the cross-entropy where
/// one class is possible. 0 at best and where nothing is known.
///
/// # Shapes
/// `logits`: `(B, A, V)`; the result is a scalar.
///
/// # Errors
/// If the shapes do not fit.
pub fn nll(logits: &Tensor, possible: &PartialLabels) -> Result<Tensor> {
    Ok(nll_each(logits, possible)?.sum_all()?.affine(1.0 / possible.total(), 0.0)?)
}

/// The nll at each attribute of each item, `(B, A)`; 0 where nothing is known.
fn nll_each(logits: &Tensor, possible: &PartialLabels) -> Result<Tensor> {
    let highest = logits.detach().max_keepdim(D::Minus1)?;
    let logits = logits.broadcast_sub(&highest)?;
    let allowed = logits.add(&possible.ruled_out.to_dtype(logits.dtype())?)?;
    // What is possible may be far below the highest: it is shifted by its own maximum.
    let best = allowed.detach().max_keepdim(D::Minus1)?;
    let of_allowed = allowed.broadcast_sub(&best)?.exp()?.sum_keepdim(D::Minus1)?.log()?.add(&best)?;
    let of_all = logits.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(of_all.sub(&of_allowed)?.squeeze(D::Minus1)?)
}

/// [`nll`] of a linear layer's outputs `(B, A·V)`; `absent`: `(1, A, V)`.
pub(crate) fn nll_of_flat(logits: &Tensor, absent: &Tensor, possible: &PartialLabels) -> Result<Tensor> {
    nll(&shaped(logits, absent)?, possible)
}

/// `(B, A·V)` → `(B, A, V)`, with what rules out the classes that are absent.
pub(crate) fn shaped(logits: &Tensor, absent: &Tensor) -> Result<Tensor> {
    let (_, attributes, classes) = absent.dims3()?;
    Ok(logits.reshape((logits.dim(0)?, attributes, classes))?.broadcast_add(absent)?)
}

/// V, the classes of the attribute that has most.
pub(crate) fn classes(sizes: &[usize]) -> usize {
    sizes.iter().max().map_or(1, |most| most + 1)
}

/// `(1, A, V)`: a large negative number at classes that an attribute does not have, 0 at others.
pub(crate) fn absent(sizes: &[usize], vb: &VarBuilder) -> Result<Tensor> {
    let classes = classes(sizes);
    let absent = |&size: &usize| (0..classes).map(move |c| if c > size { RULED_OUT } else { 0.0 });
    let absent: Vec<f32> = sizes.iter().flat_map(absent).collect();
    Ok(Tensor::from_vec(absent, (1, sizes.len(), classes), vb.device())?.to_dtype(vb.dtype())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GanConfig;
    use candle_core::{DType, Var};
    use t2f_ops::grad::gradients;
    use t2f_ops::init::Parameters;
    use t2f_ops::rng::normal;

    fn value(t: &Tensor) -> f64 {
        t.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    /// Two attributes of 2 and 1 values: three classes each, the last of the second does not exist.
    const SIZES: [usize; 2] = [2, 1];

    fn possible(of: impl Fn(usize, usize) -> Option<Vec<usize>>) -> PartialLabels {
        PartialLabels::new(&SIZES, 2, &Device::Cpu, of).unwrap()
    }

    #[test]
    fn hand_computed_values() -> Result<()> {
        let logits = [[[0f64, 2f64.ln(), 3f64.ln()], [0., 0., 0.]], [[50., 0., 0.], [7., 7., 7.]]];
        let logits = Tensor::new(&logits, &Device::Cpu)?;
        // Of weights 1, 2, 3 the last two: 5/6. Of three equal ones the first: 1/3. Nothing known
        // of the second item but its first attribute, which is wrong by 50 nats and ln 2.
        let given = possible(|item, attribute| match (item, attribute) {
            (0, 0) => Some(vec![1, 2]),
            (0, 1) => Some(vec![0]),
            (1, 0) => Some(vec![1, 2]),
            _ => None,
        });
        let want = ((6f64 / 5.0).ln() + 3f64.ln() + 50.0 - 2f64.ln()) / 3.0;
        let got = value(&nll(&logits, &given)?);
        assert!((got - want).abs() < 1e-5, "{got}, expected {want}");
        assert_eq!(value(&nll(&logits, &possible(|_, _| None))?), 0.0);
        Ok(())
    }

    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let cpu = Device::Cpu;
        let logits = Var::from_tensor(&normal(Key::new(1), (2, 2, 3), DType::F64, &cpu)?)?;
        let given = possible(|item, attribute| (item + attribute < 2).then(|| vec![item, 1 - attribute]));
        let gradient = gradients(&nll(&logits, &given)?)?.remove(&logits).unwrap();
        let step = normal(Key::new(2), (2, 2, 3), DType::F64, &cpu)?.affine(1e-4, 0.0)?;
        let up = value(&nll(&logits.add(&step)?, &given)?);
        let change = (up - value(&nll(&logits.sub(&step)?, &given)?)) / 2.0;
        let want = value(&gradient.mul(&step)?.sum_all()?);
        assert!((change - want).abs() < 1e-10, "{change}, expected {want}");
        Ok(())
    }

    #[test]
    fn there_are_heads_where_there_are_attributes() {
        let of = |weight: f64, sizes: &[usize]| {
            let attributes = AttributesConfig { weight, reader: vec![4], ..AttributesConfig::default() };
            let config = GanConfig { resolution: 8, attributes, ..GanConfig::default() };
            let rows = config.parameter_table(4, sizes)?;
            Ok::<_, crate::Error>(rows.iter().filter(|row| row.name.contains(".attributes.")).count())
        };
        // Weight and bias of the reader's one layer, of what it sees and of what texts say.
        assert_eq!(of(1.0, &SIZES).unwrap(), 6);
        assert_eq!((of(0.0, &SIZES).unwrap(), of(1.0, &[]).unwrap()), (0, 0));
        assert!(of(-1.0, &SIZES).unwrap_err().to_string().contains("attributes.weight is -1"));
    }

    /// One image under two attributes, one of which it is read right on and the other wrong.
    #[test]
    fn capped_asks_for_what_real_images_are_read_as_and_no_more() -> Result<()> {
        let cpu = Device::Cpu;
        let config = |capped| AttributesConfig {
            weight: 2.0,
            text_weight: 1.0,
            reader: vec![4],
            prior: true,
            capped,
            ..AttributesConfig::default()
        };
        let parameters = Parameters::drawn(Key::new(5));
        let head = |capped| {
            let vb = parameters.builder(DType::F64, &cpu);
            Attributes::new(&config(capped), &SIZES, 1, 1, &vb).map(Option::unwrap)
        };
        let (plain, capped) = (head(false)?, head(true)?);
        let image = |seed| normal(Key::new(seed), (1, 3, 8, 8), DType::F64, &cpu).unwrap();
        let known = || PartialLabels::new(&SIZES, 1, &cpu, |_, _| Some(vec![1])).unwrap();
        let labels =
            Labels { shown: known(), claimed: known(), said: known(), open: known(), key: Key::new(6) };
        let features = Tensor::zeros(1, DType::F64, &cpu)?;
        let loss = |head: &Attributes, fake: u64, real: u64| -> Result<f64> {
            let parts = head.of_fake(&image(fake), &features, Some(&image(real)), &labels)?;
            Ok(value(parts.get("attributes").unwrap()))
        };
        assert_eq!(loss(&capped, 1, 1)?, 0.0);
        // Of the second image nothing is known: the cap is what the first nll_each.
        let first = || PartialLabels::new(&SIZES, 2, &cpu, |item, _| (item == 0).then(|| vec![1])).unwrap();
        let half =
            Labels { shown: first(), claimed: first(), said: first(), open: first(), key: Key::new(6) };
        let two = Tensor::cat(&[image(1), image(2)], 0)?;
        let parts = capped.of_fake(&two, &features, Some(&two), &half)?;
        assert_eq!(value(parts.get("attributes").unwrap()), 0.0);
        let mut above = 0;
        for (fake, real) in [(1, 2), (2, 1), (3, 4), (4, 3)] {
            let capped = loss(&capped, fake, real)?;
            // Of a mean over attributes what is below the cap on one counts nothing on the other.
            let difference = loss(&plain, fake, 0)? - loss(&plain, real, 0)?;
            assert!(capped >= difference.max(0.0) - 1e-12 && capped <= loss(&plain, fake, 0)?);
            above += usize::from(capped > 0.0);
        }
        assert!(above >= 2, "one of two images is read worse than the other");
        assert!(capped.of_fake(&image(1), &features, None, &labels).is_err());
        let shared = AttributesConfig { reader: Vec::new(), ..config(true) };
        let vb = parameters.builder(DType::F64, &cpu);
        let message = Attributes::new(&shared, &SIZES, 1, 1, &vb).err().unwrap().to_string();
        assert!(message.contains("attributes.capped"), "{message}");
        let noisy = AttributesConfig { noise: 0.3, capped: false, ..shared };
        assert!(noisy.check().unwrap_err().to_string().contains("attributes.noise is 0.3"));
        Ok(())
    }

    #[test]
    fn a_class_that_does_not_exist_is_refused() {
        let wrong = PartialLabels::new(&SIZES, 1, &Device::Cpu, |_, _| Some(vec![2]));
        assert!(wrong.err().unwrap().to_string().contains("class of an attribute is 2"));
        let none = PartialLabels::new(&SIZES, 1, &Device::Cpu, |_, _| Some(Vec::new()));
        assert!(none.err().unwrap().to_string().contains("classes of an attribute is none"));
    }
}
