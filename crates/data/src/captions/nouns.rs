//! Noun phrases: articles, lists, and their forms after denials.

use std::borrow::Borrow;

/// A noun phrase without its article.
pub(super) fn bare(text: &str) -> &str {
    ["a pair of ", "a ", "an ", "the "].iter().find_map(|article| text.strip_prefix(article)).unwrap_or(text)
}

/// A noun phrase after a denial: `any freckles`, `a hat`.
pub(super) fn any(text: &str) -> String {
    match text.starts_with("a ") || text.starts_with("an ") || text.starts_with("the ") {
        true => text.to_owned(),
        false => format!("any {text}"),
    }
}

/// The plural without its article: `beards`, `glasses`. `None` of phrases with more than adjectives and a noun.
pub(super) fn plural(text: &str) -> Option<String> {
    let noun = bare(text);
    let further = [" on ", " in ", " of ", " with ", " over ", " under ", " behind ", " near ", " and ", "{"];
    if further.iter().any(|word| noun.contains(word)) {
        return None;
    }
    let hissing = ["s", "x", "sh", "ch"].iter().any(|end| noun.ends_with(end));
    Some(match (noun.len() < text.len() && !text.starts_with("a pair of "), hissing) {
        (false, _) => noun.to_owned(),
        (true, true) => format!("{noun}es"),
        (true, false) => format!("{noun}s"),
    })
}

/// `a, b and c`, with a joint such as *and* before the last item.
pub(super) fn joined(joint: &str, items: &[impl Borrow<str>]) -> String {
    match items {
        [] => String::new(),
        [only] => only.borrow().to_owned(),
        [rest @ .., last] => format!("{} {joint} {}", rest.join(", "), last.borrow()),
    }
}

/// The text with *an* in place of *a* before vowels.
pub(super) fn articles(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut result: Vec<&str> = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or("");
        result.push(match *word {
            "a" if vowel(next) => "an",
            word => word,
        });
    }
    result.join(" ")
}

/// Whether a word begins with the sound of a vowel.
fn vowel(word: &str) -> bool {
    let word = word.trim_start_matches(['(', '"']).to_lowercase();
    let consonant = ["uni", "use", "usu", "euro", "one", "once", "u-"];
    let silent = ["hour", "honest", "heir", "8", "11 ", "11-", "18"];
    if silent.iter().any(|start| word.starts_with(start)) {
        return true;
    }
    word.starts_with(['a', 'e', 'i', 'o', 'u']) && !consonant.iter().any(|start| word.starts_with(start))
}
