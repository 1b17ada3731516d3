//! Operators of `bf16` on the CPU against the double-precision ones, which are made of candle's own.

use t2f_ops::grad::{gradients, input_gradient};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{
    ConvOptions, DType, Device, Result, Tensor, Var, avg_pool2, conv2d, fade, minibatch_stddev,
    modulated_pixel_norm, pixel_norm, upsample2,
};

type Function = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// `x` of `(B, H, W, C)` and parameters `w`, reshaped as each needs them.
struct Case {
    name: &'static str,
    function: Function,
    x: (usize, usize, usize, usize),
    w: &'static [usize],
}

fn conv(x: &Tensor, w: &Tensor, options: ConvOptions) -> Result<Tensor> {
    let outputs = w.dim(3)?;
    let bias = w.narrow(0, 0, 1)?.narrow(1, 0, 1)?.narrow(2, 0, 1)?.reshape(outputs)?;
    conv2d(x, w, Some(&bias), options)
}

fn rectified(padding: usize) -> ConvOptions {
    ConvOptions { padding, scale: 0.3, slope: Some(0.2), ..ConvOptions::default() }
}

const CASES: [Case; 9] = [
    Case {
        name: "3x3 convolution",
        function: |x, w| conv(x, w, rectified(1)),
        x: (3, 5, 6, 17),
        w: &[3, 3, 17, 9],
    },
    Case {
        name: "upsampling convolution",
        function: |x, w| conv(x, w, ConvOptions { upsample: true, ..rectified(1) }),
        x: (2, 4, 3, 8),
        w: &[3, 3, 8, 12],
    },
    Case {
        name: "4x4 convolution",
        function: |x, w| conv(x, w, rectified(0)),
        x: (3, 4, 4, 10),
        w: &[4, 4, 10, 7],
    },
    Case {
        name: "linear 1x1 convolution, with two consumers",
        function: |x, w| {
            let y = conv2d(x, w, None, ConvOptions::default())?;
            fade(&y, &pixel_norm(&y)?, 0.25)
        },
        x: (2, 3, 4, 6),
        w: &[1, 1, 6, 11],
    },
    Case { name: "pixel norm", function: |x, _| pixel_norm(x), x: (2, 3, 3, 20), w: &[1] },
    Case {
        name: "modulated pixel norm",
        function: |x, w| modulated_pixel_norm(x, &w.reshape((2, 26))?),
        x: (2, 4, 3, 13),
        w: &[2, 26],
    },
    Case { name: "average pooling", function: |x, _| avg_pool2(x), x: (2, 4, 6, 5), w: &[1] },
    Case { name: "doubling", function: |x, _| upsample2(x), x: (2, 3, 4, 5), w: &[1] },
    Case { name: "minibatch deviation", function: |x, _| minibatch_stddev(x, 3), x: (6, 2, 2, 9), w: &[1] },
];

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// The output, the gradients of `Σ r·y²` with respect to `x` and `w`, and those of the square of its input
/// gradient. The result is of the type of `x`; what follows is of `w`'s.
fn all(case: &Case, dtype: DType, parameters: DType) -> Result<[Vec<f64>; 5]> {
    let draw = |name: &str, shape: &[usize]| normal(Key::new(8).child(name), shape, DType::F32, &Device::Cpu);
    let (b, h, w, c) = case.x;
    // Both sides compute with the same input, which bf16 can represent.
    let x = draw("x", &[b, h, w, c])?.to_dtype(DType::BF16)?.to_dtype(dtype)?;
    let x = Var::from_tensor(&x)?;
    let w = Var::from_tensor(&draw("w", case.w)?.to_dtype(parameters)?)?;
    let y = (case.function)(&x, &w)?;
    assert_eq!(y.dtype(), dtype, "{}", case.name);
    let r = draw("r", y.dims())?.to_dtype(parameters)?;
    let value = |y: &Tensor| y.to_dtype(parameters)?.sqr()?.mul(&r)?.sum_all();
    let mut first = gradients(&value(&y)?)?;
    let penalty = input_gradient(&value(&y)?, &x)?.to_dtype(parameters)?.sqr()?.sum_all()?;
    let mut second = gradients(&penalty)?;
    let dx = first.remove(&x).expect("y depends on x");
    assert_eq!(dx.dtype(), dtype, "{}", case.name);
    let parameter = |grads: &mut candle_core::backprop::GradStore| match grads.remove(&w) {
        Some(dw) => {
            assert_eq!(dw.dtype(), parameters, "{}", case.name);
            numbers(&dw)
        }
        None => Ok(Vec::new()),
    };
    let dw = parameter(&mut first)?;
    let second_x = second.remove(&x).expect("the penalty depends on x");
    let second_w = parameter(&mut second)?;
    Ok([numbers(&y)?, numbers(&dx)?, dw, numbers(&second_x)?, second_w])
}

/// The root mean square of the difference, as a share of that of the numbers.
fn relative_error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |v: f64| v * v;
    let difference: f64 = got.iter().zip(want).map(|(g, w)| square(g - w)).sum();
    (difference / want.iter().map(|w| square(*w)).sum::<f64>().max(1e-30)).sqrt()
}

/// One rounding to `bf16` has a relative error of at most 2⁻⁸, about 2⁻⁹ in the mean. A gradient of a
/// gradient is the result of some ten of them.
#[test]
fn outputs_and_gradients_of_both_orders() -> Result<()> {
    for case in &CASES {
        let got = all(case, DType::BF16, DType::F32)?;
        let want = all(case, DType::F64, DType::F64)?;
        for (which, (got, want)) in got.iter().zip(&want).enumerate() {
            let error = relative_error(got, want);
            let bound = [4e-3, 8e-3, 8e-3, 2e-2, 2e-2][which];
            assert!(error < bound, "{}, number {which}: {error:e}", case.name);
        }
    }
    Ok(())
}

/// At the borders of a network `f32` becomes `bf16` and back: products of `f32`, gradients of each side's
/// type.
#[test]
fn a_convolution_between_two_types() -> Result<()> {
    let draw = |name: &str, shape: &[usize], dtype: DType| {
        normal(Key::new(9).child(name), shape, DType::F32, &Device::Cpu)?.to_dtype(dtype)
    };
    for (from, to) in [(DType::F32, DType::BF16), (DType::BF16, DType::F32)] {
        let x = Var::from_tensor(&draw("x", &[2, 4, 4, 6], DType::BF16)?.to_dtype(from)?)?;
        let w = Var::from_tensor(&draw("w", &[3, 3, 6, 5], DType::F32)?)?;
        let options = ConvOptions { padding: 1, ..ConvOptions::default() };
        let y = conv2d(&x, &w, None, ConvOptions { dtype: Some(to), ..options })?;
        assert_eq!(y.dtype(), to);
        let exact = conv2d(&x.to_dtype(DType::F32)?, &w, None, options)?;
        if to == DType::F32 {
            assert_eq!(numbers(&y)?, numbers(&exact)?, "the products are those of f32");
        } else {
            assert_eq!(numbers(&y)?, numbers(&exact.to_dtype(DType::BF16)?)?, "one rounding, at the end");
        }
        let grads = gradients(&y.to_dtype(DType::F32)?.sqr()?.sum_all()?)?;
        assert_eq!(grads.get(&x).expect("y depends on x").dtype(), from);
        assert_eq!(grads.get(&w).expect("y depends on w").dtype(), DType::F32);
    }
    Ok(())
}

/// Two results of the same operands are the same bits.
#[test]
fn results_are_repeatable() -> Result<()> {
    for case in &CASES[..3] {
        assert_eq!(all(case, DType::BF16, DType::F32)?, all(case, DType::BF16, DType::F32)?, "{}", case.name);
    }
    Ok(())
}
