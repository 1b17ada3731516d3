//! Kernels of this crate for NVIDIA GPUs. NVRTC compiles them when the first is launched.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
pub(crate) mod emulated;
#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "a build without GPUs launches nothing"))]
mod launch;

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Tensor};

#[cfg(feature = "cuda")]
pub(crate) use driver::{Argument, of_one_type, range, run, start};
pub(crate) use launch::Launch;

/// Whether a device runs the kernels: an NVIDIA GPU, and in tests of them the CPU.
pub(crate) fn has_kernels(device: &Device) -> bool {
    #[cfg(all(test, target_os = "linux", target_env = "gnu"))]
    if emulated::is_on() {
        return true;
    }
    cfg!(feature = "cuda") && device.is_cuda()
}

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

/// The result of a kernel on the CPU, which tests alone compute.
pub(crate) fn on_cpu(
    launch: &Launch,
    operands: &[(&CpuStorage, &Layout)],
    result: &Shape,
) -> Result<CpuStorage> {
    #[cfg(all(test, target_os = "linux", target_env = "gnu"))]
    return emulated::run(launch, operands, result);
    #[cfg(not(all(test, target_os = "linux", target_env = "gnu")))]
    candle_core::bail!("{} runs on NVIDIA GPUs alone, not on {operands:?} for {result:?}", launch.kernel)
}

/// Calls `f` on a thread of a backward pass, in tests with the kernels that the forward pass had.
pub(crate) fn as_here<T>(f: impl FnOnce() -> T) -> T {
    #[cfg(all(test, target_os = "linux", target_env = "gnu"))]
    return emulated::with(f);
    #[cfg(not(all(test, target_os = "linux", target_env = "gnu")))]
    f()
}
