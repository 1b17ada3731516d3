//! Convolution as candle operators on the kernels of [`crate::cpu`].
//!
//! `conv`, its input gradient and its weight gradient are the three partners of one trilinear form
//! `<conv(x, w), g>`: the backward of each is made of the other two, so gradients of every order
//! are exact. The leaky rectifier's mask is read from the saved output and is a constant.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, D, DType, Layout, Result, Shape, Storage, Tensor, bail,
};

use crate::conv2d::ConvOptions;
use crate::cpu::{self, Level, Shapes};
use crate::grad::{first_order, inputs_only};
use crate::norm::gamma_beta;

/// Shapes, scale and mask: what the three partners share.
#[derive(Clone)]
struct Form {
    shapes: Shapes,
    scale: f32,
    /// The output of a leaky rectifier and its slope. Shaped like `y`, contiguous, detached.
    mask: Option<(Tensor, f32)>,
}

/// `mask ⊙ conv(x, w)`
struct Linear(Form);
/// `lrelu(conv(x, w) + bias)`
struct Rectified(Form, Option<f32>);
/// `(g, w)` to the gradient of `x`
struct InputGradient(Form);
/// `(x, g)` to the gradient of `w`
struct WeightGradient(Form);
/// `g` to the gradient of the bias
struct BiasGradient(Option<(Tensor, f32)>);
/// A row of channels, repeated for every pixel, times the mask
struct Spread(Option<(Tensor, f32)>, Shape);

/// As [`crate::conv2d::conv2d`], for contiguous `f32` on the CPU; shapes were checked.
pub(crate) fn conv2d(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
    let (batch, height, width, inputs) = x.dims4()?;
    let (kernel, _, _, outputs) = w.dims4()?;
    let shapes = Shapes {
        batch,
        height,
        width,
        inputs,
        outputs,
        kernel,
        padding: options.padding,
        up: options.upsample,
    };
    let form = Form { shapes, scale: options.scale as f32, mask: None };
    let slope = options.slope.map(|slope| slope as f32);
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    match bias {
        None if slope.is_none() => x.apply_op2(&w, Linear(form)),
        None => x.apply_op3(&w, &Tensor::zeros(outputs, DType::F32, x.device())?, Rectified(form, slope)),
        Some(bias) => x.apply_op3(&w, &bias.contiguous()?, Rectified(form, slope)),
    }
}

/// Sums of 2x2 pixels times a factor
struct Halve(f32);
/// Every pixel as 2x2 equal ones, times a factor: the adjoint of [`Halve`]
struct Double(f32);
/// `x / rms(x)`
struct PixelNorm;
/// `(x, g)` to the gradient of [`PixelNorm`]'s input, where nothing asks for another
struct PixelNormGradient;
/// `(1 + gamma) · x / rms(x) + beta` of `x` and `(B, 2C)`
struct ModulatedPixelNorm;

/// Whether fused operators take this tensor.
pub(crate) fn takes(t: &Tensor) -> bool {
    t.device().is_cpu() && t.dtype() == DType::F32 && t.elem_count() > 0
}

/// Average pooling over 2x2 pixels of even sides.
pub(crate) fn avg_pool2(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Halve(0.25))
}

/// Nearest-neighbour doubling.
pub(crate) fn upsample2(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Double(1.0))
}

/// [`crate::norm::pixel_norm`] of a tensor of rank 1 or more.
pub(crate) fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(PixelNorm)
}

/// [`crate::norm::modulated_pixel_norm`]; shapes were checked.
pub(crate) fn modulated_pixel_norm(x: &Tensor, affine: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&affine.contiguous()?, ModulatedPixelNorm)
}

/// The sum of the squares of a tensor's numbers.
pub(crate) fn sum_of_squares(x: &Tensor) -> Result<f32> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(cpu::sum_of_squares(Level::detect(), slice(storage, layout)?)),
        _ => bail!("a fused operator's tensor is not on the CPU"),
    }
}

/// Whether a gradient of `w` is wanted; anything but a variable must get one.
fn wanted(w: &Tensor) -> bool {
    w.track_op() && !(w.is_variable() && inputs_only())
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a fused operator got a tensor that is not contiguous"),
    }
}

/// Calls `f` with the numbers of the mask.
fn with_mask<T>(mask: &Option<(Tensor, f32)>, f: impl FnOnce(cpu::Mask) -> T) -> Result<T> {
    let Some((y, slope)) = mask else { return Ok(f(None)) };
    let (storage, layout) = y.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(Some((slice(storage, layout)?, *slope)))),
        _ => bail!("a fused operator's mask is not on the CPU"),
    }
}

impl Form {
    fn x_shape(&self) -> Shape {
        let s = &self.shapes;
        (s.batch, s.height, s.width, s.inputs).into()
    }

    fn w_shape(&self) -> Shape {
        let s = &self.shapes;
        (s.kernel, s.kernel, s.inputs, s.outputs).into()
    }

    fn y_shape(&self) -> Shape {
        let s = &self.shapes;
        (s.batch, s.out_height(), s.out_width(), s.outputs).into()
    }

    fn conv(&self, x: &Tensor, w: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op2(&w.contiguous()?, Linear(self.clone()))
    }

    fn input_gradient(&self, g: &Tensor, w: &Tensor) -> Result<Tensor> {
        g.contiguous()?.apply_op2(&w.contiguous()?, InputGradient(self.clone()))
    }

    fn weight_gradient(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op2(&g.contiguous()?, WeightGradient(self.clone()))
    }

    /// Gradients of `x` and `w`, where wanted.
    fn gradients(&self, x: &Tensor, w: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = x.track_op().then(|| self.input_gradient(g, w)).transpose()?;
        let dw = wanted(w).then(|| self.weight_gradient(x, g)).transpose()?;
        Ok((dx, dw))
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Form { shapes, scale, mask } = &self.0;
        let (x, w) = (slice(x, lx)?, slice(w, lw)?);
        let y =
            with_mask(mask, |mask| cpu::forward(Level::detect(), shapes, x, w, *scale, None, None, mask))?;
        Ok((CpuStorage::F32(y), self.0.y_shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.0.gradients(x, w, g)
    }
}

impl CustomOp3 for Rectified {
    fn name(&self) -> &'static str {
        "conv2d-bias-lrelu"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Form { shapes, scale, .. } = &self.0;
        let (x, w, bias) = (slice(x, lx)?, slice(w, lw)?, slice(bias, lb)?);
        let y = cpu::forward(Level::detect(), shapes, x, w, *scale, Some(bias), self.1, None);
        Ok((CpuStorage::F32(y), self.0.y_shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mask = self.1.map(|slope| (y.detach(), slope));
        let db = wanted(bias).then(|| g.contiguous()?.apply_op1(BiasGradient(mask.clone()))).transpose()?;
        let (dx, dw) = Form { mask, ..self.0.clone() }.gradients(x, w, g)?;
        Ok((dx, dw, db))
    }
}

impl CustomOp2 for InputGradient {
    fn name(&self) -> &'static str {
        "conv2d-input-gradient"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        lg: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Form { shapes, scale, mask } = &self.0;
        let (g, w) = (slice(g, lg)?, slice(w, lw)?);
        let dx = with_mask(mask, |mask| cpu::input_gradient(Level::detect(), shapes, g, mask, w, *scale))?;
        Ok((CpuStorage::F32(dx), self.0.x_shape()))
    }

    fn bwd(
        &self,
        g: &Tensor,
        w: &Tensor,
        _: &Tensor,
        x: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dg = g.track_op().then(|| self.0.conv(x, w)).transpose()?;
        let dw = wanted(w).then(|| self.0.weight_gradient(x, g)).transpose()?;
        Ok((dg, dw))
    }
}

impl CustomOp2 for WeightGradient {
    fn name(&self) -> &'static str {
        "conv2d-weight-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        g: &CpuStorage,
        lg: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Form { shapes, scale, mask } = &self.0;
        let (x, g) = (slice(x, lx)?, slice(g, lg)?);
        let dw = with_mask(mask, |mask| cpu::weight_gradient(Level::detect(), shapes, x, g, mask, *scale))?;
        Ok((CpuStorage::F32(dw), self.0.w_shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        g: &Tensor,
        _: &Tensor,
        w: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = x.track_op().then(|| self.0.input_gradient(g, w)).transpose()?;
        let dg = g.track_op().then(|| self.0.conv(x, w)).transpose()?;
        Ok((dx, dg))
    }
}

impl CustomOp1 for BiasGradient {
    fn name(&self) -> &'static str {
        "bias-gradient"
    }

    fn cpu_fwd(&self, g: &CpuStorage, lg: &Layout) -> Result<(CpuStorage, Shape)> {
        let channels = *lg.dims().last().expect("four dimensions");
        let g = slice(g, lg)?;
        let sum = with_mask(&self.0, |mask| cpu::bias_gradient(Level::detect(), g, mask, channels))?;
        Ok((CpuStorage::F32(sum), channels.into()))
    }

    fn bwd(&self, g: &Tensor, _: &Tensor, row: &Tensor) -> Result<Option<Tensor>> {
        row.contiguous()?.apply_op1(Spread(self.0.clone(), g.shape().clone())).map(Some)
    }
}

impl CustomOp1 for Spread {
    fn name(&self) -> &'static str {
        "bias-spread"
    }

    fn cpu_fwd(&self, row: &CpuStorage, lr: &Layout) -> Result<(CpuStorage, Shape)> {
        let row = slice(row, lr)?;
        let pixels = self.1.elem_count() / row.len();
        let out = with_mask(&self.0, |mask| cpu::spread(row, mask, pixels))?;
        Ok((CpuStorage::F32(out), self.1.clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        g.contiguous()?.apply_op1(BiasGradient(self.0.clone())).map(Some)
    }
}

impl CustomOp1 for Halve {
    fn name(&self) -> &'static str {
        "halve"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, h, w, c) = lx.shape().dims4()?;
        let y = cpu::halve(Level::detect(), slice(x, lx)?, w, c, self.0);
        Ok((CpuStorage::F32(y), (b, h / 2, w / 2, c).into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        g.contiguous()?.apply_op1(Double(self.0)).map(Some)
    }
}

impl CustomOp1 for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, h, w, c) = lx.shape().dims4()?;
        let y = cpu::double(slice(x, lx)?, w, c, self.0);
        Ok((CpuStorage::F32(y), (b, 2 * h, 2 * w, c).into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        g.contiguous()?.apply_op1(Halve(self.0)).map(Some)
    }
}

impl CustomOp1 for PixelNorm {
    fn name(&self) -> &'static str {
        "pixel-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        let channels = *lx.dims().last().expect("a dimension");
        let y = cpu::pixel_norm(Level::detect(), slice(x, lx)?, None, channels);
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        if first_order() {
            return x.apply_op2(&g.contiguous()?, PixelNormGradient).map(Some);
        }
        Ok(Some(pixel_norm_gradient(x, &reciprocal_rms(x)?, g)?))
    }
}

/// `1 / sqrt(mean(x²) + 1e-8)` over the last dimension, of candle's operators.
fn reciprocal_rms(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.mean_keepdim(D::Minus1)?.affine(1.0, 1e-8)?.sqrt()?.recip()
}

/// `r·g - r³·mean(x·g)·x`, of candle's operators.
fn pixel_norm_gradient(x: &Tensor, r: &Tensor, g: &Tensor) -> Result<Tensor> {
    let along = x.mul(g)?.mean_keepdim(D::Minus1)?.mul(&r.sqr()?.mul(r)?)?;
    g.broadcast_mul(r)?.sub(&x.broadcast_mul(&along)?)
}

impl CustomOp2 for PixelNormGradient {
    fn name(&self) -> &'static str {
        "pixel-norm-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        g: &CpuStorage,
        lg: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let channels = *lx.dims().last().expect("a dimension");
        let dx = cpu::pixel_norm(Level::detect(), slice(x, lx)?, Some(slice(g, lg)?), channels);
        Ok((CpuStorage::F32(dx), lx.shape().clone()))
    }
}

impl CustomOp2 for ModulatedPixelNorm {
    fn name(&self) -> &'static str {
        "modulated-pixel-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        affine: &CpuStorage,
        la: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, _, _, channels) = lx.shape().dims4()?;
        let (x, affine) = (slice(x, lx)?, slice(affine, la)?);
        let y = cpu::modulated_pixel_norm(Level::detect(), x, affine, batch, channels);
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (batch, _, _, channels) = x.dims4()?;
        if !first_order() {
            let (r, (gamma, _)) = (reciprocal_rms(x)?, gamma_beta(affine)?);
            let dx = pixel_norm_gradient(x, &r, &g.broadcast_mul(&gamma.affine(1.0, 1.0)?)?)?;
            let dgamma = g.mul(&x.broadcast_mul(&r)?)?.sum((1, 2))?;
            return Ok((Some(dx), Some(Tensor::cat(&[dgamma, g.sum((1, 2))?], 1)?)));
        }
        let g = g.contiguous()?;
        let (storages, layouts): (Vec<_>, Vec<_>) =
            [x, affine, &g].into_iter().map(Tensor::storage_and_layout).unzip();
        let mut slices = Vec::with_capacity(3);
        for (storage, layout) in storages.iter().zip(layouts) {
            match &**storage {
                Storage::Cpu(storage) => slices.push(slice(storage, layout)?),
                _ => bail!("a fused operator's tensor is not on the CPU"),
            }
        }
        let [x_slice, affine_slice, g_slice] = slices[..] else { unreachable!("three tensors") };
        let (dx, d_affine) = cpu::modulated_pixel_norm_gradient(
            Level::detect(),
            x_slice,
            affine_slice,
            g_slice,
            batch,
            channels,
        );
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(d_affine, affine.shape(), x.device())?)))
    }
}
