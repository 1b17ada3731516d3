//! Adam on named parameters, with a state that can be saved.
//!
//! The moments and the step count of candle's optimizer are private, so that a run with it cannot be
//! resumed.

use std::collections::BTreeMap;

use crate::cuda;
use crate::init::Parameters;
use crate::scheduled::Scheduled;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Error, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The settings of Adam (arXiv:1412.6980, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Step size; default 0.001 (ProGAN §A.1), above 0. It may change over a run.
    pub lr: Scheduled,
    /// Decay of the mean of gradients; default 0 (ProGAN §A.1), in `[0, 1)`. At 0 no mean is kept.
    pub beta1: f64,
    /// Decay of the mean of squared gradients; default 0.99 (ProGAN §A.1), in `[0, 1)`. It may change over a
    /// run; the correction of the bias uses its present value for all earlier updates, as PyTorch does.
    pub beta2: Scheduled,
    /// Added to the root of the corrected mean square; default 1e-8, above 0.
    pub epsilon: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-3.into(), beta1: 0.0, beta2: 0.99.into(), epsilon: 1e-8 }
    }
}

#[derive(Debug)]
struct Slot {
    config: AdamConfig,
    var: Var,
    mean: Option<Tensor>,
    square: Tensor,
    steps: u64,
}

impl Slot {
    /// One update by a gradient, with the learning rate times `scale`, at a progress of the run.
    fn step(&mut self, gradient: &Tensor, scale: f64, progress: f64) -> Result<()> {
        let AdamConfig { lr, beta1, beta2, epsilon } = self.config;
        let (lr, beta2) = (lr.at(progress), beta2.at(progress));
        self.steps += 1;
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(self.steps).unwrap_or(i32::MAX));
        let step = Step { size: lr * scale / correction(beta1), scale: 1.0 / correction(beta2), epsilon };
        if let Some(mean) = &self.mean {
            lerp(mean, gradient, 1.0 - beta1)?;
        }
        lerp_square(&self.square, gradient, 1.0 - beta2)?;
        let direction = self.mean.as_ref().unwrap_or(gradient);
        if updates_in_place(&self.var) {
            self.var.inplace_op3(direction, &self.square, &step)?;
        } else {
            self.var.set(&step.portable(self.var.as_tensor(), direction, &self.square)?)?;
        }
        Ok(())
    }
}

/// The results of `of` for each of many independent tensors, in the order of the items, computed on all
/// threads. Most tensors are too small for a task of their own.
///
/// # Errors
/// The first that `of` returned, in the order of the items.
pub fn each<T: Send, R: Send, E: Send>(
    items: impl Iterator<Item = T>,
    of: impl Fn(T) -> std::result::Result<R, E> + Send + Sync,
) -> std::result::Result<Vec<R>, E> {
    let all: Vec<std::result::Result<R, E>> = items.collect::<Vec<_>>().into_par_iter().map(of).collect();
    all.into_iter().collect()
}

/// Adam, with one state for each parameter, in name order.
#[derive(Debug)]
pub struct Adam {
    /// The factor of the learning rate.
    scale: f64,
    /// The progress of the run, 0 to 1, for settings that change over it.
    progress: f64,
    slots: BTreeMap<String, Slot>,
}

impl Adam {
    /// A state of zeros for every parameter registered so far.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn new(parameters: &Parameters, config: AdamConfig) -> Result<Self> {
        Self::by_name(parameters, |_| config)
    }

    /// As [`new`](Self::new), with the settings chosen by the name of a parameter.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn by_name(parameters: &Parameters, config: impl Fn(&str) -> AdamConfig) -> Result<Self> {
        let slot = |config: AdamConfig, var: Var| -> Result<Slot> {
            let mean = (config.beta1 > 0.0).then(|| var.zeros_like()).transpose()?;
            Ok(Slot { config, square: var.zeros_like()?, mean, steps: 0, var })
        };
        let slots = parameters.vars().into_iter().map(|(name, var)| {
            let slot = slot(config(&name), var)?;
            Ok((name, slot))
        });
        Ok(Self { scale: 1.0, progress: 0.0, slots: slots.collect::<Result<_>>()? })
    }

    /// One update of every parameter that `grads` has a gradient for:
    ///
    /// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`,
    /// `w ← w - lr · (m / (1-β₁ᵗ)) / (√(v / (1-β₂ᵗ)) + ε)`,
    ///
    /// where `t` counts the updates of that parameter. A parameter without a gradient, such as one
    /// of a level that is not in use yet, does not change.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, grads: &GradStore) -> Result<()> {
        self.step_with(|_, var| grads.get(var))
    }

    /// As [`step`](Self::step), with gradients by the name of their parameter.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step_by_name(&mut self, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        self.step_with(|name, _| gradients.get(name))
    }

    fn step_with<'a>(
        &mut self,
        gradient: impl Fn(&str, &Var) -> Option<&'a Tensor> + Send + Sync,
    ) -> Result<()> {
        let (scale, progress) = (self.scale, self.progress);
        each(self.slots.iter_mut(), |(name, slot)| match gradient(name, &slot.var) {
            Some(gradient) => slot.step(&gradient.contiguous()?, scale, progress),
            None => Ok(()),
        })?;
        Ok(())
    }

    /// Changes the learning rate and keeps the moments, for schedules.
    pub fn set_lr(&mut self, lr: f64) {
        self.slots.values_mut().for_each(|slot| slot.config.lr = lr.into());
    }

    /// Sets the progress of the run, 0 to 1, for the settings that change over it.
    pub fn set_progress(&mut self, progress: f64) {
        self.progress = progress;
    }

    /// Multiplies the learning rate of the configuration from here on.
    pub fn scale_rate(&mut self, scale: f64) {
        self.scale = scale;
    }

    /// The factor of [`scale_rate`](Self::scale_rate).
    pub fn rate_scale(&self) -> f64 {
        self.scale
    }

    /// Resets the moments, as ProGAN does when a level begins.
    ///
    /// # Errors
    /// If the device fails.
    pub fn reset(&mut self) -> Result<()> {
        for slot in self.slots.values_mut() {
            slot.steps = 0;
            slot.square = slot.square.zeros_like()?;
            slot.mean = slot.mean.as_ref().map(Tensor::zeros_like).transpose()?;
        }
        Ok(())
    }

    /// The moments as `<parameter>.square` and, with beta1 above 0, `<parameter>.mean`.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let of = |(name, slot): (&String, &Slot)| {
            let mean = slot.mean.clone().map(|mean| (format!("{name}.mean"), mean));
            mean.into_iter().chain([(format!("{name}.square"), slot.square.clone())])
        };
        self.slots.iter().flat_map(of).collect()
    }

    /// The number of updates of each parameter.
    pub fn steps(&self) -> BTreeMap<String, u64> {
        self.slots.iter().map(|(name, slot)| (name.clone(), slot.steps)).collect()
    }

    /// Restores saved moments and counts.
    ///
    /// # Errors
    /// If one is missing, left over, or of another shape; the message lists them, and nothing is
    /// changed.
    pub fn load(&mut self, tensors: &BTreeMap<String, Tensor>, steps: &BTreeMap<String, u64>) -> Result<()> {
        let here = self.tensors();
        let mut wrong: Vec<String> = here
            .iter()
            .filter(|(name, tensor)| {
                tensors.get(*name).is_none_or(|t| t.dims() != tensor.dims() || t.dtype() != tensor.dtype())
            })
            .map(|(name, tensor)| format!("missing or misshapen {name}, expected {:?}", tensor.dims()))
            .collect();
        wrong.extend(
            tensors.keys().filter(|name| !here.contains_key(*name)).map(|name| format!("unexpected {name}")),
        );
        wrong.extend(
            self.slots.keys().filter(|n| !steps.contains_key(*n)).map(|n| format!("no step count of {n}")),
        );
        if !wrong.is_empty() {
            return Err(Error::Msg(format!("the stored optimiser state does not fit: {}", wrong.join("; "))));
        }
        for (name, slot) in &mut self.slots {
            let stored = |part: &str, like: &Tensor| {
                tensors[&format!("{name}.{part}")].to_device(like.device())?.copy()
            };
            slot.square = stored("square", &slot.square)?;
            slot.mean = slot.mean.as_ref().map(|mean| stored("mean", mean)).transpose()?;
            slot.steps = steps[name];
        }
        Ok(())
    }
}

/// `w ← w - size · d / (√(scale · v) + epsilon)`.
struct Step {
    size: f64,
    scale: f64,
    epsilon: f64,
}

impl Step {
    fn portable(&self, w: &Tensor, direction: &Tensor, square: &Tensor) -> candle_core::Result<Tensor> {
        let root = square.affine(self.scale, 0.0)?.sqrt()?.affine(1.0, self.epsilon)?;
        w.sub(&direction.div(&root)?.affine(self.size, 0.0)?)
    }
}

/// Whether parameters of this kind have kernels that update them.
fn updates_in_place(parameter: &Tensor) -> bool {
    parameter.device().is_cpu() || cuda::updates(parameter)
}

/// Elements of one task: enough to outweigh the cost of the task.
const CHUNK: usize = 1 << 15;

impl InplaceOp3 for Step {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        lw: &Layout,
        direction: &CpuStorage,
        ld: &Layout,
        square: &CpuStorage,
        ls: &Layout,
    ) -> candle_core::Result<()> {
        macro_rules! update {
            ($w:expr, $d:expr, $v:expr, $t:ty) => {{
                let (w, d, v) = (slice_mut($w, lw)?, slice($d, ld)?, slice($v, ls)?);
                let (size, scale, epsilon) = (self.size as $t, self.scale as $t, self.epsilon as $t);
                let chunks = w.par_chunks_mut(CHUNK).zip(d.par_chunks(CHUNK)).zip(v.par_chunks(CHUNK));
                chunks.for_each(|((w, d), v)| {
                    for ((w, &d), &v) in w.iter_mut().zip(d).zip(v) {
                        *w -= size * d / ((v * scale).sqrt() + epsilon);
                    }
                });
            }};
        }
        match (w, direction, square) {
            (CpuStorage::F32(w), CpuStorage::F32(d), CpuStorage::F32(v)) => update!(w, d, v, f32),
            (CpuStorage::F64(w), CpuStorage::F64(d), CpuStorage::F64(v)) => update!(w, d, v, f64),
            _ => bail!("adam updates f32 and f64 parameters"),
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        w: &mut CudaStorage,
        lw: &Layout,
        direction: &CudaStorage,
        ld: &Layout,
        square: &CudaStorage,
        ls: &Layout,
    ) -> candle_core::Result<()> {
        let numbers = [self.size, self.scale, self.epsilon].map(|number| number as f32);
        update_on_gpu("adam_step", (w, lw), &[(direction, ld), (square, ls)], &numbers)
    }
}

/// `a ← a + weight · (b - a)`, or with squares `a ← a + weight · (b² - a)`.
struct Lerp {
    weight: f64,
    square: bool,
}

/// Moves `a` towards `b` by `weight`, in place.
pub fn lerp(a: &Tensor, b: &Tensor, weight: f64) -> candle_core::Result<()> {
    Lerp { weight, square: false }.apply(a, b)
}

fn lerp_square(a: &Tensor, b: &Tensor, weight: f64) -> candle_core::Result<()> {
    Lerp { weight, square: true }.apply(a, b)
}

impl Lerp {
    fn apply(&self, a: &Tensor, b: &Tensor) -> candle_core::Result<()> {
        if updates_in_place(a) {
            return a.inplace_op2(b, self);
        }
        let target = if self.square { b.sqr()? } else { b.clone() };
        let moved = a.affine(1.0 - self.weight, 0.0)?.add(&target.affine(self.weight, 0.0)?)?;
        a.slice_set(&moved, 0, 0)
    }
}

impl InplaceOp2 for Lerp {
    fn name(&self) -> &'static str {
        "lerp"
    }

    fn cpu_fwd(
        &self,
        a: &mut CpuStorage,
        la: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> candle_core::Result<()> {
        macro_rules! update {
            ($a:expr, $b:expr, $t:ty) => {{
                let (a, b) = (slice_mut($a, la)?, slice($b, lb)?);
                let weight = self.weight as $t;
                a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK)).for_each(|(a, b)| {
                    if self.square {
                        a.iter_mut().zip(b).for_each(|(a, &b)| *a += weight * (b * b - *a));
                    } else {
                        a.iter_mut().zip(b).for_each(|(a, &b)| *a += weight * (b - *a));
                    }
                });
            }};
        }
        match (a, b) {
            (CpuStorage::F32(a), CpuStorage::F32(b)) => update!(a, b, f32),
            (CpuStorage::F64(a), CpuStorage::F64(b)) => update!(a, b, f64),
            _ => bail!("moments and averages are f32 or f64"),
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &mut CudaStorage,
        la: &Layout,
        b: &CudaStorage,
        lb: &Layout,
    ) -> candle_core::Result<()> {
        let kernel = if self.square { "lerp_square" } else { "lerp" };
        update_on_gpu(kernel, (a, la), &[(b, lb)], &[self.weight as f32])
    }
}

/// Starts a kernel that updates the first tensor by others with as many elements, and numbers.
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
fn update_on_gpu(
    kernel: &str,
    (target, layout): (&mut CudaStorage, &Layout),
    others: &[(&CudaStorage, &Layout)],
    numbers: &[f32],
) -> candle_core::Result<()> {
    use candle_core::backend::BackendStorage;
    let (device, elements) = (target.device().clone(), layout.shape().elem_count());
    let mut arguments =
        vec![cuda::Argument::from(target.as_cuda_slice_mut::<f32>()?.slice_mut(cuda::range(layout)?))];
    for (storage, layout) in others {
        if layout.shape().elem_count() != elements {
            bail!("{elements} parameters with {} gradients or moments", layout.shape().elem_count());
        }
        arguments.push(cuda::Argument::F32(storage.as_cuda_slice::<f32>()?.slice(cuda::range(layout)?)));
    }
    arguments.extend(numbers.iter().map(|number| cuda::Argument::Number(*number)));
    arguments.push(cuda::Argument::Count(elements as u64));
    // SAFETY: the kernels take the updated tensor, then the others, then numbers; all tensors have as many elements.
    unsafe { cuda::start(&device, kernel, &mut arguments, elements) }
}

fn slice<'a, T>(values: &'a [T], layout: &Layout) -> candle_core::Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("parameters, gradients and moments are contiguous"),
    }
}

fn slice_mut<'a, T>(values: &'a mut [T], layout: &Layout) -> candle_core::Result<&'a mut [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&mut values[start..end]),
        None => bail!("parameters, gradients and moments are contiguous"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad::gradients;
    use crate::rng::Key;
    use candle_core::{DType, Device};

    fn parameters(dtype: DType) -> Parameters {
        let set = Parameters::drawn(Key::new(3));
        let vb = set.builder(dtype, &Device::Cpu);
        let normal = candle_nn::Init::Randn { mean: 0.0, stdev: 1.0 };
        vb.get_with_hints((3, 2), "a", normal).unwrap();
        vb.get_with_hints(5, "b", normal).unwrap();
        set
    }

    fn squares(set: &Parameters, names: &[&str]) -> GradStore {
        let vars: BTreeMap<_, _> = set.vars().into_iter().collect();
        let terms = names.iter().map(|name| vars[*name].sqr().unwrap().sum_all().unwrap());
        gradients(&terms.reduce(|a, b| a.add(&b).unwrap()).unwrap()).unwrap()
    }

    fn values(set: &Parameters) -> Vec<Vec<f64>> {
        let flat = |t: Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        set.tensors().into_values().map(flat).collect()
    }

    /// Algorithm 1 of the paper on plain numbers.
    fn by_hand(mut w: f64, config: AdamConfig, steps: i32) -> f64 {
        let (mut m, mut v, beta2) = (0.0, 0.0, config.beta2.at(0.0));
        for t in 1..=steps {
            let g = 2.0 * w;
            m = config.beta1 * m + (1.0 - config.beta1) * g;
            v = beta2 * v + (1.0 - beta2) * g * g;
            let (mh, vh) = (m / (1.0 - config.beta1.powi(t)), v / (1.0 - beta2.powi(t)));
            w -= config.lr.at(0.0) * mh / (vh.sqrt() + config.epsilon);
        }
        w
    }

    #[test]
    fn updates_equal_algorithm_1() {
        for beta1 in [0.0, 0.9] {
            let config = AdamConfig { lr: 0.05.into(), beta1, ..AdamConfig::default() };
            let set = parameters(DType::F64);
            let before = values(&set);
            let mut adam = Adam::new(&set, config).unwrap();
            for _ in 0..4 {
                adam.step(&squares(&set, &["a", "b"])).unwrap();
            }
            for (w0, w) in before.iter().flatten().zip(values(&set).iter().flatten()) {
                let expected = by_hand(*w0, config, 4);
                assert!((w - expected).abs() < 1e-12, "beta1 {beta1}: {w0} became {w}, expected {expected}");
            }
        }
    }

    /// The first update is the learning rate times the sign of the gradient.
    #[test]
    fn the_learning_rate_follows_the_progress_of_the_run() {
        let lr = Scheduled::new(0.4, 0.0, crate::scheduled::Curve::Linear);
        let config = AdamConfig { lr, ..AdamConfig::default() };
        for progress in [0.0, 0.5, 1.0] {
            let set = parameters(DType::F64);
            let before = values(&set);
            let mut adam = Adam::new(&set, config).unwrap();
            adam.set_progress(progress);
            adam.step(&squares(&set, &["a", "b"])).unwrap();
            for (w0, w) in before.iter().flatten().zip(values(&set).iter().flatten()) {
                let step = w0.signum() * 0.4 * (1.0 - progress);
                assert!((w0 - w - step).abs() < 1e-6, "at {progress}: {w0} became {w}, expected {step} less");
            }
        }
    }

    #[test]
    fn fused_and_portable_steps_agree() {
        let set = parameters(DType::F64);
        let (w, d) = (set.tensors()["a"].copy().unwrap(), set.tensors()["a"].cos().unwrap());
        let step = Step { size: 0.1, scale: 1.5, epsilon: 1e-3 };
        let v = d.sqr().unwrap();
        let portable = step.portable(&w, &d, &v).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        w.inplace_op3(&d, &v, &step).unwrap();
        for (fused, portable) in w.flatten_all().unwrap().to_vec1::<f64>().unwrap().iter().zip(portable) {
            assert!((fused - portable).abs() < 1e-14);
        }
    }

    #[test]
    fn a_parameter_without_gradient_is_left_alone() {
        let set = parameters(DType::F32);
        let before = values(&set);
        let mut adam = Adam::new(&set, AdamConfig::default()).unwrap();
        adam.step(&squares(&set, &["a"])).unwrap();
        let after = values(&set);
        assert_ne!(before[0], after[0]);
        assert_eq!(before[1], after[1]);
        assert_eq!(adam.steps(), BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 0)]));
    }

    #[test]
    fn saved_and_loaded_state_continues_to_the_same_bits() {
        let config = AdamConfig { beta1: 0.5, ..AdamConfig::default() };
        let run = |interrupted: bool| {
            let set = parameters(DType::F32);
            let mut adam = Adam::new(&set, config).unwrap();
            for step in 0..6 {
                if interrupted && step == 3 {
                    let tensors = adam.tensors().into_iter().map(|(n, t)| (n, t.copy().unwrap())).collect();
                    let steps = adam.steps();
                    adam = Adam::new(&set, config).unwrap();
                    adam.load(&tensors, &steps).unwrap();
                }
                adam.step(&squares(&set, &["a", "b"])).unwrap();
            }
            values(&set)
        };
        assert_eq!(run(false), run(true));
    }

    #[test]
    fn loading_a_state_that_does_not_fit_lists_what_is_wrong() {
        let mut adam = Adam::new(&parameters(DType::F32), AdamConfig::default()).unwrap();
        let mut tensors = adam.tensors();
        let stray = tensors.remove("a.square").unwrap();
        tensors.insert("c.square".into(), stray);
        let message = adam.load(&tensors, &adam.steps()).unwrap_err().to_string();
        assert!(message.contains("a.square") && message.contains("unexpected c.square"), "{message}");
    }
}
