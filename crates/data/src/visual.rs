//! The filter of captions that describe something visible.
//!
//! About one caption in ten of Face2Text v0.1 describes nothing visible (*another lying politician*).
//! [`CaptionFilter::Visual`] drops them.

use serde::{Deserialize, Serialize};

/// The captions that are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptionFilter {
    /// All captions that are not empty.
    #[default]
    All,
    /// Captions with at least one word for a feature, an expression, an age or clothes.
    Visual,
}

impl CaptionFilter {
    /// Whether a caption passes.
    pub(crate) fn passes(self, text: &str) -> bool {
        match self {
            Self::All => !text.trim().is_empty(),
            Self::Visual => words(text).any(|word| is_visual(&word)),
        }
    }
}

/// Beginnings of words: *wrink* means wrinkle, wrinkles and wrinkled. The rows: parts of the head, hair
/// and beard, colours and shapes, expression, age and origin, clothes.
const STEMS: &str = "\
    hair eye brow nose nasal nostril mouth lip teeth tooth chin cheek jaw forehead ear neck skin complexion wrink \
    freckl mole dimpl scar acne fac head feature lash crease bags skull temple shoulder \
    bald blond brunet beard moustach mustach goatee stubbl shav sideburn curl wavy straight fringe bang ponytail \
    bun parting receding ginger \
    black brown grey gray white red blue green hazel dark fair pale tan olive short thin thick round oval \
    square chubby fat plump slim narrow pointy pointed bushy protrud \
    smil grin laugh frown sad happ serious angr surpris neutral stern pensive worr gaz stare staring squint \
    expression cry sneer smirk shout \
    young old elder middle aged twent thirt fort fift sixt sevent teen mature asian african caucasian latin \
    hispanic indian arab european mediterranean \
    glass spectacl shades hat cap helmet earring necklace jewel makeup lipstick mascara suit tie shirt collar \
    jacket uniform scarf dress wear cloth";

/// Words that begin with a stem of four letters or more and mean something else.
const EXCEPTIONS: [&str; 8] =
    ["heading", "suitable", "suits", "temples", "fortunate", "think", "thinks", "thinking"];

/// The endings of a stem of up to three letters: `tan` is no beginning of *tangible*.
const ENDINGS: [&str; 7] = ["", "s", "e", "es", "ed", "ial", "dish"];

fn is_visual(word: &str) -> bool {
    let matches = |stem: &str| match word.strip_prefix(stem) {
        Some(rest) => stem.len() > 3 || ENDINGS.contains(&rest),
        None => false,
    };
    !EXCEPTIONS.contains(&word) && STEMS.split_whitespace().any(matches)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visual_filter_keeps_descriptions_and_drops_opinions() {
        for text in ["Blond.", "an elderly man", "he is smiling", "wearing glasses", "BIG NOSE!"] {
            assert!(CaptionFilter::Visual.passes(text), "{text}");
        }
        for text in
            ["another lying politician", "a trustworthy man", "he thinks a lot, in fact", "", "a father"]
        {
            assert!(!CaptionFilter::Visual.passes(text), "{text}");
        }
        assert!(CaptionFilter::All.passes("a man") && !CaptionFilter::All.passes(" \n"));
    }
}
