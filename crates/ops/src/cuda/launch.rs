//! Compilation and launch.

#![allow(unsafe_code)]

use std::sync::OnceLock;

use candle_core::cuda_backend::cudarc::driver::{CudaView, CudaViewMut, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Error, Layout, Result, bail};

/// Kernels of any GPU from the Turing generation on; the driver translates them for the one at hand.
const ARCHITECTURE: &str = "compute_75";

/// The kernels in PTX.
fn ptx() -> Result<&'static str> {
    static PTX: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let compiled = PTX.get_or_init(|| {
        let options = CompileOptions { arch: Some(ARCHITECTURE), ..CompileOptions::default() };
        compile_ptx_with_opts(include_str!("kernels.cu"), options)
            .map(|ptx| ptx.to_src())
            .map_err(|error| format!("NVRTC does not compile the kernels of t2f: {error:?}"))
    });
    compiled.as_ref().map(String::as_str).map_err(|error| Error::Msg(error.clone()))
}

/// An argument of a kernel.
pub(crate) enum Argument<'a, 'b, T> {
    Read(&'a CudaView<'b, T>),
    Write(&'a mut CudaViewMut<'b, T>),
    Number(f32),
    Count(u64),
}

/// Starts a kernel of `elements` elements, which are its last argument.
///
/// # Safety
/// The arguments before are those of the kernel, in its order and types, and every tensor has the elements that the
/// kernel reads or writes.
///
/// # Errors
/// If NVRTC or the driver fails.
pub(crate) unsafe fn launch<T>(
    device: &CudaDevice,
    kernel: &str,
    arguments: &mut [Argument<'_, '_, T>],
    elements: usize,
) -> Result<()> {
    let Ok(threads) = u32::try_from(elements) else { bail!("a tensor of {elements} elements on a GPU") };
    let function = device.get_or_load_custom_func(kernel, "t2f", ptx()?)?;
    let mut builder = function.builder();
    for argument in arguments {
        match argument {
            Argument::Read(view) => builder.arg(*view),
            Argument::Write(view) => builder.arg(&mut **view),
            Argument::Number(number) => builder.arg(&*number),
            Argument::Count(count) => builder.arg(&*count),
        };
    }
    let count = elements as u64;
    builder.arg(&count);
    // SAFETY: by the caller's promise.
    unsafe { builder.launch(LaunchConfig::for_num_elems(threads)) }.w()?;
    Ok(())
}

/// The elements of a contiguous tensor in its storage.
///
/// # Errors
/// If it is not contiguous.
pub(crate) fn range(layout: &Layout) -> Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("kernels of GPUs take contiguous tensors"),
    }
}

/// Evaluates an expression with `$T` as the element type of a storage, `f32` or `bf16`, and `$name` as the name of
/// that type in the kernels.
macro_rules! of_one_type {
    ($storage:expr, $T:ident, $name:ident => $body:expr) => {
        match candle_core::backend::BackendStorage::dtype($storage) {
            candle_core::DType::F32 => {
                type $T = f32;
                let $name = "f32";
                $body
            }
            candle_core::DType::BF16 => {
                type $T = half::bf16;
                let $name = "bf16";
                $body
            }
            dtype => candle_core::bail!("kernels of GPUs take F32 and BF16, not {dtype:?}"),
        }
    };
}
pub(crate) use of_one_type;
