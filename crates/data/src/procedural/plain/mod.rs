//! The plain captions: a small grammar without denials, the captions of version 0.1 and of the shipped model.
//!
//! The content is drawn from one key and the words from another, each choice under a name of its
//! own: a paraphrase changes the second key alone, and an edit of one factor leaves the words for
//! the others as they were.

mod words;

use rand_core::Rng;
use t2f_ops::rng::{self, Key};

use self::words::{EXPRESSION, Phrase, REMARKS, phrases};
use super::factors::{Face, Factor};
use crate::attributes::Claims;
use crate::captions::{Wording, capitals};

/// The probability that a caption of medium length mentions a factor, after Face2Text v0.1.
fn mention_rate(factor: Factor) -> f64 {
    match factor {
        Factor::Sex => 0.83,
        Factor::Age => 0.50,
        Factor::HairColour => 0.67,
        Factor::Mouth => 0.40,
        Factor::Eyes => 0.25,
        Factor::FacialHair | Factor::Glasses => 0.75,
        Factor::Hat => 0.70,
        Factor::Earrings => 0.35,
        Factor::Marks => 0.30,
        Factor::Skin | Factor::Clothes => 0.18,
        Factor::Face | Factor::Nose => 0.16,
        Factor::Gaze => 0.15,
        Factor::Brows => 0.14,
        Factor::Lips => 0.13,
        Factor::Background | Factor::Light => 0.03,
        Factor::HairLength | Factor::HairTexture | Factor::Fringe => 0.0,
    }
}

/// The probability that a caption mentions an absence, such as *no glasses*.
const ABSENCE_RATE: f64 = 0.03;
const TYPO_RATE: f64 = 0.12;
const REMARK_RATE: f64 = 0.10;

/// The form of a caption: a list of traits, one sentence, or several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Traits,
    Sentence,
    Sentences,
}

impl Style {
    /// The amount that a caption of this style mentions, relative to medium length.
    fn verbosity(self) -> f64 {
        match self {
            Self::Traits => 0.85,
            Self::Sentence => 1.0,
            Self::Sentences => 2.8,
        }
    }
}

/// The parts of a caption, in words.
struct Content {
    noun: String,
    adjectives: Vec<String>,
    after_noun: String,
    features: Vec<String>,
    wears: Vec<String>,
    expression: Option<String>,
    asides: Vec<String>,
}

struct Writer<'a> {
    face: &'a Face,
    wording: Wording,
    content: Key,
    words: Key,
    style: Style,
    sexed: bool,
    claims: Claims,
}

/// The text and the claims of a caption.
pub(super) fn write_caption(face: &Face, wording: Wording, content: Key, words: Key) -> (String, Claims) {
    let style = match rng::weighted(&mut content.child("style").rng(), [0.33, 0.37, 0.30].into_iter()) {
        0 => Style::Traits,
        1 => Style::Sentence,
        _ => Style::Sentences,
    };
    let mut writer = Writer { face, wording, content, words, style, sexed: false, claims: Claims::default() };
    writer.sexed = writer.mentions(Factor::Sex);
    let content = writer.gather();
    let text = match style {
        Style::Traits => writer.traits(content),
        Style::Sentence => writer.sentence(content),
        Style::Sentences => writer.sentences(content),
    };
    (writer.finish(text), writer.claims)
}

impl Writer<'_> {
    fn chance(&self, what: &str, rate: f64) -> bool {
        rng::unit(&mut self.content.child(what).rng()) < rate
    }

    fn flip(&self, what: &str, rate: f64) -> bool {
        rng::unit(&mut self.words.child(what).rng()) < rate
    }

    fn pick<'t>(&self, what: &str, options: &[&'t str]) -> &'t str {
        options[rng::below(&mut self.words.child(what).rng(), options.len())]
    }

    fn man(&self) -> bool {
        self.face.is(Factor::Sex, "man")
    }

    fn mentions(&self, factor: Factor) -> bool {
        let Some(value) = self.face.value(factor) else { return false };
        let rate = match (factor, value) {
            (Factor::FacialHair, "none") if !self.man() => 0.0,
            (Factor::FacialHair | Factor::Glasses, "none") => ABSENCE_RATE,
            (Factor::Hat | Factor::Earrings | Factor::Marks, "none") => 0.0,
            (Factor::Nose, "medium") => 0.02,
            (Factor::Gaze, "front") => 0.04,
            (Factor::Light, "even") => 0.005,
            _ => mention_rate(factor),
        };
        let rate = if factor == Factor::Sex { rate } else { 1.0 - (1.0 - rate).powf(self.style.verbosity()) };
        self.chance(factor.name(), rate)
    }

    /// A phrase that is true of the factor's value; its claim is added.
    fn phrase_from(&mut self, factor: Factor, table: &[Phrase]) -> Option<String> {
        let value = self.face.value(factor)?;
        let fits = |phrase: &&Phrase| {
            phrase.allowed.contains(&value) && (self.wording == Wording::Full || !phrase.held_out)
        };
        let fitting: Vec<&Phrase> = table.iter().filter(fits).collect();
        if fitting.is_empty() {
            return None;
        }
        let phrase = fitting[rng::below(&mut self.words.child(factor.name()).rng(), fitting.len())];
        let allowed: Vec<usize> =
            phrase.allowed.iter().filter_map(|name| factor.value_index(name).ok()).collect();
        self.claims.add(factor as usize, &allowed);
        if phrase.text.contains("{his}") && self.sexed {
            self.claim_sex();
        }
        Some(phrase.text.replace("{his}", self.possessive()))
    }

    fn phrase(&mut self, factor: Factor) -> Option<String> {
        self.phrase_from(factor, phrases(factor))
    }

    fn phrase_if_mentioned(&mut self, factor: Factor) -> Option<String> {
        if self.mentions(factor) { self.phrase(factor) } else { None }
    }

    fn claim_sex(&mut self) {
        if let Some(value) = self.face.get(Factor::Sex) {
            self.claims.add(Factor::Sex as usize, &[value]);
        }
    }

    /// Neutral where the caption does not mention the sex.
    fn possessive(&self) -> &'static str {
        match (self.sexed, self.man()) {
            (false, _) => "their",
            (true, true) => "his",
            (true, false) => "her",
        }
    }

    fn pronoun(&self) -> &'static str {
        match (self.sexed, self.man()) {
            (false, _) => "the person",
            (true, true) => "he",
            (true, false) => "she",
        }
    }

    fn hair(&mut self) -> Option<String> {
        if self.face.is(Factor::HairLength, "bald") {
            self.claims.add(Factor::HairLength as usize, &[0]);
            let options = ["a bald head", "no hair", "a shaved head"];
            let known = if self.wording == Wording::Full { 3 } else { 2 };
            return Some(self.pick("bald", &options[..known]).into());
        }
        self.face.value(Factor::HairColour)?;
        let mut parts = Vec::new();
        if self.chance("hair length", 0.42) {
            parts.extend(self.phrase(Factor::HairLength));
        }
        if self.chance("hair texture", 0.25) {
            parts.extend(self.phrase(Factor::HairTexture));
        }
        if self.chance("hair colour", 0.80) || parts.is_empty() {
            parts.extend(self.phrase(Factor::HairColour));
        }
        let mut hair = format!("{} hair", parts.join(" "));
        if self.chance("fringe", 0.10)
            && let Some(fringe) = self.phrase(Factor::Fringe)
        {
            hair = format!("{hair} with {fringe}");
        }
        Some(hair)
    }

    fn gather(&mut self) -> Content {
        let mut features = Vec::new();
        if self.mentions(Factor::HairColour)
            || (self.face.get(Factor::HairColour).is_none() && self.chance("bald", 0.6))
        {
            features.extend(self.hair());
        }
        for factor in [
            Factor::Eyes,
            Factor::FacialHair,
            Factor::Skin,
            Factor::Face,
            Factor::Brows,
            Factor::Lips,
            Factor::Marks,
            Factor::Nose,
        ] {
            features.extend(self.phrase_if_mentioned(factor));
        }
        let order = rng::permutation(&mut self.content.child("order of features").rng(), features.len());
        let mut features: Vec<String> = order.into_iter().map(|i| features[i].clone()).collect();
        let mut wears = Vec::new();
        for factor in [Factor::Glasses, Factor::Hat, Factor::Earrings, Factor::Clothes] {
            wears.extend(self.phrase_if_mentioned(factor));
        }
        let mut adjectives = Vec::new();
        let mut expression = None;
        if self.mentions(Factor::Mouth) {
            if self.style != Style::Traits && self.flip("expression as adjective", 0.4) {
                adjectives.extend(self.phrase_from(Factor::Mouth, EXPRESSION));
            } else if self.style == Style::Traits {
                expression = self.phrase_from(Factor::Mouth, EXPRESSION);
            } else {
                expression = self.phrase(Factor::Mouth);
            }
        }
        let mut after_noun = String::new();
        if let Some(age) = self.phrase_if_mentioned(Factor::Age) {
            let phrase = ["in ", "about ", "around ", "barely "].iter().any(|start| age.starts_with(start));
            match phrase {
                true if age.starts_with("in ") => after_noun = format!(" {age}"),
                true => after_noun = format!(", {age}"),
                false => adjectives.push(age),
            }
        }
        let noun = if self.sexed {
            self.phrase(Factor::Sex).unwrap_or_default()
        } else {
            self.pick("noun", &["person", "person", "face", "individual"]).into()
        };
        let mut asides = Vec::new();
        if self.style == Style::Sentences {
            let gaze = self.phrase_if_mentioned(Factor::Gaze);
            asides.extend(gaze.map(|gaze| format!("{} {gaze}", self.pronoun())));
        }
        for factor in [Factor::Background, Factor::Light] {
            asides.extend(self.phrase_if_mentioned(factor));
        }
        let silent = features.is_empty() && wears.is_empty() && adjectives.is_empty() && expression.is_none();
        if silent && after_noun.is_empty() {
            features.extend(self.hair());
        }
        Content { noun, adjectives, after_noun, features, wears, expression, asides }
    }

    fn list(&self, what: &str, items: &[String]) -> String {
        match items.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => {
                format!("{}{}{last}", rest.join(", "), self.pick(what, &[" and ", " and ", ", ", ", and "]))
            }
            None => String::new(),
        }
    }

    fn subject(&self, content: &Content) -> String {
        let mut words = content.adjectives.clone();
        words.push(content.noun.clone());
        words.join(" ")
    }

    /// `young man, glasses, short dark hair`
    fn traits(&mut self, content: Content) -> String {
        let mut bits = vec![format!("{}{}", self.subject(&content), content.after_noun)];
        bits.extend(content.features);
        if !content.wears.is_empty() {
            bits.push(format!("wearing {}", self.list("and worn", &content.wears)));
        }
        bits.extend(content.expression);
        bits.extend(content.asides);
        for (i, bit) in bits.iter_mut().enumerate() {
            if let Some(bare) = bit.strip_prefix("a ").filter(|_| self.flip(&format!("article {i}"), 0.6)) {
                *bit = bare.to_owned();
            }
        }
        bits.join(self.pick("separator", &[", ", ", ", ", ", " - ", ". "]))
    }

    /// `i see a young man with short dark hair wearing glasses, he is smiling`
    fn sentence(&mut self, content: Content) -> String {
        let openings = ["", "", "this is ", "i see ", "the photo shows ", "picture of ", "there is "];
        let subject = with_article(&self.subject(&content));
        let mut text = format!("{}{subject}{}", self.pick("opening", &openings), content.after_noun);
        if !content.features.is_empty() {
            text += self.pick("with", &[" with ", " with ", " who has ", ", with "]);
            text += &self.list("and featured", &content.features);
        }
        if !content.wears.is_empty() {
            text += self.pick("wearing", &[" wearing ", ", wearing ", " and wears "]);
            text += &self.list("and worn", &content.wears);
        }
        if let Some(expression) = content.expression {
            self.use_pronoun();
            text = format!("{text}, {} {expression}", self.pronoun());
        }
        for aside in content.asides {
            text = format!("{text}, {aside}");
        }
        text
    }

    /// `This is a young man. He has short dark hair. He is wearing glasses. He is smiling.`
    fn sentences(&mut self, content: Content) -> String {
        self.use_pronoun();
        let subject = with_article(&self.subject(&content));
        let openings =
            ["", "this is ", "i see ", "the picture shows ", "in this photo there is ", "we can see "];
        let mut text = vec![format!("{}{subject}{}", self.pick("opening", &openings), content.after_noun)];
        let pronoun = self.pronoun();
        let cut = if self.flip("one list", 0.35) {
            content.features.len()
        } else {
            content.features.len().div_ceil(2)
        };
        let (first, second) = content.features.split_at(cut);
        if !first.is_empty() {
            let has = self.pick("has", &["has", "has", "seems to have", "appears to have"]);
            text.push(format!("{pronoun} {has} {}", self.list("and featured", first)));
        }
        if !second.is_empty() {
            let also = self.pick("also", &["also has", "has", "also appears to have"]);
            text.push(format!("{pronoun} {also} {}", self.list("and also", second)));
        }
        if !content.wears.is_empty() {
            let wears = self.pick("wears", &["is wearing", "wears", "has on"]);
            text.push(format!("{pronoun} {wears} {}", self.list("and worn", &content.wears)));
        }
        text.extend(content.expression.map(|expression| format!("{pronoun} {expression}")));
        text.extend(content.asides);
        text.join(". ")
    }

    /// A pronoun claims the sex.
    fn use_pronoun(&mut self) {
        if self.sexed {
            self.claim_sex();
        }
    }

    /// The noise of hurried writers: remarks, capitals, full stops and typing errors.
    fn finish(&self, mut text: String) -> String {
        if self.chance("remark", REMARK_RATE * self.style.verbosity()) {
            text += match self.style {
                Style::Sentences => ". ",
                _ => ", ",
            };
            text += self.pick("remark", REMARKS);
        }
        if self.flip("capitals", if self.style == Style::Traits { 0.35 } else { 0.6 }) {
            text = capitals(&text);
        }
        if self.flip("full stop", if self.style == Style::Traits { 0.25 } else { 0.65 }) {
            text.push('.');
        }
        if self.flip("typo", TYPO_RATE) {
            text = mistype(&text, &mut self.words.child("typo in").rng());
        }
        text
    }
}

fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// Drops, doubles or swaps one letter of one word of at least five.
fn mistype(text: &str, stream: &mut impl Rng) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let long = |word: &String| word.len() >= 5 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let places: Vec<usize> = (0..words.len()).filter(|&i| long(&words[i])).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let place = places[rng::below(stream, places.len())];
    let mut letters: Vec<char> = words[place].chars().collect();
    let at = 1 + rng::below(stream, letters.len() - 2);
    match rng::below(stream, 3) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        _ => letters.swap(at, at + 1),
    }
    words[place] = letters.into_iter().collect();
    words.join(" ")
}
