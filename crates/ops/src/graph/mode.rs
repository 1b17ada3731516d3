//! What the differentiation that runs on this thread needs.
//!
//! [`crate::grad`] sets the mode, and operators read it in their backward.

use std::cell::Cell;

use candle_core::{Tensor, TensorId};

/// candle reads this environment variable once per thread, at the thread's first `backward`: with
/// `1` gradients keep their graph, so that they can be differentiated again.
pub(crate) const KEEPS_GRAPH: &str = "CANDLE_GRAD_DO_NOT_DETACH";

thread_local! {
    /// The variable whose gradient alone is asked for, if there is one.
    static ONLY: Cell<Option<TensorId>> = const { Cell::new(None) };
    /// [`KEEPS_GRAPH`] as candle reads it on this thread.
    static RECORDS: bool = std::env::var(KEEPS_GRAPH).is_ok_and(|value| !value.is_empty() && value != "0");
}

/// Whether differentiation on this thread records the graph of the gradients. If it does not, the
/// backward of an operator may use kernels that have no backward.
pub(crate) fn records() -> bool {
    RECORDS.with(|records| *records)
}

/// Whether the differentiation on this thread uses the gradient of `operand`. It does not if the
/// operand is a variable other than the one of [`with_only`]; an operator may then return `None`.
pub(crate) fn asked(operand: &Tensor) -> bool {
    !operand.is_variable() || ONLY.get().is_none_or(|only| only == operand.id())
}

/// Runs a differentiation that uses the gradient of one variable only.
pub(crate) fn with_only<T>(variable: TensorId, differentiate: impl FnOnce() -> T) -> T {
    ONLY.set(Some(variable));
    let result = differentiate();
    ONLY.set(None);
    result
}
