//! Captions of CelebA, generated from its attributes.
//!
//! CelebA has no captions. A caption states a few of the attributes of its image in a list of traits,
//! in one sentence or in several; most captions leave most attributes out, as people do. About one in
//! seven states an absence, such as *without glasses*. Each has the claims of its words: the text
//! states nothing that the attributes contradict, and the claims nothing that the text does not state.
//!
//! A caption is a function of the seed, the name of the image, the number of the caption and the
//! attributes.

use rand_core::Rng;
use t2f_ops::rng::{self, Key};

use super::facts::Fact::{self, *};
use super::hair;
use super::person::{GIRL, Person};
use super::words::{ABSENCES, AGE, ENTRIES, Entry, FRINGE, HAIR, HAIRLINE, Slot};
use crate::attributes::{Attributes, Claims};
use crate::dataset::Caption;

/// The share of captions that state an absence.
const ABSENCE_RATE: f64 = 0.13;

/// The share of captions that name the sex.
const SEX_RATE: f64 = 0.85;

/// The form of a caption: a list of traits, one sentence, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Traits,
    Sentence,
    Sentences,
}

/// The phrases of a caption by their places.
#[derive(Default)]
struct Content {
    adjectives: Vec<(u8, String)>,
    near: Option<String>,
    with: Vec<String>,
    worn: Vec<String>,
    does: Vec<String>,
    says: Vec<String>,
    after: Option<String>,
    items: Vec<String>,
}

struct Writer<'a, R: Rng> {
    is: &'a dyn Fn(Fact, bool) -> bool,
    rng: R,
    style: Style,
    person: Person,
    content: Content,
    /// The subjects of the phrases so far.
    said: u32,
    claims: Claims,
}

/// The caption of this number of an image. `None` if no attribute is known.
pub(super) fn caption(attributes: &Attributes, seed: u64, name: &str, number: usize) -> Option<Caption> {
    let is = |fact: Fact, value: bool| attributes.value(fact as usize) == Some(usize::from(value));
    let mut rng = Key::new(seed).child("captions of attributes").child(name).at(number as u64).rng();
    let style = match rng::below(&mut rng, 20) {
        0..=4 => Style::Traits,
        5..=12 => Style::Sentence,
        _ => Style::Sentences,
    };
    let sexed = rng::unit(&mut rng) < SEX_RATE;
    let man = attributes.value(Male as usize).map(|value| value == 1);
    let new = |man, rng: &mut _| Person::new(man, is(Young, true), style == Style::Traits, rng);
    let person = new(man.filter(|_| sexed), &mut rng);
    let mut writer = Writer {
        is: &is,
        rng,
        style,
        person,
        content: Content::default(),
        said: 0,
        claims: Claims::default(),
    };
    writer.name_person();
    writer.gather();
    if writer.claims.is_empty() {
        writer.person = new(man, &mut writer.rng);
        writer.name_person();
    }
    if writer.claims.is_empty() {
        return None;
    }
    let text = writer.text();
    Some(Caption::new(text, writer.claims))
}

impl<R: Rng> Writer<'_, R> {
    fn chance(&mut self, rate: f64) -> bool {
        rng::unit(&mut self.rng) < rate
    }

    fn pick<'t>(&mut self, options: &[&'t str]) -> &'t str {
        options[rng::below(&mut self.rng, options.len())]
    }

    /// Claims what the noun and the pronouns state.
    fn name_person(&mut self) {
        if let Some(man) = self.person.man {
            self.claims.add(Male as usize, &[usize::from(man)]);
        }
        if self.person.noun == GIRL {
            self.said |= AGE;
            self.claims.add(Young as usize, &[1]);
        }
    }

    /// Whether an entry is true and natural, and about nothing that was said.
    fn fits(&self, entry: &Entry) -> bool {
        let facts = entry.claims.iter().chain(entry.only_if);
        entry.about & self.said == 0 && facts.into_iter().all(|(fact, value)| (self.is)(*fact, *value))
    }

    /// Chooses what the caption says.
    fn gather(&mut self) {
        if self.chance(ABSENCE_RATE) {
            self.absence();
        }
        let verbosity = match self.style {
            Style::Traits => 1.0,
            Style::Sentence => 1.1,
            Style::Sentences => 2.8,
        };
        for rate in [verbosity, 4.0, 8.0] {
            self.hair(1.0 - 0.38f64.powf(rate));
            for entry in ENTRIES {
                if self.fits(entry) && self.chance(1.0 - (1.0 - entry.rate).powf(rate)) {
                    self.say(entry);
                }
            }
            // A caption without any phrase is generated again at a higher rate.
            if self.said != 0 {
                break;
            }
        }
    }

    fn absence(&mut self) {
        let fitting: Vec<&Entry> = ABSENCES.iter().filter(|entry| self.fits(entry)).collect();
        let mut draw = rng::unit(&mut self.rng) * fitting.iter().map(|entry| entry.rate).sum::<f64>();
        for entry in fitting {
            draw -= entry.rate;
            if draw < 0.0 {
                return self.say(entry);
            }
        }
    }

    fn hair(&mut self, rate: f64) {
        if self.said & HAIR != 0 || (self.is)(Bald, true) || !self.chance(rate) {
            return;
        }
        let Some(phrase) = hair::phrase(self.is, &mut self.rng) else { return };
        self.said |= HAIR | if phrase.fringe { FRINGE } else { 0 };
        match self.room(phrase.slot) {
            true => self.put(phrase.slot, &phrase.text),
            false => self.put(Slot::With, &phrase.noun),
        }
        self.claim(&phrase.claims);
    }

    /// Adds a phrase of an entry in a place that the style has.
    fn say(&mut self, entry: &Entry) {
        let fitting: Vec<&(Slot, &str)> = entry.forms.iter().filter(|(slot, _)| self.room(*slot)).collect();
        if fitting.is_empty() {
            return;
        }
        let (slot, text) = *fitting[rng::below(&mut self.rng, fitting.len())];
        self.said |= entry.about;
        // *Bald* and *a receding hairline* contradict one another, and so do *bald* and a fringe.
        if entry.about & HAIR != 0 {
            self.said |= FRINGE | HAIRLINE;
        }
        self.put(slot, text);
        self.claim(entry.claims);
    }

    fn claim(&mut self, claims: &[(Fact, bool)]) {
        for (fact, value) in claims {
            self.claims.add(*fact as usize, &[usize::from(*value)]);
        }
    }

    /// Whether the style has a place for a phrase of this slot.
    fn room(&self, slot: Slot) -> bool {
        let Content { adjectives, near, does, after, .. } = &self.content;
        match slot {
            Slot::Adjective(4) => true,
            Slot::Adjective(_) => adjectives.iter().filter(|(rank, _)| *rank != 4).count() < 2,
            Slot::With | Slot::Worn => true,
            Slot::Near => near.is_none() && self.style != Style::Traits,
            Slot::After => after.is_none(),
            Slot::Does => match self.style {
                Style::Traits => false,
                Style::Sentence => does.is_empty(),
                Style::Sentences => does.len() < 3,
            },
            Slot::Says => self.style == Style::Sentences,
            Slot::Item => self.style == Style::Traits,
        }
    }

    fn put(&mut self, slot: Slot, text: &str) {
        let text = text.to_owned();
        let content = &mut self.content;
        match slot {
            Slot::Adjective(rank) => content.adjectives.push((rank, text)),
            Slot::Near => content.near = Some(text),
            Slot::With => content.with.push(text),
            Slot::Worn => content.worn.push(text),
            Slot::Does => content.does.push(text),
            Slot::Says => content.says.push(text),
            Slot::After => content.after = Some(text),
            Slot::Item => content.items.push(text),
        }
    }

    /// The text of the caption.
    fn text(&mut self) -> String {
        // Absences come last in a list: *with a big nose and no beard*.
        let with = std::mem::take(&mut self.content.with);
        let worn = std::mem::take(&mut self.content.worn);
        self.content.with = self.shuffled(with);
        self.content.worn = self.shuffled(worn);
        self.content.adjectives.sort_by_key(|(rank, _)| *rank);
        let text = match self.style {
            Style::Traits => self.traits(),
            Style::Sentence => {
                let sentence = self.sentence();
                let stop = if self.chance(0.5) { "." } else { "" };
                format!("{sentence}{stop}")
            }
            Style::Sentences => self.sentences(),
        };
        let text = self.person.spell(&text);
        let capital = match self.style {
            Style::Traits => 0.3,
            Style::Sentence => 0.6,
            Style::Sentences => 0.85,
        };
        if self.chance(capital) { capitals(&text) } else { text }
    }

    fn shuffled(&mut self, phrases: Vec<String>) -> Vec<String> {
        let order = rng::permutation(&mut self.rng, phrases.len());
        let mut phrases: Vec<String> = order.into_iter().map(|at| phrases[at].clone()).collect();
        phrases.sort_by_key(|phrase| ["no ", "neither "].iter().any(|start| phrase.starts_with(start)));
        phrases
    }

    /// The noun with its adjectives.
    fn noun(&self) -> String {
        let mut words = String::new();
        let mut adjectives = self.content.adjectives.iter().peekable();
        while let Some((rank, word)) = adjectives.next() {
            // Two adjectives of one kind: *a smiling, bearded young man*.
            let comma = *rank < 4 && adjectives.peek().is_some_and(|(next, _)| *next < 4);
            words += &format!("{word}{}", if comma { ", " } else { " " });
        }
        words + &self.person.noun
    }

    fn list(&mut self, phrases: &[String]) -> String {
        match phrases {
            [] => String::new(),
            [only] => only.clone(),
            [first, last] => {
                // *Lipstick and a lot of makeup, and a necklace*.
                let compound =
                    [" and ", " but "].iter().any(|word| first.contains(word) || last.contains(word));
                format!("{first}{}{last}", if compound { ", and " } else { " and " })
            }
            [rest @ .., last] => format!("{}{}{last}", rest.join(", "), self.pick(&[" and ", ", and "])),
        }
    }

    /// `young man, glasses, short dark hair`
    fn traits(&mut self) -> String {
        let mut content = std::mem::take(&mut self.content);
        let mut items = std::mem::take(&mut content.items);
        for phrase in content.with.drain(..) {
            let bare = phrase.strip_prefix("a ").or(phrase.strip_prefix("an ")).filter(|_| self.chance(0.5));
            let bare = bare.filter(|bare| !bare.starts_with("head of"));
            items.push(bare.unwrap_or(&phrase).to_owned());
        }
        if !content.worn.is_empty() {
            let worn = self.list(&content.worn);
            items.push(if self.chance(0.6) { format!("wearing {worn}") } else { worn });
        }
        items.extend(content.after.take());
        let mut items = self.shuffled(items);
        self.content = content;
        let mut subject = self.noun();
        if self.chance(0.3) {
            subject = with_article(&subject);
        }
        let separator = self.pick(&[", ", ", ", ", ", "; ", " - "]);
        items.insert(0, subject);
        let stop = if self.chance(0.2) { "." } else { "" };
        format!("{}{stop}", items.join(separator))
    }

    /// `a photo of a young man with short dark hair, wearing glasses`
    fn sentence(&mut self) -> String {
        let content = std::mem::take(&mut self.content);
        let noun = {
            self.content.adjectives = content.adjectives;
            self.noun()
        };
        let near = content.near.map(|near| format!(" {near}")).unwrap_or_default();
        let after = |long: bool| match &content.after {
            Some(after) if long => format!(", {after}"),
            Some(after) => format!(" {after}"),
            None => String::new(),
        };
        let (with, worn) = (self.list(&content.with), self.list(&content.worn));
        let does = content.does.first();
        let predicates = !with.is_empty() || !worn.is_empty() || does.is_some();
        match rng::below(&mut self.rng, 10) {
            // This young man has dark hair and is wearing glasses.
            0..=2 if predicates => {
                let subject =
                    self.pick(&["this {}", "this {}", "the {} in the photo", "the {} in the picture"]);
                let mut parts = Vec::new();
                if !with.is_empty() {
                    parts.push(format!("{} {with}", self.pick(&["has", "has", "appears to have"])));
                }
                if !worn.is_empty() {
                    parts.push(format!("{} {worn}", self.pick(&["is wearing", "wears"])));
                }
                parts.extend(does.map(|does| singular(does)));
                let text = self.list(&parts);
                format!("{}{near} {text}{}", subject.replace("{}", &noun), after(true))
            }
            // Wearing glasses, this young man has dark hair.
            3 if !with.is_empty() && !worn.is_empty() && does.is_none() => {
                let article = self.pick(&["the", "this"]);
                format!("wearing {worn}, {article} {noun}{near} has {with}{}", after(true))
            }
            // He is a young man with dark hair.
            4 if self.person.man.is_some() && does.is_none() => {
                let worn = if worn.is_empty() { worn } else { format!(" wearing {worn}") };
                let with = if with.is_empty() { with } else { format!(" with {with}") };
                let long = !with.is_empty() || !worn.is_empty();
                format!("{{he}} is {}{near}{with}{worn}{}", with_article(&noun), after(long))
            }
            _ => {
                let mut text = format!("{}{}{near}", self.opening(), with_article(&noun));
                if !with.is_empty() {
                    // *Whose hair is wavy, with full lips*.
                    text += if near.starts_with(" whose") {
                        ", with "
                    } else {
                        self.pick(&[" with ", " with ", " with ", " who has "])
                    };
                    text += &with;
                }
                if !worn.is_empty() {
                    let open: &[&str] = match content.with.len() {
                        0 => &[" wearing ", " wearing ", " who is wearing "],
                        1 => &[" wearing ", ", wearing "],
                        _ => &[", wearing "],
                    };
                    text += self.pick(open);
                    text += &worn;
                }
                let long = !with.is_empty() || !worn.is_empty();
                text += &after(long);
                if let Some(does) = does {
                    let long = long || content.after.is_some() || !near.is_empty();
                    let who = match (text.contains(" who has "), long) {
                        (true, _) if worn.is_empty() && content.after.is_none() => " and ",
                        (_, true) => ", who ",
                        _ => " who ",
                    };
                    text += &format!("{who}{}", singular(does));
                }
                text
            }
        }
    }

    fn opening(&mut self) -> &'static str {
        self.pick(&[
            "",
            "",
            "",
            "",
            "a photo of ",
            "a picture of ",
            "a portrait of ",
            "a close-up of ",
            "portrait of ",
            "this is ",
            "there is ",
            "I see ",
            "we see ",
            "the photo shows ",
            "the image shows ",
            "a headshot of ",
        ])
    }

    /// `This is a young man. He has short dark hair. He is wearing glasses.`
    fn sentences(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.content);
        // The first sentence introduces the person with at most two features.
        let first = rest.with.len().min(rng::below(&mut self.rng, 3));
        let worn_first = rest.worn.len() * usize::from(self.chance(0.25));
        self.content = Content {
            adjectives: std::mem::take(&mut rest.adjectives),
            near: rest.near.take(),
            with: rest.with.drain(..first).collect(),
            worn: rest.worn.drain(..worn_first).collect(),
            after: rest.after.take(),
            ..Content::default()
        };
        let mut sentences = vec![self.sentence()];
        let mut later = std::mem::take(&mut rest.says);
        let cut = if self.chance(0.5) { rest.with.len() } else { rest.with.len().div_ceil(2) };
        let (one, other) = rest.with.split_at(cut);
        let second = first > 0 || !one.is_empty() && !other.is_empty();
        for (features, also) in [(one, second && other.is_empty()), (other, second)] {
            if !features.is_empty() {
                let has = self.pick(if also { &["{he} {has}", "{he} also {has}"] } else { &["{he} {has}"] });
                later.push(format!("{has} {}", self.list(features)));
            }
        }
        if !rest.worn.is_empty() {
            let wears = self.pick(&["{he} {is} wearing", "{he} {wears}"]);
            later.push(format!("{wears} {}", self.list(&rest.worn)));
        }
        let does: Vec<String> = rest.does.iter().map(|does| format!("{{he}} {does}")).collect();
        later.extend(does);
        // *Also* needs a sentence before it.
        let mut later = self.shuffled(later);
        later.sort_by_key(|sentence| sentence.contains(" also "));
        sentences.extend(later);
        let stop = if self.chance(0.85) { "." } else { "" };
        format!("{}{stop}", sentences.join(". "))
    }
}

/// A verb phrase after *who*, which is singular.
fn singular(does: &str) -> String {
    let mut text = does.to_owned();
    for verb in ["is", "has", "wears", "looks", "does", "smiles", "keeps"] {
        text = text.replace(&format!("{{{verb}}}"), verb);
    }
    text
}

/// A noun with *a* or *an*.
fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// A capital at the beginning of each sentence.
fn capitals(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut begins = true;
    for letter in text.chars() {
        if begins && letter.is_alphanumeric() {
            result.extend(letter.to_uppercase());
            begins = false;
        } else {
            result.push(letter);
        }
        begins |= letter == '.';
    }
    result
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::facts::schema;
    use super::*;
    use crate::attributes::Observation;

    /// The attributes of one of many people, about as frequent as in CelebA.
    fn face(index: u64) -> Attributes {
        let mut rng = Key::new(5).at(index).rng();
        let mut draw = |rate: f64| rng::unit(&mut rng) < rate;
        let man = draw(0.42);
        let mut facts = vec![false; 40];
        for fact in &mut facts {
            *fact = draw(0.2);
        }
        let mut set = |fact: Fact, value: bool| facts[fact as usize] = value;
        set(Male, man);
        set(Young, draw(0.78));
        set(Smiling, draw(0.48));
        set(MouthOpen, draw(0.48));
        set(Bald, man && draw(0.05));
        set(Blurry, draw(0.05));
        set(NoBeard, !man || draw(0.6));
        for fact in [Shadow, Goatee, Mustache, Sideburns, Necktie] {
            set(fact, man && draw(0.2));
        }
        for fact in [HeavyMakeup, Lipstick] {
            set(fact, !man && draw(0.6));
        }
        Attributes::new(facts.into_iter().map(|fact| Observation::Value(fact.into())).collect::<Vec<_>>())
    }

    fn captions(count: usize) -> Vec<(Attributes, Caption)> {
        let of = |number: usize| {
            let face = face(number as u64 / 5);
            let caption = caption(&face, 0, &format!("{:06}.jpg", number / 5), number % 5).unwrap();
            (face, caption)
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn claims_hold_and_are_few() {
        let mut counts = BTreeMap::<usize, usize>::new();
        let captions = captions(10_000);
        for (face, caption) in &captions {
            assert!(!caption.claims.is_empty() && caption.claims.holds(face), "{caption:?}");
            for claim in &caption.claims {
                *counts.entry(claim.attribute).or_default() += 1;
            }
        }
        let mean = counts.values().sum::<usize>() as f64 / 10_000.0;
        assert!((3.0..9.0).contains(&mean), "{mean} of 40 attributes");
        let share = |fact: Fact| counts[&(fact as usize)] as f64 / 10_000.0;
        assert!((0.8..0.9).contains(&share(Male)), "{}", share(Male));
        assert_eq!(counts.len(), schema().len(), "every attribute is stated");
    }

    #[test]
    fn captions_are_varied_and_some_state_an_absence() {
        let captions = captions(10_000);
        let texts: BTreeSet<&str> = captions.iter().map(|(_, caption)| caption.text.as_str()).collect();
        assert!(texts.len() > 9_700, "{}", texts.len());
        let denies = |text: &str| {
            let text = text.to_lowercase();
            let mut words = text.split(|letter: char| !letter.is_alphabetic() && letter != '-');
            words.any(|word| {
                ["no", "not", "without", "neither", "clean-shaven", "hatless", "beardless", "unsmiling"]
                    .contains(&word)
            })
        };
        let share = texts.iter().filter(|text| denies(text)).count() as f64 / texts.len() as f64;
        assert!((0.12..0.18).contains(&share), "{share}");
        let words: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| text.split(|letter: char| !letter.is_alphabetic()))
            .map(str::to_lowercase)
            .collect();
        assert!(words.len() > 200, "{}", words.len());
    }

    #[test]
    fn captions_are_well_formed() {
        for (_, Caption { text, .. }) in captions(10_000) {
            let lower = text.to_lowercase();
            let plain = !text.contains(['{', '}', '_', '\t']) && text.trim() == text;
            assert!(
                plain && !["  ", " ,", " .", "..", ",,", ", ,"].iter().any(|fault| text.contains(fault)),
                "{text}"
            );
            let words: Vec<&str> = lower.split_whitespace().collect();
            for pair in words.windows(2) {
                let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', 'u']);
                let article = ["a", "an"].contains(&pair[0]);
                assert!(!article || vowel == (pair[0] == "an"), "{text}");
                assert!(pair[0] != pair[1], "{text}");
            }
            for (subject, verbs) in [("they", ["is", "has", "wears"]), ("he", ["are", "have", "wear"])] {
                let wrong =
                    |pair: &[&str]| pair[0] == subject && verbs.contains(&pair[1].trim_end_matches(','));
                assert!(!words.windows(2).any(wrong), "{text}");
            }
        }
    }

    #[test]
    fn a_caption_depends_on_seed_name_number_and_attributes_alone() {
        let face = face(3);
        let of = |seed, name, number| caption(&face, seed, name, number).unwrap();
        assert_eq!(of(0, "000001.jpg", 2), of(0, "000001.jpg", 2));
        let others = [of(1, "000001.jpg", 2), of(0, "000002.jpg", 2), of(0, "000001.jpg", 3)];
        assert!(others.iter().all(|other| *other != of(0, "000001.jpg", 2)));
        assert!(caption(&Attributes::unknown(40), 0, "000001.jpg", 0).is_none());
    }
}
