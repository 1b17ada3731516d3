//! Convolution in single precision against its reference in double precision.

use t2f_ops::grad::{gradients, input_gradient};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{ConvOptions, DType, Device, Result, Tensor, Var, conv2d, conv2d_portable as portable};

const LINEAR: ConvOptions = ConvOptions { padding: 1, scale: 1.0, upsample: false, slope: None, dtype: None };

fn draw(shape: impl Into<t2f_ops::Shape>, name: &str) -> Result<Tensor> {
    normal(Key::new(11).child(name), shape, DType::F32, &Device::Cpu)
}

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// The largest difference, as a part of the largest number wanted.
fn error(got: &Tensor, want: &Tensor) -> Result<f64> {
    assert_eq!(got.dims(), want.dims());
    let (got, want) = (numbers(got)?, numbers(want)?);
    let largest = want.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
    let difference = got.iter().zip(&want).fold(0f64, |m, (g, w)| m.max((g - w).abs()));
    assert!(got.iter().all(|v| v.is_finite()));
    Ok(difference / largest)
}

type Convolution = fn(&Tensor, &Tensor, Option<&Tensor>, ConvOptions) -> Result<Tensor>;

/// Output, and gradients of `sum(r·y)`.
fn first_order(conv: Convolution, inputs: &[Tensor; 3], o: ConvOptions, dtype: DType) -> Result<Vec<Tensor>> {
    let [x, w, bias] = inputs.each_ref().map(|t| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap());
    let y = conv(&x, &w, Some(&bias), o)?;
    let r = draw(y.shape(), "r")?.to_dtype(dtype)?;
    let mut grads = gradients(&y.mul(&r)?.sum_all()?)?;
    let mut all = vec![y.detach()];
    for var in [&x, &w, &bias] {
        all.push(grads.remove(var).expect("every variable has a gradient"));
    }
    Ok(all)
}

/// Gradients of `sum((d sum(r·y²) / dx)²)`.
fn second_order(
    conv: Convolution,
    inputs: &[Tensor; 3],
    o: ConvOptions,
    dtype: DType,
) -> Result<Vec<Tensor>> {
    let [x, w, bias] = inputs.each_ref().map(|t| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap());
    let y = conv(&x, &w, Some(&bias), o)?;
    let r = draw(y.shape(), "r")?.to_dtype(dtype)?;
    let gradient = input_gradient(&y.sqr()?.mul(&r)?, &x)?;
    let mut grads = gradients(&gradient.sqr()?.sum_all()?)?;
    let mut all = vec![gradient.detach()];
    for var in [&x, &w, &bias] {
        all.push(grads.remove(var).expect("every variable has a gradient"));
    }
    Ok(all)
}

fn inputs(batch: usize, side: (usize, usize), i: usize, o: usize, k: usize) -> Result<[Tensor; 3]> {
    let name = format!("{batch} {side:?} {i} {o} {k}");
    Ok([
        draw((batch, side.0, side.1, i), &format!("x {name}"))?,
        draw((k, k, i, o), &format!("w {name}"))?,
        draw(o, &format!("b {name}"))?,
    ])
}

/// Distance of the nearest pre-activation from the kink of the rectifier.
fn margin(inputs: &[Tensor; 3], o: ConvOptions) -> Result<f64> {
    let [x, w, bias] = inputs.each_ref().map(|t| t.to_dtype(DType::F64).unwrap());
    let y = numbers(&portable(&x, &w, Some(&bias), ConvOptions { slope: None, ..o })?)?;
    Ok(y.iter().fold(f64::MAX, |m, v| m.min(v.abs())))
}

#[test]
fn outputs_and_gradients_of_first_order() -> Result<()> {
    let channels = [(1, 3), (3, 16), (16, 17), (5, 1), (17, 33), (33, 65), (65, 16)];
    let (mut compared, mut worst) = (0, 0f64);
    for (at, side) in [1, 3, 4, 5, 8, 9].into_iter().enumerate() {
        for (j, (i, o)) in channels.into_iter().enumerate() {
            for (k, padding) in [(1, 0), (3, 1), (3, 0), (4, 0), (4, 1), (1, 1)] {
                for upsample in [false, true] {
                    let batch = if (at + j) % 2 == 0 { 1 } else { 3 };
                    let width = if j % 3 == 2 { side + 1 } else { side };
                    if (side << usize::from(upsample)) + 2 * padding < k {
                        continue;
                    }
                    let slope = (j % 2 == 0).then_some(0.2);
                    let options = ConvOptions { padding, scale: 0.3, upsample, slope, dtype: None };
                    let inputs = inputs(batch, (side, width), i, o, k)?;
                    if slope.is_some() && margin(&inputs, options)? < 1e-5 {
                        continue;
                    }
                    let got = first_order(conv2d, &inputs, options, DType::F32)?;
                    let want = first_order(portable, &inputs, options, DType::F64)?;
                    for (what, (got, want)) in ["y", "dx", "dw", "db"].iter().zip(got.iter().zip(&want)) {
                        let error = error(got, want)?;
                        assert!(
                            error < 1e-5,
                            "{what} {error:e}: {batch}x{side}x{width} {i}->{o} K={k} {options:?}"
                        );
                        worst = worst.max(error);
                    }
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 300, "{compared} cases, worst {worst:e}");
    Ok(())
}

#[test]
fn gradients_of_second_order() -> Result<()> {
    for (side, i, o, k, padding) in [
        (5, 3, 17, 3, 1),
        (4, 17, 16, 3, 1),
        (4, 16, 33, 4, 0),
        (8, 5, 3, 1, 0),
        (9, 16, 5, 3, 1),
        (5, 3, 4, 3, 0),
    ] {
        for upsample in [false, true] {
            for slope in [None, Some(0.2)] {
                let options = ConvOptions { padding, scale: 0.3, upsample, slope, dtype: None };
                let inputs = inputs(3, (side, side), i, o, k)?;
                if slope.is_some() && margin(&inputs, options)? < 1e-5 {
                    continue;
                }
                let got = second_order(conv2d, &inputs, options, DType::F32)?;
                let want = second_order(portable, &inputs, options, DType::F64)?;
                for (what, (got, want)) in ["gx", "dx", "dw", "db"].iter().zip(got.iter().zip(&want)) {
                    let error = error(got, want)?;
                    assert!(error < 2e-5, "{what} {error:e}: {side} {i}->{o} K={k} {options:?}");
                }
            }
        }
    }
    Ok(())
}

/// Results and first gradients in 32 bits against the portable form in 64.
fn assert_linear_agrees(inputs: &[Tensor; 3]) -> Result<()> {
    let got = first_order(conv2d, inputs, LINEAR, DType::F32)?;
    let want = first_order(portable, inputs, LINEAR, DType::F64)?;
    for (got, want) in got.iter().zip(&want) {
        let error = error(got, want)?;
        assert!(error < 2e-5, "{:?}: {error:e}", inputs[0].dims());
    }
    Ok(())
}

/// So many tiles that they are divided among tasks and added up in parts, the last of them short.
#[test]
fn many_tiles_agree_with_portable() -> Result<()> {
    for side in [(16, 16), (20, 132)] {
        let inputs = inputs(if side.0 == 16 { 13 } else { 2 }, side, 17, 33, 3)?;
        assert_linear_agrees(&inputs)?;
    }
    Ok(())
}

/// Winograd's error grows with the channels summed; these are the widest layers.
#[test]
fn winograd_is_within_two_hundred_thousandths() -> Result<()> {
    let inputs = inputs(2, (12, 12), 256, 64, 3)?;
    assert_linear_agrees(&inputs)
}

#[test]
fn a_tensor_with_two_consumers_gets_both_gradients() -> Result<()> {
    let [x, w, _] = inputs(2, (5, 5), 3, 4, 3)?;
    let gradient = |conv: Convolution, dtype| -> Result<Tensor> {
        let (x, w) = (Var::from_tensor(&x.to_dtype(dtype)?)?, w.to_dtype(dtype)?);
        let hidden = x.sqr()?;
        let loss = (conv(&hidden, &w, None, LINEAR)?.sqr()?.sum_all()?
            + conv(&hidden, &w, None, ConvOptions { upsample: true, ..LINEAR })?.sum_all()?)?;
        let loss = (loss + hidden.sum_all()?)?;
        Ok(gradients(&loss)?.remove(&x).expect("the loss depends on x"))
    };
    let error = error(&gradient(conv2d, DType::F32)?, &gradient(portable, DType::F64)?)?;
    assert!(error < 1e-5, "{error:e}");
    Ok(())
}

/// The weights are computed from a variable: they must get a gradient in every mode.
#[test]
fn computed_weights_get_gradients() -> Result<()> {
    let [x, w, _] = inputs(2, (4, 4), 3, 4, 3)?;
    let (x, w) = (Var::from_tensor(&x)?, Var::from_tensor(&w)?);
    let y = conv2d(&x, &w.affine(2.0, 0.0)?, None, LINEAR)?;
    let penalty = input_gradient(&y.sqr()?, &x)?.sqr()?.sum_all()?;
    assert!(gradients(&penalty)?.get(&w).is_some());
    Ok(())
}

/// The input that is asked for may be the weights, also beside another path to them.
#[test]
fn weights_may_be_the_input_that_is_asked_for() -> Result<()> {
    let [x, w, _] = inputs(2, (4, 4), 3, 4, 3)?;
    let of = |conv: Convolution, dtype: DType| -> Result<Tensor> {
        let (x, w) = (x.to_dtype(dtype)?, Var::from_tensor(&w.to_dtype(dtype)?)?);
        let y = (conv(&x, &w, None, LINEAR)?.sum_all()? + w.sqr()?.sum_all()?)?;
        input_gradient(&y, &w)
    };
    let error = error(&of(conv2d, DType::F32)?, &of(portable, DType::F64)?)?;
    assert!(error < 1e-5, "{error:e}");
    Ok(())
}

#[test]
fn a_bias_of_another_shape_is_refused() -> Result<()> {
    let [x, w, _] = inputs(2, (4, 4), 3, 4, 3)?;
    for bias in [draw((1,), "one")?, draw((1, 4), "row")?] {
        assert!(conv2d(&x, &w, Some(&bias), LINEAR).unwrap_err().to_string().contains("bias"));
    }
    Ok(())
}

/// Frozen weights get none.
#[test]
fn frozen_weights_get_no_gradient() -> Result<()> {
    let [x, w, _] = inputs(2, (4, 4), 3, 4, 3)?;
    let x = Var::from_tensor(&x)?;
    let grads = gradients(&conv2d(&x, &w, None, LINEAR)?.sum_all()?)?;
    assert!(grads.get(&x).is_some() && grads.get(&w).is_none());
    Ok(())
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() -> Result<()> {
    for (side, i, o, k, padding) in
        [(4, 33, 65, 3, 1), (16, 17, 40, 3, 1), (32, 16, 3, 1, 0), (9, 5, 4, 4, 0)]
    {
        let inputs = inputs(3, (side, side), i, o, k)?;
        let options = ConvOptions { padding, slope: Some(0.2), ..LINEAR };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let [x, w, bias] = &inputs;
                let (x, w, bias) = (Var::from_tensor(x)?, Var::from_tensor(w)?, Var::from_tensor(bias)?);
                let y = conv2d(&x, &w, Some(&bias), options)?;
                // On this thread, which belongs to the pool: first order, by candle's default.
                let grads = y.sqr()?.sum_all()?.backward()?;
                let all = [Some(&y), grads.get(&x), grads.get(&w), grads.get(&bias)];
                all.into_iter()
                    .flatten()
                    .map(|t| t.flatten_all()?.to_vec1::<f32>())
                    .collect::<Result<Vec<_>>>()
            })
        };
        let (one, two): (Vec<_>, Vec<_>) = (run(1)?, run(2)?);
        assert_eq!(one.len(), 4);
        assert!(one.iter().flatten().zip(two.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    Ok(())
}

#[test]
fn inputs_need_not_be_contiguous() -> Result<()> {
    let x = draw((2, 3, 6, 5), "channels first")?.permute((0, 2, 3, 1))?.narrow(1, 1, 4)?;
    let w = draw((3, 3, 7, 3), "outputs first")?.transpose(2, 3)?;
    let bias = draw((7, 2), "column")?.t()?.narrow(0, 1, 1)?.squeeze(0)?;
    let got = conv2d(&x, &w, Some(&bias), LINEAR)?;
    let [x, w, bias] = [x, w, bias].map(|t| t.to_dtype(DType::F64).unwrap());
    let error = error(&got, &portable(&x, &w, Some(&bias), LINEAR)?)?;
    assert!(error < 1e-5, "{error:e}");
    Ok(())
}

/// The reference itself: its gradients against central differences.
#[test]
fn portable_gradients_are_finite_differences() -> Result<()> {
    let options = ConvOptions { padding: 1, scale: 0.5, upsample: true, slope: Some(0.2), dtype: None };
    let inputs = inputs(1, (2, 3), 2, 2, 3)?.map(|t| t.to_dtype(DType::F64).unwrap());
    let loss = |inputs: &[Tensor; 3]| -> Result<f64> {
        let y = portable(&inputs[0], &inputs[1], Some(&inputs[2]), options)?;
        y.mul(&draw(y.shape(), "r")?.to_dtype(DType::F64)?)?.sum_all()?.to_scalar()
    };
    let analytic = first_order(portable, &inputs, options, DType::F64)?;
    for which in 0..3 {
        let values = numbers(&inputs[which])?;
        for (at, want) in numbers(&analytic[which + 1])?.into_iter().enumerate() {
            let moved = |step: f64| -> Result<f64> {
                let mut values = values.clone();
                values[at] += step;
                let mut inputs = inputs.clone();
                inputs[which] = Tensor::from_vec(values, inputs[which].shape(), &Device::Cpu)?;
                loss(&inputs)
            };
            let got = (moved(1e-6)? - moved(-1e-6)?) / 2e-6;
            assert!((got - want).abs() < 1e-6 * (1.0 + want.abs()), "{which}[{at}]: {got} {want}");
        }
    }
    Ok(())
}
