//! From pieces to a text: the styles of captions.

use super::keys::Keys;
use super::nouns::{articles, bare, joined};
use super::openings::{DESCRIPTIONS, REQUESTS};
use super::person::{Person, Subject};
use super::pieces::Pieces;
use super::plan::Style;

/// The text of a caption without the noise of its surface.
pub(super) fn compose(
    pieces: Pieces,
    style: Style,
    person: &Person,
    keys: Keys,
    intro: Option<&str>,
) -> String {
    let mut composer = Composer { keys, person, style, pieces };
    let text = match style {
        Style::Traits => composer.traits(),
        Style::Sentences => composer.sentences(),
        _ => composer.sentence(),
    };
    let text = match intro {
        Some(intro) => format!("{intro}. {text}"),
        None => text,
    };
    articles(&person.spell(&text, Subject::Pronoun))
}

/// The composition of one caption.
pub(super) struct Composer<'p> {
    pub(super) keys: Keys,
    person: &'p Person,
    style: Style,
    pieces: Pieces,
}

impl Composer<'_> {
    fn pick<'t>(&self, name: &str, options: &[&'t str]) -> &'t str {
        self.keys.pick(name, options)
    }

    /// The text with verbs that agree with a noun or *who*.
    fn singular(&self, text: &str) -> String {
        self.person.spell(text, Subject::Noun)
    }

    /// The noun with its adjectives and an article.
    fn noun(&mut self) -> String {
        let nouns = std::mem::take(&mut self.pieces.nouns);
        let mut adjectives: Vec<String> = Vec::new();
        let mut last_rank = None;
        for (rank, word) in &self.pieces.adjectives {
            // Adjectives of one kind have a comma: *a smiling, bearded young man*.
            if let (true, Some(last)) =
                (*rank > 1 && last_rank.is_some_and(|last| last > 1), adjectives.last_mut())
            {
                last.push(',');
            }
            adjectives.push(word.clone());
            last_rank = Some(*rank);
        }
        adjectives.reverse();
        // The adjectives are in ascending rank, and the lowest stands next to the noun.
        let mut words: Vec<String> = Vec::new();
        for (at, word) in adjectives.iter().enumerate() {
            let comma = adjectives.get(at + 1).is_some_and(|next| next.ends_with(','));
            words.push(format!("{}{}", word.trim_end_matches(','), if comma { "," } else { "" }));
        }
        let (main, further) = match nouns.split_last() {
            Some((main, further)) => (main.clone(), further.to_vec()),
            None => {
                let dressed = self.style == Style::Sentences
                    || !(self.pieces.wears.is_empty()
                        && self.pieces.after.is_empty()
                        && self.pieces.doing.is_empty());
                let nouns = ["person", "person", "person", "individual", "someone", "face"];
                (self.pick("noun", &nouns[..if dressed { 5 } else { 6 }]).into(), Vec::new())
            }
        };
        if main == "someone" {
            if !words.is_empty() {
                words.push("person".into());
                return format!("a {}", words.join(" "));
            }
            return main;
        }
        words.push(main);
        self.pieces.appositions.extend(further.iter().rev().map(|noun| format!("a {noun}")));
        format!("a {}", words.join(" "))
    }

    /// `a, b and c`, with other words for *and*.
    fn list(&self, name: &str, items: &[String]) -> String {
        const JOINTS: [&str; 14] = [
            " and ",
            " and ",
            " and ",
            " and ",
            " and ",
            " and ",
            ", and ",
            " as well as ",
            " plus ",
            " and ",
            " along with ",
            " and also ",
            " & ",
            ", plus ",
        ];
        match items {
            [] => String::new(),
            [only] => only.clone(),
            [first, last] if self.keys.flip(&format!("{name} not only"), 0.03) => {
                format!("not only {first} but also {last}")
            }
            [first, last] if self.keys.flip(&format!("{name} both"), 0.04) => {
                format!("both {first} and {last}")
            }
            [rest @ .., last] => {
                let compound = rest.iter().chain([last]).any(|item| item.contains(" and "));
                let joint = if compound { ", and " } else { self.pick(name, &JOINTS) };
                format!("{}{joint}{last}", rest.join(", "))
            }
        }
    }

    /// `young man, glasses, short dark hair`
    fn traits(&mut self) -> String {
        let mut subject = self.noun();
        if self.keys.flip("no article", 0.7) {
            subject = subject.strip_prefix("a ").map(String::from).unwrap_or(subject);
        }
        let pieces = std::mem::take(&mut self.pieces);
        let mut items: Vec<String> = pieces.after;
        let mut last = Vec::new();
        let strip = |text: String, at: usize| match self.keys.flip(&format!("article {at}"), 0.6) {
            true => bare(&text).to_owned(),
            false => text,
        };
        for (at, text) in pieces.with.into_iter().enumerate() {
            items.push(strip(text, at));
        }
        let mut worn = pieces.wears;
        if self.keys.flip("wearing", 0.45) && !worn.is_empty() {
            items.push(format!("wearing {}", joined("and", &worn)));
        } else {
            let from = items.len();
            items.extend(worn.drain(..).enumerate().map(|(at, text)| strip(text, from + at)));
        }
        items.extend(pieces.appositions);
        items.extend(pieces.doing);
        items.extend(pieces.does.iter().chain(&pieces.clauses).map(|text| self.singular(text)));
        match self.keys.below("denied traits", 4) {
            _ if pieces.denied.is_empty() => {}
            0 => items.push(self.no(&pieces.denied)),
            1 => items.extend(pieces.denied.iter().map(|denied| format!("no {}", bare(&denied.text)))),
            2 => items.push(self.statement(&pieces.denied)),
            _ => items.push(self.without(&pieces.denied)),
        }
        items.extend(pieces.not.iter().map(|text| format!("not {text}")));
        let mut items = self.shuffled(items);
        last.extend(pieces.last_with);
        last.extend(pieces.last_wears);
        items.extend(last);
        items.extend(pieces.scene);
        items.extend(pieces.says);
        items.extend(pieces.tail);
        items.insert(usize::from(self.keys.flip("noun second", 0.06) && !items.is_empty()), subject);
        items.join(self.pick("separator", &[", ", ", ", ", ", ", ", ", ", "; ", ". ", " - ", " / "]))
    }

    /// In an order that does not depend on the other items.
    fn shuffled(&self, mut items: Vec<String>) -> Vec<String> {
        let rank = |item: &String| self.keys.words.child("order").child(item).rng();
        items.sort_by_cached_key(|item| (t2f_ops::rng::unit(&mut rank(item)) * 1e9) as u64);
        items
    }

    fn opening(&self) -> &'static str {
        match self.style {
            Style::Request => self.pick("request", &REQUESTS),
            _ => self.pick("opening", &DESCRIPTIONS),
        }
    }

    /// What follows *with*: what is there, and often what is not.
    fn with(&mut self) -> Option<String> {
        let pieces = &mut self.pieces;
        let mut with = std::mem::take(&mut pieces.with);
        // *Full lips and no beard or moustache*: what follows must not be read as denied.
        with.sort_by_key(|phrase| {
            ["no ", "neither ", "nothing "].iter().any(|start| phrase.starts_with(start))
        });
        with.append(&mut pieces.last_with);
        let attached = !pieces.denied.is_empty()
            && self.keys.flip("denials with", if with.is_empty() { 0.45 } else { 0.4 });
        let denied = if attached { std::mem::take(&mut pieces.denied) } else { Vec::new() };
        if denied.is_empty() {
            return (!with.is_empty()).then(|| self.list("and featured", &with));
        }
        let no = self.no(&denied);
        if with.is_empty() {
            return Some(no);
        }
        Some(match self.keys.below("but", 4) {
            0 => format!("{no} but {}", joined("and", &with)),
            1 => format!("{}, but {no}", self.list("and featured", &with)),
            2 => format!("{} but {no}", self.list("and featured", &with)),
            _ => format!("{} and {no}", with.join(", ")),
        })
    }

    fn wearing(&mut self) -> Option<String> {
        let mut wears = std::mem::take(&mut self.pieces.wears);
        wears.append(&mut self.pieces.last_wears);
        (!wears.is_empty()).then(|| self.list("and worn", &wears))
    }

    /// `a photo of a young man with short dark hair, wearing glasses`
    fn sentence(&mut self) -> String {
        let noun = self.noun();
        let after = std::mem::take(&mut self.pieces.after);
        let relative = after.iter().any(|text| text.starts_with("whose"));
        let after: String = after.iter().map(|text| format!(" {text}")).collect();
        let (with, wears) = (self.with(), self.wearing());
        let doing = std::mem::take(&mut self.pieces.doing);
        let whole = self.style == Style::Sentence
            && self.keys.flip("predicate", 0.2)
            && (with.is_some() || wears.is_some());
        let mut text;
        if whole {
            let noun = noun.strip_prefix("a ").unwrap_or("person");
            let opening = ["this {}", "this {}", "the {} in the photo", "the {} in the picture", "the {}"];
            text = self
                .pick("this", &opening[..if relative || !after.is_empty() { 2 } else { 5 }])
                .replace("{}", noun);
            text += &after;
            let mut parts = Vec::new();
            parts.extend(with.map(|with| {
                format!("{} {with}", self.pick("has", &["has", "has", "has got", "seems to have"]))
            }));
            parts.extend(
                wears.map(|wears| {
                    format!("{} {wears}", self.pick("wears", &["is wearing", "wears", "has on"]))
                }),
            );
            if !doing.is_empty() {
                parts.push(format!("is {}", joined("and", &doing)));
            }
            let separator = if after.starts_with(" whose") { ", " } else { " " };
            text = format!("{text}{separator}{}", joined("and", &parts));
        } else if let (true, Some(wears), Some(with)) = (
            self.style == Style::Sentence && doing.is_empty() && self.keys.flip("fronted", 0.06),
            &wears,
            &with,
        ) {
            let noun = noun.strip_prefix("a ").unwrap_or("person");
            text = format!("wearing {wears}, this {noun}{after} has {with}");
        } else {
            text = format!("{}{noun}{after}", self.opening());
            if let Some(with) = &with {
                let joints = [
                    " with ",
                    " with ",
                    " with ",
                    " with ",
                    ", with ",
                    " who has ",
                    " that has ",
                    " having ",
                ];
                text += if relative { ", with " } else { self.pick("with", &joints) };
                text += with;
            }
            if let Some(wears) = &wears {
                let joints = [
                    " wearing ",
                    " wearing ",
                    ", wearing ",
                    " who is wearing ",
                    ", who is wearing ",
                    " who wears ",
                ];
                let count = if with.is_some() { 3 } else { 6 };
                text += self.pick("wearing", &joints[..count]);
                text += wears;
            }
            if !doing.is_empty() {
                let list = joined("and", &doing);
                let who = doing.iter().any(|item| !item.contains("ing")) || self.keys.flip("who is", 0.3);
                let comma = if with.is_some() || wears.is_some() { "," } else { "" };
                text += &if who { format!("{comma} who is {list}") } else { format!(", {list}") };
            }
        }
        self.finish(text)
    }

    /// The rest of one sentence: denials, clauses, the scene, corrections.
    fn finish(&mut self, mut text: String) -> String {
        let pieces = std::mem::take(&mut self.pieces);
        let request = self.style == Style::Request;
        if !pieces.denied.is_empty() {
            let comma = self.pick("before without", &[" ", ", ", ", but "]);
            let without = self.without(&pieces.denied);
            let list = self.no(&pieces.denied);
            text = match self.keys.below("denial at the end", 10) {
                0 | 1 => format!("{text}, {list}"),
                2 => format!("{text}, but {list}"),
                3 => format!("{text}, who {}", self.singular(&self.denies(&pieces.denied))),
                4..=7 if request => {
                    let stop = self.pick("before wish", &[". ", ". ", ", ", " - ", ", and ", "; "]);
                    format!("{text}{stop}{}", self.wish(&pieces.denied))
                }
                4 | 5 => {
                    let stop = self.pick("before statement", &[". ", ". ", ", ", " - ", "; "]);
                    format!("{text}{stop}{}", self.statement(&pieces.denied))
                }
                _ if without.starts_with("with") => format!("{text}{comma}{without}"),
                _ => format!("{text}, {without}"),
            };
        }
        let nouns = pieces.appositions.iter().map(|noun| format!("{{he}} {{is}} {noun}"));
        let mut clauses =
            nouns.chain(pieces.does.iter().map(|does| format!("{{he}} {does}"))).collect::<Vec<_>>();
        clauses.extend(pieces.clauses);
        clauses.extend(pieces.not.iter().map(|text| format!("{{he}} {}", self.is_not(text))));
        text += &pieces.scene.iter().map(|scene| scenery(scene)).collect::<String>();
        clauses.extend(pieces.says);
        for (at, clause) in clauses.iter().enumerate() {
            let joints: &[&str] = match at {
                0 => &[", ", ", and ", " and ", ". ", "; "],
                _ => &[", ", ". ", ". ", ", and "],
            };
            text += self.pick(&format!("clause {at}"), joints);
            text += clause;
        }
        for tail in pieces.tail {
            text += self.pick("tail", &[". ", ". ", "... ", " - "]);
            text += &tail;
        }
        if request && self.keys.flip("thanks", 0.15) {
            text += self.pick("thanks words", &[", please", " please", ". thanks", ". thank you", " pls"]);
        }
        text
    }

    /// `This is a young man. He has short dark hair. He is wearing glasses. He is smiling.`
    fn sentences(&mut self) -> String {
        let noun = self.noun();
        let after: String = self.pieces.after.drain(..).map(|text| format!(" {text}")).collect();
        let mut first = format!("{}{noun}{after}", self.opening());
        let relative = after.contains("whose");
        if !self.pieces.with.is_empty() && self.keys.flip("first with", 0.35) {
            let own = self.pieces.with.remove(0);
            first = format!("{first}{} {own}", if relative { ", with" } else { " with" });
        } else if !self.pieces.wears.is_empty() && self.keys.flip("first wearing", 0.2) {
            let own = self.pieces.wears.remove(0);
            first = format!("{first}, wearing {own}");
        }
        // Predicates of the person, then clauses with a subject of their own.
        let mut predicates = Vec::new();
        if self.pieces.with.len() > 2 && self.keys.flip("two lists", 0.65) {
            let half = self.pieces.with.split_off(self.pieces.with.len() / 2);
            predicates.push(format!("{{has}} {}", self.list("and first", &half)));
        }
        let has = self.pick(
            "has",
            &["{has}", "{has}", "{has}", "{has}", "{seems} to have", "{appears} to have", "{has} got"],
        );
        predicates.extend(self.with().map(|with| format!("{has} {with}")));
        let wears = ["{is} wearing", "{is} wearing", "{wears}", "{has} on", "{is} also wearing"];
        let wears = self.pick("wears", &wears[..if predicates.is_empty() { 4 } else { 5 }]);
        predicates.extend(self.wearing().map(|it| format!("{wears} {it}")));
        let pieces = std::mem::take(&mut self.pieces);
        let mut sentences = pieces.clauses;
        if !pieces.denied.is_empty() && self.keys.flip("denial as a sentence", 0.3) {
            sentences.push(match self.keys.flip("denial as a wish", 0.3) {
                true => self.wish(&pieces.denied),
                false => self.statement(&pieces.denied),
            });
        } else if !pieces.denied.is_empty() {
            predicates.push(self.denies(&pieces.denied));
        }
        if !pieces.doing.is_empty() {
            let list = joined("and", &pieces.doing);
            predicates.push(format!("{{is}} {list}"));
        }
        predicates.extend(pieces.appositions.iter().map(|noun| format!("{{is}} {noun}")));
        predicates.extend(pieces.does);
        predicates.extend(pieces.not.iter().map(|text| self.is_not(text)));
        let mut units: Vec<String> = Vec::new();
        let subject = self.subject();
        let mut predicates = self.shuffled(predicates).into_iter().peekable();
        while let Some(predicate) = predicates.next() {
            let at = units.len();
            let named = at == 0 && self.keys.flip("this person", 0.25);
            let (who, mut text) = match named {
                true => ("", format!("{}{}", self.named(&noun), self.singular(&format!(" {predicate}")))),
                false => (subject, format!("{subject}{predicate}")),
            };
            if self.keys.flip(&format!("joined {at}"), 0.35)
                && let Some(next) = predicates.next()
            {
                let next = if who.is_empty() && named { self.singular(&next) } else { next };
                let turns = denies(&predicate) != denies(&next);
                let joints = if turns {
                    [", but ", " but ", " and ", ", although {he} "]
                } else {
                    [" and ", ", and ", " and ", " and "]
                };
                let joint = self.pick(&format!("joint {at}"), &joints[..if who.is_empty() { 3 } else { 4 }]);
                text = format!("{text}{joint}{next}");
            }
            units.push(text);
        }
        units.extend(sentences);
        let mut units = self.shuffled(units);
        // *This man* comes first, *also* not at once.
        units.sort_by_key(|unit| unit.contains("also ") as u8 + 1 - u8::from(unit.starts_with("th")));
        let scene: String = pieces.scene.iter().map(|scene| scenery(scene)).collect();
        first += &scene;
        units.insert(0, first);
        units.extend(pieces.says);
        units.extend(pieces.tail);
        units.join(self.pick("stop", &[". ", ". ", ". ", ". ", ". ", ", "]))
    }

    /// The subject of sentences: a pronoun, or nothing in notes.
    fn subject(&self) -> &'static str {
        if self.keys.flip("notes", 0.08) && self.person.singular() { "" } else { "{he} " }
    }

    /// `this woman`, `the man`.
    fn named(&self, noun: &str) -> String {
        let head = [" in ", " of "].iter().fold(noun, |noun, joint| noun.split(joint).next().unwrap_or(noun));
        let last = head.rsplit(' ').next().unwrap_or("person");
        let last = if last == "someone" { "person" } else { last };
        format!("{} {last}", self.pick("the person", &["this", "the", "the"]))
    }
}

/// A phrase about the picture at the end of a clause.
fn scenery(scene: &str) -> String {
    if scene.starts_with("lit") { format!(", {scene}") } else { format!(" {scene}") }
}

/// Whether a predicate denies.
fn denies(predicate: &str) -> bool {
    [
        "n't}",
        " not ",
        " no ",
        "without",
        "{lacks}",
        "{hates}",
        "{refuses}",
        " off",
        "never",
        "anything but",
        "far from",
    ]
    .iter()
    .any(|word| predicate.contains(word))
}
