//! The surface of captions: spelling, hyphens, capitals, punctuation and typing errors.

use std::collections::HashSet;

use rand_core::Rng;
use t2f_ops::rng::{self, Key};

use super::keys::Keys;
use super::plan::Style;

/// The share of captions with typing errors.
const TYPING_ERRORS: f64 = 0.13;

/// British spellings, and the American ones.
const AMERICAN: [(&str, &str); 11] = [
    ("grey", "gray"),
    ("greying", "graying"),
    ("greyish", "grayish"),
    ("moustache", "mustache"),
    ("moustached", "mustached"),
    ("moustachioed", "mustachioed"),
    ("colour", "color"),
    ("coloured", "colored"),
    ("colours", "colors"),
    ("jewellery", "jewelry"),
    ("centre", "center"),
];

/// Compounds that are also written as one word.
const JOINED: [&str; 14] = [
    "clean-shaven",
    "middle-aged",
    "t-shirt",
    "v-neck",
    "polo-neck",
    "roll-neck",
    "dark-haired",
    "long-haired",
    "short-haired",
    "blue-eyed",
    "bare-headed",
    "good-looking",
    "curly-haired",
    "bald-headed",
];

/// Frequent misspellings.
const MISSPELT: [(&str, &str); 34] = [
    ("wearing", "waering"),
    ("wearing", "wering"),
    ("eyebrows", "eyebrowes"),
    ("moustache", "mustash"),
    ("mustache", "mustashe"),
    ("moustache", "moustach"),
    ("glasses", "glases"),
    ("glasses", "glassess"),
    ("beard", "berd"),
    ("beard", "baerd"),
    ("blond", "blonnd"),
    ("blonde", "blondie"),
    ("brown", "browm"),
    ("hair", "hiar"),
    ("hair", "hare"),
    ("freckles", "freckels"),
    ("earrings", "earings"),
    ("elderly", "elderley"),
    ("spectacles", "specticles"),
    ("sunglasses", "sunglases"),
    ("sunglasses", "sun glasses"),
    ("straight", "strait"),
    ("straight", "straigth"),
    ("turtleneck", "turtle neck"),
    ("without", "witout"),
    ("without", "with out"),
    ("woman", "women"),
    ("smiling", "smileing"),
    ("beautiful", "beautifull"),
    ("and", "adn"),
    ("with", "wiht"),
    ("with", "w/"),
    ("doesn't", "dosen't"),
    ("their", "thier"),
];

/// The text as somebody types it. `words` are those that no typing error may make.
pub(super) fn surface(text: &str, style: Style, keys: Keys, words: &HashSet<String>) -> String {
    let mut text = compounds(text, keys);
    if keys.flip("american", 0.5) {
        text = american(&text);
    }
    text = contractions(&text, keys);
    let (capital, stop) = match style {
        Style::Traits => (0.35, 0.2),
        Style::Sentence => (0.55, 0.5),
        Style::Sentences => (0.8, 0.8),
        Style::Request => (0.5, 0.4),
        Style::Record => (0.75, 0.5),
    };
    text = match keys.below("case", 100) {
        0..=1 => text.to_uppercase(),
        at if (at as f64 - 2.0) / 98.0 < capital => capitals(&text),
        _ => text.to_lowercase(),
    };
    if keys.flip("full stop", stop) {
        text.push_str(keys.pick("end", &[".", ".", ".", ".", ".", ".", ".", ".", "!", "..."]));
    }
    if keys.flip("typing errors", TYPING_ERRORS) {
        let mut stream = keys.words.child("typing errors in").rng();
        let count = [1, 1, 1, 2, 2, 3][rng::below(&mut stream, 6)];
        text = mistype(&text, count, keys.words.child("mistyped"), words);
    }
    text
}

/// The text with each compound written with a hyphen, two words or one.
fn compounds(text: &str, keys: Keys) -> String {
    let written = |word: &str| {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let (first, last) = core.split_once('-')?;
        if first.is_empty() || last.is_empty() || first == "x" || core.starts_with("non-") {
            return None;
        }
        match keys.below(&format!("compound {core}"), 20) {
            0..=4 if core != "make-up" && core != "t-shirt" => Some(word.replace('-', " ")),
            5..=6 if JOINED.contains(&core) => Some(word.replacen('-', "", 1)),
            _ => None,
        }
    };
    text.split(' ').map(|word| written(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}

/// The text in American spelling.
fn american(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let found = AMERICAN.iter().find(|(british, _)| *british == word);
        result.push_str(found.map_or(word, |(_, american)| american));
        let next = after.find(char::is_alphabetic).unwrap_or(after.len());
        result.push_str(&after[..next]);
        rest = &after[next..];
    }
    result.replace("make-up", "makeup")
}

/// The text with contractions as a person writes them: *isn't*, *isnt*, *is not*.
fn contractions(text: &str, keys: Keys) -> String {
    match keys.below("apostrophes", 10) {
        0 | 1 => text.replace("n't", "nt").replace("I'd", "Id").replace("let's", "lets"),
        2 => text.replace("n't", " not"),
        3 => text.replace('\'', "\u{2019}"),
        _ => text.to_owned(),
    }
}

/// The text with a capital at the start of every sentence.
pub(crate) fn capitals(text: &str) -> String {
    let mut start = true;
    let mut previous = ' ';
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        start |= matches!(previous, '.' | '|') && letter == ' ' && !result.ends_with("..");
        if start && letter.is_alphanumeric() {
            result.extend(letter.to_uppercase());
            start = false;
        } else {
            result.push(letter);
        }
        previous = letter;
    }
    result
}

/// The text with errors in some of its words. Each word has its own key, so that an edit of one
/// leaves the errors in the others.
fn mistype(text: &str, count: usize, key: Key, known: &HashSet<String>) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let rank = |word: &String| (rng::unit(&mut key.child(word).rng()) * 1e9) as u64;
    let long = |word: &String| word.chars().filter(|letter| letter.is_ascii_alphabetic()).count() >= 4;
    let mut places: Vec<usize> = (0..words.len()).filter(|at| long(&words[*at])).collect();
    places.sort_by_key(|at| rank(&words[*at]));
    let mut left = count;
    let mut joins = None;
    for at in places {
        if left == 0 {
            break;
        }
        let mut stream = key.child(&words[at]).child("error").rng();
        if rng::below(&mut stream, 9) == 0 && at + 1 < words.len() && joins.is_none() {
            // A missing space, unless it makes a word.
            let joined = format!("{}{}", words[at], words[at + 1]);
            if words[at].ends_with(char::is_alphanumeric) && !known.contains(&joined.to_lowercase()) {
                joins = Some(at);
                left -= 1;
            }
            continue;
        }
        if let Some(word) = wrong(&words[at], &mut stream, known) {
            words[at] = word;
            left -= 1;
        }
    }
    if let Some(at) = joins {
        let next = words.remove(at + 1);
        words[at].push_str(&next);
    }
    words.join(" ")
}

/// A word with a typing error, unless it would be another word of the lexicon.
fn wrong(word: &str, stream: &mut impl Rng, known: &HashSet<String>) -> Option<String> {
    const KEYBOARD: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let lower = word.to_lowercase();
    let core = lower.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let misspelt: Vec<&str> =
        MISSPELT.iter().filter(|(right, _)| *right == core).map(|(_, wrong)| *wrong).collect();
    for _ in 0..6 {
        let mut letters: Vec<char> = word.chars().collect();
        let places: Vec<usize> = (1..letters.len()).filter(|at| letters[*at].is_ascii_alphabetic()).collect();
        if places.len() < 2 {
            return None;
        }
        let at = places[rng::below(stream, places.len() - 1)];
        match rng::below(stream, 6) {
            0 | 5 if !misspelt.is_empty() => {
                let other = misspelt[rng::below(stream, misspelt.len())];
                letters = word.replacen(&core, other, 1).chars().collect();
            }
            0 => drop(letters.remove(at)),
            1 => letters.insert(at, letters[at]),
            2 if letters[at + 1].is_ascii_alphabetic() => letters.swap(at, at + 1),
            3 => {
                let letter = letters[at].to_ascii_lowercase();
                let row = KEYBOARD.iter().find(|row| row.contains(letter))?;
                let place = row.find(letter)?;
                let near = if place == 0 { 1 } else { place - 1 };
                letters[at] = row.as_bytes()[near] as char;
            }
            _ => drop(letters.remove(at)),
        }
        let mut result: String = letters.into_iter().collect();
        if !word.contains(|c: char| c.is_lowercase()) {
            result = result.to_uppercase();
        }
        let parts = result.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
        let same = |part: &String| core.split(|c: char| !c.is_alphanumeric()).any(|own| own == *part);
        let another = parts.filter(|part| !part.is_empty()).any(|part| known.contains(&part) && !same(&part));
        if result != word && !another {
            return Some(result);
        }
    }
    None
}
