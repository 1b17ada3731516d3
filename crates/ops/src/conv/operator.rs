//! Convolution in candle's graph.
//!
//! The convolution, its input gradient and its weight gradient are the three partial derivatives of
//! one trilinear form `⟨conv(x, w), g⟩`. The backward of each consists of the other two, so
//! gradients of every order are exact. The mask of the leaky rectifier is read from the saved
//! output and is a constant.

use candle_core::{D, DType, Result, Shape, Tensor};

use super::kernel;
use super::options::ConvOptions;
use super::shapes::{self, Shapes};
use crate::cpu::Level;
use crate::graph::{Operator, apply, asked, records, with_values};
use crate::runtime;

/// [`super::conv2d`] of tensors that [`crate::graph::accepts`] and whose shapes fit.
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
            apply(ConvBiasLrelu(form.clone(), slope), form.y_shape(), [x, w, &bias])
        }
        Some(bias) => apply(ConvBiasLrelu(form.clone(), slope), form.y_shape(), [x, w, bias]),
    }
}

/// The trilinear form: the shapes, the scale of the weights and the mask of its gradients.
#[derive(Clone)]
struct Form {
    shapes: Shapes,
    scale: f32,
    mask: Mask,
}

/// The output of a leaky rectifier, contiguous and detached, and its slope.
type Mask = Option<(Tensor, f32)>;

/// Calls `f` with the elements of the mask.
fn with_mask<T>(mask: &Mask, f: impl FnOnce(shapes::Mask) -> T) -> Result<T> {
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
        apply(Conv(self.clone()), self.y_shape(), [x, w])
    }

    fn input_gradient(&self, g: &Tensor, w: &Tensor) -> Result<Tensor> {
        apply(InputGradient(self.clone()), self.x_shape(), [g, w])
    }

    fn weight_gradient(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        apply(WeightGradient(self.clone()), self.w_shape(), [x, g])
    }

    /// The gradients of `x` and `w` that are wanted.
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

    /// Both gradients at once, without a graph. A thread that has finished its tasks of one gradient
    /// takes tasks of the other.
    fn both_gradients(&self, x: &Tensor, w: &Tensor, g: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let (by_input, by_weights) = (InputGradient(self.clone()), WeightGradient(self.clone()));
        runtime::keep_workers_awake();
        let (dx, dw) = with_values([x, w, g], |[x, w, g]| {
            rayon::join(|| by_input.forward([g, w]), || by_weights.forward([x, g]))
        })?;
        let dx = Tensor::from_vec(dx?, self.x_shape(), x.device())?;
        let dw = Tensor::from_vec(dw?, self.w_shape(), x.device())?;
        Ok([Some(dx), Some(dw)])
    }
}

/// `mask ⊙ conv(x, w)`.
struct Conv(Form);

impl Operator<2> for Conv {
    const NAME: &'static str = "conv2d";

    fn forward(&self, [x, w]: [&[f32]; 2]) -> Result<Vec<f32>> {
        let Form { shapes, scale, mask } = &self.0;
        with_mask(mask, |mask| kernel::forward(Level::detect(), shapes, x, w, *scale, None, None, mask))
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

/// `lrelu(conv(x, w) + bias)`.
struct ConvBiasLrelu(Form, Option<f32>);

impl Operator<3> for ConvBiasLrelu {
    const NAME: &'static str = "conv2d-bias-lrelu";

    fn forward(&self, [x, w, bias]: [&[f32]; 3]) -> Result<Vec<f32>> {
        let Form { shapes, scale, .. } = &self.0;
        Ok(kernel::forward(Level::detect(), shapes, x, w, *scale, Some(bias), self.1, None))
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

/// The gradient of `x`, as a function of `(g, w)`.
struct InputGradient(Form);

impl Operator<2> for InputGradient {
    const NAME: &'static str = "conv2d-input-gradient";

    fn forward(&self, [g, w]: [&[f32]; 2]) -> Result<Vec<f32>> {
        let Form { shapes, scale, mask } = &self.0;
        with_mask(mask, |mask| kernel::input_gradient(Level::detect(), shapes, g, mask, w, *scale))
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

/// The gradient of `w`, as a function of `(x, g)`.
struct WeightGradient(Form);

impl Operator<2> for WeightGradient {
    const NAME: &'static str = "conv2d-weight-gradient";

    fn forward(&self, [x, g]: [&[f32]; 2]) -> Result<Vec<f32>> {
        let Form { shapes, scale, mask } = &self.0;
        with_mask(mask, |mask| kernel::weight_gradient(Level::detect(), shapes, x, g, mask, *scale))
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

/// The gradient of the bias, as a function of `g`.
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
        with_mask(&self.mask, |mask| kernel::bias_gradient(Level::detect(), g, mask, channels))
    }

    fn backward(
        &self,
        _: [&Tensor; 1],
        _: &Tensor,
        row: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let broadcast = BiasBroadcast { mask: self.mask.clone(), shape: self.shape.clone() };
        Ok([Some(apply(broadcast, self.shape.clone(), [row])?)])
    }
}

/// The adjoint of [`BiasGradient`]: a row of channels at every pixel, times the mask.
struct BiasBroadcast {
    mask: Mask,
    shape: Shape,
}

impl Operator<1> for BiasBroadcast {
    const NAME: &'static str = "bias-broadcast";

    fn forward(&self, [row]: [&[f32]; 1]) -> Result<Vec<f32>> {
        let pixels = self.shape.elem_count() / row.len();
        with_mask(&self.mask, |mask| kernel::bias_broadcast(row, mask, pixels))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(bias_gradient(&self.mask, g)?)])
    }
}
