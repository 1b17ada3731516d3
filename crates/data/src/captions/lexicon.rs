//! The lexicon of captions: phrases, and the values of attributes that each is true of.
//!
//! A lexicon is text, so that phrases are added without a change of the code:
//!
//! ```text
//! # A comment.
//! sex sex=woman sex=man                  how the lexicon names a woman and a man
//! head eyes eyed: eyes*9, peepers
//! group hair 0.67                        captions mention something of this group at this rate
//!
//! subject eyes of eyes rate 0.25 deny 0.1 rank 3 label Eyes
//!   brown                                the values that the phrases below are true of
//!     of: brown*3, hazel-brown           adjectives of the subject's head: `brown eyes`
//!   blue|green ? grey                    `?`: neither affirmed nor denied of grey eyes
//!     of: light, ~limpid                 `*3`: three times as frequent; `~`: held out
//! combined sex age rate 0.2              phrases that state several subjects at once
//!   sex=woman & age=old
//!     person: grandmother, granny
//! remarks                                phrases that state nothing
//!   - if clothes=suit
//!     wears: a raincoat
//! ```
//!
//! A subject is an attribute of the schema of the same name, or any name with claims in the form
//! `attribute=value|value`. Values after `/` are excluded by a denial too, as caps by *no hat*. Its keys: `of` a head; `group`; `rate`, the probability that a caption of
//! medium length mentions it (or, in a group, that a mention of the group does); `deny`, the same for
//! a denial in a caption that denies; `rank` of its adjectives before a noun; `label` in a list of
//! particulars, and `listed`, the places of phrases that such a list has beside nouns and adjectives; `absent`, the value that stands for nothing, such as no hat; `if`, a condition.
//!
//! A condition `if attribute=value|value` holds for faces that show one of these values; one about
//! the sex of a phrase holds if the caption also names the sex. `if silent=subject` holds if the
//! caption says nothing about a subject, `if denial` in captions that deny. Of the places of phrases see [`Slot`]. In a phrase `{his}`
//! and `{him}` agree with the person, `{looks}` and any other verb with the subject, and `{20-29}` is
//! a number of that range in digits or words. `^` in a phrase `has:` marks where an adjective of the
//! head's first subject may stand: of a subject with `of hair`, `a full ^beard` is *a full white beard*, and states
//! white hair.

use super::deniable::deniable;
use crate::attributes::{Attributes, Schema};

/// The place of a phrase in a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Slot {
    /// An adjective of the head of its subject: *brown*, of eyes.
    Of,
    /// An adjective of the person: *bearded*.
    Adjective,
    /// A noun for the person: *redhead*.
    Person,
    /// A noun phrase after *with* and *has*: *a beard*.
    Has,
    /// A noun phrase after *wearing*: *a cap*.
    Wears,
    /// A participle: *smiling*.
    Doing,
    /// What follows *is* and a noun: *in {his} twenties*.
    After,
    /// A verb phrase, its verb in braces: *{looks} sad*.
    Does,
    /// A phrase about the picture, at the end: *against a blue wall*.
    Scene,
    /// A sentence: *the light is dim*.
    Says,
    /// A noun phrase without article that is used in denials alone: *hat of any kind*.
    No,
    /// A sentence before the description: *my sister told me about this*.
    Intro,
}

impl Slot {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "of" => Self::Of,
            "adj" => Self::Adjective,
            "person" => Self::Person,
            "has" => Self::Has,
            "wears" => Self::Wears,
            "doing" => Self::Doing,
            "after" => Self::After,
            "does" => Self::Does,
            "scene" => Self::Scene,
            "says" => Self::Says,
            "no" => Self::No,
            "intro" => Self::Intro,
            _ => return None,
        })
    }
}

/// Some words, how often they are used, and whether they occur in the test parts alone.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub(super) text: String,
    pub(super) weight: usize,
    pub(super) held_out: bool,
    /// Whether a caption may deny it.
    pub(super) deniable: bool,
    /// Where an adjective of the head may be put in, in bytes.
    pub(super) mark: Option<usize>,
}

/// The values of an attribute that phrases are true of.
#[derive(Clone, Debug)]
pub(super) struct Meaning {
    pub(super) attribute: usize,
    pub(super) allowed: Vec<usize>,
    /// `allowed` with the values that a denial excludes too: *a hat* is a beanie or a hat with a brim,
    /// and nobody with a cap has no hat.
    pub(super) wide: Vec<usize>,
    /// The values that phrases are neither affirmed nor denied of: fair skin is hardly *pale* or *not
    /// pale*. The claim of a denial allows them.
    pub(super) unclear: Vec<usize>,
}

impl Meaning {
    /// Whether the phrases may be true of a value.
    pub(super) fn touches(&self, value: usize) -> bool {
        self.wide.contains(&value) || self.unclear.contains(&value)
    }
}

/// A condition of a subject, an entry or a phrase.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// The face shows one of the values.
    Shows(usize, Vec<usize>),
    /// The caption says nothing about the subject.
    Silent(String),
    /// The caption is one of those that deny.
    Denial,
}

/// Phrases of one place and one meaning.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) slot: Slot,
    pub(super) meanings: Vec<Meaning>,
    /// Of the form.
    pub(super) conditions: Vec<Condition>,
    /// Of the entry.
    pub(super) requires: Vec<Condition>,
    pub(super) phrases: Vec<Phrase>,
    /// The sums of the phrases' weights for each of [`Choices`].
    totals: [usize; 4],
}

/// The phrases of a form that a caption may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices {
    /// Those held out as well.
    pub(super) held_out: bool,
    /// Only those that can be denied.
    pub(super) deniable: bool,
}

impl Choices {
    fn include(self, phrase: &Phrase) -> bool {
        (self.held_out || !phrase.held_out) && (!self.deniable || phrase.deniable)
    }
}

/// What a caption speaks about once.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    pub(super) name: String,
    /// The attribute of this name, if there is one.
    pub(super) attribute: Option<usize>,
    /// The position of its head.
    pub(super) head: Option<usize>,
    pub(super) group: Option<String>,
    pub(super) rate: f64,
    pub(super) deny: f64,
    pub(super) rank: u8,
    pub(super) labels: Vec<String>,
    /// The places of phrases, beside nouns and adjectives, that a list of particulars may have.
    pub(super) listed: Vec<Slot>,
    pub(super) absent: Option<usize>,
    /// The number of values of its attribute, 0 without one.
    pub(super) values: usize,
    pub(super) requires: Vec<Condition>,
    pub(super) forms: Vec<Form>,
}

/// A part that adjectives describe.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) name: String,
    /// Whether it is the picture's and not the person's.
    pub(super) scene: bool,
    /// The second part of adjectives: `eyed` of *blue-eyed*.
    pub(super) suffix: Option<String>,
    /// The nouns, with `a` where they take it; those in *s* are plural.
    pub(super) nouns: Vec<Phrase>,
}

/// Phrases that state several subjects at once.
#[derive(Clone, Debug)]
pub(super) struct Combined {
    pub(super) subjects: Vec<String>,
    pub(super) rate: f64,
    pub(super) forms: Vec<Form>,
}

/// The attribute of the sex, and its value for men.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sexes {
    pub(super) attribute: usize,
    pub(super) man: usize,
}

/// All phrases for the captions of a data set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexicon {
    pub(super) sexes: Option<Sexes>,
    pub(super) heads: Vec<Head>,
    pub(super) groups: Vec<(String, f64)>,
    pub(super) subjects: Vec<Subject>,
    pub(super) combined: Vec<Combined>,
    pub(super) remarks: Vec<Form>,
}

impl Lexicon {
    /// The lexicon of a data set.
    ///
    /// # Errors
    /// The line that is not understood, with the reason.
    pub(crate) fn parse(schema: &Schema, texts: &[&str]) -> Result<Self, String> {
        let mut parser = Parser { schema, lexicon: Self::default(), place: Place::None, entry: None };
        for text in texts {
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                parser.line(line).map_err(|reason| format!("`{line}`: {reason}"))?;
            }
        }
        Ok(parser.lexicon)
    }

    /// All forms.
    pub(super) fn forms(&self) -> impl Iterator<Item = &Form> {
        let subjects = self.subjects.iter().flat_map(|subject| &subject.forms);
        subjects.chain(self.combined.iter().flat_map(|combined| &combined.forms)).chain(&self.remarks)
    }

    /// All words of the phrases, in lower case.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        let heads = self.heads.iter().flat_map(|head| &head.nouns);
        let phrases = self.forms().flat_map(|form| &form.phrases).chain(heads);
        let words = phrases.flat_map(|phrase| phrase.text.split(|c: char| !c.is_alphanumeric()));
        words.map(str::to_lowercase)
    }

    /// The subject of a name.
    pub(super) fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name == name)
    }
}

impl Form {
    fn new(
        slot: Slot,
        meanings: Vec<Meaning>,
        conditions: Vec<Condition>,
        requires: Vec<Condition>,
        phrases: Vec<Phrase>,
    ) -> Self {
        let total = |at: usize| -> usize {
            let choices = Choices { held_out: at & 1 != 0, deniable: at & 2 != 0 };
            phrases.iter().filter(|phrase| choices.include(phrase)).map(|phrase| phrase.weight).sum()
        };
        let totals = [0, 1, 2, 3].map(total);
        Self { slot, meanings, conditions, requires, phrases, totals }
    }

    /// The phrases that a caption may have.
    pub(super) fn choices(&self, choices: Choices) -> impl Iterator<Item = &Phrase> {
        self.phrases.iter().filter(move |phrase| choices.include(phrase))
    }

    /// The sum of the weights of [`Self::choices`].
    pub(super) fn total(&self, choices: Choices) -> usize {
        self.totals[usize::from(choices.held_out) + 2 * usize::from(choices.deniable)]
    }

    /// Whether the face shows what the phrases state.
    pub(super) fn holds(&self, face: &Attributes) -> bool {
        let shows =
            |meaning: &Meaning| face.value(meaning.attribute).is_some_and(|it| meaning.allowed.contains(&it));
        self.meanings.iter().all(shows)
    }

    /// Whether the face shows that the phrases are false. Only phrases about one attribute are denied.
    pub(super) fn is_false(&self, face: &Attributes) -> bool {
        let [meaning] = self.meanings.as_slice() else { return false };
        face.value(meaning.attribute).is_some_and(|value| !meaning.touches(value))
    }
}

/// The section of the current line.
enum Place {
    None,
    Subject,
    Combined,
    Remarks,
}

struct Parser<'s> {
    schema: &'s Schema,
    lexicon: Lexicon,
    place: Place,
    entry: Option<(Vec<Meaning>, Vec<Condition>)>,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "sex" if rest.contains('=') => self.sexes(rest),
            "head" => self.head(rest),
            "group" => {
                let (name, rate) = rest.split_once(' ').ok_or("a group is a name and a rate")?;
                self.lexicon.groups.push((name.into(), number(rate)?));
                Ok(())
            }
            "subject" => self.subject(rest),
            "combined" => self.combined(rest),
            "remarks" if rest.is_empty() => {
                (self.place, self.entry) = (Place::Remarks, None);
                Ok(())
            }
            _ => match line.split_once(':') {
                Some((slot, phrases)) => self.form(slot, phrases),
                None => self.values(line),
            },
        }
    }

    fn sexes(&mut self, rest: &str) -> Result<(), String> {
        let (woman, man) = rest.split_once(' ').ok_or("expected a woman and a man")?;
        let (woman, man) = (self.meaning(woman)?, self.meaning(man)?);
        if woman.attribute != man.attribute {
            return Err("a woman and a man differ in one attribute".into());
        }
        self.lexicon.sexes = Some(Sexes { attribute: man.attribute, man: man.allowed[0] });
        Ok(())
    }

    fn head(&mut self, rest: &str) -> Result<(), String> {
        let (keys, nouns) = rest.split_once(':').ok_or("a head has nouns after a colon")?;
        let mut words = keys.split_whitespace();
        let name = words.next().ok_or("a head has a name")?.to_owned();
        let mut head = Head { name, scene: false, suffix: None, nouns: phrases(nouns)? };
        for word in words {
            match word {
                "scene" => head.scene = true,
                suffix => head.suffix = Some(suffix.into()),
            }
        }
        self.lexicon.heads.push(head);
        Ok(())
    }

    fn subject(&mut self, rest: &str) -> Result<(), String> {
        let (rest, requires) = self.conditions(rest)?;
        let mut words = rest.split_whitespace();
        let name = words.next().ok_or("a subject has a name")?.to_owned();
        let attribute = self.schema.index(&name);
        let values = attribute.map_or(0, |attribute| self.schema.values(attribute).len());
        let mut subject = Subject { name, attribute, values, requires, ..Subject::default() };
        while let Some(key) = words.next() {
            let value = words.next().ok_or_else(|| format!("{key} has no value"))?;
            match key {
                "of" => {
                    let at = self.lexicon.heads.iter().position(|head| head.name == value);
                    subject.head = Some(at.ok_or_else(|| format!("there is no head {value}"))?);
                }
                "group" => subject.group = Some(value.into()),
                "rate" => subject.rate = number(value)?,
                "deny" => subject.deny = number(value)?,
                "rank" => subject.rank = number(value)? as u8,
                "label" => subject.labels = value.split('|').map(|label| label.replace('_', " ")).collect(),
                "listed" => {
                    let slot = |name| Slot::named(name).ok_or_else(|| format!("unknown place {name}"));
                    subject.listed = value.split('|').map(slot).collect::<Result<_, _>>()?;
                }
                "absent" => {
                    let attribute = attribute.ok_or("absent without an attribute")?;
                    subject.absent = Some(self.value(attribute, value)?);
                }
                _ => return Err(format!("unknown key {key}")),
            }
        }
        self.lexicon.subjects.push(subject);
        (self.place, self.entry) = (Place::Subject, None);
        Ok(())
    }

    fn combined(&mut self, rest: &str) -> Result<(), String> {
        let (subjects, rate) = rest.split_once(" rate ").ok_or("combined has a rate")?;
        let subjects = subjects.split_whitespace().map(String::from).collect();
        self.lexicon.combined.push(Combined { subjects, rate: number(rate)?, forms: Vec::new() });
        (self.place, self.entry) = (Place::Combined, None);
        Ok(())
    }

    /// A line of values: `black|brown`, `sex=woman & age=old`, or `-` for phrases that state nothing.
    fn values(&mut self, line: &str) -> Result<(), String> {
        let (values, conditions) = self.conditions(line)?;
        let own = match self.place {
            Place::Subject => self.lexicon.subjects.last().and_then(|subject| subject.attribute),
            _ => None,
        };
        let meanings = match values.trim() {
            "-" => Vec::new(),
            values if !values.contains('=') => {
                let attribute = own.ok_or("values without an attribute")?;
                vec![self.meaning_of(attribute, values)?]
            }
            values => values.split('&').map(|claim| self.meaning(claim)).collect::<Result<_, _>>()?,
        };
        self.entry = Some((meanings, conditions));
        Ok(())
    }

    fn form(&mut self, slot: &str, text: &str) -> Result<(), String> {
        let (slot, conditions) = self.conditions(slot)?;
        let slot = Slot::named(slot.trim()).ok_or_else(|| format!("unknown place {slot}"))?;
        let (meanings, requires) = self.entry.clone().ok_or("phrases without a line of values")?;
        let form = Form::new(slot, meanings, conditions, requires, phrases(text)?);
        let lexicon = &mut self.lexicon;
        let forms = match self.place {
            Place::Subject => lexicon.subjects.last_mut().map(|subject| &mut subject.forms),
            Place::Combined => lexicon.combined.last_mut().map(|combined| &mut combined.forms),
            Place::Remarks => Some(&mut lexicon.remarks),
            Place::None => None,
        };
        forms.ok_or("phrases without a subject")?.push(form);
        Ok(())
    }

    /// A text without the conditions after ` if `, and the conditions.
    fn conditions<'t>(&self, text: &'t str) -> Result<(&'t str, Vec<Condition>), String> {
        let Some((text, conditions)) = text.split_once(" if ") else { return Ok((text, Vec::new())) };
        let condition = |part: &str| match part.trim().strip_prefix("silent=") {
            Some(subject) => Ok(Condition::Silent(subject.into())),
            None if part.trim() == "denial" => Ok(Condition::Denial),
            None => self.meaning(part).map(|it| Condition::Shows(it.attribute, it.allowed)),
        };
        Ok((text, conditions.split('&').map(condition).collect::<Result<_, String>>()?))
    }

    fn meaning(&self, claim: &str) -> Result<Meaning, String> {
        let (name, values) = claim.trim().split_once('=').ok_or_else(|| format!("no claim: {claim}"))?;
        let attribute = self.schema.index(name).ok_or_else(|| format!("no attribute is called {name}"))?;
        self.meaning_of(attribute, values)
    }

    fn meaning_of(&self, attribute: usize, values: &str) -> Result<Meaning, String> {
        let list = |values: &str| -> Result<Vec<usize>, String> {
            values.trim().split('|').map(|name| self.value(attribute, name.trim())).collect()
        };
        let optional = |values: &str| if values.trim().is_empty() { Ok(Vec::new()) } else { list(values) };
        let (rest, unclear) = values.split_once('?').unwrap_or((values, ""));
        let (clear, loose) = rest.split_once('/').unwrap_or((rest, ""));
        let (allowed, unclear) = (list(clear)?, optional(unclear)?);
        let wide = [allowed.clone(), optional(loose)?].concat();
        Ok(Meaning { attribute, allowed, wide, unclear })
    }

    fn value(&self, attribute: usize, name: &str) -> Result<usize, String> {
        let values = self.schema.values(attribute);
        values.iter().position(|value| value == name).ok_or_else(|| format!("no value is called {name}"))
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("{text} is no number"))
}

/// `~raven, black*3`
fn phrases(text: &str) -> Result<Vec<Phrase>, String> {
    let phrase = |text: &str| {
        let (held_out, text) = match text.trim().strip_prefix('~') {
            Some(text) => (true, text),
            None => (false, text.trim()),
        };
        let (text, weight) = match text.split_once('*') {
            Some((text, weight)) => (text, number(weight)? as usize),
            None => (text, 1),
        };
        match text.is_empty() {
            true => Err("a phrase is empty".to_owned()),
            false => {
                let (mark, text) = (text.find('^'), text.replace('^', ""));
                Ok(Phrase { deniable: deniable(&text), text, weight, held_out, mark })
            }
        }
    };
    text.split(',').map(phrase).collect()
}
