//! TF32 on NVIDIA GPUs: products of `f32` whose operands are rounded to 10 bits of precision.

use std::sync::atomic::{AtomicBool, Ordering};

static ALLOWED: AtomicBool = AtomicBool::new(false);

/// Whether convolutions and matrix products of `f32` on NVIDIA GPUs may round their operands to TF32, from the
/// Ampere generation on: 10 bits of precision in place of 23, sums of `f32`. False until it is set; it is of the
/// whole process, and other devices compute in `f32` in any case.
pub fn allow_tf32(allow: bool) {
    ALLOWED.store(allow, Ordering::Relaxed);
    #[cfg(feature = "cuda")]
    candle_core::cuda_backend::set_gemm_reduced_precision_f32(allow);
}

/// Whether [`allow_tf32`] was set.
pub fn allows_tf32() -> bool {
    ALLOWED.load(Ordering::Relaxed)
}
