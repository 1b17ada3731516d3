//! The long short-term memory.

use t2f_ops::grad::{gradients, input_gradient};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{DType, Device, Result, Tensor, Var, lstm};

/// Inputs, weights, and weights of the states.
fn setup(seed: u64) -> Result<(Var, Var, Tensor)> {
    let draw =
        |name: &str, shape: &[usize]| normal(Key::new(seed).child(name), shape, DType::F32, &Device::Cpu);
    let (x, w) = (draw("x", &[3, 5, 12])?, draw("w", &[12, 3])?);
    Ok((Var::from_tensor(&x)?, Var::from_tensor(&w)?, draw("weights", &[3, 5, 3])?))
}

fn assert_close(a: &Tensor, b: &Tensor) -> Result<()> {
    let [a, b] = [a, b].map(|t| t.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>());
    let worst = a?.iter().zip(&b?).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-5, "differ by {worst}");
    Ok(())
}

#[test]
fn states_and_gradients_agree_with_double_precision() -> Result<()> {
    for reverse in [false, true] {
        let lengths = [5, 1, 3];
        let (x, w, weights) = setup(1)?;
        let double = |t: &Tensor| t.to_dtype(DType::F64);
        let (x64, w64) = (Var::from_tensor(&double(&x)?)?, Var::from_tensor(&double(&w)?)?);
        let states = lstm(&x, &w, &lengths, reverse)?;
        let states64 = lstm(&x64, &w64, &lengths, reverse)?;
        assert_close(&states, &states64)?;
        let grads = gradients(&states.mul(&weights)?.sum_all()?)?;
        let grads64 = gradients(&states64.mul(&double(&weights)?)?.sum_all()?)?;
        for (var, var64) in [(&x, &x64), (&w, &w64)] {
            assert_close(grads.get(var).unwrap(), grads64.get(var64).unwrap())?;
        }
    }
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    for (x, w, length) in [([1, 1, 5], [5, 1], 1), ([1, 0, 8], [8, 2], 0), ([1, 2, 0], [0, 0], 2)] {
        let message = lstm(&zeros(&x)?, &zeros(&w)?, &[length], false).unwrap_err().to_string();
        assert!(message.contains("lstm of inputs"), "{message}");
    }
    Ok(())
}

#[test]
fn steps_after_the_end_of_a_sequence_have_no_influence() -> Result<()> {
    let (x, w, weights) = setup(2)?;
    for reverse in [false, true] {
        let states = lstm(&x, &w, &[5, 2, 2], reverse)?;
        let first = states.narrow(1, 0, 2)?.mul(&weights.narrow(1, 0, 2)?)?.sum_all()?;
        let gradient = gradients(&first)?.remove(&x).unwrap();
        let after = gradient.narrow(0, 1, 2)?.narrow(1, 2, 3)?.abs()?.sum_all()?.to_scalar::<f32>()?;
        assert_eq!(after, 0.0);
    }
    Ok(())
}

#[test]
fn a_second_derivative_is_refused() -> Result<()> {
    let (x, w, weights) = setup(3)?;
    let states = lstm(&x, &w, &[5, 5, 5], false)?;
    let first = input_gradient(&states.mul(&weights)?, &x)?;
    let message = gradients(&first.sqr()?.sum_all()?).unwrap_err().to_string();
    assert!(message.contains("lstm"), "{message}");
    Ok(())
}

#[test]
fn an_empty_batch_has_empty_gradients() -> Result<()> {
    let x = Var::zeros((0, 3, 8), DType::F32, &Device::Cpu)?;
    let w = Var::ones((8, 2), DType::F32, &Device::Cpu)?;
    let states = lstm(&x, &w, &[], false)?;
    assert_eq!(states.dims(), [0, 3, 2]);
    Ok(())
}
