//! The configuration of a run: presets, files and overrides, in this order, and what must hold
//! between their fields.

use std::path::Path;

use serde::{Deserialize, Serialize};
use t2f_data::{DataConfig, Splits, text_file};
use t2f_gan::{AugmentConfig, Channels, GanConfig, LossConfig};
use t2f_text::TextConfig;
use toml::{Table, Value};

use crate::ema::EmaConfig;
use crate::error::{Error, Result};
use crate::schedule::{Schedule, ScheduleConfig};
use t2f_ops::adam::AdamConfig;

/// The presets that are built in, by name.
const PRESETS: [(&str, &str); 5] = [
    ("quick", include_str!("../presets/quick.toml")),
    ("faces-64", include_str!("../presets/faces-64.toml")),
    ("face2text", include_str!("../presets/face2text.toml")),
    ("face2text-128", include_str!("../presets/face2text-128.toml")),
    ("t2f", include_str!("../presets/t2f.toml")),
];

/// Everything that decides what a run computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A word for the run folder; default `custom`.
    pub name: String,
    /// Seed of every random number of the run; default 0.
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:N` or `metal`; default `auto`.
    pub device: String,
    /// What is trained on.
    pub data: DataConfig,
    /// The text encoder.
    pub text: TextConfig,
    /// The networks.
    pub gan: GanConfig,
    /// The adversarial loss.
    pub loss: LossConfig,
    /// What happens to images before the discriminator sees them.
    pub augment: AugmentConfig,
    /// The optimisers.
    pub optimizer: OptimizerConfig,
    /// The average of the parameters.
    pub ema: EmaConfig,
    /// When the networks grow.
    pub schedule: ScheduleConfig,
    /// What is written, and when.
    pub output: OutputConfig,
}

/// How both players learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Conditioning augmentation and generator.
    pub generator: AdamConfig,
    /// Text encoder; by default as `generator`. Its weights are small and not equalized: a rate that
    /// suits the generator, without a mean of gradients, is mostly noise to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<AdamConfig>,
    /// Discriminator.
    pub discriminator: AdamConfig,
    /// The network and the heads that read attributes (`gan.attributes`), and the encoder of noise
    /// (`gan.reconstruction`), whose weights are not equalized either.
    pub reader: AdamConfig,
    /// Discriminator steps a generator step, on the same images; default 1, at least 1.
    pub n_critic: usize,
    /// Weight of the conditioning augmentation's divergence; default 2 (StackGAN-v2, which
    /// averages it), at least 0.
    pub kl_weight: f64,
    /// Whether the text encoder also learns from the discriminator's loss, which is where matching
    /// is judged; default true. T2F's learns from the generator's alone.
    pub text_learns_from_discriminator: bool,
    /// The share of mismatched captions, 0 to 1, that are the image's own with one claim made false,
    /// where the data can tell (drawn faces); default 0.
    pub hard_negatives: f64,
    /// The share of captions, 0 to 1, that are dropped whole in training, so that the empty caption
    /// stands for any face and a text scale has something to lead away from; default 0.
    pub null_captions: f64,
    /// The share of words, 0 to 1, that are dropped from the other captions in training, so that words
    /// which the encoder does not know and reads over leave something it has seen; default 0.
    pub dropped_words: f64,
    /// Whether the moments are forgotten when a level begins, as ProGAN does; default false.
    pub reset_at_level: bool,
}

impl OptimizerConfig {
    /// What the text encoder learns by.
    pub fn text(&self) -> &AdamConfig {
        self.text.as_ref().unwrap_or(&self.generator)
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            generator: AdamConfig::default(),
            text: None,
            discriminator: AdamConfig::default(),
            reader: AdamConfig { beta1: 0.9, ..AdamConfig::default() },
            n_critic: 1,
            kl_weight: 2.0,
            text_learns_from_discriminator: true,
            hard_negatives: 0.0,
            null_captions: 0.0,
            dropped_words: 0.0,
            reset_at_level: false,
        }
    }
}

/// What a run writes, counted in thousands of images shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Between two rows of statistics; default 1, above 0.
    pub tick_kimg: f64,
    /// Between two sheets of samples; default 10, above 0.
    pub sample_kimg: f64,
    /// Between two checkpoints; default 10, above 0.
    pub checkpoint_kimg: f64,
    /// How many checkpoints are kept; default 3, at least 1.
    pub keep_checkpoints: usize,
    /// Captions on a sheet of samples; default 24, at least 1.
    pub samples: usize,
    /// Threads that prepare batches; default 1, at least 1. They change nothing but the speed.
    pub workers: usize,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            tick_kimg: 1.0,
            sample_kimg: 10.0,
            checkpoint_kimg: 10.0,
            keep_checkpoints: 3,
            samples: 24,
            workers: 1,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "custom".into(),
            seed: 0,
            device: "auto".into(),
            data: DataConfig::default(),
            text: TextConfig::default(),
            gan: GanConfig::default(),
            loss: LossConfig::default(),
            augment: AugmentConfig::default(),
            optimizer: OptimizerConfig::default(),
            ema: EmaConfig::default(),
            schedule: ScheduleConfig::default(),
            output: OutputConfig::default(),
        }
    }
}

impl Config {
    /// The names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A preset as it is.
    ///
    /// # Errors
    /// If there is none of that name; the message lists those there are.
    pub fn preset(name: &str) -> Result<Self> {
        Self::resolve(Some(name), None, &[])
    }

    /// A configuration file as it is.
    ///
    /// # Errors
    /// If it cannot be read, or a key or value in it is wrong; the message names the key.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::resolve(None, Some(path), &[])
    }

    /// A preset, then a file, then `key.path=value` overrides; the later wins, key by key.
    ///
    /// A table with another `kind` replaces the earlier one instead of being merged into it.
    ///
    /// # Errors
    /// If a preset is unknown, a file cannot be read, or a key or value is wrong.
    pub fn resolve(preset: Option<&str>, file: Option<&Path>, overrides: &[String]) -> Result<Self> {
        let mut table = Table::new();
        if let Some(name) = preset {
            let found = PRESETS.iter().find(|(other, _)| *other == name);
            let Some((_, text)) = found else {
                let names: Vec<_> = Self::presets().collect();
                return Err(Error::Config(format!(
                    "there is no preset `{name}`; there are {}",
                    names.join(", ")
                )));
            };
            merge(&mut table, parse(text, &format!("preset {name}"))?);
        }
        if let Some(path) = file {
            let text = std::fs::read(path).and_then(text_file::decoded);
            let text = text.map_err(|error| Error::file(path, error))?;
            merge(&mut table, parse(&text, &path.display().to_string())?);
        }
        for line in overrides {
            apply(&mut table, line)?;
        }
        // A section that names no kind is of the kind that it has where nothing is said of it.
        for (name, default) in parse(&Self::default().to_toml()?, "the defaults")? {
            if let (Some(kind), Some(Value::Table(section))) = (default.get("kind"), table.get_mut(&name)) {
                section.entry("kind").or_insert_with(|| kind.clone());
            }
        }
        let source_name = match (overrides.is_empty(), file, preset) {
            (false, ..) => "configuration with --set".to_owned(),
            (_, Some(path), _) => path.display().to_string(),
            (_, _, name) => format!("preset {}", name.unwrap_or("")),
        };
        let config: Self = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let at = error.path().to_string();
            Error::Parse { source_name, message: format!("{at}: {}", error.into_inner()) }
        })?;
        Ok(config)
    }

    /// The configuration as a file that resolves to it again.
    ///
    /// # Errors
    /// If a value cannot be written in TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::Config(format!("cannot be written as TOML: {error}")))
    }

    /// Makes of it the configuration that a run on this data has: what the data cannot serve is left
    /// out, and what was left to defaults is written out, so that another version's continue the run.
    ///
    /// # Errors
    /// If there are fewer than two training images, or files that cannot be used leave fewer than a
    /// batch has.
    pub fn settle(&mut self, splits: &Splits) -> Result<()> {
        if splits.report.bad.is_empty() {
            splits.require_two()?;
        }
        let blank = || (0..splits.train.len()).all(|index| splits.train.attributes(index).is_none());
        if self.gan.attributes.weight > 0.0 && blank() {
            tracing::warn!(
                "no training image has attributes: `gan.attributes.weight` and what goes with it are set to \
                 0; the preset face2text is made for such data"
            );
            self.gan.without_attributes();
        }
        self.schedule = self.schedule.written_out();
        self.optimizer.text = Some(*self.optimizer.text());
        let schedule = Schedule::new(&self.schedule, self.gan.max_level(), splits.train.len())?;
        if !splits.report.bad.is_empty() {
            splits.require_batch(schedule.largest_batch())?;
        }
        Ok(())
    }

    /// Checks every range, and the fields against each other.
    ///
    /// # Errors
    /// If one is wrong; the message names it, or both.
    pub fn check(&self) -> Result<()> {
        self.gan.check()?;
        self.text.check()?;
        self.loss.build()?;
        self.augment.check()?;
        crate::device::check(&self.device)?;
        let schedule = Schedule::new(&self.schedule, self.gan.max_level(), 1)?;
        let wrong = |message: String| Err(Error::Config(message));
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            return wrong(format!(
                "name is `{}`: letters, digits, `-`, `_` and `.`, at least one",
                self.name
            ));
        }
        for (name, adam) in [
            ("generator", &self.optimizer.generator),
            ("text", self.optimizer.text()),
            ("discriminator", &self.optimizer.discriminator),
            ("reader", &self.optimizer.reader),
        ] {
            let unit = |x: f64| (0.0..1.0).contains(&x);
            if !(adam.lr > 0.0
                && adam.lr.is_finite()
                && unit(adam.beta1)
                && unit(adam.beta2)
                && adam.epsilon > 0.0
                && adam.epsilon.is_finite())
            {
                return wrong(format!(
                    "optimizer.{name} is {adam:?}: lr and epsilon must be above 0, beta1 and beta2 in [0, 1)"
                ));
            }
        }
        let positive = [
            ("output.tick_kimg", self.output.tick_kimg),
            ("output.sample_kimg", self.output.sample_kimg),
            ("output.checkpoint_kimg", self.output.checkpoint_kimg),
            ("ema.half_life_kimg", self.ema.half_life_kimg),
        ];
        if let Some((name, value)) = positive.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            return wrong(format!("{name} is {value}, and must be above 0"));
        }
        let counts = [
            ("optimizer.n_critic", self.optimizer.n_critic),
            ("output.keep_checkpoints", self.output.keep_checkpoints),
            ("output.samples", self.output.samples),
            ("output.workers", self.output.workers),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return wrong(format!("{name} is 0, and must be at least 1"));
        }
        self.check_sizes()?;
        let shares = [
            ("hard_negatives", self.optimizer.hard_negatives, "mismatched captions"),
            ("null_captions", self.optimizer.null_captions, "captions"),
            ("dropped_words", self.optimizer.dropped_words, "words"),
        ];
        if let Some((name, share, of)) = shares.iter().find(|(_, share, _)| !(0.0..=1.0).contains(share)) {
            return wrong(format!("optimizer.{name} is {share}: a share of the {of}, from 0 to 1"));
        }
        let weights = [("optimizer.kl_weight", self.optimizer.kl_weight), ("ema.ramp_up", self.ema.ramp_up)];
        if let Some((name, value)) = weights.iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite())) {
            return wrong(format!("{name} is {value}, and must be a finite number, at least 0"));
        }
        if schedule.smallest_batch() < 2 {
            return wrong(
                "schedule.batch_sizes holds a 1: minibatch stddev and mismatched captions need two images"
                    .into(),
            );
        }
        Ok(())
    }
}

impl Config {
    /// No size that is a slip of the finger, or a damaged file's: sums and products of sizes stay
    /// far from overflowing.
    fn check_sizes(&self) -> Result<()> {
        const MOST: usize = 1 << 16;
        let TextConfig::Lstm(lstm) = &self.text;
        let most = |numbers: &[usize]| numbers.iter().max().copied().unwrap_or(0);
        let widest = match &self.gan.channels {
            Channels::Halving(widest) => *widest,
            Channels::List(list) => most(list),
        };
        let sizes = [
            ("gan.resolution", self.gan.resolution, 1024),
            ("gan.latent_size", self.gan.latent_size, MOST),
            ("gan.compressed_size", self.gan.compressed_size, MOST),
            ("gan.channels", widest, MOST),
            ("gan.contrast.size", self.gan.contrast.size, MOST),
            ("gan.attributes.reader", most(&self.gan.attributes.reader), MOST),
            ("gan.reconstruction.encoder", most(&self.gan.reconstruction.encoder), MOST),
            ("text.embedding_size", lstm.embedding_size, MOST),
            ("text.hidden_size", lstm.hidden_size, MOST),
            ("text.layers", lstm.layers, 64),
            ("text.max_length", lstm.max_length, MOST),
            ("schedule.batch_sizes", most(&self.schedule.batch_sizes), MOST),
            ("output.workers", self.output.workers, 1024),
        ];
        match sizes.iter().find(|(_, size, most)| size > most) {
            Some((name, size, most)) => {
                Err(Error::Config(format!("{name} is {size}, and must be at most {most}")))
            }
            None => Ok(()),
        }
    }
}

fn parse(text: &str, source_name: &str) -> Result<Table> {
    let error = |error: toml::de::Error| Error::Parse {
        source_name: source_name.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    text.parse::<Table>().map_err(error)
}

/// Lays `over` on `base`, table by table.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if same_kind(old, &new) => merge(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn same_kind(old: &Table, new: &Table) -> bool {
    match (old.get("kind"), new.get("kind")) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    }
}

/// Applies one `key.path=value`; a value that is no TOML is taken as a string.
fn apply(table: &mut Table, line: &str) -> Result<()> {
    let wrong =
        |message: &str| Error::Parse { source_name: format!("--set {line}"), message: message.to_owned() };
    let (path, value) = line.split_once('=').ok_or_else(|| wrong("expected key.path=value"))?;
    let value = match format!("x = {value}").parse::<Table>() {
        Ok(mut parsed) => parsed.remove("x").ok_or_else(|| wrong("expected one value"))?,
        Err(_) => Value::String(value.to_owned()),
    };
    let mut over = Table::new();
    let mut keys = path.trim().split('.').rev();
    let last = keys.next().filter(|key| !key.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
    over.insert(last.to_owned(), value);
    for key in keys {
        over = Table::from_iter([(key.to_owned(), Value::Table(over))]);
    }
    if let Some(("kind", section)) = path.trim().rsplit_once('.').map(|(section, key)| (key, section)) {
        // Another kind has other keys: the section starts over.
        let kept = table.get(section).and_then(Value::as_table).and_then(|old| old.get("kind"));
        if kept.is_some_and(|kind| over[section].get("kind") != Some(kind)) {
            table.remove(section);
        }
    }
    merge(table, over);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use super::*;

    fn set(line: &str) -> Result<Config> {
        Config::resolve(Some("quick"), None, &[line.to_owned()])
    }

    /// A section that names no kind is of the kind that a configuration without it has.
    #[test]
    fn kinds_have_defaults() {
        let lines = ["data.seed=1", "text.layers=2", "loss.lambda=5.0"].map(String::from);
        let config = Config::resolve(None, None, &lines).unwrap();
        let bare = Config::default();
        assert_eq!(discriminant(&config.data), discriminant(&bare.data));
        assert_eq!(discriminant(&config.text), discriminant(&bare.text));
        assert_eq!(discriminant(&config.loss), discriminant(&bare.loss));
        assert_ne!(config, bare);
    }

    #[test]
    fn every_preset_holds_together_and_survives_the_round_trip() {
        for name in Config::presets() {
            let config = Config::preset(name).unwrap();
            config.check().unwrap();
            assert_eq!(config.name, name);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config.toml");
            std::fs::write(&path, config.to_toml().unwrap()).unwrap();
            assert_eq!(Config::from_file(&path).unwrap(), config, "{name}");
        }
    }

    #[test]
    fn overrides_win_and_take_any_type() {
        assert_eq!(set("seed=7").unwrap().seed, 7);
        assert_eq!(set("device=cpu").unwrap().device, "cpu");
        assert_eq!(set("optimizer.generator.lr = 5e-4").unwrap().optimizer.generator.lr, 5e-4);
        assert_eq!(set("schedule.batch_sizes=[8, 4]").unwrap().schedule.batch_sizes, [8, 4]);
        let loss = set("loss.kind=lsgan").unwrap().loss;
        assert_eq!(loss, LossConfig::Lsgan { matching_aware: true });
    }

    #[test]
    fn mistakes_name_the_key_and_what_is_accepted() {
        for (line, needles) in [
            ("gan.latnt_size=3", ["gan", "latnt_size"]),
            ("seed=red", ["seed", "red"]),
            ("loss.kind=wasserstein", ["loss", "wgan-gp"]),
            ("colour=1", ["colour", "schedule"]),
            ("seed", ["key.path=value", "seed"]),
        ] {
            let message = set(line).unwrap_err().to_string();
            for needle in needles {
                assert!(message.contains(needle), "{line}: {message}");
            }
        }
        let message = Config::preset("fast").unwrap_err().to_string();
        assert!(message.contains("quick") && message.contains("face2text"), "{message}");
    }

    #[test]
    fn conflicts_are_found_before_anything_runs() {
        for (line, needle) in [
            ("optimizer.generator.lr=0", "optimizer.generator"),
            ("output.samples=0", "output.samples"),
            ("schedule.batch_sizes=[1]", "batch_sizes"),
            ("gan.code_size=100000", "gan.code_size is 100000, expected 1 to gan.latent_size"),
            ("gan.resolution=48", "gan.resolution"),
            ("gan.channels=[8]", "gan.channels"),
            ("gan.stddev_group=0", "gan.stddev_group"),
            ("loss.r1_gamma=-1", "loss.r1_gamma"),
            ("name=a/b", "name"),
            ("device=gpu", "gpu"),
            ("text.layers=0", "layers"),
            ("text.vocabulary_size=2", "vocabulary_size"),
            ("gan.contrast.temperature=0", "gan.contrast.temperature"),
            ("gan.contrast.size=100000", "gan.contrast.size"),
            ("gan.attributes.reader=[0]", "gan.attributes.reader"),
            ("gan.attributes.text_weight=0", "gan.attributes.text_weight"),
            ("gan.reconstruction.encoder=[8,8,8,8,8,8,8,8,8]", "gan.reconstruction.encoder"),
            ("optimizer.kl_weight=nan", "optimizer.kl_weight"),
            ("optimizer.reader.epsilon=inf", "optimizer.reader"),
            ("ema.ramp_up=inf", "ema.ramp_up"),
            ("schedule.batch_sizes=[100000]", "schedule.batch_sizes"),
            ("schedule.stable_kimg=[1e17]", "stable_kimg"),
        ] {
            let message = set(line).unwrap().check().unwrap_err().to_string();
            assert!(message.contains(needle), "{line}: {message}");
        }
    }
}
