//! Who works in parallel: this crate's operators, not candle's.
//!
//! On the CPU candle hands even small operators to worker threads of its own and spins until they
//! are done; beside rayon's workers, which run our kernels, that takes a third of a training step.

use std::sync::Once;

const VARIABLE: &str = "CANDLE_NUM_THREADS";

/// Turns candle's own workers off, unless `CANDLE_NUM_THREADS` is set. Only the first call does
/// anything, and it must come before candle's first operator on the CPU.
#[allow(unsafe_code)]
pub fn leave_to_rayon() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if std::env::var_os(VARIABLE).is_none() {
            // SAFETY: the standard library locks the environment for its own readers; a C library
            // that reads it at the same moment is the hazard left, and none is linked by default.
            unsafe { std::env::set_var(VARIABLE, "1") };
        }
    });
}
