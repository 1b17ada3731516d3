//! Labels of attributes, complete or partial, and their negative log-likelihood.

use candle_core::{D, Device, Tensor};
use candle_nn::VarBuilder;

use crate::error::{Result, check_argument};

/// The logit offset of a class that is ruled out.
const RULED_OUT: f32 = -1e4;

/// Partial labels: for each attribute of each item of a batch the set of classes that contains the true
/// one.
///
/// Class 0 means "not visible" (of an image) or "not mentioned" (of a text), class `v + 1` is value `v`.
#[derive(Clone, Debug)]
pub struct PartialLabels {
    /// `(B, A, V)`: 0 at possible classes, a large negative number at those that are ruled out.
    ruled_out: Tensor,
    /// For each attribute the number of items with a label.
    known: Vec<u32>,
}

impl PartialLabels {
    /// `of(item, attribute)` returns the possible classes; `None` is a missing label, which allows every
    /// class. `sizes` are the attributes' numbers of values.
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
            check_argument(
                !possible.is_empty(),
                "classes of an attribute",
                "none",
                "at least one, or no label",
            )?;
            known[attribute] += 1;
            ruled_out.fill(RULED_OUT);
            for class in possible {
                let most = sizes[attribute];
                check_argument(
                    class <= most,
                    "class of an attribute",
                    class,
                    format_args!("at most {most}"),
                )?;
                ruled_out[class] = 0.0;
            }
        }
        Ok(Self { ruled_out: Tensor::from_vec(ruled_out, (batch, sizes.len(), classes), device)?, known })
    }

    /// The number of labels of the batch, at least 1.
    pub(crate) fn total(&self) -> f64 {
        f64::from(self.known.iter().sum::<u32>().max(1))
    }

    /// The number of labels of each attribute, `(A)`.
    pub(crate) fn counts(&self) -> &[u32] {
        &self.known
    }

    /// The uniform distribution over the possible classes of each attribute, `(B, A, V)`; classes that
    /// are `absent` `(1, A, V)` have probability 0.
    pub(crate) fn probabilities(&self, absent: &Tensor) -> Result<Tensor> {
        let ruled_out = self.ruled_out.to_dtype(absent.dtype())?.broadcast_add(absent)?;
        let possible = ruled_out.affine(-1.0 / f64::from(RULED_OUT), 1.0)?.clamp(0.0, 1.0)?;
        Ok(possible.broadcast_div(&possible.sum_keepdim(D::Minus1)?)?)
    }
}

/// The labels of a batch.
#[derive(Clone, Debug)]
pub struct Labels {
    /// The attributes that the real images show.
    pub shown: PartialLabels,
    /// The attributes that the texts claim; an attribute that a text does not mention has no label.
    pub claimed: PartialLabels,
    /// The content of the texts, "not mentioned" included; where a claim allows several values, the
    /// value that the image shows. Of the texts of the images, and then of texts without images.
    pub said: PartialLabels,
    /// The attributes that the real images show and their texts do not mention.
    pub open: PartialLabels,
}

/// The negative log-likelihood of partial labels, `E -ln P(the class is a possible one)`: `P` is the
/// softmax over an attribute's classes, and the mean runs over all labels. It is the cross-entropy
/// where one class is possible, and 0 where there is no label.
///
/// # Shapes
/// `logits`: `(B, A, V)`; the result is a scalar.
///
/// # Errors
/// If the shapes do not fit.
pub fn nll(logits: &Tensor, possible: &PartialLabels) -> Result<Tensor> {
    Ok(nll_each(logits, possible)?.sum_all()?.affine(1.0 / possible.total(), 0.0)?)
}

/// The negative log-likelihood of each attribute of each item, `(B, A)`; 0 where there is no label.
pub(crate) fn nll_each(logits: &Tensor, possible: &PartialLabels) -> Result<Tensor> {
    let highest = logits.detach().max_keepdim(D::Minus1)?;
    let logits = logits.broadcast_sub(&highest)?;
    let allowed = logits.add(&possible.ruled_out.to_dtype(logits.dtype())?)?;
    // Possible classes may lie far below the highest, so they are shifted by their own maximum.
    let best = allowed.detach().max_keepdim(D::Minus1)?;
    let of_allowed = allowed.broadcast_sub(&best)?.exp()?.sum_keepdim(D::Minus1)?.log()?.add(&best)?;
    let of_all = logits.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(of_all.sub(&of_allowed)?.squeeze(D::Minus1)?)
}

/// [`nll`] of a linear layer's outputs `(B, A·V)`; `absent`: `(1, A, V)`.
pub(crate) fn nll_of_flat(logits: &Tensor, absent: &Tensor, possible: &PartialLabels) -> Result<Tensor> {
    nll(&shaped(logits, absent)?, possible)
}

/// `(B, A·V)` → `(B, A, V)`; classes that an attribute does not have are ruled out.
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
    use candle_core::{DType, Var};
    use t2f_ops::grad::gradients;
    use t2f_ops::rng::{Key, normal};

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
        // Of weights 1, 2, 3 the last two: 5/6. Of three equal ones the first: 1/3. The second item has a
        // label of its first attribute only, which is wrong by 50 nats and ln 2.
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
    fn a_class_that_does_not_exist_is_refused() {
        let wrong = PartialLabels::new(&SIZES, 1, &Device::Cpu, |_, _| Some(vec![2]));
        assert!(wrong.err().unwrap().to_string().contains("class of an attribute is 2"));
        let none = PartialLabels::new(&SIZES, 1, &Device::Cpu, |_, _| Some(Vec::new()));
        assert!(none.err().unwrap().to_string().contains("classes of an attribute is none"));
    }
}
