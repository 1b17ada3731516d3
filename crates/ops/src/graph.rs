//! Our operators in candle's graph, with gradients handed straight from one to the next.
//!
//! candle's backward fills a tensor with zeros for every edge of the graph and adds the gradient to
//! it: four passes over memory on one thread, an eighth of a training step. So the result `y` of an
//! operator is two nodes here: a *token* of one number, which depends on the tokens of the operands,
//! and `y` itself, which depends on its token alone. From one of our operators to another candle
//! follows the tokens, each of whose gradients is a single zero, and the real gradients wait in
//! their [`Handover`]s. Where an operator of candle's reads `y`, or an operand is a variable or
//! candle's, gradients pass through candle's store as ever.
//!
//! A graph of which one differentiation failed half-way must not be differentiated again on the
//! same thread: gradients may still be waiting in it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Storage, Tensor, TensorId, bail};

use crate::cpu::{self, Level};
use crate::grad::records;
use crate::process;

/// A function of N contiguous `f32` tensors on the CPU.
pub(crate) trait Operator<const N: usize>: Send + Sync + 'static {
    /// What errors and traces call it.
    const NAME: &'static str;

    /// The numbers of the result.
    fn forward(&self, operands: [&[f32]; N]) -> Result<Vec<f32>>;

    /// Gradients of the `wanted` operands from that of the result, which is contiguous and of the
    /// result's shape. Where gradients are [recorded](records) these must be differentiable in
    /// operands and gradient; `result` is a constant.
    fn backward(
        &self,
        operands: [&Tensor; N],
        result: &Tensor,
        gradient: &Tensor,
        wanted: [bool; N],
    ) -> Result<[Option<Tensor>; N]>;
}

/// The operator's result, of this shape, with its place in the graph.
///
/// # Errors
/// If an operand is not `f32` on the CPU.
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
    process::attend();
    let values = with_values(operands.each_ref(), |values| op.forward(values))??;
    if !operands.iter().any(Tensor::track_op) {
        return Tensor::from_vec(values, shape, operands[0].device());
    }

    let blank = Tensor::new(0f32, operands[0].device())?;
    let mut links = [blank.clone(), blank.clone(), blank];
    let mut handovers = [const { None }; N];
    for (i, operand) in operands.iter().enumerate().filter(|(_, operand)| operand.track_op()) {
        links[i] = operand.clone();
        if let Some(link) = registered().get(&operand.id()) {
            links[i] = link.token.clone();
            handovers[i] = Some(link.handover.clone());
        }
    }
    let handover = Arc::new(Handover::default());
    let token = Token { op, operands, handovers, own: handover.clone() };
    let token = links[0].apply_op3(&links[1], &links[2], token)?;
    let id = Arc::new(OnceLock::new());
    let product =
        Product { values: Mutex::new(Some(values)), shape, handover: handover.clone(), id: id.clone() };
    let y = token.apply_op1(product)?;
    handover.result.set(y.detach()).expect("a new handover");
    registered().insert(y.id(), Link { token, handover });
    id.set(y.id()).expect("a new product");
    Ok(y)
}

/// Calls `f` with the numbers of contiguous `f32` tensors on the CPU.
///
/// # Errors
/// If one is not that.
pub(crate) fn with_values<const N: usize, T>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> T,
) -> Result<T> {
    let storages = tensors.map(Tensor::storage_and_layout);
    let mut values = [[].as_slice(); N];
    for ((storage, layout), values) in storages.iter().zip(&mut values) {
        *values = match (&**storage, layout.contiguous_offsets()) {
            (Storage::Cpu(storage), Some((start, end))) => &storage.as_slice::<f32>()?[start..end],
            _ => bail!("an operator of ours got a tensor that is not contiguous or not on the CPU"),
        };
    }
    Ok(f(values))
}

thread_local! {
    /// Gradients of variables so far, where [`with_variables`] is at work.
    static VARIABLES: RefCell<Option<HashMap<TensorId, Tensor>>> = const { RefCell::new(None) };
}

/// Runs a differentiation that records nothing and adds to its gradients those that operators of
/// ours had for variables, which did not pass through candle's store.
///
/// # Errors
/// As `backward` has them.
pub(crate) fn with_variables(backward: impl FnOnce() -> Result<GradStore>) -> Result<GradStore> {
    VARIABLES.set(Some(HashMap::new()));
    let grads = backward();
    let apart = VARIABLES.take().unwrap_or_default();
    let mut grads = grads?;
    for (id, gradient) in apart {
        let total = grads.get_id(id).map(|other| sum(other, &gradient)).transpose()?;
        grads.insert_id(id, total.unwrap_or(gradient));
    }
    Ok(grads)
}

/// Adds to the gradients of variables, or gives the gradient back where nobody collects them.
fn collect(id: TensorId, gradient: Tensor) -> Result<Option<Tensor>> {
    VARIABLES.with_borrow_mut(|variables| {
        let Some(variables) = variables else { return Ok(Some(gradient)) };
        let total = variables.get(&id).map(|other| sum(other, &gradient)).transpose()?;
        variables.insert(id, total.unwrap_or(gradient));
        Ok(None)
    })
}

/// The sum of two gradients, on all threads where no graph of it is wanted.
fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if records() {
        return a.add(b);
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let sums = with_values([&a, &b], |[a, b]| cpu::blend(Level::detect(), (1.0, a), (1.0, b)))?;
    Tensor::from_vec(sums, a.shape(), a.device())
}

/// What an operator's result is linked by, for as long as it lives.
struct Link {
    token: Tensor,
    handover: Arc<Handover>,
}

/// Links of all results alive.
fn registered() -> MutexGuard<'static, HashMap<TensorId, Link>> {
    static LINKS: OnceLock<Mutex<HashMap<TensorId, Link>>> = OnceLock::new();
    LINKS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the gradient of a result waits until all that depends on the result has been differentiated.
#[derive(Default)]
struct Handover {
    result: OnceLock<Tensor>,
    /// By the thread that differentiates.
    waiting: Mutex<Vec<(ThreadId, Tensor)>>,
}

impl Handover {
    fn waiting(&self) -> MutexGuard<'_, Vec<(ThreadId, Tensor)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, gradient: Tensor) -> Result<()> {
        let thread = std::thread::current().id();
        let mut waiting = self.waiting();
        match waiting.iter_mut().find(|(of, _)| *of == thread) {
            Some((_, total)) => *total = sum(total, &gradient)?,
            None => waiting.push((thread, gradient)),
        }
        Ok(())
    }

    fn take(&self) -> Option<Tensor> {
        let thread = std::thread::current().id();
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|(of, _)| *of == thread)?;
        Some(waiting.swap_remove(at).1)
    }
}

/// The node that stands for an operator: it depends on the links of the operands.
struct Token<O, const N: usize> {
    op: O,
    operands: [Tensor; N],
    /// Of those operands that are results of ours.
    handovers: [Option<Arc<Handover>>; N],
    own: Arc<Handover>,
}

impl<O: Operator<N>, const N: usize> CustomOp3 for Token<O, N> {
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
            bail!("{}: no gradient came to be handed on", O::NAME)
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
        for (i, (gradient, handover)) in gradients.into_iter().zip(&self.handovers).enumerate() {
            to_candle[i] = match (gradient, handover) {
                (Some(gradient), Some(handover)) => {
                    handover.add(gradient)?;
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

/// The node that holds a result: it depends on its operator's token.
struct Product {
    /// Until it is made.
    values: Mutex<Option<Vec<f32>>>,
    shape: Shape,
    handover: Arc<Handover>,
    id: Arc<OnceLock<TensorId>>,
}

impl CustomOp1 for Product {
    fn name(&self) -> &'static str {
        "result"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(values) = values else { bail!("a result is made once") };
        Ok((CpuStorage::F32(values), self.shape.clone()))
    }

    fn bwd(&self, token: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.handover.add(gradient.clone())?;
        token.zeros_like().map(Some)
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // What the link holds may hold other results: it is dropped after the lock.
        let link = self.id.get().and_then(|id| registered().remove(id));
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

        fn forward(&self, [x, y]: [&[f32]; 2]) -> Result<Vec<f32>> {
            Ok(x.iter().zip(y).map(|(x, y)| x * y).collect())
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

    /// `x²·y` with `x²` used thrice, by ours twice and by candle's once: `x²·y + x²·x² + 3x²`.
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
        assert!(ids.iter().all(|id| registered().contains_key(id)), "the second needs the first");
        drop(z);
        assert!(!ids.iter().any(|id| registered().contains_key(id)));
        Ok(())
    }

    #[test]
    fn nothing_is_linked_where_nothing_is_differentiated() -> Result<()> {
        let x = Tensor::new(&[1f32, 2.], &Device::Cpu)?;
        assert!(!times(&x, &x)?.track_op());
        Ok(())
    }

    /// Two threads differentiate one graph at once.
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
