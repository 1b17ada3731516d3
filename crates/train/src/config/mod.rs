//! The configuration of a run: a preset, a file and overrides, in this order, and their checks.

mod aliases;
mod changes;
mod checks;
mod forms;
mod keys;
mod layers;
mod names;
mod origin;
mod paths;
mod precision;
mod sections;
mod slips;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use t2f_data::{DataConfig, LoaderConfig, Splits};
use t2f_gan::{AugmentConfig, GanConfig, LossConfig, Overfitting};
use t2f_text::TextConfig;
use toml::{Table, Value};

use crate::ema::EmaConfig;
use crate::error::{Error, Result};
use crate::schedule::{Schedule, ScheduleConfig};

use keys::Keys;
use layers::Layers;

pub use changes::Change;
pub(crate) use changes::refusal;
pub use names::ComponentNames;
pub use origin::Origin;
pub use precision::Precision;
pub use sections::{OptimizerConfig, OutputConfig};

/// The built-in presets, by name.
const PRESETS: [(&str, &str); 9] = [
    ("quick", include_str!("../../presets/quick.toml")),
    ("faces-64", include_str!("../../presets/faces-64.toml")),
    ("faces-128", include_str!("../../presets/faces-128.toml")),
    ("photos-64", include_str!("../../presets/photos-64.toml")),
    ("celeba-64", include_str!("../../presets/celeba-64.toml")),
    ("celeba-128", include_str!("../../presets/celeba-128.toml")),
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
    /// The element type of feature maps: `fp32`, `bf16` or `auto`; default `fp32`.
    pub precision: Precision,
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
    /// The trained weights that the run started from; written by a run, not by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
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
            precision: Precision::default(),
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
            origin: None,
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

    /// The same configuration for a training on several processes: without `schedule.micro_batches`, as many
    /// micro-batches as processes.
    ///
    /// # Errors
    /// If the micro-batches do not divide a batch, or the processes do not share them out equally.
    pub fn for_processes(mut self, processes: usize) -> Result<Self> {
        if processes > 1 {
            self.schedule.micro_batches.get_or_insert(processes);
            Schedule::new(&self.schedule, self.gan.max_level(), 1)?.micro_batches_of(processes)?;
        }
        Ok(self)
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
    /// A table with another `kind` replaces the earlier one instead of being merged. `~` at the beginning of
    /// a path of the data set is the home folder.
    ///
    /// # Errors
    /// If a preset is unknown, a file cannot be read, or a key or value is invalid; the message has the place,
    /// the key, the value and the accepted form.
    pub fn resolve(preset: Option<&str>, file: Option<&Path>, overrides: &[String]) -> Result<Self> {
        let layers = Self::layers(preset, file, overrides)?;
        let name = match (overrides.is_empty(), file, preset) {
            (false, ..) => "configuration with --set".to_owned(),
            (_, Some(path), _) => path.display().to_string(),
            (_, _, name) => format!("preset {}", name.unwrap_or("")),
        };
        Ok(Self { overrides: overrides.to_vec(), ..Self::of_layers(layers, name)? })
    }

    /// This configuration with `key.path=value` overrides.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_over(&self, overrides: &[String]) -> Result<Self> {
        let mut layers = Layers::default();
        layers.add(&self.to_toml()?, "the configuration of the run")?;
        overrides.iter().try_for_each(|line| layers.add_override(line))?;
        Ok(Self {
            overrides: self.overrides.clone(),
            ..Self::of_layers(layers, "configuration with --set".into())?
        })
    }

    /// The place of a setting in the arguments of [`resolve`](Self::resolve): `my.toml, line 3`,
    /// `--set seed=1` or `preset quick`; none if it has its default.
    ///
    /// # Errors
    /// If a preset is unknown, or a file cannot be read.
    pub fn place(
        preset: Option<&str>,
        file: Option<&Path>,
        overrides: &[String],
        key: &str,
    ) -> Result<Option<String>> {
        Ok(Self::layers(preset, file, overrides)?.place(key).map(|place| place.name))
    }

    fn layers(preset: Option<&str>, file: Option<&Path>, overrides: &[String]) -> Result<Layers> {
        let mut layers = Layers::default();
        if let Some(name) = preset {
            let found = PRESETS.iter().find(|(other, _)| *other == name);
            let Some((_, text)) = found else {
                let names: Vec<_> = Self::presets().map(String::from).collect();
                let near = slips::nearest(name, &names, 0.5).map(|near| format!("; the nearest is {near}"));
                return Err(Error::Config(format!(
                    "there is no preset `{name}`, expected one of {}{}",
                    names.join(", "),
                    near.unwrap_or_default()
                )));
            };
            layers.add(text, &format!("preset {name}"))?;
        }
        if let Some(path) = file {
            layers.add(&layers::read(path)?, &path.display().to_string())?;
        }
        overrides.iter().try_for_each(|line| layers.add_override(line))?;
        Ok(layers)
    }

    /// The configuration of merged layers. An override of a text may be written without quotes, also if it
    /// looks like a number.
    fn of_layers(layers: Layers, name: String) -> Result<Self> {
        let mut table = layers.table.clone();
        // A section without a kind has the default kind.
        for (name, default) in layers::parse(&Self::default().to_toml()?, "the defaults")? {
            if let (Some(kind), Some(Value::Table(section))) = (default.get("kind"), table.get_mut(&name)) {
                section.entry("kind").or_insert_with(|| kind.clone());
            }
        }
        loop {
            let mut expanded = table.clone();
            paths::expand_home(&mut expanded)?;
            let error = match Self::of_table(expanded, name.clone()) {
                Ok(config) => return Ok(config),
                Err(error) => error,
            };
            let keys = Keys::of(&table, trial);
            let Some(slip) = slips::find(&table, &keys) else { return Err(error) };
            let place = layers.place(&slip.key);
            let written = place.as_ref().and_then(|place| place.value.clone()).map(Value::String);
            let text = written.filter(|text| slip.value.as_ref().is_some_and(|value| value != text));
            match text.filter(|text| keys.accepts(&slip.key, text.clone())) {
                Some(text) => keys::put(&mut table, &slip.key, text),
                None => {
                    let old_key = place.as_ref().and_then(|place| place.old_key.clone());
                    let key =
                        old_key.map_or_else(|| slip.key.clone(), |old| format!("{old} (now {})", slip.key));
                    let source_name = place.map_or(name, |place| place.name);
                    return Err(Error::Parse { source_name, message: format!("{key} {}", slip.fault) });
                }
            }
        }
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
            Error::Parse { source_name, message: format!("{at}: {}", error.into_inner().message()) }
        })
    }

    /// The same configuration with absolute paths, for the record; relative ones are relative
    /// to the working folder.
    ///
    /// # Errors
    /// If the working folder is not known.
    pub fn with_absolute_paths(mut self) -> Result<Self> {
        self.data = paths::absolute(&self.data)?;
        let mut others: Vec<(&str, &mut PathBuf)> = Vec::new();
        others.extend(self.output.oracle.as_mut().map(|path| ("output.oracle", path)));
        if let TextConfig::Sentence(sentence) = &mut self.text {
            others.push(("text.path", &mut sentence.path));
            others.extend(sentence.cache.as_mut().map(|path| ("text.cache", path)));
        }
        for (key, path) in others {
            *path = std::path::absolute(&*path)
                .map_err(|error| Error::Config(format!("{key} is {}: {error}", path.display())))?;
        }
        Ok(self)
    }

    /// The settings that differ from an earlier configuration, in the order of keys, without the device.
    ///
    /// # Errors
    /// If a value cannot be written in TOML.
    pub fn changes_since(&self, earlier: &Self) -> Result<Vec<Change>> {
        let table = |config: &Self| {
            let mut config = config.clone();
            config.write_out();
            layers::parse(&config.to_toml()?, "the configuration")
        };
        Ok(changes::between(&table(earlier)?, &table(self)?))
    }

    /// The settings that differ from those of a run. Networks, text encoder, seed and name cannot change in a
    /// run.
    ///
    /// # Errors
    /// If one of these differs; the message names each with its value in the run.
    pub fn changes_in_run(&self, recorded: &Self) -> Result<Vec<Change>> {
        let changes = self.changes_since(recorded)?;
        let refused: Vec<Change> = changes.iter().filter(|change| change.is_refused()).cloned().collect();
        if refused.is_empty() { Ok(changes) } else { Err(Error::Fixed(refused)) }
    }

    /// The configuration as TOML; resolving it gives the same configuration.
    ///
    /// # Errors
    /// If a value cannot be written in TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::Config(format!("cannot be written as TOML: {error}")))
    }

    /// Sets the defaults that depend on other settings.
    fn write_out(&mut self) {
        self.schedule = self.schedule.written_out();
        self.optimizer.text = Some(*self.optimizer.text());
    }

    /// Opens the data set for images of a resolution, with `loader.train_images` of its training images.
    ///
    /// # Errors
    /// If the data cannot be opened.
    pub fn open_data(&self, resolution: usize) -> Result<Splits> {
        self.limited(self.data.open(resolution)?)
    }

    /// The parts with `loader.train_images` of the training images.
    pub(crate) fn limited(&self, splits: Splits) -> Result<Splits> {
        Ok(match self.loader.train_images {
            Some(images) => splits.with_train_images(images)?,
            None => splits,
        })
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
                 are set to 0; the preset photos-64 is made for such data"
            );
            self.loss.without_attributes();
        }
        if !splits.train.has_captions()
            && (self.loss.adversarial.matching_aware || self.loss.contrast.size > 0)
        {
            tracing::warn!(
                "the images have no captions: the training is unconditional, `loss.adversarial.matching_aware` is \
                 set to false and `loss.contrast.size` to 0"
            );
            self.loss.without_captions();
        }
        if self.augment.adaptive_by(Overfitting::HeldOut).is_some() && splits.val.len() < 2 {
            tracing::warn!(
                "`augment.adaptive.measure=held-out` requires two validation images, and there are fewer: \
                 `augment.adaptive` is removed, and the augmentation probability stays at {}",
                self.augment.probability
            );
            self.augment.adaptive = None;
        }
        self.schedule = self.schedule.for_images(splits.train.len());
        self.write_out();
        let schedule = Schedule::new(&self.schedule, self.gan.max_level(), splits.train.len())?;
        if !splits.report.bad.is_empty() {
            splits.require_batch(schedule.largest_batch())?;
        }
        Ok(())
    }
}

/// Resolves a table for a trial of its keys.
fn trial(table: Table) -> std::result::Result<Table, String> {
    let config = Config::deserialize(Value::Table(table)).map_err(|error| error.message().to_owned())?;
    Table::try_from(&config).map_err(|error| error.to_string())
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
    fn values_that_change_over_a_run_are_tables_or_numbers() {
        let config = set("optimizer.generator.lr={from=2e-4,to=5e-5}").unwrap();
        let lr = config.optimizer.generator.lr;
        assert_eq!((lr.from, lr.to, lr.at(0.5)), (2e-4, 5e-5, 1.25e-4));
        assert_eq!(Config::resolve(None, None, &[]).unwrap().resolve_over(&[]).unwrap(), Config::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, config.to_toml().unwrap()).unwrap();
        assert_eq!(Config::from_file(&path).unwrap().optimizer, config.optimizer);
        for (line, needle) in [
            ("ema.half_life_kimg={from=1,to=0}", "ema.half_life_kimg is 0, expected above 0"),
            ("ema.half_life_kimg=soon", "ema.half_life_kimg is `soon`, expected a number"),
            ("loss.adversarial.r2.gamma={from=1}", "is a table, expected a number or { from = …, to = …"),
            (
                "optimizer.generator.lr={from=1e-3,to=-1}",
                "optimizer.generator.lr is 0.001 to -1, expected above 0",
            ),
            ("augment.probability={from=0,to=1.5}", "augment.probability is 0 to 1.5, expected 0 to 1"),
        ] {
            let message = set(line).and_then(|config| config.check()).unwrap_err().to_string();
            assert!(message.contains(needle), "{line}: {message}");
        }
    }

    #[test]
    fn overrides_win_and_take_any_type() {
        assert_eq!(set("seed=7").unwrap().seed, 7);
        assert_eq!(set("device=cpu").unwrap().device, "cpu");
        assert_eq!(set("optimizer.generator.lr = 5e-4").unwrap().optimizer.generator.lr, 5e-4.into());
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
            ("verbosity=1", ["verbosity", "schedule"]),
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
