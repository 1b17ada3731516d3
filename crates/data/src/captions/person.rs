//! The person of a caption: pronouns and the agreement of verbs.

use super::keys::Keys;

/// The subject that a verb agrees with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The pronoun: `{he}`.
    Pronoun,
    /// A noun in the singular, or *who*.
    Noun,
}

/// The words for a person in one caption.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Whether the person is a man; `None` where the caption does not name the sex.
    man: Option<bool>,
    /// Whether the pronoun is *they*.
    plural: bool,
}

impl Person {
    pub(super) fn new(man: Option<bool>, keys: Keys) -> Self {
        Self { man, plural: man.is_none() && keys.flip("they", 0.65) }
    }

    /// Whether verbs without a subject are in the singular.
    pub(super) fn singular(&self) -> bool {
        !self.plural
    }

    /// The text with words in place of `{he}`, `{his}`, `{him}` and of verbs such as `{is}`.
    pub(super) fn spell(&self, text: &str, subject: Subject) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').unwrap_or((after, ""));
            result.push_str(before);
            result.push_str(&self.word(word, subject));
            rest = after;
        }
        result + rest
    }

    fn word(&self, word: &str, subject: Subject) -> String {
        let by_sex = |man: &str, woman: &str, open: &str| match self.man {
            Some(true) => man.to_owned(),
            Some(false) => woman.to_owned(),
            None => open.to_owned(),
        };
        match word {
            "he" => by_sex("he", "she", if self.plural { "they" } else { "the person" }),
            "his" => by_sex("his", "her", "their"),
            "him" => by_sex("him", "her", "them"),
            verb if subject == Subject::Pronoun && self.plural => plural(verb),
            verb => verb.to_owned(),
        }
    }
}

/// The plural, which is also the infinitive but for *is*, of a verb in the singular.
pub(super) fn plural(verb: &str) -> String {
    match verb {
        "is" => "are".into(),
        "isn't" => "aren't".into(),
        "has" => "have".into(),
        "does" => "do".into(),
        "doesn't" => "don't".into(),
        "hasn't" => "haven't".into(),
        "was" => "were".into(),
        verb => match verb.strip_suffix("es").filter(|stem| stem.ends_with("sh") || stem.ends_with("ch")) {
            Some(stem) => stem.into(),
            None => verb.strip_suffix('s').unwrap_or(verb).into(),
        },
    }
}

/// A verb phrase with its verb in the infinitive: `{looks} sad` is `look sad`.
pub(super) fn infinitive(phrase: &str) -> String {
    let Some((verb, rest)) = phrase.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        return phrase.to_owned();
    };
    let verb = if verb == "is" { "be".into() } else { plural(verb) };
    format!("{verb}{rest}")
}
