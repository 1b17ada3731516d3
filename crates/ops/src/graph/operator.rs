//! The operators of this crate, and the elements of their operands.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Storage, Tensor, bail};
use half::bf16;

use crate::cpu::Element;
use crate::cuda::Launch;

/// A differentiable function of `N` contiguous tensors of `f32` or `bf16`, on the CPU and, with a [`Launch`], on
/// NVIDIA GPUs.
///
/// Every operator of this crate implements this trait and enters the graph through [`super::apply`]. Kernels
/// compute in `f32` and load and store either type.
pub(crate) trait Operator<const N: usize>: Send + Sync + 'static {
    /// The name in errors and traces.
    const NAME: &'static str;

    /// The elements of the result, on the CPU.
    ///
    /// # Errors
    /// If the operands' types do not fit one another.
    fn forward(&self, operands: [Elements; N]) -> Result<CpuStorage>;

    /// The kernel for NVIDIA GPUs, if there is one. It takes the result, the operands, the numbers and counts of the
    /// launch, and the number of items of its grid, in this order.
    fn launch(&self) -> Option<Launch> {
        None
    }

    /// The gradients of the `wanted` operands, each in the operand's type, given the contiguous `gradient`
    /// of the result.
    ///
    /// If gradients are recorded ([`super::records`]), the returned tensors must be differentiable in the
    /// operands and in `gradient`. `result` is a constant.
    fn backward(
        &self,
        operands: [&Tensor; N],
        result: &Tensor,
        gradient: &Tensor,
        wanted: [bool; N],
    ) -> Result<[Option<Tensor>; N]>;
}

/// Whether operators accept this tensor: not empty, `f32` or `bf16`, on the CPU.
pub(crate) fn accepts(t: &Tensor) -> bool {
    t.device().is_cpu() && matches!(t.dtype(), DType::F32 | DType::BF16) && t.elem_count() > 0
}

/// Elements of `f32` in a type that operators accept.
pub(crate) fn in_type(values: Vec<f32>, dtype: DType) -> CpuStorage {
    match dtype {
        DType::BF16 => CpuStorage::BF16(bf16::from_wide(values)),
        _ => CpuStorage::F32(values),
    }
}

/// Runs a kernel on operands of one type, `f32` or `bf16`; the operand or operands have the types' elements
/// in the kernel's expression, whose result is a vector of elements.
macro_rules! of_one_type {
    ($($operand:ident),+ => $kernel:expr) => {
        match ($($operand,)+) {
            ($($crate::graph::Elements::F32($operand),)+) => Ok($crate::cpu::Element::into_storage($kernel)),
            ($($crate::graph::Elements::Bf16($operand),)+) => Ok($crate::cpu::Element::into_storage($kernel)),
            #[allow(unreachable_patterns)]
            _ => Err(candle_core::Error::Msg("an operator's operands are of different types".into())),
        }
    };
}
pub(crate) use of_one_type;

/// A tensor of elements that an operator computed.
pub(crate) fn from_storage(storage: CpuStorage, shape: &Shape) -> Result<Tensor> {
    match storage {
        CpuStorage::F32(values) => Tensor::from_vec(values, shape, &Device::Cpu),
        CpuStorage::BF16(values) => Tensor::from_vec(values, shape, &Device::Cpu),
        _ => bail!("an operator computes f32 or bf16"),
    }
}

/// Calls `f` with the elements of contiguous tensors of `f32` on the CPU.
///
/// # Errors
/// If a tensor is not contiguous, not `f32`, or not on the CPU.
pub(crate) fn with_values<const N: usize, T>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> T,
) -> Result<T> {
    with_elements(tensors, |elements| values(elements).map(f))?
}

/// Elements that are `f32`.
///
/// # Errors
/// If one is not.
pub(crate) fn values<const N: usize>(elements: [Elements<'_>; N]) -> Result<[&[f32]; N]> {
    let mut values = [[].as_slice(); N];
    for (elements, values) in elements.into_iter().zip(&mut values) {
        match elements {
            Elements::F32(elements) => *values = elements,
            Elements::Bf16(_) => bail!("an operator of f32 with an operand of bf16"),
        }
    }
    Ok(values)
}

/// Calls `f` with the elements of contiguous tensors on the CPU.
///
/// # Errors
/// If a tensor is not contiguous, neither `f32` nor `bf16`, or not on the CPU.
pub(crate) fn with_elements<const N: usize, T>(
    tensors: [&Tensor; N],
    f: impl FnOnce([Elements; N]) -> T,
) -> Result<T> {
    let storages = tensors.map(Tensor::storage_and_layout);
    let mut elements = [Elements::F32(&[]); N];
    for ((storage, layout), elements) in storages.iter().zip(&mut elements) {
        *elements = Elements::of(storage, layout)?;
    }
    Ok(f(elements))
}

/// The elements of a contiguous tensor on the CPU.
#[derive(Clone, Copy)]
pub(crate) enum Elements<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
}

impl<'a> Elements<'a> {
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::Bf16(_) => DType::BF16,
        }
    }

    /// Calls `f` with the elements as `f32`, in working memory if they are `bf16`.
    pub(crate) fn with_wide<R>(self, f: impl FnOnce(&[f32]) -> R) -> R {
        match self {
            Self::F32(values) => f(values),
            Self::Bf16(values) => bf16::with_wide(values, f),
        }
    }

    fn of(storage: &'a Storage, layout: &Layout) -> Result<Self> {
        Ok(match (storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => Self::F32(&values[start..end]),
            (Storage::Cpu(CpuStorage::BF16(values)), Some((start, end))) => Self::Bf16(&values[start..end]),
            _ => bail!("an operator needs contiguous tensors of f32 or bf16 on the CPU"),
        })
    }
}
