//! The person of a caption: noun, pronouns, the agreement of verbs, and the spelling.

use rand_core::Rng;
use t2f_ops::rng;

/// A noun that also states the age.
pub(super) const GIRL: &str = "girl";

/// The words for a person in one caption.
#[derive(Debug)]
pub(super) struct Person {
    /// Whether the person is a man; `None` where the caption does not say.
    pub(super) man: Option<bool>,
    pub(super) noun: String,
    /// Whether the pronoun is *they*.
    plural: bool,
    british: bool,
}

impl Person {
    /// A person of a known sex, or one whose sex the caption leaves open.
    ///
    /// *Male* and *female* are nouns of lists alone, and a *girl* is young.
    pub(super) fn new(man: Option<bool>, young: bool, list: bool, rng: &mut impl Rng) -> Self {
        let nouns: &[&str] = match man {
            Some(true) if list => &["man", "man", "male", "guy"],
            Some(true) => &["man", "man", "man", "man", "guy", "gentleman"],
            Some(false) if list => &["woman", "woman", "female", "lady"],
            Some(false) if young => &["woman", "woman", "woman", "woman", "lady", GIRL],
            Some(false) => &["woman", "woman", "woman", "woman", "lady"],
            None => &["person", "person", "person", "individual"],
        };
        Self {
            man,
            noun: nouns[rng::below(rng, nouns.len())].into(),
            plural: man.is_none() && rng::below(rng, 2) == 0,
            british: rng::below(rng, 2) == 0,
        }
    }

    /// The text with words in place of `{he}`, `{his}`, `{is}`, `{gray}` and the like.
    pub(super) fn spell(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').unwrap_or((after, ""));
            result.push_str(before);
            result.push_str(self.word(word));
            rest = after;
        }
        result + rest
    }

    fn word<'w>(&self, word: &'w str) -> &'w str {
        let by_sex = |man, woman, open| match self.man {
            Some(true) => man,
            Some(false) => woman,
            None => open,
        };
        let by_number = |singular, plural| if self.plural { plural } else { singular };
        let by_spelling = |british, american| if self.british { british } else { american };
        match word {
            "he" => by_sex("he", "she", by_number("the person", "they")),
            "his" | "His" => by_sex("his", "her", "their"),
            "is" => by_number("is", "are"),
            "has" => by_number("has", "have"),
            "wears" => by_number("wears", "wear"),
            "looks" => by_number("looks", "look"),
            "does" => by_number("does", "do"),
            "smiles" => by_number("smiles", "smile"),
            "keeps" => by_number("keeps", "keep"),
            "gray" => by_spelling("grey", "gray"),
            "graying" => by_spelling("greying", "graying"),
            "blond" => match self.man {
                Some(false) if self.british => "blonde",
                _ => "blond",
            },
            "moustache" => by_spelling("moustache", "mustache"),
            "makeup" => by_spelling("make-up", "makeup"),
            "jewellery" => by_spelling("jewellery", "jewelry"),
            "fringe" => by_spelling("fringe", "bangs"),
            "a-fringe" => by_spelling("a fringe", "bangs"),
            other => other,
        }
    }
}
