//! Bias and leaky rectifier in one kernel, and their gradient in another.

use candle_core::{CustomOp2, Result, Tensor, bail};

use super::forward_on_gpu;

/// `lrelu(x + bias)`, with a number of the bias for each channel.
///
/// # Shapes
/// `x`: `(…, C)`, `bias`: `(C)`, of one type; result: that of `x`.
///
/// # Errors
/// If the shapes or types do not fit, or the device fails.
pub(crate) fn bias_lrelu(x: &Tensor, bias: &Tensor, slope: f32) -> Result<Tensor> {
    if x.dims().last() != Some(&bias.elem_count()) || x.dtype() != bias.dtype() {
        bail!("bias {:?} {:?} of {:?} {:?}", bias.dims(), bias.dtype(), x.dims(), x.dtype());
    }
    x.contiguous()?.apply_op2(&bias.contiguous()?, BiasLrelu { slope })
}

struct BiasLrelu {
    slope: f32,
}

/// `g` where `y` is positive, `slope·g` elsewhere. `y` is a constant.
struct Masked {
    slope: f32,
}

impl Masked {
    fn of(slope: f32, g: &Tensor, y: &Tensor) -> Result<Tensor> {
        g.contiguous()?.apply_op2(&y.detach().contiguous()?, Self { slope })
    }
}

impl CustomOp2 for BiasLrelu {
    fn name(&self) -> &'static str {
        "bias-lrelu"
    }

    forward_on_gpu!(
        tests::bias_lrelu,
        #[cfg(feature = "cuda")]
        gpu::bias_lrelu
    );

    fn bwd(
        &self,
        _: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = Masked::of(self.slope, g, y)?;
        let db = bias.track_op().then(|| dx.reshape(((), bias.elem_count()))?.sum(0)).transpose()?;
        Ok((Some(dx), db))
    }
}

impl CustomOp2 for Masked {
    fn name(&self) -> &'static str {
        "lrelu-gradient"
    }

    forward_on_gpu!(
        tests::masked,
        #[cfg(feature = "cuda")]
        gpu::masked
    );

    fn bwd(
        &self,
        _: &Tensor,
        y: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(Self::of(self.slope, g, y)?), None))
    }
}

#[cfg(feature = "cuda")]
mod gpu {
    #![allow(unsafe_code)]

    use candle_core::backend::BackendStorage;
    use candle_core::{CudaStorage, Layout, Result, Shape, bail};

    use super::super::{Argument, launch, of_one_type, range};
    use super::{BiasLrelu, Masked};

    type Operand<'a> = (&'a CudaStorage, &'a Layout);

    pub(super) fn bias_lrelu(op: &BiasLrelu, x: Operand, bias: Operand) -> Result<(CudaStorage, Shape)> {
        let channels = bias.1.shape().elem_count();
        if x.1.dims().last() != Some(&channels) {
            bail!("a bias of {channels} channels for {:?}", x.1.dims());
        }
        // SAFETY: the kernel reads as many numbers of the bias as there are channels, which are its last number.
        unsafe { elementwise("bias_lrelu", x, bias, op.slope, Some(channels)) }
    }

    pub(super) fn masked(op: &Masked, g: Operand, y: Operand) -> Result<(CudaStorage, Shape)> {
        if y.1.shape().elem_count() != g.1.shape().elem_count() {
            bail!("a mask of {:?} for {:?}", y.1.dims(), g.1.dims());
        }
        // SAFETY: the kernel reads an element of each tensor.
        unsafe { elementwise("masked", g, y, op.slope, None) }
    }

    /// The result of a kernel, with the elements of `a`.
    ///
    /// # Safety
    /// The kernel takes the result, both tensors, a slope and the count if there is one; of `a` it reads an element for
    /// each of the result, and `b` has those that it reads.
    unsafe fn elementwise(
        kernel: &str,
        (a, a_layout): Operand,
        (b, b_layout): Operand,
        slope: f32,
        count: Option<usize>,
    ) -> Result<(CudaStorage, Shape)> {
        let (device, elements) = (a.device().clone(), a_layout.shape().elem_count());
        of_one_type!(a, T, name => {
            let a = a.as_cuda_slice::<T>()?.slice(range(a_layout)?);
            let b = b.as_cuda_slice::<T>()?.slice(range(b_layout)?);
            // SAFETY: the kernel writes every element.
            let mut out = unsafe { device.alloc::<T>(elements)? };
            let mut view = out.slice_mut(..);
            let mut arguments =
                vec![Argument::Write(&mut view), Argument::Read(&a), Argument::Read(&b), Argument::Number(slope)];
            arguments.extend(count.map(|count| Argument::Count(count as u64)));
            // SAFETY: by the caller's promise.
            unsafe { launch(&device, &format!("{kernel}_{name}"), &mut arguments, elements)? };
            drop(arguments);
            Ok((CudaStorage::wrap_cuda_slice(out, device), a_layout.shape().clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{CpuStorage, DType, Device, Layout, Shape, Var};

    use super::*;
    use crate::grad::{gradients, input_gradient};
    use crate::leaky_relu;
    use crate::rng::{Key, normal};

    type Operand<'a> = (&'a CpuStorage, &'a Layout);

    fn each(
        (a, a_layout): Operand,
        (b, b_layout): Operand,
        f: impl Fn(f32, f32) -> f32,
    ) -> Result<(CpuStorage, Shape)> {
        let range = |layout: &Layout| layout.contiguous_offsets().expect("contiguous operands");
        let ((a_start, a_end), (b_start, b_end)) = (range(a_layout), range(b_layout));
        let (a, b) = (&a.as_slice::<f32>()?[a_start..a_end], &b.as_slice::<f32>()?[b_start..b_end]);
        let all = a.iter().zip(b.iter().cycle()).map(|(a, b)| f(*a, *b)).collect();
        Ok((CpuStorage::F32(all), a_layout.shape().clone()))
    }

    pub(super) fn bias_lrelu(op: &BiasLrelu, x: Operand, bias: Operand) -> Result<(CpuStorage, Shape)> {
        each(x, bias, |x, bias| if x + bias > 0.0 { x + bias } else { op.slope * (x + bias) })
    }

    pub(super) fn masked(op: &Masked, g: Operand, y: Operand) -> Result<(CpuStorage, Shape)> {
        each(g, y, |g, y| if y > 0.0 { g } else { op.slope * g })
    }

    /// Values and first and second gradients are those of candle's operators, with two consumers.
    #[test]
    fn derivatives_are_those_of_the_composition() -> Result<()> {
        let draw = |name: &str, shape: &[usize]| -> Result<Var> {
            Var::from_tensor(&normal(Key::new(2).child(name), shape, DType::F32, &Device::Cpu)?)
        };
        let (x, bias) = (draw("x", &[2, 3, 3, 5])?, draw("bias", &[5])?);
        let derivatives = |fused: bool| -> Result<Vec<Vec<f32>>> {
            let y = match fused {
                true => super::bias_lrelu(&x, &bias, 0.2)?,
                false => leaky_relu(&x.broadcast_add(&bias)?, 0.2)?,
            };
            let loss = y.sqr()?.mul(&y)?.add(&y)?.sum_all()?;
            let (first, penalty) = (gradients(&loss)?, input_gradient(&loss, &x)?.sqr()?.sum_all()?);
            let mut all = vec![y.clone(), penalty.clone()];
            for found in [first, gradients(&penalty)?] {
                all.extend([&x, &bias].into_iter().filter_map(|var| found.get(var)).cloned());
            }
            all.iter().map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
        };
        let (want, got) = (derivatives(false)?, derivatives(true)?);
        assert_eq!((got.len(), want.len()), (6, 6));
        for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
            assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{got}, not {want}");
        }
        Ok(())
    }

    #[test]
    fn a_bias_of_another_size_is_refused() -> Result<()> {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
        let bias = Tensor::zeros(2, DType::F32, &Device::Cpu)?;
        assert!(super::bias_lrelu(&x, &bias, 0.2).unwrap_err().to_string().contains("bias [2]"));
        Ok(())
    }
}
