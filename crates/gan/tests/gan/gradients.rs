//! Every parameter's gradient against central differences, in 64 bits.

use candle_core::{DType, Device, Tensor, Var};
use t2f_gan::loss::penalty::{gradient_penalty, squared_gradient};
use t2f_gan::{
    AdversarialConfig, AdversarialLoss, Channels, Conditioned, ConditioningKind, DiscriminatorBatch,
    EncodedLatent, GanConfig, Growth, Labels, LossTerms, PartialLabels, PenaltyConfig, Resample, Result,
};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;

use crate::tiny::{self, GeneratorBatch, Nets, Texts, values};

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
fn states() -> [(GanConfig, Growth); 9] {
    [
        (tiny::config(), Growth { level: 2, alpha: 0.4 }),
        (smaller(tiny::config()), Growth::stable(1)),
        (smaller(tiny::config()), Growth::stable(0)),
        (smaller(tiny::compat()), FADING),
        (smaller(tiny::projection()), FADING),
        (smaller(tiny::noisy()), FADING),
        (smaller(tiny::residual()), FADING),
        (tiny::residual(), Growth::stable(2)),
        (smaller(GanConfig { resample: Resample::Smooth, ..tiny::residual() }), FADING),
    ]
}

#[test]
fn generator() -> Result<()> {
    for (config, at) in states() {
        let nets = Nets::new(&config, DType::F64)?.shaken()?;
        let latent = nets.normal("latent", (2, nets.generator.latent_size()))?;
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

/// Through the noise into the encoder, and through the image into the generator.
#[test]
fn reconstruction() -> Result<()> {
    let config = smaller(tiny::projection());
    let nets = Nets::with_loss(&config, &tiny::with_reconstruction(), DType::F64)?.shaken()?;
    let objective = nets.objectives.iter().find(|objective| objective.name() == "reconstruction").unwrap();
    let (images, code) = (nets.normal("images", (4, 3, 8, 8))?, nets.normal("code", (2, tiny::CODE))?);
    let epsilon = nets.normal("epsilon", (4, tiny::NOISE))?;
    let (text, features) =
        (nets.normal("text", (2, tiny::EMBEDDING))?, nets.normal("features", (2, 1, 1, 2))?);
    let texts = Texts { embedding: &text, others: None, labels: None, key: Key::new(3) };
    let conditioned = Conditioned { code: code.clone(), kl: code.sum_all()? };
    let f = || {
        let inferred = objective.infer(&images, &epsilon)?.unwrap();
        let latent = Tensor::cat(&[&code, &inferred.noise], 1)?;
        let batch = GeneratorBatch {
            fake: &nets.generator.forward(&latent, FADING)?,
            real: &images,
            condition: &text,
            conditioned: &conditioned,
            inferred: Some(&inferred),
            at: FADING,
        };
        objective.generator_terms(&tiny::generator_inputs(&batch, &features, texts))?.total()
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
    attribute_code: Option<Tensor>,
    condition: Tensor,
    mismatched: Tensor,
}

impl Batch {
    fn new(nets: &Nets, at: Growth) -> Result<Self> {
        let side = at.resolution();
        let possible = |first: usize| {
            PartialLabels::new(&tiny::SIZES, 2, &Device::Cpu, |item, attribute| {
                (item != attribute).then(|| vec![if attribute == 0 { first + 1 } else { 0 }])
            })
        };
        let labels =
            Labels { shown: possible(0)?, claimed: possible(1)?, said: possible(0)?, open: possible(1)? };
        let attribute_code = nets.prior.as_ref().map(|prior| prior.code_of(&labels.shown)).transpose()?;
        let with_code = |text: &Tensor| -> Result<Tensor> {
            Ok(match &attribute_code {
                Some(code) => Tensor::cat(&[text, code], 1)?,
                None => text.clone(),
            })
        };
        let (text, wrong) =
            (nets.normal("text", (2, tiny::EMBEDDING))?, nets.normal("wrong", (2, tiny::EMBEDDING))?);
        Ok(Self {
            condition: with_code(&text)?,
            mismatched: with_code(&wrong)?,
            attribute_code,
            labels,
            real: nets.normal("real image", (2, 3, side, side))?,
            fake: nets.normal("fake", (2, 3, side, side))?,
            text,
            wrong,
        })
    }

    fn texts(&self) -> Texts<'_> {
        Texts {
            embedding: &self.text,
            others: Some(&self.wrong),
            labels: Some(&self.labels),
            key: Key::new(3),
        }
    }

    fn of_discriminator(&self, at: Growth) -> DiscriminatorBatch<'_> {
        DiscriminatorBatch {
            real: &self.real,
            fake: &self.fake,
            condition: &self.condition,
            mismatched: Some(&self.mismatched),
            at,
            key: Key::new(9),
            step: 0,
            progress: 0.0,
        }
    }
}

#[test]
fn gradient_penalty_through_a_fading_block() -> Result<()> {
    for config in [tiny::config(), tiny::compat(), tiny::projection()] {
        let nets = Nets::new(&smaller(config), DType::F64)?.shaken()?;
        let batch = Batch::new(&nets, FADING)?;
        assert_gradients(&nets.parameters, "discriminator.", || {
            gradient_penalty(&*nets.discriminator, &batch.of_discriminator(FADING))
        })?;
    }
    Ok(())
}

#[test]
fn r1_penalty_through_a_fading_block() -> Result<()> {
    let nets = Nets::new(&smaller(tiny::config()), DType::F64)?.shaken()?;
    let batch = Batch::new(&nets, FADING)?;
    assert_gradients(&nets.parameters, "discriminator.", || {
        squared_gradient(&*nets.discriminator, &batch.of_discriminator(FADING), &batch.real)
    })
}

/// Every loss with every term, weighted so that none hides another, and whether there is a prior.
fn losses() -> Vec<(AdversarialConfig, bool)> {
    let with = |kind: &str, sigma: f64| {
        let r1 = PenaltyConfig { gamma: 0.5.into(), interval: 1, sigma };
        let r2 = if kind == "rpgan" { r1 } else { PenaltyConfig::default() };
        AdversarialConfig { r1, r2, ..AdversarialConfig::named(kind).unwrap() }
    };
    vec![
        (AdversarialConfig { lambda: 0.5, drift: 0.1, ..AdversarialConfig::default() }, true),
        (AdversarialConfig { lambda: 0.5, drift: 0.1, ..with("wgan-gp", 0.0) }, false),
        (AdversarialConfig::named("lsgan").unwrap(), true),
        (with("lsgan", 0.0), false),
        (with("hinge", 0.1), true),
        (with("relativistic-hinge", 0.0), true),
        (with("logistic", 0.0), true),
        (with("rpgan", 0.0), true),
        (with("rpgan", 0.1), false),
        (with("logistic", 0.0), false),
    ]
}

#[test]
fn discriminator_losses() -> Result<()> {
    let at = Growth::stable(0);
    for (config, prior) in losses() {
        let nets = Nets::with_loss(&smaller(tiny::config()), &tiny::with_all(prior), DType::F64)?.shaken()?;
        let (batch, loss) = (Batch::new(&nets, at)?, config.build()?);
        let f = || {
            let (d, batch, texts) = (&*nets.discriminator, batch.of_discriminator(at), batch.texts());
            tiny::discriminator_loss(d, &*loss, &nets.objectives, &batch, texts)
        };
        let mut expected = vec!["adversarial", "mismatch"];
        expected.extend((config.kind == "wgan-gp").then_some("drift"));
        expected.extend(["contrast", "attributes"]);
        expected.extend((!prior).then_some("text"));
        expected.extend((config.kind == "wgan-gp" || config.r1.gamma.from > 0.0).then_some("penalty"));
        expected.extend((config.kind == "wgan-gp" && config.r1.gamma.from > 0.0).then_some("r1"));
        expected.extend((config.r2.gamma.from > 0.0).then_some("r2"));
        assert_eq!(tiny::names(&f()?), expected);
        assert_gradients(&nets.parameters, "discriminator.", || f()?.total())?;
    }
    Ok(())
}

/// The generator's loss of a whole step from the inferred noise onwards.
fn generator_loss(nets: &Nets, batch: &Batch, loss: &dyn AdversarialLoss) -> Result<LossTerms> {
    let epsilon = nets.normal("epsilon", (2, tiny::NOISE))?;
    let inferred = inferred(nets, &batch.real, &epsilon)?;
    let noise = Tensor::cat(&[&inferred.noise, &epsilon.narrow(0, 1, 1)?], 0)?;
    let conditioned = nets.conditioning.forward(&batch.text, &nets.normal("noise", (2, tiny::CODE))?)?;
    let mut latent = vec![&conditioned.code, &noise];
    latent.extend(&batch.attribute_code);
    let generated = GeneratorBatch {
        fake: &nets.generator.forward(&Tensor::cat(&latent, 1)?, FADING)?,
        real: &batch.real,
        condition: &batch.condition,
        conditioned: &conditioned,
        inferred: Some(&inferred),
        at: FADING,
    };
    tiny::generator_loss(&*nets.frozen, loss, &nets.objectives, &generated, batch.texts())
}

/// The noise that one of the objectives infers.
fn inferred(nets: &Nets, real: &Tensor, epsilon: &Tensor) -> Result<EncodedLatent> {
    let mut all = nets.objectives.iter().filter_map(|it| it.infer(real, epsilon).transpose());
    all.next().expect("an objective infers noise")
}

#[test]
fn generator_losses_through_a_frozen_discriminator() -> Result<()> {
    for (config, prior) in losses() {
        let nets = Nets::with_loss(&smaller(tiny::config()), &tiny::with_all(prior), DType::F64)?.shaken()?;
        let (batch, loss) = (Batch::new(&nets, FADING)?, config.build()?);
        let f = || generator_loss(&nets, &batch, &*loss);
        let mut expected = vec!["adversarial", "contrast", "attributes", "reconstruction", "noise", "kl"];
        expected.extend(prior.then_some(["text", "prior"]).into_iter().flatten());
        assert_eq!(tiny::names(&f()?), expected);
        // The cap of the classifier leaves something to learn.
        assert!(values(f()?.get("attributes").unwrap())[0] > 0.0);
        let grads = gradients(&f()?.total()?)?;
        for (name, var) in nets.parameters.vars() {
            assert_eq!(grads.get(&var).is_none(), name.starts_with("discriminator."), "{name}");
        }
        assert_gradients(&nets.parameters, "generator.", || f()?.total())?;
        // These depend on the adversarial loss through images alone; those of the prior follow below.
        if config.kind == "logistic" {
            assert_gradients(&nets.parameters, "conditioning.", || f()?.total())?;
            assert_gradients(&nets.parameters, "encoder.", || f()?.total())?;
        }
    }
    Ok(())
}

#[test]
fn terms_of_objectives_are_proportional_to_their_weights() -> Result<()> {
    let loss = AdversarialConfig::named("hinge")?.build()?;
    for prior in [false, true] {
        let single = tiny::with_all(prior);
        let mut double = single.clone();
        double.contrast.weight *= 2.0;
        double.attributes.weight *= 2.0;
        double.attributes.text_weight *= 2.0;
        double.reconstruction.weight = (2.0 * double.reconstruction.weight.at(0.0)).into();
        double.reconstruction.kl_weight *= 2.0;
        double.conditioning.kl_weight *= 2.0;
        let both = [single, double].map(|config| -> Result<Vec<(String, f64)>> {
            let nets = Nets::with_loss(&smaller(tiny::config()), &config, DType::F64)?.shaken()?;
            let batch = Batch::new(&nets, FADING)?;
            let (d, texts) = (&*nets.discriminator, batch.texts());
            let pair = batch.of_discriminator(FADING);
            let mut terms = tiny::discriminator_loss(d, &*loss, &nets.objectives, &pair, texts)?;
            terms.extend(generator_loss(&nets, &batch, &*loss)?);
            Ok(terms.iter().map(|(name, value)| (name.to_owned(), values(value)[0])).collect())
        });
        let [single, double] = both;
        for ((name, once), (_, twice)) in single?.into_iter().zip(double?) {
            let unweighted = ["adversarial", "mismatch", "prior"].contains(&name.as_str());
            let want = if unweighted { once } else { 2.0 * once };
            assert!((twice - want).abs() < 1e-12 && once != 0.0, "{name}: {once} and {twice}");
        }
    }
    Ok(())
}

#[test]
fn generator_terms_of_each_objective_leave_the_discriminator_alone() -> Result<()> {
    let nets = Nets::with_loss(&smaller(tiny::config()), &tiny::with_all(true), DType::F64)?.shaken()?;
    let batch = Batch::new(&nets, FADING)?;
    let fake = Var::from_tensor(&batch.fake)?;
    let features = nets.frozen.features(&fake, FADING)?;
    let conditioned = nets.conditioning.forward(&batch.text, &nets.normal("noise", (2, tiny::CODE))?)?;
    let epsilon = nets.normal("epsilon", (2, tiny::NOISE))?;
    let inferred = inferred(&nets, &batch.real, &epsilon)?;
    let generated = GeneratorBatch {
        fake: fake.as_tensor(),
        real: &batch.real,
        condition: &batch.condition,
        conditioned: &conditioned,
        inferred: Some(&inferred),
        at: FADING,
    };
    let inputs = tiny::generator_inputs(&generated, &features, batch.texts());
    let mut seen = Vec::new();
    for objective in &nets.objectives {
        let grads = gradients(&objective.generator_terms(&inputs)?.total()?)?;
        let of_image = grads.get(&fake).is_some();
        let of_parameters = nets.parameters.vars().into_iter().filter(|(_, var)| grads.get(var).is_some());
        let mut owners: Vec<String> =
            of_parameters.map(|(name, _)| name.split('.').next().unwrap_or_default().to_owned()).collect();
        owners.sort();
        owners.dedup();
        seen.push((objective.name(), of_image, owners.join(" ")));
    }
    let expected = [
        ("contrast", true, ""),
        ("attributes", true, ""),
        ("reconstruction", true, "encoder"),
        ("conditioning", false, "conditioning"),
        ("attribute-prior", false, "prior"),
    ];
    assert_eq!(seen, expected.map(|(name, of_image, owners)| (name, of_image, owners.to_owned())));
    Ok(())
}

#[test]
fn prior() -> Result<()> {
    let nets = Nets::with_loss(&smaller(tiny::config()), &tiny::with_heads(true), DType::F64)?.shaken()?;
    let batch = Batch::new(&nets, FADING)?;
    let prior = nets.prior.as_ref().unwrap();
    // The content of texts is given to the open attributes, and learns nothing from them.
    assert_gradients(&nets.parameters, "prior.said.", || Ok(prior.nll(&batch.text, &batch.labels)?.text))?;
    assert_gradients(&nets.parameters, "prior.open.", || Ok(prior.nll(&batch.text, &batch.labels)?.open))?;
    let text = Var::from_tensor(&batch.text)?;
    let nll = prior.nll(text.as_tensor(), &batch.labels)?;
    assert!(gradients(&nll.text)?.get(&text).is_some());
    let of_open = gradients(&nll.open)?;
    assert!(of_open.get(&text).is_none());
    let said = nets.parameters.vars().into_iter().filter(|(name, _)| name.starts_with("prior.said."));
    assert!(said.into_iter().all(|(_, var)| of_open.get(&var).is_none()));
    Ok(())
}
