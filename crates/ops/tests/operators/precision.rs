//! Single-precision operators on the CPU against the double-precision ones made of candle's own.

use t2f_ops::grad::{gradients, input_gradient};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{
    DType, Device, Result, Tensor, Var, avg_pool2, fade, minibatch_stddev, modulated_pixel_norm, pixel_norm,
    upsample2,
};

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Output, gradient of `sum(r·f(x))` and gradient of `sum((d sum(r·f(x)²) / dx)²)`.
fn all(f: fn(&Tensor) -> Result<Tensor>, x: &Tensor, dtype: DType) -> Result<[Vec<f64>; 3]> {
    let x = Var::from_tensor(&x.to_dtype(dtype)?)?;
    let y = f(&x)?;
    let r = normal(Key::new(5), y.shape(), DType::F32, &Device::Cpu)?.to_dtype(dtype)?;
    let first = gradients(&y.mul(&r)?.sum_all()?)?.remove(&x).expect("y depends on x");
    let penalty = input_gradient(&y.sqr()?.mul(&r)?, &x)?.sqr()?.sum_all()?;
    let second = gradients(&penalty)?.remove(&x).expect("the penalty depends on x");
    Ok([numbers(&y)?, numbers(&first)?, numbers(&second)?])
}

/// Numbers of `x`'s type, always the same.
fn drawn(shape: (usize, usize), x: &Tensor) -> Result<Tensor> {
    normal(Key::new(6), shape, DType::F32, &Device::Cpu)?.to_dtype(x.dtype())
}

fn modulated_pixels(x: &Tensor) -> Result<Tensor> {
    let (b, _, _, c) = x.dims4()?;
    modulated_pixel_norm(x, &drawn((b, 2 * c), x)?)
}

/// Gamma and beta come from `x`, and so does what they modulate.
fn modulated_by_itself(x: &Tensor) -> Result<Tensor> {
    let mean = x.mean((1, 2))?;
    modulated_pixel_norm(x, &Tensor::cat(&[&mean, &mean.sqr()?], 1)?)
}

/// Both paths come from `x`.
fn faded(x: &Tensor) -> Result<Tensor> {
    fade(x, &x.sqr()?, 0.3)
}

/// In groups of three, two or one, and once more in one group, so that `x` has two consumers.
fn deviations(x: &Tensor) -> Result<Tensor> {
    let batch = x.dim(0)?;
    let group = [3, 2, 1].into_iter().find(|group| batch.is_multiple_of(*group)).unwrap_or(1);
    Tensor::cat(&[minibatch_stddev(x, group)?, minibatch_stddev(x, batch)?.sqr()?], 3)
}

#[test]
fn modulation_needs_a_gamma_and_a_beta_for_each_channel() -> Result<()> {
    let x = Tensor::zeros((2, 1, 1, 3), DType::F32, &Device::Cpu)?;
    for wrong in [(2, 3), (1, 6)] {
        let affine = Tensor::zeros(wrong, DType::F32, &Device::Cpu)?;
        let message = modulated_pixel_norm(&x, &affine).unwrap_err().to_string();
        assert!(message.contains("(B, 2C)"), "{message}");
    }
    Ok(())
}

#[test]
fn outputs_and_gradients_of_both_orders() -> Result<()> {
    type Operator = fn(&Tensor) -> Result<Tensor>;
    let operators: [(&str, Operator); 7] = [
        ("pixel norm", pixel_norm),
        ("modulated pixel norm", modulated_pixels),
        ("modulation of both", modulated_by_itself),
        ("average pooling", avg_pool2),
        ("doubling", upsample2),
        ("fade-in", faded),
        ("minibatch deviation", deviations),
    ];
    for (name, operator) in operators {
        for shape in [(1, 2, 2, 1), (2, 4, 6, 3), (3, 2, 8, 17), (6, 4, 4, 35), (1, 34, 32, 40)] {
            let x = normal(Key::new(4), shape, DType::F32, &Device::Cpu)?;
            let (got, want) = (all(operator, &x, DType::F32)?, all(operator, &x, DType::F64)?);
            for (order, (got, want)) in got.iter().zip(&want).enumerate() {
                // Over one channel pixel norm is the sign: gradients are differences of equal numbers.
                let tolerance = if shape.3 == 1 { 3e-4 } else { 1e-5 };
                let largest = want.iter().fold(0.1f64, |m, v| m.max(v.abs()));
                let worst = got.iter().zip(want).fold(0f64, |m, (g, w)| m.max((g - w).abs()));
                assert_eq!(got.len(), want.len());
                assert!(
                    worst < tolerance * largest,
                    "{name} {shape:?} order {order}: {worst:e} of {largest:e}"
                );
            }
        }
    }
    Ok(())
}
