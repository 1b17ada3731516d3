//! The content of a caption: which subjects it mentions and how, and the phrase for each.
//!
//! Each subject is decided from keys of its own, so that a change of one attribute leaves what the
//! caption says about the others as it was.

use t2f_ops::rng;

use super::deniable::deniable;
use super::keys::Keys;
use super::lexicon::{Choices, Condition, Form, Lexicon, Slot, Subject};
use super::numbers::resolve;
use super::wording::Wording;
use crate::attributes::{Attributes, Claims, Schema};

/// The share of captions that may deny something. With the corrections and contrasts, and since some
/// of them find nothing to deny, three in ten captions hold a denial or correction.
const DENIALS: f64 = 0.215;
/// The share of captions that may correct themselves.
const CORRECTIONS: f64 = 0.05;
/// The share of captions that may name a value beside another one: *not black but brown*.
const CONTRASTS: f64 = 0.04;
/// The share of captions that deny where one denied phrase is affirmed first: *a hat - no, no hat*.
const WITHDRAWALS: f64 = 0.2;
/// The rate of a denial where something is there: *no sunglasses* of somebody in round glasses.
const SPECIFIC_DENIAL: f64 = 0.1;
/// The share of captions with one remark or more, and of those with a second one.
const REMARKS: f64 = 0.28;
const SECOND_REMARK: f64 = 0.3;
/// The share of captions with a sentence before the description.
const INTRO: f64 = 0.05;

/// The form of a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A list of traits: *young man, glasses, short dark hair*.
    Traits,
    /// A description in one sentence.
    Sentence,
    /// A description in several sentences.
    Sentences,
    /// A request: *draw me a man with a beard*.
    Request,
    /// A list of particulars: *Sex: male. Hair: brown.*
    Record,
}

impl Style {
    /// The amount that a caption of this style mentions, relative to medium length.
    fn verbosity(self) -> f64 {
        match self {
            Self::Traits => 0.85,
            Self::Sentence => 1.0,
            Self::Sentences => 2.1,
            Self::Request => 0.9,
            Self::Record => 1.2,
        }
    }

    fn draw(keys: Keys) -> Self {
        const STYLES: [(Style, f64); 5] = [
            (Style::Traits, 0.23),
            (Style::Sentence, 0.30),
            (Style::Sentences, 0.28),
            (Style::Request, 0.15),
            (Style::Record, 0.04),
        ];
        let mut stream = keys.content.child("style").rng();
        STYLES[rng::weighted(&mut stream, STYLES.iter().map(|(_, share)| *share))].0
    }
}

/// A phrase of the lexicon in this caption.
#[derive(Clone, Debug)]
pub(super) struct Chosen<'l> {
    pub(super) form: &'l Form,
    pub(super) text: String,
    /// Where an adjective of the head may be put in, in bytes.
    pub(super) mark: Option<usize>,
}

/// How a caption mentions a subject.
#[derive(Clone, Debug)]
pub(super) enum Stance<'l> {
    Affirmed,
    Denied,
    /// The phrase rather than another one.
    Contrasted(Chosen<'l>),
    /// The phrase after another one that is taken back.
    Corrected(Chosen<'l>),
    /// The phrase, taken back: *a hat - no, no hat*.
    Withdrawn,
}

/// A mention of a subject.
#[derive(Clone, Debug)]
pub(super) struct Said<'l> {
    pub(super) subject: &'l Subject,
    pub(super) chosen: Chosen<'l>,
    pub(super) stance: Stance<'l>,
}

/// The content of a caption.
#[derive(Debug)]
pub(super) struct Plan<'l> {
    pub(super) style: Style,
    /// Whether the person is a man, if the caption names the sex.
    pub(super) man: Option<bool>,
    /// In the order of the caption.
    pub(super) said: Vec<Said<'l>>,
    pub(super) remarks: Vec<Chosen<'l>>,
    pub(super) intro: Option<Chosen<'l>>,
    pub(super) claims: Claims,
}

/// The weight of the phrases of a form, as a factor of their own.
#[derive(Clone, Copy)]
struct Weight {
    factor: f64,
    /// Whether it has only those that can be denied.
    deniable: bool,
}

const ANY: Weight = Weight { factor: 1.0, deniable: false };

/// The item in whose weight `rest` of the sum of all lies, and what is left of `rest` there.
fn take<T>(items: impl Iterator<Item = (T, f64)>, rest: &mut f64) -> Option<T> {
    let mut last = None;
    for (item, weight) in items {
        last = Some(item);
        if *rest < weight {
            break;
        }
        *rest -= weight;
    }
    last
}

/// What choices depend on.
struct Planner<'l, 'f> {
    lexicon: &'l Lexicon,
    face: &'f Attributes,
    wording: Wording,
    keys: Keys,
    style: Style,
    /// Whether the caption may deny something.
    denies: bool,
    man: Option<bool>,
}

/// The plan of a caption; `None` if nothing is known of the face.
pub(super) fn plan<'l>(
    lexicon: &'l Lexicon,
    schema: &Schema,
    face: &Attributes,
    wording: Wording,
    keys: Keys,
) -> Option<Plan<'l>> {
    let style = Style::draw(keys);
    let denies = keys.chance("denies", DENIALS);
    let mut planner = Planner { lexicon, face, wording, keys, style, denies, man: None };
    let mut said = Vec::new();
    // A caption that mentions nothing names the sex; if that is unknown, it is planned at a higher rate.
    for (rate, sexed) in [(1.0, false), (1.0, true), (5.0, true), (40.0, true)] {
        planner.man = planner.names_sex(sexed);
        said = lexicon.subjects.iter().filter_map(|subject| planner.mention(subject, rate)).collect();
        if !said.is_empty() {
            break;
        }
    }
    planner.combine(&mut said);
    planner.alternate(&mut said);
    said.sort_by_cached_key(|said| keys.rank(&said.subject.name));
    let claims = claims(&said, schema);
    if claims.is_empty() {
        return None;
    }
    let (remarks, intro) = planner.remarks(&said);
    Some(Plan { style, man: planner.man, said, remarks, intro, claims })
}

/// The claims of the phrases: what is affirmed, or all that a denial leaves.
fn claims(said: &[Said], schema: &Schema) -> Claims {
    let mut claims = Claims::default();
    for Said { chosen, stance, .. } in said {
        for meaning in &chosen.form.meanings {
            let allowed = match stance {
                Stance::Denied | Stance::Withdrawn => {
                    let all = 0..schema.values(meaning.attribute).len();
                    all.filter(|value| !meaning.wide.contains(value)).collect()
                }
                _ => meaning.allowed.clone(),
            };
            claims.add(meaning.attribute, &allowed);
        }
    }
    claims
}

impl<'l> Planner<'l, '_> {
    /// Whether the person is a man, if the caption names the sex, which it must where `always`.
    fn names_sex(&self, always: bool) -> Option<bool> {
        let sexes = self.lexicon.sexes?;
        let value = self.face.value(sexes.attribute)?;
        let own = |subject: &&Subject| subject.attribute == Some(sexes.attribute);
        let subject = self.lexicon.subjects.iter().find(own)?;
        (always || self.keys.chance(&subject.name, subject.rate)).then_some(value == sexes.man)
    }

    /// The mention of a subject, if the caption has one.
    fn mention(&self, subject: &'l Subject, rate: f64) -> Option<Said<'l>> {
        let keys = self.keys;
        if self.lexicon.sexes.is_some_and(|sexes| subject.attribute == Some(sexes.attribute)) {
            self.man?;
            return self.affirm(subject);
        }
        if !subject.requires.iter().all(|condition| self.holds(condition, false)) {
            return None;
        }
        let value = subject.attribute.map(|attribute| self.face.value(attribute));
        if value == Some(None) {
            return None;
        }
        let absent = subject.absent.is_some() && value.flatten() == subject.absent;
        let deny = match subject.absent {
            Some(_) if !absent => subject.deny * SPECIFIC_DENIAL,
            _ => subject.deny,
        };
        let denies = self.denies && keys.chance(&format!("deny {}", subject.name), deny);
        if denies && let Some(said) = self.deny(subject, absent) {
            return Some(said);
        }
        if absent {
            return None;
        }
        let verbosity = self.style.verbosity() * rate;
        let mentioned = match &subject.group {
            Some(group) => {
                let of = |(name, rate): &(String, f64)| (name == group).then_some(*rate);
                let share = self.lexicon.groups.iter().find_map(of).unwrap_or(1.0);
                keys.chance(&format!("group {group}"), raised(share, verbosity))
                    && keys.chance(&subject.name, raised(subject.rate, rate))
            }
            None => keys.chance(&subject.name, raised(subject.rate, verbosity)),
        };
        if mentioned { self.affirm(subject) } else { None }
    }

    fn affirm(&self, subject: &'l Subject) -> Option<Said<'l>> {
        let fits = |form: &Form| form.slot != Slot::No && form.holds(self.face);
        let chosen = self.choose(&subject.name, &subject.forms, &subject.listed, &fits, &|_| ANY)?;
        Some(Said { subject, chosen, stance: Stance::Affirmed })
    }

    /// A phrase that is false of the face, or one for nothing where nothing is there.
    fn deny(&self, subject: &'l Subject, absent: bool) -> Option<Said<'l>> {
        // *Not bare-headed* is no denial that anybody makes.
        let nothing = |form: &Form| {
            form.meanings.iter().any(|it| it.allowed.iter().any(|value| Some(*value) == subject.absent))
        };
        let denied = |form: &Form| {
            form.is_false(self.face) && !nothing(form) && !matches!(form.slot, Slot::Scene | Slot::Says)
        };
        let absence = |form: &Form| {
            let only = form.requires.iter().any(|condition| matches!(condition, Condition::Denial));
            (absent || only) && form.slot != Slot::No && form.holds(self.face)
        };
        let fits = |form: &Form| denied(form) || absence(form);
        // *No glasses* is more frequent than *no round glasses*.
        let weight = |form: &Form| match form.meanings.first() {
            Some(meaning) if denied(form) => {
                let breadth = if subject.absent.is_some() { meaning.wide.len().pow(3) } else { 1 };
                Weight { deniable: true, factor: breadth as f64 }
            }
            _ => Weight { deniable: false, factor: 2.0 },
        };
        let chosen = self.choose(&subject.name, &subject.forms, &subject.listed, &fits, &weight)?;
        let stance = if denied(chosen.form) { Stance::Denied } else { Stance::Affirmed };
        Some(Said { subject, chosen, stance })
    }

    /// One of the phrases that fit the face and the caption. A list of particulars has nouns and adjectives,
    /// and phrases of the places `listed`.
    fn choose(
        &self,
        name: &str,
        forms: &'l [Form],
        listed: &[Slot],
        fits: &dyn Fn(&Form) -> bool,
        weight: &dyn Fn(&Form) -> Weight,
    ) -> Option<Chosen<'l>> {
        let listed = |form: &Form| match form.slot {
            Slot::After if form.meanings.is_empty() => true,
            Slot::Does | Slot::Says | Slot::Scene | Slot::After => listed.contains(&form.slot),
            _ => true,
        };
        let usable = |form: &&Form| {
            fits(form)
                && (self.style != Style::Record || listed(form))
                && form.requires.iter().all(|condition| self.holds(condition, false))
                && form.conditions.iter().all(|condition| self.holds(condition, true))
        };
        let held_out = self.wording == Wording::Full;
        let weighed = forms.iter().filter(usable).map(|form| {
            let Weight { deniable, factor } = weight(form);
            let choices = Choices { held_out, deniable };
            ((form, choices, factor), factor * form.total(choices) as f64)
        });
        let weighed: Vec<_> = weighed.filter(|(_, weight)| *weight > 0.0).collect();
        let all: f64 = weighed.iter().map(|(_, weight)| *weight).sum();
        let mut rest = rng::unit(&mut self.keys.words.child(name).rng()) * all;
        let (form, choices, factor) = take(weighed.into_iter(), &mut rest)?;
        let phrases = form.choices(choices).map(|phrase| (phrase, factor * phrase.weight as f64));
        let phrase = take(phrases, &mut rest)?;
        Some(Chosen { form, text: resolve(&phrase.text, self.keys, name), mark: phrase.mark })
    }

    /// Whether a condition holds; one about the sex asks of a phrase that the caption names it.
    fn holds(&self, condition: &Condition, named: bool) -> bool {
        let (attribute, values) = match condition {
            Condition::Shows(attribute, values) => (attribute, values),
            Condition::Denial => return self.denies,
            Condition::Silent(_) => return true,
        };
        let sex = self.lexicon.sexes.is_some_and(|sexes| sexes.attribute == *attribute);
        let known = !(named && sex) || self.man.is_some();
        known && self.face.value(*attribute).is_some_and(|value| values.contains(&value))
    }

    /// Replaces mentions by one phrase that states them all: *grandmother*.
    fn combine(&self, said: &mut Vec<Said<'l>>) {
        for combined in &self.lexicon.combined {
            let names = &combined.subjects;
            let affirmed = |name: &String| {
                let own = said.iter().find(|said| said.subject.name == *name);
                own.is_some_and(|said| matches!(said.stance, Stance::Affirmed))
            };
            let name = names.join(" and ");
            if !names.iter().all(affirmed) || !self.keys.flip(&format!("{name} at once"), combined.rate) {
                continue;
            }
            let fits = |form: &Form| form.holds(self.face);
            let chosen = self.choose(&name, &combined.forms, &[], &fits, &|_| ANY);
            let Some(chosen) = chosen else { continue };
            let Some(subject) = self.lexicon.subject(&names[0]) else { continue };
            said.retain(|said| !names.contains(&said.subject.name));
            said.push(Said { subject, chosen, stance: Stance::Affirmed });
        }
    }

    /// Gives one mention another phrase that is denied or taken back, and takes back a denied one.
    fn alternate(&self, said: &mut [Said<'l>]) {
        let keys = self.keys;
        if keys.chance("withdrawal", WITHDRAWALS) {
            let mut denied: Vec<&mut Said> = said.iter_mut().filter(|said| withdrawable(said)).collect();
            denied.sort_by_cached_key(|said| keys.rank(&format!("withdrawn {}", said.subject.name)));
            if let Some(first) = denied.into_iter().next() {
                first.stance = Stance::Withdrawn;
            }
        }
        for (name, rate) in [("contrast", CONTRASTS), ("correction", CORRECTIONS)] {
            if !keys.chance(name, rate) {
                continue;
            }
            let rank = |said: &Said| keys.rank(&format!("{name} {}", said.subject.name));
            let mut order: Vec<usize> = (0..said.len()).collect();
            order.sort_by_cached_key(|at| rank(&said[*at]));
            for at in order {
                if !matches!(said[at].stance, Stance::Affirmed) {
                    continue;
                }
                if let Some(other) = self.other(&said[at], name) {
                    let stance = if name == "contrast" { Stance::Contrasted } else { Stance::Corrected };
                    said[at].stance = stance(other);
                    break;
                }
            }
        }
    }

    /// A phrase of the same place that is false of the face and excludes the one of the mention.
    fn other(&self, said: &Said<'l>, purpose: &str) -> Option<Chosen<'l>> {
        let form = said.chosen.form;
        let places = [Slot::Of, Slot::Has, Slot::Wears, Slot::Adjective, Slot::Doing, Slot::After];
        let [meaning] = form.meanings.as_slice() else { return None };
        if !places.contains(&form.slot) || !deniable(&said.chosen.text) {
            return None;
        }
        let fits = |other: &Form| {
            let [rival] = other.meanings.as_slice() else { return false };
            other.slot == form.slot
                && other.is_false(self.face)
                && (rival.attribute != meaning.attribute
                    || !(rival.wide.iter().chain(&rival.unclear)).any(|value| meaning.touches(*value)))
                && rival.allowed.iter().all(|value| Some(*value) != said.subject.absent)
        };
        let weight = |_: &Form| Weight { deniable: true, factor: 1.0 };
        self.choose(&format!("{purpose} {}", said.subject.name), &said.subject.forms, &[], &fits, &weight)
    }

    /// The remarks, and the sentence before the description.
    fn remarks(&self, said: &[Said]) -> (Vec<Chosen<'l>>, Option<Chosen<'l>>) {
        let keys = self.keys;
        let silent = |form: &Form| {
            let speaks = |name: &String| said.iter().any(|said| said.subject.name == *name);
            form.conditions.iter().chain(&form.requires).all(|condition| match condition {
                Condition::Silent(name) => !speaks(name),
                Condition::Shows(..) | Condition::Denial => true,
            })
        };
        let mut remarks: Vec<Chosen> = Vec::new();
        let count = match keys.chance("remark", REMARKS) {
            true => 1 + usize::from(keys.chance("second remark", SECOND_REMARK)),
            false => 0,
        };
        for number in 0..count {
            let taken: Vec<Slot> = remarks.iter().map(|remark| remark.form.slot).collect();
            let fits = |form: &Form| form.slot != Slot::Intro && !taken.contains(&form.slot) && silent(form);
            let name = format!("remark {number}");
            remarks.extend(self.choose(&name, &self.lexicon.remarks, &[], &fits, &|form| {
                let share = if form.slot == Slot::Wears { 12.0 } else { 5.0 };
                Weight { deniable: false, factor: share / form.phrases.len() as f64 }
            }));
        }
        let introduced = matches!(self.style, Style::Sentences | Style::Sentence | Style::Request);
        let intro = (introduced && keys.chance("intro", INTRO)).then(|| {
            let fits = |form: &Form| form.slot == Slot::Intro;
            self.choose("intro", &self.lexicon.remarks, &[], &fits, &|_| ANY)
        });
        (remarks, intro.flatten())
    }
}

/// The probability of an event of this rate in so much more text.
fn raised(rate: f64, verbosity: f64) -> f64 {
    1.0 - (1.0 - rate).powf(verbosity)
}

/// Whether a mention is of something that a caption may affirm before it denies it.
fn withdrawable(said: &Said) -> bool {
    matches!(said.stance, Stance::Denied)
        && matches!(said.chosen.form.slot, Slot::Has | Slot::Wears)
        && said.subject.absent.is_some()
        && !said.chosen.text.contains(" or ")
}
