//! The blocks of the network under torchvision's names.

use candle_core::{DType, Device, Tensor};

use super::super::state_dict::StateDict;
use crate::error::Result;

/// Added to the variance of batch normalisation.
const EPSILON: f64 = 1e-3;

/// Size, stride and padding of a convolution, rows first.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    size: (usize, usize),
    stride: usize,
    padding: (usize, usize),
}

impl Kernel {
    pub(super) fn square(side: usize) -> Self {
        Self::new(side, side)
    }
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { size: (rows, columns), stride: 1, padding: (0, 0) }
    }
    pub(super) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
    pub(super) fn pad(self, rows: usize, columns: usize) -> Self {
        Self { padding: (rows, columns), ..self }
    }
    /// With padding that keeps the size of the image.
    pub(super) fn same(rows: usize, columns: usize) -> Self {
        Self::new(rows, columns).pad(rows / 2, columns / 2)
    }
}

/// A convolution with batch normalisation folded into it, and a rectifier.
pub(super) struct Conv {
    weight: Tensor, // (O, I, KH, KW)
    bias: Tensor,   // (1, O, 1, 1)
    kernel: Kernel,
}

impl Conv {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, columns) = self.kernel.padding;
        let x = x.pad_with_zeros(2, rows, rows)?.pad_with_zeros(3, columns, columns)?;
        let y = x.conv2d(&self.weight, 0, self.kernel.stride, 1, 1)?;
        Ok(y.broadcast_add(&self.bias)?.relu()?)
    }
}

pub(super) enum Step {
    Conv(Conv),
    /// 3x3 with stride 2.
    MaxPool,
    /// 3x3 with stride 1, which keeps the size.
    Same(Pool),
}

#[derive(Clone, Copy)]
pub(super) enum Pool {
    /// The average over the pixels of the image, without padding.
    Average,
    Max,
}

impl Step {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let around = |x: &Tensor| x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1);
        Ok(match self {
            Self::Conv(conv) => conv.forward(x)?,
            Self::MaxPool => x.max_pool2d_with_stride(3, 2)?,
            // What is pooled comes from a rectifier: a zero around it is never above the largest.
            Self::Same(Pool::Max) => around(x)?.max_pool2d_with_stride(3, 1)?,
            Self::Same(Pool::Average) => {
                let there = around(&Tensor::ones((1, 1, x.dim(2)?, x.dim(3)?), x.dtype(), x.device())?)?;
                let share = there.avg_pool2d_with_stride(3, 1)?;
                around(x)?.avg_pool2d_with_stride(3, 1)?.broadcast_div(&share)?
            }
        })
    }
}

/// Branches of one input whose outputs are concatenated; a branch may have several.
pub(super) struct Mixed(Vec<(Vec<Step>, Vec<Step>)>);

impl Mixed {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut outputs = Vec::new();
        for (steps, ends) in &self.0 {
            let y = steps.iter().try_fold(x.clone(), |x, step| step.forward(&x))?;
            match ends.as_slice() {
                [] => outputs.push(y),
                ends => {
                    for end in ends {
                        outputs.push(end.forward(&y)?);
                    }
                }
            }
        }
        Ok(Tensor::cat(&outputs, 1)?)
    }
}

/// Takes the weights of layers under torchvision's names.
pub(super) struct Build<'a> {
    pub(super) weights: &'a mut StateDict,
    pub(super) device: &'a Device,
}

/// A layer of a branch: its name in the block, its outputs, its kernel.
type Layer = (&'static str, usize, Kernel);

impl Build<'_> {
    pub(super) fn conv(&mut self, name: &str, inputs: usize, outputs: usize, kernel: Kernel) -> Result<Step> {
        let mut take = |part: &str, shape: &[usize]| -> Result<Tensor> {
            Ok(self.weights.take(&format!("{name}.{part}"), shape)?.to_dtype(DType::F64)?)
        };
        let weight = take("conv.weight", &[outputs, inputs, kernel.size.0, kernel.size.1])?;
        let gain = take("bn.weight", &[outputs])?;
        let shift = take("bn.bias", &[outputs])?;
        let mean = take("bn.running_mean", &[outputs])?;
        let variance = take("bn.running_var", &[outputs])?;
        let scale = gain.div(&variance.affine(1.0, EPSILON)?.sqrt()?)?;
        let bias = shift.sub(&mean.mul(&scale)?)?.reshape((1, outputs, 1, 1))?;
        let weight = weight.broadcast_mul(&scale.reshape((outputs, 1, 1, 1))?)?;
        let put = |tensor: Tensor| tensor.to_dtype(DType::F32)?.to_device(self.device);
        Ok(Step::Conv(Conv { weight: put(weight)?, bias: put(bias)?, kernel }))
    }

    /// A sequence of layers.
    fn chain(&mut self, block: &str, mut inputs: usize, layers: &[Layer]) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for &(name, outputs, kernel) in layers {
            steps.push(self.conv(&format!("{block}.{name}"), inputs, outputs, kernel)?);
            inputs = outputs;
        }
        Ok(steps)
    }

    fn branch(&mut self, block: &str, inputs: usize, layers: &[Layer]) -> Result<(Vec<Step>, Vec<Step>)> {
        Ok((self.chain(block, inputs, layers)?, Vec::new()))
    }

    fn pooled(
        &mut self,
        block: &str,
        inputs: usize,
        pool: Pool,
        outputs: usize,
    ) -> Result<(Vec<Step>, Vec<Step>)> {
        let conv = self.conv(&format!("{block}.branch_pool"), inputs, outputs, Kernel::square(1))?;
        Ok((vec![Step::Same(pool), conv], Vec::new()))
    }

    pub(super) fn block_a(&mut self, name: &str, inputs: usize, pool: usize) -> Result<Mixed> {
        let one = Kernel::square(1);
        let three = Kernel::same(3, 3);
        Ok(Mixed(vec![
            self.branch(name, inputs, &[("branch1x1", 64, one)])?,
            self.branch(name, inputs, &[("branch5x5_1", 48, one), ("branch5x5_2", 64, Kernel::same(5, 5))])?,
            self.branch(
                name,
                inputs,
                &[("branch3x3dbl_1", 64, one), ("branch3x3dbl_2", 96, three), ("branch3x3dbl_3", 96, three)],
            )?,
            self.pooled(name, inputs, Pool::Average, pool)?,
        ]))
    }

    pub(super) fn block_b(&mut self, name: &str, inputs: usize) -> Result<Mixed> {
        let halve = Kernel::square(3).stride(2);
        let double = [
            ("branch3x3dbl_1", 64, Kernel::square(1)),
            ("branch3x3dbl_2", 96, Kernel::same(3, 3)),
            ("branch3x3dbl_3", 96, halve),
        ];
        Ok(Mixed(vec![
            self.branch(name, inputs, &[("branch3x3", 384, halve)])?,
            self.branch(name, inputs, &double)?,
            (vec![Step::MaxPool], Vec::new()),
        ]))
    }

    pub(super) fn block_c(&mut self, name: &str, inner: usize) -> Result<Mixed> {
        let (one, wide, high) = (Kernel::square(1), Kernel::same(1, 7), Kernel::same(7, 1));
        let single = [("branch7x7_1", inner, one), ("branch7x7_2", inner, wide), ("branch7x7_3", 192, high)];
        let double = [
            ("branch7x7dbl_1", inner, one),
            ("branch7x7dbl_2", inner, high),
            ("branch7x7dbl_3", inner, wide),
            ("branch7x7dbl_4", inner, high),
            ("branch7x7dbl_5", 192, wide),
        ];
        Ok(Mixed(vec![
            self.branch(name, 768, &[("branch1x1", 192, one)])?,
            self.branch(name, 768, &single)?,
            self.branch(name, 768, &double)?,
            self.pooled(name, 768, Pool::Average, 192)?,
        ]))
    }

    pub(super) fn block_d(&mut self, name: &str, inputs: usize) -> Result<Mixed> {
        let (one, halve) = (Kernel::square(1), Kernel::square(3).stride(2));
        let seven = [
            ("branch7x7x3_1", 192, one),
            ("branch7x7x3_2", 192, Kernel::same(1, 7)),
            ("branch7x7x3_3", 192, Kernel::same(7, 1)),
            ("branch7x7x3_4", 192, halve),
        ];
        Ok(Mixed(vec![
            self.branch(name, inputs, &[("branch3x3_1", 192, one), ("branch3x3_2", 320, halve)])?,
            self.branch(name, inputs, &seven)?,
            (vec![Step::MaxPool], Vec::new()),
        ]))
    }

    pub(super) fn block_e(&mut self, name: &str, inputs: usize, pool: Pool) -> Result<Mixed> {
        let (one, wide, high) = (Kernel::square(1), Kernel::same(1, 3), Kernel::same(3, 1));
        let three = (
            self.chain(name, inputs, &[("branch3x3_1", 384, one)])?,
            [
                self.chain(name, 384, &[("branch3x3_2a", 384, wide)])?,
                self.chain(name, 384, &[("branch3x3_2b", 384, high)])?,
            ]
            .into_iter()
            .flatten()
            .collect(),
        );
        let double = (
            self.chain(
                name,
                inputs,
                &[("branch3x3dbl_1", 448, one), ("branch3x3dbl_2", 384, Kernel::same(3, 3))],
            )?,
            [
                self.chain(name, 384, &[("branch3x3dbl_3a", 384, wide)])?,
                self.chain(name, 384, &[("branch3x3dbl_3b", 384, high)])?,
            ]
            .into_iter()
            .flatten()
            .collect(),
        );
        Ok(Mixed(vec![
            self.branch(name, inputs, &[("branch1x1", 320, one)])?,
            three,
            double,
            self.pooled(name, inputs, pool, 192)?,
        ]))
    }
}
