//! What a face of a text shows, attribute by attribute, before it is drawn.
//!
//! A text says some of it and leaves most open. A generator that is given the text alone settles the
//! rest by the text, too: every woman with red hair wears the same glasses, and one word changed is
//! another face. So a **prior** draws a plan, one class for each attribute, from the text and from
//! noise, as often as the data shows it, and the generator draws the plan: the two stages of unCLIP
//! (arXiv:2204.06125, §2), with attributes in place of an image's embedding. In training the
//! generator is given what the real image shows, and its images must be read as that.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::softmax;
use candle_nn::{Init, VarBuilder};

use crate::attributes::{
    AttributesConfig, Labels, Linear, PartialLabels, absent, classes, nll_of_flat, shaped,
};
use crate::error::{Result, check};
use crate::loss::LossTerms;

/// `P(plan | text) = Π_k P(a_k | text, a_1 … a_{k-1})`, each a mixture,
/// `P(a_k | …) = said_k(silent) · open_k(a_k) + said_k(a_k)`.
///
/// `said_k` is what the text says of an attribute, silence included: a softmax of what is linear in
/// the embedding. `open_k` is how often images show each class where texts are silent, given what is
/// known of the other attributes: of those before, what has been drawn, of those after, what the text
/// says (the probability of each claim). It is a softmax of what is linear in these, enough for
/// "under a hat no fringe is seen". It does not see the text: what a claim does not bear upon stays
/// as it is when a word changes. And it has no say in what is claimed, so that a text may ask for
/// what was never seen together.
///
/// A **plan** is `(B, P)`: of every attribute a column for each of its classes, `√(P / A)` where it is
/// the drawn one, so that the mean square is 1, and 0 elsewhere.
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
    text_weight: f64,
}

impl AttributePrior {
    /// Asks `vb` for `{said,open}.{weight,bias}`. `sizes` are the attributes' numbers of values; their
    /// classes are one more, see [`PartialLabels`].
    ///
    /// # Errors
    /// If a parameter cannot be had.
    pub fn new(
        config: &AttributesConfig,
        sizes: &[usize],
        embedding_size: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
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
            text_weight: config.text_weight,
        })
    }

    /// P, the size of a plan: one for each class of each attribute.
    pub fn plan_size(sizes: &[usize]) -> usize {
        sizes.iter().map(|size| size + 1).sum()
    }

    /// The prior's losses, [`nll`](crate::attributes::nll) at what texts say (`text`,
    /// weighted) and at what their images show of what they do not speak of (`prior`). The texts
    /// learn from the first alone.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; the parts are scalars.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn loss(&self, embedding: &Tensor, labels: &Labels) -> Result<LossTerms> {
        let of = |logits: &Tensor, possible: &PartialLabels| nll_of_flat(logits, &self.absent, possible);
        let said = self.said.forward(embedding)?;
        let shown = labels.shown.probabilities(&self.absent)?.flatten_from(1)?; // (B, A·V)
        let before = shown.matmul(&self.weight.mul(&self.earlier)?)?;
        let open = self.after(&self.shares(&said.detach())?)?.add(&before)?;
        let mut parts = LossTerms::one("text", of(&said, &labels.said)?.affine(self.text_weight, 0.0)?);
        parts.push("prior", of(&open, &labels.open)?);
        Ok(parts)
    }

    /// The probabilities of logits, attribute by attribute, `(B, A·V)` both.
    fn shares(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(softmax(&shaped(logits, &self.absent)?, D::Minus1)?.flatten_from(1)?)
    }

    /// Logits of what is open, given the probabilities of what texts say of the attributes that come
    /// after, `(B, A·V)` both.
    fn after(&self, said: &Tensor) -> Result<Tensor> {
        Ok(said.matmul(&self.weight.mul(&self.later)?)?.broadcast_add(&self.bias)?)
    }

    /// The plan of what images show. What is not known of them is spread evenly over the classes.
    ///
    /// # Errors
    /// If `shown` is of other attributes.
    pub fn plan_of(&self, shown: &PartialLabels) -> Result<Tensor> {
        let probabilities = shown.probabilities(&self.absent)?.flatten_from(1)?; // (B, A·V)
        self.scaled(&probabilities.index_select(&self.present, 1)?)
    }

    /// Draws a plan for each text: of each attribute in turn the class of the highest
    /// `ln P(class) - ln(-ln Φ(noise))`, which is a draw from P (Gumbel's trick). Noise of 0 draws the
    /// most probable class.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, P)`, standard normal; the plan: `(B, P)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn draw(&self, embedding: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let (_, attributes, classes) = self.absent.dims3()?;
        let (batch, columns) = noise.dims2()?;
        let size = Self::plan_size(&self.sizes);
        check(columns == size, "noise of a plan", columns, size)?;
        check(embedding.dim(0)? == batch, "texts to draw plans for", embedding.dim(0)?, batch)?;
        let host = |t: &Tensor| t.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1();
        let uniform = noise.affine(0.5f64.sqrt(), 0.0)?.erf()?.affine(0.5, 0.5)?.clamp(1e-7, 1.0 - 1e-7)?;
        let gumbel: Vec<f32> = host(&uniform.log()?.neg()?.log()?.neg()?)?;
        let said = self.shares(&self.said.forward(embedding)?)?;
        let after: Vec<f32> = host(&self.after(&said)?)?;
        let said: Vec<f32> = host(&said)?;
        let weight: Vec<f32> = host(&self.weight)?;
        let mut plan = vec![0f32; batch * columns];
        for (item, plan) in plan.chunks_exact_mut(columns).enumerate() {
            let first = item * attributes * classes;
            let (said, after, gumbel) = (&said[first..], &after[first..], &gumbel[item * columns..]);
            // The rows of `weight` of the classes drawn so far.
            let mut drawn: Vec<usize> = Vec::with_capacity(attributes);
            let mut column = 0;
            for (attribute, &size) in self.sizes.iter().enumerate() {
                let places = attribute * classes..=attribute * classes + size;
                let given = |place: usize| {
                    let before = drawn.iter().map(|row| weight[row * attributes * classes + place]);
                    after[place] + before.sum::<f32>()
                };
                let open = shares(places.clone().map(given).collect());
                let said = &said[places];
                let score = |class: usize| {
                    let claimed = if class == 0 { 0.0 } else { said[class] };
                    (said[0] * open[class] + claimed).ln() + gumbel[column + class]
                };
                let best = (0..=size).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap_or(0);
                drawn.push(attribute * classes + best);
                plan[column + best] = 1.0;
                column += size + 1;
            }
        }
        let plan = Tensor::from_vec(plan, (batch, columns), noise.device())?.to_dtype(noise.dtype())?;
        self.scaled(&plan)
    }

    fn scaled(&self, plan: &Tensor) -> Result<Tensor> {
        let scale = (Self::plan_size(&self.sizes) as f64 / self.sizes.len() as f64).sqrt();
        Ok(plan.affine(scale, 0.0)?)
    }
}

/// The probabilities of one attribute's logits.
fn shares(logits: Vec<f32>) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.into_iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
