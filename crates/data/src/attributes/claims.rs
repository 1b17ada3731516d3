//! The assertions of a caption about the attributes of its image.

use serde_json::{Value, json};

use super::observed::{Attributes, Observation};
use super::schema::Schema;
use crate::error::{Error, Result};

/// One assertion: the attribute has one of these values. *Dark hair* allows black and brown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The position of the attribute in the schema.
    pub attribute: usize,
    /// The positions of the values that make the claim true, ascending.
    pub allowed: Vec<usize>,
}

impl Claim {
    /// Whether the claim is true of an image; `None` where the attribute is hidden or unknown.
    pub fn is_true(&self, attributes: &Attributes) -> Option<bool> {
        attributes.value(self.attribute).map(|value| self.allowed.contains(&value))
    }
}

/// All assertions of a caption: at most one claim for each attribute, in the order of the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Claims(Vec<Claim>);

impl Claims {
    /// Whether the caption asserts nothing, or its assertions are not known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of claims.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The claims, in the order of the schema.
    pub fn iter(&self) -> std::slice::Iter<'_, Claim> {
        self.0.iter()
    }

    /// The claims as a slice, in the order of the schema.
    pub fn as_slice(&self) -> &[Claim] {
        &self.0
    }

    /// Whether every claim is about a visible attribute and is true.
    pub fn holds(&self, attributes: &Attributes) -> bool {
        self.0.iter().all(|claim| claim.is_true(attributes) == Some(true))
    }

    /// Whether some claim is about a visible attribute and is false.
    ///
    /// This is not the opposite of [`holds`](Self::holds): *blue eyes* neither holds for nor
    /// contradicts a face in sunglasses.
    pub fn contradicts(&self, attributes: &Attributes) -> bool {
        self.0.iter().any(|claim| claim.is_true(attributes) == Some(false))
    }

    /// The claim about an attribute, if there is one.
    pub fn about(&self, attribute: usize) -> Option<&Claim> {
        self.0.iter().find(|claim| claim.attribute == attribute)
    }

    /// Adds a claim. Two claims about one attribute become their intersection.
    pub fn add(&mut self, attribute: usize, allowed: &[usize]) {
        match self.0.iter_mut().find(|claim| claim.attribute == attribute) {
            Some(claim) => claim.allowed.retain(|value| allowed.contains(value)),
            None => {
                let place = self.0.partition_point(|claim| claim.attribute < attribute);
                let mut allowed = allowed.to_vec();
                allowed.sort_unstable();
                allowed.dedup();
                self.0.insert(place, Claim { attribute, allowed });
            }
        }
    }

    /// The form of files: `[{"attribute": "hair", "allowed": ["black", "brown"]}]`.
    ///
    /// # Errors
    /// If an attribute or a value is not in the schema.
    pub fn to_json(&self, schema: &Schema) -> Result<Value> {
        let claim = |claim: &Claim| {
            let known = schema.attributes().get(claim.attribute);
            let name = |value: &usize| known.and_then(|known| known.values.get(*value));
            let allowed: Option<Vec<&String>> = claim.allowed.iter().map(name).collect();
            match (known, allowed) {
                (Some(known), Some(allowed)) => Ok(json!({"attribute": known.name, "allowed": allowed})),
                _ => Err(Error::Schema { reason: format!("{claim:?} is not in the schema of the data set") }),
            }
        };
        self.0.iter().map(claim).collect()
    }

    /// Reads the form of files; `factor` is an older name of `attribute`.
    ///
    /// # Errors
    /// If the form is another one, or a name is not in the schema.
    pub fn from_json(schema: &Schema, value: &Value) -> Result<Self> {
        let form = |found: &Value| Error::Schema {
            reason: format!("claims are {found}, expected a list of {{\"attribute\": …, \"allowed\": […]}}"),
        };
        let mut claims = Self::default();
        for entry in value.as_array().ok_or_else(|| form(value))? {
            let name = entry.get("attribute").or_else(|| entry.get("factor")).and_then(Value::as_str);
            let (Some(name), Some(words)) = (name, entry.get("allowed").and_then(Value::as_array)) else {
                return Err(form(entry));
            };
            let attribute = schema.require(name)?;
            let position =
                |word: &Value| schema.value_index(attribute, word.as_str().ok_or_else(|| form(entry))?);
            let allowed = words.iter().map(position).collect::<Result<Vec<usize>>>()?;
            claims.add(attribute, &allowed);
        }
        Ok(claims)
    }
}

impl FromIterator<Claim> for Claims {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        let mut all = Self::default();
        claims.into_iter().for_each(|claim| all.add(claim.attribute, &claim.allowed));
        all
    }
}

impl From<&Attributes> for Claims {
    /// The claims that each known value is as it is; nothing about hidden and unknown attributes.
    fn from(attributes: &Attributes) -> Self {
        let claim = |(attribute, observation)| match observation {
            Observation::Value(value) => Some(Claim { attribute, allowed: vec![usize::from(value)] }),
            _ => None,
        };
        Self(attributes.iter().enumerate().filter_map(claim).collect())
    }
}

impl<'a> IntoIterator for &'a Claims {
    type Item = &'a Claim;
    type IntoIter = std::slice::Iter<'a, Claim>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Attribute;
    use super::*;

    #[test]
    fn a_claim_about_a_hidden_attribute_neither_holds_nor_contradicts() {
        let face = Attributes::new([Observation::Value(0)]);
        let (hidden, unknown) = (Attributes::new([Observation::Hidden]), Attributes::unknown(1));
        let mut claims = Claims::default();
        claims.add(0, &[1, 0]);
        assert!(claims.holds(&face) && !claims.contradicts(&face));
        for other in [hidden, unknown] {
            assert!(!claims.holds(&other) && !claims.contradicts(&other));
        }
        claims.add(0, &[1, 2]);
        assert_eq!(claims.about(0).map(|claim| claim.allowed.as_slice()), Some([1].as_slice()));
        assert!(!claims.holds(&face) && claims.contradicts(&face));
        assert!(Claims::from(&face).holds(&face));
    }

    #[test]
    fn claims_are_written_with_names_and_the_old_name_of_the_key_is_read() {
        let schema = Schema::new(vec![
            Attribute::new("sex", ["woman", "man"]),
            Attribute::new("hair", ["black", "brown"]),
        ])
        .unwrap();
        let mut claims = Claims::default();
        claims.add(1, &[1, 0]);
        claims.add(0, &[1]);
        let json = claims.to_json(&schema).unwrap();
        let text =
            r#"[{"allowed":["man"],"attribute":"sex"},{"allowed":["black","brown"],"attribute":"hair"}]"#;
        assert_eq!(json, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(Claims::from_json(&schema, &json).unwrap(), claims);
        let old = serde_json::from_str(&text.replace("attribute", "factor")).unwrap();
        assert_eq!(Claims::from_json(&schema, &old).unwrap(), claims);
        let message = |json: Value| Claims::from_json(&schema, &json).unwrap_err().to_string();
        assert!(message(json!(["is smiling"])).contains("expected a list of"));
        assert!(message(json!([{"attribute": "hat", "allowed": []}])).contains("unknown attribute `hat`"));
        assert!(message(json!([{"attribute": "sex", "allowed": ["dog"]}])).contains("unknown value of sex"));
        assert!(Claims::default().to_json(&schema).unwrap().as_array().unwrap().is_empty());
    }
}
