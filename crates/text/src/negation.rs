//! Words that deny something.
//!
//! A model that does not know such a word ignores it, and reads *without glasses* as *glasses*. The list
//! is of English, the language of the captions of the built-in data sets.

use std::ops::Range;

/// Words that deny what is beside them.
const WORDS: [&str; 18] = [
    "no", "not", "non", "none", "nor", "never", "neither", "nothing", "hardly", "without", "w/o", "minus",
    "cannot", "lack", "lacks", "lacking", "ain't", "aint",
];

/// Verbs of which `n't` makes a denial. Its apostrophe may be missing.
const VERBS: [&str; 17] = [
    "is", "are", "was", "were", "has", "have", "had", "does", "do", "did", "wo", "would", "ca", "could",
    "should", "must", "need",
];

/// The beginning of words that deny: *non-smiling*.
const PREFIX: &str = "non-";
/// The end of words that deny: *beardless*, *hat-less*.
const SUFFIX: &str = "less";

/// Words that end in `less` and deny nothing that is seen.
const OTHERS: [&str; 20] = [
    "less",
    "unless",
    "nonetheless",
    "nevertheless",
    "regardless",
    "bless",
    "doubtless",
    "countless",
    "endless",
    "timeless",
    "ageless",
    "flawless",
    "priceless",
    "restless",
    "careless",
    "reckless",
    "breathless",
    "effortless",
    "helpless",
    "ruthless",
];

/// Words that belong to the next one: *without a hat*.
const ARTICLES: [&str; 4] = ["a", "an", "the", "any"];

/// The apostrophes that people type.
const APOSTROPHES: [char; 4] = ['\'', '’', 'ʼ', '`'];

/// A word of a caption that denies something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negation<'a> {
    caption: &'a str,
    word: Range<usize>,
    phrase: Range<usize>,
}

impl<'a> Negation<'a> {
    /// The word as written: `no`, `doesn't`, `beardless`.
    pub fn word(&self) -> &'a str {
        &self.caption[self.word.clone()]
    }

    /// The word and the next one, if spaces alone separate them, with an article between them: `no beard`,
    /// `without a hat`.
    pub fn phrase(&self) -> &'a str {
        &self.caption[self.phrase.clone()]
    }

    /// The caption without the denial: *with no hat* becomes *with hat*, *hat-less* becomes *hat*.
    pub fn removed(&self) -> String {
        let Range { start, end } = self.word.clone();
        let (before, after) = (&self.caption[..start], &self.caption[end..]);
        let word = self.word();
        let lower = word.to_ascii_lowercase();
        let denied = match (lower.strip_prefix(PREFIX), lower.strip_suffix(SUFFIX)) {
            (Some(_), _) => &word[PREFIX.len()..],
            (None, Some(stem)) => word[..stem.len()].trim_end_matches('-'),
            (None, None) => "",
        };
        let after = if denied.is_empty() { after.trim_start() } else { after };
        format!("{before}{denied}{after}")
    }
}

/// The words of a caption that deny something, in order.
///
/// ```
/// use t2f_text::negations;
///
/// let found = negations("A beardless man with no hat. He doesn’t smile");
/// let words: Vec<&str> = found.iter().map(|negation| negation.word()).collect();
/// assert_eq!(words, ["beardless", "no", "doesn’t"]);
/// assert_eq!((found[1].phrase(), found[2].phrase()), ("no hat", "doesn’t smile"));
/// assert_eq!(found[1].removed(), "A beardless man with hat. He doesn’t smile");
/// assert_eq!(found[0].removed(), "A beard man with no hat. He doesn’t smile");
/// ```
pub fn negations(caption: &str) -> Vec<Negation<'_>> {
    let words = words(caption);
    let mut found = Vec::new();
    for (place, word) in words.iter().enumerate().filter(|(_, word)| denies(&caption[(*word).clone()])) {
        let mut end = word.end;
        for next in &words[place + 1..] {
            if !caption[end..next.start].trim().is_empty() {
                break;
            }
            end = next.end;
            if !ARTICLES.contains(&caption[next.clone()].to_lowercase().as_str()) {
                break;
            }
        }
        found.push(Negation { caption, word: word.clone(), phrase: word.start..end });
    }
    found
}

/// The places of words: letters and digits, with apostrophes and hyphens between them, and `w/o`.
fn words(caption: &str) -> Vec<Range<usize>> {
    let inner = |c: char| c == '-' || APOSTROPHES.contains(&c);
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut characters = caption.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if !c.is_alphanumeric() {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some((next, c)) = characters.peek().copied() {
            let after = caption[next + c.len_utf8()..].chars().next();
            let is_short = c == '/' && caption[at..next].eq_ignore_ascii_case("w");
            let joins = (inner(c) || is_short) && after.is_some_and(char::is_alphanumeric);
            if !c.is_alphanumeric() && !joins {
                break;
            }
            end = next + c.len_utf8();
            characters.next();
        }
        found.push(at..end);
    }
    found
}

/// Whether a word denies something.
fn denies(word: &str) -> bool {
    let word = word.to_lowercase().replace(APOSTROPHES, "'");
    let contracted = word.strip_suffix("n't").or_else(|| word.strip_suffix("nt"));
    WORDS.contains(&word.as_str())
        || contracted.is_some_and(|verb| VERBS.contains(&verb))
        || word.starts_with(PREFIX)
        || (word.ends_with(SUFFIX) && !OTHERS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(caption: &str) -> Vec<&str> {
        negations(caption).iter().map(Negation::word).collect()
    }

    #[test]
    fn words_that_deny_are_found_as_people_write_them() {
        for (caption, expected) in [
            ("a man WITHOUT a hat", vec!["WITHOUT"]),
            ("no beard,no glasses", vec!["no", "no"]),
            ("w/o glasses, brown/black hair", vec!["w/o"]),
            ("he isn't smiling, she doesnt, they don’t", vec!["isn't", "doesnt", "don’t"]),
            ("neither hat nor 'glasses'", vec!["neither", "nor"]),
            (
                "a hatless, hat-less, beardless, non-smiling man",
                vec!["hatless", "hat-less", "beardless", "non-smiling"],
            ),
            ("flawless skin, a tangent, unless noted; a knot", vec![]),
            ("less hair, count want", vec![]),
            ("", vec![]),
            ("赤い髪の男 - ' /", vec![]),
        ] {
            assert_eq!(found(caption), expected, "{caption}");
        }
    }

    #[test]
    fn a_denial_is_removed_with_what_it_denies_left() {
        let removed = |caption: &str, at: usize| negations(caption)[at].removed();
        assert_eq!(removed("no beard and no hat", 1), "no beard and hat");
        assert_eq!(removed("a Hat-less man", 0), "a Hat man");
        assert_eq!(removed("non-smiling", 0), "smiling");
        assert_eq!(removed("glasses? none", 0), "glasses? ");
        let phrase = |caption: &str| negations(caption)[0].phrase().to_owned();
        assert_eq!(phrase("glasses: no. a hat"), "no");
        assert_eq!(phrase("a man without a hat, smiling"), "without a hat");
        assert_eq!(phrase("a man without the"), "without the");
    }
}
