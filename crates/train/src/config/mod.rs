//! The configuration of a run: a preset, a file and overrides, in this order, and their checks.

mod aliases;
mod layers;
mod names;
mod sections;

use std::path::Path;

use serde::{Deserialize, Serialize};
use t2f_data::{DataConfig, LoaderConfig, Splits, text_file};
use t2f_gan::{AugmentConfig, Channels, GanConfig, LossConfig};
use t2f_ops::setting::SettingError;
use t2f_text::TextConfig;
use toml::{Table, Value};

use crate::ema::EmaConfig;
use crate::error::{Error, Result};
use crate::schedule::{Schedule, ScheduleConfig};

pub use names::ComponentNames;
pub use sections::{OptimizerConfig, OutputConfig};

/// The built-in presets, by name.
const PRESETS: [(&str, &str); 5] = [
    ("quick", include_str!("../../presets/quick.toml")),
    ("faces-64", include_str!("../../presets/faces-64.toml")),
    ("face2text", include_str!("../../presets/face2text.toml")),
    ("face2text-128", include_str!("../../presets/face2text-128.toml")),
    ("t2f", include_str!("../../presets/t2f.toml")),
];

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A name for the run folder; default `custom`.
    pub name: String,
    /// Seed of every random number of the run; default 0.
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:N` or `metal`; default `auto`.
    pub device: String,
    /// The data set.
    pub data: DataConfig,
    /// The batches.
    pub loader: LoaderConfig,
    /// The text encoder.
    pub text: TextConfig,
    /// The networks.
    pub gan: GanConfig,
    /// The adversarial loss and the objectives.
    pub loss: LossConfig,
    /// The augmentation of the discriminator's images.
    pub augment: AugmentConfig,
    /// The optimisers.
    pub optimizer: OptimizerConfig,
    /// The moving average of the generator's parameters.
    pub ema: EmaConfig,
    /// The growth of the networks.
    pub schedule: ScheduleConfig,
    /// The output.
    pub output: OutputConfig,
    /// The custom components; written by a run, not by hand.
    #[serde(skip_serializing_if = "ComponentNames::is_empty")]
    pub components: ComponentNames,
    /// The overrides of this configuration, for the record.
    #[serde(skip)]
    pub overrides: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "custom".into(),
            seed: 0,
            device: "auto".into(),
            data: DataConfig::default(),
            loader: LoaderConfig::default(),
            text: TextConfig::default(),
            gan: GanConfig::default(),
            loss: LossConfig::default(),
            augment: AugmentConfig::default(),
            optimizer: OptimizerConfig::default(),
            ema: EmaConfig::default(),
            schedule: ScheduleConfig::default(),
            output: OutputConfig::default(),
            components: ComponentNames::default(),
            overrides: Vec::new(),
        }
    }
}

impl Config {
    /// The names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A preset without changes.
    ///
    /// # Errors
    /// If there is no preset of that name; the message lists all.
    pub fn preset(name: &str) -> Result<Self> {
        Self::resolve(Some(name), None, &[])
    }

    /// A configuration file without changes.
    ///
    /// # Errors
    /// If the file cannot be read, or a key or value is invalid; the message names the key.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::resolve(None, Some(path), &[])
    }

    /// A preset, then a file, then `key.path=value` overrides; for each key the last one wins.
    ///
    /// A table with another `kind` replaces the earlier one instead of being merged.
    ///
    /// # Errors
    /// If a preset is unknown, a file cannot be read, or a key or value is invalid.
    pub fn resolve(preset: Option<&str>, file: Option<&Path>, overrides: &[String]) -> Result<Self> {
        let mut table = Table::new();
        if let Some(name) = preset {
            let found = PRESETS.iter().find(|(other, _)| *other == name);
            let Some((_, text)) = found else {
                let names: Vec<_> = Self::presets().collect();
                return Err(Error::Config(format!(
                    "there is no preset `{name}`, expected one of {}",
                    names.join(", ")
                )));
            };
            layers::add(&mut table, text, &format!("preset {name}"))?;
        }
        if let Some(path) = file {
            let text = std::fs::read(path).and_then(text_file::decoded);
            let text = text.map_err(|error| Error::file(path, error))?;
            layers::add(&mut table, &text, &path.display().to_string())?;
        }
        for line in overrides {
            layers::add_override(&mut table, line)?;
        }
        // A section without a kind has the default kind.
        for (name, default) in layers::parse(&Self::default().to_toml()?, "the defaults")? {
            if let (Some(kind), Some(Value::Table(section))) = (default.get("kind"), table.get_mut(&name)) {
                section.entry("kind").or_insert_with(|| kind.clone());
            }
        }
        let source_name = match (overrides.is_empty(), file, preset) {
            (false, ..) => "configuration with --set".to_owned(),
            (_, Some(path), _) => path.display().to_string(),
            (_, _, name) => format!("preset {}", name.unwrap_or("")),
        };
        Ok(Self { overrides: overrides.to_vec(), ..Self::of_table(table, source_name)? })
    }

    /// The configuration in the metadata of a model file, of this or an earlier version.
    pub(crate) fn of_json(value: serde_json::Value) -> Result<Self> {
        let value = without_nulls(value);
        let mut table = Table::try_from(value).map_err(|error| Error::Config(error.to_string()))?;
        aliases::migrate(&mut table, None);
        Self::of_table(table, "the configuration in the file".into())
    }

    fn of_table(table: Table, source_name: String) -> Result<Self> {
        serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let at = error.path().to_string();
            Error::Parse { source_name, message: format!("{at}: {}", error.into_inner()) }
        })
    }

    /// The configuration as TOML; resolving it gives the same configuration.
    ///
    /// # Errors
    /// If a value cannot be written in TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::Config(format!("cannot be written as TOML: {error}")))
    }

    /// Adapts the configuration to a data set: turns off the settings that require attributes or captions if
    /// there are none, and writes out the defaults, so that a later version with other defaults can resume the run.
    ///
    /// # Errors
    /// If there are fewer than two training images, or if unusable files leave fewer images than a batch.
    pub fn settle(&mut self, splits: &Splits) -> Result<()> {
        if splits.report.bad.is_empty() {
            splits.require_two()?;
        }
        let blank = || (0..splits.train.len()).all(|index| splits.train.attributes(index).is_none());
        if self.loss.attributes.weight > 0.0 && blank() {
            tracing::warn!(
                "no training image has attributes: `loss.attributes.weight` and the settings that depend on it \
                 are set to 0; the preset face2text is made for such data"
            );
            self.loss.without_attributes();
        }
        if !splits.train.has_captions()
            && (self.loss.adversarial.matching_aware || self.loss.contrast.weight > 0.0)
        {
            tracing::warn!(
                "the images have no captions: the training is unconditional, `loss.adversarial.matching_aware` is \
                 set to false and `loss.contrast.weight` to 0"
            );
            self.loss.without_captions();
        }
        self.schedule = self.schedule.written_out();
        self.optimizer.text = Some(*self.optimizer.text());
        let schedule = Schedule::new(&self.schedule, self.gan.max_level(), splits.train.len())?;
        if !splits.report.bad.is_empty() {
            splits.require_batch(schedule.largest_batch())?;
        }
        Ok(())
    }

    /// Checks every range, and settings against each other.
    ///
    /// # Errors
    /// If a setting is out of range or contradicts another; the message names it, or both.
    pub fn check(&self) -> Result<()> {
        self.gan.check()?;
        self.text.check()?;
        self.loss.check()?;
        self.loader.check()?;
        self.augment.check()?;
        crate::device::check(&self.device)?;
        let schedule = Schedule::new(&self.schedule, self.gan.max_level(), 1)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            let value = format!("`{}`", self.name);
            return Err(SettingError::new("name", value, "letters, digits, `-`, `_` and `.`").into());
        }
        self.check_optimizers()?;
        self.check_output()?;
        self.check_sizes()?;
        if !(self.ema.ramp_up >= 0.0 && self.ema.ramp_up.is_finite()) {
            let expected = "a finite number, at least 0";
            return Err(SettingError::new("ema.ramp_up", self.ema.ramp_up, expected).into());
        }
        if schedule.smallest_batch() < 2 {
            let value = format!("{:?}", self.schedule.batch_sizes);
            let expected = "at least 2 images a step, for minibatch stddev and mismatched captions";
            return Err(SettingError::new("schedule.batch_sizes", value, expected).into());
        }
        Ok(())
    }

    /// Checks the settings of every optimiser.
    fn check_optimizers(&self) -> Result<()> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let fraction = |x: f64| (0.0..1.0).contains(&x);
        for (name, adam) in [
            ("generator", &self.optimizer.generator),
            ("text", self.optimizer.text()),
            ("discriminator", &self.optimizer.discriminator),
            ("classifier", &self.optimizer.classifier),
        ] {
            for (field, value, holds, expected) in [
                ("lr", adam.lr, positive(adam.lr), "above 0 and finite"),
                ("beta1", adam.beta1, fraction(adam.beta1), "at least 0 and below 1"),
                ("beta2", adam.beta2, fraction(adam.beta2), "at least 0 and below 1"),
                ("epsilon", adam.epsilon, positive(adam.epsilon), "above 0 and finite"),
            ] {
                if !holds {
                    return Err(
                        SettingError::new(format!("optimizer.{name}.{field}"), value, expected).into()
                    );
                }
            }
        }
        match self.optimizer.n_critic {
            0 => Err(SettingError::new("optimizer.n_critic", 0, "at least 1").into()),
            _ => Ok(()),
        }
    }

    /// Checks the periods and the counts of the output, and the half-life of the average.
    fn check_output(&self) -> Result<()> {
        let periods = [
            ("output.tick_kimg", self.output.tick_kimg),
            ("output.sample_kimg", self.output.sample_kimg),
            ("output.checkpoint_kimg", self.output.checkpoint_kimg),
            ("ema.half_life_kimg", self.ema.half_life_kimg),
        ];
        if let Some((key, value)) = periods.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            return Err(SettingError::new(*key, value, "above 0 and finite").into());
        }
        let counts = [
            ("output.keep_checkpoints", self.output.keep_checkpoints),
            ("output.samples", self.output.samples),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(SettingError::new(*key, 0, "at least 1").into()),
            None => Ok(()),
        }
    }

    /// Limits sizes, so that their sums and products do not overflow: larger ones are typing errors or
    /// damage.
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
            ("loss.contrast.size", self.loss.contrast.size, MOST),
            ("loss.attributes.classifier", most(&self.loss.attributes.classifier), MOST),
            ("loss.reconstruction.encoder", most(&self.loss.reconstruction.encoder), MOST),
            ("text.embedding_size", lstm.embedding_size, MOST),
            ("text.hidden_size", lstm.hidden_size, MOST),
            ("text.layers", lstm.layers, 64),
            ("text.max_length", lstm.max_length, MOST),
            ("schedule.batch_sizes", most(&self.schedule.batch_sizes), MOST),
        ];
        match sizes.iter().find(|(_, size, most)| size > most) {
            Some((key, size, most)) => Err(SettingError::new(*key, size, format!("at most {most}")).into()),
            None => Ok(()),
        }
    }
}

/// The value without the entries that are null: settings that are not set, which TOML leaves out.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(entries) => {
            let set = entries.into_iter().filter(|(_, value)| !value.is_null());
            set.map(|(key, value)| (key, without_nulls(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use super::*;

    fn set(line: &str) -> Result<Config> {
        Config::resolve(Some("quick"), None, &[line.to_owned()])
    }

    /// A section without a kind has the default kind.
    #[test]
    fn kinds_have_defaults() {
        let lines = ["data.seed=1", "text.layers=2", "loss.adversarial.lambda=5.0"].map(String::from);
        let config = Config::resolve(None, None, &lines).unwrap();
        let bare = Config::default();
        assert_eq!(discriminant(&config.data), discriminant(&bare.data));
        assert_eq!(discriminant(&config.text), discriminant(&bare.text));
        assert_eq!(config.loss.adversarial.kind, bare.loss.adversarial.kind);
        assert_ne!(config, bare);
    }

    #[test]
    fn every_preset_is_valid_and_round_trips() {
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
        let loss = set("loss.adversarial.kind=lsgan").unwrap().loss;
        assert_eq!(loss.adversarial, t2f_gan::AdversarialConfig::named("lsgan").unwrap());
    }

    #[test]
    fn errors_name_the_key_and_the_accepted_values() {
        for (line, needles) in [
            ("gan.latnt_size=3", ["gan", "latnt_size"]),
            ("seed=red", ["seed", "red"]),
            ("loss.adversarial.kind=wasserstein", ["loss", "wgan-gp"]),
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
    fn invalid_settings_are_refused_by_name() {
        for (line, needle) in [
            ("optimizer.generator.lr=0", "optimizer.generator.lr is 0, expected above 0"),
            ("output.samples=0", "output.samples is 0, expected at least 1"),
            ("schedule.batch_sizes=[1]", "schedule.batch_sizes is [1], expected at least 2"),
            ("gan.code_size=100000", "gan.code_size is 100000, expected 1 to gan.latent_size"),
            ("gan.resolution=48", "gan.resolution"),
            ("gan.channels=[8]", "gan.channels"),
            ("gan.stddev_group=0", "gan.stddev_group"),
            ("loss.adversarial.r1.gamma=-1", "loss.adversarial.r1.gamma"),
            ("name=a/b", "name is `a/b`, expected letters"),
            ("device=gpu", "gpu"),
            ("text.layers=0", "text.layers is 0, expected at least 1"),
            ("text.vocabulary_size=2", "text.vocabulary_size is 2, expected at least 3"),
            ("loss.contrast.temperature=0", "loss.contrast.temperature"),
            ("loss.contrast.size=100000", "loss.contrast.size is 100000, expected at most 65536"),
            ("loss.attributes.classifier=[0]", "loss.attributes.classifier"),
            ("loss.attributes.text_weight=0", "loss.attributes.text_weight"),
            ("loss.reconstruction.encoder=[8,8,8,8,8,8,8,8,8]", "loss.reconstruction.encoder"),
            ("loss.conditioning.kl_weight=nan", "loss.conditioning.kl_weight"),
            ("optimizer.classifier.epsilon=inf", "optimizer.classifier.epsilon is inf"),
            ("ema.ramp_up=inf", "ema.ramp_up is inf, expected a finite number"),
            ("schedule.batch_sizes=[100000]", "schedule.batch_sizes"),
            ("schedule.stable_kimg=[1e17]", "schedule.stable_kimg is [1e17], expected"),
        ] {
            let message = set(line).unwrap().check().unwrap_err().to_string();
            assert!(message.contains(needle), "{line}: {message}");
        }
    }
}
