//! What a face of a text shows, attribute by attribute, before it is drawn.
//!
//! A text says some of it and leaves most open. A generator that is given the text alone settles the
//! rest by the text, too: every woman with red hair wears the same glasses, and one word changed is
//! another face. So a **prior** draws a plan, one class for each attribute, from the text and from
//! noise, as often as the data shows it, and the generator draws the plan: the two stages of unCLIP
//! (arXiv:2204.06125, §2), with attributes in place of an image's embedding. In training the
//! generator is given what the real image shows, and its images must be read as that.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::attributes::{AttributesConfig, Labels, Linear, Possible, absent, classes, surprise_of_flat};
use crate::error::{Result, check};
use crate::loss::Parts;

/// `P(a | text) = Π_k P(a_k | text, a_1 … a_{k-1})`, with
/// `P(a_k | …) ∝ open(a_k | text, a_1 … a_{k-1}) · (said(silent | text) + said(a_k | text))`.
///
/// `said` is what the text says of an attribute, silence included: a softmax of what is linear in
/// the embedding. `open` is how often images show each class where texts are silent: a softmax of
/// what is linear in the embedding and in the classes before, enough for "under a hat no fringe is
/// seen". A sure claim rules out the classes that contradict it; what it allows, and all where there
/// is none, is as frequent as in the data.
///
/// A **plan** is `(B, P)`: of every attribute a column for each of its classes, `√(P / A)` where it is
/// the drawn one, so that the mean square is 1, and 0 elsewhere.
pub struct AttributePrior {
    said: Linear,
    open: Linear,
    before: Tensor, // (A·V, A·V)
    /// `(A·V, A·V)`: 1 where the row's attribute comes before the column's.
    earlier: Tensor,
    /// `(1, A, V)`: rules out the classes that an attribute does not have.
    absent: Tensor,
    /// `(P)`: the columns of `A·V` that are not absent.
    present: Tensor,
    sizes: Vec<usize>,
    text_weight: f64,
}

impl AttributePrior {
    /// Asks `vb` for `{said,open}.{weight,bias}` and `before.weight`. `sizes` are the attributes' numbers
    /// of values; their classes are one more, see [`Possible`].
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
        let earlier = |place: usize| {
            let (row, column) = (place / outputs, place % outputs);
            f32::from(u8::from(row / classes < column / classes))
        };
        let earlier: Vec<f32> = (0..outputs * outputs).map(earlier).collect();
        let of = |(attribute, size): (usize, &usize)| {
            let first = (attribute * classes) as u32;
            first..=first + *size as u32
        };
        let present: Vec<u32> = sizes.iter().enumerate().flat_map(of).collect();
        Ok(Self {
            said: Linear::new(embedding_size, outputs, &vb.pp("said"))?,
            open: Linear::new(embedding_size, outputs, &vb.pp("open"))?,
            before: vb.pp("before").get_with_hints((outputs, outputs), "weight", Init::Const(0.0))?,
            earlier: Tensor::from_vec(earlier, (outputs, outputs), vb.device())?.to_dtype(vb.dtype())?,
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

    /// The prior's losses, [`surprise`](crate::attributes::surprise) at what texts say (`text`, weighted) and at what their images
    /// show of what they do not speak of (`prior`). The texts learn from the first alone.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; the parts are scalars.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn loss(&self, embedding: &Tensor, labels: &Labels) -> Result<Parts> {
        let of = |logits: &Tensor, possible: &Possible| surprise_of_flat(logits, &self.absent, possible);
        let said = of(&self.said.forward(embedding)?, &labels.said)?;
        let given = labels.shown.chances(&self.absent)?.flatten_from(1)?; // (B, A·V)
        let given = given.matmul(&self.before.mul(&self.earlier)?)?;
        let open = self.open.forward(&embedding.detach())?.add(&given)?;
        let mut parts = Parts::one("text", said.affine(self.text_weight, 0.0)?);
        parts.push("prior", of(&open, &labels.open)?);
        Ok(parts)
    }

    /// The plan of what images show. What is not known of them is spread evenly over the classes.
    ///
    /// # Errors
    /// If `shown` is of other attributes.
    pub fn plan_of(&self, shown: &Possible) -> Result<Tensor> {
        let chances = shown.chances(&self.absent)?.flatten_from(1)?; // (B, A·V)
        self.scaled(&chances.index_select(&self.present, 1)?)
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
        let host = |t: &Tensor| t.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1();
        let uniform = noise.affine(0.5f64.sqrt(), 0.0)?.erf()?.affine(0.5, 0.5)?.clamp(1e-7, 1.0 - 1e-7)?;
        let gumbel: Vec<f32> = host(&uniform.log()?.neg()?.log()?.neg()?)?;
        let said: Vec<f32> = host(&self.said.forward(embedding)?)?;
        let open: Vec<f32> = host(&self.open.forward(embedding)?)?;
        let before: Vec<f32> = host(&self.before)?;
        let mut plan = vec![0f32; batch * columns];
        for (item, plan) in plan.chunks_exact_mut(columns).enumerate() {
            let first = item * attributes * classes;
            let (said, open, gumbel) = (&said[first..], &open[first..], &gumbel[item * columns..]);
            // The rows of `before` of the classes drawn so far.
            let mut drawn = Vec::with_capacity(attributes);
            let mut column = 0;
            for (attribute, &size) in self.sizes.iter().enumerate() {
                let silent = attribute * classes;
                let score = |class: usize| {
                    let place = silent + class;
                    let given: f32 = drawn.iter().map(|row| before[row * attributes * classes + place]).sum();
                    let allowed = if class == 0 { said[silent] } else { log_add(said[silent], said[place]) };
                    open[place] + given + allowed + gumbel[column + class]
                };
                let best = (0..=size).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap_or(0);
                drawn.push(silent + best);
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

/// `ln(e^a + e^b)`
fn log_add(a: f32, b: f32) -> f32 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}
