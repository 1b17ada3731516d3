//! The components of a run: those of the configuration, or custom ones.
//!
//! [`Components::new`] takes every component from the configuration. Each has a setter that replaces it:
//!
//! ```
//! use candle_core::Tensor;
//! use t2f_gan::{AdversarialLoss, LossTerms, Result, Scores};
//! use t2f_train::components::Components;
//!
//! #[derive(Debug)]
//! struct Linear;
//!
//! impl AdversarialLoss for Linear {
//!     fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
//!         scores.weighted(|real| real.neg(), |fake| Ok(fake.clone()))
//!     }
//!     fn generator_terms(&self, fake: &Tensor, _real: Option<&Tensor>) -> Result<LossTerms> {
//!         Ok(LossTerms::one("adversarial", fake.mean_all()?.neg()?))
//!     }
//! }
//!
//! let components = Components::new().with_loss("linear", Linear);
//! assert_eq!(components.names().loss.as_deref(), Some("linear"));
//! ```
//!
//! The names of custom components are recorded in the run's `config.toml` and in the model file. A resume
//! or a load without such a component fails with an error that names it.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use candle_nn::VarBuilder;
use t2f_data::Splits;
use t2f_gan::{
    AdversarialLoss, Discriminator, DiscriminatorShape, Generator, GeneratorShape, Objective,
    ObjectiveContext,
};
use t2f_metrics::Metric;
use t2f_text::{TextEncoder, Tokenizer};

use crate::config::{ComponentNames, Config};
use crate::error::{Error, Result};

type BuildText = dyn Fn(Tokenizer, VarBuilder) -> t2f_text::Result<Box<dyn TextEncoder>> + Send + Sync;
type BuildGenerator =
    dyn Fn(&GeneratorShape, VarBuilder) -> t2f_gan::Result<Box<dyn Generator>> + Send + Sync;
type BuildDiscriminator =
    dyn Fn(&DiscriminatorShape, VarBuilder) -> t2f_gan::Result<Box<dyn Discriminator>> + Send + Sync;
type BuildObjective = dyn Fn(&ObjectiveContext<'_>) -> t2f_gan::Result<Box<dyn Objective>> + Send + Sync;

/// A custom component with its recorded name.
#[derive(Clone)]
struct Named<T> {
    name: String,
    part: T,
}

/// The custom components of a run.
#[derive(Clone, Default)]
pub struct Components {
    data: Option<Named<Splits>>,
    text: Option<Named<Arc<BuildText>>>,
    generator: Option<Named<Arc<BuildGenerator>>>,
    discriminator: Option<Named<Arc<BuildDiscriminator>>>,
    loss: Option<Named<Arc<dyn AdversarialLoss>>>,
    objectives: Vec<Named<Arc<BuildObjective>>>,
    metrics: Vec<Arc<dyn Metric>>,
}

impl Components {
    /// Every component from the configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trains on `splits` instead of the configuration's data set. Images must have `gan.resolution`
    /// pixels a side.
    #[must_use]
    pub fn with_data(mut self, name: impl Into<String>, splits: Splits) -> Self {
        self.data = Some(Named { name: name.into(), part: splits });
        self
    }

    /// Encodes captions with another [`TextEncoder`], built on parameters named `text.…`. The tokenizer is
    /// trained on the training captions; the encoder may ignore it.
    #[must_use]
    pub fn with_text(
        mut self,
        name: impl Into<String>,
        build: impl Fn(Tokenizer, VarBuilder) -> t2f_text::Result<Box<dyn TextEncoder>> + Send + Sync + 'static,
    ) -> Self {
        self.text = Some(Named { name: name.into(), part: Arc::new(build) });
        self
    }

    /// Generates with another [`Generator`], built on parameters named `generator.…`.
    #[must_use]
    pub fn with_generator(
        mut self,
        name: impl Into<String>,
        build: impl Fn(&GeneratorShape, VarBuilder) -> t2f_gan::Result<Box<dyn Generator>> + Send + Sync + 'static,
    ) -> Self {
        self.generator = Some(Named { name: name.into(), part: Arc::new(build) });
        self
    }

    /// Trains with another [`Discriminator`], which is built twice on the same values, trainable and frozen.
    #[must_use]
    pub fn with_discriminator(
        mut self,
        name: impl Into<String>,
        build: impl Fn(&DiscriminatorShape, VarBuilder) -> t2f_gan::Result<Box<dyn Discriminator>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.discriminator = Some(Named { name: name.into(), part: Arc::new(build) });
        self
    }

    /// Trains with another adversarial loss. `loss.adversarial.matching_aware` and
    /// `loss.adversarial.r1` apply to it.
    #[must_use]
    pub fn with_loss(mut self, name: impl Into<String>, loss: impl AdversarialLoss + 'static) -> Self {
        self.loss = Some(Named { name: name.into(), part: Arc::new(loss) });
        self
    }

    /// Adds an objective to those of the configuration, built on the parameter builders of
    /// [`ObjectiveContext`].
    #[must_use]
    pub fn with_objective(
        mut self,
        name: impl Into<String>,
        build: impl Fn(&ObjectiveContext<'_>) -> t2f_gan::Result<Box<dyn Objective>> + Send + Sync + 'static,
    ) -> Self {
        self.objectives.push(Named { name: name.into(), part: Arc::new(build) });
        self
    }

    /// Adds a metric of the averaged generator to the statistics, computed at every checkpoint.
    #[must_use]
    pub fn with_metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Arc::new(metric));
        self
    }

    /// The names of the custom components.
    pub fn names(&self) -> ComponentNames {
        ComponentNames {
            data: name(&self.data),
            text: name(&self.text),
            generator: name(&self.generator),
            discriminator: name(&self.discriminator),
            loss: name(&self.loss),
            objectives: self.objectives.iter().map(|objective| objective.name.clone()).collect(),
        }
    }

    /// Checks that these are the recorded components of a run.
    ///
    /// # Errors
    /// If one is missing, different, or not recorded; the message names it and its setter.
    pub fn check_run(&self, recorded: &ComponentNames) -> Result<()> {
        let given = self.names();
        let pairs = [
            ("data set", "with_data", &recorded.data, &given.data),
            ("discriminator", "with_discriminator", &recorded.discriminator, &given.discriminator),
            ("loss", "with_loss", &recorded.loss, &given.loss),
        ];
        self.check_model(recorded)?;
        pairs
            .into_iter()
            .try_for_each(|(what, setter, recorded, given)| same(what, setter, recorded, given))?;
        if recorded.objectives != given.objectives {
            return Err(Error::Config(format!(
                "the run has the objectives {:?}, not {:?}: pass the same in the same order \
                 with `Components::with_objective`",
                recorded.objectives, given.objectives
            )));
        }
        Ok(())
    }

    /// Checks that text encoder and generator are the recorded ones of a model.
    ///
    /// # Errors
    /// As [`check_run`](Self::check_run).
    pub fn check_model(&self, recorded: &ComponentNames) -> Result<()> {
        let given = self.names();
        same("text encoder", "with_text", &recorded.text, &given.text)?;
        same("generator", "with_generator", &recorded.generator, &given.generator)
    }

    /// Checks that the custom components of initial weights are among these: text encoder and generator, and
    /// with a `discriminator` that and the objectives. Others have no weights.
    ///
    /// # Errors
    /// If one is missing or different; the message names it and its setter.
    pub(crate) fn check_initial(&self, recorded: &ComponentNames, discriminator: bool) -> Result<()> {
        let given = self.names();
        let mut pairs = vec![
            ("text encoder", "with_text", &recorded.text, &given.text),
            ("generator", "with_generator", &recorded.generator, &given.generator),
        ];
        if discriminator {
            pairs.push((
                "discriminator",
                "with_discriminator",
                &recorded.discriminator,
                &given.discriminator,
            ));
        }
        for (what, setter, recorded, given) in pairs {
            if recorded.is_some() {
                same(what, setter, recorded, given)?;
            }
        }
        let objectives = recorded.objectives.iter().filter(|_| discriminator);
        match objectives.into_iter().find(|name| !given.objectives.contains(name)) {
            Some(name) => same("objective", "with_objective", &Some(name.clone()), &None),
            None => Ok(()),
        }
    }

    /// Opens the data set.
    pub(crate) fn data(&self, config: &Config) -> Result<Splits> {
        let Some(data) = &self.data else { return config.open_data(config.gan.resolution) };
        let (found, expected) = (data.part.train.resolution(), config.gan.resolution);
        if found != expected {
            let name = &data.name;
            return Err(Error::Config(format!(
                "the images of the data set `{name}` have {found} pixels a side, expected gan.resolution, which \
                 is {expected}"
            )));
        }
        config.limited(data.part.clone())
    }

    pub(crate) fn text(
        &self,
        config: &Config,
        tokenizer: Tokenizer,
        vb: VarBuilder,
    ) -> Result<Box<dyn TextEncoder>> {
        Ok(match &self.text {
            Some(text) => (text.part)(tokenizer, vb)?,
            None => config.text.build(tokenizer, vb)?,
        })
    }

    pub(crate) fn generator(
        &self,
        config: &Config,
        shape: &GeneratorShape,
        vb: VarBuilder,
    ) -> Result<Box<dyn Generator>> {
        let Some(Named { name, part }) = &self.generator else { return Ok(config.gan.generator(shape, vb)?) };
        let built = part(shape, vb)?;
        let sizes = [
            ("latent size", built.latent_size(), shape.latent_size),
            ("maximum level", built.max_level(), config.gan.max_level()),
        ];
        for (what, found, expected) in sizes {
            if found != expected {
                return Err(Error::Config(format!(
                    "the {what} of the generator `{name}` is {found}, expected {expected} by the configuration"
                )));
            }
        }
        Ok(built)
    }

    pub(crate) fn discriminator(
        &self,
        config: &Config,
        shape: &DiscriminatorShape,
        vb: VarBuilder,
    ) -> Result<Box<dyn Discriminator>> {
        Ok(match &self.discriminator {
            Some(discriminator) => (discriminator.part)(shape, vb)?,
            None => config.gan.discriminator(shape, vb)?,
        })
    }

    pub(crate) fn loss(&self, config: &Config) -> Result<Box<dyn AdversarialLoss>> {
        let adversarial = &config.loss.adversarial;
        Ok(match &self.loss {
            Some(loss) => adversarial.with_penalties(Box::new(loss.part.clone()))?,
            None => adversarial.build()?,
        })
    }

    pub(crate) fn objectives(
        &self,
        config: &Config,
        context: &ObjectiveContext<'_>,
    ) -> Result<Vec<Box<dyn Objective>>> {
        let mut all = config.loss.objectives(config.gan.compat, context)?;
        for objective in &self.objectives {
            all.push((objective.part)(context)?);
        }
        Ok(all)
    }

    /// Whether there are custom objectives, which may need labels.
    pub(crate) fn has_objectives(&self) -> bool {
        !self.objectives.is_empty()
    }

    pub(crate) fn metrics(&self) -> &[Arc<dyn Metric>] {
        &self.metrics
    }
}

impl Debug for Components {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        f.debug_struct("Components").field("names", &self.names()).field("metrics", &metrics).finish()
    }
}

fn name<T>(part: &Option<Named<T>>) -> Option<String> {
    part.as_ref().map(|part| part.name.clone())
}

fn same(what: &str, setter: &str, recorded: &Option<String>, given: &Option<String>) -> Result<()> {
    let message = match (recorded, given) {
        (recorded, given) if recorded == given => return Ok(()),
        (Some(recorded), None) => {
            format!("the custom {what} `{recorded}` is missing: pass it with `Components::{setter}`")
        }
        (Some(recorded), Some(given)) => {
            format!("the {what} is `{recorded}`, not `{given}`: pass the same with `Components::{setter}`")
        }
        (None, given) => {
            let given = given.as_deref().unwrap_or_default();
            format!("the {what} is that of the configuration, not `{given}`: omit `Components::{setter}`")
        }
    };
    Err(Error::Config(message))
}
