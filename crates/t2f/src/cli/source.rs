//! The value of `--data`: `procedural`, `folder:PATH` or `lfw:IMAGES,CAPTIONS`.

use std::str::FromStr;

/// The accepted values of `--data`.
pub const ACCEPTED: &str = "expected procedural, folder:PATH or lfw:IMAGES,CAPTIONS";

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
        let path = |key, path: &str| (key, path.to_string());
        let paths = match (kind, rest.split_once(',')) {
            ("procedural", None) if rest.is_empty() => vec![],
            ("folder", _) if !rest.is_empty() => vec![path("path", rest)],
            ("lfw", Some((images, captions))) if !images.is_empty() && !captions.is_empty() => {
                vec![path("images", images), path("captions", captions)]
            }
            _ => return Err(ACCEPTED.into()),
        };
        Ok(Self { kind: kind.into(), paths })
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
            assert_eq!(text.parse::<Source>().unwrap_err(), ACCEPTED, "{text}");
        }
    }
}
