//! Finite differences of the first and second order, and tensors with several consumers.
//!
//! Differences are of the double-precision forms, which are composed of candle's operators; the
//! gradients are those of the single-precision operators.

use t2f_ops::grad::{gradients, input_gradient};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{
    ConvOptions, DType, Device, Result, Tensor, Var, avg_pool2, conv2d, fade, leaky_relu, lstm,
    minibatch_stddev, modulated_pixel_norm, pixel_norm, softplus, to_nchw, to_nhwc, upsample2,
    upsample2_smooth,
};

struct Case {
    name: &'static str,
    operator: fn(&[Tensor]) -> Result<Tensor>,
    inputs: &'static [&'static [usize]],
    /// Whether gradient penalties pass through the operator.
    second_order: bool,
}

const RECTIFIED: ConvOptions =
    ConvOptions { padding: 1, scale: 0.5, upsample: false, slope: Some(0.2), dtype: None };

fn conv(inputs: &[Tensor], options: ConvOptions) -> Result<Tensor> {
    conv2d(&inputs[0], &inputs[1], Some(&inputs[2]), options)
}

const CASES: [Case; 16] = [
    Case {
        name: "3x3 convolution",
        operator: |t| conv(t, RECTIFIED),
        inputs: &[&[2, 3, 4, 2], &[3, 3, 2, 3], &[3]],
        second_order: true,
    },
    Case {
        name: "upsampling 3x3 convolution",
        operator: |t| conv(t, ConvOptions { upsample: true, ..RECTIFIED }),
        inputs: &[&[1, 2, 3, 2], &[3, 3, 2, 3], &[3]],
        second_order: true,
    },
    Case {
        name: "1x1 convolution",
        operator: |t| conv(t, ConvOptions { padding: 0, ..RECTIFIED }),
        inputs: &[&[2, 2, 2, 3], &[1, 1, 3, 2], &[2]],
        second_order: true,
    },
    Case {
        name: "4x4 convolution to one pixel",
        operator: |t| conv(t, ConvOptions { padding: 0, ..RECTIFIED }),
        inputs: &[&[2, 4, 4, 2], &[4, 4, 2, 2], &[2]],
        second_order: true,
    },
    Case {
        name: "linear convolution without bias",
        operator: |t| conv2d(&t[0], &t[1], None, ConvOptions { padding: 2, ..ConvOptions::default() }),
        inputs: &[&[1, 2, 3, 2], &[4, 4, 2, 2]],
        second_order: true,
    },
    Case {
        name: "pixel norm",
        operator: |t| pixel_norm(&t[0]),
        inputs: &[&[2, 2, 3, 5]],
        second_order: true,
    },
    Case {
        name: "modulated pixel norm",
        operator: |t| modulated_pixel_norm(&t[0], &t[1]),
        inputs: &[&[2, 2, 2, 5], &[2, 10]],
        second_order: true,
    },
    Case {
        name: "minibatch stddev",
        operator: |t| minibatch_stddev(&t[0], 3),
        inputs: &[&[6, 2, 1, 3]],
        second_order: true,
    },
    Case { name: "upsampling", operator: |t| upsample2(&t[0]), inputs: &[&[2, 2, 3, 2]], second_order: true },
    Case {
        name: "bilinear upsampling",
        operator: |t| upsample2_smooth(&t[0]),
        inputs: &[&[2, 2, 3, 2]],
        second_order: true,
    },
    Case {
        name: "average pooling",
        operator: |t| avg_pool2(&t[0]),
        inputs: &[&[2, 4, 2, 3]],
        second_order: true,
    },
    Case {
        name: "fade-in",
        operator: |t| fade(&t[0], &t[1], 0.3),
        inputs: &[&[2, 3, 2], &[2, 3, 2]],
        second_order: true,
    },
    Case {
        name: "leaky rectifier",
        operator: |t| leaky_relu(&t[0], 0.2),
        inputs: &[&[4, 5]],
        second_order: true,
    },
    Case { name: "softplus", operator: |t| softplus(&t[0]), inputs: &[&[4, 5]], second_order: true },
    Case {
        name: "layouts",
        operator: |t| to_nhwc(&to_nchw(&t[0])?.sqr()?),
        inputs: &[&[2, 3, 2, 2]],
        second_order: true,
    },
    Case {
        name: "lstm",
        operator: |t| {
            Tensor::cat(&[lstm(&t[0], &t[1], &[3, 2], false)?, lstm(&t[0], &t[1], &[3, 2], true)?], 2)
        },
        inputs: &[&[2, 3, 8], &[8, 2]],
        second_order: false,
    },
];

type Function = dyn Fn(&[Tensor]) -> Result<Tensor>;

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Weights of the elements of a result.
fn weights_of(y: &Tensor) -> Result<Tensor> {
    normal(Key::new(3), y.shape(), DType::F32, &Device::Cpu)?.to_dtype(y.dtype())
}

/// `Σ r·f`.
fn weighted_sum(f: &Function, inputs: &[Tensor]) -> Result<Tensor> {
    let y = f(inputs)?;
    y.mul(&weights_of(&y)?)?.sum_all()
}

/// `Σ (d Σ r·f² / d first input)²`.
fn penalty(f: &Function, first: &Var, others: &[Tensor]) -> Result<Tensor> {
    let inputs: Vec<_> = std::iter::once(first.as_tensor().clone()).chain(others.iter().cloned()).collect();
    let y = f(&inputs)?;
    input_gradient(&y.sqr()?.mul(&weights_of(&y)?)?, first)?.sqr()?.sum_all()
}

fn variables(inputs: &[Tensor], dtype: DType) -> Result<Vec<Var>> {
    inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype)?)).collect()
}

fn tensors(variables: &[Var]) -> Vec<Tensor> {
    variables.iter().map(|v| v.as_tensor().clone()).collect()
}

/// Asserts that the gradient of a scalar in single precision is the central difference of the same
/// scalar in double precision, for every element of every input.
fn assert_differences(
    name: &str,
    inputs: &[Tensor],
    scalar: &dyn Fn(&[Var]) -> Result<Tensor>,
) -> Result<()> {
    const STEP: f64 = 1e-5;
    let variables_f32 = variables(inputs, DType::F32)?;
    let grads = gradients(&scalar(&variables_f32)?)?;
    for (which, input) in inputs.iter().enumerate() {
        let elements = numbers(input)?;
        let mut differences = Vec::with_capacity(elements.len());
        for at in 0..elements.len() {
            let moved = |step: f64| -> Result<f64> {
                let mut elements = elements.clone();
                elements[at] += step;
                let mut inputs = inputs.to_vec();
                inputs[which] = Tensor::from_vec(elements, input.shape(), &Device::Cpu)?;
                scalar(&variables(&inputs, DType::F64)?)?.to_scalar()
            };
            differences.push((moved(STEP)? - moved(-STEP)?) / (2.0 * STEP));
        }
        let gradient = numbers(grads.get(&variables_f32[which]).expect("every input has a gradient"))?;
        assert_eq!(gradient.len(), differences.len());
        let largest = differences.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
        for (at, (got, want)) in gradient.iter().zip(&differences).enumerate() {
            assert!(
                (got - want).abs() < 1e-4 * largest,
                "{name}, input {which}, element {at}: {got}, difference {want}"
            );
        }
    }
    Ok(())
}

fn inputs_of(case: &Case) -> Result<Vec<Tensor>> {
    let key = Key::new(2).child(case.name);
    let draw = |(i, shape): (usize, &&[usize])| normal(key.at(i as u64), *shape, DType::F64, &Device::Cpu);
    case.inputs.iter().enumerate().map(draw).collect()
}

#[test]
fn first_order_gradients_are_finite_differences() -> Result<()> {
    for case in &CASES {
        assert_differences(case.name, &inputs_of(case)?, &|v| weighted_sum(&case.operator, &tensors(v)))?;
    }
    Ok(())
}

#[test]
fn gradients_of_penalties_are_finite_differences() -> Result<()> {
    for case in CASES.iter().filter(|case| case.second_order) {
        assert_differences(case.name, &inputs_of(case)?, &|v| {
            penalty(&case.operator, &v[0], &tensors(&v[1..]))
        })?;
    }
    Ok(())
}

/// The first input of the operator is a result of this crate with three consumers: the operator
/// twice, and an operator of candle's.
fn with_consumers(operator: fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Tensor> {
    let shared = fade(&inputs[0], &inputs[0].sqr()?, 0.3)?;
    let mut inputs = inputs.to_vec();
    inputs[0] = shared.clone();
    let (once, again) = (operator(&inputs)?, operator(&inputs)?.sqr()?);
    let sums = [once, again, shared].map(|t| weighted_sum(&|t| Ok(t[0].clone()), &[t])?.unsqueeze(0));
    Tensor::cat(&sums.into_iter().collect::<Result<Vec<_>>>()?, 0)
}

#[test]
fn a_tensor_with_several_consumers_gets_all_gradients() -> Result<()> {
    for case in &CASES {
        let shared = |t: &[Tensor]| with_consumers(case.operator, t);
        assert_differences(case.name, &inputs_of(case)?, &|v| weighted_sum(&shared, &tensors(v)))?;
    }
    Ok(())
}

#[test]
fn penalties_on_a_tensor_with_several_consumers_get_all_gradients() -> Result<()> {
    for case in CASES.iter().filter(|case| case.second_order) {
        let shared = |t: &[Tensor]| with_consumers(case.operator, t);
        assert_differences(case.name, &inputs_of(case)?, &|v| penalty(&shared, &v[0], &tensors(&v[1..])))?;
    }
    Ok(())
}
