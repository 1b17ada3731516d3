//! Which dataset a command means: `--data KIND` or `--data KIND:FOLDER`.

use std::str::FromStr;

use t2f_data::DataConfig;

/// A `[data]` section in one argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    kind: String,
    root: Option<String>,
}

impl Source {
    /// The section, its other settings at their defaults.
    pub fn config(&self) -> Result<DataConfig, toml::de::Error> {
        let mut table = toml::Table::from_iter([("kind".to_string(), self.kind.clone().into())]);
        if let Some(root) = &self.root {
            table.insert("root".to_string(), root.clone().into());
        }
        table.try_into()
    }

    /// The same as overrides of a configuration, whose other settings stay where the kind does.
    pub fn overrides(&self) -> Vec<String> {
        let kind = format!("data.kind={}", toml::Value::from(self.kind.clone()));
        let root = self.root.iter().map(|root| format!("data.root={}", toml::Value::from(root.clone())));
        std::iter::once(kind).chain(root).collect()
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let source = match text.split_once(':') {
            Some((kind, root)) => Self { kind: kind.into(), root: Some(root.into()) },
            None => Self { kind: text.into(), root: None },
        };
        source
            .config()
            .map(|_| source)
            .map_err(|error| format!("{}; KIND or KIND:FOLDER, such as `procedural`", error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_enough_for_drawn_faces_and_unknown_kinds_list_the_known_ones() {
        let source: Source = "procedural".parse().unwrap();
        assert_eq!(source.config().unwrap(), DataConfig::default());
        assert_eq!(source.overrides(), ["data.kind=\"procedural\""]);
        let message = "imagenet".parse::<Source>().unwrap_err();
        assert!(message.contains("imagenet") && message.contains("procedural"), "{message}");
    }
}
