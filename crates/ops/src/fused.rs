//! Convolution as candle operators on the kernels of [`crate::cpu`].
//!
//! `conv`, its input gradient and its weight gradient are the three partners of one trilinear form
//! `<conv(x, w), g>`: the backward of each is made of the other two, so gradients of every order
//! are exact. The leaky rectifier's mask is read from the saved output and is a constant.

use candle_core::{D, DType, Result, Shape, Tensor};

use crate::conv2d::ConvOptions;
use crate::cpu::{self, Level, Shapes};
use crate::grad::{asked, records};
use crate::graph::{Operator, apply, with_values};
use crate::norm::gamma_beta;
use crate::process;

/// Shapes, scale and mask: what the three partners share.
#[derive(Clone)]
struct Form {
    shapes: Shapes,
    scale: f32,
    /// The output of a leaky rectifier and its slope. Shaped like `y`, contiguous, detached.
    mask: Mask,
}

type Mask = Option<(Tensor, f32)>;

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
    match bias {
        None if slope.is_none() => form.conv(x, w),
        None => {
            let bias = Tensor::zeros(outputs, DType::F32, x.device())?;
            apply(Rectified(form.clone(), slope), form.y_shape(), [x, w, &bias])
        }
        Some(bias) => apply(Rectified(form.clone(), slope), form.y_shape(), [x, w, bias]),
    }
}

/// Whether fused operators take this tensor.
pub(crate) fn takes(t: &Tensor) -> bool {
    t.device().is_cpu() && t.dtype() == DType::F32 && t.elem_count() > 0
}

/// Average pooling over 2x2 pixels of even sides.
pub(crate) fn avg_pool2(x: &Tensor) -> Result<Tensor> {
    halve(x, 0.25)
}

/// Nearest-neighbour doubling.
pub(crate) fn upsample2(x: &Tensor) -> Result<Tensor> {
    double(x, 1.0)
}

/// [`crate::norm::pixel_norm`] of a tensor of rank 1 or more.
pub(crate) fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    apply(PixelNorm(x.dim(D::Minus1)?), x.shape(), [x])
}

/// [`crate::norm::modulated_pixel_norm`]; shapes were checked.
pub(crate) fn modulated_pixel_norm(x: &Tensor, affine: &Tensor) -> Result<Tensor> {
    let (batch, _, _, channels) = x.dims4()?;
    apply(ModulatedPixelNorm { batch, channels }, x.shape(), [x, affine])
}

/// [`crate::resample::fade`] of tensors of one shape.
pub(crate) fn fade(new: &Tensor, old: &Tensor, alpha: f64) -> Result<Tensor> {
    apply(Blend(alpha as f32, (1.0 - alpha) as f32), new.shape(), [new, old])
}

/// [`crate::norm::minibatch_stddev`]; shapes were checked.
pub(crate) fn minibatch_stddev(x: &Tensor, group: usize) -> Result<Tensor> {
    let (b, h, w, channels) = x.dims4()?;
    apply(MinibatchStddev { group, pixels: h * w, channels }, (b, h, w, channels + 1), [x])
}

/// The sum of the squares of a tensor's numbers.
pub(crate) fn sum_of_squares(x: &Tensor) -> Result<f32> {
    with_values([&x.contiguous()?], |[x]| cpu::sum_of_squares(Level::detect(), x))
}

/// Calls `f` with the numbers of the mask.
fn with_mask<T>(mask: &Mask, f: impl FnOnce(cpu::Mask) -> T) -> Result<T> {
    match mask {
        None => Ok(f(None)),
        Some((y, slope)) => with_values([y], |[y]| f(Some((y, *slope)))),
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
        apply(Linear(self.clone()), self.y_shape(), [x, w])
    }

    fn input_gradient(&self, g: &Tensor, w: &Tensor) -> Result<Tensor> {
        apply(InputGradient(self.clone()), self.x_shape(), [g, w])
    }

    fn weight_gradient(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        apply(WeightGradient(self.clone()), self.w_shape(), [x, g])
    }

    /// Gradients of `x` and `w`, where wanted.
    fn gradients(
        &self,
        x: &Tensor,
        w: &Tensor,
        g: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let wanted = [wanted[0], wanted[1] && asked(w)];
        if wanted == [true, true] && !records() {
            return self.both_gradients(x, w, g);
        }
        let dx = wanted[0].then(|| self.input_gradient(g, w)).transpose()?;
        let dw = wanted[1].then(|| self.weight_gradient(x, g)).transpose()?;
        Ok([dx, dw])
    }

    /// Both gradients at once, without a graph: where the tasks of one do not come out even, a
    /// thread takes those of the other.
    fn both_gradients(&self, x: &Tensor, w: &Tensor, g: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let (by_input, by_weights) = (InputGradient(self.clone()), WeightGradient(self.clone()));
        process::attend();
        let (dx, dw) = with_values([x, w, g], |[x, w, g]| {
            rayon::join(|| by_input.forward([g, w]), || by_weights.forward([x, g]))
        })?;
        let dx = Tensor::from_vec(dx?, self.x_shape(), x.device())?;
        let dw = Tensor::from_vec(dw?, self.w_shape(), x.device())?;
        Ok([Some(dx), Some(dw)])
    }
}

/// `mask ⊙ conv(x, w)`
struct Linear(Form);

impl Operator<2> for Linear {
    const NAME: &'static str = "conv2d";

    fn forward(&self, [x, w]: [&[f32]; 2]) -> Result<Vec<f32>> {
        let Form { shapes, scale, mask } = &self.0;
        with_mask(mask, |mask| cpu::forward(Level::detect(), shapes, x, w, *scale, None, None, mask))
    }

    fn backward(
        &self,
        [x, w]: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        self.0.gradients(x, w, g, wanted)
    }
}

/// `lrelu(conv(x, w) + bias)`
struct Rectified(Form, Option<f32>);

impl Operator<3> for Rectified {
    const NAME: &'static str = "conv2d-bias-lrelu";

    fn forward(&self, [x, w, bias]: [&[f32]; 3]) -> Result<Vec<f32>> {
        let Form { shapes, scale, .. } = &self.0;
        Ok(cpu::forward(Level::detect(), shapes, x, w, *scale, Some(bias), self.1, None))
    }

    fn backward(
        &self,
        [x, w, bias]: [&Tensor; 3],
        y: &Tensor,
        g: &Tensor,
        wanted: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let mask = self.1.map(|slope| (y.clone(), slope));
        let db = (wanted[2] && asked(bias)).then(|| bias_gradient(&mask, g)).transpose()?;
        let [dx, dw] = Form { mask, ..self.0.clone() }.gradients(x, w, g, [wanted[0], wanted[1]])?;
        Ok([dx, dw, db])
    }
}

/// `(g, w)` to the gradient of `x`
struct InputGradient(Form);

impl Operator<2> for InputGradient {
    const NAME: &'static str = "conv2d-input-gradient";

    fn forward(&self, [g, w]: [&[f32]; 2]) -> Result<Vec<f32>> {
        let Form { shapes, scale, mask } = &self.0;
        with_mask(mask, |mask| cpu::input_gradient(Level::detect(), shapes, g, mask, w, *scale))
    }

    fn backward(
        &self,
        [g, w]: [&Tensor; 2],
        _: &Tensor,
        x: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let dg = wanted[0].then(|| self.0.conv(x, w)).transpose()?;
        let dw = (wanted[1] && asked(w)).then(|| self.0.weight_gradient(x, g)).transpose()?;
        Ok([dg, dw])
    }
}

/// `(x, g)` to the gradient of `w`
struct WeightGradient(Form);

impl Operator<2> for WeightGradient {
    const NAME: &'static str = "conv2d-weight-gradient";

    fn forward(&self, [x, g]: [&[f32]; 2]) -> Result<Vec<f32>> {
        let Form { shapes, scale, mask } = &self.0;
        with_mask(mask, |mask| cpu::weight_gradient(Level::detect(), shapes, x, g, mask, *scale))
    }

    fn backward(
        &self,
        [x, g]: [&Tensor; 2],
        _: &Tensor,
        w: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let dx = wanted[0].then(|| self.0.input_gradient(g, w)).transpose()?;
        let dg = wanted[1].then(|| self.0.conv(x, w)).transpose()?;
        Ok([dx, dg])
    }
}

/// `g` to the gradient of the bias
struct BiasGradient {
    mask: Mask,
    shape: Shape,
}

fn bias_gradient(mask: &Mask, g: &Tensor) -> Result<Tensor> {
    let channels = g.dim(D::Minus1)?;
    apply(BiasGradient { mask: mask.clone(), shape: g.shape().clone() }, channels, [g])
}

impl Operator<1> for BiasGradient {
    const NAME: &'static str = "bias-gradient";

    fn forward(&self, [g]: [&[f32]; 1]) -> Result<Vec<f32>> {
        let channels = self.shape.dims().last().copied().unwrap_or(1);
        with_mask(&self.mask, |mask| cpu::bias_gradient(Level::detect(), g, mask, channels))
    }

    fn backward(
        &self,
        _: [&Tensor; 1],
        _: &Tensor,
        row: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let spread = Spread { mask: self.mask.clone(), shape: self.shape.clone() };
        Ok([Some(apply(spread, self.shape.clone(), [row])?)])
    }
}

/// A row of channels, repeated for every pixel, times the mask
struct Spread {
    mask: Mask,
    shape: Shape,
}

impl Operator<1> for Spread {
    const NAME: &'static str = "bias-spread";

    fn forward(&self, [row]: [&[f32]; 1]) -> Result<Vec<f32>> {
        let pixels = self.shape.elem_count() / row.len();
        with_mask(&self.mask, |mask| cpu::spread(row, mask, pixels))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(bias_gradient(&self.mask, g)?)])
    }
}

/// Sums of 2x2 pixels times a factor
struct Halve {
    /// The input's.
    width: usize,
    channels: usize,
    factor: f32,
}

fn halve(x: &Tensor, factor: f32) -> Result<Tensor> {
    let (b, h, width, channels) = x.dims4()?;
    apply(Halve { width, channels, factor }, (b, h / 2, width / 2, channels), [x])
}

impl Operator<1> for Halve {
    const NAME: &'static str = "halve";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(cpu::halve(Level::detect(), x, self.width, self.channels, self.factor))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(double(g, self.factor)?)])
    }
}

/// Every pixel as 2x2 equal ones, times a factor: the adjoint of [`Halve`]
struct Double {
    /// The input's.
    width: usize,
    channels: usize,
    factor: f32,
}

fn double(x: &Tensor, factor: f32) -> Result<Tensor> {
    let (b, h, width, channels) = x.dims4()?;
    apply(Double { width, channels, factor }, (b, 2 * h, 2 * width, channels), [x])
}

impl Operator<1> for Double {
    const NAME: &'static str = "double";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(cpu::double(x, self.width, self.channels, self.factor))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(halve(g, self.factor)?)])
    }
}

/// `p·a + q·b`
struct Blend(f32, f32);

impl Operator<2> for Blend {
    const NAME: &'static str = "blend";

    fn forward(&self, [a, b]: [&[f32]; 2]) -> Result<Vec<f32>> {
        Ok(cpu::blend(Level::detect(), (self.0, a), (self.1, b)))
    }

    fn backward(
        &self,
        _: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let scaled = |factor, wanted: bool| wanted.then(|| apply(Scaled(factor), g.shape(), [g])).transpose();
        Ok([scaled(self.0, wanted[0])?, scaled(self.1, wanted[1])?])
    }
}

/// `p·x`
struct Scaled(f32);

impl Operator<1> for Scaled {
    const NAME: &'static str = "scaled";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(cpu::scaled(x, self.0))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(apply(Scaled(self.0), g.shape(), [g])?)])
    }
}

/// `x` and the mean deviation of its group as one channel more
struct MinibatchStddev {
    group: usize,
    pixels: usize,
    channels: usize,
}

impl Operator<1> for MinibatchStddev {
    const NAME: &'static str = "minibatch-stddev";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(cpu::minibatch_stddev(Level::detect(), x, self.group, self.pixels, self.channels))
    }

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let &Self { group, pixels, channels } = self;
        if records() {
            return Ok([Some(minibatch_stddev_gradient(x, g, group)?)]);
        }
        let dx = with_values([x, g], |[x, g]| {
            cpu::minibatch_stddev_gradient(Level::detect(), x, g, group, pixels, channels)
        })?;
        Ok([Some(Tensor::from_vec(dx, x.shape(), x.device())?)])
    }
}

/// `g + Σ g_last / (F·G) · (x - mean) / deviation`, of candle's operators.
fn minibatch_stddev_gradient(x: &Tensor, g: &Tensor, group: usize) -> Result<Tensor> {
    let (b, h, w, channels) = x.dims4()?;
    let (groups, features) = (b / group, h * w * channels);
    let x = x.reshape((groups, group, features))?;
    let centred = x.broadcast_sub(&x.mean_keepdim(1)?)?;
    let deviation = centred.sqr()?.mean_keepdim(1)?.affine(1.0, 1e-8)?.sqrt()?; // (B / G, 1, F)
    let all = g.narrow(3, channels, 1)?.contiguous()?.reshape((groups, group * h * w))?.sum_keepdim(1)?;
    let share = all.affine(1.0 / (group * features) as f64, 0.0)?.reshape((groups, 1, 1))?;
    let through = centred.broadcast_div(&deviation)?.broadcast_mul(&share)?;
    g.narrow(3, 0, channels)?.contiguous()?.add(&through.reshape((b, h, w, channels))?)
}

/// `x / rms(x)` over so many channels
struct PixelNorm(usize);

impl Operator<1> for PixelNorm {
    const NAME: &'static str = "pixel-norm";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(cpu::pixel_norm(Level::detect(), x, None, self.0))
    }

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if records() {
            return Ok([Some(pixel_norm_gradient(x, &reciprocal_rms(x)?, g)?)]);
        }
        let dx = with_values([x, g], |[x, g]| cpu::pixel_norm(Level::detect(), x, Some(g), self.0))?;
        Ok([Some(Tensor::from_vec(dx, x.shape(), x.device())?)])
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

/// `(1 + gamma) · x / rms(x) + beta` of `x` and `(B, 2C)`
struct ModulatedPixelNorm {
    batch: usize,
    channels: usize,
}

impl Operator<2> for ModulatedPixelNorm {
    const NAME: &'static str = "modulated-pixel-norm";

    fn forward(&self, [x, affine]: [&[f32]; 2]) -> Result<Vec<f32>> {
        Ok(cpu::modulated_pixel_norm(Level::detect(), x, affine, self.batch, self.channels))
    }

    fn backward(
        &self,
        [x, affine]: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        if records() {
            let (r, (gamma, _)) = (reciprocal_rms(x)?, gamma_beta(affine)?);
            let dx = pixel_norm_gradient(x, &r, &g.broadcast_mul(&gamma.affine(1.0, 1.0)?)?)?;
            let dgamma = g.mul(&x.broadcast_mul(&r)?)?.sum((1, 2))?;
            return Ok([Some(dx), Some(Tensor::cat(&[dgamma, g.sum((1, 2))?], 1)?)]);
        }
        let (dx, d_affine) = with_values([x, affine, g], |[x, affine, g]| {
            cpu::modulated_pixel_norm_gradient(Level::detect(), x, affine, g, self.batch, self.channels)
        })?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok([Some(dx), Some(Tensor::from_vec(d_affine, affine.shape(), x.device())?)])
    }
}
