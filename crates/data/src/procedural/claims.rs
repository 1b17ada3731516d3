//! What a caption asserts, in a form that can be held against a face.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::factors::{Attributes, Factor};

/// "This factor has one of these values": *dark hair* allows black and brown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The factor spoken of.
    pub factor: Factor,
    /// The positions of the values that make the claim true, ascending.
    pub allowed: Vec<usize>,
}

impl Claim {
    /// Whether the claim is true; `None` where the factor cannot be seen.
    pub fn judge(&self, attributes: &Attributes) -> Option<bool> {
        attributes.get(self.factor).map(|value| self.allowed.contains(&value))
    }
}

/// Everything a caption asserts: at most one claim a factor, in the order of the factors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims {
    /// The claims.
    pub claims: Vec<Claim>,
}

impl Claims {
    /// Whether nothing is claimed, or nothing is known about what is claimed.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Whether every claim speaks of something that can be seen and is true.
    pub fn holds(&self, attributes: &Attributes) -> bool {
        self.claims.iter().all(|claim| claim.judge(attributes) == Some(true))
    }

    /// Whether some claim speaks of something that can be seen and is false.
    ///
    /// Not the opposite of [`holds`](Self::holds): *blue eyes* neither holds for nor contradicts a
    /// face in sunglasses.
    pub fn contradicts(&self, attributes: &Attributes) -> bool {
        self.claims.iter().any(|claim| claim.judge(attributes) == Some(false))
    }

    /// The claim about a factor, if there is one.
    pub fn about(&self, factor: Factor) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.factor == factor)
    }

    /// Adds a claim; two about one factor become what both allow.
    pub(crate) fn add(&mut self, factor: Factor, allowed: &[usize]) {
        match self.claims.iter_mut().find(|claim| claim.factor == factor) {
            Some(claim) => claim.allowed.retain(|value| allowed.contains(value)),
            None => {
                let place = self.claims.partition_point(|claim| claim.factor < factor);
                let mut allowed = allowed.to_vec();
                allowed.sort_unstable();
                self.claims.insert(place, Claim { factor, allowed });
            }
        }
    }
}

/// The form of a claim in files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    factor: Factor,
    allowed: Vec<String>,
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |&value: &usize| self.factor.values().get(value).map(|name| name.to_string());
        let allowed = self.allowed.iter().filter_map(name).collect();
        Named { factor: self.factor, allowed }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Named { factor, allowed } = Named::deserialize(deserializer)?;
        let allowed = allowed.iter().map(|name| factor.value_index(name)).collect::<Result<_, _>>();
        Ok(Self { factor, allowed: allowed.map_err(D::Error::custom)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_about_the_hidden_neither_holds_nor_contradicts() {
        let face = Attributes::new([0; 22]).unwrap();
        let hidden = face.with(Factor::Glasses, "sun").unwrap();
        let mut claims = Claims::default();
        claims.add(Factor::Eyes, &[1, 0]);
        assert!(claims.holds(&face) && !claims.contradicts(&face));
        assert!(!claims.holds(&hidden) && !claims.contradicts(&hidden));
        claims.add(Factor::Eyes, &[1, 2]);
        assert_eq!(claims.about(Factor::Eyes).map(|claim| claim.allowed.as_slice()), Some([1].as_slice()));
        assert!(!claims.holds(&face) && claims.contradicts(&face));
    }

    #[test]
    fn claims_are_written_with_names() {
        let mut claims = Claims::default();
        claims.add(Factor::HairColour, &[1, 0]);
        claims.add(Factor::Sex, &[1]);
        let json = serde_json::to_string(&claims).unwrap();
        assert_eq!(
            json,
            r#"[{"factor":"sex","allowed":["man"]},{"factor":"hair-colour","allowed":["black","brown"]}]"#
        );
        assert_eq!(serde_json::from_str::<Claims>(&json).unwrap(), claims);
    }
}
