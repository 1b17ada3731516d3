//! The terms in which the kernels of a convolution are described.

use std::mem::MaybeUninit;

/// The shapes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shapes {
    pub(crate) batch: usize,
    /// The sides of the input, before upsampling.
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    pub(crate) padding: usize,
    /// Whether the input is upsampled first.
    pub(crate) up: bool,
}

/// A tensor and a slope: elements of another tensor of that shape are multiplied by the slope where
/// this tensor is not positive.
pub(crate) type Mask<'a, E> = Option<(&'a [E], f32)>;

/// The weights of a convolution and their factor.
pub(crate) type Scaled<'a> = (&'a [f32], f32);

impl Shapes {
    /// Whether this is a 3x3 convolution with padding 1, the form that has kernels of its own.
    pub(crate) fn is_padded_3x3(&self) -> bool {
        self.kernel == 3 && self.padding == 1
    }

    pub(crate) fn seen_height(&self) -> usize {
        self.height << usize::from(self.up)
    }

    pub(crate) fn seen_width(&self) -> usize {
        self.width << usize::from(self.up)
    }

    pub(crate) fn out_height(&self) -> usize {
        self.seen_height() + 2 * self.padding + 1 - self.kernel
    }

    pub(crate) fn out_width(&self) -> usize {
        self.seen_width() + 2 * self.padding + 1 - self.kernel
    }

    pub(crate) fn x_len(&self) -> usize {
        self.batch * self.height * self.width * self.inputs
    }

    pub(crate) fn w_len(&self) -> usize {
        self.kernel * self.kernel * self.inputs * self.outputs
    }

    pub(crate) fn y_len(&self) -> usize {
        self.batch * self.out_height() * self.out_width() * self.outputs
    }

    /// The input as the convolution reads it.
    pub(crate) fn x<'a, E>(&self, x: &'a [E]) -> Images<'a, E> {
        Images {
            data: x,
            mask: None,
            batch: self.batch,
            height: self.seen_height(),
            width: self.seen_width(),
            channels: self.inputs,
            up: self.up,
        }
    }

    /// The gradient of the output, times the mask.
    pub(crate) fn g<'a, E>(&self, g: &'a [E], mask: Mask<'a, E>) -> Images<'a, E> {
        Images {
            data: g,
            mask,
            batch: self.batch,
            height: self.out_height(),
            width: self.out_width(),
            channels: self.outputs,
            up: false,
        }
    }
}

/// A batch of NHWC images as a convolution reads them.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a, E> {
    /// `(batch, height, width, channels)`; with `up`, half of each side.
    pub(crate) data: &'a [E],
    /// Has the shape of `data`.
    pub(crate) mask: Mask<'a, E>,
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// Whether the images are upsampled as they are read.
    pub(crate) up: bool,
}

/// The weights of a convolution. `inputs` and `outputs` count the channels of the images that are
/// read and written.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    /// `(3, 3, inputs, outputs)`; if `rotated`, `(3, 3, outputs, inputs)`.
    pub(crate) data: &'a [f32],
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Whether to use the rotated kernel: the gradient of the input of a convolution with `data`.
    pub(crate) rotated: bool,
    pub(crate) scale: f32,
}

/// The operations on the sums of a convolution before they are written.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a, E> {
    pub(crate) bias: Option<&'a [f32]>,
    /// The slope of the leaky rectifier.
    pub(crate) slope: Option<f32>,
    /// Has the shape of the output.
    pub(crate) mask: Mask<'a, E>,
    /// Whether 2x2 pixels are summed into one.
    pub(crate) down: bool,
}

impl<E> Default for Epilogue<'_, E> {
    fn default() -> Self {
        Self { bias: None, slope: None, mask: None, down: false }
    }
}

/// The part of the output that a task writes: rows of pixels of one image.
pub(crate) struct OutputRows<'a, E> {
    pub(crate) data: &'a mut [MaybeUninit<E>],
    /// Pixels of a row and rows, before `down`.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    /// The offset of `data` in the whole output.
    pub(crate) start: usize,
}
