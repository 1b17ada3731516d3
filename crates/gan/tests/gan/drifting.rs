//! The drifting loss: its field, its gradient, and its configuration.

use candle_core::{DType, Device, Tensor, Var};
use t2f_gan::objective::drifting::{drift, drifting_loss};
use t2f_gan::{AttributesConfig, DriftingConfig, LossConfig, Result};
use t2f_ops::grad::gradients;
use t2f_ops::rng::{Key, normal};

use crate::tiny::{self, Nets, values};

fn features(name: &str, count: usize) -> Result<Tensor> {
    Ok(normal(Key::new(3).child(name), (count, 5), DType::F64, &Device::Cpu)?)
}

/// Two generated at 0 and 1, one real at 0, τ = 1, so that rows and columns of the kernel are
/// `1 0 e` and `e e 0` with `e = exp(-1)`. With `s = 1 / (1 + e)` the weights are, for the first, `s` for the
/// real and `√(1 - s)` for the other, for the second `√((1 - s)/2)` and `√(1/2)`.
#[test]
fn the_drift_of_two_points_follows_its_formula() -> Result<()> {
    let fake = Tensor::new(&[[0f64], [1.0]], &Device::Cpu)?;
    let real = Tensor::new(&[[0f64]], &Device::Cpu)?;
    let s = 1.0 / (1.0 + (-1f64).exp());
    // V(x) = a(x, p)·a(x, q)·(p - q), q being the other point.
    let want = [s * (1.0 - s).sqrt() * (0.0 - 1.0), 0.0];
    for (got, want) in values(&drift(&fake, &real, 1.0)?).into_iter().zip(want) {
        assert!((got - want).abs() < 1e-12, "{got}, expected {want}");
    }
    Ok(())
}

/// With one radius the drift has a mean square of 1, and so has the loss. Its gradient is `-2·V / (B·F)` in
/// units of the normalised features.
#[test]
fn the_gradient_of_the_loss_moves_features_along_the_drift() -> Result<()> {
    let (fake, real) = (Var::from_tensor(&features("fake", 4)?)?, features("real", 6)?);
    let loss = drifting_loss(&fake, &real, &[0.2])?;
    assert!((values(&loss)[0] - 1.0).abs() < 1e-6);
    let gradient = values(gradients(&loss)?.get(&fake).unwrap());
    let others = (4 * 9) as f64;
    let mut sum = 0.0;
    let (a, all) = (fake.to_vec2::<f64>()?, Tensor::cat(&[&real, fake.as_tensor()], 0)?.to_vec2::<f64>()?);
    for x in &a {
        for y in &all {
            sum += x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        }
    }
    let scale = 5f64.sqrt() / (sum / others);
    let normed = |x: &Tensor| x.affine(scale, 0.0);
    let v = values(&drift(&normed(&fake)?, &normed(&real)?, 0.2 * 5f64.sqrt())?);
    let norm = (v.iter().map(|v| v * v).sum::<f64>() / 20.0).sqrt();
    for (gradient, v) in gradient.iter().zip(v) {
        let want = -2.0 * v / norm * scale / 20.0;
        assert!((gradient - want).abs() < 1e-6 * (1.0 + want.abs()), "{gradient}, expected {want}");
    }
    Ok(())
}

/// Steps of about 0.07 against the gradient bring generated features nearer to real ones.
#[test]
fn drifting_moves_generated_features_to_real_ones() -> Result<()> {
    let real = features("real", 16)?.affine(0.5, 3.0)?;
    let mut fake = features("fake", 16)?;
    let gap =
        |fake: &Tensor| Ok::<_, t2f_gan::Error>(values(&fake.mean_all()?.sub(&real.mean_all()?)?)[0].abs());
    let before = gap(&fake)?;
    for _ in 0..40 {
        let x = Var::from_tensor(&fake)?;
        let gradient = gradients(&drifting_loss(&x, &real, &[0.05, 0.2, 1.0])?)?.remove(&x).unwrap();
        fake = fake.sub(&gradient.affine(3.0, 0.0)?)?;
    }
    assert!(gap(&fake)? < 0.5 * before, "{} of {before}", gap(&fake)?);
    Ok(())
}

#[test]
fn drifting_needs_a_classifier_and_has_no_parameters() -> Result<()> {
    let drifting = DriftingConfig { weight: 1.0, ..DriftingConfig::default() };
    let alone = LossConfig { drifting: drifting.clone(), ..LossConfig::default() };
    let message = alone.check().unwrap_err().to_string();
    assert!(message.contains("loss.drifting.weight") && message.contains("loss.attributes.classifier"));
    let wrong = DriftingConfig { radii: vec![0.1, 0.0], ..drifting.clone() };
    assert!(wrong.check().unwrap_err().to_string().contains("loss.drifting.radii is [0.1, 0.0]"));
    let attributes =
        AttributesConfig { weight: 1.0, text_weight: 1.0, classifier: vec![2], ..Default::default() };
    let without = LossConfig { attributes, ..LossConfig::default() };
    let with = LossConfig { drifting, ..without.clone() };
    let names = |loss: &LossConfig| -> Result<Vec<String>> {
        let nets = Nets::with_loss(&tiny::config(), loss, DType::F64)?;
        Ok(nets.parameters.vars().into_iter().map(|(name, _)| name).collect())
    };
    assert_eq!(names(&with)?, names(&without)?);
    Ok(())
}
