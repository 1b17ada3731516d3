//! Values of requests. A value that exists is within its limits, since its conversion checks them; the OpenAPI
//! document has the same limits.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::Deserialize;
use t2f_train::pipeline::Sampling;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::limits::{CAPTION_CHARACTERS, CAPTIONS, FRAMES, LARGEST_GUIDANCE, LARGEST_SEED, SEEDS};

/// A caption: one line of at most [`CAPTION_CHARACTERS`] characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Caption(String);

impl Caption {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Caption {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let count = text.chars().count();
        if count > CAPTION_CHARACTERS {
            return Err(format!("a caption of {count} characters, expected at most {CAPTION_CHARACTERS}"));
        }
        match text.chars().find(|c| c.is_control()) {
            Some(c) => {
                Err(format!("the control character U+{:04X} in a caption, expected one line", u32::from(c)))
            }
            None => Ok(Self(text)),
        }
    }
}

/// A seed, at most [`LARGEST_SEED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seed(pub u64);

impl TryFrom<f64> for Seed {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        whole(number, 0..=LARGEST_SEED).map(Self)
    }
}

/// A truncation, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Truncation(pub f64);

impl Default for Truncation {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Truncation {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        within(number, 1.0).map(Self)
    }
}

/// A guidance scale, from 0 to [`LARGEST_GUIDANCE`].
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Guidance(pub f64);

impl Default for Guidance {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Guidance {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        within(number, LARGEST_GUIDANCE).map(Self)
    }
}

/// A number from 0 to `most`. Negative zero becomes zero, so that equal requests have equal names.
fn within(number: f64, most: f64) -> Result<f64, String> {
    let fits = (0.0..=most).contains(&number);
    if fits { Ok(number + 0.0) } else { Err(format!("the number {number}, expected 0 to {most}")) }
}

/// A whole number, also if it is written as `3.0`: JSON Schema has one kind of number.
fn whole(number: f64, range: RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (range.start(), range.end());
    if number.fract() == 0.0 && number >= *least as f64 && number <= *most as f64 {
        return Ok(number as u64);
    }
    Err(format!("the number {number}, expected a whole number from {least} to {most}"))
}

/// The number of frames of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Frames(pub u64);

impl Default for Frames {
    fn default() -> Self {
        Self(24)
    }
}

impl TryFrom<f64> for Frames {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        whole(number, FRAMES).map(Self)
    }
}

/// One to `MOST` values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<T>", bound = "T: Deserialize<'de>")]
pub(crate) struct Few<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> TryFrom<Vec<T>> for Few<T, MOST> {
    type Error = String;

    fn try_from(values: Vec<T>) -> Result<Self, String> {
        let found = values.len();
        let fits = (1..=MOST).contains(&found);
        if fits { Ok(Self(values)) } else { Err(format!("{found} values, expected 1 to {MOST}")) }
    }
}

impl<T, const MOST: usize> std::ops::Deref for Few<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// The captions of a request.
pub(crate) type Captions = Few<Caption, CAPTIONS>;
/// The seeds of a request.
pub(crate) type Seeds = Few<Seed, SEEDS>;

/// The sampling of a truncation and a guidance scale.
pub(crate) fn sampling(truncation: Truncation, guidance: Guidance) -> Sampling {
    Sampling { truncation: truncation.0, guidance_scale: guidance.0 }
}

/// The schema of an object and its name in the document.
macro_rules! schema {
    ($($type:ty, $name:literal: $schema:expr;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )+};
}

schema! {
    Caption, "Caption": ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(CAPTION_CHARACTERS))
        // Without control characters.
        .pattern(Some("^[^\\u0000-\\u001F\\u007F-\\u009F]*$"))
        .description(Some("A description of a face, in one line"))
        .examples(["a bald man with a beard and round glasses"]);
    Seed, "Seed": ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .maximum(Some(LARGEST_SEED as usize))
        .description(Some("The seed of the noise: the same seed is the same noise"));
    Truncation, "Truncation": number(1.0)
        .description(Some("The scale of the noise, from 0 (the caption's most typical face) to 1 (all its variety)"));
    Guidance, "Guidance": number(LARGEST_GUIDANCE)
        .description(Some("The guidance scale; above 1 emphasizes the caption"));
    Frames, "Frames": ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*FRAMES.start() as usize))
        .maximum(Some(*FRAMES.end() as usize))
        .default(Some(Frames::default().0.into()))
        .description(Some("The number of frames, those of both captions included"));
    Captions, "Captions": few(Caption::schema(), CAPTIONS).description(Some("Captions; each is generated with every seed"));
    Seeds, "Seeds": few(Seed::schema(), SEEDS).description(Some("Seeds"));
}

/// A number from 0 to `most` with the default 1.
fn number(most: f64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(most))
        .default(Some(1.0.into()))
}

/// A list of 1 to `most` values.
fn few(items: RefOr<Schema>, most: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(items).min_items(Some(1)).max_items(Some(most))
}
