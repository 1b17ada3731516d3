//! Conditioning augmentation: the generator's text code is a sample of a normal distribution that
//! depends on the sentence embedding. StackGAN §3.2 (arXiv:1612.03242).

use candle_core::Tensor;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check_argument};
use crate::growing::layers::{Compat, Conv, ConvShape};

/// The form of the standard deviation, and the reduction of the divergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditioningKind {
    /// `sigma = exp(logvar / 2)`; divergence averaged over dimensions and batch (StackGAN; give it
    /// weight 2 in the loss to match theirs).
    #[default]
    LogVariance,
    /// T2F's `sigma = relu(s) + 1e-12`; divergence summed over dimensions, averaged over the batch.
    /// A dead unit has a divergence of 27 nats and no gradient: for comparison with T2F only.
    Relu,
}

/// A text code and its divergence from the prior.
#[derive(Clone, Debug)]
pub struct Conditioned {
    /// `mu + sigma · noise`, `(B, C)`.
    pub code: Tensor,
    /// The divergence of `N(mu, sigma²)` from `N(0, 1)`, a scalar, in nats.
    pub kl: Tensor,
}

/// `code = mu + sigma · noise`, with `mu` and the parameter of `sigma` linear in the embedding; see
/// [`ConditioningKind`].
///
/// One linear layer, as in T2F; StackGAN-v2's has a gated unit before it.
#[derive(Debug)]
pub struct ConditioningAugmentation {
    transformer: Conv,
    code_size: usize,
    kind: ConditioningKind,
}

impl ConditioningAugmentation {
    /// Asks `vb` for `transformer.weight` `(1, 1, E, 2C)` and `transformer.bias` `(2C)`; the first
    /// C columns make the mean.
    ///
    /// # Errors
    /// If `embedding_size` is 0, or a parameter is missing.
    pub fn new(
        code_size: usize,
        kind: ConditioningKind,
        compat: Option<Compat>,
        embedding_size: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        check_argument(embedding_size > 0, "embedding_size", embedding_size, "at least 1")?;
        let shape = ConvShape { kernel: 1, inputs: embedding_size, outputs: 2 * code_size };
        let transformer = Conv::new(shape, compat, &vb.pp("transformer"))?;
        Ok(Self { transformer, code_size, kind })
    }

    /// The size of a code.
    pub fn code_size(&self) -> usize {
        self.code_size
    }

    /// Samples a code for each embedding. With `noise` zero the code is the mean.
    ///
    /// `kl = ½ (mu² + sigma² - ln sigma² - 1)`, reduced as in [`ConditioningKind`].
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`, `noise`: `(B, C)`, standard normal; the code: `(B, C)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn forward(&self, embedding: &Tensor, noise: &Tensor) -> Result<Conditioned> {
        let both = self.transformer.forward_vector(embedding)?; // (B, 2C)
        let mu = both.narrow(1, 0, self.code_size)?;
        let second = both.narrow(1, self.code_size, self.code_size)?;
        let (sigma, log_variance) = match self.kind {
            ConditioningKind::LogVariance => (second.affine(0.5, 0.0)?.exp()?, second),
            ConditioningKind::Relu => {
                let sigma = second.relu()?.affine(1.0, 1e-12)?;
                let log_variance = sigma.log()?.affine(2.0, 0.0)?;
                (sigma, log_variance)
            }
        };
        let code = mu.add(&sigma.mul(noise)?)?;
        let nats = divergence(&mu, &sigma.sqr()?, &log_variance)?;
        let kl = match self.kind {
            ConditioningKind::LogVariance => nats.mean_all()?,
            ConditioningKind::Relu => nats.sum(1)?.mean_all()?,
        };
        Ok(Conditioned { code, kl })
    }
}

/// The elementwise divergence of `N(mu, sigma²)` from `N(0, 1)` in nats,
/// `½ (mu² + sigma² - ln sigma² - 1)`.
pub(crate) fn divergence(mu: &Tensor, variance: &Tensor, log_variance: &Tensor) -> Result<Tensor> {
    Ok(mu.sqr()?.add(variance)?.sub(log_variance)?.affine(0.5, -0.5)?)
}
