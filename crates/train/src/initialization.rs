//! Initial weights of a new run from a trained one, which may have other data, words, attributes or another
//! resolution.
//!
//! A tensor is copied if the new networks have one of the same name and shape. Word vectors are copied by word,
//! also between vocabularies of other sizes. All other tensors keep the initial values of the new run's seed.
//! Parameters of the generator's side come from the moving average; those of the discriminator and of the
//! objectives from the last step. Moments and the augmentation probability start anew.
//!
//! Limits: an attribute code changes the sizes of the generator's first layer and of the discriminator's
//! condition, so that these start anew if the attributes have other numbers of values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Tensor};
use t2f_data::attributes::Schema;
use t2f_files::tensors;
use t2f_gan::Growth;
use t2f_ops::init::Parameters;
use t2f_text::{Tokenizer, WORD_VECTORS, keep_vectors};

use crate::checkpoint::{self, Checkpoint};
use crate::checkpoint_model::{self, Shown};
use crate::components::Components;
use crate::config::{Config, Origin};
use crate::error::{Error, Result};
use crate::model_file::Metadata;
use crate::run_dir;
use crate::state::{D_PARAMS, G_EMA, TrainState};

type Tensors = BTreeMap<String, Tensor>;

/// Trained weights for [`Trainer::create_from`](crate::trainer::Trainer::create_from).
#[derive(Debug)]
pub struct Initialization {
    origin: Origin,
    config: Config,
    tokenizer: Tokenizer,
    /// The attributes of the data; none if they are not known.
    schema: Option<Schema>,
    growth: Growth,
    g: Tensors,
    /// None of a model file, which has no discriminator.
    d: Option<Tensors>,
}

impl Initialization {
    /// Reads trained weights: the newest intact checkpoint of a run folder, a checkpoint folder, or a model
    /// file. `components` are those of the new run.
    ///
    /// A model file has the averaged parameters of text encoder, conditioning, prior and generator alone.
    ///
    /// # Errors
    /// If there is no such file or folder, or it is damaged.
    pub fn open(path: impl AsRef<Path>, components: &Components) -> Result<Self> {
        let path = path.as_ref();
        let checkpoints = path.join("checkpoints");
        let checkpoint = match path.join("config.toml").is_file() && checkpoint::count(&checkpoints)? > 0 {
            true => Some(checkpoint::load_latest(&checkpoints)?),
            false => checkpoint_model::checkpoint_of(path)?,
        };
        match checkpoint {
            Some(checkpoint) => Self::of_checkpoint(path, &checkpoint, components),
            None => Self::of_model(path),
        }
    }

    /// Reads the initial weights of a run again.
    ///
    /// # Errors
    /// As [`open`](Self::open); and if they are others now.
    pub(crate) fn again(origin: &Origin, components: &Components) -> Result<Self> {
        let start = "the run has no checkpoint yet, and starts from trained weights";
        let found = Self::open(&origin.path, components)
            .map_err(|error| Error::Config(format!("{start} that cannot be read: {error}")))?;
        if found.origin.hash == origin.hash {
            return Ok(found);
        }
        let path = &origin.path;
        Err(Error::Config(format!("{start} that have changed since: those of {path}. Start a new run")))
    }

    fn of_checkpoint(path: &Path, checkpoint: &Checkpoint, components: &Components) -> Result<Self> {
        let run = checkpoint_model::run_of(checkpoint)?;
        let config = run_dir::read_config(&run)?;
        let Shown { images, last, .. } = checkpoint_model::shown(checkpoint)?;
        let metadata = checkpoint_model::metadata(&run);
        let of_step = metadata.as_ref().filter(|model| model.provenance.kimg == images as f64 / 1000.0);
        Ok(Self {
            origin: origin(path, checkpoint.hash(&[G_EMA, D_PARAMS])?, images)?,
            growth: match of_step {
                Some(model) => model.growth,
                None => checkpoint_model::growth(images, last, &config, components)?,
            },
            schema: metadata.map(|model| model.schema(&config)),
            tokenizer: Tokenizer::from_json(checkpoint.text("tokenizer.json")?)?,
            g: checkpoint.tensors(G_EMA)?,
            d: Some(checkpoint.tensors(D_PARAMS)?),
            config,
        })
    }

    fn of_model(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
        let bytes = std::fs::read(&file).map_err(|error| match path.is_dir() {
            true => Error::file(
                path,
                "has no checkpoint and no model: give a run folder, a checkpoint or a model",
            ),
            false => Error::file(path, error),
        })?;
        let damaged = |error: String| Error::file(&file, error);
        let (stored, json) = tensors::from_bytes(&bytes).map_err(damaged)?;
        let metadata = Metadata::parse(&json).map_err(|error| damaged(error.to_string()))?;
        let config = Config::of_json(metadata.config.clone())?;
        // Models for distribution have weights in 16 bits.
        let whole = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_dtype(DType::F32)?));
        Ok(Self {
            origin: origin(
                path,
                blake3::hash(&bytes).to_hex().to_string(),
                (metadata.provenance.kimg * 1000.0).round() as u64,
            )?,
            schema: Some(metadata.schema(&config)),
            tokenizer: Tokenizer::from_json(&metadata.tokenizer)?,
            growth: metadata.growth,
            g: stored.into_iter().map(whole).collect::<Result<_>>()?,
            d: None,
            config,
        })
    }

    /// The record of the weights in the configuration of a run.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The highest level whose weights are trained; a level that fades in is not counted.
    pub fn level(&self) -> usize {
        if self.growth.alpha < 1.0 { self.growth.level.saturating_sub(1) } else { self.growth.level }
    }

    /// Records the origin in the configuration of a new run, and sets `schedule.start_level`, unless it is
    /// given, to the highest trained level that the new networks have.
    ///
    /// # Errors
    /// If a level that both have has other channels, or a custom component of the weights is not among
    /// `components`.
    pub fn settle(&self, config: &mut Config, components: &Components) -> Result<()> {
        components.check_initial(&self.config.components, self.d.is_some())?;
        let (new, old) = (config.gan.checked_channels()?, self.config.gan.checked_channels()?);
        if new.iter().zip(&old).any(|(new, old)| new != old) {
            return Err(Error::Config(format!(
                "gan.channels is {new:?}, and that of the initial weights is {old:?}: the levels that both have \
                 must have the same channels. Set gan.channels to {:?}",
                old.iter().chain(new.iter().skip(old.len())).take(new.len()).collect::<Vec<_>>()
            )));
        }
        config.schedule.start_level.get_or_insert(self.level().min(config.gan.max_level()));
        config.origin = Some(self.origin.clone());
        Ok(())
    }

    /// Copies the weights that fit into the networks of a new run, and returns remarks, a line each.
    ///
    /// # Errors
    /// If no tensor fits, or the device fails.
    pub fn apply(&self, state: &TrainState, tokenizer: &Tokenizer, schema: &Schema) -> Result<Vec<String>> {
        let mut copied = Copied::default();
        let vectors = format!("text.{WORD_VECTORS}");
        let mut g = self.g.clone();
        let mut words = None;
        if let (Some(own), Some(others)) = (state.g_params().tensors().get(&vectors), g.remove(&vectors)) {
            let rows = |vectors: &Tensor, of: &Tokenizer| {
                vectors.dims().first() == Some(&of.vocabulary_size()) && vectors.dims().len() == 2
            };
            let by_word = rows(own, tokenizer) && rows(&others, &self.tokenizer);
            let fits = by_word && own.dim(1)? == others.dim(1)?;
            if fits {
                let found = keep_vectors(own, tokenizer, &others.to_device(own.device())?, &self.tokenizer)?;
                words = Some((found.kept, found.words));
                g.insert(vectors, found.vectors);
            } else if !by_word {
                // The vectors of a custom encoder.
                g.insert(vectors, others);
            }
        }
        copied.add("", state.g_params(), &g)?;
        state.g_ema().parameters().set(&state.g_params().tensors())?;
        copied.add("discriminator.", state.d_params(), self.d.as_ref().unwrap_or(&Tensors::new()))?;
        if copied.kept.is_empty() {
            return Err(Error::Config(format!(
                "no tensor of {} has the name and the shape of one of the networks: use its settings of [gan] and \
                 [text], or start without initial weights",
                self.origin.path
            )));
        }
        Ok(self.remarks(&copied, words, schema))
    }

    fn remarks(&self, copied: &Copied, words: Option<(usize, usize)>, schema: &Schema) -> Vec<String> {
        let (kept, all) = (copied.kept.len(), copied.kept.len() + copied.new.len());
        let Origin { path, images, .. } = &self.origin;
        let kimg = *images as f64 / 1000.0;
        let mut lines = vec![format!("{kept} of {all} tensors start from {path}, trained with {kimg} kimg")];
        if let Some((kept, words)) = words.filter(|(_, words)| *words > 0) {
            lines.push(format!("{kept} of {words} words keep their vectors"));
        }
        if self.schema.as_ref().is_some_and(|own| own != schema) {
            lines.push("the attributes of the data are not those of the initial weights".into());
        }
        if self.d.is_none() {
            lines.push(
                "a model file has no discriminator: discriminator and objectives start anew; a run or a checkpoint \
                 has them"
                    .into(),
            );
        }
        let anew = copied.modules_anew();
        let anew: Vec<&str> = match self.d {
            Some(_) => anew.iter().map(String::as_str).collect(),
            None => anew.iter().map(String::as_str).filter(|name| *name != "discriminator").collect(),
        };
        if !anew.is_empty() {
            lines.push(format!("these parts start anew: {}", anew.join(", ")));
        }
        lines
    }
}

/// The record of a path.
fn origin(path: &Path, hash: String, images: u64) -> Result<Origin> {
    let whole = std::path::absolute(path).map_err(|error| Error::file(path, error))?;
    Ok(Origin { path: whole.to_string_lossy().into_owned(), hash, images })
}

/// The names of copied tensors and of those that start anew.
#[derive(Default)]
struct Copied {
    kept: BTreeSet<String>,
    new: BTreeSet<String>,
}

impl Copied {
    /// Copies every tensor of equal name and shape into `parameters`, whose names get a prefix.
    fn add(&mut self, prefix: &str, parameters: &Parameters, stored: &Tensors) -> Result<()> {
        let mut all = parameters.tensors();
        for (name, tensor) in &mut all {
            let fits = stored
                .get(name)
                .filter(|other| other.shape() == tensor.shape() && other.dtype() == tensor.dtype());
            let names = if fits.is_some() { &mut self.kept } else { &mut self.new };
            names.insert(format!("{prefix}{name}"));
            // A variable cannot be set to a tensor that shares its memory.
            *tensor = fits.map_or_else(|| tensor.copy(), |other| Ok(other.clone()))?;
        }
        Ok(parameters.set(&all)?)
    }

    /// The largest modules without a copied tensor, by name.
    fn modules_anew(&self) -> BTreeSet<String> {
        let has_copy = |module: &str| {
            let inside = format!("{module}.");
            self.kept.contains(module)
                || self.kept.range(inside.clone()..).next().is_some_and(|name| name.starts_with(&inside))
        };
        let largest = |name: &String| {
            let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
            ends.map(|end| &name[..end]).find(|module| !has_copy(module)).unwrap_or(name).to_owned()
        };
        self.new.iter().map(largest).collect()
    }
}
