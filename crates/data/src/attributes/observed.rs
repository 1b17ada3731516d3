//! The attributes of one image.

use std::collections::BTreeMap;

use super::schema::{NOT_VISIBLE, Schema};
use crate::error::{Error, Result};

/// The state of one attribute of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Observation {
    /// The data set does not say. No loss and no metric uses it.
    #[default]
    Unknown,
    /// The image does not show it, such as the colour of eyes behind sunglasses. A class of its own
    /// for a classifier.
    Hidden,
    /// The position of the value in the schema.
    Value(u8),
}

/// One [`Observation`] for each attribute of a [`Schema`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attributes(Box<[Observation]>);

impl Attributes {
    /// Attributes in the order of the schema.
    pub fn new(observations: impl Into<Vec<Observation>>) -> Self {
        Self(observations.into().into_boxed_slice())
    }

    /// So many attributes, all unknown.
    pub fn unknown(len: usize) -> Self {
        Self(vec![Observation::Unknown; len].into())
    }

    /// Attributes by name. Names that are left out are unknown, `not-visible` is hidden.
    ///
    /// # Errors
    /// If a name or a value is not in the schema.
    pub fn from_names(schema: &Schema, names: &BTreeMap<String, String>) -> Result<Self> {
        let mut attributes = Self::unknown(schema.len());
        for (name, value) in names {
            let attribute = schema.require(name)?;
            attributes.0[attribute] = match value.as_str() {
                NOT_VISIBLE => Observation::Hidden,
                value => Observation::Value(schema.value_index(attribute, value)? as u8),
            };
        }
        Ok(attributes)
    }

    /// The names of the known attributes with the names of their values, `not-visible` where hidden.
    ///
    /// # Errors
    /// If a value is not in the schema.
    pub fn to_names(&self, schema: &Schema) -> Result<BTreeMap<String, String>> {
        let mut names = BTreeMap::new();
        for (at, observation) in self.0.iter().enumerate() {
            let value = match observation {
                Observation::Unknown => continue,
                Observation::Hidden => NOT_VISIBLE,
                Observation::Value(value) => {
                    let known =
                        schema.attributes().get(at).and_then(|known| known.values.get(usize::from(*value)));
                    known.ok_or_else(|| Error::Schema {
                        reason: format!("value {value} of attribute {at} of an image is not among its names"),
                    })?
                }
            };
            let known = schema.attributes().get(at).ok_or_else(|| Error::Schema {
                reason: format!("an image has {} attributes, expected {}", self.0.len(), schema.len()),
            })?;
            names.insert(known.name.clone(), value.to_owned());
        }
        Ok(names)
    }

    /// The number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The state of an attribute; unknown beyond the end.
    pub fn get(&self, attribute: usize) -> Observation {
        self.0.get(attribute).copied().unwrap_or_default()
    }

    /// The position of an attribute's value, or `None` where it is unknown or hidden.
    pub fn value(&self, attribute: usize) -> Option<usize> {
        match self.get(attribute) {
            Observation::Value(value) => Some(usize::from(value)),
            _ => None,
        }
    }

    /// The states, in the order of the schema.
    pub fn iter(&self) -> impl Iterator<Item = Observation> {
        self.0.iter().copied()
    }

    /// The same attributes with another state of one of them; unchanged beyond the end.
    #[must_use]
    pub fn with(mut self, attribute: usize, observation: Observation) -> Self {
        if let Some(place) = self.0.get_mut(attribute) {
            *place = observation;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Attribute;
    use super::*;

    #[test]
    fn attributes_survive_names_and_keep_their_three_states() {
        let schema = Schema::new(vec![
            Attribute::new("a", ["x", "y"]),
            Attribute::new("b", ["x"]),
            Attribute::new("c", ["z"]),
        ])
        .unwrap();
        let face = Attributes::new([Observation::Value(1), Observation::Hidden, Observation::Unknown]);
        let names = face.to_names(&schema).unwrap();
        assert_eq!(names, BTreeMap::from([("a".into(), "y".into()), ("b".into(), "not-visible".into())]));
        assert_eq!(Attributes::from_names(&schema, &names).unwrap(), face);
        assert_eq!(
            (face.value(0), face.value(1), face.value(2), face.get(9)),
            (Some(1), None, None, Observation::Unknown)
        );
        let wrong = |name: &str, value: &str| {
            Attributes::from_names(&schema, &BTreeMap::from([(name.into(), value.into())]))
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("d", "x").contains("unknown attribute `d`: expected one of a, b, c"));
        assert!(wrong("a", "z").contains("unknown value of a `z`: expected one of x, y"));
        assert!(Attributes::new([Observation::Value(2)]).to_names(&schema).is_err());
    }
}
