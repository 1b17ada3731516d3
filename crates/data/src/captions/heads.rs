//! The mentions of one head in one noun phrase or clause: *long hair that is not black*.

use std::cmp::Reverse;

use super::corrections::{contrast, correction, correction_at_end};
use super::lexicon::{Head, Phrase};
use super::nouns::joined;
use super::pieces::{Denied, Placer};
use super::plan::{Said, Stance};
use super::wording::Wording;

/// The mentions of one head.
struct Group<'a> {
    head: &'a Head,
    /// The name of its keys.
    name: String,
    /// With `a` where it takes it.
    noun: &'a str,
    /// Affirmed, in the order of adjectives.
    adjectives: Vec<&'a str>,
    /// *Brown rather than black*, *not black but brown*.
    contrasts: Vec<String>,
    denied: Vec<&'a str>,
    /// A phrase that is taken back, and the one that replaces it.
    corrected: Option<(&'a str, &'a str)>,
    /// The rank of a compound adjective.
    rank: u8,
}

impl Group<'_> {
    /// The noun without its article.
    fn bare(&self) -> &str {
        self.noun.strip_prefix("a ").unwrap_or(self.noun)
    }

    /// The noun with adjectives and its article.
    fn phrase(&self, adjectives: &str) -> String {
        let article = if self.noun.starts_with("a ") { "a " } else { "" };
        let space = if adjectives.is_empty() { "" } else { " " };
        format!("{article}{adjectives}{space}{}", self.bare())
    }

    fn plural(&self) -> bool {
        self.noun.ends_with('s')
    }

    fn is(&self) -> &'static str {
        if self.plural() { "are" } else { "is" }
    }

    /// A sentence about the head: `{his} hair is long`.
    fn clause(&self, predicate: &str) -> String {
        let owner = if self.head.scene { "the" } else { "{his}" };
        format!("{owner} {} {predicate}", self.bare())
    }

    /// The contrasts and the denials, as they follow *is*.
    fn apart(&self) -> Vec<String> {
        let denied = self.denied.iter().map(|text| format!("not {text}"));
        self.contrasts.iter().cloned().chain(denied).collect()
    }

    /// What follows *is*: `long, brown and not curly`.
    fn predicate(&self) -> String {
        let plain = self.adjectives.iter().map(|text| (*text).to_owned());
        joined("and", &plain.chain(self.apart()).collect::<Vec<_>>())
    }

    /// The adjective of a compound such as *blue-eyed*, if nothing else is said.
    fn compound(&self) -> Option<&str> {
        let simple = |text: &str| !text.contains([' ', '-']) && !text.ends_with("ed");
        match self.adjectives.as_slice() {
            [only] if self.apart().is_empty() && simple(only) => Some(only),
            _ => None,
        }
    }
}

impl Placer<'_> {
    /// Places all mentions of one head.
    pub(super) fn head(&mut self, head: &Head, mentions: &[&Said]) {
        let group = self.group(head, mentions);
        if let Some((wrong, right)) = group.corrected {
            self.corrected(&group, wrong, right);
        } else if group.adjectives.is_empty() && group.contrasts.is_empty() {
            self.denied(&group);
        } else if head.scene {
            self.scene(&group);
        } else {
            self.described(&group);
        }
    }

    fn group<'a>(&self, head: &'a Head, mentions: &[&'a Said]) -> Group<'a> {
        let name = format!("head {}", head.name);
        let nouns = head.nouns.iter().filter(|noun| self.wording == Wording::Full || !noun.held_out);
        let nouns: Vec<&Phrase> = nouns.flat_map(|noun| std::iter::repeat_n(noun, noun.weight)).collect();
        let noun = nouns[self.keys.below(&name, nouns.len())].text.as_str();
        let rank = mentions.first().map_or(0, |said| said.subject.rank);
        let (contrasts, denied, corrected) = (Vec::new(), Vec::new(), None);
        let mut group =
            Group { head, name, noun, adjectives: Vec::new(), contrasts, denied, corrected, rank };
        let mut mentions = mentions.to_vec();
        // *Long curly red hair*: the lowest rank stands next to the noun, but in one caption of eight.
        mentions.sort_by_key(|said| Reverse(said.subject.rank));
        if self.keys.flip(&format!("{} order", head.name), 0.12) {
            mentions.reverse();
        }
        for said in mentions {
            let text = said.chosen.text.as_str();
            match &said.stance {
                Stance::Affirmed => group.adjectives.push(text),
                Stance::Denied | Stance::Withdrawn => group.denied.push(text),
                Stance::Contrasted(other) => {
                    group.contrasts.push(contrast(self.keys, &said.subject.name, text, &other.text));
                }
                Stance::Corrected(other) => group.corrected = Some((&other.text, text)),
            }
        }
        group
    }

    /// `black hair - no, sorry, brown`; the other mentions become a clause.
    fn corrected(&mut self, group: &Group, wrong: &str, right: &str) {
        let (keys, name) = (self.keys, group.name.as_str());
        let all: Vec<&str> = group.adjectives.iter().copied().chain([wrong]).collect();
        let phrase = group.phrase(&all.join(" "));
        let text = match keys.below(&format!("{name} correction"), 5) {
            0 | 1 => {
                let tail = if keys.flip(&format!("{name} but"), 0.4) {
                    let pronoun = if group.plural() { "they are" } else { "it is" };
                    format!("I said {}, but {pronoun} {right}", group.phrase(wrong))
                } else {
                    correction_at_end(keys, name, &group.phrase(wrong), &group.phrase(right))
                };
                self.pieces.tail.push(tail);
                phrase
            }
            2 | 3 => correction(keys, name, &phrase, right),
            _ => correction(keys, name, &phrase, &group.phrase(right)),
        };
        match group.head.scene {
            true => self.pieces.scene.push(format!("with {text}")),
            false => self.pieces.last_with.push(text),
        }
        let apart = group.apart();
        if !apart.is_empty() {
            let clause = group.clause(&format!("{} {}", group.is(), joined("and", &apart)));
            self.pieces.clauses.push(clause);
        }
    }

    /// Denials alone: `no black hair`, `hair that is not black`, `{his} hair isn't black`.
    fn denied(&mut self, group: &Group) {
        let (keys, name, is) = (self.keys, group.name.as_str(), group.is());
        let text = group.denied.join(" or ");
        let form = keys.below(&format!("{name} denial"), 6);
        if form < 3 && !group.head.scene {
            self.pieces.denied.push(Denied { text: group.phrase(&text), worn: false });
        } else if form == 3 && !group.head.scene {
            let that = [format!("that {is} not"), format!("that {is}n't"), format!("which {is} not")];
            let that = &that[keys.below(&format!("{name} that"), 3)];
            self.pieces.with.push(format!("{} {that} {text}", group.phrase("")));
        } else if form == 4 && self.lists() && !text.contains(' ') {
            self.pieces.with.push(group.phrase(&format!("non-{text}")));
        } else if form == 5 {
            let nots = ["not", "anything but", "certainly not", "far from"];
            let not = keys.pick(&format!("{name} not"), &nots);
            self.pieces.clauses.push(group.clause(&format!("{is} {not} {text}")));
        } else {
            self.pieces.clauses.push(group.clause(&format!("{is}n't {text}")));
        }
    }

    /// `against a blue wall`, `the background is blue`.
    fn scene(&mut self, group: &Group) {
        let plain = group.apart().is_empty();
        let phrase = group.phrase(&group.adjectives.join(" "));
        let text = match self.keys.below(&format!("{} scene", group.name), 4) {
            2 if plain => format!("against {phrase}"),
            3 if plain => format!("in front of {phrase}"),
            _ if plain && self.lists() => phrase,
            _ => {
                let clause = group.clause(&format!("{} {}", group.is(), group.predicate()));
                return self.pieces.clauses.push(clause);
            }
        };
        self.pieces.scene.push(text);
    }

    /// `blue eyes`, `blue-eyed`, `{his} eyes are blue`, `whose eyes are blue`.
    fn described(&mut self, group: &Group) {
        let (is, apart) = (group.is(), group.apart());
        let form = self.keys.below(&format!("{} form", group.name), 20);
        let pieces = &self.pieces;
        let (room, unattached) = (pieces.adjectives.len() < 3, pieces.after.is_empty());
        match (form, group.compound(), &group.head.suffix) {
            (0..=3, Some(adjective), Some(suffix)) if room => {
                self.pieces.adjectives.push((group.rank, format!("{adjective}-{suffix}")));
            }
            (4..=7, ..) if !self.lists() => {
                self.pieces.clauses.push(group.clause(&format!("{is} {}", group.predicate())));
            }
            (8, ..) if !self.lists() && unattached => {
                self.pieces.after.push(format!("whose {} {is} {}", group.bare(), group.predicate()));
            }
            _ => {
                // *Not black but brown hair*, where nothing else precedes the noun.
                let inline = match (group.adjectives.as_slice(), apart.as_slice()) {
                    ([], [only]) if only.starts_with("not ") => Some(only),
                    _ => None,
                };
                let noun = group.phrase(&group.adjectives.join(" "));
                match inline {
                    Some(inline) => self.pieces.with.push(group.phrase(inline)),
                    None if apart.is_empty() => self.pieces.with.push(noun),
                    None => self.pieces.last_with.push(format!("{noun} that {is} {}", joined("and", &apart))),
                }
            }
        }
    }
}
