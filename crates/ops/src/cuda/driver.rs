//! Compilation and launch.

#![allow(unsafe_code)]

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaView, CudaViewMut, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{CudaStorage, DType, Error, Layout, Result, Shape, bail};
use half::bf16;

use super::launch::Launch;

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
pub(crate) enum Argument<'a> {
    F32(CudaView<'a, f32>),
    Bf16(CudaView<'a, bf16>),
    WriteF32(CudaViewMut<'a, f32>),
    WriteBf16(CudaViewMut<'a, bf16>),
    Number(f32),
    Count(u64),
}

impl<'a> Argument<'a> {
    /// The elements of a contiguous tensor of `f32` or `bf16`, to read.
    ///
    /// # Errors
    /// If it is of another kind.
    fn read(storage: &'a CudaStorage, layout: &Layout) -> Result<Self> {
        Ok(match storage.dtype() {
            DType::F32 => Self::F32(storage.as_cuda_slice::<f32>()?.slice(range(layout)?)),
            DType::BF16 => Self::Bf16(storage.as_cuda_slice::<bf16>()?.slice(range(layout)?)),
            dtype => bail!("kernels of GPUs take F32 and BF16, not {dtype:?}"),
        })
    }
}

impl<'a> From<CudaViewMut<'a, f32>> for Argument<'a> {
    fn from(view: CudaViewMut<'a, f32>) -> Self {
        Self::WriteF32(view)
    }
}

impl<'a> From<CudaViewMut<'a, bf16>> for Argument<'a> {
    fn from(view: CudaViewMut<'a, bf16>) -> Self {
        Self::WriteBf16(view)
    }
}

/// The result of an operator's kernel, of the type of the first operand.
///
/// # Safety
/// The launch states the arguments of its kernel, which writes every element of the result and reads elements that
/// the operands have.
///
/// # Errors
/// If an operand is not contiguous or of another type than `f32` and `bf16`, or NVRTC or the driver fails.
pub(crate) unsafe fn run(
    launch: &Launch,
    operands: &[(&CudaStorage, &Layout)],
    result: &Shape,
) -> Result<CudaStorage> {
    let first = operands[0].0;
    let device = first.device().clone();
    let (items, threads) = launch.grid.of(result);
    of_one_type!(first, T, name => {
        // SAFETY: the kernel writes every element, by the caller's promise.
        let mut out = unsafe { device.alloc::<T>(result.elem_count())? };
        let mut arguments = vec![Argument::from(out.slice_mut(..))];
        for (storage, layout) in operands {
            arguments.push(Argument::read(storage, layout)?);
        }
        arguments.extend(launch.numbers.iter().map(|number| Argument::Number(*number)));
        arguments.extend(launch.counts.iter().map(|count| Argument::Count(*count as u64)));
        arguments.push(Argument::Count(items as u64));
        // SAFETY: by the caller's promise.
        unsafe { start(&device, &format!("{}_{name}", launch.kernel), &mut arguments, items * threads)? };
        drop(arguments);
        Ok(CudaStorage::wrap_cuda_slice(out, device))
    })
}

/// Starts a kernel on about so many threads; each computes several items if there are fewer.
///
/// # Safety
/// The arguments are those of the kernel, in its order and types, and every tensor has the elements that the kernel
/// reads or writes.
///
/// # Errors
/// If NVRTC or the driver fails.
pub(crate) unsafe fn start(
    device: &CudaDevice,
    kernel: &str,
    arguments: &mut [Argument<'_>],
    threads: usize,
) -> Result<()> {
    let function = device.get_or_load_custom_func(kernel, "t2f", ptx()?)?;
    let mut builder = function.builder();
    for argument in arguments {
        match argument {
            Argument::F32(view) => builder.arg(&*view),
            Argument::Bf16(view) => builder.arg(&*view),
            Argument::WriteF32(view) => builder.arg(view),
            Argument::WriteBf16(view) => builder.arg(view),
            Argument::Number(number) => builder.arg(&*number),
            Argument::Count(count) => builder.arg(&*count),
        };
    }
    // Kernels loop over what is beyond the grid.
    let threads = u32::try_from(threads).unwrap_or(1 << 31);
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
