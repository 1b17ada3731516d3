//! The grammar of captions: from the attributes of an image to texts with claims.
//!
//! A [`Grammar`] has a [`Lexicon`] over any schema. The procedural faces and CelebA use it. Each caption
//! has the claims of its words: the text states nothing that the attributes contradict, and the claims
//! are exactly what it states.
//!
//! A caption is made in four steps:
//!
//! 1. **Plan** (`plan.rs`): which subjects the caption mentions, from the key of the content; whether it
//!    affirms, denies, contrasts or corrects them, and the phrase for each, from the key of the words.
//! 2. **Pieces** (`pieces.rs`): the place of each phrase: before the noun, after *with*, in a clause.
//!    The mentions of one head share a noun (`heads.rs`); contrasts and corrections are in `corrections.rs`.
//! 3. **Composition** (`compose.rs`, `denials.rs`, `record.rs`): a list of traits, one sentence, several, a request, or
//!    a list of particulars.
//! 4. **Surface** (`surface.rs`): spelling, hyphens, capitals, punctuation, typing errors.
//!
//! The rules, each with an example and its claims:
//!
//! | rule | example | claims |
//! |---|---|---|
//! | affirmation | `a bearded man with grey eyes` | the values of each phrase |
//! | vague words | `dark hair` | `hair-colour` black or brown |
//! | several subjects in one word | `a grandmother` | `sex` woman, `age` old |
//! | adjectives of one head | `long curly black hair`, `her hair is long and black`, `whose eyes are blue` | as the adjectives |
//! | adjectives on another noun | `a white beard`, `a short black bob` | as the adjectives and the noun |
//! | denial | `no glasses`, `doesn't wear a hat`, `anything but young` | all values that the phrase excludes |
//! | list of denials | `no glasses, hat or earrings`, `neither glasses nor a hat` | those of each denial |
//! | denial beside affirmation | `no hat but big earrings` | of each its own |
//! | contrast | `not black but blond hair`, `a cap instead of a beanie` | the affirmed phrase |
//! | correction | `black hair - no, sorry, brown`, `I said blue eyes, but they are green` | the last phrase |
//! | withdrawal | `in a hat... no, no hat`, `has earrings. Scratch the earrings` | as the denial |
//! | remark | `in a red scarf`, `works as a nurse` | none |
//!
//! A denied phrase may exclude more than its affirmation states ([`lexicon`]): *a hat* is a beanie or a
//! hat with a brim, and *no hat* also excludes caps. Of values that a vague phrase may or may not mean it
//! is neither affirmed nor denied.
//! Hidden attributes are never mentioned. Each subject is mentioned once, or twice in a contrast or a
//! correction. A caption of equal content and other words mentions the same attributes.

mod compose;
mod corrections;
mod deniable;
mod denials;
mod heads;
mod keys;
mod lexicon;
mod nouns;
mod numbers;
mod openings;
mod person;
mod pieces;
mod plan;
mod record;
mod surface;
mod wording;

use std::collections::HashSet;

use t2f_ops::rng::Key;

use self::keys::Keys;
use self::lexicon::Lexicon;
use self::person::Person;
use self::plan::Style;
pub(crate) use self::surface::capitals;
pub use self::wording::Wording;
use crate::attributes::{Attributes, Schema};
use crate::dataset::Caption;

/// Remarks that state nothing about any face.
pub(crate) const REMARKS: &str = include_str!("remarks.txt");

/// The grammar of captions of one schema.
#[derive(Debug)]
pub(crate) struct Grammar {
    schema: Schema,
    lexicon: Lexicon,
    /// The words that no typing error may make.
    words: HashSet<String>,
}

/// A caption without the noise of its surface.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) text: String,
    pub(crate) claims: crate::attributes::Claims,
    /// The phrases and their stances.
    pub(crate) said: Vec<(String, &'static str)>,
}

impl Grammar {
    /// A grammar with the lexicon in these texts.
    ///
    /// # Errors
    /// The line of the lexicon that is not understood, with the reason.
    pub(crate) fn new(schema: &Schema, lexicon: &[&str]) -> Result<Self, String> {
        let lexicon = Lexicon::parse(schema, lexicon)?;
        let words = lexicon.words().filter(|word| !word.is_empty()).collect();
        Ok(Self { schema: schema.clone(), lexicon, words })
    }

    /// A caption whose content is drawn from one key and its words from another. `None` if none of the
    /// attributes that the lexicon has phrases for is known.
    pub(crate) fn caption(
        &self,
        face: &Attributes,
        wording: Wording,
        content: Key,
        words: Key,
    ) -> Option<Caption> {
        let keys = Keys { content, words };
        let (text, style, caption) = self.write(face, wording, keys)?;
        Some(Caption::new(surface::surface(&text, style, keys, &self.words), caption.claims))
    }

    /// The text without the noise of its surface, its claims, and the phrases with their stances.
    #[cfg(test)]
    pub(crate) fn plain(&self, face: &Attributes, wording: Wording, content: Key, words: Key) -> Plain {
        let keys = Keys { content, words };
        let (text, _, plan) = self.write(face, wording, keys).expect("something is known of the face");
        let said = plan.said.iter().map(|said| {
            let stance = match said.stance {
                plan::Stance::Affirmed => "affirmed",
                plan::Stance::Denied => "denied",
                plan::Stance::Contrasted(_) => "contrasted",
                plan::Stance::Corrected(_) => "corrected",
                plan::Stance::Withdrawn => "withdrawn",
            };
            (said.chosen.text.clone(), stance)
        });
        Plain { said: said.collect(), text, claims: plan.claims }
    }

    /// Each phrase with whether it is held out.
    #[cfg(test)]
    pub(crate) fn phrases(&self) -> impl Iterator<Item = (&str, bool)> {
        let phrases = self.lexicon.forms().flat_map(|form| &form.phrases);
        phrases
            .chain(self.lexicon.heads.iter().flat_map(|head| &head.nouns))
            .map(|it| (it.text.as_str(), it.held_out))
    }

    /// The text without the noise of its surface, and the plan.
    fn write(
        &self,
        face: &Attributes,
        wording: Wording,
        keys: Keys,
    ) -> Option<(String, Style, plan::Plan<'_>)> {
        let plan = plan::plan(&self.lexicon, &self.schema, face, wording, keys)?;
        let person = Person::new(plan.man, keys);
        let text = match plan.style {
            Style::Record => {
                let sex = self.lexicon.sexes.map(|sexes| sexes.attribute);
                record::record(&plan, sex, &person, keys)
            }
            style => {
                let pieces = pieces::place(&self.lexicon, &plan, wording, keys);
                compose::compose(pieces, style, &person, keys, plan.intro.as_ref().map(|it| it.text.as_str()))
            }
        };
        Some((text, plan.style, plan))
    }
}
