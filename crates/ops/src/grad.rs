//! Gradients, of the first or the second order as the call says.
//!
//! candle decides once per thread, by the environment variable `CANDLE_GRAD_DO_NOT_DETACH`,
//! whether `backward` records the graph of the gradients themselves. Without it a gradient penalty
//! silently trains on a partial gradient; with it every gradient keeps its whole graph alive. So
//! this module owns two threads, one of each kind, and sends every differentiation to the one it
//! needs: [`gradients`] is first order and frees as it goes, [`input_gradient`] is differentiable
//! again. Both threads are tried on `x³` before their first use, and a build of candle on which
//! the second derivative is wrong is refused instead of trained with.

use std::cell::Cell;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

use candle_core::backprop::GradStore;
use candle_core::{Device, Error, Result, Tensor, TensorId, Var, bail};

use crate::graph;

type Job = Box<dyn FnOnce() + Send>;

struct Threads {
    first_order: Mutex<Sender<Job>>,
    second_order: Mutex<Sender<Job>>,
}

thread_local! {
    /// The one input whose gradient is asked for, where it is only one.
    static ONLY: Cell<Option<TensorId>> = const { Cell::new(None) };
    /// As candle reads it, at the thread's first `backward`.
    static RECORDS: bool = std::env::var(VARIABLE).is_ok_and(|value| !value.is_empty() && value != "0");
}

/// Whether differentiation on this thread records the graph of the gradients themselves. Where it
/// does not, an operator's backward may be one that has no backward of its own.
pub(crate) fn records() -> bool {
    RECORDS.with(|records| *records)
}

/// Whether the differentiation running on this thread has a use for the gradient of an operand. Of
/// a variable other than the one asked for it has none, and an operator may return `None`.
pub(crate) fn asked(operand: &Tensor) -> bool {
    !operand.is_variable() || ONLY.get().is_none_or(|only| only == operand.id())
}

/// Gradients of a scalar `loss` with respect to every variable it depends on. They carry no graph.
///
/// # Errors
/// If an operator in the graph has no backward.
pub fn gradients(loss: &Tensor) -> Result<GradStore> {
    let loss = loss.clone();
    run(&threads()?.first_order, move || detached(graph::with_variables(|| loss.backward())?))
}

/// candle detaches the gradient that enters an operator's backward, not the one that leaves it:
/// without this each result would hold the graph of one operator.
fn detached(mut grads: GradStore) -> Result<GradStore> {
    let ids: Vec<_> = grads.get_ids().copied().collect();
    for id in ids {
        if let Some(gradient) = grads.get_id(id).map(Tensor::detach) {
            grads.insert_id(id, gradient);
        }
    }
    Ok(grads)
}

/// `d sum(y) / dx`, itself differentiable: a penalty on it has exact gradients.
///
/// `x` must be a variable that `y` was computed from. Gradients of other variables are not
/// computed where an operator can leave them out.
///
/// # Shapes
/// The result has the shape of `x`.
///
/// # Errors
/// If `y` does not depend on `x`, or candle on this machine computes wrong second derivatives.
pub fn input_gradient(y: &Tensor, x: &Var) -> Result<Tensor> {
    let (total, x) = (y.sum_all()?, x.clone());
    run(&threads()?.second_order, move || {
        ONLY.set(Some(x.id()));
        let grads = total.backward();
        ONLY.set(None);
        match grads?.remove(&x) {
            Some(gradient) => Ok(gradient),
            None => bail!("the differentiated value does not depend on its input"),
        }
    })
}

fn run<T: Send + 'static>(
    thread: &Mutex<Sender<Job>>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, result) = channel();
    let job: Job = Box::new(move || {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        // The caller may have gone away; then nobody wants the result.
        let _ = reply.send(caught);
    });
    thread
        .lock()
        .expect("sending does not panic")
        .send(job)
        .map_err(|_| Error::Msg("the gradient thread has ended".into()))?;
    match result.recv() {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => bail!("the gradient thread has ended"),
    }
}

fn threads() -> Result<&'static Threads> {
    static THREADS: OnceLock<std::result::Result<Threads, String>> = OnceLock::new();
    THREADS
        .get_or_init(|| start().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|e| Error::Msg(e.clone()))
}

const VARIABLE: &str = "CANDLE_GRAD_DO_NOT_DETACH";

/// Starts both threads; each reads the variable at its first `backward`, here, and never again.
#[allow(unsafe_code)]
fn start() -> Result<Threads> {
    let before = std::env::var_os(VARIABLE);
    let both = [("first-order", "0", 8.0), ("second-order", "1", 12.0)].map(|(name, value, expected)| {
        // SAFETY: the standard library locks the environment for its own readers; a C library
        // that reads it at the same moment is the hazard left, and none is linked by default.
        // The variable is set only while this function runs, once in a process.
        unsafe { std::env::set_var(VARIABLE, value) };
        thread(name, expected)
    });
    match before {
        // SAFETY: as above.
        Some(value) => unsafe { std::env::set_var(VARIABLE, value) },
        None => unsafe { std::env::remove_var(VARIABLE) },
    }
    let [first_order, second_order] = both;
    Ok(Threads { first_order: first_order?, second_order: second_order? })
}

/// Starts a thread on which the second derivative of x³ at 2 comes out as `expected`.
fn thread(name: &str, expected: f32) -> Result<Mutex<Sender<Job>>> {
    let (sender, jobs) = channel::<Job>();
    std::thread::Builder::new()
        .name(format!("grad-{name}"))
        .stack_size(64 << 20) // `sorted_nodes` recurses once per operator of the graph
        .spawn(move || {
            crate::process::join_pool();
            jobs.into_iter().for_each(|job| job());
        })?;
    let sender = Mutex::new(sender);
    let second = run(&sender, second_derivative_of_a_cube)?;
    if second != Some(expected) {
        bail!(
            "candle computes {second:?} for the second derivative of x³ at 2 on the {name} thread, expected \
             {expected}: gradient penalties would be wrong; use the candle version in Cargo.lock"
        );
    }
    Ok(sender)
}

/// 12 where gradients can be differentiated again; 8, from the graph of the last operator alone,
/// where candle detaches them on the way.
fn second_derivative_of_a_cube() -> Result<Option<f32>> {
    records();
    let x = Var::new(2f32, &Device::Cpu)?;
    let cube = (x.sqr()? * x.as_tensor())?;
    let Some(gradient) = cube.backward()?.remove(&x) else { return Ok(None) };
    gradient.backward()?.remove(&x).map(|second| second.to_scalar()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_derivative_is_exact_and_first_order_carries_no_graph() -> Result<()> {
        let x = Var::new(&[2f32, -1.], &Device::Cpu)?;
        let y = (x.sqr()? * x.as_tensor())?;
        let first = input_gradient(&y, &x)?;
        assert_eq!(first.to_vec1::<f32>()?, [12., 3.]);
        let second = gradients(&first.sum_all()?)?;
        assert_eq!(second.get(&x).unwrap().to_vec1::<f32>()?, [12., -6.]);
        let detached = gradients(&y.sum_all()?)?.remove(&x).unwrap();
        assert!(!detached.track_op());
        Ok(())
    }

    #[test]
    fn an_input_that_does_not_matter_is_an_error() -> Result<()> {
        let (x, other) = (Var::new(1f32, &Device::Cpu)?, Var::new(1f32, &Device::Cpu)?);
        assert!(input_gradient(&other.sqr()?, &x).is_err());
        Ok(())
    }
}
