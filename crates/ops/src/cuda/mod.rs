//! Kernels of this crate for NVIDIA GPUs. NVRTC compiles them when the first is launched.

#[cfg(any(feature = "cuda", test))]
pub(crate) mod activation;
#[cfg(feature = "cuda")]
mod launch;

use candle_core::{DType, Tensor};

#[cfg(feature = "cuda")]
pub(crate) use launch::{Argument, launch, of_one_type, range};

/// Whether a tensor is on a GPU that has kernels of this crate, in a type that they take.
pub(crate) fn accepts(t: &Tensor) -> bool {
    cfg!(feature = "cuda")
        && t.device().is_cuda()
        && matches!(t.dtype(), DType::F32 | DType::BF16)
        && t.elem_count() > 0
}

/// As [`accepts`], for parameters, gradients and moments.
pub(crate) fn updates(t: &Tensor) -> bool {
    accepts(t) && t.dtype() == DType::F32
}
