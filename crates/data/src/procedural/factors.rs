//! The 22 factors of a procedural face and their values.

use std::sync::LazyLock;

use crate::attributes::{Attribute, Attributes, Observation, Schema};
use crate::error::Error;

macro_rules! factors {
    ($($(#[$doc:meta])* $variant:ident $name:literal { $($value:literal $weight:literal),+ $(,)? })+) => {
        /// A property in which procedural faces differ. `factor as usize` is its position in the
        /// [schema](super::schema()).
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

            /// The relative frequency of each value; near uniform, so that every value can be
            /// learned.
            pub(crate) fn weights(self) -> &'static [f64] {
                match self { $(Self::$variant => &[$($weight),+],)+ }
            }
        }
    };
}

factors! {
    /// The sex.
    Sex "sex" { "woman" 1.0, "man" 1.0 }
    /// The age group.
    Age "age" { "young" 3.0, "middle" 3.0, "old" 2.0 }
    /// The colour of the skin.
    Skin "skin" { "pale" 1.0, "fair" 1.0, "olive" 1.0, "tan" 1.0, "brown" 1.0, "dark" 1.0 }
    /// The outline of the face.
    Face "face" { "round" 1.0, "oval" 1.0, "square" 1.0, "long" 1.0 }
    /// The colour of the hair and the beard.
    HairColour "hair-colour" { "black" 2.0, "brown" 2.0, "blond" 2.0, "red" 1.3, "grey" 1.3, "white" 1.2 }
    /// The length of the hair.
    HairLength "hair-length" { "bald" 1.0, "cropped" 1.3, "short" 2.0, "bob" 1.6, "long" 2.0, "bun" 1.0 }
    /// The texture of the hair.
    HairTexture "hair-texture" { "straight" 1.0, "wavy" 1.0, "curly" 1.0 }
    /// The shape of the hair above the forehead.
    Fringe "fringe" { "fringe" 1.0, "parted" 1.0, "back" 1.0 }
    /// The beard or moustache.
    FacialHair "facial-hair" { "none" 4.0, "stubble" 1.0, "moustache" 1.4, "goatee" 1.2, "full" 1.8 }
    /// The glasses and their shape.
    Glasses "glasses" { "none" 4.0, "round" 1.3, "square" 1.3, "sun" 1.2 }
    /// The hat.
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
    /// The earrings.
    Earrings "earrings" { "none" 3.0, "studs" 1.0, "hoops" 1.0 }
    /// Marks on the skin.
    Marks "marks" { "none" 3.0, "freckles" 1.0, "rosy" 1.0, "mole" 1.0 }
    /// The direction of the face.
    Gaze "gaze" { "front" 2.0, "left" 1.0, "right" 1.0 }
    /// The clothes.
    Clothes "clothes" { "suit" 1.0, "tshirt" 1.0, "turtleneck" 1.0, "vneck" 1.0 }
    /// The colour behind the head.
    Background "background" { "grey" 1.0, "blue" 1.0, "green" 1.0, "warm" 1.0, "dark" 1.0, "white" 1.0 }
    /// The direction and strength of the light.
    Light "light" { "even" 2.0, "left" 1.0, "right" 1.0, "dim" 1.0 }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let attribute = |factor: Factor| Attribute::new(factor.name(), factor.values().iter().copied());
    Schema::new(Factor::ALL.map(attribute).into()).expect("names of factors and values are unique")
});

/// The schema of the procedural faces: one attribute for each [`Factor`], in order.
pub fn schema() -> &'static Schema {
    &SCHEMA
}

impl Factor {
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

/// A value for each visible factor.
///
/// Together with a key for the rest (position, tilt, the colour of the cloth) this determines an
/// image. [`Attributes`] hold the same in the general form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Face([Option<u8>; 22]);

impl Face {
    /// A face with a value for every factor, of which those that others hide are not visible.
    ///
    /// # Errors
    /// If a value is out of the range of its factor.
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
        let mut face = Self(values.map(|value| Some(value as u8)));
        face.hide();
        face
    }

    /// The face in the general form of attributes.
    pub fn attributes(&self) -> Attributes {
        Attributes::new(self.0.map(|value| value.map_or(Observation::Hidden, Observation::Value)))
    }

    /// The position of the factor's value, or `None` where it is hidden.
    pub fn get(&self, factor: Factor) -> Option<usize> {
        self.0[factor as usize].map(usize::from)
    }

    /// The name of the factor's value, or `None` where it is hidden.
    pub fn value(&self, factor: Factor) -> Option<&'static str> {
        self.get(factor).map(|value| factor.values()[value])
    }

    /// Whether the factor is visible and has the named value.
    pub fn is(&self, factor: Factor, value: &str) -> bool {
        self.value(factor) == Some(value)
    }

    /// The same face with another value of one factor. Factors that the new value hides become
    /// hidden; factors that the old value hid stay hidden.
    ///
    /// # Errors
    /// If the factor has no such value.
    pub fn with(&self, factor: Factor, value: &str) -> Result<Self, Error> {
        let mut edited = *self;
        edited.0[factor as usize] = Some(factor.value_index(value)? as u8);
        edited.hide();
        Ok(edited)
    }

    /// Applies the rules by which factors hide or rule out others.
    ///
    /// - Women have no beards, the only dependence between factors.
    /// - Sunglasses hide the colour of the eyes.
    /// - A bald head has no colour, texture or fringe; a cropped one no texture or fringe.
    /// - A hat hides the fringe, and length and texture of hair that does not reach below it.
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

impl TryFrom<&Attributes> for Face {
    type Error = Error;

    /// The face with these attributes of the procedural [`schema`].
    ///
    /// # Errors
    /// If an attribute is unknown, or a value is out of range.
    fn try_from(attributes: &Attributes) -> Result<Self, Error> {
        let mut values = [None; 22];
        for factor in Factor::ALL {
            let wrong = |reason: String| Error::Schema { reason };
            values[factor as usize] = match attributes.get(factor as usize) {
                Observation::Hidden => None,
                Observation::Value(value) if usize::from(value) < factor.values().len() => Some(value),
                Observation::Value(value) => {
                    let last = factor.values().len() - 1;
                    return Err(wrong(format!("{} is {value}, expected 0 to {last}", factor.name())));
                }
                Observation::Unknown => {
                    return Err(wrong(format!(
                        "{} is unknown, expected a value of every factor",
                        factor.name()
                    )));
                }
            };
        }
        Ok(Self(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_hides_the_factors_that_depend_on_it() {
        let plain = Face::new([0; 22]).unwrap();
        assert_eq!(plain.value(Factor::Eyes), Some("brown"));
        assert_eq!(plain.with(Factor::Glasses, "sun").unwrap().value(Factor::Eyes), None);
        assert_eq!(plain.value(Factor::Fringe), None, "the first hair length is bald");
        let mut values = [0; 22];
        values[Factor::HairLength as usize] = 4;
        let long = Face::new(values).unwrap();
        assert!(long.is(Factor::Fringe, "fringe"));
        let hat = long.with(Factor::Hat, "beanie").unwrap();
        assert_eq!((hat.value(Factor::Fringe), hat.value(Factor::HairLength)), (None, Some("long")));
        values[Factor::FacialHair as usize] = 4;
        assert!(Face::new(values).unwrap().is(Factor::FacialHair, "none"), "a woman");
        values[Factor::Sex as usize] = 2;
        assert!(Face::new(values).is_err());
    }

    #[test]
    fn a_face_survives_the_general_form() {
        let face = Face::new([1; 22]).unwrap();
        let attributes = face.attributes();
        assert_eq!(Face::try_from(&attributes).unwrap(), face);
        assert_eq!(attributes.len(), schema().len());
        let names = attributes.to_names(schema()).unwrap();
        assert_eq!(names["sex"], "man");
        assert_eq!(Attributes::from_names(schema(), &names).unwrap(), attributes);
        let error =
            |observation| Face::try_from(&attributes.clone().with(0, observation)).unwrap_err().to_string();
        assert!(error(Observation::Unknown).contains("sex is unknown"));
        assert!(error(Observation::Value(2)).contains("sex is 2, expected 0 to 1"));
    }
}
