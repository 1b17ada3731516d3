//! Networks of a few hundred parameters, and both losses composed as a training step composes them.

use candle_core::{DType, Device, Shape, Tensor};
use t2f_gan::{
    AdversarialLoss, AttributePrior, AttributesConfig, Channels, Compat, Conditioned,
    ConditioningAugmentation, ConditioningConfig, ConditioningKind, ContrastConfig, Discriminator,
    DiscriminatorBatch, DiscriminatorInputs, DiscriminatorShape, EncodedLatent, GanConfig, Generator,
    GeneratorInputs, GeneratorShape, Growth, Head, Labels, LossConfig, LossTerms, Objective,
    ObjectiveContext, ReconstructionConfig, Resample, Result, Scores,
};
use t2f_ops::init::Parameters;
use t2f_ops::rng::{self, Key};

pub const EMBEDDING: usize = 3;
pub const LATENT: usize = 5;
pub const CODE: usize = 2;
/// The size of the noise beside the text code.
pub const NOISE: usize = LATENT - CODE;
/// Values of two attributes.
pub const SIZES: [usize; 2] = [2, 1];

/// 16x16, widths 3, 3 and 2.
pub fn config() -> GanConfig {
    GanConfig {
        resolution: 16,
        latent_size: LATENT,
        code_size: CODE,
        compressed_size: 2,
        channels: Channels::List(vec![3, 3, 2]),
        stddev_group: 3,
        ..GanConfig::default()
    }
}

pub fn compat() -> GanConfig {
    GanConfig { compat: Some(Compat::T2f), conditioning: ConditioningKind::Relu, ..config() }
}

pub fn projection() -> GanConfig {
    GanConfig { head: Head::Projection, modulation: true, ..config() }
}

pub fn noisy() -> GanConfig {
    GanConfig { noise_inputs: true, ..projection() }
}

pub fn residual() -> GanConfig {
    GanConfig { residual: true, ..noisy() }
}

/// Every kind of layer.
pub fn variants() -> [GanConfig; 7] {
    let smooth = |config| GanConfig { resample: Resample::Smooth, ..config };
    [config(), compat(), projection(), noisy(), residual(), smooth(config()), smooth(residual())]
}

/// Contrastive loss and attribute classifier; the latter is capped where there is a prior.
pub fn with_heads(prior: bool) -> LossConfig {
    let contrast = ContrastConfig { size: 2, temperature: 0.5, weight: 0.7 };
    let attributes = AttributesConfig {
        temperature: None,
        dependence: 0.3,
        weight: 0.9,
        text_weight: 0.6,
        classifier: vec![2],
        noise: 0.1,
        prior,
        capped: prior,
    };
    LossConfig { contrast, attributes, ..LossConfig::default() }
}

/// The reconstruction of real images.
pub fn with_reconstruction() -> LossConfig {
    let reconstruction = ReconstructionConfig { weight: 1.3.into(), kl_weight: 0.2, encoder: vec![2] };
    LossConfig { reconstruction, ..LossConfig::default() }
}

/// Every objective, with weights of one size, so that none hides another.
pub fn with_all(prior: bool) -> LossConfig {
    let conditioning = ConditioningConfig { kl_weight: 0.8 };
    LossConfig { reconstruction: with_reconstruction().reconstruction, conditioning, ..with_heads(prior) }
}

/// The networks of one configuration, their parameters, and constants in their type.
pub struct Nets {
    pub parameters: Parameters,
    pub generator: Box<dyn Generator>,
    pub discriminator: Box<dyn Discriminator>,
    pub frozen: Box<dyn Discriminator>,
    pub conditioning: ConditioningAugmentation,
    pub prior: Option<AttributePrior>,
    pub objectives: Vec<Box<dyn Objective>>,
    pub dtype: DType,
}

impl Nets {
    /// The networks without an objective but the divergence of the conditioning augmentation.
    pub fn new(config: &GanConfig, dtype: DType) -> Result<Self> {
        Self::with_loss(config, &LossConfig::default(), dtype)
    }

    pub fn with_loss(config: &GanConfig, loss: &LossConfig, dtype: DType) -> Result<Self> {
        Self::with_features(config, loss, dtype, dtype)
    }

    /// The same with feature maps of another type.
    pub fn with_features(
        config: &GanConfig,
        loss: &LossConfig,
        dtype: DType,
        features: DType,
    ) -> Result<Self> {
        let parameters = Parameters::drawn(Key::new(7));
        let vb = parameters.builder(dtype, &Device::Cpu);
        let frozen_vb = parameters.frozen_builder(dtype, &Device::Cpu).pp("discriminator");
        let attribute_code = loss.attribute_code_size(&SIZES);
        let shape = GeneratorShape { features, ..config.generator_shape(attribute_code)? };
        let generator = config.generator(&shape, vb.pp("generator"))?;
        let shape = config.discriminator_shape(EMBEDDING, attribute_code)?;
        let shape = DiscriminatorShape { features, ..shape };
        let discriminator = config.discriminator(&shape, vb.pp("discriminator"))?;
        let conditioning = config.conditioning(EMBEDDING, vb.pp("conditioning"))?;
        let prior = loss.prior(EMBEDDING, &SIZES, vb.pp("prior"))?;
        let context = ObjectiveContext {
            embedding_size: EMBEDDING,
            feature_channels: discriminator.feature_channels(),
            noise_size: config.noise_size(),
            attribute_sizes: &SIZES,
            g: vb.clone(),
            d: vb.pp("discriminator"),
            d_frozen: frozen_vb.clone(),
        };
        let objectives = loss.objectives(config.compat, &context)?;
        let frozen = config.discriminator(&shape, frozen_vb)?;
        Ok(Self { parameters, generator, discriminator, frozen, conditioning, prior, objectives, dtype })
    }

    /// Standard normal numbers, equal for equal names.
    pub fn normal(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        Ok(rng::normal(Key::new(1).child(name), shape, self.dtype, &Device::Cpu)?)
    }

    /// Moves every parameter off its first value, so that no bias and no modulation is zero.
    pub fn shaken(self) -> Result<Self> {
        for (name, var) in self.parameters.vars() {
            let noise = rng::normal(Key::new(2).child(&name), var.shape(), self.dtype, &Device::Cpu)?;
            var.set(&var.as_tensor().add(&noise.affine(0.3, 0.0)?)?)?;
        }
        Ok(self)
    }
}

/// The texts of a batch, for objectives.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    pub embedding: &'a Tensor,
    pub others: Option<&'a Tensor>,
    pub labels: Option<&'a Labels>,
    pub key: Key,
}

/// The input of one generator step.
#[derive(Clone, Copy)]
pub struct GeneratorBatch<'a> {
    pub fake: &'a Tensor,
    pub real: &'a Tensor,
    pub condition: &'a Tensor,
    pub conditioned: &'a Conditioned,
    pub inferred: Option<&'a EncodedLatent>,
    pub at: Growth,
}

/// The discriminator's loss, composed in the order of a training step.
pub fn discriminator_loss(
    d: &dyn Discriminator,
    loss: &dyn AdversarialLoss,
    objectives: &[Box<dyn Objective>],
    batch: &DiscriminatorBatch<'_>,
    texts: Texts<'_>,
) -> Result<LossTerms> {
    let features = d.features(batch.real, batch.at)?;
    let scores = Scores::of(d, batch, &features)?;
    let mut terms = loss.discriminator_terms(&scores)?;
    let Texts { embedding, others, labels, key } = texts;
    let inputs = DiscriminatorInputs {
        texts: texts.embedding,
        real: batch.real,
        features: &features,
        embedding,
        others,
        labels,
        at: batch.at,
        key,
    };
    for objective in objectives {
        terms.extend(objective.discriminator_terms(&inputs)?);
    }
    terms.extend(loss.penalties(d, batch, &scores)?);
    Ok(terms)
}

/// The generator's loss through a frozen discriminator, composed in the order of a training step.
pub fn generator_loss(
    d: &dyn Discriminator,
    loss: &dyn AdversarialLoss,
    objectives: &[Box<dyn Objective>],
    batch: &GeneratorBatch<'_>,
    texts: Texts<'_>,
) -> Result<LossTerms> {
    let features = d.features(batch.fake, batch.at)?;
    let score = d.score(&features, batch.condition)?;
    let needs_reals = loss.needs_reals_for_generator();
    let of_real = needs_reals.then(|| d.forward(batch.real, batch.condition, batch.at)).transpose()?;
    let mut terms = loss.generator_terms(&score, of_real.as_ref())?;
    let inputs = generator_inputs(batch, &features, texts);
    for objective in objectives {
        terms.extend(objective.generator_terms(&inputs)?);
    }
    Ok(terms)
}

/// The input of objectives in a generator step without augmentation.
pub fn generator_inputs<'a>(
    batch: &GeneratorBatch<'a>,
    features: &'a Tensor,
    texts: Texts<'a>,
) -> GeneratorInputs<'a> {
    GeneratorInputs {
        fake: batch.fake,
        augmented: batch.fake,
        features,
        real: batch.real,
        embedding: texts.embedding,
        texts: texts.embedding,
        others: texts.others,
        labels: texts.labels,
        conditioned: batch.conditioned,
        inferred: batch.inferred,
        at: batch.at,
        progress: 0.0,
        key: texts.key,
    }
}

/// The names of terms, in order.
pub fn names(terms: &LossTerms) -> Vec<&str> {
    terms.iter().map(|(name, _)| name).collect()
}

/// All values in order.
pub fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).and_then(|x| x.flatten_all()?.to_vec1()).unwrap()
}

/// The largest absolute difference of two tensors of one shape.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
