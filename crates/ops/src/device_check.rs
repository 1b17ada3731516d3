//! A check of a device's gradients against those of the CPU.
//!
//! On devices other than the CPU the operators of this crate are composed of candle's, some of which have had
//! wrong gradients on Metal (weights of a convolution, views of a pooled tensor). A training there would go
//! wrong without an error. The check computes values, gradients and gradients of gradients of each operator on
//! small inputs on both, in a second or two.

use candle_core::{DType, Device, Result, Tensor, Var, bail};

use crate::grad::{gradients, input_gradient};
use crate::rng::{Key, normal};
use crate::{
    ConvOptions, avg_pool2, conv2d, fade, leaky_relu, lstm, minibatch_stddev, modulated_pixel_norm,
    pixel_norm, softplus, upsample2, upsample2_smooth,
};

/// The largest difference, as a fraction of the largest expected value: many times the rounding error of `f32`
/// sums, far below that of a wrong formula.
const TOLERANCE: f64 = 2e-3;

/// An operator on inputs of some shapes.
struct Case {
    name: &'static str,
    shapes: &'static [&'static [usize]],
    of: fn(&[Var]) -> Result<Tensor>,
    /// Whether the operator can be differentiated twice.
    twice: bool,
}

const MAP: &[usize] = &[4, 6, 6, 3];

const CASES: [Case; 11] = [
    Case {
        name: "the convolution with bias and leaky rectifier",
        shapes: &[MAP, &[3, 3, 3, 5], &[5]],
        of: |x| {
            let options = ConvOptions { padding: 1, slope: Some(0.2), ..ConvOptions::default() };
            conv2d(&x[0], &x[1], Some(&x[2]), options)
        },
        twice: true,
    },
    Case {
        name: "the convolution of an upsampled image",
        shapes: &[MAP, &[3, 3, 3, 5]],
        of: |x| {
            let options = ConvOptions { padding: 1, upsample: true, ..ConvOptions::default() };
            conv2d(&x[0], &x[1], None, options)
        },
        twice: true,
    },
    Case {
        name: "the product of matrices",
        shapes: &[&[5, 7], &[7, 3]],
        of: |x| x[0].matmul(x[1].as_tensor()),
        twice: true,
    },
    Case { name: "pixel norm", shapes: &[MAP], of: |x| pixel_norm(&x[0]), twice: true },
    Case {
        name: "modulated pixel norm",
        shapes: &[MAP, &[4, 6]],
        of: |x| modulated_pixel_norm(&x[0], &x[1]),
        twice: true,
    },
    Case {
        name: "minibatch standard deviation",
        shapes: &[MAP],
        of: |x| minibatch_stddev(&x[0], 2),
        twice: true,
    },
    // An input of two consumers, and a view that does not start at the first element.
    Case {
        name: "upsampling",
        shapes: &[MAP],
        of: |x| upsample2(&x[0].narrow(0, 1, 3)?)?.add(&upsample2_smooth(&x[0].narrow(0, 1, 3)?)?),
        twice: true,
    },
    Case {
        name: "average pooling",
        shapes: &[MAP],
        of: |x| avg_pool2(&x[0].narrow(0, 1, 3)?)?.mul(&avg_pool2(&x[0].narrow(0, 0, 3)?)?),
        twice: true,
    },
    Case {
        name: "the blend of a fade-in",
        shapes: &[MAP, MAP],
        of: |x| fade(&x[0], &x[1], 0.3),
        twice: true,
    },
    Case {
        name: "leaky rectifier and softplus",
        shapes: &[MAP],
        of: |x| leaky_relu(&x[0], 0.2)?.add(&softplus(&x[0])?),
        twice: true,
    },
    Case {
        name: "the LSTM",
        shapes: &[&[3, 5, 8], &[8, 2]],
        of: |x| lstm(&x[0], &x[1], &[5, 2, 4], true),
        twice: false,
    },
];

/// Compares values, gradients and second gradients of each operator on a device with those on the CPU.
///
/// # Errors
/// If the device fails, or a number differs; the message names the operator and what differs.
pub fn check_gradients(device: &Device) -> Result<()> {
    CASES.iter().try_for_each(|case| differences(case, device)?.iter().try_for_each(Difference::check))
}

/// The differences of each operator on a device from the CPU, those of its value, gradients and second gradients.
///
/// # Errors
/// If the device fails, or computes another number of gradients.
pub fn gradient_differences(device: &Device) -> Result<Vec<Difference>> {
    CASES.iter().map(|case| differences(case, device)).collect::<Result<Vec<_>>>().map(|all| all.concat())
}

/// How far a tensor of an operator on a device is from that on the CPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The operator.
    pub operator: &'static str,
    /// Its value, a gradient, or a second gradient.
    pub what: String,
    /// The largest difference, as a fraction of the largest value; infinite if a number is not finite.
    pub relative: f64,
}

impl Difference {
    /// Accepts a difference of rounding.
    ///
    /// # Errors
    /// If it is larger; the message names the operator and the tensor.
    pub fn check(&self) -> Result<()> {
        if self.relative <= TOLERANCE {
            return Ok(());
        }
        bail!(
            "{} of {} differs from that of the CPU by {:.2} % of its largest value: training on this device would go \
             wrong; use the CPU",
            self.what,
            self.operator,
            100.0 * self.relative
        )
    }
}

fn differences(case: &Case, device: &Device) -> Result<Vec<Difference>> {
    let expected = derivatives(case, &Device::Cpu, DType::F32)?;
    compare(case.name, &expected, &derivatives(case, device, DType::F32)?)
}

/// Named numbers.
type Named = Vec<Numbers>;

type Numbers = (String, Vec<f64>);

/// The value `y` of an operator, the gradients of `Σ c y²` with fixed random `c` for each input, and those of the
/// square of the first input's gradient.
fn derivatives(case: &Case, device: &Device, dtype: DType) -> Result<Named> {
    let key = Key::new(0).child(case.name);
    let inputs = case.shapes.iter().enumerate().map(|(number, shape)| {
        let values = normal(key.child("input").at(number as u64), *shape, DType::F32, device)?;
        Var::from_tensor(&values.to_dtype(dtype)?)
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let y = (case.of)(&inputs)?;
    let weights = normal(key.child("weights"), y.shape(), DType::F32, device)?.to_dtype(dtype)?;
    let loss = weights.mul(&y.sqr()?)?.sum_all()?;
    let mut all = vec![("the value".to_owned(), numbers(&y)?)];
    let mut add = |what: &str, loss: &Tensor| -> Result<()> {
        let found = gradients(loss)?;
        for (number, input) in inputs.iter().enumerate() {
            if let Some(gradient) = found.get(input) {
                all.push((format!("{what} of input {number}"), numbers(gradient)?));
            }
        }
        Ok(())
    };
    add("the gradient", &loss)?;
    if case.twice {
        let slope = input_gradient(&loss, &inputs[0])?;
        add("the second gradient", &slope.sqr()?.sum_all()?)?;
    }
    Ok(all)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()
        .map(|all| all.into_iter().map(f64::from).collect())
}

fn compare(operator: &'static str, expected: &Named, found: &Named) -> Result<Vec<Difference>> {
    if expected.len() != found.len() {
        bail!("{operator} lacks gradients on this device: {} of {}", found.len(), expected.len());
    }
    let difference = |(expected, found): (&Numbers, &Numbers)| {
        let ((what, expected), (_, found)) = (expected, found);
        let largest = expected.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
        let error = expected.iter().zip(found).fold(0f64, |error, (a, b)| error.max((a - b).abs()));
        let finite = expected.len() == found.len() && found.iter().all(|value| value.is_finite());
        let relative = if finite { error / largest } else { f64::INFINITY };
        Difference { operator, what: what.clone(), relative }
    };
    Ok(expected.iter().zip(found).map(difference).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself() {
        check_gradients(&Device::Cpu).unwrap();
    }

    /// The expressions of other devices are those of `f64` on the CPU.
    #[test]
    fn the_kernels_agree_with_the_expressions_of_other_devices() {
        for case in &CASES {
            let kernels = derivatives(case, &Device::Cpu, DType::F32).unwrap();
            let composed = derivatives(case, &Device::Cpu, DType::F64).unwrap();
            let inputs = case.shapes.len();
            assert!(kernels.len() > inputs, "{}: {} tensors", case.name, kernels.len());
            let differences = compare(case.name, &kernels, &composed).unwrap();
            differences.iter().for_each(|difference| difference.check().unwrap());
        }
    }

    #[test]
    fn a_wrong_gradient_is_named() {
        let case = &CASES[0];
        let expected = derivatives(case, &Device::Cpu, DType::F32).unwrap();
        assert_eq!(expected.len(), 1 + 3 + 3);
        for place in 0..expected.len() {
            let mut found = expected.clone();
            let largest = expected[place].1.iter().fold(0f64, |largest, value| largest.max(value.abs()));
            found[place].1[0] += 0.01 * largest;
            let check =
                |found: &Named| compare(case.name, &expected, found)?.iter().try_for_each(Difference::check);
            let message = check(&found).unwrap_err().to_string();
            assert!(message.contains(&format!("{} of {}", expected[place].0, case.name)), "{message}");
            found[place].1[0] = f64::NAN;
            assert!(check(&found).is_err());
        }
        let message = compare(case.name, &expected, &expected[..3].to_vec()).unwrap_err().to_string();
        assert!(message.contains("lacks gradients"), "{message}");
    }
}
