//! Single-precision operators on the CPU against the double-precision ones made of candle's own.

use t2f_ops::grad::{gradients, input_gradient};
use t2f_ops::norm::pixel_norm;
use t2f_ops::resample::{avg_pool2, upsample2};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{DType, Device, Result, Tensor, Var};

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

#[test]
fn outputs_and_gradients_of_both_orders() -> Result<()> {
    type Operator = fn(&Tensor) -> Result<Tensor>;
    let operators: [(&str, Operator); 3] =
        [("pixel norm", pixel_norm), ("average pooling", avg_pool2), ("doubling", upsample2)];
    for (name, operator) in operators {
        for shape in [(1, 2, 2, 1), (2, 4, 6, 3), (3, 2, 8, 17), (1, 34, 32, 40)] {
            let x = normal(Key::new(4), shape, DType::F32, &Device::Cpu)?;
            let (got, want) = (all(operator, &x, DType::F32)?, all(operator, &x, DType::F64)?);
            for (order, (got, want)) in got.iter().zip(&want).enumerate() {
                // Over one channel pixel norm is the sign, and its gradients vanish but for rounding.
                let largest = want.iter().fold(0.1f64, |m, v| m.max(v.abs()));
                let worst = got.iter().zip(want).fold(0f64, |m, (g, w)| m.max((g - w).abs()));
                assert_eq!(got.len(), want.len());
                assert!(worst < 1e-5 * largest, "{name} {shape:?} order {order}: {worst:e} of {largest:e}");
            }
        }
    }
    Ok(())
}
