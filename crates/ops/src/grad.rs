//! Gradients of the first and of the second order.
//!
//! candle decides once per thread, by the environment variable `CANDLE_GRAD_DO_NOT_DETACH`, whether
//! `backward` records the graph of the gradients. Without the graph, a gradient penalty trains on a
//! partial gradient and reports no error; with it, every gradient keeps its whole graph alive. This
//! module therefore owns two threads, one for each setting, and runs every differentiation on the
//! thread that it needs: [`gradients`] is of first order and frees the graph as it proceeds;
//! [`input_gradient`] can be differentiated again. Before their first use both threads
//! differentiate `x³` twice. If a build of candle gets the second derivative wrong, differentiation
//! fails with an error.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

use candle_core::backprop::GradStore;
use candle_core::{Device, Error, Result, Tensor, Var, bail};

use crate::graph::{self, KEEPS_GRAPH, records, with_only};
use crate::runtime;

type Job = Box<dyn FnOnce() + Send>;

struct Threads {
    first_order: Mutex<Sender<Job>>,
    second_order: Mutex<Sender<Job>>,
}

/// Gradients of a scalar `loss` with respect to every variable that it depends on. They carry no
/// graph.
///
/// ```
/// use t2f_ops::{Device, Var, grad};
///
/// let x = Var::new(3f32, &Device::Cpu)?;
/// let gradients = grad::gradients(&x.sqr()?)?; // d x² / dx = 2x
/// assert_eq!(gradients.get(&x).unwrap().to_scalar::<f32>()?, 6.0);
/// # Ok::<(), t2f_ops::Error>(())
/// ```
///
/// # Errors
/// If an operator in the graph has no backward.
pub fn gradients(loss: &Tensor) -> Result<GradStore> {
    let loss = loss.clone();
    run(&threads()?.first_order, move || detached(graph::with_variables(|| loss.backward())?))
}

/// Detaches all gradients. candle detaches the gradient that enters an operator's backward and not
/// the one that leaves it; each gradient would otherwise hold the graph of one operator.
fn detached(mut grads: GradStore) -> Result<GradStore> {
    let ids: Vec<_> = grads.get_ids().copied().collect();
    for id in ids {
        if let Some(gradient) = grads.get_id(id).map(Tensor::detach) {
            grads.insert_id(id, gradient);
        }
    }
    Ok(grads)
}

/// `d sum(y) / dx` as a differentiable tensor, so that a penalty on it has exact gradients.
///
/// `x` is a variable that `y` was computed from. Operators may skip the gradients of all other
/// variables.
///
/// ```
/// use t2f_ops::{Device, Var, grad};
///
/// let x = Var::new(2f32, &Device::Cpu)?;
/// let slope = grad::input_gradient(&x.powf(3.0)?, &x)?; // 3x²
/// assert_eq!(slope.to_scalar::<f32>()?, 12.0);
/// let curvature = grad::gradients(&slope)?; // 6x
/// assert_eq!(curvature.get(&x).unwrap().to_scalar::<f32>()?, 12.0);
/// # Ok::<(), t2f_ops::Error>(())
/// ```
///
/// # Shapes
/// The result has the shape of `x`.
///
/// # Errors
/// If `y` does not depend on `x`, or if candle computes wrong second derivatives on this machine.
pub fn input_gradient(y: &Tensor, x: &Var) -> Result<Tensor> {
    let (total, x) = (y.sum_all()?, x.clone());
    run(&threads()?.second_order, move || match with_only(x.id(), || total.backward())?.remove(&x) {
        Some(gradient) => Ok(gradient),
        None => bail!("the differentiated value does not depend on its input"),
    })
}

/// Runs a job on one of the two threads and waits for its result.
fn run<T: Send + 'static>(
    thread: &Mutex<Sender<Job>>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, result) = channel();
    let job: Job = Box::new(move || {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        // The send fails only if the caller has ended and needs no result.
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

/// Starts both threads. Each reads [`KEEPS_GRAPH`] once, at its first `backward`, before this
/// function returns; the variable then gets its old value back.
#[allow(unsafe_code)]
fn start() -> Result<Threads> {
    let before = std::env::var_os(KEEPS_GRAPH);
    let both = [("first-order", "0", 8.0), ("second-order", "1", 12.0)].map(|(name, value, expected)| {
        // SAFETY: the standard library locks the environment for its own readers. A C library that
        // reads it at the same moment remains a hazard; the default build links none that does.
        // The variable changes only while this function runs, once per process.
        unsafe { std::env::set_var(KEEPS_GRAPH, value) };
        thread(name, expected)
    });
    match before {
        // SAFETY: as above.
        Some(value) => unsafe { std::env::set_var(KEEPS_GRAPH, value) },
        None => unsafe { std::env::remove_var(KEEPS_GRAPH) },
    }
    let [first_order, second_order] = both;
    Ok(Threads { first_order: first_order?, second_order: second_order? })
}

/// Starts a thread and checks that the second derivative of x³ at 2 on it is `expected`.
fn thread(name: &str, expected: f32) -> Result<Mutex<Sender<Job>>> {
    let (sender, jobs) = channel::<Job>();
    std::thread::Builder::new()
        .name(format!("grad-{name}"))
        .stack_size(64 << 20) // `sorted_nodes` recurses once per operator of the graph
        .spawn(move || {
            // Operators run on this thread and on the workers beside it, as long as it lives.
            let _pool = runtime::join_new_pool();
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

/// The second derivative of `x²·x` at 2: 12 if gradients keep their graph; 8, the part of the last
/// operator, if candle detaches them.
fn second_derivative_of_a_cube() -> Result<Option<f32>> {
    records(); // reads the variable now, as candle does
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
    fn an_input_without_influence_is_an_error() -> Result<()> {
        let (x, other) = (Var::new(1f32, &Device::Cpu)?, Var::new(1f32, &Device::Cpu)?);
        assert!(input_gradient(&other.sqr()?, &x).is_err());
        Ok(())
    }
}
