//! The value of `--data`: `procedural`, `folder:PATH` or `lfw:IMAGES,CAPTIONS`.

use std::str::FromStr;

use t2f_data::{DataConfig, SOURCES};

/// A data set in one argument: its kind and its required paths.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    kind: String,
    paths: Vec<(&'static str, String)>,
}

impl Source {
    /// The overrides of a configuration. Other settings of `[data]` are kept if the kind is the same.
    pub fn overrides(&self) -> Vec<String> {
        let line = |key: &str, value: &str| format!("data.{key}={}", toml::Value::from(value));
        let paths = self.paths.iter().map(|(key, path)| line(key, path));
        std::iter::once(line("kind", &self.kind)).chain(paths).collect()
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (kind, keys) = *SOURCES.iter().find(|(name, _)| *name == kind).ok_or_else(accepted)?;
        let values: Vec<&str> = match keys {
            [] => rest.split_terminator(',').collect(),
            keys => rest.splitn(keys.len(), ',').collect(),
        };
        if values.len() != keys.len() || values.contains(&"") || (keys.is_empty() && text != kind) {
            return Err(accepted());
        }
        let paths = keys.iter().zip(values).map(|(key, value)| (*key, value.to_owned()));
        Ok(Self { kind: kind.into(), paths: paths.collect() })
    }
}

/// The accepted values of `--data`: `expected procedural, folder:PATH or lfw:IMAGES,CAPTIONS`.
pub fn accepted() -> String {
    format!("expected {}", forms())
}

/// The help of `--data`.
pub fn help() -> String {
    format!("The data set: {}", forms())
}

/// The form of each kind, in a sentence.
fn forms() -> String {
    let forms: Vec<String> = SOURCES.iter().map(|(kind, keys)| written(kind, keys)).collect();
    let (last, others) = forms.split_last().expect("there are kinds of data set");
    format!("{} or {last}", others.join(", "))
}

/// The form of the kind of a configuration if `key`, such as `data.path`, is one of its paths.
pub fn form(data: &DataConfig, key: &str) -> Option<String> {
    let table = toml::Table::try_from(data).ok()?;
    let (kind, keys) =
        SOURCES.iter().find(|(kind, _)| table.get("kind").and_then(|of| of.as_str()) == Some(kind))?;
    let of_kind = key.strip_prefix("data.").is_some_and(|key| keys.contains(&key));
    of_kind.then(|| written(kind, keys))
}

/// `folder:PATH`.
fn written(kind: &str, keys: &[&str]) -> String {
    match keys {
        [] => kind.to_owned(),
        keys => format!("{kind}:{}", keys.join(",").to_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use t2f_train::config::Config;

    use super::*;

    #[test]
    fn every_kind_of_source_is_a_valid_configuration() {
        for text in ["procedural", "folder:my faces, old", "lfw:/data/lfw,/data/face2text/clean.json"] {
            let source: Source = text.parse().unwrap();
            let config = Config::resolve(Some("quick"), None, &source.overrides()).unwrap();
            let toml = config.to_toml().unwrap();
            assert!(source.paths.iter().all(|(_, path)| toml.contains(path)), "{toml}");
        }
    }

    #[test]
    fn the_error_of_another_source_lists_the_accepted_ones() {
        for text in ["", "imagenet", "procedural:x", "folder", "folder:", "lfw", "lfw:images", "lfw:,x"] {
            let error = text.parse::<Source>().unwrap_err();
            for form in ["expected procedural, ", "folder:PATH", "lfw:IMAGES,CAPTIONS"] {
                assert!(error.contains(form), "{text}: {error}");
            }
        }
    }
}
