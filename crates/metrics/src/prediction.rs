//! The attributes that a classifier finds in an image, and those that are scored.

use t2f_data::attributes::{Attributes, Claim, Observation, Schema};

use crate::error::{Error, Result};

/// The attributes of one image as a classifier finds them: a value or hidden for each attribute of the
/// schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction(Attributes);

impl Prediction {
    /// From classes, where class 0 is hidden and class `v + 1` is value `v`.
    pub fn of_classes(classes: &[u32]) -> Self {
        let observation = |class: &u32| {
            class.checked_sub(1).map_or(Observation::Hidden, |value| Observation::Value(value as u8))
        };
        Self(Attributes::new(classes.iter().map(observation).collect::<Vec<_>>()))
    }

    /// The position of an attribute's value, or `None` where it is hidden or unknown.
    pub fn value(&self, attribute: usize) -> Option<usize> {
        self.0.value(attribute)
    }

    /// The class of an attribute: 0 where it is hidden, `v + 1` for value `v`, `None` where unknown.
    pub fn class(&self, attribute: usize) -> Option<usize> {
        match self.0.get(attribute) {
            Observation::Unknown => None,
            Observation::Hidden => Some(0),
            Observation::Value(value) => Some(usize::from(value) + 1),
        }
    }

    /// Whether the image shows a claim. A hidden attribute shows none.
    pub fn fulfils(&self, claim: &Claim) -> bool {
        self.value(claim.attribute).is_some_and(|value| claim.allowed.contains(&value))
    }
}

/// The prediction of a perfect classifier.
impl From<&Attributes> for Prediction {
    fn from(attributes: &Attributes) -> Self {
        Self(attributes.clone())
    }
}

/// The attributes of a schema that are scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoredAttributes {
    schema: Schema,
    attributes: Vec<usize>,
}

impl ScoredAttributes {
    /// Positions in the schema, in the order of the schema.
    ///
    /// # Errors
    /// If they are not ascending, or one is out of range.
    pub fn new(schema: &Schema, attributes: Vec<usize>) -> Result<Self> {
        let ascending = attributes.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || attributes.last().is_some_and(|last| *last >= schema.len()) {
            let len = schema.len();
            return Err(Error::State(format!(
                "scored attributes {attributes:?}, expected ascending positions in a schema of {len}"
            )));
        }
        Ok(Self { schema: schema.clone(), attributes })
    }

    /// All attributes of a schema.
    pub fn all(schema: &Schema) -> Self {
        Self { schema: schema.clone(), attributes: (0..schema.len()).collect() }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Their positions in the schema, ascending.
    pub fn positions(&self) -> &[usize] {
        &self.attributes
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|&attribute| self.schema.name(attribute))
    }

    /// The number of scored attributes.
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether no attribute is scored.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Whether an attribute is scored.
    pub fn contains(&self, attribute: usize) -> bool {
        self.attributes.contains(&attribute)
    }
}
