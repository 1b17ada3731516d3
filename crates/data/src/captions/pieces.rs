//! The phrases of a caption at their places, before they become a text.
//!
//! A mention becomes one piece: an adjective, a noun phrase after *with*, a clause, a denial. The
//! mentions of one head share one noun: *long curly black hair that is not dyed*.

use super::corrections::{contrast, correction, correction_at_end, withdrawal, withdrawal_at_end};
use super::keys::Keys;
use super::lexicon::{Lexicon, Slot};
use super::plan::{Chosen, Plan, Said, Stance, Style};
use super::wording::Wording;

/// A denied noun phrase, and whether it is worn.
#[derive(Clone, Debug)]
pub(super) struct Denied {
    pub(super) text: String,
    pub(super) worn: bool,
}

/// The phrases of a caption by their places. Verbs and pronouns are in braces.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// With the rank in the order of adjectives.
    pub(super) adjectives: Vec<(u8, String)>,
    /// Nouns for the person, the sex last.
    pub(super) nouns: Vec<String>,
    /// Nouns for the person beside the first.
    pub(super) appositions: Vec<String>,
    /// Directly after the noun.
    pub(super) after: Vec<String>,
    pub(super) with: Vec<String>,
    pub(super) wears: Vec<String>,
    /// Participles and what else follows *is*.
    pub(super) doing: Vec<String>,
    /// Verb phrases.
    pub(super) does: Vec<String>,
    /// Clauses with a subject of their own: `{his} hair is long`.
    pub(super) clauses: Vec<String>,
    pub(super) denied: Vec<Denied>,
    /// What follows *is not*.
    pub(super) not: Vec<String>,
    /// The last items of lists: noun phrases with a correction or a contrast.
    pub(super) last_with: Vec<String>,
    pub(super) last_wears: Vec<String>,
    pub(super) scene: Vec<String>,
    pub(super) says: Vec<String>,
    /// Corrections at the end.
    pub(super) tail: Vec<String>,
}

/// Places the mentions of a plan.
pub(super) fn place(lexicon: &Lexicon, plan: &Plan, wording: Wording, keys: Keys) -> Pieces {
    let mut placer = Placer { lexicon, wording, keys, style: plan.style, pieces: Pieces::default() };
    let mut heads = Vec::new();
    let mentions = carry(lexicon, plan, keys);
    for said in &mentions {
        match (said.chosen.form.slot, said.subject.head) {
            (Slot::Of, Some(head)) if !heads.contains(&head) => {
                heads.push(head);
                let of_head =
                    |said: &&Said| said.chosen.form.slot == Slot::Of && said.subject.head == Some(head);
                let group: Vec<&Said> = mentions.iter().filter(of_head).collect();
                placer.head(&lexicon.heads[head], &group);
            }
            (Slot::Of, _) => {}
            _ => placer.said(said),
        }
    }
    for (number, remark) in plan.remarks.iter().enumerate() {
        placer.affirmed(&format!("remark {number}"), 6, remark.form.slot, &remark.text);
    }
    placer.pieces.adjectives.sort_by_key(|(rank, _)| *rank);
    // *No hat or mole on his cheek*: a mole on his hat is not meant.
    placer
        .pieces
        .denied
        .sort_by_key(|denied| [" in ", " on ", " of "].iter().any(|word| denied.text.contains(word)));
    placer.pieces
}

/// The mentions, where a noun may carry the adjective of a head: *a white beard* in place of *a beard* and
/// *white hair*.
fn carry<'l>(lexicon: &Lexicon, plan: &Plan<'l>, keys: Keys) -> Vec<Said<'l>> {
    let mut said = plan.said.clone();
    let affirmed =
        |said: &Said, slot| said.chosen.form.slot == slot && matches!(said.stance, Stance::Affirmed);
    for (at, head) in lexicon.heads.iter().enumerate() {
        let Some(first) = lexicon.subjects.iter().find(|subject| subject.head == Some(at)) else { continue };
        let adjective =
            said.iter().position(|said| said.subject.name == first.name && affirmed(said, Slot::Of));
        let carries =
            |it: &Said| affirmed(it, Slot::Has) && it.subject.head == Some(at) && it.chosen.mark.is_some();
        let carriers: Vec<usize> = (0..said.len()).filter(|at| carries(&said[*at])).collect();
        let (Some(adjective), false) = (adjective, carriers.is_empty()) else { continue };
        if !keys.flip(&format!("{} carried", head.name), 0.5) {
            continue;
        }
        let carrier = carriers[keys.below(&format!("{} carrier", head.name), carriers.len())];
        let text = said[adjective].chosen.text.clone();
        let chosen = &mut said[carrier].chosen;
        if let Some(mark) = chosen.mark {
            chosen.text.insert_str(mark, &format!("{text} "));
        }
        // *Brown hair and a brown beard*.
        let other = said[carrier].subject.group != said[adjective].subject.group;
        if !(other && keys.flip(&format!("{} carried too", head.name), 0.2)) {
            said.remove(adjective);
        }
    }
    said
}

/// The places of the phrases so far.
pub(super) struct Placer<'l> {
    lexicon: &'l Lexicon,
    pub(super) wording: Wording,
    pub(super) keys: Keys,
    style: Style,
    pub(super) pieces: Pieces,
}

impl Placer<'_> {
    fn said(&mut self, said: &Said) {
        let (name, rank) = (said.subject.name.as_str(), said.subject.rank);
        let Chosen { form, text, .. } = &said.chosen;
        let slot = form.slot;
        match &said.stance {
            Stance::Affirmed => {
                let sex = self.lexicon.sexes.map(|sexes| sexes.attribute);
                match slot {
                    Slot::Person if form.meanings.iter().any(|it| Some(it.attribute) == sex) => {
                        self.pieces.nouns.push(text.clone());
                    }
                    _ => self.affirmed(name, rank, slot, text),
                }
            }
            Stance::Denied => match slot {
                Slot::Has | Slot::No => self.deny(text, false),
                Slot::Wears => self.deny(text, true),
                Slot::Person => self.pieces.not.push(format!("a {text}")),
                Slot::Does => {
                    let text = format!("{{doesn't}} {}", super::person::infinitive(text));
                    self.pieces.does.push(text);
                }
                _ => self.pieces.not.push(text.clone()),
            },
            Stance::Withdrawn if self.keys.flip(&format!("{name} withdrawn at the end"), 0.5) => {
                self.affirmed(name, rank, slot, text);
                self.pieces.tail.push(withdrawal_at_end(self.keys, name, text));
            }
            Stance::Withdrawn => self.last(slot, &withdrawal(self.keys, name, text)),
            Stance::Contrasted(other) => {
                self.last(slot, &contrast(self.keys, name, text, &other.text));
            }
            Stance::Corrected(other) if self.keys.flip(&format!("{name} corrected at the end"), 0.4) => {
                self.affirmed(name, rank, slot, &other.text);
                self.pieces.tail.push(correction_at_end(self.keys, name, &other.text, text));
            }
            Stance::Corrected(other) => {
                self.last(slot, &correction(self.keys, name, &other.text, text));
            }
        }
    }

    /// Places a contrast or a correction: last in a list, or after *is*.
    fn last(&mut self, slot: Slot, text: &str) {
        let text = text.replace("-year-old", " years old");
        match slot {
            Slot::Has => self.pieces.last_with.push(text),
            Slot::Wears => self.pieces.last_wears.push(text),
            _ => self.pieces.doing.push(text),
        }
    }

    /// Whether the caption is a list.
    pub(super) fn lists(&self) -> bool {
        matches!(self.style, Style::Traits | Style::Record)
    }

    fn deny(&mut self, text: &str, worn: bool) {
        // *A beard or a moustache* is two items of a list.
        for part in text.split(" or ") {
            self.pieces.denied.push(Denied { text: part.to_owned(), worn });
        }
    }

    fn affirmed(&mut self, name: &str, rank: u8, slot: Slot, text: &str) {
        let keys = self.keys;
        let flip = |what: &str, rate: f64| keys.flip(&format!("{name} {what}"), rate);
        let traits = self.lists();
        let text = text.to_owned();
        let pieces = &mut self.pieces;
        match slot {
            Slot::Adjective if pieces.adjectives.len() < 3 && (traits || flip("before the noun", 0.75)) => {
                pieces.adjectives.push((rank, text));
            }
            Slot::Adjective => pieces.doing.push(text.replace("-year-old", " years old")),
            Slot::Person => pieces.nouns.insert(0, text),
            Slot::Has => pieces.with.push(text),
            Slot::Wears if !traits && pieces.after.is_empty() && flip("in", 0.16) => {
                pieces.after.push(format!("in {text}"));
            }
            Slot::Wears => pieces.wears.push(text),
            Slot::Doing => pieces.doing.push(text),
            Slot::After if pieces.after.is_empty() && !flip("is", 0.15) => pieces.after.push(text),
            Slot::After => match text.strip_prefix("with ") {
                Some(phrase) => pieces.with.push(phrase.to_owned()),
                None if text.starts_with("from ") => pieces.after.push(text),
                None => pieces.doing.push(text),
            },
            Slot::Does => pieces.does.push(text),
            Slot::Scene => pieces.scene.push(text),
            Slot::Says => pieces.says.push(text),
            Slot::Of | Slot::No | Slot::Intro => {}
        }
    }
}
