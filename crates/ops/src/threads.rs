//! Who works in parallel: this crate's operators, not candle's.
//!
//! On the CPU candle hands even small operators to worker threads of its own and spins until they
//! are done; beside rayon's workers, which run our kernels, that takes a third of a training step.
//! And it counts the processor's cores anew, by reading `/proc/cpuinfo`, at every matrix product
//! that the environment does not answer for.

use std::sync::Once;

/// Turns candle's own workers off and tells it how many threads rayon has, each unless the
/// environment says otherwise. Only the first call does anything, and it must come before candle's
/// first operator on the CPU.
#[allow(unsafe_code)]
pub fn leave_to_rayon() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let threads = rayon::current_num_threads().to_string();
        for (variable, value) in [("RAYON_NUM_THREADS", threads.as_str()), ("CANDLE_NUM_THREADS", "1")] {
            if std::env::var_os(variable).is_none() {
                // SAFETY: the standard library locks the environment for its own readers; a C
                // library that reads it at the same moment is the hazard left, and none is linked
                // by default.
                unsafe { std::env::set_var(variable, value) };
            }
        }
    });
}
