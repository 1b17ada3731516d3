//! The names of a data set's attributes and of their values.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// The word for a hidden attribute in files, which is no value of any attribute.
pub const NOT_VISIBLE: &str = "not-visible";

/// The largest number of values of one attribute.
pub const MOST_VALUES: usize = 255;

/// An attribute and its values, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// The name, such as `hair-colour`.
    pub name: String,
    /// The names of the values, such as `black` and `brown`.
    pub values: Vec<String>,
}

impl Attribute {
    /// An attribute with these values.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }
}

/// The attributes that a data set knows of its images; empty where it knows none.
///
/// A clone shares the names. In files: a list of `{"name": …, "values": […]}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schema(Arc<[Attribute]>);

static EMPTY: LazyLock<Schema> = LazyLock::new(|| Schema(Arc::new([])));

impl Schema {
    /// A schema of these attributes.
    ///
    /// # Errors
    /// If a name or a value is empty or occurs twice, if an attribute has no value or more than
    /// [`MOST_VALUES`], or if a value is called `not-visible`, which means a hidden attribute.
    pub fn new(attributes: Vec<Attribute>) -> Result<Self> {
        let wrong = |reason: String| Err(Error::Schema { reason });
        let mut names = HashSet::new();
        for Attribute { name, values } in &attributes {
            if name.trim().is_empty() {
                return wrong("an attribute has an empty name".into());
            }
            if !names.insert(name) {
                return wrong(format!("two attributes are called `{name}`"));
            }
            if values.is_empty() || values.len() > MOST_VALUES {
                return wrong(format!("`{name}` has {} values, expected 1 to {MOST_VALUES}", values.len()));
            }
            let mut seen = HashSet::new();
            for value in values {
                if value.trim().is_empty() || value == NOT_VISIBLE {
                    return wrong(format!("a value of `{name}` is `{value}`, expected another word"));
                }
                if !seen.insert(value) {
                    return wrong(format!("two values of `{name}` are called `{value}`"));
                }
            }
        }
        Ok(Self(attributes.into()))
    }

    /// The schema of a data set that knows no attributes.
    pub fn empty() -> &'static Self {
        &EMPTY
    }

    /// The number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes, in order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.0
    }

    /// The names of the attributes, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|attribute| attribute.name.as_str())
    }

    /// The number of values of each attribute, in order.
    pub fn sizes(&self) -> Vec<usize> {
        self.0.iter().map(|attribute| attribute.values.len()).collect()
    }

    /// The name of an attribute.
    ///
    /// # Panics
    /// If there is no attribute at this position.
    pub fn name(&self, attribute: usize) -> &str {
        &self.0[attribute].name
    }

    /// The names of an attribute's values.
    ///
    /// # Panics
    /// If there is no attribute at this position.
    pub fn values(&self, attribute: usize) -> &[String] {
        &self.0[attribute].values
    }

    /// The position of an attribute, or `None` if there is none of this name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|attribute| attribute.name == name)
    }

    /// The position of an attribute.
    ///
    /// # Errors
    /// If there is none of this name; the error lists the names.
    pub fn require(&self, name: &str) -> Result<usize> {
        self.index(name).ok_or_else(|| Error::UnknownName {
            what: "attribute".into(),
            name: name.into(),
            expected: self.names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The position of a value of an attribute.
    ///
    /// # Errors
    /// If there is no attribute at this position, or it has no value of this name; the error lists
    /// the names.
    pub fn value_index(&self, attribute: usize, value: &str) -> Result<usize> {
        let known = self.0.get(attribute).ok_or_else(|| Error::UnknownName {
            what: "attribute".into(),
            name: attribute.to_string(),
            expected: self.names().collect::<Vec<_>>().join(", "),
        })?;
        known.values.iter().position(|name| name == value).ok_or_else(|| Error::UnknownName {
            what: format!("value of {}", known.name),
            name: value.into(),
            expected: known.values.join(", "),
        })
    }
}

impl Default for Schema {
    fn default() -> Self {
        EMPTY.clone()
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_survives_json_and_refuses_names_that_are_not_unique() {
        let json = r#"[{"name":"hair","values":["black","red"]},{"name":"hat","values":["false","true"]}]"#;
        let schema: Schema = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&schema).unwrap(), json);
        assert_eq!((schema.sizes(), schema.index("hat"), schema.index("cap")), (vec![2, 2], Some(1), None));
        assert_eq!(schema.value_index(0, "red").unwrap(), 1);
        let message = schema.value_index(0, "blue").unwrap_err().to_string();
        assert_eq!(message, "unknown value of hair `blue`: expected one of black, red");
        let wrong = |attributes: Vec<Attribute>| Schema::new(attributes).unwrap_err().to_string();
        assert!(
            wrong(vec![Attribute::new("a", ["x"]), Attribute::new("a", ["y"])]).contains("two attributes")
        );
        assert!(wrong(vec![Attribute::new(" ", ["x"])]).contains("empty name"));
        assert!(wrong(vec![Attribute::new("a", ["x", "x"])]).contains("two values of `a`"));
        assert!(wrong(vec![Attribute::new("a", ["not-visible"])]).contains("not-visible"));
        assert!(wrong(vec![Attribute::new("a", [""; 0])]).contains("0 values"));
        let many: Vec<String> = (0..256).map(|i| i.to_string()).collect();
        assert!(wrong(vec![Attribute::new("a", many.clone())]).contains("256 values"));
        assert!(Schema::new(vec![Attribute::new("a", many[1..].to_vec())]).is_ok());
    }
}
