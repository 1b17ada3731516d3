//! Convolution in candle's graph.
//!
//! The convolution, its input gradient and its weight gradient are the three partial derivatives of
//! one trilinear form `⟨conv(x, w), g⟩`. The backward of each consists of the other two, so
//! gradients of every order are exact. The mask of the leaky rectifier is read from the saved
//! output and is a constant.

use candle_core::{CpuStorage, D, DType, Result, Shape, Tensor, bail};
use half::bf16;

use super::options::ConvOptions;
use super::shapes::{self, Epilogue, Shapes};
use super::{direct, kernel, patches};
use crate::cpu::tiles::Tiles;
use crate::cpu::{Level, rounding, scratch};
use crate::graph::{Elements, Operator, apply, asked, from_storage, in_type, records, values, with_elements};
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
    let dtypes = (x.dtype(), options.dtype.unwrap_or(x.dtype()));
    let form = Form { shapes, scale: options.scale as f32, mask: None, dtypes };
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

/// The trilinear form: the shapes, the scale of the weights, the mask of its gradients, and the element
/// types of the input and the result.
#[derive(Clone)]
struct Form {
    shapes: Shapes,
    scale: f32,
    mask: Mask,
    dtypes: (DType, DType),
}

/// The output of a leaky rectifier, contiguous and detached, and its slope.
type Mask = Option<(Tensor, f32)>;

/// Calls `f` with the elements of the mask.
fn with_mask<T>(mask: &Mask, f: impl FnOnce(Option<(Elements, f32)>) -> Result<T>) -> Result<T> {
    match mask {
        None => f(None),
        Some((y, slope)) => with_elements([y], |[y]| f(Some((y, *slope))))?,
    }
}

/// Calls `f` with elements and those of the mask, both as `f32`.
fn with_wide<T>(
    x: Elements,
    mask: Option<(Elements, f32)>,
    f: impl FnOnce(&[f32], shapes::Mask<f32>) -> T,
) -> T {
    x.with_wide(|x| match mask {
        None => f(x, None),
        Some((y, slope)) => y.with_wide(|y| f(x, Some((y, slope)))),
    })
}

/// The mask of a result of `bf16`.
fn bf16_mask(mask: Option<(Elements, f32)>) -> Result<shapes::Mask<bf16>> {
    match mask {
        None => Ok(None),
        Some((Elements::Bf16(y), slope)) => Ok(Some((y, slope))),
        Some((Elements::F32(_), _)) => bail!("a convolution of bf16 with a mask of f32"),
    }
}

/// The mask of a result of `f32`.
fn f32_mask(mask: Option<(Elements, f32)>) -> Result<shapes::Mask<f32>> {
    match mask {
        None => Ok(None),
        Some((Elements::F32(y), slope)) => Ok(Some((y, slope))),
        Some((Elements::Bf16(_), _)) => bail!("a convolution of f32 with a mask of bf16"),
    }
}

/// Runs a kernel on elements of either type.
macro_rules! of_either_type {
    ($x:ident => $kernel:expr) => {
        match $x {
            Elements::F32($x) => $kernel,
            Elements::Bf16($x) => $kernel,
        }
    };
}

/// Runs a kernel on a gradient of either type, with its mask.
macro_rules! of_either_gradient {
    ($g:ident, $mask:ident => $kernel:expr) => {
        match $g {
            Elements::F32(g) => {
                let $g = (g, f32_mask($mask)?);
                $kernel
            }
            Elements::Bf16(g) => {
                let $g = (g, bf16_mask($mask)?);
                $kernel
            }
        }
    };
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

    /// The tile instructions that compute this convolution of `bf16`, if the processor has any that do.
    fn tiles(&self) -> Option<Tiles> {
        if self.shapes.is_padded_3x3() { Tiles::detect() } else { None }
    }

    /// Calls `f` with the scaled weights, rounded to `bf16`, and the remaining scale 1.
    fn with_rounded<R>(&self, w: &[f32], f: impl FnOnce(shapes::Scaled) -> R) -> R {
        scratch::with(w.len(), |rounded| {
            rounding::round_scaled(Level::detect(), w, self.scale, rounded);
            f((rounded, 1.0))
        })
    }

    /// `mask ⊙ lrelu(conv(x, w) + bias)`.
    fn value(&self, x: Elements, w: &[f32], bias: Option<&[f32]>, slope: Option<f32>) -> Result<CpuStorage> {
        let Self { shapes, scale, mask, dtypes: (_, dtype) } = self;
        with_mask(mask, |mask| match (x, dtype) {
            (Elements::Bf16(x), DType::BF16) => {
                let mask = bf16_mask(mask)?;
                Ok(CpuStorage::BF16(match self.tiles() {
                    Some(tiles) => direct::forward(tiles, shapes, x, (w, *scale), bias, slope, mask),
                    None => self.with_rounded(w, |w| {
                        kernel::forward(Level::detect(), shapes, x, w, bias, slope, mask)
                    }),
                }))
            }
            _ if shapes.is_padded_3x3() => {
                let y = with_wide(x, mask, |x, mask| {
                    kernel::forward(Level::detect(), shapes, x, (w, *scale), bias, slope, mask)
                });
                Ok(in_type(y, *dtype))
            }
            (_, DType::BF16) => {
                let epilogue = Epilogue { bias, slope, mask: bf16_mask(mask)?, down: false };
                let y = of_either_type!(x => patches::forward(Level::detect(), shapes, x, (w, *scale), &epilogue));
                Ok(CpuStorage::BF16(y))
            }
            _ => {
                let epilogue = Epilogue { bias, slope, mask: f32_mask(mask)?, down: false };
                let y = of_either_type!(x => patches::forward(Level::detect(), shapes, x, (w, *scale), &epilogue));
                Ok(CpuStorage::F32(y))
            }
        })
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
        let (dx, dw) = with_elements([x, w, g], |[x, w, g]| {
            rayon::join(|| by_input.forward([g, w]), || by_weights.forward([x, g]))
        })?;
        Ok([Some(from_storage(dx?, &self.x_shape())?), Some(from_storage(dw?, &self.w_shape())?)])
    }
}

/// `mask ⊙ conv(x, w)`.
struct Conv(Form);

impl Operator<2> for Conv {
    const NAME: &'static str = "conv2d";

    fn forward(&self, [x, w]: [Elements; 2]) -> Result<CpuStorage> {
        let [w] = values([w])?;
        self.0.value(x, w, None, None)
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

    fn forward(&self, [x, w, bias]: [Elements; 3]) -> Result<CpuStorage> {
        let [w, bias] = values([w, bias])?;
        self.0.value(x, w, Some(bias), self.1)
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

    fn forward(&self, [g, w]: [Elements; 2]) -> Result<CpuStorage> {
        let Form { shapes, scale, mask, dtypes: (dtype, _) } = &self.0;
        let [w] = values([w])?;
        with_mask(mask, |mask| match (g, dtype) {
            (Elements::Bf16(g), DType::BF16) => {
                let g = (g, bf16_mask(mask)?);
                Ok(CpuStorage::BF16(match self.0.tiles() {
                    Some(tiles) => direct::input_gradient(tiles, shapes, g, (w, *scale)),
                    None => self.0.with_rounded(w, |w| kernel::input_gradient(Level::detect(), shapes, g, w)),
                }))
            }
            _ if shapes.is_padded_3x3() => {
                let dx = with_wide(g, mask, |g, mask| {
                    kernel::input_gradient(Level::detect(), shapes, (g, mask), (w, *scale))
                });
                Ok(in_type(dx, *dtype))
            }
            (_, DType::BF16) => Ok(CpuStorage::BF16(of_either_gradient!(g, mask => {
                patches::input_gradient(Level::detect(), shapes, g, (w, *scale))
            }))),
            _ => Ok(CpuStorage::F32(of_either_gradient!(g, mask => {
                patches::input_gradient(Level::detect(), shapes, g, (w, *scale))
            }))),
        })
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

    fn forward(&self, [x, g]: [Elements; 2]) -> Result<CpuStorage> {
        let Form { shapes, scale, mask, .. } = &self.0;
        with_mask(mask, |mask| {
            Ok(CpuStorage::F32(match (x, g) {
                (Elements::Bf16(x), Elements::Bf16(g)) => {
                    let g = (g, bf16_mask(mask)?);
                    match self.0.tiles() {
                        Some(tiles) => direct::weight_gradient(tiles, shapes, x, g, *scale),
                        None => kernel::weight_gradient(Level::detect(), shapes, x, g, *scale),
                    }
                }
                (x, g) if shapes.is_padded_3x3() => x.with_wide(|x| {
                    with_wide(g, mask, |g, mask| {
                        kernel::weight_gradient(Level::detect(), shapes, x, (g, mask), *scale)
                    })
                }),
                (x, g) => of_either_gradient!(g, mask => {
                    of_either_type!(x => patches::weight_gradient(Level::detect(), shapes, x, g, *scale))
                }),
            }))
        })
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

    fn forward(&self, [g]: [Elements; 1]) -> Result<CpuStorage> {
        let channels = self.shape.dims().last().copied().unwrap_or(1);
        with_mask(&self.mask, |mask| {
            Ok(CpuStorage::F32(match (g, mask) {
                (Elements::Bf16(g), mask) => {
                    kernel::bias_gradient(Level::detect(), g, bf16_mask(mask)?, channels)
                }
                (g, mask) => {
                    with_wide(g, mask, |g, mask| kernel::bias_gradient(Level::detect(), g, mask, channels))
                }
            }))
        })
    }

    fn backward(
        &self,
        [g]: [&Tensor; 1],
        _: &Tensor,
        row: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let broadcast =
            BiasBroadcast { mask: self.mask.clone(), shape: self.shape.clone(), dtype: g.dtype() };
        Ok([Some(apply(broadcast, self.shape.clone(), [row])?)])
    }
}

/// The adjoint of [`BiasGradient`]: a row of channels at every pixel, times the mask.
struct BiasBroadcast {
    mask: Mask,
    shape: Shape,
    dtype: DType,
}

impl Operator<1> for BiasBroadcast {
    const NAME: &'static str = "bias-broadcast";

    fn forward(&self, [row]: [Elements; 1]) -> Result<CpuStorage> {
        let [row] = values([row])?;
        let pixels = self.shape.elem_count() / row.len();
        let all = |mask: shapes::Mask<f32>| in_type(kernel::bias_broadcast(row, mask, pixels), self.dtype);
        with_mask(&self.mask, |mask| {
            Ok(match mask {
                None => all(None),
                Some((y, slope)) => y.with_wide(|y| all(Some((y, slope)))),
            })
        })
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(bias_gradient(&self.mask, g)?)])
    }
}
