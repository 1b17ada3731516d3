//! Declarations of experiments: `experiment.toml` in a folder named `NN-name`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use t2f_train::config::Config;

use crate::measure::Measures;

/// An experiment: its folder and its declaration.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The folder.
    pub folder: PathBuf,
    /// The folder's name without its number.
    pub name: String,
    /// The contents of `experiment.toml`.
    pub declaration: Declaration,
}

/// `experiment.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// A heading.
    pub title: String,
    /// The question that the runs answer.
    pub question: String,
    /// The configuration that the runs share.
    #[serde(flatten)]
    pub base: Base,
    /// The runs, in the order of training and of the table.
    #[serde(rename = "run")]
    pub runs: Vec<RunDeclaration>,
    /// The measurements of each run.
    #[serde(default)]
    pub measure: Measures,
    /// Keys of the figures in the table, in order.
    pub table: Vec<String>,
    /// Whether the loss curves of all runs are plotted together.
    #[serde(default)]
    pub plot: bool,
    /// Settings of the short form, in addition to those of `smoke.toml`.
    #[serde(default)]
    pub smoke: Vec<String>,
}

/// The base configuration of a run: a file, a preset, or a file over a preset.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Base {
    /// A configuration file, relative to the experiment's folder.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// A preset.
    #[serde(default)]
    pub preset: Option<String>,
}

impl Base {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A `[[run]]` of `experiment.toml`; several seeds declare several runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDeclaration {
    /// The name: letters, digits, `-` and `_`.
    pub name: String,
    /// The title of the column or row in the table; default: the name.
    #[serde(default)]
    pub title: Option<String>,
    /// The base configuration, if it is not that of the experiment.
    #[serde(flatten)]
    pub base: Base,
    /// Settings, in the form of `--set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Seeds; the run of the first has the declared name, the names of the others end in `-seedN`. Default: the
    /// seed of the configuration.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Settings of the short form, after the other settings.
    #[serde(default)]
    pub smoke: Vec<String>,
}

/// A run to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The name, unique in the experiment.
    pub name: String,
    /// The title of the column or row in the table.
    pub title: String,
    /// The resolved configuration.
    pub config: Config,
}

impl Experiment {
    /// Reads the declaration in a folder.
    ///
    /// # Errors
    /// If the folder's name is not `NN-name`, or `experiment.toml` cannot be read or is inconsistent.
    pub fn read(folder: &Path) -> Result<Self> {
        let name = numbered(folder).with_context(|| format!("{} is not NN-name", folder.display()))?;
        let path = folder.join("experiment.toml");
        let text = read_text(&path)?;
        let declaration = parse(&text).with_context(|| format!("in {}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), name, declaration })
    }

    /// Every experiment under a folder, in order of their numbers.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
        let folders = entries.flatten().map(|entry| entry.path());
        let mut folders: Vec<PathBuf> =
            folders.filter(|folder| folder.join("experiment.toml").is_file()).collect();
        folders.sort();
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    /// The experiment of a name, with or without its number.
    ///
    /// # Errors
    /// If there is none; the message lists the names.
    pub fn find(root: &Path, name: &str) -> Result<Self> {
        let all = Self::all(root)?;
        let names: Vec<String> = all.iter().map(|experiment| experiment.name.clone()).collect();
        let found = all.into_iter().find(|one| one.name == name || one.folder.ends_with(name));
        found
            .with_context(|| format!("there is no experiment `{name}`, expected one of {}", names.join(", ")))
    }

    /// The runs with their configurations. `smoke` are the settings of the short form of every experiment;
    /// `overrides` are the settings of the user, which win.
    ///
    /// # Errors
    /// If a configuration cannot be read or a setting is invalid.
    pub fn runs(&self, smoke: Option<&[String]>, overrides: &[String]) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for run in &self.declaration.runs {
            for (name, seed) in run.instances() {
                let mut lines: Vec<String> = Vec::new();
                if let Some(common) = smoke {
                    lines.extend(common.iter().chain(&self.declaration.smoke).cloned());
                }
                lines.push(format!("name={}-{name}", self.name));
                lines.extend(run.set.iter().cloned());
                lines.extend(seed.map(|seed| format!("seed={seed}")));
                if smoke.is_some() {
                    lines.extend(run.smoke.iter().cloned());
                }
                lines.extend(overrides.iter().cloned());
                let base = if run.base.is_empty() { &self.declaration.base } else { &run.base };
                let file = base.config.as_ref().map(|file| self.folder.join(file));
                let config = Config::resolve(base.preset.as_deref(), file.as_deref(), &lines)
                    .with_context(|| format!("run `{name}` of experiment `{}`", self.name))?;
                let title = match (&run.title, seed) {
                    (Some(title), Some(seed)) if run.seeds.len() > 1 => format!("{title}, seed {seed}"),
                    (Some(title), _) => title.clone(),
                    (None, _) => name.clone(),
                };
                runs.push(Run { name, title, config });
            }
        }
        Ok(runs)
    }
}

impl RunDeclaration {
    /// The names of the runs, and their seeds if declared.
    pub fn instances(&self) -> Vec<(String, Option<u64>)> {
        let named = |(place, &seed): (usize, &u64)| match place {
            0 => (self.name.clone(), Some(seed)),
            _ => (format!("{}-seed{seed}", self.name), Some(seed)),
        };
        match self.seeds.is_empty() {
            true => vec![(self.name.clone(), None)],
            false => self.seeds.iter().enumerate().map(named).collect(),
        }
    }
}

/// Titles and digits of figures, `figures.toml`, by key.
pub type Figures = BTreeMap<String, FigureTitle>;

/// The format of a figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FigureTitle {
    /// The title of its row or column.
    pub title: String,
    /// Decimal places.
    pub digits: usize,
}

/// Reads `figures.toml` in the folder of the experiments.
///
/// # Errors
/// If it cannot be read.
pub fn figure_titles(root: &Path) -> Result<Figures> {
    read_toml(&root.join("figures.toml"))
}

/// Reads `smoke.toml` in the folder of the experiments: the settings of the short form.
///
/// # Errors
/// If it cannot be read.
pub fn smoke_settings(root: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Smoke {
        set: Vec<String>,
    }
    Ok(read_toml::<Smoke>(&root.join("smoke.toml"))?.set)
}

/// Parses a declaration and checks that it is consistent.
fn parse(text: &str) -> Result<Declaration> {
    let declaration: Declaration = toml::from_str(text)?;
    ensure!(!declaration.runs.is_empty(), "there is no [[run]]");
    ensure!(!declaration.table.is_empty(), "`table` is empty");
    let mut names = BTreeSet::new();
    for run in &declaration.runs {
        if run.base.is_empty() && declaration.base.is_empty() {
            bail!("run `{}` has neither `config` nor `preset`", run.name);
        }
        for (name, _) in run.instances() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            ensure!(
                !name.is_empty() && name.chars().all(plain),
                "the name of a run is `{name}`, expected letters, digits, - and _"
            );
            ensure!(names.insert(name.clone()), "two runs are named `{name}`");
        }
    }
    Ok(declaration)
}

/// The name of a folder `NN-name`.
fn numbered(folder: &Path) -> Option<String> {
    let (number, name) = folder.file_name()?.to_str()?.split_once('-')?;
    number.parse::<u32>().ok()?;
    Some(name.to_owned())
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    toml::from_str(&read_text(path)?).with_context(|| format!("in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARATION: &str = "title = 'T'\nquestion = 'Q'\npreset = 'quick'\ntable = ['aan']\n";

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn every_experiment_is_found_with_and_without_its_number() {
        let all = Experiment::all(root()).unwrap();
        assert!(all.len() >= 10, "{}", all.len());
        for experiment in all {
            let folder = experiment.folder.file_name().unwrap().to_str().unwrap();
            assert_eq!(Experiment::find(root(), folder).unwrap().folder, experiment.folder);
            assert_eq!(Experiment::find(root(), &experiment.name).unwrap().folder, experiment.folder);
        }
        let message = Experiment::find(root(), "no-such").unwrap_err().to_string();
        assert!(message.contains("no-such") && message.contains("overfit-8"), "{message}");
    }

    #[test]
    fn configurations_of_every_experiment_are_valid_in_both_forms() {
        let smoke = smoke_settings(root()).unwrap();
        for experiment in Experiment::all(root()).unwrap() {
            for smoke in [None, Some(smoke.as_slice())] {
                let runs = experiment.runs(smoke, &[]).unwrap();
                for (i, run) in runs.iter().enumerate() {
                    run.config
                        .check()
                        .unwrap_or_else(|error| panic!("{} {}: {error}", experiment.name, run.name));
                    let mut others = runs[..i].iter().map(|other| &other.config);
                    assert!(others.all(|other| *other != run.config), "{}: {}", experiment.name, run.name);
                }
            }
        }
    }

    #[test]
    fn settings_win_over_the_base_and_the_user_over_settings() {
        let text = format!("{DECLARATION}[[run]]\nname = 'a'\nset = ['gan.code_size=4']\nseeds = [0, 3]\n");
        let declaration = parse(&text).unwrap();
        let experiment = Experiment { folder: root().to_owned(), name: "e".into(), declaration };
        let runs = experiment.runs(None, &["output.samples=3".into()]).unwrap();
        let found: Vec<_> = runs.iter().map(|run| (run.name.as_str(), run.config.seed)).collect();
        assert_eq!(found, [("a", 0), ("a-seed3", 3)]);
        assert!(runs.iter().all(|run| run.config.gan.code_size == 4 && run.config.output.samples == 3));
        assert_eq!(runs[1].config.name, "e-a-seed3");
    }

    #[test]
    fn invalid_declarations_are_refused_with_their_fault() {
        for (rest, fault) in [
            ("", "run"),
            ("[[run]]\nname = 'a b'\n", "a b"),
            ("[[run]]\nname = 'a'\n[[run]]\nname = 'a'\n", "two runs"),
            ("[[run]]\nname = 'a'\nsteps = 3\n", "steps"),
            ("sizes = 3\n[[run]]\nname = 'a'\n", "sizes"),
            ("[[run]]\nname = 'a'\n[measure.height]\n", "height"),
        ] {
            let message = format!("{:#}", parse(&format!("{DECLARATION}{rest}")).unwrap_err());
            assert!(message.contains(fault), "{rest}: {message}");
        }
        let no_base = DECLARATION.replace("preset = 'quick'\n", "") + "[[run]]\nname = 'a'\n";
        assert!(parse(&no_base).unwrap_err().to_string().contains("neither"));
    }
}
