//! The mean of losses and gradients over the micro-batches of a step, on any number of processes.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use t2f_data::Batch;
use t2f_ops::adam::each;
use t2f_ops::init::Parameters;
use t2f_ops::{scalars, sum_of_squares};
use t2f_parallel::{Communicator, Single, pairwise};

use super::Losses;
use crate::error::{Error, Result};

/// The elements of a bucket, the tensor that is summed at once over all processes: 32 MiB.
const BUCKET: usize = 8 << 20;

/// The micro-batches of a step that this process computes.
///
/// A batch of `n` micro-batches is `n` batches whose losses are averaged. Whatever compares the images of a
/// batch (minibatch standard deviation, mismatched captions, contrastive losses) stays within a micro-batch.
/// Therefore a step does not depend on the number of processes, except for the order of sums, and with a power
/// of two of both it has the same bits.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// The micro-batches of this process, of equal size.
    pub batches: &'a [Batch],
    /// The number of the first of them among all micro-batches of the step.
    pub first: usize,
    /// The number of all micro-batches of the step.
    pub count: usize,
    /// The processes.
    pub communicator: &'a dyn Communicator,
}

impl<'a> Share<'a> {
    /// The whole batch of a step, on one process.
    pub fn whole(batch: &'a Batch) -> Self {
        Self { batches: std::slice::from_ref(batch), first: 0, count: 1, communicator: &Single }
    }

    /// The images of the whole step.
    pub fn images(&self) -> usize {
        self.batches.first().map_or(0, Batch::len) * self.count
    }

    /// The mean of the parts of all micro-batches; `parts` are those of this process, in their order, and
    /// `parameters` those of the gradients.
    pub(super) fn mean(
        &self,
        parts: impl Iterator<Item = Result<Part>>,
        parameters: &Parameters,
        device: &Device,
    ) -> Result<Part> {
        let own = pairwise(parts, Part::plus)?;
        let mut sum = own.ok_or_else(|| Error::State("a process has no micro-batch of a step".into()))?;
        if self.communicator.size() > 1 {
            sum = sum.over_processes(self.communicator, parameters, device)?;
        }
        if self.count > 1 { sum.scaled(1.0 / self.count as f64) } else { Ok(sum) }
    }
}

/// The losses of one micro-batch and their gradients by the name of the parameter, or a sum of several.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) losses: Losses,
    pub(super) gradients: BTreeMap<String, Tensor>,
}

impl Part {
    /// The gradients of a store for the parameters that it has one of.
    pub(super) fn new(losses: Losses, gradients: &GradStore, parameters: &Parameters) -> Self {
        let of = |(name, var): (String, Var)| Some((name, gradients.get(&var)?.clone()));
        Self { losses, gradients: parameters.vars().into_iter().filter_map(of).collect() }
    }

    /// Replaces gradients by those of another loss, where it has them.
    pub(super) fn replace(&mut self, gradients: &GradStore, parameters: &Parameters) {
        self.gradients.extend(Self::new(Losses::new(), gradients, parameters).gradients);
    }

    fn plus(mut self, other: Self) -> Result<Self> {
        if !self.losses.iter().map(|(name, _)| name).eq(other.losses.iter().map(|(name, _)| name)) {
            return Err(Error::State("the micro-batches of a step have different losses".into()));
        }
        for ((_, own), (_, value)) in self.losses.iter_mut().zip(other.losses) {
            *own = own.add(&value)?;
        }
        for (name, gradient) in other.gradients {
            let sum = match self.gradients.get(&name) {
                Some(own) => own.add(&gradient)?,
                None => gradient,
            };
            self.gradients.insert(name, sum);
        }
        Ok(self)
    }

    fn scaled(mut self, factor: f64) -> Result<Self> {
        for (_, value) in &mut self.losses {
            *value = value.affine(factor, 0.0)?;
        }
        for gradient in self.gradients.values_mut() {
            *gradient = gradient.affine(factor, 0.0)?;
        }
        Ok(self)
    }

    /// The sum over all processes. A gradient that one process lacks is 0 there.
    fn over_processes(
        self,
        communicator: &dyn Communicator,
        parameters: &Parameters,
        device: &Device,
    ) -> Result<Self> {
        let vars = parameters.vars();
        let present = vars.iter().map(|(name, _)| f32::from(u8::from(self.gradients.contains_key(name))));
        let present = Tensor::new(present.collect::<Vec<_>>(), device)?;
        let mut values = vec![present];
        for (_, loss) in &self.losses {
            values.push(loss.to_dtype(DType::F32)?.reshape(1)?);
        }
        for (name, var) in &vars {
            values.push(match self.gradients.get(name) {
                Some(gradient) => gradient.to_dtype(DType::F32)?.flatten_all()?,
                None => Tensor::zeros(var.elem_count(), DType::F32, device)?,
            });
        }
        let mut sums = in_buckets(&values, communicator)?.into_iter();
        let mut next = || sums.next().ok_or_else(|| Error::State("a sum over processes is lost".into()));
        let present: Vec<f32> = next()?.to_vec1()?;
        let mut losses = Losses::new();
        for (name, _) in self.losses {
            losses.push((name, next()?.reshape(())?));
        }
        let mut gradients = BTreeMap::new();
        for ((name, var), present) in vars.into_iter().zip(present) {
            let sum = next()?;
            if present > 0.0 {
                gradients.insert(name, sum.reshape(var.shape())?.to_dtype(var.dtype())?);
            }
        }
        Ok(Self { losses, gradients })
    }

    /// The sum of squares of the gradients, in the order of names, after a check that the total loss and the
    /// gradients are finite.
    pub(super) fn checked(&self, total: &str, what: &str) -> Result<f64> {
        let loss = self.losses.iter().find(|(name, _)| name == total).map(|(_, loss)| loss.clone());
        let mut names: Vec<String> = loss.iter().map(|_| format!("the loss of the {what}")).collect();
        names.extend(self.gradients.keys().map(|name| format!("the gradient of {name}")));
        let squares = each(self.gradients.values(), sum_of_squares)?;
        let of_loss = loss.iter().count();
        let values = scalars(&loss.into_iter().chain(squares).collect::<Vec<_>>())?;
        if let Some((what, &value)) = names.into_iter().zip(&values).find(|(_, value)| !value.is_finite()) {
            return Err(Error::Diverged { what, value });
        }
        Ok(values[of_loss..].iter().map(|squares| f64::from(*squares)).sum())
    }
}

/// The sums of flat tensors over all processes, several tensors at once.
fn in_buckets(values: &[Tensor], communicator: &dyn Communicator) -> Result<Vec<Tensor>> {
    let mut sums = Vec::with_capacity(values.len());
    let mut first = 0;
    while first < values.len() {
        let mut elements = 0;
        let fits = |value: &&Tensor| {
            elements += value.elem_count();
            elements <= BUCKET
        };
        let count = values[first..].iter().take_while(fits).count().max(1);
        let bucket = &values[first..first + count];
        let sum = communicator.sum(&Tensor::cat(bucket, 0)?)?;
        let mut start = 0;
        for value in bucket {
            sums.push(sum.narrow(0, start, value.elem_count())?);
            start += value.elem_count();
        }
        first += count;
    }
    Ok(sums)
}
