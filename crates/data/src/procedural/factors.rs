//! The 22 factors of a face and the values they take.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

macro_rules! factors {
    ($($(#[$doc:meta])* $variant:ident $name:literal { $($value:literal $weight:literal),+ $(,)? })+) => {
        /// A way in which faces differ. The order of the variants is the order of every table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Factor {
            $($(#[$doc])* $variant,)+
        }

        impl Factor {
            /// All factors, in order.
            pub const ALL: [Self; 22] = [$(Self::$variant,)+];

            /// The factor's name in files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The names of the factor's values, in order.
            pub fn values(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($value),+],)+ }
            }

            /// How often each value is drawn, relative to the others; near uniform, so that every
            /// value can be learnt.
            pub(crate) fn weights(self) -> &'static [f64] {
                match self { $(Self::$variant => &[$($weight),+],)+ }
            }
        }
    };
}

factors! {
    /// Whether the face is a woman's or a man's.
    Sex "sex" { "woman" 1.0, "man" 1.0 }
    /// How old the person is.
    Age "age" { "young" 3.0, "middle" 3.0, "old" 2.0 }
    /// The colour of the skin.
    Skin "skin" { "pale" 1.0, "fair" 1.0, "olive" 1.0, "tan" 1.0, "brown" 1.0, "dark" 1.0 }
    /// The outline of the face.
    Face "face" { "round" 1.0, "oval" 1.0, "square" 1.0, "long" 1.0 }
    /// The colour of the hair and the beard.
    HairColour "hair-colour" { "black" 2.0, "brown" 2.0, "blond" 2.0, "red" 1.3, "grey" 1.3, "white" 1.2 }
    /// How far the hair falls.
    HairLength "hair-length" { "bald" 1.0, "cropped" 1.3, "short" 2.0, "bob" 1.6, "long" 2.0, "bun" 1.0 }
    /// How the hair curls.
    HairTexture "hair-texture" { "straight" 1.0, "wavy" 1.0, "curly" 1.0 }
    /// How the hair meets the forehead.
    Fringe "fringe" { "fringe" 1.0, "parted" 1.0, "back" 1.0 }
    /// Hair below the nose.
    FacialHair "facial-hair" { "none" 4.0, "stubble" 1.0, "moustache" 1.4, "goatee" 1.2, "full" 1.8 }
    /// Glasses and their shape.
    Glasses "glasses" { "none" 4.0, "round" 1.3, "square" 1.3, "sun" 1.2 }
    /// What is worn on the head.
    Hat "hat" { "none" 5.0, "cap" 1.0, "beanie" 1.0, "brim" 1.0 }
    /// The expression of the mouth.
    Mouth "mouth" { "neutral" 1.0, "smile" 1.0, "grin" 1.0, "open" 1.0, "frown" 1.0 }
    /// The colour of the eyes.
    Eyes "eyes" { "brown" 1.0, "blue" 1.0, "green" 1.0, "grey" 1.0 }
    /// The shape of the eyebrows.
    Brows "brows" { "thin" 1.0, "thick" 1.0, "arched" 1.0 }
    /// The size of the nose.
    Nose "nose" { "small" 1.0, "medium" 1.0, "big" 1.0 }
    /// The fullness and paint of the lips.
    Lips "lips" { "thin" 1.0, "full" 1.0, "red" 1.0 }
    /// What hangs from the ears.
    Earrings "earrings" { "none" 3.0, "studs" 1.0, "hoops" 1.0 }
    /// Marks on the skin.
    Marks "marks" { "none" 3.0, "freckles" 1.0, "rosy" 1.0, "mole" 1.0 }
    /// Where the face turns.
    Gaze "gaze" { "front" 2.0, "left" 1.0, "right" 1.0 }
    /// What is worn below the neck.
    Clothes "clothes" { "suit" 1.0, "tshirt" 1.0, "turtleneck" 1.0, "vneck" 1.0 }
    /// The colour behind the head.
    Background "background" { "grey" 1.0, "blue" 1.0, "green" 1.0, "warm" 1.0, "dark" 1.0, "white" 1.0 }
    /// Where the light comes from.
    Light "light" { "even" 2.0, "left" 1.0, "right" 1.0, "dim" 1.0 }
}

/// What stands in files where a value cannot be seen.
pub(crate) const NOT_VISIBLE: &str = "not-visible";

impl Factor {
    /// The number of values of each factor, in order.
    pub fn sizes() -> [usize; 22] {
        Self::ALL.map(|factor| factor.values().len())
    }

    /// The factor of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|factor| factor.name() == name).ok_or_else(|| Error::UnknownName {
            what: "factor".into(),
            name: name.into(),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }

    /// The position of a value among [`values`](Self::values).
    ///
    /// # Errors
    /// If the factor has no such value.
    pub fn value_index(self, value: &str) -> Result<usize, Error> {
        self.values().iter().position(|name| *name == value).ok_or_else(|| Error::UnknownName {
            what: format!("value of {}", self.name()),
            name: value.into(),
            expected: self.values().join(", "),
        })
    }
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).map_err(serde::de::Error::custom)
    }
}

/// A value for each factor that can be seen.
///
/// Together with a key for the rest (position, tilt, the colour of the cloth) this determines an
/// image. In files: an object from factor names to value names, `"not-visible"` where hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes([Option<u8>; 22]);

impl Attributes {
    /// Attributes with a value for every factor, of which those that others hide are not visible.
    ///
    /// # Errors
    /// If a value is out of its factor's range.
    pub fn new(values: [usize; 22]) -> Result<Self, Error> {
        for (factor, value) in Factor::ALL.into_iter().zip(values) {
            if value >= factor.values().len() {
                return Err(Error::UnknownName {
                    what: format!("value of {}", factor.name()),
                    name: value.to_string(),
                    expected: factor.values().join(", "),
                });
            }
        }
        Ok(Self::from_values(values))
    }

    pub(crate) fn from_values(values: [usize; 22]) -> Self {
        let mut attributes = Self(values.map(|value| Some(value as u8)));
        attributes.hide();
        attributes
    }

    /// The position of the factor's value, or `None` where it cannot be seen.
    pub fn get(&self, factor: Factor) -> Option<usize> {
        self.0[factor as usize].map(usize::from)
    }

    /// The name of the factor's value, or `None` where it cannot be seen.
    pub fn value(&self, factor: Factor) -> Option<&'static str> {
        self.get(factor).map(|value| factor.values()[value])
    }

    /// Whether the factor can be seen and has the named value.
    pub fn is(&self, factor: Factor, value: &str) -> bool {
        self.value(factor) == Some(value)
    }

    /// The first factor that has another value in other attributes, or is seen in one of them alone.
    pub(crate) fn differs_in(&self, other: &Self) -> Option<Factor> {
        Factor::ALL.into_iter().find(|factor| self.get(*factor) != other.get(*factor))
    }

    /// These attributes with one factor given a value, for edit tests: what the new value hides is
    /// hidden. What the old one hid stays hidden.
    ///
    /// # Errors
    /// If the factor has no such value.
    pub fn with(&self, factor: Factor, value: &str) -> Result<Self, Error> {
        let mut edited = *self;
        edited.0[factor as usize] = Some(factor.value_index(value)? as u8);
        edited.hide();
        Ok(edited)
    }

    /// Applies the rules of what hides what.
    ///
    /// - Women have no beards (the one dependence between factors).
    /// - Sunglasses hide the colour of the eyes.
    /// - A bald head has no colour, texture or fringe; a cropped one no texture or fringe.
    /// - A hat hides the fringe, the length of hair that does not fall below it, and the texture
    ///   of that hair.
    fn hide(&mut self) {
        if self.is(Factor::Sex, "woman") {
            self.0[Factor::FacialHair as usize] = Some(0);
        }
        let length = self.value(Factor::HairLength);
        let (bald, cropped) = (length == Some("bald"), length == Some("cropped"));
        let hat = !self.is(Factor::Hat, "none");
        let covered = hat && !matches!(length, Some("bob" | "long"));
        let rules = [
            (Factor::Eyes, self.is(Factor::Glasses, "sun")),
            (Factor::HairColour, bald),
            (Factor::HairTexture, bald || cropped || covered),
            (Factor::Fringe, bald || cropped || hat),
            (Factor::HairLength, covered),
        ];
        for (factor, hidden) in rules {
            if hidden {
                self.0[factor as usize] = None;
            }
        }
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = |factor: Factor| (factor.name(), self.value(factor).unwrap_or(NOT_VISIBLE));
        serializer.collect_map(Factor::ALL.map(names))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut names = BTreeMap::<String, String>::deserialize(deserializer)?;
        let mut values = [None; 22];
        for factor in Factor::ALL {
            let name = names.remove(factor.name());
            let name =
                name.ok_or_else(|| D::Error::custom(format!("factor {} is missing", factor.name())))?;
            if name != NOT_VISIBLE {
                let value = factor.value_index(&name).map_err(D::Error::custom)?;
                values[factor as usize] = Some(value as u8);
            }
        }
        match names.into_keys().next() {
            Some(name) => Err(D::Error::custom(format!("unknown factor `{name}`"))),
            None => Ok(Self(values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_visible() {
        let plain = Attributes::new([0; 22]).unwrap();
        assert_eq!(plain.value(Factor::Eyes), Some("brown"));
        assert_eq!(plain.with(Factor::Glasses, "sun").unwrap().value(Factor::Eyes), None);
        assert_eq!(plain.value(Factor::Fringe), None, "the first hair length is bald");
        let mut values = [0; 22];
        values[Factor::HairLength as usize] = 4;
        let long = Attributes::new(values).unwrap();
        assert!(long.is(Factor::Fringe, "fringe"));
        let hat = long.with(Factor::Hat, "beanie").unwrap();
        assert_eq!((hat.value(Factor::Fringe), hat.value(Factor::HairLength)), (None, Some("long")));
        values[Factor::FacialHair as usize] = 4;
        assert!(Attributes::new(values).unwrap().is(Factor::FacialHair, "none"), "a woman");
        values[Factor::Sex as usize] = 2;
        assert!(Attributes::new(values).is_err());
    }

    #[test]
    fn attributes_survive_json_and_name_what_is_wrong() {
        let attributes = Attributes::new([1; 22]).unwrap();
        let json = serde_json::to_string(&attributes).unwrap();
        assert_eq!(serde_json::from_str::<Attributes>(&json).unwrap(), attributes);
        let wrong = json.replace("\"man\"", "\"dog\"");
        let message = serde_json::from_str::<Attributes>(&wrong).unwrap_err().to_string();
        assert!(message.contains("value of sex `dog`: expected one of woman, man"), "{message}");
    }
}
