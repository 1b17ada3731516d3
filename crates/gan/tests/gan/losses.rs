//! Every loss and penalty against values by hand, and what they ask for.

use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};
use t2f_gan::loss::penalty::{approximate_squared_gradient, gradient_penalty, squared_gradient};
use t2f_gan::{Condition, Discriminator, DiscriminatorBatch, Growth, LossConfig, LossTerms, Result, Scores};
use t2f_ops::rng::{self, Key};

fn tensor(values: &[f64]) -> Result<Tensor> {
    Ok(Tensor::new(values, &Device::Cpu)?)
}

fn scores(matching_aware: bool) -> Result<Scores> {
    let mismatched = matching_aware.then(|| tensor(&[0.4, -0.6])).transpose()?;
    Ok(Scores { real: tensor(&[0.5, -1.0])?, fake: tensor(&[-2.0, 0.3])?, mismatched })
}

fn config(text: &str) -> LossConfig {
    serde_json::from_str(text).unwrap()
}

fn value(x: &Tensor) -> f64 {
    x.to_scalar::<f64>().unwrap()
}

fn close(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() < tolerance, "{what}: {got} instead of {want}");
}

fn assert_parts(parts: &LossTerms, expected: &[(&str, f64)], what: &str) -> Result<()> {
    let names: Vec<_> = parts.iter().map(|(name, _)| name).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{what}");
    for (name, want) in expected {
        close(value(parts.get(name).unwrap()), *want, 1e-6, &format!("{what}, {name}"));
    }
    close(value(&parts.total()?), expected.iter().map(|(_, v)| v).sum(), 1e-6, what);
    Ok(())
}

/// Scores r = 0.5, -1 (mean -0.25), f = -2, 0.3 (mean -0.85), m = 0.4, -0.6 (mean -0.1).
#[test]
fn values_by_hand() -> Result<()> {
    // kind, D without mismatches, D with: adversarial and mismatch, drift, G
    let cases = [
        ("wgan-gp", -0.85 + 0.25, (-0.425 + 0.25, -0.05), Some(0.001 * 0.625), 0.85),
        ("lsgan", 1.0625 + 1.0225, (1.0625 + 0.51125, 0.065), None, 2.3725),
        ("hinge", 1.25 + 0.65, (1.25 + 0.325, 0.45), None, 0.85),
        ("relativistic-hinge", 0.575 + 0.775, (0.775 + 0.3875, 0.575), None, 1.6 + 1.6),
        ("logistic", 0.8936695 + 0.4906415, (0.8936695 + 0.2453207, 0.3376258), None, 1.3406415),
    ];
    for (kind, alone, (adversarial, mismatch), drift, generator) in cases {
        let loss = config(&format!(r#"{{"kind": "{kind}"}}"#)).build()?;
        let drift = drift.map(|drift| ("drift", drift));
        let mut expected = vec![("adversarial", alone)];
        expected.extend(drift);
        assert_parts(&loss.discriminator_terms(&scores(false)?)?, &expected, kind)?;
        let mut expected = vec![("adversarial", adversarial), ("mismatch", mismatch)];
        expected.extend(drift);
        assert_parts(&loss.discriminator_terms(&scores(true)?)?, &expected, kind)?;
        let given = scores(false)?;
        assert_parts(
            &loss.generator_terms(&given.fake, Some(&given.real))?,
            &[("adversarial", generator)],
            kind,
        )?;
    }
    Ok(())
}

/// T2F's weights of 1 and 1 make the loss fall without end when every score falls.
#[test]
fn matching_aware_wgan_does_not_move_when_all_scores_shift() -> Result<()> {
    let loss = config(r#"{"kind": "wgan-gp", "drift": 0.0}"#).build()?;
    let at = |shift: f64| -> Result<f64> {
        let s = scores(true)?;
        let moved = |x: &Tensor| x.affine(1.0, shift);
        let mismatched = s.mismatched.as_ref().map(moved).transpose()?;
        let shifted = Scores { real: moved(&s.real)?, fake: moved(&s.fake)?, mismatched };
        Ok(value(&loss.discriminator_terms(&shifted)?.total()?))
    };
    close(at(500.0)?, at(0.0)?, 1e-9, "shifted by 500");
    Ok(())
}

/// `score = ½ weight ‖x‖² + <slope, x> + sum(text)`: its gradient is `weight·x + slope`. Counts
/// how often it looks at images.
struct Known {
    weight: f64,
    slope: f64,
    looks: AtomicUsize,
}

impl Known {
    fn new(weight: f64, slope: f64) -> Self {
        Self { weight, slope, looks: AtomicUsize::new(0) }
    }
}

impl Discriminator for Known {
    fn features(&self, images: &Tensor, _: Growth) -> Result<Tensor> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let x = images.flatten_from(1)?;
        Ok(x.sqr()?.affine(0.5 * self.weight, 0.0)?.add(&x.affine(self.slope, 0.0)?)?.sum(1)?)
    }

    fn score(&self, features: &Tensor, embedding: &Tensor) -> Result<Tensor> {
        Ok(features.add(&embedding.sum(1)?)?)
    }
}

/// Images of 48 values each, and three texts.
struct Images {
    real: Tensor,
    fake: Tensor,
    text: Tensor,
    wrong: Tensor,
}

impl Images {
    fn new(batch: usize) -> Result<Self> {
        let normal = |name: &str, shape: &[usize]| {
            rng::normal(Key::new(4).child(name), shape, DType::F64, &Device::Cpu)
        };
        Ok(Self {
            real: normal("real", &[batch, 3, 4, 4])?,
            fake: normal("fake", &[batch, 3, 4, 4])?,
            text: normal("text", &[batch, 2])?,
            wrong: normal("wrong", &[batch, 2])?,
        })
    }

    fn texts(&self) -> Condition<'_> {
        Condition { others: Some(&self.wrong), ..Condition::plain(&self.text) }
    }

    fn pair(&self, step: u64) -> DiscriminatorBatch<'_> {
        DiscriminatorBatch {
            real: &self.real,
            fake: &self.fake,
            texts: self.texts(),
            mismatched: Some(&self.wrong),
            at: Growth::stable(0),
            key: Key::new(5),
            step,
        }
    }
}

/// A gradient of 0.5 in each of 48 values has norm √12.
#[test]
fn penalties_of_a_linear_discriminator() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.5), Images::new(500)?);
    let pair = images.pair(0);
    close(value(&gradient_penalty(&d, &pair)?), (12f64.sqrt() - 1.0).powi(2), 1e-9, "gradient penalty");
    close(value(&squared_gradient(&d, &pair)?), 12.0, 1e-9, "R1");
    let real = d.forward(&images.real, &images.text, pair.at)?;
    // The relative deviation of a mean of 500 squared normals is √(2 / 500) = 0.06.
    close(value(&approximate_squared_gradient(&d, &pair, &real, 0.05)?), 12.0, 2.0, "approximate R1");
    Ok(())
}

/// The gradient of ½‖x‖² is x: the norm must run over a whole image, and be averaged over images.
#[test]
fn penalties_take_the_norm_of_each_image() -> Result<()> {
    let (d, mut images) = (Known::new(1.0, 0.0), Images::new(3)?);
    images.fake = images.real.clone();
    let norms: Vec<f64> = (0..3)
        .map(|i| Ok(images.real.get(i)?.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt()))
        .collect::<Result<_>>()?;
    let mean = |f: fn(f64) -> f64| norms.iter().map(|&n| f(n)).sum::<f64>() / 3.0;
    let pair = images.pair(0);
    close(value(&gradient_penalty(&d, &pair)?), mean(|n| (n - 1.0).powi(2)), 1e-9, "gradient penalty");
    close(value(&squared_gradient(&d, &pair)?), mean(|n| n * n), 1e-9, "R1");
    Ok(())
}

/// Between x and -x with ‖x‖ = 1 the norm is |2u - 1|, uniform in [0, 1): E (1 - v)² is 1/3.
#[test]
fn interpolation_is_uniform_and_drawn_for_each_image() -> Result<()> {
    let (d, mut images) = (Known::new(1.0, 0.0), Images::new(2000)?);
    let norms = images.real.sqr()?.sum_keepdim((1, 2, 3))?.sqrt()?;
    images.real = images.real.broadcast_div(&norms)?;
    images.fake = images.real.neg()?;
    close(value(&gradient_penalty(&d, &images.pair(0))?), 1.0 / 3.0, 0.03, "mean over images");
    Ok(())
}

#[test]
fn lazy_r1_keeps_its_weight_on_average() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.5), Images::new(2)?);
    let loss = config(r#"{"kind": "logistic", "r1_gamma": 3.0, "r1_interval": 4}"#).build()?;
    let penalty = |step| -> Result<f64> {
        Ok(loss.discriminator(&d, &images.pair(step))?.parts.get("penalty").map_or(0.0, value))
    };
    let total = (0..8).map(penalty).sum::<Result<f64>>()?;
    close(total / 8.0, 1.5 * 12.0, 1e-9, "mean over steps");
    close(penalty(5)?, 0.0, 1e-12, "step 5");
    Ok(())
}

#[test]
fn whole_loss_shows_real_images_once_for_both_texts() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.1), Images::new(4)?);
    let mean = |images: &Tensor, text: &Tensor| -> Result<f64> {
        Ok(value(&Known::new(0.0, 0.1).forward(images, text, Growth::stable(0))?.mean_all()?))
    };
    let loss = config(r#"{"kind": "wgan-gp", "drift": 0.0, "lambda": 0.0}"#).build()?;
    let parts = loss.discriminator(&d, &images.pair(0))?.parts;
    assert_eq!(d.looks.load(Ordering::Relaxed), 2);
    let adversarial = 0.5 * mean(&images.fake, &images.text)? - mean(&images.real, &images.text)?;
    let mismatch = 0.5 * mean(&images.real, &images.wrong)?;
    assert_parts(&parts, &[("adversarial", adversarial), ("mismatch", mismatch), ("drift", 0.0)], "wgan")
}

#[test]
fn losses_say_what_they_need() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.1), Images::new(2)?);
    let aware = config(r#"{"kind": "hinge"}"#).build()?;
    let pair = DiscriminatorBatch { mismatched: None, ..images.pair(1) };
    assert!(aware.needs_mismatched() && !aware.needs_reals_for_generator());
    let message = aware.discriminator(&d, &pair).err().unwrap().to_string();
    assert!(message.contains("mismatched texts"), "{message}");

    let unaware = config(r#"{"kind": "hinge", "matching_aware": false}"#).build()?;
    assert!(!unaware.needs_mismatched());
    assert!(unaware.discriminator(&d, &pair)?.parts.get("mismatch").is_none());
    assert!(unaware.discriminator(&d, &images.pair(1))?.parts.get("mismatch").is_none());

    let relativistic = config(r#"{"kind": "relativistic-hinge"}"#).build()?;
    assert!(relativistic.needs_reals_for_generator());
    let missing = relativistic.generator(&d, &images.fake, None, &images.texts(), pair.at);
    assert!(missing.err().unwrap().to_string().contains("real images"));
    assert!(relativistic.generator(&d, &images.fake, Some(&images.real), &images.texts(), pair.at).is_ok());
    Ok(())
}

#[test]
fn configurations_have_the_published_defaults_and_refuse_the_rest() {
    assert_eq!(config(r#"{"kind": "wgan-gp"}"#), LossConfig::default());
    let logistic = config(r#"{"kind": "logistic"}"#);
    let expected =
        LossConfig::Logistic { r1_gamma: 10.0, r1_interval: 16, r1_sigma: 0.0, matching_aware: true };
    assert_eq!(logistic, expected);
    assert!(logistic.matching_aware());
    assert_eq!(config(&serde_json::to_string(&logistic).unwrap()), logistic);
    for text in [r#"{"kind": "hinge", "lambda": 10}"#, r#"{"kind": "wgan"}"#, r#"{"lambda": 10}"#] {
        assert!(serde_json::from_str::<LossConfig>(text).is_err(), "{text}");
    }
    for (text, name) in [
        (r#"{"kind": "wgan-gp", "lambda": -1}"#, "lambda is -1"),
        (r#"{"kind": "hinge", "r1_interval": 0}"#, "r1_interval is 0"),
        (r#"{"kind": "logistic", "r1_sigma": -0.5}"#, "r1_sigma is -0.5"),
    ] {
        let message = config(text).build().err().unwrap().to_string();
        assert!(message.contains(name), "{message}");
    }
}
