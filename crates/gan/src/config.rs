//! The shape of the networks, as a configuration file says it, and the networks built from it.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};

use crate::attributes::AttributesConfig;
use crate::conditioning::{ConditioningAugmentation, ConditioningKind};
use crate::discriminator::{Discriminator, GrowingDiscriminator};
use crate::error::{Result, check};
use crate::generator::{Generator, GrowingGenerator};
use crate::prior::AttributePrior;
use crate::reconstruction::{LatentEncoder, ReconstructionConfig};

/// Sizes and kinds of the generator, the discriminator and the conditioning augmentation.
///
/// The defaults are a 64x64 network of T2F's widths with the fixes this project makes; T2F's names
/// for two of the keys are accepted beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GanConfig {
    /// Side of the largest images in pixels: a power of two, at least 4. Default 64.
    pub resolution: usize,
    /// Size of the generator's input, text code and noise together; a plan (`attributes.prior`) comes
    /// on top. Default 256; at least 1.
    pub latent_size: usize,
    /// How much of the latent is text code (T2F's `ca_out_size`); the rest is noise. Default 128;
    /// 1 to `latent_size`.
    #[serde(alias = "ca_out_size")]
    pub code_size: usize,
    /// Size to which the discriminator compresses the embedding before it joins the image (T2F's
    /// `compressed_latent_size`); unused by the projection head. Default 128; at least 1.
    #[serde(alias = "compressed_latent_size")]
    pub compressed_size: usize,
    /// Feature maps at each level. Default 256, halving above level 3.
    pub channels: Channels,
    /// Images whose features are compared by minibatch stddev: the largest number up to this that
    /// divides the batch. 1 turns it off. Default 4 (ProGAN's); at least 1.
    pub stddev_group: usize,
    /// The form of sigma in the conditioning augmentation. Default `log-variance`.
    pub conditioning: ConditioningKind,
    /// Where the discriminator sees the text. Default `concat` (T2F's).
    pub head: Head,
    /// A head that tells which text of the batch belongs to which image. Default: none.
    pub contrast: ContrastConfig,
    /// Heads that tell what images show and texts say, for data whose attributes are known. Default:
    /// none.
    pub attributes: AttributesConfig,
    /// Images of the data that the generator must draw again. Default: none.
    pub reconstruction: ReconstructionConfig,
    /// Whether the latent modulates every convolution of the generator above 4x4 (DF-GAN). Default no.
    pub modulation: bool,
    /// Another program whose layers are reproduced exactly, with what we hold to be its mistakes,
    /// for comparisons. Default none.
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

/// Where the discriminator sees the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// The compressed embedding is tiled over the 4x4 features, and three layers follow: T2F's.
    #[default]
    Concat,
    /// `score = linear(phi) + <phi, W·embedding> / √C` with `phi` the last features: an
    /// unconditional score plus a projection (Miyato and Koyama, arXiv:1802.05637). A second text
    /// for the same image costs almost nothing.
    Projection,
}

/// The contrastive head of the discriminator and its loss, see [`crate::contrast`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContrastConfig {
    /// Size of the space in which images and texts meet; 0 leaves the head out. Default 0.
    pub size: usize,
    /// Cosines are divided by this. Default 0.1 (XMC-GAN's); above 0.
    pub temperature: f64,
    /// Weight in both players' losses. Default 1; above 0.
    pub weight: f64,
}

impl Default for ContrastConfig {
    fn default() -> Self {
        Self { size: 0, temperature: 0.1, weight: 1.0 }
    }
}

impl ContrastConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        for (name, value) in
            [("gan.contrast.temperature", self.temperature), ("gan.contrast.weight", self.weight)]
        {
            check(value > 0.0 && value.is_finite(), name, value, "a finite number above 0")?;
        }
        Ok(())
    }
}

/// A program whose layers are reproduced exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// akanimax/T2F with pro-gan-pth 1.3.3: gain 1, two biases a layer, linear `fromRGB`, no pixel
    /// norm on the latent and the first layer, minibatch stddev of the whole batch as a map.
    T2f,
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
            resolution: 64,
            latent_size: 256,
            code_size: 128,
            compressed_size: 128,
            channels: Channels::Halving(256),
            stddev_group: 4,
            conditioning: ConditioningKind::default(),
            head: Head::default(),
            contrast: ContrastConfig::default(),
            attributes: AttributesConfig::default(),
            reconstruction: ReconstructionConfig::default(),
            modulation: false,
            compat: None,
        }
    }
}

impl GanConfig {
    /// The level of the largest images: 0 for 4x4.
    pub fn max_level(&self) -> usize {
        (self.resolution / 4).checked_ilog2().unwrap_or(0) as usize
    }

    /// How much of the latent is noise.
    pub fn noise_size(&self) -> usize {
        self.latent_size.saturating_sub(self.code_size)
    }

    /// Leaves out what asks for data with attributes: reader, heads and prior, and with a prior the
    /// images drawn again, since without a plan their noise says what captions should.
    pub fn without_attributes(&mut self) {
        if self.attributes.weight > 0.0 && self.attributes.prior {
            self.reconstruction.weight = 0.0;
        }
        self.attributes.weight = 0.0;
    }

    /// Checks every range, and the fields against each other.
    ///
    /// # Errors
    /// If one is wrong; the message names it and what was expected.
    pub fn check(&self) -> Result<()> {
        self.contrast.check()?;
        self.attributes.check()?;
        self.reconstruction.check()?;
        self.checked_channels().map(drop)
    }

    /// The feature maps at each level, of a configuration that is valid.
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

    /// Builds the generator with parameters from `vb`. `attributes` are the numbers of values of the
    /// data's attributes, if it knows any.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter cannot be had.
    pub fn generator(&self, attributes: &[usize], vb: VarBuilder) -> Result<Box<dyn Generator>> {
        Ok(Box::new(GrowingGenerator::new(self, attributes, vb)?))
    }

    /// Builds the prior of plans, if there is one; arguments as for
    /// [`discriminator`](Self::discriminator).
    ///
    /// # Errors
    /// If a parameter cannot be had.
    pub fn prior(
        &self,
        embedding_size: usize,
        attributes: &[usize],
        vb: VarBuilder,
    ) -> Result<Option<AttributePrior>> {
        let plans = self.attributes.plan_size(attributes) > 0;
        plans.then(|| AttributePrior::new(&self.attributes, attributes, embedding_size, &vb)).transpose()
    }

    /// Builds the discriminator for embeddings of `embedding_size`, with parameters from `vb`.
    /// `attributes` are the numbers of values of the data's attributes, if it knows any.
    ///
    /// A discriminator from a frozen builder scores with the same weights and gets no gradient:
    /// what the generator's step needs.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter cannot be had.
    pub fn discriminator(
        &self,
        embedding_size: usize,
        attributes: &[usize],
        vb: VarBuilder,
    ) -> Result<Box<dyn Discriminator>> {
        Ok(Box::new(GrowingDiscriminator::new(self, embedding_size, attributes, vb)?))
    }

    /// Builds the conditioning augmentation for embeddings of `embedding_size`, with parameters
    /// from `vb`.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter cannot be had.
    pub fn conditioning(&self, embedding_size: usize, vb: VarBuilder) -> Result<ConditioningAugmentation> {
        self.check()?;
        ConditioningAugmentation::new(self, embedding_size, vb)
    }

    /// Builds the encoder of noise, if images are to be drawn again.
    ///
    /// # Errors
    /// If its configuration is not valid or a parameter cannot be had.
    pub fn latent_encoder(&self, vb: VarBuilder) -> Result<Option<LatentEncoder>> {
        LatentEncoder::new(&self.reconstruction, self.noise_size(), &vb)
    }

    /// Every parameter of these networks, without drawing any; arguments as for
    /// [`discriminator`](Self::discriminator).
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn parameter_table(&self, embedding_size: usize, attributes: &[usize]) -> Result<Vec<ParameterRow>> {
        let rows = Arc::new(Mutex::new(Vec::new()));
        let vb = VarBuilder::from_backend(Box::new(Listing(rows.clone())), DType::F32, Device::Cpu);
        GrowingGenerator::new(self, attributes, vb.pp("generator"))?;
        GrowingDiscriminator::new(self, embedding_size, attributes, vb.pp("discriminator"))?;
        ConditioningAugmentation::new(self, embedding_size, vb.pp("conditioning"))?;
        self.prior(embedding_size, attributes, vb.pp("prior"))?;
        self.latent_encoder(vb.pp("encoder"))?;
        let rows = std::mem::take(&mut *rows.lock().expect("no panic happens while the rows are held"));
        Ok(rows)
    }
}

/// A source of parameters that notes what is asked for and hands out views of one zero.
struct Listing(Arc<Mutex<Vec<ParameterRow>>>);

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
        self.0.lock().expect("no panic happens while the rows are held").push(row);
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        Err(candle_core::Error::CannotFindTensor { path: name.to_owned() }.bt())
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
