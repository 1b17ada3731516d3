//! The launch of a kernel as data.

use candle_core::Shape;

/// A kernel of an operator, and its arguments besides tensors.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The name in `kernels.cu`, without the type of the first operand.
    pub(super) kernel: &'static str,
    pub(super) numbers: Vec<f32>,
    pub(super) counts: Vec<usize>,
    pub(super) grid: Grid,
}

impl Launch {
    /// A kernel with a thread for each element of the result.
    pub(crate) fn elementwise<const N: usize, const M: usize>(
        kernel: &'static str,
        numbers: [f32; N],
        counts: [usize; M],
    ) -> Self {
        Self { kernel, numbers: numbers.into(), counts: counts.into(), grid: Grid::Elements }
    }

    /// A kernel with a warp for each pixel of the result. `counts` begins with the number of channels.
    pub(crate) fn of_pixels<const N: usize>(kernel: &'static str, counts: [usize; N]) -> Self {
        Self { kernel, numbers: Vec::new(), counts: counts.into(), grid: Grid::Pixels(counts[0]) }
    }
}

/// What the threads of a kernel compute. The number of items is the last argument of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grid {
    /// A thread computes an element of the result.
    Elements,
    /// A warp computes a pixel of so many channels.
    Pixels(usize),
}

impl Grid {
    /// The number of items, and that of the threads of one.
    pub(super) fn of(self, result: &Shape) -> (usize, usize) {
        match self {
            Self::Elements => (result.elem_count(), 1),
            Self::Pixels(channels) => (result.elem_count() / channels, 32),
        }
    }
}
