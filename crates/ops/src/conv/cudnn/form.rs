//! The trilinear form of a convolution, and its partial derivatives.

use candle_core::Shape;

use crate::conv::shapes::Shapes;

/// The tensors of the form `⟨conv(x, w), y⟩`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Term {
    Input,
    Weights,
    Output,
}

/// The derivative of the form with respect to one tensor, of the other two in the order of [`Term`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolution {
    pub(super) result: Term,
    pub(super) shapes: Shapes,
}

impl Convolution {
    pub(super) fn operands(&self) -> [Term; 2] {
        match self.result {
            Term::Input => [Term::Weights, Term::Output],
            Term::Weights => [Term::Input, Term::Output],
            Term::Output => [Term::Input, Term::Weights],
        }
    }

    /// The shape of the result.
    pub(super) fn shape(&self) -> Shape {
        let s = &self.shapes;
        match self.result {
            Term::Input => (s.batch, s.height, s.width, s.inputs).into(),
            Term::Weights => (s.outputs, s.kernel, s.kernel, s.inputs).into(),
            Term::Output => (s.batch, s.out_height(), s.out_width(), s.outputs).into(),
        }
    }
}
