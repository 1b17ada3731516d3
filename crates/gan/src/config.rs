//! The configuration of networks and losses, and the construction of both.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};

use crate::conditioning::{ConditioningAugmentation, ConditioningKind};
use crate::discriminator::{Discriminator, DiscriminatorShape};
use crate::error::{Result, check, check_argument, refused};
use crate::generator::{Generator, GeneratorShape};
use crate::growing::{
    Compat, DiscriminatorOptions, GeneratorOptions, GrowingDiscriminator, GrowingGenerator, Head, Resample,
    noise_map_size,
};
use crate::loss::AdversarialConfig;
use crate::objective::{
    AttributeClassifier, AttributesConfig, ConditioningConfig, ConditioningObjective, ContrastConfig,
    Contrastive, Drifting, DriftingConfig, Objective, ObjectiveContext, PriorObjective, Reconstruction,
    ReconstructionConfig,
};
use crate::prior::AttributePrior;

type BuildGenerator = fn(&GanConfig, &GeneratorShape, VarBuilder) -> Result<Box<dyn Generator>>;
type BuildDiscriminator = fn(&GanConfig, &DiscriminatorShape, VarBuilder) -> Result<Box<dyn Discriminator>>;

/// Every generator of this crate, by its name in configurations. A new one is its file and its line
/// here.
const GENERATORS: [(&str, BuildGenerator); 1] = [("progressive", |config, shape, vb| {
    let options = GeneratorOptions {
        modulation: config.modulation,
        noise_inputs: config.noise_inputs,
        residual: config.residual,
        resample: config.resample,
        compat: config.compat,
    };
    Ok(Box::new(GrowingGenerator::new(shape, options, vb)?))
})];

/// Every discriminator of this crate, as [`GENERATORS`].
const DISCRIMINATORS: [(&str, BuildDiscriminator); 1] = [("progressive", |config, shape, vb| {
    let options = DiscriminatorOptions {
        compressed_size: config.compressed_size,
        stddev_group: config.stddev_group,
        head: config.head,
        residual: config.residual,
        compat: config.compat,
    };
    Ok(Box::new(GrowingDiscriminator::new(shape, options, vb)?))
})];

/// Sizes and kinds of the generator, the discriminator and the conditioning augmentation, `[gan]`.
///
/// The defaults are a 64x64 network of T2F's widths with the fixes of this project; T2F's names of two
/// of the keys are accepted beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GanConfig {
    /// The generator: `progressive` (ProGAN's). Default `progressive`.
    pub generator: String,
    /// The discriminator: `progressive` (ProGAN's). Default `progressive`.
    pub discriminator: String,
    /// Side of the largest images in pixels: a power of two, at least 4. Default 64.
    pub resolution: usize,
    /// Size of the text code and the noise together; an attribute code (`loss.attributes.prior`) is added
    /// to it. Default 256; at least 1.
    pub latent_size: usize,
    /// Size of the text code (T2F's `ca_out_size`); the rest of the latent is noise. Default 128; 1 to
    /// `latent_size`.
    #[serde(alias = "ca_out_size")]
    pub code_size: usize,
    /// Size of the compressed embedding in the discriminator (T2F's `compressed_latent_size`); unused by
    /// the projection head. Default 128; at least 1.
    #[serde(alias = "compressed_latent_size")]
    pub compressed_size: usize,
    /// Feature maps at each level. Default 256, halving above level 3.
    pub channels: Channels,
    /// Images that minibatch stddev compares: the largest number up to this that divides the batch. 1
    /// turns it off. Default 4 (ProGAN's); at least 1.
    pub stddev_group: usize,
    /// The form of sigma in the conditioning augmentation. Default `log-variance`.
    pub conditioning: ConditioningKind,
    /// Where the text enters the discriminator. Default `concat` (T2F's).
    pub head: Head,
    /// Whether the latent modulates every convolution of the generator above 4x4 (DF-GAN). Default no.
    pub modulation: bool,
    /// Whether a noise map of one channel, times a learned strength for each channel, is added after each
    /// 3x3 convolution of the generator (StyleGAN). Default no.
    pub noise_inputs: bool,
    /// Whether each level of both networks above 4x4 adds to the resized level below (R3GAN); not with
    /// `compat`. Default no.
    pub residual: bool,
    /// The doubling of the generator's levels. Default `nearest`.
    pub resample: Resample,
    /// Another program to reproduce layer by layer, mistakes included, for comparisons. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
}

/// The number of feature maps at each level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Channels {
    /// As many up to level 3 (32x32), then halved at each level: T2F's and ProGAN's rule.
    Halving(usize),
    /// One number a level, from 4x4 upwards.
    List(Vec<usize>),
}

/// One parameter of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterRow {
    /// Its name, after `generator.`, `discriminator.`, `conditioning.`, `prior.` or `encoder.`.
    pub name: String,
    /// Its shape; convolution weights are `(K, K, I, O)`.
    pub shape: Vec<usize>,
}

impl ParameterRow {
    /// The number of scalars.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            generator: GENERATORS[0].0.into(),
            discriminator: DISCRIMINATORS[0].0.into(),
            resolution: 64,
            latent_size: 256,
            code_size: 128,
            compressed_size: 128,
            channels: Channels::Halving(256),
            stddev_group: 4,
            conditioning: ConditioningKind::default(),
            head: Head::default(),
            modulation: false,
            noise_inputs: false,
            residual: false,
            resample: Resample::default(),
            compat: None,
        }
    }
}

impl GanConfig {
    /// The level of the largest images: 0 for 4x4.
    pub fn max_level(&self) -> usize {
        (self.resolution / 4).checked_ilog2().unwrap_or(0) as usize
    }

    /// N, the size of the noise beside the text code.
    pub fn noise_size(&self) -> usize {
        self.latent_size.saturating_sub(self.code_size)
    }

    /// M, the pixels of the noise maps of an image; 0 without noise inputs.
    pub fn noise_map_size(&self) -> usize {
        if self.noise_inputs { noise_map_size(self.max_level()) } else { 0 }
    }

    /// Checks every range, and the fields against each other.
    ///
    /// # Errors
    /// If a field is out of range; the message names it and the accepted values.
    pub fn check(&self) -> Result<()> {
        named(&GENERATORS, "gan.generator", &self.generator)?;
        named(&DISCRIMINATORS, "gan.discriminator", &self.discriminator)?;
        self.checked_channels().map(drop)
    }

    /// The feature maps at each level, after [`check`](Self::check) of all ranges.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), but for unknown names.
    pub fn checked_channels(&self) -> Result<Vec<usize>> {
        let r = self.resolution;
        check(r >= 4 && r.is_power_of_two(), "gan.resolution", r, "a power of two, at least 4")?;
        check(self.latent_size > 0, "gan.latent_size", self.latent_size, "at least 1")?;
        check(
            (1..=self.latent_size).contains(&self.code_size),
            "gan.code_size",
            self.code_size,
            format_args!("1 to gan.latent_size, which is {}", self.latent_size),
        )?;
        check(self.compressed_size > 0, "gan.compressed_size", self.compressed_size, "at least 1")?;
        let plain = !self.residual || self.compat.is_none();
        check(plain, "gan.residual", self.residual, "false with gan.compat")?;
        check(self.stddev_group > 0, "gan.stddev_group", self.stddev_group, "at least 1")?;
        let levels = self.max_level() + 1;
        let channels = match &self.channels {
            Channels::Halving(widest) => (0..levels)
                .map(|level| widest.checked_shr(level.saturating_sub(3) as u32).unwrap_or(0))
                .collect(),
            Channels::List(list) => list.clone(),
        };
        check(
            channels.len() == levels && channels.iter().all(|&c| c > 0),
            "gan.channels",
            format_args!("{channels:?}"),
            format_args!("{levels} numbers, each at least 1, for the levels of resolution {r}"),
        )?;
        Ok(channels)
    }

    /// The sizes of the generator, with feature maps of `F32`; `attribute_code` is P, see [`LossConfig::attribute_code_size`].
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn generator_shape(&self, attribute_code: usize) -> Result<GeneratorShape> {
        let channels = self.checked_channels()?;
        Ok(GeneratorShape {
            latent_size: self.latent_size + attribute_code + self.noise_map_size(),
            channels,
            features: DType::F32,
        })
    }

    /// The sizes of the discriminator for embeddings of `embedding_size`, with feature maps of `F32`.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn discriminator_shape(
        &self,
        embedding_size: usize,
        attribute_code: usize,
    ) -> Result<DiscriminatorShape> {
        check_argument(embedding_size > 0, "embedding_size", embedding_size, "at least 1")?;
        let channels = self.checked_channels()?;
        let condition_size = embedding_size + attribute_code;
        Ok(DiscriminatorShape { condition_size, channels, features: DType::F32 })
    }

    /// Builds the configured generator.
    ///
    /// # Errors
    /// If its name is unknown or a parameter is missing.
    pub fn generator(&self, shape: &GeneratorShape, vb: VarBuilder) -> Result<Box<dyn Generator>> {
        named(&GENERATORS, "gan.generator", &self.generator)?(self, shape, vb)
    }

    /// Builds the configured discriminator.
    ///
    /// With parameters from a frozen builder it has the same weights and gets no gradient, as the
    /// generator's step needs it.
    ///
    /// # Errors
    /// If its name is unknown or a parameter is missing.
    pub fn discriminator(
        &self,
        shape: &DiscriminatorShape,
        vb: VarBuilder,
    ) -> Result<Box<dyn Discriminator>> {
        named(&DISCRIMINATORS, "gan.discriminator", &self.discriminator)?(self, shape, vb)
    }

    /// Builds the conditioning augmentation for embeddings of `embedding_size`.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter is missing.
    pub fn conditioning(&self, embedding_size: usize, vb: VarBuilder) -> Result<ConditioningAugmentation> {
        self.check()?;
        ConditioningAugmentation::new(self.code_size, self.conditioning, self.compat, embedding_size, vb)
    }

    /// Every parameter of the networks and of the objectives; allocates none.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn parameter_table(
        &self,
        loss: &LossConfig,
        embedding_size: usize,
        attribute_sizes: &[usize],
    ) -> Result<Vec<ParameterRow>> {
        let rows = Arc::new(Mutex::new(Vec::new()));
        let listing =
            |rows: &Rows| VarBuilder::from_backend(Box::new(Listing(rows.clone())), DType::F32, Device::Cpu);
        let vb = listing(&rows);
        let attribute_code = loss.attribute_code_size(attribute_sizes);
        self.generator(&self.generator_shape(attribute_code)?, vb.pp("generator"))?;
        let shape = self.discriminator_shape(embedding_size, attribute_code)?;
        let discriminator = self.discriminator(&shape, vb.pp("discriminator"))?;
        self.conditioning(embedding_size, vb.pp("conditioning"))?;
        loss.prior(embedding_size, attribute_sizes, vb.pp("prior"))?;
        let mut known: Vec<ParameterRow> = rows.lock().expect("no panic while the rows are held").clone();
        loss.objectives(
            self.compat,
            &ObjectiveContext {
                embedding_size,
                feature_channels: discriminator.feature_channels(),
                noise_size: self.noise_size(),
                attribute_sizes,
                g: vb.clone(),
                d: vb.pp("discriminator"),
                d_frozen: listing(&Rows::default()),
            },
        )?;
        let all = rows.lock().expect("no panic while the rows are held").split_off(known.len());
        // The prior and its objective have the same parameters.
        known.extend(all.into_iter().filter(|row| !row.name.starts_with("prior.")));
        Ok(known)
    }
}

/// The part of a list with a name.
fn named<T: Copy>(list: &[(&str, T)], key: &'static str, name: &str) -> Result<T> {
    let found = list.iter().find(|(other, _)| *other == name).map(|(_, part)| *part);
    found.ok_or_else(|| {
        let names: Vec<&str> = list.iter().map(|(name, _)| *name).collect();
        refused(key, name, format_args!("one of {}", names.join(", ")))
    })
}

/// The losses of both networks, `[loss]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// The adversarial loss.
    pub adversarial: AdversarialConfig,
    /// The contrastive loss of images and texts. Default: none.
    pub contrast: ContrastConfig,
    /// The attribute classifier and the attribute prior, for data with attributes. Default: none.
    pub attributes: AttributesConfig,
    /// The reconstruction of real images. Default: none.
    pub reconstruction: ReconstructionConfig,
    /// The drifting loss. Default: none.
    pub drifting: DriftingConfig,
    /// The divergence of the conditioning augmentation.
    pub conditioning: ConditioningConfig,
}

impl LossConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it and the accepted values.
    pub fn check(&self) -> Result<()> {
        self.adversarial.check()?;
        self.contrast.check()?;
        self.attributes.check()?;
        self.reconstruction.check()?;
        self.drifting.check()?;
        let classified = !self.attributes.classifier.is_empty() && self.attributes.weight > 0.0;
        let expected = "0 without a loss.attributes.classifier and a loss.attributes.weight above 0";
        check(
            self.drifting.weight == 0.0 || classified,
            "loss.drifting.weight",
            self.drifting.weight,
            expected,
        )?;
        ConditioningObjective::new(self.conditioning).map(drop)
    }

    /// P, the size of the attribute code; 0 without a prior.
    pub fn attribute_code_size(&self, attribute_sizes: &[usize]) -> usize {
        self.attributes.code_size(attribute_sizes)
    }

    /// Turns off all that needs attributes: the classifier, the drifting loss, the prior and, with a prior, the
    /// reconstruction, since without an attribute code the noise of an image encodes its text, too.
    pub fn without_attributes(&mut self) {
        if self.attributes.weight > 0.0 && self.attributes.prior {
            self.reconstruction.weight = 0.0.into();
        }
        self.attributes.weight = 0.0;
        self.drifting.weight = 0.0;
    }

    /// Turns off the losses that compare captions, for data without captions.
    pub fn without_captions(&mut self) {
        self.adversarial.matching_aware = false;
        self.contrast.size = 0;
    }

    /// Builds the attribute prior, where there is one.
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn prior(
        &self,
        embedding_size: usize,
        attribute_sizes: &[usize],
        vb: VarBuilder,
    ) -> Result<Option<AttributePrior>> {
        let wanted = self.attribute_code_size(attribute_sizes) > 0;
        let prior = wanted.then(|| AttributePrior::new(attribute_sizes, embedding_size, &vb)).transpose()?;
        Ok(prior.map(|prior| prior.with_temperature(self.attributes.temperature.unwrap_or(1.0))))
    }

    /// Builds every configured objective, in the order of their terms. A new objective is its file, its
    /// field above and its line here.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter is missing.
    pub fn objectives(
        &self,
        compat: Option<Compat>,
        context: &ObjectiveContext<'_>,
    ) -> Result<Vec<Box<dyn Objective>>> {
        self.check()?;
        let attributes = self.attributes.active(context.attribute_sizes);
        let mut all: Vec<Box<dyn Objective>> = Vec::new();
        if self.contrast.size > 0 {
            all.push(Box::new(Contrastive::new(self.contrast, compat, context)?));
        }
        if attributes {
            all.push(Box::new(AttributeClassifier::new(&self.attributes, context)?));
        }
        if self.reconstruction.is_on() {
            all.push(Box::new(Reconstruction::new(&self.reconstruction, context)?));
        }
        if attributes && self.drifting.weight > 0.0 {
            let channels = &self.attributes.classifier;
            all.push(Box::new(Drifting::new(&self.drifting, channels, context)?));
        }
        all.push(Box::new(ConditioningObjective::new(self.conditioning)?));
        if attributes && self.attributes.prior {
            all.push(Box::new(PriorObjective::new(&self.attributes, context)?));
        }
        Ok(all)
    }
}

type Rows = Arc<Mutex<Vec<ParameterRow>>>;

/// A source of parameters that records every request and returns views of a zero.
struct Listing(Rows);

impl SimpleBackend for Listing {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let row = ParameterRow { name: name.to_owned(), shape: shape.dims().to_vec() };
        self.0.lock().expect("no panic while the rows are held").push(row);
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        Err(candle_core::Error::CannotFindTensor { path: name.to_owned() }.bt())
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
