//! Every loss and penalty against values by hand, and what they ask for.

use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};
use t2f_gan::loss::penalty::{approximate_squared_gradient, gradient_penalty, squared_gradient};
use t2f_gan::{
    AdversarialConfig, AdversarialLoss, Conditioned, Discriminator, DiscriminatorBatch, Growth, LossConfig,
    LossTerms, Objective, ObjectiveContext, PartialLabels, PenaltyConfig, Result, Scores,
};
use t2f_ops::init::Parameters;
use t2f_ops::rng::{self, Key};

use crate::tiny::{self, GeneratorBatch, Texts, names};

/// Every loss of this crate.
const KINDS: [&str; 6] = ["wgan-gp", "lsgan", "hinge", "relativistic-hinge", "logistic", "rpgan"];

fn tensor(values: &[f64]) -> Result<Tensor> {
    Ok(Tensor::new(values, &Device::Cpu)?)
}

fn scores(matching_aware: bool) -> Result<Scores> {
    let mismatched = matching_aware.then(|| tensor(&[0.4, -0.6])).transpose()?;
    Ok(Scores { real: tensor(&[0.5, -1.0])?, fake: tensor(&[-2.0, 0.3])?, mismatched })
}

fn config(text: &str) -> AdversarialConfig {
    serde_json::from_str(text).unwrap()
}

fn value(x: &Tensor) -> f64 {
    x.to_scalar::<f64>().unwrap()
}

fn close(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() < tolerance, "{what}: {got} instead of {want}");
}

fn assert_terms(terms: &LossTerms, expected: &[(&str, f64)], what: &str) -> Result<()> {
    let names: Vec<_> = terms.iter().map(|(name, _)| name).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{what}");
    for (name, want) in expected {
        close(value(terms.get(name).unwrap()), *want, 1e-6, &format!("{what}, {name}"));
    }
    close(value(&terms.total()?), expected.iter().map(|(_, v)| v).sum(), 1e-6, what);
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
        ("rpgan", 0.8099491, (0.8099491, 0.3893530), None, 1.4099491),
        ("logistic", 0.8936695 + 0.4906415, (0.8936695 + 0.2453207, 0.3376258), None, 1.3406415),
    ];
    for (kind, alone, (adversarial, mismatch), drift, generator) in cases {
        let loss = config(&format!(r#"{{"kind": "{kind}"}}"#)).build()?;
        let drift = drift.map(|drift| ("drift", drift));
        let mut expected = vec![("adversarial", alone)];
        expected.extend(drift);
        assert_terms(&loss.discriminator_terms(&scores(false)?)?, &expected, kind)?;
        let mut expected = vec![("adversarial", adversarial), ("mismatch", mismatch)];
        expected.extend(drift);
        assert_terms(&loss.discriminator_terms(&scores(true)?)?, &expected, kind)?;
        let given = scores(false)?;
        assert_terms(
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

/// `score = ½ weight ‖x‖² + <slope, x> + sum(text)`: its gradient is `weight·x + slope`. Counts the
/// passes over images.
#[derive(Debug)]
struct Known {
    weight: f64,
    slope: f64,
    passes: AtomicUsize,
}

impl Known {
    fn new(weight: f64, slope: f64) -> Self {
        Self { weight, slope, passes: AtomicUsize::new(0) }
    }

    /// The passes since the last call.
    fn passes(&self) -> usize {
        self.passes.swap(0, Ordering::Relaxed)
    }
}

impl Discriminator for Known {
    fn features(&self, images: &Tensor, _: Growth) -> Result<Tensor> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        let x = images.flatten_from(1)?;
        let sums = x.sqr()?.affine(0.5 * self.weight, 0.0)?.add(&x.affine(self.slope, 0.0)?)?.sum(1)?;
        Ok(sums.reshape(((), 1, 1, 1))?)
    }

    fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor> {
        Ok(features.flatten_all()?.add(&condition.sum(1)?)?)
    }

    fn feature_channels(&self) -> usize {
        1
    }
}

/// Images of 48 values each, with a true and a false text.
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

    fn texts(&self) -> Texts<'_> {
        Texts { embedding: &self.text, others: Some(&self.wrong), labels: None, key: Key::new(6) }
    }

    fn batch(&self, step: u64) -> DiscriminatorBatch<'_> {
        DiscriminatorBatch {
            real: &self.real,
            fake: &self.fake,
            condition: &self.text,
            mismatched: Some(&self.wrong),
            at: Growth::stable(0),
            key: Key::new(5),
            step,
            progress: 0.0,
        }
    }

    /// The discriminator's loss without objectives.
    fn discriminator_loss(&self, d: &Known, loss: &dyn AdversarialLoss, step: u64) -> Result<LossTerms> {
        tiny::discriminator_loss(d, loss, &[], &self.batch(step), self.texts())
    }

    /// The generator's loss.
    fn generator_loss(
        &self,
        d: &Known,
        loss: &dyn AdversarialLoss,
        objectives: &[Box<dyn Objective>],
        texts: Texts<'_>,
    ) -> Result<LossTerms> {
        let zero = Tensor::zeros((), DType::F64, &Device::Cpu)?;
        let conditioned = Conditioned { code: self.text.clone(), kl: zero };
        let batch = GeneratorBatch {
            fake: &self.fake,
            real: &self.real,
            condition: &self.text,
            conditioned: &conditioned,
            inferred: None,
            at: Growth::stable(0),
        };
        tiny::generator_loss(d, loss, objectives, &batch, texts)
    }
}

/// A gradient of 0.5 in each of 48 values has norm √12.
#[test]
fn penalties_of_a_linear_discriminator() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.5), Images::new(500)?);
    let batch = images.batch(0);
    close(value(&gradient_penalty(&d, &batch)?), (12f64.sqrt() - 1.0).powi(2), 1e-9, "gradient penalty");
    close(value(&squared_gradient(&d, &batch, batch.real)?), 12.0, 1e-9, "R1");
    let real = d.forward(&images.real, &images.text, batch.at)?;
    // The relative deviation of a mean of 500 squared normals is √(2 / 500) = 0.06.
    close(
        value(&approximate_squared_gradient(&d, &batch, batch.real, &real, 0.05)?),
        12.0,
        2.0,
        "approximate R1",
    );
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
    let batch = images.batch(0);
    close(value(&gradient_penalty(&d, &batch)?), mean(|n| (n - 1.0).powi(2)), 1e-9, "gradient penalty");
    close(value(&squared_gradient(&d, &batch, batch.real)?), mean(|n| n * n), 1e-9, "R1");
    Ok(())
}

/// Between x and -x with ‖x‖ = 1 the norm is |2u - 1|, uniform in [0, 1): E (1 - v)² is 1/3.
#[test]
fn interpolation_is_uniform_and_independent_for_each_image() -> Result<()> {
    let (d, mut images) = (Known::new(1.0, 0.0), Images::new(2000)?);
    let norms = images.real.sqr()?.sum_keepdim((1, 2, 3))?.sqrt()?;
    images.real = images.real.broadcast_div(&norms)?;
    images.fake = images.real.neg()?;
    close(value(&gradient_penalty(&d, &images.batch(0))?), 1.0 / 3.0, 0.03, "mean over images");
    Ok(())
}

#[test]
fn lazy_r1_keeps_its_weight_on_average_beside_every_loss() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.5), Images::new(2)?);
    for kind in KINDS {
        let r1 = PenaltyConfig { gamma: 3.0.into(), interval: 4, sigma: 0.0 };
        let config = AdversarialConfig { lambda: 0.0, r1, ..AdversarialConfig::named(kind)? };
        let loss = config.build()?;
        let penalty = |step| -> Result<f64> {
            Ok(images.discriminator_loss(&d, &*loss, step)?.get("penalty").map_or(0.0, value))
        };
        let total = (0..8).map(penalty).sum::<Result<f64>>()?;
        close(total / 8.0, 1.5 * 12.0, 1e-9, &format!("{kind}, mean over steps"));
        close(penalty(5)?, 0.0, 1e-12, &format!("{kind}, step 5"));
    }
    Ok(())
}

/// The gradient of ½‖x‖² is x: R1 is the mean of ‖x‖² of real images, R2 that of generated ones.
#[test]
fn r1_and_r2_are_penalties_at_real_and_at_generated_images() -> Result<()> {
    let (d, images) = (Known::new(1.0, 0.0), Images::new(3)?);
    let mean =
        |images: &Tensor| -> Result<f64> { Ok(value(&images.sqr()?.flatten_from(1)?.sum(1)?.mean_all()?)) };
    for sigma in [0.0, 1e-4] {
        let with = |gamma: f64| PenaltyConfig { gamma: gamma.into(), interval: 1, sigma };
        let config = AdversarialConfig { r1: with(2.0), r2: with(6.0), ..AdversarialConfig::named("rpgan")? };
        assert_eq!(config.second_order(), sigma == 0.0);
        let terms = images.discriminator_loss(&d, &*config.build()?, 1)?;
        assert_eq!(names(&terms), ["adversarial", "mismatch", "penalty", "r2"]);
        if sigma == 0.0 {
            close(value(terms.get("penalty").unwrap()), mean(&images.real)?, 1e-9, "R1");
            close(value(terms.get("r2").unwrap()), 3.0 * mean(&images.fake)?, 1e-9, "R2");
        }
    }
    Ok(())
}

#[test]
fn the_weight_of_a_penalty_follows_the_progress_of_the_run() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.5), Images::new(2)?);
    let loss = config(
        r#"{"kind": "rpgan", "r1": {"gamma": {"from": 2.0, "to": 0.0, "shape": "linear"}, "interval": 1}}"#,
    );
    let loss = loss.build()?;
    for (progress, weight) in [(0.0, 2.0), (0.25, 1.5), (1.0, 0.0)] {
        let batch = DiscriminatorBatch { progress, ..images.batch(1) };
        let terms = tiny::discriminator_loss(&d, &*loss, &[], &batch, images.texts())?;
        let penalty = terms.get("penalty").map_or(0.0, value);
        close(penalty, 0.5 * weight * 12.0, 1e-9, &format!("at {progress}"));
    }
    Ok(())
}

/// Signs for ADA: of real scores, or of the differences of pairs where a loss compares them.
#[test]
fn signs_are_those_that_the_loss_separates() -> Result<()> {
    for (kind, signs) in [("logistic", [1.0, -1.0]), ("rpgan", [1.0, -1.0])] {
        let loss = AdversarialConfig::named(kind)?.build()?;
        assert_eq!(loss.signs(&scores(true)?)?.to_vec1::<f64>()?, signs, "{kind}");
        let both_high = Scores { real: tensor(&[5.0, 5.0])?, fake: tensor(&[6.0, 4.0])?, mismatched: None };
        let expected = if kind == "rpgan" { [-1.0, 1.0] } else { [1.0, 1.0] };
        assert_eq!(loss.signs(&both_high)?.to_vec1::<f64>()?, expected, "{kind}");
    }
    Ok(())
}

#[test]
fn r1_and_a_gradient_penalty_are_terms_of_different_names() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.5), Images::new(2)?);
    let loss =
        config(r#"{"kind": "wgan-gp", "lambda": 2.0, "r1": {"gamma": 3.0, "interval": 1}}"#).build()?;
    let terms = images.discriminator_loss(&d, &*loss, 1)?;
    assert_eq!(names(&terms), ["adversarial", "mismatch", "drift", "penalty", "r1"]);
    close(value(terms.get("penalty").unwrap()), 2.0 * (12f64.sqrt() - 1.0).powi(2), 1e-9, "gradient penalty");
    close(value(terms.get("r1").unwrap()), 1.5 * 12.0, 1e-9, "R1");
    Ok(())
}

#[test]
fn whole_loss_computes_the_features_of_real_images_once_for_both_texts() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.1), Images::new(4)?);
    let mean = |images: &Tensor, text: &Tensor| -> Result<f64> {
        Ok(value(&Known::new(0.0, 0.1).forward(images, text, Growth::stable(0))?.mean_all()?))
    };
    let loss = config(r#"{"kind": "wgan-gp", "drift": 0.0, "lambda": 0.0}"#).build()?;
    let terms = images.discriminator_loss(&d, &*loss, 0)?;
    assert_eq!(d.passes(), 2);
    let adversarial = 0.5 * mean(&images.fake, &images.text)? - mean(&images.real, &images.text)?;
    let mismatch = 0.5 * mean(&images.real, &images.wrong)?;
    assert_terms(&terms, &[("adversarial", adversarial), ("mismatch", mismatch), ("drift", 0.0)], "wgan")
}

/// One pass over real and one over generated images for the discriminator; one over generated images for
/// the generator, and one over real images where the loss compares with them.
#[test]
fn objectives_need_no_pass_of_their_own() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.1), Images::new(4)?);
    let parameters = Parameters::drawn(Key::new(8));
    let vb = parameters.builder(DType::F64, &Device::Cpu);
    let context = ObjectiveContext {
        embedding_size: 2,
        feature_channels: d.feature_channels(),
        noise_size: tiny::NOISE,
        attribute_sizes: &tiny::SIZES,
        g: vb.clone(),
        d: vb,
        d_frozen: parameters.frozen_builder(DType::F64, &Device::Cpu),
    };
    // The classifier is linear in the discriminator's features.
    let mut config = LossConfig { contrast: tiny::with_heads(false).contrast, ..LossConfig::default() };
    (config.attributes.weight, config.attributes.text_weight) = (1.0, 1.0);
    let objectives = config.objectives(None, &context)?;
    let known = || PartialLabels::new(&tiny::SIZES, 4, &Device::Cpu, |_, _| Some(vec![1]));
    let labels = t2f_gan::Labels { shown: known()?, claimed: known()?, said: known()?, open: known()? };
    let texts = Texts { labels: Some(&labels), ..images.texts() };
    for (kind, of_generator) in [("hinge", 1), ("relativistic-hinge", 2)] {
        let loss = AdversarialConfig::named(kind)?.build()?;
        let terms = tiny::discriminator_loss(&d, &*loss, &objectives, &images.batch(1), texts)?;
        assert_eq!(names(&terms), ["adversarial", "mismatch", "contrast", "attributes", "text"]);
        assert_eq!(d.passes(), 2, "{kind}");
        let terms = images.generator_loss(&d, &*loss, &objectives, texts)?;
        assert_eq!(names(&terms), ["adversarial", "contrast", "attributes", "kl"]);
        assert_eq!(d.passes(), of_generator, "{kind}");
    }
    Ok(())
}

#[test]
fn losses_say_what_they_need() -> Result<()> {
    let (d, images) = (Known::new(0.0, 0.1), Images::new(2)?);
    // A false text counts where the batch has one, whatever the loss.
    for kind in KINDS {
        let loss = AdversarialConfig { lambda: 0.0, ..AdversarialConfig::named(kind)? }.build()?;
        assert_eq!(loss.needs_reals_for_generator(), ["relativistic-hinge", "rpgan"].contains(&kind));
        assert!(images.discriminator_loss(&d, &*loss, 1)?.get("mismatch").is_some(), "{kind}");
        let batch = DiscriminatorBatch { mismatched: None, ..images.batch(1) };
        let terms = tiny::discriminator_loss(&d, &*loss, &[], &batch, images.texts())?;
        assert!(terms.get("mismatch").is_none(), "{kind}");
    }
    assert!(config(r#"{"kind": "hinge"}"#).matching_aware);
    assert!(!config(r#"{"kind": "hinge", "matching_aware": false}"#).matching_aware);

    for kind in ["relativistic-hinge", "rpgan"] {
        let relativistic = AdversarialConfig::named(kind)?.build()?;
        let score = d.forward(&images.fake, &images.text, Growth::stable(0))?;
        let message = relativistic.generator_terms(&score, None).err().unwrap().to_string();
        assert!(message.contains(kind) && message.contains("real images"), "{message}");
        assert!(images.generator_loss(&d, &*relativistic, &[], images.texts()).is_ok());
    }
    Ok(())
}

#[test]
fn configurations_have_the_published_defaults() {
    assert_eq!(config("{}"), AdversarialConfig::default());
    assert_eq!(config(r#"{"kind": "wgan-gp"}"#), AdversarialConfig::default());
    assert_eq!(config(r#"{"lambda": 10}"#), AdversarialConfig::default());
    for kind in KINDS {
        let config = config(&format!(r#"{{"kind": "{kind}"}}"#));
        let gamma = if kind == "logistic" { 10.0 } else { 0.0 };
        assert_eq!(config.r1, PenaltyConfig { gamma: gamma.into(), interval: 16, sigma: 0.0 }, "{kind}");
        assert_eq!((config.lambda, config.drift, config.matching_aware), (10.0, 0.001, true), "{kind}");
        assert_eq!(config, AdversarialConfig::named(kind).unwrap());
        let second_order = kind == "wgan-gp" || kind == "logistic";
        assert_eq!(config.second_order(), second_order, "{kind}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<AdversarialConfig>(&text).unwrap(), config, "{text}");
    }
    let logistic = config(r#"{"kind": "logistic", "r1": {"interval": 4}}"#);
    assert_eq!(logistic.r1, PenaltyConfig { gamma: 10.0.into(), interval: 4, sigma: 0.0 });
}

#[test]
fn configurations_refuse_the_rest_by_name() {
    for (text, part) in [
        (r#"{"kind": "hinge", "lambda": 10}"#, "lambda"),
        (r#"{"kind": "logistic", "drift": 0.001}"#, "drift"),
        (r#"{"kind": "hinge", "r1_gamma": 1}"#, "r1_gamma"),
        (r#"{"kind": "hinge", "r1": {"weight": 1}}"#, "weight"),
    ] {
        let message = serde_json::from_str::<AdversarialConfig>(text).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let unknown = [
        serde_json::from_str::<AdversarialConfig>(r#"{"kind": "wgan"}"#).unwrap_err().to_string(),
        AdversarialConfig::named("wgan").unwrap_err().to_string(),
        AdversarialConfig { kind: "wgan".into(), ..AdversarialConfig::default() }
            .check()
            .unwrap_err()
            .to_string(),
    ];
    for message in unknown {
        assert!(message.contains(&format!("wgan, expected one of {}", KINDS.join(", "))), "{message}");
    }
    for (text, name) in [
        (r#"{"kind": "wgan-gp", "lambda": -1}"#, "loss.adversarial.lambda is -1"),
        (r#"{"kind": "wgan-gp", "drift": -1}"#, "loss.adversarial.drift is -1"),
        (r#"{"kind": "hinge", "r1": {"interval": 0}}"#, "loss.adversarial.r1.interval is 0"),
        (r#"{"kind": "lsgan", "r1": {"gamma": -2}}"#, "loss.adversarial.r1.gamma is -2"),
        (r#"{"kind": "logistic", "r1": {"sigma": -0.5}}"#, "loss.adversarial.r1.sigma is -0.5"),
        (
            r#"{"kind": "rpgan", "r2": {"gamma": {"from": 1, "to": -2}}}"#,
            "loss.adversarial.r2.gamma is 1 to -2",
        ),
    ] {
        let message = config(text).build().err().unwrap().to_string();
        assert!(message.contains(name), "{message}");
        assert_eq!(config(text).check().unwrap_err().to_string(), message);
    }
}
