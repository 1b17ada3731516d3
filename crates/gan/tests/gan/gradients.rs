//! Every parameter's gradient against central differences, in 64 bits.

use candle_core::{DType, Device, Tensor, Var};
use t2f_gan::loss::penalty::{gradient_penalty, squared_gradient};
use t2f_gan::{
    Channels, Condition, ConditioningKind, DiscriminatorBatch, GanConfig, Growth, Labels, LossConfig,
    PartialLabels, Result,
};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;

use crate::tiny::{self, Nets, values};

/// So small that hardly any leaky rectifier changes sides between the two evaluations.
const STEP: f64 = 1e-7;

/// Asserts that `d f / d p` is what [`gradients`] says, for every scalar of every parameter under
/// `prefix`, and that some are not zero.
fn assert_gradients(parameters: &Parameters, prefix: &str, f: impl Fn() -> Result<Tensor>) -> Result<()> {
    let grads = gradients(&f()?)?;
    let mut moved = 0;
    for (name, var) in parameters.vars().into_iter().filter(|(name, _)| name.starts_with(prefix)) {
        let first = values(&var);
        let exact = grads.get(&var).map_or_else(|| vec![0.0; first.len()], values);
        for i in 0..first.len() {
            let at = |shift: f64| -> Result<f64> {
                let mut shifted = first.clone();
                shifted[i] += shift;
                var.set(&Tensor::from_vec(shifted, var.shape(), var.device())?)?;
                Ok(f()?.to_scalar::<f64>()?)
            };
            let measured = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
            assert!(
                (measured - exact[i]).abs() < 2e-6 * (1.0 + exact[i].abs()),
                "{name}[{i}]: gradient {}, measured {measured}",
                exact[i]
            );
            moved += usize::from(exact[i] != 0.0);
        }
        var.set(&Tensor::from_vec(first, var.shape(), var.device())?)?;
    }
    assert!(moved > 10, "only {moved} parameters under {prefix} matter");
    Ok(())
}

/// 8x8, two channels a level: for functions that are differentiated twice.
fn smaller(config: GanConfig) -> GanConfig {
    GanConfig { resolution: 8, channels: Channels::List(vec![2, 2]), stddev_group: 2, ..config }
}

const FADING: Growth = Growth { level: 1, alpha: 0.4 };

/// Every kind of layer, fading and grown.
fn states() -> [(GanConfig, Growth); 5] {
    [
        (tiny::config(), Growth { level: 2, alpha: 0.4 }),
        (smaller(tiny::config()), Growth::stable(1)),
        (smaller(tiny::config()), Growth::stable(0)),
        (smaller(tiny::compat()), FADING),
        (smaller(tiny::projection()), FADING),
    ]
}

#[test]
fn generator() -> Result<()> {
    for (config, at) in states() {
        let nets = Nets::new(&config, DType::F64)?.shaken()?;
        let latent = nets.normal("latent", (2, tiny::LATENT))?;
        let weights = nets.normal("weights", (2, 3, at.resolution(), at.resolution()))?;
        let f = || Ok(nets.generator.forward(&latent, at)?.mul(&weights)?.sum_all()?.affine(0.1, 0.0)?);
        assert_gradients(&nets.parameters, "generator.", f)?;
    }
    Ok(())
}

#[test]
fn discriminator() -> Result<()> {
    for (config, at) in states() {
        let nets = Nets::new(&config, DType::F64)?.shaken()?;
        let images = nets.normal("images", (3, 3, at.resolution(), at.resolution()))?;
        let text = nets.normal("text", (3, tiny::EMBEDDING))?;
        let weights = nets.normal("weights", 3)?;
        let f = || Ok(nets.discriminator.forward(&images, &text, at)?.mul(&weights)?.sum_all()?);
        assert_gradients(&nets.parameters, "discriminator.", f)?;
    }
    Ok(())
}

#[test]
fn conditioning() -> Result<()> {
    for kind in [ConditioningKind::LogVariance, ConditioningKind::Relu] {
        let nets = Nets::new(&GanConfig { conditioning: kind, ..tiny::config() }, DType::F64)?.shaken()?;
        let (text, noise) = (nets.normal("text", (4, tiny::EMBEDDING))?, nets.normal("noise", (4, 2))?);
        let f = || {
            let conditioned = nets.conditioning.forward(&text, &noise)?;
            Ok(conditioned.code.mul(&noise)?.sum_all()?.add(&conditioned.kl)?)
        };
        assert_gradients(&nets.parameters, "conditioning.", f)?;
    }
    Ok(())
}

/// Through the noise into the encoder, and through the picture into the generator.
#[test]
fn reconstruction() -> Result<()> {
    let nets = Nets::new(&tiny::drawing_again(smaller(tiny::projection())), DType::F64)?.shaken()?;
    let encoder = nets.latent_encoder.as_ref().unwrap();
    let (images, code) = (nets.normal("images", (2, 3, 8, 8))?, nets.normal("code", (2, 2))?);
    let epsilon = nets.normal("epsilon", (2, tiny::LATENT - 2))?;
    let f = || {
        let encoded = encoder.encode(&images, &epsilon)?;
        let latent = Tensor::cat(&[&code, &encoded.noise], 1)?;
        encoder.loss(&nets.generator.forward(&latent, FADING)?, &encoded)?.total()
    };
    assert_gradients(&nets.parameters, "encoder.", f)?;
    assert_gradients(&nets.parameters, "generator.", f)
}

/// A batch of two for the networks of [`smaller`].
struct Batch {
    real: Tensor,
    fake: Tensor,
    text: Tensor,
    wrong: Tensor,
    labels: Labels,
    plan: Option<Tensor>,
}

impl Batch {
    fn new(nets: &Nets, at: Growth) -> Result<Self> {
        let side = at.resolution();
        let possible = |first: usize| {
            PartialLabels::new(&tiny::SIZES, 2, &Device::Cpu, |item, attribute| {
                (item != attribute).then(|| vec![if attribute == 0 { first + 1 } else { 0 }])
            })
        };
        let labels = Labels {
            shown: possible(0)?,
            claimed: possible(1)?,
            said: possible(0)?,
            open: possible(1)?,
            key: Key::new(3),
        };
        let plan = nets.prior.as_ref().map(|prior| prior.plan_of(&labels.shown));
        Ok(Self {
            plan: plan.transpose()?,
            labels,
            real: nets.normal("real", (2, 3, side, side))?,
            fake: nets.normal("fake", (2, 3, side, side))?,
            text: nets.normal("text", (2, tiny::EMBEDDING))?,
            wrong: nets.normal("wrong", (2, tiny::EMBEDDING))?,
        })
    }

    fn texts(&self) -> Condition<'_> {
        Condition {
            embedding: &self.text,
            others: Some(&self.wrong),
            labels: Some(&self.labels),
            plan: self.plan.as_ref(),
        }
    }

    fn pair(&self, at: Growth) -> DiscriminatorBatch<'_> {
        DiscriminatorBatch {
            real: &self.real,
            fake: &self.fake,
            texts: self.texts(),
            mismatched: Some(&self.wrong),
            at,
            key: Key::new(9),
            step: 0,
        }
    }
}

#[test]
fn gradient_penalty_through_a_fading_block() -> Result<()> {
    for config in [tiny::config(), tiny::compat(), tiny::projection()] {
        let nets = Nets::new(&smaller(config), DType::F64)?.shaken()?;
        let batch = Batch::new(&nets, FADING)?;
        assert_gradients(&nets.parameters, "discriminator.", || {
            gradient_penalty(&*nets.discriminator, &batch.pair(FADING))
        })?;
    }
    Ok(())
}

#[test]
fn r1_penalty_through_a_fading_block() -> Result<()> {
    let nets = Nets::new(&smaller(tiny::config()), DType::F64)?.shaken()?;
    let batch = Batch::new(&nets, FADING)?;
    assert_gradients(&nets.parameters, "discriminator.", || {
        squared_gradient(&*nets.discriminator, &batch.pair(FADING))
    })
}

/// Every loss with all its parts, weighted so that none hides another, and whether there are plans.
fn losses() -> Vec<(LossConfig, bool)> {
    let (r1_gamma, r1_interval, matching_aware) = (0.5, 1, true);
    let logistic = LossConfig::Logistic { r1_gamma, r1_interval, r1_sigma: 0.0, matching_aware };
    vec![
        (LossConfig::WganGp { lambda: 0.5, drift: 0.1, matching_aware }, true),
        (LossConfig::Lsgan { matching_aware }, true),
        (LossConfig::Hinge { r1_gamma, r1_interval, r1_sigma: 0.1, matching_aware }, true),
        (LossConfig::RelativisticHinge { r1_gamma, r1_interval, r1_sigma: 0.0, matching_aware }, true),
        (logistic.clone(), true),
        (logistic, false),
    ]
}

#[test]
fn discriminator_losses() -> Result<()> {
    let at = Growth::stable(0);
    for (config, prior) in losses() {
        let nets = Nets::new(&smaller(tiny::with_heads(tiny::config(), prior)), DType::F64)?.shaken()?;
        let (batch, loss) = (Batch::new(&nets, at)?, config.build()?);
        assert_gradients(&nets.parameters, "discriminator.", || {
            loss.discriminator(&*nets.discriminator, &batch.pair(at))?.parts.total()
        })?;
    }
    Ok(())
}

#[test]
fn generator_losses_through_a_frozen_discriminator() -> Result<()> {
    for (config, prior) in losses() {
        let nets = Nets::new(&smaller(tiny::with_heads(tiny::config(), prior)), DType::F64)?.shaken()?;
        let (batch, loss) = (Batch::new(&nets, FADING)?, config.build()?);
        let latent = nets.normal("latent", (2, nets.generator.latent_size()))?;
        let f = || {
            let fake = nets.generator.forward(&latent, FADING)?;
            loss.generator(&*nets.frozen, &fake, Some(&batch.real), &batch.texts(), FADING)?.total()
        };
        let grads = gradients(&f()?)?;
        for (name, var) in nets.parameters.vars() {
            assert_eq!(grads.get(&var).is_some(), name.starts_with("generator."), "{name}");
        }
        assert_gradients(&nets.parameters, "generator.", f)?;
    }
    Ok(())
}

#[test]
fn prior() -> Result<()> {
    let nets = Nets::new(&smaller(tiny::with_heads(tiny::config(), true)), DType::F64)?.shaken()?;
    let batch = Batch::new(&nets, FADING)?;
    let prior = nets.prior.as_ref().unwrap();
    // What texts say is given to what they leave open, and learns nothing from it.
    for (part, parameters) in [("text", "prior.said."), ("prior", "prior.open.")] {
        assert_gradients(&nets.parameters, parameters, || {
            Ok(prior.loss(&batch.text, &batch.labels)?.get(part).unwrap().clone())
        })?;
    }
    let text = Var::from_tensor(&batch.text)?;
    let parts = prior.loss(text.as_tensor(), &batch.labels)?;
    assert!(gradients(parts.get("text").unwrap())?.get(&text).is_some());
    let of_open = gradients(parts.get("prior").unwrap())?;
    assert!(of_open.get(&text).is_none());
    let said = nets.parameters.vars().into_iter().filter(|(name, _)| name.starts_with("prior.said."));
    assert!(said.into_iter().all(|(_, var)| of_open.get(&var).is_none()));
    Ok(())
}
