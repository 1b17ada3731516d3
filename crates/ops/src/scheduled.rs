//! A setting that may change over a run: a number, or `from`, `to` and a shape.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as a function of the progress of a run, `t` from 0 to 1.
///
/// `from + (to - from) · s(t)` with `s(t) = t` ([`Curve::Linear`]) or `s(t) = (1 - cos πt) / 2`
/// ([`Curve::Cosine`], as in R3GAN, arXiv:2501.05441, table 7). In a configuration a number is constant, and
/// `{ from = 2.0, to = 0.2, shape = "linear" }` is a schedule; the shape is `cosine` by default.
///
/// ```
/// use t2f_ops::scheduled::{Curve, Scheduled};
///
/// let gamma = Scheduled::new(2.0, 1.0, Curve::Cosine);
/// assert_eq!([0.0, 0.5, 1.0].map(|t| gamma.at(t)), [2.0, 1.5, 1.0]);
/// assert_eq!(Scheduled::from(0.3).at(0.7), 0.3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scheduled {
    /// The value at the start.
    pub from: f64,
    /// The value at the end.
    pub to: f64,
    /// The way from one to the other.
    pub shape: Curve,
}

/// The shape of a [`Scheduled`] number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// A straight line.
    Linear,
    /// Half a cosine: slow at both ends.
    #[default]
    Cosine,
}

impl Scheduled {
    /// A schedule.
    pub const fn new(from: f64, to: f64, shape: Curve) -> Self {
        Self { from, to, shape }
    }

    /// A constant.
    pub const fn constant(value: f64) -> Self {
        Self::new(value, value, Curve::Cosine)
    }

    /// Whether the value never changes.
    pub fn is_constant(&self) -> bool {
        self.from == self.to
    }

    /// The value at a progress, which is limited to 0 to 1. A constant has the same bits at each.
    pub fn at(&self, progress: f64) -> f64 {
        if self.is_constant() {
            return self.from;
        }
        let t = progress.clamp(0.0, 1.0);
        let share = match self.shape {
            Curve::Linear => t,
            Curve::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * t).cos()),
        };
        self.from + (self.to - self.from) * share
    }

    /// The largest value.
    pub fn largest(&self) -> f64 {
        self.from.max(self.to)
    }

    /// Whether both ends, and thus all values between them, are in a range.
    pub fn all(&self, holds: impl Fn(f64) -> bool) -> bool {
        holds(self.from) && holds(self.to)
    }
}

impl From<f64> for Scheduled {
    fn from(value: f64) -> Self {
        Self::constant(value)
    }
}

impl fmt::Display for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_constant() {
            true => write!(f, "{}", self.from),
            false => write!(f, "{} to {}", self.from, self.to),
        }
    }
}

/// The form with a shape.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    from: f64,
    to: f64,
    #[serde(default)]
    shape: Curve,
}

impl Serialize for Scheduled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { from, to, shape } = *self;
        match self.is_constant() {
            true => serializer.serialize_f64(from),
            false => Form { from, to, shape }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Scheduled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Number;

impl<'de> Visitor<'de> for Number {
    type Value = Scheduled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a table of `from`, `to` and `shape`")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scheduled, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scheduled, E> {
        Ok((value as f64).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scheduled, E> {
        Ok((value as f64).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scheduled, A::Error> {
        let form = Form::deserialize(MapAccessDeserializer::new(map)).map_err(|error| {
            A::Error::custom(format!(
                "a schedule has numbers `from` and `to`, and a `shape`, linear or cosine: {error}"
            ))
        })?;
        Ok(Scheduled::new(form.from, form.to, form.shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_meet_their_ends_and_their_middle_and_are_limited() {
        for shape in [Curve::Linear, Curve::Cosine] {
            let falling = Scheduled::new(4.0, 2.0, shape);
            assert_eq!([-1.0, 0.0, 0.5, 1.0, 2.0].map(|t| falling.at(t)), [4.0, 4.0, 3.0, 2.0, 2.0]);
            assert!(falling.at(0.25) > falling.at(0.75));
        }
        // Half a cosine: (1 - cos 60°) / 2 = 1/4 after a third of the run.
        let third = Scheduled::new(0.0, 1.0, Curve::Cosine).at(1.0 / 3.0);
        assert!((third - 0.25).abs() < 1e-12, "{third}");
    }

    #[test]
    fn a_number_and_a_table_are_read_and_written_back() {
        for (text, value) in [
            ("0.1", Scheduled::constant(0.1)),
            ("2", Scheduled::constant(2.0)),
            (r#"{"from":2.0,"to":0.5}"#, Scheduled::new(2.0, 0.5, Curve::Cosine)),
            (r#"{"from":1.0,"to":3.0,"shape":"linear"}"#, Scheduled::new(1.0, 3.0, Curve::Linear)),
        ] {
            let read: Scheduled = serde_json::from_str(text).unwrap();
            assert_eq!(read, value, "{text}");
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Scheduled>(&written).unwrap(), value, "{written}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_form() {
        for (text, needle) in [
            (r#""high""#, "expected a number, or a table of `from`, `to` and `shape`"),
            (r#"{"from":1.0}"#, "missing field `to`"),
            (r#"{"from":1.0,"to":2.0,"by":3.0}"#, "unknown field `by`"),
            (r#"{"from":1.0,"to":2.0,"shape":"round"}"#, "linear or cosine"),
        ] {
            let message = serde_json::from_str::<Scheduled>(text).unwrap_err().to_string();
            assert!(message.contains(needle), "{text}: {message}");
        }
    }
}
