//! Kernels of this crate for NVIDIA GPUs. NVRTC compiles them when the first is launched.

#[cfg(any(feature = "cuda", test))]
pub(crate) mod activation;
#[cfg(feature = "cuda")]
mod launch;

use candle_core::{DType, Tensor};

#[cfg(feature = "cuda")]
pub(crate) use launch::{Argument, launch, of_one_type, range};

/// The forward pass of an operator of two tensors for NVIDIA GPUs alone: a function there, and in the tests another
/// one in its place on the CPU. Both take the operator and the tensors, each with its layout.
#[cfg(any(feature = "cuda", test))]
macro_rules! forward_on_gpu {
    ($host:path, #[$feature:meta] $gpu:path) => {
        fn cpu_fwd(
            &self,
            a: &candle_core::CpuStorage,
            a_layout: &candle_core::Layout,
            b: &candle_core::CpuStorage,
            b_layout: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            #[cfg(test)]
            return $host(self, (a, a_layout), (b, b_layout));
            #[cfg(not(test))]
            {
                let _ = (a, a_layout, b, b_layout);
                candle_core::bail!("{} runs on NVIDIA GPUs alone", self.name())
            }
        }

        #[$feature]
        fn cuda_fwd(
            &self,
            a: &candle_core::CudaStorage,
            a_layout: &candle_core::Layout,
            b: &candle_core::CudaStorage,
            b_layout: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CudaStorage, candle_core::Shape)> {
            $gpu(self, (a, a_layout), (b, b_layout))
        }
    };
}
#[cfg(any(feature = "cuda", test))]
pub(crate) use forward_on_gpu;

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
