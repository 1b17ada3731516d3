//! Operators of this crate in candle's graph, with gradients passed directly from one to the next.
//!
//! candle's backward fills a tensor with zeros for every edge of the graph and adds the gradient to
//! it: four passes over memory on one thread, an eighth of a training step. [`apply`] therefore
//! adds two nodes for a result `y`: a scalar *token*, which depends on the tokens of the operands,
//! and `y` itself, which depends on its token only. Between two operators of this crate candle
//! follows the tokens, whose gradients are single zeros, while the true gradients wait in
//! [`PendingGradients`]. If one of candle's operators reads `y`, or if an operand is a variable or
//! a result of candle's, the gradient passes through candle's store as usual.
//!
//! If a differentiation fails half-way, do not differentiate the same graph again on that thread:
//! gradients may still be pending in it.

mod mode;
mod on_gpu;
mod operator;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, DType, Layout, Result, Shape, Tensor, TensorId, bail};

use crate::cpu::{Level, elementwise};
use crate::{cuda, runtime};

pub(crate) use mode::{KEEPS_GRAPH, asked, records, with_only};
pub(crate) use operator::{
    Elements, Operator, accepts, from_storage, in_type, of_one_type, values, with_elements, with_values,
};

/// A tensor of `bf16` or `f16` as `f32`, in the graph; any other tensor as it is.
///
/// # Errors
/// If the device fails.
pub fn widened(t: &Tensor) -> Result<Tensor> {
    match t.dtype() {
        DType::BF16 | DType::F16 => t.to_dtype(DType::F32),
        _ => Ok(t.clone()),
    }
}

/// Applies an operator and adds it to the graph if an operand is differentiated.
///
/// # Errors
/// If an operand is not `f32` or `bf16`, or is on a device for which the operator has no kernel.
pub(crate) fn apply<const N: usize>(
    op: impl Operator<N>,
    shape: impl Into<Shape>,
    operands: [&Tensor; N],
) -> Result<Tensor> {
    const { assert!(N <= 3, "candle's operators have at most three operands") };
    let shape = shape.into();
    let mut contiguous = Vec::with_capacity(N);
    for operand in operands {
        contiguous.push(operand.contiguous()?);
    }
    let operands: [Tensor; N] = contiguous.try_into().expect("N operands");
    if cuda::has_kernels(operands[0].device())
        && let Some(launch) = op.launch()
    {
        return on_gpu::apply(op, launch, shape, operands);
    }
    runtime::keep_workers_awake();
    let storage = with_elements(operands.each_ref(), |elements| op.forward(elements))??;
    if !operands.iter().any(Tensor::track_op) {
        return from_storage(storage, &shape);
    }

    let blank = Tensor::new(0f32, operands[0].device())?;
    let mut tokens = [blank.clone(), blank.clone(), blank];
    let mut sources = [const { None }; N];
    for (i, operand) in operands.iter().enumerate().filter(|(_, operand)| operand.track_op()) {
        tokens[i] = operand.clone();
        if let Some(link) = links().get(&operand.id()) {
            tokens[i] = link.token.clone();
            sources[i] = Some(link.pending.clone());
        }
    }
    let pending = Arc::new(PendingGradients::default());
    let node = OperatorNode { op, operands, sources, own: pending.clone() };
    let token = tokens[0].apply_op3(&tokens[1], &tokens[2], node)?;
    let id = Arc::new(OnceLock::new());
    let node =
        ResultNode { storage: Mutex::new(Some(storage)), shape, pending: pending.clone(), id: id.clone() };
    let y = token.apply_op1(node)?;
    pending.result.set(y.detach()).expect("the pending gradients are new");
    links().insert(y.id(), Link { token, pending });
    id.set(y.id()).expect("the result node is new");
    Ok(y)
}

thread_local! {
    /// The gradients of variables so far, while [`with_variables`] runs.
    static VARIABLES: RefCell<Option<HashMap<TensorId, Tensor>>> = const { RefCell::new(None) };
}

/// Runs a differentiation that records no graph, and adds to its result the gradients that
/// operators of this crate computed for variables outside candle's store.
///
/// # Errors
/// If `backward` fails.
pub(crate) fn with_variables(backward: impl FnOnce() -> Result<GradStore>) -> Result<GradStore> {
    VARIABLES.set(Some(HashMap::new()));
    let grads = backward();
    let collected = VARIABLES.take().unwrap_or_default();
    let mut grads = grads?;
    for (id, gradient) in collected {
        let total = grads.get_id(id).map(|other| sum(other, &gradient)).transpose()?;
        grads.insert_id(id, total.unwrap_or(gradient));
    }
    Ok(grads)
}

/// Adds to the collected gradient of a variable, or returns the gradient if none are collected.
fn collect(id: TensorId, gradient: Tensor) -> Result<Option<Tensor>> {
    VARIABLES.with_borrow_mut(|variables| {
        let Some(variables) = variables else { return Ok(Some(gradient)) };
        let total = variables.get(&id).map(|other| sum(other, &gradient)).transpose()?;
        variables.insert(id, total.unwrap_or(gradient));
        Ok(None)
    })
}

/// The sum of two gradients; on all threads if no graph is recorded.
fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if records() {
        return a.add(b);
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let sums = with_elements(
        [&a, &b],
        |[a, b]| of_one_type!(a, b => elementwise::linear_combination(Level::detect(), (1.0, a), (1.0, b))),
    )??;
    from_storage(sums, a.shape())
}

/// The token and the pending gradients of a result.
struct Link {
    token: Tensor,
    pending: Arc<PendingGradients>,
}

/// The links of all results that are alive.
fn links() -> MutexGuard<'static, HashMap<TensorId, Link>> {
    static LINKS: OnceLock<Mutex<HashMap<TensorId, Link>>> = OnceLock::new();
    LINKS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The gradient of a result, until all consumers of the result have been differentiated.
#[derive(Default)]
struct PendingGradients {
    result: OnceLock<Tensor>,
    /// One sum for each thread that differentiates.
    sums: Mutex<Vec<(ThreadId, Tensor)>>,
}

impl PendingGradients {
    fn sums(&self) -> MutexGuard<'_, Vec<(ThreadId, Tensor)>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, gradient: Tensor) -> Result<()> {
        let thread = std::thread::current().id();
        let mut sums = self.sums();
        match sums.iter_mut().find(|(of, _)| *of == thread) {
            Some((_, total)) => *total = sum(total, &gradient)?,
            None => sums.push((thread, gradient)),
        }
        Ok(())
    }

    fn take(&self) -> Option<Tensor> {
        let thread = std::thread::current().id();
        let mut sums = self.sums();
        let at = sums.iter().position(|(of, _)| *of == thread)?;
        Some(sums.swap_remove(at).1)
    }
}

/// The token of an operator: it depends on the tokens of the operands.
struct OperatorNode<O, const N: usize> {
    op: O,
    operands: [Tensor; N],
    /// The pending gradients of those operands that are results of this crate.
    sources: [Option<Arc<PendingGradients>>; N],
    own: Arc<PendingGradients>,
}

impl<O: Operator<N>, const N: usize> CustomOp3 for OperatorNode<O, N> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), ().into()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        zero: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (Some(result), Some(gradient)) = (self.own.result.get(), self.own.take()) else {
            bail!("{}: no gradient is pending", O::NAME)
        };
        let gradient = gradient.contiguous()?;
        let wanted = self.operands.each_ref().map(Tensor::track_op);
        let gradients = if records() {
            self.op.backward(self.operands.each_ref(), result, &gradient, wanted)?
        } else {
            let operands = self.operands.each_ref().map(Tensor::detach);
            self.op.backward(operands.each_ref(), result, &gradient, wanted)?
        };
        let mut to_candle = [None, None, None];
        for (i, (gradient, source)) in gradients.into_iter().zip(&self.sources).enumerate() {
            to_candle[i] = match (gradient, source) {
                (Some(gradient), Some(source)) => {
                    source.add(gradient)?;
                    Some(zero.clone())
                }
                (Some(gradient), None) if wanted[i] && self.operands[i].is_variable() && !records() => {
                    collect(self.operands[i].id(), gradient)?
                }
                (gradient, _) => gradient.filter(|_| wanted[i]),
            };
        }
        let [a, b, c] = to_candle;
        Ok((a, b, c))
    }
}

/// The result of an operator: it depends on the operator's token.
struct ResultNode {
    /// Taken when candle calls the forward.
    storage: Mutex<Option<CpuStorage>>,
    shape: Shape,
    pending: Arc<PendingGradients>,
    id: Arc<OnceLock<TensorId>>,
}

impl CustomOp1 for ResultNode {
    fn name(&self) -> &'static str {
        "result"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(storage) = storage else { bail!("the forward of a result runs once") };
        Ok((storage, self.shape.clone()))
    }

    fn bwd(&self, token: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.pending.add(gradient.clone())?;
        token.zeros_like().map(Some)
    }
}

impl Drop for ResultNode {
    fn drop(&mut self) {
        // Dropping a link may drop further results: the lock is released first.
        let link = self.id.get().and_then(|id| links().remove(id));
        drop(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad::{gradients, input_gradient};
    use candle_core::{Device, Var};

    /// `x·y`
    struct Times;

    impl Operator<2> for Times {
        const NAME: &'static str = "times";

        fn forward(&self, operands: [Elements; 2]) -> Result<CpuStorage> {
            let [x, y] = values(operands)?;
            Ok(CpuStorage::F32(x.iter().zip(y).map(|(x, y)| x * y).collect()))
        }

        fn backward(
            &self,
            [x, y]: [&Tensor; 2],
            _: &Tensor,
            g: &Tensor,
            _: [bool; 2],
        ) -> Result<[Option<Tensor>; 2]> {
            Ok([Some(times(g, y)?), Some(times(g, x)?)])
        }
    }

    fn times(x: &Tensor, y: &Tensor) -> Result<Tensor> {
        apply(Times, x.shape().clone(), [x, y])
    }

    fn var(values: &[f32]) -> Result<Var> {
        Var::new(values, &Device::Cpu)
    }

    fn numbers(t: &Tensor) -> Vec<f32> {
        t.to_vec1().unwrap()
    }

    /// `x²·y + x²·x² + 3x²`: `x²` has two consumers of this crate and one of candle.
    #[test]
    fn gradients_of_all_consumers_are_summed() -> Result<()> {
        let (x, y) = (var(&[2., -3.])?, var(&[5., 7.])?);
        let square = times(&x, &x)?;
        let z = times(&square, &y)?.add(&times(&square, &square)?)?.add(&square.affine(3.0, 1.0)?)?;
        for grads in [gradients(&z.sum_all()?)?, z.sum_all()?.backward()?, z.sum_all()?.backward()?] {
            assert_eq!(numbers(grads.get(&x).unwrap()), [20. + 32. + 12., -42. - 108. - 18.]);
            assert_eq!(numbers(grads.get(&y).unwrap()), [4., 9.]);
        }
        Ok(())
    }

    /// `x³·y`: `3x²y`, `6xy` and, with respect to y, `6x`.
    #[test]
    fn gradients_of_gradients_follow_the_links() -> Result<()> {
        let (x, y) = (var(&[2., -1.])?, var(&[5., 7.])?);
        let z = times(&times(&times(&x, &x)?, &x)?, &y)?;
        let first = input_gradient(&z, &x)?;
        assert_eq!(numbers(&first), [60., 21.]);
        let second = gradients(&first.sum_all()?)?;
        assert_eq!(numbers(second.get(&x).unwrap()), [60., -42.]);
        assert_eq!(numbers(second.get(&y).unwrap()), [12., 3.]);
        Ok(())
    }

    #[test]
    fn links_end_with_their_results() -> Result<()> {
        let x = var(&[1., 2.])?;
        let y = times(&x, &x)?;
        let z = times(&y, &x)?;
        let ids = [y.id(), z.id()];
        drop(y);
        assert!(ids.iter().all(|id| links().contains_key(id)), "the second needs the first");
        drop(z);
        assert!(!ids.iter().any(|id| links().contains_key(id)));
        Ok(())
    }

    #[test]
    fn nothing_is_linked_where_nothing_is_differentiated() -> Result<()> {
        let x = Tensor::new(&[1f32, 2.], &Device::Cpu)?;
        assert!(!times(&x, &x)?.track_op());
        Ok(())
    }

    /// Two threads differentiate one graph at the same time.
    #[test]
    fn threads_do_not_mix_their_gradients() -> Result<()> {
        let x = var(&[2.])?;
        let mut y = times(&x, &x)?;
        for _ in 0..50 {
            y = times(&y, &Tensor::ones(1, candle_core::DType::F32, &Device::Cpu)?)?;
        }
        let y = y.sum_all()?;
        std::thread::scope(|scope| {
            let both = [0, 1].map(|_| scope.spawn(|| numbers(y.backward().unwrap().get(&x).unwrap())));
            for gradient in both {
                assert_eq!(gradient.join().unwrap(), [4.]);
            }
        });
        Ok(())
    }
}
