//! The trait of objectives, and the tensors that they compute from.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use t2f_ops::rng::Key;

use crate::conditioning::Conditioned;
use crate::error::Result;
use crate::growth::Growth;
use crate::labels::Labels;
use crate::latent_encoder::EncodedLatent;
use crate::loss::LossTerms;

/// The input of an objective in a discriminator step.
#[derive(Clone, Copy, Debug)]
pub struct DiscriminatorInputs<'a> {
    /// Real images, augmented, `(B, 3, R, R)`.
    pub real: &'a Tensor,
    /// Their features, `(B, H, W, C)`, under the discriminator that is trained.
    pub features: &'a Tensor,
    /// The embeddings of their texts, `(B, E)`; detached where texts do not learn from the discriminator.
    pub embedding: &'a Tensor,
    /// The embeddings of all texts whose content is labelled ([`Labels::said`]): those of the images, then X
    /// without images; `(B + X, E)`.
    pub texts: &'a Tensor,
    /// The embeddings of texts of no image of the batch, `(M, E)`.
    pub others: Option<&'a Tensor>,
    /// The labels, where the data set has attributes.
    pub labels: Option<&'a Labels>,
    /// How far the networks have grown.
    pub at: Growth,
    /// The key of the step's random numbers.
    pub key: Key,
}

/// The input of an objective in a generator step.
#[derive(Clone, Copy, Debug)]
pub struct GeneratorInputs<'a> {
    /// Generated images as the generator returned them, `(B, 3, R, R)`.
    pub fake: &'a Tensor,
    /// Generated images, augmented.
    pub augmented: &'a Tensor,
    /// The features of `augmented`, `(B, H, W, C)`, under the frozen discriminator.
    pub features: &'a Tensor,
    /// Real images of the same texts, augmented.
    pub real: &'a Tensor,
    /// The embeddings of the texts, `(B, E)`, from which the text encoder learns.
    pub embedding: &'a Tensor,
    /// The embeddings of all texts whose content is labelled ([`Labels::said`]): those of the images, then X
    /// without images; `(B + X, E)`.
    pub texts: &'a Tensor,
    /// The embeddings of texts of no image of the batch, `(M, E)`.
    pub others: Option<&'a Tensor>,
    /// The labels, where the data set has attributes.
    pub labels: Option<&'a Labels>,
    /// The text code and its divergence.
    pub conditioned: &'a Conditioned,
    /// The latents that an objective inferred for the first images of the batch.
    pub inferred: Option<&'a EncodedLatent>,
    /// How far the networks have grown.
    pub at: Growth,
    /// The progress of the run, 0 to 1, for weights that change over it.
    pub progress: f64,
    /// The key of the step's random numbers.
    pub key: Key,
}

/// The sizes and parameters that an objective is built from.
///
/// `g` and `d` are trained with the generator's and the discriminator's optimiser; `d_frozen` has the
/// same values as `d` and gets no gradient, as the generator's terms need it.
#[derive(Clone)]
pub struct ObjectiveContext<'a> {
    /// E, the size of an embedding.
    pub embedding_size: usize,
    /// C, the channels of the discriminator's features.
    pub feature_channels: usize,
    /// N, the size of the noise beside the text code.
    pub noise_size: usize,
    /// The numbers of values of the data's attributes; empty where it has none.
    pub attribute_sizes: &'a [usize],
    /// Parameters of the generator's side.
    pub g: VarBuilder<'a>,
    /// Parameters of the discriminator's side.
    pub d: VarBuilder<'a>,
    /// The discriminator's side, frozen.
    pub d_frozen: VarBuilder<'a>,
}

impl std::fmt::Debug for ObjectiveContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectiveContext")
            .field("embedding_size", &self.embedding_size)
            .field("feature_channels", &self.feature_channels)
            .field("noise_size", &self.noise_size)
            .field("attribute_sizes", &self.attribute_sizes)
            .finish_non_exhaustive()
    }
}

/// An auxiliary objective of both networks.
///
/// ```
/// use t2f_gan::{GeneratorInputs, LossTerms, Objective, Result};
///
/// /// Asks for generated images of zero mean.
/// #[derive(Debug)]
/// struct ZeroMean {
///     weight: f64,
/// }
///
/// impl Objective for ZeroMean {
///     fn name(&self) -> &str {
///         "zero-mean"
///     }
///     fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
///         let square = inputs.fake.mean((1, 2, 3))?.sqr()?.mean_all()?;
///         Ok(LossTerms::one("zero_mean", square.affine(self.weight, 0.0)?))
///     }
/// }
/// ```
pub trait Objective: Send + Sync + std::fmt::Debug {
    /// A short name for messages and records, such as `contrast`.
    fn name(&self) -> &str;

    /// Infers the noise of real images, for generators that reconstruct them; none by default. At most
    /// one objective of a run infers.
    ///
    /// # Shapes
    /// `real`: `(B, 3, R, R)`; `noise`: `(B, N)`, standard normal; the result has up to B rows, for the
    /// first images.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn infer(&self, _real: &Tensor, _noise: &Tensor) -> Result<Option<EncodedLatent>> {
        Ok(None)
    }

    /// The classes of the attributes of images, for objectives that classify: 0 where an attribute is
    /// hidden, `v + 1` for its value `v`; none by default. Metrics during a run compare them with captions.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`; `features`: those of the discriminator, `(B, H, W, C)`; the result has B
    /// rows of one class for each attribute, `(B, A)`, u32.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn classify(&self, _images: &Tensor, _features: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// The terms in the discriminator's loss, weighted; none by default.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn discriminator_terms(&self, _inputs: &DiscriminatorInputs<'_>) -> Result<LossTerms> {
        Ok(LossTerms::default())
    }

    /// The terms in the generator's loss, weighted; none by default.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn generator_terms(&self, _inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        Ok(LossTerms::default())
    }
}
