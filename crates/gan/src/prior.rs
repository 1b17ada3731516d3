//! The attribute prior: the attributes of an image before it is generated.
//!
//! A text mentions some attributes and leaves most open. A generator that is given the text alone
//! fixes the open ones by the text, too: every woman with red hair wears the same glasses, and one
//! changed word gives another face. The **prior** samples an attribute code, one class for each
//! attribute, from the text and from noise, with the frequencies of the data; the generator is
//! conditioned on the code: the two stages of unCLIP (arXiv:2204.06125, §2), with attributes in place
//! of an image embedding. In training the generator is given the code of the real image, and its
//! images must be classified accordingly.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::softmax;
use candle_nn::{Init, VarBuilder};

use crate::error::{Result, check_argument};
use crate::labels::{Labels, PartialLabels, absent, classes, nll_of_flat, shaped};
use crate::linear::Linear;

/// `P(code | text) = Π_k P(a_k | text, a_1 … a_{k-1})`, each a mixture,
/// `P(a_k | …) = said_k(not mentioned) · open_k(a_k) + said_k(a_k)`.
///
/// `said_k` is the distribution of the text's content about an attribute, "not mentioned" included: a
/// softmax that is linear in the embedding. `open_k` is the distribution of an attribute that texts do
/// not mention, given the other attributes: of the earlier ones the sampled classes, of the later ones
/// the probabilities of their claims. It is a softmax that is linear in these, which is enough for
/// "under a hat no fringe is visible". It does not depend on the text, so that a changed word leaves
/// unrelated attributes as they are; and it does not weigh claims, so that the prior keeps claimed
/// attributes even when their combination never occurs in the data.
///
/// An **attribute code** is `(B, P)`: a column for each class of each attribute, `√(P / A)` at the sampled
/// class, so that the mean square is 1, and 0 elsewhere.
#[derive(Debug)]
pub struct AttributePrior {
    said: Linear,
    bias: Tensor,   // (A·V)
    weight: Tensor, // (A·V, A·V)
    /// `(A·V, A·V)`: 1 where the row's attribute comes before the column's.
    earlier: Tensor,
    /// `(A·V, A·V)`: 1 where the row is a value of an attribute that comes after the column's.
    later: Tensor,
    /// `(1, A, V)`: rules out the classes that an attribute does not have.
    absent: Tensor,
    /// `(P)`: the columns of `A·V` that are not absent.
    present: Tensor,
    sizes: Vec<usize>,
    temperature: f64,
}

/// The negative log-likelihoods of [`AttributePrior::nll`], scalars in nats.
#[derive(Clone, Debug)]
pub struct PriorNll {
    /// Of the content of the texts, from which the texts learn.
    pub text: Tensor,
    /// Of the attributes that images show and their texts do not mention.
    pub open: Tensor,
}

impl AttributePrior {
    /// Asks `vb` for `{said,open}.{weight,bias}`. `sizes` are the attributes' numbers of values; their
    /// classes are one more, see [`PartialLabels`].
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn new(sizes: &[usize], embedding_size: usize, vb: &VarBuilder) -> Result<Self> {
        let classes = classes(sizes);
        let outputs = sizes.len() * classes;
        let mask = |of: &dyn Fn(usize, usize) -> bool| -> Result<Tensor> {
            let mask: Vec<f32> = (0..outputs * outputs)
                .map(|place| f32::from(u8::from(of(place / outputs, place % outputs))))
                .collect();
            Ok(Tensor::from_vec(mask, (outputs, outputs), vb.device())?.to_dtype(vb.dtype())?)
        };
        let of = |(attribute, size): (usize, &usize)| {
            let first = (attribute * classes) as u32;
            first..=first + *size as u32
        };
        let present: Vec<u32> = sizes.iter().enumerate().flat_map(of).collect();
        let open = vb.pp("open");
        Ok(Self {
            said: Linear::new(embedding_size, outputs, &vb.pp("said"))?,
            bias: open.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            weight: open.get_with_hints((outputs, outputs), "weight", Init::Const(0.0))?,
            earlier: mask(&|row, column| row / classes < column / classes)?,
            later: mask(&|row, column| row / classes > column / classes && row % classes > 0)?,
            absent: absent(sizes, vb)?,
            present: Tensor::new(present, vb.device())?,
            sizes: sizes.to_vec(),
            temperature: 1.0,
        })
    }

    /// Sets the temperature t of a text's content when attribute codes are sampled; 1 without this call.
    ///
    /// `said_k` is raised to the power 1/t and normalised. A text encoder that gives the value of a claim 0.8
    /// spreads the rest over errors, which at temperature 1 show in one image of five. Values of equal probability,
    /// such as those of "dark hair", stay equal.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }

    /// P, the size of an attribute code: one column for each class of each attribute.
    pub fn code_size(sizes: &[usize]) -> usize {
        sizes.iter().map(|size| size + 1).sum()
    }

    /// The negative log-likelihoods ([`nll`](crate::labels::nll)) of texts and of images.
    ///
    /// # Shapes
    /// `texts`: `(B + X, E)`, the embeddings of the texts of B images and of X without images.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn nll(&self, texts: &Tensor, labels: &Labels) -> Result<PriorNll> {
        let of = |logits: &Tensor, labels: &PartialLabels| nll_of_flat(logits, &self.absent, labels);
        let said = self.said.forward(texts)?;
        let shown = labels.shown.probabilities(&self.absent)?.flatten_from(1)?; // (B, A·V)
        let before = shown.matmul(&self.weight.mul(&self.earlier)?)?;
        let of_images = said.detach().narrow(0, 0, shown.dim(0)?)?;
        let open = self.after(&self.probabilities(&of_images)?)?.add(&before)?;
        Ok(PriorNll { text: of(&said, &labels.said)?, open: of(&open, &labels.open)? })
    }

    /// How many others open attributes depend on: `Σ |w| / (|w| + 1/2)` over the weights `w` from classes to
    /// classes, a scalar.
    ///
    /// As a term of the loss it draws weights that the data hardly needs to 0, and hardly changes large ones
    /// (Geman and Reynolds, 1992, doi:10.1109/34.120331), so that a changed claim leaves unrelated attributes
    /// as they are.
    ///
    /// # Errors
    /// If the device fails.
    pub fn dependence(&self) -> Result<Tensor> {
        let size = self.weight.abs()?;
        Ok(size.div(&size.affine(1.0, 0.5)?)?.sum_all()?)
    }

    /// The probabilities of logits, attribute by attribute, `(B, A·V)` both.
    fn probabilities(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(softmax(&shaped(logits, &self.absent)?, D::Minus1)?.flatten_from(1)?)
    }

    /// Logits of open attributes, given the probabilities of the texts' claims about the later ones,
    /// `(B, A·V)` both.
    fn after(&self, said: &Tensor) -> Result<Tensor> {
        Ok(said.matmul(&self.weight.mul(&self.later)?)?.broadcast_add(&self.bias)?)
    }

    /// The attribute code of labelled images; a missing label is a uniform distribution over the classes.
    ///
    /// # Errors
    /// If `shown` is of other attributes.
    pub fn code_of(&self, shown: &PartialLabels) -> Result<Tensor> {
        let probabilities = shown.probabilities(&self.absent)?.flatten_from(1)?; // (B, A·V)
        self.scaled(&probabilities.index_select(&self.present, 1)?)
    }

    /// Samples an attribute code for each text: of each attribute in turn the class of the highest
    /// `ln P(class) - ln(-ln Φ(noise))`, which is a sample of P (the Gumbel-max trick). With noise 0 it is
    /// the most probable class.
    ///
    /// In P the content of the text has a [temperature](Self::with_temperature).
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, P)`, standard normal; the code: `(B, P)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn sample(&self, embedding: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let (_, attributes, classes) = self.absent.dims3()?;
        let (batch, columns) = noise.dims2()?;
        let size = Self::code_size(&self.sizes);
        check_argument(columns == size, "noise of an attribute code", columns, size)?;
        check_argument(
            embedding.dim(0)? == batch,
            "texts to sample attribute codes for",
            embedding.dim(0)?,
            batch,
        )?;
        let uniform = noise.affine(0.5f64.sqrt(), 0.0)?.erf()?.affine(0.5, 0.5)?.clamp(1e-7, 1.0 - 1e-7)?;
        let gumbel: Vec<f32> = host(&uniform.log()?.neg()?.log()?.neg()?)?;
        let said = self.probabilities(&self.said.forward(embedding)?.affine(1.0 / self.temperature, 0.0)?)?;
        let after: Vec<f32> = host(&self.after(&said)?)?;
        let said: Vec<f32> = host(&said)?;
        let weight: Vec<f32> = host(&self.weight)?;
        let mut code = vec![0f32; batch * columns];
        for (item, code) in code.chunks_exact_mut(columns).enumerate() {
            let first = item * attributes * classes;
            let (said, after, gumbel) = (&said[first..], &after[first..], &gumbel[item * columns..]);
            // The rows of `weight` of the classes sampled so far.
            let mut sampled: Vec<usize> = Vec::with_capacity(attributes);
            let mut column = 0;
            for (attribute, &size) in self.sizes.iter().enumerate() {
                let places = attribute * classes..=attribute * classes + size;
                let given = |place: usize| {
                    let before = sampled.iter().map(|row| weight[row * attributes * classes + place]);
                    after[place] + before.sum::<f32>()
                };
                let open = probabilities(places.clone().map(given).collect());
                let said = &said[places];
                let score = |class: usize| {
                    let claimed = if class == 0 { 0.0 } else { said[class] };
                    (said[0] * open[class] + claimed).ln() + gumbel[column + class]
                };
                let best = (0..=size).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap_or(0);
                sampled.push(attribute * classes + best);
                code[column + best] = 1.0;
                column += size + 1;
            }
        }
        let code = Tensor::from_vec(code, (batch, columns), noise.device())?.to_dtype(noise.dtype())?;
        self.scaled(&code)
    }

    /// The distribution of each text's content about each attribute, `said_k`: for each text and each
    /// attribute the probability that the text does not mention it, then that of each value.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; the result has B texts, A attributes each, and as many numbers as an attribute
    /// has values, and one more; they are in `[0, 1]` and their sum is 1.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn content(&self, embedding: &Tensor) -> Result<Vec<Vec<Vec<f32>>>> {
        let (_, attributes, classes) = self.absent.dims3()?;
        let said = self.probabilities(&self.said.forward(embedding)?)?;
        let said: Vec<f32> = host(&said)?;
        let of_text = |text: &[f32]| {
            let each = text.chunks_exact(classes).zip(&self.sizes);
            each.map(|(attribute, size)| attribute[..=*size].to_vec()).collect()
        };
        Ok(said.chunks_exact(attributes * classes).map(of_text).collect())
    }

    /// The class of each attribute in sampled attribute codes: 0 if it is not visible, `v + 1` for value `v`.
    ///
    /// # Shapes
    /// `code`: `(B, P)`; the result has B codes of A classes.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn classes_of(&self, code: &Tensor) -> Result<Vec<Vec<usize>>> {
        let size = Self::code_size(&self.sizes);
        let (_, columns) = code.dims2()?;
        check_argument(columns == size, "columns of an attribute code", columns, size)?;
        let of_code = |code: &[f32]| {
            let mut first = 0;
            let class = |size: &usize| {
                let columns = &code[first..=first + size];
                first += size + 1;
                (0..columns.len()).max_by(|a, b| columns[*a].total_cmp(&columns[*b])).unwrap_or(0)
            };
            self.sizes.iter().map(class).collect()
        };
        Ok(host(code)?.chunks_exact(size).map(of_code).collect())
    }

    fn scaled(&self, code: &Tensor) -> Result<Tensor> {
        let scale = (Self::code_size(&self.sizes) as f64 / self.sizes.len() as f64).sqrt();
        Ok(code.affine(scale, 0.0)?)
    }
}

/// The numbers of a tensor.
fn host(t: &Tensor) -> Result<Vec<f32>> {
    Ok(t.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// The probabilities of one attribute's logits.
fn probabilities(logits: Vec<f32>) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.into_iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
