//! Bias and leaky rectifier in one kernel, and their gradient in another.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

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

/// A kernel of the GPU, or in the tests the same on the CPU.
macro_rules! kernels {
    ($cpu:ident, $cuda:ident) => {
        fn cpu_fwd(
            &self,
            a: &CpuStorage,
            a_layout: &Layout,
            b: &CpuStorage,
            b_layout: &Layout,
        ) -> Result<(CpuStorage, Shape)> {
            #[cfg(test)]
            return tests::$cpu(self.slope, (a, a_layout), (b, b_layout));
            #[cfg(not(test))]
            {
                let _ = (a, a_layout, b, b_layout);
                bail!("this kernel runs on NVIDIA GPUs alone")
            }
        }

        #[cfg(feature = "cuda")]
        fn cuda_fwd(
            &self,
            a: &candle_core::CudaStorage,
            a_layout: &Layout,
            b: &candle_core::CudaStorage,
            b_layout: &Layout,
        ) -> Result<(candle_core::CudaStorage, Shape)> {
            Ok((gpu::$cuda(self.slope, (a, a_layout), (b, b_layout))?, a_layout.shape().clone()))
        }
    };
}

impl CustomOp2 for BiasLrelu {
    fn name(&self) -> &'static str {
        "bias-lrelu"
    }

    kernels!(bias_lrelu, bias_lrelu);

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

    kernels!(masked, masked);

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
    use candle_core::{CudaStorage, Layout, Result, bail};

    use super::super::{Argument, launch, of_one_type, range};

    pub(super) fn bias_lrelu(
        slope: f32,
        (x, x_layout): (&CudaStorage, &Layout),
        (bias, bias_layout): (&CudaStorage, &Layout),
    ) -> Result<CudaStorage> {
        let (device, elements) = (x.device().clone(), x_layout.shape().elem_count());
        of_one_type!(x, T, name => {
            let x = x.as_cuda_slice::<T>()?.slice(range(x_layout)?);
            let bias = bias.as_cuda_slice::<T>()?.slice(range(bias_layout)?);
            if bias.is_empty() || elements % bias.len() != 0 {
                bail!("a bias of {} channels for {elements} elements", bias.len());
            }
            // SAFETY: the kernel writes every element.
            let mut y = unsafe { device.alloc::<T>(elements)? };
            let mut arguments = [
                Argument::Write(&mut y.slice_mut(..)),
                Argument::Read(&x),
                Argument::Read(&bias),
                Argument::Number(slope),
                Argument::Count(bias.len() as u64),
            ];
            // SAFETY: `y` and `x` have as many elements, and the bias as many as there are channels.
            unsafe { launch(&device, &format!("bias_lrelu_{name}"), &mut arguments, elements)? };
            Ok(CudaStorage::wrap_cuda_slice(y, device))
        })
    }

    pub(super) fn masked(
        slope: f32,
        (g, g_layout): (&CudaStorage, &Layout),
        (y, y_layout): (&CudaStorage, &Layout),
    ) -> Result<CudaStorage> {
        let (device, elements) = (g.device().clone(), g_layout.shape().elem_count());
        of_one_type!(g, T, name => {
            let g = g.as_cuda_slice::<T>()?.slice(range(g_layout)?);
            let y = y.as_cuda_slice::<T>()?.slice(range(y_layout)?);
            if y.len() != elements {
                bail!("a mask of {} elements for {elements}", y.len());
            }
            // SAFETY: the kernel writes every element.
            let mut out = unsafe { device.alloc::<T>(elements)? };
            let mut arguments = [
                Argument::Write(&mut out.slice_mut(..)),
                Argument::Read(&g),
                Argument::Read(&y),
                Argument::Number(slope),
            ];
            // SAFETY: all three have as many elements.
            unsafe { launch(&device, &format!("masked_{name}"), &mut arguments, elements)? };
            Ok(CudaStorage::wrap_cuda_slice(out, device))
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

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

    pub(super) fn bias_lrelu(slope: f32, x: Operand, bias: Operand) -> Result<(CpuStorage, Shape)> {
        each(x, bias, |x, bias| if x + bias > 0.0 { x + bias } else { slope * (x + bias) })
    }

    pub(super) fn masked(slope: f32, g: Operand, y: Operand) -> Result<(CpuStorage, Shape)> {
        each(g, y, |g, y| if y > 0.0 { g } else { slope * g })
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
